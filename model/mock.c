// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mock.c - the driver of the mock device.
 *
 * A mock device moves no data: it only sends page requests, by a test ioctl,
 * and counts the answers. Its paging domains are an index from I/O page to
 * physical address, so that a test can query what is mapped. An I/O page is
 * half a CPU page, so that code which confuses the two fails. Its nested
 * domains are four words that represent a cache.
 *
 * This file has no locks of its own. The core serialises attach() for a device
 * and map/unmap of one range; the other state is xarrays and single words.
 */
#include "mock.h"

static const struct iof_driver_ops mock_driver_ops;

/* ---- paging domains ---- */

/*
 * An entry holds the physical address in units of I/O pages, above these bits.
 * A large page has an entry at its first I/O page only.
 */
#define ENTRY_LARGE BIT(0)
#define ENTRY_DIRTY BIT(1)
#define ENTRY_SHIFT 2

static void *mock_entry(phys_addr_t pa, bool large)
{
	return xa_mk_value((pa / MOCK_PAGE_SIZE) << ENTRY_SHIFT |
			   (large ? ENTRY_LARGE : 0));
}

static phys_addr_t mock_entry_pa(void *entry)
{
	return (phys_addr_t)(xa_to_value(entry) >> ENTRY_SHIFT) *
	       MOCK_PAGE_SIZE;
}

static bool mock_entry_large(void *entry)
{
	return xa_to_value(entry) & ENTRY_LARGE;
}

static bool mock_entry_dirty(void *entry)
{
	return xa_to_value(entry) & ENTRY_DIRTY;
}

static unsigned long mock_entry_size(void *entry)
{
	return mock_entry_large(entry) ? MOCK_HUGE_PAGE_SIZE : MOCK_PAGE_SIZE;
}

static struct iof_mock_domain *to_paging(struct iof_domain *domain)
{
	return container_of(domain, struct iof_mock_domain, domain);
}

static void mock_unmap(struct iof_domain *domain, unsigned long iova,
		       size_t size)
{
	struct iof_mock_domain *md = to_paging(domain);
	unsigned long first = iova / MOCK_PAGE_SIZE;
	unsigned long last = (iova + size - 1) / MOCK_PAGE_SIZE;
	unsigned long index;
	void *entry;

	if (!size)
		return;
	xa_for_each_range(&md->entries, index, entry, first, last) {
		xa_erase(&md->entries, index);
		cond_resched();
	}
}

static int mock_map(struct iof_domain *domain, unsigned long iova,
		    phys_addr_t pa, size_t size, unsigned int prot)
{
	struct iof_mock_domain *md = to_paging(domain);
	size_t done = 0;

	if (!prot || !IS_ALIGNED(iova | pa | size,
				 1ul << __ffs(md->domain.pgsize_bitmap)))
		return -EINVAL;

	while (done < size) {
		bool large = md->huge && size - done >= MOCK_HUGE_PAGE_SIZE &&
			     !((iova + done) % MOCK_HUGE_PAGE_SIZE) &&
			     !((pa + done) % MOCK_HUGE_PAGE_SIZE);
		int rc = xa_err(xa_store(
			&md->entries, (iova + done) / MOCK_PAGE_SIZE,
			mock_entry(pa + done, large), GFP_KERNEL_ACCOUNT));

		if (rc) {
			mock_unmap(domain, iova, done);
			return rc;
		}
		done += large ? MOCK_HUGE_PAGE_SIZE : MOCK_PAGE_SIZE;
		cond_resched();
	}
	return 0;
}

/* Does nothing: the mock has no cache and no DMA. */
static void mock_sync(struct iof_domain *domain, unsigned long iova,
		      unsigned long last)
{
}

static phys_addr_t mock_iova_to_phys(struct iof_domain *domain,
				     unsigned long iova)
{
	struct iof_mock_domain *md = to_paging(domain);
	void *entry = xa_load(&md->entries, iova / MOCK_PAGE_SIZE);

	if (entry)
		return mock_entry_pa(entry) + iova % mock_entry_size(entry);
	if (!md->huge)
		return (phys_addr_t)-1;
	entry = xa_load(&md->entries,
			ALIGN_DOWN(iova, MOCK_HUGE_PAGE_SIZE) / MOCK_PAGE_SIZE);
	if (!entry || !mock_entry_large(entry))
		return (phys_addr_t)-1;
	return mock_entry_pa(entry) + iova % MOCK_HUGE_PAGE_SIZE;
}

/* Returns the index of the leaf that maps @iova, if there is one. */
static unsigned long mock_leaf_index(struct iof_mock_domain *md,
				     unsigned long iova)
{
	unsigned long head =
		ALIGN_DOWN(iova, MOCK_HUGE_PAGE_SIZE) / MOCK_PAGE_SIZE;
	void *entry = md->huge ? xa_load(&md->entries, head) : NULL;

	return entry && mock_entry_large(entry) ? head : iova / MOCK_PAGE_SIZE;
}

/*
 * An entry unmapped at the same time stays unmapped; overwriting an existing
 * entry needs no memory.
 */
static void mock_set_dirty(struct iof_mock_domain *md, unsigned long index,
			   void *entry, bool dirty)
{
	unsigned long value = xa_to_value(entry) & ~ENTRY_DIRTY;

	xa_cmpxchg(&md->entries, index, entry,
		   xa_mk_value(value | (dirty ? ENTRY_DIRTY : 0)),
		   GFP_KERNEL_ACCOUNT);
}

void iof_mock_write(struct iof_mock_domain *md, unsigned long iova,
		    unsigned long last)
{
	unsigned long index;
	void *entry;

	xa_for_each_range(&md->entries, index, entry, mock_leaf_index(md, iova),
			  last / MOCK_PAGE_SIZE) {
		mock_set_dirty(md, index, entry, true);
		cond_resched();
	}
}

static int mock_set_dirty_tracking(struct iof_domain *domain, bool on)
{
	struct iof_mock_domain *md = to_paging(domain);
	unsigned long index;
	void *entry;

	if (on) {
		xa_for_each(&md->entries, index, entry) {
			mock_set_dirty(md, index, entry, false);
			/*
			 * Earlier dirty bits count only if tracking was on
			 * before.
			 */
			if (!md->tracking && fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
		}
	}
	WRITE_ONCE(md->tracking, on);
	return 0;
}

static void mock_read_dirty(struct iof_domain *domain, unsigned long iova,
			    unsigned long last, struct iof_dirty *dirty)
{
	struct iof_mock_domain *md = to_paging(domain);
	unsigned long index;
	void *entry;

	if (!READ_ONCE(md->tracking))
		return;
	xa_for_each_range(&md->entries, index, entry, mock_leaf_index(md, iova),
			  last / MOCK_PAGE_SIZE) {
		unsigned long start = index * MOCK_PAGE_SIZE;

		if (mock_entry_dirty(entry) &&
		    iof_dirty_found(dirty, start,
				    start + mock_entry_size(entry) - 1))
			mock_set_dirty(md, index, entry, false);
		cond_resched();
	}
}

static void mock_free(struct iof_domain *domain)
{
	struct iof_mock_domain *md = to_paging(domain);

	xa_destroy(&md->entries);
	kfree(md);
}

static const struct iof_domain_ops mock_paging_ops = {
	.map = mock_map,
	.unmap = mock_unmap,
	.sync = mock_sync,
	.iova_to_phys = mock_iova_to_phys,
	.set_dirty_tracking = mock_set_dirty_tracking,
	.read_dirty = mock_read_dirty,
	.free = mock_free,
};

/* Returns the format that the user requests: 0, or MOCK_IOMMUPT_HUGE. */
static int mock_format(const struct iof_user_data *data)
{
	struct iommu_hwpt_selftest blob;
	int rc;

	if (!data)
		return MOCK_IOMMUPT_DEFAULT;
	rc = iof_copy_user_data(&blob, data, IOMMU_HWPT_DATA_SELFTEST,
				offsetofend(struct iommu_hwpt_selftest, iotlb),
				sizeof(blob));
	if (rc)
		return rc;
	if (blob.pagetable_type > MOCK_IOMMUPT_HUGE)
		return -EOPNOTSUPP;
	return blob.pagetable_type;
}

static struct iof_domain *mock_alloc_paging(struct iof_hwdev *dev, u32 flags,
					    const struct iof_user_data *data)
{
	struct iof_mock_device *mock =
		container_of(dev, struct iof_mock_device, hw);
	struct iof_mock_domain *md;
	int format;

	if (flags & ~(IOMMU_HWPT_ALLOC_NEST_PARENT |
		      IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_PASID))
		return ERR_PTR(-EOPNOTSUPP);
	format = mock_format(data);
	if (format < 0)
		return ERR_PTR(format);
	md = kzalloc(sizeof(*md), GFP_KERNEL_ACCOUNT);
	if (!md)
		return ERR_PTR(-ENOMEM);
	xa_init_flags(&md->entries, XA_FLAGS_ACCOUNT);
	md->can_track = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	md->domain.ops = &mock_paging_ops;
	md->domain.driver = &mock_driver_ops;
	md->domain.type = IOF_DOMAIN_PAGING;
	if (format == MOCK_IOMMUPT_HUGE) {
		md->huge = true;
		md->domain.pgsize_bitmap = 2 * MOCK_PAGE_SIZE |
					   MOCK_HUGE_PAGE_SIZE;
		md->domain.aperture_start = 0;
		md->domain.aperture_last = ULONG_MAX;
	} else {
		md->huge = mock->flags & MOCK_FLAGS_DEVICE_HUGE_IOVA;
		md->domain.pgsize_bitmap = MOCK_PAGE_SIZE |
					   (md->huge ? MOCK_HUGE_PAGE_SIZE : 0);
		md->domain.aperture_start = MOCK_APERTURE_START;
		md->domain.aperture_last = MOCK_APERTURE_LAST;
	}
	return &md->domain;
}

struct iof_mock_domain *iof_mock_paging_of(struct iof_domain *domain)
{
	return domain->ops == &mock_paging_ops ? to_paging(domain) : NULL;
}

/* ---- nested domains ---- */

static struct iof_mock_nested *to_nested(struct iof_domain *domain)
{
	return container_of(domain, struct iof_mock_nested, domain);
}

static int mock_invalidate_one(struct iof_mock_nested *mn,
			       const struct iof_user_array *array, u32 index)
{
	struct iommu_hwpt_invalidate_selftest inv;
	int rc;
	u32 i;

	rc = iof_copy_user_array_entry(&inv, array,
				       IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
				       index, sizeof(inv), sizeof(inv));
	if (rc)
		return rc;
	if (inv.flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (inv.iotlb_id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX)
		return -EINVAL;
	for (i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		if (i == inv.iotlb_id ||
		    inv.flags & IOMMU_TEST_INVALIDATE_FLAG_ALL)
			WRITE_ONCE(mn->iotlb[i], 0);
	return 0;
}

static int mock_invalidate(struct iof_domain *domain,
			   const struct iof_user_array *array, u32 *done)
{
	u32 i;
	int rc;

	*done = 0;
	if (array->type != IOMMU_HWPT_INVALIDATE_DATA_SELFTEST)
		return -EINVAL;
	/*
	 * The tests expect that a longer entry is refused, even if its tail is
	 * zero.
	 */
	if (array->entry_num &&
	    array->entry_len != sizeof(struct iommu_hwpt_invalidate_selftest))
		return -EINVAL;
	for (i = 0; i < array->entry_num; i++) {
		rc = mock_invalidate_one(to_nested(domain), array, i);
		if (rc)
			return rc;
		*done = i + 1;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void mock_nested_free(struct iof_domain *domain)
{
	kfree(to_nested(domain));
}

static const struct iof_domain_ops mock_nested_ops = {
	.invalidate = mock_invalidate,
	.free = mock_nested_free,
};

static struct iof_domain *mock_alloc_nested(struct iof_hwdev *dev,
					    struct iof_domain *parent,
					    u32 flags,
					    const struct iof_user_data *data)
{
	struct iommu_hwpt_selftest blob;
	struct iof_mock_nested *mn;
	int rc, i;

	if (flags & ~IOMMU_HWPT_ALLOC_PASID || !data)
		return ERR_PTR(-EOPNOTSUPP);
	rc = iof_copy_user_data(&blob, data, IOMMU_HWPT_DATA_SELFTEST,
				offsetofend(struct iommu_hwpt_selftest, iotlb),
				sizeof(blob));
	if (rc)
		return ERR_PTR(rc);
	if (!iof_mock_paging_of(parent))
		return ERR_PTR(-EINVAL);
	mn = kzalloc(sizeof(*mn), GFP_KERNEL_ACCOUNT);
	if (!mn)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		mn->iotlb[i] = blob.iotlb;
	mn->domain.ops = &mock_nested_ops;
	mn->domain.driver = &mock_driver_ops;
	mn->domain.type = IOF_DOMAIN_NESTED;
	return &mn->domain;
}

struct iof_mock_nested *iof_mock_nested_of(struct iof_domain *domain)
{
	return domain->ops == &mock_nested_ops ? to_nested(domain) : NULL;
}

/* ---- the device ---- */

static bool mock_capable(struct iof_hwdev *dev, enum iof_cap cap)
{
	struct iof_mock_device *mock =
		container_of(dev, struct iof_mock_device, hw);

	if (cap == IOF_CAP_DIRTY_TRACKING)
		return !(mock->flags & MOCK_FLAGS_DEVICE_NO_DIRTY);
	return cap == IOF_CAP_CACHE_COHERENCY;
}

static const void *mock_hw_info(struct iof_hwdev *dev, u32 *type, u32 *len)
{
	static const struct iommu_test_hw_info info = {
		.test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL,
	};

	if (*type != IOMMU_HW_INFO_TYPE_DEFAULT &&
	    *type != IOMMU_HW_INFO_TYPE_SELFTEST)
		return ERR_PTR(-EOPNOTSUPP);
	*type = IOMMU_HW_INFO_TYPE_SELFTEST;
	*len = sizeof(info);
	return &info;
}

/*
 * Makes a switch fail, to test its undoing: the second change of the reserved
 * PASID fails once. A detach arms the failure again.
 */
static bool mock_trapped(struct iof_mock_device *mock, u32 pasid,
			 struct iof_domain *new)
{
	if (pasid != IOMMU_TEST_PASID_RESERVED)
		return false;
	if (!new) {
		mock->trap_changes = 0;
		return false;
	}
	return ++mock->trap_changes == 2;
}

static int mock_attach(struct iof_hwdev *dev, u32 pasid, struct iof_domain *new,
		       struct iof_domain *old)
{
	struct iof_mock_device *mock =
		container_of(dev, struct iof_mock_device, hw);
	struct iof_mock_domain *md;

	if (mock_trapped(mock, pasid, new))
		return -ENOMEM;
	if (!new) {
		xa_erase(&mock->attached, pasid);
		return 0;
	}
	if (new->driver != &mock_driver_ops)
		return -EINVAL;
	md = iof_mock_paging_of(new);
	if (md && md->can_track && mock->flags & MOCK_FLAGS_DEVICE_NO_DIRTY)
		return -EINVAL;
	return xa_err(
		xa_store(&mock->attached, pasid, new, GFP_KERNEL_ACCOUNT));
}

/*
 * Does nothing: no code of the mock waits for the answer, and the core has
 * counted it.
 */
static void mock_page_responses(struct iof_hwdev *dev,
				const struct iof_page_answer *answers, u32 nr)
{
}

static const struct iof_driver_ops mock_driver_ops = {
	.capable = mock_capable,
	.hw_info = mock_hw_info,
	.alloc_paging = mock_alloc_paging,
	.alloc_nested = mock_alloc_nested,
	.attach = mock_attach,
	.page_responses = mock_page_responses,
};

struct iof_mock_device *iof_mock_of(struct iof_hwdev *dev)
{
	return dev->ops == &mock_driver_ops ?
		       container_of(dev, struct iof_mock_device, hw) :
		       NULL;
}

struct iof_mock_device *iof_mock_device_create(u32 flags, u32 credits)
{
	struct iof_mock_device *mock =
		kzalloc(sizeof(*mock), GFP_KERNEL_ACCOUNT);
	static atomic_t made;

	if (!mock)
		return NULL;
	xa_init_flags(&mock->attached, XA_FLAGS_ACCOUNT);
	mock->flags = flags;
	mock->hw.ops = &mock_driver_ops;
	snprintf(mock->name, sizeof(mock->name), "mock%u",
		 atomic_inc_return(&made) - 1);
	mock->hw.name = mock->name;
	mock->hw.credits = credits;
	mock->hw.user_pasid_table = true;
	if (flags & MOCK_FLAGS_DEVICE_PASID)
		mock->hw.max_pasids = 1u << MOCK_PASID_WIDTH;
	if (iof_hwdev_register(&mock->hw, NULL)) {
		xa_destroy(&mock->attached);
		kfree(mock);
		return NULL;
	}
	return mock;
}

void iof_mock_device_destroy(struct iof_mock_device *mock)
{
	iof_hwdev_unregister(&mock->hw);
	WARN_ON(!xa_empty(&mock->attached));
	xa_destroy(&mock->attached);
	kfree(mock);
}
