// SPDX-License-Identifier: MIT
/*
 * arena.c - the functions of arena.h.
 *
 * The small part is mapped twice: at its address, and at an address where the fuzzer itself can
 * always write.
 */
#include "fuzz.h"
#include "arena.h"

#define SMALL (ARENA_HOLE - ARENA)

static u8 *ours;

static bool at_address(u64 addr, size_t size, int prot, int flags, int fd)
{
	void *want = (void *)addr, *got;

	got = mmap(want, size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);
	if (got == want)
		return true;
	if (got != MAP_FAILED)
		munmap(got, size);
	return false;
}

bool arena_make(void)
{
	int fd = memfd_create("arena", MFD_CLOEXEC);
	bool good;

	if (fd < 0 || ftruncate(fd, SMALL))
		return false;
	ours = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	good = ours != MAP_FAILED &&
	       at_address(ARENA, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd) &&
	       at_address(ARENA_LARGE, ARENA_LARGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1) &&
	       !mprotect((void *)ARENA_READ_ONLY, PAGE_SIZE, PROT_READ);
	close(fd);
	return good;
}

void arena_reset(bool permissions)
{
	if (permissions)
		mprotect((void *)ARENA, ARENA_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE);
	memset(ours, 0, SMALL);
}

/* Returns how many of @n bytes from *at on are in the arena, after *skip bytes that are outside. */
static size_t inside(u64 *at, size_t n, size_t *skip)
{
	u64 end = *at + n;

	*skip = 0;
	if (end <= ARENA || *at >= ARENA_HOLE || end < *at)
		return 0;
	if (*at < ARENA) {
		*skip = ARENA - *at;
		*at = ARENA;
	}
	return min(end, ARENA_HOLE) - *at;
}

void arena_put(unsigned long long at, const void *from, size_t n)
{
	u64 addr = at;
	size_t skip, len = inside(&addr, n, &skip);

	if (len)
		memcpy(ours + (addr - ARENA), (const u8 *)from + skip, len);
}

void arena_get(void *to, unsigned long long at, size_t n)
{
	u64 addr = at;
	size_t skip, len = inside(&addr, n, &skip);

	if (len)
		memcpy((u8 *)to + skip, ours + (addr - ARENA), len);
}

void arena_protect(unsigned int page)
{
	mprotect((void *)(ARENA + page % ARENA_PAGES * PAGE_SIZE), PAGE_SIZE, PROT_NONE);
}
