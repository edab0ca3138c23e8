// SPDX-License-Identifier: MIT
/*
 * vfio_programs.c - proves that programs of the common form run in each of the ways to open a
 * device: open, map, DMA at the sizes of a page and of a huge page, unmap, and close in any order;
 * by a group and a container, by a group in a /dev/iommu, and by the device's own node.
 */
#include "groups.h"

#include <linux/idxd.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE  (2ul << 20)
#define ROOM  (4 * HUGE)
#define WAYS  3
#define STEPS 300

enum way {
	BY_GROUP,
	BY_GROUP_IN_IOMMUFD,
	BY_NODE,
};

/* The other devices are there for group_path(), which knows the groups of this machine. */
static const struct iof_dsa_config dsa[] = {
	{ .queue_depth = 4 },
	{ .share_group = 1 },
	{ .max_pasids = 1 },
};

struct rig {
	enum way way;
	struct iof_world *world;
	int context, group, dev;
	uint32_t ioas;
	char *memory; /* ROOM bytes, aligned to huge pages */
};

static void open_all(struct rig *r, enum way way)
{
	struct iommu_vfio_ioas get = { .size = sizeof(get), .op = IOMMU_VFIO_IOAS_GET };

	r->way = way;
	r->world = group_world(dsa, 3);
	r->context = iof_open(r->world, way == BY_GROUP ? "/dev/vfio/vfio" : "/dev/iommu", O_RDWR);
	assert_true(r->context >= 0);
	r->group = -1;
	if (way == BY_NODE) {
		r->dev = abi_vfio(r->world, 2);
		r->ioas = (uint32_t)abi_ioas(r->context);
		assert_id(abi_bind(r->dev, r->context));
		assert_id(abi_attach(r->dev, r->ioas));
	} else {
		r->group = group_open(r->world, 2);
		assert_true(r->group >= 0);
		assert_ok(group_enter(r->group, r->context));
		assert_ok(group_set_iommu(r->context));
		r->dev = group_device(r->group, group_bdf(2));
		assert_ok(iof_ioctl(r->context, IOMMU_VFIO_IOAS, &get));
		r->ioas = get.ioas_id;
	}
	assert_true(r->dev >= 0);
	r->memory =
		mmap(NULL, ROOM + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(r->memory != MAP_FAILED);
	r->memory = (char *)(((uintptr_t)r->memory + HUGE - 1) & ~(HUGE - 1));
	madvise(r->memory, ROOM, MADV_HUGEPAGE);
	memset(r->memory, 0, ROOM);
}

static void close_all(struct rig *r)
{
	if (r->dev >= 0)
		assert_ok(iof_close(r->dev));
	if (r->group >= 0)
		assert_ok(iof_close(r->group));
	if (r->context >= 0)
		assert_ok(iof_close(r->context));
	abi_world_close(r->world);
	munmap(r->memory, ROOM);
}

static int map(struct rig *r, void *memory, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size,
	};

	if (r->way != BY_GROUP)
		return abi_map(r->context, r->ioas, memory, size, iova);
	return iof_ioctl(r->context, VFIO_IOMMU_MAP_DMA, &cmd);
}

static int unmap(struct rig *r, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.iova = iova,
		.size = size,
	};

	if (r->way != BY_GROUP)
		return abi_unmap(r->context, r->ioas, iova, size);
	return iof_ioctl(r->context, VFIO_IOMMU_UNMAP_DMA, &cmd) ?: cmd.size == size ? 0 : -EIO;
}

/* The last page of the memory is mapped at RECORD for completion records. */
#define RECORD (IOVA + 16 * ROOM)

static struct dsa_completion_record *map_record(struct rig *r)
{
	void *record = r->memory + ROOM - PAGE;

	assert_ok(map(r, record, PAGE, RECORD));
	return record;
}

/* Copies by the device. Returns the status of the completion record. */
static unsigned int copy(struct rig *r, uint64_t from, uint64_t to, uint32_t size)
{
	volatile uint8_t *status = (void *)(r->memory + ROOM - PAGE);
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
		.completion_addr = RECORD,
		.src_addr = from,
		.dst_addr = to,
		.xfer_size = size,
	};

	*status = 0;
	assert_int_equal(iof_write(r->dev, &desc, sizeof(desc)), sizeof(desc));
	while (!*status)
		sched_yield();
	return *status;
}

static void copies_are_right(struct rig *r, size_t size)
{
	char *from = r->memory, *to = r->memory + HUGE;

	assert_ok(map(r, from, size, IOVA));
	assert_ok(map(r, to, size, IOVA + HUGE));
	for (int i = 1; i <= 8; i++) {
		for (size_t at = 0; at < size; at += 64)
			memset(from + at, (int)(at / 64 + (size_t)i), 64);
		assert_int_equal(copy(r, IOVA, IOVA + HUGE, (uint32_t)size), DSA_COMP_SUCCESS);
		assert_memory_equal(from, to, size);
	}
	assert_ok(unmap(r, size, IOVA + HUGE));
	/* Nothing is there any more: not one byte arrives. */
	memset(to, 0x77, size);
	assert_int_not_equal(copy(r, IOVA, IOVA + HUGE, (uint32_t)size), DSA_COMP_SUCCESS);
	for (size_t at = 0; at < size; at++)
		assert_int_equal(to[at], 0x77);
	assert_ok(unmap(r, size, IOVA));
}

static void dma_is_right_at_each_size(void **state)
{
	struct rig r;

	(void)state;
	for (int way = 0; way < WAYS; way++) {
		open_all(&r, (enum way)way);
		map_record(&r);
		copies_are_right(&r, PAGE);
		copies_are_right(&r, 16 * PAGE);
		copies_are_right(&r, HUGE);
		close_all(&r);
	}
}

/* What overlaps is refused, and what was mapped stays. */
static void maps_do_not_overlap(void **state)
{
	struct rig r;

	(void)state;
	for (int way = 0; way < WAYS; way++) {
		open_all(&r, (enum way)way);
		map_record(&r);
		assert_ok(map(&r, r.memory, 4 * PAGE, IOVA));
		assert_err(map(&r, r.memory, PAGE, IOVA + 3 * PAGE), EEXIST);
		assert_err(map(&r, r.memory, 8 * PAGE, IOVA - 4 * PAGE), EEXIST);
		assert_ok(map(&r, r.memory + HUGE, PAGE, IOVA + 4 * PAGE));
		memset(r.memory, 0x31, PAGE);
		assert_int_equal(copy(&r, IOVA, IOVA + 4 * PAGE, PAGE), DSA_COMP_SUCCESS);
		assert_memory_equal(r.memory, r.memory + HUGE, PAGE);
		/* Half of a mapping cannot be unmapped. */
		assert_true(unmap(&r, PAGE, IOVA) < 0);
		assert_int_equal(copy(&r, IOVA, IOVA + 4 * PAGE, PAGE), DSA_COMP_SUCCESS);
		close_all(&r);
	}
}

static unsigned int draw(unsigned long *seed, unsigned int n)
{
	*seed = *seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned int)(*seed >> 33) % n;
}

/* Maps, copies and unmaps pages at random; a copy succeeds exactly if both ends are mapped. */
static void random_maps_and_copies(void **state)
{
	enum {
		SLOTS = 16
	};
	struct rig r;

	(void)state;
	for (int way = 0; way < WAYS; way++) {
		bool mapped[SLOTS] = { false };
		unsigned long seed = 1;

		open_all(&r, (enum way)way);
		map_record(&r);
		for (int i = 0; i < STEPS; i++) {
			unsigned int a = draw(&seed, SLOTS), b = draw(&seed, SLOTS);
			char *pa = r.memory + a * PAGE, *pb = r.memory + b * PAGE;
			bool ok;

			if (draw(&seed, 2)) {
				assert_ok(mapped[a] ? unmap(&r, PAGE, IOVA + a * PAGE) :
						      map(&r, pa, PAGE, IOVA + a * PAGE));
				mapped[a] = !mapped[a];
				continue;
			}
			if (a == b)
				continue;
			memset(pa, i, PAGE);
			memset(pb, ~i, PAGE);
			ok = copy(&r, IOVA + a * PAGE, IOVA + b * PAGE, PAGE) == DSA_COMP_SUCCESS;
			assert_int_equal(ok, mapped[a] && mapped[b]);
			assert_int_equal(pb[0] == pa[0], ok);
			assert_int_equal(pb[PAGE - 1] == pa[PAGE - 1], ok);
		}
		close_all(&r);
	}
}

/* The container and the group are closed while the device is in use: DMA goes on. */
static void the_device_outlives_what_opened_it(void **state)
{
	struct rig r;

	(void)state;
	for (int way = 0; way < WAYS; way++) {
		open_all(&r, (enum way)way);
		map_record(&r);
		assert_ok(map(&r, r.memory, PAGE, IOVA));
		assert_ok(map(&r, r.memory + HUGE, PAGE, IOVA + PAGE));
		assert_ok(iof_close(r.context));
		r.context = -1;
		memset(r.memory, 0x11, PAGE);
		assert_int_equal(copy(&r, IOVA, IOVA + PAGE, PAGE), DSA_COMP_SUCCESS);
		if (r.group >= 0) {
			assert_ok(iof_close(r.group));
			r.group = -1;
			assert_err(group_open(r.world, 2), EBUSY);
		}
		memset(r.memory, 0x22, PAGE);
		assert_int_equal(copy(&r, IOVA, IOVA + PAGE, PAGE), DSA_COMP_SUCCESS);
		assert_memory_equal(r.memory, r.memory + HUGE, PAGE);
		close_all(&r);
		/* All of it can be had again. */
		open_all(&r, (enum way)way);
		close_all(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dma_is_right_at_each_size),
		cmocka_unit_test(maps_do_not_overlap),
		cmocka_unit_test(random_maps_and_copies),
		cmocka_unit_test(the_device_outlives_what_opened_it),
	};

	return cmocka_run_group_tests_name("vfio_programs", tests, NULL, NULL);
}
