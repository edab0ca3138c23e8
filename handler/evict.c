// SPDX-License-Identifier: MIT
/*
 * evict.c - evicts pages, and writes pages back that stay.
 *
 * The order of eviction loses no data. The thread that chose the page makes its entry not present,
 * under the lock. Then the invalidation removes cached translations and ends DMA in flight. Only
 * then the thread reads the dirty bit, writes the page to its source, and frees the frame. One
 * invalidation serves all pages of a space that are evicted together. One call of a source writes
 * neighbouring pages.
 *
 * A page that cannot be written back is entered again, as dirty as it was. The error is reported
 * once. CLOCK skips such a page while it finds others.
 *
 * A fault that needs frames does not wait for write-backs: iof_evict() frees clean pages at once
 * and queues dirty ones for the loader's threads, many at a time. Operations on a range write back
 * themselves.
 *
 * The lock is dropped during invalidations and calls of sources. Frames are in the state EVICTING
 * then, or held.
 */
#include <errno.h>
#include <string.h>

#include "pager_private.h"

/* Invalidates all @entries by one ioctl, which returns when no DMA uses the old translations. */
int iof_invalidate(struct iof_pager *pager, uint32_t hwpt_id,
		   struct iommu_hwpt_vtd_s1_invalidate *entries, uint32_t nr)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt_id,
		.data_uptr = (uintptr_t)entries,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		.entry_len = sizeof(*entries),
		.entry_num = nr,
	};
	int ret;

	do {
		ret = iof_ioctl(pager->iommufd, IOMMU_HWPT_INVALIDATE, &cmd);
	} while (ret == -EINTR);
	return ret < 0 ? ret : 0;
}

/*
 * Fills @entries for the sorted frames of one space; one entry covers a run of neighbouring pages.
 */
static uint32_t invalidate_fill(struct iommu_hwpt_vtd_s1_invalidate *entries,
				struct iof_frame **frames, uint32_t nr)
{
	uint64_t next = 1; /* no page has this address */
	uint32_t used = 0;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		uint64_t addr = iof_mapping_addr(frames[i]->map, frames[i]->page);

		if (addr == next) {
			entries[used - 1].npages++;
		} else {
			memset(&entries[used], 0, sizeof(entries[used]));
			entries[used].addr = addr;
			entries[used].npages = 1;
			entries[used++].flags = IOMMU_VTD_INV_FLAGS_LEAF;
		}
		next = addr + IOF_PAGER_PAGE;
	}
	return used;
}

/* Invalidates the translations of the victims. Each victim's err gets the result. */
static void forget_frame(struct iof_pager *pager, struct iof_work *work)
{
	uint64_t start = iof_pager_now();
	uint32_t first = 0;
	uint32_t i;

	while (first < work->nr_victims) {
		struct iof_space *space = work->victims[first]->map->space;
		uint32_t entries;
		uint32_t nr = 1;
		int err;

		while (first + nr < work->nr_victims &&
		       work->victims[first + nr]->map->space == space)
			nr++;
		entries = invalidate_fill(work->invalidate, &work->victims[first], nr);
		err = iof_invalidate(pager, space->hwpt_id, work->invalidate, entries);
		work->stats.invalidations++;
		if (err)
			iof_pager_report(pager, err,
					 "the entries of %u pages cannot be invalidated", nr);
		for (i = 0; i < nr; i++)
			work->victims[first + i]->err = err;
		first += nr;
	}
	work->stats.invalidate_ns += iof_pager_now() - start;
}

static void store_report(struct iof_pager *pager, const struct iof_frame *frame)
{
	iof_pager_report(pager, frame->err, "cannot write back the page at offset %llu: %s",
			 (unsigned long long)iof_frame_offset(frame), strerror(-frame->err));
}

/* Writes pages one by one after a common write failed, so that each page gets its own result. */
static void store_singly(struct iof_pager *pager, struct iof_work *work, struct iof_frame **frames,
			 uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		int err = iof_frames_transfer(pager, work->iov, &frames[i], 1, true);

		if (err >= 0) {
			work->stats.writebacks++;
			continue;
		}
		frames[i]->err = err;
		/*
		 * @stuck is stable: it changes only in frames that are evicting or held by a sync,
		 * and these frames belong to this thread.
		 */
		if (!frames[i]->stuck)
			store_report(pager, frames[i]);
	}
}

/*
 * Writes sorted victims back: those whose invalidation succeeded and whose entries are dirty. With
 * @all_dirty, the dirty bit does not count.
 */
static void store_victims(struct iof_pager *pager, struct iof_work *work, bool all_dirty)
{
	uint64_t start = iof_pager_now();
	uint32_t first, nr;

	for (first = 0; first < work->nr_victims; first += nr) {
		struct iof_frame **frames = &work->victims[first];

		nr = 0;
		while (first + nr < work->nr_victims && nr < IOF_RUN && !frames[nr]->err &&
		       (all_dirty || iof_pte_load(frames[nr]->pte) & IOF_PTE_DIRTY) &&
		       (!nr || (frames[nr]->map == frames[0]->map &&
				frames[nr]->page == frames[0]->page + nr)))
			nr++;
		if (!nr) {
			nr = 1; /* the page is clean, or its invalidation failed */
			continue;
		}
		if (nr > 1 && iof_frames_transfer(pager, work->iov, frames, nr, true) >= 0)
			work->stats.writebacks += nr;
		else
			store_singly(pager, work, frames, nr);
	}
	work->stats.store_ns += iof_pager_now() - start;
}

static void stats_merge(struct iof_pager *pager, struct iof_work *work)
{
	pager->stats.writebacks += work->stats.writebacks;
	pager->stats.invalidations += work->stats.invalidations;
	pager->stats.store_ns += work->stats.store_ns;
	pager->stats.invalidate_ns += work->stats.invalidate_ns;
	work->stats.writebacks = 0;
	work->stats.invalidations = 0;
	work->stats.store_ns = 0;
	work->stats.invalidate_ns = 0;
}

/*
 * Ends the eviction of a frame: frees it, or enters its page again after an error, unless @force.
 * Returns true if it was freed.
 */
static bool evict_end(struct iof_pager *pager, struct iof_frame *frame, bool force)
{
	pager->held--;
	if (frame->err && !force) {
		frame->stuck = 1;
		frame->state = IOF_FRAME_RESIDENT;
		__atomic_xor_fetch(frame->pte, IOF_PTE_PRESENT | IOF_PTE_EVICTING,
				   __ATOMIC_ACQ_REL);
		return false;
	}
	if (frame->pins)
		pager->stats.pinned--;
	if (frame->ahead)
		iof_frame_settle_ahead(pager, frame, iof_pte_load(frame->pte) & IOF_PTE_ACCESSED);
	iof_pte_store(frame->pte, 0);
	iof_frame_free(pager, frame);
	return true;
}

/* Ends the eviction of the victims. Returns the number of freed frames. */
static uint32_t evict_finish(struct iof_pager *pager, struct iof_work *work, bool force)
{
	uint32_t freed = 0;
	uint32_t i = work->nr_victims;

	/* Go backwards, so that the free list hands the frames out in ascending order. */
	while (i--)
		freed += evict_end(pager, work->victims[i], force);
	stats_merge(pager, work);
	iof_pager_wake(pager);
	return freed;
}

/* Writes back the pages of a load that iof_evict() queued, by calls of their source. */
static void evict_store(struct iof_pager *pager, struct iof_load *load)
{
	uint32_t i;

	if (load->nr > 1 &&
	    iof_frames_transfer(pager, load->iov, load->frames, load->nr, true) >= 0)
		return;
	for (i = 0; i < load->nr; i++) {
		struct iof_frame *frame = load->frames[i];
		int err = iof_frames_transfer(pager, load->iov, &frame, 1, true);

		if (err >= 0)
			continue;
		frame->err = err;
		/* An evicting frame belongs to this thread: @stuck is stable. */
		if (!frame->stuck)
			store_report(pager, frame);
	}
}

/*
 * Writes dirty pages back that iof_evict() queued, and frees their frames. A loader thread calls it
 * with the lock held; drops it meanwhile.
 */
void iof_evict_load(struct iof_pager *pager, struct iof_load *load)
{
	uint32_t freed = 0, i;

	pthread_mutex_unlock(&pager->lock);
	evict_store(pager, load);
	pthread_mutex_lock(&pager->lock);
	pager->stats.store_ns += iof_pager_now() - load->start;
	for (i = load->nr; i-- > 0;) {
		pager->stats.writebacks += !load->frames[i]->err;
		freed += evict_end(pager, load->frames[i], false);
	}
	pager->stats.evictions += freed;
	iof_load_free(pager, load);
	iof_pager_wake(pager);
}

/*
 * Ends the eviction of clean victims, and queues the dirty ones for the loader, in the order of
 * their source. Returns the number of freed frames.
 */
static uint32_t evict_queue(struct iof_pager *pager, struct iof_work *work)
{
	uint32_t clean = 0, i;

	pthread_mutex_unlock(&pager->lock);
	iof_frames_sort(work->victims, work->nr_victims);
	forget_frame(pager, work);
	pthread_mutex_lock(&pager->lock);
	for (i = 0; i < work->nr_victims; i++) {
		struct iof_frame *frame = work->victims[i];

		if (!frame->err && iof_pte_load(frame->pte) & IOF_PTE_DIRTY)
			iof_loader_queue_store(pager, frame);
		else
			work->victims[clean++] = frame;
	}
	if (clean < work->nr_victims)
		iof_loader_kick(pager);
	work->nr_victims = clean;
	return evict_finish(pager, work, false);
}

/*
 * Evicts the victims of @work, all in the state EVICTING. Called with the lock held; drops it
 * meanwhile. Returns the number of freed frames.
 */
static uint32_t evict_victims(struct iof_pager *pager, struct iof_work *work, unsigned int flags)
{
	uint32_t i;

	pthread_mutex_unlock(&pager->lock);
	iof_frames_sort(work->victims, work->nr_victims);
	if (flags & IOF_EXPEL_SILENT) {
		for (i = 0; i < work->nr_victims; i++)
			work->victims[i]->err = 0;
	} else {
		forget_frame(pager, work);
	}
	if (!(flags & IOF_EXPEL_DISCARD))
		store_victims(pager, work, false);
	pthread_mutex_lock(&pager->lock);
	return evict_finish(pager, work, flags & IOF_EXPEL_FORCE);
}

/*
 * Tries to free about @want frames. Called with the lock held; drops it meanwhile. Returns the
 * number of those that are free already: the loader writes dirty pages back before it frees their
 * frames, which count as held meanwhile.
 */
uint32_t iof_evict(struct iof_pager *pager, struct iof_work *work, uint64_t want)
{
	uint64_t batch = pager->nr_frames / 32;
	uint32_t freed = 0, picked;

	/* Evict several pages at once, which is cheaper, but only a small part of the pool. */
	if (batch > IOF_CHUNK / 4)
		batch = IOF_CHUNK / 4;
	if (want < batch)
		want = batch;
	if (want > IOF_CHUNK)
		want = IOF_CHUNK;
	/*
	 * iof_clock_pick() skips frames after a failed write-back, so that this loop ends. It goes
	 * past dirty pages, up to a quarter of the frames, so that a slow write-back holds up no
	 * other page.
	 */
	do {
		picked = iof_clock_pick(pager, work->victims, (uint32_t)want, false);
		work->nr_victims = picked;
		if (picked)
			freed = evict_queue(pager, work);
	} while (picked && !freed && pager->loader.stores.pending < pager->nr_frames / 4);
	if (!freed && !pager->loader.stores.pending) {
		work->nr_victims = iof_clock_pick(pager, work->victims, 1, true);
		if (work->nr_victims)
			freed = evict_victims(pager, work, 0);
	}
	pager->stats.evictions += freed;
	return freed;
}

enum iof_verdict {
	IOF_TAKE,
	IOF_PASS,
	IOF_BUSY, /* another thread works on the frame; try again later */
};

/*
 * Looks through pages @first to @last of @map from *@cursor on. Frames that @judge takes become the
 * victims of @work, as many as fit. Walks the entries or the frames, whichever are fewer. Returns
 * true if pages are left, or if the frame at the cursor is busy.
 */
static bool scan(struct iof_mapping *map, uint64_t first, uint64_t last, uint64_t *cursor,
		 struct iof_work *work, enum iof_verdict (*judge)(const struct iof_frame *frame))
{
	struct iof_pager *pager = map->space->pager;
	bool by_frame = last - first >= pager->nr_frames;
	uint64_t end = by_frame ? pager->nr_frames : last - first + 1;

	work->nr_victims = 0;
	for (; *cursor < end && work->nr_victims < IOF_CHUNK; ++*cursor) {
		struct iof_frame *frame;
		enum iof_verdict verdict;

		if (by_frame) {
			frame = &pager->frames[*cursor];
			if (frame->map != map || frame->page < first || frame->page > last)
				continue;
		} else {
			uint64_t pte = iof_pte_load(iof_mapping_pte(map, first + *cursor));

			if (!pte)
				continue;
			frame = &pager->frames[((pte & IOF_PTE_ADDR) - pager->pool_iova) >>
					       IOF_PAGE_SHIFT];
		}
		verdict = judge(frame);
		if (verdict == IOF_BUSY)
			break;
		if (verdict == IOF_TAKE)
			work->victims[work->nr_victims++] = frame;
	}
	return *cursor < end;
}

static enum iof_verdict judge_expelled(const struct iof_frame *frame)
{
	return frame->state == IOF_FRAME_RESIDENT && !frame->hold ? IOF_TAKE : IOF_BUSY;
}

/*
 * A page that another thread is evicting is busy: sync returns only after the page has been
 * written.
 */
static enum iof_verdict judge_synced(const struct iof_frame *frame)
{
	if (frame->state == IOF_FRAME_EVICTING)
		return IOF_BUSY;
	return frame->state == IOF_FRAME_RESIDENT && iof_pte_load(frame->pte) & IOF_PTE_DIRTY ?
		       IOF_TAKE :
		       IOF_PASS;
}

static int victims_err(const struct iof_work *work)
{
	uint32_t i;

	for (i = 0; i < work->nr_victims; i++) {
		if (work->victims[i]->err)
			return work->victims[i]->err;
	}
	return 0;
}

/*
 * Evicts pages @first to @last of @map, including pinned ones. Waits for pages that another thread
 * is working on. The caller has made sure that no thread loads more of them. Called with lock and
 * map_lock held; drops lock meanwhile. With FORCE all pages are evicted, whatever the result.
 * Without it, the first error ends the call, and the page of that error is entered again.
 */
int iof_expel(struct iof_mapping *map, uint64_t first, uint64_t last, unsigned int flags)
{
	struct iof_pager *pager = map->space->pager;
	struct iof_work *work = pager->own;
	uint64_t cursor = 0;
	bool more = true;
	int result = 0;

	while (more && (!result || flags & IOF_EXPEL_FORCE)) {
		uint32_t i;

		more = scan(map, first, last, &cursor, work, judge_expelled);
		if (!work->nr_victims) {
			if (more)
				iof_pager_wait(pager);
			continue;
		}
		for (i = 0; i < work->nr_victims; i++) {
			struct iof_frame *frame = work->victims[i];

			iof_frame_unmark(frame);
			__atomic_xor_fetch(frame->pte, IOF_PTE_PRESENT | IOF_PTE_EVICTING,
					   __ATOMIC_ACQ_REL);
			frame->state = IOF_FRAME_EVICTING;
			pager->held++;
		}
		evict_victims(pager, work, flags);
		/* A freed frame keeps its result until the lock is dropped. */
		if (!result)
			result = victims_err(work);
	}
	return result;
}

/*
 * Writes back the dirty pages @first to @last of @map, which stay resident. Called with lock and
 * map_lock held; drops lock meanwhile. Tries all pages, and returns the first error.
 */
int iof_sync_map(struct iof_mapping *map, uint64_t first, uint64_t last)
{
	struct iof_pager *pager = map->space->pager;
	struct iof_work *work = pager->own;
	uint64_t cursor = 0;
	bool more = true;
	int result = 0;

	while (more) {
		uint32_t i;
		int err;

		more = scan(map, first, last, &cursor, work, judge_synced);
		if (!work->nr_victims) {
			if (more)
				iof_pager_wait(pager);
			continue;
		}
		for (i = 0; i < work->nr_victims; i++) {
			iof_frame_hold(pager, work->victims[i]);
			__atomic_and_fetch(work->victims[i]->pte, ~IOF_PTE_DIRTY, __ATOMIC_ACQ_REL);
		}
		pthread_mutex_unlock(&pager->lock);
		iof_frames_sort(work->victims, work->nr_victims);
		/*
		 * Invalidate: the device does not set the dirty bit again while its cached
		 * translation is dirty.
		 */
		forget_frame(pager, work);
		store_victims(pager, work, true);
		pthread_mutex_lock(&pager->lock);
		err = victims_err(work);
		if (err && !result)
			result = err;
		for (i = 0; i < work->nr_victims; i++) {
			struct iof_frame *frame = work->victims[i];

			frame->stuck = frame->err != 0;
			if (frame->err)
				__atomic_or_fetch(frame->pte, IOF_PTE_DIRTY, __ATOMIC_RELAXED);
			iof_frame_drop(pager, frame);
		}
		stats_merge(pager, work);
		iof_pager_wake(pager);
	}
	return result;
}
