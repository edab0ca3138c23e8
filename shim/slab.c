/* SPDX-License-Identifier: MIT */
/*
 * slab.c - caches of objects of one size.
 *
 * The objects lie side by side in slabs, as in the kernel. There can be millions of objects, and
 * libc would need twice the memory for them. The lock guards a cache's lists and is held for a few
 * loads and stores. When a cache's last object is freed, all of its slabs but one are freed. In
 * builds for AddressSanitizer each object is an allocation of its own, so that it sees their
 * bounds.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/cache.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include "internal.h"

#define SLAB_SIZE 65536ul
#define PACKED (!IOF_SHIM_ASAN)

struct slab {
	struct slab *next;
};

struct free_object {
	struct free_object *next;
};

struct kmem_cache {
	const char *name;
	size_t size;			/* distance from one object to the next */
	size_t align;
	void (*ctor)(void *object);
	pthread_mutex_t lock;		/* protects all fields below */
	long live;
	struct free_object *free;
	/* in the first slab, the bytes from @fresh to @end were never used */
	struct slab *slabs;
	char *fresh, *end;
};

struct kmem_cache *iof_shim_cache_create(const char *name, size_t size, size_t align,
					 unsigned int flags, void (*ctor)(void *))
{
	struct kmem_cache *cache = iof_shim_kmalloc(sizeof(*cache), GFP_KERNEL);

	if (!cache)
		return NULL;
	if (flags & SLAB_HWCACHE_ALIGN && size > 32)
		align = max_t(size_t, align, 64);
	align = max_t(size_t, align, 8);
	*cache = (struct kmem_cache){ .name = name, .size = ALIGN(size, align), .align = align,
				      .ctor = ctor };
	must(pthread_mutex_init(&cache->lock, NULL));
	return cache;
}

/* ---- slabs; under the lock ---- */

static void start_slab(struct kmem_cache *cache, struct slab *slab)
{
	cache->slabs = slab;
	cache->fresh = (char *)slab + ALIGN(sizeof(*slab), cache->align);
}

static bool add_slab(struct kmem_cache *cache)
{
	size_t size = ALIGN(max_t(size_t, SLAB_SIZE, 8 * cache->size), cache->align);
	struct slab *slab = aligned_alloc(cache->align, size);

	if (!slab)
		return false;
	slab->next = cache->slabs;
	start_slab(cache, slab);
	cache->end = (char *)slab + size;
	return true;
}

/* Frees @slab and the slabs after it. */
static void free_slabs(struct slab *slab)
{
	while (slab) {
		struct slab *next = slab->next;

		free(slab);
		slab = next;
	}
}

static void *take_object(struct kmem_cache *cache)
{
	struct free_object *object = cache->free;

	if (object) {
		cache->free = object->next;
	} else {
		if ((size_t)(cache->end - cache->fresh) < cache->size && !add_slab(cache))
			return NULL;
		object = (struct free_object *)cache->fresh;
		cache->fresh += cache->size;
	}
	cache->live++;
	return object;
}

static void put_object(struct kmem_cache *cache, struct free_object *object)
{
	object->next = cache->free;
	cache->free = object;
	if (--cache->live)
		return;
	free_slabs(cache->slabs->next);
	cache->slabs->next = NULL;
	cache->free = NULL;
	start_slab(cache, cache->slabs);
}

/* ---- objects ---- */

static void *alloc_packed(struct kmem_cache *cache, gfp_t gfp)
{
	void *object;

	if (!iof_shim_may_allocate(gfp))
		return NULL;
	must(pthread_mutex_lock(&cache->lock));
	object = take_object(cache);
	must(pthread_mutex_unlock(&cache->lock));
	if (!object)
		return NULL;
	if (gfp & __GFP_ZERO)
		memset(object, 0, cache->size);
	if (IOF_SHIM_CHECKS) {
		iof_shim_count(objects, 1);
		iof_shim_count(bytes, cache->size);
	}
	return object;
}

static void *alloc_alone(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = iof_shim_allocate(cache->size, cache->align, gfp);

	must(pthread_mutex_lock(&cache->lock));
	cache->live += !!object;
	must(pthread_mutex_unlock(&cache->lock));
	return object;
}

void *iof_shim_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = PACKED ? alloc_packed(cache, gfp) : alloc_alone(cache, gfp);

	if (object && cache->ctor)
		cache->ctor(object);
	return object;
}

static bool none_live(struct kmem_cache *cache)
{
	if (cache->live > 0)
		return false;
	iof_shim_complain("cache %s: more objects freed than allocated", cache->name);
	return true;
}

void iof_shim_cache_free(struct kmem_cache *cache, void *object)
{
	if (!object)
		return;
	if (PACKED && IOF_SHIM_CHECKS) {
		iof_shim_poison(object, cache->size);
		iof_shim_count(objects, -1);
		iof_shim_count(bytes, -(long)cache->size);
	}
	must(pthread_mutex_lock(&cache->lock));
	if (none_live(cache))
		object = NULL;
	else if (PACKED)
		put_object(cache, object);
	else
		cache->live--;
	must(pthread_mutex_unlock(&cache->lock));
	if (!PACKED && object)
		iof_shim_deallocate(object);
}

void iof_shim_cache_destroy(struct kmem_cache *cache)
{
	if (!cache)
		return;
	if (IOF_SHIM_CHECKS && cache->live)
		iof_shim_complain("cache %s destroyed with %ld objects in use", cache->name,
				  cache->live);
	free_slabs(cache->slabs);
	must(pthread_mutex_destroy(&cache->lock));
	iof_shim_kfree(cache);
}
