#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The exit status is the program's; what cannot be run or made has its own; arguments, environment,
# working folder and descriptors arrive as they were.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$SOURCE/tests/lib.sh"
needs_run

run() { "$IOFAULT" run "$@"; }

expect 0 run true
expect 7 run -- sh -c 'exit 7'
expect 137 run sh -c 'kill -KILL $$'
expect 143 run sh -c 'kill -TERM $$'
expect 127 run ./nothing-of-that-name
says 'nothing-of-that-name'
: >plain
expect 126 run ./plain
for wrong in '--nonsense true' '--device nothing true' '--device dsa,credits=0 true' \
	'--device dsa,credits true' '--device dsa,share true' '--device ats-test,engines=2 true' \
	'--device dsa --no-device true' '--trace' '--memlock 1 true' '--memlock much true' '--memlock no true' ''; do
	# shellcheck disable=SC2086
	expect 125 run $wrong
	[ "$(wc -l <err)" -eq 1 ] || die "not one line: $wrong"
done
expect 125 run --trace /nowhere/at/all true
says '/nowhere/at/all'
expect 125 run "$IOFAULT" run true
says 'a run cannot be started inside a run'

# A line for each call, from the file's point of view; the counts; and what a full disk makes of it.
expect 0 run --trace calls --stats --device dsa --device ats-test sh -c '
	exec 3<>/dev/iommu 4<>/dev/vfio/devices/vfio1
	exec 3<&- 4<&-
	exec 3<>/dev/iommu'
for line in 'iommu: open = 0' 'vfio1: open = 0' 'iommu: close' 'vfio1: close'; do
	grep -qE "^[0-9]+\.[0-9]{6} [0-9]+ $line\$" calls || die "no '$line' in the trace: $(cat calls)"
done
[ "$(grep -c 'open = 0' calls)" -eq 3 ] || die "not three opens: $(cat calls)"
says ' 3 opens' 'vfio0: 0 pages requested' 'vfio0: 0 descriptors completed' 'vfio1: 0 pages requested' \
	'vfio1: 0 transfers'
expect 3 run --trace /dev/full sh -c 'exec 3<>/dev/iommu; exit 3'
says '/dev/full is not complete: No space left on device'

expect 0 run --trace - sh -c 'exec 3<>/dev/iommu'
has 'iommu: open = 0'

# What character devices cannot do.
expect 0 run python3 -c '
import os
fd = os.open("/dev/iommu", os.O_RDWR)
for call, number in ((lambda: os.fsync(fd), 22),
                     (lambda: os.ftruncate(fd, 0), 22), (lambda: os.truncate("/dev/iommu", 0), 22)):
    try:
        call()
        raise SystemExit(1)
    except OSError as e:
        assert e.errno == number, (e, number)'

# A program that is not dumpable cannot be served by an ordinary user, and one line says why.
if user_can; then
	expect 0 as_user "$IOFAULT" run python3 -c "
import ctypes, errno, fcntl, os
fd = os.open('/dev/iommu', os.O_RDWR)
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
for _ in range(3):
    try:
        fcntl.ioctl(fd, 0x3b81, bytearray(b'\x0c' + bytes(11)))
        raise SystemExit('it was served')
    except OSError as e:
        assert e.errno in (errno.EACCES, errno.EFAULT), e"
	says 'is not dumpable' 'as root'
	[ "$(wc -l <err)" -eq 1 ] || die "not one line"
fi

# As many arguments as there may be.
# shellcheck disable=SC2016,SC2046
expect 0 run sh -c 'echo $#' name $(seq 50000)
[ "$(cat out)" = 50000 ] || die 'not all arguments arrived'

# shellcheck disable=SC2016
expect 0 env WORD='two words' "$IOFAULT" run sh -c 'echo "$WORD|$PWD|$*"' name a 'b c'
[ "$(cat out)" = "two words|$work|a b c" ] || die 'not what was given'
expect 0 run sh -c 'cat <&5' 5<<<'a descriptor'
has 'a descriptor'
expect 0 ls /proc/self/fd
mv out without
expect 0 "$IOFAULT" run ls /proc/self/fd
cmp out without || die 'descriptors of ours are left open'

# shellcheck disable=SC2016
expect 0 run --device dsa --device ats-test --device dsa,share sh -c '
	for i in 0 1 2; do test -r /dev/vfio/devices/vfio$i || exit 1; done
	test -e /dev/iommu -a -c /dev/null -a -d /dev/shm &&
	for i in 1 2 3; do
		device=/sys/bus/pci/devices/f000:00:0$i.0
		cat $device/vendor $device/device && test -d $(readlink -f $device/iommu_group)/devices &&
		ls $device/vfio-dev && od -An -tx2 -N4 $device/config || exit 1
	done
	test $(readlink -f /sys/bus/pci/devices/f000:00:02.0/iommu_group) = \
	     $(readlink -f /sys/bus/pci/devices/f000:00:03.0/iommu_group)'
has 0x8086 0x0b25 0x1234 0x11e9 vfio0 vfio1 vfio2 '1234 11e9'
expect 0 run --no-device sh -c 'test -e /dev/iommu && ! test -e /dev/vfio/devices/vfio0'

# With a limit for all, a map that would be too much is refused, of root too; or there is none. Otherwise
# it is the process's own, but for one that an ordinary user came with.
worker=$BUILD/tests/abi/abi-ioas_hwpt
expect 0 env IOFAULT_WORLD=kernel "$IOFAULT" run --mock "$worker"
expect 0 env IOFAULT_WORLD=kernel "$IOFAULT" run --mock --memlock 1G "$worker"
! env IOFAULT_WORLD=kernel "$IOFAULT" run --mock --memlock 8K "$worker" >out 2>&1 ||
	die 'more than 8 KiB could be mapped'
small() {
	env IOFAULT_WORLD=kernel "$IOFAULT" run --mock "$@"
}
own='ulimit -S -l 8; exec "$@"'
if user_can; then
	expect 0 as_user bash -c 'ulimit -l 8; exec "$@"' - \
		env IOFAULT_WORLD=kernel "$IOFAULT" run --mock "$worker"
	! small bash -c "$own" - setpriv --bounding-set -ipc_lock --inh-caps -all "$worker" >out 2>&1 ||
		die 'a limit of its own does not count'
fi

# The machine's own sysfs can be read, not written, by root either.
if [ "$(id -u)" -eq 0 ] && [ -w /sys/kernel/mm/ksm/run ]; then
	expect 0 run sh -c '! test -w /sys/kernel/mm/ksm/run && test -r /sys/kernel/mm/ksm/run'
	expect 0 run --no-device sh -c '! test -w /sys/kernel/mm/ksm/run'
	[ -w /sys/kernel/mm/ksm/run ] || die 'it cannot be written outside either'
fi
