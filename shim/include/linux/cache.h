/* SPDX-License-Identifier: MIT */
/* cache.h - the size of a cache line. */
#ifndef IOF_SHIM_LINUX_CACHE_H
#define IOF_SHIM_LINUX_CACHE_H

#include <linux/compiler.h>

#define L1_CACHE_SHIFT 6
#define L1_CACHE_BYTES (1 << L1_CACHE_SHIFT)
#define ____cacheline_aligned __attribute__((__aligned__(L1_CACHE_BYTES)))
#define ____cacheline_aligned_in_smp ____cacheline_aligned

#endif
