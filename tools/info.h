/* SPDX-License-Identifier: MIT */
/*
 * info.h - what the files of `iofault info` share.
 */
#ifndef IOF_TOOLS_INFO_H
#define IOF_TOOLS_INFO_H

#include <linux/types.h>

#include <iofault/iommufd.h>

/* Adds a row. @section and @name must stay; the text is copied. */
void iof_info_row(const char *section, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds the rows of the registers of Intel's VT-d. */
void iof_info_vtd(const char *section, const struct iommu_hw_info *info,
		  const struct iommu_hw_info_vtd *vtd);
/* Prints the rows as a table. */
void iof_info_print(void);
/*
 * Writes the rows as JSON to a file; "-" is standard output. Returns 0, or an exit status after a
 * message.
 */
int iof_info_write_json(const char *name);
/* Adds the row that says whether real devices can be had here. */
void iof_info_real_world(void);
struct iof_real_machine;
/* Adds the rows of @device, bound, if it is an Intel DSA. */
void iof_info_dsa(const char *section, const struct iof_real_machine *machine, int device);
/* Adds the rows of each real device that is bound. */
void iof_info_functions(void);

#endif
