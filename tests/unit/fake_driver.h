/* SPDX-License-Identifier: MIT */
/*
 * fake_driver.h - an IOMMU driver for tests: devices that do and refuse what a test tells them,
 * record what the core asks of them, and check what must hold of every driver call.
 *
 * Checked always, by stopping the program: attach names the domain really in force as @old; a
 * domain is freed only when no device is attached to it; each group reported through fake_report()
 * gets exactly one answer, with its own last page; calls come in sleepable context. fake_dev_fini()
 * checks that nothing is left unanswered or attached.
 */
#ifndef TESTS_UNIT_FAKE_DRIVER_H
#define TESTS_UNIT_FAKE_DRIVER_H

#include "core/iof_core.h"

#define FAKE_PASIDS 16u	 /* PASIDs that a device may have, the RID included */
#define FAKE_CALLS  256u /* attach calls that a device remembers; later ones are only counted */

struct fake_domain {
	struct iof_domain d;
	int tag;		   /* fits devices of the same tag only */
	u32 flags;		   /* as asked for at allocation */
	struct iof_domain *parent; /* nested */
	struct mm_struct *mm;	   /* SVA */
	atomic_t attached;	   /* (device, PASID) pairs */
	struct mutex lock;
	struct xarray pages;  /* iova >> 12 -> pa >> 12, as xa_value */
	atomic_t invalidated; /* entries done */
};

struct fake_attach_call {
	u32 pasid;
	struct iof_domain *new, *old;
	int rc;
};

struct fake_dev {
	struct iof_hwdev hw;

	/* What the device is like; set after fake_dev_init(), before registration. */
	int tag;
	bool not_coherent;
	bool no_dirty_tracking;
	bool no_page_requests; /* attach to a fault-capable domain: -ENODEV */
	bool no_pasid_ops;     /* attach of a PASID: -EOPNOTSUPP */
	bool no_nested_invalidate;
	bool unchecked; /* the test reports by iof_report_page_req() itself */

	/*
	 * From now on the fail_nth-th attach with a domain fails; 0: none. fail_always: so do later
	 * ones.
	 */
	int fail_nth;
	bool fail_always;
	int fail_errno;

	/* Called by the ops, without the device's lock; may sleep. */
	void (*on_attach)(struct fake_dev *dev, u32 pasid, struct iof_domain *new,
			  struct iof_domain *old);
	void (*on_response)(struct fake_dev *dev, const struct iof_page_req *req,
			    enum iof_page_code code);
	void *priv; /* the test's */

	struct mutex lock; /* all below */
	struct iof_domain *now[FAKE_PASIDS];
	struct fake_attach_call calls[FAKE_CALLS];
	unsigned int nr_calls;
	struct list_head open[256]; /* struct fake_request: reported, not answered */
	struct list_head answered;  /* struct fake_request, oldest first */
	unsigned long nr_open;
	unsigned long nr_answered[3]; /* by enum iof_page_code */
	wait_queue_head_t answer;     /* woken by each answer */
};

struct fake_request {
	struct list_head node;
	struct iof_page_req req;
	enum iof_page_code code;
};

extern const struct iof_driver_ops fake_driver_ops;
extern const struct iof_driver_ops fake_other_driver_ops; /* the same functions, another driver */

/* @credits as in struct iof_hwdev. Fills dev->hw with fake_driver_ops and no PASIDs. */
void fake_dev_init(struct fake_dev *dev, const char *name, u32 credits);
/* Unregistered by now; checks and frees. */
void fake_dev_fini(struct fake_dev *dev);
/* init and register, or unregister and fini; stops the program on failure. */
void fake_dev_add(struct fake_dev *dev, const char *name, u32 credits, u32 max_pasids,
		  struct fake_dev *group_with);
void fake_dev_remove(struct fake_dev *dev);

/*
 * Reports one page; with @flags LAST, its group is entered for checking first. @pasid counts with
 * PASID_VALID, which is added for @pasid other than 0. Returns what iof_report_page_req() said.
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
/* A complete group of one page. */
static inline int fake_fault(struct fake_dev *dev, u32 pasid, u32 grpid, u64 addr)
{
	return fake_report(dev, IOMMU_PGFAULT_FLAGS_LAST_PAGE, pasid, grpid,
			   IOMMU_PGFAULT_PERM_READ, addr);
}

/* Groups reported and not answered yet. */
unsigned long fake_open(struct fake_dev *dev);
/* Groups answered with @code so far. */
unsigned long fake_answered(struct fake_dev *dev, enum iof_page_code code);
/*
 * The code that the oldest answered group with last page @addr got, which is then forgotten; -1:
 * none.
 */
int fake_take_answer(struct fake_dev *dev, u64 addr);
/* Returns when no group is open. */
void fake_wait_all_answered(struct fake_dev *dev);

/* The domain in force, NULL: blocked. */
struct iof_domain *fake_now(struct fake_dev *dev, u32 pasid);
/* Attach calls of this device so far, and the @n-th. */
unsigned int fake_nr_calls(struct fake_dev *dev);
struct fake_attach_call fake_call(struct fake_dev *dev, unsigned int n);

/* Called before anything is mapped, if it is not NULL; may sleep. */
extern void (*fake_on_map)(struct iof_domain *domain);

/* Domains of the driver that exist. */
int fake_live_domains(void);

static inline struct fake_domain *to_fake_domain(struct iof_domain *domain)
{
	return container_of(domain, struct fake_domain, d);
}

#endif
