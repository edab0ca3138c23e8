/* SPDX-License-Identifier: MIT */
/* export.h - exports are the module's affair. */
#ifndef IOF_SHIM_LINUX_EXPORT_H
#define IOF_SHIM_LINUX_EXPORT_H

#define EXPORT_SYMBOL(sym)
#define EXPORT_SYMBOL_GPL(sym)
#define EXPORT_SYMBOL_NS(sym, ns)
#define EXPORT_SYMBOL_NS_GPL(sym, ns)

#endif
