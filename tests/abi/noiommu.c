// SPDX-License-Identifier: MIT
/*
 * noiommu.c - proves the rules of a device without IOMMU: section (i) of docs/behaviour.md. Its DMA
 * uses the addresses that IOAS_NOIOMMU_GET_PA returns, and reaches nothing else. Needs
 * CAP_SYS_RAWIO; skips without it.
 */
#include "abi.h"

#include <linux/capability.h>
#include <linux/idxd.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct iof_dsa_config dsa = { .share_group = IOF_DSA_NO_IOMMU };

#define PAGES  16ul
#define RECORD (2 * IOVA)

struct fix {
	struct iof_world *world;
	int fd, ioas, dev, id;
	char *memory;	 /* PAGES pages, and one for the completion record */
	uint64_t record; /* physical address of the record */
};

/* Sets whether the calling thread has CAP_SYS_RAWIO, which the process may have. */
static void set_rawio(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_ok(syscall(SYS_capget, &header, data));
	data[CAP_SYS_RAWIO / 32].effective &= ~(1u << CAP_SYS_RAWIO % 32);
	if (on)
		data[CAP_SYS_RAWIO / 32].effective |= 1u << CAP_SYS_RAWIO % 32;
	assert_ok(syscall(SYS_capset, &header, data));
}

static int get_pa(const struct fix *f, uint64_t iova, uint64_t *length, uint64_t *pa)
{
	struct iommu_ioas_noiommu_get_pa cmd = {
		.size = sizeof(cmd),
		.ioas_id = (uint32_t)f->ioas,
		.iova = iova,
		.length = *length,
	};
	int rc = iof_ioctl(f->fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd);

	*length = cmd.length;
	*pa = cmd.out_phys;
	return rc;
}

/* The address of a mapped byte. */
static uint64_t pa_of(const struct fix *f, uint64_t iova)
{
	uint64_t length = 1, pa = 0;

	assert_ok(get_pa(f, iova, &length, &pa));
	assert_int_equal(length, 1);
	return pa;
}

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = abi_world(&dsa, 1);
	f.dev = abi_vfio(f.world, 0);
	if (f.dev == -EPERM || f.dev == -EACCES) {
		print_message("no CAP_SYS_RAWIO\n");
		iof_world_close(f.world);
		skip();
	}
	f.fd = abi_iommu(f.world);
	f.ioas = abi_ioas(f.fd);
	f.id = abi_bind(f.dev, f.fd);
	f.memory = abi_pages(PAGES + 1);
	assert_id(f.id);
	assert_id(abi_attach(f.dev, (uint32_t)f.ioas));
	assert_ok(abi_map(f.fd, (uint32_t)f.ioas, f.memory + PAGES * PAGE, PAGE, RECORD));
	f.record = pa_of(&f, RECORD);
	return f.ioas > 0 && f.dev >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	munmap(f->memory, (PAGES + 1) * PAGE);
	return iof_close(f->dev) | iof_close(f->fd) | iof_world_close(f->world);
}

static void submit(const struct fix *f, const struct dsa_hw_desc *desc)
{
	while (iof_pwrite(f->dev, desc, sizeof(*desc), 0) == -EAGAIN)
		sched_yield();
}

/* Copies by the device. Returns the status of the completion record. */
static unsigned int copy(const struct fix *f, uint64_t from, uint64_t to, uint32_t size)
{
	volatile uint8_t *status = (void *)(f->memory + PAGES * PAGE);
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_BOF,
		.completion_addr = f->record,
		.src_addr = from,
		.dst_addr = to,
		.xfer_size = size,
	};

	*status = 0;
	submit(f, &desc);
	while (!*status)
		sched_yield();
	return *status;
}

static bool refused(unsigned int status)
{
	return (status & DSA_COMP_STATUS_MASK) == DSA_COMP_TRANSLATION_FAIL;
}

static void i5_dma_uses_physical_addresses(void **state)
{
	const uint64_t half = PAGES / 2 * PAGE;
	struct fix *f = *state;
	uint64_t at, length, pa;

	for (size_t i = 0; i < half; i++)
		f->memory[i] = (char)(i * 7 + i / PAGE);
	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory, PAGES * PAGE, IOVA));
	for (at = 0; at < half; at += length) {
		length = half - at;
		assert_ok(get_pa(f, IOVA + at, &length, &pa));
		assert_true(length && length <= half - at);
		/* The target is not contiguous everywhere: page by page. */
		length = length < PAGE ? length : PAGE;
		assert_int_equal(copy(f, pa, pa_of(f, IOVA + half + at), (uint32_t)length),
				 DSA_COMP_SUCCESS);
	}
	assert_memory_equal(f->memory, f->memory + half, half);
	/* The whole run of a page, from its middle. */
	length = UINT64_MAX;
	assert_ok(get_pa(f, IOVA + 100, &length, &pa));
	assert_true(length >= PAGE - 100 && length <= PAGES * PAGE - 100);
	assert_int_equal(pa, pa_of(f, IOVA) + 100);
}

/* Each byte of a run is where the run says. */
static void i6_runs_are_contiguous(void **state)
{
	struct fix *f = *state;
	uint64_t at, length, pa, i;

	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory, PAGES * PAGE, IOVA));
	for (at = 0; at < PAGES * PAGE; at += length) {
		length = UINT64_MAX;
		assert_ok(get_pa(f, IOVA + at, &length, &pa));
		assert_int_equal(length % PAGE, 0);
		for (i = 0; i < length; i += PAGE)
			assert_int_equal(pa_of(f, IOVA + at + i), pa + i);
		if (at + length < PAGES * PAGE)
			assert_int_not_equal(pa_of(f, IOVA + at + length), pa + length);
	}
	assert_int_equal(at, PAGES * PAGE);
}

static void stray_addresses_reach_nothing(void **state)
{
	struct fix *f = *state;
	uint64_t page;

	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory, PAGE, IOVA));
	page = pa_of(f, IOVA);
	memset(f->memory, 0x11, PAGE);
	for (unsigned int i = 0; i < ABI_NR_NOWHERE; i++) {
		assert_int_not_equal(copy(f, abi_nowhere[i], page, 8), DSA_COMP_SUCCESS);
		assert_int_not_equal(copy(f, page, abi_nowhere[i], 8), DSA_COMP_SUCCESS);
	}
	/* An IOVA is not a physical address. */
	assert_true(refused(copy(f, IOVA, page, PAGE)));
	assert_true(refused(copy(f, page, IOVA, PAGE)));
	for (size_t i = 0; i < PAGE; i++)
		assert_int_equal(f->memory[i], 0x11);
	assert_int_equal(copy(f, page, page + 2048, 2048), DSA_COMP_SUCCESS);
}

/* A record at a stray address is lost and counted. */
static void stray_records_are_lost(void **state)
{
	struct fix *f = *state;
	struct iof_vfio_dsa_state before, after;
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_NOOP,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
	};
	const off_t at = IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_STATE);

	assert_int_equal(iof_pread(f->dev, &before, sizeof(before), at), sizeof(before));
	for (unsigned int i = 0; i < ABI_NR_NOWHERE; i++) {
		desc.completion_addr = abi_nowhere[i] & ~31ull;
		submit(f, &desc);
	}
	do {
		sched_yield();
		assert_int_equal(iof_pread(f->dev, &after, sizeof(after), at), sizeof(after));
	} while (after.unreported - before.unreported < ABI_NR_NOWHERE);
	assert_int_equal(after.unreported - before.unreported, ABI_NR_NOWHERE);
}

static void i8_unmapped_and_detached_memory_is_out_of_reach(void **state)
{
	struct fix *f = *state;
	uint64_t from, to, length = 1;

	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory, PAGE, IOVA));
	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory + PAGE, PAGE, IOVA + PAGE));
	/* A second mapping of the same page. */
	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory + PAGE, PAGE, 4 * IOVA));
	from = pa_of(f, IOVA);
	to = pa_of(f, IOVA + PAGE);
	assert_int_equal(pa_of(f, 4 * IOVA), to);
	assert_int_equal(copy(f, from, to, PAGE), DSA_COMP_SUCCESS);
	assert_ok(abi_unmap(f->fd, (uint32_t)f->ioas, IOVA + PAGE, PAGE));
	assert_int_equal(copy(f, from, to, PAGE), DSA_COMP_SUCCESS);
	assert_ok(abi_unmap(f->fd, (uint32_t)f->ioas, 4 * IOVA, PAGE));
	assert_true(refused(copy(f, from, to, PAGE)));
	assert_err(get_pa(f, 4 * IOVA, &length, &to), ENOENT);

	assert_ok(abi_detach(f->dev));
	assert_err(get_pa(f, IOVA, &length, &to), EOPNOTSUPP);
	assert_id(abi_attach(f->dev, (uint32_t)f->ioas));
	assert_int_equal(pa_of(f, IOVA), from);
	assert_int_equal(copy(f, from, from + 8, 8), DSA_COMP_SUCCESS);
}

static void read_only_memory_is_not_written(void **state)
{
	struct fix *f = *state;
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = (uint32_t)f->ioas,
		.user_va = (uintptr_t)f->memory,
		.length = PAGE,
		.iova = IOVA,
	};
	uint64_t from, to;

	assert_ok(iof_ioctl(f->fd, IOMMU_IOAS_MAP, &cmd));
	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory + PAGE, PAGE, IOVA + PAGE));
	from = pa_of(f, IOVA);
	to = pa_of(f, IOVA + PAGE);
	memset(f->memory, 0x21, 2 * PAGE);
	assert_int_equal(copy(f, from, to, PAGE), DSA_COMP_SUCCESS);
	f->memory[PAGE] = 0x22;
	assert_true(refused(copy(f, to, from, PAGE)));
	assert_int_equal(f->memory[0], 0x21);
	/* A writable mapping of the same page makes it writable. */
	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory, PAGE, 4 * IOVA));
	if (pa_of(f, 4 * IOVA) == from) {
		assert_int_equal(copy(f, to, from, PAGE), DSA_COMP_SUCCESS);
		assert_int_equal(f->memory[0], 0x22);
	}
	assert_ok(abi_unmap(f->fd, (uint32_t)f->ioas, 4 * IOVA, PAGE));
	assert_true(refused(copy(f, to, from, PAGE)));
}

static void i1_a_capability_is_needed(void **state)
{
	struct fix *f = *state;
	uint64_t length = 1, pa;
	int dev, fd;

	/* `iofault run` of an ordinary user has all capabilities in its own namespace. */
	if (abi_through_fuse(f->dev) && geteuid())
		skip();
	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory, PAGE, IOVA));
	assert_ok(iof_close(f->dev));
	dev = abi_vfio(f->world, 0);
	assert_true(dev >= 0);
	set_rawio(false);
	fd = abi_vfio(f->world, 0);
	f->dev = abi_bind(dev, f->fd);
	pa = (uint64_t)get_pa(f, IOVA, &length, &pa);
	set_rawio(true);
	assert_err(fd, EPERM);
	assert_err(f->dev, EPERM);
	assert_err((int)pa, EPERM);
	f->dev = dev;
	assert_id(abi_bind(dev, f->fd));
	assert_id(abi_attach(dev, (uint32_t)f->ioas));
	assert_int_not_equal(pa_of(f, IOVA), 0);
}

static void i2_i4_what_needs_an_iommu_is_refused(void **state)
{
	struct fix *f = *state;
	struct iommu_hw_info info = { .size = sizeof(info), .dev_id = (uint32_t)f->id };
	struct iof_vfio_device_sva sva = { .argsz = sizeof(sva), .pasid = 1 };
	uint32_t id = (uint32_t)f->id, ioas = (uint32_t)f->ioas, queue;
	struct abi_mock mock;
	int fault_fd, hwpt;

	assert_err(iof_ioctl(f->fd, IOMMU_GET_HW_INFO, &info), EOPNOTSUPP);
	assert_err(abi_hwpt(f->fd, id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT), EOPNOTSUPP);
	assert_err(abi_hwpt(f->fd, id, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING), EOPNOTSUPP);
	assert_err(abi_hwpt(f->fd, id, ioas, IOMMU_HWPT_ALLOC_PASID), EOPNOTSUPP);
	assert_ok(abi_fault_queue(f->fd, &queue, &fault_fd));
	assert_err(abi_hwpt_fault(f->fd, id, ioas, 0, queue), EOPNOTSUPP);
	assert_ok(iof_close(fault_fd));
	assert_err(abi_attach_pasid(f->dev, 1, ioas), EOPNOTSUPP);
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), EOPNOTSUPP);
	hwpt = abi_hwpt(f->fd, id, ioas, 0);
	assert_id(hwpt);
	assert_err(abi_hwpt_nested(f->fd, id, (uint32_t)hwpt, 0, 0, 1), EOPNOTSUPP);
	assert_int_equal(abi_attach(f->dev, (uint32_t)hwpt), hwpt);

	/* A mock device is behind an IOMMU. */
	assert_ok(abi_mock(f->fd, ioas, 0, &mock));
	assert_err(abi_mock_replace(f->fd, &mock, (uint32_t)hwpt), EINVAL);
	assert_err(abi_attach(f->dev, mock.hwpt), EINVAL);
	hwpt = abi_hwpt(f->fd, mock.idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_id(hwpt);
	assert_err(abi_attach(f->dev, (uint32_t)hwpt), EOPNOTSUPP);
	assert_ok(abi_destroy(f->fd, mock.stdev));
}

static void i3_one_ioas_serves_both_kinds(void **state)
{
	struct fix *f = *state;
	uint32_t ioas = (uint32_t)f->ioas;
	struct abi_mock mock;
	uint64_t length = 1, pa;

	assert_ok(abi_map(f->fd, ioas, f->memory, PAGE, IOVA));
	assert_ok(abi_mock(f->fd, ioas, 0, &mock));
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA, PAGE, f->memory));
	assert_ok(abi_check_refs(f->fd, f->memory, PAGE, 1));
	pa = pa_of(f, IOVA);
	assert_int_equal(copy(f, pa, pa + 8, 8), DSA_COMP_SUCCESS);
	assert_ok(abi_detach(f->dev));
	assert_err(get_pa(f, IOVA, &length, &pa), EOPNOTSUPP);
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_ok(abi_check_refs(f->fd, f->memory, PAGE, 0));
}

static void i3_no_ranges_are_reserved(void **state)
{
	struct fix *f = *state;
	struct iommu_iova_range range[4];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = (uint32_t)f->ioas,
		.num_iovas = 4,
		.allowed_iovas = (uintptr_t)range,
	};

	assert_ok(iof_ioctl(f->fd, IOMMU_IOAS_IOVA_RANGES, &cmd));
	assert_int_equal(cmd.num_iovas, 1);
	assert_int_equal(range[0].start, 0);
	assert_true(range[0].last == UINT64_MAX);
	assert_int_equal(cmd.out_iova_alignment, PAGE);
	/* The last page that can be mapped. */
	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory, PAGE, UINT64_MAX - 2 * PAGE + 1));
	(void)pa_of(f, UINT64_MAX - PAGE);
}

/* Structs and arguments of a hostile program. */
static void hostile_arguments(void **state)
{
	struct fix *f = *state;
	struct iommu_ioas_noiommu_get_pa good = {
		.size = sizeof(good),
		.ioas_id = (uint32_t)f->ioas,
		.iova = IOVA,
		.length = 1,
	}, cmd;
	char *pages = abi_pages(2);
	int rc;

	assert_ok(abi_map(f->fd, (uint32_t)f->ioas, f->memory, PAGES * PAGE, IOVA));
	for (unsigned int i = 0; i < ABI_NR_NOWHERE; i++) {
		uint64_t length = abi_nowhere[i], pa;

		assert_err(iof_ioctl(f->fd, IOMMU_IOAS_NOIOMMU_GET_PA,
				     (void *)(uintptr_t)abi_nowhere[i]),
			   EFAULT);
		rc = get_pa(f, IOVA + 5, &length, &pa);
		assert_int_equal(rc, abi_nowhere[i] ? 0 : -EINVAL);
		length = UINT64_MAX;
		rc = get_pa(f, abi_nowhere[i], &length, &pa);
		assert_int_equal(rc, abi_nowhere[i] == UINT64_MAX ? -EOVERFLOW : -ENOENT);
	}
	for (uint32_t size = 0; size < sizeof(good); size++) {
		cmd = good;
		cmd.size = size;
		assert_err(iof_ioctl(f->fd, IOMMU_IOAS_NOIOMMU_GET_PA, &cmd), EINVAL);
	}
	/* The struct ends where the memory ends; then it cannot be written. */
	assert_ok(mprotect(pages + PAGE, PAGE, PROT_NONE));
	memcpy(pages + PAGE - sizeof(good), &good, sizeof(good));
	assert_ok(iof_ioctl(f->fd, IOMMU_IOAS_NOIOMMU_GET_PA, pages + PAGE - sizeof(good)));
	assert_ok(mprotect(pages, PAGE, PROT_READ));
	assert_err(iof_ioctl(f->fd, IOMMU_IOAS_NOIOMMU_GET_PA, pages + PAGE - sizeof(good)),
		   EFAULT);
	munmap(pages, 2 * PAGE);
}

struct race {
	struct fix *f;
	int stop, copies;
};

static void *copy_all_the_time(void *arg)
{
	struct race *race = arg;
	struct fix *f = race->f;
	uint64_t pa, length;

	while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE)) {
		length = PAGE;
		if (get_pa(f, IOVA, &length, &pa))
			continue;
		/* The page may be gone by now: either is right. */
		(void)copy(f, pa, pa, 64);
		__atomic_add_fetch(&race->copies, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void unmaps_and_detaches_while_dma_runs(void **state)
{
	struct race race = { .f = *state };
	struct fix *f = *state;
	pthread_t thread;

	assert_ok(pthread_create(&thread, NULL, copy_all_the_time, &race));
	for (int i = 0; i < 300 || !__atomic_load_n(&race.copies, __ATOMIC_RELAXED); i++) {
		char *page = abi_pages(1);

		assert_ok(abi_map(f->fd, (uint32_t)f->ioas, page, PAGE, IOVA));
		sched_yield();
		assert_ok(abi_unmap(f->fd, (uint32_t)f->ioas, IOVA, PAGE));
		/* The device no longer writes here. */
		munmap(page, PAGE);
	}
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELEASE);
	assert_ok(pthread_join(thread, NULL));
	assert_true(race.copies > 0);
}

static void configurations(void **state)
{
	static const struct iof_dsa_config bad[][2] = {
		{ { .share_group = IOF_DSA_NO_IOMMU }, { .share_group = 1 } },
		{ { 0 }, { .share_group = IOF_DSA_NO_IOMMU, .max_pasids = 2 } },
	};
	struct iof_dsa_config good[] = { { .share_group = IOF_DSA_NO_IOMMU, .max_pasids = 1 },
					 { 0 } };
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED, .nr_dsa = 2 };
	struct iof_world *world;
	int fd;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		config.dsa = bad[i];
		assert_err(iof_world_open(&config, &world), EINVAL);
	}
	/* Without a group node; that of the next device keeps its number. */
	config.dsa = good;
	assert_ok(iof_world_open(&config, &world));
	assert_err(iof_open(world, "/dev/vfio/0", O_RDWR), ENOENT);
	fd = iof_open(world, "/dev/vfio/1", O_RDWR);
	assert_true(fd >= 0);
	assert_ok(iof_close(fd));
	assert_ok(iof_world_close(world));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(i5_dma_uses_physical_addresses),
		CASE(i6_runs_are_contiguous),
		CASE(stray_addresses_reach_nothing),
		CASE(stray_records_are_lost),
		CASE(i8_unmapped_and_detached_memory_is_out_of_reach),
		CASE(read_only_memory_is_not_written),
		CASE(i1_a_capability_is_needed),
		CASE(i2_i4_what_needs_an_iommu_is_refused),
		CASE(i3_one_ioas_serves_both_kinds),
		CASE(i3_no_ranges_are_reserved),
		CASE(hostile_arguments),
		CASE(unmaps_and_detaches_while_dma_runs),
		cmocka_unit_test(configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
