// SPDX-License-Identifier: MIT
/*
 * objects.c - proves, through public calls and by number, the rules of ids and lifetimes (section
 * (a) of docs/behaviour.md), of hardware page tables (c), of attaching (d), of their effect on open
 * faults (e), and the rule of extensible structs. The device is the mock.
 */
#include "abi.h"

#include <pthread.h>
#include <sys/mman.h>

struct fix {
	struct iof_world *world;
	int fd;
	uint32_t ioas;
	struct abi_mock mock;
};

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = abi_world(NULL, 0);
	f.fd = abi_iommu(f.world);
	f.ioas = abi_ioas(f.fd);
	return abi_mock(f.fd, f.ioas, MOCK_FLAGS_DEVICE_PASID, &f.mock);
}

static int teardown(void **state)
{
	struct fix *f = *state;

	return (f->fd >= 0 ? iof_close(f->fd) : 0) | iof_world_close(f->world);
}

/* ---- the extensible-struct rule ---- */

static const struct {
	unsigned int cmd;
	uint32_t min, size;
} known[] = {
	{ IOMMU_DESTROY, 8, 8 },
	{ IOMMU_IOAS_ALLOC, 12, 12 },
	{ IOMMU_IOAS_ALLOW_IOVAS, 24, 24 },
	{ IOMMU_IOAS_COPY, 40, 40 },
	{ IOMMU_IOAS_IOVA_RANGES, 32, 32 },
	{ IOMMU_IOAS_MAP, 40, 40 },
	{ IOMMU_IOAS_UNMAP, 24, 24 },
	{ IOMMU_OPTION, 24, 24 },
	{ IOMMU_HWPT_ALLOC, 24, 48 },
	{ IOMMU_GET_HW_INFO, 32, 40 },
	{ IOMMU_HWPT_INVALIDATE, 32, 32 },
	{ IOMMU_FAULT_QUEUE_ALLOC, 16, 16 },
};

static void struct_sizes(void **state)
{
	struct fix *f = *state;
	union {
		uint32_t size;
		unsigned char bytes[128];
	} buf;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		memset(&buf, 0, sizeof(buf));
		buf.size = known[i].min - 1;
		assert_err(iof_ioctl(f->fd, known[i].cmd, &buf), EINVAL);
		buf.size = known[i].size + 1;
		buf.bytes[known[i].size] = 1;
		assert_err(iof_ioctl(f->fd, known[i].cmd, &buf), E2BIG);
		assert_err(iof_ioctl(f->fd, known[i].cmd, NULL), EFAULT);
	}
	/*
	 * A longer struct is accepted if its tail is zero. The missing tail of a shorter one counts
	 * as zero.
	 */
	memset(&buf, 0, sizeof(buf));
	buf.size = sizeof(buf);
	assert_ok(iof_ioctl(f->fd, IOMMU_IOAS_ALLOC, &buf));
	assert_err(iof_ioctl(f->fd, _IO(';', 0x7f), &buf), ENOTTY);
	assert_err(iof_ioctl(f->fd, _IOW(';', 0x81, uint32_t), &buf), ENOTTY);
}

/* ---- (a) ---- */

static int ioctl_read_only(int fd, unsigned int cmd, const void *arg, size_t len)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	assert_true(page != MAP_FAILED);
	memcpy(page, arg, len);
	assert_ok(mprotect(page, PAGE, PROT_READ));
	rc = iof_ioctl(fd, cmd, page);
	assert_ok(munmap(page, PAGE));
	return rc;
}

static void a3_unwritable_reply_undoes_the_object(void **state)
{
	struct fix *f = *state;
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.dev_id = f->mock.idev,
		.pt_id = f->ioas,
	};
	int next = abi_ioas(f->fd);

	assert_ok(abi_destroy(f->fd, next));
	assert_err(ioctl_read_only(f->fd, IOMMU_IOAS_ALLOC, &ioas, sizeof(ioas)), EFAULT);
	assert_err(ioctl_read_only(f->fd, IOMMU_FAULT_QUEUE_ALLOC, &queue, sizeof(queue)), EFAULT);
	assert_err(ioctl_read_only(f->fd, IOMMU_HWPT_ALLOC, &hwpt, sizeof(hwpt)), EFAULT);
	assert_int_equal(abi_ioas(f->fd), next);
}

static void a4_unknown_ids(void **state)
{
	struct fix *f = *state;

	assert_err(abi_destroy(f->fd, 0), ENOENT);
	assert_err(abi_destroy(f->fd, 0x7fffffff), ENOENT);
	assert_err(abi_hwpt(f->fd, f->ioas, f->ioas, 0), ENOENT);
}

static void a6_what_is_used_is_busy(void **state)
{
	struct fix *f = *state;
	int parent, nested, fault_fd;
	uint32_t queue;

	parent = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_id(parent);
	assert_ok(abi_fault_queue(f->fd, &queue, &fault_fd));
	nested = abi_hwpt_nested(f->fd, f->mock.idev, parent, 0, queue, 1);
	assert_id(nested);
	/* a12, a13, c14: objects in use cannot be destroyed. */
	assert_err(abi_destroy(f->fd, parent), EBUSY);
	assert_err(abi_destroy(f->fd, queue), EBUSY);
	assert_ok(abi_mock_replace(f->fd, &f->mock, nested));
	assert_err(abi_destroy(f->fd, nested), EBUSY);
	assert_ok(abi_mock_replace(f->fd, &f->mock, f->ioas));
	assert_ok(abi_destroy(f->fd, nested));
	assert_err(abi_destroy(f->fd, queue), EBUSY);
	assert_ok(iof_close(fault_fd));
	assert_ok(abi_destroy(f->fd, queue));
	assert_ok(abi_destroy(f->fd, parent));
	/* a11: an IOAS with an HWPT cannot be destroyed. */
	assert_err(abi_destroy(f->fd, f->ioas), EBUSY);
}

static void a16_close_ends_everything(void **state)
{
	struct fix *f = *state;
	int parent, fault_fd;
	uint32_t queue;

	parent = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_ok(abi_fault_queue(f->fd, &queue, &fault_fd));
	assert_id(abi_hwpt_nested(f->fd, f->mock.idev, parent, 0, queue, 1));
	assert_ok(iof_close(fault_fd));
	/* The end of each test checks the world and its memory. */
	assert_ok(iof_close(f->fd));
	f->fd = -1;
}

static void *make_and_destroy(void *arg)
{
	struct fix *f = arg;
	int i, id;

	for (i = 0; i < 500; i++) {
		id = abi_hwpt(f->fd, f->mock.idev, f->ioas, 0);
		if (id <= 0 || abi_destroy(f->fd, id))
			abort();
	}
	return NULL;
}

static void a_threads_make_and_destroy(void **state)
{
	struct fix *f = *state;
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		assert_ok(pthread_create(&threads[i], NULL, make_and_destroy, f));
	for (i = 0; i < 4; i++)
		assert_ok(pthread_join(threads[i], NULL));
}

/* ---- (c) ---- */

static void c1_arguments_of_hwpt_alloc(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = f->mock.idev,
		.pt_id = f->ioas,
		.__reserved = 1,
	};

	assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EOPNOTSUPP);
	cmd.__reserved = 0;
	cmd.data_len = 4;
	assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EINVAL);
	cmd.data_len = 0;
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EINVAL);
	assert_err(abi_hwpt(f->fd, f->mock.idev, 99, 0), EINVAL);
	assert_err(abi_hwpt(f->fd, f->mock.idev, f->mock.stdev, 0), EINVAL);
	assert_err(abi_hwpt(f->fd, f->mock.idev, f->ioas, 1 << 5), EOPNOTSUPP);
}

/*
 * c1: each call has two errors. The order of the checks is: reserved field, data, device, pt_id,
 * flags.
 */
static void c1_which_error_of_hwpt_alloc_is_told(void **state)
{
	const uint32_t unknown[] = { 1 << 4, 1 << 5, 1u << 31, UINT32_MAX };
	struct fix *f = *state;
	int parent = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	size_t i;

	assert_id(parent);
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct iommu_hwpt_alloc cmd = {
			.size = sizeof(cmd),
			.flags = unknown[i],
			.dev_id = 99,
			.pt_id = 99,
			.__reserved = 1,
			.data_len = 4,
		};

		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EOPNOTSUPP);
		cmd.__reserved = 0;
		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EINVAL);
		cmd.data_len = 0;
		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), ENOENT);
		/* Passes ids of objects that are no devices. */
		cmd.dev_id = f->ioas;
		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), ENOENT);
		cmd.dev_id = f->mock.stdev;
		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), ENOENT);
		cmd.dev_id = f->mock.idev;
		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EINVAL);
		cmd.pt_id = f->mock.idev;
		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EINVAL);
		cmd.pt_id = f->ioas;
		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EOPNOTSUPP);
		cmd.pt_id = parent;
		assert_err(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd), EOPNOTSUPP);
		assert_err(abi_hwpt_nested(f->fd, f->mock.idev, parent, unknown[i], 0, 7),
			   EOPNOTSUPP);
	}
	/* Passes a queue that does not exist, and flags that are not valid together. */
	assert_err(abi_hwpt_fault(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_FAULT_ID_VALID | 1 << 5,
				  99),
		   EOPNOTSUPP);
	assert_ok(abi_destroy(f->fd, parent));
}

static void c4_queues_on_paging_hwpts(void **state)
{
	struct fix *f = *state;
	const uint32_t fault = IOMMU_HWPT_FAULT_ID_VALID;
	uint32_t queue;
	int fault_fd;

	assert_ok(abi_fault_queue(f->fd, &queue, &fault_fd));
	assert_id(abi_hwpt_fault(f->fd, f->mock.idev, f->ioas, fault, queue));
	assert_id(abi_hwpt_fault(f->fd, f->mock.idev, f->ioas, fault | IOMMU_HWPT_ALLOC_PASID,
				 queue));
	assert_err(abi_hwpt_fault(f->fd, f->mock.idev, f->ioas,
				  fault | IOMMU_HWPT_ALLOC_NEST_PARENT, queue),
		   EOPNOTSUPP);
	assert_ok(iof_close(fault_fd));
}

static void c8_automatic_hwpts(void **state)
{
	struct fix *f = *state;
	struct abi_mock second;
	int manual = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);

	/*
	 * The second device gets the automatic HWPT of the first; c9: it lives while one of them is
	 * attached.
	 */
	assert_ok(abi_mock(f->fd, f->ioas, 0, &second));
	assert_int_equal(second.hwpt, f->mock.hwpt);
	assert_err(abi_hwpt_nested(f->fd, f->mock.idev, f->mock.hwpt, 0, 0, 1), EINVAL);
	assert_ok(abi_mock_replace(f->fd, &f->mock, manual));
	assert_err(abi_destroy(f->fd, second.hwpt), EBUSY);
	assert_ok(abi_destroy(f->fd, second.stdev));
	assert_err(abi_destroy(f->fd, second.hwpt), ENOENT);
}

static void c11_nested(void **state)
{
	struct fix *f = *state;
	int parent = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	int plain = abi_hwpt(f->fd, f->mock.idev, f->ioas, 0);
	int nested = abi_hwpt_nested(f->fd, f->mock.idev, parent, 0, 0, 7);

	assert_id(nested);
	assert_ok(abi_check_iotlb(f->fd, nested, 0, 7));
	assert_err(abi_hwpt_nested(f->fd, f->mock.idev, plain, 0, 0, 7), EINVAL);
	assert_err(abi_hwpt_nested(f->fd, f->mock.idev, nested, 0, 0, 7), EINVAL);
	assert_err(abi_hwpt(f->fd, f->mock.idev, parent, 0), EOPNOTSUPP);
	assert_err(abi_hwpt_nested(f->fd, f->mock.idev, parent, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0,
				   7),
		   EOPNOTSUPP);
	/* c13: an unknown queue is refused. */
	assert_err(abi_hwpt_nested(f->fd, f->mock.idev, parent, 0, 99, 7), ENOENT);
}

static int invalidate(int fd, uint32_t hwpt, uint32_t type, void *entries, uint32_t len,
		      uint32_t *num)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.data_uptr = (uintptr_t)entries,
		.data_type = type,
		.entry_len = len,
		.entry_num = *num,
	};
	int rc = iof_ioctl(fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*num = cmd.entry_num;
	return rc;
}

static void c15_invalidate(void **state)
{
	struct fix *f = *state;
	const uint32_t type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST;
	struct iommu_hwpt_invalidate_selftest e[3] = { { .iotlb_id = 0 },
						       { .iotlb_id = 1 },
						       { .iotlb_id = 4 } };
	int parent = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	int nested = abi_hwpt_nested(f->fd, f->mock.idev, parent, 0, 0, 7);
	uint32_t num;

	/* Entries are done in order until the bad one. The count tells how many; they stay done. */
	num = 3;
	assert_err(invalidate(f->fd, nested, type, e, sizeof(e[0]), &num), EINVAL);
	assert_int_equal(num, 2);
	assert_ok(abi_check_iotlb(f->fd, nested, 0, 0));
	assert_ok(abi_check_iotlb(f->fd, nested, 1, 0));
	assert_ok(abi_check_iotlb(f->fd, nested, 2, 7));
	num = 0;
	assert_ok(invalidate(f->fd, nested, type, NULL, 0, &num));
	assert_err(invalidate(f->fd, nested, IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID, NULL, 0,
			      &num),
		   EINVAL);
	/* The call writes 0 back, whichever check failed. */
	num = 1;
	assert_err(invalidate(f->fd, 99, type, e, sizeof(e[0]), &num), ENOENT);
	assert_int_equal(num, 0);
	num = 1;
	assert_err(invalidate(f->fd, nested, type, e, 0, &num), EINVAL);
	assert_int_equal(num, 0);
	num = (1 << 19) + 1;
	assert_err(invalidate(f->fd, nested, type, e, sizeof(e[0]), &num), EINVAL);
	assert_int_equal(num, 0);
	if (!abi_ours())
		return;
	num = 1;
	assert_err(invalidate(f->fd, parent, type, e, sizeof(e[0]), &num), EINVAL);
	assert_int_equal(num, 0);
}

/* ---- (d) and (e) ---- */

static void d8_replace(void **state)
{
	struct fix *f = *state;
	int manual = abi_hwpt(f->fd, f->mock.idev, f->ioas, 0);

	assert_ok(abi_mock_replace(f->fd, &f->mock, manual));
	assert_ok(abi_mock_replace(f->fd, &f->mock, manual));
	assert_err(abi_destroy(f->fd, f->mock.hwpt), ENOENT);
	assert_err(abi_mock_replace(f->fd, &f->mock, 99), ENOENT);
	assert_err(abi_mock_replace(f->fd, &f->mock, f->mock.idev), EINVAL);
	assert_err(abi_destroy(f->fd, manual), EBUSY);
	assert_ok(abi_mock_replace(f->fd, &f->mock, f->ioas));
	assert_ok(abi_destroy(f->fd, manual));
}

static void d12_pasids(void **state)
{
	struct fix *f = *state;
	int with = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	int without = abi_hwpt(f->fd, f->mock.idev, f->ioas, 0);
	struct abi_mock plain;

	/* The RID's automatic HWPT lacks the flag. */
	assert_err(abi_pasid_attach(f->fd, &f->mock, 3, with), EINVAL);
	assert_ok(abi_mock_replace(f->fd, &f->mock, with));
	assert_err(abi_pasid_attach(f->fd, &f->mock, 3, without), EINVAL);
	assert_err(abi_pasid_attach(f->fd, &f->mock, 3, f->ioas), EINVAL);
	assert_err(abi_pasid_replace(f->fd, &f->mock, 3, with), EINVAL);
	assert_ok(abi_pasid_attach(f->fd, &f->mock, 3, with));
	assert_ok(abi_pasid_check(f->fd, &f->mock, 3, with));
	assert_err(abi_pasid_attach(f->fd, &f->mock, 3, with), EBUSY);
	assert_err(abi_mock_replace(f->fd, &f->mock, without), EINVAL);
	assert_err(abi_pasid_replace(f->fd, &f->mock, 3, f->ioas), EINVAL);
	assert_ok(abi_pasid_check(f->fd, &f->mock, 3, with));
	assert_ok(abi_pasid_detach(f->fd, &f->mock, 3));
	assert_ok(abi_pasid_detach(f->fd, &f->mock, 3));
	assert_ok(abi_mock(f->fd, with, 0, &plain));
	assert_err(abi_pasid_attach(f->fd, &plain, 3, with), EINVAL);
}

static void e36_replace_answers_what_is_open(void **state)
{
	struct fix *f = *state;
	int parent = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	struct iommu_hwpt_pgfault rec;
	uint32_t queue;
	int a, b, fault_fd;

	assert_ok(abi_fault_queue(f->fd, &queue, &fault_fd));
	a = abi_hwpt_nested(f->fd, f->mock.idev, parent, 0, queue, 1);
	b = abi_hwpt_nested(f->fd, f->mock.idev, parent, 0, queue, 1);
	assert_ok(abi_mock_replace(f->fd, &f->mock, a));
	assert_ok(abi_trigger(f->fd, f->mock.idev, 0, 1, 1, 0x1000));
	assert_int_equal(abi_read_one(fault_fd, &rec), sizeof(rec));
	assert_ok(abi_trigger(f->fd, f->mock.idev, 0, 2, 1, 0x2000));
	/* e38: a failed replace changes nothing. Then the same HWPT: nothing happens. */
	assert_err(abi_mock_replace(f->fd, &f->mock, 99), ENOENT);
	assert_ok(abi_mock_replace(f->fd, &f->mock, a));
	assert_int_equal(abi_readable(fault_fd), 1);
	assert_ok(abi_mock_replace(f->fd, &f->mock, b));
	assert_int_equal(abi_readable(fault_fd), 0);
	assert_err(abi_answer(fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_ok(abi_trigger(f->fd, f->mock.idev, 0, 3, 1, 0x3000));
	assert_int_equal(abi_read_one(fault_fd, &rec), sizeof(rec));
	assert_int_equal(rec.grpid, 3);
	assert_ok(abi_answer(fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_ok(iof_close(fault_fd));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(struct_sizes),
		T(a3_unwritable_reply_undoes_the_object),
		T(a4_unknown_ids),
		T(a6_what_is_used_is_busy),
		T(a16_close_ends_everything),
		T(a_threads_make_and_destroy),
		T(c1_arguments_of_hwpt_alloc),
		T(c1_which_error_of_hwpt_alloc_is_told),
		T(c4_queues_on_paging_hwpts),
		T(c8_automatic_hwpts),
		T(c11_nested),
		T(c15_invalidate),
		T(d8_replace),
		T(d12_pasids),
		T(e36_replace_answers_what_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
