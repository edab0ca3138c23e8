// SPDX-License-Identifier: MIT
/*
 * calls.c - proves that calls which a descriptor does not support fail as on a character device.
 * Each row of the table has one call, and its result on each kind of descriptor.
 *
 * Also proves that buffers which end in absent memory are filled, or read, up to there.
 *
 * Started with "fuse" (`iofault run`), a row may allow another result: FUSE has no file with
 * pread(2) and without lseek(2), and checks a buffer before it asks the server.
 */
#include "kernel.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum kind {
	IOMMU,
	QUEUE,
	ACCESS,
	VFIO,
	NR_KINDS
};

static const char *const kind_names[NR_KINDS] = { "iommu", "queue", "access", "vfio" };

static bool fuse;
static char *memory;

/* ---- calls: 0 or more, or a negative errno ---- */

static long as_errno(long rc)
{
	return rc == -1 ? -errno : rc;
}

static long seek_set(int fd)
{
	return as_errno(lseek(fd, 0, SEEK_SET));
}
static long seek_cur(int fd)
{
	return as_errno(lseek(fd, 0, SEEK_CUR));
}
static long seek_on(int fd)
{
	return as_errno(lseek(fd, 8, SEEK_SET));
}
static long seek_end(int fd)
{
	return as_errno(lseek(fd, 0, SEEK_END));
}
static long seek_data(int fd)
{
	return as_errno(lseek(fd, 0, SEEK_DATA));
}
static long seek_hole(int fd)
{
	return as_errno(lseek(fd, 0, SEEK_HOLE));
}
static long do_fsync(int fd)
{
	return as_errno(fsync(fd));
}
static long do_fdatasync(int fd)
{
	return as_errno(fdatasync(fd));
}
static long do_ftruncate(int fd)
{
	return as_errno(ftruncate(fd, 0));
}
static long do_fallocate(int fd)
{
	return as_errno(fallocate(fd, 0, 0, 1));
}
static long punch(int fd)
{
	return as_errno(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
}
static long do_readahead(int fd)
{
	return as_errno(readahead(fd, 0, 4096));
}
static long do_sync_range(int fd)
{
	return as_errno(sync_file_range(fd, 0, 0, 0));
}
static long ask(int fd, unsigned long cmd)
{
	return as_errno(ioctl(fd, cmd, memory));
}
static long fionread(int fd)
{
	return ask(fd, FIONREAD);
}
static long fioqsize(int fd)
{
	return ask(fd, FIOQSIZE);
}
static long fibmap(int fd)
{
	return ask(fd, FIBMAP);
}
static long getflags(int fd)
{
	return ask(fd, FS_IOC_GETFLAGS);
}
static long getxattr_of(int fd)
{
	return ask(fd, FS_IOC_FSGETXATTR);
}
static long tcgets(int fd)
{
	return ask(fd, 0x5401);
}
static long read_nothing(int fd)
{
	return as_errno(read(fd, memory, 0));
}
static long write_nothing(int fd)
{
	return as_errno(write(fd, memory, 0));
}
static long read_some(int fd)
{
	return as_errno(read(fd, memory, 7));
}
static long write_some(int fd)
{
	return as_errno(write(fd, memory, 7));
}
static long do_pread(int fd)
{
	return as_errno(pread(fd, memory, 40, 0));
}
static long do_pwrite(int fd)
{
	return as_errno(pwrite(fd, memory, 8, 0));
}

static long do_readv(int fd)
{
	struct iovec iov = { memory, 7 };

	return as_errno(readv(fd, &iov, 1));
}

static long map_it(int fd, int flags)
{
	void *map = mmap(NULL, PAGE, PROT_READ, flags, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, PAGE);
	return 0;
}

static long map_shared(int fd)
{
	return map_it(fd, MAP_SHARED);
}
static long map_private(int fd)
{
	return map_it(fd, MAP_PRIVATE);
}

static long add_to_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	long rc = as_errno(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));

	close(epoll);
	return rc;
}

/* Calls that check their own errors before those of the file. */
static long add_to_no_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return as_errno(epoll_ctl(-1, EPOLL_CTL_ADD, fd, &event));
}

static long add_from_nowhere(int fd)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	long rc = as_errno(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, (void *)8));

	close(epoll);
	return rc;
}

static long map_nothing(int fd)
{
	return mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0;
}

/* ---- the table ---- */

#define ALL(error)                                     \
	{                                              \
		-(error), -(error), -(error), -(error) \
	}

#define BUT_VFIO(error, vfio)                         \
	{                                             \
		-(error), -(error), -(error), -(vfio) \
	}

static const struct row {
	const char *name;
	long (*call)(int fd);
	long result[NR_KINDS];
	bool differs[NR_KINDS]; /* under FUSE the result may be `there` */
	long there;
} rows[] = {
#define ROW(function, ...)                                                 \
	{                                                                  \
		.name = #function, .call = function, .result = __VA_ARGS__ \
	}
	ROW(seek_set, ALL(ESPIPE)),
	ROW(seek_cur, ALL(ESPIPE)),
	ROW(seek_on, ALL(ESPIPE), .differs = { [IOMMU] = true, [VFIO] = true }, .there = 8),
	ROW(seek_end, ALL(ESPIPE)),
	ROW(seek_data, ALL(ESPIPE)),
	ROW(seek_hole, ALL(ESPIPE)),
	ROW(do_fsync, ALL(EINVAL)),
	ROW(do_fdatasync, ALL(EINVAL)),
	ROW(do_ftruncate, ALL(EINVAL)),
	ROW(do_fallocate, ALL(ENODEV)),
	ROW(punch, ALL(ENODEV)),
	ROW(do_readahead, ALL(EINVAL)),
	ROW(do_sync_range, ALL(ESPIPE)),
	ROW(fioqsize, ALL(ENOTTY)),
	/* a device is not bound yet */
	ROW(fionread, BUT_VFIO(ENOTTY, EINVAL)),
	ROW(fibmap, BUT_VFIO(ENOTTY, EINVAL)),
	ROW(getflags, BUT_VFIO(ENOTTY, EINVAL)),
	ROW(getxattr_of, BUT_VFIO(ENOTTY, EINVAL)),
	ROW(tcgets, BUT_VFIO(ENOTTY, EINVAL)),
	ROW(map_shared, ALL(ENODEV)),
	ROW(map_private, ALL(ENODEV)),
	ROW(map_nothing, ALL(EINVAL)),
	ROW(add_to_no_epoll, ALL(EBADF)),
	ROW(add_from_nowhere, ALL(EFAULT)),
	ROW(add_to_epoll, { -EPERM, 0, -EPERM, 0 }),
	/* the queue is empty */
	ROW(read_nothing, { -EINVAL, 0, -EINVAL, -EINVAL }),
	ROW(write_nothing, { -EINVAL, 0, -EINVAL, -EINVAL }),
	ROW(read_some, { -EINVAL, -ESPIPE, -EINVAL, -EINVAL }),
	ROW(write_some, { -EINVAL, -ESPIPE, -EINVAL, -EINVAL }),
	ROW(do_readv, { -EINVAL, -ESPIPE, -EINVAL, -EINVAL }),
	ROW(do_pread, { -EINVAL, -ESPIPE, -ESPIPE, -EINVAL }),
	ROW(do_pwrite, { -EINVAL, -ESPIPE, -ESPIPE, -EINVAL }),
};

struct files {
	struct bed bed;
	int fd[NR_KINDS];
};

static int setup(void **state)
{
	static struct files files;
	struct bed *bed = &files.bed;

	bed_make(bed);
	files.fd[IOMMU] = bed->fd;
	files.fd[QUEUE] = bed->ffd;
	files.fd[ACCESS] = abi_access(bed->fd, bed->ioas, false);
	files.fd[VFIO] = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	*state = &files;
	return files.fd[ACCESS] < 0;
}

static int teardown(void **state)
{
	struct files *files = *state;

	close(files->fd[ACCESS]);
	close(files->fd[VFIO]);
	bed_close(&files->bed);
	return 0;
}

static void each_call_on_each_kind(void **state)
{
	const struct files *files = *state;
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned int k = 0; k < NR_KINDS; k++) {
			bool differs = fuse && rows[i].differs[k];
			long want = differs ? rows[i].there : rows[i].result[k], got;

			if (files->fd[k] < 0)
				continue;
			got = rows[i].call(files->fd[k]);
			if (got == want)
				continue;
			print_message("# %s of %s: %ld, expected %ld\n", rows[i].name,
				      kind_names[k], got, want);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* ---- a queue, and buffers that end early ---- */

#define RECORD sizeof(struct iommu_hwpt_pgfault)
#define ANSWER sizeof(struct iommu_hwpt_page_response)

/* Returns the last @n bytes before absent memory. */
static char *before_the_hole(size_t n)
{
	static char *edge;

	if (!edge) {
		edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		assert_true(edge != MAP_FAILED);
		assert_ok(munmap(edge + PAGE, PAGE));
		edge += PAGE;
	}
	return edge - n;
}

static void trigger_large(const struct bed *bed, uint32_t grpid)
{
	assert_ok(abi_page_req(bed->fd, bed->mock.idev, 0, 0, grpid, IOVA));
	assert_ok(abi_page_req(bed->fd, bed->mock.idev, IOMMU_PGFAULT_FLAGS_LAST_PAGE, 0, grpid,
			       IOVA + PAGE));
}

static void reading_nothing_takes_nothing(void **state)
{
	const struct bed *bed = &((struct files *)*state)->bed;

	assert_int_equal(read_nothing(bed->ffd), 0);
	bed_trigger(bed, 1);
	assert_int_equal(read_nothing(bed->ffd), -EINVAL);
	assert_int_equal(write_nothing(bed->ffd), 0);
	assert_int_equal(abi_readable(bed->ffd), 1);
	bed_take(bed);
	assert_int_equal(read_nothing(bed->ffd), 0);
}

static void reads_end_at_a_hole(void **state)
{
	const struct bed *bed = &((struct files *)*state)->bed;
	char *near = before_the_hole(RECORD + 10);
	struct iovec iov[2] = {
		{ near, RECORD + 10 },
		{ before_the_hole(0), RECORD - 10 },
	};

	assert_int_equal(as_errno(read(bed->ffd, near, RECORD + 11)), -ESPIPE);
	/* the read copies nothing, but FUSE checks the buffer */
	assert_int_equal(as_errno(read(bed->ffd, near, 2 * RECORD)), fuse ? -EFAULT : 0);
	assert_int_equal(as_errno(read(bed->ffd, before_the_hole(10), RECORD)), fuse ? -EFAULT : 0);
	bed_trigger(bed, 1);
	assert_int_equal(as_errno(read(bed->ffd, before_the_hole(10), RECORD)), -EFAULT);
	assert_int_equal(as_errno(read(bed->ffd, before_the_hole(0), RECORD)), -EFAULT);
	bed_trigger(bed, 2);
	assert_int_equal(as_errno(read(bed->ffd, near, 2 * RECORD)), RECORD);
	assert_int_equal(as_errno(readv(bed->ffd, iov, 2)), RECORD);
	assert_int_equal(abi_readable(bed->ffd), 0);
	/* the group does not fit into the memory before the hole, and the count is too small */
	trigger_large(bed, 3);
	assert_int_equal(as_errno(read(bed->ffd, near, 2 * RECORD)), -EFAULT);
	assert_int_equal(as_errno(read(bed->ffd, before_the_hole(RECORD), 2 * RECORD)), -EFAULT);
	assert_int_equal(as_errno(readv(bed->ffd, iov, 2)), -EFAULT);
	assert_int_equal(as_errno(read(bed->ffd, near, RECORD)), -EINVAL);
	assert_int_equal(as_errno(read(bed->ffd, memory, 2 * RECORD)), 2 * RECORD);
}

static void writes_end_at_a_hole(void **state)
{
	const struct bed *bed = &((struct files *)*state)->bed;
	struct iommu_hwpt_page_response answer = { 0 };
	char *near = before_the_hole(ANSWER + 3);
	struct iovec iov[2] = {
		{ near, ANSWER + 3 },
		{ before_the_hole(0), ANSWER - 3 },
	};

	for (uint32_t i = 0; i < 2; i++) {
		bed_trigger(bed, i);
		answer.cookie = bed_take(bed);
		memcpy(near, &answer, ANSWER);
		assert_int_equal(as_errno(write(bed->ffd, near, ANSWER + 4)), -ESPIPE);
		assert_int_equal(as_errno(i ? writev(bed->ffd, iov, 2) :
					      write(bed->ffd, near, 2 * ANSWER)),
				 ANSWER);
		assert_int_equal(as_errno(write(bed->ffd, near, ANSWER)), -EINVAL);
	}
	assert_int_equal(as_errno(write(bed->ffd, before_the_hole(3), ANSWER)), -EFAULT);
	assert_int_equal(as_errno(write(bed->ffd, before_the_hole(0), ANSWER)), -EFAULT);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_call_on_each_kind),
		T(reading_nothing_takes_nothing),
		T(reads_end_at_a_hole),
		T(writes_end_at_a_hole),
	};

	fuse = argc > 1 && !strcmp(argv[1], "fuse");
	kernel_needed("kernel/calls");
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
