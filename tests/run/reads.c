// SPDX-License-Identifier: MIT
/*
 * reads.c - under `iofault run`: an array of invalidation entries is read from the program's memory
 * in large parts, not entry by entry. tests/run/count_reads.c counts the calls that read.
 */
#include "../abi/abi.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRIES (1u << 19)
/* A part has 2 KiB, and may be read twice. Structures and the ends of pages come on top. */
#define READS(bytes) ((bytes) / 512 + 64)

static unsigned long *count;

static unsigned long reads(void)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static int group_setup(void **state)
{
	const char *path = getenv("IOF_TEST_READS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	(void)state;
	count = mmap(NULL, sizeof(*count), PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(count, MAP_FAILED);
	close(fd);
	return 0;
}

/* How many reads a call takes that has ENTRIES entries of @len bytes, @at bytes into a page. */
static unsigned long reads_of(int fd, uint32_t hwpt, uint32_t type, uint32_t len, size_t at)
{
	size_t bytes = (size_t)ENTRIES * len + at;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.data_uptr = (uintptr_t)memory + at,
		.data_type = type,
		.entry_len = len,
		.entry_num = ENTRIES,
	};
	unsigned long before, after;

	assert_ptr_not_equal(memory, MAP_FAILED);
	for (size_t i = 0; type == IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 && i < ENTRIES; i++)
		memory[at + i * len + offsetof(struct iommu_hwpt_vtd_s1_invalidate, npages)] = 1;
	before = reads();
	assert_ok(ioctl(fd, IOMMU_HWPT_INVALIDATE, &cmd));
	after = reads();
	assert_int_equal(cmd.entry_num, ENTRIES);
	munmap(memory, bytes);
	/* At least the structure is read, if this counts at all. */
	assert_true(after > before);
	print_message("# %u entries of %u bytes: %lu reads\n", ENTRIES, len, after - before);
	return after - before;
}

static void entries_of_a_mock_device(void **state)
{
	const uint32_t type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST, len = 8;
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), ioas, parent, nested;
	struct abi_mock mock;

	(void)state;
	assert_true(fd >= 0);
	ioas = abi_ioas(fd);
	assert_ok(abi_mock(fd, (uint32_t)ioas, 0, &mock));
	parent = abi_hwpt(fd, mock.idev, (uint32_t)ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	nested = abi_hwpt_nested(fd, mock.idev, (uint32_t)parent, 0, 0, 7);
	assert_id(nested);
	assert_true(reads_of(fd, (uint32_t)nested, type, len, 0) <= READS(ENTRIES * len));
	assert_true(reads_of(fd, (uint32_t)nested, type, len, 5) <= READS(ENTRIES * len));
	close(fd);
}

static int vtd_hwpt(int fd, uint32_t dev, uint32_t parent)
{
	struct iommu_hwpt_vtd_s1 table = { .addr_width = 48 };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = dev,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(table),
		.data_uptr = (uintptr_t)&table,
	};
	int rc = ioctl(fd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ? -errno : (int)cmd.out_hwpt_id;
}

/* A longer entry ends in zeroes, which are looked at too. */
static void entries_of_an_accelerator(void **state)
{
	static const uint32_t lengths[] = { sizeof(struct iommu_hwpt_vtd_s1_invalidate), 40, 64,
					    200 };
	const uint32_t type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1;
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), ioas, id, parent, nested;
	int dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && dev >= 0);
	ioas = abi_ioas(fd);
	id = abi_bind(dev, fd);
	parent = abi_hwpt(fd, (uint32_t)id, (uint32_t)ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	nested = vtd_hwpt(fd, (uint32_t)id, (uint32_t)parent);
	assert_id(nested);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_true(reads_of(fd, (uint32_t)nested, type, lengths[i], 8) <=
			    READS(ENTRIES * lengths[i]));
	close(dev);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_of_a_mock_device),
		cmocka_unit_test(entries_of_an_accelerator),
	};

	return cmocka_run_group_tests_name("reads", tests, group_setup, NULL);
}
