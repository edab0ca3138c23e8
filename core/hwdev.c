// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * hwdev.c - registration of devices.
 *
 * A registered device belongs to one isolation group until it is unregistered,
 * which may happen while other devices of the group are attached.
 */
#include "iopf.h"

int iof_hwdev_register(struct iof_hwdev *dev, struct iof_hwdev *group_with)
{
	struct iof_hwdev_core *core =
		kzalloc(sizeof(*core), GFP_KERNEL_ACCOUNT);
	struct iof_group *group;
	int rc;

	if (!core)
		return -ENOMEM;
	if (WARN_ON(dev->ops->no_iommu &&
		    (group_with || dev->nr_resv || dev->max_pasids > 1)) ||
	    WARN_ON(group_with && group_with->ops->no_iommu)) {
		rc = -EINVAL;
		goto err_free;
	}
	if (group_with) {
		group = group_with->core->group;
		iof_group_get(group);
	} else {
		group = iof_group_alloc();
		if (!group) {
			rc = -ENOMEM;
			goto err_free;
		}
	}
	core->dev = dev;
	core->group = group;
	iof_iopf_init(core);

	mutex_lock(&group->lock);
	/* Attachments have room for a fixed number of devices. */
	if (!xa_empty(&group->attachments)) {
		rc = -EBUSY;
		mutex_unlock(&group->lock);
		goto err_group;
	}
	dev->core = core;
	list_add_tail(&core->group_node, &group->hwdevs);
	mutex_unlock(&group->lock);
	return 0;

err_group:
	iof_group_put(group);
err_free:
	kfree(core);
	return rc;
}

void iof_hwdev_unregister(struct iof_hwdev *dev)
{
	struct iof_hwdev_core *core = dev->core;
	struct iof_group *group = core->group;

	mutex_lock(&group->lock);
	WARN_ON(core->idev);
	/* Other devices of the group may keep their attachments. */
	iof_attach_device_leaves(core);
	list_del(&core->group_node);
	mutex_unlock(&group->lock);

	iof_iopf_exit(core);
	dev->core = NULL;
	kfree(core);
	iof_group_put(group);
}
