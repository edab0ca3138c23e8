// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * user.c - contracts of copies to and from user memory that exists, exists in part, or is gone:
 * they return the number of bytes not copied, and vectors stop at the first bad byte.
 */
#include "tests/contract/contract.h"

#define PAGES	      4ul
#define BAD	      ((void __user *)16)
#define NON_CANONICAL ((void __user *)0x8000000000000000ul)
#define LAST	      ((void __user *)-1ul)

static u8 kernel[1024], mirror[1024];

static bool all(const u8 *p, u8 byte, size_t n)
{
	return !memchr_inv(p, byte, n);
}

static void copies_count_what_is_left(void)
{
	char __user *user = contract_map(PAGES, true), *end = user + PAGES * PAGE_SIZE;

	/* each length of the short loop and some of the long one, at each distance from the hole */
	for (size_t n = 0; n < 600; n = n < 40 ? n + 1 : n + 155) {
		for (size_t room = 0; room <= n; room = room < 20 ? room + 1 : room + 71) {
			memset(mirror, 0x5a, sizeof(mirror));
			contract_poke(end - room, mirror, room);
			memset(kernel, 0xff, sizeof(kernel));
			expect_eq(copy_from_user(kernel, end - room, n), n - room);
			/* bytes that were not copied are zero */
			expect(all(kernel, 0x5a, room));
			expect(all(kernel + room, 0, n - room));
			expect_eq(kernel[n], 0xff);
			/* to the user, more bytes than reported may be missing, but not fewer */
			memset(kernel, 0x77, n);
			expect_eq(copy_to_user(end - room, kernel, n), n - room);
			contract_peek(mirror, end - room, room);
			expect(all(mirror, 0x77, room));
			expect_eq(clear_user(end - room, n), n - room);
			contract_peek(mirror, end - room, room);
			expect(all(mirror, 0, room));
		}
	}
	contract_unmap(user, PAGES);
}

static void bad_pointers_fail_and_do_no_harm(void)
{
	u64 word = 7;
	u32 small = 7;

	expect_eq(copy_from_user(&word, BAD, 8), 8);
	expect_eq(word, 0);
	expect_eq(copy_to_user(BAD, &word, 8), 8);
	expect_eq(copy_from_user(&word, NULL, 8), 8);
	word = 7;
	expect_eq(copy_from_user(&word, NON_CANONICAL, 8), 8);
	expect_eq(word, 0);
	expect_eq(copy_from_user(&word, LAST, 8), 8);
	expect_eq(copy_to_user(NON_CANONICAL, &word, 8), 8);
	expect_eq(clear_user(BAD, 8), 8);
	expect_eq(get_user(small, (u32 __user *)BAD), -EFAULT);
	expect_eq(small, 0);
	expect_eq(put_user(1, (u32 __user *)BAD), -EFAULT);
	expect(!access_ok(NON_CANONICAL, 1));
	expect(!access_ok(LAST, 2));
	/* a copy of 0 bytes leaves 0 bytes uncopied */
	expect_eq(copy_from_user(&word, BAD, 0), 0);
	expect_eq(copy_to_user(BAD, &word, 0), 0);
}

static void read_only_memory_cannot_be_written(void)
{
	char __user *user = contract_map(1, false);
	char byte = 'x';

	expect_eq(copy_to_user(user, &byte, 1), 1);
	expect_eq(put_user('x', user), -EFAULT);
	expect_eq(clear_user(user, 8), 8);
	expect_eq(copy_from_user(&byte, user, 1), 0);
	expect_eq(byte, 0);
	contract_unmap(user, 1);
}

static void single_words(void)
{
	u64 __user *user = contract_map(1, true);
	u64 word = 0x1122334455667788ull;
	u8 byte = 0;

	contract_poke(user, &word, sizeof(word));
	expect_eq(get_user(byte, (u8 __user *)user), 0);
	expect_eq(byte, 0x88);
	word = 0;
	expect_eq(get_user(word, user), 0);
	expect_eq(word, 0x1122334455667788ull);
	expect_eq(put_user(0x0807060504030201ull, user), 0);
	contract_peek(&word, user, sizeof(word));
	expect_eq(word, 0x0807060504030201ull);
	expect_eq(put_user(9, (u8 __user *)user), 0);
	contract_peek(&word, user, sizeof(word));
	expect_eq(word, 0x0807060504030209ull);
	contract_unmap(user, 1);
}

static void structs_that_grow(void)
{
	u8 sent[16] = { 1, 2, 3, 4, 5, 6, 7, 8 }, got[8];
	u8 __user *user = contract_map(1, true);
	void *copy;

	contract_poke(user, sent, sizeof(sent));
	/* a shorter struct: the rest is zero; a longer one: accepted only if its rest is zero */
	memset(got, 0xff, sizeof(got));
	expect_eq(copy_struct_from_user(got, 8, user, 4), 0);
	expect(!memcmp(got, "\1\2\3\4\0\0\0\0", 8));
	expect_eq(copy_struct_from_user(got, 8, user, 16), 0);
	expect(!memcmp(got, sent, 8));
	sent[15] = 1;
	contract_poke(user, sent, sizeof(sent));
	expect_eq(copy_struct_from_user(got, 8, user, 16), -E2BIG);
	expect_eq(copy_struct_from_user(got, 8, BAD, 8), -EFAULT);
	expect_eq(copy_struct_from_user(got, 8, BAD, 16), -EFAULT);
	expect_eq(copy_struct_from_user(got, 8, user + PAGE_SIZE - 4, 8), -EFAULT);
	/* the check of the tail comes first */
	expect_eq(copy_struct_from_user(got, 8, user + PAGE_SIZE - 8, 9), -EFAULT);
	expect_eq(check_zeroed_user(user + 8, 7), 1);
	expect_eq(check_zeroed_user(user + 8, 8), 0);
	expect_eq(check_zeroed_user(user + 8, 0), 1);
	expect_eq(check_zeroed_user(BAD, 8), -EFAULT);
	expect_eq(PTR_ERR(memdup_user(BAD, 8)), -EFAULT);
	copy = memdup_user(user, 16);
	if (expect(!IS_ERR(copy))) {
		expect(!memcmp(copy, sent, 16));
		kfree(copy);
	}
	contract_unmap(user, 1);
}

static void vectors_stop_at_the_first_bad_byte(void)
{
	char __user *user = contract_map(PAGES, true), *end = user + PAGES * PAGE_SIZE;
	struct iovec iov[] = { { user, 10 }, { NULL, 0 }, { end - 5, 20 }, { user + 100, 50 } };
	struct iov_iter iter;

	for (int i = 0; i < 100; i++)
		kernel[i] = (u8)i;
	iov_iter_init(&iter, ITER_DEST, iov, 4, 80);
	expect_eq(iov_iter_count(&iter), 80);
	expect_eq(copy_to_iter(kernel, 4, &iter), 4);
	expect_eq(copy_to_iter(kernel + 4, 60, &iter), 11);
	expect_eq(iov_iter_count(&iter), 65);
	contract_peek(mirror, user, 10);
	expect(!memcmp(mirror, kernel, 10));
	contract_peek(mirror, end - 5, 5);
	expect(!memcmp(mirror, kernel + 10, 5));
	/* a further copy moves neither data nor position */
	expect_eq(copy_to_iter(kernel, 4, &iter), 0);
	expect_eq(iov_iter_count(&iter), 65);
	/* go back over the empty segment into the first */
	iov_iter_revert(&iter, 12);
	expect_eq(iov_iter_count(&iter), 77);
	expect_eq(copy_to_iter("abcdefg", 7, &iter), 7);
	contract_peek(mirror, user, 10);
	expect(!memcmp(mirror, "\0\1\2abcdefg", 10));
	contract_unmap(user, PAGES);
}

static void vectors_all_or_nothing(void)
{
	char __user *user = contract_map(PAGES, true), *end = user + PAGES * PAGE_SIZE;
	struct iov_iter iter;

	memset(mirror, 1, 32);
	contract_poke(end - 32, mirror, 32);
	expect_eq(import_ubuf(ITER_SOURCE, end - 32, 64, &iter), 0);
	expect_eq(iov_iter_count(&iter), 64);
	expect(!copy_from_iter_full(kernel, 64, &iter));
	expect_eq(iov_iter_count(&iter), 64);
	expect(copy_from_iter_full(kernel, 24, &iter));
	expect_eq(iov_iter_count(&iter), 40);
	expect_eq(copy_from_iter(kernel, 100, &iter), 8);
	expect_eq(iov_iter_count(&iter), 32);
	iov_iter_revert(&iter, 32);
	expect_eq(iov_iter_count(&iter), 64);
	iov_iter_advance(&iter, 60);
	expect_eq(iov_iter_count(&iter), 4);
	iov_iter_truncate(&iter, 2);
	expect_eq(iov_iter_count(&iter), 2);
	iov_iter_truncate(&iter, 100);
	expect_eq(iov_iter_count(&iter), 2);
	expect_eq(iov_iter_rw(&iter), ITER_SOURCE);
	expect_eq(import_ubuf(ITER_DEST, NON_CANONICAL, 8, &iter), -EFAULT);
	contract_unmap(user, PAGES);
}

static void vectors_take_no_more_than_they_hold(void)
{
	char __user *user = contract_map(1, true);
	struct iovec iov[] = { { user, 8 }, { user + 64, 8 } };
	struct iov_iter iter;

	memset(kernel, 0x33, sizeof(kernel));
	iov_iter_init(&iter, ITER_DEST, iov, 2, 16);
	expect_eq(copy_to_iter(kernel, 12, &iter), 12);
	expect_eq(copy_to_iter(kernel, 12, &iter), 4);
	expect_eq(copy_to_iter(kernel, 12, &iter), 0);
	expect_eq(iov_iter_count(&iter), 0);
	contract_peek(mirror, user, 96);
	expect(all(mirror, 0x33, 8) && all(mirror + 8, 0, 56));
	expect(all(mirror + 64, 0x33, 8) && all(mirror + 72, 0, 24));
	iov_iter_revert(&iter, 16);
	expect_eq(iov_iter_zero(100, &iter), 16);
	contract_peek(mirror, user, 96);
	expect(all(mirror, 0, 96));
	contract_unmap(user, 1);
}

static void kernel_vectors(void)
{
	char a[4], b[4];
	struct kvec kvec[] = { { a, 4 }, { b, 4 } };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_DEST, kvec, 2, 8);
	iov_iter_advance(&iter, 2);
	expect_eq(copy_to_iter("123456789", 9, &iter), 6);
	expect(!memcmp(a + 2, "12", 2));
	expect(!memcmp(b, "3456", 4));
	iov_iter_revert(&iter, 6);
	expect_eq(iov_iter_zero(6, &iter), 6);
	expect(!memcmp(b, "\0\0\0\0", 4));
}

CONTRACT(user, CASE(copies_count_what_is_left), CASE(bad_pointers_fail_and_do_no_harm),
	 CASE(read_only_memory_cannot_be_written), CASE(single_words), CASE(structs_that_grow),
	 CASE(vectors_stop_at_the_first_bad_byte), CASE(vectors_all_or_nothing),
	 CASE(vectors_take_no_more_than_they_hold), CASE(kernel_vectors));
