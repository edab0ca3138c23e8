# SPDX-License-Identifier: MIT
"""scripts/guest.py: a small virtual machine under QEMU, for scripts/vm. It boots in seconds.

Initramfs collects the files of the guest and packs them with cpio. Machine is a running QEMU. The guest has
two serial ports: the first is the kernel's console, the second carries the output of tests/vm/guest/runner.
Each is written to a file in the run's folder, and the second file is read while the guest runs. The guest
has no disk, no network and no graphics; it sees only the packed files of the host.
"""
import lzma
import os
import re
import shutil
import subprocess
import tempfile
import time

QEMU = 'qemu-system-x86_64'
# Always emulation, so that results do not depend on /dev/kvm.
EMULATED = ['-cpu', 'max', '-smp', '2']
PARALLEL = ['-accel', 'tcg,thread=multi']
# Where PCI functions are, the processors take turns. A processor of a parallel QEMU may send an access to a wrong
# device while another one changes the map of memory, as a reset, a bind and a removal of a function do. If that
# access is the end of an interrupt, the processor gets no further ones, and the guest is silent. So it was with
# 7.2 and 10.0.
IN_TURNS = ['-accel', 'tcg,thread=single']
# An instruction takes one nanosecond of virtual time: for benchmarks, not for races.
COUNTED = ['-accel', 'tcg', '-icount', 'shift=0,sleep=off', '-cpu', 'max,erms=off,fsrm=off']
MEMORY = '2G'
DISK_BYTES = 16 << 20
# A kernel oops ends the guest at once (-no-reboot). Slab caches are not merged, so that the module's have
# their own names. The watchdogs have long limits, since the host may delay an emulated CPU.
KERNEL_WORDS = ('console=ttyS0 rdinit=/init panic=-1 oops=panic slab_nomerge nokaslr mitigations=off '
                'printk.devkmsg=on watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60 '
                'random.trust_cpu=on tsc=reliable')


class Problem(Exception):
    """The guest cannot be started; the text is a message for the user."""


def unknown_property(arguments):
    """An experimental property that a device in `arguments` has not in this QEMU, as DEVICE,PROPERTY; or ''."""
    for before, argument in zip(arguments, arguments[1:]):
        device, *properties = argument.split(',') if before == '-device' else ['']
        wanted = [text.partition('=')[0] for text in properties if text.startswith('x-')]
        if wanted and shutil.which(QEMU):
            known = subprocess.run([QEMU, '-device', device + ',help'], stdout=subprocess.PIPE, text=True).stdout
            for name in wanted:
                if not re.search(fr'^ *{name}=', known, re.MULTILINE):
                    return f'{device},{name}'
    return ''


def module_information(data):
    """Returns the key=value strings of a module."""
    return dict(text.split('=', 1) for text in
                re.findall(r'(?:^|\0)((?:vermagic|depends|name)=[^\0]*)', data.decode('latin-1')))


class Initramfs:
    def __init__(self, folder):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        for name in ('bin', 'dev', 'proc', 'sys', 'tmp', 'run', 'etc', 'usr/bin', 'vm/modules'):
            os.makedirs(os.path.join(folder, name))
        self.write('etc/passwd', 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n')
        self.write('etc/group', 'root:x:0:\nnogroup:x:65534:\n')
        self.busybox()

    def path(self, name):
        return os.path.join(self.folder, name.lstrip('/'))

    def write(self, name, data, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as out:
            out.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(path, mode)

    def copy(self, source, name):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copyfile(source, path)
        os.chmod(path, 0o755 if os.access(source, os.X_OK) else 0o644)

    def busybox(self):
        # Either package, busybox or busybox-static, may have installed it; it must be linked statically.
        program = shutil.which('busybox', path='/bin:/usr/bin')
        if not program:
            raise Problem('there is no busybox: scripts/deps installs busybox-static')
        self.copy(program, 'bin/busybox')
        names = subprocess.run([program, '--list'], stdout=subprocess.PIPE, text=True, check=True)
        for name in names.stdout.split():
            if name != 'busybox':
                os.symlink('busybox', self.path('bin/' + name))

    def program(self, source):
        """Copies a program to /usr/bin, and its libraries to the folders that its loader searches."""
        name = 'usr/bin/' + os.path.basename(source)
        if os.path.exists(self.path(name)):
            return
        self.copy(source, name)
        listed = subprocess.run(['ldd', source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True)
        found = re.findall(r'(?:=> )?(/\S+) \(0x', listed.stdout)
        if re.search(r'=> not found', listed.stdout):
            raise Problem(f'{source} misses a library')
        libc = [path for path in found if os.path.basename(path).startswith('libc.so')]
        place = os.path.dirname(libc[0]) if libc else '/lib'
        for path in found:
            # A program names its loader by path; the loader searches libc's folder for the rest.
            is_loader = os.path.basename(path).startswith('ld-linux')
            target = path if is_loader else os.path.join(place, os.path.basename(path))
            if not os.path.exists(self.path(target)):
                self.copy(os.path.realpath(path), target)
                os.chmod(self.path(target), 0o755)

    def module(self, source, name, release):
        """Copies a module for this kernel without debugging information; returns the modules that it needs."""
        with open(source, 'rb') as packed:
            data = packed.read()
        if source.endswith('.xz'):
            data = lzma.decompress(data)
        said = module_information(data)
        if said.get('vermagic', '').split(' ')[0] != release:
            raise Problem(f'{source} was built for {said.get("vermagic", "no kernel")}, not for {release}')
        self.write(name, data)
        subprocess.run(['strip', '--strip-debug', self.path(name)], check=True)
        return [word for word in said.get('depends', '').split(',') if word]

    def stock(self, wanted, modules, release):
        """Copies a module of the kernel and the modules that it needs; returns their guest paths in loading order."""
        where = {}
        for folder, _, names in os.walk(modules):
            for name in names:
                told = re.match(r'(.*)\.ko(\.xz)?$', name)
                if told:
                    where[told.group(1).replace('-', '_')] = os.path.join(folder, name)
        order = []

        def add(name):
            if name not in where:
                return      # built in, or absent: loading it fails then
            target = f'/vm/modules/{name}.ko'
            for needed in self.module(where[name], target, release):
                if f'/vm/modules/{needed}.ko' not in order:
                    add(needed.replace('-', '_'))
            order.append(target)

        add(wanted.replace('-', '_'))
        return order

    def pack(self, archive):
        names = []
        for folder, folders, files in os.walk(self.folder):
            for name in folders + files:
                names.append(os.path.relpath(os.path.join(folder, name), self.folder))
        with open(archive, 'wb') as out:
            done = subprocess.run(['cpio', '--quiet', '-o', '-H', 'newc', '-R', '0:0'],
                                  cwd=self.folder, input='\n'.join(sorted(names)).encode(), stdout=out)
        if done.returncode:
            raise Problem('cpio failed')


class Machine:
    """QEMU with the guest. `counted`: the number of processors of a guest that counts instructions. `lines`
    yields the lines that the guest writes to its second port.

    `arguments` are further ones of QEMU's. In each of them {disk} is the path of an empty disk image, and
    {socket} that of a Unix socket, which two character devices of one machine can use to reach each other.
    `parallel`: the processors take no turns, whatever the devices.
    """

    def __init__(self, kernel, archive, words, folder, counted=False, terminal=False, arguments=(),
                 parallel=False):
        self.console = os.path.join(folder, 'console.log')
        self.told = os.path.join(folder, 'told.log')
        for name in (self.console, self.told):
            open(name, 'wb').close()
        # QEMU is killed when its parent process ends.
        if counted:
            processors = [*COUNTED, '-smp', str(int(counted))]
        else:
            turns = '-device' in arguments and not parallel
            processors = [*(IN_TURNS if turns else PARALLEL), *EMULATED]
        command = ['setpriv', '--pdeathsig', 'KILL', QEMU, *processors,
                   '-m', MEMORY, '-nodefaults', '-no-reboot', '-display', 'none', '-kernel', kernel,
                   '-initrd', archive, '-append', KERNEL_WORDS + ' ' + words]
        if terminal:
            # Ctrl-C is the guest's; ctrl-a x ends the machine.
            command += ['-chardev', 'stdio,id=terminal,mux=on,signal=off', '-serial', 'chardev:terminal',
                        '-mon', 'chardev=terminal']
        else:
            command += ['-serial', 'file:' + self.console]
        command += ['-serial', 'file:' + self.told]
        # The path of a Unix socket must be short.
        self.short = tempfile.mkdtemp(prefix='iofault-vm-') if any('{socket}' in a for a in arguments) else ''
        disk = os.path.join(folder, 'disk')
        if any('{disk}' in argument for argument in arguments):
            with open(disk, 'wb') as image:
                image.truncate(DISK_BYTES)
        command += [argument.replace('{disk}', disk).replace('{socket}', os.path.join(self.short, 'socket'))
                    for argument in arguments]
        if not shutil.which(QEMU):
            raise Problem(f'there is no {QEMU}: scripts/deps installs qemu-system-x86')
        self.process = subprocess.Popen(command, stdin=None if terminal else subprocess.DEVNULL)
        self.position = 0
        self.pending = b''

    def lines(self):
        """Yields the complete lines that are new."""
        with open(self.told, 'rb') as told:
            told.seek(self.position)
            data = told.read()
        self.position += len(data)
        *whole, self.pending = (self.pending + data).split(b'\n')
        return [line.decode('ascii', 'replace').strip('\r') for line in whole]

    def running(self):
        return self.process.poll() is None

    def wait(self, seconds):
        """Waits until the machine is off; returns False after the time limit."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def pause(self):
        time.sleep(0.05)

    def stop(self):
        if self.running():
            self.process.kill()
        self.process.wait()
        if self.short:
            shutil.rmtree(self.short, ignore_errors=True)
