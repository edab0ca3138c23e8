/* SPDX-License-Identifier: MIT */
/*
 * module.h - macros for modules, which do nothing: the shim loads no modules, and references to one
 * always succeed.
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
