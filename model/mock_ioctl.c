// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mock_ioctl.c - IOMMU_TEST_CMD: programs make mock devices, move them between
 * page tables and let them fault.
 *
 * One table drives the ops. Each op gets the command as copied in, and returns
 * 0 or a negative errno. Ops that the table lacks, Linux's later ones included,
 * return -EOPNOTSUPP. A device lives as long as its test object: DESTROY of
 * that object, or the end of the context, detaches it everywhere and removes
 * it.
 */
#include "mock.h"

/* ---- making and moving devices ---- */

static void stdev_detach(struct iof_mock_device *mock)
{
	unsigned long pasid;
	void *domain;

	/* A detach erases the current entry; the walk continues after it. */
	xa_for_each_start(&mock->attached, pasid, domain, 1) {
		iof_device_detach(mock->idev, pasid);
		cond_resched();
	}
	iof_device_detach(mock->idev, IOF_NO_PASID);
}

static void stdev_destroy(struct iof_object *obj)
{
	struct iof_mock_device *mock =
		container_of(obj, struct iof_mock_device, obj);

	stdev_detach(mock);
	iof_device_unbind(mock->idev);
	iof_mock_device_destroy(mock);
}

static const struct iof_object_ops stdev_ops = {
	.destroy = stdev_destroy,
};

/* Returns the device of the command's id; the caller puts mock->obj. */
static struct iof_mock_device *stdev_get(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_object *obj =
		iof_object_get(iof_ucmd_ctx(ucmd), cmd->id, &stdev_ops);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iof_mock_device, obj);
}

static int mock_domain_create(struct iof_ucmd *ucmd, u32 flags)
{
	struct iof_ctx *ctx = iof_ucmd_ctx(ucmd);
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_mock_node *node =
		container_of(iof_ctx_node(ctx), struct iof_mock_node, node);
	struct iof_mock_device *mock;
	u32 pt_id = cmd->id;
	int rc;

	if (flags & ~(MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_HUGE_IOVA |
		      MOCK_FLAGS_DEVICE_PASID))
		return -EINVAL;
	mock = iof_mock_device_create(flags, node->credits);
	if (!mock)
		return -ENOMEM;
	rc = iof_object_reserve(ctx, &mock->obj, &stdev_ops);
	if (rc)
		goto destroy;
	mock->idev = iof_device_bind(ctx, &mock->hw, false);
	if (IS_ERR(mock->idev)) {
		rc = PTR_ERR(mock->idev);
		goto abort;
	}
	rc = iof_device_attach(mock->idev, IOF_NO_PASID, &pt_id);
	if (rc)
		goto unbind;

	cmd->mock_domain.out_stdev_id = mock->obj.id;
	cmd->mock_domain.out_hwpt_id = pt_id;
	cmd->mock_domain.out_idev_id = iof_device_id(mock->idev);
	rc = iof_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		goto detach;
	iof_object_publish(ctx, &mock->obj);
	return 0;

detach:
	/*
	 * No PASID is attached: an attach needs the device's object, which is
	 * not published yet.
	 */
	iof_device_detach(mock->idev, IOF_NO_PASID);
unbind:
	iof_device_unbind(mock->idev);
abort:
	iof_object_abort(ctx, &mock->obj);
destroy:
	iof_mock_device_destroy(mock);
	return rc;
}

static int op_mock_domain(struct iof_ucmd *ucmd)
{
	return mock_domain_create(ucmd, 0);
}

static int op_mock_domain_flags(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);

	return mock_domain_create(ucmd, cmd->mock_domain_flags.dev_flags);
}

/*
 * Attaches or replaces, for the RID or a PASID. *pt_id is a word of the
 * command.
 */
static int stdev_switch(struct iof_ucmd *ucmd, u32 pasid, u32 *pt_id,
			int (*how)(struct iof_device *idev, u32 pasid,
				   u32 *pt_id))
{
	struct iof_mock_device *mock = stdev_get(ucmd);
	int rc;

	if (IS_ERR(mock))
		return PTR_ERR(mock);
	rc = how(mock->idev, pasid, pt_id);
	iof_object_put(&mock->obj);
	return rc ?: iof_ucmd_respond(ucmd, sizeof(struct iommu_test_cmd));
}

static int op_mock_domain_replace(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);

	return stdev_switch(ucmd, IOF_NO_PASID, &cmd->mock_domain_replace.pt_id,
			    iof_device_replace);
}

static int op_pasid_attach(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);

	return stdev_switch(ucmd, cmd->pasid_attach.pasid,
			    &cmd->pasid_attach.pt_id, iof_device_attach);
}

static int op_pasid_replace(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);

	return stdev_switch(ucmd, cmd->pasid_replace.pasid,
			    &cmd->pasid_replace.pt_id, iof_device_replace);
}

static int op_pasid_detach(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_mock_device *mock = stdev_get(ucmd);

	if (IS_ERR(mock))
		return PTR_ERR(mock);
	iof_device_detach(mock->idev, cmd->pasid_detach.pasid);
	iof_object_put(&mock->obj);
	return 0;
}

/* Returns the domain of an HWPT of either kind, with a reference. */
static struct iof_domain *domain_get(struct iof_ctx *ctx, u32 id, void **hold)
{
	struct iof_domain *domain =
		iof_hwpt_domain_get(ctx, id, IOF_DOMAIN_PAGING, hold);

	return IS_ERR(domain) ?
		       iof_hwpt_domain_get(ctx, id, IOF_DOMAIN_NESTED, hold) :
		       domain;
}

static int op_pasid_check(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_ctx *ctx = iof_ucmd_ctx(ucmd);
	struct iof_domain *domain = NULL;
	struct iof_mock_device *mock = stdev_get(ucmd);
	void *hwpt = NULL;
	int rc = 0;

	if (IS_ERR(mock))
		return PTR_ERR(mock);
	if (cmd->pasid_check.hwpt_id) {
		domain = domain_get(ctx, cmd->pasid_check.hwpt_id, &hwpt);
		if (IS_ERR(domain)) {
			rc = PTR_ERR(domain);
			goto out;
		}
	}
	if (xa_load(&mock->attached, cmd->pasid_check.pasid) != domain)
		rc = -EINVAL;
	if (domain)
		iof_hwpt_domain_put(ctx, hwpt);
out:
	iof_object_put(&mock->obj);
	return rc;
}

/* ---- reserving ---- */

static int op_add_reserved(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	unsigned long start = cmd->add_reserved.start, last;

	if (!cmd->add_reserved.length)
		return -EINVAL;
	if (check_add_overflow(
		    start, (unsigned long)cmd->add_reserved.length - 1, &last))
		return -EOVERFLOW;
	return iof_ioas_reserve(iof_ucmd_ctx(ucmd), cmd->id, start, last);
}

/* ---- looking ---- */

/*
 * Returns the mock's paging domain of the command's id, with a reference.
 * -ENOENT, -EINVAL.
 */
static struct iof_domain *mock_domain_get(struct iof_ucmd *ucmd, void **hold)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_domain *domain = iof_hwpt_domain_get(
		iof_ucmd_ctx(ucmd), cmd->id, IOF_DOMAIN_PAGING, hold);

	if (IS_ERR(domain) || iof_mock_paging_of(domain))
		return domain;
	iof_hwpt_domain_put(iof_ucmd_ctx(ucmd), *hold);
	return ERR_PTR(-EINVAL);
}

/*
 * Checks that the domain maps the I/O pages of [iova, iova + len) to physical
 * memory from @pa on.
 */
static int check_pages(struct iof_ucmd *ucmd, unsigned long iova,
		       phys_addr_t pa, size_t len)
{
	struct iof_domain *domain;
	void *hold;
	int rc = 0;
	size_t at;

	domain = mock_domain_get(ucmd, &hold);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	for (at = 0; at < len && !rc; at += MOCK_PAGE_SIZE)
		if (domain->ops->iova_to_phys(domain, iova + at) != pa + at)
			rc = -EINVAL;
	iof_hwpt_domain_put(iof_ucmd_ctx(ucmd), hold);
	return rc;
}

/*
 * Does check_pages() with the user's page at @uptr. Holds no reference to the
 * domain while the page faults in, so that the detach of an automatic HWPT does
 * not wait for it.
 */
static int check_user_page(struct iof_ucmd *ucmd, unsigned long iova,
			   unsigned long uptr, size_t len)
{
	struct page *page;
	phys_addr_t pa;
	int rc;

	rc = pin_user_pages_fast(uptr & PAGE_MASK, 1, 0, &page);
	if (rc < 0)
		return rc;
	if (rc != 1)
		return -EFAULT;
	pa = ((phys_addr_t)iof_page_pfn(page) << PAGE_SHIFT) +
	     offset_in_page(uptr);
	rc = check_pages(ucmd, iova, pa, len);
	unpin_user_page(page);
	return rc;
}

static int check_map(struct iof_ucmd *ucmd, unsigned long step,
		     unsigned long iova, unsigned long len, unsigned long uptr)
{
	unsigned long end;

	if ((iova | len | uptr) & (step - 1) ||
	    check_add_overflow(uptr, len, &end) ||
	    (len && check_add_overflow(iova, len - 1, &end)))
		return -EINVAL;
	while (len) {
		unsigned long part = min(len, PAGE_SIZE - offset_in_page(uptr));
		int rc = check_user_page(ucmd, iova, uptr, part);

		if (rc)
			return rc;
		iova += part;
		uptr += part;
		len -= part;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int op_check_map(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_domain *domain;
	unsigned long step;
	void *hold;

	domain = mock_domain_get(ucmd, &hold);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	step = 1ul << __ffs(domain->pgsize_bitmap);
	iof_hwpt_domain_put(iof_ucmd_ctx(ucmd), hold);
	return check_map(ucmd, step, cmd->check_map.iova, cmd->check_map.length,
			 cmd->check_map.uptr);
}

/*
 * Checks that each small page is pinned @refs times. Other references do not
 * count.
 */
static int op_check_refs(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	unsigned long uptr = cmd->check_refs.uptr, len = cmd->check_refs.length,
		      end;
	int rc = 0;

	if (!PAGE_ALIGNED(uptr | len) || check_add_overflow(uptr, len, &end))
		return -EINVAL;
	for (; uptr < end && !rc; uptr += PAGE_SIZE) {
		struct page *page;

		rc = get_user_pages_fast(uptr, 1, 0, &page);
		if (rc < 0)
			return rc;
		if (rc != 1)
			return -EFAULT;
		rc = 0;
		if (!PageCompound(page) &&
		    (u32)page_count(page) / GUP_PIN_COUNTING_BIAS !=
			    cmd->check_refs.refs)
			rc = -EIO;
		put_page(page);
		if (fatal_signal_pending(current))
			rc = -EINTR;
		cond_resched();
	}
	return rc;
}

static int op_check_iotlb(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_mock_nested *mn;
	struct iof_domain *domain;
	void *hold;
	int rc = -EINVAL;
	u32 id;

	domain = iof_hwpt_domain_get(iof_ucmd_ctx(ucmd), cmd->id,
				     IOF_DOMAIN_NESTED, &hold);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	mn = iof_mock_nested_of(domain);
	id = cmd->check_iotlb.id;
	if (mn && id < ARRAY_SIZE(mn->iotlb) &&
	    READ_ONCE(
		    mn->iotlb[array_index_nospec(id, ARRAY_SIZE(mn->iotlb))]) ==
		    cmd->check_iotlb.iotlb)
		rc = 0;
	iof_hwpt_domain_put(iof_ucmd_ctx(ucmd), hold);
	return rc;
}

/*
 * Accepts any limit that Linux accepts: pinning needs no scratch memory here.
 */
static int op_memory_limit(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);

	return cmd->memory_limit.limit < 12 ? -EINVAL : 0;
}

static int op_stats(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_hwdev_stats stats;
	struct iof_device *idev;
	struct iof_test_stats out;

	idev = iof_device_get_by_id(iof_ucmd_ctx(ucmd), cmd->iof_stats.dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	iof_hwdev_get_stats(iof_device_hwdev(idev), &stats);
	iof_device_put(idev);
	out = (struct iof_test_stats){
		.requests = stats.requests,
		.groups = stats.groups,
		.success = stats.answered[IOF_PAGE_SUCCESS],
		.invalid = stats.answered[IOF_PAGE_INVALID],
		.failure = stats.answered[IOF_PAGE_FAILURE],
		.refused = stats.refused,
		.swept = stats.swept,
	};
	if (copy_to_user(u64_to_user_ptr(cmd->iof_stats.uptr), &out,
			 min_t(size_t, sizeof(out), cmd->iof_stats.len)))
		return -EFAULT;
	return 0;
}

/* ---- writing, as seen by dirty tracking ---- */

#define DIRTY_BITS_MAX (1ul << 27)

/*
 * Writes to one page for each bit of the user's bitmap. Returns the number of
 * bits set.
 */
static int write_pages(struct iof_mock_domain *md, unsigned long iova,
		       unsigned long page_size, unsigned long nr,
		       const u8 __user *uptr, u64 *set)
{
	u8 byte = 0;
	unsigned long i;

	*set = 0;
	for (i = 0; i < nr; i++, byte >>= 1) {
		if (!(i % BITS_PER_BYTE) &&
		    get_user(byte, uptr + i / BITS_PER_BYTE))
			return -EFAULT;
		if (byte & 1) {
			iof_mock_write(md, iova + i * page_size,
				       iova + (i + 1) * page_size - 1);
			(*set)++;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int op_dirty(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	unsigned long iova = cmd->dirty.iova, length = cmd->dirty.length, end;
	unsigned long page_size = cmd->dirty.page_size;
	struct iof_mock_domain *md;
	struct iof_domain *domain;
	void *hold;
	int rc = -EINVAL;

	if (!page_size || !length || !cmd->dirty.uptr || iova % page_size ||
	    length % page_size || check_add_overflow(iova, length - 1, &end))
		return -EINVAL;
	if (length / page_size > DIRTY_BITS_MAX)
		return -EOVERFLOW;
	domain = iof_hwpt_domain_get(iof_ucmd_ctx(ucmd), cmd->id,
				     IOF_DOMAIN_PAGING, &hold);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	md = iof_mock_paging_of(domain);
	if (md && READ_ONCE(md->tracking))
		rc = write_pages(md, iova, page_size, length / page_size,
				 u64_to_user_ptr(cmd->dirty.uptr),
				 &cmd->dirty.out_nr_dirty);
	iof_hwpt_domain_put(iof_ucmd_ctx(ucmd), hold);
	return rc ?: iof_ucmd_respond(ucmd, sizeof(*cmd));
}

/* ---- by the id of a bound device ---- */

/*
 * Returns the mock device of a bound device's id; the caller calls
 * iof_device_put(*idev). mock->idev is no help here, since it is written only
 * after a program can guess the id. -ENOENT, -EINVAL.
 */
static struct iof_mock_device *mock_get(struct iof_ucmd *ucmd, u32 dev_id,
					struct iof_device **idev)
{
	struct iof_mock_device *mock;

	*idev = iof_device_get_by_id(iof_ucmd_ctx(ucmd), dev_id);
	if (IS_ERR(*idev))
		return ERR_CAST(*idev);
	mock = iof_mock_of(iof_device_hwdev(*idev));
	if (likely(mock))
		return mock;
	iof_device_put(*idev);
	return ERR_PTR(-EINVAL);
}

/*
 * Checks the words of a device's cache. Only a vIOMMU's invalidation could
 * change one, and there is no vIOMMU. So each keeps its initial value, which
 * test programs check after they have created a device.
 */
static int op_dev_check_cache(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_device *idev;
	struct iof_mock_device *mock = mock_get(ucmd, cmd->id, &idev);

	if (IS_ERR(mock))
		return PTR_ERR(mock);
	iof_device_put(idev);
	if (cmd->check_dev_cache.id > MOCK_DEV_CACHE_ID_MAX ||
	    cmd->check_dev_cache.cache != IOMMU_TEST_DEV_CACHE_DEFAULT)
		return -EINVAL;
	return 0;
}

static int op_trigger_iopf(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_device *idev;
	struct iof_mock_device *mock =
		mock_get(ucmd, cmd->trigger_iopf.dev_id, &idev);
	struct iof_page_req req = {
		.flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE |
			 (cmd->trigger_iopf.pasid ?
				  IOMMU_PGFAULT_FLAGS_PASID_VALID :
				  0),
		.pasid = cmd->trigger_iopf.pasid,
		.grpid = cmd->trigger_iopf.grpid,
		.perm = cmd->trigger_iopf.perm,
		.addr = cmd->trigger_iopf.addr,
	};

	if (IS_ERR(mock))
		return PTR_ERR(mock);
	/* Whether the request was queued or refused does not matter here. */
	(void)iof_report_page_req(&mock->hw, &req);
	iof_device_put(idev);
	return 0;
}

static int op_page_req(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	struct iof_page_req req = {
		.flags = cmd->iof_page_req.flags,
		.pasid = cmd->iof_page_req.pasid,
		.grpid = cmd->iof_page_req.grpid,
		.perm = cmd->iof_page_req.perm,
		.addr = cmd->iof_page_req.addr,
	};
	struct iof_mock_device *mock;
	struct iof_device *idev;
	int rc;

	if (cmd->iof_page_req.__reserved)
		return -EOPNOTSUPP;
	mock = mock_get(ucmd, cmd->iof_page_req.dev_id, &idev);
	if (IS_ERR(mock))
		return PTR_ERR(mock);
	rc = iof_report_page_req(&mock->hw, &req);
	iof_device_put(idev);
	return rc;
}

/* ---- the ioctl ---- */

typedef int (*mock_op_fn)(struct iof_ucmd *ucmd);

static const mock_op_fn mock_ops[] = {
	[IOMMU_TEST_OP_ADD_RESERVED] = op_add_reserved,
	[IOMMU_TEST_OP_MOCK_DOMAIN] = op_mock_domain,
	[IOMMU_TEST_OP_MD_CHECK_MAP] = op_check_map,
	[IOMMU_TEST_OP_MD_CHECK_REFS] = op_check_refs,
	[IOMMU_TEST_OP_CREATE_ACCESS] = iof_mock_create_access,
	[IOMMU_TEST_OP_DESTROY_ACCESS_PAGES] = iof_mock_destroy_access_pages,
	[IOMMU_TEST_OP_ACCESS_PAGES] = iof_mock_access_pages,
	[IOMMU_TEST_OP_ACCESS_RW] = iof_mock_access_rw,
	[IOMMU_TEST_OP_ACCESS_REPLACE_IOAS] = iof_mock_access_replace_ioas,
	[IOMMU_TEST_OP_DIRTY] = op_dirty,
	[IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT] = op_memory_limit,
	[IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE] = op_mock_domain_replace,
	[IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS] = op_mock_domain_flags,
	[IOMMU_TEST_OP_MD_CHECK_IOTLB] = op_check_iotlb,
	[IOMMU_TEST_OP_TRIGGER_IOPF] = op_trigger_iopf,
	[IOMMU_TEST_OP_DEV_CHECK_CACHE] = op_dev_check_cache,
	[IOMMU_TEST_OP_PASID_ATTACH] = op_pasid_attach,
	[IOMMU_TEST_OP_PASID_REPLACE] = op_pasid_replace,
	[IOMMU_TEST_OP_PASID_DETACH] = op_pasid_detach,
	[IOMMU_TEST_OP_PASID_CHECK_HWPT] = op_pasid_check,
};

static int mock_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = iof_ucmd_cmd(ucmd);
	mock_op_fn op;

	if (cmd->op == IOF_TEST_OP_PAGE_REQ)
		return op_page_req(ucmd);
	if (cmd->op == IOF_TEST_OP_STATS)
		return op_stats(ucmd);
	if (cmd->op >= ARRAY_SIZE(mock_ops))
		return -EOPNOTSUPP;
	op = mock_ops[array_index_nospec(cmd->op, ARRAY_SIZE(mock_ops))];
	return op ? op(ucmd) : -EOPNOTSUPP;
}

const struct iof_test_ops iof_mock_test_ops = {
	.ioctl = mock_ioctl,
};
