// SPDX-License-Identifier: MIT
/*
 * fuse.c - the protocol of /dev/fuse: reads requests, and replies to each once.
 *
 * This file speaks the raw protocol, since libfuse 3.14 knows neither an open without a file
 * position (FOPEN_STREAM) nor DIRECT_IO_ALLOW_MMAP. One thread at a time listens (turn.c). No state
 * of a request outlives the request.
 *
 * The kernel does not wait for the reply to a RELEASE, but queues it before any later request of
 * the same thread. So a RELEASE is executed before any thread listens again, and no other thread
 * can get the turn meanwhile: for a program it has happened when close() returns.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <iofault/vfio.h>

#include "pci.h"
#include "server.h"
#include "tree.h"
#include "turn.h"

#define REQUEST_ROOM	     (IOF_RUN_MAX_IO + 65536)
#define FOREVER		     3600
#define DIRECT_IO_ALLOW_MMAP (1u << (36 - 32)) /* bit of flags2; older headers lack it */

static struct {
	struct iof_run *run;
	int fd;
	bool map_direct;
} fuse;

struct request {
	struct fuse_in_header *head;
	void *body;
	char *room; /* buffer for a long reply */
	bool answered;
	struct iof_run_turn turn;
};

/* ---- answers ---- */

static void answer(struct request *req, int error, const void *data, size_t len)
{
	struct fuse_out_header head = {
		.len = (uint32_t)(sizeof(head) + len),
		.error = error,
		.unique = req->head->unique,
	};
	struct iovec iov[] = { { &head, sizeof(head) }, { (void *)data, len } };
	ssize_t done;

	req->answered = true;
	/* ENOENT: the caller was killed and does not wait */
	done = writev(fuse.fd, iov, len ? 2 : 1);
	(void)done;
}

static void fail(struct request *req, int error)
{
	answer(req, error, NULL, 0);
}

/* ---- requests ---- */

static void do_init(struct request *req)
{
	const struct fuse_init_in *in = req->body;
	const uint32_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_PARALLEL_DIROPS |
				FUSE_MAX_PAGES | FUSE_ATOMIC_O_TRUNC;
	bool direct;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 0,
		.flags = in->flags & (wanted | FUSE_INIT_EXT),
		.max_background = 256,
		.congestion_threshold = 192,
		.max_write = IOF_RUN_MAX_IO,
		.time_gran = 1,
		.max_pages = IOF_RUN_MAX_IO / 4096,
	};

	if (in->major < FUSE_KERNEL_VERSION || (in->major == FUSE_KERNEL_VERSION && in->minor < 31))
		iof_run_die(fuse.run, "the kernel has FUSE %u.%u; 7.31 is needed (Linux 5.4)",
			    in->major, in->minor);
	/*
	 * Linux 6.6: the memory of a file with direct reads and writes can be mapped. The flag
	 * holds for all files, and fault queues must not be mapped. So the server sets it only if a
	 * node needs it.
	 */
	direct = iof_run_any_maps() && in->flags & FUSE_INIT_EXT &&
		 in->flags2 & DIRECT_IO_ALLOW_MMAP;
	if (direct)
		out.flags2 = DIRECT_IO_ALLOW_MMAP;
	/* drop_config() */
	if (iof_run_any_maps() && !direct)
		out.flags |= in->flags & FUSE_AUTO_INVAL_DATA;
	iof_run_files_map_direct(direct);
	fuse.map_direct = direct;
	answer(req, 0, &out, sizeof(out));
}

/* The page cache stands between a program and the device's registers. */
static bool is_cached(uint64_t node)
{
	return iof_run_node_maps(node) && !fuse.map_direct;
}

static void fill_attr(uint64_t node, struct fuse_attr *attr)
{
	*attr = (struct fuse_attr){
		.ino = node,
		.mode = node == IOF_RUN_NODE_ROOT ? S_IFDIR | 0755 : S_IFREG | 0666,
		.nlink = 1,
		.uid = fuse.run->uid,
		.gid = fuse.run->gid,
		.blksize = 4096,
		/*
		 * io_uring does not pass a read at the end of a file on, so that the file must be
		 * long; a 32-bit program cannot open a longer one
		 */
		.size = node == IOF_RUN_NODE_ROOT ? 0 : INT32_MAX,
	};
	if (iof_run_tree_has(node))
		iof_run_tree_attr(node, attr);
	/* the page cache reads nothing past the end */
	if (is_cached(node))
		attr->size = 1ull << 62;
}

/*
 * Drops configuration space from the page cache. With FUSE_AUTO_INVAL_DATA the kernel asks for
 * attributes before each read from the cache, so that the read sees what the function says now. BAR
 * 0 stays: its page is the device's memory. A thread that has the page locked waits for a request,
 * which another thread of ours answers.
 */
static void drop_config(struct request *req)
{
	struct fuse_notify_inval_inode_out out = {
		.ino = req->head->nodeid,
		.off = (int64_t)IOF_VFIO_REGION_OFFSET(VFIO_PCI_CONFIG_REGION_INDEX),
		.len = IOF_RUN_PCI_CONFIG,
	};
	struct fuse_out_header head = {
		.len = sizeof(head) + sizeof(out),
		.error = FUSE_NOTIFY_INVAL_INODE,
	};
	struct iovec iov[] = { { &head, sizeof(head) }, { &out, sizeof(out) } };
	ssize_t done;

	iof_run_turn_lasts(&req->turn);
	done = writev(fuse.fd, iov, 2);
	(void)done;
}

static bool is_device(uint64_t node)
{
	return node != IOF_RUN_NODE_ROOT && node < IOF_RUN_NODE_TREE;
}

static uint64_t attr_valid(uint64_t node)
{
	return is_device(node) ? 0 : FOREVER;
}

static void do_lookup(struct request *req)
{
	uint64_t parent = req->head->nodeid;
	struct fuse_entry_out out = { 0 };
	bool stays = true;
	int rc = -ENOENT;

	if (parent == IOF_RUN_NODE_ROOT)
		rc = iof_run_file_find(req->body, &out.nodeid);
	if (rc)
		rc = iof_run_tree_find(parent, req->body, &out.nodeid, &stays);
	if (rc) {
		fail(req, rc);
		return;
	}
	if (out.nodeid < IOF_RUN_NODE_MADE && stays)
		out.entry_valid = FOREVER;
	out.attr_valid = attr_valid(out.nodeid);
	fill_attr(out.nodeid, &out.attr);
	answer(req, 0, &out, sizeof(out));
}

static struct iof_run_file *file_of(uint64_t fh)
{
	return (struct iof_run_file *)(uintptr_t)fh;
}

/* A call on an open file that a character device has not. */
static void refuse(struct request *req, uint64_t fh, const char *what, int error)
{
	iof_run_plain_done(iof_run_file_name(file_of(fh)), what, req->head->pid, error);
	fail(req, error);
}

static void do_truncate(struct request *req)
{
	const struct fuse_setattr_in *in = req->body;

	if (in->valid & FATTR_FH) {
		refuse(req, in->fh, "ftruncate", -EINVAL);
		return;
	}
	iof_run_plain_done("node", "truncate", req->head->pid, -EINVAL);
	fail(req, -EINVAL);
}

static void do_getattr(struct request *req)
{
	const struct fuse_getattr_in *in = req->body;
	struct fuse_attr_out out = { .attr_valid = attr_valid(req->head->nodeid) };

	/* a request through an open file: lseek(2) looks for the end */
	if (req->head->opcode == FUSE_GETATTR && in->getattr_flags & FUSE_GETATTR_FH &&
	    is_device(req->head->nodeid) && !is_cached(req->head->nodeid)) {
		refuse(req, in->fh, "lseek", -ESPIPE);
		return;
	}
	if (is_cached(req->head->nodeid))
		drop_config(req);
	fill_attr(req->head->nodeid, &out.attr);
	answer(req, 0, &out, sizeof(out));
}

/* ---- folders, links and small files ---- */

static void do_readlink(struct request *req)
{
	const char *target = iof_run_tree_target(req->head->nodeid);

	if (target)
		answer(req, 0, target, strlen(target));
	else
		fail(req, -EINVAL);
}

static void do_opendir(struct request *req)
{
	struct fuse_open_out out = { 0 };

	answer(req, 0, &out, sizeof(out));
}

static void do_readdir(struct request *req)
{
	const struct fuse_read_in *in = req->body;
	size_t size = in->size < IOF_RUN_MAX_IO ? in->size : IOF_RUN_MAX_IO;

	answer(req, 0, req->room,
	       iof_run_tree_list(req->head->nodeid, in->offset, req->room, size));
}

static void tree_open(struct request *req)
{
	const struct fuse_open_in *in = req->body;
	struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH };
	bool owner = !req->head->uid || req->head->uid == fuse.run->uid;
	int rc = iof_run_tree_open(req->head->nodeid, (int)in->flags, owner);

	if (rc)
		fail(req, rc);
	else
		answer(req, 0, &out, sizeof(out));
}

static void tree_read(struct request *req)
{
	const struct fuse_read_in *in = req->body;
	size_t size = in->size < IOF_RUN_MAX_IO ? in->size : IOF_RUN_MAX_IO;
	ssize_t got = iof_run_tree_read(req->head->nodeid, req->room, size, in->offset);

	if (got < 0)
		fail(req, (int)got);
	else
		answer(req, 0, req->room, (size_t)got);
}

static void tree_write(struct request *req)
{
	const struct fuse_write_in *in = req->body;
	ssize_t done = iof_run_tree_write(req->head->nodeid, (const char *)(in + 1), in->size);
	struct fuse_write_out out = { .size = (uint32_t)done };

	if (done < 0)
		fail(req, (int)done);
	else
		answer(req, 0, &out, sizeof(out));
}

static void tree_ioctl(struct request *req)
{
	struct fuse_ioctl_out out = { .result = -ENOTTY };

	answer(req, 0, &out, sizeof(out));
}

static void tree_poll(struct request *req)
{
	struct fuse_poll_out out = { .revents = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM };

	answer(req, 0, &out, sizeof(out));
}

/* Returns false for a request that is the same for each kind of file. */
static bool serve_tree(struct request *req)
{
	switch (req->head->opcode) {
	case FUSE_OPEN:
		tree_open(req);
		return true;
	case FUSE_READ:
		tree_read(req);
		return true;
	case FUSE_WRITE:
		tree_write(req);
		return true;
	case FUSE_IOCTL:
		tree_ioctl(req);
		return true;
	case FUSE_POLL:
		tree_poll(req);
		return true;
	case FUSE_READLINK:
		do_readlink(req);
		return true;
	case FUSE_OPENDIR:
		do_opendir(req);
		return true;
	case FUSE_READDIR:
		do_readdir(req);
		return true;
	case FUSE_SETATTR: /* O_TRUNC of a program that opens it otherwise */
		do_getattr(req);
		return true;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
		fail(req, 0);
		return true;
	}
	return false;
}

/* ---- nodes ---- */

/* Returns true, and the number, if the node is that of a device with a driver. */
static bool is_driven(uint64_t node, unsigned int *device)
{
	*device = (unsigned int)(node - IOF_RUN_NODE_VFIO);
	return node >= IOF_RUN_NODE_VFIO && node < IOF_RUN_NODE_VFIO + IOF_RUN_MAX_DEVICES;
}

static void do_open(struct request *req)
{
	const struct fuse_open_in *in = req->body;
	struct fuse_open_out out = { 0 };
	struct iof_run_file *file;
	unsigned int device;
	bool driven = is_driven(req->head->nodeid, &device);
	int rc = driven ? iof_run_driver_hold(device) : 0;

	if (rc) {
		fail(req, rc);
		return;
	}
	rc = iof_run_file_open(req->head->nodeid, (int)in->flags, req->head->pid, &file,
			       &out.open_flags);
	if (rc) {
		if (driven)
			iof_run_driver_put(device);
		fail(req, rc);
		return;
	}
	out.fh = (uint64_t)(uintptr_t)file;
	answer(req, 0, &out, sizeof(out));
}

static void do_read(struct request *req)
{
	const struct fuse_read_in *in = req->body;
	size_t size = in->size < IOF_RUN_MAX_IO ? in->size : IOF_RUN_MAX_IO;
	ssize_t got =
		iof_run_file_read(file_of(in->fh), req->room, size, in->offset, req->head->pid);

	if (got < 0)
		fail(req, (int)got);
	else
		answer(req, 0, req->room, (size_t)got);
}

static void do_write(struct request *req)
{
	const struct fuse_write_in *in = req->body;
	struct fuse_write_out out = { 0 };
	ssize_t done = iof_run_file_write(file_of(in->fh), in + 1, in->size, in->offset,
					  in->write_flags & FUSE_WRITE_CACHE, req->head->pid);

	if (done < 0) {
		fail(req, (int)done);
		return;
	}
	out.size = (uint32_t)done;
	answer(req, 0, &out, sizeof(out));
}

static void do_ioctl(struct request *req)
{
	const struct fuse_ioctl_in *in = req->body;
	struct iof_run_call *call = (struct iof_run_call *)(in + 1);
	struct fuse_ioctl_out out = { 0 };
	struct iovec iov[3];
	struct fuse_out_header head = { .unique = req->head->unique };
	unsigned int device;
	ssize_t done;

	if (in->cmd != IOF_RUN_CALL) {
		out.result = (int32_t)iof_run_file_ioctl(file_of(in->fh), in->cmd, in->arg,
							 req->head->pid);
		answer(req, 0, &out, sizeof(out));
		return;
	}
	if (in->in_size != sizeof(*call) || call->token != fuse.run->token) {
		out.result = -ENOTTY;
		answer(req, 0, &out, sizeof(out));
		return;
	}
	if (call->cmd != IOF_RUN_CMD_MINE)
		iof_run_file_call(file_of(in->fh), call);
	else if (is_driven(req->head->nodeid, &device))
		iof_run_driver_put(device);
	head.len = sizeof(head) + sizeof(out) + sizeof(*call);
	iov[0] = (struct iovec){ &head, sizeof(head) };
	iov[1] = (struct iovec){ &out, sizeof(out) };
	iov[2] = (struct iovec){ call, sizeof(*call) };
	req->answered = true;
	done = writev(fuse.fd, iov, 3);
	(void)done;
}

static void do_poll(struct request *req)
{
	const struct fuse_poll_in *in = req->body;
	struct fuse_poll_out out = {
		.revents = iof_run_file_poll(file_of(in->fh), in->events, in->kh,
					     in->flags & FUSE_POLL_SCHEDULE_NOTIFY),
	};

	answer(req, 0, &out, sizeof(out));
}

static void do_release(struct request *req)
{
	const struct fuse_release_in *in = req->body;

	unsigned int device;

	iof_run_file_release(file_of(in->fh));
	if (is_driven(req->head->nodeid, &device))
		iof_run_driver_put(device);
	fail(req, 0);
}

static void do_statfs(struct request *req)
{
	struct fuse_statfs_out out = { .st = { .bsize = 4096, .namelen = 255 } };

	answer(req, 0, &out, sizeof(out));
}

/*
 * Answers access(2) by the mode. As everywhere, root may read and write each file, and execute
 * those that have an x bit.
 */
static int check_access(const struct request *req)
{
	const struct fuse_access_in *in = req->body;
	bool root = !req->head->uid, owner = root || req->head->uid == fuse.run->uid;
	struct fuse_attr attr;

	fill_attr(req->head->nodeid, &attr);
	if (in->mask & X_OK && !(attr.mode & 0111))
		return -EACCES;
	if (in->mask & R_OK && !root && !(attr.mode & 0444))
		return -EACCES;
	if (in->mask & W_OK && !root && !(attr.mode & (owner ? 0222 : 0022)))
		return -EACCES;
	return 0;
}

/* In these folders nothing can be made, removed or renamed. As in sysfs, root cannot either. */
static bool refuse_change(struct request *req)
{
	switch (req->head->opcode) {
	case FUSE_CREATE:
		fail(req, -EACCES);
		return true;
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
		fail(req, -EPERM);
		return true;
	}
	return false;
}

/* Neither a device nor a file of sysfs can be opened with O_DIRECT. */
static bool opens_direct(const struct request *req)
{
	const struct fuse_open_in *in = req->body;

	return req->head->opcode == FUSE_OPEN && in->flags & O_DIRECT;
}

static void serve_one(struct request *req)
{
	if (opens_direct(req)) {
		fail(req, -EINVAL);
		return;
	}
	if (refuse_change(req))
		return;
	if (iof_run_tree_has(req->head->nodeid) && serve_tree(req))
		return;
	switch (req->head->opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: /* no thread of the server waits in a request */
		return;
	case FUSE_INIT:
		do_init(req);
		return;
	case FUSE_LOOKUP:
		do_lookup(req);
		return;
	case FUSE_SETATTR:
		if (((const struct fuse_setattr_in *)req->body)->valid & FATTR_SIZE) {
			do_truncate(req);
			return;
		}
		do_getattr(req);
		return;
	case FUSE_GETATTR:
		do_getattr(req);
		return;
	case FUSE_OPEN:
		do_open(req);
		return;
	case FUSE_READ:
		do_read(req);
		return;
	case FUSE_WRITE:
		do_write(req);
		return;
	case FUSE_IOCTL:
		do_ioctl(req);
		return;
	case FUSE_POLL:
		do_poll(req);
		return;
	case FUSE_RELEASE:
		do_release(req);
		return;
	case FUSE_STATFS:
		do_statfs(req);
		return;
	case FUSE_ACCESS:
		fail(req, check_access(req));
		return;
	case FUSE_FSYNC: /* character devices have no fsync */
		refuse(req, ((const struct fuse_fsync_in *)req->body)->fh, "fsync", -EINVAL);
		return;
	case FUSE_FALLOCATE:
		refuse(req, ((const struct fuse_fallocate_in *)req->body)->fh, "fallocate",
		       -ENODEV);
		return;
	case FUSE_LSEEK: /* SEEK_DATA and SEEK_HOLE */
		refuse(req, ((const struct fuse_lseek_in *)req->body)->fh, "lseek", -ESPIPE);
		return;
	default:
		fail(req, -ENOSYS);
	}
}

/* ---- threads ---- */

static void *room(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *listen(void *arg)
{
	char *in = room(REQUEST_ROOM);
	struct request req = { .room = room(IOF_RUN_MAX_IO) };
	struct iof_run_turn *turn = &req.turn;
	bool mine = false;
	ssize_t got;

	(void)arg;
	if (!in || !req.room)
		iof_run_die(fuse.run, "out of memory");
	req.head = (struct fuse_in_header *)in;
	req.body = req.head + 1;
	for (;;) {
		if (!mine)
			iof_run_turn_take();
		do {
			got = read(fuse.fd, in, REQUEST_ROOM);
			if (got > 0 && req.head->opcode == FUSE_RELEASE)
				serve_one(&req);
		} while (got < 0 ? errno == EINTR || errno == ENOENT || errno == EAGAIN :
				   req.head->opcode == FUSE_RELEASE);
		if (got < (ssize_t)sizeof(*req.head))
			break; /* ENODEV: unmounted */
		iof_run_turn_begin(turn, req.head->pid);
		serve_one(&req);
		mine = iof_run_turn_end(turn);
	}
	/* others find the same */
	iof_run_turn_give();
	munmap(in, REQUEST_ROOM);
	munmap(req.room, IOF_RUN_MAX_IO);
	return NULL;
}

void iof_run_fuse_loop(struct iof_run *run)
{
	fuse.run = run;
	fuse.fd = run->fuse;
	iof_run_turn_start(run, fuse.fd, listen, true);
	listen(NULL);
}
