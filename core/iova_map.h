/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iova_map.h - the map of an I/O address space: areas, allowed and reserved
 * ranges, domains (iova_area.c, iova_domain.c, iova_map.c, iova_remove.c,
 * iova_ranges.c).
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
	struct rb_node node; /* node of map->areas; iova_rwsem */
	/* list of areas that one call builds or removes; that call owns it */
	struct list_head work;
	unsigned long iova;
	unsigned long last;	 /* last address, inclusive */
	struct iof_pages *pages; /* holds a reference */
	unsigned long offset;	 /* number of bytes from pages->uptr */
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
 * A range that must not be mapped. Ranges may overlap. iova_rwsem protects all
 * fields but node and list.
 */
struct iof_reserved {
	struct rb_node node; /* node of map->reserved */
	/* list of ranges that one call enters or removes */
	struct list_head fresh;
	unsigned long start;
	unsigned long last;
	/*
	 * Maximum of 'last' over this record and all records that sort before
	 * it.
	 */
	unsigned long reach;
	/*
	 * number of devices and domains that reserve the range; one more if it
	 * is permanent
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
 * A thread that changes areas holds domains_rwsem for reading and iova_rwsem
 * for writing; so a reader needs either domains_rwsem for writing or iova_rwsem
 * for reading. A busy area is being removed, with domains_rwsem held for
 * reading, or being made. An area that is being made may be in no domain yet,
 * with no lock held.
 */
struct iof_map {
	struct rw_semaphore domains_rwsem;
	/* list of struct iof_domain.map_node; domains_rwsem */
	struct list_head domains;

	struct rw_semaphore iova_rwsem; /* guards the fields below */
	struct rb_root areas;		/* sorted by iova, disjoint */
	/* sorted by start, disjoint; empty: no restriction */
	struct rb_root allowed;
	/* tree of struct iof_reserved, sorted by start, then by last */
	struct rb_root reserved;
	/* iova, length and offset of every area are multiples of it */
	unsigned long alignment;
	/*
	 * indexed by log2: number of domains and accesses that require the
	 * alignment
	 */
	unsigned long demands[PAGE_SHIFT + 1];
	bool huge_pages;

	struct mutex access_lock;
	/*
	 * list of struct iof_map_access; access_lock and iova_rwsem to change
	 */
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

static inline unsigned long iof_area_first_page(const struct iof_area *area)
{
	return area->offset >> PAGE_SHIFT;
}

static inline unsigned long iof_area_last_page(const struct iof_area *area)
{
	return (area->offset + (area->last - area->iova)) >> PAGE_SHIFT;
}

static inline void iof_area_place(struct iof_area *area, unsigned long iova)
{
	area->last += iova - area->iova;
	area->iova = iova;
}

/*
 * Is @area in @domain, or must it be entered now? False: the domain is being
 * filled and has not reached @area. Called with domains_rwsem held.
 */
static inline bool iof_domain_shows(const struct iof_domain *domain,
				    const struct iof_area *area)
{
	return !domain->filling || area->iova < READ_ONCE(domain->fill_next);
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
/*
 * Returns the lowest area that overlaps [start, last]. Called with iova_rwsem
 * held.
 */
struct iof_area *iof_map_first_area(struct iof_map *map, unsigned long start,
				    unsigned long last);
struct iof_area *iof_map_next_area(struct iof_area *area);
/* Link and erase an area. Called with iova_rwsem held for writing. */
void iof_map_link_area(struct iof_map *map, struct iof_area *area);
void iof_map_erase_area(struct iof_map *map, struct iof_area *area);

void iof_map_init(struct iof_map *map);
/* Destroys a map without domains. */
void iof_map_destroy(struct iof_map *map);

/*
 * Places the areas of @list, @length bytes in all, one after the other at *iova
 * (@fixed) or at the lowest place that fits (*iova is set), and enters them
 * into every domain. On success the list is empty. Returns errors of rules b2
 * to b8 and b13, and -EINTR. On failure nothing has changed.
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
 * Takes the areas of @list, in ascending order and up to but not including @end
 * (NULL: all), out of @domain. Unpins them when no DMA can reach them any more.
 */
void iof_areas_leave(struct iof_domain *domain, struct list_head *list,
		     struct iof_area *end);
/*
 * Erases the same areas from the map. Called with iova_rwsem held for writing.
 */
void iof_map_erase_areas(struct iof_map *map, struct list_head *list,
			 struct iof_area *end);
/*
 * Enters the areas of @list into all domains of @map. On failure no area is
 * entered. Called with domains_rwsem held.
 */
int iof_areas_enter(struct iof_map *map, struct list_head *list);
/*
 * Links all areas that are not busy through their work list. A busy area is
 * being made and is in no domain. Called with domains_rwsem held for writing.
 */
void iof_map_idle_areas(struct iof_map *map, struct list_head *list);
/*
 * Enters all areas into a new domain. Called and returns with domains_rwsem
 * held for writing. On failure no area is entered.
 */
int iof_map_fill_domain(struct iof_map *map, struct iof_domain *domain);
/*
 * Clears 'busy' of the areas of @list, which are complete or stay, and empties
 * the list. Called with iova_rwsem held for writing.
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
 * Returns -EINVAL large pages are on, or @iova is not aligned; -EBUSY,
 * -EDEADLK, -ENOMEM.
 */
int iof_map_cut(struct iof_map *map, unsigned long iova);
/*
 * Returns the page sizes, PAGE_SIZE and above, that all domains can map; all
 * sizes if there is no domain. 0: the thread was killed.
 */
u64 iof_map_page_sizes(struct iof_map *map);

/*
 * Finds the physical address behind @iova, in memory that the domain of a
 * device without IOMMU holds (noiommu.c). *length, at least 1, becomes the
 * number of contiguous bytes from *pa on, if that is less. -ENOENT not mapped,
 * -EOPNOTSUPP no such domain, -EINTR.
 */
int iof_map_physical(struct iof_map *map, unsigned long iova,
		     unsigned long *length, phys_addr_t *pa);

/*
 * Turns large pages on or off. Returns -EINVAL, -EADDRINUSE (rule b27) or
 * -EINTR.
 */
int iof_map_set_huge_pages(struct iof_map *map, bool on);
/* These two read a snapshot without a lock. */
static inline bool iof_map_huge_pages(const struct iof_map *map)
{
	return READ_ONCE(map->huge_pages);
}
static inline unsigned long iof_map_alignment(const struct iof_map *map)
{
	return READ_ONCE(map->alignment);
}
/*
 * Fills @domain with all areas and keeps it filled. Returns errors of rule b33;
 * on failure nothing has changed.
 */
int iof_map_add_domain(struct iof_map *map, struct iof_domain *domain);
void iof_map_remove_domain(struct iof_map *map, struct iof_domain *domain);
/*
 * Does the same, but returns -EINTR if the thread is killed while it waits for
 * domains_rwsem.
 */
int iof_map_remove_domain_killable(struct iof_map *map,
				   struct iof_domain *domain);
/*
 * Adds an access with its alignment. Returns it, ERR_PTR(-EADDRINUSE) or
 * ERR_PTR(-ENOMEM).
 */
struct iof_map_access *iof_map_add_access(struct iof_map *map,
					  struct iof_access *access);
/* Removes an access from the map, and frees @ma. */
void iof_map_remove_access(struct iof_map *map, struct iof_map_access *ma);

/* ---- which I/O virtual addresses can be had (iova_ranges.c) ---- */

/*
 * Checks that a mapping can lie at @iova. Returns 0, -EINVAL, -EOVERFLOW or
 * -EEXIST. Called with iova_rwsem held.
 */
int iof_map_check_fixed(struct iof_map *map, unsigned long iova,
			unsigned long length);
/*
 * Finds the lowest place for memory at @uptr. Returns 0, -EOVERFLOW, -EINVAL,
 * -ENOSPC or -EINTR. Called with iova_rwsem held for writing.
 */
int iof_map_find_automatic(struct iof_map *map, unsigned long uptr,
			   unsigned long length, unsigned long *iova);

/*
 * Inserts an entry. Returns -EINVAL if @start..@last overlaps an entry, or
 * -ENOMEM.
 */
int iof_allowed_insert(struct rb_root *root, unsigned long start,
		       unsigned long last);
void iof_allowed_free(struct rb_root *root);
/*
 * Swaps the allow-list with *root. Returns 0, -EADDRINUSE an entry touches a
 * reserved range, or -EINTR.
 */
int iof_map_swap_allowed(struct iof_map *map, struct rb_root *root);
/*
 * Fills in the first @room ranges that are not reserved. Returns the number of
 * all of them, or -EINTR.
 */
long iof_map_ranges(struct iof_map *map, struct iommu_iova_range *ranges,
		    unsigned long room, u64 *alignment);

/* Creates a reserved range on @list. Returns 0 or -ENOMEM. */
int iof_reserved_add(struct list_head *list, unsigned long start,
		     unsigned long last);
void iof_reserved_free(struct list_head *list);
/*
 * Reserves all ranges of @fresh, or none and returns -EADDRINUSE. Records of
 * ranges that are reserved already stay on the list. Called with iova_rwsem
 * held for writing.
 */
int iof_map_enter_reserved(struct iof_map *map, struct list_head *fresh);
/*
 * Ends one reservation of [start, last]. If it was the last one, moves the
 * record to @gone. Called with iova_rwsem held for writing.
 */
void iof_map_leave_reserved(struct iof_map *map, unsigned long start,
			    unsigned long last, struct list_head *gone);
/*
 * Reserves the device's regions; each call adds one reservation. Returns 0,
 * -EADDRINUSE conflict with an area or the allow-list, or -ENOMEM. On failure
 * the call reserves nothing.
 */
int iof_map_reserve_device(struct iof_map *map, struct iof_hwdev *dev);
void iof_map_unreserve_device(struct iof_map *map, struct iof_hwdev *dev);
/* Reserves one range, as iof_map_reserve_device() does. */
int iof_map_reserve(struct iof_map *map, unsigned long start,
		    unsigned long last);
void iof_map_unreserve(struct iof_map *map, unsigned long start,
		       unsigned long last);
/* Frees all records when the map ends. */
void iof_map_free_reserved(struct iof_map *map);

#endif
