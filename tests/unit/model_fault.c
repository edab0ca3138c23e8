// SPDX-License-Identifier: MIT
/*
 * model_fault.c - proves the effect of a missing page on a DMA: requested or reported, with which
 * record; answers of each kind; credits and the waiting list for them; groups of several pages;
 * detach, replace and reset with open faults; memory that is gone; shared address spaces. The core
 * counts the faults, and stops the program if an answer is missing or comes twice.
 */
#include "model_bed.h"

#define SRC   0x100000000000ULL
#define DST   0x200000000000ULL
#define FIRST BED_FREE /* first page for those that were missing */

static struct bed_options standard = {
	.dsa = { .name = "dsa", .queue_depth = 256 },
	.pasid = BED_PASID,
};

static int setup(void **state)
{
	bed_make(state, &standard);
	return 0;
}

static struct bed *with(void **state, struct iof_dsa_setup dsa)
{
	struct bed_options options = standard;

	options.dsa = dsa;
	options.dsa.name = "dsa";
	return bed_make(state, &options);
}

static struct dsa_hw_desc copy(u64 src, u64 dst, u32 size, u32 slot)
{
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_MEMMOVE, slot);

	desc.src_addr = src;
	desc.dst_addr = dst;
	desc.xfer_size = size;
	return desc;
}

static void answer(struct bed *bed, const struct iommu_hwpt_pgfault *fault, u32 code)
{
	assert_ok(env_answer(bed->fault_fd, fault->cookie, code));
}

/* Waits until the device has sent @n groups in all. */
static void wait_requests(struct bed *bed, u64 n)
{
	struct iof_dsa_stats stats;

	do {
		sched_yield();
		iof_dsa_get_stats(bed->dsa, &stats);
	} while (stats.page_requests < n);
	assert_int_equal(stats.page_requests, n);
}

/*
 * Waits until @n groups are queued. A request is counted before it is reported, and a switch of
 * page tables waits for the report.
 */
static void wait_queued(struct bed *bed, u64 n)
{
	char text[512], wanted[32];

	snprintf(wanted, sizeof(wanted), "queued:\t%llu\n", (unsigned long long)n);
	do {
		sched_yield();
		assert_true(iof_sys_fdinfo(bed->fault_fd, text, sizeof(text)) > 0);
	} while (!strstr(text, wanted));
}

/*
 * Runs the whole sequence: two faults with the fields that a handler needs, the page entered, no
 * invalidation.
 */
static void ask_and_resume(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = copy(SRC + 100, DST + 200, 300, 0);
	struct iommu_hwpt_pgfault fault;

	bed_submit(bed, &desc, 0);
	fault = bed_fault(bed);
	assert_int_equal(fault.flags,
			 IOMMU_PGFAULT_FLAGS_PASID_VALID | IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	assert_int_equal(fault.pasid, BED_PASID);
	assert_int_equal(fault.dev_id, iof_device_id(bed->idev));
	assert_int_equal(fault.addr, SRC);
	assert_int_equal(fault.perm, IOMMU_PGFAULT_PERM_READ);
	memset(bed_page(bed, FIRST), 0x77, 4096);
	bed_map1(bed, SRC, FIRST, S1_RWU);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);

	fault = bed_fault(bed);
	assert_int_equal(fault.addr, DST);
	assert_int_equal(fault.perm, IOMMU_PGFAULT_PERM_WRITE);
	assert_int_equal(bed_status(bed, 0), 0);
	bed_map1(bed, DST, FIRST + 1, S1_RWU);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_SUCCESS);
	assert_int_equal(bed_page(bed, FIRST + 1)[199], 0);
	assert_int_equal(bed_page(bed, FIRST + 1)[200], 0x77);
	assert_int_equal(bed_page(bed, FIRST + 1)[500], 0);
	assert_int_equal(bed_get1(bed, SRC) & (S1_A | S1_D), S1_A);
	assert_int_equal(bed_get1(bed, DST) & (S1_A | S1_D), S1_A | S1_D);
}

/* After SUCCESS without a page the device raises the same fault again, any number of times. */
static void success_without_page(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = copy(SRC, BED_RECORDS + 2048, 8, 0);
	u32 i;

	bed_submit(bed, &desc, 0);
	for (i = 0; i < 50; i++) {
		struct iommu_hwpt_pgfault fault = bed_fault(bed);

		assert_int_equal(fault.addr, SRC);
		if (i == 49)
			bed_map1(bed, SRC, FIRST, S1_RWU);
		answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);
	}
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_SUCCESS);
}

/*
 * INVALID ends the descriptor with the number of bytes done and the address of the fault. The
 * engine goes on with others.
 */
static void answer_invalid(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = copy(SRC + 10, DST, 10000, 0);
	struct iommu_hwpt_pgfault fault;

	bed_map_range(bed, SRC, FIRST, 1);
	bed_map_range(bed, DST, FIRST + 4, 4);
	bed_submit(bed, &desc, 0);
	fault = bed_fault(bed);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_INVALID);
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 4096 - 10);
	assert_int_equal(bed_record(bed, 0)->fault_addr, SRC + 4096);

	desc = bed_desc(DSA_OPCODE_MEMFILL, 0);
	desc.dst_addr = DST + 4 * 4096 - 8;
	desc.xfer_size = 16;
	bed_submit(bed, &desc, 0);
	fault = bed_fault(bed);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_INVALID);
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_PAGE_FAULT_IR | DSA_COMP_STATUS_WRITE);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 8);
	assert_int_equal(bed_record(bed, 0)->fault_addr, DST + 4 * 4096);
	desc = bed_desc(DSA_OPCODE_NOOP, 0);
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
}

/*
 * Without block-on-fault no page is requested. Each operation reports how far it came, and can be
 * continued.
 */
static void report_mode(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc;
	u32 seed;

	bed_map_range(bed, SRC, FIRST, 2);
	bed_map_range(bed, DST, FIRST + 2, 1);
	memset(bed_page(bed, FIRST), 0x31, 2 * 4096);

	desc = copy(SRC, DST + 96, 8192, 0);
	desc.flags &= ~IDXD_OP_FLAG_BOF;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_PAGE_FAULT_NOBOF | DSA_COMP_STATUS_WRITE);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 4000);
	assert_int_equal(bed_record(bed, 0)->fault_addr, DST + 4096);
	assert_int_equal(bed_record(bed, 0)->result, 0);

	/* A backward copy counts from the end. */
	desc = copy(SRC + 4096 - 100, SRC + 4096, 8192, 0);
	desc.flags &= ~IDXD_OP_FLAG_BOF;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_PAGE_FAULT_NOBOF);
	assert_int_equal(bed_record(bed, 0)->result, 1);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 0);

	desc = bed_desc(DSA_OPCODE_COMPARE, 0);
	desc.flags &= ~IDXD_OP_FLAG_BOF;
	desc.src_addr = SRC;
	desc.src2_addr = SRC + 1;
	desc.xfer_size = 8192;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_PAGE_FAULT_NOBOF);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 8191);
	assert_int_equal(bed_record(bed, 0)->fault_addr, SRC + 8192);

	/* The CRC so far is the seed of the continuation. */
	desc = bed_desc(DSA_OPCODE_CRCGEN, 0);
	desc.flags &= ~IDXD_OP_FLAG_BOF;
	desc.src_addr = SRC;
	desc.xfer_size = 3 * 4096;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_PAGE_FAULT_NOBOF);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 8192);
	seed = bed_record(bed, 0)->crc_val;
	bed_map1(bed, SRC + 8192, FIRST + 3, S1_RWU);
	memset(bed_page(bed, FIRST + 3), 0x31, 4096);
	desc.xfer_size = 8192;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	assert_int_equal(bed_record(bed, 0)->crc_val, seed);
	assert_int_equal(seed, ~crc32c(~0u, bed_page(bed, FIRST), 8192));
	wait_requests(bed, 0);
}

/* If the attachment has no listener, the descriptor acts as without block-on-fault. */
static void no_queue(void **state)
{
	struct bed_options options = standard;
	struct dsa_hw_desc desc = copy(SRC, BED_RECORDS + 2048, 8, 0);
	struct bed *bed;

	options.no_queue = true;
	bed = bed_make(state, &options);
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_PAGE_FAULT_NOBOF);
	wait_requests(bed, 0);
}

/*
 * The device is attached by the RID: descriptor, request and answer have no PASID. An unattached
 * PASID is an error.
 */
static void rid(void **state)
{
	struct bed_options options = standard;
	struct dsa_hw_desc desc = copy(SRC, BED_RECORDS + 2048, 8, 0);
	struct iommu_hwpt_pgfault fault;
	struct iof_dsa_stats stats;
	struct bed *bed;

	options.pasid = IOF_NO_PASID;
	bed = bed_make(state, &options);
	desc.pasid = 0;
	bed_submit(bed, &desc, 0);
	fault = bed_fault(bed);
	assert_int_equal(fault.flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	bed_map1(bed, SRC, FIRST, S1_RWU);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_SUCCESS);

	/* The record cannot be written either. */
	desc.pasid = 9;
	bed_submit(bed, &desc, 0);
	bed_wait_idle(bed);
	assert_int_equal(bed_status(bed, 0), 0);
	iof_dsa_get_stats(bed->dsa, &stats);
	assert_int_equal(stats.last_sw_error, DSA_COMP_CRA_XLAT);
	/* Privilege without a PASID is refused. */
	desc.pasid = 0;
	desc.priv = 1;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_PRIV_BAD);
}

/* Privileged requests are marked if the first stage allows them; else they are an error. */
static void privileged(void **state)
{
	struct bed_options options = standard;
	struct dsa_hw_desc desc = copy(SRC, BED_RECORDS + 2048, 8, 0);
	struct iommu_hwpt_pgfault fault;
	struct bed *bed;

	options.s1_flags = IOMMU_VTD_S1_SRE;
	bed = bed_make(state, &options);
	desc.priv = 1;
	bed_submit(bed, &desc, 0);
	fault = bed_fault(bed);
	assert_int_equal(fault.perm, IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_PRIV);
	bed_map1(bed, SRC, FIRST, S1_P | S1_W);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_SUCCESS);
}

/* ---- errors that no request is made for ---- */

static void expect_no_request(struct bed *bed, struct dsa_hw_desc desc, u8 status, u64 addr)
{
	assert_int_equal(bed_run(bed, &desc, 0), status);
	assert_int_equal(bed_record(bed, 0)->fault_addr, addr);
	wait_requests(bed, 0);
}

static void translation_errors(void **state)
{
	struct bed *bed = *state;
	u64 ok = BED_RECORDS + 2048, wide = 1ULL << 50;

	expect_no_request(bed, copy(wide, ok, 8, 0), DSA_COMP_TRANSLATION_FAIL, wide);
	expect_no_request(bed, copy(ok, wide, 8, 0),
			  DSA_COMP_TRANSLATION_FAIL | DSA_COMP_STATUS_WRITE, wide);
	/* A leaf points outside the parent, then at its end; then a table does. */
	bed_set1(bed, SRC, (BED_POOL + BED_PAGES * 4096) | S1_RWU);
	expect_no_request(bed, copy(SRC + 5, ok, 8, 0), DSA_COMP_TRANSLATION_FAIL, SRC + 5);
	*bed_entry(bed, DST, 3) = 0x123000 | S1_RWU;
	expect_no_request(bed, copy(DST, ok, 8, 0), DSA_COMP_TRANSLATION_FAIL, DST);
	*bed_entry(bed, DST, 3) = bed_gpa(2) | S1_RWU | S1_PS | 1 << 14;
	expect_no_request(bed, copy(DST, ok, 8, 0), DSA_COMP_TRANSLATION_FAIL, DST);
	*bed_entry(bed, DST, 3) = 0;
}

/* The program has unmapped memory that it had mapped for the device. */
static void memory_gone(void **state)
{
	struct bed *bed = *state;
	u64 ok = BED_RECORDS + 2048;
	struct dsa_hw_desc desc;

	bed_map_range(bed, SRC, FIRST, 2);
	assert_ok(mprotect(bed_page(bed, FIRST + 1), 4096, PROT_NONE));
	expect_no_request(bed, copy(SRC + 4000, ok, 100, 0), DSA_COMP_HW_ERR1, SRC + 4096);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 96);
	expect_no_request(bed, copy(ok, SRC + 4096, 8, 0), DSA_COMP_HW_ERR1 | DSA_COMP_STATUS_WRITE,
			  SRC + 4096);
	desc = bed_desc(DSA_OPCODE_CRCGEN, 0);
	desc.src_addr = SRC + 4096;
	desc.xfer_size = 8;
	expect_no_request(bed, desc, DSA_COMP_HW_ERR1, SRC + 4096);
	/* A record in that memory is only counted. */
	desc = bed_desc(DSA_OPCODE_NOOP, 0);
	desc.completion_addr = SRC + 4096;
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	bed_wait_idle(bed);
	assert_true(mmap(bed_page(bed, FIRST + 1), 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
}

/*
 * The completion record is on a page that is absent: the page is requested, or the record is
 * counted.
 */
static void record_faults(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_NOOP, 0);
	struct iommu_hwpt_pgfault fault;
	struct iof_dsa_stats stats;

	desc.completion_addr = SRC + 64;
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	fault = bed_fault(bed);
	assert_int_equal(fault.addr, SRC);
	assert_int_equal(fault.perm, IOMMU_PGFAULT_PERM_WRITE);
	bed_map1(bed, SRC, FIRST, S1_RWU);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);
	bed_wait_idle(bed);
	assert_int_equal(bed_page(bed, FIRST)[64], DSA_COMP_SUCCESS);

	desc.completion_addr = SRC + 4096;
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	fault = bed_fault(bed);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_INVALID);
	bed_wait_idle(bed);
	iof_dsa_get_stats(bed->dsa, &stats);
	assert_int_equal(stats.sw_errors, 1);
	assert_int_equal(stats.last_sw_error, DSA_COMP_CRA_XLAT);
	desc.flags &= ~IDXD_OP_FLAG_BOF;
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	bed_wait_idle(bed);
	desc.completion_addr = SRC + 8;
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	bed_wait_idle(bed);
	iof_dsa_get_stats(bed->dsa, &stats);
	assert_int_equal(stats.sw_errors, 3);
	assert_int_equal(stats.last_sw_error, DSA_COMP_CRA_ALIGN);
	/*
	 * The record reports the operation's own fault, although the record's page faulted later.
	 */
	bed_set1(bed, SRC, 0);
	assert_ok(bed_invalidate(bed, SRC, 1, 0));
	desc = copy(1ULL << 52, BED_RECORDS + 2048, 8, 0);
	desc.completion_addr = SRC + 64;
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	fault = bed_fault(bed);
	bed_map1(bed, SRC, FIRST, S1_RWU);
	answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);
	bed_wait_idle(bed);
	assert_int_equal(bed_page(bed, FIRST)[64], DSA_COMP_TRANSLATION_FAIL);
	assert_int_equal(((struct dsa_completion_record *)(bed_page(bed, FIRST) + 64))->fault_addr,
			 1ULL << 52);
}

/* ---- many at once ---- */

/*
 * One engine has as many open faults as descriptors fit. The handler answers the last one first;
 * each descriptor gets its own page.
 */
static void many_open(void **state)
{
	struct bed *bed = with(state, (struct iof_dsa_setup){ .queue_depth = 64, .credits = 64 });
	struct iommu_hwpt_pgfault faults[64];
	u32 i, have = 0;

	for (i = 0; i < 64; i++) {
		struct dsa_hw_desc desc = copy(SRC + i * 4096, BED_RECORDS + 2048 + i, 1, i);

		bed_submit(bed, &desc, i);
	}
	while (have < 64) {
		int n = env_read(bed->fault_fd, faults + have, 64 - have);

		assert_true(n >= 0);
		sched_yield();
		have += n;
	}
	for (i = 64; i-- > 0;) {
		u32 nr = (faults[i].addr - SRC) / 4096;

		memset(bed_page(bed, FIRST + nr), nr + 1, 1);
		bed_map1(bed, faults[i].addr, FIRST + nr, S1_RWU);
		answer(bed, &faults[i], IOMMUFD_PAGE_RESP_SUCCESS);
	}
	for (i = 0; i < 64; i++) {
		assert_int_equal(bed_wait(bed, i), DSA_COMP_SUCCESS);
		assert_int_equal(bed_page(bed, BED_RECORD_PAGE)[2048 + i], i + 1);
	}
}

/*
 * Never more requests are open than there are credits. Jobs that wait for a credit get it in order.
 */
static void credits(void **state)
{
	struct bed *bed = with(state, (struct iof_dsa_setup){ .queue_depth = 32, .credits = 3 });
	struct iof_hwdev_stats core;
	struct iof_dsa_stats stats;
	u32 i, next = 0;

	for (i = 0; i < 32; i++) {
		struct dsa_hw_desc desc = copy(SRC + i * 4096, BED_RECORDS + 2048 + i, 1, i);

		bed_submit(bed, &desc, i);
	}
	for (i = 0; i < 32; i++) {
		struct iommu_hwpt_pgfault fault = bed_fault(bed);

		/* All possible requests are open: three, or those that are left. */
		wait_requests(bed, min(i + 3, 32u));
		assert_int_equal(fault.addr, SRC + next++ * 4096);
		bed_map1(bed, fault.addr, FIRST + i, S1_RWU);
		answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);
	}
	for (i = 0; i < 32; i++)
		assert_int_equal(bed_wait(bed, i), DSA_COMP_SUCCESS);
	iof_dsa_get_stats(bed->dsa, &stats);
	assert_true(stats.stalls >= 29);
	iof_hwdev_get_stats(iof_dsa_hwdev(bed->dsa), &core);
	assert_int_equal(core.refused, 0);
	assert_int_equal(core.answered[IOF_PAGE_SUCCESS], 32);
}

/*
 * A group has the missing pages that are neighbours, up to the maximum, with LAST on the last one.
 * One answer serves all.
 */
static void groups_of_pages(void **state)
{
	struct bed *bed = with(state, (struct iof_dsa_setup){ .pages_per_group = 8 });
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_CRCGEN, 0);
	struct iommu_hwpt_pgfault faults[16];
	u32 have = 0, want, i, groups = 0;

	/* The sixth of 20 pages is present: the groups have 5, 8 and 6 pages. */
	bed_map1(bed, SRC + 5 * 4096, FIRST + 5, S1_RWU);
	desc.src_addr = SRC + 77;
	desc.xfer_size = 20 * 4096 - 77;
	bed_submit(bed, &desc, 0);
	for (i = 0; i < 20; groups++) {
		if (i == 5)
			i++;
		want = i < 5 ? 5 : i < 14 ? 8 : 6;
		for (have = 0; have < want;) {
			int n = env_read(bed->fault_fd, faults + have, 16 - have);

			assert_true(n >= 0);
			have += n;
		}
		assert_int_equal(have, want);
		while (have) {
			struct iommu_hwpt_pgfault *f = &faults[want - have];

			assert_int_equal(f->addr, SRC + i * 4096);
			assert_int_equal(f->grpid, faults[0].grpid);
			assert_int_equal(!!(f->flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE), have == 1);
			bed_map1(bed, f->addr, FIRST + i, S1_RWU);
			i++;
			have--;
		}
		answer(bed, &faults[want - 1], IOMMUFD_PAGE_RESP_SUCCESS);
	}
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_SUCCESS);
	assert_int_equal(groups, 3);
	wait_requests(bed, 3);
}

/* There are fewer credits than pages in a group: the groups are smaller, and the job still ends. */
static void groups_and_credits(void **state)
{
	struct bed *bed = with(state, (struct iof_dsa_setup){ .pages_per_group = 8, .credits = 3 });
	struct dsa_hw_desc desc;
	u32 pages = 0, i;

	for (i = 0; i < 4; i++) {
		desc = bed_desc(DSA_OPCODE_CRCGEN, i);
		desc.src_addr = SRC + i * 16 * 4096;
		desc.xfer_size = 16 * 4096;
		bed_submit(bed, &desc, i);
	}
	while (pages < 64) {
		struct iommu_hwpt_pgfault faults[3];
		int n = env_read(bed->fault_fd, faults, 3), k;

		assert_true(n >= 0);
		for (k = 0; k < n; k++) {
			bed_map1(bed, faults[k].addr, FIRST + pages++, S1_RWU);
			if (faults[k].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE)
				answer(bed, &faults[k], IOMMUFD_PAGE_RESP_SUCCESS);
		}
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(bed_wait(bed, i), DSA_COMP_SUCCESS);
}

/* ---- switching and stopping with faults open ---- */

/*
 * Detach answers the open groups INVALID. The descriptors end, and their records cannot be written.
 */
static void detach_with_faults(void **state)
{
	struct bed *bed = with(state, (struct iof_dsa_setup){ .credits = 5 });
	struct iof_dsa_stats stats;
	u32 i;

	for (i = 0; i < 20; i++) {
		struct dsa_hw_desc desc = copy(SRC + i * 4096, BED_RECORDS + 2048 + i, 1, i);

		bed_submit(bed, &desc, i);
	}
	wait_requests(bed, 5);
	iof_device_detach(bed->idev, BED_PASID);
	bed_wait_idle(bed);
	iof_dsa_get_stats(bed->dsa, &stats);
	assert_int_equal(stats.sw_errors, 20);
	assert_int_equal(stats.descriptors, 20);
}

/* Replace answers them, too. Jobs that waited for a credit find the new table. */
static void replace_with_faults(void **state)
{
	struct bed *bed = with(state, (struct iof_dsa_setup){ .credits = 2 });
	int other = bed_alloc_nested(bed, BED_POOL, 0, bed->queue);
	u32 i, ended = 0, done = 0;

	assert_id(other);
	for (i = 0; i < 6; i++) {
		struct dsa_hw_desc desc = copy(SRC + i * 4096, BED_RECORDS + 2048 + i, 1, i);

		bed_submit(bed, &desc, i);
	}
	wait_queued(bed, 2);
	bed_map_range(bed, SRC, FIRST, 6);
	assert_int_equal(env_replace(bed->idev, BED_PASID, other), other);
	for (i = 0; i < 6; i++) {
		u8 status = bed_wait(bed, i);

		ended += status == DSA_COMP_PAGE_FAULT_IR;
		done += status == DSA_COMP_SUCCESS;
	}
	assert_int_equal(ended, 2);
	assert_int_equal(done, 4);
}

/*
 * f12: reset abandons all jobs, waits for no response, and takes new descriptors. Late responses
 * have no effect.
 */
static void reset_with_faults(void **state)
{
	struct bed *bed = with(
		state, (struct iof_dsa_setup){ .queue_depth = 64, .credits = 8, .engines = 2 });
	struct iommu_hwpt_pgfault faults[8];
	struct dsa_hw_desc desc;
	u32 i, have = 0;

	for (i = 0; i < 30; i++) {
		desc = copy(SRC + i * 4096, BED_RECORDS + 2048 + i, 1, i);
		bed_submit(bed, &desc, i);
	}
	desc = bed_desc(DSA_OPCODE_DRAIN, 30);
	bed_submit(bed, &desc, 30);
	while (have < 8) {
		int n = env_read(bed->fault_fd, faults + have, 8 - have);

		assert_true(n >= 0);
		sched_yield();
		have += n;
	}
	iof_dsa_reset(bed->dsa);
	assert_true(iof_dsa_idle(bed->dsa));
	bed_map_range(bed, SRC, FIRST, 1);
	desc = copy(SRC, BED_RECORDS + 2048, 1, 31);
	assert_int_equal(bed_run(bed, &desc, 31), DSA_COMP_SUCCESS);
	desc = bed_desc(DSA_OPCODE_DRAIN, 32);
	assert_int_equal(bed_run(bed, &desc, 32), DSA_COMP_SUCCESS);
	for (i = 0; i < 8; i++)
		answer(bed, &faults[i], IOMMUFD_PAGE_RESP_SUCCESS);
	/* All credits are free: as many requests can be open as before. */
	for (i = 0; i < 8; i++) {
		desc = copy(DST + i * 4096, BED_RECORDS + 2048 + i, 1, 40 + i);
		bed_submit(bed, &desc, 40 + i);
	}
	wait_requests(bed, 16);
	for (i = 0; i < 31; i++)
		assert_int_equal(bed_status(bed, i), 0);
}

/*
 * Resets the device in the middle of work, again and again: descriptors accepted afterwards
 * complete.
 */
static void reset_races(void **state)
{
	struct bed *bed = with(state, (struct iof_dsa_setup){ .queue_depth = 64, .engines = 3 });
	u32 round, i;

	bed_map_range(bed, SRC, FIRST, 64);
	bed_map_range(bed, DST, FIRST + 64, 64);
	for (round = 0; round < 300; round++) {
		for (i = 0; i < 40; i++) {
			struct dsa_hw_desc desc = copy(SRC, DST, 64 * 4096, i);

			if (i % 9 == 8)
				desc = bed_desc(DSA_OPCODE_DRAIN, i);
			else if (i % 7 == 6)
				desc.src_addr = 0x500000000000ULL; /* the access faults */
			if (iof_dsa_submit(bed->dsa, &desc))
				break;
		}
		iof_dsa_reset(bed->dsa);
		if (round % 50 == 49) {
			struct dsa_hw_desc desc = copy(SRC, DST, 4096, 60);

			/* Abandoned requests still hold slots: let the core answer them. */
			iof_device_detach(bed->idev, BED_PASID);
			assert_id(env_attach(bed->idev, BED_PASID, bed->nested));
			assert_int_equal(bed_run(bed, &desc, 60), DSA_COMP_SUCCESS);
		}
	}
}

/* List and children of a batch are absent: all pages are requested, and all jobs complete. */
static void batch_with_faults(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_BATCH, 0), *list;
	u32 count = 100, i, done = 0;

	list = (struct dsa_hw_desc *)bed_page(bed, FIRST);
	for (i = 0; i < count; i++)
		list[i] = copy(SRC + i * 4096, BED_RECORDS + 2048 + i, 1, 1);
	desc.desc_list_addr = DST;
	desc.desc_count = count;
	bed_submit(bed, &desc, 0);
	while (done < count + 2) {
		struct iommu_hwpt_pgfault fault = bed_fault(bed);

		if (fault.addr >= DST)
			bed_map1(bed, fault.addr, FIRST + (fault.addr - DST) / 4096, S1_RWU);
		else
			bed_map1(bed, fault.addr, FIRST + 2 + (fault.addr - SRC) / 4096, S1_RWU);
		answer(bed, &fault, IOMMUFD_PAGE_RESP_SUCCESS);
		done++;
	}
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_SUCCESS);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, count);
}

/* A reset abandons a batch whose children wait for pages, and one whose list waits. */
static void batch_reset(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_BATCH, 0), *list;
	u32 i;

	list = (struct dsa_hw_desc *)bed_page(bed, FIRST);
	bed_map1(bed, DST, FIRST, S1_RWU);
	for (i = 0; i < 64; i++)
		list[i] = copy(SRC + i * 4096, BED_RECORDS + 2048 + i, 1, 1);
	desc.desc_list_addr = DST;
	desc.desc_count = 65;
	bed_submit(bed, &desc, 0);
	wait_requests(bed, 65);
	iof_dsa_reset(bed->dsa);
	assert_true(iof_dsa_idle(bed->dsa));
	assert_int_equal(bed_status(bed, 0), 0);
}

/* The last holder closes the queue: open groups, and later ones, are answered INVALID. */
static void queue_closed(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = copy(SRC, BED_RECORDS + 2048, 1, 0);

	bed_submit(bed, &desc, 0);
	wait_requests(bed, 1);
	assert_ok(iof_sys_close(bed->fault_fd));
	bed->fault_fd = -1;
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_PAGE_FAULT_IR);
}

/* ---- several engines, a handler that enters and takes away, all at once ---- */

struct pager {
	struct bed *bed;
	int stop;
	u32 faults;
};

/*
 * Keeps 24 of 64 pages. Evicts the oldest page, and after the invalidation checks that no DMA
 * writes to it any more.
 */
static void *pager_main(void *arg)
{
	struct pager *p = arg;
	struct bed *bed = p->bed;
	u64 held[24] = { 0 };
	u32 next = 0;

	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
		struct pollfd ready = { .fd = bed->fault_fd, .events = POLLIN };
		struct iommu_hwpt_pgfault fault;
		u64 entry;

		if (iof_sys_pollv(&ready, 1, 10) <= 0)
			continue;
		if (env_read(bed->fault_fd, &fault, 1) != 1)
			continue;
		entry = bed_get1(bed, fault.addr);
		if (!(entry & S1_P)) {
			u32 frame = FIRST + next;

			if (held[next]) {
				bed_set1(bed, held[next], 0);
				assert_ok(bed_invalidate(bed, held[next], 1,
							 IOMMU_VTD_INV_FLAGS_LEAF));
			}
			/*
			 * No DMA may reach the frame now: TSan, or the check below, would find it.
			 */
			memset(bed_page(bed, frame), (fault.addr >> 12) & 63, 4096);
			held[next] = fault.addr;
			bed_map1(bed, fault.addr, frame, S1_P | S1_U);
			next = (next + 1) % 24;
		}
		p->faults++;
		assert_ok(env_answer(bed->fault_fd, fault.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	}
	return NULL;
}

static void paging_under_load(void **state)
{
	struct bed *bed = with(state, (struct iof_dsa_setup){ .queue_depth = 64,
							      .engines = 3,
							      .credits = 16,
							      .pages_per_group = 1 });
	struct pager pager = { .bed = bed };
	u32 round, slot, in[32] = { 0 };
	u8 expect[4096];
	pthread_t thread;

	bed_map_range(bed, DST, FIRST + 64, 32);
	/* Make the tables first: otherwise the pager and this thread would both make them. */
	bed_entry(bed, SRC, 1);
	assert_ok(pthread_create(&thread, NULL, pager_main, &pager));
	for (round = 0; round < 3000; round++) {
		struct dsa_hw_desc desc;

		slot = round % 32;
		if (in[slot]) {
			assert_int_equal(bed_wait(bed, slot), DSA_COMP_SUCCESS);
			memset(expect, in[slot] - 1, 4096);
			assert_memory_equal(bed_page(bed, FIRST + 64 + slot), expect, 4096);
		}
		in[slot] = 1 + (round * 37 + round / 64) % 64;
		desc = copy(SRC + (in[slot] - 1) * 4096, DST + slot * 4096, 4096, slot);
		memset(bed_record(bed, slot), 0, 32);
		while (iof_dsa_submit(bed->dsa, &desc))
			sched_yield();
	}
	for (slot = 0; slot < 32; slot++)
		assert_int_equal(bed_wait(bed, slot), DSA_COMP_SUCCESS);
	__atomic_store_n(&pager.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(pager.faults > 1000);
}

/* ---- a shared address space ---- */

/*
 * The device uses the process's own addresses, and the core makes missing pages present. Requests
 * for bad addresses are answered INVALID.
 */
static void shared_address_space(void **state)
{
	struct bed *bed = *state;
	struct dsa_completion_record *rec;
	u32 size = 9 * 4096, i;
	struct dsa_hw_desc desc;
	u8 *mem;

	mem = mmap(NULL, 32 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(mem != MAP_FAILED);
	for (i = 0; i < size; i += 4096)
		mem[i + 5] = i >> 12;
	assert_ok(iof_device_sva_bind(bed->idev, 7));
	rec = (struct dsa_completion_record *)(mem + 31 * 4096);
	desc = copy((uintptr_t)mem + 5, (uintptr_t)mem + 16 * 4096 + 100, size - 5, 0);
	desc.pasid = 7;
	desc.completion_addr = (uintptr_t)rec;
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	while (!__atomic_load_n((u8 *)&rec->status, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(rec->status, DSA_COMP_SUCCESS);
	assert_memory_equal(mem + 5, mem + 16 * 4096 + 100, size - 5);

	assert_ok(mprotect(mem + 2 * 4096, 4096, PROT_NONE));
	memset(rec, 0, 32);
	bed_wait_idle(bed);
	desc.flags &= ~IDXD_OP_FLAG_RCR;
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	while (!__atomic_load_n((u8 *)&rec->status, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(rec->status, DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(rec->bytes_completed, 2 * 4096 - 5);
	assert_ok(iof_device_sva_unbind(bed->idev, 7));
	munmap(mem, 32 * 4096);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bed_free)
#define OWN(name)  cmocka_unit_test_setup_teardown(name, NULL, bed_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ask_and_resume),
		TEST(success_without_page),
		TEST(answer_invalid),
		TEST(report_mode),
		OWN(no_queue),
		OWN(rid),
		OWN(privileged),
		TEST(translation_errors),
		TEST(memory_gone),
		TEST(record_faults),
		OWN(many_open),
		OWN(credits),
		OWN(groups_of_pages),
		OWN(groups_and_credits),
		OWN(detach_with_faults),
		OWN(replace_with_faults),
		OWN(reset_with_faults),
		OWN(reset_races),
		TEST(batch_with_faults),
		TEST(batch_reset),
		TEST(queue_closed),
		OWN(paging_under_load),
		TEST(shared_address_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
