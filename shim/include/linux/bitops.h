/* SPDX-License-Identifier: MIT */
/*
 * bitops.h - atomic and plain operations on arrays of bits, and searches in words and arrays.
 *
 * As in the kernel, set_bit() and clear_bit() order nothing. The test_and_ forms are full barriers.
 * The _lock and _unlock forms acquire and release. The __ forms are not atomic.
 */
#ifndef IOF_SHIM_LINUX_BITOPS_H
#define IOF_SHIM_LINUX_BITOPS_H

#include <strings.h>
#include <linux/bits.h>

#define iof_shim_bit_word(nr, addr) ((unsigned long *)(addr) + BIT_WORD(nr))

static __always_inline void set_bit(long nr, volatile unsigned long *addr)
{
	iof_sched_point(IOF_SCHED_ATOMIC, (const void *)addr);
	__atomic_fetch_or(iof_shim_bit_word(nr, addr), BIT_MASK(nr), __ATOMIC_RELAXED);
}

static __always_inline void clear_bit(long nr, volatile unsigned long *addr)
{
	iof_sched_point(IOF_SCHED_ATOMIC, (const void *)addr);
	__atomic_fetch_and(iof_shim_bit_word(nr, addr), ~BIT_MASK(nr), __ATOMIC_RELAXED);
}

static __always_inline void clear_bit_unlock(long nr, volatile unsigned long *addr)
{
	iof_sched_point(IOF_SCHED_ATOMIC, (const void *)addr);
	__atomic_fetch_and(iof_shim_bit_word(nr, addr), ~BIT_MASK(nr), __ATOMIC_RELEASE);
}

static __always_inline bool test_bit(long nr, const volatile unsigned long *addr)
{
	return __atomic_load_n(iof_shim_bit_word(nr, addr), __ATOMIC_RELAXED) & BIT_MASK(nr);
}

static __always_inline bool test_bit_acquire(long nr, const volatile unsigned long *addr)
{
	return __atomic_load_n(iof_shim_bit_word(nr, addr), __ATOMIC_ACQUIRE) & BIT_MASK(nr);
}

static __always_inline bool test_and_set_bit(long nr, volatile unsigned long *addr)
{
	iof_sched_point(IOF_SCHED_ATOMIC, (const void *)addr);
	return __atomic_fetch_or(iof_shim_bit_word(nr, addr), BIT_MASK(nr), __ATOMIC_SEQ_CST) &
	       BIT_MASK(nr);
}

static __always_inline bool test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	iof_sched_point(IOF_SCHED_ATOMIC, (const void *)addr);
	return __atomic_fetch_and(iof_shim_bit_word(nr, addr), ~BIT_MASK(nr), __ATOMIC_SEQ_CST) &
	       BIT_MASK(nr);
}

static __always_inline void __set_bit(long nr, volatile unsigned long *addr)
{
	*iof_shim_bit_word(nr, addr) |= BIT_MASK(nr);
}

static __always_inline void __clear_bit(long nr, volatile unsigned long *addr)
{
	*iof_shim_bit_word(nr, addr) &= ~BIT_MASK(nr);
}

static __always_inline void __assign_bit(long nr, volatile unsigned long *addr, bool value)
{
	if (value)
		__set_bit(nr, addr);
	else
		__clear_bit(nr, addr);
}

/* Returns the number of the lowest set bit, from 0; undefined for 0, as in the kernel. */
static __always_inline unsigned long __ffs(unsigned long word)
{
	return (unsigned long)__builtin_ctzl(word);
}

/* Return the number of the highest set bit, from 1; 0 if there is none. libc has ffs(). */

static __always_inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static __always_inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static __always_inline unsigned int hweight64(u64 w)
{
	return (unsigned int)__builtin_popcountll(w);
}

static __always_inline unsigned int hweight_long(unsigned long w)
{
	return hweight64(w);
}

/* Searches for a set bit; with @invert for a clear one. Returns @size if there is none. */
static inline unsigned long iof_shim_find_bit(const unsigned long *addr, unsigned long size,
					      unsigned long from, unsigned long invert)
{
	unsigned long index, word;

	if (from >= size)
		return size;
	index = BIT_WORD(from);
	word = (__atomic_load_n(addr + index, __ATOMIC_RELAXED) ^ invert) &
	       (~0UL << (from % BITS_PER_LONG));
	while (!word) {
		index++;
		if (index * BITS_PER_LONG >= size)
			return size;
		word = __atomic_load_n(addr + index, __ATOMIC_RELAXED) ^ invert;
	}
	from = index * BITS_PER_LONG + __ffs(word);
	return from < size ? from : size;
}

static inline unsigned long find_next_bit(const unsigned long *addr, unsigned long size,
					  unsigned long from)
{
	return iof_shim_find_bit(addr, size, from, 0);
}

static inline unsigned long find_first_bit(const unsigned long *addr, unsigned long size)
{
	return iof_shim_find_bit(addr, size, 0, 0);
}

static inline unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size,
					       unsigned long from)
{
	return iof_shim_find_bit(addr, size, from, ~0UL);
}

static inline unsigned long find_first_zero_bit(const unsigned long *addr, unsigned long size)
{
	return iof_shim_find_bit(addr, size, 0, ~0UL);
}

#define for_each_set_bit(bit, addr, size) \
	for ((bit) = find_first_bit((addr), (size)); (bit) < (size); \
	     (bit) = find_next_bit((addr), (size), (bit) + 1))

#endif
