/* SPDX-License-Identifier: MIT */
/*
 * byteorder.h - the system's own header, and the kernel's names without underscores.
 */
#ifndef IOF_SHIM_ASM_BYTEORDER_H
#define IOF_SHIM_ASM_BYTEORDER_H

#include_next <asm/byteorder.h>

#define cpu_to_le64(x) __cpu_to_le64(x)
#define le64_to_cpu(x) __le64_to_cpu(x)

#endif
