// SPDX-License-Identifier: MIT
/*
 * faultpath.c - the cost of a fault on the module's /dev/iommu, above the cost of its system calls.
 *
 * The floors are calls into a module that does nothing (tests/vm/modules/floor). The peer
 * of the io_uring read is a read of an eventfd. Faults come from a mock device's trigger. The
 * figures count instructions: they hold in a guest where an instruction takes one nanosecond (`make
 * vm-bench`), which --instructions selects. Elsewhere the rows are nanoseconds, and only the ratio
 * has a limit. The program measures everything before it prints.
 */
#include "common.h"

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS	9u    /* number of rounds; each figure is their median */
#define CALLS	2000u /* number of calls, or round trips, in a round */
#define BATCH	64u
#define BATCHES 40u /* number of batches in a round */
#define CYCLES	32u /* number of io_uring cycles between responses */

static int iommu, fault_fd, floor_fd;
static uint32_t device;
static struct iommu_hwpt_pgfault faults[BATCH];
static struct iommu_hwpt_page_response answers[BATCH];

static void need(long rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, strerror(errno));
}

static void expect(long rc, long wanted, const char *what)
{
	if (rc != wanted)
		bench_die("%s: %ld instead of %ld", what, rc, wanted);
}

/* ---- the device ---- */

/* Opens a mock device that reports its faults to fault_fd. */
static void open_device(void)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iommu_test_cmd mock = { .size = sizeof(mock), .op = IOMMU_TEST_OP_MOCK_DOMAIN };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct iommu_test_cmd attach = { .size = sizeof(attach),
					 .op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE };

	iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommu < 0) {
		printf("faultpath: no /dev/iommu here (%s): load iofault.ko, or use "
		       "`make vm-bench`\n",
		       strerror(errno));
		exit(77);
	}
	floor_fd = open("/dev/iofault-floor", O_RDWR | O_CLOEXEC);
	if (floor_fd < 0) {
		printf("faultpath: no /dev/iofault-floor here (%s): load floor.ko beside "
		       "iofault.ko\n",
		       strerror(errno));
		exit(77);
	}
	need(ioctl(iommu, IOMMU_IOAS_ALLOC, &ioas), "IOAS_ALLOC");
	need(ioctl(iommu, IOMMU_FAULT_QUEUE_ALLOC, &queue), "FAULT_QUEUE_ALLOC");
	mock.id = ioas.out_ioas_id;
	need(ioctl(iommu, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN (is there a mock device?)");
	device = mock.mock_domain.out_idev_id;
	hwpt.dev_id = device;
	hwpt.pt_id = ioas.out_ioas_id;
	hwpt.fault_id = queue.out_fault_id;
	need(ioctl(iommu, IOMMU_HWPT_ALLOC, &hwpt), "HWPT_ALLOC");
	attach.id = mock.mock_domain.out_stdev_id;
	attach.mock_domain_replace.pt_id = hwpt.out_hwpt_id;
	need(ioctl(iommu, IOMMU_TEST_CMD, &attach), "MOCK_DOMAIN_REPLACE");
	fault_fd = queue.out_fault_fd;
}

static void trigger(void)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = { .dev_id = device, .grpid = 1, .perm = 1, .addr = 0x10000000 }
	};

	if (ioctl(iommu, IOMMU_TEST_CMD, &cmd))
		bench_die("TRIGGER_IOPF: %s", strerror(errno));
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	expect(poll(&p, 1, -1), 1, "poll");
}

static void read_faults(unsigned int n)
{
	expect(read(fault_fd, faults, n * sizeof(faults[0])), n * sizeof(faults[0]), "read");
}

static void answer_faults(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		answers[i].cookie = faults[i].cookie;
		answers[i].code = IOMMUFD_PAGE_RESP_SUCCESS;
	}
	expect(write(fault_fd, answers, n * sizeof(answers[0])), n * sizeof(answers[0]), "write");
}

/* ---- measuring ---- */

/* Cost of reading the clock twice, which each part's time includes. */
static uint64_t clock_cost;

static uint64_t since(uint64_t t0)
{
	uint64_t ns = bench_now() - t0;

	return ns > clock_cost ? ns - clock_cost : 0;
}

static void learn_clock_cost(void)
{
	double cost[101];
	unsigned int i;

	for (i = 0; i < 101; i++) {
		uint64_t t0 = bench_now();

		cost[i] = (double)(bench_now() - t0);
	}
	clock_cost = (uint64_t)bench_median(cost, 101);
}

static double per_call(void (*call)(void))
{
	double ns[ROUNDS];
	unsigned int round, i;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t t0 = bench_now();

		for (i = 0; i < CALLS; i++)
			call();
		ns[round] = (double)(bench_now() - t0) / CALLS;
	}
	return bench_median(ns, ROUNDS);
}

/* ---- the floors ---- */

static void floor_getppid(void)
{
	syscall(SYS_getppid);
}

static void floor_ioctl(void)
{
	struct iommu_test_cmd cmd;

	expect(ioctl(floor_fd, IOMMU_TEST_CMD, &cmd), 0, "ioctl of the floor");
}

static void floor_poll(void)
{
	wait_readable(floor_fd);
}

static void floor_read(void)
{
	expect(read(floor_fd, faults, sizeof(faults[0])), sizeof(faults[0]), "read of the floor");
}

static void floor_write(void)
{
	expect(write(floor_fd, answers, sizeof(answers[0])), sizeof(answers[0]),
	       "write of the floor");
}

/* ---- one fault ---- */

static void one_trip(void)
{
	trigger();
	wait_readable(fault_fd);
	read_faults(1);
	answer_faults(1);
}

/*
 * Measures the four parts of a round trip one by one. Their sum differs from the trip by the cost
 * of measuring.
 */
static void trip_parts(double part[4])
{
	double ns[4][ROUNDS];
	unsigned int round, i;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t sum[4] = { 0 };

		for (i = 0; i < CALLS; i++) {
			uint64_t t0 = bench_now();

			trigger();
			sum[0] += since(t0);
			t0 = bench_now();
			wait_readable(fault_fd);
			sum[1] += since(t0);
			t0 = bench_now();
			read_faults(1);
			sum[2] += since(t0);
			t0 = bench_now();
			answer_faults(1);
			sum[3] += since(t0);
		}
		for (i = 0; i < 4; i++)
			ns[i][round] = (double)sum[i] / CALLS;
	}
	for (i = 0; i < 4; i++)
		part[i] = bench_median(ns[i], ROUNDS);
}

/* ---- many ---- */

static void batches(double *read_ns, double *write_ns)
{
	double in[ROUNDS], out[ROUNDS];
	unsigned int round, batch, i;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t r = 0, w = 0, t0;

		for (batch = 0; batch < BATCHES; batch++) {
			for (i = 0; i < BATCH; i++)
				trigger();
			t0 = bench_now();
			read_faults(BATCH);
			r += since(t0);
			t0 = bench_now();
			answer_faults(BATCH);
			w += since(t0);
		}
		in[round] = (double)r / (BATCHES * BATCH);
		out[round] = (double)w / (BATCHES * BATCH);
	}
	*read_ns = bench_median(in, ROUNDS);
	*write_ns = bench_median(out, ROUNDS);
}

/* ---- io_uring ---- */

static struct io_uring ring;

static void submit_read(int fd, void *to, unsigned int len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_read(sqe, fd, to, len, 0);
	expect(io_uring_submit(&ring), 1, "io_uring_submit");
}

static void reap(int wanted)
{
	struct io_uring_cqe *cqe;

	expect(io_uring_wait_cqe(&ring, &cqe), 0, "io_uring_wait_cqe");
	expect(cqe->res, wanted, "a read by io_uring");
	io_uring_cqe_seen(&ring, cqe);
}

/*
 * Measures cycles: a read waits, a fault is reported, the read completes. The responses are outside
 * the cycle.
 */
static double uring_faults(void)
{
	double ns[ROUNDS];
	unsigned int round, i, j;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t sum = 0;

		for (i = 0; i < CALLS; i += CYCLES) {
			uint64_t t0 = bench_now();

			for (j = 0; j < CYCLES; j++) {
				submit_read(fault_fd, &faults[j], sizeof(faults[0]));
				trigger();
				reap(sizeof(faults[0]));
			}
			sum += since(t0);
			answer_faults(CYCLES);
		}
		ns[round] = (double)sum / i;
	}
	return bench_median(ns, ROUNDS);
}

static double uring_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t one = 1, got;
	double ns[ROUNDS];
	unsigned int round, i, j;

	need(fd, "eventfd");
	for (round = 0; round < ROUNDS; round++) {
		uint64_t sum = 0;

		for (i = 0; i < CALLS; i += CYCLES) {
			uint64_t t0 = bench_now();

			for (j = 0; j < CYCLES; j++) {
				submit_read(fd, &got, sizeof(got));
				expect(write(fd, &one, sizeof(one)), sizeof(one), "eventfd");
				reap(sizeof(got));
			}
			sum += since(t0);
		}
		ns[round] = (double)sum / i;
	}
	close(fd);
	return bench_median(ns, ROUNDS);
}

static int uring_workers(void)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], comm[32];
	struct dirent *entry;
	int n = 0;

	if (!dir)
		bench_die("/proc/self/task: %s", strerror(errno));
	while ((entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f) && !strncmp(comm, "iou-wrk", 7))
			n++;
		if (f)
			fclose(f);
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	bool instructions = argc > 1 && !strcmp(argv[1], "--instructions");
	const char *unit = instructions ? "instructions" : "ns";
	double getppid_ns, floor[4], parts[4], trip, read_ns, write_ns, eventfd_ns, uring_ns;
	double floors;
	int rc, workers;

	open_device();
	rc = io_uring_queue_init(8, &ring, 0);
	if (rc)
		bench_die("io_uring_queue_init: %s", strerror(-rc));
	learn_clock_cost();
	one_trip();
	getppid_ns = per_call(floor_getppid);
	floor[0] = per_call(floor_ioctl);
	floor[1] = per_call(floor_poll);
	floor[2] = per_call(floor_read);
	floor[3] = per_call(floor_write);
	trip = per_call(one_trip);
	trip_parts(parts);
	batches(&read_ns, &write_ns);
	eventfd_ns = uring_eventfd();
	uring_ns = uring_faults();
	workers = uring_workers();
	floors = floor[0] + floor[1] + floor[2] + floor[3];

	puts("floors: calls into a module that do nothing");
	bench_row("getppid", getppid_ns, unit);
	bench_row("ioctl", floor[0], unit);
	bench_row("poll", floor[1], unit);
	bench_row("read", floor[2], unit);
	bench_row("write", floor[3], unit);
	puts("one fault of a mock device");
	bench_row("trigger (ioctl)", parts[0], unit);
	bench_row("poll", parts[1], unit);
	bench_row("read", parts[2], unit);
	bench_row("write", parts[3], unit);
	bench_row("trigger+poll+read+write", trip, unit);
	bench_row("sum of the floors of these four", floors, unit);
	puts("batches of 64");
	bench_row("read, per fault", read_ns, unit);
	bench_row("write, per fault", write_ns, unit);
	puts("io_uring: submit a read, report, reap");
	bench_row("eventfd", eventfd_ns, unit);
	bench_row("fault queue", uring_ns, unit);
	if (instructions) {
		bench_at_most("instructions of one fault above its floors", trip - floors, 1300);
		bench_at_most("instructions per fault of a read of 64", read_ns, 150);
		bench_at_most("instructions per fault of a write of 64", write_ns, 200);
	}
	bench_at_most("io_uring cycle of a fault, / of an eventfd", uring_ns / eventfd_ns, 1.25);
	bench_at_most("io_uring worker threads", workers, 0);
	return 0;
}
