// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * platform.c - the platform hooks of core/kapi.h as a kernel does them; shim/platform.c is the
 * other.
 *
 * Memory that the shared rooms copy to and from here is pinned, and mapped where the kernel maps
 * all memory, so it cannot go away as it can in user space. It can go bad: a page that the hardware
 * has lost answers with a machine check, and once the kernel has dealt with it (memory_failure) is
 * not mapped any more. Copies survive both, where the processor lets a kernel recover at all; what
 * they could not copy is an error of that one DMA, and the process finds out by itself when it
 * touches the page. There is no such form of a single load or exchange, so table entries and
 * completion records are touched plainly: there a lost page is what it is to the kernel at large.
 *
 * A device that shares the page tables of a process (SVA) goes through the hooks below for each
 * page of each access. Nothing is kept from one to the next, neither a translation nor a pin, so
 * there is nothing that an munmap, a fork or a page moved elsewhere would have to take back, and no
 * mmu_notifier: an unmap that has returned is seen by the next access, one under way ends within a
 * page on memory that its pin keeps. Between accesses the address space is only held as a struct
 * (mmgrab), so that a process can exit or exec as if nobody shared its memory; from then on there
 * is nothing to touch. Its last user may be a hook, which leaves taking it apart to a work queue:
 * whoever waits for the device need not wait for that.
 *
 * Other processes need the mmap lock of that address space too, its user may delay it as he likes,
 * and a device is stopped by people who are not that user. So none is held while a page comes in,
 * and a device does not wait for one without end.
 *
 * Device nodes are in nodes.c.
 */
#include "core/kapi.h"

#include <linux/delay.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>

#include "compat.h"

size_t iof_plat_copy(void *dst, const void *src, size_t n)
{
	/* What devices read and write at the same time as others is the affair of their program. */
	return data_race(copy_mc_to_kernel(dst, src, n));
}

size_t iof_plat_copy_stream(void *dst, const void *src, size_t n)
{
	return iof_plat_copy(dst, src, n);
}

int iof_plat_load64(const u64 *p, u64 *val)
{
	*val = READ_ONCE(*p);
	return 0;
}

int iof_plat_cmpxchg64(u64 *p, u64 *old, u64 new)
{
	return try_cmpxchg64(p, old, new) ? 0 : -EAGAIN;
}

/*
 * A device waits in steps of about 100 us for a lock that another thread has, and not for ever: a
 * thread that waits for a user's own file system may have it as long as that user likes, and
 * nothing calls off a wait here. False: the lock is still taken after @tries steps, whose count the
 * caller begins at 0.
 */
#define LOCK_TRIES 1000

static bool wait_a_step(unsigned int *tries)
{
	if (*tries == LOCK_TRIES)
		return false;
	++*tries;
	usleep_range(50, 150);
	return true;
}

/*
 * A page behind a lock that stays taken counts as absent: the device asks for it, and waits as for
 * any other page.
 */
static bool lock_mm(struct mm_struct *mm)
{
	unsigned int tries = 0;

	while (!mmap_read_trylock(mm)) {
		if (!wait_a_step(&tries))
			return false;
	}
	return true;
}

/*
 * Unpins a page that the device has written to. The pin made it dirty; the write-back of its file
 * may have begun since, so that it is made dirty again. A file system that keeps the page locked
 * without end may lose that write.
 */
static void unpin_written(struct page *page)
{
	struct folio *folio = page_folio(page);
	unsigned int tries = 0;
	bool locked = false;

	while (!locked && !folio_test_dirty(folio)) {
		locked = folio_trylock(folio);
		if (!locked && !wait_a_step(&tries))
			break;
	}
	if (locked) {
		folio_mark_dirty(folio);
		folio_unlock(folio);
	}
	unpin_user_page(page);
}

/* Pins the one page at @addr as it is now, faulting nothing in. 0 or -EFAULT. */
static int pin_present(struct mm_struct *mm, unsigned long addr, bool write,
				struct page **page)
{
	long got = 0;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	if (lock_mm(mm)) {
		got = pin_user_pages_remote(mm, addr & PAGE_MASK, 1,
					    FOLL_NOFAULT | (write ? FOLL_WRITE : 0), page, NULL);
		mmap_read_unlock(mm);
	}
	mmput_async(mm);
	return got == 1 ? 0 : -EFAULT;
}

bool iof_plat_user_page_present(struct mm_struct *mm, unsigned long addr, bool write)
{
	struct page *page;

	if (pin_present(mm, addr, write, &page))
		return false;
	unpin_user_page(page);
	return true;
}

int iof_plat_mm_copy(struct mm_struct *mm, unsigned long addr, void *buf, size_t n, bool write)
{
	struct page *page;
	char *mapped, *at;
	size_t left;

	if (n > PAGE_SIZE - offset_in_page(addr) || pin_present(mm, addr, write, &page))
		return -EFAULT;
	mapped = kmap_local_page(page);
	at = mapped + offset_in_page(addr);
	left = write ? iof_plat_copy(at, buf, n) : iof_plat_copy(buf, at, n);
	kunmap_local(mapped);
	if (write)
		unpin_written(page);
	else
		unpin_user_page(page);
	return left ? -EFAULT : 0;
}

/* The mmap lock is dropped while the page comes in, which may take as long as its user likes. */
int iof_plat_mm_fault_in(struct mm_struct *mm, unsigned long addr, bool write)
{
	struct mem_cgroup *memcg, *before;
	struct page *page;
	int locked = 1;
	long got;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	/* The page is charged to the process by itself; its page tables would be to this thread. */
	memcg = get_mem_cgroup_from_mm(mm);
	before = set_active_memcg(memcg);
	mmap_read_lock(mm);
	got = pin_user_pages_remote(mm, addr & PAGE_MASK, 1, write ? FOLL_WRITE : 0, &page,
				    &locked);
	if (locked)
		mmap_read_unlock(mm);
	set_active_memcg(before);
	mem_cgroup_put(memcg);
	mmput_async(mm);
	if (got != 1)
		return -EFAULT;
	unpin_user_page(page);
	return 0;
}
