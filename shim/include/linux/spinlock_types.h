/* SPDX-License-Identifier: MIT */
/*
 * spinlock_types.h - the lock itself, for headers that need only its size.
 */
#ifndef IOF_SHIM_LINUX_SPINLOCK_TYPES_H
#define IOF_SHIM_LINUX_SPINLOCK_TYPES_H

#include <linux/lockdep.h>

typedef struct spinlock {
	unsigned int locked;
	struct lockdep_map dep_map;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

#define __SPIN_LOCK_UNLOCKED(lockname) { .locked = 0, .dep_map = { .name = #lockname } }
#define DEFINE_SPINLOCK(x) spinlock_t x = __SPIN_LOCK_UNLOCKED(x)

#endif
