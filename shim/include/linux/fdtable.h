/* SPDX-License-Identifier: MIT */
/* fdtable.h - closing a descriptor by its number. */
#ifndef IOF_SHIM_LINUX_FDTABLE_H
#define IOF_SHIM_LINUX_FDTABLE_H

int iof_shim_close_fd(unsigned int fd);

#define close_fd(fd) iof_shim_close_fd((unsigned int)(fd))

#endif
