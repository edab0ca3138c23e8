// SPDX-License-Identifier: MIT
/*
 * ioas_map.c - tests MAP, COPY and UNMAP of an I/O address space that no device uses: which calls
 * are refused, with which errno, and what is left afterwards. Each test names the rule of
 * docs/behaviour.md that it proves. If Linux 6.12 and 7.2 differ, 7.2 holds.
 */
#include "ioas.h"

static int map_cmd(struct fixture *f, uint32_t flags, uint64_t va, uint64_t len, uint64_t iova)
{
	return map_flags(f->fd, f->ioas, flags, va, len, &iova);
}

/* ---- map ---- */

static void map_order(void **state)
{
	struct fixture *f = *state;
	uint32_t none = f->ioas + 1000;
	uint64_t iova = UINT64_MAX;

	/* Each call has further errors that are checked later. */
	assert_err(map_flags(f->fd, none, 1u << 9, UINT64_MAX, UINT64_MAX, &iova), EOPNOTSUPP);
	assert_err(map_flags(f->fd, none, 0, UINT64_MAX, UINT64_MAX, &iova), EOVERFLOW);
	iova = 0;
	assert_err(map_flags(f->fd, none, 0, UINT64_MAX, UINT64_MAX, &iova), EOVERFLOW);
	assert_err(map_flags(f->fd, none, 0, UINT64_MAX, PAGE, &iova), EINVAL);
	assert_err(map_flags(f->fd, none, READ, UINT64_MAX, PAGE, &iova), ENOENT);
	assert_err(map_flags(f->fd, f->ioas, READ, UINT64_MAX - PAGE + 1, UINT64_MAX - 1, &iova),
		   EOVERFLOW);
	assert_err(map_flags(f->fd, f->ioas, READ, 0, UINT64_MAX - 1, &iova), EINVAL);
	assert_err(map_flags(f->fd, f->ioas, READ, 0, 0, &iova), EINVAL);
}

static void map_reserved_field(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = READ,
		.ioas_id = f->ioas,
		.__reserved = 1,
		.user_va = (uintptr_t)f->buf,
		.length = PAGE,
	};

	assert_err(iof_ioctl(f->fd, IOMMU_IOAS_MAP, &cmd), EOPNOTSUPP);
}

static void map_length_alignment(void **state)
{
	struct fixture *f = *state;

	assert_ok(set_huge_pages(f->fd, f->ioas, 0));
	assert_err(map_cmd(f, FIXED | READ, (uintptr_t)f->buf, PAGE + 1, IOVA), EINVAL);
	assert_err(map_cmd(f, FIXED | READ, (uintptr_t)f->buf, PAGE, IOVA + 1), EINVAL);
	/* b6: the pointer is not aligned as the IOVA is. */
	assert_err(map_cmd(f, FIXED | READ, (uintptr_t)f->buf + 1, PAGE, IOVA), EINVAL);
	assert_ok(map_cmd(f, FIXED | READ, (uintptr_t)f->buf, PAGE, IOVA));
}

static void map_fixed(void **state)
{
	struct fixture *f = *state;
	int fd = f->fd;

	assert_ok(add_reserved(fd, f->ioas, 0x100000, PAGE));
	assert_ok(abi_map(fd, f->ioas, f->buf, 2 * PAGE, IOVA));
	assert_err(abi_map(fd, f->ioas, f->buf, 2 * PAGE, UINT64_MAX - PAGE), EOVERFLOW);
	assert_err(abi_map(fd, f->ioas, f->buf, PAGE, 0x100000), EINVAL);
	assert_err(abi_map(fd, f->ioas, f->buf, 2 * PAGE, 0x100000 - PAGE), EINVAL);
	assert_err(abi_map(fd, f->ioas, f->buf, 2, 0x100000 + PAGE - 1), EINVAL);
	assert_ok(abi_map(fd, f->ioas, f->buf, PAGE, 0x100000 - PAGE));
	assert_ok(abi_map(fd, f->ioas, f->buf, PAGE, 0x100000 + PAGE));
	assert_err(abi_map(fd, f->ioas, f->buf, PAGE, IOVA), EEXIST);
	assert_err(abi_map(fd, f->ioas, f->buf, PAGE, IOVA + PAGE), EEXIST);
	assert_err(abi_map(fd, f->ioas, f->buf, 4 * PAGE, IOVA - PAGE), EEXIST);
	assert_err(abi_map(fd, f->ioas, f->buf, PAGE + 1, IOVA - PAGE), EEXIST);
	assert_ok(abi_map(fd, f->ioas, f->buf, PAGE, IOVA - PAGE));
	assert_ok(abi_map(fd, f->ioas, f->buf, PAGE, IOVA + 2 * PAGE));
	/* IOVA 0 and the last byte but one can be mapped by a fixed map. */
	assert_ok(abi_map(fd, f->ioas, f->buf, PAGE, 0));
	assert_ok(abi_map(fd, f->ioas, f->buf, 1, UINT64_MAX - 1));
}

static void map_fixed_outside_allowed(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range range = { .start = IOVA, .last = IOVA + PAGE - 1 };

	assert_ok(allow(f->fd, f->ioas, &range, 1));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, 2 * IOVA));
}

static void map_auto_errors(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range range = { .start = IOVA, .last = IOVA + 2 * PAGE - 1 };
	uint64_t iova;

	assert_err(map_auto(f->fd, f->ioas, NULL, UINT64_MAX / 2, &iova), EOVERFLOW);
	assert_ok(allow(f->fd, f->ioas, &range, 1));
	assert_err(map_auto(f->fd, f->ioas, f->buf, 3 * PAGE, &iova), ENOSPC);
	assert_ok(map_auto(f->fd, f->ioas, f->buf, 2 * PAGE, &iova));
	assert_int_equal(iova, IOVA);
	assert_err(map_auto(f->fd, f->ioas, f->buf, PAGE, &iova), ENOSPC);
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(set_huge_pages(f->fd, f->ioas, 0));
	assert_err(map_auto(f->fd, f->ioas, f->buf + 512, PAGE, &iova), EINVAL);
}

static void map_auto_never_zero(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range range = { .start = 0, .last = PAGE };
	uint64_t iova;

	assert_ok(map_auto(f->fd, f->ioas, f->buf, 1, &iova));
	assert_int_equal(iova, PAGE);
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(allow(f->fd, f->ioas, &range, 1));
	assert_ok(map_auto(f->fd, f->ioas, f->buf, 1, &iova));
	assert_int_equal(iova, PAGE);
	assert_err(map_auto(f->fd, f->ioas, f->buf, 1, &iova), ENOSPC);
	/* The page at the top of the space is not used either. */
	range = (struct iommu_iova_range){ UINT64_MAX - PAGE + 1, UINT64_MAX };
	assert_ok(allow(f->fd, f->ioas, &range, 1));
	assert_err(map_auto(f->fd, f->ioas, f->buf, 1, &iova), ENOSPC);
}

static void map_auto_alignment(void **state)
{
	struct fixture *f = *state;
	unsigned char *huge = aligned_alloc(8 << 20, 8 << 20);
	uint64_t iova;

	assert_non_null(huge);
	/* The length is rounded up if the pointer is aligned, too. */
	assert_ok(map_auto(f->fd, f->ioas, f->buf, 5 * PAGE, &iova));
	assert_int_equal(iova, 8 * PAGE);
	assert_ok(map_auto(f->fd, f->ioas, f->buf + 2 * PAGE, 5 * PAGE, &iova));
	assert_int_equal(iova, 2 * PAGE);
	assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &iova));
	assert_int_equal(iova, PAGE);
	/* The search finds the gaps that the first mappings left, lowest first. */
	assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &iova));
	assert_int_equal(iova, 7 * PAGE);
	assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &iova));
	assert_int_equal(iova, 13 * PAGE);
	/* A pointer in the middle of a page keeps its offset in the page. */
	assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE + 512, PAGE, &iova));
	assert_int_equal(iova, 14 * PAGE + 512);
	/* The search aligns to 2 MiB at most. */
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(map_auto(f->fd, f->ioas, huge, 8 << 20, &iova));
	assert_int_equal(iova, 2 << 20);
	free(huge);
}

static void map_auto_reuses(void **state)
{
	struct fixture *f = *state;
	uint64_t iova[64], again;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &iova[i]));
		assert_int_equal(iova[i], (i + 1) * PAGE);
	}
	for (i = 0; i < 64; i += 7) {
		assert_ok(abi_unmap(f->fd, f->ioas, iova[i], PAGE));
		assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &again));
		assert_int_equal(again, iova[i]);
	}
	/* A hole grows piece by piece, from its end, until it is large enough. */
	assert_ok(abi_unmap(f->fd, f->ioas, iova[31], PAGE));
	assert_ok(map_auto(f->fd, f->ioas, f->buf, 2 * PAGE, &again));
	assert_int_equal(again, 66 * PAGE);
	assert_ok(abi_unmap(f->fd, f->ioas, iova[30], PAGE));
	assert_ok(abi_unmap(f->fd, f->ioas, iova[29], PAGE));
	assert_ok(map_auto(f->fd, f->ioas, f->buf, 2 * PAGE, &again));
	assert_int_equal(again, iova[29]);
}

static void map_auto_allowed_order(void **state)
{
	struct fixture *f = *state;
	struct iommu_iova_range ranges[] = {
		{ 0x900000, 0x900fff },
		{ 0x300000, 0x301fff },
		{ 0x500800, 0x503fff },
	};
	static const uint64_t expected[] = {
		0x300000, 0x301000, 0x501000, 0x502000, 0x503000, 0x900000,
	};
	uint64_t iova;
	unsigned int i;

	assert_ok(allow(f->fd, f->ioas, ranges, 3));
	for (i = 0; i < 6; i++) {
		assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &iova));
		assert_int_equal(iova, expected[i]);
	}
	assert_err(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &iova), ENOSPC);
	/* An empty list restricts nothing. */
	assert_ok(allow(f->fd, f->ioas, NULL, 0));
	assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &iova));
	assert_int_equal(iova, PAGE);
}

static void map_auto_reserved(void **state)
{
	struct fixture *f = *state;
	uint64_t iova;

	assert_ok(add_reserved(f->fd, f->ioas, 0x8000, 0x1000));
	assert_ok(add_reserved(f->fd, f->ioas, 0x1000, 0x3000));
	assert_ok(add_reserved(f->fd, f->ioas, 0x2000, 0x3001));
	assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, 2 * PAGE, &iova));
	assert_int_equal(iova, 0x6000);
	assert_ok(map_auto(f->fd, f->ioas, f->buf + PAGE, PAGE, &iova));
	assert_int_equal(iova, 0x9000);
}

static void map_nothing_looked_at(void **state)
{
	struct fixture *f = *state;

	assert_ok(map_cmd(f, FIXED | READ | WRITE, 0x10000, PAGE, IOVA));
	assert_ok(map_cmd(f, FIXED | READ | WRITE, 1ul << 63, 1ul << 40, 1ul << 41));
	assert_ok(abi_unmap(f->fd, f->ioas, 1ul << 41, 1ul << 40));
}

static void map_reply_fails(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_map *cmd =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(cmd != MAP_FAILED);
	*cmd = (struct iommu_ioas_map){
		.size = sizeof(*cmd),
		.flags = FIXED | READ,
		.ioas_id = f->ioas,
		.user_va = (uintptr_t)f->buf,
		.length = PAGE,
		.iova = IOVA,
	};
	assert_ok(mprotect(cmd, PAGE, PROT_READ));
	assert_err(iof_ioctl(f->fd, IOMMU_IOAS_MAP, cmd), EFAULT);
	assert_err(iof_ioctl(f->fd, IOMMU_IOAS_MAP, cmd), EEXIST);
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, PAGE));
	munmap(cmd, PAGE);
}

static void alloc_reply_fails(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_alloc *cmd =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(cmd != MAP_FAILED);
	cmd->size = sizeof(*cmd);
	assert_ok(mprotect(cmd, PAGE, PROT_READ));
	assert_err(iof_ioctl(f->fd, IOMMU_IOAS_ALLOC, cmd), EFAULT);
	assert_int_equal(abi_ioas(f->fd), f->ioas + 1);
	munmap(cmd, PAGE);
}

static void alloc_flags(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd), .flags = 1 };

	assert_err(iof_ioctl(f->fd, IOMMU_IOAS_ALLOC, &cmd), EOPNOTSUPP);
}

static void destroy_with_mappings(void **state)
{
	struct fixture *f = *state;

	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, IOVA));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, 2 * IOVA));
	assert_ok(abi_destroy(f->fd, f->ioas));
	assert_err(abi_unmap(f->fd, f->ioas, IOVA, 4 * PAGE), ENOENT);
}

/* ---- copy ---- */

static void copy_order(void **state)
{
	struct fixture *f = *state;
	uint32_t none = f->ioas + 1000;
	uint64_t dst = IOVA;

	assert_err(copy_flags(f->fd, 1u << 9, none, none, UINT64_MAX, &dst, 0), EOPNOTSUPP);
	assert_err(copy_flags(f->fd, 0, none, none, UINT64_MAX, &dst, 0), EOVERFLOW);
	assert_err(copy_flags(f->fd, 0, none, none, PAGE, &dst, UINT64_MAX), EOVERFLOW);
	dst = UINT64_MAX;
	assert_err(copy_flags(f->fd, 0, none, none, PAGE, &dst, IOVA), EOVERFLOW);
	dst = IOVA;
	assert_err(copy_flags(f->fd, 0, none, none, 0, &dst, 0), EINVAL);
	assert_err(copy_flags(f->fd, READ, none, f->ioas, 0, &dst, 0), EINVAL);
	assert_err(copy_flags(f->fd, READ, f->ioas, none, PAGE, &dst, 0), ENOENT);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, IOVA));
	assert_err(copy_flags(f->fd, READ, none, f->ioas, PAGE, &dst, IOVA), ENOENT);
}

static void copy_gap(void **state)
{
	struct fixture *f = *state;
	int fd = f->fd;

	assert_ok(abi_map(fd, f->ioas, f->buf, 2 * PAGE, IOVA));
	assert_ok(abi_map(fd, f->ioas, f->buf + 8 * PAGE, 2 * PAGE, IOVA + 2 * PAGE));
	assert_ok(abi_map(fd, f->ioas, f->buf, PAGE, IOVA + 5 * PAGE));
	assert_err(copy_fixed(fd, f->ioas, f->ioas, PAGE, 2 * IOVA, IOVA - 1), ENOENT);
	assert_err(copy_fixed(fd, f->ioas, f->ioas, 5 * PAGE, 2 * IOVA, IOVA), ENOENT);
	assert_err(copy_fixed(fd, f->ioas, f->ioas, 6 * PAGE, 2 * IOVA, IOVA), ENOENT);
	assert_err(copy_fixed(fd, f->ioas, f->ioas, PAGE, 2 * IOVA, IOVA + 4 * PAGE), ENOENT);
	/* Copy from the middle of one mapping to the middle of another. */
	assert_ok(copy_fixed(fd, f->ioas, f->ioas, 2 * PAGE, 2 * IOVA, IOVA + PAGE));
	assert_err(abi_map(fd, f->ioas, f->buf, PAGE, 2 * IOVA + PAGE), EEXIST);
	/* The copies are two mappings. */
	assert_err(abi_unmap(fd, f->ioas, 2 * IOVA, PAGE + 1), ENOENT);
	assert_ok(abi_unmap(fd, f->ioas, 2 * IOVA + PAGE, PAGE));
}

static void copy_permission(void **state)
{
	struct fixture *f = *state;
	uint64_t dst = 2 * IOVA;
	uint64_t iova = IOVA;

	assert_ok(map_flags(f->fd, f->ioas, FIXED | READ, (uintptr_t)f->buf, PAGE, &iova));
	assert_err(copy_flags(f->fd, FIXED | READ | WRITE, f->ioas, f->ioas, PAGE, &dst, IOVA),
		   EPERM);
	assert_err(copy_flags(f->fd, WRITE, f->ioas, f->ioas, PAGE, &dst, IOVA), EPERM);
	assert_ok(copy_flags(f->fd, FIXED | READ, f->ioas, f->ioas, PAGE, &dst, IOVA));
	/* A read-only copy of writable memory can be copied with the right to write. */
	assert_ok(abi_unmap(f->fd, f->ioas, 0, UINT64_MAX));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, IOVA));
	assert_ok(copy_flags(f->fd, FIXED | READ, f->ioas, f->ioas, PAGE, &dst, IOVA));
	assert_ok(copy_fixed(f->fd, f->ioas, f->ioas, PAGE, 3 * IOVA, 2 * IOVA));
	/* A refused copy has left no mapping at its place. */
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, 4 * IOVA));
}

static void copy_other_ioas(void **state)
{
	struct fixture *f = *state;
	int other = abi_ioas(f->fd);
	uint64_t dst = 0;

	assert_id(other);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, IOVA));
	assert_ok(copy_flags(f->fd, READ, (uint32_t)other, f->ioas, PAGE, &dst, IOVA + PAGE));
	assert_int_equal(dst, PAGE);
	/* b14: unmapping the source leaves the copy. */
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, 4 * PAGE));
	assert_ok(copy_fixed(f->fd, f->ioas, (uint32_t)other, PAGE, IOVA, dst));
	assert_ok(abi_destroy(f->fd, (uint32_t)other));
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, PAGE));
}

static void copy_onto_itself(void **state)
{
	struct fixture *f = *state;

	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, IOVA));
	assert_err(copy_fixed(f->fd, f->ioas, f->ioas, 2 * PAGE, IOVA + 2 * PAGE, IOVA), EEXIST);
	assert_ok(copy_fixed(f->fd, f->ioas, f->ioas, 2 * PAGE, IOVA + 4 * PAGE, IOVA));
	assert_ok(copy_fixed(f->fd, f->ioas, f->ioas, 6 * PAGE, IOVA - 6 * PAGE, IOVA));
}

/* ---- unmap ---- */

static void unmap_everything(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;

	assert_ok(unmap_bytes(f->fd, f->ioas, 0, UINT64_MAX, &bytes));
	assert_int_equal(bytes, 0);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 3, IOVA));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, 2 * IOVA));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, 0));
	assert_ok(unmap_bytes(f->fd, f->ioas, 0, UINT64_MAX, &bytes));
	assert_int_equal(bytes, 5 * PAGE + 3);
	assert_ok(unmap_bytes(f->fd, f->ioas, 0, UINT64_MAX, &bytes));
	assert_int_equal(bytes, 0);
}

static void unmap_errors(void **state)
{
	struct fixture *f = *state;
	int fd = f->fd;

	assert_err(abi_unmap(fd, f->ioas + 1000, IOVA, PAGE), ENOENT);
	assert_err(abi_unmap(fd, f->ioas, 1, UINT64_MAX), EOVERFLOW);
	assert_err(abi_unmap(fd, f->ioas, UINT64_MAX, 1), EOVERFLOW);
	assert_err(abi_unmap(fd, f->ioas, UINT64_MAX - 1, 3), EOVERFLOW);
	assert_err(abi_unmap(fd, f->ioas, IOVA, 0), EINVAL);
	assert_err(abi_unmap(fd, f->ioas, IOVA, PAGE), ENOENT);
}

static void unmap_cut(void **state)
{
	struct fixture *f = *state;
	int fd = f->fd;

	assert_ok(abi_map(fd, f->ioas, f->buf, 4 * PAGE, IOVA));
	assert_err(abi_unmap(fd, f->ioas, IOVA, 4 * PAGE - 1), ENOENT);
	assert_err(abi_unmap(fd, f->ioas, IOVA + 1, 4 * PAGE - 1), ENOENT);
	assert_err(abi_unmap(fd, f->ioas, IOVA + PAGE, PAGE), ENOENT);
	assert_ok(abi_unmap(fd, f->ioas, IOVA - PAGE, 6 * PAGE));
}

static void unmap_gaps(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;

	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, IOVA));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, IOVA + 8 * PAGE));
	assert_ok(unmap_bytes(f->fd, f->ioas, IOVA - 8 * PAGE, 32 * PAGE, &bytes));
	assert_int_equal(bytes, 2 * PAGE);
}

static void unmap_not_atomic(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;

	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, IOVA));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, IOVA + PAGE));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 2 * PAGE, IOVA + 2 * PAGE));
	assert_err(unmap_bytes(f->fd, f->ioas, IOVA, 3 * PAGE, &bytes), ENOENT);
	/* The failed call does not change the count in the struct. */
	assert_int_equal(bytes, 3 * PAGE);
	assert_ok(unmap_bytes(f->fd, f->ioas, 0, UINT64_MAX, &bytes));
	assert_int_equal(bytes, 2 * PAGE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RULE("a3 a reply that fails undoes the IOAS", alloc_reply_fails),
		RULE("a3 a reply that fails leaves the mapping", map_reply_fails),
		RULE("a10 destroy removes the mappings", destroy_with_mappings),
		RULE("IOAS_ALLOC with flags -> EOPNOTSUPP", alloc_flags),
		RULE("b2 the order of what map checks", map_order),
		RULE("b2 map with a reserved field -> EOPNOTSUPP", map_reserved_field),
		RULE("b2 b3 b6 alignment of length, IOVA and address -> EINVAL",
		     map_length_alignment),
		RULE("b3 fixed IOVA: EOVERFLOW, EINVAL reserved, EEXIST", map_fixed),
		RULE("b3 the allow-list does not bind fixed mappings", map_fixed_outside_allowed),
		RULE("b4 automatic IOVA: EOVERFLOW, EINVAL, ENOSPC", map_auto_errors),
		RULE("b4 an automatic IOVA is never 0 nor in the last page", map_auto_never_zero),
		RULE("b5 alignment of automatic IOVAs", map_auto_alignment),
		RULE("b5 first fit, lowest address, also in what was unmapped", map_auto_reuses),
		RULE("b5 automatic IOVAs come from the allow-list in order",
		     map_auto_allowed_order),
		RULE("b5 automatic IOVAs avoid what is reserved", map_auto_reserved),
		RULE("b7 without an HWPT the memory is not looked at", map_nothing_looked_at),
		RULE("b11 the order of what copy checks", copy_order),
		RULE("b12 copy of a range with a gap -> ENOENT", copy_gap),
		RULE("b13 writable copy of read-only memory -> EPERM", copy_permission),
		RULE("b14 a copy outlives its source", copy_other_ioas),
		RULE("b15 source and destination may be one IOAS", copy_onto_itself),
		RULE("b16 unmap of everything", unmap_everything),
		RULE("b17 unmap: EOVERFLOW, EINVAL, ENOENT", unmap_errors),
		RULE("b17 unmap cuts through a mapping -> ENOENT", unmap_cut),
		RULE("b17 gaps inside an unmapped range are fine", unmap_gaps),
		RULE("b18 what came before the offending mapping is gone", unmap_not_atomic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
