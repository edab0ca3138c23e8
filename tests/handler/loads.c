// SPDX-License-Identifier: MIT
/*
 * loads.c - proves that loads in flight hold up nothing else, and that a source that fails, stalls
 * or becomes shorter in flight ends in one error, with a response for each fault and no frame lost.
 * Files on a disk are loaded by io_uring, and by calls where the system refuses it.
 */
#include "setup.h"

#include <fcntl.h>

#define FROM  (1ull << 32)
#define OTHER (2ull << 32)
#define TO    (3ull << 32)
#define PAGES 256u

/* A source in memory whose loads stall while @stall is set, and of which one can fail. */
struct slow {
	char *memory;
	int stall;    /* atomic: loads wait while it is set */
	int full;     /* atomic: stores wait while it is set */
	int stores;   /* atomic: number of stores */
	int stalled;  /* atomic: number of loads that wait */
	int loads;    /* atomic: number of loads */
	int bad_load; /* number of the first load that fails; 0: none */
	int err;      /* atomic: result of failing loads */
	int released; /* atomic: number of releases */
};

static int slow_load(void *arg, uint64_t offset, const struct iovec *iov, int nr)
{
	struct slow *slow = arg;
	int number = add(slow->loads, 1);
	int i;

	add(slow->stalled, 1);
	until(!load(slow->stall));
	add(slow->stalled, -1);
	if (load(slow->err) && number >= slow->bad_load)
		return load(slow->err);
	for (i = 0; i < nr; i++) {
		memcpy(iov[i].iov_base, slow->memory + offset, iov[i].iov_len);
		offset += iov[i].iov_len;
	}
	return 0;
}

static int slow_store(void *arg, uint64_t offset, const struct iovec *iov, int nr)
{
	struct slow *slow = arg;
	int i;

	add(slow->stores, 1);
	until(!load(slow->full));
	for (i = 0; i < nr; i++) {
		memcpy(slow->memory + offset, iov[i].iov_base, iov[i].iov_len);
		offset += iov[i].iov_len;
	}
	return 0;
}

static void slow_release(void *arg)
{
	struct slow *slow = arg;

	add(slow->released, 1);
}

static void slow_map(struct engine *e, uint64_t iova, struct slow *slow)
{
	static const struct iof_source_ops ops = {
		.load = slow_load,
		.store = slow_store,
		.release = slow_release,
	};
	struct iof_source *source;
	uint32_t i;

	memset(slow, 0, sizeof(*slow));
	slow->memory = malloc(PAGES * PAGE);
	for (i = 0; i < PAGES; i++)
		memset(slow->memory + i * PAGE, (int)(i % 251 + 1), PAGE);
	assert_ok(iof_source_new(&ops, slow, PAGES * PAGE, &source));
	assert_ok(iof_pager_map(e->pager, 0, iova, PAGES * PAGE, source, 0, IOF_PAGER_WRITE));
	iof_source_free(source);
}

static void zeros_map(struct engine *e, uint64_t iova)
{
	struct iof_source *zeros;

	assert_ok(iof_source_zero(PAGES * PAGE, -1, &zeros));
	assert_ok(iof_pager_map(e->pager, 0, iova, PAGES * PAGE, zeros, 0, IOF_PAGER_WRITE));
	iof_source_free(zeros);
}

/* Starts the copy of one page. */
static uint32_t start_page(struct engine *e, uint64_t from, uint32_t page)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_BOF,
		.src_addr = from + page * PAGE,
		.dst_addr = TO + page * PAGE,
		.xfer_size = PAGE,
	};

	return engine_start(e, desc);
}

/* Every page request has had a response, and no frame is in use for a load. */
static void assert_settled(struct engine *e, struct slow *slow)
{
	assert_ok(iof_pager_unmap(e->pager, 0, FROM, PAGES * PAGE, 0));
	assert_ok(iof_pager_unmap(e->pager, 0, TO, PAGES * PAGE, IOF_PAGER_DISCARD));
	assert_int_equal(engine_stats(e).resident, 0);
	if (slow)
		assert_int_equal(load(slow->released), 1);
}

static void a_stalled_source_holds_up_no_other(void **state)
{
	struct iof_pager_config config = { .resident = 64 * PAGE };
	uint32_t stalled[8], i;
	struct slow slow, quick;
	struct engine e;

	(void)state;
	engine_open(&e, NULL, &config);
	slow_map(&e, FROM, &slow);
	slow_map(&e, OTHER, &quick);
	zeros_map(&e, TO);
	store(slow.stall, 1);
	for (i = 0; i < 8; i++)
		stalled[i] = start_page(&e, FROM, i * 3);
	until(load(slow.stalled));
	/* One handler thread serves many more pages than the budget has frames. */
	for (i = 100; i < 200; i++)
		assert_int_equal(engine_wait(&e, start_page(&e, OTHER, i)), DSA_COMP_SUCCESS);
	assert_int_equal(engine_record(&e, stalled[0])->status, 0);
	/* The stall ends in an error: one for each load, and each fault gets its response. */
	store(slow.err, -ETIMEDOUT);
	store(slow.stall, 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(engine_wait(&e, stalled[i]), DSA_COMP_PAGE_FAULT_IR);
	assert_true(load(e.errors) >= 1 && load(e.errors) <= 8);
	assert_err(load(e.last_error), ETIMEDOUT);
	store(slow.err, 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(engine_wait(&e, start_page(&e, FROM, i * 3)), DSA_COMP_SUCCESS);
	assert_ok(iof_pager_unmap(e.pager, 0, OTHER, PAGES * PAGE, 0));
	assert_settled(&e, &slow);
	engine_close(&e);
	free(slow.memory);
	free(quick.memory);
}

static void a_stalled_write_back_holds_up_no_load(void **state)
{
	struct iof_pager_config config = { .resident = 32 * PAGE };
	struct slow slow, quick;
	struct engine e;
	uint32_t i;

	(void)state;
	engine_open(&e, NULL, &config);
	slow_map(&e, FROM, &slow);
	slow_map(&e, OTHER, &quick);
	zeros_map(&e, TO);
	assert_int_equal(engine_fill(&e, 0, FROM, 0x5555555555555555, 4 * PAGE), DSA_COMP_SUCCESS);
	store(slow.full, 1);
	/* All frames are used again, many times; those of the four dirty pages wait. */
	for (i = 0; i < 200; i++)
		assert_int_equal(engine_wait(&e, start_page(&e, OTHER, i % 100)), DSA_COMP_SUCCESS);
	assert_true(load(slow.stores) >= 1);
	assert_int_equal(slow.memory[0], 1);
	store(slow.full, 0);
	assert_ok(iof_pager_unmap(e.pager, 0, OTHER, PAGES * PAGE, 0));
	assert_settled(&e, &slow);
	for (i = 0; i < 4 * PAGE; i++)
		assert_int_equal(slow.memory[i], 0x55);
	assert_int_equal(load(e.errors), 0);
	engine_close(&e);
	free(slow.memory);
	free(quick.memory);
}

static void closing_answers_what_a_stall_left_open(void **state)
{
	struct iof_pager_config config = { .resident = 32 * PAGE };
	struct slow slow;
	struct engine e;
	uint32_t i;

	(void)state;
	engine_open(&e, NULL, &config);
	slow_map(&e, FROM, &slow);
	zeros_map(&e, TO);
	store(slow.stall, 1);
	/* More stalled loads than there are frames: the handler waits for one, too. */
	for (i = 0; i < 40; i++)
		start_page(&e, FROM, i * 3);
	until(load(slow.stalled) >= 4);
	assert_ok(iof_ioctl(iof_pager_device_fd(e.pager), VFIO_DEVICE_RESET, NULL));
	store(slow.stall, 0);
	engine_close(&e);
	assert_int_equal(load(slow.released), 1);
	free(slow.memory);
}

/* Copies @nr pages with many loads in flight. Returns the number of failed copies. */
static uint32_t copy_pages(struct engine *e, uint32_t nr)
{
	uint32_t numbers[PAGES], failed = 0, i;

	for (i = 0; i < nr; i++)
		numbers[i] = start_page(e, FROM, i * 37 % PAGES);
	for (i = 0; i < nr; i++) {
		uint8_t status = engine_wait(e, numbers[i]);

		if (status != DSA_COMP_SUCCESS)
			assert_int_equal(status, DSA_COMP_PAGE_FAULT_IR);
		failed += status != DSA_COMP_SUCCESS;
	}
	return failed;
}

static void each_load_in_turn_is_the_first_that_fails(void **state)
{
	struct iof_dsa_config dsa = { .engines = 2 };
	int bad;

	(void)state;
	for (bad = 1; bad <= 32; bad++) {
		struct iof_pager_config config = {
			.resident = 24 * PAGE,
			.prefetch = bad % 3,
			.engines = 4,
		};
		struct slow slow;
		struct engine e;
		uint32_t failed;

		engine_open(&e, &dsa, &config);
		slow_map(&e, FROM, &slow);
		zeros_map(&e, TO);
		slow.bad_load = bad;
		store(slow.err, -EIO);
		failed = copy_pages(&e, 32);
		assert_true(failed >= 1);
		/* Not more errors than failed copies: a page is reported by one load. */
		assert_true(load(e.errors) >= 1 && load(e.errors) <= (int)failed);
		assert_non_null(strstr(iof_pager_error(e.pager), "cannot load the page at offset"));
		assert_err(load(e.last_error), EIO);
		store(slow.err, 0);
		assert_int_equal(copy_pages(&e, 32), 0);
		assert_settled(&e, &slow);
		engine_close(&e);
		free(slow.memory);
	}
}

/* Returns a file on a disk, of which the page cache has nothing. */
static int cold_file(void)
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
	assert_ok(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	return fd;
}

static void file_map(struct engine *e, int fd)
{
	struct iof_source *source;

	assert_ok(iof_source_file(fd, &source));
	assert_ok(iof_pager_map(e->pager, 0, FROM, PAGES * PAGE, source, 0, IOF_PAGER_READ));
	iof_source_free(source);
}

/* Returns how many pages of the file the page cache has. */
static uint32_t cached(int fd)
{
	void *memory = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char there[PAGES];
	uint32_t nr = 0, i;

	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_ok(mincore(memory, PAGES * PAGE, there));
	for (i = 0; i < PAGES; i++)
		nr += there[i] & 1;
	munmap(memory, PAGES * PAGE);
	return nr;
}

static void a_cold_file_arrives_whole(void **state)
{
	uint32_t round, i;

	(void)state;
	for (round = 0; round < 4; round++) {
		struct iof_pager_config config = {
			.resident = 96 * PAGE,
			.prefetch = 8,
			.flags = round < 2 ? 0 : IOF_PAGER_DIRECT,
		};
		char *copy = (char *)abi_pages(PAGES);
		int fd = cold_file();
		struct engine e;

		engine_open(&e, NULL, &config);
		file_map(&e, fd);
		assert_ok(
			iof_pager_map_memory(e.pager, 0, TO, copy, PAGES * PAGE, IOF_PAGER_WRITE));
		if (round % 2)
			assert_int_equal(copy_pages(&e, PAGES), 0);
		else
			assert_int_equal(engine_copy(&e, 0, TO, FROM, PAGES * PAGE),
					 DSA_COMP_SUCCESS);
		for (i = 0; i < PAGES * PAGE; i++)
			assert_int_equal(copy[i], (char)(i / PAGE % 251 + 1));
		assert_int_equal(load(e.errors), 0);
		engine_close(&e);
		if (round >= 2)
			assert_int_equal(cached(fd), 0);
		close(fd);
		munmap(copy, PAGES * PAGE);
	}
}

static void a_file_cut_off_in_flight_fails_behind_its_end(void **state)
{
	struct iof_dsa_config dsa = { .engines = 2 };
	uint32_t cut;

	(void)state;
	for (cut = 0; cut < 8; cut++) {
		struct iof_pager_config config = {
			.resident = 96 * PAGE,
			.prefetch = 8,
			.flags = cut % 2 ? IOF_PAGER_DIRECT : 0,
		};
		uint32_t numbers[PAGES], i;
		int fd = cold_file();
		struct engine e;

		engine_open(&e, &dsa, &config);
		file_map(&e, fd);
		zeros_map(&e, TO);
		for (i = 0; i < PAGES; i++) {
			if (i == cut * 16)
				assert_ok(ftruncate(fd, 64 * PAGE + 5));
			numbers[i] = start_page(&e, FROM, i * 37 % PAGES);
		}
		for (i = 0; i < PAGES; i++) {
			uint8_t status = engine_wait(&e, numbers[i]);

			if (i * 37 % PAGES < 64)
				assert_int_equal(status, DSA_COMP_SUCCESS);
			else if (status != DSA_COMP_SUCCESS)
				assert_int_equal(status, DSA_COMP_PAGE_FAULT_IR);
		}
		assert_true(load(e.errors) >= 1);
		assert_err(load(e.last_error), ENODATA);
		assert_non_null(strstr(iof_pager_error(e.pager), "became shorter"));
		/* The file has its length again. */
		assert_ok(ftruncate(fd, PAGES * PAGE));
		assert_int_equal(engine_wait(&e, start_page(&e, FROM, 200)), DSA_COMP_SUCCESS);
		assert_settled(&e, NULL);
		engine_close(&e);
		close(fd);
	}
}

static void direct_stores_reach_the_file_and_not_the_page_cache(void **state)
{
	struct iof_pager_config config = { .resident = 32 * PAGE, .flags = IOF_PAGER_DIRECT };
	size_t bytes = (PAGES - 1) * PAGE + 1234;
	struct iof_source *source;
	int fd = cold_file();
	struct engine e;
	char page[PAGE];

	(void)state;
	/* The last page is a part of a page. */
	assert_ok(ftruncate(fd, (off_t)bytes));
	engine_open(&e, NULL, &config);
	assert_ok(iof_source_file(fd, &source));
	assert_ok(iof_pager_map(e.pager, 0, FROM, bytes, source, 0, IOF_PAGER_WRITE));
	iof_source_free(source);
	assert_int_equal(engine_fill(&e, 0, FROM, 0x4242424242424242, (uint32_t)bytes - 2),
			 DSA_COMP_SUCCESS);
	assert_ok(iof_pager_sync(e.pager, 0, FROM, bytes));
	assert_int_equal(load(e.errors), 0);
	/* only about the last page, which is no whole block */
	assert_true(cached(fd) <= 16);
	engine_close(&e);
	assert_int_equal(lseek(fd, 0, SEEK_END), bytes);
	file_read(fd, (PAGES - 2) * PAGE, page, PAGE);
	assert_int_equal(page[PAGE - 1], 0x42);
	file_read(fd, bytes - PAGE, page, PAGE);
	assert_int_equal(page[PAGE - 3], 0x42);
	assert_int_equal(page[PAGE - 1], (char)((PAGES - 1) % 251 + 1));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stalled_source_holds_up_no_other),
		cmocka_unit_test(a_stalled_write_back_holds_up_no_load),
		cmocka_unit_test(closing_answers_what_a_stall_left_open),
		cmocka_unit_test(each_load_in_turn_is_the_first_that_fails),
		cmocka_unit_test(a_cold_file_arrives_whole),
		cmocka_unit_test(a_file_cut_off_in_flight_fails_behind_its_end),
		cmocka_unit_test(direct_stores_reach_the_file_and_not_the_page_cache),
		cmocka_unit_test(io_uring_is_refused),
		cmocka_unit_test(a_cold_file_arrives_whole),
		cmocka_unit_test(a_file_cut_off_in_flight_fails_behind_its_end),
	};

	return cmocka_run_group_tests_name("loads", tests, NULL, NULL);
}
