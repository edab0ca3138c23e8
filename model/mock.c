// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mock.c - the driver of the mock device.
 *
 * A mock device moves no data: it only sends page requests, by a test ioctl,
 * and counts the answers. Its paging domains are tables from I/O page to
 * physical address, so that a test can query what is mapped. An I/O page is
 * half a CPU page, so that code which confuses the two fails. Its nested
 * domains are four words that represent a cache.
 *
 * Locks: iof_mock_domain.lock, inside of the core's, guards the tables of a
 * domain, and is held for one table at a time. The core serialises attach() for
 * a device and map/unmap of one range; the other state is an xarray and single
 * words.
 */
#include "mock.h"

static const struct iof_driver_ops mock_driver_ops;

/* ---- paging domains ---- */

/*
 * An entry holds the physical address in units of I/O pages, above these bits;
 * 0: not mapped. A large page has an entry at its first I/O page only.
 */
#define ENTRY_PRESENT BIT(0)
#define ENTRY_LARGE   BIT(1)
#define ENTRY_DIRTY   BIT(2)
#define ENTRY_SHIFT   3

/* So many entries that a table is one CPU page. */
#define TABLE_ENTRIES 511

/* Entries of consecutive I/O pages. */
struct iof_mock_table {
	unsigned long used; /* entries that are present */
	u64 entry[TABLE_ENTRIES];
};
static_assert(sizeof(struct iof_mock_table) == 4096);

static u64 mock_entry(phys_addr_t pa, bool large)
{
	return (pa / MOCK_PAGE_SIZE) << ENTRY_SHIFT |
	       (large ? ENTRY_LARGE : 0) | ENTRY_PRESENT;
}

static phys_addr_t mock_entry_pa(u64 entry)
{
	return (phys_addr_t)(entry >> ENTRY_SHIFT) * MOCK_PAGE_SIZE;
}

static unsigned long mock_entry_size(u64 entry)
{
	return entry & ENTRY_LARGE ? MOCK_HUGE_PAGE_SIZE : MOCK_PAGE_SIZE;
}

static struct iof_mock_domain *to_paging(struct iof_domain *domain)
{
	return container_of(domain, struct iof_mock_domain, domain);
}

/* The entry of the I/O page @index, 0 if it is not mapped. Under the lock. */
static u64 mock_find(struct iof_mock_domain *md, unsigned long index)
{
	struct iof_mock_table *table =
		xa_load(&md->tables, index / TABLE_ENTRIES);

	return table ? table->entry[index % TABLE_ENTRIES] : 0;
}

/* The table number @nr; allocated if there is none. Under the lock. */
static struct iof_mock_table *mock_get_table(struct iof_mock_domain *md,
					     unsigned long nr)
{
	struct iof_mock_table *table = xa_load(&md->tables, nr);
	int rc;

	if (table)
		return table;
	table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);
	rc = xa_err(xa_store(&md->tables, nr, table, GFP_KERNEL_ACCOUNT));
	if (!rc)
		return table;
	kfree(table);
	return ERR_PTR(rc);
}

/*
 * Table number @nr is empty. It is kept for the next map, and removed when
 * another one is empty. Under the lock.
 */
static void mock_keep_empty(struct iof_mock_domain *md, unsigned long nr)
{
	struct iof_mock_table *before = xa_load(&md->tables, md->empty);

	if (before && !before->used && md->empty != nr) {
		xa_erase(&md->tables, md->empty);
		kfree(before);
	}
	md->empty = nr;
}

static void mock_clear(struct iof_mock_table *table, unsigned int from,
		       unsigned int to)
{
	for (; from <= to; from++) {
		table->used -= table->entry[from] & ENTRY_PRESENT;
		table->entry[from] = 0;
	}
}

/*
 * Tables from number @nr up to @last, in order: the next one and its number in
 * @nr, or NULL. The lock is held while the caller works on it, and dropped in
 * between. Begins with @table NULL.
 */
static struct iof_mock_table *mock_next_table(struct iof_mock_domain *md,
					      struct iof_mock_table *table,
					      unsigned long *nr,
					      unsigned long last)
{
	if (table) {
		mutex_unlock(&md->lock);
		cond_resched();
		if ((*nr)++ == last)
			return NULL;
	}
	mutex_lock(&md->lock);
	table = xa_find(&md->tables, nr, last, XA_PRESENT);
	if (!table)
		mutex_unlock(&md->lock);
	return table;
}

/* The entries of table number @nr that are in [first, last]. */
static unsigned int mock_from(unsigned long nr, unsigned long first)
{
	return nr == first / TABLE_ENTRIES ? first % TABLE_ENTRIES : 0;
}

static unsigned int mock_to(unsigned long nr, unsigned long last)
{
	return nr == last / TABLE_ENTRIES ? last % TABLE_ENTRIES :
					    TABLE_ENTRIES - 1;
}

static void mock_unmap(struct iof_domain *domain, unsigned long iova,
		       size_t size)
{
	struct iof_mock_domain *md = to_paging(domain);
	unsigned long first = iova / MOCK_PAGE_SIZE;
	unsigned long last = (iova + size - 1) / MOCK_PAGE_SIZE;
	unsigned long nr = first / TABLE_ENTRIES;
	struct iof_mock_table *table = NULL;

	if (!size)
		return;
	while ((table = mock_next_table(md, table, &nr,
					last / TABLE_ENTRIES))) {
		mock_clear(table, mock_from(nr, first), mock_to(nr, last));
		if (!table->used)
			mock_keep_empty(md, nr);
	}
}

/* Maps what is in one table, from @done on; returns the new @done. */
static size_t mock_map_table(struct iof_mock_domain *md,
			     struct iof_mock_table *table, unsigned long iova,
			     phys_addr_t pa, size_t size, size_t done)
{
	unsigned long nr = (iova + done) / MOCK_PAGE_SIZE / TABLE_ENTRIES;

	while (done < size) {
		unsigned long index = (iova + done) / MOCK_PAGE_SIZE;
		bool large;

		if (index >= (nr + 1) * TABLE_ENTRIES)
			break;
		large = md->huge && size - done >= MOCK_HUGE_PAGE_SIZE &&
			!((iova + done) % MOCK_HUGE_PAGE_SIZE) &&
			!((pa + done) % MOCK_HUGE_PAGE_SIZE);
		table->used += !table->entry[index - nr * TABLE_ENTRIES];
		table->entry[index - nr * TABLE_ENTRIES] =
			mock_entry(pa + done, large);
		done += large ? MOCK_HUGE_PAGE_SIZE : MOCK_PAGE_SIZE;
	}
	return done;
}

static int mock_map(struct iof_domain *domain, unsigned long iova,
		    phys_addr_t pa, size_t size, unsigned int prot)
{
	struct iof_mock_domain *md = to_paging(domain);
	struct iof_mock_table *table;
	size_t done = 0;

	if (!prot || !IS_ALIGNED(iova | pa | size,
				 1ul << __ffs(md->domain.pgsize_bitmap)))
		return -EINVAL;

	while (done < size) {
		mutex_lock(&md->lock);
		table = mock_get_table(md, (iova + done) / MOCK_PAGE_SIZE /
						   TABLE_ENTRIES);
		if (!IS_ERR(table))
			done = mock_map_table(md, table, iova, pa, size, done);
		mutex_unlock(&md->lock);
		if (IS_ERR(table)) {
			mock_unmap(domain, iova, done);
			return PTR_ERR(table);
		}
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
	unsigned long head = ALIGN_DOWN(iova, MOCK_HUGE_PAGE_SIZE);
	u64 entry, large = 0;

	mutex_lock(&md->lock);
	entry = mock_find(md, iova / MOCK_PAGE_SIZE);
	if (!entry && md->huge)
		large = mock_find(md, head / MOCK_PAGE_SIZE);
	mutex_unlock(&md->lock);
	if (entry)
		return mock_entry_pa(entry) + iova % mock_entry_size(entry);
	if (large & ENTRY_LARGE)
		return mock_entry_pa(large) + iova % MOCK_HUGE_PAGE_SIZE;
	return (phys_addr_t)-1;
}

/* Returns the index of the leaf that maps @iova, if there is one. */
static unsigned long mock_leaf_index(struct iof_mock_domain *md,
				     unsigned long iova)
{
	unsigned long head =
		ALIGN_DOWN(iova, MOCK_HUGE_PAGE_SIZE) / MOCK_PAGE_SIZE;
	u64 entry;

	if (!md->huge)
		return iova / MOCK_PAGE_SIZE;
	mutex_lock(&md->lock);
	entry = mock_find(md, head);
	mutex_unlock(&md->lock);
	return entry & ENTRY_LARGE ? head : iova / MOCK_PAGE_SIZE;
}

void iof_mock_write(struct iof_mock_domain *md, unsigned long iova,
		    unsigned long last)
{
	unsigned long first = mock_leaf_index(md, iova);
	unsigned long nr = first / TABLE_ENTRIES;
	struct iof_mock_table *table = NULL;
	unsigned int i;

	last /= MOCK_PAGE_SIZE;
	while ((table = mock_next_table(md, table, &nr,
					last / TABLE_ENTRIES))) {
		for (i = mock_from(nr, first); i <= mock_to(nr, last); i++) {
			if (table->entry[i])
				table->entry[i] |= ENTRY_DIRTY;
		}
	}
}

static int mock_set_dirty_tracking(struct iof_domain *domain, bool on)
{
	struct iof_mock_domain *md = to_paging(domain);
	struct iof_mock_table *table = NULL;
	unsigned long nr = 0;
	unsigned int i;

	while (on && (table = mock_next_table(md, table, &nr, ULONG_MAX))) {
		for (i = 0; i < TABLE_ENTRIES; i++)
			table->entry[i] &= ~(u64)ENTRY_DIRTY;
		/* Earlier dirty bits count only if tracking was on before. */
		if (!md->tracking && fatal_signal_pending(current)) {
			mutex_unlock(&md->lock);
			return -EINTR;
		}
	}
	WRITE_ONCE(md->tracking, on);
	return 0;
}

static void mock_read_dirty(struct iof_domain *domain, unsigned long iova,
			    unsigned long last, struct iof_dirty *dirty)
{
	struct iof_mock_domain *md = to_paging(domain);
	struct iof_mock_table *table = NULL;
	unsigned long first, nr;
	unsigned int i;

	if (!READ_ONCE(md->tracking))
		return;
	first = mock_leaf_index(md, iova);
	nr = first / TABLE_ENTRIES;
	last /= MOCK_PAGE_SIZE;
	while ((table = mock_next_table(md, table, &nr,
					last / TABLE_ENTRIES))) {
		for (i = mock_from(nr, first); i <= mock_to(nr, last); i++) {
			u64 entry = table->entry[i];
			unsigned long start =
				(nr * TABLE_ENTRIES + i) * MOCK_PAGE_SIZE;

			if (entry & ENTRY_DIRTY &&
			    iof_dirty_found(dirty, start,
					    start + mock_entry_size(entry) - 1))
				table->entry[i] &= ~(u64)ENTRY_DIRTY;
		}
	}
}

static void mock_free(struct iof_domain *domain)
{
	struct iof_mock_domain *md = to_paging(domain);
	struct iof_mock_table *table;
	unsigned long nr;

	xa_for_each(&md->tables, nr, table) {
		kfree(table);
		cond_resched();
	}
	xa_destroy(&md->tables);
	mutex_destroy(&md->lock);
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
	mutex_init(&md->lock);
	xa_init_flags(&md->tables, XA_FLAGS_ACCOUNT);
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
