// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iova_map.c - the map of an I/O address space: mappings, and the domains that
 * show them.
 *
 * Owns struct iof_map. A mapping is made in steps. Its areas are entered busy
 * under iova_rwsem, so that exactly one of two threads gets an IOVA. If there
 * is a domain, their memory is pinned with no lock held. They are entered into
 * every domain with domains_rwsem held for reading. Then they are published. A
 * failure undoes the steps in reverse.
 *
 * Removal mirrors this (iova_remove.c): each domain is synced once for all
 * areas of a call. It neither allocates nor fails. iova_domain.c enters areas
 * into domains, and fills new domains.
 */
#include "ioas.h"

/* ---- making mappings ---- */

/*
 * Pins the areas of @list, which are in no domain yet. Called with no lock
 * held.
 */
static int pin_new(struct list_head *list)
{
	struct iof_area *area;
	int rc = 0;

	list_for_each_entry(area, list, work) {
		rc = iof_pages_pin(area->pages, iof_area_first_page(area),
				   iof_area_last_page(area));
		if (rc)
			break;
		cond_resched();
	}
	if (!rc)
		return 0;
	list_for_each_entry_continue_reverse(area, list, work) {
		iof_pages_unpin(area->pages, iof_area_first_page(area),
				iof_area_last_page(area));
		cond_resched();
	}
	return rc;
}

/* Ends what pin_new() began. */
static void unpin_new(struct list_head *list)
{
	struct iof_area *area;

	list_for_each_entry(area, list, work) {
		iof_pages_unpin(area->pages, iof_area_first_page(area),
				iof_area_last_page(area));
		cond_resched();
	}
}

/*
 * Checks the areas of @list against the map, one after the other from @iova on.
 */
static int check_areas(struct iof_map *map, struct list_head *list,
		       unsigned long iova)
{
	struct iof_area *area;
	int rc;

	list_for_each_entry(area, list, work) {
		rc = iof_resched();
		if (rc)
			return rc;
		if ((area->prot & IOF_PROT_WRITE) && !area->pages->writable)
			return -EPERM;
		if ((iova | area->offset) & (map->alignment - 1))
			return -EINVAL;
		iova += iof_area_length(area);
	}
	return 0;
}

void iof_map_erase_areas(struct iof_map *map, struct list_head *list,
			 struct iof_area *end)
{
	struct iof_area *area;

	lockdep_assert_held(&map->iova_rwsem);
	list_for_each_entry(area, list, work) {
		if (area == end)
			break;
		iof_map_erase_area(map, area);
		cond_resched();
	}
}

/* Links the areas of @list into the tree, one after the other from @at on. */
static int link_areas(struct iof_map *map, struct list_head *list,
		      unsigned long at)
{
	struct iof_area *area;
	int rc;

	list_for_each_entry(area, list, work) {
		rc = iof_resched();
		if (rc) {
			iof_map_erase_areas(map, list, area);
			return rc;
		}
		iof_area_place(area, at);
		at += iof_area_length(area);
		iof_map_link_area(map, area);
	}
	return 0;
}

/* Chooses or checks the place, and enters the areas there as busy. */
static int place_areas(struct iof_map *map, struct list_head *list,
		       unsigned long length, unsigned long *iova, bool fixed)
{
	struct iof_area *area = list_first_entry(list, struct iof_area, work);
	unsigned long at = *iova;
	int rc;

	rc = down_write_killable(&map->iova_rwsem);
	if (rc)
		return rc;
	rc = -EINVAL;
	if (length & (map->alignment - 1))
		goto out;
	if (fixed)
		rc = iof_map_check_fixed(map, at, length);
	else
		rc = iof_map_find_automatic(
			map, area->pages->uptr + area->offset, length, &at);
	if (rc)
		goto out;
	rc = check_areas(map, list, at);
	if (!rc)
		rc = link_areas(map, list, at);
	if (rc)
		map->hint.start = min(map->hint.start, at);
	else
		*iova = at;
out:
	up_write(&map->iova_rwsem);
	return rc;
}

void iof_areas_set_idle(struct list_head *list)
{
	struct iof_area *area;

	list_for_each_entry(area, list, work) {
		area->busy = false;
		cond_resched();
	}
	INIT_LIST_HEAD(list);
}

/*
 * Pins the areas and enters them into the domains. Called and returns with
 * domains_rwsem held for reading. Drops it while user memory comes in: the
 * areas are busy, so that no other thread uses them.
 */
static int pin_and_fill(struct iof_map *map, struct list_head *list)
{
	int rc;

	up_read(&map->domains_rwsem);
	rc = pin_new(list);
	down_read(&map->domains_rwsem);
	if (rc)
		return rc;
	/*
	 * The pages are pinned already, so that this pin waits for no memory.
	 */
	rc = iof_areas_enter(map, list);
	unpin_new(list);
	return rc;
}

int iof_map_insert(struct iof_map *map, struct list_head *list,
		   unsigned long length, unsigned long *iova, bool fixed)
{
	unsigned long at = *iova;
	int rc;

	rc = down_read_killable(&map->domains_rwsem);
	if (rc)
		return rc;
	rc = place_areas(map, list, length, &at, fixed);
	if (rc)
		goto out;
	if (!list_empty(&map->domains))
		rc = pin_and_fill(map, list);
	down_write(&map->iova_rwsem);
	if (rc) {
		iof_map_erase_areas(map, list, NULL);
	} else {
		iof_areas_set_idle(list);
		*iova = at;
	}
	up_write(&map->iova_rwsem);
out:
	up_read(&map->domains_rwsem);
	return rc;
}

int iof_map_share(struct iof_map *map, unsigned long iova, unsigned long length,
		  unsigned int prot, struct list_head *list)
{
	struct iof_area *area;
	unsigned long last;
	LIST_HEAD(shared);
	int rc;

	if (!length)
		return -EINVAL;
	if (check_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	rc = down_read_killable(&map->iova_rwsem);
	if (rc)
		return rc;
	rc = -ENOENT;
	for (area = iof_map_first_area(map, iova, last); area;
	     area = iof_map_next_area(area)) {
		unsigned long end = min(area->last, last);

		rc = -ENOENT;
		if (area->iova > iova || area->busy)
			break;
		rc = iof_area_create(&shared, area->pages,
				     area->offset + (iova - area->iova),
				     end - iova + 1, prot);
		if (rc || end == last)
			break;
		rc = iof_resched();
		if (rc)
			break;
		rc = -ENOENT;
		iova = end + 1;
	}
	up_read(&map->iova_rwsem);
	if (rc)
		iof_areas_free(&shared);
	else
		list_splice_tail(&shared, list);
	return rc;
}

/* ---- alignment, domains, options ---- */

static unsigned long io_page_size(struct iof_domain *domain)
{
	return (unsigned long)(domain->pgsize_bitmap & -domain->pgsize_bitmap);
}

static unsigned long access_alignment(struct iof_access *access)
{
	return access->ops->pins_pages ? PAGE_SIZE : 1;
}

/* Returns the alignment that options, domains and accesses require. */
static unsigned long demanded_alignment(struct iof_map *map)
{
	unsigned int shift = PAGE_SHIFT;

	lockdep_assert_held(&map->iova_rwsem);
	if (!map->huge_pages)
		return PAGE_SIZE;
	while (shift && !map->demands[shift])
		shift--;
	return 1ul << shift;
}

static void end_demand(struct iof_map *map, unsigned long alignment)
{
	map->demands[ilog2(alignment)]--;
	WRITE_ONCE(map->alignment, demanded_alignment(map));
}

static int raise_alignment(struct iof_map *map, unsigned long alignment)
{
	struct rb_node *node;
	int rc;

	lockdep_assert_held(&map->iova_rwsem);
	if (alignment <= map->alignment)
		return 0;
	for (node = rb_first(&map->areas); node; node = rb_next(node)) {
		struct iof_area *area = rb_entry(node, struct iof_area, node);

		if ((area->iova | (area->last + 1) | area->offset) &
		    (alignment - 1))
			return -EADDRINUSE;
		rc = iof_resched();
		if (rc)
			return rc;
	}
	WRITE_ONCE(map->alignment, alignment);
	return 0;
}

/*
 * Fills in the ranges outside of the domain's aperture. Returns their number,
 * at most two.
 */
static unsigned int outside_aperture(struct iof_domain *domain,
				     struct iof_resv_region out[2])
{
	unsigned int n = 0;

	if (domain->aperture_start > 0)
		out[n++] = (struct iof_resv_region){ 0, domain->aperture_start -
								1 };
	if (domain->aperture_last < ULONG_MAX)
		out[n++] = (struct iof_resv_region){ domain->aperture_last + 1,
						     ULONG_MAX };
	return n;
}

static void leave_aperture(struct iof_map *map, struct iof_domain *domain,
			   struct list_head *gone)
{
	struct iof_resv_region outside[2];
	unsigned int n = outside_aperture(domain, outside);

	while (n--)
		iof_map_leave_reserved(map, outside[n].start, outside[n].last,
				       gone);
}

int iof_map_add_domain(struct iof_map *map, struct iof_domain *domain)
{
	struct iof_resv_region outside[2];
	LIST_HEAD(aperture);
	unsigned int n;
	int rc = 0;

	if (!domain->pgsize_bitmap || io_page_size(domain) > PAGE_SIZE)
		return -EINVAL;
	n = outside_aperture(domain, outside);
	while (n-- && !rc)
		rc = iof_reserved_add(&aperture, outside[n].start,
				      outside[n].last);
	if (rc)
		goto err_free;

	rc = down_write_killable(&map->domains_rwsem);
	if (rc)
		goto err_free;
	rc = down_write_killable(&map->iova_rwsem);
	if (rc)
		goto err_domains;
	rc = iof_map_enter_reserved(map, &aperture);
	if (rc)
		goto err_unlock;
	rc = raise_alignment(map, io_page_size(domain));
	if (rc)
		goto err_reserved;
	map->demands[ilog2(io_page_size(domain))]++;
	up_write(&map->iova_rwsem);

	rc = iof_map_fill_domain(map, domain);
	if (rc)
		goto err_alignment;
	up_write(&map->domains_rwsem);
	iof_reserved_free(&aperture);
	return 0;

err_alignment:
	down_write(&map->iova_rwsem);
	end_demand(map, io_page_size(domain));
err_reserved:
	leave_aperture(map, domain, &aperture);
err_unlock:
	up_write(&map->iova_rwsem);
err_domains:
	up_write(&map->domains_rwsem);
err_free:
	iof_reserved_free(&aperture);
	return rc;
}

/*
 * Removes a domain. Called with both locks of the map held for writing; returns
 * with none.
 */
static void remove_domain_locked(struct iof_map *map, struct iof_domain *domain)
{
	LIST_HEAD(aperture);
	LIST_HEAD(areas);

	list_del(&domain->map_node);
	leave_aperture(map, domain, &aperture);
	end_demand(map, io_page_size(domain));
	up_write(&map->iova_rwsem);
	iof_map_idle_areas(map, &areas);
	iof_areas_leave(domain, &areas, NULL);
	up_write(&map->domains_rwsem);
	iof_reserved_free(&aperture);
}

void iof_map_remove_domain(struct iof_map *map, struct iof_domain *domain)
{
	down_write(&map->domains_rwsem);
	down_write(&map->iova_rwsem);
	remove_domain_locked(map, domain);
}

int iof_map_remove_domain_killable(struct iof_map *map,
				   struct iof_domain *domain)
{
	int rc = down_write_killable(&map->domains_rwsem);

	if (rc)
		return rc;
	rc = down_write_killable(&map->iova_rwsem);
	if (rc) {
		up_write(&map->domains_rwsem);
		return rc;
	}
	remove_domain_locked(map, domain);
	return 0;
}

struct iof_map_access *iof_map_add_access(struct iof_map *map,
					  struct iof_access *access)
{
	struct iof_map_access *ma = kzalloc(sizeof(*ma), GFP_KERNEL_ACCOUNT);
	unsigned long alignment = access_alignment(access);
	int rc;

	if (!ma)
		return ERR_PTR(-ENOMEM);
	ma->access = access;
	rc = mutex_lock_killable(&map->access_lock);
	if (rc)
		goto err_free;
	rc = down_write_killable(&map->iova_rwsem);
	if (rc)
		goto err_unlock;
	rc = raise_alignment(map, alignment);
	if (!rc) {
		map->demands[ilog2(alignment)]++;
		list_add_tail(&ma->node, &map->accesses);
	}
	up_write(&map->iova_rwsem);
err_unlock:
	mutex_unlock(&map->access_lock);
	if (!rc)
		return ma;
err_free:
	kfree(ma);
	return ERR_PTR(rc);
}

void iof_map_remove_access(struct iof_map *map, struct iof_map_access *ma)
{
	mutex_lock(&map->access_lock);
	down_write(&map->iova_rwsem);
	list_del(&ma->node);
	end_demand(map, access_alignment(ma->access));
	up_write(&map->iova_rwsem);
	mutex_unlock(&map->access_lock);
	kfree(ma);
}

int iof_map_set_huge_pages(struct iof_map *map, bool on)
{
	int rc;

	rc = down_write_killable(&map->domains_rwsem);
	if (rc)
		return rc;
	rc = down_write_killable(&map->iova_rwsem);
	if (rc)
		goto out_domains;
	if (map->huge_pages == on)
		goto out;
	if (!on && !list_empty(&map->domains) && !RB_EMPTY_ROOT(&map->areas)) {
		rc = -EINVAL;
		goto out;
	}
	if (!on)
		rc = raise_alignment(map, PAGE_SIZE);
	if (rc)
		goto out;
	WRITE_ONCE(map->huge_pages, on);
	WRITE_ONCE(map->alignment, demanded_alignment(map));
out:
	up_write(&map->iova_rwsem);
out_domains:
	up_write(&map->domains_rwsem);
	return rc;
}

u64 iof_map_page_sizes(struct iof_map *map)
{
	struct iof_domain *domain;
	u64 sizes = PAGE_MASK;

	if (down_read_killable(&map->domains_rwsem))
		return 0;
	list_for_each_entry(domain, &map->domains, map_node) {
		/*
		 * Count PAGE_SIZE as one of the domain's sizes: several smaller
		 * pages map it.
		 */
		sizes &= domain->pgsize_bitmap | PAGE_SIZE;
		cond_resched();
	}
	up_read(&map->domains_rwsem);
	return sizes;
}

/* ---- life ---- */

void iof_map_init(struct iof_map *map)
{
	memset(map, 0, sizeof(*map));
	init_rwsem(&map->domains_rwsem);
	INIT_LIST_HEAD(&map->domains);
	init_rwsem(&map->iova_rwsem);
	map->areas = RB_ROOT;
	map->allowed = RB_ROOT;
	map->reserved = RB_ROOT;
	map->alignment = 1;
	map->huge_pages = true;
	mutex_init(&map->access_lock);
	INIT_LIST_HEAD(&map->accesses);
	map->hint.modulus = 1;
}

void iof_map_destroy(struct iof_map *map)
{
	struct rb_node *node;
	LIST_HEAD(areas);

	WARN_ON(!list_empty(&map->domains) || !list_empty(&map->accesses));
	mutex_destroy(&map->access_lock);
	while ((node = rb_first(&map->areas)) != NULL) {
		rb_erase(node, &map->areas);
		list_add_tail(&rb_entry(node, struct iof_area, node)->work,
			      &areas);
		cond_resched();
	}
	iof_areas_free(&areas);
	iof_allowed_free(&map->allowed);
	iof_map_free_reserved(map);
}
