/* SPDX-License-Identifier: MIT */
/*
 * jiffies.h - time in jiffies: here milliseconds of the monotonic clock.
 */
#ifndef IOF_SHIM_LINUX_JIFFIES_H
#define IOF_SHIM_LINUX_JIFFIES_H

#include <linux/types.h>

#define HZ 1000
unsigned long iof_shim_jiffies(void);
#define jiffies iof_shim_jiffies()
#define msecs_to_jiffies(ms) ((unsigned long)(ms))
#define usecs_to_jiffies(us) (((unsigned long)(us) + 999) / 1000)
#define nsecs_to_jiffies(ns) ((unsigned long)(ns) / 1000000)
#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_before(a, b) time_after(b, a)

#endif
