// SPDX-License-Identifier: MIT
/*
 * real_machine.c - how real_dsa.c reaches a device on this machine: VFIO, and two instructions.
 *
 * MOVDIR64B writes 64 bytes as one access. ENQCMD does so and tells whether they were taken. It
 * adds the PASID of the process, and the CPU raises a protection fault if the kernel gave it none.
 * The compiler's target attribute allows each instruction in one function only, so that the rest
 * runs on any CPU.
 */
#include "real_dsa.h"

#include <cpuid.h>
#include <errno.h>
#include <immintrin.h>
#include <sys/mman.h>

#include <iofault/iofault.h>

#include "real_guard.h"

static bool cpu_has(unsigned int bit)
{
	unsigned int a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c >> bit & 1;
}

static bool has_movdir64b(void)
{
	return cpu_has(28);
}

static bool has_enqcmd(void)
{
	return cpu_has(29);
}

__attribute__((target("movdir64b"))) static void movdir64b(void *portal,
							   const struct dsa_hw_desc *desc)
{
	_movdir64b(portal, desc);
}

__attribute__((target("enqcmd"))) static bool not_taken(void *portal,
							const struct dsa_hw_desc *desc)
{
	return _enqcmd(portal, desc);
}

static int enqcmd(void *portal, const struct dsa_hw_desc *desc)
{
	sigjmp_buf back;
	int rc;

	if (sigsetjmp(back, 0))
		return -EACCES;
	iof_real_guard_faults(&back);
	rc = not_taken(portal, desc) ? -EAGAIN : 0;
	iof_real_guard_faults(NULL);
	return rc;
}

static void *map(int fd, size_t size, off_t off)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off);

	return at == MAP_FAILED ? NULL : at;
}

static void write32(void *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)at, value, __ATOMIC_RELEASE);
}

static void write64(void *at, uint64_t value)
{
	__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
}

const struct iof_real_machine iof_real_machine = {
	.ioctl = iof_ioctl,
	.pread = iof_pread,
	.pwrite = iof_pwrite,
	.map = map,
	.write32 = write32,
	.write64 = write64,
	.has_movdir64b = has_movdir64b,
	.has_enqcmd = has_enqcmd,
	.movdir64b = movdir64b,
	.enqcmd = enqcmd,
	.command_ms = 5000,
	.silence_ms = 30000,
};
