/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - what the tests in the kernel's world share: the kernel's /dev/iommu, a mock device
 * with a fault queue, and the checks that all is as before when everything is closed. They use the
 * wrappers of tests/abi/abi.h on real descriptors, so that fork, dup, io_uring and SCM_RIGHTS can
 * be tested. Without a /dev/iommu that has test ioctls, kernel_needed() skips the program with the
 * reason.
 */
#ifndef TESTS_KERNEL_H
#define TESTS_KERNEL_H

#include "../abi/abi.h"

#include <sys/types.h>
#include <unistd.h>

/* To be called first in main(). */
void kernel_needed(const char *program);

/*
 * Whether this is one of the kernels of `make vm-debug`. What they are built with costs time at
 * each access, and keeps freed memory for a while: figures of theirs prove nothing.
 */
bool kernel_for_debugging(void);

/* A test that cannot run here says why. */
#define skip_because(...)                                 \
	do {                                              \
		print_message("# skipped: " __VA_ARGS__); \
		print_message("\n");                      \
		skip();                                   \
	} while (0)

/* A context with a mock device attached to a fault-capable HWPT. */
struct bed {
	int fd, ffd; /* -1: the test closed it */
	uint32_t ioas, fault, hwpt;
	struct abi_mock mock;
};
void bed_make(struct bed *bed);
void bed_close(struct bed *bed);
/* For cmocka: a bed in *state; afterwards everything is closed and nothing may be left. */
int bed_setup(void **state);
int bed_teardown(void **state);
void bed_trigger(const struct bed *bed, uint32_t grpid);
uint32_t bed_take(const struct bed *bed); /* reads one; the cookie */
void bed_stats(const struct bed *bed, struct iof_test_stats *stats);

/* What programs hold in the module and of their own memory. */
struct holdings {
	long refs;	     /* of the module; 0 where it is part of the kernel */
	long pins;	     /* pages pinned and not yet unpinned, in the whole system */
	long pin_kb, lck_kb; /* VmPin and VmLck of this process */
};
void holdings_now(struct holdings *now);
/*
 * Until @then is reached again, since files of a process that was killed and of rings are closed a
 * little later; fails the test when it does not come to that in ten seconds.
 */
void holdings_back(const struct holdings *then);

/* Tasks of this process with a name that starts with @prefix; io_uring's workers are "iou-wrk". */
int tasks_named(const char *prefix);
/* A number from a file like /proc/self/status, after @key; -1: not there. */
long number_in(const char *path, const char *key);
/* Waits for @pid; its exit status, or minus the signal that ended it. */
int exit_of(pid_t pid);

#endif
