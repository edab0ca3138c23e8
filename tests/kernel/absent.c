// SPDX-License-Identifier: MIT
/*
 * absent.c - proves that memory which another program brings in at its own pace delays only the
 * calls that need it. An attach waits for it, and ends on SIGKILL. Meanwhile other processes can
 * look at the owner of the memory, and their calls return. A device that shares the page tables of
 * such a process can be detached, closed and bound by others at once; only the module cannot be
 * unloaded.
 */
#include "filler.h"

#include <pthread.h>
#include <stdatomic.h>

#define PASID 5
#define FROM  0x10000000ul
/*
 * Number of pages of one user that are awaited at a time: NR for each binding, which a short queue
 * holds.
 */
#define NR     2
#define ROUNDS (64 / NR)

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

/* ---- pins ---- */

/* Checks what other processes, and the process itself, can do while its memory is awaited. */
static void can_be_looked_at(pid_t pid)
{
	char path[64], text[256];
	int fd;

	/* A thread waits to change the address space, which blocks later readers of it. */
	munmap(dma_memory(PAGE, MAP_PRIVATE), PAGE);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text)) > 0);
	close(fd);
}

static int map_to_read(const struct dma *d, int ioas, const struct filler *f)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = (uint32_t)ioas,
		.user_va = (uintptr_t)f->memory,
		.length = f->bytes,
		.iova = FROM,
	};

	return ioctl(d->fd, IOMMU_IOAS_MAP, &cmd) ? -errno : 0;
}

/* Attaches a device in a child that shares the context. The attach pins memory of the parent. */
static pid_t attach_in_child(struct dma *d, int ioas)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct abi_mock mock;

		CHECK(!abi_mock(d->fd, (uint32_t)ioas, 0, &mock));
		CHECK(!abi_destroy(d->fd, mock.stdev));
		_exit(0);
	}
	return pid;
}

static pid_t attach_device_in_child(int dev, int ioas)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		CHECK(abi_attach(dev, (uint32_t)ioas) > 0);
		_exit(0);
	}
	return pid;
}

static void wait_for_an_attach(struct dma *d, struct filler *f, size_t pages)
{
	int ioas = abi_ioas(d->fd);
	pid_t pid;

	assert_ok(map_to_read(d, ioas, f));
	pid = attach_in_child(d, ioas);
	for (size_t i = 0; i < pages; i++) {
		char *page = filler_asked(f);

		can_be_looked_at(getpid());
		filler_fill(f, page);
	}
	assert_int_equal(exit_of(pid), 0);
	assert_ok(abi_destroy(d->fd, (uint32_t)ioas));
}

static void an_attach_waits_for_memory_that_a_program_fills(void **state)
{
	struct filler f;

	filler_open(&f, 4);
	wait_for_an_attach(*state, &f, 4);
	filler_close(&f);
}

static void an_attach_waits_for_memory_of_a_file_system(void **state)
{
	struct filler f;

	if (!filler_open_fuse(&f, 4))
		skip_because("this kernel has no FUSE");
	wait_for_an_attach(*state, &f, 4);
	filler_close(&f);
}

static void an_attach_that_waits_ends_on_sigkill(void **state)
{
	struct dma *d = *state;
	int ioas = abi_ioas(d->fd);
	struct filler f;
	pid_t pid;

	filler_open(&f, 1);
	assert_ok(map_to_read(d, ioas, &f));
	pid = attach_in_child(d, ioas);
	filler_asked(&f);
	kill(pid, SIGKILL);
	assert_int_equal(exit_of(pid), -SIGKILL);
	/* The killed attach has undone its steps. */
	assert_ok(abi_destroy(d->fd, (uint32_t)ioas));
	filler_close(&f);
}

/* Returns once the process sleeps in a wait that only SIGKILL ends. */
static void wait_until_it_sleeps(pid_t pid)
{
	char path[64], text[256] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	do {
		sched_yield();
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		n = read(fd, text, sizeof(text) - 1);
		assert_true(n > 0);
		close(fd);
		text[n] = 0;
	} while (!strstr(text, ") D "));
}

/*
 * Another attach waits for the waiting one: of a new device to the same IOAS, of the same device,
 * and of a device in its isolation group.
 */
static void another_attach_that_waits_ends_on_sigkill(void **state)
{
	struct dma *d = *state;
	int ioas = abi_ioas(d->fd);
	int neighbour = open("/dev/vfio/devices/vfio1", O_RDWR | O_CLOEXEC);
	struct filler f;
	pid_t first, second;
	char *page;

	assert_true(neighbour >= 0 && abi_bind(neighbour, d->fd) > 0);
	assert_ok(abi_detach(d->dev));
	filler_open(&f, 1);
	assert_ok(map_to_read(d, ioas, &f));
	first = attach_device_in_child(d->dev, ioas);
	page = filler_asked(&f);
	for (int way = 0; way < 3; way++) {
		second = way ? attach_device_in_child(way == 1 ? d->dev : neighbour, ioas) :
			       attach_in_child(d, ioas);
		wait_until_it_sleeps(second);
		kill(second, SIGKILL);
		assert_int_equal(exit_of(second), -SIGKILL);
	}
	filler_fill(&f, page);
	assert_int_equal(exit_of(first), 0);
	assert_ok(abi_detach(d->dev));
	close(neighbour);
	assert_ok(abi_destroy(d->fd, (uint32_t)ioas));
	filler_close(&f);
}

static void anothers_bind_does_not_wait_for_an_attach(void **state)
{
	struct dma *d = *state;
	int ioas = abi_ioas(d->fd), fd;
	struct filler f;
	char *page;
	pid_t pid;

	filler_open(&f, 1);
	assert_ok(map_to_read(d, ioas, &f));
	assert_ok(abi_detach(d->dev));
	pid = attach_device_in_child(d->dev, ioas);
	page = filler_asked(&f);
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	for (int node = 0; node < 2; node++) {
		/* Use the same device, and one of its isolation group. */
		int dev = open(node ? "/dev/vfio/devices/vfio1" : "/dev/vfio/devices/vfio0",
			       O_RDWR | O_CLOEXEC);

		assert_true(fd >= 0 && dev >= 0);
		assert_err(abi_bind(dev, fd), node ? EPERM : EINVAL);
		close(dev);
	}
	close(fd);
	filler_fill(&f, page);
	assert_int_equal(exit_of(pid), 0);
	filler_close(&f);
}

/* Maps the first @pages of @ioas into @to. */
static int copy_mapping(const struct dma *d, int ioas, int to, size_t pages)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = (uint32_t)to,
		.src_ioas_id = (uint32_t)ioas,
		.length = pages * PAGE,
		.dst_iova = FROM,
		.src_iova = FROM,
	};

	return ioctl(d->fd, IOMMU_IOAS_COPY, &cmd) ? -errno : 0;
}

static pid_t copy_in_child(struct dma *d, int ioas, int to)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		CHECK(!copy_mapping(d, ioas, to, 2));
		_exit(0);
	}
	return pid;
}

static void open_neighbour(struct dma *neighbour)
{
	neighbour->dev = open("/dev/vfio/devices/vfio1", O_RDWR | O_CLOEXEC);
	assert_true(neighbour->dev >= 0 && abi_bind(neighbour->dev, neighbour->fd) > 0);
}

/*
 * One thread waits for the second page of the memory. Meanwhile an IOAS with a device unmaps the
 * first one, a device of the same isolation group is closed, and a domain of the same IOAS is
 * destroyed. These calls cannot be interrupted.
 */
static void others_let_go_while_memory_is_awaited(void **state)
{
	struct dma *d = *state;
	struct dma neighbour = *d;

	assert_ok(abi_detach(d->dev));
	for (int way = 0; way < 3; way++) {
		int source = abi_ioas(d->fd), first = abi_ioas(d->fd), ioas = abi_ioas(d->fd);
		struct abi_mock user, domain;
		struct filler f;
		char *page;
		pid_t pid;

		filler_open(&f, 2);
		filler_fill(&f, f.memory);
		assert_ok(map_to_read(d, source, &f));
		assert_ok(abi_mock(d->fd, (uint32_t)first, 0, &user));
		assert_ok(copy_mapping(d, source, first, 1));
		if (way) {
			assert_ok(abi_mock(d->fd, (uint32_t)ioas, 0, &domain));
			pid = copy_in_child(d, source, ioas);
		} else {
			/* The attach of a device with a neighbour waits. */
			pid = attach_device_in_child(d->dev, source);
		}
		page = filler_asked(&f);
		assert_true(page == f.memory + PAGE);
		if (way == 2)
			assert_err(abi_unmap(d->fd, ioas, FROM, 2 * PAGE), EBUSY);
		if (way)
			assert_ok(abi_destroy(d->fd, domain.stdev));
		/* Open it after the fork, or the child would keep it open. */
		open_neighbour(&neighbour);
		assert_ok(dma_sva(&neighbour, PASID, 1));
		assert_ok(dma_sva(&neighbour, PASID, 0));
		assert_ok(abi_detach(neighbour.dev));
		close(neighbour.dev);
		assert_ok(abi_unmap(d->fd, first, FROM, PAGE));
		assert_ok(abi_destroy(d->fd, user.stdev));
		filler_fill(&f, page);
		assert_int_equal(exit_of(pid), 0);
		assert_ok(abi_detach(d->dev));
		assert_ok(abi_destroy(d->fd, (uint32_t)ioas));
		assert_ok(abi_destroy(d->fd, (uint32_t)first));
		assert_ok(abi_destroy(d->fd, (uint32_t)source));
		filler_close(&f);
	}
}

/* ---- SVA ---- */

/*
 * Starts a copy from @from to the page @to, for which the device requests a page that does not
 * come.
 */
static void start_copy(struct dma *d, char *to, char *from)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_BOF,
		.pasid = PASID,
		.src_addr = (uintptr_t)from,
		.dst_addr = (uintptr_t)to + 64,
		.xfer_size = 8,
	};

	dma_start(d, desc, (void *)to, (uintptr_t)to);
}

static void cannot_be_unloaded(void)
{
	if (number_in("/sys/module/iofault/refcnt", "") < 0)
		return;
	assert_true(syscall(SYS_delete_module, "iofault", O_NONBLOCK) == -1);
	assert_int_equal(errno, EWOULDBLOCK);
}

/* Checks that a page fault of a second user, on a device of its own, is served. */
static void another_user_is_served(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct dma d;
		char *page;

		d.fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		d.dev = open("/dev/vfio/devices/vfio3", O_RDWR | O_CLOEXEC);
		CHECK(d.fd >= 0 && d.dev >= 0 && !setresuid(4244, 4244, 4244));
		CHECK(abi_bind(d.dev, d.fd) > 0);
		d.record = dma_memory(PAGE, MAP_PRIVATE);
		page = dma_memory(2 * PAGE, MAP_PRIVATE);
		CHECK(!dma_sva(&d, PASID, 1));
		CHECK(dma_copy_sva(&d, PASID, page, page + PAGE, 8, IDXD_OP_FLAG_BOF) ==
		      DSA_COMP_SUCCESS);
		_exit(0);
	}
	assert_int_equal(exit_of(pid), 0);
}

static void leave_while_a_page_is_awaited(struct dma *d, struct filler *f)
{
	char *page, *to = dma_memory(PAGE, MAP_PRIVATE);

	for (int way = 0; way < 3; way++) {
		assert_ok(dma_sva(d, PASID, 1));
		start_copy(d, to, f->memory + way * PAGE);
		page = filler_asked(f);
		if (way == 0) {
			assert_ok(dma_sva(d, PASID, 0));
		} else if (way == 1) {
			/* Close the descriptors one by one, as the end of the process does. */
			close(d->dev);
			d->dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
			assert_true(abi_bind(d->dev, d->fd) > 0);
			assert_true(abi_attach(d->dev, (uint32_t)d->ioas) > 0);
		} else {
			dma_close(d);
			cannot_be_unloaded();
		}
		another_user_is_served();
		filler_fill(f, page);
	}
	munmap(to, PAGE);
	dma_open(d);
}

static void a_device_can_be_left_while_a_program_fills_its_page(void **state)
{
	struct filler f;

	filler_open(&f, 3);
	leave_while_a_page_is_awaited(*state, &f);
	filler_close(&f);
}

static void a_device_can_be_left_while_a_file_system_reads_its_page(void **state)
{
	struct filler f;

	if (!filler_open_fuse(&f, 3))
		skip_because("this kernel has no FUSE");
	leave_while_a_page_is_awaited(*state, &f);
	filler_close(&f);
}

/* ---- an address space that stays locked ---- */

/* Acts as a debugger, which holds the lock until the page comes. */
static void *read_as_a_debugger(void *arg)
{
	const struct filler *f = arg;
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char byte;

	CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t)(uintptr_t)f->memory) == 1);
	close(fd);
	return NULL;
}

static atomic_int changer;

/* Waits to change the address space; all other threads wait behind it. */
static void *change_address_space(void *arg)
{
	const int *go = arg;
	char byte;

	CHECK(read(*go, &byte, 1) == 1);
	atomic_store(&changer, (int)syscall(SYS_gettid));
	munmap(dma_memory(PAGE, MAP_PRIVATE), PAGE);
	return NULL;
}

static bool is_waiting(int thread)
{
	char path[64], line[256] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, line, sizeof(line) - 1) > 0);
	close(fd);
	return strstr(line, ") D");
}

static uint64_t page_requests(const struct dma *d)
{
	struct iof_vfio_dsa_state state;

	CHECK(pread(d->dev, &state, sizeof(state), IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_STATE)) ==
	      sizeof(state));
	return state.page_requests;
}

/* The engine finds the lock taken, and requests the page instead of waiting for the lock. */
static void copy_while_locked(struct dma *d, struct filler *f)
{
	char *to = dma_memory(PAGE, MAP_PRIVATE), *page;
	pthread_t reader, writer;
	uint64_t requests;
	int go[2];

	memset(to, 1, PAGE);
	CHECK(!dma_sva(d, PASID, 1) && !pipe(go));
	requests = page_requests(d);
	CHECK(!pthread_create(&writer, NULL, change_address_space, go));
	CHECK(!pthread_create(&reader, NULL, read_as_a_debugger, f));
	page = filler_asked(f);
	CHECK(write(go[1], "", 1) == 1);
	while (!atomic_load(&changer) || !is_waiting(atomic_load(&changer)))
		sched_yield();
	start_copy(d, to, to + 2048);
	while (page_requests(d) == requests)
		sched_yield();
	CHECK(!dma_sva(d, PASID, 0));
	filler_fill(f, page);
	CHECK(!pthread_join(reader, NULL) && !pthread_join(writer, NULL));
	_exit(0);
}

static void a_device_does_not_wait_for_a_locked_address_space(void **state)
{
	struct dma *d = *state;
	struct filler f;
	pid_t pid;

	if (!filler_open_fuse(&f, 1))
		skip_because("this kernel has no FUSE");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		copy_while_locked(d, &f);
	assert_int_equal(exit_of(pid), 0);
	filler_close(&f);
}

/* The number of awaited pages of one user has a limit, and other users are not delayed. */
static void pages_that_never_come_are_bounded(void **state)
{
	struct dma *d = *state;
	char *to = dma_memory(NR * PAGE, MAP_PRIVATE), *pages[ROUNDS * NR];
	struct uffd_msg msg;
	struct filler f;

	filler_open(&f, (ROUNDS + 1) * NR);
	for (int round = 0; round <= ROUNDS; round++) {
		assert_ok(dma_sva(d, PASID, 1));
		for (int i = 0; i < NR; i++)
			start_copy(d, to + i * PAGE, f.memory + (round * NR + i) * PAGE);
		for (int i = 0; i < NR && round < ROUNDS; i++)
			pages[round * NR + i] = filler_asked(&f);
		dma_close(d);
		dma_open(d);
	}
	assert_ok(fcntl(f.ufd, F_SETFL, O_NONBLOCK));
	assert_true(read(f.ufd, &msg, sizeof(msg)) == -1);
	assert_int_equal(errno, EAGAIN);
	another_user_is_served();
	for (int i = 0; i < ROUNDS * NR; i++)
		filler_fill(&f, pages[i]);
	filler_close(&f);
	munmap(to, NR * PAGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_attach_waits_for_memory_that_a_program_fills),
		T(an_attach_waits_for_memory_of_a_file_system),
		T(an_attach_that_waits_ends_on_sigkill),
		T(another_attach_that_waits_ends_on_sigkill),
		T(anothers_bind_does_not_wait_for_an_attach),
		T(others_let_go_while_memory_is_awaited),
		T(a_device_can_be_left_while_a_program_fills_its_page),
		T(a_device_can_be_left_while_a_file_system_reads_its_page),
		T(a_device_does_not_wait_for_a_locked_address_space),
		T(pages_that_never_come_are_bounded),
	};

	kernel_needed("kernel/absent");
	return cmocka_run_group_tests_name("absent", tests, NULL, NULL);
}
