/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * dsa_private.h - inside the DMA engine: jobs, engines, and which thread owns a
 * job.
 *
 * A job is one descriptor from its acceptance to its end. It is always in
 * exactly one place, and the thread that takes it from there owns it: the
 * queue, an engine's run list, an engine's current job, the wait for an answer
 * (pri.c), pri->starved, the drains, the batches that wait for a free child, or
 * an engine's stack of resumed jobs. Only the owner reads or writes a job,
 * except for marked fields. Engines never block on a fault: the job waits
 * elsewhere while the engine runs another, so that as many faults can be open
 * as the queue is deep.
 *
 *   dsa.c        the device: reset, making and unmaking
 *   dsa_job.c    the queue, where jobs begin and end
 *   dsa_engine.c which job an engine runs next, and for how long
 *   dsa_mem.c    access to memory by PASID and address; faults; records
 *   dsa_ops.c    checks of descriptors, and the operations
 *   dsa_batch.c  batches and drains
 */
#ifndef IOF_MODEL_DSA_PRIVATE_H
#define IOF_MODEL_DSA_PRIVATE_H

#include "dsa.h"
#include "model.h"

/*
 * DSA architecture specification, CRC Generation: operation-specific flags
 * <linux/idxd.h> lacks.
 */
#define DSA_FLAG_CRC_READ_SEED 0x010000
#define DSA_FLAG_CRC_BYPASS_INVERT \
	0x020000 /* bypass CRC inversion and reflection */
#define DSA_FLAG_CRC_BYPASS_REFLECT 0x040000 /* bypass data reflection */

#define DSA_PAGE 4096u
/* Maximum number of bytes that one step copies. */
#define DSA_CHUNK (16 * DSA_PAGE)

/* maximum number of collected requests; at most IOF_PRI_SINGLES_MAX */
#define DSA_COLLECTED_MAX 32

struct iof_dsa_engine;

enum iof_dsa_phase {
	DSA_PHASE_CHECK,
	DSA_PHASE_RUN,
	DSA_PHASE_RECORD,
};

/* Result of one step of a job. */
enum iof_dsa_step {
	DSA_STEP_AGAIN, /* the phase needs more steps */
	DSA_STEP_DONE,	/* the phase is complete */
	DSA_STEP_FAULT, /* the access failed: see job->fault */
	/* the job waits elsewhere: the engine no longer owns it */
	DSA_STEP_PARKED,
};

/* Why an access failed. */
struct iof_dsa_fault {
	u64 addr; /* the first byte that was not accessed */
	u32 left; /* number of bytes wanted in this step, from @addr on */
	bool write;
	bool may_request; /* a page request may help, and BOF is set */
	/* DSA_COMP_* for the record, if no page is requested */
	u8 status;
};

struct iof_dsa_job {
	struct dsa_hw_desc desc;
	/*
	 * Everything of a job that a responder touches is in this cache line.
	 */
	struct iof_pri_slot pri ____cacheline_aligned_in_smp;
	struct llist_node ready; /* list engine->resumed, or dsa->free[] */
	/*
	 * list dsa->queue, engine->run, engine->delayed, dsa->drains or
	 * dsa->batches
	 */
	struct list_head link;
	/* time in ktime_get_ns(), while the job is on engine->delayed */
	u64 due;
	struct iof_dsa *dsa;
	/* the job resumes on this engine's stack */
	struct iof_dsa_engine *engine;
	/* batch of the job, if the job is a child */
	struct iof_dsa_job *parent;

	u32 generation; /* dsa->generation at acceptance */
	u32 epoch;	/* number of drains submitted before or at acceptance */
	/* 1: in dsa->accepted; setting 0 takes it out */
	atomic_t accepted;
	/* 1: in its epoch's counter; setting 0 takes it out */
	atomic_t counted;

	u8 phase;	/* enum iof_dsa_phase */
	bool requested; /* a request was sent: pri.code is its answer */
	u8 status;	/* DSA_COMP_*, for the completion record */
	u8 result;
	bool backward; /* MEMMOVE works from the end */
	bool seeded;   /* CRC: @crc has the value so far */
	u32 done;      /* bytes done; of a batch, descriptors done */
	u32 crc;       /* CRC so far, in the form of crc32c() */
	u32 invalid_flags;
	/* address at which the operation failed, for the record */
	u64 fault_addr;
	struct iof_dsa_fault fault; /* fault of the last access that failed */

	/* Fields of batches: */
	bool biased;   /* @open counts the batch itself */
	u8 list_error; /* DSA_COMP_*: reading of the list has stopped */
	/* number of running children, and one for the batch itself */
	atomic_t open;
	atomic_t completed; /* number of children that ended */
	atomic_t failed;    /* not 0: a child had a status other than success */
	u32 next;	    /* index of the next descriptor to fetch */
	bool fetched;	    /* desc_next holds that descriptor */
	struct dsa_hw_desc desc_next;
};

struct iof_dsa_engine_stats {
	u64 descriptors, errors, bytes;
};

struct iof_dsa_engine {
	struct iof_dsa *dsa;
	unsigned int index;
	struct task_struct *task;
	struct iof_tlb tlb;
	wait_queue_head_t wq;
	atomic_t sync_wanted, synced; /* see iof_dsa_reset() */
	/*
	 * Stack of resumed jobs: any thread pushes, the engine empties it. On a
	 * cache line of its own, since both write it.
	 */
	struct llist_head resumed ____cacheline_aligned_in_smp;

	/* Only the engine touches these: */
	/* list of struct iof_dsa_job.link */
	struct list_head run ____cacheline_aligned_in_smp;
	/* list of answered jobs, ordered by due */
	struct list_head delayed;
	bool in_read_section;	    /* see iof_dsa_tlb_read_lock() */
	unsigned int section_jobs;  /* number of jobs run in that section */
	u64 spin_ns;		    /* how many ns to spin before sleeping */
	unsigned int spins_in_vain; /* see doze() */
	unsigned int spins_left_out;
	/* number of interrupts put off, and since when, in ns */
	u32 irqs_due;
	u64 irq_since;
	unsigned int irq_looks; /* counts calls of raise_overdue() */
	/*
	 * Page requests of this engine's jobs, sent together while it has other
	 * jobs.
	 */
	struct iof_pri_single collected[DSA_COLLECTED_MAX];
	u32 nr_collected;
	u8 *buf[2]; /* buffers of DSA_PAGE bytes each */
	u8 *fill;   /* DSA_PAGE + 8 bytes of fill_pattern, repeated */
	u64 fill_pattern;
	/* the engine writes them with WRITE_ONCE */
	struct iof_dsa_engine_stats stats;
};

enum {
	DSA_FREE_QUEUE,
	DSA_FREE_CHILD,
	DSA_FREE_KINDS
};

struct iof_dsa {
	struct iof_mdev mdev;
	char name[32];
	u32 queue_depth, nr_engines, pages_per_group;
	u64 delay; /* ns from an answer to the next attempt */
	u32 nr_jobs;
	/* array of nr_jobs entries; see renew_job() */
	struct iof_dsa_job **jobs;
	struct iof_dsa_engine *engines[IOF_DSA_MAX_ENGINES];

	spinlock_t lock;
	struct list_head queue; /* lock; jobs that no engine has taken */
	u32 nr_queued;		/* lock; read without it */
	struct llist_node *spare[DSA_FREE_KINDS]; /* lock; taken off free[] */
	u32 generation;		  /* lock; read without it; number of resets */
	struct list_head drains;  /* lock; drains that wait for older epochs */
	struct list_head batches; /* lock; batches that wait for a free child */
	u32 epoch, oldest;	  /* lock; current, and oldest not empty */

	struct llist_head free[DSA_FREE_KINDS];
	/* number of jobs not ended, at [epoch & epoch_mask] */
	atomic_t *epochs;
	u32 epoch_mask;
	atomic_t accepted;
	/* number of jobs on the two lists above */
	atomic_t nr_drains, nr_batches;
	/*
	 * one bit for each engine; the thread that clears it must wake the
	 * engine
	 */
	unsigned long sleeping;
	wait_queue_head_t reset_wq;
	bool room_wanted; /* a poller on room_wq saw a full portal */
	wait_queue_head_t room_wq;

	spinlock_t irq_lock;
	/* function for interrupts; irq_lock */
	void (*irq_fn)(void *data, u32 nr);
	void *irq_data; /* argument of irq_fn; irq_lock */
	u64 interrupts; /* number of interrupts raised; irq_lock */
	atomic64_t sw_errors;
	u8 last_sw_error;
};

static inline struct iof_dsa_job *iof_dsa_job_of(struct iof_pri_slot *slot)
{
	return container_of(slot, struct iof_dsa_job, pri);
}

/* Was the job accepted before a reset? Then it must have no further effect. */
static inline bool iof_dsa_stale(const struct iof_dsa_job *job)
{
	return job->generation != READ_ONCE(job->dsa->generation);
}

/* Returns @x with its bits in reverse order. */
static inline u32 iof_dsa_reverse32(u32 x)
{
	x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
	x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
	x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
	x = (x >> 8 & 0x00ff00ff) | (x & 0x00ff00ff) << 8;
	return x >> 16 | x << 16;
}

/* ---- dsa_job.c ---- */

/*
 * Pushes a job onto its engine's stack, and wakes the engine. The caller no
 * longer owns the job.
 */
void iof_dsa_resume(struct iof_dsa_job *job);
/*
 * Ends a job: makes room for another, notifies its batch, recycles it. Any
 * thread may call it.
 */
void iof_dsa_end(struct iof_dsa_job *job);
/*
 * Ends a stale job. A batch ends after its children have. Any thread may call
 * it.
 */
void iof_dsa_abandon(struct iof_dsa_job *job);
/*
 * Wakes the portal's pollers, if it may have room now. Called after a full
 * barrier.
 */
static inline void iof_dsa_tell_room(struct iof_dsa *dsa)
{
	if (unlikely(READ_ONCE(dsa->room_wanted)) &&
	    xchg(&dsa->room_wanted, false))
		wake_up_poll(&dsa->room_wq, EPOLLOUT | EPOLLWRNORM);
}
/* Takes the job out of dsa->accepted; harmless if repeated. */
static inline void iof_dsa_leave_queue(struct iof_dsa_job *job)
{
	if (atomic_read(&job->accepted) && atomic_xchg(&job->accepted, 0)) {
		atomic_dec_return(&job->dsa->accepted);
		iof_dsa_tell_room(job->dsa);
	}
}
/*
 * Appends a new job to the queue, for the portal or for the batch @parent.
 * Returns NULL if no job is free.
 */
struct iof_dsa_job *iof_dsa_enqueue(struct iof_dsa *dsa,
				    const struct dsa_hw_desc *desc,
				    struct iof_dsa_job *parent);
void iof_dsa_wake_engines(struct iof_dsa *dsa, unsigned int nr);
void iof_dsa_wake_engine(struct iof_dsa_engine *e);
/*
 * Does iof_dsa_resume() for answered page requests. pri.c calls it, in any
 * thread.
 */
void iof_dsa_resume_many(struct iof_pri_slot *const *slots, u32 nr);
/* Creates the job with @index. NULL: no memory. */
struct iof_dsa_job *iof_dsa_new_job(struct iof_dsa *dsa, u32 index, gfp_t gfp);
/* Advances dsa->oldest past empty epochs. Called with dsa->lock held. */
void iof_dsa_advance_epochs(struct iof_dsa *dsa);
bool iof_dsa_drained(const struct iof_dsa *dsa, const struct iof_dsa_job *job);

/* ---- dsa_engine.c ---- */

int iof_dsa_engine_main(void *engine);

/* ---- dsa_mem.c ---- */

/*
 * Begins an IOTLB read section, unless the engine is in one. Called before each
 * step that accesses memory; translations found after this stay valid. The
 * section lasts until the next step, unless a thread waits for its end, or
 * until iof_dsa_tlb_read_unlock(), which must come before any call that may
 * sleep.
 */
static inline void iof_dsa_tlb_read_lock(struct iof_dsa_engine *e)
{
	if (e->in_read_section) {
		iof_tlb_read_relock(&e->tlb);
	} else {
		iof_tlb_read_lock(&e->tlb);
		e->in_read_section = true;
	}
}

static inline void iof_dsa_tlb_read_unlock(struct iof_dsa_engine *e)
{
	if (e->in_read_section) {
		iof_tlb_read_unlock(&e->tlb);
		e->in_read_section = false;
	}
}

/* The memory behind an address during one step. */
struct iof_dsa_place {
	void *va;		    /* NULL: use mm and addr */
	struct iof_attachment *att; /* set with @va */
	struct mm_struct *mm;
	u64 addr;
	u32 len; /* contiguous bytes from here on */
	bool write;
};

/*
 * Finds the memory at @addr. Called after iof_dsa_tlb_read_lock(). @left:
 * number of bytes still wanted from @addr on. Returns false with job->fault set
 * on failure.
 */
bool iof_dsa_find(struct iof_dsa_engine *e, struct iof_dsa_job *job, u64 addr,
		  u32 left, bool write, struct iof_dsa_place *place);
/*
 * Finds up to IOF_SPAN_PAGES pages from @addr on in a cached table. Returns the
 * number of pieces; each is @place with that piece's va and len. 0: the first
 * page takes iof_dsa_find() or iof_dsa_find_next().
 */
unsigned int iof_dsa_find_pieces(struct iof_dsa_engine *e,
				 struct iof_dsa_job *job, u64 addr, u32 len,
				 bool write, struct iof_dsa_place *place,
				 struct iof_xlate *piece);
/*
 * Finds the bytes behind a place, in the same step. Returns false if they are
 * not found; job->fault is unchanged then.
 */
bool iof_dsa_find_next(struct iof_dsa_engine *e, struct iof_dsa_job *job,
		       const struct iof_dsa_place *place,
		       struct iof_dsa_place *next);
/*
 * Reads bytes of a place, in the same step. Returns false with job->fault set
 * on failure.
 */
bool iof_dsa_get(struct iof_dsa_job *job, const struct iof_dsa_place *from,
		 void *buf, u32 n, u32 left);
bool iof_dsa_put(struct iof_dsa_job *job, const struct iof_dsa_place *to,
		 const void *buf, u32 n, u32 left);
/*
 * Copies between two places: at most a page if the copy needs a buffer. *n in:
 * wanted, out: copied.
 */
bool iof_dsa_copy(struct iof_dsa_engine *e, struct iof_dsa_job *job,
		  const struct iof_dsa_place *to,
		  const struct iof_dsa_place *from, u32 *n, u32 left);
/* Reads a few bytes within one page, in a step of its own. */
bool iof_dsa_read(struct iof_dsa_engine *e, struct iof_dsa_job *job, u64 addr,
		  void *buf, u32 n);

/*
 * Looks up the page that @job requested, and prefetches its memory, which is
 * dirty in the cache of the handler's CPU. Called in a read section for the job
 * that runs next, after its answer has come.
 */
void iof_dsa_warm(struct iof_dsa_engine *e, const struct iof_dsa_job *job);
/*
 * Collects the job's page request, or sends it. Called after DSA_STEP_FAULT.
 * The engine does not own the job afterwards.
 */
void iof_dsa_collect_request(struct iof_dsa_engine *e, struct iof_dsa_job *job);
/*
 * Sends the collected page requests. An engine does so at the latest when it
 * has no other job, when a job takes many steps, and before it acknowledges a
 * reset. Not called in a read section.
 */
void iof_dsa_send_collected(struct iof_dsa_engine *e);
/* Writes the completion record, if the descriptor wants one. */
enum iof_dsa_step iof_dsa_record(struct iof_dsa_engine *e,
				 struct iof_dsa_job *job);
void iof_dsa_sw_error(struct iof_dsa *dsa, u8 status);
/* Counts a record that cannot be written, and fails the job's batch. */
void iof_dsa_lose_record(struct iof_dsa_job *job);

/* ---- dsa_ops.c ---- */

/*
 * Checks the descriptor and prepares the job. Returns DSA_COMP_SUCCESS or the
 * error status.
 */
u8 iof_dsa_check(struct iof_dsa_job *job);
enum iof_dsa_step iof_dsa_run(struct iof_dsa_engine *e,
			      struct iof_dsa_job *job);

/* ---- dsa_batch.c ---- */

enum iof_dsa_step iof_dsa_run_batch(struct iof_dsa_engine *e,
				    struct iof_dsa_job *job);
enum iof_dsa_step iof_dsa_run_drain(struct iof_dsa_job *job);

#endif
