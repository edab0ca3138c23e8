// SPDX-License-Identifier: MIT
/*
 * iova_map.c - tests the map of an IOAS and the pages behind it against a domain that remembers
 * every call.
 *
 * The domain checks what a driver may rely on: no range is entered twice, only entered ranges are
 * removed, and memory stays pinned until the sync that ends the last DMA to it. tests/abi tests the
 * commands. The tests here show states that a program cannot see or cannot bring about.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/ioas.h"
#include "shim/fault.h"

#define IOVA	  0x10000000ul
#define BUF_PAGES 64ul

/* ---- a domain that remembers ---- */

#define FAKE_EXTENTS 512

struct fake {
	struct iof_domain domain;
	pthread_mutex_t lock;
	struct {
		unsigned long iova, size;
		phys_addr_t pa;
		unsigned int prot;
		bool cached; /* removed, but not synced yet */
	} extent[FAKE_EXTENTS];
	unsigned int nr;
	unsigned int maps, unmaps, syncs;
	unsigned int fail_at; /* number of the map call that fails; 0: none */
	unsigned int wrong;   /* number of broken promises */
	void (*on_map)(struct fake *fake);
	struct iof_map *map;
	int answers[2];
};

static struct fake *to_fake(struct iof_domain *domain)
{
	return container_of(domain, struct fake, domain);
}

static int fake_map(struct iof_domain *domain, unsigned long iova, phys_addr_t pa, size_t size,
		    unsigned int prot)
{
	struct fake *fake = to_fake(domain);
	unsigned long smallest = domain->pgsize_bitmap & -domain->pgsize_bitmap;
	unsigned int i;
	int rc = 0;

	if (fake->on_map)
		fake->on_map(fake);
	pthread_mutex_lock(&fake->lock);
	fake->wrong += !size || (iova | pa | size) % smallest != 0 || !prot;
	for (i = 0; i < fake->nr; i++)
		fake->wrong += iova < fake->extent[i].iova + fake->extent[i].size &&
			       fake->extent[i].iova < iova + size;
	for (i = 0; i < size; i += PAGE_SIZE)
		fake->wrong += iof_shim_pin_count((void *)(unsigned long)(pa + i)) < 1;
	if (++fake->maps == fake->fail_at) {
		rc = -ENOMEM;
	} else if (fake->nr == FAKE_EXTENTS) {
		rc = -EINVAL;
	} else {
		fake->extent[fake->nr].iova = iova;
		fake->extent[fake->nr].pa = pa;
		fake->extent[fake->nr].size = size;
		fake->extent[fake->nr].prot = prot;
		fake->extent[fake->nr].cached = false;
		fake->nr++;
	}
	pthread_mutex_unlock(&fake->lock);
	return rc;
}

static void fake_unmap(struct iof_domain *domain, unsigned long iova, size_t size)
{
	struct fake *fake = to_fake(domain);
	unsigned long covered = 0;
	unsigned int i;

	pthread_mutex_lock(&fake->lock);
	fake->unmaps++;
	for (i = 0; i < fake->nr; i++) {
		if (fake->extent[i].iova < iova || fake->extent[i].iova >= iova + size)
			continue;
		fake->wrong += fake->extent[i].cached ||
			       fake->extent[i].size > iova + size - fake->extent[i].iova;
		fake->extent[i].cached = true;
		covered += fake->extent[i].size;
	}
	fake->wrong += covered != size;
	pthread_mutex_unlock(&fake->lock);
}

static void fake_sync(struct iof_domain *domain, unsigned long iova, unsigned long last)
{
	struct fake *fake = to_fake(domain);
	unsigned int i, at;

	pthread_mutex_lock(&fake->lock);
	fake->syncs++;
	for (i = 0; i < fake->nr;) {
		if (!fake->extent[i].cached || fake->extent[i].iova < iova ||
		    fake->extent[i].iova > last) {
			i++;
			continue;
		}
		for (at = 0; at < fake->extent[i].size; at += PAGE_SIZE)
			fake->wrong += iof_shim_pin_count((
					       void *)(unsigned long)(fake->extent[i].pa + at)) < 1;
		fake->extent[i] = fake->extent[--fake->nr];
	}
	pthread_mutex_unlock(&fake->lock);
}

static const struct iof_domain_ops fake_ops = {
	.map = fake_map,
	.unmap = fake_unmap,
	.sync = fake_sync,
};

static void fake_init(struct fake *fake, unsigned long page_sizes)
{
	memset(fake, 0, sizeof(*fake));
	pthread_mutex_init(&fake->lock, NULL);
	fake->domain.ops = &fake_ops;
	fake->domain.type = IOF_DOMAIN_PAGING;
	fake->domain.pgsize_bitmap = page_sizes;
	fake->domain.aperture_last = ULONG_MAX;
}

/* Returns the physical address that the domain shows at @iova, or 0. */
static phys_addr_t fake_pa(struct fake *fake, unsigned long iova)
{
	unsigned int i;

	for (i = 0; i < fake->nr; i++)
		if (iova - fake->extent[i].iova < fake->extent[i].size)
			return fake->extent[i].pa + (iova - fake->extent[i].iova);
	return 0;
}

/* ---- a map with memory ---- */

struct fixture {
	struct iof_ctx ctx;
	struct iof_map map;
	struct fake a, b;
	unsigned char *buf;
	struct iof_live before;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->buf = aligned_alloc(BUF_PAGES * PAGE_SIZE, BUF_PAGES * PAGE_SIZE);
	assert_non_null(f->buf);
	memset(f->buf, 1, BUF_PAGES * PAGE_SIZE);
	assert_int_equal(iof_core_get(), 0);
	iof_shim_live(&f->before);
	iof_map_init(&f->map);
	fake_init(&f->a, PAGE_SIZE);
	fake_init(&f->b, 2048 | PAGE_SIZE);
	*state = f;
	return 0;
}

static int pins(struct fixture *f)
{
	unsigned long i;
	int sum = 0;

	for (i = 0; i < BUF_PAGES; i++)
		sum += iof_shim_pin_count(f->buf + i * PAGE_SIZE);
	return sum;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct iof_live now;

	iof_map_destroy(&f->map);
	iof_shim_live(&now);
	assert_int_equal(now.objects, f->before.objects);
	iof_core_put();
	assert_int_equal(pins(f), 0);
	assert_int_equal(f->a.wrong, 0);
	assert_int_equal(f->b.wrong, 0);
	assert_int_equal(f->a.nr, 0);
	assert_int_equal(f->b.nr, 0);
	iof_shim_set_capable(CAP_IPC_LOCK, -1);
	iof_shim_set_memlock(~0ul);
	free(f->buf);
	free(f);
	return 0;
}

static int map_prot(struct fixture *f, const void *va, unsigned long len, unsigned long *iova,
		    bool fixed, unsigned int prot)
{
	struct iof_pages *pages;
	LIST_HEAD(list);
	int rc;

	pages = iof_pages_alloc(&f->ctx, NULL, (unsigned long)va, len, prot & IOF_PROT_WRITE);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	rc = iof_area_create(&list, pages, (unsigned long)va & ~PAGE_MASK, len, prot);
	if (!rc)
		rc = iof_map_insert(&f->map, &list, len, iova, fixed);
	iof_areas_free(&list);
	iof_pages_put(pages);
	return rc;
}

static int map_at(struct fixture *f, const void *va, unsigned long len, unsigned long iova)
{
	return map_prot(f, va, len, &iova, true, IOF_PROT_READ | IOF_PROT_WRITE);
}

static int copy_at(struct fixture *f, unsigned long src, unsigned long len, unsigned long iova)
{
	LIST_HEAD(list);
	int rc;

	rc = iof_map_share(&f->map, src, len, IOF_PROT_READ, &list);
	if (!rc)
		rc = iof_map_insert(&f->map, &list, len, &iova, true);
	iof_areas_free(&list);
	return rc;
}

static int unmap_at(struct fixture *f, unsigned long iova, unsigned long len)
{
	unsigned long bytes;

	return iof_map_remove(&f->map, iova, iova + len - 1, false, &bytes);
}

/* ---- how domains are filled ---- */

static void one_run_one_call(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(map_at(f, f->buf, BUF_PAGES * PAGE_SIZE, IOVA), 0);
	assert_int_equal(f->a.maps, 1);
	assert_int_equal(f->a.extent[0].pa, (unsigned long)f->buf);
	assert_int_equal(f->a.extent[0].prot, IOF_PROT_READ | IOF_PROT_WRITE);
	/* An HWPT that is added later gets the same mappings. */
	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), 0);
	assert_int_equal(f->b.maps, 1);
	iof_map_remove_domain(&f->map, &f->a.domain);
	assert_int_equal(unmap_at(f, IOVA, BUF_PAGES * PAGE_SIZE), 0);
	iof_map_remove_domain(&f->map, &f->b.domain);
}

static void page_units(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(iof_map_set_huge_pages(&f->map, false), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(map_at(f, f->buf, BUF_PAGES * PAGE_SIZE, IOVA), 0);
	assert_int_equal(f->a.maps, BUF_PAGES);
	/* b27: large pages can be turned on, and not off while there are mappings. */
	assert_int_equal(iof_map_set_huge_pages(&f->map, true), 0);
	assert_int_equal(iof_map_set_huge_pages(&f->map, false), -EINVAL);
	iof_map_remove_domain(&f->map, &f->a.domain);
}

static void parts_of_a_page(void **state)
{
	struct fixture *f = *state;
	unsigned long iova = 0;

	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), 0);
	assert_int_equal(map_at(f, f->buf + 2048, PAGE_SIZE, IOVA), 0);
	assert_int_equal(fake_pa(&f->b, IOVA), (unsigned long)f->buf + 2048);
	assert_int_equal(fake_pa(&f->b, IOVA + PAGE_SIZE - 1),
			 (unsigned long)f->buf + PAGE_SIZE + 2047);
	assert_int_equal(pins(f), 2);
	assert_int_equal(map_prot(f, f->buf + 2048, 2048, &iova, false, IOF_PROT_READ), 0);
	assert_int_equal(iova & ~PAGE_MASK, 2048);
	assert_int_equal(pins(f), 3);
	assert_int_equal(map_at(f, f->buf + 1024, 2048, 2 * IOVA), -EINVAL);
	assert_int_equal(map_at(f, f->buf, 1024, 2 * IOVA), -EINVAL);
	assert_int_equal(map_at(f, f->buf, 2048, 2 * IOVA + 1024), -EINVAL);
	/* b33: a domain with IO pages of 4096 bytes cannot be added now. */
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), -EADDRINUSE);
	assert_int_equal(f->map.alignment, 2048);
	iof_map_remove_domain(&f->map, &f->b.domain);
	assert_int_equal(f->map.alignment, 1);
}

static void pieces_must_fit(void **state)
{
	struct fixture *f = *state;

	/* Two mappings meet inside an IO page: a copy of both would be one area. */
	assert_int_equal(map_at(f, f->buf, 1024, IOVA), 0);
	assert_int_equal(map_at(f, f->buf + PAGE_SIZE + 1024, 3072, IOVA + 1024), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), -EADDRINUSE);
	assert_int_equal(iof_map_set_huge_pages(&f->map, false), -EADDRINUSE);
	assert_int_equal(copy_at(f, IOVA, PAGE_SIZE, 2 * IOVA), 0);
	assert_int_equal(unmap_at(f, 0, ULONG_MAX), 0);
}

static void pinned_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(map_at(f, f->buf, 8 * PAGE_SIZE, IOVA), 0);
	assert_int_equal(pins(f), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(pins(f), 8);
	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), 0);
	assert_int_equal(copy_at(f, IOVA, 8 * PAGE_SIZE, 2 * IOVA), 0);
	assert_int_equal(copy_at(f, IOVA + PAGE_SIZE, 2 * PAGE_SIZE, 3 * IOVA), 0);
	assert_int_equal(pins(f), 8);
	assert_int_equal(unmap_at(f, IOVA, 8 * PAGE_SIZE), 0);
	assert_int_equal(pins(f), 8);
	iof_map_remove_domain(&f->map, &f->a.domain);
	assert_int_equal(pins(f), 8);
	/* An unmap of a part removes exactly the areas in it. */
	assert_int_equal(unmap_at(f, 2 * IOVA, 8 * PAGE_SIZE), 0);
	assert_int_equal(pins(f), 2);
	assert_int_equal(iof_shim_pin_count(f->buf + PAGE_SIZE), 1);
	iof_map_remove_domain(&f->map, &f->b.domain);
	assert_int_equal(pins(f), 0);
}

static void apertures(void **state)
{
	struct fixture *f = *state;
	struct rb_root allowed = RB_ROOT;
	unsigned long iova = 0;

	f->a.domain.aperture_start = IOVA;
	f->a.domain.aperture_last = 2 * IOVA - 1;
	assert_int_equal(map_at(f, f->buf, PAGE_SIZE, 0), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), -EADDRINUSE);
	assert_int_equal(unmap_at(f, 0, PAGE_SIZE), 0);
	assert_int_equal(iof_allowed_insert(&allowed, IOVA - 1, IOVA), 0);
	assert_int_equal(iof_map_swap_allowed(&f->map, &allowed), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), -EADDRINUSE);
	assert_int_equal(iof_map_swap_allowed(&f->map, &allowed), 0);
	iof_allowed_free(&allowed);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(map_at(f, f->buf, PAGE_SIZE, IOVA - PAGE_SIZE), -EINVAL);
	assert_int_equal(map_at(f, f->buf, PAGE_SIZE, 2 * IOVA), -EINVAL);
	assert_int_equal(map_at(f, f->buf, PAGE_SIZE, 2 * IOVA - PAGE_SIZE), 0);
	assert_int_equal(map_prot(f, f->buf, PAGE_SIZE, &iova, false, IOF_PROT_READ), 0);
	assert_int_equal(iova, IOVA);
	iof_map_remove_domain(&f->map, &f->a.domain);
	assert_int_equal(map_at(f, f->buf, PAGE_SIZE, 2 * IOVA), 0);
	/* The IO page is larger than a page of memory. */
	f->a.domain.pgsize_bitmap = 2 * PAGE_SIZE;
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), -EINVAL);
}

static void devices_reserve(void **state)
{
	struct fixture *f = *state;
	struct iof_resv_region resv[] = { { 0xfee00000, 0xfeefffff }, { 0x1000, 0x1fff } };
	struct iof_hwdev dev = { .resv = resv, .nr_resv = 2 };
	struct iommu_iova_range ranges[4];
	u64 alignment;

	assert_int_equal(map_at(f, f->buf, PAGE_SIZE, 0x1000), 0);
	assert_int_equal(iof_map_reserve_device(&f->map, &dev), -EADDRINUSE);
	/* The refused call has left no range behind. */
	assert_int_equal(iof_map_ranges(&f->map, ranges, 4, &alignment), 1);
	assert_int_equal(unmap_at(f, 0x1000, PAGE_SIZE), 0);
	assert_int_equal(iof_map_reserve_device(&f->map, &dev), 0);
	assert_int_equal(iof_map_reserve_device(&f->map, &dev), 0);
	assert_int_equal(iof_map_ranges(&f->map, ranges, 4, &alignment), 3);
	assert_int_equal(ranges[1].start, 0x2000);
	assert_int_equal(ranges[1].last, 0xfedfffff);
	assert_int_equal(map_at(f, f->buf, PAGE_SIZE, 0xfee00000), -EINVAL);
	iof_map_unreserve_device(&f->map, &dev);
	assert_int_equal(iof_map_ranges(&f->map, ranges, 4, &alignment), 3);
	iof_map_unreserve_device(&f->map, &dev);
	assert_int_equal(iof_map_ranges(&f->map, ranges, 4, &alignment), 1);
}

/*
 * The search may begin above the addresses where nothing fits. It must find the same place as a
 * search of all addresses.
 */
static void search_forgets_nothing(void **state)
{
	struct fixture *f = *state;
	__typeof__(f->map.hint) hint;
	unsigned int seed = 1, i;

	assert_int_equal(iof_map_reserve(&f->map, 64 * PAGE_SIZE, 70 * PAGE_SIZE), 0);
	for (i = 0; i < 3000; i++) {
		unsigned long va = (unsigned long)f->buf + (unsigned long)rand_r(&seed) % 16 * 1024;
		unsigned long len = ((unsigned long)rand_r(&seed) % 16 + 1) * 1024;
		unsigned long whole = 0, at = 0, bytes;

		if (rand_r(&seed) % 3 == 0) {
			at = (unsigned long)rand_r(&seed) % 256 * PAGE_SIZE;
			iof_map_remove(&f->map, at, at + 8 * PAGE_SIZE, false, &bytes);
			continue;
		}
		if (rand_r(&seed) % 50 == 0) {
			iof_map_unreserve(&f->map, 64 * PAGE_SIZE, 70 * PAGE_SIZE);
			iof_map_reserve(&f->map, 64 * PAGE_SIZE, 70 * PAGE_SIZE);
		}
		hint = f->map.hint;
		f->map.hint.start = 0;
		assert_int_equal(iof_map_find_automatic(&f->map, va, len, &whole), 0);
		f->map.hint = hint;
		assert_int_equal(map_prot(f, (void *)va, len, &at, false, IOF_PROT_READ), 0);
		assert_int_equal(at, whole);
	}
	iof_map_unreserve(&f->map, 64 * PAGE_SIZE, 70 * PAGE_SIZE);
}

/* ---- failures ---- */

static void map_call_fails(void **state)
{
	struct fixture *f = *state;
	unsigned int n;

	assert_int_equal(iof_map_set_huge_pages(&f->map, false), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), 0);
	for (n = 1; n <= 4; n++) {
		f->b.maps = 0;
		f->b.fail_at = n;
		assert_int_equal(map_at(f, f->buf, 4 * PAGE_SIZE, IOVA), -ENOMEM);
		assert_int_equal(f->a.nr, 0);
		assert_int_equal(f->b.nr, 0);
		assert_int_equal(pins(f), 0);
	}
	assert_int_equal(map_at(f, f->buf, 4 * PAGE_SIZE, IOVA), 0);
	/* The same failures while a domain is added: mappings stay, and the domain is not added. */
	iof_map_remove_domain(&f->map, &f->b.domain);
	f->b.maps = 0;
	f->b.fail_at = 3;
	assert_int_equal(map_at(f, f->buf, 2 * PAGE_SIZE, 2 * IOVA), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), -ENOMEM);
	f->b.maps = 0;
	f->b.fail_at = 5;
	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), -ENOMEM);
	assert_int_equal(f->b.nr, 0);
	assert_int_equal(pins(f), 6);
	iof_map_remove_domain(&f->map, &f->a.domain);
}

/*
 * Runs all functions that can fail, for the sweeps. Checks the state that each failure must leave.
 */
static int whole_life(struct fixture *f)
{
	struct rb_root allowed = RB_ROOT;
	unsigned long bytes;
	bool reserved = false;
	int rc;

	rc = map_at(f, f->buf, 8 * PAGE_SIZE, IOVA);
	rc = rc ?: iof_map_add_domain(&f->map, &f->a.domain);
	if (rc)
		goto out_unmap;
	rc = copy_at(f, IOVA + PAGE_SIZE, 4 * PAGE_SIZE, 2 * IOVA);
	rc = rc ?: map_at(f, f->buf + 16 * PAGE_SIZE, 8 * PAGE_SIZE, 3 * IOVA);
	rc = rc ?: iof_allowed_insert(&allowed, IOVA, 4 * IOVA);
	rc = rc ?: iof_map_swap_allowed(&f->map, &allowed);
	rc = rc ?: iof_map_reserve(&f->map, 0, PAGE_SIZE);
	reserved = !rc;
	rc = rc ?: iof_map_add_domain(&f->map, &f->b.domain);
	if (rc)
		goto out_remove;
	iof_map_remove_domain(&f->map, &f->b.domain);
out_remove:
	iof_map_remove_domain(&f->map, &f->a.domain);
out_unmap:
	iof_map_remove(&f->map, 0, ULONG_MAX, true, &bytes);
	if (reserved)
		iof_map_unreserve(&f->map, 0, PAGE_SIZE);
	iof_allowed_free(&f->map.allowed);
	iof_allowed_free(&allowed);
	return rc;
}

static void sweep(struct fixture *f, enum iof_fail_kind kind, bool persistent)
{
	unsigned long n, fired;

	for (n = 1;; n++) {
		struct iof_live before, after;
		int rc;

		iof_shim_live(&before);
		iof_fail_nth(kind, n, persistent);
		rc = whole_life(f);
		fired = iof_fail_fired(kind);
		iof_fail_nth(kind, 0, false);
		iof_shim_live(&after);
		assert_int_equal(after.objects, before.objects);
		assert_int_equal(after.pins, before.pins);
		assert_int_equal(f->a.nr, 0);
		assert_int_equal(f->b.nr, 0);
		assert_int_equal(!!rc, !!fired);
		if (!fired)
			break;
	}
	assert_true(n > 2);
}

static void sweep_allocations(void **state)
{
	sweep(*state, IOF_FAIL_ALLOC, false);
	sweep(*state, IOF_FAIL_ALLOC, true);
}

static void sweep_pins(void **state)
{
	sweep(*state, IOF_FAIL_PIN, false);
	sweep(*state, IOF_FAIL_PIN, true);
}

static void teardown_allocates_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(map_at(f, f->buf, 8 * PAGE_SIZE, IOVA), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), 0);
	assert_int_equal(copy_at(f, IOVA + PAGE_SIZE, 4 * PAGE_SIZE, 2 * IOVA), 0);
	iof_fail_nth(IOF_FAIL_ALLOC, 1, true);
	assert_int_equal(unmap_at(f, IOVA, 8 * PAGE_SIZE), 0);
	iof_map_remove_domain(&f->map, &f->a.domain);
	iof_map_remove_domain(&f->map, &f->b.domain);
	assert_int_equal(unmap_at(f, 2 * IOVA, 4 * PAGE_SIZE), 0);
	assert_int_equal(iof_fail_fired(IOF_FAIL_ALLOC), 0);
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
}

static void one_sync_for_many(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	for (i = 0; i < 32; i++)
		assert_int_equal(
			map_at(f, f->buf + i * PAGE_SIZE, PAGE_SIZE, IOVA + 2 * i * PAGE_SIZE), 0);
	assert_int_equal(unmap_at(f, 0, ULONG_MAX), 0);
	assert_int_equal(f->a.unmaps, 32);
	assert_int_equal(f->a.syncs, 1);
	iof_map_remove_domain(&f->map, &f->a.domain);
}

/* ---- accounting ---- */

static long locked_by_user(void)
{
	return atomic_long_read(&current_user()->locked_vm);
}

static void charged_to_user(void **state)
{
	struct fixture *f = *state;
	long before = locked_by_user();
	s64 pinned = atomic64_read(&current->mm->pinned_vm);

	iof_shim_set_capable(CAP_IPC_LOCK, 0);
	iof_shim_set_memlock((unsigned long)(before + 10) << PAGE_SHIFT);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(map_at(f, f->buf, 8 * PAGE_SIZE, IOVA), 0);
	assert_int_equal(locked_by_user(), before + 8);
	/* b14: a copy is not charged; b29: another domain is not charged. */
	assert_int_equal(copy_at(f, IOVA, 8 * PAGE_SIZE, 2 * IOVA), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->b.domain), 0);
	assert_int_equal(locked_by_user(), before + 8);
	assert_int_equal(atomic64_read(&current->mm->pinned_vm), pinned + 8);
	assert_int_equal(map_at(f, f->buf + 8 * PAGE_SIZE, 3 * PAGE_SIZE, 3 * IOVA), -ENOMEM);
	assert_int_equal(locked_by_user(), before + 8);
	assert_int_equal(map_at(f, f->buf + 8 * PAGE_SIZE, 2 * PAGE_SIZE, 3 * IOVA), 0);
	assert_int_equal(locked_by_user(), before + 10);
	iof_map_remove_domain(&f->map, &f->a.domain);
	iof_map_remove_domain(&f->map, &f->b.domain);
	assert_int_equal(locked_by_user(), before);
	assert_int_equal(atomic64_read(&current->mm->pinned_vm), pinned);
}

static void charged_to_mm(void **state)
{
	struct fixture *f = *state;
	unsigned long before = current->mm->locked_vm;
	long user = locked_by_user();

	iof_shim_set_capable(CAP_IPC_LOCK, 0);
	iof_shim_set_memlock((before + 10) << PAGE_SHIFT);
	f->ctx.account_mode = IOF_ACCOUNT_MM;
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(map_at(f, f->buf, 11 * PAGE_SIZE, IOVA), -ENOMEM);
	assert_int_equal(map_at(f, f->buf, 10 * PAGE_SIZE, IOVA), 0);
	assert_int_equal(current->mm->locked_vm, before + 10);
	assert_int_equal(locked_by_user(), user);
	assert_int_equal(unmap_at(f, IOVA, 10 * PAGE_SIZE), 0);
	assert_int_equal(current->mm->locked_vm, before);
	iof_map_remove_domain(&f->map, &f->a.domain);
}

static void not_charged(void **state)
{
	struct fixture *f = *state;
	s64 pinned = atomic64_read(&current->mm->pinned_vm);
	long before = locked_by_user();

	iof_shim_set_capable(CAP_IPC_LOCK, 1);
	iof_shim_set_memlock(0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(map_at(f, f->buf, 8 * PAGE_SIZE, IOVA), 0);
	assert_int_equal(locked_by_user(), before);
	assert_int_equal(atomic64_read(&current->mm->pinned_vm), pinned + 8);
	iof_map_remove_domain(&f->map, &f->a.domain);
	assert_int_equal(atomic64_read(&current->mm->pinned_vm), pinned);
}

static void bad_memory(void **state)
{
	struct fixture *f = *state;
	unsigned char *p = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long iova = 2 * IOVA;
	long before;

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(mprotect(p + 3 * PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	iof_shim_set_capable(CAP_IPC_LOCK, 0);
	before = locked_by_user();
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	assert_int_equal(map_at(f, p + 2 * PAGE_SIZE, 2 * PAGE_SIZE, IOVA), -EFAULT);
	/* b32: a mapping for writing needs memory that can be written; one for reading does not. */
	assert_int_equal(map_at(f, p, 2 * PAGE_SIZE, IOVA), -EFAULT);
	assert_int_equal(map_prot(f, p, 2 * PAGE_SIZE, &iova, true, IOF_PROT_READ), 0);
	assert_int_equal(iof_shim_pin_count(p), 1);
	assert_int_equal(unmap_at(f, iova, 2 * PAGE_SIZE), 0);
	assert_int_equal(iof_shim_pin_count(p), 0);
	/* The range is very long, and its memory does not exist. */
	assert_int_equal(map_at(f, (void *)(1ul << 62), 1ul << 61, 1ul << 50), -EFAULT);
	iof_map_remove_domain(&f->map, &f->a.domain);
	assert_int_equal(map_at(f, (void *)(1ul << 62), 1ul << 61, 1ul << 50), 0);
	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), -EFAULT);
	assert_int_equal(locked_by_user(), before);
	munmap(p, 4 * PAGE_SIZE);
}

/* ---- threads ---- */

static void *disturb(void *arg)
{
	struct fake *fake = arg;
	struct fixture *f = container_of(fake, struct fixture, a);

	fake->answers[0] = unmap_at(f, IOVA, PAGE_SIZE);
	fake->answers[1] = copy_at(f, IOVA, PAGE_SIZE, 2 * IOVA);
	return NULL;
}

static void disturb_and_wait(struct fake *fake)
{
	pthread_t thread;

	fake->on_map = NULL;
	pthread_create(&thread, NULL, disturb, fake);
	pthread_join(thread, NULL);
}

static void being_built(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	f->a.on_map = disturb_and_wait;
	assert_int_equal(map_at(f, f->buf, PAGE_SIZE, IOVA), 0);
	assert_int_equal(f->a.answers[0], -EBUSY);
	assert_int_equal(f->a.answers[1], -ENOENT);
	iof_map_remove_domain(&f->map, &f->a.domain);
}

struct racer {
	struct fixture *f;
	unsigned int id;
	unsigned int won, bad;
};

#define RACES 20000

static void *race_for_one(void *arg)
{
	struct racer *racer = arg;
	unsigned int i;

	for (i = 0; i < RACES; i++) {
		int rc = map_at(racer->f, racer->f->buf + racer->id * PAGE_SIZE, PAGE_SIZE, IOVA);

		if (rc == -EEXIST)
			continue;
		racer->bad += rc != 0;
		racer->won++;
		/* Only the winner has the mapping, until it unmaps it. */
		racer->bad += unmap_at(racer->f, IOVA, PAGE_SIZE) != 0;
	}
	return NULL;
}

static void one_winner(void **state)
{
	struct fixture *f = *state;
	struct racer racer[3];
	pthread_t thread[3];
	unsigned int i;

	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	for (i = 0; i < 3; i++) {
		racer[i] = (struct racer){ .f = f, .id = i };
		pthread_create(&thread[i], NULL, race_for_one, &racer[i]);
	}
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(racer[i].bad, 0);
	}
	assert_true(racer[0].won + racer[1].won + racer[2].won > 0);
	iof_map_remove_domain(&f->map, &f->a.domain);
}

static void *race_map(void *arg)
{
	struct racer *racer = arg;
	struct fixture *f = racer->f;
	unsigned int seed = racer->id + 1, i;

	for (i = 0; i < RACES; i++) {
		unsigned long page = (unsigned long)rand_r(&seed) % 16, iova = 0;

		switch (rand_r(&seed) % 6) {
		case 0:
		case 1:
			map_at(f, f->buf + page * PAGE_SIZE, 2 * PAGE_SIZE,
			       IOVA + page * PAGE_SIZE);
			break;
		case 2:
			copy_at(f, IOVA + page * PAGE_SIZE, PAGE_SIZE, 2 * IOVA + page * PAGE_SIZE);
			break;
		case 3:
			map_prot(f, f->buf + page * PAGE_SIZE, PAGE_SIZE, &iova, false,
				 IOF_PROT_READ);
			break;
		case 4:
			unmap_at(f, IOVA, 2 * IOVA);
			break;
		default:
			unmap_at(f, 0, IOVA - 1);
			break;
		}
	}
	return NULL;
}

static void *race_domain(void *arg)
{
	struct racer *racer = arg;
	struct iof_map *map = &racer->f->map;
	struct iommu_iova_range ranges[4];
	unsigned int i;
	u64 alignment;

	for (i = 0; i < RACES / 20; i++) {
		struct rb_root allowed = RB_ROOT;

		racer->bad += iof_map_ranges(map, ranges, 4, &alignment) < 1;
		if (!iof_map_reserve(map, 3 * IOVA, 4 * IOVA))
			iof_map_unreserve(map, 3 * IOVA, 4 * IOVA);
		if (!iof_allowed_insert(&allowed, PAGE_SIZE, 2 * IOVA))
			racer->bad += iof_map_swap_allowed(map, &allowed) != 0;
		iof_allowed_free(&allowed);
		iof_map_set_huge_pages(map, i & 1);
		if (iof_map_add_domain(&racer->f->map, &racer->f->b.domain)) {
			racer->bad++;
			continue;
		}
		iof_map_remove_domain(&racer->f->map, &racer->f->b.domain);
		racer->bad += racer->f->b.nr != 0;
	}
	return NULL;
}

static void everything_at_once(void **state)
{
	struct fixture *f = *state;
	struct racer racer[3];
	pthread_t thread[3];
	unsigned int i;

	assert_int_equal(iof_map_add_domain(&f->map, &f->a.domain), 0);
	for (i = 0; i < 3; i++) {
		racer[i] = (struct racer){ .f = f, .id = i };
		pthread_create(&thread[i], NULL, i ? race_map : race_domain, &racer[i]);
	}
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(racer[i].bad, 0);
	}
	iof_map_remove_domain(&f->map, &f->a.domain);
}

#define TEST(name, function)                          \
	{                                             \
		name, function, setup, teardown, NULL \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("memory that is one run is entered by one call", one_run_one_call),
		TEST("b27 without huge pages everything is entered page by page", page_units),
		TEST("b6 b33 b34 IO pages smaller than a page", parts_of_a_page),
		TEST("b33 the border between two mappings counts too", pieces_must_fit),
		TEST("b29 a page is pinned once, and exactly as long as needed", pinned_once),
		TEST("b33 apertures and IO pages", apertures),
		TEST("b35 reserved ranges of a device", devices_reserve),
		TEST("b5 the search for an automatic IOVA forgets nothing", search_forgets_nothing),
		TEST("b8 a domain that fails to map leaves nothing behind", map_call_fails),
		TEST("the n-th allocation fails", sweep_allocations),
		TEST("b8 the n-th pin fails", sweep_pins),
		TEST("teardown allocates nothing", teardown_allocates_nothing),
		TEST("one sync for all that one call removes", one_sync_for_many),
		TEST("b30 charged to the user", charged_to_user),
		TEST("b30 charged to the process", charged_to_mm),
		TEST("b30 with CAP_IPC_LOCK nothing is checked", not_charged),
		TEST("b7 b32 memory that is not there, or not writable", bad_memory),
		TEST("b19 a mapping that is being built -> EBUSY", being_built),
		TEST("of those who want one IOVA one wins", one_winner),
		TEST("map, unmap, copy and domains at once", everything_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
