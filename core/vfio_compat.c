// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * vfio_compat.c - VFIO's type-1 commands on /dev/iommu, for programs that use
 * only these.
 *
 * They act on one IOAS of the context, the compat IOAS, which IOMMU_VFIO_IOAS
 * sets, or a VFIO group that enters the context without one. The setting does
 * not hold the IOAS: when it is destroyed, the context has none. Structs and
 * errnos are VFIO's; the work is done by the functions behind the native
 * commands. Type 1 in its first version also cuts mappings, which requires an
 * IOAS without large pages: choosing that version turns them off.
 */
#include "ioas.h"

/* Returns the compat IOAS with a short-lived hold, or ERR_PTR(-ENODEV). */
static struct iof_ioas *compat_ioas(struct iof_ctx *ctx)
{
	struct iof_object *obj =
		iof_object_get_current(ctx, &ctx->vfio_ioas, &iof_ioas_ops);

	return IS_ERR(obj) ? ERR_PTR(-ENODEV) :
			     container_of(obj, struct iof_ioas, obj);
}

static void set_compat(struct iof_ctx *ctx, u32 id)
{
	xa_lock(&ctx->objects);
	ctx->vfio_ioas = id;
	xa_unlock(&ctx->objects);
}

int iof_ctx_compat_ioas(struct iof_ctx *ctx, u32 *id)
{
	struct iof_ioas *ioas = compat_ioas(ctx);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	*id = ioas->obj.id;
	iof_object_put(&ioas->obj);
	return 0;
}

int iof_ctx_need_compat_ioas(struct iof_ctx *ctx)
{
	struct iof_ioas *ioas = compat_ioas(ctx);
	bool mine;
	u32 id;
	int rc;

	if (!IS_ERR(ioas)) {
		iof_object_put(&ioas->obj);
		return 0;
	}
	rc = iof_ioas_alloc(ctx, &id);
	if (rc)
		return rc;
	ioas = iof_ioas_get(ctx, id);
	if (IS_ERR(ioas))
		/*
		 * another thread guessed the id, and destroyed it
		 */
		return -ENODEV;
	xa_lock(&ctx->objects);
	mine = !ctx->vfio_ioas;
	if (mine)
		ctx->vfio_ioas = id;
	xa_unlock(&ctx->objects);
	iof_object_put(&ioas->obj);
	/* another thread has set one meanwhile */
	if (!mine)
		(void)iof_object_destroy(ctx, id);
	return 0;
}

static int get_compat(struct iof_ucmd *ucmd, struct iommu_vfio_ioas *cmd)
{
	struct iof_ioas *ioas = compat_ioas(ucmd->ctx);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	cmd->ioas_id = ioas->obj.id;
	iof_object_put(&ioas->obj);
	return iof_ucmd_respond(ucmd, sizeof(*cmd));
}

int iof_vfio_ioas_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_vfio_ioas *cmd = ucmd->cmd;
	struct iof_ioas *ioas;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		return get_compat(ucmd, cmd);
	case IOMMU_VFIO_IOAS_SET:
		ioas = iof_ioas_get(ucmd->ctx, cmd->ioas_id);
		if (IS_ERR(ioas))
			return PTR_ERR(ioas);
		/*
		 * The hold delays DESTROY, which clears the setting after this.
		 */
		set_compat(ucmd->ctx, ioas->obj.id);
		iof_object_put(&ioas->obj);
		return 0;
	case IOMMU_VFIO_IOAS_CLEAR:
		set_compat(ucmd->ctx, 0);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/*
 * Does an HWPT of the IOAS enforce cache coherency? None here does; VFIO
 * returns 1 for a container without any HWPT.
 */
static int enforces_coherency(struct iof_ioas *ioas)
{
	return !atomic_long_read(&ioas->nr_hwpts);
}

static int check_extension(struct iof_ctx *ctx, unsigned long extension)
{
	struct iof_ioas *ioas;
	int rc;

	switch (extension) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_DMA_CC_IOMMU:
		ioas = compat_ioas(ctx);
		if (IS_ERR(ioas))
			return PTR_ERR(ioas);
		rc = enforces_coherency(ioas);
		iof_object_put(&ioas->obj);
		return rc;
	default:
		return 0;
	}
}

static int set_iommu(struct iof_ctx *ctx, unsigned long type)
{
	struct iof_ioas *ioas;
	int rc = 0;

	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	ioas = compat_ioas(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	if (type == VFIO_TYPE1_IOMMU)
		rc = iof_map_set_huge_pages(&ioas->map, false);
	iof_object_put(&ioas->obj);
	return rc;
}

/* ---- GET_INFO ---- */

/* The capabilities, which are copied if argsz covers all of them. */
struct full_info {
	struct vfio_iommu_type1_info info;
	struct vfio_iommu_type1_info_dma_avail avail;
	u32 pad;
	struct vfio_iommu_type1_info_cap_iova_range cap;
};

static struct full_info *make_info(struct iof_ioas *ioas, size_t *size)
{
	struct iommu_iova_range *ranges;
	unsigned long count, total, i;
	struct full_info *full;
	u64 alignment;

	BUILD_BUG_ON(offsetof(struct full_info, avail) != 24);
	BUILD_BUG_ON(offsetof(struct full_info, cap.iova_ranges) != 56);
	ranges = iof_ioas_usable_ranges(ioas, ULONG_MAX, &count, &total,
					&alignment);
	if (IS_ERR(ranges))
		return ERR_CAST(ranges);
	*size = struct_size(full, cap.iova_ranges, count);
	full = kvzalloc(*size, GFP_KERNEL_ACCOUNT);
	if (!full) {
		full = ERR_PTR(-ENOMEM);
		goto out;
	}
	full->info.argsz = (u32)*size;
	full->info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	full->info.iova_pgsizes = iof_map_page_sizes(&ioas->map);
	if (!full->info.iova_pgsizes) {
		kvfree(full);
		full = ERR_PTR(-EINTR);
		goto out;
	}
	full->info.cap_offset = offsetof(struct full_info, avail);
	full->avail.header.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL;
	full->avail.header.version = 1;
	full->avail.header.next = offsetof(struct full_info, cap);
	/* only memory limits the number of mappings */
	full->avail.avail = U32_MAX;
	full->cap.header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	full->cap.header.version = 1;
	full->cap.nr_iovas = (u32)count;
	for (i = 0; i < count; i++) {
		full->cap.iova_ranges[i].start = ranges[i].start;
		full->cap.iova_ranges[i].end = ranges[i].last;
	}
out:
	kvfree(ranges);
	return full;
}

static int get_info(struct iof_ctx *ctx, void __user *uptr)
{
	size_t min_size =
		       offsetofend(struct vfio_iommu_type1_info, iova_pgsizes),
	       size = 0;
	struct full_info *full;
	struct iof_ioas *ioas;
	u32 argsz;
	int rc = 0;

	if (get_user(argsz, (u32 __user *)uptr))
		return -EFAULT;
	if (argsz < min_size)
		return -EINVAL;
	ioas = compat_ioas(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	full = make_info(ioas, &size);
	iof_object_put(&ioas->obj);
	if (IS_ERR(full))
		return PTR_ERR(full);
	if (argsz < size) {
		full->info.cap_offset = 0;
		size = min_t(size_t, argsz, sizeof(full->info));
	}
	if (copy_to_user(uptr, full, size))
		rc = -EFAULT;
	kvfree(full);
	return rc;
}

/* ---- MAP_DMA, UNMAP_DMA ---- */

static int map_dma(struct iof_ctx *ctx, void __user *uptr)
{
	struct vfio_iommu_type1_dma_map map;
	unsigned int prot = 0;
	struct iof_ioas *ioas;
	unsigned long iova;
	int rc;

	if (copy_from_user(&map, uptr, sizeof(map)))
		return -EFAULT;
	if (map.argsz < sizeof(map) ||
	    map.flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
		return -EINVAL;
	if (map.flags & VFIO_DMA_MAP_FLAG_READ)
		prot |= IOF_PROT_READ;
	if (map.flags & VFIO_DMA_MAP_FLAG_WRITE)
		prot |= IOF_PROT_WRITE;
	ioas = compat_ioas(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	iova = map.iova;
	rc = iof_ioas_map_user(ctx, ioas, map.vaddr, map.size, prot, &iova,
			       true);
	iof_object_put(&ioas->obj);
	return rc;
}

/*
 * Unmaps a range. Sets *began if the removal was tried, and *bytes to the
 * number of bytes removed.
 */
static int unmap_range(struct iof_map *map,
		       const struct vfio_iommu_type1_dma_unmap *unmap,
		       unsigned long *bytes, bool *began)
{
	unsigned long start = unmap->iova, last = ULONG_MAX;
	int rc = 0;

	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (unmap->iova || unmap->size)
			return -EINVAL;
	} else {
		if (!unmap->size)
			return -EINVAL;
		/* As on Linux, this error returns size 0 to the user. */
		*began = true;
		if (check_add_overflow(start, (unsigned long)unmap->size - 1,
				       &last))
			return -EOVERFLOW;
		*began = false;
		if (!iof_map_huge_pages(map)) {
			rc = iof_map_cut(map, start);
			if (!rc && last != ULONG_MAX)
				rc = iof_map_cut(map, last + 1);
		}
		if (rc)
			return rc;
	}
	*began = true;
	return iof_map_remove(map, start, last, true, bytes);
}

static int unmap_dma(struct iof_ctx *ctx, void __user *uptr)
{
	struct vfio_iommu_type1_dma_unmap unmap;
	unsigned long bytes = 0;
	struct iof_ioas *ioas;
	bool began = false;
	int rc;

	if (copy_from_user(&unmap, uptr, sizeof(unmap)))
		return -EFAULT;
	if (unmap.argsz < sizeof(unmap) ||
	    unmap.flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	ioas = compat_ioas(ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = unmap_range(&ioas->map, &unmap, &bytes, &began);
	iof_object_put(&ioas->obj);
	/*
	 * A call that is refused at the start leaves the caller's struct
	 * unchanged.
	 */
	if (!began)
		return rc;
	unmap.size = bytes;
	if (copy_to_user(uptr, &unmap, sizeof(unmap)))
		return -EFAULT;
	return rc;
}

int iof_vfio_compat_ioctl(struct iof_ctx *ctx, unsigned int cmd,
			  unsigned long arg)
{
	void __user *uptr = (void __user *)arg;

	switch (cmd) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return check_extension(ctx, arg);
	case VFIO_SET_IOMMU:
		return set_iommu(ctx, arg);
	case VFIO_IOMMU_GET_INFO:
		return get_info(ctx, uptr);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(ctx, uptr);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(ctx, uptr);
	default:
		return -ENOTTY;
	}
}
