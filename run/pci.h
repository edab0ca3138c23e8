/* SPDX-License-Identifier: MIT */
/* pci.h - the devices as PCI functions: their numbers in sysfs. */
#ifndef IOF_RUN_PCI_H
#define IOF_RUN_PCI_H

#include "run.h"

#define IOF_RUN_PCI_CONFIG 4096 /* bytes of configuration space */

struct iof_run_pci {
	unsigned int vendor, device, class;
};

extern const struct iof_run_pci iof_run_pci[]; /* by kind */

/* The size of a BAR, from 0 to 5; 0: there is none. */
unsigned int iof_run_pci_bar_size(enum iof_run_kind kind, unsigned int bar);

#endif
