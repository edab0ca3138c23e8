/* SPDX-License-Identifier: MIT */
/*
 * gfp.h - allocation flags and whole pages. A page is page-aligned memory with a struct page
 * (mm.h).
 */
#ifndef IOF_SHIM_LINUX_GFP_H
#define IOF_SHIM_LINUX_GFP_H

#include <linux/types.h>

struct page;

#define __GFP_DIRECT_RECLAIM 0x400u
#define __GFP_KSWAPD_RECLAIM 0x800u
#define __GFP_RECLAIM (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define __GFP_HIGH 0x20u
#define __GFP_IO 0x40u
#define __GFP_FS 0x80u
#define __GFP_ZERO 0x100u
#define __GFP_NOWARN 0x2000u
#define __GFP_NOFAIL 0x8000u
#define __GFP_ACCOUNT 0x400000u
#define GFP_ATOMIC (__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_NOWAIT (__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_KERNEL (__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT (GFP_KERNEL | __GFP_ACCOUNT)

unsigned long iof_shim_get_pages(gfp_t gfp, unsigned int order);
void iof_shim_free_pages(unsigned long addr, unsigned int order);
struct page *iof_shim_alloc_pages(gfp_t gfp, unsigned int order);
void iof_shim_free_page_struct(struct page *page, unsigned int order);

#define get_zeroed_page(gfp) iof_shim_get_pages((gfp) | __GFP_ZERO, 0)
#define free_pages(addr, order) iof_shim_free_pages(addr, order)
#define free_page(addr) iof_shim_free_pages((unsigned long)(addr), 0)
#define alloc_page(gfp) iof_shim_alloc_pages(gfp, 0)
#define __free_page(page) iof_shim_free_page_struct(page, 0)

#endif
