/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fault_queue.h - the fault queue as attachments see it (fault_queue.c).
 */
#ifndef IOF_CORE_FAULT_QUEUE_H
#define IOF_CORE_FAULT_QUEUE_H

#include "attach.h"

/* Called while the core has users. Returns 0 or -ENOMEM. */
int iof_fault_slots_start(void);
void iof_fault_slots_stop(void);

struct iof_fault_queue;
/*
 * Returns the queue with this id, with a short-lived hold on the object, or
 * ERR_PTR(-ENOENT).
 */
struct iof_fault_queue *iof_fault_queue_get(struct iof_ctx *ctx, u32 id);
struct iof_object *iof_fault_queue_object(struct iof_fault_queue *queue);
struct iof_fault_sink *iof_fault_queue_sink(struct iof_fault_queue *queue);
/*
 * Enters @attach in the queue's list, or removes it. Called before @attach is
 * in force and after it was swept: fdinfo looks for open groups at the
 * attachments in the list. Joining makes the first cookie slots, and returns 0
 * or -ENOMEM.
 */
int iof_fault_queue_join(struct iof_fault_queue *queue,
			 struct iof_attach *attach);
void iof_fault_queue_leave(struct iof_fault_queue *queue,
			   struct iof_attach *attach);

#endif
