// SPDX-License-Identifier: MIT
/*
 * trap.c - the seccomp filter of the program: which calls the kernel hands to the broker.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

#include "private.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Audit architecture of the machine and of its 32-bit programs, and their number of ioctl. */
#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define SMALL_ARCH AUDIT_ARCH_I386
#define SMALL_IOCTL 54
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define SMALL_ARCH AUDIT_ARCH_ARM
#define SMALL_IOCTL 54
#elif defined(__riscv)
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#define SMALL_ARCH AUDIT_ARCH_RISCV32
#define SMALL_IOCTL SYS_ioctl
#else
#error "the audit number of this architecture is not known here"
#endif

static const unsigned int trapped[] = {
	IOMMU_FAULT_QUEUE_ALLOC,
	IOMMU_TEST_CMD,
	VFIO_DEVICE_BIND_IOMMUFD,
	VFIO_DEVICE_SET_IRQS,
};

#define NR_TRAPPED (sizeof(trapped) / sizeof(trapped[0]))
/* The low half of the second argument, the command. */
#define COMMAND (offsetof(struct seccomp_data, args[1]) + \
		 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))

int iof_run_trap(void)
{
	/*
	 * 0 arch; 1 native? 2 its nr; 3 ioctl? 4 on; 5 32 bits? 6 its nr; 7 ioctl? 8 command; the
	 * commands; allow; trap
	 */
	enum { ALLOW = 9 + NR_TRAPPED, TRAP };
	struct sock_filter code[TRAP + 1] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 8 - 4, ALLOW - 4),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SMALL_ARCH, 0, ALLOW - 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SMALL_IOCTL, 0, ALLOW - 8),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, COMMAND),
		[ALLOW] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		[TRAP] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	struct sock_fprog program;
	unsigned int i;
	int fd;

	for (i = 0; i < NR_TRAPPED; i++)
		code[9 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, trapped[i],
							   (unsigned char)(TRAP - 10 - i), 0);
	program = (struct sock_fprog){ .len = TRAP + 1, .filter = code };
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
	if (fd < 0 && errno == EINVAL)	/* before Linux 5.19 */
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	return fd;
}
