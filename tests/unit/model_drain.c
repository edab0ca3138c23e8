// SPDX-License-Identifier: MIT
/*
 * Proves that drains end, whatever else is submitted. Drains that are refused for a bad field end
 * before older jobs; the device must still count those.
 */
#include "model_bed.h"

#define SRC   0x10000000ULL
#define DST   0x20000000ULL
#define DEPTH 64u
/*
 * Number of bad drains between two good ones: the distance of two good ones then divides the number
 * of epochs.
 */
#define STEP 8u

static int setup(void **state)
{
	static const struct bed_options options = {
		.dsa = { .name = "dsa", .queue_depth = DEPTH, .engines = 2 },
		.pasid = BED_PASID,
	};

	bed_make(state, &options);
	return 0;
}

/*
 * Submits a drain with a bad field. Returns true if the device took it and refused it for its
 * field.
 */
static bool refused_drain(struct bed *bed, u32 slot)
{
	struct dsa_hw_desc bad = bed_desc(DSA_OPCODE_DRAIN, slot);

	bad.xfer_size = 1;
	memset(bed_record(bed, slot), 0, 32);
	if (iof_dsa_submit(bed->dsa, &bad) == -EAGAIN)
		return false;
	assert_int_not_equal(bed_wait(bed, slot), DSA_COMP_SUCCESS);
	return true;
}

static void refused_drains_do_not_outrun_the_oldest_job(void **state)
{
	struct bed *bed = *state;
	struct dsa_hw_desc stuck = bed_desc(DSA_OPCODE_MEMMOVE, 0), good;
	struct iommu_hwpt_pgfault fault;
	u32 nr_good = 0, i;
	int rc = 0;

	stuck.src_addr = SRC;
	stuck.dst_addr = DST;
	stuck.xfer_size = 64;
	bed_map1(bed, DST, BED_FREE, S1_RWU);
	bed_submit(bed, &stuck, 0);
	fault = bed_fault(bed);
	while (!rc && nr_good < DEPTH - 2) {
		for (i = 1; i < STEP && !rc; i++)
			rc = refused_drain(bed, 1) ? 0 : -EAGAIN;
		if (rc)
			break;
		good = bed_desc(DSA_OPCODE_DRAIN, 2 + nr_good);
		memset(bed_record(bed, 2 + nr_good), 0, 32);
		rc = iof_dsa_submit(bed->dsa, &good);
		nr_good += !rc;
	}
	/* The device is full of drains, and accepts the next ones later. */
	assert_int_equal(rc, -EAGAIN);
	for (i = 0; i < nr_good; i++)
		assert_int_equal(bed_status(bed, 2 + i), 0);

	bed_map1(bed, SRC, BED_FREE + 1, S1_RWU);
	assert_ok(env_answer(bed->fault_fd, fault.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(bed_wait(bed, 0), DSA_COMP_SUCCESS);
	for (i = 0; i < nr_good; i++)
		assert_int_equal(bed_wait(bed, 2 + i), DSA_COMP_SUCCESS);
	bed_wait_idle(bed);
	good = bed_desc(DSA_OPCODE_DRAIN, 1);
	assert_int_equal(bed_run(bed, &good, 1), DSA_COMP_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refused_drains_do_not_outrun_the_oldest_job, setup,
						bed_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
