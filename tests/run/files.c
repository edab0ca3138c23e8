// SPDX-License-Identifier: MIT
/*
 * files.c - proves that under `iofault run` descriptors act as in a kernel. They can be passed to
 * other processes, wait in epoll by level and by edge, survive fork, exec and dup, and end with
 * their last holder. Several processes see one system. A storm of signals loses no call. DMA
 * reaches the memory of the process that mapped it, or fails once that is gone.
 */
#include "../kernel/dma.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

static int setup(void **state)
{
	static struct bed bed;

	bed_make(&bed);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	bed_close(*state);
	return 0;
}

/* ---- passing ---- */

static void send_fds(int socket, const int *fds, unsigned int nr)
{
	char control[CMSG_SPACE(4 * sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(nr * sizeof(int)),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(nr * sizeof(int));
	memcpy(CMSG_DATA(head), fds, nr * sizeof(int));
	CHECK(sendmsg(socket, &msg, 0) == 1);
}

static void receive_fds(int socket, int *fds, unsigned int nr)
{
	char control[CMSG_SPACE(4 * sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	CHECK(recvmsg(socket, &msg, 0) == 1);
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), nr * sizeof(int));
}

static void a_queue_is_passed_to_another_process(void **state)
{
	struct bed *bed = *state;
	int sockets[2], got[2];
	pid_t child;

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct iommu_hwpt_pgfault rec;

		bed_close(bed);
		receive_fds(sockets[1], got, 2);
		while (!abi_readable(got[1]))
			usleep(100);
		CHECK(read(got[1], &rec, sizeof(rec)) == sizeof(rec));
		CHECK(!abi_answer(got[1], rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
		/* the context is the same one, too */
		CHECK(abi_ioas(got[0]) > 0);
		CHECK(!abi_destroy(got[0], (uint32_t)abi_ioas(got[0])));
		_exit(0);
	}
	send_fds(sockets[0], (int[]){ bed->fd, bed->ffd }, 2);
	bed_trigger(bed, 1);
	assert_int_equal(exit_of(child), 0);
	assert_int_equal(abi_readable(bed->ffd), 0);
	close(sockets[0]);
	close(sockets[1]);
}

/* While a process holds the queue, no group is answered; the last close answers all. */
static void the_last_holder_ends_it(void **state)
{
	struct bed *bed = *state;
	struct iof_test_stats stats;
	int copy = dup(bed->ffd), pipes[2];
	pid_t child;
	char byte;

	assert_ok(pipe(pipes));
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(pipes[1]);
		CHECK(!read(pipes[0], &byte, 1));
		raise(SIGKILL);
	}
	bed_trigger(bed, 1);
	close(bed->ffd);
	bed->ffd = -1;
	bed_stats(bed, &stats);
	assert_int_equal(stats.swept, 0);
	close(copy);
	bed_stats(bed, &stats);
	assert_int_equal(stats.swept, 0);
	close(pipes[1]);
	close(pipes[0]);
	assert_int_equal(exit_of(child), -SIGKILL);
	bed_stats(bed, &stats);
	assert_int_equal(stats.swept, 1);
	/* DESTROY succeeds now: no process holds the descriptor */
	assert_ok(abi_mock_replace(bed->fd, &bed->mock, bed->ioas));
	assert_ok(abi_destroy(bed->fd, bed->hwpt));
	assert_ok(abi_destroy(bed->fd, bed->fault));
}

static void epoll_by_level_and_edge(void **state)
{
	struct bed *bed = *state;
	struct epoll_event event = { .events = EPOLLIN }, got;
	int level = epoll_create1(0), edge = epoll_create1(0);

	assert_ok(epoll_ctl(level, EPOLL_CTL_ADD, bed->ffd, &event));
	event.events |= EPOLLET;
	assert_ok(epoll_ctl(edge, EPOLL_CTL_ADD, bed->ffd, &event));
	for (uint32_t i = 0; i < 50; i++) {
		assert_int_equal(epoll_wait(level, &got, 1, 0), 0);
		bed_trigger(bed, i);
		assert_int_equal(epoll_wait(edge, &got, 1, 5000), 1);
		assert_int_equal(epoll_wait(level, &got, 1, 0), 1);
		assert_int_equal(epoll_wait(level, &got, 1, 0), 1);
		assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
	}
	close(level);
	close(edge);
}

/* Signals interrupt the creation of queues: each queue arrives once, and no descriptor is lost. */
static void rain(int sig)
{
	(void)sig;
}

static unsigned int open_descriptors(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void signals_lose_no_descriptor(void **state)
{
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { 0 };
	struct sigaction action = { .sa_handler = rain };
	unsigned int before = open_descriptors(), made = 0;
	struct bed *bed = *state;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 300; i++) {
		uint32_t id;
		int fd, rc = abi_fault_queue(bed->fd, &id, &fd);

		if (rc == -EINTR)
			continue;
		assert_ok(rc);
		made++;
		close(fd);
		while ((rc = abi_destroy(bed->fd, id)) == -EINTR)
			;
		assert_ok(rc);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	assert_true(made > 0);
	assert_int_equal(open_descriptors(), before);
}

/*
 * There is no number for the new descriptor: the call fails as in the kernel, and leaves no object.
 */
static void no_descriptor_to_be_had(void **state)
{
	struct rlimit limit, few;
	struct bed *bed = *state;
	uint32_t first, second;
	int fd, top, rc;

	assert_ok(abi_fault_queue(bed->fd, &first, &fd));
	close(fd);
	assert_ok(abi_destroy(bed->fd, first));
	top = dup(0);
	getrlimit(RLIMIT_NOFILE, &limit);
	few = limit;
	few.rlim_cur = (rlim_t)top + 1;
	assert_ok(setrlimit(RLIMIT_NOFILE, &few));
	rc = abi_fault_queue(bed->fd, &second, &fd);
	assert_ok(setrlimit(RLIMIT_NOFILE, &limit));
	close(top);
	assert_int_equal(rc, -EMFILE);
	assert_ok(abi_fault_queue(bed->fd, &second, &fd));
	assert_int_equal(first, second);
	close(fd);
}

/* ---- memory ---- */

#define FROM 0x20000000ul
#define TO   0x30000000ul

static int open_dma(void **state)
{
	static struct dma dma;

	dma_open(&dma);
	*state = &dma;
	return 0;
}

static int close_dma(void **state)
{
	dma_close(*state);
	return 0;
}

/*
 * Two processes have private memory at the same address: each mapping shows that of its own
 * process.
 */
static void dma_reaches_the_process_that_mapped(void **state)
{
	struct dma *d = *state;
	char *memory = dma_memory(4 * PAGE, MAP_PRIVATE);
	char *to = dma_memory(4 * PAGE, MAP_PRIVATE);
	int up[2], go[2];
	char byte;
	pid_t child;

	memset(memory, 'p', 4 * PAGE);
	assert_ok(pipe(up));
	assert_ok(pipe(go));
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(go[1]);
		memset(memory, 'c', 4 * PAGE);
		CHECK(!dma_map(d, memory, 4 * PAGE, FROM));
		CHECK(write(up[1], "", 1) == 1);
		CHECK(!read(go[0], &byte, 1));
		/* the device has written it meanwhile */
		CHECK(memory[0] == 't' && memory[4 * PAGE - 1] == 't');
		_exit(0);
	}
	close(go[0]);
	assert_ok(dma_map(d, to, 4 * PAGE, TO));
	assert_int_equal(read(up[0], &byte, 1), 1);
	assert_int_equal(dma_copy(d, TO, FROM, 4 * PAGE), DSA_COMP_SUCCESS);
	assert_true(to[0] == 'c' && to[4 * PAGE - 1] == 'c' && memory[0] == 'p');
	memset(to, 't', 4 * PAGE);
	assert_int_equal(dma_copy(d, FROM, TO, 4 * PAGE), DSA_COMP_SUCCESS);
	close(go[1]);
	assert_int_equal(exit_of(child), 0);
	assert_true(memory[0] == 'p');
	/* The process is gone: only this transfer fails. */
	assert_int_not_equal(dma_copy(d, TO, FROM, PAGE), DSA_COMP_SUCCESS);
	assert_int_not_equal(dma_copy(d, FROM, TO, PAGE), DSA_COMP_SUCCESS);
	assert_ok(abi_unmap(d->fd, (uint32_t)d->ioas, FROM, 4 * PAGE));
	assert_ok(dma_map(d, memory, 4 * PAGE, FROM));
	assert_int_equal(dma_copy(d, TO, FROM, PAGE), DSA_COMP_SUCCESS);
	assert_true(to[0] == 'p');
	munmap(to, 4 * PAGE);
	munmap(memory, 4 * PAGE);
}

/* A process that executes another program has new memory, which the device does not see. */
static void an_exec_is_not_followed(void **state)
{
	struct dma *d = *state;
	char *to = dma_memory(PAGE, MAP_PRIVATE), byte;
	int up[2], go[2];
	pid_t child;

	assert_ok(pipe2(up, O_CLOEXEC));
	assert_ok(pipe(go));
	assert_ok(dma_map(d, to, PAGE, TO));
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		char *memory = dma_memory(PAGE, MAP_PRIVATE);

		dup2(go[0], 0);
		close(go[1]);
		CHECK(!dma_map(d, memory, PAGE, FROM));
		execlp("cat", "cat", NULL);
		_exit(1);
	}
	close(go[0]);
	close(up[1]);
	assert_int_equal(read(up[0], &byte, 1), 0); /* the exec has closed it */
	assert_int_not_equal(dma_copy(d, TO, FROM, PAGE), DSA_COMP_SUCCESS);
	assert_int_not_equal(dma_copy(d, FROM, TO, PAGE), DSA_COMP_SUCCESS);
	close(go[1]);
	assert_int_equal(exit_of(child), 0);
	munmap(to, PAGE);
}

/* Read-only memory cannot be mapped for writing; a hole ends a mapping. */
static void rights_of_memory(void **state)
{
	struct dma *d = *state;
	char *memory = dma_memory(4 * PAGE, MAP_PRIVATE);

	assert_ok(mprotect(memory, PAGE, PROT_READ));
	assert_err(dma_map(d, memory, PAGE, FROM), EFAULT);
	assert_ok(munmap(memory + 2 * PAGE, PAGE));
	assert_err(dma_map(d, memory + PAGE, 3 * PAGE, FROM), EFAULT);
	assert_ok(dma_map(d, memory + PAGE, PAGE, FROM));
	assert_err(abi_ioas(-1), EBADF);
	munmap(memory, 4 * PAGE);
}

static void a_thousand_forks(void **state)
{
	struct bed *bed = *state;
	char *memory = dma_memory(PAGE, MAP_PRIVATE);

	for (uint32_t i = 0; i < 1000; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child) {
			*memory = (char)i;
			CHECK(!abi_map(bed->fd, bed->ioas, memory, PAGE, FROM + i * PAGE));
			_exit(0);
		}
		assert_int_equal(exit_of(child), 0);
	}
	assert_int_equal(abi_unmap(bed->fd, bed->ioas, FROM, 1000 * PAGE), 0);
	munmap(memory, PAGE);
}

/* Opens files, makes objects and maps, and ignores errors, since descriptors vanish meanwhile. */
static void *keep_making(void *arg)
{
	char *memory = arg;

	for (;;) {
		int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), ffd, ioas;
		uint32_t id;

		if (fd < 0)
			continue;
		ioas = abi_ioas(fd);
		if (ioas > 0)
			(void)abi_map(fd, (uint32_t)ioas, memory, PAGE, FROM);
		if (!abi_fault_queue(fd, &id, &ffd))
			(void)abi_readable(ffd);
		if (ioas > 0)
			(void)abi_unmap(fd, (uint32_t)ioas, FROM, PAGE);
	}
	return NULL;
}

/*
 * Closes all numbers in the middle of calls, as daemons do when they start. The descriptors of
 * other processes stay.
 */
static void everything_is_closed_behind_our_back(void **state)
{
	char *memory = dma_memory(PAGE, MAP_PRIVATE);
	struct bed *bed = *state, own;
	pthread_t thread;
	pid_t child;

	child = fork();
	assert_true(child >= 0);
	if (!child) {
		for (int i = 0; i < 3; i++)
			CHECK(!pthread_create(&thread, NULL, keep_making, memory));
		for (int i = 0; i < 200; i++) {
			CHECK(!close_range(0, ~0u, 0));
			sched_yield();
		}
		_exit(0);
	}
	assert_int_equal(exit_of(child), 0);
	/* Check in a child with one thread that later calls succeed. */
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		CHECK(!close_range(0, ~0u, 0));
		bed_make(&own);
		bed_trigger(&own, 1);
		CHECK(!abi_answer(own.ffd, bed_take(&own), IOMMUFD_PAGE_RESP_SUCCESS));
		CHECK(!close_range(0, ~0u, 0));
		_exit(0);
	}
	assert_int_equal(exit_of(child), 0);
	bed_trigger(bed, 1);
	assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
	munmap(memory, PAGE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define D(name) cmocka_unit_test_setup_teardown(name, open_dma, close_dma)
	const struct CMUnitTest tests[] = {
		T(a_queue_is_passed_to_another_process),
		T(the_last_holder_ends_it),
		T(epoll_by_level_and_edge),
		T(signals_lose_no_descriptor),
		T(no_descriptor_to_be_had),
		D(dma_reaches_the_process_that_mapped),
		D(an_exec_is_not_followed),
		D(rights_of_memory),
		T(a_thousand_forks),
		T(everything_is_closed_behind_our_back),
	};

	kernel_needed("run/files");
	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
