// SPDX-License-Identifier: MIT
/*
 * waiting.c - groups that wait for loads in flight, and the frames that become present for them.
 *
 * A waiting group holds the frames of all of its pages, so that none is evicted before the last one
 * is present. It is on the list of each frame that is loading. iof_frame_publish() counts down, and
 * iof_waiting_answer() responds to the groups for which no page is missing any more.
 *
 * All functions here run under pager.lock. Objects that are not in use stay in lists of the pager:
 * once warm, a fault allocates nothing.
 */
#include <stdlib.h>

#include "pager_private.h"

#define ANSWERS 64u

/* Makes sure that there are a group and @holds holds. Returns false without memory. */
static bool waiting_reserve(struct iof_pager *pager, uint32_t holds)
{
	while (pager->nr_idle_holds < holds) {
		struct iof_hold *hold = malloc(sizeof(*hold));

		if (!hold)
			return false;
		hold->next = pager->idle_holds;
		pager->idle_holds = hold;
		pager->nr_idle_holds++;
	}
	if (!pager->idle_waiting) {
		struct iof_waiting *waiting = malloc(sizeof(*waiting));

		if (!waiting)
			return false;
		waiting->next = NULL;
		pager->idle_waiting = waiting;
	}
	return true;
}

/*
 * Lets the group of @cookie wait for those of its frames that are loading. Takes over one hold of
 * each frame. Returns false if there is no memory for it.
 */
bool iof_waiting_add(struct iof_pager *pager, uint32_t cookie, const struct iof_item *items,
		     uint32_t nr)
{
	struct iof_waiting *waiting;
	uint32_t i;

	if (!waiting_reserve(pager, nr))
		return false;
	waiting = pager->idle_waiting;
	pager->idle_waiting = waiting->next;
	waiting->cookie = cookie;
	waiting->missing = 0;
	waiting->failed = false;
	waiting->holds = NULL;
	for (i = 0; i < nr; i++) {
		struct iof_frame *frame = items[i].frame;
		struct iof_hold *hold = pager->idle_holds;

		pager->idle_holds = hold->next;
		pager->nr_idle_holds--;
		hold->frame = frame;
		hold->group = waiting;
		hold->next = waiting->holds;
		waiting->holds = hold;
		if (frame->state == IOF_FRAME_LOADING) {
			hold->next_waiter = frame->waiters;
			frame->waiters = hold;
			waiting->missing++;
		} else if (frame->state == IOF_FRAME_FAILED) {
			waiting->failed = true;
		}
	}
	return true;
}

/*
 * Enters a page whose load has ended with frame.err, and drops the hold of the load. A requested
 * page gets its accessed bit, so that CLOCK spares it for a round. Groups that miss no page any
 * more are put in front of the list @ready.
 */
void iof_frame_publish(struct iof_pager *pager, struct iof_frame *frame, struct iof_waiting **ready)
{
	uint64_t pte = iof_frame_iova(pager, frame) | IOF_PTE_PRESENT | IOF_PTE_USER;
	struct iof_hold *hold = frame->waiters;

	if (frame->err) {
		frame->state = IOF_FRAME_FAILED;
		iof_pte_store(frame->pte, 0);
	} else {
		if (frame->map->prot & IOF_PAGER_WRITE)
			pte |= IOF_PTE_WRITE;
		if (frame->write)
			pte |= IOF_PTE_DIRTY;
		if (frame->ahead) {
			pager->stats.prefetched++;
		} else {
			pte |= IOF_PTE_ACCESSED;
			pager->stats.loaded++;
		}
		/* The device's request for a marked page lets the stream go on in time. */
		if (frame->mark && frame->ahead)
			pte ^= IOF_PTE_PRESENT | IOF_PTE_MARK;
		frame->state = IOF_FRAME_RESIDENT;
		iof_pte_store(frame->pte, pte);
	}
	frame->waiters = NULL;
	for (; hold; hold = hold->next_waiter) {
		struct iof_waiting *waiting = hold->group;

		waiting->failed |= frame->err != 0;
		if (!--waiting->missing) {
			waiting->next = *ready;
			*ready = waiting;
		}
	}
	iof_frame_drop(pager, frame);
}

/* Drops the frames of a group, and keeps its objects for another. */
static void waiting_free(struct iof_pager *pager, struct iof_waiting *waiting)
{
	while (waiting->holds) {
		struct iof_hold *hold = waiting->holds;

		waiting->holds = hold->next;
		iof_frame_drop(pager, hold->frame);
		hold->next = pager->idle_holds;
		pager->idle_holds = hold;
		pager->nr_idle_holds++;
	}
	waiting->next = pager->idle_waiting;
	pager->idle_waiting = waiting;
}

/* Responds to the groups in the list. Called with the lock held; drops it meanwhile. */
void iof_waiting_answer(struct iof_pager *pager, struct iof_waiting *ready)
{
	struct iommu_hwpt_page_response answers[ANSWERS];

	while (ready) {
		uint32_t nr = 0;

		for (; ready && nr < ANSWERS; nr++) {
			struct iof_waiting *next = ready->next;

			answers[nr].cookie = ready->cookie;
			answers[nr].code = ready->failed ? IOF_INVALID : IOF_SUCCESS;
			waiting_free(pager, ready);
			ready = next;
		}
		iof_pager_wake(pager);
		pthread_mutex_unlock(&pager->lock);
		iof_handler_respond_many(pager->handler, answers, nr);
		pthread_mutex_lock(&pager->lock);
	}
}

/* Frees the objects that are not in use. No group waits. */
void iof_waiting_destroy(struct iof_pager *pager)
{
	while (pager->idle_holds) {
		struct iof_hold *hold = pager->idle_holds;

		pager->idle_holds = hold->next;
		free(hold);
	}
	while (pager->idle_waiting) {
		struct iof_waiting *waiting = pager->idle_waiting;

		pager->idle_waiting = waiting->next;
		free(waiting);
	}
}
