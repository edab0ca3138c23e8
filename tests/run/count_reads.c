// SPDX-License-Identifier: MIT
/*
 * count_reads.c - preloaded into `iofault run` by tests/run/reads.sh: counts the calls of
 * process_vm_readv(), with which the broker and the server read a program's memory, in the file
 * that $IOF_TEST_READS names.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned long unseen, *count = &unseen;

__attribute__((constructor)) static void open_count(void)
{
	const char *path = getenv("IOF_TEST_READS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *shared = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (shared != MAP_FAILED)
		count = shared;
	close(fd);
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long nr_local,
			 const struct iovec *remote, unsigned long nr_remote, unsigned long flags)
{
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	return syscall(SYS_process_vm_readv, pid, local, nr_local, remote, nr_remote, flags);
}
