// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * info.c - the description of a VFIO device. All of it is constant.
 */
#include "private.h"

int iof_vfio_get_info(void __user *arg)
{
	const size_t min = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info = {};

	if (copy_from_user(&info, arg, min))
		return -EFAULT;
	if (info.argsz < min)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
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
	if (info.argsz < min || info.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	region = &vdev->regions[array_index_nospec(info.index,
						   (u32)VFIO_PCI_NUM_REGIONS)];
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
	if (info.argsz < min || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	/*
	 * Vectors of MSI-X may be added and removed while it is enabled. The
	 * pin is raised once for each event, so it needs no mask in between.
	 */
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	if (info.index == VFIO_PCI_INTX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE;
	else if (info.index != VFIO_PCI_MSIX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_NORESIZE;
	info.count = iof_vfio_nr_irqs(vdev, info.index);
	return copy_to_user(arg, &info, min) ? -EFAULT : 0;
}
