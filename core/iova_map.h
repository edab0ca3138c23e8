/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iova_map.h - the map of an I/O address space: areas, allowed and reserved ranges, domains
 * (iova_area.c, iova_map.c, iova_remove.c, iova_ranges.c).
 */
#ifndef IOF_CORE_IOVA_MAP_H
#define IOF_CORE_IOVA_MAP_H

#include "iof_driver.h"
#include "pages.h"

/*
 * No automatic IOVA is aligned beyond this: what helps the page tables of today's hardware. A
 * choice of ours, not of any driver.
 */
#define IOF_AUTO_ALIGN_MAX	0x200000ul

/* One mapping: [iova, last] shows bytes of @pages from @offset on. */
struct iof_area {
	struct rb_node node;		/* map->areas; iova_rwsem */
	/* areas being built or removed together; whoever does that */
	struct list_head work;
	unsigned long iova;
	unsigned long last;		/* inclusive */
	struct iof_pages *pages;	/* holds it */
	unsigned long offset;		/* bytes from pages->uptr */
	unsigned int prot;		/* IOF_PROT_* */
	/* being built or removed: unmap answers -EBUSY; iova_rwsem */
	bool busy;
	/* an unmap or a cut waits for its pins to go: no new ones; iova_rwsem */
	bool leaving;
	/* ranges that accesses have pinned in it; grows under iova_rwsem, read or write */
	atomic_t accesses;
};

/*
 * A range that must not be mapped. Ranges may overlap. All but node and list: iova_rwsem.
 */
struct iof_reserved {
	struct rb_node node;		/* map->reserved */
	struct list_head fresh;		/* of those that enter or have left together */
	unsigned long start;
	unsigned long last;
	/* The highest last of this one and of all that sort before it. */
	unsigned long reach;
	/* devices and domains that demand it, and one for each that stays for good */
	unsigned long holders;
};

struct iof_allowed {
	struct rb_node node;
	unsigned long start;
	unsigned long last;
};

/* Who has access through the map. */
struct iof_map_access {
	struct list_head node;
	struct iof_access *access;
};

/*
 * The areas are changed with domains_rwsem held for reading and iova_rwsem for writing, so that
 * either one held the other way suffices to look at them. A busy one is being removed with
 * domains_rwsem held for reading, or being made: then it may be in no domain yet, and no lock be
 * held.
 */
struct iof_map {
	struct rw_semaphore domains_rwsem;
	struct list_head domains;	/* struct iof_domain.map_node; domains_rwsem */

	struct rw_semaphore iova_rwsem;	/* the rest */
	struct rb_root areas;		/* by iova, disjoint */
	struct rb_root allowed;		/* by start, disjoint; empty: no restriction */
	struct rb_root reserved;	/* struct iof_reserved, by start, then by last */
	unsigned long alignment;	/* every area's iova, length and offset are multiples */
	/* by log2, how many domains and accesses demand that alignment */
	unsigned long demands[PAGE_SHIFT + 1];
	bool huge_pages;

	struct mutex access_lock;
	/* struct iof_map_access; changed under access_lock and iova_rwsem */
	struct list_head accesses;
	/*
	 * Where the search for an automatic IOVA may begin: nothing of at least @length that is
	 * @residue modulo @modulus fits below @start.
	 */
	struct {
		unsigned long start, length, modulus, residue;
	} hint;
};

static inline unsigned long iof_area_length(const struct iof_area *area)
{
	return area->last - area->iova + 1;
}

static inline void iof_area_place(struct iof_area *area, unsigned long iova)
{
	area->last += iova - area->iova;
	area->iova = iova;
}

/*
 * A mapping to be, taking a reference on @pages, put at the end of @list; it lies at 0 until it is
 * placed. -ENOMEM.
 */
int iof_area_create(struct list_head *list, struct iof_pages *pages, unsigned long offset,
		    unsigned long length, unsigned int prot);
/* Frees areas that are in no map. */
void iof_areas_free(struct list_head *list);
/* The lowest area that has something in [start, last]. iova_rwsem. */
struct iof_area *iof_map_first_area(struct iof_map *map, unsigned long start, unsigned long last);
struct iof_area *iof_map_next_area(struct iof_area *area);
/* Both: iova_rwsem for writing. */
void iof_map_link_area(struct iof_map *map, struct iof_area *area);
void iof_map_erase_area(struct iof_map *map, struct iof_area *area);

void iof_map_init(struct iof_map *map);
/* Requires that no domain is left. */
void iof_map_destroy(struct iof_map *map);

/*
 * Enters the areas of @list, @length bytes in all, one after the other at *iova (@fixed) or at the
 * lowest place that fits (*iova out), and into every domain. On success the list is empty. Errors
 * of rules b2 to b8 and b13, and -EINTR; on failure nothing has happened.
 */
int iof_map_insert(struct iof_map *map, struct list_head *list, unsigned long length,
		   unsigned long *iova, bool fixed);
/*
 * New areas on @list over the memory behind [iova, iova + length). -EINVAL length 0, -EOVERFLOW,
 * -ENOENT not mapped without a gap, -ENOMEM, -EINTR; on failure the list is as it was.
 */
int iof_map_share(struct iof_map *map, unsigned long iova, unsigned long length, unsigned int prot,
		  struct list_head *list);
/*
 * For iova_remove.c. Takes the areas of @list, in ascending order and up to but not including @end
 * (NULL: all of them), out of @domain. They are unpinned when no DMA can reach them any more.
 */
void iof_areas_leave(struct iof_domain *domain, struct list_head *list, struct iof_area *end);
/* The same out of the map itself. iova_rwsem for writing. */
void iof_map_erase_areas(struct iof_map *map, struct list_head *list, struct iof_area *end);
/*
 * The areas of @list are made, or are not to go after all. Empties the list. iova_rwsem for
 * writing.
 */
void iof_areas_set_idle(struct list_head *list);

/*
 * Removes the areas within [start, last] (iova_remove.c). *bytes is what went, also on failure.
 * -ENOENT an area is cut, or, unless @may_be_empty, there is none; -EBUSY; -EDEADLK an access does
 * not let its pages go; -EINTR, and then nothing went. Calls the unmap() of accesses.
 */
int iof_map_remove(struct iof_map *map, unsigned long start, unsigned long last, bool may_be_empty,
		   unsigned long *bytes);

/*
 * Cuts the area that has both @iova - 1 and @iova in two, if there is one. -EINVAL large pages are
 * on, or not aligned; -EBUSY, -EDEADLK, -ENOMEM.
 */
int iof_map_cut(struct iof_map *map, unsigned long iova);
/*
 * The sizes, whole pages and more, that all domains can map; without a domain every one. 0: the
 * thread was killed.
 */
u64 iof_map_page_sizes(struct iof_map *map);

/* -EINVAL, -EADDRINUSE: rule b27; -EINTR. */
int iof_map_set_huge_pages(struct iof_map *map, bool on);
/* As they are at a moment: no lock. */
static inline bool iof_map_huge_pages(const struct iof_map *map)
{
	return READ_ONCE(map->huge_pages);
}
static inline unsigned long iof_map_alignment(const struct iof_map *map)
{
	return READ_ONCE(map->alignment);
}
/*
 * Fills @domain with all areas and keeps it filled. Errors of rule b33; undone on failure.
 */
int iof_map_add_domain(struct iof_map *map, struct iof_domain *domain);
void iof_map_remove_domain(struct iof_map *map, struct iof_domain *domain);
/* The same, or -EINTR: a mapping of another thread may wait for user memory with the map's lock. */
int iof_map_remove_domain_killable(struct iof_map *map, struct iof_domain *domain);
/* An access begins, with its demand for alignment: ERR_PTR(-EADDRINUSE), ERR_PTR(-ENOMEM). */
struct iof_map_access *iof_map_add_access(struct iof_map *map, struct iof_access *access);
/* Frees @ma. */
void iof_map_remove_access(struct iof_map *map, struct iof_map_access *ma);

/* ---- which I/O virtual addresses can be had (iova_ranges.c) ---- */

/* Whether a mapping can lie at @iova: -EINVAL, -EOVERFLOW, -EEXIST. iova_rwsem. */
int iof_map_check_fixed(struct iof_map *map, unsigned long iova, unsigned long length);
/*
 * The lowest place for memory at @uptr: -EOVERFLOW, -EINVAL, -ENOSPC, -EINTR. iova_rwsem for
 * writing.
 */
int iof_map_find_automatic(struct iof_map *map, unsigned long uptr, unsigned long length,
			   unsigned long *iova);

/* -EINVAL @start..@last overlaps an entry, -ENOMEM */
int iof_allowed_insert(struct rb_root *root, unsigned long start, unsigned long last);
void iof_allowed_free(struct rb_root *root);
/* Swaps the allow-list with *root. -EADDRINUSE an entry touches a reserved range, -EINTR. */
int iof_map_swap_allowed(struct iof_map *map, struct rb_root *root);
/* The first @room of the ranges that are not reserved; returns how many there are, or -EINTR. */
long iof_map_ranges(struct iof_map *map, struct iommu_iova_range *ranges, unsigned long room,
		    u64 *alignment);

/* A reserved range to be, on @list. -ENOMEM. */
int iof_reserved_add(struct list_head *list, unsigned long start, unsigned long last);
void iof_reserved_free(struct list_head *list);
/*
 * Reserves all of @fresh, or nothing: -EADDRINUSE. Records that are not needed, because the same
 * range is reserved already, stay on the list. iova_rwsem for writing.
 */
int iof_map_enter_reserved(struct iof_map *map, struct list_head *fresh);
/* Ends one reservation of [start, last]; the last one's record goes to @gone. As above. */
void iof_map_leave_reserved(struct iof_map *map, unsigned long start, unsigned long last,
			    struct list_head *gone);
/*
 * Reserves the device's regions, once more for each call. -EADDRINUSE conflict with an area or the
 * allow-list, -ENOMEM; on failure nothing of this call stays.
 */
int iof_map_reserve_device(struct iof_map *map, struct iof_hwdev *dev);
void iof_map_unreserve_device(struct iof_map *map, struct iof_hwdev *dev);
/* One range, as above. */
int iof_map_reserve(struct iof_map *map, unsigned long start, unsigned long last);
void iof_map_unreserve(struct iof_map *map, unsigned long start, unsigned long last);
/* At the end of the map. */
void iof_map_free_reserved(struct iof_map *map);

#endif
