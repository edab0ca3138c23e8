// SPDX-License-Identifier: MIT
/* Reads memory after free(); AddressSanitizer must stop it. */
#include <stdlib.h>

static volatile int *volatile freed;

int main(void)
{
	volatile int *p = malloc(sizeof(*p));

	if (!p)
		return 0;
	*p = 0;
	freed = p;
	free((void *)p);
	return *freed;
}
