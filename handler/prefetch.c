// SPDX-License-Identifier: MIT
/*
 * prefetch.c - which pages come along with those that were asked for.
 *
 * The window is how many pages behind a demanded one are loaded with it. With ALWAYS it is the
 * configured one. With SEQUENTIAL a mapping remembers some places where the next fault would go on
 * in a row; a fault there doubles the window, up to the configured one, any other fault begins anew
 * without. A window never takes more than an eighth of the frames, so that small budgets are not
 * emptied by guesses. Everything here runs under pager.lock.
 */
#include "pager_private.h"

#define IOF_WINDOW_FIRST 4u

/* The stream that a fault at @page goes on with, or the one that is longest out of use. */
static struct iof_stream *iof_stream_find(struct iof_mapping *map, uint64_t page, bool *found)
{
	struct iof_stream *oldest = &map->streams[0];
	uint32_t i;

	for (i = 0; i < IOF_STREAMS; i++) {
		struct iof_stream *stream = &map->streams[i];

		/* Some of the pages behind the last window may be there for another reason. */
		if (page >= stream->next && page - stream->next <= stream->window) {
			*found = true;
			return stream;
		}
		if ((int32_t)(stream->used - oldest->used) < 0)
			oldest = stream;
	}
	*found = false;
	return oldest;
}

static uint32_t iof_prefetch_window(struct iof_pager *pager, struct iof_mapping *map, uint64_t page)
{
	uint32_t most = pager->config.prefetch;
	struct iof_stream *stream;
	uint32_t window = 0;
	bool found;

	if (!most || pager->config.prefetch_policy == IOF_PREFETCH_ALWAYS)
		return most;
	stream = iof_stream_find(map, page, &found);
	if (found) {
		window = stream->window ? stream->window * 2 : IOF_WINDOW_FIRST;
		if (window > most)
			window = most;
	}
	stream->window = window;
	stream->next = page + window + 1;
	stream->used = ++map->clock;
	return window;
}

/* @page was asked for and is being loaded: remembers what should come along. */
void iof_prefetch_note(struct iof_pager *pager, struct iof_work *work, struct iof_mapping *map,
		       uint64_t page)
{
	uint32_t window = iof_prefetch_window(pager, map, page);

	if (window > map->pages - page - 1)
		window = (uint32_t)(map->pages - page - 1);
	if (!window || work->nr_ahead == work->room)
		return;
	work->ahead[work->nr_ahead].map = map;
	work->ahead[work->nr_ahead].page = page + 1;
	work->ahead[work->nr_ahead++].window = window;
}

/* Takes frames for what was noted, as far as it fits; may evict, which drops the lock. */
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

			if (!pager->nr_free || !wanted || work->nr_items == work->room)
				return;
			if (iof_pte_load(pte) || map->dying ||
			    iof_space_refuses(map->space, iof_mapping_addr(map, page)))
				continue;
			frame = iof_frame_take(pager, map, page, pte);
			frame->ahead = 1;
			frame->guess = 1;
			work->items[work->nr_items].frame = frame;
			work->items[work->nr_items++].group = IOF_NO_GROUP;
			work->loads[work->nr_loads++] = frame;
			wanted--;
		}
	}
}
