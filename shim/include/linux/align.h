/* SPDX-License-Identifier: MIT */
/* align.h - rounding to powers of two. */
#ifndef IOF_SHIM_LINUX_ALIGN_H
#define IOF_SHIM_LINUX_ALIGN_H

#define iof_shim_align_mask(x, mask) (((x) + (mask)) & ~(mask))
#define ALIGN(x, a) iof_shim_align_mask(x, (typeof(x))(a) - 1)
#define ALIGN_DOWN(x, a) ((x) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((typeof(x))(a) - 1)) == 0)

#endif
