// SPDX-License-Identifier: MIT
/*
 * handler: a complete fault handler. A device fills 64 pages; the handler maps each page when the
 * device requests it.
 *
 * on_fault() and the two lines that start the handler are all that a program adds to its device
 * code.
 */
#include "common.h"

#include <errno.h>
#include <iofault/handler.h>

#define PAGES 64

static struct device dev;
static char *memory;

static int on_fault(void *arg, const struct iof_fault_group *group)
{
	uint32_t i;
	int ret;

	(void)arg;
	for (i = 0; i < group->nr_pages; i++) {
		uint64_t page = group->pages[i].addr & ~(PAGE - 1);

		if (page < START || page >= START + PAGES * PAGE)
			return IOF_INVALID;
		ret = device_map(&dev, memory + (page - START), PAGE, page);
		if (ret && ret != -EEXIST)
			return ret;
	}
	return IOF_SUCCESS;
}

int main(void)
{
	struct iof_handler_config config = { .threads = 1, .fault = on_fault };
	struct dsa_completion_record *record = memory_new(PAGE);
	struct iof_handler_stats stats;
	struct iof_handler *handler;

	device_open(&dev);
	memory = memory_new(PAGES * PAGE);
	must(device_map(&dev, record, PAGE, PAGE), "completion record");
	config.fault_fd = dev.fault_fd;
	must(iof_handler_open(&config, &handler), "handler");

	device_fill(&dev, START, PAGES * PAGE, 0x21746c7561666f69ull, PAGE, 0);
	record_wait(record);
	iof_handler_get_stats(handler, &stats);
	printf("status 0x%x after %lu faults; the memory says \"%.8s\"\n", record->status,
	       (unsigned long)stats.groups, memory + 63 * PAGE);

	/* The next page is outside the buffer. */
	memset(record, 0, PAGE);
	device_fill(&dev, START, PAGES * PAGE + 1, 0, PAGE, 0);
	record_wait(record);
	printf("status 0x%x at address 0x%lx, after %u bytes\n", record->status,
	       (unsigned long)record->fault_addr, record->bytes_completed);

	must(iof_handler_close(handler), "handler");
	device_close(&dev);
	return 0;
}
