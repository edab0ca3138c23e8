// SPDX-License-Identifier: MIT
/*
 * iova_ranges.c - proves that exactly the addresses outside of reserved ranges can be mapped,
 * however the ranges overlap.
 */
#include "env.h"

/*
 * Adds and removes ranges that overlap, contain each other, or are reserved several times. After
 * each step, exactly the addresses that none of them covers can be mapped.
 */
static void reserved_ranges_overlap(void **state)
{
	enum {
		RANGES = 24,
		PLACES = 32
	};
	struct iof_map map;
	struct {
		unsigned long start, last;
	} range[RANGES] = {};
	unsigned int covers[PLACES] = {}, seed = 2, round, i, place;

	(void)state;
	iof_map_init(&map);
	for (round = 0; round < 4000; round++) {
		unsigned long start, last;
		bool add;

		i = (unsigned int)rand_r(&seed) % RANGES;
		add = !range[i].last;
		if (add) {
			range[i].start = (unsigned long)rand_r(&seed) % PLACES;
			range[i].last = range[i].start + 1 +
					(unsigned long)rand_r(&seed) % (PLACES - range[i].start);
		}
		start = range[i].start * PAGE_SIZE;
		last = range[i].last * PAGE_SIZE - 1;
		if (add)
			assert_int_equal(iof_map_reserve(&map, start, last), 0);
		else
			iof_map_unreserve(&map, start, last);
		for (place = range[i].start; place < range[i].last; place++)
			covers[place] += add ? 1u : -1u;
		if (!add)
			range[i].last = 0;
		for (place = 0; place < PLACES; place++)
			assert_int_equal(iof_map_check_fixed(&map, place * PAGE_SIZE, PAGE_SIZE),
					 covers[place] ? -EINVAL : 0);
	}
	for (i = 0; i < RANGES; i++)
		if (range[i].last)
			iof_map_unreserve(&map, range[i].start * PAGE_SIZE,
					  range[i].last * PAGE_SIZE - 1);
	assert_true(RB_EMPTY_ROOT(&map.reserved));
	iof_map_destroy(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserved_ranges_overlap),
	};

	iof_sys_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
