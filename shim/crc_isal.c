/* SPDX-License-Identifier: MIT */
/*
 * crc_isal.c - CRC32C by ISA-L.
 *
 * All builds but the static library use this file. Debian has no archive of ISA-L, so that the
 * static library uses crc_own.c.
 */
#include <isa-l/crc.h>

#include <linux/crc32c.h>
#include <linux/minmax.h>

u32 iof_shim_crc32c(u32 crc, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len) {
		size_t part = min_t(size_t, len, 1u << 30);

		crc = crc32_iscsi((unsigned char *)p, (int)part, crc);
		p += part;
		len -= part;
	}
	return crc;
}
