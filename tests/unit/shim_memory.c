// SPDX-License-Identifier: MIT
/*
 * shim_memory.c - tests the shim's memory functions beyond those of a kernel (tests/contract). The
 * platform's copies survive memory that is gone; the program's own signal handlers still get their
 * signals; pins and objects are counted; injected failures fire.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/kapi.h"
#include "shim/fault.h"
#include "shim/sys.h"

#define PAGES 4ul
#define BAD   ((void *)16)

/* Returns PAGES good pages, followed by one that is not mapped. */
static char *half_there(void)
{
	char *p = mmap(NULL, (PAGES + 1) * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + PAGES * PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	return p;
}

static void not_there(char *p)
{
	munmap(p, (PAGES + 1) * PAGE_SIZE);
}

static void streaming_copies_count_what_is_left(void **state)
{
	static char from[2 * PAGE_SIZE];
	char *user = half_there(), *end = user + PAGES * PAGE_SIZE;

	(void)state;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (char)(i * 7 + i / 256);
	for (size_t n = 1000; n < sizeof(from); n += 509) {
		for (size_t room = 0; room <= n; room += room % 64 < 48 ? 16 : 61) {
			size_t odd = min(n, sizeof(from) - 3);
			char *to = end - room;

			memset(to, 0, room);
			assert_int_equal(iof_plat_copy_stream(to, from + 3, odd), odd - room);
			assert_memory_equal(to, from + 3, room);
			/* copy from the unmapped page */
			memcpy(to, from, room);
			assert_int_equal(iof_plat_copy_stream(user, to, n), n - room);
			assert_memory_equal(user, from, min(room, 1000ul));
		}
	}
	assert_int_equal(iof_plat_copy_stream(user, from, PAGE_SIZE), 0);
	assert_memory_equal(user, from, PAGE_SIZE);
	assert_int_equal(iof_plat_copy_stream(BAD, from, PAGE_SIZE), PAGE_SIZE);
	not_there(user);
}

static void bad_pointers_fail_and_do_no_harm(void **state)
{
	u64 kernel = 7, old = 0;

	(void)state;
	assert_int_equal(iof_plat_load64(BAD, &kernel), -EFAULT);
	assert_int_equal(iof_plat_load64((u64 *)0x4141414141414140ul, &kernel), -EFAULT);
	assert_int_equal(iof_plat_cmpxchg64(BAD, &old, 1), -EFAULT);
	assert_int_equal(iof_plat_copy(&kernel, BAD, 8), 8);
	assert_int_equal(iof_plat_copy(BAD, &kernel, 8), 8);
	/* addresses of this process are good for every thread */
	assert_true(access_ok(state, 8));
}

/* Loads end in front of a page that is not there, and later words are unchanged. */
static void words_in_front_of_a_hole(void **state)
{
	char *user = half_there();
	u64 *edge = (u64 *)(user + PAGES * PAGE_SIZE), vals[4];
	unsigned int room, remote;

	(void)state;
	for (remote = 0; remote < 2; remote++) {
		iof_shim_force_remote_copies(remote);
		for (room = 0; room <= 4; room++) {
			memset(edge - 4, (int)room + 1, 4 * sizeof(*edge));
			memset(vals, 0, sizeof(vals));
			assert_int_equal(iof_plat_load64s(edge - room, vals, 4), room);
			assert_true(!room || vals[room - 1] == (room + 1) * 0x0101010101010101ull);
			assert_true(room == 4 || !vals[room]);
		}
	}
	iof_shim_force_remote_copies(false);
	assert_int_equal(iof_plat_load64s(BAD, vals, 4), 0);
	not_there(user);
}

static void read_only_memory_cannot_be_written(void **state)
{
	char *user = half_there();
	u64 old = 0, val;

	(void)state;
	mprotect(user, PAGE_SIZE, PROT_READ);
	assert_int_equal(iof_plat_load64((u64 *)user, &val), 0);
	assert_int_equal(iof_plat_cmpxchg64((u64 *)user, &old, 1), -EFAULT);
	not_there(user);
}

static void single_words(void **state)
{
	u64 word = 5, old = 5, val = 0;

	(void)state;
	assert_int_equal(iof_plat_load64(&word, &val), 0);
	assert_true(val == 5);
	assert_int_equal(iof_plat_cmpxchg64(&word, &old, 6), 0);
	assert_true(word == 6);
	assert_int_equal(iof_plat_cmpxchg64(&word, &old, 7), -EAGAIN);
	assert_true(old == 6 && word == 6);
}

/* ---- other people's handlers ---- */

static sigjmp_buf caught;
static siginfo_t seen;
static int calls;
static struct sigaction below;

static void jump_out(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	seen = *info;
	calls++;
	siglongjmp(caught, 1);
}

static void crash_at(volatile char *p)
{
	OPTIMIZER_HIDE_VAR(p);
	*p = 1;
}

static void on_top(int sig, siginfo_t *info, void *context)
{
	calls++;
	/* other signals go to the handler that was there before */
	if (below.sa_flags & SA_SIGINFO)
		below.sa_sigaction(sig, info, context);
}

static void faults_that_are_not_ours_reach_the_earlier_handler(void **state)
{
	struct sigaction action = { .sa_sigaction = jump_out, .sa_flags = SA_SIGINFO }, old[2];
	char byte;

	(void)state;
	sigaction(SIGSEGV, &action, &old[0]);
	sigaction(SIGBUS, &action, &old[1]);
	assert_int_equal(iof_sys_init(), 0);
	calls = 0;
	for (int i = 0; i < 3; i++) {
		if (!sigsetjmp(caught, 1))
			crash_at(BAD);
		assert_int_equal(calls, i + 1);
		assert_ptr_equal(seen.si_addr, BAD);
		assert_int_equal(copy_from_user(&byte, BAD, 1), 1);
	}
	/* this includes a signal sent by kill() */
	if (!sigsetjmp(caught, 1))
		raise(SIGBUS);
	assert_int_equal(calls, 4);
	sigaction(SIGSEGV, &old[0], NULL);
	sigaction(SIGBUS, &old[1], NULL);
}

static void a_later_handler_that_chains_is_fine(void **state)
{
	struct sigaction base = { .sa_sigaction = jump_out, .sa_flags = SA_SIGINFO };
	struct sigaction top = { .sa_sigaction = on_top, .sa_flags = SA_SIGINFO }, old;
	char byte;

	(void)state;
	sigaction(SIGSEGV, &base, &old);
	assert_int_equal(iof_sys_init(), 0);
	sigaction(SIGSEGV, &top, &below);
	calls = 0;
	/* our handler is below the program's and still fixes up */
	assert_int_equal(copy_from_user(&byte, BAD, 1), 1);
	assert_int_equal(calls, 1);
	/*
	 * after this our handler is both above and below the program's; they do not call each other
	 * for ever
	 */
	assert_int_equal(iof_sys_init(), 0);
	assert_int_equal(copy_from_user(&byte, BAD, 1), 1);
	assert_int_equal(calls, 1);
	sigaction(SIGSEGV, &old, NULL);
}

/* ---- pins ---- */

static void pins_are_counted_by_page(void **state)
{
	char *user = half_there();
	struct page *pages[PAGES];
	struct iof_live before, after;
	unsigned long pfn = (unsigned long)user >> PAGE_SHIFT;

	(void)state;
	iof_shim_live(&before);
	assert_int_equal(iof_shim_pin_count(user), 0);
	assert_int_equal(pin_user_pages_fast((unsigned long)user + 5, PAGES,
					     FOLL_WRITE | FOLL_LONGTERM, pages),
			 PAGES);
	assert_int_equal(pin_user_pages((unsigned long)user, 1, 0, pages), 1);
	assert_int_equal(iof_shim_pin_count(user), 2);
	assert_int_equal(iof_shim_pin_count(user + PAGE_SIZE + 17), 1);
	for (unsigned long i = 0; i < PAGES; i++) {
		assert_int_equal(page_to_pfn(pages[i]), pfn + i);
		assert_ptr_equal(pfn_to_page(pfn + i), pages[i]);
		assert_ptr_equal(kmap_local_page(pages[i]), user + i * PAGE_SIZE);
		assert_true(pfn_valid(pfn + i));
		assert_true(iof_plat_user_page_present(current->mm,
						       (unsigned long)user + i * PAGE_SIZE, true));
	}
	iof_shim_live(&after);
	assert_int_equal(after.pins - before.pins, PAGES + 1);
	unpin_user_page(pages[0]);
	unpin_user_pages_dirty_lock(pages, PAGES, true);
	assert_int_equal(iof_shim_pin_count(user), 0);
	iof_shim_live(&after);
	assert_int_equal(after.pins, before.pins);
	not_there(user);
}

static void sva_touches_only_what_is_present(void **state)
{
	char *user = half_there();
	unsigned long addr = (unsigned long)user;
	char buf[8];
	u64 spent = 0;

	(void)state;
	assert_false(iof_plat_user_page_present(current->mm, addr, false));
	assert_int_equal(iof_plat_mm_copy(current->mm, addr, buf, 8, false), -EFAULT);
	assert_int_equal(iof_plat_mm_fault_in(current->mm, addr, true, &spent), 0);
	assert_true(iof_plat_user_page_present(current->mm, addr, true));
	assert_int_equal(iof_plat_mm_copy(current->mm, addr, "1234567", 8, true), 0);
	assert_int_equal(iof_plat_mm_copy(current->mm, addr, buf, 8, false), 0);
	assert_string_equal(buf, "1234567");
	addr += PAGES * PAGE_SIZE;
	assert_int_equal(iof_plat_mm_fault_in(current->mm, addr, false, &spent), -EFAULT);
	assert_int_equal(iof_plat_mm_copy(current->mm, addr, buf, 8, true), -EFAULT);
	not_there(user);
}

static void child_without_pagemap(void)
{
	struct rlimit none = { 0, 0 };
	char *user = half_there();
	unsigned long addr = (unsigned long)user;
	char buf[8] = "";
	u64 spent = 0;

	/* Let no file be opened any more, as if there were no /proc. */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_false(iof_plat_user_page_present(current->mm, addr, false));
	assert_int_equal(iof_plat_mm_copy(current->mm, addr, buf, 8, false), -EFAULT);
	assert_int_equal(iof_plat_mm_fault_in(current->mm, addr, true, &spent), 0);
	assert_true(iof_plat_user_page_present(current->mm, addr, true));
	assert_int_equal(iof_plat_mm_copy(current->mm, addr, "1234567", 8, true), 0);
	assert_int_equal(iof_plat_mm_copy(current->mm, addr, buf, 8, false), 0);
	assert_string_equal(buf, "1234567");
	assert_false(iof_plat_user_page_present(current->mm, addr + PAGES * PAGE_SIZE, false));
}

static void sva_works_where_proc_does_not_tell(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		child_without_pagemap();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The hook's answer about a page equals the result of the copy, for reads and for writes. */
static void a_page_is_present_for_what_it_permits(void **state)
{
	char *user = half_there(), buf[8];
	unsigned long addr = (unsigned long)user;
	const int prot[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

	(void)state;
	memset(user, 1, PAGE_SIZE);
	for (unsigned int i = 0; i < ARRAY_SIZE(prot); i++) {
		assert_int_equal(mprotect(user, PAGE_SIZE, prot[i]), 0);
		for (int write = 0; write < 2; write++) {
			bool present = iof_plat_user_page_present(current->mm, addr + 4090, write);

			assert_int_equal(present, !!(prot[i] & (write ? PROT_WRITE : PROT_READ)));
			assert_int_equal(iof_plat_mm_copy(current->mm, addr + 8, buf, 8, write),
					 present ? 0 : -EFAULT);
		}
	}
	not_there(user);
}

static void locked_memory_is_limited(void **state)
{
	struct mm_struct *mm = current->mm;

	(void)state;
	iof_shim_set_memlock(10 * PAGE_SIZE);
	iof_shim_set_capable(CAP_IPC_LOCK, 0);
	assert_true(rlimit(RLIMIT_MEMLOCK) == 10 * PAGE_SIZE);
	assert_int_equal(account_locked_vm(mm, 10, true), 0);
	assert_int_equal(account_locked_vm(mm, 1, true), -ENOMEM);
	iof_shim_set_capable(CAP_IPC_LOCK, 1);
	assert_int_equal(account_locked_vm(mm, 1, true), 0);
	assert_int_equal(account_locked_vm(mm, 11, false), 0);
	assert_int_equal(mm->locked_vm, 0);
	iof_shim_set_capable(CAP_IPC_LOCK, -1);
	iof_shim_set_memlock(~0ul);
}

/* ---- kernel memory and injected failures ---- */

static void kernel_memory_is_counted(void **state)
{
	struct kmem_cache *cache = kmem_cache_create("things", 100, 64, 0, NULL);
	struct iof_live before, after;
	char *p, *q;
	struct page *page;

	(void)state;
	iof_shim_live(&before);
	p = kzalloc(100, GFP_KERNEL);
	assert_memory_equal(p, p + 50, 50);
	memset(p, 3, 100);
	p = krealloc(p, 200, GFP_KERNEL);
	assert_int_equal(p[99], 3);
	q = kmemdup("hello", 6, GFP_KERNEL);
	assert_string_equal(q, "hello");
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	assert_ptr_equal(virt_to_page(page_address(page)), page);
	assert_true(PAGE_ALIGNED(page_address(page)));
	iof_shim_live(&after);
	if (IOF_SHIM_CHECKS)
		assert_int_equal(after.objects - before.objects, 3);
	assert_int_equal(after.pages - before.pages, 1);
	kfree(p);
	kfree(q);
	kfree(NULL);
	kfree(kmalloc(0, GFP_KERNEL));
	__free_page(page);
	p = kmem_cache_zalloc(cache, GFP_KERNEL);
	assert_true(IS_ALIGNED((unsigned long)p, 64));
	kmem_cache_free(cache, p);
	iof_shim_live(&after);
	assert_int_equal(after.objects, before.objects);
	assert_int_equal(after.bytes, before.bytes);
	assert_int_equal(after.pages, before.pages);
	p = kmalloc(4096, GFP_KERNEL);
	assert_true(PAGE_ALIGNED(p));
	kfree(p);
	kmem_cache_destroy(cache);
}

static void the_nth_allocation_fails_once_or_for_good(void **state)
{
	void *p[4];

	(void)state;
	iof_fail_nth(IOF_FAIL_ALLOC, 3, false);
	for (int i = 0; i < 4; i++) {
		p[i] = kmalloc(8, GFP_KERNEL);
		assert_true(!!p[i] == (i != 2));
		kfree(p[i]);
	}
	assert_int_equal(iof_fail_fired(IOF_FAIL_ALLOC), 1);
	iof_fail_nth(IOF_FAIL_ALLOC, 2, true);
	for (int i = 0; i < 4; i++) {
		p[i] = kvzalloc(8, GFP_KERNEL);
		assert_true(!!p[i] == (i < 1));
		kfree(p[i]);
	}
	assert_int_equal(iof_fail_fired(IOF_FAIL_ALLOC), 3);
	assert_int_equal(get_zeroed_page(GFP_KERNEL), 0);
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
	iof_fail_nth(IOF_FAIL_ALLOC, 100, false);
	assert_int_equal(iof_fail_fired(IOF_FAIL_ALLOC), 0);
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
}

static void the_nth_copy_and_pin_fail(void **state)
{
	u64 user = 1, kernel;
	struct iov_iter iter;
	struct page *page;

	(void)state;
	iof_fail_nth_thread(IOF_FAIL_COPY, 2, false);
	assert_int_equal(copy_from_user(&kernel, &user, 8), 0);
	assert_int_equal(copy_to_user(&user, &kernel, 8), 8);
	assert_int_equal(get_user(kernel, &user), 0);
	assert_int_equal(iof_fail_fired(IOF_FAIL_COPY), 1);
	iof_fail_nth(IOF_FAIL_COPY, 1, false);
	assert_int_equal(import_ubuf(ITER_DEST, &user, 8, &iter), 0);
	assert_int_equal(copy_to_iter(&kernel, 8, &iter), 0);
	assert_int_equal(copy_to_iter(&kernel, 8, &iter), 8);
	iof_fail_nth(IOF_FAIL_PIN, 1, false);
	assert_true(pin_user_pages_fast((unsigned long)&user, 1, 0, &page) < 0);
	assert_int_equal(iof_fail_fired(IOF_FAIL_PIN), 1);
	assert_int_equal(pin_user_pages_fast((unsigned long)&user, 1, 0, &page), 1);
	unpin_user_page(page);
}

static void allocations_that_may_not_sleep_can_be_made_to_fail(void **state)
{
	void *p;

	(void)state;
	iof_fail_atomic_allocs(true);
	assert_null(kmalloc(8, GFP_ATOMIC));
	assert_null(kmalloc(8, GFP_NOWAIT));
	p = kmalloc(8, GFP_KERNEL);
	assert_non_null(p);
	kfree(p);
	iof_fail_atomic_allocs(false);
	p = kmalloc(8, GFP_ATOMIC);
	assert_non_null(p);
	kfree(p);
}

static void xarray_reports_failed_allocations(void **state)
{
	static int thing;
	struct xarray xa;
	u32 id = 77;

	(void)state;
	xa_init_flags(&xa, XA_FLAGS_ALLOC);
	iof_fail_nth(IOF_FAIL_ALLOC, 1, true);
	assert_int_equal(xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL), -ENOMEM);
	assert_int_equal(id, 77);
	assert_int_equal(xa_err(xa_store(&xa, 3, &thing, GFP_KERNEL)), -ENOMEM);
	assert_int_equal(xa_insert(&xa, 3, &thing, GFP_KERNEL), -ENOMEM);
	assert_int_equal(xa_reserve(&xa, 3, GFP_KERNEL), -ENOMEM);
	assert_true(iof_fail_fired(IOF_FAIL_ALLOC) == 4);
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
	/* storing at a used index needs no memory, and erasing never does */
	assert_null(xa_store(&xa, 3, &thing, GFP_KERNEL));
	iof_fail_nth(IOF_FAIL_ALLOC, 1, true);
	assert_ptr_equal(xa_store(&xa, 3, xa_mk_value(1), GFP_KERNEL), &thing);
	assert_int_equal(xa_to_value(xa_erase(&xa, 3)), 1);
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
	assert_true(xa_empty(&xa));
}

static void the_current_task_is_this_process(void **state)
{
	(void)state;
	assert_int_equal(current->tgid, getpid());
	assert_int_equal(current->group_leader->pid, getpid());
}

/* cmocka installs its own signal handlers before each test. So each test installs ours again. */
/* clang-format off */
#define ALL_TESTS(test) \
	test(streaming_copies_count_what_is_left) \
	test(bad_pointers_fail_and_do_no_harm) \
	test(words_in_front_of_a_hole) \
	test(read_only_memory_cannot_be_written) \
	test(single_words) \
	test(faults_that_are_not_ours_reach_the_earlier_handler) \
	test(a_later_handler_that_chains_is_fine) \
	test(pins_are_counted_by_page) \
	test(sva_touches_only_what_is_present) \
	test(sva_works_where_proc_does_not_tell) \
	test(a_page_is_present_for_what_it_permits) \
	test(locked_memory_is_limited) \
	test(kernel_memory_is_counted) \
	test(the_nth_allocation_fails_once_or_for_good) \
	test(the_nth_copy_and_pin_fail) \
	test(allocations_that_may_not_sleep_can_be_made_to_fail) \
	test(xarray_reports_failed_allocations) \
	test(the_current_task_is_this_process)
/* clang-format on */

#define define_run(name)                     \
	static void run_##name(void **state) \
	{                                    \
		iof_sys_init();              \
		name(state);                 \
	}
ALL_TESTS(define_run)

int main(void)
{
#define entry(name) { #name, run_##name, NULL, NULL, NULL },
	const struct CMUnitTest tests[] = { ALL_TESTS(entry) };

	return cmocka_run_group_tests_name("shim_memory", tests, NULL, NULL);
}
