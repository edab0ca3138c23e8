/* SPDX-License-Identifier: MIT */
/*
 * work.c - work queues on one pool of threads.
 *
 * One mutex guards the whole file. Items wait in their queue's list in order. A worker takes the
 * first item, over all queues, that may run: its queue is below its limit, and no worker is running
 * that item. If no idle worker will take a waiting item, a worker is added; so two runnable items
 * have at least two workers. An idle worker ends after a while. A worker forgets the item before it
 * runs the function, which may free the item.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "internal.h"

#define MAX_WORKERS 64
#define IDLE_SECONDS 2

struct workqueue_struct {
	struct list_head link;		/* list pool.queues */
	struct list_head items;		/* list of work_struct.entry */
	int max_active;
	int active;
	unsigned long nr_waiting;
	/* flushing acquires it, and so waits for the locks that items take */
	struct lockdep_map dep_map;
	char name[32];
};

struct worker {
	struct list_head link;		/* list pool.workers */
	struct work_struct *work;	/* the running item; never dereferenced */
	work_func_t func;
	struct workqueue_struct *wq;
	unsigned long seq;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;		/* signals that an item may have become runnable */
	pthread_cond_t progress;	/* signals that an item finished or was cancelled */
	struct list_head queues;
	struct list_head workers;	/* workers that are running an item */
	unsigned int threads;
	unsigned int idle;
	unsigned long seq;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
	.progress = PTHREAD_COND_INITIALIZER,
	.queues = LIST_HEAD_INIT(pool.queues),
	.workers = LIST_HEAD_INIT(pool.workers),
};

static struct worker *running(const struct work_struct *work)
{
	struct worker *worker;

	list_for_each_entry(worker, &pool.workers, link)
		if (worker->work == work)
			return worker;
	return NULL;
}

static struct work_struct *first_runnable(void)
{
	struct workqueue_struct *wq;
	struct work_struct *work;

	list_for_each_entry(wq, &pool.queues, link) {
		if (wq->active >= wq->max_active)
			continue;
		list_for_each_entry(work, &wq->items, entry) {
			if (!running(work))
				return work;
			if (wq->max_active == 1)
				break;
		}
	}
	return NULL;
}

static void *worker_main(void *arg);

/* Wakes or adds a worker for a runnable item. Called with the lock held. */
static void wake_worker(void)
{
	if (pool.idle) {
		must(pthread_cond_signal(&pool.more));
		return;
	}
	if (pool.threads < MAX_WORKERS && !iof_shim_thread_start(NULL, worker_main, NULL, true))
		pool.threads++;
}

static bool wait_for_work(void)
{
	struct timespec until;
	int rc;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += IDLE_SECONDS;
	pool.idle++;
	rc = pthread_cond_timedwait(&pool.more, &pool.lock, &until);
	pool.idle--;
	if (rc == ETIMEDOUT)
		return false;
	iof_shim_must_be_zero(rc, "pthread_cond_timedwait");
	return true;
}

static void *worker_main(void *arg)
{
	struct worker self = { .work = NULL };

	prctl(PR_SET_NAME, "iof-worker");
	current->mm = NULL;
	current->flags |= PF_KTHREAD;
	must(pthread_mutex_lock(&pool.lock));
	for (;;) {
		struct work_struct *work = first_runnable();

		if (!work) {
			if (wait_for_work() || first_runnable())
				continue;
			break;
		}
		self.work = work;
		self.func = work->func;
		self.wq = work->wq;
		self.seq = work->seq;
		list_del_init(&work->entry);
		work->pending = false;
		self.wq->nr_waiting--;
		self.wq->active++;
		list_add(&self.link, &pool.workers);
		if (first_runnable())
			wake_worker();
		must(pthread_mutex_unlock(&pool.lock));

		iof_sched_point(IOF_SCHED_WAKE, work);
		lock_map_acquire(&self.wq->dep_map);
		self.func(work);
		lock_map_release(&self.wq->dep_map);
		if (IOF_SHIM_CHECKS && current->iof_nheld)
			iof_shim_complain("a work item returns while it holds %s",
					  current->iof_held[0].map->name);

		iof_shim_recheck_if_any(current);

		must(pthread_mutex_lock(&pool.lock));
		list_del(&self.link);
		self.wq->active--;
		must(pthread_cond_broadcast(&pool.progress));
	}
	pool.threads--;
	must(pthread_mutex_unlock(&pool.lock));
	return arg;
}

/* @class is a literal, since the class of the lock outlives the queue. */
static void add_queue(struct workqueue_struct *wq, struct lock_class_key *key, const char *class,
		      int max_active)
{
	INIT_LIST_HEAD(&wq->items);
	wq->max_active = max_active > 0 ? max_active : 256;
	iof_shim_lock_map_init(&wq->dep_map, class, key);
	must(pthread_mutex_lock(&pool.lock));
	list_add_tail(&wq->link, &pool.queues);
	must(pthread_mutex_unlock(&pool.lock));
}

struct workqueue_struct *iof_shim_alloc_workqueue(struct lock_class_key *key, const char *fmt,
						  unsigned int flags, int max_active, ...)
{
	struct workqueue_struct *wq = kzalloc(sizeof(*wq), GFP_KERNEL);
	va_list args;

	(void)flags;
	if (!wq)
		return NULL;
	va_start(args, max_active);
	vsnprintf(wq->name, sizeof(wq->name), fmt, args);
	va_end(args);
	add_queue(wq, key, fmt, max_active);
	return wq;
}

bool iof_shim_queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	bool queued = false;

	must(pthread_mutex_lock(&pool.lock));
	if (!work->pending) {
		work->pending = true;
		work->wq = wq;
		work->seq = ++pool.seq;
		list_add_tail(&work->entry, &wq->items);
		wq->nr_waiting++;
		queued = true;
		wake_worker();
	}
	must(pthread_mutex_unlock(&pool.lock));
	iof_sched_point(IOF_SCHED_WAKE, work);
	return queued;
}

bool iof_shim_work_pending(struct work_struct *work)
{
	bool pending;

	must(pthread_mutex_lock(&pool.lock));
	pending = work->pending;
	must(pthread_mutex_unlock(&pool.lock));
	return pending;
}

/* Sleeps until an item finishes or is cancelled. Called with the lock held. */
static void wait_progress(void)
{
	iof_sched_point(IOF_SCHED_SLEEP, &pool);
	must(pthread_cond_wait(&pool.progress, &pool.lock));
}

/* Complains if a thread that waits for items of a queue holds a lock that they take. */
static void check_flush(struct workqueue_struct *wq)
{
	iof_shim_sleep_check();
	might_lock(wq);
}

static void check_flush_work(struct work_struct *work)
{
	struct workqueue_struct *wq = NULL;
	struct worker *worker;

	iof_shim_sleep_check();
	if (!IOF_SHIM_CHECKS)
		return;
	must(pthread_mutex_lock(&pool.lock));
	worker = running(work);
	if (worker || work->pending)
		wq = worker ? worker->wq : work->wq;
	if (wq)
		might_lock(wq);
	must(pthread_mutex_unlock(&pool.lock));
}

/* Waits for an item that is queued or running now, not for one that is queued later. */
bool iof_shim_flush_work(struct work_struct *work)
{
	struct worker *worker;
	unsigned long seq;
	bool waited = false;

	check_flush_work(work);
	must(pthread_mutex_lock(&pool.lock));
	worker = running(work);
	seq = work->pending ? work->seq : worker ? worker->seq : 0;
	while (seq) {
		worker = running(work);
		if (!(worker && worker->seq <= seq)) {
			/*
			 * not running: done unless pending; after a wait, a later queueing does not
			 * count
			 */
			if (!waited ? !work->pending : !work->pending || work->seq > seq)
				break;
		}
		waited = true;
		wait_progress();
	}
	must(pthread_mutex_unlock(&pool.lock));
	return waited;
}

bool iof_shim_cancel_work(struct work_struct *work, bool sync)
{
	bool was_pending;

	if (sync)
		check_flush_work(work);
	must(pthread_mutex_lock(&pool.lock));
	was_pending = work->pending;
	if (was_pending) {
		list_del_init(&work->entry);
		work->pending = false;
		work->wq->nr_waiting--;
		must(pthread_cond_broadcast(&pool.progress));
	}
	while (sync && running(work)) {
		wait_progress();
		/* an item that queues itself again is cancelled, too */
		if (work->pending) {
			list_del_init(&work->entry);
			work->pending = false;
			work->wq->nr_waiting--;
		}
	}
	must(pthread_mutex_unlock(&pool.lock));
	return was_pending;
}

/*
 * Does an item of the queue (NULL: of any) from before @upto wait or run? Called with the lock
 * held.
 */
static bool busy_before(const struct workqueue_struct *wq, unsigned long upto)
{
	struct workqueue_struct *other;
	struct work_struct *work;
	struct worker *worker;

	list_for_each_entry(worker, &pool.workers, link)
		if ((!wq || worker->wq == wq) && worker->seq <= upto)
			return true;
	list_for_each_entry(other, &pool.queues, link) {
		if (wq && other != wq)
			continue;
		list_for_each_entry(work, &other->items, entry)
			if (work->seq <= upto)
				return true;
	}
	return false;
}

void iof_shim_flush_workqueue(struct workqueue_struct *wq)
{
	unsigned long upto;

	check_flush(wq);
	must(pthread_mutex_lock(&pool.lock));
	upto = pool.seq;
	while (busy_before(wq, upto))
		wait_progress();
	must(pthread_mutex_unlock(&pool.lock));
}

void iof_shim_destroy_workqueue(struct workqueue_struct *wq)
{
	if (!wq)
		return;
	check_flush(wq);
	must(pthread_mutex_lock(&pool.lock));
	/* drain: items may queue further items */
	while (busy_before(wq, ~0ul))
		wait_progress();
	list_del(&wq->link);
	must(pthread_mutex_unlock(&pool.lock));
	kfree(wq);
}

static struct workqueue_struct system_queue = { .name = "events" };

static void add_system_queue(void)
{
	static struct lock_class_key key;

	add_queue(&system_queue, &key, "events", WQ_MAX_ACTIVE);
}

/* The queue is static: it is never freed, so it must not count as a live object. */
struct workqueue_struct *iof_shim_system_wq(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, add_system_queue));
	return &system_queue;
}

void iof_shim_work_settle(void)
{
	must(pthread_mutex_lock(&pool.lock));
	while (busy_before(NULL, ~0ul))
		wait_progress();
	must(pthread_mutex_unlock(&pool.lock));
}
