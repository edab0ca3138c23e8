#!/bin/bash
# SPDX-License-Identifier: MIT
#
# `iofault doctor` tries: what works is yes, and where something is taken away it says no and names one next step.
# shellcheck source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

expect 0 "$IOFAULT" doctor
[ ! -s err ] || die 'something on standard error'
[ "$(grep -c '^[a-z]' out)" -eq 4 ] || die 'not four ways'
grep -q '^embedded  *yes' out || die 'the embedded world does not work'
# Each no has a next step, and only those.
[ "$(grep -c '^[a-z]* *no ' out)" -eq "$(grep -c '^ *next: .' out)" ] || die 'a step is missing, or is too many'

expect 0 "$IOFAULT" doctor embedded
[ "$(wc -l <out)" -eq 1 ] || die 'more than was asked for'
expect 2 "$IOFAULT" doctor moon
complains "no way 'moon'"
expect 2 "$IOFAULT" doctor --moon
complains '--moon'
if [ ! -e /dev/iommu ]; then
	expect 1 "$IOFAULT" doctor embedded kernel
	has 'kernel    no' 'next: '
fi

# The other worlds, as far as they can be had here.
if "$IOFAULT" run --check >/dev/null; then
	expect 0 "$IOFAULT" doctor run
	has 'run       yes'
	expect 0 "$IOFAULT" run -- "$IOFAULT" doctor kernel
	has 'kernel    yes'
	expect 1 "$IOFAULT" run --no-device -- "$IOFAULT" doctor kernel
	has 'kernel    no' 'vfio0'
fi
# shellcheck disable=SC2016 # for the shell inside
if unshare --mount true 2>/dev/null && [ "$(id -u)" -eq 0 ]; then
	expect 1 unshare --mount sh -c 'mount -t tmpfs tmpfs /dev && mkdir /dev/shm && : >/dev/null && exec "$@"' \
		sh "$IOFAULT" doctor run
	has 'run       no' 'next: ' 'modprobe fuse'
	# A node that another user owns.
	expect 1 unshare --mount sh -c 'mount -t tmpfs -o mode=755 tmpfs /dev && mkdir -m 1777 /dev/shm &&
		: >/dev/null && : >/dev/iommu && chmod 666 /dev/null && chmod 660 /dev/iommu &&
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"' sh "$IOFAULT" doctor kernel
	has 'may not open /dev/iommu' 'next: sudo adduser'
fi
# A module in memory that is not the one that is installed. What modinfo says is in told/.
# shellcheck disable=SC2016 # for the shell inside
if unshare --mount true 2>/dev/null && [ "$(id -u)" -eq 0 ]; then
	mkdir modules bin told
	cat >bin/modinfo <<-END
		#!/bin/sh
		cat "$work/told/\$3.\$2" 2>/dev/null
	END
	chmod +x bin/modinfo
	for module in iofault iofault-pci; do
		echo 2.0 >told/$module.version
		echo new >told/$module.srcversion
	done
	# loaded MODULE VERSION SOURCES, the latter two as sysfs shows them.
	loaded() {
		mkdir -p "modules/$1"
		[ -z "$2" ] || echo "$2" >"modules/$1/version"
		[ -z "$3" ] || echo "$3" >"modules/$1/srcversion"
	}
	# notes NUMBER TEXT...
	notes() {
		local number=$1
		shift
		expect 0 unshare --mount sh -c 'mount --bind bin /usr/sbin && mount --bind modules /sys/module && exec "$@"' \
			sh "$IOFAULT" doctor
		has "$@"
		[ "$(grep -c '^ *note: ' out)" -eq "$number" ] || die "not $number notes"
	}
	notes 0
	loaded iofault 2.0 new
	notes 0
	loaded iofault 2.0 other
	notes 1 'iofault.ko 2.0 is loaded, and another build of 2.0 is installed: ' '-r iofault && sudo modprobe iofault'
	loaded iofault 1.0 new
	notes 1 'iofault.ko 1.0 is loaded, and 2.0 is installed: '
	loaded iofault 1.0 other
	notes 1 'iofault.ko 1.0 is loaded, and 2.0 is installed: '
	loaded iofault_pci '' ''
	notes 2 'iofault-pci.ko of an unknown version is loaded, and 2.0 is installed: ' '-r iofault-pci iofault &&'
	rm told/*
	notes 0
fi
# Root without capabilities: each way still has its answer.
if [ "$(id -u)" -eq 0 ]; then
	expect 0 setpriv --bounding-set -all --inh-caps -all "$IOFAULT" doctor
	grep -q '^embedded  *yes' out || die 'the embedded world needs a capability'
	[ "$(grep -c '^[a-z]* *no ' out)" -eq "$(grep -c '^ *next: .' out)" ] || die 'a step is missing'
fi
