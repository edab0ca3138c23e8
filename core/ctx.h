/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ctx.h - contexts, and the commands of /dev/iommu (ctx.c, main.c).
 */
#ifndef IOF_CORE_CTX_H
#define IOF_CORE_CTX_H

#include "iof_core.h"
#include "locks.h"

struct iof_ctx {
	/*
	 * held by the open file, by each device bound to keep it, and by each
	 * open fault descriptor
	 */
	struct kref ref;
	/* id -> struct iof_object; a reserved entry is an unpublished object */
	struct xarray objects;
	/*
	 * The visible object that the last look-up found, or NULL: consecutive
	 * commands often name one object. xa_lock
	 */
	struct iof_object *last_found;
	/*
	 * may be NULL; constant after open. The last step of freeing drops its
	 * count.
	 */
	struct iof_ctx_node *node;
	/* id of the compat IOAS of VFIO's type-1 commands, or 0; xa_lock */
	u32 vfio_ioas;
	/* IOF_ACCOUNT_*; OPTION writes it while there is no object (xa_lock) */
	u32 account_mode;
	/* DESTROY and removal wait here for an object's calls */
	wait_queue_head_t calls_ended;
};

enum iof_account_mode {
	/* charged to the user's locked pages; RLIMIT_MEMLOCK applies */
	IOF_ACCOUNT_USER = 0,
	/* charged to the process's locked pages; RLIMIT_MEMLOCK applies */
	IOF_ACCOUNT_MM = 1,
	/* mapped with CAP_IPC_LOCK: not charged, no limit */
	IOF_ACCOUNT_NONE = 2,
};

/*
 * Allocates a context with one reference, counted in @node if that is not NULL.
 * NULL: no memory.
 */
struct iof_ctx *iof_ctx_alloc(struct iof_ctx_node *node);

static inline void iof_ctx_get(struct iof_ctx *ctx)
{
	kref_get(&ctx->ref);
}

/*
 * An ioctl in progress. @cmd is the kernel's copy of the struct, zero-extended
 * to its known size.
 */
struct iof_ucmd {
	struct iof_ctx *ctx;
	void __user *uptr;
	u32 user_size;
	void *cmd;
};

/* Handlers of the ioctl table. Each returns 0 or a negative errno. */
int iof_ioas_alloc_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_iova_ranges_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_allow_iovas_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_map_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_map_file_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_copy_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_unmap_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_noiommu_get_pa_ioctl(struct iof_ucmd *ucmd); /* in noiommu.c */
/* defined in main.c; ioas.c handles HUGE_PAGES */
int iof_option_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_huge_pages_option(struct iof_ctx *ctx, struct iommu_option *cmd);
int iof_hwpt_alloc_ioctl(struct iof_ucmd *ucmd);
int iof_hwpt_invalidate_ioctl(struct iof_ucmd *ucmd);
/* defined in device.c */
int iof_hw_info_ioctl(struct iof_ucmd *ucmd);
/* defined in dirty.c */
int iof_hwpt_set_dirty_tracking_ioctl(struct iof_ucmd *ucmd);
int iof_hwpt_get_dirty_bitmap_ioctl(struct iof_ucmd *ucmd);
int iof_vfio_ioas_ioctl(struct iof_ucmd *ucmd); /* defined in vfio_compat.c */
/*
 * VFIO's type-1 commands; their numbers are below those of iommufd. -ENOTTY:
 * unknown.
 */
int iof_vfio_compat_ioctl(struct iof_ctx *ctx, unsigned int cmd,
			  unsigned long arg);
int iof_fault_queue_alloc_ioctl(struct iof_ucmd *ucmd);

#endif
