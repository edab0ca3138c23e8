// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iommu.c - the driver of an IOMMU that exists only in software.
 *
 * It claims the functions that TI_START named, and keeps their page tables in
 * xarrays, one for each size of pages. No DMA passes through it but that of
 * TI_DMA: the functions themselves do DMA untranslated.
 */
/* Before the kernel's own header of the same ABI, which may be older. */
#include <iofault/iommufd_test.h>

#include "private.h"

#include <linux/module.h>

#define PROT (IOMMU_READ | IOMMU_WRITE)

static const unsigned int shifts[TI_SIZES] = { 12, 21, 30 };
static struct iommu_device ti_iommu;
static const struct iommu_domain_ops paging_ops;

unsigned int ti_shift(unsigned int level)
{
	return shifts[level];
}

/* ---- page tables ---- */

static int level_of(size_t size)
{
	unsigned int level;

	for (level = 0; level < TI_SIZES; level++) {
		if (size == 1ul << shifts[level])
			return level;
	}
	return -EINVAL;
}

void *ti_walk(struct ti_domain *domain, u64 iova, unsigned int *level)
{
	for (*level = 0; *level < TI_SIZES; (*level)++) {
		void *entry = xa_load(&domain->pages[*level], iova >> shifts[*level]);

		if (entry)
			return entry;
	}
	return NULL;
}

static int ti_map(struct iommu_domain *domain, unsigned long iova, phys_addr_t pa, size_t size,
		  size_t n, int prot, gfp_t gfp, size_t *mapped)
{
	struct ti_domain *own = ti_domain_of(domain);
	int level = level_of(size), rc = ti_point(TI_POINT_MAP);

	WARN_ON_ONCE(READ_ONCE(own->reshaped));
	/* DMA of a program's device is coherent with its caches. */
	if (WARN_ON(!(prot & IOMMU_CACHE)))
		return -EINVAL;
	if (WARN_ON(level < 0 || iova & (size - 1) || pa & (size - 1)))
		return -EINVAL;
	for (; n && !rc; n--) {
		unsigned int there;

		if (WARN_ON(ti_walk(own, iova, &there)))
			return -EADDRINUSE;
		rc = xa_err(xa_store(&own->pages[level], iova >> shifts[level],
				     xa_mk_value(pa >> PAGE_SHIFT << 2 | (prot & PROT)), gfp));
		if (rc)
			break;
		iova += size;
		pa += size;
		*mapped += size;
	}
	return rc;
}

static size_t ti_unmap(struct iommu_domain *domain, unsigned long iova, size_t size, size_t n,
		       struct iommu_iotlb_gather *gather)
{
	struct ti_domain *own = ti_domain_of(domain);
	size_t done = 0;

	ti_point(TI_POINT_UNMAP);
	WARN_ON_ONCE(READ_ONCE(own->reshaped));
	for (; n; n--) {
		unsigned int level;
		size_t page;

		if (!ti_walk(own, iova + done, &level))
			break;
		page = 1ul << shifts[level];
		/* A page is unmapped whole, from its start. */
		if (WARN_ON((iova + done) & (page - 1)))
			break;
		xa_erase(&own->pages[level], (iova + done) >> shifts[level]);
		iommu_iotlb_gather_add_page(domain, gather, iova + done, page);
		done += page;
		if (page > size)
			break;
	}
	return done;
}

/* Returns when no DMA uses a translation that was removed before. */
static void ti_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	struct ti_domain *own = ti_domain_of(domain);

	ti_point(TI_POINT_SYNC);
	write_lock(&own->access);
	write_unlock(&own->access);
}

static void ti_flush_all(struct iommu_domain *domain)
{
	ti_sync(domain, NULL);
}

static phys_addr_t ti_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct ti_domain *own = ti_domain_of(domain);
	unsigned int level;
	void *entry = ti_walk(own, iova, &level);

	WARN_ON_ONCE(READ_ONCE(own->reshaped));
	return entry ? ti_pa(entry) + (iova & ((1ul << shifts[level]) - 1)) : 0;
}

static bool ti_enforce(struct iommu_domain *domain)
{
	ti_domain_of(domain)->enforced = true;
	return true;
}

/* Does a page table for programs have all that the device needs? */
static bool fits(struct ti_domain *own, struct ti_dev *d)
{
	bool msi;

	/* A nested one has what its parent has. */
	if (own->parent)
		own = own->parent;
#if TI_LINUX_7
	msi = own->domain.cookie_type == IOMMU_COOKIE_DMA_MSI;
#else
	msi = own->domain.iova_cookie;
#endif
	return own->enforced && msi == !!(d->flags & TI_DEV_MSI);
}

static void ti_free(struct iommu_domain *domain)
{
	struct ti_domain *own = ti_domain_of(domain);
	unsigned int level;

	ti_point(TI_POINT_FREE);
	for (level = 0; level < TI_SIZES; level++) {
		/* A program's memory is unmapped before its table is freed. */
		WARN_ON(!xa_empty(&own->pages[level]));
		xa_destroy(&own->pages[level]);
	}
	kfree(own);
}

/* ---- dirty pages ---- */

static int ti_set_tracking(struct iommu_domain *domain, bool enabled)
{
	WRITE_ONCE(ti_domain_of(domain)->tracking, enabled);
	return 0;
}

static int ti_read_dirty(struct iommu_domain *domain, unsigned long iova, size_t size,
			 unsigned long flags, struct iommu_dirty_bitmap *dirty)
{
	struct ti_domain *own = ti_domain_of(domain);
	unsigned long at = iova, last = iova + size - 1;

	while (at <= last && at >= iova) {
		unsigned int level;
		void *entry = ti_walk(own, at, &level);
		unsigned long page = 1ul << (entry ? shifts[level] : 12);
		unsigned long index = at >> shifts[entry ? level : 0];

		if (entry && xa_get_mark(&own->pages[level], index, XA_MARK_0)) {
			iommu_dirty_bitmap_record(dirty, at & -page, page);
			if (!(flags & IOMMU_DIRTY_NO_CLEAR))
				xa_clear_mark(&own->pages[level], index, XA_MARK_0);
		}
		at = (at & -page) + page;
	}
	return 0;
}

static const struct iommu_dirty_ops dirty_ops = {
	.set_dirty_tracking = ti_set_tracking,
	.read_and_clear_dirty = ti_read_dirty,
};

/* ---- what devices are attached to ---- */

static struct ti_dev *dev_of(struct device *dev)
{
	return dev_iommu_priv_get(dev);
}

static bool can_fault(struct ti_domain *domain)
{
	return TI_LINUX_7 && domain && domain->domain.iopf_handler;
}

/*
 * The first attach may change the levels of a page table, as that of VT-d does before Linux 6.13,
 * and lets others run meanwhile.
 */
static void reshape(struct ti_domain *own)
{
	if (own->attached)
		return;
	WRITE_ONCE(own->reshaped, true);
	yield();
	WRITE_ONCE(own->reshaped, false);
	own->attached = true;
}

static void set_rid(struct ti_dev *d, struct ti_domain *new)
{
	struct ti_domain *old = d->rid;

	if (old && old != new) {
		ti_point(TI_POINT_LEAVE);
		ti_event(d, TI_NO_PASID, TI_HOOK_BEFORE_LEAVE);
	}
	write_lock(&d->access);
	d->rid = new;
	write_unlock(&d->access);
	ti_drain(d);
	if (old && old != new)
		ti_event(d, TI_NO_PASID, TI_HOOK_AFTER_LEAVE);
	if (can_fault(old))
		ti_iopf_put(d);
}

static int attach_own(struct iommu_domain *domain, struct device *dev)
{
	struct ti_domain *own = ti_domain_of(domain);
	int rc = ti_point(TI_POINT_ATTACH);

	if (!rc && WARN_ON(!fits(own, dev_of(dev))))
		rc = -EINVAL;
	if (!rc && can_fault(own))
		rc = ti_iopf_get(dev_of(dev));
	if (rc)
		return rc;
	reshape(own);
	set_rid(dev_of(dev), own);
	return 0;
}

static int attach_none(struct iommu_domain *domain, struct device *dev)
{
	set_rid(dev_of(dev), NULL);
	return 0;
}

static int set_pasid(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
		     struct iommu_domain *old)
{
	struct ti_domain *own = ti_domain_of(domain), *left;
	struct ti_dev *d = dev_of(dev);
	int rc = ti_point(TI_POINT_PASID);

	if (!rc && WARN_ON(!fits(own, d)))
		rc = -EINVAL;
	if (rc)
		return rc;
	rc = xa_reserve(&d->pasids, pasid, GFP_KERNEL);
	if (rc)
		return rc;
	left = xa_load(&d->pasids, pasid);
	if (can_fault(own)) {
		rc = ti_iopf_get(d);
		if (rc && !left)
			xa_release(&d->pasids, pasid);
		if (rc)
			return rc;
	}
	reshape(own);
	if (left)
		ti_event(d, pasid, TI_HOOK_BEFORE_LEAVE);
	write_lock(&d->access);
	xa_store(&d->pasids, pasid, own, GFP_ATOMIC);
	write_unlock(&d->access);
	ti_drain(d);
	if (left)
		ti_event(d, pasid, TI_HOOK_AFTER_LEAVE);
	if (can_fault(left))
		ti_iopf_put(d);
	return 0;
}

static void remove_pasid(struct device *dev, ioasid_t pasid)
{
	struct ti_dev *d = dev_of(dev);
	struct ti_domain *left;

	ti_point(TI_POINT_LEAVE);
	ti_event(d, pasid, TI_HOOK_BEFORE_LEAVE);
	write_lock(&d->access);
	left = xa_erase(&d->pasids, pasid);
	write_unlock(&d->access);
	ti_drain(d);
	WARN_ON(!left);
	ti_event(d, pasid, TI_HOOK_AFTER_LEAVE);
	if (can_fault(left))
		ti_iopf_put(d);
}

#if TI_LINUX_7
#define ATTACH(name)                                                           \
	static int name##_dev(struct iommu_domain *domain, struct device *dev, \
			      struct iommu_domain *old)                        \
	{                                                                      \
		return name(domain, dev);                                      \
	}
static int set_pasid_none(struct iommu_domain *domain, struct device *dev, ioasid_t pasid,
			  struct iommu_domain *old)
{
	remove_pasid(dev, pasid);
	return 0;
}
#else
#define ATTACH(name)                                                           \
	static int name##_dev(struct iommu_domain *domain, struct device *dev) \
	{                                                                      \
		return name(domain, dev);                                      \
	}
static void remove_pasid_dev(struct device *dev, ioasid_t pasid, struct iommu_domain *domain)
{
	remove_pasid(dev, pasid);
}
#endif
ATTACH(attach_own)
ATTACH(attach_none)

static const struct iommu_domain_ops none_ops = {
	.attach_dev = attach_none_dev,
#if TI_LINUX_7
	.set_dev_pasid = set_pasid_none,
#endif
};
static struct iommu_domain blocked = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &none_ops,
};
static struct iommu_domain identity = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &none_ops,
};

static const struct iommu_domain_ops paging_ops = {
	.attach_dev = attach_own_dev,
	.set_dev_pasid = set_pasid,
	.map_pages = ti_map,
	.unmap_pages = ti_unmap,
	.flush_iotlb_all = ti_flush_all,
	.iotlb_sync = ti_sync,
	.iova_to_phys = ti_iova_to_phys,
	.enforce_cache_coherency = ti_enforce,
	.free = ti_free,
};

/* ---- domains ---- */

static struct ti_domain *new_domain(const struct iommu_domain_ops *ops)
{
	int rc = ti_point(TI_POINT_ALLOC);
	struct ti_domain *own;
	unsigned int level;

	if (rc)
		return ERR_PTR(rc);
	own = kzalloc(sizeof(*own), GFP_KERNEL_ACCOUNT);
	if (!own)
		return ERR_PTR(-ENOMEM);
	rwlock_init(&own->access);
	for (level = 0; level < TI_SIZES; level++)
		xa_init(&own->pages[level]);
	own->domain.ops = ops;
	return own;
}

static struct iommu_domain *alloc_paging(struct device *dev)
{
	struct ti_domain *own = new_domain(&paging_ops);

	if (IS_ERR(own))
		return ERR_CAST(own);
	own->domain.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G;
	own->domain.geometry.aperture_end = (1ull << 48) - 1;
	own->domain.geometry.force_aperture = true;
	return &own->domain;
}

static struct iommu_domain *alloc_flags(struct device *dev, u32 flags)
{
	struct iommu_domain *domain;

	if (flags & ~(IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
		      IOMMU_HWPT_ALLOC_PASID) ||
	    (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING && dev_of(dev)->flags & TI_DEV_NO_DIRTY))
		return ERR_PTR(-EOPNOTSUPP);
	domain = alloc_paging(dev);
	if (IS_ERR(domain))
		return domain;
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING)
		domain->dirty_ops = &dirty_ops;
	return domain;
}

static int ti_invalidate(struct iommu_domain *domain, struct iommu_user_data_array *array)
{
	struct ti_domain *own = ti_domain_of(domain);
	struct iommu_hwpt_invalidate_selftest entry;
	u32 i, nr = array->entry_num;
	int rc = 0;

	if (array->type != IOMMU_HWPT_INVALIDATE_DATA_SELFTEST) {
		rc = -EINVAL;
		nr = 0;
	}
	for (i = 0; i < nr; i++) {
		rc = ti_point(TI_POINT_INVALIDATE);
		if (!rc)
			rc = iommu_copy_struct_from_user_array(&entry, array, array->type, i,
							       iotlb_id);
		if (rc)
			break;
		if (entry.flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL ||
		    entry.iotlb_id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX) {
			rc = -EINVAL;
			break;
		}
		if (entry.flags & IOMMU_TEST_INVALIDATE_FLAG_ALL)
			memset(own->iotlb, 0, sizeof(own->iotlb));
		else
			own->iotlb[entry.iotlb_id] = 0;
		atomic64_inc(&own->invalidations);
	}
	array->entry_num = i;
	return rc;
}

static const struct iommu_domain_ops nested_ops = {
	.attach_dev = attach_own_dev,
	.set_dev_pasid = set_pasid,
	.cache_invalidate_user = ti_invalidate,
	.free = ti_free,
};

static struct iommu_domain *alloc_nested(struct device *dev, struct iommu_domain *parent, u32 flags,
					 const struct iommu_user_data *data)
{
	struct iommu_hwpt_selftest told = {};
	struct ti_domain *own;
	unsigned int i;
	int rc;

	if (flags & ~IOMMU_HWPT_ALLOC_PASID || !parent || parent->ops != &paging_ops)
		return ERR_PTR(-EOPNOTSUPP);
	rc = iommu_copy_struct_from_user(&told, data, IOMMU_HWPT_DATA_SELFTEST, iotlb);
	if (rc)
		return ERR_PTR(rc);
	own = new_domain(&nested_ops);
	if (IS_ERR(own))
		return ERR_CAST(own);
	own->domain.type = IOMMU_DOMAIN_NESTED;
	own->parent = ti_domain_of(parent);
	for (i = 0; i < ARRAY_SIZE(own->iotlb); i++)
		own->iotlb[i] = told.iotlb;
	return &own->domain;
}

#if TI_LINUX_7
static struct iommu_domain *ti_alloc_paging_flags(struct device *dev, u32 flags,
						  const struct iommu_user_data *data)
{
	return data ? ERR_PTR(-EOPNOTSUPP) : alloc_flags(dev, flags);
}
#else
static struct iommu_domain *ti_alloc_user(struct device *dev, u32 flags,
					  struct iommu_domain *parent,
					  const struct iommu_user_data *data)
{
	if (data)
		return alloc_nested(dev, parent, flags, data);
	return parent ? ERR_PTR(-EOPNOTSUPP) : alloc_flags(dev, flags);
}
#endif

/* ---- devices ---- */

static bool ti_capable(struct device *dev, enum iommu_cap cap)
{
	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
	case IOMMU_CAP_ENFORCE_CACHE_COHERENCY:
		return true;
	case IOMMU_CAP_DIRTY_TRACKING:
		return !(dev_of(dev)->flags & TI_DEV_NO_DIRTY);
	default:
		return false;
	}
}

#if TI_LINUX_7
static void *ti_hw_info(struct device *dev, u32 *length, enum iommu_hw_info_type *type)
#else
static void *ti_hw_info(struct device *dev, u32 *length, u32 *type)
#endif
{
	struct iommu_test_hw_info *info = kzalloc(sizeof(*info), GFP_KERNEL);

	if (!info)
		return ERR_PTR(-ENOMEM);
	info->test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL;
	*length = sizeof(*info);
	*type = IOMMU_HW_INFO_TYPE_SELFTEST;
	return info;
}

static struct ti_slot *slot_of(struct device *dev)
{
	struct pci_dev *pdev;
	unsigned int i;
	u32 bdf;

	if (!dev_is_pci(dev))
		return NULL;
	pdev = to_pci_dev(dev);
	bdf = pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
	for (i = 0; i < ti_nr_slots; i++) {
		if (ti_slots[i].told.bdf == bdf)
			return &ti_slots[i];
	}
	return NULL;
}

static struct iommu_device *ti_probe(struct device *dev)
{
	struct ti_slot *slot;
	struct ti_dev *d;

	down_write(&ti_table);
	slot = slot_of(dev);
	if (!slot || slot->dev) {
		up_write(&ti_table);
		return ERR_PTR(-ENODEV);
	}
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d) {
		up_write(&ti_table);
		return ERR_PTR(-ENOMEM);
	}
	d->dev = dev;
	d->index = slot - ti_slots;
	d->flags = slot->told.flags;
	init_rwsem(&d->iopf);
	rwlock_init(&d->access);
	xa_init(&d->pasids);
	xa_init(&d->open);
	dev_iommu_priv_set(dev, d);
	slot->dev = d;
	up_write(&ti_table);
	return &ti_iommu;
}

/* The kernel computes it from the PASID capability, which these have not. */
static void ti_probe_finalize(struct device *dev)
{
	dev->iommu->max_pasids = ti_slots[dev_of(dev)->index].told.max_pasids;
}

static void ti_release(struct device *dev)
{
	struct ti_dev *d = dev_of(dev);

	down_write(&ti_table);
	ti_slots[d->index].dev = NULL;
	up_write(&ti_table);
	/* The driver has let go of all before its device is released. */
	WARN_ON(d->rid || !xa_empty(&d->pasids) || d->nr_iopf || ti_any_open(d));
	xa_destroy(&d->pasids);
	xa_destroy(&d->open);
	kfree(d);
}

/* The group of another device that is there and shall share it, or a new one. */
static struct iommu_group *ti_device_group(struct device *dev)
{
	struct ti_dev *d = dev_of(dev);
	struct iommu_group *group = NULL;
	unsigned int i;

	down_read(&ti_table);
	for (i = 0; i < ti_nr_slots && !group; i++) {
		if (ti_slots[i].dev && ti_slots[i].dev != d &&
		    ti_slots[i].told.group == ti_slots[d->index].told.group)
			group = iommu_group_get(ti_slots[i].dev->dev);
	}
	up_read(&ti_table);
	return group ?: iommu_group_alloc();
}

static int ti_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static void ti_get_resv_regions(struct device *dev, struct list_head *list)
{
	struct iommu_resv_region *region;

	region = iommu_alloc_resv_region(0xfee00000, SZ_1M, 0, IOMMU_RESV_MSI, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, list);
	region = iommu_alloc_resv_region(TI_RESV_START, TI_RESV_LAST - TI_RESV_START + 1, 0,
					 IOMMU_RESV_RESERVED, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, list);
	region = iommu_alloc_resv_region(TI_RELAX_START, SZ_64K, PROT, IOMMU_RESV_DIRECT_RELAXABLE,
					 GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, list);
	if (!(dev_of(dev)->flags & TI_DEV_MSI))
		return;
	region = iommu_alloc_resv_region(TI_MSI_START, SZ_1M, PROT, IOMMU_RESV_SW_MSI, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, list);
}

#if !TI_LINUX_7
static int ti_enable(struct device *dev, enum iommu_dev_features feature)
{
	return feature == IOMMU_DEV_FEAT_IOPF ? ti_iopf_get(dev_of(dev)) : -EOPNOTSUPP;
}

static int ti_disable(struct device *dev, enum iommu_dev_features feature)
{
	ti_iopf_put(dev_of(dev));
	return 0;
}
#endif

static const struct iommu_ops ti_ops = {
	.owner = THIS_MODULE,
	.capable = ti_capable,
	.hw_info = ti_hw_info,
	.blocked_domain = &blocked,
	.identity_domain = &identity,
	.release_domain = &blocked,
	.domain_alloc_paging = alloc_paging,
	.probe_device = ti_probe,
	.probe_finalize = ti_probe_finalize,
	.release_device = ti_release,
	.device_group = ti_device_group,
	.def_domain_type = ti_def_domain_type,
	.get_resv_regions = ti_get_resv_regions,
	.page_response = ti_page_response,
	.default_domain_ops = &paging_ops,
#if TI_LINUX_7
	.domain_alloc_paging_flags = ti_alloc_paging_flags,
	.domain_alloc_nested = alloc_nested,
#else
	.domain_alloc_user = ti_alloc_user,
	.dev_enable_feat = ti_enable,
	.dev_disable_feat = ti_disable,
	.remove_dev_pasid = remove_pasid_dev,
	.pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G,
#endif
};

int ti_register(void)
{
	int rc;

	memset(&ti_iommu, 0, sizeof(ti_iommu));
	ti_iommu.max_pasids = 1 << 20;
	rc = iommu_device_sysfs_add(&ti_iommu, NULL, NULL, "testiommu");
	if (rc)
		return rc;
	rc = iommu_device_register(&ti_iommu, &ti_ops, NULL);
	if (rc)
		iommu_device_sysfs_remove(&ti_iommu);
	return rc;
}

void ti_unregister(void)
{
	iommu_device_unregister(&ti_iommu);
	iommu_device_sysfs_remove(&ti_iommu);
}
