// SPDX-License-Identifier: MIT
/*
 * report.c - how each process of `iofault run` reports an event or a failure to the front process,
 * and how the kernel kills it when its parent ends.
 *
 * Each process has these functions. They call no other file of run/.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "private.h"

void iof_run_tame(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

static void send_report(struct iof_run *run, int kind, int status, const char *format, va_list args)
{
	struct iof_run_report report = { .kind = kind, .status = status };
	ssize_t sent;

	if (format)
		vsnprintf(report.text, sizeof(report.text), format, args);
	iof_run_tame(report.text);
	do {
		sent = send(run->report, &report, sizeof(report), MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
}

void iof_run_report(struct iof_run *run, int kind, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	send_report(run, kind, status, format, args);
	va_end(args);
}

void iof_run_die(struct iof_run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	send_report(run, IOF_RUN_FAILED, IOF_RUN_EXIT_OURS, format, args);
	va_end(args);
	_exit(IOF_RUN_EXIT_OURS);
}

void iof_run_tie(struct iof_run *run, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		iof_run_die(run, "this process cannot be tied to its parent: %s", strerror(errno));
	/* a parent in another PID namespace is 0 here */
	if (parent && getppid() != parent)
		_exit(IOF_RUN_EXIT_OURS);
}
