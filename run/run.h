/* SPDX-License-Identifier: MIT */
/*
 * run.h - the interface of run/ to the command line: a machine with /dev/iommu around one program.
 */
#ifndef IOF_RUN_H
#define IOF_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum iof_run_kind {
	IOF_RUN_DSA,	  /* a DMA engine with Intel DSA's descriptors */
	IOF_RUN_ATS_TEST, /* the PCI function 1234:11e9 */
};

struct iof_run_device {
	enum iof_run_kind kind;
	unsigned int credits; /* zeroes mean the defaults of model/machine.h */
	unsigned int engines;
	unsigned int queue_depth;
	unsigned int max_pasids;
	unsigned int pages_per_group;
	unsigned int delay_us; /* delay from an answer to the next attempt */
	bool share_group;      /* joins the isolation group of the device before it */
	bool no_iommu;	       /* DSA without IOMMU and isolation group */
};

#define IOF_RUN_MAX_DEVICES 64

struct iof_run_config {
	char **argv; /* the program, NULL at the end; or NULL: iof_run_check() */
	struct iof_run_device devices[IOF_RUN_MAX_DEVICES];
	unsigned int nr_devices;
	bool mock; /* test ioctls, with mock devices */
	/*
	 * number of bytes that may be mapped for devices; UINT64_MAX: no limit; 0: each process's
	 * RLIMIT_MEMLOCK
	 */
	uint64_t memlock;
	const char *trace; /* file that gets a line for each call, or NULL */
	bool trace_json;   /* write each line as a JSON object */
	bool plain_stat;   /* do not trap stat(2): device nodes are regular files to it */
	bool stats;	   /* print counts on standard error at the end */
	/* gets the reason of a failure; NULL: it goes to standard error */
	void (*complain)(const char *sentence);
};

enum {
	IOF_RUN_EXIT_OURS = 125,    /* the machine cannot be set up, or failed later */
	IOF_RUN_EXIT_NOT_RUN = 126, /* the program exists and cannot be executed */
	IOF_RUN_EXIT_NOT_FOUND = 127,
};

/*
 * Runs the program to its end. Returns the exit status of the command: the program's, 128 + n if
 * signal n ended it, or one of the above, after printing the reason on standard error.
 */
int iof_run(const struct iof_run_config *config);

#define IOF_RUN_WHY 160

/*
 * Asks the run that @pid, or a parent of it, has started. Returns 0 and its answer, which is text
 * of any content for free(); or a negative errno, and a sentence in @why. Ends in about 5 seconds.
 */
int iof_run_ask(pid_t pid, char **text, char why[IOF_RUN_WHY]);

/*
 * Makes a machine with one device, as iof_run() does, and uses its nodes from a process in place of
 * the program. Returns 0 on success. Otherwise passes @print one sentence that names the first step
 * that failed and what would allow it, and returns IOF_RUN_EXIT_OURS.
 */
int iof_run_check(void (*print)(const char *sentence));

#endif
