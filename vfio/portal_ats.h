/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * portal_ats.h - the ATS test device behind a VFIO node, as the PCI function
 * 1234:11e9.
 */
#ifndef IOF_VFIO_PORTAL_ATS_H
#define IOF_VFIO_PORTAL_ATS_H

#include "vfio.h"
#include "model/ats.h"

struct iof_portal_ats;

extern const struct iof_pci_function iof_portal_ats_function;

/*
 * Publishes node @name for @ats, which outlives it. ERR_PTR: -ENOMEM, -EEXIST.
 */
struct iof_portal_ats *iof_portal_ats_create(struct iof_plat_space *space,
					     const char *name,
					     struct iof_ats *ats);
/* Returns the node of the device. */
struct iof_vfio_device *iof_portal_ats_node(struct iof_portal_ats *portal);
bool iof_portal_ats_busy(struct iof_portal_ats *portal);
/* Removes a node that is not busy. */
void iof_portal_ats_destroy(struct iof_portal_ats *portal);

#endif
