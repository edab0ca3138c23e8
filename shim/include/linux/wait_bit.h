/* SPDX-License-Identifier: MIT */
/*
 * wait_bit.h - waits on a variable or bit by its address, on shared hashed wait queues.
 */
#ifndef IOF_SHIM_LINUX_WAIT_BIT_H
#define IOF_SHIM_LINUX_WAIT_BIT_H

#include <linux/bitops.h>
#include <linux/wait.h>

struct iof_shim_var_entry {
	const void *var;
	long bit;			/* number of the bit; -1: the variable itself */
	struct wait_queue_entry wait;
};

struct wait_queue_head *iof_shim_var_queue(const void *var);
void iof_shim_init_var_entry(struct iof_shim_var_entry *entry, const void *var, long bit);
void iof_shim_wake_up_var(const void *var, long bit);

#define iof_shim_wait_var(var, bitnr, cond, state) \
	({ \
		const void *iof_var = (const void *)(var); \
		struct wait_queue_head *iof_wq = iof_shim_var_queue(iof_var); \
		struct iof_shim_var_entry iof_entry; \
		long iof_ret = 0; \
		iof_shim_init_var_entry(&iof_entry, iof_var, bitnr); \
		for (;;) { \
			long iof_int = iof_shim_prepare_to_wait_event(iof_wq, &iof_entry.wait, \
								      state); \
			if (cond) \
				break; \
			if ((state) != TASK_UNINTERRUPTIBLE && iof_int) { \
				iof_ret = iof_int; \
				break; \
			} \
			schedule(); \
		} \
		iof_shim_finish_wait(iof_wq, &iof_entry.wait); \
		iof_ret; \
	})
#define wait_var_event(var, cond) \
	do { \
		might_sleep(); \
		if (!(cond)) \
			(void)iof_shim_wait_var(var, -1, cond, TASK_UNINTERRUPTIBLE); \
	} while (0)
#define iof_shim_wait_var_ret(var, cond, state) \
	({ \
		int iof_res = 0; \
		might_sleep(); \
		if (!(cond)) \
			iof_res = (int)iof_shim_wait_var(var, -1, cond, state); \
		iof_res; \
	})
#define wait_var_event_killable(var, cond) iof_shim_wait_var_ret(var, cond, TASK_KILLABLE)
#define wake_up_var(var) iof_shim_wake_up_var(var, -1)
#define wait_on_bit(word, bit, mode) \
	({ \
		int iof_res = 0; \
		might_sleep(); \
		if (test_bit_acquire(bit, word)) \
			iof_res = iof_shim_wait_var(word, bit, !test_bit_acquire(bit, word), \
						    mode) ? -EINTR : 0; \
		iof_res; \
	})
#define wake_up_bit(word, bit) iof_shim_wake_up_var(word, bit)
#define clear_and_wake_up_bit(bit, word) \
	do { \
		clear_bit_unlock(bit, word); \
		smp_mb(); \
		wake_up_bit(word, bit); \
	} while (0)

#endif
