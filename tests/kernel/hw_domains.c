// SPDX-License-Identifier: MIT
/*
 * hw_domains.c - proves what hw/ makes of the kernel's page tables, against an IOMMU driver that
 * shows its tables and fails calls: DMA follows the mappings, pages are as large as memory allows,
 * each failing call leaves all as before, and an isolation group is switched as a whole.
 */
#include "hw_iommu.h"

#include <string.h>

#define MB (1ul << 20)

/* A page table that PASIDs can use, or one like it that nothing is attached to. */
static uint32_t page_table(struct hw *hw, uint32_t flags)
{
	int rc = abi_hwpt(hw->fd, hw->devid, hw->ioas, flags | IOMMU_HWPT_ALLOC_PASID);

	assert_id(rc);
	return (uint32_t)rc;
}

static void dma_follows_the_mappings(void **state)
{
	char *memory = abi_pages(4), data[3 * PAGE];
	struct hw *hw = *state;

	memset(data, 0x77, sizeof(data));
	assert_id(abi_attach(hw->dev, hw->ioas));
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, data, PAGE, false), 0);
	assert_ok(abi_map(hw->fd, hw->ioas, memory, 4 * PAGE, IOVA));
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA + 100, data, 3 * PAGE, true),
			 3 * PAGE);
	assert_memory_equal(memory + 100, data, sizeof(data));
	memory[200] = 1;
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA + 200, data, 1, false), 1);
	assert_int_equal(data[0], 1);
	/* Beyond the end nothing is reached. */
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA + 3 * PAGE, data, 2 * PAGE, true),
			 PAGE);
	assert_ok(abi_unmap(hw->fd, hw->ioas, IOVA, 4 * PAGE));
	memset(memory, 0, 4 * PAGE);
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, data, PAGE, true), 0);
	assert_int_equal(memory[0], 0);
	munmap(memory, 4 * PAGE);
}

static void a_pasid_has_a_space_of_its_own(void **state)
{
	char *memory = abi_pages(1), byte = 9;
	struct hw *hw = *state;
	uint32_t space;
	int rc;

	assert_id(abi_attach(hw->dev, page_table(hw, 0)));
	rc = abi_ioas(hw->fd);
	assert_id(rc);
	space = (uint32_t)rc;
	rc = abi_hwpt(hw->fd, hw->devid, space, IOMMU_HWPT_ALLOC_PASID);
	assert_id(rc);
	assert_id(abi_attach_pasid(hw->dev, HWI_PASID, (uint32_t)rc));
	assert_ok(abi_map(hw->fd, space, memory, PAGE, IOVA));
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, &byte, 1, true), 0);
	assert_int_equal(hwi_dma(HWI_PLAIN, HWI_PASID, IOVA, &byte, 1, true), 1);
	assert_int_equal(memory[0], 9);
	assert_int_equal(hwi_dma(HWI_PLAIN, HWI_PASID + 1, IOVA, &byte, 1, true), 0);
	assert_ok(abi_detach_pasid(hw->dev, HWI_PASID));
	assert_int_equal(hwi_dma(HWI_PLAIN, HWI_PASID, IOVA, &byte, 1, true), 0);
	munmap(memory, PAGE);
}

static void read_only_memory_is_not_written(void **state)
{
	char *memory = abi_pages(1), byte = 9;
	struct hw *hw = *state;
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = hw->ioas,
		.user_va = (uintptr_t)memory,
		.length = PAGE,
		.iova = IOVA,
	};

	assert_id(abi_attach(hw->dev, hw->ioas));
	assert_ok(ioctl(hw->fd, IOMMU_IOAS_MAP, &cmd));
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, &byte, 1, true), 0);
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, &byte, 1, false), 1);
	munmap(memory, PAGE);
}

static void huge_memory_is_mapped_by_huge_pages(void **state)
{
	size_t bytes = 4 * MB;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	struct hw *hw = *state;
	struct ti_lookup look;
	uint64_t calls;

	if (memory == MAP_FAILED)
		skip_because("no huge pages");
	memory[0] = 1;
	assert_id(abi_attach(hw->dev, hw->ioas));
	calls = hwi_calls(TI_POINT_MAP);
	assert_ok(abi_map(hw->fd, hw->ioas, memory, bytes, IOVA));
	assert_true(hwi_calls(TI_POINT_MAP) - calls <= 2);
	assert_ok(hwi_lookup(HWI_PLAIN, TI_NO_PASID, IOVA + 3 * MB, &look));
	assert_int_equal(look.size, 2 * MB);
	/* At another offset large pages are physically impossible. */
	assert_ok(abi_map(hw->fd, hw->ioas, memory, bytes, 2 * IOVA + PAGE));
	assert_ok(hwi_lookup(HWI_PLAIN, TI_NO_PASID, 2 * IOVA + PAGE, &look));
	assert_int_equal(look.size, PAGE);
	assert_ok(abi_unmap(hw->fd, hw->ioas, 2 * IOVA + PAGE, bytes));
	assert_ok(abi_unmap(hw->fd, hw->ioas, IOVA, bytes));
	assert_err(hwi_lookup(HWI_PLAIN, TI_NO_PASID, IOVA + 3 * MB, &look), EFAULT);
	munmap(memory, bytes);
}

static void reserved_ranges_cannot_be_mapped(void **state)
{
	char *memory = abi_pages(1);
	struct hw *hw = *state;

	assert_id(abi_attach(hw->dev, hw->ioas));
	assert_true(abi_map(hw->fd, hw->ioas, memory, PAGE, TI_RESV_START) < 0);
	assert_true(abi_map(hw->fd, hw->ioas, memory, PAGE, 0xfee00000) < 0);
	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, TI_RESV_LAST + 1));
	/* Beyond the last address that the IOMMU translates. */
	assert_true(abi_map(hw->fd, hw->ioas, memory, PAGE, 1ull << 48) < 0);
	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, (1ull << 48) - PAGE));
	/* The firmware's wish ended when the driver took the function. */
	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, TI_RELAX_START));
	munmap(memory, PAGE);
}

/* The test IOMMU refuses a page table that cannot translate interrupts. */
static void the_window_of_interrupts_stays_free(void **state)
{
	char *memory = abi_pages(1), byte = 9;
	struct hw hw;

	(void)state;
	hw_use(&hw, hwi_name[HWI_NO_PRI], true);
	assert_true(abi_map(hw.fd, hw.ioas, memory, PAGE, TI_MSI_START) < 0);
	assert_ok(abi_map(hw.fd, hw.ioas, memory, PAGE, IOVA));
	assert_int_equal(hwi_dma(HWI_NO_PRI, TI_NO_PASID, IOVA, &byte, 1, true), 1);
	hw_close(&hw);
	munmap(memory, PAGE);
}

static void a_map_that_fails_leaves_nothing(void **state)
{
	char *memory = abi_pages(64);
	struct hw *hw = *state;
	struct ti_lookup look;
	unsigned int nth, i;
	int rc;

	assert_id(abi_attach(hw->dev, hw->ioas));
	/* Discontiguous memory, so that mapping takes several calls: every second page twice. */
	for (i = 0; i < 64; i += 2)
		memory[i * PAGE] = 1;
	for (i = 1; i < 64; i += 2)
		memory[i * PAGE] = 1;
	for (nth = 1;; nth++) {
		hwi_fail(TI_POINT_MAP, nth, ENOMEM);
		rc = abi_map(hw->fd, hw->ioas, memory, 64 * PAGE, IOVA);
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		for (i = 0; i < 64; i++)
			assert_err(hwi_lookup(HWI_PLAIN, TI_NO_PASID, IOVA + i * PAGE, &look),
				   EFAULT);
	}
	assert_true(nth > 1);
	hwi_fail(TI_POINT_MAP, 0, 0);
	munmap(memory, 64 * PAGE);
}

/* Fails the first call at a point of an attach; then everything works. */
static void attach_fails(struct hw *hw, uint32_t point, uint32_t pasid)
{
	uint32_t hwpt = page_table(hw, 0);
	int rc;

	if (pasid)
		assert_id(abi_attach(hw->dev, page_table(hw, 0)));
	hwi_fail(point, 1, ENOMEM);
	rc = pasid ? abi_attach_pasid(hw->dev, pasid, hwpt) : abi_attach(hw->dev, hwpt);
	assert_true(rc < 0);
	rc = pasid ? abi_attach_pasid(hw->dev, pasid, hwpt) : abi_attach(hw->dev, hwpt);
	assert_id(rc);
	assert_ok(pasid ? abi_detach_pasid(hw->dev, pasid) : abi_detach(hw->dev));
}

static void an_attach_that_fails_can_be_repeated(void **state)
{
	attach_fails(*state, TI_POINT_ATTACH, 0);
}

static void a_pasid_attach_that_fails_can_be_repeated(void **state)
{
	struct hw *hw = *state;

	attach_fails(hw, TI_POINT_PASID, HWI_PASID);
	/* One that is not repeated leaves nothing: the module warns when the function goes. */
	hwi_fail(TI_POINT_PASID, 1, ENOMEM);
	assert_true(abi_attach_pasid(hw->dev, HWI_PASID + 1, page_table(hw, 0)) < 0);
}

static void a_replace_that_fails_keeps_the_old_page_table(void **state)
{
	char *memory = abi_pages(1), byte = 9;
	struct hw *hw = *state;
	uint32_t old = page_table(hw, 0), new = page_table(hw, 0);

	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, IOVA));
	assert_id(abi_attach(hw->dev, old));
	hwi_fail(TI_POINT_ATTACH, 1, ENOMEM);
	assert_true(abi_attach(hw->dev, new) < 0);
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, &byte, 1, true), 1);
	assert_id(abi_attach(hw->dev, new));
	assert_ok(abi_destroy(hw->fd, old));

	old = page_table(hw, 0);
	assert_id(abi_attach_pasid(hw->dev, HWI_PASID, new));
	hwi_fail(TI_POINT_PASID, 1, ENOMEM);
	assert_true(abi_attach_pasid(hw->dev, HWI_PASID, old) < 0);
	assert_int_equal(hwi_dma(HWI_PLAIN, HWI_PASID, IOVA, &byte, 1, true), 1);
	assert_id(abi_attach_pasid(hw->dev, HWI_PASID, old));
	assert_int_equal(hwi_dma(HWI_PLAIN, HWI_PASID, IOVA, &byte, 1, true), 1);
	munmap(memory, PAGE);
}

/* Linux 6.12 takes the old page table away first, and its return can fail, too. */
static void a_pasid_whose_way_back_fails_is_blocked(void **state)
{
	char *memory = abi_pages(1), byte = 9;
	struct hw *hw = *state;
	uint32_t tables[] = { page_table(hw, 0), page_table(hw, 0) };
	struct ti_lookup look;
	unsigned int i;

	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, IOVA));
	assert_id(abi_attach(hw->dev, tables[0]));
	assert_id(abi_attach_pasid(hw->dev, HWI_PASID, tables[0]));
	for (i = 0; i < 2; i++) {
		hwi_fail_times(TI_POINT_PASID, 2, ENOMEM);
		assert_err(abi_attach_pasid(hw->dev, HWI_PASID, tables[!i]), ENOMEM);
		hwi_fail(TI_POINT_PASID, 0, 0);
		if (!hwi_lookup(HWI_PLAIN, HWI_PASID, IOVA, &look)) {
			munmap(memory, PAGE);
			skip_because("this kernel replaces a PASID's page table at once");
		}
		assert_int_equal(hwi_dma(HWI_PLAIN, HWI_PASID, IOVA, &byte, 1, true), 0);
		/* Another attach ends that, and so does a detach. */
		if (i)
			assert_ok(abi_detach_pasid(hw->dev, HWI_PASID));
		assert_id(abi_attach_pasid(hw->dev, HWI_PASID, tables[!i]));
		assert_int_equal(hwi_dma(HWI_PLAIN, HWI_PASID, IOVA, &byte, 1, true), 1);
	}
	munmap(memory, PAGE);
}

static void a_page_table_that_cannot_be_allocated_is_an_error(void **state)
{
	struct hw *hw = *state;

	hwi_fail(TI_POINT_ALLOC, 1, ENOMEM);
	assert_err(abi_hwpt(hw->fd, hw->devid, hw->ioas, 0), ENOMEM);
	hwi_fail(TI_POINT_ALLOC, 1, ENOMEM);
	assert_err(abi_attach(hw->dev, hw->ioas), ENOMEM);
	assert_id(abi_attach(hw->dev, hw->ioas));
}

static bool page_requests_are_on(void)
{
	struct ti_stats stats;

	hwi_stats(HWI_PLAIN, &stats);
	return stats.iopf;
}

/* The feature of page requests fails to go on: the attachment is undone. */
static void page_requests_that_fail_to_start_undo_the_attach(void **state)
{
	char *memory = abi_pages(1), byte = 9;
	struct hw *hw = *state;
	uint32_t fault, faulting;
	int ffd, rc;

	assert_ok(abi_fault_queue(hw->fd, &fault, &ffd));
	rc = abi_ioas(hw->fd);
	assert_id(rc);
	rc = abi_hwpt_fault(hw->fd, hw->devid, (uint32_t)rc, IOMMU_HWPT_ALLOC_PASID, fault);
	assert_id(rc);
	faulting = (uint32_t)rc;
	hwi_fail(TI_POINT_FEATURE, 1, ENOMEM);
	assert_err(abi_attach(hw->dev, faulting), ENOMEM);
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, &byte, 1, false), 0);
	assert_id(abi_attach(hw->dev, faulting));
	assert_true(page_requests_are_on());
	assert_ok(abi_detach(hw->dev));
	assert_false(page_requests_are_on());

	/* A page table that was there before is back. */
	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, IOVA));
	assert_id(abi_attach(hw->dev, page_table(hw, 0)));
	hwi_fail(TI_POINT_FEATURE, 1, ENOMEM);
	assert_err(abi_attach(hw->dev, faulting), ENOMEM);
	assert_int_equal(hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, &byte, 1, true), 1);

	hwi_fail(TI_POINT_FEATURE, 1, ENOMEM);
	assert_err(abi_attach_pasid(hw->dev, HWI_PASID, faulting), ENOMEM);
	hwi_fail(TI_POINT_PASID, 1, ENOMEM);
	assert_err(abi_attach_pasid(hw->dev, HWI_PASID, faulting), ENOMEM);
	assert_false(page_requests_are_on());
	assert_id(abi_attach_pasid(hw->dev, HWI_PASID, faulting));
	assert_true(page_requests_are_on());
	/* Only the last page table with a fault queue ends them. */
	assert_id(abi_attach(hw->dev, faulting));
	assert_id(abi_attach_pasid(hw->dev, HWI_PASID, page_table(hw, 0)));
	assert_true(page_requests_are_on());
	assert_id(abi_attach(hw->dev, page_table(hw, 0)));
	assert_false(page_requests_are_on());
	close(ffd);
	munmap(memory, PAGE);
}

static void the_driver_describes_itself(void **state)
{
	struct iommu_test_hw_info info = {};
	struct hw *hw = *state;
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = hw->devid,
		.data_len = sizeof(info),
		.data_uptr = (uintptr_t)&info,
	};

	assert_ok(ioctl(hw->fd, IOMMU_GET_HW_INFO, &cmd));
	assert_int_equal(cmd.out_data_type, IOMMU_HW_INFO_TYPE_SELFTEST);
	assert_int_equal(info.test_reg, IOMMU_HW_INFO_SELFTEST_REGVAL);
	assert_int_equal(cmd.out_max_pasid_log2, 16);
	assert_int_equal(cmd.out_capabilities,
			 IOMMU_HW_CAP_DIRTY_TRACKING | IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED);
}

static void a_group_is_switched_as_a_whole(void **state)
{
	char *memory = abi_pages(1), byte = 5;
	struct hw first;
	int other, dev, fd;

	(void)state;
	hw_use(&first, hwi_name[HWI_FIRST], true);
	/* Another program cannot have the other member. */
	dev = hw_open(hwi_name[HWI_SECOND]);
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	assert_true(dev >= 0 && fd >= 0);
	assert_true(abi_bind(dev, fd) < 0);
	close(fd);
	assert_id(abi_bind(dev, first.fd));
	assert_ok(abi_map(first.fd, first.ioas, memory, PAGE, IOVA));
	/* The group has one page table. */
	other = abi_ioas(first.fd);
	assert_id(other);
	assert_err(abi_attach(dev, (uint32_t)other), EINVAL);
	assert_id(abi_attach(dev, first.ioas));
	assert_int_equal(hwi_dma(HWI_SECOND, TI_NO_PASID, IOVA, &byte, 1, true), 1);
	assert_ok(abi_detach(first.dev));
	/* One member is still attached. */
	assert_int_equal(hwi_dma(HWI_SECOND, TI_NO_PASID, IOVA, &byte, 1, true), 1);
	assert_ok(abi_detach(dev));
	assert_int_equal(hwi_dma(HWI_SECOND, TI_NO_PASID, IOVA, &byte, 1, true), 0);
	close(dev);
	hw_close(&first);
	munmap(memory, PAGE);
}

/* A replace is for all members at once, and none leaves by it. */
static void a_replace_keeps_the_members_of_a_group(void **state)
{
	char *memory = abi_pages(1), byte = 5;
	struct hw first;
	int other, dev;

	(void)state;
	hw_use(&first, hwi_name[HWI_FIRST], true);
	dev = hw_open(hwi_name[HWI_SECOND]);
	assert_true(dev >= 0);
	assert_id(abi_bind(dev, first.fd));
	assert_id(abi_attach(dev, first.ioas));
	other = abi_ioas(first.fd);
	assert_id(other);
	assert_ok(abi_map(first.fd, (uint32_t)other, memory, PAGE, IOVA));
	assert_id(abi_attach(first.dev, (uint32_t)other));
	assert_int_equal(hwi_dma(HWI_FIRST, TI_NO_PASID, IOVA, &byte, 1, true), 1);
	assert_int_equal(hwi_dma(HWI_SECOND, TI_NO_PASID, IOVA, &byte, 1, true), 1);
	assert_ok(abi_detach(first.dev));
	assert_int_equal(hwi_dma(HWI_SECOND, TI_NO_PASID, IOVA, &byte, 1, true), 1);
	assert_ok(abi_detach(dev));
	assert_int_equal(hwi_dma(HWI_FIRST, TI_NO_PASID, IOVA, &byte, 1, true), 0);
	close(dev);
	hw_close(&first);
	munmap(memory, PAGE);
}

/* Reads the dirty bits of @pages pages from IOVA on; returns their number. */
static unsigned int dirty_pages(struct hw *hw, uint32_t hwpt, uint32_t flags, unsigned int pages)
{
	uint8_t bits[2 * MB / PAGE / 8] = {};
	unsigned int nr = 0, i;

	assert_ok(abi_get_dirty(hw->fd, hwpt, flags, IOVA, pages * PAGE, PAGE, bits));
	for (i = 0; i < pages; i++)
		nr += bits[i / 8] >> i % 8 & 1;
	return nr;
}

static void a_large_page_is_dirty_as_a_whole(void **state)
{
	const unsigned int pages = 2 * MB / PAGE;
	uint8_t byte = 1;
	struct hw *hw = *state;
	struct ti_lookup look;
	uint64_t syncs;
	char *memory;
	int hwpt = abi_hwpt(hw->fd, hw->devid, hw->ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);

	if (hwpt == -EOPNOTSUPP)
		skip_because("no dirty tracking");
	assert_id(hwpt);
	memory = mmap(NULL, 2 * MB, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (memory == MAP_FAILED)
		skip_because("no huge pages");
	assert_id(abi_attach(hw->dev, (uint32_t)hwpt));
	assert_ok(abi_map(hw->fd, hw->ioas, memory, 2 * MB, IOVA));
	assert_ok(hwi_lookup(HWI_PLAIN, TI_NO_PASID, IOVA, &look));
	assert_int_equal(look.size, 2 * MB);
	assert_ok(abi_dirty_tracking(hw->fd, (uint32_t)hwpt, true));
	assert_int_equal(dirty_pages(hw, (uint32_t)hwpt, 0, pages), 0);
	hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA + 300 * PAGE, &byte, 1, true);
	assert_int_equal(dirty_pages(hw, (uint32_t)hwpt, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
				     pages),
			 pages);
	/* The next write of the device has to find the page clean. */
	syncs = hwi_calls(TI_POINT_SYNC);
	assert_int_equal(dirty_pages(hw, (uint32_t)hwpt, 0, pages), pages);
	assert_true(hwi_calls(TI_POINT_SYNC) > syncs);
	assert_int_equal(dirty_pages(hw, (uint32_t)hwpt, 0, pages), 0);
	/* Tracking ends, and begins again. */
	assert_ok(abi_dirty_tracking(hw->fd, (uint32_t)hwpt, false));
	hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, &byte, 1, true);
	assert_ok(abi_dirty_tracking(hw->fd, (uint32_t)hwpt, true));
	assert_int_equal(dirty_pages(hw, (uint32_t)hwpt, 0, pages), 0);
	hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA, &byte, 1, true);
	assert_int_equal(dirty_pages(hw, (uint32_t)hwpt, 0, pages), pages);
	munmap(memory, 2 * MB);
}

/* Pages far apart, with clean ones between them: no page is left out. */
static void each_dirty_page_of_a_long_range_is_reported(void **state)
{
	static const unsigned int dirty[] = { 2, 66, 131, 194, 255, 258, 322, 511 };
	uint8_t bits[512 / 8] = {}, wanted[512 / 8] = {}, byte = 1;
	struct hw *hw = *state;
	unsigned int i;
	char *memory;
	int hwpt = abi_hwpt(hw->fd, hw->devid, hw->ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);

	if (hwpt == -EOPNOTSUPP)
		skip_because("no dirty tracking");
	assert_id(hwpt);
	memory = abi_pages(512);
	assert_id(abi_attach(hw->dev, (uint32_t)hwpt));
	assert_ok(abi_map(hw->fd, hw->ioas, memory, 512 * PAGE, IOVA + PAGE));
	assert_ok(abi_dirty_tracking(hw->fd, (uint32_t)hwpt, true));
	for (i = 0; i < sizeof(dirty) / sizeof(dirty[0]); i++) {
		hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA + PAGE + dirty[i] * PAGE, &byte, 1, true);
		wanted[dirty[i] / 8] |= 1 << dirty[i] % 8;
	}
	assert_ok(abi_get_dirty(hw->fd, (uint32_t)hwpt, 0, IOVA + PAGE, 512 * PAGE, PAGE, bits));
	assert_memory_equal(bits, wanted, sizeof(bits));
	munmap(memory, 512 * PAGE);
}

static void written_pages_are_reported_dirty(void **state)
{
	uint8_t bits[8] = {}, byte = 1;
	struct hw *hw = *state;
	char *memory = abi_pages(64);
	int hwpt = abi_hwpt(hw->fd, hw->devid, hw->ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);

	if (hwpt == -EOPNOTSUPP)
		skip_because("no dirty tracking");
	assert_id(hwpt);
	assert_id(abi_attach(hw->dev, (uint32_t)hwpt));
	assert_ok(abi_map(hw->fd, hw->ioas, memory, 64 * PAGE, IOVA));
	assert_ok(abi_dirty_tracking(hw->fd, (uint32_t)hwpt, true));
	hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA + 3 * PAGE, &byte, 1, true);
	hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA + 40 * PAGE, &byte, 1, true);
	hwi_dma(HWI_PLAIN, TI_NO_PASID, IOVA + 50 * PAGE, &byte, 1, false);
	assert_ok(abi_get_dirty(hw->fd, (uint32_t)hwpt, 0, IOVA, 64 * PAGE, PAGE, bits));
	assert_int_equal(bits[0], 1 << 3);
	assert_int_equal(bits[5], 1 << 0);
	assert_int_equal(bits[6], 0);
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(hw->fd, (uint32_t)hwpt, 0, IOVA, 64 * PAGE, PAGE, bits));
	assert_int_equal(bits[0] | bits[5], 0);
	assert_ok(abi_dirty_tracking(hw->fd, (uint32_t)hwpt, false));
	munmap(memory, 64 * PAGE);
}

static void a_nested_page_table_is_invalidated(void **state)
{
	struct iommu_hwpt_invalidate_selftest entry = { .iotlb_id = 2 };
	struct iommu_hwpt_invalidate_selftest entries[] = { { .iotlb_id = 0 },
							    { .iotlb_id = 77 },
							    { .iotlb_id = 1 } };
	struct ti_nested told = { .dev = HWI_PLAIN, .pasid = TI_NO_PASID };
	struct hw *hw = *state;
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(entry),
		.entry_num = 1,
	};
	int parent, nested;

	parent = abi_hwpt(hw->fd, hw->devid, hw->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	if (parent == -EOPNOTSUPP)
		skip_because("no nested page tables");
	assert_id(parent);
	nested = abi_hwpt_nested(hw->fd, hw->devid, (uint32_t)parent, 0, 0, 0x55);
	assert_id(nested);
	assert_id(abi_attach(hw->dev, (uint32_t)nested));
	assert_ok(ioctl(hwi_fd, TI_NESTED, &told));
	assert_int_equal(told.iotlb[2], 0x55);
	cmd.hwpt_id = (uint32_t)nested;
	assert_ok(ioctl(hw->fd, IOMMU_HWPT_INVALIDATE, &cmd));
	assert_int_equal(cmd.entry_num, 1);
	assert_ok(ioctl(hwi_fd, TI_NESTED, &told));
	assert_int_equal(told.iotlb[2], 0);
	assert_int_equal(told.iotlb[1], 0x55);
	assert_int_equal(told.invalidations, 1);
	/* The number tells how far it came. */
	cmd.data_uptr = (uintptr_t)entries;
	cmd.entry_num = 3;
	assert_true(ioctl(hw->fd, IOMMU_HWPT_INVALIDATE, &cmd) < 0);
	assert_int_equal(cmd.entry_num, 1);
	assert_ok(ioctl(hwi_fd, TI_NESTED, &told));
	assert_int_equal(told.invalidations, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, hwi_setup, hwi_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(dma_follows_the_mappings),
		T(a_pasid_has_a_space_of_its_own),
		T(read_only_memory_is_not_written),
		T(huge_memory_is_mapped_by_huge_pages),
		T(reserved_ranges_cannot_be_mapped),
		cmocka_unit_test(the_window_of_interrupts_stays_free),
		T(a_map_that_fails_leaves_nothing),
		T(an_attach_that_fails_can_be_repeated),
		T(a_pasid_attach_that_fails_can_be_repeated),
		T(a_replace_that_fails_keeps_the_old_page_table),
		T(a_pasid_whose_way_back_fails_is_blocked),
		T(a_page_table_that_cannot_be_allocated_is_an_error),
		T(page_requests_that_fail_to_start_undo_the_attach),
		T(the_driver_describes_itself),
		T(written_pages_are_reported_dirty),
		T(a_large_page_is_dirty_as_a_whole),
		T(each_dirty_page_of_a_long_range_is_reported),
		T(a_nested_page_table_is_invalidated),
		cmocka_unit_test(a_group_is_switched_as_a_whole),
		cmocka_unit_test(a_replace_keeps_the_members_of_a_group),
	};
	int failed;

	hwi_begin("kernel/hw_domains");
	failed = cmocka_run_group_tests_name("hw_domains", tests, NULL, NULL);
	hwi_end();
	return failed;
}
