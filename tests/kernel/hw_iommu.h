/* SPDX-License-Identifier: MIT */
/*
 * hw_iommu.h - the test IOMMU as the tests of hw/ use it: four edu functions behind it, each
 * command of testiommu.h as a call, and a bed of a function with a fault queue for a requester id
 * or a PASID.
 */
#ifndef TESTS_KERNEL_HW_IOMMU_H
#define TESTS_KERNEL_HW_IOMMU_H

#include "hw.h"
#include "testiommu.h"

/* The functions: TI_START's order. */
enum {
	HWI_PLAIN,  /* alone in its group, 65,536 PASIDs */
	HWI_NO_PRI, /* PASIDs, without page requests; page tables translate its interrupts */
	HWI_FIRST,  /* these two share a group */
	HWI_SECOND,
	HWI_DEVICES,
};
#define HWI_PASID   7u
#define HWI_CREDITS 32 /* of a function without a PRI capability */

extern char hwi_name[HWI_DEVICES][16];
extern int hwi_fd; /* /dev/testiommu, without blocking */

/* Skips the program if this is not the machine for it. Else claims the functions. */
void hwi_begin(const char *program);
/* Gives the functions back. */
void hwi_end(void);

void hwi_request(uint32_t dev, uint32_t pasid, uint32_t grpid, uint32_t flags, uint64_t addr);
void hwi_flood(uint32_t dev, uint32_t pasid, uint32_t nr, uint32_t grpids);
void hwi_hook(uint32_t when, uint32_t dev, uint32_t pasid, uint32_t grpid);
void hwi_fail(uint32_t point, uint32_t nth, uint32_t error);
/* The next @times calls at @point fail. */
void hwi_fail_times(uint32_t point, uint32_t times, uint32_t error);
/* Holds responses from now on, or lets them go. */
void hwi_hold(bool on);
/* Waits until a response is held. */
void hwi_held(void);
uint64_t hwi_calls(uint32_t point);
void hwi_stats(uint32_t dev, struct ti_stats *stats);
/* Return the number of bytes that a DMA moved; hwi_try_dma() may return a negative errno. */
int hwi_try_dma(uint32_t dev, uint32_t pasid, uint64_t iova, void *data, uint32_t length,
		bool write);
uint32_t hwi_dma(uint32_t dev, uint32_t pasid, uint64_t iova, void *data, uint32_t length,
		 bool write);
int hwi_lookup(uint32_t dev, uint32_t pasid, uint64_t iova, struct ti_lookup *look);
/* Takes the next response, and checks it. */
void hwi_response(uint32_t dev, uint32_t pasid, uint32_t grpid, uint32_t code);
/* Takes all responses that there are; returns their number. */
unsigned int hwi_drain(void);
/* Every group of the function has had exactly one response. */
void hwi_settled(uint32_t dev);

/* For cmocka: a struct hw of HWI_PLAIN in *state, bound and not attached. */
int hwi_setup(void **state);
int hwi_teardown(void **state);

struct hwi_bed {
	struct hw hw;
	uint32_t dev, pasid;  /* TI_NO_PASID: requester ids */
	uint32_t fault, hwpt; /* the fault queue, the page table that uses it */
	int ffd;
};
/* Binds a function, and attaches a fault-capable page table. */
void hwi_open(struct hwi_bed *bed, uint32_t dev, uint32_t pasid);
int hwi_attach(struct hwi_bed *bed);
int hwi_detach(struct hwi_bed *bed);
/* Closes all, and checks that each group had its response. */
void hwi_close(struct hwi_bed *bed);
void hwi_page(const struct hwi_bed *bed, uint32_t grpid);
/* Reads one record, and returns its cookie. */
uint32_t hwi_take(const struct hwi_bed *bed, struct iommu_hwpt_pgfault *rec);

#endif
