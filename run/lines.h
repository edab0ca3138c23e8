/* SPDX-License-Identifier: MIT */
/*
 * lines.h - how the server's files write the lines of --trace and count for --stats: trace.c (the
 * output), decode.c (arguments of commands), events.c (events of the core).
 *
 * A line is built in one piece of memory of its thread and appended to a buffer, which a thread of
 * trace.c writes. So no caller waits for the reader of a trace, and a line can be written under a
 * spinlock of the embedded system.
 */
#ifndef IOF_RUN_LINES_H
#define IOF_RUN_LINES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct iof_run;

/* ---- trace.c ---- */

struct iof_run_line {
	bool json;
	unsigned int args;
	size_t len;
	char text[1536];
};

extern bool iof_run_tracing;

/*
 * Begins the line of a call of thread @tid on @file or, with @event, of an event of the device
 * @file.
 */
void iof_run_line_begin(struct iof_run_line *line, uint32_t tid, const char *file, const char *what,
			bool event);
void iof_run_line_number(struct iof_run_line *line, const char *name, int64_t value);
void iof_run_line_hex(struct iof_run_line *line, const char *name, uint64_t value);
/* Adds an argument. @text is a constant of ours, or iof_run_tame() has cleaned it. */
void iof_run_line_text(struct iof_run_line *line, const char *name, const char *text);
/* Ends the line with @result, which is a negative errno if it is below 0. */
void iof_run_line_result(struct iof_run_line *line, long result);
/* Ends the line of a call that the kernel executes unchanged, or of an event. */
void iof_run_line_end(struct iof_run_line *line);

/*
 * Write a whole line: of a call without arguments, a close, a read or write, a transfer by a BAR.
 */
void iof_run_trace_call(uint32_t tid, const char *file, const char *what, long result);
void iof_run_trace_close(const char *file);
void iof_run_trace_move(uint32_t tid, const char *file, const char *what, size_t size, uint64_t pos,
			long result);
void iof_run_trace_transfer(const char *file, uint64_t addr, long result);

void iof_run_trace_init(struct iof_run *run); /* opens the file */
/* starts the thread that writes; called in the embedded process */
void iof_run_trace_start(struct iof_run *run);
/*
 * Writes the lines that are left, unless the reader does not read. If the trace is not complete,
 * prints the reason.
 */
void iof_run_trace_finish(struct iof_run *run);

/* Writes a JSON string in quotes. @text may be anything. */
void iof_run_put_json(FILE *out, const char *text);

/* ---- decode.c ---- */

/*
 * Writes one line for ioctl @cmd, with its arguments by name. @data has the first @size bytes of
 * the caller's structure after the call, and @result is the result of the call.
 */
void iof_run_trace_command(uint32_t tid, const char *file, uint32_t cmd, uint64_t arg,
			   const void *data, size_t size, long result);
/* A copy of the structure of @cmd, of the caller that the thread acts for. */
struct iof_run_shown {
	size_t size; /* 0: the copy is empty */
	char data[128];
};
void iof_run_show(struct iof_run_shown *shown, uint32_t cmd, const void *user);
/*
 * Adds the names of the flags in @value, and the rest as a number. @names begins with bit 0; a NULL
 * means that the bit has no name.
 */
void iof_run_line_flags(struct iof_run_line *line, const char *name, const char *const *names,
			unsigned int nr, uint64_t value);

/* ---- events.c ---- */

/* Times from a device's page request to the response that reached the core. */
struct iof_run_latency;

void iof_run_events_init(struct iof_run *run);
/*
 * Sets that the calling thread works for @tid, and on a fault queue or none, until the next call:
 * the events that the core reports meanwhile belong to them.
 */
void iof_run_work_for(uint32_t tid, struct iof_run_latency *queue);
/* Adds a fault queue. Returns NULL if there is no memory. */
struct iof_run_latency *iof_run_queue_opened(const char *name);
void iof_run_queue_read(struct iof_run_latency *queue, uint64_t records);
/* Frees the queue, or keeps its figures for --stats. */
void iof_run_queue_closed(struct iof_run_latency *queue);
/* Prints "p50 1.2 us, p99 3.4 us, max 5.6 us" or, with @json, a JSON object. */
void iof_run_put_latency(FILE *out, struct iof_run_latency *latency, bool json);
struct iof_run_latency *iof_run_device_latency(unsigned int device);
/* Prints a line of --stats for each fault queue. */
void iof_run_put_queues(FILE *out);

#endif
