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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAITERS 40
#define ROUNDS	300
#define CALLERS 4
#define STEADY	2000

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

struct provider {
	int uffd;
	int rounds;
	const void *content;
	pthread_t thread;
};

/* Makes calls of its own before it provides the page that another call waits for. */
static void *provide(void *arg)
{
	const struct provider *provider = arg;
	struct uffd_msg msg;
	struct stat st;
	int id;

	for (int i = 0; i < provider->rounds; i++) {
		struct uffdio_copy copy = { .src = (uintptr_t)provider->content, .len = 4096 };

		if (read(provider->uffd, &msg, sizeof(msg)) != sizeof(msg))
			return "no page was requested";
		id = abi_ioas(fd);
		if (id <= 0 || abi_destroy(fd, (uint32_t)id) || fstat(fd, &st))
			return "a call failed";
		copy.dst = msg.arg.pagefault.address & ~4095ull;
		if (ioctl(provider->uffd, UFFDIO_COPY, &copy))
			return "UFFDIO_COPY failed";
	}
	return NULL;
}

/* Returns memory whose pages are provided with @content, or NULL: that is not possible here. */
static char *provided_memory(struct provider *provider, int rounds, const void *content)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *memory;

	*provider = (struct provider){
		.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC),
		.rounds = rounds,
		.content = content,
	};
	if (provider->uffd < 0 || ioctl(provider->uffd, UFFDIO_API, &api))
		return NULL;
	memory = mmap(NULL, (size_t)rounds * 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	reg.range.start = (uintptr_t)memory;
	reg.range.len = (uint64_t)rounds * 4096;
	assert_ok(ioctl(provider->uffd, UFFDIO_REGISTER, &reg));
	assert_ok(pthread_create(&provider->thread, NULL, provide, provider));
	return memory;
}

static void end_providing(struct provider *provider, char *memory)
{
	void *bad;

	assert_ok(pthread_join(provider->thread, &bad));
	assert_null(bad);
	munmap(memory, (size_t)provider->rounds * 4096);
	close(provider->uffd);
}

/* After many calls of one caller a single thread serves it, and keeps listening meanwhile. */
static void a_steady_callers_ioctl_waits(void **state)
{
	static char page[4096];
	const struct iommu_ioas_alloc content = { .size = sizeof(content) };
	struct provider provider;
	char *memory = provided_memory(&provider, 3, page);

	(void)state;
	if (!memory)
		skip_because("userfaultfd is not allowed here");
	memcpy(page, &content, sizeof(content));
	for (int i = 0; i < provider.rounds; i++) {
		for (int j = 0; j < STEADY; j++)
			assert_int_equal(abi_destroy(fd, 0), -ENOENT);
		assert_null(alloc_there(memory + i * 4096));
	}
	end_providing(&provider, memory);
}

/* The same of calls that seccomp traps. */
static void a_steady_callers_stat_waits(void **state)
{
	static char page[4096] = "/dev/iommu";
	struct provider provider;
	char *memory = provided_memory(&provider, 3, page);
	struct stat st;

	(void)state;
	if (!memory)
		skip_because("userfaultfd is not allowed here");
	for (int i = 0; i < provider.rounds; i++) {
		for (int j = 0; j < STEADY; j++)
			assert_ok(fstat(fd, &st));
		assert_ok(stat(memory + i * 4096, &st));
		assert_true(S_ISCHR(st.st_mode));
	}
	end_providing(&provider, memory);
}

/* Each call of one caller waits. */
static void one_caller_waits_again_and_again(void **state)
{
	static char page[4096];
	const struct iommu_ioas_alloc content = { .size = sizeof(content) };
	struct provider provider;
	char *memory = provided_memory(&provider, ROUNDS, page);

	(void)state;
	if (!memory)
		skip_because("userfaultfd is not allowed here");
	memcpy(page, &content, sizeof(content));
	for (int i = 0; i < ROUNDS; i++)
		assert_null(alloc_there(memory + i * 4096));
	end_providing(&provider, memory);
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
		cmocka_unit_test(a_steady_callers_ioctl_waits),
		cmocka_unit_test(a_steady_callers_stat_waits),
		cmocka_unit_test(one_caller_waits_again_and_again),
		cmocka_unit_test(a_closed_queue_is_gone),
		cmocka_unit_test(callers_move_and_change),
	};

	kernel_needed("run/turns");
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
