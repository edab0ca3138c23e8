/* SPDX-License-Identifier: MIT */
/*
 * forked.h - detects a child of the process that has the embedded worlds.
 *
 * A fork copies the memory of a world and none of its threads, and any of its locks may stay held
 * forever. So in the child each call on the world fails with ECHILD before it takes a lock. This is
 * the library's rule: `iofault run` forks before its machine has threads, and has no world.
 */
#ifndef IOF_USER_FORKED_H
#define IOF_USER_FORKED_H

#include <stdbool.h>

#include "shim/sys.h"

/* True in a child that was forked while an embedded world was open. */
extern bool iof_user_forked;

/* Does @fd belong to an embedded world of the parent? */
static inline bool iof_user_left(int fd)
{
	return iof_user_forked && iof_sys_owns(fd);
}

#endif
