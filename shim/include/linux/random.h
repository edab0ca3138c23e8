/* SPDX-License-Identifier: MIT */
/*
 * random.h - the system's own header, and the kernel's random numbers, from the system's generator.
 */
#ifndef IOF_SHIM_LINUX_RANDOM_H
#define IOF_SHIM_LINUX_RANDOM_H

#include_next <linux/random.h>
#include <linux/kernel.h>

void iof_shim_random(void *buf, size_t len);

static inline u32 get_random_u32(void)
{
	u32 v;

	iof_shim_random(&v, sizeof(v));
	return v;
}

static inline u64 get_random_u64(void)
{
	u64 v;

	iof_shim_random(&v, sizeof(v));
	return v;
}

static inline u32 get_random_u32_below(u32 ceil)
{
	return (u32)(((u64)get_random_u32() * ceil) >> 32);
}

#endif
