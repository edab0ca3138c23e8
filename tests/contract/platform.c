// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * platform.c - contracts of the hooks of core/kapi.h, which have one meaning and two
 * implementations: copies that survive memory that is gone, and accesses to a process's pages as a
 * device does them.
 */
#include "tests/contract/contract.h"

#define PAGES 4ul

static u8 from[512], to[512];

static void copies_that_end_early_say_where(void)
{
	u8 *edge = contract_edge();

	if (!edge)
		return;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (u8)(i * 7 + 1);
	for (size_t n = 0; n <= sizeof(from); n += n < 20 ? 1 : 41) {
		for (size_t room = 0; room <= n; room += room < 20 ? 1 : 37) {
			expect_eq(iof_plat_copy(edge - room, from, n), n - room);
			expect(!memcmp(edge - room, from, room));
			memset(to, 0xff, sizeof(to));
			expect_eq(iof_plat_copy(to, edge - room, n), n - room);
			expect(!memcmp(to, from, room));
			/* bytes that were not copied are undefined; those behind are unchanged */
			expect(!memchr_inv(to + n, 0xff, sizeof(to) - n));
		}
	}
	expect_eq(iof_plat_copy_stream(to, edge - 300, 300), 0);
	expect(!memcmp(to, edge - 300, 300));
	expect_eq(iof_plat_copy_stream(edge - 200, from, 400), 200);
	contract_edge_done(edge);
}

static void single_words(void)
{
	u64 word = 5, old = 5, val = 0, from[3] = { 1, 2, 3 }, to[3] = { 0, 0, 9 };

	expect_eq(iof_plat_load64(&word, &val), 0);
	expect_eq(val, 5);
	expect_eq(iof_plat_load64s(from, to, 2), 2);
	expect(to[0] == 1 && to[1] == 2 && to[2] == 9);
	expect_eq(iof_plat_load64s(from, to, 0), 0);
	expect_eq(iof_plat_cmpxchg64(&word, &old, 6), 0);
	expect_eq(word, 6);
	expect_eq(iof_plat_cmpxchg64(&word, &old, 7), -EAGAIN);
	expect_eq(old, 6);
	expect_eq(word, 6);
}

static void a_process_is_touched_only_where_it_is_present(void)
{
	char __user *user = contract_map(PAGES, true);
	unsigned long at = (unsigned long)(uintptr_t)user, hole = at + PAGES * PAGE_SIZE;
	struct mm_struct *mm = current->mm;
	u64 spent = 0;
	char word[8] = "none";

	expect(!iof_plat_user_page_present(mm, at, false));
	expect_eq(iof_plat_mm_copy(mm, at, word, 8, false), -EFAULT);
	expect_eq(iof_plat_mm_fault_in(mm, at, true, &spent), 0);
	expect(iof_plat_user_page_present(mm, at, true));
	expect_eq(iof_plat_mm_copy(mm, at + 16, "1234567", 8, true), 0);
	expect_eq(iof_plat_mm_copy(mm, at + 16, word, 8, false), 0);
	expect(!strcmp(word, "1234567"));
	contract_peek(word, user + 18, 4);
	expect(!memcmp(word, "3456", 4));
	/* the question has faulted no page in */
	expect(!iof_plat_user_page_present(mm, at + PAGE_SIZE, false));
	contract_poke(user + PAGE_SIZE, "x", 1);
	expect(iof_plat_user_page_present(mm, at + PAGE_SIZE, true));
	expect_eq(iof_plat_mm_fault_in(mm, hole, false, &spent), -EFAULT);
	expect_eq(iof_plat_mm_copy(mm, hole, word, 8, true), -EFAULT);
	expect(!iof_plat_user_page_present(mm, hole, false));
	contract_unmap(user, PAGES);
}

static void what_a_process_may_only_read_a_device_may(void)
{
	char __user *user = contract_map(1, false);
	unsigned long at = (unsigned long)(uintptr_t)user;
	struct mm_struct *mm = current->mm;
	u64 spent = 0;
	char word[8] = "none";

	expect_eq(iof_plat_mm_fault_in(mm, at, true, &spent), -EFAULT);
	expect_eq(iof_plat_mm_fault_in(mm, at, false, &spent), 0);
	expect_eq(iof_plat_mm_copy(mm, at, word, 8, false), 0);
	expect(!memchr_inv(word, 0, 8));
	expect_eq(iof_plat_mm_copy(mm, at, word, 8, true), -EFAULT);
	contract_unmap(user, 1);
}

CONTRACT(platform, CASE(copies_that_end_early_say_where), CASE(single_words),
	 CASE(a_process_is_touched_only_where_it_is_present),
	 CASE(what_a_process_may_only_read_a_device_may));
