/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iof_object.h - ids and lifetimes of objects in a context, for core/ and the
 * mock device.
 *
 * An object is embedded in the struct of its type. Its ops table identifies the
 * type: object.c knows no type, and a look-up compares the pointers.
 */
#ifndef IOF_CORE_OBJECT_H
#define IOF_CORE_OBJECT_H

#include "kapi.h"

struct iof_ctx;
struct iof_object;

/**
 * struct iof_object_ops - a type of objects
 * @prepare_destroy: the part of DESTROY that may have to wait, and so can fail:
 *	-EINTR, killed. The object is hidden, nothing uses it, and it is visible
 *	again after a failure. NULL: no such part. Not called when the context
 *	ends, nor by iof_object_remove().
 * @destroy: frees the object and what it owns. No thread can reach it any more.
 *	Cannot fail.
 */
struct iof_object_ops {
	int (*prepare_destroy)(struct iof_object *obj);
	void (*destroy)(struct iof_object *obj);
};

/**
 * struct iof_object - the head of everything that has an id
 * @ctx: the context; no reference, since callers have one
 * @ops: the type
 * @id: in the context's table
 * @dying: being destroyed, invisible to look-ups; under the table's xa_lock
 * @users: long-lived holds: other objects, open descriptors, attachments; the
 * table's is one
 * @calls: calls in progress, plus 1 while the object is visible
 *
 * DESTROY wants @users to be exactly the table's one, hides the object from
 * look-ups, then waits for @calls to end. If a call has become a long-lived
 * user meanwhile, or does not end in a minute, the object reappears and DESTROY
 * returns -EBUSY.
 *
 * A call that holds an object must end by itself: iof_object_remove() waits for
 * it however long it takes. So none holds a device, or an automatic HWPT, while
 * it touches user memory.
 */
struct iof_object {
	struct iof_ctx *ctx;
	const struct iof_object_ops *ops;
	u32 id;
	bool dying;
	refcount_t users;
	atomic_t calls;
};

/*
 * Reserves an id (lowest free, from 1) for @obj, which stays invisible to
 * look-ups. Returns 0, -ENOMEM or -ENOSPC.
 */
int iof_object_reserve(struct iof_ctx *ctx, struct iof_object *obj,
		       const struct iof_object_ops *ops);
void iof_object_publish(struct iof_ctx *ctx, struct iof_object *obj);
/* Gives the id of an unpublished object back. The caller frees the object. */
void iof_object_abort(struct iof_ctx *ctx, struct iof_object *obj);
/*
 * Takes a short-lived hold on a published object. ERR_PTR(-ENOENT): id 0,
 * unknown, or of another type than @ops. @ops NULL: any type.
 */
struct iof_object *iof_object_get(struct iof_ctx *ctx, u32 id,
				  const struct iof_object_ops *ops);
/* Does the same for an id that changes under the table's xa_lock. */
struct iof_object *iof_object_get_current(struct iof_ctx *ctx, const u32 *id,
					  const struct iof_object_ops *ops);
void iof_object_put(struct iof_object *obj);

/* Takes a long-lived hold. The caller has a hold of either kind already. */
static inline void iof_object_hold(struct iof_object *obj)
{
	refcount_inc(&obj->users);
}

static inline void iof_object_unhold(struct iof_object *obj)
{
	refcount_dec(&obj->users);
}

/*
 * Executes DESTROY. Returns 0, -ENOENT, -EBUSY, or -EINTR killed. On success
 * the object is freed.
 */
int iof_object_destroy(struct iof_ctx *ctx, u32 id);
/*
 * Number of jiffies that DESTROY waits for calls in progress. Tests shorten it.
 */
extern long iof_object_patience;
/*
 * Removes an object for its owner, which has one long-lived hold beside the
 * table's. Takes the object out of the table, waits for calls, and frees it by
 * its ops. Cannot fail.
 */
void iof_object_remove(struct iof_ctx *ctx, struct iof_object *obj);
/*
 * Destroys objects without users until the table is empty, at the end of the
 * context.
 */
void iof_objects_destroy_all(struct iof_ctx *ctx);

#endif
