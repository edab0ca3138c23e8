/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * exports.h - what iofault.ko gives to iofault-pci.ko: the symbols of the
 * namespace IOFAULT (exports.c), and one function of kernel/.
 */
#ifndef IOF_KERNEL_EXPORTS_H
#define IOF_KERNEL_EXPORTS_H

#include <linux/module.h>
#include <linux/version.h>

/* Linux 6.13: a namespace is a string. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define IOF_EXPORT(symbol)  EXPORT_SYMBOL_NS_GPL(symbol, "IOFAULT")
#define IOF_IMPORT_NS(name) MODULE_IMPORT_NS(#name)
#else
#define IOF_EXPORT(symbol)  EXPORT_SYMBOL_NS_GPL(symbol, IOFAULT)
#define IOF_IMPORT_NS(name) MODULE_IMPORT_NS(name)
#endif

/* Is /dev/vfio/devices/vfio@number the node of a software device? */
bool iof_software_node_exists(unsigned int number);

#endif
