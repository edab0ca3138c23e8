// SPDX-License-Identifier: MIT
/*
 * info_rows.c - the rows of `iofault info`, and how they are printed.
 */
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "info.h"

/* Room for 32 real devices. */
#define MAX_ROWS 448

struct row {
	const char *section, *name;
	char text[160];
};

static struct row rows[MAX_ROWS];
static unsigned int nr_rows;

void iof_info_row(const char *section, const char *name, const char *format, ...)
{
	struct row *one = &rows[nr_rows];
	va_list args;

	if (nr_rows == MAX_ROWS)
		return;
	nr_rows++;
	one->section = section;
	one->name = name;
	va_start(args, format);
	vsnprintf(one->text, sizeof(one->text), format, args);
	va_end(args);
}

void iof_info_vtd(const char *section, const struct iommu_hw_info *info,
		  const struct iommu_hw_info_vtd *vtd)
{
	/* Bit numbers from the VT-d specification, 11.4.2 and 11.4.3. */
	static const struct {
		unsigned int bit;
		const char *name;
	} known[] = {
		{ 26, "nested" },      { 29, "page requests" }, { 40, "PASID" },
		{ 47, "first stage" }, { 46, "second stage" },	{ 43, "scalable" },
		{ 0, "coherent" },
	};
	char text[120] = "";
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!(vtd->ecap_reg >> known[i].bit & 1))
			continue;
		strcat(text, text[0] ? ", " : "");
		strcat(text, known[i].name);
	}
	iof_info_row(section, "IOMMU",
		     "Intel VT-d registers: cap 0x%016" PRIx64 ", ecap 0x%016" PRIx64,
		     (uint64_t)vtd->cap_reg, (uint64_t)vtd->ecap_reg);
	iof_info_row(section, "features", "%s", text[0] ? text : "none of those that iofault uses");
	iof_info_row(section, "widths", "%" PRIu64 " bit addresses, %u bit PASIDs",
		     ((uint64_t)vtd->cap_reg >> 16 & 0x3f) + 1, info->out_max_pasid_log2);
}

void iof_info_print(void)
{
	const char *section = "";
	unsigned int i;

	for (i = 0; i < nr_rows; i++) {
		if (strcmp(section, rows[i].section))
			printf("%s\n", rows[i].section);
		section = rows[i].section;
		printf("  %-15s %s\n", rows[i].name, rows[i].text);
	}
}

int iof_info_write_json(const char *name)
{
	bool shared = !strcmp(name, "-");
	FILE *out = shared ? stdout : fopen(name, "we");
	struct json_object *top, *section = NULL;
	unsigned int i;
	bool bad;

	if (!out)
		return iof_fail(IOF_EXIT_WRONG, "%s: the file cannot be opened for the JSON: %s",
				name, iof_reason(errno));
	top = json_object_new_object();
	for (i = 0; i < nr_rows; i++) {
		if (!json_object_object_get_ex(top, rows[i].section, &section)) {
			section = json_object_new_object();
			json_object_object_add(top, rows[i].section, section);
		}
		json_object_object_add(section, rows[i].name, json_object_new_string(rows[i].text));
	}
	bad = fprintf(out, "%s\n",
		      json_object_to_json_string_ext(
			      top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)) < 0;
	bad |= shared ? fflush(out) : fclose(out);
	json_object_put(top);
	return bad ? iof_fail(IOF_EXIT_WRONG, "%s: the JSON cannot be written: %s", name,
			      iof_reason(errno)) :
		     IOF_EXIT_OK;
}
