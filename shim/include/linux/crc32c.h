/* SPDX-License-Identifier: MIT */
/*
 * crc32c.h - Castagnoli's CRC. Like the kernel's, it inverts neither the start value nor the
 * result.
 */
#ifndef IOF_SHIM_LINUX_CRC32C_H
#define IOF_SHIM_LINUX_CRC32C_H

#include <linux/types.h>

u32 iof_shim_crc32c(u32 crc, const void *data, size_t len);
#define crc32c(crc, data, len) iof_shim_crc32c(crc, data, len)

#endif
