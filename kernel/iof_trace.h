/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iof_trace.h - how the kernel records and prints the tracepoints of core/trace.h.
 *
 * Each kind of argument has a field, an assignment, a format and what is printed with it. The
 * kernel reads this file several times over, each time with other meanings for TRACE_EVENT() and
 * what is inside it; that is what the unusual guard is for. The first reading only brings the list,
 * whose declarations core/trace.h has made. kernel/trace.c is the one that makes the events.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iofault

#ifndef IOF_KERNEL_TRACE_H
#define IOF_KERNEL_TRACE_H

#include <linux/tracepoint.h>

#include "core/trace.h"

#define IOF_TRACE_FIELD_NAME(name)	__string(name, name)
#define IOF_TRACE_FIELD_U32(name)	__field(u32, name)
#define IOF_TRACE_FIELD_U64(name)	__field(u64, name)
#define IOF_TRACE_FIELD_ADDRESS(name)	__field(u64, name)
#define IOF_TRACE_FIELD_COOKIE(name)	__field(u32, name)
#define IOF_TRACE_FIELD_PERM(name)	__field(u32, name)
#define IOF_TRACE_FIELD_CODE(name)	__field(u32, name)
#define IOF_TRACE_FIELD_WHY(name)	__field(u32, name)

#define IOF_TRACE_ASSIGN_NAME(name)	__assign_str(name);
#define IOF_TRACE_ASSIGN_U32(name)	__entry->name = name;
#define IOF_TRACE_ASSIGN_U64(name)	__entry->name = name;
#define IOF_TRACE_ASSIGN_ADDRESS(name)	__entry->name = name;
#define IOF_TRACE_ASSIGN_COOKIE(name)	__entry->name = name;
#define IOF_TRACE_ASSIGN_PERM(name)	__entry->name = name;
#define IOF_TRACE_ASSIGN_CODE(name)	__entry->name = name;
#define IOF_TRACE_ASSIGN_WHY(name)	__entry->name = name;

#define IOF_TRACE_FORMAT_NAME(name)	#name "=%s"
#define IOF_TRACE_FORMAT_U32(name)	#name "=%u"
#define IOF_TRACE_FORMAT_U64(name)	#name "=%llu"
#define IOF_TRACE_FORMAT_ADDRESS(name)	#name "=0x%llx"
#define IOF_TRACE_FORMAT_COOKIE(name)	#name "=0x%x"
#define IOF_TRACE_FORMAT_PERM(name)	#name "=%s"
#define IOF_TRACE_FORMAT_CODE(name)	#name "=%s"
#define IOF_TRACE_FORMAT_WHY(name)	#name "=%s"

/* The list of names comes with its commas, so it has to be expanded before it is passed on. */
#define IOF_TRACE_NAMED(value, text)	, { value, text }
#define IOF_TRACE_SYMBOLIC(...)		__print_symbolic(__VA_ARGS__)
#define IOF_TRACE_FLAGS(...)		__print_flags(__VA_ARGS__)

#define IOF_TRACE_SHOW_NAME(name)	__get_str(name)
#define IOF_TRACE_SHOW_U32(name)	__entry->name
#define IOF_TRACE_SHOW_U64(name)	__entry->name
#define IOF_TRACE_SHOW_ADDRESS(name)	__entry->name
#define IOF_TRACE_SHOW_COOKIE(name)	__entry->name
#define IOF_TRACE_SHOW_PERM(name)                                                                  \
	IOF_TRACE_FLAGS(__entry->name, "|" IOF_TRACE_PERMS(IOF_TRACE_NAMED))
#define IOF_TRACE_SHOW_CODE(name)                                                                  \
	IOF_TRACE_SYMBOLIC(__entry->name IOF_TRACE_CODES(IOF_TRACE_NAMED))
#define IOF_TRACE_SHOW_WHY(name)                                                                   \
	IOF_TRACE_SYMBOLIC(__entry->name IOF_TRACE_WHYS(IOF_TRACE_NAMED))

#define IOF_TRACE_FIELD(kind, name)		IOF_TRACE_FIELD_##kind(name)
#define IOF_TRACE_ASSIGN(kind, name)		IOF_TRACE_ASSIGN_##kind(name)
#define IOF_TRACE_FIRST_FORMAT(kind, name)	IOF_TRACE_FORMAT_##kind(name)
#define IOF_TRACE_FORMAT(kind, name)		" " IOF_TRACE_FORMAT_##kind(name)
#define IOF_TRACE_FIRST_SHOW(kind, name)	IOF_TRACE_SHOW_##kind(name)
#define IOF_TRACE_SHOW(kind, name)		, IOF_TRACE_SHOW_##kind(name)

#define IOF_TRACE_MAKE(name, LIST)                                                                 \
	TRACE_EVENT(name, TP_PROTO(LIST(IOF_TRACE_FIRST_PARAMETER, IOF_TRACE_PARAMETER)),          \
		    TP_ARGS(LIST(IOF_TRACE_FIRST_VALUE, IOF_TRACE_VALUE)),                         \
		    TP_STRUCT__entry(LIST(IOF_TRACE_FIELD, IOF_TRACE_FIELD)),                      \
		    TP_fast_assign(LIST(IOF_TRACE_ASSIGN, IOF_TRACE_ASSIGN)),                      \
		    TP_printk(LIST(IOF_TRACE_FIRST_FORMAT, IOF_TRACE_FORMAT),                      \
			      LIST(IOF_TRACE_FIRST_SHOW, IOF_TRACE_SHOW)));

#endif

#ifdef TRACE_HEADER_MULTI_READ
IOF_TRACE_EVENTS(IOF_TRACE_MAKE)
#endif

/* From the module's root, which is on the include path. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH kernel
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE iof_trace
#include <trace/define_trace.h>
