// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * work.c - contracts of work queues: an item never runs twice at the same time, two items do run at
 * the same time, flushing waits, cancelling stops.
 */
#include "tests/contract/contract.h"

struct busy {
	struct work_struct work;
	struct workqueue_struct *wq;
	atomic_t inside, runs, overlaps, bad;
	struct busy *other;
	struct completion begun, go;
};

/* Allocates the item: kernels that track such objects need another call for those on the stack. */
static struct busy *new_busy(work_func_t fn)
{
	struct busy *busy = kzalloc(sizeof(*busy), GFP_KERNEL);

	if (!expect(busy))
		return NULL;
	INIT_WORK(&busy->work, fn);
	init_completion(&busy->begun);
	init_completion(&busy->go);
	return busy;
}

static void run_busy(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	if (atomic_inc_return(&busy->inside) > 1)
		atomic_inc(&busy->bad);
	for (int i = 0; i < 50; i++) {
		if (busy->other && atomic_read(&busy->other->inside))
			atomic_inc(&busy->overlaps);
		yield();
	}
	atomic_inc(&busy->runs);
	atomic_dec(&busy->inside);
}

static void one_item_never_runs_twice_at_once(void)
{
	struct workqueue_struct *wq = alloc_workqueue("contract-busy", WQ_UNBOUND, 0);
	struct busy *busy = new_busy(run_busy);
	unsigned int rounds = contract_rounds(3000);
	int queued = 0;

	require(wq && busy);
	for (unsigned int i = 0; i < rounds; i++) {
		queued += queue_work(wq, &busy->work);
		if (i % 64 == 0)
			yield();
	}
	flush_workqueue(wq);
	expect(queued > 0);
	expect_eq(atomic_read(&busy->bad), 0);
	expect_eq(atomic_read(&busy->runs), queued);
	destroy_workqueue(wq);
	kfree(busy);
}

static void meet(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	/* the item ends only if the other one runs, too */
	complete(&busy->other->go);
	wait_for_completion(&busy->go);
	atomic_inc(&busy->runs);
}

static void two_items_do_run_in_parallel(void)
{
	struct busy *a = new_busy(meet), *b = new_busy(meet);

	require(a && b);
	a->other = b;
	b->other = a;
	expect(queue_work(system_unbound_wq, &a->work));
	expect(queue_work(system_unbound_wq, &b->work));
	flush_work(&a->work);
	flush_work(&b->work);
	expect_eq(atomic_read(&a->runs) + atomic_read(&b->runs), 2);
	kfree(a);
	kfree(b);
}

static void ordered_queues_run_one_at_a_time_in_order(void)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("contract-%d", 0, 7);
	struct busy *a = new_busy(run_busy), *b = new_busy(run_busy);

	require(wq && a && b);
	a->other = b;
	b->other = a;
	for (int i = 0; i < 20; i++) {
		queue_work(wq, &a->work);
		queue_work(wq, &b->work);
	}
	flush_workqueue(wq);
	expect_eq(atomic_read(&a->overlaps) + atomic_read(&b->overlaps), 0);
	destroy_workqueue(wq);
	kfree(a);
	kfree(b);
}

static void free_self(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	atomic_inc(&busy->other->runs);
	kfree(busy);
}

static void a_work_item_may_free_itself(void)
{
	struct workqueue_struct *wq = alloc_workqueue("contract-free", WQ_UNBOUND, 0);
	struct busy *counter = new_busy(free_self);

	require(wq && counter);
	for (int i = 0; i < 100; i++) {
		struct busy *busy = new_busy(free_self);

		require(busy);
		busy->other = counter;
		queue_work(wq, &busy->work);
	}
	/* queued items run first */
	destroy_workqueue(wq);
	expect_eq(atomic_read(&counter->runs), 100);
	kfree(counter);
}

static void stay_until_told(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	complete(&busy->begun);
	wait_for_completion(&busy->go);
	atomic_inc(&busy->runs);
}

static void an_item_that_runs_can_be_queued_again(void)
{
	struct workqueue_struct *wq = alloc_workqueue("contract-again", WQ_UNBOUND, 0);
	struct busy *busy = new_busy(stay_until_told);

	require(wq && busy);
	/* no item waits or runs: there is nothing to wait for or to stop */
	expect(!flush_work(&busy->work));
	expect(!cancel_work_sync(&busy->work));
	expect(queue_work(wq, &busy->work));
	wait_for_completion(&busy->begun);
	expect(!work_pending(&busy->work));
	/* now the item is queued; a second time has no effect */
	expect(queue_work(wq, &busy->work));
	expect(!queue_work(wq, &busy->work));
	expect(work_pending(&busy->work));
	/* cancel removes an item that has not begun, and leaves a running one alone */
	expect(cancel_work(&busy->work));
	expect(!cancel_work(&busy->work));
	expect(!work_pending(&busy->work));
	expect_eq(atomic_read(&busy->runs), 0);
	expect(queue_work(wq, &busy->work));
	complete_all(&busy->go);
	flush_work(&busy->work);
	expect_eq(atomic_read(&busy->runs), 2);
	destroy_workqueue(wq);
	kfree(busy);
}

static void let_go(void *arg)
{
	struct busy *busy = arg;

	complete_all(&busy->go);
}

static void cancelling_waits_for_what_runs(void)
{
	struct workqueue_struct *wq = alloc_workqueue("contract-wait", WQ_UNBOUND, 0);
	struct busy *busy = new_busy(stay_until_told);
	struct contract_thread *thread;

	require(wq && busy);
	expect(queue_work(wq, &busy->work));
	wait_for_completion(&busy->begun);
	expect(queue_work(wq, &busy->work));
	thread = contract_start(let_go, busy);
	/* when this returns, one run is over; the other one is over, too, or never happens */
	cancel_work_sync(&busy->work);
	expect(atomic_read(&busy->runs) >= 1);
	expect(!work_pending(&busy->work));
	contract_join(thread);
	destroy_workqueue(wq);
	kfree(busy);
}

static void again(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	atomic_inc(&busy->runs);
	complete(&busy->begun);
	queue_work(busy->wq, work);
	yield();
}

static void cancelling_stops_an_item_that_queues_itself(void)
{
	struct workqueue_struct *wq = alloc_workqueue("contract-self", WQ_UNBOUND, 0);
	struct busy *busy = new_busy(again);
	int runs;

	require(wq && busy);
	busy->wq = wq;
	queue_work(wq, &busy->work);
	wait_for_completion(&busy->begun);
	cancel_work_sync(&busy->work);
	runs = atomic_read(&busy->runs);
	expect(!work_pending(&busy->work));
	flush_workqueue(wq);
	expect_eq(atomic_read(&busy->runs), runs);
	expect(!cancel_work_sync(&busy->work));
	destroy_workqueue(wq);
	kfree(busy);
}

CONTRACT(work, CASE(one_item_never_runs_twice_at_once), CASE(two_items_do_run_in_parallel),
	 CASE(ordered_queues_run_one_at_a_time_in_order), CASE(a_work_item_may_free_itself),
	 CASE(an_item_that_runs_can_be_queued_again), CASE(cancelling_waits_for_what_runs),
	 CASE(cancelling_stops_an_item_that_queues_itself));
