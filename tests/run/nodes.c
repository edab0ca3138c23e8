// SPDX-License-Identifier: MIT
/*
 * nodes.c - proves that under `iofault run` a device node is a character device for stat(2) and its
 * family, by a descriptor and by each kind of path, with the numbers that /sys has. Errors are the
 * kernel's. Other files keep their types. A call that waits for the program does not stop other
 * calls.
 */
#include "../kernel/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define assert_errno(call, err)               \
	do {                                  \
		assert_int_equal(call, -1);   \
		assert_int_equal(errno, err); \
	} while (0)

#define NODE	"/dev/vfio/devices/vfio1"
#define WAITERS 40

static dev_t number; /* device number of NODE in /sys */

static int setup(void **state)
{
	unsigned int major, minor;
	FILE *f = fopen("/sys/class/vfio-dev/vfio1/dev", "r");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u:%u", &major, &minor), 2);
	fclose(f);
	number = makedev(major, minor);
	return 0;
}

static void check(const struct stat *st)
{
	assert_true(S_ISCHR(st->st_mode));
	assert_int_equal(st->st_mode & 07777, 0666);
	assert_true(st->st_rdev == number);
	assert_int_equal(st->st_size, 0);
	assert_int_equal(st->st_blocks, 0);
	assert_int_equal(st->st_nlink, 1);
}

static void check_statx(const struct statx *st)
{
	assert_true(S_ISCHR(st->stx_mode));
	assert_true(makedev(st->stx_rdev_major, st->stx_rdev_minor) == number);
	assert_int_equal(st->stx_size, 0);
	assert_true(st->stx_mask & STATX_TYPE);
}

static void by_descriptor(void **state)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC), path = open(NODE, O_PATH | O_CLOEXEC);
	struct statx stx;
	struct stat st;

	(void)state;
	assert_true(fd >= 0 && path >= 0);
	assert_ok(fstat(fd, &st));
	check(&st);
	assert_ok(syscall(SYS_fstat, fd, &st));
	check(&st);
	assert_ok(fstatat(fd, "", &st, AT_EMPTY_PATH));
	check(&st);
	assert_ok(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	check_statx(&stx);
	assert_ok(statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_ALL, &stx));
	check_statx(&stx);
	assert_ok(fstat(path, &st));
	check(&st);
	close(path);
	path = dup(fd);
	close(fd);
	assert_ok(fstat(path, &st));
	check(&st);
	close(path);
}

static void by_path(void **state)
{
	char self[96], link[64], here[4096];
	int fd = open(NODE, O_RDWR | O_CLOEXEC), folder = open("/dev/vfio", O_PATH | O_CLOEXEC);
	struct statx stx;
	struct stat st;

	(void)state;
	assert_ok(stat(NODE, &st));
	check(&st);
	assert_ok(lstat(NODE, &st));
	check(&st);
	assert_ok(lstat("/dev/./vfio/../vfio//devices/vfio1", &st));
	check(&st);
	assert_ok(statx(AT_FDCWD, NODE, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx));
	check_statx(&stx);
	assert_ok(fstatat(folder, "devices/vfio1", &st, 0));
	check(&st);
	assert_ok(fstatat(-5, NODE, &st, AT_EMPTY_PATH));
	check(&st);
#ifdef SYS_stat
	assert_ok(syscall(SYS_stat, NODE, &st));
	check(&st);
	assert_ok(syscall(SYS_lstat, NODE, &st));
	check(&st);
#endif
	assert_non_null(getcwd(here, sizeof(here)));
	assert_ok(chdir("/dev/vfio/devices"));
	assert_ok(stat("vfio1", &st));
	check(&st);
	assert_ok(stat("../devices/vfio1", &st));
	check(&st);
	assert_ok(chdir(here));

	snprintf(link, sizeof(link), "/tmp/iofault-node.%d", getpid());
	assert_ok(symlink(NODE, link));
	assert_ok(stat(link, &st));
	check(&st);
	assert_ok(lstat(link, &st));
	assert_true(S_ISLNK(st.st_mode));
	assert_ok(unlink(link));

	for (int i = 0; i < 4; i++) {
		static const char *const folders[] = { "/proc/self/fd", "/dev/fd",
						       "/proc/thread-self/fd", "/proc/%d/fd" };

		snprintf(link, sizeof(link), folders[i], getpid());
		snprintf(self, sizeof(self), "%s/%d", link, fd);
		if (stat(link, &st))
			continue;
		assert_ok(stat(self, &st));
		check(&st);
		assert_ok(lstat(self, &st));
		assert_true(S_ISLNK(st.st_mode));
	}
	snprintf(link, sizeof(link), "/dev/char/%u:%u", major(number), minor(number));
	assert_ok(stat(link, &st));
	check(&st);
	close(folder);
	close(fd);
}

static void the_iommu_is_one_too(void **state)
{
	unsigned int major, minor;
	struct stat st;
	FILE *f = fopen("/sys/class/misc/iommu/dev", "r");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u:%u", &major, &minor), 2);
	fclose(f);
	assert_ok(stat("/dev/iommu", &st));
	assert_true(S_ISCHR(st.st_mode));
	assert_true(st.st_rdev == makedev(major, minor));
}

/* Acts as a program that looks for devices in a folder before it calls stat(2). */
static void a_folder_lists_devices(void **state)
{
	DIR *dir = opendir("/dev/vfio/devices");
	struct dirent *entry;
	int found = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		assert_int_equal(entry->d_type, DT_CHR);
		found++;
	}
	closedir(dir);
	assert_int_equal(found, 2);
}

static void errors_are_the_kernels(void **state)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC),
	    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct statx stx;
	struct stat st;

	(void)state;
	assert_true(memory != MAP_FAILED);
	assert_ok(munmap(memory + 4096, 4096));
	assert_errno(syscall(SYS_fstat, fd, memory + 4096), EFAULT);
	assert_errno(syscall(SYS_newfstatat, AT_FDCWD, NODE, memory + 4096 - 16, 0), EFAULT);
	assert_errno(syscall(SYS_newfstatat, AT_FDCWD, memory + 4096, &st, 0), EFAULT);
	memset(memory, '/', 4096);
	assert_errno(syscall(SYS_newfstatat, AT_FDCWD, memory + 1, &st, 0), EFAULT);
	assert_errno(syscall(SYS_newfstatat, AT_FDCWD, memory, &st, 0), ENAMETOOLONG);
	/* The path ends with the last byte of a page. */
	strcpy(memory + 4096 - sizeof(NODE), NODE);
	assert_ok(syscall(SYS_newfstatat, AT_FDCWD, memory + 4096 - sizeof(NODE), &st, 0));
	check(&st);
	assert_errno(fstatat(fd, "", &st, 0), ENOENT);
	assert_errno(fstatat(fd, NODE, &st, 1 << 30), EINVAL);
	assert_errno(fstatat(fd, "x", &st, 0), ENOTDIR);
	assert_errno(stat(NODE "/x", &st), ENOTDIR);
	assert_errno(stat(NODE "x", &st), ENOENT);
	assert_errno(fstatat(-1, "x", &st, 0), EBADF);
	assert_errno(syscall(SYS_fstat, -1, &st), EBADF);
	assert_errno(statx(fd, "", AT_EMPTY_PATH, 1u << 31, &stx), EINVAL);
	assert_errno(statx(fd, "", AT_EMPTY_PATH | AT_STATX_SYNC_TYPE, 0, &stx), EINVAL);
	munmap(memory, 4096);

	/* Other files keep their types. */
	assert_ok(fstat(file, &st));
	assert_true(S_ISREG(st.st_mode) && st.st_size > 0);
	assert_ok(stat("/dev/null", &st));
	assert_true(st.st_rdev == makedev(1, 3));
	assert_ok(stat("/dev/vfio/devices", &st));
	assert_true(S_ISDIR(st.st_mode));
	close(file);
	close(fd);
}

/* Uses a root of its own, and a node bound to another place. */
static int in_another_root(void)
{
	struct stat st;

	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, NULL))
		return 77;
	if (mkdir("/mnt/inner", 0755) || mkdir("/mnt/inner/d", 0755) ||
	    mknod("/mnt/inner/node", S_IFREG | 0600, 0) ||
	    mount(NODE, "/mnt/inner/node", NULL, MS_BIND, NULL) ||
	    symlink("/node", "/mnt/inner/d/link"))
		return 1;
	if (stat("/mnt/inner/node", &st) || st.st_rdev != number || !S_ISCHR(st.st_mode))
		return 2;
	/* Outside of that root the link leads nowhere. */
	if (!stat("/mnt/inner/d/link", &st) || errno != ENOENT)
		return 3;
	if (chroot("/mnt/inner") || chdir("/d"))
		return 77;
	if (stat("link", &st) || st.st_rdev != number)
		return 4;
	if (stat("../../../node", &st) || st.st_rdev != number)
		return 5;
	if (!stat(NODE, &st) || errno != ENOENT)
		return 6;
	return 0;
}

static void in_a_root_of_its_own(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(in_another_root());
	assert_true(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip_because("mounts of one's own are not allowed here");
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void *stat_often(void *arg)
{
	struct stat st;
	long bad = 0;

	for (int i = 0; i < 300; i++) {
		bad += stat(NODE, &st) || !S_ISCHR(st.st_mode);
		bad += stat("/usr", &st) || !S_ISDIR(st.st_mode);
		bad += !stat("/dev/nothing", &st);
		bad += fstat(*(int *)arg, &st) || !S_ISCHR(st.st_mode);
	}
	return (void *)bad;
}

static void many_at_once(void **state)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);
	pthread_t threads[8];
	void *bad;

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_ok(pthread_create(&threads[i], NULL, stat_often, &fd));
	for (int i = 0; i < 8; i++) {
		assert_ok(pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	close(fd);
}

static void *stat_there(void *path)
{
	struct stat st;

	return (void *)(long)(stat(path, &st) || !S_ISCHR(st.st_mode));
}

/* Each path is in a page that the program brings in when it is requested. */
static void waiting_calls_leave_others_alone(void **state)
{
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC), fd = open("/dev/iommu", O_RDWR);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	static char content[4096] = NODE;
	pthread_t threads[WAITERS];
	struct uffd_msg msg;
	uint32_t fault;
	struct stat st;
	char *memory;
	int queue;
	void *bad;

	(void)state;
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		skip_because("userfaultfd is not allowed here");
	memory = mmap(NULL, WAITERS * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	reg.range.start = (uintptr_t)memory;
	reg.range.len = WAITERS * 4096;
	assert_ok(ioctl(uffd, UFFDIO_REGISTER, &reg));
	for (int i = 0; i < WAITERS; i++)
		assert_ok(pthread_create(&threads[i], NULL, stat_there, memory + i * 4096));
	for (int i = 0; i < WAITERS; i++) {
		struct uffdio_copy copy = { .src = (uintptr_t)content, .len = 4096 };

		assert_int_equal(read(uffd, &msg, sizeof(msg)), sizeof(msg));
		assert_int_equal(msg.event, UFFD_EVENT_PAGEFAULT);
		/* Other calls are served meanwhile. */
		assert_ok(stat(NODE, &st));
		check(&st);
		assert_ok(abi_fault_queue(fd, &fault, &queue));
		close(queue);
		copy.dst = msg.arg.pagefault.address & ~4095ull;
		assert_ok(ioctl(uffd, UFFDIO_COPY, &copy));
	}
	for (int i = 0; i < WAITERS; i++) {
		assert_ok(pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	munmap(memory, WAITERS * 4096);
	close(uffd);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_descriptor),
		cmocka_unit_test(by_path),
		cmocka_unit_test(the_iommu_is_one_too),
		cmocka_unit_test(a_folder_lists_devices),
		cmocka_unit_test(errors_are_the_kernels),
		cmocka_unit_test(in_a_root_of_its_own),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(waiting_calls_leave_others_alone),
	};

	kernel_needed("run/nodes");
	return cmocka_run_group_tests_name("nodes", tests, setup, NULL);
}
