/* SPDX-License-Identifier: MIT */
/* moduleparam.h - parameters keep the value they are initialised with. */
#ifndef IOF_SHIM_LINUX_MODULEPARAM_H
#define IOF_SHIM_LINUX_MODULEPARAM_H

#define module_param(name, type, perm)
#define module_param_named(name, value, type, perm)
#define MODULE_PARM_DESC(name, desc)

#endif
