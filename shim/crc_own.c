/* SPDX-License-Identifier: MIT */
/*
 * crc_own.c - CRC32C without a library, for libiofault.a alone.
 *
 * Debian has no archive of ISA-L, and a program that is linked statically can use only archives.
 * The code uses the instruction of SSE4.2 if the CPU has it, otherwise a table of the 256 values of
 * a byte.
 */
#include <pthread.h>
#include <string.h>

#include <linux/crc32c.h>

/* The polynomial of Castagnoli, with its bits in reverse order. */
#define POLYNOMIAL 0x82f63b78u

static u32 table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
	for (u32 byte = 0; byte < 256; byte++) {
		u32 crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[byte] = crc;
	}
}

static u32 by_table(u32 crc, const u8 *p, size_t len)
{
	pthread_once(&once, fill_table);
	while (len--)
		crc = crc >> 8 ^ table[(u8)(crc ^ *p++)];
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static u32 by_instruction(u32 crc, const u8 *p, size_t len)
{
	u64 wide = crc, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (u32)wide;
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}

static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
#define by_instruction by_table

static bool has_instruction(void)
{
	return false;
}
#endif

u32 iof_shim_crc32c(u32 crc, const void *data, size_t len)
{
	return has_instruction() ? by_instruction(crc, data, len) : by_table(crc, data, len);
}
