/* SPDX-License-Identifier: MIT */
/*
 * cmocka.h - the names of cmocka that the ABI tests use, for programs that need no cmocka.
 *
 * iofault-conformance is installed on machines without a test library. Its folder is first on the
 * path of tests/abi/, and runner.c has the functions. Names, arguments and the TAP output are
 * cmocka's.
 */
#ifndef TESTS_ABI_RUNNER_CMOCKA_H
#define TESTS_ABI_RUNNER_CMOCKA_H

#include <stddef.h>
#include <stdint.h>

struct CMUnitTest {
	const char *name;
	void (*test_func)(void **state);
	int (*setup_func)(void **state);
	int (*teardown_func)(void **state);
	void *initial_state;
};

#define cmocka_unit_test_setup_teardown(function, setup, teardown) \
	{                                                          \
#function, function, setup, teardown, NULL         \
	}
#define cmocka_unit_test(function) cmocka_unit_test_setup_teardown(function, NULL, NULL)

/*
 * Runs a group of tests, which has no fixtures of its own here. Returns the number of failed tests.
 */
int runner_run(const char *group, const struct CMUnitTest *tests, size_t count);

#define cmocka_run_group_tests_name(group, tests, setup, teardown) \
	((void)(setup), (void)(teardown),                          \
	 runner_run(group, tests, sizeof(tests) / sizeof((tests)[0])))
#define cmocka_run_group_tests(tests, setup, teardown) \
	cmocka_run_group_tests_name(#tests, tests, setup, teardown)

void print_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define print_error print_message

/* These end the test. In a thread or child that the test made, they end the process. */
_Noreturn void runner_skip(void);
_Noreturn void runner_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void runner_compare(const char *file, int line, const char *what, uintmax_t a, uintmax_t b,
		    _Bool equal);
void runner_memory(const char *file, int line, const char *what, const void *a, const void *b,
		   size_t size);
void runner_string(const char *file, int line, const char *what, const char *a, const char *b);

#define skip()		   runner_skip()
#define fail()		   runner_fail(__FILE__, __LINE__, "failed")
#define fail_msg(...)	   runner_fail(__FILE__, __LINE__, __VA_ARGS__)
#define assert_true(c)	   ((c) ? (void)0 : runner_fail(__FILE__, __LINE__, "%s", "not true: " #c))
#define assert_false(c)	   ((c) ? runner_fail(__FILE__, __LINE__, "%s", "not false: " #c) : (void)0)
#define assert_null(p)	   assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_int_equal(a, b) \
	runner_compare(__FILE__, __LINE__, #a " == " #b, (uintmax_t)(a), (uintmax_t)(b), 1)
#define assert_int_not_equal(a, b) \
	runner_compare(__FILE__, __LINE__, #a " != " #b, (uintmax_t)(a), (uintmax_t)(b), 0)
#define assert_ptr_equal(a, b) \
	runner_compare(__FILE__, __LINE__, #a " == " #b, (uintptr_t)(a), (uintptr_t)(b), 1)
#define assert_ptr_not_equal(a, b) \
	runner_compare(__FILE__, __LINE__, #a " != " #b, (uintptr_t)(a), (uintptr_t)(b), 0)
#define assert_memory_equal(a, b, size) runner_memory(__FILE__, __LINE__, #a " == " #b, a, b, size)
#define assert_string_equal(a, b)	runner_string(__FILE__, __LINE__, #a " == " #b, a, b)

#endif
