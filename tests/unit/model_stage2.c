// SPDX-License-Identifier: MIT
/*
 * model_stage2.c - proves that second-stage tables have the entered translations: each leaf size,
 * rights, errors that leave no entry, and tables that are freed when they are empty. Compares any
 * sequence of maps and unmaps with a flat array.
 */
#include "env.h"

#include "model/model.h"

#define KB4 (1ULL << 12)
#define MB2 (1ULL << 21)
#define GB1 (1ULL << 30)
#define RW  (IOF_PROT_READ | IOF_PROT_WRITE)

static int setup(void **state)
{
	static struct iof_stage2 s2;

	*state = &s2;
	return iof_stage2_init(&s2);
}

static int teardown(void **state)
{
	struct iof_live live;

	iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
	iof_stage2_destroy(*state);
	iof_shim_live(&live);
	return live.objects || live.pages ? -1 : 0;
}

static void sync_tables(struct iof_stage2 *s2)
{
	iof_stage2_free_dead(iof_stage2_take_dead(s2));
}

static void expect(struct iof_stage2 *s2, u64 iova, u64 pa, unsigned int shift)
{
	struct iof_leaf leaf;

	assert_true(iof_stage2_walk(s2, iova, &leaf));
	assert_int_equal(leaf.pa, pa);
	assert_int_equal(leaf.shift, shift);
}

static void expect_absent(struct iof_stage2 *s2, u64 iova)
{
	struct iof_leaf leaf;

	assert_false(iof_stage2_walk(s2, iova, &leaf));
}

/* Leaves are as large as both addresses and the size allow. */
static void leaf_sizes(void **state)
{
	struct iof_stage2 *s2 = *state;

	assert_ok(iof_stage2_map(s2, GB1 - KB4, 4 * GB1 - KB4, KB4 + GB1 + MB2 + KB4, RW));
	expect(s2, GB1 - 1, 4 * GB1 - 1, 12);
	expect(s2, GB1 + 12345, 4 * GB1 + 12345, 30);
	expect(s2, 2 * GB1 + 5, 5 * GB1 + 5, 21);
	expect(s2, 2 * GB1 + MB2, 5 * GB1 + MB2, 12);
	expect_absent(s2, GB1 - KB4 - 1);
	expect_absent(s2, 2 * GB1 + MB2 + KB4);
	iof_stage2_unmap(s2, GB1 - KB4, KB4 + GB1 + MB2 + KB4);
	expect_absent(s2, GB1);

	/* The same size at an unequal offset needs small leaves. */
	assert_ok(iof_stage2_map(s2, MB2, 7 * MB2 + KB4, MB2, RW));
	expect(s2, MB2 + 3 * KB4, 7 * MB2 + 4 * KB4, 12);
}

/* Maps both ends of the 48-bit space; addresses beyond it are refused. */
static void width(void **state)
{
	struct iof_stage2 *s2 = *state;
	u64 top = 1ULL << 48;

	assert_ok(iof_stage2_map(s2, 0, KB4, KB4, RW));
	assert_ok(iof_stage2_map(s2, top - KB4, 9 * KB4, KB4, RW));
	expect(s2, 0, KB4, 12);
	expect(s2, top - 1, 10 * KB4 - 1, 12);
	expect_absent(s2, top);
	expect_absent(s2, ~0ULL);
	assert_err(iof_stage2_map(s2, top, 0, KB4, RW), EINVAL);
	assert_err(iof_stage2_map(s2, top - KB4, 0, 2 * KB4, RW), EINVAL);
	assert_err(iof_stage2_map(s2, -KB4, 0, KB4, RW), EINVAL);
}

static void rights(void **state)
{
	struct iof_stage2 *s2 = *state;
	struct iof_leaf leaf;

	assert_ok(iof_stage2_map(s2, 0, 0, KB4, IOF_PROT_READ));
	assert_ok(iof_stage2_map(s2, KB4, 0, KB4, IOF_PROT_WRITE));
	assert_err(iof_stage2_map(s2, 2 * KB4, 0, KB4, 0), EINVAL);
	assert_true(iof_stage2_walk(s2, 0, &leaf));
	assert_true(leaf.read && !leaf.write);
	assert_true(iof_stage2_walk(s2, KB4, &leaf));
	assert_true(!leaf.read && leaf.write);
}

/* A refused mapping leaves the existing ones as they were. */
static void refusals(void **state)
{
	struct iof_stage2 *s2 = *state;

	assert_err(iof_stage2_map(s2, 1, 0, KB4, RW), EINVAL);
	assert_err(iof_stage2_map(s2, 0, 1, KB4, RW), EINVAL);
	assert_err(iof_stage2_map(s2, 0, 0, 1, RW), EINVAL);
	assert_err(iof_stage2_map(s2, 0, 0, 0, RW), EINVAL);
	assert_err(iof_stage2_map(s2, 0, 1ULL << 62, KB4, RW), EINVAL);
	assert_ok(iof_stage2_map(s2, MB2 + KB4, GB1, KB4, RW));
	/* The range meets a mapped page in its middle. */
	assert_err(iof_stage2_map(s2, MB2 - KB4, 0, MB2, RW), EINVAL);
	expect_absent(s2, MB2 - KB4);
	expect_absent(s2, MB2);
	expect(s2, MB2 + KB4, GB1, 12);
	/* Maps a large leaf over a table, and a small leaf over a large one. */
	assert_err(iof_stage2_map(s2, MB2, 0, MB2, RW), EINVAL);
	assert_ok(iof_stage2_map(s2, 2 * MB2, 0, MB2, RW));
	assert_err(iof_stage2_map(s2, 2 * MB2 + KB4, 0, KB4, RW), EINVAL);
}

/* Unlinked tables stay until sync. After it all memory but the root is free. */
static void empty_tables_go(void **state)
{
	struct iof_stage2 *s2 = *state;
	struct iof_live before, live;

	iof_shim_live(&before);
	assert_ok(iof_stage2_map(s2, 5 * GB1 - 3 * KB4, 0, 6 * KB4, RW));
	iof_stage2_unmap(s2, 5 * GB1 - 3 * KB4, 6 * KB4);
	expect_absent(s2, 5 * GB1);
	assert_non_null(s2->dead);
	sync_tables(s2);
	assert_null(s2->dead);
	iof_shim_live(&live);
	assert_int_equal(live.pages, before.pages);
	/* One unmap removes whole subtrees, including holes. */
	assert_ok(iof_stage2_map(s2, KB4, 0, KB4, RW));
	assert_ok(iof_stage2_map(s2, GB1 + MB2, MB2, MB2, RW));
	assert_ok(iof_stage2_map(s2, 600 * GB1, GB1, GB1, RW));
	iof_stage2_unmap(s2, 0, 1ULL << 48);
	sync_tables(s2);
	iof_shim_live(&live);
	assert_int_equal(live.pages, before.pages);
}

/* If memory runs out at any step, no entry of the call stays. */
static void out_of_memory(void **state)
{
	struct iof_stage2 *s2 = *state;
	struct iof_live before, live;
	unsigned long n;
	int rc;

	iof_shim_live(&before);
	for (n = 1;; n++) {
		iof_fail_nth_thread(IOF_FAIL_ALLOC, n, false);
		rc = iof_stage2_map(s2, 512 * GB1 - 2 * KB4, 512 * GB1 - 2 * KB4, 4 * KB4, RW);
		iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		expect_absent(s2, 512 * GB1 - KB4);
		expect_absent(s2, 512 * GB1);
		sync_tables(s2);
		iof_shim_live(&live);
		assert_int_equal(live.pages, before.pages);
	}
	assert_int_equal(n, 7); /* two paths of three tables */
}

/* ---- any sequence, against a flat array ---- */

#define PAGES (4u * 512) /* size of the model: 8 MiB across a 1 GiB border */
#define BASE  (GB1 - 4 * MB2 + 2 * MB2)

struct call {
	u32 first, pages; /* pages 0: the slot is free */
};

static u64 seed;

static u32 pick(u32 limit)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % limit;
}

/* A run ends where the memory is not contiguous, and at the latest where its table ends. */
static void check_run(struct iof_stage2 *s2, const u64 *flat, u32 i, u64 offset)
{
	struct iof_s2_near near = {};
	u64 len = 1 + pick(20) * KB4, pa, run, end;

	run = iof_stage2_walk_run(s2, BASE + i * KB4 + offset, len, true, &near, &pa);
	if (!flat[i]) {
		assert_int_equal(run, 0);
		return;
	}
	assert_true(run && run <= len);
	assert_int_equal(pa, flat[i] + offset);
	end = i + (offset + run - 1) / KB4;
	assert_true(flat[end] == flat[i] + (end - i) * KB4);
	if (run == len)
		return;
	assert_int_equal((offset + run) % KB4, 0);
	end++;
	assert_true(end == PAGES || flat[end] != flat[i] + (end - i) * KB4 ||
		    (BASE + end * KB4) % MB2 == 0);
}

static void check_all(struct iof_stage2 *s2, const u64 *flat)
{
	struct iof_leaf leaf;
	u32 i;

	for (i = 0; i < PAGES; i++) {
		u64 offset = pick(4096);
		bool there = iof_stage2_walk(s2, BASE + i * KB4 + offset, &leaf);

		assert_int_equal(there, !!flat[i]);
		if (there)
			assert_int_equal(leaf.pa, flat[i] + offset);
		check_run(s2, flat, i, offset);
	}
}

static void sequences(void **state)
{
	static struct call calls[64];
	struct iof_stage2 *s2 = *state;
	u64 *flat = calloc(PAGES, sizeof(*flat));
	const char *given = getenv("IOF_SEED");
	int round;
	u32 i;

	seed = given ? strtoull(given, NULL, 0) : 20240607;
	print_message("IOF_SEED=%llu\n", (unsigned long long)seed);
	for (round = 0; round < 1500; round++) {
		struct call *call = &calls[pick(64)];

		if (call->pages) {
			iof_stage2_unmap(s2, BASE + call->first * KB4, call->pages * KB4);
			for (i = 0; i < call->pages; i++)
				flat[call->first + i] = 0;
			call->pages = 0;
			if (!pick(4))
				sync_tables(s2);
		} else {
			u32 first = pick(3) ? pick(PAGES) : pick(4) * 512;
			u32 pages = pick(2) ? 1 + pick(8) : 512 * (1 + pick(2));
			u64 pa = (1 + pick(1000)) * GB1 + (pick(2) ? first : pick(512)) * KB4;
			bool clash = false;
			int rc;

			pages = min(pages, PAGES - first);
			for (i = 0; i < pages; i++)
				clash = clash || flat[first + i];
			rc = iof_stage2_map(s2, BASE + first * KB4, pa, pages * KB4, RW);
			assert_int_equal(rc, clash ? -EINVAL : 0);
			for (i = 0; !rc && i < pages; i++)
				flat[first + i] = pa + i * KB4;
			if (!rc)
				*call = (struct call){ first, pages };
		}
		if (!(round % 50))
			check_all(s2, flat);
	}
	check_all(s2, flat);
	memset(calls, 0, sizeof(calls));
	free(flat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leaf_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(width, setup, teardown),
		cmocka_unit_test_setup_teardown(rights, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_tables_go, setup, teardown),
		cmocka_unit_test_setup_teardown(out_of_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(sequences, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
