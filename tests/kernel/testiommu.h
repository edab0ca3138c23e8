/* SPDX-License-Identifier: MIT */
/*
 * testiommu.h - /dev/testiommu: how a test program works the IOMMU of tests/vm/modules/testiommu.
 *
 * The module is an IOMMU driver of the kernel's IOMMU subsystem. It claims PCI functions that no
 * other IOMMU translates for, and plays their DMA and their page requests on command. It is the
 * hostile peer of hw/: it fails calls, raises requests at the wrong time, and counts.
 *
 * read() of /dev/testiommu yields page responses in the order of their arrival, as an array of
 * struct ti_response. It blocks, or returns EAGAIN with O_NONBLOCK; poll() works. There is one
 * record for each response to a LAST request, until TI_RECORDS are unread; more are only counted.
 *
 * `dev` is an index into the devices of TI_START. ENODEV: that device is not there (yet, or any
 * more). `pasid` is TI_NO_PASID for requester ids.
 */
#ifndef TESTS_TESTIOMMU_H
#define TESTS_TESTIOMMU_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TI_DEVICES  8
#define TI_RECORDS  4096
#define TI_NO_PASID 0xffffffffu
#define TI_DMA_MAX  (1 << 20)
/* A range that no program may map, beside the one of MSI. */
#define TI_RESV_START 0x40000000ull
#define TI_RESV_LAST  0x4000ffffull
/* A range that the firmware wants until a driver has the device. */
#define TI_RELAX_START 0x50000000ull
/* The window for interrupts behind an IOMMU that translates them. */
#define TI_MSI_START 0x08000000ull

enum {
	TI_DEV_NO_PRI = 1 << 0,	  /* refuses to enable page requests */
	TI_DEV_NO_DIRTY = 1 << 1, /* cannot track dirty pages */
	TI_DEV_MSI = 1 << 2,	  /* a page table has to translate its interrupts */
};

struct ti_device {
	__u32 bdf;   /* domain << 16 | bus << 8 | device << 3 | function */
	__u32 group; /* devices with one number share an isolation group; below TI_DEVICES */
	__u32 max_pasids;
	__u32 flags;
};

/* Claims @nr devices and registers the IOMMU. EBUSY: it is registered. */
struct ti_start {
	__u32 nr;
	__u32 reserved;
	struct ti_device dev[TI_DEVICES];
};

enum {
	TI_REQ_LAST = 1 << 0,
};

struct ti_request {
	__u32 dev;
	__u32 pasid;
	__u32 grpid;
	__u32 flags; /* TI_REQ_... */
	__u32 perm;  /* 1 read, 2 write, 4 execute, 8 privileged */
	__u32 reserved;
	__u64 addr;
};

/* Raises @nr requests in order. */
struct ti_requests {
	__u64 requests; /* user address of struct ti_request */
	__u32 nr;
	__u32 out_failed; /* number of requests that the kernel refused */
};

/* Raises @nr groups of one page each: group indexes and addresses go up from those of @first. */
struct ti_flood {
	struct ti_request first;
	__u32 nr;
	__u32 grpids; /* group indexes wrap after so many; 0: never */
};

/* Raises a request of its own at the next event of a kind. */
enum {
	TI_HOOK_BEFORE_LEAVE, /* a page table is about to leave @request.dev and @request.pasid */
	TI_HOOK_AFTER_LEAVE,  /* it has left */
	TI_HOOK_BEFORE_FEATURE_OFF, /* page requests are about to be disabled */
	TI_NR_HOOKS,
};
struct ti_hook {
	__u32 when;
	__u32 reserved;
	struct ti_request request;
};

/* The n-th call at @point from now, and @times - 1 calls after it, return -@error. */
enum {
	TI_POINT_ALLOC,
	TI_POINT_ATTACH, /* a paging or nested domain for requester ids */
	TI_POINT_PASID,	 /* ... for a PASID */
	TI_POINT_MAP,
	TI_POINT_FEATURE,
	TI_POINT_INVALIDATE,
	/* these cannot fail, and are counted only */
	TI_POINT_UNMAP,
	TI_POINT_SYNC,
	TI_POINT_LEAVE,
	TI_POINT_FREE,
	TI_NR_POINTS,
};
struct ti_fail {
	__u32 point;
	__u32 nth; /* from 1; 0: never mind */
	__u32 times;
	__u32 error;
};

/* Calls since TI_START. */
struct ti_calls {
	__u64 calls[TI_NR_POINTS];
};

struct ti_stats {
	__u32 dev;	/* in */
	__u32 iopf;	/* page requests are enabled */
	__u64 requests; /* that reached the kernel */
	__u64 groups;	/* of these, LAST ones */
	__u64 own; /* requests that arrived while disabled: the IOMMU responds INVALID by itself */
	__u64 responses;
	__u64 code[3];	  /* responses by code: success, invalid, failure */
	__u64 open;	  /* groups without a response */
	__u64 unexpected; /* responses without an open group */
};

/* A page table in force: what it translates @iova to. ENOENT: no page table; EFAULT: no page. */
struct ti_lookup {
	__u32 dev, pasid;
	__u64 iova;
	__u64 pa;
	__u64 size; /* of the page */
	__u32 prot; /* 1 read, 2 write */
	__u32 dirty;
};

enum {
	TI_DMA_WRITE = 1 << 0, /* into the memory that @iova translates to */
};
/* A DMA. @out_done: bytes until a translation was missing or did not allow it. */
struct ti_dma {
	__u32 dev, pasid;
	__u64 iova;
	__u64 buffer; /* user address of the device's own data */
	__u32 length; /* up to TI_DMA_MAX */
	__u32 flags;
	__u32 out_done;
	__u32 reserved;
};

/* The nested page table in force. ENOENT: there is none. */
struct ti_nested {
	__u32 dev, pasid;
	__u32 iotlb[4];
	__u64 invalidations;
};

/*
 * Pins @npages pages of the caller, maps and unmaps them in a page table for the function @bdf by
 * the kernel's IOMMU calls, and unpins them. The function can be behind any IOMMU.
 */
#define TI_FLOOR_PAGES (1 << 19)
struct ti_floor_map {
	__u32 bdf;
	__u32 reserved;
	__u64 user; /* user address */
	__u64 npages;
};

#define TI_START    _IOW('t', 1, struct ti_start)
#define TI_STOP	    _IO('t', 2) /* lets go of all devices; no driver may have them */
#define TI_REQUESTS _IOWR('t', 3, struct ti_requests)
#define TI_FLOOD    _IOWR('t', 4, struct ti_flood)
#define TI_HOOK	    _IOW('t', 5, struct ti_hook)
#define TI_FAIL	    _IOW('t', 6, struct ti_fail)
#define TI_CALLS    _IOR('t', 7, struct ti_calls)
#define TI_STATS    _IOWR('t', 8, struct ti_stats)
#define TI_LOOKUP   _IOWR('t', 9, struct ti_lookup)
#define TI_DMA	    _IOWR('t', 10, struct ti_dma)
#define TI_NESTED   _IOWR('t', 11, struct ti_nested)
/*
 * As TI_REQUESTS, for one request at a time: it has its response at once, and no program sees it.
 */
#define TI_FLOOR_REQUESTS _IOWR('t', 12, struct ti_requests)
#define TI_FLOOR_MAP	  _IOW('t', 13, struct ti_floor_map)
/*
 * 1: responses do not return from now on, 0: they do. TI_HELD waits until one is held.
 */
#define TI_HOLD _IOW('t', 14, __u32)
#define TI_HELD _IO('t', 15)

struct ti_response {
	__u32 dev;
	__u32 pasid;
	__u32 grpid;
	__u32 code; /* 0 success, 1 invalid, 2 failure */
};

#endif
