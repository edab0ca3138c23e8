/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iof_driver.h - what an IOMMU driver gives to the core, and what the core
 * gives back to it.
 *
 * An IOMMU driver registers each device behind its IOMMU as a struct iof_hwdev
 * with an ops table. It builds domains (page tables of some format) for such a
 * device, switches a device (or one PASID of it) to a domain, reports page
 * requests and takes page responses. The core knows nothing of formats, page
 * sizes or address widths beyond what is stated here; model/ is one driver,
 * hardware another.
 *
 * Contexts: all ops may sleep. The core serialises attach for one group;
 * map/unmap of one domain are serialised against each other by the core as far
 * as ranges overlap, not otherwise.
 */
#ifndef IOF_CORE_DRIVER_H
#define IOF_CORE_DRIVER_H

#include "kapi.h"
#include <iofault/iommufd.h>

struct iof_hwdev;
struct iof_domain;
struct iof_group;
struct iof_hwdev_core;

/* The PASID that names the requester id itself: requests without a PASID. */
#define IOF_NO_PASID 0u

/* ---- page requests ---- */

/*
 * One page request as the device sent it; flags and perm are IOMMU_PGFAULT_* of
 * the ABI.
 */
struct iof_page_req {
	u32 flags; /* IOMMU_PGFAULT_FLAGS_PASID_VALID, _LAST_PAGE */
	u32 pasid; /* meaningful with PASID_VALID */
	u32 grpid; /* page request group index */
	u32 perm;  /* IOMMU_PGFAULT_PERM_* */
	u64 addr;  /* the I/O virtual address, as the device gave it */
	/*
	 * when it was sent, in ktime_get_ns(); 0: the driver cannot tell, the
	 * core looks itself
	 */
	u64 sent;
};

enum iof_page_code {
	IOF_PAGE_SUCCESS = 0, /* translate again */
	IOF_PAGE_INVALID = 1, /* this access will never work */
	/* the IOMMU could not handle the request; not offered to user space */
	IOF_PAGE_FAILURE = 2,
};

struct iof_page_answer {
	struct iof_page_req req; /* the group's LAST page */
	enum iof_page_code code;
};

/*
 * Reports one page request. Sleepable context, any thread, in the order in
 * which the device sent them. 0: taken; if the request was LAST,
 * ops->page_responses answers its group exactly once, maybe before this
 * returns. For a page that is not LAST no response is owed, and an error
 * (-EINVAL nobody listens, -ENOSPC beyond the device's credits, -ENOMEM) only
 * informs: the group is remembered as broken, unless memory fails even for
 * that, and its LAST page is answered INVALID. A LAST page is always answered,
 * also when this returns an error.
 */
int iof_report_page_req(struct iof_hwdev *dev, const struct iof_page_req *req);

/*
 * Reports @nr page requests, in order, as so many calls of
 * iof_report_page_req() would, but for less: what is common to them is done
 * once. LAST pages that follow each other may need their credits at the same
 * time, including those that will be refused. What the calls would have
 * returned is only counted (iof_hwdev_get_stats()).
 */
void iof_report_page_reqs(struct iof_hwdev *dev,
			  const struct iof_page_req *reqs, u32 nr);

/*
 * The device was reset, or its request queue overflowed: it will not finish the
 * groups that it has begun. Their pages are forgotten. Complete groups are not
 * affected.
 */
void iof_report_reset(struct iof_hwdev *dev);

/* ---- user data that the core passes through to the driver ---- */

struct iof_user_data {
	u32 type; /* IOMMU_HWPT_DATA_* */
	u32 len;
	void __user *uptr;
	/*
	 * What was there already, so that no driver waits for user memory;
	 * NULL: not copied yet.
	 */
	const void *copy;
	int copy_rc; /* what the copying said */
};

/* No driver takes more, nor tells more about itself. */
#define IOF_USER_DATA_MAX 128u

struct iof_user_array {
	u32 type; /* IOMMU_HWPT_INVALIDATE_DATA_* */
	u32 entry_len;
	u32 entry_num;
	void __user *uptr;
};

/*
 * Copies a typed blob into @dst of @known bytes; a blob shorter than that is
 * extended with zeroes. -EOPNOTSUPP type differs, -EINVAL shorter than @min or
 * longer than @known, -EFAULT.
 */
int iof_copy_user_data(void *dst, const struct iof_user_data *src, u32 type,
		       size_t min, size_t known);
/*
 * Copies entry @index of the array, as copy_struct_from_user() does.
 * -EINVAL type differs or entry_len below @min, -E2BIG unknown non-zero tail,
 * -EFAULT.
 */
int iof_copy_user_array_entry(void *dst, const struct iof_user_array *src,
			      u32 type, u32 index, size_t min, size_t known);

/* ---- domains ---- */

#define IOF_PROT_READ  BIT(0)
#define IOF_PROT_WRITE BIT(1)

enum iof_domain_type {
	IOF_DOMAIN_PAGING, /* the core maps and unmaps */
	/* the user owns the table; the driver walks it through the parent */
	IOF_DOMAIN_NESTED,
	IOF_DOMAIN_SVA, /* the page tables of a process */
};

/* Where read_dirty() tells what it found (dirty.c). */
struct iof_dirty;
/*
 * The leaf that shows [iova, last] is dirty. True: it shall be clean from now
 * on. A leaf that the user asked only a part of stays dirty, since the rest
 * would be forgotten.
 */
bool iof_dirty_found(struct iof_dirty *dirty, unsigned long iova,
		     unsigned long last);

struct iof_domain_ops {
	/*
	 * Enters [iova, iova+size) -> [pa, pa+size) with page sizes of the
	 * driver's choice from pgsize_bitmap; both addresses and size are
	 * multiples of the smallest. On failure nothing of this call stays.
	 * -ENOMEM, -EINVAL.
	 */
	int (*map)(struct iof_domain *domain, unsigned long iova,
		   phys_addr_t pa, size_t size, unsigned int prot);
	/*
	 * Removes [iova, iova+size), whose ends are ends of earlier map calls;
	 * holes are fine. Cannot fail, does not allocate. Translations may stay
	 * cached until sync().
	 */
	void (*unmap)(struct iof_domain *domain, unsigned long iova,
		      size_t size);
	/*
	 * Returns when no cached translation of [iova, last] is left and no DMA
	 * through one runs.
	 */
	void (*sync)(struct iof_domain *domain, unsigned long iova,
		     unsigned long last);
	/* The physical address behind iova, or (phys_addr_t)-1. */
	phys_addr_t (*iova_to_phys)(struct iof_domain *domain,
				    unsigned long iova);
	/*
	 * Both for domains made with DIRTY_TRACKING. set_dirty_tracking() makes
	 * all clean when it turns tracking on; turning it off cannot fail.
	 * read_dirty() calls iof_dirty_found() for each dirty leaf of which
	 * something is in [iova, last], in ascending order, and returns when
	 * every later write to a leaf it made clean is seen by the next call.
	 * Off: it finds nothing. Serialised for a domain.
	 */
	int (*set_dirty_tracking)(struct iof_domain *domain, bool on);
	void (*read_dirty)(struct iof_domain *domain, unsigned long iova,
			   unsigned long last, struct iof_dirty *dirty);
	/*
	 * Nested domains: performs the invalidations of the array in order;
	 * *done counts those completed, also on failure. entry_num 0 asks
	 * whether the type is supported (-EINVAL if not).
	 */
	int (*invalidate)(struct iof_domain *domain,
			  const struct iof_user_array *array, u32 *done);
	/* No device uses the domain any more. */
	void (*free)(struct iof_domain *domain);
};

/*
 * Embedded in the driver's own domain struct. The driver fills it in before it
 * returns it.
 */
struct iof_domain {
	const struct iof_domain_ops *ops;
	const struct iof_driver_ops *driver; /* who made it */
	enum iof_domain_type type;
	u64 pgsize_bitmap; /* paging only */
	/*
	 * paging only: IOVAs that can be mapped, inclusive
	 */
	unsigned long aperture_start;
	unsigned long aperture_last;
	/*
	 * Set by the core right after allocation and never changed: page
	 * requests under this domain have somebody to answer them. The driver
	 * turns page requests on in attach() because of it.
	 */
	bool fault_capable;
	/* paging only, the core's: */
	struct list_head map_node;
	bool filling; /* shows the areas below @fill_next only; domains_rwsem */
	unsigned long fill_next;
};

/* ---- devices ---- */

enum iof_cap {
	IOF_CAP_CACHE_COHERENCY, /* required for bind */
	IOF_CAP_DIRTY_TRACKING,
	IOF_CAP_PASID_EXEC,
	IOF_CAP_PASID_PRIV,
	IOF_CAP_ATS,
};

struct iof_resv_region {
	unsigned long start;
	unsigned long last; /* inclusive */
};

struct iof_driver_ops {
	bool (*capable)(struct iof_hwdev *dev, enum iof_cap cap);
	/*
	 * Hardware information. *type in: the IOMMU_HW_INFO_TYPE_* wanted, 0
	 * for the default; out: what it is. Returns memory of *len bytes, at
	 * most IOF_USER_DATA_MAX, that lives as long as the device, NULL with
	 * *len 0 for "nothing to tell" (may be a NULL op), or
	 * ERR_PTR(-EOPNOTSUPP) for an unknown type.
	 */
	const void *(*hw_info)(struct iof_hwdev *dev, u32 *type, u32 *len);
	/*
	 * @flags: IOMMU_HWPT_ALLOC_* that the driver must support or refuse
	 * with -EOPNOTSUPP; the core has removed FAULT_ID_VALID. @data is NULL
	 * when the user gave none; a driver that takes none answers
	 * -EOPNOTSUPP.
	 */
	struct iof_domain *(*alloc_paging)(struct iof_hwdev *dev, u32 flags,
					   const struct iof_user_data *data);
	struct iof_domain *(*alloc_nested)(struct iof_hwdev *dev,
					   struct iof_domain *parent, u32 flags,
					   const struct iof_user_data *data);
	/*
	 * A domain over the page tables of @mm; the driver holds its own
	 * mmgrab() reference.
	 */
	struct iof_domain *(*alloc_sva)(struct iof_hwdev *dev,
					struct mm_struct *mm);
	/*
	 * Switches (device, pasid) from @old to @new, NULL being the blocked
	 * state. When it returns 0, DMA through @old has ended and nothing of
	 * it is cached. @new NULL cannot fail. On failure @old is still in
	 * force. -EINVAL the domain does not fit this device (the core may try
	 * another), -ENODEV domain->fault_capable and the device cannot make
	 * page requests, -EOPNOTSUPP no PASIDs, -ENOMEM. Must not wait for page
	 * requests to be answered: those of
	 * @old are answered after it, and those that come meanwhile are held
	 * until it returns. When one device of a group fails, the others are
	 * asked to go back, with @new and @old exchanged; one that fails at
	 * that too is blocked.
	 */
	int (*attach)(struct iof_hwdev *dev, u32 pasid, struct iof_domain *new,
		      struct iof_domain *old);
	/*
	 * The one answer to each of @nr groups of the device, at least one, in
	 * the order in which they were given. Called in sleepable context
	 * without locks of the core, from whichever thread answers; other
	 * groups of the device may be answered concurrently. Cannot fail.
	 */
	void (*page_responses)(struct iof_hwdev *dev,
			       const struct iof_page_answer *answers, u32 nr);
};

/*
 * Embedded in the driver's own device struct; the upper part is filled in
 * before registration.
 */
struct iof_hwdev {
	const struct iof_driver_ops *ops;
	const char *name; /* for messages; lives as long as the device */
	u32 max_pasids;	  /* PASIDs 1 .. max_pasids - 1 exist; 0 or 1: none */
	u32 credits; /* most page requests that can be open at a time; >= 1 */
	/*
	 * The user owns the PASID table (nested on the RID): a request with a
	 * PASID that has no attachment goes to the RID's domain, if that is
	 * nested.
	 */
	bool user_pasid_table;
	/*
	 * A virtual function that shows a page-request capability of its own:
	 * cannot be fault-capable.
	 */
	bool vf_with_pri;
	/*
	 * IOVAs that must not be mapped for this device
	 */
	const struct iof_resv_region *resv;
	unsigned int nr_resv;

	struct iof_hwdev_core *core; /* the core's, from registration on */
};

/*
 * Makes a device known. @group_with: NULL for an isolation group of its own, or
 * an earlier registered device whose group it joins. -EBUSY that group is
 * attached to something, -ENOMEM. The driver keeps the memory until
 * iof_hwdev_unregister(), which requires that nobody has the device bound, and
 * no device of its group attached.
 */
int iof_hwdev_register(struct iof_hwdev *dev, struct iof_hwdev *group_with);
void iof_hwdev_unregister(struct iof_hwdev *dev);

/*
 * Counters of a device's page requests; read without locks, each exact when
 * nothing is in flight.
 */
struct iof_hwdev_stats {
	u64 requests;	 /* pages reported */
	u64 groups;	 /* LAST pages reported */
	u64 answered[3]; /* groups answered, by enum iof_page_code */
	/*
	 * groups answered by the core because nobody listened or credits ran
	 * out
	 */
	u64 refused;
	/*
	 * groups answered by the core at detach, replace or last close
	 */
	u64 swept;
};
void iof_hwdev_get_stats(struct iof_hwdev *dev, struct iof_hwdev_stats *stats);

#endif
