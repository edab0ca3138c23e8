// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * domain.c - page tables of the kernel's IOMMU drivers, as domains of the core.
 *
 * iommu_unmap() flushes the IOTLB before it returns, so sync() has nothing to
 * do.
 *
 * The kernel exports an allocation of plain page tables. What iommufd alone
 * uses, parents of nested tables, nested tables and dirty tracking, are
 * operations of the IOMMU driver, which are called directly. Before Linux 6.13
 * plain page tables mostly come from such an operation, too (compat.h).
 */
#include <linux/uaccess.h>

#include "private.h"

static int hw_map(struct iof_domain *domain, unsigned long iova, phys_addr_t pa,
		  size_t size, unsigned int prot)
{
	struct iof_hw_domain *own = iof_hw_domain_of(domain);
	int flags = IOMMU_CACHE;
	int rc;

	if (prot & IOF_PROT_READ)
		flags |= IOMMU_READ;
	if (prot & IOF_PROT_WRITE)
		flags |= IOMMU_WRITE;
	down_read(&own->levels);
	rc = iommu_map(own->io, iova, pa, size, flags, GFP_KERNEL_ACCOUNT);
	up_read(&own->levels);
	return rc;
}

static void hw_unmap(struct iof_domain *domain, unsigned long iova, size_t size)
{
	struct iof_hw_domain *own = iof_hw_domain_of(domain);
	size_t page = 1ul << __ffs(domain->pgsize_bitmap);
	size_t done;

	while (size) {
		down_read(&own->levels);
		done = iommu_unmap(own->io, iova, size);
		up_read(&own->levels);
		/* The kernel stops at a hole. */
		done = min(done ?: page, size);
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
	struct iof_hw_domain *own = iof_hw_domain_of(domain);
	phys_addr_t pa;

	down_read(&own->levels);
	pa = iommu_iova_to_phys(own->io, iova);
	up_read(&own->levels);
	return pa ?: (phys_addr_t)-1;
}

void iof_hw_domain_get(struct iof_domain *domain)
{
	refcount_inc(&iof_hw_domain_of(domain)->refs);
}

void iof_hw_domain_put(struct iof_domain *domain)
{
	struct iof_hw_domain *own = iof_hw_domain_of(domain), *parent;

	/* A nested page table is freed before its parent. */
	for (; own && refcount_dec_and_test(&own->refs); own = parent) {
		parent = own->parent;
		iommu_domain_free(own->io);
		kfree(own);
	}
}

static const struct iof_domain_ops paging_ops = {
	.map = hw_map,
	.unmap = hw_unmap,
	.sync = hw_sync,
	.iova_to_phys = hw_iova_to_phys,
	.set_dirty_tracking = iof_hw_set_dirty_tracking,
	.read_dirty = iof_hw_read_dirty,
	.free = iof_hw_domain_put,
};

/* ---- nested page tables ---- */

static int hw_invalidate(struct iof_domain *domain,
			 const struct iof_user_array *array, u32 *done)
{
	struct iommu_domain *io = iof_hw_domain_of(domain)->io;
	struct iommu_user_data_array to = {
		.type = array->type,
		.uptr = array->uptr,
		.entry_len = array->entry_len,
		.entry_num = array->entry_num,
	};
	int rc;

	*done = 0;
	if (!io->ops->cache_invalidate_user)
		return -EOPNOTSUPP;
	rc = io->ops->cache_invalidate_user(io, &to);
	*done = to.entry_num;
	return rc;
}

static const struct iof_domain_ops nested_ops = {
	.invalidate = hw_invalidate,
	.free = iof_hw_domain_put,
};

/* ---- allocation ---- */

/* Wraps @io, which is freed on failure; an error in it is passed on. */
static struct iof_domain *wrap(struct iof_hwdev *hw, struct iommu_domain *io,
			       enum iof_domain_type type)
{
	struct iof_hw_domain *own;

	if (IS_ERR_OR_NULL(io))
		return io ? ERR_CAST(io) : ERR_PTR(-ENOMEM);
	own = kzalloc(sizeof(*own), GFP_KERNEL_ACCOUNT);
	if (!own) {
		iommu_domain_free(io);
		return ERR_PTR(-ENOMEM);
	}
	refcount_set(&own->refs, 1);
	init_rwsem(&own->levels);
	own->io = io;
	own->domain.driver = hw->ops;
	own->domain.type = type;
	if (type == IOF_DOMAIN_NESTED) {
		own->domain.ops = &nested_ops;
		return &own->domain;
	}
	own->domain.ops = &paging_ops;
	own->domain.pgsize_bitmap = io->pgsize_bitmap;
	own->domain.aperture_start = io->geometry.aperture_start;
	own->domain.aperture_last = io->geometry.aperture_end;
	return &own->domain;
}

static struct iommu_user_data user_data_of(const struct iof_user_data *data)
{
	return (struct iommu_user_data){
		.type = data->type,
		.uptr = data->uptr,
		.len = data->len,
	};
}

/*
 * The core holds the device meanwhile, and its removal waits for that. So the
 * IOMMU driver reads user data with page faults off; -EAGAIN: the data has to
 * come in first. @parent: of a nested page table, or NULL.
 */
static struct iommu_domain *alloc_with_data(struct iof_hw_device *device,
					    struct iommu_domain *parent,
					    u32 flags,
					    const struct iof_user_data *data)
{
	struct iommu_user_data user_data = user_data_of(data);
	struct iommu_domain *io;

	pagefault_disable();
	io = parent ? iof_hw_alloc_nested_on(device->dev, parent, flags,
					     &user_data) :
		      iof_hw_alloc_special(device->dev, flags, &user_data);
	pagefault_enable();
	return io == ERR_PTR(-EFAULT) ? ERR_PTR(-EAGAIN) : io;
}

/*
 * Returns the number of bits of an IOVA if the IOMMU is VT-d with first-stage
 * page tables only, else 0. These map canonical addresses (VT-d 3.6).
 */
static unsigned int first_stage_bits(const struct iof_hw_device *device)
{
	/* VT-d 11.4.2 and 11.4.3: FS5LP, SMTS, SSTS */
	const u64 five_levels = BIT_ULL(60);
	const u64 scalable = BIT_ULL(43), second_stage = BIT_ULL(46);
	const struct iommu_hw_info_vtd *vtd = device->info;

	if (device->info_type != IOMMU_HW_INFO_TYPE_INTEL_VTD || !vtd ||
	    !(vtd->ecap_reg & scalable) || vtd->ecap_reg & second_stage)
		return 0;
	return vtd->cap_reg & five_levels ? 56 : 47;
}

static struct iommu_domain *alloc_plain(struct iof_hw_device *device, u32 flags)
{
	unsigned int bits = first_stage_bits(device);
	struct iommu_domain *io =
		iof_hw_alloc_plain(device->dev, flags, bits != 0);

	if (!IS_ERR_OR_NULL(io) && bits)
		io->geometry.aperture_end =
			min(io->geometry.aperture_end, DMA_BIT_MASK(bits));
	return io;
}

/* What the kernel does to plain page tables after their allocation. */
static int prepare_paging(struct iof_hw_device *device, struct iommu_domain *io)
{
	/*
	 * Then no transaction of the device bypasses the caches. A page table
	 * that enforces this cannot be attached behind an IOMMU that cannot.
	 */
	if (device_iommu_capable(device->dev,
				 IOMMU_CAP_ENFORCE_CACHE_COHERENCY) &&
	    io->ops->enforce_cache_coherency)
		(void)io->ops->enforce_cache_coherency(io);
	return device->has_msi_base ?
		       iommu_get_msi_cookie(io, device->msi_base) :
		       0;
}

struct iof_domain *iof_hw_alloc_paging(struct iof_hwdev *hw, u32 flags,
				       const struct iof_user_data *data)
{
	const u32 special = IOMMU_HWPT_ALLOC_NEST_PARENT |
			    IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	struct iof_hw_device *device = iof_hw_device_of(hw);
	struct iommu_domain *io;
	int rc;

	if (flags & ~(special | IOMMU_HWPT_ALLOC_PASID))
		return ERR_PTR(-EOPNOTSUPP);
	if (data)
		io = alloc_with_data(device, NULL, flags, data);
	else if (flags & special)
		io = iof_hw_alloc_special(device->dev, flags, NULL);
	else
		io = alloc_plain(device, flags);
	if (IS_ERR_OR_NULL(io))
		return wrap(hw, io, IOF_DOMAIN_PAGING);
	rc = prepare_paging(device, io);
	if (rc) {
		iommu_domain_free(io);
		return ERR_PTR(rc);
	}
	return wrap(hw, io, IOF_DOMAIN_PAGING);
}

struct iof_domain *iof_hw_alloc_nested(struct iof_hwdev *hw,
				       struct iof_domain *parent, u32 flags,
				       const struct iof_user_data *data)
{
	struct iof_hw_domain *on = iof_hw_domain_of(parent);
	struct iof_domain *domain;

	domain = wrap(
		hw, alloc_with_data(iof_hw_device_of(hw), on->io, flags, data),
		IOF_DOMAIN_NESTED);
	if (!IS_ERR(domain)) {
		iof_hw_domain_get(parent);
		iof_hw_domain_of(domain)->parent = on;
	}
	return domain;
}
