/* SPDX-License-Identifier: MIT */
/*
 * server.h - shared by the server's files: server.c (start and end), fuse.c (the protocol), files.c
 * (operations on files), made.c (files that calls make), plain.c (calls that a character device
 * refuses), cut.c, wake.c (readiness), trace.c (--trace and --stats; lines.h has more of it).
 */
#ifndef IOF_RUN_SERVER_H
#define IOF_RUN_SERVER_H

#include <linux/fuse.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

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
const char *iof_run_file_name(const struct iof_run_file *file);
uint32_t iof_run_file_poll(struct iof_run_file *file, uint32_t events, uint64_t kh, bool notify);

/* ---- made.c ---- */

enum iof_run_file_kind {
	IOF_RUN_KIND_IOMMU,
	IOF_RUN_KIND_VFIO,
	IOF_RUN_KIND_ATS,   /* a VFIO node with mappable memory */
	IOF_RUN_KIND_GROUP, /* a VFIO group */
	IOF_RUN_KIND_QUEUE, /* a fault queue */
	IOF_RUN_KIND_OTHER, /* an access of the test commands */
};

/* A file that a call has made. Its name tells the program's descriptors of it from others. */
struct iof_run_made {
	struct iof_run_made *next;
	unsigned int name;
	int fd;
	enum iof_run_file_kind kind;
	bool opened, closed; /* opened at most once */
	unsigned int users;  /* number of users: its opener, and the calls that name it */
	uint32_t fault_id;   /* id of the fault queue, if the file is one */
	struct iof_run_latency *latency;
};

void iof_run_made_name(unsigned int number, char name[24]);
/* Adds a file. Returns its number, or 0 if there is no memory. */
unsigned int iof_run_made_add(int fd, enum iof_run_file_kind kind, uint32_t fault_id);
/* Takes the file for its opener. Returns NULL if there is none, or if it was opened before. */
struct iof_run_made *iof_run_made_take(unsigned int name);
/* Holds the file for a call that names it. */
struct iof_run_made *iof_run_made_hold(unsigned int name);
void iof_run_made_put(struct iof_run_made *made, bool closed);
/* Prints each open fault queue, as its fdinfo and latency, as members of a JSON array. */
void iof_run_put_open_queues(FILE *out);

/* ---- plain.c ---- */

enum iof_run_plain_kind {
	IOF_RUN_PLAIN_POLL,    /* a fault queue or a device */
	IOF_RUN_PLAIN_NO_POLL, /* a file that the kernel cannot poll: epoll refuses it */
	IOF_RUN_PLAIN_MAPS,    /* a device with mappable memory */
};

/* Executes struct iof_run_plain of @call for a file with the embedded system's number @fd. */
long iof_run_plain_call(const char *name, int fd, enum iof_run_plain_kind kind,
			const struct iof_run_call *call);
/* Counts and traces a call that the protocol has answered with @rc. */
void iof_run_plain_done(const char *name, const char *what, uint32_t pid, long rc);
/* A thread counts and traces what the broker answers, until there is no broker. */
void iof_run_notes_start(struct iof_run *run);
/* Waits a second at most until it has done that. */
void iof_run_notes_finish(void);
void iof_run_trace_poll(const char *name, uint32_t events, uint32_t ready);

/* ---- ask.c ---- */

struct iof_machine;

/* Starts the thread that answers. */
void iof_run_ask_start(struct iof_run *run, struct iof_machine *machine);

/* ---- cut.c ---- */

/* Returns true if the caller has asked for more than @size bytes, and for whole records. */
bool iof_run_is_cut(uint32_t pid, size_t size, size_t record);

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
	IOF_RUN_COUNT_OTHER, /* calls that FUSE would answer as for a regular file */
	IOF_RUN_COUNT_FAULTS,
	IOF_RUN_COUNT_ANSWERS,
	IOF_RUN_COUNT_DESCRIPTORS,
	IOF_RUN_NR_COUNTS,
};

void iof_run_count(enum iof_run_count what, uint64_t n);
void iof_run_stats(struct iof_run *run);
/* Prints the counters as members of a JSON object. */
void iof_run_put_counts(FILE *out);
/* Prints the reason, once, if a call failed with @rc because the caller is not dumpable. */
void iof_run_explain(uint32_t pid, long rc);

#endif
