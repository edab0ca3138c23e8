/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * records.h - slab caches of the records that can be very many (records.c).
 */
#ifndef IOF_CORE_RECORDS_H
#define IOF_CORE_RECORDS_H

#include "iof_core.h"

int iof_records_init(void);
void iof_records_exit(void);

extern struct kmem_cache *iof_area_cache;
extern struct kmem_cache *iof_pages_cache;
extern struct kmem_cache *iof_prg_cache;
extern struct kmem_cache *iof_prg_page_cache;

/*
 * Number of records that a device may have without a charge. The reporting
 * thread allocates records. Records beyond this number are charged to the
 * process that bound the device, and its cgroup bounds them. Up to this number,
 * a fault is answered without memory of that process.
 */
#define IOF_RECORDS_BASE 64

struct iof_hwdev_core;
/* A zeroed record, or NULL. */
void *iof_fault_record_alloc(struct iof_hwdev_core *core,
			     struct kmem_cache *cache, gfp_t gfp);
void iof_fault_record_free(struct iof_hwdev_core *core,
			   struct kmem_cache *cache, void *record);
/*
 * Charges later records of the device to @payer. Takes over the caller's
 * reference.
 */
void iof_fault_records_charge(struct iof_hwdev_core *core,
			      struct iof_plat_payer *payer);

#endif
