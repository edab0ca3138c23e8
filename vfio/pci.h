/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * pci.h - the constants of a PCI function, and its configuration space after
 * power-on.
 */
#ifndef IOF_VFIO_PCI_H
#define IOF_VFIO_PCI_H

#include "core/iof_core.h"
#include <iofault/vfio.h>

struct iof_vfio_region {
	u64 size;
	u32 flags; /* VFIO_REGION_INFO_FLAG_* bits */
};

#define IOF_PCI_CONFIG 4096u
/* number of BARs of the function's own; MSI-X has one more */
#define IOF_PCI_BARS	 4
#define IOF_PCI_MSIX_BAR 4
#define IOF_PCI_MSIX_MAX 16

struct iof_pci_function {
	u16 vendor, device;
	u32 class;
	/* sizes are 0 or powers of two, from 4 KiB on */
	struct iof_vfio_region bars[IOF_PCI_BARS];
	u32 nr_msix; /* number of vectors, 1 to IOF_PCI_MSIX_MAX */
	bool intx;   /* the function has an interrupt pin */
};

/*
 * Returns the size of @bar, including that of MSI-X; 0: there is no such BAR.
 */
u32 iof_pci_bar_size(const struct iof_pci_function *fn, u32 bar);
/*
 * Fills @config, of IOF_PCI_CONFIG bytes, with the state after power-on.
 * @max_pasids of 1 or less: no PASID.
 */
void iof_pci_config_init(u8 *config, const struct iof_pci_function *fn,
			 u32 credits, u32 max_pasids);

#endif
