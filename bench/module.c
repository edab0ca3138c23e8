// SPDX-License-Identifier: MIT
/*
 * module.c - the setup that module.h describes.
 */
#include "module.h"
#include "common.h"

#include <iofault/iommufd_test.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int module_fault_fd, module_floor_fd;
struct iommu_hwpt_pgfault module_faults[MODULE_BATCH];
struct iommu_hwpt_page_response module_answers[MODULE_BATCH];

static int iommu;
static uint32_t device;

void module_need(long rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, strerror(errno));
}

void module_expect(long rc, long wanted, const char *what)
{
	if (rc != wanted)
		bench_die("%s: %ld instead of %ld", what, rc, wanted);
}

void module_open_device(void)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iommu_test_cmd mock = { .size = sizeof(mock), .op = IOMMU_TEST_OP_MOCK_DOMAIN };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct iommu_test_cmd attach = { .size = sizeof(attach),
					 .op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE };

	iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommu < 0) {
		printf("no /dev/iommu here (%s): load iofault.ko, or use "
		       "`make vm-bench`\n",
		       strerror(errno));
		exit(77);
	}
	module_floor_fd = open("/dev/iofault-floor", O_RDWR | O_CLOEXEC);
	if (module_floor_fd < 0) {
		printf("no /dev/iofault-floor here (%s): load floor.ko beside "
		       "iofault.ko\n",
		       strerror(errno));
		exit(77);
	}
	module_need(ioctl(iommu, IOMMU_IOAS_ALLOC, &ioas), "IOAS_ALLOC");
	module_need(ioctl(iommu, IOMMU_FAULT_QUEUE_ALLOC, &queue), "FAULT_QUEUE_ALLOC");
	mock.id = ioas.out_ioas_id;
	module_need(ioctl(iommu, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN (is there a mock device?)");
	device = mock.mock_domain.out_idev_id;
	hwpt.dev_id = device;
	hwpt.pt_id = ioas.out_ioas_id;
	hwpt.fault_id = queue.out_fault_id;
	module_need(ioctl(iommu, IOMMU_HWPT_ALLOC, &hwpt), "HWPT_ALLOC");
	attach.id = mock.mock_domain.out_stdev_id;
	attach.mock_domain_replace.pt_id = hwpt.out_hwpt_id;
	module_need(ioctl(iommu, IOMMU_TEST_CMD, &attach), "MOCK_DOMAIN_REPLACE");
	module_fault_fd = queue.out_fault_fd;
}

void module_trigger(void)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = { .dev_id = device, .grpid = 1, .perm = 1, .addr = 0x10000000 }
	};

	if (ioctl(iommu, IOMMU_TEST_CMD, &cmd))
		bench_die("TRIGGER_IOPF: %s", strerror(errno));
}

void module_wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	module_expect(poll(&p, 1, -1), 1, "poll");
}

void module_read_faults(unsigned int n)
{
	module_expect(read(module_fault_fd, module_faults, n * sizeof(module_faults[0])),
		      n * sizeof(module_faults[0]), "read");
}

void module_answer_faults(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		module_answers[i].cookie = module_faults[i].cookie;
		module_answers[i].code = IOMMUFD_PAGE_RESP_SUCCESS;
	}
	module_expect(write(module_fault_fd, module_answers, n * sizeof(module_answers[0])),
		      n * sizeof(module_answers[0]), "write");
}

double module_per_call(void (*call)(void), unsigned int calls)
{
	double ns[MODULE_ROUNDS];
	unsigned int round, i;

	for (round = 0; round < MODULE_ROUNDS; round++) {
		uint64_t t0 = bench_now();

		for (i = 0; i < calls; i++)
			call();
		ns[round] = (double)(bench_now() - t0) / calls;
	}
	return bench_median(ns, MODULE_ROUNDS);
}
