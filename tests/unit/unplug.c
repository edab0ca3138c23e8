// SPDX-License-Identifier: MIT
/*
 * Proves what happens when a device is unplugged while another device of its isolation group stays
 * attached: its open groups are answered INVALID, those of the other stay open, and the attachments
 * work on without it.
 */
#include "env.h"

#define FAULT IOMMU_HWPT_FAULT_ID_VALID
#define PASID IOMMU_HWPT_ALLOC_PASID

struct fixture {
	struct env *env;
	int fd, fault_fd;
	u32 queue;
	struct fake_dev stays, leaves;
	struct iof_device *i_stays, *i_leaves;
	int a, b; /* fault-capable HWPTs */
};

/* @first: the device that leaves was registered first. */
static struct fixture *begin(struct env *env, bool first)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int ioas;

	assert_non_null(f);
	f->env = env;
	f->fd = env->fd;
	if (first)
		fake_dev_add(&f->leaves, "leaves", 8, FAKE_PASIDS, NULL);
	fake_dev_add(&f->stays, "stays", 8, FAKE_PASIDS, first ? &f->leaves : NULL);
	if (!first)
		fake_dev_add(&f->leaves, "leaves", 8, FAKE_PASIDS, &f->stays);
	f->i_stays = env_bind(env, &f->stays);
	f->i_leaves = env_bind(env, &f->leaves);
	ioas = env_ioas(f->fd);
	assert_ok(env_queue(f->fd, &f->queue, &f->fault_fd));
	f->a = env_hwpt_fault(f->fd, iof_device_id(f->i_stays), ioas, FAULT | PASID, f->queue);
	f->b = env_hwpt_fault(f->fd, iof_device_id(f->i_stays), ioas, FAULT | PASID, f->queue);
	assert_id(f->a);
	assert_id(f->b);
	return f;
}

static void end(struct fixture *f)
{
	iof_device_detach(f->i_stays, 0);
	iof_device_unbind(f->i_stays);
	fake_dev_remove(&f->stays);
	assert_ok(iof_sys_close(f->fault_fd));
	free(f);
}

static void unplug(struct fixture *f)
{
	iof_device_detach(f->i_leaves, 0);
	iof_device_detach(f->i_leaves, 3);
	iof_device_unbind(f->i_leaves);
	iof_hwdev_unregister(&f->leaves.hw);
}

static void one_of_a_group_leaves(void **state)
{
	struct iommu_hwpt_pgfault rec[4];
	int first;

	for (first = 0; first < 2; first++) {
		struct fixture *f = begin(*state, first);

		assert_id(env_attach(f->i_stays, 0, f->a));
		assert_id(env_attach(f->i_leaves, 0, f->a));
		assert_id(env_attach(f->i_stays, 3, f->a));
		assert_id(env_attach(f->i_leaves, 3, f->a));
		assert_ok(fake_fault(&f->leaves, 0, 1, 0x1000));
		assert_ok(fake_fault(&f->stays, 0, 1, 0x2000));
		assert_int_equal(env_read(f->fault_fd, rec, 4), 2);
		/* one delivered and one queued of each device, and one that still collects */
		assert_ok(fake_fault(&f->leaves, 3, 2, 0x3000));
		assert_ok(fake_fault(&f->stays, 3, 2, 0x4000));
		assert_ok(fake_report(&f->leaves, 0, 3, 5, 1, 0x5000));

		unplug(f);
		assert_null(fake_now(&f->leaves, 0));
		assert_null(fake_now(&f->leaves, 3));
		assert_int_equal(fake_open(&f->leaves), 0);
		assert_int_equal(fake_answered(&f->leaves, IOF_PAGE_INVALID), 2);
		fake_dev_fini(&f->leaves);

		assert_int_equal(fake_open(&f->stays), 2);
		assert_err(env_answer(f->fault_fd, rec[0].cookie, 0), EINVAL);
		assert_ok(env_answer(f->fault_fd, rec[1].cookie, 0));
		assert_int_equal(env_read(f->fault_fd, rec, 4), 1);
		assert_int_equal(rec[0].addr, 0x4000);
		assert_ok(env_answer(f->fault_fd, rec[0].cookie, 0));
		assert_int_equal(fake_answered(&f->stays, IOF_PAGE_SUCCESS), 2);

		/* The group goes on without the device, also when a switch fails. */
		assert_id(env_replace(f->i_stays, 0, f->b));
		f->stays.fail_nth = 1;
		f->stays.fail_errno = -ENOMEM;
		assert_err(env_replace(f->i_stays, 3, f->b), ENOMEM);
		assert_id(env_attach(f->i_stays, 5, f->b));
		iof_device_detach(f->i_stays, 5);
		iof_device_detach(f->i_stays, 3);
		end(f);
	}
}

/* A device that never was attached leaves the switched group, too. */
static void a_member_that_did_not_ask_leaves(void **state)
{
	struct fixture *f = begin(*state, true);

	assert_id(env_attach(f->i_stays, 0, f->a));
	assert_non_null(fake_now(&f->leaves, 0));
	iof_device_unbind(f->i_leaves);
	iof_hwdev_unregister(&f->leaves.hw);
	assert_null(fake_now(&f->leaves, 0));
	fake_dev_fini(&f->leaves);
	assert_non_null(fake_now(&f->stays, 0));
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_of_a_group_leaves, env_setup, env_teardown),
		cmocka_unit_test_setup_teardown(a_member_that_did_not_ask_leaves, env_setup,
						env_teardown),
	};

	return cmocka_run_group_tests_name("unplug", tests, NULL, NULL);
}
