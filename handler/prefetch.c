// SPDX-License-Identifier: MIT
/*
 * prefetch.c - chooses pages to load together with the requested ones.
 *
 * With ALWAYS, a fixed number of pages behind each requested page. With SEQUENTIAL, each mapping
 * has a table of streams. A stream goes on where the pages that were loaded for it end. Its window
 * is the number of pages loaded ahead of the device. A new stream begins with as many pages as
 * streams of its mapping have used lately. Random access so gets none, and blocks of equal length
 * get their length.
 *
 * The first quarter of a window ends with a marked page, which is loaded and not present. The
 * device's request for it makes it present at once, and the next pages are loaded while the device
 * still has three quarters of the window before it. The window doubles each time that the device
 * has to wait for an absent or loading page, and while marked pages are requested often. So it
 * grows until it covers what the source loads while the device works: latency times bandwidth.
 *
 * A device that works on several descriptors in the order of a file begins a stream for each. When
 * their first pages are equally far apart, what lies between them is loaded at once, in the order
 * of the file. A stream that comes to pages of another one becomes a part of that one. So one
 * stream is left, in front of the last descriptor.
 *
 * All streams of a mapping share an eighth of the frames. Loads in flight never take more than a
 * quarter. A window takes free frames; pages are evicted for it, and in advance for the next one,
 * after the requests have been answered. In a mapping where most prefetched pages were evicted
 * unused, prefetching stops, except for an occasional try.
 *
 * All functions here run under pager.lock.
 */
#include "pager_private.h"

#define IOF_WINDOW_FIRST 4u
#define IOF_WINDOW_MAX	 2048u
#define IOF_FIRST_MAX	 1024u	 /* maximum window of a new stream that nothing precedes */
#define IOF_WINDOW_EASY	 256u	 /* a window doubles up to here at each marked page */
#define IOF_MARKS_APART	 500000u /* ns */
#define IOF_MARK_LEAST	 16u	 /* a shorter window has no marked page */
#define IOF_AHEAD_TRY	 16u	 /* a wasteful mapping prefetches at one fault in 16 */

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

/* Learns how far the first pages of new streams are apart. */
static void stream_stride(struct iof_mapping *map, uint64_t page)
{
	uint64_t stride = page > map->newest ? page - map->newest : 0;

	map->strides = stride && stride == map->stride ? map->strides + 1 : 0;
	map->stride = stride;
	map->newest = page;
}

/*
 * Returns the stream that goes on at @page: it is the page behind the last window, or, if it is
 * @loading, in it, or it is not farther ahead than the next window reaches. Else makes a new one of
 * the stream that was used least recently.
 */
static struct iof_stream *stream_find(struct iof_mapping *map, uint64_t page, bool loading)
{
	struct iof_stream *oldest = &map->streams[0];
	uint32_t before, i;

	for (i = 0; i < IOF_STREAMS; i++) {
		struct iof_stream *stream = &map->streams[i];

		if (page == stream->next ||
		    (loading && page >= stream->last && page < stream->next) ||
		    (stream->goes_on && page > stream->next &&
		     page - stream->next < stream->window))
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
	oldest->goes_on = before > 0;
	stream_stride(map, page);
	return oldest;
}

/*
 * A stream that has come to the pages of another one becomes a part of that one, as the descriptors
 * of a sequential pass do.
 */
static void stream_merge(struct iof_mapping *map, struct iof_stream *stream)
{
	uint32_t i;

	if (!stream->next || stream->next >= map->pages ||
	    !iof_pte_load(iof_mapping_pte(map, stream->next)))
		return;
	for (i = 0; i < IOF_STREAMS; i++) {
		struct iof_stream *other = &map->streams[i];

		if (other == stream || other->first > stream->next || other->next <= stream->next)
			continue;
		if (other->first > stream->first)
			other->first = stream->first;
		if (other->window < stream->window)
			other->window = stream->window;
		other->goes_on = true;
		stream->next = 0;
		stream->used = 0;
		return;
	}
}

/* Is the stream in use? */
static bool stream_busy(const struct iof_mapping *map, const struct iof_stream *stream)
{
	return stream->next && map->faults - stream->used < 2 * IOF_STREAMS;
}

/* Returns how far a stream may reach: all streams in use share an eighth of the frames. */
static uint64_t window_max(const struct iof_pager *pager, struct iof_mapping *map,
			   const struct iof_stream *current)
{
	uint64_t most = pager->nr_frames / 8;
	uint32_t busy = 0, i;

	for (i = 0; i < IOF_STREAMS; i++)
		if (&map->streams[i] != current)
			stream_merge(map, &map->streams[i]);
	for (i = 0; i < IOF_STREAMS; i++)
		busy += stream_busy(map, &map->streams[i]);
	most /= busy ? busy : 1;
	if (most < pager->config.prefetch)
		most = pager->config.prefetch;
	return most < IOF_WINDOW_MAX ? most : IOF_WINDOW_MAX;
}

/* Would a longer window save many requests of marked pages? */
static bool marks_often(struct iof_stream *stream)
{
	uint64_t before = stream->marked;

	stream->marked = iof_pager_now();
	return stream->window < IOF_WINDOW_EASY || stream->marked - before < IOF_MARKS_APART;
}

/*
 * Returns the page up to which the stream is to be loaded, or 0. @page was requested: it is absent,
 * or @loading.
 */
static uint64_t stream_advance(struct iof_pager *pager, struct iof_mapping *map,
			       struct iof_stream *stream, uint64_t page, enum iof_found found)
{
	bool loading = found != IOF_FOUND_ABSENT;
	uint64_t most = window_max(pager, map, stream);
	uint64_t end;

	if (!stream->next) {
		stream->next = page + 1;
		stream->window *= 2;
		if (map->usual > stream->window)
			stream->window = map->usual - 1;
	} else {
		if (page == stream->next)
			stream->next = page + 1;
		if (found != IOF_FOUND_MARKED || marks_often(stream))
			stream->window = stream->window ? 2 * stream->window : IOF_WINDOW_FIRST;
		stream->goes_on = true;
	}
	if (stream->window > most)
		stream->window = (uint32_t)most;
	if (stream->last < page)
		stream->last = page;
	stream->used = ++map->faults;
	end = page + 1 + stream->window;
	if (end > map->pages)
		end = map->pages;
	/* Short pieces would become short reads. */
	if (end <= stream->next || (loading && end - stream->next < stream->window / 4))
		return 0;
	return end;
}

/* Notes pages to load, and holds @frame, so that the mapping stays. */
static void note_add(struct iof_pager *pager, struct iof_work *work, struct iof_frame *frame,
		     struct iof_stream *stream, uint64_t page, uint64_t end)
{
	struct iof_ahead *ahead = &work->ahead[work->nr_ahead];

	if (end <= page || work->nr_ahead == work->room)
		return;
	work->nr_ahead++;
	iof_frame_hold(pager, frame);
	ahead->map = frame->map;
	ahead->stream = stream;
	ahead->frame = frame;
	ahead->page = page;
	ahead->end = end;
	ahead->mark = UINT64_MAX;
	if (stream && stream->window >= IOF_MARK_LEAST)
		ahead->mark = end - stream->window / 4 * 3;
}

/*
 * A device that works on several descriptors of the same size, in the order of the file, begins a
 * stream for each. Notes their pages up to the beginning of the next one, so that they become one
 * run in the order of the file. Returns false if the streams are no such train.
 */
static bool train_note(struct iof_pager *pager, struct iof_work *work, struct iof_frame *frame)
{
	struct iof_mapping *map = frame->map;
	uint64_t most = pager->nr_frames / 8;
	bool goes_on = false;
	uint32_t i, nr = 0;

	if (!map->strides || map->stride > most)
		return false;
	for (i = 0; i < IOF_STREAMS; i++) {
		const struct iof_stream *stream = &map->streams[i];

		if (!stream->next || stream->first > map->newest ||
		    map->newest - stream->first >= most ||
		    (map->newest - stream->first) % map->stride)
			continue;
		goes_on |= stream->goes_on;
		nr++;
	}
	if (!goes_on || nr < 3)
		return false;
	for (i = 0; i < IOF_STREAMS; i++) {
		struct iof_stream *stream = &map->streams[i];
		uint64_t end = stream->first + map->stride;

		if (!stream->next || stream->first > map->newest ||
		    map->newest - stream->first >= most ||
		    (map->newest - stream->first) % map->stride || end > map->pages)
			continue;
		if (stream->next < end)
			note_add(pager, work, frame, stream, stream->next, end);
		if (stream->window < map->stride)
			stream->window = (uint32_t)map->stride;
	}
	return true;
}

/*
 * Notes what is to be loaded with the page of @frame, which was requested and was @found as it
 * says.
 */
void iof_prefetch_note(struct iof_pager *pager, struct iof_work *work, struct iof_frame *frame,
		       enum iof_found found)
{
	struct iof_mapping *map = frame->map;
	uint64_t end, page = frame->page, first = page + 1;
	bool loading = found != IOF_FOUND_ABSENT;
	struct iof_stream *stream = NULL;

	if (!pager->config.prefetch || work->nr_ahead == work->room)
		return;
	if (pager->config.prefetch_policy == IOF_PREFETCH_ALWAYS) {
		end = loading ? 0 : first + pager->config.prefetch;
		if (end > map->pages)
			end = map->pages;
	} else {
		stream = stream_find(map, page, loading);
		if (!stream)
			return;
		end = stream_advance(pager, map, stream, page, found);
		first = stream->next;
		if (map->ahead_wasted > map->ahead_used * 2 + IOF_AHEAD_TRY &&
		    ++map->ahead_tries % IOF_AHEAD_TRY)
			return;
		if (train_note(pager, work, frame) && end < first)
			return;
	}
	note_add(pager, work, frame, stream, first, end);
}

/* Returns how many frames prefetch may take now. */
static uint64_t take_most(const struct iof_pager *pager)
{
	uint64_t most = pager->nr_frames / 4;

	if (pager->loader.pending >= most)
		return 0;
	most -= pager->loader.pending;
	return most < pager->nr_frames / 8 ? most : pager->nr_frames / 8;
}

/*
 * Takes frames for a noted window, up to @most. Returns their number; ahead.page is the first page
 * that is left.
 */
static uint32_t take_window(struct iof_pager *pager, struct iof_work *work, struct iof_ahead *ahead,
			    uint64_t most)
{
	struct iof_mapping *map = ahead->map;
	uint32_t nr = 0;

	if (map->dying)
		return 0;
	for (; ahead->page < ahead->end; ahead->page++) {
		uint64_t *pte = iof_mapping_pte(map, ahead->page);
		struct iof_frame *frame;

		if (iof_pte_load(pte) ||
		    iof_space_refuses(map->space, iof_mapping_addr(map, ahead->page)))
			continue;
		if (nr == most || !pager->nr_free || work->nr_loads == work->room)
			break;
		frame = iof_frame_take(pager, map, ahead->page, pte);
		frame->ahead = 1;
		frame->guess = 1;
		if (ahead->page >= ahead->mark) {
			frame->mark = 1;
			ahead->mark = UINT64_MAX;
		}
		work->loads[work->nr_loads++] = frame;
		nr++;
	}
	return nr;
}

/*
 * Takes free frames for the noted windows, as many as there are. A stream goes on later at the
 * first page that gets none.
 */
void iof_prefetch_take(struct iof_pager *pager, struct iof_work *work)
{
	uint64_t most = take_most(pager);
	uint32_t i;

	for (i = 0; i < work->nr_ahead; i++) {
		struct iof_ahead *ahead = &work->ahead[i];
		struct iof_stream *stream = ahead->stream;

		/* Another fault may have moved the stream on, or begun another one in its place. */
		if (stream && (stream->next < ahead->page || stream->next > ahead->end)) {
			ahead->page = ahead->end;
			continue;
		}
		if (stream)
			ahead->page = stream->next;
		most -= take_window(pager, work, ahead, most);
		if (stream)
			stream->next = ahead->page;
	}
}

/*
 * Frees as many frames as the noted windows still want, as far as possible. Returns false if they
 * want none. May drop the lock.
 */
bool iof_prefetch_evict(struct iof_pager *pager, struct iof_work *work)
{
	uint64_t wanted = 0, most = take_most(pager);
	uint32_t i;

	for (i = 0; i < work->nr_ahead; i++)
		wanted += work->ahead[i].end - work->ahead[i].page;
	if (wanted > most)
		wanted = most;
	/* The next window finds free frames. */
	if (work->nr_ahead)
		wanted += pager->nr_frames / 32;
	while (pager->nr_free < wanted && iof_evict(pager, work, wanted - pager->nr_free))
		;
	return most > 0;
}

/* Forgets the noted windows, and drops the frames that iof_prefetch_note() held. */
void iof_prefetch_end(struct iof_pager *pager, struct iof_work *work)
{
	while (work->nr_ahead)
		iof_frame_drop(pager, work->ahead[--work->nr_ahead].frame);
	iof_pager_wake(pager);
}
