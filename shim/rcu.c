/* SPDX-License-Identifier: MIT */
/*
 * rcu.c - readers and grace periods by liburcu (the "bulletproof" flavour: threads need no
 * registration), called out of line; deferred calls by a thread of ours.
 *
 * TSan cannot see inside liburcu, so the one ordering it gives is told to it: what a reader did
 * before it left happens before what follows a grace period. This file must not see
 * <linux/rcupdate.h>, whose names liburcu has too.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
/*
 * From glibc 2.41 on, <sched.h> includes <linux/types.h>, which is the shim's. There rcu_head is
 * another name of struct callback_head, as in the kernel; liburcu has a struct of that name.
 */
#undef rcu_head
#include <urcu-bp.h>

#include "iof_shim/base.h"

struct head {
	struct head *next;
	void (*func)(struct head *head);
};

void iof_shim_rcu_read_lock(void);
void iof_shim_rcu_read_unlock(void);
bool iof_shim_rcu_read_held(void);
void iof_shim_call_rcu(struct head *head, void (*func)(struct head *head));
void iof_shim_synchronize_rcu(void);
void iof_shim_rcu_barrier(void);
/* task.c, rcu_task.c: what needs the headers that this file must not see */
void iof_shim_rcu_depth(int n);
bool iof_shim_rcu_depth_held(void);
void iof_shim_kfree(const void *p);
int iof_shim_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, bool detached);

#if IOF_SHIM_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
static char readers_left;
#define tsan_acquire(addr) __tsan_acquire(addr)
#define tsan_release(addr) __tsan_release(addr)
#else
#define tsan_acquire(addr) ((void)0)
#define tsan_release(addr) ((void)0)
#endif

void iof_shim_rcu_read_lock(void)
{
	if (IOF_SHIM_CHECKS)
		iof_shim_rcu_depth(1);
	urcu_bp_read_lock();
}

void iof_shim_rcu_read_unlock(void)
{
	tsan_release(&readers_left);
	urcu_bp_read_unlock();
	if (IOF_SHIM_CHECKS)
		iof_shim_rcu_depth(-1);
}

bool iof_shim_rcu_read_held(void)
{
	return iof_shim_rcu_depth_held();
}

void iof_shim_synchronize_rcu(void)
{
	iof_sched_point(IOF_SCHED_SLEEP, NULL);
	urcu_bp_synchronize_rcu();
	tsan_acquire(&readers_left);
	iof_sched_point(IOF_SCHED_WAKE, NULL);
}

/* ---- deferred calls ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;		/* something was queued */
	pthread_cond_t done;		/* a batch was finished */
	struct head *first;		/* the oldest */
	struct head **last;
	unsigned long queued;		/* how many ever were */
	unsigned long finished;
	bool running;			/* there is a thread */
} deferred = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER,
	.done = PTHREAD_COND_INITIALIZER,
	.last = &deferred.first,
};

static void call_one(struct head *head)
{
	uintptr_t offset = (uintptr_t)head->func;

	/* kfree_rcu() stores where the head lies in the object */
	if (offset < 4096)
		iof_shim_kfree((char *)head - offset);
	else
		head->func(head);
}

static void *deferred_main(void *arg)
{
	pthread_mutex_lock(&deferred.lock);
	for (;;) {
		struct head *head = deferred.first;
		unsigned long n = 0;

		if (!head) {
			pthread_cond_wait(&deferred.work, &deferred.lock);
			continue;
		}
		deferred.first = NULL;
		deferred.last = &deferred.first;
		pthread_mutex_unlock(&deferred.lock);
		iof_shim_synchronize_rcu();
		while (head) {
			struct head *next = head->next;

			call_one(head);
			head = next;
			n++;
		}
		pthread_mutex_lock(&deferred.lock);
		deferred.finished += n;
		pthread_cond_broadcast(&deferred.done);
	}
	return arg;
}

static void fork_prepare(void)
{
	pthread_mutex_lock(&deferred.lock);
	urcu_bp_before_fork();
}

static void fork_parent(void)
{
	urcu_bp_after_fork_parent();
	pthread_mutex_unlock(&deferred.lock);
}

/* The child has one thread: a new one for what is queued is started by the next call. */
static void fork_child(void)
{
	urcu_bp_after_fork_child();
	pthread_cond_init(&deferred.work, NULL);
	pthread_cond_init(&deferred.done, NULL);
	deferred.running = false;
	pthread_mutex_unlock(&deferred.lock);
}

static void watch_forks(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

void iof_shim_call_rcu(struct head *head, void (*func)(struct head *head))
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	bool idle;

	pthread_once(&once, watch_forks);
	head->next = NULL;
	head->func = func;
	pthread_mutex_lock(&deferred.lock);
	idle = !deferred.first;
	*deferred.last = head;
	deferred.last = &head->next;
	deferred.queued++;
	if (!deferred.running)
		deferred.running = !iof_shim_thread_start(NULL, deferred_main, NULL, true);
	pthread_mutex_unlock(&deferred.lock);
	/* Not under the lock, which is the first thing that the thread wants. */
	if (idle)
		pthread_cond_signal(&deferred.work);
}

void iof_shim_rcu_barrier(void)
{
	unsigned long upto;

	pthread_mutex_lock(&deferred.lock);
	upto = deferred.queued;
	while (deferred.running && (long)(deferred.finished - upto) < 0)
		pthread_cond_wait(&deferred.done, &deferred.lock);
	pthread_mutex_unlock(&deferred.lock);
}
