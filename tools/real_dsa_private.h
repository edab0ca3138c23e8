/* SPDX-License-Identifier: MIT */
/*
 * real_dsa_private.h - what the files of the driver for a real DSA share.
 *
 *	real_dsa.c		recognises and maps a device, reads its capabilities
 *	real_dsa_command.c	registers, commands, and what errors mean
 *	real_dsa_queue.c	starts, submits, checks, stops
 */
#ifndef IOF_TOOLS_REAL_DSA_PRIVATE_H
#define IOF_TOOLS_REAL_DSA_PRIVATE_H

#include "real_dsa.h"
#include "real_dsa_regs.h"

/* Registers. @at and the width lie within the mapping. */
uint32_t iof_real_read32(const struct iof_real_dsa *dsa, uint32_t at);
uint64_t iof_real_read64(const struct iof_real_dsa *dsa, uint32_t at);
void iof_real_write32(struct iof_real_dsa *dsa, uint32_t at, uint32_t value);
void iof_real_write64(struct iof_real_dsa *dsa, uint32_t at, uint64_t value);

/* Writes the reason of a failure. Returns @rc. */
int iof_real_why(struct iof_real_dsa *dsa, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* As that, for a device whose registers read as ones: -ENODEV. */
int iof_real_gone(struct iof_real_dsa *dsa);

/*
 * Gives a command and waits for its end. @what: what it does, for the reason. @result may be NULL.
 * Returns 0, -ENODEV, -ETIMEDOUT, or -EIO the device refuses it.
 */
int iof_real_command(struct iof_real_dsa *dsa, uint32_t command, uint32_t operand, const char *what,
		     uint16_t *result);
/* Returns 0, or -EIO or -ENODEV if the device is in another state than @state. */
int iof_real_expect(struct iof_real_dsa *dsa, uint32_t state, const char *what);
/* Returns the text of an error that a descriptor or the device itself has. */
const char *iof_real_swerr_text(unsigned int error);

#endif
