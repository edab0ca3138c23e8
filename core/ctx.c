// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ctx.c - contexts, and the helpers of command handlers.
 *
 * A context is made by open of /dev/iommu. It lives until its last holder is
 * gone: the open file, devices bound to keep it, open fault descriptors. The
 * objects in its table end with it.
 */
#include "ctx.h"

struct iof_ctx *iof_ctx_alloc(struct iof_ctx_node *node)
{
	struct iof_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);

	if (!ctx)
		return NULL;
	kref_init(&ctx->ref);
	xa_init_flags(&ctx->objects, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&ctx->calls_ended);
	ctx->account_mode = node && node->container ? IOF_ACCOUNT_MM :
						      IOF_ACCOUNT_USER;
	ctx->node = node;
	if (node)
		atomic_inc(&node->contexts);
	return ctx;
}

static void release_ctx(struct kref *ref)
{
	struct iof_ctx *ctx = container_of(ref, struct iof_ctx, ref);
	struct iof_ctx_node *node = ctx->node;

	iof_objects_destroy_all(ctx);
	xa_destroy(&ctx->objects);
	kfree(ctx);
	/* A thread that waits for this may free the node. */
	if (node)
		(void)atomic_dec_return(&node->contexts);
}

void iof_ctx_put(struct iof_ctx *ctx)
{
	kref_put(&ctx->ref, release_ctx);
}

struct iof_ctx_node *iof_ctx_node(struct iof_ctx *ctx)
{
	return ctx->node;
}

/* ---- a command in progress ---- */

struct iof_ctx *iof_ucmd_ctx(struct iof_ucmd *ucmd)
{
	return ucmd->ctx;
}

void *iof_ucmd_cmd(struct iof_ucmd *ucmd)
{
	return ucmd->cmd;
}

int iof_ucmd_respond(struct iof_ucmd *ucmd, size_t len)
{
	if (copy_to_user(ucmd->uptr, ucmd->cmd,
			 min_t(size_t, ucmd->user_size, len)))
		return -EFAULT;
	return 0;
}
