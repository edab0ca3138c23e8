// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ioas.c - the commands of I/O address spaces: alloc, ranges, allow-list, map,
 * copy, unmap, options.
 *
 * Owns struct iof_ioas. Checks the arguments in the order that the ABI
 * promises, and calls the map (iova_map.c). Arrays of the caller are copied
 * with no lock held. Memory for them is bounded by what exists, not by the
 * length that the caller states.
 */
#include <iofault/iommufd_test.h>

#include "ioas.h"

/* Number of entries of a caller's array that one copy reads. */
#define COPY_BATCH 32u

#define MAP_FLAGS                                                     \
	((u32)(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | \
	       IOMMU_IOAS_MAP_READABLE))

/*
 * Clears the compat IOAS of the context if it is this one. The object is
 * hidden, so that no thread can set it again.
 */
static int forget_compat(struct iof_object *obj)
{
	struct iof_ctx *ctx = obj->ctx;

	xa_lock(&ctx->objects);
	if (ctx->vfio_ioas == obj->id)
		ctx->vfio_ioas = 0;
	xa_unlock(&ctx->objects);
	return 0;
}

static void destroy_ioas(struct iof_object *obj)
{
	struct iof_ioas *ioas = container_of(obj, struct iof_ioas, obj);

	WARN_ON(atomic_long_read(&ioas->nr_hwpts));
	iof_map_destroy(&ioas->map);
	mutex_destroy(&ioas->hwpts_lock);
	kfree(ioas);
}

const struct iof_object_ops iof_ioas_ops = {
	.prepare_destroy = forget_compat,
	.destroy = destroy_ioas,
};

/* A new IOAS with an unpublished id, or an error. */
static struct iof_ioas *reserve_ioas(struct iof_ctx *ctx)
{
	struct iof_ioas *ioas = kzalloc(sizeof(*ioas), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!ioas)
		return ERR_PTR(-ENOMEM);
	iof_map_init(&ioas->map);
	atomic_long_set(&ioas->nr_hwpts, 0);
	mutex_init(&ioas->hwpts_lock);
	INIT_LIST_HEAD(&ioas->automatic);
	rc = iof_object_reserve(ctx, &ioas->obj, &iof_ioas_ops);
	if (!rc)
		return ioas;
	iof_map_destroy(&ioas->map);
	mutex_destroy(&ioas->hwpts_lock);
	kfree(ioas);
	return ERR_PTR(rc);
}

int iof_ioas_alloc_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_ioas_alloc *cmd = ucmd->cmd;
	struct iof_ioas *ioas;
	int rc;

	if (cmd->flags)
		return -EOPNOTSUPP;
	ioas = reserve_ioas(ucmd->ctx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	cmd->out_ioas_id = ioas->obj.id;
	rc = iof_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc) {
		iof_object_abort(ucmd->ctx, &ioas->obj);
		destroy_ioas(&ioas->obj);
		return rc;
	}
	iof_object_publish(ucmd->ctx, &ioas->obj);
	return 0;
}

int iof_ioas_alloc(struct iof_ctx *ctx, u32 *id)
{
	struct iof_ioas *ioas = reserve_ioas(ctx);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	*id = ioas->obj.id;
	iof_object_publish(ctx, &ioas->obj);
	return 0;
}

/*
 * Returns the usable ranges. Repeats if the list grew between counting and
 * filling.
 */
struct iommu_iova_range *iof_ioas_usable_ranges(struct iof_ioas *ioas,
						unsigned long room,
						unsigned long *count,
						unsigned long *total,
						u64 *alignment)
{
	struct iof_map *map = &ioas->map;
	long found = iof_map_ranges(map, NULL, 0, alignment);

	*count = *total = 0;
	while (found >= 0) {
		unsigned long n = min_t(unsigned long, found, room);
		struct iommu_iova_range *ranges;

		ranges = kvcalloc(max(n, 1ul), sizeof(*ranges),
				  GFP_KERNEL_ACCOUNT);
		if (!ranges)
			return ERR_PTR(-ENOMEM);
		found = iof_map_ranges(map, ranges, n, alignment);
		*total = (unsigned long)found;
		*count = min(*total, n);
		if (found >= 0 && min(*total, room) <= n)
			return ranges;
		kvfree(ranges);
	}
	return ERR_PTR(found);
}

int iof_ioas_iova_ranges_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_ioas_iova_ranges *cmd = ucmd->cmd;
	unsigned long room = cmd->num_iovas, count, total;
	struct iommu_iova_range *ranges;
	struct iof_ioas *ioas;
	u64 alignment;
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	ioas = iof_ioas_get(ucmd->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ranges = iof_ioas_usable_ranges(ioas, room, &count, &total, &alignment);
	iof_object_put(&ioas->obj);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	rc = -EFAULT;
	if (copy_to_user(u64_to_user_ptr(cmd->allowed_iovas), ranges,
			 count * sizeof(*ranges)))
		goto out;
	cmd->num_iovas = min_t(unsigned long, total, U32_MAX);
	cmd->out_iova_alignment = alignment;
	rc = iof_ucmd_respond(ucmd, sizeof(*cmd));
	if (!rc && total > room)
		rc = -EMSGSIZE;
out:
	kvfree(ranges);
	return rc;
}

/*
 * Copies the caller's list into a tree, entry by entry. The first invalid entry
 * decides the errno.
 */
static int load_allowed(struct rb_root *root, u64 uptr, u32 num)
{
	struct iommu_iova_range batch[COPY_BATCH];
	int rc = 0;

	while (num && !rc) {
		u32 want = min(num, COPY_BATCH), have, i;
		/* copy_from_user() refuses an address that wraps. */
		size_t left = copy_from_user(batch, u64_to_user_ptr(uptr),
					     want * sizeof(*batch));

		have = (u32)((want * sizeof(*batch) - left) / sizeof(*batch));
		for (i = 0; i < have && !rc; i++) {
			if (batch[i].start >= batch[i].last)
				rc = -EINVAL;
			else
				rc = iof_allowed_insert(root, batch[i].start,
							batch[i].last);
		}
		if (!rc && left)
			rc = -EFAULT;
		rc = rc ?: iof_resched();
		uptr += want * sizeof(*batch);
		num -= want;
	}
	return rc;
}

int iof_ioas_allow_iovas_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_ioas_allow_iovas *cmd = ucmd->cmd;
	struct rb_root root = RB_ROOT;
	struct iof_ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	ioas = iof_ioas_get(ucmd->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = load_allowed(&root, cmd->allowed_iovas, cmd->num_iovas);
	if (!rc)
		rc = iof_map_swap_allowed(&ioas->map, &root);
	iof_object_put(&ioas->obj);
	/* Free the old list, or the refused one. */
	iof_allowed_free(&root);
	return rc;
}

static unsigned int prot_of(u32 flags)
{
	return (flags & IOMMU_IOAS_MAP_READABLE ? IOF_PROT_READ : 0u) |
	       (flags & IOMMU_IOAS_MAP_WRITEABLE ? IOF_PROT_WRITE : 0u);
}

/*
 * Maps @length bytes of @pages from @offset on. Takes over the caller's
 * reference.
 */
static int map_pages(struct iof_ioas *ioas, struct iof_pages *pages,
		     unsigned long offset, unsigned long length,
		     unsigned int prot, unsigned long *iova, bool fixed)
{
	LIST_HEAD(list);
	int rc;

	rc = iof_area_create(&list, pages, offset, length, prot);
	if (!rc)
		rc = iof_map_insert(&ioas->map, &list, length, iova, fixed);
	iof_areas_free(&list);
	iof_pages_put(pages);
	return rc;
}

static int check_memory(unsigned long start, unsigned long length)
{
	unsigned long end;

	if (check_add_overflow(start, length, &end))
		return -EOVERFLOW;
	return !length || length > ULONG_MAX - PAGE_SIZE ? -EINVAL : 0;
}

int iof_ioas_map_user(struct iof_ctx *ctx, struct iof_ioas *ioas,
		      unsigned long uptr, unsigned long length,
		      unsigned int prot, unsigned long *iova, bool fixed)
{
	struct iof_pages *pages;
	int rc = check_memory(uptr, length);

	if (rc)
		return rc;
	pages = iof_pages_alloc(ctx, NULL, uptr, length, prot & IOF_PROT_WRITE);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	return map_pages(ioas, pages, uptr & ~PAGE_MASK, length, prot, iova,
			 fixed);
}

static int map_file(struct iof_ctx *ctx, struct iof_ioas *ioas,
		    const struct iommu_ioas_map_file *cmd, unsigned long *iova)
{
	unsigned long start = cmd->start, length = cmd->length;
	unsigned int prot = prot_of(cmd->flags);
	struct iof_plat_memfile *file;
	struct iof_pages *pages;
	int rc = check_memory(start, length);

	if (rc)
		return rc;
	file = iof_plat_memfile_get(cmd->fd, start, length,
				    prot & IOF_PROT_WRITE);
	if (IS_ERR(file))
		return PTR_ERR(file);
	pages = iof_pages_alloc(ctx, file, start, length,
				prot & IOF_PROT_WRITE);
	if (IS_ERR(pages)) {
		iof_plat_memfile_put(file);
		return PTR_ERR(pages);
	}
	return map_pages(ioas, pages, start & ~PAGE_MASK, length, prot, iova,
			 cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA);
}

int iof_ioas_map_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_ioas_map *cmd = ucmd->cmd;
	unsigned long iova = cmd->iova;
	struct iof_ioas *ioas;
	int rc;

	if ((cmd->flags & ~MAP_FLAGS) || cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX)
		return -EOVERFLOW;
	if (!prot_of(cmd->flags))
		return -EINVAL;
	ioas = iof_ioas_get(ucmd->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = iof_ioas_map_user(ucmd->ctx, ioas, cmd->user_va, cmd->length,
			       prot_of(cmd->flags), &iova,
			       cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA);
	iof_object_put(&ioas->obj);
	if (rc)
		return rc;
	/*
	 * A failed copy of the reply does not undo the mapping: the caller
	 * knows the range.
	 */
	cmd->iova = iova;
	return iof_ucmd_respond(ucmd, sizeof(*cmd));
}

int iof_ioas_map_file_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_ioas_map_file *cmd = ucmd->cmd;
	unsigned long iova = cmd->iova;
	struct iof_ioas *ioas;
	int rc;

	if (cmd->flags & ~MAP_FLAGS)
		return -EOPNOTSUPP;
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX)
		return -EOVERFLOW;
	if (!prot_of(cmd->flags))
		return -EINVAL;
	ioas = iof_ioas_get(ucmd->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = map_file(ucmd->ctx, ioas, cmd, &iova);
	iof_object_put(&ioas->obj);
	if (rc)
		return rc;
	/* As for IOAS_MAP, a failed copy does not undo the mapping. */
	cmd->iova = iova;
	return iof_ucmd_respond(ucmd, sizeof(*cmd));
}

/*
 * Returns the valid flags of IOAS_COPY. A node with test ioctls accepts one
 * more flag, which has no effect.
 */
static u32 copy_flags(struct iof_ctx *ctx)
{
	return ctx->node && ctx->node->test_ops ?
		       MAP_FLAGS | MOCK_FLAGS_ACCESS_SYZ :
		       MAP_FLAGS;
}

int iof_ioas_copy_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_ioas_copy *cmd = ucmd->cmd;
	unsigned long iova = cmd->dst_iova;
	struct iof_ioas *ioas;
	LIST_HEAD(list);
	int rc;

	if (cmd->flags & ~copy_flags(ucmd->ctx))
		return -EOPNOTSUPP;
	if (cmd->length >= ULONG_MAX || cmd->src_iova >= ULONG_MAX ||
	    cmd->dst_iova >= ULONG_MAX)
		return -EOVERFLOW;
	if (!prot_of(cmd->flags))
		return -EINVAL;
	ioas = iof_ioas_get(ucmd->ctx, cmd->src_ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = iof_map_share(&ioas->map, cmd->src_iova, cmd->length,
			   prot_of(cmd->flags), &list);
	iof_object_put(&ioas->obj);
	if (rc)
		return rc;
	ioas = iof_ioas_get(ucmd->ctx, cmd->dst_ioas_id);
	if (IS_ERR(ioas)) {
		rc = PTR_ERR(ioas);
		goto out;
	}
	rc = iof_map_insert(&ioas->map, &list, cmd->length, &iova,
			    cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA);
	iof_object_put(&ioas->obj);
	if (rc)
		goto out;
	cmd->dst_iova = iova;
	rc = iof_ucmd_respond(ucmd, sizeof(*cmd));
out:
	iof_areas_free(&list);
	return rc;
}

int iof_ioas_unmap_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_ioas_unmap *cmd = ucmd->cmd;
	bool all = !cmd->iova && cmd->length == U64_MAX;
	unsigned long last = ULONG_MAX, bytes = 0;
	struct iof_ioas *ioas;
	int rc;

	ioas = iof_ioas_get(ucmd->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = -EOVERFLOW;
	if (!all && (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX))
		goto out;
	rc = -EINVAL;
	if (!cmd->length)
		goto out;
	rc = -EOVERFLOW;
	if (!all && check_add_overflow((unsigned long)cmd->iova,
				       (unsigned long)cmd->length - 1, &last))
		goto out;
	rc = iof_map_remove(&ioas->map, cmd->iova, last, all, &bytes);
out:
	iof_object_put(&ioas->obj);
	if (rc)
		return rc;
	cmd->length = bytes;
	return iof_ucmd_respond(ucmd, sizeof(*cmd));
}

/*
 * Executes the option. Changes @cmd only; the caller copies the reply to the
 * user.
 */
int iof_ioas_huge_pages_option(struct iof_ctx *ctx, struct iommu_option *cmd)
{
	struct iof_ioas *ioas = iof_ioas_get(ctx, cmd->object_id);
	int rc = 0;

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	if (cmd->op == IOMMU_OPTION_OP_GET)
		cmd->val64 = iof_map_huge_pages(&ioas->map);
	else if (cmd->op != IOMMU_OPTION_OP_SET)
		rc = -EOPNOTSUPP;
	else if (cmd->val64 > 1)
		rc = -EINVAL;
	else
		rc = iof_map_set_huge_pages(&ioas->map, cmd->val64);
	iof_object_put(&ioas->obj);
	return rc;
}

int iof_ioas_reserve(struct iof_ctx *ctx, u32 ioas_id, unsigned long start,
		     unsigned long last)
{
	struct iof_ioas *ioas = iof_ioas_get(ctx, ioas_id);
	int rc;

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = iof_map_reserve(&ioas->map, start, last);
	iof_object_put(&ioas->obj);
	return rc;
}
