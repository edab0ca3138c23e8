/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * private.h - what the files of vfio/ share.
 */
#ifndef IOF_VFIO_PRIVATE_H
#define IOF_VFIO_PRIVATE_H

#include "bind.h"
#include "vfio.h"

/*
 * The group node of one isolation group. Either its members are opened through
 * the group, or they are bound through their own nodes.
 */
struct iof_vfio_group {
	struct iof_plat_node *node;
	/*
	 * list of struct iof_vfio_device.group_node; constant once the node is
	 * used
	 */
	struct list_head devices;
	/* protects the fields below; not held across a copy, bind or attach */
	struct mutex lock;
	bool open;	    /* a descriptor of the node exists */
	unsigned int files; /* number of device descriptors that it made */
	/* number of members that are bound by their own nodes */
	unsigned int bound;
	/* container of the group, with a reference; or NULL */
	struct iof_ctx *ctx;
};

/*
 * Vectors of the indexes VFIO_PCI_INTX_IRQ_INDEX to VFIO_PCI_REQ_IRQ_INDEX, one
 * index after the other.
 */
enum iof_vfio_vector {
	IOF_VECTOR_INTX,
	IOF_VECTOR_MSIX,
	IOF_VECTOR_ERR = IOF_VECTOR_MSIX + IOF_PCI_MSIX_MAX,
	IOF_VECTOR_REQ,
	IOF_NR_VECTORS,
};

struct iof_pci {
	/* protects all of this; taken inside the binding's lock */
	struct mutex lock;
	u8 config[IOF_PCI_CONFIG];
	/* COMMAND was written since power-on: DMA follows BUS_MASTER */
	bool command_written;
	bool dma; /* the device may do DMA; also read without the lock */
};

struct iof_vfio_device {
	const struct iof_vfio_ops *ops;
	void *dev;
	struct iof_vfio_binding binding;
	struct iof_plat_node *node;
	atomic_t files; /* number of open descriptors */
	struct list_head group_node;
	char name[32]; /* name by which the group finds it */

	/* constant after creation */
	struct iof_vfio_region regions[VFIO_PCI_NUM_REGIONS];
	struct iof_pci pci;

	struct mutex irq_mutex; /* serialises SET_IRQS */
	/* protects the fields below; taken to raise an interrupt */
	spinlock_t irq_lock;
	/* indexed by enum iof_vfio_vector; NULL: the vector is not bound */
	struct eventfd_ctx *irqs[IOF_NR_VECTORS];
	bool msix; /* MSI-X is enabled, which excludes INTx */
	/*
	 * INTx is masked by the user; is disabled in COMMAND; was raised
	 * meanwhile
	 */
	bool intx_masked, intx_disabled, intx_pending;
};

/* node.c */
/*
 * Installs a new descriptor of @vdev in the calling process. The device is
 * bound to @ctx and attached to its compat IOAS. Takes over the caller's count
 * in @group->files, also on failure. Returns the descriptor or a negative
 * errno.
 */
int iof_vfio_open_in_group(struct iof_vfio_device *vdev,
			   struct iof_vfio_group *group, struct iof_ctx *ctx);

/* group_use.c */
/*
 * Is the group's node, or a device descriptor that came from it, open? Called
 * with the lock held.
 */
bool iof_vfio_group_in_use(const struct iof_vfio_group *group);
/*
 * Takes a group that is not in use out of its container. Returns the container,
 * which the caller puts after the lock, or NULL. Called with the lock held.
 */
struct iof_ctx *iof_vfio_group_leave(struct iof_vfio_group *group);
/*
 * Counts a member that its own node is about to bind. Returns 0, or -EBUSY if
 * the group is in use. Does nothing without a group.
 */
int iof_vfio_group_block(struct iof_vfio_group *group);
/* Undoes iof_vfio_group_block(). */
void iof_vfio_group_unblock(struct iof_vfio_group *group);
/* Counts a device descriptor of the group as closed. */
void iof_vfio_group_put_file(struct iof_vfio_group *group);

/* info.c */
int iof_vfio_get_info(void __user *arg);
int iof_vfio_get_region_info(struct iof_vfio_device *vdev, void __user *arg);
int iof_vfio_get_irq_info(struct iof_vfio_device *vdev, void __user *arg);

/* irqs.c */
/* Returns the number of interrupts of an index; 0: the index has none. */
u32 iof_vfio_nr_irqs(struct iof_vfio_device *vdev, u32 index);
int iof_vfio_set_irqs(struct iof_vfio_device *vdev, void __user *arg);
void iof_vfio_irqs_init(struct iof_vfio_device *vdev);
void iof_vfio_irqs_disable(struct iof_vfio_device *vdev);
bool iof_vfio_msix_enabled(struct iof_vfio_device *vdev);
bool iof_vfio_intx_pending(struct iof_vfio_device *vdev);
/* Sets the bit "interrupt disable" of COMMAND. */
void iof_vfio_intx_disable(struct iof_vfio_device *vdev, bool disable);

/* pci.c */
int iof_pci_init(struct iof_vfio_device *vdev);
int iof_pci_find_region(struct iof_vfio_device *vdev, u64 pos,
			struct iov_iter *iter, u32 direction, u32 *region,
			u64 *off);
ssize_t iof_pci_read(struct iof_vfio_device *vdev, u32 region, u64 off,
		     struct iov_iter *to);
ssize_t iof_pci_write(struct iof_vfio_device *vdev, u32 region, u64 off,
		      struct iov_iter *from);
/*
 * Both reset the function to its state after power-on, configuration space
 * included. iof_pci_reset() returns -EINTR if the thread is killed.
 */
int iof_pci_reset(struct iof_vfio_device *vdev);
void iof_pci_power_on(struct iof_vfio_device *vdev);
/*
 * Executes both hot reset commands; @min: number of bytes of the structure that
 * are read.
 */
int iof_pci_hot_reset(void __user *arg, size_t min);

#endif
