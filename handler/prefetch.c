// SPDX-License-Identifier: MIT
/*
 * prefetch.c - chooses pages to load together with the requested ones.
 *
 * With ALWAYS, a fixed number of pages behind each requested page. With SEQUENTIAL, each mapping
 * has a table of streams. A stream goes on where the pages that were loaded for it end. Its window,
 * the number of pages loaded ahead of the device, doubles each time that the device has to wait for
 * it, for a page that is absent or loading. So it grows until it covers what the source loads
 * while the device works: latency times bandwidth. A new stream begins with as many pages as
 * streams of its mapping have used lately. Random access so gets none, and blocks of equal length
 * get their length.
 *
 * All streams of a mapping share an eighth of the frames. Loads in flight never take more than a
 * quarter. In a mapping where most prefetched pages were evicted unused, prefetching stops, except
 * for an occasional try.
 *
 * All functions here run under pager.lock.
 */
#include "pager_private.h"

#define IOF_WINDOW_FIRST 4u
#define IOF_WINDOW_MAX	 2048u
#define IOF_FIRST_MAX	 256u /* maximum window of a new stream */
#define IOF_AHEAD_TRY	 16u  /* a wasteful mapping prefetches at one fault in 16 */

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

/* Counts pages before @page, without a gap, that are resident, loading or evicting. */
static uint32_t pages_before(const struct iof_mapping *map, uint64_t page)
{
	uint32_t nr = 0;

	while (nr < IOF_FIRST_MAX / 2 && page && iof_pte_load(iof_mapping_pte(map, --page)))
		nr++;
	return nr;
}

/* Has the device used the page, as far as its entry tells? */
static bool page_used(const struct iof_mapping *map, uint64_t page)
{
	const struct iof_pager *pager = map->space->pager;
	uint64_t pte = iof_pte_load(iof_mapping_pte(map, page));
	uint64_t index = ((pte & IOF_PTE_ADDR) - pager->pool_iova) >> IOF_PAGE_SHIFT;

	if (!(pte & IOF_PTE_PRESENT))
		return false;
	return pte & IOF_PTE_ACCESSED || !pager->frames[index].ahead;
}

/*
 * Learns from a stream that another one replaces: how many pages in a row the device used. A new
 * stream of the mapping begins with a window of that length.
 */
static void stream_learn(struct iof_mapping *map, const struct iof_stream *stream)
{
	uint64_t length = stream->last - stream->first + 1;

	while (length < IOF_FIRST_MAX && stream->first + length < stream->next &&
	       page_used(map, stream->first + length))
		length++;
	if (length > IOF_FIRST_MAX)
		length = IOF_FIRST_MAX;
	map->usual = (uint32_t)(map->usual + length) / 2;
}

/*
 * Returns the stream that goes on at @page: it is the page behind the last window, or, if it is
 * @loading, in it. Else makes a new one of the stream that was used least recently.
 */
static struct iof_stream *stream_find(struct iof_mapping *map, uint64_t page, bool loading)
{
	struct iof_stream *oldest = &map->streams[0];
	uint32_t before, i;

	for (i = 0; i < IOF_STREAMS; i++) {
		struct iof_stream *stream = &map->streams[i];

		if (page == stream->next ||
		    (loading && page >= stream->last && page < stream->next))
			return stream;
		if (stream->used < oldest->used)
			oldest = stream;
	}
	if (loading)
		return NULL;
	if (oldest->next)
		stream_learn(map, oldest);
	/* With more streams than entries, the pages before tell how far this one has come. */
	before = pages_before(map, page);
	oldest->first = page - before;
	oldest->last = page;
	oldest->next = 0;
	oldest->window = before;
	return oldest;
}

/* Returns how far a stream may reach: all streams in use share an eighth of the frames. */
static uint64_t window_max(const struct iof_pager *pager, const struct iof_mapping *map)
{
	uint64_t most = pager->nr_frames / 8;
	uint32_t busy = 0, i;

	for (i = 0; i < IOF_STREAMS; i++)
		busy += map->streams[i].next &&
			map->faults - map->streams[i].used < 2 * IOF_STREAMS;
	most /= busy ? busy : 1;
	if (most < pager->config.prefetch)
		most = pager->config.prefetch;
	return most < IOF_WINDOW_MAX ? most : IOF_WINDOW_MAX;
}

/*
 * Returns the number of pages to load from stream.next on. @page was requested: it is absent, or
 * @loading.
 */
static uint64_t stream_advance(struct iof_pager *pager, struct iof_mapping *map,
			       struct iof_stream *stream, uint64_t page, bool loading)
{
	uint64_t most = window_max(pager, map);
	uint64_t end;

	if (!stream->next) {
		stream->next = page + 1;
		stream->window *= 2;
		if (map->usual > stream->window)
			stream->window = map->usual - 1;
	} else {
		if (!loading)
			stream->next = page + 1;
		stream->window = stream->window ? 2 * stream->window : IOF_WINDOW_FIRST;
	}
	if (stream->window > most)
		stream->window = (uint32_t)most;
	stream->last = page;
	stream->used = ++map->faults;
	end = page + 1 + stream->window;
	if (end > map->pages)
		end = map->pages;
	/* Short pieces would become short reads. */
	if (end <= stream->next || (loading && end - stream->next < stream->window / 4))
		return 0;
	return end - stream->next;
}

/* Notes what is to be loaded with @page, which was requested and is absent, or @loading. */
void iof_prefetch_note(struct iof_pager *pager, struct iof_work *work, struct iof_mapping *map,
		       uint64_t page, bool loading)
{
	struct iof_stream *stream = NULL;
	uint64_t window, first = page + 1;

	if (!pager->config.prefetch || work->nr_ahead == work->room)
		return;
	if (pager->config.prefetch_policy == IOF_PREFETCH_ALWAYS) {
		window = loading ? 0 : pager->config.prefetch;
		if (window > map->pages - page - 1)
			window = map->pages - page - 1;
	} else {
		stream = stream_find(map, page, loading);
		if (!stream)
			return;
		window = stream_advance(pager, map, stream, page, loading);
		first = stream->next;
		if (map->ahead_wasted > map->ahead_used * 2 + IOF_AHEAD_TRY &&
		    ++map->ahead_tries % IOF_AHEAD_TRY)
			window = 0;
		stream->next += window;
	}
	if (!window)
		return;
	work->ahead[work->nr_ahead].map = map;
	work->ahead[work->nr_ahead].page = first;
	work->ahead[work->nr_ahead++].window = (uint32_t)window;
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
	if (pager->loader.pending >= pager->nr_frames / 4)
		wanted = 0;
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
