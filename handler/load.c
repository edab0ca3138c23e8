// SPDX-License-Identifier: MIT
/*
 * load.c - the loader: threads that load the pages that a fault cannot have at once.
 *
 * A fault queues frames in the state LOADING (iof_loader_queue()), sorted by address within its
 * batch. A loader thread takes the first frame and its neighbours behind it as one struct iof_load,
 * a single read of up to IOF_LOAD_PAGES pages. So the number of loads in flight does not depend on
 * the number of handler threads, and pages of neighbouring requests become one read.
 *
 * A longer run of pages of a file, and runs that go on where a load in flight ends, are the rest of
 * that load: read one after the other, in the order of the file. The system's read-ahead so sees
 * one sequential reader, keeps the disk busy with long requests, and gets large pages for them.
 * Several reads at once would make it start anew with each. Reads by O_DIRECT, and calls of other
 * sources, run side by side. What the page cache has already, a handler thread copies as well
 * (iof_loader_help()).
 *
 * One thread has an io_uring for files (load_uring.c). Where the system refuses io_uring_setup(),
 * that thread and the others load files by calls, as they load all other sources. The number of
 * these threads grows while loads wait, up to IOF_LOADERS.
 *
 * A load that is complete is published by iof_loads_end(): entries become present, and groups for
 * which no page is missing any more are answered. A load that failed as a whole is tried page by
 * page. One error is reported for it, before a group is answered.
 *
 * The same threads write dirty pages back that were evicted (iof_evict_load()).
 *
 * pager.lock protects the loader. A struct iof_load in flight belongs to its thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pager_private.h"
#include "signals.h"

/* Number of pages of the first read of a run. It is short, so that the fault is answered early. */
#define IOF_LOAD_FIRST 64u
/* Number of pages of each later read. The system reads ahead in larger pieces then. */
#define IOF_LOAD_PAGES 256u
#define IOF_HELP       2u /* number of pieces that a handler thread copies for the ring's thread */

/* Is the page of @frame the next one in the same mapping? */
static bool follows(const struct iof_frame *frame, const struct iof_frame *before)
{
	return frame->map == before->map && frame->page == before->page + 1;
}

static void queue_add(struct iof_frame_queue *queue, struct iof_frame *frame)
{
	if (!queue->last || !follows(frame, queue->last))
		queue->runs++;
	frame->next = NULL;
	if (queue->last)
		queue->last->next = frame;
	else
		queue->first = frame;
	queue->last = frame;
}

/* Queues a frame that waits for its load. Called with the lock held. */
void iof_loader_queue(struct iof_pager *pager, struct iof_frame *frame)
{
	struct iof_loader *loader = &pager->loader;
	bool ring = frame->map->source->fd >= 0 && !loader->refused;

	queue_add(ring ? &loader->files : &loader->calls, frame);
	loader->pending++;
}

/* Queues an evicting frame to be written back by iof_evict_load(). Called with the lock held. */
void iof_loader_queue_store(struct iof_pager *pager, struct iof_frame *frame)
{
	queue_add(&pager->loader.stores, frame);
	pager->loader.stores.pending++;
}

/*
 * Are the neighbouring pages of the mapping read one after the other, in the order of the file? The
 * system's read-ahead then finds one sequential reader, and asks the disk for long pieces.
 */
static bool in_order(const struct iof_mapping *map)
{
	return map->source->fd >= 0 && !map->direct;
}

/* Returns the load that reads the page before that of @frame, or NULL. */
static struct iof_load *load_before(const struct iof_frame *frame)
{
	const struct iof_mapping *map = frame->map;
	const struct iof_pager *pager = map->space->pager;
	uint64_t pte = frame->page ? iof_pte_load(iof_mapping_pte(map, frame->page - 1)) : 0;

	if (!(pte & IOF_PTE_LOADING))
		return NULL;
	return pager->frames[((pte & IOF_PTE_ADDR) - pager->pool_iova) >> IOF_PAGE_SHIFT].load;
}

/* Takes up to @most neighbouring frames from @list as the next read of the load. */
static void load_fill(struct iof_load *load, struct iof_frame **list, uint32_t most)
{
	load->next = NULL;
	load->nr = 0;
	load->done = 0;
	load->singly = false;
	do {
		struct iof_frame *frame = *list;

		frame->load = load;
		load->frames[load->nr++] = frame;
		*list = frame->next;
	} while (*list && load->nr < most && follows(*list, load->frames[load->nr - 1]));
	load->start = iof_pager_now();
}

/* Takes the first run of neighbouring frames off the queue. Returns its last frame. */
static struct iof_frame *queue_run(struct iof_frame_queue *queue, struct iof_load *load)
{
	struct iof_frame *last = queue->first;

	last->load = load;
	while (last->next && follows(last->next, last)) {
		last = last->next;
		last->load = load;
	}
	queue->first = last->next;
	if (!queue->first)
		queue->last = NULL;
	last->next = NULL;
	queue->runs--;
	return last;
}

/*
 * Takes the first queued frame, and its neighbours behind it, as a load. A run that goes on where a
 * load in flight ends becomes the rest of that load. Returns NULL if there is no frame, or if all
 * loads are in flight. Called with the lock held.
 */
struct iof_load *iof_load_begin(struct iof_loader *loader, struct iof_frame_queue *queue)
{
	struct iof_load *load = loader->free_loads;

	while (load && queue->first) {
		struct iof_frame *first = queue->first, *last;
		struct iof_load *before;

		if (first->state != IOF_FRAME_LOADING || !in_order(first->map)) {
			loader->free_loads = load->next;
			load->rest = NULL;
			load_fill(load, &queue->first, IOF_LOAD_PAGES);
			last = load->frames[load->nr - 1];
			if (!queue->first)
				queue->last = NULL;
			/* A longer run stays one in the queue. */
			if (!queue->first || !follows(queue->first, last))
				queue->runs--;
			return load;
		}
		before = load_before(first);
		last = queue_run(queue, before ? before : load);
		if (!before) {
			loader->free_loads = load->next;
			load->rest = first;
			load->rest_last = last;
			load_fill(load, &load->rest, IOF_LOAD_FIRST);
			return load;
		}
		if (before->rest)
			before->rest_last->next = first;
		else
			before->rest = first;
		before->rest_last = last;
	}
	return NULL;
}

/*
 * Returns the error of the first failed page that a group or a call waits for, or 0. A page that
 * was only prefetched fails without a report. Called with the lock held.
 */
static int load_error(const struct iof_load *load, uint64_t *offset)
{
	uint32_t i;

	for (i = 0; i < load->nr; i++) {
		const struct iof_frame *frame = load->frames[i];

		if (!frame->err || (frame->guess && frame->hold == 1))
			continue;
		*offset = iof_frame_offset(frame);
		return frame->err;
	}
	return 0;
}

static void load_report(struct iof_pager *pager, struct iof_load *load)
{
	uint64_t offset;
	int err = load_error(load, &offset);

	if (!err)
		return;
	pthread_mutex_unlock(&pager->lock);
	iof_pager_report(
		pager, err, "cannot load the page at offset %llu: %s", (unsigned long long)offset,
		err == -ENODATA ? "the source became shorter and ends before it" : strerror(-err));
	pthread_mutex_lock(&pager->lock);
}

static void load_free(struct iof_loader *loader, struct iof_load *load)
{
	load->next = loader->free_loads;
	loader->free_loads = load;
	/* A thread may have found frames, but no free load. */
	if (loader->calls.first || loader->stores.first)
		pthread_cond_signal(&loader->work);
}

/* Frees a load whose pages were written back. Called with the lock held. */
void iof_load_free(struct iof_pager *pager, struct iof_load *load)
{
	pager->loader.stores.pending -= load->nr;
	load_free(&pager->loader, load);
}

/*
 * Publishes the pages of the loads in the list, and answers the groups that waited for them. Each
 * frame's err has the result of its page. Returns the loads that go on with their rest. Called
 * without the lock.
 */
struct iof_load *iof_loads_end(struct iof_pager *pager, struct iof_load *list)
{
	struct iof_loader *loader = &pager->loader;
	struct iof_load *more = NULL, **last = &more;
	struct iof_waiting *ready = NULL;
	uint64_t now = iof_pager_now();
	uint64_t ended = 0;
	uint32_t i;

	pthread_mutex_lock(&pager->lock);
	while (list) {
		struct iof_load *load = list;

		load_report(pager, load);
		for (i = 0; i < load->nr; i++)
			iof_frame_publish(pager, load->frames[i], &ready);
		pager->stats.load_ns += now - load->start;
		ended += load->nr;
		list = load->next;
		if (!load->rest) {
			load_free(loader, load);
			continue;
		}
		load_fill(load, &load->rest, IOF_LOAD_PAGES);
		*last = load;
		last = &load->next;
	}
	iof_pager_wake(pager);
	iof_waiting_answer(pager, ready);
	/* iof_loader_drain() lets the handler go only after the last answer. */
	loader->pending -= ended;
	if (!loader->pending)
		iof_pager_wake(pager);
	pthread_mutex_unlock(&pager->lock);
	return more;
}

/* Loads pages by calls of their source: all at once, or page by page if that fails. */
static void load_call(struct iof_pager *pager, struct iof_load *load)
{
	uint32_t i;

	if (load->nr > 1 &&
	    iof_frames_transfer(pager, load->iov, load->frames, load->nr, false) >= 0)
		return;
	for (i = 0; i < load->nr; i++) {
		int err = iof_frames_transfer(pager, load->iov, &load->frames[i], 1, false);

		if (err < 0)
			load->frames[i]->err = err;
	}
}

/* Loads by calls, until the pager closes. Called with the lock held. */
void iof_loader_calls(struct iof_pager *pager)
{
	struct iof_loader *loader = &pager->loader;

	while (!loader->stop) {
		struct iof_load *load = iof_load_begin(loader, &loader->calls);
		bool store = !load;

		if (store)
			load = iof_load_begin(loader, &loader->stores);
		if (!load) {
			pthread_cond_wait(&loader->work, &pager->lock);
			continue;
		}
		loader->idle--;
		if (store) {
			loader->store(pager, load);
		} else {
			pthread_mutex_unlock(&pager->lock);
			while (load) {
				load_call(pager, load);
				load = iof_loads_end(pager, load);
			}
			pthread_mutex_lock(&pager->lock);
		}
		loader->idle++;
	}
}

static void *loader_thread(void *arg)
{
	struct iof_pager *pager = arg;

	pthread_setname_np(pthread_self(), "iof-loader");
	pthread_mutex_lock(&pager->lock);
	iof_loader_calls(pager);
	pthread_mutex_unlock(&pager->lock);
	return NULL;
}

static int loader_add(struct iof_pager *pager, void *(*fn)(void *arg))
{
	struct iof_loader *loader = &pager->loader;
	sigset_t before;
	int err;

	iof_signals_block(&before);
	err = -pthread_create(&loader->threads[loader->nr_threads], NULL, fn, pager);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!err)
		loader->nr_threads++;
	return err;
}

/*
 * Wakes the threads that load what was queued, and adds one if all are busy. Called with the lock
 * held; drops it meanwhile.
 */
void iof_loader_kick(struct iof_pager *pager)
{
	struct iof_loader *loader = &pager->loader;
	bool wake = (loader->files.first || loader->given) && loader->asleep;
	uint32_t runs = loader->calls.runs + loader->stores.runs;
	uint64_t one = 1;
	ssize_t wrote;

	if (runs) {
		/*
		 * An idle thread takes one run. If no thread can be added, the others do the work.
		 */
		while (runs > loader->idle && loader->nr_threads < IOF_LOADERS &&
		       !loader_add(pager, loader_thread))
			loader->idle++;
		if (runs == 1)
			pthread_cond_signal(&loader->work);
		else
			pthread_cond_broadcast(&loader->work);
	}
	if (loader->files.first && !loader->ring)
		pthread_cond_signal(&loader->ring_work);
	if (!wake)
		return;
	loader->asleep = false;
	pthread_mutex_unlock(&pager->lock);
	/* A full counter is readable already. */
	wrote = write(loader->kick_fd, &one, sizeof(one));
	(void)wrote;
	pthread_mutex_lock(&pager->lock);
}

/*
 * Takes the next pages of a long load of the ring, of a file that the page cache has. Returns NULL
 * if there is none. Called with the lock held.
 */
static struct iof_load *load_steal(struct iof_loader *loader)
{
	struct iof_load *load = loader->free_loads;
	uint32_t i;

	for (i = 0; load && loader->ring && i < loader->nr_loads; i++) {
		struct iof_load *from = &loader->loads[i];
		const struct iof_source *source;

		if (!from->rest || from == load)
			continue;
		source = from->rest->map->source;
		if (!source->now || __atomic_load_n(&source->misses, __ATOMIC_RELAXED))
			continue;
		loader->free_loads = load->next;
		load->rest = NULL;
		load_fill(load, &from->rest, IOF_LOAD_FIRST);
		return load;
	}
	return NULL;
}

/*
 * Copies some of the pages that the page cache has and that the ring's thread would copy later: so
 * two processors copy. Called with the lock held; drops it meanwhile.
 */
void iof_loader_help(struct iof_pager *pager)
{
	struct iof_loader *loader = &pager->loader;
	struct iof_load *load = load_steal(loader);
	uint32_t pieces = 0;

	while (load && pieces++ < IOF_HELP) {
		uint32_t loaded;
		bool whole;

		pthread_mutex_unlock(&pager->lock);
		loaded = iof_frames_now(pager, load->iov, load->frames, load->nr);
		whole = loaded == load->nr;
		if (whole)
			load = iof_loads_end(pager, load);
		else
			load->done = (uint64_t)loaded << IOF_PAGE_SHIFT;
		pthread_mutex_lock(&pager->lock);
		if (!whole)
			break;
		if (!load)
			load = load_steal(loader);
	}
	if (!load)
		return;
	load->next = loader->given;
	loader->given = load;
	iof_loader_kick(pager);
}

/* Starts the threads; @ring_thread is the one with the ring, iof_ring_thread(). */
int iof_loader_start(struct iof_pager *pager, void *(*ring_thread)(void *arg))
{
	struct iof_loader *loader = &pager->loader;
	uint64_t nr = pager->nr_frames < IOF_LOADS ? pager->nr_frames : IOF_LOADS;
	int err = 0;

	loader->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loader->kick_fd < 0)
		return iof_pager_fail(pager, -errno, "cannot create an eventfd: %s",
				      strerror(errno));
	loader->nr_loads = (uint32_t)nr;
	loader->loads = calloc(nr, sizeof(*loader->loads));
	if (!loader->loads)
		return iof_pager_fail(pager, -ENOMEM, "no memory for %u loads", (unsigned int)nr);
	while (nr--) {
		loader->loads[nr].next = loader->free_loads;
		loader->free_loads = &loader->loads[nr];
	}
	pthread_mutex_lock(&pager->lock);
	err = loader_add(pager, ring_thread);
	if (!err)
		err = loader_add(pager, loader_thread);
	loader->idle = 1; /* the ring's thread counts only when it loads by calls */
	pthread_mutex_unlock(&pager->lock);
	if (err)
		return iof_pager_fail(pager, err, "cannot start the loader threads: %s",
				      strerror(-err));
	return 0;
}

/* Waits until no load or write-back is queued or in flight. Handler threads have ended. */
void iof_loader_drain(struct iof_pager *pager)
{
	pthread_mutex_lock(&pager->lock);
	while (pager->loader.pending || pager->loader.stores.pending)
		iof_pager_wait(pager);
	pthread_mutex_unlock(&pager->lock);
}

/* Ends the threads. No load is queued or in flight, and none comes. */
void iof_loader_stop(struct iof_pager *pager)
{
	struct iof_loader *loader = &pager->loader;
	uint64_t one = 1;
	ssize_t wrote;
	uint32_t i;

	pthread_mutex_lock(&pager->lock);
	loader->stop = true;
	pthread_cond_broadcast(&loader->work);
	pthread_cond_broadcast(&loader->ring_work);
	pthread_mutex_unlock(&pager->lock);
	if (loader->kick_fd >= 0) {
		wrote = write(loader->kick_fd, &one, sizeof(one));
		(void)wrote;
	}
	for (i = 0; i < loader->nr_threads; i++)
		pthread_join(loader->threads[i], NULL);
	if (loader->kick_fd >= 0)
		close(loader->kick_fd);
	free(loader->loads);
}
