// SPDX-License-Identifier: MIT
/*
 * trap.c - the seccomp filter of the program: it decides which calls the kernel hands to the
 * broker.
 *
 * The filter sees numbers, not files, so a trapped call on any other file costs a round trip to the
 * broker. Only calls that are rare, or rare with these arguments, are trapped; and, unless
 * --no-device-stat is given, stat(2) and its family. 32-bit programs: ioctl and stat(2) only.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

#include "private.h"
#include "trap.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* The ioctl commands that the filter traps. */
static const unsigned int trapped[] = {
	IOMMU_FAULT_QUEUE_ALLOC,
	IOMMU_TEST_CMD,
	VFIO_DEVICE_BIND_IOMMUFD,
	VFIO_DEVICE_SET_IRQS,
	VFIO_GROUP_SET_CONTAINER,
	VFIO_GROUP_GET_DEVICE_FD,
	/* on a file of KVM, with a file of ours in the structure */
	KVM_SET_DEVICE_ATTR,
	KVM_HAS_DEVICE_ATTR,
	/* the kernel answers these itself for a regular file, and FUSE never sees them */
	FIONREAD,
	FIOQSIZE,
	FIBMAP,
	/* FUSE opens the file again to ask */
	FS_IOC_GETFLAGS,
	FS_IOC_SETFLAGS,
	FS_IOC_FSGETXATTR,
	FS_IOC_FSSETXATTR,
};

#define NR_TRAPPED (sizeof(trapped) / sizeof(trapped[0]))
/* Offset of the low half of argument @n. */
#define ARG(n) \
	(offsetof(struct seccomp_data, args[n]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))
/*
 * Flags of mappings that map no device. A loader sets MAP_DENYWRITE: it maps programs and
 * libraries.
 */
#define MAPS_NO_DEVICE (MAP_ANONYMOUS | MAP_DENYWRITE)

/* The filter while it is built. Jumps forward to ALLOW and TRAP get their targets at the end. */
struct writer {
	struct sock_filter code[96];
	unsigned int n;
	bool stat; /* trap stat(2) and its family */
};

enum {
	NEXT = 0,
	ALLOW = 254,
	TRAP = 255
};

static void load(struct writer *w, size_t at)
{
	w->code[w->n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned int)at);
}

static unsigned int jump(struct writer *w, unsigned int op, unsigned int value, unsigned char yes,
			 unsigned char no)
{
	w->code[w->n] = (struct sock_filter)BPF_JUMP(BPF_JMP | op | BPF_K, value, yes, no);
	return w->n++;
}

/* Sets the target of the jump at @from: a false condition continues here. */
static void otherwise_here(struct writer *w, unsigned int from)
{
	w->code[from].jf = (unsigned char)(w->n - from - 1);
}

static void write_ioctl(struct writer *w)
{
	load(w, ARG(1));
	for (unsigned int i = 0; i < NR_TRAPPED; i++)
		jump(w, BPF_JEQ, trapped[i], TRAP, i + 1 < NR_TRAPPED ? NEXT : ALLOW);
}

/* Called with the call's number loaded. */
static void write_stat(struct writer *w, const unsigned int *calls, size_t nr)
{
	for (size_t i = 0; w->stat && i < nr; i++)
		jump(w, BPF_JEQ, calls[i], TRAP, NEXT);
}

static void write_native(struct writer *w)
{
	static const unsigned int stats[] = {
#ifdef SYS_stat
		SYS_stat,  SYS_lstat,
#endif
		SYS_fstat, SYS_newfstatat, SYS_statx,
	};
	unsigned int other, write;

	load(w, offsetof(struct seccomp_data, nr));
	/* FUSE does not pass reads and writes of 0 bytes to the server */
	jump(w, BPF_JEQ, SYS_read, 1, NEXT);
	write = jump(w, BPF_JEQ, SYS_write, NEXT, NEXT);
	load(w, ARG(2));
	jump(w, BPF_JEQ, 0, TRAP, ALLOW);
	otherwise_here(w, write);
	other = jump(w, BPF_JEQ, SYS_ioctl, NEXT, NEXT);
	write_ioctl(w);
	otherwise_here(w, other);
	/* all files of FUSE can be polled and, in some way, mapped */
	other = jump(w, BPF_JEQ, SYS_epoll_ctl, NEXT, NEXT);
	load(w, ARG(1));
	jump(w, BPF_JEQ, EPOLL_CTL_ADD, TRAP, ALLOW);
	otherwise_here(w, other);
	other = jump(w, BPF_JEQ, SYS_mmap, NEXT, NEXT);
	load(w, ARG(3));
	jump(w, BPF_JSET, MAPS_NO_DEVICE, ALLOW, TRAP);
	otherwise_here(w, other);
	/*
	 * Trap lseek(fd, 0, SEEK_SET or SEEK_CUR), by which programs ask whether a file has a
	 * position. FUSE refuses other kinds of seek by itself. Seeks to other offsets are too
	 * frequent to be trapped.
	 */
	other = jump(w, BPF_JEQ, SYS_lseek, NEXT, NEXT);
	load(w, ARG(1));
	jump(w, BPF_JEQ, 0, NEXT, ALLOW);
	load(w, ARG(2));
	jump(w, BPF_JGT, SEEK_CUR, ALLOW, TRAP);
	otherwise_here(w, other);
	write_stat(w, stats, sizeof(stats) / sizeof(stats[0]));
	jump(w, BPF_JEQ, SYS_readahead, TRAP, NEXT);
	jump(w, BPF_JEQ, SYS_sync_file_range, TRAP, ALLOW);
}

static void write_small(struct writer *w)
{
	static const unsigned int stats[] = {
#ifdef IOF_RUN_SMALL_FSTAT64
		IOF_RUN_SMALL_STAT64,  IOF_RUN_SMALL_LSTAT64,
		IOF_RUN_SMALL_FSTAT64, IOF_RUN_SMALL_FSTATAT64,
#endif
		IOF_RUN_SMALL_STATX,
	};

	load(w, offsetof(struct seccomp_data, nr));
	write_stat(w, stats, sizeof(stats) / sizeof(stats[0]));
	jump(w, BPF_JEQ, IOF_RUN_SMALL_IOCTL, NEXT, ALLOW);
	write_ioctl(w);
}

static void write_end(struct writer *w)
{
	unsigned int allow = w->n, trap = w->n + 1;

	for (unsigned int i = 0; i < allow; i++) {
		struct sock_filter *code = &w->code[i];

		if (BPF_CLASS(code->code) != BPF_JMP)
			continue;
		if (code->jt >= ALLOW)
			code->jt = (unsigned char)((code->jt == TRAP ? trap : allow) - i - 1);
		if (code->jf >= ALLOW)
			code->jf = (unsigned char)((code->jf == TRAP ? trap : allow) - i - 1);
	}
	w->code[w->n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	w->code[w->n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
}

int iof_run_trap(bool stat)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	struct writer w = { .stat = stat };
	struct sock_fprog program;
	unsigned int other;
	int fd;

	load(&w, offsetof(struct seccomp_data, arch));
	other = jump(&w, BPF_JEQ, IOF_RUN_NATIVE_ARCH, NEXT, NEXT);
	write_native(&w);
	otherwise_here(&w, other);
	jump(&w, BPF_JEQ, IOF_RUN_SMALL_ARCH, NEXT, ALLOW);
	write_small(&w);
	write_end(&w);
	program = (struct sock_fprog){ .len = (unsigned short)w.n, .filter = w.code };
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
	if (fd < 0 && errno == EINVAL) /* before Linux 5.19 */
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	return fd;
}
