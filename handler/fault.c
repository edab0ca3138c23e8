// SPDX-License-Identifier: MIT
/*
 * fault.c - resolves a batch of page-request groups.
 *
 * iof_resolve() works on a batch in portions, usually one. A portion takes each group whole or not
 * at all: it looks up each page, gives an absent page a frame in the state LOADING, and holds all
 * frames of the group. When no more groups fit, the thread drops the lock and loads the pages that
 * their sources have at hand: zeros, or what the page cache has. It queues the others for the
 * loader (load.c), which enters them and answers their groups; such a group gets LATER here.
 * iof_pager_populate() and iof_pager_pin() wait for the loader instead. A group gets SUCCESS only
 * if all of its pages were present at the same time.
 *
 * The loop ends. A handler thread waits for loads only when a group does not fit. It waits while
 * any thread holds frames, and answers the decided groups of its batch before. When no thread
 * does, the group can never fit and gets INVALID.
 */
#include <errno.h>
#include <string.h>

#include "pager_private.h"

#define ANSWERS	   64u
#define IOF_INLINE 16u /* prefetched pages that a handler thread copies itself */

/* The result of group_look() and group_take(). */
enum iof_taken {
	IOF_TAKEN,
	IOF_REFUSED,   /* a page of the group is not mapped, or refused */
	IOF_NO_FRAMES, /* the pool has too few free frames now */
	IOF_NOT_NOW,   /* another thread is evicting a page of the group */
};

/* Returns the mapping of a fault and its page, or NULL if the device has no right to that page. */
static struct iof_mapping *fault_page(struct iof_space *space,
				      const struct iommu_hwpt_pgfault *fault, uint64_t *page)
{
	struct iof_mapping *map = iof_mapping_find(space, fault->addr);

	if (!map || map->dying || !map->source || iof_space_refuses(space, fault->addr) ||
	    (fault->perm & IOMMU_PGFAULT_PERM_WRITE && !(map->prot & IOF_PAGER_WRITE)))
		return NULL;
	*page = (fault->addr - map->iova) >> IOF_PAGE_SHIFT;
	return map;
}

/*
 * Is the page program memory, with the requested right? Its entry is always present, so that the
 * fault was raised before the mapping was made: the device may try again.
 */
static bool fault_memory(struct iof_space *space, const struct iommu_hwpt_pgfault *fault)
{
	struct iof_mapping *map = iof_mapping_find(space, fault->addr);

	return map && !map->source && !map->dying &&
	       (!(fault->perm & IOMMU_PGFAULT_PERM_WRITE) || map->prot & IOF_PAGER_WRITE);
}

static struct iof_frame *pte_frame(struct iof_pager *pager, uint64_t pte)
{
	return &pager->frames[((pte & IOF_PTE_ADDR) - pager->pool_iova) >> IOF_PAGE_SHIFT];
}

/*
 * Counts the frames that a group needs; a page named twice counts twice. Returns a reason if the
 * group cannot be taken.
 */
static enum iof_taken group_look(struct iof_pager *pager, struct iof_space *space,
				 const struct iof_fault_group *group, uint64_t *needed)
{
	uint32_t i;

	*needed = 0;
	for (i = 0; i < group->nr_pages; i++) {
		struct iof_mapping *map;
		uint64_t page, pte;

		map = fault_page(space, &group->pages[i], &page);
		if (!map) {
			if (fault_memory(space, &group->pages[i]))
				continue;
			return IOF_REFUSED;
		}
		pte = iof_pte_load(iof_mapping_pte(map, page));
		if (!pte)
			++*needed;
		else if (!(pte & IOF_PTE_PRESENT) &&
			 pte_frame(pager, pte)->state == IOF_FRAME_EVICTING)
			return IOF_NOT_NOW;
	}
	return IOF_TAKEN;
}

/* Holds one page of a group, and gives it a frame if it is absent. */
static void page_take(struct iof_pager *pager, struct iof_work *work, struct iof_mapping *map,
		      uint64_t page, uint32_t group, bool write, unsigned int flags)
{
	uint64_t *entry = iof_mapping_pte(map, page);
	uint64_t pte = iof_pte_load(entry);
	struct iof_frame *frame;

	if (pte) {
		frame = pte_frame(pager, pte);
		iof_frame_hold(pager, frame);
		iof_frame_unmark(frame);
		if (frame->ahead)
			iof_frame_settle_ahead(pager, frame, true);
		if (!(flags & IOF_RESOLVE_QUIET)) {
			pager->stats.present++;
			if (frame->state == IOF_FRAME_LOADING)
				iof_prefetch_note(pager, work, frame, IOF_FOUND_LOADING);
			else if (pte & IOF_PTE_MARK)
				iof_prefetch_note(pager, work, frame, IOF_FOUND_MARKED);
		}
	} else {
		frame = iof_frame_take(pager, map, page, entry);
		iof_frame_hold(pager, frame);
		work->loads[work->nr_loads++] = frame;
		if (!(flags & IOF_RESOLVE_QUIET))
			iof_prefetch_note(pager, work, frame, IOF_FOUND_ABSENT);
	}
	if (frame->state == IOF_FRAME_LOADING)
		frame->write |= write;
	work->items[work->nr_items].frame = frame;
	work->items[work->nr_items++].group = group;
}

/* Takes all pages of a group, or none. May evict, which drops the lock. */
static enum iof_taken group_take(struct iof_pager *pager, struct iof_work *work,
				 const struct iof_fault_group *group, uint32_t index,
				 unsigned int flags)
{
	struct iof_space *space;
	uint64_t needed;
	uint32_t i;

	if (group->nr_pages > work->room - work->nr_items &&
	    (work->nr_items || group->nr_pages > pager->nr_frames ||
	     iof_work_reserve(work, group->nr_pages)))
		return IOF_NO_FRAMES;
	for (;;) {
		enum iof_taken look;

		space = iof_pager_space(pager, group->pasid);
		if (!space)
			return IOF_REFUSED;
		look = group_look(pager, space, group, &needed);
		if (look != IOF_TAKEN)
			return look;
		if (needed <= pager->nr_free)
			break;
		if (flags & IOF_RESOLVE_NO_EVICT ||
		    !iof_evict(pager, work, needed - pager->nr_free))
			return IOF_NO_FRAMES;
	}
	for (i = 0; i < group->nr_pages; i++) {
		const struct iommu_hwpt_pgfault *fault = &group->pages[i];
		struct iof_mapping *map;
		uint64_t page;

		map = fault_page(space, fault, &page);
		if (map)
			page_take(pager, work, map, page, index,
				  fault->perm & IOMMU_PGFAULT_PERM_WRITE &&
					  !(flags & IOF_RESOLVE_QUIET),
				  flags);
	}
	return IOF_TAKEN;
}

/* Loading of pages */

/*
 * Returns how many of @nr neighbouring frames this thread tries to load: a long window of
 * prefetched pages of a file is left to the loader, so that the requested pages are answered first.
 */
static uint32_t inline_pages(struct iof_frame **frames, uint32_t nr)
{
	uint32_t wanted = nr;

	if (frames[0]->map->source->fd < 0)
		return nr;
	while (wanted && frames[wanted - 1]->guess)
		wanted--;
	return nr - wanted <= IOF_INLINE ? nr : wanted;
}

/*
 * Loads the pages that their sources have at hand, and marks the others by err. Called without the
 * lock.
 */
static void load_now(struct iof_pager *pager, struct iof_work *work)
{
	uint64_t start = iof_pager_now();
	uint32_t first, nr, tried, loaded;

	iof_frames_sort(work->loads, work->nr_loads);
	for (first = 0; first < work->nr_loads; first += nr) {
		struct iof_frame **frames = &work->loads[first];

		nr = 1;
		while (first + nr < work->nr_loads && nr < IOF_RUN &&
		       frames[nr]->map == frames[0]->map &&
		       frames[nr]->page == frames[0]->page + nr)
			nr++;
		tried = inline_pages(frames, nr);
		loaded = tried ? iof_frames_now(pager, work->iov, frames, tried) : 0;
		for (; loaded < nr; loaded++)
			frames[loaded]->err = -EINPROGRESS;
	}
	work->stats.load_ns += iof_pager_now() - start;
}

/*
 * Enters the pages that are loaded, and queues the others for the loader. Groups of other batches
 * that can be answered now are put into the list @ready.
 */
static void publish(struct iof_pager *pager, struct iof_work *work, struct iof_waiting **ready)
{
	uint32_t i;

	for (i = 0; i < work->nr_loads; i++) {
		struct iof_frame *frame = work->loads[i];

		if (frame->err) {
			frame->err = 0;
			iof_loader_queue(pager, frame);
		} else {
			iof_frame_publish(pager, frame, ready);
		}
	}
	pager->stats.load_ns += work->stats.load_ns;
	work->stats.load_ns = 0;
	iof_pager_wake(pager);
}

/*
 * Waits for the loads of a portion, from item @first on, sets the responses of its groups, and
 * drops the frames.
 */
static int settle(struct iof_pager *pager, struct iof_work *work, uint32_t first,
		  struct iof_fault_group *groups, unsigned int flags)
{
	int result = 0;
	uint32_t i;

	for (i = first; i < work->nr_items; i++) {
		while (work->items[i].frame->state == IOF_FRAME_LOADING)
			iof_pager_wait(pager);
	}
	for (i = first; i < work->nr_items; i++) {
		struct iof_frame *frame = work->items[i].frame;

		if (frame->state == IOF_FRAME_FAILED) {
			groups[work->items[i].group].response = IOF_INVALID;
			if (!result)
				result = frame->err;
		} else if (flags & IOF_RESOLVE_PIN && !frame->pins++) {
			pager->stats.pinned++;
		}
		iof_frame_drop(pager, frame);
	}
	iof_pager_wake(pager);
	return result;
}

/*
 * As settle(), but a group that waits for a load gets LATER, and the loader answers it. Without
 * memory for such a group, this thread waits.
 */
static int settle_later(struct iof_pager *pager, struct iof_work *work,
			struct iof_fault_group *groups)
{
	uint32_t first, nr, i;

	for (first = 0; first < work->nr_items; first += nr) {
		struct iof_fault_group *group = &groups[work->items[first].group];
		bool loading = false;

		for (nr = 0; first + nr < work->nr_items &&
			     work->items[first + nr].group == work->items[first].group;
		     nr++)
			loading |= work->items[first + nr].frame->state == IOF_FRAME_LOADING;
		if (loading) {
			if (!iof_waiting_add(pager, group->cookie, &work->items[first], nr))
				return settle(pager, work, first, groups, 0);
			group->response = IOF_LATER;
			continue;
		}
		for (i = first; i < first + nr; i++) {
			if (work->items[i].frame->state == IOF_FRAME_FAILED)
				group->response = IOF_INVALID;
			iof_frame_drop(pager, work->items[i].frame);
		}
	}
	iof_pager_wake(pager);
	return 0;
}

/*
 * Responds to the groups that are decided, before this thread does something else that takes long.
 * Returns true if there was one. Called with the lock held; drops it meanwhile.
 */
static bool answer_decided(struct iof_pager *pager, struct iof_fault_group *groups, uint32_t nr)
{
	struct iommu_hwpt_page_response answers[ANSWERS];
	uint32_t filled = 0, i;
	bool any = false;

	for (i = 0; i < nr; i++) {
		if (groups[i].response != IOF_LATER) {
			answers[filled].cookie = groups[i].cookie;
			answers[filled++].code = (uint32_t)groups[i].response;
			groups[i].response = IOF_LATER;
			any = true;
		}
		if (filled == ANSWERS || (filled && i + 1 == nr)) {
			pthread_mutex_unlock(&pager->lock);
			iof_handler_respond_many(pager->handler, answers, filled);
			pthread_mutex_lock(&pager->lock);
			filled = 0;
		}
	}
	return any;
}

/* Loads the pages of work.loads or queues them for the loader; @ready as for publish(). */
static void portion_load(struct iof_pager *pager, struct iof_work *work, struct iof_waiting **ready)
{
	if (!work->nr_loads)
		return;
	pthread_mutex_unlock(&pager->lock);
	load_now(pager, work);
	pthread_mutex_lock(&pager->lock);
	publish(pager, work, ready);
}

/*
 * Evicts pages for the windows that found too few free frames, and loads those windows. The groups
 * of the portion have their responses already.
 */
static void portion_ahead(struct iof_pager *pager, struct iof_work *work)
{
	struct iof_waiting *ready = NULL;

	if (iof_prefetch_evict(pager, work)) {
		work->nr_loads = 0;
		iof_prefetch_take(pager, work);
		portion_load(pager, work, &ready);
		iof_loader_kick(pager);
		iof_waiting_answer(pager, ready);
	}
	iof_prefetch_end(pager, work);
}

/*
 * Loads the pages of a portion or queues them for the loader. The first @done groups are decided.
 * Called with the lock held; drops it meanwhile.
 */
static int portion_end(struct iof_pager *pager, struct iof_work *work,
		       struct iof_fault_group *groups, uint32_t done, unsigned int flags)
{
	struct iof_waiting *ready = NULL;
	int err = 0;

	iof_prefetch_take(pager, work);
	portion_load(pager, work, &ready);
	if (flags & IOF_RESOLVE_LATER)
		err = settle_later(pager, work, groups);
	iof_loader_kick(pager);
	iof_waiting_answer(pager, ready);
	if (!(flags & IOF_RESOLVE_LATER))
		err = settle(pager, work, 0, groups, flags);
	if (work->nr_ahead) {
		if (flags & IOF_RESOLVE_LATER)
			answer_decided(pager, groups, done);
		portion_ahead(pager, work);
		if (flags & IOF_RESOLVE_LATER)
			iof_loader_help(pager);
	}
	return err;
}

/*
 * Reports a group that needs more frames than the budget has. Called with the lock held; drops it
 * meanwhile.
 */
static void group_too_long(struct iof_pager *pager, const struct iof_fault_group *group)
{
	pthread_mutex_unlock(&pager->lock);
	iof_pager_report(pager, -ENOSPC,
			 "a group requests %u pages, which do not fit into the budget now",
			 group->nr_pages);
	pthread_mutex_lock(&pager->lock);
}

/*
 * Makes the pages of all groups present and sets their responses. Returns 0 or the first error. It
 * is the error of a source, or -ENOENT for a page that is refused or not mapped, or -ENOSPC for a
 * group that does not fit. A group with an error gets INVALID. With NO_EVICT, -ENOSPC ends the
 * call, and the groups behind that one stay as they were. -ENOMEM: no response has been set.
 */
int iof_resolve(struct iof_pager *pager, struct iof_fault_group *groups, uint32_t nr,
		unsigned int flags)
{
	struct iof_work *work;
	uint32_t done = 0;
	int result = 0;

	pthread_mutex_lock(&pager->lock);
	work = iof_work_take(pager);
	if (!work) {
		pthread_mutex_unlock(&pager->lock);
		return -ENOMEM;
	}
	if (!(flags & IOF_RESOLVE_QUIET)) {
		uint32_t i;

		pager->stats.groups += nr;
		for (i = 0; i < nr; i++)
			pager->stats.faults += groups[i].nr_pages;
	}
	while (done < nr) {
		enum iof_taken taken = IOF_TAKEN;
		uint64_t released = pager->released;
		uint32_t first = done;
		int err = 0;

		work->nr_items = 0;
		work->nr_loads = 0;
		work->nr_ahead = 0;
		for (; done < nr; done++) {
			taken = group_take(pager, work, &groups[done], done, flags);
			if (taken == IOF_NO_FRAMES || taken == IOF_NOT_NOW)
				break;
			groups[done].response = taken == IOF_TAKEN ? IOF_SUCCESS : IOF_INVALID;
			if (taken == IOF_REFUSED) {
				pager->stats.refused += !(flags & IOF_RESOLVE_QUIET);
				err = -ENOENT;
			}
		}
		if (work->nr_items || done > first) {
			int load_err = portion_end(pager, work, groups, done, flags);

			err = err ? err : load_err;
		} else if (taken == IOF_NOT_NOW ||
			   (pager->held && !(flags & IOF_RESOLVE_NO_EVICT))) {
			/*
			 * The lock was dropped: a frame that was freed meanwhile wakes no thread.
			 */
			if (!(flags & IOF_RESOLVE_LATER && answer_decided(pager, groups, done)) &&
			    (taken == IOF_NOT_NOW || pager->released == released))
				iof_pager_wait(pager);
		} else if (pager->released == released || flags & IOF_RESOLVE_NO_EVICT) {
			groups[done].response = IOF_INVALID;
			err = -ENOSPC;
			if (flags & IOF_RESOLVE_NO_EVICT)
				nr = done;
			else
				group_too_long(pager, &groups[done++]);
		}
		if (err && !result)
			result = err;
	}
	iof_work_give(pager, work);
	pthread_mutex_unlock(&pager->lock);
	return result;
}
