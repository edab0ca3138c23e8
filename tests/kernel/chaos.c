// SPDX-License-Identifier: MIT
/*
 * chaos.c - proves that no use of descriptors affects other programs. Many threads use one context;
 * several processes, which got it in several ways, handle one fault queue; descriptors are closed
 * in every order; a process is killed after each step of its work. Afterwards the module has no
 * user, no page is pinned, and the next program finds everything in its first state.
 */
#include "dma.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct holdings before;

static int setup(void **state)
{
	(void)state;
	holdings_now(&before);
	return 0;
}

static int teardown(void **state)
{
	struct bed bed;

	(void)state;
	holdings_back(&before);
	/* Checks that a new test bed works as before. */
	bed_make(&bed);
	bed_trigger(&bed, 1);
	assert_ok(abi_answer(bed.ffd, bed_take(&bed), IOMMUFD_PAGE_RESP_SUCCESS));
	bed_close(&bed);
	holdings_back(&before);
	return 0;
}

/* ---- many threads, one context ---- */

struct crowd {
	struct bed bed;
	char *memory;
	bool stop;
};

struct member {
	struct crowd *crowd;
	unsigned int seed;
	pthread_t thread;
};

/* Makes a random call. Any error is right; only a crash or a leak would be wrong. */
static void any_call(struct crowd *c, unsigned int *seed)
{
	const struct bed *bed = &c->bed;
	struct iommu_hwpt_pgfault recs[8];
	struct abi_mock mock;
	uint32_t id = 1 + (uint32_t)rand_r(seed) % 24, fault;
	int fd;

	switch (rand_r(seed) % 14) {
	case 0:
		abi_ioas(bed->fd);
		return;
	case 1:
	case 2:
		abi_destroy(bed->fd, id);
		return;
	case 3:
	case 4:
		abi_map(bed->fd, bed->ioas, c->memory, (1 + (size_t)rand_r(seed) % 8) * PAGE,
			IOVA + (uint64_t)(rand_r(seed) % 16) * PAGE);
		return;
	case 5:
		abi_unmap(bed->fd, bed->ioas, IOVA, 24 * PAGE);
		return;
	case 6:
		abi_hwpt_fault(bed->fd, bed->mock.idev, bed->ioas, 0, bed->fault);
		return;
	case 7:
		if (!abi_fault_queue(bed->fd, &fault, &fd))
			close(fd);
		return;
	case 8:
		if (!abi_mock(bed->fd, id, 0, &mock))
			abi_destroy(bed->fd, mock.stdev);
		return;
	case 9:
		abi_mock_replace(bed->fd, &bed->mock, rand_r(seed) % 2 ? bed->hwpt : id);
		return;
	case 10:
	case 11:
		for (int i = 0; i < 8; i++)
			abi_trigger(bed->fd, bed->mock.idev, 0, id, 1, IOVA);
		return;
	default:
		for (ssize_t n = read(bed->ffd, recs, sizeof(recs)), i = 0;
		     i < n / (ssize_t)sizeof(recs[0]); i++)
			abi_answer(bed->ffd, recs[i].cookie, (uint32_t)rand_r(seed) % 3);
		return;
	}
}

static void *run_member(void *arg)
{
	struct member *m = arg;

	for (int i = 0; i < 1500 && !__atomic_load_n(&m->crowd->stop, __ATOMIC_RELAXED); i++)
		any_call(m->crowd, &m->seed);
	return NULL;
}

static void many_threads_share_one_context(void **state)
{
	struct crowd crowd = { .memory = dma_memory(8 * PAGE, MAP_PRIVATE) };
	struct member members[6];

	(void)state;
	bed_make(&crowd.bed);
	for (unsigned int i = 0; i < 6; i++) {
		members[i] = (struct member){ .crowd = &crowd, .seed = 20261122 + i };
		assert_int_equal(pthread_create(&members[i].thread, NULL, run_member, &members[i]),
				 0);
	}
	for (unsigned int i = 0; i < 6; i++)
		pthread_join(members[i].thread, NULL);
	bed_close(&crowd.bed);
	munmap(crowd.memory, 8 * PAGE);
}

/* Descriptors are closed while threads use them; calls in progress end as usual. */
static void threads_lose_their_descriptors(void **state)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	for (unsigned int round = 0; round < 10; round++) {
		struct crowd crowd = { .memory = dma_memory(8 * PAGE, MAP_PRIVATE) };
		struct member members[3];

		bed_make(&crowd.bed);
		for (unsigned int i = 0; i < 3; i++) {
			members[i] = (struct member){ .crowd = &crowd, .seed = 100 * round + i };
			assert_int_equal(pthread_create(&members[i].thread, NULL, run_member,
							&members[i]),
					 0);
		}
		/* Other threads may have destroyed the device. */
		for (unsigned int i = 0; i < 200; i++)
			abi_trigger(crowd.bed.fd, crowd.bed.mock.idev, 0, i, 1, IOVA + i * PAGE);
		/*
		 * Replace the descriptor: a number that is closed must not become another file's.
		 */
		dup3(null, round % 2 ? crowd.bed.fd : crowd.bed.ffd, O_CLOEXEC);
		for (int i = 0; i < 20; i++)
			sched_yield();
		dup3(null, round % 2 ? crowd.bed.ffd : crowd.bed.fd, O_CLOEXEC);
		__atomic_store_n(&crowd.stop, true, __ATOMIC_RELAXED);
		for (unsigned int i = 0; i < 3; i++)
			pthread_join(members[i].thread, NULL);
		bed_close(&crowd.bed);
		munmap(crowd.memory, 8 * PAGE);
	}
	close(null);
}

/* ---- descriptors in other processes ---- */

static void send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	CHECK(sendmsg(sock, &msg, 0) == 1);
}

static int receive_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	CHECK(recvmsg(sock, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Starts a process, which ends with its parent and never returns into the test. */
static pid_t start(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Waits for @n faults of @ffd and responds to them. */
static void handle(int ffd, int n)
{
	struct iommu_hwpt_pgfault rec;
	struct pollfd p = { .fd = ffd, .events = POLLIN };

	while (n) {
		CHECK(poll(&p, 1, 20000) == 1);
		if (read(ffd, &rec, sizeof(rec)) != sizeof(rec))
			continue;
		CHECK(!abi_answer(ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
		n--;
	}
}

/* One process makes all objects and passes the queue on; another handles the faults. */
static void a_handler_lives_elsewhere(void **state)
{
	struct iof_test_stats stats;
	struct bed bed;
	int sock[2];
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	pid = start();
	if (!pid) {
		int ffd = receive_fd(sock[1]);

		handle(ffd, 100);
		_exit(0);
	}
	bed_make(&bed);
	send_fd(sock[0], bed.ffd);
	close(bed.ffd);
	bed.ffd = -1;
	for (uint32_t i = 0; i < 100; i++)
		bed_trigger(&bed, i);
	assert_int_equal(exit_of(pid), 0);
	/* The last holder has ended: later faults are answered at once. */
	bed_trigger(&bed, 1000);
	do {
		bed_stats(&bed, &stats);
	} while (!stats.invalid);
	assert_int_equal(stats.success, 100);
	bed_close(&bed);
	close(sock[0]);
	close(sock[1]);
}

static void handlers_share_a_queue(void **state)
{
	struct iof_test_stats stats;
	struct bed bed;
	pid_t pid[3];

	(void)state;
	bed_make(&bed);
	for (int i = 0; i < 3; i++) {
		pid[i] = start();
		if (!pid[i]) {
			handle(bed.ffd, 50);
			_exit(0);
		}
	}
	for (uint32_t i = 0; i < 150; i++)
		bed_trigger(&bed, i);
	for (int i = 0; i < 3; i++)
		assert_int_equal(exit_of(pid[i]), 0);
	bed_stats(&bed, &stats);
	assert_int_equal(stats.success, 150);
	bed_close(&bed);
}

/*
 * Handlers are killed while they have delivered groups. While one holder is left, no group is lost.
 */
static void handlers_are_killed(void **state)
{
	struct iof_test_stats stats;
	struct iommu_hwpt_pgfault recs[10];
	struct bed bed;
	int told[2];
	char byte;
	pid_t pid;

	(void)state;
	bed_make(&bed);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	for (int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 10; i++)
			bed_trigger(&bed, i);
		pid = start();
		if (!pid) {
			CHECK(read(bed.ffd, recs, sizeof(recs) / 2) == sizeof(recs) / 2);
			CHECK(write(told[1], "", 1) == 1);
			pause();
			_exit(1);
		}
		assert_int_equal(read(told[0], &byte, 1), 1);
		kill(pid, SIGKILL);
		assert_int_equal(exit_of(pid), -SIGKILL);
		/* The parent still holds the queue: unread groups are queued. */
		assert_int_equal(read(bed.ffd, recs, sizeof(recs)), sizeof(recs) / 2);
		for (int i = 0; i < 5; i++)
			assert_ok(abi_answer(bed.ffd, recs[i].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	}
	bed_stats(&bed, &stats);
	assert_int_equal(stats.success, 100);
	assert_int_equal(stats.invalid, 0);
	close(bed.ffd);
	bed.ffd = -1;
	bed_stats(&bed, &stats);
	assert_int_equal(stats.swept, 100);
	bed_close(&bed);
	close(told[0]);
	close(told[1]);
}

/* ---- closing in every order ---- */

static int next_permutation(int *a, int n)
{
	int i = n - 1, j = n - 1, t;

	while (i > 0 && a[i - 1] > a[i])
		i--;
	if (!i)
		return 0;
	while (a[j] < a[i - 1])
		j--;
	t = a[i - 1], a[i - 1] = a[j], a[j] = t;
	for (j = n - 1; i < j; i++, j--)
		t = a[i], a[i] = a[j], a[j] = t;
	return 1;
}

/*
 * Five descriptors are closed in all 120 orders: a context, a fault queue of it with open faults, a
 * second holder of the queue, a working DMA engine of the context, and an engine that waits for a
 * fault.
 */
static void descriptors_are_closed_in_every_order(void **state)
{
	int order[5] = { 0, 1, 2, 3, 4 };

	(void)state;
	do {
		struct dma d;
		struct bed bed;
		int fd[5];

		bed_make(&bed);
		for (uint32_t i = 0; i < 4; i++)
			bed_trigger(&bed, i);
		bed_take(&bed);
		dma_open(&d);
		assert_int_equal(dma_copy(&d, DMA_RECORD + 2048, DMA_RECORD + 1024, 512),
				 DSA_COMP_SUCCESS);
		fd[0] = bed.fd;
		fd[1] = bed.ffd;
		fd[2] = fcntl(bed.ffd, F_DUPFD_CLOEXEC, 0);
		fd[3] = d.fd;
		fd[4] = d.dev;
		for (int i = 0; i < 5; i++)
			assert_int_equal(close(fd[order[i]]), 0);
		munmap((void *)d.record, PAGE);
	} while (next_permutation(order, 5));
}

/* ---- killed at every step ---- */

static int told_fd;
static int steps_to_live;

/* Reports a step to the parent, which may kill the process here. */
static void step(void)
{
	CHECK(write(told_fd, "", 1) == 1);
	if (!--steps_to_live)
		kill(getpid(), SIGKILL);
}

/* Does all the steps of a program with a device and a handler. */
static void life(void)
{
	struct dsa_hw_desc desc = { .opcode = DSA_OPCODE_MEMMOVE };
	struct iommu_hwpt_pgfault recs[4];
	struct dma d = { .record = dma_memory(PAGE, MAP_SHARED) };
	char *memory = dma_memory(64 * PAGE, MAP_PRIVATE);
	struct abi_mock mock;
	uint32_t fault;
	int hwpt, ffd;

	step();
	d.fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	step();
	d.dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	step();
	CHECK(abi_bind(d.dev, d.fd) > 0);
	step();
	d.ioas = abi_ioas(d.fd);
	step();
	CHECK(!dma_map(&d, memory, 64 * PAGE, IOVA));
	step();
	CHECK(abi_attach(d.dev, (uint32_t)d.ioas) > 0);
	step();
	CHECK(!dma_map(&d, (void *)d.record, PAGE, DMA_RECORD));
	step();
	/* The engine works, and no thread waits for it. */
	desc.src_addr = IOVA;
	desc.dst_addr = IOVA + 32 * PAGE;
	desc.xfer_size = 32 * PAGE;
	dma_start(&d, desc, d.record, DMA_RECORD);
	step();
	CHECK(!abi_mock(d.fd, (uint32_t)d.ioas, 0, &mock));
	step();
	CHECK(!abi_fault_queue(d.fd, &fault, &ffd));
	step();
	hwpt = abi_hwpt_fault(d.fd, mock.idev, (uint32_t)d.ioas, 0, fault);
	CHECK(hwpt > 0);
	step();
	CHECK(!abi_mock_replace(d.fd, &mock, (uint32_t)hwpt));
	step();
	for (uint32_t i = 0; i < 4; i++)
		CHECK(!abi_trigger(d.fd, mock.idev, 0, i, 1, IOVA));
	step();
	CHECK(read(ffd, recs, sizeof(recs) / 2) == sizeof(recs) / 2);
	step();
	CHECK(!abi_answer(ffd, recs[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	step();
	dma_start(&d, desc, d.record, DMA_RECORD);
	munmap(memory, 16 * PAGE);
	step();
	CHECK(!abi_mock_replace(d.fd, &mock, (uint32_t)d.ioas));
	step();
	close(d.dev);
	step();
	close(d.fd);
	step();
	close(ffd);
	step();
}

/* Runs life() to its @n-th step. Returns the number of steps that it reached. */
static int live(int n)
{
	int told[2], steps = 0;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	pid = start();
	if (!pid) {
		told_fd = told[1];
		steps_to_live = n;
		life();
		_exit(0);
	}
	close(told[1]);
	while (read(told[0], &byte, 1) == 1)
		steps++;
	close(told[0]);
	assert_int_equal(exit_of(pid), steps == n ? -SIGKILL : 0);
	return steps;
}

static void a_process_is_killed_at_every_step(void **state)
{
	int n = 1;

	(void)state;
	while (live(n) == n) {
		holdings_back(&before);
		n++;
	}
	assert_true(n > 20);
}

/* Processes are killed at any moment, not only between two steps. */
static void processes_are_killed_at_any_moment(void **state)
{
	unsigned int seed = 7;
	struct timespec moment = { 0 };

	(void)state;
	for (int round = 0; round < 40; round++) {
		pid_t pid = start();

		if (!pid) {
			told_fd = open("/dev/null", O_WRONLY);
			for (;;) {
				steps_to_live = 0;
				life();
			}
		}
		moment.tv_nsec = rand_r(&seed) % 30000000;
		nanosleep(&moment, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(exit_of(pid), -SIGKILL);
	}
	holdings_back(&before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(many_threads_share_one_context),
		T(threads_lose_their_descriptors),
		T(a_handler_lives_elsewhere),
		T(handlers_share_a_queue),
		T(handlers_are_killed),
		T(descriptors_are_closed_in_every_order),
		T(a_process_is_killed_at_every_step),
		T(processes_are_killed_at_any_moment),
	};

	kernel_needed("kernel/chaos");
	return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
