// SPDX-License-Identifier: MIT
/*
 * shim_data.c - the stand-ins that hold data behave as the kernel's: lists, trees, xarrays, bit
 * arrays, saturating sizes, checksums. Each test names one promise that shared code relies on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/kapi.h"
#include <linux/crc-t10dif.h>
#include <linux/llist.h>
#include <linux/random.h>
#include "shim/fault.h"

struct item {
	int n;
	struct list_head link;
	struct hlist_node hash;
	struct llist_node lock_free;
	struct rb_node node;
};

static void fill(struct item *items, int n, struct list_head *head)
{
	for (int i = 0; i < n; i++) {
		items[i].n = i;
		list_add_tail(&items[i].link, head);
	}
}

/* The list holds exactly the numbers given, in order, both ways. */
static void expect(struct list_head *head, int n, ...)
{
	struct item *item;
	va_list args;
	int seen = 0;

	va_start(args, n);
	list_for_each_entry(item, head, link) {
		assert_true(seen < n);
		assert_int_equal(item->n, va_arg(args, int));
		seen++;
	}
	va_end(args);
	assert_int_equal(seen, n);
	list_for_each_entry_reverse(item, head, link)
		seen--;
	assert_int_equal(seen, 0);
	assert_int_equal(list_count_nodes(head), n);
}

static void operations_on_an_empty_list(void **state)
{
	LIST_HEAD(empty);
	LIST_HEAD(other);
	struct item items[2], *item, *next;

	(void)state;
	fill(items, 2, &other);
	assert_true(list_empty(&empty));
	assert_true(list_empty_careful(&empty));
	assert_false(list_is_singular(&empty));
	assert_null(list_first_entry_or_null(&empty, struct item, link));
	list_splice(&empty, &other);
	list_splice_tail(&empty, &other);
	list_splice_init(&empty, &other);
	list_splice_tail_init(&empty, &other);
	expect(&other, 2, 0, 1);
	list_cut_before(&empty, &other, other.next);
	expect(&empty, 0);
	list_cut_position(&empty, &other, &other);
	expect(&empty, 0);
	expect(&other, 2, 0, 1);
	list_rotate_left(&empty);
	list_for_each_entry_safe(item, next, &empty, link)
		fail();
	list_splice_init(&other, &empty);
	expect(&empty, 2, 0, 1);
	expect(&other, 0);
	list_cut_before(&other, &empty, &empty);
	expect(&other, 2, 0, 1);
	expect(&empty, 0);
	INIT_LIST_HEAD(&items[0].link);
	list_replace_init(&other, &empty);
	assert_true(list_empty(&other));
}

static void moving_runs_between_lists(void **state)
{
	LIST_HEAD(a);
	LIST_HEAD(b);
	struct item items[6], *item, *next;

	(void)state;
	fill(items, 6, &a);
	list_cut_before(&b, &a, &items[3].link);
	expect(&b, 3, 0, 1, 2);
	expect(&a, 3, 3, 4, 5);
	list_splice_tail_init(&b, &a);
	expect(&a, 6, 3, 4, 5, 0, 1, 2);
	expect(&b, 0);
	list_bulk_move_tail(&b, &items[4].link, &items[0].link);
	expect(&a, 3, 3, 1, 2);
	expect(&b, 3, 4, 5, 0);
	list_cut_position(&a, &b, &items[5].link);
	list_move(&items[0].link, &a);
	expect(&a, 3, 0, 4, 5);
	list_move_tail(&items[0].link, &a);
	expect(&a, 3, 4, 5, 0);
	list_for_each_entry_safe(item, next, &a, link)
		list_del_init(&item->link);
	expect(&a, 0);
	assert_true(list_empty(&items[0].link));
}

static void hash_lists_forget_their_nodes(void **state)
{
	DEFINE_HASHTABLE(table, 4);
	struct item items[64], *item;
	struct hlist_node *tmp;
	int found, bucket;

	(void)state;
	assert_true(hash_empty(table));
	for (int i = 0; i < 64; i++) {
		items[i].n = i;
		hash_add(table, &items[i].hash, (u64)i % 8);
	}
	for (u64 key = 0; key < 8; key++) {
		found = 0;
		hash_for_each_possible(table, item, hash, key)
			found += (u64)item->n % 8 == key;
		assert_int_equal(found, 8);
	}
	hash_for_each_safe(table, bucket, tmp, item, hash)
		hash_del(&item->hash);
	assert_true(hash_empty(table));
	assert_false(hash_hashed(&items[5].hash));
}

static void lock_free_stack_gives_back_everything_once(void **state)
{
	LLIST_HEAD(stack);
	struct item items[3], *item;
	int n = 0;

	(void)state;
	assert_true(llist_add(&items[0].lock_free, &stack));
	assert_false(llist_add(&items[1].lock_free, &stack));
	assert_false(llist_add(&items[2].lock_free, &stack));
	for (int i = 0; i < 3; i++)
		items[i].n = i;
	llist_for_each_entry(item, llist_reverse_order(llist_del_all(&stack)), lock_free)
		assert_int_equal(item->n, n++);
	assert_int_equal(n, 3);
	assert_true(llist_empty(&stack));
	assert_null(llist_del_all(&stack));
}

static bool item_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct item, node)->n < rb_entry(b, struct item, node)->n;
}

static int item_cmp(const void *key, const struct rb_node *node)
{
	int n = *(const int *)key, m = rb_entry(node, struct item, node)->n;

	return n < m ? -1 : n > m;
}

/* Height in black nodes; -1 for a broken tree. */
static int black_height(struct rb_node *node, struct rb_node *up)
{
	int left, right;

	if (!node)
		return 0;
	assert_ptr_equal(rb_parent(node), up);
	left = black_height(node->rb_left, node);
	right = black_height(node->rb_right, node);
	assert_int_equal(left, right);
	return left + (node->rb_colour == 0);
}

static void trees_stay_ordered_and_balanced_under_random_use(void **state)
{
	enum { COUNT = 500, ROUNDS = 20000 };
	struct rb_root_cached root = RB_ROOT_CACHED;
	struct item *items = calloc(COUNT, sizeof(*items));
	int present = 0;

	(void)state;
	srand(4711);
	for (int i = 0; i < COUNT; i++) {
		items[i].n = i;
		RB_CLEAR_NODE(&items[i].node);
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct item *item = &items[rand() % COUNT];
		struct rb_node *node;
		int last = -1, seen = 0;

		if (RB_EMPTY_NODE(&item->node)) {
			rb_add_cached(&item->node, &root, item_less);
			present++;
		} else {
			rb_erase_cached(&item->node, &root);
			RB_CLEAR_NODE(&item->node);
			present--;
		}
		if (round % 100)
			continue;
		black_height(root.rb_root.rb_node, NULL);
		assert_ptr_equal(rb_first_cached(&root), rb_first(&root.rb_root));
		for (node = rb_first_cached(&root); node; node = rb_next(node)) {
			assert_true(rb_entry(node, struct item, node)->n > last);
			last = rb_entry(node, struct item, node)->n;
			assert_ptr_equal(rb_find(&last, &root.rb_root, item_cmp), node);
			seen++;
		}
		assert_int_equal(seen, present);
		for (node = rb_last(&root.rb_root); node; node = rb_prev(node))
			seen--;
		assert_int_equal(seen, 0);
	}
	free(items);
}

static void trees_replace_and_walk_children_first(void **state)
{
	struct rb_root root = RB_ROOT;
	struct item items[7], spare = { .n = 3 }, *pos, *next;
	int seen = 0;

	(void)state;
	assert_null(rb_first(&root));
	assert_true(RB_EMPTY_ROOT(&root));
	for (int i = 0; i < 7; i++) {
		items[i].n = i;
		rb_add(&items[i].node, &root, item_less);
	}
	rb_replace_node(&items[3].node, &spare.node, &root);
	assert_ptr_equal(rb_next(&items[2].node), &spare.node);
	assert_ptr_equal(rb_prev(&items[4].node), &spare.node);
	rbtree_postorder_for_each_entry_safe(pos, next, &root, node) {
		memset(&pos->node, 0xff, sizeof(pos->node));
		seen++;
	}
	assert_int_equal(seen, 7);
}

static void xarray_gives_the_lowest_free_number(void **state)
{
	static int thing;
	struct xarray xa;
	u32 id;

	(void)state;
	xa_init_flags(&xa, XA_FLAGS_ALLOC1);
	for (u32 i = 1; i <= 5; i++) {
		assert_int_equal(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
		assert_int_equal(id, i);
	}
	assert_ptr_equal(xa_erase(&xa, 2), &thing);
	assert_ptr_equal(xa_erase(&xa, 4), &thing);
	assert_null(xa_erase(&xa, 4));
	assert_int_equal(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
	assert_int_equal(id, 2);
	assert_int_equal(xa_alloc(&xa, &id, &thing, XA_LIMIT(4, 5), GFP_KERNEL), 0);
	assert_int_equal(id, 4);
	assert_int_equal(xa_alloc(&xa, &id, &thing, XA_LIMIT(4, 5), GFP_KERNEL), -EBUSY);
	xa_destroy(&xa);
	assert_true(xa_empty(&xa));
}

static void xarray_keeps_reserved_entries_invisible_but_taken(void **state)
{
	static int thing;
	unsigned long index;
	struct xarray xa;
	void *entry;
	u32 id;

	(void)state;
	xa_init_flags(&xa, XA_FLAGS_ALLOC);
	assert_int_equal(xa_alloc(&xa, &id, NULL, xa_limit_32b, GFP_KERNEL), 0);
	assert_int_equal(id, 0);
	assert_int_equal(xa_reserve(&xa, 1, GFP_KERNEL), 0);
	assert_null(xa_load(&xa, 0));
	assert_null(xa_load(&xa, 1));
	assert_false(xa_empty(&xa));
	xa_for_each(&xa, index, entry)
		fail();
	assert_int_equal(xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL), 0);
	assert_int_equal(id, 2);
	assert_int_equal(xa_insert(&xa, 1, &thing, GFP_KERNEL), -EBUSY);
	assert_null(xa_cmpxchg(&xa, 1, XA_ZERO_ENTRY, &thing, GFP_KERNEL));
	assert_ptr_equal(xa_load(&xa, 1), &thing);
	/* released only while still reserved */
	xa_release(&xa, 1);
	assert_ptr_equal(xa_load(&xa, 1), &thing);
	xa_release(&xa, 0);
	assert_int_equal(xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL), 0);
	assert_int_equal(id, 0);
	/* storing nothing keeps the number */
	assert_ptr_equal(xa_store(&xa, 0, NULL, GFP_KERNEL), &thing);
	assert_null(xa_load(&xa, 0));
	assert_int_equal(xa_insert(&xa, 0, &thing, GFP_KERNEL), -EBUSY);
	xa_destroy(&xa);
}

static void xarray_walks_in_order_and_to_the_end(void **state)
{
	static const unsigned long at[] = { 0, 1, 63, 64, 4096, 1ul << 40, ULONG_MAX };
	unsigned long index = 0;
	struct xarray xa;
	void *entry;
	unsigned int n = 0;

	(void)state;
	xa_init(&xa);
	for (unsigned int i = ARRAY_SIZE(at); i--;)
		assert_null(xa_store(&xa, at[i], xa_mk_value(i), GFP_KERNEL));
	xa_for_each(&xa, index, entry) {
		assert_int_equal(index, at[n]);
		assert_true(xa_is_value(entry));
		assert_int_equal(xa_to_value(entry), n);
		n++;
	}
	assert_int_equal(n, ARRAY_SIZE(at));
	index = 2;
	assert_non_null(xa_find(&xa, &index, 63, XA_PRESENT));
	assert_int_equal(index, 63);
	assert_null(xa_find_after(&xa, &index, 63, XA_PRESENT));
	xa_for_each(&xa, index, entry)
		assert_ptr_equal(xa_erase(&xa, index), entry);
	assert_true(xa_empty(&xa));
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
	/* what is there already needs no memory, and erasing never does */
	assert_null(xa_store(&xa, 3, &thing, GFP_KERNEL));
	iof_fail_nth(IOF_FAIL_ALLOC, 1, true);
	assert_ptr_equal(xa_store(&xa, 3, xa_mk_value(1), GFP_KERNEL), &thing);
	assert_int_equal(xa_to_value(xa_erase(&xa, 3)), 1);
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
	assert_true(xa_empty(&xa));
}

static void bits_are_found_across_words(void **state)
{
	unsigned long *map = bitmap_zalloc(200, GFP_KERNEL);
	unsigned long *other = bitmap_zalloc(200, GFP_KERNEL);
	unsigned int bit, n = 0;

	(void)state;
	assert_int_equal(find_first_bit(map, 200), 200);
	assert_int_equal(find_first_zero_bit(map, 200), 0);
	set_bit(0, map);
	set_bit(64, map);
	assert_false(test_and_set_bit(199, map));
	assert_true(test_and_set_bit(199, map));
	for_each_set_bit(bit, map, 200)
		n += bit;
	assert_int_equal(n, 263);
	assert_int_equal(find_next_bit(map, 199, 65), 199);
	bitmap_set(map, 0, 130);
	assert_int_equal(find_first_zero_bit(map, 200), 130);
	assert_int_equal(find_next_zero_bit(map, 130, 0), 130);
	assert_int_equal(bitmap_weight(map, 200), 131);
	assert_true(test_and_clear_bit(199, map));
	bitmap_clear(map, 0, 130);
	assert_true(bitmap_empty(map, 200));
	set_bit(70, map);
	bitmap_set(other, 130, 2);
	bitmap_or(map, map, other, 200);
	assert_int_equal(bitmap_weight(map, 200), 3);
	assert_true(test_bit(70, map) && test_bit(131, map));
	bitmap_free(other);
	assert_int_equal(BITS_TO_BYTES(200), 25);
	assert_int_equal(BITS_TO_BYTES(201), 26);
	bitmap_fill(map, 200);
	assert_true(bitmap_full(map, 200));
	bitmap_free(map);
	assert_int_equal(fls(0), 0);
	assert_int_equal(fls(0x80000000u), 32);
	assert_int_equal(fls64(1ull << 40), 41);
	assert_int_equal(__ffs(0x30), 4);
	assert_int_equal(ffs(0), 0);
	assert_int_equal(roundup_pow_of_two(65), 128);
	assert_int_equal(roundup_pow_of_two(64), 64);
	assert_int_equal(order_base_2(65), 7);
	assert_true(is_power_of_2(4096) && !is_power_of_2(0) && !is_power_of_2(12));
	assert_true(GENMASK_ULL(63, 12) == ~0xfffull && GENMASK(3, 0) == 0xf);
}

static void sizes_saturate_instead_of_wrapping(void **state)
{
	struct flexible {
		u32 n;
		u64 items[];
	} *p = NULL;
	/* not for the compiler to see, which would refuse */
	volatile size_t huge = SIZE_MAX / 2;
	u64 sum;

	(void)state;
	assert_true(struct_size(p, items, 3) == 32);
	assert_true(struct_size(p, items, SIZE_MAX / 4) == SIZE_MAX);
	assert_true(array_size(SIZE_MAX, 2) == SIZE_MAX);
	assert_true(size_add(SIZE_MAX, 1) == SIZE_MAX);
	assert_true(check_add_overflow((u64)~0ull, 1ull, &sum));
	assert_false(check_add_overflow(1ull, 2ull, &sum));
	assert_true(sum == 3);
	assert_null(kmalloc_array(huge, 4, GFP_KERNEL));
	assert_null(kcalloc(huge, huge, GFP_KERNEL));
	assert_null(kvcalloc(huge / 8, 8, GFP_KERNEL));
	assert_null(kmalloc(KMALLOC_MAX_SIZE + 1, GFP_KERNEL));
}

static void an_index_stays_below_its_bound(void **state)
{
	u32 bound = 7, i;

	(void)state;
	for (i = 0; i < bound; i++)
		assert_int_equal(array_index_nospec(i, bound), i);
	assert_int_equal(array_index_nospec(bound, bound), 0);
	assert_int_equal(array_index_nospec(bound + 1, bound), 0);
	assert_int_equal(array_index_nospec((u64)1 << 40, (u64)bound), 0);
	assert_int_equal(array_index_nospec(0u, bound), 0);
}

/* One bit at a time, as the polynomial is defined. */
static u32 slow_crc32c(u32 crc, const u8 *p, size_t n)
{
	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static void checksums_have_the_kernels_polarity(void **state)
{
	u8 data[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7);
	/* the check value of the standard, with its inversions put on from outside */
	assert_int_equal(~crc32c(~0u, "123456789", 9), 0xe3069283);
	for (size_t n = 0; n < sizeof(data); n += 37)
		assert_int_equal(crc32c(0x1234, data, n), slow_crc32c(0x1234, data, n));
	assert_int_equal(crc32c(crc32c(5, data, 100), data + 100, 900), crc32c(5, data, 1000));
	assert_int_equal(crc_t10dif("123456789", 9), 0xd0db);
}

static void strings_and_fills(void **state)
{
	char small[4];
	u64 words[9];
	u8 bytes[300];

	(void)state;
	assert_int_equal(strscpy(small, "abc"), 3);
	assert_int_equal(strscpy(small, "abcd", sizeof(small)), -E2BIG);
	assert_string_equal(small, "abc");
	memset64(words, 0x1122334455667788ull, 9);
	assert_true(words[8] == 0x1122334455667788ull);
	memset(bytes, 9, sizeof(bytes));
	assert_null(memchr_inv(bytes, 9, sizeof(bytes)));
	bytes[299] = 8;
	assert_ptr_equal(memchr_inv(bytes, 9, sizeof(bytes)), &bytes[299]);
	assert_ptr_equal(memchr_inv(bytes, 8, 1), bytes);
	assert_null(memchr_inv(bytes, 8, 0));
}

static void error_pointers(void **state)
{
	(void)state;
	assert_true(IS_ERR(ERR_PTR(-ENOMEM)));
	assert_int_equal(PTR_ERR(ERR_PTR(-ENOMEM)), -ENOMEM);
	assert_false(IS_ERR(NULL));
	assert_true(IS_ERR_OR_NULL(NULL));
	assert_int_equal(PTR_ERR_OR_ZERO(state), 0);
	assert_false(IS_ERR(state));
	assert_false(xa_is_err(state));
}

static void random_numbers_below_a_bound(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(get_random_u32_below(7) < 7);
	assert_true(get_random_u64() != get_random_u64());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_on_an_empty_list),
		cmocka_unit_test(moving_runs_between_lists),
		cmocka_unit_test(hash_lists_forget_their_nodes),
		cmocka_unit_test(lock_free_stack_gives_back_everything_once),
		cmocka_unit_test(trees_stay_ordered_and_balanced_under_random_use),
		cmocka_unit_test(trees_replace_and_walk_children_first),
		cmocka_unit_test(xarray_gives_the_lowest_free_number),
		cmocka_unit_test(xarray_keeps_reserved_entries_invisible_but_taken),
		cmocka_unit_test(xarray_walks_in_order_and_to_the_end),
		cmocka_unit_test(xarray_reports_failed_allocations),
		cmocka_unit_test(bits_are_found_across_words),
		cmocka_unit_test(sizes_saturate_instead_of_wrapping),
		cmocka_unit_test(an_index_stays_below_its_bound),
		cmocka_unit_test(checksums_have_the_kernels_polarity),
		cmocka_unit_test(strings_and_fills),
		cmocka_unit_test(error_pointers),
		cmocka_unit_test(random_numbers_below_a_bound),
	};

	return cmocka_run_group_tests_name("shim_data", tests, NULL, NULL);
}
