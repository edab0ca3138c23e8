/* SPDX-License-Identifier: MIT */
/* preempt.h - sections in which sleeping is an error. They keep nobody off the processor. */
#ifndef IOF_SHIM_LINUX_PREEMPT_H
#define IOF_SHIM_LINUX_PREEMPT_H

#include <linux/compiler.h>

#if IOF_SHIM_CHECKS
void iof_shim_preempt_add(int n);
bool iof_shim_in_atomic(void);
#else
static inline void iof_shim_preempt_add(int n)
{
	(void)n;
}

static inline bool iof_shim_in_atomic(void)
{
	return false;
}
#endif

#define preempt_disable() iof_shim_preempt_add(1)
#define preempt_enable() iof_shim_preempt_add(-1)
#define in_atomic() iof_shim_in_atomic()
#define in_interrupt() 0
#define in_task() 1
#define irqs_disabled() 0
#define local_irq_save(flags) ((flags) = 0)
#define local_irq_restore(flags) ((void)(flags))

#endif
