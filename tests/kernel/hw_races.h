/* SPDX-License-Identifier: MIT */
/*
 * hw_races.h - what the files of kernel-hw_races share: which functions there are, and the races
 * of each file.
 */
#ifndef TESTS_KERNEL_HW_RACES_H
#define TESTS_KERNEL_HW_RACES_H

#include "hw_iommu.h"
#include "hw_race.h"

enum {
	SUCCESS = IOMMUFD_PAGE_RESP_SUCCESS,
	INVALID = IOMMUFD_PAGE_RESP_INVALID,
};

/* ---- the test IOMMU, for racers ---- */

/* Returns a number, or a negative errno: -ENODEV while the function is away. */
int races_flood(uint32_t dev, uint32_t pasid, uint32_t nr);
/* Every group of the function has had one response, and none is open. */
void races_settled(struct racer *me, uint32_t dev);
/* Reads a report and responds to it, if one comes within a millisecond. */
void races_handle(int ffd);

/* Opens /dev/iommu; a descriptor or a negative errno. */
int races_iommu(void);
/* Gives the file of @new the number @number, and closes what had it. */
void races_take_number(int new, int number);

/* ---- functions in sysfs; 0 or a negative errno ---- */

int races_unbind(const char *name);
int races_bind(const char *name);
/* Removes the function, and looks for it again. It has no driver then. */
int races_remove(const char *name);
int races_rescan(const char *name);

/* The tests of hw_races_two.c: their functions are behind the test IOMMU, or behind another. */
void two_functions_race(void **state);
void two_functions_race_in_two_contexts(void **state);
void two_functions_of_a_group_race(void **state);
void two_functions_of_a_group_race_in_two_contexts(void **state);
void attaching_races_with_maps(void **state);
void bars_race_with_removal(void **state);

#endif
