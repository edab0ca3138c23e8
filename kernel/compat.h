/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * compat.h - the differences between kernel versions, each by a capability of
 * the kernel and never by its number.
 *
 * Only kernel/ includes this file; the shared directories are the same for all
 * versions. The one comparison of version numbers is the check below. A port to
 * another series changes that check, and adds each difference that the compiler
 * reports here, under a name for the difference.
 */
#ifndef IOF_KERNEL_COMPAT_H
#define IOF_KERNEL_COMPAT_H

#include <linux/kconfig.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
#error "iofault.ko supports Linux 6.12 to 7.3 (docs/kernels.md)"
#endif

/*
 * The module accesses user memory through the kernel's direct map, and bus
 * addresses are as wide as pointers.
 */
#if !IS_ENABLED(CONFIG_64BIT) || IS_ENABLED(CONFIG_HIGHMEM)
#error "iofault.ko supports 64-bit kernels only"
#endif

/* Was this kernel configured with a /dev/iommu of its own, loaded or not? */
#define IOF_KERNEL_HAS_IOMMUFD IS_ENABLED(CONFIG_IOMMUFD)

/*
 * A symbol that only the kernel's iommufd exports: if it exists, iommufd is
 * loaded, whatever the configuration says.
 */
#define IOF_KERNEL_IOMMUFD_SYMBOL "iommufd_ctx_from_file"

/* A symbol of vfio.ko, which numbers the nodes of real devices from 0. */
#define IOF_KERNEL_VFIO_SYMBOL "_vfio_alloc_device"

#endif
