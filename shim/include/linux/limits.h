/* SPDX-License-Identifier: MIT */
/*
 * limits.h - the system's own header, which <limits.h> includes, and the kernel's limits of fixed
 * types.
 */
#ifndef IOF_SHIM_LINUX_LIMITS_H
#define IOF_SHIM_LINUX_LIMITS_H

#include_next <linux/limits.h>

#define U16_MAX ((unsigned short)~0U)
#define U32_MAX (~0U)
#define U64_MAX (~0ULL)

#endif
