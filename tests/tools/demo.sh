#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The demonstration ends with its verdict, on a file given to it, and says so when it fails.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

random $((6 << 20)) file
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
expect 0 "$SOURCE/scripts/demo" "$BUILD" "$work/file"
has 'the demonstration succeeded' 'result          ok' '--resident 614K' 'op copy'
[ ! -s err ] || die 'something on standard error'
only "$TMPDIR"

mkdir build
printf '#!/bin/sh\nexit 3\n' >build/iofault
chmod +x build/iofault
expect 1 "$SOURCE/scripts/demo" "$work/build" "$work/file"
has 'FAILED'
only "$TMPDIR"
expect 1 "$SOURCE/scripts/demo" "$BUILD" "$work/absent"
