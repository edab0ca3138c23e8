// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iova_ranges.c - which I/O virtual addresses are usable: reserved ranges, the
 * allow-list, the search for a free place.
 *
 * Owns struct iof_reserved and iof_allowed of a map. No mapping can lie in a
 * reserved range. The allow-list restricts only the search for an automatic
 * IOVA, and new reserved ranges: the two never overlap. Each different range is
 * one record, however many devices and domains hold it, so that look-ups do not
 * depend on that number.
 *
 * Callers hold the map's iova_rwsem, for writing if they change something. They
 * allocate memory before they take the lock, and free it after.
 */
#include "iova_map.h"

/* ---- where a mapping may lie ---- */

static struct iof_allowed *to_allowed(struct rb_node *node)
{
	return rb_entry(node, struct iof_allowed, node);
}

static bool allowed_touches(const struct rb_root *root, unsigned long start,
			    unsigned long last)
{
	struct rb_node *node = root->rb_node;

	while (node) {
		struct iof_allowed *allowed = to_allowed(node);

		if (allowed->last < start)
			node = node->rb_right;
		else if (allowed->start > last)
			node = node->rb_left;
		else
			return true;
	}
	return false;
}

static struct iof_reserved *to_reserved(struct rb_node *node)
{
	return rb_entry(node, struct iof_reserved, node);
}

/*
 * Does [start, last] overlap a reserved range? *reach is the last address of
 * the highest one.
 */
static bool reserved_at(struct iof_map *map, unsigned long start,
			unsigned long last, unsigned long *reach)
{
	struct rb_node *node = map->reserved.rb_node;
	struct iof_reserved *below = NULL;

	while (node) {
		struct iof_reserved *res = to_reserved(node);

		if (res->start > last) {
			node = node->rb_left;
		} else {
			below = res;
			node = node->rb_right;
		}
	}
	if (!below || below->reach < start)
		return false;
	*reach = below->reach;
	return true;
}

int iof_map_check_fixed(struct iof_map *map, unsigned long iova,
			unsigned long length)
{
	unsigned long last, reach;

	if (iova & (map->alignment - 1))
		return -EINVAL;
	if (check_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	if (reserved_at(map, iova, last, &reach))
		return -EINVAL;
	if (iof_map_first_area(map, iova, last))
		return -EEXIST;
	return 0;
}

/* Requirements on an automatic IOVA. */
struct wish {
	unsigned long length;
	unsigned long modulus; /* power of two, at least PAGE_SIZE */
	/* required iova % modulus: keeps the offset in the page */
	unsigned long residue;
};

static int search_window(struct iof_map *map, const struct wish *wish,
			 unsigned long start, unsigned long last,
			 unsigned long *iova)
{
	struct iof_area *area = iof_map_first_area(map, start, ULONG_MAX);
	unsigned long at = start;
	int rc;

	for (;;) {
		unsigned long busy_last;

		if (check_add_overflow(
			    at, (wish->residue - at) & (wish->modulus - 1),
			    &at) ||
		    at > last || last - at < wish->length - 1)
			return -ENOSPC;
		while (area && area->last < at) {
			area = iof_map_next_area(area);
			cond_resched();
		}
		if (area && area->iova <= at + wish->length - 1) {
			busy_last = area->last;
		} else if (!reserved_at(map, at, at + wish->length - 1,
					&busy_last)) {
			*iova = at;
			return 0;
		}
		if (busy_last == ULONG_MAX)
			return -ENOSPC;
		at = busy_last + 1;
		rc = iof_resched();
		if (rc)
			return rc;
	}
}

/*
 * Finds the lowest free place. The first and the last page of the address space
 * are never used.
 */
static int search_all(struct iof_map *map, const struct wish *wish,
		      unsigned long *iova)
{
	unsigned long lowest = PAGE_SIZE, highest = ULONG_MAX - PAGE_SIZE;
	struct rb_node *node;
	int rc = -ENOSPC;

	if (wish->length >= map->hint.length &&
	    wish->modulus >= map->hint.modulus &&
	    (wish->residue & (map->hint.modulus - 1)) == map->hint.residue)
		lowest = max(lowest, map->hint.start);
	if (RB_EMPTY_ROOT(&map->allowed))
		return search_window(map, wish, lowest, highest, iova);
	for (node = rb_first(&map->allowed); node && rc == -ENOSPC;
	     node = rb_next(node)) {
		struct iof_allowed *allowed = to_allowed(node);

		rc = search_window(map, wish, max(lowest, allowed->start),
				   min(highest, allowed->last), iova);
		if (rc == -ENOSPC)
			rc = iof_resched() ?: -ENOSPC;
	}
	return rc;
}

int iof_map_find_automatic(struct iof_map *map, unsigned long uptr,
			   unsigned long length, unsigned long *iova)
{
	unsigned long align;
	struct wish wish;
	int rc;

	if (length >= ULONG_MAX / 2)
		return -EOVERFLOW;
	align = min(roundup_pow_of_two(length), IOF_AUTO_ALIGN_MAX);
	if (uptr)
		align = min(align, 1ul << __ffs(uptr));
	if (align < map->alignment)
		return -EINVAL;
	wish.length = length;
	wish.modulus = max(align, PAGE_SIZE);
	wish.residue = uptr & (wish.modulus - 1);
	rc = search_all(map, &wish, iova);
	if (rc)
		return rc;
	map->hint.start = *iova + length;
	map->hint.length = length;
	map->hint.modulus = wish.modulus;
	map->hint.residue = wish.residue;
	return 0;
}

/* ---- the allow-list, and what can be mapped ---- */

int iof_allowed_insert(struct rb_root *root, unsigned long start,
		       unsigned long last)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;
	struct iof_allowed *allowed;

	if (allowed_touches(root, start, last))
		return -EINVAL;
	allowed = kzalloc(sizeof(*allowed), GFP_KERNEL_ACCOUNT);
	if (!allowed)
		return -ENOMEM;
	allowed->start = start;
	allowed->last = last;
	while (*link) {
		parent = *link;
		link = start < to_allowed(parent)->start ? &parent->rb_left :
							   &parent->rb_right;
	}
	rb_link_node(&allowed->node, parent, link);
	rb_insert_color(&allowed->node, root);
	return 0;
}

void iof_allowed_free(struct rb_root *root)
{
	struct rb_node *node;

	while ((node = rb_first(root)) != NULL) {
		rb_erase(node, root);
		kfree(to_allowed(node));
		cond_resched();
	}
}

int iof_map_swap_allowed(struct iof_map *map, struct rb_root *root)
{
	struct rb_node *node;
	unsigned long reach;
	int rc;

	rc = down_write_killable(&map->iova_rwsem);
	if (rc)
		return rc;
	for (node = rb_first(root); node && !rc; node = rb_next(node)) {
		struct iof_allowed *allowed = to_allowed(node);

		rc = iof_resched();
		if (reserved_at(map, allowed->start, allowed->last, &reach))
			rc = -EADDRINUSE;
	}
	if (!rc) {
		swap(map->allowed, *root);
		map->hint.start = 0;
	}
	up_write(&map->iova_rwsem);
	return rc;
}

long iof_map_ranges(struct iof_map *map, struct iommu_iova_range *ranges,
		    unsigned long room, u64 *alignment)
{
	unsigned long free_from = 0, count = 0;
	bool to_the_top = true;
	struct rb_node *node;
	int rc;

	rc = down_read_killable(&map->iova_rwsem);
	if (rc)
		return rc;
	for (node = rb_first(&map->reserved); node; node = rb_next(node)) {
		struct iof_reserved *res = to_reserved(node);

		cond_resched();
		if (res->start > free_from) {
			if (count < room)
				ranges[count] = (struct iommu_iova_range){
					.start = free_from,
					.last = res->start - 1
				};
			count++;
		}
		if (res->last == ULONG_MAX) {
			to_the_top = false;
			break;
		}
		free_from = max(free_from, res->last + 1);
	}
	if (to_the_top) {
		if (count < room)
			ranges[count] = (struct iommu_iova_range){ free_from,
								   ULONG_MAX };
		count++;
	}
	*alignment = map->alignment;
	up_read(&map->iova_rwsem);
	return (long)count;
}

/* ---- reserved ranges ---- */

int iof_reserved_add(struct list_head *list, unsigned long start,
		     unsigned long last)
{
	struct iof_reserved *res = kzalloc(sizeof(*res), GFP_KERNEL_ACCOUNT);

	if (!res)
		return -ENOMEM;
	res->start = start;
	res->last = last;
	list_add_tail(&res->fresh, list);
	return 0;
}

void iof_reserved_free(struct list_head *list)
{
	struct iof_reserved *res, *next;

	list_for_each_entry_safe(res, next, list, fresh)
		kfree(res);
	INIT_LIST_HEAD(list);
}

/*
 * Corrects the reach of @node and of the nodes after it, up to the first whose
 * reach is right. @node was just inserted, or follows a removed node; it may be
 * NULL.
 */
static void correct_reach(struct rb_node *node)
{
	struct rb_node *prev = node ? rb_prev(node) : NULL;
	unsigned long reach = prev ? to_reserved(prev)->reach : 0;

	for (; node; node = rb_next(node)) {
		struct iof_reserved *res = to_reserved(node);

		reach = max(reach, res->last);
		if (res->reach == reach)
			return;
		res->reach = reach;
		cond_resched();
	}
}

/*
 * Returns the record of exactly [start, last], or NULL and the place to link a
 * new one.
 */
static struct iof_reserved *
find_reserved(struct iof_map *map, unsigned long start, unsigned long last,
	      struct rb_node **parent, struct rb_node ***link)
{
	*link = &map->reserved.rb_node;
	*parent = NULL;
	while (**link) {
		struct iof_reserved *res = to_reserved(**link);

		if (res->start == start && res->last == last)
			return res;
		*parent = **link;
		if (start < res->start ||
		    (start == res->start && last < res->last))
			*link = &(*parent)->rb_left;
		else
			*link = &(*parent)->rb_right;
	}
	return NULL;
}

int iof_map_enter_reserved(struct iof_map *map, struct list_head *fresh)
{
	struct iof_reserved *res, *next, *same;
	struct rb_node *parent, **link;

	lockdep_assert_held(&map->iova_rwsem);
	list_for_each_entry(res, fresh, fresh) {
		if (iof_map_first_area(map, res->start, res->last) ||
		    allowed_touches(&map->allowed, res->start, res->last))
			return -EADDRINUSE;
	}
	list_for_each_entry_safe(res, next, fresh, fresh) {
		same = find_reserved(map, res->start, res->last, &parent,
				     &link);
		if (same) {
			same->holders++;
			continue;
		}
		list_del(&res->fresh);
		res->holders = 1;
		rb_link_node(&res->node, parent, link);
		rb_insert_color(&res->node, &map->reserved);
		correct_reach(&res->node);
	}
	return 0;
}

void iof_map_leave_reserved(struct iof_map *map, unsigned long start,
			    unsigned long last, struct list_head *gone)
{
	struct rb_node *parent, **link, *next;
	struct iof_reserved *res;

	lockdep_assert_held(&map->iova_rwsem);
	res = find_reserved(map, start, last, &parent, &link);
	if (WARN_ON(!res) || --res->holders)
		return;
	next = rb_next(&res->node);
	rb_erase(&res->node, &map->reserved);
	correct_reach(next);
	list_add_tail(&res->fresh, gone);
	map->hint.start = 0;
}

static int reserve(struct iof_map *map, struct list_head *fresh)
{
	int rc;

	down_write(&map->iova_rwsem);
	rc = iof_map_enter_reserved(map, fresh);
	up_write(&map->iova_rwsem);
	iof_reserved_free(fresh);
	return rc;
}

int iof_map_reserve(struct iof_map *map, unsigned long start,
		    unsigned long last)
{
	LIST_HEAD(fresh);
	int rc = iof_reserved_add(&fresh, start, last);

	return rc ? rc : reserve(map, &fresh);
}

void iof_map_unreserve(struct iof_map *map, unsigned long start,
		       unsigned long last)
{
	LIST_HEAD(gone);

	down_write(&map->iova_rwsem);
	iof_map_leave_reserved(map, start, last, &gone);
	up_write(&map->iova_rwsem);
	iof_reserved_free(&gone);
}

int iof_map_reserve_device(struct iof_map *map, struct iof_hwdev *dev)
{
	LIST_HEAD(fresh);
	unsigned int i;

	for (i = 0; i < dev->nr_resv; i++) {
		int rc = iof_reserved_add(&fresh, dev->resv[i].start,
					  dev->resv[i].last);

		if (rc) {
			iof_reserved_free(&fresh);
			return rc;
		}
	}
	return reserve(map, &fresh);
}

void iof_map_unreserve_device(struct iof_map *map, struct iof_hwdev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr_resv; i++)
		iof_map_unreserve(map, dev->resv[i].start, dev->resv[i].last);
}

void iof_map_free_reserved(struct iof_map *map)
{
	struct rb_node *node;

	while ((node = rb_first(&map->reserved)) != NULL) {
		rb_erase(node, &map->reserved);
		kfree(to_reserved(node));
		cond_resched();
	}
}
