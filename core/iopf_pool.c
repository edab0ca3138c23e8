// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iopf_pool.c - takes credits and records of page-request groups before
 * group->fault_lock is taken, and returns them in batches.
 */
#include "iopf_pool.h"

struct iof_prg *iof_pool_alloc(struct iof_hwdev *dev, gfp_t gfp)
{
	struct iof_prg *prg;

	prg = iof_fault_record_alloc(dev->core, iof_prg_cache, gfp);

	if (prg) {
		INIT_LIST_HEAD(&prg->pages);
		prg->dev = dev;
	}
	return prg;
}

struct iof_prg *iof_pool_take(struct iof_hwdev_core *core)
{
	struct iof_prg *prg;

	spin_lock(&core->group->fault_lock);
	prg = take_spare(core);
	spin_unlock(&core->group->fault_lock);
	return prg ?: iof_pool_alloc(core->dev, GFP_KERNEL);
}

u32 iof_pool_take_many(struct iof_hwdev_core *core, struct iof_prg **groups,
		       u32 nr, int *rc)
{
	u32 have = take_credits(core, nr), i;

	*rc = have < nr ? -ENOSPC : 0;
	if (!have)
		return 0;
	spin_lock(&core->group->fault_lock);
	/*
	 * After the first missing record no more is taken, so that the records
	 * taken are the first ones.
	 */
	for (i = 0; i < have; i++)
		groups[i] = i && !groups[i - 1] ? NULL : take_spare(core);
	spin_unlock(&core->group->fault_lock);
	for (i = 0; i < have; i++) {
		groups[i] = groups[i] ?: iof_pool_alloc(core->dev, GFP_KERNEL);
		if (groups[i])
			continue;
		*rc = -ENOMEM;
		atomic_sub(have - i, &core->in_use);
		break;
	}
	return i;
}

int iof_pool_take_page(struct iof_hwdev_core *core, struct iof_prg **group,
		       struct iof_prg_page **page)
{
	int rc;

	if (!iof_pool_take_many(core, group, 1, &rc))
		return rc;
	spin_lock(&core->pool_lock);
	*page = list_first_entry_or_null(&core->free_pages, struct iof_prg_page,
					 node);
	if (*page)
		list_del(&(*page)->node);
	spin_unlock(&core->pool_lock);
	if (!*page)
		*page = iof_fault_record_alloc(core, iof_prg_page_cache,
					       GFP_KERNEL);
	if (*page)
		return 0;
	iof_fault_record_free(core, iof_prg_cache, *group);
	*group = NULL;
	atomic_dec(&core->in_use);
	return -ENOMEM;
}

void iof_pool_return_pages(struct iof_hwdev_core *core, struct list_head *pages)
{
	struct iof_prg_page *page, *next;

	if (kasan_enabled()) {
		list_for_each_entry_safe(page, next, pages, node)
			iof_fault_record_free(core, iof_prg_page_cache, page);
		INIT_LIST_HEAD(pages);
		return;
	}
	spin_lock(&core->pool_lock);
	list_splice_init(pages, &core->free_pages);
	spin_unlock(&core->pool_lock);
}

void iof_pool_give_back(struct iof_returning *back)
{
	struct iof_hwdev_core *core = back->core;

	if (!list_empty(&back->pages))
		iof_pool_return_pages(core, &back->pages);
	/*
	 * Return the record first: the thread that takes the credit needs it.
	 */
	if (back->first)
		llist_add_batch(back->first, back->last, &core->returned);
	if (back->credits)
		atomic_sub_return(back->credits, &core->in_use);
}
