// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * trace.c - makes the tracepoints of core/trace.h, and their events in events/iofault of tracefs.
 *
 * The list and the arguments are the core's, how they are recorded and printed is iof_trace.h's.
 * The kernel's headers do the rest, in whichever single file defines CREATE_TRACE_POINTS.
 */
#define CREATE_TRACE_POINTS
#include "kernel/iof_trace.h"
