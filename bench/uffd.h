/* SPDX-License-Identifier: MIT */
/*
 * uffd.h - the peer: userfaultfd with missing pages, with the same number of pages, threads and
 * fills.
 */
#ifndef IOFAULT_BENCH_UFFD_H
#define IOFAULT_BENCH_UFFD_H

#include <stdbool.h>
#include <stdint.h>

struct uffd_config {
	uint64_t pages;
	uint32_t touchers; /* number of threads that touch pages, each its share in order */
	uint32_t batch;	   /* number of messages read at a time */
	bool poll_busily;  /* the handler spins on a non-blocking read */
	bool wake_once;	   /* fill pages without waking; one wake ends a batch */
	int toucher_cpu;   /* CPU of the toucher threads; -1: any */
	int handler_cpu;
};

/*
 * Returns the nanoseconds from the first touch to the last, or 0 if the kernel offers no
 * userfaultfd (errno is the reason).
 */
uint64_t uffd_run(const struct uffd_config *config);

#endif
