/* SPDX-License-Identifier: MIT */
/* file.h - what file.c and sys.c share. */
#ifndef IOF_SHIM_FILE_H
#define IOF_SHIM_FILE_H

#include <linux/fs.h>

/* Hooks the eventfd to the file's wait queues, or takes it off and drains it. */
void iof_shim_ready_enable(struct file *file, bool on);
/* How often the file became readable, or something more arrived while it was. */
u64 iof_shim_ready_events(struct file *file);
/* The file of a device node is gone; nothing for other files. */
void iof_shim_node_put(struct file *file);

#endif
