/* SPDX-License-Identifier: MIT */
/*
 * page.h - `iofault page` and its parts.
 *
 * One run is one struct iof_page_run, on the main thread's stack, which no other thread touches but
 * for the error sentence under its lock. The parts in the order in which a run passes through them:
 *
 *	page_options.c	what was asked for
 *	page_files.c	inputs opened and judged, the output made under a name of no one's
 *	page_device.c	world, device, pager or shared address space; everything mapped
 *	page_queue.c	descriptors go in, completions come out
 *	page_verify.c	the same once more by the CPU, from the files, without the device
 *	page_report.c	the table and the JSON
 *	page.c		calls them in that order, and cleans up after whatever happened
 *
 * The work is one or more *strands*: a piece of file (or two beside each other) that one operation
 * goes through. A strand is cut into chunks, one descriptor each. Each PASID is a *lane*: the
 * chunks of a strand are dealt out to the lanes as consecutive runs, so that each lane reads
 * forward.
 */
#ifndef IOF_TOOLS_PAGE_H
#define IOF_TOOLS_PAGE_H

#include "tool.h"

#include <pthread.h>
#include <sys/stat.h>

#include <iofault/iofault.h>
#include <iofault/pager.h>
#include <iofault/vfio.h>

#define IOF_PAGE_MAX_PASIDS 256
#define IOF_PAGE_MAX_PASSES 1000

enum iof_page_op {
	IOF_PAGE_CRC32C,
	IOF_PAGE_COPY,
	IOF_PAGE_COMPARE,
	IOF_PAGE_FILL,
};

/* What the command line says. Zero where nothing was said and nothing is preset. */
struct iof_page_options {
	enum iof_page_op op;
	const char *op_name;
	enum iof_world_kind world;
	const char *device;
	uint64_t resident;
	uint64_t chunk;		/* 0: chosen by the amount of work */
	uint64_t size;		/* of fill */
	uint64_t pattern;
	uint32_t prefetch;
	uint32_t engines;
	uint32_t pasids;
	uint32_t handlers;
	uint32_t group;
	uint32_t credits;
	uint32_t depth;
	uint32_t passes;
	uint32_t spin_us;
	bool populate;
	bool sva;
	bool quiet;
	const char *out;
	const char *json;
	char **files;
	uint32_t nr_files;
};

/* An input, or the output. */
struct iof_page_file {
	const char *name;	/* as the user wrote it */
	int fd;			/* -1: none */
	struct stat stat;	/* when it was opened */
	uint64_t size;		/* which counts for the whole run, whatever becomes of the file */
	/* where the device finds it: an I/O address, or our own with --sva */
	uint64_t address;
	void *memory;		/* the same as a pointer with --sva, else NULL */
	bool written;		/* it is the output */
	/* name of the unfinished output; NULL: it has none or is finished */
	char *temporary;
	char *final;		/* name that it gets */
};

/* What one operation goes through. */
struct iof_page_strand {
	struct iof_page_file *source;	/* NULL for fill */
	struct iof_page_file *other;	/* second source of compare; target of copy and fill */
	uint64_t size;
	uint64_t nr_chunks;
	uint32_t *chunk_crcs;		/* crc32c: what the device says of each chunk */
	uint32_t crc;			/* crc32c: of all of it, by the device */
	uint32_t crc_cpu;		/* and by the CPU */
	uint64_t differs_at;		/* compare: by the device; UINT64_MAX: nowhere */
};

/* A descriptor under way. Its completion record has the same index. */
struct iof_page_slot {
	struct iof_page_strand *strand;	/* NULL: the slot is free */
	uint64_t chunk;
	uint32_t length;
	uint32_t lane;
};

/* Where a lane stands: at @chunk of strand number @strand, up to @end. */
struct iof_page_lane {
	uint32_t pasid;
	uint32_t strand;
	uint64_t chunk, end;
	bool attached;		/* --sva: the process is bound to the PASID */
};

enum iof_page_outcome {
	IOF_PAGE_UNFINISHED,
	IOF_PAGE_OK,		/* the device's result is the CPU's */
	IOF_PAGE_DIFFERENT,	/* compare: they differ, and both say at which byte */
	IOF_PAGE_WRONG,		/* the device's result is not the CPU's */
	IOF_PAGE_FAILED,	/* there is no result: a file, the device or the system failed */
	IOF_PAGE_INTERRUPTED,
};

struct iof_page_pass {
	double seconds;
	uint64_t page_requests;
};

struct iof_page_run {
	struct iof_page_options options;
	struct iof_page_file *files;	/* the inputs, then the output if there is one */
	uint32_t nr_files;
	struct iof_page_file *output;
	struct iof_page_strand *strands;
	uint32_t nr_strands;
	uint64_t bytes;			/* of all strands: one pass of the device */
	uint64_t chunk;			/* bytes */

	struct iof_world *world;
	int iommufd, device;
	struct iof_pager *pager;	/* NULL with --sva */
	struct iof_vfio_dsa_state before, after;
	struct iof_histogram latency_before, latency_after;	/* from request to resume */
	struct iof_pager_stats pager_stats;
	struct iof_handler_stats handler_stats;

	struct iof_page_lane lanes[IOF_PAGE_MAX_PASIDS];
	uint32_t turn;			/* the lane that is asked next */
	struct iof_page_slot *slots;
	uint32_t nr_slots, in_flight;
	void *records;			/* one completion record for each slot, whole pages */
	uint64_t records_address;	/* where the device finds them */
	int interrupt;			/* eventfd */
	uint64_t done;			/* bytes of this pass that are complete */
	uint64_t portal_full;		/* times that the portal took nothing */

	struct iof_page_pass *passes;
	uint32_t passes_done;
	double seconds, populate_seconds, sync_seconds, verify_seconds;
	uint64_t verify_bytes;
	enum iof_page_outcome outcome;
	int signal;
	struct iof_progress progress;

	pthread_mutex_t lock;		/* for what follows: handler threads write it */
	char sentence[512];		/* the first error of the pager */
};

/* 0; or the exit status + 1, when something was said (or help printed) and the command is over. */
int iof_page_parse(int argc, char **argv, struct iof_page_options *options);

/* All of these say what went wrong themselves and return 0 or -1. */
int iof_page_open_files(struct iof_page_run *run);
/* Gives the output its name, complete as it is. */
int iof_page_keep_output(struct iof_page_run *run);
/* Tells of inputs that are not what they were when they were opened. True: one is shorter. */
bool iof_page_files_changed(struct iof_page_run *run, bool failed);
/* Closes everything; an output that was not kept is gone afterwards. */
void iof_page_close_files(struct iof_page_run *run);

int iof_page_open_device(struct iof_page_run *run);
/* Ends the work of the device, whatever it is doing, answers all faults, writes back, closes. */
int iof_page_close_device(struct iof_page_run *run);
int iof_page_read_state(struct iof_page_run *run, struct iof_vfio_dsa_state *state);
int iof_page_read_latency(struct iof_page_run *run, struct iof_histogram *latency);

/* Sets where @lane begins in its present strand. */
void iof_page_lane_begin(const struct iof_page_run *run, struct iof_page_lane *lane);

/* One pass over all strands. A signal ends it with -1 and run->signal. */
int iof_page_work(struct iof_page_run *run);

/* Sets run->outcome. A signal ends it with -1 and run->signal. */
int iof_page_verify(struct iof_page_run *run);

/* The table on standard output (on standard error if the JSON goes there). */
void iof_page_print(struct iof_page_run *run);

/* Where the JSON goes is opened before the work, so that a wrong name is known at once. */
struct iof_page_json {
	const char *name;
	FILE *out;
	bool shared;	/* it is standard output */
};
int iof_page_json_open(struct iof_page_json *json, const char *name);
int iof_page_json_write(struct iof_page_json *json, struct iof_page_run *run);

#endif
