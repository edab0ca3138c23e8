/* SPDX-License-Identifier: MIT */
/*
 * wait.h - wait queues: entries with a wake function, which a waker calls in order under the
 * queue's lock.
 *
 * wq_has_sleeper() is a barrier and one load; a waker that finds the queue empty pays no more. An
 * interruptible wait ends with -ERESTARTSYS if a signal handler that does not restart system calls
 * ran meanwhile.
 */
#ifndef IOF_SHIM_LINUX_WAIT_H
#define IOF_SHIM_LINUX_WAIT_H

#include <linux/list.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

struct wait_queue_entry;
typedef struct wait_queue_entry wait_queue_entry_t;
typedef int (*wait_queue_func_t)(struct wait_queue_entry *entry, unsigned int mode, int flags,
				 void *key);

#define WQ_FLAG_EXCLUSIVE 0x01

struct wait_queue_entry {
	unsigned int flags;
	void *private;
	wait_queue_func_t func;
	struct list_head entry;
};

struct wait_queue_head {
	spinlock_t lock;
	struct list_head head;
};
typedef struct wait_queue_head wait_queue_head_t;

#define __WAIT_QUEUE_HEAD_INITIALIZER(name) \
	{ .lock = __SPIN_LOCK_UNLOCKED(name.lock), .head = LIST_HEAD_INIT(name.head) }
#define DECLARE_WAIT_QUEUE_HEAD(name) \
	struct wait_queue_head name = __WAIT_QUEUE_HEAD_INITIALIZER(name)
#define init_waitqueue_head(wq) \
	do { \
		static struct lock_class_key iof_key; \
		iof_shim_init_waitqueue(wq, #wq, &iof_key); \
	} while (0)
#define DEFINE_WAIT_FUNC(name, function) \
	struct wait_queue_entry name = { \
		.private = current, .func = (function), .entry = LIST_HEAD_INIT((name).entry) }

void iof_shim_init_waitqueue(struct wait_queue_head *wq, const char *name,
			     struct lock_class_key *key);
int iof_shim_default_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key);
int iof_shim_autoremove_wake(struct wait_queue_entry *entry, unsigned int mode, int flags,
			     void *key);
void iof_shim_wake_up(struct wait_queue_head *wq, unsigned int mode, int exclusive, void *key);
void iof_shim_wake_up_locked(struct wait_queue_head *wq, unsigned int mode, int exclusive,
			     void *key);
void iof_shim_add_wait(struct wait_queue_head *wq, struct wait_queue_entry *entry,
		       unsigned int flags);
void iof_shim_remove_wait(struct wait_queue_head *wq, struct wait_queue_entry *entry);
long iof_shim_prepare_to_wait_event(struct wait_queue_head *wq, struct wait_queue_entry *entry,
				    unsigned int state);
void iof_shim_finish_wait(struct wait_queue_head *wq, struct wait_queue_entry *entry);

#define prepare_to_wait_event(wq, entry, state) iof_shim_prepare_to_wait_event(wq, entry, state)
#define finish_wait(wq, entry) iof_shim_finish_wait(wq, entry)
#define add_wait_queue(wq, entry) iof_shim_add_wait(wq, entry, 0)
#define add_wait_queue_exclusive(wq, entry) iof_shim_add_wait(wq, entry, WQ_FLAG_EXCLUSIVE)
#define remove_wait_queue(wq, entry) iof_shim_remove_wait(wq, entry)

static inline void init_waitqueue_func_entry(struct wait_queue_entry *entry, wait_queue_func_t func)
{
	entry->flags = 0;
	entry->private = NULL;
	entry->func = func;
}

static inline void init_wait_entry(struct wait_queue_entry *entry, unsigned int flags)
{
	entry->flags = flags;
	entry->private = current;
	entry->func = iof_shim_autoremove_wake;
	INIT_LIST_HEAD(&entry->entry);
}

static inline int waitqueue_active(struct wait_queue_head *wq)
{
	return !list_empty(&wq->head);
}

static inline bool wq_has_sleeper(struct wait_queue_head *wq)
{
	smp_mb();
	return waitqueue_active(wq);
}

#define poll_to_key(mask) ((void *)(uintptr_t)(unsigned int)(mask))
#define key_to_poll(key) ((__poll_t)(uintptr_t)(void *)(key))
#define wake_up(wq) iof_shim_wake_up(wq, TASK_NORMAL, 1, NULL)
#define wake_up_nr(wq, nr) iof_shim_wake_up(wq, TASK_NORMAL, nr, NULL)
#define wake_up_all(wq) iof_shim_wake_up(wq, TASK_NORMAL, 0, NULL)
#define wake_up_interruptible_all(wq) iof_shim_wake_up(wq, TASK_INTERRUPTIBLE, 0, NULL)
#define wake_up_poll(wq, m) iof_shim_wake_up(wq, TASK_NORMAL, 1, poll_to_key(m))
#define __wake_up(wq, mode, nr, key) iof_shim_wake_up(wq, mode, nr, key)
#define wake_up_interruptible_poll(wq, m) \
	iof_shim_wake_up(wq, TASK_INTERRUPTIBLE, 1, poll_to_key(m))

/*
 * The loop of all wait_event forms. @cmd sleeps. The result is @init, or the error that ended the
 * wait early.
 */
#define iof_shim_wait_event(wq, cond, state, exclusive, init, cmd) \
	({ \
		struct wait_queue_entry iof_entry; \
		long iof_ret = (init); \
		init_wait_entry(&iof_entry, (exclusive) ? WQ_FLAG_EXCLUSIVE : 0); \
		for (;;) { \
			long iof_int = iof_shim_prepare_to_wait_event(&(wq), &iof_entry, (state)); \
			if (cond) \
				break; \
			if ((state) != TASK_UNINTERRUPTIBLE && iof_int) { \
				iof_ret = iof_int; \
				break; \
			} \
			cmd; \
		} \
		iof_shim_finish_wait(&(wq), &iof_entry); \
		iof_ret; \
	})
/* Is the wait over? A condition that becomes true with the time-out counts as true. */
#define iof_shim_wait_over(cond) \
	({ \
		bool iof_cond = (cond); \
		if (iof_cond && !iof_ret) \
			iof_ret = 1; \
		iof_cond || !iof_ret; \
	})

#define wait_event(wq, cond) \
	do { \
		might_sleep(); \
		if (!(cond)) \
			(void)iof_shim_wait_event(wq, cond, TASK_UNINTERRUPTIBLE, 0, 0, \
						  schedule()); \
	} while (0)
#define iof_shim_wait_event_ret(wq, cond, state, exclusive) \
	({ \
		int iof_res = 0; \
		might_sleep(); \
		if (!(cond)) \
			iof_res = (int)iof_shim_wait_event(wq, cond, state, exclusive, 0, \
							   schedule()); \
		iof_res; \
	})
#define wait_event_interruptible(wq, cond) \
	iof_shim_wait_event_ret(wq, cond, TASK_INTERRUPTIBLE, 0)
#define iof_shim_wait_event_time(wq, cond, timeout, state) \
	({ \
		long iof_ret = (timeout); \
		might_sleep(); \
		if (!iof_shim_wait_over(cond)) \
			iof_ret = iof_shim_wait_event(wq, iof_shim_wait_over(cond), state, 0, \
						      timeout, \
						      iof_ret = schedule_timeout(iof_ret)); \
		iof_ret; \
	})
#define wait_event_timeout(wq, cond, timeout) \
	iof_shim_wait_event_time(wq, cond, timeout, TASK_UNINTERRUPTIBLE)
#define wait_event_interruptible_timeout(wq, cond, timeout) \
	iof_shim_wait_event_time(wq, cond, timeout, TASK_INTERRUPTIBLE)
#define wait_event_killable_timeout(wq, cond, timeout) \
	iof_shim_wait_event_time(wq, cond, timeout, TASK_KILLABLE)

#endif
