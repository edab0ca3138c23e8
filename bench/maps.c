// SPDX-License-Identifier: MIT
/*
 * maps.c - the cost of mapping memory for a mock device, and of the first attach of a fault queue.
 *
 * With --instructions it measures the module, in a guest where an instruction takes one nanosecond
 * (`make vm-bench`). The floor of a map is what the kernel takes to pin the same pages, account for
 * them and unpin them, in a module that does nothing else (tests/vm/modules/floor). Otherwise it
 * measures an embedded world, in nanoseconds.
 */
#include "common.h"

#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS	 9u	    /* each figure is their median */
#define IOVA	 (1u << 24) /* from where mock devices have addresses */
#define ATTACHES 9u

/* As in tests/vm/modules/floor/floor.c. */
struct floor_pin {
	uint64_t uptr, npages;
};
#define FLOOR_PIN _IOW('f', 1, struct floor_pin)

static struct iof_world *world;
static int iommu, floor_fd = -1;
static uint32_t ioas, stdev, idev;

static void call(int rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, strerror(-rc));
}

static void setup(bool kernel)
{
	struct iof_world_config config = { .kind = kernel ? IOF_WORLD_KERNEL : IOF_WORLD_EMBEDDED,
					   .no_devices = 1,
					   .test_ioctls = 1 };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_test_cmd mock = { .size = sizeof(mock), .op = IOMMU_TEST_OP_MOCK_DOMAIN };

	call(iof_world_open(&config, &world), "iof_world_open");
	iommu = iof_open(world, "/dev/iommu", O_RDWR);
	call(iommu, "/dev/iommu");
	call(iof_ioctl(iommu, IOMMU_IOAS_ALLOC, &alloc), "IOAS_ALLOC");
	ioas = alloc.out_ioas_id;
	mock.id = ioas;
	call(iof_ioctl(iommu, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN (is there a mock device?)");
	stdev = mock.mock_domain.out_stdev_id;
	idev = mock.mock_domain.out_idev_id;
	if (kernel)
		floor_fd = open("/dev/iofault-floor", O_RDWR | O_CLOEXEC);
}

/* ---- maps ---- */

static void map(void *at, size_t length)
{
	struct iommu_ioas_map cmd = { .size = sizeof(cmd),
				      .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					       IOMMU_IOAS_MAP_WRITEABLE,
				      .ioas_id = ioas,
				      .user_va = (uintptr_t)at,
				      .length = length,
				      .iova = IOVA };

	call(iof_ioctl(iommu, IOMMU_IOAS_MAP, &cmd), "IOAS_MAP");
}

static void unmap(size_t length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .iova = IOVA, .length = length
	};

	call(iof_ioctl(iommu, IOMMU_IOAS_UNMAP, &cmd), "IOAS_UNMAP");
}

/* The cost of a map and of an unmap. */
static void map_cost(void *at, size_t length, unsigned int times, double cost[2])
{
	double in[ROUNDS], out[ROUNDS];
	unsigned int round, i;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t m = 0, u = 0, t0, t1;

		for (i = 0; i < times; i++) {
			t0 = bench_now();
			map(at, length);
			t1 = bench_now();
			unmap(length);
			u += bench_now() - t1;
			m += t1 - t0;
		}
		in[round] = (double)m / times;
		out[round] = (double)u / times;
	}
	cost[0] = bench_median(in, ROUNDS);
	cost[1] = bench_median(out, ROUNDS);
}

/* What pinning, accounting and unpinning take alone. */
static double pin_cost(void *at, size_t length, unsigned int times)
{
	struct floor_pin pin = { (uintptr_t)at, length / (size_t)sysconf(_SC_PAGESIZE) };
	double ns[ROUNDS];
	unsigned int round, i;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t t0 = bench_now();

		for (i = 0; i < times; i++) {
			if (ioctl(floor_fd, FLOOR_PIN, &pin))
				bench_die("FLOOR_PIN: %s", strerror(errno));
		}
		ns[round] = (double)(bench_now() - t0) / times;
	}
	return bench_median(ns, ROUNDS);
}

static void *memory(size_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	return at;
}

static void maps(bool kernel)
{
	static const struct {
		const char *name;
		size_t length;
		unsigned int times;
		double limit; /* instructions of map and unmap */
	} kinds[] = {
		{ "4 KiB", 4096, 500, 8000 },
		{ "1 MiB", 1 << 20, 50, 250000 },
	};
	const char *unit = kernel ? "instructions" : "ns";
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		void *at = memory(kinds[i].length);
		double cost[2], pin, limit = kinds[i].limit;
		char name[80];

		map_cost(at, kinds[i].length, kinds[i].times, cost);
		printf("a mapping of %s\n", kinds[i].name);
		bench_row("map", cost[0], unit);
		bench_row("unmap", cost[1], unit);
		if (kernel) {
			pin = pin_cost(at, kinds[i].length, kinds[i].times);
			bench_row("pin, account and unpin alone", pin, unit);
			if (1.3 * pin > limit)
				limit = 1.3 * pin;
			snprintf(name, sizeof(name), "instructions of map and unmap of %s",
				 kinds[i].name);
			bench_at_most(name, cost[0] + cost[1], limit);
		}
		munmap(at, kinds[i].length);
	}
}

/* The processor time of this thread: of other programs it shows the caches only. */
static uint64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * Of huge pages, because the host takes 250 to 500 ns to look whether a small page is present. The
 * figure is that of iofault, which sees small pages in any case.
 */
static void map_1_gib(void)
{
	const size_t length = (size_t)1 << 30, pages = length / 4096;
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	double ns[BENCH_RUNS], off[BENCH_RUNS];
	unsigned int i;

	if (at == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	madvise(at, length, MADV_HUGEPAGE);
	/* A first map brings the pages in. */
	map(at, length);
	unmap(length);
	for (i = 0; i < BENCH_RUNS; i++) {
		uint64_t t0 = cpu_now(), t1;

		map(at, length);
		t1 = cpu_now();
		unmap(length);
		off[i] = (double)(cpu_now() - t1) / (double)pages;
		ns[i] = (double)(t1 - t0) / (double)pages;
	}
	puts("a mapping of 1 GiB");
	bench_row("unmap, per page", bench_median(off, BENCH_RUNS), "ns");
	bench_at_most("map of 1 GiB for a mock device, ns per page", bench_median(ns, BENCH_RUNS),
		      60);
	munmap(at, length);
}

/* ---- attach ---- */

static void attach(uint32_t pt)
{
	struct iommu_test_cmd cmd = { .size = sizeof(cmd),
				      .op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
				      .id = stdev,
				      .mock_domain_replace.pt_id = pt };

	call(iof_ioctl(iommu, IOMMU_TEST_CMD, &cmd), "MOCK_DOMAIN_REPLACE");
}

/* Attaches the device to an HWPT with a new fault queue. */
static void first_attach(bool kernel)
{
	double ns[ATTACHES], cost;
	unsigned int i;

	for (i = 0; i < ATTACHES; i++) {
		struct iommu_fault_alloc queue = { .size = sizeof(queue) };
		struct iommu_hwpt_alloc faulting = { .size = sizeof(faulting),
						     .flags = IOMMU_HWPT_FAULT_ID_VALID,
						     .dev_id = idev,
						     .pt_id = ioas };
		struct iommu_destroy destroy = { .size = sizeof(destroy) };
		uint64_t t0;

		call(iof_ioctl(iommu, IOMMU_FAULT_QUEUE_ALLOC, &queue), "FAULT_QUEUE_ALLOC");
		faulting.fault_id = queue.out_fault_id;
		call(iof_ioctl(iommu, IOMMU_HWPT_ALLOC, &faulting), "HWPT_ALLOC");
		t0 = bench_now();
		attach(faulting.out_hwpt_id);
		ns[i] = (double)(bench_now() - t0);
		attach(ioas);
		/* A map goes to each HWPT of the IOAS. */
		destroy.id = faulting.out_hwpt_id;
		call(iof_ioctl(iommu, IOMMU_DESTROY, &destroy), "DESTROY");
	}
	cost = bench_median(ns, ATTACHES);
	puts("the first attach of a fault queue to a mock device");
	if (kernel)
		bench_at_most("instructions of a first attach", cost, 20000);
	else
		bench_row("attach", cost, "ns");
}

int main(int argc, char **argv)
{
	bool kernel = argc > 1 && !strcmp(argv[1], "--instructions");

	if (!kernel)
		bench_pin(0);
	setup(kernel);
	first_attach(kernel);
	maps(kernel);
	if (!kernel)
		map_1_gib();
	return 0;
}
