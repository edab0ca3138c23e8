// SPDX-License-Identifier: MIT
/*
 * Proves the rules of section (e) of docs/behaviour.md, by number, and the promises of the design
 * on the path of a fault, each by name. The device is a fake IOMMU driver, which checks that each
 * group gets exactly one answer.
 */
#include "env.h"
#include "way.h"

#include <linux/userfaultfd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST  IOMMU_PGFAULT_FLAGS_LAST_PAGE
#define PASID IOMMU_PGFAULT_FLAGS_PASID_VALID

static bool readable(int q)
{
	return iof_sys_poll(q, POLLIN) & POLLIN;
}

/* Reports a page that is not the last of its group. */
static int partial(struct fake_dev *dev, u32 pasid, u32 grpid, u64 addr)
{
	return fake_report(dev, 0, pasid, grpid, IOMMU_PGFAULT_PERM_READ, addr);
}

static void e1_creation(void **state)
{
	struct env *env = *state;
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd), .flags = 1 };
	struct iommu_fault_alloc *readonly;

	assert_err(env_ioctl(env->fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd), EOPNOTSUPP);
	cmd.flags = 0;
	assert_ok(env_ioctl(env->fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd));
	assert_int_equal(cmd.out_fault_id, 1);
	assert_true(fcntl((int)cmd.out_fault_fd, F_GETFD) & FD_CLOEXEC);
	env_close((int)cmd.out_fault_fd);
	assert_ok(env_destroy(env->fd, 1));

	/* a3: if the reply cannot be copied, the object, its id and its descriptor are undone. */
	cmd.out_fault_id = 0;
	readonly = env_read_only(&cmd, sizeof(cmd));
	assert_err(env_ioctl(env->fd, IOMMU_FAULT_QUEUE_ALLOC, readonly), EFAULT);
	env_free_page(readonly);
	assert_err(env_destroy(env->fd, 1), ENOENT);
}

static void one_page_round_trip(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct way w;

	way_open(&w, state, 8);
	assert_false(readable(w.q));
	assert_ok(fake_report(&w.dev, LAST, 0, 7, IOMMU_PGFAULT_PERM_WRITE, 0xabc000));
	assert_true(readable(w.q));
	assert_int_equal(env_read(w.q, &rec, 1), 1);
	assert_int_equal(rec.flags, LAST);
	assert_int_equal(rec.dev_id, iof_device_id(w.idev));
	assert_int_equal(rec.pasid, 0);
	assert_int_equal(rec.grpid, 7);
	assert_int_equal(rec.perm, IOMMU_PGFAULT_PERM_WRITE);
	assert_int_equal(rec.addr, 0xabc000);
	assert_int_equal(rec.length, 0);
	assert_int_not_equal(rec.cookie, 0);
	/* e30: a delivered group without a response does not make the queue readable. */
	assert_false(readable(w.q));
	assert_int_equal(fake_open(&w.dev), 1);
	assert_ok(env_answer(w.q, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(fake_take_answer(&w.dev, 0xabc000), IOF_PAGE_SUCCESS);
	/* e27: one response ends the group. */
	assert_err(env_answer(w.q, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	way_close(&w);
}

static void e13_to_e16_reading(void **state)
{
	struct iommu_hwpt_pgfault rec[8];
	struct way w;
	u32 i;

	way_open(&w, state, 16);
	assert_err(iof_sys_read(w.q, rec, sizeof(rec[0]) - 1), ESPIPE);
	assert_err(iof_sys_pread(w.q, rec, sizeof(rec[0]), 0), ESPIPE);
	/* e14: a read of an empty queue returns 0. */
	assert_int_equal(iof_sys_read(w.q, rec, sizeof(rec)), 0);
	assert_int_equal(iof_sys_read(w.q, rec, 0), 0);
	/* e15, e16: groups of 3, 2 and 1 pages. */
	for (i = 0; i < 2; i++)
		assert_ok(partial(&w.dev, 0, 1, i << 12));
	assert_false(readable(w.q));
	assert_ok(fake_fault(&w.dev, 0, 1, 2 << 12));
	assert_ok(partial(&w.dev, 0, 2, 3 << 12));
	assert_ok(fake_fault(&w.dev, 0, 2, 4 << 12));
	assert_ok(fake_fault(&w.dev, 0, 3, 5 << 12));
	assert_err(iof_sys_read(w.q, rec, 0), EINVAL);
	assert_err(iof_sys_read(w.q, rec, 2 * sizeof(rec[0])), EINVAL);
	/*
	 * Four records have room for the first group; the third, which would fit, does not overtake
	 * the second.
	 */
	assert_int_equal(env_read(w.q, rec, 4), 3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(rec[i].addr, i << 12);
		assert_int_equal(rec[i].flags, i == 2 ? LAST : 0);
		assert_int_equal(rec[i].cookie, rec[0].cookie);
	}
	assert_int_equal(env_read(w.q, rec + 3, 5), 3);
	assert_int_equal(rec[3].cookie, rec[4].cookie);
	assert_int_not_equal(rec[4].cookie, rec[5].cookie);
	assert_int_equal(env_read(w.q, rec, 8), 0);
	assert_ok(env_answer(w.q, rec[5].cookie, IOMMUFD_PAGE_RESP_INVALID));
	assert_ok(env_answer(w.q, rec[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_ok(env_answer(w.q, rec[3].cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(fake_take_answer(&w.dev, 5 << 12), IOF_PAGE_INVALID);
	assert_int_equal(fake_take_answer(&w.dev, 2 << 12), IOF_PAGE_SUCCESS);
	assert_int_equal(fake_take_answer(&w.dev, 4 << 12), IOF_PAGE_SUCCESS);
	way_close(&w);
}

static void e17_order_is_by_arrival_of_the_last_page(void **state)
{
	struct iommu_hwpt_pgfault rec[8];
	struct way w;

	way_open(&w, state, 16);
	assert_ok(partial(&w.dev, 0, 1, 0x1000));
	assert_ok(partial(&w.dev, 0, 2, 0x2000));
	assert_ok(fake_fault(&w.dev, 0, 2, 0x3000));
	assert_ok(fake_fault(&w.dev, 0, 1, 0x4000));
	assert_int_equal(env_read(w.q, rec, 8), 4);
	assert_int_equal(rec[0].addr, 0x2000);
	assert_int_equal(rec[1].addr, 0x3000);
	assert_int_equal(rec[2].addr, 0x1000);
	assert_int_equal(rec[3].addr, 0x4000);
	way_close(&w);
	assert_int_equal((*(struct env **)state)->fd >= 0, 1);
}

/* A group that is larger than a chunk arrives whole. */
static void large_group_arrives_whole(void **state)
{
	enum {
		PAGES = 333
	};
	struct iommu_hwpt_pgfault *rec = calloc(PAGES + 1, sizeof(*rec));
	struct way w;
	u32 i;

	way_open(&w, state, PAGES + 1);
	for (i = 0; i < PAGES - 1; i++)
		assert_ok(partial(&w.dev, 0, 9, (u64)i << 12));
	assert_ok(fake_fault(&w.dev, 0, 9, (u64)i << 12));
	assert_ok(fake_fault(&w.dev, 0, 10, 0));
	assert_err(env_read(w.q, rec, PAGES - 1), EINVAL);
	assert_int_equal(env_read(w.q, rec, PAGES + 1), PAGES + 1);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(rec[i].addr, (u64)i << 12);
	assert_ok(env_answer(w.q, rec[0].cookie, 0));
	assert_ok(env_answer(w.q, rec[PAGES].cookie, 0));
	free(rec);
	way_close(&w);
}

static void e20_failed_copy_puts_groups_back_and_wakes(void **state)
{
	struct iommu_hwpt_pgfault first, rec[4];
	void *edge;
	unsigned char *mem =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct way w;

	way_open(&w, state, 8);
	mprotect(mem + 4096, 4096, PROT_NONE);
	assert_ok(fake_fault(&w.dev, 0, 1, 0x1000));
	assert_ok(fake_fault(&w.dev, 0, 2, 0x2000));
	assert_ok(fake_fault(&w.dev, 0, 3, 0x3000));
	assert_err(env_read(w.q, (void *)(mem + 4096), 3), EFAULT);
	assert_true(readable(w.q));
	/*
	 * The memory has room for one and a half groups: one arrives, the others keep their order.
	 */
	edge = mem + 4096 - sizeof(first) - 20;
	assert_int_equal(iof_sys_read(w.q, edge, 3 * sizeof(first)), sizeof(first));
	memcpy(&first, edge, sizeof(first));
	assert_int_equal(first.addr, 0x1000);
	assert_true(readable(w.q));
	assert_int_equal(env_read(w.q, rec, 4), 2);
	assert_int_equal(rec[0].addr, 0x2000);
	assert_int_equal(rec[1].addr, 0x3000);
	assert_ok(env_answer(w.q, first.cookie, 0));
	assert_ok(env_answer(w.q, rec[1].cookie, 0));
	assert_ok(env_answer(w.q, rec[0].cookie, 0));
	munmap(mem, 8192);
	way_close(&w);
}

static void e23_to_e28_writing(void **state)
{
	struct iommu_hwpt_page_response resp[4] = {};
	struct iommu_hwpt_pgfault rec[4];
	struct way w;
	u32 i;

	way_open(&w, state, 8);
	assert_err(iof_sys_write(w.q, resp, 7), ESPIPE);
	assert_err(iof_sys_pwrite(w.q, resp, 8, 0), ESPIPE);
	assert_int_equal(iof_sys_write(w.q, resp, 0), 0);
	assert_err(iof_sys_write(w.q, NULL, 8), EFAULT);
	/* Responses to cookie 0 and to invented cookies fail. */
	assert_err(iof_sys_write(w.q, resp, 8), EINVAL);
	assert_err(env_answer(w.q, 0xffffffff, 0), EINVAL);

	for (i = 0; i < 4; i++)
		assert_ok(fake_fault(&w.dev, 0, i, (u64)(i + 1) << 12));
	assert_int_equal(env_read(w.q, rec, 4), 4);
	for (i = 0; i < 4; i++)
		resp[i].cookie = rec[i].cookie;
	/*
	 * e25, e26: the third response is bad: two take effect, and the group of the bad code stays
	 * open.
	 */
	resp[2].code = 2;
	assert_int_equal(iof_sys_write(w.q, resp, sizeof(resp)), 16);
	assert_int_equal(fake_open(&w.dev), 2);
	assert_err(iof_sys_write(w.q, &resp[2], 16), EINVAL);
	resp[2].code = IOMMUFD_PAGE_RESP_INVALID;
	assert_int_equal(iof_sys_write(w.q, &resp[2], 16), 16);
	assert_int_equal(fake_take_answer(&w.dev, 0x3000), IOF_PAGE_INVALID);
	assert_int_equal(fake_take_answer(&w.dev, 0x4000), IOF_PAGE_SUCCESS);
	way_close(&w);
}

static void vectors_are_one_buffer(void **state)
{
	unsigned char a[13], b[67], all[80];
	struct iovec iov[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct iommu_hwpt_pgfault rec[2];
	struct iommu_hwpt_page_response resp[2] = {};
	struct iovec out[3];
	struct way w;

	way_open(&w, state, 8);
	assert_ok(fake_fault(&w.dev, 0, 1, 0x1000));
	assert_ok(fake_fault(&w.dev, 0, 2, 0x2000));
	assert_int_equal(iof_sys_readv(w.q, iov, 2, 0), 80);
	memcpy(all, a, sizeof(a));
	memcpy(all + sizeof(a), b, sizeof(b));
	memcpy(rec, all, sizeof(rec));
	assert_int_equal(rec[0].addr, 0x1000);
	assert_int_equal(rec[1].addr, 0x2000);
	resp[0].cookie = rec[0].cookie;
	resp[1].cookie = rec[1].cookie;
	out[0] = (struct iovec){ resp, 3 };
	out[1] = (struct iovec){ (char *)resp + 3, 9 };
	out[2] = (struct iovec){ (char *)resp + 12, 4 };
	assert_int_equal(iof_sys_writev(w.q, out, 3, 0), 16);
	way_close(&w);
}

static void no_wait_read_of_an_empty_queue_says_eagain(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct iovec iov = { &rec, sizeof(rec) };
	struct way w;

	way_open(&w, state, 8);
	assert_err(iof_sys_readv(w.q, &iov, 1, RWF_NOWAIT), EAGAIN);
	assert_ok(fake_fault(&w.dev, 0, 1, 0x1000));
	assert_int_equal(iof_sys_readv(w.q, &iov, 1, RWF_NOWAIT), sizeof(rec));
	way_close(&w);
}

static void e11_a_fault_goes_where_its_last_page_finds_the_attachment(void **state)
{
	struct iommu_hwpt_pgfault rec[2];
	struct way w;
	int q2, hwpt2;
	u32 queue2;

	way_open(&w, state, 8);
	assert_ok(env_queue(w.env->fd, &queue2, &q2));
	hwpt2 = env_hwpt_fault(w.env->fd, iof_device_id(w.idev), w.ioas, IOMMU_HWPT_FAULT_ID_VALID,
			       queue2);
	assert_id(hwpt2);
	assert_ok(partial(&w.dev, 0, 1, 0x1000));
	assert_int_equal(env_replace(w.idev, 0, hwpt2), hwpt2);
	/*
	 * e43, ours: the page was dropped with the old attachment, so that the group is not
	 * complete.
	 */
	assert_int_equal(fake_fault(&w.dev, 0, 1, 0x2000), -EINVAL);
	assert_int_equal(fake_take_answer(&w.dev, 0x2000), IOF_PAGE_INVALID);
	/* The same index begins a new group. */
	assert_ok(fake_fault(&w.dev, 0, 1, 0x3000));
	assert_int_equal(env_read(w.q, rec, 2), 0);
	assert_int_equal(env_read(q2, rec, 2), 1);
	assert_int_equal(rec[0].addr, 0x3000);
	assert_ok(env_answer(q2, rec[0].cookie, 0));
	way_close(&w);
	env_close(q2);
}

static void f3_groups_are_by_device_pasid_and_index(void **state)
{
	struct iommu_hwpt_pgfault rec[8];
	struct way w;
	u32 i;

	way_open(&w, state, 16);
	assert_int_equal(env_attach(w.idev, 3, w.hwpt), w.hwpt);
	assert_int_equal(env_attach(w.idev, 4, w.hwpt), w.hwpt);
	assert_ok(partial(&w.dev, 3, 1, 0x31000));
	assert_ok(partial(&w.dev, 4, 1, 0x41000));
	assert_ok(partial(&w.dev, 0, 1, 0x1000));
	assert_ok(fake_fault(&w.dev, 4, 1, 0x42000));
	assert_ok(fake_fault(&w.dev, 0, 1, 0x2000));
	assert_ok(fake_fault(&w.dev, 3, 1, 0x32000));
	assert_int_equal(env_read(w.q, rec, 8), 6);
	for (i = 0; i < 6; i += 2) {
		static const u64 first[] = { 0x41000, 0x1000, 0x31000 };

		assert_int_equal(rec[i].addr, first[i / 2]);
		assert_int_equal(rec[i + 1].addr, first[i / 2] + 0x1000);
		assert_int_equal(rec[i].cookie, rec[i + 1].cookie);
		assert_ok(env_answer(w.q, rec[i].cookie, 0));
	}
	iof_device_detach(w.idev, 3);
	iof_device_detach(w.idev, 4);
	way_close(&w);
}

/*
 * e35, e37 and the promises on detach: it first answers all open groups of the attachment, and no
 * others.
 */
static void e35_detach_answers_what_is_open(void **state)
{
	struct iommu_hwpt_pgfault rec[8];
	struct fake_dev other;
	struct iof_device *idev;
	struct way w;
	u32 i;

	way_open(&w, state, 16);
	fake_dev_add(&other, "other", 16, 0, NULL);
	idev = env_bind(w.env, &other);
	assert_int_equal(env_attach(idev, 0, w.hwpt), w.hwpt);
	assert_ok(fake_fault(&other, 0, 1, 0x100000));
	for (i = 0; i < 4; i++)
		assert_ok(fake_fault(&w.dev, 0, i, (u64)(i + 1) << 12));
	assert_ok(fake_fault(&other, 0, 2, 0x200000));
	assert_int_equal(env_read(w.q, rec, 3), 3);
	iof_device_detach(w.idev, 0);
	assert_int_equal(fake_open(&w.dev), 0);
	assert_int_equal(fake_answered(&w.dev, IOF_PAGE_INVALID), 4);
	assert_int_equal(fake_open(&other), 2);
	/* e37: a response to a swept group fails. */
	assert_err(env_answer(w.q, rec[1].cookie, 0), EINVAL);
	assert_ok(env_answer(w.q, rec[0].cookie, 0));
	assert_int_equal(env_read(w.q, rec, 8), 1);
	assert_int_equal(rec[0].addr, 0x200000);
	assert_ok(env_answer(w.q, rec[0].cookie, 0));
	/* e45: nothing is attached now. */
	assert_int_equal(fake_fault(&w.dev, 0, 9, 0x9000), -EINVAL);
	assert_int_equal(fake_take_answer(&w.dev, 0x9000), IOF_PAGE_INVALID);
	iof_device_detach(idev, 0);
	iof_device_unbind(idev);
	fake_dev_remove(&other);
	way_close(&w);
}

static void e36_e38_replace(void **state)
{
	struct iommu_hwpt_pgfault rec[2];
	struct way w;
	int hwpt2;

	way_open(&w, state, 16);
	hwpt2 = env_hwpt_fault(w.env->fd, iof_device_id(w.idev), w.ioas, IOMMU_HWPT_FAULT_ID_VALID,
			       w.queue);
	assert_id(hwpt2);
	assert_ok(fake_fault(&w.dev, 0, 1, 0x1000));
	assert_ok(fake_fault(&w.dev, 0, 2, 0x2000));
	assert_int_equal(env_read(w.q, rec, 1), 1);
	/* e38: the driver refuses the switch; both faults stay open. */
	w.dev.fail_nth = 1;
	w.dev.fail_errno = -ENOMEM;
	assert_err(env_replace(w.idev, 0, hwpt2), ENOMEM);
	assert_int_equal(fake_open(&w.dev), 2);
	assert_true(readable(w.q));
	/* e36: the new HWPT has the same queue, but the old groups are not handed over to it. */
	assert_int_equal(env_replace(w.idev, 0, hwpt2), hwpt2);
	assert_int_equal(fake_open(&w.dev), 0);
	assert_false(readable(w.q));
	assert_err(env_answer(w.q, rec[0].cookie, 0), EINVAL);
	way_close(&w);
}

/*
 * Reports faults while the driver switches. They belong to the new page table, or to the old one if
 * the switch fails.
 */
static void report_while_switching(struct fake_dev *dev, u32 pasid, struct iof_domain *new,
				   struct iof_domain *old)
{
	(void)pasid;
	(void)old;
	if (new)
		assert_ok(fake_fault(dev, 0, 77, 0x77000));
}

static void fault_during_a_switch_is_not_lost(void **state)
{
	struct iommu_hwpt_pgfault rec[2];
	struct way w;
	int q2, hwpt2;
	u32 queue2;

	way_open(&w, state, 16);
	assert_ok(env_queue(w.env->fd, &queue2, &q2));
	hwpt2 = env_hwpt_fault(w.env->fd, iof_device_id(w.idev), w.ioas, IOMMU_HWPT_FAULT_ID_VALID,
			       queue2);
	w.dev.on_attach = report_while_switching;
	w.dev.fail_nth = 1;
	w.dev.fail_errno = -ENOMEM;
	assert_err(env_replace(w.idev, 0, hwpt2), ENOMEM);
	assert_int_equal(env_read(w.q, rec, 2), 1);
	assert_ok(env_answer(w.q, rec[0].cookie, 0));
	assert_int_equal(fake_take_answer(&w.dev, 0x77000), IOF_PAGE_SUCCESS);
	assert_int_equal(env_replace(w.idev, 0, hwpt2), hwpt2);
	w.dev.on_attach = NULL;
	assert_int_equal(env_read(w.q, rec, 2), 0);
	assert_int_equal(env_read(q2, rec, 2), 1);
	assert_ok(env_answer(q2, rec[0].cookie, 0));
	assert_int_equal(fake_take_answer(&w.dev, 0x77000), IOF_PAGE_SUCCESS);
	way_close(&w);
	env_close(q2);
}

static void no_device_hangs_because_its_handler_died(void **state)
{
	struct iommu_hwpt_pgfault rec[2];
	struct way w;
	u32 i;

	way_open(&w, state, 64);
	for (i = 0; i < 40; i++)
		assert_ok(fake_fault(&w.dev, 0, i, (u64)i << 12));
	assert_int_equal(env_read(w.q, rec, 2), 2);
	env_close(w.q);
	w.q = -1;
	assert_int_equal(fake_open(&w.dev), 0);
	assert_int_equal(fake_answered(&w.dev, IOF_PAGE_INVALID), 40);
	assert_int_equal(fake_fault(&w.dev, 0, 1, 0x1000), -EINVAL);
	assert_int_equal(fake_answered(&w.dev, IOF_PAGE_INVALID), 41);
	way_close(&w);
}

static void e40_destroying_the_queue(void **state)
{
	struct way w;

	way_open(&w, state, 8);
	assert_err(env_destroy(w.env->fd, w.queue), EBUSY);
	env_close(w.q);
	w.q = -1;
	assert_err(env_destroy(w.env->fd, w.queue), EBUSY);
	assert_err(env_destroy(w.env->fd, w.hwpt), EBUSY);
	iof_device_detach(w.idev, 0);
	assert_ok(env_destroy(w.env->fd, w.hwpt));
	assert_ok(env_destroy(w.env->fd, w.queue));
	way_close(&w);
}

static void a_flood_is_bounded_by_the_credits(void **state)
{
	struct iommu_hwpt_pgfault rec[8];
	struct iof_hwdev_stats stats;
	struct way w;
	u32 i;

	way_open(&w, state, 4);
	for (i = 0; i < 4; i++)
		assert_ok(fake_fault(&w.dev, 0, i, (u64)i << 12));
	for (i = 4; i < 100; i++) {
		assert_int_equal(fake_fault(&w.dev, 0, i, (u64)i << 12), -ENOSPC);
		assert_int_equal(fake_take_answer(&w.dev, (u64)i << 12), IOF_PAGE_INVALID);
	}
	assert_int_equal(partial(&w.dev, 0, 1000, 0), -ENOSPC);
	iof_hwdev_get_stats(&w.dev.hw, &stats);
	assert_int_equal(stats.refused, 96);
	/* Each answer gives the credits of its group back. */
	assert_int_equal(env_read(w.q, rec, 8), 4);
	assert_ok(env_answer(w.q, rec[3].cookie, 0));
	assert_ok(fake_fault(&w.dev, 0, 4, 0x4000));
	way_close(&w);
}

/* A device that begins groups and never ends them uses up only its own credits. */
static void never_last_is_bounded_and_forgotten(void **state)
{
	struct way w;
	u32 i;

	way_open(&w, state, 16);
	for (i = 0; i < 16; i++)
		assert_ok(partial(&w.dev, 0, i, 0));
	assert_int_equal(partial(&w.dev, 0, 16, 0), -ENOSPC);
	/*
	 * At the limit there is no credit even for a LAST page: its group is answered INVALID and
	 * forgotten.
	 */
	assert_int_equal(fake_fault(&w.dev, 0, 3, 0x3000), -ENOSPC);
	assert_int_equal(fake_take_answer(&w.dev, 0x3000), IOF_PAGE_INVALID);
	assert_ok(partial(&w.dev, 0, 17, 0));
	/* A detach drops the pages, so that their credits are free. Late LAST pages get INVALID. */
	iof_device_detach(w.idev, 0);
	assert_int_equal(env_attach(w.idev, 0, w.hwpt), w.hwpt);
	for (i = 100; i < 116; i++)
		assert_ok(fake_fault(&w.dev, 0, i, (u64)i << 12));
	iof_device_detach(w.idev, 0);
	assert_int_equal(env_attach(w.idev, 0, w.hwpt), w.hwpt);
	assert_int_equal(fake_fault(&w.dev, 0, 5, 0x5000), -EINVAL);
	assert_int_equal(fake_take_answer(&w.dev, 0x5000), IOF_PAGE_INVALID);
	/* After a reset the core has forgotten the groups. */
	iof_report_reset(&w.dev.hw);
	assert_ok(fake_fault(&w.dev, 0, 6, 0x6000));
	way_close(&w);
}

/* f5, with the promise of one answer: a page without a listener breaks its group. */
static void a_page_for_nobody_breaks_its_group(void **state)
{
	struct way w;

	way_open(&w, state, 8);
	iof_device_detach(w.idev, 0);
	assert_int_equal(partial(&w.dev, 0, 1, 0x1000), -EINVAL);
	assert_int_equal(env_attach(w.idev, 0, w.hwpt), w.hwpt);
	assert_int_equal(fake_fault(&w.dev, 0, 1, 0x2000), -EINVAL);
	assert_int_equal(fake_take_answer(&w.dev, 0x2000), IOF_PAGE_INVALID);
	way_close(&w);
}

/* f2, e44: if one page had no credit, the LAST page must not count as the whole group. */
static void a_page_beyond_the_credits_breaks_its_group(void **state)
{
	struct way w;

	way_open(&w, state, 2);
	assert_ok(fake_fault(&w.dev, 0, 1, 0x1000));
	assert_ok(partial(&w.dev, 0, 2, 0x2000));
	assert_int_equal(partial(&w.dev, 0, 3, 0x3000), -ENOSPC);
	/* The credits come back before the group ends. */
	iof_device_detach(w.idev, 0);
	assert_int_equal(env_attach(w.idev, 0, w.hwpt), w.hwpt);
	assert_int_equal(fake_fault(&w.dev, 0, 3, 0x4000), -EINVAL);
	assert_int_equal(fake_take_answer(&w.dev, 0x4000), IOF_PAGE_INVALID);
	/* After that the index is free for a new group. */
	assert_ok(fake_fault(&w.dev, 0, 3, 0x5000));
	way_close(&w);
}

/*
 * A detach breaks a group while the maximum number of broken groups is kept: the oldest, which is
 * dropped, may be its neighbour in the list.
 */
static void a_detach_breaks_more_groups_than_are_kept(void **state)
{
	struct way w;

	way_open(&w, state, 1);
	for (u32 i = 1; i < 400; i++) {
		assert_ok(partial(&w.dev, 0, 0, 0));
		assert_int_equal(partial(&w.dev, 0, i, 0), -ENOSPC);
		iof_device_detach(w.idev, 0);
		assert_int_equal(env_attach(w.idev, 0, w.hwpt), w.hwpt);
		assert_int_equal(fake_fault(&w.dev, 0, 0, 0x1000), -EINVAL);
	}
	way_close(&w);
}

static void a_hot_path_allocates_nothing_once_warm(void **state)
{
	struct iommu_hwpt_pgfault rec[16];
	struct way w;
	u32 round, i;

	if (kasan_enabled())
		skip(); /* in builds that free records instead of keeping them */
	way_open(&w, state, 64);
	w.dev.unchecked = true; /* the checker allocates memory for its own records */
	for (round = 0; round < 50; round++) {
		if (round == 2)
			iof_fail_nth(IOF_FAIL_ALLOC, 1, true);
		for (i = 0; i < 16; i++) {
			struct iof_page_req req = { .flags = i % 2 ? LAST : 0,
						    .grpid = i / 2,
						    .addr = (u64)i << 12 };

			assert_ok(iof_report_page_req(&w.dev.hw, &req));
		}
		assert_int_equal(env_read(w.q, rec, 16), 16);
		for (i = 1; i < 16; i += 2)
			assert_ok(env_answer(w.q, rec[i].cookie, 0));
	}
	assert_int_equal(iof_fail_fired(IOF_FAIL_ALLOC), 0);
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
	way_close(&w);
}

/* Sweeps every failure point of user copies: no group is lost. */
static void failing_user_copies_lose_nothing(void **state)
{
	struct iommu_hwpt_page_response resp[80];
	struct iommu_hwpt_pgfault rec[80];
	struct way w;
	unsigned long n;
	u32 i;

	way_open(&w, state, 128);
	for (n = 1;; n++) {
		ssize_t got, done = 0, all = 0;
		bool fired;

		for (i = 0; i < 80; i++)
			assert_ok(fake_fault(&w.dev, 0, i, (u64)i << 12));
		iof_fail_nth(IOF_FAIL_COPY, n, false);
		got = iof_sys_read(w.q, rec, sizeof(rec));
		fired = iof_fail_fired(IOF_FAIL_COPY);
		iof_fail_nth(IOF_FAIL_COPY, 0, false);
		if (fired && got == -EFAULT)
			got = 0;
		assert_true(got >= 0 && got % (ssize_t)sizeof(rec[0]) == 0);
		got /= (ssize_t)sizeof(rec[0]);
		assert_int_equal(env_read(w.q, rec + got, 80 - (u32)got), 80 - got);
		for (i = 0; i < 80; i++) {
			assert_int_equal(rec[i].addr, (u64)i << 12);
			resp[i] = (struct iommu_hwpt_page_response){ rec[i].cookie, 0 };
		}
		iof_fail_nth(IOF_FAIL_COPY, n, false);
		while (all < (ssize_t)sizeof(resp)) {
			done = iof_sys_write(w.q, (char *)resp + all, sizeof(resp) - (size_t)all);
			if (done == -EFAULT)
				done = 0;
			assert_true(done >= 0);
			all += done;
		}
		fired |= iof_fail_fired(IOF_FAIL_COPY);
		iof_fail_nth(IOF_FAIL_COPY, 0, false);
		assert_int_equal(fake_open(&w.dev), 0);
		if (!fired)
			break;
	}
	assert_true(n > 2);
	way_close(&w);
}

/* Returns a page. Its first touch waits until the test lets it continue. */
static void *slow_page(int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(page != MAP_FAILED);
	*uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (*uffd < 0)
		return page;
	assert_ok(ioctl(*uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)page;
	reg.range.len = 4096;
	assert_ok(ioctl(*uffd, UFFDIO_REGISTER, &reg));
	return page;
}

struct slow_read {
	int q;
	void *page;
	ssize_t got;
};

static void *read_slowly(void *arg)
{
	struct slow_read *r = arg;

	r->got = iof_sys_read(r->q, r->page, 2 * sizeof(struct iommu_hwpt_pgfault));
	return NULL;
}

/* e22, e29: a copy holds no lock, and the record that is copied needs no memory of its device. */
static void the_device_can_go_while_its_fault_is_being_read(void **state)
{
	struct uffdio_zeropage zero = { .range.len = 4096 };
	struct slow_read r;
	struct uffd_msg msg;
	pthread_t reader;
	struct way w;
	int uffd;

	r.page = slow_page(&uffd);
	if (uffd < 0) {
		munmap(r.page, 4096);
		skip();
	}
	way_open(&w, state, 8);
	assert_ok(partial(&w.dev, 0, 1, 0x1000));
	assert_ok(fake_fault(&w.dev, 0, 1, 0x2000));
	r.q = w.q;
	assert_ok(pthread_create(&reader, NULL, read_slowly, &r));
	assert_int_equal(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	w.q = -1;
	way_close(&w);
	zero.range.start = (uintptr_t)r.page;
	assert_ok(ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	assert_ok(pthread_join(reader, NULL));
	assert_int_equal(r.got, 2 * sizeof(struct iommu_hwpt_pgfault));
	/* A response to a group that was swept after its read returns EINVAL. */
	assert_err(env_answer(r.q, ((struct iommu_hwpt_pgfault *)r.page)->cookie, 0), EINVAL);
	env_close(r.q);
	munmap(r.page, 4096);
	close(uffd);
}

static void e42_the_queue_outlives_the_iommu_descriptor(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct env *env = *state;
	int fd = env_open(env), q;
	u32 id;

	assert_ok(env_queue(fd, &id, &q));
	env_close(fd);
	assert_int_equal(env_read(q, &rec, 1), 0);
	assert_int_equal(iof_sys_poll(q, POLLIN | POLLOUT), POLLOUT);
	env_close(q);
}

static void e12_dev_id_of_a_group_is_the_oldest_members(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct fake_dev second;
	struct iof_device *idev;
	struct way w;

	way_open(&w, state, 8);
	/* An isolation group can get new devices only while it is not bound. */
	iof_device_detach(w.idev, 0);
	iof_device_unbind(w.idev);
	fake_dev_add(&second, "second", 8, FAKE_PASIDS, &w.dev);
	w.idev = env_bind(w.env, &w.dev);
	assert_int_equal(env_attach(w.idev, 0, w.hwpt), w.hwpt);
	idev = env_bind(w.env, &second);
	assert_int_equal(env_attach(idev, 0, w.hwpt), w.hwpt);
	assert_ok(fake_fault(&second, 0, 1, 0x1000));
	assert_int_equal(env_read(w.q, &rec, 1), 1);
	assert_int_equal(rec.dev_id, iof_device_id(w.idev));
	assert_ok(env_answer(w.q, rec.cookie, 0));
	/* The first member leaves: records no longer have its id. */
	iof_device_detach(w.idev, 0);
	assert_ok(fake_fault(&second, 0, 1, 0x2000));
	assert_int_equal(env_read(w.q, &rec, 1), 1);
	assert_int_equal(rec.dev_id, iof_device_id(idev));
	assert_ok(env_answer(w.q, rec.cookie, 0));
	iof_device_detach(idev, 0);
	iof_device_unbind(idev);
	iof_device_unbind(w.idev);
	fake_dev_remove(&second);
	fake_dev_remove(&w.dev);
	env_close(w.q);
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(e1_creation),
		T(one_page_round_trip),
		T(e13_to_e16_reading),
		T(e17_order_is_by_arrival_of_the_last_page),
		T(large_group_arrives_whole),
		T(e20_failed_copy_puts_groups_back_and_wakes),
		T(e23_to_e28_writing),
		T(vectors_are_one_buffer),
		T(no_wait_read_of_an_empty_queue_says_eagain),
		T(e11_a_fault_goes_where_its_last_page_finds_the_attachment),
		T(f3_groups_are_by_device_pasid_and_index),
		T(e35_detach_answers_what_is_open),
		T(e36_e38_replace),
		T(fault_during_a_switch_is_not_lost),
		T(no_device_hangs_because_its_handler_died),
		T(e40_destroying_the_queue),
		T(a_flood_is_bounded_by_the_credits),
		T(never_last_is_bounded_and_forgotten),
		T(a_page_for_nobody_breaks_its_group),
		T(a_page_beyond_the_credits_breaks_its_group),
		T(a_detach_breaks_more_groups_than_are_kept),
		T(the_device_can_go_while_its_fault_is_being_read),
		T(a_hot_path_allocates_nothing_once_warm),
		T(failing_user_copies_lose_nothing),
		T(e42_the_queue_outlives_the_iommu_descriptor),
		T(e12_dev_id_of_a_group_is_the_oldest_members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
