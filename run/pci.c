// SPDX-License-Identifier: MIT
/*
 * pci.c - the devices as PCI functions in sysfs: numbers, and configuration space after power-on.
 */
#include "model/machine.h"
#include "pci.h"

const struct iof_run_pci iof_run_pci[] = {
	[IOF_RUN_DSA] = { .vendor = 0x8086, .device = 0x0b25, .class = 0x088000 },
	[IOF_RUN_ATS_TEST] = {
		.vendor = 0x1234, .device = 0x11e9, .class = 0x00ff00, .bar0_size = 4096,
	},
};

void iof_run_pci_config(const struct iof_run_device *device,
			unsigned char config[IOF_RUN_PCI_CONFIG])
{
	const struct iof_machine_device machine = {
		.kind = device->kind == IOF_RUN_ATS_TEST ? IOF_MACHINE_ATS : IOF_MACHINE_DSA,
		.credits = device->credits,
		.max_pasids = device->max_pasids,
	};

	iof_machine_pci_config(&machine, config);
}
