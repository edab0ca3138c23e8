// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * module.c - where iofault.ko begins and ends.
 *
 * Today the module exists to prove, at each `make kcheck`, that core/, model/ and vfio/ compile
 * against a stock kernel and need only what it exports. It refuses to load, rather than to load and
 * offer nothing: making a machine and its device nodes at load time comes with the kernel world.
 */
#include <linux/init.h>
#include <linux/module.h>

#include "core/kapi.h"

static int __init iof_module_init(void)
{
	pr_info("iofault: this build is for checking only and offers no device yet\n");
	return -EOPNOTSUPP;
}

static void __exit iof_module_exit(void)
{
}

module_init(iof_module_init);
module_exit(iof_module_exit);

MODULE_DESCRIPTION("I/O page faults of a device, handled in user space");
MODULE_AUTHOR("The iofault authors");
MODULE_LICENSE("Dual MIT/GPL");
