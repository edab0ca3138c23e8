// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iova_remove.c - removes mappings: unmap and cut, and the request to accesses
 * to unpin.
 *
 * Removal mirrors creation (iova_map.c). Areas are marked busy under
 * iova_rwsem, taken out of every domain with domains_rwsem held for reading,
 * synced, unpinned, and then erased. A killed caller can leave until the first
 * area is marked, with nothing changed. Marked areas are removed to the end,
 * since putting them back could fail.
 *
 * An area with pins of accesses is marked 'leaving', which prevents new pins.
 * Its accesses are then asked to unpin, without any lock of the map.
 */
#include "ioas.h"
#include "records.h"

/*
 * Number of times that an unmap asks accesses to unpin before it returns
 * -EDEADLK.
 */
#define ASK_TIMES 100

/* ---- unmap ---- */

/* The state of a removal of [start, last] in progress. */
struct iof_removal {
	unsigned long start, last;
	bool may_be_empty;
	unsigned long bytes; /* number of bytes removed */
	/* list of the areas that are being removed (struct iof_area.work) */
	struct list_head list;
	/* with -EAGAIN: the range in which accesses hold pages */
	unsigned long kept, kept_last;
};

/*
 * Was the caller killed, and can it still leave? It can while no area is
 * marked.
 */
static bool is_killed(const struct iof_removal *r)
{
	return iof_resched() && !r->bytes;
}

/*
 * Marks the areas within [start, last] busy and puts them on the list, up to
 * the first area that cannot be removed. -EAGAIN: only pins of accesses keep
 * that area. It and the removable areas after it are marked 'leaving'; kept to
 * kept_last spans them, so that accesses are asked for all of them at once.
 */
static int claim_areas(struct iof_map *map, struct iof_removal *r)
{
	struct iof_area *area = iof_map_first_area(map, r->start, r->last);
	bool found = false;

	lockdep_assert_held(&map->iova_rwsem);
	if (!area)
		return r->may_be_empty || r->bytes ? 0 : -ENOENT;
	for (; area && area->iova <= r->last; area = iof_map_next_area(area)) {
		if (area->busy)
			return found ? -EAGAIN : -EBUSY;
		if (area->iova < r->start || area->last > r->last)
			return found ? -EAGAIN : -ENOENT;
		if (is_killed(r)) {
			iof_areas_set_idle(&r->list);
			return -EINTR;
		}
		if (atomic_read(&area->accesses)) {
			area->leaving = true;
			if (!found)
				r->kept = area->iova;
			r->kept_last = area->last;
			found = true;
		} else if (!found) {
			area->busy = true;
			list_add_tail(&area->work, &r->list);
		}
	}
	return found ? -EAGAIN : 0;
}

static int claim(struct iof_map *map, struct iof_removal *r)
{
	int rc = 0;

	/* Marked areas are removed even if the caller was killed. */
	if (r->bytes)
		down_write(&map->iova_rwsem);
	else
		rc = down_write_killable(&map->iova_rwsem);
	if (rc)
		return rc;
	rc = claim_areas(map, r);
	up_write(&map->iova_rwsem);
	return rc;
}

/* Removes the areas that are not pinned. */
static int remove_some(struct iof_map *map, struct iof_removal *r)
{
	struct iof_domain *domain;
	struct iof_area *area;
	int rc = 0;

	INIT_LIST_HEAD(&r->list);
	if (r->bytes)
		down_read(&map->domains_rwsem);
	else
		rc = down_read_killable(&map->domains_rwsem);
	if (rc)
		return rc;
	rc = claim(map, r);
	if (list_empty(&r->list))
		goto out;
	list_for_each_entry(domain, &map->domains, map_node)
		iof_areas_leave(domain, &r->list, NULL);
	list_for_each_entry(area, &r->list, work) {
		r->bytes += area->last - area->iova + 1;
		cond_resched();
	}
	down_write(&map->iova_rwsem);
	iof_map_erase_areas(map, &r->list, NULL);
	up_write(&map->iova_rwsem);
out:
	up_read(&map->domains_rwsem);
	iof_areas_free(&r->list);
	return rc;
}

/* Asks every access of the map to unpin [iova, last]. */
static void notify_accesses(struct iof_map *map, unsigned long iova,
			    unsigned long last)
{
	struct iof_map_access *ma;

	mutex_lock(&map->access_lock);
	list_for_each_entry(ma, &map->accesses, node) {
		if (ma->access->ops->unmap)
			ma->access->ops->unmap(ma->access->priv, iova, last);
		cond_resched();
	}
	mutex_unlock(&map->access_lock);
}

/*
 * Permits pins in [start, last] again, after an unmap gave up or a cut ended.
 */
static void stay(struct iof_map *map, unsigned long start, unsigned long last)
{
	struct iof_area *area;

	down_write(&map->iova_rwsem);
	for (area = iof_map_first_area(map, start, last);
	     area && area->iova <= last; area = iof_map_next_area(area)) {
		area->leaving = false;
		cond_resched();
	}
	up_write(&map->iova_rwsem);
}

int iof_map_remove(struct iof_map *map, unsigned long start, unsigned long last,
		   bool may_be_empty, unsigned long *bytes)
{
	struct iof_removal r = { .start = start,
				 .last = last,
				 .may_be_empty = may_be_empty };
	bool any_asked = false;
	unsigned int asked = 0;
	unsigned long before;
	int rc;

	for (;;) {
		before = r.bytes;
		rc = remove_some(map, &r);
		if (rc != -EAGAIN)
			break;
		asked = r.bytes == before ? asked + 1 : 0;
		/*
		 * All areas below are removed: later mappings there are not
		 * part of this call.
		 */
		r.start = r.kept;
		any_asked = true;
		if (asked > ASK_TIMES) {
			rc = -EDEADLK;
			break;
		}
		notify_accesses(map, r.kept, r.kept_last);
	}
	if (rc && any_asked)
		stay(map, r.start, r.last);
	*bytes = r.bytes;
	return rc;
}

/* ---- cut ---- */

/* Makes the area on @fresh the upper part of @area, from @iova on. */
static void cut_area(struct iof_map *map, struct iof_area *area,
		     unsigned long iova, struct list_head *fresh)
{
	struct iof_area *upper = list_first_entry(fresh, struct iof_area, work);

	lockdep_assert_held(&map->iova_rwsem);
	iof_pages_get(area->pages);
	upper->pages = area->pages;
	upper->iova = iova;
	upper->last = area->last;
	upper->offset = area->offset + (iova - area->iova);
	upper->prot = area->prot;
	area->last = iova - 1;
	list_del(&upper->work);
	iof_map_link_area(map, upper);
}

/*
 * Cuts @area at @iova. With large pages off, each domain maps each page by
 * itself, so that only the area must be cut. -EAGAIN: an access has pinned
 * pages in *first to *last; new pins there are refused.
 */
static int try_cut(struct iof_map *map, unsigned long iova,
		   struct list_head *fresh, unsigned long *first,
		   unsigned long *last)
{
	struct iof_area *area;
	int rc;

	rc = down_read_killable(&map->domains_rwsem);
	if (rc)
		return rc;
	rc = down_write_killable(&map->iova_rwsem);
	if (rc)
		goto out_domains;
	area = iof_map_first_area(map, iova, iova);
	if (!area || area->iova == iova)
		goto out;
	if (map->huge_pages || iova & (map->alignment - 1)) {
		rc = -EINVAL;
	} else if (area->busy) {
		rc = -EBUSY;
	} else if (atomic_read(&area->accesses)) {
		area->leaving = true;
		*first = area->iova;
		*last = area->last;
		rc = -EAGAIN;
	} else {
		cut_area(map, area, iova, fresh);
	}
out:
	up_write(&map->iova_rwsem);
out_domains:
	up_read(&map->domains_rwsem);
	return rc;
}

int iof_map_cut(struct iof_map *map, unsigned long iova)
{
	struct iof_area *upper = kmem_cache_zalloc(iof_area_cache, GFP_KERNEL);
	unsigned long first = 0, last = 0;
	unsigned int asked = 0;
	LIST_HEAD(fresh);
	int rc;

	if (!upper)
		return -ENOMEM;
	atomic_set(&upper->accesses, 0);
	list_add(&upper->work, &fresh);
	while ((rc = try_cut(map, iova, &fresh, &first, &last)) == -EAGAIN) {
		if (asked++ == ASK_TIMES) {
			rc = -EDEADLK;
			break;
		}
		notify_accesses(map, first, last);
	}
	if (asked)
		stay(map, first, last);
	if (!list_empty(&fresh))
		kmem_cache_free(iof_area_cache, upper);
	return rc;
}
