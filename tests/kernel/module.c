// SPDX-License-Identifier: MIT
/*
 * module.c - proves that the module cannot be unloaded while a program holds anything of it, in
 * whatever way, and that it can be once all is closed.
 */
#include "dma.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static long users(void)
{
	return number_in("/sys/module/iofault/refcnt", "");
}

/* Tries to unload the module. It must fail, since every caller holds something. */
static void cannot_be_unloaded(void)
{
	assert_true(users() > 0);
	assert_true(syscall(SYS_delete_module, "iofault", O_NONBLOCK) == -1);
	assert_int_equal(errno, EWOULDBLOCK);
}

static int setup(void **state)
{
	static struct dma d;

	assert_int_equal(users(), 0);
	dma_open(&d);
	*state = &d;
	return 0;
}

/* If a ring or a socket had the last users, work items of the system drop them. */
static int teardown(void **state)
{
	time_t end = time(NULL) + 10;

	dma_close(*state);
	while (users() && time(NULL) < end)
		sched_yield();
	assert_int_equal(users(), 0);
	return 0;
}

static void close_both(struct dma *d)
{
	close(d->dev);
	close(d->fd);
	d->dev = -1;
	d->fd = -1;
}

static void each_node_keeps_it(void **state)
{
	struct dma *d = *state;

	cannot_be_unloaded();
	close(d->fd);
	d->fd = -1;
	/* The binding holds the module. */
	cannot_be_unloaded();
	close(d->dev);
	d->dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	assert_true(d->dev >= 0);
	cannot_be_unloaded();
}

static void a_fault_queue_keeps_it(void **state)
{
	struct dma *d = *state;
	uint32_t id;
	int ffd;

	assert_ok(abi_fault_queue(d->fd, &id, &ffd));
	close_both(d);
	cannot_be_unloaded();
	close(ffd);
}

static void a_descriptor_on_its_way_keeps_it(void **state)
{
	struct dma *d = *state;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { "", 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int pair[2];

	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	memcpy(CMSG_DATA(&control.head), &d->fd, sizeof(int));
	assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
	close_both(d);
	cannot_be_unloaded();
	close(pair[0]);
	/* No reader will receive the descriptor. */
	close(pair[1]);
}

static void another_process_keeps_it(void **state)
{
	struct dma *d = *state;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	close_both(d);
	cannot_be_unloaded();
	kill(pid, SIGKILL);
	assert_int_equal(exit_of(pid), -SIGKILL);
}

/* epoll holds nothing: the last close of a descriptor removes it. */
static void epoll_does_not_keep_it(void **state)
{
	struct dma *d = *state;
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), ffd;
	uint32_t id;

	assert_ok(abi_fault_queue(d->fd, &id, &ffd));
	assert_ok(epoll_ctl(ep, EPOLL_CTL_ADD, ffd, &event));
	close(ffd);
	close_both(d);
	assert_int_equal(users(), 0);
	assert_int_equal(epoll_wait(ep, &event, 1, 0), 0);
	close(ep);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_node_keeps_it),
		T(a_fault_queue_keeps_it),
		T(a_descriptor_on_its_way_keeps_it),
		T(another_process_keeps_it),
		T(epoll_does_not_keep_it),
	};

	kernel_needed("kernel/module");
	if (number_in("/sys/module/iofault/refcnt", "") < 0) {
		printf("1..0 # SKIP kernel/module: /dev/iommu is not a module's\n");
		return 0;
	}
	return cmocka_run_group_tests_name("module", tests, NULL, NULL);
}
