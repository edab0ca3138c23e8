/* SPDX-License-Identifier: MIT */
/* init.h - section marks, which mean nothing here (compiler.h). */
#ifndef IOF_SHIM_LINUX_INIT_H
#define IOF_SHIM_LINUX_INIT_H

#include <linux/compiler.h>

#define module_init(fn)
#define module_exit(fn)

#endif
