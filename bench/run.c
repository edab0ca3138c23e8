// SPDX-License-Identifier: MIT
/*
 * run.c - the cost of a call under `iofault run`, beside the cheapest system call of the kernel.
 * The calls are an ioctl that changes nothing, a map and its unmap, a read of an empty queue, a
 * poll, a whole fault, a call that returns a descriptor (which seccomp traps), and stat(2) of files
 * that are none of iofault's (trapped as well), with and without --no-device-stat.
 *
 * The program executes itself again under `iofault run`; the command is iofault beside the build's
 * bench/, or $IOFAULT. The rows have no limits: a program that needs speed links the library.
 */
#include "common.h"

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 2000
#define PAGE   4096

static int fd, queue, foreign;
static uint32_t ioas, idev;
static void *memory;

static void must(int rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, strerror(errno));
}

/* ---- the calls ---- */

static void floor_call(void)
{
	syscall(SYS_getppid);
}

static void nothing(void)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd) };

	ioctl(fd, IOMMU_DESTROY, &cmd);
}

static void map_unmap(void)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.ioas_id = ioas,
		.length = PAGE,
		.iova = 0x10000000,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)memory,
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas,
		.iova = 0x10000000,
		.length = PAGE,
	};

	must(ioctl(fd, IOMMU_IOAS_MAP, &map), "IOAS_MAP");
	must(ioctl(fd, IOMMU_IOAS_UNMAP, &unmap), "IOAS_UNMAP");
}

static void read_empty(void)
{
	struct iommu_hwpt_pgfault rec;

	must((int)read(queue, &rec, sizeof(rec)), "read");
}

static void look(void)
{
	struct pollfd pfd = { .fd = queue, .events = POLLIN };

	must(poll(&pfd, 1, 0), "poll");
}

static void trigger(void)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = { .dev_id = idev, .perm = 1, .addr = 0x20000000 },
	};

	must(ioctl(fd, IOMMU_TEST_CMD, &cmd), "TRIGGER_IOPF");
}

/* Does one fault: report, read, respond. */
static void whole_fault(void)
{
	struct iommu_hwpt_page_response answer = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
	struct iommu_hwpt_pgfault rec;

	trigger();
	if (read(queue, &rec, sizeof(rec)) != sizeof(rec))
		bench_die("no fault came");
	answer.cookie = rec.cookie;
	if (write(queue, &answer, sizeof(answer)) != sizeof(answer))
		bench_die("the response was rejected");
}

static void make_queue(void)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	struct iommu_destroy destroy = { .size = sizeof(destroy) };

	must(ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd), "FAULT_QUEUE_ALLOC");
	close((int)cmd.out_fault_fd);
	destroy.id = cmd.out_fault_id;
	must(ioctl(fd, IOMMU_DESTROY, &destroy), "DESTROY");
}

static void stat_foreign_fd(void)
{
	struct stat st;

	must(fstat(foreign, &st), "fstat");
}

static void stat_foreign_path(void)
{
	struct stat st;

	must(stat("/usr/bin", &st), "/usr/bin");
}

static void stat_node(void)
{
	struct stat st;

	must(fstat(fd, &st), "fstat");
}

static void measure(const char *name, void (*call)(void))
{
	double us[BENCH_RUNS];

	for (int run = 0; run < BENCH_RUNS; run++) {
		uint64_t begun = bench_now();

		for (int i = 0; i < ROUNDS; i++)
			call();
		us[run] = (double)(bench_now() - begun) / ROUNDS / 1000;
	}
	bench_row(name, bench_median(us, BENCH_RUNS), "us");
}

static void prepare(void)
{
	struct iommu_ioas_alloc space = { .size = sizeof(space) };
	struct iommu_test_cmd mock = { .size = sizeof(mock), .op = IOMMU_TEST_OP_MOCK_DOMAIN };
	struct iommu_fault_alloc fault = { .size = sizeof(fault) };
	struct iommu_hwpt_alloc table = { .size = sizeof(table),
					  .flags = IOMMU_HWPT_FAULT_ID_VALID };

	must(ioctl(fd, IOMMU_IOAS_ALLOC, &space), "IOAS_ALLOC");
	ioas = space.out_ioas_id;
	mock.id = ioas;
	must(ioctl(fd, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN");
	idev = mock.mock_domain.out_idev_id;
	must(ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &fault), "FAULT_QUEUE_ALLOC");
	queue = (int)fault.out_fault_fd;
	table.dev_id = idev;
	table.pt_id = ioas;
	table.fault_id = fault.out_fault_id;
	must(ioctl(fd, IOMMU_HWPT_ALLOC, &table), "HWPT_ALLOC");
	mock.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE;
	mock.id = mock.mock_domain.out_stdev_id;
	mock.mock_domain_replace.pt_id = table.out_hwpt_id;
	must(ioctl(fd, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN_REPLACE");
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		bench_die("no memory");
}

static int inside(void)
{
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	must(fd, "/dev/iommu");
	foreign = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	must(foreign, "/proc/self/exe");
	prepare();
	measure("a system call of the kernel's", floor_call);
	measure("an ioctl that changes nothing", nothing);
	measure("map a page and unmap it", map_unmap);
	measure("read an empty queue", read_empty);
	measure("poll", look);
	measure("a fault: trigger (trapped), read, answer", whole_fault);
	measure("make a queue (trapped), close, destroy", make_queue);
	measure("fstat of a node (trapped)", stat_node);
	measure("fstat of another descriptor (trapped)", stat_foreign_fd);
	measure("stat of another path (trapped)", stat_foreign_path);
	return 0;
}

static int plain_inside(void)
{
	foreign = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	must(foreign, "/proc/self/exe");
	measure("fstat of it with --no-device-stat", stat_foreign_fd);
	measure("stat of it with --no-device-stat", stat_foreign_path);
	return 0;
}

/* Runs this program under `iofault run`, and waits for it. */
static int run_inside(const char *command, const char *option, const char *self, const char *what)
{
	pid_t pid = fork();
	int status;

	must(pid, "fork");
	if (!pid) {
		execl(command, command, "run", "--no-device", option, "--", self, what, NULL);
		bench_die("%s: %s", command, strerror(errno));
	}
	must(waitpid(pid, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	char self[4096], beside[4200], *command = getenv("IOFAULT");
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (argc > 1)
		return strcmp(argv[1], "plain") ? inside() : plain_inside();
	if (len < 0)
		bench_die("/proc/self/exe: %s", strerror(errno));
	self[len] = 0;
	if (!command) {
		char folder[4096];

		memcpy(folder, self, (size_t)len + 1);
		snprintf(beside, sizeof(beside), "%s/../iofault", dirname(folder));
		command = beside;
	}
	return run_inside(command, "--mock", self, "inside") ||
	       run_inside(command, "--no-device-stat", self, "plain");
}
