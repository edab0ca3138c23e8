// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * noiommu.c - devices without IOMMU: which physical memory is behind an IOVA.
 *
 * Such a device does DMA to physical addresses. A program maps memory and
 * attaches the device as it does with an IOMMU. The attachment only pins the
 * memory. IOMMU_IOAS_NOIOMMU_GET_PA then returns its physical addresses.
 *
 * The other rules are where the objects are: bind and GET_HW_INFO in device.c,
 * allocation of HWPTs in hwpt.c, attach in attach.c.
 */
#include "ioas.h"

/* Does a domain that belongs to a device without IOMMU hold the area? */
static int check_held(struct iof_map *map, struct iof_area *area)
{
	struct iof_domain *domain;
	int rc;

	lockdep_assert_held(&map->domains_rwsem);
	list_for_each_entry(domain, &map->domains, map_node) {
		if (domain->driver->no_iommu && iof_domain_shows(domain, area))
			return 0;
		rc = iof_resched();
		if (rc)
			return rc;
	}
	return -EOPNOTSUPP;
}

/* Does iof_map_physical() in @area, whose pages are pinned. */
static int find_physical(struct iof_area *area, unsigned long iova,
			 unsigned long *length, phys_addr_t *pa)
{
	unsigned long at = area->offset + (iova - area->iova);
	unsigned long last = at + min(*length - 1, area->last - iova);
	unsigned long first = at >> PAGE_SHIFT, next = first, to;
	phys_addr_t start = 0, here;
	int rc = 0;

	do {
		to = min(last >> PAGE_SHIFT, next + IOF_PAGES_CHUNK - 1);
		to = next + iof_pages_run(area->pages, next, to, &here) - 1;
		if (next == first)
			start = here;
		else if (here !=
			 start + ((phys_addr_t)(next - first) << PAGE_SHIFT))
			break;
		rc = iof_resched();
		if (rc)
			return rc;
		next = to + 1;
	} while (next <= last >> PAGE_SHIFT);
	*length = min(last - at + 1,
		      ((next - first) << PAGE_SHIFT) - offset_in_page(at));
	*pa = start + offset_in_page(at);
	return 0;
}

int iof_map_physical(struct iof_map *map, unsigned long iova,
		     unsigned long *length, phys_addr_t *pa)
{
	struct iof_area *area;
	int rc;

	rc = down_read_killable(&map->domains_rwsem);
	if (rc)
		return rc;
	rc = down_read_killable(&map->iova_rwsem);
	if (rc)
		goto out_domains;
	/* An area that is not busy stays pinned while these locks are held. */
	area = iof_map_first_area(map, iova, iova);
	rc = area && !area->busy ? check_held(map, area) : -ENOENT;
	if (!rc)
		rc = find_physical(area, iova, length, pa);
	up_read(&map->iova_rwsem);
out_domains:
	up_read(&map->domains_rwsem);
	return rc;
}

int iof_ioas_noiommu_get_pa_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_ioas_noiommu_get_pa *cmd = ucmd->cmd;
	struct iof_ioas *ioas;
	unsigned long length;
	phys_addr_t pa;
	int rc;

	/* The order of these checks is part of the ABI. */
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (cmd->flags || cmd->__reserved)
		return -EOPNOTSUPP;
	if (!cmd->length)
		return -EINVAL;
	if (cmd->iova >= ULONG_MAX)
		return -EOVERFLOW;
	ioas = iof_ioas_get(ucmd->ctx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	length = min_t(u64, cmd->length, ULONG_MAX);
	rc = iof_map_physical(&ioas->map, cmd->iova, &length, &pa);
	iof_object_put(&ioas->obj);
	if (rc)
		return rc;
	cmd->length = length;
	cmd->out_phys = pa;
	return iof_ucmd_respond(ucmd, sizeof(*cmd));
}
