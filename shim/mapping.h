/* SPDX-License-Identifier: MIT */
/*
 * mapping.h - what mapping.c, the kinds of mappings, offers to the shim's other files.
 */
#ifndef IOF_SHIM_MAPPING_H
#define IOF_SHIM_MAPPING_H

#include <linux/types.h>

/* An address space in /proc: its file maps, and the folder of its process, or -1 for our own. */
struct iof_shim_maps {
	int maps;
	int process;
};

/* One mapping: its addresses, and the part of a file that it shows. */
struct iof_shim_area {
	unsigned long start, end;
	u64 offset, inode;
	dev_t dev;
	/* @inode is the identifier of a segment, not the number of a file */
	bool sysv;
	bool writable;
	bool identified;	/* shared memory: file and offset identify its pages */
	bool remote;		/* the mapping is in another address space */
	int file;		/* with @remote: a descriptor that can be mapped instead, or -1 */
};

/*
 * Returns how many of @n pages from @start on lie in mappings that allow reading, or with @write
 * writing. With @longterm, the mappings must also allow a pin with FOLL_LONGTERM.
 */
unsigned long iof_shim_mapped(const struct iof_shim_maps *space, unsigned long start,
			      unsigned long n, bool write, bool longterm);
/*
 * Does the same in our own address space, for pages that are present and accessible. @longterm: for
 * a long-term pin for writing. @area gets the mapping at @start; its end is 0 if it is unknown.
 */
unsigned long iof_shim_own_pinnable(unsigned long start, unsigned long n, bool longterm,
				    struct iof_shim_area *area);
/*
 * Finds the mapping at @at. If the kernel cannot answer for one address, and the pagemap shows that
 * none of @n pages belongs to a file, @area is only these pages, without an identity. With @n == 0,
 * it reads the text instead.
 */
bool iof_shim_area_at(const struct iof_shim_maps *space, int pagemap, unsigned long at,
		      unsigned long n, struct iof_shim_area *area);
/* Finds the mapping of our own address space at @at. */
bool iof_shim_own_area(unsigned long at, struct iof_shim_area *area);

/* Returns a descriptor of /proc/self/pagemap, which stays open, or a negative number. */
int iof_shim_own_pagemap(void);

#endif
