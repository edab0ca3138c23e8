// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * portal_ats.c - the ATS test device as a PCI function behind VFIO.
 *
 * Two of VFIO's nine regions exist. BAR 0 holds the device's registers; bytes
 * after them read as zero. Configuration space is 4 KiB: a header of type 0,
 * PCI Express, then ATS, PRI and PASID as extended capabilities. The command
 * register, the interrupt line and the base of BAR 0 are writable. config_lock
 * protects configuration space.
 */
#include "portal_ats.h"

#define ATS_VENDOR   0x1234
#define ATS_DEVICE   0x11e9
#define ATS_CLASS    0x00ff00
#define ATS_BAR_SIZE 4096u
#define ATS_CONFIG   4096u

struct iof_portal_ats {
	struct iof_ats *ats;
	struct iof_vfio_device *vdev;
	struct mutex config_lock;
	u8 config[ATS_CONFIG];
};

static const struct iof_vfio_region ats_regions[VFIO_PCI_NUM_REGIONS] = {
	[VFIO_PCI_BAR0_REGION_INDEX] = {
		.size = ATS_BAR_SIZE,
		.flags = VFIO_REGION_INFO_FLAG_READ |
			 VFIO_REGION_INFO_FLAG_WRITE,
	},
	[VFIO_PCI_CONFIG_REGION_INDEX] = {
		.size = ATS_CONFIG,
		.flags = VFIO_REGION_INFO_FLAG_READ |
			 VFIO_REGION_INFO_FLAG_WRITE,
	},
};

/* ---- configuration space ---- */

static void put(u8 *config, u32 at, u32 value, u32 bytes)
{
	while (bytes--) {
		config[at++] = value & 0xff;
		value >>= 8;
	}
}

static void extended(u8 *config, u32 at, u32 id, u32 next)
{
	put(config, at, id | 1u << 16 | next << 20, 4);
}

static void config_init(struct iof_portal_ats *portal)
{
	u32 credits = iof_ats_hwdev(portal->ats)->credits;
	u8 *config = portal->config;

	memset(config, 0, ATS_CONFIG);
	put(config, 0x00, ATS_VENDOR, 2);
	put(config, 0x02, ATS_DEVICE, 2);
	put(config, 0x04, 0x0006, 2); /* memory space, bus master */
	put(config, 0x06, 0x0010, 2); /* capability list */
	put(config, 0x08, ATS_CLASS << 8, 4);
	put(config, 0x10, 0xfe000000, 4);
	put(config, 0x2c, ATS_VENDOR, 2);
	put(config, 0x2e, ATS_DEVICE, 2);
	put(config, 0x34, 0x40, 1);
	put(config, 0x40, 0x10, 1); /* PCI Express, version 2, an endpoint */
	put(config, 0x42, 0x0002, 2);
	extended(config, 0x100, 0x0f, 0x110); /* ATS, enabled */
	put(config, 0x106, 0x8000, 2);
	extended(config, 0x110, 0x13, 0x120); /* PRI, enabled */
	put(config, 0x114, 0x0001, 2);
	put(config, 0x118, credits, 4);
	put(config, 0x11c, credits, 4);
	extended(config, 0x120, 0x1b, 0); /* PASID: 20 bits, enabled */
	put(config, 0x124, 0x1400, 2);
	put(config, 0x126, 0x0001, 2);
}

static u8 writable(u32 at)
{
	switch (at) {
	case 0x04:
		return 0x07;
	case 0x05:
		return 0x05;
	case 0x11:
		return (u8) ~((ATS_BAR_SIZE - 1) >> 8);
	case 0x12:
	case 0x13:
	case 0x3c:
		return 0xff;
	default:
		return 0;
	}
}

/* ---- regions ---- */

static ssize_t ats_read(void *dev, u32 region, u64 off, struct iov_iter *to)
{
	size_t want = iov_iter_count(to), done = 0;
	struct iof_portal_ats *portal = dev;
	u8 regs[IOF_ATS_REGS];

	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		mutex_lock(&portal->config_lock);
		done = copy_to_iter(portal->config + off, want, to);
		mutex_unlock(&portal->config_lock);
		return done || !want ? (ssize_t)done : -EFAULT;
	}
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

static ssize_t config_write(struct iof_portal_ats *portal, u64 off,
			    struct iov_iter *from)
{
	size_t want = iov_iter_count(from), done = 0;
	u8 bytes[64];

	while (done < want) {
		size_t n = min_t(size_t, want - done, sizeof(bytes)), i;

		if (copy_from_iter(bytes, n, from) != n)
			return done ? (ssize_t)done : -EFAULT;
		mutex_lock(&portal->config_lock);
		for (i = 0; i < n; i++) {
			u8 *byte = &portal->config[off + done + i],
			   mask = writable(off + done + i);

			*byte = (*byte & ~mask) | (bytes[i] & mask);
		}
		mutex_unlock(&portal->config_lock);
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t ats_write(void *dev, u32 region, u64 off, struct iov_iter *from)
{
	size_t want = iov_iter_count(from);
	struct iof_portal_ats *portal = dev;
	u8 regs[IOF_ATS_REGS];
	size_t n;

	if (region == VFIO_PCI_CONFIG_REGION_INDEX)
		return config_write(portal, off, from);
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
	mutex_lock(&portal->config_lock);
	config_init(portal);
	mutex_unlock(&portal->config_lock);
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
	.regions = ats_regions,
	.nr_regions = ARRAY_SIZE(ats_regions),
	.flags = VFIO_DEVICE_FLAGS_PCI,
	.nr_irqs = VFIO_PCI_NUM_IRQS,
	.read = ats_read,
	.write = ats_write,
	.poll = ats_poll,
	.reset = ats_reset,
	.own = ats_own,
	.disown = ats_disown,
};

struct iof_portal_ats *iof_portal_ats_create(struct iof_plat_space *space,
					     const char *name,
					     struct iof_ats *ats)
{
	struct iof_portal_ats *portal = kzalloc(sizeof(*portal), GFP_KERNEL);
	int rc;

	if (!portal)
		return ERR_PTR(-ENOMEM);
	portal->ats = ats;
	mutex_init(&portal->config_lock);
	config_init(portal);
	rc = iof_vfio_create(space, name, iof_ats_hwdev(ats), &ats_ops, portal,
			     &portal->vdev);
	if (rc) {
		mutex_destroy(&portal->config_lock);
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
	iof_vfio_destroy(portal->vdev);
	mutex_destroy(&portal->config_lock);
	kfree(portal);
}
