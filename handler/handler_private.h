/* SPDX-License-Identifier: MIT */
/*
 * handler_private.h - what handler.c, worker.c and answers.c share.
 *
 * A handler has workers: one for each of its threads, and one for each thread of the caller that
 * runs it at the moment. A worker owns the buffers of one batch; nothing in it is touched by
 * another thread, except its statistics. Groups that are answered LATER are remembered in one
 * table, so that closing the handler can answer them.
 *
 * Lock order: handler.lock, then worker.stats_lock. Neither is held across a callback, read or
 * write.
 */
#ifndef IOF_HANDLER_PRIVATE_H
#define IOF_HANDLER_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <iofault/handler.h>

#include "forked.h"

/* Cookies of groups that were answered LATER; answers.c. */
enum iof_open_state {
	IOF_OPEN_NONE = 0, /* the place is empty */
	IOF_OPEN_WAITS,	   /* the group waits for its answer */
	IOF_OPEN_EARLY,	   /* answered before the callback had said LATER */
};

struct iof_open_entry {
	uint32_t cookie;
	uint32_t state; /* enum iof_open_state */
};

/* Linear probing; at most half full. All under handler.lock. */
struct iof_open_table {
	struct iof_open_entry *entries;
	uint32_t size;	  /* a power of two, or 0 before the first entry */
	uint32_t waiting; /* entries that are WAITS */
	uint32_t early;	  /* entries that are EARLY; read without the lock as a hint */
};

struct iof_tally {
	uint64_t success;
	uint64_t invalid;
	uint64_t late;
};

struct iof_worker {
	struct iof_worker *next;      /* in handler.workers; fixed once there */
	struct iof_worker *next_idle; /* in handler.idle; handler.lock */
	struct iof_handler *handler;
	pthread_t thread; /* of a worker that has one */
	/*
	 * Atomic. A thread of the handler's own on an embedded world, which sleeps on the fault
	 * descriptor alone and is interrupted to stop; otherwise NULL.
	 */
	struct iof_thread *sleeper;

	struct iommu_hwpt_pgfault *records;
	struct iof_fault_group *groups;
	struct iommu_hwpt_page_response *answers;
	uint32_t *later; /* cookies of this batch that are answered LATER */
	uint32_t room;	 /* entries in each of the four */
	uint32_t failed; /* callbacks of this batch that failed */

	pthread_mutex_t stats_lock;
	struct iof_handler_stats stats; /* stats_lock; written by the owner alone */
};

struct iof_handler {
	struct iof_handler_config config;
	unsigned int forks; /* forked.h */
	int stop_fd;	    /* eventfd, readable for ever once the handler stops */
	int stopping;	    /* atomic */
	int running;	    /* atomic: callbacks under way, in batches */
	int fatal;	    /* atomic: first error of the descriptor */
	int first_error;    /* atomic: first error of any kind */

	pthread_mutex_t lock;
	struct iof_worker *workers; /* atomic: all of them; lock to add */
	struct iof_worker *idle;    /* lock: workers of run_once() that are not in use */
	uint32_t started;	    /* threads, first in @threads; set while opening */
	uint32_t joined;	    /* lock */
	struct iof_worker **threads;
	pthread_mutex_t join_lock;	      /* held while joining */
	struct iof_open_table open;	      /* lock */
	struct iof_handler_stats later_stats; /* lock: what was answered outside of workers */
};

/* answers.c */
int iof_open_add(struct iof_open_table *table, uint32_t cookie);
void iof_open_answered(struct iof_open_table *table, uint32_t cookie, bool may_be_early);
void iof_open_forget_early(struct iof_open_table *table);
long iof_answers_write(struct iof_handler *handler, const struct iommu_hwpt_page_response *answers,
		       size_t nr, struct iof_tally *tally);
void iof_answers_close(struct iof_handler *handler);

/* worker.c */
bool iof_handler_stopping(const struct iof_handler *handler);
void iof_handler_note(struct iof_handler *handler, int err, const struct iof_fault_group *group);
void iof_handler_fatal(struct iof_handler *handler, int err);
struct iof_worker *iof_worker_new(struct iof_handler *handler);
void iof_worker_free(struct iof_worker *worker);
/* A worker for a thread of the caller, until it is given back. */
struct iof_worker *iof_worker_take(struct iof_handler *handler);
void iof_worker_give(struct iof_worker *worker);
int iof_worker_read(struct iof_worker *worker);

#endif
