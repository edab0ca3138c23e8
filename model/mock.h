/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * mock.h - the mock device: the smallest device that can fault.
 *
 * mock.c is its driver (domains of half pages, nested domains of four words, no
 * DMA); mock_ioctl.c is IOMMU_TEST_CMD, by which programs make such devices and
 * let them fault; mock_access.c has the ops of an emulated device with access
 * to an IOAS. A device belongs to the context that made it, and is removed with
 * its test object.
 */
#ifndef IOF_MODEL_MOCK_H
#define IOF_MODEL_MOCK_H

#include "core/iof_core.h"
#include <iofault/iommufd_test.h>

/* The node data of a machine that offers the test ioctls. */
struct iof_mock_node {
	struct iof_ctx_node node;
	u32 credits; /* number of credits of each mock device; constant */
};

extern const struct iof_test_ops iof_mock_test_ops;

struct iof_mock_device {
	struct iof_hwdev hw;
	struct iof_device *idev;
	/* the "selftest device" of the ABI; DESTROY of it removes the device */
	struct iof_object obj;
	u32 flags;     /* MOCK_FLAGS_DEVICE_* */
	char name[16]; /* mockN for the N-th device */
	/*
	 * PASID (0: the RID) -> its struct iof_domain. Written by attach(),
	 * which the core serialises for a device; read at any time.
	 */
	struct xarray attached;
	/*
	 * counts changes of the PASID whose second change fails; access as
	 * attach()
	 */
	u32 trap_changes;
};

struct iof_mock_domain {
	struct iof_domain domain;
	struct mutex lock; /* guards the tables and @empty */
	/* number of the table -> struct iof_mock_table */
	struct xarray tables;
	unsigned long empty; /* the table that was emptied last */
	bool huge;	     /* has 1 MiB pages */
	bool can_track;	     /* created with DIRTY_TRACKING */
	bool tracking;	     /* accessed with READ_ONCE, WRITE_ONCE */
};

struct iof_mock_nested {
	struct iof_domain domain;
	/* accessed with READ_ONCE, WRITE_ONCE */
	u32 iotlb[MOCK_NESTED_DOMAIN_IOTLB_NUM];
};

/*
 * Creates and registers a device; @credits as in struct iof_hwdev. NULL: no
 * memory.
 */
struct iof_mock_device *iof_mock_device_create(u32 flags, u32 credits);
/* Destroys a device that has no attachment and is not bound. */
void iof_mock_device_destroy(struct iof_mock_device *mock);
/*
 * Return the mock of a device or a domain; NULL if it is no mock, or a domain
 * of another type.
 */
struct iof_mock_device *iof_mock_of(struct iof_hwdev *dev);
struct iof_mock_domain *iof_mock_paging_of(struct iof_domain *domain);
struct iof_mock_nested *iof_mock_nested_of(struct iof_domain *domain);

/*
 * Simulates a write of a device to [iova, last] of the domain: the mapped pages
 * become dirty.
 */
void iof_mock_write(struct iof_mock_domain *md, unsigned long iova,
		    unsigned long last);

/* Ops of mock_access.c, called like those of mock_ioctl.c. */
int iof_mock_create_access(struct iof_ucmd *ucmd);
int iof_mock_access_replace_ioas(struct iof_ucmd *ucmd);
int iof_mock_access_pages(struct iof_ucmd *ucmd);
int iof_mock_destroy_access_pages(struct iof_ucmd *ucmd);
int iof_mock_access_rw(struct iof_ucmd *ucmd);

#endif
