// SPDX-License-Identifier: MIT
/*
 * one_fault.c - proves the shortest complete path: one page request of one device makes the queue
 * readable, is read, gets a response, and the device gets the answer once. All other tests build on
 * this.
 */
#include "abi.h"

static void one_fault_goes_the_whole_way(void **state)
{
	struct iof_world *world = abi_world(NULL, 0);
	struct iommu_hwpt_pgfault rec;
	struct iof_test_stats stats;
	struct abi_mock mock;
	int fd, ioas, hwpt, ffd;
	uint32_t fault;

	(void)state;
	fd = abi_iommu(world);
	ioas = abi_ioas(fd);
	assert_id(ioas);
	assert_ok(abi_mock(fd, ioas, 0, &mock));
	assert_ok(abi_fault_queue(fd, &fault, &ffd));
	hwpt = abi_hwpt_fault(fd, mock.idev, ioas, 0, fault);
	assert_id(hwpt);
	assert_ok(abi_mock_replace(fd, &mock, hwpt));

	assert_int_equal(abi_readable(ffd), 0);
	assert_int_equal(abi_read_one(ffd, &rec), 0);
	assert_ok(abi_trigger(fd, mock.idev, 0, 7, IOMMU_PGFAULT_PERM_WRITE, IOVA + 123));
	assert_int_equal(abi_readable(ffd), 1);
	memset(&rec, 0xff, sizeof(rec));
	assert_int_equal(abi_read_one(ffd, &rec), sizeof(rec));
	assert_int_equal(rec.flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	assert_int_equal(rec.dev_id, mock.idev);
	assert_int_equal(rec.pasid, 0);
	assert_int_equal(rec.grpid, 7);
	assert_int_equal(rec.perm, IOMMU_PGFAULT_PERM_WRITE);
	assert_int_equal(rec.__reserved, 0);
	assert_int_equal(rec.addr, IOVA + 123);
	assert_int_equal(rec.length, 0);
	assert_int_not_equal(rec.cookie, 0);
	assert_int_equal(abi_readable(ffd), 0);

	assert_ok(abi_answer(ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_err(abi_answer(ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	if (!abi_stats(fd, mock.idev, &stats)) {
		assert_int_equal(stats.requests, 1);
		assert_int_equal(stats.groups, 1);
		assert_int_equal(stats.success, 1);
		assert_int_equal(stats.invalid + stats.failure, 0);
		assert_int_equal(stats.refused + stats.swept, 0);
	} else {
		assert_false(abi_ours());
	}

	assert_ok(abi_destroy(fd, mock.stdev));
	assert_ok(abi_destroy(fd, hwpt));
	assert_err(abi_destroy(fd, fault), EBUSY);
	assert_ok(iof_close(ffd));
	assert_ok(abi_destroy(fd, fault));
	assert_ok(abi_destroy(fd, ioas));
	assert_ok(iof_close(fd));
	abi_world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_fault_goes_the_whole_way),
	};

	return cmocka_run_group_tests_name("one_fault", tests, NULL, NULL);
}
