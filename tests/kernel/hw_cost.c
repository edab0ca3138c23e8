// SPDX-License-Identifier: MIT
/*
 * hw_cost.c - the cost of the path of real devices (iofault-pci.ko), above that of the kernel's
 * parts.
 *
 * `kernel-hw_cost fault`: a fault of a function behind the test IOMMU (tests/vm/modules/testiommu),
 * from iommu_report_device_fault() to iopf_group_response(). Its floor is the same request with a
 * handler that does nothing. The peer is a fault of a mock device above its own floors.
 *
 * `kernel-hw_cost map`: a mapping of 1 GiB for a function behind VT-d. Its floor pins the same
 * pages and calls iommu_map() for each contiguous run of them.
 *
 * The figures count instructions: they hold in a guest where an instruction takes one nanosecond
 * (`make vm-bench`).
 */
#include "../../bench/common.h"
#include "../../bench/module.h"
#include "hw_iommu.h"

#include <iofault/iommufd_test.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CALLS	   1000u
#define MAP_ROUNDS 3u
#define MB	   ((size_t)1 << 20)
#define GIB	   ((size_t)1 << 30)

/* ---- floors ---- */

static void floor_ioctl(void)
{
	struct iommu_test_cmd cmd;

	module_expect(ioctl(module_floor_fd, IOMMU_TEST_CMD, &cmd), 0, "ioctl of the floor");
}

static void floor_poll_read_write(void)
{
	module_wait_readable(module_floor_fd);
	module_expect(read(module_floor_fd, module_faults, sizeof(module_faults[0])),
		      sizeof(module_faults[0]), "read of the floor");
	module_expect(write(module_floor_fd, module_answers, sizeof(module_answers[0])),
		      sizeof(module_answers[0]), "write of the floor");
}

/* ---- faults ---- */

static struct hwi_bed bed;

static void serve(void)
{
	module_wait_readable(module_fault_fd);
	module_read_faults(1);
	module_answer_faults(1);
}

static void software_trip(void)
{
	module_trigger();
	serve();
}

static void raise_by(unsigned long command)
{
	struct ti_request request = {
		.dev = bed.dev, .pasid = bed.pasid, .flags = TI_REQ_LAST, .perm = 1, .addr = IOVA
	};
	struct ti_requests all = { .requests = (uintptr_t)&request, .nr = 1 };

	module_need(ioctl(hwi_fd, command, &all), "TI_REQUESTS");
	module_expect(all.out_failed, 0, "a request that failed");
}

static void kernel_trip(void)
{
	raise_by(TI_FLOOR_REQUESTS);
}

static void real_trip(void)
{
	raise_by(TI_REQUESTS);
	serve();
}

static double real_path(uint32_t pasid, const char *name, double three)
{
	double trip, kernel;
	unsigned int i;
	char row[80];

	hwi_open(&bed, HWI_PLAIN, pasid);
	module_fault_fd = bed.ffd;
	/* The records of responses are full from here on, so that each costs the same. */
	for (i = 0; i < TI_RECORDS + 16; i++)
		real_trip();
	kernel = module_per_call(kernel_trip, CALLS);
	trip = module_per_call(real_trip, CALLS);
	hwi_close(&bed);
	snprintf(row, sizeof(row), "%s: report+poll+read+write", name);
	bench_row(row, trip, "instructions");
	bench_row("  the kernel's report and response alone", kernel, "instructions");
	return trip - kernel - three;
}

static void faults(void)
{
	double three, software, rid, pasid;
	int mock_fd;

	module_open_device();
	mock_fd = module_fault_fd;
	three = module_per_call(floor_poll_read_write, CALLS);
	software_trip();
	software = module_per_call(software_trip, CALLS);
	puts("one fault");
	bench_row("mock device: trigger+poll+read+write", software, "instructions");
	software -= three + module_per_call(floor_ioctl, CALLS);
	hwi_begin("kernel-hw_cost");
	rid = real_path(TI_NO_PASID, "requester id", three);
	pasid = real_path(HWI_PASID, "PASID", three);
	hwi_end();
	module_fault_fd = mock_fd;
	bench_row("mock device, above its floors", software, "instructions");
	bench_at_most("instructions of a fault of a requester id above the kernel's parts", rid,
		      1.2 * software);
	bench_at_most("instructions of a fault of a PASID above the kernel's parts", pasid,
		      1.2 * software);
}

/* ---- maps ---- */

static void map_gib(const char *name, const char *function, struct hw *hw, int advice)
{
	double ours[MAP_ROUNDS], kernels[MAP_ROUNDS];
	unsigned int domain, bus, slot, fn, i;
	struct ti_floor_map floor = { .npages = GIB / PAGE };
	uint64_t at = 4 * GIB, t0;
	char row[80];
	char *memory;

	sscanf(function, "%x:%x:%x.%x", &domain, &bus, &slot, &fn);
	floor.bdf = domain << 16 | bus << 8 | slot << 3 | fn;
	/* At a multiple of 2 MiB in memory, as it is in the page table. */
	memory = mmap(NULL, GIB + 2 * MB, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	memory += -(uintptr_t)memory & (2 * MB - 1);
	module_need(madvise(memory, GIB, advice), "madvise");
	module_need(madvise(memory, GIB, MADV_POPULATE_WRITE), "MADV_POPULATE_WRITE");
	floor.user = (uintptr_t)memory;
	for (i = 0; i < MAP_ROUNDS; i++) {
		t0 = bench_now();
		module_expect(abi_map(hw->fd, hw->ioas, memory, GIB, at), 0, "IOAS_MAP");
		module_expect(abi_unmap(hw->fd, hw->ioas, at, GIB), 0, "IOAS_UNMAP");
		ours[i] = (double)(bench_now() - t0);
		t0 = bench_now();
		module_need(ioctl(hwi_fd, TI_FLOOR_MAP, &floor), "TI_FLOOR_MAP");
		kernels[i] = (double)(bench_now() - t0);
	}
	snprintf(row, sizeof(row), "%s: IOAS_MAP and UNMAP, per page", name);
	bench_row(row, bench_median(ours, MAP_ROUNDS) / (double)floor.npages, "instructions");
	bench_row("  pin, iommu_map() and iommu_unmap() alone, per page",
		  bench_median(kernels, MAP_ROUNDS) / (double)floor.npages, "instructions");
	snprintf(row, sizeof(row), "map and unmap of 1 GiB of %s, / the kernel's parts", name);
	bench_at_most(row, ours[MAP_ROUNDS / 2] / kernels[MAP_ROUNDS / 2], 1.1);
	munmap(memory, GIB);
}

static void maps(void)
{
	char function[16];
	struct hw hw;

	hwi_fd = open("/dev/testiommu", O_RDWR | O_CLOEXEC);
	if (hwi_fd < 0 || !hw_find(0x1234, 0x11e8, 0, function)) {
		puts("no test IOMMU or no edu device");
		exit(77);
	}
	hw_use(&hw, function, true);
	puts("a mapping of 1 GiB for a function behind an IOMMU");
	map_gib("small pages", function, &hw, MADV_NOHUGEPAGE);
	map_gib("huge pages", function, &hw, MADV_HUGEPAGE);
	hw_close(&hw);
	close(hwi_fd);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "fault")) {
		faults();
	} else if (argc == 2 && !strcmp(argv[1], "map")) {
		maps();
	} else {
		fputs("usage: kernel-hw_cost fault|map\n", stderr);
		return 1;
	}
	return 0;
}
