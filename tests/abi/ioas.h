/* SPDX-License-Identifier: MIT */
/*
 * ioas.h - what the tests of I/O address spaces share beyond abi.h: a fresh /dev/iommu with one
 * IOAS and some memory for each test, and the commands with all their arguments.
 */
#ifndef TESTS_ABI_IOAS_H
#define TESTS_ABI_IOAS_H

#include "abi.h"

#include <stdio.h>
#include <sys/mman.h>

#define FIXED IOMMU_IOAS_MAP_FIXED_IOVA
#define READ  IOMMU_IOAS_MAP_READABLE
#define WRITE IOMMU_IOAS_MAP_WRITEABLE

struct fixture {
	struct iof_world *world;
	int fd;
	uint32_t ioas;
	unsigned char *buf; /* 64 pages of memory, aligned to their total size */
};
#define BUF_LEN (64 * PAGE)

static inline int map_flags(int fd, uint32_t ioas, uint32_t flags, uint64_t va, uint64_t len,
			    uint64_t *iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = va,
		.length = len,
		.iova = *iova,
	};
	int rc = iof_ioctl(fd, IOMMU_IOAS_MAP, &cmd);

	*iova = cmd.iova;
	return rc;
}

static inline int map_auto(int fd, uint32_t ioas, const void *va, uint64_t len, uint64_t *iova)
{
	*iova = 0;
	return map_flags(fd, ioas, READ | WRITE, (uintptr_t)va, len, iova);
}

static inline int copy_flags(int fd, uint32_t flags, uint32_t dst, uint32_t src, uint64_t len,
			     uint64_t *dst_iova, uint64_t src_iova)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = len,
		.dst_iova = *dst_iova,
		.src_iova = src_iova,
	};
	int rc = iof_ioctl(fd, IOMMU_IOAS_COPY, &cmd);

	*dst_iova = cmd.dst_iova;
	return rc;
}

static inline int copy_fixed(int fd, uint32_t dst, uint32_t src, uint64_t len, uint64_t dst_iova,
			     uint64_t src_iova)
{
	return copy_flags(fd, FIXED | READ | WRITE, dst, src, len, &dst_iova, src_iova);
}

/* Unmaps. *bytes: the number that the reply has; unchanged if the call failed. */
static inline int unmap_bytes(int fd, uint32_t ioas, uint64_t iova, uint64_t len, uint64_t *bytes)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = len,
	};
	int rc = iof_ioctl(fd, IOMMU_IOAS_UNMAP, &cmd);

	*bytes = cmd.length;
	return rc;
}

static inline int unmap_all(int fd, uint32_t ioas)
{
	return abi_unmap(fd, ioas, 0, UINT64_MAX);
}

static inline int get_ranges(int fd, uint32_t ioas, struct iommu_iova_range *ranges, uint32_t room,
			     struct iommu_ioas_iova_ranges *reply)
{
	*reply = (struct iommu_ioas_iova_ranges){
		.size = sizeof(*reply),
		.ioas_id = ioas,
		.num_iovas = room,
		.allowed_iovas = (uintptr_t)ranges,
	};
	return iof_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, reply);
}

static inline uint64_t alignment_of(int fd, uint32_t ioas)
{
	struct iommu_ioas_iova_ranges reply;
	struct iommu_iova_range ranges[16];

	assert_ok(get_ranges(fd, ioas, ranges, 16, &reply));
	return reply.out_iova_alignment;
}

static inline int allow(int fd, uint32_t ioas, const struct iommu_iova_range *ranges, uint32_t num)
{
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = num,
		.allowed_iovas = (uintptr_t)ranges,
	};

	return iof_ioctl(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

static inline int option(int fd, uint32_t id, uint16_t op, uint32_t object, uint64_t *val)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = id,
		.op = op,
		.object_id = object,
		.val64 = *val,
	};
	int rc = iof_ioctl(fd, IOMMU_OPTION, &cmd);

	*val = cmd.val64;
	return rc;
}

static inline int set_huge_pages(int fd, uint32_t ioas, uint64_t val)
{
	return option(fd, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &val);
}

static inline int add_reserved(int fd, uint32_t ioas, uint64_t start, uint64_t len)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ADD_RESERVED,
		.id = ioas,
		.add_reserved = { .start = start, .length = len },
	};

	return iof_ioctl(fd, IOMMU_TEST_CMD, &cmd);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->world = abi_world(NULL, 0);
	f->fd = abi_iommu(f->world);
	f->ioas = (uint32_t)abi_ioas(f->fd);
	assert_id((int)f->ioas);
	f->buf = aligned_alloc(BUF_LEN, BUF_LEN);
	assert_non_null(f->buf);
	memset(f->buf, 0x5a, BUF_LEN);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	assert_ok(iof_close(f->fd));
	abi_world_close(f->world);
	free(f->buf);
	free(f);
	return 0;
}

/*
 * A test with the rule that it proves: the number in docs/behaviour.md, then the name of the
 * function.
 */
#define RULE(name, function)                          \
	{                                             \
		name, function, setup, teardown, NULL \
	}

#endif
