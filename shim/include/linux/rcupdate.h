/* SPDX-License-Identifier: MIT */
/*
 * rcupdate.h - read-copy-update. liburcu gives the grace periods; pointers and lists are ours.
 * Deferred calls run on a thread of their own, never before every reader that was inside has left.
 */
#ifndef IOF_SHIM_LINUX_RCUPDATE_H
#define IOF_SHIM_LINUX_RCUPDATE_H

#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/types.h>

typedef void (*rcu_callback_t)(struct rcu_head *head);

void iof_shim_rcu_read_lock(void);
void iof_shim_rcu_read_unlock(void);
bool iof_shim_rcu_read_held(void);
void iof_shim_call_rcu(struct rcu_head *head, rcu_callback_t func);
void iof_shim_synchronize_rcu(void);
void iof_shim_rcu_barrier(void);

#define rcu_read_lock() iof_shim_rcu_read_lock()
#define rcu_read_unlock() iof_shim_rcu_read_unlock()
#define rcu_read_lock_held() iof_shim_rcu_read_held()
#define call_rcu(head, func) iof_shim_call_rcu(head, func)
#define rcu_barrier() iof_shim_rcu_barrier()
#define synchronize_rcu() \
	do { \
		might_sleep(); \
		iof_shim_synchronize_rcu(); \
	} while (0)
#define synchronize_rcu_expedited() synchronize_rcu()
#define kvfree_rcu kfree_rcu
/* As in the kernel the offset stands in for the function; that is what tells the two apart. */
#define kfree_rcu(ptr, member) \
	do { \
		typeof(ptr) iof_ptr = (ptr); \
		_Static_assert(offsetof(typeof(*(ptr)), member) < 4096, "kfree_rcu: too far in"); \
		if (iof_ptr) \
			call_rcu(&iof_ptr->member, \
				 (rcu_callback_t)(uintptr_t)offsetof(typeof(*(ptr)), member)); \
	} while (0)

#define RCU_INIT_POINTER(p, v) WRITE_ONCE(p, v)
#define rcu_assign_pointer(p, v) smp_store_release(&(p), (v))
#define rcu_access_pointer(p) READ_ONCE(p)
#define rcu_dereference(p) smp_load_acquire(&(p))
#define rcu_dereference_raw(p) rcu_dereference(p)
#define rcu_dereference_check(p, c) rcu_dereference(p)
#define rcu_dereference_protected(p, c) ({ (void)sizeof(c); READ_ONCE(p); })
#define rcu_replace_pointer(rcu_ptr, ptr, c) \
	({ \
		typeof(ptr) iof_tmp = rcu_dereference_protected((rcu_ptr), (c)); \
		rcu_assign_pointer((rcu_ptr), (ptr)); \
		iof_tmp; \
	})
#define rcu_head_init(head) ((void)(head))

#endif
