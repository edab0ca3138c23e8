/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iof_driver.h - the contract between the core and an IOMMU driver.
 *
 * A driver registers each device behind its IOMMU as a struct iof_hwdev with an
 * ops table. It makes domains (page tables of some format) for the device,
 * switches the device or one PASID of it to a domain, reports page requests and
 * takes page responses. The core knows formats, page sizes and address widths
 * only as stated here. model/ is one driver, hardware another.
 *
 * Contexts: all ops may sleep. The core serialises attach() within an isolation
 * group. It serialises map() and unmap() of one domain where their ranges
 * overlap, and not otherwise.
 */
#ifndef IOF_CORE_DRIVER_H
#define IOF_CORE_DRIVER_H

#include "kapi.h"
#include <iofault/iommufd.h>

struct iof_hwdev;
struct iof_domain;
struct iof_group;
struct iof_hwdev_core;

/* The PASID that stands for the requester id: requests without a PASID. */
#define IOF_NO_PASID 0u

/* ---- page requests ---- */

/**
 * struct iof_page_req - a page request, as the device sent it (PCIe, 10.4.1)
 * @flags: IOMMU_PGFAULT_FLAGS_PASID_VALID and IOMMU_PGFAULT_FLAGS_LAST_PAGE
 * @pasid: valid with PASID_VALID
 * @grpid: page request group index
 * @perm: IOMMU_PGFAULT_PERM_*
 * @addr: the I/O virtual address
 * @sent: ktime_get_ns() when the device sent it; 0: the driver does not know,
 *	and the core takes the time of the report
 * @driver_cookie: the driver's own; the answer returns that of the LAST page
 */
struct iof_page_req {
	u32 flags;
	u32 pasid;
	u32 grpid;
	u32 perm;
	u64 addr;
	u64 sent;
	u64 driver_cookie;
};

/**
 * enum iof_page_code - the answer to a page-request group (PCIe, 10.4.2)
 * @IOF_PAGE_SUCCESS: translate again
 * @IOF_PAGE_INVALID: the access will never succeed
 * @IOF_PAGE_FAILURE: the IOMMU could not handle the request; handlers in user
 *	space cannot give it
 */
enum iof_page_code {
	IOF_PAGE_SUCCESS = 0,
	IOF_PAGE_INVALID = 1,
	IOF_PAGE_FAILURE = 2,
};

/**
 * struct iof_page_answer - an answer on its way to the driver
 * @req: the LAST page of the group
 * @code: the answer
 */
struct iof_page_answer {
	struct iof_page_req req;
	enum iof_page_code code;
};

/**
 * iof_report_page_req() - report a page request
 * @dev: the device
 * @req: the request
 *
 * Called from any thread that may sleep, in the order in which the device sent
 * its requests.
 *
 * A LAST page is always answered: ops->page_responses() is called exactly once
 * for its group, perhaps before this function returns, also after an error. A
 * page that is not LAST gets no response. An error for it is information: the
 * core marks the group as broken and answers its LAST page INVALID. If memory
 * fails even for that mark, the group looks as if it had begun later.
 *
 * Return: 0, -EINVAL no reader, -ENOSPC beyond the device's credits, -ENOMEM.
 */
int iof_report_page_req(struct iof_hwdev *dev, const struct iof_page_req *req);

/**
 * iof_report_page_reqs() - report several page requests
 * @dev: the device
 * @reqs: the requests, in order
 * @nr: their number
 *
 * Does what @nr calls of iof_report_page_req() do, with the common work done
 * once. Consecutive LAST pages may need their credits at the same time, also
 * those that will be refused. Results are only counted
 * (iof_hwdev_get_stats()).
 */
void iof_report_page_reqs(struct iof_hwdev *dev,
			  const struct iof_page_req *reqs, u32 nr);

/**
 * iof_report_reset() - drop the unfinished groups of a device
 * @dev: the device, which was reset or lost requests in an overflow
 *
 * Complete groups are not affected.
 */
void iof_report_reset(struct iof_hwdev *dev);

/* ---- user data that the core passes through to the driver ---- */

/**
 * struct iof_user_data - a typed blob of the user
 * @type: IOMMU_HWPT_DATA_*
 * @len: its length in bytes
 * @uptr: its address
 * @copy: a copy in kernel memory, so that no driver waits for user memory;
 *	NULL: not copied
 * @copy_rc: 0, or -EFAULT if copying failed
 */
struct iof_user_data {
	u32 type;
	u32 len;
	void __user *uptr;
	const void *copy;
	int copy_rc;
};

/* Largest blob that a driver takes, or gives as hardware information. */
#define IOF_USER_DATA_MAX 128u

/**
 * struct iof_user_array - an array of the user
 * @type: IOMMU_HWPT_INVALIDATE_DATA_*
 * @entry_len: bytes of an entry
 * @entry_num: number of entries
 * @uptr: address of the first entry
 */
struct iof_user_array {
	u32 type;
	u32 entry_len;
	u32 entry_num;
	void __user *uptr;
};

/**
 * iof_copy_user_data() - copy a typed blob
 * @dst: destination of @known bytes; a shorter blob is extended by zeroes
 * @src: the blob
 * @type: the type that the driver knows
 * @min: smallest valid length
 * @known: largest valid length
 *
 * Return: 0, -EOPNOTSUPP another type, -EINVAL another length, -EFAULT.
 */
int iof_copy_user_data(void *dst, const struct iof_user_data *src, u32 type,
		       size_t min, size_t known);

/**
 * iof_copy_user_array_entry() - copy an entry as copy_struct_from_user() does
 * @dst: destination of @known bytes
 * @src: the array
 * @type: the type that the driver knows
 * @index: the entry
 * @min: smallest valid length of an entry
 * @known: the length that the driver knows
 *
 * Return: 0, -EINVAL another type or an entry below @min, -E2BIG an unknown
 * tail that is not zero, -EFAULT.
 */
int iof_copy_user_array_entry(void *dst, const struct iof_user_array *src,
			      u32 type, u32 index, size_t min, size_t known);

/* ---- domains ---- */

#define IOF_PROT_READ  BIT(0)
#define IOF_PROT_WRITE BIT(1)

/**
 * enum iof_domain_type - the kind of a domain
 * @IOF_DOMAIN_PAGING: the core maps and unmaps
 * @IOF_DOMAIN_NESTED: the user owns the table, which the driver walks through
 *	the parent
 * @IOF_DOMAIN_SVA: the page tables of a process
 */
enum iof_domain_type {
	IOF_DOMAIN_PAGING,
	IOF_DOMAIN_NESTED,
	IOF_DOMAIN_SVA,
};

/* Destination of what read_dirty() finds (dirty.c). */
struct iof_dirty;

/**
 * iof_dirty_found() - report a dirty leaf
 * @dirty: as given to read_dirty()
 * @iova: first address of the leaf
 * @last: its last address
 *
 * Return: true if the driver makes the leaf clean. A leaf of which the user
 * asked a part only stays dirty, since the rest would be lost.
 */
bool iof_dirty_found(struct iof_dirty *dirty, unsigned long iova,
		     unsigned long last);

/**
 * struct iof_domain_ops - operations of a domain
 * @map: enters [iova, iova + size) -> [pa, pa + size), with page sizes of the
 *	driver's choice from pgsize_bitmap. Both addresses and the size are
 *	multiples of the smallest. On failure nothing of the call stays.
 *	-ENOMEM, -EINVAL.
 * @unmap: removes [iova, iova + size). Its ends are ends of earlier map calls;
 *	holes are allowed. Cannot fail, does not allocate. Translations may stay
 *	cached until sync().
 * @sync: returns when no translation of [iova, last] is cached and no DMA
 *	through one is running.
 * @iova_to_phys: the physical address behind iova, or (phys_addr_t)-1.
 * @set_dirty_tracking: for domains made with DIRTY_TRACKING. Returns 0 with
 *	all leaves clean; 1: on, but leaves may be dirty from before, and the
 *	core reads and drops those; or a negative errno. Turning it off cannot
 *	fail. Serialised with read_dirty() for a domain.
 * @read_dirty: calls iof_dirty_found() for each dirty leaf that overlaps
 *	[iova, last], in ascending order. Returns when the next call will see
 *	every later write to a leaf that was made clean. Off: finds nothing.
 * @invalidate: nested domains only. Performs the invalidations of the array in
 *	order; *done is the number of completed ones, also on failure. With
 *	entry_num 0: -EINVAL if the type is not supported.
 * @free: frees the domain, which no device uses.
 */
struct iof_domain_ops {
	int (*map)(struct iof_domain *domain, unsigned long iova,
		   phys_addr_t pa, size_t size, unsigned int prot);
	void (*unmap)(struct iof_domain *domain, unsigned long iova,
		      size_t size);
	void (*sync)(struct iof_domain *domain, unsigned long iova,
		     unsigned long last);
	phys_addr_t (*iova_to_phys)(struct iof_domain *domain,
				    unsigned long iova);
	int (*set_dirty_tracking)(struct iof_domain *domain, bool on);
	void (*read_dirty)(struct iof_domain *domain, unsigned long iova,
			   unsigned long last, struct iof_dirty *dirty);
	int (*invalidate)(struct iof_domain *domain,
			  const struct iof_user_array *array, u32 *done);
	void (*free)(struct iof_domain *domain);
};

/**
 * struct iof_domain - a page table of a driver
 * @ops: its operations
 * @driver: the ops table of the driver that made it
 * @type: its kind
 * @pgsize_bitmap: paging only: page sizes
 * @aperture_start: paging only: first IOVA that can be mapped
 * @aperture_last: paging only: last IOVA that can be mapped
 * @fault_capable: page requests under the domain have a reader, or are resolved
 *	by the core. Set by the core after allocation, constant then. The driver
 *	turns page requests on in attach() because of it.
 * @map_node: paging only: the core's list of a map's domains
 * @filling: paging only, the core's: not all areas are entered yet
 * @fill_next: paging only, the core's: areas below it are entered while
 *	@filling
 *
 * Embedded in the driver's own struct. The driver fills in @ops, @driver, @type
 * and the page sizes before it returns the domain.
 */
struct iof_domain {
	const struct iof_domain_ops *ops;
	const struct iof_driver_ops *driver;
	enum iof_domain_type type;
	u64 pgsize_bitmap;
	unsigned long aperture_start;
	unsigned long aperture_last;
	bool fault_capable;
	struct list_head map_node;
	bool filling;
	unsigned long fill_next;
};

/* ---- devices ---- */

/**
 * enum iof_cap - abilities of a device and its IOMMU
 * @IOF_CAP_CACHE_COHERENCY: DMA is cache coherent; required for bind
 * @IOF_CAP_DIRTY_TRACKING: domains can be made with DIRTY_TRACKING
 * @IOF_CAP_PASID_EXEC: PCIe PASID execute permission
 * @IOF_CAP_PASID_PRIV: PCIe PASID privileged mode
 * @IOF_CAP_ATS: PCIe address translation service
 */
enum iof_cap {
	IOF_CAP_CACHE_COHERENCY,
	IOF_CAP_DIRTY_TRACKING,
	IOF_CAP_PASID_EXEC,
	IOF_CAP_PASID_PRIV,
	IOF_CAP_ATS,
};

/**
 * struct iof_resv_region - IOVAs that must not be mapped for a device
 * @start: first address
 * @last: last address
 */
struct iof_resv_region {
	unsigned long start;
	unsigned long last;
};

/**
 * struct iof_driver_ops - operations of a driver on its devices
 * @owner: module of the driver, which stays loaded while a domain exists; NULL:
 *	the core's own
 * @no_iommu: the devices have no IOMMU. Their DMA uses physical addresses,
 *	which IOMMU_IOAS_NOIOMMU_GET_PA returns; a domain only holds the memory,
 *	so that map() and attach() may do nothing. alloc_paging() gets neither
 *	flags nor data. Such a device has an isolation group of its own, no
 *	PASIDs and no reserved regions, and needs no ability.
 * @capable: whether the device has an ability.
 * @hw_info: hardware information. *type in: the wanted IOMMU_HW_INFO_TYPE_*, 0
 *	for the default; out: the type given. Returns memory of *len bytes, at
 *	most IOF_USER_DATA_MAX, that lives as long as the device; NULL with *len
 *	0: none; ERR_PTR(-EOPNOTSUPP): unknown type. The op may be NULL.
 * @alloc_paging: makes a paging domain. flags: IOMMU_HWPT_ALLOC_* that the
 *	driver supports or refuses by -EOPNOTSUPP, without FAULT_ID_VALID, which
 *	the core handles. data is NULL if the user gave none; a driver that
 *	takes none returns -EOPNOTSUPP. A driver that reads data->uptr does so
 *	with page faults off. -EAGAIN: a page was not there, and the core
 *	brings it in and asks again, so that no removal of the device waits for
 *	user memory.
 * @alloc_nested: makes a nested domain on a parent of the same driver. Reads
 *	data as alloc_paging() does. May be NULL.
 * @alloc_sva: makes a domain over the page tables of @mm. The driver takes its
 *	own mmgrab() reference. May be NULL.
 * @attach: switches (device, PASID) from @old to @new; NULL is the blocked
 *	state. When it returns 0, DMA through @old has ended and nothing of @old
 *	is cached. On failure @old is in force. @new NULL cannot fail. -EINVAL:
 *	the domain does not fit the device, and the core may try another;
 *	-ENODEV: the domain is fault-capable and the device cannot make page
 *	requests; -EOPNOTSUPP: no PASIDs; -ENOMEM. Must not wait for answers to
 *	page requests: those of @old are answered after it, and those that
 *	arrive meanwhile wait until it returns. If one device of a group fails,
 *	the core switches the others back, with @new and @old exchanged; a
 *	device that fails then is blocked.
 * @page_responses: gives the answers to @nr groups of the device, at least one,
 *	in order. Called exactly once for each group, from any thread, without
 *	locks of the core. Other groups of the device may be answered
 *	concurrently. Cannot fail.
 */
struct iof_driver_ops {
	struct module *owner;
	bool no_iommu;
	bool (*capable)(struct iof_hwdev *dev, enum iof_cap cap);
	const void *(*hw_info)(struct iof_hwdev *dev, u32 *type, u32 *len);
	struct iof_domain *(*alloc_paging)(struct iof_hwdev *dev, u32 flags,
					   const struct iof_user_data *data);
	struct iof_domain *(*alloc_nested)(struct iof_hwdev *dev,
					   struct iof_domain *parent, u32 flags,
					   const struct iof_user_data *data);
	struct iof_domain *(*alloc_sva)(struct iof_hwdev *dev,
					struct mm_struct *mm);
	int (*attach)(struct iof_hwdev *dev, u32 pasid, struct iof_domain *new,
		      struct iof_domain *old);
	void (*page_responses)(struct iof_hwdev *dev,
			       const struct iof_page_answer *answers, u32 nr);
};

/**
 * struct iof_hwdev - a device behind a driver's IOMMU
 * @ops: the driver's operations
 * @name: for messages; lives as long as the device
 * @max_pasids: PASIDs 1 to max_pasids - 1 exist; 0 or 1: none
 * @credits: maximum number of open page requests; at least 1
 * @user_pasid_table: the user owns the PASID table (nested on the RID): a
 *	request with a PASID that has no attachment goes to the RID's domain if
 *	that is nested
 * @vf_with_pri: a virtual function with a page-request capability of its own:
 *	cannot be fault-capable
 * @resv: reserved regions
 * @nr_resv: their number
 * @core: the core's part, from registration on
 *
 * Embedded in the driver's own struct. The driver fills in all but @core before
 * registration.
 */
struct iof_hwdev {
	const struct iof_driver_ops *ops;
	const char *name;
	u32 max_pasids;
	u32 credits;
	bool user_pasid_table;
	bool vf_with_pri;
	const struct iof_resv_region *resv;
	unsigned int nr_resv;

	struct iof_hwdev_core *core;
};

/**
 * iof_hwdev_register() - make a device known
 * @dev: the device; the driver keeps its memory until it is unregistered
 * @group_with: a registered device whose isolation group @dev joins, or NULL
 *	for a group of its own
 *
 * Return: 0, -EBUSY the group has an attachment, -EINVAL a device without IOMMU
 * with a group, PASIDs or reserved regions, -ENOMEM.
 */
int iof_hwdev_register(struct iof_hwdev *dev, struct iof_hwdev *group_with);

/**
 * iof_hwdev_unregister() - end a registration
 * @dev: the device, which is not bound and sends no more page requests
 *
 * If other devices of its group are attached, @dev is switched to the blocked
 * state, and its open groups are answered INVALID.
 */
void iof_hwdev_unregister(struct iof_hwdev *dev);

/**
 * struct iof_hwdev_stats - counters of a device's page requests
 * @requests: pages reported
 * @groups: LAST pages reported
 * @answered: groups answered, by enum iof_page_code
 * @refused: groups refused by the core: no reader, no credit, no memory
 * @swept: groups swept by the core, at detach, replace or last close
 *
 * Read without locks. Each is exact when no request is open.
 */
struct iof_hwdev_stats {
	u64 requests;
	u64 groups;
	u64 answered[3];
	u64 refused;
	u64 swept;
};

/**
 * iof_hwdev_get_stats() - read the counters of a device
 * @dev: the device
 * @stats: destination
 */
void iof_hwdev_get_stats(struct iof_hwdev *dev, struct iof_hwdev_stats *stats);

#endif
