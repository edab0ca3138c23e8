// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * trace.c - the one file that makes the trace events of core/trace_events.h,
 * and with them events/iofault in tracefs.
 */
#define CREATE_TRACE_POINTS
#include "kernel/iof_trace.h"
