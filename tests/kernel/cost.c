// SPDX-License-Identifier: MIT
/*
 * cost.c - proves that one user does not hold up a machine. The cost of a call depends on its
 * request and not on other objects. Long calls let others run, and calls that can fail end when
 * their process is killed, with nothing changed.
 *
 * Cost is the thread's CPU time, the minimum of a few tries, compared at two sizes with a wide
 * margin; with scripts/vm --icount it is the number of instructions. Switches to other threads are
 * counted to prove that those run.
 */
#include "dma.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FAR   (1ul << 40)
#define TRIES 4

static struct holdings before;

static int setup(void **state)
{
	(void)state;
	holdings_now(&before);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	holdings_back(&before);
	return 0;
}

/* Returns the nanoseconds that this thread has spent on a CPU. */
static uint64_t spent(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/*
 * Returns a number of areas with which a call is long. On a debug kernel each area costs many times
 * more.
 */
static unsigned int nr_areas(void)
{
	return kernel_for_debugging() ? 1u << 15 : 1u << 19;
}

static void at_most(const char *what, uint64_t few, uint64_t many, unsigned int times)
{
	print_message("# %s: %llu ns, then %llu ns\n", what, (unsigned long long)few,
		      (unsigned long long)many);
	if (!kernel_for_debugging())
		assert_true(many <= few * times);
}

/* ---- by what is invalidated ---- */

struct engine {
	int fd, dev, id;
	uint32_t ioas, parent, hwpt;
	char *memory;
};

static int nested_on(const struct engine *e)
{
	struct iommu_hwpt_vtd_s1 s1 = { .pgtbl_addr = IOVA, .addr_width = 48 };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = e->id,
		.pt_id = e->parent,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(s1),
		.data_uptr = (uintptr_t)&s1,
	};

	return ioctl(e->fd, IOMMU_HWPT_ALLOC, &cmd) ? -errno : (int)cmd.out_hwpt_id;
}

static void engine_open(struct engine *e)
{
	e->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	e->dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	assert_true(e->fd >= 0 && e->dev >= 0);
	e->id = abi_bind(e->dev, e->fd);
	assert_id(e->id);
	e->ioas = abi_ioas(e->fd);
	e->memory = dma_memory(2 * PAGE, MAP_PRIVATE);
	memset(e->memory, 0, 2 * PAGE);
	assert_ok(abi_map(e->fd, e->ioas, e->memory, PAGE, IOVA));
	e->parent = abi_hwpt(e->fd, e->id, e->ioas,
			     IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID);
	e->hwpt = nested_on(e);
	assert_true((int)e->parent > 0 && (int)e->hwpt > 0);
}

static void engine_close(struct engine *e)
{
	close(e->dev);
	close(e->fd);
	munmap(e->memory, 2 * PAGE);
}

static uint64_t cost_of_unmap(struct engine *e)
{
	uint64_t least = UINT64_MAX, begin, took;
	int i;

	for (i = 0; i < TRIES; i++) {
		assert_ok(abi_map(e->fd, e->ioas, e->memory + PAGE, PAGE, FAR));
		begin = spent();
		assert_ok(abi_unmap(e->fd, e->ioas, FAR, PAGE));
		took = spent() - begin;
		least = took < least ? took : least;
	}
	return least;
}

static uint64_t cost_of_invalidate(struct engine *e)
{
	struct iommu_hwpt_vtd_s1_invalidate entry = { .npages = 1 };
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = e->hwpt,
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		.entry_len = sizeof(entry),
	};
	uint64_t least = UINT64_MAX, begin, took;
	int i;

	for (i = 0; i < TRIES; i++) {
		cmd.entry_num = 1;
		begin = spent();
		assert_ok(ioctl(e->fd, IOMMU_HWPT_INVALIDATE, &cmd));
		took = spent() - begin;
		least = took < least ? took : least;
	}
	return least;
}

static void invalidating_does_not_cost_by_pasids(void **state)
{
	enum {
		FEW = 100,
		MANY = 10000
	};
	uint64_t unmap, invalidate;
	struct engine e;
	uint32_t pasid;

	(void)state;
	engine_open(&e);
	for (pasid = 1; pasid <= FEW; pasid++)
		assert_id(abi_attach_pasid(e.dev, pasid, e.hwpt));
	unmap = cost_of_unmap(&e);
	invalidate = cost_of_invalidate(&e);
	for (; pasid <= MANY; pasid++)
		assert_id(abi_attach_pasid(e.dev, pasid, e.hwpt));
	at_most("UNMAP under 100 and 10,000 PASIDs", unmap, cost_of_unmap(&e), 8);
	at_most("HWPT_INVALIDATE under 100 and 10,000 PASIDs", invalidate, cost_of_invalidate(&e),
		8);
	engine_close(&e);
}

/* ---- teardown ---- */

/* Of @contexts contexts that have @hwpts HWPTs each. */
static uint64_t cost_of_closing(unsigned int contexts, unsigned int hwpts)
{
	uint64_t least = UINT64_MAX, begin, took;
	struct engine e;
	unsigned int i, c, n;

	for (i = 0; i < TRIES; i++) {
		took = 0;
		for (c = 0; c < contexts; c++) {
			engine_open(&e);
			for (n = 0; n < hwpts; n++)
				assert_id(abi_hwpt(e.fd, e.id, e.ioas, 0));
			close(e.dev);
			begin = spent();
			close(e.fd);
			took += spent() - begin;
			munmap(e.memory, 2 * PAGE);
		}
		least = took < least ? took : least;
	}
	return least;
}

/* Both sides take as long, so that a busy host delays them alike. */
static void closing_is_linear(void **state)
{
	(void)state;
	at_most("closing 10 times 400 HWPTs, and 4,000", cost_of_closing(10, 400),
		cost_of_closing(1, 4000), 4);
}

/* ---- long calls ---- */

/* An IOAS with @n areas of one page each from PAGE on. */
static uint32_t many_areas(int fd, void *page, unsigned long n)
{
	uint32_t ioas = abi_ioas(fd);
	unsigned long have;

	CHECK((int)ioas > 0);
	CHECK(!abi_map(fd, ioas, page, PAGE, PAGE));
	for (have = 1; have < n; have *= 2) {
		struct iommu_ioas_copy cmd = {
			.size = sizeof(cmd),
			.dst_ioas_id = ioas,
			.src_ioas_id = ioas,
			.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
			.length = have * PAGE,
			.src_iova = PAGE,
			.dst_iova = PAGE + have * PAGE,
		};

		CHECK(!ioctl(fd, IOMMU_IOAS_COPY, &cmd));
	}
	return ioas;
}

static int copy_areas(int fd, uint32_t to, uint32_t from, unsigned long n)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.length = n * PAGE,
		.src_iova = PAGE,
		.dst_iova = PAGE,
	};

	return ioctl(fd, IOMMU_IOAS_COPY, &cmd) ? -errno : 0;
}

static int huge_pages(int fd, uint32_t ioas, int on)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas,
		.val64 = (uint64_t)on,
	};

	return ioctl(fd, IOMMU_OPTION, &cmd) ? -errno : 0;
}

/* Runs on the same CPU, and is always runnable. */
static void *bystander(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
		;
	return NULL;
}

static uint64_t began;
static long switched;

static void long_call_begins(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	switched = usage.ru_nivcsw;
	began = spent();
}

/*
 * Checks that a call which took longer than a time slice was interrupted for the bystander at least
 * @times.
 */
static void long_call_ends(const char *what, long times)
{
	uint64_t took = spent() - began;
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	switched = usage.ru_nivcsw - switched;
	print_message("# %s: %llu ns, %ld times others came first\n", what,
		      (unsigned long long)took, switched);
	assert_true(switched >= times);
}

static void long_calls_let_others_run(void **state)
{
	enum {
		TOGGLES = 10
	};
	const unsigned int areas = nr_areas();
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), stop = 0, i;
	void *page = dma_memory(PAGE, MAP_PRIVATE);
	cpu_set_t here, everywhere;
	uint32_t ioas, copy;
	pthread_t thread;

	(void)state;
	assert_true(fd >= 0);
	ioas = many_areas(fd, page, areas);
	copy = abi_ioas(fd);
	assert_ok(sched_getaffinity(0, sizeof(everywhere), &everywhere));
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	assert_ok(sched_setaffinity(0, sizeof(here), &here));
	assert_ok(pthread_create(&thread, NULL, bystander, &stop));

	long_call_begins();
	assert_ok(copy_areas(fd, copy, ioas, areas));
	long_call_ends("COPY", 5);
	/* The call walks over all areas only. One switch alone could be its return. */
	long_call_begins();
	for (i = 0; i < TOGGLES; i++) {
		assert_ok(huge_pages(fd, copy, 0));
		assert_ok(huge_pages(fd, copy, 1));
	}
	long_call_ends("OPTION HUGE_PAGES", 3 * TOGGLES);
	long_call_begins();
	assert_ok(abi_unmap(fd, copy, 0, UINT64_MAX));
	long_call_ends("UNMAP", 5);
	long_call_begins();
	close(fd);
	long_call_ends("close", 5);

	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	assert_ok(pthread_join(thread, NULL));
	assert_ok(sched_setaffinity(0, sizeof(everywhere), &everywhere));
	munmap(page, PAGE);
}

/* Returns the clock ticks that the process has spent in the kernel. */
static long kernel_ticks(pid_t pid)
{
	char path[64], line[512], *at;
	long ticks = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	/* State and 11 numbers follow the name, which is in parentheses. */
	if (fgets(line, sizeof(line), f) && (at = strrchr(line, ')')))
		(void)!sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %ld",
			      &ticks);
	fclose(f);
	return ticks;
}

/* Kills a process in the middle of its COPY. Returns false if the kill came too late. */
static bool kill_a_copy(int fd, uint32_t to, uint32_t from, unsigned long n)
{
	int ready[2], status;
	long ticks;
	char byte;
	pid_t pid;

	assert_ok(pipe(ready));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		CHECK(write(ready[1], "", 1) == 1);
		CHECK(!copy_areas(fd, to, from, n));
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	ticks = kernel_ticks(pid);
	/* The process has only the copy left to do. */
	while (kernel_ticks(pid) < ticks + 3) {
		siginfo_t info = { 0 };

		assert_ok(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
		if (info.si_pid)
			break;
		sched_yield();
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	close(ready[1]);
	return WIFSIGNALED(status);
}

static void a_killed_copy_leaves_nothing(void **state)
{
	const unsigned int areas = nr_areas();
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), rc, i;
	void *page = dma_memory(PAGE, MAP_PRIVATE);
	uint32_t ioas, copy;
	bool killed = false;

	(void)state;
	assert_true(fd >= 0);
	ioas = many_areas(fd, page, areas);
	copy = abi_ioas(fd);
	for (i = 0; i < 5 && !killed; i++) {
		killed = kill_a_copy(fd, copy, ioas, areas);
		rc = abi_unmap(fd, copy, PAGE, (uint64_t)areas * PAGE);
		/* A kill that came too late finds the copy complete. */
		killed = killed && rc == -ENOENT;
		if (!killed)
			assert_ok(rc);
	}
	assert_true(killed);
	assert_ok(abi_unmap(fd, ioas, PAGE, (uint64_t)areas * PAGE));
	close(fd);
	munmap(page, PAGE);
}

/* ---- DESTROY ---- */

struct slow_invalidation {
	int fd;
	uint32_t hwpt;
	void *entries;
	int rc;
};

static int invalidate_mock(int fd, uint32_t hwpt, void *entries, uint32_t nr)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.data_uptr = (uintptr_t)entries,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(struct iommu_hwpt_invalidate_selftest),
		.entry_num = nr,
	};

	return ioctl(fd, IOMMU_HWPT_INVALIDATE, &cmd) ? -errno : 0;
}

static void *invalidate_slowly(void *arg)
{
	struct slow_invalidation *slow = arg;

	slow->rc = invalidate_mock(slow->fd, slow->hwpt, slow->entries, 1);
	return NULL;
}

static void a_destroy_that_waits_can_be_killed(void **state)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC), parent;
	struct slow_invalidation slow;
	struct uffdio_zeropage zero;
	struct uffd_msg msg;
	pthread_t thread;
	struct bed bed;
	pid_t pid;

	(void)state;
	if (uffd < 0)
		skip_because("no userfaultfd for faults in the kernel: %s", strerror(errno));
	bed_make(&bed);
	parent = abi_hwpt(bed.fd, bed.mock.idev, bed.ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_id(parent);
	slow.fd = bed.fd;
	slow.hwpt = abi_hwpt_nested(bed.fd, bed.mock.idev, parent, 0, 0, 7);
	slow.entries = dma_memory(PAGE, MAP_PRIVATE);
	assert_ok(ioctl(uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)slow.entries;
	reg.range.len = PAGE;
	assert_ok(ioctl(uffd, UFFDIO_REGISTER, &reg));
	assert_ok(pthread_create(&thread, NULL, invalidate_slowly, &slow));
	assert_int_equal(read(uffd, &msg, sizeof(msg)), sizeof(msg));

	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		abi_destroy(bed.fd, slow.hwpt);
		_exit(0);
	}
	/* DESTROY waits when look-ups no longer find the object. */
	while (!invalidate_mock(bed.fd, slow.hwpt, NULL, 0))
		sched_yield();
	kill(pid, SIGKILL);
	assert_int_equal(exit_of(pid), -SIGKILL);
	assert_ok(invalidate_mock(bed.fd, slow.hwpt, NULL, 0));

	zero = (struct uffdio_zeropage){ .range = reg.range };
	assert_ok(ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	assert_ok(pthread_join(thread, NULL));
	assert_ok(slow.rc);
	assert_ok(abi_destroy(bed.fd, slow.hwpt));
	assert_ok(abi_destroy(bed.fd, (uint32_t)parent));
	bed_close(&bed);
	munmap(slow.entries, PAGE);
	close(uffd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(invalidating_does_not_cost_by_pasids),
		TEST(closing_is_linear),
		TEST(long_calls_let_others_run),
		TEST(a_killed_copy_leaves_nothing),
		TEST(a_destroy_that_waits_can_be_killed),
	};

	kernel_needed("kernel/cost");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
