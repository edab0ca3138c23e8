/* SPDX-License-Identifier: MIT */
/*
 * lib.c - fills, searches and random numbers. Checksums are in crc_isal.c or crc_own.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <linux/bitmap.h>
#include <linux/random.h>
#include <linux/string.h>
#include "internal.h"

void *iof_shim_memset64(u64 *dst, u64 v, size_t count)
{
	for (size_t i = 0; i < count; i++)
		dst[i] = v;
	return dst;
}

/* Returns the first byte that differs from @c, or NULL. */
void *iof_shim_memchr_inv(const void *p, int c, size_t n)
{
	const unsigned char *bytes = p;
	unsigned char byte = (unsigned char)c;

	if (!n || *bytes != byte)
		return n ? (void *)p : NULL;
	/* memory that equals itself shifted by one has all bytes equal */
	if (!memcmp(bytes, bytes + 1, n - 1))
		return NULL;
	while (*bytes == byte)
		bytes++;
	return (void *)bytes;
}

ssize_t iof_shim_strscpy(char *dst, const char *src, size_t size)
{
	size_t len;

	if (!size)
		return -E2BIG;
	len = strnlen(src, size);
	if (len == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = '\0';
		return -E2BIG;
	}
	memcpy(dst, src, len + 1);
	return (ssize_t)len;
}

void iof_shim_bitmap_assign(unsigned long *map, unsigned int start, unsigned int len, bool value)
{
	for (unsigned int i = start; i < start + len; i++)
		__assign_bit(i, map, value);
}

void iof_shim_random(void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t got = getrandom(p, len, 0);

		if (got < 0) {
			BUG_ON(errno != EINTR);
			continue;
		}
		p += got;
		len -= (size_t)got;
	}
}
