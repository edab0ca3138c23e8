// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iova_ranges.c - which I/O virtual addresses can be had: reserved ranges, the allow-list, the
 * search.
 *
 * Owns struct iof_reserved and iof_allowed of a map. Reserved ranges bind everybody; the allow-list
 * binds only the search for an automatic IOVA, and whoever wants to reserve: the two never overlap.
 *
 * Everything that looks at a map is under its iova_rwsem, and what changes it has that for writing.
 * Memory is allocated before the lock and freed after it.
 */
#include "iof_private.h"

/* ---- where a mapping may lie ---- */

static struct iof_allowed *to_allowed(struct rb_node *node)
{
	return rb_entry(node, struct iof_allowed, node);
}

static bool allowed_touches(const struct rb_root *root, unsigned long start, unsigned long last)
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

/* The reserved range reaching highest among those that touch [start, last]. */
static struct iof_reserved *reserved_at(struct iof_map *map, unsigned long start,
					unsigned long last)
{
	struct iof_reserved *res, *highest = NULL;

	list_for_each_entry(res, &map->reserved, node) {
		if (res->start > last)
			break;
		if (res->last >= start && (!highest || res->last > highest->last))
			highest = res;
	}
	return highest;
}

int iof_map_check_fixed(struct iof_map *map, unsigned long iova, unsigned long length)
{
	unsigned long last;

	if (iova & (map->alignment - 1))
		return -EINVAL;
	if (check_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	if (reserved_at(map, iova, last))
		return -EINVAL;
	if (iof_map_first_area(map, iova, last))
		return -EEXIST;
	return 0;
}

/* What an automatic IOVA has to be. */
struct wish {
	unsigned long length;
	unsigned long modulus;	/* a power of two, at least PAGE_SIZE */
	unsigned long residue;	/* iova % modulus: keeps the place in the page */
};

static bool search_window(struct iof_map *map, const struct wish *wish, unsigned long start,
			  unsigned long last, unsigned long *iova)
{
	struct iof_area *area = iof_map_first_area(map, start, ULONG_MAX);
	unsigned long at = start;

	for (;;) {
		struct iof_reserved *res;
		unsigned long busy_last;

		if (check_add_overflow(at, (wish->residue - at) & (wish->modulus - 1), &at) ||
		    at > last || last - at < wish->length - 1)
			return false;
		while (area && area->last < at)
			area = iof_map_next_area(area);
		if (area && area->iova <= at + wish->length - 1) {
			busy_last = area->last;
		} else {
			res = reserved_at(map, at, at + wish->length - 1);
			if (!res) {
				*iova = at;
				return true;
			}
			busy_last = res->last;
		}
		if (busy_last == ULONG_MAX)
			return false;
		at = busy_last + 1;
	}
}

/* The lowest place, never in the first page of the address space nor in the last one. */
static bool search_all(struct iof_map *map, const struct wish *wish, unsigned long *iova)
{
	unsigned long lowest = PAGE_SIZE, highest = ULONG_MAX - PAGE_SIZE;
	struct rb_node *node;

	if (wish->length >= map->hint.length && wish->modulus >= map->hint.modulus &&
	    (wish->residue & (map->hint.modulus - 1)) == map->hint.residue)
		lowest = max(lowest, map->hint.start);
	if (RB_EMPTY_ROOT(&map->allowed))
		return search_window(map, wish, lowest, highest, iova);
	for (node = rb_first(&map->allowed); node; node = rb_next(node)) {
		struct iof_allowed *allowed = to_allowed(node);

		if (search_window(map, wish, max(lowest, allowed->start),
				  min(highest, allowed->last), iova))
			return true;
	}
	return false;
}

int iof_map_find_automatic(struct iof_map *map, unsigned long uptr, unsigned long length,
			  unsigned long *iova)
{
	unsigned long align;
	struct wish wish;

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
	if (!search_all(map, &wish, iova))
		return -ENOSPC;
	map->hint.start = *iova + length;
	map->hint.length = length;
	map->hint.modulus = wish.modulus;
	map->hint.residue = wish.residue;
	return 0;
}

/* ---- the allow-list, and what can be mapped ---- */

int iof_allowed_insert(struct rb_root *root, unsigned long start, unsigned long last)
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
		link = start < to_allowed(parent)->start ? &parent->rb_left : &parent->rb_right;
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
	int rc = 0;

	down_write(&map->iova_rwsem);
	for (node = rb_first(root); node && !rc; node = rb_next(node)) {
		struct iof_allowed *allowed = to_allowed(node);

		if (reserved_at(map, allowed->start, allowed->last))
			rc = -EADDRINUSE;
	}
	if (!rc) {
		swap(map->allowed, *root);
		map->hint.start = 0;
	}
	up_write(&map->iova_rwsem);
	return rc;
}

unsigned long iof_map_ranges(struct iof_map *map, struct iommu_iova_range *ranges,
			     unsigned long room, u64 *alignment)
{
	unsigned long free_from = 0, count = 0;
	struct iof_reserved *res;
	bool to_the_top = true;

	down_read(&map->iova_rwsem);
	list_for_each_entry(res, &map->reserved, node) {
		if (res->start > free_from) {
			if (count < room)
				ranges[count] = (struct iommu_iova_range){
					.start = free_from, .last = res->start - 1
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
			ranges[count] = (struct iommu_iova_range){ free_from, ULONG_MAX };
		count++;
	}
	*alignment = map->alignment;
	up_read(&map->iova_rwsem);
	return count;
}

/* ---- reserved ranges ---- */

int iof_reserved_add(struct list_head *list, unsigned long start, unsigned long last, void *owner)
{
	struct iof_reserved *res = kzalloc(sizeof(*res), GFP_KERNEL_ACCOUNT);

	if (!res)
		return -ENOMEM;
	res->start = start;
	res->last = last;
	res->owner = owner;
	list_add_tail(&res->node, list);
	return 0;
}

void iof_reserved_free(struct list_head *list)
{
	struct iof_reserved *res, *next;

	list_for_each_entry_safe(res, next, list, node)
		kfree(res);
	INIT_LIST_HEAD(list);
}

/* Moves all of @fresh into the map, or nothing: -EADDRINUSE. */
int iof_map_enter_reserved(struct iof_map *map, struct list_head *fresh)
{
	struct iof_reserved *res, *next, *after;

	lockdep_assert_held(&map->iova_rwsem);
	list_for_each_entry(res, fresh, node) {
		if (iof_map_first_area(map, res->start, res->last) ||
		    allowed_touches(&map->allowed, res->start, res->last))
			return -EADDRINUSE;
	}
	list_for_each_entry_safe(res, next, fresh, node) {
		list_for_each_entry(after, &map->reserved, node) {
			if (after->start > res->start)
				break;
		}
		list_move_tail(&res->node, &after->node);
	}
	return 0;
}

/* Moves what @owner reserved out of the map, to @gone. */
void iof_map_leave_reserved(struct iof_map *map, void *owner, struct list_head *gone)
{
	struct iof_reserved *res, *next;

	lockdep_assert_held(&map->iova_rwsem);
	list_for_each_entry_safe(res, next, &map->reserved, node) {
		if (res->owner == owner)
			list_move_tail(&res->node, gone);
	}
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

int iof_map_reserve(struct iof_map *map, unsigned long start, unsigned long last, void *owner)
{
	LIST_HEAD(fresh);
	int rc = iof_reserved_add(&fresh, start, last, owner);

	return rc ? rc : reserve(map, &fresh);
}

int iof_map_reserve_device(struct iof_map *map, struct iof_hwdev *dev, void *owner)
{
	LIST_HEAD(fresh);
	unsigned int i;

	for (i = 0; i < dev->nr_resv; i++) {
		int rc = iof_reserved_add(&fresh, dev->resv[i].start, dev->resv[i].last, owner);

		if (rc) {
			iof_reserved_free(&fresh);
			return rc;
		}
	}
	return reserve(map, &fresh);
}

void iof_map_unreserve(struct iof_map *map, void *owner)
{
	LIST_HEAD(gone);

	down_write(&map->iova_rwsem);
	iof_map_leave_reserved(map, owner, &gone);
	up_write(&map->iova_rwsem);
	iof_reserved_free(&gone);
}
