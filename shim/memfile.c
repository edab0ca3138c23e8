/* SPDX-License-Identifier: MIT */
/*
 * memfile.c - memory of files, for MAP_FILE: those platform hooks of core/kapi.h.
 *
 * A page frame is an address of this process, so what is to be pinned of a file is mapped here,
 * shared, for as long as that lasts. Two such windows on one page are two pages, as two mappings by
 * the program would be. The descriptor is the program's: where that is another process, its file is
 * opened once more through /proc.
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

struct iof_plat_memfile {
	char *base;		/* shows the file from @start on */
	size_t length;
	u64 start;
};

static int own_descriptor(int fd)
{
	if (!iof_shim_acting_for)
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return iof_shim_remote_fd(fd);
}

/* The window on [start, start + length), in steps that the file's kind allows. */
static int map_window(struct iof_plat_memfile *file, int fd, u64 start, u64 length, bool write)
{
	u64 step, end;
	struct stat st;
	void *base;

	/* Only files whose pages are all there is to them have seals, used or not. */
	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st))
		return errno == EBADF ? -EBADF : -EINVAL;
	if (check_add_overflow(start, length, &end) || end > (u64)st.st_size)
		return -EINVAL;
	step = max_t(u64, (u64)st.st_blksize, PAGE_SIZE);
	file->start = start & ~(step - 1);
	file->length = (end - file->start + step - 1) & ~(step - 1);
	base = mmap(NULL, file->length, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd,
		    (off_t)file->start);
	if (base == MAP_FAILED)
		return errno == EACCES || errno == EPERM ? -EPERM : -ENOMEM;
	file->base = base;
	return 0;
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
	rc = map_window(file, own, start, length, write);
	/* The window keeps the file. */
	close(own);
	if (rc) {
		kfree(file);
		return ERR_PTR(rc);
	}
	return file;
}

void iof_plat_memfile_put(struct iof_plat_memfile *file)
{
	WARN_ON(munmap(file->base, file->length));
	kfree(file);
}

long iof_plat_memfile_pin(struct iof_plat_memfile *file, u64 pos, unsigned long n, bool write,
			  struct page **pages)
{
	/* without FOLL_LONGTERM, which would look for files that are written back: this is none */
	return iof_shim_pin_pages(&iof_shim_mm,
				  (unsigned long)file->base + (unsigned long)(pos - file->start), n,
				  write ? FOLL_WRITE : 0, pages, true);
}
