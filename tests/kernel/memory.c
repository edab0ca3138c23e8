// SPDX-License-Identifier: MIT
/*
 * memory.c - proves the promises about memory that a device may reach. Pages are pinned once and
 * charged by either way of accounting. They survive all that the mapping program does, including
 * fork, munmap and its end. All of them are unpinned in the end.
 */
#include "dma.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define FROM 0x10000000ul
#define TO   0x20000000ul
#define KB   (PAGE / 1024)

static struct holdings before;

static int setup(void **state)
{
	static struct dma d;

	holdings_now(&before);
	dma_open(&d);
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	dma_close(*state);
	holdings_back(&before);
	return 0;
}

/* Runs @body in a process of its own. */
static void in_child(void (*body)(void *arg), void *arg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		body(arg);
		_exit(0);
	}
	assert_int_equal(exit_of(pid), 0);
}

static long status_kb(const char *key)
{
	return number_in("/proc/self/status", key);
}

/* ---- charging ---- */

/* Becomes an ordinary user with room for @pages locked pages. */
static void become_nobody(unsigned int uid, size_t pages)
{
	struct rlimit limit = { pages * PAGE, pages * PAGE };

	CHECK(!setrlimit(RLIMIT_MEMLOCK, &limit));
	CHECK(!setresuid(uid, uid, uid));
	/* Without this /proc/self belongs to root. */
	CHECK(!prctl(PR_SET_DUMPABLE, 1));
}

static void set_mode(int fd, uint64_t mode)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_SET,
		.val64 = mode,
	};

	CHECK(!ioctl(fd, IOMMU_OPTION, &cmd));
}

/* Makes a context that pins mappings at once. */
static int pinning_context(uint64_t mode, int *ioas)
{
	struct abi_mock mock;
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	set_mode(fd, mode);
	*ioas = abi_ioas(fd);
	CHECK(*ioas > 0);
	CHECK(!abi_mock(fd, (uint32_t)*ioas, 0, &mock));
	return fd;
}

static void charge_up_to_the_limit(void *arg)
{
	uint64_t mode = *(uint64_t *)arg;
	char *memory = dma_memory(64 * PAGE, MAP_PRIVATE);
	long lck = mode ? 1 : 0;
	int ioas, fd = pinning_context(mode, &ioas);

	become_nobody(4242, 16);
	CHECK(!abi_map(fd, ioas, memory, 10 * PAGE, FROM));
	CHECK(status_kb("VmPin:") == 10 * (long)KB);
	CHECK(status_kb("VmLck:") == lck * 10 * (long)KB);
	CHECK(abi_map(fd, ioas, memory + 16 * PAGE, 7 * PAGE, TO) == -ENOMEM);
	CHECK(status_kb("VmPin:") == 10 * (long)KB);
	CHECK(!abi_map(fd, ioas, memory + 16 * PAGE, 6 * PAGE, TO));
	CHECK(abi_map(fd, ioas, memory + 32 * PAGE, PAGE, TO + 32 * PAGE) == -ENOMEM);
	CHECK(status_kb("VmPin:") == 16 * (long)KB);
	CHECK(!abi_unmap(fd, ioas, FROM, 10 * PAGE));
	CHECK(status_kb("VmPin:") == 6 * (long)KB);
	CHECK(status_kb("VmLck:") == lck * 6 * (long)KB);
	CHECK(!abi_map(fd, ioas, memory + 32 * PAGE, 10 * PAGE, FROM));
	CHECK(!close(fd));
	CHECK(!status_kb("VmPin:"));
	CHECK(!status_kb("VmLck:"));
}

static void pages_are_charged_in_both_modes(void **state)
{
	uint64_t user = 0, mm = 1;

	(void)state;
	in_child(charge_up_to_the_limit, &user);
	in_child(charge_up_to_the_limit, &mm);
}

/* With CAP_IPC_LOCK there is no limit, and the pins are still counted. */
static void no_limit_for_the_capable(void *arg)
{
	struct rlimit limit = { PAGE, PAGE };
	char *memory = dma_memory(64 * PAGE, MAP_PRIVATE);
	int ioas, fd = pinning_context(*(uint64_t *)arg, &ioas);

	CHECK(!setrlimit(RLIMIT_MEMLOCK, &limit));
	CHECK(!abi_map(fd, ioas, memory, 64 * PAGE, FROM));
	CHECK(status_kb("VmPin:") == 64 * (long)KB);
	CHECK(!status_kb("VmLck:"));
}

static void the_capable_have_no_limit(void **state)
{
	uint64_t user = 0, mm = 1;

	(void)state;
	in_child(no_limit_for_the_capable, &user);
	in_child(no_limit_for_the_capable, &mm);
}

/* Two processes of one user: one mode limits both together, the other each by itself. */
static void two_of_one_user(void *arg)
{
	uint64_t mode = *(uint64_t *)arg;
	char *memory = dma_memory(10 * PAGE, MAP_PRIVATE);
	int ioas[2], fd[2], status, rc;
	pid_t pid;

	fd[0] = pinning_context(mode, &ioas[0]);
	fd[1] = pinning_context(mode, &ioas[1]);
	become_nobody(4243, 16);
	CHECK(!abi_map(fd[0], ioas[0], memory, 10 * PAGE, FROM));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		rc = abi_map(fd[1], ioas[1], memory, 10 * PAGE, FROM);
		CHECK(rc == (mode ? 0 : -ENOMEM));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	/* The memory of the process that ended is still pinned, and charged to the same account. */
	rc = abi_map(fd[0], ioas[0], memory, 10 * PAGE, TO);
	CHECK(rc == -ENOMEM);
}

static void users_share_a_limit_and_processes_do_not(void **state)
{
	uint64_t user = 0, mm = 1;

	(void)state;
	in_child(two_of_one_user, &user);
	in_child(two_of_one_user, &mm);
}

/* ---- the owner of memory ---- */

/* After a fork the device still sees the parent's pages, and not the child's stores. */
static void a_fork_leaves_the_pages_with_the_parent(void **state)
{
	struct dma *d = *state;
	char *from = dma_memory(8 * PAGE, MAP_PRIVATE), *to = dma_memory(8 * PAGE, MAP_PRIVATE);
	int pipes[2], status;
	char byte;
	pid_t pid;

	memset(from, 1, 8 * PAGE);
	memset(to, 2, 8 * PAGE);
	assert_ok(dma_map(d, from, 8 * PAGE, FROM));
	assert_ok(dma_map(d, to, 8 * PAGE, TO));
	assert_ok(pipe(pipes));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(pipes[1]);
		CHECK(!read(pipes[0], &byte, 1));
		CHECK(from[0] == 1 && to[0] == 2 && to[8 * PAGE - 1] == 2);
		memset(to, 9, 8 * PAGE);
		_exit(0);
	}
	close(pipes[0]);
	memset(from, 3, 8 * PAGE);
	assert_int_equal(dma_copy(d, TO, FROM, 8 * PAGE), DSA_COMP_SUCCESS);
	assert_true(to[0] == 3 && to[8 * PAGE - 1] == 3);
	close(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(to[0] == 3 && to[8 * PAGE - 1] == 3);
	munmap(from, 8 * PAGE);
	munmap(to, 8 * PAGE);
}

static void map_and_go(struct dma *d, bool killed)
{
	char *to = dma_memory(4 * PAGE, MAP_PRIVATE);
	int status;
	pid_t pid;

	assert_ok(dma_map(d, to, 4 * PAGE, TO));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char *from = dma_memory(4 * PAGE, MAP_PRIVATE);

		memset(from, killed ? 5 : 4, 4 * PAGE);
		CHECK(!dma_map(d, from, 4 * PAGE, FROM));
		if (killed)
			raise(SIGKILL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, killed ? SIGKILL : 0);
	/* The page is present, although the process has ended. */
	assert_int_equal(dma_copy(d, TO, FROM, 4 * PAGE), DSA_COMP_SUCCESS);
	assert_true(to[0] == (killed ? 5 : 4) && to[4 * PAGE - 1] == to[0]);
	/*
	 * Memory that is pinned can be shown to another HWPT; memory that was not pinned before
	 * cannot.
	 */
	assert_ok(abi_unmap(d->fd, d->ioas, FROM, 4 * PAGE));
	assert_ok(abi_unmap(d->fd, d->ioas, TO, 4 * PAGE));
	munmap(to, 4 * PAGE);
}

static void memory_outlives_its_process(void **state)
{
	map_and_go(*state, false);
	map_and_go(*state, true);
}

static void memory_of_the_dead_cannot_be_pinned_later(void **state)
{
	struct dma *d = *state;
	int ioas = abi_ioas(d->fd), status;
	struct abi_mock mock;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		char *memory = dma_memory(4 * PAGE, MAP_PRIVATE);

		memset(memory, 1, 4 * PAGE);
		/* No device is attached: the memory is not checked. */
		CHECK(!abi_map(d->fd, ioas, memory, 4 * PAGE, FROM));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_err(abi_mock(d->fd, ioas, 0, &mock), EFAULT);
	assert_ok(abi_unmap(d->fd, ioas, FROM, 4 * PAGE));
	assert_ok(abi_mock(d->fd, ioas, 0, &mock));
}

/* Another process's attach pins the memory of the process that mapped it. */
static void memory_of_another_process_is_pinned_there(void **state)
{
	struct dma *d = *state;
	int ioas = abi_ioas(d->fd), pipes[2], done[2], status;
	struct abi_mock mock;
	char byte;
	pid_t pid;

	assert_ok(pipe(pipes));
	assert_ok(pipe(done));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char *memory = dma_memory(4 * PAGE, MAP_PRIVATE);

		close(done[1]);
		CHECK(!abi_map(d->fd, ioas, memory, 4 * PAGE, FROM));
		CHECK(!status_kb("VmPin:"));
		CHECK(write(pipes[1], "", 1) == 1);
		CHECK(!read(done[0], &byte, 1));
		CHECK(status_kb("VmPin:") == 4 * (long)KB);
		_exit(0);
	}
	close(done[0]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_ok(abi_mock(d->fd, ioas, 0, &mock));
	/* one page more: the completion record */
	assert_int_equal(status_kb("VmPin:"), before.pin_kb + (long)KB);
	close(done[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pipes[0]);
	close(pipes[1]);
}

/* An munmap, and new memory at the same address, do not change the device's page. */
static void an_unmapped_page_stays_with_the_device(void **state)
{
	struct dma *d = *state;
	char *from = dma_memory(PAGE, MAP_PRIVATE), *to = dma_memory(PAGE, MAP_PRIVATE), *again;

	memset(from, 1, PAGE);
	assert_ok(dma_map(d, from, PAGE, FROM));
	assert_ok(dma_map(d, to, PAGE, TO));
	munmap(from, PAGE);
	again = mmap(from, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
	assert_ptr_equal(again, from);
	memset(again, 2, PAGE);
	assert_int_equal(dma_copy(d, TO, FROM, PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(to[0], 1);
	munmap(from, PAGE);
	munmap(to, PAGE);
}

/* ---- what kind of memory ---- */

static void files_in_memory_are_written_through(void **state)
{
	struct dma *d = *state;
	int file = memfd_create("memory", MFD_CLOEXEC);
	char *from = dma_memory(16 * PAGE, MAP_PRIVATE), *to, byte = 0;

	assert_true(file >= 0);
	assert_ok(ftruncate(file, 16 * PAGE));
	to = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	memset(from, 7, 16 * PAGE);
	assert_ok(dma_map(d, from, 16 * PAGE, FROM));
	assert_ok(dma_map(d, to, 16 * PAGE, TO));
	assert_int_equal(dma_copy(d, TO, FROM, 16 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(pread(file, &byte, 1, 16 * PAGE - 1), 1);
	assert_int_equal(byte, 7);
	/* A page cut off the file stays with the device; the file no longer has it. */
	assert_ok(ftruncate(file, 0));
	assert_int_equal(dma_copy(d, TO, FROM, 16 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(pread(file, &byte, 1, 0), 0);
	munmap(to, 16 * PAGE);
	munmap(from, 16 * PAGE);
	close(file);
}

static void huge_pages_are_pinned_and_come_back(void **state)
{
	struct dma *d = *state;
	const size_t huge = 2ul << 20;
	long available = number_in("/proc/meminfo", "HugePages_Free:");
	char *from, *to;

	if (available < 2)
		skip_because("no two free huge pages of 2 MiB");
	from = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		    -1, 0);
	to = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1,
		  0);
	assert_true(from != MAP_FAILED && to != MAP_FAILED);
	for (size_t i = 0; i < huge; i += PAGE)
		memset(from + i, (int)(i / PAGE), PAGE);
	assert_ok(dma_map(d, from, huge, FROM));
	/* Parts of a huge page can be mapped, too. */
	assert_ok(dma_map(d, to + 3 * PAGE, huge - 3 * PAGE, TO));
	assert_int_equal(dma_copy(d, TO, FROM + 3 * PAGE, huge - 3 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(memcmp(to + 3 * PAGE, from + 3 * PAGE, huge - 3 * PAGE), 0);
	munmap(from, huge);
	munmap(to, huge);
	assert_int_equal(number_in("/proc/meminfo", "HugePages_Free:"), available - 2);
	assert_ok(abi_unmap(d->fd, d->ioas, 0, UINT64_MAX));
	assert_int_equal(number_in("/proc/meminfo", "HugePages_Free:"), available);
	assert_ok(dma_map(d, (void *)d->record, PAGE, DMA_RECORD));
}

/* ---- huge pages of files ---- */

#define HUGE (2ul << 20)

static long huge_free(void)
{
	return number_in("/proc/meminfo", "HugePages_Free:");
}

static long huge_reserved(void)
{
	return number_in("/proc/meminfo", "HugePages_Rsvd:");
}

/* Returns a file of @pages huge pages, all of them absent. */
static int huge_file(unsigned long pages)
{
	int file = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);

	assert_true(file >= 0);
	assert_ok(ftruncate(file, (off_t)(pages * HUGE)));
	return file;
}

static int map_huge(const struct dma *d, int file, uint64_t start, uint64_t length, uint32_t flags)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = flags | IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = (uint32_t)d->ioas,
		.fd = file,
		.start = start,
		.length = length,
		.iova = FROM,
	};

	return ioctl(d->fd, IOMMU_IOAS_MAP_FILE, &cmd) ? -errno : 0;
}

static void holes_of_huge_files_are_filled(void **state)
{
	struct dma *d = *state;
	long available = huge_free(), reserved = huge_reserved();
	char *to = dma_memory(PAGE, MAP_PRIVATE), word[8] = "";
	int file, reader;
	char path[48];

	if (available - reserved < 2)
		skip_because("no two free huge pages of 2 MiB");
	file = huge_file(2);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(reader >= 0);
	/* The descriptor has no right to fill them, so that they are not filled. */
	assert_err(map_huge(d, reader, 0, 2 * HUGE, 0), ENOMEM);
	assert_int_equal(huge_free(), available);
	assert_ok(map_huge(d, file, HUGE + PAGE, HUGE - PAGE, IOMMU_IOAS_MAP_WRITEABLE));
	assert_int_equal(huge_free(), available - 1);
	assert_int_equal(huge_reserved(), reserved);
	memcpy(to, "written", 8);
	assert_ok(dma_map(d, to, PAGE, TO));
	assert_int_equal(dma_copy(d, FROM + PAGE, TO, PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(pread(file, word, 8, (off_t)(HUGE + 2 * PAGE)), 8);
	assert_string_equal(word, "written");
	assert_ok(abi_unmap(d->fd, d->ioas, FROM, HUGE - PAGE));
	/* Through this descriptor, existing pages can be mapped. */
	assert_ok(map_huge(d, reader, HUGE, HUGE, 0));
	assert_ok(abi_unmap(d->fd, d->ioas, FROM, HUGE));
	assert_ok(abi_unmap(d->fd, d->ioas, TO, PAGE));
	close(reader);
	close(file);
	munmap(to, PAGE);
	assert_int_equal(huge_free(), available);
	assert_int_equal(huge_reserved(), reserved);
}

/*
 * Another process has mapped huge pages and not touched them. They are reserved for it: without
 * them it would get SIGBUS.
 */
static void huge_pages_reserved_for_others_stay_theirs(void **state)
{
	struct dma *d = *state;
	long available = huge_free(), reserved = huge_reserved(), i;
	size_t bytes;
	char *theirs;
	int file;

	if (available - reserved < 1)
		skip_because("no free huge page of 2 MiB");
	bytes = (size_t)(available - reserved) * HUGE;
	theirs = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	assert_true(theirs != MAP_FAILED);
	assert_int_equal(huge_reserved(), available);
	file = huge_file(1);
	assert_err(map_huge(d, file, 0, HUGE, IOMMU_IOAS_MAP_WRITEABLE), ENOMEM);
	assert_err(map_huge(d, file, HUGE / 2, PAGE, 0), ENOMEM);
	assert_int_equal(huge_reserved(), available);
	assert_int_equal(huge_free(), available);
	for (i = 0; i < available - reserved; i++)
		((volatile char *)theirs)[(size_t)i * HUGE] = 1;
	assert_int_equal(huge_free(), reserved);
	munmap(theirs, bytes);
	close(file);
	assert_int_equal(huge_free(), available);
	assert_int_equal(huge_reserved(), reserved);
}

struct puncher {
	pthread_t thread;
	int file;
	atomic_int stop;
	unsigned long punched;
};

static void *punch_holes(void *arg)
{
	struct puncher *p = arg;

	while (!atomic_load(&p->stop)) {
		if (!fallocate(p->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * HUGE))
			p->punched++;
	}
	return NULL;
}

static void holes_may_be_punched_meanwhile(void **state)
{
	struct dma *d = *state;
	long available = huge_free(), reserved = huge_reserved();
	unsigned int mapped = 0, refused = 0;
	struct puncher p = { 0 };
	size_t bytes;
	char *theirs;
	int rc;

	if (available - reserved < 3)
		skip_because("no three free huge pages of 2 MiB");
	/* Reserve all but two, so that taking one too many would be noticed. */
	bytes = (size_t)(available - reserved - 2) * HUGE;
	theirs = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	assert_true(theirs != MAP_FAILED);
	p.file = huge_file(2);
	assert_int_equal(pthread_create(&p.thread, NULL, punch_holes, &p), 0);
	while (mapped + refused < 100) {
		rc = map_huge(d, p.file, 0, 2 * HUGE, 0);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			refused++;
			continue;
		}
		mapped++;
		assert_ok(abi_unmap(d->fd, d->ioas, FROM, 2 * HUGE));
	}
	atomic_store(&p.stop, 1);
	pthread_join(p.thread, NULL);
	print_message("# %u mapped, %u refused, %lu times punched\n", mapped, refused, p.punched);
	close(p.file);
	assert_int_equal(huge_reserved(), available - 2);
	assert_int_equal(huge_free(), available);
	munmap(theirs, bytes);
	assert_int_equal(huge_reserved(), reserved);
}

static void what_cannot_be_pinned_is_refused(void **state)
{
	struct dma *d = *state;
	char *memory = dma_memory(4 * PAGE, MAP_PRIVATE);
	int zero = open("/dev/zero", O_RDONLY);
	void *device;

	munmap(memory + 2 * PAGE, PAGE);
	mprotect(memory + 3 * PAGE, PAGE, PROT_NONE);
	assert_err(dma_map(d, memory, 4 * PAGE, FROM), EFAULT);
	assert_err(dma_map(d, memory + 3 * PAGE, PAGE, FROM), EFAULT);
	assert_err(dma_map(d, (void *)(uintptr_t)(-2 * PAGE), PAGE, FROM), EFAULT);
	assert_err(dma_map(d, (void *)0xffff888000000000ul, PAGE, FROM), EFAULT);
	/* The memory is mapped for reading only, from a file of its own kind. */
	device = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, zero, 0);
	assert_ptr_not_equal(device, MAP_FAILED);
	assert_err(dma_map(d, device, PAGE, FROM), EFAULT);
	munmap(device, PAGE);
	close(zero);
	assert_ok(dma_map(d, memory, 2 * PAGE, FROM));
	munmap(memory, 2 * PAGE);
	munmap(memory + 3 * PAGE, PAGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pages_are_charged_in_both_modes),
		T(the_capable_have_no_limit),
		T(users_share_a_limit_and_processes_do_not),
		T(a_fork_leaves_the_pages_with_the_parent),
		T(memory_outlives_its_process),
		T(memory_of_the_dead_cannot_be_pinned_later),
		T(memory_of_another_process_is_pinned_there),
		T(an_unmapped_page_stays_with_the_device),
		T(files_in_memory_are_written_through),
		T(huge_pages_are_pinned_and_come_back),
		T(holes_of_huge_files_are_filled),
		T(huge_pages_reserved_for_others_stay_theirs),
		T(holes_may_be_punched_meanwhile),
		T(what_cannot_be_pinned_is_refused),
	};

	kernel_needed("kernel/memory");
	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
