// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * domain.c - page tables of the kernel's IOMMU drivers, as domains of the core.
 *
 * iommu_unmap() flushes the IOTLB before it returns, so sync() has nothing to
 * do.
 */
#include "private.h"

static int hw_map(struct iof_domain *domain, unsigned long iova, phys_addr_t pa,
		  size_t size, unsigned int prot)
{
	int flags = IOMMU_CACHE;

	if (prot & IOF_PROT_READ)
		flags |= IOMMU_READ;
	if (prot & IOF_PROT_WRITE)
		flags |= IOMMU_WRITE;
	return iommu_map(iof_hw_domain_of(domain)->io, iova, pa, size, flags,
			 GFP_KERNEL_ACCOUNT);
}

static void hw_unmap(struct iof_domain *domain, unsigned long iova, size_t size)
{
	struct iommu_domain *io = iof_hw_domain_of(domain)->io;
	size_t page = 1ul << __ffs(domain->pgsize_bitmap);

	while (size) {
		/* The kernel stops at a hole. */
		size_t done = iommu_unmap(io, iova, size) ?: page;

		done = min(done, size);
		iova += done;
		size -= done;
		cond_resched();
	}
}

static void hw_sync(struct iof_domain *domain, unsigned long iova,
		    unsigned long last)
{
}

static phys_addr_t hw_iova_to_phys(struct iof_domain *domain,
				   unsigned long iova)
{
	return iommu_iova_to_phys(iof_hw_domain_of(domain)->io, iova) ?:
		       (phys_addr_t)-1;
}

static void hw_free(struct iof_domain *domain)
{
	struct iof_hw_domain *own = iof_hw_domain_of(domain);

	iommu_domain_free(own->io);
	kfree(own);
}

static const struct iof_domain_ops hw_domain_ops = {
	.map = hw_map,
	.unmap = hw_unmap,
	.sync = hw_sync,
	.iova_to_phys = hw_iova_to_phys,
	.free = hw_free,
};

struct iof_domain *iof_hw_alloc_paging(struct iof_hwdev *hw, u32 flags,
				       const struct iof_user_data *data)
{
	struct iof_hw_device *device = iof_hw_device_of(hw);
	struct iof_hw_domain *own;
	struct iommu_domain *io;
	int rc;

	if (data || flags & ~IOMMU_HWPT_ALLOC_PASID)
		return ERR_PTR(-EOPNOTSUPP);
	own = kzalloc(sizeof(*own), GFP_KERNEL_ACCOUNT);
	if (!own)
		return ERR_PTR(-ENOMEM);
	io = iommu_paging_domain_alloc(device->dev);
	if (IS_ERR(io)) {
		kfree(own);
		return ERR_CAST(io);
	}
	if (device->has_msi_base) {
		rc = iommu_get_msi_cookie(io, device->msi_base);
		if (rc) {
			iommu_domain_free(io);
			kfree(own);
			return ERR_PTR(rc);
		}
	}
	/*
	 * Then no transaction of the device bypasses the caches. A page table
	 * that enforces this cannot be attached behind an IOMMU that cannot.
	 */
	if (device_iommu_capable(device->dev,
				 IOMMU_CAP_ENFORCE_CACHE_COHERENCY) &&
	    io->ops->enforce_cache_coherency)
		(void)io->ops->enforce_cache_coherency(io);
	own->io = io;
	own->domain.ops = &hw_domain_ops;
	own->domain.driver = hw->ops;
	own->domain.type = IOF_DOMAIN_PAGING;
	own->domain.pgsize_bitmap = io->pgsize_bitmap;
	own->domain.aperture_start = io->geometry.aperture_start;
	own->domain.aperture_last = io->geometry.aperture_end;
	return &own->domain;
}
