/* SPDX-License-Identifier: MIT */
/*
 * file.h - descriptors of the embedded world. Each number is a real eventfd, which is readable
 * while the file is.
 */
#ifndef IOF_SHIM_LINUX_FILE_H
#define IOF_SHIM_LINUX_FILE_H

#include <linux/fs.h>

struct fd {
	unsigned long word;
};

struct file *iof_shim_fget(unsigned int fd);
void iof_shim_fput(struct file *file);
int iof_shim_get_unused_fd(unsigned int flags);
void iof_shim_put_unused_fd(unsigned int fd);
void iof_shim_fd_install(unsigned int fd, struct file *file);

#define fget(fd) iof_shim_fget(fd)
#define fput(file) iof_shim_fput(file)
#define get_unused_fd_flags(flags) iof_shim_get_unused_fd(flags)
#define put_unused_fd(fd) iof_shim_put_unused_fd((unsigned int)(fd))
#define fd_install(fd, file) iof_shim_fd_install((unsigned int)(fd), file)

#endif
