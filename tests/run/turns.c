// SPDX-License-Identifier: MIT
/*
 * turns.c - proves that under `iofault run` a call that waits for the program keeps no other call
 * waiting, as often as it happens; that callers on different processors are served in any mix; and
 * that a queue is gone for every caller when close() has returned.
 */
#include "../abi/abi.h"
#include "../kernel/dma.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAITERS 40
#define ROUNDS	300
#define CALLERS 4

static int fd; /* /dev/iommu */

/* Allocates an I/O address space with a structure at @arg. Returns NULL, or a text. */
static void *alloc_there(void *arg)
{
	struct iommu_ioas_alloc *alloc = arg;

	if (ioctl(fd, IOMMU_IOAS_ALLOC, alloc))
		return "IOAS_ALLOC failed";
	return abi_destroy(fd, alloc->out_ioas_id) ? "DESTROY failed" : NULL;
}

/* Each structure is in a page that the program brings in when it is requested. */
static void waiting_ioctls_leave_others_alone(void **state)
{
	const struct iommu_ioas_alloc content = { .size = sizeof(content) };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	static char page[4096];
	pthread_t threads[WAITERS];
	struct uffd_msg msg;
	char *memory;
	void *bad;
	int id;

	(void)state;
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		skip_because("userfaultfd is not allowed here");
	memcpy(page, &content, sizeof(content));
	memory = mmap(NULL, WAITERS * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	reg.range.start = (uintptr_t)memory;
	reg.range.len = WAITERS * 4096;
	assert_ok(ioctl(uffd, UFFDIO_REGISTER, &reg));
	for (int i = 0; i < WAITERS; i++)
		assert_ok(pthread_create(&threads[i], NULL, alloc_there, memory + i * 4096));
	for (int i = 0; i < WAITERS; i++) {
		struct uffdio_copy copy = { .src = (uintptr_t)page, .len = 4096 };

		assert_int_equal(read(uffd, &msg, sizeof(msg)), sizeof(msg));
		assert_int_equal(msg.event, UFFD_EVENT_PAGEFAULT);
		id = abi_ioas(fd);
		assert_true(id > 0);
		assert_ok(abi_destroy(fd, (uint32_t)id));
		copy.dst = msg.arg.pagefault.address & ~4095ull;
		assert_ok(ioctl(uffd, UFFDIO_COPY, &copy));
	}
	for (int i = 0; i < WAITERS; i++) {
		assert_ok(pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	munmap(memory, WAITERS * 4096);
	close(uffd);
}

/* One caller, whose every call waits: the program answers it with a call of its own. */
static void one_caller_waits_again_and_again(void **state)
{
	const struct iommu_ioas_alloc content = { .size = sizeof(content) };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	static char page[4096];
	struct uffd_msg msg;
	char *memory;
	pid_t pid;
	int status;

	(void)state;
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		skip_because("userfaultfd is not allowed here");
	memcpy(page, &content, sizeof(content));
	/* shared, so that a child has the memory that its parent provides */
	memory = mmap(NULL, ROUNDS * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(memory != MAP_FAILED);
	reg.range.start = (uintptr_t)memory;
	reg.range.len = ROUNDS * 4096;
	assert_ok(ioctl(uffd, UFFDIO_REGISTER, &reg));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		for (int i = 0; i < ROUNDS; i++) {
			struct uffdio_copy copy = { .src = (uintptr_t)page, .len = 4096 };

			if (read(uffd, &msg, sizeof(msg)) != sizeof(msg) || abi_ioas(fd) <= 0)
				_exit(1);
			copy.dst = msg.arg.pagefault.address & ~4095ull;
			if (ioctl(uffd, UFFDIO_COPY, &copy))
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < ROUNDS; i++)
		assert_null(alloc_there(memory + i * 4096));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	munmap(memory, ROUNDS * 4096);
	close(uffd);
}

/* Returns NULL, or a text. */
static void *close_and_destroy(void *arg)
{
	uint32_t fault;
	int queue;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		if (abi_fault_queue(fd, &fault, &queue))
			return "FAULT_QUEUE_ALLOC failed";
		close(queue);
		/* EBUSY: the descriptor still exists */
		if (abi_destroy(fd, fault))
			return "DESTROY failed";
	}
	return NULL;
}

static void a_closed_queue_is_gone(void **state)
{
	pthread_t threads[CALLERS];
	void *bad;

	(void)state;
	assert_null(close_and_destroy(NULL));
	for (int i = 0; i < CALLERS; i++)
		assert_ok(pthread_create(&threads[i], NULL, close_and_destroy, NULL));
	for (int i = 0; i < CALLERS; i++) {
		assert_ok(pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	assert_null(close_and_destroy(NULL));
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* EINVAL: it is not one of ours */
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* One caller moves between processors while others come and go. */
static void callers_move_and_change(void **state)
{
	cpu_set_t all;
	int status;

	(void)state;
	assert_ok(sched_getaffinity(0, sizeof(all), &all));
	for (int round = 0; round < 20; round++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			int own = open("/dev/iommu", O_RDWR | O_CLOEXEC), id;

			run_on(round % 2);
			for (int i = 0; i < ROUNDS; i++) {
				id = abi_ioas(own);
				if (id <= 0 || abi_destroy(own, (uint32_t)id))
					_exit(1);
			}
			_exit(0);
		}
		for (int i = 0; i < ROUNDS; i++) {
			int id = abi_ioas(fd);

			if (i % 50 == 0)
				run_on(i / 50 % 2);
			assert_true(id > 0);
			assert_ok(abi_destroy(fd, (uint32_t)id));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_ok(sched_setaffinity(0, sizeof(all), &all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_ioctls_leave_others_alone),
		cmocka_unit_test(one_caller_waits_again_and_again),
		cmocka_unit_test(a_closed_queue_is_gone),
		cmocka_unit_test(callers_move_and_change),
	};

	kernel_needed("run/turns");
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
