#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What each operation computes is right, for sizes that fit nothing and for every way to spread the work.
# shellcheck disable=SC2086,SC2153 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

printf 123456789 >check
expect 0 "$IOFAULT" page --op crc32c check
has 'e3069283  check' 'result          ok'

# An independent CRC32C, bit by bit, for content that is not the check string.
crc() {
	python3 -c '
import sys
table = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
    table.append(n)
crc = 0xffffffff
for byte in open(sys.argv[1], "rb").read():
    crc = crc >> 8 ^ table[(crc ^ byte) & 255]
print("%08x" % (crc ^ 0xffffffff))' "$1"
}

: >empty
expect 0 "$IOFAULT" page --op crc32c empty
has '00000000  empty'
for size in 1 4095 4096 4097 65536 300001 2000003; do
	random $size "f$size"
	expect 0 "$IOFAULT" page --op crc32c "f$size"
	has "$(crc "f$size")  f$size"
done

big=f2000003
sum=$(crc $big)
for how in '--resident 16K' '--resident 64K --prefetch 0' '--resident 1M --prefetch 256' \
	'--engines 4 --pasids 4 --resident 256K' '--pasids 256 --chunk 4K' '--chunk 1G' \
	'--group 32 --resident 1M' '--handlers 3 --engines 2' '--credits 1 --engines 2' \
	'--depth 4096 --chunk 4K' '--depth 5 --resident 80K --prefetch 0' '--depth 1' '--passes 3' '--populate' '--populate --resident 64K' \
	'--spin 100' '--sva' '--sva --pasids 5 --engines 3 --resident 64K' '--sva --passes 2'; do
	# shellcheck disable=SC2086,SC2153
	expect 0 "$IOFAULT" page --op crc32c $how --json j $big
	has "$sum  $big"
	is j 'j["result"] == "ok" and j["unanswered"] == 0 and j["refused"] == 0'
done

# Several files, one of them twice, in the order in which they were named.
expect 0 "$IOFAULT" page --op crc32c --pasids 3 $big empty f4097 $big
[ "$(sed -n '1,4s/ .*//p' out | tr '\n' ' ')" = "$sum 00000000 $(crc f4097) $sum " ] ||
	die 'not the CRCs in order'

for how in '' '--resident 16K' '--engines 3 --pasids 5 --resident 256K' '--sva' '--passes 2'; do
	for source in empty f1 f4097 $big; do
		rm -f copy
		# shellcheck disable=SC2086,SC2153
		expect 0 "$IOFAULT" page --op copy $how --out copy $source
		cmp $source copy || die "the copy of $source with '$how' is another"
	done
done
# In place of a longer file, whose mode stays; through a symbolic link; onto itself.
random 3000000 old
chmod 640 old
ln -s old link
expect 0 "$IOFAULT" page --op copy --out link f300001
cmp f300001 old || die 'not copied through the link'
[ -L link ] || die 'the link is gone'
[ "$(stat -c %a old)" = 640 ] || die 'the mode has changed'
expect 0 "$IOFAULT" page --op copy --out old old
cmp f300001 old || die 'copied onto itself, it is another'
chmod 751 f300001
(umask 027 && expect 0 "$IOFAULT" page --op copy --out new f300001)
[ "$(stat -c %a new)" = 750 ] || die 'the mode is not that of the source less umask'

cp $big same
for how in '' '--resident 16K' '--engines 2 --pasids 3' '--sva'; do
	# shellcheck disable=SC2086,SC2153
	expect 0 "$IOFAULT" page --op compare $how $big same
	has 'equal'
	# shellcheck disable=SC2086,SC2153
	expect 0 "$IOFAULT" page --op compare $how --out same $big
	for at in 0 4096 1234567 2000002; do
		cp $big other
		printf '\377\376\375' | dd of=other bs=1 seek=$at conv=notrunc status=none
		truncate -s 2000003 other
		first=$(cmp $big other | sed -E 's/.*(byte|char) ([0-9]+),.*/\2/' || true)
		# shellcheck disable=SC2086,SC2153
		expect 1 "$IOFAULT" page --op compare $how --json j $big other
		is j "j['result'] == 'different' and j['files'][0]['differs_at'] == $((first - 1))"
	done
done
expect 0 "$IOFAULT" page --op compare empty empty
expect 1 "$IOFAULT" page --op compare f4096 f4097
complains 'they differ'

for how in '' '--resident 16K' '--engines 2 --pasids 3 --resident 128K' '--sva'; do
	for size in 0 1 4097 1000001; do
		# shellcheck disable=SC2086,SC2153
		expect 0 "$IOFAULT" page --op fill $how --pattern 0x0102030405060708 --size $size --out filled
		python3 -c '
import sys
n = int(sys.argv[1])
wanted = bytes.fromhex("0807060504030201") * (n // 8 + 1)
sys.exit(open("filled", "rb").read() != wanted[:n])' $size || die "not the pattern: $size, '$how'"
	done
done
