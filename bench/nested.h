/* SPDX-License-Identifier: MIT */
/*
 * nested.h - a DMA engine of the embedded world under nested translation, set up by hand. One block
 * of memory holds frames and tables, and the parent IOAS maps it. A window of the device's
 * addresses has its leaf tables ready, so that the handler of a fault writes one entry.
 */
#ifndef IOFAULT_BENCH_NESTED_H
#define IOFAULT_BENCH_NESTED_H

#include <iofault/handler.h>
#include <iofault/iofault.h>
#include <iofault/vfio.h>
#include <linux/idxd.h>
#include <stdint.h>

#define NESTED_WINDOW 0x100000000000ull /* I/O address of the window */
#define NESTED_PAGE   4096ull

struct nested_config {
	uint64_t pages; /* number of pages in the window; each has a frame */
	uint32_t credits;
	uint32_t engines;
	int engine_cpu; /* CPU of the engines; -1: any */
};

struct nested {
	struct iof_world *world;
	int iommu, dev, fault_fd, irq_fd;
	uint32_t dev_id, ioas, parent, queue, hwpt;
	uint64_t pages;
	unsigned char *mem; /* the frames, then completion records, then tables */
	uint64_t mem_bytes;
	unsigned char *frames;
	/* NESTED_PAGE / 32 records in each page, in as many pages as needed */
	struct dsa_completion_record *records;
	uint64_t *tables;
	uint64_t tables_used; /* number of pages used for tables */
	uint64_t *ptes;	      /* the window's leaf entries, contiguous */
};

#define NESTED_RECORDS 4096

void nested_open(struct nested *n, const struct nested_config *config);
void nested_close(struct nested *n);

/* Returns the address in the parent IOAS of a pointer into @n->mem. */
uint64_t nested_gpa(const struct nested *n, const void *p);
/* Maps page @i of the window to frame @i; clears all entries; drops cached translations. */
void nested_enter(struct nested *n, uint64_t i);
void nested_clear(struct nested *n);
/* Returns the I/O address of completion record @i. */
uint64_t nested_record_iova(const struct nested *n, uint32_t i);
/* Submits @nr descriptors, and waits when the queue is full. */
void nested_submit(struct nested *n, const struct dsa_hw_desc *desc, uint32_t nr);
/* Sleeps until records 0 to @nr - 1 are written; exits if a record is not a success. */
void nested_wait(struct nested *n, uint32_t nr);

#endif
