// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * floor.c - what the kernel's own parts cost, for tests/kernel/hw_cost.c.
 *
 * A fault: the request takes the way of each other one, but a handler of this
 * module takes the group and does nothing, and the group has its response at
 * once. A mapping: pages of the caller are pinned, and each contiguous run of
 * them is one iommu_map(); one iommu_unmap() ends them all.
 */
#include "private.h"

#include <linux/mm.h>
#include <linux/sched/mm.h>

#define BATCH 512 /* pages that are pinned by one call */
#define IOVA  (4ull << 30)

static DEFINE_MUTEX(floor_lock);
static struct iopf_group *floor_group; /* floor_lock */

static int do_nothing(struct iopf_group *group)
{
	floor_group = group;
	return 0;
}

int ti_floor_raise(struct ti_dev *d, const struct ti_request *request)
{
	struct ti_domain *domain;
	int (*handler)(struct iopf_group * group);
	int rc;

	mutex_lock(&floor_lock);
	domain = request->pasid == TI_NO_PASID ? d->rid : xa_load(&d->pasids, request->pasid);
	if (!domain || !domain->domain.iopf_handler) {
		mutex_unlock(&floor_lock);
		return -ENOENT;
	}
	handler = domain->domain.iopf_handler;
	domain->domain.iopf_handler = do_nothing;
	floor_group = NULL;
	rc = ti_raise(d, request);
	domain->domain.iopf_handler = handler;
	if (floor_group) {
		iopf_group_response(floor_group, IOMMU_PAGE_RESP_SUCCESS);
		iopf_free_group(floor_group);
	}
	mutex_unlock(&floor_lock);
	return rc;
}

static long pin(const struct ti_floor_map *floor, struct page **pages)
{
	unsigned long done = 0;
	int got;

	while (done < floor->npages) {
		got = pin_user_pages_fast(floor->user + (done << PAGE_SHIFT),
					  min_t(unsigned long, floor->npages - done, BATCH),
					  FOLL_WRITE | FOLL_LONGTERM, pages + done);
		if (got <= 0)
			break;
		atomic64_add(got, &current->mm->pinned_vm);
		done += got;
	}
	return done;
}

static int map(struct iommu_domain *domain, struct page **pages, unsigned long n)
{
	unsigned long first, next;
	int rc = 0;

	for (first = 0; first < n && !rc; first = next) {
		unsigned long pfn = page_to_pfn(pages[first]);

		next = first + 1;
		while (next < n && page_to_pfn(pages[next]) == pfn + (next - first))
			next++;
		rc = iommu_map(domain, IOVA + (first << PAGE_SHIFT), page_to_phys(pages[first]),
			       (next - first) << PAGE_SHIFT, IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
			       GFP_KERNEL_ACCOUNT);
	}
	if (!rc && iommu_unmap(domain, IOVA, n << PAGE_SHIFT) != n << PAGE_SHIFT)
		rc = -EIO;
	return rc;
}

int ti_floor_map(const struct ti_floor_map *floor)
{
	struct iommu_domain *domain;
	struct pci_dev *pdev;
	struct page **pages;
	long pinned = 0;
	int rc;

	if (floor->npages > TI_FLOOR_PAGES)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(floor->bdf >> 16, floor->bdf >> 8 & 0xff,
					   floor->bdf & 0xff);
	if (!pdev)
		return -ENODEV;
	domain = iommu_paging_domain_alloc(&pdev->dev);
	if (IS_ERR(domain)) {
		rc = PTR_ERR(domain);
		goto out_pdev;
	}
	pages = kvmalloc_array(floor->npages, sizeof(*pages), GFP_KERNEL);
	if (!pages) {
		rc = -ENOMEM;
		goto out_domain;
	}
	pinned = pin(floor, pages);
	rc = pinned == floor->npages ? map(domain, pages, pinned) : -EFAULT;
	unpin_user_pages_dirty_lock(pages, pinned, true);
	atomic64_sub(pinned, &current->mm->pinned_vm);
	kvfree(pages);
out_domain:
	iommu_domain_free(domain);
out_pdev:
	pci_dev_put(pdev);
	return rc;
}
