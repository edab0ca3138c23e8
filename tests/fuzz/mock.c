// SPDX-License-Identifier: MIT
/*
 * mock.c - the actions of IOMMU_TEST_CMD: mock devices, in-core access, dirty pages.
 */
#include "fuzz.h"
#include "arena.h"

static int test(const struct fuzz_act *a, u32 op, struct iommu_test_cmd *cmd)
{
	cmd->op = op;
	return fuzz_send(a, fuzz_iommu(a), IOMMU_TEST_CMD, cmd, sizeof(*cmd));
}

/* ---- devices ---- */

void fuzz_do_MOCK(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = { .id = fuzz_id(a, 0, FUZZ_IOAS) };

	cmd.mock_domain_flags.dev_flags = fuzz_flags(a, 7);
	if (test(a, a->small & 1 ? IOMMU_TEST_OP_MOCK_DOMAIN : IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
		 &cmd))
		return;
	fuzz_note_id(a, FUZZ_STDEV, cmd.mock_domain.out_stdev_id);
	fuzz_note_id(a, FUZZ_PAGING, cmd.mock_domain.out_hwpt_id);
	fuzz_note_id(a, FUZZ_DEV, cmd.mock_domain.out_idev_id);
}

void fuzz_do_MOCK_REPLACE(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = fuzz_id(a, 0, FUZZ_STDEV),
		.mock_domain_replace = { .pt_id = fuzz_id(a, 1, FUZZ_PAGING) },
	};

	test(a, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &cmd);
}

/* Returns one of a few PASIDs, so that attached and requested ones meet. */
static u32 pasid_of(const struct fuzz_act *a)
{
	static const u32 pasids[] = {
		0, 1, 2, 3, IOMMU_TEST_PASID_RESERVED, (1 << 20) - 1, 1 << 20, U32_MAX
	};

	return pasids[a->small & 7];
}

void fuzz_do_TRIGGER(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.trigger_iopf = {
			.dev_id = fuzz_id(a, 0, FUZZ_DEV),
			.pasid = pasid_of(a),
			.grpid = a->extra,
			.perm = a->flags,
			.addr = fuzz_iova(a->iova[0]),
		},
	};
	unsigned int nr = a->small & 0x40 ? 24 : 1;

	/* Send several at once, so that there can be as many as there are credits. */
	for (; nr; nr--) {
		test(a, IOMMU_TEST_OP_TRIGGER_IOPF, &cmd);
		cmd.trigger_iopf.grpid++;
	}
}

/*
 * Sends page requests. Bit 0 of flags: not the last of its group; bit 1: with a PASID. Bit 6 of
 * small: as many as make a large group, or (bit 5) as many groups of one page.
 */
void fuzz_do_PAGE_REQ(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.iof_page_req = {
			.dev_id = fuzz_id(a, 0, FUZZ_DEV),
			.flags = (a->flags & 1 ? 0 : IOMMU_PGFAULT_FLAGS_LAST_PAGE) |
				 (a->flags & 2 ? IOMMU_PGFAULT_FLAGS_PASID_VALID : 0),
			.pasid = pasid_of(a),
			.grpid = a->extra,
			.perm = a->flags >> 8,
			.addr = fuzz_iova(a->iova[0]),
		},
	};

	unsigned int nr = a->small & 0x40 ? 36 : 1;

	for (; nr; nr--) {
		test(a, IOF_TEST_OP_PAGE_REQ, &cmd);
		cmd.iof_page_req.addr += PAGE_SIZE;
		if (a->small & 0x20)
			cmd.iof_page_req.grpid++;
	}
}

void fuzz_do_STATS(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.iof_stats = {
			.dev_id = fuzz_id(a, 0, FUZZ_DEV),
			.len = a->extra,
			.uptr = fuzz_ptr(a->ptr),
		},
	};

	test(a, IOF_TEST_OP_STATS, &cmd);
}

static void pasid_to(const struct fuzz_act *a, u32 op)
{
	struct iommu_test_cmd cmd = {
		.id = fuzz_id(a, 0, FUZZ_STDEV),
		.pasid_attach = { .pasid = pasid_of(a), .pt_id = fuzz_id(a, 1, FUZZ_PAGING) },
	};

	test(a, op, &cmd);
}

void fuzz_do_PASID_ATTACH(const struct fuzz_act *a)
{
	pasid_to(a, IOMMU_TEST_OP_PASID_ATTACH);
}

void fuzz_do_PASID_REPLACE(const struct fuzz_act *a)
{
	pasid_to(a, IOMMU_TEST_OP_PASID_REPLACE);
}

void fuzz_do_PASID_DETACH(const struct fuzz_act *a)
{
	pasid_to(a, IOMMU_TEST_OP_PASID_DETACH);
}

void fuzz_do_PASID_CHECK(const struct fuzz_act *a)
{
	pasid_to(a, IOMMU_TEST_OP_PASID_CHECK_HWPT);
}

/* ---- looking ---- */

void fuzz_do_RESERVE(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = fuzz_id(a, 0, FUZZ_IOAS),
		.add_reserved = { fuzz_iova(a->iova[0]), fuzz_len(a->len) },
	};

	test(a, IOMMU_TEST_OP_ADD_RESERVED, &cmd);
}

void fuzz_do_CHECK_MAP(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = fuzz_id(a, 0, FUZZ_PAGING),
		.check_map = {
			fuzz_iova(a->iova[0]), fuzz_len(a->len), fuzz_ptr(a->ptr),
		},
	};

	test(a, IOMMU_TEST_OP_MD_CHECK_MAP, &cmd);
}

void fuzz_do_CHECK_REFS(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.check_refs = { fuzz_len(a->len), fuzz_ptr(a->ptr), a->extra },
	};

	test(a, IOMMU_TEST_OP_MD_CHECK_REFS, &cmd);
}

void fuzz_do_CHECK_IOTLB(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = fuzz_id(a, 0, FUZZ_NEST),
		.check_iotlb = { a->small, a->extra },
	};

	test(a, IOMMU_TEST_OP_MD_CHECK_IOTLB, &cmd);
}

/* ---- access from inside ---- */

void fuzz_do_ACCESS(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = fuzz_id(a, 0, FUZZ_IOAS),
		.create_access = { .flags = fuzz_flags(a, 1) ^ 1 },
	};

	test(a, IOMMU_TEST_OP_CREATE_ACCESS, &cmd);
}

/* Returns the descriptor of an access, or (bit 7 of small) of another file. */
static u32 access_of(const struct fuzz_act *a)
{
	return a->small & 0x80 ? (u32)fuzz_iommu(a) : (u32)fuzz_access_fd(a);
}

void fuzz_do_ACCESS_PIN(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = access_of(a),
		.access_pages = {
			.flags = fuzz_flags(a, MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ),
			.iova = fuzz_iova(a->iova[0]),
			.length = fuzz_len(a->len),
			.uptr = a->ptr == U16_MAX ? 0 : fuzz_ptr(a->ptr),
		},
	};

	if (!test(a, IOMMU_TEST_OP_ACCESS_PAGES, &cmd))
		fuzz_note_id(a, FUZZ_ITEM, cmd.access_pages.out_access_pages_id);
}

void fuzz_do_ACCESS_UNPIN(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = access_of(a),
		.destroy_access_pages = { fuzz_id(a, 0, FUZZ_ITEM) },
	};

	test(a, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, &cmd);
}

void fuzz_do_ACCESS_RW(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = access_of(a),
		.access_rw = {
			.iova = fuzz_iova(a->iova[0]),
			.length = fuzz_len(a->len),
			.uptr = fuzz_ptr(a->ptr),
			.flags = fuzz_flags(a, MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH),
		},
	};

	test(a, IOMMU_TEST_OP_ACCESS_RW, &cmd);
}

void fuzz_do_ACCESS_REPLACE(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = access_of(a),
		.access_replace_ioas = { fuzz_id(a, 0, FUZZ_IOAS) },
	};

	test(a, IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, &cmd);
}

/* ---- dirty pages ---- */

void fuzz_do_DIRTY(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = {
		.id = fuzz_id(a, 0, FUZZ_PAGING),
		.dirty = {
			.flags = a->flags,
			.iova = fuzz_iova(a->iova[0]),
			.length = fuzz_len(a->len),
			.page_size = a->extra & 0x80000000 ? a->extra : 2048ull << (a->extra & 15),
			.uptr = fuzz_ptr(a->ptr),
		},
	};

	if (a->small)
		arena_put(cmd.dirty.uptr, &a->small, 1);
	test(a, IOMMU_TEST_OP_DIRTY, &cmd);
}

/* Sets the memory limit, or calls an unknown op. */
void fuzz_do_TEST_OTHER(const struct fuzz_act *a)
{
	struct iommu_test_cmd cmd = { .id = fuzz_id(a, 0, FUZZ_STDEV) };

	cmd.memory_limit.limit = a->extra;
	test(a, a->small & 1 ? a->small : IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT, &cmd);
}
