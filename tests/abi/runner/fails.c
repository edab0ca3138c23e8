// SPDX-License-Identifier: MIT
/*
 * fails.c - tests for the runner: some pass, some fail and some are skipped, at each place.
 * fails.py has the right output.
 */
#include "cmocka.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int torn_down;

static void passes(void **state)
{
	(void)state;
	assert_int_equal(1, 1);
	assert_string_equal("a", "a");
}

static void number(void **state)
{
	(void)state;
	assert_int_equal(1 + 1, 3);
}

static void text(void **state)
{
	(void)state;
	assert_string_equal("a", "b");
}

static void bytes(void **state)
{
	(void)state;
	assert_memory_equal("aaa", "aab", 3);
}

static void message(void **state)
{
	(void)state;
	fail_msg("number %d", 7);
}

static void skipped(void **state)
{
	(void)state;
	print_message("no such thing here\n");
	skip();
}

/* A failed assertion in a child must not run the remaining tests a second time. */
static void child(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		fail_msg("in the child");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static int set_up(void **state)
{
	*state = &torn_down;
	return 0;
}

static int bad(void **state)
{
	(void)state;
	return -1;
}

static int tear_down(void **state)
{
	assert_ptr_equal(*state, &torn_down);
	torn_down++;
	return 0;
}

static void counted(void **state)
{
	(void)state;
	assert_int_equal(torn_down, 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes),
		cmocka_unit_test(number),
		cmocka_unit_test(text),
		cmocka_unit_test(bytes),
		cmocka_unit_test(message),
		cmocka_unit_test(skipped),
		cmocka_unit_test(child),
		cmocka_unit_test_setup_teardown(passes, bad, tear_down),
		cmocka_unit_test_setup_teardown(passes, set_up, bad),
		cmocka_unit_test_setup_teardown(number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(skipped, set_up, tear_down),
		cmocka_unit_test(counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
