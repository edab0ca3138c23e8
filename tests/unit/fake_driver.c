// SPDX-License-Identifier: MIT
/*
 * fake_driver.c - the functions of fake_driver.h.
 *
 * A device refuses in attach() what the test told it to refuse. It accepts all else, and checks it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fake_driver.h"

#define CHECK(cond)                                                                               \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: the core broke a rule: %s\n", __FILE__, __LINE__, \
				#cond);                                                           \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

static atomic_t live_domains;

static struct fake_dev *to_fake(struct iof_hwdev *hw)
{
	return container_of(hw, struct fake_dev, hw);
}

/* ---- domains ---- */

void (*fake_on_map)(struct iof_domain *domain);

static int fake_map(struct iof_domain *domain, unsigned long iova, phys_addr_t pa, size_t size,
		    unsigned int prot)
{
	struct fake_domain *fd = to_fake_domain(domain);
	unsigned long i, n = size >> 12;
	int rc = 0;

	if (fake_on_map)
		fake_on_map(domain);
	might_sleep();
	CHECK(!(iova & 0xfff) && !(pa & 0xfff) && !(size & 0xfff) && size);
	CHECK(prot && !(prot & ~(IOF_PROT_READ | IOF_PROT_WRITE)));
	CHECK(iova >= domain->aperture_start && iova + (size - 1) <= domain->aperture_last);
	mutex_lock(&fd->lock);
	for (i = 0; i < n && !rc; i++) {
		CHECK(!xa_load(&fd->pages, (iova >> 12) + i));
		rc = xa_err(xa_store(&fd->pages, (iova >> 12) + i, xa_mk_value((pa >> 12) + i),
				     GFP_KERNEL));
	}
	if (rc) {
		while (i--)
			xa_erase(&fd->pages, (iova >> 12) + i);
	}
	mutex_unlock(&fd->lock);
	return rc;
}

static void fake_unmap(struct iof_domain *domain, unsigned long iova, size_t size)
{
	struct fake_domain *fd = to_fake_domain(domain);
	unsigned long i;

	might_sleep();
	CHECK(!(iova & 0xfff) && !(size & 0xfff) && size);
	mutex_lock(&fd->lock);
	for (i = 0; i < size >> 12; i++)
		xa_erase(&fd->pages, (iova >> 12) + i);
	mutex_unlock(&fd->lock);
}

static void fake_sync(struct iof_domain *domain, unsigned long iova, unsigned long last)
{
	might_sleep();
	CHECK(domain && iova <= last);
}

static phys_addr_t fake_iova_to_phys(struct iof_domain *domain, unsigned long iova)
{
	struct fake_domain *fd = to_fake_domain(domain);
	void *entry;

	mutex_lock(&fd->lock);
	entry = xa_load(&fd->pages, iova >> 12);
	mutex_unlock(&fd->lock);
	return entry ? (phys_addr_t)xa_to_value(entry) << 12 | (iova & 0xfff) : (phys_addr_t)-1;
}

static int fake_invalidate(struct iof_domain *domain, const struct iof_user_array *array, u32 *done)
{
	struct iommu_hwpt_vtd_s1_invalidate entry;
	int rc;

	might_sleep();
	if (array->type != IOMMU_HWPT_INVALIDATE_DATA_VTD_S1)
		return -EINVAL;
	for (*done = 0; *done < array->entry_num; ++*done) {
		rc = iof_copy_user_array_entry(&entry, array, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
					       *done, sizeof(entry), sizeof(entry));
		if (rc)
			return rc;
		if (entry.addr & 0xfff)
			return -EINVAL;
		atomic_inc(&to_fake_domain(domain)->invalidated);
	}
	return 0;
}

static void fake_free(struct iof_domain *domain)
{
	struct fake_domain *fd = to_fake_domain(domain);

	might_sleep();
	CHECK(!atomic_read(&fd->attached));
	CHECK(xa_empty(&fd->pages));
	xa_destroy(&fd->pages);
	mutex_destroy(&fd->lock);
	kfree(fd);
	atomic_dec(&live_domains);
}

static const struct iof_domain_ops paging_ops = {
	.map = fake_map,
	.unmap = fake_unmap,
	.sync = fake_sync,
	.iova_to_phys = fake_iova_to_phys,
	.free = fake_free,
};

static const struct iof_domain_ops nested_ops = {
	.invalidate = fake_invalidate,
	.free = fake_free,
};

static const struct iof_domain_ops other_ops = {
	.free = fake_free,
};

static struct fake_domain *alloc_domain(struct iof_hwdev *hw, enum iof_domain_type type,
					const struct iof_domain_ops *ops)
{
	struct fake_domain *fd;

	might_sleep();
	fd = kzalloc(sizeof(*fd), GFP_KERNEL);
	if (!fd)
		return NULL;
	fd->d.ops = ops;
	fd->d.driver = hw->ops;
	fd->d.type = type;
	fd->d.pgsize_bitmap = 4096;
	fd->d.aperture_last = (1ul << 48) - 1;
	fd->tag = to_fake(hw)->tag;
	mutex_init(&fd->lock);
	xa_init(&fd->pages);
	atomic_inc(&live_domains);
	return fd;
}

static struct iof_domain *fake_alloc_paging(struct iof_hwdev *hw, u32 flags,
					    const struct iof_user_data *data)
{
	const u32 known = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
			  IOMMU_HWPT_ALLOC_PASID;
	struct fake_domain *fd;

	CHECK(!(flags & ~known));
	if (data)
		return ERR_PTR(-EOPNOTSUPP);
	fd = alloc_domain(hw, IOF_DOMAIN_PAGING, &paging_ops);
	if (!fd)
		return ERR_PTR(-ENOMEM);
	fd->flags = flags;
	return &fd->d;
}

static struct iof_domain *fake_alloc_nested(struct iof_hwdev *hw, struct iof_domain *parent,
					    u32 flags, const struct iof_user_data *data)
{
	struct iommu_hwpt_vtd_s1 s1;
	struct fake_domain *fd;
	int rc;

	CHECK(parent->type == IOF_DOMAIN_PAGING && parent->driver == hw->ops && data);
	CHECK(!(flags & ~IOMMU_HWPT_ALLOC_PASID));
	if (to_fake(hw)->absent_data) {
		to_fake(hw)->absent_data--;
		return ERR_PTR(-EAGAIN);
	}
	rc = iof_copy_user_data(&s1, data, IOMMU_HWPT_DATA_VTD_S1, sizeof(s1), sizeof(s1));
	if (rc)
		return ERR_PTR(rc);
	if (s1.__reserved)
		return ERR_PTR(-EINVAL);
	fd = alloc_domain(hw, IOF_DOMAIN_NESTED,
			  to_fake(hw)->no_nested_invalidate ? &other_ops : &nested_ops);
	if (!fd)
		return ERR_PTR(-ENOMEM);
	fd->parent = parent;
	fd->flags = flags;
	return &fd->d;
}

static struct iof_domain *fake_alloc_sva(struct iof_hwdev *hw, struct mm_struct *mm)
{
	struct fake_domain *fd = alloc_domain(hw, IOF_DOMAIN_SVA, &other_ops);

	if (!fd)
		return ERR_PTR(-ENOMEM);
	fd->mm = mm;
	return &fd->d;
}

int fake_live_domains(void)
{
	return atomic_read(&live_domains);
}

/* ---- devices ---- */

static bool fake_capable(struct iof_hwdev *hw, enum iof_cap cap)
{
	struct fake_dev *dev = to_fake(hw);

	switch (cap) {
	case IOF_CAP_CACHE_COHERENCY:
		return !dev->not_coherent;
	case IOF_CAP_DIRTY_TRACKING:
		return !dev->no_dirty_tracking;
	case IOF_CAP_ATS:
		return true;
	default:
		return false;
	}
}

static const void *fake_hw_info(struct iof_hwdev *hw, u32 *type, u32 *len)
{
	static const struct iommu_hw_info_vtd info = { .cap_reg = 0x1234, .ecap_reg = 0x5678 };

	might_sleep();
	CHECK(hw);
	if (*type != IOMMU_HW_INFO_TYPE_DEFAULT && *type != IOMMU_HW_INFO_TYPE_INTEL_VTD)
		return ERR_PTR(-EOPNOTSUPP);
	*type = IOMMU_HW_INFO_TYPE_INTEL_VTD;
	*len = sizeof(info);
	return &info;
}

/* Does the device accept the domain, as the test told it? Called with the lock held. */
static int verdict(struct fake_dev *dev, u32 pasid, struct iof_domain *new)
{
	if (!new)
		return 0;
	if (dev->fail_nth && --dev->fail_nth == 0) {
		if (dev->fail_always)
			dev->fail_nth = 1;
		return dev->fail_errno;
	}
	if (pasid != IOF_NO_PASID && dev->no_pasid_ops)
		return -EOPNOTSUPP;
	if (to_fake_domain(new)->tag != dev->tag)
		return -EINVAL;
	if (new->fault_capable && dev->no_page_requests)
		return -ENODEV;
	return 0;
}

static int fake_attach(struct iof_hwdev *hw, u32 pasid, struct iof_domain *new,
		       struct iof_domain *old)
{
	struct fake_dev *dev = to_fake(hw);
	int rc;

	might_sleep();
	CHECK(pasid == IOF_NO_PASID || pasid < hw->max_pasids);
	CHECK(new != old);
	CHECK(!new || new->driver == hw->ops);
	if (dev->on_attach)
		dev->on_attach(dev, pasid, new, old);

	mutex_lock(&dev->lock);
	CHECK(dev->now[pasid] == old);
	rc = verdict(dev, pasid, new);
	if (!rc) {
		if (new)
			atomic_inc(&to_fake_domain(new)->attached);
		if (old)
			atomic_dec(&to_fake_domain(old)->attached);
		dev->now[pasid] = new;
	}
	if (dev->nr_calls < FAKE_CALLS)
		dev->calls[dev->nr_calls] = (struct fake_attach_call){ pasid, new, old, rc };
	dev->nr_calls++;
	mutex_unlock(&dev->lock);
	return rc;
}

struct iof_domain *fake_now(struct fake_dev *dev, u32 pasid)
{
	struct iof_domain *now;

	mutex_lock(&dev->lock);
	now = dev->now[pasid];
	mutex_unlock(&dev->lock);
	return now;
}

unsigned int fake_nr_calls(struct fake_dev *dev)
{
	unsigned int n;

	mutex_lock(&dev->lock);
	n = dev->nr_calls;
	mutex_unlock(&dev->lock);
	return n;
}

struct fake_attach_call fake_call(struct fake_dev *dev, unsigned int n)
{
	struct fake_attach_call call;

	mutex_lock(&dev->lock);
	CHECK(n < dev->nr_calls && n < FAKE_CALLS);
	call = dev->calls[n];
	mutex_unlock(&dev->lock);
	return call;
}

/* ---- page requests ---- */

static struct list_head *bucket(struct fake_dev *dev, const struct iof_page_req *req)
{
	u64 key = req->addr ^ (u64)req->grpid << 20 ^ (u64)req->pasid << 40;

	return &dev->open[hash_64(key, 8)];
}

static bool same_req(const struct iof_page_req *a, const struct iof_page_req *b)
{
	return a->flags == b->flags && a->pasid == b->pasid && a->grpid == b->grpid &&
	       a->perm == b->perm && a->addr == b->addr;
}

static void fake_answer(struct fake_dev *dev, const struct iof_page_req *req,
			enum iof_page_code code)
{
	struct iof_page_req copy = *req;
	struct fake_request *r, *found = NULL;

	CHECK(code == IOF_PAGE_SUCCESS || code == IOF_PAGE_INVALID || code == IOF_PAGE_FAILURE);
	if (dev->on_response)
		dev->on_response(dev, &copy, code);
	if (dev->unchecked)
		return;

	mutex_lock(&dev->lock);
	list_for_each_entry(r, bucket(dev, &copy), node) {
		if (same_req(&r->req, &copy)) {
			found = r;
			break;
		}
	}
	/* The group was never reported, or has its answer already. */
	CHECK(found);
	found->code = code;
	list_move_tail(&found->node, &dev->answered);
	dev->nr_open--;
	dev->nr_answered[code]++;
	/* Wake under the lock: a thread that finds all groups answered may free the device. */
	wake_up_all(&dev->answer);
	mutex_unlock(&dev->lock);
}

static void fake_page_responses(struct iof_hwdev *hw, const struct iof_page_answer *answers, u32 nr)
{
	struct fake_dev *dev = to_fake(hw);
	u32 i;

	might_sleep();
	CHECK(nr);
	for (i = 0; i < nr; i++)
		fake_answer(dev, &answers[i].req, answers[i].code);
}

/* Enters a group before its report, so that its answer is expected. */
static struct iof_page_req fake_request(struct fake_dev *dev, u32 flags, u32 pasid, u32 grpid,
					u32 perm, u64 addr)
{
	struct iof_page_req req = {
		.flags = flags,
		.pasid = pasid,
		.grpid = grpid,
		.perm = perm,
		.addr = addr,
	};
	struct fake_request *r;

	if (pasid)
		req.flags |= IOMMU_PGFAULT_FLAGS_PASID_VALID;
	if (flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE) {
		/* This malloc() is not the shim's allocator, which tests make fail. */
		r = malloc(sizeof(*r));
		CHECK(r);
		r->req = req;
		mutex_lock(&dev->lock);
		list_add_tail(&r->node, bucket(dev, &req));
		dev->nr_open++;
		mutex_unlock(&dev->lock);
	}
	return req;
}

int fake_report(struct fake_dev *dev, u32 flags, u32 pasid, u32 grpid, u32 perm, u64 addr)
{
	struct iof_page_req req = fake_request(dev, flags, pasid, grpid, perm, addr);

	return iof_report_page_req(&dev->hw, &req);
}

void fake_burst_add(struct fake_burst *burst, u32 flags, u32 pasid, u32 grpid, u32 perm, u64 addr)
{
	CHECK(burst->nr < ARRAY_SIZE(burst->reqs));
	burst->reqs[burst->nr++] = fake_request(burst->dev, flags, pasid, grpid, perm, addr);
}

void fake_burst_send(struct fake_burst *burst)
{
	iof_report_page_reqs(&burst->dev->hw, burst->reqs, burst->nr);
	burst->nr = 0;
}

unsigned long fake_open(struct fake_dev *dev)
{
	unsigned long n;

	mutex_lock(&dev->lock);
	n = dev->nr_open;
	mutex_unlock(&dev->lock);
	return n;
}

unsigned long fake_answered(struct fake_dev *dev, enum iof_page_code code)
{
	unsigned long n;

	mutex_lock(&dev->lock);
	n = dev->nr_answered[code];
	mutex_unlock(&dev->lock);
	return n;
}

int fake_take_answer(struct fake_dev *dev, u64 addr)
{
	struct fake_request *r, *found = NULL;
	int code = -1;

	mutex_lock(&dev->lock);
	list_for_each_entry(r, &dev->answered, node) {
		if (r->req.addr == addr) {
			found = r;
			break;
		}
	}
	if (found) {
		code = found->code;
		list_del(&found->node);
	}
	mutex_unlock(&dev->lock);
	free(found);
	return code;
}

void fake_wait_all_answered(struct fake_dev *dev)
{
	wait_event(dev->answer, !fake_open(dev));
}

/* ---- life ---- */

#define FAKE_OPS(...)                                                                 \
	{                                                                             \
		.capable = fake_capable, .hw_info = fake_hw_info,                     \
		.alloc_paging = fake_alloc_paging, .alloc_nested = fake_alloc_nested, \
		.alloc_sva = fake_alloc_sva, .attach = fake_attach,                   \
		.page_responses = fake_page_responses, __VA_ARGS__                    \
	}

const struct iof_driver_ops fake_driver_ops = FAKE_OPS();
const struct iof_driver_ops fake_other_driver_ops = FAKE_OPS();
const struct iof_driver_ops fake_no_iommu_ops = FAKE_OPS(.no_iommu = true);

void fake_dev_init(struct fake_dev *dev, const char *name, u32 credits)
{
	unsigned int i;

	memset(dev, 0, sizeof(*dev));
	dev->hw.ops = &fake_driver_ops;
	dev->hw.name = name;
	dev->hw.credits = credits;
	mutex_init(&dev->lock);
	init_waitqueue_head(&dev->answer);
	for (i = 0; i < ARRAY_SIZE(dev->open); i++)
		INIT_LIST_HEAD(&dev->open[i]);
	INIT_LIST_HEAD(&dev->answered);
}

void fake_dev_fini(struct fake_dev *dev)
{
	struct fake_request *r, *next;
	unsigned int i;

	mutex_lock(&dev->lock);
	CHECK(!dev->nr_open);
	for (i = 0; i < FAKE_PASIDS; i++)
		CHECK(!dev->now[i]);
	list_for_each_entry_safe(r, next, &dev->answered, node)
		free(r);
	mutex_unlock(&dev->lock);
	mutex_destroy(&dev->lock);
}

void fake_dev_add(struct fake_dev *dev, const char *name, u32 credits, u32 max_pasids,
		  struct fake_dev *group_with)
{
	CHECK(max_pasids <= FAKE_PASIDS);
	fake_dev_init(dev, name, credits);
	dev->hw.max_pasids = max_pasids;
	CHECK(!iof_hwdev_register(&dev->hw, group_with ? &group_with->hw : NULL));
}

void fake_dev_remove(struct fake_dev *dev)
{
	iof_hwdev_unregister(&dev->hw);
	fake_dev_fini(dev);
}
