/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - what the tests in the kernel's world share: the kernel's /dev/iommu, a mock device
 * with a fault queue, and the checks that all is as before when everything is closed.
 *
 * They use the wrappers of tests/abi/abi.h on real descriptors, so that fork, dup, io_uring and
 * SCM_RIGHTS can be tested. Without a /dev/iommu that has test ioctls, kernel_needed() skips the
 * program with the reason.
 */
#ifndef TESTS_KERNEL_H
#define TESTS_KERNEL_H

#include "../abi/abi.h"

#include <sys/types.h>
#include <unistd.h>

/* Skips the program if there is no such kernel. Call it first in main(). */
void kernel_needed(const char *program);

/*
 * Is this one of the kernels of `make vm-debug`? Their checks cost time at each access and keep
 * freed memory for a while, so that their figures prove nothing.
 */
bool kernel_for_debugging(void);

/* Skips a test that cannot run here, with the reason. */
#define skip_because(...)                                 \
	do {                                              \
		print_message("# skipped: " __VA_ARGS__); \
		print_message("\n");                      \
		skip();                                   \
	} while (0)

/* A context with a mock device attached to a fault-capable HWPT. */
struct bed {
	int fd, ffd; /* -1: the test has closed it */
	uint32_t ioas, fault, hwpt;
	struct abi_mock mock;
};
void bed_make(struct bed *bed);
void bed_close(struct bed *bed);
/*
 * For cmocka: makes a bed in *state. Teardown closes everything, and checks that nothing is left.
 */
int bed_setup(void **state);
int bed_teardown(void **state);
void bed_trigger(const struct bed *bed, uint32_t grpid);
uint32_t bed_take(const struct bed *bed); /* reads one group and returns its cookie */
void bed_stats(const struct bed *bed, struct iof_test_stats *stats);

/* Numbers of references that all programs hold to the module, and of pages that are pinned. */
struct holdings {
	long refs;	     /* references of the module; 0 if it is built into the kernel */
	long pins;	     /* number of pages pinned and not yet unpinned, in the whole system */
	long pin_kb, lck_kb; /* VmPin and VmLck of this process */
};
void holdings_now(struct holdings *now);
/*
 * Waits until the numbers of @then are reached again, since files of rings and of killed processes
 * are closed a little later. Fails the test after ten seconds.
 */
void holdings_back(const struct holdings *then);

/* Counts tasks of this process by the prefix of their name; io_uring's workers are "iou-wrk". */
int tasks_named(const char *prefix);
/* Returns the number after @key in a file like /proc/self/status; -1: there is none. */
long number_in(const char *path, const char *key);
/* Waits for @pid. Returns its exit status, or minus the signal that ended it. */
int exit_of(pid_t pid);

#endif
