#!/bin/sh
# SPDX-License-Identifier: MIT
#
# in_use.sh: the first process of a guest with Debian on its disk, an older version installed and the new packages in
# /packages/new. Upgrades and purges them while programs use the modules. Writes `in use: all is well` to the console,
# or what is wrong; the machine is off afterwards. scripts/in_use.py makes the disk and starts the guest.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
	DEBIAN_FRONTEND=noninteractive
mount -t proc proc /proc 2>/dev/null || :
mount -t sysfs sysfs /sys 2>/dev/null || :
mount -t devtmpfs devtmpfs /dev 2>/dev/null || :
mount -t tmpfs tmpfs /run
exec </dev/null >/dev/console 2>&1
mkdir -p /dev/shm /run/udev
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp

off() {
	sync
	echo o >/proc/sysrq-trigger
	exec tail -f /dev/null
}
die() {
	echo "in use: failed: $*"
	dmesg | tail -n 20
	off
}
step() {
	read -r uptime _ </proc/uptime
	echo "in use: $uptime: $*"
}
owner() {
	stat -c %G:%a "$1"
}
# waits COMMAND...: until the command succeeds.
waits() {
	left=600
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || die "this does not come: $*"
		sleep 0.1
	done
}
# The page requests that the stopped process has not answered.
open_faults() {
	cat "/proc/$1/fdinfo/"* 2>/dev/null | awk '/^(queued|delivered):/{n += $2} END{print n + 0}'
}
stopped_in_a_fault() {
	kill -STOP "$1" || die 'the program has ended before it could be stopped'
	[ "$(open_faults "$1")" -gt 0 ] && return
	kill -CONT "$1"
	return 1
}

/usr/lib/systemd/systemd-udevd --daemon || /lib/systemd/systemd-udevd --daemon || die 'there is no udevd'
cd /tmp || die 'there is no /tmp'
kernel=$(uname -r)
[ -d "/lib/modules/$kernel" ] || die "there are no modules of $kernel"

step 'without the capability to load modules, the test of the package skips'
status=0
setpriv --bounding-set -sys_module --inh-caps -sys_module sh /packages/module >said 2>&1 || status=$?
cat said
[ $status -eq 77 ] || die "status $status"
grep -q '^skipped: ' said || die 'it gives no reason'

step 'load the older version, and bind a device'
echo 'options iofault devices=2 mock=1' >/etc/modprobe.d/test.conf
edu=$(grep -l 0x11e8 /sys/bus/pci/devices/*/device) || die 'there is no device'
edu=$(basename "$(dirname "$edu")")
iofault bind "$edu" || die 'the device is not bound'
udevadm settle
for module in iofault iofault_pci; do
	[ "$(cat /sys/module/$module/version)" = 0.1.99 ] || die "$module says that it is $(cat /sys/module/$module/version)"
done
real=/dev/vfio/devices/vfio0
for node in /dev/iommu /dev/vfio/devices/vfio4096; do
	[ "$(owner $node)" = iofault:660 ] || die "$node is $(owner $node)"
done
[ "$(stat -c %G $real)" = root ] || die "$real is $(owner $real)"
iofault doctor kernel >said || die 'the older version does not work'
! grep note: said || die 'doctor tells the older module from itself'

# This process has the nodes open. One program has a page fault open. Another faults all the time. They use the files
# that they had from the start.
exec 3<>/dev/iommu 4<>$real
cp /usr/bin/iofault old
./old page -q --world kernel --device /dev/vfio/devices/vfio4097 --passes 50 --resident 1M --op crc32c /usr/bin/perl >result &
stopped=$!
waits test -e /proc/$stopped/fdinfo/3
waits stopped_in_a_fault $stopped
faults=$(open_faults $stopped)
: >go
(
	while [ -e go ]; do
		nice ./old page -q --world kernel --op crc32c /bin/sh >/dev/null || exit 1
		echo >>rounds
	done
) &
worker=$!

step "upgrade, with $faults faults open"
{ dpkg -i /packages/new/*.deb 3>&- 4>&- || echo 'the upgrade failed'; } 2>&1 | tee said
! grep -q 'the upgrade failed' said || die 'the upgrade failed'
[ "$(grep -c 'stays loaded' said)" -eq 1 ] || die 'the upgrade does not say once that the old module stays'
grep -q '^iofault 0\.1\.99 stays loaded.*For 0\.2\.0: .*modprobe -r iofault-pci iofault && .*reboot' said ||
	die 'the upgrade does not say how to use the new module'
dpkg --audit | grep . && die 'packages are left half-installed'
dkms status iofault | grep -q '^iofault/0\.2\.0, .*installed' || die 'the new module is not there'
! dkms status iofault | grep '^iofault' | grep -v '^iofault/0\.2\.0' || die 'the older module is still there'
udevadm settle
for module in iofault iofault_pci; do
	[ "$(cat /sys/module/$module/version)" = 0.1.99 ] || die "$module was exchanged"
done
for node in /dev/iommu /dev/vfio/devices/vfio4096; do
	[ "$(owner $node)" = iofault:660 ] || die "after the upgrade, $node is $(owner $node)"
done
[ "$(stat -c %G $real)" = root ] || die "after the upgrade, $real is $(owner $real)"

step 'programs go on'
[ "$(open_faults $stopped)" -ge "$faults" ] || die 'open faults were lost'
kill -CONT $stopped
wait $stopped || die 'the program that had faults open failed'
rm go
wait $worker || die 'a program failed during the upgrade'
echo "$(wc -l <rounds) rounds of the older program during the upgrade"
[ -s rounds ] || die 'no round'

step 'the new command on the older module'
iofault page -q --world kernel --op crc32c /bin/sh || die 'the new command does not work with the older module'
iofault doctor kernel devices >said || die 'doctor finds that the older module does not work'
cat said
grep -q 'note: iofault.ko 0\.1\.99 is loaded, and 0\.2\.0 is installed: ' said || die 'doctor does not tell the modules apart'
grep -q 'note: iofault-pci.ko 0\.1\.99 is loaded, and 0\.2\.0 is installed: ' said || die 'not those for real devices'
! modprobe -r iofault-pci iofault 2>/dev/null || die 'modules in use were removed'
[ -e $real ] || die 'the node of the real device has gone'
exec 3>&- 4>&-
iofault unbind "$edu" || die 'the new command does not unbind the device'

step 'reload'
modprobe -r iofault-pci iofault || die 'the modules do not go'
rm /etc/modprobe.d/test.conf
sh /packages/module || die 'the test of the package'
[ ! -d /sys/module/iofault ] || die 'the test leaves the module'

step 'purge while the module is in use'
modprobe iofault devices=1 || die 'the new module does not load'
udevadm settle
[ "$(cat /sys/module/iofault/version)" = 0.2.0 ] || die 'the older module was loaded'
iofault doctor kernel >said || die 'the new version does not work'
! grep note: said || die 'doctor tells the module from itself'
exec 3<>/dev/iommu
# A process that it leaves for a moment must not have the node.
dpkg --purge iofault iofault-dkms iofault-doc libiofault-dev libiofault1 3>&- || die 'the purge failed'
! getent group iofault || die 'the group is left'
[ -d /sys/module/iofault ] || die 'the purge has removed the module'
[ -z "$(find /lib/modules /usr/src /var/lib/dkms -name '*iofault*')" ] || die 'files are left'
udevadm settle
[ "$(stat -c %G /dev/iommu)" = root ] || die "/dev/iommu belongs to a group that is gone: $(owner /dev/iommu)"
exec 3>&-
rmmod iofault || {
	find /proc/[0-9]*/fd -lname '/dev/[iv]*' -printf '%p %l\n'
	die "the module does not go after the purge: $(cat /sys/module/iofault/refcnt) users"
}
! dmesg | grep -E 'BUG|WARNING|Oops' || die 'the kernel complains'
step 'the end'
echo 'in use: all is well'
off
