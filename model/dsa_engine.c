// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dsa_engine.c - one engine of the DMA engine: which job it runs next, and for
 * how long.
 *
 * An engine takes several jobs at once onto its run list. It runs one until it
 * is complete, has to wait, or has used its turn. A job whose wait has ended
 * comes back on its engine's stack of resumed jobs, without a lock, and runs
 * first. While the engine has other jobs, it sends the page requests of several
 * jobs together; so cache lines that both the handler's CPU and the engine's
 * write move less often. An idle engine spins for a short time, then sleeps.
 * The time follows the length of the last waits.
 *
 * Completion interrupts are moderated: while the engine has other jobs, it
 * raises those of several jobs together. A waiting program often shares the
 * engine's CPU, so that each interrupt costs two context switches.
 */
#include "dsa_private.h"

/* number of jobs that an engine takes from the queue */
#define TAKE_AT_ONCE 16
#define TURN	     64 /* number of steps of one job before others run */
/* maximum number of jobs that run in one read section */
#define SECTION_JOBS 8
/* number of steps of one job before collected requests are sent */
#define SEND_AFTER  4
#define MAX_SPIN_NS 50000
#define MIN_SPIN_NS 1000
/* maximum number of interrupts raised together, and their maximum delay */
#define IRQS_TOGETHER 256
#define IRQ_DELAY_NS  200000
/* number of jobs or steps between two looks at the clock for that delay */
#define IRQ_LOOKS 8
/* maximum number of sleeps without spinning before */
#define MAX_LEFT_OUT 1023u

/* Raises an interrupt for each completion that asked for one and has none. */
static void raise_interrupts(struct iof_dsa_engine *e)
{
	struct iof_dsa *dsa = e->dsa;

	if (!e->irqs_due)
		return;
	spin_lock(&dsa->irq_lock);
	dsa->interrupts += e->irqs_due;
	if (dsa->irq_fn)
		dsa->irq_fn(dsa->irq_data, e->irqs_due);
	spin_unlock(&dsa->irq_lock);
	e->irqs_due = 0;
}

/* Raises interrupts that were put off long enough. */
static void raise_overdue(struct iof_dsa_engine *e)
{
	if (!e->irqs_due)
		return;
	if (e->irqs_due >= IRQS_TOGETHER ||
	    (!(++e->irq_looks % IRQ_LOOKS) &&
	     ktime_get_ns() - e->irq_since >= IRQ_DELAY_NS))
		raise_interrupts(e);
}

/* Ends a job whose completion record is written, lost, or not wanted. */
static void complete_job(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	WRITE_ONCE(e->stats.descriptors, e->stats.descriptors + 1);
	if (job->status != DSA_COMP_SUCCESS)
		WRITE_ONCE(e->stats.errors, e->stats.errors + 1);
	if ((job->desc.flags & IDXD_OP_FLAG_RCI) && !e->irqs_due++)
		e->irq_since = ktime_get_ns();
	iof_dsa_end(job);
}

/*
 * Ends the operation with an error status. Of a batch, it ends only the reading
 * of the list.
 */
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

/*
 * Takes the answer to the job's page request. Returns false if the page was for
 * the completion record, which is lost then.
 */
static bool take_answer(struct iof_dsa_job *job)
{
	u8 write = job->fault.write ? DSA_COMP_STATUS_WRITE : 0;

	job->requested = false;
	if (job->pri.code == IOF_PAGE_SUCCESS)
		return true;
	if (job->phase == DSA_PHASE_RECORD) {
		iof_dsa_lose_record(job);
		return false;
	}
	fail(job, write | (job->pri.code == IOF_PAGE_INVALID ?
				   DSA_COMP_PAGE_FAULT_IR :
				   DSA_COMP_TRANSLATION_FAIL));
	return true;
}

static void next_phase(struct iof_dsa_job *job)
{
	if (job->phase == DSA_PHASE_CHECK) {
		job->status = iof_dsa_check(job);
		job->phase = job->status == DSA_COMP_SUCCESS ? DSA_PHASE_RUN :
							       DSA_PHASE_RECORD;
	} else {
		job->phase = DSA_PHASE_RECORD;
	}
}

/* Has the first delayed job waited long enough? */
static bool delay_over(const struct iof_dsa_engine *e)
{
	const struct iof_dsa_job *job;

	if (list_empty(&e->delayed))
		return false;
	job = list_first_entry(&e->delayed, struct iof_dsa_job, link);
	return iof_dsa_stale(job) || ktime_get_ns() >= job->due;
}

/*
 * Delays answered jobs; jobs that lacked a credit continue. Delayed jobs that
 * are due run after the newly resumed ones.
 */
static void delay(struct iof_dsa_engine *e, struct list_head *resumed)
{
	struct iof_dsa_job *job, *next;

	list_for_each_entry_safe(job, next, resumed, link) {
		if (!job->requested)
			continue;
		job->due = ktime_get_ns() + e->dsa->delay;
		list_move_tail(&job->link, &e->delayed);
	}
	while (delay_over(e))
		list_move_tail(e->delayed.next, resumed);
}

static void take_resumed(struct iof_dsa_engine *e)
{
	struct llist_node *node;
	LIST_HEAD(resumed);

	if (llist_empty(&e->resumed) && list_empty(&e->delayed))
		return;
	/*
	 * The stack is in reverse order; adding each job at the head restores
	 * it.
	 */
	for (node = llist_del_all(&e->resumed); node;) {
		struct iof_dsa_job *job =
			llist_entry(node, struct iof_dsa_job, ready);

		node = node->next;
		list_add(&job->link, &resumed);
	}
	if (unlikely(e->dsa->delay))
		delay(e, &resumed);
	list_splice(&resumed, &e->run);
}

static void take_queued(struct iof_dsa_engine *e)
{
	struct iof_dsa *dsa = e->dsa;
	unsigned int nr;

	if (!READ_ONCE(dsa->nr_queued))
		return;
	spin_lock(&dsa->lock);
	/* Take a share, and leave the rest for the other engines. */
	nr = clamp_t(u32, dsa->nr_queued / dsa->nr_engines, 1, TAKE_AT_ONCE);
	for (; nr && !list_empty(&dsa->queue); nr--) {
		struct iof_dsa_job *job =
			list_first_entry(&dsa->queue, struct iof_dsa_job, link);

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

/* Runs a job until this engine no longer owns it. */
static void work_on(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	enum iof_dsa_step step;
	int turn;

	if (job->requested && !iof_dsa_stale(job) && !take_answer(job)) {
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
			if (job->fault.may_request) {
				iof_dsa_collect_request(e, job);
				return;
			}
			fail(job, job->fault.status);
			break;
		case DSA_STEP_PARKED:
			return;
		case DSA_STEP_AGAIN:
			raise_overdue(e);
			if (turn == SEND_AFTER && e->nr_collected) {
				iof_dsa_tlb_read_unlock(e);
				iof_dsa_send_collected(e);
			}
			if (turn % 64 == 63) {
				iof_dsa_tlb_read_unlock(e);
				cond_resched();
			}
			break;
		}
	}
}

/*
 * Runs a job. The read section goes on for the next jobs, since to end it and
 * to begin another costs two full barriers.
 */
static void run_job(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	struct iof_dsa_job *next =
		list_first_entry_or_null(&e->run, struct iof_dsa_job, link);

	if (next) {
		prefetch(&next->desc);
		prefetchw(&next->phase);
	}
	if (next && next->requested && next->pri.code == IOF_PAGE_SUCCESS &&
	    !iof_dsa_stale(next)) {
		iof_dsa_tlb_read_lock(e);
		iof_dsa_warm(e, next);
	}
	work_on(e, job);
	if (++e->section_jobs == SECTION_JOBS) {
		iof_dsa_tlb_read_unlock(e);
		e->section_jobs = 0;
	}
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

/*
 * Is there work? Tests only conditions that the engine's loop acts on: with
 * another condition, an engine could find work here and none there, and spin.
 * So the test of the end is kthread_should_stop() and no flag of the device,
 * which stops its engines one after the other.
 */
static bool has_work(const struct iof_dsa_engine *e)
{
	return !llist_empty(&e->resumed) || READ_ONCE(e->dsa->nr_queued) ||
	       must_sync(e) || kthread_should_stop() || delay_over(e);
}

/*
 * Tells iof_dsa_reset() that this engine runs no stale job. Called between
 * jobs.
 */
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

/*
 * Returns the jiffies until the first delayed job is due; the caller checks
 * again then.
 */
static long time_left(const struct iof_dsa_engine *e)
{
	const struct iof_dsa_job *job =
		list_first_entry(&e->delayed, struct iof_dsa_job, link);
	u64 now = ktime_get_ns();

	return job->due > now ? nsecs_to_jiffies(job->due - now) + 1 : 1;
}

/* Spins for at most @ns. Returns true if there is work. */
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
 * Adaptive spinning: spins up to spin_ns before sleeping, since work often
 * comes sooner than a wake-up would take. A producer on this CPU runs only once
 * the engine sleeps. After a spin that failed for that reason, the next sleeps
 * begin without spinning. Their number doubles until spinning succeeds again.
 */
static void doze(struct iof_dsa_engine *e)
{
	u64 start = ktime_get_ns(), asleep = start, now;
	bool spun = !e->spins_left_out;

	if (spun && spin_for_work(e, start, e->spin_ns)) {
		e->spins_in_vain = 0;
		now = ktime_get_ns() - start;
		e->spin_ns = clamp_t(u64, 2 * now, MIN_SPIN_NS, MAX_SPIN_NS);
		return;
	}
	if (spun)
		asleep = ktime_get_ns();
	else
		e->spins_left_out--;
	set_bit(e->index, &e->dsa->sleeping);
	smp_mb__after_atomic(); /* pairs with the barriers of the wakers */
	if (list_empty(&e->delayed))
		wait_event_interruptible(
			e->wq,
			has_work(e) || !test_bit(e->index, &e->dsa->sleeping));
	else
		wait_event_interruptible_timeout(
			e->wq,
			has_work(e) || !test_bit(e->index, &e->dsa->sleeping),
			time_left(e));
	clear_bit(e->index, &e->dsa->sleeping);
	if (!spun)
		return;
	now = ktime_get_ns();
	if (now - asleep < e->spin_ns) {
		e->spins_in_vain = min(2 * e->spins_in_vain + 1, MAX_LEFT_OUT);
		e->spins_left_out = e->spins_in_vain;
	}
	e->spin_ns = now - start > MAX_SPIN_NS ? e->spin_ns / 2 :
						 2 * (now - start);
	e->spin_ns = clamp_t(u64, e->spin_ns, MIN_SPIN_NS, MAX_SPIN_NS);
}

int iof_dsa_engine_main(void *arg)
{
	struct iof_dsa_engine *e = arg;

	while (!kthread_should_stop()) {
		struct iof_dsa_job *job;

		/*
		 * Reschedule between read sections: without preemption, other
		 * threads get the CPU only here. The thread that this one waits
		 * for may be among them.
		 */
		if (!e->in_read_section)
			cond_resched();
		raise_overdue(e);
		if (must_sync(e)) {
			iof_dsa_tlb_read_unlock(e);
			raise_interrupts(e);
			iof_dsa_send_collected(e);
			sync_engine(e);
		}
		job = next_job(e);
		if (job) {
			run_job(e, job);
			continue;
		}
		iof_dsa_tlb_read_unlock(e);
		if (e->nr_collected) {
			iof_dsa_send_collected(e);
		} else {
			raise_interrupts(e);
			doze(e);
		}
	}
	iof_dsa_tlb_read_unlock(e);
	raise_interrupts(e);
	return 0;
}
