/* SPDX-License-Identifier: MIT */
/* ktime.h - the monotonic clock in nanoseconds. */
#ifndef IOF_SHIM_LINUX_KTIME_H
#define IOF_SHIM_LINUX_KTIME_H

#include <linux/types.h>
#include <linux/jiffies.h>

u64 iof_shim_ktime_ns(void);
u64 iof_shim_ktime_coarse_ns(void);

#define NSEC_PER_SEC 1000000000L
#define NSEC_PER_MSEC 1000000L
#define NSEC_PER_USEC 1000L
#define ktime_get_ns() iof_shim_ktime_ns()
#define ktime_get_coarse_ns() iof_shim_ktime_coarse_ns()

#endif
