/* SPDX-License-Identifier: MIT */
/*
 * memfile.c - memory of files, for MAP_FILE: those platform hooks of core/kapi.h.
 *
 * A page frame is an address of this process. So the shim maps the part of a file that is to be
 * pinned here, in windows (window.c) that the program's own mappings of the file share. The
 * descriptor belongs to the program. If the program is another process, the shim opens its file
 * once more through /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include "core/kapi.h"
#include "internal.h"
#include "remote.h"
#include "window.h"

struct iof_plat_memfile {
	struct iof_shim_area area;	/* the part of a file whose windows are held */
	/* without /proc: the shim's own mapping of the file; else NULL */
	char *base;
};

static int own_descriptor(int fd)
{
	if (!iof_shim_acting_for)
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return iof_shim_remote_fd(fd);
}

/*
 * Holds the windows on [start, start + length), in steps that the file's kind allows. Windows are
 * duplicates of a mapping; mapping the descriptor first shows whether it allows the access.
 */
static int map_range(struct iof_plat_memfile *file, int fd, u64 start, u64 length, bool write)
{
	struct iof_shim_area area;
	u64 step, end, first;
	struct stat st;
	size_t size;
	void *base;
	int rc;

	/*
	 * Only files whose pages exist in memory alone answer F_GET_SEALS, even if they have no
	 * seals.
	 */
	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st))
		return errno == EBADF ? -EBADF : -EINVAL;
	if (check_add_overflow(start, length, &end) || end > (u64)st.st_size)
		return -EINVAL;
	step = max_t(u64, (u64)st.st_blksize, PAGE_SIZE);
	first = start & ~(step - 1);
	size = (end - first + step - 1) & ~(step - 1);
	base = mmap(NULL, size, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd, (off_t)first);
	if (base == MAP_FAILED)
		return errno == EACCES || errno == EPERM ? -EPERM : -ENOMEM;
	file->area = (struct iof_shim_area){
		.start = (unsigned long)base, .end = (unsigned long)base + size, .offset = first,
	};
	if (!iof_shim_own_area((unsigned long)base, &area) || !area.identified) {
		file->base = base;
		return 0;
	}
	/* The kernel may have merged the new mapping with a neighbour. */
	area.offset = first;
	area.start = (unsigned long)base;
	area.end = area.start + size;
	area.writable = write;
	file->area = area;
	rc = iof_shim_window_hold(&area, write);
	WARN_ON(munmap(base, size));
	return rc;
}

struct iof_plat_memfile *iof_plat_memfile_get(int fd, u64 start, u64 length, bool write)
{
	struct iof_plat_memfile *file = kzalloc(sizeof(*file), GFP_KERNEL);
	int own, rc;

	if (!file)
		return ERR_PTR(-ENOMEM);
	own = own_descriptor(fd);
	if (own < 0) {
		rc = errno == EBADF ? -EBADF : errno == EACCES || errno == EPERM ? -EPERM : -ENOMEM;
		kfree(file);
		return ERR_PTR(rc);
	}
	if (!write)
		own = iof_shim_window_reader(own);
	rc = map_range(file, own, start, length, write);
	/* The mapping keeps the file open. */
	close(own);
	if (rc) {
		kfree(file);
		return ERR_PTR(rc);
	}
	return file;
}

void iof_plat_memfile_put(struct iof_plat_memfile *file)
{
	if (file->base)
		WARN_ON(munmap(file->base, file->area.end - file->area.start));
	else
		iof_shim_window_release(&file->area);
	kfree(file);
}

long iof_plat_memfile_pin(struct iof_plat_memfile *file, u64 pos, unsigned long n, bool write,
			  struct page **pages)
{
	unsigned long addr;
	u64 length;

	pos &= PAGE_MASK;
	addr = (unsigned long)file->base + (unsigned long)(pos - file->area.offset);
	/* the caller's next call pins pages that lie in a further window */
	if (!file->base) {
		addr = iof_shim_window_address(&file->area, pos, &length);
		n = min(n, (unsigned long)(length >> PAGE_SHIFT));
	}
	/* no FOLL_LONGTERM, which would look for files that are written back: this file is not */
	return iof_shim_pin_pages(&iof_shim_mm, addr, n, write ? FOLL_WRITE : 0, pages, true);
}
