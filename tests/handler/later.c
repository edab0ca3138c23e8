// SPDX-License-Identifier: MIT
/*
 * later.c - proves that any thread can respond to a group later, once. A response that is late,
 * repeated or invented is refused. Also tests what closing does with open groups.
 */
#include "setup.h"

#define MANY 200

struct shelf {
	uint32_t cookies[MANY * 2];
	int nr;			     /* atomic: number of groups with LATER */
	struct iof_handler *handler; /* for callbacks that respond themselves */
	struct iof_fault_group *copy;
};

static int put_on_the_shelf(void *arg, const struct iof_fault_group *group)
{
	struct shelf *shelf = arg;

	shelf->cookies[shelf->nr] = group->cookie;
	add(shelf->nr, 1);
	return IOF_LATER;
}

/*
 * Opens a queue and a handler without threads whose callback returns LATER, and raises @nr groups.
 */
static void shelve(struct queue *q, struct shelf *shelf, uint32_t flags, uint32_t nr)
{
	struct iof_handler_config config = {
		.fault = put_on_the_shelf,
		.flags = flags,
		.batch = MANY,
		.arg = shelf,
	};
	uint32_t i;

	memset(shelf, 0, sizeof(*shelf));
	queue_open(q);
	config.fault_fd = q->fault_fd;
	assert_ok(iof_handler_open(&config, &shelf->handler));
	for (i = 0; i < nr; i++)
		queue_fault(q, i, IOVA + i * PAGE);
	if (nr)
		assert_int_equal(iof_handler_run_once(shelf->handler, -1), nr);
}

static struct iof_handler_stats stats_of(const struct shelf *shelf)
{
	struct iof_handler_stats stats;

	iof_handler_get_stats(shelf->handler, &stats);
	return stats;
}

static void *answer_all(void *arg)
{
	struct shelf *shelf = arg;
	int i;

	for (i = 0; i < MANY; i++) {
		until(load(shelf->nr) > i);
		if (iof_handler_respond(shelf->handler, shelf->cookies[i],
					i % 2 ? IOF_SUCCESS : IOF_INVALID))
			return shelf;
	}
	return NULL;
}

static void another_thread_answers_while_faults_come(void **state)
{
	struct shelf shelf = { 0 };
	struct iof_handler_config config = {
		.threads = 1,
		.fault = put_on_the_shelf,
		.arg = &shelf,
	};
	pthread_t thread;
	void *failed;
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &shelf.handler));
	assert_ok(pthread_create(&thread, NULL, answer_all, &shelf));
	for (i = 0; i < MANY; i++)
		queue_fault(&q, i, IOVA + i * PAGE);
	assert_ok(pthread_join(thread, &failed));
	assert_null(failed);
	until(stats_of(&shelf).deferred == MANY);
	assert_int_equal(stats_of(&shelf).success, MANY / 2);
	assert_int_equal(stats_of(&shelf).invalid, MANY / 2);
	assert_int_equal(stats_of(&shelf).open, 0);
	assert_int_equal(stats_of(&shelf).late, 0);
	assert_int_equal(queue_stats(&q).success, MANY / 2);
	assert_int_equal(queue_stats(&q).invalid, MANY / 2);
	assert_ok(iof_handler_close(shelf.handler));
	queue_close(&q);
}

static int answer_before_saying_so(void *arg, const struct iof_fault_group *group)
{
	struct shelf *shelf = arg;

	if (iof_handler_respond(shelf->handler, group->cookie, IOF_SUCCESS))
		return -EIO;
	return IOF_LATER;
}

static void an_answer_may_come_before_the_callback_has_returned(void **state)
{
	struct shelf shelf = { 0 };
	struct iof_handler_config config = { .fault = answer_before_saying_so, .arg = &shelf };
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &shelf.handler));
	for (i = 0; i < 50; i++)
		queue_fault(&q, i, IOVA);
	assert_int_equal(iof_handler_run_once(shelf.handler, 0), 50);
	assert_int_equal(stats_of(&shelf).success, 50);
	assert_int_equal(stats_of(&shelf).deferred, 50);
	assert_int_equal(stats_of(&shelf).open, 0);
	assert_int_equal(queue_stats(&q).success, 50);
	assert_ok(iof_handler_close(shelf.handler));
	assert_int_equal(queue_stats(&q).invalid, 0);
	queue_close(&q);
}

static void a_second_or_invented_answer_is_refused(void **state)
{
	struct shelf shelf;
	struct queue q;

	(void)state;
	shelve(&q, &shelf, 0, 3);
	assert_ok(iof_handler_respond(shelf.handler, shelf.cookies[1], IOF_SUCCESS));
	assert_err(iof_handler_respond(shelf.handler, shelf.cookies[1], IOF_SUCCESS), EINVAL);
	assert_err(iof_handler_respond(shelf.handler, shelf.cookies[1], IOF_INVALID), EINVAL);
	assert_err(iof_handler_respond(shelf.handler, 0xfffffff0, IOF_SUCCESS), EINVAL);
	assert_int_equal(stats_of(&shelf).late, 3);
	/* A bad code is refused, and the group stays open. */
	assert_err(iof_handler_respond(shelf.handler, shelf.cookies[0], IOF_LATER), EINVAL);
	assert_err(iof_handler_respond(shelf.handler, shelf.cookies[0], -1), EINVAL);
	assert_int_equal(stats_of(&shelf).late, 3);
	assert_int_equal(stats_of(&shelf).open, 2);
	assert_ok(iof_handler_respond(shelf.handler, shelf.cookies[0], IOF_INVALID));
	assert_ok(iof_handler_respond(shelf.handler, shelf.cookies[2], IOF_SUCCESS));
	assert_int_equal(stats_of(&shelf).open, 0);
	assert_int_equal(queue_stats(&q).success, 2);
	assert_int_equal(queue_stats(&q).invalid, 1);
	assert_ok(iof_handler_close(shelf.handler));
	queue_close(&q);
}

static void many_answers_go_together_and_bad_ones_are_passed_over(void **state)
{
	struct iommu_hwpt_page_response answers[7];
	struct shelf shelf;
	struct queue q;
	int i;

	(void)state;
	shelve(&q, &shelf, 0, 5);
	for (i = 0; i < 5; i++) {
		answers[i + (i > 1)].cookie = shelf.cookies[i];
		answers[i + (i > 1)].code = IOF_SUCCESS;
	}
	answers[2] = answers[0];
	answers[6].cookie = 0xfffffff0;
	answers[6].code = IOF_INVALID;
	assert_int_equal(iof_handler_respond_many(shelf.handler, answers, 7), 5);
	assert_int_equal(stats_of(&shelf).late, 2);
	assert_int_equal(stats_of(&shelf).open, 0);
	assert_int_equal(queue_stats(&q).success, 5);
	answers[3].code = 2;
	assert_err(iof_handler_respond_many(shelf.handler, answers, 7), EINVAL);
	assert_int_equal(iof_handler_respond_many(shelf.handler, answers, 0), 0);
	assert_ok(iof_handler_close(shelf.handler));
	queue_close(&q);
}

static void an_answer_after_the_device_has_gone_is_refused(void **state)
{
	struct shelf shelf;
	struct queue q;

	(void)state;
	shelve(&q, &shelf, 0, 10);
	assert_ok(abi_mock_replace(q.iommu, &q.mock, (uint32_t)q.ioas));
	assert_int_equal(queue_stats(&q).swept, 10);
	assert_err(iof_handler_respond(shelf.handler, shelf.cookies[4], IOF_SUCCESS), EINVAL);
	assert_int_equal(stats_of(&shelf).late, 1);
	assert_int_equal(stats_of(&shelf).open, 9);
	assert_ok(iof_handler_close(shelf.handler));
	assert_int_equal(queue_stats(&q).success, 0);
	queue_close(&q);
}

static void closing_answers_what_is_open_and_unread(void **state)
{
	struct shelf shelf;
	struct queue q;
	uint32_t i;

	(void)state;
	shelve(&q, &shelf, 0, MANY);
	assert_ok(iof_handler_respond(shelf.handler, shelf.cookies[7], IOF_SUCCESS));
	for (i = 0; i < MANY; i++)
		queue_fault(&q, i, IOVA);
	assert_ok(iof_handler_close(shelf.handler));
	assert_int_equal(queue_stats(&q).success, 1);
	assert_int_equal(queue_stats(&q).invalid, 2 * MANY - 1);
	assert_int_equal(abi_readable(q.fault_fd), 0);
	queue_close(&q);
}

static void closing_leaves_open_what_it_is_told_to(void **state)
{
	struct iommu_hwpt_pgfault record;
	struct shelf shelf;
	struct queue q;

	(void)state;
	shelve(&q, &shelf, IOF_HANDLER_LEAVE_OPEN, 2);
	queue_fault(&q, 99, IOVA);
	assert_ok(iof_handler_close(shelf.handler));
	assert_int_equal(queue_stats(&q).invalid, 0);
	assert_int_equal(abi_read_one(q.fault_fd, &record), sizeof(record));
	assert_int_equal(record.grpid, 99);
	assert_ok(abi_answer(q.fault_fd, record.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_ok(abi_answer(q.fault_fd, shelf.cookies[0], IOMMUFD_PAGE_RESP_SUCCESS));
	assert_ok(abi_answer(q.fault_fd, shelf.cookies[1], IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(queue_stats(&q).success, 3);
	queue_close(&q);
}

static void a_handler_that_never_ran_answers_too(void **state)
{
	struct shelf shelf;
	struct queue q;

	(void)state;
	shelve(&q, &shelf, 0, 0);
	queue_fault(&q, 1, IOVA);
	assert_ok(iof_handler_close(shelf.handler));
	assert_int_equal(queue_stats(&q).invalid, 1);
	queue_close(&q);
}

static int keep_a_copy(void *arg, const struct iof_fault_group *group)
{
	struct shelf *shelf = arg;

	shelf->copy = iof_fault_group_copy(group);
	return IOF_LATER;
}

static void a_copy_outlives_the_callback(void **state)
{
	struct shelf shelf = { 0 };
	struct iof_handler_config config = { .fault = keep_a_copy, .arg = &shelf };
	struct queue q;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &shelf.handler));
	for (i = 0; i < 4; i++)
		queue_page(&q, 5, IOVA + i * PAGE, i == 3);
	assert_int_equal(iof_handler_run_once(shelf.handler, 0), 1);
	assert_non_null(shelf.copy);
	assert_int_equal(shelf.copy->nr_pages, 4);
	assert_int_equal(shelf.copy->pages[3].addr, IOVA + 3 * PAGE);
	assert_ok(iof_handler_respond(shelf.handler, shelf.copy->cookie, IOF_SUCCESS));
	free(shelf.copy);
	assert_ok(iof_handler_close(shelf.handler));
	queue_close(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_thread_answers_while_faults_come),
		cmocka_unit_test(an_answer_may_come_before_the_callback_has_returned),
		cmocka_unit_test(a_second_or_invented_answer_is_refused),
		cmocka_unit_test(many_answers_go_together_and_bad_ones_are_passed_over),
		cmocka_unit_test(an_answer_after_the_device_has_gone_is_refused),
		cmocka_unit_test(closing_answers_what_is_open_and_unread),
		cmocka_unit_test(closing_leaves_open_what_it_is_told_to),
		cmocka_unit_test(a_handler_that_never_ran_answers_too),
		cmocka_unit_test(a_copy_outlives_the_callback),
	};

	return cmocka_run_group_tests_name("later", tests, NULL, NULL);
}
