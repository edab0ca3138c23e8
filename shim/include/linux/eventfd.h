/* SPDX-License-Identifier: MIT */
/*
 * eventfd.h - signals a real eventfd of the program, through a duplicate of its descriptor.
 */
#ifndef IOF_SHIM_LINUX_EVENTFD_H
#define IOF_SHIM_LINUX_EVENTFD_H

#include <linux/err.h>
#include <linux/types.h>

struct eventfd_ctx;

struct eventfd_ctx *iof_shim_eventfd_get(int fd);
void iof_shim_eventfd_put(struct eventfd_ctx *ctx);
void iof_shim_eventfd_signal(struct eventfd_ctx *ctx);
void iof_shim_eventfd_add(struct eventfd_ctx *ctx, u32 nr);	/* signals @nr times */

#define eventfd_ctx_fdget(fd) iof_shim_eventfd_get(fd)
#define eventfd_ctx_put(ctx) iof_shim_eventfd_put(ctx)
#define eventfd_signal(ctx) iof_shim_eventfd_signal(ctx)

#endif
