/* SPDX-License-Identifier: MIT */
/*
 * mutex.h - mutexes over pthreads, with owners.
 *
 * Builds with checks report three kinds of misuse: unlocking a mutex that another thread holds,
 * locking twice, and freeing or destroying a locked mutex.
 */
#ifndef IOF_SHIM_LINUX_MUTEX_H
#define IOF_SHIM_LINUX_MUTEX_H

#include <pthread.h>
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>

struct mutex {
	pthread_mutex_t lock;
	struct task_struct *owner;
	struct lockdep_map dep_map;
};

#define __MUTEX_INITIALIZER(lockname) \
	{ .lock = PTHREAD_MUTEX_INITIALIZER, .dep_map = { .name = #lockname } }
#define DEFINE_MUTEX(name) struct mutex name = __MUTEX_INITIALIZER(name)
#define mutex_init(mutex) \
	do { \
		static struct lock_class_key iof_key; \
		iof_shim_mutex_init(mutex, #mutex, &iof_key); \
	} while (0)

void iof_shim_mutex_init(struct mutex *m, const char *name, struct lock_class_key *key);
void iof_shim_mutex_destroy(struct mutex *m);
void iof_shim_mutex_lock(struct mutex *m, unsigned int subclass);
int iof_shim_mutex_trylock(struct mutex *m);
void iof_shim_mutex_unlock(struct mutex *m);

static inline bool mutex_is_locked(struct mutex *m)
{
	return __atomic_load_n(&m->owner, __ATOMIC_RELAXED) != NULL;
}

#define mutex_destroy(m) iof_shim_mutex_destroy(m)
#define mutex_lock(m) \
	do { \
		might_sleep(); \
		iof_shim_mutex_lock(m, 0); \
	} while (0)
#define mutex_lock_nested(m, subclass) \
	do { \
		might_sleep(); \
		iof_shim_mutex_lock(m, subclass); \
	} while (0)
/*
 * As down_read_killable(): signals do not interrupt the wait here, but callers must look at the
 * result.
 */
#define mutex_lock_killable(m) \
	({ \
		int iof_killed = iof_shim_killed() ? -EINTR : 0; \
		if (!iof_killed) \
			mutex_lock(m); \
		iof_killed; \
	})
#define mutex_trylock(m) iof_shim_mutex_trylock(m)
#define mutex_unlock(m) iof_shim_mutex_unlock(m)

#endif
