/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * vfio.h - the VFIO device node: how a program opens a device behind the IOMMU.
 *
 * The node (/dev/vfio/devices/vfioN) implements the ioctls of <iofault/vfio.h>
 * and of VFIO. The device model implements its regions and interrupts by struct
 * iof_vfio_ops. A node may be opened many times; one descriptor at a time owns
 * the device: the one that bound it to a context. Where the machine has group
 * nodes (/dev/vfio/N), programs can open devices through those instead
 * (group.c).
 */
#ifndef IOF_VFIO_VFIO_H
#define IOF_VFIO_VFIO_H

#include "pci.h"

struct iof_vfio_device;
struct iof_vfio_group;

/*
 * Operations of a device model. All functions may sleep and run on many
 * threads.
 */
struct iof_vfio_ops {
	const struct iof_pci_function *pci;
	/*
	 * Read from and write to a BAR of the function's own;
	 * [off, off + iov_iter_count()) lies in it. Return the number of bytes
	 * moved, or a negative errno.
	 */
	ssize_t (*read)(void *dev, u32 bar, u64 off, struct iov_iter *to);
	ssize_t (*write)(void *dev, u32 bar, u64 off, struct iov_iter *from);
	__poll_t (*poll)(void *dev, struct file *file, poll_table *wait);
	/*
	 * Resets the device to its state after power-on. When it returns, all
	 * operations have ended and touch no memory. Does not wait for open
	 * page requests. The close of the owner calls it, too.
	 */
	void (*reset)(void *dev);
	/*
	 * Allows or ends DMA. After bus_master(false) no DMA touches memory,
	 * and each later one fails, until bus_master(true). Calls are
	 * serialised. A new device may do DMA; reset() does not change that.
	 * May be NULL.
	 */
	void (*bus_master)(void *dev, bool on);
	/*
	 * own() charges the CPU time of the device's threads to the calling
	 * process, which owns the device now. disown() charges it to no
	 * process; called after a reset. Both may be NULL.
	 */
	int (*own)(void *dev);
	void (*disown)(void *dev);
};

/*
 * Publishes node @name. @hw must be registered; it and @dev outlive the node.
 * Returns 0, -ENOMEM or -EEXIST.
 */
int iof_vfio_create(struct iof_plat_space *space, const char *name,
		    struct iof_hwdev *hw, const struct iof_vfio_ops *ops,
		    void *dev, struct iof_vfio_device **out);
/* Is a descriptor of the node open? */
bool iof_vfio_busy(struct iof_vfio_device *vdev);
/* Removes a node that is not busy. */
void iof_vfio_destroy(struct iof_vfio_device *vdev);
/*
 * Publishes a group node @name that has no members yet. Returns 0, -ENOMEM or
 * -EEXIST.
 */
int iof_vfio_group_create(struct iof_plat_space *space, const char *name,
			  struct iof_vfio_group **out);
/*
 * Makes @vdev a member that the group knows as @name, before a node of the
 * group or of @vdev is opened.
 */
void iof_vfio_group_add(struct iof_vfio_group *group,
			struct iof_vfio_device *vdev, const char *name);
/* Is the group in use? */
bool iof_vfio_group_busy(struct iof_vfio_group *group);
/* Removes a group that is not busy, and whose members are not opened again. */
void iof_vfio_group_destroy(struct iof_vfio_group *group);
/*
 * Raises interrupt @vector: by MSI-X if the owner enabled that, else by the
 * pin, if there is one. @nr: for so many events at once. May be called in any
 * context.
 */
void iof_vfio_interrupts(struct iof_vfio_device *vdev, u32 vector, u32 nr);
static inline void iof_vfio_interrupt(struct iof_vfio_device *vdev, u32 vector)
{
	iof_vfio_interrupts(vdev, vector, 1);
}
/*
 * Copies [off, off + n) of configuration space; the caller has checked the
 * range. Returns 0, or -EINTR: the thread is killed.
 */
int iof_vfio_config_get(struct iof_vfio_device *vdev, u32 off, void *buf,
			u32 n);

#endif
