/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - the system's own header, and the small general macros of the kernel's.
 */
#ifndef IOF_SHIM_LINUX_KERNEL_H
#define IOF_SHIM_LINUX_KERNEL_H

#include_next <linux/kernel.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <linux/align.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/stddef.h>
#include <linux/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]) + __must_be_array(a))

#define might_sleep() iof_shim_sleep_check()
#define might_fault() might_sleep()

#define u64_to_user_ptr(x) ((void __user *)(uintptr_t)(u64)(x))

int iof_shim_scnprintf(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
