/* SPDX-License-Identifier: MIT */
/*
 * The test commands of /dev/iommu: mock devices, which exist in software only. They can be
 * attached, can fault, and report the translations that they see. Numbers, names and layouts are
 * those of Linux 7.2's own test suite, and in addition the device flag that only 6.12's suite uses
 * (HUGE_IOVA).
 *
 * - IOMMU_TEST_CMD is one ioctl; `op` selects an operation, and the union has its arguments.
 * - Ops that iofault does not serve return EOPNOTSUPP, like unknown ones. On a system without mock
 *   devices the ioctl returns ENOTTY.
 * - The commands are for tests and measurements, and not for programs that have a device.
 */
#ifndef IOFAULT_IOMMUFD_TEST_H
#define IOFAULT_IOMMUFD_TEST_H

#include "iommufd.h"

enum {
	IOMMU_TEST_OP_ADD_RESERVED = 1,
	IOMMU_TEST_OP_MOCK_DOMAIN = 2,
	IOMMU_TEST_OP_MD_CHECK_MAP = 3,
	IOMMU_TEST_OP_MD_CHECK_REFS = 4,
	IOMMU_TEST_OP_CREATE_ACCESS = 5,
	IOMMU_TEST_OP_DESTROY_ACCESS_PAGES = 6,
	IOMMU_TEST_OP_ACCESS_PAGES = 7,
	IOMMU_TEST_OP_ACCESS_RW = 8,
	IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT = 9,
	IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE = 10,
	IOMMU_TEST_OP_ACCESS_REPLACE_IOAS = 11,
	IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS = 12,
	IOMMU_TEST_OP_DIRTY = 13,
	IOMMU_TEST_OP_MD_CHECK_IOTLB = 14,
	IOMMU_TEST_OP_TRIGGER_IOPF = 15,
	/* Linux has these since 7.2 */
	IOMMU_TEST_OP_DEV_CHECK_CACHE = 16,
	IOMMU_TEST_OP_TRIGGER_VEVENT = 17,
	IOMMU_TEST_OP_PASID_ATTACH = 18,
	IOMMU_TEST_OP_PASID_REPLACE = 19,
	IOMMU_TEST_OP_PASID_DETACH = 20,
	IOMMU_TEST_OP_PASID_CHECK_HWPT = 21,
	IOMMU_TEST_OP_DMABUF_GET = 22,
	IOMMU_TEST_OP_DMABUF_REVOKE = 23,
	/* iofault's own ops; Linux returns EOPNOTSUPP */
	IOF_TEST_OP_PAGE_REQ = 0x10000,
	IOF_TEST_OP_STATS = 0x10001,
};

/* The addresses and page sizes of the mock hardware. */
enum {
	MOCK_APERTURE_START = 1 << 24,
	MOCK_APERTURE_LAST = 0x7fffffff,
	MOCK_PAGE_SIZE = 2048,
	MOCK_HUGE_PAGE_SIZE = 512 * MOCK_PAGE_SIZE,
};

enum {
	MOCK_FLAGS_ACCESS_WRITE = 1 << 0,
	MOCK_FLAGS_ACCESS_SYZ = 1 << 16, /* also accepted in the flags of IOMMU_IOAS_COPY */
};

enum {
	MOCK_ACCESS_RW_WRITE = 1 << 0,
	MOCK_ACCESS_RW_SLOW_PATH = 1 << 2,
};

enum {
	MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES = 1 << 0,
};

enum {
	MOCK_FLAGS_DEVICE_NO_DIRTY = 1 << 0,  /* the device cannot track dirty pages */
	MOCK_FLAGS_DEVICE_HUGE_IOVA = 1 << 1, /* 6.12 only: its domains know 1 MiB pages */
	MOCK_FLAGS_DEVICE_PASID = 1 << 2,     /* the device has 2^MOCK_PASID_WIDTH PASIDs */
};

enum {
	MOCK_NESTED_DOMAIN_IOTLB_ID_MAX = 3,
	MOCK_NESTED_DOMAIN_IOTLB_NUM = 4,
};

enum {
	MOCK_DEV_CACHE_ID_MAX = 3,
	MOCK_DEV_CACHE_NUM = 4,
};

#define MOCK_PASID_WIDTH 20

/* The second attach or replace of this PASID fails once, with ENOMEM. */
#define IOMMU_TEST_PASID_RESERVED 1024

/*
 * IOMMU_TEST_CMD (minimum 68): the comment of each op names the object of `id`. Each op returns
 * ENOENT for an unknown id, and EINVAL for an object that is not a mock's.
 */
struct iommu_test_cmd {
	__u32 size; /* in */
	__u32 op;   /* in: IOMMU_TEST_OP_... */
	__u32 id;   /* in */
	__u32 __reserved;
	union {
		/* id: IOAS. EINVAL: length 0. EOVERFLOW: range wraps. EADDRINUSE: range in use */
		struct {
			__aligned_u64 start;
			__aligned_u64 length;
		} add_reserved;
		/* id: IOAS or HWPT for the new device. DESTROY of stdev removes the device */
		struct {
			__u32 out_stdev_id; /* the test device, `id` of other ops */
			__u32 out_hwpt_id;  /* the HWPT in force */
			__u32 out_idev_id;  /* the bound device, dev_id of other commands */
		} mock_domain;
		/* id: as in mock_domain. EINVAL: unknown flag */
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
			__u32 dev_flags; /* in: MOCK_FLAGS_DEVICE_... */
		} mock_domain_flags;
		/* id: stdev */
		struct {
			__u32 pt_id; /* in: IOAS or HWPT. out: the HWPT */
		} mock_domain_replace;
		/* id: HWPT. EINVAL: misaligned, or the HWPT does not map iova to uptr throughout */
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} check_map;
		/* id is not used. EIO: a page has another number of pins. EINVAL: misaligned */
		struct {
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 refs;
		} check_refs;
		/* id: IOAS. EOPNOTSUPP: unknown flag. EADDRINUSE: mappings not page-aligned */
		struct {
			__u32 out_access_fd; /* `id` of the access ops; its close ends the access */
			__u32 flags;	     /* in: MOCK_FLAGS_ACCESS_CREATE_... */
		} create_access;
		/* id: access. ENOENT: no such item, or removed. EBADFD: not an access */
		struct {
			__u32 access_pages_id;
		} destroy_access_pages;
		/* id: access. ENOENT: a hole. EPERM. EBADE: other pages than those at uptr */
		struct {
			__u32 flags; /* in: MOCK_FLAGS_ACCESS_... */
			__u32 out_access_pages_id;
			__aligned_u64 iova;
			__aligned_u64 length; /* ENOMEM above 16 MiB */
			__aligned_u64 uptr;   /* 0: do not compare */
		} access_pages;
		/* id: access. ENOENT: a hole. EPERM, EFAULT */
		struct {
			__aligned_u64 iova;
			__aligned_u64 length; /* ENOMEM above 16 MiB */
			__aligned_u64 uptr;
			__u32 flags; /* in: MOCK_ACCESS_RW_... */
		} access_rw;
		/* id: access */
		struct {
			__u32 ioas_id;
		} access_replace_ioas;
		/* id is not used. EINVAL: a limit below 12 */
		struct {
			__u32 limit; /* bytes of scratch memory while pinning */
		} memory_limit;
		/* id: HWPT. EINVAL: a value is 0 or misaligned, or tracking is off. EOVERFLOW */
		struct {
			__u32 flags; /* not used */
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 page_size; /* bytes for each bit */
			__aligned_u64 uptr;	 /* -> bitmap of the pages that become dirty */
			__aligned_u64 out_nr_dirty;
		} dirty;
		/* id: nested HWPT. EINVAL: word `id` of its cache has another value */
		struct {
			__u32 id;
			__u32 iotlb;
		} check_iotlb;
		/*
		 * Sends one page request that is a whole group; with PASID_VALID if pasid is not 0.
		 * The call succeeds even if the request is refused. When it returns, the request is
		 * queued or answered.
		 */
		struct {
			__u32 dev_id; /* the bound device; `id` is not used */
			__u32 pasid;
			__u32 grpid;
			__u32 perm; /* passed to the reader unchanged */
			__aligned_u64 addr;
		} trigger_iopf;
		/* id: bound device. EINVAL: word `id` of its cache has another value */
		struct {
			__u32 id;
			__u32 cache;
		} check_dev_cache;
		/* ENOENT: no virtual id. EOPNOTSUPP: no event queue. ENOMEM: the event is lost */
		struct {
			__u32 dev_id;
		} trigger_vevent;
		/* id: stdev. EBUSY: attached. EINVAL: no such PASID, or an HWPT without PASIDs */
		struct {
			__u32 pasid;
			__u32 pt_id; /* in: IOAS or HWPT. out: the HWPT */
		} pasid_attach;
		/* id: stdev. EINVAL: not attached, or as in pasid_attach */
		struct {
			__u32 pasid;
			__u32 pt_id; /* in: IOAS or HWPT. out: the HWPT */
		} pasid_replace;
		/* id: stdev. The op never fails */
		struct {
			__u32 pasid;
		} pasid_detach;
		/* id: stdev. EINVAL: another HWPT is attached */
		struct {
			__u32 pasid;
			__u32 hwpt_id; /* 0: the PASID is not attached */
		} pasid_check;
		/* The ioctl returns a descriptor. EINVAL: length 0 or above 512 pages */
		struct {
			__u32 length;
			__u32 open_flags;
		} dmabuf_get;
		struct {
			__s32 dmabuf_fd;
			__u32 revoked;
		} dmabuf_revoke;
		/*
		 * Sends one page request with exactly these values, so that a test can make groups
		 * of several pages, unfinished groups, and mixed ones. Returns the error that the
		 * reporting driver gets: EINVAL no listener, ENOSPC beyond the device's credits,
		 * ENOMEM.
		 */
		struct {
			__u32 dev_id; /* a bound device of the mock; `id` is not used */
			__u32 flags;  /* enum iommu_hwpt_pgfault_flags */
			__u32 pasid;
			__u32 grpid;
			__u32 perm;
			__u32 __reserved;
			__aligned_u64 addr;
		} iof_page_req;
		/* Reads the counters of a device; a shorter buffer gets the first of them */
		struct {
			__u32 dev_id;	    /* any bound device; `id` is not used */
			__u32 len;	    /* number of bytes at uptr */
			__aligned_u64 uptr; /* -> struct iof_test_stats */
		} iof_stats;
	};
	__u32 last; /* unused; the minimum size ends here */
};
#define IOMMU_TEST_CMD _IO(IOMMUFD_TYPE, 0xa0)

/* Counters of a device. Each is exact while no request is open. */
struct iof_test_stats {
	__aligned_u64 requests; /* number of pages reported */
	__aligned_u64 groups;	/* number of LAST pages reported */
	__aligned_u64 success;	/* number of groups with each answer */
	__aligned_u64 invalid;
	__aligned_u64 failure;
	__aligned_u64 refused; /* answered by the core: no listener, or no credits */
	__aligned_u64 swept;   /* answered by the core: detach, replace, last close */
};

/* GET_HW_INFO of a mock device */
#define IOMMU_HW_INFO_TYPE_SELFTEST   0xfeedbeef
#define IOMMU_HW_INFO_SELFTEST_REGVAL 0xdeadbeef
struct iommu_test_hw_info {
	__u32 flags;	/* out: 0 */
	__u32 test_reg; /* out: IOMMU_HW_INFO_SELFTEST_REGVAL */
};

/* HWPT_ALLOC on a mock device: nested, or (since 7.2) paging to choose its format */
#define IOMMU_HWPT_DATA_SELFTEST 0xdead
#define IOMMU_TEST_IOTLB_DEFAULT 0xbadbeef
enum {
	MOCK_IOMMUPT_DEFAULT = 0,
	MOCK_IOMMUPT_HUGE = 1, /* 4 KiB and 1 MiB pages, all addresses */
};
struct iommu_hwpt_selftest {  /* minimum 4, the size in 6.12 */
	__u32 iotlb;	      /* in: initial value of the words of its cache */
	__u32 pagetable_type; /* in: MOCK_IOMMUPT_... */
};

/* HWPT_INVALIDATE of a nested HWPT of a mock device: words of its cache become 0 */
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST	    0xdeadbeef
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeef
#define IOMMU_TEST_INVALIDATE_FLAG_ALL		    (1 << 0)
struct iommu_hwpt_invalidate_selftest {
	__u32 flags;	/* in: IOMMU_TEST_INVALIDATE_FLAG_ALL; EOPNOTSUPP: others */
	__u32 iotlb_id; /* in: EINVAL above MOCK_NESTED_DOMAIN_IOTLB_ID_MAX */
};

/* The mock's virtual IOMMU, its events and queues, all since 7.2 */
#define IOMMU_VIOMMU_TYPE_SELFTEST 0xdeadbeef
struct iommu_viommu_selftest {
	__u32 in_data;		       /* in */
	__u32 out_data;		       /* out: in_data */
	__aligned_u64 out_mmap_offset; /* out */
	__aligned_u64 out_mmap_length; /* out */
};

#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST	      0xdeadbeef
#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeef
#define IOMMU_TEST_DEV_CACHE_DEFAULT		      0xbaddad
struct iommu_viommu_invalidate_selftest {
	__u32 flags;	/* in: IOMMU_TEST_INVALIDATE_FLAG_ALL; EOPNOTSUPP: others */
	__u32 vdev_id;	/* in */
	__u32 cache_id; /* in: EINVAL above MOCK_DEV_CACHE_ID_MAX */
};

#define IOMMU_VEVENTQ_TYPE_SELFTEST 0xbeefbeef
struct iommu_viommu_event_selftest {
	__u32 virt_id;
};

#define IOMMU_HW_QUEUE_TYPE_SELFTEST 0xdeadbeef
#define IOMMU_TEST_HW_QUEUE_MAX	     2

#define IOF_TEST_AT(field, at) \
	IOF_ABI_ASSERT(__builtin_offsetof(struct iommu_test_cmd, field) == (at))
IOF_ABI_ASSERT(IOMMU_TEST_CMD == 0x3ba0);
IOF_ABI_ASSERT(sizeof(struct iommu_test_cmd) == 72);
IOF_TEST_AT(size, 0);
IOF_TEST_AT(op, 4);
IOF_TEST_AT(id, 8);
IOF_TEST_AT(__reserved, 12);
IOF_TEST_AT(last, 64);
IOF_TEST_AT(add_reserved.start, 16);
IOF_TEST_AT(add_reserved.length, 24);
IOF_TEST_AT(mock_domain.out_stdev_id, 16);
IOF_TEST_AT(mock_domain.out_hwpt_id, 20);
IOF_TEST_AT(mock_domain.out_idev_id, 24);
IOF_TEST_AT(mock_domain_flags.out_stdev_id, 16);
IOF_TEST_AT(mock_domain_flags.out_hwpt_id, 20);
IOF_TEST_AT(mock_domain_flags.out_idev_id, 24);
IOF_TEST_AT(mock_domain_flags.dev_flags, 28);
IOF_TEST_AT(mock_domain_replace.pt_id, 16);
IOF_TEST_AT(check_map.iova, 16);
IOF_TEST_AT(check_map.length, 24);
IOF_TEST_AT(check_map.uptr, 32);
IOF_TEST_AT(check_refs.length, 16);
IOF_TEST_AT(check_refs.uptr, 24);
IOF_TEST_AT(check_refs.refs, 32);
IOF_TEST_AT(create_access.out_access_fd, 16);
IOF_TEST_AT(create_access.flags, 20);
IOF_TEST_AT(destroy_access_pages.access_pages_id, 16);
IOF_TEST_AT(access_pages.flags, 16);
IOF_TEST_AT(access_pages.out_access_pages_id, 20);
IOF_TEST_AT(access_pages.iova, 24);
IOF_TEST_AT(access_pages.length, 32);
IOF_TEST_AT(access_pages.uptr, 40);
IOF_TEST_AT(access_rw.iova, 16);
IOF_TEST_AT(access_rw.length, 24);
IOF_TEST_AT(access_rw.uptr, 32);
IOF_TEST_AT(access_rw.flags, 40);
IOF_TEST_AT(access_replace_ioas.ioas_id, 16);
IOF_TEST_AT(memory_limit.limit, 16);
IOF_TEST_AT(dirty.flags, 16);
IOF_TEST_AT(dirty.iova, 24);
IOF_TEST_AT(dirty.length, 32);
IOF_TEST_AT(dirty.page_size, 40);
IOF_TEST_AT(dirty.uptr, 48);
IOF_TEST_AT(dirty.out_nr_dirty, 56);
IOF_TEST_AT(check_iotlb.id, 16);
IOF_TEST_AT(check_iotlb.iotlb, 20);
IOF_TEST_AT(trigger_iopf.dev_id, 16);
IOF_TEST_AT(trigger_iopf.pasid, 20);
IOF_TEST_AT(trigger_iopf.grpid, 24);
IOF_TEST_AT(trigger_iopf.perm, 28);
IOF_TEST_AT(trigger_iopf.addr, 32);
IOF_TEST_AT(check_dev_cache.id, 16);
IOF_TEST_AT(check_dev_cache.cache, 20);
IOF_TEST_AT(trigger_vevent.dev_id, 16);
IOF_TEST_AT(pasid_attach.pasid, 16);
IOF_TEST_AT(pasid_attach.pt_id, 20);
IOF_TEST_AT(pasid_replace.pasid, 16);
IOF_TEST_AT(pasid_replace.pt_id, 20);
IOF_TEST_AT(pasid_detach.pasid, 16);
IOF_TEST_AT(pasid_check.pasid, 16);
IOF_TEST_AT(pasid_check.hwpt_id, 20);
IOF_TEST_AT(dmabuf_get.length, 16);
IOF_TEST_AT(dmabuf_get.open_flags, 20);
IOF_TEST_AT(dmabuf_revoke.dmabuf_fd, 16);
IOF_TEST_AT(dmabuf_revoke.revoked, 20);
IOF_TEST_AT(iof_page_req.dev_id, 16);
IOF_TEST_AT(iof_page_req.addr, 40);
IOF_TEST_AT(iof_stats.dev_id, 16);
IOF_TEST_AT(iof_stats.uptr, 24);
IOF_ABI_ASSERT(sizeof(struct iof_test_stats) == 56);
IOF_ABI_ASSERT(sizeof(struct iommu_test_hw_info) == 8);
IOF_ABI_ASSERT(sizeof(struct iommu_hwpt_selftest) == 8);
IOF_ABI_ASSERT(sizeof(struct iommu_hwpt_invalidate_selftest) == 8);
IOF_ABI_ASSERT(sizeof(struct iommu_viommu_selftest) == 24);
IOF_ABI_ASSERT(sizeof(struct iommu_viommu_invalidate_selftest) == 12);
IOF_ABI_ASSERT(sizeof(struct iommu_viommu_event_selftest) == 4);

#endif /* IOFAULT_IOMMUFD_TEST_H */
