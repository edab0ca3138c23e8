/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * private.h - what the files of vfio/ share.
 */
#ifndef IOF_VFIO_PRIVATE_H
#define IOF_VFIO_PRIVATE_H

#include "vfio.h"

struct iof_vfio_device {
	const struct iof_vfio_ops *ops;
	void *dev;
	struct iof_hwdev *hw;
	struct iof_plat_node *node;
	atomic_t files; /* number of open descriptors */

	/*
	 * Serialises bind, attach and detach. A holder may wait for faults, so
	 * that no path that resolves faults takes it.
	 */
	struct mutex lock;
	/* NULL: not bound; does not change while there is an owner */
	struct iof_device *idev;
	/* set of attached PASIDs, to a page table or a process */
	struct xarray pasids;

	struct mutex irq_mutex; /* serialises SET_IRQS */
	/* protects irqs[]; taken to raise an interrupt */
	spinlock_t irq_lock;
	/* NULL: the interrupt is not bound to an eventfd */
	struct eventfd_ctx *irqs[IOF_VFIO_MAX_IRQS];
};

struct iof_vfio_file {
	struct iof_vfio_device *vdev;
	/*
	 * the descriptor owns the binding; becomes true once: acquire, release
	 */
	bool owner;
};

/* info.c */
int iof_vfio_get_info(struct iof_vfio_device *vdev, void __user *arg);
int iof_vfio_get_region_info(struct iof_vfio_device *vdev, void __user *arg);
int iof_vfio_get_irq_info(struct iof_vfio_device *vdev, void __user *arg);
int iof_vfio_set_irqs(struct iof_vfio_device *vdev, void __user *arg);
void iof_vfio_irqs_init(struct iof_vfio_device *vdev);
void iof_vfio_irqs_disable(struct iof_vfio_device *vdev);

#endif
