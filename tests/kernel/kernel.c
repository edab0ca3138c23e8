// SPDX-License-Identifier: MIT
/*
 * kernel.c - what the tests of the kernel's world share (kernel.h).
 *
 * The check for leftovers relies on three numbers of the system: the module's reference count, the
 * counters of long-term pins in /proc/vmstat, and the process's VmPin and VmLck. No other program
 * in the machine may use the module or pin pages meanwhile.
 */
#include "kernel.h"

#include <dirent.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

void kernel_needed(const char *program)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd), .op = 0 };
	const char *reason = NULL;
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	setenv("IOFAULT_WORLD", "kernel", 1);
	if (fd < 0)
		reason = "this kernel has no /dev/iommu that can be opened";
	else if (ioctl(fd, IOMMU_TEST_CMD, &cmd) && errno == ENOTTY)
		reason = "the /dev/iommu here has no test ioctls";
	if (fd >= 0)
		close(fd);
	if (!reason)
		return;
	printf("1..0 # SKIP %s: %s\n", program, reason);
	exit(0);
}

bool kernel_for_debugging(void)
{
	struct utsname name;

	assert_ok(uname(&name));
	return strstr(name.release, "-iofault-");
}

/* ---- the bed ---- */

void bed_make(struct bed *bed)
{
	bed->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	assert_true(bed->fd >= 0);
	bed->ioas = abi_ioas(bed->fd);
	assert_ok(abi_mock(bed->fd, bed->ioas, 0, &bed->mock));
	assert_ok(abi_fault_queue(bed->fd, &bed->fault, &bed->ffd));
	bed->hwpt = abi_hwpt_fault(bed->fd, bed->mock.idev, bed->ioas, 0, bed->fault);
	assert_ok(abi_mock_replace(bed->fd, &bed->mock, bed->hwpt));
}

void bed_close(struct bed *bed)
{
	if (bed->ffd >= 0)
		close(bed->ffd);
	if (bed->fd >= 0)
		close(bed->fd);
	bed->ffd = -1;
	bed->fd = -1;
}

static struct holdings before;

int bed_setup(void **state)
{
	static struct bed bed;

	holdings_now(&before);
	bed_make(&bed);
	*state = &bed;
	return 0;
}

int bed_teardown(void **state)
{
	bed_close(*state);
	holdings_back(&before);
	return 0;
}

void bed_trigger(const struct bed *bed, uint32_t grpid)
{
	assert_ok(abi_trigger(bed->fd, bed->mock.idev, 0, grpid, 1, IOVA + grpid * PAGE));
}

uint32_t bed_take(const struct bed *bed)
{
	struct iommu_hwpt_pgfault rec;

	assert_int_equal(abi_read_one(bed->ffd, &rec), sizeof(rec));
	return rec.cookie;
}

void bed_stats(const struct bed *bed, struct iof_test_stats *stats)
{
	assert_ok(abi_stats(bed->fd, bed->mock.idev, stats));
}

/* ---- counting ---- */

long number_in(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	size_t len = strlen(key);
	long value = -1;
	char line[256];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, len))
			continue;
		value = strtol(line + len, NULL, 10);
		break;
	}
	fclose(f);
	return value;
}

void holdings_now(struct holdings *now)
{
	long refs = number_in("/sys/module/iofault/refcnt", "");
	int refresh = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	struct statfs node;
	char nothing;

	/*
	 * Each CPU has a counter of its own, and adds it up about once a second, or now on request.
	 */
	if (refresh >= 0) {
		(void)!read(refresh, &nothing, 1);
		close(refresh);
	}
	now->refs = refs < 0 ? 0 : refs;
	/* Under `iofault run` no page is pinned for the test, and other programs may pin theirs. */
	now->pins = statfs("/dev/iommu", &node) || node.f_type == FUSE_SUPER_MAGIC ?
			    0 :
			    number_in("/proc/vmstat", "nr_foll_pin_acquired ") -
				    number_in("/proc/vmstat", "nr_foll_pin_released ");
	now->pin_kb = number_in("/proc/self/status", "VmPin:");
	now->lck_kb = number_in("/proc/self/status", "VmLck:");
}

static bool same(const struct holdings *a, const struct holdings *b)
{
	return a->refs == b->refs && a->pins == b->pins && a->pin_kb == b->pin_kb &&
	       a->lck_kb == b->lck_kb;
}

void holdings_back(const struct holdings *then)
{
	time_t end = time(NULL) + 10;
	struct holdings now;

	for (;;) {
		holdings_now(&now);
		if (same(&now, then))
			return;
		if (time(NULL) > end)
			break;
		sched_yield();
	}
	print_error("left: %ld module references, %ld pins, VmPin %ld kB, VmLck %ld kB\n",
		    now.refs - then->refs, now.pins - then->pins, now.pin_kb - then->pin_kb,
		    now.lck_kb - then->lck_kb);
	fail();
}

int tasks_named(const char *prefix)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], comm[32];
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, prefix, strlen(prefix)))
			n++;
		fclose(f);
	}
	closedir(dir);
	return n;
}

int exit_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
