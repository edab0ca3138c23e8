// SPDX-License-Identifier: MIT
/*
 * model_dsa.c - proves each operation of the DMA engine against an independent computation, across
 * page borders, sizes and alignments. Also proves the content of completion records, batches,
 * fences and drains.
 */
#include "model_bed.h"

#define SRC	  0x100000000000ULL
#define DST	  0x200000000000ULL
#define LIST	  0x300000000000ULL
#define PAGES	  24u
#define SRC_PAGE  BED_FREE
#define DST_PAGE  (BED_FREE + PAGES)
#define LIST_PAGE (BED_FREE + 2 * PAGES)

static int setup_engines(void **state, u32 engines)
{
	struct bed_options options = {
		.dsa = { .name = "dsa", .engines = engines, .queue_depth = 256 },
		.pasid = BED_PASID,
	};
	struct bed *bed = bed_make(state, &options);
	u32 i;

	/* Neighbours in the source space are no neighbours in the pool. */
	for (i = 0; i < PAGES; i++) {
		bed_map1(bed, SRC + i * 4096, SRC_PAGE + (i * 7) % PAGES, S1_RWU);
		bed_map1(bed, DST + i * 4096, DST_PAGE + (i * 5) % PAGES, S1_RWU);
	}
	bed_map_range(bed, LIST, LIST_PAGE, 16);
	return 0;
}

static int setup(void **state)
{
	return setup_engines(state, 1);
}

static int setup_many(void **state)
{
	return setup_engines(state, 4);
}

/* Returns a byte of the source or destination as the device sees it. */
static u8 *at(struct bed *bed, u64 iova)
{
	u64 entry = bed_get1(bed, iova & ~4095ULL);

	return bed_page(bed, ((entry & 0xffffffffff000ULL) - BED_POOL) / 4096) + (iova & 4095);
}

static void fill(struct bed *bed, u64 iova, u32 n, u32 seed)
{
	u32 i;

	for (i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		*at(bed, iova + i) = seed >> 16;
	}
}

static const u32 sizes[] = { 1, 7, 8, 63, 64, 100, 4095, 4096, 4097, 8192, 20000, 65536 };
static const u32 offsets[] = { 0, 1, 8, 4000, 4095 };

#define FOR_SHAPES(size, a, b)                                                 \
	for (u32 i_ = 0; i_ < ARRAY_SIZE(sizes); i_++)                         \
		for (u32 j_ = 0; j_ < ARRAY_SIZE(offsets); j_++)               \
			for (u32 k_ = 0, size = sizes[i_], a = offsets[j_], b; \
			     k_ < ARRAY_SIZE(offsets) && ((b = offsets[k_]), true); k_++)

static void memmove_copies(void **state)
{
	struct bed *bed = *state;

	FOR_SHAPES(size, a, b)
	{
		struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_MEMMOVE, 0);
		u32 i;

		fill(bed, SRC + a, size, size + a);
		fill(bed, DST, PAGES * 4096, 99);
		desc.src_addr = SRC + a;
		desc.dst_addr = DST + b;
		desc.xfer_size = size;
		*at(bed, DST + b + size) = 0x5a;
		if (b)
			*at(bed, DST + b - 1) = 0xa5;
		assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
		assert_int_equal(bed_record(bed, 0)->bytes_completed, size);
		for (i = 0; i < size; i++)
			assert_int_equal(*at(bed, SRC + a + i), *at(bed, DST + b + i));
		assert_int_equal(*at(bed, DST + b + size), 0x5a);
		if (b)
			assert_int_equal(*at(bed, DST + b - 1), 0xa5);
	}
}

/* Overlapping copies in both directions, by few and by many bytes, have the result of memmove(). */
static void memmove_overlap(void **state)
{
	static const int shifts[] = { 1, 8, 100, 4095, 4096, 4097, 10000 };
	struct bed *bed = *state;
	u32 size = 12345, i, s;
	u8 *model = malloc(PAGES * 4096);

	for (s = 0; s < 2 * ARRAY_SIZE(shifts); s++) {
		int shift = s & 1 ? -shifts[s / 2] : shifts[s / 2];
		struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_MEMMOVE, 0);

		fill(bed, SRC, PAGES * 4096, s);
		for (i = 0; i < PAGES * 4096; i++)
			model[i] = *at(bed, SRC + i);
		memmove(model + 20001 + shift, model + 20001, size);
		desc.src_addr = SRC + 20001;
		desc.dst_addr = SRC + 20001 + shift;
		desc.xfer_size = size;
		assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
		for (i = 0; i < PAGES * 4096; i++)
			assert_int_equal(model[i], *at(bed, SRC + i));
	}
	free(model);
}

/* Source and destination are different addresses of the same memory. */
static void memmove_alias(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_MEMMOVE, 0);
	u8 model[4096];

	bed_map1(bed, DST, SRC_PAGE, S1_RWU);
	fill(bed, SRC, 4096, 3);
	memcpy(model, bed_page(bed, SRC_PAGE), 4096);
	memmove(model + 100, model, 3000);
	desc.src_addr = SRC;
	desc.dst_addr = DST + 100;
	desc.xfer_size = 3000;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	assert_memory_equal(bed_page(bed, SRC_PAGE), model, 4096);
}

static void memfill(void **state)
{
	struct bed *bed = *state;
	u64 pattern = 0x1122334455667788ULL;

	FOR_SHAPES(size, a, b)
	{
		struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_MEMFILL, 0);
		u32 i;

		pattern = pattern * 3 + a;
		desc.pattern = pattern;
		desc.dst_addr = DST + b;
		desc.xfer_size = size;
		*at(bed, DST + b + size) = 0x5a;
		assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
		for (i = 0; i < size; i++)
			assert_int_equal(*at(bed, DST + b + i), (u8)(pattern >> 8 * (i % 8)));
		assert_int_equal(*at(bed, DST + b + size), 0x5a);
	}
}

static void compare(void **state)
{
	struct bed *bed = *state;

	FOR_SHAPES(size, a, b)
	{
		struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_COMPARE, 0);
		u32 i, where = (size * 5 + a) % size;

		fill(bed, SRC + a, size, size);
		for (i = 0; i < size; i++)
			*at(bed, DST + b + i) = *at(bed, SRC + a + i);
		desc.src_addr = SRC + a;
		desc.src2_addr = DST + b;
		desc.xfer_size = size;
		assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
		assert_int_equal(bed_record(bed, 0)->result, 0);
		assert_int_equal(bed_record(bed, 0)->bytes_completed, size);
		*at(bed, DST + b + where) ^= 0x10;
		assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
		assert_int_equal(bed_record(bed, 0)->result, 1);
		assert_int_equal(bed_record(bed, 0)->bytes_completed, where);
	}
}

/* With a check of the result, the status is success or "false predicate". */
static void compare_expected(void **state)
{
	struct bed *bed = *state;
	u8 same, expected;

	for (same = 0; same < 2; same++) {
		for (expected = 0; expected < 2; expected++) {
			struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_COMPARE, 0);

			*at(bed, SRC) = 7;
			*at(bed, DST) = same ? 7 : 8;
			desc.src_addr = SRC;
			desc.src2_addr = DST;
			desc.xfer_size = 1;
			desc.flags |= IDXD_OP_FLAG_CR;
			desc.expected_res = expected;
			assert_int_equal(bed_run(bed, &desc, 0), expected == !same ?
									 DSA_COMP_SUCCESS :
									 DSA_COMP_SUCCESS_PRED);
			assert_int_equal(bed_record(bed, 0)->result, !same);
		}
	}
}

/* ---- CRC: bit by bit, most significant first, as the polynomial is written down ---- */

static u32 mirror(u32 x, int bits)
{
	u32 out = 0;
	int i;

	for (i = 0; i < bits; i++)
		if (x >> i & 1)
			out |= 1u << (bits - 1 - i);
	return out;
}

static u32 slow_crc(struct bed *bed, u64 iova, u32 n, u32 seed, bool bypass_invert,
		    bool bypass_reflect)
{
	u32 reg = bypass_invert ? seed : mirror(~seed, 32), i;
	int bit;

	for (i = 0; i < n; i++) {
		u8 byte = *at(bed, iova + i);

		reg ^= (bypass_reflect ? byte : mirror(byte, 8)) << 24;
		for (bit = 0; bit < 8; bit++)
			reg = reg & 0x80000000 ? reg << 1 ^ 0x1edc6f41 : reg << 1;
	}
	return bypass_invert ? reg : ~mirror(reg, 32);
}

static void crc(void **state)
{
	struct bed *bed = *state;
	u32 copy, how;

	FOR_SHAPES(size, a, b)
	{
		how = (size + a + b) & 3;
		for (copy = 0; copy < 2; copy++) {
			struct dsa_hw_desc desc =
				bed_desc(copy ? DSA_OPCODE_COPY_CRC : DSA_OPCODE_CRCGEN, 0);
			u32 i;

			fill(bed, SRC + a, size, size * 3 + b);
			desc.src_addr = SRC + a;
			desc.dst_addr = copy ? DST + b : 0;
			desc.xfer_size = size;
			desc.crc_seed = size * 0x01234567 + b;
			desc.flags |= (how & 1 ? 0x20000 : 0) | (how & 2 ? 0x40000 : 0);
			assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
			assert_int_equal(bed_record(bed, 0)->crc_val,
					 slow_crc(bed, SRC + a, size, desc.crc_seed, how & 1,
						  how & 2));
			for (i = 0; copy && i < size; i++)
				assert_int_equal(*at(bed, SRC + a + i), *at(bed, DST + b + i));
		}
	}
}

/* Checks the well-known check value, a CRC in two parts, and a seed read from memory. */
static void crc_known(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_CRCGEN, 0);
	const char *text = "123456789";
	u32 i;

	for (i = 0; i < 9; i++)
		*at(bed, SRC + 4090 + i) = text[i];
	desc.src_addr = SRC + 4090;
	desc.xfer_size = 9;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	assert_int_equal(bed_record(bed, 0)->crc_val, 0xe3069283);

	desc.xfer_size = 4;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	memcpy(at(bed, DST + 8), (void *)&bed_record(bed, 0)->crc_val, 4);
	desc.src_addr += 4;
	desc.xfer_size = 5;
	desc.flags |= 0x10000;
	desc.seed_addr = DST + 8;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	assert_int_equal(bed_record(bed, 0)->crc_val, 0xe3069283);
}

/* ---- records and interrupts ---- */

/* RCR requests a record. Without it only failures write one; without CRAV there is none. */
static void record_when_asked(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_NOOP, 0);
	struct iof_dsa_stats stats;

	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	desc.flags &= ~IDXD_OP_FLAG_RCR;
	bed_submit(bed, &desc, 0);
	bed_wait_idle(bed);
	assert_int_equal(bed_status(bed, 0), 0);
	desc.opcode = 0x77;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_BAD_OPCODE);
	desc.flags = 0;
	bed_submit(bed, &desc, 0);
	bed_wait_idle(bed);
	assert_int_equal(bed_status(bed, 0), 0);
	iof_dsa_get_stats(bed->dsa, &stats);
	assert_int_equal(stats.sw_errors, 1);
	assert_int_equal(stats.last_sw_error, DSA_COMP_BAD_OPCODE);
	assert_int_equal(stats.descriptors, 4);
	assert_int_equal(stats.errors, 2);
}

static void count_interrupt(void *data, u32 nr)
{
	__atomic_add_fetch((int *)data, (int)nr, __ATOMIC_RELEASE);
}

/*
 * Each completion that requested an interrupt counts in one call, after its record; others do not.
 */
static void interrupts(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_NOOP, 0);
	int count = 0;

	iof_dsa_set_interrupt(bed->dsa, count_interrupt, &count);
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	desc.flags |= IDXD_OP_FLAG_RCI;
	bed_submit(bed, &desc, 0);
	while (!__atomic_load_n(&count, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(bed_status(bed, 0), DSA_COMP_SUCCESS);
	bed_wait_idle(bed);
	assert_int_equal(count, 1);
	/* Many at once: some may share a call, and none is lost. */
	for (int i = 0; i < 200; i++)
		bed_submit(bed, &desc, 0);
	while (__atomic_load_n(&count, __ATOMIC_ACQUIRE) < 201)
		sched_yield();
	bed_wait_idle(bed);
	assert_int_equal(count, 201);
	iof_dsa_set_interrupt(bed->dsa, NULL, NULL);
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	bed_wait_idle(bed);
	assert_int_equal(count, 201);
}

/* ---- batches and drains ---- */

static struct dsa_hw_desc *list(struct bed *bed)
{
	return (struct dsa_hw_desc *)bed_page(bed, LIST_PAGE);
}

static struct dsa_hw_desc batch_of(u32 slot, u32 count)
{
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_BATCH, slot);

	desc.desc_list_addr = LIST;
	desc.desc_count = count;
	return desc;
}

/*
 * A batch has more children than there are slots for them. Each child does its part, with the
 * batch's PASID instead of its own.
 */
static void batch(void **state)
{
	struct bed *bed = *state;
	u32 count = 768, i;
	struct dsa_hw_desc desc = batch_of(0, count);

	fill(bed, SRC, PAGES * 4096, 1);
	for (i = 0; i < count; i++) {
		struct dsa_hw_desc *child = &list(bed)[i];

		*child = bed_desc(DSA_OPCODE_MEMMOVE, 1 + i % 100);
		child->flags &= ~IDXD_OP_FLAG_RCR;
		child->pasid = 77;
		child->src_addr = SRC + i * 128;
		child->dst_addr = DST + i * 128;
		child->xfer_size = 128;
	}
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, count);
	for (i = 0; i < PAGES * 4096; i++)
		assert_int_equal(*at(bed, SRC + i), *at(bed, DST + i));
}

/* A child that fails makes the batch fail, after all children have ended. */
static void batch_with_failure(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = batch_of(0, 5);
	u32 i;

	for (i = 0; i < 5; i++) {
		list(bed)[i] = bed_desc(i == 2 ? 0x66 : DSA_OPCODE_NOOP, 1 + i);
		memset(bed_record(bed, 1 + i), 0, 32);
	}
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_BATCH_FAIL);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 5);
	for (i = 0; i < 5; i++)
		assert_int_equal(bed_status(bed, 1 + i),
				 i == 2 ? DSA_COMP_BAD_OPCODE : DSA_COMP_SUCCESS);
}

/*
 * Each child doubles the bytes that the one before it wrote: the result is right only if each fence
 * waits.
 */
static void batch_fence(void **state)
{
	struct bed *bed = *state;
	u32 count = 16, i;
	struct dsa_hw_desc desc = batch_of(0, count);

	*at(bed, SRC) = 0x42;
	for (i = 0; i < count; i++) {
		struct dsa_hw_desc *child = &list(bed)[i];

		*child = bed_desc(DSA_OPCODE_MEMMOVE, 1 + i);
		child->src_addr = SRC;
		child->dst_addr = SRC + (1 << i);
		child->xfer_size = 1 << i;
		child->flags |= IDXD_OP_FLAG_FENCE;
	}
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_SUCCESS);
	for (i = 0; i < 1u << count; i++)
		assert_int_equal(*at(bed, SRC + i), 0x42);
}

/*
 * After a failure a fence ends the batch: the descriptors behind it are abandoned, without records.
 */
static void batch_fence_after_failure(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = batch_of(0, 4);
	u32 i;

	for (i = 0; i < 4; i++) {
		list(bed)[i] = bed_desc(i == 1 ? 0x66 : DSA_OPCODE_NOOP, 1 + i);
		memset(bed_record(bed, 1 + i), 0, 32);
	}
	list(bed)[2].flags |= IDXD_OP_FLAG_FENCE;
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_BATCH_FAIL);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 2);
	assert_int_equal(bed_status(bed, 1), DSA_COMP_SUCCESS);
	assert_int_equal(bed_status(bed, 2), DSA_COMP_BAD_OPCODE);
	assert_int_equal(bed_status(bed, 3), 0);
	assert_int_equal(bed_status(bed, 4), 0);
}

/*
 * A batch or a drain inside a batch is refused. A list that cannot be read ends the batch after the
 * descriptors that were read.
 */
static void batch_of_nonsense(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = batch_of(0, 2);

	list(bed)[0] = bed_desc(DSA_OPCODE_DRAIN, 1);
	list(bed)[1] = batch_of(2, 2);
	memset(bed_record(bed, 1), 0, 64);
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_BATCH_FAIL);
	assert_int_equal(bed_status(bed, 1), DSA_COMP_BAD_OPCODE);
	assert_int_equal(bed_status(bed, 2), DSA_COMP_BAD_OPCODE);

	/* The second of the two descriptors lies behind the mapped pages. */
	desc.desc_list_addr = LIST + 16 * 4096 - 64;
	desc.flags &= ~IDXD_OP_FLAG_BOF;
	*(struct dsa_hw_desc *)(bed_page(bed, LIST_PAGE + 16) - 64) = bed_desc(DSA_OPCODE_NOOP, 1);
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_BATCH_PAGE_FAULT);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 1);
	assert_int_equal(bed_record(bed, 0)->fault_addr, LIST + 16 * 4096);
}

#define STORM_BATCHES  16u
#define STORM_CHILDREN 64u
#define STORM_BYTES    (PAGES * 4096 / STORM_BATCHES / STORM_CHILDREN)

/* Checks that each child of batch @k copied its part. */
static void expect_children_done(struct bed *bed, u32 k)
{
	u32 first = k * STORM_CHILDREN * STORM_BYTES, i;

	assert_int_equal(bed_status(bed, k), DSA_COMP_SUCCESS);
	assert_int_equal(bed_record(bed, k)->bytes_completed, STORM_CHILDREN);
	for (i = first; i < first + STORM_CHILDREN * STORM_BYTES; i++)
		assert_int_equal(*at(bed, DST + i), *at(bed, SRC + i));
}

static void submit_storm(struct bed *bed)
{
	u32 i;

	for (i = 0; i < STORM_BATCHES * STORM_CHILDREN; i++) {
		struct dsa_hw_desc *child = &list(bed)[i];

		*child = bed_desc(DSA_OPCODE_MEMMOVE, 0);
		child->flags &= ~(IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_CRAV);
		child->src_addr = SRC + i * STORM_BYTES;
		child->dst_addr = DST + i * STORM_BYTES;
		child->xfer_size = STORM_BYTES;
	}
	for (i = 0; i < STORM_BATCHES; i++) {
		struct dsa_hw_desc desc = batch_of(i, STORM_CHILDREN);

		desc.desc_list_addr += i * STORM_CHILDREN * sizeof(desc);
		bed_submit(bed, &desc, i);
	}
}

/*
 * A batch's record says that all its children are complete, and nothing about other batches, which
 * may end in any order. After a drain all are complete, so that a reset abandons none.
 */
static void batches_in_a_storm(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc drain = bed_desc(DSA_OPCODE_DRAIN, STORM_BATCHES);
	u32 rounds = 60, round, k, left;
	struct iof_dsa_stats stats;

	for (round = 0; round < rounds; round++) {
		bool seen[STORM_BATCHES] = {};

		fill(bed, SRC, PAGES * 4096, round);
		submit_storm(bed);
		bed_submit(bed, &drain, STORM_BATCHES);
		for (left = STORM_BATCHES; left;) {
			/* Check the last batches first: they may have overtaken others. */
			for (k = STORM_BATCHES; k--;) {
				if (seen[k] || !bed_status(bed, k))
					continue;
				expect_children_done(bed, k);
				seen[k] = true;
				left--;
			}
			if (bed_status(bed, STORM_BATCHES))
				for (k = 0; k < STORM_BATCHES; k++)
					assert_int_equal(bed_status(bed, k), DSA_COMP_SUCCESS);
			sched_yield();
		}
		assert_int_equal(bed_wait(bed, STORM_BATCHES), DSA_COMP_SUCCESS);
		iof_dsa_reset(bed->dsa);
		iof_dsa_get_stats(bed->dsa, &stats);
		assert_int_equal(stats.descriptors,
				 (round + 1) * (STORM_BATCHES * (STORM_CHILDREN + 1) + 1));
		assert_int_equal(stats.errors, 0);
	}
}

/* A child with an unwritable completion record counts as failed for its batch. */
static void batch_with_lost_record(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = batch_of(0, 3);
	struct iof_dsa_stats stats;
	u32 i;

	for (i = 0; i < 3; i++)
		list(bed)[i] = bed_desc(DSA_OPCODE_NOOP, 1 + i);
	list(bed)[1].completion_addr = 0x600000000000ULL; /* no memory is mapped there */
	list(bed)[1].flags &= ~IDXD_OP_FLAG_BOF;
	memset(bed_record(bed, 1), 0, 3 * 32);
	assert_int_equal(bed_run(bed, &desc, 0), DSA_COMP_BATCH_FAIL);
	assert_int_equal(bed_record(bed, 0)->bytes_completed, 3);
	assert_int_equal(bed_status(bed, 3), DSA_COMP_SUCCESS);
	bed_wait_idle(bed);
	iof_dsa_get_stats(bed->dsa, &stats);
	assert_int_equal(stats.sw_errors, 1);
	assert_int_equal(stats.last_sw_error, DSA_COMP_CRA_XLAT);
	assert_int_equal(stats.errors, 2);
}

/* A drain ends only after all jobs before it, also with several engines and several drains. */
static void drain(void **state)
{
	struct bed *bed = *state;
	u32 round, i;

	fill(bed, SRC, PAGES * 4096, 5);
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 60; i++) {
			struct dsa_hw_desc desc =
				bed_desc(i % 20 == 19 ? DSA_OPCODE_DRAIN : DSA_OPCODE_MEMMOVE, i);

			if (desc.opcode == DSA_OPCODE_MEMMOVE) {
				desc.src_addr = SRC;
				desc.dst_addr = DST + i;
				desc.xfer_size = 1000 * (i % 20 + 1);
			}
			bed_submit(bed, &desc, i);
		}
		for (i = 0; i < 60; i++) {
			if (i % 20 == 19)
				assert_int_equal(bed_wait(bed, i), DSA_COMP_SUCCESS);
			/*
			 * All descriptors before this drain, earlier drains included, are complete.
			 */
			if (i % 20 == 19)
				for (u32 j = 0; j < i; j++)
					assert_int_equal(bed_status(bed, j), DSA_COMP_SUCCESS);
		}
	}
}

/*
 * The portal takes as many descriptors as the queue is deep, and takes more when those are
 * complete.
 */
static void portal_full(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc desc = bed_desc(DSA_OPCODE_MEMMOVE, 0);
	u32 i;

	/* no memory is mapped there: each descriptor waits for its page */
	desc.src_addr = 0x600000000000ULL;
	desc.dst_addr = DST;
	desc.xfer_size = 1;
	for (i = 0; i < 256; i++)
		assert_ok(iof_dsa_submit(bed->dsa, &desc));
	assert_err(iof_dsa_submit(bed->dsa, &desc), EAGAIN);
	assert_false(iof_dsa_idle(bed->dsa));
	iof_device_detach(bed->idev, BED_PASID);
	bed_wait_idle(bed);
	assert_ok(iof_dsa_submit(bed->dsa, &desc));
	bed_wait_idle(bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memmove_copies, setup, bed_free),
		cmocka_unit_test_setup_teardown(memmove_overlap, setup, bed_free),
		cmocka_unit_test_setup_teardown(memmove_alias, setup, bed_free),
		cmocka_unit_test_setup_teardown(memfill, setup, bed_free),
		cmocka_unit_test_setup_teardown(compare, setup, bed_free),
		cmocka_unit_test_setup_teardown(compare_expected, setup, bed_free),
		cmocka_unit_test_setup_teardown(crc, setup, bed_free),
		cmocka_unit_test_setup_teardown(crc_known, setup, bed_free),
		cmocka_unit_test_setup_teardown(record_when_asked, setup, bed_free),
		cmocka_unit_test_setup_teardown(interrupts, setup, bed_free),
		cmocka_unit_test_setup_teardown(batch, setup, bed_free),
		cmocka_unit_test_setup_teardown(batch_with_failure, setup, bed_free),
		cmocka_unit_test_setup_teardown(batch_fence, setup, bed_free),
		cmocka_unit_test_setup_teardown(batch_fence_after_failure, setup, bed_free),
		cmocka_unit_test_setup_teardown(batch_of_nonsense, setup, bed_free),
		cmocka_unit_test_setup_teardown(batch_with_lost_record, setup, bed_free),
		cmocka_unit_test_setup_teardown(batches_in_a_storm, setup, bed_free),
		cmocka_unit_test_setup_teardown(drain, setup, bed_free),
		cmocka_unit_test_setup_teardown(portal_full, setup, bed_free),
		cmocka_unit_test_setup_teardown(batch, setup_many, bed_free),
		cmocka_unit_test_setup_teardown(batch_fence, setup_many, bed_free),
		cmocka_unit_test_setup_teardown(batches_in_a_storm, setup_many, bed_free),
		cmocka_unit_test_setup_teardown(drain, setup_many, bed_free),
		cmocka_unit_test_setup_teardown(portal_full, setup_many, bed_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
