// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dirty.c - dirty leaves of the kernel's page tables.
 *
 * IOMMU drivers report dirty leaves into a bitmap of iommufd, and the calls
 * that fill it do nothing in a kernel that was built without IOMMUFD_DRIVER.
 * But each leaf also widens the range whose cached translations are to be
 * flushed. So a read without a bitmap that clears nothing tells the first and
 * the last dirty address of a range. The range is narrowed until it is one
 * smallest page; the answer is then that page's leaf.
 */
#include "private.h"

/* Pages that are asked for together before each is. */
#define CHUNK_PAGES 64

struct extent {
	unsigned long start, last;
};

/* Reads [iova, last]. Returns false if no leaf in it is dirty. */
static bool dirty_extent(struct iommu_domain *io, unsigned long iova,
			 unsigned long last, struct extent *found)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap to;

	iommu_dirty_bitmap_init(&to, NULL, &gather);
	if (io->dirty_ops->read_and_clear_dirty(io, iova, last - iova + 1,
						IOMMU_DIRTY_NO_CLEAR, &to) ||
	    gather.start > gather.end)
		return false;
	found->start = gather.start;
	found->last = gather.end;
	return true;
}

static void make_clean(struct iommu_domain *io, const struct extent *leaf)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap to;

	iommu_dirty_bitmap_init(&to, NULL, &gather);
	(void)io->dirty_ops->read_and_clear_dirty(
		io, leaf->start, leaf->last - leaf->start + 1, 0, &to);
	/* The next write must find the translation without its dirty bit. */
	iommu_iotlb_sync(io, &gather);
}

/*
 * Reports the leaf of the page at @iova if it is dirty. Returns the first
 * address behind the page or leaf.
 */
static unsigned long read_page(struct iommu_domain *io, unsigned long iova,
			       unsigned long page, struct iof_dirty *dirty)
{
	struct extent leaf;
	unsigned long size;

	if (!dirty_extent(io, iova, iova + page - 1, &leaf))
		return iova + page;
	/* Drivers count a leaf from the address that was asked for. */
	size = leaf.last - leaf.start + 1;
	leaf.start = iova & ~(size - 1);
	leaf.last = leaf.start + size - 1;
	if (iof_dirty_found(dirty, leaf.start, leaf.last))
		make_clean(io, &leaf);
	return leaf.last + 1;
}

void iof_hw_read_dirty(struct iof_domain *domain, unsigned long iova,
		       unsigned long last, struct iof_dirty *dirty)
{
	struct iof_hw_domain *own = iof_hw_domain_of(domain);
	unsigned long page = 1ul << __ffs(domain->pgsize_bitmap);
	unsigned long chunk = CHUNK_PAGES * page, end;
	struct extent all, some;

	if (!own->tracking || !dirty_extent(own->io, iova, last, &all))
		return;
	iova = max(iova, all.start & ~(page - 1));
	last = min(last, all.last);
	while (iova <= last) {
		end = iova + min(last - iova, chunk - 1);
		if (!dirty_extent(own->io, iova, end, &some)) {
			iova = end + 1;
		} else {
			iova = max(iova, some.start & ~(page - 1));
			while (iova && iova <= min(end, some.last))
				iova = read_page(own->io, iova, page, dirty);
		}
		cond_resched();
		if (!iova)
			break; /* the end of the address space */
	}
}

int iof_hw_set_dirty_tracking(struct iof_domain *domain, bool on)
{
	struct iof_hw_domain *own = iof_hw_domain_of(domain);
	int rc;

	if (!own->io->dirty_ops)
		return -EOPNOTSUPP;
	if (own->tracking == on)
		return on;
	rc = own->io->dirty_ops->set_dirty_tracking(own->io, on);
	if (WARN_ON(rc && !on))
		rc = 0;
	if (rc)
		return rc;
	own->tracking = on;
	return on;
}
