/* SPDX-License-Identifier: MIT */
/*
 * workqueue.h - work items on a pool of threads that grows while items wait.
 *
 * As in the kernel, an item that is queued again before it starts runs once. It never runs twice at
 * the same time. It may free itself. An ordered queue runs one item at a time, in order.
 */
#ifndef IOF_SHIM_LINUX_WORKQUEUE_H
#define IOF_SHIM_LINUX_WORKQUEUE_H

#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/types.h>

struct workqueue_struct;
struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	struct list_head entry;
	work_func_t func;
	struct workqueue_struct *wq;	/* the queue that the item waits in, or waited in last */
	/* As small as the kernel's struct: millions of records contain one. */
	u64 pending : 1;
	u64 seq : 63;			/* number of this queueing, for flush */
};

#define WQ_UNBOUND (1 << 1)
#define WQ_MAX_ACTIVE 512

#define __WORK_INITIALIZER(n, f) { .entry = { &(n).entry, &(n).entry }, .func = (f) }
#define DECLARE_WORK(n, f) struct work_struct n = __WORK_INITIALIZER(n, f)
#define INIT_WORK(work, f) \
	do { \
		INIT_LIST_HEAD(&(work)->entry); \
		(work)->func = (f); \
		(work)->wq = NULL; \
		(work)->pending = false; \
		(work)->seq = 0; \
	} while (0)

struct workqueue_struct *iof_shim_alloc_workqueue(struct lock_class_key *key, const char *fmt,
						  unsigned int flags, int max_active, ...);
void iof_shim_destroy_workqueue(struct workqueue_struct *wq);
bool iof_shim_queue_work(struct workqueue_struct *wq, struct work_struct *work);
bool iof_shim_flush_work(struct work_struct *work);
bool iof_shim_cancel_work(struct work_struct *work, bool sync);
void iof_shim_flush_workqueue(struct workqueue_struct *wq);
bool iof_shim_work_pending(struct work_struct *work);
struct workqueue_struct *iof_shim_system_wq(void);

#define system_wq iof_shim_system_wq()
#define system_unbound_wq iof_shim_system_wq()
#define alloc_workqueue(fmt, flags, max_active, ...) \
	({ \
		static struct lock_class_key iof_key; \
		iof_shim_alloc_workqueue(&iof_key, fmt, flags, max_active, ##__VA_ARGS__); \
	})
#define alloc_ordered_workqueue(fmt, flags, ...) \
	alloc_workqueue(fmt, flags, 1, ##__VA_ARGS__)
#define destroy_workqueue(wq) iof_shim_destroy_workqueue(wq)
#define queue_work(wq, work) iof_shim_queue_work(wq, work)
#define schedule_work(work) queue_work(system_wq, work)
#define flush_work(work) iof_shim_flush_work(work)
#define cancel_work(work) iof_shim_cancel_work(work, false)
#define cancel_work_sync(work) iof_shim_cancel_work(work, true)
#define flush_workqueue(wq) iof_shim_flush_workqueue(wq)
#define work_pending(work) iof_shim_work_pending(work)

#endif
