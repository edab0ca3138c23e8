/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iof_trace.h - what <trace/define_trace.h> reads to make the trace events of
 * core/trace_events.h.
 *
 * The first reading declares trace_NAME(), by core/trace.h. define_trace.h then
 * reads this file again, several times, with TRACE_HEADER_MULTI_READ defined
 * and other meanings of TRACE_EVENT(): so there is no include guard.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iofault

#include "core/trace.h"

#ifdef TRACE_HEADER_MULTI_READ
#include "core/trace_events.h"
#endif

/* The path is relative to the module's root, which is on the include path. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH kernel
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE iof_trace
#include <trace/define_trace.h>
