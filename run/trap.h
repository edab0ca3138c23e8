/* SPDX-License-Identifier: MIT */
/*
 * trap.h - numbers of the architecture, shared by the filter (trap.c) and the broker (broker.c).
 */
#ifndef IOF_RUN_TRAP_H
#define IOF_RUN_TRAP_H

#include <linux/audit.h>
#include <sys/syscall.h>

/* Audit architecture of the machine and of its 32-bit programs, and call numbers of the latter. */
#if defined(__x86_64__)
#define IOF_RUN_NATIVE_ARCH	AUDIT_ARCH_X86_64
#define IOF_RUN_SMALL_ARCH	AUDIT_ARCH_I386
#define IOF_RUN_SMALL_IOCTL	54
#define IOF_RUN_SMALL_READ	3
#define IOF_RUN_SMALL_WRITE	4
#define IOF_RUN_SMALL_STAT64	195
#define IOF_RUN_SMALL_LSTAT64	196
#define IOF_RUN_SMALL_FSTAT64	197
#define IOF_RUN_SMALL_FSTATAT64 300
#define IOF_RUN_SMALL_STATX	383
#elif defined(__aarch64__)
#define IOF_RUN_NATIVE_ARCH AUDIT_ARCH_AARCH64
#define IOF_RUN_SMALL_ARCH  AUDIT_ARCH_ARM
#define IOF_RUN_SMALL_IOCTL 54
#define IOF_RUN_SMALL_READ  3
#define IOF_RUN_SMALL_WRITE 4
#define IOF_RUN_SMALL_STATX 397
#elif defined(__riscv)
#define IOF_RUN_NATIVE_ARCH AUDIT_ARCH_RISCV64
#define IOF_RUN_SMALL_ARCH  AUDIT_ARCH_RISCV32
#define IOF_RUN_SMALL_IOCTL SYS_ioctl
#define IOF_RUN_SMALL_READ  SYS_read
#define IOF_RUN_SMALL_WRITE SYS_write
#define IOF_RUN_SMALL_STATX SYS_statx
#else
#error "the audit number of this architecture is not known here"
#endif

#endif
