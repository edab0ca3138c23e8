/* SPDX-License-Identifier: MIT */
/*
 * arena.h - the memory of a fuzzed program: 32 pages that can be written, one that cannot be, a
 * hole, and 4 MiB for large pages. The addresses are always the same, far below all other memory.
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
/* Below this address, a program has no memory but the arena. */
#define ARENA_LIMIT 0x7fff0000ull

/* Maps the arena; called once. Returns false if the addresses are taken. */
bool arena_make(void);
/* Zeroes the arena; with @permissions, also restores all rights. */
void arena_reset(bool permissions);
/*
 * Copy to and from an address of the arena, whatever rights it has. Bytes outside are skipped;
 * reading leaves those of @to unchanged.
 */
void arena_put(unsigned long long at, const void *from, size_t n);
void arena_get(void *to, unsigned long long at, size_t n);
/* Takes all rights of a page. */
void arena_protect(unsigned int page);

#endif
