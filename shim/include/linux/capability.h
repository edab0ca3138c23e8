/* SPDX-License-Identifier: MIT */
/*
 * capability.h - the effective capabilities of the real process, or those that a test has set
 * (iof_shim_set_capable() in shim/fault.h).
 */
#ifndef IOF_SHIM_LINUX_CAPABILITY_H
#define IOF_SHIM_LINUX_CAPABILITY_H

#include_next <linux/capability.h>
#include <stdbool.h>

bool iof_shim_capable(int cap);

/* A function and no macro, so that ops tables may have a member of that name. */
static inline bool capable(int cap)
{
	return iof_shim_capable(cap);
}

#endif
