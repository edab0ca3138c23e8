// SPDX-License-Identifier: MIT
/*
 * space.c - the address space of one PASID: its root table, its nested HWPT, its attachment.
 *
 * The pager finds a space by its PASID in a sorted array, which changes under map_lock and lock
 * together. The HWPT of each space sends faults to the pager's one fault queue. Removing a space
 * detaches it first: after that no DMA is in flight and no translation is cached, so that no page
 * needs an invalidation.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <iofault/vfio.h>

#include "pager_private.h"

/* Returns the index at which the space of @pasid is, or would be. */
static uint32_t space_at(const struct iof_pager *pager, uint32_t pasid)
{
	uint32_t low = 0;
	uint32_t high = pager->nr_spaces;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (pager->spaces[middle]->pasid < pasid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Returns the space of @pasid, or NULL. Called with lock or map_lock held. */
struct iof_space *iof_pager_space(const struct iof_pager *pager, uint32_t pasid)
{
	uint32_t at = space_at(pager, pasid);

	if (at == pager->nr_spaces || pager->spaces[at]->pasid != pasid)
		return NULL;
	return pager->spaces[at];
}

static int space_hwpt(struct iof_space *space)
{
	struct iof_pager *pager = space->pager;
	struct iommu_hwpt_vtd_s1 stage1 = {
		.pgtbl_addr = space->root->iova,
		.addr_width = 48,
	};
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = pager->dev_id,
		.pt_id = pager->parent_id,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(stage1),
		.data_uptr = (uintptr_t)&stage1,
		.fault_id = pager->fault_id,
	};
	int ret = -EOPNOTSUPP;

	/* If one space has the PASID flag, all need it. Linux 6.12 does not know the flag. */
	if (pager->pasid_bits) {
		alloc.flags |= IOMMU_HWPT_ALLOC_PASID;
		ret = iof_ioctl(pager->iommufd, IOMMU_HWPT_ALLOC, &alloc);
	}
	if (ret == -EOPNOTSUPP && !space->pasid) {
		alloc.flags = IOMMU_HWPT_FAULT_ID_VALID;
		ret = iof_ioctl(pager->iommufd, IOMMU_HWPT_ALLOC, &alloc);
	}
	if (ret < 0)
		return iof_pager_fail(
			pager, ret,
			"cannot allocate a nested page table with faults for PASID %u: %s",
			space->pasid, strerror(-ret));
	space->hwpt_id = alloc.out_hwpt_id;
	return 0;
}

static int space_attach(struct iof_space *space)
{
	struct iof_pager *pager = space->pager;
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = space->hwpt_id,
		.pasid = space->pasid,
	};
	int ret;

	if (!space->pasid) {
		attach.argsz = offsetof(struct vfio_device_attach_iommufd_pt, pasid);
		attach.flags = 0;
	}
	ret = iof_ioctl(pager->device_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	if (ret < 0)
		return iof_pager_fail(pager, ret, "cannot attach the device's PASID %u: %s",
				      space->pasid, strerror(-ret));
	space->attached = true;
	return 0;
}

/* Detaches: returns when no DMA of the space is in flight and its open groups have responses. */
void iof_space_detach(struct iof_space *space)
{
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
		.flags = VFIO_DEVICE_DETACH_PASID,
		.pasid = space->pasid,
	};

	if (!space->pasid) {
		detach.argsz = offsetof(struct vfio_device_detach_iommufd_pt, pasid);
		detach.flags = 0;
	}
	if (space->attached)
		iof_ioctl(space->pager->device_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
	space->attached = false;
}

static void space_free(struct iof_space *space)
{
	struct iof_pager *pager = space->pager;
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = space->hwpt_id };

	if (space->hwpt_id)
		iof_ioctl(pager->iommufd, IOMMU_DESTROY, &destroy);
	iof_table_destroy(pager, space->root);
	free(space->maps);
	free(space->refused);
	free(space);
}

/* Creates a space, enters it in the pager and attaches it. Called with map_lock held. */
static int space_new(struct iof_pager *pager, uint32_t pasid, struct iof_space **out)
{
	uint32_t at = space_at(pager, pasid);
	struct iof_space **spaces;
	struct iof_space *space;
	int err;

	if (pasid && !pager->pasid_bits)
		return iof_pager_fail(pager, -EOPNOTSUPP, "the device has no PASIDs");
	if (pasid && pasid >> pager->pasid_bits)
		return iof_pager_fail(pager, -EINVAL,
				      "PASID %u exceeds the %u bits of the device's PASIDs", pasid,
				      pager->pasid_bits);
	spaces = calloc(pager->nr_spaces + 1, sizeof(struct iof_space *));
	space = calloc(1, sizeof(*space));
	if (!spaces || !space) {
		err = iof_pager_fail(pager, -ENOMEM, "no memory for the space of PASID %u", pasid);
		goto out;
	}
	space->pager = pager;
	space->pasid = pasid;
	err = iof_table_root(space);
	if (err) {
		iof_pager_fail(pager, err, "no memory for the tables of PASID %u", pasid);
		goto out;
	}
	err = space_hwpt(space);
	if (err)
		goto out_space;

	/* Enter the space before attaching: the first fault must find it. */
	pthread_mutex_lock(&pager->lock);
	if (pager->nr_spaces) {
		memcpy(spaces, pager->spaces, at * sizeof(struct iof_space *));
		memcpy(&spaces[at + 1], &pager->spaces[at],
		       (pager->nr_spaces - at) * sizeof(struct iof_space *));
	}
	spaces[at] = space;
	free(pager->spaces);
	pager->spaces = spaces;
	pager->nr_spaces++;
	pthread_mutex_unlock(&pager->lock);

	err = space_attach(space);
	if (err) {
		iof_space_remove(space);
		return err;
	}
	*out = space;
	return 0;
out_space:
	space_free(space);
	space = NULL;
out:
	free(space);
	free(spaces);
	return err;
}

/* Returns the space of @pasid, and creates it if there is none. Called with map_lock held. */
int iof_space_get(struct iof_pager *pager, uint32_t pasid, struct iof_space **out)
{
	*out = iof_pager_space(pager, pasid);
	return *out ? 0 : space_new(pager, pasid, out);
}

/*
 * Removes a space, even if pages cannot be written back. Returns the first error of a write-back.
 * Called with map_lock held.
 */
int iof_space_remove(struct iof_space *space)
{
	struct iof_pager *pager = space->pager;
	uint32_t at = space_at(pager, space->pasid);
	int result = 0;

	iof_space_detach(space);
	while (space->nr_maps) {
		int err = iof_mapping_remove(space->maps[space->nr_maps - 1],
					     IOF_EXPEL_FORCE | IOF_EXPEL_SILENT);

		if (err && !result)
			result = err;
	}
	pthread_mutex_lock(&pager->lock);
	pager->nr_spaces--;
	memmove(&pager->spaces[at], &pager->spaces[at + 1],
		(pager->nr_spaces - at) * sizeof(struct iof_space *));
	pthread_mutex_unlock(&pager->lock);
	space_free(space);
	return result;
}

int iof_pager_attach(struct iof_pager *pager, uint32_t pasid)
{
	struct iof_space *space;
	int err;

	if (iof_forked(pager->forks))
		return -ECHILD;
	pthread_mutex_lock(&pager->map_lock);
	if (iof_pager_space(pager, pasid))
		err = iof_pager_fail(pager, -EEXIST, "PASID %u is attached already", pasid);
	else
		err = space_new(pager, pasid, &space);
	pthread_mutex_unlock(&pager->map_lock);
	return err;
}

int iof_pager_detach(struct iof_pager *pager, uint32_t pasid)
{
	struct iof_space *space;
	int err;

	if (iof_forked(pager->forks))
		return -ECHILD;
	pthread_mutex_lock(&pager->map_lock);
	space = iof_pager_space(pager, pasid);
	if (!space) {
		err = iof_pager_fail(pager, -ENOENT, "PASID %u is not attached", pasid);
	} else {
		err = iof_space_remove(space);
		if (err)
			iof_pager_fail(pager, err, "pages of PASID %u were not written back: %s",
				       pasid, strerror(-err));
	}
	pthread_mutex_unlock(&pager->map_lock);
	return err;
}

uint32_t iof_pager_hwpt(struct iof_pager *pager, uint32_t pasid)
{
	struct iof_space *space;
	uint32_t id;

	if (iof_forked(pager->forks))
		return 0;
	pthread_mutex_lock(&pager->lock);
	space = iof_pager_space(pager, pasid);
	id = space ? space->hwpt_id : 0;
	pthread_mutex_unlock(&pager->lock);
	return id;
}
