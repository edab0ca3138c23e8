// SPDX-License-Identifier: MIT
/*
 * pci.c - the devices as PCI functions: their numbers, and the snapshot of configuration space in
 * sysfs.
 *
 * The snapshot has a header of type 0, PCI Express, then ATS, PRI and PASID as extended
 * capabilities.
 */
#include <string.h>

#include "pci.h"

const struct iof_run_pci iof_run_pci[] = {
	[IOF_RUN_DSA] = { .vendor = 0x8086, .device = 0x0b25, .class = 0x088000 },
	[IOF_RUN_ATS_TEST] = {
		.vendor = 0x1234, .device = 0x11e9, .class = 0x00ff00, .bar0_size = 4096,
	},
};

static void put16(unsigned char *at, unsigned int value)
{
	at[0] = value & 0xff;
	at[1] = value >> 8 & 0xff;
}

static void put32(unsigned char *at, unsigned int value)
{
	put16(at, value & 0xffff);
	put16(at + 2, value >> 16);
}

static void extended(unsigned char *config, unsigned int at, unsigned int id, unsigned int next)
{
	put32(config + at, id | 1u << 16 | next << 20);
}

void iof_run_pci_config(enum iof_run_kind kind, unsigned char config[IOF_RUN_PCI_CONFIG])
{
	const struct iof_run_pci *pci = &iof_run_pci[kind];

	memset(config, 0, IOF_RUN_PCI_CONFIG);
	put16(config, pci->vendor);
	put16(config + 2, pci->device);
	put16(config + 4, 0x0006); /* memory space, bus master */
	put16(config + 6, 0x0010); /* capability list */
	put32(config + 8, pci->class << 8);
	if (pci->bar0_size)
		put32(config + 0x10, 0xfe000000);
	put16(config + 0x2c, pci->vendor);
	put16(config + 0x2e, pci->device);
	config[0x34] = 0x40;
	config[0x40] = 0x10; /* PCI Express, version 2, an endpoint */
	put16(config + 0x42, 0x0002);
	extended(config, 0x100, 0x0f, 0x110); /* ATS */
	put16(config + 0x106, 0x8000);
	extended(config, 0x110, 0x13, 0x120); /* PRI */
	put16(config + 0x114, 0x0001);
	put32(config + 0x118, 256);
	put32(config + 0x11c, 256);
	extended(config, 0x120, 0x1b, 0); /* PASID: 20 bits */
	put16(config + 0x124, 0x1400);
	put16(config + 0x126, 0x0001);
}
