/* SPDX-License-Identifier: MIT */
/*
 * setup.h - what the tests of handler and pager share: a mock device with a fault queue, a DMA
 * engine with its pager, and waits without guessed times.
 *
 * They use public calls only; ../abi/abi.h has the commands.
 */
#ifndef TESTS_HANDLER_SETUP_H
#define TESTS_HANDLER_SETUP_H

#include "../abi/abi.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/idxd.h>

#include <iofault/handler.h>
#include <iofault/pager.h>

/*
 * Waits for a condition that must come true. The runner's time limit ends a test that waits in
 * vain.
 */
#define until(condition)               \
	do {                           \
		while (!(condition))   \
			sched_yield(); \
	} while (0)

#define load(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define store(x, value) __atomic_store_n(&(x), value, __ATOMIC_RELEASE)
#define add(x, value)	__atomic_add_fetch(&(x), value, __ATOMIC_ACQ_REL)

/* A mock device that sends its faults to a queue. */
struct queue {
	struct iof_world *world;
	int iommu;
	int ioas;
	int hwpt;
	int fault_fd;
	uint32_t fault_id;
	struct abi_mock mock;
};

void queue_open(struct queue *q);
void queue_close(struct queue *q);
/* Raises one fault: a group of one page. */
void queue_fault(struct queue *q, uint32_t grpid, uint64_t addr);
/* Raises one page of a longer group. */
void queue_page(struct queue *q, uint32_t grpid, uint64_t addr, bool last);
/* Returns the device's counts of answers. */
struct iof_test_stats queue_stats(struct queue *q);
/* Waits until the device has had @nr answers of any kind. */
void queue_answered(struct queue *q, uint64_t nr);

/* A DMA engine with a pager. Its completion records are at COMPLETIONS of PASID 0. */
#define COMPLETIONS (1ull << 40)
#define RECORD	    64u
#define RECORDS	    1024u

struct engine {
	struct iof_world *world;
	struct iof_pager *pager;
	char *records;
	uint32_t submitted;
	int errors;	/* atomic: number of calls of the error callback */
	int last_error; /* atomic: error of the last call */
};

/* Opens an engine. @dsa may be NULL. Fills in config.error and config.arg. */
void engine_open(struct engine *e, const struct iof_dsa_config *dsa,
		 struct iof_pager_config *config);
void engine_close(struct engine *e);
/* Maps the completion records in another PASID, too. */
void engine_records(struct engine *e, uint32_t pasid);

/* Submits a descriptor and returns the number of its completion record. */
uint32_t engine_start(struct engine *e, struct dsa_hw_desc desc);
/* Waits for a descriptor. Returns its status, without the bit for the direction of a fault. */
uint8_t engine_wait(struct engine *e, uint32_t number);
volatile struct dsa_completion_record *engine_record(struct engine *e, uint32_t number);
/* Does one copy and waits for it. */
uint8_t engine_copy(struct engine *e, uint32_t pasid, uint64_t to, uint64_t from, uint32_t bytes);
uint8_t engine_fill(struct engine *e, uint32_t pasid, uint64_t to, uint64_t pattern,
		    uint32_t bytes);
struct iof_pager_stats engine_stats(struct engine *e);

/* Returns a memfd of @bytes bytes; with a pattern that no two pages share, or of zeros. */
int file_new(size_t bytes, bool pattern);
void file_read(int fd, size_t offset, void *memory, size_t bytes);

/* A test for the list: from here on io_uring_setup() fails, as in a container. */
void io_uring_is_refused(void **state);

#endif
