/* SPDX-License-Identifier: MIT */
/*
 * module.h - a mock device of the module's /dev/iommu, and its fault queue, for faultpath.c and
 * cross.c: reports, reads and responses by plain system calls. A call that fails ends the program.
 */
#ifndef IOFAULT_BENCH_MODULE_H
#define IOFAULT_BENCH_MODULE_H

#include <iofault/iommufd.h>

#define MODULE_BATCH  64u
#define MODULE_ROUNDS 9u /* number of rounds of a measurement; the figure is their median */

extern int module_fault_fd;
extern int module_floor_fd; /* of tests/vm/modules/floor, whose calls do nothing */
extern struct iommu_hwpt_pgfault module_faults[MODULE_BATCH];
extern struct iommu_hwpt_page_response module_answers[MODULE_BATCH];

void module_need(long rc, const char *what);		    /* @rc must not be negative */
void module_expect(long rc, long wanted, const char *what); /* @rc must be @wanted */

/* Opens the device. Ends with status 77 where there is no module, or no floor. */
void module_open_device(void);
void module_trigger(void);		   /* reports a fault */
void module_wait_readable(int fd);	   /* calls poll() */
void module_read_faults(unsigned int n);   /* reads @n faults into module_faults */
void module_answer_faults(unsigned int n); /* responds to the first @n of these */

/* Returns what one of @calls calls takes, in nanoseconds: the median of the rounds. */
double module_per_call(void (*call)(void), unsigned int calls);

#endif
