// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * device.c - real devices and their isolation groups, as the core knows them.
 */
#include "private.h"

#include <linux/pci.h>
#include <linux/pci-ats.h>

static bool allow_unsafe_interrupts;
module_param(allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(
	allow_unsafe_interrupts,
	"take devices whose message-signalled interrupts the IOMMU does not isolate: "
	"their users can raise any interrupt of the machine (default no)");

/*
 * Requests that a device may have open if it has no PRI capability to say so.
 */
#define CREDITS 32
/* Above this, the capability is not believed. */
#define MAX_CREDITS (1u << 16)

static DEFINE_MUTEX(groups_lock);
static LIST_HEAD(groups);

/* ---- isolation groups ---- */

/* Under groups_lock: the group of @io, which may be new; takes over @io. */
static struct iof_hw_group *group_get(struct iommu_group *io)
{
	struct iof_hw_group *group;
	unsigned int i;

	list_for_each_entry(group, &groups, entry) {
		if (group->io == io) {
			iommu_group_put(io);
			return group;
		}
	}
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group) {
		iommu_group_put(io);
		return NULL;
	}
	group->io = io;
	INIT_LIST_HEAD(&group->devices);
	spin_lock_init(&group->devices_lock);
	xa_init(&group->attachments);
	spin_lock_init(&group->open_lock);
	for (i = 0; i < ARRAY_SIZE(group->open); i++)
		INIT_LIST_HEAD(&group->open[i]);
	list_add(&group->entry, &groups);
	return group;
}

/* Under groups_lock. */
static void group_put_unused(struct iof_hw_group *group)
{
	unsigned int i;

	if (!list_empty(&group->devices))
		return;
	list_del(&group->entry);
	WARN_ON(!xa_empty(&group->attachments));
	for (i = 0; i < ARRAY_SIZE(group->open); i++)
		WARN_ON(!list_empty(&group->open[i]));
	xa_destroy(&group->attachments);
	iommu_group_put(group->io);
	kfree(group);
}

/* ---- what the kernel says of a device ---- */

static bool hw_capable(struct iof_hwdev *hw, enum iof_cap cap)
{
	struct device *dev = iof_hw_device_of(hw)->dev;
	struct pci_dev *pdev = dev_is_pci(dev) ? to_pci_dev(dev) : NULL;

	switch (cap) {
	case IOF_CAP_CACHE_COHERENCY:
		return device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY);
	case IOF_CAP_PASID_EXEC:
		return pdev && pci_pasid_features(pdev) > 0 &&
		       pci_pasid_features(pdev) & PCI_PASID_CAP_EXEC;
	case IOF_CAP_PASID_PRIV:
		return pdev && pci_pasid_features(pdev) > 0 &&
		       pci_pasid_features(pdev) & PCI_PASID_CAP_PRIV;
	case IOF_CAP_ATS:
		return pdev && pdev->ats_enabled;
	case IOF_CAP_DIRTY_TRACKING:
		return device_iommu_capable(dev, IOMMU_CAP_DIRTY_TRACKING);
	}
	return false;
}

static const void *hw_info(struct iof_hwdev *hw, u32 *type, u32 *len)
{
	struct iof_hw_device *device = iof_hw_device_of(hw);

	*len = 0;
	if (*type && (!device->info || *type != device->info_type))
		return ERR_PTR(-EOPNOTSUPP);
	if (!device->info)
		return NULL;
	*type = device->info_type;
	*len = device->info_len;
	return device->info;
}

static const struct iof_driver_ops hw_driver_ops = {
	.owner = THIS_MODULE,
	.capable = hw_capable,
	.hw_info = hw_info,
	.alloc_paging = iof_hw_alloc_paging,
	.alloc_nested = iof_hw_alloc_nested,
	.attach = iof_hw_attach,
	.page_responses = iof_hw_page_responses,
};

static void ask_info(struct iof_hw_device *device)
{
	const struct iommu_ops *ops = iof_hw_iommu_ops(device->dev);
	IOF_HW_INFO_TYPE type = 0;
	u32 len = 0;
	void *info;

	if (!ops->hw_info)
		return;
	info = ops->hw_info(device->dev, &len, &type);
	if (IS_ERR_OR_NULL(info))
		return;
	if (WARN_ON(len > IOF_USER_DATA_MAX)) {
		kfree(info);
		return;
	}
	device->info = info;
	device->info_type = type;
	device->info_len = len;
}

static int ask_reserved(struct iof_hw_device *device)
{
	struct iommu_resv_region *region;
	unsigned int nr = 0;
	LIST_HEAD(regions);
	int rc = 0;

	iommu_get_resv_regions(device->dev, &regions);
	list_for_each_entry(region, &regions, list)
		nr++;
	if (nr)
		device->resv = kcalloc(nr, sizeof(*device->resv), GFP_KERNEL);
	if (nr && !device->resv) {
		rc = -ENOMEM;
		goto out_put;
	}
	nr = 0;
	list_for_each_entry(region, &regions, list) {
		/* what the firmware wants only until a driver takes over */
		if (region->type == IOMMU_RESV_DIRECT_RELAXABLE ||
		    !region->length)
			continue;
		if (region->type == IOMMU_RESV_SW_MSI) {
			device->has_msi_base = true;
			device->msi_base = region->start;
		}
		device->resv[nr++] = (struct iof_resv_region){
			.start = region->start,
			.last = region->start + (region->length - 1),
		};
	}
	device->hw.resv = device->resv;
	device->hw.nr_resv = nr;
out_put:
	iommu_put_resv_regions(device->dev, &regions);
	return rc;
}

/* PRI capability: outstanding page request capacity (PCIe, 10.5.2.4). */
static void ask_page_requests(struct iof_hw_device *device)
{
	struct pci_dev *pdev = to_pci_dev(device->dev);
	u32 most = 0;
	int pos;

	device->hw.credits = CREDITS;
	device->hw.max_pasids = device->dev->iommu->max_pasids;
	pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_PRI);
	if (!pos)
		return;
	device->hw.vf_with_pri = pdev->is_virtfn;
	pci_read_config_dword(pdev, pos + PCI_PRI_MAX_REQ, &most);
	if (most && most <= MAX_CREDITS)
		device->hw.credits = most;
}

/* ---- begin and end ---- */

static int enter_group(struct iof_hw_device *device)
{
	struct iommu_group *io = iommu_group_get(device->dev);
	struct iof_hw_device *member;
	struct iof_hw_group *group;
	int rc;

	if (!io)
		return -ENODEV;
	mutex_lock(&groups_lock);
	group = group_get(io);
	if (!group) {
		mutex_unlock(&groups_lock);
		return -ENOMEM;
	}
	device->group = group;
	member = list_first_entry_or_null(&group->devices, struct iof_hw_device,
					  entry);
	rc = iof_hwdev_register(&device->hw, member ? &member->hw : NULL);
	if (!rc) {
		spin_lock(&group->devices_lock);
		list_add_tail(&device->entry, &group->devices);
		spin_unlock(&group->devices_lock);
	} else {
		group_put_unused(group);
	}
	mutex_unlock(&groups_lock);
	return rc;
}

int iof_hw_device_init(struct iof_hw_device *device, struct device *dev)
{
	struct iommu_group *io;
	bool isolated;
	int rc;

	if (!dev->iommu || !dev->iommu->iommu_dev) {
		/*
		 * DMA without IOMMU is not offered here, also where it is built
		 * in.
		 */
		dev_err(dev,
			"no IOMMU translates for this device (on Intel: intel_iommu=on)%s\n",
			IS_ENABLED(CONFIG_VFIO_NOIOMMU) ?
				"" :
				", and the kernel lacks CONFIG_VFIO_NOIOMMU");
		return -ENODEV;
	}
	io = iommu_group_get(dev);
	isolated = io && iommu_group_has_isolated_msi(io);
	iommu_group_put(io);
	if (!isolated && !READ_ONCE(allow_unsafe_interrupts)) {
		dev_err(dev,
			"interrupts are not isolated: see allow_unsafe_interrupts\n");
		return -EPERM;
	}
	device->dev = dev;
	device->hw.ops = &hw_driver_ops;
	device->hw.name = dev_name(dev);
	ask_page_requests(device);
	rc = ask_reserved(device);
	if (rc)
		return rc;
	ask_info(device);
	rc = enter_group(device);
	if (rc) {
		kfree(device->info);
		kfree(device->resv);
	}
	return rc;
}

void iof_hw_device_exit(struct iof_hw_device *device)
{
	struct iof_hw_group *group = device->group;

	mutex_lock(&groups_lock);
	spin_lock(&group->devices_lock);
	list_del(&device->entry);
	spin_unlock(&group->devices_lock);
	iof_hwdev_unregister(&device->hw);
	group_put_unused(group);
	mutex_unlock(&groups_lock);
	kfree(device->info);
	kfree(device->resv);
}
