/* SPDX-License-Identifier: MIT */
/*
 * forked.h - whether this process is a child of the one that opened a handler or a pager.
 *
 * A fork takes along the memory of an object and none of its threads; a lock that another thread
 * held then is held for ever. So in the child each call fails with ECHILD before it takes a lock or
 * waits for a thread.
 */
#ifndef IOF_HANDLER_FORKED_H
#define IOF_HANDLER_FORKED_H

#include <stdbool.h>

/* How many forks lie between the program's start and this process. */
extern unsigned int iof_forks;

/* Call before an object is opened; it then notes iof_forks. */
void iof_forks_watch(void);

static inline bool iof_forked(unsigned int at_open)
{
	return at_open != iof_forks;
}

#endif
