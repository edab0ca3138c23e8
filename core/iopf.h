/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iopf.h - page-request groups (iopf.c).
 */
#ifndef IOF_CORE_IOPF_H
#define IOF_CORE_IOPF_H

#include "attach.h"
#include "records.h"

#define IOF_PARTIAL_HASH_BITS	6

/* Why a group gets its answer, as the tracepoints say it (IOF_TRACE_WHYS). */
enum iof_why {
	IOF_WHY_RESPONSE = 0,	/* whoever was to handle it did: no sweep */
	/* It was delivered or queued, and then what it hung on went away: */
	IOF_WHY_DETACH = 1,
	IOF_WHY_REPLACE = 2,
	IOF_WHY_CLOSE = 3,	/* the last holder of the descriptor */
	/* It was refused when it came: */
	/* no attachment, or no process holds its queue, or it has none */
	IOF_WHY_NO_LISTENER = 4,
	IOF_WHY_BROKEN = 5,	/* pages of it were lost, or meant for an earlier attachment */
	IOF_WHY_CREDITS = 6,	/* the device has none left */
	IOF_WHY_MEMORY = 7,
};

/* A page of a group before its last. */
struct iof_prg_page {
	struct list_head node;
	struct iommu_hwpt_pgfault rec;
};

/*
 * A page-request group, from its first page to its answer. Owner: the device's partial hash while
 * collecting; then the sink. Whoever takes it off there answers it by iof_iopf_respond(), which
 * gives the record back to the device's pool.
 */
struct iof_prg {
	/* What taking, answering and sweeping touch comes first, and is one cache line. */
	union {
		struct llist_node free;	/* core->returned, core->spare */
		struct {
			/* partial hash bucket, parked list, then the sink's inbox */
			struct list_head node;
			/* attach->partial, core->broken; then attach->open; the sink's lock */
			struct list_head open_node;
			u32 cookie;	/* 0 while not delivered to a reader; the queue's lock */
			u32 dev_id;	/* as readers get it: the attachment's at delivery */
		};
	};
	struct iof_hwdev *dev;
	struct iof_attach *attach;	/* NULL while collecting */
	/* credits held: pages counted, last included once it came */
	u32 nr_pages;
	/* pages were lost or dropped: the last one is answered INVALID */
	bool broken;

	struct iof_page_req req;	/* the last page, as the driver sent it */
	/* struct iof_prg_page, all but the last, in arrival order */
	struct list_head pages;
} ____cacheline_aligned_in_smp;

/* The PASID whose attachment a request goes to. */
static inline u32 iof_req_pasid(const struct iof_page_req *req)
{
	return req->flags & IOMMU_PGFAULT_FLAGS_PASID_VALID ? req->pasid : IOF_NO_PASID;
}

/* A page request as a reader gets it; the cookie comes with the delivery. */
static inline void iof_fault_record(struct iommu_hwpt_pgfault *rec, const struct iof_page_req *req,
				    u32 dev_id)
{
	/* Field by field: the record may lie on a stack that nobody cleared. */
	rec->flags = req->flags;
	rec->dev_id = dev_id;
	rec->pasid = req->pasid;
	rec->grpid = req->grpid;
	rec->perm = req->perm;
	rec->__reserved = 0;
	rec->addr = req->addr;
	rec->length = 0;
	rec->cookie = 0;
}

/* The core's part of a registered device. */
struct iof_hwdev_core {
	struct iof_hwdev *dev;
	struct iof_group *group;
	struct list_head group_node;	/* group->hwdevs; group->lock */
	struct iof_device *idev;	/* bound; group->lock */
	u32 attached;			/* attachments this device is a member of; group->lock */

	/* group->fault_lock: */
	/* groups still collecting, or broken */
	struct list_head partial[1 << IOF_PARTIAL_HASH_BITS];
	u32 nr_partial;			/* all of them */
	struct list_head broken;	/* the broken ones (open_node), oldest first */
	u32 nr_broken;			/* at most dev->credits; they hold no credit */

	/* Who reports takes records here, who answers gives them back below: lines of their own. */
	/* free groups taken off @returned; group->fault_lock */
	struct llist_node *spare ____cacheline_aligned_in_smp;
	unsigned long tick;		/* the tick at which it was @tick_ns; group->fault_lock */
	u64 tick_ns;
	spinlock_t payer_lock;
	struct iof_plat_payer *payer;	/* payer_lock; while bound: a reference */
	atomic_t nr_records;		/* groups and pages, in use or free */
	spinlock_t pool_lock;
	struct list_head free_pages;	/* pool_lock; struct iof_prg_page.node */
	atomic64_t requests, groups;

	struct llist_head returned ____cacheline_aligned_in_smp; /* struct iof_prg.free */
	atomic_t in_use;		/* pages open, at most dev->credits */
	atomic64_t refused, swept, answered[3];
};

void iof_iopf_init(struct iof_hwdev_core *core);
/* Frees the records that are not in use. */
void iof_iopf_trim(struct iof_hwdev_core *core);
void iof_iopf_exit(struct iof_hwdev_core *core);	/* answers and frees what is left */
/*
 * Gives the one answer for a group that the caller took off its sink, and recycles the record. May
 * sleep. The device's credits are back before the driver hears of the answer, since it may send the
 * next request at once.
 */
void iof_iopf_respond(struct iof_prg *prg, enum iof_page_code code, enum iof_why why);
/* A group that somebody took off its sink and has to answer. */
struct iof_prg_answer {
	struct iof_prg *group;
	struct iof_attach *attach;
	enum iof_page_code code;
	enum iof_why why;
};
#define IOF_ANSWERS_MAX	32
/* iof_iopf_respond() for up to IOF_ANSWERS_MAX groups. */
void iof_iopf_respond_many(const struct iof_prg_answer *taken, u32 nr);
/* Why the groups of an attachment that is out of force are swept; in detach or replace. */
static inline enum iof_why iof_iopf_why_swept(const struct iof_attach *attach)
{
	return xa_load(&attach->group->attachments, attach->pasid) ? IOF_WHY_REPLACE :
								     IOF_WHY_DETACH;
}
/* Counts a group that the core answers because its attachment or its queue goes away. */
static inline void iof_iopf_count_swept(struct iof_prg *prg)
{
	atomic64_inc(&prg->dev->core->swept);
}

/*
 * Switching (group, pasid) under group->lock:
 *   iof_iopf_switch_begin()   groups that become complete from now on are parked
 *   driver's attach for every device
 *   iof_iopf_switch_end()     @new (may be NULL) takes the place of the old attachment; parked
 *                             groups go to it, or are answered INVALID; partial pages that were
 *                             meant for the old one are dropped and their groups marked broken.
 *                             The caller then sweeps the old one's sink.
 *   iof_iopf_switch_cancel()  instead, when the driver refused: parked groups go to the old one.
 * switch_end stores into group->attachments, whose slot the caller reserved beforehand if it was
 * empty.
 */
void iof_iopf_switch_begin(struct iof_group *group, u32 pasid);
void iof_iopf_switch_end(struct iof_group *group, u32 pasid, struct iof_attach *new);
void iof_iopf_switch_cancel(struct iof_group *group, u32 pasid);
/*
 * Drops the partial pages that @dev sent to @attach, of which it ceases to be a member while others
 * stay.
 */
void iof_iopf_drop_partials(struct iof_hwdev *dev, struct iof_attach *attach);

#endif
