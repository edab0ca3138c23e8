/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * bind.h - the binding of a device to a context: what the nodes of all devices
 * have in common, of software devices (node.c) as of real ones (hw/).
 *
 * A node embeds struct iof_vfio_binding, and each of its descriptors a struct
 * iof_vfio_file. It hands BIND, ATTACH, DETACH and the SVA commands to
 * iof_vfio_bind_ioctl(), and does the rest of the device itself.
 */
#ifndef IOF_VFIO_BIND_H
#define IOF_VFIO_BIND_H

#include "core/iof_core.h"
#include "core/iof_driver.h"
#include <iofault/vfio.h>

struct iof_vfio_group;
struct iof_vfio_binding;

/**
 * struct iof_vfio_binding_ops - what a node does when its binding changes
 * @own: a context has bound the device. It may charge the CPU time of the
 *	device's threads to the calling process, and make the device ready.
 *	Returns 0, or a negative errno that BIND returns. May be NULL.
 * @stop: the owner leaves. When it returns, the device is as after power-on and
 *	touches no memory. It does not wait for open page requests.
 * @disown: the owner has left: after @stop and all detaches. May be NULL.
 *
 * Called with binding->lock held; all may sleep.
 */
struct iof_vfio_binding_ops {
	int (*own)(struct iof_vfio_binding *binding);
	void (*stop)(struct iof_vfio_binding *binding);
	void (*disown)(struct iof_vfio_binding *binding);
};

/**
 * struct iof_vfio_binding - the binding of one device
 * @hw: the device, registered
 * @ops: of the node
 * @group: the group node that can also bind it; NULL: the world has no groups
 * @calls: serialises the owner's commands. A holder may wait for user memory.
 *	So neither the end of the binding nor a path that resolves faults takes
 *	it. Taken before @lock.
 * @lock: serialises bind and the end of the binding
 * @idev: NULL: not bound; does not change while there is an owner, but for
 *	iof_vfio_revoke(); @lock
 * @revoked: the device is gone; each command fails; @lock
 * @group_users: number of the group's descriptors that share the binding; @lock
 * @pasids: set of attached PASIDs, to a page table or a process
 */
struct iof_vfio_binding {
	struct iof_hwdev *hw;
	const struct iof_vfio_binding_ops *ops;
	struct iof_vfio_group *group;
	struct mutex calls;
	struct mutex lock;
	struct iof_device *idev;
	bool revoked;
	unsigned int group_users;
	struct xarray pasids;
};

/**
 * struct iof_vfio_file - a descriptor of a device
 * @binding: of the device
 * @owner: the descriptor owns the binding; becomes true once: acquire, release
 * @group: the group that made the descriptor and counts it, or NULL
 */
struct iof_vfio_file {
	struct iof_vfio_binding *binding;
	bool owner;
	struct iof_vfio_group *group;
};

/* Does the descriptor own the device? What BIND did is visible then. */
static inline bool iof_vfio_owns(struct iof_vfio_file *vf)
{
	/* Pairs with vfio_bind() and iof_vfio_bind_in_group(). */
	return smp_load_acquire(&vf->owner);
}

void iof_vfio_binding_init(struct iof_vfio_binding *binding,
			   struct iof_hwdev *hw,
			   const struct iof_vfio_binding_ops *ops);
/* No descriptor is left. */
void iof_vfio_binding_exit(struct iof_vfio_binding *binding);
/*
 * Executes a command of the binding. -EINVAL for each other command of a
 * descriptor that does not own the device, else -ENOIOCTLCMD: the node's.
 */
long iof_vfio_bind_ioctl(struct iof_vfio_file *vf, unsigned int cmd,
			 void __user *uptr);
/*
 * Binds to the group's container and attaches to its compat IOAS, unless
 * another descriptor of the group has done so.
 */
int iof_vfio_bind_in_group(struct iof_vfio_file *vf, struct iof_ctx *ctx);
/*
 * Ends the binding although its owner has descriptors, since the device goes.
 * Every later command of them is -ENODEV, and so is an attach that waits for
 * user memory meanwhile.
 */
void iof_vfio_revoke(struct iof_vfio_binding *binding);
/* The descriptor is closed: ends the binding if it was the last owner. */
void iof_vfio_file_close(struct iof_vfio_file *vf);

#endif
