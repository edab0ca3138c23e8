/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iopf_pool.h - credits and records of page-request groups (iopf_pool.c).
 *
 * A record is allocated when the device first needs it, and reused. There are
 * at most as many as the device has credits. Once warm, a fault allocates
 * nothing. Under KASAN each record is freed instead of reused (renew_group()).
 */
#ifndef IOF_CORE_IOPF_POOL_H
#define IOF_CORE_IOPF_POOL_H

#include "iopf.h"

/* Allocates a new record. Returns NULL if there is no memory. */
struct iof_prg *iof_pool_alloc(struct iof_hwdev *dev, gfp_t gfp);
/* Takes a record without a credit. Returns NULL if there is none. */
struct iof_prg *iof_pool_take(struct iof_hwdev_core *core);
/*
 * Takes a credit and a record for each of @nr LAST pages, at most
 * IOF_ANSWERS_MAX. Returns the number of pages that have both. If that is less
 * than @nr, *rc is -ENOSPC (no credit left) or -ENOMEM.
 */
u32 iof_pool_take_many(struct iof_hwdev_core *core, struct iof_prg **groups,
		       u32 nr, int *rc);
/*
 * Takes a credit and two records for one page that is not LAST: a record for
 * the group that it may begin, and a page record.
 */
int iof_pool_take_page(struct iof_hwdev_core *core, struct iof_prg **group,
		       struct iof_prg_page **page);

/*
 * Records and credits on their way back to the pool of one device, collected so
 * that many groups touch its cache lines once.
 */
struct iof_returning {
	struct iof_hwdev_core *core;
	struct llist_node *first, *last; /* stack of struct iof_prg.free */
	struct list_head pages;		 /* list of struct iof_prg_page.node */
	u32 credits;
};

void iof_pool_return_pages(struct iof_hwdev_core *core,
			   struct list_head *pages);
/*
 * Returns the collected records and credits, and so ends what begin_returning()
 * began.
 */
void iof_pool_give_back(struct iof_returning *back);

/* Takes up to @want credits, as many as are free. */
static inline u32 take_credits(struct iof_hwdev_core *core, u32 want)
{
	int used = atomic_read(&core->in_use);
	int take;

	do {
		take = min_t(int, core->dev->credits - used, want);
		if (take <= 0)
			return 0;
	} while (!atomic_try_cmpxchg(&core->in_use, &used, used + take));
	return take;
}

/*
 * Returns a free record or NULL. Prefetches the next one, which is dirty in
 * another CPU's cache.
 */
static inline struct iof_prg *take_spare(struct iof_hwdev_core *core)
{
	struct llist_node *node = core->spare;
	struct iof_prg *prg;

	lockdep_assert_held(&core->group->fault_lock);
	if (!node && !llist_empty(&core->returned))
		node = llist_del_all(&core->returned);
	if (!node)
		return NULL;
	core->spare = node->next;
	if (core->spare) {
		prg = llist_entry(core->spare, struct iof_prg, free);
		prefetchw(prg);
		prefetchw(&prg->req);
	}
	return llist_entry(node, struct iof_prg, free);
}

static inline void begin_returning(struct iof_returning *back,
				   struct iof_hwdev_core *core)
{
	back->core = core;
	back->first = NULL;
	back->last = NULL;
	INIT_LIST_HEAD(&back->pages);
	back->credits = 0;
}

/*
 * Prepares the record for its next group. Under KASAN the record is freed and a
 * new one takes its place; NULL: no memory for that.
 */
static inline struct iof_prg *renew_group(struct iof_prg *prg)
{
	if (kasan_enabled()) {
		struct iof_hwdev *dev = prg->dev;

		iof_fault_record_free(dev->core, iof_prg_cache, prg);
		return iof_pool_alloc(dev, GFP_NOWAIT);
	}
	prg->nr_pages = 0;
	prg->attach = NULL;
	prg->cookie = 0;
	prg->broken = false;
	return prg;
}

static inline void return_group(struct iof_returning *back, struct iof_prg *prg)
{
	back->credits += prg->nr_pages;
	if (!list_empty(&prg->pages))
		list_splice_init(&prg->pages, &back->pages);
	prg = renew_group(prg);
	if (!prg)
		return;
	prg->free.next = back->first;
	back->first = &prg->free;
	if (!back->last)
		back->last = &prg->free;
}

/* Returns one record with its credits. */
static inline void recycle(struct iof_prg *prg)
{
	struct iof_hwdev_core *core = prg->dev->core;
	u32 credits = prg->nr_pages;

	if (unlikely(!list_empty(&prg->pages)))
		iof_pool_return_pages(core, &prg->pages);
	prg = renew_group(prg);
	/*
	 * Return the record first: the thread that takes the credit needs it.
	 */
	if (prg)
		llist_add(&prg->free, &core->returned);
	if (credits)
		atomic_sub_return(credits, &core->in_use);
}

#endif
