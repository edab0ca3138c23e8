/* SPDX-License-Identifier: MIT */
/*
 * forked.h - tells whether this process is a child of the one that opened a handler or a pager.
 *
 * A child has the memory of the object and none of its threads. A lock that another thread held
 * during the fork stays locked in the child. So in the child each call fails with ECHILD before it
 * takes a lock or waits for a thread.
 */
#ifndef IOF_HANDLER_FORKED_H
#define IOF_HANDLER_FORKED_H

#include <stdbool.h>

/* Number of forks between the start of the program and this process. */
extern unsigned int iof_forks;

/* Installs the counter. Call it before opening an object; the object then stores iof_forks. */
void iof_forks_watch(void);

static inline bool iof_forked(unsigned int at_open)
{
	return at_open != iof_forks;
}

#endif
