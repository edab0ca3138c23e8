#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A signal in the middle: every fault is answered, the output is absent or as it was, status 128 + n.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

size=$((8 << 20))
random $size file

# interrupt SIGNAL ARGS...: sends it when the device is under way. Sets status.
interrupt() {
	local signal=$1 pid

	shift
	for _ in {1..40}; do
		echo precious >outputs/old
		rm -f outputs/new
		# A shell without job control ignores INT for what it starts in the background.
		env --default-signal="$signal" "$IOFAULT" page --json j "$@" >out 2>err </dev/null &
		pid=$!
		if stop_between "${when[@]}" $pid; then
			kill "-$signal" $pid
			kill -CONT $pid
			status=0
			wait $pid || status=$?
			return
		fi
	done
	skip 'the run is always over before a signal comes'
}

mkdir outputs
slow=(bytes_read $((size / 8)) $((size * 3 / 4)))
when=("${slow[@]}")
for how in '--resident 16K --prefetch 0 --chunk 64K' \
	'--resident 384K --prefetch 0 --engines 3 --pasids 3 --depth 24 --handlers 2'; do
	for signal in INT TERM HUP; do
		number=$(kill -l $signal)
		# shellcheck disable=SC2086
		interrupt $signal --op crc32c $how file
		[ $status -eq $((128 + number)) ] || die "status $status after SIG$signal"
		complains "ended by SIG$signal"
		is j "j['result'] == 'interrupted' and j['signal'] == $number and j['unanswered'] == 0"
		is j 'j["groups"] == j["resumed"] + j["refused"] and j["groups"] > 0'

		for target in new old; do
			# shellcheck disable=SC2086
			interrupt $signal --op copy $how --out outputs/$target file
			[ $status -eq $((128 + number)) ] || die "status $status after SIG$signal"
			complains "ended by SIG$signal" 'output is deleted'
			is j 'j["unanswered"] == 0'
			only outputs old
			[ "$(cat outputs/old)" = precious ] || die 'what was there is there no more'
		done
	done
done

truncate -s 64M large
missed_midway large
interrupt TERM --op crc32c --sva --resident 64K large
[ $status -eq 143 ] || die "status $status after SIGTERM, with --sva"
is j 'j["unanswered"] == 0'

# Who was told to ignore a signal does (nohup).
stopped=
for _ in {1..40}; do
	env --ignore-signal=HUP "$IOFAULT" page -q --op crc32c --resident 16K --chunk 64K file \
		>out 2>err </dev/null &
	pid=$!
	if stop_between "${slow[@]}" $pid; then
		stopped=yes
		kill -HUP $pid
		kill -CONT $pid
		status=0
		wait $pid || status=$?
		break
	fi
done
[ -n "$stopped" ] || skip 'the run is always over before a signal comes'
[ $status -eq 0 ] || die "status $status after an ignored SIGHUP"
