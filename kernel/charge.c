// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * charge.c - charges memory and CPU time of kernel threads to the program that
 * they work for: those platform hooks of core/kapi.h.
 *
 * Memory: a kernel thread belongs to no memory control group, so that its
 * allocations for a program name the program's group. CPU time: the thread
 * itself moves into the program's control groups, but only if they differ,
 * since a move delays all forks of the system for a moment.
 */
#include <linux/cgroup.h>
#include <linux/init_task.h>
#include <linux/memcontrol.h>

#include "private.h"

static struct mem_cgroup *memcg_of(struct iof_plat_payer *payer)
{
	return (struct mem_cgroup *)payer;
}

struct iof_plat_payer *iof_plat_payer_get(void)
{
	return (struct iof_plat_payer *)get_mem_cgroup_from_mm(current->mm);
}

void iof_plat_payer_hold(struct iof_plat_payer *payer)
{
#ifdef CONFIG_MEMCG
	if (payer)
		css_get(&memcg_of(payer)->css);
#endif
}

void iof_plat_payer_put(struct iof_plat_payer *payer)
{
	mem_cgroup_put(memcg_of(payer));
}

struct iof_plat_payer *iof_plat_charge_to(struct iof_plat_payer *payer)
{
	return (struct iof_plat_payer *)set_active_memcg(memcg_of(payer));
}

/* Are the two tasks in the same control groups? Such tasks share one set. */
static bool in_same_groups(struct task_struct *a, struct task_struct *b)
{
#ifdef CONFIG_CGROUPS
	return rcu_access_pointer(a->cgroups) == rcu_access_pointer(b->cgroups);
#else
	return true;
#endif
}

int iof_plat_thread_join(struct task_struct *task)
{
	return in_same_groups(task, current) ?
		       0 :
		       cgroup_attach_task_all(current, task);
}

void iof_plat_thread_leave(struct task_struct *task)
{
	/*
	 * The root group of a controller takes any thread; if one refused, the
	 * next program would take the thread.
	 */
	if (!in_same_groups(task, &init_task))
		(void)cgroup_attach_task_all(&init_task, task);
}
