# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - what the tests of `iofault run` share; sourced by each. A test works in $work, which is gone
# afterwards. Where the machine lacks what the command needs, the test skips itself with the command's
# own words. As root, what an ordinary user would see is tried too (as_user).
set -euo pipefail

: "${IOFAULT:?}" "${BUILD:?}" "${SOURCE:?}"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/iofault-run.XXXXXX")
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

missing=$("$IOFAULT" run --check) || { echo "skipped: $missing"; exit 77; }

# expect STATUS COMMAND...: runs it, with its output in the files out and err.
expect() {
	local wanted=$1 got=0

	shift
	"$@" >out 2>err </dev/null || got=$?
	[ "$got" -eq "$wanted" ] || die "status $got, not $wanted: $*"
}

has() {
	local text

	for text; do
		grep -qF -- "$text" out || die "no '$text' in the output"
	done
}

says() {
	local text

	for text; do
		grep -qF -- "$text" err || die "no '$text' in the error"
	done
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
