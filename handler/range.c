// SPDX-License-Identifier: MIT
/*
 * range.c - operations of a program on a range of pages: populate, pin, refuse, sync.
 *
 * Populate and pin call iof_resolve() with groups of one page each, to which no response is
 * written. Pins are counted for each frame. They always leave enough unpinned frames to serve the
 * device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pager_private.h"

/* Page requests and groups of one page each, made for the pages of a range. */
struct iof_asking {
	struct iommu_hwpt_pgfault faults[IOF_CHUNK];
	struct iof_fault_group groups[IOF_CHUNK];
};

static uint32_t ask(struct iof_asking *asking, uint32_t pasid, uint64_t iova, uint64_t pages)
{
	uint32_t nr = pages < IOF_CHUNK ? (uint32_t)pages : IOF_CHUNK;
	uint32_t i;

	memset(asking, 0, sizeof(*asking));
	for (i = 0; i < nr; i++) {
		asking->faults[i].addr = iova + ((uint64_t)i << IOF_PAGE_SHIFT);
		asking->faults[i].perm = IOMMU_PGFAULT_PERM_READ;
		asking->groups[i].pages = &asking->faults[i];
		asking->groups[i].nr_pages = 1;
		asking->groups[i].pasid = pasid;
		asking->groups[i].response = IOF_INVALID;
	}
	return nr;
}

static uint32_t is_granted(const struct iof_asking *asking, uint32_t nr)
{
	uint32_t granted = 0;
	uint32_t i;

	for (i = 0; i < nr; i++)
		granted += asking->groups[i].response == IOF_SUCCESS;
	return granted;
}

long iof_pager_populate(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length)
{
	struct iof_asking asking;
	uint64_t pages, done;
	long there = 0;
	int err = iof_range_check(pager, iova, &length);

	pages = length >> IOF_PAGE_SHIFT;
	for (done = 0; !err && done < pages;) {
		uint64_t start = iova + (done << IOF_PAGE_SHIFT);
		uint32_t nr = ask(&asking, pasid, start, pages - done);

		err = iof_resolve(pager, asking.groups, nr,
				  IOF_RESOLVE_QUIET | IOF_RESOLVE_NO_EVICT);
		there += is_granted(&asking, nr);
		done += nr;
	}
	if (!err || err == -ENOSPC)
		return there;
	if (err == -ENOENT)
		iof_pager_fail(pager, err, "a page behind I/O address 0x%llx is not mapped",
			       (unsigned long long)iova);
	return err;
}

/* Returns the frame of a resident page, or NULL. Called with the lock held. */
static struct iof_frame *frame_at(struct iof_pager *pager, struct iof_space *space, uint64_t addr)
{
	struct iof_mapping *map = space ? iof_mapping_find(space, addr) : NULL;
	uint64_t pte;

	if (!map || !map->source)
		return NULL;
	pte = iof_pte_load(iof_mapping_pte(map, (addr - map->iova) >> IOF_PAGE_SHIFT));
	if (!(pte & IOF_PTE_PRESENT))
		return NULL;
	return &pager->frames[((pte & IOF_PTE_ADDR) - pager->pool_iova) >> IOF_PAGE_SHIFT];
}

/* Unpins @nr pages once each. With @asking, skips pages without SUCCESS there. */
static void unpin(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t nr,
		  const struct iof_asking *asking)
{
	struct iof_space *space;
	uint64_t i;

	pthread_mutex_lock(&pager->lock);
	space = iof_pager_space(pager, pasid);
	for (i = 0; i < nr; i++) {
		struct iof_frame *frame;

		if (asking && asking->groups[i].response != IOF_SUCCESS)
			continue;
		frame = frame_at(pager, space, iova + (i << IOF_PAGE_SHIFT));
		if (frame && frame->pins && !--frame->pins)
			pager->stats.pinned--;
	}
	iof_pager_wake(pager);
	pthread_mutex_unlock(&pager->lock);
}

/* Would pinning the range leave enough unpinned frames? */
static bool pin_fits(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t pages)
{
	uint64_t most = pager->nr_frames - pager->least;
	struct iof_space *space;
	uint64_t more = pages;
	uint64_t i;

	/* A range with more pages than the pool has frames cannot be pinned. */
	if (pages > pager->nr_frames)
		return false;
	pthread_mutex_lock(&pager->lock);
	space = iof_pager_space(pager, pasid);
	for (i = 0; i < pages; i++) {
		struct iof_frame *frame = frame_at(pager, space, iova + (i << IOF_PAGE_SHIFT));

		if (frame && frame->pins)
			more--;
	}
	more += pager->stats.pinned;
	pthread_mutex_unlock(&pager->lock);
	return more <= most;
}

int iof_pager_pin(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length)
{
	struct iof_asking asking;
	uint64_t pages, done;
	int err = iof_range_check(pager, iova, &length);

	if (err)
		return err;
	pages = length >> IOF_PAGE_SHIFT;
	pthread_mutex_lock(&pager->map_lock);
	if (!pin_fits(pager, pasid, iova, pages)) {
		err = iof_pager_fail(pager, -ENOSPC,
				     "pinning %llu pages would leave fewer than the "
				     "%llu pages that the device needs",
				     (unsigned long long)pages, (unsigned long long)pager->least);
		goto out;
	}
	for (done = 0; done < pages;) {
		uint64_t start = iova + (done << IOF_PAGE_SHIFT);
		uint32_t nr = ask(&asking, pasid, start, pages - done);

		err = iof_resolve(pager, asking.groups, nr, IOF_RESOLVE_QUIET | IOF_RESOLVE_PIN);
		if (err) {
			unpin(pager, pasid, start, nr, &asking);
			unpin(pager, pasid, iova, done, NULL);
			iof_pager_fail(pager, err,
				       "cannot pin %llu pages at I/O address 0x%llx: %s",
				       (unsigned long long)pages, (unsigned long long)iova,
				       err == -ENOENT ? "a page is not mapped, or is refused" :
							strerror(-err));
			break;
		}
		done += nr;
	}
out:
	pthread_mutex_unlock(&pager->map_lock);
	return err;
}

int iof_pager_unpin(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length)
{
	int err = iof_range_check(pager, iova, &length);

	if (err)
		return err;
	pthread_mutex_lock(&pager->map_lock);
	unpin(pager, pasid, iova, length >> IOF_PAGE_SHIFT, NULL);
	pthread_mutex_unlock(&pager->map_lock);
	return 0;
}

/*
 * Adds a range to the refused ones, and joins it with those it touches. Called with map_lock held.
 */
static int refuse_add(struct iof_space *space, uint64_t start, uint64_t end)
{
	struct iof_range *ranges = calloc(space->nr_refused + 1, sizeof(*ranges));
	struct iof_range *old = space->refused;
	uint32_t nr = 0;
	uint32_t i;

	if (!ranges)
		return -ENOMEM;
	for (i = 0; i < space->nr_refused && old[i].end < start; i++)
		ranges[nr++] = old[i];
	for (; i < space->nr_refused && old[i].start <= end; i++) {
		start = old[i].start < start ? old[i].start : start;
		end = old[i].end > end ? old[i].end : end;
	}
	ranges[nr].start = start;
	ranges[nr++].end = end;
	for (; i < space->nr_refused; i++)
		ranges[nr++] = old[i];
	pthread_mutex_lock(&space->pager->lock);
	space->refused = ranges;
	space->nr_refused = nr;
	pthread_mutex_unlock(&space->pager->lock);
	free(old);
	return 0;
}

/* Sets @first and @last to the pages of @map in the range. Returns false if there are none. */
static bool mapping_part(const struct iof_mapping *map, uint64_t start, uint64_t end,
			 uint64_t *first, uint64_t *last)
{
	uint64_t map_end = iof_mapping_addr(map, map->pages);

	if (map->iova >= end || map_end <= start || !map->source)
		return false;
	*first = start > map->iova ? (start - map->iova) >> IOF_PAGE_SHIFT : 0;
	*last = ((end < map_end ? end : map_end) - 1 - map->iova) >> IOF_PAGE_SHIFT;
	return true;
}

int iof_pager_refuse(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length)
{
	struct iof_space *space;
	uint64_t first, last;
	uint32_t at;
	int err = iof_range_check(pager, iova, &length);

	if (err)
		return err;
	pthread_mutex_lock(&pager->map_lock);
	space = iof_pager_space(pager, pasid);
	if (!space) {
		err = iof_pager_fail(pager, -ENOENT, "PASID %u is not attached", pasid);
		goto out;
	}
	err = refuse_add(space, iova, iova + length);
	if (err) {
		iof_pager_fail(pager, err, "no memory to remember a refused range");
		goto out;
	}
	pthread_mutex_lock(&pager->lock);
	for (at = iof_mapping_at(space, iova); at < space->nr_maps && !err; at++) {
		if (mapping_part(space->maps[at], iova, iova + length, &first, &last))
			err = iof_expel(space->maps[at], first, last, 0);
	}
	pthread_mutex_unlock(&pager->lock);
	if (err)
		iof_pager_fail(pager, err, "a refused page was not written back: %s",
			       strerror(-err));
out:
	pthread_mutex_unlock(&pager->map_lock);
	return err;
}

int iof_pager_sync(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length)
{
	struct iof_space *space;
	uint64_t first, last;
	bool found = false;
	uint32_t at;
	int result;

	result = iof_range_check(pager, iova, &length);
	if (result)
		return result;
	pthread_mutex_lock(&pager->map_lock);
	pthread_mutex_lock(&pager->lock);
	space = iof_pager_space(pager, pasid);
	at = space ? iof_mapping_at(space, iova) : 0;
	for (; space && at < space->nr_maps; at++) {
		struct iof_mapping *map = space->maps[at];
		int err = 0;

		if (map->iova >= iova + length)
			break;
		found = true;
		if (mapping_part(map, iova, iova + length, &first, &last))
			err = iof_sync_map(map, first, last);
		if (err && !result)
			result = err;
	}
	pthread_mutex_unlock(&pager->lock);
	pthread_mutex_unlock(&pager->map_lock);
	if (!found)
		return iof_pager_fail(pager, -ENOENT, "no page is mapped at I/O address 0x%llx",
				      (unsigned long long)iova);
	if (result)
		iof_pager_fail(pager, result, "pages were not written back: %s", strerror(-result));
	return result;
}
