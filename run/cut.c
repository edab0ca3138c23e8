// SPDX-License-Identifier: MIT
/*
 * cut.c - tells how much a program has asked for in its read or write, where FUSE carries less.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "server.h"
#include "trap.h"

/* Returns the number of bytes in a caller's vector; 0: it cannot be read. */
static unsigned long long sum_of_vector(uint32_t pid, unsigned long long at, unsigned long long nr)
{
	struct iovec part[64], local = { part, 0 }, remote = { (void *)(uintptr_t)at, 0 };
	unsigned long long sum = 0;

	for (size_t n; nr; nr -= n) {
		n = nr < 64 ? (size_t)nr : 64;
		local.iov_len = remote.iov_len = n * sizeof(part[0]);
		if (process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0) !=
		    (ssize_t)local.iov_len)
			return 0;
		for (size_t i = 0; i < n; i++)
			sum += part[i].iov_len;
		remote.iov_base = (char *)remote.iov_base + local.iov_len;
	}
	return sum;
}

/* Returns the number of bytes that a caller requests in its read or write; 0: unknown. */
static unsigned long long asked_for(uint32_t pid)
{
	unsigned long long at, count;
	char path[40];
	FILE *call;
	int nr, n;

	snprintf(path, sizeof(path), "/proc/%u/syscall", pid);
	call = pid ? fopen(path, "re") : NULL;
	if (!call)
		return 0;
	n = fscanf(call, "%d %*x %llx %llx", &nr, &at, &count);
	fclose(call);
	if (n != 3)
		return 0;
	switch (nr) {
	case SYS_read:
	case SYS_write:
#if IOF_RUN_SMALL_READ != SYS_read
	case IOF_RUN_SMALL_READ:
	case IOF_RUN_SMALL_WRITE:
#endif
		return count;
	case SYS_readv:
	case SYS_writev:
	case SYS_preadv2:
	case SYS_pwritev2:
		return count > IOV_MAX ? 0 : sum_of_vector(pid, at, count);
	}
	return 0;
}

/*
 * Was the caller's read cut at an absent page? FUSE carries as many bytes as the caller's buffer
 * can hold, up to the first absent page. A kernel would copy the whole records before that page and
 * then fault on it. The caller's own count tells these @size bytes from a wrong count.
 */
bool iof_run_is_cut(uint32_t pid, size_t size, size_t record)
{
	unsigned long long asked = asked_for(pid);

	return asked > size && !(asked % record);
}
