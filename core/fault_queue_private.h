/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fault_queue_private.h - struct iof_fault_queue, for fault_queue.c,
 * fault_read.c and fault_slots.c.
 */
#ifndef IOF_CORE_FAULT_QUEUE_PRIVATE_H
#define IOF_CORE_FAULT_QUEUE_PRIVATE_H

#include "cookie.h"
#include "fault_queue.h"
#include "iopf.h"

struct iof_fault_queue {
	struct iof_object obj;
	/* a reference, held by the descriptor */
	struct iof_ctx *ctx;
	struct iof_fault_sink sink;
	/* of its memory: one for the object, one for each thread in grow() */
	struct kref ref;
	/* guards attachments and growth of the cookie table */
	struct mutex grow_lock;
	struct work_struct grow_work;
	struct iof_plat_payer *payer; /* pays for slots; a reference */
	struct list_head attachments; /* list of struct iof_attach.queue_node */

	/* guards all fields below */
	spinlock_t lock ____cacheline_aligned_in_smp;
	/* list of struct iof_prg.node, in the order of arrival of LAST pages */
	struct list_head inbox;
	struct iof_cookies cookies;
	u32 nr_slots; /* of @cookies: bounds the open groups */
	/* with more open groups than this, the table grows */
	u32 grow_from;
	bool closed;	  /* set by the last close */
	u64 nr_delivered; /* number of delivered groups */
	/*
	 * Counters since allocation. rejected: responses that named no open
	 * group.
	 */
	u64 responded, rejected, swept;
	/*
	 * Number of queued groups. It has a cache line of its own, because a
	 * handler may poll it without the lock.
	 */
	u64 nr_queued ____cacheline_aligned_in_smp;

	wait_queue_head_t readable ____cacheline_aligned_in_smp;
	/*
	 * Number of calls of poll(), each of which counts after it has added
	 * its waiter; and the value of @polls before the last wake-up of all
	 * waiters.
	 */
	atomic_t polls;
	int woken_at;
	/*
	 * Set for good once a waiter was not in poll(2) or select(2): it may
	 * count wake-ups (edge-triggered or exclusive epoll, io_uring).
	 */
	bool always_wake;
	/*
	 * sweepers wait for attach->answering
	 */
	wait_queue_head_t answers_done;
};

/* Counts groups that are queued or delivered. Called with the lock held. */
static inline u32 nr_open_groups(const struct iof_fault_queue *queue)
{
	/* At most 2^IOF_COOKIE_MAX_BITS. */
	return (u32)(queue->nr_queued + queue->nr_delivered);
}

/* Called with the lock held. Readers without the lock use READ_ONCE(). */
static inline void count_queued(struct iof_fault_queue *queue, int by)
{
	WRITE_ONCE(queue->nr_queued, queue->nr_queued + by);
}

/*
 * Wakes readers for @nr > 0 groups that were queued. Each arrival is an event
 * (rule e31), also while older groups are queued. So an edge-triggered waiter
 * that reads one group for each event is served, and as many exclusive waiters
 * wake as groups were queued. Called without the lock.
 *
 * Waiters in poll(2) do not count wake-ups: each asks again before it returns.
 * A wake-up is left out while all waiters are of this kind, and none has asked
 * since a complete wake-up. The barrier of wq_has_sleeper() is between the
 * change of nr_queued and the reads here. It pairs with that in
 * fault_queue_poll(): a waiter that is not counted here sees the new group.
 */
static inline void wake_readers(struct iof_fault_queue *queue, int nr)
{
	int polls;

	if (!wq_has_sleeper(&queue->readable))
		return;
	polls = atomic_read(&queue->polls);
	if (READ_ONCE(queue->woken_at) == polls &&
	    !READ_ONCE(queue->always_wake))
		return;
	__wake_up(&queue->readable, TASK_INTERRUPTIBLE, nr,
		  poll_to_key(EPOLLIN | EPOLLRDNORM));
	WRITE_ONCE(queue->woken_at, polls);
}

/* Slots for open groups (fault_slots.c). */
void iof_fault_slots_init(struct iof_fault_queue *queue);
/* The object goes away. Frees @queue, now or when grow() returns. */
void iof_fault_slots_exit(struct iof_fault_queue *queue);
/*
 * Called with grow_lock held, before the first attachment. Returns 0 or
 * -ENOMEM.
 */
int iof_fault_slots_first(struct iof_fault_queue *queue);
/* Lets the work item grow the table. Called with the lock held. */
void iof_fault_slots_ahead(struct iof_fault_queue *queue);
/* Takes a reference to the memory of @queue, in any context. */
void iof_fault_slots_hold(struct iof_fault_queue *queue);
/*
 * Makes slots for @nr more groups, and puts the reference that hold() took.
 * Other groups may take these slots at once. Called without locks. Returns 0
 * or -ENOMEM.
 */
int iof_fault_slots_grow(struct iof_fault_queue *queue, u32 nr);

/*
 * Implement reading of the descriptor (fault_read.c): read() of one buffer, and
 * every other way (io_uring, readv, no-wait). read() saves the caller's
 * iterator and kiocb.
 */
ssize_t iof_fault_queue_read(struct file *file, char __user *buf, size_t len,
			     loff_t *pos);
ssize_t iof_fault_queue_read_iter(struct kiocb *iocb, struct iov_iter *to);

#endif
