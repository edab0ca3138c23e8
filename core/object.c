// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * object.c - ids and lifetimes of the objects of a context.
 *
 * A reserved object has an id, and look-ups do not find it. It is published
 * when the reply of its creator has reached the user; then look-ups find it by
 * its id until it is destroyed. A look-up counts in obj->calls until it is put.
 * A longer use counts in obj->users.
 *
 * Rules: the table's xa_lock guards visibility. DESTROY hides the object, waits
 * for the calls in progress, and then checks obj->users, since a call may have
 * become a user. So a call may take a long-lived hold at any point and never
 * meets a half-destroyed object. A call of another process may wait for memory
 * that never comes: DESTROY gives up after a minute, and when its thread is
 * killed.
 */
#include "ctx.h"

long iof_object_patience = 60 * HZ;

int iof_object_reserve(struct iof_ctx *ctx, struct iof_object *obj,
		       const struct iof_object_ops *ops)
{
	int rc;

	obj->ctx = ctx;
	obj->ops = ops;
	obj->dying = false;
	refcount_set(&obj->users, 1);
	atomic_set(&obj->calls, 1);
	/* Store NULL: the id is taken, and a look-up finds no object. */
	rc = xa_alloc(&ctx->objects, &obj->id, NULL, xa_limit_31b,
		      GFP_KERNEL_ACCOUNT);
	return rc == -EBUSY ? -ENOSPC : rc;
}

void iof_object_publish(struct iof_ctx *ctx, struct iof_object *obj)
{
	/* The slot was reserved, so that this store allocates nothing. */
	WARN_ON(xa_is_err(
		xa_store(&ctx->objects, obj->id, obj, GFP_KERNEL_ACCOUNT)));
}

void iof_object_abort(struct iof_ctx *ctx, struct iof_object *obj)
{
	xa_erase(&ctx->objects, obj->id);
}

struct iof_object *iof_object_get_current(struct iof_ctx *ctx, const u32 *id,
					  const struct iof_object_ops *ops)
{
	struct iof_object *obj;

	xa_lock(&ctx->objects);
	obj = ctx->last_found;
	if (!obj || obj->id != *id)
		obj = xa_load(&ctx->objects, *id);
	if (!obj || obj->dying || (ops && obj->ops != ops)) {
		obj = ERR_PTR(-ENOENT);
	} else {
		atomic_inc(&obj->calls);
		ctx->last_found = obj;
	}
	xa_unlock(&ctx->objects);
	return obj;
}

struct iof_object *iof_object_get(struct iof_ctx *ctx, u32 id,
				  const struct iof_object_ops *ops)
{
	return iof_object_get_current(ctx, &id, ops);
}

void iof_object_put(struct iof_object *obj)
{
	struct iof_ctx *ctx = obj->ctx;

	/* A waiter may free the object once the count is zero. */
	if (atomic_dec_and_test(&obj->calls))
		wake_up_all(&ctx->calls_ended);
}

/*
 * Hides @obj from look-ups. Called with xa_lock held. The caller then waits for
 * calls.
 */
static void hide(struct iof_object *obj)
{
	obj->dying = true;
	if (obj->ctx->last_found == obj)
		obj->ctx->last_found = NULL;
	atomic_dec(&obj->calls);
}

/* Makes @obj visible again, whether or not calls have ended. */
static void show(struct iof_ctx *ctx, struct iof_object *obj)
{
	xa_lock(&ctx->objects);
	atomic_inc(&obj->calls);
	obj->dying = false;
	xa_unlock(&ctx->objects);
}

static int wait_for_calls(struct iof_ctx *ctx, struct iof_object *obj)
{
	long left = wait_event_killable_timeout(
		ctx->calls_ended, !atomic_read_acquire(&obj->calls),
		iof_object_patience);

	if (left < 0)
		return -EINTR;
	return left ? 0 : -EBUSY;
}

/* Frees the id and the object, which no thread can reach any more. */
static void finish(struct iof_ctx *ctx, struct iof_object *obj)
{
	xa_erase(&ctx->objects, obj->id);
	obj->ops->destroy(obj);
}

/*
 * Destroys the object of an id. @final: the context ends; no other thread uses
 * it, so that there is no call to wait for.
 */
static int destroy_id(struct iof_ctx *ctx, u32 id, bool final)
{
	struct iof_object *obj;
	int rc = 0;

	xa_lock(&ctx->objects);
	obj = xa_load(&ctx->objects, id);
	if (!obj || obj->dying)
		rc = -ENOENT;
	else if (refcount_read(&obj->users) != 1)
		rc = -EBUSY;
	else
		hide(obj);
	xa_unlock(&ctx->objects);
	if (rc)
		return rc;

	rc = wait_for_calls(ctx, obj);
	/* One of the ended calls has become a user. */
	if (!rc && refcount_read(&obj->users) != 1)
		rc = -EBUSY;
	if (!rc && !final && obj->ops->prepare_destroy)
		rc = obj->ops->prepare_destroy(obj);
	if (rc) {
		show(ctx, obj);
		return rc;
	}
	/*
	 * Drop the table's hold. Orders accesses of earlier users before the
	 * free.
	 */
	WARN_ON(!refcount_dec_and_test(&obj->users));
	finish(ctx, obj);
	return 0;
}

int iof_object_destroy(struct iof_ctx *ctx, u32 id)
{
	return destroy_id(ctx, id, false);
}

void iof_object_remove(struct iof_ctx *ctx, struct iof_object *obj)
{
	xa_lock(&ctx->objects);
	hide(obj);
	xa_unlock(&ctx->objects);
	wait_event(ctx->calls_ended, !atomic_read_acquire(&obj->calls));

	refcount_dec(&obj->users);
	WARN_ON(!refcount_dec_and_test(&obj->users));
	finish(ctx, obj);
}

void iof_objects_destroy_all(struct iof_ctx *ctx)
{
	struct iof_object *obj;
	unsigned long id;
	bool progress;

	/*
	 * Repeat: most users of an object are younger than it, so that a few
	 * rounds suffice.
	 */
	do {
		progress = false;
		xa_for_each(&ctx->objects, id, obj) {
			if (!destroy_id(ctx, id, true))
				progress = true;
			cond_resched();
		}
	} while (progress);
	WARN_ON(!xa_empty(&ctx->objects));
}
