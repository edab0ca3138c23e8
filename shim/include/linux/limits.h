/* SPDX-License-Identifier: MIT */
/*
 * limits.h - the system's own (which <limits.h> reaches for), and the kernel's limits of fixed
 * types.
 */
#ifndef IOF_SHIM_LINUX_LIMITS_H
#define IOF_SHIM_LINUX_LIMITS_H

#include_next <linux/limits.h>

#define U8_MAX ((unsigned char)~0U)
#define S8_MAX ((signed char)(U8_MAX >> 1))
#define U16_MAX ((unsigned short)~0U)
#define S16_MAX ((short)(U16_MAX >> 1))
#define U32_MAX (~0U)
#define S32_MAX ((int)(U32_MAX >> 1))
#define S32_MIN ((int)(-S32_MAX - 1))
#define U64_MAX (~0ULL)
#define S64_MAX ((long long)(U64_MAX >> 1))
#define S64_MIN ((long long)(-S64_MAX - 1))
#define PHYS_ADDR_MAX (~0ULL)

#endif
