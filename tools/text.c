// SPDX-License-Identifier: MIT
/*
 * text.c - text and numbers: errors, sizes as users write and read them, times.
 */
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

char *iof_tame(char *line)
{
	char *at;

	for (at = line; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	return line;
}

const char *iof_reason(int err)
{
	const char *text = strerrordesc_np(err < 0 ? -err : err);

	return text ? text : "unknown error";
}

bool iof_number(const char *text, bool sizes, uint64_t least, uint64_t most, uint64_t *out)
{
	static const char letters[] = "kmgt";
	unsigned long long value;
	unsigned int shift = 0;
	const char *letter;
	char *end;

	/* strtoull() takes signs and blanks, which no option here does. */
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end,
			 text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10);
	if (errno)
		return false;
	letter = *end ? strchr(letters, *end | 0x20) : NULL;
	if (sizes && letter) {
		shift = 10 * (unsigned int)(letter - letters + 1);
		end++;
		if (!strcasecmp(end, "iB") || !strcasecmp(end, "B"))
			end += strlen(end);
	}
	if (*end || value > UINT64_MAX >> shift)
		return false;
	value <<= shift;
	if (value < least || value > most)
		return false;
	*out = value;
	return true;
}

const char *iof_size_text(char text[IOF_TEXT], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int unit = 0;
	double value = (double)bytes;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(text, IOF_TEXT, value < 10 && value != (uint64_t)value ? "%.1f %s" : "%.0f %s",
		 value, units[unit]);
	return text;
}

const char *iof_size_option(char text[IOF_TEXT], uint64_t bytes)
{
	static const char letters[] = "KMGT";
	int unit = -1;

	while (unit < 3 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, IOF_TEXT, "%" PRIu64 "%.1s", bytes, unit < 0 ? "" : letters + unit);
	return text;
}

const char *iof_count_text(char text[IOF_TEXT], uint64_t count)
{
	char digits[IOF_TEXT];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	int i, at = 0;

	for (i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = 0;
	return text;
}

const char *iof_time_text(char text[IOF_TEXT], uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	unsigned int unit = 0;
	double value = (double)ns;

	while (value >= 1000 && unit < 3) {
		value /= 1000;
		unit++;
	}
	snprintf(text, IOF_TEXT, unit && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

uint64_t iof_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t iof_peak_memory(void)
{
	struct rusage usage;
	uint64_t kib = 0;
	char line[128];
	FILE *status;

	/* ru_maxrss includes the process before exec; the status file does not. */
	status = fopen("/proc/self/status", "re");
	if (status) {
		while (fgets(line, sizeof(line), status))
			if (sscanf(line, "VmHWM: %" SCNu64 " kB", &kib) == 1)
				break;
		fclose(status);
	}
	if (!kib && !getrusage(RUSAGE_SELF, &usage))
		kib = (uint64_t)usage.ru_maxrss;
	return kib * 1024;
}

uint64_t iof_available_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

const char *iof_kernel_node(void)
{
	static const char beside[] = "/dev/vfio/devices/vfio4096";

	return access(beside, F_OK) ? "/dev/vfio/devices/vfio0" : beside;
}
