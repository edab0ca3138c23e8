// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pci.c - the parts of PCI that all functions share: the nine regions of VFIO,
 * configuration space, the BAR of MSI-X, bus mastering and reset.
 *
 * "PCIe" with a section number is the PCI Express Base Specification, 5.0.
 * Configuration space is 4 KiB: a header of type 0, then PCI Express, MSI-X and
 * power management, then ATS, PRI and PASID as extended capabilities. ATS, PRI
 * and PASID are enabled and read-only, as the IOMMU's driver leaves them.
 * VFIO_DEVICE_SET_IRQS enables MSI-X, and the control register of MSI-X only
 * shows that. The table of MSI-X reads as ones and the pending bits as zeroes,
 * as those of vfio-pci do, which keeps the table from users.
 *
 * Bus mastering: after power-on BUS_MASTER reads as 0, and DMA works. From the
 * first write to the low byte of COMMAND on, DMA follows the bit. In D3hot the
 * function does no DMA. No DMA touches memory once the write has returned.
 * Memory space enable is a bit without effect: the BARs always respond.
 *
 * iof_pci.lock protects configuration space and the state that follows from it.
 * It is held while the device resets or ends its DMA, so that users wait for it
 * killably. It is not held across a user copy.
 */
#include "private.h"

/* Offsets and bits of the header, PCIe 7.5.1. */
#define CFG_COMMAND	    0x04
#define CFG_COMMAND_MEMORY  0x0002
#define CFG_COMMAND_MASTER  0x0004
#define CFG_COMMAND_NO_INTX 0x04 /* bit in the high byte */
#define CFG_STATUS	    0x06
#define CFG_STATUS_INTX	    0x08
#define CFG_STATUS_CAP_LIST 0x10
#define CFG_CLASS	    0x08
#define CFG_CACHE_LINE	    0x0c
#define CFG_BAR		    0x10
#define CFG_BAR_END	    0x28
#define CFG_SUBSYSTEM	    0x2c
#define CFG_CAP_POINTER	    0x34
#define CFG_INTERRUPT_LINE  0x3c
#define CFG_INTERRUPT_PIN   0x3d
/* Offsets and bits of PCI Express, PCIe 7.5.3. */
#define EXP	       0x40
#define EXP_DEVCAP     (EXP + 0x04)
#define EXP_DEVCTL     (EXP + 0x08)
#define EXP_DEVCTL_FLR 0x80 /* bit in the high byte */
#define EXP_DEVCAP2    (EXP + 0x24)
/* Offsets and bits of MSI-X, PCIe 7.7.2. */
#define MSIX		0x80
#define MSIX_CTL_HIGH	(MSIX + 3)
#define MSIX_CTL_ENABLE 0x80 /* bit in the high byte */
#define MSIX_BAR_SIZE	4096u
#define MSIX_PENDING	0x800 /* offset in its BAR */
/* Offsets and bits of power management, PCIe 7.5.2. */
#define PM		 0x90
#define PM_CSR		 (PM + 4)
#define PM_STATE	 0x03
#define PM_D3HOT	 0x03
#define PM_NO_SOFT_RESET 0x08
/* Offsets of the extended capabilities: PCIe 10.5.1, 10.5.2, 7.8.9. */
#define ATS   0x100
#define PRI   0x110
#define PASID 0x120

#define FIRST_BAR_AT 0xfe000000u

/* ---- after power-on ---- */

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

u32 iof_pci_bar_size(const struct iof_pci_function *fn, u32 bar)
{
	if (bar < IOF_PCI_BARS)
		return fn->bars[bar].size;
	return bar == IOF_PCI_MSIX_BAR ? MSIX_BAR_SIZE : 0;
}

static void put_bars(u8 *config, const struct iof_pci_function *fn)
{
	u32 at = FIRST_BAR_AT, i;

	for (i = 0; i <= IOF_PCI_MSIX_BAR; i++) {
		u32 size = iof_pci_bar_size(fn, i);

		if (!size)
			continue;
		at = (at + size - 1) & ~(size - 1);
		put(config, CFG_BAR + 4 * i, at, 4);
		at += size;
	}
}

static void put_capabilities(u8 *config, const struct iof_pci_function *fn)
{
	put(config, EXP, 0x10 | MSIX << 8, 2);
	put(config, EXP + 2, 0x0092, 2); /* version 2, root complex endpoint */
	put(config, EXP_DEVCAP, 1u << 28 | 1u << 15, 4); /* FLR; role-based */
	put(config, EXP_DEVCTL, 0x2810, 2);
	put(config, EXP_DEVCAP2, 1u << 22 | 1u << 21, 4); /* one prefix */
	put(config, MSIX, 0x11 | PM << 8, 2);
	put(config, MSIX + 2, fn->nr_msix - 1, 2);
	put(config, MSIX + 4, IOF_PCI_MSIX_BAR, 4);
	put(config, MSIX + 8, MSIX_PENDING | IOF_PCI_MSIX_BAR, 4);
	put(config, PM, 0x01, 2);
	put(config, PM + 2, 0x0003, 2); /* version 3: D0 and D3hot, no PME */
	put(config, PM_CSR, PM_NO_SOFT_RESET, 2);
}

void iof_pci_config_init(u8 *config, const struct iof_pci_function *fn,
			 u32 credits, u32 max_pasids)
{
	bool pasids = max_pasids > 1;

	memset(config, 0, IOF_PCI_CONFIG);
	put(config, 0x00, fn->vendor, 2);
	put(config, 0x02, fn->device, 2);
	put(config, CFG_COMMAND, CFG_COMMAND_MEMORY, 2);
	put(config, CFG_STATUS, CFG_STATUS_CAP_LIST, 2);
	put(config, CFG_CLASS, fn->class << 8, 4);
	put_bars(config, fn);
	put(config, CFG_SUBSYSTEM, fn->vendor, 2);
	put(config, CFG_SUBSYSTEM + 2, fn->device, 2);
	put(config, CFG_CAP_POINTER, EXP, 1);
	put(config, CFG_INTERRUPT_PIN, fn->intx, 1);
	put_capabilities(config, fn);
	extended(config, ATS, 0x0f, PRI);
	put(config, ATS + 6, 0x8000, 2); /* enabled */
	extended(config, PRI, 0x13, pasids ? PASID : 0);
	put(config, PRI + 4, 0x0001, 2); /* enabled */
	put(config, PRI + 8, credits, 4);
	put(config, PRI + 12, credits, 4);
	if (!pasids)
		return;
	extended(config, PASID, 0x1b, 0);
	put(config, PASID + 4, order_base_2(max_pasids) << 8, 2);
	put(config, PASID + 6, 0x0001, 2); /* enabled */
}

/* ---- reading and writing configuration space ---- */

/* Returns a byte of configuration space. Called with @pci->lock held. */
static u8 config_byte(struct iof_vfio_device *vdev, u32 at)
{
	u8 byte = vdev->pci.config[at];

	if (at == CFG_STATUS && iof_vfio_intx_pending(vdev))
		byte |= CFG_STATUS_INTX;
	if (at == MSIX_CTL_HIGH && iof_vfio_msix_enabled(vdev))
		byte |= MSIX_CTL_ENABLE;
	return byte;
}

/* Returns the writable bits of a byte. */
static u8 writable(const struct iof_pci_function *fn, u32 at)
{
	switch (at) {
	case CFG_COMMAND: /* memory space, bus master, parity error response */
		return 0x46;
	case CFG_COMMAND + 1: /* SERR#, interrupt disable */
		return 0x05;
	case CFG_CACHE_LINE:
	case CFG_INTERRUPT_LINE:
		return 0xff;
	case CFG_BAR ... CFG_BAR_END - 1:
		at -= CFG_BAR;
		/* without a BAR the size is 0, and so no bit is writable */
		return (-iof_pci_bar_size(fn, at / 4)) >> at % 4 * 8;
	case EXP_DEVCTL: /* error reporting, relaxed ordering */
		return 0x1f;
	case EXP_DEVCTL + 1: /* no snoop, largest read request */
		return 0x78;
	default:
		return 0;
	}
}

static bool may_dma(const struct iof_pci *pci)
{
	return (!pci->command_written ||
		pci->config[CFG_COMMAND] & CFG_COMMAND_MASTER) &&
	       (pci->config[PM_CSR] & PM_STATE) != PM_D3HOT;
}

/* Makes a write take effect. */
static void apply(struct iof_vfio_device *vdev)
{
	struct iof_pci *pci = &vdev->pci;
	bool dma = may_dma(pci);

	lockdep_assert_held(&pci->lock);
	iof_vfio_intx_disable(vdev, pci->config[CFG_COMMAND + 1] &
					    CFG_COMMAND_NO_INTX);
	if (dma == pci->dma)
		return;
	/* MSI-X interrupts are writes, too: they follow DMA. */
	WRITE_ONCE(pci->dma, dma);
	if (vdev->ops->bus_master)
		vdev->ops->bus_master(vdev->dev, dma);
}

static void power_on(struct iof_vfio_device *vdev)
{
	struct iof_pci *pci = &vdev->pci;

	lockdep_assert_held(&pci->lock);
	vdev->ops->reset(vdev->dev);
	iof_pci_config_init(pci->config, vdev->ops->pci,
			    vdev->binding.hw->credits,
			    vdev->binding.hw->max_pasids);
	pci->command_written = false;
	apply(vdev);
}

static void write_byte(struct iof_vfio_device *vdev, u32 at, u8 value)
{
	struct iof_pci *pci = &vdev->pci;
	u8 mask = writable(vdev->ops->pci, at);

	pci->config[at] = (pci->config[at] & ~mask) | (value & mask);
	if (at == CFG_COMMAND)
		pci->command_written = true;
	/* D1 and D2 do not exist: the write is ignored. PCIe 7.5.2.2. */
	value &= PM_STATE;
	if (at == PM_CSR && (!value || value == PM_D3HOT))
		pci->config[at] = (pci->config[at] & ~PM_STATE) | value;
}

/*
 * Writes the bytes of one access at once, so that no other access sees half of
 * it.
 */
static int write_bytes(struct iof_vfio_device *vdev, u32 at, const u8 *bytes,
		       u32 n)
{
	bool flr = false;
	u32 i;

	if (mutex_lock_killable(&vdev->pci.lock))
		return -EINTR;
	for (i = 0; i < n; i++) {
		write_byte(vdev, at + i, bytes[i]);
		/* the bit starts a reset (PCIe 6.6.2), and reads as zero */
		flr |= at + i == EXP_DEVCTL + 1 && bytes[i] & EXP_DEVCTL_FLR;
	}
	if (flr)
		power_on(vdev);
	else
		apply(vdev);
	mutex_unlock(&vdev->pci.lock);
	return 0;
}

static ssize_t config_write(struct iof_vfio_device *vdev, u32 off,
			    struct iov_iter *from)
{
	size_t want = iov_iter_count(from), done = 0;
	u8 bytes[64];
	int rc;

	while (done < want) {
		size_t n = min_t(size_t, want - done, sizeof(bytes));

		if (copy_from_iter(bytes, n, from) != n)
			return done ? (ssize_t)done : -EFAULT;
		rc = write_bytes(vdev, off + done, bytes, n);
		if (rc)
			return done ? (ssize_t)done : rc;
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t config_read(struct iof_vfio_device *vdev, u32 off,
			   struct iov_iter *to)
{
	size_t want = iov_iter_count(to), done = 0;
	u8 bytes[64];

	while (done < want) {
		size_t n = min_t(size_t, want - done, sizeof(bytes)), got;

		if (iof_vfio_config_get(vdev, off + done, bytes, n))
			return done ? (ssize_t)done : -EINTR;
		got = copy_to_iter(bytes, n, to);
		done += got;
		if (got < n)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

int iof_vfio_config_get(struct iof_vfio_device *vdev, u32 off, void *buf, u32 n)
{
	u8 *bytes = buf;
	u32 i;

	if (mutex_lock_killable(&vdev->pci.lock))
		return -EINTR;
	for (i = 0; i < n; i++)
		bytes[i] = config_byte(vdev, off + i);
	mutex_unlock(&vdev->pci.lock);
	return 0;
}

/* ---- regions ---- */

static ssize_t msix_read(u64 off, struct iov_iter *to)
{
	size_t want = iov_iter_count(to), done = 0;
	u8 bytes[64];

	while (done < want) {
		size_t n = min_t(size_t, want - done, sizeof(bytes)), i, got;

		for (i = 0; i < n; i++)
			bytes[i] = off + done + i < MSIX_PENDING ? 0xff : 0;
		got = copy_to_iter(bytes, n, to);
		done += got;
		if (got < n)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

ssize_t iof_pci_read(struct iof_vfio_device *vdev, u32 region, u64 off,
		     struct iov_iter *to)
{
	if (region == VFIO_PCI_CONFIG_REGION_INDEX)
		return config_read(vdev, off, to);
	if (region == IOF_PCI_MSIX_BAR)
		return msix_read(off, to);
	return vdev->ops->read(vdev->dev, region, off, to);
}

ssize_t iof_pci_write(struct iof_vfio_device *vdev, u32 region, u64 off,
		      struct iov_iter *from)
{
	if (region == VFIO_PCI_CONFIG_REGION_INDEX)
		return config_write(vdev, off, from);
	if (region == IOF_PCI_MSIX_BAR)
		return (ssize_t)iov_iter_count(from);
	return vdev->ops->write(vdev->dev, region, off, from);
}

/*
 * Finds the region of one access, and cuts the access at the end of a BAR.
 * Returns -EFAULT past the end of configuration space. Returns -EINVAL outside
 * of all regions, or if the region does not have that direction.
 */
int iof_pci_find_region(struct iof_vfio_device *vdev, u64 pos,
			struct iov_iter *iter, u32 direction, u32 *region,
			u64 *off)
{
	u64 index = pos >> IOF_VFIO_REGION_SHIFT, size;

	if (index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	index = array_index_nospec(index, (u64)VFIO_PCI_NUM_REGIONS);
	if (!(vdev->regions[index].flags & direction))
		return -EINVAL;
	*region = index;
	*off = pos - IOF_VFIO_REGION_OFFSET(index);
	size = vdev->regions[index].size;
	if (*off <= size && iov_iter_count(iter) <= size - *off)
		return 0;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return -EFAULT;
	if (*off >= size)
		return -EINVAL;
	iov_iter_truncate(iter, size - *off);
	return 0;
}

/* ---- the function ---- */

int iof_pci_reset(struct iof_vfio_device *vdev)
{
	if (mutex_lock_killable(&vdev->pci.lock))
		return -EINTR;
	power_on(vdev);
	mutex_unlock(&vdev->pci.lock);
	return 0;
}

void iof_pci_power_on(struct iof_vfio_device *vdev)
{
	mutex_lock(&vdev->pci.lock);
	power_on(vdev);
	mutex_unlock(&vdev->pci.lock);
}

/*
 * Checks a hot reset. Returns -ENODEV: no function here has a slot or a bus to
 * reset.
 */
int iof_pci_hot_reset(void __user *arg, size_t min)
{
	u32 head[3];

	if (copy_from_user(head, arg, min))
		return -EFAULT;
	/* head has argsz, and flags of the command that resets */
	if (head[0] < min || (min < sizeof(head) && head[1]))
		return -EINVAL;
	return -ENODEV;
}

int iof_pci_init(struct iof_vfio_device *vdev)
{
	const u32 both = VFIO_REGION_INFO_FLAG_READ |
			 VFIO_REGION_INFO_FLAG_WRITE;
	const struct iof_pci_function *fn = vdev->ops->pci;
	u32 i;

	if (WARN_ON(!fn->nr_msix || fn->nr_msix > IOF_PCI_MSIX_MAX))
		return -EINVAL;
	for (i = 0; i < IOF_PCI_BARS; i++)
		vdev->regions[i] = fn->bars[i];
	vdev->regions[IOF_PCI_MSIX_BAR] = (struct iof_vfio_region){
		.size = MSIX_BAR_SIZE,
		.flags = both,
	};
	vdev->regions[VFIO_PCI_CONFIG_REGION_INDEX] = (struct iof_vfio_region){
		.size = IOF_PCI_CONFIG,
		.flags = both,
	};
	mutex_init(&vdev->pci.lock);
	vdev->pci.dma = true;
	iof_pci_config_init(vdev->pci.config, fn, vdev->binding.hw->credits,
			    vdev->binding.hw->max_pasids);
	return 0;
}
