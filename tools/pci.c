// SPDX-License-Identifier: MIT
/*
 * pci.c - reads the machine's PCI functions and IOMMU in /sys and /proc.
 */
#include "pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- files ---- */

static int path_of(const struct iof_sys *sys, char path[PATH_MAX], const char *format, va_list args)
{
	size_t length = strlen(sys->root);
	int more;

	if (length >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, sys->root, length);
	more = vsnprintf(path + length, PATH_MAX - length, format, args);
	return more < 0 || (size_t)more >= PATH_MAX - length ? -ENAMETOOLONG : 0;
}

int iof_sys_path(const struct iof_sys *sys, char path[PATH_MAX], const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = path_of(sys, path, format, args);
	va_end(args);
	return rc;
}

int iof_sys_line(const struct iof_sys *sys, char *text, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	size_t length = 0;
	ssize_t got = 0;
	va_list args;
	char *end;
	int fd, rc;

	text[0] = 0;
	va_start(args, format);
	rc = path_of(sys, path, format, args);
	va_end(args);
	if (rc)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	while (length < size && (got = read(fd, text + length, size - length)) > 0)
		length += (size_t)got;
	rc = got < 0 ? -errno : 0;
	close(fd);
	end = memchr(text, '\n', length);
	if (!end && length == size)
		rc = rc ?: -EOVERFLOW;
	if (rc)
		text[0] = 0;
	else
		text[end ? (size_t)(end - text) : length] = 0;
	return rc;
}

int iof_sys_link(const struct iof_sys *sys, char name[NAME_MAX + 1], const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t length;
	va_list args;
	int rc;

	name[0] = 0;
	va_start(args, format);
	rc = path_of(sys, path, format, args);
	va_end(args);
	if (rc)
		return rc;
	length = readlink(path, target, sizeof(target));
	if (length < 0)
		return -errno;
	if ((size_t)length == sizeof(target))
		return -ENAMETOOLONG;
	target[length] = 0;
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) > NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(name, last);
	return 0;
}

bool iof_sys_exists(const struct iof_sys *sys, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	int rc;

	va_start(args, format);
	rc = path_of(sys, path, format, args);
	va_end(args);
	return !rc && !access(path, F_OK);
}

int iof_sys_each(const struct iof_sys *sys, const char *folder,
		 int (*each)(const struct iof_sys *sys, const char *name, void *data), void *data)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int rc;

	rc = iof_sys_path(sys, path, "%s", folder);
	if (rc)
		return rc;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!rc) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			rc = -errno;
			break;
		}
		if (entry->d_name[0] != '.')
			rc = each(sys, entry->d_name, data);
	}
	closedir(dir);
	return rc;
}

static int write_file(const struct iof_sys *sys, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	(void)sys;
	if (fd < 0)
		return -errno;
	/* A file of /sys takes its text as a whole. */
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

/* No other process can mount the disk or build on it while this descriptor is open. */
static int claim_disk(const struct iof_sys *sys, const char *node)
{
	int fd = open(node, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);

	(void)sys;
	return fd < 0 ? -errno : fd;
}

/* ---- modprobe ---- */

static bool load_module(const struct iof_sys *sys, char why[IOF_WHY])
{
	/*
	 * vfio first: iofault.ko numbers its nodes from 4096 then, so that those of real functions
	 * are free. A shell is not needed for the output: popen() gives it.
	 */
	FILE *modprobe = popen("PATH=/usr/sbin:/sbin:$PATH modprobe -a vfio " IOF_PCI_DRIVER
			       " 2>&1 </dev/null",
			       "re");
	char line[IOF_WHY / 2], last[IOF_WHY / 2] = "";

	(void)sys;
	while (modprobe && fgets(line, sizeof(line), modprobe)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0])
			strcpy(last, line);
	}
	if (modprobe && !pclose(modprobe))
		return true;
	snprintf(why, IOF_WHY,
		 IOF_PCI_DRIVER ".ko is not loaded, and modprobe fails: %s (`iofault doctor` has "
				"the next step)",
		 last[0] ? last : "it says nothing");
	return false;
}

const struct iof_sys iof_machine = {
	.root = "",
	.write = write_file,
	.claim = claim_disk,
	.load = load_module,
};

/* ---- functions ---- */

/* Reads a number of @least to @most hexadecimal digits. Returns the rest, or NULL. */
static const char *digits(const char *text, size_t least, size_t most, unsigned int *out)
{
	size_t length = strspn(text, "0123456789abcdefABCDEF");

	if (length < least || length > most)
		return NULL;
	*out = (unsigned int)strtoul(text, NULL, 16);
	return text + length;
}

bool iof_pci_address(const char *text, char bdf[IOF_BDF])
{
	unsigned int domain = 0, bus, slot, function;
	const char *at = strchr(text, ':');

	if (at && strchr(at + 1, ':')) {
		at = digits(text, 1, 8, &domain);
		if (!at || *at++ != ':')
			return false;
		text = at;
	}
	at = digits(text, 1, 2, &bus);
	if (!at || *at++ != ':')
		return false;
	at = digits(at, 1, 2, &slot);
	if (!at || *at++ != '.')
		return false;
	at = digits(at, 1, 1, &function);
	if (!at || *at || slot > 0x1f || function > 7)
		return false;
	snprintf(bdf, IOF_BDF, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

/* Offset of PCI Express's extended capabilities. */
enum {
	EXTENDED_AT = 0x100,
	CONFIG_SIZE = 4096,
};

int iof_pci_capability(const struct iof_sys *sys, const char *bdf, unsigned int id)
{
	uint32_t header, at = EXTENDED_AT, steps;
	char path[PATH_MAX];
	int fd = -1, found = -1;

	if (!iof_sys_path(sys, path, "/sys/bus/pci/devices/%s/config", bdf))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	for (steps = 0; fd >= 0 && steps < CONFIG_SIZE / 8; steps++) {
		if (pread(fd, &header, sizeof(header), at) != sizeof(header))
			break;
		found = (header & 0xffff) == id;
		at = header >> 20 & 0xffc;
		if (found || at < EXTENDED_AT)
			break;
	}
	/* A function of conventional PCI ends there, for a reader who sees all of it. */
	if (fd >= 0 && found < 0 && !steps &&
	    pread(fd, &header, sizeof(header), EXTENDED_AT - 4) == sizeof(header))
		found = 0;
	if (fd >= 0)
		close(fd);
	return found;
}

/* ---- the IOMMU ---- */

static int any(const struct iof_sys *sys, const char *name, void *data)
{
	(void)sys;
	(void)name;
	(void)data;
	return 1;
}

/* The value that the last word NAME=... of the kernel's command line has with on or off. */
static bool booted_with(const struct iof_sys *sys, const char *name, const char *value)
{
	char line[4096], *word, *rest = line, *part, *parts;
	size_t length = strlen(name);
	bool found = false;

	if (iof_sys_line(sys, line, sizeof(line), "/proc/cmdline"))
		return false;
	while ((word = strsep(&rest, " \t")) != NULL) {
		if (strncmp(word, name, length) || word[length] != '=')
			continue;
		parts = word + length + 1;
		while ((part = strsep(&parts, ",")) != NULL) {
			if (!strcmp(part, value))
				found = true;
			else if (!strcmp(part, "on") || !strcmp(part, "off"))
				found = false;
		}
	}
	return found;
}

static bool cpu_is(const struct iof_sys *sys, const char *vendor)
{
	char path[PATH_MAX], line[256];
	bool found = false;
	FILE *file;

	if (iof_sys_path(sys, path, "/proc/cpuinfo"))
		return false;
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "vendor_id", 9) && strstr(line, vendor);
	if (file)
		fclose(file);
	return found;
}

static void tell(char what[IOF_WHY], const char *what_text, char next[IOF_WHY],
		 const char *next_text)
{
	snprintf(what, IOF_WHY, "%s", what_text);
	snprintf(next, IOF_WHY, "%s", next_text);
}

void iof_pci_no_iommu(const struct iof_sys *sys, char what[IOF_WHY], char next[IOF_WHY])
{
	if (iof_sys_each(sys, "/sys/class/iommu", any, NULL) == 1)
		tell(what, "no IOMMU of this machine translates for it", next,
		     "see what the kernel found: sudo dmesg | grep -i -e DMAR -e AMD-Vi");
	else if (cpu_is(sys, "GenuineIntel") && !booted_with(sys, "intel_iommu", "on"))
		tell(what, "no IOMMU is in use: intel_iommu=on is missing", next,
		     "enable VT-d in the firmware, add intel_iommu=on to the kernel's command "
		     "line, and boot again");
	else if (cpu_is(sys, "GenuineIntel"))
		tell(what, "no IOMMU is in use, in spite of intel_iommu=on", next,
		     "enable VT-d in the firmware, or give the virtual machine an IOMMU");
	else if (booted_with(sys, "amd_iommu", "off"))
		tell(what, "no IOMMU is in use: the kernel was booted with amd_iommu=off", next,
		     "remove amd_iommu=off from the kernel's command line, and boot again");
	else
		tell(what, "no IOMMU is in use", next,
		     "enable the IOMMU in the firmware, or give the virtual machine one");
}

/* ---- the module ---- */

/* Is the module built into the kernel, or a file of it? */
static bool kernel_has(const struct iof_sys *sys, const char *release, const char *folder,
		       const char *name)
{
	static const char *const forms[] = { "ko", "ko.xz", "ko.zst", "ko.gz" };
	char path[PATH_MAX], line[512];
	bool found = false;
	FILE *file;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (iof_sys_exists(sys, "/lib/modules/%s/%s/%s.%s", release, folder, name,
				   forms[i]))
			return true;
	if (iof_sys_path(sys, path, "/lib/modules/%s/modules.builtin", release))
		return false;
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, name);
	if (file)
		fclose(file);
	return found;
}

bool iof_pci_ready(const struct iof_sys *sys, char what[IOF_WHY], char next[IOF_WHY])
{
	char release[128];

	if (iof_sys_each(sys, "/sys/class/iommu", any, NULL) != 1) {
		iof_pci_no_iommu(sys, what, next);
		return false;
	}
	if (iof_sys_exists(sys, "/sys/bus/pci/drivers/" IOF_PCI_DRIVER))
		return true;
	if (iof_sys_line(sys, release, sizeof(release), "/proc/sys/kernel/osrelease"))
		release[0] = 0;
	if (!iof_sys_exists(sys, "/lib/modules/%s", release))
		tell(what, "this is a container, or has no modules of its kernel", next,
		     "load iofault-pci.ko on the host");
	else if (!kernel_has(sys, release, "kernel/drivers/vfio/pci", "vfio-pci-core"))
		tell(what, "the kernel has no vfio-pci-core (CONFIG_VFIO_PCI_CORE)", next,
		     "boot a kernel that has it, as Debian's do");
	else if (kernel_has(sys, release, "updates", IOF_PCI_DRIVER) ||
		 kernel_has(sys, release, "updates/dkms", IOF_PCI_DRIVER))
		tell(what, IOF_PCI_DRIVER ".ko is not loaded", next,
		     "sudo modprobe -a vfio " IOF_PCI_DRIVER);
	else
		tell(what, IOF_PCI_DRIVER ".ko is not installed", next,
		     "sudo apt install iofault-dkms, or make kmod-install");
	return false;
}
