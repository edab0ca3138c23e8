// SPDX-License-Identifier: MIT
/*
 * twice.c - proves that under `iofault run` a structure that another thread changes during the call
 * is read once. Each queue in the server has a descriptor here; no device is bound to a context
 * that this process does not hold; and the executed test command is the one that was checked.
 */
#include "../abi/abi.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Number of rounds; they go on until one has succeeded. */
#define ROUNDS 4000

/* A thread that changes a word between two values until it is told to stop. */
struct flipper {
	uint32_t *word, one, other;
	int stop; /* atomic: tells the thread to stop */
	pthread_t thread;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		__atomic_store_n(f->word, f->one, __ATOMIC_RELAXED);
		for (volatile int i = 0; i < 300; i++)
			;
		__atomic_store_n(f->word, f->other, __ATOMIC_RELAXED);
		for (volatile int i = 0; i < 300; i++)
			;
	}
	return NULL;
}

static void begin_flipping(struct flipper *f, void *word, uint32_t one, uint32_t other)
{
	*f = (struct flipper){ .word = word, .one = one, .other = other };
	assert_false(pthread_create(&f->thread, NULL, flip, f));
}

static void end_flipping(struct flipper *f)
{
	__atomic_store_n(&f->stop, 1, __ATOMIC_RELAXED);
	pthread_join(f->thread, NULL);
}

static void each_queue_has_its_descriptor(void **state)
{
	struct iommu_fault_alloc cmd = { 0 };
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), made = 0;
	struct flipper f;

	(void)state;
	assert_true(fd >= 0);
	begin_flipping(&f, &cmd.size, 8, sizeof(cmd));
	for (int i = 0; i < ROUNDS || !made; i++) {
		cmd.out_fault_fd = 9999;
		if (ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd))
			continue;
		assert_int_not_equal(fcntl((int)cmd.out_fault_fd, F_GETFD), -1);
		close((int)cmd.out_fault_fd);
		made++;
	}
	end_flipping(&f);
	close(fd);
}

/* Numbers of the server's descriptors have no meaning here. */
static void a_device_is_bound_to_what_the_caller_holds(void **state)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), status;
	pid_t child;

	(void)state;
	assert_true(fd >= 0);
	child = fork();
	if (!child) {
		struct vfio_device_bind_iommufd bind = { 0 };
		int device = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
		struct flipper f;

		close(fd);
		begin_flipping(&f, &bind.argsz, 8, sizeof(bind));
		for (int i = 0; i < 4 * ROUNDS; i++) {
			bind.iommufd = i % 64;
			/* the device's own number is no context */
			if (!ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
				_exit(1);
		}
		end_flipping(&f);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
}

static void a_test_command_is_the_one_looked_at(void **state)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd) };
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), made = 0;
	struct flipper f;

	(void)state;
	assert_true(fd >= 0);
	cmd.id = (uint32_t)abi_ioas(fd);
	begin_flipping(&f, &cmd.op, IOMMU_TEST_OP_CREATE_ACCESS, IOMMU_TEST_OP_MD_CHECK_REFS);
	for (int i = 0; i < ROUNDS || !made; i++) {
		cmd.create_access.out_access_fd = 9999;
		cmd.create_access.flags = 0;
		if (ioctl(fd, IOMMU_TEST_CMD, &cmd) || cmd.create_access.out_access_fd == 9999)
			continue;
		assert_int_not_equal(fcntl((int)cmd.create_access.out_access_fd, F_GETFD), -1);
		close((int)cmd.create_access.out_access_fd);
		made++;
	}
	end_flipping(&f);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_queue_has_its_descriptor),
		cmocka_unit_test(a_device_is_bound_to_what_the_caller_holds),
		cmocka_unit_test(a_test_command_is_the_one_looked_at),
	};

	return cmocka_run_group_tests_name("twice", tests, NULL, NULL);
}
