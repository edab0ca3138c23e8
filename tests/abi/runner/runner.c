// SPDX-License-Identifier: MIT
/*
 * runner.c - runs a group of tests and prints TAP, as cmocka does: the functions of this folder's
 * cmocka.h.
 *
 * A test that fails or is skipped jumps back to the runner. Only the thread that runs the tests may
 * jump; in other threads and in children a failure ends the process with status 1.
 */
#include "cmocka.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum outcome {
	PASSED,
	FAILED,
	SKIPPED,
};

static jmp_buf back;
static long runner; /* the only thread that may jump */
static pid_t process;
static char reason[400];

static _Noreturn void leave(enum outcome outcome)
{
	if (getpid() != process || syscall(SYS_gettid) != runner) {
		fprintf(stderr, "%s\n",
			outcome == SKIPPED ? "skipped in a child or thread" : reason);
		_exit(outcome == SKIPPED ? 77 : 1);
	}
	longjmp(back, outcome);
}

void runner_skip(void)
{
	leave(SKIPPED);
}

void runner_fail(const char *file, int line, const char *format, ...)
{
	va_list args;
	int used = snprintf(reason, sizeof(reason), "%s:%d: ", file, line);

	va_start(args, format);
	if (used > 0 && (size_t)used < sizeof(reason))
		vsnprintf(reason + used, sizeof(reason) - (size_t)used, format, args);
	va_end(args);
	leave(FAILED);
}

void runner_compare(const char *file, int line, const char *what, uintmax_t a, uintmax_t b,
		    _Bool equal)
{
	if ((a == b) != equal)
		runner_fail(file, line, "not true: %s: 0x%jx and 0x%jx", what, a, b);
}

void runner_memory(const char *file, int line, const char *what, const void *a, const void *b,
		   size_t size)
{
	const unsigned char *one = a, *other = b;
	size_t i;

	for (i = 0; i < size; i++)
		if (one[i] != other[i])
			runner_fail(file, line, "not true: %s: byte %zu is 0x%02x and 0x%02x", what,
				    i, one[i], other[i]);
}

void runner_string(const char *file, int line, const char *what, const char *a, const char *b)
{
	if (strcmp(a, b))
		runner_fail(file, line, "not true: %s: \"%s\" and \"%s\"", what, a, b);
}

/* Prints TAP diagnostics: each line begins with a #. */
void print_message(const char *format, ...)
{
	va_list args;

	if (format[0] != '#')
		fputs("# ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	fflush(stdout);
}

static enum outcome run_one(const struct CMUnitTest *test)
{
	static void *state;
	static bool up;
	volatile enum outcome outcome = PASSED;
	int jumped;

	state = test->initial_state;
	up = false;
	strcpy(reason, "failed");
	jumped = setjmp(back);
	if (!jumped) {
		if (test->setup_func && test->setup_func(&state))
			return snprintf(reason, sizeof(reason), "the set-up failed"), FAILED;
		up = true;
		test->test_func(&state);
	} else {
		outcome = (enum outcome)jumped;
	}
	if (!up || !test->teardown_func)
		return outcome;
	jumped = setjmp(back);
	if (jumped == FAILED)
		return FAILED;
	if (!jumped && test->teardown_func(&state) && outcome != FAILED)
		return snprintf(reason, sizeof(reason), "the tear-down failed"), FAILED;
	return outcome;
}

int runner_run(const char *group, const struct CMUnitTest *tests, size_t count)
{
	int failed = 0;
	size_t i;

	(void)group;
	process = getpid();
	runner = syscall(SYS_gettid);
	printf("1..%zu\n", count);
	fflush(stdout);
	for (i = 0; i < count; i++) {
		switch (run_one(&tests[i])) {
		case PASSED:
			printf("ok %zu - %s\n", i + 1, tests[i].name);
			break;
		case SKIPPED:
			printf("ok %zu # SKIP %s\n", i + 1, tests[i].name);
			break;
		case FAILED:
			printf("not ok %zu - %s %s\n", i + 1, tests[i].name, reason);
			failed++;
			break;
		}
		fflush(stdout);
	}
	return failed;
}
