/* SPDX-License-Identifier: MIT */
/* pci.h - the devices as PCI functions: their numbers in sysfs and configuration space. */
#ifndef IOF_RUN_PCI_H
#define IOF_RUN_PCI_H

#include "run.h"

#define IOF_RUN_PCI_CONFIG 4096

struct iof_run_pci {
	unsigned int vendor, device, class;
	unsigned int bar0_size; /* 0: the function has no BAR 0 */
};

extern const struct iof_run_pci iof_run_pci[]; /* indexed by the kind of device */

/* Configuration space after power-on. */
void iof_run_pci_config(const struct iof_run_device *device,
			unsigned char config[IOF_RUN_PCI_CONFIG]);

#endif
