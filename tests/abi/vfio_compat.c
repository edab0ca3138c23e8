// SPDX-License-Identifier: MIT
/*
 * vfio_compat.c - proves that VFIO's type-1 commands on /dev/iommu do what section 9 of the ABI
 * says, on the IOAS that IOMMU_VFIO_IOAS names.
 */
#include "ioas.h"

/* Kernel headers lack it from Linux 7.0 on. */
#ifndef VFIO_TYPE1_NESTING_IOMMU
#define VFIO_TYPE1_NESTING_IOMMU 6
#endif

#define AT IOVA

static int vfio_ioas(int fd, uint16_t op, uint32_t *id)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .ioas_id = *id, .op = op };
	int rc = iof_ioctl(fd, IOMMU_VFIO_IOAS, &cmd);

	*id = cmd.ioas_id;
	return rc;
}

static void use(struct fixture *f)
{
	assert_ok(vfio_ioas(f->fd, IOMMU_VFIO_IOAS_SET, &f->ioas));
}

static int plain(struct fixture *f, unsigned long cmd, unsigned long value)
{
	return iof_ioctl(f->fd, cmd, (void *)value);
}

static int map_dma(struct fixture *f, uint32_t flags, const void *memory, uint64_t iova,
		   uint64_t size)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size,
	};

	return iof_ioctl(f->fd, VFIO_IOMMU_MAP_DMA, &cmd);
}

#define RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

/* Unmaps. *size: the number of unmapped bytes, on failure, too. */
static int unmap_dma(struct fixture *f, uint32_t flags, uint64_t iova, uint64_t *size)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.iova = iova,
		.size = *size,
	};
	int rc = iof_ioctl(f->fd, VFIO_IOMMU_UNMAP_DMA, &cmd);

	*size = cmd.size;
	return rc;
}

static void the_compat_ioas_is_named_and_forgotten(void **state)
{
	struct fixture *f = *state;
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .__reserved = 1 };
	uint32_t id = 77, other;

	assert_err(vfio_ioas(f->fd, IOMMU_VFIO_IOAS_GET, &id), ENODEV);
	assert_err(vfio_ioas(f->fd, IOMMU_VFIO_IOAS_SET, &id), ENOENT);
	assert_err(vfio_ioas(f->fd, 3, &id), EOPNOTSUPP);
	assert_err(iof_ioctl(f->fd, IOMMU_VFIO_IOAS, &cmd), EOPNOTSUPP);
	use(f);
	assert_ok(vfio_ioas(f->fd, IOMMU_VFIO_IOAS_GET, &id));
	assert_int_equal(id, f->ioas);
	assert_ok(vfio_ioas(f->fd, IOMMU_VFIO_IOAS_CLEAR, &id));
	assert_err(vfio_ioas(f->fd, IOMMU_VFIO_IOAS_GET, &id), ENODEV);
	/*
	 * a10: the compat IOAS is not held, and a later IOAS with its id does not take its place.
	 */
	use(f);
	assert_ok(abi_destroy(f->fd, f->ioas));
	assert_err(vfio_ioas(f->fd, IOMMU_VFIO_IOAS_GET, &id), ENODEV);
	other = (uint32_t)abi_ioas(f->fd);
	assert_int_equal(other, f->ioas);
	assert_err(vfio_ioas(f->fd, IOMMU_VFIO_IOAS_GET, &id), ENODEV);
}

static void without_an_ioas_there_is_no_device(void **state)
{
	struct fixture *f = *state;
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	uint64_t size = PAGE;

	assert_int_equal(plain(f, VFIO_GET_API_VERSION, 0), 0);
	assert_int_equal(plain(f, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU), 1);
	assert_int_equal(plain(f, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU), 1);
	assert_int_equal(plain(f, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL), 1);
	assert_int_equal(plain(f, VFIO_CHECK_EXTENSION, VFIO_TYPE1_NESTING_IOMMU), 0);
	assert_int_equal(plain(f, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 0);
	assert_int_equal(plain(f, VFIO_CHECK_EXTENSION, 999), 0);
	assert_err(plain(f, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), ENODEV);
	assert_err(plain(f, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), ENODEV);
	assert_err(plain(f, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_IOMMU), EINVAL);
	assert_err(iof_ioctl(f->fd, VFIO_IOMMU_GET_INFO, &info), ENODEV);
	assert_err(map_dma(f, RW, f->buf, AT, PAGE), ENODEV);
	assert_err(unmap_dma(f, 0, AT, &size), ENODEV);
	/* Errors of the arguments come first. */
	assert_err(map_dma(f, 8, f->buf, AT, PAGE), EINVAL);
	assert_err(unmap_dma(f, 1, AT, &size), EINVAL);
	assert_err(plain(f, VFIO_IOMMU_DIRTY_PAGES, 0), ENOTTY);
	assert_err(plain(f, VFIO_IOMMU_MAP_DMA, 0), EFAULT);
	assert_err(plain(f, VFIO_IOMMU_UNMAP_DMA, 0), EFAULT);
	assert_err(plain(f, VFIO_IOMMU_GET_INFO, 0), EFAULT);
}

static void get_info_tells_sizes_and_ranges(void **state)
{
	struct fixture *f = *state;
	struct {
		struct vfio_iommu_type1_info info;
		unsigned char rest[200];
	} big = { .info = { .argsz = sizeof(big) } };
	struct vfio_iommu_type1_info small = { .argsz = 16 };
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	struct vfio_iommu_type1_info_dma_avail *avail;
	struct abi_mock mock;

	use(f);
	/* All HWPTs of an empty set enforce coherency; the mock's HWPTs do not. */
	assert_int_equal(plain(f, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 1);
	small.argsz = 15;
	assert_err(iof_ioctl(f->fd, VFIO_IOMMU_GET_INFO, &small), EINVAL);
	small.argsz = 16;
	small.cap_offset = 99;
	assert_ok(iof_ioctl(f->fd, VFIO_IOMMU_GET_INFO, &small));
	assert_int_equal(small.flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
	assert_true(small.iova_pgsizes == ~(PAGE - 1));
	assert_int_equal(small.argsz, 24 + 16 + 32);
	/* The call writes nothing beyond the caller's argsz. */
	assert_int_equal(small.cap_offset, 99);
	small.argsz = sizeof(small);
	assert_ok(iof_ioctl(f->fd, VFIO_IOMMU_GET_INFO, &small));
	assert_int_equal(small.cap_offset, 0);

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_int_equal(plain(f, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 0);
	assert_ok(iof_ioctl(f->fd, VFIO_IOMMU_GET_INFO, &big));
	assert_true(big.info.iova_pgsizes & PAGE);
	assert_false(big.info.iova_pgsizes & (PAGE - 1));
	assert_int_equal(big.info.cap_offset, 24);
	avail = (void *)((char *)&big + 24);
	assert_int_equal(avail->header.id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	assert_int_equal(avail->header.version, 1);
	assert_int_equal(avail->header.next, 40);
	assert_true(avail->avail == 0xffffffff);
	cap = (void *)((char *)&big + 40);
	assert_int_equal(cap->header.id, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	assert_int_equal(cap->header.version, 1);
	assert_int_equal(cap->header.next, 0);
	assert_int_equal(cap->nr_iovas, 1);
	assert_int_equal(cap->iova_ranges[0].start, MOCK_APERTURE_START);
	assert_int_equal(cap->iova_ranges[0].end, MOCK_APERTURE_LAST);
}

/*
 * Ours: a whole page counts as supported if smaller I/O pages make it up, beside a table without
 * smaller pages.
 */
static void page_sizes_are_those_that_serve(void **state)
{
	struct fixture *f = *state;
	struct iommu_hwpt_selftest data = { .pagetable_type = MOCK_IOMMUPT_HUGE };
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.pt_id = f->ioas,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	struct abi_mock mock;

	if (!abi_ours())
		skip();
	use(f);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	alloc.dev_id = mock.idev;
	assert_ok(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &alloc));
	assert_ok(iof_ioctl(f->fd, VFIO_IOMMU_GET_INFO, &info));
	assert_true(info.iova_pgsizes == PAGE);
}

static void maps_are_fixed_and_checked(void **state)
{
	struct fixture *f = *state;
	struct vfio_iommu_type1_dma_map cmd = { .argsz = 31, .flags = RW };
	struct vfio_iommu_type1_dma_unmap un = { .argsz = 23 };
	struct abi_mock mock;
	uint64_t size;

	use(f);
	/* Without any right the mapping is refused: no page table could hold it. */
	size = PAGE;
	assert_ok(map_dma(f, 0, f->buf, AT, PAGE));
	assert_err(abi_mock(f->fd, f->ioas, 0, &mock), EINVAL);
	assert_ok(unmap_dma(f, 0, AT, &size));
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_err(map_dma(f, 0, f->buf, AT, PAGE), EINVAL);
	assert_err(iof_ioctl(f->fd, VFIO_IOMMU_MAP_DMA, &cmd), EINVAL);
	assert_err(iof_ioctl(f->fd, VFIO_IOMMU_UNMAP_DMA, &un), EINVAL);
	assert_ok(map_dma(f, RW, f->buf, AT, 4 * PAGE));
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT, 4 * PAGE, f->buf));
	assert_err(map_dma(f, RW, f->buf, AT + 3 * PAGE, 4 * PAGE), EEXIST);
	assert_err(map_dma(f, RW, f->buf, AT + 8 * PAGE, 0), EINVAL);
	/* The second version never cuts a mapping. */
	assert_ok(plain(f, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	size = 2 * PAGE;
	assert_err(unmap_dma(f, 0, AT, &size), ENOENT);
	assert_int_equal(size, 0);
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT, 4 * PAGE, f->buf));
	size = 16 * PAGE;
	assert_ok(unmap_dma(f, 0, AT, &size));
	assert_int_equal(size, 4 * PAGE);
	size = 16 * PAGE;
	assert_ok(unmap_dma(f, 0, AT, &size));
	assert_int_equal(size, 0);
	assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 0));
}

static void unmap_all_takes_everything(void **state)
{
	struct fixture *f = *state;
	uint64_t size = 0;

	use(f);
	assert_ok(unmap_dma(f, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size));
	assert_int_equal(size, 0);
	assert_ok(map_dma(f, RW, f->buf, AT, PAGE));
	assert_ok(map_dma(f, VFIO_DMA_MAP_FLAG_READ, f->buf, AT + (1 << 24), 2 * PAGE));
	assert_err(unmap_dma(f, VFIO_DMA_UNMAP_FLAG_ALL, PAGE, &size), EINVAL);
	size = PAGE;
	assert_err(unmap_dma(f, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size), EINVAL);
	assert_int_equal(size, PAGE);
	size = 0;
	assert_ok(unmap_dma(f, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size));
	assert_int_equal(size, 3 * PAGE);
}

/*
 * An unmap that is refused before it removes anything leaves the size as it was. Every other one
 * sets it to the bytes removed.
 */
static void a_refused_unmap_changes_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t size;

	use(f);
	assert_ok(map_dma(f, RW, f->buf, AT, 2 * PAGE));
	assert_ok(map_dma(f, RW, f->buf, AT + 4 * PAGE, 4 * PAGE));
	size = PAGE;
	assert_err(unmap_dma(f, 4, AT, &size), EINVAL);
	assert_int_equal(size, PAGE);
	assert_err(unmap_dma(f, VFIO_DMA_UNMAP_FLAG_ALL, AT, &size), EINVAL);
	assert_int_equal(size, PAGE);
	size = 2 * PAGE;
	assert_err(unmap_dma(f, 0, -PAGE, &size), EOVERFLOW);
	assert_int_equal(size, 0);
	size = 6 * PAGE;
	assert_err(unmap_dma(f, 0, AT, &size), ENOENT);
	assert_int_equal(size, 2 * PAGE);
	size = 0;
	assert_ok(unmap_dma(f, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size));
	assert_int_equal(size, 4 * PAGE);
}

/* b22: the first version cuts mappings at any page. */
static void b22_the_first_version_cuts(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock;
	uint64_t size, value = 1;

	use(f);
	assert_ok(plain(f, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	assert_ok(option(f->fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, f->ioas, &value));
	assert_int_equal(value, 0);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(map_dma(f, RW, f->buf, AT, 16 * PAGE));
	/* Unmap the middle, then the pages on either side of another hole. */
	size = 2 * PAGE;
	assert_ok(unmap_dma(f, 0, AT + 4 * PAGE, &size));
	assert_int_equal(size, 2 * PAGE);
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT, 4 * PAGE, f->buf));
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT + 6 * PAGE, 10 * PAGE, f->buf + 6 * PAGE));
	assert_err(abi_check_map(f->fd, mock.hwpt, AT + 4 * PAGE, PAGE, f->buf + 4 * PAGE), EINVAL);
	assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 1));
	assert_ok(abi_check_refs(f->fd, f->buf + 4 * PAGE, 2 * PAGE, 0));
	assert_ok(abi_check_refs(f->fd, f->buf + 6 * PAGE, 10 * PAGE, 1));
	/* A refused cut changes neither the mapping nor the caller's struct. */
	size = 100;
	assert_err(unmap_dma(f, 0, AT, &size), EINVAL);
	assert_int_equal(size, 100);
	size = PAGE;
	assert_err(unmap_dma(f, 0, AT + 100, &size), EINVAL);
	assert_int_equal(size, PAGE);
	assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 1));
	size = 6 * PAGE;
	assert_ok(unmap_dma(f, 0, AT + 2 * PAGE, &size));
	assert_int_equal(size, 4 * PAGE);
	/* A hole can be mapped again, and the native command unmaps the pieces, too. */
	assert_ok(map_dma(f, RW, f->buf + 32 * PAGE, AT + 4 * PAGE, PAGE));
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 2 * PAGE));
	assert_ok(abi_unmap(f->fd, f->ioas, AT + 8 * PAGE, 8 * PAGE));
	assert_err(abi_unmap(f->fd, f->ioas, AT + 8 * PAGE, 8 * PAGE), ENOENT);
	size = 16 * PAGE;
	assert_ok(unmap_dma(f, 0, AT, &size));
	assert_int_equal(size, PAGE);
	assert_ok(abi_check_refs(f->fd, f->buf, 64 * PAGE, 0));
}

/* The pins of an access end before its pages are cut. */
static void cutting_ends_pins(void **state)
{
	struct fixture *f = *state;
	uint64_t size = PAGE;
	int access;

	use(f);
	assert_ok(plain(f, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	assert_ok(map_dma(f, RW, f->buf, AT, 4 * PAGE));
	access = abi_access(f->fd, f->ioas, true);
	assert_true(access >= 0);
	assert_int_equal(abi_access_pin(f->fd, access, AT, 4 * PAGE, f->buf, 0), 0);
	if (abi_ours()) {
		/* No access is asked to unpin for an address where a cut is never possible. */
		assert_err(unmap_dma(f, 0, AT + PAGE + 8, &size), EINVAL);
		assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 1));
		size = PAGE;
	}
	assert_ok(unmap_dma(f, 0, AT + PAGE, &size));
	assert_int_equal(size, PAGE);
	assert_err(abi_access_unpin(f->fd, access, 0), ENOENT);
	assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 0));
	assert_int_equal(
		abi_access_pin(f->fd, access, AT + 2 * PAGE, 2 * PAGE, f->buf + 2 * PAGE, 0), 1);
	assert_ok(iof_close(access));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_compat_ioas_is_named_and_forgotten),
		T(without_an_ioas_there_is_no_device),
		T(get_info_tells_sizes_and_ranges),
		T(page_sizes_are_those_that_serve),
		T(maps_are_fixed_and_checked),
		T(unmap_all_takes_everything),
		T(a_refused_unmap_changes_nothing),
		T(b22_the_first_version_cuts),
		T(cutting_ends_pins),
	};

	return cmocka_run_group_tests_name("vfio_compat", tests, NULL, NULL);
}
