// SPDX-License-Identifier: MIT
/*
 * signals.c - keeps the handlers of SIGSEGV and SIGBUS while cmocka runs.
 *
 * cmocka installs its own handlers for each test and each fixture. The embedded world needs these
 * two signals: its handler turns a bad pointer in a call into EFAULT. So the signal() of this file
 * takes the place of libc's and keeps the handlers of both signals. A real crash then ends the
 * program, which fails all the same. Each cmocka program that has an embedded world has this file
 * compiled in.
 */
#include <signal.h>

sighandler_t signal(int sig, sighandler_t handler)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;

	if (sig == SIGSEGV || sig == SIGBUS)
		return SIG_DFL;
	if (sigaction(sig, &action, &old))
		return SIG_ERR;
	return old.sa_handler;
}
