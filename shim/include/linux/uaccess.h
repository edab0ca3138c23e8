/* SPDX-License-Identifier: MIT */
/*
 * uaccess.h - copies to and from user memory.
 *
 * After a bad address the copies return the number of bytes not copied; they never crash. Each
 * counts as one user copy for fault injection, and may sleep.
 */
#ifndef IOF_SHIM_LINUX_UACCESS_H
#define IOF_SHIM_LINUX_UACCESS_H

#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/types.h>

#define IOF_SHIM_TASK_SIZE 0x7ffffffff000ul

size_t iof_shim_copy_from_user(void *dst, const void *src, size_t n);
size_t iof_shim_copy_to_user(void *dst, const void *src, size_t n);
size_t iof_shim_clear_user(void *dst, size_t n);
int iof_shim_check_zeroed_user(const void *src, size_t n);
int iof_shim_copy_struct_from_user(void *dst, size_t ksize, const void *src, size_t usize);

#define access_ok(addr, size) \
	likely((size_t)(size) <= IOF_SHIM_TASK_SIZE && \
	       (unsigned long)(addr) <= IOF_SHIM_TASK_SIZE - (size_t)(size))

static inline size_t __must_check copy_from_user(void *dst, const void __user *src, size_t n)
{
	might_fault();
	return iof_shim_copy_from_user(dst, src, n);
}

static inline size_t __must_check copy_to_user(void __user *dst, const void *src, size_t n)
{
	might_fault();
	return iof_shim_copy_to_user(dst, src, n);
}

static inline size_t __must_check clear_user(void __user *dst, size_t n)
{
	might_fault();
	return iof_shim_clear_user(dst, n);
}

#define check_zeroed_user(src, n) ({ might_fault(); iof_shim_check_zeroed_user(src, n); })
#define copy_struct_from_user(dst, ksize, src, usize) \
	({ might_fault(); iof_shim_copy_struct_from_user(dst, ksize, src, usize); })
#define get_user(x, ptr) \
	({ \
		typeof(*(ptr)) iof_val; \
		int iof_err = 0; \
		if (copy_from_user((void *)&iof_val, (ptr), sizeof(iof_val))) \
			iof_err = -EFAULT; \
		(x) = iof_err ? (typeof(x))0 : (typeof(x))iof_val; \
		iof_err; \
	})
#define put_user(x, ptr) \
	({ \
		typeof(*(ptr)) iof_val = (typeof(*(ptr)))(x); \
		copy_to_user((ptr), &iof_val, sizeof(iof_val)) ? -EFAULT : 0; \
	})

#endif
