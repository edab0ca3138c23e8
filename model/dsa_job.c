// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dsa_job.c - the life of a job: submission, the queue, the end of a job, and
 * which jobs and engines it wakes.
 *
 * A submission takes a free job, copies the descriptor into it and appends it
 * to the queue; engines (dsa_engine.c) take it from there. iof_dsa_end() makes
 * room for the next submission, resumes the drains and the batch that wait for
 * the job, and pushes the job onto a stack of free jobs.
 */
#include "dsa_private.h"

/* ---- waking ---- */

void iof_dsa_wake_engines(struct iof_dsa *dsa, unsigned int nr)
{
	unsigned long mask;

	/* orders the work before the read of sleeping; pairs with doze() */
	smp_mb();
	while (nr && (mask = READ_ONCE(dsa->sleeping))) {
		unsigned int i = __ffs(mask);

		if (test_and_clear_bit(i, &dsa->sleeping)) {
			wake_up(&dsa->engines[i]->wq);
			nr--;
		}
	}
}

void iof_dsa_wake_engine(struct iof_dsa_engine *e)
{
	/*
	 * Orders the stores of the work before the read; pairs with the barrier
	 * in doze().
	 */
	smp_mb();
	if (test_bit(e->index, &e->dsa->sleeping) &&
	    test_and_clear_bit(e->index, &e->dsa->sleeping))
		wake_up(&e->wq);
}

void iof_dsa_resume(struct iof_dsa_job *job)
{
	struct iof_dsa_engine *e = job->engine;

	llist_add(&job->ready, &e->resumed);
	iof_dsa_wake_engine(e);
}

/* Pushes the jobs of one engine together, and wakes it once. */
void iof_dsa_resume_many(struct iof_pri_slot *const *slots, u32 nr)
{
	u32 i = 0;

	while (i < nr) {
		struct iof_dsa_job *last = iof_dsa_job_of(slots[i]),
				   *job = last;
		struct iof_dsa_engine *e = last->engine;

		/*
		 * The engine pops from the top: so the first job becomes the
		 * last of the chain.
		 */
		while (++i < nr && iof_dsa_job_of(slots[i])->engine == e) {
			struct iof_dsa_job *next = iof_dsa_job_of(slots[i]);

			next->ready.next = &job->ready;
			job = next;
		}
		llist_add_batch(&job->ready, &last->ready, &e->resumed);
		iof_dsa_wake_engine(e);
	}
}

/* ---- drains and batches that wait for jobs ---- */

void iof_dsa_advance_epochs(struct iof_dsa *dsa)
{
	lockdep_assert_held(&dsa->lock);
	while (dsa->oldest != dsa->epoch &&
	       !atomic_read_acquire(
		       &dsa->epochs[dsa->oldest & dsa->epoch_mask]))
		dsa->oldest++;
}

bool iof_dsa_drained(const struct iof_dsa *dsa, const struct iof_dsa_job *job)
{
	return (s32)(dsa->oldest - job->epoch) >= 0;
}

/* Resumes the drains that wait for an epoch that became empty. */
static void feed_drains(struct iof_dsa *dsa)
{
	struct iof_dsa_job *job, *next;
	LIST_HEAD(ready);

	spin_lock(&dsa->lock);
	iof_dsa_advance_epochs(dsa);
	list_for_each_entry_safe(job, next, &dsa->drains, link) {
		if (!iof_dsa_drained(dsa, job))
			continue;
		list_move_tail(&job->link, &ready);
		atomic_dec(&dsa->nr_drains);
	}
	spin_unlock(&dsa->lock);
	list_for_each_entry_safe(job, next, &ready, link)
		iof_dsa_resume(job);
}

/* Resumes a batch that waits for a free child job. */
static void feed_batches(struct iof_dsa *dsa)
{
	struct iof_dsa_job *job;

	spin_lock(&dsa->lock);
	job = list_first_entry_or_null(&dsa->batches, struct iof_dsa_job, link);
	if (job) {
		list_del(&job->link);
		atomic_dec(&dsa->nr_batches);
	}
	spin_unlock(&dsa->lock);
	if (job)
		iof_dsa_resume(job);
}

/* Notes that a child of @batch has ended. */
static void child_done(struct iof_dsa_job *batch, bool success)
{
	if (!success)
		atomic_set(&batch->failed, 1);
	atomic_inc(&batch->completed);
	if (atomic_dec_and_test(&batch->open))
		iof_dsa_resume(batch);
}

/* ---- the life of a job ---- */

static struct iof_dsa_job *take_spare(struct iof_dsa *dsa, int kind)
{
	struct llist_node *node = dsa->spare[kind];

	lockdep_assert_held(&dsa->lock);
	if (!node)
		node = llist_del_all(&dsa->free[kind]);
	if (!node)
		return NULL;
	WRITE_ONCE(dsa->spare[kind], node->next);
	return llist_entry(node, struct iof_dsa_job, ready);
}

static struct iof_dsa_job *enqueue_locked(struct iof_dsa *dsa,
					  const struct dsa_hw_desc *desc,
					  struct iof_dsa_job *parent)
{
	struct iof_dsa_job *job =
		take_spare(dsa, parent ? DSA_FREE_CHILD : DSA_FREE_QUEUE);

	lockdep_assert_held(&dsa->lock);
	if (!job)
		return NULL;
	job->desc = *desc;
	job->parent = parent;
	job->engine = NULL;
	job->phase = DSA_PHASE_CHECK;
	job->requested = false;
	job->status = DSA_COMP_SUCCESS;
	job->result = 0;
	job->backward = false;
	job->seeded = false;
	job->done = 0;
	job->invalid_flags = 0;
	job->biased = false;
	job->list_error = 0;
	job->next = 0;
	job->fetched = false;
	atomic_set(&job->open, 0);
	atomic_set(&job->completed, 0);
	atomic_set(&job->failed, 0);
	/* A child of a stale batch is stale. */
	job->generation = parent ? parent->generation : dsa->generation;
	if (!parent) {
		if (desc->opcode == DSA_OPCODE_DRAIN) {
			iof_dsa_advance_epochs(dsa);
			dsa->epoch++;
		}
		job->epoch = dsa->epoch;
		atomic_inc(&dsa->epochs[job->epoch & dsa->epoch_mask]);
		atomic_set(&job->counted, 1);
		atomic_inc(&dsa->accepted);
		atomic_set(&job->accepted, 1);
	}
	list_add_tail(&job->link, &dsa->queue);
	WRITE_ONCE(dsa->nr_queued, dsa->nr_queued + 1);
	return job;
}

struct iof_dsa_job *iof_dsa_enqueue(struct iof_dsa *dsa,
				    const struct dsa_hw_desc *desc,
				    struct iof_dsa_job *parent)
{
	struct iof_dsa_job *job;

	spin_lock(&dsa->lock);
	job = enqueue_locked(dsa, desc, parent);
	spin_unlock(&dsa->lock);
	return job;
}

/*
 * Can another drain open an epoch? A drain that is refused for a bad field ends
 * before older jobs do, so that queue_depth does not bound the epochs between
 * the oldest job and the newest drain. Two epochs that are not empty must not
 * share a counter.
 */
static bool has_epoch(struct iof_dsa *dsa)
{
	lockdep_assert_held(&dsa->lock);
	if (dsa->epoch - dsa->oldest < dsa->epoch_mask)
		return true;
	iof_dsa_advance_epochs(dsa);
	return dsa->epoch - dsa->oldest < dsa->epoch_mask;
}

int iof_dsa_submit_many(struct iof_dsa *dsa, const struct dsa_hw_desc *desc,
			unsigned int nr)
{
	unsigned int i;

	spin_lock(&dsa->lock);
	for (i = 0; i < nr; i++) {
		if (atomic_read(&dsa->accepted) >= (int)dsa->queue_depth)
			break;
		if (desc[i].opcode == DSA_OPCODE_DRAIN && !has_epoch(dsa))
			break;
		if (!enqueue_locked(dsa, &desc[i], NULL))
			break;
	}
	spin_unlock(&dsa->lock);
	if (!i)
		return nr ? -EAGAIN : 0;
	iof_dsa_wake_engines(dsa, i);
	return i;
}

int iof_dsa_submit(struct iof_dsa *dsa, const struct dsa_hw_desc *desc)
{
	int rc = iof_dsa_submit_many(dsa, desc, 1);

	return rc < 0 ? rc : 0;
}

static bool has_room(struct iof_dsa *dsa)
{
	bool room;

	if (atomic_read(&dsa->accepted) >= (int)dsa->queue_depth ||
	    (!READ_ONCE(dsa->spare[DSA_FREE_QUEUE]) &&
	     llist_empty(&dsa->free[DSA_FREE_QUEUE])))
		return false;
	spin_lock(&dsa->lock);
	room = has_epoch(dsa);
	spin_unlock(&dsa->lock);
	return room;
}

bool iof_dsa_poll_room(struct iof_dsa *dsa, struct file *file, poll_table *wait)
{
	poll_wait(file, &dsa->room_wq, wait);
	if (has_room(dsa))
		return true;
	/* iof_dsa_tell_room() sees the flag after this. */
	xchg(&dsa->room_wanted, true);
	return has_room(dsa);
}

/* Takes the job out of its epoch; harmless if repeated. */
static void leave_epoch(struct iof_dsa_job *job)
{
	struct iof_dsa *dsa = job->dsa;

	if (!atomic_xchg(&job->counted, 0))
		return;
	if (atomic_dec_and_test(&dsa->epochs[job->epoch & dsa->epoch_mask]) &&
	    atomic_read(&dsa->nr_drains))
		feed_drains(dsa);
}

struct iof_dsa_job *iof_dsa_new_job(struct iof_dsa *dsa, u32 index, gfp_t gfp)
{
	/* Objects whose size is a power of two are aligned to it. */
	struct iof_dsa_job *job =
		kzalloc(roundup_pow_of_two(sizeof(*job)), gfp);

	if (!job)
		return NULL;
	job->dsa = dsa;
	dsa->jobs[index] = job;
	iof_pri_add_slot(&dsa->mdev.pri, index, &job->pri);
	return job;
}

/*
 * Recycles a finished job. In a build that checks for uses of freed memory,
 * frees the job; a new one takes its slot, if there is memory for one.
 */
static struct iof_dsa_job *renew_job(struct iof_dsa_job *job)
{
	struct iof_dsa *dsa = job->dsa;
	struct iof_dsa_job *fresh;

	if (!kasan_enabled())
		return job;
	/* Excludes begin_generation(), which walks dsa->jobs. */
	spin_lock(&dsa->lock);
	fresh = iof_dsa_new_job(dsa, job->pri.index,
				GFP_NOWAIT | __GFP_ACCOUNT);
	spin_unlock(&dsa->lock);
	if (!fresh)
		return job;
	kfree(job);
	return fresh;
}

void iof_dsa_end(struct iof_dsa_job *job)
{
	struct iof_dsa *dsa = job->dsa;
	struct iof_dsa_job *parent = job->parent;
	bool success = job->status == DSA_COMP_SUCCESS;

	iof_pri_give_back(&job->pri, 0);
	if (!parent) {
		iof_dsa_leave_queue(job);
		leave_epoch(job);
		job = renew_job(job);
		llist_add(&job->ready, &dsa->free[DSA_FREE_QUEUE]);
		iof_dsa_tell_room(dsa);
		return;
	}
	job = renew_job(job);
	llist_add(&job->ready, &dsa->free[DSA_FREE_CHILD]);
	if (atomic_read(&dsa->nr_batches))
		feed_batches(dsa);
	child_done(parent, success);
}

void iof_dsa_abandon(struct iof_dsa_job *job)
{
	if (job->biased) {
		job->biased = false;
		if (!atomic_dec_and_test(&job->open))
			return; /* the last child resumes it */
	}
	iof_dsa_end(job);
}
