// SPDX-License-Identifier: MIT
/*
 * Proves the rules of the cookie table: no two given cookies are equal, 0 is never given, and slots
 * are reused first in, first out. A late cookie finds no group until the stated number of reuses.
 * All of this holds also while the table grows under given cookies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/cookie.h"

static void grow(struct iof_cookies *cookies, u32 slots, u32 given)
{
	struct iof_cookie_growth growth;

	assert_int_equal(iof_cookie_growth_alloc(&growth, cookies, iof_cookie_bits(slots)), 0);
	iof_cookie_grow(cookies, &growth, given);
}

static void bits_follow_the_slots(void **state)
{
	(void)state;
	assert_int_equal(iof_cookie_bits(0), IOF_COOKIE_MIN_BITS);
	assert_int_equal(iof_cookie_bits(64), 6);
	assert_int_equal(iof_cookie_bits(65), 7);
	assert_int_equal(iof_cookie_bits(1 << 20), 20);
	assert_int_equal(iof_cookie_bits((1 << 20) + 1), 21);
}

static void empty_table_gives_nothing(void **state)
{
	struct iof_cookies cookies = {};

	(void)state;
	assert_int_equal(iof_cookie_give(&cookies, &cookies), 0);
	assert_null(iof_cookie_owner(&cookies, 0));
	assert_null(iof_cookie_owner(&cookies, 12345));
	iof_cookies_free(&cookies);
}

static void slots_are_reused_first_in_first_out(void **state)
{
	struct iof_cookies cookies = {};
	u32 given[64], i;
	int owner;

	(void)state;
	grow(&cookies, 64, 0);
	for (i = 0; i < 64; i++) {
		given[i] = iof_cookie_give(&cookies, &owner);
		assert_int_equal(given[i] & 63, i);
	}
	assert_int_equal(iof_cookie_give(&cookies, &owner), 0);
	/* Cookies that are taken back in reverse order are given again in that order. */
	for (i = 64; i-- > 0;)
		iof_cookie_take(&cookies, given[i]);
	for (i = 64; i-- > 0;)
		assert_int_equal(iof_cookie_give(&cookies, &owner) & 63, i);
	for (i = 0; i < 64; i++)
		assert_ptr_equal(iof_cookie_owner_at(&cookies, i), &owner);
	iof_cookies_free(&cookies);
}

static void a_cookie_comes_back_after_the_stated_reuses(void **state)
{
	struct iof_cookies cookies = {};
	const u32 bits = 20;
	u32 first = 0, cookie, round, rounds = (1u << (32 - bits)) - 1;
	u32 spare, i;
	int owner, other;

	(void)state;
	grow(&cookies, 1u << bits, 0);
	/* All slots but one are in use, so that the same slot is used again and again. */
	for (i = 0; i < (1u << bits) - 1; i++)
		assert_int_not_equal(iof_cookie_give(&cookies, &other), 0);
	for (round = 0; round < rounds; round++) {
		cookie = iof_cookie_give(&cookies, &owner);
		assert_int_not_equal(cookie, 0);
		if (!round)
			first = cookie;
		else
			assert_int_not_equal(cookie, first);
		assert_ptr_equal(iof_cookie_owner(&cookies, cookie), &owner);
		iof_cookie_take(&cookies, cookie);
		assert_null(iof_cookie_owner(&cookies, cookie));
	}
	spare = iof_cookie_give(&cookies, &owner);
	assert_int_equal(spare, first);
	iof_cookies_free(&cookies);
}

static void growing_keeps_cookies_that_are_out(void **state)
{
	struct iof_cookies cookies = {};
	int owner[64], later;
	u32 given[64], i, cookie;

	(void)state;
	grow(&cookies, 64, 0);
	for (i = 0; i < 64; i++)
		given[i] = iof_cookie_give(&cookies, &owner[i]);
	grow(&cookies, 1000, 64);
	for (i = 64; i < 1024; i++) {
		cookie = iof_cookie_give(&cookies, &later);
		assert_int_not_equal(cookie, 0);
		assert_true(cookie > given[63]);
		assert_ptr_equal(iof_cookie_owner(&cookies, cookie), &later);
	}
	assert_int_equal(iof_cookie_give(&cookies, &later), 0);
	for (i = 0; i < 64; i++) {
		assert_ptr_equal(iof_cookie_owner(&cookies, given[i]), &owner[i]);
		iof_cookie_take(&cookies, given[i]);
		assert_null(iof_cookie_owner(&cookies, given[i]));
	}
	iof_cookies_free(&cookies);
}

/*
 * Generations come round while a cookie of a narrower width is given: it is not given twice. When
 * that cookie has come back, the table has one width again.
 */
static void a_round_of_generations_passes_over_narrower_cookies(void **state)
{
	struct iof_cookies cookies = {};
	const u32 bits = 20;
	u32 narrow, cookie, i;
	int first, other;

	(void)state;
	grow(&cookies, 64, 0);
	narrow = iof_cookie_give(&cookies, &first);
	/* Generation 5 with 20 bits is this cookie too. */
	for (i = 0; (narrow & 63) || narrow < 5u << bits; i++) {
		iof_cookie_take(&cookies, narrow);
		narrow = iof_cookie_give(&cookies, &first);
	}
	grow(&cookies, 1u << bits, 1);
	/* All slots but one are in use, so that the same slot is used again and again. */
	for (i = 0; i < (1u << bits) - 2; i++)
		assert_int_not_equal(iof_cookie_give(&cookies, &other), 0);
	for (i = 0; i < 3u << (32 - bits); i++) {
		cookie = iof_cookie_give(&cookies, &other);
		assert_int_not_equal(cookie, 0);
		assert_int_not_equal(cookie, narrow);
		assert_ptr_equal(iof_cookie_owner(&cookies, narrow), &first);
		assert_ptr_equal(iof_cookie_take(&cookies, cookie), &other);
	}
	assert_true(cookies.collide);
	assert_ptr_equal(iof_cookie_take(&cookies, narrow), &first);
	assert_false(cookies.collide || cookies.narrower);
	assert_null(iof_cookie_owner(&cookies, narrow));
	iof_cookies_free(&cookies);
}

/* Gives, takes and grows at random, and compares with a plain list of given cookies. */
static void random_walk_agrees_with_a_list(void **state)
{
	enum {
		MOST = 4096,
		STEPS = 400000
	};
	struct iof_cookies cookies = {};
	struct out {
		u32 cookie;
		void *owner;
	} *out = calloc(MOST, sizeof(*out));
	u32 stale[64] = {}, n = 0, room = 64, step, k;
	unsigned int seed = 20261122;

	(void)state;
	assert_non_null(out);
	grow(&cookies, room, 0);
	for (step = 0; step < STEPS; step++) {
		if (step % 50000 == 49999 && room < MOST) {
			room *= 2;
			grow(&cookies, room, n);
		}
		if (rand_r(&seed) % 2 && n) {
			k = rand_r(&seed) % n;
			assert_ptr_equal(iof_cookie_owner(&cookies, out[k].cookie), out[k].owner);
			iof_cookie_take(&cookies, out[k].cookie);
			stale[step % 64] = out[k].cookie;
			out[k] = out[--n];
		} else if (n < room) {
			out[n].owner = &out[n];
			out[n].cookie = iof_cookie_give(&cookies, out[n].owner);
			assert_int_not_equal(out[n].cookie, 0);
			n++;
		} else {
			assert_int_equal(iof_cookie_give(&cookies, &n), 0);
		}
		assert_null(iof_cookie_owner(&cookies, stale[rand_r(&seed) % 64]));
	}
	for (k = 0; k < n; k++)
		assert_ptr_equal(iof_cookie_owner(&cookies, out[k].cookie), out[k].owner);
	iof_cookies_free(&cookies);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_follow_the_slots),
		cmocka_unit_test(empty_table_gives_nothing),
		cmocka_unit_test(slots_are_reused_first_in_first_out),
		cmocka_unit_test(a_cookie_comes_back_after_the_stated_reuses),
		cmocka_unit_test(growing_keeps_cookies_that_are_out),
		cmocka_unit_test(a_round_of_generations_passes_over_narrower_cookies),
		cmocka_unit_test(random_walk_agrees_with_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
