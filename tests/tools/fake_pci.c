// SPDX-License-Identifier: MIT
/*
 * fake_pci.c - the machine of files (fake_pci.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_pci.h"

char root[64];

struct fake fake;

/* ---- files of the tree ---- */

/* The path in the tree; the next eight calls leave it alone. */
const char *at(const char *format, ...)
{
	static char paths[8][PATH_MAX];
	static unsigned int turn;
	char *path = paths[turn++ % 8];
	va_list args;
	int length;

	length = snprintf(path, PATH_MAX, "%s", root);
	va_start(args, format);
	vsnprintf(path + length, (size_t)(PATH_MAX - length), format, args);
	va_end(args);
	return path;
}

static void make_parents(const char *path)
{
	char part[PATH_MAX];
	char *slash;

	snprintf(part, sizeof(part), "%s", path);
	for (slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		(void)mkdir(part, 0755);
		*slash = '/';
	}
}

void folder(const char *path)
{
	make_parents(path);
	assert_true(!mkdir(path, 0755) || errno == EEXIST);
}

void put(const char *path, const char *text)
{
	FILE *file;

	make_parents(path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

void link_to(const char *target, const char *path)
{
	make_parents(path);
	(void)unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* ---- the kernel ---- */

void bind_to(const char *bdf, const char *driver)
{
	link_to(at("/sys/bus/pci/drivers/%s", driver), at("/sys/bus/pci/devices/%s/driver", bdf));
}

const char *driver_of(const char *bdf)
{
	static char name[NAME_MAX + 1];

	(void)iof_sys_link(&(struct iof_sys){ .root = root }, name,
			   "/sys/bus/pci/devices/%s/driver", bdf);
	return name;
}

const char *override_of(const char *bdf)
{
	static char text[64];

	(void)iof_sys_line(&(struct iof_sys){ .root = root }, text, sizeof(text),
			   "/sys/bus/pci/devices/%s/driver_override", bdf);
	return text;
}

static int bind_file(const char *driver, const char *bdf)
{
	if (access(at("/sys/bus/pci/drivers/%s", driver), F_OK))
		return -ENOENT;
	if (driver_of(bdf)[0])
		return -EBUSY;
	if (!strcmp(driver, IOF_PCI_DRIVER)) {
		if (strcmp(override_of(bdf), driver))
			return -ENODEV;
		if (fake.probe && (!fake.probe_fails_for || !strcmp(fake.probe_fails_for, bdf)))
			return fake.probe;
	}
	bind_to(bdf, driver);
	return 0;
}

static int probe(const char *bdf)
{
	if (access(at("/sys/bus/pci/devices/%s", bdf), F_OK))
		return -ENODEV;
	if (driver_of(bdf)[0])
		return 0;
	if (fake.takes_by_id)
		bind_to(bdf, IOF_PCI_DRIVER);
	else if (!strcmp(override_of(bdf), "(null)"))
		bind_to(bdf, !strcmp(bdf, NET) ? "e1000e" : "nvme");
	return 0;
}

static int fake_write(const struct iof_sys *sys, const char *path, const char *text)
{
	char bdf[IOF_BDF], driver[64];
	const char *rest = path + strlen(sys->root);
	int end = 0;

	assert_memory_equal(path, root, strlen(root));
	if (++fake.nr_writes == fake.fail_at)
		return -EIO;
	if (fake.nr_writes == fake.killed_at)
		_exit(0);
	if (!strcmp(rest, "/sys/bus/pci/drivers_probe"))
		return probe(text);
	if (sscanf(rest, "/sys/bus/pci/drivers/%63[^/]/bind%n", driver, &end) == 1 && end)
		return bind_file(driver, text);
	assert_int_equal(sscanf(rest, "/sys/bus/pci/devices/%23[^/]/", bdf), 1);
	if (access(at("/sys/bus/pci/devices/%s", bdf), F_OK))
		return -ENOENT;
	if (strstr(rest, "/driver_override")) {
		put(path, strcmp(text, "\n") ? text : "(null)");
		return 0;
	}
	assert_non_null(strstr(rest, "/driver/unbind"));
	return unlink(at("/sys/bus/pci/devices/%s/driver", bdf)) ? -errno : 0;
}

static int fake_claim(const struct iof_sys *sys, const char *node)
{
	(void)sys;
	assert_memory_equal(node, "/dev/", 5);
	if (fake.claim)
		return fake.claim;
	fake.nr_claims++;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool fake_load(const struct iof_sys *sys, char why[IOF_WHY])
{
	(void)sys;
	fake.nr_loads++;
	if (fake.no_module) {
		snprintf(why, IOF_WHY, "not found");
		return false;
	}
	folder(at("/sys/bus/pci/drivers/" IOF_PCI_DRIVER));
	return true;
}

const struct iof_sys machine = {
	.root = root,
	.write = fake_write,
	.claim = fake_claim,
	.load = fake_load,
};

/* ---- the machine: a disk and its neighbour in group 7, an interface in group 8 ---- */

void add_function(const char *bdf, const char *class, int group, const char *driver)
{
	put(at(SYS "%s/class", bdf), class);
	put(at(SYS "%s/driver_override", bdf), "(null)\n");
	link_to(at(SYS "%s", bdf), at("/sys/bus/pci/devices/%s", bdf));
	link_to(at(SYS "%s", bdf), at("/sys/kernel/iommu_groups/%d/devices/%s", group, bdf));
	link_to(at("/sys/kernel/iommu_groups/%d", group), at(SYS "%s/iommu_group", bdf));
	if (driver[0]) {
		folder(at("/sys/bus/pci/drivers/%s", driver));
		bind_to(bdf, driver);
	}
}

/* @place: the folder below the function that has the disk */
void add_disk(const char *place, const char *name, const char *number)
{
	put(at(SYS "%s/%s/dev", place, name), number);
	folder(at(SYS "%s/%s/holders", place, name));
	link_to(at(SYS "%s/%s", place, name), at("/sys/class/block/%s", name));
}

int set_up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	strcpy(root, "/var/tmp/iofault-bind.XXXXXX");
	assert_non_null(mkdtemp(root));
	add_function(DISK, "0x010802\n", 7, "nvme");
	add_function(OTHER, "0x108000\n", 7, "");
	add_function(NET, "0x020000\n", 8, "e1000e");
	folder(at("/sys/bus/pci/drivers/" IOF_PCI_DRIVER));
	add_disk(DISK "/nvme/nvme0", "nvme0n1", "259:0\n");
	add_disk(DISK "/nvme/nvme0/nvme0n1", "nvme0n1p1", "259:1\n");
	put(at("/sys/class/block/nvme0n1p1/partition"), "1\n");
	put(at(SYS NET "/net/enp4s0/flags"), "0x1002\n");
	put(at(SYS NET "/net/enp4s0/operstate"), "down\n");
	link_to(at(SYS NET "/net/enp4s0"), at("/sys/class/net/enp4s0"));
	put(at("/sys/class/net/bonding_masters"), "\n");
	put(at("/proc/self/mountinfo"), "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
					"23 22 0:5 / /dev rw - devtmpfs udev rw\n");
	put(at("/proc/swaps"), "Filename\tType\tSize\tUsed\tPriority\n"
			       "/dev/sda2 partition 1024 0 -2\n");
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	return 0;
}
