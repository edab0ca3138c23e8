#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The JSON is JSON, says the same as the table, and goes where it was told to go and nowhere else.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

random 3000001 file
expect 0 "$IOFAULT" page --op crc32c --resident 256K --prefetch 8 --passes 2 --json - file
mv out j
grep -q 'result  *ok' err || die 'the table is not on standard error'
is j 'j["op"] == "crc32c" and j["result"] == "ok" and j["sva"] is False'
is j 'j["bytes"] == 2 * 3000001 and len(j["passes"]) == 2'
is j 'j["files"][0] == {"name": "file", "bytes": 3000001, "crc32c": j["files"][0]["crc32c_cpu"],
	"crc32c_cpu": j["files"][0]["crc32c"]}'
is j 'j["faults"] == j["groups"] >= 2 * 60 and j["groups"] == j["resumed"] and j["unanswered"] == 0'
is j 'j["groups"] == sum(p["groups"] for p in j["passes"])'
is j '0 < j["request_to_resume_ns"]["p50"] <= j["request_to_resume_ns"]["p99"]'
is j 'j["request_to_resume_ns"]["p99"] <= j["request_to_resume_ns"]["max"]'
is j 'j["pager"]["budget_bytes"] == 262144 and j["pager"]["resident_peak_bytes"] <= 262144'
is j 'j["pager"]["loaded"] + j["pager"]["prefetched"] >= 2 * 733'
is j '0 < j["pager"]["prefetch_used"] <= j["pager"]["prefetched"]'
is j 'j["pager"]["evictions"] >= 2 * 733 - 64 and j["pager"]["writebacks"] == 0'
is j 'j["gb_per_s"] > 0 and j["cpu_gb_per_s"] > 0 and j["peak_memory_bytes"] > 262144'

expect 0 "$IOFAULT" page --op copy --resident 256K --json j --out copy file
[ ! -s err ] || die 'something on standard error'
is j 'j["pager"]["writebacks"] >= 733 and j["files"][0]["out"] == "copy"'

# It replaces what was there, longer or not, and strange names survive.
python3 -c 'print("x" * 100000)' >j
strange=$'a "strange"\\\n n\303\244me'
cp file "$strange"
expect 0 "$IOFAULT" page -q --op crc32c --json j "$strange"
[ ! -s out ] || die 'quiet, and something on standard output'
is j 'j["files"][0]["name"] == "a \"strange\"\\\n näme"'

# Also when it fails.
expect 1 "$IOFAULT" page -q --op crc32c --json j absent
is j 'j["result"] == "failed" and j["unanswered"] == 0'
expect 1 "$IOFAULT" page --op crc32c --json - absent
mv out j
is j 'j["result"] == "failed"'

expect 0 "$IOFAULT" info --json -
mv out j
is j 'set(j) >= {"versions", "machine", "worlds", "vfio0"} and "VT-d" in j["vfio0"]["IOMMU"]'
expect 0 "$IOFAULT" info --json j
has 'userfaultfd' 'io_uring' 'locked memory' 'huge pages' 'embedded' 'kernel'
is j '"processors" in j["machine"]'
expect 1 "$IOFAULT" info --json nowhere/j
complains 'nowhere/j'
