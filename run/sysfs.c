// SPDX-License-Identifier: MIT
/*
 * sysfs.c - the files in /sys by which programs find a device: /sys/bus/pci/devices, iommu_groups,
 * class/vfio-dev.
 *
 * The folders that change while the program runs are the server's (driver.c), and bound here. The
 * others are plain files, written once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/machine.h"
#include "pci.h"
#include "view.h"

#define HOME  "/sys/devices/pcif000:00"
#define IOMMU "/sys/devices/virtual/iommu/iofault"

struct place {
	struct iof_run *run;
	unsigned int index; /* index of the device */
	unsigned int group;
	char bdf[24];
	char home[64];
};

static void format(char *text, size_t size, const char *what, va_list args)
{
	vsnprintf(text, size, what, args);
}

static void put(const struct place *place, const char *name, const char *what, ...)
	__attribute__((format(printf, 3, 4)));
static void put_link(const char *path, const char *what, ...) __attribute__((format(printf, 2, 3)));

static void put_bytes(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t done = fd < 0 ? -1 : write(fd, bytes, len);

	(void)done;
	if (fd >= 0)
		close(fd);
}

static void put(const struct place *place, const char *name, const char *what, ...)
{
	char path[PATH_MAX], text[1024];
	va_list args;

	va_start(args, what);
	format(text, sizeof(text), what, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", place->home, name);
	put_bytes(path, text, strlen(text));
}

static void put_link(const char *path, const char *what, ...)
{
	char target[PATH_MAX];
	va_list args;
	int rc;

	va_start(args, what);
	format(target, sizeof(target), what, args);
	va_end(args);
	rc = symlink(target, path);
	(void)rc;
}

static void join_group(const struct place *place)
{
	struct place group = *place;
	char path[PATH_MAX];

	snprintf(group.home, sizeof(group.home), "/sys/kernel/iommu_groups/%u", place->group);
	mkdir(group.home, 0755);
	snprintf(path, sizeof(path), "%s/devices", group.home);
	mkdir(path, 0755);
	put(&group, "type", "DMA\n");
	put(&group, "reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n");
	snprintf(path, sizeof(path), "%s/devices/%s", group.home, place->bdf);
	put_link(path, "../../../../devices/pcif000:00/%s", place->bdf);
	snprintf(path, sizeof(path), IOMMU "/devices/%s", place->bdf);
	put_link(path, "../../../../pcif000:00/%s", place->bdf);
}

/* Shows the machine's IOMMU, if it has devices behind one. The host may have others. */
static void show_iommu(struct iof_run *run)
{
	static const char *const parents[] = { "/sys/class", "/sys/devices/virtual" };
	struct place place = { .run = run, .home = IOMMU };
	char path[PATH_MAX];

	for (unsigned int i = 0; run->config->devices[i].no_iommu; i++)
		if (i + 1 == run->config->nr_devices)
			return;
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/iommu", parents[i]);
		if (!iof_run_open_folder(run, path))
			mkdir(path, 0755);
	}
	mkdir(IOMMU, 0755);
	mkdir(IOMMU "/devices", 0755);
	put(&place, "uevent", "%s", "");
	put_link(IOMMU "/subsystem", "../../../../class/iommu");
	put_link("/sys/class/iommu/iofault", "../../devices/virtual/iommu/iofault");
}

/* Makes the folders in which iofault.ko shows its devices, for programs that search those. */
static void show_as_module(const struct place *place, unsigned int first_member)
{
	const struct iof_run_device *dev = &place->run->config->devices[place->index];
	struct iof_machine_device full = {
		.credits = dev->credits,
		.engines = dev->engines,
		.queue_depth = dev->queue_depth,
		.max_pasids = dev->max_pasids,
		.pages_per_group = dev->pages_per_group,
		.no_iommu = dev->no_iommu,
	};
	struct place shown = *place;
	char path[PATH_MAX];

	iof_machine_device_defaults(&full);
	snprintf(shown.home, sizeof(shown.home), "/sys/bus/iofault/devices/dsa%u", place->index);
	mkdir(shown.home, 0755);
	put(&shown, "kind", "dsa\n");
	put(&shown, "credits", "%u\n", full.credits);
	put(&shown, "engines", "%u\n", full.engines);
	put(&shown, "queue_depth", "%u\n", full.queue_depth);
	put(&shown, "max_pasids", "%u\n", full.max_pasids);
	put(&shown, "pages_per_group", "%u\n", full.pages_per_group);
	put(&shown, "no_iommu", "%u\n", (unsigned int)dev->no_iommu);
	if (!dev->no_iommu) {
		snprintf(path, sizeof(path), "%s/iommu_group", shown.home);
		put_link(path, "../groups/%u", first_member);
		snprintf(path, sizeof(path), "/sys/bus/iofault/devices/groups/%u", first_member);
		mkdir(path, 0755);
	}
	snprintf(path, sizeof(path), "%s/vfio-dev", shown.home);
	put_link(path, "../../../../devices/pcif000:00/%s/vfio-dev", place->bdf);
}

/* Returns the lowest number above those of the existing groups. */
unsigned int iof_run_first_group(void)
{
	DIR *dir = opendir("/sys/kernel/iommu_groups");
	struct dirent *entry;
	unsigned long first = 0;

	while (dir && (entry = readdir(dir)))
		if (strtoul(entry->d_name, NULL, 10) >= first && entry->d_name[0] != '.')
			first = strtoul(entry->d_name, NULL, 10) + 1;
	if (dir)
		closedir(dir);
	return (unsigned int)first;
}

/* Makes @parent/@name a folder to which entries can be added. */
static void need(struct iof_run *run, const char *parent, const char *name, char *opened)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", parent, name);
	if (iof_run_open_folder(run, path)) {
		snprintf(opened, PATH_MAX, "%s", path);
		return;
	}
	if (!iof_run_open_folder(run, parent))
		iof_run_die(run, "%s does not exist: mount sysfs on /sys", parent);
	snprintf(opened, PATH_MAX, "%s", parent);
	mkdir(path, 0755);
}

static bool is_sealed(const char *type)
{
	static const char *const types[] = { "sysfs",	   "debugfs",  "tracefs", "configfs",
					     "securityfs", "efivarfs", "pstore",  "fusectl" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

/*
 * Makes the rest of the machine's own sysfs read-only: a program that runs as root must not change
 * the host's devices in place of its own machine's. So are the file systems of the kernel below it.
 * Cgroups and the files of a security module stay as they were, since programs need to write them.
 */
static void seal_sysfs(void)
{
	char *line = NULL, path[PATH_MAX], type[32];
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	size_t room = 0;

	while (mounts && getline(&line, &room, mounts) > 0) {
		const char *rest = strstr(line, " - ");

		/* fields: id, parent, device, root, mount point; paths in sysfs have no blanks */
		if (rest && sscanf(line, "%*d %*d %*s %*s %4095s", path) == 1 &&
		    sscanf(rest, " - %31s", type) == 1 && is_sealed(type) &&
		    !strncmp(path, "/sys", 4) && (path[4] == '/' || !path[4]))
			iof_run_seal_folder(path);
	}
	free(line);
	if (mounts)
		fclose(mounts);
}

/* The modules that programs look for before they use VFIO. */
static void show_modules(struct iof_run *run)
{
	static const struct {
		const char *module, *parameter, *value;
	} modules[] = {
		{ "vfio", "enable_unsafe_noiommu_mode", "N" },
		{ "vfio_iommu_type1", "allow_unsafe_interrupts", "N" },
		{ "vfio_pci", "disable_idle_d3", "N" },
	};
	static char opened[PATH_MAX];
	struct place place = { .run = run };
	char path[PATH_MAX];

	need(run, "/sys", "module", opened);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		snprintf(place.home, sizeof(place.home), "/sys/module/%s", modules[i].module);
		umount2(place.home, MNT_DETACH);
		mkdir(place.home, 0755);
		put(&place, "initstate", "live\n");
		put(&place, "refcnt", "0\n");
		snprintf(path, sizeof(path), "%s/parameters", place.home);
		mkdir(path, 0755);
		snprintf(path, sizeof(path), "parameters/%s", modules[i].parameter);
		put(&place, path, "%s\n", modules[i].value);
	}
	mkdir("/sys/module/vfio_pci/drivers", 0755);
	/* driverctl looks for the module by the name of its driver */
	put_link("/sys/module/vfio-pci", "vfio_pci");
	put_link("/sys/module/vfio_pci/drivers/pci:vfio-pci", "../../../bus/pci/drivers/vfio-pci");
	iof_run_seal_folder(opened);
}

/* A node as a device of class misc, in place of one that the host may have. */
static void show_misc(struct iof_run *run, const char *name, const char *node, unsigned int minor)
{
	struct place place = { .run = run };
	char path[PATH_MAX];

	snprintf(place.home, sizeof(place.home), "/sys/devices/virtual/misc/%s", name);
	umount2(place.home, MNT_DETACH);
	mkdir(place.home, 0755);
	put(&place, "dev", "%u:%u\n", IOF_RUN_MISC_MAJOR, minor);
	put(&place, "uevent", "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", IOF_RUN_MISC_MAJOR, minor, node);
	snprintf(path, sizeof(path), "%s/subsystem", place.home);
	put_link(path, "../../../../class/misc");
	snprintf(path, sizeof(path), "/sys/class/misc/%s", name);
	unlink(path);
	put_link(path, "../../devices/virtual/misc/%s", name);
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", IOF_RUN_MISC_MAJOR, minor);
	unlink(path);
	put_link(path, "../../devices/virtual/misc/%s", name);
}

/* The nodes of the machine, by name and by number. */
static void show_nodes(struct iof_run *run)
{
	static char opened[3][PATH_MAX];
	unsigned int group = 0;
	char path[PATH_MAX];

	need(run, "/sys/devices/virtual", "misc", opened[0]);
	need(run, "/sys/class", "misc", opened[1]);
	need(run, "/sys/dev", "char", opened[2]);
	show_misc(run, "iommu", "iommu", IOF_RUN_IOMMU_MINOR);
	show_misc(run, "vfio", "vfio/vfio", IOF_RUN_VFIO_MINOR);
	for (unsigned int i = 0; i < run->config->nr_devices; i++) {
		snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", IOF_RUN_DEV_MAJOR, i);
		put_link(path, "../../devices/pcif000:00/" IOF_RUN_BDF "/vfio-dev/vfio%u", i + 1,
			 i);
		if (run->config->devices[i].share_group)
			continue;
		group += i ? 1 : 0;
		snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", IOF_RUN_GROUP_MAJOR, group);
		if (!run->config->devices[i].no_iommu)
			put_link(path, "../../devices/virtual/vfio/%u", run->first_group + group);
	}
	for (unsigned int i = 0; i < 3; i++)
		iof_run_seal_folder(opened[i]);
}

void iof_run_build_sys(struct iof_run *run)
{
	static char opened[7][PATH_MAX];
	struct place place = { .run = run };
	unsigned int first_member = 0;
	char path[PATH_MAX];
	int rc;

	need(run, "/sys", "devices", opened[1]);
	need(run, "/sys", "class", opened[2]);
	show_nodes(run);
	if (!run->config->nr_devices) {
		iof_run_seal_folder(opened[1]);
		iof_run_seal_folder(opened[2]);
		seal_sysfs();
		return;
	}
	need(run, "/sys", "bus", opened[0]);
	rc = mkdir("/sys/bus/iofault", 0755) || mkdir("/sys/bus/iofault/devices", 0755) ||
	     mkdir("/sys/bus/iofault/devices/groups", 0755);
	if (access("/sys/bus/pci/devices", F_OK)) {
		/* needed on a machine without PCI */
		mkdir("/sys/bus/pci", 0755);
		mkdir("/sys/bus/pci/devices", 0755);
		mkdir("/sys/bus/pci/drivers", 0755);
	} else {
		need(run, "/sys/bus/pci", "devices", opened[5]);
		need(run, "/sys/bus/pci", "drivers", opened[4]);
	}
	need(run, "/sys/kernel", "iommu_groups", opened[3]);
	need(run, "/sys/devices", "virtual", opened[6]);
	show_iommu(run);
	(void)rc;
	for (place.index = 0; place.index < run->config->nr_devices; place.index++) {
		if (!place.index)
			place.group = run->first_group;
		else if (!run->config->devices[place.index].share_group)
			place.group++;
		if (!run->config->devices[place.index].share_group)
			first_member = place.index;
		snprintf(place.bdf, sizeof(place.bdf), IOF_RUN_BDF, place.index + 1);
		snprintf(place.home, sizeof(place.home), HOME "/%s", place.bdf);
		if (!run->config->devices[place.index].no_iommu)
			join_group(&place);
		if (run->config->devices[place.index].kind == IOF_RUN_DSA)
			show_as_module(&place, first_member);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", place.bdf);
		put_link(path, "../../../devices/pcif000:00/%s", place.bdf);
	}
	iof_run_bind_folder(run, "pcif000:00", HOME);
	iof_run_bind_folder(run, "vfio-pci", "/sys/bus/pci/drivers/vfio-pci");
	iof_run_bind_folder(run, "vfio-dev", "/sys/class/vfio-dev");
	iof_run_bind_folder(run, "vfio-groups", "/sys/devices/virtual/vfio");
	iof_run_bind_folder(run, "vfio-class", "/sys/class/vfio");
	iof_run_bind_file(run, "drivers_probe", "/sys/bus/pci/drivers_probe");
	iof_run_bind_file(run, "drivers_autoprobe", "/sys/bus/pci/drivers_autoprobe");
	iof_run_bind_file(run, "rescan", "/sys/bus/pci/rescan");
	show_modules(run);
	for (unsigned int i = 0; i < 7; i++)
		if (opened[i][0])
			iof_run_seal_folder(opened[i]);
	iof_run_seal_folder("/sys/class/iommu");
	iof_run_seal_folder("/sys/devices/virtual/iommu");
	seal_sysfs();
}
