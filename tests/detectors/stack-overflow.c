// SPDX-License-Identifier: MIT
/* Writes one past the end of an array on the stack; AddressSanitizer must stop it. */
#include <string.h>

int main(int argc, char **argv)
{
	char room[8];
	volatile size_t size = sizeof(room) + argc;

	(void)argv;
	memset(room, 0, size);
	return room[0];
}
