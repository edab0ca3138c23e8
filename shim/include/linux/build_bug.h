/* SPDX-License-Identifier: MIT */
/* build_bug.h - assertions at compile time. */
#ifndef IOF_SHIM_LINUX_BUILD_BUG_H
#define IOF_SHIM_LINUX_BUILD_BUG_H

#include <linux/compiler.h>

#ifndef static_assert
#define static_assert(expr, ...) iof_shim_static_assert(expr, ##__VA_ARGS__, #expr)
#endif
#define iof_shim_static_assert(expr, msg, ...) _Static_assert(expr, msg)
#define BUILD_BUG_ON_ZERO(e) ((int)sizeof(struct { int : (-!!(e)); }))
#define BUILD_BUG_ON_MSG(cond, msg) _Static_assert(!(cond), msg)
#define BUILD_BUG_ON(cond) BUILD_BUG_ON_MSG(cond, "BUILD_BUG_ON: " #cond)

#endif
