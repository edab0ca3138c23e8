// SPDX-License-Identifier: MIT
/*
 * shim_headers.c - proves that system headers which include <linux/...> still declare the same,
 * before and after the shim's headers. The shim's folder linux/ comes first on the include path and
 * so captures these.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/idxd.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/kapi.h"
#include <asm/byteorder.h>
#include <linux/unaligned.h>

/* Include these once more, after the kernel's names. */
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static_assert(ENOMEM == 12 && ENOTTY == 25 && EOVERFLOW == 75, "<errno.h> reaches <linux/errno.h>");
static_assert(PATH_MAX == 4096 && INT_MAX == 0x7fffffff, "<limits.h> reaches <linux/limits.h>");
static_assert(sizeof(struct stat) > 0 && STATX_SIZE, "<sys/stat.h> reaches <linux/stat.h>");
static_assert(sizeof(struct io_uring_sqe) == 64, "<liburing.h> reaches <linux/types.h> and others");
static_assert(sizeof(struct dsa_hw_desc) == 64, "idxd");
static_assert(sizeof(struct dsa_completion_record) == 32, "idxd");
static_assert(VFIO_DEVICE_GET_INFO && sizeof(struct vfio_device_info) >= 16, "vfio");
static_assert(EPOLLIN == 1 && POLLIN == 1 && RWF_NOWAIT == 8, "poll");
static_assert(sizeof(u64) == 8 && (u64)-1 > 0 && sizeof(__u64) == sizeof(u64), "types");
static_assert(sizeof(struct page) == 16, "mm.c says so");

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct iovec iov = { NULL, 0 };

	if (le64_to_cpu(cpu_to_le64(0x0102030405060708ull)) != 0x0102030405060708ull ||
	    get_unaligned_le32("\1\2\3\4") != 0x04030201)
		return 1;
	return event.events == EPOLLIN && !iov.iov_len ? 0 : 1;
}
