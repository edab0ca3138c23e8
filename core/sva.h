/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * sva.h - attachments to the page tables of a process (sva.c).
 */
#ifndef IOF_CORE_SVA_H
#define IOF_CORE_SVA_H

#include "attach.h"

/*
 * An SVA attachment's domain and sink; freed by iof_sva_free() after detach, which does not wait
 * for pages that are being brought in. Under group->lock.
 */
struct iof_sva;
struct iof_sva *iof_sva_alloc(struct iof_hwdev *dev, struct mm_struct *mm);
void iof_sva_free(struct iof_sva *sva);
struct iof_domain *iof_sva_domain(struct iof_sva *sva);
struct iof_fault_sink *iof_sva_sink(struct iof_sva *sva);
/* Frees what users without SVA attachments had, as far as no worker of theirs is busy. */
void iof_sva_free_unused(void);

#endif
