// SPDX-License-Identifier: MIT
/*
 * dirty.c - proves the rules of dirty tracking, c16 to c21, on the mock device, which writes to the
 * pages that a test names.
 */
#include "ioas.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AT		IOVA
#define BIT_OF(bits, n) ((bits)[(n) / 8] >> (n) % 8 & 1)

enum {
	DIRTY = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
	KEEP = IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
	STEP = MOCK_PAGE_SIZE,
	BITS = BUF_LEN / STEP,
};

/* Allocates an HWPT with tracking, with all of the buffer mapped at AT. */
static uint32_t tracking(struct fixture *f, struct abi_mock *mock)
{
	int hwpt;

	assert_ok(abi_mock(f->fd, f->ioas, 0, mock));
	hwpt = abi_hwpt(f->fd, mock->idev, f->ioas, DIRTY);
	assert_id(hwpt);
	assert_ok(abi_mock_replace(f->fd, mock, (uint32_t)hwpt));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, BUF_LEN, AT));
	assert_ok(abi_dirty_tracking(f->fd, (uint32_t)hwpt, true));
	return (uint32_t)hwpt;
}

static void c3_not_every_device_tracks(void **state)
{
	struct fixture *f = *state;
	struct abi_mock mock, without;
	int hwpt;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &without));
	assert_err(abi_hwpt(f->fd, without.idev, f->ioas, DIRTY), EOPNOTSUPP);
	hwpt = abi_hwpt(f->fd, mock.idev, f->ioas, DIRTY);
	assert_id(hwpt);
	assert_err(abi_mock_replace(f->fd, &without, (uint32_t)hwpt), EINVAL);
	assert_ok(abi_mock_replace(f->fd, &mock, (uint32_t)hwpt));
}

static void the_capability_is_told(void **state)
{
	struct fixture *f = *state;
	struct iommu_hw_info info = { .size = sizeof(info) };
	struct abi_mock mock;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	info.dev_id = mock.idev;
	assert_ok(iof_ioctl(f->fd, IOMMU_GET_HW_INFO, &info));
	assert_true(info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING);
	assert_ok(abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &mock));
	info.dev_id = mock.idev;
	info.data_len = 0;
	assert_ok(iof_ioctl(f->fd, IOMMU_GET_HW_INFO, &info));
	assert_false(info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING);
}

static void c16_who_can_be_tracked(void **state)
{
	struct fixture *f = *state;
	struct iommu_hwpt_set_dirty_tracking cmd = { .size = sizeof(cmd), .flags = 2 };
	struct abi_mock mock;
	unsigned char bits[8] = "";
	uint32_t hwpt = tracking(f, &mock);
	int plain = abi_hwpt(f->fd, mock.idev, f->ioas, 0);

	assert_id(plain);
	assert_err(abi_dirty_tracking(f->fd, (uint32_t)plain, true), EOPNOTSUPP);
	assert_err(abi_get_dirty(f->fd, (uint32_t)plain, 0, AT, PAGE, STEP, bits), EOPNOTSUPP);
	assert_err(abi_dirty_tracking(f->fd, f->ioas, true), ENOENT);
	assert_err(abi_get_dirty(f->fd, mock.idev, 0, AT, PAGE, STEP, bits), ENOENT);
	cmd.hwpt_id = hwpt;
	assert_err(iof_ioctl(f->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd), EOPNOTSUPP);
	assert_err(abi_get_dirty(f->fd, hwpt, 2, AT, PAGE, STEP, bits), EOPNOTSUPP);
	/* SET ignores the reserved word. */
	cmd.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	cmd.__reserved = 1;
	assert_ok(iof_ioctl(f->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd));
}

/*
 * c17: an HWPT without tracking: the error of a bad range comes before it, and that of an unknown
 * flag before all.
 */
static void c17_which_error_of_get_is_told(void **state)
{
	struct fixture *f = *state;
	unsigned char bits[8] = "";
	struct abi_mock mock;
	uint32_t plain, automatic;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	automatic = mock.hwpt;
	plain = (uint32_t)abi_hwpt(f->fd, mock.idev, f->ioas, 0);
	for (uint32_t hwpt = automatic; hwpt; hwpt = hwpt == automatic ? plain : 0) {
		assert_err(abi_get_dirty(f->fd, hwpt, 0, AT, PAGE, STEP, bits), EOPNOTSUPP);
		assert_err(abi_get_dirty(f->fd, hwpt, 0, AT, 0, STEP, bits), EINVAL);
		assert_err(abi_get_dirty(f->fd, hwpt, 0, AT, PAGE, 0, bits), EINVAL);
		assert_err(abi_get_dirty(f->fd, hwpt, 0, AT + 1, PAGE, STEP, bits), EINVAL);
		assert_err(abi_get_dirty(f->fd, hwpt, 0, AT, PAGE + STEP, PAGE, bits), EINVAL);
		assert_err(abi_get_dirty(f->fd, hwpt, 0, UINT64_MAX - PAGE + 1, 2 * PAGE, STEP,
					 bits),
			   EOVERFLOW);
		assert_err(abi_get_dirty(f->fd, hwpt, 2, AT, PAGE, 0, bits), EOPNOTSUPP);
	}
	assert_err(abi_get_dirty(f->fd, 99, 0, AT, PAGE, 0, bits), ENOENT);
	assert_err(abi_get_dirty(f->fd, 99, 2, AT, PAGE, STEP, bits), EOPNOTSUPP);
}

/* c16: enabling makes all pages clean, also when it is repeated. */
static void c16_enabling_makes_clean(void **state)
{
	struct fixture *f = *state;
	unsigned char all[BITS / 8], bits[BITS / 8];
	struct abi_mock mock;
	uint32_t hwpt = tracking(f, &mock);

	memset(all, 0xff, sizeof(all));
	assert_int_equal(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, STEP, all), BITS);
	assert_ok(abi_dirty_tracking(f->fd, hwpt, true));
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, hwpt, KEEP, AT, BUF_LEN, STEP, bits));
	assert_int_equal(bits[0] | bits[7], 0);
	assert_int_equal(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, STEP, all), BITS);
	assert_ok(abi_dirty_tracking(f->fd, hwpt, false));
	assert_err(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, STEP, all), EINVAL);
	/* c19: while tracking is off, no page is reported. */
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT, BUF_LEN, STEP, bits));
	assert_int_equal(bits[0] | bits[7], 0);
	assert_ok(abi_dirty_tracking(f->fd, hwpt, true));
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT, BUF_LEN, STEP, bits));
	assert_int_equal(bits[0] | bits[7], 0);
}

static void c17_ranges_that_are_refused(void **state)
{
	struct fixture *f = *state;
	unsigned char bits[64] = "";
	struct abi_mock mock;
	uint32_t hwpt = tracking(f, &mock);
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.__reserved = 1,
		.iova = AT,
		.length = PAGE,
		.page_size = STEP,
		.data = (uintptr_t)bits,
	};

	assert_err(iof_ioctl(f->fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd), EOPNOTSUPP);
	assert_err(abi_get_dirty(f->fd, hwpt, 0, UINT64_MAX - PAGE + 1, 2 * PAGE, STEP, bits),
		   EOVERFLOW);
	assert_err(abi_get_dirty(f->fd, hwpt, 0, AT, 0, STEP, bits), EINVAL);
	assert_err(abi_get_dirty(f->fd, hwpt, 0, AT, PAGE, 0, bits), EINVAL);
	assert_err(abi_get_dirty(f->fd, hwpt, 0, AT + 1024, PAGE, 1024, bits), EINVAL);
	assert_err(abi_get_dirty(f->fd, hwpt, 0, AT, PAGE + 1024, 1024, bits), EINVAL);
	assert_err(abi_get_dirty(f->fd, hwpt, 0, AT + STEP, PAGE, PAGE, bits), EINVAL);
	assert_err(abi_get_dirty(f->fd, hwpt, 0, AT, PAGE + STEP, PAGE, bits), EINVAL);
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT, PAGE, 1024, bits));
}

/* c18, c21: each dirty page sets its bit; other bits stay. With NO_CLEAR, pages stay dirty. */
static void c18_bits_are_set_and_cleared_once(void **state)
{
	struct fixture *f = *state;
	unsigned char some[BITS / 8] = "", bits[BITS / 8];
	struct abi_mock mock;
	uint32_t hwpt = tracking(f, &mock);
	unsigned int i;

	some[0] = 0x09;
	some[3] = 0x80;
	assert_int_equal(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, STEP, some), 3);
	for (i = 0; i < 2; i++) {
		memset(bits, 0, sizeof(bits));
		bits[1] = 0x40;
		assert_ok(abi_get_dirty(f->fd, hwpt, KEEP, AT, BUF_LEN, STEP, bits));
		assert_int_equal(bits[0], 0x09);
		assert_int_equal(bits[1], 0x40);
		assert_int_equal(bits[3], 0x80);
	}
	/* In a part of the range, bits count from its start; pages outside stay dirty. */
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT + 2 * STEP, 4 * STEP, STEP, bits));
	assert_int_equal(bits[0], 0x02);
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT, BUF_LEN, STEP, bits));
	assert_int_equal(bits[0], 0x01);
	assert_int_equal(bits[3], 0x80);
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT, BUF_LEN, STEP, bits));
	for (i = 0; i < sizeof(bits); i++)
		assert_int_equal(bits[i], 0);
}

/* A bit may stand for more than the hardware's page, or for less. */
static void c17_any_page_size(void **state)
{
	struct fixture *f = *state;
	unsigned char some[BITS / 8] = "", bits[BITS / 4];
	struct abi_mock mock;
	uint32_t hwpt = tracking(f, &mock);

	some[0] = 0x12; /* I/O pages 1 and 4 */
	assert_int_equal(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, STEP, some), 2);
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, hwpt, KEEP, AT, BUF_LEN, PAGE, bits));
	assert_int_equal(bits[0], 0x05);
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, hwpt, KEEP, AT, BUF_LEN, BUF_LEN, bits));
	assert_int_equal(bits[0], 0x01);
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, hwpt, KEEP, AT, BUF_LEN, 1024, bits));
	assert_int_equal(bits[0], 0x0c);
	assert_int_equal(bits[1], 0x03);
}

/* c19: neither an unmapped range nor a bitmap that cannot be written is an error. */
static void c19_errors_are_swallowed(void **state)
{
	struct fixture *f = *state;
	unsigned char some[BITS / 8] = "\x01", bits[BITS / 4] = "";
	struct abi_mock mock;
	uint32_t hwpt = tracking(f, &mock);

	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT + (1 << 20), BUF_LEN, STEP, bits));
	assert_int_equal(bits[0], 0);
	assert_int_equal(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, STEP, some), 1);
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT, BUF_LEN, STEP, NULL));
	if (!abi_ours())
		return;
	/* iofault reads the bitmap before it makes a page clean. */
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT, BUF_LEN, STEP, bits));
	assert_int_equal(bits[0], 0x01);
}

/*
 * Some pages of the bitmap cannot be written. The other pages get their bits, wherever the bitmap
 * begins.
 */
static void a_bitmap_with_holes(void **state)
{
	static const size_t offsets[] = { 0, 1, 8, 4000, PAGE - 1 };
	struct fixture *f = *state;
	/* One page of bits covers this span. */
	const uint64_t start = MOCK_APERTURE_START, span = PAGE * 8 * STEP;
	unsigned char *room, one = 1;
	struct abi_mock mock;
	uint32_t hwpt = tracking(f, &mock);
	unsigned int i, n, absent;

	assert_ok(abi_unmap(f->fd, f->ioas, AT, BUF_LEN));
	for (n = 0; n < 4; n++)
		assert_ok(abi_map(f->fd, f->ioas, f->buf + n * PAGE, PAGE, start + n * span));
	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		for (absent = 0; absent < 1u << 5; absent++) {
			room = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			assert_true(room != MAP_FAILED);
			for (n = 0; n < 5; n++)
				if (absent & 1u << n)
					assert_ok(mprotect(room + n * PAGE, PAGE, PROT_NONE));
			for (n = 0; n < 4; n++)
				assert_int_equal(abi_make_dirty(f->fd, hwpt, start + n * span, STEP,
								STEP, &one),
						 1);
			assert_ok(abi_get_dirty(f->fd, hwpt, 0, start, 4 * span, STEP,
						room + offsets[i]));
			for (n = 0; n < 4; n++)
				if (!(absent & 1u << n))
					assert_int_equal(room[n * PAGE + offsets[i]], 1);
			assert_ok(munmap(room, 5 * PAGE));
			/*
			 * Pages that were not reported may still be dirty: begin the next round
			 * clean.
			 */
			assert_ok(abi_dirty_tracking(f->fd, hwpt, true));
		}
}

/* A bit stands for the last page of the 64-bit space: ranges are given by their last address. */
static void the_last_page_of_all(void **state)
{
	const uint64_t at = UINT64_MAX - 2 * PAGE + 1;
	struct fixture *f = *state;
	struct iommu_hwpt_selftest data = { .pagetable_type = MOCK_IOMMUPT_HUGE };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = DIRTY,
		.pt_id = f->ioas,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	unsigned char some = 2, bits = 0;
	struct abi_mock mock;
	int other = abi_ioas(f->fd);

	/* The device's own domain is on another IOAS, whose range ends earlier. */
	assert_id(other);
	assert_ok(abi_mock(f->fd, (uint32_t)other, 0, &mock));
	cmd.dev_id = mock.idev;
	assert_ok(iof_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, 2 * PAGE, at));
	assert_ok(abi_check_map(f->fd, cmd.out_hwpt_id, at, 2 * PAGE, f->buf));
	assert_ok(abi_check_map(f->fd, cmd.out_hwpt_id, at + PAGE, PAGE, f->buf + PAGE));
	assert_ok(abi_dirty_tracking(f->fd, cmd.out_hwpt_id, true));
	assert_int_equal(abi_make_dirty(f->fd, cmd.out_hwpt_id, at, 2 * PAGE, PAGE, &some), 1);
	assert_ok(abi_get_dirty(f->fd, cmd.out_hwpt_id, KEEP, at, 2 * PAGE, PAGE, &bits));
	assert_int_equal(bits, 2);
	bits = 0;
	assert_ok(abi_get_dirty(f->fd, cmd.out_hwpt_id, 0, at + PAGE, PAGE, PAGE, &bits));
	assert_int_equal(bits, 1);
	assert_err(abi_get_dirty(f->fd, cmd.out_hwpt_id, 0, at + PAGE, 2 * PAGE, PAGE, &bits),
		   EOVERFLOW);
}

/* c20: unmapping drops the dirty bits; the next mapping there is clean. */
static void c20_unmapping_forgets(void **state)
{
	struct fixture *f = *state;
	unsigned char some[BITS / 8] = "\x01", bits[BITS / 8] = "";
	struct abi_mock mock;
	uint32_t hwpt = tracking(f, &mock);

	assert_int_equal(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, STEP, some), 1);
	assert_ok(abi_unmap(f->fd, f->ioas, AT, BUF_LEN));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, BUF_LEN, AT));
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, AT, BUF_LEN, STEP, bits));
	assert_int_equal(bits[0], 0);
}

/* The range has so many bits that the kernel handles it piece by piece. */
static void long_bitmaps(void **state)
{
	struct fixture *f = *state;
	const uint64_t start = MOCK_APERTURE_START, length = 256 << 20;
	/* Dirty pages lie across the ends of the pieces, where pages of bits end. */
	const uint64_t at = start + (64 << 20) - 8 * PAGE;
	const size_t bytes = length / STEP / 8, first = (at - start) / STEP;
	unsigned char *bits = calloc(1, bytes), some[BITS / 8];
	struct abi_mock mock;
	uint32_t hwpt;
	size_t i;

	assert_non_null(bits);
	hwpt = tracking(f, &mock);
	assert_ok(abi_unmap(f->fd, f->ioas, AT, BUF_LEN));
	assert_ok(abi_map(f->fd, f->ioas, f->buf, BUF_LEN, at));
	memset(some, 0xa5, sizeof(some));
	assert_int_equal(abi_make_dirty(f->fd, hwpt, at, BUF_LEN, STEP, some), BITS / 2);
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, start, length, STEP, bits));
	for (i = 0; i < bytes * 8; i++) {
		int want = i >= first && i < first + BITS ? BIT_OF(some, i - first) : 0;

		if (BIT_OF(bits, i) != want)
			fail_msg("bit %zu", i);
	}
	memset(bits, 0, bytes);
	assert_ok(abi_get_dirty(f->fd, hwpt, 0, start, length, STEP, bits));
	for (i = 0; i < bytes; i++)
		assert_int_equal(bits[i], 0);
	free(bits);
}

struct get {
	int fd, rc;
	uint32_t hwpt;
	void *bits;
};

static void *get_all(void *arg)
{
	struct get *get = arg;

	get->rc = abi_get_dirty(get->fd, get->hwpt, 0, AT, BUF_LEN, STEP, get->bits);
	return NULL;
}

/* No lock is held across a user copy: a bitmap whose page never comes delays its reader only. */
static void a_bitmap_that_hangs_holds_nobody_up(void **state)
{
	struct fixture *f = *state;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { .mode = 0 };
	unsigned char one = 1, bits[BITS / 8] = "";
	struct get get = { .fd = f->fd };
	struct abi_mock mock;
	struct uffd_msg msg;
	pthread_t thread;
	int uffd;

	if (!abi_embedded()) /* in other worlds the kernel waits for the page */
		skip();
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (uffd < 0)
		skip();
	get.hwpt = tracking(f, &mock);
	get.bits = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(get.bits != MAP_FAILED);
	reg.range = zero.range = (struct uffdio_range){ (uintptr_t)get.bits, PAGE };
	assert_ok(ioctl(uffd, UFFDIO_API, &api));
	assert_ok(ioctl(uffd, UFFDIO_REGISTER, &reg));
	assert_int_equal(abi_make_dirty(f->fd, get.hwpt, AT, STEP, STEP, &one), 1);
	assert_ok(pthread_create(&thread, NULL, get_all, &get));
	assert_int_equal(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	assert_ok(abi_get_dirty(f->fd, get.hwpt, KEEP, AT, BUF_LEN, STEP, bits));
	assert_int_equal(bits[0], 1);
	assert_ok(ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	assert_ok(pthread_join(thread, NULL));
	assert_ok(get.rc);
	assert_int_equal(*(unsigned char *)get.bits, 1);
	assert_ok(munmap(get.bits, PAGE));
	close(uffd);
}

/* Ours: a large leaf that is read in part stays dirty, because of the other part. */
static void large_leaves(void **state)
{
	struct fixture *f = *state;
	const size_t large = MOCK_HUGE_PAGE_SIZE;
	unsigned char *memory, one = 1, bits[large / STEP / 8];
	struct abi_mock mock;
	int hwpt;
	size_t i;

	if (!abi_embedded()) /* in other worlds page frames are the CPU's */
		skip();
	memory = aligned_alloc(2 << 20, 2 << 20);
	assert_non_null(memory);
	memset(memory, 0, 2 << 20);
	assert_ok(abi_mock(f->fd, f->ioas, MOCK_FLAGS_DEVICE_HUGE_IOVA, &mock));
	hwpt = abi_hwpt(f->fd, mock.idev, f->ioas, DIRTY);
	assert_id(hwpt);
	assert_ok(abi_map(f->fd, f->ioas, memory, 2 << 20, AT));
	assert_ok(abi_dirty_tracking(f->fd, (uint32_t)hwpt, true));
	assert_int_equal(abi_make_dirty(f->fd, (uint32_t)hwpt, AT + 5 * PAGE, STEP, STEP, &one), 1);
	for (i = 0; i < 2; i++) {
		memset(bits, 0, sizeof(bits));
		assert_ok(abi_get_dirty(f->fd, (uint32_t)hwpt, 0, AT + PAGE, 8 * STEP, STEP, bits));
		assert_int_equal(bits[0], 0xff);
		assert_int_equal(bits[1], 0);
	}
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, (uint32_t)hwpt, 0, AT, large, STEP, bits));
	for (i = 0; i < sizeof(bits); i++)
		assert_int_equal(bits[i], 0xff);
	memset(bits, 0, sizeof(bits));
	assert_ok(abi_get_dirty(f->fd, (uint32_t)hwpt, 0, AT, large, STEP, bits));
	assert_int_equal(bits[0], 0);
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 2 << 20));
	free(memory);
}

static void the_devices_writes_are_checked(void **state)
{
	struct fixture *f = *state;
	unsigned char some[BITS / 8] = "";
	struct abi_mock mock;
	uint32_t hwpt = tracking(f, &mock);

	assert_err(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, 0, some), EINVAL);
	assert_err(abi_make_dirty(f->fd, hwpt, AT, 0, STEP, some), EINVAL);
	assert_err(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN, STEP, NULL), EINVAL);
	assert_err(abi_make_dirty(f->fd, hwpt, AT + 1, BUF_LEN, STEP, some), EINVAL);
	assert_err(abi_make_dirty(f->fd, hwpt, AT, BUF_LEN + 1, STEP, some), EINVAL);
	assert_err(abi_make_dirty(f->fd, hwpt, 0, 1ull << 40, STEP, some), EOVERFLOW);
	assert_err(abi_make_dirty(f->fd, f->ioas, AT, BUF_LEN, STEP, some), ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(c3_not_every_device_tracks),
		T(the_capability_is_told),
		T(c16_who_can_be_tracked),
		T(c17_which_error_of_get_is_told),
		T(c16_enabling_makes_clean),
		T(c17_ranges_that_are_refused),
		T(c17_any_page_size),
		T(c18_bits_are_set_and_cleared_once),
		T(c19_errors_are_swallowed),
		T(a_bitmap_with_holes),
		T(the_last_page_of_all),
		T(c20_unmapping_forgets),
		T(long_bitmaps),
		T(a_bitmap_that_hangs_holds_nobody_up),
		T(large_leaves),
		T(the_devices_writes_are_checked),
	};

	return cmocka_run_group_tests_name("dirty", tests, NULL, NULL);
}
