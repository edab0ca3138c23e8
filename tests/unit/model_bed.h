/* SPDX-License-Identifier: MIT */
/*
 * model_bed.h - a DMA engine with its environment, for the tests of the model: a pool of memory
 * that the parent page table maps, first-stage tables in that pool, a fault queue, the attached
 * device.
 *
 * The parent maps the pool's page i at BED_POOL + i * 4096. Page 0 is the root of the first stage.
 * The next pages are for the tables that bed_map1() needs; tests use pages from BED_FREE on. The
 * test chooses the addresses of the first stage. Completion records lie in one page that is mapped
 * at BED_RECORDS from the start.
 */
#ifndef TESTS_UNIT_MODEL_BED_H
#define TESTS_UNIT_MODEL_BED_H

#include "env.h"

#include <linux/idxd.h>
#include "model/dsa.h"
#include "model/model.h"

#define BED_PAGES	1024u
#define BED_POOL	0x40000000ULL /* address of the pool in the parent */
#define BED_TABLES	64u	      /* number of pages for tables, at the start of the pool */
#define BED_RECORD_PAGE BED_TABLES
#define BED_FREE	(BED_TABLES + 1)
#define BED_RECORDS	0x7fff00000000ULL
#define BED_PASID	5u

/* Bits of first-stage entries. */
#define S1_P   0x1ULL
#define S1_W   0x2ULL
#define S1_U   0x4ULL
#define S1_A   0x20ULL
#define S1_D   0x40ULL
#define S1_PS  0x80ULL
#define S1_XD  (1ULL << 63)
#define S1_RWU (S1_P | S1_W | S1_U)

struct bed {
	struct env *env;
	struct iof_dsa *dsa;
	struct iof_device *idev;
	u32 ioas, parent, nested, queue;
	int fault_fd;
	u8 *pool;
	u32 next_table;
	void *env_state;
};

struct bed_options {
	struct iof_dsa_setup dsa;
	u32 pasid; /* IOF_NO_PASID stands for the RID */
	bool no_queue;
	u64 s1_flags;
};

static inline u8 *bed_page(struct bed *bed, u32 page)
{
	return bed->pool + (size_t)page * 4096;
}

static inline u64 bed_gpa(u32 page)
{
	return BED_POOL + (u64)page * 4096;
}

/* Returns the entry that maps @iova at @level, and makes the tables above it. */
static inline u64 *bed_entry(struct bed *bed, u64 iova, int level)
{
	u32 table = 0;
	int l;

	for (l = 4; l > level; l--) {
		u64 *slot = (u64 *)bed_page(bed, table) + ((iova >> (12 + 9 * (l - 1))) & 511);
		u64 entry = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if (!(entry & S1_P)) {
			assert_true(bed->next_table < BED_TABLES);
			entry = bed_gpa(bed->next_table++) | S1_RWU;
			__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
		}
		table = ((entry & 0xffffffffff000ULL) - BED_POOL) / 4096;
	}
	return (u64 *)bed_page(bed, table) + ((iova >> (12 + 9 * (level - 1))) & 511);
}

static inline void bed_set1(struct bed *bed, u64 iova, u64 entry)
{
	__atomic_store_n(bed_entry(bed, iova, 1), entry, __ATOMIC_RELEASE);
}

static inline u64 bed_get1(struct bed *bed, u64 iova)
{
	return __atomic_load_n(bed_entry(bed, iova, 1), __ATOMIC_ACQUIRE);
}

static inline void bed_map1(struct bed *bed, u64 iova, u32 page, u64 bits)
{
	bed_set1(bed, iova, bed_gpa(page) | bits);
}

static inline void bed_map_range(struct bed *bed, u64 iova, u32 page, u32 pages)
{
	while (pages--)
		bed_map1(bed, iova + (u64)pages * 4096, page + pages, S1_RWU);
}

static inline int bed_invalidate(struct bed *bed, u64 addr, u64 npages, u32 flags)
{
	struct iommu_hwpt_vtd_s1_invalidate inv = {
		.addr = addr,
		.npages = npages,
		.flags = flags,
	};
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = bed->nested,
		.data_uptr = (uintptr_t)&inv,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		.entry_len = sizeof(inv),
		.entry_num = 1,
	};

	return env_ioctl(bed->env->fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

static inline int bed_alloc_nested(struct bed *bed, u64 root, u64 flags, u32 fault_id)
{
	struct iommu_hwpt_vtd_s1 s1 = { .flags = flags, .pgtbl_addr = root, .addr_width = 48 };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_PASID | (fault_id ? IOMMU_HWPT_FAULT_ID_VALID : 0),
		.dev_id = iof_device_id(bed->idev),
		.pt_id = bed->parent,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(s1),
		.data_uptr = (uintptr_t)&s1,
		.fault_id = fault_id,
	};
	int rc = env_ioctl(bed->env->fd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ?: (int)cmd.out_hwpt_id;
}

static inline struct bed *bed_make(void **state, const struct bed_options *options)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	int id;

	assert_ok(env_setup(&bed->env_state));
	bed->env = bed->env_state;
	bed->pool = mmap(NULL, BED_PAGES * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(bed->pool != MAP_FAILED);
	bed->next_table = 1;
	bed->dsa = iof_dsa_create(&options->dsa, NULL);
	assert_false(IS_ERR(bed->dsa));
	bed->idev = iof_device_bind(bed->env->ctx, iof_dsa_hwdev(bed->dsa), false);
	assert_false(IS_ERR(bed->idev));
	bed->ioas = id = env_ioas(bed->env->fd);
	assert_id(id);
	assert_ok(env_map(bed->env->fd, bed->ioas, bed->pool, BED_PAGES * 4096, BED_POOL));
	bed->parent = id = env_hwpt(bed->env->fd, iof_device_id(bed->idev), bed->ioas,
				    IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_id(id);
	if (!options->no_queue)
		assert_ok(env_queue(bed->env->fd, &bed->queue, &bed->fault_fd));
	bed->nested = id = bed_alloc_nested(bed, BED_POOL, options->s1_flags, bed->queue);
	assert_id(id);
	assert_int_equal(env_attach(bed->idev, options->pasid, bed->nested), bed->nested);
	bed_map1(bed, BED_RECORDS, BED_RECORD_PAGE, S1_RWU);
	*state = bed;
	return bed;
}

static inline int bed_free(void **state)
{
	struct bed *bed = *state;
	u32 pasid;

	for (pasid = 0; pasid < 64; pasid++)
		if (iof_device_attached(bed->idev, pasid))
			iof_device_detach(bed->idev, pasid);
	iof_device_unbind(bed->idev);
	if (bed->fault_fd > 0 && iof_sys_close(bed->fault_fd))
		return -1;
	iof_dsa_destroy(bed->dsa);
	if (iof_sys_close(bed->env->fd))
		return -1;
	bed->env->fd = -1;
	munmap(bed->pool, BED_PAGES * 4096);
	if (env_teardown(&bed->env_state))
		return -1;
	free(bed);
	return 0;
}

/* ---- descriptors ---- */

/* Returns a descriptor with CRAV and RCR that uses completion record @slot. */
static inline struct dsa_hw_desc bed_desc(u8 opcode, u32 slot)
{
	return (struct dsa_hw_desc){
		.pasid = BED_PASID,
		.opcode = opcode,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_BOF,
		.completion_addr = BED_RECORDS + slot * 32,
	};
}

static inline struct dsa_completion_record *bed_record(struct bed *bed, u32 slot)
{
	return (struct dsa_completion_record *)bed_page(bed, BED_RECORD_PAGE) + slot;
}

static inline void bed_submit(struct bed *bed, const struct dsa_hw_desc *desc, u32 slot)
{
	memset(bed_record(bed, slot), 0, 32);
	assert_ok(iof_dsa_submit(bed->dsa, desc));
}

static inline u8 bed_status(struct bed *bed, u32 slot)
{
	return __atomic_load_n((u8 *)&bed_record(bed, slot)->status, __ATOMIC_ACQUIRE);
}

static inline u8 bed_wait(struct bed *bed, u32 slot)
{
	u8 status;

	while (!(status = bed_status(bed, slot)))
		sched_yield();
	return status;
}

static inline u8 bed_run(struct bed *bed, const struct dsa_hw_desc *desc, u32 slot)
{
	bed_submit(bed, desc, slot);
	return bed_wait(bed, slot);
}

static inline void bed_wait_idle(struct bed *bed)
{
	while (!iof_dsa_idle(bed->dsa))
		sched_yield();
}

/* Waits for one fault and returns it. */
static inline struct iommu_hwpt_pgfault bed_fault(struct bed *bed)
{
	struct iommu_hwpt_pgfault fault;
	int n;

	while ((n = env_read(bed->fault_fd, &fault, 1)) == -EAGAIN || !n)
		sched_yield();
	assert_int_equal(n, 1);
	return fault;
}

#endif
