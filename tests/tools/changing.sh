#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Files that change while the device works on them: growing is said and does not matter, shrinking is an
# error, and in both cases every fault is answered.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

size=$((8 << 20))

# run_and_change COMMAND ARGS...: does that to the file when the device is under way. Sets status.
run_and_change() {
	local change=$1 pid

	shift
	for _ in {1..40}; do
		rm -f file copy
		cp original file
		"$IOFAULT" page --json j "$@" >out 2>err </dev/null &
		pid=$!
		if stop_between "${when[@]}" $pid; then
			eval "$change"
			kill -CONT $pid
			status=0
			wait $pid || status=$?
			return
		fi
	done
	skip 'the run is always over before the file can be changed'
}

random $size original
when=(bytes_read $((size / 8)) $((size * 3 / 4)))
# The slowest way, so that there is time.
slow='--resident 16K --prefetch 0 --chunk 64K'
for op in "crc32c $slow" "copy $slow --out copy"; do
	# shellcheck disable=SC2086
	run_and_change 'echo more >>file' --op $op file
	[ $status -eq 0 ] || die "status $status after growing: $op"
	complains "file: grew during the run; only the $size bytes"
	is j 'j["result"] == "ok" and j["unanswered"] == 0'
	if [ -e copy ]; then
		cmp -n $size copy file || die 'the copy is another'
		[ "$(stat -c %s copy)" -eq $size ] || die 'the copy has another size'
		rm copy
	fi

	for to in 0 5000 $((size - 1)); do
		# shellcheck disable=SC2086
		run_and_change "truncate -s $to file" --op $op file
		[ $status -eq 1 ] || die "status $status after shrinking to $to: $op"
		complains "file: became shorter during the run, from $size to $to bytes"
		is j 'j["result"] == "failed" and j["unanswered"] == 0'
		[ ! -e copy ] || die 'a copy of what is no more'
	done
done

# With --sva the page tables are the process's own: what is cut off is SIGBUS for a program.
truncate -s 64M original
missed_midway original
run_and_change 'truncate -s 4096 file' --op crc32c --sva --resident 64K file
[ $status -eq 1 ] || die "status $status after shrinking, with --sva"
complains 'file: became shorter during the run'
is j 'j["unanswered"] == 0'
