// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * records.c - slab caches of the records that can be very many: mappings, the
 * memory behind them, page requests and page-request groups.
 *
 * Each kind has a cache of its own, which is never merged with another. When
 * the core ends, its caches are destroyed, and the kernel names a record that
 * was not freed.
 */
#include "iopf.h"
#include "iova_map.h"

#define RECORD_FLAGS (SLAB_ACCOUNT | SLAB_NO_MERGE)

struct kmem_cache *iof_area_cache;
struct kmem_cache *iof_pages_cache;
struct kmem_cache *iof_prg_cache;
struct kmem_cache *iof_prg_page_cache;

void iof_records_exit(void)
{
	kmem_cache_destroy(iof_prg_page_cache);
	kmem_cache_destroy(iof_prg_cache);
	kmem_cache_destroy(iof_pages_cache);
	kmem_cache_destroy(iof_area_cache);
}

int iof_records_init(void)
{
	iof_area_cache = KMEM_CACHE(iof_area, RECORD_FLAGS);
	iof_pages_cache = KMEM_CACHE(iof_pages, RECORD_FLAGS);
	iof_prg_cache = KMEM_CACHE(iof_prg, RECORD_FLAGS);
	iof_prg_page_cache = KMEM_CACHE(iof_prg_page, RECORD_FLAGS);
	if (iof_area_cache && iof_pages_cache && iof_prg_cache &&
	    iof_prg_page_cache)
		return 0;
	iof_records_exit();
	return -ENOMEM;
}

/* ---- records of faults ---- */

static struct iof_plat_payer *hold_payer(struct iof_hwdev_core *core)
{
	struct iof_plat_payer *payer;

	spin_lock(&core->payer_lock);
	payer = core->payer;
	iof_plat_payer_hold(payer);
	spin_unlock(&core->payer_lock);
	return payer;
}

void *iof_fault_record_alloc(struct iof_hwdev_core *core,
			     struct kmem_cache *cache, gfp_t gfp)
{
	struct iof_plat_payer *payer = NULL, *before;
	void *record;

	if (atomic_inc_return(&core->nr_records) > IOF_RECORDS_BASE)
		payer = hold_payer(core);
	before = iof_plat_charge_to(payer);
	record = kmem_cache_zalloc(cache, gfp);
	iof_plat_charge_to(before);
	iof_plat_payer_put(payer);
	if (!record)
		atomic_dec(&core->nr_records);
	return record;
}

void iof_fault_record_free(struct iof_hwdev_core *core,
			   struct kmem_cache *cache, void *record)
{
	kmem_cache_free(cache, record);
	atomic_dec(&core->nr_records);
}

void iof_fault_records_charge(struct iof_hwdev_core *core,
			      struct iof_plat_payer *payer)
{
	struct iof_plat_payer *old;

	spin_lock(&core->payer_lock);
	old = core->payer;
	core->payer = payer;
	spin_unlock(&core->payer_lock);
	iof_plat_payer_put(old);
}
