// SPDX-License-Identifier: MIT
/*
 * calls.c - the calls on one descriptor.
 *
 * Each call tries the embedded world first. Its -EBADF has two meanings. Either @fd is no
 * descriptor of the world; then the system call of the same name is made. Or the command itself was
 * given a bad descriptor. A look-up of the number distinguishes the two. errno is left unchanged.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iofault/iofault.h>

#include "forked.h"
#include "shim/sys.h"

static int foreign(int fd, ssize_t rc)
{
	return rc == -EBADF && !iof_sys_owns(fd);
}

/*
 * Returns the result of a call on the embedded world, or -ECHILD if the parent of a fork has @fd.
 */
#define OWN(call) (iof_user_left(fd) ? -ECHILD : (call))

/* Returns the result of a system call, as a negative errno on failure. */
#define SYSTEM(call)                  \
	({                            \
		int saved_ = errno;   \
		ssize_t rc_ = (call); \
                                      \
		if (rc_ < 0)          \
			rc_ = -errno; \
		errno = saved_;       \
		rc_;                  \
	})

int iof_ioctl(int fd, unsigned long cmd, void *arg)
{
	long rc = OWN(iof_sys_ioctl(fd, cmd, arg));

	return foreign(fd, rc) ? SYSTEM(ioctl(fd, cmd, arg)) : rc;
}

/* The rest of iof_read() and iof_write() after -EBADF: apart, since each fault makes both calls. */
__attribute__((noinline)) static ssize_t read_foreign(int fd, void *buf, size_t len)
{
	return foreign(fd, -EBADF) ? SYSTEM(read(fd, buf, len)) : -EBADF;
}

__attribute__((noinline)) static ssize_t write_foreign(int fd, const void *buf, size_t len)
{
	return foreign(fd, -EBADF) ? SYSTEM(write(fd, buf, len)) : -EBADF;
}

ssize_t iof_read(int fd, void *buf, size_t len)
{
	ssize_t rc = OWN(iof_sys_read(fd, buf, len));

	return rc == -EBADF ? read_foreign(fd, buf, len) : rc;
}

ssize_t iof_write(int fd, const void *buf, size_t len)
{
	ssize_t rc = OWN(iof_sys_write(fd, buf, len));

	return rc == -EBADF ? write_foreign(fd, buf, len) : rc;
}

ssize_t iof_readv2(int fd, const struct iovec *iov, int iovcnt, int flags)
{
	ssize_t rc = OWN(iof_sys_readv(fd, iov, iovcnt, flags));

	return foreign(fd, rc) ? SYSTEM(preadv2(fd, iov, iovcnt, -1, flags)) : rc;
}

ssize_t iof_writev2(int fd, const struct iovec *iov, int iovcnt, int flags)
{
	ssize_t rc = OWN(iof_sys_writev(fd, iov, iovcnt, flags));

	return foreign(fd, rc) ? SYSTEM(pwritev2(fd, iov, iovcnt, -1, flags)) : rc;
}

ssize_t iof_pread(int fd, void *buf, size_t len, off_t off)
{
	ssize_t rc = OWN(iof_sys_pread(fd, buf, len, off));

	return foreign(fd, rc) ? SYSTEM(pread(fd, buf, len, off)) : rc;
}

ssize_t iof_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	ssize_t rc = OWN(iof_sys_pwrite(fd, buf, len, off));

	return foreign(fd, rc) ? SYSTEM(pwrite(fd, buf, len, off)) : rc;
}

/* Copies the lines of @in that only some descriptors have into @size bytes, at least one. */
static size_t own_lines(FILE *in, char *buf, size_t size)
{
	static const char *const common[] = { "pos:", "flags:", "mnt_id:", "ino:" };
	size_t used = 0, len, i;
	char line[256];

	while (fgets(line, sizeof(line), in)) {
		for (i = 0; i < sizeof(common) / sizeof(common[0]); i++)
			if (!strncmp(line, common[i], strlen(common[i])))
				break;
		if (i < sizeof(common) / sizeof(common[0]))
			continue;
		len = strlen(line);
		if (len > size - 1 - used)
			len = size - 1 - used;
		memcpy(buf + used, line, len);
		used += len;
	}
	buf[used] = '\0';
	return used;
}

static ssize_t system_fdinfo(int fd, char *buf, size_t size)
{
	ssize_t len = -EBADF;
	int saved = errno;
	char path[48];
	FILE *in;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	in = fopen(path, "re");
	if (in) {
		len = size ? (ssize_t)own_lines(in, buf, size) : 0;
		fclose(in);
	} else if (errno != ENOENT) {
		len = -errno;
	}
	errno = saved;
	return len;
}

ssize_t iof_fdinfo(int fd, char *buf, size_t size)
{
	ssize_t rc = OWN(iof_sys_fdinfo(fd, buf, size));

	if (foreign(fd, rc))
		return system_fdinfo(fd, buf, size);
	/* For a truncated text the embedded world returns the size of the buffer. */
	return rc > 0 && (size_t)rc == size ? rc - 1 : rc;
}

int iof_set_readiness(int fd, int on)
{
	return OWN(iof_sys_set_readiness(fd, on));
}

struct iof_thread *iof_thread_hold(void)
{
	return iof_user_forked ? NULL : (struct iof_thread *)iof_sys_thread_hold();
}

void iof_thread_release(struct iof_thread *thread)
{
	iof_sys_thread_release((struct iof_sys_thread *)thread);
}

void iof_thread_interrupt(struct iof_thread *thread)
{
	iof_sys_thread_interrupt((struct iof_sys_thread *)thread);
}

int iof_close(int fd)
{
	int rc = OWN(iof_sys_close(fd));

	return foreign(fd, rc) ? SYSTEM(close(fd)) : rc;
}
