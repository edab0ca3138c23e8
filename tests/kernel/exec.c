// SPDX-License-Identifier: MIT
/*
 * exec.c - proves the fate of descriptors when a process executes another program. Those with
 * close-on-exec are closed, among them every fault descriptor from its creation on. The others work
 * in the new program. A queue whose last holder was closed so answers its open groups. With
 * arguments, this program is that other program.
 */
#include "kernel.h"

#include <stdio.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

enum {
	IOMMU,
	FAULT,
	DEVICE,
	NR_FDS
};

struct fds {
	struct bed bed;
	int fd[NR_FDS];
};

static int setup(void **state)
{
	static struct fds fds;

	bed_make(&fds.bed);
	fds.fd[IOMMU] = fds.bed.fd;
	fds.fd[FAULT] = fds.bed.ffd;
	fds.fd[DEVICE] = -1;
	*state = &fds;
	return 0;
}

static int teardown(void **state)
{
	struct fds *fds = *state;

	if (fds->fd[DEVICE] >= 0)
		close(fds->fd[DEVICE]);
	bed_close(&fds->bed);
	return 0;
}

/* ---- the other program ---- */

/* Returns a mask: bit i is set if descriptor i is open. */
static int which_are_open(char **args)
{
	int open = 0;

	for (int i = 0; i < NR_FDS; i++)
		open |= (fcntl(atoi(args[i]), F_GETFD) >= 0) << i;
	return open;
}

/* Returns a mask: bit i is set if descriptor i works. */
static int which_work(char **args)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct iommu_hwpt_pgfault rec;
	int work = 0, ffd = atoi(args[FAULT]);

	work |= (abi_ioas(atoi(args[IOMMU])) > 0) << IOMMU;
	work |= (read(ffd, &rec, sizeof(rec)) == sizeof(rec) && rec.grpid == 3 &&
		 !abi_answer(ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS))
		<< FAULT;
	work |= !ioctl(atoi(args[DEVICE]), VFIO_DEVICE_GET_INFO, &info) << DEVICE;
	return work;
}

/* Reports that it runs, and stays until the other side of the second descriptor is closed. */
static int stay(char **args)
{
	char byte = 0;

	return write(atoi(args[0]), &byte, 1) != 1 || read(atoi(args[1]), &byte, 1) != 0;
}

static int other_program(int argc, char **argv)
{
	if (argc == 2 + NR_FDS && !strcmp(argv[1], "open"))
		return which_are_open(argv + 2);
	if (argc == 2 + NR_FDS && !strcmp(argv[1], "work"))
		return which_work(argv + 2);
	return argc == 4 && !strcmp(argv[1], "stay") ? stay(argv + 2) : 99;
}

static void become(const char *what, const int *fd, unsigned int nr)
{
	char text[4][12], *args[8] = { "exec", (char *)what };

	for (unsigned int i = 0; i < nr; i++) {
		snprintf(text[i], sizeof(text[i]), "%d", fd[i]);
		args[2 + i] = text[i];
	}
	execv("/proc/self/exe", args);
	_exit(98);
}

static int result_of(const char *what, const struct fds *fds)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		become(what, fds->fd, NR_FDS);
	return exit_of(pid);
}

/* ---- the tests ---- */

static void what_is_to_close_is_closed(void **state)
{
	struct fds *fds = *state;
	struct fds copies = *fds;

	fds->fd[DEVICE] = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	assert_true(fds->fd[DEVICE] >= 0);
	/* no call asked for close-on-exec, and it is set */
	assert_true(fcntl(fds->fd[FAULT], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(result_of("open", fds), 0);
	for (int i = 0; i < NR_FDS; i++) {
		copies.fd[i] = fcntl(fds->fd[i], F_DUPFD_CLOEXEC, 0);
		assert_true(copies.fd[i] >= 0);
	}
	assert_int_equal(result_of("open", &copies), 0);
	for (int i = 0; i < NR_FDS; i++)
		close(copies.fd[i]);
	/* in this process nothing has changed */
	bed_trigger(&fds->bed, 1);
	assert_ok(abi_answer(fds->bed.ffd, bed_take(&fds->bed), IOMMUFD_PAGE_RESP_SUCCESS));
}

static void what_is_not_to_close_works_on(void **state)
{
	struct fds *fds = *state;

	fds->fd[DEVICE] = open("/dev/vfio/devices/vfio0", O_RDWR);
	assert_true(fds->fd[DEVICE] >= 0);
	assert_int_equal(abi_bind(fds->fd[DEVICE], fds->fd[IOMMU]) > 0, 1);
	assert_int_equal(fcntl(fds->fd[DEVICE], F_GETFD), 0);
	for (int i = 0; i < NR_FDS; i++)
		assert_int_equal(fcntl(fds->fd[i], F_SETFD, 0), 0);
	assert_int_equal(result_of("open", fds), (1 << NR_FDS) - 1);
	bed_trigger(&fds->bed, 3);
	assert_int_equal(result_of("work", fds), (1 << NR_FDS) - 1);
	assert_int_equal(abi_readable(fds->bed.ffd), 0);
}

static void an_exec_of_the_last_holder_ends_the_queue(void **state)
{
	struct fds *fds = *state;
	struct iof_test_stats stats;
	time_t end = time(NULL) + 10;
	int up[2], down[2];
	pid_t pid;
	char byte;

	assert_ok(pipe(up));
	assert_ok(pipe(down));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(up[0]);
		close(down[1]);
		if (read(down[0], &byte, 1) != 1)
			_exit(97);
		become("stay", (int[]){ up[1], down[0] }, 2);
	}
	close(up[1]);
	close(down[0]);
	bed_trigger(&fds->bed, 1);
	close(fds->bed.ffd);
	fds->bed.ffd = -1;
	bed_stats(&fds->bed, &stats);
	assert_int_equal(stats.swept, 0);
	assert_int_equal(write(down[1], "g", 1), 1);
	assert_int_equal(read(up[0], &byte, 1), 1);
	/* the other program runs; under FUSE the close may be seen a bit later */
	do
		bed_stats(&fds->bed, &stats);
	while (!stats.swept && !sched_yield() && time(NULL) < end);
	assert_int_equal(stats.swept, 1);
	close(down[1]);
	assert_int_equal(exit_of(pid), 0);
	close(up[0]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(what_is_to_close_is_closed),
		T(what_is_not_to_close_works_on),
		T(an_exec_of_the_last_holder_ends_the_queue),
	};

	if (argc > 1)
		return other_program(argc, argv);
	kernel_needed("kernel/exec");
	return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
