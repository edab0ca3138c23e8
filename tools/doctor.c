// SPDX-License-Identifier: MIT
/*
 * doctor.c - `iofault doctor`: which of four ways this machine supports, and the next step for each
 * way that it does not.
 *
 * The command tries a way instead of guessing. For embedded and kernel, it leads one page fault of
 * a device from its request to the device's completion record. For run, it makes a machine as
 * `iofault run --check` does. It only looks real devices up in sysfs, since a try would take the
 * device away from its driver.
 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/idxd.h>

#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/vfio.h>

#include "pci.h"
#include "run/run.h"

static const char usage[] =
	"Usage: iofault doctor [OPTION]... [WAY]...\n"
	"Tries what this machine can do, and prints the next step for each WAY that it cannot.\n"
	"\n"
	"  embedded       the system inside a process, by libiofault\n"
	"  run            an unchanged program, by `iofault run`\n"
	"  kernel         the /dev/iommu of the kernel, by iofault.ko or its own\n"
	"  devices        PCI functions of this machine, by iofault-pci.ko\n"
	"  -h, --help     print this text\n"
	"\n"
	"Exit status: 0, or 1 if a WAY that was named cannot be done; 2 for wrong usage.\n"
	"\n"
	"Example: iofault doctor embedded run\n";

/* The result of a way: the answer and, if it is no, the next step. */
struct finding {
	bool yes;
	char what[200], next[512];
};

static bool no(struct finding *finding, const char *next, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Returns false, for the return statement of its caller. */
static bool no(struct finding *finding, const char *next, const char *format, ...)
{
	va_list args;

	finding->yes = false;
	va_start(args, format);
	vsnprintf(finding->what, sizeof(finding->what), format, args);
	va_end(args);
	snprintf(finding->next, sizeof(finding->next), "%s", next);
	return false;
}

static bool yes(struct finding *finding, const char *what)
{
	finding->yes = true;
	snprintf(finding->what, sizeof(finding->what), "%s", what);
	return true;
}

/* ---- one fault ---- */

#define PAGE	  4096ul
#define RECORD_AT 0x10000000ul
#define FAULT_AT  0x20000000ul
#define WAIT_MS	  10000 /* the wait takes microseconds, unless the device hangs */

/* The objects for one fault; -1 and MAP_FAILED: not made yet. */
struct bed {
	int iommufd, device, queue;
	uint32_t ioas;
	void *record, *page;
};

static int map(const struct bed *bed, void *memory, uint64_t iova)
{
	struct iommu_ioas_map args = {
		.size = sizeof(args),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = bed->ioas,
		.user_va = (uintptr_t)memory,
		.length = PAGE,
		.iova = iova,
	};

	return iof_ioctl(bed->iommufd, IOMMU_IOAS_MAP, &args);
}

/* Attaches the device so that its faults reach a queue. *step names the call that failed. */
static int set_up(struct bed *bed, const char **step)
{
	struct vfio_device_bind_iommufd bind = { .argsz = 16, .iommufd = bed->iommufd };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = 12 };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt) };
	int rc;

	*step = "binding the device";
	rc = iof_ioctl(bed->device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (rc)
		return rc;
	*step = "allocating an address space, a fault queue and a page table";
	rc = iof_ioctl(bed->iommufd, IOMMU_IOAS_ALLOC, &ioas);
	if (!rc)
		rc = iof_ioctl(bed->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &queue);
	if (rc)
		return rc;
	bed->ioas = ioas.out_ioas_id;
	bed->queue = (int)queue.out_fault_fd;
	hwpt.flags = IOMMU_HWPT_FAULT_ID_VALID;
	hwpt.dev_id = bind.out_devid;
	hwpt.pt_id = bed->ioas;
	hwpt.fault_id = queue.out_fault_id;
	rc = iof_ioctl(bed->iommufd, IOMMU_HWPT_ALLOC, &hwpt);
	if (rc)
		return rc;
	*step = "attaching the device";
	attach.pt_id = hwpt.out_hwpt_id;
	rc = iof_ioctl(bed->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	if (rc)
		return rc;
	*step = "mapping memory for the device";
	return map(bed, bed->record, RECORD_AT);
}

/* Lets the engine write to an unmapped page, maps it after the page request, and responds. */
static int serve(struct bed *bed, const char **step)
{
	struct dsa_completion_record *record = bed->record;
	struct dsa_hw_desc fill = {
		.opcode = DSA_OPCODE_MEMFILL,
		.flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
		.completion_addr = RECORD_AT,
		.pattern = 0x2a2a2a2a2a2a2a2a,
		.dst_addr = FAULT_AT,
		.xfer_size = PAGE,
	};
	struct iommu_hwpt_page_response response = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
	struct pollfd ready = { .fd = bed->queue, .events = POLLIN };
	struct iommu_hwpt_pgfault fault;
	ssize_t bytes;
	int rc, waited = 0;

	*step = "submitting work to the device";
	bytes = iof_pwrite(bed->device, &fill, sizeof(fill), 0);
	if (bytes < 0)
		return (int)bytes;
	*step = "waiting for the page fault";
	rc = iof_poll(&ready, 1, WAIT_MS);
	if (rc <= 0)
		return rc ? rc : -ETIMEDOUT;
	bytes = iof_read(bed->queue, &fault, sizeof(fault));
	if (bytes != sizeof(fault))
		return bytes < 0 ? (int)bytes : -EPROTO;
	rc = map(bed, bed->page, FAULT_AT);
	if (rc)
		return rc;
	*step = "responding to the page fault";
	response.cookie = fault.cookie;
	bytes = iof_write(bed->queue, &response, sizeof(response));
	if (bytes < 0)
		return (int)bytes;
	*step = "waiting for the device";
	while (!__atomic_load_n(&record->status, __ATOMIC_ACQUIRE)) {
		if (waited++ == WAIT_MS)
			return -ETIMEDOUT;
		poll(NULL, 0, 1);
	}
	return record->status == DSA_COMP_SUCCESS && *(char *)bed->page == 0x2a ? 0 : -EIO;
}

/*
 * Handles one fault of a device of the world, from request to completion. Returns 0 on success.
 */
static int one_fault(struct iof_world *world, const char *node, const char **step)
{
	struct bed bed = { .iommufd = -1, .device = -1, .queue = -1, .page = MAP_FAILED };
	int rc = -ENOMEM;

	*step = "allocating memory";
	bed.record =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bed.record != MAP_FAILED) {
		bed.page = (char *)bed.record + PAGE;
		*step = "opening /dev/iommu";
		rc = bed.iommufd = iof_open(world, "/dev/iommu", O_RDWR | O_CLOEXEC);
	}
	if (rc >= 0) {
		*step = "opening the device";
		rc = bed.device = iof_open(world, node, O_RDWR | O_CLOEXEC);
	}
	if (rc >= 0)
		rc = set_up(&bed, step);
	if (rc >= 0)
		rc = serve(&bed, step);
	if (bed.queue >= 0)
		iof_close(bed.queue);
	if (bed.device >= 0)
		iof_close(bed.device);
	if (bed.iommufd >= 0)
		iof_close(bed.iommufd);
	if (bed.record != MAP_FAILED)
		munmap(bed.record, 2 * PAGE);
	return rc < 0 ? rc : 0;
}

/* ---- the ways ---- */

static bool try_embedded(struct finding *finding)
{
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED };
	const char *step = "opening the world";
	struct iof_world *world;
	int rc = iof_world_open(&config, &world);

	if (!rc) {
		rc = one_fault(world, "/dev/vfio/devices/vfio0", &step);
		iof_world_close(world);
	}
	if (!rc)
		return yes(finding, "a page fault was handled inside this process");
	return no(finding,
		  rc == -ENOMEM || rc == -EMFILE || rc == -EAGAIN ?
			  "raise the limits of this process (ulimit -a)" :
			  "mount /proc, and run `iofault-conformance --world embedded` to see more",
		  "%s: %s", step, iof_reason(rc));
}

static struct finding *of_run;

static void take_sentence(const char *sentence)
{
	snprintf(of_run->next, sizeof(of_run->next), "%s", sentence);
}

/* Tries `iofault run`. The sentence of run/ names what is missing and what would allow it. */
static bool try_run(struct finding *finding)
{
	of_run = finding;
	if (!iof_run_check(take_sentence))
		return yes(finding, "a machine with /dev/iommu was made for a process");
	snprintf(finding->what, sizeof(finding->what), "the machine cannot be set up");
	return false;
}

static bool exists(const char *format, const char *release)
{
	char path[300];
	glob_t found;
	bool there;

	snprintf(path, sizeof(path), format, release);
	there = !glob(path, 0, NULL, &found);
	if (there)
		globfree(&found);
	return there;
}

/*
 * Finds the reason why there is no /dev/iommu. Of several, takes the one that is nearest to the
 * goal.
 */
static bool no_iommu(struct finding *finding)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;
	char next[400];

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return no(finding, "use `iofault run`", "the kernel's version is unknown");
	if (exists("/sys/module/iofault", ""))
		return no(finding, "mount a devtmpfs on /dev, or give this container the node",
			  "iofault.ko is loaded, and /dev/iommu is not here");
	if (exists("/lib/modules/%s/kernel/drivers/iommu/iommufd/iommufd.ko*", name.release))
		return no(finding, "sudo modprobe iommufd", "the kernel's iommufd is not loaded");
	if (exists("/lib/modules/%s/updates/iofault.ko*", name.release) ||
	    exists("/lib/modules/%s/updates/dkms/iofault.ko*", name.release))
		return no(finding, "sudo modprobe iofault", "iofault.ko is not loaded");
	if (!exists("/lib/modules/%s", name.release))
		return no(finding, "load iofault.ko on the host, and give this container the nodes",
			  "this is a container or has no modules of Linux %s", name.release);
	if (major < 6 || (major == 6 && minor < 12) || major > 7 || (major == 7 && minor > 3))
		return no(finding, "boot a kernel from 6.12 to 7.3",
			  "iofault.ko does not build on Linux %s", name.release);
	if (!exists("/lib/modules/%s/build/Makefile", name.release)) {
		snprintf(next, sizeof(next), "sudo apt install linux-headers-%s iofault-dkms",
			 name.release);
		return no(finding, next, "the kernel's headers are not installed");
	}
	return no(finding, "sudo apt install iofault-dkms, or make kmod-install",
		  "iofault.ko is not installed");
}

static bool try_kernel(struct finding *finding)
{
	struct iof_world_config config = { .kind = IOF_WORLD_KERNEL };
	int rc, fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	struct iof_world *world;
	const char *step = "opening the world", *node;

	if (fd < 0 && errno == ENOENT)
		return no_iommu(finding);
	if (fd < 0 && errno == EACCES)
		return no(finding, "sudo adduser \"$USER\" iofault, and log in again",
			  "this user may not open /dev/iommu");
	if (fd < 0)
		return no(finding, "see the kernel's log: sudo dmesg | tail",
			  "/dev/iommu cannot be opened: %s", iof_reason(errno));
	close(fd);
	node = iof_kernel_node();
	rc = iof_world_open(&config, &world);
	if (!rc) {
		rc = one_fault(world, node, &step);
		iof_world_close(world);
	}
	if (!rc)
		return yes(finding, "a page fault was handled through /dev/iommu");
	if (rc == -ENOENT)
		return no(finding,
			  exists("/sys/module/iofault", "") ?
				  "sudo modprobe -r iofault && sudo modprobe iofault devices=1" :
				  "bind a device to its vfio driver",
			  "/dev/iommu works, and there is no device %s", node);
	if (rc == -EACCES)
		return no(finding, "sudo adduser \"$USER\" iofault, and log in again",
			  "this user may not open %s", node);
	if (rc == -EBUSY)
		return no(finding, "end that program, or load iofault.ko with more devices",
			  "%s: another program has the device", step);
	if (rc == -ENOMEM)
		return no(finding, "raise RLIMIT_MEMLOCK (ulimit -l)", "%s: %s", step,
			  iof_reason(rc));
	return no(finding, "see the kernel's log: sudo dmesg | tail", "%s: %s", step,
		  iof_reason(rc));
}

#define CAP_PRI 0x13 /* PCI Express's extended capability of page requests */

/* The address in "/sys/bus/pci/devices/ADDRESS/...". */
static void address_of(const char *path, char bdf[IOF_BDF])
{
	bdf[0] = 0;
	sscanf(path, "/sys/bus/pci/devices/%23[^/]", bdf);
}

/* Functions whose VFIO driver has made a node. Returns their number. */
static unsigned int find_bound(char first[IOF_BDF], unsigned int *faulting)
{
	unsigned int nr = 0;
	char bdf[IOF_BDF];
	glob_t found;
	size_t i;

	if (glob("/sys/bus/pci/devices/*/vfio-dev/vfio*/dev", 0, NULL, &found))
		return 0;
	for (i = 0; i < found.gl_pathc; i++) {
		address_of(found.gl_pathv[i], bdf);
		if (!nr++)
			strcpy(first, bdf);
		*faulting += iof_pci_capability(&iof_machine, bdf, CAP_PRI) == 1;
	}
	globfree(&found);
	return nr;
}

/* The first function that raises page requests, if one does. */
static void find_faulting(char bdf[IOF_BDF])
{
	char one[IOF_BDF];
	glob_t found;
	size_t i;

	bdf[0] = 0;
	if (glob("/sys/bus/pci/devices/*/config", 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc && !bdf[0]; i++) {
		address_of(found.gl_pathv[i], one);
		if (iof_pci_capability(&iof_machine, one, CAP_PRI) == 1)
			strcpy(bdf, one);
	}
	globfree(&found);
}

static bool try_devices(struct finding *finding)
{
	char what[IOF_WHY], next[IOF_WHY], bdf[IOF_BDF] = "", text[200];
	unsigned int faulting = 0, nr = find_bound(bdf, &faulting);

	if (nr) {
		snprintf(text, sizeof(text),
			 "%u function%s with a node, from %s on; %u raise%s page requests", nr,
			 nr == 1 ? "" : "s", bdf, faulting, faulting == 1 ? "s" : "");
		return yes(finding, text);
	}
	if (!iof_pci_ready(&iof_machine, what, next))
		return no(finding, next, "%.190s", what);
	find_faulting(bdf);
	snprintf(next, sizeof(next), "sudo iofault bind %s",
		 bdf[0] ? bdf : "ADDRESS (`lspci -D` lists the addresses)");
	return no(finding, next,
		  bdf[0] ? "%s raises page requests, and is not bound" : "no function is bound%s",
		  bdf);
}

static const struct way {
	const char *name;
	bool (*attempt)(struct finding *finding);
	const char *module; /* as modprobe calls it, or NULL */
} ways[] = {
	{ "embedded", try_embedded, NULL },
	{ "run", try_run, NULL },
	{ "kernel", try_kernel, "iofault" },
	{ "devices", try_devices, IOF_PCI_DRIVER },
};

#define NR_WAYS (sizeof(ways) / sizeof(ways[0]))

/* ---- the module that is loaded, and the one that is installed ---- */

#define FIELD 64

/* Reads a field of the file that modprobe would load. Empty: there is none. */
static void installed_field(const char *module, const char *field, char text[FIELD])
{
	char command[200];
	FILE *modinfo;

	text[0] = 0;
	snprintf(command, sizeof(command),
		 "PATH=/usr/sbin:/sbin:$PATH modinfo -F %s %s 2>/dev/null </dev/null", field,
		 module);
	modinfo = popen(command, "re");
	if (!modinfo)
		return;
	if (!fgets(text, FIELD, modinfo))
		text[0] = 0;
	text[strcspn(text, "\n")] = 0;
	pclose(modinfo);
}

/* Empty: a module without that field is loaded. */
static void loaded_field(const char *folder, const char *field, char text[FIELD])
{
	if (iof_sys_line(&iof_machine, text, FIELD, "/sys/module/%s/%s", folder, field))
		text[0] = 0;
}

/*
 * After an upgrade the old module serves until it is reloaded. Two builds of one version differ in
 * srcversion, which the kernel makes from the sources.
 */
static void note_old_module(const char *module)
{
	char folder[32], loaded[FIELD], installed[FIELD], sources[FIELD], new_sources[FIELD];
	char *dash;

	snprintf(folder, sizeof(folder), "%s", module);
	dash = strchr(folder, '-');
	if (dash)
		*dash = '_';
	if (!iof_sys_exists(&iof_machine, "/sys/module/%s", folder))
		return;
	loaded_field(folder, "version", loaded);
	loaded_field(folder, "srcversion", sources);
	installed_field(module, "version", installed);
	installed_field(module, "srcversion", new_sources);
	if (!new_sources[0] || (!strcmp(loaded, installed) && !strcmp(sources, new_sources)))
		return;
	printf("%-14s note: %s.ko %s is loaded, and %s%s is installed: end its programs, then %s\n",
	       "", module, loaded[0] ? loaded : "of an unknown version",
	       strcmp(loaded, installed) ? "" : "another build of ",
	       installed[0] ? installed : "another",
	       iof_sys_exists(&iof_machine, "/sys/module/iofault_pci") ?
		       "sudo modprobe -r iofault-pci iofault && sudo modprobe -a vfio iofault-pci" :
		       "sudo modprobe -r iofault && sudo modprobe iofault");
}

/* ---- the command ---- */

static bool named(const char *name, int argc, char **argv)
{
	int i;

	for (i = optind; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return false;
}

static bool known(const char *name)
{
	size_t i;

	for (i = 0; i < NR_WAYS; i++)
		if (!strcmp(ways[i].name, name))
			return true;
	return false;
}

int iof_cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int which, status = IOF_EXIT_OK;
	size_t i;

	optind = 1;
	opterr = 0;
	while ((which = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (which != 'h')
			return iof_fail(IOF_EXIT_USAGE,
					"unknown option %s; see `iofault doctor --help`",
					argv[optind - 1]);
		fputs(usage, stdout);
		return iof_flush_stdout(IOF_EXIT_OK);
	}
	for (which = optind; which < argc; which++)
		if (!known(argv[which]))
			return iof_fail(IOF_EXIT_USAGE,
					"there is no way '%s'; see `iofault doctor --help`",
					argv[which]);
	for (i = 0; i < NR_WAYS; i++) {
		struct finding finding = { .next = "" };

		if (optind < argc && !named(ways[i].name, argc, argv))
			continue;
		finding.yes = ways[i].attempt(&finding);
		printf("%-9s %-4s %s\n", ways[i].name, finding.yes ? "yes" : "no", finding.what);
		if (!finding.yes) {
			printf("%-14s next: %s\n", "", finding.next);
			if (optind < argc)
				status = IOF_EXIT_WRONG;
		}
		if (ways[i].module)
			note_old_module(ways[i].module);
		fflush(stdout);
	}
	return iof_flush_stdout(status);
}
