/* SPDX-License-Identifier: MIT */
/*
 * common.h - opens a DMA engine that reports its page faults to a fault queue, for the examples
 * that submit to a device themselves.
 *
 * The setup is the plain one: an IOAS, and on it a page table (HWPT) that reports faults. The fault
 * handler maps memory in the IOAS. pager.c shows the other setup, first-stage page tables.
 */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <fcntl.h>
#include <linux/idxd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/vfio.h>

#define PAGE  4096ul
#define START 0x10000000ul /* I/O address of the mapped memory */

struct device {
	struct iof_world *world;
	int iommufd; /* descriptor of /dev/iommu */
	int fd;	     /* descriptor of the device */
	uint32_t dev_id;
	uint32_t ioas_id;
	uint32_t fault_id;
	int fault_fd; /* read() returns faults, write() takes responses */
	uint32_t hwpt_id;
};

/* Returns @ret, or prints @what with the error and exits if the call failed. */
static inline int must(int ret, const char *what)
{
	if (ret >= 0)
		return ret;
	fprintf(stderr, "%s: %s\n", what, strerror(-ret));
	exit(1);
}

static inline void device_open(struct device *dev)
{
	struct vfio_device_bind_iommufd bind = { .argsz = 16 };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = 12 };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt) };

	must(iof_world_open(NULL, &dev->world), "world");
	dev->iommufd = must(iof_open(dev->world, "/dev/iommu", O_RDWR), "/dev/iommu");
	dev->fd = must(iof_open(dev->world, "/dev/vfio/devices/vfio0", O_RDWR), "vfio0");

	bind.iommufd = dev->iommufd;
	must(iof_ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), "bind");
	dev->dev_id = bind.out_devid;

	must(iof_ioctl(dev->iommufd, IOMMU_IOAS_ALLOC, &ioas), "IOAS");
	dev->ioas_id = ioas.out_ioas_id;
	must(iof_ioctl(dev->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &queue), "fault queue");
	dev->fault_id = queue.out_fault_id;
	dev->fault_fd = (int)queue.out_fault_fd;

	hwpt.flags = IOMMU_HWPT_FAULT_ID_VALID;
	hwpt.dev_id = dev->dev_id;
	hwpt.pt_id = dev->ioas_id;
	hwpt.fault_id = dev->fault_id;
	must(iof_ioctl(dev->iommufd, IOMMU_HWPT_ALLOC, &hwpt), "page table");
	dev->hwpt_id = hwpt.out_hwpt_id;

	attach.pt_id = dev->hwpt_id;
	must(iof_ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), "attach");
}

/* Detaching sweeps the groups that are still open: the core responds INVALID. */
static inline void device_close(struct device *dev)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = 8 };

	must(iof_ioctl(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), "detach");
	must(iof_close(dev->fault_fd), "close");
	must(iof_close(dev->fd), "close");
	must(iof_close(dev->iommufd), "close");
	must(iof_world_close(dev->world), "world");
}

/* Maps @length bytes at @memory to the I/O address @iova. */
static inline int device_map(struct device *dev, void *memory, size_t length, uint64_t iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = dev->ioas_id,
		.user_va = (uintptr_t)memory,
		.length = length,
		.iova = iova,
	};

	return iof_ioctl(dev->iommufd, IOMMU_IOAS_MAP, &map);
}

/* Allocates whole pages. */
static inline void *memory_new(size_t length)
{
	void *memory =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory != MAP_FAILED)
		return memory;
	perror("memory");
	exit(1);
}

/*
 * Submits a MEMFILL of @length bytes at @iova. The engine writes its completion record to
 * @record_iova.
 */
static inline void device_fill(struct device *dev, uint64_t iova, uint32_t length, uint64_t pattern,
			       uint64_t record_iova, uint32_t more_flags)
{
	struct dsa_hw_desc fill = {
		.opcode = DSA_OPCODE_MEMFILL,
		.flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | more_flags,
		.completion_addr = record_iova,
		.pattern = pattern,
		.dst_addr = iova,
		.xfer_size = length,
	};

	must((int)iof_pwrite(dev->fd, &fill, sizeof(fill), 0), "submit");
}

static inline uint8_t record_wait(struct dsa_completion_record *record)
{
	while (!__atomic_load_n(&record->status, __ATOMIC_ACQUIRE))
		;
	return record->status;
}

#endif
