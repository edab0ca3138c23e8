/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * dsa.h - the model's DMA engine, for machine.c and vfio/, which offer it to
 * programs.
 *
 * A struct iof_dsa is one device: a work queue with a portal that takes 64-byte
 * descriptors, and engines (threads) that share the queue. iof_dsa_create()
 * registers its struct iof_hwdev with the core; other code binds and attaches
 * that device as any other. Descriptor and completion record have the layouts
 * of <linux/idxd.h>; dsa_ops.c tells which fields have a meaning here.
 *
 * The portal uses the `pasid` field of a descriptor without a check. PASID 0 is
 * "no PASID", the RID's own page table. If a program may use only one PASID,
 * the owner of the portal writes it into the field before submitting. A batch's
 * children have the PASID and privilege of the batch.
 */
#ifndef IOF_MODEL_DSA_H
#define IOF_MODEL_DSA_H

#include "../core/iof_driver.h"

struct iof_dsa;

#define IOF_DSA_MAX_ENGINES 16
#define IOF_DSA_MAX_QUEUE   4096
#define IOF_DSA_MAX_CREDITS (1u << 20)
#define IOF_DSA_MAX_PASIDS  (1u << 20)
/* maximum number of pages in one page-request group */
#define IOF_DSA_MAX_GROUP 32
#define IOF_DSA_MAX_XFER  (1u << 31)
#define IOF_DSA_MAX_BATCH 1024u

/*
 * The setup of a device. A zero member means the default of machine.h; a value
 * above its maximum is -EINVAL.
 */
struct iof_dsa_setup {
	const char *name; /* name of the device, which copies it */
	u32 credits;
	u32 engines;
	u32 queue_depth;
	u32 max_pasids;
	u32 pages_per_group;
	u32 delay_us; /* delay from an answer to the next attempt; in jiffies */
	bool no_iommu; /* max_pasids is then 1 */
};

/*
 * Creates the device, starts its engines, registers it with the core.
 * @group_with: the device whose isolation group it joins, or NULL. ERR_PTR:
 * -EINVAL, -ENOMEM.
 */
struct iof_dsa *iof_dsa_create(const struct iof_dsa_setup *config,
			       struct iof_hwdev *group_with);
/*
 * Destroys a device that is not bound. No thread calls, or will call, a
 * function of it.
 */
void iof_dsa_destroy(struct iof_dsa *dsa);
struct iof_hwdev *iof_dsa_hwdev(struct iof_dsa *dsa);

/*
 * The portal: copies and submits one descriptor. Returns 0, or -EAGAIN while
 * queue_depth descriptors are accepted and not complete. An error in the
 * descriptor shows in its completion record. If the record cannot be written,
 * the counter sw_errors counts it. Does not sleep. Any number of threads may
 * call it.
 */
int iof_dsa_submit(struct iof_dsa *dsa, const struct dsa_hw_desc *desc);
/*
 * Submits as many of @nr as there is room for, in order. Returns their number,
 * or -EAGAIN if it is 0.
 */
int iof_dsa_submit_many(struct iof_dsa *dsa, const struct dsa_hw_desc *desc,
			unsigned int nr);

/*
 * For poll functions: would the portal accept a descriptor now? Adds the caller
 * to the wait queue that is woken when a full portal has room again. @file and
 * @wait are the arguments of a poll function; neither may be NULL.
 */
bool iof_dsa_poll_room(struct iof_dsa *dsa, struct file *file,
		       poll_table *wait);

/*
 * Abandons every descriptor accepted so far, without completion records, and
 * returns when no engine works on one. Open page requests stay open, with their
 * credits, until they are answered; the answer has no effect then. May sleep,
 * cannot fail, does not wait for answers.
 */
void iof_dsa_reset(struct iof_dsa *dsa);

/*
 * Sets whether the device may access memory. After a call with @on false has
 * returned, no DMA touches memory, as if nothing were attached, until a call
 * with true. One call at a time; may sleep.
 */
void iof_dsa_bus_master(struct iof_dsa *dsa, bool on);

/*
 * Charges the engines' CPU time to the calling process from now on;
 * iof_dsa_disown(): to no process.
 */
int iof_dsa_own(struct iof_dsa *dsa);
void iof_dsa_disown(struct iof_dsa *dsa);

/* Are all descriptors accepted so far complete or abandoned? */
bool iof_dsa_idle(struct iof_dsa *dsa);

/*
 * Sets the function that is called for completions that request an interrupt,
 * under a spinlock, after the completion record is written; @nr: for so many
 * completions. An engine that has other work puts an interrupt off by at most
 * 200 us and eight steps of descriptors. NULL: none. When
 * this returns, the previous function does not run and will not be called any
 * more. Does not sleep.
 */
void iof_dsa_set_interrupt(struct iof_dsa *dsa, void (*fn)(void *data, u32 nr),
			   void *data);

/*
 * Counters since creation, read without locks; each is exact while the device
 * is idle.
 */
struct iof_dsa_stats {
	/* completed, with any status; includes children of batches */
	u64 descriptors;
	u64 errors;    /* completed with a status other than success */
	u64 sw_errors; /* errors without a record, and records not written */
	/* read or written by operations (a copied byte counts once) */
	u64 bytes;
	u64 page_requests; /* page-request groups sent */
	/* number of times that a descriptor waited for a credit */
	u64 stalls;
	u64 interrupts;
	u64 tlb_hits;	  /* translations found in the engines' caches */
	u64 tlb_misses;	  /* walks, successful or not */
	u8 last_sw_error; /* DSA_COMP_* of the last record not written */
};
void iof_dsa_get_stats(struct iof_dsa *dsa, struct iof_dsa_stats *stats);

/*
 * Durations of page-request groups, from sending to the answer, in ns, since
 * creation.
 */
#define IOF_DSA_LATENCY_TOP \
	40u /* durations below 2^40 ns have buckets of their own */
#define IOF_DSA_LATENCY_BUCKETS ((IOF_DSA_LATENCY_TOP - 3) * 16)
struct iof_dsa_latency {
	u64 count;
	u64 sum;
	u64 max;
	u64 buckets[IOF_DSA_LATENCY_BUCKETS];
};
void iof_dsa_get_latency(struct iof_dsa *dsa, struct iof_dsa_latency *latency);

#endif
