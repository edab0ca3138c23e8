// SPDX-License-Identifier: MIT
/*
 * groups.c - the actions on VFIO groups, and on the devices that they open.
 */
#include "fuzz.h"
#include "arena.h"

static void close_one(int *fd)
{
	if (*fd >= 0)
		iof_close(*fd);
	*fd = -1;
}

void fuzz_close_groups(void)
{
	unsigned int i;

	for (i = 0; i < FUZZ_GROUPS; i++) {
		close_one(fuzz.finish & 1 ? &fuzz.groups[i] : &fuzz.group_devs[i]);
		close_one(fuzz.finish & 1 ? &fuzz.group_devs[i] : &fuzz.groups[i]);
	}
}

/* The address of a container's descriptor, or of something else. */
static int set_container(const struct fuzz_act *a, int group)
{
	int fd = a->id[0] & 0xc0 ? fuzz_iommu(a) : a->id[0] & 1 ? fuzz.memfd : fuzz_node(a);

	if (a->id[1] & 0x80)
		return iof_ioctl(group, VFIO_GROUP_SET_CONTAINER, (void *)fuzz_ptr(a->ptr));
	return iof_ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd);
}

static void get_device(const struct fuzz_act *a, unsigned int i, int group)
{
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "f000:00:%02x.0%s", 1 + a->id[0] % (FUZZ_DEVICES + 1),
		 a->id[1] & 1 ? " token" : "");
	if (a->id[1] & 0x80) {
		fd = iof_ioctl(group, VFIO_GROUP_GET_DEVICE_FD, (void *)fuzz_ptr(a->ptr));
	} else {
		if (a->damage >= FUZZ_DAMAGED)
			name[a->at % sizeof(name)] ^= (char)a->extra;
		fd = iof_ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	}
	if (fd < 0)
		return;
	close_one(&fuzz.group_devs[i]);
	fuzz.group_devs[i] = fd;
	fuzz.bound = true;
	fuzz.ats_used = true;
}

void fuzz_do_GROUP(const struct fuzz_act *a)
{
	unsigned int i = a->where / 2 % FUZZ_GROUPS;
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int group = fuzz.groups[i];

	if (group < 0)
		group = fuzz.groups[i] = fuzz_open_group(i % 2);
	switch (a->small % 8) {
	case 0:
		if (group >= 0)
			fuzz_send(a, group, VFIO_GROUP_GET_STATUS, &status, sizeof(status));
		break;
	case 1:
	case 2:
		set_container(a, group);
		break;
	case 3:
	case 4:
		get_device(a, i, group);
		break;
	case 5:
		iof_ioctl(group, VFIO_GROUP_UNSET_CONTAINER, NULL);
		break;
	case 6:
		close_one(a->id[0] & 1 ? &fuzz.groups[i] : &fuzz.group_devs[i]);
		break;
	default:
		if (fuzz.group_devs[i] >= 0)
			fuzz_send(a, fuzz.group_devs[i], VFIO_DEVICE_GET_INFO, &info, sizeof(info));
	}
}
