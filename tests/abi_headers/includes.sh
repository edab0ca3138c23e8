#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Proves that the ABI headers can be included as they say: alone, twice, in C and in C++; before
# <linux/iommufd.h> and <linux/vfio.h>, in the form a kernel tree has and in the form it exports; after
# a kernel header that has everything; and that after an older one the way out is printed. The
# assertions inside the headers check each time that the layouts are right.
# Usage: includes.sh SOURCE CC. Cases that need the kernel's headers are left out where they cannot be
# had, and the test then skips.
set -euo pipefail
source=$1
cc=("${@:2}")
cxx=()
for compiler in g++ clang++; do
	if command -v "$compiler" >/dev/null; then cxx+=("$compiler"); fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
count=0
failed=0

# report NAME STATUS LOG
report() {
	count=$((count + 1))
	if [ "$2" -ne 0 ]; then
		failed=$((failed + 1))
		echo "failed: $1"
		cat "$3"
	fi
}

# good NAME FLAGS... : the lines on standard input compile without a warning, in every language.
good() {
	local name=$1 std compiler status=0
	cat >case.c
	cp case.c case.cc
	"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror "${@:2}" -I"$source/include" -fsyntax-only case.c \
		>log 2>&1 || status=$?
	report "$name (C)" $status log
	for compiler in "${cxx[@]}"; do
		for std in c++11 c++20; do
			status=0
			"$compiler" -std=$std -Wall -Wextra -Werror "${@:2}" -I"$source/include" \
				-fsyntax-only case.cc >log 2>&1 || status=$?
			report "$name ($compiler -std=$std)" $status log
		done
	done
}

# bad NAME TEXT FLAGS... : they do not compile, and the reason contains TEXT.
bad() {
	local status=0
	cat >case.c
	"${cc[@]}" -std=gnu11 "${@:3}" -I"$source/include" -fsyntax-only case.c >log 2>&1 && status=1
	grep -qF -- "$2" log || status=1
	report "$1 (must not compile)" $status log
}

use='int f(void); int f(void) { struct iommu_hw_queue_alloc q; return (int)sizeof(q); }'

for header in iommufd iommufd_layout vfio iommufd_test; do
	good "$header.h alone, twice" <<-END
		#include <iofault/$header.h>
		#include <iofault/$header.h>
	END
done
good "all together" <<-END
	#include <iofault/iommufd_test.h>
	#include <iofault/vfio.h>
	#include <iofault/iommufd.h>
	$use
END
good "vfio.h, then <linux/vfio.h>" <<-END
	#include <iofault/vfio.h>
	#include <linux/vfio.h>
END
good "<linux/vfio.h>, then vfio.h" <<-END
	#include <linux/vfio.h>
	#include <iofault/vfio.h>
END

# A kernel header as a Linux that has everything would export it, made of ours.
mkdir -p new/linux broken/linux
sed -e 's/IOFAULT_IOMMUFD_H/_IOMMUFD_H/' -e '/^#define _IOMMUFD_H\s/d' \
	-e '/^#if defined(_IOMMUFD_H)/s/.*/#if 0/' -e '/iommufd_layout.h"/d' \
	"$source/include/iofault/iommufd.h" >new/linux/iommufd.h
sed -e 's/IOMMU_HWPT_ALLOC_PASID = 1 << 3/IOMMU_HWPT_ALLOC_PASID = 1 << 4/' new/linux/iommufd.h \
	>broken/linux/iommufd.h
after='#include <linux/iommufd.h>
#include <iofault/iommufd.h>'
good "a newer <linux/iommufd.h>, then iommufd.h" -Inew <<<"$after
$use"
bad "a newer <linux/iommufd.h> that differs" IOMMU_HWPT_ALLOC_PASID -Ibroken <<<"$after"

status=0
common=$("$source/scripts/kernel-headers" --common) || status=$?
case $common in
*/linux-headers-6.12* | '') ;;
*) status=2 ;;
esac
if [ "$status" -eq 0 ]; then
	# As it is in a kernel tree, and as it is exported: without _UAPI in the guards, without __user.
	mkdir -p exported/linux tree/linux
	for name in iommufd vfio; do
		cp "$common/include/uapi/linux/$name.h" tree/linux/
		sed -E 's/\b(_UAPI|__user )//' tree/linux/$name.h >exported/linux/$name.h
		grep -q "^#ifndef _UAPI" tree/linux/$name.h
		grep -qE "^#ifndef (_IOMMUFD_H|VFIO_H)" exported/linux/$name.h
	done
	for form in tree exported; do
		good "iommufd.h, then 6.12's <linux/iommufd.h> ($form)" -I$form -D__user= <<-END
			#include <iofault/iommufd.h>
			#include <linux/iommufd.h>
			$use
		END
		bad "6.12's <linux/iommufd.h>, then iommufd.h ($form)" \
			"put <iofault/iommufd.h> before it" -I$form -D__user= <<<"$after"
		# 6.12's shorter structs are the beginning of ours.
		good "6.12's <linux/vfio.h>, then vfio.h ($form)" -I$form -D__user= <<-'END'
			#include <linux/vfio.h>
			enum {
				fd = __builtin_offsetof(struct vfio_device_bind_iommufd, iommufd),
				id = __builtin_offsetof(struct vfio_device_bind_iommufd, out_devid),
				pt = __builtin_offsetof(struct vfio_device_attach_iommufd_pt, pt_id),
				end = sizeof(struct vfio_device_attach_iommufd_pt),
				gone = sizeof(struct vfio_device_detach_iommufd_pt),
			};
			#include <iofault/vfio.h>
			IOF_VFIO_AT(vfio_device_bind_iommufd, iommufd, (int)fd);
			IOF_VFIO_AT(vfio_device_bind_iommufd, out_devid, (int)id);
			IOF_VFIO_AT(vfio_device_attach_iommufd_pt, pt_id, (int)pt);
			IOF_VFIO_AT(vfio_device_attach_iommufd_pt, pasid, (int)end);
			IOF_VFIO_AT(vfio_device_detach_iommufd_pt, pasid, (int)gone);
		END
		good "vfio.h, then 6.12's <linux/vfio.h> ($form)" -I$form -D__user= <<-END
			#include <iofault/vfio.h>
			#include <linux/vfio.h>
		END
	done
elif [ "$status" -ne 2 ]; then
	exit 1
fi

echo "$count cases, $failed failed"
[ "$failed" -eq 0 ] || exit 1
if [ "$status" -eq 2 ]; then
	echo "skipped: the cases with the headers of Debian's 6.12 kernel, which cannot be had here"
	exit 77
fi
