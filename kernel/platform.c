// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * platform.c - the platform hooks of core/kapi.h in a kernel; shim/platform.c
 * is the other implementation.
 *
 * Memory that the shared directories copy to and from here is pinned and in the
 * kernel's direct map, so it cannot be unmapped as in user space. It can fail:
 * an access to a page that the hardware has lost raises a machine check, and
 * once the kernel has handled it (memory_failure) the page is unmapped. Copies
 * survive both, where the CPU lets a kernel recover. The bytes that they could
 * not copy are an error of that one DMA, and the process notices the loss when
 * it accesses the page. A single load or exchange has no such form, so table
 * entries and completion records are accessed directly: there a lost page has
 * the same effect as elsewhere in the kernel.
 *
 * A device that shares the page tables of a process (SVA) uses the hooks below
 * for each page of each access. They keep neither a translation nor a pin
 * between accesses, so munmap, fork and page migration have nothing to
 * invalidate, and there is no mmu_notifier. An access after an unmap sees the
 * unmap; an access during one ends within a page, on memory that its pin keeps.
 * Between accesses only the struct of the address space is held (mmgrab), so
 * that a process can exit or exec as if it shared no memory; after that every
 * access fails. A hook may drop the last user of the address space: it leaves
 * the teardown to a work queue, so that a thread that waits for the device does
 * not wait for the teardown.
 *
 * Other processes need the mmap lock of that address space too, its user may
 * delay it at will, and a device may be stopped by another user. So no lock is
 * held while a page faults in, and a device does not wait for one without a
 * limit.
 *
 * Device nodes are in nodes.c.
 */
#include "core/kapi.h"

#include <linux/delay.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>
#include <linux/poll.h>

#include "compat.h"

size_t iof_plat_copy(void *dst, const void *src, size_t n)
{
	/*
	 * The program is responsible for races between a device's accesses and
	 * others.
	 */
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

unsigned int iof_plat_load64s(const u64 *p, u64 *vals, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		vals[i] = READ_ONCE(p[i]);
	return nr;
}

int iof_plat_cmpxchg64(u64 *p, u64 *old, u64 new)
{
	return try_cmpxchg64(p, old, new) ? 0 : -EAGAIN;
}

void iof_plat_eventfd_add(struct eventfd_ctx *ctx, u32 nr)
{
	while (nr--)
		eventfd_signal(ctx);
}

/*
 * Returns the queue function of poll(2) and select(2), which has no name here.
 */
static noinline poll_queue_proc poll_queue_function(void)
{
	struct poll_wqueues waiter;
	poll_queue_proc function;

	poll_initwait(&waiter);
	function = waiter.pt._qproc;
	poll_freewait(&waiter);
	return function;
}

bool iof_plat_counts_wakeups(const struct poll_table_struct *wait)
{
	static poll_queue_proc known;
	poll_queue_proc function = READ_ONCE(known);

	/* Without a function there is no waiter. */
	if (!wait || !wait->_qproc)
		return false;
	if (unlikely(!function)) {
		function = poll_queue_function();
		WRITE_ONCE(known, function);
	}
	return wait->_qproc != function;
}

/*
 * Waits in steps of about 100 us, with a limit, for a lock that another thread
 * holds. A thread that waits for a user's own file system may hold the lock as
 * long as that user likes, and nothing cancels a wait here. Returns false if
 * the lock was held through @tries steps, which the caller starts at 0.
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
 * Takes the mmap lock, with a limit. A page behind a lock that stays held
 * counts as absent: the device requests it, and waits as for any other page.
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
 * Unpins a page that the device has written to. The pin made it dirty, but the
 * write-back of its file may have begun since: so it is made dirty again. A
 * file system that keeps the page locked for ever may lose that write.
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

/*
 * Pins the page at @addr as it is now, without a fault. Returns 0 or -EFAULT.
 */
static int pin_present(struct mm_struct *mm, unsigned long addr, bool write,
		       struct page **page)
{
	long got = 0;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	if (lock_mm(mm)) {
		got = pin_user_pages_remote(
			mm, addr & PAGE_MASK, 1,
			FOLL_NOFAULT | (write ? FOLL_WRITE : 0), page, NULL);
		mmap_read_unlock(mm);
	}
	mmput_async(mm);
	return got == 1 ? 0 : -EFAULT;
}

bool iof_plat_user_page_present(struct mm_struct *mm, unsigned long addr,
				bool write)
{
	struct page *page;

	if (pin_present(mm, addr, write, &page))
		return false;
	unpin_user_page(page);
	return true;
}

int iof_plat_mm_copy(struct mm_struct *mm, unsigned long addr, void *buf,
		     size_t n, bool write)
{
	struct page *page;
	char *mapped, *at;
	size_t left;

	if (n > PAGE_SIZE - offset_in_page(addr) ||
	    pin_present(mm, addr, write, &page))
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

/* A fault-in this short is counted by the clock, without a look at the CPU. */
#define SHORT_NS (50 * NSEC_PER_USEC)

/*
 * The processor time of this thread since @began, when the scheduler's count
 * was @ran; never too little. The count is exact only after a call of the
 * scheduler.
 */
static u64 spent_since(u64 began, u64 ran)
{
	u64 passed = ktime_get_ns() - began;

	if (passed <= SHORT_NS)
		return passed;
	schedule();
	return min(passed, READ_ONCE(current->se.sum_exec_runtime) - ran);
}

/*
 * Faults a page in. The mmap lock is dropped meanwhile. The fault may take as
 * long as the owner of the memory likes.
 */
int iof_plat_mm_fault_in(struct mm_struct *mm, unsigned long addr, bool write,
			 u64 *spent)
{
	u64 ran = READ_ONCE(current->se.sum_exec_runtime);
	u64 began = ktime_get_ns();
	struct mem_cgroup *memcg, *before;
	struct page *page;
	int locked = 1;
	long got;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	/*
	 * The fault charges the page to the process, but would charge its page
	 * tables to this thread.
	 */
	memcg = get_mem_cgroup_from_mm(mm);
	before = set_active_memcg(memcg);
	mmap_read_lock(mm);
	got = pin_user_pages_remote(mm, addr & PAGE_MASK, 1,
				    write ? FOLL_WRITE : 0, &page, &locked);
	if (locked)
		mmap_read_unlock(mm);
	set_active_memcg(before);
	mem_cgroup_put(memcg);
	mmput_async(mm);
	*spent += spent_since(began, ran);
	if (got != 1)
		return -EFAULT;
	unpin_user_page(page);
	return 0;
}
