// SPDX-License-Identifier: MIT
/*
 * model_descriptors.c - proves that a malformed descriptor gets the status that names its first
 * fault in the order of the table in dsa_ops.c, before any other effect. Also proves that the
 * engine ends any 64 bytes and works on, and that a failed creation of an engine leaves nothing.
 */
#include "model_bed.h"

#define SRC 0x100000000000ULL
#define DST 0x200000000000ULL

static int setup(void **state)
{
	struct bed_options options = {
		.dsa = { .name = "dsa", .engines = 2 },
		.pasid = BED_PASID,
		.no_queue = true,
	};
	struct bed *bed = bed_make(state, &options);

	bed_map_range(bed, SRC, BED_FREE, 8);
	bed_map_range(bed, DST, BED_FREE + 8, 8);
	return 0;
}

/* Returns a good descriptor of each kind, which a test then spoils. */
static struct dsa_hw_desc good(u8 opcode)
{
	struct dsa_hw_desc desc = bed_desc(opcode, 0);

	if (opcode == DSA_OPCODE_NOOP || opcode == DSA_OPCODE_DRAIN)
		return desc;
	desc.src_addr = SRC;
	desc.xfer_size = opcode == DSA_OPCODE_BATCH ? 2 : 256;
	if (opcode != DSA_OPCODE_BATCH && opcode != DSA_OPCODE_CRCGEN)
		desc.dst_addr = DST;
	return desc;
}

static const u8 opcodes[] = {
	DSA_OPCODE_NOOP,    DSA_OPCODE_BATCH,	DSA_OPCODE_DRAIN,  DSA_OPCODE_MEMMOVE,
	DSA_OPCODE_MEMFILL, DSA_OPCODE_COMPARE, DSA_OPCODE_CRCGEN, DSA_OPCODE_COPY_CRC,
};

static bool needs_record(u8 opcode)
{
	return opcode == DSA_OPCODE_COMPARE || opcode == DSA_OPCODE_CRCGEN ||
	       opcode == DSA_OPCODE_COPY_CRC;
}

static void expect(struct bed *bed, struct dsa_hw_desc desc, u8 status)
{
	assert_int_equal(bed_run(bed, &desc, 0), status);
}

/* Runs the good descriptors, so that the following tests prove something. */
static void good_ones_work(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc *list = (struct dsa_hw_desc *)bed_page(bed, BED_FREE);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		list[0] = list[1] = bed_desc(DSA_OPCODE_NOOP, 1);
		expect(bed, good(opcodes[i]), DSA_COMP_SUCCESS);
	}
}

static void row_opcode(void **state)
{
	struct bed *bed = *state;
	u32 op, i;

	for (op = 0; op < 256; op++) {
		bool known = false;

		for (i = 0; i < ARRAY_SIZE(opcodes); i++)
			known = known || opcodes[i] == op;
		if (!known)
			expect(bed, good(op), DSA_COMP_BAD_OPCODE);
	}
}

/* The record names each flag that an operation does not have. All operations accept hints. */
static void row_flags(void **state)
{
	const u32 hints = IDXD_OP_FLAG_CC | IDXD_OP_FLAG_ADDR1_TCS | IDXD_OP_FLAG_CR_TCS |
			  IDXD_OP_FLAG_STORD | IDXD_OP_FLAG_DSTS;
	struct bed *bed = *state;
	struct dsa_hw_desc *list = (struct dsa_hw_desc *)bed_page(bed, BED_FREE);
	u32 i, bit;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		bool crc = opcodes[i] == DSA_OPCODE_CRCGEN || opcodes[i] == DSA_OPCODE_COPY_CRC;
		u32 bad = 0xf80041 | (crc ? 0 : 0x70000) |
			  (opcodes[i] == DSA_OPCODE_COMPARE ? 0 : IDXD_OP_FLAG_CR);
		struct dsa_hw_desc desc = good(opcodes[i]);

		list[0] = list[1] = bed_desc(DSA_OPCODE_NOOP, 1);
		desc.flags |= hints;
		expect(bed, desc, DSA_COMP_SUCCESS);
		for (bit = 0; bit < 24; bit++) {
			if (!(bad >> bit & 1))
				continue;
			desc = good(opcodes[i]);
			desc.flags |= 1u << bit;
			expect(bed, desc, DSA_COMP_INVALID_FLAGS);
			assert_int_equal(bed_record(bed, 0)->invalid_flags, 1u << bit);
		}
	}
}

/*
 * Tries each byte of the operation-specific part that an operation does not use, and the other
 * fields.
 */
static void row_reserved(void **state)
{
	struct bed *bed = *state;
	u32 i, byte;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		bool crc = opcodes[i] == DSA_OPCODE_CRCGEN || opcodes[i] == DSA_OPCODE_COPY_CRC;
		struct dsa_hw_desc desc;

		for (byte = crc ? 4 : 0; byte < 24; byte++) {
			desc = good(opcodes[i]);
			desc.op_specific[byte] = 1;
			expect(bed, desc, DSA_COMP_NOZERO_RESERVE);
		}
		desc = good(opcodes[i]);
		desc.rsvd = 1;
		expect(bed, desc, DSA_COMP_NOZERO_RESERVE);
		desc = good(opcodes[i]);
		desc.rsvd1 = 1;
		expect(bed, desc, DSA_COMP_NOZERO_RESERVE);
		desc = good(opcodes[i]);
		desc.int_handle = 1;
		desc.flags |= IDXD_OP_FLAG_RCI;
		expect(bed, desc, DSA_COMP_INT_HANDLE_INVAL);
	}
	for (i = 0; i < 3; i += 2) {
		struct dsa_hw_desc desc = good(opcodes[i]);

		desc.src_addr = SRC;
		expect(bed, desc, DSA_COMP_NOZERO_RESERVE);
		desc = good(opcodes[i]);
		desc.xfer_size = 1;
		expect(bed, desc, DSA_COMP_NOZERO_RESERVE);
	}
	struct dsa_hw_desc desc = good(DSA_OPCODE_COMPARE);

	desc.flags |= IDXD_OP_FLAG_CR;
	desc.expected_res = 2;
	expect(bed, desc, DSA_COMP_NOZERO_RESERVE);
}

/*
 * Expects the status, as expect(), of a descriptor that would write. Checks that it wrote to
 * neither buffer.
 */
static void refused(struct bed *bed, struct dsa_hw_desc desc, u8 status)
{
	u32 i;

	memset(bed_page(bed, BED_FREE), 's', 4096);
	memset(bed_page(bed, BED_FREE + 8), 0, 4096);
	expect(bed, desc, status);
	for (i = 0; i < 4096; i++) {
		assert_int_equal(bed_page(bed, BED_FREE)[i], 's');
		assert_int_equal(bed_page(bed, BED_FREE + 8)[i], 0);
	}
}

/* Expects what refused() does, if no record can be written: the error is counted. */
static void unreported(struct bed *bed, struct dsa_hw_desc desc, u8 status)
{
	struct iof_dsa_stats before, after;
	u32 i;

	memset(bed_page(bed, BED_FREE), 's', 4096);
	memset(bed_page(bed, BED_FREE + 8), 0, 4096);
	memset(bed_page(bed, BED_RECORD_PAGE), 0, 4096);
	iof_dsa_get_stats(bed->dsa, &before);
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	bed_wait_idle(bed);
	iof_dsa_get_stats(bed->dsa, &after);
	assert_int_equal(after.sw_errors, before.sw_errors + 1);
	assert_int_equal(after.last_sw_error, status);
	for (i = 0; i < 4096; i++) {
		assert_int_equal(bed_page(bed, BED_FREE + 8)[i], 0);
		assert_int_equal(bed_page(bed, BED_RECORD_PAGE)[i], 0);
	}
}

/*
 * Tries each address that is no multiple of 32, for each operation, with and without a record of
 * success.
 */
static void row_record(void **state)
{
	struct bed *bed = *state;
	u32 i, off;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		for (off = 1; off < 32; off++) {
			struct dsa_hw_desc desc = good(opcodes[i]);

			desc.completion_addr += off;
			if (off & 1 && !needs_record(opcodes[i]))
				desc.flags &= ~IDXD_OP_FLAG_RCR;
			unreported(bed, desc, DSA_COMP_CRA_ALIGN);
		}
	}
	/* Without CRAV the field has no meaning. */
	struct dsa_hw_desc desc = good(DSA_OPCODE_MEMMOVE);

	desc.completion_addr += 8;
	desc.flags &= ~(IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR);
	memset(bed_page(bed, BED_FREE), 's', 4096);
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	bed_wait_idle(bed);
	assert_int_equal(bed_page(bed, BED_FREE + 8)[0], 's');
}

/* Runs a batch of a NOOP and @desc, and returns the status of @desc. */
static u8 in_batch(struct bed *bed, struct dsa_hw_desc desc)
{
	struct dsa_hw_desc *list = (struct dsa_hw_desc *)bed_page(bed, BED_FREE + 4);
	struct dsa_hw_desc batch = good(DSA_OPCODE_BATCH);
	u8 status;

	memset(bed_record(bed, 1), 0, 64);
	list[0] = bed_desc(DSA_OPCODE_NOOP, 1);
	list[1] = desc;
	list[1].completion_addr += 2 * 32;
	batch.desc_list_addr = SRC + 4 * 4096;
	status = bed_run(bed, &batch, 0);
	assert_int_equal(bed_status(bed, 1), DSA_COMP_SUCCESS);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 2);
	assert_int_equal(status, bed_status(bed, 2) == DSA_COMP_SUCCESS ? DSA_COMP_SUCCESS :
									  DSA_COMP_BATCH_FAIL);
	return bed_status(bed, 2);
}

static void row_nested(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(in_batch(bed, good(DSA_OPCODE_BATCH)), DSA_COMP_BAD_OPCODE);
	assert_int_equal(in_batch(bed, good(DSA_OPCODE_DRAIN)), DSA_COMP_BAD_OPCODE);
	assert_int_equal(in_batch(bed, good(DSA_OPCODE_MEMMOVE)), DSA_COMP_SUCCESS);
}

/* A child is checked as any other descriptor, and the batch reports its failure. */
static void checks_in_batch(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_MEMMOVE);

	memset(bed_page(bed, BED_FREE), 's', 4096);
	memset(bed_page(bed, BED_FREE + 8), 0, 4096);
	desc.completion_addr += 8;
	assert_int_equal(in_batch(bed, desc), 0);
	desc = good(DSA_OPCODE_MEMMOVE);
	desc.rsvd = 1;
	assert_int_equal(in_batch(bed, desc), DSA_COMP_NOZERO_RESERVE);
	desc = good(DSA_OPCODE_MEMMOVE);
	desc.xfer_size = 0;
	assert_int_equal(in_batch(bed, desc), DSA_COMP_XFER_ERANGE);
	assert_int_equal(bed_page(bed, BED_FREE + 8)[0], 0);
}

static void row_fence(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_MEMMOVE);

	desc.flags |= IDXD_OP_FLAG_FENCE;
	refused(bed, desc, DSA_COMP_INVALID_FLAGS);
	assert_int_equal(bed_record(bed, 0)->invalid_flags, IDXD_OP_FLAG_FENCE);
	assert_int_equal(in_batch(bed, desc), DSA_COMP_SUCCESS);
}

static void row_record_flag(void **state)
{
	struct bed *bed = *state;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct dsa_hw_desc desc = good(opcodes[i]);

		desc.flags &= ~IDXD_OP_FLAG_CRAV;
		unreported(bed, desc, DSA_COMP_INVALID_FLAGS);
	}
}

/* An operation with a result needs the record for it. */
static void row_needed_flags(void **state)
{
	struct bed *bed = *state;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct dsa_hw_desc desc = good(opcodes[i]);

		if (!needs_record(opcodes[i]))
			continue;
		desc.flags &= ~IDXD_OP_FLAG_RCR;
		refused(bed, desc, DSA_COMP_INVALID_FLAGS);
		assert_int_equal(bed_record(bed, 0)->invalid_flags, IDXD_OP_FLAG_RCR);
		desc.flags &= ~IDXD_OP_FLAG_CRAV;
		unreported(bed, desc, DSA_COMP_INVALID_FLAGS);
	}
}

/* The RID is attached, too: without privilege the descriptor is good. */
static void row_privilege(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_MEMMOVE);

	assert_int_equal(env_attach(bed->idev, IOF_NO_PASID, bed->nested), bed->nested);
	desc.pasid = 0;
	expect(bed, desc, DSA_COMP_SUCCESS);
	desc.priv = 1;
	refused(bed, desc, DSA_COMP_PRIV_BAD);
	iof_device_detach(bed->idev, IOF_NO_PASID);
}

static void row_interrupt(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_MEMMOVE);

	desc.int_handle = 1;
	desc.flags |= IDXD_OP_FLAG_RCI;
	refused(bed, desc, DSA_COMP_INT_HANDLE_INVAL);
}

static void row_list_address(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_BATCH);
	u32 off;

	for (off = 1; off < 64; off++) {
		desc.desc_list_addr = SRC + off;
		refused(bed, desc, DSA_COMP_DESCLIST_ALIGN);
	}
}

static void row_list_count(void **state)
{
	static const u32 bad[] = { 0, 1, IOF_DSA_MAX_BATCH + 1, 1u << 31, ~0u };
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_BATCH);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		desc.desc_count = bad[i];
		refused(bed, desc, DSA_COMP_DESC_CNT_ERANGE);
		assert_int_equal(bed_record(bed, 0)->bytes_completed, 0);
	}
}

/*
 * A list that ends with the last address cannot be read here. A list that goes on from 0 is
 * refused.
 */
static void row_list_end(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_BATCH);

	desc.desc_list_addr = -128ULL;
	refused(bed, desc, DSA_COMP_BATCH_PAGE_FAULT);
	desc.desc_count = 3;
	refused(bed, desc, DSA_COMP_DESC_CNT_ERANGE);
}

static void row_size(void **state)
{
	struct bed *bed = *state;
	u32 i;

	for (i = 3; i < ARRAY_SIZE(opcodes); i++) {
		struct dsa_hw_desc desc = good(opcodes[i]);

		desc.xfer_size = 0;
		refused(bed, desc, DSA_COMP_XFER_ERANGE);
		desc.xfer_size = IOF_DSA_MAX_XFER + 1;
		refused(bed, desc, DSA_COMP_XFER_ERANGE);
	}
}

/* 256 bytes from -256 end with the last address. From -255 they go on past it. */
static void row_end(void **state)
{
	struct bed *bed = *state;
	u32 i;

	for (i = 3; i < ARRAY_SIZE(opcodes); i++) {
		struct dsa_hw_desc desc = good(opcodes[i]);

		if (opcodes[i] != DSA_OPCODE_MEMFILL) {
			desc.src_addr = -256ULL;
			refused(bed, desc, DSA_COMP_PAGE_FAULT_NOBOF);
			desc.src_addr = -255ULL;
			refused(bed, desc, DSA_COMP_XFER_ERANGE);
		}
		desc = good(opcodes[i]);
		if (opcodes[i] != DSA_OPCODE_CRCGEN) {
			desc.dst_addr = -255ULL;
			refused(bed, desc, DSA_COMP_XFER_ERANGE);
		}
	}
}

static void row_overlap(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_COPY_CRC);

	desc.dst_addr = SRC + 255;
	refused(bed, desc, DSA_COMP_OVERLAP_BUFFERS);
	desc.src_addr = SRC + 511;
	desc.dst_addr = SRC + 256;
	refused(bed, desc, DSA_COMP_OVERLAP_BUFFERS);
	desc.src_addr = SRC;
	expect(bed, desc, DSA_COMP_SUCCESS);
}

static void row_seed(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = good(DSA_OPCODE_COPY_CRC);
	u32 off;

	desc.flags |= 0x10000;
	for (off = 1; off < 4; off++) {
		desc.seed_addr = SRC + off;
		refused(bed, desc, DSA_COMP_ADDR_ALIGN);
	}
	desc.seed_addr = SRC + 4;
	expect(bed, desc, DSA_COMP_SUCCESS);
}

/*
 * Every field of the descriptor is wrong: the first row of the table gives the status. After that
 * field is mended, the next row does.
 */
static void order(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = {
		.opcode = 0x66,
		.priv = 1,
		.rsvd = 1,
		.int_handle = 1,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCI | IDXD_OP_FLAG_FENCE | 0x10000,
		.src_addr = SRC,
		.dst_addr = SRC,
		.completion_addr = BED_RECORDS + 8,
	};

	desc.seed_addr = SRC + 1;
	assert_int_equal(env_attach(bed->idev, IOF_NO_PASID, bed->nested), bed->nested);
	unreported(bed, desc, DSA_COMP_CRA_ALIGN);
	desc.completion_addr = BED_RECORDS;
	refused(bed, desc, DSA_COMP_PRIV_BAD);
	desc.priv = 0;
	refused(bed, desc, DSA_COMP_BAD_OPCODE);
	desc.opcode = DSA_OPCODE_COPY_CRC;
	refused(bed, desc, DSA_COMP_INVALID_FLAGS);
	assert_int_equal(bed_record(bed, 0)->invalid_flags, IDXD_OP_FLAG_FENCE);
	desc.flags &= ~IDXD_OP_FLAG_FENCE;
	refused(bed, desc, DSA_COMP_INVALID_FLAGS);
	assert_int_equal(bed_record(bed, 0)->invalid_flags, IDXD_OP_FLAG_RCR);
	desc.flags |= IDXD_OP_FLAG_RCR;
	refused(bed, desc, DSA_COMP_INT_HANDLE_INVAL);
	desc.int_handle = 0;
	refused(bed, desc, DSA_COMP_NOZERO_RESERVE);
	desc.rsvd = 0;
	refused(bed, desc, DSA_COMP_XFER_ERANGE);
	desc.xfer_size = 256;
	refused(bed, desc, DSA_COMP_OVERLAP_BUFFERS);
	desc.dst_addr = DST;
	refused(bed, desc, DSA_COMP_ADDR_ALIGN);
	desc.seed_addr = SRC;
	expect(bed, desc, DSA_COMP_SUCCESS);
	iof_device_detach(bed->idev, IOF_NO_PASID);
}

/*
 * Submits random bytes, and good descriptors with some bytes spoilt: all end, and the engine still
 * works.
 */
static void garbage(void **state)
{
	struct bed *bed = *state;
	const char *given = getenv("IOF_SEED");
	u64 seed = given ? strtoull(given, NULL, 0) : 99;
	struct iof_dsa_stats stats;
	u32 round, i;

	print_message("IOF_SEED=%llu\n", (unsigned long long)seed);
	for (round = 0; round < 20000; round++) {
		struct dsa_hw_desc desc = good(opcodes[round % ARRAY_SIZE(opcodes)]);
		u8 *bytes = (u8 *)&desc;

		for (i = 0; i < 64; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			if (round % 3 == 0 || (seed >> 40) % 16 == 0)
				bytes[i] = seed >> 33;
		}
		/* Skip large sizes: a gigabyte through two pages takes long and proves no more. */
		if (desc.opcode >= DSA_OPCODE_MEMMOVE)
			desc.xfer_size &= 0x80007fff;
		while (iof_dsa_submit(bed->dsa, &desc))
			sched_yield();
	}
	bed_wait_idle(bed);
	iof_dsa_get_stats(bed->dsa, &stats);
	assert_true(stats.descriptors >= 20000);
	/* The descriptors have overwritten pages of the pool, but not its tables. */
	bed_map1(bed, BED_RECORDS, BED_RECORD_PAGE, S1_RWU);
	expect(bed, good(DSA_OPCODE_MEMMOVE), DSA_COMP_SUCCESS);
}

/* ---- making one ---- */

static void bad_config(void **state)
{
	static const struct iof_dsa_setup bad[] = {
		{ .name = "x", .credits = IOF_DSA_MAX_CREDITS + 1 },
		{ .name = "x", .engines = IOF_DSA_MAX_ENGINES + 1 },
		{ .name = "x", .queue_depth = IOF_DSA_MAX_QUEUE + 1 },
		{ .name = "x", .max_pasids = IOF_DSA_MAX_PASIDS + 1 },
		{ .name = "x", .pages_per_group = IOF_DSA_MAX_GROUP + 1 },
	};
	struct iof_live live;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(PTR_ERR(iof_dsa_create(&bad[i], NULL)), -EINVAL);
	iof_sys_settle();
	iof_shim_live(&live);
	assert_int_equal(live.objects, 0);
}

/* If memory runs out at any step, no part of the device is left. */
static void no_memory(void **state)
{
	const struct iof_dsa_setup config = { .name = "x", .engines = 2 };
	struct iof_live live;
	struct iof_dsa *dsa;
	unsigned long n;

	(void)state;
	for (n = 1;; n++) {
		iof_fail_nth_thread(IOF_FAIL_ALLOC, n, false);
		dsa = iof_dsa_create(&config, NULL);
		iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
		if (!IS_ERR(dsa))
			break;
		assert_int_equal(PTR_ERR(dsa), -ENOMEM);
		iof_sys_settle();
		iof_shim_live(&live);
		assert_int_equal(live.objects, 0);
	}
	assert_true(n > 10);
	iof_dsa_destroy(dsa);
	iof_sys_settle();
	iof_shim_live(&live);
	assert_int_equal(live.objects, 0);
}

/* Checks the device's hardware information. */
static void hardware_info(void **state)
{
	struct bed *bed = *state;
	struct iof_hwdev *dev = iof_dsa_hwdev(bed->dsa);
	const struct iommu_hw_info_vtd *info;
	u32 type = IOMMU_HW_INFO_TYPE_DEFAULT, len = 0;

	info = dev->ops->hw_info(dev, &type, &len);
	assert_int_equal(type, IOMMU_HW_INFO_TYPE_INTEL_VTD);
	assert_int_equal(len, sizeof(*info));
	assert_int_equal((info->cap_reg >> 16 & 0x3f) + 1, 48); /* 48-bit input addresses */
	assert_int_equal(info->cap_reg >> 8 & 0x1f, 4);		/* four levels of tables */
	assert_int_equal(info->cap_reg >> 34 & 3, 3);		/* leaves of 2 MiB and 1 GiB */
	/* nested translation is supported */
	assert_true(info->ecap_reg & 1ULL << 26);
	assert_true(info->ecap_reg & 1ULL << 29);		 /* page requests are supported */
	assert_true(info->ecap_reg & 1ULL << 40);		 /* PASIDs are supported */
	assert_int_equal((info->ecap_reg >> 35 & 0x1f) + 1, 20); /* PASIDs have 20 bits */
	type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
	assert_int_equal(PTR_ERR(dev->ops->hw_info(dev, &type, &len)), -EOPNOTSUPP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bed_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_ones_work),
		/* The order is that of the table of checks. */
		TEST(row_record),
		TEST(row_privilege),
		TEST(row_opcode),
		TEST(row_nested),
		TEST(row_flags),
		TEST(row_fence),
		TEST(row_record_flag),
		TEST(row_needed_flags),
		TEST(row_interrupt),
		TEST(row_reserved),
		TEST(row_list_address),
		TEST(row_list_count),
		TEST(row_list_end),
		TEST(row_size),
		TEST(row_end),
		TEST(row_overlap),
		TEST(row_seed),
		TEST(order),
		TEST(checks_in_batch),
		TEST(garbage),
		cmocka_unit_test(bad_config),
		cmocka_unit_test(no_memory),
		TEST(hardware_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
