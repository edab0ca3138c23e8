#!/bin/bash
# SPDX-License-Identifier: MIT
#
# reads.sh LIBRARY OPTIONS... -- PROGRAM: runs it under an `iofault run` whose reads of the program's memory
# LIBRARY counts.
set -euo pipefail

: "${SOURCE:?}"
library=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export IOF_TEST_READS=$dir/reads
truncate -s 8 "$IOF_TEST_READS"
LD_PRELOAD=$library bash "$SOURCE/tests/run/inside.sh" --tap "$@"
