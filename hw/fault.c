// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fault.c - page requests of real devices, from the kernel's fault code to the
 * core and back.
 *
 * The kernel collects the pages of a group and gives the complete group to the
 * handler of the page table that is attached. The group waits in group->open,
 * under the cookie that its request carries, until it is taken out: by the
 * core's response, or by the close of its attachment. Taking it out is the
 * right to respond, so each group gets one response. open_lock is never held
 * across a report or a response.
 *
 * When the last fault-capable page table leaves a device, some drivers respond
 * to what is pending and free it (Linux 7). So the close responds INVALID
 * before the switch, waits for the responses that other threads give, and the
 * response that the core gives after the switch finds no group. Linux 6.12 does
 * so when page requests of a device are disabled: a member that leaves an
 * isolation group before the others is closed by itself.
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

/* ---- the open groups; under their lock ---- */

static struct list_head *list_of(struct iof_hw_group *own, u32 cookie)
{
	return &own->open[cookie % IOF_HW_OPEN_LISTS];
}

static struct iopf_group *find_open(struct iof_hw_group *own, u32 cookie)
{
	struct iopf_group *group;

	list_for_each_entry(group, list_of(own, cookie), node) {
		if (group->cookie == cookie)
			return group;
	}
	return NULL;
}

static void start_response(struct iof_hw_attach *attach)
{
	atomic_inc(&attach->responding);
}

/*
 * Enters the group. Once the lock is dropped, a response may free it. False:
 * its attachment is closing, and the caller has to respond.
 */
static bool enter(struct iof_hw_attach *attach, struct iopf_group *group,
		  u32 *cookie)
{
	struct iof_hw_group *own = attach->group;

	lockdep_assert_held(&own->open_lock);
	if (attach->closing || attach->leaving == group->fault_param->dev) {
		start_response(attach);
		return false;
	}
	/* After 2^32 requests, the first may still be open. */
	while (find_open(own, own->next_cookie))
		own->next_cookie++;
	*cookie = own->next_cookie++;
	group->cookie = *cookie;
	list_add_tail(&group->node, list_of(own, *cookie));
	return true;
}

/* Takes a group out for a response. NULL: it has had one. */
static struct iopf_group *take(struct iof_hw_group *own, u32 cookie)
{
	struct iopf_group *group = find_open(own, cookie);

	lockdep_assert_held(&own->open_lock);
	if (group) {
		list_del(&group->node);
		start_response(attach_of(group));
	}
	return group;
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
	bool entered;

	if (!device)
		goto refuse;
	if (group->fault_count > FEW_PAGES) {
		reqs = kmalloc_array(group->fault_count, sizeof(*reqs),
				     GFP_KERNEL);
		if (!reqs)
			goto refuse;
	}
	nr = read_pages(group, reqs);
	spin_lock(&attach->group->open_lock);
	entered = enter(attach, group, &cookie);
	spin_unlock(&attach->group->open_lock);
	if (entered) {
		reqs[nr - 1].driver_cookie = cookie;
		iof_report_page_reqs(&device->hw, reqs, nr);
	} else {
		respond(group, IOMMU_PAGE_RESP_INVALID);
	}
	if (reqs != few)
		kfree(reqs);
	return 0;

refuse:
	start_response(attach);
	respond(group, IOMMU_PAGE_RESP_INVALID);
	return 0;
}

void iof_hw_faults_close(struct iof_hw_attach *attach,
			 const struct device *member)
{
	struct iof_hw_group *own = attach->group;
	struct iopf_group *group, *next;
	LIST_HEAD(closed);
	unsigned int i;

	spin_lock(&own->open_lock);
	if (member)
		attach->leaving = member;
	else
		attach->closing = true;
	for (i = 0; i < IOF_HW_OPEN_LISTS; i++) {
		list_for_each_entry_safe(group, next, &own->open[i], node) {
			if (group->attach_handle != &attach->handle ||
			    (member && group->fault_param->dev != member))
				continue;
			list_move_tail(&group->node, &closed);
			start_response(attach);
		}
	}
	spin_unlock(&own->open_lock);
	list_for_each_entry_safe(group, next, &closed, node)
		respond(group, IOMMU_PAGE_RESP_INVALID);
	wait_var_event(&attach->responding,
		       !atomic_read_acquire(&attach->responding));
}

void iof_hw_faults_reopen(struct iof_hw_attach *attach)
{
	spin_lock(&attach->group->open_lock);
	attach->closing = false;
	attach->leaving = NULL;
	spin_unlock(&attach->group->open_lock);
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
		spin_lock(&own->open_lock);
		group = take(own, answers[i].req.driver_cookie);
		spin_unlock(&own->open_lock);
		if (group)
			respond(group, codes[answers[i].code]);
	}
}
