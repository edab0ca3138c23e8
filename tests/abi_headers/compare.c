// SPDX-License-Identifier: MIT
/*
 * Proves that every name of the ABI that both headers have means the same in both: the value of
 * each number, the size of each structure, size and offset of each field. Lists the names that the
 * kernel's header lacks. Exits with 1 on any difference.
 */
#include <stdio.h>
#include <string.h>

#include "table.h"

static const struct row *find(const char *name)
{
	for (unsigned int i = 0; i < kernel_rows; i++) {
		if (strcmp(kernel_table[i].name, name) == 0)
			return &kernel_table[i];
	}
	return NULL;
}

int main(void)
{
	unsigned int same = 0, only_ours = 0, wrong = 0;

	for (unsigned int i = 0; i < our_rows; i++) {
		const struct row *our = &our_table[i], *kernel = find(our->name);

		if (!kernel) {
			printf("differs: %s %s has no row in the kernel's table\n", our->kind,
			       our->name);
			wrong++;
		} else if (!kernel->present) {
			printf("only ours (7.2, 7.3): %s %s\n", our->kind, our->name);
			only_ours++;
		} else if (our->value != kernel->value || our->offset != kernel->offset) {
			printf("differs: %s %s: ours %#llx at %llu, the kernel's %#llx at %llu\n",
			       our->kind, our->name, our->value, our->offset, kernel->value,
			       kernel->offset);
			wrong++;
		} else {
			same++;
		}
	}
	printf("%u names the same, %u only ours, %u different\n", same, only_ours, wrong);
	return wrong || same < 100 || kernel_rows != our_rows;
}
