// SPDX-License-Identifier: MIT
/* Adds 1 to the largest int; UndefinedBehaviorSanitizer must stop it. */
#include <limits.h>

int main(int argc, char **argv)
{
	volatile int sum = INT_MAX;

	(void)argv;
	sum = sum + argc;
	return 0;
}
