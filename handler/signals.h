/* SPDX-License-Identifier: MIT */
/*
 * signals.h - the signals of the library's own threads.
 */
#ifndef IOF_SIGNALS_H
#define IOF_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/*
 * Blocks signals, so that a thread created now gets none of the program's. Signals that an
 * instruction raises stay: the embedded world catches accesses to bad memory by them.
 */
static inline void iof_signals_block(sigset_t *before)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
	sigset_t all;
	size_t i;

	sigfillset(&all);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

#endif
