// SPDX-License-Identifier: MIT
/*
 * run.c - the command line of `iofault run`; the code behind it is in run/.
 */
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

static const char usage[] =
	"Usage: iofault run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	"Runs PROGRAM, unchanged, with /dev/iommu, /dev/vfio and /sys in software, without root.\n"
	"  --device KIND[,NAME=NUMBER]...\n"
	"                     add a device of KIND dsa (the default: one of these) or ats-test\n"
	"                     (the PCI function 1234:11e9); may be given several times\n"
	"    credits=N        page requests that the device may have open (256)\n"
	"    delay=USEC       least time from a response to the device's next attempt (0)\n"
	"    share            put the device into the IOMMU group of the one before it\n"
	"    noiommu          dsa only: no IOMMU and no group; for callers with CAP_SYS_RAWIO\n"
	"    group=N, engines=N, depth=N, pasids=N\n"
	"                     dsa only: most pages in a page-request group (1), worker threads\n"
	"                     (1), descriptors in its queue (128), PASIDs (2^20)\n"
	"  --no-device        provide /dev/iommu without any device\n"
	"  --mock             enable the test commands of /dev/iommu, with mock devices\n"
	"  --memlock SIZE     limit the memory that is mapped for devices to SIZE; none: no limit\n"
	"                     (default: each process's RLIMIT_MEMLOCK; see the manual page)\n"
	"  --no-device-stat   let stat(2) take device nodes for regular files; it is faster then\n"
	"  --trace FILE       write a line to FILE for each call and page request; - is stdout\n"
	"  --trace-format=F   write these lines as text (the default) or as JSON objects (json)\n"
	"  --stats            count calls, work of devices and latency; print that at the end\n"
	"  --check            try the setup without a program; print what this machine lacks\n"
	"  -h, --help         print this text\n"
	"Exit status: PROGRAM's, or 128 + n if signal n ended it; 125 if the machine cannot be\n"
	"set up, 126 if PROGRAM cannot be executed, 127 if there is no such program.\n"
	"Example: iofault run --stats -- ./your_test\n";

enum {
	OPT_DEVICE = 256,
	OPT_NO_DEVICE,
	OPT_NO_DEVICE_STAT,
	OPT_MOCK,
	OPT_MEMLOCK,
	OPT_TRACE,
	OPT_TRACE_FORMAT,
	OPT_STATS,
	OPT_CHECK,
};

static const struct option options[] = {
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "no-device", no_argument, NULL, OPT_NO_DEVICE },
	{ "no-device-stat", no_argument, NULL, OPT_NO_DEVICE_STAT },
	{ "mock", no_argument, NULL, OPT_MOCK },
	{ "memlock", required_argument, NULL, OPT_MEMLOCK },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "trace-format", required_argument, NULL, OPT_TRACE_FORMAT },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

#define EITHER ((enum iof_run_kind) - 1)

static const struct field {
	const char *name;
	size_t offset;
	uint64_t least, most;
	enum iof_run_kind only; /* the only kind of device with this option, or EITHER */
} fields[] = {
	{ "credits", offsetof(struct iof_run_device, credits), 1, 1 << 20, EITHER },
	{ "group", offsetof(struct iof_run_device, pages_per_group), 1, 32, IOF_RUN_DSA },
	{ "delay", offsetof(struct iof_run_device, delay_us), 0, 10000000, EITHER },
	{ "engines", offsetof(struct iof_run_device, engines), 1, 16, IOF_RUN_DSA },
	{ "depth", offsetof(struct iof_run_device, queue_depth), 1, 4096, IOF_RUN_DSA },
	{ "pasids", offsetof(struct iof_run_device, max_pasids), 1, 1 << 20, IOF_RUN_DSA },
};

#define NR_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* 125 and not 2: PROGRAM may itself exit with 2. */
#define USAGE IOF_RUN_EXIT_OURS

static int set_field(struct iof_run_device *device, const char *name, char *value)
{
	uint64_t number;
	size_t i;

	if (!strcmp(name, "share") && !value) {
		device->share_group = true;
		return 0;
	}
	if (!strcmp(name, "noiommu") && !value && device->kind == IOF_RUN_DSA) {
		device->no_iommu = true;
		return 0;
	}
	for (i = 0; i < NR_FIELDS; i++)
		if (!strcmp(fields[i].name, name))
			break;
	if (i == NR_FIELDS)
		return iof_fail(USAGE,
				"run: --device: a device has no setting '%s'; "
				"see `iofault run --help`",
				name);
	if (fields[i].only != EITHER && device->kind != fields[i].only)
		return iof_fail(USAGE, "run: --device: only dsa has the setting '%s'", name);
	if (!value || !iof_number(value, false, fields[i].least, fields[i].most, &number))
		return iof_fail(USAGE, "run: --device: %s must be a number from %llu to %llu", name,
				(unsigned long long)fields[i].least,
				(unsigned long long)fields[i].most);
	*(unsigned int *)((char *)device + fields[i].offset) = (unsigned int)number;
	return 0;
}

static int add_device(struct iof_run_config *config, char *text)
{
	struct iof_run_device *device = &config->devices[config->nr_devices];
	char *name, *value, *rest = text;
	int rc;

	if (config->nr_devices == IOF_RUN_MAX_DEVICES)
		return iof_fail(USAGE, "run: --device: at most %d devices", IOF_RUN_MAX_DEVICES);
	name = strsep(&rest, ",");
	if (!strcmp(name, "dsa"))
		device->kind = IOF_RUN_DSA;
	else if (!strcmp(name, "ats-test"))
		device->kind = IOF_RUN_ATS_TEST;
	else
		return iof_fail(USAGE,
				"run: --device: there is no kind '%s'; there are dsa "
				"and ats-test",
				name);
	while ((name = strsep(&rest, ","))) {
		value = strchr(name, '=');
		if (value)
			*value++ = 0;
		rc = set_field(device, name, value);
		if (rc)
			return rc;
	}
	if (device->no_iommu && (device->share_group || device->max_pasids > 1))
		return iof_fail(USAGE,
				"run: --device: a device without IOMMU has no group and no PASIDs");
	if (device->share_group && config->nr_devices &&
	    config->devices[config->nr_devices - 1].no_iommu)
		return iof_fail(USAGE,
				"run: --device: a device without IOMMU has no group to share");
	if (device->share_group && !config->nr_devices)
		return iof_fail(USAGE, "run: --device: the first device has no group to share");
	config->nr_devices++;
	return 0;
}

static void print_missing(const char *sentence)
{
	printf("%s\n", sentence);
}

static int check(void)
{
	int rc = iof_run_check(print_missing);

	if (!rc)
		puts("nothing is missing");
	return iof_flush_stdout(rc);
}

int iof_cmd_run(int argc, char **argv)
{
	static struct iof_run_config config;
	bool no_device = false, format = false;
	int c, rc = 0;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:h", options, NULL)) >= 0) {
		switch (c) {
		case OPT_DEVICE:
			rc = add_device(&config, optarg);
			break;
		case OPT_NO_DEVICE:
			no_device = true;
			break;
		case OPT_NO_DEVICE_STAT:
			config.plain_stat = true;
			break;
		case OPT_MOCK:
			config.mock = true;
			break;
		case OPT_MEMLOCK:
			if (!strcmp(optarg, "none"))
				config.memlock = UINT64_MAX;
			else if (!iof_number(optarg, true, 4096, 1ull << 60, &config.memlock))
				rc = iof_fail(USAGE, "run: --memlock must be a size from 4K on, "
						     "such as 8M, or none");
			break;
		case OPT_TRACE:
			config.trace = optarg;
			break;
		case OPT_TRACE_FORMAT:
			config.trace_json = !strcmp(optarg, "json");
			if (!config.trace_json && strcmp(optarg, "text"))
				rc = iof_fail(USAGE, "run: --trace-format must be text or json");
			format = true;
			break;
		case OPT_STATS:
			config.stats = true;
			break;
		case OPT_CHECK:
			return check();
		case 'h':
			fputs(usage, stdout);
			return iof_flush_stdout(IOF_EXIT_OK);
		case ':':
			return iof_fail(USAGE, "run: %s needs a value", argv[optind - 1]);
		default:
			return iof_fail(USAGE,
					"run: there is no option %s; `iofault run --help` "
					"lists them",
					argv[optind - 1]);
		}
		if (rc)
			return rc;
	}
	if (optind >= argc)
		return iof_fail(USAGE, "run: PROGRAM is missing; see `iofault run --help`");
	if (format && !config.trace)
		return iof_fail(USAGE, "run: --trace-format needs --trace");
	if (no_device && config.nr_devices)
		return iof_fail(USAGE, "run: --device and --no-device exclude each other");
	if (!no_device && !config.nr_devices)
		config.nr_devices = 1;
	config.argv = argv + optind;
	return iof_run(&config);
}
