/* SPDX-License-Identifier: MIT */
/*
 * file.h - what file.c and sys.c share.
 */
#ifndef IOF_SHIM_FILE_H
#define IOF_SHIM_FILE_H

#include <linux/fs.h>

/* Puts the eventfd's entries on the file's wait queues, or removes them and drains the eventfd. */
void iof_shim_ready_enable(struct file *file, bool on);
/* Returns the number of times that the file became readable, or got an arrival while readable. */
u64 iof_shim_ready_events(struct file *file);
/* Drops the node of a released file. Does nothing for files that are no device nodes. */
void iof_shim_node_put(struct file *file);

#endif
