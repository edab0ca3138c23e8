#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Bad input: each is refused with one clear sentence and the right status, and leaves nothing behind.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

page() {
	"$IOFAULT" page "$@"
}
random 100000 file
mkdir folder

# Files.
expect 1 page --op crc32c absent
complains 'absent' 'No such file'
expect 1 page --op crc32c file absent
complains 'absent' 'No such file'
expect 1 page --op crc32c folder
complains 'folder' 'is a directory'
mkfifo pipe
expect 1 page --op crc32c pipe
complains 'pipe' 'copy it to a file'
expect 1 page --op crc32c /dev/zero
complains '/dev/zero' 'copy it to a file'
ln -s loop loop
expect 1 page --op crc32c loop
complains 'loop' 'symbolic links'

# Not even root may read this one: everybody else, and root without his privilege.
chmod 0 file
user=()
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 .
	cp "$IOFAULT" iofault
	user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
else
	ln -s "$IOFAULT" iofault
fi
if "${user[@]}" ./iofault --version >/dev/null 2>&1; then
	expect 1 "${user[@]}" ./iofault page --op crc32c file
	complains 'file: cannot be read: Permission denied'
	chmod 644 file
	chmod 555 .
	expect 1 "${user[@]}" ./iofault page --op copy --out new file
	complains 'new: cannot be written in the directory .: Permission denied'
	chmod 755 .
else
	chmod 644 file
fi

# Budgets: what is said to work does, what is a page less does not.
for how in '' '--engines 3' '--group 8' '--engines 2 --group 32' '--depth 9' \
	'--engines 4 --depth 2 --credits 1'; do
	# shellcheck disable=SC2086
	expect 2 page --op crc32c --resident 4K $how file
	complains '--resident is too small' 'the least is'
	least=$(sed 's/.*the least is //' err)
	# shellcheck disable=SC2086
	expect 0 page --op crc32c --resident "$least" $how file
	# shellcheck disable=SC2086
	expect 0 page --op copy --resident "$least" $how --out copy file
	cmp file copy || die "with $least the copy is another"
	# shellcheck disable=SC2086
	expect 2 page --op crc32c --resident $((${least%K} * 1024 - 1)) $how file
	complains "$least"
done

# Outputs.
expect 1 page --op copy --out folder file
complains 'folder: is a directory'
expect 1 page --op copy --out nowhere/new file
complains 'nowhere/new' 'No such file or directory'
expect 1 page --op copy --out file/new file
complains 'file/new' 'Not a directory'
expect 1 page --op copy --out /dev/null file
complains '/dev/null' 'no regular file'
expect 1 page --op copy --out new/ file
complains 'new/'
expect 1 page --op copy --out new absent
complains 'absent'
[ ! -e new ] || die 'an output was made of nothing'
expect 1 page --op crc32c --json nowhere/j file
complains 'nowhere/j' 'No such file or directory'
expect 1 page --op crc32c --json folder file
complains 'folder' 'Is a directory'
status=0
page --op crc32c file >/dev/full 2>err || status=$?
[ $status -eq 1 ] || die "a full standard output: status $status"
complains 'standard output' 'No space left'
status=0
page -q --op crc32c --json - file >/dev/full 2>err || status=$?
[ $status -eq 1 ] || die "a full standard output for the JSON: status $status"
complains 'No space left'

# Without descriptors 0, 1 and 2 nothing that is said goes into a file that the command opens.
status=0
page --op copy --out closed file <&- >&- 2>&- || status=$?
[ $status -eq 1 ] || die "status $status without a standard output"
[ ! -e closed ] || cmp closed file || die 'the table went into the copy'
rm -f closed

# Command lines.
usage() {
	local text=$1

	shift
	expect 2 "$IOFAULT" "$@"
	complains "$text"
	[ ! -s out ] || die 'standard output is not empty'
}
usage "no command 'pgae'" pgae
usage "no command 'pgae'" help pgae
usage '--op is missing' page file
usage "no operation 'sha1'" page --op sha1 file
usage "no operation ''" page --op '' file
usage 'at least one FILE' page --op crc32c
usage 'unknown or ambiguous option --frobnicate' page --frobnicate
usage 'unknown or ambiguous option --p' page --p 3
usage 'unknown or ambiguous option -z' page -z
usage 'unknown or ambiguous option -d' page --op crc32c -dash
usage 'no value after --op' page --op
usage 'takes no --out' page --op crc32c --out x file
usage '--out is missing' page --op copy file
usage 'takes one FILE' page --op copy --out x file file
usage 'takes two files' page --op compare file
usage 'takes two files' page --op compare file file file
usage '--size is missing' page --op fill --out x
usage 'reads no file' page --op fill --out x --size 1 file
usage '--size is for --op fill' page --op crc32c --size 1 file
usage '--populate' page --op crc32c --sva --populate file
usage "no world 'moon'" page --op crc32c --world moon file
usage 'unknown option --frobnicate' info --frobnicate
usage "no argument 'x'" info x
for number in '' x -1 +1 0x 1.5 '1 ' ' 1' 1Q 1KK 99999999999999999999 18446744073709551616 \
	18446744073709551615 16777216T 0; do
	usage '--resident' page --op crc32c --resident "$number" file
	usage '--engines' page --op crc32c --engines "$number" file
done
usage 'from 1 to 16' page --op crc32c --engines 17 file
usage 'from 1 to 256' page --op crc32c --pasids 257 file
usage 'from 1 to 64' page --op crc32c --handlers 65 file
usage 'from 1 to 32' page --op crc32c --group 33 file
usage 'from 0 to 1048576' page --op crc32c --prefetch 4294967296 file
usage 'at most 64 bits' page --op fill --out x --size 1 --pattern 0x10000000000000000
usage 'each page of a group of 8 needs one' page --op crc32c --group 8 --credits 7 file
usage 'multiple of 4096' page --op crc32c --chunk 4097 file
usage 'from 4K to 1G' page --op crc32c --chunk 2G file
expect 2 "$IOFAULT"
grep -q '^Usage:' err || die 'no usage without a command'

# Numbers as people write them.
for number in 65536 0x10000 64k 64K 64KiB 64kB; do
	expect 0 page --op crc32c --resident $number --json j file
	is j 'j["pager"]["budget_bytes"] == 65536'
done

# A size that no file system and no address space has room for.
expect 1 page --op fill --size 64T --out new
complains 'new'
truncate -s 7T sparse 2>/dev/null && for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
	ln -f sparse s$i
done
if [ -e s19 ]; then
	expect 1 page --op crc32c s*
	complains "does not fit into the device's addresses"
fi

# Page tables that would take all memory: said, before Linux kills somebody. (meminfo counts KiB.)
available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
if truncate -s $((available * 3 * 384 / 2))K tables 2>/dev/null; then
	expect 1 page --op crc32c tables
	complains 'the page tables of' '--sva needs none'
	rm tables
fi

# A name may hold anything; an error stays one line, and tells the terminal nothing.
expect 1 page --op crc32c $'no\nsuch\e[31m'
complains 'no?such?[31m'

if [ ! -e /dev/iommu ]; then
	expect 1 page --op crc32c --world kernel file
	complains '/dev/iommu' '--world embedded'
	expect 0 page --op crc32c --world any file
fi
expect 1 page --op crc32c --device /dev/vfio/devices/vfio7 file
complains '/dev/vfio/devices/vfio7' 'No such file'
find . -name '.iofault-*' | grep . && die 'an unfinished output is left'
[ ! -e new ] || die 'an output was made of nothing'
