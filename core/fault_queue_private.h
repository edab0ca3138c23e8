/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fault_queue_private.h - the fault queue itself, for fault_queue.c and fault_read.c.
 */
#ifndef IOF_CORE_FAULT_QUEUE_PRIVATE_H
#define IOF_CORE_FAULT_QUEUE_PRIVATE_H

#include "cookie.h"
#include "fault_queue.h"
#include "iopf.h"

struct iof_fault_queue {
	struct iof_object obj;
	struct iof_ctx *ctx;		/* a reference, from the descriptor */
	struct iof_fault_sink sink;
	struct mutex grow_lock;		/* reserved, attachments; growth of the cookie table */
	u32 reserved;			/* credits of the attached devices, summed */
	struct list_head attachments;	/* struct iof_attach.queue_node */

	spinlock_t lock ____cacheline_aligned_in_smp;	/* all below */
	/* struct iof_prg.node, by arrival of the LAST page */
	struct list_head inbox;
	struct iof_cookies cookies;
	bool closed;			/* the descriptor is gone: nobody can answer */
	u64 nr_delivered;		/* now */
	/* ever; rejected: responses that named no open page-request group */
	u64 responded, rejected, swept;
	/* Now. Away from the lock, since a handler may look at it busily. */
	u64 nr_queued ____cacheline_aligned_in_smp;

	wait_queue_head_t readable ____cacheline_aligned_in_smp;
	wait_queue_head_t answers_done;	/* sweepers wait for attach->answering */
};

/* Under the lock; for those who look without. */
static inline void count_queued(struct iof_fault_queue *queue, int by)
{
	WRITE_ONCE(queue->nr_queued, queue->nr_queued + by);
}

/*
 * Each arrival is an event (rule e31), also while older groups are queued: a client that waits by
 * edge and reads one group an event is served, and as many exclusive waiters wake as groups were
 * queued. Without the lock. @nr is not 0.
 */
static inline void wake_readers(struct iof_fault_queue *queue, int nr)
{
	if (wq_has_sleeper(&queue->readable))
		__wake_up(&queue->readable, TASK_INTERRUPTIBLE, nr,
			  poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/* read() of the descriptor (fault_read.c). */
ssize_t iof_fault_queue_read_iter(struct kiocb *iocb, struct iov_iter *to);

#endif
