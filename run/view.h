/* SPDX-License-Identifier: MIT */
/*
 * view.h - what view.c and sysfs.c share.
 */
#ifndef IOF_RUN_VIEW_H
#define IOF_RUN_VIEW_H

#include "private.h"

/* From here on things can be made in @path, where everything still is. False: no such folder. */
bool iof_run_open_folder(struct iof_run *run, const char *path);
/* From here on not any more. */
void iof_run_seal_folder(const char *path);

#endif
