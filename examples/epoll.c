// SPDX-License-Identifier: MIT
/*
 * epoll: one thread and one epoll set. One descriptor delivers the device's page faults; an eventfd
 * signals its completion interrupt. The handler has no threads: the loop calls it.
 */
#include "common.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <iofault/handler.h>

#define PAGES 1000

static struct device dev;
static char *memory;

static int on_fault(void *arg, const struct iof_fault_group *group)
{
	uint64_t page = group->pages[0].addr & ~(PAGE - 1);
	int ret = device_map(&dev, memory + (page - START), PAGE, page);

	(void)arg;
	return !ret || ret == -EEXIST ? IOF_SUCCESS : IOF_INVALID;
}

/* Route the engine's completion interrupt to an eventfd. */
static int completion_fd(void)
{
	uint32_t room[(sizeof(struct vfio_irq_set) + sizeof(int)) / sizeof(uint32_t)] = { 0 };
	struct vfio_irq_set *set = (struct vfio_irq_set *)room;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	set->argsz = sizeof(room);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->count = 1;
	memcpy(set->data, &fd, sizeof(fd));
	must(iof_ioctl(dev.fd, VFIO_DEVICE_SET_IRQS, set), "interrupt");
	return fd;
}

int main(void)
{
	struct iof_handler_config config = { .fault = on_fault };
	struct dsa_completion_record *record = memory_new(PAGE);
	struct iof_handler *handler;
	unsigned int wakes = 0;
	int epoll, done;
	long faults = 0;

	device_open(&dev);
	memory = memory_new(PAGES * PAGE);
	must(device_map(&dev, record, PAGE, PAGE), "completion record");
	config.fault_fd = dev.fault_fd;
	must(iof_handler_open(&config, &handler), "handler");
	done = completion_fd();

	epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(epoll, EPOLL_CTL_ADD, iof_handler_fd(handler),
		  &(struct epoll_event){ .events = EPOLLIN, .data.fd = iof_handler_fd(handler) });
	epoll_ctl(epoll, EPOLL_CTL_ADD, done,
		  &(struct epoll_event){ .events = EPOLLIN, .data.fd = done });

	device_fill(&dev, START, PAGES * PAGE, ~0ull, PAGE, IDXD_OP_FLAG_RCI);
	for (;;) {
		struct epoll_event event;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == done)
			break;
		faults += must(iof_handler_run_once(handler, 0), "faults");
		wakes++;
	}
	record_wait(record);
	printf("status 0x%x after %ld faults in %u wake-ups\n", record->status, faults, wakes);

	close(epoll);
	must(iof_handler_close(handler), "handler");
	device_close(&dev);
	close(done);
	return faults != PAGES || record->status != DSA_COMP_SUCCESS;
}
