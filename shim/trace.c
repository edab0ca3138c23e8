// SPDX-License-Identifier: MIT
/*
 * trace.c - the listener of this process for trace events, beside the probes that tracers from
 * outside use.
 */
#include <linux/tracepoint.h>

#include "sys.h"

void (*iof_shim_listener)(const char *event, ...);

void iof_sys_set_listener(void (*listener)(const char *event, ...))
{
	__atomic_store_n(&iof_shim_listener, listener, __ATOMIC_RELEASE);
}
