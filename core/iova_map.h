/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iova_map.h - the map of an I/O address space: areas, allowed and reserved
 * ranges, domains (iova_area.c, iova_map.c, iova_remove.c, iova_ranges.c).
 */
#ifndef IOF_CORE_IOVA_MAP_H
#define IOF_CORE_IOVA_MAP_H

#include "iof_driver.h"
#include "pages.h"

/*
 * The largest alignment of automatic IOVAs. It suits the page sizes of current
 * hardware and is independent of drivers.
 */
#define IOF_AUTO_ALIGN_MAX 0x200000ul

/* One mapping: [iova, last] shows bytes of @pages from @offset on. */
struct iof_area {
	struct rb_node node; /* map->areas; iova_rwsem */
	/* areas that one call builds or removes; owned by that call */
	struct list_head work;
	unsigned long iova;
	unsigned long last;	 /* inclusive */
	struct iof_pages *pages; /* holds it */
	unsigned long offset;	 /* bytes from pages->uptr */
	unsigned int prot;	 /* IOF_PROT_* */
	/* being built or removed: unmap is -EBUSY; iova_rwsem */
	bool busy;
	/*
	 * an unmap or a cut waits for its pins: new ones are refused;
	 * iova_rwsem
	 */
	bool leaving;
	/*
	 * number of ranges that accesses have pinned; grows under iova_rwsem,
	 * read or write
	 */
	atomic_t accesses;
};

/*
 * A range that must not be mapped. Ranges may overlap. All but node and list:
 * iova_rwsem.
 */
struct iof_reserved {
	struct rb_node node; /* map->reserved */
	/* ranges that are entered, or were removed, by one call */
	struct list_head fresh;
	unsigned long start;
	unsigned long last;
	/* Maximum of 'last' over this record and all that sort before it. */
	unsigned long reach;
	/*
	 * number of devices and domains that reserve it; one more if it is
	 * permanent
	 */
	unsigned long holders;
};

struct iof_allowed {
	struct rb_node node;
	unsigned long start;
	unsigned long last;
};

/* An access that uses the map. */
struct iof_map_access {
	struct list_head node;
	struct iof_access *access;
};

/*
 * Areas are changed with domains_rwsem held for reading and iova_rwsem for
 * writing, so a reader needs either lock held the other way. A busy area is
 * being removed, with domains_rwsem held for reading, or being made. An area
 * that is being made may be in no domain yet, with no lock held.
 */
struct iof_map {
	struct rw_semaphore domains_rwsem;
	/*
	 * struct iof_domain.map_node; domains_rwsem
	 */
	struct list_head domains;

	struct rw_semaphore iova_rwsem; /* guards the fields below */
	struct rb_root areas;		/* by iova, disjoint */
	struct rb_root allowed; /* by start, disjoint; empty: no restriction */
	/*
	 * struct iof_reserved, by start, then by last
	 */
	struct rb_root reserved;
	/* iova, length and offset of every area are multiples of it */
	unsigned long alignment;
	/* by log2: number of domains and accesses that require the alignment */
	unsigned long demands[PAGE_SHIFT + 1];
	bool huge_pages;

	struct mutex access_lock;
	/* struct iof_map_access; changed under access_lock and iova_rwsem */
	struct list_head accesses;
	/*
	 * Start of the search for an automatic IOVA: no free range of at least
	 * @length at @residue modulo @modulus is below @start.
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
 * Creates an area that lies at 0 until it is placed, takes a reference on
 * @pages, and appends the area to @list. -ENOMEM.
 */
int iof_area_create(struct list_head *list, struct iof_pages *pages,
		    unsigned long offset, unsigned long length,
		    unsigned int prot);
/* Frees areas that are in no map. */
void iof_areas_free(struct list_head *list);
/* The lowest area that overlaps [start, last]. iova_rwsem. */
struct iof_area *iof_map_first_area(struct iof_map *map, unsigned long start,
				    unsigned long last);
struct iof_area *iof_map_next_area(struct iof_area *area);
/* Both: iova_rwsem for writing. */
void iof_map_link_area(struct iof_map *map, struct iof_area *area);
void iof_map_erase_area(struct iof_map *map, struct iof_area *area);

void iof_map_init(struct iof_map *map);
/* No domain may be left. */
void iof_map_destroy(struct iof_map *map);

/*
 * Places the areas of @list, @length bytes in all, one after the other at *iova
 * (@fixed) or at the lowest place that fits (*iova is set), and enters them
 * into every domain. On success the list is empty. Errors of rules b2 to b8 and
 * b13, and -EINTR. On failure nothing has changed.
 */
int iof_map_insert(struct iof_map *map, struct list_head *list,
		   unsigned long length, unsigned long *iova, bool fixed);
/*
 * Creates areas on @list that share the memory of [iova, iova + length).
 * -EINVAL length 0, -EOVERFLOW, -ENOENT not mapped without a gap, -ENOMEM,
 * -EINTR. On failure the list is unchanged.
 */
int iof_map_share(struct iof_map *map, unsigned long iova, unsigned long length,
		  unsigned int prot, struct list_head *list);
/*
 * For iova_remove.c. Takes the areas of @list, in ascending order and up to but
 * not including @end (NULL: all), out of @domain. Unpins them when no DMA can
 * reach them any more.
 */
void iof_areas_leave(struct iof_domain *domain, struct list_head *list,
		     struct iof_area *end);
/* Erases the same areas from the map. iova_rwsem for writing. */
void iof_map_erase_areas(struct iof_map *map, struct list_head *list,
			 struct iof_area *end);
/*
 * Clears 'busy' of the areas of @list, which are complete or stay, and empties
 * the list. iova_rwsem for writing.
 */
void iof_areas_set_idle(struct list_head *list);

/*
 * Removes the areas within [start, last] (iova_remove.c). *bytes is the number
 * of bytes removed, also on failure. -ENOENT: the range cuts an area, or has
 * none and @may_be_empty is false. -EBUSY. -EDEADLK: an access does not unpin.
 * -EINTR: nothing was removed. Calls the unmap() of accesses.
 */
int iof_map_remove(struct iof_map *map, unsigned long start, unsigned long last,
		   bool may_be_empty, unsigned long *bytes);

/*
 * Cuts the area that contains @iova - 1 and @iova in two, if there is one.
 * -EINVAL large pages are on, or not aligned; -EBUSY, -EDEADLK, -ENOMEM.
 */
int iof_map_cut(struct iof_map *map, unsigned long iova);
/*
 * Page sizes, PAGE_SIZE and above, that all domains can map; all sizes if there
 * is no domain. 0: the thread was killed.
 */
u64 iof_map_page_sizes(struct iof_map *map);

/* -EINVAL, -EADDRINUSE: rule b27; -EINTR. */
int iof_map_set_huge_pages(struct iof_map *map, bool on);
/* Snapshots without a lock. */
static inline bool iof_map_huge_pages(const struct iof_map *map)
{
	return READ_ONCE(map->huge_pages);
}
static inline unsigned long iof_map_alignment(const struct iof_map *map)
{
	return READ_ONCE(map->alignment);
}
/*
 * Fills @domain with all areas and keeps it filled. Errors of rule b33; undone
 * on failure.
 */
int iof_map_add_domain(struct iof_map *map, struct iof_domain *domain);
void iof_map_remove_domain(struct iof_map *map, struct iof_domain *domain);
/*
 * The same, but -EINTR if the thread is killed while it waits for
 * domains_rwsem.
 */
int iof_map_remove_domain_killable(struct iof_map *map,
				   struct iof_domain *domain);
/* Adds an access with its alignment. ERR_PTR(-EADDRINUSE), ERR_PTR(-ENOMEM). */
struct iof_map_access *iof_map_add_access(struct iof_map *map,
					  struct iof_access *access);
/* Frees @ma. */
void iof_map_remove_access(struct iof_map *map, struct iof_map_access *ma);

/* ---- which I/O virtual addresses can be had (iova_ranges.c) ---- */

/*
 * Checks that a mapping can lie at @iova: -EINVAL, -EOVERFLOW, -EEXIST.
 * iova_rwsem.
 */
int iof_map_check_fixed(struct iof_map *map, unsigned long iova,
			unsigned long length);
/*
 * Finds the lowest place for memory at @uptr: -EOVERFLOW, -EINVAL, -ENOSPC,
 * -EINTR. iova_rwsem for writing.
 */
int iof_map_find_automatic(struct iof_map *map, unsigned long uptr,
			   unsigned long length, unsigned long *iova);

/* -EINVAL @start..@last overlaps an entry, -ENOMEM */
int iof_allowed_insert(struct rb_root *root, unsigned long start,
		       unsigned long last);
void iof_allowed_free(struct rb_root *root);
/*
 * Swaps the allow-list with *root. -EADDRINUSE an entry touches a reserved
 * range, -EINTR.
 */
int iof_map_swap_allowed(struct iof_map *map, struct rb_root *root);
/*
 * Fills in the first @room ranges that are not reserved. Returns the number of
 * all of them, or -EINTR.
 */
long iof_map_ranges(struct iof_map *map, struct iommu_iova_range *ranges,
		    unsigned long room, u64 *alignment);

/* Creates a reserved range on @list. -ENOMEM. */
int iof_reserved_add(struct list_head *list, unsigned long start,
		     unsigned long last);
void iof_reserved_free(struct list_head *list);
/*
 * Reserves all ranges of @fresh, or none: -EADDRINUSE. Records of ranges that
 * are reserved already stay on the list. iova_rwsem for writing.
 */
int iof_map_enter_reserved(struct iof_map *map, struct list_head *fresh);
/*
 * Ends one reservation of [start, last]. The record of the last one is moved to
 * @gone. iova_rwsem for writing.
 */
void iof_map_leave_reserved(struct iof_map *map, unsigned long start,
			    unsigned long last, struct list_head *gone);
/*
 * Reserves the device's regions, once more for each call. -EADDRINUSE conflict
 * with an area or the allow-list, -ENOMEM. On failure the call reserves
 * nothing.
 */
int iof_map_reserve_device(struct iof_map *map, struct iof_hwdev *dev);
void iof_map_unreserve_device(struct iof_map *map, struct iof_hwdev *dev);
/* One range, as above. */
int iof_map_reserve(struct iof_map *map, unsigned long start,
		    unsigned long last);
void iof_map_unreserve(struct iof_map *map, unsigned long start,
		       unsigned long last);
/* Frees all records when the map ends. */
void iof_map_free_reserved(struct iof_map *map);

#endif
