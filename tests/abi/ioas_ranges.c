// SPDX-License-Identifier: MIT
/*
 * ioas_ranges.c - tests which addresses of an I/O address space can be used: ranges, the
 * allow-list, reserved ranges, and the HUGE_PAGES option. Each test names the rule of
 * docs/behaviour.md that it proves.
 */
#include "ioas.h"

static void fresh(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_iova_ranges reply;
	struct iommu_iova_range range;
	uint64_t val = 7;

	assert_ok(get_ranges(f->fd, f->ioas, &range, 1, &reply));
	assert_int_equal(reply.num_iovas, 1);
	assert_int_equal(reply.out_iova_alignment, 1);
	assert_int_equal(range.start, 0);
	assert_true(range.last == UINT64_MAX);
	assert_ok(option(f->fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, f->ioas, &val));
	assert_int_equal(val, 1);
}

static void ranges_short(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_iova_ranges reply;
	struct iommu_iova_range ranges[4];

	memset(ranges, 0xee, sizeof(ranges));
	assert_ok(add_reserved(f->fd, f->ioas, IOVA, PAGE));
	assert_ok(add_reserved(f->fd, f->ioas, 2 * IOVA, PAGE));
	assert_err(get_ranges(f->fd, f->ioas, ranges, 2, &reply), EMSGSIZE);
	assert_int_equal(reply.num_iovas, 3);
	assert_int_equal(reply.out_iova_alignment, 1);
	assert_int_equal(ranges[0].start, 0);
	assert_int_equal(ranges[0].last, IOVA - 1);
	assert_int_equal(ranges[1].start, IOVA + PAGE);
	assert_int_equal(ranges[1].last, 2 * IOVA - 1);
	assert_true(ranges[2].start == 0xeeeeeeeeeeeeeeee);
	/* With room 0 the call returns the number of ranges, and needs no array. */
	assert_err(get_ranges(f->fd, f->ioas, NULL, 0, &reply), EMSGSIZE);
	assert_int_equal(reply.num_iovas, 3);
	assert_ok(get_ranges(f->fd, f->ioas, ranges, 4, &reply));
	assert_int_equal(ranges[2].start, 2 * IOVA + PAGE);
	assert_true(ranges[2].last == UINT64_MAX);
	assert_true(ranges[3].start == 0xeeeeeeeeeeeeeeee);
	/* The caller states more room than any array has: the call must not allocate so much. */
	assert_ok(get_ranges(f->fd, f->ioas, ranges, UINT32_MAX, &reply));
	assert_int_equal(reply.num_iovas, 3);
}

static void ranges_errors(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = f->ioas,
		.__reserved = 1,
	};
	struct iommu_iova_range range;

	assert_err(iof_ioctl(f->fd, IOMMU_IOAS_IOVA_RANGES, &cmd), EOPNOTSUPP);
	assert_err(get_ranges(f->fd, f->ioas + 1000, &range, 1, &cmd), ENOENT);
	assert_err(get_ranges(f->fd, f->ioas, NULL, 1, &cmd), EFAULT);
}

static void ranges_overlapping(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_iova_ranges reply;
	struct iommu_iova_range ranges[4];

	/*
	 * Reserve ranges out of order, one within another, two that touch, and both ends of the
	 * space.
	 */
	assert_ok(add_reserved(f->fd, f->ioas, 0x8000, 0x1000));
	assert_ok(add_reserved(f->fd, f->ioas, 0, 0x5000));
	assert_ok(add_reserved(f->fd, f->ioas, 0x1000, 0x1000));
	assert_ok(add_reserved(f->fd, f->ioas, 0x9000, 0x1000));
	assert_ok(add_reserved(f->fd, f->ioas, UINT64_MAX, 1));
	assert_ok(get_ranges(f->fd, f->ioas, ranges, 4, &reply));
	assert_int_equal(reply.num_iovas, 2);
	assert_int_equal(ranges[0].start, 0x5000);
	assert_int_equal(ranges[0].last, 0x7fff);
	assert_int_equal(ranges[1].start, 0xa000);
	assert_true(ranges[1].last == UINT64_MAX - 1);
	/* All addresses are reserved: no range is left. */
	assert_ok(add_reserved(f->fd, f->ioas, 0, UINT64_MAX));
	assert_ok(get_ranges(f->fd, f->ioas, ranges, 4, &reply));
	assert_int_equal(reply.num_iovas, 0);
}

static void reserve_errors(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range range = { IOVA, IOVA + PAGE };

	assert_err(add_reserved(f->fd, f->ioas, 0, 0), EINVAL);
	assert_err(add_reserved(f->fd, f->ioas, UINT64_MAX, 2), EOVERFLOW);
	assert_err(add_reserved(f->fd, f->ioas + 1000, 0, 1), ENOENT);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, 2 * IOVA));
	assert_err(add_reserved(f->fd, f->ioas, 2 * IOVA + PAGE - 1, 1), EADDRINUSE);
	assert_ok(allow(f->fd, f->ioas, &range, 1));
	assert_err(add_reserved(f->fd, f->ioas, IOVA + PAGE, 1), EADDRINUSE);
	assert_ok(add_reserved(f->fd, f->ioas, IOVA + PAGE + 1, 1));
}

static void allow_replaces(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range first = { IOVA, IOVA + PAGE - 1 };
	struct iommu_iova_range second = { 2 * IOVA, 2 * IOVA + PAGE - 1 };
	uint64_t iova;

	assert_ok(allow(f->fd, f->ioas, &first, 1));
	assert_ok(allow(f->fd, f->ioas, &second, 1));
	assert_ok(map_auto(f->fd, f->ioas, f->buf, PAGE, &iova));
	assert_int_equal(iova, 2 * IOVA);
	/* Existing mappings may be outside of the list. */
	assert_ok(allow(f->fd, f->ioas, &first, 1));
	assert_ok(allow(f->fd, f->ioas, NULL, 0));
	assert_ok(add_reserved(f->fd, f->ioas, IOVA, PAGE));
}

static void allow_errors(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = f->ioas,
		.__reserved = 1,
	};
	struct iommu_iova_range ranges[3] = {
		{ IOVA, IOVA + PAGE - 1 },
		{ 2 * IOVA, 2 * IOVA + 1 },
	};

	assert_err(iof_ioctl(f->fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd), EOPNOTSUPP);
	assert_err(allow(f->fd, f->ioas + 1000, ranges, 1), ENOENT);
	assert_err(allow(f->fd, f->ioas, NULL, 1), EFAULT);
	ranges[2] = (struct iommu_iova_range){ 5, 5 };
	assert_err(allow(f->fd, f->ioas, ranges, 3), EINVAL);
	ranges[2] = (struct iommu_iova_range){ 6, 5 };
	assert_err(allow(f->fd, f->ioas, ranges, 3), EINVAL);
	ranges[2] = ranges[0];
	assert_err(allow(f->fd, f->ioas, ranges, 3), EINVAL);
	ranges[2] = (struct iommu_iova_range){ IOVA - 5, IOVA };
	assert_err(allow(f->fd, f->ioas, ranges, 3), EINVAL);
	ranges[2] = (struct iommu_iova_range){ IOVA + PAGE - 1, 3 * IOVA };
	assert_err(allow(f->fd, f->ioas, ranges, 3), EINVAL);
	/* Ranges that touch do not overlap. */
	ranges[2] = (struct iommu_iova_range){ IOVA + PAGE, IOVA + PAGE + 1 };
	assert_ok(allow(f->fd, f->ioas, ranges, 3));
}

static void allow_conflict(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range good = { IOVA, IOVA + PAGE - 1 };
	struct iommu_iova_range bad[] = { { 5, 7 }, { 3 * IOVA - 1, 3 * IOVA } };
	uint64_t iova;

	assert_ok(add_reserved(f->fd, f->ioas, 3 * IOVA, PAGE));
	assert_ok(allow(f->fd, f->ioas, &good, 1));
	assert_err(allow(f->fd, f->ioas, bad, 2), EADDRINUSE);
	/* The old list is still in force. */
	assert_ok(map_auto(f->fd, f->ioas, f->buf, PAGE, &iova));
	assert_int_equal(iova, IOVA);
}

static void allow_hostile(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range *ranges =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int n = PAGE / sizeof(*ranges), i;

	assert_true(ranges != MAP_FAILED);
	/* Keep the addresses reserved: an allocation might get memory there. */
	assert_ok(mprotect((char *)ranges + PAGE, PAGE, PROT_NONE));
	for (i = 0; i < n; i++)
		ranges[i] = (struct iommu_iova_range){ i * PAGE, i * PAGE + 1 };
	/* The readable array is shorter than the number of entries. */
	assert_err(allow(f->fd, f->ioas, ranges, UINT32_MAX), EFAULT);
	/* A bad entry is reported before the unreadable end of the array. */
	ranges[n - 1] = ranges[0];
	assert_err(allow(f->fd, f->ioas, ranges, UINT32_MAX), EINVAL);
	munmap(ranges, 2 * PAGE);
}

static void huge_pages_option(void **state)
{
	struct fixture *f = *state;
	uint64_t val = 2;

	assert_err(set_huge_pages(f->fd, f->ioas, 2), EINVAL);
	assert_err(set_huge_pages(f->fd, f->ioas + 1000, 0), ENOENT);
	assert_err(option(f->fd, IOMMU_OPTION_HUGE_PAGES, 2, f->ioas, &val), EOPNOTSUPP);
	assert_ok(set_huge_pages(f->fd, f->ioas, 0));
	assert_ok(set_huge_pages(f->fd, f->ioas, 0));
	assert_ok(option(f->fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, f->ioas, &val));
	assert_int_equal(val, 0);
	/* b34: large pages off, so that the alignment is a page. */
	assert_int_equal(alignment_of(f->fd, f->ioas), PAGE);
	assert_ok(set_huge_pages(f->fd, f->ioas, 1));
	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
}

static void huge_pages_misaligned(void **state)
{
	struct fixture *f = *state;

	assert_ok(abi_map(f->fd, f->ioas, f->buf + 1, PAGE, IOVA));
	assert_err(set_huge_pages(f->fd, f->ioas, 0), EADDRINUSE);
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE - 1, IOVA));
	assert_err(set_huge_pages(f->fd, f->ioas, 0), EADDRINUSE);
	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
	assert_ok(unmap_all(f->fd, f->ioas));
	/* Without an HWPT, aligned mappings do not prevent the option. */
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, IOVA));
	assert_ok(set_huge_pages(f->fd, f->ioas, 0));
	assert_ok(set_huge_pages(f->fd, f->ioas, 1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RULE("b1 a fresh IOAS", fresh),
		RULE("b23 array too short -> EMSGSIZE, the true number", ranges_short),
		RULE("b23 IOVA_RANGES: EOPNOTSUPP, ENOENT, EFAULT", ranges_errors),
		RULE("b23 ranges around reserved ones that overlap", ranges_overlapping),
		RULE("ADD_RESERVED: EINVAL, EOVERFLOW, ENOENT, EADDRINUSE", reserve_errors),
		RULE("b24 ALLOW_IOVAS replaces the list", allow_replaces),
		RULE("b24 ALLOW_IOVAS: start >= last, overlap -> EINVAL", allow_errors),
		RULE("b24 ALLOW_IOVAS touches a reserved range -> EADDRINUSE", allow_conflict),
		RULE("b24 ALLOW_IOVAS with a length that lies", allow_hostile),
		RULE("b27 b34 HUGE_PAGES: values, operations, alignment", huge_pages_option),
		RULE("b27 HUGE_PAGES 0 with a misaligned mapping -> EADDRINUSE",
		     huge_pages_misaligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
