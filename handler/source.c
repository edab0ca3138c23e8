// SPDX-License-Identifier: MIT
/*
 * source.c - where pages come from: files, zeros, callbacks.
 *
 * Each kind of source is a table of operations. Offsets are multiples of a page, and pieces are
 * whole pages. A file source remembers the size that the file had at the start, and never reads or
 * writes beyond it. A source of zeros keeps one bit for each page that has been stored. Only those
 * pages are read back, from a swap file; the source makes that file when its first page is written
 * back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pager_private.h"

#define NOW_MISSES 8u
#define NOW_TRY	   32u

struct iof_file {
	int fd;
	bool memory; /* the file system has no device: a read does not wait for one */
	uint64_t size;
};

struct iof_zero {
	pthread_mutex_t lock; /* held while making the swap file */
	int fd;		      /* atomic; -1: there is no swap file yet */
	uint64_t *stored;     /* atomic; a bit for each page */
};

static size_t iov_bytes(const struct iovec *iov, int nr)
{
	size_t bytes = 0;
	int i;

	for (i = 0; i < nr; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

/*
 * Moves one piece by as many calls as it takes. Returns -ENODATA if the file ends before its end.
 */
static int file_piece(int fd, uint64_t offset, char *memory, size_t bytes, bool store)
{
	while (bytes) {
		ssize_t moved = store ? pwrite(fd, memory, bytes, (off_t)offset) :
					pread(fd, memory, bytes, (off_t)offset);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved < 0)
			return -errno;
		if (!moved)
			return store ? -ENOSPC : -ENODATA;
		memory += moved;
		offset += (uint64_t)moved;
		bytes -= (size_t)moved;
	}
	return 0;
}

/* Moves the first @bytes bytes of @iov: by one call, or piece by piece if that call moved less. */
static int file_move(int fd, uint64_t offset, const struct iovec *iov, int nr, size_t bytes,
		     bool store)
{
	int i;

	if (bytes == iov_bytes(iov, nr)) {
		ssize_t moved = store ? pwritev(fd, iov, nr, (off_t)offset) :
					preadv(fd, iov, nr, (off_t)offset);

		if (moved == (ssize_t)bytes)
			return 0;
	}
	for (i = 0; i < nr && bytes; i++) {
		size_t piece = iov[i].iov_len < bytes ? iov[i].iov_len : bytes;
		int err = file_piece(fd, offset, iov[i].iov_base, piece, store);

		if (err)
			return err;
		offset += piece;
		bytes -= piece;
	}
	return 0;
}

/* Returns how many of the @wanted bytes at @offset lie inside of the file. */
static size_t file_inside(const struct iof_file *file, uint64_t offset, size_t wanted)
{
	if (offset >= file->size)
		return 0;
	return file->size - offset < wanted ? (size_t)(file->size - offset) : wanted;
}

/* Zeroes the part of @iov behind its first @inside bytes. */
static void iov_zero(const struct iovec *iov, int nr, size_t inside)
{
	int i;

	for (i = 0; i < nr; i++) {
		size_t kept = inside < iov[i].iov_len ? inside : iov[i].iov_len;

		memset((char *)iov[i].iov_base + kept, 0, iov[i].iov_len - kept);
		inside -= kept;
	}
}

static int file_load(void *arg, uint64_t offset, const struct iovec *iov, int nr)
{
	const struct iof_file *file = arg;
	size_t inside = file_inside(file, offset, iov_bytes(iov, nr));
	int err = file_move(file->fd, offset, iov, nr, inside, false);

	if (err)
		return err;
	iov_zero(iov, nr, inside);
	return 0;
}

/* Loads what the page cache has. A system or file system without RWF_NOWAIT loads nothing. */
static size_t file_now(struct iof_source *source, uint64_t offset, const struct iovec *iov, int nr)
{
	const struct iof_file *file = source->arg;
	size_t wanted = iov_bytes(iov, nr);
	size_t inside = file_inside(file, offset, wanted);
	ssize_t moved = preadv2(file->fd, iov, nr, (off_t)offset, file->memory ? 0 : RWF_NOWAIT);

	if (moved < (ssize_t)inside)
		return moved < 0 ? 0 : (size_t)moved;
	/* The file may have grown: what lies behind its size at the start reads as zero. */
	if (inside < wanted)
		iov_zero(iov, nr, inside);
	return wanted;
}

static int file_store(void *arg, uint64_t offset, const struct iovec *iov, int nr)
{
	const struct iof_file *file = arg;

	return file_move(file->fd, offset, iov, nr, file_inside(file, offset, iov_bytes(iov, nr)),
			 true);
}

bool iof_source_direct(struct iof_source *source)
{
	int flags = source->fd < 0 ? -1 : fcntl(source->fd, F_GETFL);
	char path[64];
	int fd = __atomic_load_n(&source->direct_fd, __ATOMIC_ACQUIRE);
	int none = -1;

	if (fd >= 0 || flags < 0)
		return fd >= 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", source->fd);
	fd = open(path, (flags & O_ACCMODE) | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* Another pager may have been first. */
	if (!__atomic_compare_exchange_n(&source->direct_fd, &none, fd, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		close(fd);
	return true;
}

/* As file_load() without the page cache: whole pages are read, also the one at the end. */
static int direct_load(const struct iof_source *source, uint64_t offset, const struct iovec *iov,
		       int nr)
{
	size_t inside = file_inside(source->arg, offset, iov_bytes(iov, nr));
	size_t left = inside;
	int i;

	for (i = 0; i < nr && left; i++) {
		size_t done = 0, wanted = iov[i].iov_len < left ? iov[i].iov_len : left;

		while (done < wanted) {
			ssize_t moved = pread(source->direct_fd, (char *)iov[i].iov_base + done,
					      iov[i].iov_len - done, (off_t)(offset + done));

			if (moved < 0 && errno == EINTR)
				continue;
			if (moved < 0)
				return -errno;
			done += (size_t)moved;
			/* The end of the file: direct reads do not go on inside of a block. */
			if (done < wanted && (!moved || done & IOF_PAGE_MASK))
				return -ENODATA;
		}
		offset += iov[i].iov_len;
		left -= wanted;
	}
	iov_zero(iov, nr, inside);
	return 0;
}

/* As file_store() without the page cache, except for a part of a page at the end. */
static int direct_store(const struct iof_source *source, uint64_t offset, const struct iovec *iov,
			int nr)
{
	const struct iof_file *file = source->arg;
	size_t inside = file_inside(file, offset, iov_bytes(iov, nr));
	size_t whole = inside & ~(size_t)IOF_PAGE_MASK;
	size_t before = 0;
	int err = file_move(source->direct_fd, offset, iov, nr, whole, true);

	if (err || inside == whole)
		return err;
	while (before + iov->iov_len <= whole)
		before += iov++->iov_len;
	return file_piece(file->fd, offset + whole, (char *)iov->iov_base + (whole - before),
			  inside - whole, true);
}

static void file_release(void *arg)
{
	struct iof_file *file = arg;

	close(file->fd);
	free(file);
}

int iof_source_new(const struct iof_source_ops *ops, void *arg, uint64_t size,
		   struct iof_source **out)
{
	struct iof_source *source;

	if (!ops->load || !size)
		return -EINVAL;
	source = malloc(sizeof(*source));
	if (!source)
		return -ENOMEM;
	source->ops = *ops;
	source->now = NULL;
	source->arg = arg;
	source->fd = -1;
	source->direct_fd = -1;
	source->misses = 0;
	source->size = size;
	source->users = 1;
	*out = source;
	return 0;
}

/* Returns the size of a regular file or block device; -EINVAL for other descriptors. */
static int file_size(int fd, uint64_t *size)
{
	struct stat status;
	off_t end;

	if (fstat(fd, &status))
		return -errno;
	if (S_ISREG(status.st_mode)) {
		*size = (uint64_t)status.st_size;
		return 0;
	}
	if (!S_ISBLK(status.st_mode))
		return -EINVAL;
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return -errno;
	*size = (uint64_t)end;
	return 0;
}

int iof_source_file(int fd, struct iof_source **out)
{
	struct iof_source_ops ops = { .load = file_load, .release = file_release };
	int flags = fcntl(fd, F_GETFL);
	struct statfs system;
	struct iof_source *source;
	struct iof_file *file;
	int err;

	if (flags < 0)
		return -errno;
	if ((flags & O_ACCMODE) == O_WRONLY)
		return -EACCES;
	if ((flags & O_ACCMODE) == O_RDWR)
		ops.store = file_store;
	file = malloc(sizeof(*file));
	if (!file)
		return -ENOMEM;
	err = file_size(fd, &file->size);
	if (err)
		goto out_file;
	file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (file->fd < 0) {
		err = -errno;
		goto out_file;
	}
	file->memory = !fstatfs(fd, &system) &&
		       (system.f_type == TMPFS_MAGIC || system.f_type == HUGETLBFS_MAGIC);
	/* An empty file is a source, too; no page of it can be mapped. */
	err = iof_source_new(&ops, file, file->size ? file->size : 1, &source);
	if (err)
		goto out_fd;
	source->size = file->size;
	source->now = file_now;
	source->fd = file->fd;
	*out = source;
	return 0;
out_fd:
	close(file->fd);
out_file:
	free(file);
	return err;
}

static bool zero_stored(const struct iof_zero *zero, uint64_t page)
{
	return __atomic_load_n(&zero->stored[page / 64], __ATOMIC_ACQUIRE) >> page % 64 & 1;
}

static int zero_load(void *arg, uint64_t offset, const struct iovec *iov, int nr)
{
	const struct iof_zero *zero = arg;
	int i;

	for (i = 0; i < nr; i++) {
		size_t at;

		for (at = 0; at < iov[i].iov_len; at += IOF_PAGER_PAGE, offset += IOF_PAGER_PAGE) {
			char *memory = (char *)iov[i].iov_base + at;
			int err;

			if (!zero_stored(zero, offset >> IOF_PAGE_SHIFT)) {
				memset(memory, 0, IOF_PAGER_PAGE);
				continue;
			}
			err = file_piece(__atomic_load_n(&zero->fd, __ATOMIC_ACQUIRE), offset,
					 memory, IOF_PAGER_PAGE, false);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Loads pages until the first one that has been stored, and so must be read back. */
static size_t zero_now(struct iof_source *source, uint64_t offset, const struct iovec *iov, int nr)
{
	size_t bytes = 0, at;
	int i;

	for (i = 0; i < nr; i++) {
		for (at = 0; at < iov[i].iov_len; at += IOF_PAGER_PAGE) {
			if (zero_stored(source->arg, (offset + bytes) >> IOF_PAGE_SHIFT))
				return bytes;
			memset((char *)iov[i].iov_base + at, 0, IOF_PAGER_PAGE);
			bytes += IOF_PAGER_PAGE;
		}
	}
	return bytes;
}

/* Creates a file without a name, for evicted pages. */
static int swap_file(void)
{
	const char *folder = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (!folder || !*folder)
		folder = "/var/tmp";
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (snprintf(path, sizeof(path), "%s/iofault-XXXXXX", folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

static int zero_swap(struct iof_zero *zero)
{
	int fd = __atomic_load_n(&zero->fd, __ATOMIC_ACQUIRE);

	if (fd >= 0)
		return fd;
	pthread_mutex_lock(&zero->lock);
	fd = zero->fd;
	if (fd < 0) {
		fd = swap_file();
		if (fd >= 0)
			__atomic_store_n(&zero->fd, fd, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&zero->lock);
	return fd;
}

static int zero_store(void *arg, uint64_t offset, const struct iovec *iov, int nr)
{
	struct iof_zero *zero = arg;
	size_t bytes = iov_bytes(iov, nr);
	int fd = zero_swap(zero);
	uint64_t page;
	int err;

	if (fd < 0)
		return fd;
	err = file_move(fd, offset, iov, nr, bytes, true);
	if (err)
		return err;
	for (page = offset >> IOF_PAGE_SHIFT; bytes; page++, bytes -= IOF_PAGER_PAGE)
		__atomic_or_fetch(&zero->stored[page / 64], 1ull << page % 64, __ATOMIC_RELEASE);
	return 0;
}

static void zero_release(void *arg)
{
	struct iof_zero *zero = arg;

	if (zero->fd >= 0)
		close(zero->fd);
	pthread_mutex_destroy(&zero->lock);
	free(zero->stored);
	free(zero);
}

int iof_source_zero(uint64_t size, int swap_fd, struct iof_source **out)
{
	static const struct iof_source_ops ops = {
		.load = zero_load,
		.store = zero_store,
		.release = zero_release,
	};
	struct iof_zero *zero;
	int err;

	if (!size || size >> 60)
		return -EINVAL;
	zero = calloc(1, sizeof(*zero));
	if (!zero)
		return -ENOMEM;
	pthread_mutex_init(&zero->lock, NULL);
	zero->fd = swap_fd < 0 ? -1 : fcntl(swap_fd, F_DUPFD_CLOEXEC, 0);
	err = swap_fd >= 0 && zero->fd < 0 ? -errno : 0;
	if (!err) {
		zero->stored = calloc((size >> (IOF_PAGE_SHIFT + 6)) + 1, sizeof(*zero->stored));
		err = zero->stored ? iof_source_new(&ops, zero, size, out) : -ENOMEM;
	}
	if (err)
		zero_release(zero);
	else
		(*out)->now = zero_now;
	return err;
}

uint64_t iof_source_size(const struct iof_source *source)
{
	return source->size;
}

void iof_source_get(struct iof_source *source)
{
	__atomic_add_fetch(&source->users, 1, __ATOMIC_RELAXED);
}

void iof_source_free(struct iof_source *source)
{
	if (!source || __atomic_sub_fetch(&source->users, 1, __ATOMIC_ACQ_REL))
		return;
	if (source->ops.release)
		source->ops.release(source->arg);
	if (source->direct_fd >= 0)
		close(source->direct_fd);
	free(source);
}

/* Fills @iov with the memory of the frames. Returns the number of pieces. */
static int frames_iov(struct iof_pager *pager, struct iovec *iov, struct iof_frame **frames,
		      uint32_t nr)
{
	uint32_t pieces = 0;
	char *end = NULL;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		char *memory = iof_frame_memory(pager, frames[i]);

		if (memory == end) {
			iov[pieces - 1].iov_len += IOF_PAGER_PAGE;
		} else {
			iov[pieces].iov_base = memory;
			iov[pieces++].iov_len = IOF_PAGER_PAGE;
		}
		end = memory + IOF_PAGER_PAGE;
	}
	return (int)pieces;
}

int iof_frames_transfer(struct iof_pager *pager, struct iovec *iov, struct iof_frame **frames,
			uint32_t nr, bool store)
{
	const struct iof_source *source = frames[0]->map->source;
	uint64_t offset = iof_frame_offset(frames[0]);
	int pieces = frames_iov(pager, iov, frames, nr);

	if (frames[0]->map->direct)
		return store ? direct_store(source, offset, iov, pieces) :
			       direct_load(source, offset, iov, pieces);
	if (store)
		return source->ops.store(source->arg, offset, iov, pieces);
	return source->ops.load(source->arg, offset, iov, pieces);
}

uint32_t iof_frames_now(struct iof_pager *pager, struct iovec *iov, struct iof_frame **frames,
			uint32_t nr)
{
	struct iof_source *source = frames[0]->map->source;
	uint32_t misses = __atomic_load_n(&source->misses, __ATOMIC_RELAXED);
	size_t bytes = 0;

	/* After misses in a row, only one call in NOW_TRY tries again. */
	if (frames[0]->map->direct)
		return 0;
	if (source->now && (misses < NOW_MISSES || misses % NOW_TRY == 0))
		bytes = source->now(source, iof_frame_offset(frames[0]), iov,
				    frames_iov(pager, iov, frames, nr));
	if (bytes)
		__atomic_store_n(&source->misses, 0, __ATOMIC_RELAXED);
	else if (source->now)
		__atomic_store_n(&source->misses, misses == UINT32_MAX ? NOW_MISSES : misses + 1,
				 __ATOMIC_RELAXED);
	return (uint32_t)(bytes >> IOF_PAGE_SHIFT);
}
