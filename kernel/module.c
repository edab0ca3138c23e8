// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * module.c - load and unload of iofault.ko: its parameters, and one machine
 * made of them.
 *
 * Loading makes the machine and its nodes, or fails and leaves nothing. An open
 * descriptor, of a node or made through one, holds the module by its file
 * operations' owner, so that the machine is idle whenever the module is
 * removed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "private.h"

/* ---- parameters ---- */

static unsigned int devices = 1;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(
	devices,
	"number of devices, 0 to 256 (default 1); the lists below have one value "
	"for each, and the last value holds for the devices after it");

static char *kind[IOF_MAX_DEVICES];
static unsigned int nr_kind;
module_param_array(kind, charp, &nr_kind, 0444);
MODULE_PARM_DESC(
	kind,
	"list: what each device is; dsa: a DMA engine with Intel DSA's descriptors "
	"(default, and the only kind yet)");

#define IOF_LIST(_name, _what)                              \
	static unsigned int _name[IOF_MAX_DEVICES];         \
	static unsigned int nr_##_name;                     \
	module_param_array(_name, uint, &nr_##_name, 0444); \
	MODULE_PARM_DESC(_name, "list: " _what)

IOF_LIST(credits,
	 "page requests that may be open, 1 to 2^20 (0, default: 256)");
IOF_LIST(engines, "worker threads, 1 to 16 (0, default: 1)");
IOF_LIST(queue_depth,
	 "descriptors taken before EAGAIN, 1 to 4096 (0, default: 128)");
IOF_LIST(max_pasids,
	 "PASIDs below this exist, up to 2^20; 1: none (0, default: 2^20)");
IOF_LIST(pages_per_group,
	 "most pages asked for in one group, 1 to 32 (0, default: 1)");

static int group_with[IOF_MAX_DEVICES];
static unsigned int nr_group_with;
module_param_array(group_with, int, &nr_group_with, 0444);
MODULE_PARM_DESC(
	group_with,
	"list: number of an earlier device whose isolation group to join, "
	"or -1 for one of its own (default, and beyond the list)");

IOF_LIST(no_iommu,
	 "1: without IOMMU, PASIDs and isolation group; DMA uses physical "
	 "addresses, and opening the node needs CAP_SYS_RAWIO "
	 "(0: default, and beyond the list)");

static bool mock;
module_param(mock, bool, 0444);
MODULE_PARM_DESC(
	mock,
	"offer the test ioctls and their mock devices to each process that can open "
	"/dev/iommu; for tests only (default no)");

static unsigned int mock_credits;
module_param(mock_credits, uint, 0444);
MODULE_PARM_DESC(mock_credits,
		 "page requests of a mock device that may be open, 1 to 2^20 "
		 "(0, default: 2^20)");

/* ---- the machine ---- */

static struct iof_machine *machine;

static unsigned int of_list(const unsigned int *list, unsigned int nr,
			    unsigned int i)
{
	return nr ? list[min(i, nr - 1)] : 0;
}

static int configure(struct iof_machine_device *to)
{
	unsigned int i;

	for (i = 0; i < devices; i++) {
		bool bare = i < nr_no_iommu && no_iommu[i];

		if (nr_kind && strcmp(kind[min(i, nr_kind - 1)], "dsa")) {
			pr_err("kind of device %u is unknown: only dsa is valid\n",
			       i);
			return -EINVAL;
		}
		to[i] = (struct iof_machine_device){
			.kind = IOF_MACHINE_DSA,
			.credits = of_list(credits, nr_credits, i),
			.engines = of_list(engines, nr_engines, i),
			.queue_depth = of_list(queue_depth, nr_queue_depth, i),
			.max_pasids =
				bare ? 1 :
				       of_list(max_pasids, nr_max_pasids, i),
			.pages_per_group =
				of_list(pages_per_group, nr_pages_per_group, i),
			.group_with = i < nr_group_with ? group_with[i] : -1,
			.no_iommu = bare,
		};
	}
	return 0;
}

/* Does the kernel's own iommufd exist? Two of them would confuse users. */
static bool kernel_has_its_own(void)
{
	if (__symbol_get(IOF_KERNEL_IOMMUFD_SYMBOL)) {
		__symbol_put(IOF_KERNEL_IOMMUFD_SYMBOL);
		return true;
	}
	return IOF_KERNEL_HAS_IOMMUFD;
}

static int __init iof_module_init(void)
{
	struct iof_machine_config config = {
		.nr_devices = devices,
		.test_ioctls = mock,
		.mock_credits = mock_credits,
	};
	struct iof_machine_device *list;
	int rc;

	if (kernel_has_its_own()) {
		pr_err("this kernel has a /dev/iommu of its own (CONFIG_IOMMUFD): use that one\n");
		return -EEXIST;
	}
	if (devices > IOF_MAX_DEVICES) {
		pr_err("devices=%u: at most %u\n", devices, IOF_MAX_DEVICES);
		return -EINVAL;
	}
	list = kcalloc(devices ?: 1, sizeof(*list), GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	rc = configure(list);
	if (rc)
		goto out_free;
	config.devices = list;
	rc = iof_machine_check(&config);
	if (rc) {
		pr_err("a parameter is outside its range: see modinfo iofault\n");
		goto out_free;
	}
	rc = iof_devices_init(list, devices);
	if (rc)
		goto out_free;
	rc = iof_nodes_init();
	if (rc)
		goto err_devices;
	rc = iof_machine_create(&config, NULL, &machine);
	iof_nodes_open(!rc);
	if (rc)
		goto err_nodes;
	kfree(list);
	return 0;

err_nodes:
	iof_nodes_exit();
err_devices:
	iof_devices_exit();
out_free:
	kfree(list);
	return rc;
}

static void __exit iof_module_exit(void)
{
	/* No descriptor is open, since an open one would hold the module. */
	WARN_ON(iof_machine_destroy(machine));
	iof_nodes_exit();
	iof_devices_exit();
	/*
	 * Today no callback of this module runs after a grace period; this
	 * covers one that is added later.
	 */
	rcu_barrier();
}

module_init(iof_module_init);
module_exit(iof_module_exit);

MODULE_DESCRIPTION(
	"/dev/iommu with I/O page faults of software devices, handled in user space");
MODULE_AUTHOR("The iofault authors");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(IOF_VERSION);
