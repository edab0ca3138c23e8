/* SPDX-License-Identifier: MIT */
/*
 * env.h - what the tests of the core's objects share: a space with an "iommu" node, an open file of
 * it, and each command as a function.
 *
 * Includes the headers of cmocka, the shim's kernel headers and the fake driver, in the one order
 * that compiles. Wrappers return 0, an id or a descriptor, or a negative errno. env_setup() and
 * env_teardown() are for cmocka's tables: each test has a fresh space and file in *state; at its
 * end no object may be alive.
 */
#ifndef TESTS_UNIT_ENV_H
#define TESTS_UNIT_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "shim/fault.h"
#include "shim/sys.h"

#include "core/fault_queue.h"
#include "core/iopf.h"
#include "core/sva.h"
#include "fake_driver.h"

#define assert_ok(call)	      assert_int_equal(call, 0)
#define assert_err(call, err) assert_int_equal(call, -(err))
#define assert_id(call)	      assert_true((call) > 0)

struct env {
	struct iof_plat_space *space;
	struct iof_plat_node *node;
	int fd;		     /* descriptor of an open "iommu" node */
	struct iof_ctx *ctx; /* its context, without a reference */
};

int env_setup(void **state);
int env_teardown(void **state);

int env_open(struct env *env); /* opens the node once more */
void env_close(int fd);
struct iof_ctx *env_ctx(int fd); /* returns the context, without a reference */

int env_ioctl(int fd, unsigned long cmd, void *arg);
int env_ioas(int fd);
int env_destroy(int fd, u32 id);
/* maps at @iova, readable and writable */
int env_map(int fd, u32 ioas, void *memory, size_t length, u64 iova);
int env_hwpt(int fd, u32 dev, u32 pt, u32 flags);
int env_hwpt_fault(int fd, u32 dev, u32 pt, u32 flags, u32 fault_id);
/* Allocates a nested HWPT with VT-d data; @fault_id 0: without a queue. */
int env_nested(int fd, u32 dev, u32 parent, u32 flags, u32 fault_id);
int env_queue(int fd, u32 *id, int *fault_fd);

/* Binds, without a hold on the context; stops the test on failure. */
struct iof_device *env_bind(struct env *env, struct fake_dev *dev);
/* Attach or replace; return the id of the HWPT in force, or a negative errno. */
int env_attach(struct iof_device *idev, u32 pasid, u32 pt);
int env_replace(struct iof_device *idev, u32 pasid, u32 pt);
/* Returns the domain behind an HWPT of either kind. */
struct iof_domain *env_domain(struct env *env, u32 hwpt);

/* Reads records by one read; and responds to one group. */
int env_read(int fault_fd, struct iommu_hwpt_pgfault *recs, unsigned int n);
int env_answer(int fault_fd, u32 cookie, u32 code);

/* Returns a page of memory that can be read and not written, beginning with @len bytes of @data. */
void *env_read_only(const void *data, size_t len);
void env_free_page(void *page);

#endif
