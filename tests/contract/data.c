// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * data.c - contracts of data structures: lists, trees, xarrays, bits, sizes that saturate,
 * checksums.
 */
#include "tests/contract/contract.h"
#include <linux/random.h>

struct item {
	int n;
	struct list_head link;
	struct llist_node lock_free;
	struct rb_node node;
};

enum {
	ITEMS = 256
};
static struct item items[ITEMS];

static void fill(int n, struct list_head *head)
{
	for (int i = 0; i < n; i++) {
		items[i].n = i;
		list_add_tail(&items[i].link, head);
	}
}

/* Does the list have exactly the numbers given, as digits, in order, in both directions? */
static bool holds(struct list_head *head, const char *digits)
{
	const char *at = digits;
	struct item *item;

	list_for_each_entry(item, head, link)
		if (!*at || item->n != *at++ - '0')
			return false;
	if (*at)
		return false;
	list_for_each_entry_reverse(item, head, link)
		if (at == digits || item->n != *--at - '0')
			return false;
	return at == digits;
}

static void operations_on_an_empty_list(void)
{
	struct item *item, *next;
	LIST_HEAD(empty);
	LIST_HEAD(other);

	fill(2, &other);
	expect(list_empty(&empty));
	expect(list_empty_careful(&empty));
	expect(!list_is_singular(&empty));
	expect(!list_first_entry_or_null(&empty, struct item, link));
	list_splice(&empty, &other);
	list_splice_tail(&empty, &other);
	list_splice_init(&empty, &other);
	list_splice_tail_init(&empty, &other);
	expect(holds(&other, "01"));
	list_cut_before(&empty, &other, other.next);
	expect(holds(&empty, ""));
	list_cut_position(&empty, &other, &other);
	expect(holds(&empty, ""));
	expect(holds(&other, "01"));
	list_rotate_left(&empty);
	list_for_each_entry_safe(item, next, &empty, link)
		expect(false);
	list_splice_init(&other, &empty);
	expect(holds(&empty, "01"));
	expect(holds(&other, ""));
	list_cut_before(&other, &empty, &empty);
	expect(holds(&other, "01"));
	expect(holds(&empty, ""));
	list_replace_init(&other, &empty);
	expect(holds(&other, ""));
	expect(holds(&empty, "01"));
}

static void moving_runs_between_lists(void)
{
	struct item *item, *next;
	LIST_HEAD(a);
	LIST_HEAD(b);

	fill(6, &a);
	list_cut_before(&b, &a, &items[3].link);
	expect(holds(&b, "012"));
	expect(holds(&a, "345"));
	list_splice_tail_init(&b, &a);
	expect(holds(&a, "345012"));
	expect(holds(&b, ""));
	list_bulk_move_tail(&b, &items[4].link, &items[0].link);
	expect(holds(&a, "312"));
	expect(holds(&b, "450"));
	list_cut_position(&a, &b, &items[5].link);
	expect(holds(&a, "45"));
	list_move(&items[0].link, &a);
	expect(holds(&a, "045"));
	list_move_tail(&items[0].link, &a);
	expect(holds(&a, "450"));
	expect_eq(list_count_nodes(&a), 3);
	item = list_first_entry_or_null(&a, struct item, link);
	expect(item == &items[4]);
	expect(list_next_entry(item, link) == &items[5]);
	/* go backwards from the entry before, as an undo does */
	item = &items[0];
	list_for_each_entry_continue_reverse(item, &a, link)
		item->n += 3;
	expect(holds(&a, "780"));
	list_for_each_entry_safe(item, next, &a, link)
		list_del_init(&item->link);
	expect(holds(&a, ""));
	expect(list_empty(&items[0].link));
}

static void a_hash_has_the_bits_asked_for(void)
{
	for (u64 i = 0; i < 1000; i++)
		expect(hash_64(i * 0x10001, 6) < 64);
}

static void lock_free_stack_gives_back_everything_once(void)
{
	LLIST_HEAD(stack);
	struct item *item;
	int n = 0;

	expect(llist_add(&items[0].lock_free, &stack));
	expect(!llist_add(&items[1].lock_free, &stack));
	expect(!llist_add(&items[2].lock_free, &stack));
	for (int i = 0; i < 3; i++)
		items[i].n = i;
	llist_for_each_entry(item, llist_reverse_order(llist_del_all(&stack)), lock_free)
		expect_eq(item->n, n++);
	expect_eq(n, 3);
	expect(llist_empty(&stack));
	expect(!llist_del_all(&stack));
	/* add two entries that are linked already, at once */
	items[1].lock_free.next = &items[2].lock_free;
	expect(llist_add_batch(&items[1].lock_free, &items[2].lock_free, &stack));
	expect(!llist_add(&items[0].lock_free, &stack));
	n = 0;
	llist_for_each_entry(item, llist_del_all(&stack), lock_free)
		expect_eq(item->n, n++);
	expect_eq(n, 3);
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

/* Checks that no path is more than twice as long as another; the colours need no check then. */
static void expect_balance(struct rb_root *root, int count)
{
	int limit = 2 * order_base_2(count + 1);
	struct rb_node *node, *up;

	for (node = rb_first(root); node; node = rb_next(node)) {
		int depth = 0;

		for (up = node; up; up = rb_parent(up))
			depth++;
		expect(depth <= limit);
	}
}

static void trees_stay_ordered_and_balanced_under_random_use(void)
{
	struct rb_root_cached root = RB_ROOT_CACHED;
	unsigned int rounds = contract_rounds(20000);
	unsigned int random = 4711;
	int present = 0;

	for (int i = 0; i < ITEMS; i++) {
		items[i].n = i;
		RB_CLEAR_NODE(&items[i].node);
	}
	for (unsigned int round = 0; round < rounds; round++) {
		struct item *item;
		struct rb_node *node;
		int last = -1, seen = 0;

		random = random * 1664525 + 1013904223;
		item = &items[(random >> 16) % ITEMS];
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
		expect_balance(&root.rb_root, present);
		expect(rb_first_cached(&root) == rb_first(&root.rb_root));
		for (node = rb_first_cached(&root); node; node = rb_next(node)) {
			expect(rb_entry(node, struct item, node)->n > last);
			last = rb_entry(node, struct item, node)->n;
			expect(rb_find(&last, &root.rb_root, item_cmp) == node);
			seen++;
		}
		expect_eq(seen, present);
		for (node = rb_last(&root.rb_root); node; node = rb_prev(node))
			seen--;
		expect_eq(seen, 0);
	}
	/* ascending order is the worst order */
	root = RB_ROOT_CACHED;
	for (int i = 0; i < ITEMS; i++) {
		struct rb_node **link = &root.rb_root.rb_node, *parent = NULL;

		while (*link) {
			parent = *link;
			link = item_less(&items[i].node, parent) ? &parent->rb_left :
								   &parent->rb_right;
		}
		rb_link_node(&items[i].node, parent, link);
		rb_insert_color(&items[i].node, &root.rb_root);
	}
	expect_balance(&root.rb_root, ITEMS);
}

static void trees_replace_and_walk_children_first(void)
{
	struct rb_root root = RB_ROOT;
	struct item spare = { .n = 3 }, *pos, *next;
	int seen = 0;

	expect(!rb_first(&root));
	expect(!rb_last(&root));
	expect(RB_EMPTY_ROOT(&root));
	for (int i = 0; i < 7; i++) {
		items[i].n = i;
		rb_add(&items[i].node, &root, item_less);
	}
	rb_replace_node(&items[3].node, &spare.node, &root);
	expect(rb_next(&items[2].node) == &spare.node);
	expect(rb_prev(&items[4].node) == &spare.node);
	expect(!rb_prev(&items[0].node));
	expect(!rb_next(&items[6].node));
	/* each node may be freed when it is visited */
	rbtree_postorder_for_each_entry_safe(pos, next, &root, node) {
		memset(&pos->node, 0xff, sizeof(pos->node));
		seen++;
	}
	expect_eq(seen, 7);
}

static int thing;

static void xarray_gives_the_lowest_free_number(void)
{
	struct xarray xa;
	u32 id;

	xa_init_flags(&xa, XA_FLAGS_ALLOC1);
	for (u32 i = 1; i <= 5; i++) {
		expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
		expect_eq(id, i);
	}
	expect(xa_erase(&xa, 2) == &thing);
	expect(xa_erase(&xa, 4) == &thing);
	expect(!xa_erase(&xa, 4));
	expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
	expect_eq(id, 2);
	expect_eq(xa_alloc(&xa, &id, &thing, XA_LIMIT(4, 5), GFP_KERNEL), 0);
	expect_eq(id, 4);
	id = 77;
	expect_eq(xa_alloc(&xa, &id, &thing, XA_LIMIT(4, 5), GFP_KERNEL), -EBUSY);
	expect_eq(id, 77);
	for (u32 i = 6; i <= 300; i++) {
		expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
		expect_eq(id, i);
	}
	expect_eq(xa_alloc(&xa, &id, &thing, XA_LIMIT(310, 400), GFP_KERNEL), 0);
	expect_eq(id, 310);
	expect(xa_erase(&xa, 200) == &thing);
	expect(xa_erase(&xa, 17) == &thing);
	expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
	expect_eq(id, 17);
	expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
	expect_eq(id, 200);
	for (u32 i = 301; i <= 309; i++) {
		expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
		expect_eq(id, i);
	}
	expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_31b, GFP_KERNEL), 0);
	expect_eq(id, 311);
	xa_destroy(&xa);
	expect(xa_empty(&xa));
}

static void xarray_numbers_go_round(void)
{
	struct xarray xa;
	u32 id, next = 9;

	xa_init_flags(&xa, XA_FLAGS_ALLOC);
	expect_eq(xa_alloc_cyclic(&xa, &id, &thing, XA_LIMIT(3, 10), &next, GFP_KERNEL), 0);
	expect_eq(id, 9);
	xa_erase(&xa, 9);
	expect_eq(xa_alloc_cyclic(&xa, &id, &thing, XA_LIMIT(3, 10), &next, GFP_KERNEL), 0);
	expect_eq(id, 10);
	/* Linux 6.12 returns 1 on a wrap, 7.2 does not: both count as success. */
	expect(xa_alloc_cyclic(&xa, &id, &thing, XA_LIMIT(3, 10), &next, GFP_KERNEL) >= 0);
	expect_eq(id, 3);
	expect_eq(next, 4);
	xa_destroy(&xa);
}

static void xarray_keeps_reserved_entries_invisible_but_taken(void)
{
	unsigned long index;
	struct xarray xa;
	void *entry;
	u32 id;

	xa_init_flags(&xa, XA_FLAGS_ALLOC);
	expect_eq(xa_alloc(&xa, &id, NULL, xa_limit_32b, GFP_KERNEL), 0);
	expect_eq(id, 0);
	expect_eq(xa_reserve(&xa, 1, GFP_KERNEL), 0);
	expect(!xa_load(&xa, 0));
	expect(!xa_load(&xa, 1));
	expect(!xa_empty(&xa));
	xa_for_each(&xa, index, entry)
		expect(false);
	expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL), 0);
	expect_eq(id, 2);
	expect_eq(xa_insert(&xa, 1, &thing, GFP_KERNEL), -EBUSY);
	expect(!xa_cmpxchg(&xa, 1, XA_ZERO_ENTRY, &thing, GFP_KERNEL));
	expect(xa_load(&xa, 1) == &thing);
	/* xa_release() frees only an index that is still reserved */
	xa_release(&xa, 1);
	expect(xa_load(&xa, 1) == &thing);
	xa_release(&xa, 0);
	expect_eq(xa_alloc(&xa, &id, &thing, xa_limit_32b, GFP_KERNEL), 0);
	expect_eq(id, 0);
	/* storing NULL keeps the index reserved */
	expect(xa_store(&xa, 0, NULL, GFP_KERNEL) == &thing);
	expect(!xa_load(&xa, 0));
	expect_eq(xa_insert(&xa, 0, &thing, GFP_KERNEL), -EBUSY);
	/* a different entry is not exchanged, and is returned */
	expect(xa_cmpxchg(&xa, 2, NULL, NULL, GFP_KERNEL) == &thing);
	expect(xa_cmpxchg(&xa, 2, &thing, NULL, GFP_KERNEL) == &thing);
	expect(!xa_load(&xa, 2));
	xa_destroy(&xa);
	/* without allocation of indexes, storing NULL frees */
	xa_init(&xa);
	expect(!xa_store(&xa, 5, &thing, GFP_KERNEL));
	expect(xa_store(&xa, 5, NULL, GFP_KERNEL) == &thing);
	expect(xa_empty(&xa));
	expect_eq(xa_insert(&xa, 5, &thing, GFP_KERNEL), 0);
	xa_destroy(&xa);
}

static void xarray_walks_in_order_and_to_the_end(void)
{
	static const unsigned long at[] = { 0, 1, 63, 64, 4096, 1ul << 40, ULONG_MAX };
	unsigned long index = 0;
	unsigned int n = 0;
	struct xarray xa;
	void *entry;

	xa_init(&xa);
	for (unsigned int i = ARRAY_SIZE(at); i--;)
		expect(!xa_store(&xa, at[i], xa_mk_value(i), GFP_KERNEL));
	xa_for_each(&xa, index, entry) {
		require(n < ARRAY_SIZE(at));
		expect(index == at[n]);
		expect(xa_is_value(entry));
		expect_eq(xa_to_value(entry), n);
		n++;
	}
	expect_eq(n, ARRAY_SIZE(at));
	index = 2;
	expect(xa_find(&xa, &index, 63, XA_PRESENT));
	expect_eq(index, 63);
	expect(!xa_find_after(&xa, &index, 63, XA_PRESENT));
	n = 0;
	xa_for_each_range(&xa, index, entry, 1, 64)
		n += xa_to_value(entry);
	expect_eq(n, 1 + 2 + 3);
	/* erasing an entry during the walk does not end the walk */
	xa_for_each(&xa, index, entry)
		expect(xa_erase(&xa, index) == entry);
	expect(xa_empty(&xa));
	xa_destroy(&xa);
}

static void xarray_errors_are_not_entries(void)
{
	struct xarray xa;

	xa_init(&xa);
	expect_eq(xa_err(xa_store(&xa, 0, &thing, GFP_KERNEL)), 0);
	expect(!xa_is_err(&thing));
	expect(!xa_is_err(NULL));
	expect(!xa_is_err(xa_mk_value(1)));
	expect(xa_is_zero(XA_ZERO_ENTRY));
	expect(!xa_is_err(XA_ZERO_ENTRY));
	xa_lock(&xa);
	expect(__xa_cmpxchg(&xa, 0, &thing, xa_mk_value(3), GFP_ATOMIC) == &thing);
	expect(xa_load(&xa, 0) == xa_mk_value(3));
	expect(__xa_erase(&xa, 0) == xa_mk_value(3));
	xa_unlock(&xa);
	xa_destroy(&xa);
}

static void bits_are_found_across_words(void)
{
	unsigned long *map = bitmap_zalloc(200, GFP_KERNEL);
	unsigned long *other = bitmap_zalloc(200, GFP_KERNEL);
	unsigned int bit, n = 0;

	require(map && other);
	expect_eq(find_first_bit(map, 200), 200);
	expect_eq(find_first_zero_bit(map, 200), 0);
	set_bit(0, map);
	set_bit(64, map);
	expect(!test_and_set_bit(199, map));
	expect(test_and_set_bit(199, map));
	for_each_set_bit(bit, map, 200)
		n += bit;
	expect_eq(n, 263);
	expect_eq(find_next_bit(map, 199, 65), 199);
	expect_eq(find_next_bit(map, 200, 65), 199);
	expect_eq(find_next_bit(map, 200, 200), 200);
	bitmap_set(map, 0, 130);
	expect_eq(find_first_zero_bit(map, 200), 130);
	expect_eq(find_next_zero_bit(map, 130, 0), 130);
	expect_eq(bitmap_weight(map, 200), 131);
	expect(test_and_clear_bit(199, map));
	expect(!test_and_clear_bit(199, map));
	bitmap_clear(map, 0, 130);
	expect(bitmap_empty(map, 200));
	set_bit(70, map);
	bitmap_set(other, 130, 2);
	bitmap_or(map, map, other, 200);
	expect_eq(bitmap_weight(map, 200), 3);
	expect(test_bit(70, map) && test_bit(131, map));
	clear_bit(70, map);
	expect(!test_bit(70, map));
	expect_eq(BITS_TO_BYTES(200), 25);
	expect_eq(BITS_TO_BYTES(201), 26);
	expect_eq(BITS_TO_LONGS(65), 2);
	bitmap_fill(map, 200);
	expect(bitmap_full(map, 200));
	bitmap_free(other);
	bitmap_free(map);
}

static void numbers_of_bits(void)
{
	expect_eq(fls(0), 0);
	expect_eq(fls(0x80000000u), 32);
	expect_eq(fls64(1ull << 40), 41);
	expect_eq(__ffs(0x30), 4);
	expect_eq(ffs(0), 0);
	expect_eq(ilog2(4095), 11);
	expect_eq(roundup_pow_of_two(65), 128);
	expect_eq(roundup_pow_of_two(64), 64);
	expect_eq(order_base_2(65), 7);
	expect(is_power_of_2(4096) && !is_power_of_2(0) && !is_power_of_2(12));
	expect(GENMASK_ULL(63, 12) == ~0xfffull && GENMASK(3, 0) == 0xf);
	expect_eq(round_up(4097, 4096), 8192);
	expect_eq(DIV_ROUND_UP(9, 4), 3);
	expect(IS_ALIGNED(8192, 4096) && !IS_ALIGNED(8193, 4096));
	expect_eq(min3(3, 2, 9), 2);
	expect_eq(clamp_t(int, 12, 0, 10), 10);
	expect_eq(min_t(unsigned int, -1, 3), 3);
}

static void sizes_saturate_instead_of_wrapping(void)
{
	struct flexible {
		u32 n;
		u64 items[];
	} *p = NULL;
	/* hide the value from the compiler, which would refuse it */
	volatile size_t huge = SIZE_MAX / 2;
	u64 result = 0;
	u32 small = 0;

	expect_eq(struct_size(p, items, 3), 32);
	expect(struct_size(p, items, huge / 2) == SIZE_MAX);
	expect(array_size(huge, 4) == SIZE_MAX);
	expect(size_add(huge, huge + 2) == SIZE_MAX);
	expect(check_add_overflow((u64)~0ull, 1ull, &result));
	expect_eq(result, 0);
	expect(!check_add_overflow(1ull, 2ull, &result));
	expect_eq(result, 3);
	expect(check_mul_overflow(1ull << 40, 1ull << 24, &result));
	expect(!check_mul_overflow(3ull, 5ull, &result));
	expect_eq(result, 15);
	/* the type of the destination decides */
	expect(check_add_overflow(0xffffffffull, 1ull, &small));
	expect(check_sub_overflow(1u, 2u, &small));
}

static void an_index_stays_below_its_bound(void)
{
	u32 bound = 7, i;

	for (i = 0; i < bound; i++)
		expect_eq(array_index_nospec(i, bound), i);
	expect_eq(array_index_nospec(bound, bound), 0);
	i = bound + 1;
	expect_eq(array_index_nospec(i, bound), 0);
	i = ~0u;
	expect_eq(array_index_nospec(i, bound), 0);
}

/* Computes the CRC one bit at a time, by the definition of the polynomial. */
static u32 slow_crc32c(u32 crc, const u8 *p, size_t n)
{
	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static void checksums_have_the_kernels_polarity(void)
{
	static u8 data[1000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7);
	/* the check value of the standard, whose inversions the caller does */
	expect_eq(~crc32c(~0u, "123456789", 9), 0xe3069283);
	for (size_t n = 0; n < sizeof(data); n += 37)
		expect_eq(crc32c(0x1234, data, n), slow_crc32c(0x1234, data, n));
	expect_eq(crc32c(crc32c(5, data, 100), data + 100, 900), crc32c(5, data, 1000));
}

static void strings_and_fills(void)
{
	static u8 bytes[300];
	char small[4];
	u64 words[9];

	expect_eq(strscpy(small, "abc"), 3);
	expect_eq(strscpy(small, "abcd", sizeof(small)), -E2BIG);
	expect_eq(strcmp(small, "abc"), 0);
	memset64(words, 0x1122334455667788ull, 9);
	expect(words[8] == 0x1122334455667788ull);
	memset(bytes, 9, sizeof(bytes));
	expect(!memchr_inv(bytes, 9, sizeof(bytes)));
	bytes[299] = 8;
	expect(memchr_inv(bytes, 9, sizeof(bytes)) == &bytes[299]);
	expect(memchr_inv(bytes, 8, 1) == bytes);
	expect(!memchr_inv(bytes, 8, 0));
}

static void error_pointers(void)
{
	expect(IS_ERR(ERR_PTR(-ENOMEM)));
	expect_eq(PTR_ERR(ERR_PTR(-ENOMEM)), -ENOMEM);
	expect(!IS_ERR(NULL));
	expect(IS_ERR_OR_NULL(NULL));
	expect_eq(PTR_ERR_OR_ZERO(&thing), 0);
	expect(!IS_ERR(&thing));
	expect(IS_ERR(ERR_PTR(-MAX_ERRNO)));
	expect(IS_ERR(ERR_CAST(ERR_PTR(-EBADF))));
}

static void random_numbers_below_a_bound(void)
{
	for (int i = 0; i < 1000; i++)
		expect(get_random_u32_below(7) < 7);
	expect(get_random_u64() != get_random_u64());
}

static void clocks_go_forward(void)
{
	u64 coarse = ktime_get_coarse_ns();
	u64 fine = ktime_get_ns();
	unsigned long now = jiffies;

	expect(fine >= coarse);
	expect(ktime_get_ns() >= fine);
	expect(ktime_get_coarse_ns() >= coarse);
	expect(!time_after(now, jiffies));
	/* the comparison holds across the wrap */
	expect(time_after(5ul, ULONG_MAX - 5));
	expect(time_before(ULONG_MAX - 5, 5ul));
	expect(msecs_to_jiffies(1) >= 1);
	expect_eq(msecs_to_jiffies(1000), HZ);
}

CONTRACT(data, CASE(operations_on_an_empty_list), CASE(moving_runs_between_lists),
	 CASE(a_hash_has_the_bits_asked_for), CASE(lock_free_stack_gives_back_everything_once),
	 CASE(trees_stay_ordered_and_balanced_under_random_use),
	 CASE(trees_replace_and_walk_children_first), CASE(xarray_gives_the_lowest_free_number),
	 CASE(xarray_numbers_go_round), CASE(xarray_keeps_reserved_entries_invisible_but_taken),
	 CASE(xarray_walks_in_order_and_to_the_end), CASE(xarray_errors_are_not_entries),
	 CASE(bits_are_found_across_words), CASE(numbers_of_bits),
	 CASE(sizes_saturate_instead_of_wrapping), CASE(an_index_stays_below_its_bound),
	 CASE(checksums_have_the_kernels_polarity), CASE(strings_and_fills), CASE(error_pointers),
	 CASE(random_numbers_below_a_bound), CASE(clocks_go_forward));
