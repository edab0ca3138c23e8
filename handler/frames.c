// SPDX-License-Identifier: MIT
/*
 * frames.c - the pool of page frames, and CLOCK, which chooses the pages to evict.
 *
 * The pool is one piece of memory of the size of the budget. It is aligned for large pages of the
 * CPU and mapped once in the parent IOAS. The hand of CLOCK goes round the frames. If the device
 * has accessed a page since the last visit, CLOCK clears the accessed bit and the page stays. If
 * not, the page is evicted. CLOCK clears the bit without an invalidation, so that a device with a
 * cached translation may not set it again. A page that looks unused for this reason costs a fault,
 * never data.
 *
 * All functions except those that create and destroy the pool run under pager.lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pager_private.h"

#define AHEAD_MEMORY 1024u /* number of prefetched pages in the counts of use */

#define CLOCK_FETCH 8u /* number of frames that CLOCK fetches in advance */

#define IOF_POOL_ALIGN (2u << 20)

/* Maps @bytes bytes of memory, aligned to 2 MiB if they are at least 2 MiB. */
static char *pool_map(uint64_t bytes)
{
	uint64_t extra = bytes >= IOF_POOL_ALIGN ? IOF_POOL_ALIGN : 0;
	char *memory = mmap(NULL, bytes + extra, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before;

	if (memory == MAP_FAILED)
		return NULL;
	if (!extra)
		return memory;
	before = -(uintptr_t)memory & (IOF_POOL_ALIGN - 1);
	if (before)
		munmap(memory, before);
	if (extra - before)
		munmap(memory + before + bytes, extra - before);
	madvise(memory + before, bytes, MADV_HUGEPAGE);
	return memory + before;
}

int iof_frames_create(struct iof_pager *pager)
{
	uint64_t bytes = pager->nr_frames << IOF_PAGE_SHIFT;
	uint64_t i;
	int err;

	pager->frames = calloc(pager->nr_frames, sizeof(*pager->frames));
	pager->pool = pool_map(bytes);
	if (!pager->frames || !pager->pool)
		return iof_pager_fail(pager, -ENOMEM, "no memory for %llu page frames",
				      (unsigned long long)pager->nr_frames);
	err = iof_pager_parent_map(pager, pager->pool, bytes, true, &pager->pool_iova);
	if (err)
		return iof_pager_fail(pager, err, "cannot map %llu page frames for the device",
				      (unsigned long long)pager->nr_frames);
	/* The free list hands the first frame out first. */
	for (i = pager->nr_frames; i-- > 0;) {
		pager->frames[i].next = pager->free;
		pager->free = &pager->frames[i];
	}
	pager->nr_free = pager->nr_frames;
	return 0;
}

void iof_frames_destroy(struct iof_pager *pager)
{
	uint64_t bytes = pager->nr_frames << IOF_PAGE_SHIFT;

	if (pager->pool_iova)
		iof_pager_parent_unmap(pager, pager->pool_iova, bytes);
	if (pager->pool)
		munmap(pager->pool, bytes);
	free(pager->frames);
}

/*
 * Takes a free frame for @page of @map: state LOADING, held by its load, whose hold
 * iof_frame_publish() drops. The caller has checked
 * that there is a free frame.
 */
struct iof_frame *iof_frame_take(struct iof_pager *pager, struct iof_mapping *map, uint64_t page,
				 uint64_t *pte)
{
	struct iof_frame *frame = pager->free;
	uint64_t resident;

	pager->free = frame->next;
	__builtin_prefetch(pager->free, 1);
	pager->nr_free--;
	pager->held++;
	resident = pager->nr_frames - pager->nr_free;
	if (resident > pager->stats.resident_peak)
		pager->stats.resident_peak = resident;
	frame->map = map;
	frame->page = page;
	frame->pte = pte;
	frame->hold = 1;
	frame->waiters = NULL;
	frame->load = NULL;
	frame->pins = 0;
	frame->err = 0;
	frame->state = IOF_FRAME_LOADING;
	frame->ahead = 0;
	frame->guess = 0;
	frame->write = 0;
	frame->stuck = 0;
	frame->mark = 0;
	map->frames++;
	iof_pte_store(pte, iof_frame_iova(pager, frame) | IOF_PTE_LOADING);
	return frame;
}

/* Frees a frame that has no holder and no entry. */
void iof_frame_free(struct iof_pager *pager, struct iof_frame *frame)
{
	frame->map->frames--;
	frame->map = NULL;
	frame->state = IOF_FRAME_FREE;
	frame->next = pager->free;
	pager->free = frame;
	pager->nr_free++;
	pager->released++;
}

void iof_frame_hold(struct iof_pager *pager, struct iof_frame *frame)
{
	if (!frame->hold++)
		pager->held++;
}

/* Makes a marked page present. Nothing to do for other pages. */
void iof_frame_unmark(struct iof_frame *frame)
{
	uint64_t pte = iof_pte_load(frame->pte);

	if (pte & IOF_PTE_MARK)
		iof_pte_store(frame->pte, (pte & ~IOF_PTE_MARK) | IOF_PTE_PRESENT);
}

void iof_frame_drop(struct iof_pager *pager, struct iof_frame *frame)
{
	if (--frame->hold)
		return;
	pager->held--;
	pager->released++;
	if (frame->state == IOF_FRAME_FAILED)
		iof_frame_free(pager, frame);
}

/* Fetches what CLOCK looks at soon: a frame, and the entry of an earlier one. */
static void clock_fetch(const struct iof_pager *pager)
{
	uint64_t left = pager->nr_frames - pager->hand;

	if (left > 2 * CLOCK_FETCH)
		__builtin_prefetch(&pager->frames[pager->hand + 2 * CLOCK_FETCH]);
	if (left > CLOCK_FETCH && pager->frames[pager->hand + CLOCK_FETCH].map)
		__builtin_prefetch(pager->frames[pager->hand + CLOCK_FETCH].pte, 1);
}

/*
 * Chooses up to @want pages and makes their entries not present. Their frames are EVICTING then,
 * and count as held. @stuck: chooses also pages with a failed write-back.
 */
uint32_t iof_clock_pick(struct iof_pager *pager, struct iof_frame **victims, uint32_t want,
			bool stuck)
{
	uint64_t steps = pager->nr_frames * 2;
	uint32_t nr = 0;

	while (steps-- && nr < want) {
		struct iof_frame *frame = &pager->frames[pager->hand];
		uint64_t pte;

		if (++pager->hand == pager->nr_frames)
			pager->hand = 0;
		clock_fetch(pager);
		if (frame->state != IOF_FRAME_RESIDENT || frame->hold || frame->pins ||
		    (frame->stuck && !stuck))
			continue;
		pte = iof_pte_load(frame->pte);
		if (pte & IOF_PTE_ACCESSED) {
			__atomic_and_fetch(frame->pte, ~IOF_PTE_ACCESSED, __ATOMIC_RELAXED);
			if (frame->ahead)
				iof_frame_settle_ahead(pager, frame, true);
			continue;
		}
		/* The device comes to a prefetched page only later. */
		if (frame->ahead == 1) {
			frame->ahead = 2;
			continue;
		}
		/*
		 * Clear PRESENT and set EVICTING at once; bits that the device sets meanwhile stay.
		 */
		iof_frame_unmark(frame);
		__atomic_xor_fetch(frame->pte, IOF_PTE_PRESENT | IOF_PTE_EVICTING,
				   __ATOMIC_ACQ_REL);
		frame->state = IOF_FRAME_EVICTING;
		pager->held++;
		victims[nr++] = frame;
	}
	return nr;
}

static bool frame_before(const struct iof_frame *one, const struct iof_frame *other)
{
	if (one->map->space != other->map->space)
		return one->map->space < other->map->space;
	return iof_mapping_addr(one->map, one->page) < iof_mapping_addr(other->map, other->page);
}

/*
 * Sorts by space and address: nothing if in order already, else Shell sort, which needs no memory.
 */
void iof_frames_sort(struct iof_frame **frames, uint32_t nr)
{
	static const uint32_t gaps[] = { 3548, 1577, 701, 301, 132, 57, 23, 10, 4, 1 };
	uint32_t i, at, round;

	for (i = 1; i < nr && !frame_before(frames[i], frames[i - 1]); i++)
		;
	if (i >= nr)
		return;
	for (round = 0; round < sizeof(gaps) / sizeof(gaps[0]); round++) {
		uint32_t gap = gaps[round];

		for (i = gap; i < nr; i++) {
			struct iof_frame *frame = frames[i];

			at = i;
			for (; at >= gap && frame_before(frame, frames[at - gap]); at -= gap)
				frames[at] = frames[at - gap];
			frames[at] = frame;
		}
	}
}

/* Counts a prefetched page once: as @used, or as evicted without use. */
void iof_frame_settle_ahead(struct iof_pager *pager, struct iof_frame *frame, bool used)
{
	struct iof_mapping *map = frame->map;

	frame->ahead = 0;
	if (used) {
		/*
		 * publish() will count a page that is still loading as requested, not as
		 * prefetched.
		 */
		if (frame->state != IOF_FRAME_LOADING)
			pager->stats.prefetch_used++;
		map->ahead_used++;
	} else {
		map->ahead_wasted++;
	}
	if (map->ahead_used + map->ahead_wasted > AHEAD_MEMORY) {
		map->ahead_used /= 2;
		map->ahead_wasted /= 2;
	}
}
