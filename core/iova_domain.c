// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iova_domain.c - which areas of a map are in which domain.
 *
 * A new domain is filled area by area, from low IOVAs to high ones. It belongs
 * to the map from the start and shows the areas below domain->fill_next. The
 * memory of the next area is pinned with no lock held.
 *
 * Each domain that shows an area is one user of the area's pages.
 */
#include "ioas.h"

/*
 * Records that @area is in @domain, which is being filled. A thread that checks
 * fill_next for another area may see the old or the new value, since areas do
 * not overlap. Called with domains_rwsem held, for reading or writing.
 */
static void set_filled(struct iof_domain *domain, const struct iof_area *area)
{
	if (area->last >= READ_ONCE(domain->fill_next))
		WRITE_ONCE(domain->fill_next, area->last == ULONG_MAX ?
						      ULONG_MAX :
						      area->last + 1);
}

/*
 * Pins @area for @domain and enters it, in the longest pieces that physical
 * memory and options allow.
 */
static int enter_area(struct iof_map *map, struct iof_domain *domain,
		      struct iof_area *area)
{
	unsigned long index = iof_area_first_page(area),
		      last = iof_area_last_page(area);
	unsigned long skip = area->offset & ~PAGE_MASK;
	unsigned long iova = area->iova;
	int rc;

	rc = iof_pages_pin(area->pages, index, last);
	if (rc)
		return rc;
	while (index <= last) {
		phys_addr_t pa;
		unsigned long run =
			iof_pages_run(area->pages, index,
				      map->huge_pages ? last : index, &pa);
		unsigned long size =
			min((run << PAGE_SHIFT) - skip, area->last - iova + 1);

		rc = domain->ops->map(domain, iova, pa + skip, size,
				      area->prot);
		if (rc)
			goto err_unmap;
		iova += size;
		index += run;
		skip = 0;
		rc = iof_resched();
		if (rc)
			goto err_unmap;
	}
	return 0;

err_unmap:
	if (iova != area->iova) {
		domain->ops->unmap(domain, area->iova, iova - area->iova);
		domain->ops->sync(domain, area->iova, iova - 1);
	}
	iof_pages_unpin(area->pages, iof_area_first_page(area), last);
	return rc;
}

void iof_areas_leave(struct iof_domain *domain, struct list_head *list,
		     struct iof_area *end)
{
	struct iof_area *area, *last = NULL;

	list_for_each_entry(area, list, work) {
		if (area == end || !iof_domain_shows(domain, area))
			break;
		domain->ops->unmap(domain, area->iova,
				   area->last - area->iova + 1);
		last = area;
		cond_resched();
	}
	if (!last)
		return;
	area = list_first_entry(list, struct iof_area, work);
	domain->ops->sync(domain, area->iova, last->last);
	list_for_each_entry(area, list, work) {
		if (area == end || !iof_domain_shows(domain, area))
			break;
		iof_pages_unpin(area->pages, iof_area_first_page(area),
				iof_area_last_page(area));
		cond_resched();
	}
}

static int enter_areas(struct iof_map *map, struct iof_domain *domain,
		       struct list_head *list)
{
	struct iof_area *area;

	list_for_each_entry(area, list, work) {
		int rc;

		if (!iof_domain_shows(domain, area))
			break;
		rc = enter_area(map, domain, area);
		if (rc) {
			iof_areas_leave(domain, list, area);
			return rc;
		}
		if (domain->filling)
			set_filled(domain, area);
	}
	return 0;
}

int iof_areas_enter(struct iof_map *map, struct list_head *list)
{
	struct iof_domain *domain;
	int rc;

	lockdep_assert_held(&map->domains_rwsem);
	list_for_each_entry(domain, &map->domains, map_node) {
		rc = enter_areas(map, domain, list);
		if (rc)
			goto err_leave;
	}
	return 0;

err_leave:
	list_for_each_entry_continue_reverse(domain, &map->domains, map_node)
		iof_areas_leave(domain, list, NULL);
	return rc;
}

void iof_map_idle_areas(struct iof_map *map, struct list_head *list)
{
	struct rb_node *node;

	lockdep_assert_held(&map->domains_rwsem);
	for (node = rb_first(&map->areas); node; node = rb_next(node)) {
		struct iof_area *area = rb_entry(node, struct iof_area, node);

		if (!area->busy)
			list_add_tail(&area->work, list);
		cond_resched();
	}
}

/* ---- a new domain ---- */

/* Returns the next area to enter into a domain that is being filled. */
static struct iof_area *next_to_fill(struct iof_map *map,
				     struct iof_domain *domain)
{
	struct iof_area *area;

	lockdep_assert_held(&map->domains_rwsem);
	area = iof_map_first_area(map, domain->fill_next, ULONG_MAX);
	/*
	 * The thread that makes a busy area enters it. An area that reaches
	 * past fill_next is entered already.
	 */
	while (area && (area->busy || area->iova < domain->fill_next))
		area = iof_map_next_area(area);
	return area;
}

/* Memory that the filling thread pins before the domain needs it. */
struct iof_fill_hold {
	struct iof_pages *pages; /* a reference; NULL: nothing is pinned */
	unsigned long first, last;
};

static void end_hold(struct iof_fill_hold *hold)
{
	if (!hold->pages)
		return;
	iof_pages_unpin(hold->pages, hold->first, hold->last);
	iof_pages_put(hold->pages);
	hold->pages = NULL;
}

/* Is the memory of @area pinned here? The area may have changed since. */
static bool is_held(const struct iof_fill_hold *hold,
		    const struct iof_area *area)
{
	return hold->pages == area->pages &&
	       hold->first <= iof_area_first_page(area) &&
	       hold->last >= iof_area_last_page(area);
}

/*
 * Drops domains_rwsem and pins the memory of @area. Returns with the lock held
 * for writing.
 */
static int hold_area(struct iof_map *map, struct iof_fill_hold *hold,
		     struct iof_area *area)
{
	struct iof_fill_hold next = { area->pages, iof_area_first_page(area),
				      iof_area_last_page(area) };
	int rc;

	iof_pages_get(next.pages);
	up_write(&map->domains_rwsem);
	end_hold(hold);
	rc = iof_pages_pin(next.pages, next.first, next.last);
	if (rc)
		iof_pages_put(next.pages);
	else
		*hold = next;
	down_write(&map->domains_rwsem);
	return rc ?: iof_resched();
}

int iof_map_fill_domain(struct iof_map *map, struct iof_domain *domain)
{
	struct iof_fill_hold hold = {};
	struct iof_area *area;
	LIST_HEAD(areas);
	int rc = 0;

	domain->filling = true;
	domain->fill_next = 0;
	list_add_tail(&domain->map_node, &map->domains);
	while (!rc && (area = next_to_fill(map, domain))) {
		if (!is_held(&hold, area)) {
			rc = hold_area(map, &hold, area);
			continue;
		}
		rc = enter_area(map, domain, area);
		if (!rc)
			set_filled(domain, area);
	}
	if (rc) {
		list_del(&domain->map_node);
		iof_map_idle_areas(map, &areas);
		iof_areas_leave(domain, &areas, NULL);
	}
	domain->filling = false;
	end_hold(&hold);
	return rc;
}
