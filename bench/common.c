// SPDX-License-Identifier: MIT
/*
 * common.c - clock, medians, CPU placement and output rows of the benchmarks (common.h).
 */
#include "common.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

int bench_cpus(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void bench_pin(int cpu)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	for (i = 0; i < bench_cpus(); i++) {
		if (cpu < 0 || i == cpu % bench_cpus())
			CPU_SET(i, &set);
	}
	sched_setaffinity(0, sizeof(set), &set);
}

void bench_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void bench_row(const char *name, double value, const char *unit)
{
	printf("  %-62s %12.3f %s\n", name, value, unit);
	fflush(stdout);
}

void bench_at_most(const char *name, double value, double limit)
{
	printf("figure: %s %.3f wanted <= %.2f: %s\n", name, value, limit,
	       value <= limit ? "met" : "missed");
	fflush(stdout);
}

void bench_at_least(const char *name, double value, double limit)
{
	printf("figure: %s %.3f wanted >= %.2f: %s\n", name, value, limit,
	       value >= limit ? "met" : "missed");
	fflush(stdout);
}
