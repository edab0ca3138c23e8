/* SPDX-License-Identifier: MIT */
/*
 * groups.h - what the tests of VFIO groups share: the nodes and names of the devices that a test
 * asked for, and the commands.
 */
#ifndef TESTS_ABI_GROUPS_H
#define TESTS_ABI_GROUPS_H

#include "abi.h"

#include <stdio.h>
#include <unistd.h>

/* Returns the name of device @index, in memory of the thread; each index has its own. */
static inline const char *group_bdf(unsigned int index)
{
	static __thread char bdf[8][24];
	unsigned int number = 0;

	assert_true(index < 8);
	assert_int_equal(sscanf(abi_vfio_path(index), "/dev/vfio/devices/vfio%u", &number), 1);
	snprintf(bdf[index], sizeof(bdf[index]), "f000:00:%02x.0", number + 1);
	return bdf[index];
}

/*
 * Returns the node of its group, in memory of the same kind. In the embedded world a test's
 * devices are all that exist, and the first three of them are in two groups.
 */
static inline const char *group_path(unsigned int index)
{
	static __thread char path[8][32];
	char link[96], target[128];
	ssize_t n;

	if (abi_embedded()) {
		snprintf(path[index], sizeof(path[index]), "/dev/vfio/%u", index > 1);
		return path[index];
	}
	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", group_bdf(index));
	n = readlink(link, target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = 0;
	snprintf(path[index], sizeof(path[index]), "/dev/vfio/%.16s", strrchr(target, '/') + 1);
	return path[index];
}

/* Opens a world, as abi_world(). Skips the test if there are no groups. */
static inline struct iof_world *group_world(const struct iof_dsa_config *dsa, unsigned int nr)
{
	struct iof_world *world = abi_world(dsa, nr);

	if (!abi_embedded() && access("/dev/vfio/vfio", F_OK)) {
		print_message("no VFIO groups here\n");
		skip();
	}
	return world;
}

static inline int group_open(struct iof_world *world, unsigned int index)
{
	return iof_open(world, group_path(index), O_RDWR);
}

static inline int group_enter(int group, int container)
{
	return iof_ioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
}

static inline int group_set_iommu(int container)
{
	return iof_ioctl(container, VFIO_SET_IOMMU, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
}

/* Returns a descriptor of the device with that name, or a negative errno. */
static inline int group_device(int group, const char *name)
{
	return iof_ioctl(group, VFIO_GROUP_GET_DEVICE_FD, (void *)name);
}

#endif
