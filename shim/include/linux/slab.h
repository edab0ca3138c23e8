/* SPDX-License-Identifier: MIT */
/*
 * slab.h - kernel memory over malloc, so that address sanitizers see each object.
 *
 * Tests can make allocations fail (shim/fault.h). Builds with checks count live objects and poison
 * freed memory. In them, a cache complains if it is destroyed while objects are in use.
 */
#ifndef IOF_SHIM_LINUX_SLAB_H
#define IOF_SHIM_LINUX_SLAB_H

#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/types.h>

#define SLAB_HWCACHE_ALIGN 0x2000u
#define SLAB_ACCOUNT 0x4000000u
#define SLAB_NO_MERGE 0x1000000u
#define KMALLOC_MAX_SIZE (4ul << 20)
#define ZERO_SIZE_PTR ((void *)16)
#define ZERO_OR_NULL_PTR(p) ((unsigned long)(p) <= (unsigned long)ZERO_SIZE_PTR)

struct kmem_cache;

void *iof_shim_kmalloc(size_t size, gfp_t gfp)
	__attribute__((malloc, alloc_size(1), warn_unused_result));
void *iof_shim_kvmalloc(size_t size, gfp_t gfp)
	__attribute__((malloc, alloc_size(1), warn_unused_result));
void *iof_shim_krealloc(const void *p, size_t size, gfp_t gfp) __attribute__((warn_unused_result));
void iof_shim_kfree(const void *p);
size_t iof_shim_ksize(const void *p);
struct kmem_cache *iof_shim_cache_create(const char *name, size_t size, size_t align,
					 unsigned int flags, void (*ctor)(void *));
void *iof_shim_cache_alloc(struct kmem_cache *cache, gfp_t gfp) __attribute__((warn_unused_result));
void iof_shim_cache_free(struct kmem_cache *cache, void *object);
void iof_shim_cache_destroy(struct kmem_cache *cache);

#define kmalloc(size, gfp) iof_shim_kmalloc(size, gfp)
#define kzalloc(size, gfp) iof_shim_kmalloc(size, (gfp) | __GFP_ZERO)
#define kmalloc_array(n, size, gfp) iof_shim_kmalloc(size_mul(n, size), gfp)
#define kcalloc(n, size, gfp) iof_shim_kmalloc(size_mul(n, size), (gfp) | __GFP_ZERO)
#define krealloc(p, size, gfp) iof_shim_krealloc(p, size, gfp)
#define kfree(p) iof_shim_kfree(p)
#define ksize(p) iof_shim_ksize(p)
#define kvmalloc(size, gfp) iof_shim_kvmalloc(size, gfp)
#define kvzalloc(size, gfp) iof_shim_kvmalloc(size, (gfp) | __GFP_ZERO)
#define kvcalloc(n, size, gfp) iof_shim_kvmalloc(size_mul(n, size), (gfp) | __GFP_ZERO)
#define kvfree(p) iof_shim_kfree(p)

#define KMEM_CACHE(type, flags) \
	kmem_cache_create(#type, sizeof(struct type), __alignof__(struct type), flags, NULL)
#define kmem_cache_create(name, size, align, flags, ctor) \
	iof_shim_cache_create(name, size, align, flags, ctor)
#define kmem_cache_alloc(cache, gfp) iof_shim_cache_alloc(cache, gfp)
#define kmem_cache_zalloc(cache, gfp) iof_shim_cache_alloc(cache, (gfp) | __GFP_ZERO)
#define kmem_cache_free(cache, object) iof_shim_cache_free(cache, object)
#define kmem_cache_destroy(cache) iof_shim_cache_destroy(cache)

#endif
