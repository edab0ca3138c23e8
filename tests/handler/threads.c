// SPDX-License-Identifier: MIT
/*
 * threads.c - proves that several threads share a queue and deliver each group once, that an
 * arrival wakes one of them, and that a callback may wait for other faults. A handler can be ended
 * from outside, from a callback, from an event loop, and by a broken descriptor.
 */
#include "setup.h"

#include <dirent.h>
#include <signal.h>
#include <sys/epoll.h>

#define FAULTS	4000u
#define DEVICES 2u

struct count {
	uint8_t seen[FAULTS * DEVICES]; /* atomic: number of visits, by address */
	int groups;			/* atomic: number of groups seen */
	int errors;			/* atomic: number of errors reported */
	int last_error;
	int close_result; /* atomic: result of iof_handler_close() */
	struct iof_handler *handler;
};

static int count_it(void *arg, const struct iof_fault_group *group)
{
	struct count *count = arg;

	add(count->seen[(group->pages[0].addr - IOVA) / PAGE], 1);
	add(count->groups, 1);
	return IOF_SUCCESS;
}

struct source {
	struct queue *q;
	uint32_t first;
	int failed;
};

static void *make_faults(void *arg)
{
	struct source *source = arg;
	uint32_t i;

	for (i = source->first; i < source->first + FAULTS; i++) {
		if (abi_trigger(source->q->iommu, source->q->mock.idev, 0, i,
				IOMMU_PGFAULT_PERM_READ, IOVA + i * PAGE))
			source->failed++;
	}
	return NULL;
}

static void each_group_goes_to_one_thread_once(uint32_t threads, uint32_t spin_us)
{
	static struct count count;
	struct iof_handler_config config = {
		.threads = threads,
		.batch = 16,
		.spin_us = spin_us,
		.fault = count_it,
		.arg = &count,
	};
	struct source sources[DEVICES];
	pthread_t makers[DEVICES];
	struct iof_handler_stats stats;
	struct iof_handler *handler;
	struct queue q;
	uint32_t i;

	memset(&count, 0, sizeof(count));
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	for (i = 0; i < DEVICES; i++) {
		sources[i] = (struct source){ .q = &q, .first = i * FAULTS };
		assert_ok(pthread_create(&makers[i], NULL, make_faults, &sources[i]));
	}
	for (i = 0; i < DEVICES; i++) {
		assert_ok(pthread_join(makers[i], NULL));
		assert_int_equal(sources[i].failed, 0);
	}
	queue_answered(&q, FAULTS * DEVICES);
	assert_ok(iof_handler_wait((iof_handler_stop(handler), handler)));
	iof_handler_get_stats(handler, &stats);
	assert_int_equal(stats.groups, FAULTS * DEVICES);
	assert_int_equal(stats.success, FAULTS * DEVICES);
	assert_int_equal(stats.late, 0);
	for (i = 0; i < FAULTS * DEVICES; i++)
		assert_int_equal(count.seen[i], 1);
	assert_ok(iof_handler_close(handler));
	assert_int_equal(queue_stats(&q).success, FAULTS * DEVICES);
	queue_close(&q);
}

static void four_sleeping_threads(void **state)
{
	(void)state;
	each_group_goes_to_one_thread_once(4, 0);
}

/* It spins while faults come fast, sleeps when none comes, and each sleep ends with a fault. */
static void an_adaptive_thread_sleeps_between_faults(void **state)
{
	static struct count count;
	struct iof_handler_config config = { .threads = 1, .fault = count_it, .arg = &count };
	struct iof_handler_stats stats = { 0 };
	struct iof_handler *handler;
	struct source source;
	uint64_t sleeps;
	struct queue q;
	uint32_t i;

	(void)state;
	memset(&count, 0, sizeof(count));
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	source = (struct source){ .q = &q, .first = 0 };
	make_faults(&source);
	queue_answered(&q, FAULTS);
	for (i = 0; i < 20; i++) {
		sleeps = stats.sleeps;
		until((iof_handler_get_stats(handler, &stats), stats.sleeps > sleeps));
		assert_ok(abi_trigger(q.iommu, q.mock.idev, 0, i, IOMMU_PGFAULT_PERM_READ,
				      IOVA + (FAULTS + i) * PAGE));
		queue_answered(&q, FAULTS + i + 1);
	}
	assert_ok(iof_handler_close(handler));
	assert_int_equal(queue_stats(&q).success, FAULTS + 20);
	queue_close(&q);
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns how often the thread slept, or -1. */
static long sleeps_of(const char *tid)
{
	char path[300], line[200];
	long sleeps = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Name:", 5) && !strstr(line, "iof-handler"))
			break;
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps) == 1)
			break;
	}
	if (f)
		fclose(f);
	return sleeps;
}

/* Returns how often the handler's threads slept, except the two that slept most. */
static long sleeps_of_spare_threads(void)
{
	long most[2] = { 0 }, sum = 0, sleeps;
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;

	while (tasks && (entry = readdir(tasks))) {
		sleeps = sleeps_of(entry->d_name);
		if (sleeps <= 0)
			continue;
		sum += sleeps;
		if (sleeps > most[0]) {
			most[1] = most[0];
			most[0] = sleeps;
		} else if (sleeps > most[1]) {
			most[1] = sleeps;
		}
	}
	if (tasks)
		closedir(tasks);
	return sum - most[0] - most[1];
}

/* An arrival wakes the thread that watches the queue, not those that have nothing to do. */
static void a_fault_wakes_one_of_eight_threads(void **state)
{
	static struct count count;
	struct iof_handler_config config = { .threads = 8, .fault = count_it, .arg = &count };
	struct iof_handler_stats stats = { 0 };
	struct iof_handler *handler;
	struct queue q;
	uint64_t sleeps;
	uint32_t i, tries;
	long begun;

	(void)state;
	memset(&count, 0, sizeof(count));
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	begun = milliseconds();
	for (i = 0; i < 500; i++) {
		/* Usually a thread sleeps again. One that sleeps still is not counted anew. */
		sleeps = stats.sleeps;
		for (tries = 0; tries < 100 && stats.sleeps == sleeps; tries++) {
			sched_yield();
			iof_handler_get_stats(handler, &stats);
		}
		queue_fault(&q, i, IOVA + i * PAGE);
		queue_answered(&q, i + 1);
	}
	/*
	 * Of the two, one watches, and one looks each millisecond whether that goes on. If the
	 * machine delays the watcher, the other takes its place, and wakes a third for its own.
	 */
	assert_true(sleeps_of_spare_threads() < 250 + 3 * (milliseconds() - begun));
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
}

#define WAITERS 3

struct meeting {
	int inside; /* atomic: number of callbacks that have begun in this round */
};

/* Returns only after callbacks for WAITERS + 1 faults have begun. */
static int wait_for_the_others(void *arg, const struct iof_fault_group *group)
{
	struct meeting *meeting = arg;
	int round_end;

	(void)group;
	round_end = (add(meeting->inside, 1) + WAITERS) / (WAITERS + 1) * (WAITERS + 1);
	until(load(meeting->inside) >= round_end);
	return IOF_SUCCESS;
}

static void *run_here(void *arg)
{
	return (void *)(intptr_t)iof_handler_run(arg);
}

/* @callers of the WAITERS + 1 threads are the caller's. */
static void callbacks_wait_for_each_other(uint32_t callers)
{
	struct meeting *meeting = calloc(1, sizeof(*meeting));
	struct iof_handler_config config = { .threads = WAITERS + 1 - callers,
					     .fault = wait_for_the_others,
					     .arg = meeting };
	pthread_t caller[WAITERS + 1];
	struct iof_handler *handler;
	struct queue q;
	int round, i;

	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	for (i = 0; i < (int)callers; i++)
		assert_ok(pthread_create(&caller[i], NULL, run_here, handler));
	/* In the first rounds callbacks seem to be short; later ones are known to take long. */
	for (round = 0; round < 30; round++) {
		for (i = 1; i <= WAITERS + 1; i++) {
			queue_fault(&q, (uint32_t)i, IOVA + (uint64_t)i * PAGE);
			until(load(meeting->inside) == round * (WAITERS + 1) + i);
		}
		queue_answered(&q, (uint64_t)(round + 1) * (WAITERS + 1));
	}
	iof_handler_stop(handler);
	for (i = 0; i < (int)callers; i++)
		assert_ok(pthread_join(caller[i], NULL));
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
	free(meeting);
}

static void a_callback_may_wait_for_another_fault(void **state)
{
	(void)state;
	callbacks_wait_for_each_other(0);
}

static void also_in_threads_of_the_caller(void **state)
{
	(void)state;
	callbacks_wait_for_each_other(2);
	callbacks_wait_for_each_other(WAITERS + 1);
}

static void two_threads_that_spin_a_little(void **state)
{
	(void)state;
	each_group_goes_to_one_thread_once(2, 50);
}

static void a_thread_that_never_sleeps(void **state)
{
	(void)state;
	each_group_goes_to_one_thread_once(1, IOF_HANDLER_BUSY);
}

static int stop_at_once(void *arg, const struct iof_fault_group *group)
{
	struct count *count = arg;

	(void)group;
	until(load(count->handler));
	iof_handler_stop(load(count->handler));
	iof_handler_stop(load(count->handler));
	store(count->close_result, iof_handler_close(load(count->handler)));
	if (iof_handler_wait(load(count->handler)) != -EDEADLK)
		return -EIO;
	add(count->groups, 1);
	return IOF_SUCCESS;
}

static void a_callback_may_stop_but_not_close(void **state)
{
	struct count *count = calloc(1, sizeof(*count));
	struct iof_handler_config config = { .threads = 2, .fault = stop_at_once, .arg = count };
	struct iof_handler *handler;
	struct queue q;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	store(count->handler, handler);
	queue_fault(&q, 1, IOVA);
	assert_ok(iof_handler_wait(handler));
	assert_int_equal(load(count->groups), 1);
	assert_err(load(count->close_result), EDEADLK);
	assert_int_equal(queue_stats(&q).success, 1);
	/* No thread reads until the handler is closed. */
	queue_fault(&q, 2, IOVA);
	assert_int_equal(iof_handler_run_once(handler, -1), 0);
	assert_int_equal(queue_stats(&q).invalid, 0);
	assert_ok(iof_handler_close(handler));
	assert_int_equal(queue_stats(&q).invalid, 1);
	queue_close(&q);
	free(count);
}

static struct iof_handler *signal_stops;

static void stop_from_a_signal(int sig)
{
	(void)sig;
	iof_handler_stop(signal_stops);
}

static void threads_asleep_stop_at_once(void **state)
{
	struct count *count = calloc(1, sizeof(*count));
	struct iof_handler_config config = { .threads = 3, .fault = count_it, .arg = count };
	struct sigaction action = { .sa_handler = stop_from_a_signal }, before;
	struct iof_handler *handler;
	struct queue q;
	int i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(sigaction(SIGUSR1, &action, &before));
	for (i = 0; i < 200; i++) {
		assert_ok(iof_handler_open(&config, &handler));
		/* Some threads sleep already, some have not even started. */
		if (i % 2) {
			queue_fault(&q, (uint32_t)i, IOVA);
			queue_answered(&q, (uint64_t)i / 2 + 1);
		}
		if (i % 4 < 2) {
			signal_stops = handler;
			raise(SIGUSR1);
		} else {
			iof_handler_stop(handler);
		}
		assert_ok(iof_handler_wait(handler));
		assert_ok(iof_handler_close(handler));
	}
	assert_ok(sigaction(SIGUSR1, &before, NULL));
	queue_close(&q);
	free(count);
}

static void a_thread_of_the_caller_becomes_the_handlers(void **state)
{
	struct count *count = calloc(1, sizeof(*count));
	struct iof_handler_config config = { .fault = count_it, .arg = count };
	struct iof_handler *handler;
	pthread_t thread;
	struct queue q;
	void *ret;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	assert_ok(pthread_create(&thread, NULL, run_here, handler));
	for (i = 0; i < 100; i++)
		queue_fault(&q, i, IOVA + i * PAGE);
	queue_answered(&q, 100);
	iof_handler_stop(handler);
	assert_ok(pthread_join(thread, &ret));
	assert_null(ret);
	assert_int_equal(load(count->groups), 100);
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
	free(count);
}

static void an_event_loop_waits_for_the_descriptor(void **state)
{
	struct count *count = calloc(1, sizeof(*count));
	struct iof_handler_config config = { .fault = count_it, .arg = count };
	struct epoll_event event = { .events = EPOLLIN };
	struct iof_handler *handler;
	struct queue q;
	int epoll;
	uint32_t i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_true(epoll >= 0);
	assert_ok(epoll_ctl(epoll, EPOLL_CTL_ADD, iof_handler_fd(handler), &event));
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
	for (i = 0; i < 10; i++) {
		queue_fault(&q, i, IOVA + i * PAGE);
		assert_int_equal(epoll_wait(epoll, &event, 1, -1), 1);
		assert_int_equal(iof_handler_run_once(handler, 0), 1);
		assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
	}
	assert_int_equal(queue_stats(&q).success, 10);
	close(epoll);
	/* A time-out ends the call, too. */
	assert_int_equal(iof_handler_run_once(handler, 1), 0);
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
	free(count);
}

static void note_error(void *arg, int err, const struct iof_fault_group *group)
{
	struct count *count = arg;

	if (!group)
		add(count->errors, 1);
	count->last_error = err;
}

static void a_broken_descriptor_ends_the_handler(void **state)
{
	struct count *count = calloc(1, sizeof(*count));
	struct iof_handler_config config = {
		.threads = 1,
		.fault = count_it,
		.error = note_error,
		.arg = count,
	};
	struct iof_handler *handler;
	int ends[2];

	(void)state;
	assert_ok(pipe(ends));
	config.fault_fd = ends[1]; /* this end of the pipe cannot be read */
	assert_ok(iof_handler_open(&config, &handler));
	assert_err(iof_handler_wait(handler), EBADF);
	assert_int_equal(load(count->errors), 1);
	assert_err(count->last_error, EBADF);
	assert_err(iof_handler_close(handler), EBADF);
	close(ends[0]);
	close(ends[1]);
	free(count);
}

static void opening_and_closing_costs_nothing(void **state)
{
	struct count *count = calloc(1, sizeof(*count));
	struct iof_handler_config config = { .threads = 3, .fault = count_it, .arg = count };
	struct iof_handler *handler;
	struct queue q;
	int i;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	for (i = 0; i < 100; i++) {
		assert_ok(iof_handler_open(&config, &handler));
		queue_fault(&q, (uint32_t)i, IOVA);
		assert_ok(iof_handler_close(handler));
	}
	assert_int_equal(queue_stats(&q).success + queue_stats(&q).invalid, 100);
	queue_close(&q);
	free(count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_sleeping_threads),
		cmocka_unit_test(an_adaptive_thread_sleeps_between_faults),
		cmocka_unit_test(a_fault_wakes_one_of_eight_threads),
		cmocka_unit_test(a_callback_may_wait_for_another_fault),
		cmocka_unit_test(also_in_threads_of_the_caller),
		cmocka_unit_test(two_threads_that_spin_a_little),
		cmocka_unit_test(a_thread_that_never_sleeps),
		cmocka_unit_test(a_callback_may_stop_but_not_close),
		cmocka_unit_test(threads_asleep_stop_at_once),
		cmocka_unit_test(a_thread_of_the_caller_becomes_the_handlers),
		cmocka_unit_test(an_event_loop_waits_for_the_descriptor),
		cmocka_unit_test(a_broken_descriptor_ends_the_handler),
		cmocka_unit_test(opening_and_closing_costs_nothing),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
