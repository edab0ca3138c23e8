/* SPDX-License-Identifier: MIT */
/*
 * remote_file.c - the file behind shared memory of another process.
 *
 * The shim pins pages of shared memory in windows (window.c), which are mappings of this process.
 * If no window shows the memory yet, the shim opens its file. It uses /proc/PID/map_files, which
 * needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN on the host, or else a descriptor that the process
 * holds. Without either, the pages are pinned by address. window.c checks that a mapping of the
 * file shows the same memory, so that a process gains nothing by changing its mappings or
 * descriptors meanwhile.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/mm.h>
#include "internal.h"
#include "remote.h"
#include "window.h"

/* Search limit: a process may have a million descriptors; a VMM opens those of its memory early. */
#define MAX_DESCRIPTORS 4096

static int open_by_mapping(struct mm_struct *mm, const struct iof_shim_area *area, bool write)
{
	char path[64];

	snprintf(path, sizeof(path), "map_files/%lx-%lx", area->start, area->end);
	return openat(iof_shim_remote_folder(mm), path,
		      (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
}

/*
 * Does descriptor @name in the folder @dir refer to the file of @area? Asks no server of a file
 * system.
 */
static bool is_file_of(int dir, const char *name, const struct iof_shim_area *area)
{
	struct statx st;

	return !statx(dir, name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &st) &&
	       S_ISREG(st.stx_mode) && st.stx_ino == area->inode &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == area->dev;
}

static int find_descriptor(int dir, DIR *entries, const struct iof_shim_area *area, bool write)
{
	unsigned int looked_at = 0;
	struct dirent *entry;

	while (looked_at++ < MAX_DESCRIPTORS && (entry = readdir(entries))) {
		int fd;

		if (!is_file_of(dir, entry->d_name, area))
			continue;
		fd = iof_shim_remote_fd(atoi(entry->d_name));
		if (fd >= 0 && (!write || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR))
			return write ? fd : iof_shim_window_reader(fd);
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

static int open_by_descriptor(struct mm_struct *mm, const struct iof_shim_area *area, bool write)
{
	int dir, fd = -1;
	DIR *entries;

	/* the thread that waits for us has the descriptors */
	if (!iof_shim_acting_for || current->mm != mm)
		return -1;
	dir = openat(iof_shim_remote_folder(mm), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	entries = dir < 0 ? NULL : fdopendir(dir);
	if (entries) {
		fd = find_descriptor(dir, entries, area, write);
		closedir(entries);
	} else if (dir >= 0) {
		close(dir);
	}
	return fd;
}

unsigned long iof_shim_remote_file_pin(struct mm_struct *mm, struct iof_shim_area *area,
				       unsigned long at, unsigned long n, bool write,
				       struct page **pages, bool pin)
{
	unsigned long taken;

	area->remote = true;
	area->writable = write;
	area->file = -1;
	taken = iof_shim_window_pin(area, at, n, write, pages, pin);
	if (taken == n)
		return taken;
	area->file = open_by_mapping(mm, area, write);
	if (area->file < 0)
		area->file = open_by_descriptor(mm, area, write);
	if (area->file < 0)
		return taken;
	taken += iof_shim_window_pin(area, at + taken * PAGE_SIZE, n - taken, write,
				     pages ? pages + taken : NULL, pin);
	close(area->file);
	area->file = -1;
	return taken;
}
