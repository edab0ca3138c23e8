/* SPDX-License-Identifier: MIT */
/* ktime.h - the monotonic clock in nanoseconds. */
#ifndef IOF_SHIM_LINUX_KTIME_H
#define IOF_SHIM_LINUX_KTIME_H

#include <linux/types.h>
#include <linux/jiffies.h>

u64 iof_shim_ktime_ns(void);
u64 iof_shim_ktime_coarse_ns(void);
u64 iof_shim_ktime_real_ns(void);

#define KTIME_MAX ((s64)~((u64)1 << 63))
#define NSEC_PER_SEC 1000000000L
#define NSEC_PER_MSEC 1000000L
#define NSEC_PER_USEC 1000L
#define USEC_PER_SEC 1000000L
#define MSEC_PER_SEC 1000L
#define ktime_get() ((ktime_t)iof_shim_ktime_ns())
#define ktime_get_ns() iof_shim_ktime_ns()
#define ktime_get_raw_ns() iof_shim_ktime_ns()
#define ktime_get_boottime_ns() iof_shim_ktime_ns()
#define ktime_get_coarse_ns() iof_shim_ktime_coarse_ns()
#define ktime_get_real_ns() iof_shim_ktime_real_ns()
#define local_clock() iof_shim_ktime_ns()
#define ktime_to_ns(t) ((s64)(t))
#define ktime_to_us(t) ((s64)(t) / 1000)
#define ktime_to_ms(t) ((s64)(t) / 1000000)
#define ktime_sub(a, b) ((a) - (b))
#define ktime_add(a, b) ((a) + (b))
#define ktime_add_ns(t, ns) ((t) + (ktime_t)(ns))
#define ktime_before(a, b) ((a) < (b))
#define ktime_after(a, b) ((a) > (b))
#define ms_to_ktime(ms) ((ktime_t)(ms) * 1000000)
#define ns_to_ktime(ns) ((ktime_t)(ns))

#endif
