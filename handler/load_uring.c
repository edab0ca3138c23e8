// SPDX-License-Identifier: MIT
/*
 * load_uring.c - loads files by io_uring: all that is queued is one submission, and completions are
 * published as they come.
 *
 * One thread owns the ring, submits, and reaps. While it sleeps for a completion, a read of the
 * eventfd loader.kick_fd is in flight too, which iof_loader_kick() ends.
 *
 * A read may move less than it was asked for: the rest is submitted again. At the end of the file
 * the pages that are cut off fail with -ENODATA. After another error the rest of the load is read
 * page by page, so that only the bad pages fail.
 */
#include <errno.h>
#include <liburing.h>
#include <string.h>

#include "pager_private.h"

#define RING_ENTRIES 256u /* more than IOF_LOADS, for the read of the eventfd */

static int ring_open(struct io_uring *ring)
{
	/* Flags of newer systems first: completions interrupt no thread until it asks for them. */
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	int err = -EINVAL;
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]) && err == -EINVAL; i++)
		err = io_uring_queue_init(RING_ENTRIES, ring, flags[i]);
	return err;
}

/* Returns how many bytes of the load lie inside of the source. */
static uint64_t load_inside(const struct iof_load *load)
{
	uint64_t offset = iof_frame_offset(load->frames[0]);
	uint64_t size = load->frames[0]->map->source->size;
	uint64_t bytes = (uint64_t)load->nr << IOF_PAGE_SHIFT;

	if (offset >= size)
		return 0;
	return size - offset < bytes ? size - offset : bytes;
}

/*
 * Submits what is left of a load; singly: up to the end of its page. A direct read takes whole
 * pages, also at the end of the file.
 */
static void ring_submit(struct iof_pager *pager, struct io_uring *ring, struct iof_load *load)
{
	const struct iof_mapping *map = load->frames[0]->map;
	int fd = map->direct ? map->source->direct_fd : map->source->fd;
	uint64_t offset = iof_frame_offset(load->frames[0]);
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	uint64_t end = map->direct ? (uint64_t)load->nr << IOF_PAGE_SHIFT : load_inside(load);
	uint64_t at = load->done;
	unsigned int nr = 0;

	if (load->singly && end > (at | IOF_PAGE_MASK) + 1)
		end = (at | IOF_PAGE_MASK) + 1;
	while (at < end) {
		char *memory = iof_frame_memory(pager, load->frames[at >> IOF_PAGE_SHIFT]);
		uint64_t here = at & IOF_PAGE_MASK;
		uint64_t bytes = IOF_PAGER_PAGE - here;

		if (bytes > end - at)
			bytes = end - at;
		memory += here;
		if (nr &&
		    (char *)load->iov[nr - 1].iov_base + load->iov[nr - 1].iov_len == memory) {
			load->iov[nr - 1].iov_len += bytes;
		} else {
			load->iov[nr].iov_base = memory;
			load->iov[nr++].iov_len = bytes;
		}
		at += bytes;
	}
	if (nr == 1)
		io_uring_prep_read(sqe, fd, load->iov[0].iov_base,
				   (unsigned int)load->iov[0].iov_len, offset + load->done);
	else
		io_uring_prep_readv(sqe, fd, load->iov, nr, offset + load->done);
	io_uring_sqe_set_data(sqe, load);
}

/* Zeroes what lies behind the end of the source in the last page. */
static void load_tail(struct iof_pager *pager, struct iof_load *load, uint64_t inside)
{
	uint64_t end = (uint64_t)load->nr << IOF_PAGE_SHIFT;

	while (inside < end) {
		struct iof_frame *frame = load->frames[inside >> IOF_PAGE_SHIFT];
		uint64_t here = inside & IOF_PAGE_MASK;

		memset((char *)iof_frame_memory(pager, frame) + here, 0, IOF_PAGER_PAGE - here);
		inside += IOF_PAGER_PAGE - here;
	}
}

/* Enters the result of a read. Returns true if the load is complete, false if a rest is left. */
static bool load_advance(struct iof_pager *pager, struct iof_load *load, int result)
{
	uint64_t inside = load_inside(load);
	uint32_t page;

	if (result > 0)
		load->done += (uint64_t)result;
	/* A direct read does not go on inside of a block: the file ends there. */
	if (result > 0 && load->frames[0]->map->direct && load->done < inside &&
	    load->done & IOF_PAGE_MASK)
		result = 0;
	if (!result) {
		for (page = (uint32_t)(load->done >> IOF_PAGE_SHIFT); page < load->nr; page++)
			load->frames[page]->err = -ENODATA;
		return true;
	} else if (result < 0 && result != -EINTR && result != -EAGAIN) {
		page = (uint32_t)(load->done >> IOF_PAGE_SHIFT);
		if (load->singly || page + 1 == load->nr) {
			load->frames[page]->err = result;
			load->done = (uint64_t)(page + 1) << IOF_PAGE_SHIFT;
		}
		load->singly = true;
	}
	if (load->done < inside)
		return false;
	load_tail(pager, load, inside);
	return true;
}

/* Takes completions off the ring. Submits rests again; returns the list of complete loads. */
static struct iof_load *ring_reap(struct iof_pager *pager, struct io_uring *ring, bool *kicked)
{
	struct iof_load *first = NULL, **last = &first;
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(ring, &cqe)) {
		struct iof_load *load = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(ring, cqe);
		if (!load) {
			*kicked = true;
		} else if (load_advance(pager, load, result)) {
			*last = load;
			last = &load->next;
		} else {
			ring_submit(pager, ring, load);
		}
	}
	return first;
}

/*
 * Loads files until the pager closes. Called with the lock held, and returns with it: 0, or an
 * error if there is no ring to be had.
 */
static int ring_run(struct iof_pager *pager)
{
	struct iof_loader *loader = &pager->loader;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	bool kicked = true;
	uint64_t count;
	int err;

	loader->ring = true;
	pthread_mutex_unlock(&pager->lock);
	err = ring_open(&ring);
	pthread_mutex_lock(&pager->lock);
	if (err) {
		loader->ring = false;
		return err;
	}
	while (!loader->stop) {
		struct iof_load *load;

		while ((load = loader->given)) {
			loader->given = load->next;
			load->next = NULL;
			ring_submit(pager, &ring, load);
		}
		while ((load = iof_load_begin(loader, &loader->files)))
			ring_submit(pager, &ring, load);
		loader->asleep = true;
		pthread_mutex_unlock(&pager->lock);
		if (kicked) {
			kicked = false;
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_read(sqe, loader->kick_fd, &count, sizeof(count), 0);
			io_uring_sqe_set_data(sqe, NULL);
		}
		io_uring_submit_and_wait(&ring, 1);
		load = ring_reap(pager, &ring, &kicked);
		if (load)
			load = iof_loads_end(pager, load);
		while (load) {
			struct iof_load *next = load->next;

			load->next = NULL;
			ring_submit(pager, &ring, load);
			load = next;
		}
		pthread_mutex_lock(&pager->lock);
		loader->asleep = false;
	}
	pthread_mutex_unlock(&pager->lock);
	io_uring_queue_exit(&ring);
	pthread_mutex_lock(&pager->lock);
	return 0;
}

/* The first thread: has the ring, if the system grants one when the first file is to be loaded. */
void *iof_ring_thread(void *arg)
{
	struct iof_pager *pager = arg;
	struct iof_loader *loader = &pager->loader;

	pthread_setname_np(pthread_self(), "iof-ring");
	pthread_mutex_lock(&pager->lock);
	while (!loader->stop && !loader->files.first)
		pthread_cond_wait(&loader->ring_work, &pager->lock);
	if (!loader->stop && ring_run(pager)) {
		/* The frames that waited for the ring are loaded by calls. */
		loader->refused = true;
		if (!loader->calls.first)
			loader->calls.first = loader->files.first;
		else
			loader->calls.last->next = loader->files.first;
		if (loader->files.first)
			loader->calls.last = loader->files.last;
		loader->files.first = loader->files.last = NULL;
		loader->calls.runs += loader->files.runs;
		loader->idle++;
		pthread_cond_broadcast(&loader->work);
	}
	iof_loader_calls(pager);
	pthread_mutex_unlock(&pager->lock);
	return NULL;
}
