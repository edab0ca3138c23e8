/* SPDX-License-Identifier: MIT */
/*
 * minmax.h - min, max and clamp. They evaluate each argument once and reject mixed signedness.
 */
#ifndef IOF_SHIM_LINUX_MINMAX_H
#define IOF_SHIM_LINUX_MINMAX_H

#include <linux/compiler.h>

#define iof_shim_is_signed(x) (((typeof(x))(-1)) < (typeof(x))1)
/* Constants may be compared with any type, as in the kernel. */
#define iof_shim_types_mix(x, y) \
	_Static_assert(iof_shim_is_signed((x) + 0) == iof_shim_is_signed((y) + 0) || \
		       __builtin_constant_p(x) || __builtin_constant_p(y), \
		       "min()/max() of a signed and an unsigned value")

#define iof_shim_minmax(x, y, op) \
	({ \
		iof_shim_types_mix(x, y); \
		__auto_type iof_x = (x); \
		__auto_type iof_y = (y); \
		(typeof(iof_x + iof_y))iof_x op (typeof(iof_x + iof_y))iof_y ? \
			(typeof(iof_x + iof_y))iof_x : (typeof(iof_x + iof_y))iof_y; \
	})
#define min(x, y) iof_shim_minmax(x, y, <)
#define max(x, y) iof_shim_minmax(x, y, >)
#define min3(x, y, z) min(min(x, y), z)
#define min_t(type, x, y) \
	({ type iof_tx = (x); type iof_ty = (y); iof_tx < iof_ty ? iof_tx : iof_ty; })
#define max_t(type, x, y) \
	({ type iof_tx = (x); type iof_ty = (y); iof_tx > iof_ty ? iof_tx : iof_ty; })
#define clamp_t(type, val, lo, hi) min_t(type, max_t(type, val, lo), hi)
#define swap(a, b) \
	do { \
		typeof(a) iof_swap = (a); \
		(a) = (b); \
		(b) = iof_swap; \
	} while (0)

#endif
