/* SPDX-License-Identifier: MIT */
/*
 * printk.h - messages to stderr. Rate limits are those of the kernel: 10 lines in 5 seconds and
 * place.
 */
#ifndef IOF_SHIM_LINUX_PRINTK_H
#define IOF_SHIM_LINUX_PRINTK_H

#include <linux/compiler.h>

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif

#define KERN_ERR "3"
#define KERN_WARNING "4"
#define KERN_INFO "6"
#define KERN_DEBUG "7"

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
#define iof_shim_print_once(level, ...) \
	do { \
		static bool iof_printed; \
		if (!__atomic_exchange_n(&iof_printed, true, __ATOMIC_RELAXED)) \
			iof_shim_printk(level, __VA_ARGS__); \
	} while (0)

#define printk(fmt, ...) iof_shim_printk(6, fmt, ##__VA_ARGS__)
#define pr_emerg(fmt, ...) iof_shim_printk(0, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_crit(fmt, ...) iof_shim_printk(2, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err(fmt, ...) iof_shim_printk(3, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...) iof_shim_printk(4, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_notice(fmt, ...) iof_shim_printk(5, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...) iof_shim_printk(6, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_debug(fmt, ...) \
	do { \
		if (0) \
			iof_shim_printk(7, pr_fmt(fmt), ##__VA_ARGS__); \
	} while (0)
#define pr_devel(fmt, ...) pr_debug(fmt, ##__VA_ARGS__)
#define pr_err_ratelimited(fmt, ...) iof_shim_print_limited(3, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn_ratelimited(fmt, ...) iof_shim_print_limited(4, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info_ratelimited(fmt, ...) iof_shim_print_limited(6, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_debug_ratelimited(fmt, ...) pr_debug(fmt, ##__VA_ARGS__)
#define pr_err_once(fmt, ...) iof_shim_print_once(3, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn_once(fmt, ...) iof_shim_print_once(4, pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info_once(fmt, ...) iof_shim_print_once(6, pr_fmt(fmt), ##__VA_ARGS__)

#endif
