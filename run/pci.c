// SPDX-License-Identifier: MIT
/*
 * pci.c - the devices as PCI functions in sysfs: their numbers, and the sizes of their BARs.
 */
#include "model/machine.h"
#include "pci.h"

const struct iof_run_pci iof_run_pci[] = {
	[IOF_RUN_DSA] = { .vendor = 0x8086, .device = 0x0b25, .class = 0x088000 },
	[IOF_RUN_ATS_TEST] = { .vendor = 0x1234, .device = 0x11e9, .class = 0x00ff00 },
};

unsigned int iof_run_pci_bar_size(enum iof_run_kind kind, unsigned int bar)
{
	const struct iof_machine_device machine = {
		.kind = kind == IOF_RUN_ATS_TEST ? IOF_MACHINE_ATS : IOF_MACHINE_DSA,
	};

	return iof_machine_bar_size(&machine, bar);
}
