/* SPDX-License-Identifier: MIT */
/*
 * handler_private.h - what handler.c, worker.c, watch.c and answers.c share.
 *
 * A handler has workers: one for each of its threads, and one for each thread of the caller that
 * runs it at the moment. A worker owns the buffers of one batch. Other threads touch nothing in it
 * except its statistics. One table has the groups with LATER, so that closing the handler can
 * respond to them.
 *
 * Lock order: handler.lock, then worker.stats_lock; park_lock is taken alone. None is held across a
 * callback, read or write. The comment of a field names the lock that protects it, or says that
 * access is atomic.
 */
#ifndef IOF_HANDLER_PRIVATE_H
#define IOF_HANDLER_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include <iofault/handler.h>

#include "forked.h"

/* The states of an entry in the table of open groups (answers.c). */
enum iof_open_state {
	IOF_OPEN_NONE = 0, /* the entry is empty */
	IOF_OPEN_WAITS,	   /* the group waits for its response */
	IOF_OPEN_EARLY,	   /* a thread responded before the callback returned LATER */
};

struct iof_open_entry {
	uint32_t cookie;
	uint32_t state; /* enum iof_open_state */
};

/* A hash table with linear probing, at most half full. handler.lock protects all fields. */
struct iof_open_table {
	struct iof_open_entry *entries;
	uint32_t size;	  /* a power of two; 0 before the first entry */
	uint32_t waiting; /* number of entries with WAITS */
	uint32_t early;	  /* number of entries with EARLY; also read without the lock, as a hint */
};

struct iof_tally {
	uint64_t success;
	uint64_t invalid;
	uint64_t late;
};

struct iof_worker {
	struct iof_worker *next;      /* list handler.workers; does not change after insertion */
	struct iof_worker *next_idle; /* handler.lock; list handler.idle */
	struct iof_handler *handler;
	pthread_t thread; /* valid only in a worker of handler.threads */
	/*
	 * Atomic. Set in a thread of the handler's own on an embedded world: it sleeps on the fault
	 * descriptor alone, and iof_handler_stop() interrupts it. NULL in other workers.
	 */
	struct iof_thread *sleeper;

	/* Watching the queue (watch.c). */
	uint32_t number;		/* from 1 on */
	sem_t park;			/* where the thread waits to become the watcher */
	struct iof_worker *next_parked; /* park_lock; list handler.parked */
	uint64_t began;			/* time at which the callbacks began; 0: not read */

	struct iommu_hwpt_pgfault *records;
	struct iof_fault_group *groups;
	struct iommu_hwpt_page_response *answers;
	uint32_t *later; /* cookies of this batch that got LATER */
	uint32_t room;	 /* number of entries in each of the four arrays */
	uint32_t failed; /* number of callbacks of this batch that failed */

	/* Adaptive spinning (worker_doze()). */
	uint64_t spin_ns;	 /* how long to spin before sleeping */
	uint32_t spins_left_out; /* sleeps that begin without a spin */
	uint32_t spins_in_vain;	 /* the next value of that, after a failure */

	pthread_mutex_t stats_lock;
	struct iof_handler_stats stats; /* stats_lock; only the owner writes */
};

struct iof_handler {
	struct iof_handler_config config;
	unsigned int forks; /* iof_forks at the time of opening */
	int stop_fd;	    /* eventfd, readable for ever once the handler stops */
	int stopping;	    /* atomic: the handler is to stop */
	int running;	    /* atomic: number of batches in their callbacks */
	int fatal;	    /* atomic: first error of the fault descriptor */
	int first_error;    /* atomic: first error of any kind */

	int runners; /* atomic: number of threads that handle batches until the stop */

	uint64_t watch;	       /* atomic: which worker watches the queue (watch.c) */
	uint64_t callbacks_ns; /* atomic: mean time of the callbacks of a batch */
	int deputy_looks;      /* atomic: the deputy looks at intervals */
	pthread_mutex_t park_lock;
	struct iof_worker *deputy; /* atomic: a parked worker, NULL if none is; park_lock to set */
	struct iof_worker *parked; /* park_lock: list of the other parked workers */

	pthread_mutex_t lock;
	struct iof_worker *workers; /* atomic: list of all workers; lock to add one */
	/* lock: workers of iof_handler_run_once() that are not in use */
	struct iof_worker *idle;
	uint32_t started; /* number of entries of @threads; set while opening */
	uint32_t joined;  /* join_lock: number of threads joined */
	struct iof_worker **threads;
	pthread_mutex_t join_lock;	      /* held while joining threads */
	struct iof_open_table open;	      /* lock: groups with LATER */
	struct iof_handler_stats later_stats; /* lock: counts the responses that no worker wrote */
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
/* Returns a worker for the calling thread, which gives it back with iof_worker_give(). */
struct iof_worker *iof_worker_take(struct iof_handler *handler);
void iof_worker_give(struct iof_worker *worker);
int iof_worker_read(struct iof_worker *worker);

/* watch.c */
/* Is the calling thread the watcher? It becomes so if there is none, or a slow one. */
bool iof_watch_mine(struct iof_worker *worker);
/* Waits until the calling thread is the watcher, or the handler stops. */
void iof_watch_park(struct iof_worker *worker);
/* Called before and after the callbacks of a batch of @nr groups. */
void iof_watch_begin(struct iof_worker *worker, uint32_t nr);
void iof_watch_end(struct iof_worker *worker);

#endif
