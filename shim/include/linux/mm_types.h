/* SPDX-License-Identifier: MIT */
/*
 * mm_types.h - pages and address spaces.
 *
 * There are no page frames in a process. A struct page stands for one page of some address space.
 * Its frame number is the page's own address shifted down, with the number of the address space
 * above bit 36. Number 0 is the process itself, so that its physical and virtual addresses are the
 * same.
 */
#ifndef IOF_SHIM_LINUX_MM_TYPES_H
#define IOF_SHIM_LINUX_MM_TYPES_H

#include <linux/atomic.h>
#include <linux/rwsem.h>
#include <linux/types.h>

#define IOF_SHIM_PFN_MM_SHIFT 36
/*
 * Bit of pfn: the page belongs to a window (shim/window.c). It changes only while nothing refers to
 * the page.
 */
#define IOF_SHIM_PFN_WINDOW (1ul << 63)

struct page {
	unsigned long pfn;
	atomic_t pins;			/* number of pin_user_pages*() minus unpin_*() */
	/* number of other references: get_user_pages*(), alloc_page() */
	atomic_t refs;
};

struct mm_struct {
	atomic_t mm_users;
	atomic_t mm_count;
	struct rw_semaphore mmap_lock;
	atomic64_t pinned_vm;
	unsigned long locked_vm;	/* number of locked pages, under mmap_lock */
	unsigned long total_vm;
	struct task_struct *owner;
	pid_t pid;			/* process that has the address space; 0: this one */
	unsigned int index;		/* the number used in frame numbers */
	struct iof_shim_remote *remote;	/* NULL for this process */
};

struct vm_area_struct;
typedef unsigned int vm_fault_t;

#endif
