/* SPDX-License-Identifier: MIT */
/*
 * errno.h - the system's own header, which <errno.h> includes, and the error numbers that a kernel
 * never returns to programs.
 */
#ifndef IOF_SHIM_LINUX_ERRNO_H
#define IOF_SHIM_LINUX_ERRNO_H

#include_next <linux/errno.h>

#define ERESTARTSYS 512
#define ERESTARTNOHAND 514
#define ENOIOCTLCMD 515

#endif
