/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the "system calls" of the embedded world: what user/ and tests see of the shim. Plain C.
 *
 * All calls return a negative errno on failure, never set errno, and may be called from any thread.
 * Descriptors are numbers of real eventfds, readable exactly while the file is readable; -EBADF
 * says that the number is none of ours, and the caller hands it to the real system call. A space is
 * a "/dev" of its own: nodes of one machine live in one space.
 */
#ifndef IOF_SHIM_SYS_H
#define IOF_SHIM_SYS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iof_plat_space;

/*
 * Installs the fix-up for SIGSEGV and SIGBUS, in front of the program's own handlers. Called by
 * iof_sys_space_create() and iof_sys_open(); harmless when repeated, and to be repeated by a
 * program that replaced the handlers since without chaining. 0 or -errno.
 */
int iof_sys_init(void);

/* NULL: no memory. */
struct iof_plat_space *iof_sys_space_create(void);
/* -EBUSY while nodes are left in it (machine teardown removes them). */
int iof_sys_space_destroy(struct iof_plat_space *space);

/* @path is "/dev/NAME" or "NAME". @flags as for open(2): the access mode, O_NONBLOCK. -ENOENT. */
int iof_sys_open(struct iof_plat_space *space, const char *path, int flags);
/* Releases the file before it returns if this was the last holder. */
int iof_sys_close(int fd);
bool iof_sys_owns(int fd);

long iof_sys_ioctl(int fd, unsigned long cmd, void *arg);
/* @flags: 0 or RWF_NOWAIT. */
ssize_t iof_sys_readv(int fd, const struct iovec *iov, int n, int flags);
ssize_t iof_sys_writev(int fd, const struct iovec *iov, int n, int flags);
ssize_t iof_sys_read(int fd, void *buf, size_t len);
ssize_t iof_sys_write(int fd, const void *buf, size_t len);
ssize_t iof_sys_pread(int fd, void *buf, size_t len, off_t pos);
ssize_t iof_sys_pwrite(int fd, const void *buf, size_t len, off_t pos);

/* O_NONBLOCK, as F_GETFL and F_SETFL would say it. */
int iof_sys_get_flags(int fd);
int iof_sys_set_flags(int fd, int flags);

/* Which of @events (and POLLERR, POLLHUP) hold now. Never sleeps, makes no system call. */
int iof_sys_poll(int fd, short events);
/*
 * poll(2) on descriptors of ours: sleeps in the files' own wait queues, which costs no eventfd
 * traffic. A number that is none of ours: -EBADF for the call, before anything else. Negative
 * numbers are skipped. @timeout_ms < 0: for ever. -EINTR as poll(2), and when interrupted.
 */
int iof_sys_pollv(struct pollfd *fds, unsigned int n, int timeout_ms);

/*
 * How often @fd became readable, or something more arrived while it was, since it was opened. Each
 * of these events also writes the eventfd, where several can be seen as one. 0: not of ours.
 */
uint64_t iof_sys_events(int fd);

/*
 * Whether the eventfd behind @fd follows the file (it does from the start). A program with a reader
 * that sleeps in iof_sys_pollv() or a blocking read turns it off and saves a system call at each
 * turn of readiness.
 */
int iof_sys_set_readiness(int fd, bool on);

/*
 * The calling thread, for iof_sys_thread_interrupt(), until iof_sys_thread_release(), which the
 * thread may have ended before. NULL: no memory.
 */
struct iof_sys_thread;
struct iof_sys_thread *iof_sys_thread_hold(void);
void iof_sys_thread_release(struct iof_sys_thread *thread);
/*
 * The iof_sys_pollv() that the thread sleeps in, or its next one, returns -EINTR, once for any
 * number of calls. Takes no lock: it may be called in a signal handler.
 */
void iof_sys_thread_interrupt(struct iof_sys_thread *thread);

/*
 * From now on the thread's ioctls are those of thread @tid of another process, until that is
 * changed: pointers lead into its memory, and what is mapped is its. 0: of the own process again,
 * as at the beginning. The process must be one that this may trace, and the thread must wait until
 * the call is done. -ESRCH, -EPERM, -EMFILE.
 */
int iof_sys_act_for(pid_t tid);
/* While it does, the @len bytes at @addr over there are those at @buf instead. */
void iof_sys_act_with(void *addr, void *buf, size_t len);
/* They were read ahead into @buf: they are read there, and written in both places. */
void iof_sys_act_ahead(void *addr, void *buf, size_t len);
/* Copies from there, and to there: 0 or -EFAULT. */
int iof_sys_peek(void *dst, const void *addr, size_t len);
int iof_sys_poke(void *addr, const void *src, size_t len);
/*
 * The first number of @field in /proc/TID/status: "Tgid", or "Uid", which is the real user's.
 * @unknown: what to return if there is none.
 */
unsigned int iof_sys_status(pid_t tid, const char *field, unsigned int unknown);
/* A pidfd of the thread; before Linux 6.9 of its thread group. Below 0, with errno. */
int iof_sys_open_thread(pid_t tid);
/* Lets go of what is known of processes and not in use. */
void iof_sys_forget_processes(void);

/*
 * Files of the file system @dev show registers of a device where they are mapped: such memory
 * cannot be mapped for devices.
 */
void iof_sys_set_registers(dev_t dev);

/* What /proc/PID/fdinfo would show beyond the common lines; length, as snprintf(3) cut to @size. */
ssize_t iof_sys_fdinfo(int fd, char *buf, size_t size);

/*
 * Waits until every work item has run. For tests and leak counts.
 */
void iof_sys_settle(void);

/*
 * What counts as RLIMIT_MEMLOCK from now on, in bytes; UINT64_MAX: the limit of the process, or of
 * the one acted for, as at the beginning. A number holds for all, CAP_IPC_LOCK or not.
 */
void iof_sys_set_memlock(uint64_t bytes);
/* While acting for a process: a limit of exactly @bytes was inherited, and counts as no limit. */
void iof_sys_set_inherited_memlock(uint64_t bytes);

/*
 * How long a thread about to sleep first spins for its wake-up, in nanoseconds; 0 (default) never.
 */
void iof_sys_set_spin(unsigned int ns);

#ifdef __cplusplus
}
#endif
#endif
