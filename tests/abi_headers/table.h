/* SPDX-License-Identifier: MIT */
/* A name of the ABI and its value in a header (table.c). */
#ifndef TABLE_H
#define TABLE_H

struct row {
	const char *kind; /* "struct", "field" or "number" */
	const char *name;
	int present;		  /* 0: this header lacks the name */
	unsigned long long value; /* value of a number; size of a struct or field */
	unsigned long long offset;
};

extern const struct row our_table[], kernel_table[];
extern const unsigned int our_rows, kernel_rows;

#endif
