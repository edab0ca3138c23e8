// SPDX-License-Identifier: MIT
/*
 * paging.c - proves that a device sees the right data through a pager that holds only a part of it,
 * and that the device's stores reach the source. Also proves pins, refusals, prefetch and several
 * PASIDs.
 */
#include "setup.h"

#define FILE_PAGES 1000u
#define FROM	   (1ull << 32)
#define TO	   (2ull << 32)

/* A mapped source and a mapped destination of FILE_PAGES pages in a space. */
struct pair {
	int from_fd;
	int to_fd;
};

static void map_file(struct engine *e, uint32_t pasid, uint64_t iova, int fd, unsigned int prot)
{
	struct iof_source *source;

	assert_ok(iof_source_file(fd, &source));
	assert_ok(iof_pager_map(e->pager, pasid, iova, iof_source_size(source), source, 0, prot));
	iof_source_free(source);
}

static void pair_open(struct engine *e, uint32_t pasid, struct pair *pair, size_t bytes)
{
	pair->from_fd = file_new(bytes, true);
	pair->to_fd = file_new(bytes, false);
	map_file(e, pasid, FROM, pair->from_fd, IOF_PAGER_READ);
	map_file(e, pasid, TO, pair->to_fd, IOF_PAGER_WRITE);
}

static void assert_same(int one, int other, size_t bytes)
{
	char a[PAGE], b[PAGE];
	size_t at;

	for (at = 0; at < bytes; at += PAGE) {
		size_t part = bytes - at < PAGE ? bytes - at : PAGE;

		file_read(one, at, a, part);
		file_read(other, at, b, part);
		assert_memory_equal(a, b, part);
	}
}

static void pair_close(struct pair *pair)
{
	close(pair->from_fd);
	close(pair->to_fd);
}

/* Copies everything with @depth descriptors in flight, in pieces that do not respect pages. */
static void copy_all(struct engine *e, uint32_t pasid, size_t bytes, uint32_t depth, uint32_t piece)
{
	uint32_t numbers[64];
	size_t started = 0, waited = 0, at = 0;

	assert_true(depth >= 1 && depth <= 64);
	while (at < bytes || waited < started) {
		if (at < bytes && started - waited < depth) {
			struct dsa_hw_desc desc = {
				.opcode = DSA_OPCODE_MEMMOVE,
				.flags = IDXD_OP_FLAG_BOF,
				.pasid = pasid,
				.src_addr = FROM + at,
				.dst_addr = TO + at,
				.xfer_size = bytes - at < piece ? (uint32_t)(bytes - at) : piece,
			};

			numbers[started++ % 64] = engine_start(e, desc);
			at += desc.xfer_size;
		} else {
			assert_int_equal(engine_wait(e, numbers[waited++ % 64]), DSA_COMP_SUCCESS);
		}
	}
}

static void with_a_tenth_resident_every_byte_is_right(void **state)
{
	struct iof_pager_config config = { .resident = FILE_PAGES / 10 * PAGE, .engines = 16 };
	struct iof_pager_stats stats;
	struct engine e;
	struct pair pair;

	(void)state;
	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, FILE_PAGES * PAGE);
	copy_all(&e, 0, FILE_PAGES * PAGE, 16, 3 * PAGE + 100);
	assert_ok(iof_pager_sync(e.pager, 0, TO, FILE_PAGES * PAGE));
	assert_same(pair.from_fd, pair.to_fd, FILE_PAGES * PAGE);
	stats = engine_stats(&e);
	assert_int_equal(stats.frames, FILE_PAGES / 10);
	assert_true(stats.resident_peak <= stats.frames);
	assert_true(stats.loaded >= 2 * FILE_PAGES);
	assert_true(stats.evictions >= 2 * FILE_PAGES - stats.frames);
	assert_true(stats.writebacks >= FILE_PAGES);
	assert_int_equal(stats.errors + stats.refused, 0);
	engine_close(&e);
	assert_int_equal(e.errors, 0);
	pair_close(&pair);
}

static void the_least_budget_is_enough(void **state)
{
	struct iof_pager_config config = { .engines = 1 };
	struct engine e;
	struct pair pair;

	(void)state;
	config.resident = iof_pager_least(&config);
	assert_int_equal(config.resident, 4 * PAGE);
	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, 100 * PAGE);
	copy_all(&e, 0, 100 * PAGE, 1, 5 * PAGE + 12);
	/* The copy begins in the middle of a page on both sides, and needs four pages at a time. */
	assert_int_equal(engine_copy(&e, 0, TO + 100, FROM + 100, 99 * PAGE), DSA_COMP_SUCCESS);
	engine_close(&e);
	assert_same(pair.from_fd, pair.to_fd, 100 * PAGE);
	pair_close(&pair);
}

static void below_the_least_budget_it_says_what_is_needed(void **state)
{
	struct iof_pager_config config = {
		.engines = 3,
		.group_pages = 4,
		.resident = 30 * PAGE - 1,
	};
	struct iof_world *world = abi_world(&(struct iof_dsa_config){ 0 }, 1);
	struct iof_pager *pager;

	(void)state;
	assert_int_equal(iof_pager_least(&config), 30 * PAGE);
	assert_err(iof_pager_open(world, abi_vfio_path(0), &config, &pager), EINVAL);
	assert_non_null(strstr(iof_pager_error(NULL), "122880 bytes"));
	config.resident++;
	assert_ok(iof_pager_open(world, abi_vfio_path(0), &config, &pager));
	assert_string_equal(iof_pager_error(pager), "");
	assert_ok(iof_pager_close(pager));
	assert_err(iof_pager_open(world, "/dev/vfio/devices/vfio255", &config, &pager), ENOENT);
	assert_non_null(strstr(iof_pager_error(NULL), "vfio255"));
	abi_world_close(world);
}

static void odd_sized_files_end_where_they_end(void **state)
{
	struct iof_pager_config config = { .resident = 16 * PAGE };
	size_t bytes = 10 * PAGE + 1234;
	struct iof_source *source;
	struct engine e;
	struct pair pair;
	char *memory;

	(void)state;
	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, bytes);
	copy_all(&e, 0, bytes, 1, 64 * PAGE);
	/* Behind the end of the file the device reads zeros, and its stores are dropped. */
	memory = aligned_alloc(PAGE, PAGE);
	memset(memory, 7, PAGE);
	assert_ok(iof_pager_map_memory(e.pager, 0, 3ull << 32, memory, PAGE, IOF_PAGER_WRITE));
	assert_int_equal(engine_copy(&e, 0, 3ull << 32, FROM + bytes, PAGE - 1234),
			 DSA_COMP_SUCCESS);
	assert_int_equal(memory[0], 0);
	assert_int_equal(memory[PAGE - 1235], 0);
	assert_int_equal(memory[PAGE - 1234], 7);
	assert_int_equal(engine_fill(&e, 0, TO + bytes, ~0ull, PAGE - 1234), DSA_COMP_SUCCESS);
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 11 * PAGE, 1), DSA_COMP_PAGE_FAULT_IR);
	assert_ok(iof_source_file(pair.to_fd, &source));
	assert_int_equal(iof_source_size(source), bytes);
	iof_source_free(source);
	engine_close(&e);
	assert_int_equal(lseek(pair.to_fd, 0, SEEK_END), bytes);
	assert_same(pair.from_fd, pair.to_fd, bytes);
	pair_close(&pair);
	free(memory);
}

static void zeros_remember_what_was_written(void **state)
{
	struct iof_pager_config config = { .resident = 32 * PAGE };
	struct iof_source *zeros;
	struct engine e;
	struct pair pair;
	int back;

	(void)state;
	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, 200 * PAGE);
	assert_ok(iof_source_zero(1ull << 30, -1, &zeros));
	assert_ok(iof_pager_map(e.pager, 0, 4ull << 32, 1ull << 30, zeros, 0, IOF_PAGER_WRITE));
	iof_source_free(zeros);
	/* Copy to the zeros and back, with frames for a sixth of them. */
	assert_int_equal(engine_copy(&e, 0, (4ull << 32) + 77 * PAGE, FROM, 200 * PAGE),
			 DSA_COMP_SUCCESS);
	assert_int_equal(engine_copy(&e, 0, TO, (4ull << 32) + 77 * PAGE, 200 * PAGE),
			 DSA_COMP_SUCCESS);
	assert_ok(iof_pager_sync(e.pager, 0, TO, 200 * PAGE));
	assert_same(pair.from_fd, pair.to_fd, 200 * PAGE);
	/* Pages that were never written are zero. */
	back = file_new(200 * PAGE, false);
	assert_int_equal(engine_copy(&e, 0, TO, (4ull << 32) + 300 * PAGE, 200 * PAGE),
			 DSA_COMP_SUCCESS);
	engine_close(&e);
	assert_same(back, pair.to_fd, 200 * PAGE);
	close(back);
	pair_close(&pair);
}

static void pinned_pages_stay(void **state)
{
	struct iof_pager_config config = { .resident = 32 * PAGE };
	struct engine e;
	struct pair pair;
	uint64_t loaded;

	(void)state;
	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, 200 * PAGE);
	assert_ok(iof_pager_pin(e.pager, 0, FROM, 8 * PAGE));
	assert_ok(iof_pager_pin(e.pager, 0, FROM, 4 * PAGE));
	assert_int_equal(engine_stats(&e).pinned, 8);
	copy_all(&e, 0, 200 * PAGE, 2, 10 * PAGE);
	loaded = engine_stats(&e).faults;
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 8 * PAGE), DSA_COMP_SUCCESS);
	/* The destination had to be loaded again, the source not. */
	assert_true(engine_stats(&e).faults - loaded <= 8);
	assert_err(iof_pager_pin(e.pager, 0, FROM + 8 * PAGE, 21 * PAGE), ENOSPC);
	assert_non_null(strstr(iof_pager_error(e.pager), "21 pages"));
	assert_ok(iof_pager_pin(e.pager, 0, FROM + 8 * PAGE, 20 * PAGE));
	assert_int_equal(engine_stats(&e).pinned, 28);
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 100 * PAGE, 50 * PAGE), DSA_COMP_SUCCESS);
	assert_err(iof_pager_pin(e.pager, 0, 7ull << 32, PAGE), ENOSPC);
	assert_ok(iof_pager_unpin(e.pager, 0, FROM, 28 * PAGE));
	assert_int_equal(engine_stats(&e).pinned, 4);
	assert_err(iof_pager_pin(e.pager, 0, 7ull << 32, PAGE), ENOENT);
	assert_ok(iof_pager_unpin(e.pager, 0, 0, 1ull << 30));
	assert_int_equal(engine_stats(&e).pinned, 4);
	assert_ok(iof_pager_unmap(e.pager, 0, FROM, 200 * PAGE, 0));
	assert_int_equal(engine_stats(&e).pinned, 0);
	engine_close(&e);
	pair_close(&pair);
}

static void refused_pages_fault_for_good(void **state)
{
	struct iof_pager_config config = { .resident = 64 * PAGE };
	volatile struct dsa_completion_record *record;
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_BOF,
		.src_addr = FROM,
		.dst_addr = TO,
		.xfer_size = 20 * PAGE,
	};
	uint32_t number;
	struct engine e;
	struct pair pair;

	(void)state;
	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, 40 * PAGE);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 20 * PAGE), DSA_COMP_SUCCESS);
	assert_ok(iof_pager_refuse(e.pager, 0, FROM + 10 * PAGE, 2 * PAGE));
	assert_ok(iof_pager_refuse(e.pager, 0, FROM + 30 * PAGE, PAGE));
	assert_ok(iof_pager_refuse(e.pager, 0, FROM + 11 * PAGE, 3 * PAGE));
	number = engine_start(&e, desc);
	assert_int_equal(engine_wait(&e, number), DSA_COMP_PAGE_FAULT_IR);
	record = engine_record(&e, number);
	assert_int_equal(record->fault_addr & ~(PAGE - 1), FROM + 10 * PAGE);
	assert_int_equal(record->bytes_completed, 10 * PAGE);
	assert_int_equal(engine_stats(&e).refused, 1);
	/* The refused range ends exactly at its bounds. */
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 9 * PAGE, PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 13 * PAGE, 1), DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 14 * PAGE, 16 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 31 * PAGE, 9 * PAGE), DSA_COMP_SUCCESS);
	assert_err(iof_pager_pin(e.pager, 0, FROM + 11 * PAGE, PAGE), ENOENT);
	assert_err(iof_pager_refuse(e.pager, 5, FROM, PAGE), ENOENT);
	/* Unmapped addresses, and writes without the right, are refused, too. */
	assert_int_equal(engine_copy(&e, 0, TO, 9ull << 32, 8), DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(engine_fill(&e, 0, FROM, 1, 8), DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(e.errors, 0);
	engine_close(&e);
	pair_close(&pair);
}

static void prefetch_saves_faults(uint32_t policy)
{
	struct iof_pager_config config = {
		.resident = 256 * PAGE,
		.prefetch = 16,
		.prefetch_policy = policy,
	};
	struct iof_pager_stats stats;
	struct engine e;
	struct pair pair;

	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, FILE_PAGES * PAGE);
	copy_all(&e, 0, FILE_PAGES * PAGE, 1, 100 * PAGE);
	stats = engine_stats(&e);
	assert_true(stats.faults < FILE_PAGES / 2);
	assert_true(stats.loaded + stats.prefetched >= 2 * FILE_PAGES);
	assert_true(stats.prefetch_used >= FILE_PAGES);
	assert_true(stats.prefetch_used <= stats.prefetched);
	engine_close(&e);
	assert_same(pair.from_fd, pair.to_fd, FILE_PAGES * PAGE);
	pair_close(&pair);
}

static void prefetch_notices_reading_in_a_row(void **state)
{
	(void)state;
	prefetch_saves_faults(IOF_PREFETCH_SEQUENTIAL);
}

static void prefetch_may_be_unconditional(void **state)
{
	(void)state;
	prefetch_saves_faults(IOF_PREFETCH_ALWAYS);
}

static void jumping_about_prefetches_nothing(void **state)
{
	struct iof_pager_config config = { .resident = 512 * PAGE, .prefetch = 16 };
	struct engine e;
	struct pair pair;
	uint32_t i;

	(void)state;
	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, FILE_PAGES * PAGE);
	for (i = 0; i < 100; i++)
		assert_int_equal(engine_copy(&e, 0, TO, FROM + i * 7 % 1000 * PAGE, 64),
				 DSA_COMP_SUCCESS);
	assert_int_equal(engine_stats(&e).prefetched, 0);
	engine_close(&e);
	pair_close(&pair);
}

static void populate_loads_as_much_as_fits(void **state)
{
	struct iof_pager_config config = { .resident = 128 * PAGE };
	struct engine e;
	struct pair pair;
	uint64_t faults;

	(void)state;
	engine_open(&e, NULL, &config);
	pair_open(&e, 0, &pair, FILE_PAGES * PAGE);
	assert_int_equal(iof_pager_populate(e.pager, 0, FROM, 50 * PAGE), 50);
	assert_int_equal(iof_pager_populate(e.pager, 0, TO, 50 * PAGE), 50);
	faults = engine_stats(&e).faults;
	assert_int_equal(faults, 0);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 50 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(engine_stats(&e).faults, 0);
	/* 28 frames are left. */
	assert_int_equal(iof_pager_populate(e.pager, 0, FROM, 200 * PAGE), 78);
	assert_int_equal(engine_stats(&e).evictions, 0);
	assert_err(iof_pager_populate(e.pager, 0, 9ull << 32, PAGE), ENOENT);
	assert_err(iof_pager_populate(e.pager, 0, FROM + 1, PAGE), EINVAL);
	engine_close(&e);
	pair_close(&pair);
}

static void pasids_have_spaces_of_their_own(void **state)
{
	static const uint32_t pasids[] = { 1, 77, 1000 };
	struct iof_dsa_config dsa = { .engines = 2 };
	struct iof_pager_config config = { .resident = 48 * PAGE, .threads = 2, .engines = 4 };
	struct pair pairs[3];
	struct engine e;
	uint32_t i;

	(void)state;
	engine_open(&e, &dsa, &config);
	for (i = 0; i < 3; i++) {
		pair_open(&e, pasids[i], &pairs[i], (100 + i * 50) * PAGE);
		engine_records(&e, pasids[i]);
		assert_true(iof_pager_hwpt(e.pager, pasids[i]));
	}
	assert_int_equal(iof_pager_hwpt(e.pager, 2), 0);
	assert_err(iof_pager_attach(e.pager, 77), EEXIST);
	for (i = 0; i < 3; i++)
		copy_all(&e, pasids[i], (100 + i * 50) * PAGE, 4, 7 * PAGE);
	/* In another space, the same address is another page, or not mapped. */
	assert_int_equal(engine_copy(&e, 1, TO, FROM + 100 * PAGE, 8), DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(engine_copy(&e, 1000, TO, FROM + 199 * PAGE, 8), DSA_COMP_SUCCESS);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 8), DSA_COMP_PAGE_FAULT_IR);
	assert_ok(iof_pager_detach(e.pager, 77));
	assert_err(iof_pager_detach(e.pager, 77), ENOENT);
	assert_same(pairs[1].from_fd, pairs[1].to_fd, 150 * PAGE);
	assert_int_equal(iof_pager_hwpt(e.pager, 77), 0);
	pair_close(&pairs[1]);
	pair_open(&e, 77, &pairs[1], 20 * PAGE);
	engine_records(&e, 77);
	copy_all(&e, 77, 20 * PAGE, 1, PAGE);
	engine_close(&e);
	assert_same(pairs[0].from_fd, pairs[0].to_fd, 100 * PAGE);
	assert_same(pairs[1].from_fd, pairs[1].to_fd, 20 * PAGE);
	for (i = 0; i < 3; i++)
		pair_close(&pairs[i]);
}

static void several_engines_threads_and_long_groups_agree(void **state)
{
	struct iof_dsa_config dsa = { .engines = 4, .pages_per_group = 8 };
	struct iof_pager_config config = {
		.resident = 32 * 18 * PAGE,
		.threads = 4,
		.engines = 32,
		.group_pages = 8,
		.prefetch = 8,
	};
	struct engine e;
	struct pair pair;

	(void)state;
	engine_open(&e, &dsa, &config);
	pair_open(&e, 0, &pair, 8 * FILE_PAGES * PAGE);
	copy_all(&e, 0, 8 * FILE_PAGES * PAGE, 32, 21 * PAGE + 8);
	engine_close(&e);
	assert_same(pair.from_fd, pair.to_fd, 8 * FILE_PAGES * PAGE);
	assert_int_equal(e.errors, 0);
	pair_close(&pair);
}

static void mappings_are_checked_and_may_come_and_go(void **state)
{
	struct iof_pager_config config = { .resident = 64 * PAGE };
	struct iof_source *source, *readable;
	struct engine e;
	uint64_t tables;
	int fd = file_new(64 * PAGE, true);
	int other;
	uint32_t i;
	char path[64];

	(void)state;
	engine_open(&e, NULL, &config);
	tables = engine_stats(&e).table_pages;
	assert_ok(iof_source_file(fd, &source));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, O_RDONLY);
	assert_ok(iof_source_file(other, &readable));
	close(other);
	assert_err(iof_pager_map(e.pager, 0, FROM, PAGE, readable, 0, IOF_PAGER_WRITE), EACCES);
	assert_err(iof_pager_map(e.pager, 0, FROM + 8, PAGE, source, 0, 0), EINVAL);
	assert_err(iof_pager_map(e.pager, 0, FROM, 0, source, 0, 0), EINVAL);
	assert_err(iof_pager_map(e.pager, 0, FROM, PAGE, source, 100, 0), EINVAL);
	assert_err(iof_pager_map(e.pager, 0, FROM, PAGE, source, 64 * PAGE, 0), EINVAL);
	assert_err(iof_pager_map(e.pager, 0, FROM, 65 * PAGE, source, 0, 0), EINVAL);
	assert_err(iof_pager_map(e.pager, 0, (1ull << 47) - PAGE, 2 * PAGE, source, 0, 0), EINVAL);
	assert_err(iof_pager_map(e.pager, 0, FROM, PAGE, source, 0, 1u << 9), EINVAL);
	for (i = 0; i < 3; i++) {
		assert_ok(iof_pager_map(e.pager, 0, FROM + i * 1000 * PAGE, 60 * PAGE, source, 0,
					IOF_PAGER_WRITE));
		assert_int_equal(engine_copy(&e, 0, FROM + i * 1000 * PAGE + 8,
					     FROM + i * 1000 * PAGE, 8),
				 DSA_COMP_SUCCESS);
	}
	assert_err(iof_pager_map(e.pager, 0, FROM + 59 * PAGE, PAGE, source, 0, 0), EEXIST);
	assert_err(iof_pager_map(e.pager, 0, FROM - PAGE, 2 * PAGE, source, 0, 0), EEXIST);
	assert_ok(iof_pager_map(e.pager, 0, FROM + 60 * PAGE, PAGE, source, 0, 0));
	assert_err(iof_pager_unmap(e.pager, 0, FROM + PAGE, 60 * PAGE, 0), EINVAL);
	assert_err(iof_pager_unmap(e.pager, 0, FROM, 59 * PAGE, 0), EINVAL);
	assert_err(iof_pager_unmap(e.pager, 0, FROM + 70 * PAGE, PAGE, 0), ENOENT);
	assert_err(iof_pager_unmap(e.pager, 9, FROM, PAGE, 0), ENOENT);
	assert_err(iof_pager_unmap(e.pager, 0, FROM, 60 * PAGE, 2), EINVAL);
	assert_err(iof_pager_sync(e.pager, 0, FROM + 70 * PAGE, PAGE), ENOENT);
	assert_ok(iof_pager_unmap(e.pager, 0, FROM, 2000 * PAGE, 0));
	assert_int_equal(engine_copy(&e, 0, FROM + 2000 * PAGE, FROM, 8), DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(engine_stats(&e).resident, 1);
	assert_ok(iof_pager_unmap(e.pager, 0, FROM + 2000 * PAGE, 60 * PAGE, IOF_PAGER_DISCARD));
	assert_int_equal(engine_stats(&e).resident, 0);
	assert_int_equal(engine_stats(&e).table_pages, tables);
	iof_source_free(source);
	iof_source_free(readable);
	engine_close(&e);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_a_tenth_resident_every_byte_is_right),
		cmocka_unit_test(the_least_budget_is_enough),
		cmocka_unit_test(below_the_least_budget_it_says_what_is_needed),
		cmocka_unit_test(odd_sized_files_end_where_they_end),
		cmocka_unit_test(zeros_remember_what_was_written),
		cmocka_unit_test(pinned_pages_stay),
		cmocka_unit_test(refused_pages_fault_for_good),
		cmocka_unit_test(prefetch_notices_reading_in_a_row),
		cmocka_unit_test(prefetch_may_be_unconditional),
		cmocka_unit_test(jumping_about_prefetches_nothing),
		cmocka_unit_test(populate_loads_as_much_as_fits),
		cmocka_unit_test(pasids_have_spaces_of_their_own),
		cmocka_unit_test(several_engines_threads_and_long_groups_agree),
		cmocka_unit_test(mappings_are_checked_and_may_come_and_go),
	};

	return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}
