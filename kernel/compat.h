/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * compat.h - every difference between kernel versions that iofault.ko knows of, by what a kernel
 * can do and never by its number.
 *
 * Seen by kernel/ only; the shared rooms are the same everywhere. The one comparison of version
 * numbers is the check below: whoever carries the module to another series changes it, and adds
 * here, under a name that says what is different, whatever the compiler then complains about.
 */
#ifndef IOF_KERNEL_COMPAT_H
#define IOF_KERNEL_COMPAT_H

#include <linux/kconfig.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0) || LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
#error "iofault.ko supports Linux 6.12 to 7.3 (docs/kernels.md)"
#endif

/*
 * User memory is reached through the kernel's map of all memory, and bus addresses are as wide as
 * pointers.
 */
#if !IS_ENABLED(CONFIG_64BIT) || IS_ENABLED(CONFIG_HIGHMEM)
#error "iofault.ko supports 64-bit kernels only"
#endif

/* Whether this kernel was configured with a /dev/iommu of its own, loaded or not. */
#define IOF_KERNEL_HAS_IOMMUFD	IS_ENABLED(CONFIG_IOMMUFD)

/* A symbol that only that one exports: there means loaded, whatever the configuration said. */
#define IOF_KERNEL_IOMMUFD_SYMBOL "iommufd_ctx_from_file"

#endif
