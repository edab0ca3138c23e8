// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dsa.c - the DMA engine: its queue, its engines, and the life of a job.
 *
 * The portal takes a free job, copies the descriptor into it and appends it to the queue. An
 * engine takes several jobs at once onto its run list and works on one until it is done, waits
 * for something, or has had its turn. What a job waited for puts it onto its engine's stack of
 * resumed jobs, without a lock; those come first. Page requests of several jobs are sent together,
 * while there is other work: so what the handler's processor and the engine's both write changes
 * hands less often. An engine without work looks for some a little while, then sleeps; the while
 * follows how long the last waits took.
 *
 * Reset starts a new epoch. Jobs of an older one are stale: whoever holds one ends it at the next
 * opportunity instead of working on it, and a round through all engines sees to it that none
 * works on one any more. A stale job that waits for the answer to a page request keeps its slot
 * until that comes.
 */
#include "dsa_private.h"

#define TAKE_AT_ONCE	16	/* jobs an engine takes from the queue */
#define TURN		64	/* pieces of work before others get theirs */
#define SEND_AFTER	4	/* pieces of one job for which collected page requests wait */
#define MAX_SPIN_NS	50000
#define MIN_SPIN_NS	1000
#define MAX_LEFT_OUT	1023u	/* sleeps without spinning before them */
#define CHILD_SLOTS	128	/* jobs for children of batches */

/* ---- waking ---- */

void iof_dsa_wake_engines(struct iof_dsa *dsa, unsigned int nr)
{
	unsigned long mask;

	smp_mb();	/* the work before the look at who sleeps; pairs with doze() */
	while (nr && (mask = READ_ONCE(dsa->sleeping))) {
		unsigned int i = __ffs(mask);

		if (test_and_clear_bit(i, &dsa->sleeping)) {
			wake_up(&dsa->engines[i]->wq);
			nr--;
		}
	}
}

static void wake_engine(struct iof_dsa_engine *e)
{
	smp_mb();
	if (test_bit(e->index, &e->dsa->sleeping) &&
	    test_and_clear_bit(e->index, &e->dsa->sleeping))
		wake_up(&e->wq);
}

void iof_dsa_resume(struct iof_dsa_job *job)
{
	struct iof_dsa_engine *e = job->engine;

	llist_add(&job->ready, &e->resumed);
	wake_engine(e);
}

static void pri_resume(struct iof_pri_slot *slot)
{
	iof_dsa_resume(iof_dsa_job_of(slot));
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

static struct iof_dsa_job *enqueue_locked(struct iof_dsa *dsa, const struct dsa_hw_desc *desc,
				      struct iof_dsa_job *parent)
{
	struct iof_dsa_job *job = take_spare(dsa, parent ? DSA_FREE_CHILD : DSA_FREE_QUEUE);

	lockdep_assert_held(&dsa->lock);
	if (!job)
		return NULL;
	job->desc = *desc;
	job->parent = parent;
	job->engine = NULL;
	job->phase = DSA_PHASE_CHECK;
	job->asked = false;
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
	job->epoch = parent ? parent->epoch : dsa->epoch;
	if (!parent) {
		if (desc->opcode == DSA_OPCODE_DRAIN) {
			iof_dsa_advance_groups(dsa);
			dsa->group++;
		}
		job->group = dsa->group;
		atomic_inc(&dsa->groups[job->group & dsa->group_mask]);
		atomic_set(&job->counted, 1);
		atomic_inc(&dsa->accepted);
		atomic_set(&job->accepted, 1);
	}
	list_add_tail(&job->link, &dsa->queue);
	WRITE_ONCE(dsa->nr_queued, dsa->nr_queued + 1);
	return job;
}

struct iof_dsa_job *iof_dsa_enqueue(struct iof_dsa *dsa, const struct dsa_hw_desc *desc,
			    struct iof_dsa_job *parent)
{
	struct iof_dsa_job *job;

	spin_lock(&dsa->lock);
	job = enqueue_locked(dsa, desc, parent);
	spin_unlock(&dsa->lock);
	return job;
}

int iof_dsa_submit_many(struct iof_dsa *dsa, const struct dsa_hw_desc *desc, unsigned int nr)
{
	unsigned int i;

	spin_lock(&dsa->lock);
	for (i = 0; i < nr; i++) {
		if (atomic_read(&dsa->accepted) >= (int)dsa->queue_depth ||
		    !enqueue_locked(dsa, &desc[i], NULL))
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
	return atomic_read(&dsa->accepted) < (int)dsa->queue_depth &&
	       (READ_ONCE(dsa->spare[DSA_FREE_QUEUE]) || !llist_empty(&dsa->free[DSA_FREE_QUEUE]));
}

bool iof_dsa_poll_room(struct iof_dsa *dsa, struct file *file, poll_table *wait)
{
	poll_wait(file, &dsa->room_wq, wait);
	if (has_room(dsa))
		return true;
	/* Whoever makes room after this look sees that it is wanted. */
	xchg(&dsa->room_wanted, true);
	return has_room(dsa);
}

/* The job no longer holds up drains; harmless if repeated. */
static void leave_group(struct iof_dsa_job *job)
{
	struct iof_dsa *dsa = job->dsa;

	if (!atomic_xchg(&job->counted, 0))
		return;
	if (atomic_dec_and_test(&dsa->groups[job->group & dsa->group_mask]) &&
	    atomic_read(&dsa->nr_drains))
		iof_dsa_feed_drains(dsa);
}

void iof_dsa_end(struct iof_dsa_job *job)
{
	struct iof_dsa *dsa = job->dsa;
	struct iof_dsa_job *parent = job->parent;
	bool success = job->status == DSA_COMP_SUCCESS;

	iof_pri_give_back(&job->pri, 0);
	if (!parent) {
		iof_dsa_leave_queue(job);
		leave_group(job);
		llist_add(&job->ready, &dsa->free[DSA_FREE_QUEUE]);
		iof_dsa_tell_room(dsa);
		return;
	}
	llist_add(&job->ready, &dsa->free[DSA_FREE_CHILD]);
	if (atomic_read(&dsa->nr_batches))
		iof_dsa_feed_batches(dsa);
	iof_dsa_child_done(parent, success);
}

void iof_dsa_abandon(struct iof_dsa_job *job)
{
	if (job->biased) {
		job->biased = false;
		if (!atomic_dec_and_test(&job->open))
			return;	/* the last child resumes it */
	}
	iof_dsa_end(job);
}

static void interrupt(struct iof_dsa *dsa)
{
	spin_lock(&dsa->irq_lock);
	dsa->interrupts++;
	if (dsa->irq_fn)
		dsa->irq_fn(dsa->irq_data);
	spin_unlock(&dsa->irq_lock);
}

/* The completion record is written, or cannot be, or is not wanted. */
static void complete_job(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	WRITE_ONCE(e->stats.descriptors, e->stats.descriptors + 1);
	if (job->status != DSA_COMP_SUCCESS)
		WRITE_ONCE(e->stats.errors, e->stats.errors + 1);
	if (job->desc.flags & IDXD_OP_FLAG_RCI)
		interrupt(job->dsa);
	iof_dsa_end(job);
}

/* The operation is over with a bad status; of a batch, only the reading of its list. */
static void fail(struct iof_dsa_job *job, u8 status)
{
	job->fault_addr = job->fault.addr;
	if (job->biased) {
		job->list_error = DSA_COMP_BATCH_PAGE_FAULT;
		return;
	}
	job->status = status;
	job->result = job->backward;
	job->phase = DSA_PHASE_RECORD;
}

/* A page request was answered. False: it was about the completion record, which is then lost. */
static bool take_answer(struct iof_dsa_job *job)
{
	u8 write = job->fault.write ? DSA_COMP_STATUS_WRITE : 0;

	job->asked = false;
	if (job->pri.code == IOF_PAGE_SUCCESS)
		return true;
	if (job->phase == DSA_PHASE_RECORD) {
		iof_dsa_sw_error(job->dsa, DSA_COMP_CRA_XLAT);
		return false;
	}
	fail(job, write | (job->pri.code == IOF_PAGE_INVALID ? DSA_COMP_PAGE_FAULT_IR
							     : DSA_COMP_TRANSLATION_FAIL));
	return true;
}

static void next_phase(struct iof_dsa_job *job)
{
	if (job->phase == DSA_PHASE_CHECK) {
		job->status = iof_dsa_check(job);
		job->phase = job->status == DSA_COMP_SUCCESS ? DSA_PHASE_RUN : DSA_PHASE_RECORD;
	} else {
		job->phase = DSA_PHASE_RECORD;
	}
}

static void take_resumed(struct iof_dsa_engine *e)
{
	struct llist_node *node;
	LIST_HEAD(resumed);

	if (llist_empty(&e->resumed))
		return;
	/* The stack's last is the first: adding each at the head turns them round. */
	for (node = llist_del_all(&e->resumed); node;) {
		struct iof_dsa_job *job = llist_entry(node, struct iof_dsa_job, ready);

		node = node->next;
		list_add(&job->link, &resumed);
	}
	list_splice(&resumed, &e->run);
}

static void take_queued(struct iof_dsa_engine *e)
{
	struct iof_dsa *dsa = e->dsa;
	unsigned int nr;

	if (!READ_ONCE(dsa->nr_queued))
		return;
	spin_lock(&dsa->lock);
	/* Some for the other engines too. */
	nr = clamp_t(u32, dsa->nr_queued / dsa->nr_engines, 1, TAKE_AT_ONCE);
	for (; nr && !list_empty(&dsa->queue); nr--) {
		struct iof_dsa_job *job = list_first_entry(&dsa->queue, struct iof_dsa_job, link);

		job->engine = e;
		list_move_tail(&job->link, &e->run);
		WRITE_ONCE(dsa->nr_queued, dsa->nr_queued - 1);
	}
	spin_unlock(&dsa->lock);
}

static bool others_wait(const struct iof_dsa_engine *e)
{
	return !list_empty(&e->run) || !llist_empty(&e->resumed) ||
	       READ_ONCE(e->dsa->nr_queued);
}

/* Works on a job until it is not this engine's any more. */
static void work_on(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	enum iof_dsa_step step;
	int turn;

	if (job->asked && !iof_dsa_stale(job) && !take_answer(job)) {
		complete_job(e, job);
		return;
	}
	for (turn = 0;; turn++) {
		if (unlikely(iof_dsa_stale(job))) {
			iof_dsa_abandon(job);
			return;
		}
		if (turn >= TURN && others_wait(e)) {
			take_queued(e);
			list_add_tail(&job->link, &e->run);
			return;
		}
		switch (job->phase) {
		case DSA_PHASE_CHECK:
			next_phase(job);
			continue;
		case DSA_PHASE_RUN:
			step = iof_dsa_run(e, job);
			break;
		default:
			step = iof_dsa_record(e, job);
			if (step == DSA_STEP_DONE) {
				complete_job(e, job);
				return;
			}
		}
		switch (step) {
		case DSA_STEP_DONE:
			next_phase(job);
			break;
		case DSA_STEP_FAULT:
			if (job->fault.ask) {
				iof_dsa_ask(e, job);
				return;
			}
			fail(job, job->fault.status);
			break;
		case DSA_STEP_PARKED:
			return;
		case DSA_STEP_AGAIN:
			if (turn == SEND_AFTER && e->nr_asking) {
				iof_dsa_let_go(e);
				iof_dsa_send_asked(e);
			}
			if (turn % 64 == 63) {
				iof_dsa_let_go(e);
				cond_resched();
			}
			break;
		}
	}
}

static void run_job(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	struct iof_dsa_job *next = list_first_entry_or_null(&e->run, struct iof_dsa_job, link);

	if (next && next->asked && next->pri.code == IOF_PAGE_SUCCESS && !iof_dsa_stale(next)) {
		iof_dsa_touch(e);
		iof_dsa_warm(e, next);
	}
	work_on(e, job);
	iof_dsa_let_go(e);
}

/* ---- engines ---- */

static struct iof_dsa_job *next_job(struct iof_dsa_engine *e)
{
	struct iof_dsa_job *job;

	take_resumed(e);
	if (list_empty(&e->run))
		take_queued(e);
	job = list_first_entry_or_null(&e->run, struct iof_dsa_job, link);
	if (job)
		list_del(&job->link);
	return job;
}

static bool must_sync(const struct iof_dsa_engine *e)
{
	return atomic_read(&e->sync_wanted) != atomic_read(&e->synced);
}

static bool has_work(const struct iof_dsa_engine *e)
{
	return !llist_empty(&e->resumed) || READ_ONCE(e->dsa->nr_queued) || must_sync(e) ||
	       READ_ONCE(e->dsa->stopping);
}

/* Between jobs: whoever waits in iof_dsa_reset() learns that no old job is worked on here. */
static void sync_engine(struct iof_dsa_engine *e)
{
	int wanted = atomic_read_acquire(&e->sync_wanted);
	struct iof_dsa_job *job, *next;
	LIST_HEAD(stale);

	take_resumed(e);
	list_for_each_entry_safe(job, next, &e->run, link)
		if (iof_dsa_stale(job))
			list_move_tail(&job->link, &stale);
	list_for_each_entry_safe(job, next, &stale, link)
		iof_dsa_abandon(job);
	atomic_set_release(&e->synced, wanted);
	wake_up_all(&e->dsa->reset_wq);
}

/* Looks for work for at most @ns. */
static bool spin_for_work(struct iof_dsa_engine *e, u64 start, u64 ns)
{
	int i;

	for (i = 1;; i++) {
		if (has_work(e))
			return true;
		cpu_relax();
		if (!(i % 32)) {
			cond_resched();
			if (ktime_get_ns() - start >= ns)
				return false;
		}
	}
}

/*
 * For a while, work is likely to come sooner than a wake-up would take, unless whoever makes it
 * shares the processor with us: then it comes as soon as we sleep. Where spinning was in vain for
 * that reason it is left out, ever longer until it helps again.
 */
static void doze(struct iof_dsa_engine *e)
{
	u64 start = ktime_get_ns(), asleep = start, now;
	bool spun = !e->spins_left_out;

	if (!spun) {
		e->spins_left_out--;
	} else if (spin_for_work(e, start, e->spin_ns)) {
		e->spins_in_vain = 0;
		now = ktime_get_ns() - start;
		e->spin_ns = clamp_t(u64, 2 * now, MIN_SPIN_NS, MAX_SPIN_NS);
		return;
	} else {
		asleep = ktime_get_ns();
	}
	set_bit(e->index, &e->dsa->sleeping);
	smp_mb__after_atomic();		/* pairs with the barriers of those who wake */
	wait_event_interruptible(e->wq, has_work(e) || !test_bit(e->index, &e->dsa->sleeping));
	clear_bit(e->index, &e->dsa->sleeping);
	if (!spun)
		return;
	now = ktime_get_ns();
	if (now - asleep < e->spin_ns) {
		e->spins_in_vain = min(2 * e->spins_in_vain + 1, MAX_LEFT_OUT);
		e->spins_left_out = e->spins_in_vain;
	}
	e->spin_ns = now - start > MAX_SPIN_NS ? e->spin_ns / 2 : 2 * (now - start);
	e->spin_ns = clamp_t(u64, e->spin_ns, MIN_SPIN_NS, MAX_SPIN_NS);
}

static int engine_main(void *arg)
{
	struct iof_dsa_engine *e = arg;

	while (!kthread_should_stop()) {
		struct iof_dsa_job *job;

		if (must_sync(e)) {
			iof_dsa_send_asked(e);
			sync_engine(e);
		}
		if (e->nr_asking && !others_wait(e))
			iof_dsa_send_asked(e);
		job = next_job(e);
		if (job)
			run_job(e, job);
		else
			doze(e);
	}
	return 0;
}

/* ---- reset ---- */

/* A new epoch: nothing queued is left, and nothing old fills the queue or holds up a drain. */
static void begin_epoch(struct iof_dsa *dsa)
{
	struct iof_dsa_job *job, *next;
	LIST_HEAD(stale);
	u32 i;

	spin_lock(&dsa->lock);
	WRITE_ONCE(dsa->epoch, dsa->epoch + 1);
	list_splice_init(&dsa->queue, &stale);
	WRITE_ONCE(dsa->nr_queued, 0);
	list_splice_tail_init(&dsa->batches, &stale);
	list_splice_tail_init(&dsa->drains, &stale);
	atomic_set(&dsa->nr_batches, 0);
	atomic_set(&dsa->nr_drains, 0);
	for (i = 0; i < dsa->nr_jobs; i++) {
		job = &dsa->jobs[i];
		iof_dsa_leave_queue(job);
		if (atomic_xchg(&job->counted, 0))
			atomic_dec_return(&dsa->groups[job->group & dsa->group_mask]);
	}
	iof_dsa_advance_groups(dsa);
	spin_unlock(&dsa->lock);

	list_for_each_entry_safe(job, next, &stale, link)
		iof_dsa_abandon(job);
	/*
	 * Those in line for a credit. A slot whose job is not stale can be in line already, for a
	 * descriptor submitted meanwhile: it goes back to its engine, which asks again.
	 */
	for (i = 0; i < dsa->nr_jobs; i++)
		if (iof_pri_unstarve(&dsa->jobs[i].pri))
			iof_dsa_resume(&dsa->jobs[i]);
}

void iof_dsa_reset(struct iof_dsa *dsa)
{
	int wanted[IOF_DSA_MAX_ENGINES];
	unsigned int i;

	begin_epoch(dsa);
	for (i = 0; i < dsa->nr_engines; i++) {
		wanted[i] = atomic_inc_return(&dsa->engines[i]->sync_wanted);
		wake_engine(dsa->engines[i]);
	}
	for (i = 0; i < dsa->nr_engines; i++)
		wait_event(dsa->reset_wq,
			   atomic_read_acquire(&dsa->engines[i]->synced) - wanted[i] >= 0);
}

bool iof_dsa_idle(struct iof_dsa *dsa)
{
	bool idle;

	spin_lock(&dsa->lock);
	iof_dsa_advance_groups(dsa);
	idle = dsa->oldest == dsa->group &&
	       !atomic_read_acquire(&dsa->groups[dsa->group & dsa->group_mask]);
	spin_unlock(&dsa->lock);
	return idle;
}

void iof_dsa_set_interrupt(struct iof_dsa *dsa, void (*fn)(void *data), void *data)
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

static struct iof_dsa_engine *new_engine(struct iof_dsa *dsa, unsigned int index)
{
	struct iof_dsa_engine *e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);

	if (!e)
		return NULL;
	e->dsa = dsa;
	e->index = index;
	e->spin_ns = MIN_SPIN_NS;
	init_llist_head(&e->resumed);
	init_waitqueue_head(&e->wq);
	atomic_set(&e->sync_wanted, 0);
	atomic_set(&e->synced, 0);
	INIT_LIST_HEAD(&e->run);
	e->buf[0] = kmalloc(DSA_PAGE, GFP_KERNEL_ACCOUNT);
	e->buf[1] = kmalloc(DSA_PAGE, GFP_KERNEL_ACCOUNT);
	e->fill = kzalloc(DSA_PAGE + 8, GFP_KERNEL_ACCOUNT);
	if (iof_tlb_init(&e->tlb, &dsa->mdev) || !e->buf[0] || !e->buf[1] || !e->fill) {
		free_engine(e);
		return NULL;
	}
	return e;
}

/* What has been made so far; threads are not running, the device is not known to the core. */
static void free_dsa(struct iof_dsa *dsa)
{
	unsigned int i;

	for (i = 0; i < dsa->nr_engines; i++)
		free_engine(dsa->engines[i]);
	iof_pri_destroy(&dsa->mdev.pri);
	iof_mdev_destroy(&dsa->mdev);
	kvfree(dsa->jobs);
	kvfree(dsa->groups);
	kfree(dsa);
}

static void stop_engines(struct iof_dsa *dsa)
{
	unsigned int i;

	WRITE_ONCE(dsa->stopping, true);
	for (i = 0; i < dsa->nr_engines; i++) {
		struct iof_dsa_engine *e = dsa->engines[i];

		if (!e || !e->task)
			continue;
		wake_up_all(&e->wq);
		kthread_stop(e->task);
	}
}

static int start_engines(struct iof_dsa *dsa)
{
	unsigned int i;

	for (i = 0; i < dsa->nr_engines; i++) {
		struct iof_dsa_engine *e = dsa->engines[i];
		struct task_struct *task = kthread_run(engine_main, e, "%s/%u", dsa->name, i);

		if (IS_ERR(task))
			return PTR_ERR(task);
		e->task = task;
	}
	return 0;
}

static int make_jobs(struct iof_dsa *dsa)
{
	u32 queued = dsa->queue_depth + dsa->nr_engines, groups, i;

	/* An engine may still hold a job that has left the queue already. */
	dsa->nr_jobs = queued + CHILD_SLOTS;
	dsa->jobs = kvcalloc(dsa->nr_jobs, sizeof(*dsa->jobs), GFP_KERNEL_ACCOUNT);
	/* As many groups as drains can be open, the one before the first, and one to spare. */
	groups = roundup_pow_of_two(dsa->nr_jobs + 2);
	dsa->groups = kvcalloc(groups, sizeof(*dsa->groups), GFP_KERNEL_ACCOUNT);
	dsa->group_mask = groups - 1;
	if (!dsa->jobs || !dsa->groups)
		return -ENOMEM;
	for (i = 0; i < dsa->nr_jobs; i++) {
		struct iof_dsa_job *job = &dsa->jobs[i];

		job->dsa = dsa;
		iof_pri_add_slot(&dsa->mdev.pri, i, &job->pri);
		llist_add(&job->ready, &dsa->free[i < queued ? DSA_FREE_QUEUE : DSA_FREE_CHILD]);
	}
	return 0;
}

static bool pick(u32 *out, u32 given, u32 standard, u32 most)
{
	*out = given ? given : standard;
	return *out <= most;
}

struct iof_dsa *iof_dsa_create(const struct iof_dsa_config *config, struct iof_hwdev *group_with)
{
	struct iof_dsa *dsa = kzalloc(sizeof(*dsa), GFP_KERNEL_ACCOUNT);
	struct iof_hwdev *hwdev;
	unsigned int i;
	int rc;

	if (!dsa)
		return ERR_PTR(-ENOMEM);
	hwdev = &dsa->mdev.hwdev;
	iof_mdev_init(&dsa->mdev);
	strscpy(dsa->name, config->name, sizeof(dsa->name));
	hwdev->name = dsa->name;
	rc = -EINVAL;
	if (!pick(&hwdev->credits, config->credits, 256, IOF_DSA_MAX_CREDITS) ||
	    !pick(&hwdev->max_pasids, config->max_pasids, IOF_DSA_MAX_PASIDS,
		  IOF_DSA_MAX_PASIDS) ||
	    !pick(&dsa->queue_depth, config->queue_depth, 128, IOF_DSA_MAX_QUEUE) ||
	    !pick(&dsa->pages_per_group, config->pages_per_group, 1, IOF_DSA_MAX_GROUP) ||
	    !pick(&i, config->engines, 1, IOF_DSA_MAX_ENGINES))
		goto err_free;
	dsa->nr_engines = i;

	spin_lock_init(&dsa->lock);
	spin_lock_init(&dsa->irq_lock);
	INIT_LIST_HEAD(&dsa->queue);
	INIT_LIST_HEAD(&dsa->drains);
	INIT_LIST_HEAD(&dsa->batches);
	init_llist_head(&dsa->free[DSA_FREE_QUEUE]);
	init_llist_head(&dsa->free[DSA_FREE_CHILD]);
	init_waitqueue_head(&dsa->reset_wq);
	init_waitqueue_head(&dsa->room_wq);

	rc = iof_pri_init(&dsa->mdev.pri, hwdev, dsa->queue_depth + dsa->nr_engines + CHILD_SLOTS,
			  pri_resume);
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
	/* Nothing is attached, so everything is answered; what came back late is taken now. */
	iof_hwdev_unregister(&dsa->mdev.hwdev);
	iof_dsa_reset(dsa);
	stop_engines(dsa);
	free_dsa(dsa);
}
