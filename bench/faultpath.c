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
#include "module.h"

#include <iofault/iommufd_test.h>

#include <dirent.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS	MODULE_ROUNDS
#define CALLS	2000u /* number of calls, or round trips, in a round */
#define BATCHES 40u   /* number of batches in a round */
#define CYCLES	32u   /* number of io_uring cycles between responses */

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

/* As in tests/vm/modules/floor/floor.c. */
#define FLOOR_WAITS  _IO('f', 2)
#define FLOOR_REPORT _IO('f', 3)

/* ---- the floors ---- */

static void floor_getppid(void)
{
	syscall(SYS_getppid);
}

static void floor_ioctl(void)
{
	struct iommu_test_cmd cmd;

	module_expect(ioctl(module_floor_fd, IOMMU_TEST_CMD, &cmd), 0, "ioctl of the floor");
}

static void floor_poll(void)
{
	module_wait_readable(module_floor_fd);
}

static void floor_read(void)
{
	module_expect(read(module_floor_fd, module_faults, sizeof(module_faults[0])),
		      sizeof(module_faults[0]), "read of the floor");
}

static void floor_write(void)
{
	module_expect(write(module_floor_fd, module_answers, sizeof(module_answers[0])),
		      sizeof(module_answers[0]), "write of the floor");
}

/* ---- one fault ---- */

static void one_trip(void)
{
	module_trigger();
	module_wait_readable(module_fault_fd);
	module_read_faults(1);
	module_answer_faults(1);
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

			module_trigger();
			sum[0] += since(t0);
			t0 = bench_now();
			module_wait_readable(module_fault_fd);
			sum[1] += since(t0);
			t0 = bench_now();
			module_read_faults(1);
			sum[2] += since(t0);
			t0 = bench_now();
			module_answer_faults(1);
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
			for (i = 0; i < MODULE_BATCH; i++)
				module_trigger();
			t0 = bench_now();
			module_read_faults(MODULE_BATCH);
			r += since(t0);
			t0 = bench_now();
			module_answer_faults(MODULE_BATCH);
			w += since(t0);
		}
		in[round] = (double)r / (BATCHES * MODULE_BATCH);
		out[round] = (double)w / (BATCHES * MODULE_BATCH);
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
	module_expect(io_uring_submit(&ring), 1, "io_uring_submit");
}

static void reap(int wanted)
{
	struct io_uring_cqe *cqe;

	module_expect(io_uring_wait_cqe(&ring, &cqe), 0, "io_uring_wait_cqe");
	module_expect(cqe->res, wanted, "a read by io_uring");
	io_uring_cqe_seen(&ring, cqe);
}

static void floor_report(void)
{
	module_expect(ioctl(module_floor_fd, FLOOR_REPORT), 0, "FLOOR_REPORT");
}

/*
 * Measures cycles: a read waits, a fault is reported, the read completes. The responses to faults
 * are outside the cycle.
 */
static double uring_cycle(int fd, void (*report)(void))
{
	double ns[ROUNDS];
	unsigned int round, i, j;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t sum = 0;

		for (i = 0; i < CALLS; i += CYCLES) {
			uint64_t t0 = bench_now();

			for (j = 0; j < CYCLES; j++) {
				submit_read(fd, &module_faults[j], sizeof(module_faults[0]));
				report();
				reap(sizeof(module_faults[0]));
			}
			sum += since(t0);
			if (fd == module_fault_fd)
				module_answer_faults(CYCLES);
		}
		ns[round] = (double)sum / i;
	}
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
	double getppid_ns, floor[4], parts[4], trip, read_ns, write_ns, uring_floor, uring_ns;
	double floors, three;
	int rc, workers;

	module_open_device();
	rc = io_uring_queue_init(8, &ring, 0);
	if (rc)
		bench_die("io_uring_queue_init: %s", strerror(-rc));
	learn_clock_cost();
	one_trip();
	getppid_ns = module_per_call(floor_getppid, CALLS);
	floor[0] = module_per_call(floor_ioctl, CALLS);
	floor[1] = module_per_call(floor_poll, CALLS);
	floor[2] = module_per_call(floor_read, CALLS);
	floor[3] = module_per_call(floor_write, CALLS);
	trip = module_per_call(one_trip, CALLS);
	trip_parts(parts);
	batches(&read_ns, &write_ns);
	module_need(ioctl(module_floor_fd, FLOOR_WAITS), "FLOOR_WAITS");
	uring_floor = uring_cycle(module_floor_fd, floor_report);
	uring_ns = uring_cycle(module_fault_fd, module_trigger);
	workers = uring_workers();
	floors = floor[0] + floor[1] + floor[2] + floor[3];
	three = parts[0] + parts[2] + parts[3];

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
	bench_row("a module that does nothing: the kernel itself", uring_floor, unit);
	bench_row("fault queue", uring_ns, unit);
	if (instructions) {
		/* Linux 7.2's own iommufd: 3,058. The kernel's entry into a module counts here. */
		bench_at_most("instructions of report, read and write above three getppid()",
			      three - 3 * getppid_ns, 1500);
		bench_at_most("instructions of report, read and write above three floors",
			      three - floor[0] - floor[2] - floor[3], 1200);
		bench_at_most("instructions of one fault above its floors", trip - floors, 1200);
		bench_at_most("instructions per fault of a read of 64", read_ns, 150);
		bench_at_most("instructions per fault of a write of 64", write_ns, 200);
	}
	if (instructions) {
		/* At most 3,000, or what the kernel itself takes and 1,000. */
		bench_at_most("instructions of an io_uring cycle", uring_ns,
			      uring_floor > 2000 ? uring_floor + 1000 : 3000);
		bench_at_most("instructions of an io_uring cycle above the kernel's",
			      uring_ns - uring_floor, 1000);
	}
	bench_at_most("io_uring cycle of a fault, / what the kernel itself takes",
		      uring_ns / uring_floor, 1.3);
	bench_at_most("io_uring worker threads", workers, 0);
	return 0;
}
