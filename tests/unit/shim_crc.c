// SPDX-License-Identifier: MIT
/*
 * shim_crc.c - proves that the CRC32C of libiofault.a, which has no ISA-L, equals that of the other
 * builds: by the CPU's instruction and by table, at every alignment and length, in one piece and in
 * two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/crc32c.h>

/* In this program the name belongs to the function over ISA-L. */
#define iof_shim_crc32c own_crc32c
u32 own_crc32c(u32 crc, const void *data, size_t len);
#include "shim/crc_own.c"
#undef iof_shim_crc32c

static u8 bytes[4096];

static void known_value(void **state)
{
	(void)state;
	/* RFC 3720, B.4: 32 zero bytes; there the register begins and ends inverted */
	assert_int_equal(~own_crc32c(~0u, bytes, 32), 0x8a9136aau);
	assert_int_equal(~by_table(~0u, bytes, 32), 0x8a9136aau);
}

static void all_are_the_same(void **state)
{
	u32 value = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		value = value * 1103515245 + 12345;
		bytes[i] = (u8)(value >> 16);
	}
	for (size_t start = 0; start < 16; start++) {
		for (size_t len = 0; len < 300; len++) {
			const u8 *p = bytes + start;
			u32 wanted = iof_shim_crc32c(7, p, len);
			size_t part = len / 3;
			u32 first = own_crc32c(7, p, part);

			assert_int_equal(own_crc32c(7, p, len), wanted);
			assert_int_equal(by_table(7, p, len), wanted);
			assert_int_equal(own_crc32c(first, p + part, len - part), wanted);
		}
	}
	assert_int_equal(own_crc32c(0, bytes, sizeof(bytes)),
			 iof_shim_crc32c(0, bytes, sizeof(bytes)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_value),
		cmocka_unit_test(all_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
