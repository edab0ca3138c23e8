/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * sva.h - attachments to the page tables of a process (sva.c).
 */
#ifndef IOF_CORE_SVA_H
#define IOF_CORE_SVA_H

#include "attach.h"

/*
 * Domain and sink of an SVA attachment. iof_sva_free() is called after detach,
 * with group->lock held, and does not wait for fault-ins.
 */
struct iof_sva;
struct iof_sva *iof_sva_alloc(struct iof_hwdev *dev, struct mm_struct *mm);
void iof_sva_free(struct iof_sva *sva);
struct iof_domain *iof_sva_domain(struct iof_sva *sva);
struct iof_fault_sink *iof_sva_sink(struct iof_sva *sva);
/*
 * Frees users without SVA attachments that have no busy worker; unless @all,
 * only if their workers have used less than their share of processor time.
 */
void iof_sva_free_unused(bool all);

#endif
