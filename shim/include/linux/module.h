/* SPDX-License-Identifier: MIT */
/*
 * module.h - nothing is loaded here: names for the module's sake, references that always succeed.
 */
#ifndef IOF_SHIM_LINUX_MODULE_H
#define IOF_SHIM_LINUX_MODULE_H

#include_next <linux/module.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/moduleparam.h>

struct module;
#define THIS_MODULE ((struct module *)NULL)
#define KBUILD_MODNAME "iofault"
#define MODULE_LICENSE(x)
#define MODULE_AUTHOR(x)
#define MODULE_DESCRIPTION(x)
#define MODULE_VERSION(x)
#define MODULE_ALIAS(x)
#define MODULE_IMPORT_NS(x)
#define MODULE_SOFTDEP(x)
#define try_module_get(m) ((void)(m), true)
#define module_put(m) ((void)(m))
#define __module_get(m) ((void)(m))

#endif
