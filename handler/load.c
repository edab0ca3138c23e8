// SPDX-License-Identifier: MIT
/*
 * load.c - the loader: threads that load the pages that a fault cannot have at once.
 *
 * A fault queues frames in the state LOADING (iof_loader_queue()), sorted by address within its
 * batch. A loader thread takes the first frame and its neighbours behind it as one struct iof_load,
 * a single read of up to IOF_LOAD_PAGES pages. So the number of loads in flight does not depend on
 * the number of handler threads, and pages of neighbouring requests become one read.
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

#define IOF_LOAD_PAGES 64u /* a longer read answers its first pages later, and is not faster */

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
 * Takes the first queued frame, and its neighbours behind it, as a load. Returns NULL if there is
 * none, or if all loads are in flight. Called with the lock held.
 */
struct iof_load *iof_load_begin(struct iof_loader *loader, struct iof_frame_queue *queue)
{
	struct iof_load *load = loader->free_loads;
	struct iof_frame *frame = queue->first;

	if (!load || !frame)
		return NULL;
	loader->free_loads = load->next;
	load->next = NULL;
	load->nr = 0;
	load->done = 0;
	load->singly = false;
	do {
		load->frames[load->nr++] = frame;
		queue->first = frame->next;
		if (!queue->first)
			queue->last = NULL;
		else if (!follows(queue->first, frame))
			break;
		frame = queue->first;
	} while (frame && load->nr < IOF_LOAD_PAGES);
	/* A longer run stays one in the queue. */
	if (!queue->first || !follows(queue->first, load->frames[load->nr - 1]))
		queue->runs--;
	load->start = iof_pager_now();
	return load;
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
 * frame's err has the result of its page. Called without the lock.
 */
void iof_loads_end(struct iof_pager *pager, struct iof_load *list)
{
	struct iof_loader *loader = &pager->loader;
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
		load_free(loader, load);
	}
	iof_pager_wake(pager);
	iof_waiting_answer(pager, ready);
	/* iof_loader_drain() lets the handler go only after the last answer. */
	loader->pending -= ended;
	if (!loader->pending)
		iof_pager_wake(pager);
	pthread_mutex_unlock(&pager->lock);
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
			load_call(pager, load);
			iof_loads_end(pager, load);
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
	bool wake = loader->files.first && loader->asleep;
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
