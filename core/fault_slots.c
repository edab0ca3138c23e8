// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fault_slots.c - makes room for open groups: grows the cookie table of a fault
 * queue ahead of need.
 *
 * Each open group, queued or delivered, has a slot of the table to itself, so
 * that reading neither allocates nor runs out. The first attachment makes
 * IOF_FIRST_SLOTS. When three quarters of the slots are in use, a work item
 * doubles the table. A reporting thread that is faster than the work item
 * doubles the table itself. The process that allocated the queue is charged in
 * each case.
 *
 * Rules: growing allocates under queue->grow_lock and links in under
 * queue->lock. The table never shrinks. A thread that grows it without an
 * attachment holds a reference to the queue's memory (queue->ref).
 */
#include "fault_queue_private.h"

/* Slots that the first attachment makes. */
#define IOF_FIRST_SLOTS 256u

static struct workqueue_struct *grow_wq;

int iof_fault_slots_start(void)
{
	grow_wq = alloc_workqueue("iof_slots", WQ_UNBOUND, 0);
	return grow_wq ? 0 : -ENOMEM;
}

void iof_fault_slots_stop(void)
{
	destroy_workqueue(grow_wq);
}

/* Makes at least @slots slots. Under grow_lock. */
static int grow_to(struct iof_fault_queue *queue, u32 slots)
{
	u32 bits = iof_cookie_bits(slots);
	struct iof_cookie_growth growth;
	struct iof_plat_payer *before;
	int rc;

	lockdep_assert_held(&queue->grow_lock);
	if (bits > IOF_COOKIE_MAX_BITS)
		return -ENOMEM;
	before = iof_plat_charge_to(queue->payer);
	rc = iof_cookie_growth_alloc(&growth, &queue->cookies, bits);
	iof_plat_charge_to(before);
	spin_lock(&queue->lock);
	if (!rc) {
		iof_cookie_grow(&queue->cookies, &growth,
				(u32)queue->nr_delivered);
		queue->nr_slots = iof_cookie_slots(&queue->cookies);
	}
	/* After a failure, the reporter that finds no slot tries again. */
	queue->grow_from = queue->nr_slots - (rc ? 0 : queue->nr_slots / 4);
	spin_unlock(&queue->lock);
	return rc;
}

static void grow_work(struct work_struct *work)
{
	struct iof_fault_queue *queue =
		container_of(work, struct iof_fault_queue, grow_work);

	u32 slots;

	mutex_lock(&queue->grow_lock);
	spin_lock(&queue->lock);
	slots = queue->nr_slots;
	/* A reporter may have grown the table meanwhile. */
	if (nr_open_groups(queue) > slots - slots / 4)
		slots *= 2;
	spin_unlock(&queue->lock);
	(void)grow_to(queue, slots);
	mutex_unlock(&queue->grow_lock);
}

static void free_queue(struct kref *ref)
{
	struct iof_fault_queue *queue =
		container_of(ref, struct iof_fault_queue, ref);

	iof_cookies_free(&queue->cookies);
	iof_plat_payer_put(queue->payer);
	mutex_destroy(&queue->grow_lock);
	kfree(queue);
}

void iof_fault_slots_init(struct iof_fault_queue *queue)
{
	kref_init(&queue->ref);
	mutex_init(&queue->grow_lock);
	INIT_WORK(&queue->grow_work, grow_work);
	queue->payer = iof_plat_payer_get();
}

void iof_fault_slots_exit(struct iof_fault_queue *queue)
{
	cancel_work_sync(&queue->grow_work);
	kref_put(&queue->ref, free_queue);
}

int iof_fault_slots_first(struct iof_fault_queue *queue)
{
	lockdep_assert_held(&queue->grow_lock);
	return grow_to(queue, IOF_FIRST_SLOTS);
}

void iof_fault_slots_ahead(struct iof_fault_queue *queue)
{
	lockdep_assert_held(&queue->lock);
	/* Not again before the work item has run. */
	queue->grow_from = U32_MAX;
	queue_work(grow_wq, &queue->grow_work);
}

void iof_fault_slots_hold(struct iof_fault_queue *queue)
{
	kref_get(&queue->ref);
}

int iof_fault_slots_grow(struct iof_fault_queue *queue, u32 nr)
{
	u32 nr_open;
	int rc;

	mutex_lock(&queue->grow_lock);
	spin_lock(&queue->lock);
	nr_open = nr_open_groups(queue);
	spin_unlock(&queue->lock);
	/* Enough if another thread grew the table meanwhile. */
	rc = grow_to(queue, nr_open + nr);
	mutex_unlock(&queue->grow_lock);
	kref_put(&queue->ref, free_queue);
	return rc;
}
