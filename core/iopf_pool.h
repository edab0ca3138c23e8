/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iopf_pool.h - credits and records of page-request groups, for iopf.c (iopf_pool.c).
 *
 * Records are allocated as the device first needs them, at most as many as it has credits, and then
 * reused: once warm, a fault allocates nothing. Where a checker looks for uses of freed memory, a
 * record is freed each time instead (renew_group()).
 */
#ifndef IOF_CORE_IOPF_POOL_H
#define IOF_CORE_IOPF_POOL_H

#include "iopf.h"

/* A new record, or NULL. */
struct iof_fault_group *iof_pool_alloc(struct iof_hwdev *dev, gfp_t gfp);
/* A record without a credit, or NULL. */
struct iof_fault_group *iof_pool_take(struct iof_hwdev_core *core);
/*
 * Takes a credit and a record for each of @nr LAST pages, at most IOF_TAKEN_MOST. Returns how many
 * got theirs; for the first that did not, *rc says why: -ENOSPC no credit left, -ENOMEM.
 */
u32 iof_pool_take_many(struct iof_hwdev_core *core, struct iof_fault_group **groups, u32 nr,
		       int *rc);
/* The same for one page that is not LAST: the group it may be the first of, and a page record. */
int iof_pool_take_page(struct iof_hwdev_core *core, struct iof_fault_group **group,
		       struct iof_fault_page **page);

/* What goes back to one device's pool, collected so that many groups cost its cache lines once. */
struct iof_returning {
	struct iof_hwdev_core *core;
	struct llist_node *first, *last;	/* struct iof_fault_group.free */
	struct list_head pages;			/* struct iof_fault_page.node */
	u32 credits;
};

void iof_pool_return_pages(struct iof_hwdev_core *core, struct list_head *pages);
/* Ends what begin_returning() began. */
void iof_pool_give_back(struct iof_returning *back);

/* Takes up to @want credits, as many as there are. */
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

/* A free record, or NULL. Fetches the next one, which was another processor's a moment ago. */
static inline struct iof_fault_group *take_spare(struct iof_hwdev_core *core)
{
	struct llist_node *node = core->spare;
	struct iof_fault_group *g;

	lockdep_assert_held(&core->group->fault_lock);
	if (!node && !llist_empty(&core->returned))
		node = llist_del_all(&core->returned);
	if (!node)
		return NULL;
	core->spare = node->next;
	if (core->spare) {
		g = llist_entry(core->spare, struct iof_fault_group, free);
		prefetchw(g);
		prefetchw(&g->req);
	}
	return llist_entry(node, struct iof_fault_group, free);
}

static inline void begin_returning(struct iof_returning *back, struct iof_hwdev_core *core)
{
	back->core = core;
	back->first = NULL;
	back->last = NULL;
	INIT_LIST_HEAD(&back->pages);
	back->credits = 0;
}

/*
 * Makes the record ready for its next group. Where a checker looks for uses of freed memory, the
 * record is freed and another takes its place; NULL: there was no memory for one.
 */
static inline struct iof_fault_group *renew_group(struct iof_fault_group *g)
{
	if (kasan_enabled()) {
		struct iof_hwdev *dev = g->dev;

		iof_fault_record_free(dev->core, iof_fault_group_cache, g);
		return iof_pool_alloc(dev, GFP_NOWAIT);
	}
	g->nr_pages = 0;
	g->attach = NULL;
	g->cookie = 0;
	g->broken = false;
	return g;
}

static inline void return_group(struct iof_returning *back, struct iof_fault_group *g)
{
	back->credits += g->nr_pages;
	if (!list_empty(&g->pages))
		list_splice_init(&g->pages, &back->pages);
	g = renew_group(g);
	if (!g)
		return;
	g->free.next = back->first;
	back->first = &g->free;
	if (!back->last)
		back->last = &g->free;
}

/* One record by itself. */
static inline void recycle(struct iof_fault_group *g)
{
	struct iof_hwdev_core *core = g->dev->core;
	u32 credits = g->nr_pages;

	if (unlikely(!list_empty(&g->pages)))
		iof_pool_return_pages(core, &g->pages);
	g = renew_group(g);
	/* The record first: whoever gets the credit needs to find it. */
	if (g)
		llist_add(&g->free, &core->returned);
	if (credits)
		atomic_sub_return(credits, &core->in_use);
}

#endif
