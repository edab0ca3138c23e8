// SPDX-License-Identifier: MIT
/*
 * forks.c - proves that in a child of the process that has an embedded world each call on that
 * world, its descriptors, a handler and a pager fails at once with ECHILD. Other descriptors and
 * exec work there, and the parent goes on.
 */
#include "setup.h"

#include <sys/wait.h>

/* Checks a condition in the child. Its exit status is the number of the line that failed. */
#define CHILD(condition)                                              \
	do {                                                          \
		if (!(condition))                                     \
			_exit(__LINE__ & 0x7f ? __LINE__ & 0x7f : 1); \
	} while (0)

static int answer(void *arg, const struct iof_fault_group *group)
{
	(void)arg;
	(void)group;
	return IOF_SUCCESS;
}

static void expect_child(pid_t child)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* a18: calls on a parent's world fail in a child. */
static void each_call_on_a_world_fails(void **state)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLOUT } };
	struct iof_world *other;
	char text[256];
	struct queue q;
	int pipefd[2];
	pid_t child;

	(void)state;
	queue_open(&q);
	queue_fault(&q, 1, IOVA);
	assert_ok(pipe(pipefd));
	fds[0].fd = q.fault_fd;
	fds[1].fd = pipefd[1];
	child = fork();
	if (!child) {
		struct iovec iov = { text, sizeof(struct iommu_hwpt_pgfault) };

		alarm(30);
		CHILD(iof_ioctl(q.iommu, IOMMU_IOAS_ALLOC, &alloc) == -ECHILD);
		CHILD(iof_read(q.fault_fd, iov.iov_base, iov.iov_len) == -ECHILD);
		CHILD(iof_readv2(q.fault_fd, &iov, 1, 0) == -ECHILD);
		CHILD(iof_write(q.fault_fd, text, sizeof(struct iommu_hwpt_page_response)) ==
		      -ECHILD);
		CHILD(iof_writev2(q.fault_fd, &iov, 1, 0) == -ECHILD);
		CHILD(iof_pread(q.fault_fd, text, 8, 0) == -ECHILD);
		CHILD(iof_pwrite(q.fault_fd, text, 8, 0) == -ECHILD);
		CHILD(iof_fdinfo(q.fault_fd, text, sizeof(text)) == -ECHILD);
		CHILD(iof_set_readiness(q.fault_fd, 0) == -ECHILD);
		CHILD(iof_poll(fds, 1, -1) == -ECHILD);
		CHILD(iof_poll(fds, 2, -1) == -ECHILD);
		CHILD(!iof_thread_hold());
		CHILD(iof_close(q.fault_fd) == -ECHILD);
		CHILD(iof_open(q.world, "/dev/iommu", O_RDWR) == -ECHILD);
		CHILD(iof_world_close(q.world) == -ECHILD);
		CHILD(iof_world_open(&(struct iof_world_config){ .kind = IOF_WORLD_EMBEDDED },
				     &other) == -ECHILD);
		/* Descriptors of other files work as usual. */
		CHILD(iof_poll(&fds[1], 1, -1) == 1);
		CHILD(iof_write(pipefd[1], "x", 1) == 1);
		CHILD(iof_read(pipefd[0], text, 1) == 1 && text[0] == 'x');
		CHILD(!iof_close(pipefd[0]));
		execlp("true", "true", NULL);
		_exit(127);
	}
	expect_child(child);
	assert_int_equal(abi_readable(q.fault_fd), 1);
	close(pipefd[0]);
	close(pipefd[1]);
	queue_close(&q);
}

/* Acts as a program that first checks for a world, and then forks for its work. */
static void a_child_may_open_its_own(void **state)
{
	struct queue q;
	pid_t child;

	(void)state;
	queue_open(&q);
	queue_close(&q);
	child = fork();
	if (!child) {
		alarm(30);
		queue_open(&q);
		queue_fault(&q, 1, IOVA);
		CHILD(abi_readable(q.fault_fd) == 1);
		queue_close(&q);
		_exit(0);
	}
	expect_child(child);
}

static void a_handler_neither_hangs_nor_answers(void **state)
{
	struct iof_handler_config config = { .threads = 2, .fault = answer };
	struct iof_handler_stats stats;
	struct iof_handler *handler;
	struct queue q;
	pid_t child;

	(void)state;
	queue_open(&q);
	config.fault_fd = q.fault_fd;
	assert_ok(iof_handler_open(&config, &handler));
	queue_fault(&q, 1, IOVA);
	queue_answered(&q, 1);
	child = fork();
	if (!child) {
		alarm(30);
		CHILD(iof_handler_respond(handler, 1, IOF_SUCCESS) == -ECHILD);
		CHILD(iof_handler_respond_many(handler, NULL, 0) == -ECHILD);
		CHILD(iof_handler_run_once(handler, -1) == -ECHILD);
		CHILD(iof_handler_run(handler) == -ECHILD);
		iof_handler_get_stats(handler, &stats);
		CHILD(!stats.groups);
		iof_handler_stop(handler);
		CHILD(iof_handler_wait(handler) == -ECHILD);
		CHILD(iof_handler_close(handler) == -ECHILD);
		_exit(0);
	}
	expect_child(child);
	/* The child has not stopped the handler. */
	queue_fault(&q, 2, IOVA);
	queue_answered(&q, 2);
	assert_ok(iof_handler_close(handler));
	queue_close(&q);
}

static void a_pager_neither_hangs_nor_pages(void **state)
{
	struct iof_pager_config config = { .resident = 64 * PAGE };
	struct iof_source *zero;
	struct engine e;
	pid_t child;

	(void)state;
	engine_open(&e, NULL, &config);
	assert_ok(iof_source_zero(16 * PAGE, -1, &zero));
	assert_ok(iof_pager_map(e.pager, 0, 1ull << 32, 16 * PAGE, zero, 0, IOF_PAGER_WRITE));
	child = fork();
	if (!child) {
		struct iof_pager_stats stats;

		alarm(30);
		CHILD(iof_pager_map(e.pager, 0, 2ull << 32, PAGE, zero, 0, 0) == -ECHILD);
		CHILD(iof_pager_unmap(e.pager, 0, 1ull << 32, PAGE, ~0u) == -ECHILD);
		CHILD(iof_pager_pin(e.pager, 0, 1ull << 32, PAGE) == -ECHILD);
		CHILD(iof_pager_unpin(e.pager, 0, 1ull << 32, PAGE) == -ECHILD);
		CHILD(iof_pager_populate(e.pager, 0, 1ull << 32, PAGE) == -ECHILD);
		CHILD(iof_pager_refuse(e.pager, 0, 1ull << 32, PAGE) == -ECHILD);
		CHILD(iof_pager_sync(e.pager, 0, 1ull << 32, PAGE) == -ECHILD);
		CHILD(iof_pager_attach(e.pager, 5) == -ECHILD);
		CHILD(iof_pager_detach(e.pager, 0) == -ECHILD);
		CHILD(!iof_pager_hwpt(e.pager, 0));
		CHILD(iof_pager_error(e.pager));
		iof_pager_get_stats(e.pager, &stats);
		CHILD(!stats.frames);
		CHILD(iof_pager_close(e.pager) == -ECHILD);
		_exit(0);
	}
	expect_child(child);
	assert_int_equal(engine_fill(&e, 0, 1ull << 32, 7, 16 * PAGE), DSA_COMP_SUCCESS);
	iof_source_free(zero);
	engine_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_on_a_world_fails),
		cmocka_unit_test(a_child_may_open_its_own),
		cmocka_unit_test(a_handler_neither_hangs_nor_answers),
		cmocka_unit_test(a_pager_neither_hangs_nor_pages),
	};

	return cmocka_run_group_tests_name("forks", tests, NULL, NULL);
}
