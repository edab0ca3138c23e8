/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iopf.h - page-request groups (iopf.c).
 */
#ifndef IOF_CORE_IOPF_H
#define IOF_CORE_IOPF_H

#include "attach.h"
#include "records.h"

#define IOF_PARTIAL_HASH_BITS 6

/*
 * The reason for a group's answer. The tracepoints show it by name (trace.h).
 */
enum iof_why {
	IOF_WHY_RESPONSE = 0, /* the handler or the SVA worker responded */
	/*
	 * The group was swept: the attachment or the descriptor went away while
	 * it was open.
	 */
	IOF_WHY_DETACH = 1,
	IOF_WHY_REPLACE = 2,
	IOF_WHY_CLOSE = 3, /* swept: the last close of the descriptor */
	/* The group was refused on arrival. */
	/* no attachment, or one without a queue, or with a closed queue */
	IOF_WHY_NO_LISTENER = 4,
	/* pages of the group were lost, or went to an earlier attachment */
	IOF_WHY_BROKEN = 5,
	IOF_WHY_CREDITS = 6, /* the device has no credit left */
	IOF_WHY_MEMORY = 7,
};

/* A page of a group, other than LAST. */
struct iof_prg_page {
	struct list_head node;
	struct iommu_hwpt_pgfault rec;
};

/*
 * A page-request group, from its first page to its answer. It belongs to the
 * device's partial hash while it collects, then to the sink. The thread that
 * takes it off there answers it by iof_iopf_respond(), which returns the record
 * to the device's pool.
 */
struct iof_prg {
	/*
	 * A response or a sweep touches these. They come first, in one cache
	 * line.
	 */
	union {
		struct llist_node free; /* list core->returned or core->spare */
		struct {
			/*
			 * list: partial hash bucket, or group->parked, then the
			 * sink's inbox
			 */
			struct list_head node;
			/*
			 * list attach->partial or core->broken; later
			 * attach->open, under the sink's lock
			 */
			struct list_head open_node;
			/* 0 before delivery; under the queue's lock */
			u32 cookie;
			/* dev_id of the attachment when the group was queued */
			u32 dev_id;
		};
	};
	struct iof_hwdev *dev;
	struct iof_attach *attach; /* NULL while collecting */
	/* number of credits held: one for each page that counts */
	u32 nr_pages;
	/* A page was lost or dropped: LAST is refused. */
	bool broken;

	struct iof_page_req req; /* request of the LAST page */
	/*
	 * list of struct iof_prg_page: all pages but the last, in arrival order
	 */
	struct list_head pages;
} ____cacheline_aligned_in_smp;

/* Returns the PASID by which a request is routed. */
static inline u32 iof_req_pasid(const struct iof_page_req *req)
{
	return req->flags & IOMMU_PGFAULT_FLAGS_PASID_VALID ? req->pasid :
							      IOF_NO_PASID;
}

/* Fills in the record that a reader gets. The cookie is set at delivery. */
static inline void iof_fault_record(struct iommu_hwpt_pgfault *rec,
				    const struct iof_page_req *req, u32 dev_id)
{
	/* Set each field: the record may lie on an uninitialized stack. */
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
	struct list_head group_node; /* list group->hwdevs; group->lock */
	/* in the group, when its attachments were made; group->lock */
	unsigned int position;
	struct iof_device *idev; /* NULL: not bound; group->lock */
	/* number of attachments that this device is a member of; group->lock */
	u32 attached;

	/* protected by group->fault_lock: */
	/* hash of groups that collect, and of broken ones */
	struct list_head partial[1 << IOF_PARTIAL_HASH_BITS];
	u32 nr_partial; /* number of groups in @partial */
	/* list of the broken ones (open_node), oldest first */
	struct list_head broken;
	u32 nr_broken; /* at most dev->credits; they hold no credit */

	/*
	 * The reporting thread takes records here, and the responding thread
	 * returns them below. Each list has cache lines of its own.
	 */
	/* free groups taken off @returned; group->fault_lock */
	struct llist_node *spare ____cacheline_aligned_in_smp;
	/* value of jiffies when @tick_ns was read; group->fault_lock */
	unsigned long tick;
	u64 tick_ns;
	spinlock_t payer_lock;
	/* holds a reference while bound; payer_lock */
	struct iof_plat_payer *payer;
	/* number of records of groups and pages, in use or free */
	atomic_t nr_records;
	spinlock_t pool_lock;
	/* list of struct iof_prg_page.node; pool_lock */
	struct list_head free_pages;
	atomic64_t requests, groups;

	/* stack of struct iof_prg.free */
	struct llist_head returned ____cacheline_aligned_in_smp;
	atomic_t in_use; /* number of open pages, at most dev->credits */
	atomic64_t refused, swept, answered[3];
};

void iof_iopf_init(struct iof_hwdev_core *core);
/* Frees the records that are not in use. */
void iof_iopf_trim(struct iof_hwdev_core *core);
/* Drops unfinished groups and frees all records. */
void iof_iopf_exit(struct iof_hwdev_core *core);
/*
 * Answers a group that the caller took off its sink, and recycles the record.
 * May sleep. The device gets its credits back before the driver is called,
 * because it may send its next request at once.
 */
void iof_iopf_respond(struct iof_prg *prg, enum iof_page_code code,
		      enum iof_why why);
/* A group that was taken off its sink, and the answer that it gets. */
struct iof_prg_answer {
	struct iof_prg *prg;
	struct iof_attach *attach;
	enum iof_page_code code;
	enum iof_why why;
};
#define IOF_ANSWERS_MAX 32
/* Does iof_iopf_respond() for up to IOF_ANSWERS_MAX groups. */
void iof_iopf_respond_many(const struct iof_prg_answer *taken, u32 nr);
/*
 * Returns the reason for which the groups of @attach are swept. @attach is no
 * longer in force: detach or replace runs.
 */
static inline enum iof_why iof_iopf_why_swept(const struct iof_attach *attach)
{
	return xa_load(&attach->group->attachments, attach->pasid) ?
		       IOF_WHY_REPLACE :
		       IOF_WHY_DETACH;
}
/* Counts a group as swept. */
static inline void iof_iopf_count_swept(struct iof_prg *prg)
{
	atomic64_inc(&prg->dev->core->swept);
}

/*
 * Switching (group, pasid) from one attachment to another, under group->lock:
 *
 *   iof_iopf_switch_begin()   Groups that become complete are parked.
 *   driver's attach()         Called for every device of the group.
 *   iof_iopf_switch_end()     @new (may be NULL) takes the old attachment's
 *                             place. Parked groups go to @new or are refused.
 *                             Partial pages for the old attachment are
 *                             dropped and their groups become broken. The
 *                             caller then sweeps the old sink.
 *   iof_iopf_switch_cancel()  Instead of end, after the driver failed:
 *                             parked groups go to the old attachment.
 *
 * If the slot in group->attachments was empty, the caller reserves it before
 * iof_iopf_switch_end().
 */
void iof_iopf_switch_begin(struct iof_group *group, u32 pasid);
void iof_iopf_switch_end(struct iof_group *group, u32 pasid,
			 struct iof_attach *new);
void iof_iopf_switch_cancel(struct iof_group *group, u32 pasid);
/*
 * Drops the partial pages that @dev sent to @attach. @dev leaves the
 * attachment, other members stay.
 */
void iof_iopf_drop_partials(struct iof_hwdev *dev, struct iof_attach *attach);

#endif
