// SPDX-License-Identifier: MIT
/*
 * forked.c - counts the forks of this process (forked.h).
 *
 * Only a new child writes the count, while it has one thread.
 */
#include "forked.h"

#include <pthread.h>

unsigned int iof_forks;

static void in_child(void)
{
	iof_forks++;
}

static void watch(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

void iof_forks_watch(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch);
}
