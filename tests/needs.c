// SPDX-License-Identifier: MIT
/*
 * needs.c - skips a cmocka program, with the reason, if /proc is missing: the embedded world asks
 * it which pages are present, and tests count descriptors and threads by it. Each such program has
 * this file compiled in.
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
