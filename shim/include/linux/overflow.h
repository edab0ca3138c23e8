/* SPDX-License-Identifier: MIT */
/*
 * overflow.h - arithmetic that tells when it does not fit, and sizes that saturate instead of
 * wrapping.
 */
#ifndef IOF_SHIM_LINUX_OVERFLOW_H
#define IOF_SHIM_LINUX_OVERFLOW_H

#include <linux/compiler.h>
#include <linux/limits.h>

#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d) __builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d) __builtin_mul_overflow(a, b, d)
#define check_shl_overflow(a, s, d) \
	({ \
		__auto_type iof_a = (a); \
		unsigned int iof_s = (unsigned int)(s); \
		bool iof_bad = iof_s >= 8 * sizeof(*(d)); \
		*(d) = iof_bad ? 0 : (typeof(*(d)))((unsigned long long)iof_a << iof_s); \
		iof_bad || (typeof(iof_a))(*(d) >> iof_s) != iof_a; \
	})

static inline size_t __must_check size_add(size_t a, size_t b)
{
	size_t sum;

	return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

static inline size_t __must_check size_sub(size_t a, size_t b)
{
	size_t diff;

	if (a == SIZE_MAX || b == SIZE_MAX || __builtin_sub_overflow(a, b, &diff))
		return SIZE_MAX;
	return diff;
}

static inline size_t __must_check size_mul(size_t a, size_t b)
{
	size_t product;

	return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

#define array_size(a, b) size_mul(a, b)
#define array3_size(a, b, c) size_mul(size_mul(a, b), c)
#define flex_array_size(p, member, count) size_mul(count, sizeof(*(p)->member))
#define struct_size(p, member, count) size_add(sizeof(*(p)), flex_array_size(p, member, count))
#define struct_size_t(type, member, count) struct_size((type *)NULL, member, count)

#endif
