// SPDX-License-Identifier: MIT
/*
 * access.c - proves what the mock device cannot show: an access that does not unpin, pins while
 * another thread unmaps and maps, and failures at each step.
 */
#include "env.h"

#define IOVA  0x10000000ul
#define PAGES 8ul
#define LAST  (IOVA + PAGES * PAGE_SIZE - 1)

struct user {
	struct iof_access *access;
	bool deaf;   /* unmap() does nothing */
	bool greedy; /* unmap() unpins and pins again, as another thread might */
	unsigned int asked;
	pthread_mutex_t lock;
	bool pinned; /* the access has pinned [IOVA, IOVA + PAGES pages) */
	int again;   /* result of a pin for writing during an unmap */
};

static void user_unmap(void *priv, unsigned long iova, unsigned long last)
{
	struct user *user = priv;
	struct page *page, *pages[PAGES];

	pthread_mutex_lock(&user->lock);
	user->asked++;
	user->again = iof_access_pin(user->access, IOVA, IOVA + PAGE_SIZE - 1, true, &page);
	if (!user->again)
		iof_access_unpin(user->access, IOVA, IOVA + PAGE_SIZE - 1);
	if (user->pinned && !user->deaf && iova <= LAST && last >= IOVA) {
		iof_access_unpin(user->access, IOVA, LAST);
		user->pinned = user->greedy &&
			       !iof_access_pin(user->access, IOVA, LAST, true, pages);
	}
	pthread_mutex_unlock(&user->lock);
}

static const struct iof_access_ops ops = { .unmap = user_unmap, .pins_pages = true };

static int pin(struct user *user)
{
	struct page *pages[PAGES];
	int rc = 0;

	pthread_mutex_lock(&user->lock);
	if (!user->pinned)
		rc = iof_access_pin(user->access, IOVA, LAST, true, pages);
	if (!rc)
		user->pinned = true;
	pthread_mutex_unlock(&user->lock);
	return rc;
}

static void unpin(struct user *user)
{
	pthread_mutex_lock(&user->lock);
	if (user->pinned)
		iof_access_unpin(user->access, IOVA, LAST);
	user->pinned = false;
	pthread_mutex_unlock(&user->lock);
}

static void begin(struct env *env, struct user *user, u32 ioas)
{
	*user = (struct user){ .lock = PTHREAD_MUTEX_INITIALIZER };
	user->access = iof_access_create(env->ctx, &ops, user);
	assert_false(IS_ERR(user->access));
	assert_ok(iof_access_attach(user->access, ioas));
}

static int unmap(struct env *env, u32 ioas, unsigned long iova, unsigned long length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};

	return env_ioctl(env->fd, IOMMU_IOAS_UNMAP, &cmd);
}

/* b20: the unmap asks a hundred times, then gives up and leaves all as it was. */
static void b20_who_does_not_let_go(void **state)
{
	struct env *env = *state;
	void *memory = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);
	u32 ioas = (u32)env_ioas(env->fd);
	struct user user;

	assert_ok(env_map(env->fd, ioas, memory, PAGES * PAGE_SIZE, IOVA));
	begin(env, &user, ioas);
	assert_ok(pin(&user));
	user.deaf = true;
	assert_err(unmap(env, ioas, IOVA, PAGES * PAGE_SIZE), EDEADLK);
	assert_int_equal(user.asked, 100);
	assert_int_equal(iof_shim_pin_count(memory), 1);
	/* The access may pin again, and unpin at any time. */
	unpin(&user);
	assert_ok(pin(&user));
	user.deaf = false;
	assert_ok(unmap(env, ioas, 0, ULONG_MAX));
	assert_false(user.pinned);
	assert_int_equal(iof_shim_pin_count(memory), 0);
	iof_access_destroy(user.access);
	free(memory);
}

/* An area that is being unmapped takes no pins. This error comes before that of a missing right. */
static void who_leaves_takes_no_pins(void **state)
{
	struct env *env = *state;
	void *memory = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);
	struct page *pages[PAGES];
	u32 ioas = (u32)env_ioas(env->fd);
	struct user user;
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = IOVA,
		.length = PAGES * PAGE_SIZE,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.user_va = (uintptr_t)memory,
	};

	assert_ok(env_ioctl(env->fd, IOMMU_IOAS_MAP, &cmd));
	begin(env, &user, ioas);
	assert_err(iof_access_pin(user.access, IOVA, LAST, true, pages), EPERM);
	assert_ok(iof_access_pin(user.access, IOVA, LAST, false, pages));
	user.pinned = true;
	assert_ok(unmap(env, ioas, IOVA, PAGES * PAGE_SIZE));
	assert_err(user.again, EINVAL);
	iof_access_destroy(user.access);
	free(memory);
}

/*
 * VFIO's first version: an access that is asked to unpin, so that a mapping can be cut, gets no new
 * pins there.
 */
static void who_is_cut_takes_no_pins(void **state)
{
	struct env *env = *state;
	void *memory = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);
	u32 ioas = (u32)env_ioas(env->fd);
	struct iommu_option small = {
		.size = sizeof(small),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas,
	};
	struct iof_object *obj = iof_object_get(env->ctx, ioas, &iof_ioas_ops);
	struct iof_map *map = &container_of(obj, struct iof_ioas, obj)->map;
	struct user user;

	assert_ok(env_ioctl(env->fd, IOMMU_OPTION, &small));
	assert_ok(env_map(env->fd, ioas, memory, PAGES * PAGE_SIZE, IOVA));
	begin(env, &user, ioas);
	assert_ok(pin(&user));
	/* No access is asked to unpin if the cut is not possible. */
	assert_err(iof_map_cut(map, IOVA + PAGE_SIZE + 1), EINVAL);
	assert_int_equal(user.asked, 0);
	user.greedy = true;
	assert_ok(iof_map_cut(map, IOVA + PAGE_SIZE));
	assert_int_equal(user.asked, 1);
	/* Both parts can be pinned then. They stay pinned when the next cut gives up. */
	assert_ok(pin(&user));
	user.deaf = true;
	assert_err(iof_map_cut(map, IOVA + 2 * PAGE_SIZE), EDEADLK);
	unpin(&user);
	assert_ok(pin(&user));
	unpin(&user);
	iof_object_put(obj);
	iof_access_destroy(user.access);
	assert_int_equal(iof_shim_pin_count(memory), 0);
	free(memory);
}

/*
 * b18: an unmap removes the areas below the pinned one, and asks the access for the pinned one
 * only.
 */
static void b18_what_lies_below_is_gone(void **state)
{
	struct env *env = *state;
	void *memory = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);
	u32 ioas = (u32)env_ioas(env->fd);
	struct user user;

	assert_ok(env_map(env->fd, ioas, memory, PAGES * PAGE_SIZE, IOVA - PAGES * PAGE_SIZE));
	assert_ok(env_map(env->fd, ioas, memory, PAGES * PAGE_SIZE, IOVA));
	begin(env, &user, ioas);
	assert_ok(pin(&user));
	assert_ok(unmap(env, ioas, IOVA - PAGES * PAGE_SIZE, PAGES * PAGE_SIZE));
	assert_int_equal(user.asked, 0);
	assert_ok(env_map(env->fd, ioas, memory, PAGES * PAGE_SIZE, IOVA - PAGES * PAGE_SIZE));
	user.deaf = true;
	assert_err(unmap(env, ioas, 0, ULONG_MAX), EDEADLK);
	assert_ok(env_map(env->fd, ioas, memory, PAGES * PAGE_SIZE, IOVA - PAGES * PAGE_SIZE));
	user.deaf = false;
	iof_access_destroy(user.access);
	assert_ok(unmap(env, ioas, 0, ULONG_MAX));
	free(memory);
}

/* ---- at the same time ---- */

struct race {
	struct env *env;
	struct user *user;
	u32 ioas[2];
	void *memory;
	atomic_t stop;
};

static void *pinner(void *arg)
{
	struct race *race = arg;

	while (!atomic_read(&race->stop)) {
		int rc = pin(race->user);

		if (rc != 0 && rc != -ENOENT && rc != -EINVAL)
			BUG();
		unpin(race->user);
	}
	return NULL;
}

static void *mover(void *arg)
{
	struct race *race = arg;
	unsigned int i;

	for (i = 0; !atomic_read(&race->stop); i++)
		if (iof_access_attach(race->user->access, race->ioas[i & 1]))
			BUG();
	return NULL;
}

static void pins_against_unmaps_and_moves(void **state)
{
	struct env *env = *state;
	struct user user;
	struct race race = {
		.env = env,
		.user = &user,
		.ioas = { (u32)env_ioas(env->fd), (u32)env_ioas(env->fd) },
		.memory = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE),
		.stop = ATOMIC_INIT(0),
	};
	pthread_t threads[2];
	int i;

	begin(env, &user, race.ioas[0]);
	assert_int_equal(pthread_create(&threads[0], NULL, pinner, &race), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, mover, &race), 0);
	for (i = 0; i < 2000; i++) {
		u32 ioas = race.ioas[i / 3 & 1];

		assert_ok(env_map(env->fd, ioas, race.memory, PAGES * PAGE_SIZE, IOVA));
		if (i % 5 == 0)
			sched_yield();
		assert_ok(unmap(env, ioas, IOVA, PAGES * PAGE_SIZE));
	}
	atomic_set(&race.stop, 1);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	unpin(&user);
	assert_int_equal(iof_shim_pin_count(race.memory), 0);
	iof_access_destroy(user.access);
	free(race.memory);
}

/* ---- failures ---- */

/*
 * Creates an access, attaches, pins and copies. Returns 0 or the first error. *fired: number of
 * failures of @kind meanwhile. Destroying it cannot fail; user_unmap() in it tries a pin that never
 * succeeds.
 */
static int session(struct env *env, u32 ioas, const unsigned char *memory, enum iof_fail_kind kind,
		   unsigned long *fired)
{
	struct user user = { .lock = PTHREAD_MUTEX_INITIALIZER };
	unsigned char byte = 0;
	int rc;

	user.access = iof_access_create(env->ctx, &ops, &user);
	*fired = iof_fail_fired(kind);
	if (IS_ERR(user.access))
		return PTR_ERR(user.access);
	rc = iof_access_attach(user.access, ioas);
	if (!rc)
		rc = pin(&user);
	if (!rc)
		rc = iof_access_rw(user.access, IOVA + PAGE_SIZE, &byte, 1, false);
	if (!rc && byte != memory[PAGE_SIZE])
		rc = -EIO;
	*fired = iof_fail_fired(kind);
	iof_access_destroy(user.access);
	return rc;
}

static void every_failure_leaves_nothing(void **state)
{
	struct env *env = *state;
	unsigned char *memory = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);
	u32 ioas = (u32)env_ioas(env->fd);
	enum iof_fail_kind kind;
	unsigned long n;
	int rc;

	memset(memory, 7, PAGES * PAGE_SIZE);
	assert_ok(env_map(env->fd, ioas, memory, PAGES * PAGE_SIZE, IOVA));
	for (kind = 0; kind < IOF_FAIL_KINDS; kind++) {
		for (n = 1;; n++) {
			unsigned long fired;

			iof_fail_nth_thread(kind, n, true);
			rc = session(env, ioas, memory, kind, &fired);
			iof_fail_nth_thread(kind, 0, false);
			if (!fired)
				break;
			assert_true(rc == -ENOMEM || rc == -EFAULT || rc == -EINTR);
			assert_int_equal(iof_shim_pin_count(memory), 0);
		}
		assert_ok(rc);
	}
	free(memory);
}

#define T(name) cmocka_unit_test_setup_teardown(name, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(b20_who_does_not_let_go),	  T(who_leaves_takes_no_pins),
		T(who_is_cut_takes_no_pins),	  T(b18_what_lies_below_is_gone),
		T(pins_against_unmaps_and_moves), T(every_failure_leaves_nothing),
	};

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
