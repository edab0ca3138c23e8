// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dsa.c - the DMA engine as a device: reset, counters, creation and
 * destruction.
 *
 * Reset starts a new generation. Jobs of an older one are stale: the thread
 * that owns a stale job ends it at the next opportunity instead of running it.
 * A handshake with each engine ensures that none runs a stale job any more. A
 * stale job that waits for the answer to a page request keeps its slot until
 * the answer comes.
 */
#include "dsa_private.h"

#define CHILD_SLOTS 128 /* number of jobs for children of batches */

/* ---- reset ---- */

/*
 * Starts a new generation: empties the queue, and takes all older jobs out of
 * dsa->accepted and their epochs.
 */
static void begin_generation(struct iof_dsa *dsa)
{
	struct iof_dsa_job *job, *next;
	LIST_HEAD(stale);
	bool starved;
	u32 i;

	spin_lock(&dsa->lock);
	WRITE_ONCE(dsa->generation, dsa->generation + 1);
	list_splice_init(&dsa->queue, &stale);
	WRITE_ONCE(dsa->nr_queued, 0);
	list_splice_tail_init(&dsa->batches, &stale);
	list_splice_tail_init(&dsa->drains, &stale);
	atomic_set(&dsa->nr_batches, 0);
	atomic_set(&dsa->nr_drains, 0);
	for (i = 0; i < dsa->nr_jobs; i++) {
		job = dsa->jobs[i];
		iof_dsa_leave_queue(job);
		if (atomic_xchg(&job->counted, 0))
			atomic_dec_return(
				&dsa->epochs[job->epoch & dsa->epoch_mask]);
	}
	iof_dsa_advance_epochs(dsa);
	spin_unlock(&dsa->lock);

	list_for_each_entry_safe(job, next, &stale, link)
		iof_dsa_abandon(job);
	/*
	 * Abandons the jobs that wait for a credit. A job that is not stale, of
	 * a descriptor submitted since, may be among them: it goes back to its
	 * engine, which requests the page again.
	 */
	for (i = 0; i < dsa->nr_jobs; i++) {
		spin_lock(&dsa->lock);
		job = dsa->jobs[i];
		starved = iof_pri_unstarve(&job->pri);
		spin_unlock(&dsa->lock);
		if (starved)
			iof_dsa_resume(job);
	}
}

void iof_dsa_reset(struct iof_dsa *dsa)
{
	int wanted[IOF_DSA_MAX_ENGINES];
	unsigned int i;

	begin_generation(dsa);
	for (i = 0; i < dsa->nr_engines; i++) {
		wanted[i] = atomic_inc_return(&dsa->engines[i]->sync_wanted);
		iof_dsa_wake_engine(dsa->engines[i]);
	}
	for (i = 0; i < dsa->nr_engines; i++)
		wait_event(dsa->reset_wq,
			   atomic_read_acquire(&dsa->engines[i]->synced) -
					   wanted[i] >=
				   0);
}

void iof_dsa_bus_master(struct iof_dsa *dsa, bool on)
{
	iof_mdev_bus_master(&dsa->mdev, on);
}

int iof_dsa_own(struct iof_dsa *dsa)
{
	unsigned int i;
	int rc;

	for (i = 0; i < dsa->nr_engines; i++) {
		rc = iof_plat_thread_join(dsa->engines[i]->task);
		if (rc) {
			iof_dsa_disown(dsa);
			return rc;
		}
	}
	return 0;
}

void iof_dsa_disown(struct iof_dsa *dsa)
{
	unsigned int i;

	for (i = 0; i < dsa->nr_engines; i++)
		iof_plat_thread_leave(dsa->engines[i]->task);
}

bool iof_dsa_idle(struct iof_dsa *dsa)
{
	bool idle;

	spin_lock(&dsa->lock);
	iof_dsa_advance_epochs(dsa);
	idle = dsa->oldest == dsa->epoch &&
	       !atomic_read_acquire(&dsa->epochs[dsa->epoch & dsa->epoch_mask]);
	spin_unlock(&dsa->lock);
	return idle;
}

void iof_dsa_set_interrupt(struct iof_dsa *dsa, void (*fn)(void *data, u32 nr),
			   void *data)
{
	spin_lock(&dsa->irq_lock);
	dsa->irq_fn = fn;
	dsa->irq_data = data;
	spin_unlock(&dsa->irq_lock);
}

void iof_dsa_get_stats(struct iof_dsa *dsa, struct iof_dsa_stats *stats)
{
	unsigned int i;

	memset(stats, 0, sizeof(*stats));
	for (i = 0; i < dsa->nr_engines; i++) {
		const struct iof_dsa_engine *e = dsa->engines[i];

		stats->descriptors += READ_ONCE(e->stats.descriptors);
		stats->errors += READ_ONCE(e->stats.errors);
		stats->bytes += READ_ONCE(e->stats.bytes);
		stats->tlb_hits += READ_ONCE(e->tlb.hits);
		stats->tlb_misses += READ_ONCE(e->tlb.misses);
	}
	stats->page_requests = atomic64_read(&dsa->mdev.pri.groups);
	stats->stalls = atomic64_read(&dsa->mdev.pri.stalls);
	stats->sw_errors = atomic64_read(&dsa->sw_errors);
	stats->last_sw_error = READ_ONCE(dsa->last_sw_error);
	spin_lock(&dsa->irq_lock);
	stats->interrupts = dsa->interrupts;
	spin_unlock(&dsa->irq_lock);
}

void iof_dsa_get_latency(struct iof_dsa *dsa, struct iof_dsa_latency *latency)
{
	iof_pri_get_latency(&dsa->mdev.pri, latency);
}

struct iof_hwdev *iof_dsa_hwdev(struct iof_dsa *dsa)
{
	return &dsa->mdev.hwdev;
}

/* ---- making and unmaking ---- */

static void free_engine(struct iof_dsa_engine *e)
{
	if (!e)
		return;
	iof_tlb_destroy(&e->tlb);
	kfree(e->buf[0]);
	kfree(e->buf[1]);
	kfree(e->fill);
	kfree(e);
}

static struct iof_dsa_engine *new_engine(struct iof_dsa *dsa,
					 unsigned int index)
{
	struct iof_dsa_engine *e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);

	if (!e)
		return NULL;
	e->dsa = dsa;
	e->index = index;
	init_llist_head(&e->resumed);
	INIT_LIST_HEAD(&e->delayed);
	init_waitqueue_head(&e->wq);
	atomic_set(&e->sync_wanted, 0);
	atomic_set(&e->synced, 0);
	INIT_LIST_HEAD(&e->run);
	e->buf[0] = kmalloc(DSA_PAGE, GFP_KERNEL_ACCOUNT);
	e->buf[1] = kmalloc(DSA_PAGE, GFP_KERNEL_ACCOUNT);
	e->fill = kzalloc(DSA_PAGE + 8, GFP_KERNEL_ACCOUNT);
	if (iof_tlb_init(&e->tlb, &dsa->mdev) || !e->buf[0] || !e->buf[1] ||
	    !e->fill) {
		free_engine(e);
		return NULL;
	}
	return e;
}

/*
 * Frees the members of the device that exist. Its threads do not run, and the
 * core does not know the device.
 */
static void free_dsa(struct iof_dsa *dsa)
{
	unsigned int i;

	for (i = 0; i < dsa->nr_engines; i++)
		free_engine(dsa->engines[i]);
	iof_pri_destroy(&dsa->mdev.pri);
	iof_mdev_destroy(&dsa->mdev);
	for (i = 0; dsa->jobs && i < dsa->nr_jobs; i++)
		kfree(dsa->jobs[i]);
	kvfree(dsa->jobs);
	kvfree(dsa->epochs);
	kfree(dsa);
}

static void stop_engines(struct iof_dsa *dsa)
{
	unsigned int i;

	for (i = 0; i < dsa->nr_engines; i++) {
		struct iof_dsa_engine *e = dsa->engines[i];

		if (e && e->task)
			kthread_stop(e->task);
	}
}

static int start_engines(struct iof_dsa *dsa)
{
	unsigned int i;

	for (i = 0; i < dsa->nr_engines; i++) {
		struct iof_dsa_engine *e = dsa->engines[i];
		struct task_struct *task;

		task = kthread_run(iof_dsa_engine_main, e, "%s/%u", dsa->name,
				   i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		e->task = task;
	}
	return 0;
}

static int make_jobs(struct iof_dsa *dsa)
{
	u32 queued = dsa->queue_depth + dsa->nr_engines, epochs, i;

	/* An engine may still own a job that has left the queue. */
	dsa->nr_jobs = queued + CHILD_SLOTS;
	dsa->jobs =
		kvcalloc(dsa->nr_jobs, sizeof(*dsa->jobs), GFP_KERNEL_ACCOUNT);
	/*
	 * One epoch for each drain that can wait, the one before the first, and
	 * a spare. Refused drains may use up more: has_epoch().
	 */
	epochs = roundup_pow_of_two(dsa->nr_jobs + 2);
	dsa->epochs =
		kvcalloc(epochs, sizeof(*dsa->epochs), GFP_KERNEL_ACCOUNT);
	dsa->epoch_mask = epochs - 1;
	if (!dsa->jobs || !dsa->epochs)
		return -ENOMEM;
	for (i = 0; i < dsa->nr_jobs; i++) {
		struct iof_dsa_job *job =
			iof_dsa_new_job(dsa, i, GFP_KERNEL_ACCOUNT);

		if (!job)
			return -ENOMEM;
		llist_add(&job->ready, &dsa->free[i < queued ? DSA_FREE_QUEUE :
							       DSA_FREE_CHILD]);
	}
	return 0;
}

static bool pick(u32 *out, u32 given, u32 standard, u32 most)
{
	*out = given ? given : standard;
	return *out <= most;
}

struct iof_dsa *iof_dsa_create(const struct iof_dsa_setup *config,
			       struct iof_hwdev *group_with)
{
	struct iof_dsa *dsa = kzalloc(sizeof(*dsa), GFP_KERNEL_ACCOUNT);
	struct iof_hwdev *hwdev;
	unsigned int i;
	int rc;

	if (!dsa)
		return ERR_PTR(-ENOMEM);
	hwdev = &dsa->mdev.hwdev;
	iof_mdev_init(&dsa->mdev);
	if (config->no_iommu)
		hwdev->ops = &iof_model_no_iommu_ops;
	strscpy(dsa->name, config->name, sizeof(dsa->name));
	hwdev->name = dsa->name;
	rc = -EINVAL;
	if (!pick(&hwdev->credits, config->credits, 256, IOF_DSA_MAX_CREDITS) ||
	    !pick(&hwdev->max_pasids, config->max_pasids, IOF_DSA_MAX_PASIDS,
		  IOF_DSA_MAX_PASIDS) ||
	    !pick(&dsa->queue_depth, config->queue_depth, 128,
		  IOF_DSA_MAX_QUEUE) ||
	    !pick(&dsa->pages_per_group, config->pages_per_group, 1,
		  IOF_DSA_MAX_GROUP) ||
	    !pick(&i, config->engines, 1, IOF_DSA_MAX_ENGINES))
		goto err_free;
	dsa->nr_engines = i;
	dsa->delay = config->delay_us * (u64)NSEC_PER_USEC;

	spin_lock_init(&dsa->lock);
	spin_lock_init(&dsa->irq_lock);
	INIT_LIST_HEAD(&dsa->queue);
	INIT_LIST_HEAD(&dsa->drains);
	INIT_LIST_HEAD(&dsa->batches);
	init_llist_head(&dsa->free[DSA_FREE_QUEUE]);
	init_llist_head(&dsa->free[DSA_FREE_CHILD]);
	init_waitqueue_head(&dsa->reset_wq);
	init_waitqueue_head(&dsa->room_wq);

	rc = iof_pri_init(&dsa->mdev.pri, hwdev,
			  dsa->queue_depth + dsa->nr_engines + CHILD_SLOTS,
			  iof_dsa_resume_many);
	if (rc)
		goto err_free;
	rc = make_jobs(dsa);
	if (rc)
		goto err_free;
	rc = -ENOMEM;
	for (i = 0; i < dsa->nr_engines; i++) {
		dsa->engines[i] = new_engine(dsa, i);
		if (!dsa->engines[i])
			goto err_free;
		dsa->mdev.tlbs[i] = &dsa->engines[i]->tlb;
	}
	dsa->mdev.nr_tlbs = dsa->nr_engines;
	rc = start_engines(dsa);
	if (rc)
		goto err_stop;
	rc = iof_hwdev_register(hwdev, group_with);
	if (rc)
		goto err_stop;
	return dsa;

err_stop:
	stop_engines(dsa);
err_free:
	free_dsa(dsa);
	return ERR_PTR(rc);
}

void iof_dsa_destroy(struct iof_dsa *dsa)
{
	iof_dsa_set_interrupt(dsa, NULL, NULL);
	iof_dsa_reset(dsa);
	/*
	 * Nothing is attached, so that each group has had its answer. A second
	 * reset frees the jobs whose answers came late.
	 */
	iof_hwdev_unregister(&dsa->mdev.hwdev);
	iof_dsa_reset(dsa);
	stop_engines(dsa);
	free_dsa(dsa);
}
