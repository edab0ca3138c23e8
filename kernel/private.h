/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * private.h - what the files of kernel/ share.
 */
#ifndef IOF_KERNEL_PRIVATE_H
#define IOF_KERNEL_PRIVATE_H

#include "core/kapi.h"
#include "model/machine.h"

#include "compat.h"

struct device;

#define IOF_MAX_DEVICES	256u

/* ---- nodes.c: device nodes ---- */

int iof_nodes_init(void);
void iof_nodes_exit(void);
/* The machine is complete and its nodes may be used; or it is not to be, and they are gone. */
void iof_nodes_open(bool success);

/* ---- devices.c: the devices in sysfs ---- */

/*
 * Shows the devices that a machine is about to be made of, before their nodes appear below them.
 * Zeroes mean the machine's defaults.
 */
int iof_devices_init(const struct iof_machine_device *devices, unsigned int nr);
void iof_devices_exit(void);
/* The device that node vfio@index belongs to, or NULL. */
struct device *iof_device_in_sysfs(unsigned int index);
/* Enters or removes vfio-dev/@name, where clients look for the node of a device. */
int iof_device_add_link(struct device *parent, struct device *node);
void iof_device_remove_link(struct device *parent, struct device *node);

#endif
