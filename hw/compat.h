/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * compat.h - the differences between kernel versions for hw/, each under a name
 * for the difference. The range of versions is that of kernel/compat.h.
 *
 * Three functions of the kernel's IOMMU core are exported in the namespace
 * IOMMUFD_INTERNAL, and declared in a header that no package of headers has.
 * Their prototypes are the same from 6.12 to 7.3.
 */
#ifndef IOF_HW_COMPAT_H
#define IOF_HW_COMPAT_H

#include <linux/iommu.h>
#include <iofault/iommufd.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vfio_pci_core.h>

#include "kernel/exports.h"

int iommu_attach_group_handle(struct iommu_domain *domain,
			      struct iommu_group *group,
			      struct iommu_attach_handle *handle);
void iommu_detach_group_handle(struct iommu_domain *domain,
			       struct iommu_group *group);
int iommu_replace_group_handle(struct iommu_group *group,
			       struct iommu_domain *new_domain,
			       struct iommu_attach_handle *handle);

/* Linux 6.15: a PASID goes from one page table to another without a gap. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define IOF_HW_REPLACES_PASID true
int iommu_replace_device_pasid(struct iommu_domain *domain, struct device *dev,
			       ioasid_t pasid,
			       struct iommu_attach_handle *handle);
#define iof_hw_replace_pasid iommu_replace_device_pasid
#else
#define IOF_HW_REPLACES_PASID false
static inline int iof_hw_replace_pasid(struct iommu_domain *domain,
				       struct device *dev, ioasid_t pasid,
				       struct iommu_attach_handle *handle)
{
	return -EOPNOTSUPP;
}
#endif

/*
 * Linux 6.13: the op that makes all of iommufd's page tables became one for
 * paging and one for nested ones, and a PASID needs a flag.
 *
 * iof_hw_alloc_plain()     a page table without abilities; @first_stage: the
 *                          IOMMU is VT-d with first-stage page tables only
 * iof_hw_alloc_special()   with NEST_PARENT, DIRTY_TRACKING or user data
 * iof_hw_alloc_nested_on() a nested one
 */
static inline const struct iommu_ops *iof_hw_iommu_ops(struct device *dev)
{
	return dev->iommu->iommu_dev->ops;
}

/* Does what the kernel's own allocation does around the op. */
static inline struct iommu_domain *
iof_hw_domain_made(struct iommu_domain *io, const struct iommu_ops *ops,
		   unsigned int type)
{
	if (IS_ERR_OR_NULL(io))
		return io;
	io->type = type;
	io->owner = ops;
	if (!io->ops)
		io->ops = ops->default_domain_ops;
	return io;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
static inline struct iommu_domain *
iof_hw_alloc_plain(struct device *dev, u32 flags, bool first_stage)
{
	return iommu_paging_domain_alloc_flags(dev, flags);
}

static inline struct iommu_domain *
iof_hw_alloc_special(struct device *dev, u32 flags,
		     const struct iommu_user_data *data)
{
	const struct iommu_ops *ops = iof_hw_iommu_ops(dev);

	if (!ops->domain_alloc_paging_flags)
		return ERR_PTR(-EOPNOTSUPP);
	return iof_hw_domain_made(ops->domain_alloc_paging_flags(dev, flags,
								 data),
				  ops, IOMMU_DOMAIN_UNMANAGED);
}

static inline struct iommu_domain *
iof_hw_alloc_nested_on(struct device *dev, struct iommu_domain *parent,
		       u32 flags, const struct iommu_user_data *data)
{
	const struct iommu_ops *ops = iof_hw_iommu_ops(dev);

	if (!ops->domain_alloc_nested)
		return ERR_PTR(-EOPNOTSUPP);
	return iof_hw_domain_made(ops->domain_alloc_nested(dev, parent, flags,
							   data),
				  ops, IOMMU_DOMAIN_NESTED);
}
#else
static inline struct iommu_domain *
iof_hw_alloc_special(struct device *dev, u32 flags,
		     const struct iommu_user_data *data)
{
	const struct iommu_ops *ops = iof_hw_iommu_ops(dev);

	if (!ops->domain_alloc_user)
		return ERR_PTR(-EOPNOTSUPP);
	return iof_hw_domain_made(
		ops->domain_alloc_user(dev, flags & ~IOMMU_HWPT_ALLOC_PASID,
				       NULL, data),
		ops, IOMMU_DOMAIN_UNMANAGED);
}

/*
 * VT-d's domain_alloc_user() makes a page table for the device, of the second
 * stage. iommu_paging_domain_alloc() makes one of the stage that all IOMMUs
 * have, for the widest one (struct iof_hw_domain.levels).
 */
static inline struct iommu_domain *
iof_hw_alloc_plain(struct device *dev, u32 flags, bool first_stage)
{
	if (first_stage || !iof_hw_iommu_ops(dev)->domain_alloc_user)
		return iommu_paging_domain_alloc(dev);
	return iof_hw_alloc_special(dev, flags, NULL);
}

static inline struct iommu_domain *
iof_hw_alloc_nested_on(struct device *dev, struct iommu_domain *parent,
		       u32 flags, const struct iommu_user_data *data)
{
	const struct iommu_ops *ops = iof_hw_iommu_ops(dev);

	/* No IOMMU driver attaches a nested page table to a PASID. */
	if (flags || !ops->domain_alloc_user)
		return ERR_PTR(-EOPNOTSUPP);
	return iof_hw_domain_made(ops->domain_alloc_user(dev, 0, parent, data),
				  ops, IOMMU_DOMAIN_NESTED);
}
#endif

/*
 * Before Linux 6.16 a device makes page requests only while its feature is
 * enabled. Later, attaching a domain with a handler does that.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
static inline int iof_hw_enable_iopf(struct device *dev)
{
	return iommu_dev_enable_feature(dev, IOMMU_DEV_FEAT_IOPF);
}

static inline void iof_hw_disable_iopf(struct device *dev)
{
	WARN_ON(iommu_dev_disable_feature(dev, IOMMU_DEV_FEAT_IOPF));
}
#else
static inline int iof_hw_enable_iopf(struct device *dev)
{
	return 0;
}

static inline void iof_hw_disable_iopf(struct device *dev)
{
}
#endif

/* Linux 6.17: the type of hardware information is an enum, and an argument. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define IOF_HW_INFO_TYPE enum iommu_hw_info_type
#else
#define IOF_HW_INFO_TYPE u32
#endif

/*
 * Linux 6.19: vfio.ko executes VFIO_DEVICE_GET_REGION_INFO, by an op of the
 * driver, in a function that it does not export.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define IOF_HW_REGION_INFO_OP \
	.get_region_info_caps = vfio_pci_ioctl_get_region_info,

static inline long iof_hw_region_info(struct vfio_device *vdev,
				      unsigned long arg)
{
	const size_t min = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info = {};
	void __user *to = (void __user *)arg;
	struct vfio_info_cap caps = {};
	long rc;

	if (copy_from_user(&info, to, min))
		return -EFAULT;
	if (info.argsz < min)
		return -EINVAL;
	rc = vfio_pci_ioctl_get_region_info(vdev, &info, &caps);
	if (rc)
		goto out_free;
	if (caps.size) {
		size_t need = sizeof(info) + caps.size;

		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info.argsz < need) {
			info.argsz = need;
		} else {
			vfio_info_cap_shift(&caps, sizeof(info));
			info.cap_offset = sizeof(info);
			if (copy_to_user(to + sizeof(info), caps.buf,
					 caps.size))
				rc = -EFAULT;
		}
	}
	if (!rc && copy_to_user(to, &info, sizeof(info)))
		rc = -EFAULT;
out_free:
	kfree(caps.buf);
	return rc;
}
#else
#define IOF_HW_REGION_INFO_OP

static inline long iof_hw_region_info(struct vfio_device *vdev,
				      unsigned long arg)
{
	return vfio_pci_core_ioctl(vdev, VFIO_DEVICE_GET_REGION_INFO, arg);
}
#endif

/*
 * Linux 7.2: vfio-pci-core maps the BARs when it enables the function. Before,
 * the first access to each does, and of two at once one fails with EBUSY.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
static inline void iof_hw_map_bars(struct vfio_pci_core_device *core)
{
}
#else
static inline void iof_hw_map_bars(struct vfio_pci_core_device *core)
{
	int bar;

	/* Without a mapping, the first access tells its error. */
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (pci_resource_len(core->pdev, bar))
			(void)vfio_pci_core_setup_barmap(core, bar);
}
#endif

#endif
