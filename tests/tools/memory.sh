#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Memory, seen from outside: the most that the process has had resident is the budget, the tables and
# bookkeeping that pager.h states, and a constant for program and stacks, whatever the size of the file.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

{ nm "$IOFAULT" || true; nm -D "$IOFAULT" || true; } >symbols 2>/dev/null
if grep -Eq '__(asan|tsan)_init' symbols; then
	skip "a sanitizer's own memory cannot be told from the program's"
fi

constant=$((12 << 10)) # KiB: program, libraries, stacks, the model's device

# watch BUDGET-IN-KIB FILE-SIZE-IN-MIB ARGS...
watch() {
	local budget=$1 size=$(($2 << 10)) most peak

	shift 2
	"$PEAK" peak "$IOFAULT" page -q --json j "$@" || die "the run failed: $*"
	# 1/60 of the budget for bookkeeping; a page of table for each 2 MiB of each side that is mapped.
	most=$((budget + budget / 60 + 2 * size / 512 + constant))
	peak=$(cut -d ' ' -f 1 peak)
	[ "$peak" -le $most ] || die "$peak KiB were resident, $most are allowed: $*"
	is j "j['peak_memory_bytes'] <= $most * 1024"
}

truncate -s 8M file
watch 16 8 --op compare --chunk 1M --resident 16K --prefetch 0 file file
for size in 32 128; do
	truncate -s "${size}M" file
	watch 1024 $size --op crc32c --resident 1M file
	watch 8192 $size --op crc32c --resident 8M --prefetch 512 file
	watch 8192 $size --op crc32c --resident 8M --engines 4 --pasids 8 file
	watch 65536 $size --op crc32c --resident 64M file
	watch 8192 $size --op crc32c --resident 8M --sva file
done
random $((16 << 20)) file
watch 4096 16 --op copy --resident 4M --out copy file
watch 4096 16 --op copy --resident 4M --engines 2 --pasids 4 --out copy file
watch 4096 16 --op fill --size 16M --resident 4M --out copy
watch 4096 16 --op copy --resident 4M --sva --out copy file
