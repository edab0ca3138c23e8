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
 * Memory: in the embedded world DMA to private memory follows the address, not the page, since no
 * page is pinned. A kernel's DMA goes on with the pages that were mapped. DMA here fails after
 * munmap(2) or a forbidding mprotect(2), reaches the new memory after mmap(2) at the same address,
 * and does not follow mremap(2). So unmap an I/O address before its memory changes, or use shared
 * memory: memfd, tmpfs, shared anonymous or System V. Of these DMA reaches the pages that were
 * mapped, whatever becomes of the mappings, by IOMMU_IOAS_MAP as by IOMMU_IOAS_MAP_FILE.
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

/**
 * enum iof_world_kind - where /dev/iommu and devices come from
 * @IOF_WORLD_ANY: the kernel if /dev/iommu can be opened, otherwise embedded
 * @IOF_WORLD_EMBEDDED: this process
 * @IOF_WORLD_KERNEL: the kernel
 */
enum iof_world_kind {
	IOF_WORLD_ANY = 0,
	IOF_WORLD_EMBEDDED = 1,
	IOF_WORLD_KERNEL = 2,
};

/* @share_group of a DMA engine without IOMMU. */
#define IOF_DSA_NO_IOMMU 2u

/**
 * struct iof_dsa_config - a DMA engine of the embedded world (Intel DSA descriptors)
 * @credits: page requests that it may have open; default 256, at most 2^20
 * @engines: descriptors that it works on at a time; default 1, at most 16
 * @queue_depth: descriptors taken before -EAGAIN; default 128, at most 4096
 * @max_pasids: default 2^20; 1: no PASIDs
 * @pages_per_group: maximum number of pages in a request group; default 1, at most 32
 * @share_group: 1: in the isolation group of the device before it. IOF_DSA_NO_IOMMU: without
 *	IOMMU, isolation group and PASIDs, as Linux 7.3 has such devices. Opening its node then
 *	needs CAP_SYS_RAWIO, and descriptors have the addresses of IOMMU_IOAS_NOIOMMU_GET_PA.
 *
 * Zero is the default of every member.
 */
struct iof_dsa_config {
	uint32_t credits;
	uint32_t engines;
	uint32_t queue_depth;
	uint32_t max_pasids;
	uint32_t pages_per_group;
	uint32_t share_group;
};

/**
 * struct iof_world_config - what a world contains
 * @kind: its kind; the other members are for embedded worlds
 * @dsa: the devices /dev/vfio/devices/vfio0, vfio1, ...; NULL: @nr_dsa devices with defaults, or
 *	one if that is 0
 * @nr_dsa: number of entries in @dsa
 * @no_devices: non-zero: no DSA, whatever @nr_dsa is
 * @test_ioctls: non-zero: IOMMU_TEST_CMD and its mock devices
 * @mock_credits: page requests that a mock device may have open; default 2^20
 * @memlock: bytes that may be mapped for devices, counted as RLIMIT_MEMLOCK counts; 0: no limit,
 *	since no memory is locked. The world that was opened last decides for the whole process.
 */
struct iof_world_config {
	enum iof_world_kind kind;
	const struct iof_dsa_config *dsa;
	uint32_t nr_dsa;
	uint32_t no_devices;
	uint32_t test_ioctls;
	uint32_t mock_credits;
	uint64_t memlock;
};

/**
 * iof_world_open() - open a world
 * @config: its contents; NULL: IOF_WORLD_ANY with defaults
 * @out: the world, until iof_world_close()
 *
 * Return: 0, -EINVAL a value is out of range, -ENOMEM, or -ENOENT or -EACCES no usable /dev/iommu
 * (IOF_WORLD_KERNEL).
 */
int iof_world_open(const struct iof_world_config *config, struct iof_world **out);

/**
 * iof_world_close() - close a world
 * @world: the world
 *
 * Return: 0 or -EBUSY descriptors of it are open, and nothing has changed.
 */
int iof_world_close(struct iof_world *world);

/**
 * iof_world_kind() - the kind of a world
 * @world: the world
 *
 * Return: IOF_WORLD_EMBEDDED or IOF_WORLD_KERNEL.
 */
enum iof_world_kind iof_world_kind(const struct iof_world *world);

/**
 * iof_open() - open a path of a world
 * @world: the world
 * @path: "/dev/iommu", "/dev/vfio/devices/vfioN", "/dev/vfio/vfio", or "/dev/vfio/N", the node of
 *	isolation group N, counted from 0 on
 * @flags: as open(2); O_CLOEXEC is always set
 *
 * Return: the descriptor, -ENOENT, -EMFILE, -ENOMEM, -EBUSY the group is in use, or an error of
 * open(2).
 */
int iof_open(struct iof_world *world, const char *path, int flags);

/**
 * iof_ioctl() - as ioctl(2)
 * @fd: the descriptor
 * @cmd: the command
 * @arg: its argument, a pointer
 *
 * Return: the result of the command, or a negative errno.
 */
int iof_ioctl(int fd, unsigned long cmd, void *arg);

/**
 * iof_read() - read from a descriptor, as read(2)
 * @fd: the descriptor
 * @buf: destination
 * @len: its size
 *
 * Return: number of bytes or a negative errno.
 */
ssize_t iof_read(int fd, void *buf, size_t len);

/**
 * iof_write() - as write(2)
 * @fd: the descriptor
 * @buf: source
 * @len: number of bytes
 *
 * Return: number of bytes or a negative errno.
 */
ssize_t iof_write(int fd, const void *buf, size_t len);

/**
 * iof_readv2() - as preadv2(2) at the current position
 * @fd: the descriptor
 * @iov: destination
 * @iovcnt: number of vectors
 * @flags: 0 or RWF_NOWAIT
 *
 * Return: number of bytes or a negative errno.
 */
ssize_t iof_readv2(int fd, const struct iovec *iov, int iovcnt, int flags);

/**
 * iof_writev2() - as pwritev2(2) at the current position
 * @fd: the descriptor
 * @iov: source
 * @iovcnt: number of vectors
 * @flags: 0 or RWF_NOWAIT
 *
 * Return: number of bytes or a negative errno.
 */
ssize_t iof_writev2(int fd, const struct iovec *iov, int iovcnt, int flags);

/**
 * iof_pread() - as pread(2)
 * @fd: the descriptor
 * @buf: destination
 * @len: its size
 * @off: offset; of a VFIO device, it selects the region
 *
 * Return: number of bytes or a negative errno.
 */
ssize_t iof_pread(int fd, void *buf, size_t len, off_t off);

/**
 * iof_pwrite() - as pwrite(2)
 * @fd: the descriptor
 * @buf: source
 * @len: number of bytes
 * @off: offset; of a VFIO device, it selects the region
 *
 * Return: number of bytes or a negative errno.
 */
ssize_t iof_pwrite(int fd, const void *buf, size_t len, off_t off);

/**
 * iof_poll() - as poll(2)
 * @fds: descriptors of this world and of the system
 * @nfds: their number
 * @timeout: milliseconds; -1: none
 *
 * Return: the number of entries with revents, 0 after the time-out, or -EINTR.
 */
int iof_poll(struct pollfd *fds, nfds_t nfds, int timeout);

/**
 * iof_set_readiness() - turn readiness of a descriptor for poll(2), epoll and io_uring on or off
 * @fd: a descriptor of an embedded world
 * @on: 0 turns it off, other values turn it on
 *
 * It is on when a descriptor is opened. iof_poll() on descriptors of embedded worlds alone does not
 * need it. A program that polls a descriptor by reading, or waits in iof_poll() only, may turn it
 * off, and saves two system calls for each change of readiness.
 *
 * Return: 0 or -EBADF not a descriptor of an embedded world.
 */
int iof_set_readiness(int fd, int on);

struct iof_thread;

/**
 * iof_thread_hold() - a handle of the calling thread, for iof_thread_interrupt()
 *
 * Return: the handle, valid until iof_thread_release() also after the thread has ended; NULL: no
 * memory.
 */
struct iof_thread *iof_thread_hold(void);

/**
 * iof_thread_release() - free a handle
 * @thread: the handle
 */
void iof_thread_release(struct iof_thread *thread);

/**
 * iof_thread_interrupt() - interrupt iof_poll() of a thread
 * @thread: the handle of the thread
 *
 * The thread's iof_poll() on descriptors of embedded worlds alone, or its next one, returns -EINTR,
 * once for any number of calls. Waits in the kernel are not interrupted. Any thread or signal
 * handler may call this.
 */
void iof_thread_interrupt(struct iof_thread *thread);

/**
 * iof_fdinfo() - the text of /proc/PID/fdinfo for a descriptor
 * @fd: the descriptor
 * @buf: destination
 * @size: its size
 *
 * The text has only the lines that other descriptors do not have, each "NAME:", a tab and a value.
 * Those of a fault queue:
 *
 *   queued		groups that wait to be read
 *   delivered		groups that were read and wait for their response
 *   responded		groups answered by a response, in all
 *   rejected		responses rejected, in all, since they named no open group
 *   swept		groups answered without a response, in all, by detach, replace or last close
 *   oldest_ms		age in milliseconds of the oldest group that is queued or delivered
 *
 * A Linux with its own /dev/iommu has no such lines. The text is cut to @size and ends in 0.
 *
 * Return: the length without that 0, or -EBADF.
 */
ssize_t iof_fdinfo(int fd, char *buf, size_t size);

/**
 * iof_close() - close a descriptor
 * @fd: the descriptor; close(2) must not be used on descriptors of an embedded world
 *
 * The ABI headers name the objects that it ends. The last close of a fault queue answers its open
 * groups.
 *
 * Return: 0 or -EBADF.
 */
int iof_close(int fd);

#ifdef __cplusplus
}
#endif

#endif
