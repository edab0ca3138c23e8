/* SPDX-License-Identifier: MIT */
/*
 * kasan.h - tells whether a checker watches freed memory and delays its reuse. Here that is
 * AddressSanitizer.
 */
#ifndef IOF_SHIM_LINUX_KASAN_H
#define IOF_SHIM_LINUX_KASAN_H

#include <linux/types.h>

static inline bool kasan_enabled(void)
{
	return IOF_SHIM_ASAN;
}

#endif
