// SPDX-License-Identifier: MIT
/*
 * Proves of the slots of a fault queue: attaching makes few of them, whatever the credits of the
 * devices; they grow with the open groups; a group for which there is no memory is refused and
 * counted, and its neighbours are not affected; groups that a switch has parked find slots too.
 */
#include "way.h"

#define MANY_CREDITS (1u << 20)

/* Reads and responds to all that is queued; returns the number of groups. */
static u32 respond_all(int q)
{
	struct iommu_hwpt_page_response resp[64];
	struct iommu_hwpt_pgfault rec[64];
	u32 all = 0;
	int n, i;

	while ((n = env_read(q, rec, 64)) > 0) {
		for (i = 0; i < n; i++)
			resp[i] = (struct iommu_hwpt_page_response){ .cookie = rec[i].cookie };
		assert_int_equal(iof_sys_write(q, resp, n * sizeof(resp[0])), n * sizeof(resp[0]));
		all += n;
	}
	return all;
}

static void hundreds_of_devices_share_a_queue(void **state)
{
	enum {
		DEVICES = 300
	};
	struct fake_dev *dev = calloc(DEVICES, sizeof(*dev));
	struct iof_device *idev[DEVICES];
	struct iof_live before, after;
	struct way w;
	int i;

	assert_non_null(dev);
	way_open(&w, state, MANY_CREDITS);
	for (i = 0; i < DEVICES; i++) {
		fake_dev_add(&dev[i], "one of many", MANY_CREDITS, 1, NULL);
		idev[i] = env_bind(w.env, &dev[i]);
	}
	iof_shim_live(&before);
	for (i = 0; i < DEVICES; i++) {
		assert_int_equal(env_attach(idev[i], 0, w.hwpt), w.hwpt);
		assert_ok(fake_fault(&dev[i], 0, i, 0x1000));
	}
	iof_shim_live(&after);
	assert_true(after.bytes - before.bytes < DEVICES * 4096l);
	assert_int_equal(respond_all(w.q), DEVICES);
	for (i = 0; i < DEVICES; i++) {
		iof_device_detach(idev[i], 0);
		iof_device_unbind(idev[i]);
		fake_dev_remove(&dev[i]);
	}
	free(dev);
	way_close(&w);
}

static void a_first_attach_takes_little_memory(void **state)
{
	struct iof_live before, after;
	struct way w;

	iof_shim_live(&before);
	way_open(&w, state, MANY_CREDITS);
	iof_shim_live(&after);
	assert_true(after.bytes - before.bytes < 100000);
	way_close(&w);
}

/* Cookies of each width are given at the same time, and each is good for one response. */
static void slots_grow_with_the_open_groups(void **state)
{
	enum {
		GROUPS = 20000,
		STEP = 500
	};
	struct iommu_hwpt_pgfault *rec = calloc(GROUPS, sizeof(*rec));
	struct way w;
	u32 i, have = 0;

	assert_non_null(rec);
	way_open(&w, state, MANY_CREDITS);
	for (i = 0; i < GROUPS; i++) {
		assert_ok(fake_fault(&w.dev, 0, i, (u64)i << 12));
		if (i % STEP == STEP - 1)
			have += env_read(w.q, rec + have, STEP);
	}
	assert_int_equal(have, GROUPS);
	for (i = 0; i < GROUPS; i++)
		assert_int_equal(rec[i].addr, (u64)i << 12);
	/* From both ends at once. */
	for (i = 0; i < GROUPS; i++) {
		u32 at = i % 2 ? GROUPS - 1 - i / 2 : i / 2;

		assert_ok(env_answer(w.q, rec[at].cookie, i % 2));
		assert_err(env_answer(w.q, rec[at].cookie, 0), EINVAL);
		assert_int_equal(fake_take_answer(&w.dev, (u64)at << 12), i % 2);
	}
	free(rec);
	way_close(&w);
}

static void groups_reported_together_find_slots(void **state)
{
	struct fake_burst burst = {};
	struct way w;
	u32 i, k;

	way_open(&w, state, MANY_CREDITS);
	burst.dev = &w.dev;
	for (i = 0; i < 2000; i += 50) {
		for (k = i; k < i + 50; k++)
			fake_burst_add(&burst, IOMMU_PGFAULT_FLAGS_LAST_PAGE, 0, k, 1,
				       (u64)k << 12);
		fake_burst_send(&burst);
	}
	assert_int_equal(fake_answered(&w.dev, IOF_PAGE_INVALID), 0);
	assert_int_equal(respond_all(w.q), 2000);
	way_close(&w);
}

/*
 * Makes @nr records for the device on another queue, so that its next faults need slots only; it
 * returns attached to the queue of @w.
 */
static void warm_up(struct way *w, u32 nr)
{
	u32 queue, i;
	int q, other;

	assert_ok(env_queue(w->env->fd, &queue, &q));
	other = env_hwpt_fault(w->env->fd, iof_device_id(w->idev), w->ioas,
			       IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID, queue);
	assert_int_equal(env_replace(w->idev, 0, other), other);
	for (i = 0; i < nr; i++)
		assert_ok(fake_fault(&w->dev, 0, i, (u64)i << 12));
	assert_int_equal(respond_all(q), nr);
	assert_int_equal(env_replace(w->idev, 0, w->hwpt), w->hwpt);
	env_close(q);
}

static void a_group_without_a_slot_is_refused_and_counted(void **state)
{
	struct iof_hwdev_stats stats;
	struct way w;
	u32 i;

	if (kasan_enabled())
		skip(); /* records are freed there, and not kept */
	way_open(&w, state, MANY_CREDITS);
	warm_up(&w, 400);
	w.dev.unchecked = true; /* the checker's bookkeeping allocates */
	iof_fail_nth(IOF_FAIL_ALLOC, 1, true);
	for (i = 0; i < 400; i++) {
		struct iof_page_req req = { .flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE,
					    .grpid = i,
					    .addr = (u64)i << 12 };

		assert_int_equal(iof_report_page_req(&w.dev.hw, &req), i < 256 ? 0 : -ENOMEM);
	}
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
	iof_hwdev_get_stats(&w.dev.hw, &stats);
	assert_int_equal(stats.refused, 144);
	assert_int_equal(stats.answered[IOF_PAGE_INVALID], 144);
	/* What has a slot is not affected, and later groups find memory again. */
	assert_int_equal(respond_all(w.q), 256);
	w.dev.unchecked = false;
	for (i = 0; i < 400; i++)
		assert_ok(fake_fault(&w.dev, 0, i, (u64)i << 12));
	assert_int_equal(respond_all(w.q), 400);
	way_close(&w);
}

/* Reports more groups than the queue has slots, during a switch. */
static void report_many(struct fake_dev *dev, u32 pasid, struct iof_domain *new,
			struct iof_domain *old)
{
	u32 i;

	(void)pasid;
	(void)new;
	(void)old;
	dev->on_attach = NULL;
	for (i = 0; i < 1000; i++)
		assert_ok(fake_fault(dev, 0, i, (u64)i << 12));
}

static void parked_groups_find_slots(void **state)
{
	struct iommu_hwpt_pgfault *rec = calloc(1000, sizeof(*rec));
	struct way w;
	u32 i;
	int other;

	assert_non_null(rec);
	way_open(&w, state, MANY_CREDITS);
	other = env_hwpt_fault(w.env->fd, iof_device_id(w.idev), w.ioas,
			       IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID, w.queue);
	w.dev.on_attach = report_many;
	assert_int_equal(env_replace(w.idev, 0, other), other);
	assert_int_equal(env_read(w.q, rec, 1000), 1000);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(rec[i].addr, (u64)i << 12);
		assert_ok(env_answer(w.q, rec[i].cookie, 0));
	}
	assert_int_equal(fake_answered(&w.dev, IOF_PAGE_SUCCESS), 1000);
	free(rec);
	way_close(&w);
}

struct reporter {
	struct way *w;
	struct fake_dev dev;
	struct iof_device *idev;
	pthread_t thread;
};

static void *report_and_switch(void *arg)
{
	struct reporter *r = arg;
	u32 i;

	for (i = 0; i < 600; i++) {
		(void)fake_fault(&r->dev, 0, i, (u64)i << 12);
		if (i % 200 == 199) {
			iof_device_detach(r->idev, 0);
			assert_int_equal(env_attach(r->idev, 0, r->w->hwpt), r->w->hwpt);
		}
	}
	return NULL;
}

/* Several devices need slots at once, while they are detached and attached. */
static void devices_grow_a_queue_together(void **state)
{
	enum {
		REPORTERS = 4
	};
	struct reporter *r = calloc(REPORTERS, sizeof(*r));
	struct way w;
	u32 i;

	assert_non_null(r);
	way_open(&w, state, MANY_CREDITS);
	for (i = 0; i < REPORTERS; i++) {
		r[i].w = &w;
		fake_dev_add(&r[i].dev, "reporter", MANY_CREDITS, 1, NULL);
		r[i].idev = env_bind(w.env, &r[i].dev);
		assert_int_equal(env_attach(r[i].idev, 0, w.hwpt), w.hwpt);
	}
	for (i = 0; i < REPORTERS; i++)
		assert_ok(pthread_create(&r[i].thread, NULL, report_and_switch, &r[i]));
	for (i = 0; i < REPORTERS; i++)
		assert_ok(pthread_join(r[i].thread, NULL));
	respond_all(w.q);
	for (i = 0; i < REPORTERS; i++) {
		iof_device_detach(r[i].idev, 0);
		assert_int_equal(fake_answered(&r[i].dev, IOF_PAGE_SUCCESS) +
					 fake_answered(&r[i].dev, IOF_PAGE_INVALID),
				 600);
		iof_device_unbind(r[i].idev);
		fake_dev_remove(&r[i].dev);
	}
	free(r);
	way_close(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_first_attach_takes_little_memory),
		T(hundreds_of_devices_share_a_queue),
		T(slots_grow_with_the_open_groups),
		T(groups_reported_together_find_slots),
		T(a_group_without_a_slot_is_refused_and_counted),
		T(parked_groups_find_slots),
		T(devices_grow_a_queue_together),
	};

	return cmocka_run_group_tests_name("fault_slots", tests, NULL, NULL);
}
