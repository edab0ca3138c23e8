/* SPDX-License-Identifier: MIT */
/*
 * module.h - nothing is loaded here: names for the module's sake, references that always succeed.
 */
#ifndef IOF_SHIM_LINUX_MODULE_H
#define IOF_SHIM_LINUX_MODULE_H

#include_next <linux/module.h>
#include <linux/compiler.h>

struct module;
#define THIS_MODULE ((struct module *)NULL)
#define module_put(m) ((void)(m))
#define __module_get(m) ((void)(m))

#endif
