#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A signal to the command reaches the program; a program that stops takes the command with it, and both
# go on together.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$SOURCE/tests/lib.sh"
needs_run

wait_for() {
	for _ in $(seq 300); do
		if "$@"; then return 0; fi
		sleep 0.1
	done
	die "never: $*"
}

state_is() { [[ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" = [$2] ]]; }

for sig in TERM INT HUP USR1 USR2; do
	rm -f up got
	# the shell starts what is in the background with SIGINT ignored
	env --default-signal="$sig" "$IOFAULT" run bash -c "trap ': >got; exit 9' $sig; : >up; while :; do sleep 0.05; done" &
	front=$!
	wait_for test -e up
	kill -"$sig" "$front"
	status=0
	wait "$front" || status=$?
	if [ "$status" -ne 9 ] || [ ! -e got ]; then
		die "SIG$sig: status $status"
	fi
done

rm -f up
"$IOFAULT" run bash -c 'trap : TERM; : >up; kill -STOP $$; exit 5' &
front=$!
wait_for test -e up
wait_for state_is "$front" T
kill -CONT "$front"
status=0
wait "$front" || status=$?
[ "$status" -eq 5 ] || die "status $status after a stop"
