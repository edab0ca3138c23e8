/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * hwpt.h - hardware page tables (hwpt.c).
 */
#ifndef IOF_CORE_HWPT_H
#define IOF_CORE_HWPT_H

#include "ioas.h"

struct iof_fault_queue;

extern const struct iof_object_ops iof_hwpt_paging_ops, iof_hwpt_nested_ops;

struct iof_hwpt {
	struct iof_object obj;		/* iof_hwpt_paging_ops or iof_hwpt_nested_ops */
	struct iof_domain *domain;
	struct iof_fault_queue *queue;	/* NULL: not fault-capable; holds it */
	u32 flags;			/* IOMMU_HWPT_ALLOC_* as allocated */
	/* paging: */
	struct iof_ioas *ioas;		/* holds it */
	bool left;			/* no longer filled from it: about to be destroyed */
	struct list_head ioas_node;	/* automatic only; ioas->hwpts_lock */
	struct mutex dirty_lock;	/* the driver's dirty tracking */
	bool automatic;			/* made by an attach; goes with its last attachment */
	/* automatic only: struct iof_attach of it; ioas->hwpts_lock */
	unsigned int attachments;
	/* nested: */
	struct iof_hwpt *parent;	/* holds it */
};

/*
 * Makes a paging HWPT for @idev's IOMMU; its id is reserved. The device is not needed any more
 * then. iof_hwpt_fill() comes next. The caller publishes it by iof_hwpt_publish(), or undoes by
 * iof_hwpt_abort(). No lock need be held.
 */
struct iof_hwpt *iof_hwpt_alloc_paging(struct iof_ctx *ctx, struct iof_device *idev, u32 flags,
				       const struct iof_user_data *data);
/* Fills it from @ioas, which does not know it yet: iof_map_add_domain(). */
int iof_hwpt_fill(struct iof_hwpt *hwpt, struct iof_ioas *ioas);
/*
 * Makes it known to its IOAS, and findable. The caller holds ioas->hwpts_lock if it is
 * automatic.
 */
void iof_hwpt_publish(struct iof_ctx *ctx, struct iof_hwpt *hwpt);
void iof_hwpt_abort(struct iof_ctx *ctx, struct iof_hwpt *hwpt);

/*
 * An attachment's hold on its HWPT, beyond the call that makes it. -ENOENT: an automatic HWPT whose
 * last attachment has just gone. unuse removes an automatic HWPT with its last attachment; it may
 * wait for calls, so none of the caller's may be inside the HWPT, and ioas->hwpts_lock must be
 * free.
 */
int iof_hwpt_use(struct iof_hwpt *hwpt);
void iof_hwpt_unuse(struct iof_ctx *ctx, struct iof_hwpt *hwpt);

/* The IOAS whose reserved ranges an attachment to this HWPT touches. */
static inline struct iof_ioas *iof_hwpt_ioas(struct iof_hwpt *hwpt)
{
	return hwpt->parent ? hwpt->parent->ioas : hwpt->ioas;
}

#endif
