/* SPDX-License-Identifier: MIT */
/*
 * server.h - shared by the server's files: server.c (start and end), fuse.c (the protocol), files.c
 * (operations on files), wake.c (readiness), trace.c (--trace and --stats).
 */
#ifndef IOF_RUN_SERVER_H
#define IOF_RUN_SERVER_H

#include <linux/fuse.h>
#include <pthread.h>
#include <stdint.h>

#include "private.h"

#define IOF_RUN_MAX_IO (1u << 20) /* maximum number of bytes of one read or write */

struct iof_plat_space;

/* ---- fuse.c ---- */

/* Serves requests until the connection ends. Starts threads on demand. */
void iof_run_fuse_loop(struct iof_run *run);

/* ---- files.c ---- */

struct iof_run_file;

void iof_run_files_init(struct iof_run *run, struct iof_plat_space *space, pid_t broker);
/* Finds a node by its name. Returns 0 and the node, or a negative errno. */
int iof_run_file_find(const char *name, uint64_t *node);
int iof_run_file_open(uint64_t node, int flags, uint32_t pid, struct iof_run_file **out,
		      uint32_t *open_flags);
void iof_run_file_release(struct iof_run_file *file);
long iof_run_file_ioctl(struct iof_run_file *file, uint32_t cmd, uint64_t arg, uint32_t pid);
void iof_run_file_call(struct iof_run_file *file, struct iof_run_call *call);
ssize_t iof_run_file_read(struct iof_run_file *file, void *buf, size_t size, uint64_t pos,
			  uint32_t pid);
/*
 * Writes to a file. @cached: a program stored the data in mapped memory, and the page cache writes
 * it back.
 */
ssize_t iof_run_file_write(struct iof_run_file *file, const void *buf, size_t size, uint64_t pos,
			   bool cached, uint32_t pid);
/* Can a node's memory be mapped? Without @direct its reads go through the page cache. */
bool iof_run_node_maps(uint64_t node);
bool iof_run_any_maps(void);
void iof_run_files_map_direct(bool direct);
uint32_t iof_run_file_poll(struct iof_run_file *file, uint32_t events, uint64_t kh, bool notify);

/* ---- wake.c ---- */

void iof_run_wake_init(struct iof_run *run);
/* Makes each change of @fd to readable wake @kh, until the descriptor is closed. */
void iof_run_wake_on_readable(int fd, uint64_t kh);
/* Wakes @kh once, when @fd is writable. */
void iof_run_wake_on_writable(int fd, uint64_t kh);
void iof_run_wake_forget(int fd);
/* Returns when all wake-ups for files that are readable now have been sent. */
void iof_run_wake_settle(void);

/* ---- trace.c ---- */

enum iof_run_count {
	IOF_RUN_COUNT_OPEN,
	IOF_RUN_COUNT_IOCTL,
	IOF_RUN_COUNT_READ,
	IOF_RUN_COUNT_WRITE,
	IOF_RUN_COUNT_POLL,
	IOF_RUN_COUNT_TRAPPED,
	IOF_RUN_COUNT_FAULTS,
	IOF_RUN_COUNT_ANSWERS,
	IOF_RUN_COUNT_DESCRIPTORS,
	IOF_RUN_NR_COUNTS,
};

void iof_run_trace_init(struct iof_run *run);
void iof_run_count(enum iof_run_count what, uint64_t n);
extern bool iof_run_tracing;
/* Writes one line: time, caller, file, and the text of @format. */
void iof_run_trace(uint32_t pid, const char *file, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Returns the name of a command, or its number. */
const char *iof_run_command(char text[32], uint32_t cmd);
void iof_run_stats(struct iof_run *run);
/* Prints the reason, once, if a call failed with @rc because the caller is not dumpable. */
void iof_run_explain(uint32_t pid, long rc);

#endif
