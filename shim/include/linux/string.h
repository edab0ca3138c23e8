/* SPDX-License-Identifier: MIT */
/*
 * string.h - libc's header, and the kernel's fills and searches.
 *
 * memdup_user() copies from the user, so that it can fail with -EFAULT. For fault injection it
 * counts as a user copy and as an allocation.
 */
#ifndef IOF_SHIM_LINUX_STRING_H
#define IOF_SHIM_LINUX_STRING_H

#include_next <linux/string.h>
#include <string.h>
#include <linux/types.h>

void *iof_shim_memset64(u64 *dst, u64 v, size_t count);
void *iof_shim_memchr_inv(const void *p, int c, size_t n);
ssize_t iof_shim_strscpy(char *dst, const char *src, size_t size);
void *iof_shim_memdup_user(const void __user *src, size_t len);
void *iof_shim_kmemdup(const void *src, size_t len, gfp_t gfp);

#define memset64 iof_shim_memset64
#define memchr_inv iof_shim_memchr_inv
#define strscpy(dst, src, ...) iof_shim_strscpy_n(dst, src, ##__VA_ARGS__, sizeof(dst))
#define iof_shim_strscpy_n(dst, src, size, ...) iof_shim_strscpy(dst, src, size)
#define memdup_user iof_shim_memdup_user
#define kmemdup iof_shim_kmemdup

#endif
