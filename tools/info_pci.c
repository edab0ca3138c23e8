// SPDX-License-Identifier: MIT
/*
 * info_pci.c - the rows of `iofault info` about real devices.
 *
 * A function that iofault-pci has and that no program uses is bound to /dev/iommu for a moment,
 * which resets it at the end. Each kind of page table is made. For what is refused, the row names
 * the part that lacks it: the function, the IOMMU, or the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iofault/vfio.h>

#include "info.h"
#include "pci.h"
#include "real_dsa.h"
#include "tool.h"

#define MAX_FUNCTIONS 32

/* Extended capabilities of PCI Express. */
enum {
	CAP_PRI = 0x13,
	CAP_PASID = 0x1b,
};

/* Bits of VT-d's extended capability register (11.4.3). */
enum {
	VTD_NESTED = 26,
	VTD_PAGE_REQUESTS = 29,
	VTD_PASID = 40,
	VTD_DIRTY = 45,
};

struct bed {
	const char *bdf;
	int iommufd, device;
	uint32_t device_id, ioas;
	bool is_vtd;
	struct iommu_hw_info info;
	struct iommu_hw_info_vtd vtd;
};

/* Does the IOMMU lack what the bit says? Only VT-d tells. */
static bool vtd_lacks(const struct bed *bed, unsigned int bit)
{
	return bed->is_vtd && !(bed->vtd.ecap_reg >> bit & 1);
}

/* Makes a page table. 0 or a negative errno; *id: 0 or its number. */
static int make_table(const struct bed *bed, uint32_t flags, uint32_t fault_id, uint32_t *id)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.dev_id = bed->device_id,
		.pt_id = bed->ioas,
		.fault_id = fault_id,
	};

	*id = 0;
	if (ioctl(bed->iommufd, IOMMU_HWPT_ALLOC, &alloc))
		return -errno;
	*id = alloc.out_hwpt_id;
	return 0;
}

static void destroy(const struct bed *bed, uint32_t id)
{
	struct iommu_destroy args = { .size = sizeof(args), .id = id };

	if (id)
		(void)ioctl(bed->iommufd, IOMMU_DESTROY, &args);
}

static void tell_table(const struct bed *bed, const char *name, uint32_t flags, const char *lack)
{
	uint32_t id;
	int rc = make_table(bed, flags, 0, &id);

	destroy(bed, id);
	if (!rc)
		iof_info_row(bed->bdf, name, "yes");
	else if (lack)
		iof_info_row(bed->bdf, name, "no: %s", lack);
	else if (rc == -EOPNOTSUPP)
		iof_info_row(bed->bdf, name, "no: the kernel's IOMMU driver does not offer it");
	else
		iof_info_row(bed->bdf, name, "no: %s", iof_reason(rc));
}

static void tell_pasids(const struct bed *bed)
{
	int has = iof_pci_capability(&iof_machine, bed->bdf, CAP_PASID);

	if (bed->info.out_max_pasid_log2)
		iof_info_row(bed->bdf, "PASIDs", "%u bits", bed->info.out_max_pasid_log2);
	else if (!has)
		iof_info_row(bed->bdf, "PASIDs", "no: the function has no PASID capability");
	else if (vtd_lacks(bed, VTD_PASID))
		iof_info_row(bed->bdf, "PASIDs", "no: the IOMMU has none");
	else
		iof_info_row(bed->bdf, "PASIDs", "no: the kernel has not enabled them");
}

/* Attaches a fault-capable page table, which enables page requests, and detaches it. */
static int try_faults(const struct bed *bed)
{
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = 12 };
	struct vfio_device_detach_iommufd_pt detach = { .argsz = 8 };
	int rc;

	if (ioctl(bed->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &queue))
		return -errno;
	rc = make_table(bed, IOMMU_HWPT_FAULT_ID_VALID, queue.out_fault_id, &attach.pt_id);
	if (!rc && ioctl(bed->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		rc = -errno;
	else if (!rc)
		(void)ioctl(bed->device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
	destroy(bed, attach.pt_id);
	close((int)queue.out_fault_fd);
	destroy(bed, queue.out_fault_id);
	return rc;
}

static void tell_page_requests(const struct bed *bed)
{
	int rc;

	if (!iof_pci_capability(&iof_machine, bed->bdf, CAP_PRI)) {
		iof_info_row(bed->bdf, "page requests", "no: the function has no PRI capability");
		return;
	}
	rc = try_faults(bed);
	if (!rc)
		iof_info_row(bed->bdf, "page requests", "yes");
	else if (vtd_lacks(bed, VTD_PAGE_REQUESTS))
		iof_info_row(bed->bdf, "page requests", "no: the IOMMU takes none");
	else
		iof_info_row(bed->bdf, "page requests", "no: the kernel refuses them: %s",
			     iof_reason(rc));
}

static void tell_iommu(struct bed *bed)
{
	bed->info = (struct iommu_hw_info){
		.size = sizeof(bed->info),
		.dev_id = bed->device_id,
		.data_len = sizeof(bed->vtd),
		.data_uptr = (uintptr_t)&bed->vtd,
	};
	if (ioctl(bed->iommufd, IOMMU_GET_HW_INFO, &bed->info)) {
		iof_info_row(bed->bdf, "IOMMU", "unknown: %s", iof_reason(errno));
		return;
	}
	bed->is_vtd = bed->info.out_data_type == IOMMU_HW_INFO_TYPE_INTEL_VTD;
	if (bed->is_vtd)
		iof_info_vtd(bed->bdf, &bed->info, &bed->vtd);
	else
		iof_info_row(bed->bdf, "IOMMU", "its driver gives registers of type %u",
			     bed->info.out_data_type);
}

static void tell_features(struct bed *bed)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };

	tell_iommu(bed);
	if (ioctl(bed->iommufd, IOMMU_IOAS_ALLOC, &ioas)) {
		iof_info_row(bed->bdf, "page tables", "no: %s", iof_reason(errno));
		return;
	}
	bed->ioas = ioas.out_ioas_id;
	tell_table(bed, "page tables", 0, NULL);
	tell_table(bed, "dirty tracking", IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		   vtd_lacks(bed, VTD_DIRTY) ? "the IOMMU has no dirty bits" : NULL);
	tell_table(bed, "nested", IOMMU_HWPT_ALLOC_NEST_PARENT,
		   vtd_lacks(bed, VTD_NESTED) ? "the IOMMU has one stage" : NULL);
	tell_pasids(bed);
	tell_page_requests(bed);
	destroy(bed, bed->ioas);
}

static int take_name(const struct iof_sys *sys, const char *name, void *data)
{
	(void)sys;
	snprintf(data, NAME_MAX + 1, "%s", name);
	return 1;
}

static void tell_function(const char *bdf)
{
	struct vfio_device_bind_iommufd bind = { .argsz = 16 };
	struct bed bed = { .bdf = bdf, .iommufd = -1, .device = -1 };
	char node[NAME_MAX + 1] = "", path[NAME_MAX + 32];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.23s/vfio-dev", bdf);
	(void)iof_sys_each(&iof_machine, path, take_name, node);
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", node);
	bed.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	bed.device = bed.iommufd < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (bed.device < 0) {
		iof_info_row(bdf, "node", "%s, which cannot be tried: %s", path, iof_reason(errno));
		goto out_close;
	}
	bind.iommufd = bed.iommufd;
	if (ioctl(bed.device, VFIO_DEVICE_BIND_IOMMUFD, &bind)) {
		iof_info_row(bdf, "node", "%s, %s%s", path,
			     errno == EBUSY ? "which a program has" : "which cannot be bound: ",
			     errno == EBUSY ? "" : iof_reason(errno));
		goto out_close;
	}
	bed.device_id = bind.out_devid;
	iof_info_row(bdf, "node", "%s", path);
	tell_features(&bed);
	iof_info_dsa(bdf, &iof_real_machine, bed.device);
out_close:
	if (bed.device >= 0)
		close(bed.device);
	if (bed.iommufd >= 0)
		close(bed.iommufd);
}

struct functions {
	char bdf[MAX_FUNCTIONS][IOF_BDF];
	size_t nr, more;
};

static int take_function(const struct iof_sys *sys, const char *name, void *data)
{
	struct functions *functions = data;
	char bdf[IOF_BDF];

	(void)sys;
	if (!iof_pci_address(name, bdf)) /* another file of the driver's folder */
		return 0;
	if (functions->nr == MAX_FUNCTIONS)
		functions->more++;
	else
		strcpy(functions->bdf[functions->nr++], bdf);
	return 0;
}

static struct functions functions; /* rows point to the addresses */

void iof_info_real_world(void)
{
	char what[IOF_WHY], next[IOF_WHY];

	if (!iof_pci_ready(&iof_machine, what, next)) {
		iof_info_row("worlds", "real devices", "no: %.140s", what);
		return;
	}
	(void)iof_sys_each(&iof_machine, "/sys/bus/pci/drivers/" IOF_PCI_DRIVER, take_function,
			   &functions);
	iof_info_row("worlds", "real devices", "iofault-pci is loaded and has %zu function%s",
		     functions.nr + functions.more, functions.nr == 1 ? "" : "s");
}

void iof_info_functions(void)
{
	size_t i;

	for (i = 0; i < functions.nr; i++)
		tell_function(functions.bdf[i]);
}
