// SPDX-License-Identifier: MIT
/*
 * groups.c - proves that a device with registers in mapped memory can be opened by its group as by
 * its own node, several times at once, and that KVM's commands reach the kernel on files that are
 * not KVM's.
 */
#include <sys/types.h>

#include "../abi/groups.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FROM 0x100000ul
#define TO   0x400000ul
#define RUN  1u
#define READ 3u

struct rig {
	int container, group, dev;
	char *memory; /* two pages, mapped at FROM and TO */
	volatile uint32_t *bar;
};

static volatile uint32_t *map_bar(int dev)
{
	void *bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev, 0);

	assert_true(bar != MAP_FAILED);
	return bar;
}

static void map(const struct rig *r, void *memory, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = PAGE,
	};

	assert_ok(ioctl(r->container, VFIO_IOMMU_MAP_DMA, &cmd));
}

/* The ATS test device is the second one of the machine. */
static int setup(void **state)
{
	static struct rig r;

	*state = &r;
	r.container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	r.group = open(group_path(1), O_RDWR | O_CLOEXEC);
	assert_true(r.container >= 0 && r.group >= 0);
	assert_ok(group_enter(r.group, r.container));
	assert_ok(group_set_iommu(r.container));
	r.dev = group_device(r.group, group_bdf(1));
	assert_true(r.dev >= 0);
	assert_true(fcntl(r.dev, F_GETFD) & FD_CLOEXEC);
	r.bar = map_bar(r.dev);
	r.memory = abi_pages(2);
	map(&r, r.memory, FROM);
	map(&r, r.memory + PAGE, TO);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	munmap((void *)r->bar, PAGE);
	munmap(r->memory, 2 * PAGE);
	close(r->dev);
	close(r->group);
	close(r->container);
	return 0;
}

static void transfer(volatile uint32_t *bar, uint64_t iova, uint32_t command)
{
	time_t end = time(NULL) + 30;

	bar[0] = (uint32_t)iova;
	bar[1] = (uint32_t)(iova >> 32);
	__atomic_store_n(&bar[2], command, __ATOMIC_RELEASE);
	while (__atomic_load_n(&bar[2], __ATOMIC_ACQUIRE) & RUN) {
		assert_true(time(NULL) < end);
		sched_yield();
	}
}

static void copy(const struct rig *r, volatile uint32_t *bar, int value)
{
	memset(r->memory, value, PAGE);
	transfer(bar, FROM, READ);
	transfer(bar, TO, RUN);
	assert_memory_equal(r->memory, r->memory + PAGE, PAGE);
}

static void a_device_of_a_group_does_dma(void **state)
{
	struct rig *r = *state;
	struct stat by_group, by_name;
	uint32_t id = 0;

	for (int i = 0; i < 20; i++)
		copy(r, r->bar, i);
	assert_int_equal(pread(r->dev, &id, 4, (off_t)7 << 40), 4);
	assert_int_equal(id, 0x11e91234);
	/* It is the same node. */
	assert_ok(fstat(r->dev, &by_group));
	assert_ok(stat(abi_vfio_path(1), &by_name));
	assert_true(by_group.st_rdev == by_name.st_rdev && by_group.st_ino == by_name.st_ino);
}

/* Whichever is closed first: the others see the same registers, and transfers go on. */
static void descriptors_share_the_registers(void **state)
{
	struct rig *r = *state;

	for (int first = 0; first < 2; first++) {
		int other = group_device(r->group, group_bdf(1));
		volatile uint32_t *bar;

		assert_true(other >= 0);
		bar = map_bar(other);
		copy(r, r->bar, 0x10 + first);
		copy(r, bar, 0x20 + first);
		assert_int_equal(bar[0], TO);
		assert_int_equal(r->bar[0], TO);
		close(first ? r->dev : other);
		copy(r, bar, 0x30 + first);
		munmap((void *)bar, PAGE);
		copy(r, r->bar, 0x40 + first);
		if (first)
			r->dev = other;
	}
}

/* The last one closed, the device begins afresh. */
static void opened_again_it_is_reset(void **state)
{
	struct rig *r = *state;

	copy(r, r->bar, 0x55);
	munmap((void *)r->bar, PAGE);
	close(r->dev);
	r->dev = group_device(r->group, group_bdf(1));
	assert_true(r->dev >= 0);
	r->bar = map_bar(r->dev);
	assert_int_equal(r->bar[0], 0);
	copy(r, r->bar, 0x56);
}

/* Killed with everything open: the group is free. */
static void a_killed_program_leaves_the_group(void **state)
{
	struct rig *r = *state;
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), pipes[2];
	char byte;

	assert_ok(pipe(pipes));
	for (int i = 0; i < 10; i++) {
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (!child) {
			int group = open(group_path(0), O_RDWR);

			if (group < 0 || group_enter(group, container) ||
			    group_device(group, group_bdf(0)) < 0)
				_exit(1);
			byte = 0;
			if (write(pipes[1], &byte, 1) != 1)
				_exit(1);
			pause();
			_exit(0);
		}
		assert_int_equal(read(pipes[0], &byte, 1), 1);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
	}
	close(pipes[0]);
	close(pipes[1]);
	close(container);
	copy(r, r->bar, 0x61);
}

/* No descriptor is left: the device is closed again, and the group is as before. */
static void no_room_for_a_descriptor(void **state)
{
	struct rig *r = *state;
	struct rlimit old, none;

	assert_ok(getrlimit(RLIMIT_NOFILE, &old));
	none = old;
	none.rlim_cur = (rlim_t)r->dev + 1;
	/* a mapping is one more user of the file */
	munmap((void *)r->bar, PAGE);
	close(r->dev);
	r->dev = open("/dev/null", O_RDONLY); /* its number is taken */
	r->bar = (void *)abi_pages(1);
	assert_ok(setrlimit(RLIMIT_NOFILE, &none));
	assert_err(group_device(r->group, group_bdf(1)), EMFILE);
	assert_ok(setrlimit(RLIMIT_NOFILE, &old));
	assert_ok(ioctl(r->group, VFIO_GROUP_UNSET_CONTAINER));
}

static int result(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

static void kvm_commands_go_to_the_kernel(void **state)
{
	static const unsigned long commands[] = { KVM_SET_DEVICE_ATTR, KVM_HAS_DEVICE_ATTR };
	struct rig *r = *state;
	int event = eventfd(0, EFD_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int files[] = { event, null, r->dev, r->group, r->container };
	int given[] = { r->dev, r->group, r->container, event, -1, 1 << 20 };

	for (size_t c = 0; c < 2; c++) {
		for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
			for (size_t g = 0; g < sizeof(given) / sizeof(given[0]); g++) {
				struct kvm_device_attr attr = {
					.group = 1,
					.attr = 1 + g % 2,
					.addr = (uintptr_t)&given[g],
				};

				assert_err(result(files[f], commands[c], &attr), ENOTTY);
			}
			assert_err(result(files[f], commands[c], NULL), ENOTTY);
		}
		assert_err(result(-1, commands[c], NULL), EBADF);
	}
	close(event);
	close(null);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_device_of_a_group_does_dma), T(descriptors_share_the_registers),
		T(opened_again_it_is_reset),	 T(a_killed_program_leaves_the_group),
		T(no_room_for_a_descriptor),	 T(kvm_commands_go_to_the_kernel),
	};

	return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
