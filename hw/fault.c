// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fault.c - page requests of real devices, from the kernel's fault code to the
 * core and back.
 *
 * The kernel collects the pages of a group and gives the complete group to the
 * handler of the page table that is attached. The group waits in group->open,
 * under the cookie that its request carries, until it is taken out: by the
 * core's response, or by the close of its attachment. Taking it out is the
 * right to respond, so each group gets one response. The lock of group->open is
 * never held across a report or a response.
 *
 * When the last fault-capable page table leaves a device, some drivers respond
 * to what is pending and free it (Linux 7). So the close responds INVALID
 * before the switch, waits for the responses that other threads give, and the
 * response that the core gives after the switch finds no group.
 */
#include "private.h"

/* Pages of a group that are reported from the stack. */
#define FEW_PAGES 4

static u32 pasid_of(const struct iommu_fault_page_request *prm)
{
	return prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID ? prm->pasid :
								   IOF_NO_PASID;
}

static struct iof_hw_attach *attach_of(struct iopf_group *group)
{
	return container_of(group->attach_handle, struct iof_hw_attach, handle);
}

/*
 * Responds to a group that is not in the table, and that counts in @responding
 * of its attachment, which may be gone afterwards.
 */
static void respond(struct iopf_group *group,
		    enum iommu_page_response_code code)
{
	struct iof_hw_attach *attach = attach_of(group);

	iopf_group_response(group, code);
	iopf_free_group(group);
	if (atomic_dec_and_test(&attach->responding))
		wake_up_var(&attach->responding);
}

static struct iof_page_req
request_of(const struct iommu_fault_page_request *prm)
{
	u32 perm = 0, flags = 0;

	if (prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID)
		flags |= IOMMU_PGFAULT_FLAGS_PASID_VALID;
	if (prm->perm & IOMMU_FAULT_PERM_READ)
		perm |= IOMMU_PGFAULT_PERM_READ;
	if (prm->perm & IOMMU_FAULT_PERM_WRITE)
		perm |= IOMMU_PGFAULT_PERM_WRITE;
	if (prm->perm & IOMMU_FAULT_PERM_EXEC)
		perm |= IOMMU_PGFAULT_PERM_EXEC;
	if (prm->perm & IOMMU_FAULT_PERM_PRIV)
		perm |= IOMMU_PGFAULT_PERM_PRIV;
	return (struct iof_page_req){
		.flags = flags,
		.pasid = pasid_of(prm),
		.grpid = prm->grpid,
		.perm = perm,
		.addr = prm->addr,
	};
}

static struct iof_hw_device *find_device(struct iof_hw_group *group,
					 const struct device *dev)
{
	struct iof_hw_device *device, *found = NULL;

	spin_lock(&group->devices_lock);
	list_for_each_entry(device, &group->devices, entry) {
		if (device->dev == dev)
			found = device;
	}
	spin_unlock(&group->devices_lock);
	return found;
}

/*
 * Enters the group into the table. From then on a response may free it.
 * -ENODEV: its attachment is closing; -ENOMEM, -EBUSY: no room. The group needs
 * a response then, and counts as responding. -EALREADY: the close has
 * responded.
 */
static int enter(struct iof_hw_attach *attach, struct iopf_group *group,
		 u32 *cookie)
{
	struct iof_hw_group *own = attach->group;
	int rc = -ENODEV;

	xa_lock(&own->open);
	if (!attach->closing)
		/* drops the lock to allocate */
		rc = __xa_alloc_cyclic(&own->open, cookie, group, xa_limit_32b,
				       &own->next_cookie, GFP_KERNEL);
	if (rc >= 0 && attach->closing)
		rc = __xa_erase(&own->open, *cookie) ? -ENODEV : -EALREADY;
	if (rc < 0 && rc != -EALREADY)
		atomic_inc(&attach->responding);
	xa_unlock(&own->open);
	return min(rc, 0);
}

/* Fills in the requests of the group's pages, the LAST one at the end. */
static u32 read_pages(struct iopf_group *group, struct iof_page_req *reqs)
{
	struct iopf_fault *fault;
	u32 nr = 0;

	list_for_each_entry(fault, &group->faults, list) {
		if (fault != &group->last_fault)
			reqs[nr++] = request_of(&fault->fault.prm);
	}
	reqs[nr] = request_of(&group->last_fault.fault.prm);
	reqs[nr].flags |= IOMMU_PGFAULT_FLAGS_LAST_PAGE;
	return nr + 1;
}

int iof_hw_fault(struct iopf_group *group)
{
	struct iof_hw_attach *attach = attach_of(group);
	struct iof_hw_device *device =
		find_device(attach->group, group->fault_param->dev);
	struct iof_page_req few[FEW_PAGES], *reqs = few;
	u32 cookie, nr;
	int rc;

	if (!device)
		goto refuse;
	if (group->fault_count > FEW_PAGES) {
		reqs = kmalloc_array(group->fault_count, sizeof(*reqs),
				     GFP_KERNEL);
		if (!reqs)
			goto refuse;
	}
	nr = read_pages(group, reqs);
	rc = enter(attach, group, &cookie);
	if (!rc) {
		reqs[nr - 1].driver_cookie = cookie;
		iof_report_page_reqs(&device->hw, reqs, nr);
	} else if (rc != -EALREADY) {
		respond(group, IOMMU_PAGE_RESP_INVALID);
	}
	if (reqs != few)
		kfree(reqs);
	return 0;

refuse:
	atomic_inc(&attach->responding);
	respond(group, IOMMU_PAGE_RESP_INVALID);
	return 0;
}

void iof_hw_faults_close(struct iof_hw_attach *attach)
{
	struct iof_hw_group *own = attach->group;
	struct iopf_group *group, *next;
	unsigned long cookie;
	LIST_HEAD(closed);

	xa_lock(&own->open);
	attach->closing = true;
	xa_for_each(&own->open, cookie, group) {
		if (group->attach_handle == &attach->handle) {
			__xa_erase(&own->open, cookie);
			atomic_inc(&attach->responding);
			list_add_tail(&group->node, &closed);
		}
	}
	xa_unlock(&own->open);
	list_for_each_entry_safe(group, next, &closed, node)
		respond(group, IOMMU_PAGE_RESP_INVALID);
	wait_var_event(&attach->responding,
		       !atomic_read_acquire(&attach->responding));
}

void iof_hw_faults_reopen(struct iof_hw_attach *attach)
{
	xa_lock(&attach->group->open);
	attach->closing = false;
	xa_unlock(&attach->group->open);
}

void iof_hw_page_responses(struct iof_hwdev *hw,
			   const struct iof_page_answer *answers, u32 nr)
{
	static const enum iommu_page_response_code codes[] = {
		[IOF_PAGE_SUCCESS] = IOMMU_PAGE_RESP_SUCCESS,
		[IOF_PAGE_INVALID] = IOMMU_PAGE_RESP_INVALID,
		[IOF_PAGE_FAILURE] = IOMMU_PAGE_RESP_FAILURE,
	};
	struct iof_hw_group *own = iof_hw_device_of(hw)->group;
	struct iopf_group *group;
	u32 i;

	for (i = 0; i < nr; i++) {
		xa_lock(&own->open);
		group = __xa_erase(&own->open, answers[i].req.driver_cookie);
		if (group)
			atomic_inc(&attach_of(group)->responding);
		xa_unlock(&own->open);
		if (group)
			respond(group, codes[answers[i].code]);
	}
}
