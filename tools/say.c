// SPDX-License-Identifier: MIT
/*
 * say.c - messages of the command on standard error, and the end of its output.
 */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static void say(const char *format, va_list args)
{
	char line[1024];

	/* One write(), so that no other process's output splits the line. */
	vsnprintf(line, sizeof(line), format, args);
	iof_progress_wipe();
	fprintf(stderr, "iofault: %s\n", iof_tame(line));
}

void iof_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

int iof_fail(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return status;
}

int iof_flush_stdout(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	return iof_fail(status ? status : IOF_EXIT_WRONG, "standard output cannot be written: %s",
			iof_reason(errno));
}
