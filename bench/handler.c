// SPDX-License-Identifier: MIT
/*
 * handler.c - the processor time of a handler that spins adaptively, at 1,000 faults a second.
 *
 * Its peer is the same handler without a spin (iof_handler_run_once()). A mock device raises a
 * fault each millisecond. In the second part a thread that computes shares the handler's CPU; what
 * the handler takes of their processor time is what that thread loses. Both figures are processor
 * time, so that other processes of a busy machine hardly change them.
 */
#include "common.h"

#include <iofault/handler.h>
#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAULTS	  400u
#define PERIOD_NS 1000000u

static const int device_cpu = 0, handler_cpu = 1;

static struct iof_world *world;
static int iommu, fault_fd;
static struct iommu_test_cmd mock;

static void call(int rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, strerror(-rc));
}

/* Opens a mock device with a fault queue. */
static void setup(void)
{
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED,
					   .no_devices = 1,
					   .test_ioctls = 1 };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct iommu_test_cmd attach = { .size = sizeof(attach),
					 .op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE };

	call(iof_world_open(&config, &world), "iof_world_open");
	iommu = iof_open(world, "/dev/iommu", O_RDWR);
	call(iommu, "/dev/iommu");
	call(iof_ioctl(iommu, IOMMU_IOAS_ALLOC, &ioas), "IOAS_ALLOC");
	call(iof_ioctl(iommu, IOMMU_FAULT_QUEUE_ALLOC, &queue), "FAULT_QUEUE_ALLOC");
	fault_fd = (int)queue.out_fault_fd;
	mock = (struct iommu_test_cmd){ .size = sizeof(mock),
					.id = ioas.out_ioas_id,
					.op = IOMMU_TEST_OP_MOCK_DOMAIN };
	call(iof_ioctl(iommu, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN");
	hwpt.dev_id = mock.mock_domain.out_idev_id;
	hwpt.pt_id = ioas.out_ioas_id;
	hwpt.fault_id = queue.out_fault_id;
	call(iof_ioctl(iommu, IOMMU_HWPT_ALLOC, &hwpt), "HWPT_ALLOC");
	attach.id = mock.mock_domain.out_stdev_id;
	attach.mock_domain_replace.pt_id = hwpt.out_hwpt_id;
	call(iof_ioctl(iommu, IOMMU_TEST_CMD, &attach), "MOCK_DOMAIN_REPLACE");
}

static int respond(void *arg, const struct iof_fault_group *group)
{
	(void)arg;
	(void)group;
	return IOF_SUCCESS;
}

struct side {
	struct iof_handler *handler;
	bool adaptive;
	int stop;   /* atomic */
	double cpu; /* processor time of the thread in ns */
};

static double thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *handle(void *arg)
{
	struct side *side = arg;
	double begun;

	bench_pin(handler_cpu);
	begun = thread_ns();
	if (side->adaptive) {
		iof_handler_run(side->handler);
	} else {
		while (iof_handler_run_once(side->handler, -1) > 0)
			;
	}
	side->cpu = thread_ns() - begun;
	return NULL;
}

static void *compute(void *arg)
{
	struct side *side = arg;
	double begun;

	bench_pin(handler_cpu);
	begun = thread_ns();
	while (!__atomic_load_n(&side->stop, __ATOMIC_RELAXED))
		;
	side->cpu = thread_ns() - begun;
	return NULL;
}

static void raise_faults(void)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd),
				      .op = IOMMU_TEST_OP_TRIGGER_IOPF,
				      .trigger_iopf = { .dev_id = mock.mock_domain.out_idev_id,
							.perm = 1 } };
	uint64_t next = bench_now();
	uint32_t i;

	for (i = 0; i < FAULTS; i++) {
		struct timespec until;

		next += PERIOD_NS;
		until.tv_sec = (time_t)(next / 1000000000u);
		until.tv_nsec = (long)(next % 1000000000u);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		cmd.trigger_iopf.grpid = i;
		cmd.trigger_iopf.addr = (uint64_t)i << 12;
		call(iof_ioctl(iommu, IOMMU_TEST_CMD, &cmd), "TRIGGER_IOPF");
	}
}

static void start(pthread_t *thread, void *(*function)(void *), struct side *side)
{
	if (pthread_create(thread, NULL, function, side))
		bench_die("a thread cannot be created");
}

/*
 * Returns the handler's processor time of a fault in ns. *@share, if not NULL: beside a thread that
 * computes on its CPU, the handler's share of the processor time of the two.
 */
static double fault_cost(bool adaptive, double *share)
{
	struct iof_handler_config config = { .fault_fd = fault_fd,
					     .flags = IOF_HANDLER_NO_LATENCY,
					     .fault = respond };
	struct side side = { .adaptive = adaptive }, busy = { 0 };
	pthread_t thread, neighbour;

	call(iof_handler_open(&config, &side.handler), "iof_handler_open");
	bench_pin(device_cpu);
	start(&thread, handle, &side);
	if (share)
		start(&neighbour, compute, &busy);
	raise_faults();
	iof_handler_stop(side.handler);
	pthread_join(thread, NULL);
	__atomic_store_n(&busy.stop, 1, __ATOMIC_RELAXED);
	if (share) {
		pthread_join(neighbour, NULL);
		*share = side.cpu / (side.cpu + busy.cpu);
	}
	iof_handler_close(side.handler);
	return side.cpu / FAULTS;
}

int main(void)
{
	double sleeps[BENCH_RUNS], adapts[BENCH_RUNS], share[BENCH_RUNS], base[BENCH_RUNS];
	double a, b;
	int i;

	if (bench_cpus() < 2)
		bench_die("these figures need two processors");
	setup();
	for (i = 0; i < BENCH_RUNS; i++) {
		sleeps[i] = fault_cost(false, NULL);
		adapts[i] = fault_cost(true, NULL);
		fault_cost(false, &base[i]);
		fault_cost(true, &share[i]);
	}
	a = bench_median(sleeps, BENCH_RUNS);
	b = bench_median(adapts, BENCH_RUNS);
	puts("processor time of a handler at 1,000 faults per second");
	bench_row("handler that sleeps at once, per fault", a, "ns");
	bench_row("handler that spins adaptively, per fault", b, "ns");
	bench_row("loss of a busy thread on its CPU, handler sleeps at once",
		  100 * bench_median(base, BENCH_RUNS), "%");
	bench_row("the same, handler spins adaptively", 100 * bench_median(share, BENCH_RUNS), "%");
	bench_at_most("processor time at 1,000 faults/s, adaptive / sleeping handler", b / a, 2.0);
	bench_at_most("percent that a busy thread loses to the handler on its CPU",
		      100 * bench_median(share, BENCH_RUNS), 2.0);
	return 0;
}
