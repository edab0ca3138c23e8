/* SPDX-License-Identifier: MIT */
/* bitmap.h - arrays of bits as sets, and their memory. */
#ifndef IOF_SHIM_LINUX_BITMAP_H
#define IOF_SHIM_LINUX_BITMAP_H

#include <linux/bitops.h>
#include <linux/slab.h>
#include <linux/string.h>

#define iof_shim_bitmap_bytes(nbits) (BITS_TO_LONGS(nbits) * sizeof(unsigned long))
#define bitmap_zalloc(nbits, gfp) ((unsigned long *)kzalloc(iof_shim_bitmap_bytes(nbits), gfp))
#define bitmap_free(map) kfree(map)

void iof_shim_bitmap_assign(unsigned long *map, unsigned int start, unsigned int len, bool value);

static inline void bitmap_fill(unsigned long *map, unsigned int nbits)
{
	memset(map, 0xff, iof_shim_bitmap_bytes(nbits));
}

static inline void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b,
			     unsigned int nbits)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nbits); i++)
		dst[i] = a[i] | b[i];
}

static inline void bitmap_set(unsigned long *map, unsigned int start, unsigned int len)
{
	iof_shim_bitmap_assign(map, start, len, true);
}

static inline void bitmap_clear(unsigned long *map, unsigned int start, unsigned int len)
{
	iof_shim_bitmap_assign(map, start, len, false);
}

static inline bool bitmap_empty(const unsigned long *map, unsigned int nbits)
{
	return find_first_bit(map, nbits) >= nbits;
}

static inline bool bitmap_full(const unsigned long *map, unsigned int nbits)
{
	return find_first_zero_bit(map, nbits) >= nbits;
}

static inline unsigned int bitmap_weight(const unsigned long *map, unsigned int nbits)
{
	unsigned int i, weight = 0;

	for (i = 0; i < nbits / BITS_PER_LONG; i++)
		weight += hweight_long(map[i]);
	if (nbits % BITS_PER_LONG)
		weight += hweight_long(map[i] & (BIT_MASK(nbits) - 1));
	return weight;
}

#endif
