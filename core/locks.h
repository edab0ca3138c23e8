/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * locks.h - the order of the core's locks, and what every long loop under them does.
 *
 * Lock order, outermost first; a lock may be taken while holding only locks above it:
 *
 *   iof_group.lock            mutex     bind, attach, replace, detach of one isolation group
 *   iof_access.lock           mutex     attach, replace, detach of an in-kernel user
 *   iof_map.access_lock       mutex     who has access to an IOAS; held while they let pages go
 *   iof_access.ioas_rwsem     rwsem     read: pin, unpin, copy; write: another IOAS takes its place
 *   iof_ioas.hwpts_lock       mutex     the automatic HWPTs of an IOAS
 *   iof_hwpt.dirty_lock       mutex     dirty tracking: set, and read out
 *   iof_map.domains_rwsem     rwsem     read: map/unmap/copy; write: domains come and go, options
 *   iof_map.iova_rwsem        rwsem     the trees of areas, allowed and reserved ranges
 *   iof_pages.lock            mutex     pin counts of one piece of user memory
 *   iof_fault_queue.grow_lock mutex     credits and attachments of one fault queue
 *   SVA users                 mutex     who has SVA attachments (sva.c); destroying a work queue
 *   iof_group.fault_lock      spinlock  which attachment a fault goes to; partial groups; the free
 *                                       fault records of its devices
 *   iof_fault_queue.lock      spinlock  inbox, cookies, open lists of attachments with this queue
 *   SVA user's lock           spinlock  groups and workers of his SVA attachments (sva.c)
 *   iof_hwdev_core.pool_lock  spinlock  free page records of one device
 *   iof_ctx.objects xa_lock   spinlock  the id table
 *
 * No lock is held across a copy from or to user memory, nor while user memory comes in to be
 * pinned: either may take as long as another program likes. Under the spinlocks nothing allocates
 * or sleeps, and nothing walks what has no small bound, with one exception: a switch of an
 * attachment walks its unfinished groups under its isolation group's fault_lock.
 */
#ifndef IOF_CORE_LOCKS_H
#define IOF_CORE_LOCKS_H

#include "kapi.h"

/*
 * Between two steps of a loop whose length a user decides, in a call that can fail: reschedules.
 * -EINTR: the thread was killed, and the call is to undo what it has done.
 */
static inline int iof_resched(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

#endif
