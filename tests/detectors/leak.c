// SPDX-License-Identifier: MIT
/* Forgets what it allocated; LeakSanitizer must report it when the program ends. */
#include <stdlib.h>
#include <string.h>

static void *volatile kept;

static void __attribute__((noinline)) leak(void)
{
	kept = malloc(100);
	if (kept)
		memset(kept, 1, 100);
	kept = NULL;
}

int main(void)
{
	char over_the_old_frames[4096];

	leak();
	memset(over_the_old_frames, 0, sizeof(over_the_old_frames));
	return over_the_old_frames[17];
}
