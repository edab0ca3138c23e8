// SPDX-License-Identifier: MIT
/*
 * drivers.c - proves that the files of the PCI bus below /sys do under `iofault run` what a person
 * expects: a function that is unbound from vfio-pci has no node until it is bound again, one in use
 * is not unbound, wrong input is refused, and no write reaches another file system than ours.
 */
#include "../kernel/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define assert_errno(call, err)               \
	do {                                  \
		assert_int_equal(call, -1);   \
		assert_int_equal(errno, err); \
	} while (0)

#define FUSE_MAGIC 0x65735546
#define BUS	   "/sys/bus/pci/"
#define DRIVER	   BUS "drivers/vfio-pci/"
#define DSA	   "f000:00:01.0"
#define ATS	   "f000:00:02.0"
#define DSA_NODE   "/dev/vfio/devices/vfio0"
#define ATS_NODE   "/dev/vfio/devices/vfio1"
#define ROUNDS	   2000

/* 0, or the errno. */
static int put_bytes(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return errno;
	if (write(fd, bytes, size) < 0)
		rc = errno;
	close(fd);
	return rc;
}

static int put(const char *path, const char *text)
{
	return put_bytes(path, text, strlen(text));
}

static const char *get(const char *path)
{
	static char text[4097];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	assert_true(fd >= 0);
	got = read(fd, text, sizeof(text) - 1);
	assert_true(got >= 0);
	text[got] = 0;
	close(fd);
	return text;
}

static bool is_there(const char *path)
{
	return !access(path, F_OK);
}

/* As it was at the start: both bound, by an override. */
static int restore(void **state)
{
	(void)state;
	while (!put(DRIVER "remove_id", "8086 0b25") || !put(DRIVER "remove_id", "1234 11e9"))
		;
	put(BUS "devices/" DSA "/driver_override", "vfio-pci");
	put(BUS "devices/" ATS "/driver_override", "vfio-pci");
	put(BUS "drivers_probe", DSA);
	put(BUS "drivers_probe", ATS);
	return !is_there(DSA_NODE) || !is_there(ATS_NODE);
}

/* The number of group nodes. */
static int groups(void)
{
	DIR *dir = opendir("/dev/vfio");
	struct dirent *entry;
	int nr = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		nr += entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && entry->d_type == DT_CHR;
	closedir(dir);
	return nr;
}

static void unbound_has_no_node(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(groups(), 2);
	assert_ok(put(DRIVER "unbind", DSA "\n"));
	assert_false(is_there(DSA_NODE));
	assert_false(is_there(BUS "devices/" DSA "/driver"));
	assert_false(is_there(BUS "devices/" DSA "/vfio-dev"));
	assert_false(is_there(DRIVER DSA));
	assert_false(is_there("/sys/class/vfio-dev/vfio0"));
	assert_errno(open(DSA_NODE, O_RDWR), ENOENT);
	assert_errno(stat(DSA_NODE, &st), ENOENT);
	assert_null(strstr(get(BUS "devices/" DSA "/uevent"), "DRIVER="));
	assert_non_null(strstr(get(BUS "devices/" ATS "/uevent"), "DRIVER=vfio-pci"));
	assert_true(is_there(ATS_NODE));
	assert_true(is_there(BUS "devices/" DSA "/iommu_group/devices/" DSA));
	assert_int_equal(put(DRIVER "unbind", DSA), ENODEV);
	assert_int_equal(groups(), 1);

	assert_ok(put(DRIVER "bind", DSA));
	assert_true(is_there(DSA_NODE) && is_there(DRIVER DSA));
	assert_true(is_there("/sys/class/vfio-dev/vfio0/device/vendor"));
	assert_int_equal(put(DRIVER "bind", DSA), EBUSY);
	/* The driver's folder by way of the function. */
	assert_ok(put(BUS "devices/" DSA "/driver/unbind", DSA));
	assert_false(is_there(DSA_NODE));
}

static void a_function_in_use_stays(void **state)
{
	int fd = open(DSA_NODE, O_RDWR | O_CLOEXEC), copy, status;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(put(DRIVER "unbind", DSA), EBUSY);
	assert_true(is_there(DSA_NODE));
	copy = dup(fd);
	close(fd);
	assert_int_equal(put(DRIVER "unbind", DSA), EBUSY);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	close(copy);
	assert_int_equal(put(DRIVER "unbind", DSA), EBUSY);
	/* Another function is not concerned. */
	assert_ok(put(DRIVER "unbind", ATS));
	assert_ok(kill(pid, SIGKILL));
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_ok(put(DRIVER "unbind", DSA));
}

/* A descriptor that a group has made is one of the function's, too. */
static void a_function_in_use_by_its_group_stays(void **state)
{
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), group, dev;
	char link[64], path[128];
	ssize_t n = readlink(BUS "devices/" DSA "/iommu_group", path, sizeof(path) - 1);

	(void)state;
	assert_true(container >= 0 && n > 0);
	path[n] = 0;
	snprintf(link, sizeof(link), "/dev/vfio/%.16s", strrchr(path, '/') + 1);
	group = open(link, O_RDWR | O_CLOEXEC);
	assert_true(group >= 0);
	assert_ok(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	dev = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, DSA);
	assert_true(dev >= 0);
	assert_int_equal(put(DRIVER "unbind", DSA), EBUSY);
	close(dev);
	assert_ok(put(DRIVER "unbind", DSA));
	assert_errno(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, DSA), ENODEV);
	assert_false(is_there(link));
	assert_ok(put(DRIVER "bind", DSA));
	dev = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, DSA);
	assert_true(dev >= 0);
	close(dev);
	close(group);
	close(container);
}

/* The machine's own mapping of BAR 0 does not keep the function. */
static void a_function_with_memory_can_go(void **state)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), dev;
	void *bar;

	(void)state;
	for (int i = 0; i < 3; i++) {
		dev = open(ATS_NODE, O_RDWR | O_CLOEXEC);
		assert_true(dev >= 0 && abi_bind(dev, fd) > 0);
		bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, dev, 0);
		assert_true(bar != MAP_FAILED);
		close(dev);
		assert_int_equal(put(DRIVER "unbind", ATS), EBUSY);
		assert_ok(munmap(bar, 4096));
		assert_ok(put(DRIVER "unbind", ATS));
		assert_ok(put(DRIVER "bind", ATS));
	}
	close(fd);
}

static void an_override_decides(void **state)
{
	const char *const file = BUS "devices/" DSA "/driver_override";

	(void)state;
	assert_string_equal(get(file), "vfio-pci\n");
	assert_ok(put(DRIVER "unbind", DSA));
	assert_ok(put(file, "none\n"));
	assert_string_equal(get(file), "none\n");
	assert_int_equal(put(DRIVER "bind", DSA), ENODEV);
	assert_ok(put(BUS "drivers_probe", DSA));
	assert_false(is_there(DSA_NODE));
	/* Nor does an identifier help. */
	assert_ok(put(DRIVER "new_id", "8086 0b25"));
	assert_false(is_there(DSA_NODE));
	assert_ok(put(file, "\n"));
	assert_string_equal(get(file), "(null)\n");
	assert_ok(put(BUS "drivers_probe", DSA));
	assert_true(is_there(DSA_NODE));
}

static void identifiers(void **state)
{
	(void)state;
	assert_ok(put(DRIVER "unbind", DSA));
	assert_ok(put(DRIVER "unbind", ATS));
	assert_ok(put(BUS "devices/" DSA "/driver_override", "\n"));
	assert_ok(put(BUS "devices/" ATS "/driver_override", "\n"));
	assert_int_equal(put(DRIVER "bind", DSA), ENODEV);
	assert_int_equal(put(DRIVER "remove_id", "8086 0b25"), ENODEV);
	assert_ok(put(DRIVER "new_id", "1234 11e9\n"));
	assert_true(is_there(ATS_NODE));
	assert_false(is_there(DSA_NODE));
	assert_int_equal(put(DRIVER "new_id", "1234 11e9"), EEXIST);
	assert_ok(put(DRIVER "new_id", "8086 0b25 ffffffff ffffffff 020000 ffff00"));
	assert_false(is_there(DSA_NODE));
	assert_ok(put(DRIVER "new_id", "8086 0b25 8086 0b25 088000 ffff00"));
	assert_true(is_there(DSA_NODE));
	/* A function that is bound stays so. */
	assert_ok(put(DRIVER "remove_id", "1234 11e9"));
	assert_true(is_there(ATS_NODE));
	assert_int_equal(put(DRIVER "new_id", "1234"), EINVAL);
	assert_int_equal(put(DRIVER "new_id", "vendor device"), EINVAL);
	assert_int_equal(put(DRIVER "remove_id", "\n"), EINVAL);
}

static void wrong_input(void **state)
{
	static const char *const names[] = { "\n",    "f000:00:09.0", "0000:00:00.0", DSA " ",
					     " " DSA, DSA "\n\n" DSA, "../" DSA,      "%s%n" };
	static const char *const files[] = { DRIVER "bind", DRIVER "unbind", BUS "drivers_probe" };
	char big[10000];

	(void)state;
	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
			assert_int_equal(put(files[i], names[j]), ENODEV);
		assert_ok(put(files[i], ""));
		assert_int_equal(put_bytes(files[i], big, sizeof(big)), ENODEV);
		assert_int_equal(put_bytes(files[i], "\0\0\0", 3), ENODEV);
		assert_errno(open(files[i], O_RDONLY), EACCES);
		assert_errno(open(files[i], O_RDWR), EACCES);
	}
	assert_int_equal(put_bytes(BUS "devices/" DSA "/driver_override", big, 4096), EINVAL);
	assert_ok(put_bytes(BUS "devices/" DSA "/driver_override", big, 4000));
	assert_int_equal(strlen(get(BUS "devices/" DSA "/driver_override")), 4001);
	assert_errno(open(BUS "devices/" DSA "/vendor", O_WRONLY), EACCES);
	assert_errno(open(BUS "devices/" DSA "/config", O_RDWR), EACCES);
	assert_int_equal(put(BUS "devices/" DSA "/enable", "much"), EINVAL);
	assert_int_equal(put(BUS "rescan", "x"), EINVAL);
	assert_ok(put(BUS "rescan", "1\n"));
	assert_ok(put(BUS "devices/" DSA "/uevent", "change\n"));
	assert_int_equal(put(BUS "devices/" DSA "/uevent", "party\n"), EINVAL);
	assert_true(mkdir("/dev/vfio/devices/x", 0755) && unlink(DSA_NODE));
	assert_true(is_there(DSA_NODE));
}

/* Configuration space is that which the program sees through the node. */
static void config_is_the_functions(void **state)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), file, dev;
	const off_t command = IOF_VFIO_REGION_OFFSET(VFIO_PCI_CONFIG_REGION_INDEX) + 4;
	uint16_t word = 0;

	(void)state;
	file = open(BUS "devices/" DSA "/config", O_RDONLY | O_CLOEXEC);
	dev = open(DSA_NODE, O_RDWR | O_CLOEXEC);
	assert_true(dev >= 0 && abi_bind(dev, fd) > 0);
	assert_int_equal(pread(file, &word, 2, 4), 2);
	assert_int_equal(word & 4, 0);
	word |= 4;
	assert_int_equal(pwrite(dev, &word, 2, command), 2);
	assert_int_equal(pread(file, &word, 2, 4), 2);
	assert_int_equal(word & 4, 4);
	close(dev);
	close(file);
	close(fd);
}

static void files_are_read_as_others(void **state)
{
	unsigned char config[4200];
	int fd = open(BUS "devices/" ATS "/config", O_RDONLY | O_CLOEXEC);
	struct dirent *entry;
	struct stat st;
	int found = 0;
	DIR *dir;

	(void)state;
	assert_int_equal(read(fd, config, sizeof(config)), 4096);
	assert_true(config[0] == 0x34 && config[1] == 0x12 && config[2] == 0xe9);
	assert_int_equal(pread(fd, config, 2, 2), 2);
	assert_true(config[0] == 0xe9 && config[1] == 0x11);
	assert_int_equal(pread(fd, config, 8, 4092), 4);
	assert_int_equal(pread(fd, config, 8, 4096), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 4096);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(read(fd, config, 0), 0);
	assert_ok(fstat(fd, &st));
	assert_true(S_ISREG(st.st_mode) && st.st_size == 4096);
	close(fd);
	dir = opendir(BUS "devices/" ATS);
	for (int i = 0; i < 2; i++, rewinddir(dir))
		while ((entry = readdir(dir)))
			found += !strcmp(entry->d_name, "config") ||
				 !strcmp(entry->d_name, "driver");
	closedir(dir);
	assert_int_equal(found, 4);
}

/* ---- many at a time ---- */

/*
 * Nothing can be made, removed or renamed beside the nodes and in the folders of a function. Errors
 * are those of sysfs, and nothing may be executed.
 */
static void folders_stay_as_they_are(void **state)
{
	static const char *const folders[] = { "/dev/vfio",	   "/dev/vfio/devices",
					       BUS "devices/" DSA, DRIVER,
					       "/sys/class/vfio",  "/sys/class/vfio-dev" };
	static const char *const files[] = { DSA_NODE, "/dev/vfio/vfio",
					     BUS "devices/" DSA "/vendor", DRIVER "bind" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/nothing", folders[i]);
		assert_errno(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), EACCES);
		assert_errno(mkdir(path, 0700), EPERM);
		assert_errno(mknod(path, S_IFREG | 0600, 0), EPERM);
		assert_errno(symlink("target", path), EPERM);
		assert_false(is_there(path));
		assert_ok(access(folders[i], R_OK | X_OK));
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s-2", files[i]);
		assert_errno(unlink(files[i]), EPERM);
		assert_errno(rename(files[i], path), EPERM);
		assert_errno(link(files[i], path), EPERM);
		assert_true(is_there(files[i]));
		assert_ok(access(files[i], F_OK));
		assert_errno(access(files[i], X_OK), EACCES);
	}
	assert_errno(open(DSA_NODE, O_RDWR | O_DIRECT | O_CLOEXEC), EINVAL);
	assert_errno(open(DRIVER "bind", O_WRONLY | O_DIRECT | O_CLOEXEC), EINVAL);
	assert_ok(access(DSA_NODE, R_OK | W_OK));
	assert_ok(access(BUS "devices/" DSA "/vendor", R_OK));
}

static void *bind_often(void *arg)
{
	const char *file = arg;

	for (int i = 0; i < ROUNDS; i++) {
		int rc = put(file, DSA);

		if (rc && rc != EBUSY && rc != ENODEV)
			return arg;
	}
	return NULL;
}

static void *open_often(void *arg)
{
	struct stat st;

	for (int i = 0; i < ROUNDS; i++) {
		int fd = open(DSA_NODE, O_RDWR | O_CLOEXEC);

		if (fd < 0) {
			if (errno != ENOENT && errno != ENODEV)
				return arg;
			continue;
		}
		/* While it is open, it is there. */
		if (!is_there(DSA_NODE) || fstat(fd, &st) || !S_ISCHR(st.st_mode))
			return arg;
		close(fd);
	}
	return NULL;
}

static void thousands_of_binds(void **state)
{
	static char bind[] = DRIVER "bind", unbind[] = DRIVER "unbind", none[] = "";
	pthread_t threads[6];
	void *bad;

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_ok(pthread_create(&threads[i], NULL, i < 4 ? bind_often : open_often,
					 i < 2 ? bind :
					 i < 4 ? unbind :
						 none));
	for (int i = 0; i < 6; i++) {
		assert_ok(pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	put(DRIVER "bind", DSA);
	assert_ok(put(DRIVER "unbind", DSA));
}

static void thousands_of_identifiers(void **state)
{
	char text[32];
	int rc = 0, n;

	(void)state;
	for (n = 0; n < 5000 && !rc; n++) {
		snprintf(text, sizeof(text), "%x %x", 0x1000 + n, n);
		rc = put(DRIVER "new_id", text);
	}
	assert_int_equal(rc, ENOMEM);
	for (int i = 0; i < n - 1; i++) {
		snprintf(text, sizeof(text), "%x %x", 0x1000 + i, i);
		assert_ok(put(DRIVER "remove_id", text));
	}
}

/* ---- every file ---- */

static unsigned int tried, written;

static bool is_exempt(const char *path)
{
	return !strncmp(path, "/sys/fs/", 8);
}

static int write_to(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static const char *const texts[] = { "1\n", "", DSA "\n", "\xff\xff\xff" };
	struct statfs fs;
	int fd;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || is_exempt(path))
		return 0;
	tried++;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fstatfs(fd, &fs) || fs.f_type != FUSE_MAGIC) {
		print_message("# %s can be written\n", path);
		return 1;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (write(fd, texts[i], strlen(texts[i])) >= 0)
			written++;
	close(fd);
	return 0;
}

static void no_write_reaches_the_host(void **state)
{
	(void)state;
	assert_ok(nftw("/sys", write_to, 32, FTW_PHYS));
	assert_true(tried > 50 && written > 5);
	assert_int_equal(put(DRIVER "unbind", "nothing"), ENODEV);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, NULL, restore)
	const struct CMUnitTest tests[] = {
		T(unbound_has_no_node),
		T(a_function_in_use_stays),
		T(a_function_in_use_by_its_group_stays),
		T(a_function_with_memory_can_go),
		T(an_override_decides),
		T(identifiers),
		T(wrong_input),
		T(config_is_the_functions),
		T(files_are_read_as_others),
		T(folders_stay_as_they_are),
		T(thousands_of_binds),
		T(thousands_of_identifiers),
		T(no_write_reaches_the_host),
	};

	kernel_needed("run/drivers");
	return cmocka_run_group_tests_name("drivers", tests, NULL, NULL);
}
