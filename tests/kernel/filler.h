/* SPDX-License-Identifier: MIT */
/*
 * filler.h - memory whose pages come in when the test says so.
 *
 * The test itself is a userfaultfd handler, or a child of it is a file system in user space (FUSE).
 * Both show that a page was requested, and keep the requester waiting until filler_fill(). An
 * unprivileged user can make any process wait for a page of FUSE; that memory is read-only.
 */
#ifndef TESTS_KERNEL_FILLER_H
#define TESTS_KERNEL_FILLER_H

#include "dma.h"

#include <linux/fuse.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

struct filler {
	char *memory;
	size_t bytes;
	int ufd; /* userfaultfd, or -1 with FUSE */
	pid_t server;
	/* pipes: requests that the server has read, and replies that it may send */
	int asked[2], answers[2];
};

/* ---- userfaultfd ---- */

static inline void filler_open(struct filler *f, size_t pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	f->bytes = pages * PAGE;
	f->memory = dma_memory(f->bytes, MAP_PRIVATE);
	f->ufd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	CHECK(f->ufd >= 0 && !ioctl(f->ufd, UFFDIO_API, &api));
	range.range.start = (uintptr_t)f->memory;
	range.range.len = f->bytes;
	CHECK(!ioctl(f->ufd, UFFDIO_REGISTER, &range));
}

/* ---- FUSE: one file, whose pages are read when the test says so ---- */

#define FILLER_DIR "filler"

static inline void filler_reply(int fd, const struct fuse_in_header *in, int error,
				const void *data, size_t len)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + len),
		.error = error,
		.unique = in->unique,
	};
	struct iovec parts[] = { { &out, sizeof(out) }, { (void *)data, len } };

	/* The kernel no longer knows a request that was interrupted. */
	(void)!writev(fd, parts, 2);
}

static inline void filler_read(const struct filler *f, int fd, const struct fuse_in_header *in,
			       const struct fuse_read_in *read_in)
{
	static char zeroes[1 << 16];
	char byte;

	CHECK(write(f->asked[1], "", 1) == 1);
	CHECK(read(f->answers[0], &byte, 1) == 1);
	filler_reply(fd, in, 0, zeroes, read_in->size);
}

static inline void filler_serve(const struct filler *f, int fd)
{
	static char buf[1 << 17];
	const struct fuse_in_header *in = (const void *)buf;
	const void *body = buf + sizeof(*in);
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};
	struct fuse_attr attr = { .mode = S_IFREG | 0444, .nlink = 1, .size = f->bytes };
	struct fuse_entry_out entry = { .nodeid = 2, .attr_valid = 1000, .entry_valid = 1000 };
	struct fuse_attr_out status = { .attr_valid = 1000 };
	struct fuse_open_out opened = {};

	for (;;) {
		if (read(fd, buf, sizeof(buf)) <= 0) {
			CHECK(errno == EINTR || errno == ENOENT || errno == ENODEV);
			if (errno == ENODEV)
				_exit(0);
			continue;
		}
		attr.ino = in->nodeid;
		switch (in->opcode) {
		case FUSE_INIT:
			filler_reply(fd, in, 0, &init, sizeof(init));
			break;
		case FUSE_LOOKUP:
			attr.ino = 2;
			entry.attr = attr;
			filler_reply(fd, in, 0, &entry, sizeof(entry));
			break;
		case FUSE_GETATTR:
			status.attr = attr;
			if (in->nodeid == 1)
				status.attr.mode = S_IFDIR | 0755;
			filler_reply(fd, in, 0, &status, sizeof(status));
			break;
		case FUSE_OPEN:
			filler_reply(fd, in, 0, &opened, sizeof(opened));
			break;
		case FUSE_READ:
			filler_read(f, fd, in, body);
			break;
		case FUSE_FLUSH:
		case FUSE_RELEASE:
			filler_reply(fd, in, 0, NULL, 0);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			filler_reply(fd, in, -ENOSYS, NULL, 0);
		}
	}
}

/* Opens memory of FUSE. Returns false if the kernel has no FUSE. */
static inline bool filler_open_fuse(struct filler *f, size_t pages)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), file;
	char options[100];

	if (fd < 0)
		return false;
	f->ufd = -1;
	f->bytes = pages * PAGE;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=4096", fd);
	CHECK(!mkdir(FILLER_DIR, 0755) || errno == EEXIST);
	CHECK(!mount("filler", FILLER_DIR, "fuse", MS_NOSUID | MS_NODEV, options));
	CHECK(!pipe(f->asked) && !pipe(f->answers));
	f->server = fork();
	CHECK(f->server >= 0);
	if (!f->server) {
		/*
		 * Close the test's descriptors in the server, so that the test's own close is the
		 * last one.
		 */
		for (int i = 3; i < 1024; i++) {
			if (i != fd && i != f->asked[1] && i != f->answers[0])
				close(i);
		}
		filler_serve(f, fd);
	}
	/* Only the server may hold the descriptor: each holder keeps the server alive. */
	close(fd);
	close(f->asked[1]);
	close(f->answers[0]);
	file = open(FILLER_DIR "/file", O_RDONLY | O_CLOEXEC);
	CHECK(file >= 0);
	f->memory = mmap(NULL, f->bytes, PROT_READ, MAP_SHARED, file, 0);
	CHECK(f->memory != MAP_FAILED && !madvise(f->memory, f->bytes, MADV_RANDOM));
	close(file);
	return true;
}

/* ---- both ---- */

/* Waits until a page is requested. Returns its address; with FUSE, that of the memory's begin. */
static inline char *filler_asked(const struct filler *f)
{
	struct uffd_msg msg;
	char byte;

	if (f->ufd < 0) {
		CHECK(read(f->asked[0], &byte, 1) == 1);
		return f->memory;
	}
	do
		CHECK(read(f->ufd, &msg, sizeof(msg)) == sizeof(msg));
	while (msg.event != UFFD_EVENT_PAGEFAULT);
	return (char *)(uintptr_t)(msg.arg.pagefault.address & ~(PAGE - 1));
}

static inline void filler_fill(const struct filler *f, char *page)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)page, PAGE } };

	if (f->ufd < 0)
		CHECK(write(f->answers[1], "", 1) == 1);
	else
		CHECK(!ioctl(f->ufd, UFFDIO_ZEROPAGE, &zero) || errno == EEXIST);
}

static inline void filler_close(struct filler *f)
{
	if (f->ufd >= 0) {
		close(f->ufd);
	} else {
		kill(f->server, SIGKILL);
		CHECK(waitpid(f->server, NULL, 0) == f->server);
		CHECK(!umount2(FILLER_DIR, MNT_DETACH));
		close(f->asked[0]);
		close(f->answers[1]);
	}
	munmap(f->memory, f->bytes);
}

#endif
