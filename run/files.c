// SPDX-License-Identifier: MIT
/*
 * files.c - operations on files: each open file of the program is one of the embedded system's.
 *
 * The server executes an ioctl as the caller: its pointers refer to the caller's memory. Reads and
 * writes use buffers of the server, since FUSE has carried the data. Commands that make descriptors
 * come from the broker only, together with their structure; from elsewhere they are unknown
 * commands.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

#include "lines.h"
#include "server.h"
#include "shim/sys.h"
#include "trap.h"

/*
 * States of a file that io_uring may read; to io_uring a FUSE file is a regular file. Before it
 * reads, it polls with a mask of its own. The server answers this poll "readable", so that io_uring
 * reads at once and gets the read's error now instead of with the next fault. If there is no error
 * and no data, the read returns that. io_uring then waits with another mask, which differs from
 * those of other pollers: it has no POLLHUP. After a read that got less than its buffer holds,
 * io_uring waits, and reads again until a read returns nothing. The server answers that wait
 * "readable", and the next read returns nothing.
 */
#define URING_LOOKS POLLIN
#define URING_WAITS (POLLIN | POLLRDNORM | POLLPRI | POLLERR)

enum uring {
	URING_NO,
	URING_ARMED, /* the next read may be io_uring's */
	URING_SHORT, /* the last read was io_uring's, and got less than its buffer holds */
	URING_END,   /* io_uring's next read returns nothing */
};

struct iof_run_file {
	int fd; /* descriptor of the embedded system */
	enum iof_run_file_kind kind;
	enum uring uring;	   /* atomic: state of io_uring's reads */
	unsigned int device;	   /* number of the device, of VFIO nodes */
	struct iof_run_made *made; /* the file that a call made, or NULL */
	char name[24];		   /* name of the file for --trace */
	/* next descriptor of the same bound ATS device; its bar's lock */
	struct iof_run_file *next_owner;
};

/*
 * The memory of an ATS test device as programs map it: pages of our file in the page cache. The
 * kernel reads them from here and writes them back here. The registers at its beginning are the
 * device's. The broker maps the same page, and reports a write to a register (bar.c).
 */
#define BAR_SIZE 4096u
#define BAR_REGS 16u /* 64 bits of address, 32 bits of command */
#define BAR_CMD	 8u
#define BAR_RUN	 1u

struct bar_owner {
	pthread_mutex_t lock;
	struct iof_run_file *owners; /* those that have the device: one, or some of its group's */
	int owner;		     /* descriptor of the first of them, or -1 */
	uint8_t memory[BAR_SIZE];
};

static struct {
	struct iof_run *run;
	struct iof_plat_space *space;
	int broker; /* pidfd of the broker */
	bool map_direct;
	struct bar_owner bars[IOF_RUN_MAX_DEVICES];
} files = { .broker = -1 };

void iof_run_files_init(struct iof_run *run, struct iof_plat_space *space, pid_t broker)
{
	files.run = run;
	files.space = space;
	for (unsigned int i = 0; i < IOF_RUN_MAX_DEVICES; i++) {
		pthread_mutex_init(&files.bars[i].lock, NULL);
		files.bars[i].owner = -1;
	}
	files.broker = (int)syscall(SYS_pidfd_open, broker, 0);
	if (files.broker < 0)
		iof_run_die(run, "pidfd_open is missing (%s); it needs Linux 5.10 or later",
			    strerror(errno));
}

void iof_run_files_map_direct(bool direct)
{
	files.map_direct = direct;
}

bool iof_run_any_maps(void)
{
	for (unsigned int i = 0; i < files.run->config->nr_devices; i++)
		if (iof_run_node_maps(IOF_RUN_NODE_VFIO + i))
			return true;
	return false;
}

bool iof_run_node_maps(uint64_t node)
{
	return node >= IOF_RUN_NODE_VFIO &&
	       node < IOF_RUN_NODE_VFIO + (uint64_t)files.run->config->nr_devices &&
	       files.run->config->devices[node - IOF_RUN_NODE_VFIO].kind == IOF_RUN_ATS_TEST;
}

/* ---- names ---- */

int iof_run_file_find(const char *name, uint64_t *node)
{
	unsigned int number;
	char end;

	if (!strcmp(name, "iommu") || !strcmp(name, "container")) {
		*node = *name == 'i' ? IOF_RUN_NODE_IOMMU : IOF_RUN_NODE_CONTAINER;
		return 0;
	}
	if (sscanf(name, "vfio%u%c", &number, &end) == 1 &&
	    number < files.run->config->nr_devices) {
		*node = IOF_RUN_NODE_VFIO + number;
		return 0;
	}
	if (sscanf(name, "group%u%c", &number, &end) == 1 &&
	    number < files.run->config->nr_devices) {
		*node = IOF_RUN_NODE_GROUP + (uint64_t)number;
		return 0;
	}
	if (sscanf(name, "q%u%c", &number, &end) == 1) {
		*node = IOF_RUN_NODE_MADE + (uint64_t)number;
		return 0;
	}
	return -ENOENT;
}

/* ---- open and release ---- */

static int open_made(struct iof_run_file *file, uint64_t node)
{
	struct iof_run_made *made = iof_run_made_take((unsigned int)(node - IOF_RUN_NODE_MADE));

	if (!made)
		return -ENOENT;
	file->fd = made->fd;
	file->kind = made->kind;
	file->made = made;
	/* only a poll needs the eventfd behind the descriptor (wake.c) */
	if (file->kind == IOF_RUN_KIND_QUEUE)
		iof_sys_set_readiness(file->fd, false);
	iof_run_made_name(made->name, file->name);
	return 0;
}

static int open_node(struct iof_run_file *file, uint64_t node, int flags, uint32_t pid)
{
	unsigned int number;
	bool act = false;
	char path[48];
	int rc = 0;

	if (node == IOF_RUN_NODE_IOMMU || node == IOF_RUN_NODE_CONTAINER) {
		bool iommu = node == IOF_RUN_NODE_IOMMU;

		file->kind = IOF_RUN_KIND_IOMMU;
		snprintf(file->name, sizeof(file->name), iommu ? "iommu" : "container");
		snprintf(path, sizeof(path), iommu ? "iommu" : "vfio/vfio");
	} else if (node >= IOF_RUN_NODE_GROUP) {
		number = (unsigned int)(node - IOF_RUN_NODE_GROUP);
		file->kind = IOF_RUN_KIND_GROUP;
		snprintf(file->name, sizeof(file->name), "group %u",
			 files.run->first_group + number);
		snprintf(path, sizeof(path), "vfio/%u", number);
	} else {
		number = (unsigned int)(node - IOF_RUN_NODE_VFIO);
		file->kind = iof_run_node_maps(node) ? IOF_RUN_KIND_ATS : IOF_RUN_KIND_VFIO;
		file->device = number;
		/* The caller's capabilities count. */
		act = pid && files.run->config->devices[number].no_iommu;
		snprintf(file->name, sizeof(file->name), "vfio%u", number);
		snprintf(path, sizeof(path), "vfio/devices/vfio%u", number);
	}
	if (act)
		rc = iof_sys_act_for((pid_t)pid);
	if (!rc)
		file->fd = iof_sys_open(files.space, path, flags & (O_ACCMODE | O_NONBLOCK));
	if (act)
		iof_sys_act_for(0);
	return rc ?: file->fd < 0 ? file->fd : 0;
}

int iof_run_file_open(uint64_t node, int flags, uint32_t pid, struct iof_run_file **out,
		      uint32_t *open_flags)
{
	struct iof_run_file *file = calloc(1, sizeof(*file));
	int rc;

	if (!file)
		return -ENOMEM;
	rc = node >= IOF_RUN_NODE_MADE ? open_made(file, node) : open_node(file, node, flags, pid);
	iof_run_count(IOF_RUN_COUNT_OPEN, 1);
	iof_run_trace_call(pid, file->name, "open", rc);
	if (rc) {
		free(file);
		return rc;
	}
	*open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH | FOPEN_PARALLEL_DIRECT_WRITES;
	if (file->kind == IOF_RUN_KIND_ATS)
		*open_flags = FOPEN_NOFLUSH | FOPEN_KEEP_CACHE |
			      (files.map_direct ? FOPEN_DIRECT_IO : 0);
	/*
	 * Open the file without a position, and so without a lock on it. FUSE has no file with
	 * pread(2) and without lseek(2), and the nodes have pread(2).
	 */
	if (file->kind == IOF_RUN_KIND_QUEUE || file->kind == IOF_RUN_KIND_OTHER)
		*open_flags |= FOPEN_NONSEEKABLE | FOPEN_STREAM;
	*out = file;
	return 0;
}

/* The file has the device from now on. */
static void own_bar(struct iof_run_file *file)
{
	struct bar_owner *bar = &files.bars[file->device];

	pthread_mutex_lock(&bar->lock);
	if (!bar->owners)
		memset(bar->memory, 0, sizeof(bar->memory));
	file->next_owner = bar->owners;
	bar->owners = file;
	bar->owner = file->fd;
	pthread_mutex_unlock(&bar->lock);
}

static void disown_bar(struct iof_run_file *file)
{
	struct bar_owner *bar = &files.bars[file->device];
	struct iof_run_file **at;

	pthread_mutex_lock(&bar->lock);
	for (at = &bar->owners; *at && *at != file; at = &(*at)->next_owner)
		;
	if (*at)
		*at = file->next_owner;
	bar->owner = bar->owners ? bar->owners->fd : -1;
	pthread_mutex_unlock(&bar->lock);
}

void iof_run_file_release(struct iof_run_file *file)
{
	iof_run_work_for(0, NULL);
	iof_run_wake_forget(file->fd);
	if (file->kind == IOF_RUN_KIND_ATS)
		disown_bar(file);
	if (file->made)
		iof_run_made_put(file->made, true);
	else
		iof_sys_close(file->fd);
	iof_run_trace_close(file->name);
	free(file);
}

/* ---- ioctls ---- */

/*
 * Is the command valid only from the broker? It is valid from others, too, if its structure names
 * no descriptor.
 */
static bool brokered_only(uint32_t cmd, const struct iof_run_file *file)
{
	switch (cmd) {
	case IOMMU_FAULT_QUEUE_ALLOC:
		return file->kind == IOF_RUN_KIND_IOMMU;
	case VFIO_DEVICE_BIND_IOMMUFD:
		return file->kind == IOF_RUN_KIND_VFIO || file->kind == IOF_RUN_KIND_ATS;
	case VFIO_GROUP_SET_CONTAINER:
	case VFIO_GROUP_GET_DEVICE_FD:
		return file->kind == IOF_RUN_KIND_GROUP;
	}
	return false;
}

/*
 * Number of bytes of a caller's structure that are read at once; few structures are longer. Another
 * thread of the program may change it at any time. So the embedded system gets the same bytes that
 * a decision here was based on.
 */
#define AHEAD 128
/* A test command with a smaller structure gets an error for its size, before others. */
#define TEST_CMD_MIN (offsetof(struct iommu_test_cmd, last) + sizeof(uint32_t))

struct ahead {
	size_t size;	/* number of valid bytes; 0: none could be read */
	uint32_t given; /* size that the structure says it has; UINT32_MAX: it could not be read */
	union {
		uint32_t word[AHEAD / 4]; /* word[0] is the size of the structure */
		struct iommu_test_cmd test;
	} own;
};

/*
 * Reads a structure that begins with its size, up to AHEAD bytes. Reads at least @least bytes, even
 * if the size is smaller.
 */
static void look_ahead(struct ahead *ahead, void *user, size_t least)
{
	bool whole = AHEAD <= 4096 - (uintptr_t)user % 4096 &&
		     !iof_sys_peek(&ahead->own, user, AHEAD);
	uint32_t size = ahead->own.word[0];

	ahead->size = 0;
	ahead->given = UINT32_MAX;
	if (!whole && iof_sys_peek(&size, user, sizeof(size)))
		return;
	ahead->given = size;
	ahead->size = size < sizeof(size) ? sizeof(size) : size < AHEAD ? size : AHEAD;
	if (!whole && iof_sys_peek(&ahead->own, user, ahead->size)) {
		ahead->size = ahead->size > least ? least : 0;
		if (!ahead->size || iof_sys_peek(&ahead->own, user, ahead->size)) {
			ahead->size = 0;
			return;
		}
	}
	ahead->own.word[0] = size;
	iof_sys_act_ahead(user, &ahead->own, ahead->size);
}

/*
 * Does the structure name eventfds? Without them the command comes here directly, and no number can
 * be misread.
 */
static bool names_eventfds(const struct ahead *ahead)
{
	return ahead->size >= 8 && ahead->own.word[1] & VFIO_IRQ_SET_DATA_EVENTFD;
}

static struct statx node;

static void find_node(void)
{
	statx(AT_FDCWD, "/dev/iommu", AT_STATX_DONT_SYNC, STATX_INO, &node);
}

/*
 * Returns the file of the caller's descriptor @fd, held for the call. Reads its name from /proc: a
 * call on the file itself would come back to this server.
 */
static struct iof_run_made *made_of(uint32_t pid, int fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct statx st;
	char path[48];

	pthread_once(&once, find_node);
	snprintf(path, sizeof(path), "/proc/%u/fd/%d", pid, fd);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &st) ||
	    st.stx_dev_major != node.stx_dev_major || st.stx_dev_minor != node.stx_dev_minor ||
	    st.stx_ino <= IOF_RUN_NODE_MADE)
		return NULL;
	return iof_run_made_hold((unsigned int)(st.stx_ino - IOF_RUN_NODE_MADE));
}

/* Executes a test command on an access that the caller's descriptor names. */
static long test_access(struct iof_run_file *file, struct ahead *ahead, void *user, uint32_t pid)
{
	uint32_t given = ahead->own.test.id;
	struct iof_run_made *made = made_of(pid, (int)given);
	int rc;

	ahead->own.test.id = made ? (uint32_t)made->fd : UINT32_MAX;
	iof_sys_act_with(user, &ahead->own, ahead->size);
	rc = (int)iof_sys_ioctl(file->fd, IOMMU_TEST_CMD, user);
	if (made)
		iof_run_made_put(made, false);
	if (rc)
		return rc;
	ahead->own.test.id = given;
	iof_sys_act_with(NULL, NULL, 0);
	return iof_sys_poke(user, &ahead->own, ahead->size);
}

static long test_call(struct iof_run_file *file, struct ahead *ahead, void *user, uint32_t pid)
{
	/* A smaller structure gets an error for its size. */
	if (ahead->size >= offsetof(struct iommu_test_cmd, __reserved)) {
		switch (ahead->own.test.op) {
		case IOMMU_TEST_OP_CREATE_ACCESS:
			return -ENOTTY;
		case IOMMU_TEST_OP_DESTROY_ACCESS_PAGES:
		case IOMMU_TEST_OP_ACCESS_PAGES:
		case IOMMU_TEST_OP_ACCESS_RW:
		case IOMMU_TEST_OP_ACCESS_REPLACE_IOAS:
			return test_access(file, ahead, user, pid);
		}
	}
	return iof_sys_ioctl(file->fd, IOMMU_TEST_CMD, user);
}

/* Reports the region as mappable: the embedded system has no mappable memory, but this file has. */
static void say_it_maps(void *user)
{
	struct vfio_region_info info;

	if (iof_sys_peek(&info, user, offsetof(struct vfio_region_info, cap_offset)) ||
	    info.index != VFIO_PCI_BAR0_REGION_INDEX)
		return;
	info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
	iof_sys_poke(user, &info, offsetof(struct vfio_region_info, cap_offset));
}

/* Executes the command as the caller; @user is the caller's pointer, or a number. */
static long direct_call(struct iof_run_file *file, uint32_t cmd, void *user, uint32_t pid)
{
	size_t room = 4096 - (uintptr_t)user % 4096;
	struct ahead ahead;
	long rc;

	if (cmd == IOMMU_TEST_CMD || cmd == VFIO_DEVICE_SET_IRQS) {
		/* SET_IRQS may give a size larger than the structure */
		look_ahead(&ahead, user,
			   cmd == VFIO_DEVICE_SET_IRQS ? offsetof(struct vfio_irq_set, data) : 0);
		if (!ahead.size)
			return cmd == IOMMU_TEST_CMD && ahead.given < TEST_CMD_MIN ? -EINVAL :
										     -EFAULT;
		if (cmd == IOMMU_TEST_CMD)
			return test_call(file, &ahead, user, pid);
		if (names_eventfds(&ahead))
			return -ENOTTY;
		return iof_sys_ioctl(file->fd, cmd, user);
	}
	/* stay within a page: the next page may be absent, or fault for long */
	if (room > sizeof(ahead.own))
		room = sizeof(ahead.own);
	if (!iof_sys_peek(&ahead.own, user, room))
		iof_sys_act_ahead(user, &ahead.own, room);
	rc = iof_sys_ioctl(file->fd, cmd, user);
	if (!rc && file->kind == IOF_RUN_KIND_ATS && cmd == VFIO_DEVICE_GET_REGION_INFO)
		say_it_maps(user);
	return rc;
}

long iof_run_file_ioctl(struct iof_run_file *file, uint32_t cmd, uint64_t arg, uint32_t pid)
{
	struct iof_run_shown shown = { 0 };
	long rc;

	iof_run_count(IOF_RUN_COUNT_IOCTL, 1);
	iof_run_work_for(pid, NULL);
	if (brokered_only(cmd, file) || !pid) {
		rc = -ENOTTY;
	} else {
		rc = iof_sys_act_for((pid_t)pid);
		if (!rc)
			rc = direct_call(file, cmd, (void *)(uintptr_t)arg, pid);
		if (iof_run_tracing)
			iof_run_show(&shown, cmd, (const void *)(uintptr_t)arg);
		iof_sys_act_for(0);
		iof_run_explain(pid, rc);
		iof_run_wake_settle();
	}
	iof_run_trace_command(pid, file->name, cmd, arg, shown.data, shown.size, rc);
	return rc;
}

/* Duplicates the broker's descriptors that the structure names. *nr: the number of duplicates. */
static int adopt(struct iof_run_call *call, uint32_t *nr)
{
	int fd, rc;

	for (*nr = 0; *nr < call->nr_fds; ++*nr) {
		uint8_t *at = call->data + call->fds_at + 4 * *nr;

		memcpy(&fd, at, sizeof(fd));
		if (fd < 0)
			continue;
		rc = (int)syscall(SYS_pidfd_getfd, files.broker, fd, 0);
		if (rc < 0)
			return -errno;
		memcpy(at, &rc, sizeof(rc));
	}
	return 0;
}

static void disown(struct iof_run_call *call, uint32_t nr)
{
	int fd;

	for (uint32_t i = 0; i < nr; i++) {
		memcpy(&fd, call->data + call->fds_at + 4 * i, sizeof(fd));
		if (fd >= 0)
			close(fd);
	}
}

static int run_call(struct iof_run_file *file, struct iof_run_call *call)
{
	uint32_t adopted = 0, id = 0;
	long rc;
	int fd;

	if (call->size > sizeof(call->data) || call->made_at > sizeof(call->data) - 4 ||
	    (call->nr_fds && (call->nr_fds > 16 || call->fds_at > sizeof(call->data) - 64)))
		return -EINVAL;
	rc = adopt(call, &adopted);
	if (!rc)
		rc = iof_sys_act_for(call->tid);
	if (!rc) {
		void *arg = (void *)(uintptr_t)call->arg;

		iof_sys_act_with(arg, call->data, call->size);
		rc = iof_sys_ioctl(file->fd, call->cmd, arg);
	}
	iof_sys_act_for(0);
	disown(call, adopted);
	if (rc >= 0 && file->kind == IOF_RUN_KIND_GROUP && call->cmd == VFIO_GROUP_GET_DEVICE_FD)
		fd = (int)rc; /* the one command that returns it */
	else if (rc || !call->made_at)
		return (int)rc;
	else
		memcpy(&fd, call->data + call->made_at, sizeof(fd));
	if (call->cmd == IOMMU_FAULT_QUEUE_ALLOC)
		memcpy(&id, call->data + offsetof(struct iommu_fault_alloc, out_fault_id),
		       sizeof(id));
	call->made = iof_run_made_add(
		fd, call->cmd == IOMMU_FAULT_QUEUE_ALLOC ? IOF_RUN_KIND_QUEUE : IOF_RUN_KIND_OTHER,
		id);
	if (!call->made) {
		iof_sys_close(fd);
		return -ENOMEM;
	}
	return 0;
}

/*
 * The broker opened the node for a descriptor that a group has made, and no process has this file
 * yet.
 */
static int become(struct iof_run_file *file, unsigned int name)
{
	struct iof_run_made *made;

	if (file->kind != IOF_RUN_KIND_VFIO && file->kind != IOF_RUN_KIND_ATS)
		return -EINVAL;
	made = iof_run_made_take(name);
	if (!made)
		return -ENOENT;
	iof_sys_close(file->fd);
	file->fd = made->fd;
	file->made = made;
	if (file->kind == IOF_RUN_KIND_ATS)
		own_bar(file);
	return 0;
}

/* Executes the broker's report of the registers in memory. */
static int call_bar(struct iof_run_file *file, struct iof_run_call *call)
{
	struct bar_owner *bar = &files.bars[file->device];
	uint8_t regs[BAR_REGS] = { 0 };
	struct iof_run_bar ask;
	int rc = -ENODEV;

	if (file->kind != IOF_RUN_KIND_ATS)
		return -EINVAL;
	memcpy(&ask, call->data, sizeof(ask));
	pthread_mutex_lock(&bar->lock);
	if (bar->owner >= 0) {
		memcpy(regs, &ask.addr, sizeof(ask.addr));
		memcpy(regs + BAR_CMD, &ask.cmd, sizeof(ask.cmd));
		rc = 0;
		if (ask.start && iof_sys_pwrite(bar->owner, regs, sizeof(regs), 0) < 0)
			rc = -ENODEV;
		if (!rc && iof_sys_pread(bar->owner, regs, sizeof(regs), 0) < 0)
			rc = -ENODEV;
	}
	pthread_mutex_unlock(&bar->lock);
	memcpy(&ask.cmd, regs + BAR_CMD, sizeof(ask.cmd));
	memcpy(call->data, &ask, sizeof(ask));
	if (ask.start)
		iof_run_trace_transfer(file->name, ask.addr, rc);
	return rc;
}

static enum iof_run_plain_kind kind_of(const struct iof_run_file *file)
{
	if (file->kind == IOF_RUN_KIND_ATS)
		return IOF_RUN_PLAIN_MAPS;
	return file->kind == IOF_RUN_KIND_IOMMU || file->kind == IOF_RUN_KIND_GROUP ||
			       file->kind == IOF_RUN_KIND_OTHER ?
		       IOF_RUN_PLAIN_NO_POLL :
		       IOF_RUN_PLAIN_POLL;
}

/* The structure has numbers of the server in place of the caller's descriptors. */
static void trace_brokered(const struct iof_run_file *file, struct iof_run_call *call)
{
	char data[128];
	size_t size = call->size < sizeof(data) ? call->size : sizeof(data);
	struct vfio_device_bind_iommufd *bind = (void *)data;

	memcpy(data, call->data, size);
	if (call->cmd == VFIO_DEVICE_BIND_IOMMUFD && size >= offsetof(typeof(*bind), out_devid))
		bind->iommufd = call->given;
	iof_run_trace_command((uint32_t)call->tid, file->name, call->cmd, call->arg, data, size,
			      call->result);
}

void iof_run_file_call(struct iof_run_file *file, struct iof_run_call *call)
{
	call->file = (uint32_t)file->fd;
	call->result = 0;
	if (call->cmd == IOF_RUN_CMD_DROP) {
		struct iof_run_made *made = iof_run_made_take(call->made);

		if (made)
			iof_run_made_put(made, true);
		return;
	}
	if (call->cmd == IOF_RUN_CMD_BECOME) {
		call->result = become(file, call->made);
		return;
	}
	call->made = 0;
	if (call->cmd == IOF_RUN_CMD_WHICH)
		return;
	if (call->cmd == IOF_RUN_CMD_BAR) {
		call->result = call_bar(file, call);
		return;
	}
	iof_run_work_for((uint32_t)call->tid, NULL);
	if (call->cmd == IOF_RUN_CMD_PLAIN) {
		call->result =
			(int32_t)iof_run_plain_call(file->name, file->fd, kind_of(file), call);
		return;
	}
	iof_run_count(IOF_RUN_COUNT_TRAPPED, 1);
	call->result = run_call(file, call);
	iof_run_explain((uint32_t)call->tid, call->result);
	if (!call->result && file->kind == IOF_RUN_KIND_ATS &&
	    call->cmd == VFIO_DEVICE_BIND_IOMMUFD)
		own_bar(file);
	if (iof_run_tracing)
		trace_brokered(file, call);
}

/* ---- reading, writing, polling ---- */

/*
 * Reads the memory of a device. A read of a whole page fills the page cache, and gets the RUN bit
 * clear. The broker starts a transfer when it finds the bit set in memory, and only a store of the
 * program may set it.
 */
static ssize_t read_bar(struct iof_run_file *file, void *buf, size_t size, size_t pos)
{
	struct bar_owner *bar = &files.bars[file->device];
	uint8_t regs[BAR_REGS];

	pthread_mutex_lock(&bar->lock);
	if (bar->owner >= 0 && iof_sys_pread(bar->owner, regs, sizeof(regs), 0) > 0) {
		if (!pos && size >= BAR_SIZE)
			regs[BAR_CMD] &= (uint8_t)~BAR_RUN;
		memcpy(bar->memory, regs, sizeof(regs));
	}
	if (size > BAR_SIZE - pos)
		size = BAR_SIZE - pos;
	memcpy(buf, bar->memory + pos, size);
	pthread_mutex_unlock(&bar->lock);
	return (ssize_t)size;
}

static ssize_t write_bar(struct iof_run_file *file, const void *buf, size_t size, size_t pos,
			 bool cached)
{
	struct bar_owner *bar = &files.bars[file->device];
	ssize_t rc = (ssize_t)size;

	if (size > BAR_SIZE - pos) {
		size = BAR_SIZE - pos;
		rc = (ssize_t)size;
	}
	pthread_mutex_lock(&bar->lock);
	memcpy(bar->memory + pos, buf, size);
	/* the broker sees stores through the cache; a read may come before its next poll */
	if (cached && bar->owner >= 0 && !pos && size >= BAR_CMD)
		iof_sys_pwrite(bar->owner, buf, BAR_CMD, 0);
	if (!cached && files.map_direct)
		rc = iof_sys_pwrite(file->fd, buf, size, (off_t)pos);
	pthread_mutex_unlock(&bar->lock);
	return rc;
}

static ssize_t read_queue(struct iof_run_file *file, void *buf, size_t size, uint32_t pid)
{
	const size_t record = sizeof(struct iommu_hwpt_pgfault);
	bool cut = size % record && iof_run_is_cut(pid, size, record);
	ssize_t got = iof_sys_read(file->fd, buf, cut ? size - size % record : size);

	/* the first group does not fit before the absent page */
	if (got == -EINVAL && (cut || iof_run_is_cut(pid, size, record)))
		return -EFAULT;
	return got;
}

static ssize_t write_queue(struct iof_run_file *file, const void *buf, size_t size, uint32_t pid)
{
	const size_t record = sizeof(struct iommu_hwpt_page_response);

	if (size % record && iof_run_is_cut(pid, size, record)) {
		size -= size % record;
		if (!size)
			return -EFAULT;
	}
	return iof_sys_write(file->fd, buf, size);
}

ssize_t iof_run_file_read(struct iof_run_file *file, void *buf, size_t size, uint64_t pos,
			  uint32_t pid)
{
	ssize_t got;

	iof_run_count(IOF_RUN_COUNT_READ, 1);
	iof_run_work_for(pid, NULL);
	if (file->kind == IOF_RUN_KIND_ATS && pos < BAR_SIZE) {
		got = read_bar(file, buf, size, (size_t)pos);
	} else if (file->kind == IOF_RUN_KIND_VFIO || file->kind == IOF_RUN_KIND_ATS) {
		got = iof_sys_pread(file->fd, buf, size, (off_t)pos);
	} else {
		enum uring uring = __atomic_exchange_n(&file->uring, URING_NO, __ATOMIC_RELAXED);

		if (uring == URING_END)
			return 0;
		/* FUSE, not the caller, has cut a longer read here */
		if (size == IOF_RUN_MAX_IO && file->kind == IOF_RUN_KIND_QUEUE)
			size -= size % sizeof(struct iommu_hwpt_pgfault);
		got = file->kind == IOF_RUN_KIND_QUEUE ? read_queue(file, buf, size, pid) :
							 iof_sys_read(file->fd, buf, size);
		if (uring == URING_ARMED && !got && file->kind == IOF_RUN_KIND_QUEUE)
			got = -EAGAIN;
		if (uring == URING_ARMED && got > 0 && (size_t)got < size)
			__atomic_store_n(&file->uring, URING_SHORT, __ATOMIC_RELAXED);
	}
	if (got > 0 && file->kind == IOF_RUN_KIND_QUEUE) {
		uint64_t records = (uint64_t)got / sizeof(struct iommu_hwpt_pgfault);

		iof_run_count(IOF_RUN_COUNT_FAULTS, records);
		iof_run_queue_read(file->made->latency, records);
	}
	iof_run_trace_move(pid, file->name, "read", size, pos, got);
	return got;
}

ssize_t iof_run_file_write(struct iof_run_file *file, const void *buf, size_t size, uint64_t pos,
			   bool cached, uint32_t pid)
{
	ssize_t done;

	iof_run_count(IOF_RUN_COUNT_WRITE, 1);
	iof_run_work_for(pid, file->made ? file->made->latency : NULL);
	if (file->kind == IOF_RUN_KIND_ATS && pos < BAR_SIZE)
		done = write_bar(file, buf, size, (size_t)pos, cached);
	else if (file->kind == IOF_RUN_KIND_VFIO || file->kind == IOF_RUN_KIND_ATS)
		done = iof_sys_pwrite(file->fd, buf, size, (off_t)pos);
	else if (file->kind == IOF_RUN_KIND_QUEUE)
		done = write_queue(file, buf, size, pid);
	else
		done = iof_sys_write(file->fd, buf, size);
	iof_run_wake_settle();
	if (done > 0 && file->kind == IOF_RUN_KIND_QUEUE)
		iof_run_count(IOF_RUN_COUNT_ANSWERS,
			      (uint64_t)done / sizeof(struct iommu_hwpt_page_response));
	if (done > 0 && file->kind == IOF_RUN_KIND_VFIO)
		iof_run_count(IOF_RUN_COUNT_DESCRIPTORS, (uint64_t)done / 64);
	iof_run_trace_move(pid, file->name, "write", size, pos, done);
	return done;
}

static uint32_t look(struct iof_run_file *file, uint32_t events, uint64_t kh, bool notify)
{
	enum uring uring = __atomic_load_n(&file->uring, __ATOMIC_RELAXED);
	bool looks;
	int ready;

	/* if other waiters poll this file, the read could be theirs */
	looks = events == URING_LOOKS && !notify && file->kind == IOF_RUN_KIND_QUEUE;
	if (events == URING_WAITS || events == URING_LOOKS) {
		if (uring == URING_SHORT && events == URING_WAITS)
			uring = URING_END;
		else if (uring != URING_END)
			uring = URING_ARMED;
		__atomic_store_n(&file->uring, uring, __ATOMIC_RELAXED);
		if (uring == URING_END || looks)
			return POLLIN | POLLRDNORM;
	}
	/* register for the wake-up first, then check readiness */
	if (notify)
		iof_run_wake_on_readable(file->fd, kh);
	ready = iof_sys_poll(file->fd, (short)(events & 0x7fff));
	if (ready < 0)
		return POLLERR;
	if (notify && events & POLLOUT && !(ready & POLLOUT))
		iof_run_wake_on_writable(file->fd, kh);
	return (uint32_t)ready;
}

uint32_t iof_run_file_poll(struct iof_run_file *file, uint32_t events, uint64_t kh, bool notify)
{
	uint32_t ready = look(file, events, kh, notify);

	iof_run_count(IOF_RUN_COUNT_POLL, 1);
	if (iof_run_tracing)
		iof_run_trace_poll(file->name, events, ready);
	return ready;
}

const char *iof_run_file_name(const struct iof_run_file *file)
{
	return file->name;
}
