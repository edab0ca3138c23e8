// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iova_area.c - the areas of an I/O address space: creates, finds, links and
 * erases them one by one.
 *
 * This file decides nothing. iova_ranges.c chooses free places; iova_map.c and
 * iova_remove.c enter areas into domains and take them out.
 */
#include "iova_map.h"
#include "records.h"

static struct iof_area *to_area(struct rb_node *node)
{
	return rb_entry(node, struct iof_area, node);
}

struct iof_area *iof_map_first_area(struct iof_map *map, unsigned long start,
				    unsigned long last)
{
	struct rb_node *node = map->areas.rb_node;
	struct iof_area *best = NULL;

	while (node) {
		struct iof_area *area = to_area(node);

		if (area->last < start) {
			node = node->rb_right;
		} else {
			best = area;
			node = node->rb_left;
		}
	}
	return best && best->iova <= last ? best : NULL;
}

struct iof_area *iof_map_next_area(struct iof_area *area)
{
	struct rb_node *node = rb_next(&area->node);

	return node ? to_area(node) : NULL;
}

void iof_map_link_area(struct iof_map *map, struct iof_area *area)
{
	struct rb_node **link = &map->areas.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = area->iova < to_area(parent)->iova ? &parent->rb_left :
							    &parent->rb_right;
	}
	rb_link_node(&area->node, parent, link);
	rb_insert_color(&area->node, &map->areas);
}

void iof_map_erase_area(struct iof_map *map, struct iof_area *area)
{
	struct rb_node *before = rb_prev(&area->node);
	unsigned long hole = before ? to_area(before)->last + 1 : 0;

	map->hint.start = min(map->hint.start, hole);
	rb_erase(&area->node, &map->areas);
}

int iof_area_create(struct list_head *list, struct iof_pages *pages,
		    unsigned long offset, unsigned long length,
		    unsigned int prot)
{
	struct iof_area *area = kmem_cache_zalloc(iof_area_cache, GFP_KERNEL);

	if (!area)
		return -ENOMEM;
	iof_pages_get(pages);
	area->pages = pages;
	area->offset = offset;
	/* The area is at [0, length - 1] until it is placed. */
	area->last = length - 1;
	area->prot = prot;
	area->busy = true;
	atomic_set(&area->accesses, 0);
	list_add_tail(&area->work, list);
	return 0;
}

void iof_areas_free(struct list_head *list)
{
	struct iof_area *area, *next;

	list_for_each_entry_safe(area, next, list, work) {
		iof_pages_put(area->pages);
		kmem_cache_free(iof_area_cache, area);
		cond_resched();
	}
	INIT_LIST_HEAD(list);
}
