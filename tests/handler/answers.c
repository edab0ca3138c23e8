// SPDX-License-Identifier: MIT
/*
 * answers.c - proves that the handler rebuilds groups, calls back once for each, and writes the
 * callback's response. A failing callback affects its own group only. A batch callback gets whole
 * batches.
 */
#include "setup.h"

struct seen {
	int groups; /* atomic: number of groups seen */
	int errors; /* atomic: number of errors reported */
	int last_error;
	uint32_t pages[16]; /* pages of the groups, in order */
	uint32_t bad;	    /* number of records out of place */
};

static void on_error(void *arg, int err, const struct iof_fault_group *group)
{
	struct seen *seen = arg;

	seen->last_error = err;
	if (!group || !group->nr_pages)
		seen->bad++;
	add(seen->errors, 1);
}

static int even_pages_exist(void *arg, const struct iof_fault_group *group)
{
	struct seen *seen = arg;

	add(seen->groups, 1);
	return group->pages[0].addr / PAGE % 2 ? IOF_INVALID : IOF_SUCCESS;
}

static void the_device_hears_what_the_callback_said(void **state)
{
	struct seen seen = { 0 };
	struct iof_handler_config config = {
		.threads = 1,
		.fault = even_pages_exist,
		.arg = &seen,
	};
	struct iof_handler_stats stats;
	struct iof_handler *handler;
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	assert_int_equal(iof_handler_fd(handler), q.fault_fd);
	for (i = 0; i < 1000; i++)
		queue_fault(&q, i, IOVA + i * PAGE);
	queue_answered(&q, 1000);
	until((iof_handler_get_stats(handler, &stats), stats.success + stats.invalid == 1000));
	assert_int_equal(queue_stats(&q).success, 500);
	assert_int_equal(queue_stats(&q).invalid, 500);
	assert_int_equal(load(seen.groups), 1000);
	assert_int_equal(stats.faults, 1000);
	assert_int_equal(stats.groups, 1000);
	assert_int_equal(stats.success, 500);
	assert_int_equal(stats.late + stats.failed + stats.deferred + stats.open, 0);
	assert_true(stats.batches >= 1000 / 64);
	assert_int_equal(stats.latency.count, 1000);
	assert_true(stats.latency.max >= iof_histogram_quantile(&stats.latency, 0.5));
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
}

/* Checks the pages of a group: its index is their number, and the addresses ascend. */
static int look_at_pages(void *arg, const struct iof_fault_group *group)
{
	struct seen *seen = arg;
	uint32_t grpid = group->pages[0].grpid;
	uint32_t i;

	for (i = 0; i < group->nr_pages; i++) {
		const struct iommu_hwpt_pgfault *page = &group->pages[i];
		bool last = page->flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE;

		if (page->cookie != group->cookie || page->grpid != grpid ||
		    page->dev_id != group->dev_id || page->addr != IOVA + i * PAGE ||
		    last != (i == group->nr_pages - 1))
			seen->bad++;
	}
	seen->pages[seen->groups] = group->nr_pages;
	add(seen->groups, 1);
	return IOF_SUCCESS;
}

static void groups_are_rebuilt_from_mixed_pages(void **state)
{
	struct seen seen = { 0 };
	struct iof_handler_config config = { .fault = look_at_pages, .arg = &seen };
	struct iof_handler *handler;
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	for (i = 0; i < 5; i++) {
		queue_page(&q, 1, IOVA + i * PAGE, i == 4);
		if (i < 3)
			queue_page(&q, 2, IOVA + i * PAGE, i == 2);
	}
	queue_page(&q, 3, IOVA, true);
	assert_int_equal(iof_handler_run_once(handler, 0), 3);
	assert_int_equal(iof_handler_run_once(handler, 0), 0);
	assert_int_equal(seen.bad, 0);
	assert_int_equal(seen.pages[0], 3);
	assert_int_equal(seen.pages[1], 5);
	assert_int_equal(seen.pages[2], 1);
	assert_int_equal(queue_stats(&q).success, 3);
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
}

static void a_group_longer_than_the_buffer_makes_it_grow(void **state)
{
	struct seen seen = { 0 };
	struct iof_handler_config config = { .batch = 1, .fault = look_at_pages, .arg = &seen };
	struct iof_handler_stats stats;
	struct iof_handler *handler;
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	for (i = 0; i < 300; i++)
		queue_page(&q, 9, IOVA + i * PAGE, i == 299);
	assert_int_equal(iof_handler_run_once(handler, 0), 1);
	assert_int_equal(seen.bad, 0);
	assert_int_equal(seen.pages[0], 300);
	iof_handler_get_stats(handler, &stats);
	assert_int_equal(stats.faults, 300);
	assert_int_equal(stats.groups, 1);
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
}

static int whole_batches(void *arg, struct iof_fault_group *groups, uint32_t nr)
{
	struct seen *seen = arg;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (groups[i].response != IOF_INVALID)
			seen->bad++;
		if (i % 4 != 3)
			groups[i].response = IOF_SUCCESS;
	}
	seen->groups++;
	return 0;
}

static void a_batch_callback_gets_many_groups_at_once(void **state)
{
	struct seen seen = { 0 };
	struct iof_handler_config config = { .batch = 64, .faults = whole_batches, .arg = &seen };
	struct iof_handler *handler;
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	for (i = 0; i < 200; i++)
		queue_fault(&q, i, IOVA);
	assert_int_equal(iof_handler_run_once(handler, -1), 64);
	assert_int_equal(iof_handler_run_once(handler, -1), 64);
	assert_int_equal(iof_handler_run_once(handler, 1000), 64);
	assert_int_equal(iof_handler_run_once(handler, 0), 8);
	assert_int_equal(iof_handler_run_once(handler, 0), 0);
	assert_int_equal(seen.groups, 4);
	assert_int_equal(seen.bad, 0);
	assert_int_equal(queue_stats(&q).success, 150);
	assert_int_equal(queue_stats(&q).invalid, 50);
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
}

static int fails_in_three_ways(void *arg, const struct iof_fault_group *group)
{
	(void)arg;
	switch (group->pages[0].grpid % 3) {
	case 0:
		return -EIO;
	case 1:
		return 17;
	}
	return IOF_SUCCESS;
}

static void a_failing_callback_answers_invalid_and_is_told(void **state)
{
	struct seen seen = { 0 };
	struct iof_handler_config config = {
		.fault = fails_in_three_ways,
		.error = on_error,
		.arg = &seen,
	};
	struct iof_handler_stats stats;
	struct iof_handler *handler;
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	for (i = 0; i < 30; i++)
		queue_fault(&q, i, IOVA);
	assert_int_equal(iof_handler_run_once(handler, 0), 30);
	assert_int_equal(queue_stats(&q).success, 10);
	assert_int_equal(queue_stats(&q).invalid, 20);
	assert_int_equal(load(seen.errors), 20);
	assert_int_equal(seen.last_error, -EINVAL);
	assert_int_equal(seen.bad, 0);
	iof_handler_get_stats(handler, &stats);
	assert_int_equal(stats.failed, 20);
	assert_err(iof_handler_close(handler), EIO);
	queue_close(&q);
}

static int fails_after_two(void *arg, struct iof_fault_group *groups, uint32_t nr)
{
	(void)arg;
	(void)nr;
	groups[0].response = IOF_SUCCESS;
	groups[1].response = IOF_SUCCESS;
	return -ENOMEM;
}

static void a_batch_that_fails_keeps_the_answers_given_by_then(void **state)
{
	struct seen seen = { 0 };
	struct iof_handler_config config = {
		.faults = fails_after_two,
		.error = on_error,
		.arg = &seen,
	};
	struct iof_handler *handler;
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	for (i = 0; i < 5; i++)
		queue_fault(&q, i, IOVA);
	assert_int_equal(iof_handler_run_once(handler, 0), 5);
	assert_int_equal(queue_stats(&q).success, 2);
	assert_int_equal(queue_stats(&q).invalid, 3);
	assert_int_equal(load(seen.errors), 1);
	assert_err(iof_handler_close(handler), ENOMEM);
	queue_close(&q);
}

/*
 * Detaches the device of the first group during the callback: that response is late, the others are
 * not.
 */
static int pull_the_first(void *arg, struct iof_fault_group *groups, uint32_t nr)
{
	struct queue *q = arg;
	uint32_t i;

	if (abi_destroy(q->iommu, q->mock.stdev))
		return -EBUSY;
	for (i = 0; i < nr; i++)
		groups[i].response = IOF_SUCCESS;
	return 0;
}

static void answers_refused_in_a_batch_do_not_stop_the_others(void **state)
{
	struct queue q;
	struct iof_handler_config config = { .faults = pull_the_first, .arg = &q };
	struct iof_handler_stats stats;
	struct iof_handler *handler;
	struct iof_test_stats heard;
	struct abi_mock other;
	uint32_t i;

	(void)state;
	queue_open(&q);
	assert_ok(abi_mock(q.iommu, q.hwpt, 0, &other));
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	for (i = 0; i < 20; i++) {
		queue_fault(&q, i, IOVA);
		assert_ok(abi_trigger(q.iommu, other.idev, 0, i, IOMMU_PGFAULT_PERM_READ, IOVA));
	}
	assert_int_equal(iof_handler_run_once(handler, 0), 40);
	iof_handler_get_stats(handler, &stats);
	assert_int_equal(stats.success, 20);
	assert_int_equal(stats.late, 20);
	assert_ok(abi_stats(q.iommu, other.idev, &heard));
	assert_int_equal(heard.success, 20);
	assert_int_equal(heard.swept, 0);
	assert_ok(iof_handler_close(handler));
	q.mock = other;
	queue_close(&q);
}

static void bad_configurations_are_refused(void **state)
{
	struct iof_handler_config good = { .fault = look_at_pages };
	struct iof_handler_config bad;
	struct iof_handler *handler;

	(void)state;
	bad = good;
	bad.fault = NULL;
	assert_err(iof_handler_open(&bad, &handler), EINVAL);
	bad = good;
	bad.fault_fd = -1;
	assert_err(iof_handler_open(&bad, &handler), EINVAL);
	bad = good;
	bad.threads = 257;
	assert_err(iof_handler_open(&bad, &handler), EINVAL);
	bad = good;
	bad.batch = 65537;
	assert_err(iof_handler_open(&bad, &handler), EINVAL);
	bad = good;
	bad.flags = 1u << 31;
	assert_err(iof_handler_open(&bad, &handler), EINVAL);
}

static void the_histogram_keeps_values_within_a_sixteenth(void **state)
{
	struct iof_histogram histogram = { 0 };
	struct iof_histogram sum = { 0 };
	uint64_t value;

	(void)state;
	assert_int_equal(iof_histogram_quantile(&histogram, 0.5), 0);
	for (value = 1; value < 1ull << 41; value = value * 5 / 4 + 1) {
		uint32_t bucket = iof_histogram_bucket(value);
		uint64_t low = iof_histogram_floor(bucket);

		assert_true(bucket < IOF_HISTOGRAM_BUCKETS);
		assert_true(low <= value);
		if (value < 1ull << IOF_HISTOGRAM_TOP)
			assert_true(value - low <= value / 16);
		iof_histogram_add(&histogram, value, 1);
	}
	memset(&histogram, 0, sizeof(histogram));
	for (value = 1; value <= 1000; value++)
		iof_histogram_add(&histogram, value, 2);
	iof_histogram_merge(&sum, &histogram);
	assert_int_equal(sum.count, 2000);
	assert_int_equal(sum.sum, 1001000);
	assert_int_equal(sum.max, 1000);
	value = iof_histogram_quantile(&sum, 0.5);
	assert_true(value >= 500 && value <= 532);
	value = iof_histogram_quantile(&sum, 0.99);
	assert_true(value >= 990 && value <= 1000);
	assert_int_equal(iof_histogram_quantile(&sum, 1.0), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_device_hears_what_the_callback_said),
		cmocka_unit_test(groups_are_rebuilt_from_mixed_pages),
		cmocka_unit_test(a_group_longer_than_the_buffer_makes_it_grow),
		cmocka_unit_test(a_batch_callback_gets_many_groups_at_once),
		cmocka_unit_test(a_failing_callback_answers_invalid_and_is_told),
		cmocka_unit_test(a_batch_that_fails_keeps_the_answers_given_by_then),
		cmocka_unit_test(answers_refused_in_a_batch_do_not_stop_the_others),
		cmocka_unit_test(bad_configurations_are_refused),
		cmocka_unit_test(the_histogram_keeps_values_within_a_sixteenth),
	};

	return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
