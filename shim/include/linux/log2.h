/* SPDX-License-Identifier: MIT */
/*
 * log2.h - logarithms and powers of two. A constant argument gives a constant expression.
 */
#ifndef IOF_SHIM_LINUX_LOG2_H
#define IOF_SHIM_LINUX_LOG2_H

#include <linux/bitops.h>

#define ilog2(n) (63 - __builtin_clzll((unsigned long long)(n)))

static __always_inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static __always_inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << (ilog2(n - 1) + 1);
}

static __always_inline int order_base_2(unsigned long n)
{
	return n <= 1 ? 0 : ilog2(n - 1) + 1;
}

#endif
