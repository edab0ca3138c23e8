// SPDX-License-Identifier: MIT
/*
 * raw: the path of a fault by the ABI of <iofault/iommufd.h> alone, without the handler library:
 * poll, read records until LAST_PAGE, make the pages present, write one response for the group.
 */
#include "common.h"

#define PAGES 16

int main(void)
{
	struct dsa_completion_record *record = memory_new(PAGE);
	char *memory = memory_new(PAGES * PAGE);
	struct device dev;
	int faults = 0;

	device_open(&dev);
	must(device_map(&dev, record, PAGE, PAGE), "completion record");
	device_fill(&dev, START, PAGES * PAGE, 0x2a2a2a2a2a2a2a2aull, PAGE, 0);

	while (faults < PAGES) {
		struct pollfd ready = { .fd = dev.fault_fd, .events = POLLIN };
		struct iommu_hwpt_page_response answer = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
		struct iommu_hwpt_pgfault faulted[8];
		ssize_t bytes;
		size_t i;

		must(iof_poll(&ready, 1, -1), "poll");
		/* A read returns whole groups, each contiguous; 0 bytes: none is queued. */
		bytes = iof_read(dev.fault_fd, faulted, sizeof(faulted));
		must((int)bytes, "read");
		for (i = 0; i < bytes / sizeof(faulted[0]); i++) {
			uint64_t page = faulted[i].addr & ~(PAGE - 1);

			printf("device %u asks for 0x%lx, to %s, group %u, cookie 0x%x\n",
			       faulted[i].dev_id, (unsigned long)faulted[i].addr,
			       faulted[i].perm & IOMMU_PGFAULT_PERM_WRITE ? "write" : "read",
			       faulted[i].grpid, faulted[i].cookie);
			must(device_map(&dev, memory + (page - START), PAGE, page), "map");
			faults++;
			if (!(faulted[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE))
				continue;
			answer.cookie = faulted[i].cookie;
			must((int)iof_write(dev.fault_fd, &answer, sizeof(answer)), "answer");
		}
	}
	record_wait(record);
	printf("status 0x%x; the last byte is '%c'\n", record->status, memory[PAGES * PAGE - 1]);
	device_close(&dev);
	return 0;
}
