/* SPDX-License-Identifier: MIT */
/*
 * mapping.h - what mapping.c, the kinds of mappings, offers to the shim's other files.
 */
#ifndef IOF_SHIM_MAPPING_H
#define IOF_SHIM_MAPPING_H

#include <linux/types.h>

/* An address space as /proc shows it: the file maps, and the process's folder or -1 for our own. */
struct iof_shim_maps {
	int maps;
	int process;
};

/* One mapping: where it lies, and which part of which file it shows. */
struct iof_shim_area {
	unsigned long start, end;
	u64 offset, inode;
	dev_t dev;
	bool sysv;		/* @inode is a segment's identifier, not the number of a file */
	bool writable;
	bool identified;	/* shared memory: file and offset identify its pages */
	bool remote;		/* it lies in another address space */
	int file;		/* remote: a descriptor that can be mapped instead, or -1 */
};

/*
 * How many of @n pages from @start on lie in mappings that allow reading, or writing if @write;
 * with @longterm also a pin of that kind, as FOLL_LONGTERM asks for it.
 */
unsigned long iof_shim_mapped(const struct iof_shim_maps *space, unsigned long start,
			      unsigned long n, bool write, bool longterm);
/*
 * The same in our own address space, of pages that are there and may be used; @longterm: for a
 * long-term pin for writing. @area gets the mapping at @start; its end is 0 if nothing is known.
 */
unsigned long iof_shim_own_pinnable(unsigned long start, unsigned long n, bool longterm,
				    struct iof_shim_area *area);
/*
 * The mapping at @at. If the kernel does not answer for one address, and the pagemap shows that
 * none of @n pages belongs to a file, @area is only these pages, without an identity. With @n 0 the
 * pagemap is not asked.
 */
bool iof_shim_area_at(const struct iof_shim_maps *space, int pagemap, unsigned long at,
		      unsigned long n, struct iof_shim_area *area);
/* The mapping of our own address space at @at. */
bool iof_shim_own_area(unsigned long at, struct iof_shim_area *area);

/* Of our own process: a descriptor of /proc/self/pagemap that stays open, or a negative one. */
int iof_shim_own_pagemap(void);

#endif
