// SPDX-License-Identifier: MIT
/*
 * queue.c - the cost of a fault queue with many open groups.
 *
 * It measures detaching one device while another has 100,000 queued faults, responding among
 * 1,000,000 open faults against among 1,000, and memory for each open fault. The faults come from
 * mock devices (IOMMU_TEST_CMD), so that the time is the queue's own.
 */
#include "common.h"

#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY	    1000000u
#define FEW	    1000u
#define CHUNK	    64u
#define ANSWER_RUNS 5

static struct iof_world *world;
static int iommu, fault_fd;
static uint32_t ioas, hwpt;

static void call(int rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, strerror(-rc));
}

struct mock {
	uint32_t stdev, idev;
};

static struct mock mock_new(uint32_t pt)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd),
				      .id = pt,
				      .op = IOMMU_TEST_OP_MOCK_DOMAIN };

	call(iof_ioctl(iommu, IOMMU_TEST_CMD, &cmd), "MOCK_DOMAIN");
	return (struct mock){ cmd.mock_domain.out_stdev_id, cmd.mock_domain.out_idev_id };
}

static void mock_attach(struct mock mock, uint32_t pt)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd),
				      .op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
				      .id = mock.stdev,
				      .mock_domain_replace.pt_id = pt };

	call(iof_ioctl(iommu, IOMMU_TEST_CMD, &cmd), "MOCK_DOMAIN_REPLACE");
}

static void trigger(struct mock mock, uint32_t nr)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd),
				      .op = IOMMU_TEST_OP_TRIGGER_IOPF,
				      .trigger_iopf = { .dev_id = mock.idev, .perm = 1 } };
	uint32_t i;

	for (i = 0; i < nr; i++) {
		cmd.trigger_iopf.grpid = i;
		cmd.trigger_iopf.addr = (uint64_t)i << 12;
		call(iof_ioctl(iommu, IOMMU_TEST_CMD, &cmd), "TRIGGER_IOPF");
	}
}

static void setup(void)
{
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED,
					   .no_devices = 1,
					   .test_ioctls = 1 };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_fault_alloc fault = { .size = sizeof(fault) };
	struct iommu_hwpt_alloc paging = { .size = sizeof(paging),
					   .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct mock first;

	call(iof_world_open(&config, &world), "iof_world_open");
	iommu = iof_open(world, "/dev/iommu", O_RDWR);
	call(iommu, "/dev/iommu");
	call(iof_ioctl(iommu, IOMMU_IOAS_ALLOC, &alloc), "IOAS_ALLOC");
	ioas = alloc.out_ioas_id;
	call(iof_ioctl(iommu, IOMMU_FAULT_QUEUE_ALLOC, &fault), "FAULT_QUEUE_ALLOC");
	fault_fd = fault.out_fault_fd;
	first = mock_new(ioas);
	paging.dev_id = first.idev;
	paging.pt_id = ioas;
	paging.fault_id = fault.out_fault_id;
	call(iof_ioctl(iommu, IOMMU_HWPT_ALLOC, &paging), "HWPT_ALLOC");
	hwpt = paging.out_hwpt_id;
}

static void drain(void)
{
	struct iommu_hwpt_pgfault faults[CHUNK];
	struct iommu_hwpt_page_response resp[CHUNK];
	ssize_t n, i;

	while ((n = iof_read(fault_fd, faults, sizeof(faults))) > 0) {
		n /= (ssize_t)sizeof(faults[0]);
		for (i = 0; i < n; i++)
			resp[i] = (struct iommu_hwpt_page_response){ faults[i].cookie, 0 };
		if (iof_write(fault_fd, resp, (size_t)n * sizeof(resp[0])) < 0)
			bench_die("the write of responses failed");
	}
}

/* Returns the ns to detach a device that has one fault open, while @other has @queued. */
static double detach_run(struct mock mock, struct mock other, uint32_t queued)
{
	enum {
		TIMES = 200
	};
	double ns[TIMES];
	uint32_t i;

	trigger(other, queued);
	for (i = 0; i < TIMES; i++) {
		uint64_t t0;

		mock_attach(mock, hwpt);
		trigger(mock, 1);
		t0 = bench_now();
		mock_attach(mock, ioas);
		ns[i] = (double)(bench_now() - t0);
	}
	drain();
	return bench_median(ns, TIMES);
}

static void detach_cost(void)
{
	struct mock mock = mock_new(ioas), other = mock_new(hwpt);
	double none[BENCH_RUNS], many[BENCH_RUNS], a, b;
	int i;

	for (i = 0; i < BENCH_RUNS; i++) {
		none[i] = detach_run(mock, other, 0);
		many[i] = detach_run(mock, other, 100000);
	}
	a = bench_median(none, BENCH_RUNS);
	b = bench_median(many, BENCH_RUNS);
	puts("moving a device with 1 open fault away from the queue");
	bench_row("nothing else queued", a, "ns");
	bench_row("another device has 100,000 queued", b, "ns");
	bench_at_most("detach with 100,000 of another device queued / with none", b / a, 1.5);
	mock_attach(other, ioas);
}

static long resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, resident = 0;

	if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2)
		bench_die("/proc/self/statm cannot be read");
	fclose(f);
	return resident * sysconf(_SC_PAGESIZE);
}

/* Opens @nr faults and returns their cookies in delivery order. */
static void open_faults(struct mock mock, uint32_t nr, struct iommu_hwpt_page_response *resp)
{
	struct iommu_hwpt_pgfault faults[CHUNK];
	uint32_t at = 0;
	ssize_t n, i;

	trigger(mock, nr);
	while ((n = iof_read(fault_fd, faults, sizeof(faults))) > 0) {
		for (i = 0; i < n / (ssize_t)sizeof(faults[0]); i++)
			resp[at++] = (struct iommu_hwpt_page_response){ faults[i].cookie, 0 };
	}
	if (at != nr)
		bench_die("%u faults came of %u", at, nr);
}

static void shuffle(struct iommu_hwpt_page_response *resp, uint32_t nr)
{
	unsigned int seed = 7;
	uint32_t i;

	for (i = nr - 1; i > 0; i--) {
		uint32_t k = ((uint32_t)rand_r(&seed) << 15 ^ (uint32_t)rand_r(&seed)) % (i + 1);
		struct iommu_hwpt_page_response t = resp[i];

		resp[i] = resp[k];
		resp[k] = t;
	}
}

/*
 * Returns the ns of a response when all @nr open faults get theirs, in batches. A small @nr is
 * repeated, so that the run is as long.
 */
static double answer_run(struct mock mock, uint32_t nr, bool random)
{
	struct iommu_hwpt_page_response *resp = calloc(nr, sizeof(*resp));
	const uint32_t times = nr < MANY ? 200 : 1;
	uint64_t ns = 0, t0;
	uint32_t round, at;

	for (round = 0; round < times; round++) {
		open_faults(mock, nr, resp);
		if (random)
			shuffle(resp, nr);
		t0 = bench_now();
		for (at = 0; at < nr; at += CHUNK) {
			uint32_t n = nr - at < CHUNK ? nr - at : CHUNK;

			if (iof_write(fault_fd, resp + at, n * sizeof(*resp)) !=
			    (ssize_t)(n * sizeof(*resp)))
				bench_die("the write of responses failed");
		}
		ns += bench_now() - t0;
	}
	free(resp);
	return (double)ns / ((double)nr * times);
}

/* Prints which caches hold the open faults: a record and a slot each. */
static void print_caches(void)
{
	static const int names[] = { _SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
				     _SC_LEVEL3_CACHE_SIZE };
	static const uint32_t open[] = { FEW, MANY };
	const double each = 128 + 16, mib = 1 << 20;
	char name[80];
	int i, k;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < 3 && (double)sysconf(names[k]) < open[i] * each; k++)
			;
		if (k < 3)
			snprintf(name, sizeof(name), "%u open faults fit the level %d cache",
				 open[i], k + 1);
		else
			snprintf(name, sizeof(name), "%u open faults leave all caches", open[i]);
		bench_row(name, open[i] * each / mib, "MiB");
	}
}

/*
 * A device reuses its records in the order of the responses. So the addresses of the next faults'
 * records depend on the earlier response order. Each order has a device of its own, which has seen
 * no other order. One more row shows in-order responses on the device of the random order.
 */
static void answer_cost(void)
{
	enum {
		IN_ORDER,
		RANDOM,
		IN_ORDER_AFTER_RANDOM,
		KINDS
	};
	double v[KINDS][2][ANSWER_RUNS], m[KINDS][2];
	struct mock mock[2];
	long before;
	int i, kind;

	for (i = 0; i < 2; i++) {
		mock[i] = mock_new(hwpt);
		/* A device keeps its records for later faults: their memory is measurable. */
		before = resident_bytes();
		trigger(mock[i], MANY);
		if (!i)
			bench_row("memory per queued fault",
				  (double)(resident_bytes() - before) / MANY, "bytes");
		drain();
	}
	for (i = 0; i < ANSWER_RUNS; i++) {
		for (kind = 0; kind < KINDS; kind++) {
			v[kind][0][i] = answer_run(mock[kind != IN_ORDER], FEW, kind == RANDOM);
			v[kind][1][i] = answer_run(mock[kind != IN_ORDER], MANY, kind == RANDOM);
		}
	}
	for (kind = 0; kind < KINDS; kind++) {
		for (i = 0; i < 2; i++)
			m[kind][i] = bench_median(v[kind][i], ANSWER_RUNS);
	}
	puts("answering one fault, in batches of 64");
	print_caches();
	bench_row("1,000 open, first in first out", m[IN_ORDER][0], "ns");
	bench_row("1,000,000 open, first in first out", m[IN_ORDER][1], "ns");
	bench_row("1,000 open, random order", m[RANDOM][0], "ns");
	bench_row("1,000,000 open, random order", m[RANDOM][1], "ns");
	bench_row("1,000,000 open, first in first out, after random", m[IN_ORDER_AFTER_RANDOM][1],
		  "ns");
	bench_at_most("answer with 1,000,000 open / 1,000 open, in order",
		      m[IN_ORDER][1] / m[IN_ORDER][0], 2.0);
	bench_at_most("answer with 1,000,000 open / 1,000 open, random",
		      m[RANDOM][1] / m[RANDOM][0], 8.0);
}

int main(void)
{
	bench_pin(0);
	setup();
	detach_cost();
	answer_cost();
	return 0;
}
