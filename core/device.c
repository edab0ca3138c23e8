// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * device.c - devices: binding into a context, GET_HW_INFO.
 *
 * Binding makes a registered device (hwdev.c) an object of a context and claims
 * its isolation group for that context, until the last device of the group is
 * unbound. Attachments of bound devices are in attach.c.
 *
 * Rules: group->lock guards the owner of a group and the bound device. Before
 * the group is released, a bound device's object is removed from the table and
 * calls on it have ended. An attach that waits for user memory is no such call:
 * it retains the struct, and finds after its wait that the device has left.
 */
#include "iopf.h"

/* ---- bind and unbind ---- */

/*
 * Claims the group for the context of @idev, and the device for @idev. -EPERM,
 * -EBUSY, -EINTR.
 */
static int claim(struct iof_device *idev)
{
	struct iof_hwdev_core *core = idev->hwdev->core;
	struct iof_group *group = idev->group;
	struct iof_ctx *owner = READ_ONCE(group->owner);
	int rc = 0;

	/*
	 * Fail without waiting for the lock, which the owner may hold for a
	 * long time.
	 */
	if (owner && owner != idev->ctx)
		return -EPERM;
	if (mutex_lock_killable(&group->lock))
		return -EINTR;
	if (group->owner && group->owner != idev->ctx) {
		rc = -EPERM;
	} else if (core->idev) {
		rc = -EBUSY;
	} else {
		core->idev = idev;
		WRITE_ONCE(group->owner, idev->ctx);
		group->bound++;
	}
	if (!rc)
		iof_fault_records_charge(core, iof_plat_payer_get());
	mutex_unlock(&group->lock);
	return rc;
}

static void destroy_device(struct iof_object *obj)
{
	struct iof_device *idev = container_of(obj, struct iof_device, obj);
	struct iof_hwdev_core *core = idev->hwdev->core;
	struct iof_group *group = idev->group;

	mutex_lock(&group->lock);
	WARN_ON(core->attached);
	core->idev = NULL;
	if (!--group->bound)
		WRITE_ONCE(group->owner, NULL);
	/*
	 * Still under the lock, so that no record of the next owner is charged
	 * or freed here.
	 */
	iof_fault_records_charge(core, NULL);
	iof_iopf_trim(core);
	mutex_unlock(&group->lock);
}

static const struct iof_object_ops device_ops = {
	.destroy = destroy_device,
};

static void free_device(struct kref *ref)
{
	struct iof_device *idev = container_of(ref, struct iof_device, ref);
	struct iof_ctx *ctx = idev->keeps_ctx ? idev->ctx : NULL;

	iof_group_put(idev->group);
	kfree(idev);
	if (ctx)
		iof_ctx_put(ctx);
}

void iof_device_retain(struct iof_device *idev)
{
	kref_get(&idev->ref);
}

void iof_device_release(struct iof_device *idev)
{
	kref_put(&idev->ref, free_device);
}

struct iof_device *iof_device_bind(struct iof_ctx *ctx, struct iof_hwdev *dev,
				   bool keep_ctx)
{
	struct iof_device *idev;
	int rc;

	/* DMA that no IOMMU checks can reach all memory. */
	if (dev->ops->no_iommu && !capable(CAP_SYS_RAWIO))
		return ERR_PTR(-EPERM);
	if (!dev->ops->no_iommu &&
	    !dev->ops->capable(dev, IOF_CAP_CACHE_COHERENCY))
		return ERR_PTR(-EINVAL);
	idev = kzalloc(sizeof(*idev), GFP_KERNEL_ACCOUNT);
	if (!idev)
		return ERR_PTR(-ENOMEM);
	kref_init(&idev->ref);
	idev->ctx = ctx;
	idev->hwdev = dev;
	idev->group = dev->core->group;
	idev->keeps_ctx = keep_ctx;
	rc = iof_object_reserve(ctx, &idev->obj, &device_ops);
	if (rc)
		goto err_free;
	rc = claim(idev);
	if (rc)
		goto err_abort;

	iof_group_get(idev->group);
	if (keep_ctx)
		iof_ctx_get(ctx);
	/* The binder's hold: with it DESTROY of the id returns -EBUSY. */
	iof_object_hold(&idev->obj);
	iof_object_publish(ctx, &idev->obj);
	return idev;

err_abort:
	iof_object_abort(ctx, &idev->obj);
err_free:
	kfree(idev);
	return ERR_PTR(rc);
}

void iof_device_leave(struct iof_device *idev)
{
	mutex_lock(&idev->group->lock);
	idev->leaving = true;
	mutex_unlock(&idev->group->lock);
}

void iof_device_unbind(struct iof_device *idev)
{
	iof_object_remove(idev->ctx, &idev->obj);
	iof_device_release(idev);
}

u32 iof_device_id(struct iof_device *idev)
{
	return idev->obj.id;
}

struct iof_hwdev *iof_device_hwdev(struct iof_device *idev)
{
	return idev->hwdev;
}

struct iof_device *iof_device_get_by_id(struct iof_ctx *ctx, u32 id)
{
	struct iof_object *obj = iof_object_get(ctx, id, &device_ops);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iof_device, obj);
}

void iof_device_put(struct iof_device *idev)
{
	iof_object_put(&idev->obj);
}

/* ---- GET_HW_INFO ---- */

static u64 capabilities(struct iof_hwdev *dev)
{
	u64 caps = 0;

	if (dev->ops->capable(dev, IOF_CAP_DIRTY_TRACKING))
		caps |= IOMMU_HW_CAP_DIRTY_TRACKING;
	if (dev->ops->capable(dev, IOF_CAP_PASID_EXEC))
		caps |= IOMMU_HW_CAP_PCI_PASID_EXEC;
	if (dev->ops->capable(dev, IOF_CAP_PASID_PRIV))
		caps |= IOMMU_HW_CAP_PCI_PASID_PRIV;
	if (!dev->ops->capable(dev, IOF_CAP_ATS))
		caps |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	return caps;
}

/* Hardware information: a driver's description of its device. */
struct hw_info {
	u8 data[IOF_USER_DATA_MAX];
	u32 len;
};

/* Copies the information to a buffer of @room bytes and clears the rest. */
static int copy_hw_info(void __user *to, u32 room, const struct hw_info *info)
{
	u32 n = min(room, info->len);

	if (n && copy_to_user(to, info->data, n))
		return -EFAULT;
	if (room > n && clear_user(to + n, room - n))
		return -EFAULT;
	return 0;
}

static int ask_hw_info(struct iof_hwdev *dev, struct iommu_hw_info *cmd,
		       struct hw_info *info)
{
	u32 type = IOMMU_HW_INFO_TYPE_DEFAULT;
	const void *data = NULL;

	info->len = 0;
	if (dev->ops->no_iommu)
		return -EOPNOTSUPP;
	if (cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		type = cmd->in_data_type;
	if (dev->ops->hw_info)
		data = dev->ops->hw_info(dev, &type, &info->len);
	else if (type != IOMMU_HW_INFO_TYPE_DEFAULT)
		data = ERR_PTR(-EOPNOTSUPP);
	if (IS_ERR(data))
		return PTR_ERR(data);
	if (WARN_ON(info->len > sizeof(info->data)))
		return -EOPNOTSUPP;
	if (data) {
		memcpy(info->data, data, info->len);
	} else {
		type = IOMMU_HW_INFO_TYPE_NONE;
		info->len = 0;
	}
	cmd->out_data_type = type;
	cmd->out_max_pasid_log2 = dev->max_pasids > 1 ? ilog2(dev->max_pasids) :
							0;
	cmd->out_capabilities = capabilities(dev);
	return 0;
}

int iof_hw_info_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_hw_info *cmd = ucmd->cmd;
	struct hw_info info __uninitialized;
	struct iof_device *idev;
	int rc;

	if (cmd->flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE || cmd->__reserved[0] ||
	    cmd->__reserved[1] || cmd->__reserved[2])
		return -EOPNOTSUPP;
	idev = iof_device_get_by_id(ucmd->ctx, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = ask_hw_info(idev->hwdev, cmd, &info);
	/*
	 * Put the device before the copy, which may wait for user memory:
	 * unbind must not wait for that.
	 */
	iof_device_put(idev);
	if (!rc)
		rc = copy_hw_info(u64_to_user_ptr(cmd->data_uptr),
				  cmd->data_len, &info);
	if (rc)
		return rc;
	cmd->data_len = info.len;
	return iof_ucmd_respond(ucmd, sizeof(*cmd));
}
