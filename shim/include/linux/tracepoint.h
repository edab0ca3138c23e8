/* SPDX-License-Identifier: MIT */
/*
 * tracepoint.h - tracepoints as USDT probes: a nop, and a note in the ELF file that tells perf,
 * bpftrace and gdb its address and the places of its arguments.
 *
 * A listener of this process (shim/trace.c) gets the same arguments.
 *
 * The provider of the probes is TRACE_SYSTEM, which in the kernel names the set of events. The tool
 * records and prints events here, so that this part of the definition is dropped.
 */
#ifndef IOF_SHIM_LINUX_TRACEPOINT_H
#define IOF_SHIM_LINUX_TRACEPOINT_H

#include <linux/compiler.h>

#define SDT_USE_VARIADIC
#include <sys/sdt.h>

#define TP_PROTO(args...) args
#define TP_ARGS(args...) args
#define IOF_SHIM_PROBE(system, name, args...) STAP_PROBEV(system, name, ##args)

/* NULL, or iof_sys_set_listener()'s. Called in the context of the event, under its locks. */
extern void (*iof_shim_listener)(const char *event, ...);

/* Always inlined, so that arguments can stay in the registers or memory of the caller. */
#define TRACE_EVENT(name, proto, args, entry, assign, print)                                       \
	static __always_inline void trace_##name(proto)                                            \
	{                                                                                          \
		void (*listener)(const char *event, ...) =                                         \
			__atomic_load_n(&iof_shim_listener, __ATOMIC_RELAXED);                     \
                                                                                                   \
		IOF_SHIM_PROBE(TRACE_SYSTEM, name, args);                                          \
		if (unlikely(listener))                                                            \
			listener(#name, args);                                                     \
	}

#endif
