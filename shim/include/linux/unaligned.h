/* SPDX-License-Identifier: MIT */
/*
 * unaligned.h - loads and stores at addresses of any alignment.
 */
#ifndef IOF_SHIM_LINUX_UNALIGNED_H
#define IOF_SHIM_LINUX_UNALIGNED_H

#include <string.h>
#include <linux/types.h>

static inline u32 get_unaligned_le32(const void *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(v) : v;
}

#endif
