/* SPDX-License-Identifier: MIT */
/*
 * common.h - functions that the benchmarks share: clock, medians, CPU placement, output rows.
 *
 * A figure is the median of several runs. The same program measures its peer, and runs the two
 * alternately. Each program prints rows "name value unit" for the reader and ends with lines
 * "figure: NAME VALUE wanted RELATION LIMIT: met|missed", which scripts/bench collects.
 */
#ifndef IOFAULT_BENCH_COMMON_H
#define IOFAULT_BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_RUNS 5

uint64_t bench_now(void);		       /* returns the monotonic clock in ns */
double bench_median(double *values, size_t n); /* sorts the array */
/* Binds the calling thread, and the threads that it creates later, to one CPU; -1: to any. */
void bench_pin(int cpu);
int bench_cpus(void);
/* Prints the message and exits with 1. */
void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void bench_row(const char *name, double value, const char *unit);

/* Print a figure that must be at most (or at least) @limit. */
void bench_at_most(const char *name, double value, double limit);
void bench_at_least(const char *name, double value, double limit);

#endif
