// SPDX-License-Identifier: MIT
/*
 * pointers.c - proves the result of wrong pointers and sizes. Every struct of every command, every
 * array that a struct points to, and the buffers of read() and write() lie in turn at each address
 * without memory, in memory that must not be touched, and half in such memory. The call returns the
 * errno of the ABI, changes nothing, and writes no memory around.
 */
#include "abi.h"

#include <stdio.h>
#include <sys/mman.h>

/* What all cases share: a context with objects to name. */
struct fix {
	struct iof_world *world;
	int fd, ffd;
	uint32_t ioas, fault, hwpt, parent, nested;
	struct abi_mock mock;
	/* Two pages: the first one can be written, the second one has no rights. */
	char *edge;
	/* One page that can only be read. */
	char *fixed;
};

static int setup(void **state)
{
	static struct fix fix;
	struct fix *f = &fix;

	*state = f;
	f->world = abi_world(NULL, 0);
	f->fd = abi_iommu(f->world);
	f->ioas = abi_ioas(f->fd);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &f->mock));
	assert_ok(abi_fault_queue(f->fd, &f->fault, &f->ffd));
	f->hwpt = abi_hwpt_fault(f->fd, f->mock.idev, f->ioas, 0, f->fault);
	f->parent = abi_hwpt(f->fd, f->mock.idev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	f->nested = abi_hwpt_nested(f->fd, f->mock.idev, f->parent, 0, 0, 1);
	assert_id((int)f->hwpt);
	assert_id((int)f->parent);
	assert_id((int)f->nested);
	assert_ok(abi_mock_replace(f->fd, &f->mock, f->hwpt));
	f->edge = abi_pages(2);
	assert_int_equal(mprotect(f->edge + PAGE, PAGE, PROT_NONE), 0);
	f->fixed = abi_pages(1);
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	munmap(f->edge, 2 * PAGE);
	munmap(f->fixed, PAGE);
	return iof_close(f->ffd) | iof_close(f->fd) | iof_world_close(f->world);
}

/* ---- the commands ---- */

union any {
	uint32_t size;
	struct iommu_destroy destroy;
	struct iommu_ioas_alloc ioas_alloc;
	struct iommu_ioas_iova_ranges ranges;
	struct iommu_ioas_allow_iovas allow;
	struct iommu_ioas_map map;
	struct iommu_ioas_copy copy;
	struct iommu_ioas_unmap unmap;
	struct iommu_option option;
	struct iommu_vfio_ioas vfio_ioas;
	struct iommu_hwpt_alloc hwpt;
	struct iommu_hw_info info;
	struct iommu_hwpt_set_dirty_tracking set_dirty;
	struct iommu_hwpt_get_dirty_bitmap get_dirty;
	struct iommu_hwpt_invalidate invalidate;
	struct iommu_fault_alloc fault;
	struct iommu_test_cmd test;
	char bytes[128];
};

static void fill_destroy(const struct fix *f, union any *a)
{
	(void)f;
	a->destroy.id = 12345;
}

static void fill_ranges(const struct fix *f, union any *a)
{
	a->ranges.ioas_id = f->ioas;
}

static void fill_allow(const struct fix *f, union any *a)
{
	a->allow.ioas_id = f->ioas;
}

static void fill_map(const struct fix *f, union any *a)
{
	/* The call is refused with good pointers, too, so that there is nothing to undo. */
	a->map.ioas_id = f->ioas;
	a->map.flags = IOMMU_IOAS_MAP_READABLE;
}

static void fill_copy(const struct fix *f, union any *a)
{
	a->copy.src_ioas_id = f->ioas;
	a->copy.dst_ioas_id = f->ioas;
	a->copy.flags = IOMMU_IOAS_MAP_READABLE;
	a->copy.length = PAGE;
}

static void fill_unmap(const struct fix *f, union any *a)
{
	a->unmap.ioas_id = f->ioas;
	a->unmap.length = UINT64_MAX;
}

static void fill_option(const struct fix *f, union any *a)
{
	a->option.option_id = IOMMU_OPTION_HUGE_PAGES;
	a->option.op = IOMMU_OPTION_OP_GET;
	a->option.object_id = f->ioas;
}

static void fill_nothing(const struct fix *f, union any *a)
{
	(void)f;
	(void)a;
}

static void fill_hwpt(const struct fix *f, union any *a)
{
	a->hwpt.dev_id = f->mock.idev;
	a->hwpt.pt_id = f->ioas;
}

static void fill_info(const struct fix *f, union any *a)
{
	a->info.dev_id = f->mock.idev;
}

static void fill_set_dirty(const struct fix *f, union any *a)
{
	a->set_dirty.hwpt_id = f->nested;
}

static void fill_get_dirty(const struct fix *f, union any *a)
{
	a->get_dirty.hwpt_id = f->nested;
}

static void fill_invalidate(const struct fix *f, union any *a)
{
	a->invalidate.hwpt_id = f->nested;
	a->invalidate.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST;
}

static void fill_test(const struct fix *f, union any *a)
{
	a->test.op = IOMMU_TEST_OP_MD_CHECK_IOTLB;
	a->test.id = f->nested;
	a->test.check_iotlb.iotlb = 1;
}

static const struct command {
	const char *name;
	unsigned long nr;
	uint32_t min, size;
	void (*fill)(const struct fix *f, union any *a);
	int rc; /* result of a correct call */
	bool replies, creates;
} commands[] = {
	{ "DESTROY", IOMMU_DESTROY, 8, 8, fill_destroy, -ENOENT, false, false },
	{ "IOAS_ALLOC", IOMMU_IOAS_ALLOC, 12, 12, fill_nothing, 0, true, true },
	{ "IOVA_RANGES", IOMMU_IOAS_IOVA_RANGES, 32, 32, fill_ranges, -EMSGSIZE, true, false },
	{ "ALLOW_IOVAS", IOMMU_IOAS_ALLOW_IOVAS, 24, 24, fill_allow, 0, false, false },
	{ "MAP", IOMMU_IOAS_MAP, 40, 40, fill_map, -EINVAL, false, false },
	{ "COPY", IOMMU_IOAS_COPY, 40, 40, fill_copy, -ENOENT, false, false },
	{ "UNMAP", IOMMU_IOAS_UNMAP, 24, 24, fill_unmap, 0, true, false },
	{ "OPTION", IOMMU_OPTION, 24, 24, fill_option, 0, true, false },
	{ "VFIO_IOAS", IOMMU_VFIO_IOAS, 12, 12, fill_nothing, -ENODEV, false, false },
	{ "HWPT_ALLOC", IOMMU_HWPT_ALLOC, 24, 48, fill_hwpt, 0, true, true },
	{ "GET_HW_INFO", IOMMU_GET_HW_INFO, 32, 40, fill_info, 0, true, false },
	{ "SET_DIRTY", IOMMU_HWPT_SET_DIRTY_TRACKING, 16, 16, fill_set_dirty, -ENOENT, false,
	  false },
	{ "GET_DIRTY", IOMMU_HWPT_GET_DIRTY_BITMAP, 48, 48, fill_get_dirty, -ENOENT, false, false },
	{ "INVALIDATE", IOMMU_HWPT_INVALIDATE, 32, 32, fill_invalidate, 0, true, false },
	{ "FAULT_QUEUE", IOMMU_FAULT_QUEUE_ALLOC, 16, 16, fill_nothing, 0, true, true },
	{ "TEST", IOMMU_TEST_CMD, 68, 72, fill_test, 0, false, false },
};

static void fill(const struct fix *f, const struct command *c, union any *a, uint32_t size)
{
	memset(a, 0, sizeof(*a));
	c->fill(f, a);
	a->size = size;
}

/* Undoes a successful call, so that the next call finds the same ids free. */
static void undo(const struct fix *f, const struct command *c, const union any *a)
{
	if (c->nr == IOMMU_IOAS_ALLOC)
		assert_ok(abi_destroy(f->fd, a->ioas_alloc.out_ioas_id));
	if (c->nr == IOMMU_HWPT_ALLOC)
		assert_ok(abi_destroy(f->fd, a->hwpt.out_hwpt_id));
	if (c->nr == IOMMU_FAULT_QUEUE_ALLOC) {
		assert_ok(iof_close(a->fault.out_fault_fd));
		assert_ok(abi_destroy(f->fd, a->fault.out_fault_id));
	}
}

static int next_id(const struct fix *f)
{
	int id = abi_ioas(f->fd);

	assert_ok(abi_destroy(f->fd, id));
	return id;
}

static void expect(const struct command *c, const char *what, int rc, int wanted)
{
	if (rc == wanted)
		return;
	print_error("%s, %s: %d instead of %d\n", c->name, what, rc, wanted);
	fail();
}

#define FOR_EACH(c) for (const struct command *(c) = commands; (c) < commands + 16; (c)++)
_Static_assert(sizeof(commands) / sizeof(commands[0]) == 16, "FOR_EACH");

/* ---- addresses that are none ---- */

static void structs_are_nowhere(void **state)
{
	struct fix *f = *state;
	int id = next_id(f);

	FOR_EACH(c)
	{
		for (size_t i = 0; i < ABI_NR_NOWHERE; i++)
			expect(c, "nowhere", iof_ioctl(f->fd, c->nr, (void *)abi_nowhere[i]),
			       -EFAULT);
		expect(c, "unmapped", iof_ioctl(f->fd, c->nr, f->edge + PAGE), -EFAULT);
	}
	assert_int_equal(next_id(f), id);
}

static void structs_end_in_a_hole(void **state)
{
	struct fix *f = *state;
	int id = next_id(f);
	union any a;

	FOR_EACH(c)
	{
		for (uint32_t there = 1; there < c->size; there++) {
			char *at = f->edge + PAGE - there;

			fill(f, c, &a, c->size);
			memcpy(at, &a, there);
			expect(c, "half of it", iof_ioctl(f->fd, c->nr, at), -EFAULT);
		}
		/* The struct ends exactly at the end of the memory. */
		fill(f, c, &a, c->size);
		memcpy(f->edge + PAGE - c->size, &a, c->size);
		expect(c, "at the end", iof_ioctl(f->fd, c->nr, f->edge + PAGE - c->size), c->rc);
		memcpy(&a, f->edge + PAGE - c->size, c->size);
		undo(f, c, &a);
	}
	assert_int_equal(next_id(f), id);
}

/* a3: if the reply cannot be written, the new object is undone. */
static void replies_have_nowhere_to_go(void **state)
{
	struct fix *f = *state;
	int id = next_id(f);
	union any a;

	FOR_EACH(c)
	{
		fill(f, c, &a, c->size);
		assert_int_equal(mprotect(f->fixed, PAGE, PROT_READ | PROT_WRITE), 0);
		memcpy(f->fixed, &a, sizeof(a));
		assert_int_equal(mprotect(f->fixed, PAGE, PROT_READ), 0);
		expect(c, "read-only", iof_ioctl(f->fd, c->nr, f->fixed),
		       c->replies ? -EFAULT : c->rc);
		assert_memory_equal(f->fixed, &a, sizeof(a));
		assert_int_equal(next_id(f), id);
	}
}

/* ---- sizes ---- */

static void sizes_from_nothing_to_huge(void **state)
{
	static const uint32_t huge[] = { 4096,	     65536,	 1u << 20,  0x7fffffff,
					 0x80000000, 0xfffffff8, 0xffffffff };
	struct fix *f = *state;
	int id = next_id(f), rc;
	union any a, b;

	FOR_EACH(c)
	{
		for (uint32_t size = 0; size < c->min; size++) {
			fill(f, c, &a, size);
			expect(c, "too short", iof_ioctl(f->fd, c->nr, &a), -EINVAL);
			/* Only the size itself can be read, and is wrong. */
			memcpy(f->edge + PAGE - sizeof(size), &size, sizeof(size));
			expect(c, "too short, at the end",
			       iof_ioctl(f->fd, c->nr, f->edge + PAGE - sizeof(size)), -EINVAL);
		}
		/*
		 * The struct is shorter or longer than today's: the result is the same, and memory
		 * behind it is not touched.
		 */
		for (uint32_t size = c->min; size <= sizeof(a); size++) {
			fill(f, c, &a, size);
			if (size < c->size)
				memset(a.bytes + size, 0xa5, sizeof(a) - size);
			b = a;
			expect(c, "any size", iof_ioctl(f->fd, c->nr, &a), c->rc);
			assert_memory_equal(a.bytes + size, b.bytes + size, sizeof(a) - size);
			undo(f, c, &a);
		}
		/* Unknown bytes that are not zero are refused. */
		for (uint32_t at = c->size; at < sizeof(a); at++) {
			fill(f, c, &a, sizeof(a));
			a.bytes[at] = 1;
			expect(c, "unknown tail", iof_ioctl(f->fd, c->nr, &a), -E2BIG);
		}
		/* Zeroes reach to the end of the memory, and the size goes beyond it. */
		memset(f->edge, 0, PAGE);
		for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
			fill(f, c, &a, huge[i]);
			memcpy(f->edge + PAGE - 1024, &a, c->size);
			expect(c, "huge", iof_ioctl(f->fd, c->nr, f->edge + PAGE - 1024), -EFAULT);
			/*
			 * An unknown byte that is not zero, then missing memory: either error is
			 * right.
			 */
			f->edge[PAGE - 1] = 1;
			rc = iof_ioctl(f->fd, c->nr, f->edge + PAGE - 1024);
			expect(c, "huge and not zero", rc, rc == -EFAULT ? rc : -E2BIG);
			f->edge[PAGE - 1] = 0;
		}
	}
	assert_int_equal(next_id(f), id);
}

/* ---- what structs point to ---- */

/* Tries each bad pointer. @rc is the result, except where @null_rc is. */
static void each_pointer(const struct fix *f, unsigned long nr, const void *cmd, size_t at,
			 int null_rc, int rc)
{
	union any a;
	int got;

	for (size_t i = 0; i <= ABI_NR_NOWHERE; i++) {
		uint64_t bad = i < ABI_NR_NOWHERE ? abi_nowhere[i] : (uintptr_t)f->edge + PAGE - 3;

		memset(&a, 0, sizeof(a));
		memcpy(&a, cmd, *(const uint32_t *)cmd);
		memcpy(a.bytes + at, &bad, sizeof(bad));
		got = iof_ioctl(f->fd, nr, &a);
		if (got != (bad ? rc : null_rc)) {
			print_error("command %lx, pointer %llx: %d instead of %d\n", nr,
				    (unsigned long long)bad, got, bad ? rc : null_rc);
			fail();
		}
	}
}

static void arrays_and_blobs_are_nowhere(void **state)
{
	struct fix *f = *state;
	struct iommu_ioas_iova_ranges ranges = { .size = sizeof(ranges),
						 .ioas_id = f->ioas,
						 .num_iovas = 4 };
	struct iommu_ioas_allow_iovas allow = { .size = sizeof(allow),
						.ioas_id = f->ioas,
						.num_iovas = 1 };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt),
					 .dev_id = f->mock.idev,
					 .pt_id = f->parent,
					 .data_len = 4,
					 .data_type = IOMMU_HWPT_DATA_SELFTEST };
	struct iommu_hw_info info = { .size = sizeof(info), .dev_id = f->mock.idev, .data_len = 8 };
	struct iommu_hwpt_invalidate inv = { .size = sizeof(inv),
					     .hwpt_id = f->nested,
					     .data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
					     .entry_len = 8,
					     .entry_num = 1 };
	struct iommu_test_cmd stats = { .size = sizeof(stats),
					.op = IOF_TEST_OP_STATS,
					.iof_stats = { .dev_id = f->mock.idev, .len = 56 } };
	struct iommu_test_cmd check = { .size = sizeof(check),
					.op = IOMMU_TEST_OP_MD_CHECK_MAP,
					.id = f->hwpt,
					.check_map = { .iova = IOVA, .length = PAGE } };
	int id = next_id(f);
	uint64_t bad;

	each_pointer(f, IOMMU_IOAS_IOVA_RANGES, &ranges,
		     offsetof(struct iommu_ioas_iova_ranges, allowed_iovas), -EFAULT, -EFAULT);
	each_pointer(f, IOMMU_IOAS_ALLOW_IOVAS, &allow,
		     offsetof(struct iommu_ioas_allow_iovas, allowed_iovas), -EFAULT, -EFAULT);
	each_pointer(f, IOMMU_HWPT_ALLOC, &hwpt, offsetof(struct iommu_hwpt_alloc, data_uptr),
		     -EFAULT, -EFAULT);
	each_pointer(f, IOMMU_GET_HW_INFO, &info, offsetof(struct iommu_hw_info, data_uptr),
		     -EFAULT, -EFAULT);
	each_pointer(f, IOMMU_HWPT_INVALIDATE, &inv,
		     offsetof(struct iommu_hwpt_invalidate, data_uptr), -EINVAL, -EFAULT);
	if (abi_ours())
		each_pointer(f, IOMMU_TEST_CMD, &stats,
			     offsetof(struct iommu_test_cmd, iof_stats.uptr), -EFAULT, -EFAULT);
	for (size_t i = 0; i < ABI_NR_NOWHERE; i++) {
		bad = abi_nowhere[i];
		check.check_map.uptr = bad;
		assert_true(iof_ioctl(f->fd, IOMMU_TEST_CMD, &check) < 0);
	}
	assert_int_equal(next_id(f), id);
}

/* A map of memory that does not exist is refused when it must be pinned; no mapping stays. */
static void memory_to_map_is_nowhere(void **state)
{
	struct fix *f = *state;

	for (size_t i = 0; i < ABI_NR_NOWHERE; i++)
		assert_true(abi_map(f->fd, f->ioas, (void *)(abi_nowhere[i] & ~(PAGE - 1)), PAGE,
				    IOVA) < 0);
	assert_err(abi_map(f->fd, f->ioas, f->edge, 2 * PAGE, IOVA), EFAULT);
	assert_int_equal(mprotect(f->fixed, PAGE, PROT_READ), 0);
	assert_err(abi_map(f->fd, f->ioas, f->fixed, PAGE, IOVA), EFAULT);
	assert_int_equal(mprotect(f->fixed, PAGE, PROT_NONE), 0);
	assert_err(abi_map(f->fd, f->ioas, f->fixed, PAGE, IOVA), EFAULT);
	assert_err(abi_unmap(f->fd, f->ioas, IOVA, PAGE), ENOENT);
}

/* ---- read and write ---- */

static void trigger(struct fix *f, uint32_t grpid)
{
	assert_ok(abi_trigger(f->fd, f->mock.idev, 0, grpid, 1, IOVA));
}

static void reads_go_nowhere(void **state)
{
	const size_t size = sizeof(struct iommu_hwpt_pgfault);
	struct iommu_hwpt_pgfault recs[4];
	struct fix *f = *state;

	trigger(f, 1);
	trigger(f, 2);
	for (size_t i = 0; i < ABI_NR_NOWHERE; i++)
		assert_err((int)iof_read(f->ffd, (void *)abi_nowhere[i], size), EFAULT);
	assert_err((int)iof_read(f->ffd, f->edge + PAGE, size), EFAULT);
	for (size_t there = 1; there < size; there++)
		assert_err((int)iof_read(f->ffd, f->edge + PAGE - there, size), EFAULT);
	assert_int_equal(mprotect(f->fixed, PAGE, PROT_READ), 0);
	assert_err((int)iof_read(f->ffd, f->fixed, size), EFAULT);
	/* The record that was copied counts; the other one stays first in the queue. */
	assert_int_equal(iof_read(f->ffd, f->edge + PAGE - size - 1, 2 * size), size);
	memcpy(recs, f->edge + PAGE - size - 1, size);
	assert_int_equal(recs[0].grpid, 1);
	assert_int_equal(abi_readable(f->ffd), 1);
	assert_int_equal(iof_read(f->ffd, &recs[1], 3 * size), size);
	assert_int_equal(recs[1].grpid, 2);
	for (size_t len = 0; len < 200; len++)
		if (len % size)
			assert_err((int)iof_read(f->ffd, recs, len), ESPIPE);
	assert_ok(abi_answer(f->ffd, recs[0].cookie, 0));
	assert_ok(abi_answer(f->ffd, recs[1].cookie, 0));
}

static void answers_come_from_nowhere(void **state)
{
	struct iommu_hwpt_page_response resp[2] = { { 0 } };
	const size_t size = sizeof(resp[0]);
	struct iommu_hwpt_pgfault rec;
	struct fix *f = *state;

	for (uint32_t i = 0; i < 2; i++) {
		trigger(f, i);
		assert_int_equal(abi_read_one(f->ffd, &rec), sizeof(rec));
		resp[i].cookie = rec.cookie;
	}
	for (size_t i = 0; i < ABI_NR_NOWHERE; i++)
		assert_err((int)iof_write(f->ffd, (void *)abi_nowhere[i], size), EFAULT);
	for (size_t there = 1; there < size; there++) {
		memcpy(f->edge + PAGE - there, resp, there);
		assert_err((int)iof_write(f->ffd, f->edge + PAGE - there, size), EFAULT);
	}
	/* The first of two responses is complete: it takes effect. */
	memcpy(f->edge + PAGE - size - 3, resp, size + 3);
	assert_int_equal(iof_write(f->ffd, f->edge + PAGE - size - 3, 2 * size), size);
	assert_err(abi_answer(f->ffd, resp[0].cookie, 0), EINVAL);
	for (size_t len = 1; len < 100; len++)
		if (len % size)
			assert_err((int)iof_write(f->ffd, resp, len), ESPIPE);
	assert_int_equal(iof_write(f->ffd, resp, 0), 0);
	resp[1].code = 2;
	assert_err((int)iof_write(f->ffd, &resp[1], size), EINVAL);
	assert_ok(abi_answer(f->ffd, resp[1].cookie, 1));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(structs_are_nowhere),
		T(structs_end_in_a_hole),
		T(replies_have_nowhere_to_go),
		T(sizes_from_nothing_to_huge),
		T(arrays_and_blobs_are_nowhere),
		T(memory_to_map_is_nowhere),
		T(reads_go_nowhere),
		T(answers_come_from_nowhere),
	};

	return cmocka_run_group_tests_name("pointers", tests, NULL, NULL);
}
