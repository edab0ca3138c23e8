/* SPDX-License-Identifier: MIT */
/*
 * kasan.h - whether a checker sees what is done with freed memory, which it keeps from being used
 * again for a while. Here that is AddressSanitizer.
 */
#ifndef IOF_SHIM_LINUX_KASAN_H
#define IOF_SHIM_LINUX_KASAN_H

#include <linux/types.h>

static inline bool kasan_enabled(void)
{
	return IOF_SHIM_ASAN;
}

#endif
