/* SPDX-License-Identifier: MIT */
/*
 * page.h - `iofault page` and its parts.
 *
 * One run is one struct iof_page_run on the main thread's stack. Other threads touch only its error
 * sentence, under its lock. The parts, in the order in which a run calls them:
 *
 *	page_options.c	parses and checks the command line
 *	page_files.c	opens and checks the inputs, makes the output under a temporary name
 *	page_device.c	opens world and device, sets up a pager or SVA, maps all files
 *	page_queue.c	submits descriptors, reaps completions
 *	page_samples.c	notes how far the run is, for the JSON
 *	page_verify.c	does the same work by the CPU, from the files, without the device
 *	page_report.c	prints the table and the JSON
 *	page.c		calls the others in that order, and cleans up on every path
 *
 * The work is one or more *strands*: a range of a file (or of two files, side by side) that one
 * operation processes. A strand is cut into chunks of one descriptor each. Each PASID is a *lane*.
 * Each lane gets one consecutive run of a strand's chunks, so that each lane reads forward.
 */
#ifndef IOF_TOOLS_PAGE_H
#define IOF_TOOLS_PAGE_H

#include "engine.h"
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

/* The parsed command line. A field without an option and without a default is zero. */
struct iof_page_options {
	enum iof_page_op op;
	const char *op_name;
	enum iof_world_kind world;
	const char *device;
	uint64_t resident;
	uint64_t chunk; /* 0: choose_chunk() chooses it */
	uint64_t size;	/* number of bytes that fill writes */
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
	bool direct;
	bool sva;
	bool quiet;
	const char *out;
	const char *json;
	char **files;
	uint32_t nr_files;
};

/* An input file or the output file. */
struct iof_page_file {
	const char *name; /* as the user wrote it */
	int fd;		  /* -1: none */
	struct stat stat; /* at open time */
	/* size when it was opened; the run uses it even if the file's size changes */
	uint64_t size;
	/* address for the device: an I/O address, or with --sva a process address */
	uint64_t address;
	void *memory; /* with --sva the same address as a pointer, else NULL */
	bool written; /* this is the output */
	/* temporary name of an unfinished output; NULL: it has no name yet, or is finished */
	char *temporary;
	char *final; /* name of the finished output */
};

/* The data that one operation processes. */
struct iof_page_strand {
	struct iof_page_file *source; /* NULL for fill */
	struct iof_page_file *other;  /* second source of compare; target of copy and fill */
	uint64_t size;
	uint64_t nr_chunks;
	uint32_t *chunk_crcs; /* crc32c: the device's CRC of each chunk */
	uint32_t crc;	      /* crc32c: the device's CRC of the whole */
	uint32_t crc_cpu;     /* crc32c: the CPU's CRC of the whole */
	/* compare: first difference that the device found; UINT64_MAX: none */
	uint64_t differs_at;
};

/* A descriptor in flight. Its completion record has the same index. */
struct iof_page_slot {
	struct iof_page_strand *strand; /* NULL: the slot is free */
	uint64_t chunk;
	uint32_t length;
	uint32_t lane;
};

/*
 * Position of a lane. Its next chunk is @chunk of strand number @strand; its last one is @end - 1.
 */
struct iof_page_lane {
	uint32_t pasid;
	uint32_t strand;
	uint64_t chunk, end;
	bool attached; /* --sva: the process is bound to the PASID */
};

enum iof_page_outcome {
	IOF_PAGE_UNFINISHED,
	IOF_PAGE_OK, /* device and CPU have the same result */
	/* compare: the files differ; device and CPU found the same first byte */
	IOF_PAGE_DIFFERENT,
	IOF_PAGE_WRONG,	 /* device and CPU have different results */
	IOF_PAGE_FAILED, /* there is no result: a file, the device or the system failed */
	IOF_PAGE_INTERRUPTED,
};

/* How far a run was when a descriptor was complete. */
struct iof_page_sample {
	uint64_t ns; /* since the first completion */
	uint64_t address;
	uint32_t lane;
	uint64_t faults, resident, evictions; /* so far; bytes now; so far */
};

#define IOF_PAGE_MAX_SAMPLES 1024

struct iof_page_samples {
	uint64_t begun, seen, stride;
	uint32_t nr;
	struct iof_page_sample list[IOF_PAGE_MAX_SAMPLES];
};

struct iof_page_pass {
	double seconds;
	uint64_t page_requests;
};

struct iof_page_run {
	struct iof_page_options options;
	struct iof_page_file *files; /* the inputs, then the output if any */
	uint32_t nr_files;
	struct iof_page_file *output;
	struct iof_page_strand *strands;
	uint32_t nr_strands;
	uint64_t bytes; /* number of bytes of all strands, which one pass of the device processes */
	uint64_t chunk; /* number of bytes */

	struct iof_world *world;
	int iommufd, device;
	struct iof_engine engine;
	struct iof_pager *pager; /* NULL with --sva */
	struct iof_vfio_dsa_state before, after;
	struct iof_histogram latency_before, latency_after; /* time from page request to resume */
	struct iof_pager_stats pager_stats;
	struct iof_handler_stats handler_stats;

	struct iof_page_lane lanes[IOF_PAGE_MAX_PASIDS];
	uint32_t turn; /* the lane whose turn it is to give a chunk */
	struct iof_page_slot *slots;
	uint32_t nr_slots, in_flight;
	void *records; /* one completion record for each slot, in whole pages */
	uint64_t records_bytes;
	uint64_t records_address; /* their address for the device */
	int interrupt;		  /* eventfd that completions signal */
	uint64_t done;		  /* number of complete bytes of this pass */
	uint64_t portal_full;	  /* number of times that the portal took nothing */
	/* a real device: when it or the handler last went on, and how far they were then */
	uint64_t moved, moved_done, moved_groups;

	struct iof_page_pass *passes;
	uint32_t passes_done;
	double seconds, populate_seconds, sync_seconds, verify_seconds;
	uint64_t verify_bytes;
	enum iof_page_outcome outcome;
	int signal;
	struct iof_progress progress;
	struct iof_page_samples samples; /* with --json */

	pthread_mutex_t lock; /* guards the rest, which handler threads write */
	char sentence[512];   /* the first error of the pager */
};

/* Returns 0, or the exit status + 1 if the command ends here: after a message or the help text. */
int iof_page_parse(int argc, char **argv, struct iof_page_options *options);

/* The functions below return 0, or -1 after printing a message, unless they say otherwise. */
int iof_page_open_files(struct iof_page_run *run);
/* Renames the complete output to its final name. */
int iof_page_keep_output(struct iof_page_run *run);
/*
 * Prints a message for each input that changed since it was opened. Returns true if one is shorter.
 */
bool iof_page_files_changed(struct iof_page_run *run, bool failed);
/* Closes all files and deletes an output that was not kept. */
void iof_page_close_files(struct iof_page_run *run);

int iof_page_open_device(struct iof_page_run *run);
/* Stops the device, which ends its open faults; writes pages back; closes everything. */
int iof_page_close_device(struct iof_page_run *run);
int iof_page_read_state(struct iof_page_run *run, struct iof_vfio_dsa_state *state);

/* Sets @lane to its first chunk of its current strand. */
void iof_page_lane_begin(const struct iof_page_run *run, struct iof_page_lane *lane);

/* Does one pass over all strands. A signal ends it: -1, with run->signal set. */
int iof_page_work(struct iof_page_run *run);

/* Takes a sample for the JSON, at the completion of the descriptor in @slot. */
void iof_page_sample(struct iof_page_run *run, const struct iof_page_slot *slot);
struct json_object;
struct json_object *iof_page_samples_json(const struct iof_page_run *run);

/*
 * Checks the result by the CPU and sets run->outcome. A signal ends it: -1, with run->signal set.
 */
int iof_page_verify(struct iof_page_run *run);

/* Prints the table on standard output (on standard error if the JSON goes to standard output). */
void iof_page_print(struct iof_page_run *run);

/* The file for the JSON. It is opened before the work, so that a bad name fails at once. */
struct iof_page_json {
	const char *name;
	FILE *out;
	bool shared; /* @out is stdout: do not close it */
};
int iof_page_json_open(struct iof_page_json *json, const char *name);
int iof_page_json_write(struct iof_page_json *json, struct iof_page_run *run);

#endif
