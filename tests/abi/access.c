// SPDX-License-Identifier: MIT
/*
 * access.c - proves what an emulated device can do with an IOAS: copy, pin, and unpin when asked.
 */
#include "ioas.h"

#define AT IOVA

static struct abi_mock mock_on(struct fixture *f)
{
	struct abi_mock mock;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	return mock;
}

/* h1, a9, a11: an access takes an unpublished id, holds its IOAS, and ends with its holder. */
static void h_an_access_has_a_hidden_id(void **state)
{
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, true), other;

	assert_true(access >= 0);
	assert_err(abi_destroy(f->fd, f->ioas + 1), EBUSY);
	other = abi_ioas(f->fd);
	assert_int_equal(other, f->ioas + 2);
	assert_err(abi_destroy(f->fd, f->ioas), EBUSY);
	assert_ok(iof_close(access));
	assert_err(abi_destroy(f->fd, f->ioas + 1), ENOENT);
	assert_ok(abi_destroy(f->fd, f->ioas));
}

static void refusals(void **state)
{
	struct fixture *f = *state;
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = f->ioas,
		.create_access = { .flags = 2 },
	};
	unsigned char byte = 0;
	int access, copying;

	assert_err(iof_ioctl(f->fd, IOMMU_TEST_CMD, &cmd), EOPNOTSUPP);
	assert_err(abi_access(f->fd, f->ioas + 1, false), ENOENT);
	access = abi_access(f->fd, f->ioas, true);
	copying = abi_access(f->fd, f->ioas, false);
	assert_true(access >= 0 && copying >= 0);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, AT));

	/* Passes descriptors of other files, and numbers without a file. */
	assert_err(abi_access_read(f->fd, f->fd, AT, &byte, 1), EBADFD);
	assert_err(abi_access_pin(f->fd, f->fd, AT, PAGE, NULL, 0), EBADFD);
	assert_err(abi_access_unpin(f->fd, f->fd, 0), EBADFD);
	assert_err(abi_access_replace(f->fd, f->fd, f->ioas), EBADFD);
	assert_err(abi_access_read(f->fd, 0x7ffffff0, AT, &byte, 1), EBADFD);

	assert_err(abi_access_pin(f->fd, copying, AT, PAGE, NULL, 0), EOPNOTSUPP);
	assert_err(abi_access_pin(f->fd, access, AT, PAGE, NULL, 2), EOPNOTSUPP);
	assert_err(abi_access_pin(f->fd, access, AT, 0, NULL, 0), EINVAL);
	assert_err(abi_access_pin(f->fd, access, AT, (16 << 20) + 1, NULL, 0), ENOMEM);
	assert_err(abi_access_pin(f->fd, access, UINT64_MAX, PAGE, NULL, 0), EOVERFLOW);
	assert_err(abi_access_pin(f->fd, access, AT, 5 * PAGE, NULL, 0), ENOENT);
	assert_err(abi_access_pin(f->fd, access, AT - 1, 2, NULL, 0), ENOENT);
	assert_err(abi_access_pin(f->fd, access, AT, PAGE, f->buf + PAGE, 0), EBADE);
	assert_err(abi_access_unpin(f->fd, access, 0), ENOENT);
	assert_err(abi_access_read(f->fd, access, AT, &byte, 0), EINVAL);
	assert_err(abi_access_read(f->fd, access, AT, &byte, (16 << 20) + 1), ENOMEM);
	assert_err(abi_access_read(f->fd, access, UINT64_MAX, f->buf, 2), EOVERFLOW);
	assert_err(abi_access_read(f->fd, access, AT, NULL, 1), EFAULT);
	assert_err(abi_access_write(f->fd, access, AT, NULL, 1), EFAULT);
	/* None of these calls has pinned a page. */
	assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 0));
	assert_ok(iof_close(access));
	assert_ok(iof_close(copying));
}

/*
 * Copies reach any address and length, across mappings. They do not reach beyond the mappings, or
 * memory without the right.
 */
static void copies_go_where_the_mappings_say(void **state)
{
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, false);
	unsigned char out[3 * PAGE], in[3 * PAGE];
	uint64_t iova = AT + 2 * PAGE;
	size_t i;

	assert_true(access >= 0);
	for (i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 7 + 1);
	/* Map two neighbouring ranges of memory that is not adjacent, the second one read-only. */
	assert_ok(abi_map(f->fd, f->ioas, f->buf + 8 * PAGE, 2 * PAGE, AT));
	assert_ok(map_flags(f->fd, f->ioas, FIXED | READ, (uintptr_t)f->buf, 2 * PAGE, &iova));
	memset(f->buf, 0, BUF_LEN);
	assert_ok(abi_access_write(f->fd, access, AT + 100, out, PAGE + 1000));
	assert_memory_equal(f->buf + 8 * PAGE + 100, out, PAGE + 1000);
	assert_int_equal(f->buf[9 * PAGE + 1100], 0);
	memcpy(f->buf, out, 2 * PAGE);
	assert_ok(abi_access_read(f->fd, access, AT + 2 * PAGE - 50, in, 100));
	assert_memory_equal(in, f->buf + 10 * PAGE - 50, 50);
	assert_memory_equal(in + 50, out, 50);
	assert_err(abi_access_write(f->fd, access, AT + 2 * PAGE, out, 1), EPERM);
	assert_err(abi_access_write(f->fd, access, AT + 2 * PAGE - 1, out, 2), EPERM);
	assert_err(abi_access_read(f->fd, access, AT + 4 * PAGE - 1, in, 2), ENOENT);
	assert_err(abi_access_read(f->fd, access, AT - 1, in, 2), ENOENT);
	assert_ok(abi_access_read(f->fd, access, AT + 4 * PAGE - 1, in, 1));
	assert_ok(abi_check_refs(f->fd, f->buf, BUF_LEN, 0));
	assert_ok(iof_close(access));
}

/* Half an I/O page is mapped: a copy reaches the mapped bytes, and not those around them. */
static void copies_keep_the_place_in_the_page(void **state)
{
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, false);
	unsigned char word[8] = "iofault", back[8] = "";
	uint64_t iova = AT + 2048;

	assert_true(access >= 0);
	assert_ok(map_flags(f->fd, f->ioas, FIXED | READ | WRITE, (uintptr_t)f->buf + 512, 2048,
			    &iova));
	assert_ok(abi_access_write(f->fd, access, AT + 2048, word, sizeof(word)));
	assert_memory_equal(f->buf + 512, word, sizeof(word));
	assert_ok(abi_access_read(f->fd, access, AT + 2048, back, sizeof(back)));
	assert_memory_equal(back, word, sizeof(word));
	assert_err(abi_access_read(f->fd, access, AT + 2040, back, 8), ENOENT);
	assert_ok(iof_close(access));
}

/* The last pages of the 64-bit space can be used like others: no address wraps. */
static void the_end_of_the_address_space(void **state)
{
	const uint64_t at = UINT64_MAX - 4 * PAGE + 1;
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, true);
	unsigned char out[PAGE + 8], in[PAGE + 8];
	struct iommu_vfio_ioas use = {
		.size = sizeof(use),
		.ioas_id = f->ioas,
		.op = IOMMU_VFIO_IOAS_SET,
	};
	struct vfio_iommu_type1_dma_unmap un = {
		.argsz = sizeof(un),
		.iova = at + 2 * PAGE,
		.size = 2 * PAGE,
	};
	uint64_t copy = AT;

	assert_true(access >= 0);
	memset(out, 0x3c, sizeof(out));
	assert_ok(iof_ioctl(f->fd, IOMMU_VFIO_IOAS, &use));
	assert_ok(iof_ioctl(f->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, at));
	assert_ok(abi_access_write(f->fd, access, UINT64_MAX - PAGE - 7, out, sizeof(out)));
	assert_ok(abi_access_read(f->fd, access, UINT64_MAX - PAGE - 7, in, sizeof(in)));
	assert_memory_equal(in, out, sizeof(in));
	assert_memory_equal(f->buf + 3 * PAGE - 8, out, sizeof(out));
	assert_err(abi_access_read(f->fd, access, UINT64_MAX, in, 2), EOVERFLOW);
	assert_int_equal(abi_access_pin(f->fd, access, at + PAGE, 3 * PAGE, f->buf + PAGE, 0), 0);
	assert_ok(copy_fixed(f->fd, f->ioas, f->ioas, 2 * PAGE, copy, at + 2 * PAGE));
	assert_ok(iof_ioctl(f->fd, VFIO_IOMMU_UNMAP_DMA, &un));
	assert_int_equal(un.size, 2 * PAGE);
	assert_err(abi_access_unpin(f->fd, access, 0), ENOENT);
	assert_err(abi_access_pin(f->fd, access, at, 4 * PAGE, NULL, 0), ENOENT);
	assert_int_equal(abi_access_pin(f->fd, access, at, 2 * PAGE, f->buf, 0), 1);
	assert_ok(abi_access_read(f->fd, access, copy + PAGE, in, PAGE));
	assert_memory_equal(in, out, PAGE);
	assert_ok(unmap_all(f->fd, f->ioas));
	assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 0));
	assert_ok(iof_close(access));
}

/* b29: a page is pinned once for all its users. Item numbers count from 0; each item ends once. */
static void b29_a_pin_is_shared(void **state)
{
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, true);
	struct abi_mock mock;

	assert_true(access >= 0);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 8 * PAGE, AT));
	assert_ok(abi_check_refs(f->fd, f->buf, 8 * PAGE, 0));
	assert_int_equal(
		abi_access_pin(f->fd, access, AT, 4 * PAGE, f->buf, MOCK_FLAGS_ACCESS_WRITE), 0);
	assert_int_equal(abi_access_pin(f->fd, access, AT + PAGE, PAGE + 8, f->buf + PAGE, 0), 1);
	assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 1));
	assert_ok(abi_check_refs(f->fd, f->buf + 4 * PAGE, 4 * PAGE, 0));
	/* A domain is added and removed: it shows the same pages. */
	mock = mock_on(f);
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT, 8 * PAGE, f->buf));
	assert_ok(abi_check_refs(f->fd, f->buf, 8 * PAGE, 1));
	assert_ok(abi_access_unpin(f->fd, access, 0));
	assert_err(abi_access_unpin(f->fd, access, 0), ENOENT);
	assert_ok(abi_check_refs(f->fd, f->buf, 8 * PAGE, 1));
	assert_ok(abi_destroy(f->fd, mock.stdev));
	assert_ok(abi_check_refs(f->fd, f->buf + PAGE, 2 * PAGE, 1));
	assert_ok(abi_check_refs(f->fd, f->buf, PAGE, 0));
	/* The close of the last holder ends the pins. */
	assert_ok(iof_close(access));
	assert_ok(abi_check_refs(f->fd, f->buf, 8 * PAGE, 0));
}

/* A pin begins at a page of memory; it may end inside one. */
static void a_pin_begins_with_a_page(void **state)
{
	static const uint64_t inside[] = { 1, 8, 100, PAGE / 2, PAGE - 1 };
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, true);
	unsigned char byte = 0;
	size_t i;

	assert_true(access >= 0);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, AT));
	for (i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		uint64_t at = PAGE + inside[i];

		assert_err(abi_access_pin(f->fd, access, AT + at, 1, f->buf + at, 0), EINVAL);
		assert_err(abi_access_pin(f->fd, access, AT + at, 2 * PAGE, NULL, 0), EINVAL);
		assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 0));
		/* Copies may begin at any address. */
		assert_ok(abi_access_read(f->fd, access, AT + at, &byte, 1));
		assert_int_equal(abi_access_pin(f->fd, access, AT, at, f->buf, 0), (int)i);
		assert_ok(abi_check_refs(f->fd, f->buf, 2 * PAGE, 1));
		assert_ok(abi_access_unpin(f->fd, access, (uint32_t)i));
	}
	assert_ok(iof_close(access));
}

static void a_pin_needs_permission(void **state)
{
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, true);
	uint64_t iova = AT;

	assert_true(access >= 0);
	assert_ok(map_flags(f->fd, f->ioas, FIXED | READ, (uintptr_t)f->buf, PAGE, &iova));
	assert_err(abi_access_pin(f->fd, access, AT, PAGE, NULL, MOCK_FLAGS_ACCESS_WRITE), EPERM);
	assert_int_equal(abi_access_pin(f->fd, access, AT, PAGE, f->buf, 0), 0);
	assert_ok(iof_close(access));
}

/*
 * A pin across two mappings is one item. If the range is one page too long, no page stays pinned.
 */
static void a_pin_spans_mappings(void **state)
{
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, true);

	assert_true(access >= 0);
	assert_ok(abi_map(f->fd, f->ioas, f->buf + 4 * PAGE, 2 * PAGE, AT));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 2 * PAGE, AT + 2 * PAGE));
	assert_err(abi_access_pin(f->fd, access, AT, 5 * PAGE, NULL, 0), ENOENT);
	assert_ok(abi_check_refs(f->fd, f->buf, 8 * PAGE, 0));
	assert_int_equal(abi_access_pin(f->fd, access, AT + PAGE, 2 * PAGE, NULL, 0), 0);
	assert_ok(abi_check_refs(f->fd, f->buf, PAGE, 1));
	assert_ok(abi_check_refs(f->fd, f->buf + 5 * PAGE, PAGE, 1));
	/* Unmap half of the item: the whole item ends, and the other half can be pinned again. */
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 2 * PAGE));
	assert_err(abi_access_unpin(f->fd, access, 0), ENOENT);
	assert_ok(abi_check_refs(f->fd, f->buf, 8 * PAGE, 0));
	assert_int_equal(abi_access_pin(f->fd, access, AT + 2 * PAGE, PAGE, f->buf, 0), 1);
	assert_ok(iof_close(access));
}

/* b20: unmap calls the owner's unmap(), which unpins; other accesses keep their pins. */
static void b20_unmapping_ends_pins(void **state)
{
	struct fixture *f = *state;
	int one = abi_access(f->fd, f->ioas, true), two = abi_access(f->fd, f->ioas, true);
	uint64_t bytes;

	assert_true(one >= 0 && two >= 0);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 4 * PAGE, AT));
	assert_ok(abi_map(f->fd, f->ioas, f->buf + 8 * PAGE, 4 * PAGE, AT + 16 * PAGE));
	assert_int_equal(abi_access_pin(f->fd, one, AT, PAGE, f->buf, 0), 0);
	assert_int_equal(abi_access_pin(f->fd, one, AT + 16 * PAGE, PAGE, NULL, 0), 1);
	assert_int_equal(abi_access_pin(f->fd, two, AT, 4 * PAGE, f->buf, 0), 0);
	assert_ok(unmap_bytes(f->fd, f->ioas, AT, 4 * PAGE, &bytes));
	assert_int_equal(bytes, 4 * PAGE);
	assert_err(abi_access_unpin(f->fd, one, 0), ENOENT);
	assert_err(abi_access_unpin(f->fd, two, 0), ENOENT);
	assert_ok(abi_check_refs(f->fd, f->buf, 4 * PAGE, 0));
	assert_ok(abi_check_refs(f->fd, f->buf + 8 * PAGE, PAGE, 1));
	assert_ok(unmap_bytes(f->fd, f->ioas, 0, UINT64_MAX, &bytes));
	assert_int_equal(bytes, 4 * PAGE);
	assert_err(abi_access_unpin(f->fd, one, 1), ENOENT);
	assert_err(abi_access_pin(f->fd, one, AT, PAGE, NULL, 0), ENOENT);
	assert_ok(iof_close(one));
	assert_ok(iof_close(two));
}

/* b34: an access that will pin needs whole pages while it exists. */
static void b34_pins_want_whole_pages(void **state)
{
	struct fixture *f = *state;
	int access;

	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 100, AT));
	assert_err(abi_access(f->fd, f->ioas, true), EADDRINUSE);
	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 100));
	access = abi_access(f->fd, f->ioas, false);
	assert_true(access >= 0);
	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
	assert_ok(iof_close(access));
	access = abi_access(f->fd, f->ioas, true);
	assert_true(access >= 0);
	assert_int_equal(alignment_of(f->fd, f->ioas), PAGE);
	assert_err(abi_map(f->fd, f->ioas, f->buf, 100, AT), EINVAL);
	assert_ok(iof_close(access));
	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
}

static void replace_drops_the_pins(void **state)
{
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, true), next = abi_ioas(f->fd);
	unsigned char byte = 0;

	assert_true(access >= 0);
	assert_id(next);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, AT));
	assert_int_equal(abi_access_pin(f->fd, access, AT, PAGE, f->buf, 0), 0);
	/* A refused replace leaves all as it was. */
	assert_err(abi_access_replace(f->fd, access, 77), ENOENT);
	assert_ok(abi_map(f->fd, (uint32_t)next, f->buf, 100, AT));
	assert_err(abi_access_replace(f->fd, access, (uint32_t)next), EADDRINUSE);
	assert_ok(abi_check_refs(f->fd, f->buf, PAGE, 1));
	assert_ok(abi_unmap(f->fd, (uint32_t)next, AT, 100));
	/* A replace by the same IOAS does nothing. */
	assert_ok(abi_access_replace(f->fd, access, f->ioas));
	assert_ok(abi_check_refs(f->fd, f->buf, PAGE, 1));

	assert_ok(abi_access_replace(f->fd, access, (uint32_t)next));
	assert_ok(abi_check_refs(f->fd, f->buf, PAGE, 0));
	assert_err(abi_access_unpin(f->fd, access, 0), ENOENT);
	assert_err(abi_access_read(f->fd, access, AT, &byte, 1), ENOENT);
	assert_int_equal(alignment_of(f->fd, f->ioas), 1);
	assert_ok(abi_destroy(f->fd, f->ioas));
	f->buf[PAGE] = 42;
	assert_ok(abi_map(f->fd, (uint32_t)next, f->buf + PAGE, PAGE, AT));
	assert_ok(abi_access_read(f->fd, access, AT, &byte, 1));
	assert_int_equal(byte, 42);
	assert_ok(iof_close(access));
	assert_ok(abi_destroy(f->fd, (uint32_t)next));
}

/* a17: an access keeps its context, and any /dev/iommu takes its descriptor. */
static void a17_an_access_keeps_its_context(void **state)
{
	struct fixture *f = *state;
	int access = abi_access(f->fd, f->ioas, true), other = abi_iommu(f->world);
	unsigned char byte = 0;

	assert_true(access >= 0);
	f->buf[0] = 17;
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, AT));
	assert_int_equal(abi_access_pin(f->fd, access, AT, PAGE, f->buf, 0), 0);
	assert_ok(iof_close(f->fd));
	f->fd = other;
	assert_ok(abi_access_read(f->fd, access, AT, &byte, 1));
	assert_int_equal(byte, 17);
	assert_ok(abi_check_refs(f->fd, f->buf, PAGE, 1));
	assert_ok(iof_close(access));
	assert_ok(abi_check_refs(f->fd, f->buf, PAGE, 0));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(h_an_access_has_a_hidden_id),
		T(refusals),
		T(copies_go_where_the_mappings_say),
		T(copies_keep_the_place_in_the_page),
		T(the_end_of_the_address_space),
		T(b29_a_pin_is_shared),
		T(a_pin_begins_with_a_page),
		T(a_pin_needs_permission),
		T(a_pin_spans_mappings),
		T(b20_unmapping_ends_pins),
		T(b34_pins_want_whole_pages),
		T(replace_drops_the_pins),
		T(a17_an_access_keeps_its_context),
	};

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
