// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * vm_plant.c - a module with faults, each of which scripts/vm must find (`scripts/vm selftest`).
 *
 * `fault=NAME` chooses one. It happens when the module is loaded, or leaves something behind when
 * it is unloaded. Only `oops` and `hang` end the guest; the others do not harm it. Without a fault
 * the module loads and unloads cleanly.
 */
#include <linux/kobject.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>

static char *fault = "none";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "what goes wrong");

static struct kmem_cache *cache;

static const struct file_operations vm_plant_fops = {
	.owner = THIS_MODULE,
};

static struct miscdevice vm_plant_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vm_plant",
	.fops = &vm_plant_fops,
};

static void vm_plant_spin(void *unused)
{
	for (;;)
		cpu_relax();
}

static int vm_plant_shared;

static void vm_plant_race(void *unused)
{
	int i;

	for (i = 0; i < 1000000; i++) {
		vm_plant_shared++;
		barrier();
	}
}

static DEFINE_MUTEX(vm_plant_first);
static DEFINE_MUTEX(vm_plant_second);

static void vm_plant_order(void)
{
	mutex_lock(&vm_plant_first);
	mutex_lock(&vm_plant_second);
	mutex_unlock(&vm_plant_second);
	mutex_unlock(&vm_plant_first);
	mutex_lock(&vm_plant_second);
	mutex_lock(&vm_plant_first);
	mutex_unlock(&vm_plant_first);
	mutex_unlock(&vm_plant_second);
}

static int vm_plant_freed(void)
{
	char *memory = kmalloc(64, GFP_KERNEL);
	char *volatile gone = memory;

	if (!memory)
		return -ENOMEM;
	kfree(memory);
	(void)READ_ONCE(*gone);
	return 0;
}

static int vm_plant_pin(void)
{
	struct page *page;
	int got =
		pin_user_pages_fast(current->mm->start_stack, 1, FOLL_WRITE | FOLL_LONGTERM, &page);

	return got == 1 ? 0 : -EFAULT;
}

static int __init vm_plant_init(void)
{
	int rc = misc_register(&vm_plant_node);

	if (rc)
		return rc;
	if (!strcmp(fault, "warn")) {
		WARN(1, "planted");
	} else if (!strcmp(fault, "refcount")) {
		refcount_t count = REFCOUNT_INIT(0);

		refcount_inc(&count);
	} else if (!strcmp(fault, "cache")) {
		cache = kmem_cache_create("iof_plant", 128, 0, 0, NULL);
		if (!cache || !kmem_cache_alloc(cache, GFP_KERNEL))
			rc = -ENOMEM;
	} else if (!strcmp(fault, "pin")) {
		rc = vm_plant_pin();
	} else if (!strcmp(fault, "user")) {
		__module_get(THIS_MODULE);
	} else if (!strcmp(fault, "taint")) {
		add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	} else if (!strcmp(fault, "sysfs")) {
		if (!kobject_create_and_add("vm_plant", kernel_kobj))
			rc = -ENOMEM;
	} else if (!strcmp(fault, "atomic")) {
		preempt_disable();
		might_sleep();
		preempt_enable();
	} else if (!strcmp(fault, "freed")) {
		rc = vm_plant_freed();
	} else if (!strcmp(fault, "order")) {
		vm_plant_order();
	} else if (!strcmp(fault, "race")) {
		on_each_cpu(vm_plant_race, NULL, 1);
	} else if (!strcmp(fault, "leak")) {
		if (!kmalloc(4096, GFP_KERNEL))
			rc = -ENOMEM;
	} else if (!strcmp(fault, "oops")) {
		WRITE_ONCE(*(int *)8, 0);
	} else if (!strcmp(fault, "hang")) {
		on_each_cpu(vm_plant_spin, NULL, 1);
	}
	if (rc)
		misc_deregister(&vm_plant_node);
	return rc;
}

static void __exit vm_plant_exit(void)
{
	kmem_cache_destroy(cache);
	misc_deregister(&vm_plant_node);
}

module_init(vm_plant_init);
module_exit(vm_plant_exit);

MODULE_DESCRIPTION("faults that the guest's watchers must find");
MODULE_AUTHOR("The iofault authors");
MODULE_LICENSE("Dual MIT/GPL");
