// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mock_access.c - the test ioctls of an emulated device: access to an IOAS from
 * inside the kernel.
 *
 * An access is a descriptor, and is destroyed at its last close. It pins ranges
 * as items, numbered from 0 for each access, and copies. DESTROY_ACCESS_PAGES
 * ends an item. So does an unmap of a part of it: the core calls mock_unmap()
 * then.
 *
 * Locks: mock_access.lock over items and numbers; the core is called under it,
 * except where the core may call mock_unmap().
 */
#include "mock.h"

/* maximum number of bytes of one pin or copy */
#define ACCESS_MAX (16ul << 20)

struct mock_access {
	struct iof_access *access;
	bool pins_pages;
	struct mutex lock;
	struct xarray items; /* lock; id -> struct mock_item */
	u32 next_id;	     /* id of the next item; lock */
};

struct mock_item {
	unsigned long iova, last;
};

/* ---- life ---- */

static void drop_item(struct mock_access *ma, u32 id, struct mock_item *item)
{
	lockdep_assert_held(&ma->lock);
	iof_access_unpin(ma->access, item->iova, item->last);
	xa_erase(&ma->items, id);
	kfree(item);
}

static void mock_unmap(void *priv, unsigned long iova, unsigned long last)
{
	struct mock_access *ma = priv;
	struct mock_item *item;
	unsigned long id;

	mutex_lock(&ma->lock);
	xa_for_each(&ma->items, id, item) {
		if (item->iova <= last && item->last >= iova)
			drop_item(ma, id, item);
		cond_resched();
	}
	mutex_unlock(&ma->lock);
}

static const struct iof_access_ops pinning_ops = {
	.unmap = mock_unmap,
	.pins_pages = true,
};

static const struct iof_access_ops copying_ops = {
	.unmap = mock_unmap,
};

static void mock_access_free(struct mock_access *ma)
{
	if (ma->access)
		iof_access_destroy(ma->access);
	WARN_ON(!xa_empty(&ma->items));
	xa_destroy(&ma->items);
	mutex_destroy(&ma->lock);
	kfree(ma);
}

static int mock_access_release(struct inode *inode, struct file *file)
{
	mock_access_free(file->private_data);
	return 0;
}

static const struct file_operations mock_access_fops = {
	.owner = THIS_MODULE,
	.release = mock_access_release,
};

static struct mock_access *mock_access_alloc(struct iof_ctx *ctx, u32 ioas_id,
					     bool pins_pages)
{
	struct mock_access *ma = kzalloc(sizeof(*ma), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!ma)
		return ERR_PTR(-ENOMEM);
	mutex_init(&ma->lock);
	xa_init_flags(&ma->items, XA_FLAGS_ACCOUNT);
	ma->pins_pages = pins_pages;
	ma->access = iof_access_create(
		ctx, pins_pages ? &pinning_ops : &copying_ops, ma);
	if (IS_ERR(ma->access)) {
		rc = PTR_ERR(ma->access);
		ma->access = NULL;
	} else {
		rc = iof_access_attach(ma->access, ioas_id);
	}
	if (rc) {
		mock_access_free(ma);
		return ERR_PTR(rc);
	}
	return ma;
}

int iof_mock_create_access(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct mock_access *ma;
	struct file *file;
	int fd, rc;

	if (cmd->create_access.flags &
	    ~(u32)MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		return -EOPNOTSUPP;
	ma = mock_access_alloc(iof_ucmd_ctx(ucmd), cmd->id,
			       cmd->create_access.flags);
	if (IS_ERR(ma))
		return PTR_ERR(ma);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		mock_access_free(ma);
		return fd;
	}
	file = anon_inode_getfile("[iommufd_test]", &mock_access_fops, ma,
				  O_RDWR);
	if (IS_ERR(file)) {
		mock_access_free(ma);
		rc = PTR_ERR(file);
		goto err_fd;
	}
	cmd->create_access.out_access_fd = (u32)fd;
	rc = iof_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		goto err_file;
	fd_install(fd, file);
	return 0;

err_file:
	fput(file);
err_fd:
	put_unused_fd(fd);
	return rc;
}

/* Returns the access of the descriptor in `id`; *file holds a reference. */
static struct mock_access *access_get(struct iof_ucmd *ucmd, struct file **file)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);

	*file = fget(cmd->id);
	if (!*file)
		return ERR_PTR(-EBADFD);
	if ((*file)->f_op == &mock_access_fops)
		return (*file)->private_data;
	fput(*file);
	return ERR_PTR(-EBADFD);
}

int iof_mock_access_replace_ioas(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct mock_access *ma;
	struct file *file;
	int rc;

	ma = access_get(ucmd, &file);
	if (IS_ERR(ma))
		return PTR_ERR(ma);
	rc = iof_access_attach(ma->access, cmd->access_replace_ioas.ioas_id);
	fput(file);
	return rc;
}

/* ---- pins ---- */

/* Checks that @pages are the caller's pages from @uptr on. */
static int compare_pages(struct page **pages, unsigned long nr,
			 unsigned long uptr)
{
	unsigned long i;

	for (i = 0; i < nr; i++, uptr += PAGE_SIZE) {
		struct page *page;
		long got = get_user_pages_fast(uptr, 1, 0, &page);

		if (got != 1)
			return got < 0 ? (int)got : -EFAULT;
		put_page(page);
		if (page != pages[i])
			return -EBADE;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int pin_item(struct mock_access *ma, struct mock_item *item,
		    struct iommu_test_cmd *cmd)
{
	unsigned long first = cmd->access_pages.iova & PAGE_MASK;
	unsigned long nr = ((item->last - first) >> PAGE_SHIFT) + 1;
	struct page **pages = kvcalloc(nr, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!pages)
		return -ENOMEM;
	lockdep_assert_held(&ma->lock);
	rc = iof_access_pin(ma->access, item->iova, item->last,
			    cmd->access_pages.flags & MOCK_FLAGS_ACCESS_WRITE,
			    pages);
	if (rc)
		goto out;
	if (cmd->access_pages.uptr)
		rc = compare_pages(pages, nr,
				   (cmd->access_pages.uptr & PAGE_MASK));
	if (rc)
		iof_access_unpin(ma->access, item->iova, item->last);
out:
	kvfree(pages);
	return rc;
}

static int access_pages(struct mock_access *ma, struct iommu_test_cmd *cmd)
{
	struct mock_item *item;
	int rc;

	item = kzalloc(sizeof(*item), GFP_KERNEL_ACCOUNT);
	if (!item)
		return -ENOMEM;
	item->iova = cmd->access_pages.iova;
	rc = -EOVERFLOW;
	if (check_add_overflow(item->iova,
			       (unsigned long)cmd->access_pages.length - 1,
			       &item->last))
		goto err_free;
	/* Wait killably: the holder may wait for user memory. */
	rc = mutex_lock_killable(&ma->lock);
	if (rc)
		goto err_free;
	rc = pin_item(ma, item, cmd);
	if (rc)
		goto err_unlock;
	rc = xa_insert(&ma->items, ma->next_id, item, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto err_unpin;
	cmd->access_pages.out_access_pages_id = ma->next_id++;
	mutex_unlock(&ma->lock);
	return 0;

err_unpin:
	iof_access_unpin(ma->access, item->iova, item->last);
err_unlock:
	mutex_unlock(&ma->lock);
err_free:
	kfree(item);
	return rc;
}

static int destroy_pages(struct mock_access *ma, u32 id)
{
	struct mock_item *item;

	if (mutex_lock_killable(&ma->lock))
		return -EINTR;
	item = xa_load(&ma->items, id);
	if (item)
		drop_item(ma, id, item);
	mutex_unlock(&ma->lock);
	return item ? 0 : -ENOENT;
}

int iof_mock_access_pages(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct mock_access *ma;
	struct file *file;
	int rc;

	if (cmd->access_pages.flags &
	    ~(u32)(MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ))
		return -EOPNOTSUPP;
	if (cmd->access_pages.length > ACCESS_MAX)
		return -ENOMEM;
	ma = access_get(ucmd, &file);
	if (IS_ERR(ma))
		return PTR_ERR(ma);
	if (!ma->pins_pages)
		rc = -EOPNOTSUPP;
	else if (!cmd->access_pages.length)
		rc = -EINVAL;
	else
		rc = access_pages(ma, cmd);
	if (!rc && iof_ucmd_respond(ucmd, sizeof(*cmd))) {
		/* An unmap may have destroyed the item already. */
		destroy_pages(ma, cmd->access_pages.out_access_pages_id);
		rc = -EFAULT;
	}
	fput(file);
	return rc;
}

int iof_mock_destroy_access_pages(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct mock_access *ma;
	struct file *file;
	int rc;

	ma = access_get(ucmd, &file);
	if (IS_ERR(ma))
		return PTR_ERR(ma);
	rc = destroy_pages(ma, cmd->destroy_access_pages.access_pages_id);
	fput(file);
	return rc;
}

/* ---- copies ---- */

static int access_rw(struct mock_access *ma, struct iommu_test_cmd *cmd)
{
	void __user *uptr = u64_to_user_ptr(cmd->access_rw.uptr);
	bool write = cmd->access_rw.flags & MOCK_ACCESS_RW_WRITE;
	size_t len = cmd->access_rw.length;
	void *buf;
	int rc = 0;

	if (!len)
		return -EINVAL;
	buf = kvzalloc(len, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	if (write && copy_from_user(buf, uptr, len))
		rc = -EFAULT;
	if (!rc)
		rc = iof_access_rw(ma->access, cmd->access_rw.iova, buf, len,
				   write);
	if (!rc && !write && copy_to_user(uptr, buf, len))
		rc = -EFAULT;
	kvfree(buf);
	return rc;
}

int iof_mock_access_rw(struct iof_ucmd *ucmd)
{
	const u32 flags = MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH |
			  MOCK_FLAGS_ACCESS_SYZ;
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct mock_access *ma;
	struct file *file;
	int rc;

	if (cmd->access_rw.flags & ~flags)
		return -EOPNOTSUPP;
	if (cmd->access_rw.length > ACCESS_MAX)
		return -ENOMEM;
	ma = access_get(ucmd, &file);
	if (IS_ERR(ma))
		return PTR_ERR(ma);
	rc = access_rw(ma, cmd);
	fput(file);
	return rc;
}
