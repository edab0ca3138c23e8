/* SPDX-License-Identifier: MIT */
/*
 * lockdep.h - the lock checker: which thread holds which locks, and in which order classes of locks
 * were taken.
 *
 * A class is the place in the code where a lock was initialised (or the argument of
 * lockdep_set_class()), plus a subclass. The checker remembers each new order of two classes for
 * the life of the process. It reports the first order that closes a cycle, whether or not the
 * threads deadlocked. Without checks, all functions here are empty.
 */
#ifndef IOF_SHIM_LINUX_LOCKDEP_H
#define IOF_SHIM_LINUX_LOCKDEP_H

#include <linux/compiler.h>
#include <linux/bug.h>

#define IOF_SHIM_SUBCLASSES 8
#define SINGLE_DEPTH_NESTING 1

struct lock_class_key {
	unsigned short id[IOF_SHIM_SUBCLASSES];
};

struct lockdep_map {
	const char *name;
	struct lock_class_key *key;
};

enum {
	IOF_SHIM_LOCK_READ = 1,
	IOF_SHIM_LOCK_TRY = 2,
	IOF_SHIM_LOCK_SPIN = 4,
};

static __always_inline void iof_shim_lock_map_init(struct lockdep_map *map, const char *name,
						   struct lock_class_key *key)
{
	map->name = name;
	map->key = key;
}

#if IOF_SHIM_CHECKS
void iof_shim_acquire(struct lockdep_map *map, unsigned int subclass, unsigned int flags);
/* Notes a trylock that succeeded: the thread holds the lock, but did not wait for it. */
void iof_shim_release(struct lockdep_map *map, unsigned int flags);
void iof_shim_downgrade(struct lockdep_map *map);
/* Returns 0: not held by this thread, 1: held for reading, 2: held for writing. */
int iof_shim_held(const struct lockdep_map *map);
#define lockdep_assert(cond) WARN_ON(!(cond))
#else
static __always_inline void iof_shim_acquire(struct lockdep_map *map, unsigned int subclass,
					     unsigned int flags)
{
	(void)map;
	(void)subclass;
	(void)flags;
}

static __always_inline void iof_shim_release(struct lockdep_map *map, unsigned int flags)
{
	(void)map;
	(void)flags;
}

static __always_inline void iof_shim_downgrade(struct lockdep_map *map)
{
	(void)map;
}

static __always_inline int iof_shim_held(const struct lockdep_map *map)
{
	(void)map;
	return 2;
}
#define lockdep_assert(cond) do { (void)sizeof(cond); } while (0)
#endif

#define lockdep_assert_held(lock) lockdep_assert(iof_shim_held(&(lock)->dep_map) != 0)
#define lockdep_assert_held_write(lock) lockdep_assert(iof_shim_held(&(lock)->dep_map) == 2)
#define lock_map_acquire(map) iof_shim_acquire(map, 0, 0)
#define lock_map_release(map) iof_shim_release(map, 0)
/* Checks the order as if the lock were taken, without taking it. */
#define might_lock(lock) \
	do { \
		iof_shim_acquire(&(lock)->dep_map, 0, 0); \
		iof_shim_release(&(lock)->dep_map, 0); \
	} while (0)

#endif
