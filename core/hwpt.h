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
	struct iof_object obj; /* iof_hwpt_paging_ops or iof_hwpt_nested_ops */
	struct iof_domain *domain;
	struct iof_fault_queue *queue; /* held; NULL: not fault-capable */
	/* IOMMU_HWPT_ALLOC_* flags of the allocation */
	u32 flags;
	/* Fields of paging HWPTs: */
	struct iof_ioas *ioas; /* IOAS that fills it; held */
	/* @ioas no longer fills it: it is about to be destroyed */
	bool left;
	/* automatic only: list in @ioas; ioas->hwpts_lock */
	struct list_head ioas_node;
	/* serialises dirty tracking in the driver */
	struct mutex dirty_lock;
	/* an attach made it, and the end of its last attachment frees it */
	bool automatic;
	/* automatic only: number of attachments; ioas->hwpts_lock */
	unsigned int attachments;
	/* Fields of nested HWPTs: */
	struct iof_hwpt *parent; /* parent HWPT; held */
};

/*
 * Allocates a paging HWPT for the IOMMU of @idev and reserves its id. The
 * device is not used after that. The caller then calls iof_hwpt_fill(), and
 * iof_hwpt_publish() or iof_hwpt_abort(). No lock is needed.
 */
struct iof_hwpt *iof_hwpt_alloc_paging(struct iof_ctx *ctx,
				       struct iof_device *idev, u32 flags,
				       const struct iof_user_data *data);
/* Fills the HWPT from @ioas and keeps it filled (iof_map_add_domain()). */
int iof_hwpt_fill(struct iof_hwpt *hwpt, struct iof_ioas *ioas);
/*
 * Makes the HWPT visible to look-ups. For an automatic one, the caller holds
 * ioas->hwpts_lock.
 */
void iof_hwpt_publish(struct iof_ctx *ctx, struct iof_hwpt *hwpt);
void iof_hwpt_abort(struct iof_ctx *ctx, struct iof_hwpt *hwpt);

/*
 * Takes and drops an attachment's hold on its HWPT. -ENOENT: an automatic HWPT
 * whose last attachment has just ended. iof_hwpt_unuse() removes an automatic
 * HWPT with its last attachment, and may wait for calls then. So the caller has
 * no call in progress on the HWPT, and does not hold ioas->hwpts_lock.
 */
int iof_hwpt_use(struct iof_hwpt *hwpt);
void iof_hwpt_unuse(struct iof_ctx *ctx, struct iof_hwpt *hwpt);

/*
 * Returns the IOAS that reserves the ranges of devices attached to this HWPT.
 */
static inline struct iof_ioas *iof_hwpt_ioas(struct iof_hwpt *hwpt)
{
	return hwpt->parent ? hwpt->parent->ioas : hwpt->ioas;
}

#endif
