// SPDX-License-Identifier: MIT
/*
 * faults.c - proves section (e) of docs/behaviour.md through public calls: groups of several pages,
 * order, partial reads, bad and stale cookies, answers to the device, queues shared by page tables
 * and devices, replace with open faults, PASIDs. On other kernels the tests of our own test ops and
 * promises are skipped.
 */
#include "abi.h"

#include <sys/mman.h>
#include <unistd.h>

#define REC   sizeof(struct iommu_hwpt_pgfault)
#define LAST  IOMMU_PGFAULT_FLAGS_LAST_PAGE
#define VALID IOMMU_PGFAULT_FLAGS_PASID_VALID
#define PERM  (IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE)

struct fix {
	struct iof_world *world;
	int fd, ioas, parent, nested, ffd;
	uint32_t queue;
	struct abi_mock mock;
};

/* One device on a nested table with a queue, in the form that each Linux with queues accepts. */
static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->world = abi_world(NULL, 0);
	f->fd = abi_iommu(f->world);
	f->ioas = abi_ioas(f->fd);
	assert_id(f->ioas);
	assert_ok(abi_mock(f->fd, (uint32_t)f->ioas, 0, &f->mock));
	f->parent = abi_hwpt(f->fd, f->mock.idev, (uint32_t)f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_id(f->parent);
	assert_ok(abi_fault_queue(f->fd, &f->queue, &f->ffd));
	f->nested = abi_hwpt_nested(f->fd, f->mock.idev, (uint32_t)f->parent, 0, f->queue, 1);
	assert_id(f->nested);
	assert_ok(abi_mock_replace(f->fd, &f->mock, (uint32_t)f->nested));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	if (f->ffd >= 0)
		assert_ok(iof_close(f->ffd));
	assert_ok(iof_close(f->fd));
	abi_world_close(f->world);
	free(f);
	return 0;
}

static void fault(struct fix *f, uint32_t grpid)
{
	assert_ok(abi_trigger(f->fd, f->mock.idev, 0, grpid, PERM, 0x1000ull * grpid));
}

/* Reads groups, as many as fit into @room records. Returns their numbers and cookies. */
static int take(struct fix *f, struct iommu_hwpt_pgfault *recs, unsigned int room)
{
	ssize_t n = iof_read(f->ffd, recs, room * REC);

	return n < 0 ? (int)n : (int)(n / (ssize_t)REC);
}

static struct iof_test_stats stats(struct fix *f, const struct abi_mock *mock)
{
	struct iof_test_stats now;

	assert_ok(abi_stats(f->fd, mock->idev, &now));
	return now;
}

static void only_ours(void)
{
	if (!abi_ours())
		skip();
}

/* e13, e23, e32: a read takes whole records, and a descriptor has no position. */
static void e13_lengths_and_positions(void **state)
{
	struct fix *f = *state;
	unsigned char buf[2 * REC] = "";

	fault(f, 1);
	assert_err(iof_read(f->ffd, buf, 1), ESPIPE);
	assert_err(iof_read(f->ffd, buf, REC - 1), ESPIPE);
	assert_err(iof_read(f->ffd, buf, REC + 8), ESPIPE);
	assert_err(iof_write(f->ffd, buf, 4), ESPIPE);
	assert_err(iof_write(f->ffd, buf, 12), ESPIPE);
	assert_int_equal(iof_write(f->ffd, buf, 0), 0);
	assert_err(iof_pread(f->ffd, buf, REC, 0), ESPIPE);
	assert_err(iof_pwrite(f->ffd, buf, 8, 0), ESPIPE);
	assert_int_equal(abi_readable(f->ffd), 1);
}

/*
 * e14, e15: reading an empty queue is no error. If the first group does not fit, that is an error,
 * and the group stays.
 */
static void e15_room_for_the_first_group(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec;

	assert_int_equal(iof_read(f->ffd, &rec, REC), 0);
	assert_int_equal(iof_read(f->ffd, &rec, 0), 0);
	fault(f, 1);
	assert_err(iof_read(f->ffd, &rec, 0), EINVAL);
	assert_int_equal(abi_readable(f->ffd), 1);
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.grpid, 1);
	assert_int_equal(abi_readable(f->ffd), 0);
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
}

/* Returns all that poll() reports of the queue, alone and beside a descriptor of the system. */
static short all_events(int fd, int other)
{
	struct pollfd p[2] = {
		{ .fd = fd,
		  .events = POLLIN | POLLRDNORM | POLLRDBAND | POLLPRI | POLLOUT | POLLWRNORM |
			    POLLWRBAND },
		{ .fd = other, .events = POLLIN },
	};
	short alone;

	assert_int_equal(iof_poll(p, 1, 0), 1);
	alone = p[0].revents;
	assert_int_equal(iof_poll(p, 2, 0), 1);
	assert_int_equal(p[0].revents, alone);
	return alone;
}

/*
 * e30: the queue is always writable, and readable while a group is queued. poll() reports no other
 * event.
 */
static void e30_what_poll_says(void **state)
{
	struct fix *f = *state;
	struct pollfd p = { .fd = f->ffd, .events = POLLWRNORM | POLLWRBAND | POLLPRI };
	struct iommu_hwpt_pgfault rec;
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(all_events(f->ffd, pipe_fds[0]), POLLOUT);
	fault(f, 1);
	assert_int_equal(all_events(f->ffd, pipe_fds[0]), POLLIN | POLLRDNORM | POLLOUT);
	assert_int_equal(iof_poll(&p, 1, 0), 0);
	assert_int_equal(take(f, &rec, 1), 1);
	/* A delivered group without a response does not make the queue readable. */
	assert_int_equal(all_events(f->ffd, pipe_fds[0]), POLLOUT);
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(all_events(f->ffd, pipe_fds[0]), POLLOUT);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* e17: groups are delivered in the order of arrival, however reads are cut. */
static void e17_order_of_arrival(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault recs[8];
	uint32_t i, n, seen = 0;

	for (i = 1; i <= 20; i++)
		fault(f, i);
	for (n = 1; seen < 20; n = n % 4 + 1) {
		int got = take(f, recs, n);

		assert_true(got > 0 && got <= (int)n);
		for (i = 0; i < (uint32_t)got; i++) {
			assert_int_equal(recs[i].grpid, ++seen);
			assert_int_equal(recs[i].addr, 0x1000ull * seen);
			assert_int_equal(recs[i].flags, LAST);
			assert_int_equal(recs[i].perm, PERM);
			assert_int_equal(recs[i].dev_id, f->mock.idev);
			assert_int_equal(recs[i].length, 0);
			assert_int_equal(recs[i].__reserved, 0);
			assert_true(recs[i].cookie);
		}
	}
	assert_int_equal(take(f, recs, 8), 0);
}

static void page(struct fix *f, uint32_t grpid, uint64_t addr, uint32_t flags)
{
	assert_ok(abi_page_req(f->fd, f->mock.idev, flags, 0, grpid, addr));
}

/*
 * e16, e17: a read returns whole groups, their pages in order, the LAST page last; groups may mix
 * on arrival.
 */
static void e16_groups_of_several_pages(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault recs[8];

	only_ours();
	page(f, 1, 0x1000, 0);
	page(f, 2, 0x9000, 0);
	page(f, 1, 0x3000, 0);
	/* A group without its LAST page is not delivered. */
	assert_int_equal(abi_readable(f->ffd), 0);
	assert_int_equal(take(f, recs, 8), 0);
	page(f, 2, 0x8000, LAST);
	page(f, 1, 0x2000, LAST);
	page(f, 3, 0x7000, LAST);

	/*
	 * The room is too small for the first group. Then it has room for the first only: a smaller
	 * group behind it waits.
	 */
	assert_err(take(f, recs, 1), EINVAL);
	assert_int_equal(take(f, recs, 4), 2);
	assert_int_equal(recs[0].grpid, 2);
	assert_int_equal(recs[0].addr, 0x9000);
	assert_int_equal(recs[0].flags, 0);
	assert_int_equal(recs[1].addr, 0x8000);
	assert_int_equal(recs[1].flags, LAST);
	assert_int_equal(recs[0].cookie, recs[1].cookie);
	assert_ok(abi_answer(f->ffd, recs[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_err(abi_answer(f->ffd, recs[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_int_equal(take(f, recs, 8), 4);
	assert_int_equal(recs[0].addr, 0x1000);
	assert_int_equal(recs[1].addr, 0x3000);
	assert_int_equal(recs[2].addr, 0x2000);
	assert_int_equal(recs[2].flags, LAST);
	assert_int_equal(recs[3].grpid, 3);
	assert_int_not_equal(recs[2].cookie, recs[3].cookie);
	assert_ok(abi_answer(f->ffd, recs[3].cookie, IOMMUFD_PAGE_RESP_INVALID));
	assert_ok(abi_answer(f->ffd, recs[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(stats(f, &f->mock).success, 2);
	assert_int_equal(stats(f, &f->mock).invalid, 1);
}

/* e20: a group that cannot be copied to the user stays queued, in its place. */
static void e20_a_bad_buffer_loses_nothing(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec;
	char *two;
	void *edge;

	two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(two != MAP_FAILED);
	assert_ok(mprotect(two + PAGE, PAGE, PROT_NONE));
	edge = two + PAGE - REC;
	fault(f, 1);
	fault(f, 2);
	fault(f, 3);
	assert_err(iof_read(f->ffd, NULL, REC), EFAULT);
	assert_int_equal(abi_readable(f->ffd), 1);
	/* The first group fits before the end of the memory: the read is short. */
	assert_int_equal(iof_read(f->ffd, edge, 3 * REC), REC);
	memcpy(&rec, edge, REC);
	assert_int_equal(rec.grpid, 1);
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.grpid, 2);
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.grpid, 3);
	assert_ok(munmap(two, 2 * PAGE));
}

/* e24 to e28: responses are handled one by one, in order, up to the first bad one. */
static void e25_bad_answers(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_page_response resp[4];
	struct iommu_hwpt_pgfault recs[4];
	uint32_t i;

	for (i = 1; i <= 4; i++)
		fault(f, i);
	assert_int_equal(take(f, recs, 4), 4);
	/* e26: the group of a bad code stays open. */
	assert_err(abi_answer(f->ffd, recs[0].cookie, 2), EINVAL);
	assert_err(abi_answer(f->ffd, recs[0].cookie, 0xffffffff), EINVAL);
	assert_err(abi_answer(f->ffd, recs[3].cookie + 1000, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_err(iof_write(f->ffd, NULL, sizeof(resp)), EFAULT);
	for (i = 0; i < 4; i++)
		resp[i] = (struct iommu_hwpt_page_response){ .cookie = recs[3 - i].cookie };
	resp[2].code = 7;
	assert_int_equal(iof_write(f->ffd, resp, sizeof(resp)), 2 * sizeof(resp[0]));
	assert_err(iof_write(f->ffd, resp + 2, sizeof(resp[0])), EINVAL);
	resp[2].code = IOMMUFD_PAGE_RESP_INVALID;
	/* The responses before the bad one have taken effect; those behind it have not. */
	assert_err(abi_answer(f->ffd, recs[3].cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_int_equal(iof_write(f->ffd, resp + 2, 2 * sizeof(resp[0])), 2 * sizeof(resp[0]));
	assert_err(abi_answer(f->ffd, recs[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	if (!abi_ours())
		return;
	assert_int_equal(stats(f, &f->mock).success, 3);
	assert_int_equal(stats(f, &f->mock).invalid, 1);
	assert_int_equal(stats(f, &f->mock).groups, 4);
}

/* Ours: a cookie is not given again soon, and 0 is never given. */
/* e18, e19: a cookie is not reused at once. */
static void a_late_answer_hits_nobody_else(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault first, rec;
	uint32_t i;

	only_ours();
	fault(f, 1);
	assert_int_equal(take(f, &first, 1), 1);
	assert_ok(abi_answer(f->ffd, first.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	for (i = 0; i < 200; i++) {
		fault(f, 2);
		assert_int_equal(take(f, &rec, 1), 1);
		assert_int_not_equal(rec.cookie, 0);
		assert_int_not_equal(rec.cookie, first.cookie);
		assert_err(abi_answer(f->ffd, first.cookie, IOMMUFD_PAGE_RESP_INVALID), EINVAL);
		assert_err(abi_answer(f->ffd, 0, IOMMUFD_PAGE_RESP_INVALID), EINVAL);
		assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	}
	assert_int_equal(stats(f, &f->mock).success, 201);
}

/* e35, e37: a replace answers the open groups, read or not. Their cookies are no longer valid. */
static void e35_replace_with_faults_open(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec, late;

	fault(f, 1);
	assert_int_equal(take(f, &rec, 1), 1);
	fault(f, 2);
	fault(f, 3);
	assert_ok(abi_mock_replace(f->fd, &f->mock, (uint32_t)f->parent));
	assert_int_equal(abi_readable(f->ffd), 0);
	assert_int_equal(take(f, &late, 1), 0);
	assert_err(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	/* e45: there is no listener now; the device gets its answer at once. */
	fault(f, 4);
	assert_int_equal(abi_readable(f->ffd), 0);
	if (!abi_ours())
		return;
	assert_int_equal(stats(f, &f->mock).swept, 3);
	assert_int_equal(stats(f, &f->mock).refused, 1);
	assert_int_equal(stats(f, &f->mock).invalid, 4);
	assert_int_equal(stats(f, &f->mock).success, 0);
}

/* e36: open groups are not handed over, not even to a table with the same queue. */
static void e36_replace_within_one_queue(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec;
	int other = abi_hwpt_nested(f->fd, f->mock.idev, (uint32_t)f->parent, 0, f->queue, 2);

	assert_id(other);
	fault(f, 1);
	assert_ok(abi_mock_replace(f->fd, &f->mock, (uint32_t)other));
	assert_int_equal(take(f, &rec, 1), 0);
	fault(f, 2);
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.grpid, 2);
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	/* e38: a replace that fails leaves them open. */
	fault(f, 3);
	assert_err(abi_mock_replace(f->fd, &f->mock, 999), ENOENT);
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.grpid, 3);
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_ok(abi_destroy(f->fd, (uint32_t)f->nested));
}

/* e43: partial pages of the old table are dropped, and do not join a LAST page of the new one. */
static void e43_partial_pages_are_dropped(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec;
	int other = abi_hwpt_nested(f->fd, f->mock.idev, (uint32_t)f->parent, 0, f->queue, 2);

	only_ours();
	assert_id(other);
	page(f, 5, 0x1000, 0);
	assert_ok(abi_mock_replace(f->fd, &f->mock, (uint32_t)other));
	abi_page_req(f->fd, f->mock.idev, LAST, 0, 5, 0x2000);
	assert_int_equal(take(f, &rec, 1), 0);
	assert_int_equal(stats(f, &f->mock).invalid, 1);
	/* The index is free for a new group. */
	page(f, 5, 0x3000, LAST);
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.addr, 0x3000);
}

/* e3, e35: one queue serves two devices and three tables; each response reaches its device. */
static void e3_a_queue_is_shared(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault recs[8];
	struct abi_mock other;
	int nested;

	assert_ok(abi_mock(f->fd, (uint32_t)f->ioas, 0, &other));
	nested = abi_hwpt_nested(f->fd, other.idev, (uint32_t)f->parent, 0, f->queue, 3);
	assert_id(nested);
	assert_ok(abi_mock_replace(f->fd, &other, (uint32_t)nested));
	/* Both devices use the same group index. */
	fault(f, 7);
	assert_ok(abi_trigger(f->fd, other.idev, 0, 7, PERM, 0xa000));
	fault(f, 8);
	assert_ok(abi_trigger(f->fd, other.idev, 0, 8, PERM, 0xb000));
	assert_int_equal(take(f, recs, 3), 3);
	assert_int_equal(recs[0].dev_id, f->mock.idev);
	assert_int_equal(recs[1].dev_id, other.idev);
	assert_int_equal(recs[1].addr, 0xa000);
	assert_int_equal(recs[2].dev_id, f->mock.idev);
	assert_int_not_equal(recs[0].cookie, recs[1].cookie);
	assert_int_not_equal(recs[0].cookie, recs[2].cookie);
	/* One device is detached: its groups are answered, and those of the other stay open. */
	assert_ok(abi_mock_replace(f->fd, &f->mock, (uint32_t)f->parent));
	assert_err(abi_answer(f->ffd, recs[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_err(abi_answer(f->ffd, recs[2].cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_ok(abi_answer(f->ffd, recs[1].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(take(f, recs, 8), 1);
	assert_int_equal(recs[0].dev_id, other.idev);
	assert_int_equal(recs[0].addr, 0xb000);
	assert_ok(abi_answer(f->ffd, recs[0].cookie, IOMMUFD_PAGE_RESP_INVALID));
	/* e40: the queue is in use until its last table and its descriptor are gone. */
	assert_err(abi_destroy(f->fd, f->queue), EBUSY);
	assert_ok(abi_mock_replace(f->fd, &other, (uint32_t)f->parent));
	assert_ok(abi_destroy(f->fd, (uint32_t)nested));
	assert_ok(abi_destroy(f->fd, (uint32_t)f->nested));
	assert_err(abi_destroy(f->fd, f->queue), EBUSY);
	assert_ok(iof_close(f->ffd));
	f->ffd = -1;
	assert_ok(abi_destroy(f->fd, f->queue));
	if (!abi_ours())
		return;
	assert_int_equal(stats(f, &other).success, 1);
	assert_int_equal(stats(f, &other).invalid, 1);
	assert_int_equal(stats(f, &f->mock).swept, 2);
}

/*
 * The PASIDs of one device are on tables of two queues: each fault goes to the queue of its table.
 */
static void faults_of_pasids(void **state)
{
	struct fix *f = *state;
	const uint32_t pasid_flag = IOMMU_HWPT_ALLOC_PASID;
	struct iommu_hwpt_pgfault rec;
	int rid, one, two, ffd;
	struct abi_mock mock;
	uint32_t queue;

	if (abi_mock(f->fd, (uint32_t)f->ioas, MOCK_FLAGS_DEVICE_PASID, &mock)) {
		print_message("no PASIDs here\n");
		skip();
	}
	assert_ok(abi_fault_queue(f->fd, &queue, &ffd));
	rid = abi_hwpt_fault(f->fd, mock.idev, (uint32_t)f->ioas, pasid_flag, f->queue);
	one = abi_hwpt_fault(f->fd, mock.idev, (uint32_t)f->ioas, pasid_flag, f->queue);
	two = abi_hwpt_fault(f->fd, mock.idev, (uint32_t)f->ioas, pasid_flag, queue);
	assert_true(rid > 0 && one > 0 && two > 0);
	assert_ok(abi_mock_replace(f->fd, &mock, (uint32_t)rid));
	assert_ok(abi_pasid_attach(f->fd, &mock, 5, (uint32_t)one));
	assert_ok(abi_pasid_attach(f->fd, &mock, 6, (uint32_t)two));

	assert_ok(abi_trigger(f->fd, mock.idev, 6, 1, PERM, 0x6000));
	assert_int_equal(abi_readable(f->ffd), 0);
	assert_int_equal(abi_read_one(ffd, &rec), REC);
	assert_int_equal(rec.pasid, 6);
	assert_int_equal(rec.flags, LAST | VALID);
	assert_ok(abi_answer(ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	/* The same index under two PASIDs and none makes three groups. */
	assert_ok(abi_trigger(f->fd, mock.idev, 5, 1, PERM, 0x5000));
	assert_ok(abi_trigger(f->fd, mock.idev, 0, 1, PERM, 0x4000));
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.pasid, 5);
	/* A detach of one PASID answers its open groups, and no others. */
	assert_ok(abi_pasid_detach(f->fd, &mock, 5));
	assert_err(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.addr, 0x4000);
	assert_int_equal(rec.flags, LAST);
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	/*
	 * The PASID is not attached, and the RID's table is the kernel's: the request is refused.
	 */
	assert_ok(abi_trigger(f->fd, mock.idev, 5, 2, PERM, 0x5000));
	assert_int_equal(abi_readable(f->ffd), 0);
	/* Replaces the table of a PASID. */
	assert_ok(abi_trigger(f->fd, mock.idev, 6, 3, PERM, 0x6000));
	assert_ok(abi_pasid_replace(f->fd, &mock, 6, (uint32_t)one));
	assert_int_equal(abi_readable(ffd), 0);
	assert_ok(abi_trigger(f->fd, mock.idev, 6, 4, PERM, 0x6000));
	assert_int_equal(abi_readable(ffd), 0);
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.grpid, 4);
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_ok(abi_pasid_detach(f->fd, &mock, 6));
	assert_ok(iof_close(ffd));
}

/* A PASID without a table of its own uses the RID's table, if that is the user's. */
static void pasids_under_a_nested_table(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec;

	assert_ok(abi_trigger(f->fd, f->mock.idev, 77, 1, PERM, 0x1000));
	assert_int_equal(take(f, &rec, 1), 1);
	assert_int_equal(rec.pasid, 77);
	assert_int_equal(rec.flags, LAST | VALID);
	assert_ok(abi_answer(f->ffd, rec.cookie, IOMMUFD_PAGE_RESP_INVALID));
}

/* e33, e34: when the last holder closes the descriptor, the core answers the open groups. */
static void the_last_close_answers(void **state)
{
	struct fix *f = *state;
	struct iommu_hwpt_pgfault rec;

	only_ours();
	fault(f, 1);
	fault(f, 2);
	assert_int_equal(take(f, &rec, 1), 1);
	assert_ok(iof_close(f->ffd));
	f->ffd = -1;
	assert_int_equal(stats(f, &f->mock).invalid, 2);
	fault(f, 3);
	assert_int_equal(stats(f, &f->mock).invalid, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(e13_lengths_and_positions),
		T(e15_room_for_the_first_group),
		T(e30_what_poll_says),
		T(e17_order_of_arrival),
		T(e16_groups_of_several_pages),
		T(e20_a_bad_buffer_loses_nothing),
		T(e25_bad_answers),
		T(a_late_answer_hits_nobody_else),
		T(e35_replace_with_faults_open),
		T(e36_replace_within_one_queue),
		T(e43_partial_pages_are_dropped),
		T(e3_a_queue_is_shared),
		T(faults_of_pasids),
		T(pasids_under_a_nested_table),
		T(the_last_close_answers),
	};

	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
