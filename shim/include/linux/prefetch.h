/* SPDX-License-Identifier: MIT */
/* prefetch.h - hints to the processor. */
#ifndef IOF_SHIM_LINUX_PREFETCH_H
#define IOF_SHIM_LINUX_PREFETCH_H

#define prefetch(p) __builtin_prefetch(p)
#define prefetchw(p) __builtin_prefetch(p, 1)

#endif
