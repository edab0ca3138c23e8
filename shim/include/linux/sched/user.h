/* SPDX-License-Identifier: MIT */
/*
 * sched/user.h - the user that pinned memory is charged to: this process's user, or during a call
 * for another process that process's user (creds.c).
 */
#ifndef IOF_SHIM_LINUX_SCHED_USER_H
#define IOF_SHIM_LINUX_SCHED_USER_H

#include <linux/atomic.h>
#include <linux/refcount.h>

struct user_struct {
	refcount_t __count;
	atomic_long_t locked_vm;
};

extern struct user_struct iof_shim_user;

struct user_struct *iof_shim_current_user(void);
#define current_user() iof_shim_current_user()

static inline struct user_struct *get_uid(struct user_struct *user)
{
	refcount_inc(&user->__count);
	return user;
}

static inline void free_uid(struct user_struct *user)
{
	if (refcount_dec_and_test(&user->__count))
		BUG();
}

#endif
