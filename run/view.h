/* SPDX-License-Identifier: MIT */
/* view.h - shared by view.c and sysfs.c. */
#ifndef IOF_RUN_VIEW_H
#define IOF_RUN_VIEW_H

#include "private.h"

/*
 * Binds a folder or a file of our file system (driver.c) to @path, which is made if it does not
 * exist.
 */
void iof_run_bind_folder(struct iof_run *run, const char *name, const char *path);
void iof_run_bind_file(struct iof_run *run, const char *name, const char *path);
/*
 * Makes @path writable for new entries; its old ones stay. Returns false if there is no such
 * folder.
 */
bool iof_run_open_folder(struct iof_run *run, const char *path);
/* Makes the folder read-only again. */
void iof_run_seal_folder(const char *path);

#endif
