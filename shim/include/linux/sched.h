/* SPDX-License-Identifier: MIT */
/*
 * sched.h - the current thread as a task, its sleep and its wake-up.
 *
 * Each thread of the process is a task from its first call into the shim until it ends. To sleep,
 * it follows the kernel's protocol: announce the state, check the condition, schedule. The sleeper
 * waits on __state as a futex. A waker makes a system call only if the task went to sleep in the
 * futex.
 */
#ifndef IOF_SHIM_LINUX_SCHED_H
#define IOF_SHIM_LINUX_SCHED_H

#include_next <linux/sched.h>
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/jiffies.h>
#include <linux/compiler.h>
#include <linux/refcount.h>
#include <linux/types.h>

#define TASK_RUNNING 0x0
#define TASK_INTERRUPTIBLE 0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_WAKEKILL 0x100
#define TASK_KILLABLE (TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)
#define TASK_NORMAL (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)
#define IOF_SHIM_TASK_PARKED 0x10000	/* waits in the futex: the wake-up needs the system call */

#define TASK_COMM_LEN 16
#define PF_KTHREAD 0x00200000
#define IOF_SHIM_MAX_HELD 48
#define IOF_SHIM_MAX_RECHECK 8
#define IOF_SHIM_MAX_WAKES 8
#define MAX_SCHEDULE_TIMEOUT LONG_MAX

struct mm_struct;
struct user_struct;
struct iof_shim_ready;

struct iof_shim_held_lock {
	struct lockdep_map *map;
	unsigned short class_id;
	unsigned short flags;
};

struct task_struct {
	unsigned int __state;
	unsigned int flags;		/* PF_* flags */
	struct mm_struct *mm;
	struct task_struct *group_leader;
	pid_t pid;
	pid_t tgid;
	char comm[TASK_COMM_LEN];
	refcount_t usage;
	/* atomic: interrupted by iof_sys_thread_interrupt(), not reported yet */
	bool iof_interrupted;
	/* the fields from here on belong to the thread itself */
	bool iof_signalled;		/* a signal handler ran during an interruptible sleep */
	int iof_preempt;		/* > 0: must not sleep */
	int iof_pagefault_off;
	unsigned int iof_hold_wakes;	/* > 0: collects wake-ups until an unlock */
	unsigned int iof_nwakes;
	struct task_struct *iof_wakes[IOF_SHIM_MAX_WAKES];
	/* number of exclusive waiters that the current wake-up is for */
	int iof_wake_nr;
	unsigned int iof_nsignals;
	struct {
		struct iof_shim_ready *ready;
		unsigned int nr;
	} iof_signals[IOF_SHIM_MAX_WAKES];	/* collected writes to eventfds: @nr events each */
	unsigned int iof_nrecheck;
	/* descriptors to look at again (file.c) */
	struct iof_shim_ready *iof_recheck[IOF_SHIM_MAX_RECHECK];
	unsigned int iof_nheld;
	struct iof_shim_held_lock iof_held[IOF_SHIM_MAX_HELD];
};

#define current iof_shim_current()

void iof_shim_schedule(void);
long iof_shim_schedule_timeout(long timeout);
int iof_shim_wake_up_process(struct task_struct *task, unsigned int mode);
void iof_shim_task_free(struct task_struct *task);
void iof_shim_yield(void);

#define __set_current_state(state) WRITE_ONCE(current->__state, (unsigned int)(state))
#define set_current_state(state) smp_store_mb(current->__state, (unsigned int)(state))
#define get_current_state() READ_ONCE(current->__state)
#define schedule() iof_shim_schedule()
#define schedule_timeout(t) iof_shim_schedule_timeout(t)
#define wake_up_process(task) iof_shim_wake_up_process(task, TASK_NORMAL)
#define cond_resched() \
	({ \
		might_sleep(); \
		iof_sched_point(IOF_SCHED_YIELD, NULL); \
		0; \
	})
#define yield() iof_shim_yield()

static inline struct task_struct *get_task_struct(struct task_struct *task)
{
	refcount_inc(&task->usage);
	return task;
}

static inline void put_task_struct(struct task_struct *task)
{
	if (refcount_dec_and_test(&task->usage))
		iof_shim_task_free(task);
}

#endif
