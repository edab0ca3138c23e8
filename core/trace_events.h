/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * trace_events.h - the events that trace.h declares; includers use that header.
 *
 * There is no include guard: kernel/iof_trace.h has the kernel read this file
 * several times, each time with another TRACE_EVENT(). In user space
 * TRACE_EVENT() makes a probe of the prototype and the arguments, and the rest
 * is dropped.
 *
 * The fields are the arguments, in the same order. Values that are printed by
 * name stand as numbers, because tools read the text of "format" in tracefs and
 * know no constant of ours.
 */

/* The form of the kernel's trace headers. */
/* clang-format off */

/* A page request came from a device. pasid 0: without one. */
TRACE_EVENT(report,
	TP_PROTO(const char *device, u32 pasid, u32 grpid, u64 addr, u32 perm,
		 u32 last),
	TP_ARGS(device, pasid, grpid, addr, perm, last),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u32, pasid)
		__field(u32, grpid)
		__field(u64, addr)
		__field(u32, perm)
		__field(u32, last)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->pasid = pasid;
		__entry->grpid = grpid;
		__entry->addr = addr;
		__entry->perm = perm;
		__entry->last = last;
	),
	/* IOMMU_PGFAULT_PERM_*, any of them */
	TP_printk("device=%s pasid=%u grpid=%u addr=0x%llx perm=%s last=%u",
		  __get_str(device), __entry->pasid, __entry->grpid,
		  __entry->addr,
		  __print_flags(__entry->perm, "|",
				{ 1, "read" },
				{ 2, "write" },
				{ 4, "exec" },
				{ 8, "priv" }),
		  __entry->last)
);

/*
 * The records of a group are about to be copied to a reader: @pages records,
 * from fault queue @queue and device @dev_id (object ids). If the copy fails,
 * the group is delivered again. bpftrace 0.17 sees the first six arguments.
 */
TRACE_EVENT(deliver,
	TP_PROTO(const char *device, u32 pasid, u32 grpid, u32 cookie,
		 u32 pages, u64 sent, u32 queue, u32 dev_id),
	TP_ARGS(device, pasid, grpid, cookie, pages, sent, queue, dev_id),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u32, pasid)
		__field(u32, grpid)
		__field(u32, cookie)
		__field(u32, pages)
		__field(u64, sent)
		__field(u32, queue)
		__field(u32, dev_id)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->pasid = pasid;
		__entry->grpid = grpid;
		__entry->cookie = cookie;
		__entry->pages = pages;
		__entry->sent = sent;
		__entry->queue = queue;
		__entry->dev_id = dev_id;
	),
	TP_printk("device=%s pasid=%u grpid=%u cookie=0x%x pages=%u sent=%llu queue=%u dev_id=%u",
		  __get_str(device), __entry->pasid, __entry->grpid,
		  __entry->cookie, __entry->pages, __entry->sent,
		  __entry->queue, __entry->dev_id)
);

/*
 * A response to a group was accepted; the driver gets it next. Cookie 0: a
 * fault of an SVA attachment, which the core resolved.
 */
TRACE_EVENT(respond,
	TP_PROTO(const char *device, u32 pasid, u32 grpid, u32 cookie,
		 u32 code, u64 sent),
	TP_ARGS(device, pasid, grpid, cookie, code, sent),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u32, pasid)
		__field(u32, grpid)
		__field(u32, cookie)
		__field(u32, code)
		__field(u64, sent)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->pasid = pasid;
		__entry->grpid = grpid;
		__entry->cookie = cookie;
		__entry->code = code;
		__entry->sent = sent;
	),
	/* enum iof_page_code */
	TP_printk("device=%s pasid=%u grpid=%u cookie=0x%x code=%s sent=%llu",
		  __get_str(device), __entry->pasid, __entry->grpid,
		  __entry->cookie,
		  __print_symbolic(__entry->code,
				   { 0, "success" },
				   { 1, "invalid" },
				   { 2, "failure" }),
		  __entry->sent)
);

/*
 * The core answers an open group INVALID, because its attachment or its queue
 * goes away. Cookie 0: no reader has read it.
 */
TRACE_EVENT(sweep,
	TP_PROTO(const char *device, u32 pasid, u32 grpid, u32 cookie, u32 why,
		 u64 sent),
	TP_ARGS(device, pasid, grpid, cookie, why, sent),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u32, pasid)
		__field(u32, grpid)
		__field(u32, cookie)
		__field(u32, why)
		__field(u64, sent)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->pasid = pasid;
		__entry->grpid = grpid;
		__entry->cookie = cookie;
		__entry->why = why;
		__entry->sent = sent;
	),
	/* enum iof_why, its first part */
	TP_printk("device=%s pasid=%u grpid=%u cookie=0x%x why=%s sent=%llu",
		  __get_str(device), __entry->pasid, __entry->grpid,
		  __entry->cookie,
		  __print_symbolic(__entry->why,
				   { 1, "detach" },
				   { 2, "replace" },
				   { 3, "close" }),
		  __entry->sent)
);

/*
 * The core answers a group INVALID when its LAST page arrives. It never has a
 * cookie.
 */
TRACE_EVENT(refuse,
	TP_PROTO(const char *device, u32 pasid, u32 grpid, u32 why, u64 sent),
	TP_ARGS(device, pasid, grpid, why, sent),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u32, pasid)
		__field(u32, grpid)
		__field(u32, why)
		__field(u64, sent)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->pasid = pasid;
		__entry->grpid = grpid;
		__entry->why = why;
		__entry->sent = sent;
	),
	/* enum iof_why, its second part */
	TP_printk("device=%s pasid=%u grpid=%u why=%s sent=%llu",
		  __get_str(device), __entry->pasid, __entry->grpid,
		  __print_symbolic(__entry->why,
				   { 4, "no-listener" },
				   { 5, "broken" },
				   { 6, "credits" },
				   { 7, "memory" }),
		  __entry->sent)
);

/* clang-format on */
