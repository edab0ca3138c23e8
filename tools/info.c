// SPDX-License-Identifier: MIT
/*
 * info.c - `iofault info`: what this machine and this build offer.
 *
 * Each check tries the feature; none compares versions. The result is a list of rows (section,
 * name, text), printed as a table or as JSON. A missing feature is a row, not an error.
 */
#include "tool.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <liburing.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/vfio.h>

#include "info.h"

static const char usage[] =
	"Usage: iofault info [OPTION]...\n"
	"Prints what this machine and this build offer for I/O page faults in user space.\n"
	"\n"
	"  --run PID      print devices, fault queues and calls of the `iofault run` that PID,\n"
	"                 or a parent of it, is\n"
	"  --json FILE    write the same as JSON to FILE, not as a table; - is standard output\n"
	"  -h, --help     print this text\n"
	"\n"
	"Example: iofault info --json - | jq .vfio0\n";

/* Returns the first line of a small file, or "" if it has none or cannot be opened. */
static const char *line_of(const char *path, char *text, int size)
{
	FILE *file = fopen(path, "re");

	text[0] = 0;
	if (file) {
		if (!fgets(text, size, file))
			text[0] = 0;
		fclose(file);
	}
	text[strcspn(text, "\n")] = 0;
	return text;
}

/* ---- the machine ---- */

static void tell_machine(void)
{
	struct utsname name;
	char text[IOF_TEXT];
	char features[120] = "";
	unsigned int a, b, c, d;

	iof_info_row("versions", "iofault", "%s, built with %s %d.%d for %s", IOFAULT_VERSION,
#ifdef __clang__
		     "clang", __clang_major__, __clang_minor__,
#else
		     "gcc", __GNUC__, __GNUC_MINOR__,
#endif
		     "x86-64");
	if (!uname(&name))
		iof_info_row("versions", "kernel", "%s %s", name.sysname, name.release);

	__builtin_cpu_init();
	if (__builtin_cpu_supports("sse4.2"))
		strcat(features, " sse4.2 (crc32)");
	if (__builtin_cpu_supports("pclmul"))
		strcat(features, " pclmul");
	if (__builtin_cpu_supports("avx2"))
		strcat(features, " avx2");
	if (__builtin_cpu_supports("avx512f"))
		strcat(features, " avx512f");
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		if (c & 1u << 28)
			strcat(features, " movdir64b");
		if (c & 1u << 29)
			strcat(features, " enqcmd");
	}
	iof_info_row("machine", "processors", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	iof_info_row("machine", "CPU features", "%s",
		     features[0] ? features + 1 : "none of those that iofault uses");
	iof_info_row("machine", "memory", "%s",
		     iof_size_text(text, (uint64_t)sysconf(_SC_PHYS_PAGES) *
						 (uint64_t)sysconf(_SC_PAGESIZE)));
}

static void tell_memory(void)
{
	char text[160], now[IOF_TEXT], most[IOF_TEXT];
	struct rlimit limit;
	unsigned long total = 0, vacant = 0;
	FILE *meminfo = fopen("/proc/meminfo", "re");

	while (meminfo && fgets(text, sizeof(text), meminfo)) {
		sscanf(text, "HugePages_Total: %lu", &total);
		sscanf(text, "HugePages_Free: %lu", &vacant);
	}
	if (meminfo)
		fclose(meminfo);
	iof_info_row("machine", "huge pages", "%lu reserved, %lu of them free; transparent: %s",
		     total, vacant,
		     *line_of("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)) ?
			     text :
			     "not offered");
	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	iof_info_row(
		"machine", "locked memory",
		"%s now, at most %s (the embedded world does not need it)",
		limit.rlim_cur == RLIM_INFINITY ? "no limit" : iof_size_text(now, limit.rlim_cur),
		limit.rlim_max == RLIM_INFINITY ? "no limit" : iof_size_text(most, limit.rlim_max));
}

static void tell_userfaultfd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	int user, device;

	if (fd >= 0) {
		close(fd);
		iof_info_row("machine", "userfaultfd", "yes, of user and kernel accesses");
		return;
	}
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device >= 0) {
		close(device);
		iof_info_row("machine", "userfaultfd", "yes, by /dev/userfaultfd");
		return;
	}
	user = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (user >= 0) {
		close(user);
		iof_info_row("machine", "userfaultfd", "yes, of user accesses only");
	} else {
		iof_info_row("machine", "userfaultfd", "no: %s", iof_reason(errno));
	}
}

static void tell_uring(void)
{
	struct io_uring ring;
	int rc = io_uring_queue_init(4, &ring, 0);

	if (rc) {
		iof_info_row("machine", "io_uring", "no: %s", iof_reason(rc));
		return;
	}
	iof_info_row("machine", "io_uring", "yes%s",
		     ring.features & IORING_FEAT_NATIVE_WORKERS ? "" : ", of a kernel before 5.12");
	io_uring_queue_exit(&ring);
}

/* ---- worlds ---- */

static void tell_kernel_world(void)
{
	glob_t found;
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		iof_info_row("worlds", "kernel", "/dev/iommu exists and can be opened");
	} else if (errno == ENOENT) {
		iof_info_row("worlds", "kernel",
			     "no: /dev/iommu does not exist (the kernel has no CONFIG_IOMMUFD, or "
			     "its module is not loaded)");
	} else {
		iof_info_row("worlds", "kernel", "no: /dev/iommu exists and cannot be opened: %s",
			     iof_reason(errno));
	}
	if (!glob("/dev/vfio/devices/vfio*", 0, NULL, &found)) {
		iof_info_row("worlds", "kernel devices", "%zu, from %s on", (size_t)found.gl_pathc,
			     found.gl_pathv[0]);
		globfree(&found);
	}
}

static void tell_state(int device)
{
	struct iof_vfio_dsa_state state = { 0 };
	char text[2][IOF_TEXT];
	ssize_t got = iof_pread(device, &state, sizeof(state),
				(off_t)IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_STATE));

	if (got < 0 || !state.version)
		return;
	iof_info_row("vfio0", "device", "DMA engine with Intel DSA descriptors, in software");
	iof_info_row("vfio0", "queue",
		     "%u descriptors of up to %s, batches of up to %u, %u engine%s",
		     state.queue_depth, iof_size_text(text[0], state.max_transfer), state.max_batch,
		     state.engines, state.engines == 1 ? "" : "s");
	iof_info_row("vfio0", "page requests", "%u open at a time, %u page%s in a group",
		     state.credits, state.pages_per_group, state.pages_per_group == 1 ? "" : "s");
}

static int tell_device(int iommufd, int device)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
	struct iommu_hw_info_vtd vtd = { 0 };
	struct iommu_hw_info info = {
		.size = sizeof(info),
		.data_len = sizeof(vtd),
		.data_uptr = (uintptr_t)&vtd,
	};
	int rc = iof_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);

	if (rc)
		return rc;
	tell_state(device);
	info.dev_id = bind.out_devid;
	rc = iof_ioctl(iommufd, IOMMU_GET_HW_INFO, &info);
	if (rc)
		return rc;
	if (info.out_data_type == IOMMU_HW_INFO_TYPE_INTEL_VTD)
		iof_info_vtd("vfio0", &info, &vtd);
	return 0;
}

static int tell_embedded_world(void)
{
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED };
	int iommufd = -1, device = -1, rc;
	struct iof_world *world;

	rc = iof_world_open(&config, &world);
	if (rc)
		return iof_fail(IOF_EXIT_WRONG, "the embedded world cannot be opened: %s",
				iof_reason(rc));
	iof_info_row("worlds", "embedded", "yes, in any process: no root, no module, no hardware");
	rc = iommufd = iof_open(world, "/dev/iommu", O_RDWR);
	if (rc >= 0)
		rc = device = iof_open(world, "/dev/vfio/devices/vfio0", O_RDWR);
	if (rc >= 0)
		rc = tell_device(iommufd, device);
	if (device >= 0)
		iof_close(device);
	if (iommufd >= 0)
		iof_close(iommufd);
	iof_world_close(world);
	return rc < 0 ? iof_fail(IOF_EXIT_WRONG, "the embedded world does not work: %s",
				 iof_reason(rc)) :
			IOF_EXIT_OK;
}

int iof_cmd_info(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", required_argument, NULL, 'j' },
		{ "run", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *json = NULL;
	uint64_t pid = 0;
	int which, status;

	optind = 1;
	opterr = 0;
	while ((which = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (which) {
		case 'j':
			json = optarg;
			break;
		case 'r':
			if (!iof_number(optarg, false, 1, INT_MAX, &pid))
				return iof_fail(IOF_EXIT_USAGE,
						"info: --run must be the PID of a process");
			break;
		case 'h':
			fputs(usage, stdout);
			return iof_flush_stdout(IOF_EXIT_OK);
		case ':':
			return iof_fail(IOF_EXIT_USAGE,
					"option %s needs a value; see `iofault info --help`",
					argv[optind - 1]);
		default:
			return iof_fail(IOF_EXIT_USAGE,
					"unknown option %s; see `iofault info --help`",
					argv[optind - 1]);
		}
	}
	if (optind < argc)
		return iof_fail(IOF_EXIT_USAGE,
				"info takes no argument '%s'; see `iofault info --help`",
				argv[optind]);
	if (pid)
		return iof_info_run((pid_t)pid, json);
	tell_machine();
	tell_memory();
	tell_userfaultfd();
	tell_uring();
	tell_kernel_world();
	iof_info_real_world();
	status = tell_embedded_world();
	iof_info_functions();
	if (json && iof_info_write_json(json))
		return IOF_EXIT_WRONG;
	if (!json || strcmp(json, "-"))
		iof_info_print();
	return iof_flush_stdout(status);
}
