// SPDX-License-Identifier: MIT
/*
 * charge.c - proves that a program is charged for the module's work. Allocations for it, in its own
 * calls or in engine threads, are charged to its cgroup, and the engine threads are in that cgroup
 * while the program has the device. Expects a device 0 with a deep queue, many credits and large
 * groups (tests/vm/tests.list).
 */
#include "dma.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define ROOT  "/sys/fs/cgroup"
#define GROUP ROOT "/iofault-charge"
/*
 * Memory of one kind of object must be clearly more than this noise: the memory of other programs,
 * the device's records below its base, and the lag of the group's figure (up to 64 pages for each
 * CPU that the kernel has not added up yet).
 */
#define NOISE_KB  2048
#define FAR	  0x100000000ul
#define MOCK_IOVA 0x2000000ul /* an address inside the page table of a mock device */

static pid_t program; /* the process in the group; 0: none */
static void program_end(void);

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail_msg("cannot write %s to %s (errno %d)", text, path, errno);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	return mkdir(GROUP, 0755);
}

/* The last process of the group may still be exiting. */
static int teardown(void **state)
{
	time_t late = time(NULL) + 20;

	(void)state;
	if (program)
		program_end();
	while (rmdir(GROUP) && time(NULL) < late)
		sched_yield();
	assert_int_equal(access(GROUP, F_OK), -1);
	return 0;
}

static int group_setup(void **state)
{
	(void)state;
	write_text(ROOT "/cgroup.subtree_control", "+memory");
	return 0;
}

/* ---- a program in the group ---- */

/*
 * Runs @body in a process of the group. When this returns, the process has done its work, and
 * stays.
 */
static void program_begin(void (*body)(void))
{
	int pipes[2];
	char byte;

	assert_ok(pipe(pipes));
	program = fork();
	assert_true(program >= 0);
	if (!program) {
		FILE *procs = fopen(GROUP "/cgroup.procs", "we");

		CHECK(procs && fprintf(procs, "0") > 0 && !fclose(procs));
		body();
		CHECK(write(pipes[1], "", 1) == 1);
		for (;;)
			pause();
	}
	close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 1) {
		exit_of(program);
		program = 0;
		fail();
	}
	close(pipes[0]);
}

static void program_end(void)
{
	pid_t pid = program;

	program = 0;
	kill(pid, SIGKILL);
	assert_int_equal(exit_of(pid), -SIGKILL);
}

/* ---- the engines ---- */

/* Returns the thread with that name. */
static pid_t thread_named(const char *name)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	assert_non_null(dir);
	while (!found && (entry = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = entry->d_name[0] > '0' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, name, strlen(name)) &&
		    comm[strlen(name)] == '\n')
			found = (pid_t)strtol(entry->d_name, NULL, 10);
		fclose(f);
	}
	closedir(dir);
	return found;
}

/* Is the thread in the group? If not, it must be in the root group. */
static bool in_group(pid_t thread)
{
	char path[48], line[256];
	bool inside = false, at_root = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)thread);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		inside |= !strcmp(line, "0::/iofault-charge\n");
		at_root |= !strcmp(line, "0::/\n");
	}
	fclose(f);
	assert_true(inside != at_root);
	return inside;
}

static void bind_device(void)
{
	static struct dma d;

	dma_open(&d);
}

static void engines_are_in_the_group_of_the_program(void **state)
{
	pid_t first = thread_named("dsa0/0"), second = thread_named("dsa0/1");
	time_t late = time(NULL) + 20;

	(void)state;
	assert_true(first && second);
	assert_false(in_group(first) || in_group(second));
	program_begin(bind_device);
	assert_true(in_group(first) && in_group(second));
	program_end();
	/* The descriptor of a killed process is closed a little later. */
	while ((in_group(first) || in_group(second)) && time(NULL) < late)
		sched_yield();
	assert_false(in_group(first) || in_group(second));
}

/* ---- workers that bring in pages ---- */

/* Nanoseconds that the kernel's unbound workers have run so far. */
static double workers_ran(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	double sum = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[300], text[64] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = entry->d_name[0] > '0' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		(void)!fgets(text, sizeof(text), f);
		fclose(f);
		if (strncmp(text, "kworker/u", 9))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/schedstat", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(text, sizeof(text), f))
			sum += strtod(text, NULL);
		fclose(f);
	}
	closedir(dir);
	return sum;
}

#define HUGE   (2ul << 20)
#define FILLS  64
#define ROUNDS 2

/*
 * The device asks for FILLS pages ROUNDS times. Each is brought in as a huge page, and given back.
 * The program sleeps meanwhile.
 */
static void let_the_device_fill(void)
{
	const struct dsa_hw_desc drain = { .opcode = DSA_OPCODE_DRAIN };
	char *memory = dma_memory((FILLS + 1) * HUGE, MAP_PRIVATE);
	static struct dsa_hw_desc desc[FILLS];
	static struct dma d;

	memory += -(uintptr_t)memory % HUGE;
	CHECK(!madvise(memory, FILLS * HUGE, MADV_HUGEPAGE));
	dma_open(&d);
	CHECK(!dma_sva(&d, 1, 1));
	for (unsigned int i = 0; i < FILLS; i++)
		desc[i] = (struct dsa_hw_desc){
			.opcode = DSA_OPCODE_MEMFILL,
			.flags = IDXD_OP_FLAG_BOF,
			.pasid = 1,
			.dst_addr = (uintptr_t)memory + i * HUGE,
			.xfer_size = PAGE,
		};
	for (int round = 0; round < ROUNDS; round++) {
		CHECK(pwrite(d.dev, desc, sizeof(desc), 0) == sizeof(desc));
		dma_start(&d, drain, d.record, DMA_RECORD);
		while (!__atomic_load_n(&d.record->status, __ATOMIC_ACQUIRE))
			usleep(1000);
		CHECK(!madvise(memory, FILLS * HUGE, MADV_DONTNEED));
	}
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/*
 * All workers of a user together have the time of one processor. Not counted are the 20 ms that
 * they may be ahead, and a page for each of the 16 that a binding keeps busy, which they may have
 * begun at once at the very end. On a busy host a page may take twice as long as another. Workers
 * without a limit would have the time of both processors.
 */
static void workers_of_a_user_take_one_processor_at_most(void **state)
{
	double before = workers_ran(), began = now_ns(), ran, passed;
	const double at_once = 2 * 16.0 / (FILLS * ROUNDS);

	(void)state;
	program_begin(let_the_device_fill);
	passed = now_ns() - began;
	ran = workers_ran() - before;
	print_message("# %d pages: in %.0f ms workers ran for %.0f ms, the program and its engines "
		      "for %ld ms\n",
		      FILLS * ROUNDS, passed / 1e6, ran / 1e6,
		      number_in(GROUP "/cpu.stat", "usage_usec ") / 1000);
	program_end();
	if (!kernel_for_debugging())
		assert_true(ran * (1 - at_once) <= passed + 20e6);
}

/* ---- memory ---- */

static long slab_kb(void)
{
	int refresh = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	char nothing;

	/* Each CPU has a counter of its own. */
	(void)!read(refresh, &nothing, 1);
	close(refresh);
	return number_in("/proc/meminfo", "Slab:");
}

/*
 * Checks that the kernel memory of @body is charged to the group. The kernel adds the counters of
 * its processors up now and then, seconds apart.
 */
static void charged(void (*body)(void), const char *what)
{
	double end = now_ns() + 20e9;
	const long least = kernel_for_debugging() ? NOISE_KB : 4 * NOISE_KB;
	long before = slab_kb(), taken, charged;
	bool enough;

	program_begin(body);
	taken = slab_kb() - before;
	do {
		charged = number_in(GROUP "/memory.stat", "slab ") / 1024;
		enough = charged > least && (kernel_for_debugging() || taken <= charged + NOISE_KB);
		sched_yield();
	} while (!enough && now_ns() < end);
	print_message("# %s: %ld kB taken, %ld kB charged\n", what, taken, charged);
	program_end();
	assert_true(enough);
}

/*
 * Maps memory from low addresses to the top, which does not read it. Then copies its last page to
 * an address space with a page table, which pins that page and makes a record far away from all
 * others.
 */
static void pin_far_pages(void)
{
	char *page = dma_memory(PAGE, MAP_PRIVATE);
	unsigned long last = (unsigned long)page, steps = (last - PAGE) / (512 * PAGE);
	unsigned long first = last - steps * 512 * PAGE, length = last + PAGE - first, i;
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), small, ioas;
	struct abi_mock mock;

	CHECK(fd >= 0);
	small = abi_ioas(fd);
	ioas = abi_ioas(fd);
	CHECK(small > 0 && ioas > 0 && !abi_mock(fd, (uint32_t)small, 0, &mock));
	for (i = 1; i < 8000; i++) {
		struct iommu_ioas_copy copy = {
			.size = sizeof(copy),
			.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
			.dst_ioas_id = (uint32_t)small,
			.src_ioas_id = (uint32_t)ioas,
			.length = PAGE,
			.dst_iova = MOCK_IOVA,
			.src_iova = (i << 47) + length - PAGE,
		};

		CHECK(!abi_map(fd, (uint32_t)ioas, (void *)first, length, i << 47));
		CHECK(!ioctl(fd, IOMMU_IOAS_COPY, &copy));
		CHECK(!abi_unmap(fd, (uint32_t)small, MOCK_IOVA, PAGE));
	}
}

static void notes_of_pinned_pages_are_charged(void **state)
{
	(void)state;
	charged(pin_far_pages, "far pages");
}

/* The PASIDs are far from each other, so that each needs a table node of its own. */
static void attach_pasids(void)
{
	static struct dma d;
	uint32_t pasid;
	int hwpt, id;

	d.fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	d.dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	CHECK(d.fd >= 0 && d.dev >= 0);
	id = abi_bind(d.dev, d.fd);
	CHECK(id > 0);
	d.ioas = abi_ioas(d.fd);
	hwpt = abi_hwpt(d.fd, (uint32_t)id, (uint32_t)d.ioas, IOMMU_HWPT_ALLOC_PASID);
	CHECK(hwpt > 0);
	for (pasid = 64; pasid < 1 << 19; pasid += 64)
		CHECK(abi_attach_pasid(d.dev, pasid, (uint32_t)hwpt) > 0);
}

static void attached_pasids_are_charged(void **state)
{
	(void)state;
	charged(attach_pasids, "PASIDs");
}

/* Submits as many descriptors as the queue takes; each misses many pages. */
static void let_engines_fault(void)
{
	static struct dsa_hw_desc desc[64];
	const off_t portal = IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_PORTAL);
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), ffd, hwpt, id, ioas;
	int dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	const uint32_t most = 32 * PAGE;
	const unsigned int wanted = kernel_for_debugging() ? 2048 : 4096;
	unsigned int nr, queued;
	uint32_t fault;
	char path[48];

	CHECK(fd >= 0 && dev >= 0);
	id = abi_bind(dev, fd);
	ioas = abi_ioas(fd);
	CHECK(id > 0 && ioas > 0 && !abi_fault_queue(fd, &fault, &ffd));
	hwpt = abi_hwpt_fault(fd, (uint32_t)id, (uint32_t)ioas, 0, fault);
	CHECK(hwpt > 0 && abi_attach(dev, (uint32_t)hwpt) > 0);
	for (nr = 0; nr < wanted;) {
		ssize_t written;

		for (unsigned int i = 0; i < 64; i++) {
			desc[i] = (struct dsa_hw_desc){
				.opcode = DSA_OPCODE_MEMMOVE,
				.flags = IDXD_OP_FLAG_BOF,
				.src_addr = FAR + (uint64_t)(nr + i) * most,
				.dst_addr = FAR * 2 + (uint64_t)(nr + i) * most,
				.xfer_size = most,
			};
		}
		written = pwrite(dev, desc, sizeof(desc), portal);
		CHECK(written > 0);
		nr += (unsigned int)(written / (ssize_t)sizeof(desc[0]));
	}
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ffd);
	do {
		queued = (unsigned int)number_in(path, "queued:");
	} while (queued < nr);
}

/* a19: records of faults are charged, too. */
static void what_engines_need_is_charged(void **state)
{
	(void)state;
	charged(let_engines_fault, "open faults");
}

static void make_contexts(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), ioas = 0, hwpt;
	struct abi_mock mock;
	char *page = dma_memory(PAGE, MAP_PRIVATE);
	unsigned long i;

	for (i = 0; i < 4000; i++)
		ioas = abi_ioas(fd);
	CHECK(ioas > 0 && !abi_mock(fd, (uint32_t)ioas, 0, &mock));
	for (i = 0; i < 2000; i++) {
		hwpt = abi_hwpt(fd, mock.idev, (uint32_t)ioas, 0);
		CHECK(hwpt > 0);
	}
	ioas = abi_ioas(fd);
	for (i = 0; i < 40000; i++)
		CHECK(!abi_map(fd, (uint32_t)ioas, page, PAGE, FAR + i * PAGE));
}

static void objects_and_mappings_are_charged(void **state)
{
	(void)state;
	charged(make_contexts, "objects and mappings");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(engines_are_in_the_group_of_the_program),
		T(workers_of_a_user_take_one_processor_at_most),
		T(notes_of_pinned_pages_are_charged),
		T(attached_pasids_are_charged),
		T(what_engines_need_is_charged),
		T(objects_and_mappings_are_charged),
	};

	kernel_needed("kernel/charge");
	if (access(ROOT "/cgroup.subtree_control", W_OK)) {
		printf("1..0 # SKIP there are no control groups to make at %s\n", ROOT);
		return 0;
	}
	return cmocka_run_group_tests_name("charge", tests, group_setup, NULL);
}
