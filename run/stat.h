/* SPDX-License-Identifier: MIT */
/* stat.h - the calls of stat's family, for the broker. */
#ifndef IOF_RUN_STAT_H
#define IOF_RUN_STAT_H

#include <limits.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct iof_run_stat {
	enum {
		IOF_RUN_STAT_NATIVE, /* struct stat */
		IOF_RUN_STAT_SMALL,  /* struct stat64 of a 32-bit program */
		IOF_RUN_STAT_STATX,
	} form;
	int fd;	       /* the file, or the folder in which a relative path begins */
	uint64_t path; /* address of the path in the caller; 0: none, the file is fd */
	uint64_t out;  /* address of the result in the caller */
	int flags;     /* AT_* */
	unsigned int mask;
};

#define IOF_RUN_STAT_SIZE 256 /* size of the largest result */

struct iof_run;

/* Initialises this file; called once, before the threads start. */
void iof_run_stat_init(void);
/* Gives the calling thread a working directory of its own; called first in each thread. */
void iof_run_stat_thread(struct iof_run *run);
/* Parses a call. Returns false if it is another call, or has flags that the kernel should check. */
bool iof_run_stat_parse(const struct seccomp_data *data, struct iof_run_stat *call);
/* Reads the caller's string. Returns false if it is too long, or cannot be read. */
bool iof_run_stat_path(pid_t tid, uint64_t at, char path[PATH_MAX]);
/* Does the path name one of the caller's own descriptors, in /proc or /dev? */
bool iof_run_stat_names_fd(const char *path, int *fd);
/*
 * Resolves the path as the thread @tid would, relative to @dir or, with -1, to its working
 * directory. Returns 0, or -1: the call fails.
 */
int iof_run_stat_at(pid_t tid, int dir, const char *path, int flags, unsigned int mask,
		    struct statx *st);
/*
 * Tells the server that the call of thread @tid on @node ended with @result, if it wants to know.
 */
void iof_run_stat_note(const struct iof_run *run, const struct iof_run_stat *call, pid_t tid,
		       uint64_t node, int result);
/* Writes the result in the form of the call. Returns its size. */
size_t iof_run_stat_fill(const struct iof_run_stat *call, const struct statx *st,
			 char out[IOF_RUN_STAT_SIZE]);

#endif
