/* SPDX-License-Identifier: MIT */
/*
 * uffd.h - the peer: userfaultfd missing pages, with the same number of pages, threads and
 * fillings.
 */
#ifndef IOFAULT_BENCH_UFFD_H
#define IOFAULT_BENCH_UFFD_H

#include <stdbool.h>
#include <stdint.h>

struct uffd_config {
	uint64_t pages;
	uint32_t touchers;	/* threads that touch pages, each its share, in order */
	uint32_t batch;		/* messages read at a time */
	bool poll_busily;	/* the handler spins on a non-blocking read */
	bool wake_once;		/* pages are filled without waking, and one wake ends a batch */
	int toucher_cpu;	/* -1: any */
	int handler_cpu;
};

/*
 * Nanoseconds from the first touch to the last, or 0 if userfaultfd cannot be had (errno says why).
 */
uint64_t uffd_run(const struct uffd_config *config);

#endif
