#!/bin/bash
# SPDX-License-Identifier: MIT
#
# When any process of the machine is killed, nothing of it is left: no process, no mount, no namespace;
# and when the program ends, what it left running ends too.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$SOURCE/tests/lib.sh"
needs_run

mark="mark-$$-$RANDOM"

# Processes that have the mark in their arguments, zombies not counted.
marked() {
	local pid

	for pid in /proc/[0-9]*; do
		grep -qs -- "$mark" "$pid/cmdline" && echo "${pid#/proc/}"
	done
	return 0
}

none_left() {
	for _ in $(seq 300); do
		[ -n "$(marked)" ] || return 0
		sleep 0.1
	done
	marked | xargs ps -o pid,ppid,stat,wchan,args -p
	die "processes are left: $1"
}

# Processes hold a mount namespace each, so with them it is gone; ours must never have seen the mounts.
cat /proc/self/mountinfo >before

expect 0 "$IOFAULT" run sh -c "sleep 1000 & (sleep 1000; : $mark) & : $mark"
none_left 'after the end'

descendants() {
	local child

	# shellcheck disable=SC2009
	for child in $(ps -o pid= --ppid "$1"); do
		echo "$child"
		descendants "$child"
	done
}

# Of the line front, server, broker, keeper, program: each in turn.
for victim in 0 1 2 3; do
	rm -f up
	"$IOFAULT" run sh -c "exec 3<>/dev/iommu; : >up; sleep 1000; : $mark" >out 2>err &
	front=$!
	for _ in $(seq 300); do
		[ ! -e up ] || break
		sleep 0.1
	done
	[ -e up ] || die 'the program did not come up'
	line=("$front")
	while read -r pid; do line+=("$pid"); done < <(descendants "$front")
	[ "${#line[@]}" -ge 5 ] || die "not five processes: ${line[*]}"
	kill -KILL "${line[$victim]}"
	status=0
	wait "$front" 2>/dev/null || status=$?
	if [ "$victim" -gt 0 ]; then
		[ "$status" -eq 125 ] || die "status $status after the death of process $victim"
		says 'was killed'
	fi
	none_left "after the death of process $victim"
done
# The same in the middle of work: calls of all kinds, also such as are trapped, at moments that differ.
worker=$BUILD/tests/abi/abi-objects
for victim in 0 1 2 3 0 1 2 3; do
	rm -f up
	"$IOFAULT" run --mock sh -c ": >up; while :; do '$worker' >/dev/null 2>&1; done; : $mark" >out 2>err &
	front=$!
	for _ in $(seq 300); do
		[ ! -e up ] || break
		sleep 0.1
	done
	[ -e up ] || die 'the worker did not come up'
	line=("$front")
	while read -r pid; do line+=("$pid"); done < <(descendants "$front")
	kill -KILL "${line[$victim]}" || die "process $victim was gone"
	wait "$front" 2>/dev/null || true
	none_left "after the death of process $victim at work"
done
cmp before /proc/self/mountinfo || die 'mounts have changed outside'
