// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dsa_batch.c - the two operations that wait for other jobs: BATCH and DRAIN.
 *
 * A batch reads its descriptors one after the other and queues them as jobs of
 * their own, so that several engines run them and several may wait for pages.
 * It is complete when all of them have ended. Its count of open children
 * includes one for itself while it runs (bias). So exactly one of two finds
 * zero and continues: the batch that wants to wait, or the last child. A fence
 * waits for the children before it, and ends the batch there if one of them
 * failed. Statuses: BATCH_FAIL if a child's was not SUCCESS or its record was
 * lost, BATCH_PAGE_FAULT if the list could not be read; bytes_completed is the
 * number of children that ended.
 *
 * The record of a batch says that all its children are complete, and nothing
 * about other batches. Batches share the child jobs and the engines, also with
 * a single engine. A batch submitted later may complete first, by a long time
 * if an engine's thread has to wait for a CPU. A program that resets the device
 * after the last batch therefore needs a DRAIN, or the records of all batches.
 *
 * A drain waits for all jobs accepted before it. Each accepted job is counted
 * in the current epoch. A drain opens a new epoch with itself as the first job,
 * and is complete when all older epochs are empty.
 */
#include "dsa_private.h"

/*
 * Waits for the children. Returns true if the job is parked; the last child
 * then resumes it.
 */
static bool wait_for_children(struct iof_dsa_job *job)
{
	job->biased = false;
	if (!atomic_dec_and_test(&job->open))
		return true;
	job->biased = true;
	atomic_set(&job->open, 1);
	return false;
}

/*
 * Waits for a free child job. Returns true if the batch is parked until there
 * is one.
 */
static bool wait_for_room(struct iof_dsa_job *job)
{
	struct iof_dsa *dsa = job->dsa;
	bool wait;

	spin_lock(&dsa->lock);
	/*
	 * A full barrier between the count and the read of free: pairs with
	 * iof_dsa_end().
	 */
	atomic_inc_return(&dsa->nr_batches);
	wait = !dsa->spare[DSA_FREE_CHILD] &&
	       llist_empty(&dsa->free[DSA_FREE_CHILD]) && !iof_dsa_stale(job);
	if (wait)
		list_add_tail(&job->link, &dsa->batches);
	else
		atomic_dec(&dsa->nr_batches);
	spin_unlock(&dsa->lock);
	return wait;
}

/*
 * Reads the next descriptor of the list into job->desc_next. Returns false,
 * with job->fault or list_error set, on failure.
 */
static bool fetch(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	u64 addr = job->desc.desc_list_addr +
		   (u64)job->next * sizeof(job->desc_next);

	BUILD_BUG_ON(sizeof(job->desc_next) != 64);
	if (job->fetched)
		return true;
	if (!iof_dsa_read(e, job, addr, &job->desc_next,
			  sizeof(job->desc_next))) {
		if (!job->fault.may_request) {
			job->list_error = DSA_COMP_BATCH_PAGE_FAULT;
			job->fault_addr = job->fault.addr;
		}
		return false;
	}
	/* DSA 3.8: a child has the batch's PASID and privilege. */
	job->desc_next.pasid = job->desc.pasid;
	job->desc_next.priv = job->desc.priv;
	job->fetched = true;
	return true;
}

static enum iof_dsa_step end_batch(struct iof_dsa_job *job)
{
	job->done = atomic_read(&job->completed);
	if (job->list_error)
		job->status = job->list_error;
	else if (atomic_read(&job->failed))
		job->status = DSA_COMP_BATCH_FAIL;
	return DSA_STEP_DONE;
}

enum iof_dsa_step iof_dsa_run_batch(struct iof_dsa_engine *e,
				    struct iof_dsa_job *job)
{
	bool last;

	if (!job->biased) {
		/*
		 * First run, or the last child has resumed the batch: count the
		 * batch itself again.
		 */
		job->biased = true;
		atomic_inc(&job->open);
	}
	last = job->list_error || job->next == job->desc.desc_count;
	if (!last && !fetch(e, job))
		return job->list_error ? DSA_STEP_AGAIN : DSA_STEP_FAULT;

	if (last || (job->desc_next.flags & IDXD_OP_FLAG_FENCE)) {
		if (atomic_read(&job->open) > 1 && wait_for_children(job))
			return DSA_STEP_PARKED;
		/* The last child's decrement of the count orders this read. */
		if (last || atomic_read(&job->failed))
			return end_batch(job);
	}

	/* Count the child before it can end. */
	atomic_inc(&job->open);
	if (iof_dsa_enqueue(job->dsa, &job->desc_next, job)) {
		job->next++;
		job->fetched = false;
		iof_dsa_wake_engines(job->dsa, 1);
		return DSA_STEP_AGAIN;
	}
	atomic_dec(&job->open);
	if (atomic_read(&job->open) > 1)
		return wait_for_children(job) ? DSA_STEP_PARKED :
						DSA_STEP_AGAIN;
	return wait_for_room(job) ? DSA_STEP_PARKED : DSA_STEP_AGAIN;
}

/* ---- drains ---- */

enum iof_dsa_step iof_dsa_run_drain(struct iof_dsa_job *job)
{
	struct iof_dsa *dsa = job->dsa;
	bool wait;

	spin_lock(&dsa->lock);
	/*
	 * A full barrier between this and the read of the epochs: pairs with
	 * iof_dsa_end().
	 */
	atomic_inc_return(&dsa->nr_drains);
	iof_dsa_advance_epochs(dsa);
	wait = !iof_dsa_drained(dsa, job) && !iof_dsa_stale(job);
	if (wait)
		list_add_tail(&job->link, &dsa->drains);
	else
		atomic_dec(&dsa->nr_drains);
	spin_unlock(&dsa->lock);
	return wait ? DSA_STEP_PARKED : DSA_STEP_DONE;
}
