#!/bin/sh
# SPDX-License-Identifier: MIT
#
# caught.sh PROGRAM REPORT: passes if PROGRAM fails and its error output has REPORT in it.
out=$("$1" 2>&1)
status=$?
echo "$out"
if [ "$status" -eq 0 ]; then
	echo "caught.sh: $1 was not stopped" >&2
	exit 1
fi
case $out in
*"$2"*)
	exit 0
	;;
esac
echo "caught.sh: $1 was stopped (status $status), but not with: $2" >&2
exit 1
