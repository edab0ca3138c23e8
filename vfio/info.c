// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * info.c - the description of a VFIO device, and its interrupts.
 *
 * Each interrupt index has one interrupt, which can be bound to an eventfd,
 * triggered for a test, and unbound; there is no masking. No function here
 * needs vdev->lock.
 */
#include "private.h"

int iof_vfio_get_info(struct iof_vfio_device *vdev, void __user *arg)
{
	const size_t min = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info = {};

	if (copy_from_user(&info, arg, min))
		return -EFAULT;
	if (info.argsz < min)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_RESET | vdev->ops->flags;
	info.num_regions = vdev->ops->nr_regions;
	info.num_irqs = vdev->ops->nr_irqs;
	return copy_to_user(arg, &info,
			    min_t(size_t, info.argsz, sizeof(info))) ?
		       -EFAULT :
		       0;
}

int iof_vfio_get_region_info(struct iof_vfio_device *vdev, void __user *arg)
{
	const size_t min = offsetofend(struct vfio_region_info, offset);
	const struct iof_vfio_region *region;
	struct vfio_region_info info;

	if (copy_from_user(&info, arg, min))
		return -EFAULT;
	if (info.argsz < min || info.index >= vdev->ops->nr_regions)
		return -EINVAL;
	region = &vdev->ops->regions[array_index_nospec(info.index,
							vdev->ops->nr_regions)];
	info.flags = region->flags;
	info.cap_offset = 0;
	info.size = region->size;
	info.offset = IOF_VFIO_REGION_OFFSET(info.index);
	return copy_to_user(arg, &info, min) ? -EFAULT : 0;
}

int iof_vfio_get_irq_info(struct iof_vfio_device *vdev, void __user *arg)
{
	const size_t min = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, arg, min))
		return -EFAULT;
	if (info.argsz < min || info.index >= vdev->ops->nr_irqs)
		return -EINVAL;
	info.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	info.count = 1;
	return copy_to_user(arg, &info, min) ? -EFAULT : 0;
}

/* ---- interrupts ---- */

void iof_vfio_irqs_init(struct iof_vfio_device *vdev)
{
	mutex_init(&vdev->irq_mutex);
	spin_lock_init(&vdev->irq_lock);
}

void iof_vfio_interrupt(struct iof_vfio_device *vdev, u32 index)
{
	unsigned long flags;

	if (WARN_ON_ONCE(index >= vdev->ops->nr_irqs))
		return;
	spin_lock_irqsave(&vdev->irq_lock, flags);
	if (vdev->irqs[index])
		eventfd_signal(vdev->irqs[index]);
	spin_unlock_irqrestore(&vdev->irq_lock, flags);
}

/* Binds @index to the eventfd @new (NULL: unbinds it). */
static void irq_set(struct iof_vfio_device *vdev, u32 index,
		    struct eventfd_ctx *new)
{
	struct eventfd_ctx *old;
	unsigned long flags;

	spin_lock_irqsave(&vdev->irq_lock, flags);
	old = vdev->irqs[index];
	vdev->irqs[index] = new;
	spin_unlock_irqrestore(&vdev->irq_lock, flags);
	if (old)
		eventfd_ctx_put(old);
}

void iof_vfio_irqs_disable(struct iof_vfio_device *vdev)
{
	u32 i;

	for (i = 0; i < vdev->ops->nr_irqs; i++)
		irq_set(vdev, i, NULL);
}

static int irq_set_fd(struct iof_vfio_device *vdev, u32 index, int fd)
{
	struct eventfd_ctx *ctx = NULL;

	if (fd < -1)
		return -EINVAL;
	if (fd >= 0) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	irq_set(vdev, index, ctx);
	return 0;
}

int iof_vfio_set_irqs(struct iof_vfio_device *vdev, void __user *arg)
{
	const size_t min = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set set;
	size_t each;
	s32 fd = -1;
	u8 fire = 0;
	int rc = 0;

	if (copy_from_user(&set, arg, min))
		return -EFAULT;
	if (set.argsz < min || set.index >= vdev->ops->nr_irqs ||
	    set.flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK |
			  VFIO_IRQ_SET_ACTION_TYPE_MASK))
		return -EINVAL;
	set.index = array_index_nospec(set.index, vdev->ops->nr_irqs);
	/* An index has one interrupt, number 0. */
	if (set.start || set.count > 1)
		return -EINVAL;
	if ((set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) !=
	    VFIO_IRQ_SET_ACTION_TRIGGER)
		return -EINVAL;

	switch (set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		each = 0;
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		each = sizeof(fire);
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		each = sizeof(fd);
		break;
	default:
		return -EINVAL;
	}
	if (set.argsz - min < set.count * each || (each && !set.count))
		return -EINVAL;
	if (each == sizeof(fd) && copy_from_user(&fd, arg + min, sizeof(fd)))
		return -EFAULT;
	if (each == sizeof(fire) &&
	    copy_from_user(&fire, arg + min, sizeof(fire)))
		return -EFAULT;

	mutex_lock(&vdev->irq_mutex);
	if (each == sizeof(fd))
		rc = irq_set_fd(vdev, set.index, fd);
	else if (!set.count)
		irq_set(vdev, set.index, NULL);
	else if (!each || fire)
		iof_vfio_interrupt(vdev, set.index);
	mutex_unlock(&vdev->irq_mutex);
	return rc;
}
