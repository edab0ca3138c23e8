/* SPDX-License-Identifier: MIT */
/*
 * mm.c - struct page for user memory, and pinning.
 *
 * Sections of 512 describe the pages of an address space (16 bytes each). A section is made when
 * one of its pages is first pinned, and is kept from then on. Look-ups go through two levels of
 * tables by frame number, without a lock. Pinning makes the pages of a range present by one call of
 * madvise(). If a page cannot be had, the pages before it stay pinned and their number is returned,
 * as in the kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include "core/kapi.h"
#include "internal.h"
#include "mapping.h"
#include "remote.h"
#include "window.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define SECTION_SHIFT 9
#define SECTION_PAGES (1ul << SECTION_SHIFT)
#define LEAF_SHIFT 13
#define LEAF_SIZE (1ul << LEAF_SHIFT)
/*
 * A user address has 47 bits: 12 within the page, 9 within the section, 13 in the leaf, and 13
 * here.
 */
#define ROOT_SIZE (1ul << 13)

struct section {
	struct page pages[SECTION_PAGES];
};

struct leaf {
	struct section *sections[LEAF_SIZE];
};

struct root {
	struct leaf *leaves[ROOT_SIZE];
};

/* sections of this process; remote.c keeps those of other processes */
static struct root own;

struct mm_struct iof_shim_mm = {
	.mm_users = ATOMIC_INIT(1),
	.mm_count = ATOMIC_INIT(1),
	.mmap_lock = __RWSEM_INITIALIZER(mm.mmap_lock),
};

/* ---- struct page ---- */

/* Stores @fresh in an empty slot. If another thread was first, returns that thread's value. */
static void *publish(void **slot, void *fresh)
{
	void *seen = NULL;

	if (__atomic_compare_exchange_n(slot, &seen, fresh, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return fresh;
	free(fresh);
	return seen;
}

static struct root *find_root(unsigned long index, bool create)
{
	void **slot = iof_shim_remote_sections(index);
	struct root *root;

	if (!slot)
		return NULL;
	root = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
	if (!root && create) {
		root = calloc(1, sizeof(*root));
		if (root)
			root = publish(slot, root);
	}
	return root;
}

static struct section *find_section(unsigned long pfn, bool create)
{
	unsigned long number = pfn >> SECTION_SHIFT;
	unsigned long top = number >> LEAF_SHIFT;
	struct section *section;
	struct root *root = &own;
	struct leaf *leaf;

	if (unlikely(top >= ROOT_SIZE)) {
		top &= (1ul << (IOF_SHIM_PFN_MM_SHIFT - SECTION_SHIFT - LEAF_SHIFT)) - 1;
		root = find_root(pfn >> IOF_SHIM_PFN_MM_SHIFT, create);
		if (!root || top >= ROOT_SIZE)
			return NULL;
	}
	leaf = __atomic_load_n(&root->leaves[top], __ATOMIC_ACQUIRE);
	if (!leaf) {
		if (!create)
			return NULL;
		leaf = calloc(1, sizeof(*leaf));
		if (!leaf)
			return NULL;
		leaf = publish((void **)&root->leaves[top], leaf);
	}
	section = __atomic_load_n(&leaf->sections[number & (LEAF_SIZE - 1)], __ATOMIC_ACQUIRE);
	if (!section && create) {
		section = malloc(sizeof(*section));
		if (!section)
			return NULL;
		for (unsigned long i = 0; i < SECTION_PAGES; i++)
			section->pages[i] = (struct page){ .pfn = (number << SECTION_SHIFT) + i };
		section = publish((void **)&leaf->sections[number & (LEAF_SIZE - 1)], section);
	}
	return section;
}

void iof_shim_sections_free(void *sections)
{
	struct root *root = sections;

	for (unsigned long i = 0; root && i < ROOT_SIZE; i++) {
		for (unsigned long j = 0; root->leaves[i] && j < LEAF_SIZE; j++)
			free(root->leaves[i]->sections[j]);
		free(root->leaves[i]);
	}
	free(root);
}

struct page *iof_shim_pfn_to_page(unsigned long pfn)
{
	struct section *section = find_section(pfn, true);

	return section ? &section->pages[pfn & (SECTION_PAGES - 1)] : NULL;
}

bool iof_shim_pfn_valid(unsigned long pfn)
{
	return find_section(pfn, false) != NULL;
}

int iof_shim_pin_count(const void *addr)
{
	unsigned long pfn = (unsigned long)addr >> PAGE_SHIFT;
	struct section *section = find_section(pfn, false);

	return section ? atomic_read(&section->pages[pfn & (SECTION_PAGES - 1)].pins) : 0;
}

/* ---- bringing pages in ---- */

/*
 * Touches a page by the CPU. A write stores the value that it read, atomically, so that no store of
 * another thread is lost.
 */
static int touch(unsigned long addr, bool write)
{
	u64 *p = (u64 *)addr, seen;
	int rc;

	rc = iof_plat_load64(p, &seen);
	while (!rc && write) {
		rc = iof_plat_cmpxchg64(p, &seen, seen);
		if (rc != -EAGAIN)
			break;
		rc = 0;
	}
	return rc;
}

static bool have_populate(void)
{
	static int have;		/* 0: unknown, 1: yes, -1: no */
	int known = __atomic_load_n(&have, __ATOMIC_RELAXED);

	if (!known) {
		void *own = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		known = own != MAP_FAILED && !madvise(own, PAGE_SIZE, MADV_POPULATE_WRITE) ? 1 : -1;
		if (own != MAP_FAILED)
			munmap(own, PAGE_SIZE);
		__atomic_store_n(&have, known, __ATOMIC_RELAXED);
	}
	return known > 0;
}

static int populate(unsigned long start, unsigned long n, bool write)
{
	if (!have_populate()) {
		for (unsigned long i = 0; i < n; i++)
			if (touch(start + i * PAGE_SIZE, write))
				return -EFAULT;
		return 0;
	}
	for (;;) {
		if (!madvise((void *)start, n * PAGE_SIZE,
			     write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ))
			return 0;
		if (errno != EINTR && errno != EAGAIN)
			return -EFAULT;
	}
}

/* Makes @n pages from @start on present. Returns the number of pages up to the first failure. */
static unsigned long populate_range(unsigned long start, unsigned long n, bool write)
{
	unsigned long good = 0;

	if (!populate(start, n, write))
		return n;
	/* madvise() does not say how far it came: halve the rest until the bad page is found */
	while (n > 1) {
		unsigned long half = n / 2;

		if (!populate(start + good * PAGE_SIZE, half, write)) {
			good += half;
			n -= half;
		} else {
			n = half;
		}
	}
	return good;
}

int iof_shim_fixup_user_fault(struct mm_struct *mm, unsigned long addr, unsigned int flags,
			      bool *unlocked)
{
	bool write = flags & FAULT_FLAG_WRITE;

	iof_shim_sleep_check();
	if (unlocked)
		*unlocked = false;
	if (!access_ok(addr & PAGE_MASK, PAGE_SIZE))
		return -EFAULT;
	if (mm->pid)
		return iof_shim_remote_populate(mm, addr & PAGE_MASK, 1, write, false) ?
			       0 : -EFAULT;
	return populate(addr & PAGE_MASK, 1, write);
}

/* ---- pins ---- */

/*
 * Takes @n pages from @start on by their addresses. Stops when there is no memory for a struct
 * page.
 */
static unsigned long take_pages(struct mm_struct *mm, unsigned long start, unsigned long n,
				struct page **pages, bool pin)
{
	struct section *section = NULL;
	unsigned long i;

	for (i = 0; i < n; i++) {
		unsigned long pfn = (start >> PAGE_SHIFT) + i +
				    ((unsigned long)mm->index << IOF_SHIM_PFN_MM_SHIFT);
		struct page *page;

		if (!section || !(pfn & (SECTION_PAGES - 1)))
			section = find_section(pfn, true);
		if (!section)
			break;
		page = &section->pages[pfn & (SECTION_PAGES - 1)];
		atomic_inc(pin ? &page->pins : &page->refs);
		if (pages)
			pages[i] = page;
	}
	return i;
}

/*
 * Takes pages mapping by mapping: shared memory by its windows, other memory by address. @area is
 * the first mapping; its end is 0 if it is not known.
 */
static unsigned long take_areas(struct mm_struct *mm, struct iof_shim_area *area,
				unsigned long start, unsigned long n, bool write,
				struct page **pages, bool pin)
{
	unsigned long done = 0;

	while (done < n) {
		unsigned long at = start + done * PAGE_SIZE, part = n - done, taken = 0;
		struct page **slot = pages ? pages + done : NULL;

		if (at < area->end || (mm->pid ? iof_shim_remote_area(mm, at, part, area) :
						 iof_shim_own_area(at, area)))
			part = min(part, (area->end - at) >> PAGE_SHIFT);
		else
			*area = (struct iof_shim_area){ .end = 0 };
		if (area->identified)
			taken = mm->pid ? iof_shim_remote_file_pin(mm, area, at, part, write, slot,
								   pin) :
					  iof_shim_window_pin(area, at, part, write, slot, pin);
		if (taken < part)
			taken += take_pages(mm, at + taken * PAGE_SIZE, part - taken,
					    slot ? slot + taken : NULL, pin);
		done += taken;
		if (taken < part)
			break;
	}
	return done;
}

long iof_shim_pin_pages(struct mm_struct *mm, unsigned long start, unsigned long n,
			unsigned int flags, struct page **pages, bool pin)
{
	bool write = flags & FOLL_WRITE;
	struct iof_shim_area area;
	unsigned long got;

	iof_shim_sleep_check();
	start &= PAGE_MASK;
	if (!n)
		return 0;
	if (iof_shim_should_fail(IOF_FAIL_PIN))
		return -EFAULT;
	if (n > IOF_SHIM_TASK_SIZE >> PAGE_SHIFT || !access_ok(start, n * PAGE_SIZE))
		return -EFAULT;
	if (flags & FOLL_NOFAULT) {
		for (got = 0; got < n; got++)
			if (!iof_plat_user_page_present(mm, start + got * PAGE_SIZE, write))
				break;
	} else if (mm->pid) {
		got = iof_shim_remote_populate(mm, start, n, write, flags & FOLL_LONGTERM);
	} else {
		got = populate_range(start, n, write);
	}
	area.end = 0;
	if (!mm->pid)
		got = iof_shim_own_pinnable(start, got, write && flags & FOLL_LONGTERM, &area);
	got = take_areas(mm, &area, start, got, write, pages, pin);
	if (pin)
		iof_shim_count(pins, got);
	return got ? (long)got : -EFAULT;
}

/*
 * Pins pages of the current process. A range that wraps around the address space gets -EOVERFLOW.
 */
int iof_shim_pin_pages_fast(unsigned long start, int n, unsigned int flags, struct page **pages,
			    bool pin)
{
	unsigned long end;

	if (check_add_overflow(start & PAGE_MASK, (unsigned long)n << PAGE_SHIFT, &end))
		return -EOVERFLOW;
	return (int)iof_shim_pin_pages(current->mm, start, (unsigned long)n, flags, pages, pin);
}

static bool in_window(const struct page *page)
{
	return __atomic_load_n(&page->pfn, __ATOMIC_RELAXED) & IOF_SHIM_PFN_WINDOW;
}

/* Unpins @n neighbouring pages, from @page on. */
void iof_shim_unpin(struct page *page, unsigned long n)
{
	unsigned long pfn = page_to_pfn(page);

	for (unsigned long i = 0; i < n; i++) {
		/* the struct pages of one section are adjacent in memory */
		if (i && (pfn + i) & (SECTION_PAGES - 1))
			page++;
		else if (i)
			page = iof_shim_pfn_to_page(pfn + i);
		if (page && unlikely(in_window(page))) {
			iof_shim_window_unpin(page, true);
			continue;
		}
		if (WARN_ON(!page || atomic_read(&page->pins) <= 0))
			return;
		atomic_dec(&page->pins);
	}
	iof_shim_count(pins, -(long)n);
}

void iof_shim_unpin_pages(struct page **pages, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		iof_shim_unpin(pages[i], 1);
}

void iof_shim_put_page(struct page *page)
{
	if (unlikely(in_window(page)))
		iof_shim_window_unpin(page, false);
	else
		WARN_ON(atomic_dec_return(&page->refs) < 0);
}

/* ---- address spaces ---- */

void iof_shim_mm_free(struct mm_struct *mm)
{
	BUG_ON(mm == &iof_shim_mm);
	iof_shim_remote_free(mm);
}

void iof_shim_mm_exit(struct mm_struct *mm)
{
	mmdrop(mm);
}

struct mm_struct *iof_shim_get_task_mm(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;

	if (!mm || task->flags & PF_KTHREAD || !mmget_not_zero(mm))
		return NULL;
	return mm;
}
