/* SPDX-License-Identifier: MIT */
/*
 * xarray.h - arrays of pointers by a long index, over JudyL.
 *
 * xa_lock excludes writers, as in the kernel: the plain forms take it, and the __xa_ forms need it
 * held. Judy arrays have no lock-free readers, so that an inner lock guards the array itself.
 * xa_load() may be called with or without xa_lock and inside RCU; its result needs the same care as
 * in the kernel. A reserved entry reads as NULL; iteration and xa_alloc() skip it; the array is not
 * empty with it.
 */
#ifndef IOF_SHIM_LINUX_XARRAY_H
#define IOF_SHIM_LINUX_XARRAY_H

#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct xarray {
	spinlock_t xa_lock;
	spinlock_t inner;		/* taken inside xa_lock; guards judy */
	gfp_t xa_flags;
	void *judy;
	unsigned long full_below;	/* under inner: all indexes from 1 up to here are in use */
};

struct xa_limit {
	u32 max;
	u32 min;
};

typedef unsigned int xa_mark_t;

#define XA_FLAGS_TRACK_FREE 4u
#define XA_FLAGS_ZERO_BUSY 8u
#define XA_FLAGS_ACCOUNT 32u
#define XA_FLAGS_ALLOC XA_FLAGS_TRACK_FREE
#define XA_FLAGS_ALLOC1 (XA_FLAGS_TRACK_FREE | XA_FLAGS_ZERO_BUSY)
#define XA_PRESENT ((xa_mark_t)8)
#define XA_LIMIT(lo, hi) ((struct xa_limit){ .min = (lo), .max = (hi) })
#define xa_limit_32b XA_LIMIT(0, UINT_MAX)
#define xa_limit_31b XA_LIMIT(0, INT_MAX)

/* Encodes an integer. Values end in the bit 1, internal entries in 10, pointers in 00. */
#define xa_mk_value(v) ((void *)(((unsigned long)(v) << 1) | 1))
#define xa_to_value(entry) ((unsigned long)(entry) >> 1)
#define xa_is_value(entry) (((unsigned long)(entry) & 1) != 0)
#define iof_shim_xa_internal(v) ((void *)(((unsigned long)(v) << 2) | 2))
#define XA_ZERO_ENTRY iof_shim_xa_internal(257)
#define xa_is_zero(entry) unlikely((entry) == XA_ZERO_ENTRY)

static inline bool xa_is_err(const void *entry)
{
	return ((unsigned long)entry & 3) == 2 &&
	       (unsigned long)entry >= (unsigned long)iof_shim_xa_internal(-MAX_ERRNO);
}

static inline int xa_err(const void *entry)
{
	return xa_is_err(entry) ? (int)((long)entry >> 2) : 0;
}

#define __XARRAY_INITIALIZER(name, flags) \
	{ .xa_lock = __SPIN_LOCK_UNLOCKED(name.xa_lock), \
	  .inner = __SPIN_LOCK_UNLOCKED(name.inner), .xa_flags = (flags), .full_below = 1 }
#define DEFINE_XARRAY_FLAGS(name, flags) struct xarray name = __XARRAY_INITIALIZER(name, flags)
#define DEFINE_XARRAY(name) DEFINE_XARRAY_FLAGS(name, 0)
#define xa_init_flags(xa, flags) \
	do { \
		static struct lock_class_key iof_xa_key, iof_inner_key; \
		iof_shim_xa_init(xa, flags, #xa, &iof_xa_key, &iof_inner_key); \
	} while (0)
#define xa_init(xa) xa_init_flags(xa, 0)

void iof_shim_xa_init(struct xarray *xa, gfp_t flags, const char *name, struct lock_class_key *key,
		      struct lock_class_key *inner_key);
void *iof_shim_xa_load(struct xarray *xa, unsigned long index);
/* Functions that write the array. Called with xa_lock held. */
void *iof_shim_xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *iof_shim_xa_erase(struct xarray *xa, unsigned long index);
void *iof_shim_xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry,
			  gfp_t gfp);
int iof_shim_xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
int iof_shim_xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp);
int iof_shim_xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit,
			     u32 *next, gfp_t gfp);
void *iof_shim_xa_find(struct xarray *xa, unsigned long *index, unsigned long max, bool after);
bool iof_shim_xa_empty(const struct xarray *xa);
void iof_shim_xa_destroy(struct xarray *xa);
void iof_shim_xa_may_sleep(gfp_t gfp);

#define xa_lock(xa) spin_lock(&(xa)->xa_lock)
#define xa_unlock(xa) spin_unlock(&(xa)->xa_lock)

#define iof_shim_xa_locked(xa, gfp, call) \
	({ \
		struct xarray *iof_xa = (xa); \
		iof_shim_xa_may_sleep(gfp); \
		xa_lock(iof_xa); \
		__auto_type iof_res = (call); \
		xa_unlock(iof_xa); \
		iof_res; \
	})

#define __xa_store(xa, index, entry, gfp) iof_shim_xa_store(xa, index, entry, gfp)
#define __xa_erase(xa, index) iof_shim_xa_erase(xa, index)
#define __xa_cmpxchg(xa, index, old, entry, gfp) iof_shim_xa_cmpxchg(xa, index, old, entry, gfp)
#define __xa_insert(xa, index, entry, gfp) iof_shim_xa_insert(xa, index, entry, gfp)
#define __xa_alloc(xa, id, entry, limit, gfp) iof_shim_xa_alloc(xa, id, entry, limit, gfp)
#define __xa_alloc_cyclic(xa, id, entry, limit, next, gfp) \
	iof_shim_xa_alloc_cyclic(xa, id, entry, limit, next, gfp)

#define xa_load(xa, index) iof_shim_xa_load(xa, index)
#define xa_store(xa, index, entry, gfp) \
	iof_shim_xa_locked(xa, gfp, __xa_store(iof_xa, index, entry, gfp))
#define xa_erase(xa, index) iof_shim_xa_locked(xa, 0, __xa_erase(iof_xa, index))
#define xa_cmpxchg(xa, index, old, entry, gfp) \
	iof_shim_xa_locked(xa, gfp, __xa_cmpxchg(iof_xa, index, old, entry, gfp))
#define xa_insert(xa, index, entry, gfp) \
	iof_shim_xa_locked(xa, gfp, __xa_insert(iof_xa, index, entry, gfp))
#define xa_alloc(xa, id, entry, limit, gfp) \
	iof_shim_xa_locked(xa, gfp, __xa_alloc(iof_xa, id, entry, limit, gfp))
#define xa_alloc_cyclic(xa, id, entry, limit, next, gfp) \
	iof_shim_xa_locked(xa, gfp, __xa_alloc_cyclic(iof_xa, id, entry, limit, next, gfp))
#define xa_reserve(xa, index, gfp) xa_err(xa_cmpxchg(xa, index, NULL, XA_ZERO_ENTRY, gfp))
#define xa_release(xa, index) ((void)xa_cmpxchg(xa, index, XA_ZERO_ENTRY, NULL, 0))
#define xa_empty(xa) iof_shim_xa_empty(xa)
#define xa_destroy(xa) iof_shim_xa_destroy(xa)
#define xa_find(xa, indexp, max, filter) ((void)(filter), iof_shim_xa_find(xa, indexp, max, false))
#define xa_find_after(xa, indexp, max, filter) \
	((void)(filter), iof_shim_xa_find(xa, indexp, max, true))
#define xa_for_each_range(xa, index, entry, start, last) \
	for ((index) = (start), (entry) = xa_find(xa, &(index), last, XA_PRESENT); (entry); \
	     (entry) = xa_find_after(xa, &(index), last, XA_PRESENT))
#define xa_for_each_start(xa, index, entry, start) \
	xa_for_each_range(xa, index, entry, start, ULONG_MAX)
#define xa_for_each(xa, index, entry) xa_for_each_start(xa, index, entry, 0)

#endif
