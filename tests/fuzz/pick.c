// SPDX-License-Identifier: MIT
/*
 * pick.c - turns the bytes of an action into ids, addresses and lengths; and sends a command, with
 * damage if the action names one.
 */
#include "fuzz.h"
#include "arena.h"

/* ---- ids ---- */

void fuzz_note_id(const struct fuzz_act *a, enum fuzz_kind kind, u32 id)
{
	struct fuzz_ctx *ctx = fuzz_ctx(a);

	ctx->ids[kind][ctx->nr_ids[kind]++ % FUZZ_MOST_IDS] = id;
}

static u32 known_id(const struct fuzz_ctx *ctx, enum fuzz_kind kind, unsigned int back)
{
	unsigned int nr = min(ctx->nr_ids[kind], FUZZ_MOST_IDS);

	if (!nr)
		return 0;
	return ctx->ids[kind][(ctx->nr_ids[kind] - 1 - back % nr) % FUZZ_MOST_IDS];
}

u32 fuzz_id(const struct fuzz_act *a, unsigned int which, enum fuzz_kind kind)
{
	u8 selector = a->id[which];

	switch (selector >> 6) {
	case 2:
		return known_id(fuzz_ctx(a), (selector >> 3) & 7, selector & 7);
	case 3:
		return selector == 0xff ? U32_MAX : selector & 0x3f;
	default:
		return known_id(fuzz_ctx(a), kind, selector & 0x3f);
	}
}

u32 fuzz_flags(const struct fuzz_act *a, u32 known)
{
	return a->flags >> 24 < 0xf0 ? a->flags & known : a->flags & 0xffffff;
}

/* ---- addresses and lengths ---- */

u64 fuzz_ptr(u16 selector)
{
	static const u64 nowhere[] = {
		0,
		1,
		0xfff,
		1ull << 47,
		(1ull << 47) - 4096,
		(1ull << 47) - 1,
		1ull << 48,
		1ull << 63,
		U64_MAX,
		U64_MAX - 4095,
		0xffff800000000000ull,
		0xffffffff80000000ull,
	};
	u64 at = (selector >> 5 & 0xff) * 16;

	switch (selector >> 13) {
	case 3:
		return ARENA_LARGE + (selector & 0x3ff) * PAGE_SIZE;
	case 4:
		return ARENA_READ_ONLY + at;
	case 5: /* an address around the hole */
		return ARENA_HOLE + at - 128;
	case 6:
		return nowhere[(selector & 0xff) % ARRAY_SIZE(nowhere)];
	case 7:
		return ARENA + (selector & 0x1f) * PAGE_SIZE + at + 1 + (selector >> 5 & 7);
	default:
		return ARENA + (selector & 0x1f) * PAGE_SIZE + at;
	}
}

u64 fuzz_iova(u16 selector)
{
	static const u64 edges[] = {
		MOCK_APERTURE_START, MOCK_APERTURE_LAST, U64_MAX,    1ull << 31,
		1ull << 32,	     1ull << 47,	 1ull << 48, 1ull << 63,
		1ull << 39,	     1ull << 30,	 1ull << 12, 1ull << 20,
		1ull << 57,	     1ull << 52,	 1ull << 21, 2048,
	};

	switch (selector >> 13) {
	case 3:
		return FUZZ_BASE_LARGE + (selector & 0x3ff) * PAGE_SIZE;
	case 4:
		return MOCK_APERTURE_START + (selector & 0x1fff) * 2048ull;
	case 5:
		return selector & 0x1fff;
	case 6:
		return edges[selector & 15] + (s64)(s16)((selector >> 4 & 0x1ff) - 0x100) * 16;
	case 7:
		return FUZZ_BASE_IOVA + (selector & 0x1fff);
	default:
		return FUZZ_BASE_IOVA + (selector & 0x3ff) * PAGE_SIZE +
		       (selector >> 10 & 1) * 2048;
	}
}

u64 fuzz_len(u16 selector)
{
	switch (selector >> 13) {
	case 3:
		return ((selector & 0x3ff) + 1) * PAGE_SIZE;
	case 4:
		return selector & 0x1fff;
	case 5:
		return 1ull << (selector & 63);
	case 6:
		return U64_MAX - (selector & 0x1fff);
	case 7:
		return ((selector & 0xff) + 1) * 2048ull;
	default:
		return ((selector & 0x3f) + 1) * PAGE_SIZE;
	}
}

/*
 * Moves a user's address below the kernel's part into the arena, or below the first address at
 * which the program or a sanitizer may have memory.
 */
static void guard_addr(u64 *addr)
{
	if (*addr >= ARENA_LIMIT && *addr < 1ull << 47)
		*addr |= 1ull << 63;
}

void fuzz_guard(u64 *addr, u64 *len)
{
	u64 end;

	guard_addr(addr);
	if (*addr < ARENA_LIMIT && !check_add_overflow(*addr, *len, &end) && end > ARENA_LIMIT)
		*len &= 0x3fffffff;
}

/* ---- commands ---- */

/* Offsets of the pointers into user memory. Length 0: the memory has a length of its own. */
static const struct pointer {
	u32 cmd, op;
	u8 addr, len;
} pointers[] = {
	{ IOMMU_IOAS_MAP, 0, offsetof(struct iommu_ioas_map, user_va),
	  offsetof(struct iommu_ioas_map, length) },
	{ IOMMU_IOAS_IOVA_RANGES, 0, offsetof(struct iommu_ioas_iova_ranges, allowed_iovas), 0 },
	{ IOMMU_IOAS_ALLOW_IOVAS, 0, offsetof(struct iommu_ioas_allow_iovas, allowed_iovas), 0 },
	{ IOMMU_HWPT_ALLOC, 0, offsetof(struct iommu_hwpt_alloc, data_uptr), 0 },
	{ IOMMU_GET_HW_INFO, 0, offsetof(struct iommu_hw_info, data_uptr), 0 },
	{ IOMMU_HWPT_GET_DIRTY_BITMAP, 0, offsetof(struct iommu_hwpt_get_dirty_bitmap, data), 0 },
	{ IOMMU_HWPT_INVALIDATE, 0, offsetof(struct iommu_hwpt_invalidate, data_uptr), 0 },
	{ IOMMU_TEST_CMD, IOMMU_TEST_OP_MD_CHECK_MAP,
	  offsetof(struct iommu_test_cmd, check_map.uptr),
	  offsetof(struct iommu_test_cmd, check_map.length) },
	{ IOMMU_TEST_CMD, IOMMU_TEST_OP_MD_CHECK_REFS,
	  offsetof(struct iommu_test_cmd, check_refs.uptr),
	  offsetof(struct iommu_test_cmd, check_refs.length) },
	{ IOMMU_TEST_CMD, IOMMU_TEST_OP_ACCESS_PAGES,
	  offsetof(struct iommu_test_cmd, access_pages.uptr), 0 },
	{ IOMMU_TEST_CMD, IOMMU_TEST_OP_ACCESS_RW, offsetof(struct iommu_test_cmd, access_rw.uptr),
	  0 },
	{ IOMMU_TEST_CMD, IOMMU_TEST_OP_DIRTY, offsetof(struct iommu_test_cmd, dirty.uptr), 0 },
	{ IOMMU_TEST_CMD, IOF_TEST_OP_STATS, offsetof(struct iommu_test_cmd, iof_stats.uptr), 0 },
	{ VFIO_IOMMU_MAP_DMA, 0, offsetof(struct vfio_iommu_type1_dma_map, vaddr),
	  offsetof(struct vfio_iommu_type1_dma_map, size) },
};

static void guard_command(unsigned long cmd, u8 *arg, size_t size)
{
	unsigned int i;
	u64 addr, len;
	u32 op = 0;

	if (cmd == IOMMU_TEST_CMD && size >= 8)
		memcpy(&op, arg + 4, 4);
	for (i = 0; i < ARRAY_SIZE(pointers); i++) {
		const struct pointer *p = &pointers[i];

		if (p->cmd != cmd || p->op != op || p->addr + 8u > size || p->len + 8u > size)
			continue;
		memcpy(&addr, arg + p->addr, 8);
		memcpy(&len, arg + p->len, 8);
		fuzz_guard(&addr, &len);
		memcpy(arg + p->addr, &addr, 8);
		if (p->len)
			memcpy(arg + p->len, &len, 8);
	}
}

static int damage_of(const struct fuzz_act *a)
{
	return a->damage < FUZZ_DAMAGED ? -1 : (a->damage - FUZZ_DAMAGED) % FUZZ_NR_DAMAGES;
}

void fuzz_arm(const struct fuzz_act *a)
{
	switch (damage_of(a)) {
	case FUZZ_FAIL_ALLOC:
	case FUZZ_FAIL_ALLOCS:
		iof_fail_nth_thread(IOF_FAIL_ALLOC, 1 + a->at % 32,
				    damage_of(a) == FUZZ_FAIL_ALLOCS);
		break;
	case FUZZ_FAIL_COPY:
		iof_fail_nth_thread(IOF_FAIL_COPY, 1 + a->at % 16, a->at & 16);
		break;
	case FUZZ_FAIL_PIN:
		iof_fail_nth_thread(IOF_FAIL_PIN, 1 + a->at % 16, a->at & 16);
		break;
	default:
		break;
	}
}

void fuzz_disarm(void)
{
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
	iof_fail_nth_thread(IOF_FAIL_COPY, 0, false);
	iof_fail_nth_thread(IOF_FAIL_PIN, 0, false);
}

/* Notes a new descriptor: damage may have turned the command into one that makes a descriptor. */
static void note_descriptor(unsigned long cmd, const u8 *answer)
{
	struct iommu_fault_alloc queue;
	struct iommu_test_cmd test;

	if (cmd == IOMMU_FAULT_QUEUE_ALLOC) {
		memcpy(&queue, answer, sizeof(queue));
		fuzz_note_queue(queue.out_fault_fd);
	} else if (cmd == IOMMU_TEST_CMD) {
		memcpy(&test, answer, sizeof(test));
		if (test.op == IOMMU_TEST_OP_CREATE_ACCESS)
			fuzz_note_access(test.create_access.out_access_fd);
	}
}

int fuzz_send(const struct fuzz_act *a, int fd, unsigned long cmd, void *arg, size_t size)
{
	u8 copy[256] __aligned(8) = { 0 }, *place = copy;
	u32 told = size, word;
	int rc;

	memcpy(copy, arg, size);
	switch (damage_of(a)) {
	case FUZZ_SIZE:
		told = a->at;
		break;
	case FUZZ_LONGER:
	case FUZZ_LONGER_NOT_ZERO:
		told = size + 1 + a->at % 64;
		if (damage_of(a) == FUZZ_LONGER_NOT_ZERO)
			copy[told - 1] = 1;
		break;
	case FUZZ_HUGE_SIZE:
		told = a->at & 1 ? U32_MAX : 4096u << (a->at % 16);
		break;
	case FUZZ_BYTE:
		copy[4 + a->at % (size - 4)] ^= (u8)a->extra ? (u8)a->extra : 1;
		break;
	case FUZZ_WORD:
		word = a->extra;
		memcpy(copy + 4 + a->at % (size - 4) / 4 * 4, &word, 4);
		break;
	case FUZZ_NULL_ARG:
		place = NULL;
		break;
	case FUZZ_HALF_ARG:
		place = (u8 *)ARENA_HOLE - a->at % size;
		break;
	case FUZZ_READ_ONLY_ARG:
		place = (u8 *)ARENA_READ_ONLY;
		break;
	case FUZZ_MISALIGNED_ARG:
		place = (u8 *)ARENA + 1 + a->at % 7;
		break;
	default:
		break;
	}
	memcpy(copy, &told, 4);
	guard_command(cmd, copy, size);
	if (place != copy)
		arena_put((uintptr_t)place, copy, sizeof(copy));
	rc = iof_ioctl(fd, cmd, place);
	if (fuzz_verbose)
		fprintf(stderr, "    0x%lx: %d\n", cmd, rc);
	if (place != copy)
		arena_get(copy, (uintptr_t)place, size);
	if (rc >= 0)
		memcpy(arg, copy, size);
	if (!rc)
		note_descriptor(cmd, copy);
	return rc;
}
