// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * noiommu.c - devices without IOMMU: their domains, and the memory that they
 * can reach.
 *
 * Such a device does DMA to physical addresses, as they come from
 * IOMMU_IOAS_NOIOMMU_GET_PA. Real hardware would reach all memory. This model
 * reaches only the pages that its own domain holds, with the rights of their
 * mappings: an access to another address fails like one with no memory behind
 * it. So a wrong address in a descriptor damages nothing.
 *
 * A domain has two sets: @held, IOVA page -> frame number and rights, and
 * @frames, frame number -> number of readable and writable mappings. Engines
 * look frames up without a lock, in an IOTLB read section. A change holds
 * frames_lock. sync() ends the use of frames that were taken out.
 */
#include "model.h"

/* An entry of @held: rights in the lowest bits, the frame number above. */
#define HELD_PROT_BITS 2

/* An entry of @frames: readable mappings, and above these writable ones. */
#define FRAME_COUNT_BITS 31
#define FRAME_COUNT_MAX	 (BIT(FRAME_COUNT_BITS) - 1)

static unsigned long readers(unsigned long frame)
{
	return frame & FRAME_COUNT_MAX;
}

static unsigned long writers(unsigned long frame)
{
	return frame >> FRAME_COUNT_BITS;
}

/* What a mapping with @prot adds to an entry of @frames. */
static unsigned long count_of(unsigned int prot)
{
	return (prot & IOF_PROT_READ ? 1ul : 0ul) |
	       (prot & IOF_PROT_WRITE ? BIT(FRAME_COUNT_BITS) : 0ul);
}

static unsigned long find_frame(struct iof_mdomain *mdom, unsigned long pfn)
{
	void *entry = xa_load(&mdom->frames, pfn);

	return entry ? xa_to_value(entry) : 0;
}

static int hold_page(struct iof_mdomain *mdom, unsigned long page,
		     unsigned long pfn, unsigned int prot)
{
	unsigned long frame = find_frame(mdom, pfn);
	int rc;

	lockdep_assert_held(&mdom->frames_lock);
	if (readers(frame) == FRAME_COUNT_MAX ||
	    writers(frame) == FRAME_COUNT_MAX)
		return -ENOMEM;
	rc = xa_err(xa_store(&mdom->held, page,
			     xa_mk_value(pfn << HELD_PROT_BITS | prot),
			     GFP_KERNEL_ACCOUNT));
	if (rc)
		return rc;
	rc = xa_err(xa_store(&mdom->frames, pfn,
			     xa_mk_value(frame + count_of(prot)),
			     GFP_KERNEL_ACCOUNT));
	if (rc)
		xa_erase(&mdom->held, page);
	return rc;
}

static void drop_page(struct iof_mdomain *mdom, unsigned long page)
{
	void *entry = xa_erase(&mdom->held, page);
	unsigned long value, pfn, frame;

	lockdep_assert_held(&mdom->frames_lock);
	if (!entry)
		return;
	value = xa_to_value(entry);
	pfn = value >> HELD_PROT_BITS;
	frame = find_frame(mdom, pfn) -
		count_of(value & (BIT(HELD_PROT_BITS) - 1));
	if (!frame)
		xa_erase(&mdom->frames, pfn);
	else
		/* Storing over an entry needs no memory. */
		xa_store(&mdom->frames, pfn, xa_mk_value(frame),
			 GFP_KERNEL_ACCOUNT);
}

static void physical_unmap(struct iof_domain *domain, unsigned long iova,
			   size_t size)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);
	unsigned long page = iova >> PAGE_SHIFT, left = size >> PAGE_SHIFT;

	mutex_lock(&mdom->frames_lock);
	for (; left; left--) {
		drop_page(mdom, page++);
		cond_resched();
	}
	mutex_unlock(&mdom->frames_lock);
}

static void physical_sync(struct iof_domain *domain, unsigned long iova,
			  unsigned long last)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);
	struct iof_domain_use *use;

	/* Cached by physical address, which may be anywhere. */
	mutex_lock(&mdom->lock);
	iof_domain_drop_all(mdom);
	list_for_each_entry(use, &mdom->uses, node)
		iof_mdev_drain(use->mdev);
	mutex_unlock(&mdom->lock);
}

static int physical_map(struct iof_domain *domain, unsigned long iova,
			phys_addr_t pa, size_t size, unsigned int prot)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);
	size_t done = 0;
	int rc = 0;

	mutex_lock(&mdom->frames_lock);
	while (done < size) {
		rc = fatal_signal_pending(current) ? -EINTR : 0;
		if (!rc)
			rc = hold_page(mdom, (iova + done) >> PAGE_SHIFT,
				       (unsigned long)(pa + done) >> PAGE_SHIFT,
				       prot);
		if (rc)
			break;
		done += PAGE_SIZE;
		cond_resched();
	}
	mutex_unlock(&mdom->frames_lock);
	if (rc && done) {
		/* An engine may have used the pages already. */
		physical_unmap(domain, iova, done);
		physical_sync(domain, iova, iova + done - 1);
	}
	return rc;
}

static phys_addr_t physical_iova_to_phys(struct iof_domain *domain,
					 unsigned long iova)
{
	void *entry =
		xa_load(&iof_mdomain_of(domain)->held, iova >> PAGE_SHIFT);

	if (!entry)
		return (phys_addr_t)-1;
	return ((phys_addr_t)(xa_to_value(entry) >> HELD_PROT_BITS)
		<< PAGE_SHIFT) |
	       offset_in_page(iova);
}

static void physical_free(struct iof_domain *domain)
{
	struct iof_mdomain *mdom = iof_mdomain_of(domain);

	WARN_ON(!xa_empty(&mdom->held) || !xa_empty(&mdom->frames));
	xa_destroy(&mdom->held);
	xa_destroy(&mdom->frames);
	mutex_destroy(&mdom->frames_lock);
	iof_mdomain_free(mdom);
}

static const struct iof_domain_ops domain_ops = {
	.map = physical_map,
	.unmap = physical_unmap,
	.sync = physical_sync,
	.iova_to_phys = physical_iova_to_phys,
	.free = physical_free,
};

enum iof_xlate_result iof_physical_walk(struct iof_mdomain *mdom, u64 pa,
					u32 access, struct iof_leaf *leaf)
{
	unsigned long frame =
		find_frame(mdom, (unsigned long)(pa >> PAGE_SHIFT));

	/* A page request could not help: the address is the device's own. */
	if (!(access & IOF_ACCESS_WRITE ? writers(frame) : readers(frame)))
		return IOF_XLATE_ERROR;
	*leaf = (struct iof_leaf){
		.pa = pa,
		.shift = 12,
		.read = readers(frame),
		.write = writers(frame),
		.user = true,
	};
	return IOF_XLATE_OK;
}

static bool no_ability(struct iof_hwdev *dev, enum iof_cap cap)
{
	return false;
}

static struct iof_domain *alloc_paging(struct iof_hwdev *dev, u32 flags,
				       const struct iof_user_data *data)
{
	struct iof_mdomain *mdom =
		iof_mdomain_new(dev, IOF_DOMAIN_PAGING, &domain_ops);

	if (!mdom)
		return ERR_PTR(-ENOMEM);
	mutex_init(&mdom->frames_lock);
	xa_init_flags(&mdom->held, XA_FLAGS_ACCOUNT);
	xa_init_flags(&mdom->frames, XA_FLAGS_ACCOUNT);
	mdom->domain.pgsize_bitmap = PAGE_SIZE;
	mdom->domain.aperture_start = 0;
	mdom->domain.aperture_last = ULONG_MAX;
	return &mdom->domain;
}

const struct iof_driver_ops iof_model_no_iommu_ops = {
	.no_iommu = true,
	.capable = no_ability,
	.alloc_paging = alloc_paging,
	.attach = iof_model_attach,
	.page_responses = iof_model_page_responses,
};
