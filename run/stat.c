// SPDX-License-Identifier: MIT
/*
 * stat.c - stat(2) and its family.
 *
 * FUSE has no character devices that can be opened, so that the kernel would call a device node a
 * regular file. The broker answers these calls in its place.
 *
 * The broker takes all fields but the type, the numbers and the size from the kernel's own answer.
 * The kernel resolves a path with the root and the working directory of the caller. That path may
 * lead into a file system which the program itself serves, so that the call may wait for the
 * program.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "private.h"
#include "stat.h"
#include "trap.h"

#define PATH_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)

/* ---- arguments ---- */

static bool set_flags(struct iof_run_stat *call, uint64_t flags, int known)
{
	call->flags = (int)flags;
	return !(call->flags & ~known);
}

static bool parse_statx(const struct seccomp_data *data, struct iof_run_stat *call)
{
	call->form = IOF_RUN_STAT_STATX;
	call->fd = (int)data->args[0];
	call->path = data->args[1];
	call->mask = (unsigned int)data->args[3];
	call->out = data->args[4];
	return set_flags(call, data->args[2], PATH_FLAGS | AT_STATX_SYNC_TYPE);
}

static void parse_path(const struct seccomp_data *data, struct iof_run_stat *call, int flags)
{
	call->fd = AT_FDCWD;
	call->path = data->args[0];
	call->out = data->args[1];
	call->flags = flags;
}

static void parse_file(const struct seccomp_data *data, struct iof_run_stat *call)
{
	call->fd = (int)data->args[0];
	call->out = data->args[1];
	call->flags = AT_EMPTY_PATH;
}

static bool parse_at(const struct seccomp_data *data, struct iof_run_stat *call)
{
	call->fd = (int)data->args[0];
	call->path = data->args[1];
	call->out = data->args[2];
	return set_flags(call, data->args[3], PATH_FLAGS);
}

static bool parse_small(const struct seccomp_data *data, struct iof_run_stat *call)
{
	call->form = IOF_RUN_STAT_SMALL;
	switch (data->nr) {
	case IOF_RUN_SMALL_STATX:
		return parse_statx(data, call);
#ifdef IOF_RUN_SMALL_FSTAT64
	case IOF_RUN_SMALL_STAT64:
		parse_path(data, call, 0);
		return true;
	case IOF_RUN_SMALL_LSTAT64:
		parse_path(data, call, AT_SYMLINK_NOFOLLOW);
		return true;
	case IOF_RUN_SMALL_FSTAT64:
		parse_file(data, call);
		return true;
	case IOF_RUN_SMALL_FSTATAT64:
		return parse_at(data, call);
#endif
	}
	return false;
}

bool iof_run_stat_parse(const struct seccomp_data *data, struct iof_run_stat *call)
{
	*call = (struct iof_run_stat){ .mask = STATX_BASIC_STATS };
	if (data->arch != IOF_RUN_NATIVE_ARCH)
		return parse_small(data, call);
	switch (data->nr) {
#ifdef SYS_stat
	case SYS_stat:
		parse_path(data, call, 0);
		return true;
	case SYS_lstat:
		parse_path(data, call, AT_SYMLINK_NOFOLLOW);
		return true;
#endif
	case SYS_fstat:
		parse_file(data, call);
		return true;
	case SYS_newfstatat:
		return parse_at(data, call);
	case SYS_statx:
		return parse_statx(data, call);
	}
	return false;
}

/* ---- paths ---- */

bool iof_run_stat_path(pid_t tid, uint64_t at, char path[PATH_MAX])
{
	size_t have = 0;

	/* read up to the end of a page at a time: the next page may be absent */
	while (have < PATH_MAX) {
		size_t room = 4096 - (at + have) % 4096;
		struct iovec local = { path + have, 0 };
		struct iovec remote = { (void *)(uintptr_t)(at + have), 0 };

		if (room > PATH_MAX - have)
			room = PATH_MAX - have;
		local.iov_len = remote.iov_len = room;
		if (process_vm_readv(tid, &local, 1, &remote, 1, 0) != (ssize_t)room)
			return false;
		if (memchr(path + have, 0, room))
			return true;
		have += room;
	}
	return false;
}

bool iof_run_stat_names_fd(const char *path, int *fd)
{
	static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/",
					       "/proc/thread-self/fd/" };
	static const char *const names[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	const char *rest = NULL;
	unsigned long number;
	char *end;

	for (int i = 0; i < 3; i++) {
		if (!strcmp(path, names[i])) {
			*fd = i;
			return true;
		}
		if (!strncmp(path, folders[i], strlen(folders[i])))
			rest = path + strlen(folders[i]);
	}
	if (!rest || *rest < '0' || *rest > '9')
		return false;
	number = strtoul(rest, &end, 10);
	*fd = (int)number;
	return !*end && number <= INT_MAX;
}

static int open_of(pid_t tid, const char *what)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, what);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool move_root(int root)
{
	return !fchdir(root) && !chroot(".");
}

/*
 * Descriptor of this process's root. Each thread of the broker has a root and a working directory
 * of its own, so that it can take those of the caller for a call. -1: that is not possible.
 */
static int own_root = -1;

void iof_run_stat_init(void)
{
	own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void iof_run_stat_thread(struct iof_run *run)
{
	/* the thread has those of the thread that started it, which may be a caller's */
	if (unshare(CLONE_FS) || own_root < 0 || fchdir(own_root))
		iof_run_die(run, "a thread cannot have a working directory of its own: %s",
			    strerror(errno));
	/* without CAP_SYS_CHROOT no thread ever has another root */
	if (chroot("."))
		errno = 0;
}

int iof_run_stat_at(pid_t tid, int dir, const char *path, int flags, unsigned int mask,
		    struct statx *st)
{
	int cwd = dir < 0 && path[0] != '/' ? open_of(tid, "cwd") : -1;
	int root = open_of(tid, "root");
	int rc = -1;

	if (root >= 0 && move_root(root)) {
		rc = statx(cwd >= 0 ? cwd : dir, path, flags | AT_NO_AUTOMOUNT, mask, st);
		if (!move_root(own_root))
			_exit(IOF_RUN_EXIT_OURS);
	}
	if (root >= 0)
		close(root);
	if (cwd >= 0)
		close(cwd);
	return rc;
}

/* ---- results ---- */

static size_t fill_native(const struct statx *stx, char out[IOF_RUN_STAT_SIZE])
{
	struct stat st = {
		.st_dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
		.st_ino = stx->stx_ino,
		.st_mode = stx->stx_mode,
		.st_nlink = stx->stx_nlink,
		.st_uid = stx->stx_uid,
		.st_gid = stx->stx_gid,
		.st_rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.st_blksize = stx->stx_blksize,
		.st_atim = { stx->stx_atime.tv_sec, stx->stx_atime.tv_nsec },
		.st_mtim = { stx->stx_mtime.tv_sec, stx->stx_mtime.tv_nsec },
		.st_ctim = { stx->stx_ctime.tv_sec, stx->stx_ctime.tv_nsec },
	};

	memcpy(out, &st, sizeof(st));
	return sizeof(st);
}

#ifdef IOF_RUN_SMALL_FSTAT64
/* The structure of i386 is packed, so that 64-bit fields are at multiples of 4. */
struct small_stat {
	uint64_t dev;
	uint32_t pad0, short_ino, mode, nlink, uid, gid;
	uint64_t rdev;
	uint32_t pad3;
	int64_t size;
	uint32_t blksize;
	uint64_t blocks;
	uint32_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	uint64_t ino;
} __attribute__((packed));

static size_t fill_small(const struct statx *stx, char out[IOF_RUN_STAT_SIZE])
{
	struct small_stat st = {
		.dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
		.short_ino = (uint32_t)stx->stx_ino,
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.blksize = stx->stx_blksize,
		.atime = (uint32_t)stx->stx_atime.tv_sec,
		.atime_nsec = stx->stx_atime.tv_nsec,
		.mtime = (uint32_t)stx->stx_mtime.tv_sec,
		.mtime_nsec = stx->stx_mtime.tv_nsec,
		.ctime = (uint32_t)stx->stx_ctime.tv_sec,
		.ctime_nsec = stx->stx_ctime.tv_nsec,
		.ino = stx->stx_ino,
	};

	_Static_assert(sizeof(st) == 96, "as the kernel's");
	memcpy(out, &st, sizeof(st));
	return sizeof(st);
}
#else
static size_t fill_small(const struct statx *stx, char out[IOF_RUN_STAT_SIZE])
{
	return fill_native(stx, out);
}
#endif

size_t iof_run_stat_fill(const struct iof_run_stat *call, const struct statx *st,
			 char out[IOF_RUN_STAT_SIZE])
{
	switch (call->form) {
	case IOF_RUN_STAT_NATIVE:
		return fill_native(st, out);
	case IOF_RUN_STAT_SMALL:
		return fill_small(st, out);
	case IOF_RUN_STAT_STATX:
		break;
	}
	_Static_assert(sizeof(*st) <= IOF_RUN_STAT_SIZE, "room for each result");
	memcpy(out, st, sizeof(*st));
	return sizeof(*st);
}

void iof_run_stat_note(const struct iof_run *run, const struct iof_run_stat *call, pid_t tid,
		       uint64_t node, int result)
{
	struct iof_run_note note = {
		.node = node,
		.tid = (uint32_t)tid,
		.result = result,
		.extended = call->form == IOF_RUN_STAT_STATX,
	};
	ssize_t done;

	if (!run->config->trace && !run->config->stats)
		return;
	/* less than PIPE_BUF: whole; the server reads without waiting for anything */
	done = write(run->notes[1], &note, sizeof(note));
	(void)done;
}
