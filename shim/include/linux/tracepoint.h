/* SPDX-License-Identifier: MIT */
/*
 * tracepoint.h - tracepoints as USDT probes: a nop, and a note in the file that tells perf,
 * bpftrace and gdb where it is and where its arguments are.
 *
 * TRACE_SYSTEM is the provider, as it is the kernel's name for the set. How events are recorded and
 * printed is the tool's matter here, so that part is dropped.
 */
#ifndef IOF_SHIM_LINUX_TRACEPOINT_H
#define IOF_SHIM_LINUX_TRACEPOINT_H

#include <linux/compiler.h>

#define SDT_USE_VARIADIC
#include <sys/sdt.h>

#define TP_PROTO(args...) args
#define TP_ARGS(args...) args
#define IOF_SHIM_PROBE(system, name, args...) STAP_PROBEV(system, name, ##args)

/* Inlined without fail, so that arguments can stay where the caller has them. */
#define TRACE_EVENT(name, proto, args, entry, assign, print)                                       \
	static __always_inline void trace_##name(proto)                                            \
	{                                                                                          \
		IOF_SHIM_PROBE(TRACE_SYSTEM, name, args);                                          \
	}

#endif
