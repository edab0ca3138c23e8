/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fault_queue.h - the fault queue as attachments see it (fault_queue.c).
 */
#ifndef IOF_CORE_FAULT_QUEUE_H
#define IOF_CORE_FAULT_QUEUE_H

#include "attach.h"

struct iof_fault_queue;
/* From an id in HWPT_ALLOC, short-lived hold on the object; -ENOENT. */
struct iof_fault_queue *iof_fault_queue_get(struct iof_ctx *ctx, u32 id);
struct iof_object *iof_fault_queue_object(struct iof_fault_queue *queue);
struct iof_fault_sink *iof_fault_queue_sink(struct iof_fault_queue *queue);
/*
 * Before an attachment is made: sees to it that the queue has cookie slots for @credits more open
 * groups, so that reading never allocates. -ENOMEM. Undone by iof_fault_queue_release_slots().
 */
int iof_fault_queue_reserve_slots(struct iof_fault_queue *queue, u32 credits);
void iof_fault_queue_release_slots(struct iof_fault_queue *queue, u32 credits);
/* From before @attach is in force until after it was swept: where fdinfo looks for open groups. */
void iof_fault_queue_join(struct iof_fault_queue *queue, struct iof_attach *attach);
void iof_fault_queue_leave(struct iof_fault_queue *queue, struct iof_attach *attach);

#endif
