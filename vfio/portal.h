/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * portal.h - a DMA engine behind a VFIO node.
 */
#ifndef IOF_VFIO_PORTAL_H
#define IOF_VFIO_PORTAL_H

#include "vfio.h"
#include "model/dsa.h"

struct iof_portal;

extern const struct iof_pci_function iof_portal_function;

/*
 * Publishes node @name for @dsa, which outlives it. @config: the device's
 * configuration, with defaults for zeroes. ERR_PTR: -ENOMEM, -EEXIST.
 */
struct iof_portal *iof_portal_create(struct iof_plat_space *space,
				     const char *name, struct iof_dsa *dsa,
				     const struct iof_dsa_setup *config);
/* Returns the node of the engine. */
struct iof_vfio_device *iof_portal_node(struct iof_portal *portal);
bool iof_portal_busy(struct iof_portal *portal);
/* Removes a node that is not busy. */
void iof_portal_destroy(struct iof_portal *portal);

#endif
