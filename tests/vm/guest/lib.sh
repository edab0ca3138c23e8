# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# tests/vm/guest/lib.sh: what scripts in the guest share; read with `. /vm/lib.sh`.

# stock_insmod NAME: loads a module of the kernel's own, which the list names with `stock`, and what it
# needs; what is there already stays. stock_rmmod NAME: takes out again what can be taken out.
stock_order() {
	sed -n "s/^$1 //p" /vm/modules/orders
}

stock_insmod() {
	for stock_path in $(stock_order "$1"); do
		stock_name=${stock_path##*/}
		[ -e "/sys/module/${stock_name%.ko}" ] || insmod "$stock_path" || return 1
	done
}

stock_rmmod() {
	stock_reverse=
	for stock_path in $(stock_order "$1"); do
		stock_reverse="$stock_path $stock_reverse"
	done
	for stock_path in $stock_reverse; do
		stock_name=${stock_path##*/}
		[ ! -e "/sys/module/${stock_name%.ko}" ] || rmmod "${stock_name%.ko}" || return 1
	done
}

# iofault_needs: loads what the module under test needs of the kernel's own, which stays;
# iofault_insmod PARAM...: loads that, and the module.
iofault_needs() {
	# shellcheck disable=SC2013 # one name a line
	for iofault_needed in $(cat /vm/modules/needed); do
		stock_insmod "$iofault_needed" || return 1
	done
}

iofault_insmod() {
	iofault_needs && insmod "$IOFAULT_KO" "$@"
}

# What a module could leave behind: one name per line, sorted.
snapshot() {
	{
		find /dev /sys/class /sys/bus /sys/devices/virtual -maxdepth 4
		find /sys/module /sys/kernel /sys/kernel/slab /sys/kernel/debug /sys/kernel/tracing/events \
			/proc -maxdepth 1 | grep -v '^/proc/[0-9]'
		sed 's/^/misc /' /proc/misc
		sed 's/^/devices /' /proc/devices
		sed 's/ .*//; s/^/cache /' /proc/slabinfo
	} 2>/dev/null | sort -u
}

# left_since FILE: compares with an earlier snapshot, gives what is on its way some time, prints what is
# there now and was not; true if that is nothing. $patience: so many looks.
left_since() {
	attempt=0
	while [ "$attempt" -lt "${patience:-6}" ]; do
		attempt=$((attempt + 1))
		snapshot >/run/snapshot.now
		comm_new "$1" /run/snapshot.now >/run/snapshot.new
		[ -s /run/snapshot.new ] || return 0
		sleep 1
	done
	sed 's/^/left behind: /' /run/snapshot.new
	return 1
}

# The lines of the second file that the first has not.
comm_new() {
	awk 'NR == FNR { old[$0] = 1; next } !($0 in old)' "$1" "$2"
}

# leaks_forget: memory leaked so far is of no interest; no_leaks: prints what was leaked since, and is true
# if that is nothing. Where the kernel does not look for leaks (all but the debug kernel) there are none.
leaks_forget() {
	[ ! -w /sys/kernel/debug/kmemleak ] || echo clear >/sys/kernel/debug/kmemleak
}

no_leaks() {
	[ -w /sys/kernel/debug/kmemleak ] || return 0
	# Twice, since an address may stand in a register; and nothing younger than 5 s counts.
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak >/run/leaks
	cat /run/leaks
	[ ! -s /run/leaks ]
}
