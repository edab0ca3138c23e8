// SPDX-License-Identifier: MIT
/* Reads an int from an odd address; UndefinedBehaviorSanitizer must stop it. */
int main(int argc, char **argv)
{
	int room[4] = { 0 };
	char *odd = (char *)room + argc;

	(void)argv;
	return *(volatile int *)(void *)odd;
}
