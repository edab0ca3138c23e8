// SPDX-License-Identifier: MIT
/*
 * One header's view of the ABI as a table of numbers.
 *
 * This file is compiled twice into one program: with <iofault/iommufd.h>, and with KERNEL_HEADER
 * naming the kernel's own file, which then gives all values. The rows are those of
 * iofault/iommufd_layout.h, of which only the names count here.
 */
#include "table.h"

#ifdef KERNEL_HEADER
#include KERNEL_HEADER
#define TABLE kernel_table
#define ROWS  kernel_rows
#else
#include <iofault/iommufd.h>
#define TABLE our_table
#define ROWS  our_rows
#endif

#define IOF_ABI_STRUCT(type, bytes) { "struct", #type, 1, sizeof(struct type), 0 },
#define IOF_ABI_FIELD(type, field, at, bytes)                              \
	{ "field", #type "." #field, 1, sizeof(((struct type *)0)->field), \
	  __builtin_offsetof(struct type, field) },
#define IOF_ABI_NUMBER(name, value) { "number", #name, 1, (unsigned long long)(name), 0 },

#ifdef KERNEL_HEADER
#define IOF_ABI_STRUCT_72(type, bytes)		 { "struct", #type, 0, 0, 0 },
#define IOF_ABI_FIELD_72(type, field, at, bytes) { "field", #type "." #field, 0, 0, 0 },
#define IOF_ABI_NUMBER_72(name, value)		 { "number", #name, 0, 0, 0 },
#endif

const struct row TABLE[] = {
#include <iofault/iommufd_layout.h>
};
const unsigned int ROWS = sizeof(TABLE) / sizeof(TABLE[0]);
