/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* private.h - shared by the files of kernel/. */
#ifndef IOF_KERNEL_PRIVATE_H
#define IOF_KERNEL_PRIVATE_H

#include "core/kapi.h"
#include "model/machine.h"

#include "compat.h"

struct device;

#define IOF_MAX_DEVICES 256u

/* ---- nodes.c: device nodes ---- */

int iof_nodes_init(void);
void iof_nodes_exit(void);
/*
 * Opens the gate: the machine is complete and its nodes may be used. Without
 * @success, the machine failed, and this removes the nodes.
 */
void iof_nodes_open(bool success);

/* ---- devices.c: the devices in sysfs ---- */

/*
 * Creates the devices in sysfs before the machine adds its nodes below them. A
 * zero in @devices means the machine's default.
 */
int iof_devices_init(const struct iof_machine_device *devices, unsigned int nr);
void iof_devices_exit(void);
/* Returns the device of node vfio@index, or NULL. */
struct device *iof_device_in_sysfs(unsigned int index);
/*
 * Add and remove vfio-dev/@name, where clients look for the node of a device.
 */
int iof_device_add_link(struct device *parent, struct device *node);
void iof_device_remove_link(struct device *parent, struct device *node);

#endif
