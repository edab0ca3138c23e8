/* SPDX-License-Identifier: MIT */
/* unaligned.h - loads and stores at any address. */
#ifndef IOF_SHIM_LINUX_UNALIGNED_H
#define IOF_SHIM_LINUX_UNALIGNED_H

#include <string.h>
#include <linux/types.h>

#define get_unaligned(p) \
	({ typeof(*(p)) iof_un; memcpy(&iof_un, (p), sizeof(iof_un)); iof_un; })
#define put_unaligned(v, p) \
	do { \
		typeof(*(p)) iof_un = (v); \
		memcpy((p), &iof_un, sizeof(iof_un)); \
	} while (0)

static inline u64 get_unaligned_le64(const void *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(v) : v;
}

static inline u32 get_unaligned_le32(const void *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(v) : v;
}

static inline void put_unaligned_le64(u64 v, void *p)
{
	v = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(v) : v;
	memcpy(p, &v, sizeof(v));
}

static inline void put_unaligned_le32(u32 v, void *p)
{
	v = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(v) : v;
	memcpy(p, &v, sizeof(v));
}

#endif
