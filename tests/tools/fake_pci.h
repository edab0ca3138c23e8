/* SPDX-License-Identifier: MIT */
/*
 * fake_pci.h - a machine for tools/pci.h: a tree of files, whose kernel moves the links between
 * functions and drivers.
 *
 * It has a disk and its neighbour in isolation group 7, and a network interface in group 8.
 */
#ifndef TESTS_FAKE_PCI_H
#define TESTS_FAKE_PCI_H

#include <ftw.h>

#include "tools/pci.h"

#define DISK  "0000:03:00.0"
#define OTHER "0000:03:00.1"
#define NET   "0000:04:00.0"
#define SYS   "/sys/devices/pci0000:00/"

extern char root[64];
extern const struct iof_sys machine;

/* How the machine behaves; zero: as it should. */
struct fake {
	unsigned int nr_writes, fail_at; /* the write of this number fails, from 1 */
	unsigned int killed_at;		 /* the program dies before the write of this number */
	int probe;			 /* result of iofault-pci's probe */
	const char *probe_fails_for;	 /* only for this function; NULL: for each */
	int claim;			 /* result of the exclusive open */
	bool no_module, takes_by_id;
	unsigned int nr_loads, nr_claims;
};
extern struct fake fake;

/* The path in the tree; the next eight calls leave it alone. */
const char *at(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Files, folders and links of the tree, with the folders above them. */
void folder(const char *path);
void put(const char *path, const char *text);
void link_to(const char *target, const char *path);
/* For nftw(). */
int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw);

void bind_to(const char *bdf, const char *driver);
const char *driver_of(const char *bdf);
const char *override_of(const char *bdf);

void add_function(const char *bdf, const char *class, int group, const char *driver);
/* @place: the folder below the function that has the disk */
void add_disk(const char *place, const char *name, const char *number);

/* For cmocka: the machine as above, and its end. */
int set_up(void **state);
int tear_down(void **state);

#endif
