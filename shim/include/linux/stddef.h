/* SPDX-License-Identifier: MIT */
/*
 * stddef.h - the system's own header, and the kernel's macros for fields of structs.
 */
#ifndef IOF_SHIM_LINUX_STDDEF_H
#define IOF_SHIM_LINUX_STDDEF_H

#include_next <linux/stddef.h>
#include <stddef.h>

#ifndef sizeof_field
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#endif
#ifndef offsetofend
#define offsetofend(type, member) (offsetof(type, member) + sizeof_field(type, member))
#endif
#ifndef struct_group
#define struct_group(name, ...) __struct_group(/* no tag */, name, /* no attrs */, __VA_ARGS__)
#endif
#ifndef DECLARE_FLEX_ARRAY
#define DECLARE_FLEX_ARRAY(type, name) __DECLARE_FLEX_ARRAY(type, name)
#endif

#endif
