// SPDX-License-Identifier: MIT
/*
 * broker.c - the calls that make or take descriptors, which FUSE cannot carry.
 *
 * A seccomp filter (trap.c) stops only these commands. The broker copies the caller's descriptor to
 * find out which file the call is for. It lets the server execute the call on a copy of the
 * caller's structure, and translates the descriptors in the structure. A new descriptor is
 * installed in the caller. A descriptor that the caller names is replaced by the server's number,
 * or passed to the server. (Test commands that name one continue unchanged: the server finds the
 * file by itself.) A call for any other file continues unchanged. Further calls are trapped because
 * FUSE answers them as for a regular file; plain() answers them as a kernel does for a character
 * device.
 *
 * Access to the caller's memory may itself wait for another trapped call. So another thread
 * receives calls if a call lasts (turn.c). None of them holds the FUSE connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

#include "kvm.h"
#include "private.h"
#include "shim/sys.h"
#include "stat.h"
#include "trap.h"
#include "turn.h"

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1UL
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	   SECCOMP_IOW(4, __u64)
#endif
/* Number of threads that may wait for the program itself; others are left for its other calls. */
#define MAX_WAITING 48

/* ---- one trapped call ---- */

static struct broker {
	struct iof_run *run;
	int listener;
	dev_t dev;   /* device number of our file system */
	int waiting; /* atomic: threads in a path, which may wait for the program */
} broker;

struct caller {
	struct broker *broker;
	uint64_t id; /* id of the notification */
	pid_t tid;
	int pidfd;
	int file; /* copy of the descriptor that the call is about */
	void *arg;
	int result; /* returned if the call succeeds */
	struct iof_run_call call;
	int borrowed[16]; /* copies of descriptors named in the structure */
	unsigned int nr_borrowed;
};

#define CONTINUE IOF_RUN_CONTINUE

/*
 * Is @fd a node of ours, or a file that a call made? Our folders and small files (tree.c) are like
 * those of any file system. Asks no file system: that of another file may be the program's own, and
 * wait for this call.
 */
static bool is_ours(const struct broker *broker, int fd)
{
	struct statx st;

	return !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == broker->dev &&
	       (st.stx_ino < IOF_RUN_NODE_TREE || st.stx_ino >= IOF_RUN_NODE_MADE);
}

/* The number of a file of ours in our file system; 0: none. Asks no file system, either. */
static uint64_t node_of(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) ? 0 : st.stx_ino;
}

static int open_caller(struct caller *caller)
{
	int fd = iof_sys_open_thread(caller->tid);

	/* Does this caller still wait for the broker? */
	if (fd >= 0 && ioctl(caller->broker->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &caller->id)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int borrow(struct caller *caller, int fd)
{
	int copy;

	if (caller->nr_borrowed == sizeof(caller->borrowed) / sizeof(caller->borrowed[0]))
		return -EINVAL;
	copy = (int)syscall(SYS_pidfd_getfd, caller->pidfd, fd, 0);
	if (copy < 0)
		return -errno;
	caller->borrowed[caller->nr_borrowed++] = copy;
	return copy;
}

static int move(struct caller *caller, bool write)
{
	struct iovec local = { caller->call.data, caller->call.size };
	struct iovec remote = { caller->arg, caller->call.size };
	ssize_t done;

	/* if the caller was killed, another process may have its number by now */
	if (write && ioctl(caller->broker->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &caller->id))
		return -ESRCH;
	done = write ? process_vm_writev(caller->tid, &local, 1, &remote, 1, 0) :
		       process_vm_readv(caller->tid, &local, 1, &remote, 1, 0);
	return done == (ssize_t)caller->call.size ? 0 : -EFAULT;
}

/* The least size of a structure that the command takes. */
static uint32_t least_size(uint32_t cmd)
{
	switch (cmd) {
	case IOMMU_FAULT_QUEUE_ALLOC:
		return sizeof(struct iommu_fault_alloc);
	case IOMMU_TEST_CMD:
		return offsetof(struct iommu_test_cmd, last) + sizeof(uint32_t);
	case VFIO_DEVICE_BIND_IOMMUFD:
		return offsetof(struct vfio_device_bind_iommufd, out_devid) + sizeof(uint32_t);
	}
	return 0;
}

/*
 * Copies the structure, whose first word is its size. Another thread of the program may change it
 * at any time; so each byte is read once. The size that determined the length of the copy stays the
 * size. The server works on this copy alone.
 */
static int fetch(struct caller *caller)
{
	uint32_t size;
	int rc;

	caller->call.size = sizeof(size);
	rc = move(caller, false);
	if (rc)
		return rc;
	memcpy(&size, caller->call.data, sizeof(size));
	caller->call.size = size < sizeof(size) ? sizeof(size) : size;
	if (caller->call.size > sizeof(caller->call.data))
		caller->call.size = sizeof(caller->call.data);
	rc = move(caller, false);
	memcpy(caller->call.data, &size, sizeof(size));
	/* a wrong size is an error even where the rest cannot be read */
	return rc && size < least_size(caller->call.cmd) ? -EINVAL : rc;
}

/* Does the structure include the 4 bytes at @at? */
static bool has(const struct caller *caller, size_t at)
{
	return caller->call.size >= at + sizeof(uint32_t);
}

static int get(const struct caller *caller, size_t at)
{
	int value;

	memcpy(&value, caller->call.data + at, sizeof(value));
	return value;
}

static void set(struct caller *caller, size_t at, int value)
{
	memcpy(caller->call.data + at, &value, sizeof(value));
}

/* Lets the server execute the call. Returns its result, or a negative errno. */
static int serve(struct caller *caller, int file)
{
	struct iof_run_call *call = &caller->call;

	call->token = caller->broker->run->token;
	call->tid = caller->tid;
	call->arg = (uint64_t)(uintptr_t)caller->arg;
	if (ioctl(file, IOF_RUN_CALL, call))
		return -errno;
	return call->result;
}

/* Returns the server's number of the file behind the caller's descriptor @fd. */
static int number_of(struct caller *caller, int fd)
{
	struct iof_run_call *ask;
	int copy = borrow(caller, fd), rc;

	if (copy < 0)
		return copy;
	if (!is_ours(caller->broker, copy))
		return -EBADFD;
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return -ENOMEM;
	ask->token = caller->broker->run->token;
	rc = ioctl(copy, IOF_RUN_CALL, ask) ? -errno : (int)ask->file;
	free(ask);
	return rc;
}

/*
 * Undoes a call that failed later. Drops the file that the call made, unless it was @opened: its
 * close has dropped it then. Destroys the fault queue of IOMMU_FAULT_QUEUE_ALLOC.
 */
static void undo(struct caller *caller, bool opened)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy) };
	uint32_t cmd = caller->call.cmd;

	if (!opened) {
		caller->call.cmd = IOF_RUN_CMD_DROP;
		serve(caller, caller->file);
		caller->call.cmd = cmd;
	}
	if (caller->call.cmd != IOMMU_FAULT_QUEUE_ALLOC)
		return;
	destroy.id = (uint32_t)get(caller, offsetof(struct iommu_fault_alloc, out_fault_id));
	caller->call.cmd = IOMMU_DESTROY;
	caller->call.made_at = 0;
	caller->call.size = sizeof(destroy);
	memcpy(caller->call.data, &destroy, sizeof(destroy));
	serve(caller, caller->file);
}

/* Executes a command that puts a new descriptor of the caller into the field at @at. */
static int making(struct caller *caller, size_t at)
{
	struct seccomp_notif_addfd add = { .id = caller->id, .newfd_flags = O_CLOEXEC };
	char name[24];
	int fd, rc;

	if (!has(caller, at))
		/* the size is wrong: the server returns the error */
		return serve(caller, caller->file);
	/*
	 * write the reply once now: an unwritable structure fails before there is anything to undo
	 */
	rc = move(caller, true);
	if (rc)
		return rc;
	caller->call.made_at = (uint32_t)at;
	rc = serve(caller, caller->file);
	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "q%u", caller->call.made);
	fd = openat(caller->broker->run->tree, name, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		undo(caller, false);
		return rc;
	}
	add.srcfd = (uint32_t)fd;
	rc = ioctl(caller->broker->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (rc < 0)
		rc = -errno;
	close(fd);
	if (rc < 0) {
		undo(caller, true);
		return rc;
	}
	set(caller, at, rc);
	return move(caller, true);
}

static int bind_device(struct caller *caller)
{
	const size_t at = offsetof(struct vfio_device_bind_iommufd, iommufd);
	int given, number, rc;
	unsigned int device;
	uint64_t node;

	if (!has(caller, at) || get(caller, at) < 0)
		return serve(caller, caller->file);
	given = get(caller, at);
	number = number_of(caller, given);
	if (number < 0)
		return number;
	/* write the reply first, as above: a successful bind cannot be undone */
	rc = move(caller, true);
	if (rc)
		return rc;
	set(caller, at, number);
	caller->call.given = given;
	node = node_of(caller->file);
	if (node < IOF_RUN_NODE_VFIO || node >= IOF_RUN_NODE_GROUP)
		return CONTINUE;
	device = (unsigned int)(node - IOF_RUN_NODE_VFIO);
	iof_run_bar_before_bind(caller->broker->run, device);
	rc = serve(caller, caller->file);
	iof_run_bar_after_bind(caller->broker->run, device, rc >= 0);
	set(caller, at, given);
	return rc < 0 ? rc : move(caller, true);
}

/* ---- groups ---- */

static bool is_group(int file)
{
	uint64_t node = node_of(file);

	return node >= IOF_RUN_NODE_GROUP && node < IOF_RUN_NODE_MADE;
}

/* The argument is the address of a descriptor. */
static int set_container(struct caller *caller)
{
	int rc, number;

	if (!is_group(caller->file))
		return CONTINUE;
	caller->call.size = sizeof(int);
	rc = move(caller, false);
	if (rc)
		return rc;
	if (get(caller, 0) >= 0) {
		number = number_of(caller, get(caller, 0));
		if (number < 0)
			return number;
		set(caller, 0, number);
	}
	return serve(caller, caller->file);
}

#define LONGEST_NAME 64 /* of a device; the server refuses longer ones */

/*
 * Reads the name, which may end before memory that cannot be read, and begin in such memory: then
 * the server fails to read it, too. Returns the number of the device, or -1 for an unknown name.
 */
static int fetch_name(struct caller *caller)
{
	size_t room = 4096 - (uintptr_t)caller->arg % 4096;
	char *text = (char *)caller->call.data;
	unsigned int number;
	int end = 0;

	caller->call.size = (uint32_t)(room < LONGEST_NAME ? room : LONGEST_NAME);
	if (move(caller, false)) {
		caller->call.size = 0;
		return -1;
	}
	if (room < LONGEST_NAME && !memchr(text, 0, room)) {
		caller->call.size = LONGEST_NAME;
		if (move(caller, false))
			caller->call.size = (uint32_t)room;
	}
	text[caller->call.size] = 0;
	if (sscanf(text, IOF_RUN_BDF "%n", &number, &end) != 1 || !end ||
	    (text[end] && text[end] != ' ') ||
	    number - 1 >= caller->broker->run->config->nr_devices)
		return -1;
	return (int)number - 1;
}

/*
 * Makes the descriptor: the server makes its own, and a new file of the device's node takes that
 * over. Returns the file, or a negative errno.
 */
static int make_device_fd(struct caller *caller, int device)
{
	struct iof_run_call *become;
	char name[24];
	int fd, rc;

	rc = serve(caller, caller->file);
	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "vfio%d", device);
	fd = device < 0 ? -1 : openat(caller->broker->run->tree, name, O_RDWR | O_CLOEXEC);
	become = calloc(1, sizeof(*become));
	rc = fd < 0 ? -errno : -ENOMEM;
	if (fd >= 0 && become) {
		become->token = caller->broker->run->token;
		become->cmd = IOF_RUN_CMD_BECOME;
		become->made = caller->call.made;
		rc = ioctl(fd, IOF_RUN_CALL, become) ? -errno : become->result;
	}
	free(become);
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	undo(caller, false);
	return rc;
}

static int get_device_fd(struct caller *caller)
{
	struct seccomp_notif_addfd add = { .id = caller->id, .newfd_flags = O_CLOEXEC };
	int device, fd, rc;

	if (!is_group(caller->file))
		return CONTINUE;
	device = fetch_name(caller);
	if (device < 0) {
		/* the server has an error for it */
		rc = serve(caller, caller->file);
		return rc < 0 ? rc : -ENODEV;
	}
	iof_run_bar_before_bind(caller->broker->run, (unsigned int)device);
	fd = make_device_fd(caller, device);
	iof_run_bar_after_bind(caller->broker->run, (unsigned int)device, fd >= 0);
	if (fd < 0)
		return fd;
	add.srcfd = (uint32_t)fd;
	rc = ioctl(caller->broker->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	caller->result = rc;
	if (rc < 0)
		rc = -errno;
	close(fd);
	return rc < 0 ? rc : 0;
}

/* ---- KVM ---- */

static bool peek(const struct caller *caller, uint64_t at, void *to, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)at, size };

	return process_vm_readv(caller->tid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static int kvm_attribute(struct caller *caller, int kvm)
{
	char path[32], link[32] = "";
	struct kvm_device_attr attr;
	int given, file;

	caller->pidfd = open_caller(caller);
	kvm = caller->pidfd < 0 ? -1 : borrow(caller, kvm);
	if (kvm < 0)
		return CONTINUE;
	/* FUSE would copy the structure before it asks */
	if (is_ours(caller->broker, kvm))
		return -ENOTTY;
	if (!peek(caller, (uintptr_t)caller->arg, &attr, sizeof(attr)) ||
	    !iof_run_kvm_names_file(&attr) || !peek(caller, attr.addr, &given, sizeof(given)))
		return CONTINUE;
	file = borrow(caller, given);
	if (file < 0 || !is_ours(caller->broker, file) || !iof_run_kvm_takes(node_of(file)))
		return CONTINUE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", kvm);
	if (readlink(path, link, sizeof(link) - 1) < 0 || !iof_run_kvm_is_device(link))
		return CONTINUE;
	return 0;
}

/* Passes eventfds to the server, which duplicates them. */
static int set_irqs(struct caller *caller)
{
	const size_t at = offsetof(struct vfio_irq_set, data);
	unsigned int count, i;

	if (!has(caller, offsetof(struct vfio_irq_set, count)))
		return serve(caller, caller->file);
	if (!(get(caller, offsetof(struct vfio_irq_set, flags)) & VFIO_IRQ_SET_DATA_EVENTFD))
		return CONTINUE;
	count = (unsigned int)get(caller, offsetof(struct vfio_irq_set, count));
	/*
	 * No device has so many interrupts. An untranslated number must not be taken for a
	 * descriptor of the server.
	 */
	if (count > sizeof(caller->borrowed) / sizeof(caller->borrowed[0]))
		return -EINVAL;
	for (i = 0; i < count && has(caller, at + 4 * i); i++) {
		int fd = get(caller, at + 4 * i);

		if (fd < 0)
			continue;
		fd = borrow(caller, fd);
		if (fd < 0)
			return fd;
		set(caller, at + 4 * i, fd);
	}
	caller->call.fds_at = (uint32_t)at;
	caller->call.nr_fds = i;
	return serve(caller, caller->file);
}

/*
 * Does the command make an access? All test commands are trapped, and most continue at once: only
 * this one makes a descriptor.
 */
static bool makes_access(struct caller *caller)
{
	struct iommu_test_cmd cmd;
	struct iovec local = { &cmd, offsetof(struct iommu_test_cmd, id) };
	struct iovec remote = { caller->arg, local.iov_len };

	return process_vm_readv(caller->tid, &local, 1, &remote, 1, 0) == (ssize_t)local.iov_len &&
	       cmd.op == IOMMU_TEST_OP_CREATE_ACCESS;
}

/* ---- calls that FUSE answers as for a regular file ---- */

/* Returns false if the kernel has an error for the call that comes before an error of the file. */
static bool may_map(const struct seccomp_data *data, int file)
{
	unsigned int type = data->args[3] & MAP_TYPE;
	int mode = fcntl(file, F_GETFL) & O_ACCMODE;

	if (!data->args[1] || !type || type > MAP_SHARED_VALIDATE || mode == O_WRONLY)
		return false;
	return type == MAP_PRIVATE || !(data->args[2] & PROT_WRITE) || mode == O_RDWR;
}

static bool may_add(struct caller *caller, const struct seccomp_data *data)
{
	struct epoll_event event;
	struct iovec local = { &event, sizeof(event) };
	struct iovec remote = { (void *)(uintptr_t)data->args[3], sizeof(event) };

	return borrow(caller, (int)data->args[0]) >= 0 &&
	       process_vm_readv(caller->tid, &local, 1, &remote, 1, 0) == sizeof(event);
}

/* For a file of ours. The server answers and traces it. */
static int plain(struct caller *caller, const struct seccomp_data *data, int nr)
{
	struct iof_run_plain plain = { .nr = nr };

	for (int i = 0; i < 6; i++)
		plain.args[i] = data->args[i];
	if ((nr == SYS_epoll_ctl && !may_add(caller, data)) ||
	    (nr == SYS_mmap && !may_map(data, caller->file)))
		plain.early = CONTINUE;
	caller->call.cmd = IOF_RUN_CMD_PLAIN;
	caller->call.size = sizeof(plain);
	memcpy(caller->call.data, &plain, sizeof(plain));
	return serve(caller, caller->file);
}

/* ---- stat ---- */

bool iof_run_node_number(uint64_t node, unsigned int *major, unsigned int *minor)
{
	if (node == IOF_RUN_NODE_IOMMU || node == IOF_RUN_NODE_CONTAINER) {
		*major = IOF_RUN_MISC_MAJOR;
		*minor = node == IOF_RUN_NODE_IOMMU ? IOF_RUN_IOMMU_MINOR : IOF_RUN_VFIO_MINOR;
		return true;
	}
	if (node >= IOF_RUN_NODE_GROUP && node < IOF_RUN_NODE_GROUP + IOF_RUN_MAX_DEVICES) {
		*major = IOF_RUN_GROUP_MAJOR;
		*minor = (unsigned int)(node - IOF_RUN_NODE_GROUP);
		return true;
	}
	if (node < IOF_RUN_NODE_VFIO || node >= IOF_RUN_NODE_VFIO + IOF_RUN_MAX_DEVICES)
		return false;
	*major = IOF_RUN_DEV_MAJOR;
	*minor = (unsigned int)(node - IOF_RUN_NODE_VFIO);
	return true;
}

/* Resolves the path as the caller does. Returns true if it leads to a file of ours. */
static bool stat_path(struct caller *caller, int dir, const char *path, int flags,
		      unsigned int mask, struct statx *st)
{
	return !iof_run_stat_at(caller->tid, dir, path, flags, mask, st) &&
	       makedev(st->stx_dev_major, st->stx_dev_minor) == caller->broker->dev;
}

/* Finds the file without asking a file system for its attributes. Returns true if it is ours. */
static bool look_up(struct caller *caller, const struct iof_run_stat *call, char *path, int *fd)
{
	int follow = call->flags & AT_SYMLINK_NOFOLLOW;
	struct statx st;

	path[0] = 0;
	*fd = call->fd;
	if (call->path && !iof_run_stat_path(caller->tid, call->path, path))
		return false;
	if (!path[0] && !(call->flags & AT_EMPTY_PATH))
		return false;
	if (!follow && iof_run_stat_names_fd(path, fd))
		path[0] = 0;
	if (path[0] && (path[0] == '/' || *fd == AT_FDCWD)) {
		*fd = -1;
	} else {
		if (*fd < 0)
			return false;
		caller->pidfd = open_caller(caller);
		*fd = caller->pidfd < 0 ? -1 : borrow(caller, *fd);
		if (*fd < 0)
			return false;
	}
	if (!path[0])
		return is_ours(caller->broker, *fd);
	return stat_path(caller, *fd, path, follow | AT_STATX_DONT_SYNC, 0, &st);
}

/* Takes the kernel's answer for a device node of ours, and makes it that for a character device. */
static int stat_node(struct caller *caller, const struct iof_run_stat *call)
{
	int flags = call->flags & (AT_SYMLINK_NOFOLLOW | AT_STATX_SYNC_TYPE);
	struct statx st;
	char path[PATH_MAX];
	int fd, rc;

	if (!look_up(caller, call, path, &fd))
		return CONTINUE;
	if (path[0] ? !stat_path(caller, fd, path, flags, call->mask, &st) :
		      statx(fd, "", flags | AT_EMPTY_PATH, call->mask, &st))
		return CONTINUE;
	if (!iof_run_node_number(st.stx_ino, &st.stx_rdev_major, &st.stx_rdev_minor))
		return CONTINUE;
	st.stx_mode = (uint16_t)(S_IFCHR | (st.stx_mode & 07777));
	st.stx_size = 0;
	st.stx_blocks = 0;
	_Static_assert(IOF_RUN_STAT_SIZE <= IOF_RUN_DATA, "room for the result");
	caller->call.size = (uint32_t)iof_run_stat_fill(call, &st, (char *)caller->call.data);
	caller->arg = (void *)(uintptr_t)call->out;
	rc = move(caller, true);
	iof_run_stat_note(caller->broker->run, call, caller->tid, st.stx_ino, rc);
	return rc;
}

/* A path may wait for the program, in its memory and in its file systems. */
static int stat_bounded(struct caller *caller, const struct iof_run_stat *call)
{
	int *waiting = &caller->broker->waiting, rc = CONTINUE;

	if (!call->path)
		return stat_node(caller, call);
	if (__atomic_add_fetch(waiting, 1, __ATOMIC_RELAXED) <= MAX_WAITING)
		rc = stat_node(caller, call);
	__atomic_sub_fetch(waiting, 1, __ATOMIC_RELAXED);
	return rc;
}

/* Is the call an ioctl? Of a 32-bit program no other call arrives here. */
static bool is_ioctl(const struct seccomp_data *data)
{
	return data->arch != IOF_RUN_NATIVE_ARCH || data->nr == SYS_ioctl;
}

/*
 * Returns the descriptor that the call is about; -1 if the arguments differ from those that the
 * filter saw.
 */
static int about(const struct seccomp_data *data)
{
	if (is_ioctl(data))
		return (int)data->args[0];
	switch (data->nr) {
	case SYS_mmap:
		return (int)data->args[4];
	case SYS_epoll_ctl:
		return (int)data->args[2];
	case SYS_read:
	case SYS_write: /* the filter saw only the low half of the count */
		return data->args[2] ? -1 : (int)data->args[0];
	case SYS_lseek:
		return data->args[1] ? -1 : (int)data->args[0];
	}
	return (int)data->args[0];
}

/* Does the command make or take descriptors? FUSE itself answers the other trapped commands. */
static bool makes_or_takes(uint32_t cmd)
{
	switch (cmd) {
	case IOMMU_FAULT_QUEUE_ALLOC:
	case IOMMU_TEST_CMD:
	case VFIO_DEVICE_BIND_IOMMUFD:
	case VFIO_DEVICE_SET_IRQS:
	case VFIO_GROUP_SET_CONTAINER:
	case VFIO_GROUP_GET_DEVICE_FD:
		return true;
	}
	return false;
}

static int handle(struct caller *caller, const struct seccomp_notif *notif)
{
	struct iof_run_stat stat;
	int rc;

	caller->pidfd = -1;
	if (iof_run_stat_parse(&notif->data, &stat))
		return stat_bounded(caller, &stat);
	if (is_ioctl(&notif->data) && caller->call.cmd == IOMMU_TEST_CMD && !makes_access(caller))
		return CONTINUE;
	if (is_ioctl(&notif->data) &&
	    (caller->call.cmd == KVM_SET_DEVICE_ATTR || caller->call.cmd == KVM_HAS_DEVICE_ATTR))
		return kvm_attribute(caller, (int)notif->data.args[0]);
	caller->pidfd = open_caller(caller);
	if (caller->pidfd < 0)
		return CONTINUE;
	rc = borrow(caller, about(&notif->data));
	caller->file = rc;
	if (rc < 0 || !is_ours(caller->broker, caller->file))
		return CONTINUE; /* the kernel returns the error for a bad structure */
	if (!is_ioctl(&notif->data))
		return plain(caller, &notif->data, notif->data.nr);
	if (!makes_or_takes(caller->call.cmd))
		return plain(caller, &notif->data, SYS_ioctl);
	if (caller->call.cmd == VFIO_GROUP_SET_CONTAINER)
		return set_container(caller);
	if (caller->call.cmd == VFIO_GROUP_GET_DEVICE_FD)
		return get_device_fd(caller);
	rc = fetch(caller);
	if (rc)
		return rc;
	switch (caller->call.cmd) {
	case IOMMU_FAULT_QUEUE_ALLOC:
		return making(caller, offsetof(struct iommu_fault_alloc, out_fault_fd));
	case VFIO_DEVICE_BIND_IOMMUFD:
		return bind_device(caller);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(caller);
	case IOMMU_TEST_CMD:
		/* The program changed the structure since makes_access() read it. */
		if (!has(caller, offsetof(struct iommu_test_cmd, op)) ||
		    get(caller, offsetof(struct iommu_test_cmd, op)) != IOMMU_TEST_OP_CREATE_ACCESS)
			return CONTINUE;
		return making(caller, offsetof(struct iommu_test_cmd, create_access.out_access_fd));
	}
	return CONTINUE;
}

/*
 * Waits for a call. Returns false if no more will come: the last caller is gone. Called with the
 * turn: the kernel wakes all threads that wait for a call.
 */
static bool receive(const struct broker *broker, struct seccomp_notif *notif)
{
	struct pollfd gone = { .fd = broker->listener };

	for (;;) {
		memset(notif, 0, sizeof(*notif));
		if (!ioctl(broker->listener, SECCOMP_IOCTL_NOTIF_RECV, notif))
			return true;
		/* ENOENT: the caller is gone */
		if (errno != EINTR &&
		    (errno != ENOENT || poll(&gone, 1, 0) < 0 || gone.revents & POLLHUP))
			return false;
	}
}

/* Executes the call, and answers it. */
static void serve_call(struct caller *caller, const struct seccomp_notif *notif)
{
	struct seccomp_notif_resp answer = { .id = notif->id };
	int rc;

	memset(caller, 0, offsetof(struct caller, call));
	memset(&caller->call, 0, offsetof(struct iof_run_call, data));
	caller->nr_borrowed = 0;
	caller->broker = &broker;
	caller->id = notif->id;
	caller->tid = (pid_t)notif->pid;
	caller->arg = (void *)(uintptr_t)notif->data.args[2];
	caller->call.cmd = (uint32_t)notif->data.args[1];
	rc = handle(caller, notif);
	while (caller->nr_borrowed)
		close(caller->borrowed[--caller->nr_borrowed]);
	if (caller->pidfd >= 0)
		close(caller->pidfd);
	if (rc == CONTINUE)
		answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else
		answer.error = rc < 0 ? rc : 0;
	if (!rc)
		answer.val = caller->result;
	ioctl(broker.listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void *work(void *arg)
{
	struct caller *caller = malloc(sizeof(*caller));
	struct iof_run_turn turn;
	struct seccomp_notif notif;
	bool mine = false;

	(void)arg;
	iof_run_stat_thread(broker.run);
	if (!caller)
		iof_run_die(broker.run, "out of memory");
	for (;;) {
		if (!mine)
			iof_run_turn_take();
		if (!receive(&broker, &notif))
			break;
		iof_run_turn_begin(&turn, notif.pid);
		serve_call(caller, &notif);
		mine = iof_run_turn_end(&turn);
	}
	iof_run_turn_give(); /* the others find the same */
	free(caller);
	return NULL;
}

/* ---- starting ---- */

static pid_t start_keeper(struct iof_run *run, int sockets[2])
{
	pid_t keeper = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL,
				      NULL, NULL);

	if (!keeper) {
		close(sockets[0]);
		close(run->tree);
		iof_run_keeper(run, sockets[1]);
	}
	return keeper;
}

void iof_run_broker(struct iof_run *run)
{
	uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
	struct stat st;
	pthread_t thread;
	int sockets[2];
	pid_t keeper;

	if (fstat(run->tree, &st))
		iof_run_die(run, "the FUSE file system cannot be reached: %s", strerror(errno));
	broker.run = run;
	broker.dev = st.st_dev;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		iof_run_die(run, "a socket cannot be created: %s", strerror(errno));
	keeper = start_keeper(run, sockets);
	if (keeper < 0)
		iof_run_die(run, "a PID namespace cannot be created: %s", strerror(errno));
	close(sockets[1]);
	setsid();
	(void)iof_run_receive(sockets[0], &broker.listener);
	if (broker.listener < 0)
		_exit(IOF_RUN_EXIT_OURS); /* the program's process has reported the reason */
	ioctl(broker.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
	iof_run_stat_init();
	iof_run_turn_start(run, broker.listener, work, false);
	if (pthread_create(&thread, NULL, work, NULL) || pthread_detach(thread))
		iof_run_die(run, "a thread cannot be started");
	if (write(sockets[0], "", 1) != 1)
		_exit(IOF_RUN_EXIT_OURS);
	close(sockets[0]);
	while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
		;
	_exit(0);
}
