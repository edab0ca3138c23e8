/* SPDX-License-Identifier: MIT */
/*
 * fake_driver.h - an IOMMU driver for tests. Its devices do and refuse what a test tells them,
 * record the core's calls, and check the rules of every driver call.
 *
 * The checks stop the program. attach() names the domain really in force as @old; a domain is freed
 * only when no device is attached to it; each group reported through fake_report() gets exactly one
 * answer, with its own last page; calls come in sleepable context. fake_dev_fini() checks that no
 * group is unanswered and nothing attached.
 */
#ifndef TESTS_UNIT_FAKE_DRIVER_H
#define TESTS_UNIT_FAKE_DRIVER_H

#include "core/iof_core.h"

#define FAKE_PASIDS 16u /* number of PASIDs that a device may have, including the RID */
/* number of attach calls that a device remembers; later ones are only counted */
#define FAKE_CALLS 256u

struct fake_domain {
	struct iof_domain d;
	int tag;		   /* a device accepts only domains with its own tag */
	u32 flags;		   /* flags of the allocation */
	struct iof_domain *parent; /* parent of a nested domain */
	struct mm_struct *mm;	   /* address space of an SVA domain */
	atomic_t attached;	   /* number of (device, PASID) pairs */
	struct mutex lock;
	struct xarray pages;  /* iova >> 12 -> pa >> 12, as xa_value */
	atomic_t invalidated; /* number of entries done */
};

struct fake_attach_call {
	u32 pasid;
	struct iof_domain *new, *old;
	int rc;
};

struct fake_dev {
	struct iof_hwdev hw;

	/* The test sets these after fake_dev_init(), before registration. */
	int tag;
	bool not_coherent;
	bool no_dirty_tracking;
	bool no_page_requests; /* attach() to a fault-capable domain returns -ENODEV */
	bool no_pasid_ops;     /* attach() of a PASID returns -EOPNOTSUPP */
	bool no_nested_invalidate;
	unsigned int absent_data; /* the next so many alloc_nested() return -EAGAIN */
	bool unchecked;		  /* the test calls iof_report_page_req() itself */

	/*
	 * The fail_nth-th attach with a domain from now on fails; 0: none fails. fail_always: later
	 * ones fail, too.
	 */
	int fail_nth;
	bool fail_always;
	int fail_errno;

	/* The ops call these, without the device's lock; they may sleep. */
	void (*on_attach)(struct fake_dev *dev, u32 pasid, struct iof_domain *new,
			  struct iof_domain *old);
	void (*on_response)(struct fake_dev *dev, const struct iof_page_req *req,
			    enum iof_page_code code);
	void *priv; /* data of the test */

	struct mutex lock; /* protects all fields below */
	struct iof_domain *now[FAKE_PASIDS];
	struct fake_attach_call calls[FAKE_CALLS];
	unsigned int nr_calls;
	struct list_head open[256]; /* hash of struct fake_request: reported, not answered */
	struct list_head answered;  /* list of struct fake_request, oldest first */
	unsigned long nr_open;
	unsigned long nr_answered[3]; /* number of answered groups, by enum iof_page_code */
	wait_queue_head_t answer;     /* each answer wakes it */
};

struct fake_request {
	struct list_head node;
	struct iof_page_req req;
	enum iof_page_code code;
};

extern const struct iof_driver_ops fake_driver_ops;
/* ops of another driver, with the same functions */
extern const struct iof_driver_ops fake_other_driver_ops;
/* ops of a driver of devices without IOMMU, with the same functions */
extern const struct iof_driver_ops fake_no_iommu_ops;

/* Initialises dev->hw with fake_driver_ops and no PASIDs. @credits as in struct iof_hwdev. */
void fake_dev_init(struct fake_dev *dev, const char *name, u32 credits);
/* Checks a device that is unregistered, and frees its memory. */
void fake_dev_fini(struct fake_dev *dev);
/*
 * Initialise and register a device, or unregister and check it. They stop the program on failure.
 */
void fake_dev_add(struct fake_dev *dev, const char *name, u32 credits, u32 max_pasids,
		  struct fake_dev *group_with);
void fake_dev_remove(struct fake_dev *dev);

/*
 * Reports one page. With @flags LAST, its group is first entered for checking. @pasid counts with
 * PASID_VALID, which is added if @pasid is not 0. Returns the result of iof_report_page_req().
 */
int fake_report(struct fake_dev *dev, u32 flags, u32 pasid, u32 grpid, u32 perm, u64 addr);

/* Requests that are reported together. */
struct fake_burst {
	struct fake_dev *dev;
	struct iof_page_req reqs[64];
	u32 nr;
};
void fake_burst_add(struct fake_burst *burst, u32 flags, u32 pasid, u32 grpid, u32 perm, u64 addr);
void fake_burst_send(struct fake_burst *burst);
/* Reports a complete group of one page. */
static inline int fake_fault(struct fake_dev *dev, u32 pasid, u32 grpid, u64 addr)
{
	return fake_report(dev, IOMMU_PGFAULT_FLAGS_LAST_PAGE, pasid, grpid,
			   IOMMU_PGFAULT_PERM_READ, addr);
}

/* Returns the number of groups that are reported and not answered. */
unsigned long fake_open(struct fake_dev *dev);
/* Returns the number of groups answered with @code so far. */
unsigned long fake_answered(struct fake_dev *dev, enum iof_page_code code);
/*
 * Removes the oldest answered group with last page @addr, and returns its code; -1: there is none.
 */
int fake_take_answer(struct fake_dev *dev, u64 addr);
/* Returns when no group is open. */
void fake_wait_all_answered(struct fake_dev *dev);

/* Returns the domain in force; NULL: blocked. */
struct iof_domain *fake_now(struct fake_dev *dev, u32 pasid);
/* Return the number of attach calls of this device so far, and the @n-th call. */
unsigned int fake_nr_calls(struct fake_dev *dev);
struct fake_attach_call fake_call(struct fake_dev *dev, unsigned int n);

/* If not NULL, called before each mapping; may sleep. */
extern void (*fake_on_map)(struct iof_domain *domain);

/* Returns the number of the driver's domains that exist. */
int fake_live_domains(void);

static inline struct fake_domain *to_fake_domain(struct iof_domain *domain)
{
	return container_of(domain, struct fake_domain, d);
}

#endif
