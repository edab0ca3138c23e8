// SPDX-License-Identifier: MIT
/*
 * uring.c - proves that io_uring works on fault descriptors. A read of an empty queue waits and
 * completes with the fault, however it is submitted, and no worker thread is created. Reads can be
 * cancelled, linked to their response, and repeat themselves. Meanwhile a plain read of an empty
 * queue returns 0, and poll and epoll see the level and the edge.
 *
 * Started with "fuse", it expects what holds for a file of FUSE (`iofault run`). io_uring writes to
 * such a file through workers and does not wait for it in O_NONBLOCK mode. RWF_NOWAIT, offsets and
 * empty buffers are handled by the kernel itself there.
 */
#include "kernel.h"

#include <liburing.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>

/* Numbers of operations that the library's headers do not have yet. */
#define OP_READ_MULTISHOT 49

#define DEPTH 64

struct record {
	struct iommu_hwpt_pgfault fault;
	/* With the cookie before it, this is a response in the form of write(). */
	uint32_t code;
};

/* ---- a ring and a bed ---- */

static struct io_uring ring;
static bool fuse;

static int setup_flags(void **state, unsigned int flags)
{
	int rc = bed_setup(state);

	if (rc)
		return rc;
	rc = io_uring_queue_init(DEPTH, &ring, flags);
	if (rc)
		print_error("io_uring_queue_init: %s\n", strerror(-rc));
	return rc;
}

static int setup(void **state)
{
	return setup_flags(state, 0);
}

static int setup_sqpoll(void **state)
{
	return setup_flags(state, IORING_SETUP_SQPOLL);
}

/* The caller's thread did the work of all submitted requests. */
static int teardown(void **state)
{
	if (!fuse)
		assert_int_equal(tasks_named("iou-wrk"), 0);
	io_uring_queue_exit(&ring);
	return bed_teardown(state);
}

static struct io_uring_sqe *next_sqe(uint64_t tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	assert_non_null(sqe);
	memset(sqe, 0, sizeof(*sqe));
	sqe->user_data = tag;
	return sqe;
}

/* The library's prep functions clear the tag. */
static struct io_uring_sqe *tagged(struct io_uring_sqe *sqe, uint64_t tag)
{
	sqe->user_data = tag;
	return sqe;
}

static struct io_uring_sqe *queue_read(int fd, struct record *rec, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_sqe(tag);

	io_uring_prep_read(sqe, fd, &rec->fault, sizeof(rec->fault), 0);
	return tagged(sqe, tag);
}

static struct io_uring_sqe *queue_answer(int fd, struct record *rec, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_sqe(tag);

	io_uring_prep_write(sqe, fd, &rec->fault.cookie, sizeof(struct iommu_hwpt_page_response),
			    0);
	return tagged(sqe, tag);
}

static void submit(int n)
{
	assert_int_equal(io_uring_submit(&ring), n);
}

/* Lets the kernel do its work in this task, and waits for no completion. */
static void nothing_completes(void)
{
	struct io_uring_cqe *cqe;

	io_uring_get_events(&ring);
	assert_int_equal(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
}

struct completion {
	uint64_t tag;
	int res;
	unsigned int flags;
};

static struct completion reap(void)
{
	struct io_uring_cqe *cqe;
	struct completion c;

	assert_int_equal(io_uring_wait_cqe(&ring, &cqe), 0);
	c = (struct completion){ cqe->user_data, cqe->res, cqe->flags };
	io_uring_cqe_seen(&ring, cqe);
	return c;
}

static void reap_expecting(uint64_t tag, int res)
{
	struct completion c = reap();

	assert_int_equal(c.tag, tag);
	assert_int_equal(c.res, res);
}

static void answer(const struct bed *bed, const struct record *rec)
{
	assert_ok(abi_answer(bed->ffd, rec->fault.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
}

/* ---- reads ---- */

/* e46, e48: the read needs no worker and no repeated tries. */
static void a_read_waits_for_the_fault(void **state)
{
	struct bed *bed = *state;
	struct record rec;

	for (uint32_t round = 0; round < 200; round++) {
		queue_read(bed->ffd, &rec, round);
		submit(1);
		nothing_completes();
		bed_trigger(bed, round);
		reap_expecting(round, sizeof(rec.fault));
		assert_int_equal(rec.fault.grpid, round);
		answer(bed, &rec);
	}
	if (!fuse)
		assert_int_equal(tasks_named("iou-wrk"), 0);
}

static void a_read_of_a_full_queue_completes_at_once(void **state)
{
	struct bed *bed = *state;
	struct io_uring_sqe *sqe = next_sqe(7);
	struct iommu_hwpt_pgfault recs[8];

	for (uint32_t i = 0; i < 5; i++)
		bed_trigger(bed, i);
	io_uring_prep_read(sqe, bed->ffd, recs, sizeof(recs), 0);
	tagged(sqe, 7);
	submit(1);
	reap_expecting(7, 5 * sizeof(recs[0]));
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(recs[i].grpid, i);
		assert_ok(abi_answer(bed->ffd, recs[i].cookie, IOMMUFD_PAGE_RESP_INVALID));
	}
}

/* e47: O_NONBLOCK concerns calls that would block; a submitted read does not. */
static void nonblocking_mode_changes_nothing(void **state)
{
	struct bed *bed = *state;
	struct record rec;

	assert_int_equal(fcntl(bed->ffd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	if (fuse) {
		queue_read(bed->ffd, &rec, 1);
		submit(1);
		reap_expecting(1, 0); /* the same result as read() of an empty queue */
		return;
	}
	assert_int_equal(read(bed->ffd, &rec, sizeof(rec.fault)), 0);
	queue_read(bed->ffd, &rec, 1);
	submit(1);
	nothing_completes();
	bed_trigger(bed, 3);
	reap_expecting(1, sizeof(rec.fault));
	answer(bed, &rec);
}

static void several_reads_share_the_faults(void **state)
{
	struct bed *bed = *state;
	struct record recs[16];
	uint32_t seen = 0;

	for (int i = 0; i < 16; i++)
		queue_read(bed->ffd, &recs[i], i);
	submit(16);
	nothing_completes();
	for (int i = 0; i < 16; i++)
		bed_trigger(bed, i);
	for (int i = 0; i < 16; i++) {
		struct completion c = reap();

		assert_int_equal(c.res, sizeof(recs[0].fault));
		seen |= 1u << recs[c.tag].fault.grpid;
		answer(bed, &recs[c.tag]);
	}
	assert_int_equal(seen, 0xffff);

	/* There are fewer faults than readers: a reader without one waits on. */
	for (int i = 0; i < 4; i++)
		queue_read(bed->ffd, &recs[i], i);
	submit(4);
	for (int i = 0; i < 4; i++) {
		struct completion c;

		nothing_completes();
		bed_trigger(bed, 100 + i);
		c = reap();
		assert_int_equal(c.res, sizeof(recs[0].fault));
		assert_int_equal(recs[c.tag].fault.grpid, 100 + i);
		answer(bed, &recs[c.tag]);
	}
	nothing_completes();
}

static void errors_are_those_of_read_and_write(void **state)
{
	struct bed *bed = *state;
	struct record rec = { .fault.cookie = 12345 };
	struct io_uring_sqe *sqe;

	sqe = queue_read(bed->ffd, &rec, 1);
	sqe->len = 39;
	submit(1);
	reap_expecting(1, -ESPIPE);
	if (!fuse) {
		sqe = queue_read(bed->ffd, &rec, 2);
		sqe->off = 40;
		submit(1);
		reap_expecting(2, -ESPIPE);
	}
	sqe = queue_answer(bed->ffd, &rec, 3);
	submit(1);
	reap_expecting(3, -EINVAL);
	sqe = queue_answer(bed->ffd, &rec, 4);
	sqe->len = 7;
	submit(1);
	reap_expecting(4, -ESPIPE);

	bed_trigger(bed, 1);
	sqe = queue_read(bed->ffd, &rec, 5);
	sqe->addr = 0;
	submit(1);
	reap_expecting(5, -EFAULT);
	sqe = queue_read(bed->ffd, &rec, 6);
	sqe->len = 0;
	submit(1);
	reap_expecting(6, fuse ? 0 : -EINVAL);
	/* The fault is still queued, as the first. */
	queue_read(bed->ffd, &rec, 7);
	submit(1);
	reap_expecting(7, sizeof(rec.fault));
	answer(bed, &rec);
}

/* The memory is unmapped while the read waits: the read fails, and the fault stays queued. */
static void memory_can_vanish_under_a_waiting_read(void **state)
{
	struct bed *bed = *state;
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct record rec;

	assert_true(page != MAP_FAILED);
	queue_read(bed->ffd, page, 1);
	submit(1);
	nothing_completes();
	munmap(page, PAGE);
	bed_trigger(bed, 9);
	reap_expecting(1, -EFAULT);
	queue_read(bed->ffd, &rec, 2);
	submit(1);
	reap_expecting(2, sizeof(rec.fault));
	assert_int_equal(rec.fault.grpid, 9);
	answer(bed, &rec);
}

static void vectors_and_registered_buffers(void **state)
{
	struct bed *bed = *state;
	struct record rec;
	struct iovec split[2] = {
		{ &rec.fault, 17 },
		{ (char *)&rec.fault + 17, sizeof(rec.fault) - 17 },
	};
	struct iovec whole = { &rec, sizeof(rec) };
	struct io_uring_sqe *sqe = next_sqe(1);

	io_uring_prep_readv(sqe, bed->ffd, split, 2, 0);
	tagged(sqe, 1);
	submit(1);
	nothing_completes();
	bed_trigger(bed, 1);
	reap_expecting(1, sizeof(rec.fault));
	assert_int_equal(rec.fault.grpid, 1);
	answer(bed, &rec);

	assert_int_equal(io_uring_register_buffers(&ring, &whole, 1), 0);
	assert_int_equal(io_uring_register_files(&ring, &bed->ffd, 1), 0);
	sqe = next_sqe(2);
	io_uring_prep_read_fixed(sqe, 0, &rec.fault, sizeof(rec.fault), 0, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	tagged(sqe, 2);
	submit(1);
	nothing_completes();
	bed_trigger(bed, 2);
	reap_expecting(2, sizeof(rec.fault));
	assert_int_equal(rec.fault.grpid, 2);
	rec.code = IOMMUFD_PAGE_RESP_SUCCESS;
	sqe = next_sqe(3);
	io_uring_prep_write_fixed(sqe, 0, &rec.fault.cookie, 8, 0, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	tagged(sqe, 3);
	submit(1);
	reap_expecting(3, 8);
}

/* ---- reads that repeat, that end, that are followed by something ---- */

static void a_multishot_read_goes_on(void **state)
{
	enum {
		BUFFERS = 8,
		GROUP = 5
	};
	struct iommu_hwpt_pgfault recs[BUFFERS];
	struct bed *bed = *state;
	struct io_uring_sqe *sqe;
	struct completion c;

	sqe = next_sqe(0);
	io_uring_prep_provide_buffers(sqe, recs, sizeof(recs[0]), BUFFERS, GROUP, 0);
	submit(1);
	assert_true(reap().res >= 0);
	sqe = next_sqe(0);
	sqe->opcode = OP_READ_MULTISHOT;
	sqe->fd = bed->ffd;
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	tagged(sqe, 9);
	submit(1);
	nothing_completes();
	for (uint32_t round = 0; round < BUFFERS; round++) {
		struct iommu_hwpt_pgfault *rec;

		bed_trigger(bed, round);
		c = reap();
		assert_int_equal(c.tag, 9);
		assert_int_equal(c.res, sizeof(*rec));
		assert_true(c.flags & IORING_CQE_F_BUFFER);
		assert_true(c.flags & IORING_CQE_F_MORE);
		rec = &recs[c.flags >> IORING_CQE_BUFFER_SHIFT];
		assert_int_equal(rec->grpid, round);
		assert_ok(abi_answer(bed->ffd, rec->cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	}
	/* No buffer is left: the read ends, and the fault stays queued. */
	bed_trigger(bed, BUFFERS);
	c = reap();
	assert_int_equal(c.res, -ENOBUFS);
	assert_false(c.flags & IORING_CQE_F_MORE);
	assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
}

static void a_waiting_read_can_be_cancelled(void **state)
{
	struct bed *bed = *state;
	struct record recs[2];
	struct io_uring_sqe *sqe;
	int seen = 0;

	queue_read(bed->ffd, &recs[0], 1);
	queue_read(bed->ffd, &recs[1], 2);
	submit(2);
	nothing_completes();
	sqe = next_sqe(0);
	io_uring_prep_cancel64(sqe, 1, 0);
	tagged(sqe, 3);
	submit(1);
	for (int i = 0; i < 2; i++) {
		struct completion c = reap();

		assert_int_equal(c.res, c.tag == 1 ? -ECANCELED : 0);
		seen |= 1 << c.tag;
	}
	assert_int_equal(seen, 1 << 1 | 1 << 3);
	/* The other read still waits, and the cancelled one has taken no fault. */
	nothing_completes();
	bed_trigger(bed, 5);
	reap_expecting(2, sizeof(recs[1].fault));
	assert_int_equal(recs[1].fault.grpid, 5);
	answer(bed, &recs[1]);
}

static void a_time_limit_ends_a_waiting_read(void **state)
{
	struct __kernel_timespec limit = { .tv_nsec = 1000000 };
	struct bed *bed = *state;
	struct io_uring_sqe *sqe;
	struct record rec;

	queue_read(bed->ffd, &rec, 1)->flags |= IOSQE_IO_LINK;
	sqe = next_sqe(2);
	io_uring_prep_link_timeout(sqe, &limit, 0);
	tagged(sqe, 2);
	submit(2);
	for (int i = 0; i < 2; i++) {
		struct completion c = reap();

		assert_int_equal(c.res, c.tag == 1 ? -ECANCELED : -ETIME);
	}
	bed_trigger(bed, 1);
	assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
}

/* The ring holds the file: after the close of the number, the waiting read still has its queue. */
static void the_number_is_closed_under_a_waiting_read(void **state)
{
	struct bed *bed = *state;
	struct iof_test_stats stats;
	struct record rec;

	queue_read(bed->ffd, &rec, 1);
	submit(1);
	nothing_completes();
	close(bed->ffd);
	bed->ffd = -1;
	assert_ok(abi_mock_replace(bed->fd, &bed->mock, bed->ioas));
	assert_ok(abi_destroy(bed->fd, bed->hwpt));
	assert_err(abi_destroy(bed->fd, bed->fault), EBUSY);
	bed->hwpt = abi_hwpt_fault(bed->fd, bed->mock.idev, bed->ioas, 0, bed->fault);
	assert_ok(abi_mock_replace(bed->fd, &bed->mock, bed->hwpt));
	bed_trigger(bed, 77);
	reap_expecting(1, sizeof(rec.fault));
	assert_int_equal(rec.fault.grpid, 77);
	/*
	 * This was the last holder: no process can respond any more, so that the core has answered.
	 */
	do {
		io_uring_get_events(&ring);
		bed_stats(bed, &stats);
	} while (!stats.swept);
	assert_int_equal(stats.invalid, 1);
	bed_trigger(bed, 78);
	bed_stats(bed, &stats);
	assert_int_equal(stats.invalid, 2);
}

static void a_ring_ends_with_reads_waiting(void **state)
{
	struct bed *bed = *state;
	struct record recs[8];

	for (int i = 0; i < 8; i++)
		queue_read(bed->ffd, &recs[i], i);
	submit(8);
	nothing_completes();
	io_uring_queue_exit(&ring);
	/* The module has no user (teardown checks it), and no later queue gets these faults. */
	bed_trigger(bed, 1);
	assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(io_uring_queue_init(DEPTH, &ring, 0), 0);
}

/* e49: the ring writes responses. */
static void answers_are_written_by_the_ring(void **state)
{
	struct bed *bed = *state;
	struct iof_test_stats stats;
	struct record recs[32];

	for (int i = 0; i < 32; i++) {
		bed_trigger(bed, i);
		assert_int_equal(abi_read_one(bed->ffd, &recs[i].fault), sizeof(recs[i].fault));
		recs[i].code = i & 1 ? IOMMUFD_PAGE_RESP_INVALID : IOMMUFD_PAGE_RESP_SUCCESS;
	}
	for (int i = 0; i < 32; i++)
		queue_answer(bed->ffd, &recs[i], i);
	submit(32);
	for (int i = 0; i < 32; i++)
		assert_int_equal(reap().res, sizeof(struct iommu_hwpt_page_response));
	bed_stats(bed, &stats);
	assert_int_equal(stats.success, 16);
	assert_int_equal(stats.invalid, 16);
	queue_answer(bed->ffd, &recs[0], 1);
	submit(1);
	reap_expecting(1, -EINVAL);
}

/* Two entries make a handler: the write sends the bytes that the read leaves in memory. */
static void a_read_is_linked_to_its_answer(void **state)
{
	struct bed *bed = *state;
	struct iof_test_stats stats;
	struct record rec;

	for (uint32_t round = 0; round < 20; round++) {
		rec = (struct record){ .code = IOMMUFD_PAGE_RESP_SUCCESS };
		queue_read(bed->ffd, &rec, 1)->flags |= IOSQE_IO_LINK;
		queue_answer(bed->ffd, &rec, 2);
		submit(2);
		nothing_completes();
		bed_trigger(bed, round);
		reap_expecting(1, sizeof(rec.fault));
		reap_expecting(2, sizeof(struct iommu_hwpt_page_response));
		bed_stats(bed, &stats);
		assert_int_equal(stats.success, round + 1);
	}
}

/* A read that fails cancels its linked write. */
static void a_failed_link_answers_nothing(void **state)
{
	struct bed *bed = *state;
	struct iof_test_stats stats;
	struct record rec = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
	struct io_uring_sqe *sqe;

	bed_trigger(bed, 1);
	sqe = queue_read(bed->ffd, &rec, 1);
	sqe->len = 39;
	sqe->flags |= IOSQE_IO_LINK;
	queue_answer(bed->ffd, &rec, 2);
	submit(2);
	reap_expecting(1, -ESPIPE);
	reap_expecting(2, -ECANCELED);
	bed_stats(bed, &stats);
	assert_int_equal(stats.success, 0);
	assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
}

/* The kernel's own thread submits the requests, and creates no workers either. */
static void a_polled_submission_queue_waits_too(void **state)
{
	struct bed *bed = *state;
	struct record rec;

	for (uint32_t round = 0; round < 10; round++) {
		queue_read(bed->ffd, &rec, round);
		/* Entries that the kernel's thread has not fetched yet are counted again. */
		assert_true(io_uring_submit(&ring) >= 1);
		bed_trigger(bed, round);
		reap_expecting(round, sizeof(rec.fault));
		assert_int_equal(rec.fault.grpid, round);
		answer(bed, &rec);
	}
}

/* ---- readiness ---- */

static void a_multishot_poll_tells_each_time(void **state)
{
	struct bed *bed = *state;
	struct io_uring_sqe *sqe = next_sqe(4);

	io_uring_prep_poll_multishot(sqe, bed->ffd, POLLIN);
	tagged(sqe, 4);
	submit(1);
	nothing_completes();
	for (uint32_t round = 0; round < 10; round++) {
		struct completion c;

		bed_trigger(bed, round);
		c = reap();
		assert_int_equal(c.tag, 4);
		assert_true(c.res > 0 && c.res & POLLIN);
		assert_true(c.flags & IORING_CQE_F_MORE);
		assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
		nothing_completes();
	}
}

static void poll_of_the_system(void **state)
{
	struct bed *bed = *state;
	struct pollfd p = { .fd = bed->ffd, .events = POLLIN | POLLRDNORM | POLLOUT | POLLPRI };
	uint32_t cookie;

	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLOUT);
	bed_trigger(bed, 1);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLIN | POLLRDNORM | POLLOUT);
	cookie = bed_take(bed);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLOUT);
	assert_ok(abi_answer(bed->ffd, cookie, IOMMUFD_PAGE_RESP_SUCCESS));
}

static void epoll_sees_the_level_and_the_edge(void **state)
{
	struct bed *bed = *state;
	struct epoll_event ev = { .events = EPOLLIN }, got;
	int level = epoll_create1(EPOLL_CLOEXEC), edge = epoll_create1(EPOLL_CLOEXEC);

	assert_int_equal(epoll_ctl(level, EPOLL_CTL_ADD, bed->ffd, &ev), 0);
	ev.events = EPOLLIN | EPOLLET;
	assert_int_equal(epoll_ctl(edge, EPOLL_CTL_ADD, bed->ffd, &ev), 0);
	for (uint32_t round = 0; round < 5; round++) {
		assert_int_equal(epoll_wait(level, &got, 1, 0), 0);
		assert_int_equal(epoll_wait(edge, &got, 1, 0), 0);
		bed_trigger(bed, 1);
		bed_trigger(bed, 2);
		for (int i = 0; i < 3; i++)
			assert_int_equal(epoll_wait(level, &got, 1, 0), 1);
		assert_true(got.events & EPOLLIN);
		assert_int_equal(epoll_wait(edge, &got, 1, 0), 1);
		assert_int_equal(epoll_wait(edge, &got, 1, 0), 0);
		assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
		assert_int_equal(epoll_wait(level, &got, 1, 0), 1);
		assert_ok(abi_answer(bed->ffd, bed_take(bed), IOMMUFD_PAGE_RESP_SUCCESS));
	}
	close(level);
	close(edge);
}

/* ---- the plain calls beside it ---- */

static void a_plain_read_of_nothing_is_zero(void **state)
{
	struct bed *bed = *state;
	struct iommu_hwpt_pgfault rec;
	struct iovec iov = { &rec, sizeof(rec) };

	assert_int_equal(read(bed->ffd, &rec, sizeof(rec)), 0);
	assert_int_equal(readv(bed->ffd, &iov, 1), 0);
	assert_int_equal(preadv2(bed->ffd, &iov, 1, -1, 0), 0);
	/* A no-wait read of an empty queue gets EAGAIN. */
	assert_int_equal(preadv2(bed->ffd, &iov, 1, -1, RWF_NOWAIT), -1);
	assert_int_equal(errno, fuse ? EOPNOTSUPP : EAGAIN);
	bed_trigger(bed, 1);
	assert_int_equal(preadv2(bed->ffd, &iov, 1, -1, fuse ? 0 : RWF_NOWAIT), sizeof(rec));
	assert_ok(abi_answer(bed->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(read(bed->ffd, &rec, sizeof(rec)), 0);
}

/* e32: a vector counts as one buffer. */
static void vectors_are_one_buffer(void **state)
{
	struct bed *bed = *state;
	struct iommu_hwpt_pgfault recs[3];
	struct iommu_hwpt_page_response resp[3];
	char *bytes = (char *)recs, *out = (char *)resp;
	struct iovec in[3] = { { bytes, 1 }, { bytes + 1, 78 }, { bytes + 79, 41 } };
	struct iovec odd[2] = { { out, 3 }, { out + 3, 21 } };

	for (uint32_t i = 0; i < 3; i++)
		bed_trigger(bed, i);
	assert_int_equal(readv(bed->ffd, in, 3), sizeof(recs));
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(recs[i].grpid, i);
		resp[i] = (struct iommu_hwpt_page_response){ recs[i].cookie, 0 };
	}
	assert_int_equal(pwritev2(bed->ffd, odd, 2, -1, fuse ? 0 : RWF_NOWAIT), sizeof(resp));
	assert_int_equal(writev(bed->ffd, odd, 2), -1);
	assert_int_equal(errno, EINVAL);
}

static void there_is_no_position(void **state)
{
	struct bed *bed = *state;
	struct iommu_hwpt_pgfault rec;

	assert_int_equal(lseek(bed->ffd, 0, SEEK_SET), -1);
	assert_int_equal(errno, ESPIPE);
	assert_int_equal(pread(bed->ffd, &rec, sizeof(rec), 0), -1);
	assert_int_equal(errno, ESPIPE);
	assert_int_equal(pwrite(bed->ffd, &rec, 8, 0), -1);
	assert_int_equal(errno, ESPIPE);
	assert_true(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, bed->ffd, 0) == MAP_FAILED);
}

/* Even a read that asks for a worker waits by poll, and does not return 0. */
static void a_read_forced_to_a_worker_waits_too(void **state)
{
	struct bed *bed = *state;
	struct record rec;

	queue_read(bed->ffd, &rec, 1)->flags |= IOSQE_ASYNC;
	submit(1);
	nothing_completes();
	bed_trigger(bed, 1);
	reap_expecting(1, sizeof(rec.fault));
	answer(bed, &rec);
}

/* Here the program itself asked for a worker. */
static int teardown_with_worker(void **state)
{
	io_uring_queue_exit(&ring);
	return bed_teardown(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_read_waits_for_the_fault),
		T(a_read_of_a_full_queue_completes_at_once),
		T(nonblocking_mode_changes_nothing),
		T(several_reads_share_the_faults),
		T(errors_are_those_of_read_and_write),
		T(memory_can_vanish_under_a_waiting_read),
		T(vectors_and_registered_buffers),
		T(a_multishot_read_goes_on),
		T(a_waiting_read_can_be_cancelled),
		T(a_time_limit_ends_a_waiting_read),
		T(the_number_is_closed_under_a_waiting_read),
		T(a_ring_ends_with_reads_waiting),
		T(answers_are_written_by_the_ring),
		T(a_read_is_linked_to_its_answer),
		T(a_failed_link_answers_nothing),
		cmocka_unit_test_setup_teardown(a_polled_submission_queue_waits_too, setup_sqpoll,
						teardown),
		T(a_multishot_poll_tells_each_time),
		T(poll_of_the_system),
		T(epoll_sees_the_level_and_the_edge),
		T(a_plain_read_of_nothing_is_zero),
		T(vectors_are_one_buffer),
		T(there_is_no_position),
		/* This test is the last one: its worker stays a while. */
		cmocka_unit_test_setup_teardown(a_read_forced_to_a_worker_waits_too, setup,
						teardown_with_worker),
	};

	fuse = argc > 1 && !strcmp(argv[1], "fuse");
	kernel_needed("kernel/uring");
	return cmocka_run_group_tests_name("uring", tests, NULL, NULL);
}
