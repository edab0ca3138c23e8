#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Proves that iofault's table of the ABI and the kernel's own header are one: the same names with
# the same numbers, sizes and offsets; no name of the kernel's missing in ours, none in our header
# without a row in the table, none marked as younger than 6.12 that 6.12 has. Then that a difference
# would be found, by planting some.
# Usage: names.sh SOURCE CC. Skips where the kernel's header cannot be had.
set -euo pipefail
source=$1
cc=("${@:2}")
here=$source/tests/abi_headers
layout=$source/include/iofault/iommufd_layout.h

status=0
common=$("$source/scripts/kernel-headers" --common) || status=$?
if [ "$status" -eq 2 ]; then
	echo "skipped: the headers of Debian's 6.12 kernel cannot be had here"
	exit 77
fi
[ "$status" -eq 0 ]
case $common in
*/linux-headers-6.12*) ;;
*)
	echo "skipped: this release has the headers of another kernel than 6.12, whose names are compared"
	exit 77
	;;
esac
header=$common/include/uapi/linux/iommufd.h

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# compare HEADER: the comparing program's own exit status, or 2 if something does not compile.
compare() {
	local flags=(-std=gnu11 -Wall -Wextra -Werror -I"$source/include")
	"${cc[@]}" "${flags[@]}" -c "$here/table.c" -o our.o || return 2
	"${cc[@]}" "${flags[@]}" -DKERNEL_HEADER="\"$1\"" -c "$here/table.c" -o kernel.o || return 2
	"${cc[@]}" "${flags[@]}" -o compare "$here/compare.c" our.o kernel.o || return 2
	./compare
}

compare "$header"

# The names in the text of a header: without comments, by the kernel's habits of writing one.
names_of() {
	sed -e 's:/\*.*\*/::g' -e '/\/\*/,/\*\//d' "$1" >plain.h
	{
		grep -oE '\bIOMMU(FD)?_[A-Z0-9_]+\b' plain.h
		awk '/^struct [a-z0-9_]+ {/ { type = $2; print type }
		     /^}/ { type = "" }
		     type && /;/ && !/}/ { gsub(/\[.*\]/, ""); sub(/;.*/, ""); print type "." $NF }' plain.h
	} | sort -u
}
# The names in the rows of our table, by the ending of their macros.
rows() {
	sed -nE -e "s/^IOF_ABI_(STRUCT|NUMBER)$1\((\w+),.*/\2/p" \
		-e "s/^IOF_ABI_FIELD$1\((\w+), (\w+),.*/\1.\2/p" "$layout" | sort -u
}
names_of "$header" >kernel.names
names_of "$source/include/iofault/iommufd.h" >our.names
rows '' >old.rows
rows '_7[23]' >new.rows
sort old.rows new.rows >all.rows
for list in kernel.names our.names old.rows new.rows; do
	[ "$(wc -l <$list)" -gt 100 ]
done

if ! diff old.rows kernel.names >names.diff; then
	echo "the kernel's names (>) and our rows for 6.12 (<) are not the same:"
	cat names.diff
	exit 1
fi
if ! diff all.rows our.names >names.diff; then
	echo "the names in iommufd.h (>) and those asserted in its table (<) are not the same:"
	cat names.diff
	exit 1
fi

# A detector that never fires proves nothing: plant NAME SED changes the kernel's header, and the
# name must be reported.
plant() {
	local status=0
	sed -E "$2" "$header" >planted.h
	compare "$work/planted.h" >planted.log 2>&1 || status=$?
	if [ "$status" -ne 1 ] || ! grep -qF "differs: $1:" planted.log; then
		echo "a wrong $1 in the kernel's header was not reported:"
		cat planted.log
		exit 1
	fi
}
plant 'number IOMMU_HWPT_INVALIDATE' 's/(CMD_HWPT_INVALIDATE) = 0x8d/\1 = 0x9d/'
plant 'number IOMMU_PGFAULT_PERM_PRIV' 's/(PERM_PRIV.*)1 << 3/\11 << 4/'
plant 'struct iommu_fault_alloc' 's/(__u32) (out_fault_fd)/__aligned_u64 \2/'
plant 'field iommu_hwpt_pgfault.cookie' 's/__u32 cookie;/__u16 cookie;/'
plant 'field iommu_ioas_map.length' '/user_va;/{N;s/(user_va)(;.*)(length)/\3\2\1/}'
echo "planted faults are reported"
