/* SPDX-License-Identifier: MIT */
/*
 * refcount.h - reference counts that saturate and report misuse: increment from zero, decrement
 * below zero, overflow.
 *
 * A saturated count stays saturated, so that its object leaks instead of being freed early.
 */
#ifndef IOF_SHIM_LINUX_REFCOUNT_H
#define IOF_SHIM_LINUX_REFCOUNT_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/spinlock_types.h>

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

struct mutex;

#define REFCOUNT_INIT(n) { .refs = ATOMIC_INIT(n) }
#define REFCOUNT_SATURATED (INT32_MIN / 2)

/* Saturates the count and complains. */
void iof_shim_refcount_bad(refcount_t *r, const char *what) __attribute__((cold));

static inline void refcount_set(refcount_t *r, int n)
{
	atomic_set(&r->refs, n);
}

static inline unsigned int refcount_read(const refcount_t *r)
{
	return (unsigned int)atomic_read(&r->refs);
}

static inline bool __must_check refcount_add_not_zero(int i, refcount_t *r)
{
	int old = atomic_read(&r->refs);

	do {
		if (!old)
			return false;
	} while (!atomic_try_cmpxchg_relaxed(&r->refs, &old, (int)((unsigned int)old + i)));
	if (unlikely(old < 0 || (int)((unsigned int)old + i) < 0))
		iof_shim_refcount_bad(r, "overflow or use after saturation");
	return true;
}

static inline bool __must_check refcount_inc_not_zero(refcount_t *r)
{
	return refcount_add_not_zero(1, r);
}

static inline void refcount_add(int i, refcount_t *r)
{
	int old = atomic_fetch_add_relaxed(i, &r->refs);

	if (unlikely(!old))
		iof_shim_refcount_bad(r, "increment from zero: use after free");
	else if (unlikely(old < 0 || (int)((unsigned int)old + i) < 0))
		iof_shim_refcount_bad(r, "overflow or use after saturation");
}

static inline void refcount_inc(refcount_t *r)
{
	refcount_add(1, r);
}

static inline bool __must_check refcount_sub_and_test(int i, refcount_t *r)
{
	int old;

	iof_sched_point(IOF_SCHED_ATOMIC, r);
	old = __atomic_fetch_sub(&r->refs.counter, i, __ATOMIC_ACQ_REL);
	if (old > 0 && old == i)
		return true;
	if (unlikely(old <= 0 || old - i < 0))
		iof_shim_refcount_bad(r, "underflow: put without a reference");
	return false;
}

static inline bool __must_check refcount_dec_and_test(refcount_t *r)
{
	return refcount_sub_and_test(1, r);
}

static inline void refcount_dec(refcount_t *r)
{
	int old = atomic_fetch_sub_release(1, &r->refs);

	if (unlikely(old <= 1))
		iof_shim_refcount_bad(r, "decrement hit zero: leak");
}

static inline bool __must_check refcount_dec_if_one(refcount_t *r)
{
	int one = 1;

	return atomic_try_cmpxchg_release(&r->refs, &one, 0);
}

static inline bool __must_check refcount_dec_not_one(refcount_t *r)
{
	int old = atomic_read(&r->refs);

	do {
		if (unlikely(old == REFCOUNT_SATURATED))
			return true;
		if (old == 1)
			return false;
		if (unlikely(old <= 0)) {
			iof_shim_refcount_bad(r, "underflow: put without a reference");
			return true;
		}
	} while (!atomic_try_cmpxchg_release(&r->refs, &old, old - 1));
	return true;
}

/* Drops a reference. If it was the last one, returns true with the lock held. */
bool iof_shim_refcount_dec_and_lock(refcount_t *r, spinlock_t *lock);
bool iof_shim_refcount_dec_and_mutex_lock(refcount_t *r, struct mutex *lock);
#define refcount_dec_and_lock(r, lock) iof_shim_refcount_dec_and_lock(r, lock)
#define refcount_dec_and_mutex_lock(r, lock) iof_shim_refcount_dec_and_mutex_lock(r, lock)

#endif
