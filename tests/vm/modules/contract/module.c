// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * module.c - runs the groups of tests/contract/ in a kernel. A process that opens
 * /sys/kernel/debug/contract/NAME runs that group, and reads the result as TAP.
 */
#include <linux/debugfs.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>
#include "tests/contract/contract.h"

#define TOLD_SIZE 32768

static const struct contract_group *const groups[] = {
	&contract_data, &contract_file, &contract_memory, &contract_platform,
	&contract_sync, &contract_user, &contract_wait,	  &contract_work,
};

/* One group runs at a time, since cases disturb each other. */
static DEFINE_MUTEX(running);

unsigned int contract_rounds(unsigned int n)
{
	return n / 16;
}

void __user *contract_map(unsigned long pages, bool writable)
{
	unsigned long at = vm_mmap(NULL, 0, (pages + 1) * PAGE_SIZE,
				   writable ? PROT_READ | PROT_WRITE : PROT_READ,
				   MAP_PRIVATE | MAP_ANONYMOUS, 0);

	/* If there is no memory of the process, the caller's assertions fail. */
	if (!expect(!IS_ERR_VALUE(at)))
		return NULL;
	expect(!vm_munmap(at + pages * PAGE_SIZE, PAGE_SIZE));
	return (void __user *)at;
}

void contract_unmap(void __user *at, unsigned long pages)
{
	expect(!vm_munmap((unsigned long)at, pages * PAGE_SIZE));
}

/* Writes as a debugger does. */
void contract_poke(void __user *at, const void *from, size_t n)
{
	expect_eq(access_process_vm(current, (unsigned long)at, (void *)from, (int)n,
				    FOLL_FORCE | FOLL_WRITE),
		  n);
}

void contract_peek(void *to, const void __user *at, size_t n)
{
	expect_eq(access_process_vm(current, (unsigned long)at, to, (int)n, FOLL_FORCE), n);
}

/*
 * Returns NULL with KASAN, which watches over the missing page behind each area of vmalloc(), and
 * on a CPU without fast string instructions, which need not survive bad memory.
 */
u8 *contract_edge(void)
{
	u8 *page;

	if (IS_ENABLED(CONFIG_KASAN) || !boot_cpu_has(X86_FEATURE_ERMS))
		return NULL;
	page = vmalloc(PAGE_SIZE);
	return page ? page + PAGE_SIZE : NULL;
}

void contract_edge_done(u8 *edge)
{
	vfree(edge - PAGE_SIZE);
}

void contract_signals_begin(void)
{
}

/* Chooses a signal that neither kills nor is ignored before delivery; it is never delivered. */
void contract_signal(struct task_struct *task)
{
	send_sig(SIGTSTP, task, 1);
}

void contract_signals_end(void)
{
	flush_signals(current);
}

void contract_memlock(unsigned long bytes)
{
	static unsigned long before;
	struct rlimit *limit = &current->signal->rlim[RLIMIT_MEMLOCK];

	task_lock(current->group_leader);
	if (bytes == ~0ul) {
		limit->rlim_cur = before;
	} else {
		before = limit->rlim_cur;
		limit->rlim_cur = bytes;
	}
	task_unlock(current->group_leader);
}

static int contract_open(struct inode *inode, struct file *file)
{
	const struct contract_group *group = inode->i_private;
	char *told = kvzalloc(TOLD_SIZE, GFP_KERNEL);
	char said[CONTRACT_SAID];
	int n;

	if (!told)
		return -ENOMEM;
	mutex_lock(&running);
	n = scnprintf(told, TOLD_SIZE, "1..%u\n", group->count);
	for (unsigned int i = 0; i < group->count; i++) {
		const struct contract_case *c = &group->cases[i];

		pr_info("contract: %s: %s\n", group->name, c->name);
		if (contract_run(c, said))
			n += scnprintf(told + n, TOLD_SIZE - n, "ok %u - %s\n", i + 1, c->name);
		else
			n += scnprintf(told + n, TOLD_SIZE - n, "not ok %u - %s\n# %s\n", i + 1,
				       c->name, said);
	}
	mutex_unlock(&running);
	file->private_data = told;
	return 0;
}

static ssize_t contract_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	const char *told = file->private_data;

	return simple_read_from_buffer(buf, len, pos, told, strlen(told));
}

static int contract_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static const struct file_operations contract_fops = {
	.owner = THIS_MODULE,
	.open = contract_open,
	.read = contract_read,
	.release = contract_release,
};

static struct dentry *folder;

static int __init contract_init(void)
{
	folder = debugfs_create_dir("contract", NULL);
	if (IS_ERR(folder))
		return PTR_ERR(folder);
	for (unsigned int i = 0; i < ARRAY_SIZE(groups); i++)
		debugfs_create_file(groups[i]->name, 0400, folder, (void *)groups[i],
				    &contract_fops);
	return 0;
}

static void __exit contract_exit(void)
{
	debugfs_remove(folder);
	/* Callbacks that are still to be called are code of this module. */
	rcu_barrier();
}

module_init(contract_init);
module_exit(contract_exit);

MODULE_DESCRIPTION("What iofault relies on of a kernel's interface, as tests");
MODULE_AUTHOR("The iofault authors");
MODULE_LICENSE("Dual MIT/GPL");
