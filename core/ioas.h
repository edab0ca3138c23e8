/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ioas.h - I/O address spaces, and in-kernel access to them (ioas.c, access.c).
 */
#ifndef IOF_CORE_IOAS_H
#define IOF_CORE_IOAS_H

#include "iova_map.h"

extern const struct iof_object_ops iof_ioas_ops;

struct iof_ioas {
	struct iof_object obj;
	struct iof_map map;
	atomic_long_t nr_hwpts;	 /* number of published HWPTs */
	struct mutex hwpts_lock; /* serialises automatic HWPTs */
	/* list of struct iof_hwpt.ioas_node in creation order; hwpts_lock */
	struct list_head automatic;
};

/* Allocates and publishes an IOAS, and stores its id in *id. */
int iof_ioas_alloc(struct iof_ctx *ctx, u32 *id);
/* Maps user memory at *iova, or at a place of its choice. @prot: IOF_PROT_*. */
int iof_ioas_map_user(struct iof_ctx *ctx, struct iof_ioas *ioas,
		      unsigned long uptr, unsigned long length,
		      unsigned int prot, unsigned long *iova, bool fixed);
/*
 * Returns all usable ranges at one moment, but at most @room of them; the
 * caller frees them by kvfree(). *count is how many the caller gets, *total how
 * many there are. ERR_PTR(-ENOMEM), ERR_PTR(-EINTR).
 */
struct iommu_iova_range *iof_ioas_usable_ranges(struct iof_ioas *ioas,
						unsigned long room,
						unsigned long *count,
						unsigned long *total,
						u64 *alignment);

static inline struct iof_ioas *iof_ioas_get(struct iof_ctx *ctx, u32 id)
{
	struct iof_object *obj = iof_object_get(ctx, id, &iof_ioas_ops);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iof_ioas, obj);
}

/* ---- in-kernel users of an IOAS (access.c) ---- */

struct iof_access {
	struct iof_object obj;
	struct iof_ctx *ctx; /* holds a reference */
	const struct iof_access_ops *ops;
	void *priv;
	struct mutex lock;
	struct rw_semaphore ioas_rwsem;
	/*
	 * the IOAS in which the access pins and copies; NULL: none, or it is
	 * about to move; ioas_rwsem
	 */
	struct iof_ioas *ioas;
	/* the IOAS that has its pins; held; ioas_rwsem */
	struct iof_ioas *pinned_in;
	/* entry of the access in the map of @pinned_in; lock */
	struct iof_map_access *entry;
};

#endif
