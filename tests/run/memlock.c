// SPDX-License-Identifier: MIT
/*
 * memlock.c - proves that under `iofault run` RLIMIT_MEMLOCK counts as in a kernel. The limit is
 * the calling process's; CAP_IPC_LOCK exempts; each real user has an account of its own; an unmap
 * credits the account that was charged.
 */
#include "../abi/ioas.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT 16ul  /* number of pages */
#define OTHER 12345 /* id of a user */

static void limit_to(unsigned long pages)
{
	struct rlimit limit;

	assert_ok(getrlimit(RLIMIT_MEMLOCK, &limit));
	limit.rlim_cur = pages * PAGE;
	assert_ok(setrlimit(RLIMIT_MEMLOCK, &limit));
}

static void set_exempt(bool exempt)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_ok(syscall(SYS_capget, &header, data));
	if (exempt)
		data[0].effective |= data[0].permitted & 1u << CAP_IPC_LOCK;
	else
		data[0].effective &= ~(1u << CAP_IPC_LOCK);
	assert_ok(syscall(SYS_capset, &header, data));
}

static bool can_be_exempt(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return !syscall(SYS_capget, &header, data) && data[0].permitted & 1u << CAP_IPC_LOCK;
}

static int with_device(void **state)
{
	struct abi_mock mock;
	struct fixture *f;

	if (setup(state))
		return -1;
	f = *state;
	set_exempt(false);
	limit_to(LIMIT);
	return abi_mock(f->fd, f->ioas, 0, &mock);
}

static int map(const struct fixture *f, unsigned long page, unsigned long pages)
{
	return abi_map(f->fd, f->ioas, f->buf + page * PAGE, pages * PAGE, IOVA + page * PAGE);
}

static int unmap(const struct fixture *f, unsigned long page, unsigned long pages)
{
	return abi_unmap(f->fd, f->ioas, IOVA + page * PAGE, pages * PAGE);
}

static void up_to_the_limit(void **state)
{
	struct fixture *f = *state;

	assert_err(map(f, 0, LIMIT + 1), ENOMEM);
	assert_err(unmap(f, 0, LIMIT + 1), ENOENT);
	assert_ok(map(f, 0, LIMIT));
	assert_err(map(f, LIMIT, 1), ENOMEM);
	assert_ok(unmap(f, 0, LIMIT));
	assert_ok(map(f, LIMIT, LIMIT));
}

/* The present limit counts, also for mappings made before. */
static void a_limit_that_changes(void **state)
{
	struct fixture *f = *state;

	assert_ok(map(f, 0, 8));
	limit_to(8);
	assert_err(map(f, 8, 1), ENOMEM);
	limit_to(9);
	assert_ok(map(f, 8, 1));
	assert_err(map(f, 9, 1), ENOMEM);
}

static void exempt_by_a_capability(void **state)
{
	struct fixture *f = *state;

	if (!can_be_exempt())
		skip();
	set_exempt(true);
	assert_ok(map(f, 0, 2 * LIMIT));
	set_exempt(false);
	/* these mappings were not charged */
	assert_ok(map(f, 2 * LIMIT, LIMIT));
	assert_err(map(f, 3 * LIMIT, 1), ENOMEM);
}

static void a_user_has_one_account(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	assert_ok(map(f, 0, LIMIT - 1));
	child = fork();
	if (!child) {
		/* another process of the same user, with memory of its own */
		if (map(f, LIMIT, 2) != -ENOMEM || map(f, LIMIT, 1))
			_exit(1);
		/* the process has a limit of its own, which is higher */
		limit_to(2 * LIMIT);
		_exit(map(f, 2 * LIMIT, LIMIT) ? 2 : map(f, 3 * LIMIT, 1) == -ENOMEM ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_err(map(f, LIMIT - 1, 1), ENOMEM);
	assert_ok(unmap(f, LIMIT, 1));
	assert_ok(unmap(f, 2 * LIMIT, LIMIT));
	assert_ok(map(f, LIMIT - 1, 1));
}

static void another_user_has_another(void **state)
{
	struct fixture *f = *state;

	if (geteuid() || setresuid(OTHER, OTHER, 0)) {
		skip();
		return;
	}
	assert_ok(map(f, 0, LIMIT));
	assert_err(map(f, LIMIT, 1), ENOMEM);
	assert_ok(setresuid(0, 0, 0));
	set_exempt(false);
	assert_ok(map(f, LIMIT, LIMIT));
	assert_err(map(f, 2 * LIMIT, 1), ENOMEM);
	/* any user may unmap: the account that was charged is credited */
	assert_ok(unmap(f, 0, LIMIT));
	assert_err(map(f, 2 * LIMIT, 1), ENOMEM);
	/* the real user is charged, not the effective one */
	assert_ok(setresuid(0, OTHER, 0));
	assert_err(map(f, 2 * LIMIT, 1), ENOMEM);
	assert_ok(setresuid(0, 0, 0));
	assert_ok(setresuid(OTHER, 0, 0));
	set_exempt(false);
	assert_ok(map(f, 2 * LIMIT, LIMIT));
	assert_err(map(f, 3 * LIMIT, 1), ENOMEM);
	assert_ok(setresuid(0, 0, 0));
}

/* The limit of another user's process is known from its first call on. */
static void another_user_from_the_start(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	if (geteuid()) {
		skip();
		return;
	}
	child = fork();
	if (!child) {
		limit_to(LIMIT / 2);
		if (setresuid(OTHER, OTHER, OTHER))
			_exit(1);
		if (map(f, 0, LIMIT / 2))
			_exit(2);
		_exit(map(f, LIMIT, 1) == -ENOMEM ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Pages are charged when they are pinned: the limit is that of the process that mapped. */
static void at_the_attach(void **state)
{
	struct fixture *f = *state;
	uint32_t ioas = (uint32_t)abi_ioas(f->fd);
	struct abi_mock mock;

	assert_ok(abi_map(f->fd, ioas, f->buf, (LIMIT + 1) * PAGE, IOVA));
	assert_err(abi_mock(f->fd, ioas, 0, &mock), ENOMEM);
	limit_to(LIMIT + 1);
	assert_ok(abi_mock(f->fd, ioas, 0, &mock));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, with_device, teardown)
	const struct CMUnitTest tests[] = {
		T(up_to_the_limit),
		T(a_limit_that_changes),
		T(exempt_by_a_capability),
		T(a_user_has_one_account),
		T(another_user_has_another),
		T(at_the_attach),
		T(another_user_from_the_start),
	};

	return cmocka_run_group_tests_name("memlock", tests, NULL, NULL);
}
