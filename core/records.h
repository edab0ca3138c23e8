/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * records.h - the records of which there can be very many (records.c).
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
 * Records of faults are made by whichever thread reports one. Beyond so many of a device they are
 * charged to the process that bound it, whose cgroup bounds them; below, faults need no memory of
 * his to be answered.
 */
#define IOF_RECORDS_BASE 64

struct iof_hwdev_core;
/* A zeroed record, or NULL. */
void *iof_fault_record_alloc(struct iof_hwdev_core *core, struct kmem_cache *cache, gfp_t gfp);
void iof_fault_record_free(struct iof_hwdev_core *core, struct kmem_cache *cache, void *record);
/* Whom to charge from now on; takes over the caller's reference. */
void iof_fault_records_charge(struct iof_hwdev_core *core, struct iof_plat_payer *payer);

#endif
