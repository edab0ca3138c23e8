/* SPDX-License-Identifier: MIT */
/*
 * page.h - the size of a page: 4 KiB on each machine, since the ABI's page tables are x86's.
 */
#ifndef IOF_SHIM_ASM_PAGE_H
#define IOF_SHIM_ASM_PAGE_H

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGNED(addr) (((unsigned long)(addr) & ~PAGE_MASK) == 0)
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)

#endif
