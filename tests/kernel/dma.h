/* SPDX-License-Identifier: MIT */
/*
 * dma.h - a DMA engine of the module for the tests of memory: copies from one I/O virtual address
 * to another, and waits for the completion record.
 *
 * Children of a test use it, too, so that it does not use cmocka: CHECK() ends the process that it
 * fails in.
 */
#ifndef TESTS_KERNEL_DMA_H
#define TESTS_KERNEL_DMA_H

#include "kernel.h"

#include <linux/idxd.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#define CHECK(cond)                                                                             \
	do {                                                                                    \
		if (!(cond)) {                                                                  \
			fprintf(stderr, "# %s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, \
				#cond, errno);                                                  \
			_exit(1);                                                               \
		}                                                                               \
	} while (0)

/* Completion records are mapped at this address. */
#define DMA_RECORD 0x7000000ul

struct dma {
	int fd, dev, ioas;
	volatile struct dsa_completion_record *record; /* shared with children */
};

static inline void *dma_memory(size_t bytes, int flags)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* Maps memory. Returns a negative errno on failure, as the wrappers of abi.h. */
static inline int dma_map(const struct dma *d, void *memory, size_t bytes, uint64_t iova)
{
	return abi_map(d->fd, d->ioas, memory, bytes, iova);
}

static inline void dma_open(struct dma *d)
{
	d->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	d->dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	CHECK(d->fd >= 0 && d->dev >= 0);
	CHECK(abi_bind(d->dev, d->fd) > 0);
	d->ioas = abi_ioas(d->fd);
	CHECK(d->ioas > 0);
	CHECK(abi_attach(d->dev, (uint32_t)d->ioas) > 0);
	d->record = dma_memory(PAGE, MAP_SHARED);
	CHECK(!dma_map(d, (void *)d->record, PAGE, DMA_RECORD));
}

static inline void dma_close(struct dma *d)
{
	close(d->dev);
	close(d->fd);
	munmap((void *)d->record, PAGE);
}

static inline void dma_start(const struct dma *d, struct dsa_hw_desc desc,
			     volatile struct dsa_completion_record *record, uint64_t address)
{
	record->status = 0;
	desc.flags |= IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR;
	desc.completion_addr = address;
	CHECK(pwrite(d->dev, &desc, sizeof(desc), IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_PORTAL)) ==
	      sizeof(desc));
}

static inline uint8_t dma_wait(volatile struct dsa_completion_record *record)
{
	time_t end = time(NULL) + 30;

	while (!__atomic_load_n(&record->status, __ATOMIC_ACQUIRE)) {
		CHECK(time(NULL) < end);
		sched_yield();
	}
	return record->status & DSA_COMP_STATUS_MASK;
}

/* Copies in the RID's address space. Returns the status. */
static inline uint8_t dma_copy(const struct dma *d, uint64_t to, uint64_t from, uint32_t bytes)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.src_addr = from,
		.dst_addr = to,
		.xfer_size = bytes,
	};

	dma_start(d, desc, d->record, DMA_RECORD);
	return dma_wait(d->record);
}

/* Copies in the caller's address space, for which @pasid stands. The record is in it, too. */
static inline uint8_t dma_copy_sva(const struct dma *d, uint32_t pasid, void *to, const void *from,
				   uint32_t bytes, uint32_t flags)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = flags,
		.pasid = pasid,
		.src_addr = (uintptr_t)from,
		.dst_addr = (uintptr_t)to,
		.xfer_size = bytes,
	};

	dma_start(d, desc, d->record, (uintptr_t)d->record);
	return dma_wait(d->record);
}

static inline int dma_sva(const struct dma *d, uint32_t pasid, int bind)
{
	struct iof_vfio_device_sva cmd = { .argsz = sizeof(cmd), .pasid = pasid };

	return ioctl(d->dev, bind ? IOF_VFIO_DEVICE_SVA_BIND : IOF_VFIO_DEVICE_SVA_UNBIND, &cmd) ?
		       -errno :
		       0;
}

#endif
