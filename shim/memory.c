/* SPDX-License-Identifier: MIT */
/*
 * memory.c - kernel memory: the kmalloc family and whole pages, over libc's allocator.
 *
 * Each object is an allocation of its own, so that sanitizers see its bounds. In builds with
 * checks, freed memory is poisoned and live objects are counted. An allocation fails when a test
 * wants it to (report.c), when it may not sleep and a test forbids such allocations, or when libc
 * has no memory.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <linux/cache.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "internal.h"

bool iof_shim_atomic_allocs_fail(void);

bool iof_shim_may_allocate(gfp_t gfp)
{
	if (gfp & __GFP_DIRECT_RECLAIM)
		iof_shim_sleep_check();
	if (iof_shim_should_fail(IOF_FAIL_ALLOC) && !(gfp & __GFP_NOFAIL))
		return false;
	return gfp & __GFP_DIRECT_RECLAIM || likely(!iof_shim_atomic_allocs_fail());
}

void *iof_shim_allocate(size_t size, size_t align, gfp_t gfp)
{
	void *p;

	if (!iof_shim_may_allocate(gfp) || unlikely(size > (size_t)PTRDIFF_MAX))
		return NULL;
	if (align <= _Alignof(max_align_t)) {
		p = gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
	} else {
		p = aligned_alloc(align, ALIGN(size, align));
		if (p && gfp & __GFP_ZERO)
			memset(p, 0, size);
	}
	if (IOF_SHIM_CHECKS && p) {
		iof_shim_count(objects, 1);
		iof_shim_count(bytes, malloc_usable_size(p));
	}
	return p;
}

void iof_shim_deallocate(void *p)
{
	if (IOF_SHIM_CHECKS) {
		size_t size = malloc_usable_size(p);

		iof_shim_count(objects, -1);
		iof_shim_count(bytes, -(long)size);
		/*
		 * valgrind and ASan see use after free better themselves, and own the usable size
		 */
		if (!IOF_SHIM_ASAN && !IOF_SHIM_TSAN)
			iof_shim_poison(p, size);
	}
	free(p);
}

/*
 * The kernel promises that the largest power of two that divides the size divides the address, too.
 * Here that holds up to a cache line, and for powers of two from a page on.
 */
static size_t natural_align(size_t size)
{
	if (size >= PAGE_SIZE && !(size & (size - 1)))
		return PAGE_SIZE;
	return size % L1_CACHE_BYTES ? 1 : L1_CACHE_BYTES;
}

void *iof_shim_kmalloc(size_t size, gfp_t gfp)
{
	if (!size)
		return ZERO_SIZE_PTR;
	if (unlikely(size > KMALLOC_MAX_SIZE))
		return NULL;
	return iof_shim_allocate(size, natural_align(size), gfp);
}

void *iof_shim_kvmalloc(size_t size, gfp_t gfp)
{
	if (!size)
		return ZERO_SIZE_PTR;
	if (unlikely(size > INT_MAX))
		return NULL;
	return iof_shim_allocate(size, natural_align(size), gfp);
}

void *iof_shim_krealloc(const void *old, size_t size, gfp_t gfp)
{
	size_t had;
	void *p;

	if (!size) {
		iof_shim_kfree(old);
		return ZERO_SIZE_PTR;
	}
	if (ZERO_OR_NULL_PTR(old))
		return iof_shim_kmalloc(size, gfp);
	/* always moves the object: the most hostile way that the kernel allows */
	p = iof_shim_kmalloc(size, gfp);
	if (!p)
		return NULL;
	had = malloc_usable_size((void *)old);
	memcpy(p, old, min(had, size));
	iof_shim_kfree(old);
	return p;
}

void iof_shim_kfree(const void *p)
{
	if (!ZERO_OR_NULL_PTR(p))
		iof_shim_deallocate((void *)p);
}

size_t iof_shim_ksize(const void *p)
{
	return ZERO_OR_NULL_PTR(p) ? 0 : malloc_usable_size((void *)p);
}

void *iof_shim_kmemdup(const void *src, size_t len, gfp_t gfp)
{
	void *p = iof_shim_kmalloc(len, gfp);

	if (p && len)
		memcpy(p, src, len);
	return p;
}

/* ---- pages ---- */

unsigned long iof_shim_get_pages(gfp_t gfp, unsigned int order)
{
	void *p;

	if (order > 10)
		return 0;
	p = iof_shim_allocate(PAGE_SIZE << order, PAGE_SIZE << order, gfp);
	if (p)
		iof_shim_count(pages, 1L << order);
	return (unsigned long)p;
}

void iof_shim_free_pages(unsigned long addr, unsigned int order)
{
	if (!addr)
		return;
	iof_shim_count(pages, -(1L << order));
	iof_shim_deallocate((void *)addr);
}

struct page *iof_shim_alloc_pages(gfp_t gfp, unsigned int order)
{
	unsigned long addr = iof_shim_get_pages(gfp, order);
	struct page *page;

	if (!addr)
		return NULL;
	page = iof_shim_pfn_to_page(addr >> PAGE_SHIFT);
	if (!page) {
		iof_shim_free_pages(addr, order);
		return NULL;
	}
	atomic_set(&page->refs, 1);
	return page;
}

void iof_shim_free_page_struct(struct page *page, unsigned int order)
{
	if (!page)
		return;
	if (atomic_dec_and_test(&page->refs))
		iof_shim_free_pages((unsigned long)page_address(page), order);
}
