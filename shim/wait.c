/* SPDX-License-Identifier: MIT */
/*
 * wait.c - wait queues, waiting on variables, completions.
 *
 * The queue's lock protects which entries are on the queue. A waker calls the wake functions of the
 * entries in order, with the lock held. The default function wakes the task and, with autoremove,
 * removes the entry last. So a task that finds its entry off the queue in finish_wait() knows that
 * the waker is done with it.
 */
#include <pthread.h>

#include <linux/completion.h>
#include <linux/hash.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>
#include "internal.h"

void iof_shim_init_waitqueue(struct wait_queue_head *wq, const char *name,
			     struct lock_class_key *key)
{
	iof_shim_spin_init(&wq->lock, name, key);
	INIT_LIST_HEAD(&wq->head);
}

int iof_shim_default_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	(void)flags;
	(void)key;
	return iof_shim_wake_up_process(entry->private, mode);
}

int iof_shim_autoremove_wake(struct wait_queue_entry *entry, unsigned int mode, int flags,
			     void *key)
{
	int woken = iof_shim_default_wake(entry, mode, flags, key);

	if (woken)
		list_del_init_careful(&entry->entry);
	return woken;
}

static __always_inline void wake_entries(struct task_struct *self, struct wait_queue_head *wq,
					 unsigned int mode, int exclusive, void *key)
{
	struct wait_queue_entry *entry, *next;

	lockdep_assert_held(&wq->lock);
	self->iof_wake_nr = exclusive;
	list_for_each_entry_safe(entry, next, &wq->head, entry) {
		unsigned int flags = entry->flags;
		int rc = entry->func(entry, mode, 0, key);

		if (rc < 0)
			break;
		if (rc && flags & WQ_FLAG_EXCLUSIVE && !--exclusive)
			break;
	}
}

void iof_shim_wake_up_locked(struct wait_queue_head *wq, unsigned int mode, int exclusive,
			     void *key)
{
	wake_entries(current, wq, mode, exclusive, key);
}

void iof_shim_wake_up(struct wait_queue_head *wq, unsigned int mode, int exclusive, void *key)
{
	struct task_struct *self = current;

	iof_shim_hold_wakes(self);
	spin_lock(&wq->lock);
	wake_entries(self, wq, mode, exclusive, key);
	spin_unlock(&wq->lock);
	iof_shim_send_wakes(self);
}

static void link_entry(struct wait_queue_head *wq, struct wait_queue_entry *entry)
{
	if (entry->flags & WQ_FLAG_EXCLUSIVE)
		list_add_tail(&entry->entry, &wq->head);
	else
		list_add(&entry->entry, &wq->head);
}

void iof_shim_add_wait(struct wait_queue_head *wq, struct wait_queue_entry *entry,
		       unsigned int flags)
{
	spin_lock(&wq->lock);
	entry->flags = (entry->flags & ~(unsigned int)WQ_FLAG_EXCLUSIVE) | flags;
	link_entry(wq, entry);
	spin_unlock(&wq->lock);
}

void iof_shim_remove_wait(struct wait_queue_head *wq, struct wait_queue_entry *entry)
{
	spin_lock(&wq->lock);
	list_del(&entry->entry);
	spin_unlock(&wq->lock);
}

long iof_shim_prepare_to_wait_event(struct wait_queue_head *wq, struct wait_queue_entry *entry,
				    unsigned int state)
{
	long rc = 0;

	spin_lock(&wq->lock);
	if ((state & TASK_INTERRUPTIBLE && signal_pending(current)) ||
	    (state == TASK_KILLABLE && iof_shim_killed())) {
		/*
		 * take the entry off, so that an exclusive wake-up is not spent on a task that
		 * leaves
		 */
		list_del_init(&entry->entry);
		rc = -ERESTARTSYS;
	} else {
		if (list_empty(&entry->entry))
			link_entry(wq, entry);
		set_current_state(state);
	}
	spin_unlock(&wq->lock);
	return rc;
}

void iof_shim_finish_wait(struct wait_queue_head *wq, struct wait_queue_entry *entry)
{
	__set_current_state(TASK_RUNNING);
	if (list_empty_careful(&entry->entry))
		return;
	spin_lock(&wq->lock);
	list_del_init(&entry->entry);
	spin_unlock(&wq->lock);
}

/* ---- variables ---- */

#define VAR_QUEUE_BITS 6

static struct wait_queue_head var_queues[1 << VAR_QUEUE_BITS];

static void init_var_queues(void)
{
	static struct lock_class_key key;

	for (unsigned int i = 0; i < 1u << VAR_QUEUE_BITS; i++)
		iof_shim_init_waitqueue(&var_queues[i], "wait_var", &key);
}

struct wait_queue_head *iof_shim_var_queue(const void *var)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, init_var_queues));
	return &var_queues[hash_ptr(var, VAR_QUEUE_BITS)];
}

struct var_key {
	const void *var;
	long bit;
};

static int wake_var(struct wait_queue_entry *wait, unsigned int mode, int flags, void *arg)
{
	struct iof_shim_var_entry *entry = container_of(wait, struct iof_shim_var_entry, wait);
	const struct var_key *key = arg;

	if (entry->var != key->var || entry->bit != key->bit)
		return 0;
	return iof_shim_autoremove_wake(wait, mode, flags, NULL);
}

void iof_shim_init_var_entry(struct iof_shim_var_entry *entry, const void *var, long bit)
{
	entry->var = var;
	entry->bit = bit;
	init_wait_entry(&entry->wait, 0);
	entry->wait.func = wake_var;
}

void iof_shim_wake_up_var(const void *var, long bit)
{
	struct wait_queue_head *wq = iof_shim_var_queue(var);
	struct var_key key = { var, bit };

	if (waitqueue_active(wq))
		iof_shim_wake_up(wq, TASK_NORMAL, 0, &key);
}

/* ---- completions ---- */

void iof_shim_complete(struct completion *x, bool all)
{
	struct task_struct *self = current;

	iof_shim_hold_wakes(self);
	spin_lock(&x->wait.lock);
	if (all)
		x->done = UINT_MAX;
	else if (x->done != UINT_MAX)
		x->done++;
	iof_shim_wake_up_locked(&x->wait, TASK_NORMAL, all ? 0 : 1, NULL);
	spin_unlock(&x->wait.lock);
	iof_shim_send_wakes(self);
}

long iof_shim_wait_for_completion(struct completion *x, unsigned int state, long timeout)
{
	DEFINE_WAIT_FUNC(entry, iof_shim_autoremove_wake);
	long rc = 0;

	iof_shim_sleep_check();
	entry.flags = WQ_FLAG_EXCLUSIVE;
	spin_lock(&x->wait.lock);
	while (!x->done) {
		if ((state & TASK_INTERRUPTIBLE && signal_pending(current)) ||
	    (state == TASK_KILLABLE && iof_shim_killed())) {
			rc = -ERESTARTSYS;
			break;
		}
		if (timeout <= 0)
			break;
		if (list_empty(&entry.entry))
			list_add_tail(&entry.entry, &x->wait.head);
		set_current_state(state);
		spin_unlock(&x->wait.lock);
		timeout = schedule_timeout(timeout);
		spin_lock(&x->wait.lock);
	}
	list_del_init(&entry.entry);
	if (x->done) {
		rc = max(timeout, 1L);
		if (x->done != UINT_MAX)
			x->done--;
	}
	/* the waker holds the lock until it has woken us; after this it no longer uses @x */
	spin_unlock(&x->wait.lock);
	__set_current_state(TASK_RUNNING);
	return rc;
}

bool iof_shim_try_wait_for_completion(struct completion *x)
{
	bool done;

	spin_lock(&x->wait.lock);
	done = x->done != 0;
	if (done && x->done != UINT_MAX)
		x->done--;
	spin_unlock(&x->wait.lock);
	return done;
}

bool iof_shim_completion_done(struct completion *x)
{
	bool done;

	spin_lock(&x->wait.lock);
	done = x->done != 0;
	spin_unlock(&x->wait.lock);
	return done;
}
