// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * memfile.c - memory of files, for MAP_FILE: those platform hooks of core/kapi.h.
 *
 * Only files whose pages are all there is to them: tmpfs (memfd) and hugetlbfs. Others are refused
 * when they are mapped, not when they are pinned, so that nothing is held that cannot be used; with
 * that no file of ours can hold itself.
 */
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/shmem_fs.h>

#include "core/kapi.h"

static bool is_shmem(struct file *file)
{
	return shmem_mapping(file->f_mapping);
}

static bool is_hugetlb(struct file *file)
{
	return file_inode(file)->i_sb->s_magic == HUGETLBFS_MAGIC;
}

/* A seal against writing is one against devices too. */
static bool is_sealed(struct file *file)
{
	return is_shmem(file) &&
	       READ_ONCE(SHMEM_I(file_inode(file))->seals) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

static int check(struct file *file, u64 start, u64 length, bool write)
{
	u64 end;

	if (!is_shmem(file) && !is_hugetlb(file))
		return -EINVAL;
	if (check_add_overflow(start, length, &end) || end > (u64)i_size_read(file_inode(file)))
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ) || (write && !(file->f_mode & FMODE_WRITE)) ||
	    (write && is_sealed(file)))
		return -EPERM;
	return 0;
}

struct iof_plat_memfile *iof_plat_memfile_get(int fd, u64 start, u64 length, bool write)
{
	struct file *file = fget(fd);
	int rc;

	if (!file)
		return ERR_PTR(-EBADF);
	rc = check(file, start, length, write);
	if (rc) {
		fput(file);
		return ERR_PTR(rc);
	}
	return (struct iof_plat_memfile *)file;
}

void iof_plat_memfile_put(struct iof_plat_memfile *memfile)
{
	fput((struct file *)memfile);
}

/*
 * Page by page: a folio that is pinned for several of its pages at once has one pin only, and would
 * have to be unpinned likewise.
 */
long iof_plat_memfile_pin(struct iof_plat_memfile *memfile, u64 pos, unsigned long n, bool write,
			  struct page **pages)
{
	struct file *file = (struct file *)memfile;
	unsigned long done;

	for (done = 0; done < n; done++, pos += PAGE_SIZE) {
		struct folio *folio;
		pgoff_t offset;
		long got;

		got = memfd_pin_folios(file, (loff_t)pos, (loff_t)(pos + PAGE_SIZE - 1), &folio, 1,
				       &offset);
		if (got != 1) {
			if (done)
				break;
			return got < 0 ? got : -EFAULT;
		}
		pages[done] = folio_page(folio, offset >> PAGE_SHIFT);
		cond_resched();
	}
	return (long)done;
}
