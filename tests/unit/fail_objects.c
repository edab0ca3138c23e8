// SPDX-License-Identifier: MIT
/*
 * fail_objects.c - proves that the commands on objects, and bind, attach, replace and SVA bind,
 * survive the failure of every allocation and every user copy. For each n, the n-th fails, alone
 * and together with all after it, until no failure is left. A failed call returns -ENOMEM or
 * -EFAULT and leaves every id, domain and attachment as it was. The call that undoes it runs while
 * all allocations fail: it needs none.
 */
#include "env.h"

#define RID   IOF_NO_PASID
#define LIMIT 1000 /* above the number of failure points of any call */

struct fixture {
	struct env *env;
	int fd;
	/* the first two share a group; the third one is not bound */
	struct fake_dev one, two, loose;
	struct iof_device *i_one, *i_two;
	u32 ioas, parent, plain, faulty, other_faulty, nested, queue;
	int fault_fd;
	void *memory;

	/* results of the last run */
	int id, made_fd;
	struct iof_device *made;
	struct fake_dev dev;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const u32 with_queue = IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;
	void *env;
	u32 dev;

	if (!f || env_setup(&env))
		return -1;
	f->env = env;
	f->fd = f->env->fd;
	fake_dev_add(&f->one, "one", 100, 16, NULL);
	fake_dev_add(&f->two, "two", 100, 16, &f->one);
	fake_dev_add(&f->loose, "loose", 100, 16, NULL);
	f->i_one = env_bind(f->env, &f->one);
	f->i_two = env_bind(f->env, &f->two);
	dev = iof_device_id(f->i_one);
	f->ioas = env_ioas(f->fd);
	f->memory = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	assert_ok(env_map(f->fd, f->ioas, f->memory, 2 * PAGE_SIZE, 0x10000));
	assert_ok(env_queue(f->fd, &f->queue, &f->fault_fd));
	f->parent = env_hwpt(f->fd, dev, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	f->plain = env_hwpt(f->fd, dev, f->ioas, 0);
	f->faulty = env_hwpt_fault(f->fd, dev, f->ioas, with_queue, f->queue);
	f->other_faulty = env_hwpt_fault(f->fd, dev, f->ioas, with_queue, f->queue);
	f->nested = env_nested(f->fd, dev, f->parent, 0, 0);
	assert_id((int)f->nested);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *env = f->env;

	/* It succeeds also while all allocations fail. */
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 1, true);
	iof_device_unbind(f->i_one);
	iof_device_unbind(f->i_two);
	if (iof_sys_close(f->fault_fd) || iof_sys_close(f->fd))
		return -1;
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
	f->env->fd = -1;
	fake_dev_remove(&f->one);
	fake_dev_remove(&f->two);
	fake_dev_remove(&f->loose);
	munmap(f->memory, 2 * PAGE_SIZE);
	free(f);
	return env_teardown(&env);
}

/* State that must not change when a call fails. */
struct view {
	int next_id, domains;
	struct iof_domain *now[2][3];
};

static struct view view(struct fixture *f)
{
	struct view v = { .domains = fake_live_domains() };
	struct iof_object obj;
	u32 p;

	assert_ok(iof_object_reserve(f->env->ctx, &obj, &iof_ioas_ops));
	v.next_id = obj.id;
	iof_object_abort(f->env->ctx, &obj);
	for (p = 0; p < 3; p++) {
		v.now[0][p] = fake_now(&f->one, p);
		v.now[1][p] = fake_now(&f->two, p);
	}
	return v;
}

struct op {
	int (*run)(struct fixture *f);
	void (*undo)(struct fixture *f);
};

/* Returns the number of failure points. */
static unsigned long sweep(struct fixture *f, const struct op *op, enum iof_fail_kind kind,
			   bool persistent)
{
	struct view before = view(f), after;
	unsigned long n, fired, failures = 0;
	int rc;

	for (n = 1; n < LIMIT; n++) {
		iof_fail_nth_thread(kind, n, persistent);
		rc = op->run(f);
		fired = iof_fail_fired(kind);
		iof_fail_nth_thread(kind, 0, false);
		if (rc) {
			assert_true(fired);
			assert_int_equal(rc, kind == IOF_FAIL_COPY ? -EFAULT : -ENOMEM);
			failures++;
		} else {
			iof_fail_nth_thread(IOF_FAIL_ALLOC, 1, true);
			op->undo(f);
			iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
		}
		after = view(f);
		assert_memory_equal(&before, &after, sizeof(before));
		if (!fired)
			return failures;
	}
	fail_msg("no end of failure points");
	return 0;
}

static void sweep_all(struct fixture *f, const struct op *op, bool allocs, bool copies)
{
	assert_int_equal(sweep(f, op, IOF_FAIL_ALLOC, false) > 0, allocs);
	assert_int_equal(sweep(f, op, IOF_FAIL_ALLOC, true) > 0, allocs);
	assert_int_equal(sweep(f, op, IOF_FAIL_COPY, false) > 0, copies);
	assert_int_equal(sweep(f, op, IOF_FAIL_COPY, true) > 0, copies);
}

static int created(struct fixture *f, int id)
{
	f->id = id;
	return id < 0 ? id : 0;
}

static void undo_nothing(struct fixture *f)
{
	assert_non_null(f);
}

static void undo_create(struct fixture *f)
{
	assert_ok(env_destroy(f->fd, f->id));
}

static int run_hwpt(struct fixture *f)
{
	return created(f, env_hwpt(f->fd, iof_device_id(f->i_one), f->ioas, 0));
}

static int run_hwpt_fault(struct fixture *f)
{
	return created(f, env_hwpt_fault(f->fd, iof_device_id(f->i_one), f->ioas,
					 IOMMU_HWPT_FAULT_ID_VALID, f->queue));
}

static int run_nested(struct fixture *f)
{
	return created(f, env_nested(f->fd, iof_device_id(f->i_one), f->parent, 0, f->queue));
}

static void hwpt_alloc(void **state)
{
	sweep_all(*state, &(struct op){ run_hwpt, undo_create }, true, true);
	sweep_all(*state, &(struct op){ run_hwpt_fault, undo_create }, true, true);
	sweep_all(*state, &(struct op){ run_nested, undo_create }, true, true);
}

static int run_ioas(struct fixture *f)
{
	return created(f, env_ioas(f->fd));
}

static int run_queue(struct fixture *f)
{
	u32 id = 0;
	int rc = env_queue(f->fd, &id, &f->made_fd);

	f->id = id;
	return rc;
}

static void undo_queue(struct fixture *f)
{
	env_close(f->made_fd);
	assert_ok(env_destroy(f->fd, f->id));
}

static void ioas_and_fault_queue_alloc(void **state)
{
	sweep_all(*state, &(struct op){ run_ioas, undo_create }, true, true);
	sweep_all(*state, &(struct op){ run_queue, undo_queue }, true, true);
}

static int run_destroy(struct fixture *f)
{
	return env_destroy(f->fd, f->id);
}

static void destroy(void **state)
{
	struct fixture *f = *state;
	unsigned long n, fired;
	int i;

	/*
	 * Success changes the view, so that sweep() cannot check it: a failed DESTROY leaves the
	 * object.
	 */
	for (i = 0; i < 2; i++) {
		f->id = env_ioas(f->fd);
		for (n = 1;; n++) {
			iof_fail_nth_thread(IOF_FAIL_COPY, n, i);
			fired = run_destroy(f);
			iof_fail_nth_thread(IOF_FAIL_COPY, 0, false);
			if (!fired)
				break;
			assert_int_equal((int)fired, -EFAULT);
		}
		assert_true(n > 1);
	}
	f->id = env_ioas(f->fd);
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 1, true);
	assert_ok(run_destroy(f));
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
}

static int run_option(struct fixture *f)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
	};

	return env_ioctl(f->fd, IOMMU_OPTION, &cmd);
}

static int run_hw_info(struct fixture *f)
{
	unsigned char buf[64];
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = iof_device_id(f->i_one),
		.data_len = sizeof(buf),
		.data_uptr = (uintptr_t)buf,
	};

	return env_ioctl(f->fd, IOMMU_GET_HW_INFO, &cmd);
}

static int run_invalidate(struct fixture *f)
{
	struct iommu_hwpt_vtd_s1_invalidate e[3] = { { .addr = 0 } };
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = f->nested,
		.data_uptr = (uintptr_t)e,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		.entry_len = sizeof(e[0]),
		.entry_num = 3,
	};

	return env_ioctl(f->fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

static void option_hw_info_and_invalidate(void **state)
{
	sweep_all(*state, &(struct op){ run_option, undo_nothing }, false, true);
	sweep_all(*state, &(struct op){ run_hw_info, undo_nothing }, false, true);
	sweep_all(*state, &(struct op){ run_invalidate, undo_nothing }, false, true);
}

static int run_open(struct fixture *f)
{
	f->made_fd = env_open(f->env);
	return f->made_fd < 0 ? f->made_fd : 0;
}

static void undo_open(struct fixture *f)
{
	env_close(f->made_fd);
}

static int run_bind(struct fixture *f)
{
	f->made = iof_device_bind(f->env->ctx, &f->loose.hw, true);
	return PTR_ERR_OR_ZERO(f->made);
}

static void undo_bind(struct fixture *f)
{
	iof_device_unbind(f->made);
}

static int run_register(struct fixture *f)
{
	int rc;

	fake_dev_init(&f->dev, "new", 1);
	rc = iof_hwdev_register(&f->dev.hw, NULL);
	if (rc)
		fake_dev_fini(&f->dev);
	return rc;
}

static int run_register_in_group(struct fixture *f)
{
	int rc;

	fake_dev_init(&f->dev, "new", 1);
	rc = iof_hwdev_register(&f->dev.hw, &f->one.hw);
	if (rc)
		fake_dev_fini(&f->dev);
	return rc;
}

static void undo_register(struct fixture *f)
{
	fake_dev_remove(&f->dev);
}

static void open_register_and_bind(void **state)
{
	sweep_all(*state, &(struct op){ run_open, undo_open }, true, false);
	sweep_all(*state, &(struct op){ run_bind, undo_bind }, true, false);
	sweep_all(*state, &(struct op){ run_register, undo_register }, true, false);
	sweep_all(*state, &(struct op){ run_register_in_group, undo_register }, true, false);
}

static const struct iof_resv_region resv = { 0xfee00000, 0xfeefffff };

static int attach(struct fixture *f, u32 pasid, u32 pt)
{
	int rc = env_attach(f->i_one, pasid, pt);

	return rc < 0 ? rc : 0;
}

static int run_attach_ioas(struct fixture *f)
{
	return attach(f, RID, f->ioas);
}

static int run_attach_plain(struct fixture *f)
{
	return attach(f, RID, f->plain);
}

static int run_attach_faulty(struct fixture *f)
{
	return attach(f, RID, f->faulty);
}

static int run_attach_pasid(struct fixture *f)
{
	return attach(f, 2, f->faulty);
}

static void undo_attach(struct fixture *f)
{
	iof_device_detach(f->i_one, RID);
}

static void undo_attach_pasid(struct fixture *f)
{
	iof_device_detach(f->i_one, 2);
}

static void attach_(void **state)
{
	struct fixture *f = *state;

	f->one.hw.resv = &resv;
	f->one.hw.nr_resv = 1;
	sweep_all(f, &(struct op){ run_attach_ioas, undo_attach }, true, false);
	sweep_all(f, &(struct op){ run_attach_plain, undo_attach }, true, false);
	sweep_all(f, &(struct op){ run_attach_faulty, undo_attach }, true, false);
	sweep_all(f, &(struct op){ run_attach_pasid, undo_attach_pasid }, true, false);
	/* No reservation is left. */
	assert_ok(env_map(f->fd, f->ioas, f->memory, PAGE_SIZE, resv.start));
}

static int run_join(struct fixture *f)
{
	int rc = env_attach(f->i_two, RID, f->plain);

	return rc < 0 ? rc : 0;
}

static void undo_join(struct fixture *f)
{
	iof_device_detach(f->i_two, RID);
}

static void join(void **state)
{
	struct fixture *f = *state;

	f->two.hw.resv = &resv;
	f->two.hw.nr_resv = 1;
	assert_id(env_attach(f->i_one, RID, f->plain));
	sweep_all(f, &(struct op){ run_join, undo_join }, true, false);
	iof_device_detach(f->i_one, RID);
}

static int run_replace_ioas(struct fixture *f)
{
	int rc = env_replace(f->i_one, RID, f->ioas);

	return rc < 0 ? rc : 0;
}

static int run_replace_faulty(struct fixture *f)
{
	int rc = env_replace(f->i_one, RID, f->faulty);

	return rc < 0 ? rc : 0;
}

/* Switches back to the HWPT from which the sweep began. This is a replace, and so needs memory. */
static void undo_replace(struct fixture *f)
{
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
	assert_int_equal(env_replace(f->i_one, RID, f->other_faulty), f->other_faulty);
}

static void replace(void **state)
{
	struct fixture *f = *state;
	struct iommu_hwpt_pgfault rec;

	f->one.hw.resv = &resv;
	f->one.hw.nr_resv = 1;
	assert_id(env_attach(f->i_one, RID, f->other_faulty));
	assert_id(env_attach(f->i_two, RID, f->other_faulty));
	sweep_all(f, &(struct op){ run_replace_ioas, undo_replace }, true, false);
	sweep_all(f, &(struct op){ run_replace_faulty, undo_replace }, true, false);
	/* Faults still reach the queue. */
	assert_ok(fake_fault(&f->two, 0, 1, 0x1000));
	assert_int_equal(env_read(f->fault_fd, &rec, 1), 1);
	assert_ok(env_answer(f->fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	iof_device_detach(f->i_one, RID);
	iof_device_detach(f->i_two, RID);
}

static int run_sva(struct fixture *f)
{
	return iof_device_sva_bind(f->i_one, 2);
}

static void undo_sva(struct fixture *f)
{
	assert_ok(iof_device_sva_unbind(f->i_one, 2));
}

static void sva(void **state)
{
	sweep_all(*state, &(struct op){ run_sva, undo_sva }, true, false);
}

/* Each group gets an answer, even if there is no memory for its record. */
static void reports(void **state)
{
	struct fixture *f = *state;
	struct iommu_hwpt_pgfault recs[4];
	unsigned long n, fired;
	int got, i, rc, persistent;

	assert_id(env_attach(f->i_one, RID, f->faulty));
	for (persistent = 0; persistent < 2; persistent++) {
		for (n = 1; n < LIMIT; n++) {
			iof_fail_nth_thread(IOF_FAIL_ALLOC, n, persistent);
			rc = fake_report(&f->one, 0, 0, n, 1, 0x1000);
			if (rc)
				assert_int_equal(rc, -ENOMEM);
			fake_fault(&f->one, 0, n, 0x2000);
			fake_fault(&f->one, 0, n, 0x3000);
			fired = iof_fail_fired(IOF_FAIL_ALLOC);
			iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
			got = env_read(f->fault_fd, recs, 4);
			for (i = 0; i < got; i++) {
				if (recs[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE)
					assert_ok(env_answer(f->fault_fd, recs[i].cookie, 0));
			}
			assert_int_equal(fake_open(&f->one), 0);
			if (!fired)
				break;
		}
	}
	iof_device_detach(f->i_one, RID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hwpt_alloc),
		TEST(ioas_and_fault_queue_alloc),
		TEST(destroy),
		TEST(option_hw_info_and_invalidate),
		TEST(open_register_and_bind),
		TEST(attach_),
		TEST(join),
		TEST(replace),
		TEST(sva),
		TEST(reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
