/* SPDX-License-Identifier: MIT */
/*
 * completion.h - lets one thread tell others that an event has happened.
 */
#ifndef IOF_SHIM_LINUX_COMPLETION_H
#define IOF_SHIM_LINUX_COMPLETION_H

#include <linux/wait.h>

struct completion {
	/* under wait.lock; UINT_MAX: completes all waiters, for ever */
	unsigned int done;
	struct wait_queue_head wait;
};

#define init_completion(x) \
	do { \
		(x)->done = 0; \
		init_waitqueue_head(&(x)->wait); \
	} while (0)

static inline void reinit_completion(struct completion *x)
{
	WRITE_ONCE(x->done, 0);
}

void iof_shim_complete(struct completion *x, bool all);
/* Returns the remaining jiffies (at least 1), 0 after the time-out, or -ERESTARTSYS. */
long iof_shim_wait_for_completion(struct completion *x, unsigned int state, long timeout);
bool iof_shim_try_wait_for_completion(struct completion *x);
bool iof_shim_completion_done(struct completion *x);

#define complete(x) iof_shim_complete(x, false)
#define complete_all(x) iof_shim_complete(x, true)
#define wait_for_completion(x) \
	do { \
		might_sleep(); \
		(void)iof_shim_wait_for_completion(x, TASK_UNINTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT); \
	} while (0)
#define wait_for_completion_timeout(x, timeout) \
	((unsigned long)iof_shim_wait_for_completion(x, TASK_UNINTERRUPTIBLE, (long)(timeout)))
#define try_wait_for_completion(x) iof_shim_try_wait_for_completion(x)
#define completion_done(x) iof_shim_completion_done(x)

#endif
