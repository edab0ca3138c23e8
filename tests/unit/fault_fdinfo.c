// SPDX-License-Identifier: MIT
/*
 * Proves that fdinfo of a fault queue shows its counters and the age of its oldest open group.
 */
#include "env.h"
#include "way.h"

#define LAST  IOMMU_PGFAULT_FLAGS_LAST_PAGE
#define PASID IOMMU_PGFAULT_FLAGS_PASID_VALID

/* Checks that fdinfo gives the oldest open group the age of one sent at @sent. */
static void expect_oldest(const struct way *w, u64 sent)
{
	u64 before = ktime_get_ns(), after;
	unsigned long long age;
	char text[256];

	assert_true(iof_sys_fdinfo(w->q, text, sizeof(text)) > 0);
	after = ktime_get_ns();
	assert_non_null(strstr(text, "oldest_ms:\t"));
	age = strtoull(strstr(text, "oldest_ms:\t") + strlen("oldest_ms:\t"), NULL, 10);
	assert_true(age >= (before - sent) / NSEC_PER_MSEC);
	assert_true(age <= (after - sent) / NSEC_PER_MSEC);
}

/*
 * The oldest group is searched among all attachments, PASIDs and devices, by the time that the
 * drivers gave.
 */
static void the_oldest_group_shows_in_fdinfo(void **state)
{
	u64 now = ktime_get_ns();
	struct iof_page_req req = { .flags = LAST, .grpid = 1 };
	struct iommu_hwpt_pgfault rec[2];
	struct fake_dev second;
	struct iof_device *idev;
	struct way w;

	way_open(&w, state, 8);
	fake_dev_add(&second, "second", 8, FAKE_PASIDS, NULL);
	idev = env_bind(w.env, &second);
	assert_int_equal(env_attach(idev, 0, w.hwpt), w.hwpt);
	assert_int_equal(env_attach(w.idev, 2, w.hwpt), w.hwpt);
	w.dev.unchecked = true;
	second.unchecked = true;
	req.sent = now - 300 * NSEC_PER_MSEC;
	assert_ok(iof_report_page_req(&w.dev.hw, &req));
	req.sent = now - 700 * NSEC_PER_MSEC;
	assert_ok(iof_report_page_req(&second.hw, &req));
	req.sent = now - 500 * NSEC_PER_MSEC;
	req.flags |= PASID;
	req.pasid = 2;
	assert_ok(iof_report_page_req(&w.dev.hw, &req));
	assert_int_equal(env_read(w.q, rec, 2), 2);
	expect_oldest(&w, now - 700 * NSEC_PER_MSEC);
	assert_ok(env_answer(w.q, rec[1].cookie, 0));
	expect_oldest(&w, now - 500 * NSEC_PER_MSEC);
	/* An attachment that is gone has no open groups, and is no longer searched. */
	iof_device_detach(w.idev, 2);
	expect_oldest(&w, now - 300 * NSEC_PER_MSEC);
	assert_ok(env_answer(w.q, rec[0].cookie, 0));
	iof_device_detach(idev, 0);
	iof_device_unbind(idev);
	fake_dev_remove(&second);
	way_close(&w);
}

static void counters_show_in_fdinfo(void **state)
{
	struct iommu_hwpt_pgfault rec[2];
	char text[256];
	struct way w;

	way_open(&w, state, 8);
	assert_ok(fake_fault(&w.dev, 0, 1, 0x1000));
	assert_ok(fake_fault(&w.dev, 0, 2, 0x2000));
	assert_ok(fake_fault(&w.dev, 0, 3, 0x3000));
	assert_int_equal(env_read(w.q, rec, 2), 2);
	assert_ok(env_answer(w.q, rec[0].cookie, 0));
	assert_err(env_answer(w.q, rec[0].cookie, 0), EINVAL);
	assert_true(iof_sys_fdinfo(w.q, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "queued:\t1\n"));
	assert_non_null(strstr(text, "delivered:\t1\n"));
	assert_non_null(strstr(text, "responded:\t1\n"));
	assert_non_null(strstr(text, "rejected:\t1\n"));
	way_close(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(counters_show_in_fdinfo),
		T(the_oldest_group_shows_in_fdinfo),
	};

	return cmocka_run_group_tests_name("fault_fdinfo", tests, NULL, NULL);
}
