/* SPDX-License-Identifier: MIT */
/* sched/signal.h - resource limits of the real process, and signals, as far as they end a sleep. */
#ifndef IOF_SHIM_LINUX_SCHED_SIGNAL_H
#define IOF_SHIM_LINUX_SCHED_SIGNAL_H

#include <sys/resource.h>
#include <linux/sched.h>

unsigned long iof_shim_task_rlimit(const struct task_struct *task, int resource);
#define rlimit(resource) iof_shim_task_rlimit(current->group_leader, resource)
#define task_rlimit(task, resource) iof_shim_task_rlimit(task, resource)

/* Only the current task may be asked. */
static inline int signal_pending(struct task_struct *task)
{
	return task->iof_signalled;
}

static inline int fatal_signal_pending(struct task_struct *task)
{
	(void)task;
	return iof_shim_killed();
}

#endif
