#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Programs that look for devices find those of `iofault run`: udevadm, pyudev, lspci, dpdk-devbind.py and
# driverctl, each where it is installed.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$SOURCE/tests/lib.sh"
needs_run

PATH=$PATH:/usr/sbin:/sbin
run() { "$IOFAULT" run --device dsa --device ats-test "$@"; }
have() { command -v "$1" >/dev/null; }

# What programs read themselves.
# shellcheck disable=SC2016
expect 0 run sh -ec '
	cd /sys/bus/pci/devices/f000:00:02.0
	test $(wc -l <resource) -eq 13
	test $(head -n 7 resource | wc -w) -eq 21
	for function in f000:00:01.0 f000:00:02.0; do
		cd ../$function
		for bar in 0 1 2 3 4 5; do
			base=$(od -A n -t x4 -j $((16 + 4 * bar)) -N 4 config | tr -d " ")
			set -- $(sed -n $((bar + 1))p resource)
			test "$1" = 0x00000000$base || exit 1
			test $1 != 0x0000000000000000 || continue
			# a base is aligned to the size
			test $((($2 - $1 + 1) & ($2 - $1))) -eq 0 && test $(($1 & ($2 - $1))) -eq 0 || exit 1
		done
	done
	test $(readlink -f vfio-dev/vfio1/subsystem) = /sys/class/vfio-dev
	test $(readlink -f vfio-dev/vfio1/device) = $(pwd -P)
	test $(readlink -f subsystem) = /sys/bus/pci
	test $(readlink -f driver) = /sys/bus/pci/drivers/vfio-pci
	test $(readlink -f driver/module) = /sys/module/vfio_pci
	test $(readlink -f /sys/dev/char/$(cat vfio-dev/vfio1/dev)) = $(pwd -P)/vfio-dev/vfio1
	test $(readlink -f /dev/char/$(cat vfio-dev/vfio1/dev)) = /dev/vfio/devices/vfio1
	test $(readlink -f /sys/dev/char/$(cat /sys/class/misc/vfio/dev)) = /sys/devices/virtual/misc/vfio
	test $(readlink -f /dev/char/$(cat /sys/class/misc/vfio/dev)) = /dev/vfio/vfio
	test $(readlink -f /sys/class/iommu/iofault) = $(readlink -f iommu)
	test $(readlink -f iommu/subsystem) = /sys/class/iommu
	test $(readlink -f iommu/devices/f000:00:02.0) = $(pwd -P)
	group=$(basename $(readlink iommu_group))
	test $(readlink -f /sys/class/vfio/$group/subsystem) = /sys/class/vfio
	test $(readlink -f /sys/dev/char/$(cat /sys/class/vfio/$group/dev)) = /sys/devices/virtual/vfio/$group
	test $(readlink -f /dev/char/$(cat /sys/class/vfio/$group/dev)) = /dev/vfio/$group
	test $(cat /sys/class/vfio/$group/dev) = $(printf %d:%d $(stat -c "0x%t 0x%T" /dev/vfio/$group))
	test $(wc -c <config) -eq 4096
	for module in vfio vfio_pci vfio_iommu_type1; do
		test $(cat /sys/module/$module/initstate) = live || exit 1
	done
	cat uevent vfio-dev/vfio1/uevent /sys/module/vfio/parameters/enable_unsafe_noiommu_mode'
has PCI_ID=1234:11E9 PCI_SLOT_NAME=f000:00:02.0 DRIVER=vfio-pci DEVNAME=vfio/devices/vfio1 N
# shellcheck disable=SC2016
expect 0 run sh -ec 'test "$SYSTEMD_DEVICE_VERIFY_SYSFS" = 0'

# Without a device behind an IOMMU there is none.
expect 0 "$IOFAULT" run --device dsa,noiommu test ! -e /sys/class/iommu/iofault

if have udevadm; then
	expect 0 run udevadm info -q property -n /dev/vfio/devices/vfio1
	has SUBSYSTEM=vfio-dev DEVNAME=/dev/vfio/devices/vfio1 MAJOR=
	expect 0 run udevadm info -q property -p /sys/bus/pci/devices/f000:00:02.0
	has SUBSYSTEM=pci DRIVER=vfio-pci
fi
if /usr/bin/python3 -c 'import pyudev' 2>/dev/null; then
	expect 0 run /usr/bin/python3 -c '
import os, pyudev
context = pyudev.Context()
nodes = {d.device_node: d for d in context.list_devices(subsystem="vfio-dev")}
assert set(nodes) == {"/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio1"}, nodes
for path, device in nodes.items():
    assert device.device_number == os.stat(path).st_rdev
    assert pyudev.Devices.from_device_number(context, "char", os.stat(path).st_rdev) == device
    assert pyudev.Devices.from_device_file(context, path) == device
    assert device.parent.subsystem == "pci"
ours = [d for d in context.list_devices(subsystem="pci") if d.get("PCI_ID") == "1234:11E9"]
assert [d.sys_name for d in ours] == ["f000:00:02.0"] and ours[0].driver == "vfio-pci"
assert pyudev.Devices.from_device_file(context, "/dev/iommu").subsystem == "misc"'
fi
if have lspci; then
	expect 0 run lspci -vvv -D -s f000:00:02.0
	has '1234:11e9' 'Region 0: Memory at fe000000' '[size=4K]' 'Region 4: Memory' 'MSI-X' 'Express' 'Address Translation Service' \
		'Page Request Interface' 'Kernel driver in use: vfio-pci' 'IOMMU group'
	expect 0 run lspci -D -n
	has 'f000:00:01.0 0880: 8086:0b25' 'f000:00:02.0 00ff: 1234:11e9'
fi
# That of DPDK 24 runs ip.
if have dpdk-devbind.py && have lspci && have ip; then
	expect 0 run dpdk-devbind.py --status
	# Lists of names of 2025 name the device.
	has 'f000:00:01.0 ' "0b25' drv=vfio-pci"
	# shellcheck disable=SC2016
	expect 0 run sh -ec '
		dpdk-devbind.py -u f000:00:01.0
		test ! -e /dev/vfio/devices/vfio0
		dpdk-devbind.py -b vfio-pci f000:00:01.0
		test -c /dev/vfio/devices/vfio0'
fi
if have driverctl; then
	expect 0 run driverctl list-devices
	has 'f000:00:01.0 vfio-pci' 'f000:00:02.0 vfio-pci'
	expect 0 run sh -ec '
		driverctl --nosave set-override f000:00:02.0 none
		test ! -e /dev/vfio/devices/vfio1
		driverctl --nosave set-override f000:00:02.0 vfio-pci
		test -c /dev/vfio/devices/vfio1'
fi

# An ordinary user is the owner of the machine.
if user_can; then
	expect 0 as_user "$IOFAULT" run sh -ec '
		cd /sys/bus/pci/drivers/vfio-pci
		echo f000:00:01.0 >unbind
		test ! -e /dev/vfio/devices/vfio0
		echo f000:00:01.0 >bind
		test -c /dev/vfio/devices/vfio0'
fi
