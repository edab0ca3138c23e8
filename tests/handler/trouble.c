// SPDX-License-Identifier: MIT
/*
 * trouble.c - proves that an error of a source, a full disk, and a mapping or device removed at a
 * bad moment are reported once, lose no data that can be kept, and hang no thread.
 */
#include "setup.h"

#define FROM (1ull << 32)
#define TO   (2ull << 32)

/* A source in memory that counts calls, and can be told to fail or to block. */
struct shaky {
	char *memory;
	uint64_t size;
	int load_error;	   /* atomic: result of loads of bad pages */
	int store_error;   /* atomic: result of stores of bad pages */
	uint64_t bad_page; /* the only bad page; UINT64_MAX: all pages are bad */
	int block;	   /* atomic: loads wait while it is set */
	int blocked;	   /* atomic: number of loads that wait */
	int loads;	   /* atomic: number of loads */
	int stores;	   /* atomic: number of stores */
	int released;	   /* atomic: number of releases */
};

static int shaky_move(struct shaky *shaky, uint64_t offset, const struct iovec *iov, int nr,
		      int err, bool out)
{
	int i;

	for (i = 0; i < nr; i++) {
		uint64_t end = offset + iov[i].iov_len;
		uint64_t bad = shaky->bad_page * PAGE;

		if (err && (shaky->bad_page == UINT64_MAX || (bad >= offset && bad < end)))
			return err;
		if (end > shaky->size)
			return -EFAULT;
		if (out)
			memcpy(shaky->memory + offset, iov[i].iov_base, iov[i].iov_len);
		else
			memcpy(iov[i].iov_base, shaky->memory + offset, iov[i].iov_len);
		offset = end;
	}
	return 0;
}

static int shaky_load(void *arg, uint64_t offset, const struct iovec *iov, int nr)
{
	struct shaky *shaky = arg;

	add(shaky->loads, 1);
	add(shaky->blocked, 1);
	until(!load(shaky->block));
	add(shaky->blocked, -1);
	return shaky_move(shaky, offset, iov, nr, load(shaky->load_error), false);
}

static int shaky_store(void *arg, uint64_t offset, const struct iovec *iov, int nr)
{
	struct shaky *shaky = arg;

	add(shaky->stores, 1);
	return shaky_move(shaky, offset, iov, nr, load(shaky->store_error), true);
}

static void shaky_release(void *arg)
{
	struct shaky *shaky = arg;

	add(shaky->released, 1);
}

static void shaky_map(struct engine *e, uint64_t iova, struct shaky *shaky, uint32_t pages,
		      unsigned int prot)
{
	static const struct iof_source_ops ops = {
		.load = shaky_load,
		.store = shaky_store,
		.release = shaky_release,
	};
	struct iof_source *source;
	uint32_t i;

	memset(shaky, 0, sizeof(*shaky));
	shaky->size = pages * PAGE;
	shaky->bad_page = UINT64_MAX;
	shaky->memory = malloc(shaky->size);
	for (i = 0; i < pages; i++)
		memset(shaky->memory + i * PAGE, (int)i % 251, PAGE);
	assert_ok(iof_source_new(&ops, shaky, shaky->size, &source));
	assert_ok(iof_pager_map(e->pager, 0, iova, shaky->size, source, 0, prot));
	iof_source_free(source);
	assert_int_equal(shaky->released, 0);
}

static void a_page_that_cannot_be_loaded_ends_its_descriptor_only(void **state)
{
	struct iof_pager_config config = {
		.resident = 128 * PAGE,
		.prefetch = 8,
		.prefetch_policy = IOF_PREFETCH_ALWAYS,
	};
	struct shaky from, to;
	struct engine e;

	(void)state;
	engine_open(&e, NULL, &config);
	shaky_map(&e, FROM, &from, 40, IOF_PAGER_READ);
	shaky_map(&e, TO, &to, 40, IOF_PAGER_WRITE);
	from.bad_page = 10;
	store(from.load_error, -EIO);
	/* The bad page is prefetched with its neighbours, which are loaded all the same. */
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 40 * PAGE), DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 10 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(engine_copy(&e, 0, TO + 11 * PAGE, FROM + 11 * PAGE, 29 * PAGE),
			 DSA_COMP_SUCCESS);
	assert_int_equal(load(e.errors), 1);
	assert_err(load(e.last_error), EIO);
	assert_non_null(strstr(iof_pager_error(e.pager), "offset 40960"));
	assert_int_equal(engine_stats(&e).errors, 1);
	assert_err(iof_pager_populate(e.pager, 0, FROM, 40 * PAGE), EIO);
	assert_err(iof_pager_pin(e.pager, 0, FROM + 8 * PAGE, 4 * PAGE), EIO);
	assert_int_equal(engine_stats(&e).pinned, 0);
	/* The page can become good again. */
	store(from.load_error, 0);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 40 * PAGE), DSA_COMP_SUCCESS);
	assert_ok(iof_pager_sync(e.pager, 0, TO, 40 * PAGE));
	assert_memory_equal(from.memory, to.memory, 40 * PAGE);
	engine_close(&e);
	assert_int_equal(from.released + to.released, 2);
	free(from.memory);
	free(to.memory);
}

static void a_full_disk_keeps_dirty_pages_and_is_told_once_for_each(void **state)
{
	struct iof_pager_config config = { .resident = 16 * PAGE };
	struct shaky from, to;
	struct engine e;
	int errors;

	(void)state;
	engine_open(&e, NULL, &config);
	shaky_map(&e, FROM, &from, 100, IOF_PAGER_READ);
	shaky_map(&e, TO, &to, 100, IOF_PAGER_WRITE);
	store(to.store_error, -ENOSPC);
	/* Eight dirty pages cannot be written back; the rest of the budget still serves reads. */
	assert_int_equal(engine_fill(&e, 0, TO, 0x1111, 8 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 1), DSA_COMP_SUCCESS);
	assert_true(iof_pager_sync(e.pager, 0, TO, PAGE) == -ENOSPC);
	assert_non_null(strstr(iof_pager_error(e.pager), "No space left"));
	errors = load(e.errors);
	assert_int_equal(errors, 1);
	/*
	 * There are more dirty pages than frames: in the end no frame is free, and the device gets
	 * an error.
	 */
	assert_int_equal(engine_fill(&e, 0, TO + 8 * PAGE, 0x2222, 60 * PAGE),
			 DSA_COMP_PAGE_FAULT_IR);
	assert_true(load(e.errors) > errors);
	errors = load(e.errors);
	/* one error for each page, and one for the group without a frame */
	assert_true(errors >= 16 && errors <= 18);
	assert_int_equal(engine_stats(&e).resident, 16);
	assert_int_equal(to.memory[0], 0);
	assert_true(iof_pager_unmap(e.pager, 0, TO, 100 * PAGE, 0) == -ENOSPC);
	assert_int_equal(load(e.errors), errors);
	/* Stores succeed again: no data are lost. */
	store(to.store_error, 0);
	assert_ok(iof_pager_sync(e.pager, 0, TO, 100 * PAGE));
	assert_int_equal(to.memory[PAGE], 0x11);
	assert_int_equal(to.memory[7 * PAGE], 0x11);
	assert_int_equal(to.memory[8 * PAGE], 0x22);
	assert_int_equal(engine_fill(&e, 0, TO + 8 * PAGE, 0x3333, 60 * PAGE), DSA_COMP_SUCCESS);
	assert_ok(iof_pager_unmap(e.pager, 0, TO, 100 * PAGE, 0));
	assert_int_equal(to.memory[67 * PAGE], 0x33);
	assert_int_equal(to.released, 1);
	engine_close(&e);
	free(from.memory);
	free(to.memory);
}

static void closing_tells_what_is_lost(void **state)
{
	struct iof_pager_config config = { .resident = 16 * PAGE };
	struct shaky to;
	struct engine e;

	(void)state;
	engine_open(&e, NULL, &config);
	shaky_map(&e, TO, &to, 8, IOF_PAGER_WRITE);
	assert_int_equal(engine_fill(&e, 0, TO, 1, 8 * PAGE), DSA_COMP_SUCCESS);
	to.bad_page = 3;
	store(to.store_error, -EDQUOT);
	assert_err(iof_pager_close(e.pager), EDQUOT);
	assert_int_equal(load(e.errors), 1);
	assert_int_equal(to.released, 1);
	assert_int_equal(to.memory[2 * PAGE], 1);
	assert_int_equal(to.memory[3 * PAGE], 3);
	assert_int_equal(to.memory[4 * PAGE], 1);
	munmap(e.records, RECORDS * RECORD);
	abi_world_close(e.world);
	free(to.memory);
}

static void a_file_that_shrinks_fails_and_one_that_grows_does_not(void **state)
{
	struct iof_pager_config config = { .resident = 16 * PAGE };
	int from = file_new(20 * PAGE + 10, true);
	int to = file_new(40 * PAGE, false);
	struct iof_source *source;
	struct engine e;
	char tail[PAGE];

	(void)state;
	engine_open(&e, NULL, &config);
	assert_ok(iof_source_file(from, &source));
	assert_ok(iof_pager_map(e.pager, 0, FROM, 21 * PAGE, source, 0, IOF_PAGER_READ));
	iof_source_free(source);
	assert_ok(iof_source_file(to, &source));
	assert_ok(iof_pager_map(e.pager, 0, TO, 40 * PAGE, source, 0, IOF_PAGER_WRITE));
	iof_source_free(source);
	memset(tail, 9, sizeof(tail));
	assert_int_equal(pwrite(from, tail, sizeof(tail), 20 * PAGE + 10), sizeof(tail));
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 20 * PAGE, PAGE), DSA_COMP_SUCCESS);
	assert_ok(iof_pager_sync(e.pager, 0, TO, PAGE));
	file_read(to, 0, tail, sizeof(tail));
	assert_int_equal(tail[9], 0);
	assert_int_equal(tail[10], 0);
	assert_int_equal(tail[PAGE - 1], 0);
	assert_ok(ftruncate(from, 5 * PAGE + 100));
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 5 * PAGE), DSA_COMP_SUCCESS);
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 5 * PAGE, 1), DSA_COMP_PAGE_FAULT_IR);
	assert_err(load(e.last_error), ENODATA);
	assert_int_equal(engine_copy(&e, 0, TO, FROM + 7 * PAGE, 1), DSA_COMP_PAGE_FAULT_IR);
	engine_close(&e);
	close(from);
	close(to);
}

static void impossible_sources_are_refused(void **state)
{
	struct iof_pager_config config = { .resident = 16 * PAGE };
	int empty = file_new(0, false);
	struct iof_source *source;
	struct engine e;
	int ends[2];
	int fd;

	(void)state;
	engine_open(&e, NULL, &config);
	assert_ok(iof_source_file(empty, &source));
	assert_int_equal(iof_source_size(source), 0);
	assert_err(iof_pager_map(e.pager, 0, FROM, 1, source, 0, 0), EINVAL);
	iof_source_free(source);
	close(empty);
	assert_err(iof_source_file(empty, &source), EBADF);
	assert_ok(pipe(ends));
	assert_err(iof_source_file(ends[0], &source), EINVAL);
	assert_err(iof_source_file(ends[1], &source), EACCES);
	close(ends[0]);
	close(ends[1]);
	fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	assert_err(iof_source_file(fd, &source), EINVAL);
	close(fd);
	assert_err(iof_source_zero(0, -1, &source), EINVAL);
	assert_err(iof_source_new(&(struct iof_source_ops){ 0 }, NULL, 1, &source), EINVAL);
	iof_source_free(NULL);
	engine_close(&e);
}

struct copier {
	struct engine *e;
	int stop;    /* atomic: tells the thread to stop */
	int copies;  /* atomic: number of copies */
	int faulted; /* atomic: number of copies that failed */
};

static void *copy_until_stopped(void *arg)
{
	struct copier *copier = arg;
	uint32_t i = 0;

	while (!load(copier->stop)) {
		uint8_t status = engine_copy(copier->e, 0, TO + i * 7 % 64 * PAGE,
					     FROM + i * 11 % 64 * PAGE, PAGE);

		if (status != DSA_COMP_SUCCESS && status != DSA_COMP_PAGE_FAULT_IR)
			return copier;
		add(*(status == DSA_COMP_SUCCESS ? &copier->copies : &copier->faulted), 1);
		i++;
	}
	return NULL;
}

static void ranges_come_and_go_under_a_working_device(void **state)
{
	struct iof_pager_config config = { .resident = 16 * PAGE, .threads = 2, .prefetch = 2 };
	int from = file_new(64 * PAGE, true);
	int to = file_new(64 * PAGE, false);
	struct iof_source *source, *target;
	struct copier copier = { 0 };
	pthread_t thread;
	struct engine e;
	void *failed;
	int i;

	(void)state;
	engine_open(&e, NULL, &config);
	copier.e = &e;
	assert_ok(iof_source_file(from, &source));
	assert_ok(iof_source_file(to, &target));
	assert_ok(iof_pager_map(e.pager, 0, TO, 64 * PAGE, target, 0, IOF_PAGER_WRITE));
	assert_ok(pthread_create(&thread, NULL, copy_until_stopped, &copier));
	for (i = 0; i < 200; i++) {
		int before = load(copier.copies);

		assert_ok(iof_pager_map(e.pager, 0, FROM, 64 * PAGE, source, 0, IOF_PAGER_READ));
		if (i % 50 == 0)
			until(load(copier.copies) > before);
		assert_ok(iof_pager_sync(e.pager, 0, TO, 64 * PAGE));
		if (i % 3 == 0)
			assert_ok(iof_pager_pin(e.pager, 0, FROM + i % 60 * PAGE, 2 * PAGE));
		assert_ok(iof_pager_unmap(e.pager, 0, FROM, 64 * PAGE,
					  i % 2 ? IOF_PAGER_DISCARD : 0));
	}
	i = load(copier.faulted);
	until(load(copier.faulted) > i);
	store(copier.stop, 1);
	assert_ok(pthread_join(thread, &failed));
	assert_null(failed);
	assert_int_equal(engine_stats(&e).pinned, 0);
	iof_source_free(source);
	iof_source_free(target);
	engine_close(&e);
	assert_int_equal(e.errors, 0);
	close(from);
	close(to);
}

static void detaching_does_not_wait_for_a_source(void **state)
{
	struct iof_pager_config config = { .resident = 16 * PAGE };
	struct vfio_device_detach_iommufd_pt detach = { .argsz = 8 };
	struct iof_handler_stats stats;
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_BOF,
		.src_addr = FROM,
		.dst_addr = TO,
		.xfer_size = PAGE,
	};
	struct shaky from, to;
	struct engine e;

	(void)state;
	engine_open(&e, NULL, &config);
	shaky_map(&e, FROM, &from, 8, IOF_PAGER_READ);
	shaky_map(&e, TO, &to, 8, IOF_PAGER_WRITE);
	store(from.block, 1);
	engine_start(&e, desc);
	until(load(from.blocked));
	/* The core answers in place of the handler. The handler's response is refused. */
	assert_ok(iof_ioctl(iof_pager_device_fd(e.pager), VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));
	store(from.block, 0);
	do {
		sched_yield();
		iof_handler_get_stats(iof_pager_handler(e.pager), &stats);
	} while (!stats.late);
	assert_int_equal(stats.late, 1);
	engine_close(&e);
	free(from.memory);
	free(to.memory);
}

static void *unmap_source(void *arg)
{
	struct engine *e = arg;

	return (void *)(intptr_t)iof_pager_unmap(e->pager, 0, FROM, 8 * PAGE, 0);
}

static void unmapping_waits_for_a_load_and_then_refuses(void **state)
{
	struct iof_pager_config config = { .resident = 16 * PAGE };
	struct shaky from, to;
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_BOF,
		.src_addr = FROM,
		.dst_addr = TO,
		.xfer_size = 8 * PAGE,
	};
	pthread_t thread;
	struct engine e;
	uint32_t number;
	void *ret;

	(void)state;
	engine_open(&e, NULL, &config);
	shaky_map(&e, FROM, &from, 8, IOF_PAGER_READ);
	shaky_map(&e, TO, &to, 8, IOF_PAGER_WRITE);
	store(from.block, 1);
	number = engine_start(&e, desc);
	until(load(from.blocked));
	assert_ok(pthread_create(&thread, NULL, unmap_source, &e));
	sched_yield();
	assert_int_equal(load(from.released), 0);
	store(from.block, 0);
	assert_ok(pthread_join(thread, &ret));
	assert_null(ret);
	assert_int_equal(load(from.released), 1);
	/*
	 * Whether the descriptor copied everything depends on the order of two threads; it ends in
	 * both cases.
	 */
	engine_wait(&e, number);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, PAGE), DSA_COMP_PAGE_FAULT_IR);
	engine_close(&e);
	free(from.memory);
	free(to.memory);
}

static void a_group_longer_than_the_budget_is_invalid(void **state)
{
	struct iof_dsa_config dsa = { .pages_per_group = 32 };
	struct iof_pager_config config = { .resident = 8 * PAGE };
	struct shaky from, to;
	struct engine e;

	(void)state;
	engine_open(&e, &dsa, &config);
	shaky_map(&e, FROM, &from, 32, IOF_PAGER_READ);
	shaky_map(&e, TO, &to, 32, IOF_PAGER_WRITE);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 32 * PAGE), DSA_COMP_PAGE_FAULT_IR);
	assert_err(load(e.last_error), ENOSPC);
	assert_int_equal(engine_copy(&e, 0, TO, FROM, 3 * PAGE), DSA_COMP_SUCCESS);
	engine_close(&e);
	free(from.memory);
	free(to.memory);
}

static void many_threads_ask_for_one_page_and_it_is_loaded_once(void **state)
{
	struct iof_dsa_config dsa = { .engines = 4 };
	struct iof_pager_config config = { .resident = 64 * PAGE, .threads = 4, .batch = 1 };
	uint32_t numbers[16];
	struct shaky from, to;
	struct engine e;
	uint32_t i;

	(void)state;
	engine_open(&e, &dsa, &config);
	shaky_map(&e, FROM, &from, 1, IOF_PAGER_READ);
	shaky_map(&e, TO, &to, 16, IOF_PAGER_WRITE);
	store(from.block, 1);
	for (i = 0; i < 16; i++) {
		struct dsa_hw_desc desc = {
			.opcode = DSA_OPCODE_MEMMOVE,
			.flags = IDXD_OP_FLAG_BOF,
			.src_addr = FROM,
			.dst_addr = TO + i * PAGE,
			.xfer_size = PAGE,
		};

		numbers[i] = engine_start(&e, desc);
	}
	/* One thread loads; three others are waiting for the same page. */
	until(load(from.blocked) && engine_stats(&e).groups >= 4);
	store(from.block, 0);
	for (i = 0; i < 16; i++)
		assert_int_equal(engine_wait(&e, numbers[i]), DSA_COMP_SUCCESS);
	assert_int_equal(from.loads, 1);
	assert_true(engine_stats(&e).present >= 3);
	engine_close(&e);
	free(from.memory);
	free(to.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_cannot_be_loaded_ends_its_descriptor_only),
		cmocka_unit_test(a_full_disk_keeps_dirty_pages_and_is_told_once_for_each),
		cmocka_unit_test(closing_tells_what_is_lost),
		cmocka_unit_test(a_file_that_shrinks_fails_and_one_that_grows_does_not),
		cmocka_unit_test(impossible_sources_are_refused),
		cmocka_unit_test(ranges_come_and_go_under_a_working_device),
		cmocka_unit_test(detaching_does_not_wait_for_a_source),
		cmocka_unit_test(unmapping_waits_for_a_load_and_then_refuses),
		cmocka_unit_test(a_group_longer_than_the_budget_is_invalid),
		cmocka_unit_test(many_threads_ask_for_one_page_and_it_is_loaded_once),
	};

	return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
