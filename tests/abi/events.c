// SPDX-License-Identifier: MIT
/*
 * events.c - proves rule e31: each arrival of a group is an event, also while older groups are
 * queued. An edge-triggered client that reads one group for each event is served. A multishot poll
 * completes for each arrival. Of the threads that wait exclusively, as many wake as groups arrived.
 * Threads in poll(2), which may share a wake-up, miss no group.
 */
#include "abi.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WAITERS	   4
#define PATIENCE_S 20

struct fix {
	struct iof_world *world;
	int fd, ffd;
	uint32_t fault;
	struct abi_mock mock;
};

static int setup(void **state)
{
	static struct fix f;
	int ioas, hwpt;

	*state = &f;
	f.world = abi_world(NULL, 0);
	f.fd = abi_iommu(f.world);
	ioas = abi_ioas(f.fd);
	assert_ok(abi_mock(f.fd, ioas, 0, &f.mock));
	assert_ok(abi_fault_queue(f.fd, &f.fault, &f.ffd));
	hwpt = abi_hwpt_fault(f.fd, f.mock.idev, ioas, 0, f.fault);
	assert_ok(abi_mock_replace(f.fd, &f.mock, hwpt));
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	return iof_close(f->ffd) | iof_close(f->fd) | iof_world_close(f->world);
}

static void trigger(struct fix *f, uint32_t grpid)
{
	assert_ok(abi_trigger(f->fd, f->mock.idev, 0, grpid, 1, IOVA + grpid * PAGE));
}

static void answer_one(struct fix *f)
{
	struct iommu_hwpt_pgfault rec;

	assert_int_equal(abi_read_one(f->ffd, &rec), sizeof(rec));
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
}

static int by_edge(struct fix *f)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, f->ffd, &ev), 0);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 0);
	return ep;
}

static int events_now(int ep)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 0);
}

static void e31_an_edge_for_each_arrival(void **state)
{
	struct fix *f = *state;
	int ep = by_edge(f);

	for (int round = 0; round < 50; round++) {
		for (uint32_t grpid = 0; grpid < 5; grpid++) {
			trigger(f, grpid);
			assert_int_equal(events_now(ep), 1);
			assert_int_equal(events_now(ep), 0);
		}
		/* An arrival in the middle of reading is an event, too. */
		answer_one(f);
		trigger(f, 5);
		assert_int_equal(events_now(ep), 1);
		for (uint32_t grpid = 1; grpid < 6; grpid++)
			answer_one(f);
		assert_int_equal(abi_readable(f->ffd), 0);
	}
	close(ep);
}

/* mio, tokio and Go do one read for each event; here two groups arrive between events. */
static void e31_one_read_an_event(void **state)
{
	struct fix *f = *state;
	int ep = by_edge(f), served = 0;

	for (uint32_t grpid = 0; grpid < 100; grpid++) {
		trigger(f, 2 * grpid);
		trigger(f, 2 * grpid + 1);
		if (events_now(ep)) {
			answer_one(f);
			served++;
		}
	}
	assert_int_equal(served, 100);
	close(ep);
}

/* The level depends on the queued groups, however many events there were. */
static void e31_events_leave_the_level(void **state)
{
	struct fix *f = *state;
	struct pollfd p = { .fd = f->ffd, .events = POLLIN };

	for (int round = 0; round < 20; round++) {
		for (uint32_t grpid = 0; grpid < 8; grpid++)
			trigger(f, grpid);
		for (uint32_t grpid = 0; grpid < 8; grpid++) {
			assert_int_equal(poll(&p, 1, 0), 1);
			answer_one(f);
		}
		assert_int_equal(poll(&p, 1, 0), 0);
	}
	for (uint32_t grpid = 0; grpid < 8; grpid++)
		trigger(f, grpid);
	assert_ok(abi_mock_replace(f->fd, &f->mock, abi_ioas(f->fd)));
	assert_int_equal(poll(&p, 1, 0), 0);
}

static void e31_a_multishot_poll_completes_for_each(void **state)
{
	struct fix *f = *state;
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;

	if (io_uring_queue_init(64, &ring, 0))
		skip();
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_poll_multishot(sqe, f->ffd, POLLIN);
	assert_int_equal(io_uring_submit(&ring), 1);
	for (uint32_t grpid = 0; grpid < 20; grpid++) {
		struct __kernel_timespec patience = { .tv_sec = PATIENCE_S };

		trigger(f, grpid);
		assert_int_equal(io_uring_wait_cqe_timeout(&ring, &cqe, &patience), 0);
		assert_true(cqe->res > 0 && cqe->res & POLLIN);
		assert_true(cqe->flags & IORING_CQE_F_MORE);
		io_uring_cqe_seen(&ring, cqe);
		if (grpid & 1)
			answer_one(f);
	}
	io_uring_queue_exit(&ring);
}

/* ---- exclusive waiters ---- */

struct pool {
	int ffd, over; /* over: an eventfd that ends the threads that still wait */
	pthread_barrier_t added;
	sem_t woken;
};

/*
 * Waits exclusively. The thread does not read, so that the others are woken by new groups and not
 * by groups that are left.
 */
static void *wait_exclusively(void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = 1 };
	struct epoll_event end = { .events = EPOLLIN };
	struct pool *pool = arg;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(ep, EPOLL_CTL_ADD, pool->ffd, &ev) ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, pool->over, &end))
		abort();
	pthread_barrier_wait(&pool->added);
	while (epoll_wait(ep, &ev, 1, -1) < 0)
		;
	if (ev.data.fd)
		sem_post(&pool->woken);
	close(ep);
	return NULL;
}

static void another_wakes(struct pool *pool)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while (sem_timedwait(&pool->woken, &until)) {
		if (errno != EINTR)
			fail_msg("no other thread was woken");
	}
}

static void e31_as_many_exclusive_waiters_as_groups(void **state)
{
	struct fix *f = *state;

	for (int round = 0; round < 20; round++) {
		struct pool pool = { .ffd = f->ffd, .over = eventfd(0, EFD_CLOEXEC) };
		pthread_t threads[WAITERS + 1];
		uint64_t one = 1;

		assert_true(pool.over >= 0);
		assert_int_equal(sem_init(&pool.woken, 0, 0), 0);
		assert_int_equal(pthread_barrier_init(&pool.added, NULL, WAITERS + 2), 0);
		for (int i = 0; i <= WAITERS; i++)
			assert_false(pthread_create(&threads[i], NULL, wait_exclusively, &pool));
		pthread_barrier_wait(&pool.added);
		for (uint32_t grpid = 0; grpid < WAITERS; grpid++) {
			trigger(f, grpid);
			another_wakes(&pool);
		}
		assert_int_equal(write(pool.over, &one, sizeof(one)), sizeof(one));
		for (int i = 0; i <= WAITERS; i++)
			pthread_join(threads[i], NULL);
		for (int i = 0; i < WAITERS; i++)
			answer_one(f);
		close(pool.over);
		sem_destroy(&pool.woken);
		pthread_barrier_destroy(&pool.added);
	}
}

/* ---- threads in poll(2) ---- */

#define POLLERS	  2
#define REPORTERS 2
#define REPORTS	  2000u /* of each reporter */

struct polled {
	struct fix *f;
	int over; /* an eventfd that ends the pollers */
	unsigned int answered, late;
};

static void *report_many(void *arg)
{
	struct fix *f = ((struct polled *)arg)->f;

	for (uint32_t grpid = 0; grpid < REPORTS; grpid++) {
		if (abi_trigger(f->fd, f->mock.idev, 0, grpid, 1, IOVA))
			abort();
	}
	return NULL;
}

/* Reads at most one group for each time that poll() says that there is one. */
static void *answer_polled(void *arg)
{
	struct polled *p = arg;
	struct pollfd fds[2] = { { .fd = p->f->ffd, .events = POLLIN },
				 { .fd = p->over, .events = POLLIN } };
	struct iommu_hwpt_page_response resp = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
	const uint64_t one = 1;
	struct iommu_hwpt_pgfault rec;

	for (;;) {
		if (poll(fds, 2, PATIENCE_S * 1000) < 1) {
			__atomic_add_fetch(&p->late, 1, __ATOMIC_SEQ_CST);
			return NULL;
		}
		if (fds[1].revents)
			return NULL;
		if (abi_read_one(p->f->ffd, &rec) != (ssize_t)sizeof(rec))
			continue;
		resp.cookie = rec.cookie;
		if (iof_write(p->f->ffd, &resp, sizeof(resp)) != (ssize_t)sizeof(resp))
			abort();
		if (__atomic_add_fetch(&p->answered, 1, __ATOMIC_SEQ_CST) == REPORTERS * REPORTS &&
		    write(p->over, &one, sizeof(one)) != (ssize_t)sizeof(one))
			abort();
	}
}

static void e31_threads_in_poll_miss_no_arrival(void **state)
{
	struct polled p = { .f = *state, .over = eventfd(0, EFD_CLOEXEC) };
	pthread_t pollers[POLLERS], reporters[REPORTERS];

	assert_true(p.over >= 0);
	for (int i = 0; i < POLLERS; i++)
		assert_false(pthread_create(&pollers[i], NULL, answer_polled, &p));
	for (int i = 0; i < REPORTERS; i++)
		assert_false(pthread_create(&reporters[i], NULL, report_many, &p));
	for (int i = 0; i < REPORTERS; i++)
		pthread_join(reporters[i], NULL);
	for (int i = 0; i < POLLERS; i++)
		pthread_join(pollers[i], NULL);
	assert_int_equal(p.late, 0);
	assert_int_equal(p.answered, REPORTERS * REPORTS);
	close(p.over);
	/* Edges come after this, too. */
	e31_an_edge_for_each_arrival(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(e31_an_edge_for_each_arrival),
		T(e31_one_read_an_event),
		T(e31_events_leave_the_level),
		T(e31_a_multishot_poll_completes_for_each),
		T(e31_as_many_exclusive_waiters_as_groups),
		T(e31_threads_in_poll_miss_no_arrival),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
