/* SPDX-License-Identifier: MIT */
/*
 * devices.h - whether the devices behind the VFIO nodes are at rest, seen from inside: for each
 * struct iof_hwdev of theirs.
 */
#ifndef TESTS_FUZZ_DEVICES_H
#define TESTS_FUZZ_DEVICES_H

#include <stdbool.h>

struct iof_hwdev;

/* Nothing is to be done that an answer or a descriptor would not bring. */
bool device_dsa_rests(struct iof_hwdev *hw);
/* The ATS device's transfer waits for an answer. */
bool device_ats_waits(struct iof_hwdev *hw);
/*
 * When nothing is attached: each group of page requests that it sent has had its answer, and the
 * credits are back. What is wrong, or NULL.
 */
const char *device_owes(struct iof_hwdev *hw);
/* How many records of page requests are kept for its next ones; the same. */
unsigned int device_records(struct iof_hwdev *hw);

#endif
