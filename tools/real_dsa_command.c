// SPDX-License-Identifier: MIT
/*
 * real_dsa_command.c - registers and commands of a real DSA, and what its errors mean.
 *
 * Register accesses have the register's width, as the specification requires. A command is over
 * when CMDSTS says so, or when command_ms have passed. A device that is gone reads as ones, which
 * no register here can be.
 */
#include "real_dsa_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "tool.h"

uint32_t iof_real_read32(const struct iof_real_dsa *dsa, uint32_t at)
{
	return __atomic_load_n((uint32_t *)(dsa->regs + at), __ATOMIC_ACQUIRE);
}

uint64_t iof_real_read64(const struct iof_real_dsa *dsa, uint32_t at)
{
	return __atomic_load_n((uint64_t *)(dsa->regs + at), __ATOMIC_ACQUIRE);
}

void iof_real_write32(struct iof_real_dsa *dsa, uint32_t at, uint32_t value)
{
	dsa->machine->write32(dsa->regs + at, value);
}

void iof_real_write64(struct iof_real_dsa *dsa, uint32_t at, uint64_t value)
{
	dsa->machine->write64(dsa->regs + at, value);
}

int iof_real_why(struct iof_real_dsa *dsa, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(dsa->why, sizeof(dsa->why), format, args);
	va_end(args);
	return rc;
}

int iof_real_gone(struct iof_real_dsa *dsa)
{
	dsa->gone = true;
	return iof_real_why(dsa, -ENODEV,
			    "it does not respond any more: its registers read as ones");
}

/* Section "Command Status Register": the errors that a driver's mistake can cause. */
static const char *command_text(unsigned int error)
{
	static const struct {
		unsigned char error;
		const char *text;
	} known[] = {
		{ 0x01, "it does not know the command" },
		{ 0x02, "it has no such work queue" },
		{ 0x03, "its hardware failed" },
		{ 0x10, "it is enabled already" },
		{ 0x11, "its configuration is contradictory" },
		{ 0x12, "it may not do DMA: bus mastering is off" },
		{ 0x13, "the IOMMU or the kernel has not enabled PASIDs for it" },
		{ 0x14, "the sizes of its work queues are more than it has" },
		{ 0x20, "it is not enabled" },
		{ 0x21, "the work queue is enabled already" },
		{ 0x22, "the work queue has no entries" },
		{ 0x23, "the work queue has no priority" },
		{ 0x24, "the work queue cannot have this mode" },
		{ 0x25, "it cannot block on faults" },
		{ 0x26, "the work queue's PASID is not allowed" },
		{ 0x41, "it has no such interrupt" },
		{ 0x42, "it has no handle for an interrupt left" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].error == error)
			return known[i].text;
	return "its specification has the reason";
}

const char *iof_real_swerr_text(unsigned int error)
{
	static const struct {
		unsigned char error;
		const char *text;
	} known[] = {
		{ DSA_COMP_BAD_OPCODE, "an operation that it does not have" },
		{ DSA_COMP_INVALID_FLAGS, "flags that it does not have" },
		{ DSA_COMP_XFER_ERANGE, "too large a descriptor" },
		{ DSA_COMP_INT_HANDLE_INVAL, "an interrupt that is not valid" },
		{ DSA_COMP_CRA_XLAT, "a completion record whose address is not mapped" },
		{ DSA_COMP_CRA_ALIGN, "a completion record that is not aligned" },
		{ DSA_COMP_HW_ERR1, "an error of its hardware" },
		{ DSA_COMP_TRANSLATION_FAIL, "an address that the IOMMU could not translate" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].error == error)
			return known[i].text;
	return "an error of a descriptor";
}

/* Waits until no command is active. Returns 0 with the status, -ENODEV or -ETIMEDOUT. */
static int wait_command(struct iof_real_dsa *dsa, uint32_t *status)
{
	uint64_t end = iof_now() + dsa->machine->command_ms * 1000000ull;
	const struct timespec pause = { .tv_nsec = 20000 };

	for (;;) {
		bool late = iof_now() >= end;

		*status = iof_real_read32(dsa, DSA_REG_CMDSTS);
		if (*status == UINT32_MAX)
			return iof_real_gone(dsa);
		if (!(*status & DSA_CMDSTS_ACTIVE))
			return 0;
		if (late)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

int iof_real_command(struct iof_real_dsa *dsa, uint32_t command, uint32_t operand, const char *what,
		     uint16_t *result)
{
	unsigned int error;
	uint32_t status;
	int rc;

	if (dsa->gone)
		return -ENODEV;
	/* A former user may have left a command active, and one at a time is allowed. */
	rc = wait_command(dsa, &status);
	if (!rc) {
		iof_real_write32(dsa, DSA_REG_CMD, DSA_CMD(command, operand));
		rc = wait_command(dsa, &status);
	}
	if (rc == -ETIMEDOUT)
		return iof_real_why(dsa, rc, "%s has not ended after %u ms", what,
				    dsa->machine->command_ms);
	if (rc)
		return rc;
	error = DSA_CMDSTS_ERROR(status);
	if (error)
		return iof_real_why(dsa, -EIO, "%s failed: %s (CMDSTS 0x%02x)", what,
				    command_text(error), error);
	if (result)
		*result = (uint16_t)DSA_CMDSTS_RESULT(status);
	return 0;
}

int iof_real_expect(struct iof_real_dsa *dsa, uint32_t state, const char *what)
{
	static const char *const names[] = { "disabled", "enabled", "draining", "halted" };
	uint32_t status = iof_real_read32(dsa, DSA_REG_GENSTS);

	if (status == UINT32_MAX)
		return iof_real_gone(dsa);
	if (DSA_GENSTS_STATE(status) == state)
		return 0;
	return iof_real_why(dsa, -EIO, "%s it is %s, not %s", what, names[DSA_GENSTS_STATE(status)],
			    names[state]);
}
