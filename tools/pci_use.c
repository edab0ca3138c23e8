// SPDX-License-Identifier: MIT
/*
 * pci_use.c - what the machine uses a PCI function for: disks and network interfaces.
 *
 * A disk belongs to a function if its folder in /sys lies below the function's. A disk of NVMe with
 * several paths lies below its subsystem, which links to its controllers.
 *
 * Mounts, swap space and holders are looked up to name them. What cannot be seen there, such as a
 * mount in another namespace or a pool of several disks, is found by the claim: an exclusive open
 * of the whole disk fails while anything uses it or one of its partitions.
 */
#include "pci.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct search {
	const char *bdf;
	char folder[PATH_MAX]; /* of the function, without links */
	bool force;
	struct iof_claims *claims;
	char *why;
};

static int refuse(struct search *search, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(struct search *search, const char *format, ...)
{
	va_list args;
	int length;

	length = snprintf(search->why, IOF_WHY, "%s: ", search->bdf);
	va_start(args, format);
	vsnprintf(search->why + length, IOF_WHY - (size_t)length, format, args);
	va_end(args);
	return -EBUSY;
}

static bool below(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return !strncmp(path, folder, length) && path[length] == '/';
}

/* ---- does it belong to the function? ---- */

struct subsystem {
	const char *folder, *function;
};

static int is_controller(const struct iof_sys *sys, const char *name, void *data)
{
	const struct subsystem *subsystem = data;
	char path[PATH_MAX], *target;
	int rc;

	(void)sys;
	if (strncmp(name, "nvme", 4))
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", subsystem->folder, name) >= sizeof(path))
		return 0;
	target = realpath(path, NULL);
	rc = target && below(target, subsystem->function);
	free(target);
	return rc;
}

/* Is @path the folder of a disk, or of its partition, to which the function is one of the paths? */
static bool has_path(const char *path, const char *function)
{
	/* The folder below is a full path. */
	static const struct iof_sys whole = { .root = "" };
	const char *at = strstr(path, "/nvme-subsystem/");
	struct subsystem subsystem = { .function = function };
	char folder[PATH_MAX];

	if (!at)
		return false;
	at += strlen("/nvme-subsystem/");
	at += strcspn(at, "/");
	memcpy(folder, path, (size_t)(at - path));
	folder[at - path] = 0;
	subsystem.folder = folder;
	return iof_sys_each(&whole, folder, is_controller, &subsystem) == 1;
}

/* 1: yes; 0: no, or it is gone; or a negative errno. */
static int belongs(const struct iof_sys *sys, const struct search *search, const char *class,
		   const char *name)
{
	char path[PATH_MAX], *target;
	int rc;

	rc = iof_sys_path(sys, path, "/sys/class/%s/%s", class, name);
	if (rc)
		return rc;
	target = realpath(path, NULL);
	if (!target)
		return errno == ENOENT ? 0 : -errno;
	rc = below(target, search->folder) || has_path(target, search->folder);
	free(target);
	return rc;
}

/* ---- disks ---- */

/* "/dev/NAME": /sys writes the slash of a node in a folder as "!". */
static void node_of(const char *name, char node[NAME_MAX + 8])
{
	char *at;

	snprintf(node, NAME_MAX + 8, "/dev/%s", name);
	for (at = node; *at; at++)
		if (*at == '!')
			*at = '/';
}

/*
 * The end of the fields of a line of mountinfo that say what is mounted, and the fields: number,
 * place, source. False: the line is none.
 */
static bool parse_mount(char *line, char **number, char **place, char **source)
{
	char *rest = line, *field;
	unsigned int nr = 0;

	*number = *place = *source = NULL;
	while ((field = strsep(&rest, " \n")) != NULL) {
		if (nr == 2)
			*number = field;
		else if (nr == 4)
			*place = field;
		else if (nr > 5 && !strcmp(field, "-"))
			break;
		nr++;
	}
	if (!field || !rest)
		return false;
	strsep(&rest, " \n"); /* the type */
	*source = strsep(&rest, " \n");
	return *number && *place && *source;
}

static int check_mounts(const struct iof_sys *sys, struct search *search, const char *node,
			const char *number)
{
	char path[PATH_MAX], *line = NULL, *its_number, *place, *source;
	size_t size = 0;
	FILE *file;
	int rc = 0;

	if (iof_sys_path(sys, path, "/proc/self/mountinfo"))
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (!file)
		return refuse(search, "/proc/self/mountinfo cannot be read: %s", iof_reason(errno));
	/* Btrfs and bcachefs have numbers of their own: their source is the node. */
	while (!rc && getline(&line, &size, file) > 0)
		if (parse_mount(line, &its_number, &place, &source) &&
		    (!strcmp(its_number, number) || !strcmp(source, node)))
			rc = refuse(search, "it carries %s, which is mounted on %s", node, place);
	if (!rc && ferror(file))
		rc = refuse(search, "/proc/self/mountinfo cannot be read");
	fclose(file);
	free(line);
	return rc;
}

static int check_swaps(const struct iof_sys *sys, struct search *search, const char *node)
{
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	FILE *file;
	int rc = 0;

	if (iof_sys_path(sys, path, "/proc/swaps"))
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (!file && errno == ENOENT) /* a kernel without swap space */
		return 0;
	if (!file)
		return refuse(search, "/proc/swaps cannot be read: %s", iof_reason(errno));
	while (!rc && getline(&line, &size, file) > 0) {
		line[strcspn(line, " \t\n")] = 0;
		if (!strcmp(line, node))
			rc = refuse(search, "it carries %s, which is swap space", node);
	}
	if (!rc && ferror(file))
		rc = refuse(search, "/proc/swaps cannot be read");
	fclose(file);
	free(line);
	return rc;
}

struct holder {
	struct search *search;
	const char *node;
};

static int refuse_holder(const struct iof_sys *sys, const char *name, void *data)
{
	const struct holder *holder = data;
	char uuid[256], label[256];
	const char *kind = "another device";

	if (!strncmp(name, "md", 2))
		kind = "the RAID";
	if (!strncmp(name, "dm-", 3)) {
		kind = "the device-mapper device";
		if (!iof_sys_line(sys, uuid, sizeof(uuid), "/sys/class/block/%s/dm/uuid", name) &&
		    !strncmp(uuid, "LVM-", 4))
			kind = "the LVM volume";
	}
	if (iof_sys_line(sys, label, sizeof(label), "/sys/class/block/%s/dm/name", name))
		label[0] = 0;
	return refuse(holder->search, "it carries %s, on which %s %.64s%s%.64s is built",
		      holder->node, kind, name, label[0] ? ", " : "", label);
}

static int check_holders(const struct iof_sys *sys, struct search *search, const char *name,
			 const char *node)
{
	struct holder holder = { .search = search, .node = node };
	char folder[PATH_MAX];
	int rc;

	if ((size_t)snprintf(folder, sizeof(folder), "/sys/class/block/%s/holders", name) >=
	    sizeof(folder))
		return -ENAMETOOLONG;
	rc = iof_sys_each(sys, folder, refuse_holder, &holder);
	if (rc && rc != -EBUSY && rc != -ENOENT)
		return refuse(search, "the holders of %s cannot be read: %s", node, iof_reason(rc));
	return rc == -ENOENT ? 0 : rc;
}

static int claim(const struct iof_sys *sys, struct search *search, const char *name,
		 const char *node)
{
	struct iof_claims *claims = search->claims;
	char hidden[8];
	int *fds, fd;

	/* A hidden disk is one path to a disk, and has no node. */
	if (!iof_sys_line(sys, hidden, sizeof(hidden), "/sys/class/block/%s/hidden", name) &&
	    !strcmp(hidden, "1"))
		return 0;
	fds = realloc(claims->fds, (claims->nr + 1) * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	claims->fds = fds;
	fd = sys->claim(sys, node);
	if (fd == -ENXIO || fd == -ENOMEDIUM) /* a drive without a disk */
		return 0;
	if (fd == -EBUSY)
		return refuse(search,
			      "it carries %s, which is in use: mounted elsewhere, or in a pool",
			      node);
	if (fd < 0)
		return refuse(search, "it carries %s, and whether that is in use is unknown: %s",
			      node, iof_reason(fd));
	claims->fds[claims->nr++] = fd;
	return 0;
}

static int check_disk(const struct iof_sys *sys, const char *name, void *data)
{
	struct search *search = data;
	char node[NAME_MAX + 8], number[32];
	int rc;

	rc = belongs(sys, search, "block", name);
	if (rc <= 0)
		return rc;
	node_of(name, node);
	rc = iof_sys_line(sys, number, sizeof(number), "/sys/class/block/%s/dev", name);
	if (rc)
		return refuse(search, "it carries %.64s, whose number cannot be read: %s", node,
			      iof_reason(rc));
	rc = check_mounts(sys, search, node, number);
	if (!rc)
		rc = check_swaps(sys, search, node);
	if (!rc)
		rc = check_holders(sys, search, name, node);
	/* The claim of a disk includes its partitions. */
	if (!rc && !iof_sys_exists(sys, "/sys/class/block/%s/partition", name))
		rc = claim(sys, search, name, node);
	return rc;
}

/* ---- network interfaces ---- */

static int check_interface(const struct iof_sys *sys, const char *name, void *data)
{
	struct search *search = data;
	char flags[32], state[32];
	bool read_flags, read_state;
	int rc;

	rc = belongs(sys, search, "net", name);
	if (rc <= 0)
		return rc;
	read_flags = !iof_sys_line(sys, flags, sizeof(flags), "/sys/class/net/%s/flags", name);
	read_state = !iof_sys_line(sys, state, sizeof(state), "/sys/class/net/%s/operstate", name);
	if (search->force)
		return 0;
	if (!read_flags && !read_state)
		return refuse(search, "whether its interface %.64s is up cannot be read", name);
	if ((read_flags && strtoul(flags, NULL, 16) & 1) || (read_state && !strcmp(state, "up")))
		return refuse(search,
			      "its network interface %.64s is up: `ip link set %.64s down`, or "
			      "--force",
			      name, name);
	return 0;
}

/* ---- both ---- */

bool iof_pci_claim(const struct iof_sys *sys, const char *bdf, bool force,
		   struct iof_claims *claims, char why[IOF_WHY])
{
	struct search search = { .bdf = bdf, .force = force, .claims = claims, .why = why };
	char path[PATH_MAX];
	int rc;

	*claims = (struct iof_claims){ 0 };
	why[0] = 0;
	rc = iof_sys_path(sys, path, "/sys/bus/pci/devices/%s", bdf);
	if (!rc && !realpath(path, search.folder))
		rc = -errno;
	if (!rc)
		rc = iof_sys_each(sys, "/sys/class/block", check_disk, &search);
	if (!rc || rc == -ENOENT) /* a kernel without disks */
		rc = iof_sys_each(sys, "/sys/class/net", check_interface, &search);
	if (!rc || rc == -ENOENT)
		return true;
	if (!why[0])
		refuse(&search, "what it is used for cannot be read: %s", iof_reason(rc));
	iof_pci_release(claims);
	return false;
}

void iof_pci_release(struct iof_claims *claims)
{
	size_t i;

	for (i = 0; i < claims->nr; i++)
		close(claims->fds[i]);
	free(claims->fds);
	*claims = (struct iof_claims){ 0 };
}
