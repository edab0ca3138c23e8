/* SPDX-License-Identifier: MIT */
/*
 * kthread.h - threads of the kernel's own. Here they are threads with all signals blocked and
 * without an address space.
 */
#ifndef IOF_SHIM_LINUX_KTHREAD_H
#define IOF_SHIM_LINUX_KTHREAD_H

#include <linux/err.h>
#include <linux/sched.h>

struct task_struct *iof_shim_kthread_create(int (*fn)(void *data), void *data, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int iof_shim_kthread_stop(struct task_struct *task);
bool iof_shim_kthread_should_stop(void);

#define kthread_create(fn, data, fmt, ...) iof_shim_kthread_create(fn, data, fmt, ##__VA_ARGS__)
#define kthread_run(fn, data, fmt, ...) \
	({ \
		struct task_struct *iof_kthread = kthread_create(fn, data, fmt, ##__VA_ARGS__); \
		if (!IS_ERR(iof_kthread)) \
			wake_up_process(iof_kthread); \
		iof_kthread; \
	})
#define kthread_stop(task) iof_shim_kthread_stop(task)
#define kthread_should_stop() iof_shim_kthread_should_stop()

#endif
