/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the slow halves of the locks, and the lock checker: which thread holds which locks, in
 * which order.
 *
 * Each thread keeps a stack of the locks that it holds. A class gets a small number when a lock of
 * it is first taken. An edge A -> B says that a thread took B while it held A. A new edge that
 * makes B reach A is an order that can deadlock; the checker reports it once. A known edge costs
 * one bit test.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include "internal.h"

/* ---- spinlocks ---- */

#define SPINS_BEFORE_YIELD 200
#define YIELDS_BEFORE_NAP 64

void iof_shim_spin_slow(spinlock_t *lock)
{
	unsigned int spins = 0, yields = 0;

	for (;;) {
		unsigned int zero = 0;

		while (__atomic_load_n(&lock->locked, __ATOMIC_RELAXED)) {
			iof_sched_point(IOF_SCHED_SLEEP, lock);
			if (++spins < SPINS_BEFORE_YIELD) {
				cpu_relax();
			} else if (++yields < YIELDS_BEFORE_NAP) {
				sched_yield();
			} else {
				const struct timespec nap = { .tv_nsec = 50000 };

				nanosleep(&nap, NULL);
			}
		}
		if (__atomic_compare_exchange_n(&lock->locked, &zero, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return;
	}
}

/* ---- mutexes ---- */

void iof_shim_mutex_init(struct mutex *m, const char *name, struct lock_class_key *key)
{
	must(pthread_mutex_init(&m->lock, NULL));
	m->owner = NULL;
	iof_shim_lock_map_init(&m->dep_map, name, key);
}

void iof_shim_mutex_destroy(struct mutex *m)
{
	if (IOF_SHIM_CHECKS && mutex_is_locked(m))
		iof_shim_complain("mutex %s destroyed while it is held", m->dep_map.name);
	must(pthread_mutex_destroy(&m->lock));
	m->dep_map.name = NULL;
}

void iof_shim_mutex_lock(struct mutex *m, unsigned int subclass)
{
	iof_sched_point(IOF_SCHED_LOCK, m);
	iof_shim_acquire(&m->dep_map, subclass, 0);
	must(pthread_mutex_lock(&m->lock));
	__atomic_store_n(&m->owner, current, __ATOMIC_RELAXED);
}

int iof_shim_mutex_trylock(struct mutex *m)
{
	iof_sched_point(IOF_SCHED_LOCK, m);
	if (pthread_mutex_trylock(&m->lock))
		return 0;
	iof_shim_acquire(&m->dep_map, 0, IOF_SHIM_LOCK_TRY);
	__atomic_store_n(&m->owner, current, __ATOMIC_RELAXED);
	return 1;
}

void iof_shim_mutex_unlock(struct mutex *m)
{
	if (IOF_SHIM_CHECKS && __atomic_load_n(&m->owner, __ATOMIC_RELAXED) != current) {
		iof_shim_complain("mutex %s unlocked by a thread that does not hold it",
				  m->dep_map.name ? m->dep_map.name : "(uninitialised)");
		return;
	}
	iof_shim_release(&m->dep_map, 0);
	__atomic_store_n(&m->owner, NULL, __ATOMIC_RELAXED);
	must(pthread_mutex_unlock(&m->lock));
	iof_sched_point(IOF_SCHED_UNLOCK, m);
}

bool iof_shim_refcount_dec_and_mutex_lock(refcount_t *r, struct mutex *lock)
{
	if (refcount_dec_not_one(r))
		return false;
	mutex_lock(lock);
	if (refcount_dec_and_test(r))
		return true;
	mutex_unlock(lock);
	return false;
}

bool iof_shim_refcount_dec_and_lock(refcount_t *r, spinlock_t *lock)
{
	if (refcount_dec_not_one(r))
		return false;
	spin_lock(lock);
	if (refcount_dec_and_test(r))
		return true;
	spin_unlock(lock);
	return false;
}

/* ---- reader-writer semaphores ---- */

void iof_shim_rwsem_init(struct rw_semaphore *sem, const char *name, struct lock_class_key *key)
{
	__atomic_store_n(&sem->state, 0, __ATOMIC_RELAXED);
	sem->next_ticket = 0;
	sem->now_serving = 0;
	must(pthread_mutex_init(&sem->lock, NULL));
	must(pthread_cond_init(&sem->turn, NULL));
	iof_shim_lock_map_init(&sem->dep_map, name, key);
}

/* Takes the lock by one atomic step if it is free for this caller, even if other threads wait. */
static bool rwsem_grab(struct rw_semaphore *sem, bool write)
{
	unsigned int old = __atomic_load_n(&sem->state, __ATOMIC_RELAXED), new;

	do {
		if (old & IOF_SHIM_RWSEM_WRITER || (write && old & IOF_SHIM_RWSEM_READERS))
			return false;
		new = write ? old | IOF_SHIM_RWSEM_WRITER : old + 1;
	} while (!__atomic_compare_exchange_n(&sem->state, &old, new, false, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

/*
 * Waits in order of arrival. While the waiters bit is set, each thread that arrives calls this
 * function, and each release that could let a waiter in calls iof_shim_rwsem_wake().
 */
void iof_shim_rwsem_wait(struct rw_semaphore *sem, bool write)
{
	unsigned int ticket;

	must(pthread_mutex_lock(&sem->lock));
	ticket = sem->next_ticket++;
	__atomic_fetch_or(&sem->state, IOF_SHIM_RWSEM_WAITERS, __ATOMIC_RELAXED);
	while (sem->now_serving != ticket || !rwsem_grab(sem, write)) {
		iof_sched_point(IOF_SCHED_SLEEP, sem);
		must(pthread_cond_wait(&sem->turn, &sem->lock));
	}
	sem->now_serving++;
	if (sem->now_serving == sem->next_ticket)
		__atomic_fetch_and(&sem->state, ~IOF_SHIM_RWSEM_WAITERS, __ATOMIC_RELAXED);
	else
		must(pthread_cond_broadcast(&sem->turn));
	must(pthread_mutex_unlock(&sem->lock));
}

void iof_shim_rwsem_wake(struct rw_semaphore *sem)
{
	must(pthread_mutex_lock(&sem->lock));
	must(pthread_cond_broadcast(&sem->turn));
	must(pthread_mutex_unlock(&sem->lock));
}

/* ---- the watch ---- */

#if IOF_SHIM_CHECKS

#define MAX_CLASSES 1024
#define WORD_BITS 64

struct class {
	const char *name;
	unsigned int subclass;
};

static struct {
	unsigned int locked;		/* a bare lock: the checker itself takes it */
	unsigned int classes;
	bool full;
	struct class class[MAX_CLASSES];
	u64 after[MAX_CLASSES][MAX_CLASSES / WORD_BITS];
	/* for locks that are initialised statically */
	struct lock_class_key spare[MAX_CLASSES];
	unsigned int spares;
} order;

static void order_lock(void)
{
	unsigned int zero = 0;

	while (!__atomic_compare_exchange_n(&order.locked, &zero, 1, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		zero = 0;
		cpu_relax();
	}
}

static void order_unlock(void)
{
	__atomic_store_n(&order.locked, 0, __ATOMIC_RELEASE);
}

/* Returns the number of the lock's class; 0 if there are too many classes. */
static unsigned short class_of(struct lockdep_map *map, unsigned int subclass)
{
	struct lock_class_key *key = __atomic_load_n(&map->key, __ATOMIC_ACQUIRE);
	unsigned short id;

	subclass &= IOF_SHIM_SUBCLASSES - 1;
	if (likely(key)) {
		id = __atomic_load_n(&key->id[subclass], __ATOMIC_RELAXED);
		if (likely(id))
			return id;
	}
	order_lock();
	key = map->key;
	if (!key && order.spares < MAX_CLASSES) {
		key = &order.spare[order.spares++];
		__atomic_store_n(&map->key, key, __ATOMIC_RELEASE);
	}
	id = 0;
	if (key) {
		id = key->id[subclass];
		if (!id && order.classes + 1 < MAX_CLASSES) {
			id = (unsigned short)++order.classes;
			order.class[id] = (struct class){ .name = map->name, .subclass = subclass };
			__atomic_store_n(&key->id[subclass], id, __ATOMIC_RELAXED);
		}
	}
	order_unlock();
	return id;
}

static bool edge_known(unsigned int from, unsigned int to)
{
	return __atomic_load_n(&order.after[from][to / WORD_BITS], __ATOMIC_RELAXED) >>
	       (to % WORD_BITS) & 1;
}

/*
 * Does a path of edges lead from @from to @to? Called with order_lock held; @seen bounds the walk.
 */
static bool reaches(unsigned int from, unsigned int to, u64 *seen)
{
	if (from == to)
		return true;
	seen[from / WORD_BITS] |= 1ull << (from % WORD_BITS);
	for (unsigned int w = 0; w < MAX_CLASSES / WORD_BITS; w++) {
		u64 next = order.after[from][w] & ~seen[w];

		while (next) {
			unsigned int class = w * WORD_BITS + (unsigned int)__builtin_ctzll(next);

			if (reaches(class, to, seen))
				return true;
			next &= next - 1;
			next &= ~seen[w];
		}
	}
	return false;
}

static void add_edge(unsigned int from, unsigned int to)
{
	u64 seen[MAX_CLASSES / WORD_BITS] = { 0 };
	bool inverted;

	order_lock();
	inverted = reaches(to, from, seen);
	__atomic_fetch_or(&order.after[from][to / WORD_BITS], 1ull << (to % WORD_BITS),
			  __ATOMIC_RELAXED);
	order_unlock();
	if (inverted)
		iof_shim_complain("lock order: %s/%u under %s/%u, and once the other way round",
				  order.class[to].name, order.class[to].subclass,
				  order.class[from].name, order.class[from].subclass);
}

void iof_shim_acquire(struct lockdep_map *map, unsigned int subclass, unsigned int flags)
{
	struct task_struct *task = current;
	unsigned short class;

	if (unlikely(!map->name)) {
		iof_shim_complain("a lock that was never initialised, or is destroyed, is taken");
		map->name = "(uninitialised)";
	}
	class = class_of(map, subclass);
	for (unsigned int i = 0; i < task->iof_nheld; i++) {
		struct iof_shim_held_lock *held = &task->iof_held[i];

		if (unlikely(held->map == map)) {
			iof_shim_complain("%s is taken twice by the same thread", map->name);
			continue;
		}
		/*
		 * a trylock does not wait, so that it adds no edge; locks taken while it is held do
		 */
		if (flags & IOF_SHIM_LOCK_TRY || !class || !held->class_id)
			continue;
		if (unlikely(held->class_id == class)) {
			if (!(held->flags & flags & IOF_SHIM_LOCK_READ))
				iof_shim_complain("two of class %s/%u nested without a subclass",
						  map->name, subclass);
			continue;
		}
		if (unlikely(!edge_known(held->class_id, class)))
			add_edge(held->class_id, class);
	}
	if (unlikely(task->iof_nheld >= IOF_SHIM_MAX_HELD)) {
		iof_shim_complain("more than %d locks held", IOF_SHIM_MAX_HELD);
		return;
	}
	task->iof_held[task->iof_nheld++] = (struct iof_shim_held_lock){
		.map = map, .class_id = class, .flags = (unsigned short)flags };
	if (flags & IOF_SHIM_LOCK_SPIN)
		task->iof_preempt++;
}

static struct iof_shim_held_lock *find_held(struct task_struct *task, const struct lockdep_map *map)
{
	for (unsigned int i = task->iof_nheld; i--;)
		if (task->iof_held[i].map == map)
			return &task->iof_held[i];
	return NULL;
}

void iof_shim_release(struct lockdep_map *map, unsigned int flags)
{
	struct task_struct *task = current;
	struct iof_shim_held_lock *held = find_held(task, map);

	if (unlikely(!held)) {
		iof_shim_complain("%s is released by a thread that does not hold it",
				  map->name ? map->name : "(uninitialised)");
		return;
	}
	task->iof_nheld--;
	for (; held < &task->iof_held[task->iof_nheld]; held++)
		held[0] = held[1];
	if (flags & IOF_SHIM_LOCK_SPIN)
		task->iof_preempt--;
}

void iof_shim_downgrade(struct lockdep_map *map)
{
	struct iof_shim_held_lock *held = find_held(current, map);

	if (held)
		held->flags |= IOF_SHIM_LOCK_READ;
	else
		iof_shim_complain("%s is downgraded by a thread that does not hold it", map->name);
}

int iof_shim_held(const struct lockdep_map *map)
{
	struct iof_shim_held_lock *held = find_held(current, map);

	if (!held)
		return 0;
	return held->flags & IOF_SHIM_LOCK_READ ? 1 : 2;
}

void iof_shim_might_sleep(const char *file, int line, const char *func)
{
	struct task_struct *task = current;
	const char *last = "none";

	if (likely(!task->iof_preempt))
		return;
	if (task->iof_nheld)
		last = task->iof_held[task->iof_nheld - 1].map->name;
	iof_shim_warn(file, line, func, "may sleep while a spinlock is held (%s)", last);
}
#endif
