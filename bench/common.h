/* SPDX-License-Identifier: MIT */
/*
 * common.h - what the measuring programs share: clock, medians, placement on processors, rows.
 *
 * A figure is the median of several runs, and stands beside a peer measured in the same program, in
 * turn with it. Each program prints rows "name value unit" for a person and ends with lines
 * "figure: NAME VALUE wanted RELATION LIMIT: met|missed", which scripts/bench collects.
 */
#ifndef IOFAULT_BENCH_COMMON_H
#define IOFAULT_BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_RUNS 5

uint64_t bench_now(void);			/* ns, monotonic */
double bench_median(double *values, size_t n);	/* sorts them */
/* Runs the calling thread, and those that it starts from now on, on one processor; -1: on any. */
void bench_pin(int cpu);
int bench_cpus(void);
/* Prints the reason and ends the program with 1. */
void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void bench_row(const char *name, double value, const char *unit);

/* A figure that has to be at most (or at least) @limit. */
void bench_at_most(const char *name, double value, double limit);
void bench_at_least(const char *name, double value, double limit);

#endif
