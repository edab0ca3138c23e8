/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the "system calls" of the embedded world: what user/ and tests see of the shim. Plain C.
 *
 * All calls return a negative errno on failure, never set errno, and any thread may call them.
 * Descriptors are the numbers of real eventfds, which are readable exactly while the file is
 * readable. -EBADF says that the number is no descriptor of this world; the caller then makes the
 * real system call. A space is a "/dev" of its own: the nodes of one machine live in one space.
 */
#ifndef IOF_SHIM_SYS_H
#define IOF_SHIM_SYS_H

#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iof_plat_space;

/*
 * Installs the fix-up for SIGSEGV and SIGBUS, in front of the program's own handlers.
 * iof_sys_space_create() and iof_sys_open() call it. A program must call it again if it has
 * replaced the handlers without chaining; a repeated call is harmless. Returns 0 or -errno.
 */
int iof_sys_init(void);

/* Creates a space. Returns NULL if there is no memory. */
struct iof_plat_space *iof_sys_space_create(void);
/* Destroys a space. Returns -EBUSY while it has nodes, which machine teardown removes. */
int iof_sys_space_destroy(struct iof_plat_space *space);

/*
 * Opens a node. @path is "/dev/NAME" or "NAME". @flags as for open(2): the access mode, O_NONBLOCK.
 * Returns -ENOENT if there is no such node.
 */
int iof_sys_open(struct iof_plat_space *space, const char *path, int flags);
/*
 * Closes a descriptor. If it was the last holder of the file, the file is released before the call
 * returns.
 */
int iof_sys_close(int fd);
bool iof_sys_owns(int fd);

long iof_sys_ioctl(int fd, unsigned long cmd, void *arg);
/* As preadv2(2). @flags: 0 or RWF_NOWAIT. */
ssize_t iof_sys_readv(int fd, const struct iovec *iov, int n, int flags);
ssize_t iof_sys_writev(int fd, const struct iovec *iov, int n, int flags);
ssize_t iof_sys_read(int fd, void *buf, size_t len);
ssize_t iof_sys_write(int fd, const void *buf, size_t len);
ssize_t iof_sys_pread(int fd, void *buf, size_t len, off_t pos);
ssize_t iof_sys_pwrite(int fd, const void *buf, size_t len, off_t pos);

/* Get and set O_NONBLOCK, as F_GETFL and F_SETFL. */
int iof_sys_get_flags(int fd);
int iof_sys_set_flags(int fd, int flags);

/* Returns which of @events (and POLLERR, POLLHUP) hold now. Never sleeps, makes no system call. */
int iof_sys_poll(int fd, short events);
/*
 * poll(2) on descriptors of this world: sleeps in the files' own wait queues, which costs no writes
 * to eventfds. If a number is no such descriptor, the call returns -EBADF before anything else.
 * Negative numbers are skipped. @timeout_ms < 0: no time-out. Returns -EINTR as poll(2), and when
 * the thread is interrupted.
 */
int iof_sys_pollv(struct pollfd *fds, unsigned int n, int timeout_ms);

/*
 * Returns how often @fd became readable, or got an arrival while readable, since it was opened.
 * Each of these events also writes the eventfd, whose reader may see several as one. 0: no
 * descriptor of this world.
 */
uint64_t iof_sys_events(int fd);

/*
 * Sets whether the eventfd behind @fd follows the file. It does from the start. A program whose
 * reader sleeps in iof_sys_pollv() or in a blocking read may turn it off, and saves a system call
 * at each change of readiness.
 */
int iof_sys_set_readiness(int fd, bool on);

/*
 * Sets the processors of the threads that this world starts from now on. Without it they have those
 * of the thread that causes their start. @set stays valid.
 */
void iof_sys_set_processors(const cpu_set_t *set);

/*
 * Returns a handle of the calling thread, for iof_sys_thread_interrupt(). It is valid until
 * iof_sys_thread_release(), also after the thread has ended. NULL: no memory.
 */
struct iof_sys_thread;
struct iof_sys_thread *iof_sys_thread_hold(void);
void iof_sys_thread_release(struct iof_sys_thread *thread);
/*
 * Makes the iof_sys_pollv() in which the thread sleeps, or its next one, return -EINTR; once for
 * any number of calls. Takes no lock, so that a signal handler may call it.
 */
void iof_sys_thread_interrupt(struct iof_sys_thread *thread);

/*
 * Makes the calling thread act for thread @tid of another process: pointers lead into that
 * process's memory, and mappings map it. 0: for the own process again, as at the beginning. This
 * process must have the right to trace the other, and the other thread must wait until the call is
 * done. Returns -ESRCH, -EPERM or -EMFILE.
 */
int iof_sys_act_for(pid_t tid);
/*
 * Makes @buf stand for the @len bytes at @addr of the process acted for, until the next
 * iof_sys_act_for().
 */
void iof_sys_act_with(void *addr, void *buf, size_t len);
/*
 * Tells that @buf has the @len bytes at @addr already: reads use @buf, and writes go to both
 * places.
 */
void iof_sys_act_ahead(void *addr, void *buf, size_t len);
/* Copy from, and to, the process acted for. Return 0 or -EFAULT. */
int iof_sys_peek(void *dst, const void *addr, size_t len);
int iof_sys_poke(void *addr, const void *src, size_t len);
/*
 * Returns the first number of @field in /proc/TID/status: "Tgid", or "Uid", which is the real
 * user's. Returns @unknown if there is none.
 */
unsigned int iof_sys_status(pid_t tid, const char *field, unsigned int unknown);
/*
 * Returns a pidfd of the thread; before Linux 6.9 of its thread group. Negative, with errno, on
 * failure.
 */
int iof_sys_open_thread(pid_t tid);
/* Drops cached address spaces of other processes that are not in use. */
void iof_sys_forget_processes(void);

/*
 * Declares that files of the file system @dev, when mapped, are registers of a device. Such memory
 * cannot be mapped for devices.
 */
void iof_sys_set_registers(dev_t dev);

/*
 * Writes the lines of /proc/PID/fdinfo beyond the common ones. Returns their length; cuts at @size,
 * as snprintf(3).
 */
ssize_t iof_sys_fdinfo(int fd, char *buf, size_t size);

/*
 * Makes @listener get each trace event of core/trace_events.h from now on: its name, then its
 * arguments, promoted as C promotes them. It runs in the thread of the event, perhaps under a
 * spinlock, so it must neither sleep nor call anything of this header. NULL: no listener. The call
 * comes before a machine exists.
 */
void iof_sys_set_listener(void (*listener)(const char *event, ...));

/* Waits until all work items have run. For tests and leak counts. */
void iof_sys_settle(void);

/*
 * Sets RLIMIT_MEMLOCK in bytes. UINT64_MAX: the limit of the process, or of the one acted for, as
 * at the beginning. Another value holds for all processes, with or without CAP_IPC_LOCK.
 */
void iof_sys_set_memlock(uint64_t bytes);
/* While acting for a process, a limit of exactly @bytes was inherited and counts as no limit. */
void iof_sys_set_inherited_memlock(uint64_t bytes);

/*
 * Sets how many nanoseconds a thread spins for its wake-up before it sleeps; 0 (the default): it
 * does not spin.
 */
void iof_sys_set_spin(unsigned int ns);

#ifdef __cplusplus
}
#endif
#endif
