/* SPDX-License-Identifier: MIT */
/*
 * devices.h - looks into the devices behind the VFIO nodes: is each struct iof_hwdev at rest?
 */
#ifndef TESTS_FUZZ_DEVICES_H
#define TESTS_FUZZ_DEVICES_H

#include <stdbool.h>

struct iof_hwdev;

/* Does the device have no work left, except what an answer or a descriptor would bring? */
bool device_dsa_rests(struct iof_hwdev *hw);
/* Does the ATS device's transfer wait for an answer? */
bool device_ats_waits(struct iof_hwdev *hw);
/*
 * Returns what is wrong with a device that has no attachment, or NULL: each of its page-request
 * groups must have had its answer, and all credits must be free.
 */
const char *device_owes(struct iof_hwdev *hw);
/*
 * Returns how many records of page requests the device keeps for its next ones. Called without
 * attachments, too.
 */
unsigned int device_records(struct iof_hwdev *hw);

#endif
