/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * trace.h - trace_NAME() for each event of trace_events.h: the trace events
 * iofault:NAME in the kernel, USDT probes iofault:NAME in user space.
 *
 * Without a tracer a call is a jump that is not taken, or a nop. Its arguments
 * may be loaded all the same, so they are values that the caller has at hand.
 *
 * What the events promise to a tracer: (device, pasid, grpid) names a
 * page-request group while it is open. Each report with last=1 is followed by
 * exactly one respond, sweep or refuse of its group. A deliver in between tells
 * the group's cookie. @sent is when the device sent the group's last page, in
 * nanoseconds of CLOCK_MONOTONIC; its precision is a few milliseconds if the
 * device keeps no clock.
 */
#ifndef IOF_CORE_TRACE_H
#define IOF_CORE_TRACE_H

#include "kapi.h"

#undef TRACE_SYSTEM
#define TRACE_SYSTEM iofault

#include "trace_events.h"

#endif
