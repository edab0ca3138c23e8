// SPDX-License-Identifier: MIT
/*
 * model_iotlb.c - proves that an invalidated translation is gone when the call returns: from every
 * cache, in every size, of every user of the tables, and not before the DMA in flight has ended.
 * Other translations stay cached.
 */
#include "model_bed.h"

#define IOVA	0x123456789000ULL
#define ENGINES 2u

/* Two devices without threads, each with two engines. The test acts as the engines. */
struct rig {
	struct iof_mdev mdev[2];
	struct iof_tlb tlb[2][ENGINES];
	struct iof_domain *parent, *nested;
	u64 *pool, *table;
};

#define RIG_PAGES  64u
#define TABLE_PAGE 3u

static u64 *page(struct rig *rig, u32 nr)
{
	return rig->pool + nr * 512;
}

static const struct iof_driver_ops *ops = &iof_model_driver_ops;

static int setup(void **state)
{
	struct iommu_hwpt_vtd_s1 s1 = { .pgtbl_addr = BED_POOL, .addr_width = 48 };
	struct iof_user_data data = {
		.type = IOMMU_HWPT_DATA_VTD_S1,
		.len = sizeof(s1),
		.uptr = &s1,
	};
	struct rig *rig = calloc(1, sizeof(*rig));
	u32 d, e, i;

	iof_sys_init();
	for (d = 0; d < 2; d++) {
		rig->mdev[d].hwdev.max_pasids = 64;
		iof_mdev_init(&rig->mdev[d]);
		for (e = 0; e < ENGINES; e++) {
			assert_ok(iof_tlb_init(&rig->tlb[d][e], &rig->mdev[d]));
			rig->mdev[d].tlbs[e] = &rig->tlb[d][e];
		}
		rig->mdev[d].nr_tlbs = ENGINES;
	}
	rig->parent = ops->alloc_paging(&rig->mdev[0].hwdev, IOMMU_HWPT_ALLOC_NEST_PARENT, NULL);
	rig->nested = ops->alloc_nested(&rig->mdev[0].hwdev, rig->parent, 0, &data);
	assert_false(IS_ERR(rig->parent) || IS_ERR(rig->nested));
	rig->pool = mmap(NULL, RIG_PAGES * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ok(rig->parent->ops->map(rig->parent, BED_POOL, (uintptr_t)rig->pool,
					RIG_PAGES * 4096, IOF_PROT_READ | IOF_PROT_WRITE));
	for (i = 0; i < 3; i++)
		page(rig, i)[(IOVA >> (39 - 9 * i)) & 511] = bed_gpa(i + 1) | S1_RWU;
	rig->table = page(rig, TABLE_PAGE);
	for (i = 0; i < 512; i++)
		rig->table[i] = bed_gpa(8 + i % 32) | S1_RWU;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	struct iof_attachment *att;
	struct iof_live live;
	unsigned long pasid;
	u32 d, e;

	for (d = 0; d < 2; d++) {
		xa_for_each(&rig->mdev[d].attachments, pasid, att)
			ops->attach(&rig->mdev[d].hwdev, pasid, NULL, &att->mdom->domain);
		for (e = 0; e < ENGINES; e++)
			iof_tlb_destroy(&rig->tlb[d][e]);
		iof_mdev_destroy(&rig->mdev[d]);
	}
	rig->nested->ops->free(rig->nested);
	rig->parent->ops->unmap(rig->parent, 0, 1ULL << 48);
	rig->parent->ops->sync(rig->parent, 0, (1ULL << 48) - 1);
	rig->parent->ops->free(rig->parent);
	munmap(rig->pool, RIG_PAGES * 4096);
	free(rig);
	iof_sys_settle();
	iof_shim_live(&live);
	return live.objects || live.pages ? -1 : 0;
}

static void attach(struct rig *rig, u32 d, u32 pasid, struct iof_domain *new,
		   struct iof_domain *old)
{
	assert_ok(ops->attach(&rig->mdev[d].hwdev, pasid, new, old));
}

/*
 * Translates as an engine does, in a read section of its own. Returns NULL if there is no
 * translation.
 */
static void *look(struct rig *rig, u32 d, u32 e, u32 pasid, u64 iova)
{
	struct iof_tlb *tlb = &rig->tlb[d][e];
	struct iof_attachment *att;
	struct iof_xlate x = { NULL, 0 };

	iof_tlb_read_lock(tlb);
	att = iof_tlb_attachment(tlb, pasid);
	if (!att || iof_translate(tlb, att, iova, 0, &x) != IOF_XLATE_OK)
		x.va = NULL;
	iof_tlb_read_unlock(tlb);
	return x.va;
}

static int invalidate(struct rig *rig, u64 addr, u64 npages, u32 flags, u32 *done)
{
	struct iommu_hwpt_vtd_s1_invalidate inv = { addr, npages, flags, 0 };
	struct iof_user_array array = {
		IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		sizeof(inv),
		1,
		&inv,
	};

	return rig->nested->ops->invalidate(rig->nested, &array, done);
}

/*
 * A change without an invalidation is not seen, so that there is a cache. After the invalidation of
 * one page only that page is seen changed.
 */
static void one_page(void **state)
{
	struct rig *rig = *state;
	u32 done, d, e;

	for (d = 0; d < 2; d++)
		attach(rig, d, 5, rig->nested, NULL);
	for (d = 0; d < 2; d++)
		for (e = 0; e < ENGINES; e++) {
			assert_ptr_equal(look(rig, d, e, 5, IOVA), page(rig, 8 + 0x189 % 32));
			assert_ptr_equal(look(rig, d, e, 5, IOVA + 4096),
					 page(rig, 8 + 0x18a % 32));
		}
	rig->table[0x189] = bed_gpa(50) | S1_RWU;
	rig->table[0x18a] = 0;
	for (d = 0; d < 2; d++)
		for (e = 0; e < ENGINES; e++)
			assert_ptr_equal(look(rig, d, e, 5, IOVA), page(rig, 8 + 0x189 % 32));
	assert_ok(invalidate(rig, IOVA, 1, IOMMU_VTD_INV_FLAGS_LEAF, &done));
	assert_int_equal(done, 1);
	for (d = 0; d < 2; d++)
		for (e = 0; e < ENGINES; e++) {
			assert_ptr_equal(look(rig, d, e, 5, IOVA), page(rig, 50));
			assert_ptr_equal(look(rig, d, e, 5, IOVA + 4096),
					 page(rig, 8 + 0x18a % 32));
		}
}

/* An invalidation of one page of a large leaf drops the whole leaf. */
static void page_of_large_leaf(void **state)
{
	struct rig *rig = *state;
	u64 base = IOVA & ~((1ULL << 21) - 1);
	u64 *dir = &page(rig, 2)[(IOVA >> 21) & 511];
	u32 done;

	assert_ok(rig->parent->ops->map(rig->parent, 1ULL << 39, 1ULL << 40, 1ULL << 30,
					IOF_PROT_READ | IOF_PROT_WRITE));
	attach(rig, 0, 5, rig->nested, NULL);
	*dir = (1ULL << 39) | S1_RWU | S1_PS;
	assert_ptr_equal(look(rig, 0, 0, 5, base + 5), (void *)((1ULL << 40) + 5));
	*dir = ((1ULL << 39) + (1ULL << 21)) | S1_RWU | S1_PS;
	assert_ptr_equal(look(rig, 0, 0, 5, base + 9), (void *)((1ULL << 40) + 9));
	assert_ok(invalidate(rig, base + 17 * 4096, 1, IOMMU_VTD_INV_FLAGS_LEAF, &done));
	assert_ptr_equal(look(rig, 0, 0, 5, base + 5), (void *)((1ULL << 40) + (1ULL << 21) + 5));
}

/* An invalidation with LEAF keeps the tables above leaves cached; without it, it drops them. */
static void leaf_flag(void **state)
{
	struct rig *rig = *state;
	u64 *dir = &page(rig, 2)[(IOVA >> 21) & 511];
	u32 done;

	attach(rig, 0, 5, rig->nested, NULL);
	assert_non_null(look(rig, 0, 0, 5, IOVA));
	memcpy(page(rig, 4), rig->table, 4096);
	page(rig, 4)[0x189] = bed_gpa(51) | S1_RWU;
	*dir = bed_gpa(4) | S1_RWU;
	assert_ok(invalidate(rig, IOVA, 1, IOMMU_VTD_INV_FLAGS_LEAF, &done));
	assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 8 + 0x189 % 32));
	assert_ok(invalidate(rig, IOVA, 1, 0, &done));
	assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 51));
}

/*
 * Invalidates ranges beyond the size of the caches, all addresses, and a range across the end of
 * the address space.
 */
static void large_ranges(void **state)
{
	static const struct {
		u64 addr, npages;
	} ranges[] = {
		{ 0, U64_MAX },		 { IOVA - 4096 * 5000, 5001 },
		{ IOVA, 100000 },	 { IOVA - 4096, U64_MAX - 1 },
		{ 0, (IOVA >> 12) + 1 }, { IOVA - 4096 * 300, 512 },
	};
	struct rig *rig = *state;
	u32 done, i, flags;

	attach(rig, 0, 5, rig->nested, NULL);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		for (flags = 0; flags < 2; flags++) {
			rig->table[0x189] = bed_gpa(50) | S1_RWU;
			assert_ok(invalidate(rig, IOVA, 1, 0, &done));
			assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 50));
			rig->table[0x189] = bed_gpa(51) | S1_RWU;
			assert_ok(invalidate(rig, ranges[i].addr, ranges[i].npages, flags, &done));
			assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 51));
		}
	/* An invalidation of 0 pages drops nothing. */
	rig->table[0x189] = 0;
	assert_ok(invalidate(rig, IOVA, 0, 0, &done));
	assert_int_equal(done, 1);
	assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 51));
}

static void bad_entries(void **state)
{
	struct iommu_hwpt_vtd_s1_invalidate inv[3] = {
		{ 0, 1, 0, 0 },
		{ 0, 1, 0, 0 },
		{ 0, 1, 0, 0 },
	};
	struct iof_user_array array = {
		IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		sizeof(inv[0]),
		3,
		inv,
	};
	struct rig *rig = *state;
	u32 done = 99;

	assert_ok(rig->nested->ops->invalidate(rig->nested, &array, &done));
	assert_int_equal(done, 3);
	inv[2].addr = 5;
	assert_err(rig->nested->ops->invalidate(rig->nested, &array, &done), EINVAL);
	assert_int_equal(done, 2);
	inv[1] = (struct iommu_hwpt_vtd_s1_invalidate){ 4096, U64_MAX, 0, 0 };
	assert_err(rig->nested->ops->invalidate(rig->nested, &array, &done), EINVAL);
	assert_int_equal(done, 1);
	inv[1] = (struct iommu_hwpt_vtd_s1_invalidate){ 0, 1, 2, 0 };
	assert_err(rig->nested->ops->invalidate(rig->nested, &array, &done), EOPNOTSUPP);
	inv[1] = (struct iommu_hwpt_vtd_s1_invalidate){ 0, 1, 0, 1 };
	assert_err(rig->nested->ops->invalidate(rig->nested, &array, &done), EOPNOTSUPP);
	assert_int_equal(done, 1);
	array.entry_len = 16;
	assert_err(rig->nested->ops->invalidate(rig->nested, &array, &done), EINVAL);
	assert_int_equal(done, 0);
	array.entry_num = 0;
	assert_ok(rig->nested->ops->invalidate(rig->nested, &array, &done));
	array.type = 77;
	assert_err(rig->nested->ops->invalidate(rig->nested, &array, &done), EINVAL);
}

/*
 * Unmapping from the parent reaches the domains nested on it, and devices attached to it directly.
 */
static void parent_sync(void **state)
{
	struct rig *rig = *state;
	struct iof_domain *parent = rig->parent;

	attach(rig, 0, 5, rig->nested, NULL);
	attach(rig, 1, 0, parent, NULL);
	assert_non_null(look(rig, 0, 1, 5, IOVA));
	assert_non_null(look(rig, 1, 1, 0, BED_POOL + 8 * 4096));
	parent->ops->unmap(parent, BED_POOL, RIG_PAGES * 4096);
	parent->ops->sync(parent, BED_POOL, BED_POOL + RIG_PAGES * 4096 - 1);
	assert_null(look(rig, 0, 1, 5, IOVA));
	assert_null(look(rig, 1, 1, 0, BED_POOL + 8 * 4096));
}

/* PASIDs of one domain share cached translations, and lose them together. */
static void pasids_share_what_is_cached(void **state)
{
	struct rig *rig = *state;
	u32 done;

	attach(rig, 0, 5, rig->nested, NULL);
	attach(rig, 0, 6, rig->nested, NULL);
	assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 8 + 0x189 % 32));
	rig->table[0x189] = bed_gpa(50) | S1_RWU;
	assert_ptr_equal(look(rig, 0, 0, 6, IOVA), page(rig, 8 + 0x189 % 32));
	assert_ok(invalidate(rig, IOVA, 1, 0, &done));
	assert_ptr_equal(look(rig, 0, 0, 6, IOVA), page(rig, 50));
	attach(rig, 0, 6, NULL, rig->nested);
	rig->table[0x189] = bed_gpa(51) | S1_RWU;
	assert_ok(invalidate(rig, IOVA, 1, 0, &done));
	assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 51));
}

/*
 * A device has cached translations of a domain when it is detached. It does not use them when it is
 * attached again, although no invalidation reached it meanwhile.
 */
static void who_comes_back_has_forgotten(void **state)
{
	struct rig *rig = *state;
	struct iof_domain *parent = rig->parent;
	u32 done;

	attach(rig, 0, 5, rig->nested, NULL);
	attach(rig, 1, 5, rig->nested, NULL);
	assert_non_null(look(rig, 0, 0, 5, IOVA));
	attach(rig, 0, 5, NULL, rig->nested);
	rig->table[0x189] = bed_gpa(50) | S1_RWU;
	assert_ok(invalidate(rig, IOVA, 1, 0, &done));
	attach(rig, 0, 5, rig->nested, NULL);
	assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 50));

	attach(rig, 0, 0, parent, NULL);
	assert_non_null(look(rig, 0, 0, 0, BED_POOL));
	attach(rig, 0, 0, NULL, parent);
	attach(rig, 0, 5, NULL, rig->nested);
	parent->ops->unmap(parent, BED_POOL, RIG_PAGES * 4096);
	parent->ops->sync(parent, BED_POOL, BED_POOL + RIG_PAGES * 4096 - 1);
	attach(rig, 0, 0, parent, NULL);
	attach(rig, 0, 5, rig->nested, NULL);
	assert_null(look(rig, 0, 0, 0, BED_POOL));
	assert_null(look(rig, 0, 0, 5, IOVA));
	assert_null(look(rig, 1, 0, 5, IOVA));
}

/*
 * After detach and replace, the old translations are not used, also of PASIDs that share a slot of
 * the cache.
 */
static void attachments(void **state)
{
	struct rig *rig = *state;
	u32 twin = 5 + IOF_TLB_PASIDS;

	attach(rig, 0, 5, rig->nested, NULL);
	attach(rig, 0, twin, rig->parent, NULL);
	assert_non_null(look(rig, 0, 0, 5, IOVA));
	assert_null(look(rig, 0, 0, twin, IOVA));
	assert_non_null(look(rig, 0, 0, twin, BED_POOL));
	assert_non_null(look(rig, 0, 0, 5, IOVA));
	attach(rig, 0, 5, rig->parent, rig->nested);
	assert_null(look(rig, 0, 0, 5, IOVA));
	assert_non_null(look(rig, 0, 0, 5, BED_POOL));
	attach(rig, 0, 5, NULL, rig->parent);
	assert_null(look(rig, 0, 0, 5, BED_POOL));
	assert_non_null(look(rig, 0, 0, twin, BED_POOL));
	assert_err(ops->attach(&rig->mdev[0].hwdev, 64, rig->parent, NULL), EOPNOTSUPP);
}

/* An attach fails for lack of memory: the old attachment stays in force. */
static void attach_out_of_memory(void **state)
{
	struct rig *rig = *state;
	unsigned long n;
	int rc;

	attach(rig, 0, 5, rig->nested, NULL);
	for (n = 1;; n++) {
		iof_fail_nth_thread(IOF_FAIL_ALLOC, n, false);
		rc = ops->attach(&rig->mdev[0].hwdev, 5, rig->parent, rig->nested);
		iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_non_null(look(rig, 0, 0, 5, IOVA));
	}
	assert_true(n > 1);
	assert_null(look(rig, 0, 0, 5, IOVA));
}

/* ---- waiting for DMA in flight ---- */

struct waiter {
	struct rig *rig;
	int what;
	int done;
};

static void *take_away(void *arg)
{
	struct waiter *w = arg;
	struct iof_domain *parent = w->rig->parent;
	u32 done;

	switch (w->what) {
	case 0:
		parent->ops->unmap(parent, BED_POOL, RIG_PAGES * 4096);
		parent->ops->sync(parent, BED_POOL, BED_POOL + RIG_PAGES * 4096 - 1);
		break;
	case 1:
		invalidate(w->rig, IOVA, 1, 0, &done);
		break;
	case 2:
		ops->attach(&w->rig->mdev[0].hwdev, 5, NULL, w->rig->nested);
		break;
	case 3:
		ops->attach(&w->rig->mdev[0].hwdev, 5, parent, w->rig->nested);
		break;
	}
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * An invalidation waits for an engine in an IOTLB read section, until the section ends or is
 * renewed. Translations that the engine looks up meanwhile do not outlive the section. The test
 * uses no clock: it continues when the other thread reports that it sleeps.
 */
static void waits_for_stretch(void **state)
{
	int what, breathe;

	(void)state;
	for (what = 0; what < 4; what++) {
		for (breathe = 0; breathe < 2; breathe++) {
			struct waiter w = { .what = what };
			struct iof_tlb *tlb;
			struct iof_attachment *att;
			struct iof_xlate x;
			pthread_t thread;
			struct rig *rig;

			setup((void **)&rig);
			w.rig = rig;
			tlb = &rig->tlb[0][1];
			attach(rig, 0, 5, rig->nested, NULL);
			iof_tlb_read_lock(tlb);
			att = iof_tlb_attachment(tlb, 5);
			assert_int_equal(iof_translate(tlb, att, IOVA, 0, &x), IOF_XLATE_OK);
			assert_ok(pthread_create(&thread, NULL, take_away, &w));
			while (!atomic_read(&tlb->waiters))
				sched_yield();
			assert_int_equal(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE), 0);
			/* The memory and the attachment still exist for this engine. */
			*(volatile u64 *)x.va = 1;
			if (what)
				(void)iof_translate(tlb, att, IOVA + 4096, 0, &x);
			assert_int_equal(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE), 0);
			if (breathe) {
				iof_tlb_read_relock(tlb);
				pthread_join(thread, NULL);
				iof_tlb_read_unlock(tlb);
			} else {
				iof_tlb_read_unlock(tlb);
				pthread_join(thread, NULL);
			}
			assert_int_equal(w.done, 1);
			if (what != 1)
				assert_null(look(rig, 0, 1, 5, IOVA + 4096));
			assert_ok(teardown((void **)&rig));
		}
	}
}

/* No invalidation waits for an engine outside of a read section. */
static void idle_engines_hold_up_nobody(void **state)
{
	struct rig *rig = *state;
	u32 done, i;

	attach(rig, 0, 5, rig->nested, NULL);
	for (i = 0; i < 1000; i++) {
		assert_non_null(look(rig, 0, 0, 5, IOVA));
		assert_ok(invalidate(rig, IOVA, 1, 0, &done));
	}
	assert_int_equal(atomic_read(&rig->tlb[0][0].waiters), 0);
}

/*
 * A fill that a drop overtook is emptied at the end of the read section, even if the drop did not
 * see it.
 */
static void overtaken_fill(void **state)
{
	struct rig *rig = *state;
	struct iof_tlb *tlb = &rig->tlb[0][0];
	struct iof_attachment *att;
	struct iof_xlate x;

	attach(rig, 0, 5, rig->nested, NULL);
	iof_tlb_read_lock(tlb);
	att = iof_tlb_attachment(tlb, 5);
	/* The drop comes between a walk of the old table and its fill. */
	rig->table[0x189] = bed_gpa(50) | S1_RWU;
	iof_mdev_drop(&rig->mdev[0], att->mdom, IOVA, IOVA, true);
	assert_int_equal(iof_translate(tlb, att, IOVA, 0, &x), IOF_XLATE_OK);
	iof_tlb_read_unlock(tlb);
	rig->table[0x189] = bed_gpa(51) | S1_RWU;
	assert_ptr_equal(look(rig, 0, 0, 5, IOVA), page(rig, 51));
}

/* ---- all at once ---- */

struct race {
	struct rig *rig;
	int stop;
	u32 engine;
	u64 seen;
};

/*
 * The page behind IOVA has the value that was current when the page was entered. In a read section
 * that begins after invalidate() has returned for a value, an engine must never see an older one.
 */
static u64 published;

static void *race_engine(void *arg)
{
	struct race *r = arg;
	struct iof_tlb *tlb = &r->rig->tlb[0][r->engine];

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		u64 least = __atomic_load_n(&published, __ATOMIC_ACQUIRE);
		struct iof_xlate x[IOF_SPAN_PAGES];
		struct iof_attachment *att;
		u64 value;

		iof_tlb_read_lock(tlb);
		att = iof_tlb_attachment(tlb, 5);
		if (!iof_translate_span(tlb, att, IOVA, 4096, 0, x))
			assert_int_equal(iof_translate(tlb, att, IOVA, 0, x), IOF_XLATE_OK);
		value = __atomic_load_n((u64 *)x->va, __ATOMIC_RELAXED);
		assert_true(value >= least);
		r->seen += value != least;
		iof_tlb_read_unlock(tlb);
	}
	return NULL;
}

/*
 * Changes the parent all the time at addresses that the nested domain does not use: the nested
 * domain gets new tags.
 */
static void *race_parent(void *arg)
{
	struct race *r = arg;
	struct iof_domain *parent = r->rig->parent;
	unsigned long iova = BED_POOL + (1ul << 30);

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		assert_ok(parent->ops->map(parent, iova, (uintptr_t)r->rig->pool, 4096,
					   IOF_PROT_READ));
		parent->ops->unmap(parent, iova, 4096);
		parent->ops->sync(parent, iova, iova + 4095);
	}
	return NULL;
}

static void never_stale(void **state)
{
	struct rig *rig = *state;
	struct race race[ENGINES + 1];
	pthread_t thread[ENGINES + 1];
	u32 done, e;
	u64 value;

	published = 0;
	*page(rig, 40) = 0;
	__atomic_store_n(&rig->table[0x189], bed_gpa(40) | S1_RWU, __ATOMIC_RELEASE);
	attach(rig, 0, 5, rig->nested, NULL);
	for (e = 0; e < ENGINES; e++) {
		race[e] = (struct race){ .rig = rig, .engine = e };
		assert_ok(pthread_create(&thread[e], NULL, race_engine, &race[e]));
	}
	race[ENGINES] = (struct race){ .rig = rig };
	assert_ok(pthread_create(&thread[ENGINES], NULL, race_parent, &race[ENGINES]));
	for (value = 1; value < 20000; value++) {
		u32 nr = 40 + value % 16;
		/* A span takes an entry whose accessed bit is set. */
		u64 bits = S1_RWU | (value & 2 ? S1_A : 0);

		/* No translation leads to this page any more: it was replaced 16 rounds ago. */
		__atomic_store_n(page(rig, nr), value, __ATOMIC_RELAXED);
		__atomic_store_n(&rig->table[0x189], bed_gpa(nr) | bits, __ATOMIC_RELEASE);
		assert_ok(invalidate(rig, IOVA, 1, IOMMU_VTD_INV_FLAGS_LEAF, &done));
		__atomic_store_n(&published, value, __ATOMIC_RELEASE);
		/* Poison the old page, as a new owner would. */
		__atomic_store_n(page(rig, 40 + (value - 1) % 16), 0, __ATOMIC_RELAXED);
	}
	for (e = 0; e <= ENGINES; e++) {
		__atomic_store_n(&race[e].stop, 1, __ATOMIC_RELAXED);
		pthread_join(thread[e], NULL);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_page),
		TEST(page_of_large_leaf),
		TEST(leaf_flag),
		TEST(large_ranges),
		TEST(bad_entries),
		TEST(parent_sync),
		TEST(attachments),
		TEST(pasids_share_what_is_cached),
		TEST(who_comes_back_has_forgotten),
		TEST(attach_out_of_memory),
		cmocka_unit_test(waits_for_stretch),
		TEST(idle_engines_hold_up_nobody),
		TEST(overtaken_fill),
		TEST(never_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
