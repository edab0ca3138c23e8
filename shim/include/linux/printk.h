/* SPDX-License-Identifier: MIT */
/*
 * printk.h - messages to stderr. The rate limit is the kernel's: 10 lines in 5 seconds for each
 * place in the code.
 */
#ifndef IOF_SHIM_LINUX_PRINTK_H
#define IOF_SHIM_LINUX_PRINTK_H

#include <linux/compiler.h>

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif

struct iof_shim_ratelimit {
	unsigned long long begin;
	unsigned int printed;
};

bool iof_shim_ratelimit(struct iof_shim_ratelimit *limit);
void iof_shim_printk(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define iof_shim_print_limited(level, ...) \
	do { \
		static struct iof_shim_ratelimit iof_limit; \
		if (iof_shim_ratelimit(&iof_limit)) \
			iof_shim_printk(level, __VA_ARGS__); \
	} while (0)

#define pr_warn_ratelimited(fmt, ...) iof_shim_print_limited(4, pr_fmt(fmt), ##__VA_ARGS__)

#endif
