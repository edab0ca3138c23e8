// SPDX-License-Identifier: MIT
/*
 * ats.c - proves that programs find the PCI function 1234:11e9 in their usual way, that its
 * configuration space describes it, and that registers in mapped memory start its 4 KiB transfers.
 * A transfer is immediate if memory is mapped, follows a page request if not, and is incomplete if
 * that is refused.
 */
#include "../kernel/dma.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#define FROM	  0x20000000ul
#define TO	  0x30000000ul
#define RUN	  1u
#define TO_DEVICE 2u

struct ats {
	int fd, dev;
	int ioas;
	uint32_t dev_id;
	volatile uint64_t *addr;
	volatile uint32_t *cmd;
	void *bar;
	uint64_t config; /* offset of configuration space */
};

/* Opens the node of the first device of that kind, by its folder in sysfs. */
static int open_found(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	char path[600], text[16];
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		struct dirent *inside;
		FILE *file;
		DIR *node;

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (!fgets(text, sizeof(text), file) || strcmp(text, "0x11e9\n")) {
			fclose(file);
			continue;
		}
		fclose(file);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", entry->d_name);
		node = opendir(path);
		while (node && (inside = readdir(node))) {
			if (strncmp(inside->d_name, "vfio", 4))
				continue;
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", inside->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
		if (node)
			closedir(node);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static int setup(void **state)
{
	static struct ats ats;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };

	ats.fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ats.dev = open_found();
	CHECK(ats.fd >= 0 && ats.dev >= 0);
	ats.dev_id = (uint32_t)abi_bind(ats.dev, ats.fd);
	CHECK((int)ats.dev_id > 0);
	ats.ioas = abi_ioas(ats.fd);
	CHECK(abi_attach(ats.dev, (uint32_t)ats.ioas) > 0);
	CHECK(!ioctl(ats.dev, VFIO_DEVICE_GET_INFO, &info));
	CHECK(info.flags & VFIO_DEVICE_FLAGS_PCI && info.num_regions == VFIO_PCI_NUM_REGIONS);
	region.index = VFIO_PCI_CONFIG_REGION_INDEX;
	CHECK(!ioctl(ats.dev, VFIO_DEVICE_GET_REGION_INFO, &region));
	ats.config = region.offset;
	region.index = VFIO_PCI_BAR0_REGION_INDEX;
	CHECK(!ioctl(ats.dev, VFIO_DEVICE_GET_REGION_INFO, &region));
	CHECK(region.size == PAGE && region.flags & VFIO_REGION_INFO_FLAG_MMAP);
	ats.bar =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ats.dev, (off_t)region.offset);
	CHECK(ats.bar != MAP_FAILED);
	ats.addr = ats.bar;
	ats.cmd = (uint32_t *)((char *)ats.bar + 8);
	*state = &ats;
	return 0;
}

static int teardown(void **state)
{
	struct ats *ats = *state;

	munmap(ats->bar, PAGE);
	close(ats->dev);
	close(ats->fd);
	return 0;
}

static void start(const struct ats *ats, uint64_t iova, uint32_t direction)
{
	*ats->addr = iova;
	__atomic_store_n(ats->cmd, RUN | direction, __ATOMIC_RELEASE);
}

static void finish(const struct ats *ats)
{
	time_t end = time(NULL) + 30;

	while (__atomic_load_n(ats->cmd, __ATOMIC_ACQUIRE) & RUN) {
		CHECK(time(NULL) < end);
		sched_yield();
	}
}

static void transfer(const struct ats *ats, uint64_t iova, uint32_t direction)
{
	start(ats, iova, direction);
	finish(ats);
}

static void a_transfer_each_way(void **state)
{
	struct ats *ats = *state;
	char *from = dma_memory(PAGE, MAP_PRIVATE), *to = dma_memory(PAGE, MAP_PRIVATE);

	assert_ok(abi_map(ats->fd, (uint32_t)ats->ioas, from, PAGE, FROM));
	assert_ok(abi_map(ats->fd, (uint32_t)ats->ioas, to, PAGE, TO));
	for (int i = 1; i < 50; i++) {
		memset(from, i, PAGE);
		transfer(ats, FROM, TO_DEVICE);
		transfer(ats, TO, 0);
		assert_true(to[0] == i && to[PAGE - 1] == i);
	}
	/* The page is absent and cannot be requested: the transfer ends incomplete. */
	transfer(ats, 0x70000000, TO_DEVICE);
	munmap(from, PAGE);
	munmap(to, PAGE);
}

/* Attaches the device to a fault-capable HWPT without nesting, by a replace. */
static void a_missing_page_is_asked_for(void **state)
{
	struct ats *ats = *state;
	char *from = dma_memory(PAGE, MAP_PRIVATE), *to = dma_memory(PAGE, MAP_PRIVATE);
	struct iommu_hwpt_pgfault rec;
	struct pollfd pfd = { .events = POLLIN };
	uint32_t fault;
	int hwpt;

	memset(from, 0x5a, PAGE);
	assert_ok(abi_fault_queue(ats->fd, &fault, &pfd.fd));
	hwpt = abi_hwpt_fault(ats->fd, ats->dev_id, (uint32_t)ats->ioas, 0, fault);
	assert_id(hwpt);
	assert_id(abi_attach(ats->dev, (uint32_t)hwpt));

	start(ats, FROM, TO_DEVICE);
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	assert_int_equal(read(pfd.fd, &rec, sizeof(rec)), sizeof(rec));
	assert_true(rec.addr == FROM && rec.flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	assert_int_equal(rec.dev_id, ats->dev_id);
	assert_true(*ats->cmd & RUN);
	assert_ok(abi_map(ats->fd, (uint32_t)ats->ioas, from, PAGE, FROM));
	assert_ok(abi_answer(pfd.fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	finish(ats);

	assert_ok(abi_map(ats->fd, (uint32_t)ats->ioas, to, PAGE, TO));
	transfer(ats, TO, 0);
	assert_true(to[0] == 0x5a && to[PAGE - 1] == 0x5a);

	start(ats, 0x70000000, 0);
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	assert_int_equal(read(pfd.fd, &rec, sizeof(rec)), sizeof(rec));
	assert_ok(abi_answer(pfd.fd, rec.cookie, IOMMUFD_PAGE_RESP_INVALID));
	finish(ats);

	/* The fault is open at the close: no process can respond, and no call hangs. */
	start(ats, 0x70000000, 0);
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	close(pfd.fd);
	finish(ats);
}

static void configuration_space(void **state)
{
	struct ats *ats = *state;
	static const uint32_t capabilities[] = { 0x0f, 0x13, 0x1b };
	off_t config = (off_t)ats->config;
	uint32_t id = 0, bar, size = 0xffffffff, command;
	uint8_t next;

	assert_int_equal(pread(ats->dev, &id, 4, config), 4);
	assert_int_equal(id, 0x11e91234);
	/* ask for the size of BAR 0, as firmware does */
	assert_int_equal(pread(ats->dev, &bar, 4, config + 0x10), 4);
	assert_int_equal(pwrite(ats->dev, &size, 4, config + 0x10), 4);
	assert_int_equal(pread(ats->dev, &size, 4, config + 0x10), 4);
	assert_int_equal(~size + 1, PAGE);
	assert_int_equal(pwrite(ats->dev, &bar, 4, config + 0x10), 4);
	/* the device's identity cannot be written, the command register can */
	assert_int_equal(pwrite(ats->dev, &size, 4, config), 4);
	assert_int_equal(pread(ats->dev, &id, 4, config), 4);
	assert_int_equal(id, 0x11e91234);
	command = 0;
	assert_int_equal(pwrite(ats->dev, &command, 2, config + 4), 2);
	assert_int_equal(pread(ats->dev, &command, 2, config + 4), 2);
	assert_int_equal(command, 0);
	assert_int_equal(pread(ats->dev, &next, 1, config + 0x34), 1);
	assert_int_equal(pread(ats->dev, &next, 1, config + next), 1);
	assert_int_equal(next, 0x10);
	for (uint32_t at = 0x100, found = 0; at; found++) {
		assert_int_equal(pread(ats->dev, &id, 4, config + at), 4);
		assert_int_equal(id & 0xffff, capabilities[found]);
		at = id >> 20;
	}
	assert_err((int)pread(ats->dev, &id, 4, config + 4096) < 0 ? -errno : 0, EFAULT);
	assert_err((int)pread(ats->dev, &id, 4, config + 4094) < 0 ? -errno : 0, EFAULT);
	assert_int_equal(pread(ats->dev, &id, 4, PAGE - 2), 2);
	assert_int_equal(pwrite(ats->dev, &id, 4, PAGE - 2), 2);
	assert_err((int)pread(ats->dev, &id, 4, PAGE) < 0 ? -errno : 0, EINVAL);
	assert_ok(ioctl(ats->dev, VFIO_DEVICE_RESET));
}

/* What one way of access stores, the other loads: registers, and the bytes after them. */
static void memory_and_calls_see_the_same(void **state)
{
	struct ats *ats = *state;
	volatile uint8_t *bar = ats->bar;
	uint64_t addr = 0x123456789000, got;

	for (unsigned int at = 0x10; at < PAGE; at += 0x3f) {
		uint8_t byte = (uint8_t)(at | 1), back = 0;

		bar[at] = byte;
		assert_int_equal(pread(ats->dev, &back, 1, at), 1);
		assert_int_equal(back, byte);
		byte ^= 0xff;
		assert_int_equal(pwrite(ats->dev, &byte, 1, at), 1);
		assert_int_equal(bar[at], byte);
	}
	assert_int_equal(pwrite(ats->dev, &addr, 8, 0), 8);
	assert_int_equal(*ats->addr, addr);
	assert_int_equal(pread(ats->dev, &got, 8, 0), 8);
	assert_int_equal(got, addr);
}

static int map_at(struct ats *ats, size_t length, int flags, uint64_t at)
{
	void *map = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, ats->dev, (off_t)at);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, length);
	return 0;
}

static void only_the_bar_can_be_mapped(void **state)
{
	struct ats *ats = *state;
	struct vfio_region_info region = { .argsz = sizeof(region) };

	assert_ok(map_at(ats, PAGE, MAP_SHARED, 0));
	assert_ok(map_at(ats, 1, MAP_SHARED, 0));
	assert_err(map_at(ats, PAGE, MAP_PRIVATE, 0), EINVAL);
	assert_err(map_at(ats, PAGE + 1, MAP_SHARED, 0), EINVAL);
	assert_err(map_at(ats, PAGE, MAP_SHARED, PAGE), EINVAL);
	for (region.index = 1; region.index < VFIO_PCI_NUM_REGIONS; region.index++) {
		assert_ok(ioctl(ats->dev, VFIO_DEVICE_GET_REGION_INFO, &region));
		assert_false(region.flags & VFIO_REGION_INFO_FLAG_MMAP);
		assert_err(map_at(ats, PAGE, MAP_SHARED, region.offset), EINVAL);
	}
}

/* The function has no pin, and one vector, which the end of a transfer raises. */
static void a_transfer_ends_with_an_interrupt(void **state)
{
	struct ats *ats = *state;
	char *from = dma_memory(PAGE, MAP_PRIVATE);
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };
	const struct vfio_irq_set head = {
		.argsz = sizeof(head) + sizeof(int),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = 1,
	};
	int efd = eventfd(0, EFD_CLOEXEC);
	char set[sizeof(head) + sizeof(efd)];
	uint64_t events;

	assert_ok(ioctl(ats->dev, VFIO_DEVICE_GET_IRQ_INFO, &irq));
	assert_int_equal(irq.count, 0);
	irq.index = VFIO_PCI_MSIX_IRQ_INDEX;
	assert_ok(ioctl(ats->dev, VFIO_DEVICE_GET_IRQ_INFO, &irq));
	assert_int_equal(irq.count, 1);
	memcpy(set, &head, sizeof(head));
	memcpy(set + sizeof(head), &efd, sizeof(efd));
	assert_ok(ioctl(ats->dev, VFIO_DEVICE_SET_IRQS, set));
	assert_ok(abi_map(ats->fd, (uint32_t)ats->ioas, from, PAGE, FROM));
	for (int i = 0; i < 3; i++) {
		start(ats, FROM, TO_DEVICE);
		assert_int_equal(read(efd, &events, sizeof(events)), sizeof(events));
		assert_int_equal(events, 1);
		finish(ats);
	}
	close(efd);
	munmap(from, PAGE);
}

/* Once COMMAND was written without BUS_MASTER, a transfer ends without DMA. */
static void bus_mastering(void **state)
{
	struct ats *ats = *state;
	char *to = dma_memory(PAGE, MAP_PRIVATE);
	off_t at = (off_t)ats->config + 4;
	uint16_t command;

	assert_int_equal(pread(ats->dev, &command, 2, at), 2);
	assert_int_equal(command, 2);
	assert_ok(abi_map(ats->fd, (uint32_t)ats->ioas, to, PAGE, TO));
	for (int i = 0; i < 4; i++) {
		char moved = i % 2 ? 0 : 0x77;

		memset(to, 0x77, PAGE);
		command = i % 2 ? 6 : 2;
		assert_int_equal(pwrite(ats->dev, &command, 2, at), 2);
		transfer(ats, TO, 0);
		assert_true(to[0] == moved && to[PAGE - 1] == moved);
	}
	munmap(to, PAGE);
}

/* The device is closed during a transfer and bound again: its state is new. */
static void bound_again(void **state)
{
	struct ats *ats = *state;
	char *from = dma_memory(PAGE, MAP_PRIVATE);

	for (int i = 0; i < 20; i++) {
		start(ats, FROM, TO_DEVICE);
		assert_ok(teardown(state));
		assert_ok(setup(state));
		assert_int_equal(*ats->cmd, 0);
	}
	assert_ok(abi_map(ats->fd, (uint32_t)ats->ioas, from, PAGE, FROM));
	transfer(ats, FROM, TO_DEVICE);
	munmap(from, PAGE);
}

/*
 * Registers are no memory: they cannot be mapped for devices, in whatever way the program maps
 * them.
 */
static void registers_cannot_be_mapped(void **state)
{
	static const int ways[] = { PROT_READ | PROT_WRITE, PROT_READ };
	struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	struct ats *ats = *state;

	assert_ok(ioctl(ats->dev, VFIO_DEVICE_GET_REGION_INFO, &region));
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		void *bar = mmap(NULL, PAGE, ways[i], MAP_SHARED, ats->dev, (off_t)region.offset);
		struct iommu_ioas_map map = {
			.size = sizeof(map),
			.ioas_id = (uint32_t)ats->ioas,
			.length = PAGE,
			.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
			.user_va = (uintptr_t)bar,
			.iova = FROM,
		};

		assert_true(bar != MAP_FAILED);
		assert_err(ioctl(ats->fd, IOMMU_IOAS_MAP, &map) ? -errno : 0, EFAULT);
		assert_err(abi_map(ats->fd, (uint32_t)ats->ioas, bar, PAGE, FROM), EFAULT);
		assert_err(abi_unmap(ats->fd, (uint32_t)ats->ioas, FROM, PAGE), ENOENT);
		munmap(bar, PAGE);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_transfer_each_way),
		T(a_missing_page_is_asked_for),
		T(configuration_space),
		T(memory_and_calls_see_the_same),
		T(only_the_bar_can_be_mapped),
		T(a_transfer_ends_with_an_interrupt),
		T(bus_mastering),
		T(bound_again),
		T(registers_cannot_be_mapped),
	};

	kernel_needed("run/ats");
	return cmocka_run_group_tests_name("ats", tests, NULL, NULL);
}
