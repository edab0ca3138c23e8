#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Shared memory of an ordinary user's program keeps its pages too: the server may not open map_files, and
# finds the file by a descriptor of the program.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$SOURCE/tests/lib.sh"
needs_run

user_can || { echo 'skipped: an ordinary user cannot run programs here'; exit 77; }
expect 0 as_user "$IOFAULT" run --mock "$BUILD/tests/abi/abi-shared_memory"
expect 0 as_user "$IOFAULT" run --mock "$BUILD/tests/abi/abi-map_file"
