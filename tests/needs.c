// SPDX-License-Identifier: MIT
/*
 * needs.c - skips a cmocka program, with the reason, where what its tests look at is not there: the
 * embedded world asks /proc which pages are present, and tests count descriptors and threads by it.
 * Compiled into each such program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void look_for_proc(void)
{
	if (!access("/proc/self/status", R_OK))
		return;
	puts("1..0 # SKIP /proc is not mounted");
	exit(0);
}
