// SPDX-License-Identifier: MIT
/*
 * streams.c - proves that prefetch follows a sequential device: it goes on before the device waits,
 * descriptors in the order of a file are one stream, and long windows of a file arrive whole, from
 * a disk and from the page cache, or fail behind the end of a file that is cut off in flight.
 */
#include "setup.h"

#include <fcntl.h>

#define FROM  (1ull << 32)
#define OTHER (2ull << 32)
#define TO    (3ull << 32)
#define PAGES 2048u
#define DEPTH 8u

static void zeros_map(struct engine *e, uint64_t iova)
{
	struct iof_source *zeros;

	assert_ok(iof_source_zero(PAGES * PAGE, -1, &zeros));
	assert_ok(iof_pager_map(e->pager, 0, iova, PAGES * PAGE, zeros, 0, IOF_PAGER_WRITE));
	iof_source_free(zeros);
}

static void a_stream_goes_on_before_it_waits(void **state)
{
	struct iof_pager_config config = { .resident = 2 * PAGES * PAGE, .prefetch = 16 };
	struct iof_pager_stats stats;
	struct engine e;

	(void)state;
	engine_open(&e, NULL, &config);
	zeros_map(&e, FROM);
	assert_int_equal(engine_fill(&e, 0, FROM, 1, 1000 * PAGE), DSA_COMP_SUCCESS);
	stats = engine_stats(&e);
	/* Most requests find their page in place: they only let the stream go on. */
	assert_true(stats.present >= 4);
	assert_true(stats.loaded <= 16);
	assert_true(stats.faults <= 40);
	assert_int_equal(stats.faults, stats.loaded + stats.present);
	engine_close(&e);
}

static void pages_ahead_of_a_stream_are_pages_like_others(void **state)
{
	struct iof_pager_config config = { .resident = PAGES * PAGE, .prefetch = 16 };
	struct iof_pager_stats before;
	struct engine e;
	uint32_t i;

	(void)state;
	engine_open(&e, NULL, &config);
	zeros_map(&e, FROM);
	zeros_map(&e, OTHER);
	assert_int_equal(engine_fill(&e, 0, FROM, 1, 200 * PAGE), DSA_COMP_SUCCESS);
	before = engine_stats(&e);
	assert_true(before.prefetched > 200);
	/* Pinned pages do not fault. */
	assert_ok(iof_pager_pin(e.pager, 0, FROM, 400 * PAGE));
	assert_int_equal(engine_fill(&e, 0, FROM, 2, 400 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(engine_stats(&e).faults, before.faults);
	assert_ok(iof_pager_unpin(e.pager, 0, FROM, 400 * PAGE));
	/* They can be evicted, also unused ones, */
	assert_int_equal(engine_fill(&e, 0, FROM + 400 * PAGE, 3, 200 * PAGE), DSA_COMP_SUCCESS);
	for (i = 0; i < 3; i++)
		assert_int_equal(engine_fill(&e, 0, OTHER, 4, (PAGES - 1) * PAGE),
				 DSA_COMP_SUCCESS);
	assert_int_equal(engine_fill(&e, 0, FROM, 5, 300 * PAGE), DSA_COMP_SUCCESS);
	/* written back, refused, */
	assert_ok(iof_pager_sync(e.pager, 0, FROM, PAGES * PAGE));
	assert_ok(iof_pager_refuse(e.pager, 0, FROM, 350 * PAGE));
	assert_int_equal(engine_fill(&e, 0, FROM + 320 * PAGE, 6, 8), DSA_COMP_PAGE_FAULT_IR);
	/* and unmapped. */
	assert_ok(iof_pager_unmap(e.pager, 0, FROM, PAGES * PAGE, IOF_PAGER_DISCARD));
	assert_ok(iof_pager_unmap(e.pager, 0, OTHER, PAGES * PAGE, IOF_PAGER_DISCARD));
	assert_int_equal(engine_stats(&e).resident, 0);
	engine_close(&e);
	assert_int_equal(e.errors, 0);
}

/*
 * Fills or copies @nr pages by descriptors of @piece pages, DEPTH at a time. Returns the failed
 * ones.
 */
static uint32_t in_order(struct engine *e, uint32_t nr, uint32_t piece, bool copy)
{
	uint32_t numbers[DEPTH], started = 0, waited = 0, failed = 0;

	while (waited * piece < nr) {
		if (started * piece < nr && started - waited < DEPTH) {
			struct dsa_hw_desc desc = {
				.opcode = copy ? DSA_OPCODE_MEMMOVE : DSA_OPCODE_MEMFILL,
				.flags = IDXD_OP_FLAG_BOF,
				.src_addr = copy ? FROM + started * piece * PAGE : 7,
				.dst_addr = (copy ? TO : FROM) + started * piece * PAGE,
				.xfer_size = piece * PAGE,
			};

			numbers[started++ % DEPTH] = engine_start(e, desc);
		} else {
			uint8_t status = engine_wait(e, numbers[waited++ % DEPTH]);

			if (status != DSA_COMP_SUCCESS)
				assert_int_equal(status, DSA_COMP_PAGE_FAULT_IR);
			failed += status != DSA_COMP_SUCCESS;
		}
	}
	return failed;
}

static void descriptors_in_order_are_one_stream(void **state)
{
	struct iof_pager_config config = {
		.resident = 4 * PAGES * PAGE,
		.prefetch = 16,
		.engines = DEPTH,
	};
	struct iof_pager_stats stats;
	struct engine e;

	(void)state;
	engine_open(&e, NULL, &config);
	zeros_map(&e, FROM);
	assert_int_equal(in_order(&e, PAGES, 32, false), 0);
	stats = engine_stats(&e);
	/* Few of the 64 descriptors begin at a page that is absent. */
	assert_true(stats.loaded < PAGES / 32);
	assert_true(stats.loaded + stats.prefetched >= PAGES);
	engine_close(&e);
}

/* Returns a file on a disk: in the page cache, or not. */
static int disk_file(bool cold)
{
	const char *folder = getenv("TMPDIR");
	int fd = open(folder ? folder : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char page[PAGE];
	uint32_t i;

	assert_true(fd >= 0);
	for (i = 0; i < PAGES; i++) {
		memset(page, (int)(i % 251 + 1), PAGE);
		assert_int_equal(write(fd, page, PAGE), PAGE);
	}
	assert_ok(fsync(fd));
	if (cold)
		assert_ok(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	return fd;
}

static void file_map(struct engine *e, int fd, char *copy)
{
	struct iof_source *source;

	assert_ok(iof_source_file(fd, &source));
	assert_ok(iof_pager_map(e->pager, 0, FROM, PAGES * PAGE, source, 0, IOF_PAGER_READ));
	iof_source_free(source);
	assert_ok(iof_pager_map_memory(e->pager, 0, TO, copy, PAGES * PAGE, IOF_PAGER_WRITE));
}

static void long_windows_of_a_file_arrive_whole(void **state)
{
	uint32_t round, i;

	(void)state;
	for (round = 0; round < 12; round++) {
		struct iof_pager_config config = {
			.resident = (round % 2 ? 4 * PAGES : PAGES / 2) * PAGE,
			.prefetch = 32,
			.engines = DEPTH,
			.threads = 1 + round / 4 % 2,
			.flags = round >= 8 ? IOF_PAGER_DIRECT : 0,
		};
		char *copy = (char *)abi_pages(PAGES);
		int fd = disk_file(round / 2 % 2);
		struct engine e;

		engine_open(&e, NULL, &config);
		file_map(&e, fd, copy);
		assert_int_equal(in_order(&e, PAGES, round % 3 ? 64 : PAGES, true), 0);
		for (i = 0; i < PAGES; i++) {
			const char *page = copy + i * PAGE;

			assert_int_equal(page[0], (char)(i % 251 + 1));
			assert_memory_equal(page, page + 1, PAGE - 1);
		}
		assert_ok(iof_pager_unmap(e.pager, 0, FROM, PAGES * PAGE, 0));
		assert_int_equal(engine_stats(&e).resident, 0);
		assert_true(engine_stats(&e).resident_peak <= engine_stats(&e).frames);
		assert_int_equal(load(e.errors), 0);
		engine_close(&e);
		close(fd);
		munmap(copy, PAGES * PAGE);
	}
}

static void a_file_cut_off_in_a_long_window_fails_behind_its_end(void **state)
{
	uint32_t cut;

	(void)state;
	for (cut = 0; cut < 6; cut++) {
		struct iof_pager_config config = {
			.resident = 4 * PAGES * PAGE,
			.prefetch = 32,
			.engines = DEPTH,
			.flags = cut % 3 == 2 ? IOF_PAGER_DIRECT : 0,
		};
		uint32_t end = 100 + cut * 300, i;
		char *copy = (char *)abi_pages(PAGES);
		int fd = disk_file(cut % 2);
		struct engine e;

		engine_open(&e, NULL, &config);
		file_map(&e, fd, copy);
		/* Some of the descriptors are at work when the file becomes shorter. */
		assert_int_equal(in_order(&e, 64, 8, true), 0);
		assert_ok(ftruncate(fd, end * PAGE + 5));
		in_order(&e, PAGES, 64, true);
		for (i = 0; i <= end; i++)
			if (i < end / 64 * 64)
				assert_int_equal(copy[i * PAGE + 7], (char)(i % 251 + 1));
		/* What was read ahead before the cut may still be there; the last page is not. */
		if (engine_copy(&e, 0, TO, FROM + (PAGES - 1) * PAGE, 8) != DSA_COMP_SUCCESS) {
			assert_true(load(e.errors) >= 1);
			assert_err(load(e.last_error), ENODATA);
			assert_non_null(strstr(iof_pager_error(e.pager), "became shorter"));
		}
		assert_ok(ftruncate(fd, PAGES * PAGE));
		assert_int_equal(engine_copy(&e, 0, TO, FROM + (PAGES - 1) * PAGE, 8),
				 DSA_COMP_SUCCESS);
		assert_ok(iof_pager_unmap(e.pager, 0, FROM, PAGES * PAGE, 0));
		assert_int_equal(engine_stats(&e).resident, 0);
		engine_close(&e);
		close(fd);
		munmap(copy, PAGES * PAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_goes_on_before_it_waits),
		cmocka_unit_test(pages_ahead_of_a_stream_are_pages_like_others),
		cmocka_unit_test(descriptors_in_order_are_one_stream),
		cmocka_unit_test(long_windows_of_a_file_arrive_whole),
		cmocka_unit_test(a_file_cut_off_in_a_long_window_fails_behind_its_end),
		cmocka_unit_test(io_uring_is_refused),
		cmocka_unit_test(long_windows_of_a_file_arrive_whole),
		cmocka_unit_test(a_file_cut_off_in_a_long_window_fails_behind_its_end),
	};

	return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
