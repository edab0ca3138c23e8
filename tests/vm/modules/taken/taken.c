// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * taken.c - a module that takes the name /dev/iommu, as a kernel with an iommufd of its own does. A
 * test then sees that iofault.ko refuses to load beside it.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations taken_fops = {
	.owner = THIS_MODULE,
};

static struct miscdevice taken = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "iommu",
	.fops = &taken_fops,
};

module_misc_device(taken);

MODULE_DESCRIPTION("Takes the name /dev/iommu");
MODULE_LICENSE("Dual MIT/GPL");
