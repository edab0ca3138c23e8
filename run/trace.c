// SPDX-License-Identifier: MIT
/*
 * trace.c - the output of --trace, one line for each call as it ends, and the counters of --stats.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

#include "server.h"

bool iof_run_tracing;
static FILE *out;
static int trace_error; /* atomic: errno of the last failed write of a line */
static struct timespec begun;
static uint64_t counts[IOF_RUN_NR_COUNTS];

static const struct {
	uint32_t cmd;
	const char *name;
} commands[] = {
	{ IOMMU_DESTROY, "DESTROY" },
	{ IOMMU_IOAS_ALLOC, "IOAS_ALLOC" },
	{ IOMMU_IOAS_ALLOW_IOVAS, "IOAS_ALLOW_IOVAS" },
	{ IOMMU_IOAS_IOVA_RANGES, "IOAS_IOVA_RANGES" },
	{ IOMMU_IOAS_MAP, "IOAS_MAP" },
	{ IOMMU_IOAS_MAP_FILE, "IOAS_MAP_FILE" },
	{ IOMMU_IOAS_COPY, "IOAS_COPY" },
	{ IOMMU_IOAS_UNMAP, "IOAS_UNMAP" },
	{ IOMMU_IOAS_CHANGE_PROCESS, "IOAS_CHANGE_PROCESS" },
	{ IOMMU_OPTION, "OPTION" },
	{ IOMMU_VFIO_IOAS, "VFIO_IOAS" },
	{ IOMMU_HWPT_ALLOC, "HWPT_ALLOC" },
	{ IOMMU_GET_HW_INFO, "GET_HW_INFO" },
	{ IOMMU_HWPT_SET_DIRTY_TRACKING, "HWPT_SET_DIRTY_TRACKING" },
	{ IOMMU_HWPT_GET_DIRTY_BITMAP, "HWPT_GET_DIRTY_BITMAP" },
	{ IOMMU_HWPT_INVALIDATE, "HWPT_INVALIDATE" },
	{ IOMMU_FAULT_QUEUE_ALLOC, "FAULT_QUEUE_ALLOC" },
	{ IOMMU_TEST_CMD, "TEST_CMD" },
	{ VFIO_DEVICE_BIND_IOMMUFD, "BIND_IOMMUFD" },
	{ VFIO_DEVICE_ATTACH_IOMMUFD_PT, "ATTACH_IOMMUFD_PT" },
	{ VFIO_DEVICE_DETACH_IOMMUFD_PT, "DETACH_IOMMUFD_PT" },
	{ VFIO_DEVICE_GET_INFO, "GET_INFO" },
	{ VFIO_DEVICE_GET_REGION_INFO, "GET_REGION_INFO" },
	{ VFIO_DEVICE_GET_IRQ_INFO, "GET_IRQ_INFO" },
	{ VFIO_DEVICE_SET_IRQS, "SET_IRQS" },
	{ VFIO_DEVICE_RESET, "RESET" },
	{ IOF_VFIO_DEVICE_SVA_BIND, "SVA_BIND" },
	{ IOF_VFIO_DEVICE_SVA_UNBIND, "SVA_UNBIND" },
};

const char *iof_run_command(char text[32], uint32_t cmd)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].cmd == cmd)
			return commands[i].name;
	snprintf(text, 32, "ioctl %#x", cmd);
	return text;
}

void iof_run_trace_init(struct iof_run *run)
{
	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (!run->config->trace)
		return;
	if (!strcmp(run->config->trace, "-"))
		out = fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), "w");
	else
		out = fopen(run->config->trace, "we");
	if (!out)
		iof_run_die(run, "%s cannot be written: %s", run->config->trace, strerror(errno));
	setvbuf(out, NULL, _IOLBF, 0);
	iof_run_tracing = true;
}

void iof_run_trace(uint32_t pid, const char *file, const char *format, ...)
{
	struct timespec now;
	char line[200];
	va_list args;
	long us;

	if (!iof_run_tracing)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - begun.tv_sec) * 1000000 + (now.tv_nsec - begun.tv_nsec) / 1000;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (fprintf(out, "%ld.%06ld %u %s: %s\n", us / 1000000, us % 1000000, pid, file, line) < 0)
		__atomic_store_n(&trace_error, errno, __ATOMIC_RELAXED);
}

void iof_run_count(enum iof_run_count what, uint64_t n)
{
	__atomic_fetch_add(&counts[what], n, __ATOMIC_RELAXED);
}

void iof_run_stats(struct iof_run *run)
{
	static const char *const names[IOF_RUN_NR_COUNTS] = {
		[IOF_RUN_COUNT_OPEN] = "opens",
		[IOF_RUN_COUNT_IOCTL] = "ioctls",
		[IOF_RUN_COUNT_READ] = "reads",
		[IOF_RUN_COUNT_WRITE] = "writes",
		[IOF_RUN_COUNT_POLL] = "polls",
		[IOF_RUN_COUNT_TRAPPED] = "calls with descriptors",
		[IOF_RUN_COUNT_FAULTS] = "faults read",
		[IOF_RUN_COUNT_ANSWERS] = "responses written",
		[IOF_RUN_COUNT_DESCRIPTORS] = "descriptors submitted",
	};

	if (out && (fflush(out) || ferror(out))) {
		int error = __atomic_load_n(&trace_error, __ATOMIC_RELAXED);

		fprintf(stderr, "iofault: run: %s is not complete: %s\n", run->config->trace,
			strerror(error ? error : errno));
	}
	if (!run->config->stats)
		return;
	for (int i = 0; i < IOF_RUN_NR_COUNTS; i++)
		fprintf(stderr, "iofault: run: %12llu %s\n",
			(unsigned long long)__atomic_load_n(&counts[i], __ATOMIC_RELAXED),
			names[i]);
}

void iof_run_explain(uint32_t pid, long rc)
{
	static bool explained;
	char path[40];
	int fd;

	if (rc != -EACCES && rc != -EFAULT)
		return;
	snprintf(path, sizeof(path), "/proc/%u/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return;
	}
	if (errno == EACCES && !__atomic_exchange_n(&explained, true, __ATOMIC_RELAXED))
		fprintf(stderr,
			"iofault: run: process %u is not dumpable (PR_SET_DUMPABLE of "
			"prctl(2), or an executable that its user cannot read), so its calls fail; "
			"it needs iofault run as root\n",
			pid);
}
