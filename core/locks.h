/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * locks.h - the order of the core's locks, and the step of long loops.
 *
 * Lock order, outermost first. A lock may be taken while holding only locks
 * above it:
 *
 *   iof_group.lock            mutex     bind, attach, replace, detach of one
 *                                       isolation group
 *   iof_access.lock           mutex     attach, replace, detach of an
 *                                       in-kernel access
 *   iof_map.access_lock       mutex     accesses of an IOAS; held while they
 *                                       unpin
 *   iof_access.ioas_rwsem     rwsem     read: pin, unpin, copy; write: change
 *                                       of the IOAS
 *   iof_ioas.hwpts_lock       mutex     automatic HWPTs of an IOAS
 *   iof_hwpt.dirty_lock       mutex     dirty tracking: set, and read out
 *   iof_map.domains_rwsem     rwsem     read: map, unmap, copy; write: domains,
 *                                       options
 *   iof_map.iova_rwsem        rwsem     trees of areas, allowed and reserved
 *                                       ranges
 *   iof_pages.lock            mutex     pin counts of one piece of user memory
 *   iof_fault_queue.grow_lock mutex     slots and attachments of one fault
 *                                       queue
 *   SVA users                 mutex     users with SVA attachments (sva.c)
 *   iof_group.fault_lock      spinlock  routing of faults; partial groups; free
 *                                       records
 *   iof_fault_queue.lock      spinlock  inbox, cookies, open lists of
 *                                       attachments
 *   SVA user's lock           spinlock  groups and workers of a user (sva.c)
 *   iof_hwdev_core.pool_lock  spinlock  free page records of one device
 *   iof_ctx.objects xa_lock   spinlock  the id table
 *
 * No lock is held across a copy from or to user memory, nor while user memory
 * comes in to be pinned: either may take as long as another program likes. The
 * exception is an access (access.c), which pins under its ioas_rwsem; only mock
 * devices have one. Under the spinlocks nothing allocates or sleeps. Loops
 * under them have a small bound, with one exception: a switch of an attachment
 * walks its unfinished groups under its isolation group's fault_lock.
 */
#ifndef IOF_CORE_LOCKS_H
#define IOF_CORE_LOCKS_H

#include "kapi.h"

/*
 * The step of a loop whose number of rounds a user controls, in a call that can
 * fail: reschedules. -EINTR: the thread was killed, and the caller undoes its
 * work.
 */
static inline int iof_resched(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

#endif
