# SPDX-License-Identifier: MIT
"""scripts/in_use.py: upgrades and purges the packages in a guest while programs use the module, for scripts/check-full.

A copy of a release's root that has an older version installed becomes the disk of a guest, with the kernel of that
release, a real device and an IOMMU. There tests/packages/in_use.sh is the first process. The guest compiles nothing,
since it is emulated: it has what DKMS made of the new version outside, as an archive where DKMS looks for one.
"""
import glob
import os
import shutil
import subprocess

from guest import Initramfs, QEMU

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORDS = ('console=ttyS0 panic=-1 oops=panic mitigations=off nokaslr tsc=reliable random.trust_cpu=on no_timer_check '
         'intel_iommu=on quiet')
SECONDS = 1800
# Folders of the kernel's modules that the guest keeps, since depmod reads every module.
KEPT = ('drivers/vfio', 'drivers/iommu', 'drivers/block', 'drivers/virtio', 'fs/ext4', 'fs/jbd2', 'fs/mbcache.ko',
        'fs/mbcache.ko.xz', 'lib', 'crypto', 'virt', 'arch')
WELL = 'in use: all is well'
ARCHIVE = """
set -e
dkms mktarball iofault/0.2.0 -k "$(ls /lib/modules | tail -n 1)"
cp /var/lib/dkms/iofault/0.2.0/tarball/*.tar.gz /packages/built.tar.gz
"""
KERNEL = """
set -e
apt-get install -y -qq --no-install-recommends udev kmod "linux-image-$(ls /lib/modules | tail -n 1)"
"""
INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /vm/order); do
	insmod $module
done
mount -t ext4 /dev/vda /root && exec switch_root /root /packages/in_use.sh
echo 'in use: failed: there is no disk'
echo o >/proc/sysrq-trigger
"""


class Guest:
    def __init__(self, release):
        """Keeps the state of a release's root, before the upgrade."""
        self.release, self.root = release, release.root + '.guest'
        self.disk, self.archive = self.root + '.disk', self.root + '.cpio'
        self.close()
        subprocess.run(['cp', '-a', '--reflink=auto', release.root, self.root], check=True)

    def close(self):
        with open('/proc/mounts') as mounts:
            if self.root + '/' in mounts.read():
                raise RuntimeError(f'{self.root} has mounts')
        for folder in (self.root, self.root + '.init'):
            shutil.rmtree(folder, ignore_errors=True)
        for name in (self.disk, self.archive):
            if os.path.exists(name):
                os.unlink(name)

    def path(self, name):
        return os.path.join(self.root, name)

    def furnish(self):
        """After the upgrade: makes the disk and what mounts it. Returns the kernel."""
        self.run(os.path.join(SOURCE, 'scripts/release-root'), '--run', self.root, 'sh', '-c', KERNEL)
        image, = glob.glob(self.path('boot/vmlinuz-*'))
        version = os.path.basename(image)[len('vmlinuz-'):]
        modules = self.path(f'lib/modules/{version}/kernel')
        os.rename(modules, modules + '.all')
        for name in KEPT:
            source, target = os.path.join(modules + '.all', name), os.path.join(modules, name)
            if os.path.exists(source):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.rename(source, target)
        shutil.rmtree(modules + '.all')
        self.run(os.path.join(SOURCE, 'scripts/release-root'), '--run', self.root, 'depmod', version)
        init = Initramfs(self.root + '.init')
        order = []
        for name in ('virtio_pci', 'virtio_blk', 'ext4', 'crc32c_generic'):
            order += [path for path in init.stock(name, modules, version) if path not in order]
        init.write('vm/order', '\n'.join(order) + '\n')
        init.write('init', INIT, 0o755)
        os.mkdir(init.path('root'))
        init.pack(self.archive)
        kernel = self.root + '.init/vmlinuz'
        shutil.copy(image, kernel)
        shutil.rmtree(self.path('iofault'), ignore_errors=True)
        os.makedirs(self.path('usr/share/iofault-dkms'), exist_ok=True)
        shutil.copy(os.path.join(self.release.root, 'packages/built.tar.gz'),
                    self.path('usr/share/iofault-dkms/iofault-0.2.0.dkms.tar.gz'))
        for name in ('tests/packages/in_use.sh', 'debian/tests/module'):
            shutil.copy(os.path.join(SOURCE, name), self.path('packages'))
        self.run('mke2fs', '-q', '-t', 'ext4', '-d', self.root, self.disk, '6G')
        return kernel

    @staticmethod
    def run(*command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors='replace')
        if done.returncode:
            raise RuntimeError(f'{command[0]}: {done.stdout[-2000:]}')

    def boot(self, kernel):
        """Returns what the guest wrote."""
        command = ['timeout', str(SECONDS), QEMU, '-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2',
                   '-m', '2G', '-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio', '-kernel', kernel,
                   '-initrd', self.archive, '-append', WORDS, '-device', 'intel-iommu,intremap=on', '-device', 'edu',
                   '-drive', f'file={self.disk},if=virtio,format=raw,cache=unsafe']
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors='replace')
        return done.stdout


def upgrade_in_use(guest, count, say, show):
    """Runs the guest; counts as one step."""
    label = f'{guest.release.name}: upgrade and purge while the modules are in use'
    done = guest.release.run('sh', '-c', ARCHIVE)
    if done.returncode:
        raise RuntimeError('dkms mktarball: ' + done.stdout[-2000:])
    told = guest.boot(guest.furnish())
    if WELL in told:
        count.passed += 1
    else:
        show(told[-6000:])
        count.fail(label)
    says = [line for line in told.splitlines() if line.startswith('in use: ')]
    say(f'{label}: {says[-1] if says else "the guest says nothing"}')
