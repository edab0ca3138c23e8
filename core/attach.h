/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * attach.h - devices, isolation groups and attachments (device.c, attach.c).
 */
#ifndef IOF_CORE_ATTACH_H
#define IOF_CORE_ATTACH_H

#include "hwpt.h"

/* Who takes the complete page-request groups of an attachment. */
struct iof_fault_sink;
struct iof_prg;
struct iof_attach;

struct iof_fault_sink_ops {
	/*
	 * Complete groups for @attach, at most IOF_ANSWERS_MAX, by struct iof_prg.node in
	 * the order of their LAST pages. Under iof_group.fault_lock: no sleep. True: the sink owns
	 * them now, has emptied the list and sees to their one answer each (iof_iopf_respond()).
	 * False: nobody can answer any more; the caller does, with INVALID.
	 */
	bool (*queue)(struct iof_fault_sink *sink, struct iof_attach *attach,
			struct list_head *groups);
	/*
	 * The attachment is out of reach of new faults: answer INVALID whatever of it is open, and
	 * return when answers that others are giving have reached the driver. May sleep, cannot
	 * fail, costs what this attachment has open.
	 */
	void (*sweep)(struct iof_fault_sink *sink, struct iof_attach *attach);
};

struct iof_fault_sink {
	const struct iof_fault_sink_ops *ops;
};

/* (group, PASID) is attached to a domain. Replaced as a whole, never changed into another. */
struct iof_attach {
	struct iof_group *group;
	u32 pasid;			/* IOF_NO_PASID: the RID */
	struct iof_domain *domain;
	struct iof_hwpt *hwpt;		/* holds it; NULL for SVA */
	struct iof_sva *sva;		/* SVA only; owned */
	struct iof_fault_sink *sink;	/* NULL: page requests are answered INVALID */
	/* the group's share of the queue, NULL without; group->lock */
	struct iof_queue_slots *slots;
	struct list_head members;	/* struct iof_attach_member, oldest first; group->lock */
	/* what faults report: the oldest member's; group->fault_lock */
	u32 dev_id;
	/* struct iof_prg.open_node: collecting for it, not broken; group->fault_lock */
	struct list_head partial;

	/* The sink's, under the sink's lock. */
	/* struct iof_prg.open_node: delivered to the sink */
	struct list_head open;
	/*
	 * Groups taken off @open whose answer is on its way to the driver: grows under the sink's
	 * lock, shrinks without.
	 */
	atomic_t answering;
	struct list_head queue_node;	/* iof_fault_queue.attachments, with @slots; grow_lock */

	/*
	 * By place in group->hwdevs, which does not change while the group is attached: the
	 * device's driver failed to go back here after a failed switch, so it is blocked.
	 * group->lock
	 */
	bool lost[];
};

/* One bound device that asked for the attachment; its regions are reserved for it, RID only. */
struct iof_attach_member {
	struct list_head node;
	struct iof_device *idev;
};

/*
 * The cookie slots that a queue has reserved for the group. One reservation serves all PASIDs of
 * the group that use the queue, since the credits are the devices'.
 */
struct iof_queue_slots {
	struct iof_fault_queue *queue;
	unsigned int attachments;
	u32 nr;				/* as reserved */
};

/* An isolation group: devices that can only be switched together. */
struct iof_group {
	struct kref ref;		/* one per registered device */
	struct mutex lock;		/* everything but what fault_lock guards */
	struct iof_ctx *owner;		/* the context that has devices of it bound; no reference */
	unsigned int bound;		/* devices bound */
	struct list_head hwdevs;	/* struct iof_hwdev_core.group_node */
	struct xarray queues;		/* id of the queue -> struct iof_queue_slots */
	/* PASIDs attached to HWPTs: the RID's HWPT must allow that */
	unsigned int pasid_hwpts;

	/* attachments, parked, switching; partials of its devices */
	spinlock_t fault_lock;
	struct xarray attachments;	/* pasid -> struct iof_attach; written under both locks */
	struct iof_attach *rid;		/* attachments[IOF_NO_PASID], for the fault path */
	u32 switching_pasid;		/* a switch of this PASID is under way ... */
	bool switching;			/* ... groups for it wait in @parked until it is decided */
	struct list_head parked;	/* struct iof_prg.node */
};

struct iof_device {
	struct iof_object obj;
	struct iof_ctx *ctx;		/* a reference if @keeps_ctx */
	struct iof_hwdev *hwdev;
	struct iof_group *group;
	bool keeps_ctx;
};

#endif
