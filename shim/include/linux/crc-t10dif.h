/* SPDX-License-Identifier: MIT */
/* crc-t10dif.h - the CRC of SCSI protection information, by ISA-L. */
#ifndef IOF_SHIM_LINUX_CRC_T10DIF_H
#define IOF_SHIM_LINUX_CRC_T10DIF_H

#include <linux/types.h>

u16 iof_shim_crc_t10dif(u16 crc, const void *data, size_t len);
#define crc_t10dif(data, len) iof_shim_crc_t10dif(0, data, len)
#define crc_t10dif_update(crc, data, len) iof_shim_crc_t10dif(crc, data, len)

#endif
