/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * trace.h - the tracepoints: one list, from which both worlds make what their tools look for.
 *
 * IOF_TRACE_EVENTS() names each event, and a macro per event lists its arguments as (kind, name);
 * the kinds stand below, with their types. The kernel makes trace events iofault:NAME of it
 * (kernel/iof_trace.h says how each kind is recorded and printed); in user space the stand-in of
 * <linux/tracepoint.h> makes USDT probes iofault:NAME, with the same arguments in the same order.
 * The shared rooms call trace_NAME(). Nobody looking, that is a jump that is not taken, or a nop:
 * but its arguments may be loaded, so they are only what the caller has at hand.
 *
 * What a person reads off them: (device, pasid, grpid) names a group while it is open. Each report
 * with last=1 is followed by exactly one answer or one sweep of its group; a deliver in between
 * says who has it, and under which cookie. @sent is when the device sent the group's last page, in
 * nanoseconds of CLOCK_MONOTONIC (to a few milliseconds, if the device keeps no clock).
 */
#ifndef IOF_CORE_TRACE_H
#define IOF_CORE_TRACE_H

#include "kapi.h"

#define IOF_TRACE_EVENTS(EVENT)                                                                    \
	EVENT(report, IOF_TRACE_REPORT)                                                            \
	EVENT(deliver, IOF_TRACE_DELIVER)                                                          \
	EVENT(answer, IOF_TRACE_ANSWER)                                                            \
	EVENT(sweep, IOF_TRACE_SWEEP)

/* A page request came from a device. pasid 0: without one. */
#define IOF_TRACE_REPORT(FIRST, ARG)                                                               \
	FIRST(NAME, device)                                                                        \
	ARG(U32, pasid)                                                                            \
	ARG(U32, grpid)                                                                            \
	ARG(ADDRESS, addr)                                                                         \
	ARG(PERM, perm)                                                                            \
	ARG(U32, last)

/*
 * The records of a group are about to be copied to a reader: @pages of them, from fault queue
 * @queue and device @dev_id (object ids). Should the reader's memory be bad, the group is delivered
 * again. bpftrace 0.17 sees the first six.
 */
#define IOF_TRACE_DELIVER(FIRST, ARG)                                                              \
	FIRST(NAME, device)                                                                        \
	ARG(U32, pasid)                                                                            \
	ARG(U32, grpid)                                                                            \
	ARG(COOKIE, cookie)                                                                        \
	ARG(U32, pages)                                                                            \
	ARG(U64, sent)                                                                             \
	ARG(U32, queue)                                                                            \
	ARG(U32, dev_id)

/*
 * A group's response was accepted and goes to the driver. Cookie 0: a fault of an SVA attachment,
 * which the core resolved.
 */
#define IOF_TRACE_ANSWER(FIRST, ARG)                                                               \
	FIRST(NAME, device)                                                                        \
	ARG(U32, pasid)                                                                            \
	ARG(U32, grpid)                                                                            \
	ARG(COOKIE, cookie)                                                                        \
	ARG(CODE, code)                                                                            \
	ARG(U64, sent)

/* The core answers a group INVALID by itself. Cookie 0: nobody had read it. */
#define IOF_TRACE_SWEEP(FIRST, ARG)                                                                \
	FIRST(NAME, device)                                                                        \
	ARG(U32, pasid)                                                                            \
	ARG(U32, grpid)                                                                            \
	ARG(COOKIE, cookie)                                                                        \
	ARG(WHY, why)                                                                              \
	ARG(U64, sent)

/* The kinds of arguments; ADDRESS and COOKIE are printed in hexadecimal, the last three by name. */
#define IOF_TRACE_TYPE_NAME	const char *
#define IOF_TRACE_TYPE_U32	u32
#define IOF_TRACE_TYPE_U64	u64
#define IOF_TRACE_TYPE_ADDRESS	u64
#define IOF_TRACE_TYPE_COOKIE	u32
#define IOF_TRACE_TYPE_PERM	u32
#define IOF_TRACE_TYPE_CODE	u32
#define IOF_TRACE_TYPE_WHY	u32

/* IOMMU_PGFAULT_PERM_*, any of them */
#define IOF_TRACE_PERMS(VALUE)                                                                     \
	VALUE(1, "read")                                                                           \
	VALUE(2, "write")                                                                          \
	VALUE(4, "exec")                                                                           \
	VALUE(8, "priv")

/* enum iof_page_code */
#define IOF_TRACE_CODES(VALUE)                                                                     \
	VALUE(0, "success")                                                                        \
	VALUE(1, "invalid")                                                                        \
	VALUE(2, "failure")

/* enum iof_why */
#define IOF_TRACE_WHYS(VALUE)                                                                      \
	VALUE(1, "detach")                                                                         \
	VALUE(2, "replace")                                                                        \
	VALUE(3, "close")                                                                          \
	VALUE(4, "nobody")                                                                         \
	VALUE(5, "broken")                                                                         \
	VALUE(6, "credits")                                                                        \
	VALUE(7, "memory")

#define IOF_TRACE_FIRST_PARAMETER(kind, name)	IOF_TRACE_TYPE_##kind name
#define IOF_TRACE_PARAMETER(kind, name)		, IOF_TRACE_TYPE_##kind name
#define IOF_TRACE_FIRST_VALUE(kind, name)	name
#define IOF_TRACE_VALUE(kind, name)		, name

/*
 * Declares trace_NAME(); recording and printing are told elsewhere, to those who make the events.
 */
#define IOF_TRACE_DECLARE(name, LIST)                                                              \
	TRACE_EVENT(name, TP_PROTO(LIST(IOF_TRACE_FIRST_PARAMETER, IOF_TRACE_PARAMETER)),          \
		    TP_ARGS(LIST(IOF_TRACE_FIRST_VALUE, IOF_TRACE_VALUE)), TP_STRUCT__entry(),     \
		    TP_fast_assign(), TP_printk(""));

#undef TRACE_SYSTEM
#define TRACE_SYSTEM iofault

IOF_TRACE_EVENTS(IOF_TRACE_DECLARE)

#endif
