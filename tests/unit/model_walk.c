// SPDX-License-Identifier: MIT
/*
 * model_walk.c - proves the translation of an input address: each level and leaf size of the first
 * stage, rights, accessed and dirty bits, faults and errors, malformed tables, and which results
 * may be cached.
 */
#include "model_bed.h"

#define IOVA 0x123456789000ULL /* has a different index at each level */

/* A device without threads: the test plays the engine. */
struct rig {
	struct iof_mdev mdev;
	struct iof_tlb tlb;
	struct iof_domain *parent, *nested;
	struct iof_attachment *att;
	u64 *pool; /* the pages; page 0 is the root, pages 1 to 3 are the tables below */
};

#define RIG_PAGES 16u

static u64 *page(struct rig *rig, u32 nr)
{
	return rig->pool + nr * 512;
}

static void attach_nested(struct rig *rig, u64 root, u64 flags)
{
	struct iommu_hwpt_vtd_s1 s1 = { .flags = flags, .pgtbl_addr = root, .addr_width = 48 };
	struct iof_user_data data = {
		.type = IOMMU_HWPT_DATA_VTD_S1,
		.len = sizeof(s1),
		.uptr = &s1,
	};
	const struct iof_driver_ops *ops = rig->mdev.hwdev.ops;
	struct iof_domain *old = rig->nested;

	rig->nested = ops->alloc_nested(&rig->mdev.hwdev, rig->parent, 0, &data);
	assert_false(IS_ERR(rig->nested));
	assert_ok(ops->attach(&rig->mdev.hwdev, 1, rig->nested, old));
	if (old)
		old->ops->free(old);
	rig->att = xa_load(&rig->mdev.attachments, 1);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	u32 i;

	iof_sys_init();
	rig->mdev.hwdev.max_pasids = 16;
	iof_mdev_init(&rig->mdev);
	assert_ok(iof_tlb_init(&rig->tlb, &rig->mdev));
	rig->mdev.tlbs[0] = &rig->tlb;
	rig->mdev.nr_tlbs = 1;
	rig->parent = rig->mdev.hwdev.ops->alloc_paging(&rig->mdev.hwdev,
							IOMMU_HWPT_ALLOC_NEST_PARENT, NULL);
	assert_false(IS_ERR(rig->parent));
	rig->pool = mmap(NULL, RIG_PAGES * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(rig->pool != MAP_FAILED);
	assert_ok(rig->parent->ops->map(rig->parent, BED_POOL, (uintptr_t)rig->pool,
					RIG_PAGES * 4096, IOF_PROT_READ | IOF_PROT_WRITE));
	/* Large leaves need a parent's space that is larger than the pool. */
	assert_ok(rig->parent->ops->map(rig->parent, 1ULL << 39, 1ULL << 40, 1ULL << 31,
					IOF_PROT_READ | IOF_PROT_WRITE));
	attach_nested(rig, BED_POOL, 0);
	for (i = 0; i < 3; i++)
		page(rig, i)[(IOVA >> (39 - 9 * i)) & 511] = bed_gpa(i + 1) | S1_RWU;
	page(rig, 3)[(IOVA >> 12) & 511] = bed_gpa(8) | S1_RWU;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	const struct iof_driver_ops *ops = rig->mdev.hwdev.ops;
	struct iof_live live;

	ops->attach(&rig->mdev.hwdev, 1, NULL, rig->nested);
	rig->nested->ops->free(rig->nested);
	rig->parent->ops->unmap(rig->parent, 0, 1ULL << 48);
	rig->parent->ops->sync(rig->parent, 0, (1ULL << 48) - 1);
	rig->parent->ops->free(rig->parent);
	iof_tlb_destroy(&rig->tlb);
	iof_mdev_destroy(&rig->mdev);
	munmap(rig->pool, RIG_PAGES * 4096);
	free(rig);
	iof_sys_settle();
	iof_shim_live(&live);
	return live.objects || live.pages ? -1 : 0;
}

/* Returns the entry of @level on the path to IOVA. */
static u64 *entry_at(struct rig *rig, int level)
{
	return &page(rig, 4 - level)[(IOVA >> (12 + 9 * (level - 1))) & 511];
}

static enum iof_xlate_result translate(struct rig *rig, u64 iova, u32 access, struct iof_xlate *x)
{
	enum iof_xlate_result res;

	iof_tlb_read_lock(&rig->tlb);
	res = iof_translate(&rig->tlb, rig->att, iova, access, x);
	iof_tlb_read_unlock(&rig->tlb);
	return res;
}

static void forget(struct rig *rig)
{
	iof_domain_drop_all(rig->att->mdom);
}

/* Walks in a read section of its own, with empty caches. */
static enum iof_xlate_result walk(struct rig *rig, u64 iova, u32 access)
{
	struct iof_xlate x;

	forget(rig);
	return translate(rig, iova, access, &x);
}

static void expect(struct rig *rig, u64 iova, u32 access, const void *va, size_t len)
{
	struct iof_xlate x;

	assert_int_equal(translate(rig, iova, access, &x), IOF_XLATE_OK);
	assert_ptr_equal(x.va, va);
	assert_int_equal(x.len, len);
}

static void small_leaf(void **state)
{
	struct rig *rig = *state;

	expect(rig, IOVA, IOF_ACCESS_READ, page(rig, 8), 4096);
	expect(rig, IOVA + 4095, IOF_ACCESS_WRITE, (u8 *)page(rig, 8) + 4095, 1);
	assert_int_equal(walk(rig, IOVA + 4096, 0), IOF_XLATE_FAULT);
}

/* Leaves of 2 MiB and 1 GiB reach as far as the second stage's leaf does, too. */
static void large_leaves(void **state)
{
	struct rig *rig = *state;
	u64 gpa = (1ULL << 39) + (1ULL << 30), pa = (1ULL << 40) + (1ULL << 30);
	u64 base;

	*entry_at(rig, 2) = (gpa + (3ULL << 21)) | S1_RWU | S1_PS;
	base = IOVA & ~((1ULL << 21) - 1);
	expect(rig, base, 0, (void *)(pa + (3ULL << 21)), 1 << 21);
	expect(rig, base + 54321, 0, (void *)(pa + (3ULL << 21) + 54321), (1 << 21) - 54321);
	/* Over small leaves of the second stage the result is small. */
	*entry_at(rig, 2) = (BED_POOL & ~((1ULL << 21) - 1)) | S1_RWU | S1_PS;
	forget(rig);
	expect(rig, base + 4096 + 5, 0, (u8 *)page(rig, 1) + 5, 4091);
	assert_int_equal(walk(rig, base + RIG_PAGES * 4096, 0), IOF_XLATE_ERROR);

	*entry_at(rig, 3) = gpa | S1_RWU | S1_PS;
	base = IOVA & ~((1ULL << 30) - 1);
	forget(rig);
	expect(rig, base + 77, 0, (void *)(pa + 77), (1 << 30) - 77);
	/* The next gigabyte has another entry. */
	assert_int_equal(walk(rig, base + (1ULL << 30), 0), IOF_XLATE_FAULT);
}

/* An absent entry at any level is a fault, and no other bit changes. */
static void absent(void **state)
{
	struct rig *rig = *state;
	int level;

	for (level = 4; level >= 1; level--) {
		u64 was = *entry_at(rig, level);

		*entry_at(rig, level) = was & ~S1_P;
		assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_FAULT);
		assert_int_equal(*entry_at(rig, level), was & ~S1_P);
		*entry_at(rig, level) = was;
	}
	assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_OK);
}

/* The right to write, and the right of ordinary requests, must hold at every level. */
static void rights(void **state)
{
	struct rig *rig = *state;
	int level;

	for (level = 4; level >= 1; level--) {
		*entry_at(rig, level) &= ~S1_W;
		assert_int_equal(walk(rig, IOVA, IOF_ACCESS_WRITE), IOF_XLATE_FAULT);
		assert_int_equal(walk(rig, IOVA, IOF_ACCESS_READ), IOF_XLATE_OK);
		*entry_at(rig, level) |= S1_W;
		*entry_at(rig, level) &= ~S1_U;
		assert_int_equal(walk(rig, IOVA, IOF_ACCESS_READ), IOF_XLATE_FAULT);
		*entry_at(rig, level) |= S1_U;
		*entry_at(rig, level) |= S1_XD;
		assert_int_equal(walk(rig, IOVA, IOF_ACCESS_EXEC), IOF_XLATE_FAULT);
		assert_int_equal(walk(rig, IOVA, IOF_ACCESS_READ), IOF_XLATE_OK);
		*entry_at(rig, level) &= ~S1_XD;
	}
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_WRITE), IOF_XLATE_OK);
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_EXEC), IOF_XLATE_OK);
}

/* Privileged requests need SRE. Then U does not matter, and W matters only with WPE. */
static void privileged(void **state)
{
	struct rig *rig = *state;
	u32 write = IOF_ACCESS_PRIV | IOF_ACCESS_WRITE;

	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_READ), IOF_XLATE_OK);
	/* A cached translation of an ordinary request does not serve them either. */
	struct iof_xlate x;
	assert_int_equal(translate(rig, IOVA, IOF_ACCESS_PRIV, &x), IOF_XLATE_ERROR);

	attach_nested(rig, BED_POOL, IOMMU_VTD_S1_SRE);
	*entry_at(rig, 1) &= ~(S1_U | S1_W);
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_PRIV), IOF_XLATE_OK);
	assert_int_equal(walk(rig, IOVA, write), IOF_XLATE_OK);
	assert_int_equal(translate(rig, IOVA, IOF_ACCESS_READ, &x), IOF_XLATE_FAULT);
	attach_nested(rig, BED_POOL, IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_WPE);
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_PRIV), IOF_XLATE_OK);
	assert_int_equal(walk(rig, IOVA, write), IOF_XLATE_FAULT);
}

/*
 * A walk sets A at each level that it uses, and D in the leaf for a write; none if it is refused.
 */
static void accessed_and_dirty(void **state)
{
	struct rig *rig = *state;
	int level;

	*entry_at(rig, 1) &= ~S1_W;
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_WRITE), IOF_XLATE_FAULT);
	assert_int_equal(*entry_at(rig, 1) & (S1_A | S1_D), 0);
	*entry_at(rig, 1) |= S1_W;
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_READ), IOF_XLATE_OK);
	for (level = 4; level >= 1; level--)
		assert_int_equal(*entry_at(rig, level) & (S1_A | S1_D), S1_A);
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_WRITE), IOF_XLATE_OK);
	for (level = 4; level >= 2; level--)
		assert_int_equal(*entry_at(rig, level) & (S1_A | S1_D), S1_A);
	assert_int_equal(*entry_at(rig, 1) & (S1_A | S1_D), S1_A | S1_D);
	/* The bits of a large leaf are in the directory. */
	*entry_at(rig, 2) = (BED_POOL & ~((1ULL << 21) - 1)) | S1_RWU | S1_PS;
	assert_int_equal(walk(rig, (IOVA & ~((1ULL << 21) - 1)) + 4096, IOF_ACCESS_WRITE),
			 IOF_XLATE_OK);
	assert_int_equal(*entry_at(rig, 2) & (S1_A | S1_D), S1_A | S1_D);
}

static void extended_accessed(void **state)
{
	struct rig *rig = *state;
	int level;

	attach_nested(rig, BED_POOL, IOMMU_VTD_S1_EAFE);
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_READ), IOF_XLATE_OK);
	for (level = 4; level >= 1; level--)
		assert_int_equal(*entry_at(rig, level) & (S1_A | 1 << 10), S1_A | 1 << 10);
}

/* A translation cached for reading does not keep the first write from setting the dirty bit. */
static void dirty_after_remembered_read(void **state)
{
	struct rig *rig = *state;

	expect(rig, IOVA, IOF_ACCESS_READ, page(rig, 8), 4096);
	expect(rig, IOVA, IOF_ACCESS_WRITE, page(rig, 8), 4096);
	assert_int_equal(*entry_at(rig, 1) & S1_D, S1_D);
	/*
	 * After that the bit is cached: if it is cleared without an invalidation, it stays clear.
	 */
	*entry_at(rig, 1) &= ~S1_D;
	expect(rig, IOVA, IOF_ACCESS_WRITE, page(rig, 8), 4096);
	assert_int_equal(*entry_at(rig, 1) & S1_D, 0);
}

/* Absent pages and missing rights are never cached. */
static void lack_is_not_remembered(void **state)
{
	struct rig *rig = *state;
	u64 was = *entry_at(rig, 1);
	struct iof_xlate x;

	*entry_at(rig, 1) = 0;
	assert_int_equal(translate(rig, IOVA, 0, &x), IOF_XLATE_FAULT);
	*entry_at(rig, 1) = was & ~S1_W;
	assert_int_equal(translate(rig, IOVA, 0, &x), IOF_XLATE_OK);
	assert_int_equal(translate(rig, IOVA, IOF_ACCESS_WRITE, &x), IOF_XLATE_FAULT);
	*entry_at(rig, 1) = was;
	assert_int_equal(translate(rig, IOVA, IOF_ACCESS_WRITE, &x), IOF_XLATE_OK);
}

/* ---- addresses and tables that are wrong ---- */

static void not_canonical(void **state)
{
	static const u64 bad[] = {
		1ULL << 47,	   1ULL << 48, (1ULL << 63) | IOVA, 0xffff7fffffffffffULL,
		IOVA | 1ULL << 55,
	};
	struct rig *rig = *state;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(walk(rig, bad[i], 0), IOF_XLATE_ERROR);
	/* The upper half of the address space exists. */
	assert_int_equal(walk(rig, 0xffff800000000000ULL, 0), IOF_XLATE_FAULT);
	page(rig, 0)[256 + 3] = bed_gpa(1) | S1_RWU;
	assert_int_equal(
		walk(rig, (0xffff800000000000ULL | 3ULL << 39) + (IOVA & ((1ULL << 39) - 1)), 0),
		IOF_XLATE_OK);
}

static void reserved_bits(void **state)
{
	struct rig *rig = *state;
	u64 base = (1ULL << 39) | S1_RWU | S1_PS;
	int bit;

	*entry_at(rig, 4) |= S1_PS;
	assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_ERROR);
	*entry_at(rig, 4) &= ~S1_PS;
	for (bit = 13; bit < 30; bit++) {
		*entry_at(rig, 3) = base | 1ULL << bit;
		assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_ERROR);
	}
	*entry_at(rig, 3) = base | 1 << 12; /* the bit PAT */
	assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_OK);
	*entry_at(rig, 3) = bed_gpa(2) | S1_RWU;
	for (bit = 13; bit < 21; bit++) {
		*entry_at(rig, 2) = base | 1ULL << bit;
		assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_ERROR);
	}
	/* An absent entry is absent, whichever other bits are set. */
	*entry_at(rig, 2) = ~S1_P;
	assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_FAULT);
}

/*
 * At each level, an entry that points outside the parent, at its end, or beyond the width is an
 * error.
 */
static void tables_nowhere(void **state)
{
	static const u64 nowhere[] = {
		0,
		0x1000,
		BED_POOL - 4096,
		BED_POOL + RIG_PAGES * 4096,
		0xfffffffff000ULL,
		1ULL << 48,
		0xffffffffff000ULL,
	};
	struct rig *rig = *state;
	int level;
	u32 i;

	for (level = 4; level >= 1; level--) {
		u64 was = *entry_at(rig, level);

		for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
			*entry_at(rig, level) = nowhere[i] | S1_RWU;
			assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_ERROR);
		}
		*entry_at(rig, level) = was;
	}
	attach_nested(rig, 0x5000, 0);
	assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_ERROR);
}

/* A root that is its own child and leaf ends a walk like any other table. */
static void table_is_itself(void **state)
{
	struct rig *rig = *state;
	u32 i;

	for (i = 0; i < 512; i++)
		page(rig, 0)[i] = bed_gpa(0) | S1_RWU;
	expect(rig, IOVA, IOF_ACCESS_READ, page(rig, 0), 4096);
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_WRITE), IOF_XLATE_OK);
}

/* The device may not write the tables: walks succeed until one has to set a bit. */
static void read_only_tables(void **state)
{
	struct rig *rig = *state;
	struct iof_domain *parent = rig->parent;
	int level;

	parent->ops->unmap(parent, BED_POOL, RIG_PAGES * 4096);
	parent->ops->sync(parent, BED_POOL, BED_POOL + RIG_PAGES * 4096 - 1);
	assert_ok(parent->ops->map(parent, BED_POOL, (uintptr_t)rig->pool, RIG_PAGES * 4096,
				   IOF_PROT_READ));
	assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_ERROR);
	for (level = 4; level >= 1; level--)
		*entry_at(rig, level) |= S1_A;
	assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_OK);
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_WRITE), IOF_XLATE_ERROR);
	*entry_at(rig, 1) |= S1_D;
	/* The page is read-only in the second stage, too. */
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_WRITE), IOF_XLATE_ERROR);
	/* A cached table has the same effect. */
	*entry_at(rig, 1) &= ~S1_A;
	struct iof_xlate x;
	assert_int_equal(translate(rig, IOVA, 0, &x), IOF_XLATE_ERROR);
}

/* The memory of a table is gone, although it is mapped for the device. */
static void table_memory_gone(void **state)
{
	struct rig *rig = *state;
	u32 i;

	iof_sys_init(); /* cmocka has installed its own handler of SIGSEGV in front of the shim's */
	for (i = 3; i < 4; i--) {
		struct iof_xlate x;

		assert_int_equal(walk(rig, IOVA, 0), i == 3 ? IOF_XLATE_OK : IOF_XLATE_ERROR);
		assert_ok(mprotect(page(rig, i), 4096, PROT_NONE));
		/* Walks with the table cached, and without. */
		iof_mdev_drop(&rig->mdev, rig->att->mdom, IOVA, IOVA, false);
		assert_int_equal(translate(rig, IOVA, 0, &x), IOF_XLATE_ERROR);
		assert_int_equal(walk(rig, IOVA, 0), IOF_XLATE_ERROR);
	}
}

/* Changes entries all the time. Each walk ends with the result of one of the states. */
static void *garble(void *arg)
{
	u64 *entry = arg;
	u32 i;

	for (i = 0; i < 200000; i++)
		__atomic_store_n(entry,
				 i % 3 ? (bed_gpa(8) | S1_RWU) :
				 i % 2 ? 0 :
					 (bed_gpa(9) | S1_RWU | S1_A),
				 __ATOMIC_RELAXED);
	return NULL;
}

static void tables_change_under_walks(void **state)
{
	struct rig *rig = *state;
	u32 ok = 0, i;
	pthread_t thread;

	assert_ok(pthread_create(&thread, NULL, garble, entry_at(rig, 1)));
	for (i = 0; i < 50000; i++) {
		struct iof_xlate x;
		enum iof_xlate_result res;

		forget(rig);
		res = translate(rig, IOVA, i & 1, &x);
		if (res == IOF_XLATE_OK) {
			assert_true(x.va == page(rig, 8) || x.va == page(rig, 9));
			ok++;
		}
	}
	pthread_join(thread, NULL);
	assert_true(ok);
}

/* ---- spans ---- */

static u64 seed;

static u32 pick(u32 limit)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % limit;
}

/* Fills the table of 4 KiB leaves: runs of frames, lone frames, and entries that lack something. */
static void fill_table(struct rig *rig)
{
	static const u64 lack[] = { S1_P, S1_W, S1_U, S1_A, S1_D };
	u64 entry = 0;
	u32 i;

	for (i = 0; i < 512; i++) {
		u64 bits = S1_RWU | S1_A | S1_D;

		if (!pick(10))
			bits &= ~lack[pick(ARRAY_SIZE(lack))];
		/* Behind the pool the second stage has nothing. */
		entry = pick(4) ? entry + 4096 : bed_gpa(4 + pick(RIG_PAGES - 3)) | bits;
		page(rig, 3)[i] = entry;
	}
}

/*
 * Compares one span with translations of its pages one by one. The page behind it must need the
 * slow path, be in the next table, or be beyond the limit.
 */
static void check_span(struct rig *rig, u64 iova, size_t len, u32 access)
{
	u64 need = S1_RWU | S1_A | (access ? S1_D : 0), entry;
	u32 first = (iova >> 12) & 511, nr, i;
	struct iof_xlate piece[IOF_SPAN_PAGES], x;
	u64 at = iova;

	iof_tlb_read_lock(&rig->tlb);
	nr = iof_translate_span(&rig->tlb, rig->att, iova, len, access, piece);
	iof_tlb_read_unlock(&rig->tlb);
	assert_true(nr <= IOF_SPAN_PAGES);
	for (i = 0; i < nr; i++) {
		while (piece[i].len) {
			assert_int_equal(walk(rig, at, access), IOF_XLATE_OK);
			assert_int_equal(translate(rig, at, access, &x), IOF_XLATE_OK);
			assert_ptr_equal(piece[i].va, x.va);
			if (piece[i].len < x.len)
				x.len = piece[i].len;
			piece[i].va += x.len;
			piece[i].len -= x.len;
			at += x.len;
		}
	}
	if (at >= iova + len || first + (at - iova + 4095) / 4096 >= 512 ||
	    (at >> 12) - (iova >> 12) == IOF_SPAN_PAGES)
		return;
	entry = page(rig, 3)[(at >> 12) & 511];
	assert_true((entry & need & ~(access ? 0 : S1_W)) != (need & ~(access ? 0 : S1_W)) ||
		    walk(rig, at, access) != IOF_XLATE_OK);
}

static void spans(void **state)
{
	u64 base = IOVA & ~((1ULL << 21) - 1), before[512];
	struct iof_xlate piece[IOF_SPAN_PAGES];
	struct rig *rig = *state;
	u32 round;

	seed = 1;
	for (round = 0; round < 2000; round++) {
		u32 access = pick(2) ? IOF_ACCESS_WRITE : IOF_ACCESS_READ;

		if (!(round % 50)) {
			fill_table(rig);
			page(rig, 3)[0] = bed_gpa(5) | S1_RWU | S1_A | S1_D;
		}
		/* A walk caches the table; a span does not look for it. */
		assert_int_equal(walk(rig, base, IOF_ACCESS_READ), IOF_XLATE_OK);
		memcpy(before, page(rig, 3), sizeof(before));
		check_span(rig, base + pick(1 << 21), 1 + pick(80000), access);
		assert_memory_equal(before, page(rig, 3), sizeof(before));
	}
	iof_tlb_read_lock(&rig->tlb);
	assert_int_equal(
		iof_translate_span(&rig->tlb, rig->att, base, 4096, IOF_ACCESS_PRIV, piece), 0);
	iof_tlb_read_unlock(&rig->tlb);
	forget(rig);
	iof_tlb_read_lock(&rig->tlb);
	assert_int_equal(iof_translate_span(&rig->tlb, rig->att, base, 4096, 0, piece), 0);
	iof_tlb_read_unlock(&rig->tlb);
}

/* A span does not reach beyond the rights of the tables above it. */
static void span_rights(void **state)
{
	struct iof_xlate piece[IOF_SPAN_PAGES];
	struct rig *rig = *state;
	u32 access;

	*entry_at(rig, 1) |= S1_A | S1_D;
	*entry_at(rig, 3) &= ~S1_W;
	assert_int_equal(walk(rig, IOVA, IOF_ACCESS_READ), IOF_XLATE_OK);
	iof_tlb_read_lock(&rig->tlb);
	for (access = IOF_ACCESS_READ; access <= IOF_ACCESS_WRITE; access++)
		assert_int_equal(iof_translate_span(&rig->tlb, rig->att, IOVA, 4096, access, piece),
				 access == IOF_ACCESS_READ);
	iof_tlb_read_unlock(&rig->tlb);
}

/*
 * A domain without a first stage: absent pages and missing rights are faults, addresses beyond the
 * width are errors.
 */
static void second_stage_alone(void **state)
{
	struct rig *rig = *state;
	struct iof_domain *parent = rig->parent;
	struct iof_attachment *nested = rig->att;

	assert_ok(rig->mdev.hwdev.ops->attach(&rig->mdev.hwdev, 2, parent, NULL));
	rig->att = xa_load(&rig->mdev.attachments, 2);
	assert_ok(parent->ops->map(parent, 0, (uintptr_t)page(rig, 1), 4096, IOF_PROT_READ));
	expect(rig, 5, IOF_ACCESS_READ, (u8 *)page(rig, 1) + 5, 4091);
	assert_int_equal(walk(rig, 5, IOF_ACCESS_WRITE), IOF_XLATE_FAULT);
	assert_int_equal(walk(rig, 4096, 0), IOF_XLATE_FAULT);
	assert_int_equal(walk(rig, 1ULL << 48, 0), IOF_XLATE_ERROR);
	assert_int_equal(walk(rig, ~0ULL, 0), IOF_XLATE_ERROR);
	assert_ok(rig->mdev.hwdev.ops->attach(&rig->mdev.hwdev, 2, NULL, parent));
	rig->att = nested;
}

/* Checks which data of HWPT_ALLOC are valid. */
static void nested_data(void **state)
{
	static const struct iommu_hwpt_vtd_s1 bad[] = {
		{ .addr_width = 57 },
		{ .addr_width = 0 },
		{ .addr_width = 39 },
		{ .addr_width = 48, .flags = 8 },
		{ .addr_width = 48, .flags = 1ULL << 63 },
		{ .addr_width = 48, .pgtbl_addr = 8 },
		{ .addr_width = 48, .pgtbl_addr = 1ULL << 48 },
		{ .addr_width = 48, .__reserved = 1 },
	};
	struct rig *rig = *state;
	struct iof_hwdev *dev = &rig->mdev.hwdev;
	struct iommu_hwpt_vtd_s1 s1 = { .addr_width = 48 };
	struct iof_user_data data = {
		.type = IOMMU_HWPT_DATA_VTD_S1,
		.len = sizeof(s1),
		.uptr = &s1,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		s1 = bad[i];
		assert_int_equal(PTR_ERR(dev->ops->alloc_nested(dev, rig->parent, 0, &data)),
				 -EINVAL);
	}
	s1 = (struct iommu_hwpt_vtd_s1){ .addr_width = 48 };
	data.type = 2;
	assert_int_equal(PTR_ERR(dev->ops->alloc_nested(dev, rig->parent, 0, &data)), -EOPNOTSUPP);
	data.type = IOMMU_HWPT_DATA_VTD_S1;
	data.len = sizeof(s1) - 8;
	assert_int_equal(PTR_ERR(dev->ops->alloc_nested(dev, rig->parent, 0, &data)), -EINVAL);
	data.len = sizeof(s1);
	assert_int_equal(PTR_ERR(dev->ops->alloc_nested(dev, rig->nested, 0, &data)), -EINVAL);
	assert_int_equal(PTR_ERR(dev->ops->alloc_nested(dev, rig->parent,
							IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &data)),
			 -EOPNOTSUPP);
	assert_int_equal(PTR_ERR(dev->ops->alloc_nested(dev, rig->parent, 0, NULL)), -EOPNOTSUPP);
	assert_int_equal(
		PTR_ERR(dev->ops->alloc_paging(dev, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, NULL)),
		-EOPNOTSUPP);
	assert_int_equal(PTR_ERR(dev->ops->alloc_paging(dev, 0, &data)), -EOPNOTSUPP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(small_leaf),
		TEST(large_leaves),
		TEST(absent),
		TEST(rights),
		TEST(privileged),
		TEST(accessed_and_dirty),
		TEST(extended_accessed),
		TEST(dirty_after_remembered_read),
		TEST(lack_is_not_remembered),
		TEST(not_canonical),
		TEST(reserved_bits),
		TEST(tables_nowhere),
		TEST(table_is_itself),
		TEST(read_only_tables),
		TEST(table_memory_gone),
		TEST(tables_change_under_walks),
		TEST(spans),
		TEST(span_rights),
		TEST(second_stage_alone),
		TEST(nested_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
