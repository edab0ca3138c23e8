/* SPDX-License-Identifier: MIT */
/*
 * arena.h - the memory that a fuzzed program has: 32 pages that can be written, one that cannot be,
 * a hole; and 4 MiB for large pages. Always at the same addresses, far below everything else.
 */
#ifndef TESTS_FUZZ_ARENA_H
#define TESTS_FUZZ_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define ARENA		 0x20000000ull
#define ARENA_PAGES	 32ull
#define ARENA_READ_ONLY	 (ARENA + ARENA_PAGES * 4096)
#define ARENA_HOLE	 (ARENA_READ_ONLY + 4096)
#define ARENA_LARGE	 0x30000000ull
#define ARENA_LARGE_SIZE (4ull << 20)
/* No program has anything below that but the arena. */
#define ARENA_LIMIT 0x7fff0000ull

/* Once. False: the addresses are taken. */
bool arena_make(void);
/* All zeroes; with @permissions also all that can be touched. */
void arena_reset(bool permissions);
/*
 * Copies to and from an address of the arena, whatever the permissions there are. What lies outside
 * is left out, and read as it is in @to.
 */
void arena_put(unsigned long long at, const void *from, size_t n);
void arena_get(void *to, unsigned long long at, size_t n);
/* Takes all permissions of a page. */
void arena_protect(unsigned int page);

#endif
