// SPDX-License-Identifier: MIT
/*
 * table.c - first-stage tables: the memory they are made of, and the tree.
 *
 * iof_pager_map() builds tables, a fault never does. They take 1/512 of the range, in chunks of
 * memory that the parent IOAS maps. A chain of new tables is complete before the entry that makes
 * it reachable is written. When the last mapping of a table is removed, the entry above it is
 * cleared. The page of the table waits in a list until the caller has invalidated; then it may be
 * reused. All functions here run under map_lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pager_private.h"

#define IOF_LEVELS	4
#define IOF_CHUNK_LEAST 64u /* pages in the first chunk */
#define CHUNK_MAX	65536u

static uint32_t table_index(uint64_t addr, int level)
{
	return (addr >> (IOF_PAGE_SHIFT + 9 * level)) % IOF_TABLE_ENTRIES;
}

/* Allocates a chunk for tables, twice as large as the last one, up to CHUNK_MAX pages. */
static int table_grow(struct iof_pager *pager)
{
	struct iof_table_chunk *chunk = calloc(1, sizeof(*chunk));
	uint32_t pages = pager->chunks ? pager->chunks->pages * 2 : IOF_CHUNK_LEAST;
	int err;

	if (!chunk)
		return -ENOMEM;
	chunk->pages = pages < CHUNK_MAX ? pages : CHUNK_MAX;
	chunk->memory = mmap(NULL, (size_t)chunk->pages << IOF_PAGE_SHIFT, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (chunk->memory == MAP_FAILED) {
		free(chunk);
		return -ENOMEM;
	}
	err = iof_pager_parent_map(pager, chunk->memory, (uint64_t)chunk->pages << IOF_PAGE_SHIFT,
				   true, &chunk->iova);
	if (err) {
		munmap(chunk->memory, (size_t)chunk->pages << IOF_PAGE_SHIFT);
		free(chunk);
		return err;
	}
	chunk->next = pager->chunks;
	pager->chunks = chunk;
	return 0;
}

/* Returns a page of zeros for a table. */
static int table_page(struct iof_pager *pager, uint64_t **entries, uint64_t *iova)
{
	struct iof_free_table *again = pager->free_tables;
	struct iof_table_chunk *chunk;
	int err;

	if (again) {
		pager->free_tables = again->next;
		*iova = again->iova;
		*entries = memset(again, 0, IOF_PAGER_PAGE);
	} else {
		if (!pager->chunks || pager->chunks->used == pager->chunks->pages) {
			err = table_grow(pager);
			if (err)
				return err;
		}
		chunk = pager->chunks;
		*entries = (uint64_t *)(chunk->memory + ((size_t)chunk->used << IOF_PAGE_SHIFT));
		*iova = chunk->iova + ((uint64_t)chunk->used << IOF_PAGE_SHIFT);
		chunk->used++;
	}
	__atomic_add_fetch(&pager->table_pages, 1, __ATOMIC_RELAXED);
	return 0;
}

static void table_free(struct iof_pager *pager, struct iof_table *table)
{
	struct iof_free_table *page = (struct iof_free_table *)table->entries;

	page->iova = table->iova;
	page->next = pager->free_tables;
	pager->free_tables = page;
	__atomic_sub_fetch(&pager->table_pages, 1, __ATOMIC_RELAXED);
	free(table->below);
	free(table);
}

static struct iof_table *table_new(struct iof_pager *pager, int level, int *err)
{
	struct iof_table *table = calloc(1, sizeof(*table));

	*err = -ENOMEM;
	if (!table)
		return NULL;
	if (level) {
		table->below = calloc(IOF_TABLE_ENTRIES, sizeof(struct iof_table *));
		if (!table->below)
			goto out;
	}
	*err = table_page(pager, &table->entries, &table->iova);
	if (!*err)
		return table;
	free(table->below);
out:
	free(table);
	return NULL;
}

static void table_link(struct iof_table *table, uint32_t index, struct iof_table *below)
{
	table->below[index] = below;
	table->users++;
	iof_pte_store(&table->entries[index], below->iova | IOF_PTE_PRESENT | IOF_PTE_WRITE |
						      IOF_PTE_USER | IOF_PTE_ACCESSED);
}

/*
 * Returns the entries of the last-level table for @addr, and adds one user to it. Builds the table
 * if there is none. On an error nothing has changed.
 */
int iof_table_get(struct iof_space *space, uint64_t addr, uint64_t **entries)
{
	struct iof_table *table = space->root;
	struct iof_table *chain = NULL;
	int level = IOF_LEVELS - 1;
	int bottom;
	int err;

	while (level && table->below[table_index(addr, level)]) {
		table = table->below[table_index(addr, level)];
		level--;
	}
	/* Build the missing tables from the lowest level up. */
	for (bottom = 0; bottom < level; bottom++) {
		struct iof_table *above = table_new(space->pager, bottom, &err);

		if (!above)
			goto out_chain;
		if (chain)
			table_link(above, table_index(addr, bottom), chain);
		chain = above;
	}
	if (chain)
		table_link(table, table_index(addr, level), chain);
	while (level) {
		table = table->below[table_index(addr, level)];
		level--;
	}
	table->users++;
	*entries = table->entries;
	return 0;
out_chain:
	while (chain) {
		struct iof_table *below = bottom > 1 ? chain->below[table_index(addr, bottom - 1)] :
						       NULL;

		table_free(space->pager, chain);
		chain = below;
		bottom--;
	}
	return err;
}

/*
 * Drops one user of the last-level table for @addr. Tables without users become unreachable and are
 * put in front of the list @waiting. Returns the new list.
 */
struct iof_table *iof_table_put(struct iof_space *space, uint64_t addr, struct iof_table *waiting)
{
	struct iof_table *path[IOF_LEVELS];
	int level;

	path[IOF_LEVELS - 1] = space->root;
	for (level = IOF_LEVELS - 1; level; level--)
		path[level - 1] = path[level]->below[table_index(addr, level)];
	for (level = 0; level < IOF_LEVELS - 1 && !--path[level]->users; level++) {
		uint32_t index = table_index(addr, level + 1);

		iof_pte_store(&path[level + 1]->entries[index], 0);
		path[level + 1]->below[index] = NULL;
		path[level]->next = waiting;
		waiting = path[level];
	}
	return waiting;
}

/* Frees the tables of the list for reuse. The caller has invalidated. */
void iof_table_recycle(struct iof_pager *pager, struct iof_table *waiting)
{
	while (waiting) {
		struct iof_table *next = waiting->next;

		table_free(pager, waiting);
		waiting = next;
	}
}

int iof_table_root(struct iof_space *space)
{
	int err;

	space->root = table_new(space->pager, IOF_LEVELS - 1, &err);
	return space->root ? 0 : err;
}

/* Frees the root table of a space that has no mapping and no HWPT any more. */
void iof_table_destroy(struct iof_pager *pager, struct iof_table *root)
{
	if (root)
		table_free(pager, root);
}

/* Frees the memory of all tables. The caller has removed all spaces (iof_space_remove()). */
void iof_table_release(struct iof_pager *pager)
{
	while (pager->chunks) {
		struct iof_table_chunk *chunk = pager->chunks;
		uint64_t bytes = (uint64_t)chunk->pages << IOF_PAGE_SHIFT;

		pager->chunks = chunk->next;
		iof_pager_parent_unmap(pager, chunk->iova, bytes);
		munmap(chunk->memory, bytes);
		free(chunk);
	}
	pager->free_tables = NULL;
}
