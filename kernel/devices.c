// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * devices.c - the module's devices in sysfs: their number, kinds and limits.
 *
 *   /sys/bus/iofault/devices/dsaN/
 *       kind, credits, engines, queue_depth, max_pasids, pages_per_group
 *       no_iommu                           1: without IOMMU, and so without
 *       iommu_group -> ../groups/G         its isolation group
 *       vfio-dev/vfioN -> the node's own folder, with "dev" in it
 *   /sys/devices/iofault/groups/G/devices/ the members
 *
 * The names below a device are those that VFIO clients look for below a PCI
 * device. This bus has no drivers; the module serves its devices itself. All
 * entries are made once, before the machine, and removed after it. They do not
 * change in between, so there are no locks.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "private.h"

struct iof_shown {
	struct device dev;
	struct iof_machine_device config; /* defaults are filled in */
	struct kobject *vfio_dev;	  /* the folder vfio-dev */
	struct iof_shown_group *group;
};

struct iof_shown_group {
	struct kobject *folder, *members;
};

static struct device *root;
static struct kobject *groups_folder;
static struct iof_shown *shown[IOF_MAX_DEVICES];
/* indexed by the first member */
static struct iof_shown_group groups[IOF_MAX_DEVICES];
static unsigned int nr_shown;
static atomic_t nr_unreleased = ATOMIC_INIT(0);

static struct iof_shown *shown_of(struct device *dev)
{
	return container_of(dev, struct iof_shown, dev);
}

/* ---- attributes ---- */

static ssize_t kind_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "dsa\n");
}
static DEVICE_ATTR_RO(kind);

#define IOF_SHOW(_name)                                                       \
	static ssize_t _name##_show(struct device *dev,                       \
				    struct device_attribute *attr, char *buf) \
	{                                                                     \
		return sysfs_emit(buf, "%u\n", shown_of(dev)->config._name);  \
	}                                                                     \
	static DEVICE_ATTR_RO(_name)

IOF_SHOW(credits);
IOF_SHOW(engines);
IOF_SHOW(queue_depth);
IOF_SHOW(max_pasids);
IOF_SHOW(pages_per_group);
IOF_SHOW(no_iommu);

static struct attribute *device_attrs[] = {
	&dev_attr_kind.attr,	   &dev_attr_credits.attr,
	&dev_attr_engines.attr,	   &dev_attr_queue_depth.attr,
	&dev_attr_max_pasids.attr, &dev_attr_pages_per_group.attr,
	&dev_attr_no_iommu.attr,   NULL,
};
ATTRIBUTE_GROUPS(device);

static const struct bus_type iof_bus = {
	.name = "iofault",
	.dev_groups = device_groups,
};

/* ---- making and unmaking ---- */

static void release_device(struct device *dev)
{
	kfree(shown_of(dev));
	if (atomic_dec_and_test(&nr_unreleased))
		wake_up_var(&nr_unreleased);
}

struct device *iof_device_in_sysfs(unsigned int index)
{
	return index < nr_shown ? &shown[index]->dev : NULL;
}

int iof_device_add_link(struct device *parent, struct device *node)
{
	return sysfs_create_link(shown_of(parent)->vfio_dev, &node->kobj,
				 dev_name(node));
}

void iof_device_remove_link(struct device *parent, struct device *node)
{
	sysfs_remove_link(shown_of(parent)->vfio_dev, dev_name(node));
}

static int make_group(struct iof_shown_group *group, unsigned int index)
{
	char name[12];

	snprintf(name, sizeof(name), "%u", index);
	group->folder = kobject_create_and_add(name, groups_folder);
	if (!group->folder)
		return -ENOMEM;
	group->members = kobject_create_and_add("devices", group->folder);
	return group->members ? 0 : -ENOMEM;
}

/* Removes those of the device's folder and links that exist. */
static void show_nothing(struct iof_shown *device)
{
	if (device->group) {
		sysfs_remove_link(&device->dev.kobj, "iommu_group");
		sysfs_remove_link(device->group->members,
				  dev_name(&device->dev));
	}
	kobject_put(device->vfio_dev);
	device_unregister(&device->dev);
}

/* Makes the links between a device and its group; its first member makes it. */
static int join_group(struct iof_shown *device, unsigned int index,
		      unsigned int leader)
{
	int rc = 0;

	/*
	 * The first member names a group; a device alone has a group of its
	 * own.
	 */
	while (leader < index && shown[leader]->group != &groups[leader])
		leader = shown[leader]->group - groups;
	if (leader == index)
		rc = make_group(&groups[leader], leader);
	if (rc)
		return rc;
	device->group = &groups[leader];
	rc = sysfs_create_link(groups[leader].members, &device->dev.kobj,
			       dev_name(&device->dev));
	if (rc)
		return rc;
	return sysfs_create_link(&device->dev.kobj, groups[leader].folder,
				 "iommu_group");
}

static int show_device(const struct iof_machine_device *config,
		       unsigned int index)
{
	unsigned int leader = config->group_with < 0 ? index :
						       config->group_with;
	struct iof_shown *device = kzalloc(sizeof(*device), GFP_KERNEL);
	int rc;

	if (!device)
		return -ENOMEM;
	device->config = *config;
	iof_machine_device_defaults(&device->config);
	device->dev.bus = &iof_bus;
	device->dev.parent = root;
	device->dev.release = release_device;
	atomic_inc(&nr_unreleased);
	device_initialize(&device->dev);
	rc = dev_set_name(&device->dev, "dsa%u", index);
	if (!rc)
		rc = device_add(&device->dev);
	if (rc) {
		put_device(&device->dev);
		return rc;
	}
	device->vfio_dev =
		kobject_create_and_add("vfio-dev", &device->dev.kobj);
	rc = device->vfio_dev ? 0 : -ENOMEM;
	if (!rc && !config->no_iommu)
		rc = join_group(device, index, leader);
	if (rc) {
		show_nothing(device);
		return rc;
	}
	shown[nr_shown++] = device;
	return 0;
}

void iof_devices_exit(void)
{
	unsigned int i;

	while (nr_shown)
		show_nothing(shown[--nr_shown]);
	for (i = 0; i < IOF_MAX_DEVICES; i++) {
		kobject_put(groups[i].members);
		kobject_put(groups[i].folder);
		groups[i] = (struct iof_shown_group){};
	}
	kobject_put(groups_folder);
	root_device_unregister(root);
	bus_unregister(&iof_bus);
	/* An open file in sysfs may still hold a device. */
	wait_var_event(&nr_unreleased, !atomic_read(&nr_unreleased));
}

int iof_devices_init(const struct iof_machine_device *devices, unsigned int nr)
{
	unsigned int i;
	int rc;

	rc = bus_register(&iof_bus);
	if (rc)
		return rc;
	root = root_device_register(KBUILD_MODNAME);
	if (IS_ERR(root)) {
		bus_unregister(&iof_bus);
		return PTR_ERR(root);
	}
	groups_folder = kobject_create_and_add("groups", &root->kobj);
	rc = groups_folder ? 0 : -ENOMEM;
	for (i = 0; !rc && i < nr; i++)
		rc = show_device(&devices[i], i);
	if (rc)
		iof_devices_exit();
	return rc;
}
