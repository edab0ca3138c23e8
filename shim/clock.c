/* SPDX-License-Identifier: MIT */
/*
 * clock.c - the kernel's calls that read the monotonic clock, fine and coarse. This file depends on
 * no other.
 */
#include <time.h>

#include <linux/jiffies.h>
#include <linux/ktime.h>

u64 iof_shim_ktime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * NSEC_PER_SEC + (u64)now.tv_nsec;
}

u64 iof_shim_ktime_coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (u64)now.tv_sec * NSEC_PER_SEC + (u64)now.tv_nsec;
}

unsigned long iof_shim_jiffies(void)
{
	return (unsigned long)(iof_shim_ktime_coarse_ns() / (NSEC_PER_SEC / HZ));
}
