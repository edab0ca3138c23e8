/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ats.h - the ATS test device: one register pair, one 4 KiB transfer at a time,
 * page requests.
 */
#ifndef IOF_MODEL_ATS_H
#define IOF_MODEL_ATS_H

#include "../core/iof_driver.h"

/* The offsets of the registers. */
#define IOF_ATS_ADDR 0x0 /* 64 bits: the I/O virtual address */
#define IOF_ATS_CMD  0x8 /* 32 bits: the command */
#define IOF_ATS_REGS 0x10
#define IOF_ATS_RUN  BIT(0) /* starts a transfer; clears when it ends */
#define IOF_ATS_READ \
	BIT(1) /* set: from memory into the device; clear: the other way */

/* size of a transfer, and of the device's memory */
#define IOF_ATS_SIZE 4096u

struct iof_ats;

struct iof_ats_config {
	const char *name;
	u32 credits;
	u32 max_pasids;
	u32 delay_us; /* delay from an answer to the next attempt */
};

/* Creates the device. ERR_PTR: -ENOMEM, or an error of iof_hwdev_register(). */
struct iof_ats *iof_ats_create(const struct iof_ats_config *config,
			       struct iof_hwdev *group_with);
/* Destroys the device, to which nothing is attached. */
void iof_ats_destroy(struct iof_ats *ats);
struct iof_hwdev *iof_ats_hwdev(struct iof_ats *ats);
/*
 * Copies bytes [off, off + n) of the registers. The caller has checked the
 * range.
 */
void iof_ats_get(struct iof_ats *ats, u32 off, void *buf, u32 n);
void iof_ats_set(struct iof_ats *ats, u32 off, const void *buf, u32 n);
/*
 * Counts the transfers that ended without a reset since creation, and those of
 * them that were complete.
 */
void iof_ats_get_stats(struct iof_ats *ats, u64 *transfers, u64 *whole);
/*
 * Is the device idle? Adds @file to the wait queue that is woken when a
 * transfer ends.
 */
bool iof_ats_poll_idle(struct iof_ats *ats, struct file *file,
		       poll_table *wait);
/* Aborts the transfer in progress: it touches no memory after this returns. */
void iof_ats_reset(struct iof_ats *ats);
/* Sets whether the device may access memory, as iof_dsa_bus_master(). */
void iof_ats_bus_master(struct iof_ats *ats, bool on);
/*
 * Sets the function that is called when a transfer ends without a reset, under
 * a spinlock. NULL: none. When this returns, the previous function does not run
 * and will not be called any more. Does not sleep.
 */
void iof_ats_set_interrupt(struct iof_ats *ats, void (*fn)(void *data),
			   void *data);
/*
 * Charges the thread's CPU time to the calling process from now on;
 * iof_ats_disown(): to no process.
 */
int iof_ats_own(struct iof_ats *ats);
void iof_ats_disown(struct iof_ats *ats);

#endif
