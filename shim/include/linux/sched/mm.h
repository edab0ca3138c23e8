/* SPDX-License-Identifier: MIT */
/*
 * sched/mm.h - references to address spaces: mm_count keeps the struct, mm_users keeps the memory.
 */
#ifndef IOF_SHIM_LINUX_SCHED_MM_H
#define IOF_SHIM_LINUX_SCHED_MM_H

#include <linux/mm_types.h>
#include <linux/sched.h>

void iof_shim_mm_free(struct mm_struct *mm);
void iof_shim_mm_exit(struct mm_struct *mm);
struct mm_struct *iof_shim_get_task_mm(struct task_struct *task);

static inline void mmgrab(struct mm_struct *mm)
{
	atomic_inc(&mm->mm_count);
}

static inline void mmdrop(struct mm_struct *mm)
{
	if (atomic_dec_and_test(&mm->mm_count))
		iof_shim_mm_free(mm);
}

static inline bool mmget_not_zero(struct mm_struct *mm)
{
	return atomic_inc_not_zero(&mm->mm_users);
}

static inline void mmput(struct mm_struct *mm)
{
	might_sleep();
	if (atomic_dec_and_test(&mm->mm_users))
		iof_shim_mm_exit(mm);
}

#define get_task_mm(task) iof_shim_get_task_mm(task)

#endif
