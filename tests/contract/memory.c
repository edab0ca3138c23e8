// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * memory.c - contracts of pinned user pages, of limits of locked memory, and of a kernel's own
 * memory.
 */
#include "tests/contract/contract.h"

#define PAGES 4ul

static unsigned long address(void __user *user)
{
	return (unsigned long)(uintptr_t)user;
}

static void pinned_pages_are_the_users(void)
{
	char __user *user = contract_map(PAGES, true);
	struct page *pages[PAGES], *again;
	char word[8];

	/* pin from the middle of a page: that page, and the pages after it */
	require(pin_user_pages_fast(address(user) + 5, PAGES, FOLL_WRITE | FOLL_LONGTERM, pages) ==
		PAGES);
	for (unsigned long i = 0; i < PAGES; i++) {
		char __user *at = user + i * PAGE_SIZE + 64;
		char *mapped;

		snprintf(word, sizeof(word), "here %lu", i);
		contract_poke(at, word, sizeof(word));
		mapped = kmap_local_page(pages[i]);
		expect(!memcmp(mapped + 64, word, sizeof(word)));
		mapped[64] = 'H';
		kunmap_local(mapped);
		contract_peek(word, at, sizeof(word));
		expect_eq(word[0], 'H');
		expect(pfn_to_page(page_to_pfn(pages[i])) == pages[i]);
		expect(pfn_valid(page_to_pfn(pages[i])));
	}
	/* a second pin has the same page; each pin ends by itself */
	expect_eq(pin_user_pages_fast(address(user), 1, FOLL_WRITE, &again), 1);
	expect(again == pages[0]);
	unpin_user_page(again);
	unpin_user_pages_dirty_lock(pages, PAGES, true);
	contract_unmap(user, PAGES);
}

static void pinning_stops_at_the_hole(void)
{
	char __user *user = contract_map(PAGES, true);
	struct page *pages[PAGES + 2];
	long got;

	got = pin_user_pages_fast(address(user), PAGES + 2, FOLL_WRITE, pages);
	expect_eq(got, PAGES);
	if (got > 0)
		unpin_user_pages(pages, (unsigned long)got);
	got = pin_user_pages_fast(address(user) + PAGE_SIZE, PAGES + 1, FOLL_LONGTERM, pages);
	expect_eq(got, PAGES - 1);
	if (got > 0)
		unpin_user_pages(pages, (unsigned long)got);
	expect_eq(pin_user_pages_fast(address(user) + PAGES * PAGE_SIZE, 1, 0, pages), -EFAULT);
	expect_eq(pin_user_pages_fast(0, 1, 0, pages), -EFAULT);
	/* the address is not a user's; and the end of the range overflows */
	expect_eq(pin_user_pages_fast(~0ul << 13, 1, 0, pages), -EFAULT);
	expect_eq(pin_user_pages_fast(~0ul << 12, 1, 0, pages), -EOVERFLOW);
	expect_eq(get_user_pages_fast(~0ul << 12, 1, 0, pages), -EOVERFLOW);
	contract_unmap(user, PAGES);
}

static void memory_that_may_only_be_read_is_not_pinned_for_writing(void)
{
	char __user *user = contract_map(1, false);
	struct page *page;

	expect_eq(pin_user_pages_fast(address(user), 1, FOLL_WRITE, &page), -EFAULT);
	expect_eq(pin_user_pages_fast(address(user), 1, 0, &page), 1);
	unpin_user_page(page);
	contract_unmap(user, 1);
}

static void pinning_without_faulting_takes_only_what_is_there(void)
{
	char __user *user = contract_map(PAGES, true);
	struct page *pages[PAGES];
	long got;

	expect(pin_user_pages_fast(address(user), PAGES, FOLL_WRITE | FOLL_NOFAULT, pages) <= 0);
	contract_poke(user, "1", 1);
	contract_poke(user + PAGE_SIZE, "2", 1);
	got = pin_user_pages_fast(address(user), PAGES, FOLL_WRITE | FOLL_NOFAULT, pages);
	expect_eq(got, 2);
	if (got > 0)
		unpin_user_pages(pages, (unsigned long)got);
	got = get_user_pages_fast(address(user), PAGES, FOLL_WRITE | FOLL_NOFAULT, pages);
	expect_eq(got, 2);
	while (got > 0)
		put_page(pages[--got]);
	contract_unmap(user, PAGES);
}

struct remote {
	struct mm_struct *mm;
	unsigned long at;
	bool alive, kernel_thread;
	long got, hole;
	char word[8];
};

static void pin_from_outside(void *arg)
{
	struct remote *remote = arg;
	struct page *pages[2];
	int locked = 1;
	char *mapped;

	remote->kernel_thread = !current->mm && current->flags & PF_KTHREAD;
	remote->alive = mmget_not_zero(remote->mm);
	if (!remote->alive)
		return;
	mmap_read_lock(remote->mm);
	remote->hole =
		pin_user_pages_remote(remote->mm, remote->at + PAGE_SIZE, 1, 0, pages + 1, NULL);
	mmap_read_unlock(remote->mm);
	/* The lock may have been dropped; *locked tells. */
	if (!mmap_read_lock_killable(remote->mm)) {
		remote->got = pin_user_pages_remote(remote->mm, remote->at, 2, FOLL_WRITE, pages,
						    &locked);
		if (locked)
			mmap_read_unlock(remote->mm);
	}
	mmput(remote->mm);
	if (remote->got <= 0)
		return;
	mapped = kmap_local_page(pages[0]);
	memcpy(remote->word, mapped, sizeof(remote->word));
	kunmap_local(mapped);
	unpin_user_page(pages[0]);
}

static void another_thread_pins_what_is_ours(void)
{
	char __user *user = contract_map(PAGES, true);
	struct remote remote = { .mm = current->mm, .at = address(user) + (PAGES - 1) * PAGE_SIZE };

	contract_poke(user + (PAGES - 1) * PAGE_SIZE, "outside", 8);
	mmgrab(remote.mm);
	contract_join(contract_start(pin_from_outside, &remote));
	mmdrop(remote.mm);
	expect(remote.kernel_thread);
	expect(remote.alive);
	/* the pages before the hole are pinned */
	expect_eq(remote.got, 1);
	expect_eq(remote.hole, -EFAULT);
	expect(!memcmp(remote.word, "outside", 8));
	contract_unmap(user, PAGES);
}

static void the_current_task_is_this_process(void)
{
	struct mm_struct *mm;

	require(current->mm);
	expect(!(current->flags & PF_KTHREAD));
	expect_eq(current->group_leader->pid, current->tgid);
	expect(current->group_leader->mm == current->mm);
	get_task_struct(current->group_leader);
	mm = get_task_mm(current);
	put_task_struct(current->group_leader);
	expect(mm == current->mm);
	mmput(mm);
}

static int account(unsigned long pages, bool inc, bool bypass)
{
	int rc;

	mmap_write_lock(current->mm);
	rc = __account_locked_vm(current->mm, pages, inc, current, bypass);
	mmap_write_unlock(current->mm);
	return rc;
}

static void locked_memory_is_limited(void)
{
	unsigned long before = current->mm->locked_vm;

	contract_memlock((before + 10) * PAGE_SIZE);
	expect_eq(rlimit(RLIMIT_MEMLOCK), (before + 10) * PAGE_SIZE);
	expect_eq(task_rlimit(current, RLIMIT_MEMLOCK), (before + 10) * PAGE_SIZE);
	expect_eq(account(10, true, false), 0);
	/* an account call counts all pages or none */
	expect_eq(account(2, true, false), -ENOMEM);
	expect_eq(current->mm->locked_vm, before + 10);
	expect_eq(account(1, true, true), 0);
	expect_eq(account(11, false, false), 0);
	expect_eq(current->mm->locked_vm, before);
	contract_memlock(~0ul);
}

static void users_are_counted(void)
{
	struct user_struct *user = get_uid(current_user());
	long before;

	expect(user == current_user());
	before = atomic_long_read(&user->locked_vm);
	atomic_long_add(3, &user->locked_vm);
	expect_eq(atomic_long_read(&current_user()->locked_vm), before + 3);
	atomic_long_sub(3, &user->locked_vm);
	free_uid(user);
}

static void kernel_memory_keeps_what_is_in_it(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	unsigned long zeroed = get_zeroed_page(GFP_KERNEL);
	volatile size_t none = 0;
	u8 *p, *q;

	require(page && zeroed);
	expect(virt_to_page(page_address(page)) == page);
	expect(PAGE_ALIGNED((unsigned long)page_address(page)));
	expect(!memchr_inv(page_address(page), 0, PAGE_SIZE));
	expect(PAGE_ALIGNED(zeroed));
	expect(!memchr_inv((void *)zeroed, 0, PAGE_SIZE));
	expect(phys_to_virt(virt_to_phys((void *)zeroed)) == (void *)zeroed);
	__free_page(page);
	free_page(zeroed);
	p = kzalloc(100, GFP_KERNEL);
	require(p);
	expect(!memchr_inv(p, 0, 100));
	memset(p, 3, 100);
	q = krealloc(p, 200, GFP_KERNEL);
	require(q);
	expect(!memchr_inv(q, 3, 100));
	p = kmemdup(q, 100, GFP_KERNEL);
	expect(p && !memcmp(p, q, 100));
	kfree(p);
	kfree(q);
	/* whole pages are aligned to pages */
	p = kmalloc(4096, GFP_KERNEL);
	expect(p && PAGE_ALIGNED((unsigned long)p));
	kfree(p);
	p = kvzalloc(3 * PAGE_SIZE, GFP_KERNEL);
	expect(p && !memchr_inv(p, 0, 3 * PAGE_SIZE));
	kvfree(p);
	kvfree(NULL);
	kfree(NULL);
	/* memory of 0 bytes can be freed; hide the size from the compiler (-Walloc-size) */
	p = kmalloc(none, GFP_KERNEL);
	expect(p && ZERO_OR_NULL_PTR(p));
	kfree(p);
}

static void what_cannot_be_is_refused(void)
{
	/* hide the value from the compiler, which would refuse it */
	volatile size_t huge = SIZE_MAX / 2;

	expect(!kmalloc_array(huge, 4, GFP_KERNEL));
	expect(!kcalloc(huge, huge, GFP_KERNEL));
	expect(!kvcalloc(huge, 8, GFP_KERNEL));
	expect(!kvcalloc(huge / 8, 8, GFP_KERNEL | __GFP_NOWARN));
	expect(!kmalloc(huge / 16, GFP_KERNEL | __GFP_NOWARN));
}

static void caches_give_aligned_objects(void)
{
	struct kmem_cache *cache = kmem_cache_create("contract", 100, 64, 0, NULL);
	void *objects[20];

	require(cache);
	for (unsigned int i = 0; i < ARRAY_SIZE(objects); i++) {
		objects[i] = i % 2 ? kmem_cache_zalloc(cache, GFP_KERNEL) :
				     kmem_cache_alloc(cache, GFP_KERNEL);
		require(objects[i]);
		expect(IS_ALIGNED((unsigned long)objects[i], 64));
		if (i % 2)
			expect(!memchr_inv(objects[i], 0, 100));
		memset(objects[i], 0xee, 100);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(objects); i++)
		kmem_cache_free(cache, objects[i]);
	kmem_cache_destroy(cache);
	kmem_cache_destroy(NULL);
}

static void freed_memory_is_kept_for_a_checker(void)
{
	struct kmem_cache *cache = kmem_cache_create("contract", 100, 0, 0, NULL);
	void *first, *second;

	require(cache);
	first = kmem_cache_alloc(cache, GFP_KERNEL);
	require(first);
	kmem_cache_free(cache, first);
	second = kmem_cache_alloc(cache, GFP_KERNEL);
	require(second);
	expect(!kasan_enabled() || first != second);
	kmem_cache_free(cache, second);
	kmem_cache_destroy(cache);
}

CONTRACT(memory, CASE(pinned_pages_are_the_users), CASE(pinning_stops_at_the_hole),
	 CASE(memory_that_may_only_be_read_is_not_pinned_for_writing),
	 CASE(pinning_without_faulting_takes_only_what_is_there),
	 CASE(another_thread_pins_what_is_ours), CASE(the_current_task_is_this_process),
	 CASE(locked_memory_is_limited), CASE(users_are_counted),
	 CASE(kernel_memory_keeps_what_is_in_it), CASE(what_cannot_be_is_refused),
	 CASE(caches_give_aligned_objects), CASE(freed_memory_is_kept_for_a_checker));
