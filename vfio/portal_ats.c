// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * portal_ats.c - the ATS test device as the PCI function 1234:11e9.
 *
 * BAR 0 holds the device's registers; bytes after them read as zero. The end of
 * a transfer raises vector 0 of MSI-X. This file takes no locks: the device
 * serialises its registers.
 */
#include "portal_ats.h"

struct iof_portal_ats {
	struct iof_ats *ats;
	struct iof_vfio_device *vdev;
};

const struct iof_pci_function iof_portal_ats_function = {
	.vendor = 0x1234,
	.device = 0x11e9,
	.class = 0x00ff00,
	.bars = {
		[VFIO_PCI_BAR0_REGION_INDEX] = {
			.size = 4096,
			.flags = VFIO_REGION_INFO_FLAG_READ |
				 VFIO_REGION_INFO_FLAG_WRITE,
		},
	},
	.nr_msix = 1,
};

static ssize_t ats_read(void *dev, u32 bar, u64 off, struct iov_iter *to)
{
	size_t want = iov_iter_count(to), done = 0;
	struct iof_portal_ats *portal = dev;
	u8 regs[IOF_ATS_REGS];

	if (off < sizeof(regs)) {
		size_t n = min_t(size_t, want, sizeof(regs) - off);

		iof_ats_get(portal->ats, off, regs, n);
		done = copy_to_iter(regs, n, to);
		if (done < n)
			return done ? (ssize_t)done : -EFAULT;
	}
	done += iov_iter_zero(want - done, to);
	return done || !want ? (ssize_t)done : -EFAULT;
}

static ssize_t ats_write(void *dev, u32 bar, u64 off, struct iov_iter *from)
{
	size_t want = iov_iter_count(from);
	struct iof_portal_ats *portal = dev;
	u8 regs[IOF_ATS_REGS];
	size_t n;

	if (off < sizeof(regs)) {
		n = min_t(size_t, want, sizeof(regs) - off);
		if (copy_from_iter(regs, n, from) != n)
			return -EFAULT;
		iof_ats_set(portal->ats, off, regs, n);
	}
	return (ssize_t)want;
}

/* Returns readable when no transfer is in progress. */
static __poll_t ats_poll(void *dev, struct file *file, poll_table *wait)
{
	struct iof_portal_ats *portal = dev;

	return iof_ats_poll_idle(portal->ats, file, wait) ?
		       EPOLLIN | EPOLLRDNORM :
		       0;
}

static void ats_reset(void *dev)
{
	struct iof_portal_ats *portal = dev;

	iof_ats_reset(portal->ats);
}

static void ats_bus_master(void *dev, bool on)
{
	struct iof_portal_ats *portal = dev;

	iof_ats_bus_master(portal->ats, on);
}

static int ats_own(void *dev)
{
	struct iof_portal_ats *portal = dev;

	return iof_ats_own(portal->ats);
}

static void ats_disown(void *dev)
{
	struct iof_portal_ats *portal = dev;

	iof_ats_disown(portal->ats);
}

static const struct iof_vfio_ops ats_ops = {
	.pci = &iof_portal_ats_function,
	.read = ats_read,
	.write = ats_write,
	.poll = ats_poll,
	.reset = ats_reset,
	.bus_master = ats_bus_master,
	.own = ats_own,
	.disown = ats_disown,
};

static void ats_interrupt(void *data)
{
	struct iof_portal_ats *portal = data;

	iof_vfio_interrupt(portal->vdev, 0);
}

struct iof_portal_ats *iof_portal_ats_create(struct iof_plat_space *space,
					     const char *name,
					     struct iof_ats *ats)
{
	struct iof_portal_ats *portal = kzalloc(sizeof(*portal), GFP_KERNEL);
	int rc;

	if (!portal)
		return ERR_PTR(-ENOMEM);
	portal->ats = ats;
	/* The node cannot be opened yet: no interrupt can be due. */
	iof_ats_set_interrupt(ats, ats_interrupt, portal);
	rc = iof_vfio_create(space, name, iof_ats_hwdev(ats), &ats_ops, portal,
			     &portal->vdev);
	if (rc) {
		iof_ats_set_interrupt(ats, NULL, NULL);
		kfree(portal);
		return ERR_PTR(rc);
	}
	return portal;
}

struct iof_vfio_device *iof_portal_ats_node(struct iof_portal_ats *portal)
{
	return portal->vdev;
}

bool iof_portal_ats_busy(struct iof_portal_ats *portal)
{
	return iof_vfio_busy(portal->vdev);
}

void iof_portal_ats_destroy(struct iof_portal_ats *portal)
{
	iof_ats_set_interrupt(portal->ats, NULL, NULL);
	iof_vfio_destroy(portal->vdev);
	kfree(portal);
}
