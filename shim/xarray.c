/* SPDX-License-Identifier: MIT */
/*
 * xarray.c - the kernel's xarray over JudyL.
 *
 * Each function here takes only the inner lock. Where the kernel holds xa_lock, the header's macros
 * or the caller hold it. Judy reports no failure of an insertion other than lack of memory. So each
 * insertion of a new index counts as one allocation for fault injection.
 */
#include <Judy.h>

#include <linux/xarray.h>
#include "internal.h"

/* A failed entry is an internal entry that holds the errno, as in the kernel. */
#define xa_error(errno) iof_shim_xa_internal((long)(errno))

void iof_shim_xa_init(struct xarray *xa, gfp_t flags, const char *name, struct lock_class_key *key,
		      struct lock_class_key *inner_key)
{
	iof_shim_spin_init(&xa->xa_lock, name, key);
	iof_shim_spin_init(&xa->inner, "xarray inner", inner_key);
	xa->xa_flags = flags;
	xa->judy = NULL;
	xa->full_below = 1;
}

void iof_shim_xa_may_sleep(gfp_t gfp)
{
	if (gfp & __GFP_DIRECT_RECLAIM)
		iof_shim_sleep_check();
}

/* Returns the stored entry, also a reserved one. Called with the inner lock held. */
static void *peek(const struct xarray *xa, unsigned long index)
{
	Word_t *slot = (Word_t *)JudyLGet(xa->judy, index, PJE0);

	return slot ? (void *)*slot : NULL;
}

/* Stores an entry. Returns 0 or -ENOMEM. Called with the inner lock held. */
static int put(struct xarray *xa, unsigned long index, void *entry)
{
	Word_t *slot;

	if (!entry) {
		JudyLDel(&xa->judy, index, PJE0);
		if (index)
			xa->full_below = min(xa->full_below, index);
		return 0;
	}
	slot = (Word_t *)JudyLGet(xa->judy, index, PJE0);
	if (!slot) {
		if (iof_shim_should_fail(IOF_FAIL_ALLOC))
			return -ENOMEM;
		slot = (Word_t *)JudyLIns(&xa->judy, index, PJE0);
		if (!slot || slot == (Word_t *)PJERR)
			return -ENOMEM;
	}
	*slot = (Word_t)entry;
	return 0;
}

static void *visible(void *entry)
{
	return entry == XA_ZERO_ENTRY ? NULL : entry;
}

void *iof_shim_xa_load(struct xarray *xa, unsigned long index)
{
	void *entry;

	spin_lock(&xa->inner);
	entry = peek(xa, index);
	spin_unlock(&xa->inner);
	return visible(entry);
}

/*
 * Stores an entry. With free tracking, storing NULL reserves the index, as in the kernel; only
 * erasing frees it.
 */
void *iof_shim_xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void *old;
	int rc;

	(void)gfp;
	lockdep_assert_held(&xa->xa_lock);
	if (WARN_ON_ONCE(((unsigned long)entry & 3) == 2 && entry != XA_ZERO_ENTRY))
		return xa_error(-EINVAL);
	if (!entry && xa->xa_flags & XA_FLAGS_TRACK_FREE)
		entry = XA_ZERO_ENTRY;
	spin_lock(&xa->inner);
	old = peek(xa, index);
	rc = put(xa, index, entry);
	spin_unlock(&xa->inner);
	return rc ? xa_error(rc) : visible(old);
}

void *iof_shim_xa_erase(struct xarray *xa, unsigned long index)
{
	void *old;

	lockdep_assert_held(&xa->xa_lock);
	spin_lock(&xa->inner);
	old = peek(xa, index);
	put(xa, index, NULL);
	spin_unlock(&xa->inner);
	return visible(old);
}

void *iof_shim_xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp)
{
	void *seen;
	int rc = 0;

	(void)gfp;
	lockdep_assert_held(&xa->xa_lock);
	spin_lock(&xa->inner);
	seen = peek(xa, index);
	if (seen == old)
		rc = put(xa, index, entry);
	spin_unlock(&xa->inner);
	return rc ? xa_error(rc) : visible(seen);
}

int iof_shim_xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	int rc;

	(void)gfp;
	lockdep_assert_held(&xa->xa_lock);
	spin_lock(&xa->inner);
	rc = peek(xa, index) ? -EBUSY : put(xa, index, entry ? entry : XA_ZERO_ENTRY);
	spin_unlock(&xa->inner);
	return rc;
}

int iof_shim_xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	Word_t index = limit.min, from;
	int rc;

	(void)gfp;
	lockdep_assert_held(&xa->xa_lock);
	if (WARN_ON_ONCE(!(xa->xa_flags & XA_FLAGS_TRACK_FREE)))
		return -EINVAL;
	if (!index && xa->xa_flags & XA_FLAGS_ZERO_BUSY)
		index = 1;
	spin_lock(&xa->inner);
	/* Judy walks over all used indexes; so a search begins where the last one ended */
	if (index)
		index = max(index, (Word_t)xa->full_below);
	from = index;
	if (JudyLFirstEmpty(xa->judy, &index, PJE0) != 1 || index > limit.max) {
		rc = -EBUSY;
	} else {
		rc = put(xa, index, entry ? entry : XA_ZERO_ENTRY);
		if (!rc)
			*id = (u32)index;
		if (!rc && from == xa->full_below)
			xa->full_below = index + 1;
	}
	spin_unlock(&xa->inner);
	return rc;
}

/* Allocates the next index. Returns 1 if the numbers wrapped around. */
int iof_shim_xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit,
			     u32 *next, gfp_t gfp)
{
	u32 min = limit.min;
	int rc;

	limit.min = max(min, *next);
	rc = iof_shim_xa_alloc(xa, id, entry, limit, gfp);
	if (rc == -EBUSY && limit.min > min) {
		limit.min = min;
		rc = iof_shim_xa_alloc(xa, id, entry, limit, gfp);
		if (!rc)
			rc = 1;
	}
	if (rc >= 0)
		*next = *id + 1;
	return rc;
}

void *iof_shim_xa_find(struct xarray *xa, unsigned long *indexp, unsigned long max, bool after)
{
	Word_t index = *indexp;
	Word_t *slot;
	void *entry = NULL;

	if (after && index == ULONG_MAX)
		return NULL;
	spin_lock(&xa->inner);
	slot = (Word_t *)(after ? JudyLNext(xa->judy, &index, PJE0) :
				  JudyLFirst(xa->judy, &index, PJE0));
	while (slot && index <= max) {
		entry = visible((void *)*slot);
		if (entry) {
			*indexp = index;
			break;
		}
		slot = (Word_t *)JudyLNext(xa->judy, &index, PJE0);
	}
	spin_unlock(&xa->inner);
	return entry;
}

bool iof_shim_xa_empty(const struct xarray *xa)
{
	return __atomic_load_n(&xa->judy, __ATOMIC_RELAXED) == NULL;
}

void iof_shim_xa_destroy(struct xarray *xa)
{
	spin_lock(&xa->inner);
	JudyLFreeArray(&xa->judy, PJE0);
	xa->full_below = 1;
	spin_unlock(&xa->inner);
}
