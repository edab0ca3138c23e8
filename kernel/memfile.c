// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * memfile.c - memory of files, for MAP_FILE: those platform hooks of
 * core/kapi.h.
 *
 * Supports only files with their pages in memory alone: tmpfs (memfd) and
 * hugetlbfs. The map refuses others, not the pin, so that no unusable file is
 * held; this also means that no file of ours can hold itself. A seal against
 * writing is reliable: a writable mapping excludes the seal, whether pages are
 * pinned or not.
 *
 * Holes of hugetlbfs files: memfd_pin_folios() fills them without a reservation
 * (before 6.16), and so takes huge pages that are reserved for others. This
 * file fills them first, as the program itself could have filled them: with
 * vfs_fallocate(), which needs a descriptor open for writing. The inode's lock
 * prevents the punching of holes from the check until the pages are pinned.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/shmem_fs.h>

#include "core/kapi.h"

struct iof_plat_memfile {
	struct file *file;
	bool write; /* the mapping counts as a writable mapping of the file */
};

static bool is_shmem(struct file *file)
{
	return shmem_mapping(file->f_mapping);
}

static bool is_hugetlb(struct file *file)
{
	return file_inode(file)->i_sb->s_magic == HUGETLBFS_MAGIC;
}

/* Does a seal forbid writing? It holds for devices, too. */
static bool is_sealed(struct file *file)
{
	unsigned int seals = 0;

	if (is_shmem(file))
		seals = READ_ONCE(SHMEM_I(file_inode(file))->seals);
#ifdef CONFIG_HUGETLBFS
	else
		seals = READ_ONCE(HUGETLBFS_I(file_inode(file))->seals);
#endif
	return seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

static int check(struct file *file, u64 start, u64 length, bool write)
{
	u64 end;

	if (!is_shmem(file) && !is_hugetlb(file))
		return -EINVAL;
	if (check_add_overflow(start, length, &end) ||
	    end > (u64)i_size_read(file_inode(file)))
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ) ||
	    (write && !(file->f_mode & FMODE_WRITE)))
		return -EPERM;
	return 0;
}

/*
 * Makes a writable map count as a process's writable mapping until
 * iof_plat_memfile_put(), since the pins come later. It prevents F_SEAL_WRITE,
 * and fails if that seal is set.
 */
static int begin_writing(struct file *file)
{
	int rc = mapping_map_writable(file->f_mapping);

	if (rc)
		return rc;
	/* F_SEAL_FUTURE_WRITE affects only later mappings. */
	if (is_sealed(file)) {
		mapping_unmap_writable(file->f_mapping);
		return -EPERM;
	}
	return 0;
}

struct iof_plat_memfile *iof_plat_memfile_get(int fd, u64 start, u64 length,
					      bool write)
{
	struct iof_plat_memfile *memfile =
		kzalloc(sizeof(*memfile), GFP_KERNEL_ACCOUNT);
	int rc = -EBADF;

	if (!memfile)
		return ERR_PTR(-ENOMEM);
	memfile->write = write;
	memfile->file = fget(fd);
	if (!memfile->file)
		goto err_free;
	rc = check(memfile->file, start, length, write);
	if (!rc && write)
		rc = begin_writing(memfile->file);
	if (rc)
		goto err_put;
	return memfile;

err_put:
	fput(memfile->file);
err_free:
	kfree(memfile);
	return ERR_PTR(rc);
}

void iof_plat_memfile_put(struct iof_plat_memfile *memfile)
{
	if (memfile->write)
		mapping_unmap_writable(memfile->file->f_mapping);
	fput(memfile->file);
	kfree(memfile);
}

/*
 * Number of attempts to fill holes that another thread punches at the same
 * time.
 */
#define FILL_TRIES 8

/*
 * Pins page by page: a folio that is pinned for several of its pages at once
 * has one pin only, and would have to be unpinned in the same way.
 */
static long pin_pages(struct file *file, u64 pos, unsigned long n,
		      struct page **pages)
{
	unsigned long done;

	for (done = 0; done < n; done++, pos += PAGE_SIZE) {
		struct folio *folio;
		pgoff_t offset;
		long got;

		got = memfd_pin_folios(file, (loff_t)pos,
				       (loff_t)(pos + PAGE_SIZE - 1), &folio, 1,
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

/* Is a huge page of [start, end) absent? Called with the inode's lock held. */
static bool has_holes(struct file *file, u64 start, u64 end)
{
	u64 step = i_blocksize(file_inode(file));
	u64 pos;

	for (pos = round_down(start, step); pos < end; pos += step) {
		struct folio *folio =
			filemap_get_folio(file->f_mapping, pos >> PAGE_SHIFT);

		if (IS_ERR(folio))
			return true;
		folio_put(folio);
	}
	return false;
}

/*
 * Fills the holes of [start, end). A part that another thread truncates at the
 * same time stays truncated. -ENOMEM for any failure but a signal: then the
 * call that pins is restarted.
 */
static int fill_holes(struct file *file, u64 start, u64 end)
{
	u64 step = i_blocksize(file_inode(file));
	int rc;

	if (!(file->f_mode & FMODE_WRITE))
		return -ENOMEM;
	start = round_down(start, step);
	rc = vfs_fallocate(file, FALLOC_FL_KEEP_SIZE, (loff_t)start,
			   (loff_t)(round_up(end, step) - start));
	if (rc == -EINTR && signal_pending(current))
		return fatal_signal_pending(current) ? -EINTR : -ERESTARTNOINTR;
	return rc ? -ENOMEM : 0;
}

static long pin_huge(struct file *file, u64 pos, unsigned long n,
		     struct page **pages)
{
	struct inode *inode = file_inode(file);
	u64 end = pos + ((u64)n << PAGE_SHIFT);
	unsigned int tries;
	long rc;

	for (tries = 0; tries < FILL_TRIES; tries++) {
		inode_lock(inode);
		if (end > (u64)i_size_read(inode)) {
			inode_unlock(inode);
			return -EINVAL;
		}
		if (!has_holes(file, pos, end)) {
			rc = pin_pages(file, pos, n, pages);
			inode_unlock(inode);
			return rc < 0 ? -ENOMEM : rc;
		}
		inode_unlock(inode);
		rc = fill_holes(file, pos, end);
		if (rc)
			return rc;
	}
	return -ENOMEM;
}

long iof_plat_memfile_pin(struct iof_plat_memfile *memfile, u64 pos,
			  unsigned long n, bool write, struct page **pages)
{
	if (is_hugetlb(memfile->file))
		return pin_huge(memfile->file, pos, n, pages);
	return pin_pages(memfile->file, pos, n, pages);
}
