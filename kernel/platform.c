// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * platform.c - the platform hooks of core/kapi.h as a kernel does them; shim/platform.c is the
 * other.
 *
 * Memory that the shared rooms copy to and from here is pinned and mapped, so those hooks are plain
 * accesses that cannot fail. The hooks on another process's address space take its mmap lock, and
 * touch a page only while they hold a pin on it. Device nodes are misc devices; a node's data is
 * found by its minor number, because the file's private_data belongs to the room that opened it.
 */
#include <linux/miscdevice.h>

#include "core/kapi.h"

struct iof_plat_node {
	struct miscdevice misc;
	const struct file_operations *fops;
	char *name;		/* of the device: the path with '-' for '/' */
	char *path;		/* below /dev */
	void *data;
};

/* minor number -> struct iof_plat_node */
static DEFINE_XARRAY(iof_nodes);

size_t iof_plat_copy(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
	return 0;
}

size_t iof_plat_copy_stream(void *dst, const void *src, size_t n)
{
	return iof_plat_copy(dst, src, n);
}

int iof_plat_load64(const u64 *p, u64 *val)
{
	*val = READ_ONCE(*p);
	return 0;
}

int iof_plat_cmpxchg64(u64 *p, u64 *old, u64 new)
{
	return try_cmpxchg64(p, old, new) ? 0 : -EAGAIN;
}

/* Pins the one page at @addr, by @gup_flags with or without faulting it in. 0 or -EFAULT. */
static int iof_plat_pin(struct mm_struct *mm, unsigned long addr, unsigned int gup_flags,
			struct page **page)
{
	long got;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	mmap_read_lock(mm);
	got = pin_user_pages_remote(mm, addr & PAGE_MASK, 1, gup_flags, page, NULL);
	mmap_read_unlock(mm);
	mmput(mm);
	return got == 1 ? 0 : -EFAULT;
}

bool iof_plat_user_page_present(struct mm_struct *mm, unsigned long addr, bool write)
{
	struct page *page;

	if (iof_plat_pin(mm, addr, FOLL_NOFAULT | (write ? FOLL_WRITE : 0), &page))
		return false;
	unpin_user_page(page);
	return true;
}

int iof_plat_mm_copy(struct mm_struct *mm, unsigned long addr, void *buf, size_t n, bool write)
{
	struct page *page;
	char *mapped;

	if (n > PAGE_SIZE - offset_in_page(addr) ||
	    iof_plat_pin(mm, addr, FOLL_NOFAULT | (write ? FOLL_WRITE : 0), &page))
		return -EFAULT;
	mapped = kmap_local_page(page);
	if (write)
		memcpy(mapped + offset_in_page(addr), buf, n);
	else
		memcpy(buf, mapped + offset_in_page(addr), n);
	kunmap_local(mapped);
	unpin_user_pages_dirty_lock(&page, 1, write);
	return 0;
}

int iof_plat_mm_fault_in(struct mm_struct *mm, unsigned long addr, bool write)
{
	struct page *page;
	int rc;

	rc = iof_plat_pin(mm, addr, write ? FOLL_WRITE : 0, &page);
	if (!rc)
		unpin_user_page(page);
	return rc;
}

/* The first open of each file: hands the file over to the operations of whoever added the node. */
static int iof_plat_node_open(struct inode *inode, struct file *file)
{
	struct iof_plat_node *node = container_of(file->private_data, struct iof_plat_node, misc);
	const struct file_operations *fops;

	/* Between misc_register() and xa_insert() there is a node, but not yet its data. */
	if (!xa_load(&iof_nodes, iminor(inode)))
		return -ENODEV;
	fops = fops_get(node->fops);
	if (!fops)
		return -ENODEV;
	replace_fops(file, fops);
	file->private_data = NULL;
	return fops->open ? fops->open(inode, file) : 0;
}

static const struct file_operations iof_plat_node_fops = {
	.owner = THIS_MODULE,
	.open = iof_plat_node_open,
};

static void iof_plat_free_node(struct iof_plat_node *node)
{
	kfree(node->name);
	kfree(node->path);
	kfree(node);
}

struct iof_plat_node *iof_plat_add_node(struct iof_plat_space *space, const char *name,
					const struct file_operations *fops, void *data)
{
	struct iof_plat_node *node;
	int rc;

	if (WARN_ON(space))
		return ERR_PTR(-EINVAL);
	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->data = data;
	node->fops = fops;
	node->path = kstrdup(name, GFP_KERNEL);
	node->name = kstrdup(name, GFP_KERNEL);
	rc = -ENOMEM;
	if (!node->path || !node->name)
		goto err_free;
	strreplace(node->name, '/', '-');
	node->misc.minor = MISC_DYNAMIC_MINOR;
	node->misc.name = node->name;
	node->misc.nodename = node->path;
	node->misc.fops = &iof_plat_node_fops;
	rc = misc_register(&node->misc);
	if (rc)
		goto err_free;
	rc = xa_insert(&iof_nodes, node->misc.minor, node, GFP_KERNEL);
	if (rc)
		goto err_deregister;
	return node;

err_deregister:
	misc_deregister(&node->misc);
err_free:
	iof_plat_free_node(node);
	return ERR_PTR(rc);
}

void iof_plat_remove_node(struct iof_plat_node *node)
{
	xa_erase(&iof_nodes, node->misc.minor);
	misc_deregister(&node->misc);
	iof_plat_free_node(node);
}

void *iof_plat_node_data(struct file *file)
{
	struct iof_plat_node *node = xa_load(&iof_nodes, iminor(file_inode(file)));

	return node ? node->data : NULL;
}
