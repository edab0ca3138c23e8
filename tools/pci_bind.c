// SPDX-License-Identifier: MIT
/*
 * pci_bind.c - gives PCI functions to iofault-pci, and back to the drivers that they had.
 *
 * Everything that can be in the way is checked for each function before the first one changes its
 * driver. The file bind of a driver returns the error of its probe, which drivers_probe does not.
 *
 * /run/iofault/BDF has two lines: the driver, and the driver_override that the function had. The
 * folder is locked while functions change drivers.
 */
#include "pci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

#define FOLDER	    "/run/iofault"
#define BESIDE_VFIO 4096 /* first number of the software devices' nodes if vfio.ko came first */

static bool refuse(char why[IOF_WHY], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Returns false, for the return statement of its caller. */
static bool refuse(char why[IOF_WHY], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, IOF_WHY, format, args);
	va_end(args);
	return false;
}

/* ---- the record of a function's driver ---- */

/* Locks the folder, which is made if need be. A descriptor, or a negative errno. */
static int lock_folder(const struct iof_sys *sys)
{
	char path[PATH_MAX];
	int fd, rc;

	rc = iof_sys_path(sys, path, "/run");
	if (rc)
		return rc;
	(void)mkdir(path, 0755);
	(void)iof_sys_path(sys, path, FOLDER);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int write_record(int folder, const struct iof_pci_function *function)
{
	char text[2 * NAME_MAX + 4];
	int fd, rc = 0;
	ssize_t length;

	length = snprintf(text, sizeof(text), "%s\n%s\n", function->driver, function->override);
	(void)unlinkat(folder, function->bdf, 0);
	fd = openat(folder, function->bdf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return -errno;
	errno = ENOSPC;
	if (write(fd, text, (size_t)length) != length)
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (rc)
		(void)unlinkat(folder, function->bdf, 0);
	return rc;
}

/* The name of a driver, and no path. */
static bool is_name(const char *text)
{
	return strlen(text) <= NAME_MAX && !strchr(text, '/') && text[0] != '.';
}

/* Reads the record. False: there is none, or it is damaged. */
static bool read_record(int folder, struct iof_pci_function *function)
{
	char text[2 * NAME_MAX + 4], *rest = text, *driver, *override;
	int fd = openat(folder, function->bdf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length] = 0;
	driver = strsep(&rest, "\n");
	override = strsep(&rest, "\n");
	if (!override || !rest || !is_name(driver) || !is_name(override))
		return false;
	strcpy(function->driver, driver);
	strcpy(function->override, override);
	return true;
}

/*
 * Takes the driver of a function that has none, and its driver_override, from its record: a bind or
 * an unbind was killed. False: there is no record, or the driver_override is of another time.
 */
static bool recall(int folder, struct iof_pci_function *function)
{
	struct iof_pci_function then = { .driver = "" };

	strcpy(then.bdf, function->bdf);
	if (function->driver[0] || !read_record(folder, &then) ||
	    (strcmp(function->override, IOF_PCI_DRIVER) &&
	     strcmp(function->override, then.override)))
		return false;
	strcpy(function->driver, then.driver);
	strcpy(function->override, then.override);
	return true;
}

/* Reads the driver_override of a function; "": it has none. 0 or a negative errno. */
static int read_override(const struct iof_sys *sys, struct iof_pci_function *function)
{
	int rc = iof_sys_line(sys, function->override, sizeof(function->override),
			      "/sys/bus/pci/devices/%s/driver_override", function->bdf);

	if (!strcmp(function->override, "(null)"))
		function->override[0] = 0;
	return rc;
}

/* ---- what is in the way ---- */

struct group {
	const struct iof_pci_function *functions;
	size_t nr;
	char text[IOF_WHY / 2]; /* the members that are in the way */
	unsigned int more;	/* number of those without room in the text */
	const char *bdf;
};

/* Drivers that leave the DMA of their device to others. */
static bool is_neutral(const struct iof_sys *sys, const char *bdf, const char *member,
		       const char *driver)
{
	static const char *const neutral[] = { IOF_PCI_DRIVER, "vfio-pci", "pci-stub", "pcieport" };
	size_t i;

	for (i = 0; i < sizeof(neutral) / sizeof(neutral[0]); i++)
		if (!strcmp(driver, neutral[i]))
			return true;
	/* A VFIO driver of another name. */
	return iof_sys_exists(sys, "/sys/bus/pci/devices/%s/iommu_group/devices/%s/vfio-dev", bdf,
			      member);
}

static int check_member(const struct iof_sys *sys, const char *name, void *data)
{
	char driver[NAME_MAX + 1], part[160];
	struct group *group = data;
	size_t i, length;
	int rc;

	for (i = 0; i < group->nr; i++)
		if (!strcmp(group->functions[i].bdf, name))
			return 0;
	rc = iof_sys_link(sys, driver, "/sys/bus/pci/devices/%s/iommu_group/devices/%s/driver",
			  group->bdf, name);
	if (rc == -ENOENT || (!rc && is_neutral(sys, group->bdf, name, driver)))
		return 0;
	if (rc)
		return rc;
	length = strlen(group->text);
	snprintf(part, sizeof(part), "%s%.64s (%.64s)", length ? ", " : "", name, driver);
	if (length + strlen(part) < sizeof(group->text))
		strcpy(group->text + length, part);
	else
		group->more++;
	return 0;
}

static bool check_group(const struct iof_sys *sys, const char *bdf,
			const struct iof_pci_function *functions, size_t nr, char why[IOF_WHY])
{
	struct group group = { .functions = functions, .nr = nr, .bdf = bdf };
	char number[NAME_MAX + 1], name[32], folder[PATH_MAX], what[IOF_WHY], next[IOF_WHY];
	char more[32] = "";
	int rc;

	rc = iof_sys_link(sys, number, "/sys/bus/pci/devices/%s/iommu_group", bdf);
	if (rc == -ENOENT) {
		iof_pci_no_iommu(sys, what, next);
		return refuse(why, "%s: %.200s: %.240s", bdf, what, next);
	}
	if (!rc &&
	    !iof_sys_line(sys, name, sizeof(name), "/sys/bus/pci/devices/%s/iommu_group/name",
			  bdf) &&
	    !strcmp(name, "vfio-noiommu"))
		return refuse(why, "%s: its isolation group is VFIO's without an IOMMU", bdf);
	if (!rc) {
		snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s/iommu_group/devices",
			 bdf);
		rc = iof_sys_each(sys, folder, check_member, &group);
	}
	if (rc)
		return refuse(why, "%s: its isolation group cannot be read: %s", bdf,
			      iof_reason(rc));
	if (!group.text[0])
		return true;
	if (group.more)
		snprintf(more, sizeof(more), " and %u more", group.more);
	return refuse(why,
		      "%s: isolation group %.16s is shared with %s%s: name them in the same bind, "
		      "or unbind their drivers",
		      bdf, number, group.text, more);
}

/*
 * Bridges of the machine itself, to its memory, to ISA or to other PCI buses. "Other bridges" (80)
 * are end points, such as those to another machine.
 */
static bool is_bridge(unsigned long class)
{
	return class >> 16 == 0x06 && (class >> 8 & 0xff) != 0x80;
}

static bool check_function(const struct iof_sys *sys, int folder,
			   struct iof_pci_function *functions, size_t nr,
			   struct iof_pci_function *function, bool force, char why[IOF_WHY])
{
	const char *bdf = function->bdf;
	char text[32];
	int rc;

	if (!iof_sys_exists(sys, "/sys/bus/pci/devices/%s", bdf))
		return refuse(why, "%s: there is no such PCI function (`lspci -D` lists them)",
			      bdf);
	rc = iof_sys_link(sys, function->driver, "/sys/bus/pci/devices/%s/driver", bdf);
	if (rc && rc != -ENOENT)
		return refuse(why, "%s: its driver cannot be read: %s", bdf, iof_reason(rc));
	if (!strcmp(function->driver, IOF_PCI_DRIVER)) {
		function->had_it = true;
		return true;
	}
	rc = read_override(sys, function);
	if (rc)
		return refuse(why, "%s: its driver_override cannot be read: %s", bdf,
			      iof_reason(rc));
	(void)recall(folder, function);
	if (!iof_sys_line(sys, text, sizeof(text), "/sys/bus/pci/devices/%s/class", bdf) &&
	    is_bridge(strtoul(text, NULL, 16)))
		return refuse(why, "%s: it is a bridge: bind the functions behind it", bdf);
	if (!iof_sys_line(sys, text, sizeof(text), "/sys/bus/pci/devices/%s/sriov_numvfs", bdf) &&
	    strtoul(text, NULL, 10))
		return refuse(why,
			      "%s: its driver has made %lu virtual functions: write 0 to "
			      "/sys/bus/pci/devices/%s/sriov_numvfs first",
			      bdf, strtoul(text, NULL, 10), bdf);
	return check_group(sys, bdf, functions, nr, why) &&
	       iof_pci_claim(sys, bdf, force, &function->claims, why);
}

/* ---- the switch ---- */

static int write_to(const struct iof_sys *sys, const char *text, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int write_to(const struct iof_sys *sys, const char *text, const char *format, ...)
{
	char path[PATH_MAX], rest[PATH_MAX];
	va_list args;
	int rc;

	va_start(args, format);
	vsnprintf(rest, sizeof(rest), format, args);
	va_end(args);
	rc = iof_sys_path(sys, path, "%s", rest);
	return rc ? rc : sys->write(sys, path, text);
}

static int set_override(const struct iof_sys *sys, const char *bdf, const char *driver)
{
	/* A line feed alone removes it. */
	return write_to(sys, driver[0] ? driver : "\n", "/sys/bus/pci/devices/%s/driver_override",
			bdf);
}

static int leave_driver(const struct iof_sys *sys, const char *bdf)
{
	int rc = write_to(sys, bdf, "/sys/bus/pci/devices/%s/driver/unbind", bdf);

	return rc == -ENOENT ? 0 : rc; /* no driver has it */
}

/*
 * Gives the function back, in the state of its record. Without one, the kernel chooses. 0 or a
 * negative errno.
 */
static int give_back(const struct iof_sys *sys, const struct iof_pci_function *function,
		     bool recorded)
{
	int rc;

	rc = set_override(sys, function->bdf, function->override);
	if (!recorded)
		return rc ? rc : write_to(sys, function->bdf, "/sys/bus/pci/drivers_probe");
	if (rc || !function->driver[0])
		return rc;
	rc = write_to(sys, function->bdf, "/sys/bus/pci/drivers/%s/bind", function->driver);
	/* Its driver is gone, or refuses: any other one. */
	return rc ? write_to(sys, function->bdf, "/sys/bus/pci/drivers_probe") : 0;
}

static int is_low(const struct iof_sys *sys, const char *name, void *data)
{
	unsigned int number;

	(void)sys;
	(void)data;
	return sscanf(name, "vfio%u", &number) == 1 && number < BESIDE_VFIO;
}

/* The reason why iofault-pci's probe failed, from its errno. */
static const char *probe_reason(const struct iof_sys *sys, int rc)
{
	switch (rc) {
	case -EPERM:
		return "the IOMMU does not isolate its interrupts (see allow_unsafe_interrupts in "
		       "iofault-pci(4))";
	case -EBUSY:
		if (iof_sys_each(sys, "/sys/class/iofault-vfio", is_low, NULL) == 1)
			return "a software device has the number of its node: `modprobe -r "
			       "iofault-pci iofault && modprobe -a vfio iofault-pci`";
		return "its isolation group is in use";
	case -ENODEV:
		return "no IOMMU translates for it, or iofault-pci does not know it (see `dmesg`)";
	default:
		return iof_reason(rc);
	}
}

/* Is the driver of the function, now, this one? */
static bool has_driver(const struct iof_sys *sys, const char *bdf, const char *wanted)
{
	char driver[NAME_MAX + 1];

	(void)iof_sys_link(sys, driver, "/sys/bus/pci/devices/%s/driver", bdf);
	return !strcmp(driver, wanted);
}

/* Takes one function. If that fails, its driver has it again. */
static bool take(const struct iof_sys *sys, int folder, struct iof_pci_function *function,
		 char why[IOF_WHY])
{
	const char *bdf = function->bdf, *step, *reason, *not_back = "";
	int rc;

	rc = write_record(folder, function);
	if (rc)
		return refuse(why, "%s: its driver cannot be recorded in " FOLDER ": %s", bdf,
			      iof_reason(rc));
	step = "its driver does not let it go";
	rc = leave_driver(sys, bdf);
	/* The numbers of its disks become free, so that they return under their names. */
	iof_pci_release(&function->claims);
	reason = iof_reason(rc);
	if (!rc) {
		step = "its driver_override cannot be written";
		rc = set_override(sys, bdf, IOF_PCI_DRIVER);
		reason = iof_reason(rc);
	}
	if (!rc) {
		step = IOF_PCI_DRIVER " does not take it";
		rc = write_to(sys, bdf, "/sys/bus/pci/drivers/" IOF_PCI_DRIVER "/bind");
		if (!rc && !has_driver(sys, bdf, IOF_PCI_DRIVER))
			rc = -ENODEV;
		reason = probe_reason(sys, rc);
	}
	if (!rc)
		return true;
	/* The function may have gone, and its driver may have it still. */
	(void)give_back(sys, function, true);
	if (function->driver[0] && !has_driver(sys, bdf, function->driver))
		not_back = "; no driver has it now";
	(void)unlinkat(folder, bdf, 0);
	return refuse(why, "%s: %s: %s%s", bdf, step, reason, not_back);
}

static void untake(const struct iof_sys *sys, int folder, struct iof_pci_function *function)
{
	(void)leave_driver(sys, function->bdf);
	(void)give_back(sys, function, true);
	(void)unlinkat(folder, function->bdf, 0);
}

bool iof_pci_bind(const struct iof_sys *sys, struct iof_pci_function *functions, size_t nr,
		  bool force, char why[IOF_WHY])
{
	int folder = lock_folder(sys);
	size_t i, taken = 0;
	bool ok = true;

	if (folder < 0)
		return refuse(why, FOLDER " cannot be used: %s", iof_reason(folder));
	for (i = 0; i < nr && ok; i++)
		ok = check_function(sys, folder, functions, nr, &functions[i], force, why);
	if (ok && !iof_sys_exists(sys, "/sys/bus/pci/drivers/" IOF_PCI_DRIVER))
		ok = sys->load(sys, why);
	while (ok && taken < nr) {
		ok = functions[taken].had_it || take(sys, folder, &functions[taken], why);
		taken += ok;
	}
	while (!ok && taken--)
		if (!functions[taken].had_it)
			untake(sys, folder, &functions[taken]);
	for (i = 0; i < nr; i++)
		iof_pci_release(&functions[i].claims);
	close(folder);
	return ok;
}

/* ---- the way back ---- */

/* Is @function iofault-pci's, or left without a driver by a command that was killed? */
static bool is_ours(const struct iof_sys *sys, int folder, const char *bdf, char why[IOF_WHY])
{
	struct iof_pci_function function = { .driver = "" };
	int rc;

	if (!iof_sys_exists(sys, "/sys/bus/pci/devices/%s", bdf))
		return refuse(why, "%s: there is no such PCI function (`lspci -D` lists them)",
			      bdf);
	strcpy(function.bdf, bdf);
	rc = iof_sys_link(sys, function.driver, "/sys/bus/pci/devices/%s/driver", bdf);
	if (rc && rc != -ENOENT)
		return refuse(why, "%s: its driver cannot be read: %s", bdf, iof_reason(rc));
	if (!strcmp(function.driver, IOF_PCI_DRIVER))
		return true;
	if (function.driver[0])
		return refuse(why, "%s: its driver is %.64s, not " IOF_PCI_DRIVER, bdf,
			      function.driver);
	if (!read_override(sys, &function) &&
	    (!strcmp(function.override, IOF_PCI_DRIVER) || recall(folder, &function)))
		return true;
	return refuse(why, "%s: no driver has it", bdf);
}

bool iof_pci_unbind(const struct iof_sys *sys, const char *bdf, char why[IOF_WHY])
{
	struct iof_pci_function function = { .driver = "" };
	int folder = lock_folder(sys), rc;
	bool recorded, ok;

	strcpy(function.bdf, bdf);
	ok = is_ours(sys, folder, bdf, why);
	if (!ok)
		goto out_close;
	/* Without the folder there are no records. */
	recorded = folder >= 0 && read_record(folder, &function);
	rc = leave_driver(sys, bdf);
	if (rc) {
		ok = refuse(why, "%s: " IOF_PCI_DRIVER " does not let it go: %s", bdf,
			    iof_reason(rc));
		goto out_close;
	}
	rc = give_back(sys, &function, recorded);
	if (folder >= 0)
		(void)unlinkat(folder, bdf, 0);
	if (rc)
		ok = refuse(why, "%s: it has no driver now: %s", bdf, iof_reason(rc));
	else if (has_driver(sys, bdf, IOF_PCI_DRIVER))
		ok = refuse(why,
			    "%s: " IOF_PCI_DRIVER " takes it again by its ids or new_id: write its "
			    "id to /sys/bus/pci/drivers/" IOF_PCI_DRIVER "/remove_id",
			    bdf);
out_close:
	if (folder >= 0)
		close(folder);
	return ok;
}
