/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * attach.h - devices, isolation groups and attachments (hwdev.c, device.c,
 * attach.c).
 */
#ifndef IOF_CORE_ATTACH_H
#define IOF_CORE_ATTACH_H

#include "hwpt.h"

/*
 * Takes the complete page-request groups of an attachment: a fault queue, or
 * SVA.
 */
struct iof_fault_sink;
struct iof_prg;
struct iof_attach;

struct iof_fault_sink_ops {
	/*
	 * Takes complete groups for @attach, at most IOF_ANSWERS_MAX, linked by
	 * struct iof_prg.node in the order of their LAST pages. Called with
	 * iof_group.fault_lock held: does not sleep. Returns 0: the sink owns
	 * the groups, has emptied the list, and answers each once
	 * (iof_iopf_respond()). Otherwise the sink took no group. -EPIPE: it is
	 * closed, and the caller refuses the groups. -ENOSPC: hold() and grow()
	 * may make room.
	 */
	int (*queue)(struct iof_fault_sink *sink, struct iof_attach *attach,
		     struct list_head *groups, u32 nr);
	/*
	 * Keeps the memory of @sink until grow(), also when @attach goes away.
	 * Called after -ENOSPC, under the same hold of iof_group.fault_lock.
	 */
	void (*hold)(struct iof_fault_sink *sink);
	/*
	 * Makes room for @nr more groups, which others may take first. -ENOMEM:
	 * the caller refuses the groups. Called without locks but
	 * iof_group.lock, and may sleep.
	 */
	int (*grow)(struct iof_fault_sink *sink, u32 nr);
	/*
	 * Answers INVALID every open group of @attach, which no new fault can
	 * reach; with @dev, those of this device, which sends no new one.
	 * Returns when answers that other threads give have reached the driver.
	 * May sleep, cannot fail. Its cost depends on the open groups of this
	 * attachment only.
	 */
	void (*sweep)(struct iof_fault_sink *sink, struct iof_attach *attach,
		      const struct iof_hwdev *dev);
};

struct iof_fault_sink {
	const struct iof_fault_sink_ops *ops;
};

/*
 * An attachment of (group, PASID) to a domain. It is replaced as a whole and
 * never changed into another.
 */
struct iof_attach {
	struct iof_group *group;
	u32 pasid; /* IOF_NO_PASID stands for the RID */
	struct iof_domain *domain;
	struct iof_hwpt *hwpt;	     /* held; NULL for SVA */
	struct iof_sva *sva;	     /* SVA only; owned */
	struct iof_fault_sink *sink; /* NULL: page requests are refused */
	/* the queue that it has joined, or NULL; group->lock */
	struct iof_fault_queue *queue;
	/* list of struct iof_attach_member, oldest first; group->lock */
	struct list_head members;
	/* dev_id in records: that of the oldest member; group->fault_lock */
	u32 dev_id;
	/*
	 * list of struct iof_prg.open_node: groups that collect and are not
	 * broken; group->fault_lock
	 */
	struct list_head partial;

	/* The sink owns these, under the sink's lock. */
	/* list of struct iof_prg.open_node: groups queued or delivered */
	struct list_head open;
	/*
	 * Number of groups taken off @open whose answer has not yet reached the
	 * driver. It grows under the sink's lock, and shrinks without it.
	 */
	atomic_t answering;
	/* entry of iof_fault_queue.attachments, with @queue; grow_lock */
	struct list_head queue_node;

	/*
	 * Indexed by iof_hwdev_core.position: no device joins the group while
	 * it is attached. An entry is true if a switch failed, the device's
	 * driver then failed to go back to this domain, and so the device is
	 * blocked. group->lock
	 */
	bool lost[];
};

/*
 * A bound device that asked for the attachment. For the RID, its reserved
 * regions are reserved in the IOAS.
 */
struct iof_attach_member {
	struct list_head node;
	struct iof_device *idev;
};

/* An isolation group: devices that can only be switched together. */
struct iof_group {
	/* one reference for each registered and each bound device */
	struct kref ref;
	/* guards all fields that fault_lock does not */
	struct mutex lock;
	/* the context to which devices of the group are bound; no reference */
	struct iof_ctx *owner;
	unsigned int bound;	 /* number of bound devices */
	struct list_head hwdevs; /* list of struct iof_hwdev_core.group_node */
	/*
	 * number of PASIDs attached to HWPTs. If it is not 0, the RID's HWPT
	 * must allow PASIDs.
	 */
	unsigned int pasid_hwpts;

	/* guards the fields below, and the partial groups of its devices */
	spinlock_t fault_lock;
	/*
	 * pasid -> struct iof_attach; written under both locks
	 */
	struct xarray attachments;
	/* attachments[IOF_NO_PASID]; it saves the fault path a look-up */
	struct iof_attach *rid;
	/* the PASID that is being switched, while @switching */
	u32 switching_pasid;
	/* groups for that PASID wait in @parked */
	bool switching;
	struct list_head parked; /* list of struct iof_prg.node */
};

struct iof_device {
	struct iof_object obj;
	struct kref ref;	 /* the binding, and iof_device_retain() */
	struct iof_ctx *ctx;	 /* holds a reference if @keeps_ctx */
	struct iof_hwdev *hwdev; /* exists until the binding ends */
	struct iof_group *group; /* holds a reference */
	bool keeps_ctx;
	bool leaving; /* gets no attachment any more; group->lock */
};

/* Returns a group without devices and with one reference; NULL: no memory. */
struct iof_group *iof_group_alloc(void);
void iof_group_get(struct iof_group *group);
void iof_group_put(struct iof_group *group);

/*
 * Blocks a device that leaves its group, and sweeps its groups, in each
 * attachment of the group. Called with group->lock held.
 */
void iof_attach_device_leaves(struct iof_hwdev_core *core);

#endif
