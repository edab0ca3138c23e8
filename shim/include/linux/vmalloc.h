/* SPDX-License-Identifier: MIT */
/* vmalloc.h - large kernel memory. */
#ifndef IOF_SHIM_LINUX_VMALLOC_H
#define IOF_SHIM_LINUX_VMALLOC_H

#include <linux/slab.h>

#define vmalloc(size) kvmalloc(size, GFP_KERNEL)
#define vzalloc(size) kvzalloc(size, GFP_KERNEL)
#define vfree(p) kvfree(p)

#endif
