// SPDX-License-Identifier: MIT
/*
 * map.c - mappings: the source, or program memory, behind the addresses of a space.
 *
 * A space keeps its mappings in one sorted array, which changes under map_lock and lock together. A
 * new mapping gets its tables and loads no page. iof_mapping_remove() first marks the mapping as
 * dying, so that no fault loads a page for it. It then evicts its pages, takes it from the array,
 * and frees its tables after an invalidation. A mapping of program memory gets all of its entries
 * at once, accessed and dirty, so that the device need not write them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pager_private.h"

/* Returns the index of the first mapping that ends behind @addr. */
uint32_t iof_mapping_at(const struct iof_space *space, uint64_t addr)
{
	uint32_t low = 0;
	uint32_t high = space->nr_maps;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct iof_mapping *map = space->maps[middle];

		if (iof_mapping_addr(map, map->pages) <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool mapping_has(const struct iof_mapping *map, uint64_t addr)
{
	return addr >= map->iova && addr - map->iova < map->pages << IOF_PAGE_SHIFT;
}

/* Returns the mapping at @addr, or NULL. Called with the lock held. */
struct iof_mapping *iof_mapping_find(struct iof_space *space, uint64_t addr)
{
	uint32_t at;

	if (space->last_map && mapping_has(space->last_map, addr))
		return space->last_map;
	at = iof_mapping_at(space, addr);
	if (at == space->nr_maps || !mapping_has(space->maps[at], addr))
		return NULL;
	space->last_map = space->maps[at];
	return space->last_map;
}

bool iof_space_refuses(const struct iof_space *space, uint64_t addr)
{
	uint32_t low = 0;
	uint32_t high = space->nr_refused;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (space->refused[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < space->nr_refused && space->refused[low].start <= addr;
}

/*
 * Rounds @length up to whole pages. Returns -EINVAL, and sets an error text, if the range is not
 * valid.
 */
int iof_range_check(struct iof_pager *pager, uint64_t iova, uint64_t *length)
{
	uint64_t rounded = (*length + IOF_PAGE_MASK) & ~IOF_PAGE_MASK;

	if (iof_forked(pager->forks))
		return -ECHILD;
	if (iova & IOF_PAGE_MASK)
		return iof_pager_fail(pager, -EINVAL,
				      "the I/O address 0x%llx is not a multiple of %u",
				      (unsigned long long)iova, IOF_PAGER_PAGE);
	if (!*length)
		return iof_pager_fail(pager, -EINVAL,
				      "the range at I/O address 0x%llx has no length",
				      (unsigned long long)iova);
	if (rounded < *length || iova >> IOF_SPACE_BITS ||
	    rounded > (1ull << IOF_SPACE_BITS) - iova)
		return iof_pager_fail(pager, -EINVAL,
				      "the range at I/O address 0x%llx does not lie below 2^%u",
				      (unsigned long long)iova, IOF_SPACE_BITS);
	*length = rounded;
	return 0;
}

static uint64_t mapping_leaves(const struct iof_mapping *map)
{
	return ((iof_mapping_addr(map, map->pages) - 1) >> IOF_LEAF_SHIFT) -
	       (map->iova >> IOF_LEAF_SHIFT) + 1;
}

static uint64_t leaf_addr(const struct iof_mapping *map, uint64_t leaf)
{
	return ((map->iova >> IOF_LEAF_SHIFT) + leaf) << IOF_LEAF_SHIFT;
}

/* Drops the use of the first @nr tables by a mapping. Its entries there are zero. */
static int mapping_put_tables(struct iof_mapping *map, uint64_t nr)
{
	struct iof_space *space = map->space;
	struct iommu_hwpt_vtd_s1_invalidate all = { .addr = map->iova, .npages = map->pages };
	struct iof_table *waiting = NULL;
	uint64_t leaf;
	int err = 0;

	for (leaf = 0; leaf < nr; leaf++)
		waiting = iof_table_put(space, leaf_addr(map, leaf), waiting);
	if (space->attached)
		err = iof_invalidate(space->pager, space->hwpt_id, &all, 1);
	/*
	 * If the invalidation failed, the hardware may still use the tables: they are not reused.
	 */
	if (!err)
		iof_table_recycle(space->pager, waiting);
	return err;
}

static int mapping_get_tables(struct iof_mapping *map)
{
	uint64_t nr = mapping_leaves(map);
	uint64_t leaf;
	int err;

	map->leaves = calloc(nr, sizeof(*map->leaves));
	if (!map->leaves)
		return -ENOMEM;
	for (leaf = 0; leaf < nr; leaf++) {
		err = iof_table_get(map->space, leaf_addr(map, leaf), &map->leaves[leaf]);
		if (err) {
			mapping_put_tables(map, leaf);
			free(map->leaves);
			map->leaves = NULL;
			return err;
		}
	}
	return 0;
}

/* Makes room for one more mapping in the array. */
static int space_room(struct iof_space *space)
{
	uint32_t room = space->room ? space->room * 2 : 8;
	struct iof_mapping **maps;

	if (space->nr_maps < space->room)
		return 0;
	maps = calloc(room, sizeof(struct iof_mapping *));
	if (!maps)
		return -ENOMEM;
	pthread_mutex_lock(&space->pager->lock);
	if (space->nr_maps)
		memcpy(maps, space->maps, space->nr_maps * sizeof(struct iof_mapping *));
	free(space->maps);
	space->maps = maps;
	space->room = room;
	pthread_mutex_unlock(&space->pager->lock);
	return 0;
}

/*
 * Creates a mapping with its tables, not yet in the array. The caller has checked @length and holds
 * map_lock. *@out is set only on success.
 */
static int mapping_new(struct iof_space *space, uint64_t iova, uint64_t length, unsigned int prot,
		       struct iof_mapping **out)
{
	struct iof_pager *pager = space->pager;
	uint32_t at = iof_mapping_at(space, iova);
	struct iof_mapping *map;
	int err;

	if (at < space->nr_maps && space->maps[at]->iova < iova + length)
		return iof_pager_fail(pager, -EEXIST, "the I/O address 0x%llx is mapped already",
				      (unsigned long long)space->maps[at]->iova);
	map = calloc(1, sizeof(*map));
	if (!map)
		return iof_pager_fail(pager, -ENOMEM, "no memory for a mapping");
	map->space = space;
	map->iova = iova;
	map->pages = length >> IOF_PAGE_SHIFT;
	map->prot = prot;
	err = space_room(space);
	if (!err)
		err = mapping_get_tables(map);
	if (err) {
		free(map);
		return iof_pager_fail(pager, err, "no memory for the tables of %llu pages: %s",
				      (unsigned long long)(length >> IOF_PAGE_SHIFT),
				      strerror(-err));
	}
	*out = map;
	return 0;
}

static void mapping_insert(struct iof_mapping *map)
{
	struct iof_space *space = map->space;
	uint32_t at = iof_mapping_at(space, map->iova);

	pthread_mutex_lock(&space->pager->lock);
	memmove(&space->maps[at + 1], &space->maps[at],
		(space->nr_maps - at) * sizeof(struct iof_mapping *));
	space->maps[at] = map;
	space->nr_maps++;
	pthread_mutex_unlock(&space->pager->lock);
}

static int source_check(struct iof_pager *pager, struct iof_source *source, uint64_t offset,
			uint64_t length, unsigned int prot)
{
	uint64_t size = (source->size + IOF_PAGE_MASK) & ~IOF_PAGE_MASK;

	if (prot & ~(unsigned int)(IOF_PAGER_READ | IOF_PAGER_WRITE))
		return iof_pager_fail(pager, -EINVAL, "unknown rights 0x%x", prot);
	if (offset & IOF_PAGE_MASK)
		return iof_pager_fail(pager, -EINVAL, "the offset %llu is not a multiple of %u",
				      (unsigned long long)offset, IOF_PAGER_PAGE);
	if (offset > size || length > size - offset)
		return iof_pager_fail(pager, -EINVAL,
				      "%llu bytes at offset %llu lie beyond the end of the source, "
				      "which has %llu bytes",
				      (unsigned long long)length, (unsigned long long)offset,
				      (unsigned long long)source->size);
	if (prot & IOF_PAGER_WRITE && !source->ops.store)
		return iof_pager_fail(pager, -EACCES, "the source cannot be written");
	return 0;
}

int iof_pager_map(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length,
		  struct iof_source *source, uint64_t offset, unsigned int prot)
{
	struct iof_space *space;
	struct iof_mapping *map;
	int err;

	err = iof_range_check(pager, iova, &length);
	if (!err)
		err = source_check(pager, source, offset, length, prot);
	if (err)
		return err;
	pthread_mutex_lock(&pager->map_lock);
	err = iof_space_get(pager, pasid, &space);
	if (!err)
		err = mapping_new(space, iova, length, prot, &map);
	if (!err) {
		map->source = source;
		map->offset = offset;
		map->direct = pager->config.flags & IOF_PAGER_DIRECT && iof_source_direct(source);
		iof_source_get(source);
		mapping_insert(map);
	}
	pthread_mutex_unlock(&pager->map_lock);
	return err;
}

int iof_pager_map_memory(struct iof_pager *pager, uint32_t pasid, uint64_t iova, void *addr,
			 uint64_t length, unsigned int prot)
{
	uint64_t bits = IOF_PTE_PRESENT | IOF_PTE_USER | IOF_PTE_ACCESSED;
	struct iof_space *space;
	struct iof_mapping *map;
	uint64_t page;
	int err;

	err = iof_range_check(pager, iova, &length);
	if (err)
		return err;
	if ((uintptr_t)addr & IOF_PAGE_MASK ||
	    prot & ~(unsigned int)(IOF_PAGER_READ | IOF_PAGER_WRITE))
		return iof_pager_fail(pager, -EINVAL,
				      "the memory at %p is not aligned to %u, or the rights are "
				      "unknown",
				      addr, IOF_PAGER_PAGE);
	if (prot & IOF_PAGER_WRITE)
		bits |= IOF_PTE_WRITE | IOF_PTE_DIRTY;

	pthread_mutex_lock(&pager->map_lock);
	err = iof_space_get(pager, pasid, &space);
	if (!err)
		err = mapping_new(space, iova, length, prot, &map);
	if (!err) {
		err = iof_pager_parent_map(pager, addr, length, prot & IOF_PAGER_WRITE,
					   &map->parent_iova);
		if (err) {
			mapping_put_tables(map, mapping_leaves(map));
			free(map->leaves);
			free(map);
			iof_pager_fail(pager, err, "cannot map %llu bytes at %p for the device: %s",
				       (unsigned long long)length, addr, strerror(-err));
		}
	}
	if (!err) {
		for (page = 0; page < map->pages; page++)
			iof_pte_store(iof_mapping_pte(map, page),
				      (map->parent_iova + (page << IOF_PAGE_SHIFT)) | bits);
		mapping_insert(map);
	}
	pthread_mutex_unlock(&pager->map_lock);
	return err;
}

/*
 * Removes a mapping; @flags are those of iof_expel(). After an error without FORCE the mapping
 * stays as it was. Called with map_lock held.
 */
int iof_mapping_remove(struct iof_mapping *map, unsigned int flags)
{
	struct iof_space *space = map->space;
	struct iof_pager *pager = space->pager;
	uint32_t at = iof_mapping_at(space, map->iova);
	uint64_t page;
	int err = 0;

	pthread_mutex_lock(&pager->lock);
	map->dying = true;
	if (map->source)
		err = iof_expel(map, 0, map->pages - 1, flags);
	if (err && !(flags & IOF_EXPEL_FORCE)) {
		map->dying = false;
		pthread_mutex_unlock(&pager->lock);
		return err;
	}
	/* A frame with a failed load belongs to the mapping until its last holder drops it. */
	while (map->frames)
		iof_pager_wait(pager);
	space->nr_maps--;
	memmove(&space->maps[at], &space->maps[at + 1],
		(space->nr_maps - at) * sizeof(struct iof_mapping *));
	space->last_map = NULL;
	pthread_mutex_unlock(&pager->lock);

	for (page = 0; !map->source && page < map->pages; page++)
		iof_pte_store(iof_mapping_pte(map, page), 0);
	mapping_put_tables(map, mapping_leaves(map));
	if (map->source)
		iof_source_free(map->source);
	else
		iof_pager_parent_unmap(pager, map->parent_iova, map->pages << IOF_PAGE_SHIFT);
	free(map->leaves);
	free(map);
	return err;
}

int iof_pager_unmap(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length,
		    unsigned int flags)
{
	unsigned int expel = flags & IOF_PAGER_DISCARD ? IOF_EXPEL_DISCARD : 0;
	struct iof_space *space;
	uint32_t at;
	int err;

	err = iof_range_check(pager, iova, &length);
	if (err)
		return err;
	if (flags & ~(unsigned int)IOF_PAGER_DISCARD)
		return iof_pager_fail(pager, -EINVAL, "unknown flags 0x%x", flags);
	pthread_mutex_lock(&pager->map_lock);
	space = iof_pager_space(pager, pasid);
	at = space ? iof_mapping_at(space, iova) : 0;
	if (!space || at == space->nr_maps || space->maps[at]->iova >= iova + length) {
		err = iof_pager_fail(pager, -ENOENT, "no page is mapped at I/O address 0x%llx",
				     (unsigned long long)iova);
		goto out;
	}
	/*
	 * Check both ends of the range first: a range that cuts through a mapping changes nothing.
	 */
	if (space->maps[at]->iova < iova)
		goto cut;
	for (; at < space->nr_maps && space->maps[at]->iova < iova + length; at++) {
		const struct iof_mapping *map = space->maps[at];

		if (iof_mapping_addr(map, map->pages) > iova + length)
			goto cut;
	}
	at = iof_mapping_at(space, iova);
	while (!err && at < space->nr_maps && space->maps[at]->iova < iova + length)
		err = iof_mapping_remove(space->maps[at], expel);
	if (err)
		iof_pager_fail(pager, err, "cannot unmap: a page was not written back: %s",
			       strerror(-err));
	goto out;
cut:
	err = iof_pager_fail(pager, -EINVAL,
			     "the range at I/O address 0x%llx cuts through a mapping",
			     (unsigned long long)iova);
out:
	pthread_mutex_unlock(&pager->map_lock);
	return err;
}
