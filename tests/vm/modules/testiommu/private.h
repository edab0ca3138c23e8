/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * private.h - what the files of the test IOMMU share.
 *
 * Order of locks: the kernel's lock of an isolation group; ti_table; the
 * device's iopf; its access; a domain's access; the spinlocks.
 */
#ifndef TESTIOMMU_PRIVATE_H
#define TESTIOMMU_PRIVATE_H

#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/version.h>
#include <linux/xarray.h>

#include "testiommu.h"

/*
 * Linux 7: paging domains are allocated with flags, nested ones by an op of
 * their own; a PASID leaves for the blocked domain; attaching a domain with a
 * handler enables page requests; the old domain is an argument.
 */
#define TI_LINUX_7 (LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0))

#define TI_SIZES 3 /* sizes of pages: 4 KiB, 2 MiB, 1 GiB */

struct ti_domain {
	struct iommu_domain domain;
	/*
	 * Read side: a DMA uses a translation. Invalidation waits for it by
	 * taking the write side.
	 */
	rwlock_t access;
	struct xarray pages[TI_SIZES]; /* by number of the page of that size */
	bool tracking;		       /* pages that DMA writes to are marked */
	bool enforced;		       /* no DMA bypasses the caches */
	bool attached, reshaped;       /* once; while the first attach runs */
	/* nested */
	struct ti_domain *parent;
	u32 iotlb[4];
	atomic64_t invalidations;
};

/* A claimed function, from its probe to its release. */
struct ti_dev {
	struct device *dev;
	unsigned int index;
	u32 flags;
	/* Write side: page requests are switched. Read side: one is raised. */
	struct rw_semaphore iopf;
	unsigned int nr_iopf; /* iopf */
	/* Write side: another domain comes. Read side: a DMA looks one up. */
	rwlock_t access;
	struct ti_domain *rid; /* access; NULL: none of this module's */
	struct xarray pasids;  /* of struct ti_domain; access */
	struct xarray open;    /* number of groups by key_of(); its own lock */
};

/* What is known of a device also while it is away. */
struct ti_slot {
	struct ti_device told;
	struct ti_dev *dev;    /* ti_table; NULL: not there */
	struct ti_stats stats; /* records_lock in faults.c */
};

extern struct rw_semaphore ti_table;
extern struct ti_slot ti_slots[TI_DEVICES];
extern unsigned int ti_nr_slots;
extern struct iopf_queue *ti_queue;

static inline struct ti_domain *ti_domain_of(struct iommu_domain *domain)
{
	return container_of(domain, struct ti_domain, domain);
}

/* iommu.c */
int ti_register(void);
void ti_unregister(void);
/* What @iova is translated to; under the domain's access. NULL: nothing. */
void *ti_walk(struct ti_domain *domain, u64 iova, unsigned int *level);
unsigned int ti_shift(unsigned int level);
static inline u64 ti_pa(void *entry)
{
	return (u64)xa_to_value(entry) >> 2 << PAGE_SHIFT;
}

/* control.c */
/* Counts a call; returns the negative errno that it shall fail with, or 0. */
int ti_point(unsigned int point);

/* floor.c */
/* As ti_raise(), with a handler that does nothing, and responds. */
int ti_floor_raise(struct ti_dev *d, const struct ti_request *request);
int ti_floor_map(const struct ti_floor_map *floor);

/* faults.c */
int ti_iopf_get(struct ti_dev *d);
void ti_iopf_put(struct ti_dev *d);
/* Returns when no request is on its way to a handler that was there before. */
void ti_drain(struct ti_dev *d);
/* Raises a request. Returns 0, or what the kernel said. */
int ti_raise(struct ti_dev *d, const struct ti_request *request);
void ti_page_response(struct device *dev, struct iopf_fault *evt, struct iommu_page_response *msg);
/* Is there a group without a response? */
bool ti_any_open(struct ti_dev *d);
/* Raises the request that waits for this event, if any. */
void ti_event(struct ti_dev *d, u32 pasid, unsigned int when);
void ti_set_hook(const struct ti_hook *hook);
void ti_hold(bool on);
int ti_wait_held(void);
void ti_stats_of(unsigned int index, struct ti_stats *stats);
void ti_forget(void);
ssize_t ti_read(struct file *file, char __user *to, size_t size, loff_t *pos);
struct poll_table_struct;
__poll_t ti_poll(struct file *file, struct poll_table_struct *table);

#endif
