// SPDX-License-Identifier: MIT
/*
 * mock.c - proves the rules of the test ioctls, in the form in which Linux's own tests use them,
 * and of our own test ioctls.
 */
#include "abi.h"

#include <pthread.h>
#include <sys/mman.h>

struct fix {
	struct iof_world *world;
	int fd, ioas;
	void *memory;
};

#define MEMORY (64 * PAGE)

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = abi_world(NULL, 0);
	f.fd = abi_iommu(f.world);
	f.ioas = abi_ioas(f.fd);
	f.memory = aligned_alloc(1 << 20, 2 << 20);
	if (!f.memory)
		return -1;
	memset(f.memory, 1, 2 << 20);
	return f.ioas > 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int rc = iof_close(f->fd) | iof_world_close(f->world);

	free(f->memory);
	return rc;
}

static int raw(struct fix *f, uint32_t op, uint32_t id)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd), .op = op, .id = id };

	return iof_ioctl(f->fd, IOMMU_TEST_CMD, &cmd);
}

/* Ids on a fresh context are in this order: IOAS 1, then test device, bound device, HWPT. */
static void ids_come_in_the_known_order(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;

	assert_int_equal(f->ioas, 1);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_int_equal(mock.stdev, 2);
	assert_int_equal(mock.idev, 3);
	assert_int_equal(mock.hwpt, 4);
	/* Only the owner ends bound devices and automatic HWPTs. */
	assert_err(abi_destroy(f->fd, mock.idev), EBUSY);
	assert_err(abi_destroy(f->fd, mock.hwpt), EBUSY);
	assert_err(abi_destroy(f->fd, f->ioas), EBUSY);
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_err(abi_destroy(f->fd, mock.idev), ENOENT);
	assert_err(abi_destroy(f->fd, mock.hwpt), ENOENT);
	assert_ok(abi_destroy(f->fd, f->ioas));
}

static void wrong_ids_and_flags_are_refused(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock, good;

	assert_err(abi_mock(f->fd, 0, 0, &mock), ENOENT);
	assert_err(abi_mock(f->fd, 77, 0, &mock), ENOENT);
	assert_err(abi_mock(f->fd, f->ioas, 8, &mock), EINVAL);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &good));
	/* The failures above have left no object: the ids are the first ones. */
	assert_int_equal(good.stdev, 2);
	mock = good;
	mock.stdev = 77;
	assert_err(abi_mock_replace(f->fd, &mock, f->ioas), ENOENT);
	mock.stdev = f->ioas;
	assert_err(abi_mock_replace(f->fd, &mock, f->ioas), ENOENT);
	assert_err(abi_mock_replace(f->fd, &good, 77), ENOENT);
	assert_err(raw(f, 0, 0), EOPNOTSUPP);
	assert_err(raw(f, 999, 0), EOPNOTSUPP);
	assert_err(raw(f, 0xffffffff, 0), EOPNOTSUPP);
}

/* The last word of the struct belongs to its minimum. */
static void the_command_has_its_length(void **state)
{
	struct fix *f = *state;
	struct iommu_test_cmd cmd = {
		.size = 67,
		.op = IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
		.memory_limit = { .limit = 65536 },
	};
	struct {
		struct iommu_test_cmd cmd;
		uint64_t tail;
	} longer = { .cmd = cmd, .tail = 0 };

	assert_err(iof_ioctl(f->fd, IOMMU_TEST_CMD, &cmd), EINVAL);
	cmd.size = 68;
	assert_ok(iof_ioctl(f->fd, IOMMU_TEST_CMD, &cmd));
	longer.cmd.size = sizeof(longer);
	assert_ok(iof_ioctl(f->fd, IOMMU_TEST_CMD, &longer));
	longer.tail = 1;
	assert_err(iof_ioctl(f->fd, IOMMU_TEST_CMD, &longer), E2BIG);
	cmd.memory_limit.limit = 11;
	assert_err(iof_ioctl(f->fd, IOMMU_TEST_CMD, &cmd), EINVAL);
}

static void replace_moves_the_device(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;
	int hwpt;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	hwpt = abi_hwpt(f->fd, mock.idev, f->ioas, 0);
	assert_id(hwpt);
	assert_ok(abi_mock_replace(f->fd, &mock, hwpt));
	assert_err(abi_destroy(f->fd, hwpt), EBUSY);
	/* The automatic HWPT existed only for the attachment. */
	assert_err(abi_destroy(f->fd, mock.hwpt), ENOENT);
	assert_ok(abi_mock_replace(f->fd, &mock, hwpt));
	assert_ok(abi_mock_replace(f->fd, &mock, f->ioas));
	assert_ok(abi_destroy(f->fd, hwpt));
}

static void hw_info_is_the_tests_own(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock, pasid;
	struct iommu_test_hw_info info[2] = { { 0 } };
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.data_len = sizeof(info),
		.data_uptr = (uintptr_t)info,
	};

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_PASID, &pasid));
	memset(info, 0xff, sizeof(info));
	cmd.dev_id = mock.idev;
	assert_ok(iof_ioctl(f->fd, IOMMU_GET_HW_INFO, &cmd));
	assert_int_equal(cmd.out_data_type, IOMMU_HW_INFO_TYPE_SELFTEST);
	assert_int_equal(cmd.data_len, sizeof(*info));
	assert_int_equal(cmd.out_max_pasid_log2, 0);
	assert_int_equal(info[0].flags, 0);
	assert_int_equal(info[0].test_reg, IOMMU_HW_INFO_SELFTEST_REGVAL);
	/* The fields that the driver does not fill are zero. */
	assert_int_equal(info[1].flags | info[1].test_reg, 0);

	cmd.dev_id = pasid.idev;
	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	cmd.in_data_type = IOMMU_HW_INFO_TYPE_SELFTEST;
	assert_ok(iof_ioctl(f->fd, IOMMU_GET_HW_INFO, &cmd));
	assert_int_equal(cmd.out_max_pasid_log2, MOCK_PASID_WIDTH);
	cmd.in_data_type = IOMMU_HW_INFO_TYPE_INTEL_VTD;
	assert_err(iof_ioctl(f->fd, IOMMU_GET_HW_INFO, &cmd), EOPNOTSUPP);
}

static void check_map_sees_what_is_mapped(void **state)
{
	struct fix *f = *state;
	char *memory = f->memory;
	struct abi_mock mock;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_map(f->fd, f->ioas, memory, MEMORY, IOVA));
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA, MEMORY, memory));
	/* I/O pages are half a page long. */
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA + MOCK_PAGE_SIZE, MOCK_PAGE_SIZE,
				memory + MOCK_PAGE_SIZE));
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA + 1024, 2048, memory + 1024), EINVAL);
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, memory + PAGE), EINVAL);
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA + MEMORY, PAGE, memory), EINVAL);
	assert_err(abi_check_map(f->fd, mock.hwpt, -PAGE, 2 * PAGE, memory), EINVAL);
	assert_err(abi_check_map(f->fd, f->ioas, IOVA, PAGE, memory), ENOENT);
	assert_err(abi_check_map(f->fd, 77, 1, 3, memory), ENOENT);
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, NULL), EFAULT);

	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, MEMORY));
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, memory), EINVAL);
	/* A table that is allocated later gets the existing mappings. */
	assert_ok(abi_map(f->fd, f->ioas, memory, MEMORY, IOVA));
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA, MEMORY, memory));
}

static int check_refs(struct fix *f, void *memory, uint32_t refs)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_CHECK_REFS,
		.check_refs = { .length = MEMORY, .uptr = (uintptr_t)memory, .refs = refs },
	};

	return iof_ioctl(f->fd, IOMMU_TEST_CMD, &cmd);
}

/* b29: a page is pinned once, while it has a user. */
static void check_refs_counts_pins(void **state)
{
	struct fix *f = *state;
	/* Pins of huge pages are not checked. */
	char *memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct abi_mock mock, second;

	assert_ptr_not_equal(memory, MAP_FAILED);
	madvise(memory, MEMORY, MADV_NOHUGEPAGE);
	assert_ok(check_refs(f, memory, 0));
	assert_ok(abi_map(f->fd, f->ioas, memory, MEMORY, IOVA));
	assert_ok(check_refs(f, memory, 0));
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(check_refs(f, memory, 1));
	assert_err(check_refs(f, memory, 0), EIO);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &second));
	assert_ok(check_refs(f, memory, 1));
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_ok(check_refs(f, memory, 1));
	assert_ok(abi_destroy(f->fd, second.stdev));
	assert_ok(check_refs(f, memory, 0));
	assert_err(check_refs(f, memory + 1, 0), EINVAL);
	assert_err(check_refs(f, NULL, 0), EFAULT);
	munmap(memory, MEMORY);
}

/* Outside of the aperture no address can be mapped. */
static void the_aperture_is_kept(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_err(abi_map(f->fd, f->ioas, f->memory, PAGE, MOCK_APERTURE_START - PAGE), EINVAL);
	assert_err(abi_map(f->fd, f->ioas, f->memory, PAGE, MOCK_APERTURE_LAST + 1ul), EINVAL);
	assert_ok(abi_map(f->fd, f->ioas, f->memory, PAGE, MOCK_APERTURE_START));
	assert_ok(abi_map(f->fd, f->ioas, f->memory, PAGE, MOCK_APERTURE_LAST + 1ul - PAGE));
	/* The smallest page is half a CPU page, so that half a page can be mapped. */
	assert_ok(abi_map(f->fd, f->ioas, f->memory, MOCK_PAGE_SIZE, IOVA));
	assert_err(abi_map(f->fd, f->ioas, f->memory, MOCK_PAGE_SIZE / 2, IOVA + PAGE), EINVAL);
}

/* Large I/O pages show the same addresses as small ones. */
static void huge_pages_translate_alike(void **state)
{
	struct fix *f = *state;
	char *memory = f->memory;
	struct abi_mock mock;

	if (abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_HUGE_IOVA, &mock) == -EINVAL)
		skip();
	assert_ok(abi_map(f->fd, f->ioas, memory, 2 << 20, IOVA));
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA, 2 << 20, memory));
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, memory + (1 << 20)), EINVAL);
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, 2 << 20));
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, memory), EINVAL);
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA + (1 << 20), PAGE, memory), EINVAL);
}

static int invalidate(struct fix *f, uint32_t hwpt, uint32_t type, uint32_t entry_len,
		      uint32_t *entry_num, const void *entries)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.data_uptr = (uintptr_t)entries,
		.data_type = type,
		.entry_len = entry_len,
		.entry_num = *entry_num,
	};
	int rc = iof_ioctl(f->fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*entry_num = cmd.entry_num;
	return rc;
}

static void nested_data_and_its_cache(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_selftest data[2] = { { .iotlb = 5 } };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_uptr = (uintptr_t)data,
	};
	struct iommu_hwpt_invalidate_selftest inv[3] = {
		{ .iotlb_id = 1 },
		{ .flags = IOMMU_TEST_INVALIDATE_FLAG_ALL },
		{ .iotlb_id = MOCK_NESTED_DOMAIN_IOTLB_ID_MAX + 1 },
	};
	const uint32_t type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST;
	struct abi_mock mock;
	uint32_t n, len;
	int parent, hwpt;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	parent = abi_hwpt(f->fd, mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_id(parent);
	cmd.dev_id = mock.idev;
	cmd.pt_id = parent;
	for (len = 1; len <= 9; len++) {
		int want = len >= 4 && len <= 8 ? 0 : -EINVAL;

		cmd.data_len = len;
		/* Linux 6.12 refuses this, and later kernels accept it. */
		if (!want && len != 4 && !abi_ours())
			continue;
		assert_int_equal(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), want);
		if (!want)
			assert_ok(abi_destroy(f->fd, cmd.out_hwpt_id));
	}
	cmd.data_len = 4;
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EOPNOTSUPP);
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	cmd.data_uptr = 0;
	assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EFAULT);

	hwpt = abi_hwpt_nested(f->fd, mock.idev, parent, 0, 0, 5);
	assert_id(hwpt);
	assert_err(abi_destroy(f->fd, parent), EBUSY);
	for (n = 0; n < MOCK_NESTED_DOMAIN_IOTLB_NUM; n++)
		assert_ok(abi_check_iotlb(f->fd, hwpt, n, 5));
	assert_err(abi_check_iotlb(f->fd, hwpt, 0, 4), EINVAL);
	assert_err(abi_check_iotlb(f->fd, hwpt, n, 5), EINVAL);
	assert_err(abi_check_iotlb(f->fd, parent, 0, 5), ENOENT);

	n = 0;
	assert_ok(invalidate(f, hwpt, type, sizeof(*inv), &n, NULL));
	assert_err(invalidate(f, hwpt, IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID, 8, &n, NULL),
		   EINVAL);
	n = 1;
	assert_err(invalidate(f, hwpt, type, sizeof(*inv) + 4, &n, inv), EINVAL);
	assert_int_equal(n, 0);
	n = 1;
	assert_ok(invalidate(f, hwpt, type, sizeof(*inv), &n, inv));
	assert_int_equal(n, 1);
	assert_ok(abi_check_iotlb(f->fd, hwpt, 0, 5));
	assert_ok(abi_check_iotlb(f->fd, hwpt, 1, 0));
	/* Two entries are done before the bad one. */
	n = 3;
	assert_err(invalidate(f, hwpt, type, sizeof(*inv), &n, inv), EINVAL);
	assert_int_equal(n, 2);
	assert_ok(abi_check_iotlb(f->fd, hwpt, 3, 0));
	inv[0].flags = 2;
	n = 1;
	assert_err(invalidate(f, hwpt, type, sizeof(*inv), &n, inv), EOPNOTSUPP);
}

static int check_cache(struct fix *f, uint32_t idev, uint32_t id, uint32_t word)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_DEV_CHECK_CACHE,
		.id = idev,
		.check_dev_cache = { .id = id, .cache = word },
	};

	return iof_ioctl(f->fd, IOMMU_TEST_CMD, &cmd);
}

/* Test programs of later releases read each word of each device that they make. */
static void the_cache_of_a_device_holds_its_default(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock, second;
	uint32_t i;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	if (check_cache(f, mock.idev, 0, IOMMU_TEST_DEV_CACHE_DEFAULT) == -EOPNOTSUPP &&
	    !abi_ours())
		skip();
	assert_ok(abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &second));
	for (i = 0; i < MOCK_DEV_CACHE_NUM; i++) {
		assert_ok(check_cache(f, mock.idev, i, IOMMU_TEST_DEV_CACHE_DEFAULT));
		assert_ok(check_cache(f, second.idev, i, IOMMU_TEST_DEV_CACHE_DEFAULT));
		assert_err(check_cache(f, mock.idev, i, 0), EINVAL);
		assert_err(check_cache(f, mock.idev, i, IOMMU_TEST_DEV_CACHE_DEFAULT + 1), EINVAL);
	}
	assert_err(check_cache(f, mock.idev, i, IOMMU_TEST_DEV_CACHE_DEFAULT), EINVAL);
	assert_err(check_cache(f, mock.idev, UINT32_MAX, IOMMU_TEST_DEV_CACHE_DEFAULT), EINVAL);
	/* The id must be that of the bound device. */
	assert_err(check_cache(f, mock.stdev, 0, IOMMU_TEST_DEV_CACHE_DEFAULT), ENOENT);
	assert_err(check_cache(f, f->ioas, 0, IOMMU_TEST_DEV_CACHE_DEFAULT), ENOENT);
	assert_err(check_cache(f, 0, 0, IOMMU_TEST_DEV_CACHE_DEFAULT), ENOENT);
	assert_err(check_cache(f, 77, 4, 0), ENOENT);
	assert_ok(abi_destroy(f->fd, second.stdev));
	assert_err(check_cache(f, second.idev, 0, IOMMU_TEST_DEV_CACHE_DEFAULT), ENOENT);
}

static void trigger_reports_success_always(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_err(abi_trigger(f->fd, 77, 0, 0, 0, 0), ENOENT);
	assert_err(abi_trigger(f->fd, mock.stdev, 0, 0, 0, 0), ENOENT);
	/* The device has no listener. */
	assert_ok(abi_trigger(f->fd, mock.idev, 0, 0, 0, 0));
	assert_ok(abi_trigger(f->fd, mock.idev, 9, 0, 0, 0));
	if (abi_ours()) {
		struct iof_test_stats stats;

		assert_ok(abi_stats(f->fd, mock.idev, &stats));
		assert_int_equal(stats.groups, 2);
		assert_int_equal(stats.invalid, 2);
		assert_int_equal(stats.refused, 2);
	}
}

/* Records reach the reader with the values that the device sent, even bad ones. */
static void faults_are_passed_through(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec;
	struct abi_mock mock;
	uint32_t fault;
	int ffd, parent, hwpt;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_fault_queue(f->fd, &fault, &ffd));
	parent = abi_hwpt(f->fd, mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	hwpt = abi_hwpt_nested(f->fd, mock.idev, parent, 0, fault, IOMMU_TEST_IOTLB_DEFAULT);
	assert_id(hwpt);
	assert_ok(abi_mock_replace(f->fd, &mock, hwpt));
	/* The PASID has no attachment: the user's nested table has a PASID table of its own. */
	assert_ok(abi_trigger(f->fd, mock.idev, 0xfffff, 0xffffffff, 0xffffffff, UINT64_MAX));
	assert_int_equal(abi_read_one(ffd, &rec), sizeof(rec));
	assert_int_equal(rec.flags,
			 IOMMU_PGFAULT_FLAGS_PASID_VALID | IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	assert_int_equal(rec.pasid, 0xfffff);
	assert_int_equal(rec.grpid, 0xffffffff);
	assert_int_equal(rec.perm, 0xffffffff);
	assert_true(rec.addr == UINT64_MAX);
	assert_ok(abi_answer(ffd, rec.cookie, IOMMUFD_PAGE_RESP_INVALID));
	assert_ok(iof_close(ffd));
}

/* Our own op: groups of several pages, in order, with LAST on the final page only. */
static void page_requests_of_one_group_come_together(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec[4];
	struct abi_mock mock;
	uint32_t fault, i;
	int ffd, hwpt;

	if (!abi_ours())
		skip();
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_fault_queue(f->fd, &fault, &ffd));
	hwpt = abi_hwpt_fault(f->fd, mock.idev, f->ioas, 0, fault);
	assert_ok(abi_mock_replace(f->fd, &mock, hwpt));
	for (i = 0; i < 2; i++)
		assert_ok(abi_page_req(f->fd, mock.idev, 0, 0, 4, IOVA + i * PAGE));
	assert_int_equal(abi_readable(ffd), 0);
	assert_ok(abi_page_req(f->fd, mock.idev, IOMMU_PGFAULT_FLAGS_LAST_PAGE, 0, 4,
			       IOVA + 2 * PAGE));
	assert_int_equal(abi_readable(ffd), 1);
	assert_err((int)iof_read(ffd, rec, 2 * sizeof(*rec)), EINVAL);
	assert_int_equal(iof_read(ffd, rec, sizeof(rec)), 3 * sizeof(*rec));
	for (i = 0; i < 3; i++) {
		assert_int_equal(rec[i].addr, IOVA + i * PAGE);
		assert_int_equal(rec[i].flags, i == 2 ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0);
		assert_int_equal(rec[i].cookie, rec[0].cookie);
	}
	assert_ok(abi_answer(ffd, rec[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_ok(iof_close(ffd));
}

/* Does the steps of Linux's own tests of PASIDs. */
static void pasids_attach_replace_and_detach(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock, plain;
	int plain_hwpt, a, b;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &plain));
	if (abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_PASID, &mock) == -EINVAL)
		skip();
	plain_hwpt = abi_hwpt(f->fd, mock.idev, f->ioas, 0);
	a = abi_hwpt(f->fd, mock.idev, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	b = abi_hwpt(f->fd, mock.idev, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_id(b);

	/* The RID's table must have the PASID flag first. */
	assert_err(abi_pasid_attach(f->fd, &mock, 1, a), EINVAL);
	assert_ok(abi_mock_replace(f->fd, &mock, a));
	assert_ok(abi_pasid_check(f->fd, &mock, 1, 0));
	assert_ok(abi_pasid_attach(f->fd, &mock, 1, a));
	assert_ok(abi_pasid_check(f->fd, &mock, 1, a));
	assert_err(abi_pasid_check(f->fd, &mock, 1, 0), EINVAL);
	assert_err(abi_pasid_check(f->fd, &mock, 1, b), EINVAL);
	assert_err(abi_pasid_attach(f->fd, &mock, 1, b), EBUSY);
	/* While a PASID is in use, the RID cannot be moved to a table without the flag. */
	assert_err(abi_mock_replace(f->fd, &mock, plain_hwpt), EINVAL);
	assert_ok(abi_pasid_check(f->fd, &mock, 0, a));

	assert_err(abi_pasid_attach(f->fd, &mock, 2, plain_hwpt), EINVAL);
	assert_err(abi_pasid_attach(f->fd, &mock, 2, f->ioas), EINVAL);
	assert_err(abi_pasid_attach(f->fd, &mock, 1 << MOCK_PASID_WIDTH, a), EINVAL);
	assert_err(abi_pasid_replace(f->fd, &mock, 2, a), EINVAL);
	assert_ok(abi_pasid_replace(f->fd, &mock, 1, b));
	assert_ok(abi_pasid_check(f->fd, &mock, 1, b));
	assert_err(abi_pasid_replace(f->fd, &mock, 1, f->ioas), EINVAL);
	assert_ok(abi_pasid_check(f->fd, &mock, 1, b));
	assert_ok(abi_pasid_detach(f->fd, &mock, 1));
	assert_ok(abi_pasid_detach(f->fd, &mock, 1));
	assert_ok(abi_pasid_check(f->fd, &mock, 1, 0));
	assert_ok(abi_mock_replace(f->fd, &mock, plain_hwpt));

	assert_err(abi_pasid_attach(f->fd, &plain, 1, a), EINVAL);
}

/* The second change of the reserved PASID fails once, and leaves the old table in force. */
static void the_trap_pasid_keeps_the_old_table(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;
	int a, b;

	if (abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_PASID, &mock) == -EINVAL)
		skip();
	a = abi_hwpt(f->fd, mock.idev, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	b = abi_hwpt(f->fd, mock.idev, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_ok(abi_mock_replace(f->fd, &mock, a));
	assert_ok(abi_pasid_attach(f->fd, &mock, IOMMU_TEST_PASID_RESERVED, a));
	assert_err(abi_pasid_replace(f->fd, &mock, IOMMU_TEST_PASID_RESERVED, b), ENOMEM);
	assert_ok(abi_pasid_check(f->fd, &mock, IOMMU_TEST_PASID_RESERVED, a));
	assert_ok(abi_destroy(f->fd, b));
	assert_ok(abi_pasid_detach(f->fd, &mock, IOMMU_TEST_PASID_RESERVED));
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_ok(abi_destroy(f->fd, a));
}

/* The end of the device ends its PASIDs. Linux leaks the table and its pins here. */
static void destroying_the_device_detaches_its_pasids(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;
	int a;

	if (!abi_ours())
		skip();
	assert_ok(abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	a = abi_hwpt(f->fd, mock.idev, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_ok(abi_mock_replace(f->fd, &mock, a));
	assert_ok(abi_pasid_attach(f->fd, &mock, 1, a));
	assert_ok(abi_pasid_attach(f->fd, &mock, 2, a));
	assert_ok(abi_pasid_attach(f->fd, &mock, 0xfffff, a));
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_ok(abi_destroy(f->fd, a));
	assert_ok(abi_destroy(f->fd, f->ioas));
}

/* The close of the context ends devices that are attached and have open faults. */
static void closing_the_context_ends_everything(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;
	uint32_t fault;
	int ffd, a;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_fault_queue(f->fd, &fault, &ffd));
	a = abi_hwpt_fault(f->fd, mock.idev, f->ioas, 0, fault);
	assert_id(a);
	assert_ok(abi_mock_replace(f->fd, &mock, a));
	assert_ok(abi_trigger(f->fd, mock.idev, 0, 1, 1, IOVA));
	assert_ok(abi_map(f->fd, f->ioas, f->memory, MEMORY, IOVA));
	assert_ok(iof_close(ffd));
}

/* A world without test ioctls does not know the command. */
static void without_test_ioctls_there_is_no_command(void **state)
{
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED, .no_devices = 1 };
	struct iommu_test_cmd cmd = { .size = sizeof(cmd), .op = IOMMU_TEST_OP_MOCK_DOMAIN };
	struct iof_world *world;
	int fd;

	(void)state;
	assert_ok(iof_world_open(&config, &world));
	fd = abi_iommu(world);
	assert_err(iof_ioctl(fd, IOMMU_TEST_CMD, &cmd), ENOTTY);
	assert_ok(iof_close(fd));
	abi_world_close(world);
}

struct guess {
	struct fix *f;
	uint32_t idev;
	int stop; /* atomic: tells the thread to stop */
};

/*
 * Triggers faults by guessed ids. The result is 0, -ENOENT, or -EINVAL for another kind of object.
 */
static void *trigger_by_guess(void *arg)
{
	struct guess *g = arg;
	int rc;

	while (!__atomic_load_n(&g->stop, __ATOMIC_ACQUIRE)) {
		rc = abi_trigger(g->f->fd, g->idev, 0, 1, 1, IOVA);
		if (rc && rc != -ENOENT && rc != -EINVAL)
			abort();
	}
	return NULL;
}

/* A program can guess a device's id before the call that makes it returns. */
static void devices_are_made_while_they_fault(void **state)
{
	/* An emulated kernel with checks needs a tenth of a second for each device. */
	const int rounds = abi_embedded() ? 3000 : 100;
	struct guess g = { .f = *state };
	struct abi_mock mock;
	pthread_t thread;
	int rc;

	assert_ok(abi_mock(g.f->fd, g.f->ioas, 0, &mock));
	g.idev = mock.idev;
	assert_int_equal(pthread_create(&thread, NULL, trigger_by_guess, &g), 0);
	for (int i = 0; i < rounds; i++) {
		do {
			rc = abi_destroy(g.f->fd, mock.stdev);
		} while (rc == -EBUSY);
		assert_ok(rc);
		assert_ok(abi_mock(g.f->fd, g.f->ioas, 0, &mock));
		assert_int_equal(mock.idev, g.idev);
	}
	__atomic_store_n(&g.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_ok(abi_destroy(g.f->fd, mock.stdev));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ids_come_in_the_known_order),
		T(wrong_ids_and_flags_are_refused),
		T(the_command_has_its_length),
		T(replace_moves_the_device),
		T(hw_info_is_the_tests_own),
		T(check_map_sees_what_is_mapped),
		T(check_refs_counts_pins),
		T(the_aperture_is_kept),
		T(huge_pages_translate_alike),
		T(nested_data_and_its_cache),
		T(the_cache_of_a_device_holds_its_default),
		T(trigger_reports_success_always),
		T(faults_are_passed_through),
		T(page_requests_of_one_group_come_together),
		T(pasids_attach_replace_and_detach),
		T(the_trap_pasid_keeps_the_old_table),
		T(destroying_the_device_detaches_its_pasids),
		T(closing_the_context_ends_everything),
		T(devices_are_made_while_they_fault),
		cmocka_unit_test(without_test_ioctls_there_is_no_command),
	};

	return cmocka_run_group_tests_name("mock", tests, NULL, NULL);
}
