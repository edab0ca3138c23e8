/* SPDX-License-Identifier: MIT */
/*
 * mm.h - user pages: making them present, pinning them, and the contents of a struct page.
 *
 * Pinning makes pages present and counts. It cannot keep the process from unmapping them, so that
 * all accesses to pinned memory go through the platform's copies. mmap_lock excludes only users of
 * the shim.
 */
#ifndef IOF_SHIM_LINUX_MM_H
#define IOF_SHIM_LINUX_MM_H

#include <linux/align.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <asm/page.h>

#define FOLL_WRITE 0x01u
#define FOLL_NOFAULT 0x40u
#define FOLL_LONGTERM 0x100u
#define FAULT_FLAG_WRITE 0x01u

long iof_shim_pin_pages(struct mm_struct *mm, unsigned long start, unsigned long n,
			unsigned int flags, struct page **pages, bool pin);
int iof_shim_pin_pages_fast(unsigned long start, int n, unsigned int flags, struct page **pages,
			    bool pin);
void iof_shim_unpin(struct page *page, unsigned long n);
void iof_shim_unpin_pages(struct page **pages, unsigned long n);
void iof_shim_put_page(struct page *page);
struct page *iof_shim_pfn_to_page(unsigned long pfn);
bool iof_shim_pfn_valid(unsigned long pfn);
int iof_shim_fixup_user_fault(struct mm_struct *mm, unsigned long addr, unsigned int flags,
			      bool *unlocked);
int iof_shim_account_locked_vm(struct mm_struct *mm, unsigned long pages, bool inc);

#define pin_user_pages(start, n, flags, pages) \
	iof_shim_pin_pages(current->mm, start, n, flags, pages, true)
#define pin_user_pages_fast(start, n, flags, pages) \
	iof_shim_pin_pages_fast(start, n, flags, pages, true)
#define pin_user_pages_remote(mm, start, n, flags, pages, locked) \
	((void)(locked), iof_shim_pin_pages(mm, start, n, flags, pages, true))
#define get_user_pages_fast(start, n, flags, pages) \
	iof_shim_pin_pages_fast(start, n, flags, pages, false)
#define unpin_user_page(page) iof_shim_unpin(page, 1)
#define unpin_user_pages(pages, n) iof_shim_unpin_pages(pages, n)
#define unpin_user_pages_dirty_lock(pages, n, dirty) \
	((void)(dirty), iof_shim_unpin_pages(pages, n))
#define put_page(page) iof_shim_put_page(page)
#define PageCompound(page) ((void)(page), false)
#define page_to_pfn(page) \
	(__atomic_load_n(&(page)->pfn, __ATOMIC_RELAXED) & ~IOF_SHIM_PFN_WINDOW)
#define pfn_to_page(pfn) iof_shim_pfn_to_page(pfn)
#define pfn_valid(pfn) iof_shim_pfn_valid(pfn)
#define page_address(page) ((void *)(page_to_pfn(page) << PAGE_SHIFT))
#define virt_to_page(addr) pfn_to_page((unsigned long)(addr) >> PAGE_SHIFT)
#define virt_to_phys(addr) ((phys_addr_t)(unsigned long)(addr))
#define phys_to_virt(phys) ((void *)(unsigned long)(phys))
#define GUP_PIN_COUNTING_BIAS (1u << 10)
#define page_count(page) \
	(atomic_read(&(page)->refs) + atomic_read(&(page)->pins) * (int)GUP_PIN_COUNTING_BIAS)

#define account_locked_vm(mm, pages, inc) iof_shim_account_locked_vm(mm, pages, inc)

#define mmap_read_lock(mm) down_read(&(mm)->mmap_lock)
#define mmap_read_lock_killable(mm) down_read_killable(&(mm)->mmap_lock)
#define mmap_read_unlock(mm) up_read(&(mm)->mmap_lock)
#define mmap_write_lock(mm) down_write(&(mm)->mmap_lock)
#define mmap_write_lock_killable(mm) down_write_killable(&(mm)->mmap_lock)
#define mmap_write_unlock(mm) up_write(&(mm)->mmap_lock)

/* Called with mmap_lock held for writing. */
static inline int __account_locked_vm(struct mm_struct *mm, unsigned long pages, bool inc,
				      struct task_struct *task, bool bypass_rlim)
{
	lockdep_assert_held_write(&mm->mmap_lock);
	if (!inc) {
		WARN_ON_ONCE(pages > mm->locked_vm);
		mm->locked_vm -= pages;
		return 0;
	}
	if (!bypass_rlim && mm->locked_vm + pages > task_rlimit(task, RLIMIT_MEMLOCK) >> PAGE_SHIFT)
		return -ENOMEM;
	mm->locked_vm += pages;
	return 0;
}

#endif
