// SPDX-License-Identifier: MIT
/*
 * ioas_hwpt.c - tests an I/O address space that hardware page tables mirror: when pages are pinned
 * and entered, what is refused, and what is left after a failure. The hardware is a mock device: IO
 * pages of 2048 bytes, an aperture. Each test names the rule of docs/behaviour.md that it proves.
 */
#include "ioas.h"

static uint32_t mock_on(struct fixture *f, struct abi_mock *mock)
{
	assert_ok(abi_mock(f->fd, f->ioas, 0, mock));
	return mock->hwpt;
}

/* Checks that each page of the range is pinned @refs times. Returns 0 if so. */
static int check_refs(struct fixture *f, void *va, uint64_t len, uint32_t refs)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_CHECK_REFS,
		.check_refs = { .length = len, .uptr = (uintptr_t)va, .refs = refs },
	};

	return iof_ioctl(f->fd, IOMMU_TEST_CMD, &cmd);
}

/*
 * Returns memory whose second half is absent. Its addresses stay reserved, or another thread would
 * get memory there.
 */
static void *no_memory(void)
{
	void *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_ok(mprotect((char *)p + PAGE, PAGE, PROT_NONE));
	return p;
}

static void entered_everywhere(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;
	int second;

	mock_on(f, &mock);
	second = abi_hwpt(f->fd, mock.idev, f->ioas, 0);
	assert_id(second);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 8 * PAGE, IOVA));
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA, 8 * PAGE, f->buf));
	assert_ok(abi_check_map(f->fd, (uint32_t)second, IOVA, 8 * PAGE, f->buf));
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, 8 * PAGE, f->buf + PAGE), EINVAL);
	/* An HWPT that is allocated later is filled before it can be used. */
	assert_ok(abi_destroy(f->fd, (uint32_t)second));
	second = abi_hwpt(f->fd, mock.idev, f->ioas, 0);
	assert_ok(abi_check_map(f->fd, (uint32_t)second, IOVA, 8 * PAGE, f->buf));
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, 8 * PAGE));
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, f->buf), EINVAL);
	assert_err(abi_check_map(f->fd, (uint32_t)second, IOVA, PAGE, f->buf), EINVAL);
}

static void bad_address(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;
	char *p = no_memory();

	mock_on(f, &mock);
	assert_err(abi_map(f->fd, f->ioas, p, 2 * PAGE, IOVA), EFAULT);
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, p), EINVAL);
	assert_ok(check_refs(f, p, PAGE, 0));
	assert_ok(abi_map(f->fd, f->ioas, p, PAGE, IOVA));
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, PAGE));
	munmap(p, 2 * PAGE);
}

static void bad_address_later(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock, other;
	int second = abi_ioas(f->fd);
	char *p = no_memory();

	mock_on(f, &mock);
	assert_ok(abi_map(f->fd, (uint32_t)second, p, 2 * PAGE, IOVA));
	assert_err(abi_mock(f->fd, (uint32_t)second, 0, &other), EFAULT);
	assert_err(abi_hwpt(f->fd, mock.idev, (uint32_t)second, 0), EFAULT);
	assert_ok(check_refs(f, p, PAGE, 0));
	assert_ok(abi_unmap(f->fd, (uint32_t)second, IOVA, 2 * PAGE));
	assert_id(abi_hwpt(f->fd, mock.idev, (uint32_t)second, 0));
	munmap(p, 2 * PAGE);
}

static void read_only_memory(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t iova = IOVA;

	assert_true(p != MAP_FAILED);
	mock_on(f, &mock);
	assert_err(abi_map(f->fd, f->ioas, p, PAGE, IOVA), EFAULT);
	assert_ok(map_flags(f->fd, f->ioas, FIXED | READ, (uintptr_t)p, PAGE, &iova));
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, PAGE));
	munmap(p, PAGE);
}

static void copies(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock, other;
	int second = abi_ioas(f->fd);

	mock_on(f, &mock);
	assert_ok(abi_mock(f->fd, (uint32_t)second, 0, &other));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 2 * PAGE, IOVA));
	assert_ok(abi_map(f->fd, f->ioas, f->buf + 8 * PAGE, 2 * PAGE, IOVA + 2 * PAGE));
	assert_ok(copy_fixed(f->fd, (uint32_t)second, f->ioas, 2 * PAGE, 2 * IOVA, IOVA + PAGE));
	assert_ok(abi_check_map(f->fd, other.hwpt, 2 * IOVA, PAGE, f->buf + PAGE));
	assert_ok(abi_check_map(f->fd, other.hwpt, 2 * IOVA + PAGE, PAGE, f->buf + 8 * PAGE));
	/* b29: each page is pinned once. */
	assert_ok(check_refs(f, f->buf, 2 * PAGE, 1));
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, 4 * PAGE));
	assert_ok(abi_check_map(f->fd, other.hwpt, 2 * IOVA, PAGE, f->buf + PAGE));
	assert_ok(check_refs(f, f->buf + PAGE, PAGE, 1));
	assert_ok(check_refs(f, f->buf, PAGE, 0));
	assert_ok(abi_unmap(f->fd, (uint32_t)second, 2 * IOVA, 2 * PAGE));
	assert_ok(check_refs(f, f->buf, BUF_LEN, 0));
}

static void pins_follow_hwpts(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock, other;
	int second;

	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, IOVA));
	assert_ok(check_refs(f, f->buf, BUF_LEN, 0));
	mock_on(f, &mock);
	assert_ok(check_refs(f, f->buf, 4 * PAGE, 1));
	second = abi_hwpt(f->fd, mock.idev, f->ioas, 0);
	assert_id(second);
	assert_ok(abi_mock(f->fd, (uint32_t)second, 0, &other));
	assert_ok(check_refs(f, f->buf, 4 * PAGE, 1));
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_ok(check_refs(f, f->buf, 4 * PAGE, 1));
	assert_ok(abi_destroy(f->fd, other.stdev));
	assert_ok(check_refs(f, f->buf, 4 * PAGE, 1));
	assert_ok(abi_destroy(f->fd, (uint32_t)second));
	assert_ok(check_refs(f, f->buf, BUF_LEN, 0));
}

static void parts_of_pages(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;

	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
	mock_on(f, &mock);
	assert_int_equal(alignment_of(f->fd, f->ioas), MOCK_PAGE_SIZE);
	assert_ok(abi_map(f->fd, f->ioas, f->buf + 2048, 2 * PAGE, IOVA + 2048));
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA + 2048, 2 * PAGE, f->buf + 2048));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 2048, IOVA));
	assert_err(abi_map(f->fd, f->ioas, f->buf, 1024, 2 * IOVA), EINVAL);
	assert_err(abi_map(f->fd, f->ioas, f->buf, 2048, 2 * IOVA + 1024), EINVAL);
	assert_err(abi_map(f->fd, f->ioas, f->buf + 1024, 2048, 2 * IOVA), EINVAL);
	assert_ok(set_huge_pages(f->fd, f->ioas, 1));
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
}

static void aperture(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_iova_ranges reply;
	struct iommu_iova_range range;
	struct abi_mock mock;
	uint64_t iova;

	mock_on(f, &mock);
	assert_ok(get_ranges(f->fd, f->ioas, &range, 1, &reply));
	assert_int_equal(reply.num_iovas, 1);
	assert_int_equal(range.start, MOCK_APERTURE_START);
	assert_int_equal(range.last, MOCK_APERTURE_LAST);
	assert_err(abi_map(f->fd, f->ioas, f->buf, PAGE, MOCK_APERTURE_START - PAGE), EINVAL);
	assert_err(abi_map(f->fd, f->ioas, f->buf, PAGE, MOCK_APERTURE_LAST + 1ul), EINVAL);
	assert_err(abi_map(f->fd, f->ioas, f->buf, 2 * PAGE, MOCK_APERTURE_LAST + 1ul - PAGE),
		   EINVAL);
	assert_ok(map_auto(f->fd, f->ioas, f->buf, PAGE, &iova));
	assert_int_equal(iova, MOCK_APERTURE_START);
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_ok(get_ranges(f->fd, f->ioas, &range, 1, &reply));
	assert_int_equal(range.start, 0);
}

static void aperture_conflicts(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range range = { MOCK_APERTURE_START - 1, MOCK_APERTURE_START };
	struct abi_mock mock;
	int second = abi_ioas(f->fd);

	assert_ok(abi_mock(f->fd, (uint32_t)second, 0, &mock));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, MOCK_APERTURE_LAST + 1ul));
	assert_err(abi_hwpt(f->fd, mock.idev, f->ioas, 0), EADDRINUSE);
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(allow(f->fd, f->ioas, &range, 1));
	assert_err(abi_hwpt(f->fd, mock.idev, f->ioas, 0), EADDRINUSE);
	assert_ok(allow(f->fd, f->ioas, NULL, 0));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 1024, IOVA));
	assert_err(abi_hwpt(f->fd, mock.idev, f->ioas, 0), EADDRINUSE);
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(abi_map(f->fd, f->ioas, f->buf + 1024, PAGE, IOVA));
	assert_err(abi_hwpt(f->fd, mock.idev, f->ioas, 0), EADDRINUSE);
	assert_ok(unmap_all(f->fd, f->ioas));
	/* b25: the hardware's ranges do not fit an existing allow-list. */
	assert_id(abi_hwpt(f->fd, mock.idev, f->ioas, 0));
	assert_err(allow(f->fd, f->ioas, &range, 1), EADDRINUSE);
}

static void huge_pages(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;

	mock_on(f, &mock);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 2 * PAGE, IOVA));
	assert_err(set_huge_pages(f->fd, f->ioas, 0), EINVAL);
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(set_huge_pages(f->fd, f->ioas, 0));
	assert_int_equal(alignment_of(f->fd, f->ioas), PAGE);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, IOVA));
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA, 4 * PAGE, f->buf));
	assert_ok(set_huge_pages(f->fd, f->ioas, 1));
	assert_int_equal(alignment_of(f->fd, f->ioas), MOCK_PAGE_SIZE);
}

static void failing_copy_undone(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;
	int second = abi_ioas(f->fd);
	char *p = no_memory();

	mock_on(f, &mock);
	/* Map two good ranges around a range of absent memory. */
	assert_ok(abi_map(f->fd, (uint32_t)second, f->buf, PAGE, IOVA));
	assert_ok(abi_map(f->fd, (uint32_t)second, p + PAGE, PAGE, IOVA + PAGE));
	assert_ok(abi_map(f->fd, (uint32_t)second, f->buf + PAGE, PAGE, IOVA + 2 * PAGE));
	assert_err(copy_fixed(f->fd, f->ioas, (uint32_t)second, 3 * PAGE, IOVA, IOVA), EFAULT);
	assert_err(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, f->buf), EINVAL);
	assert_ok(check_refs(f, f->buf, BUF_LEN, 0));
	assert_err(abi_unmap(f->fd, f->ioas, IOVA, 3 * PAGE), ENOENT);
	munmap(p, 2 * PAGE);
}

static void destroy_busy(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;

	mock_on(f, &mock);
	assert_err(abi_destroy(f->fd, f->ioas), EBUSY);
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_ok(abi_destroy(f->fd, f->ioas));
}

static void close_unpins(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;

	mock_on(f, &mock);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, BUF_LEN, IOVA));
	assert_ok(check_refs(f, f->buf, BUF_LEN, 1));
	assert_ok(iof_close(f->fd));
	f->fd = abi_iommu(f->world);
	assert_ok(check_refs(f, f->buf, BUF_LEN, 0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RULE("b7 c6 mappings are in every HWPT before the call returns",
		     entered_everywhere),
		RULE("b7 b8 bad address with an HWPT -> EFAULT, nothing left", bad_address),
		RULE("b7 bad address without one fails at attach and HWPT_ALLOC",
		     bad_address_later),
		RULE("b8 a failing copy leaves nothing behind", failing_copy_undone),
		RULE("b14 b29 copies share what is pinned", copies),
		RULE("b29 pins come with the first HWPT and go with the last", pins_follow_hwpts),
		RULE("a16 close unpins everything before it returns", close_unpins),
		RULE("b27 HUGE_PAGES 0 with an HWPT and mappings -> EINVAL", huge_pages),
		RULE("b32 read-only memory -> EFAULT if WRITEABLE", read_only_memory),
		RULE("b33 b25 aperture and alignment conflicts -> EADDRINUSE", aperture_conflicts),
		RULE("b3 b4 b23 b33 nothing outside the aperture", aperture),
		RULE("b6 b34 IO pages smaller than a page", parts_of_pages),
		RULE("a11 destroy of an IOAS with an HWPT -> EBUSY", destroy_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
