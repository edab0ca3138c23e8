/* SPDX-License-Identifier: MIT */
/*
 * rwsem.h - sleeping reader-writer locks.
 *
 * A waiting writer blocks new readers, so that a thread that locks twice for reading can deadlock,
 * as in the kernel. Without contention each side is one atomic operation.
 */
#ifndef IOF_SHIM_LINUX_RWSEM_H
#define IOF_SHIM_LINUX_RWSEM_H

#include <pthread.h>
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>

#define IOF_SHIM_RWSEM_WRITER 0x80000000u
#define IOF_SHIM_RWSEM_WAITERS 0x40000000u
#define IOF_SHIM_RWSEM_READERS 0x3fffffffu

struct rw_semaphore {
	unsigned int state;		/* number of readers, writer bit, waiters bit */
	unsigned int next_ticket;	/* under lock: number of threads that had to wait so far */
	unsigned int now_serving;	/* under lock: the ticket that may take the lock next */
	pthread_mutex_t lock;
	pthread_cond_t turn;
	struct lockdep_map dep_map;
};

#define __RWSEM_INITIALIZER(rwname) \
	{ .lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER, \
	  .dep_map = { .name = #rwname } }
#define DECLARE_RWSEM(name) struct rw_semaphore name = __RWSEM_INITIALIZER(name)
#define init_rwsem(sem) \
	do { \
		static struct lock_class_key iof_key; \
		iof_shim_rwsem_init(sem, #sem, &iof_key); \
	} while (0)

void iof_shim_rwsem_init(struct rw_semaphore *sem, const char *name, struct lock_class_key *key);
void iof_shim_rwsem_wait(struct rw_semaphore *sem, bool write);
void iof_shim_rwsem_wake(struct rw_semaphore *sem);

static __always_inline bool iof_shim_rwsem_try_read(struct rw_semaphore *sem)
{
	unsigned int old = __atomic_load_n(&sem->state, __ATOMIC_RELAXED);

	while (!(old & (IOF_SHIM_RWSEM_WRITER | IOF_SHIM_RWSEM_WAITERS)))
		if (__atomic_compare_exchange_n(&sem->state, &old, old + 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static __always_inline bool iof_shim_rwsem_try_write(struct rw_semaphore *sem)
{
	unsigned int zero = 0;

	return __atomic_compare_exchange_n(&sem->state, &zero, IOF_SHIM_RWSEM_WRITER, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void iof_shim_down_read(struct rw_semaphore *sem, unsigned int subclass)
{
	iof_sched_point(IOF_SCHED_LOCK, sem);
	iof_shim_acquire(&sem->dep_map, subclass, IOF_SHIM_LOCK_READ);
	if (unlikely(!iof_shim_rwsem_try_read(sem)))
		iof_shim_rwsem_wait(sem, false);
}

static inline void iof_shim_down_write(struct rw_semaphore *sem, unsigned int subclass)
{
	iof_sched_point(IOF_SCHED_LOCK, sem);
	iof_shim_acquire(&sem->dep_map, subclass, 0);
	if (unlikely(!iof_shim_rwsem_try_write(sem)))
		iof_shim_rwsem_wait(sem, true);
}

static inline int down_read_trylock(struct rw_semaphore *sem)
{
	iof_sched_point(IOF_SCHED_LOCK, sem);
	if (!iof_shim_rwsem_try_read(sem))
		return 0;
	iof_shim_acquire(&sem->dep_map, 0, IOF_SHIM_LOCK_READ | IOF_SHIM_LOCK_TRY);
	return 1;
}

static inline int down_write_trylock(struct rw_semaphore *sem)
{
	iof_sched_point(IOF_SCHED_LOCK, sem);
	if (!iof_shim_rwsem_try_write(sem))
		return 0;
	iof_shim_acquire(&sem->dep_map, 0, IOF_SHIM_LOCK_TRY);
	return 1;
}

static inline void up_read(struct rw_semaphore *sem)
{
	unsigned int old;

	iof_shim_release(&sem->dep_map, IOF_SHIM_LOCK_READ);
	old = __atomic_fetch_sub(&sem->state, 1, __ATOMIC_RELEASE);
	if (unlikely(old & IOF_SHIM_RWSEM_WAITERS) && (old & IOF_SHIM_RWSEM_READERS) == 1)
		iof_shim_rwsem_wake(sem);
	iof_sched_point(IOF_SCHED_UNLOCK, sem);
}

static inline void up_write(struct rw_semaphore *sem)
{
	unsigned int old;

	iof_shim_release(&sem->dep_map, 0);
	old = __atomic_fetch_and(&sem->state, ~IOF_SHIM_RWSEM_WRITER, __ATOMIC_RELEASE);
	if (unlikely(old & IOF_SHIM_RWSEM_WAITERS))
		iof_shim_rwsem_wake(sem);
	iof_sched_point(IOF_SCHED_UNLOCK, sem);
}

static inline void downgrade_write(struct rw_semaphore *sem)
{
	unsigned int old;

	iof_shim_downgrade(&sem->dep_map);
	old = __atomic_fetch_sub(&sem->state, IOF_SHIM_RWSEM_WRITER - 1, __ATOMIC_RELEASE);
	if (unlikely(old & IOF_SHIM_RWSEM_WAITERS))
		iof_shim_rwsem_wake(sem);
}

static inline bool rwsem_is_locked(struct rw_semaphore *sem)
{
	return (__atomic_load_n(&sem->state, __ATOMIC_RELAXED) &
		(IOF_SHIM_RWSEM_WRITER | IOF_SHIM_RWSEM_READERS)) != 0;
}

#define down_read(sem) \
	do { \
		might_sleep(); \
		iof_shim_down_read(sem, 0); \
	} while (0)
#define down_write(sem) \
	do { \
		might_sleep(); \
		iof_shim_down_write(sem, 0); \
	} while (0)
/*
 * A signal does not end the wait here. But a thread that a test has killed before does not get the
 * lock, even if it is free.
 */
#define down_read_killable(sem) \
	({ \
		int iof_killed = iof_shim_killed() ? -EINTR : 0; \
		if (!iof_killed) \
			down_read(sem); \
		iof_killed; \
	})
#define down_write_killable(sem) \
	({ \
		int iof_killed = iof_shim_killed() ? -EINTR : 0; \
		if (!iof_killed) \
			down_write(sem); \
		iof_killed; \
	})

#endif
