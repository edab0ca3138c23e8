// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * hwpt.c - hardware page tables: paging ones that mirror an IOAS, nested ones
 * whose table the user owns.
 *
 * An HWPT wraps one domain of a driver. A paging HWPT is filled from its IOAS
 * before a device can be attached to it. A nested HWPT refers to a paging HWPT
 * that was allocated as its parent. Either may name a fault queue, which never
 * changes.
 *
 * Rules: an HWPT holds its IOAS or parent, and its queue, from allocation until
 * it is freed. An attachment holds the HWPT (iof_hwpt_use()). An attach to an
 * IOAS makes an automatic HWPT, and the end of the last attachment frees it.
 * Until then it has one long-lived hold, so that DESTROY of its id is EBUSY.
 */
#include "attach.h"
#include "fault_queue.h"

#define IOF_INVALIDATE_MAX_ENTRIES (1u << 19)

/* ---- user data for drivers ---- */

int iof_copy_user_data(void *dst, const struct iof_user_data *src, u32 type,
		       size_t min, size_t known)
{
	if (src->type != type)
		return -EOPNOTSUPP;
	if (src->len < min || src->len > known)
		return -EINVAL;
	if (!src->copy)
		return copy_struct_from_user(dst, known, src->uptr, src->len);
	if (WARN_ON(known > IOF_USER_DATA_MAX))
		return -EINVAL;
	if (src->copy_rc)
		return src->copy_rc;
	memset(dst, 0, known);
	memcpy(dst, src->copy, src->len);
	return 0;
}

int iof_copy_user_array_entry(void *dst, const struct iof_user_array *src,
			      u32 type, u32 index, size_t min, size_t known)
{
	if (src->type != type || src->entry_len < min)
		return -EINVAL;
	if (WARN_ON(index >= src->entry_num))
		return -EINVAL;
	return copy_struct_from_user(dst, known,
				     src->uptr + (size_t)src->entry_len * index,
				     src->entry_len);
}

/* ---- life ---- */

static void release_hwpt(struct iof_hwpt *hwpt)
{
	mutex_destroy(&hwpt->dirty_lock);
	kfree(hwpt);
}

static struct iof_hwpt *alloc_hwpt(struct iof_ctx *ctx,
				   const struct iof_object_ops *ops, u32 flags)
{
	struct iof_hwpt *hwpt = kzalloc(sizeof(*hwpt), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!hwpt)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&hwpt->ioas_node);
	mutex_init(&hwpt->dirty_lock);
	hwpt->flags = flags;
	rc = iof_object_reserve(ctx, &hwpt->obj, ops);
	if (rc) {
		release_hwpt(hwpt);
		return ERR_PTR(rc);
	}
	return hwpt;
}

/*
 * Domains hold the driver's module: an HWPT may outlive the descriptor of the
 * device for which it was made. A bound device holds the module meanwhile.
 */
static struct iof_domain *hold_module(struct iof_hwdev *hwdev,
				      struct iof_domain *domain)
{
	if (!IS_ERR(domain))
		__module_get(hwdev->ops->owner);
	return domain;
}

static void free_domain(struct iof_domain *domain)
{
	struct module *owner = domain->driver->owner;

	domain->ops->free(domain);
	module_put(owner);
}

/* Frees everything but the id. */
static void free_hwpt(struct iof_hwpt *hwpt)
{
	if (hwpt->ioas && !hwpt->left)
		iof_map_remove_domain(&hwpt->ioas->map, hwpt->domain);
	free_domain(hwpt->domain);
	if (hwpt->queue)
		iof_object_unhold(iof_fault_queue_object(hwpt->queue));
	if (hwpt->parent)
		iof_object_unhold(&hwpt->parent->obj);
	if (hwpt->ioas)
		iof_object_unhold(&hwpt->ioas->obj);
	release_hwpt(hwpt);
}

/*
 * Takes the HWPT out of its IOAS. Waits killably: another thread may hold the
 * map's lock for long.
 */
static int leave_ioas(struct iof_object *obj)
{
	struct iof_hwpt *hwpt = container_of(obj, struct iof_hwpt, obj);
	int rc;

	rc = iof_map_remove_domain_killable(&hwpt->ioas->map, hwpt->domain);
	hwpt->left = !rc;
	return rc;
}

static void destroy_hwpt(struct iof_object *obj)
{
	struct iof_hwpt *hwpt = container_of(obj, struct iof_hwpt, obj);

	/* An automatic HWPT leaves the list with its last attachment. */
	WARN_ON(!list_empty(&hwpt->ioas_node));
	if (hwpt->ioas)
		atomic_long_dec(&hwpt->ioas->nr_hwpts);
	free_hwpt(hwpt);
}

const struct iof_object_ops iof_hwpt_paging_ops = {
	.prepare_destroy = leave_ioas,
	.destroy = destroy_hwpt,
};

const struct iof_object_ops iof_hwpt_nested_ops = {
	.destroy = destroy_hwpt,
};

void iof_hwpt_abort(struct iof_ctx *ctx, struct iof_hwpt *hwpt)
{
	iof_object_abort(ctx, &hwpt->obj);
	free_hwpt(hwpt);
}

void iof_hwpt_publish(struct iof_ctx *ctx, struct iof_hwpt *hwpt)
{
	if (hwpt->ioas)
		atomic_long_inc(&hwpt->ioas->nr_hwpts);
	if (hwpt->automatic) {
		lockdep_assert_held(&hwpt->ioas->hwpts_lock);
		list_add_tail(&hwpt->ioas_node, &hwpt->ioas->automatic);
	}
	iof_object_publish(ctx, &hwpt->obj);
}

int iof_hwpt_use(struct iof_hwpt *hwpt)
{
	int rc = 0;

	if (!hwpt->automatic) {
		iof_object_hold(&hwpt->obj);
		return 0;
	}
	mutex_lock(&hwpt->ioas->hwpts_lock);
	if (hwpt->attachments)
		hwpt->attachments++;
	else
		rc = -ENOENT;
	mutex_unlock(&hwpt->ioas->hwpts_lock);
	return rc;
}

void iof_hwpt_unuse(struct iof_ctx *ctx, struct iof_hwpt *hwpt)
{
	struct iof_ioas *ioas = hwpt->ioas;
	bool last;

	if (!hwpt->automatic) {
		iof_object_unhold(&hwpt->obj);
		return;
	}
	/*
	 * After the unlock, another thread may free the HWPT, and with it the
	 * last hold on the IOAS that has the lock.
	 */
	iof_object_hold(&ioas->obj);
	mutex_lock(&ioas->hwpts_lock);
	last = !--hwpt->attachments;
	if (last)
		list_del_init(&hwpt->ioas_node);
	mutex_unlock(&ioas->hwpts_lock);
	if (last)
		iof_object_remove(ctx, &hwpt->obj);
	iof_object_unhold(&ioas->obj);
}

/* ---- allocation ---- */

struct iof_hwpt *iof_hwpt_alloc_paging(struct iof_ctx *ctx,
				       struct iof_device *idev, u32 flags,
				       const struct iof_user_data *data)
{
	const u32 known = IOMMU_HWPT_ALLOC_NEST_PARENT |
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
			  IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;
	struct iof_hwdev *hwdev = idev->hwdev;
	struct iof_hwpt *hwpt;
	int rc;

	if (flags & ~known)
		return ERR_PTR(-EOPNOTSUPP);
	/* Each of these needs an IOMMU. */
	if (hwdev->ops->no_iommu && (flags || data))
		return ERR_PTR(-EOPNOTSUPP);
	if (flags & IOMMU_HWPT_FAULT_ID_VALID &&
	    flags & IOMMU_HWPT_ALLOC_NEST_PARENT)
		return ERR_PTR(-EOPNOTSUPP);
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING &&
	    !hwdev->ops->capable(hwdev, IOF_CAP_DIRTY_TRACKING))
		return ERR_PTR(-EOPNOTSUPP);

	hwpt = alloc_hwpt(ctx, &iof_hwpt_paging_ops, flags);
	if (IS_ERR(hwpt))
		return hwpt;
	hwpt->domain = hold_module(
		hwdev,
		hwdev->ops->alloc_paging(
			hwdev, flags & ~IOMMU_HWPT_FAULT_ID_VALID, data));
	if (IS_ERR(hwpt->domain)) {
		rc = PTR_ERR(hwpt->domain);
		iof_object_abort(ctx, &hwpt->obj);
		release_hwpt(hwpt);
		return ERR_PTR(rc);
	}
	hwpt->domain->fault_capable = flags & IOMMU_HWPT_FAULT_ID_VALID;
	return hwpt;
}

int iof_hwpt_fill(struct iof_hwpt *hwpt, struct iof_ioas *ioas)
{
	int rc = iof_map_add_domain(&ioas->map, hwpt->domain);

	if (rc)
		return rc;
	iof_object_hold(&ioas->obj);
	hwpt->ioas = ioas;
	return 0;
}

static struct iof_hwpt *alloc_nested(struct iof_ctx *ctx,
				     struct iof_hwpt *parent,
				     struct iof_device *idev, u32 flags,
				     const struct iof_user_data *data)
{
	struct iof_hwdev *hwdev = idev->hwdev;
	struct iof_hwpt *hwpt;
	int rc;

	if (flags & ~(IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID) ||
	    !data || !hwdev->ops->alloc_nested)
		return ERR_PTR(-EOPNOTSUPP);
	if (parent->automatic ||
	    !(parent->flags & IOMMU_HWPT_ALLOC_NEST_PARENT) ||
	    parent->domain->driver != hwdev->ops)
		return ERR_PTR(-EINVAL);

	hwpt = alloc_hwpt(ctx, &iof_hwpt_nested_ops, flags);
	if (IS_ERR(hwpt))
		return hwpt;
	hwpt->domain = hold_module(
		hwdev, hwdev->ops->alloc_nested(
			       hwdev, parent->domain,
			       flags & ~IOMMU_HWPT_FAULT_ID_VALID, data));
	if (IS_ERR(hwpt->domain)) {
		rc = PTR_ERR(hwpt->domain);
		iof_object_abort(ctx, &hwpt->obj);
		release_hwpt(hwpt);
		return ERR_PTR(rc);
	}
	hwpt->domain->fault_capable = flags & IOMMU_HWPT_FAULT_ID_VALID;
	iof_object_hold(&parent->obj);
	hwpt->parent = parent;
	return hwpt;
}

/*
 * Allocates a nested HWPT if @pt is an HWPT, a paging one if it is an IOAS.
 * Uses the device, touches no user memory.
 */
static struct iof_hwpt *alloc_on(struct iof_ctx *ctx, struct iof_object *pt,
				 struct iof_device *idev, u32 flags,
				 const struct iof_user_data *data)
{
	if (pt->ops == &iof_ioas_ops)
		return iof_hwpt_alloc_paging(ctx, idev, flags, data);
	if (pt->ops == &iof_hwpt_paging_ops)
		return alloc_nested(ctx, container_of(pt, struct iof_hwpt, obj),
				    idev, flags, data);
	return ERR_PTR(-EINVAL);
}

/* Makes a complete HWPT that is not yet published. */
static struct iof_hwpt *make_hwpt(struct iof_ctx *ctx,
				  const struct iommu_hwpt_alloc *cmd,
				  const struct iof_user_data *data)
{
	struct iof_device *idev = iof_device_get_by_id(ctx, cmd->dev_id);
	struct iof_object *pt;
	struct iof_hwpt *hwpt;
	int rc;

	if (IS_ERR(idev))
		return ERR_CAST(idev);
	/* An unknown pt_id gives -EINVAL here, not -ENOENT. */
	pt = iof_object_get(ctx, cmd->pt_id, NULL);
	if (IS_ERR(pt)) {
		iof_device_put(idev);
		return ERR_PTR(-EINVAL);
	}
	hwpt = alloc_on(ctx, pt, idev, cmd->flags, data);
	/*
	 * Put the device before filling, which may wait for user memory: unbind
	 * must not wait for that.
	 */
	iof_device_put(idev);
	if (!IS_ERR(hwpt) && pt->ops == &iof_ioas_ops) {
		rc = iof_hwpt_fill(hwpt,
				   container_of(pt, struct iof_ioas, obj));
		if (rc) {
			iof_hwpt_abort(ctx, hwpt);
			hwpt = ERR_PTR(rc);
		}
	}
	iof_object_put(pt);
	return hwpt;
}

/* How often a program can take its data away again before HWPT_ALLOC fails. */
#define MAX_TRIES 8

/*
 * As make_hwpt(), with the data that @data names; @copy has room for it. The
 * data comes in while the device is not held. A driver that reads the data
 * reports a failed copy, so that other errors come first.
 */
static struct iof_hwpt *make_hwpt_of_data(struct iof_ctx *ctx,
					  const struct iommu_hwpt_alloc *cmd,
					  struct iof_user_data *data, u8 *copy)
{
	struct iof_hwpt *hwpt;
	unsigned int tries;

	data->copy = copy;
	for (tries = 0; tries < MAX_TRIES; tries++) {
		data->copy_rc = 0;
		if (data->len <= IOF_USER_DATA_MAX &&
		    copy_from_user(copy, data->uptr, data->len))
			data->copy_rc = -EFAULT;
		hwpt = make_hwpt(ctx, cmd, data);
		if (hwpt != ERR_PTR(-EAGAIN))
			return hwpt;
	}
	return ERR_PTR(-EFAULT);
}

/* Sets the fault queue, before the HWPT is published. */
static int name_queue(struct iof_ctx *ctx, struct iof_hwpt *hwpt, u32 fault_id)
{
	struct iof_fault_queue *queue = iof_fault_queue_get(ctx, fault_id);
	struct iof_object *obj;

	if (IS_ERR(queue))
		return PTR_ERR(queue);
	obj = iof_fault_queue_object(queue);
	iof_object_hold(obj);
	iof_object_put(obj);
	hwpt->queue = queue;
	return 0;
}

int iof_hwpt_alloc_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	struct iof_user_data data = {
		.type = cmd->data_type,
		.len = cmd->data_len,
		.uptr = u64_to_user_ptr(cmd->data_uptr),
	};
	u8 copy[IOF_USER_DATA_MAX] __uninitialized;
	struct iof_hwpt *hwpt;
	int rc;

	/*
	 * As on Linux, the check of flags comes after device and pt_id, on
	 * which their meaning depends.
	 */
	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if ((cmd->data_type == IOMMU_HWPT_DATA_NONE) != !cmd->data_len)
		return -EINVAL;
	hwpt = data.len ? make_hwpt_of_data(ucmd->ctx, cmd, &data, copy) :
			  make_hwpt(ucmd->ctx, cmd, NULL);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);

	if (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID) {
		rc = name_queue(ucmd->ctx, hwpt, cmd->fault_id);
		if (rc)
			goto err_abort;
	}
	cmd->out_hwpt_id = hwpt->obj.id;
	rc = iof_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		goto err_abort;

	iof_hwpt_publish(ucmd->ctx, hwpt);
	return 0;

err_abort:
	iof_hwpt_abort(ucmd->ctx, hwpt);
	return rc;
}

/* ---- invalidation ---- */

static int invalidate(struct iof_ctx *ctx, u32 hwpt_id,
		      const struct iof_user_array *array, u32 *done)
{
	struct iof_object *obj = iof_object_get(ctx, hwpt_id, NULL);
	struct iof_domain *domain;
	int rc = -EINVAL;

	if (IS_ERR(obj))
		return PTR_ERR(obj);
	if (obj->ops == &iof_hwpt_nested_ops) {
		domain = container_of(obj, struct iof_hwpt, obj)->domain;
		rc = -EOPNOTSUPP;
		if (domain->ops->invalidate)
			rc = domain->ops->invalidate(domain, array, done);
	}
	iof_object_put(obj);
	return rc;
}

int iof_hwpt_invalidate_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_hwpt_invalidate *cmd = ucmd->cmd;
	struct iof_user_array array = {
		.type = cmd->data_type,
		.entry_len = cmd->entry_len,
		.entry_num = cmd->entry_num,
		.uptr = u64_to_user_ptr(cmd->data_uptr),
	};
	u32 done = 0;
	int rc;

	if (cmd->__reserved)
		rc = -EOPNOTSUPP;
	else if (array.entry_num &&
		 (!cmd->data_uptr || !array.entry_len ||
		  array.entry_len > PAGE_SIZE ||
		  array.entry_num > IOF_INVALIDATE_MAX_ENTRIES))
		rc = -EINVAL;
	else
		rc = invalidate(ucmd->ctx, cmd->hwpt_id, &array, &done);

	/* The number of completed entries is returned on failure, too. */
	cmd->entry_num = done;
	if (iof_ucmd_respond(ucmd, sizeof(*cmd)))
		return -EFAULT;
	return rc;
}

/* ---- for the mock device ---- */

struct iof_domain *iof_hwpt_domain_get(struct iof_ctx *ctx, u32 id,
				       enum iof_domain_type type, void **hold)
{
	const struct iof_object_ops *ops = type == IOF_DOMAIN_NESTED ?
						   &iof_hwpt_nested_ops :
						   &iof_hwpt_paging_ops;
	struct iof_object *obj = iof_object_get(ctx, id, ops);

	if (IS_ERR(obj))
		return ERR_CAST(obj);
	*hold = obj;
	return container_of(obj, struct iof_hwpt, obj)->domain;
}

void iof_hwpt_domain_put(struct iof_ctx *ctx, void *hold)
{
	iof_object_put(hold);
}
