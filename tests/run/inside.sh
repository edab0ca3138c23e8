#!/bin/bash
# SPDX-License-Identifier: MIT
#
# inside.sh [--tap] OPTIONS... -- PROGRAM...: runs it under `iofault run`, or says why that is not possible.
set -euo pipefail

: "${IOFAULT:?}"
tap=
if [ "$1" = --tap ]; then
	tap=yes
	shift
fi
if ! missing=$("$IOFAULT" run --check); then
	[ -z "$tap" ] || { echo "1..0 # SKIP $missing"; exit 0; }
	echo "skipped: $missing"
	exit 77
fi
exec "$IOFAULT" run "$@"
