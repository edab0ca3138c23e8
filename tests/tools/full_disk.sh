#!/bin/bash
# SPDX-License-Identifier: MIT
#
# No room for the output: found out before the work where the file system can say it, in the middle of the
# work where it cannot; one clear error, nothing left, and what was there untouched.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

size=$((8 << 20))
random $size file
mkdir outputs
echo precious >outputs/old

unharmed() {
	only outputs old
	[ "$(cat outputs/old)" = precious ] || die 'what was there is there no more'
}

# More than a file may have, known beforehand.
for target in new old; do
	expect 1 bash -c "ulimit -f 1024; exec \"\$@\"" sh "$IOFAULT" page --op copy --out outputs/$target file
	complains "outputs/$target" '8 MiB is more than the size limit of a file here'
	unharmed
done

# The limit comes when pages are being written back: the first one that fails ends the run.
limited=
for _ in {1..40}; do
	echo precious >outputs/old
	"$IOFAULT" page --op copy --resident 16K --chunk 64K --json j --out outputs/old file \
		>out 2>err </dev/null &
	pid=$!
	if stop_between bytes_written 65536 $((size / 2)) $pid; then
		prlimit --pid $pid --fsize=65536
		kill -CONT $pid
		status=0
		wait $pid || status=$?
		limited=yes
		break
	fi
done
[ -n "$limited" ] || skip 'the run is always over before the limit comes'
[ $status -eq 1 ] || die "status $status when write-back fails"
complains 'File too large'
is j 'j["result"] == "failed" and j["unanswered"] == 0'
unharmed

# A file system without room, if we may have one.
cat >inside.sh <<'END'
set -eu
mount -t tmpfs -o size=1M none outputs
echo precious >outputs/old
status=0
"$IOFAULT" page --op copy --out outputs/old file >out 2>err || status=$?
[ $status -eq 1 ]
[ "$(cat outputs/old)" = precious ]
[ "$(ls -A outputs)" = old ]
"$IOFAULT" page -q --op fill --size 900K --out outputs/new
status=0
"$IOFAULT" page -q --op fill --size 900K --out outputs/new >out 2>>err || status=$?
[ $status -eq 1 ]
[ "$(ls -A outputs | tr '\n' ' ')" = 'new old ' ]
[ "$(stat -c %s outputs/new)" -eq $((900 << 10)) ]
END
if [ -n "$(unshare -m true 2>&1)" ] || ! unshare -m mount -t tmpfs none outputs 2>/dev/null; then
	echo 'without a full file system: no right to mount one'
	exit 0
fi
export IOFAULT
unshare -m bash inside.sh || { cat err; die 'on a full tmpfs'; }
grep -q 'outputs/old: there is no room for 8 MiB' err || die 'the full tmpfs is not told of'
