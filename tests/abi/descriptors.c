// SPDX-License-Identifier: MIT
/*
 * descriptors.c - proves that descriptors are real. poll, epoll and io_uring wait on them beside
 * others; readiness begins with an arrival and ends when it is consumed. A number is free after
 * close. A fault queue outlives its /dev/iommu descriptor.
 */
#include "abi.h"

#include <liburing.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

struct fix {
	struct iof_world *world;
	int fd, ioas, ffd, hwpt;
	uint32_t fault;
	struct abi_mock mock;
};

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = abi_world(NULL, 0);
	f.fd = abi_iommu(f.world);
	f.ioas = abi_ioas(f.fd);
	assert_ok(abi_mock(f.fd, f.ioas, 0, &f.mock));
	assert_ok(abi_fault_queue(f.fd, &f.fault, &f.ffd));
	f.hwpt = abi_hwpt_fault(f.fd, f.mock.idev, f.ioas, 0, f.fault);
	assert_ok(abi_mock_replace(f.fd, &f.mock, f.hwpt));
	return 0;
}

/* A test that closes a descriptor itself sets it to -1. */
static int teardown(void **state)
{
	struct fix *f = *state;
	int rc = 0;

	if (f->ffd >= 0)
		rc |= iof_close(f->ffd);
	if (f->fd >= 0)
		rc |= iof_close(f->fd);
	return rc | iof_world_close(f->world);
}

static void trigger(struct fix *f, uint32_t grpid)
{
	assert_ok(abi_trigger(f->fd, f->mock.idev, 0, grpid, 1, IOVA + grpid * PAGE));
}

static uint32_t take(struct fix *f)
{
	struct iommu_hwpt_pgfault rec;

	assert_int_equal(abi_read_one(f->ffd, &rec), sizeof(rec));
	return rec.cookie;
}

static void take_and_answer(struct fix *f)
{
	assert_ok(abi_answer(f->ffd, take(f), IOMMUFD_PAGE_RESP_SUCCESS));
}

/* Level-triggered: the queue is ready while a group is queued, at each look. */
static void epoll_sees_the_level(void **state)
{
	struct fix *f = *state;
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, f->ffd, &ev), 0);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 0);
	for (int round = 0; round < 3; round++) {
		trigger(f, 1);
		trigger(f, 2);
		assert_int_equal(epoll_wait(ep, &ev, 1, -1), 1);
		assert_int_equal(epoll_wait(ep, &ev, 1, 0), 1);
		assert_true(ev.events & EPOLLIN);
		take_and_answer(f);
		assert_int_equal(epoll_wait(ep, &ev, 1, 0), 1);
		take_and_answer(f);
		assert_int_equal(epoll_wait(ep, &ev, 1, 0), 0);
	}
	/* A group that is delivered and has no response does not make the queue readable. */
	trigger(f, 3);
	take(f);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 0);
	close(ep);
}

/* A sweep ends readiness. */
static void a_detach_ends_readiness(void **state)
{
	struct fix *f = *state;
	struct pollfd p = { .fd = f->ffd, .events = POLLIN };

	trigger(f, 1);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_ok(abi_mock_replace(f->fd, &f->mock, f->ioas));
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(abi_readable(f->ffd), 0);
}

/* poll(2), io_uring and iof_poll() return the same. */
static void poll_says_the_same(void **state)
{
	struct fix *f = *state;
	struct pollfd p = { .fd = f->ffd, .events = POLLIN | POLLOUT };
	struct pollfd q = { .fd = f->ffd, .events = POLLIN };

	assert_int_equal(iof_poll(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLOUT);
	assert_int_equal(poll(&q, 1, 0), 0);
	assert_int_equal(iof_poll(&q, 1, 0), 0);
	trigger(f, 1);
	assert_int_equal(iof_poll(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN | POLLOUT);
	assert_int_equal(poll(&q, 1, -1), 1);
	/* /dev/iommu is always ready for both. */
	p = (struct pollfd){ .fd = f->fd, .events = POLLIN | POLLOUT };
	assert_int_equal(iof_poll(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN | POLLOUT);
}

static void io_uring_waits(void **state)
{
	struct fix *f = *state;
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;

	if (io_uring_queue_init(8, &ring, 0))
		skip();
	for (int round = 0; round < 2; round++) {
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_poll_add(sqe, f->ffd, POLLIN);
		assert_int_equal(io_uring_submit(&ring), 1);
		assert_int_equal(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
		trigger(f, 1);
		assert_int_equal(io_uring_wait_cqe(&ring, &cqe), 0);
		assert_true(cqe->res > 0 && cqe->res & POLLIN);
		io_uring_cqe_seen(&ring, cqe);
		take_and_answer(f);
	}
	io_uring_queue_exit(&ring);
}

/* One call polls descriptors of the world and of the system. */
static void poll_mixes_both_kinds(void **state)
{
	struct fix *f = *state;
	struct pollfd p[4];
	char c = 0;
	int pipefd[2];

	assert_int_equal(pipe(pipefd), 0);
	p[0] = (struct pollfd){ .fd = f->ffd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = pipefd[0], .events = POLLIN };
	p[2] = (struct pollfd){ .fd = -1, .events = POLLIN, .revents = 1 };
	p[3] = (struct pollfd){ .fd = f->ffd, .events = 0 };
	assert_int_equal(iof_poll(p, 4, 0), 0);
	assert_int_equal(iof_poll(p, 4, 3), 0);
	assert_int_equal(write(pipefd[1], &c, 1), 1);
	assert_int_equal(iof_poll(p, 4, -1), 1);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[1].revents, POLLIN);
	assert_int_equal(p[2].revents, 0);
	trigger(f, 1);
	assert_int_equal(iof_poll(p, 4, -1), 2);
	assert_int_equal(p[0].revents, POLLIN);
	assert_int_equal(read(pipefd[0], &c, 1), 1);
	assert_int_equal(iof_poll(p, 4, -1), 1);
	take_and_answer(f);
	p[0].events = POLLIN | POLLOUT;
	assert_int_equal(iof_poll(p, 4, -1), 1);
	assert_int_equal(p[0].revents, POLLOUT);
	close(pipefd[0]);
	close(pipefd[1]);
	p[0].events = POLLIN;
	assert_int_equal(iof_poll(p, 2, -1), 1);
	assert_int_equal(p[1].revents, POLLNVAL);
}

struct waiter {
	struct fix *f;
	int wake; /* a descriptor polled beside the queue; -1: the queue alone */
	int got;
};

static void *wait_for_fault(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p[2] = {
		{ .fd = w->f->ffd, .events = POLLIN },
		{ .fd = w->wake, .events = POLLIN },
	};

	w->got = iof_poll(p, 2, -1);
	return NULL;
}

/*
 * A thread sleeps in iof_poll(), on the queue alone or with another descriptor. A fault wakes it.
 */
static void a_sleeping_poll_is_woken(void **state)
{
	struct fix *f = *state;
	int pipefd[2];

	assert_int_equal(pipe(pipefd), 0);
	for (int round = 0; round < 100; round++) {
		struct waiter w = { .f = f, .wake = round & 1 ? pipefd[0] : -1 };
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, wait_for_fault, &w), 0);
		trigger(f, round);
		pthread_join(thread, NULL);
		assert_int_equal(w.got, 1);
		take_and_answer(f);
	}
	close(pipefd[0]);
	close(pipefd[1]);
}

/*
 * Closing a descriptor that another thread polls does no harm; the queue is freed when poll() has
 * returned.
 */
static void close_while_polling(void **state)
{
	struct fix *f = *state;
	int pipefd[2];
	char c = 0;

	assert_int_equal(pipe(pipefd), 0);
	for (int round = 0; round < 30; round++) {
		struct waiter w = { .f = f, .wake = pipefd[0] };
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, wait_for_fault, &w), 0);
		trigger(f, round);
		assert_ok(iof_close(f->ffd));
		assert_int_equal(write(pipefd[1], &c, 1), 1);
		pthread_join(thread, NULL);
		assert_true(w.got >= 1);
		assert_int_equal(read(pipefd[0], &c, 1), 1);

		assert_ok(abi_mock_replace(f->fd, &f->mock, f->ioas));
		assert_ok(abi_destroy(f->fd, f->hwpt));
		assert_ok(abi_destroy(f->fd, f->fault));
		assert_ok(abi_fault_queue(f->fd, &f->fault, &f->ffd));
		f->hwpt = abi_hwpt_fault(f->fd, f->mock.idev, f->ioas, 0, f->fault);
		assert_ok(abi_mock_replace(f->fd, &f->mock, f->hwpt));
	}
	close(pipefd[0]);
	close(pipefd[1]);
}

/* The number is free after close. */
static void a_closed_number_is_dead(void **state)
{
	struct fix *f = *state;
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = 1 };
	struct iommu_hwpt_pgfault rec;
	struct pollfd p = { .fd = f->ffd, .events = POLLIN };
	int fd = f->fd, ffd = f->ffd;

	assert_ok(iof_close(ffd));
	assert_ok(iof_close(fd));
	f->fd = -1;
	f->ffd = -1;
	assert_err(iof_close(ffd), EBADF);
	assert_err(iof_close(fd), EBADF);
	assert_err(iof_ioctl(fd, IOMMU_DESTROY, &cmd), EBADF);
	assert_err((int)iof_read(ffd, &rec, sizeof(rec)), EBADF);
	assert_err((int)iof_write(ffd, &rec, 8), EBADF);
	assert_err((int)iof_pread(ffd, &rec, sizeof(rec), 0), EBADF);
	assert_err(abi_answer(ffd, 1, 0), EBADF);
	assert_int_equal(iof_poll(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLNVAL);
	assert_err(iof_close(-1), EBADF);
	assert_err(iof_ioctl(-1, IOMMU_DESTROY, &cmd), EBADF);
}

/* a17, e2: an open fault queue keeps its context. */
static void a_fault_queue_outlives_its_context(void **state)
{
	struct fix *f = *state;
	uint32_t cookie;

	trigger(f, 1);
	trigger(f, 2);
	cookie = take(f);
	assert_ok(iof_close(f->fd));
	f->fd = -1;
	assert_int_equal(abi_readable(f->ffd), 1);
	assert_ok(abi_answer(f->ffd, cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	take_and_answer(f);
	assert_int_equal(abi_readable(f->ffd), 0);
	if (abi_embedded())
		assert_err(iof_world_close(f->world), EBUSY);
}

/* e4, e32: calls that a descriptor of /dev/iommu or a fault queue does not support. */
static void calls_that_make_no_sense(void **state)
{
	struct fix *f = *state;
	char buf[80];

	assert_err((int)iof_read(f->fd, buf, sizeof(buf)), EINVAL);
	assert_err((int)iof_write(f->fd, buf, sizeof(buf)), EINVAL);
	assert_err((int)iof_pread(f->fd, buf, sizeof(buf), 0), EINVAL);
	assert_err(iof_ioctl(f->ffd, IOMMU_IOAS_ALLOC, buf), ENOTTY);
	assert_err((int)iof_pread(f->ffd, buf, sizeof(buf), 0), ESPIPE);
	assert_err((int)iof_pwrite(f->ffd, buf, 8, 0), ESPIPE);
	assert_err(iof_ioctl(f->fd, IOMMU_DESTROY, NULL), EFAULT);
	assert_err(iof_ioctl(f->fd, IOMMU_DESTROY, (void *)8), EFAULT);
	assert_err(iof_ioctl(f->fd, _IOWR(IOMMUFD_TYPE, 0x80, int), buf), ENOTTY);
}

/* Calls on descriptors of other files go to the system. */
static void foreign_descriptors_are_passed_on(void **state)
{
	struct fix *f = *state;
	struct iovec iov;
	char buf[4] = "abc";
	int pipefd[2];

	(void)f;
	assert_int_equal(pipe(pipefd), 0);
	assert_int_equal(iof_write(pipefd[1], buf, 3), 3);
	assert_int_equal(iof_read(pipefd[0], buf, 1), 1);
	iov = (struct iovec){ buf, 2 };
	assert_int_equal(iof_readv2(pipefd[0], &iov, 1, 0), 2);
	assert_err((int)iof_readv2(pipefd[0], &iov, 1, RWF_NOWAIT), EAGAIN);
	assert_int_equal(iof_writev2(pipefd[1], &iov, 1, 0), 2);
	assert_err((int)iof_pread(pipefd[0], buf, 1, 0), ESPIPE);
	assert_err(iof_ioctl(pipefd[0], IOMMU_IOAS_ALLOC, buf), ENOTTY);
	assert_ok(iof_close(pipefd[0]));
	assert_ok(iof_close(pipefd[1]));
	assert_err(iof_close(pipefd[1]), EBADF);
}

static void *open_and_close(void *arg)
{
	struct fix *f = arg;

	for (int i = 0; i < 300; i++) {
		int fd = iof_open(f->world, "/dev/iommu", O_RDWR);

		if (fd < 0 || abi_ioas(fd) < 0 || iof_close(fd))
			return f;
	}
	return NULL;
}

/*
 * A number that one thread closes is at once another thread's. ThreadSanitizer watches this test.
 */
static void threads_recycle_numbers(void **state)
{
	pthread_t threads[4];
	void *failed;

	for (int i = 0; i < 4; i++)
		assert_false(pthread_create(&threads[i], NULL, open_and_close, *state));
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(epoll_sees_the_level),     T(a_detach_ends_readiness),
		T(poll_says_the_same),	     T(io_uring_waits),
		T(poll_mixes_both_kinds),    T(a_sleeping_poll_is_woken),
		T(close_while_polling),	     T(a_closed_number_is_dead),
		T(threads_recycle_numbers),  T(a_fault_queue_outlives_its_context),
		T(calls_that_make_no_sense), T(foreign_descriptors_are_passed_on),
	};

	return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
