// SPDX-License-Identifier: MIT
/*
 * signals.c - keeps SIGSEGV and SIGBUS where they are while cmocka runs.
 *
 * cmocka puts its own handlers in place for each test and each fixture. The embedded world needs
 * these two: a bad pointer given to one of its calls is an EFAULT there, found by its handler. So
 * this signal() stands before libc's and does not let them go; a real crash then ends the program,
 * which fails all the same. Compiled into each cmocka program that has an embedded world.
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
