/* SPDX-License-Identifier: MIT */
/*
 * spinlock.h - spinlocks. Without contention, locking is one compare-and-exchange and unlocking one
 * store.
 *
 * A waiter spins, then yields (the holder may have been preempted), then naps. The locks are not
 * fair, since no code should depend on fairness. There are no interrupts here: the _irqsave forms
 * are the plain ones. In builds with checks, calls that may sleep complain while a spinlock is
 * held.
 */
#ifndef IOF_SHIM_LINUX_SPINLOCK_H
#define IOF_SHIM_LINUX_SPINLOCK_H

#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/compiler.h>
#include <linux/spinlock_types.h>

void iof_shim_spin_slow(spinlock_t *lock);

#define spin_lock_init(lock) \
	do { \
		static struct lock_class_key iof_key; \
		iof_shim_spin_init(lock, #lock, &iof_key); \
	} while (0)

static __always_inline void iof_shim_spin_init(spinlock_t *lock, const char *name,
					       struct lock_class_key *key)
{
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELAXED);
	iof_shim_lock_map_init(&lock->dep_map, name, key);
}

static __always_inline void spin_lock_nested(spinlock_t *lock, unsigned int subclass)
{
	unsigned int zero = 0;

	iof_sched_point(IOF_SCHED_LOCK, lock);
	iof_shim_acquire(&lock->dep_map, subclass, IOF_SHIM_LOCK_SPIN);
	if (unlikely(!__atomic_compare_exchange_n(&lock->locked, &zero, 1, false, __ATOMIC_ACQUIRE,
						  __ATOMIC_RELAXED)))
		iof_shim_spin_slow(lock);
}

static __always_inline void spin_lock(spinlock_t *lock)
{
	spin_lock_nested(lock, 0);
}

static __always_inline int spin_trylock(spinlock_t *lock)
{
	unsigned int zero = 0;

	iof_sched_point(IOF_SCHED_LOCK, lock);
	if (!__atomic_compare_exchange_n(&lock->locked, &zero, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return 0;
	iof_shim_acquire(&lock->dep_map, 0, IOF_SHIM_LOCK_SPIN | IOF_SHIM_LOCK_TRY);
	return 1;
}

static __always_inline void spin_unlock(spinlock_t *lock)
{
	iof_shim_release(&lock->dep_map, IOF_SHIM_LOCK_SPIN);
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
	iof_sched_point(IOF_SCHED_UNLOCK, lock);
}

#define spin_lock_irqsave(lock, flags) \
	do { \
		(flags) = 0; \
		spin_lock(lock); \
	} while (0)
#define spin_unlock_irqrestore(lock, flags) \
	do { \
		(void)(flags); \
		spin_unlock(lock); \
	} while (0)

#endif
