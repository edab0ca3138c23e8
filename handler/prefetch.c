// SPDX-License-Identifier: MIT
/*
 * prefetch.c - chooses pages to load together with the requested ones.
 *
 * The window is the number of pages behind a requested page that are loaded with it. With ALWAYS it
 * is the configured number. With SEQUENTIAL it is twice the number of pages that are present,
 * without a gap, before the requested page, and at most the configured number. So each sequential
 * stream reaches the full window, and random access gets none. In a mapping where most prefetched
 * pages were evicted unused, prefetching stops, except for an occasional try. All windows of a
 * portion take at most an eighth of the frames, so that they do not empty a small budget.
 *
 * All functions here run under pager.lock.
 */
#include "pager_private.h"

#define IOF_WINDOW_FIRST 4u
#define IOF_AHEAD_TRY	 16u /* a wasteful mapping prefetches at one fault in 16 */

/*
 * Counts the prefetched pages that the device has accessed and that stats.prefetch_used does not
 * have yet.
 */
uint64_t iof_prefetch_used_now(const struct iof_pager *pager)
{
	uint64_t used = 0, i;

	for (i = 0; pager->stats.prefetched && i < pager->nr_frames; i++) {
		const struct iof_frame *frame = &pager->frames[i];

		if (frame->state == IOF_FRAME_RESIDENT && frame->ahead)
			used += !!(iof_pte_load(frame->pte) & IOF_PTE_ACCESSED);
	}
	return used;
}

/* Counts pages before @page, without a gap, that are resident, loading or evicting; up to @most. */
static uint32_t pages_before(const struct iof_mapping *map, uint64_t page, uint32_t most)
{
	uint32_t nr = 0;

	while (nr < most && page && iof_pte_load(iof_mapping_pte(map, --page)))
		nr++;
	return nr;
}

static uint32_t prefetch_window(struct iof_pager *pager, struct iof_mapping *map, uint64_t page)
{
	uint32_t most = pager->config.prefetch;
	uint32_t window;

	if (!most || pager->config.prefetch_policy == IOF_PREFETCH_ALWAYS)
		return most;
	if (map->ahead_wasted > map->ahead_used * 2 + IOF_AHEAD_TRY &&
	    ++map->ahead_tries % IOF_AHEAD_TRY)
		return 0;
	window = 2 * pages_before(map, page, (most + 1) / 2);
	if (window && window < IOF_WINDOW_FIRST)
		window = IOF_WINDOW_FIRST;
	return window < most ? window : most;
}

/* Notes the window behind @page, which was requested and is loading. */
void iof_prefetch_note(struct iof_pager *pager, struct iof_work *work, struct iof_mapping *map,
		       uint64_t page)
{
	uint32_t window = prefetch_window(pager, map, page);

	if (window > map->pages - page - 1)
		window = (uint32_t)(map->pages - page - 1);
	if (!window || work->nr_ahead == work->room)
		return;
	work->ahead[work->nr_ahead].map = map;
	work->ahead[work->nr_ahead].page = page + 1;
	work->ahead[work->nr_ahead++].window = window;
}

/* Takes frames for the noted windows, as many as fit. May evict, which drops the lock. */
void iof_prefetch_take(struct iof_pager *pager, struct iof_work *work)
{
	uint64_t wanted = 0;
	uint32_t i, k;

	for (i = 0; i < work->nr_ahead; i++)
		wanted += work->ahead[i].window;
	if (wanted > pager->nr_frames / 8)
		wanted = pager->nr_frames / 8;
	if (wanted > pager->nr_free)
		iof_evict(pager, work, wanted - pager->nr_free);

	for (i = 0; i < work->nr_ahead; i++) {
		struct iof_mapping *map = work->ahead[i].map;

		for (k = 0; k < work->ahead[i].window; k++) {
			uint64_t page = work->ahead[i].page + k;
			uint64_t *pte = iof_mapping_pte(map, page);
			struct iof_frame *frame;

			if (!pager->nr_free || !wanted || work->nr_loads == work->room)
				return;
			if (iof_pte_load(pte) || map->dying ||
			    iof_space_refuses(map->space, iof_mapping_addr(map, page)))
				continue;
			frame = iof_frame_take(pager, map, page, pte);
			frame->ahead = 1;
			frame->guess = 1;
			work->loads[work->nr_loads++] = frame;
			wanted--;
		}
	}
}
