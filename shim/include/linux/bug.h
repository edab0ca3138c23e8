/* SPDX-License-Identifier: MIT */
/*
 * bug.h - assertions at run time, which print their place in the code.
 *
 * iof_shim_panic_on_warn (shim/fault.h) decides whether a warning also ends the program. Builds
 * with checks set it by default.
 */
#ifndef IOF_SHIM_LINUX_BUG_H
#define IOF_SHIM_LINUX_BUG_H

#include <linux/compiler.h>
#include <linux/build_bug.h>

#define BUG() iof_shim_bug(__FILE__, __LINE__, __func__, "BUG")
#define BUG_ON(cond) \
	do { \
		if (unlikely(cond)) \
			iof_shim_bug(__FILE__, __LINE__, __func__, "BUG_ON(%s)", #cond); \
	} while (0)
#define WARN(cond, ...) \
	({ \
		bool iof_warn = !!(cond); \
		if (unlikely(iof_warn)) \
			iof_shim_warn(__FILE__, __LINE__, __func__, __VA_ARGS__); \
		unlikely(iof_warn); \
	})
#define WARN_ON(cond) WARN(cond, "WARN_ON(%s)", #cond)
#define WARN_ONCE(cond, ...) \
	({ \
		static bool iof_warned; \
		bool iof_warn = !!(cond); \
		if (unlikely(iof_warn) && \
		    !__atomic_exchange_n(&iof_warned, true, __ATOMIC_RELAXED)) \
			iof_shim_warn(__FILE__, __LINE__, __func__, __VA_ARGS__); \
		unlikely(iof_warn); \
	})
#define WARN_ON_ONCE(cond) WARN_ONCE(cond, "WARN_ON_ONCE(%s)", #cond)

#endif
