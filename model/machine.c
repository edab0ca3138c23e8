// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * machine.c - builds a machine: devices behind the software IOMMU, their VFIO
 * nodes, and /dev/iommu.
 *
 * Machines are independent of each other. Creation checks the whole
 * configuration first, then builds in the order of the list. Destruction goes
 * backwards, and only if no descriptor made through the machine is open, so
 * that it cannot fail half-way. One thread at a time calls these functions for
 * a machine.
 */
#include "machine.h"
#include "mock.h"
#include "dsa.h"
#include "ats.h"
#include "vfio/portal.h"
#include "vfio/portal_ats.h"

#define MACHINE_MAX_DEVICES 256
#define MACHINE_MAX_CREDITS (1u << 20)

struct iof_machine_slot {
	enum iof_machine_device_kind kind;
	union {
		struct iof_dsa *dsa;
		struct iof_ats *ats;
	};
	union {
		struct iof_portal *portal;
		struct iof_portal_ats *portal_ats;
	};
	char name[32];
	/* node of the isolation group; NULL: the machine has none */
	struct iof_vfio_group *group;
	bool leads_group; /* the first member of its group */
};

struct iof_machine {
	/*
	 * the data of the nodes /dev/iommu and /dev/vfio/vfio, with or without
	 * mock devices
	 */
	struct iof_mock_node mock, mock_container;
	struct iof_plat_node *iommu;
	struct iof_plat_node *container; /* /dev/vfio/vfio, or NULL */
	unsigned int nr_groups;
	unsigned int nr_devices; /* number of entries of devices[] that exist */
	struct iof_machine_slot devices[];
};

void iof_machine_device_defaults(struct iof_machine_device *device)
{
	device->credits = device->credits ?: 256;
	device->engines = device->engines ?: 1;
	device->queue_depth = device->queue_depth ?: 128;
	if (!device->max_pasids)
		device->max_pasids = device->no_iommu ? 1 : 1u << 20;
	device->pages_per_group = device->pages_per_group ?: 1;
}

/*
 * Copies the device's configuration, with defaults filled in. -EINVAL: a value
 * is out of range.
 */
static int machine_dsa_config(const struct iof_machine_device *dev,
			      unsigned int index, struct iof_dsa_setup *config)
{
	struct iof_machine_device full = *dev;

	iof_machine_device_defaults(&full);
	if (dev->kind > IOF_MACHINE_ATS || dev->credits > IOF_DSA_MAX_CREDITS ||
	    dev->engines > IOF_DSA_MAX_ENGINES ||
	    dev->queue_depth > IOF_DSA_MAX_QUEUE ||
	    dev->max_pasids > IOF_DSA_MAX_PASIDS ||
	    dev->pages_per_group > IOF_DSA_MAX_GROUP)
		return -EINVAL;
	if (dev->group_with < -1 || dev->group_with >= (int)index)
		return -EINVAL;
	if (dev->no_iommu && (dev->kind != IOF_MACHINE_DSA ||
			      dev->group_with >= 0 || full.max_pasids > 1))
		return -EINVAL;
	*config = (struct iof_dsa_setup){
		.credits = full.credits,
		.engines = full.engines,
		.queue_depth = full.queue_depth,
		.max_pasids = full.max_pasids,
		.pages_per_group = full.pages_per_group,
		.delay_us = full.delay_us,
		.no_iommu = full.no_iommu,
	};
	/*
	 * A group gets its credits as a whole: a group that needs more than
	 * exist would never be sent.
	 */
	return config->pages_per_group > config->credits ? -EINVAL : 0;
}

int iof_machine_check(const struct iof_machine_config *config)
{
	struct iof_dsa_setup dsa;
	unsigned int i;

	if (config->nr_devices > MACHINE_MAX_DEVICES ||
	    config->mock_credits > MACHINE_MAX_CREDITS)
		return -EINVAL;
	for (i = 0; i < config->nr_devices; i++) {
		const struct iof_machine_device *dev = &config->devices[i];

		if (machine_dsa_config(dev, i, &dsa))
			return -EINVAL;
		if (dev->group_with >= 0 &&
		    config->devices[dev->group_with].no_iommu)
			return -EINVAL;
	}
	return 0;
}

static struct iof_hwdev *slot_hwdev(struct iof_machine_slot *slot)
{
	return slot->kind == IOF_MACHINE_ATS ? iof_ats_hwdev(slot->ats) :
					       iof_dsa_hwdev(slot->dsa);
}

static struct iof_vfio_device *slot_node(struct iof_machine_slot *slot)
{
	return slot->kind == IOF_MACHINE_ATS ?
		       iof_portal_ats_node(slot->portal_ats) :
		       iof_portal_node(slot->portal);
}

static int add_ats(struct iof_machine_slot *slot,
		   const struct iof_dsa_setup *as_dsa, u32 delay_us,
		   struct iof_hwdev *group_with, struct iof_plat_space *space,
		   const char *node)
{
	struct iof_ats_config config = {
		.name = slot->name,
		.credits = as_dsa->credits,
		.max_pasids = as_dsa->max_pasids,
		.delay_us = delay_us,
	};

	slot->ats = iof_ats_create(&config, group_with);
	if (IS_ERR(slot->ats))
		return PTR_ERR(slot->ats);
	slot->portal_ats = iof_portal_ats_create(space, node, slot->ats);
	if (IS_ERR(slot->portal_ats)) {
		iof_ats_destroy(slot->ats);
		return PTR_ERR(slot->portal_ats);
	}
	return 0;
}

static int machine_add_device(struct iof_machine *machine,
			      const struct iof_machine_device *dev,
			      struct iof_plat_space *space)
{
	unsigned int index = machine->nr_devices;
	struct iof_machine_slot *slot = &machine->devices[index];
	struct iof_hwdev *group_with = NULL;
	struct iof_dsa_setup config;
	char node[48];
	int rc;

	rc = machine_dsa_config(dev, index, &config);
	if (rc)
		return rc;
	slot->kind = dev->kind;
	snprintf(slot->name, sizeof(slot->name), "%s%u",
		 dev->kind == IOF_MACHINE_ATS ? "ats" : "dsa", index);
	snprintf(node, sizeof(node), "vfio/devices/vfio%u", index);
	config.name = slot->name;
	if (dev->group_with >= 0)
		group_with = slot_hwdev(&machine->devices[dev->group_with]);
	if (dev->kind == IOF_MACHINE_ATS) {
		rc = add_ats(slot, &config, dev->delay_us, group_with, space,
			     node);
		machine->nr_devices += !rc;
		return rc;
	}
	slot->dsa = iof_dsa_create(&config, group_with);
	if (IS_ERR(slot->dsa))
		return PTR_ERR(slot->dsa);
	slot->portal = iof_portal_create(space, node, slot->dsa, &config);
	if (IS_ERR(slot->portal)) {
		iof_dsa_destroy(slot->dsa);
		return PTR_ERR(slot->portal);
	}
	machine->nr_devices++;
	return 0;
}

static const struct iof_pci_function *
function_of(const struct iof_machine_device *device)
{
	return device->kind == IOF_MACHINE_ATS ? &iof_portal_ats_function :
						 &iof_portal_function;
}

unsigned int iof_machine_bar_size(const struct iof_machine_device *device,
				  unsigned int bar)
{
	return iof_pci_bar_size(function_of(device), bar);
}

void iof_machine_pci_config(const struct iof_machine_device *device,
			    unsigned char config[IOF_MACHINE_CONFIG])
{
	struct iof_machine_device full = *device;

	iof_machine_device_defaults(&full);
	iof_pci_config_init(config, function_of(device), full.credits,
			    full.max_pasids);
}

int iof_machine_read_config(struct iof_machine *machine, unsigned int index,
			    unsigned int off, void *buf, unsigned int size)
{
	return iof_vfio_config_get(slot_node(&machine->devices[index]), off,
				   buf, size);
}

void iof_machine_get_stats(struct iof_machine *machine, unsigned int index,
			   struct iof_machine_stats *stats)
{
	struct iof_machine_slot *slot = &machine->devices[index];
	struct iof_dsa_stats dsa = { 0 };
	struct iof_hwdev_stats dev;
	u64 transfers = 0, whole = 0;

	iof_hwdev_get_stats(slot_hwdev(slot), &dev);
	if (slot->kind == IOF_MACHINE_DSA)
		iof_dsa_get_stats(slot->dsa, &dsa);
	else
		iof_ats_get_stats(slot->ats, &transfers, &whole);
	*stats = (struct iof_machine_stats){
		.pages = dev.requests,
		.groups = dev.groups,
		.success = dev.answered[IOF_PAGE_SUCCESS],
		.invalid = dev.answered[IOF_PAGE_INVALID],
		.failure = dev.answered[IOF_PAGE_FAILURE],
		.refused = dev.refused,
		.swept = dev.swept,
		.stalls = dsa.stalls,
		.descriptors = dsa.descriptors + transfers,
		.errors = dsa.errors + (transfers - whole),
	};
}

/* Makes the device just added a member of its group's node. */
static int machine_add_to_group(struct iof_machine *machine,
				const struct iof_machine_device *dev,
				struct iof_plat_space *space)
{
	unsigned int index = machine->nr_devices - 1;
	struct iof_machine_slot *slot = &machine->devices[index];
	char name[32];
	int rc;

	if (dev->no_iommu) {
		/* Without a node; the other groups keep their numbers. */
		machine->nr_groups++;
		return 0;
	}
	if (dev->group_with >= 0) {
		slot->group = machine->devices[dev->group_with].group;
	} else {
		snprintf(name, sizeof(name), "vfio/%u", machine->nr_groups);
		rc = iof_vfio_group_create(space, name, &slot->group);
		if (rc)
			return rc;
		slot->leads_group = true;
		machine->nr_groups++;
	}
	snprintf(name, sizeof(name), IOF_MACHINE_BDF, index + 1);
	iof_vfio_group_add(slot->group, slot_node(slot), name);
	return 0;
}

static int machine_add_container(struct iof_machine *machine,
				 struct iof_plat_space *space)
{
	struct iof_plat_node *node;

	node = iof_plat_add_node(space, "vfio/vfio", &iof_ctx_fops,
				 &machine->mock_container.node);
	if (IS_ERR(node))
		return PTR_ERR(node);
	machine->container = node;
	return 0;
}

static void machine_remove_devices(struct iof_machine *machine)
{
	while (machine->nr_devices) {
		struct iof_machine_slot *slot =
			&machine->devices[--machine->nr_devices];

		/* A group's first member is removed last. */
		if (slot->leads_group)
			iof_vfio_group_destroy(slot->group);
		if (slot->kind == IOF_MACHINE_ATS) {
			iof_portal_ats_destroy(slot->portal_ats);
			iof_ats_destroy(slot->ats);
			continue;
		}
		iof_portal_destroy(slot->portal);
		iof_dsa_destroy(slot->dsa);
	}
}

int iof_machine_create(const struct iof_machine_config *config,
		       struct iof_plat_space *space, struct iof_machine **out)
{
	struct iof_machine *machine;
	unsigned int i;
	int rc;

	rc = iof_machine_check(config);
	if (rc)
		return rc;
	rc = iof_core_get();
	if (rc)
		return rc;
	machine = kzalloc(struct_size(machine, devices, config->nr_devices),
			  GFP_KERNEL);
	if (!machine) {
		iof_core_put();
		return -ENOMEM;
	}
	atomic_set(&machine->mock.node.contexts, 0);
	if (config->test_ioctls)
		machine->mock.node.test_ops = &iof_mock_test_ops;
	machine->mock.credits = config->mock_credits ?: MACHINE_MAX_CREDITS;
	machine->mock_container = machine->mock;
	machine->mock_container.node.container = true;

	for (i = 0; i < config->nr_devices; i++) {
		rc = machine_add_device(machine, &config->devices[i], space);
		if (!rc && config->groups)
			rc = machine_add_to_group(machine, &config->devices[i],
						  space);
		if (rc)
			goto undo;
	}
	if (config->groups) {
		rc = machine_add_container(machine, space);
		if (rc)
			goto undo;
	}
	machine->iommu = iof_plat_add_node(space, "iommu", &iof_ctx_fops,
					   &machine->mock.node);
	if (IS_ERR(machine->iommu)) {
		rc = PTR_ERR(machine->iommu);
		goto undo;
	}
	*out = machine;
	return 0;

undo:
	if (machine->container)
		iof_plat_remove_node(machine->container);
	machine_remove_devices(machine);
	kfree(machine);
	iof_core_put();
	return rc;
}

static bool machine_busy(struct iof_machine *machine)
{
	unsigned int i;

	if (atomic_read_acquire(&machine->mock.node.contexts) ||
	    atomic_read_acquire(&machine->mock_container.node.contexts))
		return true;
	for (i = 0; i < machine->nr_devices; i++) {
		struct iof_machine_slot *slot = &machine->devices[i];

		if (slot->kind == IOF_MACHINE_ATS ?
			    iof_portal_ats_busy(slot->portal_ats) :
			    iof_portal_busy(slot->portal))
			return true;
		if (slot->leads_group && iof_vfio_group_busy(slot->group))
			return true;
	}
	return false;
}

int iof_machine_destroy(struct iof_machine *machine)
{
	if (machine_busy(machine))
		return -EBUSY;
	iof_plat_remove_node(machine->iommu);
	if (machine->container)
		iof_plat_remove_node(machine->container);
	machine_remove_devices(machine);
	kfree(machine);
	iof_core_put();
	return 0;
}
