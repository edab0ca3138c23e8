/* SPDX-License-Identifier: MIT */
/* math64.h - 64-bit divisions, which a 32-bit kernel cannot write with an operator. */
#ifndef IOF_SHIM_LINUX_MATH64_H
#define IOF_SHIM_LINUX_MATH64_H

#include <linux/types.h>
#include <linux/math.h>

static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

static inline s64 div64_s64(s64 dividend, s64 divisor)
{
	return dividend / divisor;
}

static inline u64 div_u64_rem(u64 dividend, u32 divisor, u32 *remainder)
{
	*remainder = (u32)(dividend % divisor);
	return dividend / divisor;
}

static inline u64 mul_u64_u32_shr(u64 a, u32 mul, unsigned int shift)
{
	return (u64)(((unsigned __int128)a * mul) >> shift);
}

#define DIV64_U64_ROUND_UP(n, d) \
	({ u64 iof_d = (d); div64_u64((n) + iof_d - 1, iof_d); })

#endif
