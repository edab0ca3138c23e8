/* SPDX-License-Identifier: MIT */
/*
 * hash.h - multiplicative hashing of integers and pointers: the top bits of the product with 2^n /
 * phi.
 */
#ifndef IOF_SHIM_LINUX_HASH_H
#define IOF_SHIM_LINUX_HASH_H

#include <linux/types.h>

#define GOLDEN_RATIO_64 0x61C8864680B583EBull

static __always_inline u32 hash_64(u64 val, unsigned int bits)
{
	return (u32)(val * GOLDEN_RATIO_64 >> (64 - bits));
}

static __always_inline u32 hash_ptr(const void *ptr, unsigned int bits)
{
	return hash_64((unsigned long)ptr, bits);
}

#endif
