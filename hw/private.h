/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * private.h - what the files of hw/ share.
 */
#ifndef IOF_HW_PRIVATE_H
#define IOF_HW_PRIVATE_H

#include "core/iof_driver.h"
#include "compat.h"

#include <linux/cdev.h>
#include <linux/pci.h>
#include <linux/srcu.h>
#include <linux/vfio_pci_core.h>

#include "vfio/bind.h"

struct iof_hw_group;

/* Cookies count up, so that the open groups are spread evenly. */
#define IOF_HW_OPEN_LISTS 512

/*
 * A page table of the kernel's IOMMU driver. The core, each attachment and each
 * nested page table on it hold a reference.
 */
struct iof_hw_domain {
	struct iof_domain domain;
	refcount_t refs;
	struct iommu_domain *io;
	struct iof_hw_domain *parent; /* of a nested one, else NULL */
	bool tracking; /* of dirty leaves; serialised by the core */
	/*
	 * An attach holds it for writing, map, unmap and look-up for reading.
	 * Before Linux 6.13 an attach may take levels off a page table of VT-d
	 * that was not made for the device. Those with abilities are.
	 */
	struct rw_semaphore levels;
};

static inline struct iof_hw_domain *iof_hw_domain_of(struct iof_domain *domain)
{
	return container_of(domain, struct iof_hw_domain, domain);
}

/*
 * The page table to which a PASID of an isolation group, or its requester ids,
 * are switched. The kernel's fault code finds it by the handle.
 */
struct iof_hw_attach {
	struct iommu_attach_handle handle;
	struct iof_hw_group *group;
	struct iof_domain *domain;
	u32 pasid;
	unsigned int users; /* number of attached members of the group */
	/* a switch failed, and so did the way back: the PASID is blocked */
	bool blocked;
	/* group->open_lock: the page table leaves; each request is refused */
	bool closing;
	/* group->open_lock: this member leaves; its requests are refused */
	const struct device *leaving;
	/*
	 * Number of groups that were taken out of group->open and have no
	 * response yet; grows under group->open_lock. The driver may free them
	 * from the switch on.
	 */
	atomic_t responding;
	/*
	 * What this one replaced, or NULL. The kernel puts the handle in force
	 * after the driver's switch, so a request can still find the old handle
	 * for a while, and the kernel reads its page table. The driver's next
	 * switch waits for such requests.
	 */
	struct iof_hw_attach *before;
};

/*
 * The kernel switches an isolation group as a whole, so its members share their
 * attachments. The core serialises them.
 */
struct iof_hw_group {
	struct iommu_group *io; /* a reference */
	struct list_head entry; /* list of all groups: groups_lock */
	/*
	 * list of iof_hw_device.entry: devices_lock
	 */
	struct list_head devices;
	spinlock_t devices_lock;
	struct xarray attachments; /* by PASID; IOF_NO_PASID: requester ids */
	/*
	 * lists of iopf_group.node: groups without a response yet, by their
	 * cookies; open_lock
	 */
	struct list_head open[IOF_HW_OPEN_LISTS];
	spinlock_t open_lock;
	u32 next_cookie; /* open_lock */
};

/* A device that the kernel's IOMMU code knows. */
struct iof_hw_device {
	struct iof_hwdev hw;
	struct device *dev;
	struct iof_hw_group *group;
	struct list_head entry; /* list of group->devices */
	/* number of fault-capable attachments; the core's lock of the group */
	unsigned int nr_faulting;
	const void *info; /* hardware information, or NULL */
	u32 info_type, info_len;
	struct iof_resv_region *resv;
	phys_addr_t msi_base; /* of the window for MSI; see has_msi_base */
	bool has_msi_base;
};

static inline struct iof_hw_device *iof_hw_device_of(struct iof_hwdev *hw)
{
	return container_of(hw, struct iof_hw_device, hw);
}

/*
 * A PCI function, its IOMMU side and its node. vfio-pci-core frees it with the
 * last reference to core.vdev.
 */
struct iof_hw_pci {
	struct vfio_pci_core_device core; /* first: vfio.ko allocates it */
	struct iof_hw_device device;
	struct iof_vfio_binding binding;
	/* node.c */
	struct device *node;
	struct cdev *cdev;
	int minor;
	atomic_t files;		/* number of open descriptors */
	wait_queue_head_t left; /* a descriptor was closed */
	/*
	 * Each call on a descriptor is a reader, except those of the binding,
	 * which may wait for user memory. After the synchronisation none uses
	 * the function.
	 */
	struct srcu_struct alive;
	bool gone;
	/*
	 * vfio-pci-core's operations on mapped BARs; node.c checks gone first
	 */
	const struct vm_operations_struct *core_vm_ops;
};

static inline struct iof_hw_pci *iof_hw_pci_of(struct vfio_device *vdev)
{
	return container_of(vdev, struct iof_hw_pci, core.vdev);
}

/* domain.c */
void iof_hw_domain_get(struct iof_domain *domain);
void iof_hw_domain_put(struct iof_domain *domain);
struct iof_domain *iof_hw_alloc_paging(struct iof_hwdev *hw, u32 flags,
				       const struct iof_user_data *data);
struct iof_domain *iof_hw_alloc_nested(struct iof_hwdev *hw,
				       struct iof_domain *parent, u32 flags,
				       const struct iof_user_data *data);

/* dirty.c */
void iof_hw_read_dirty(struct iof_domain *domain, unsigned long iova,
		       unsigned long last, struct iof_dirty *dirty);
int iof_hw_set_dirty_tracking(struct iof_domain *domain, bool on);

/* attach.c */
int iof_hw_attach(struct iof_hwdev *hw, u32 pasid, struct iof_domain *new,
		  struct iof_domain *old);

/* fault.c */
/* The kernel has a complete page-request group. */
int iof_hw_fault(struct iopf_group *group);
/*
 * Responds INVALID to the open groups of an attachment, and to those that come
 * until iof_hw_faults_reopen() or its end. The core's later responses to them
 * are dropped. @member: only to those of this device; NULL: of all.
 */
void iof_hw_faults_close(struct iof_hw_attach *attach,
			 const struct device *member);
void iof_hw_faults_reopen(struct iof_hw_attach *attach);
void iof_hw_page_responses(struct iof_hwdev *hw,
			   const struct iof_page_answer *answers, u32 nr);

/* device.c */
/*
 * Makes @dev known to the core. -ENODEV no IOMMU translates for it, -EPERM its
 * interrupts are not isolated, -EBUSY its group is in use, -ENOMEM.
 */
int iof_hw_device_init(struct iof_hw_device *device, struct device *dev);
void iof_hw_device_exit(struct iof_hw_device *device);

/* node.c */
int iof_hw_nodes_init(void);
void iof_hw_nodes_exit(void);
/* For the memory of @pci, which descriptors may keep. 0 or -ENOMEM. */
int iof_hw_node_init(struct iof_hw_pci *pci);
void iof_hw_node_exit(struct iof_hw_pci *pci);
/* Publishes /dev/vfio/devices/vfioN, with vfio.ko's number of the function. */
int iof_hw_node_add(struct iof_hw_pci *pci);
/*
 * Removes the node. Asks the programs that have it open to leave, waits a while
 * for them, and then ends their binding.
 */
void iof_hw_node_remove(struct iof_hw_pci *pci);

#endif
