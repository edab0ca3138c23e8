/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * dsa.h - the model's DMA engine, as those see it who give it to programs: machine.c and vfio/.
 *
 * A struct iof_dsa is one device: a work queue with a portal that takes 64-byte descriptors, and
 * engines (threads) that share it. iof_dsa_create() registers its struct iof_hwdev with the core;
 * the rest of the world binds and attaches that one as any other. The layouts of descriptor and
 * completion record are <linux/idxd.h>'s; which of their fields mean what here stands in
 * dsa_ops.c.
 *
 * The PASID: a descriptor's `pasid` field is taken as given, 0 being "no PASID", the RID's own page
 * table. Where only one PASID may be used, whoever owns the portal writes it into the field before
 * submitting. A batch's children have the PASID and privilege of the batch.
 */
#ifndef IOF_MODEL_DSA_H
#define IOF_MODEL_DSA_H

#include "../core/iof_driver.h"

struct iof_dsa;

#define IOF_DSA_MAX_ENGINES	16
#define IOF_DSA_MAX_QUEUE	4096
#define IOF_DSA_MAX_CREDITS	(1u << 20)
#define IOF_DSA_MAX_PASIDS	(1u << 20)
#define IOF_DSA_MAX_GROUP	32	/* pages in one page-request group */
#define IOF_DSA_MAX_XFER	(1u << 31)
#define IOF_DSA_MAX_BATCH	1024u

/* Zero means the default that machine.h gives; larger than its maximum is -EINVAL. */
struct iof_dsa_setup {
	const char *name;		/* copied */
	u32 credits;
	u32 engines;
	u32 queue_depth;
	u32 max_pasids;
	u32 pages_per_group;
	u32 delay_us;			/* from an answer to the next attempt; in jiffies */
};

/*
 * Makes the device, starts its engines, registers it with the core. @group_with: the device whose
 * isolation group it joins, or NULL. ERR_PTR: -EINVAL, -ENOMEM.
 */
struct iof_dsa *iof_dsa_create(const struct iof_dsa_setup *config, struct iof_hwdev *group_with);
/* Nobody has the device bound, and nobody else calls anything of it any more. */
void iof_dsa_destroy(struct iof_dsa *dsa);
struct iof_hwdev *iof_dsa_hwdev(struct iof_dsa *dsa);

/*
 * The portal: enters one descriptor, which is copied. 0, or -EAGAIN while as many descriptors as
 * the queue is deep are accepted and not complete. Whatever is wrong with the descriptor shows in
 * its completion record, or, where that cannot be written, in the counter sw_errors. Does not
 * sleep; any number of threads.
 */
int iof_dsa_submit(struct iof_dsa *dsa, const struct dsa_hw_desc *desc);
/* As many of @nr as there is room for, in order: their number, or -EAGAIN if that is none. */
int iof_dsa_submit_many(struct iof_dsa *dsa, const struct dsa_hw_desc *desc, unsigned int nr);

/*
 * For poll(): whether the portal would take a descriptor now. The caller is added to those who
 * are woken when a full portal has room again; neither of the two may be NULL, @wait as poll
 * functions get it.
 */
bool iof_dsa_poll_room(struct iof_dsa *dsa, struct file *file, poll_table *wait);

/*
 * Abandons every descriptor accepted so far, without completion records, and returns when no
 * engine works on one. Page requests that are open stay so (their credits too) until somebody
 * answers; what the answer says no longer matters. May sleep, cannot fail, does not wait for
 * answers.
 */
void iof_dsa_reset(struct iof_dsa *dsa);

/* The engines' CPU time is the calling process's from now on; or no process's any more. */
int iof_dsa_own(struct iof_dsa *dsa);
void iof_dsa_disown(struct iof_dsa *dsa);

/* Whether all descriptors accepted so far are complete or abandoned. */
bool iof_dsa_idle(struct iof_dsa *dsa);

/*
 * Who is told of completions that asked for an interrupt: called under a spinlock, after the
 * completion record is written. NULL: nobody. When this returns, the function set before is not
 * running and will not be called any more. Does not sleep.
 */
void iof_dsa_set_interrupt(struct iof_dsa *dsa, void (*fn)(void *data), void *data);

/* Counters since creation; read without locks, each exact when the device is idle. */
struct iof_dsa_stats {
	u64 descriptors;	/* completed, with whatever status; children of batches too */
	u64 errors;		/* of those, with a status other than success */
	u64 sw_errors;		/* errors without a record, records not written */
	u64 bytes;		/* read or written for operations (a copied byte counts once) */
	u64 page_requests;	/* page-request groups sent */
	u64 stalls;		/* times a descriptor had to wait for a credit */
	u64 interrupts;
	u64 tlb_hits;		/* translations found in the engines' caches */
	u64 tlb_misses;		/* walks, whether they led to a page or not */
	u8 last_sw_error;	/* DSA_COMP_* of the last record not written */
};
void iof_dsa_get_stats(struct iof_dsa *dsa, struct iof_dsa_stats *stats);

/* How long page-request groups were open, from sending to the answer, in ns; since creation. */
#define IOF_DSA_LATENCY_TOP	40u	/* times below 2^40 ns have buckets of their own */
#define IOF_DSA_LATENCY_BUCKETS	((IOF_DSA_LATENCY_TOP - 3) * 16)
struct iof_dsa_latency {
	u64 count;
	u64 sum;
	u64 max;
	u64 buckets[IOF_DSA_LATENCY_BUCKETS];
};
void iof_dsa_get_latency(struct iof_dsa *dsa, struct iof_dsa_latency *latency);

#endif
