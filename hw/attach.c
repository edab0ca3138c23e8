// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * attach.c - switches isolation groups, and their PASIDs, between page tables.
 *
 * The core switches each member of a group by itself, the kernel the group as a
 * whole: the first member's call switches, and the last member's ends. The core
 * serialises all of it for a group.
 *
 * A PASID cannot be replaced on Linux 6.12. It is detached and attached; DMA
 * fails in between.
 *
 * When the kernel replaces a page table, the driver waits for the requests that
 * use the old one, and after that the kernel puts the new handle in force. A
 * request in between is reported with the old handle, possibly until after the
 * call has returned. So a replaced attachment is freed only after the next
 * switch, and its page table with it.
 */
#include "private.h"

/* Returns the page table, with all that the kernel's fault code reads. */
static struct iommu_domain *prepare(struct iof_hw_attach *attach)
{
	struct iommu_domain *io = iof_hw_domain_of(attach->domain)->io;

	if (attach->domain->fault_capable)
		io->iopf_handler = iof_hw_fault;
	attach->handle.domain = io;
	return io;
}

static int switch_on(struct iof_hw_device *device, struct iof_hw_attach *attach)
{
	struct iommu_domain *io = prepare(attach);

	if (attach->pasid == IOF_NO_PASID)
		return iommu_attach_group_handle(io, device->group->io,
						 &attach->handle);
	return iommu_attach_device_pasid(io, device->dev, attach->pasid,
					 &attach->handle);
}

static void switch_off(struct iof_hw_device *device,
		       struct iof_hw_attach *attach)
{
	struct iommu_domain *io = iof_hw_domain_of(attach->domain)->io;

	if (attach->blocked)
		return;
	if (attach->pasid == IOF_NO_PASID)
		iommu_detach_group_handle(io, device->group->io);
	else
		iommu_detach_device_pasid(io, device->dev, attach->pasid);
}

static int switch_over(struct iof_hw_device *device, struct iof_hw_attach *new,
		       struct iof_hw_attach *old)
{
	int rc;

	if (old->blocked)
		return switch_on(device, new);
	if (new->pasid == IOF_NO_PASID)
		return iommu_replace_group_handle(device->group->io,
						  prepare(new), &new->handle);
	if (IOF_HW_REPLACES_PASID)
		return iof_hw_replace_pasid(prepare(new), device->dev,
					    new->pasid, &new->handle);
	switch_off(device, old);
	rc = switch_on(device, new);
	if (rc && switch_on(device, old)) {
		old->blocked = true;
		dev_err(device->dev, "PASID %u is blocked\n", new->pasid);
	}
	return rc;
}

/* Page requests are on while any attachment of the device can take them. */
static int faulting_get(struct iof_hw_device *device,
			const struct iof_domain *domain)
{
	int rc;

	if (!domain->fault_capable || device->nr_faulting++)
		return 0;
	rc = iof_hw_enable_iopf(device->dev);
	if (!rc)
		return 0;
	device->nr_faulting--;
	return rc == -ENOMEM ? rc : -ENODEV;
}

static void faulting_put(struct iof_hw_device *device,
			 const struct iof_domain *domain)
{
	if (domain->fault_capable && !--device->nr_faulting)
		iof_hw_disable_iopf(device->dev);
}

static struct iof_hw_attach *alloc_attach(struct iof_hw_group *group, u32 pasid,
					  struct iof_domain *domain)
{
	struct iof_hw_attach *attach =
		kzalloc(sizeof(*attach), GFP_KERNEL_ACCOUNT);

	if (attach) {
		attach->group = group;
		attach->domain = domain;
		attach->pasid = pasid;
		iof_hw_domain_get(domain);
	}
	return attach;
}

/* Frees it, if it is not NULL; no request uses its handle any more. */
static void free_attach(struct iof_hw_attach *attach)
{
	if (!attach)
		return;
	iof_hw_domain_put(attach->domain);
	kfree(attach);
}

/* The first member leaves @old, or nothing, for @domain. */
static int first_member(struct iof_hw_device *device, u32 pasid,
			struct iof_domain *domain, struct iof_hw_attach *old)
{
	struct rw_semaphore *levels = &iof_hw_domain_of(domain)->levels;
	struct iof_hw_group *group = device->group;
	struct iof_hw_attach *attach = alloc_attach(group, pasid, domain);
	int rc;

	if (!attach)
		return -ENOMEM;
	rc = xa_reserve(&group->attachments, pasid, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto err_free;
	if (old) {
		iof_hw_faults_close(old, NULL);
		attach->users = old->users;
	}
	down_write(levels);
	rc = old ? switch_over(device, attach, old) : switch_on(device, attach);
	up_write(levels);
	if (rc)
		goto err_release;
	WARN_ON(xa_err(xa_store(&group->attachments, pasid, attach,
				GFP_KERNEL_ACCOUNT)));
	if (old) {
		free_attach(old->before);
		old->before = NULL;
		attach->before = old;
	}
	return 0;

err_release:
	if (old)
		iof_hw_faults_reopen(old);
	else
		xa_release(&group->attachments, pasid);
err_free:
	free_attach(attach);
	return rc;
}

static void leave(struct iof_hw_device *device, u32 pasid,
		  struct iof_hw_attach *attach)
{
	if (--attach->users)
		return;
	iof_hw_faults_close(attach, NULL);
	switch_off(device, attach);
	xa_erase(&device->group->attachments, pasid);
	free_attach(attach->before);
	free_attach(attach);
}

/* As leave(), and the device takes no page requests for it any more. */
static void leave_faulting(struct iof_hw_device *device, u32 pasid,
			   struct iof_hw_attach *attach,
			   const struct iof_domain *domain)
{
	bool others = attach->users > 1;

	if (others)
		iof_hw_faults_close(attach, device->dev);
	leave(device, pasid, attach);
	faulting_put(device, domain);
	if (others)
		iof_hw_faults_reopen(attach);
}

int iof_hw_attach(struct iof_hwdev *hw, u32 pasid, struct iof_domain *new,
		  struct iof_domain *old)
{
	struct iof_hw_device *device = iof_hw_device_of(hw);
	struct iof_hw_attach *attach =
		xa_load(&device->group->attachments, pasid);
	int rc;

	if (!new) {
		leave_faulting(device, pasid, attach, old);
		return 0;
	}
	/* A PASID needs page requests on before, the requester id after. */
	if (pasid != IOF_NO_PASID) {
		rc = faulting_get(device, new);
		if (rc)
			return rc;
	}
	if (!attach || attach->domain != new) {
		rc = first_member(device, pasid, new, attach);
		if (rc)
			goto err_faulting;
		attach = xa_load(&device->group->attachments, pasid);
	}
	if (!old)
		attach->users++;
	if (pasid == IOF_NO_PASID) {
		rc = faulting_get(device, new);
		if (rc)
			goto err_leave;
	}
	if (old)
		faulting_put(device, old);
	return 0;

err_leave:
	if (!old)
		leave(device, pasid, attach);
	else if (first_member(device, pasid, old, attach))
		dev_err(device->dev, "the device is blocked\n");
	return rc;

err_faulting:
	if (pasid != IOF_NO_PASID)
		faulting_put(device, new);
	return rc;
}
