# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - what the tests of the commands share; sourced by each. A test works in $work, which is gone
# afterwards, and stops at the first thing that is not as it should be.
set -euo pipefail

: "${IOFAULT:?}" "${SOURCE:?}" "${BUILD:?}"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/iofault-test.XXXXXX")
# what was started in the background is gone too, however the test ends
# shellcheck disable=SC2154
trap 'left=$(jobs -p); [ -z "$left" ] || kill -KILL $left 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'exit 1' TERM INT HUP
cd "$work"
chmod 755 .

die() {
	echo "failed: $*"
	[ ! -e out ] || { echo '--- standard output'; cat out; }
	[ ! -e err ] || { echo '--- standard error'; cat err; }
	exit 1
}

skip() {
	echo "skipped: $*"
	exit 77
}

[ -r /proc/self/status ] || skip '/proc is not mounted'

# expect STATUS COMMAND...: runs it, with its output in the files out and err.
expect() {
	local wanted=$1 got=0

	shift
	"$@" >out 2>err </dev/null || got=$?
	[ "$got" -eq "$wanted" ] || die "status $got, not $wanted: $*"
}

# holds FILE TEXT...: each stands in the file.
holds() {
	local file=$1 text

	shift
	for text; do
		grep -qF -- "$text" "$file" || die "no '$text' in $file"
	done
}

# says TEXT...: each stands in the error output; has TEXT...: in the standard output.
says() {
	holds err "$@"
}
has() {
	holds out "$@"
}

# complains TEXT...: so, and the error output is of one line and begins as all do.
complains() {
	says "$@"
	[ "$(wc -l <err)" -eq 1 ] || die 'the error is not one line'
	grep -q '^iofault: ' err || die 'the error does not say whose it is'
}

# field FILE EXPRESSION: of the JSON in a file, `j`.
field() {
	python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$@"
}

# is FILE EXPRESSION: that must be true of it.
is() {
	[ "$(field "$1" "bool($2)")" = True ] || { cat "$1"; die "not true of $1: $2"; }
}

# random BYTES FILE: the same content each time.
random() {
	python3 -c 'import random, sys; r = random.Random(int(sys.argv[1])); n = int(sys.argv[1])
open(sys.argv[2], "wb").write(r.randbytes(n))' "$1" "$2"
}

crc_of() {
	"$IOFAULT" page -q --op crc32c --json - "$1" | python3 -c '
import json, sys
print(json.load(sys.stdin)["files"][0]["crc32c"])'
}

# How many bytes process $1 has read or written so far, and how many pages of its own it has missed.
# Nothing if it is gone.
bytes_read() {
	sed -n 's/^rchar: //p' "/proc/$1/io" 2>/dev/null || true
}
bytes_written() {
	sed -n 's/^wchar: //p' "/proc/$1/io" 2>/dev/null || true
}
pages_missed() {
	cut -d ' ' -f 10 "/proc/$1/stat" 2>/dev/null || true
}

# stop_between FUNCTION FROM TO PID: waits until FUNCTION of the process says at least FROM and stops it
# there. Fails if it is over by then, or beyond TO: then it goes on and is waited for.
stop_between() {
	local now pid=$4

	while now=$("$1" "$pid"); [ -n "$now" ]; do
		[ "$now" -lt "$2" ] && continue
		kill -STOP "$pid" 2>/dev/null || break
		# It takes a moment until the last thread stands still.
		while grep -q '^State:[[:space:]]*[RSD]' "/proc/$pid/status" 2>/dev/null; do :; done
		now=$("$1" "$pid")
		[ -n "$now" ] && [ "$now" -le "$3" ] && return 0
		break
	done
	kill -CONT "$pid" 2>/dev/null || true
	wait "$pid" || true
	return 1
}

# missed_midway FILE: sets `when` for stop_between: pages_missed, and which numbers of them the command has
# in the middle of `page --op crc32c --sva FILE`.
missed_midway() {
	local before after

	: "${PEAK:?}"
	: >nothing
	"$PEAK" missed "$IOFAULT" page -q --op crc32c --sva nothing
	before=$(cut -d ' ' -f 2 missed)
	"$PEAK" missed "$IOFAULT" page -q --op crc32c --sva "$1"
	after=$(cut -d ' ' -f 2 missed)
	# shellcheck disable=SC2034
	when=(pages_missed $((before + (after - before) / 8)) $((before + (after - before) * 3 / 4)))
}

# Nothing but the files named is left in a folder.
only() {
	local folder=$1 left

	shift
	left=$(find "$folder" -mindepth 1 -printf '%P\n' | sort)
	[ "$left" = "$(printf '%s\n' "$@" | sort)" ] || die "in $folder there is: $left"
}

# ---- `iofault run` ----

# needs_run: a machine that lacks what the command needs skips the test, with the command's own words.
needs_run() {
	local missing

	missing=$("$IOFAULT" run --check) || skip "$missing"
}

# as_user COMMAND...: as nobody, with a /dev/fuse that everybody may open, in mounts of its own. The
# shell that does this is gone when the command runs.
as_user() {
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
		return
	fi
	mkdir -p "$work/node"
	# shellcheck disable=SC2016
	unshare --mount bash -c '
		mount -t tmpfs -o mode=755 tmpfs "$0" && mknod -m 666 "$0/fuse" c 10 229 &&
		mount --bind "$0/fuse" /dev/fuse &&
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"' "$work/node" "$@"
}

# Whether an ordinary user can do all this here; the program must be readable to him.
user_can() {
	as_user test -x "$IOFAULT" && as_user "$IOFAULT" run --check >/dev/null &&
		as_user unshare --user --mount true 2>/dev/null
}
