/* SPDX-License-Identifier: MIT */
/*
 * container_of.h - from a member to the struct that contains it; checks the type of the member.
 */
#ifndef IOF_SHIM_LINUX_CONTAINER_OF_H
#define IOF_SHIM_LINUX_CONTAINER_OF_H

#include <linux/stddef.h>
#include <linux/compiler.h>

#define container_of(ptr, type, member) \
	({ \
		void *iof_member = (void *)(ptr); \
		_Static_assert(__same_type(*(ptr), ((type *)0)->member) || \
			       __same_type(*(ptr), void), "container_of() of another type"); \
		(type *)((char *)iof_member - offsetof(type, member)); \
	})

#endif
