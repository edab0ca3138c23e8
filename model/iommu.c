// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iommu.c - the software IOMMU as a driver: struct iof_driver_ops for the
 * devices behind it.
 *
 * It presents itself as an Intel VT-d in scalable mode. Domains: paging (second
 * stage only), nested (the user's first stage through a paging domain), SVA
 * (the device accesses the process's memory through the CPU's tables, see
 * dsa_mem.c). Engines find an attachment by PASID. It is replaced as a whole,
 * and freed only after a wait for every engine of its device.
 */
#include "model.h"

/*
 * VT-d 11.4.2, capability register: 2^16 domains (ND), 4-level tables (SAGAW
 * bit 2), 48-bit input addresses (MGAW), zero-length reads (ZLR), second-stage
 * leaves of 2 MiB and 1 GiB (SLLPS), invalidation by page (PSI) up to 2^18
 * pages (MAMV), read and write draining (DRD, DWD), first-stage 1 GiB leaves.
 */
#define VTD_CAP                                                      \
	((6ULL << 0) | (4ULL << 8) | ((IOF_S2_WIDTH - 1ULL) << 16) | \
	 BIT_ULL(22) | (3ULL << 34) | BIT_ULL(39) | (18ULL << 48) |  \
	 BIT_ULL(54) | BIT_ULL(55) | BIT_ULL(56))

/*
 * VT-d 11.4.3, extended capability register: coherent (C), queued invalidation
 * (QI), device TLBs (DT), snoop control (SC), nested translation (NEST), page
 * requests (PRS), supervisor requests (SRS), extended accessed flag (EAFS),
 * 20-bit PASIDs (PSS, PASID), scalable mode (SMTS), second stage (SSTS), first
 * stage (FSTS), coherent in scalable mode (SMPWCS). Not: dirty bits of the
 * second stage (SSADS).
 */
#define VTD_ECAP                                                           \
	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(7) | BIT_ULL(26) | \
	 BIT_ULL(29) | BIT_ULL(31) | BIT_ULL(34) | (19ULL << 35) |         \
	 BIT_ULL(40) | BIT_ULL(43) | BIT_ULL(46) | BIT_ULL(47) | BIT_ULL(48))

static bool model_capable(struct iof_hwdev *dev, enum iof_cap cap)
{
	switch (cap) {
	case IOF_CAP_CACHE_COHERENCY:
	case IOF_CAP_ATS:
		return true;
	case IOF_CAP_PASID_PRIV:
		return dev->max_pasids > 1;
	default:
		return false;
	}
}

static const void *model_hw_info(struct iof_hwdev *dev, u32 *type, u32 *len)
{
	struct iof_mdev *mdev = iof_mdev_of(dev);

	if (*type != IOMMU_HW_INFO_TYPE_DEFAULT &&
	    *type != IOMMU_HW_INFO_TYPE_INTEL_VTD)
		return ERR_PTR(-EOPNOTSUPP);
	*type = IOMMU_HW_INFO_TYPE_INTEL_VTD;
	*len = sizeof(mdev->hw_info);
	return &mdev->hw_info;
}

/* ---- domains ---- */

static const struct iof_domain_ops paging_ops, nested_ops, sva_ops;

struct iof_mdomain *iof_mdomain_new(struct iof_hwdev *dev,
				    enum iof_domain_type type,
				    const struct iof_domain_ops *ops)
{
	struct iof_mdomain *mdom = kzalloc(sizeof(*mdom), GFP_KERNEL_ACCOUNT);

	if (!mdom)
		return NULL;
	mdom->domain.ops = ops;
	mdom->domain.driver = dev->ops;
	mdom->domain.type = type;
	mutex_init(&mdom->lock);
	INIT_LIST_HEAD(&mdom->uses);
	atomic64_set(&mdom->tag, iof_new_tag());
	atomic64_set(&mdom->nested_floor, 0);
	return mdom;
}

void iof_mdomain_free(struct iof_mdomain *mdom)
{
	WARN_ON(!list_empty(&mdom->uses));
	mutex_destroy(&mdom->lock);
	kfree(mdom);
}

/*
 * Waits for all engines that may use dropped translations, once for each
 * device.
 */
static void drain_uses(struct iof_mdomain *mdom)
{
	struct iof_domain_use *use;

	lockdep_assert_held(&mdom->lock);
	list_for_each_entry(use, &mdom->uses, node)
		iof_mdev_drain(use->mdev);
}

static struct iof_domain *model_alloc_paging(struct iof_hwdev *dev, u32 flags,
					     const struct iof_user_data *data)
{
	struct iof_mdomain *mdom;
	int rc;

	/* The second stage has no dirty bits. */
	if (data ||
	    (flags & ~(IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID)))
		return ERR_PTR(-EOPNOTSUPP);
	mdom = iof_mdomain_new(dev, IOF_DOMAIN_PAGING, &paging_ops);
	if (!mdom)
		return ERR_PTR(-ENOMEM);
	rc = iof_stage2_init(&mdom->s2);
	if (rc) {
		iof_mdomain_free(mdom);
		return ERR_PTR(rc);
	}
	mdom->domain.pgsize_bitmap = BIT_ULL(12) | BIT_ULL(21) | BIT_ULL(30);
	mdom->domain.aperture_start = 0;
	mdom->domain.aperture_last = BIT_ULL(IOF_S2_WIDTH) - 1;
	return &mdom->domain;
}

static int paging_map(struct iof_domain *domain, unsigned long iova,
		      phys_addr_t pa, size_t size, unsigned int prot)
{
	return iof_stage2_map(&iof_mdomain_of(domain)->s2, iova, pa, size,
			      prot);
}

static void paging_unmap(struct iof_domain *domain, unsigned long iova,
			 size_t size)
{
	iof_stage2_unmap(&iof_mdomain_of(domain)->s2, iova, size);
}

static void paging_sync(struct iof_domain *domain, unsigned long iova,
			unsigned long last)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);
	struct iof_domain_use *use;
	u64 *dead;

	mutex_lock(&mdom->lock);
	dead = iof_stage2_take_dead(&mdom->s2);
	/*
	 * The first-stage addresses that lead through the range are unknown. So
	 * drop the translations of all of them.
	 */
	iof_domain_drop_nested(mdom);
	list_for_each_entry(use, &mdom->uses, node)
		iof_mdev_drop(use->mdev, mdom, iova, last, false);
	drain_uses(mdom);
	mutex_unlock(&mdom->lock);
	iof_stage2_free_dead(dead);
}

static phys_addr_t paging_iova_to_phys(struct iof_domain *domain,
				       unsigned long iova)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);
	phys_addr_t pa = (phys_addr_t)-1;
	struct iof_leaf leaf;

	/* Take this lock to unlink tables; they are freed later. */
	mutex_lock(&mdom->s2.lock);
	if (iof_stage2_walk(&mdom->s2, iova, &leaf))
		pa = leaf.pa;
	mutex_unlock(&mdom->s2.lock);
	return pa;
}

static void paging_free(struct iof_domain *domain)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);

	iof_stage2_destroy(&mdom->s2);
	iof_mdomain_free(mdom);
}

static const struct iof_domain_ops paging_ops = {
	.map = paging_map,
	.unmap = paging_unmap,
	.sync = paging_sync,
	.iova_to_phys = paging_iova_to_phys,
	.free = paging_free,
};

static struct iof_domain *model_alloc_nested(struct iof_hwdev *dev,
					     struct iof_domain *parent,
					     u32 flags,
					     const struct iof_user_data *data)
{
	struct iommu_hwpt_vtd_s1 s1;
	struct iof_mdomain *mdom;
	int rc;

	if (flags & ~IOMMU_HWPT_ALLOC_PASID)
		return ERR_PTR(-EOPNOTSUPP);
	if (parent->driver != &iof_model_driver_ops ||
	    parent->type != IOF_DOMAIN_PAGING)
		return ERR_PTR(-EINVAL);
	if (!data)
		return ERR_PTR(-EOPNOTSUPP);
	rc = iof_copy_user_data(&s1, data, IOMMU_HWPT_DATA_VTD_S1, sizeof(s1),
				sizeof(s1));
	if (rc)
		return ERR_PTR(rc);
	if (s1.__reserved || s1.addr_width != 48 || (s1.pgtbl_addr & 0xfff) ||
	    s1.pgtbl_addr >> IOF_S2_WIDTH ||
	    (s1.flags &
	     ~(u64)(IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_EAFE | IOMMU_VTD_S1_WPE)))
		return ERR_PTR(-EINVAL);

	mdom = iof_mdomain_new(dev, IOF_DOMAIN_NESTED, &nested_ops);
	if (!mdom)
		return ERR_PTR(-ENOMEM);
	mdom->parent = iof_mdomain_of(parent);
	mdom->root = s1.pgtbl_addr;
	mdom->supervisor = s1.flags & IOMMU_VTD_S1_SRE;
	mdom->extended_accessed = s1.flags & IOMMU_VTD_S1_EAFE;
	mdom->write_protect = s1.flags & IOMMU_VTD_S1_WPE;
	return &mdom->domain;
}

static int check_invalidation(const struct iommu_hwpt_vtd_s1_invalidate *inv)
{
	if ((inv->flags & ~IOMMU_VTD_INV_FLAGS_LEAF) || inv->__reserved)
		return -EOPNOTSUPP;
	if ((inv->addr & 0xfff) || (inv->npages == U64_MAX && inv->addr))
		return -EINVAL;
	return 0;
}

/*
 * Drops the translations that one entry of the array names, on all devices of
 * the domain. Does not wait yet.
 */
static void drop_invalidated(struct iof_mdomain *mdom,
			     const struct iommu_hwpt_vtd_s1_invalidate *inv)
{
	struct iof_domain_use *use;
	u64 last;

	lockdep_assert_held(&mdom->lock);
	if (!inv->npages)
		return;
	if (inv->npages > (U64_MAX - inv->addr) >> 12)
		last = U64_MAX;
	else
		last = inv->addr + (inv->npages << 12) - 1;
	/* The range exceeds the caches: a new tag is cheaper than a search. */
	if (inv->npages >= IOF_TLB_SMALL &&
	    !(inv->flags & IOMMU_VTD_INV_FLAGS_LEAF)) {
		iof_domain_drop_all(mdom);
		return;
	}
	list_for_each_entry(use, &mdom->uses, node)
		iof_mdev_drop(use->mdev, mdom, inv->addr, last,
			      !(inv->flags & IOMMU_VTD_INV_FLAGS_LEAF));
}

static int nested_invalidate(struct iof_domain *domain,
			     const struct iof_user_array *array, u32 *done)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);
	struct iommu_hwpt_vtd_s1_invalidate inv;
	int rc = 0;

	*done = 0;
	if (array->type != IOMMU_HWPT_INVALIDATE_DATA_VTD_S1)
		return -EINVAL;
	while (*done < array->entry_num) {
		rc = iof_copy_user_array_entry(
			&inv, array, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, *done,
			sizeof(inv), sizeof(inv));
		if (!rc)
			rc = check_invalidation(&inv);
		if (rc)
			break;
		mutex_lock(&mdom->lock);
		drop_invalidated(mdom, &inv);
		mutex_unlock(&mdom->lock);
		(*done)++;
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			break;
		}
		cond_resched();
	}
	if (*done) {
		mutex_lock(&mdom->lock);
		drain_uses(mdom);
		mutex_unlock(&mdom->lock);
	}
	return rc;
}

static void nested_free(struct iof_domain *domain)
{
	iof_mdomain_free(iof_mdomain_of(domain));
}

static const struct iof_domain_ops nested_ops = {
	.invalidate = nested_invalidate,
	.free = nested_free,
};

static struct iof_domain *model_alloc_sva(struct iof_hwdev *dev,
					  struct mm_struct *mm)
{
	struct iof_mdomain *mdom =
		iof_mdomain_new(dev, IOF_DOMAIN_SVA, &sva_ops);

	if (!mdom)
		return ERR_PTR(-ENOMEM);
	mmgrab(mm);
	mdom->mm = mm;
	return &mdom->domain;
}

static void sva_free(struct iof_domain *domain)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);

	mmdrop(mdom->mm);
	iof_mdomain_free(mdom);
}

static const struct iof_domain_ops sva_ops = {
	.free = sva_free,
};

/* ---- attachments ---- */

/* Counts one more attachment of @mdev to the domain. NULL: no memory. */
static struct iof_domain_use *get_use(struct iof_mdomain *mdom,
				      struct iof_mdev *mdev)
{
	struct iof_domain_use *use;

	mutex_lock(&mdom->lock);
	list_for_each_entry(use, &mdom->uses, node) {
		if (use->mdev == mdev)
			goto out;
	}
	use = kzalloc(sizeof(*use), GFP_KERNEL_ACCOUNT);
	if (!use)
		goto out_unlock;
	use->mdev = mdev;
	/*
	 * An earlier attachment may have left translations in the device, which
	 * no invalidation has dropped since.
	 */
	iof_domain_drop_all(mdom);
	list_add_tail(&use->node, &mdom->uses);
out:
	use->attachments++;
out_unlock:
	mutex_unlock(&mdom->lock);
	return use;
}

static void put_use(struct iof_mdomain *mdom, struct iof_domain_use *use)
{
	mutex_lock(&mdom->lock);
	if (--use->attachments)
		use = NULL;
	else
		list_del(&use->node);
	mutex_unlock(&mdom->lock);
	kfree(use);
}

static void free_attachment(struct iof_attachment *att)
{
	if (att->use)
		put_use(att->mdom, att->use);
	if (att->parent_use)
		put_use(att->mdom->parent, att->parent_use);
	kfree(att);
}

/*
 * Adds the attachment; from here on invalidations of the domain include this
 * device.
 */
static struct iof_attachment *
alloc_attachment(struct iof_mdev *mdev, struct iof_mdomain *mdom, u32 pasid)
{
	struct iof_attachment *att = kzalloc(sizeof(*att), GFP_KERNEL_ACCOUNT);

	if (!att)
		return NULL;
	att->mdev = mdev;
	att->mdom = mdom;
	att->pasid = pasid;
	if (mdom->parent) {
		att->parent_use = get_use(mdom->parent, mdev);
		if (!att->parent_use)
			goto err_free;
	}
	att->use = get_use(mdom, mdev);
	if (!att->use)
		goto err_free;
	return att;

err_free:
	free_attachment(att);
	return NULL;
}

int iof_model_attach(struct iof_hwdev *dev, u32 pasid, struct iof_domain *new,
		     struct iof_domain *old)
{
	struct iof_mdev *mdev = iof_mdev_of(dev);
	struct iof_attachment *att = NULL, *was;

	if (pasid != IOF_NO_PASID && pasid >= max(dev->max_pasids, 1u))
		return -EOPNOTSUPP;
	if (new) {
		if (new->driver != dev->ops)
			return -EINVAL;
		if (new->fault_capable && dev->vf_with_pri)
			return -ENODEV;
		att = alloc_attachment(mdev, iof_mdomain_of(new), pasid);
		if (!att)
			return -ENOMEM;
	}

	/* Storing NULL, or over an existing entry, needs no memory. */
	was = xa_store(&mdev->attachments, pasid, att, GFP_KERNEL_ACCOUNT);
	if (xa_is_err(was)) {
		free_attachment(att);
		return xa_err(was);
	}
	WARN_ON(was ? &was->mdom->domain != old : !!old);
	if (was) {
		iof_mdev_drop_pasids(mdev);
		iof_mdev_drain(mdev);
		free_attachment(was);
	}
	return 0;
}

void iof_model_page_responses(struct iof_hwdev *dev,
			      const struct iof_page_answer *answers, u32 nr)
{
	iof_pri_responses(&iof_mdev_of(dev)->pri, answers, nr);
}

const struct iof_driver_ops iof_model_driver_ops = {
	.capable = model_capable,
	.hw_info = model_hw_info,
	.alloc_paging = model_alloc_paging,
	.alloc_nested = model_alloc_nested,
	.alloc_sva = model_alloc_sva,
	.attach = iof_model_attach,
	.page_responses = iof_model_page_responses,
};

void iof_mdev_init(struct iof_mdev *mdev)
{
	mdev->hwdev.ops = &iof_model_driver_ops;
	mdev->hw_info.cap_reg = VTD_CAP;
	mdev->hw_info.ecap_reg = VTD_ECAP;
	xa_init_flags(&mdev->attachments, XA_FLAGS_ACCOUNT);
}

void iof_mdev_bus_master(struct iof_mdev *mdev, bool on)
{
	WRITE_ONCE(mdev->no_dma, !on);
	if (on)
		return;
	iof_mdev_drop_pasids(mdev);
	iof_mdev_drain(mdev);
}

void iof_mdev_destroy(struct iof_mdev *mdev)
{
	WARN_ON(!xa_empty(&mdev->attachments));
	xa_destroy(&mdev->attachments);
}
