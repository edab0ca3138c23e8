// SPDX-License-Identifier: MIT
/*
 * no_memory.c - proves that the handler and the pagers survive the failure of anything that they
 * allocate. Each allocation, mapping, thread, event descriptor and object of /dev/iommu fails in
 * turn, once and from then on. The call returns the error and leaves nothing half done: all
 * allocations are freed, the device gets its answer, and the same call succeeds when there is
 * enough again.
 *
 * The files of handler/ are compiled into this program again, after failing.h.
 */
#define FAILING_ITSELF
#include "failing.h"
#include "setup.h"

#define SPACE 3u /* a PASID with a space of its own */
#define FROM  (1ull << 32)
#define TO    (2ull << 32)
#define PAGES 24u /* number of pages of source and destination each; 16 are resident */

/* ---- what fails ---- */

static struct {
	int left;    /* number of calls that succeed before a failure; negative: no failure */
	int forever; /* all later calls fail, too */
	int fired;
	long live; /* number of allocations and mappings not freed yet */
} want = { .left = -1 };

static bool fails(void)
{
	int left = load(want.left);

	/* The pager's threads allocate at the same time. */
	do {
		if (left < 0)
			return false;
	} while (!__atomic_compare_exchange_n(&want.left, &left,
					      left || load(want.forever) ? left - !!left : -1,
					      false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (left)
		return false;
	add(want.fired, 1);
	return true;
}

static void *counted(void *p)
{
	if (p)
		add(want.live, 1);
	return p;
}

void *failing_malloc(size_t size)
{
	return fails() ? NULL : counted(malloc(size));
}

void *failing_calloc(size_t nr, size_t size)
{
	return fails() ? NULL : counted(calloc(nr, size));
}

void failing_free(void *p)
{
	if (p)
		add(want.live, -1);
	free(p);
}

void *failing_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *p;

	if (fails()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	p = mmap(addr, length, prot, flags, fd, offset);
	if (p != MAP_FAILED)
		add(want.live, 1);
	return p;
}

int failing_munmap(void *addr, size_t length)
{
	add(want.live, -1);
	return munmap(addr, length);
}

int failing_eventfd(unsigned int value, int flags)
{
	if (!fails())
		return eventfd(value, flags);
	errno = EMFILE;
	return -1;
}

int failing_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			   void *arg)
{
	return fails() ? EAGAIN : pthread_create(thread, attr, fn, arg);
}

/* Fails only calls that allocate. Calls that free or invalidate need nothing and do not fail. */
int failing_ioctl(int fd, unsigned long cmd, void *arg)
{
	switch (cmd) {
	case IOMMU_IOAS_ALLOC:
	case IOMMU_IOAS_MAP:
	case IOMMU_HWPT_ALLOC:
	case IOMMU_FAULT_QUEUE_ALLOC:
	case VFIO_DEVICE_BIND_IOMMUFD:
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		if (fails())
			return -ENOMEM;
	}
	return iof_ioctl(fd, cmd, arg);
}

/* ---- what is tried ---- */

struct life {
	struct engine e;
	struct iof_pager_config config;
	struct iof_source *from, *to;
	int from_fd, to_fd;
};

static void enough(void)
{
	store(want.left, -1);
}

static bool is_want(int rc)
{
	return rc == -ENOMEM || rc == -EAGAIN || rc == -EMFILE;
}

/* Makes one call. It succeeds, or returns the injected error and succeeds when called again. */
#define must(call)                                     \
	do {                                           \
		int must_rc = (call);                  \
                                                       \
		if (is_want(must_rc)) {                \
			assert_true(load(want.fired)); \
			enough();                      \
			must_rc = (call);              \
		}                                      \
		assert_int_equal(must_rc, 0);          \
	} while (0)

static int populate(struct life *l)
{
	long rc = iof_pager_populate(l->e.pager, 0, FROM, 4 * PAGE);

	return rc < 0 ? (int)rc : 0;
}

/* Lets the device copy. A page that could not be had ends the copy with an error. */
static void copy(struct life *l, uint64_t to, uint64_t from, uint32_t bytes)
{
	uint8_t status = engine_copy(&l->e, 0, to, from, bytes);

	if (status == DSA_COMP_SUCCESS)
		return;
	assert_true(load(want.fired));
	assert_int_equal(status, DSA_COMP_PAGE_FAULT_IR);
	enough();
	assert_int_equal(engine_copy(&l->e, 0, to, from, bytes), DSA_COMP_SUCCESS);
}

static void assert_copied(struct life *l)
{
	char a[PAGE], b[PAGE];

	for (size_t at = 0; at < PAGES * PAGE; at += PAGE) {
		file_read(l->from_fd, at, a, PAGE);
		file_read(l->to_fd, at, b, PAGE);
		assert_memory_equal(a, b, PAGE);
	}
}

static void live(struct life *l)
{
	struct engine *e = &l->e;

	must(iof_pager_open(e->world, abi_vfio_path(0), &l->config, &e->pager));
	must(iof_pager_map_memory(e->pager, 0, COMPLETIONS, e->records, RECORDS * RECORD,
				  IOF_PAGER_WRITE));
	must(iof_source_file(l->from_fd, &l->from));
	must(iof_source_file(l->to_fd, &l->to));
	must(iof_pager_map(e->pager, 0, FROM, PAGES * PAGE, l->from, 0, IOF_PAGER_READ));
	must(iof_pager_map(e->pager, 0, TO, PAGES * PAGE, l->to, 0, IOF_PAGER_WRITE));
	must(iof_pager_attach(e->pager, SPACE));
	must(iof_pager_map(e->pager, SPACE, FROM, PAGES * PAGE, l->from, 0, IOF_PAGER_READ));
	must(iof_pager_refuse(e->pager, SPACE, FROM + 2 * PAGE, PAGE));
	must(populate(l));
	must(iof_pager_pin(e->pager, 0, FROM, 2 * PAGE));
	for (uint32_t i = 0; i < PAGES; i++)
		copy(l, TO + i * PAGE, FROM + i * PAGE, PAGE);
	must(iof_pager_unpin(e->pager, 0, FROM, 2 * PAGE));
	must(iof_pager_sync(e->pager, 0, TO, PAGES * PAGE));
	assert_copied(l);
	must(iof_pager_unmap(e->pager, 0, FROM, PAGES * PAGE, 0));
	must(iof_pager_detach(e->pager, SPACE));
	assert_ok(iof_pager_close(e->pager));
	iof_source_free(l->from);
	iof_source_free(l->to);
	assert_int_equal(load(want.live), 0);
}

static void lives(bool forever, uint32_t threads)
{
	struct life l = {
		.config = {
			.resident = 16 * PAGE, .threads = threads, .prefetch = 2, .engines = 1,
		},
	};
	int nth = 0;

	do {
		memset(&l.e, 0, sizeof(l.e));
		l.e.world = abi_world(&(struct iof_dsa_config){ 0 }, 1);
		l.e.records = (char *)abi_pages(RECORDS * RECORD / PAGE);
		l.from_fd = file_new(PAGES * PAGE, true);
		l.to_fd = file_new(PAGES * PAGE, false);
		store(want.fired, 0);
		store(want.forever, forever);
		store(want.left, nth++);
		live(&l);
		enough();
		close(l.from_fd);
		close(l.to_fd);
		munmap(l.e.records, RECORDS * RECORD);
		abi_world_close(l.e.world);
	} while (load(want.fired));
	/* The last run had no failure, and there were many runs with one. */
	assert_true(nth >= 50 && nth <= 5000);
}

static void each_want_once(void **state)
{
	(void)state;
	lives(false, 1);
}

static void each_want_until_it_is_told(void **state)
{
	(void)state;
	lives(true, 1);
}

static void several_threads_want(void **state)
{
	(void)state;
	lives(false, 3);
}

/* ---- the handler by itself ---- */

#define LATER 200u

struct deferred {
	uint32_t cookies[LATER];
	uint32_t nr;
};

static int decide_later(void *arg, const struct iof_fault_group *group)
{
	struct deferred *d = arg;

	d->cookies[d->nr++] = group->cookie;
	return IOF_LATER;
}

/*
 * A group that cannot be entered in the table is answered at once. No fault stays without a
 * response.
 */
static void later_needs_room(void **state)
{
	struct iof_handler *handler;
	struct iof_test_stats stats;
	int nth = 0;

	(void)state;
	do {
		struct deferred d = { .nr = 0 };
		struct iof_handler_config config = {
			.fault = decide_later,
			.arg = &d,
			.batch = 16,
		};
		uint32_t refused = 0;
		struct queue q;
		int rc;

		queue_open(&q);
		config.fault_fd = q.fault_fd;
		for (uint32_t i = 0; i < LATER; i++)
			queue_fault(&q, i, IOVA + i * PAGE);
		store(want.fired, 0);
		store(want.forever, false);
		store(want.left, nth++);
		must(iof_handler_open(&config, &handler));
		while ((rc = iof_handler_run_once(handler, 0))) {
			if (is_want(rc))
				enough();
			else
				assert_true(rc > 0);
		}
		enough();
		assert_int_equal(d.nr, LATER);
		for (uint32_t i = 0; i < LATER; i++)
			refused += !!iof_handler_respond(handler, d.cookies[i], IOF_SUCCESS);
		stats = queue_stats(&q);
		assert_int_equal(stats.success, LATER - refused);
		assert_int_equal(stats.invalid, refused);
		if (refused)
			assert_err(iof_handler_close(handler), ENOMEM);
		else
			assert_ok(iof_handler_close(handler));
		assert_true(!refused || load(want.fired));
		assert_int_equal(load(want.live), 0);
		queue_close(&q);
	} while (load(want.fired));
	assert_true(nth >= 5 && nth <= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_want_once),
		cmocka_unit_test(each_want_until_it_is_told),
		cmocka_unit_test(several_threads_want),
		cmocka_unit_test(later_needs_room),
	};

	return cmocka_run_group_tests_name("no_memory", tests, NULL, NULL);
}
