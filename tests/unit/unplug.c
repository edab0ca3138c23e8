// SPDX-License-Identifier: MIT
/*
 * Proves what happens when a device is unplugged while another device of its isolation group stays
 * attached: its open groups are answered INVALID, those of the other stay open, and the attachments
 * work on without it. Also proves that a device can be unplugged while an attach of it waits for
 * user memory.
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

/* ---- unplugging during an attach ---- */

static struct fake_dev gone;
static struct iof_device *i_gone;
static bool unplugged;
static int to_close; /* -1: none */

static void *unplug_thread(void *arg)
{
	(void)arg;
	iof_device_leave(i_gone);
	iof_device_detach(i_gone, 0);
	iof_device_unbind(i_gone);
	iof_hwdev_unregister(&gone.hw);
	/* Nothing may touch it any more. */
	memset(&gone.hw, 0xa5, sizeof(gone.hw));
	if (to_close >= 0)
		assert_ok(iof_sys_close(to_close));
	return NULL;
}

/* Called where an attach fills a page table: another thread unplugs the device meanwhile. */
static void unplug_once(struct iof_domain *domain)
{
	pthread_t thread;

	(void)domain;
	if (unplugged)
		return;
	unplugged = true;
	assert_ok(pthread_create(&thread, NULL, unplug_thread, NULL));
	assert_ok(pthread_join(thread, NULL));
}

/* @old: the attach replaces another page table. @keep: the binding keeps the context. */
static void unplug_in_an_attach(struct env *env, bool old, bool keep)
{
	void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	int ioas = env_ioas(env->fd), live = fake_live_domains();

	fake_dev_add(&gone, "gone", 8, FAKE_PASIDS, NULL);
	i_gone = iof_device_bind(env->ctx, &gone.hw, keep);
	assert_false(IS_ERR(i_gone));
	if (old)
		assert_id(env_attach(i_gone, 0, env_ioas(env->fd)));
	assert_ok(env_map(env->fd, ioas, page, PAGE_SIZE, 0x10000));
	iof_device_retain(i_gone);
	to_close = -1;
	unplugged = false;
	fake_on_map = unplug_once;
	assert_err(old ? env_replace(i_gone, 0, ioas) : env_attach(i_gone, 0, ioas), ENODEV);
	fake_on_map = NULL;
	assert_true(unplugged);
	assert_int_equal(fake_live_domains(), live);
	assert_err(iof_device_sva_bind(i_gone, 3), ENODEV);
	assert_err(env_attach(i_gone, 0, ioas), ENODEV);
	iof_device_detach(i_gone, 0);
	iof_device_release(i_gone);
	assert_ok(env_destroy(env->fd, ioas));
	free(page);
}

static void an_attach_that_waits_finds_the_device_gone(void **state)
{
	struct env *env = *state;

	unplug_in_an_attach(env, false, false);
	unplug_in_an_attach(env, true, false);
	unplug_in_an_attach(env, false, true);
}

/* The program closes its context, too, while the attach of the removed device waits. */
static void the_context_outlives_the_attach(void **state)
{
	struct env *env = *state;
	void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	int fd = env_open(env), ioas = env_ioas(fd);

	fake_dev_add(&gone, "gone", 8, FAKE_PASIDS, NULL);
	i_gone = iof_device_bind(env_ctx(fd), &gone.hw, true);
	assert_false(IS_ERR(i_gone));
	assert_ok(env_map(fd, ioas, page, PAGE_SIZE, 0x10000));
	iof_device_retain(i_gone);
	to_close = fd;
	unplugged = false;
	fake_on_map = unplug_once;
	assert_err(env_attach(i_gone, 0, ioas), ENODEV);
	fake_on_map = NULL;
	iof_device_release(i_gone);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_of_a_group_leaves, env_setup, env_teardown),
		cmocka_unit_test_setup_teardown(a_member_that_did_not_ask_leaves, env_setup,
						env_teardown),
		cmocka_unit_test_setup_teardown(an_attach_that_waits_finds_the_device_gone,
						env_setup, env_teardown),
		cmocka_unit_test_setup_teardown(the_context_outlives_the_attach, env_setup,
						env_teardown),
	};

	return cmocka_run_group_tests_name("unplug", tests, NULL, NULL);
}
