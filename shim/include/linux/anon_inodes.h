/* SPDX-License-Identifier: MIT */
/*
 * anon_inodes.h - files without a path.
 */
#ifndef IOF_SHIM_LINUX_ANON_INODES_H
#define IOF_SHIM_LINUX_ANON_INODES_H

#include <linux/fs.h>

struct file *iof_shim_anon_file(const char *name, const struct file_operations *fops, void *priv,
				int flags);
int iof_shim_anon_fd(const char *name, const struct file_operations *fops, void *priv, int flags);

#define anon_inode_getfile(name, fops, priv, flags) iof_shim_anon_file(name, fops, priv, flags)
#define anon_inode_getfd(name, fops, priv, flags) iof_shim_anon_fd(name, fops, priv, flags)

#endif
