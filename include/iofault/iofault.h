/* SPDX-License-Identifier: MIT */
/*
 * iofault.h - open, ioctl, read, write, poll and close on a world that has /dev/iommu.
 *
 * A world is either the embedded system (software IOMMU and devices inside this process: no root,
 * no module, no hardware) or the real one of the kernel this runs on. Both speak the ABI of
 * <iofault/iommufd.h> and <iofault/vfio.h>; a program written against these calls runs on either.
 *
 * Conventions: every call returns a negative errno on failure and never touches errno. All calls
 * may be made from any thread. Descriptors are ints that poll(2), epoll and io_uring can wait on
 * until there is something to read (to wait for room in a portal takes iof_poll()); reading and
 * writing go through the calls below. A descriptor that is not of an embedded world is passed to
 * the system call of the same name, so that one program text serves both.
 *
 * An embedded world stays with the process that opened it. In a child of it (fork(2), daemon(3))
 * every call on the world or on a descriptor of it fails at once with -ECHILD, and so does opening
 * another embedded world; exec(3) is as always. A child that was forked while no world was open has
 * its own. Call daemon() first, or use `iofault run`.
 *
 * Memory: in the embedded world DMA follows the address, not the page, since no page is pinned.
 * Where a kernel's DMA goes on with the pages that were mapped, DMA here fails after munmap(2) or a
 * forbidding mprotect(2), reaches the new memory after mmap(2) at the same address, and does not
 * follow mremap(2). So unmap an I/O address before its memory changes, or map a memfd with
 * IOMMU_IOAS_MAP_FILE: then DMA reaches the file's pages, whatever becomes of the mappings.
 */
#ifndef IOFAULT_IOFAULT_H
#define IOFAULT_IOFAULT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iof_world;

enum iof_world_kind {
	IOF_WORLD_ANY = 0,	/* the kernel's if /dev/iommu can be opened, otherwise embedded */
	IOF_WORLD_EMBEDDED = 1,
	IOF_WORLD_KERNEL = 2,
};

/* A DMA engine of the embedded world (Intel DSA descriptors). Zero means the default everywhere. */
struct iof_dsa_config {
	uint32_t credits;	  /* page requests it may have open; default 256, at most 2^20 */
	uint32_t engines;	  /* descriptors worked on at a time; default 1, at most 16 */
	uint32_t queue_depth;	  /* descriptors taken before -EAGAIN; default 128, at most 4096 */
	uint32_t max_pasids;	  /* default 2^20; 1: no PASIDs */
	uint32_t pages_per_group; /* most pages asked for at a time; default 1, at most 32 */
	uint32_t share_group;	  /* non-zero: in the isolation group of the device before it */
};

struct iof_world_config {
	enum iof_world_kind kind;
	/*
	 * Embedded only: the devices /dev/vfio/devices/vfio0, vfio1, ... NULL: as many as the
	 * number says with defaults, one if that is 0.
	 */
	const struct iof_dsa_config *dsa;
	uint32_t nr_dsa;
	uint32_t no_devices;	/* non-zero: no DSA at all, whatever nr_dsa says */
	uint32_t test_ioctls;	/* non-zero: IOMMU_TEST_CMD and its mock devices */
	uint32_t mock_credits;	/* page requests a mock device may have open; default 2^20 */
	/*
	 * Embedded only: bytes that may be mapped for devices, counted as RLIMIT_MEMLOCK counts
	 * them. 0: as many as one likes, since nothing is really locked in memory. The last world
	 * opened decides, for all of the process.
	 */
	uint64_t memlock;
};

/*
 * Opens a world. @config NULL: IOF_WORLD_ANY with defaults. The world is the caller's until
 * iof_world_close(). -EINVAL a value out of range, -ENOMEM, -ENOENT or -EACCES no usable /dev/iommu
 * (IOF_WORLD_KERNEL).
 */
int iof_world_open(const struct iof_world_config *config, struct iof_world **out);
/* -EBUSY: descriptors of it are still open; nothing has happened. */
int iof_world_close(struct iof_world *world);
enum iof_world_kind iof_world_kind(const struct iof_world *world);

/*
 * Opens a path of the world: "/dev/iommu", "/dev/vfio/devices/vfioN". @flags as open(2); O_CLOEXEC
 * is always on. The descriptor, -ENOENT, -EMFILE, -ENOMEM, or what open(2) says.
 */
int iof_open(struct iof_world *world, const char *path, int flags);

/* As ioctl(2), pointer argument. The result of the command, or its errno negated. */
int iof_ioctl(int fd, unsigned long cmd, void *arg);

/* As read(2), write(2), and with vectors; @flags of the v2 calls: RWF_NOWAIT. */
ssize_t iof_read(int fd, void *buf, size_t len);
ssize_t iof_write(int fd, const void *buf, size_t len);
ssize_t iof_readv2(int fd, const struct iovec *iov, int iovcnt, int flags);
ssize_t iof_writev2(int fd, const struct iovec *iov, int iovcnt, int flags);
ssize_t iof_pread(int fd, void *buf, size_t len, off_t off);
ssize_t iof_pwrite(int fd, const void *buf, size_t len, off_t off);

/* As poll(2): the entries with revents, 0 on time-out (milliseconds, -1: none), -EINTR. */
int iof_poll(struct pollfd *fds, nfds_t nfds, int timeout);

/*
 * Whether the number of an embedded world's descriptor can be waited on with poll(2), epoll and
 * io_uring; it can from the start. iof_poll() on such descriptors alone works either way. Who reads
 * a descriptor busily, or sleeps in iof_poll(), and lets nobody else wait on it spares two system
 * calls for each turn of readiness. -EBADF: not a descriptor of an embedded world.
 */
int iof_set_readiness(int fd, int on);

/*
 * The calling thread, for others to interrupt, until iof_thread_release(); it may have ended by
 * then. NULL: no memory.
 */
struct iof_thread;
struct iof_thread *iof_thread_hold(void);
void iof_thread_release(struct iof_thread *thread);

/*
 * The iof_poll() on descriptors of embedded worlds alone that @thread sleeps in, or its next one,
 * returns -EINTR, once for any number of calls. Any thread; from a signal handler too. Calls that
 * wait in the kernel take no notice.
 */
void iof_thread_interrupt(struct iof_thread *thread);

/*
 * What /proc/PID/fdinfo shows of a descriptor beyond what it shows of every one: lines "NAME:",
 * a tab, a value. Of a fault queue's:
 *
 *   queued		groups that wait to be read
 *   delivered		groups that were read and wait for their response
 *   responded		groups ever answered by a response
 *   rejected		responses ever rejected, since they named no open group
 *   swept		groups ever answered without a response, by detach, replace or last close
 *   oldest_ms		for how many milliseconds the oldest of queued and delivered has been open
 *
 * A Linux with its own /dev/iommu has no such lines. Writes at most @size bytes, the last one 0,
 * cutting off what does not fit; returns the length of what was written without that 0. -EBADF.
 */
ssize_t iof_fdinfo(int fd, char *buf, size_t size);

/*
 * Ends a descriptor; what it means is in the ABI headers (the last close of a fault queue answers
 * what is open). -EBADF. close(2) must not be used on descriptors of an embedded world.
 */
int iof_close(int fd);

#ifdef __cplusplus
}
#endif

#endif
