/* SPDX-License-Identifier: MIT */
/*
 * The ABI of /dev/iommu: every command, structure, flag and number of Linux 7.3, by Linux's own
 * names, and the meaning of each errno. Commands that iofault does not serve yet are defined, too;
 * they return ENOTTY.
 *
 * - The header compiles in C and C++, in user space, over the shim and inside the kernel. It needs
 *   <linux/types.h> and <linux/ioctl.h> only.
 * - A program may include this header, or <linux/iommufd.h>, or both in any order. If this one
 * comes first, it defines the kernel header's include guards, so that the kernel's header is empty.
 * If an older kernel header comes first, this one stops the compiler with an error that names the
 *   remedy.
 * - No structure may ever change its size, and no field its place: iommufd_layout.h asserts every
 *   number below.
 */
#ifndef IOFAULT_IOMMUFD_H
#define IOFAULT_IOMMUFD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#if defined(_IOMMUFD_H) || defined(_UAPI_IOMMUFD_H)
/*
 * The kernel's header was included first. HW_QUEUE_ALLOC is 7.2's youngest command. If a header has
 * it but lacks a younger flag, the assertions at the end fail with the name of that flag. What 7.3
 * adds is defined below, if the header lacks it.
 */
#ifndef IOMMU_HW_QUEUE_ALLOC
#error "<linux/iommufd.h> came first and is too old: put <iofault/iommufd.h> before it or instead"
#endif
#else
#define _IOMMUFD_H		      /* the guard of the header in /usr/include/linux */
#define _UAPI_IOMMUFD_H		      /* the guard of the same header inside a kernel tree */

/*
 * Every command
 * -------------
 * ioctl(fd of /dev/iommu, IOMMU_..., &struct). Numbers carry neither direction nor size. The first
 * field, `size`, is the caller's sizeof; structures only grow at the end. A shorter structure, down
 * to the minimum given with each command, counts as one whose missing tail is zero, and gets back
 * only the part that fits in it. A longer one is accepted if its unknown tail is zero.
 *
 * "in" fields are read, "out" fields are written on success, "in/out" both. Pointers are passed as
 * u64.
 * Reserved fields must be zero. Addresses and lengths are in bytes.
 *
 * Each command may return these errors, which are not repeated below:
 *	ENOTTY		no such command, or not implemented here
 *	EINVAL		`size` below the command's minimum
 *	E2BIG		`size` above what is known and a byte in the unknown tail is not zero
 *	EFAULT		the structure, or memory it points to, cannot be read or written
 *	EOPNOTSUPP	a flag, type, option or operation is unknown, or a reserved field is not
 *			zero
 *	ENOENT		an id is 0, unknown, not published yet, or names an object of another type
 *	ENOMEM		out of memory
 * If the reply cannot be copied to the user (EFAULT), a created object is destroyed; a mapping made
 * by MAP stays.
 *
 * All objects of one open of /dev/iommu share one space of ids. The first id is 1. A new object
 * gets the lowest free id, so that ids are reused.
 */
#define IOMMUFD_TYPE		      (';')

enum {
	IOMMUFD_CMD_BASE = 0x80,
	IOMMUFD_CMD_DESTROY = IOMMUFD_CMD_BASE,
	IOMMUFD_CMD_IOAS_ALLOC = 0x81,
	IOMMUFD_CMD_IOAS_ALLOW_IOVAS = 0x82,
	IOMMUFD_CMD_IOAS_COPY = 0x83,
	IOMMUFD_CMD_IOAS_IOVA_RANGES = 0x84,
	IOMMUFD_CMD_IOAS_MAP = 0x85,
	IOMMUFD_CMD_IOAS_UNMAP = 0x86,
	IOMMUFD_CMD_OPTION = 0x87,
	IOMMUFD_CMD_VFIO_IOAS = 0x88,
	IOMMUFD_CMD_HWPT_ALLOC = 0x89,
	IOMMUFD_CMD_GET_HW_INFO = 0x8a,
	IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING = 0x8b,
	IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP = 0x8c,
	IOMMUFD_CMD_HWPT_INVALIDATE = 0x8d,
	IOMMUFD_CMD_FAULT_QUEUE_ALLOC = 0x8e,
	IOMMUFD_CMD_IOAS_MAP_FILE = 0x8f,
	IOMMUFD_CMD_VIOMMU_ALLOC = 0x90,
	IOMMUFD_CMD_VDEVICE_ALLOC = 0x91,
	IOMMUFD_CMD_IOAS_CHANGE_PROCESS = 0x92,
	IOMMUFD_CMD_VEVENTQ_ALLOC = 0x93,
	IOMMUFD_CMD_HW_QUEUE_ALLOC = 0x94,
};

/*
 * IOMMU_DESTROY (minimum 8): destroys an object that has no user.
 *	EBUSY	the object has a user: an HWPT its IOAS, a nested HWPT its parent, an
 *		attachment its HWPT, an open fault descriptor or an HWPT its fault queue; a bound
 *		device, or an HWPT that the core made for an attachment, always; or a call of
 *		another thread that works on the object has not ended within 60 seconds
 */
struct iommu_destroy {
	__u32 size; /* in */
	__u32 id;   /* in: any object */
};
#define IOMMU_DESTROY		      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_DESTROY)

/*
 * IOMMU_IOAS_ALLOC (minimum 12): allocates an empty I/O address space, without an allow-list, and
 * with alignment 1.
 */
struct iommu_ioas_alloc {
	__u32 size;	   /* in */
	__u32 flags;	   /* in: 0 */
	__u32 out_ioas_id; /* out */
};
#define IOMMU_IOAS_ALLOC	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOC)

/* A range of I/O virtual addresses, both ends included. */
struct iommu_iova_range {
	__aligned_u64 start;
	__aligned_u64 last;
};

/*
 * IOMMU_IOAS_IOVA_RANGES (minimum 32): returns the ranges in which mappings can be made now.
 *	EMSGSIZE	more ranges than the array holds: those that fit are there, `num_iovas` and
 *			`out_iova_alignment` are filled in, so that a second call can succeed
 */
struct iommu_ioas_iova_ranges {
	__u32 size;	 /* in */
	__u32 ioas_id;	 /* in */
	__u32 num_iovas; /* in: room in the array. out: number of all ranges */
	__u32 __reserved;
	__aligned_u64 allowed_iovas;	  /* in: -> room for iommu_iova_range[] */
	__aligned_u64 out_iova_alignment; /* out: bytes, a power of two */
};
#define IOMMU_IOAS_IOVA_RANGES	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_IOVA_RANGES)

/*
 * IOMMU_IOAS_ALLOW_IOVAS (minimum 24): replaces the list of ranges that automatic mappings may use
 * and that nothing may reserve any more. No entries: no restriction. Existing mappings may lie
 * outside.
 *	EINVAL		start >= last in an entry, or two entries overlap
 *	EADDRINUSE	an entry touches a reserved range
 */
struct iommu_ioas_allow_iovas {
	__u32 size;	 /* in */
	__u32 ioas_id;	 /* in */
	__u32 num_iovas; /* in */
	__u32 __reserved;
	__aligned_u64 allowed_iovas; /* in: -> struct iommu_iova_range[num_iovas] */
};
#define IOMMU_IOAS_ALLOW_IOVAS	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOW_IOVAS)

/* Flags of MAP, MAP_FILE and COPY. At least one direction must be given. */
enum iommufd_ioas_map_flags {
	IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0, /* the IOVA is the caller's choice */
	IOMMU_IOAS_MAP_WRITEABLE = 1 << 1,  /* devices may write */
	IOMMU_IOAS_MAP_READABLE = 1 << 2,   /* devices may read */
};

/*
 * IOMMU_IOAS_MAP (minimum 40): maps user memory for devices at an IOVA. With an HWPT on the IOAS
 * the pages are pinned and entered before the call returns; without one, the memory is not accessed
 * before the first HWPT is allocated. A call that fails leaves no mapping, unless only the copy of
 * the reply failed.
 *	EINVAL		no direction; length 0 or too large; address, IOVA or length not a multiple
 *			of the alignment; a fixed IOVA in a reserved range or outside the aperture
 *	EOVERFLOW	user_va + length or iova + length wraps, or one of them is no address at all
 *	EEXIST		a fixed range touches a mapping
 *	ENOSPC		no hole is large enough
 *	EFAULT		the memory is absent, or not writable for a WRITEABLE mapping
 *	ENOMEM		also: more locked memory than RLIMIT_MEMLOCK allows
 */
struct iommu_ioas_map {
	__u32 size;    /* in */
	__u32 flags;   /* in: IOMMU_IOAS_MAP_... */
	__u32 ioas_id; /* in */
	__u32 __reserved;
	__aligned_u64 user_va; /* in */
	__aligned_u64 length;  /* in: bytes */
	__aligned_u64 iova;    /* in with FIXED_IOVA, else out; an automatic IOVA is never 0 */
};
#define IOMMU_IOAS_MAP		      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP)

/*
 * IOMMU_IOAS_MAP_FILE (minimum 40): maps the memory of a memfd, as MAP. The mapping holds the file.
 * In iofault a writeable mapping prevents a seal against writing (F_ADD_SEALS returns EBUSY).
 *	EBADF		fd is no open descriptor
 *	EINVAL		also: the range leaves the file, or the file is of no usable kind
 *	ENODEV		a DMA-BUF that has been revoked
 *	EPERM		iofault: writeable, and fd is not open for writing, or sealed against it
 *	ENOMEM		also: huge pages of the file that are not there yet, and too few are free
 *			that are not reserved; module: or fd is not open for writing
 */
struct iommu_ioas_map_file {
	__u32 size;	      /* in */
	__u32 flags;	      /* in: IOMMU_IOAS_MAP_... */
	__u32 ioas_id;	      /* in */
	__s32 fd;	      /* in */
	__aligned_u64 start;  /* in: offset in the file */
	__aligned_u64 length; /* in: bytes */
	__aligned_u64 iova;   /* in/out: as in MAP */
};
#define IOMMU_IOAS_MAP_FILE	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP_FILE)

/*
 * IOMMU_IOAS_COPY (minimum 40): maps memory of one IOAS into another, or the same, at a second
 * place. Pages and their accounting are shared; unmapping the source does not touch the copy.
 *	ENOENT		also: the source range is not mapped without a gap
 *	EPERM		WRITEABLE asked of memory that was mapped without it
 *	EINVAL, EOVERFLOW, EEXIST, ENOSPC	as MAP
 */
struct iommu_ioas_copy {
	__u32 size;		/* in */
	__u32 flags;		/* in: IOMMU_IOAS_MAP_..., FIXED_IOVA concerns dst_iova */
	__u32 dst_ioas_id;	/* in */
	__u32 src_ioas_id;	/* in */
	__aligned_u64 length;	/* in: bytes */
	__aligned_u64 dst_iova; /* in/out: as iova of MAP */
	__aligned_u64 src_iova; /* in */
};
#define IOMMU_IOAS_COPY		      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_COPY)

/*
 * IOMMU_IOAS_UNMAP (minimum 24): removes whole mappings. iova 0 with length U64_MAX empties the
 * IOAS and succeeds on an empty one. The call is not atomic: if a mapping makes it fail, earlier
 * mappings have been removed already.
 *	ENOENT		nothing is mapped in the range, or its border cuts through a mapping
 *	EINVAL		length 0
 *	EOVERFLOW	iova or length is no address, or the end wraps
 *	EBUSY		another thread still builds a mapping there, or a hardware queue is in it
 *	EDEADLOCK	a user inside the kernel does not unpin its pages
 */
struct iommu_ioas_unmap {
	__u32 size;	      /* in */
	__u32 ioas_id;	      /* in */
	__aligned_u64 iova;   /* in */
	__aligned_u64 length; /* in: bytes. out, on success only: bytes removed */
};
#define IOMMU_IOAS_UNMAP	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_UNMAP)

/*
 * IOMMU_IOAS_CHANGE_PROCESS (minimum 8): charges the pinned memory of every IOAS to the calling
 * process.
 *	EINVAL	a mapping was not made by MAP_FILE of a memfd
 *	EBUSY	a mapping is being built
 *	ENOMEM	the memory exceeds the caller's limit; nothing has changed
 */
struct iommu_ioas_change_process {
	__u32 size; /* in */
	__u32 __reserved;
};
#define IOMMU_IOAS_CHANGE_PROCESS     _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_CHANGE_PROCESS)

enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0, /* charges memory to the user (0) or the process (1) */
	IOMMU_OPTION_HUGE_PAGES = 1,  /* of an IOAS: use large I/O pages (1) or not (0) */
};

enum iommufd_option_ops {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

/*
 * IOMMU_OPTION (minimum 24)
 *	EOPNOTSUPP	also: RLIMIT_MODE with an object_id
 *	EINVAL		a value above 1; large pages off while an HWPT and mappings exist
 *	EPERM		setting RLIMIT_MODE needs CAP_SYS_RESOURCE
 *	EBUSY		setting RLIMIT_MODE once an object exists
 *	EADDRINUSE	large pages off while a mapping is not aligned to the page size
 */
struct iommu_option {
	__u32 size;	 /* in */
	__u32 option_id; /* in: enum iommufd_option */
	__u16 op;	 /* in: enum iommufd_option_ops */
	__u16 __reserved;
	__u32 object_id;     /* in: 0 for RLIMIT_MODE, an IOAS for HUGE_PAGES */
	__aligned_u64 val64; /* in for SET; out for both */
};
#define IOMMU_OPTION		      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_OPTION)

enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

/*
 * IOMMU_VFIO_IOAS (minimum 12): sets, returns or clears the IOAS of the VFIO type 1 ioctls.
 *	ENODEV	GET while no IOAS is set
 */
struct iommu_vfio_ioas {
	__u32 size;    /* in */
	__u32 ioas_id; /* in for SET, out for GET */
	__u16 op;      /* in: enum iommufd_vfio_ioas_op */
	__u16 __reserved;
};
#define IOMMU_VFIO_IOAS		      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VFIO_IOAS)

enum iommufd_hwpt_alloc_flags {
	IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0, /* paging only: can be the parent of nested HWPTs */
	IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1, /* paging only */
	IOMMU_HWPT_FAULT_ID_VALID = 1 << 2,	  /* fault_id is valid; not with NEST_PARENT */
	IOMMU_HWPT_ALLOC_PASID = 1 << 3,	  /* may be attached to a PASID, or beside PASIDs */
};

/* Type of the data at `data_uptr` of HWPT_ALLOC. */
enum iommu_hwpt_data_type {
	IOMMU_HWPT_DATA_NONE = 0,
	IOMMU_HWPT_DATA_VTD_S1 = 1,	/* struct iommu_hwpt_vtd_s1 */
	IOMMU_HWPT_DATA_ARM_SMMUV3 = 2, /* struct iommu_hwpt_arm_smmuv3 */
	IOMMU_HWPT_DATA_AMD_GUEST = 3,	/* struct iommu_hwpt_amd_guest */
};

enum iommu_hwpt_vtd_s1_flags {
	IOMMU_VTD_S1_SRE = 1 << 0,  /* supervisor requests are allowed */
	IOMMU_VTD_S1_EAFE = 1 << 1, /* extended accessed flag */
	IOMMU_VTD_S1_WPE = 1 << 2,  /* write protection holds for supervisor requests */
};

/* First-stage table of Intel VT-d: the x86 format, in memory that the parent HWPT maps. */
struct iommu_hwpt_vtd_s1 {
	__aligned_u64 flags;	  /* in: enum iommu_hwpt_vtd_s1_flags */
	__aligned_u64 pgtbl_addr; /* in: the root, an address of the parent's space */
	__u32 addr_width;	  /* in: bits of an input address */
	__u32 __reserved;
};

/* Head of the guest's stream table entry. EIO: a bit is set that the guest does not own. */
struct iommu_hwpt_arm_smmuv3 {
	__aligned_le64 ste[2];
};

/* The guest's device table entry. */
struct iommu_hwpt_amd_guest {
	__aligned_u64 dte[4];
};

/*
 * IOMMU_HWPT_ALLOC (minimum 24): allocates a hardware page table. pt_id decides its kind. On an
 * IOAS, it is a paging HWPT that mirrors the IOAS. On a paging HWPT made with NEST_PARENT (or a
 * vIOMMU), it is a nested HWPT whose first stage is the caller's. The device is not attached; it
 * only selects driver and abilities.
 *	EINVAL		pt_id is unknown or of another type; the parent was not made with
 *			NEST_PARENT or has another driver; a length without type, a type without
 *			length, a blob of a wrong length or with impossible content; the IOAS needs
 *			smaller pages than the hardware has
 *	EOPNOTSUPP	also: a flag or data type that the device's driver does not serve; a nested
 *			HWPT without data; FAULT_ID_VALID with NEST_PARENT
 *	EADDRINUSE	a mapping or allowed range of the IOAS lies outside the device's aperture
 *	EFAULT, ENOMEM	also: pinning the memory of the IOAS failed, as in MAP
 */
struct iommu_hwpt_alloc {
	__u32 size;	   /* in */
	__u32 flags;	   /* in: enum iommufd_hwpt_alloc_flags */
	__u32 dev_id;	   /* in: a bound device */
	__u32 pt_id;	   /* in: IOAS, paging HWPT or vIOMMU */
	__u32 out_hwpt_id; /* out */
	__u32 __reserved;
	__u32 data_type;	 /* in: enum iommu_hwpt_data_type */
	__u32 data_len;		 /* in: bytes at data_uptr */
	__aligned_u64 data_uptr; /* in */
	__u32 fault_id;		 /* in: fault queue; read only with FAULT_ID_VALID */
	__u32 __reserved2;	 /* set to 0; not checked */
};
#define IOMMU_HWPT_ALLOC	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_ALLOC)

enum iommu_hw_info_vtd_flags {
	IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17 = 1 << 0, /* no read-only maps in a parent */
};

struct iommu_hw_info_vtd {
	__u32 flags; /* out: enum iommu_hw_info_vtd_flags */
	__u32 __reserved;
	__aligned_u64 cap_reg;	/* out: the capability register */
	__aligned_u64 ecap_reg; /* out: the extended capability register */
};

struct iommu_hw_info_arm_smmuv3 {
	__u32 flags; /* out: 0 */
	__u32 __reserved;
	__u32 idr[6]; /* out: IDR0 to IDR5 */
	__u32 iidr;   /* out */
	__u32 aidr;   /* out */
};

struct iommu_hw_info_tegra241_cmdqv {
	__u32 flags;	 /* out: 0 */
	__u8 version;	 /* out: PARAM bits 3:0 */
	__u8 log2vcmdqs; /* out: PARAM bits 7:4 */
	__u8 log2vsids;	 /* out: PARAM bits 15:12 */
	__u8 __reserved;
};

struct iommu_hw_info_amd {
	__aligned_u64 efr;  /* out: extended feature register */
	__aligned_u64 efr2; /* out: extended feature register 2 */
};

enum iommu_hw_info_type {
	IOMMU_HW_INFO_TYPE_NONE = 0,
	IOMMU_HW_INFO_TYPE_DEFAULT = 0, /* input: whatever the driver has */
	IOMMU_HW_INFO_TYPE_INTEL_VTD = 1,
	IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2,
	IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV = 3,
	IOMMU_HW_INFO_TYPE_AMD = 4,
};

enum iommufd_hw_capabilities {
	IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0,
	IOMMU_HW_CAP_PCI_PASID_EXEC = 1 << 1, /* the device may ask for execution, by PASID */
	IOMMU_HW_CAP_PCI_PASID_PRIV = 1 << 2, /* ... for privileged access */
	IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED = 1 << 3,
};

enum iommufd_hw_info_flags {
	IOMMU_HW_INFO_FLAG_INPUT_TYPE = 1 << 0, /* in_data_type is valid */
};

/*
 * IOMMU_GET_HW_INFO (minimum 32): returns the abilities of the IOMMU in front of a device.
 *	EOPNOTSUPP	also: the driver has no data of the requested type
 */
struct iommu_hw_info {
	__u32 size;		 /* in */
	__u32 flags;		 /* in: enum iommufd_hw_info_flags */
	__u32 dev_id;		 /* in: a bound device */
	__u32 data_len;		 /* in: bytes at data_uptr. out: bytes the driver has */
	__aligned_u64 data_uptr; /* in: -> data, which the driver fills; the rest becomes 0 */
	union {
		__u32 in_data_type;  /* in, with INPUT_TYPE: enum iommu_hw_info_type */
		__u32 out_data_type; /* out: enum iommu_hw_info_type */
	};
	__u8 out_max_pasid_log2; /* out: bits of a PASID, 0: the device has none */
	__u8 __reserved[3];
	__aligned_u64 out_capabilities; /* out: enum iommufd_hw_capabilities */
};
#define IOMMU_GET_HW_INFO	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_GET_HW_INFO)

enum iommufd_hwpt_set_dirty_tracking_flags {
	IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1,
};

/*
 * IOMMU_HWPT_SET_DIRTY_TRACKING (minimum 16): starts tracking, with all pages clean, or stops it.
 *	EOPNOTSUPP	also: the HWPT was made without DIRTY_TRACKING
 */
struct iommu_hwpt_set_dirty_tracking {
	__u32 size;	  /* in */
	__u32 flags;	  /* in: enum iommufd_hwpt_set_dirty_tracking_flags; 0 stops */
	__u32 hwpt_id;	  /* in: paging HWPT */
	__u32 __reserved; /* set to 0; not checked */
};
#define IOMMU_HWPT_SET_DIRTY_TRACKING _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING)

enum iommufd_hwpt_get_dirty_bitmap_flags {
	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1, /* read the bits, and leave the pages dirty */
};

/*
 * IOMMU_HWPT_GET_DIRTY_BITMAP (minimum 48): sets the bit of each dirty page of a range. It clears
 * no bit, so that the caller starts from zero. An unmapped page counts as clean. Call it before an
 * unmap, which drops the dirty bits. Pages of the bitmap that cannot be written get no bits, which
 * is no error.
 *	EINVAL		length or page_size 0; start or end not aligned to page_size or to the IOAS
 *	EOVERFLOW	the end wraps
 */
struct iommu_hwpt_get_dirty_bitmap {
	__u32 size;    /* in */
	__u32 hwpt_id; /* in: paging HWPT */
	__u32 flags;   /* in: enum iommufd_hwpt_get_dirty_bitmap_flags */
	__u32 __reserved;
	__aligned_u64 iova;	 /* in: the page that bit 0 stands for */
	__aligned_u64 length;	 /* in: bytes */
	__aligned_u64 page_size; /* in: bytes for each bit */
	__aligned_u64 data;	 /* in: -> __u64 bitmap */
};
#define IOMMU_HWPT_GET_DIRTY_BITMAP   _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP)

/* Type of the entries of HWPT_INVALIDATE. */
enum iommu_hwpt_invalidate_data_type {
	IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0,	     /* iommu_hwpt_vtd_s1_invalidate */
	IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 = 1, /* iommu_viommu_arm_smmuv3_invalidate */
};

enum iommu_hwpt_vtd_s1_invalidate_flags {
	IOMMU_VTD_INV_FLAGS_LEAF = 1 << 0, /* only leaf entries have changed, no table pointer */
};

/* EINVAL: addr is not a multiple of 4096, or npages U64_MAX with addr not 0. */
struct iommu_hwpt_vtd_s1_invalidate {
	__aligned_u64 addr;   /* in */
	__aligned_u64 npages; /* in: number of 4 KiB pages; U64_MAX with addr 0: all */
	__u32 flags;	      /* in: enum iommu_hwpt_vtd_s1_invalidate_flags */
	__u32 __reserved;
};

/* One command of the guest's command queue. EIO: a guest may not send this command. */
struct iommu_viommu_arm_smmuv3_invalidate {
	__aligned_le64 cmd[2];
};

/*
 * IOMMU_HWPT_INVALIDATE (minimum 32): invalidates cached entries of a first-stage table that the
 * caller has changed. When it returns, no DMA uses the old entries. Entries are done in order;
 * entry_num tells how many were done, on failure, too. A call without entries asks whether the type
 * is supported.
 *	EINVAL		unknown type, or not for this object; an HWPT that is not nested; with
 *			entries: a null pointer, entry_len 0 or above a page, more than 2^19
 *			entries; an entry of wrong content
 *	EOPNOTSUPP	also: the driver has no invalidation
 */
struct iommu_hwpt_invalidate {
	__u32 size;		 /* in */
	__u32 hwpt_id;		 /* in: nested HWPT or vIOMMU */
	__aligned_u64 data_uptr; /* in: -> entries */
	__u32 data_type;	 /* in: enum iommu_hwpt_invalidate_data_type */
	__u32 entry_len;	 /* in: bytes of an entry */
	__u32 entry_num;	 /* in: number of entries. out: number of entries done */
	__u32 __reserved;
};
#define IOMMU_HWPT_INVALIDATE	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_INVALIDATE)

/*
 * The fault queue
 * ---------------
 * IOMMU_FAULT_QUEUE_ALLOC (minimum 16): allocates an object with a descriptor. HWPTs made with its
 * id and FAULT_ID_VALID send the page faults of the devices attached to them into it. One queue
 * serves any number of HWPTs and devices. The descriptor is read/write and close-on-exec. The
 * object can be destroyed once the descriptor is closed and no HWPT names it.
 *
 * read() returns struct iommu_hwpt_pgfault[], always whole page-request groups. Groups are in the
 * order in which their last pages arrived. Records of a group are in the order of arrival, with
 * LAST_PAGE on the final one.
 *	0		no group is queued; read() never blocks, with or without O_NONBLOCK
 *	EAGAIN		no group is queued, in iofault, for RWF_NOWAIT and for io_uring, which
 *			then waits
 *	EINVAL		the buffer cannot hold the first group (which stays first)
 *	ESPIPE		the length is not a multiple of the structure, or a file position was given
 *	EFAULT		the buffer cannot be written; the group stays queued. After complete
 *			groups, read() returns their bytes instead
 *
 * write() takes struct iommu_hwpt_page_response[], one for each group, in any order. It stops at
 * the first bad entry. If entries before it were good, write() returns their bytes, and the next
 * write() returns the error.
 *	EINVAL		unknown code (the group stays open), or a cookie of no open group: it was
 *			never given, has its response, or the core answered the group at detach or
 *			replace
 *	ESPIPE		the length is not a multiple of the structure, or a file position was given
 *	EFAULT		the entry cannot be read
 *
 * The descriptor is always writable. It is readable while a complete group is queued.
 *
 * iofault promises more than Linux. A group that could not be copied to the user wakes other
 * readers again. The vectors of readv() are one buffer. When the last holder closes the
 * descriptor, the core answers INVALID to each open group and to each later one, so that no device
 * hangs without a handler. A detach or replace also drops the pages of unfinished groups.
 */
struct iommu_fault_alloc {
	__u32 size;	    /* in */
	__u32 flags;	    /* in: 0 */
	__u32 out_fault_id; /* out: for fault_id of HWPT_ALLOC */
	__u32 out_fault_fd; /* out: a new descriptor */
};
#define IOMMU_FAULT_QUEUE_ALLOC	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_FAULT_QUEUE_ALLOC)

enum iommu_hwpt_pgfault_flags {
	IOMMU_PGFAULT_FLAGS_PASID_VALID = 1 << 0, /* `pasid` is valid */
	IOMMU_PGFAULT_FLAGS_LAST_PAGE = 1 << 1,	  /* the last record of its group */
};

enum iommu_hwpt_pgfault_perm {
	IOMMU_PGFAULT_PERM_READ = 1 << 0,
	IOMMU_PGFAULT_PERM_WRITE = 1 << 1,
	IOMMU_PGFAULT_PERM_EXEC = 1 << 2,
	IOMMU_PGFAULT_PERM_PRIV = 1 << 3,
};

/*
 * One page that a device requests. Accept unknown bits in flags and perm: they come from the
 * driver.
 *
 * The cookie names the group in write(); all records of a group have the same one. read() gives it.
 * It is never 0, and is valid for one response. In iofault its low N bits are the index of a slot,
 * and the bits above are the generation of that slot. There are 2^N slots: at least one for each
 * open group; N never falls. A cookie is reused only after its slot has been used again
 * 2^(32-N) - 1 times, for the largest N so far. Free slots are used first in, first out, so that
 * all other slots are used in between. Until then a response that is late, repeated or invented is
 * refused, and never reaches another group. (Linux takes the lowest free number, and may reuse it
 * at once.)
 */
struct iommu_hwpt_pgfault {
	__u32 flags;	    /* enum iommu_hwpt_pgfault_flags */
	__u32 dev_id;	    /* the bound device whose attachment got the request */
	__u32 pasid;	    /* valid with PASID_VALID */
	__u32 grpid;	    /* the device's number for the group; for information */
	__u32 perm;	    /* enum iommu_hwpt_pgfault_perm: the requested access */
	__u32 __reserved;   /* 0 */
	__aligned_u64 addr; /* I/O virtual address */
	__u32 length;	    /* a hint in bytes; 0: none */
	__u32 cookie;
};

enum iommufd_page_response_code {
	IOMMUFD_PAGE_RESP_SUCCESS = 0, /* the page is present: the device tries again */
	IOMMUFD_PAGE_RESP_INVALID = 1, /* there is no such page: the device gives up this access */
};

struct iommu_hwpt_page_response {
	__u32 cookie; /* cookie of the group */
	__u32 code;   /* enum iommufd_page_response_code */
};

/*
 * The virtual IOMMU and its objects
 * ---------------------------------
 */
enum iommu_viommu_type {
	IOMMU_VIOMMU_TYPE_DEFAULT = 0,
	IOMMU_VIOMMU_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV = 2, /* struct iommu_viommu_tegra241_cmdqv */
};

/* A window of registers: mmap() of /dev/iommu with exactly these two numbers. */
struct iommu_viommu_tegra241_cmdqv {
	__aligned_u64 out_vintf_mmap_offset; /* out */
	__aligned_u64 out_vintf_mmap_length; /* out */
};

/*
 * IOMMU_VIOMMU_ALLOC (minimum 24): allocates a guest's share of a physical IOMMU.
 *	EINVAL		the HWPT was not made with NEST_PARENT
 *	EOPNOTSUPP	also: type DEFAULT, or a type unknown to the device's driver
 */
struct iommu_viommu_alloc {
	__u32 size;		 /* in */
	__u32 flags;		 /* in: 0 */
	__u32 type;		 /* in: enum iommu_viommu_type */
	__u32 dev_id;		 /* in: a device behind the wanted IOMMU */
	__u32 hwpt_id;		 /* in: paging HWPT */
	__u32 out_viommu_id;	 /* out */
	__u32 data_len;		 /* in: bytes at data_uptr, 0: none */
	__u32 __reserved;	 /* set to 0; not checked */
	__aligned_u64 data_uptr; /* in/out: by type */
};
#define IOMMU_VIOMMU_ALLOC	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VIOMMU_ALLOC)

/*
 * IOMMU_VDEVICE_ALLOC (minimum 24): sets the number by which the guest knows a device.
 *	EINVAL	the device is behind another IOMMU
 *	EEXIST	virt_id is taken on this vIOMMU, or the device has a vDEVICE
 */
struct iommu_vdevice_alloc {
	__u32 size;	       /* in */
	__u32 viommu_id;       /* in */
	__u32 dev_id;	       /* in */
	__u32 out_vdevice_id;  /* out */
	__aligned_u64 virt_id; /* in: e.g. the guest's stream id */
};
#define IOMMU_VDEVICE_ALLOC	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VDEVICE_ALLOC)

enum iommu_veventq_flag {
	IOMMU_VEVENTQ_FLAG_LOST_EVENTS = 1 << 0, /* events are missing; no payload follows */
};

/* read() of an event queue returns these, each with a payload by type behind it. */
struct iommufd_vevent_header {
	__u32 flags;	/* enum iommu_veventq_flag */
	__u32 sequence; /* counts every event, lost ones too; 0 follows INT_MAX */
};

enum iommu_veventq_type {
	IOMMU_VEVENTQ_TYPE_DEFAULT = 0,
	IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 = 1,     /* struct iommu_vevent_arm_smmuv3 */
	IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV = 2, /* struct iommu_vevent_tegra241_cmdqv */
};

/* A record of the event queue, with the stream id that the guest knows. */
struct iommu_vevent_arm_smmuv3 {
	__aligned_le64 evt[4];
};

/* One bit for each logical command queue in error. */
struct iommu_vevent_tegra241_cmdqv {
	__aligned_le64 lvcmdq_err_map[2];
};

/*
 * IOMMU_VEVENTQ_ALLOC (minimum 28): allocates a queue for events of one type of a vIOMMU, which has
 * a descriptor.
 *	EINVAL	a depth that is 0 or above 2^19
 *	EEXIST	the vIOMMU has a queue of that type
 */
struct iommu_veventq_alloc {
	__u32 size;	      /* in */
	__u32 flags;	      /* in: 0 */
	__u32 viommu_id;      /* in */
	__u32 type;	      /* in: enum iommu_veventq_type, not DEFAULT */
	__u32 veventq_depth;  /* in: events kept; further ones are lost, and marked so */
	__u32 out_veventq_id; /* out */
	__u32 out_veventq_fd; /* out: a new descriptor */
	__u32 __reserved;
};
#define IOMMU_VEVENTQ_ALLOC	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VEVENTQ_ALLOC)

enum iommu_hw_queue_type {
	IOMMU_HW_QUEUE_TYPE_DEFAULT = 0,
	IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV = 1,
};

/*
 * IOMMU_HW_QUEUE_ALLOC (minimum 40): gives the hardware a queue in guest memory. As long as it
 * exists, its memory cannot be unmapped (EBUSY).
 *	EINVAL		length 0, or a number the hardware does not have
 *	EOVERFLOW	the end wraps
 *	ENOENT		also: the memory is not mapped in the parent
 *	EFAULT		also: the memory is not contiguous
 *	EEXIST		the index is taken
 *	EOPNOTSUPP	also: type DEFAULT, or a type unknown to the vIOMMU
 */
struct iommu_hw_queue_alloc {
	__u32 size;			   /* in */
	__u32 flags;			   /* in: 0 */
	__u32 viommu_id;		   /* in */
	__u32 type;			   /* in: enum iommu_hw_queue_type */
	__u32 index;			   /* in: number of the queue on the vIOMMU */
	__u32 out_hw_queue_id;		   /* out */
	__aligned_u64 nesting_parent_iova; /* in: guest-physical base */
	__aligned_u64 length;		   /* in: bytes */
};
#define IOMMU_HW_QUEUE_ALLOC	      _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HW_QUEUE_ALLOC)

#endif /* the kernel's header was not included first */

#ifndef IOMMU_IOAS_NOIOMMU_GET_PA
enum {
	IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA = 0x95,
};

/*
 * IOMMU_IOAS_NOIOMMU_GET_PA (minimum 40): finds the physical memory behind an IOVA, for the DMA of
 * a device without IOMMU, which is attached to the IOAS. The address is valid until the memory is
 * unmapped, or the device is detached. In iofault's user-space worlds it is a number that means
 * memory to their devices only.
 *	EPERM		the caller lacks CAP_SYS_RAWIO
 *	EINVAL		length 0
 *	EOVERFLOW	iova is U64_MAX
 *	ENOENT		also: nothing is mapped at iova
 *	EOPNOTSUPP	also: no device without IOMMU is attached that holds the memory
 */
struct iommu_ioas_noiommu_get_pa {
	__u32 size;		/* in */
	__u32 flags;		/* in: 0 */
	__u32 ioas_id;		/* in */
	__u32 __reserved;	/* in: 0 */
	__aligned_u64 iova;	/* in */
	__aligned_u64 length;	/* in: most bytes wanted. out: contiguous bytes from out_phys on */
	__aligned_u64 out_phys; /* out */
};
#define IOMMU_IOAS_NOIOMMU_GET_PA _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA)
#endif

#ifdef __cplusplus
#define IOF_ABI_ASSERT(cond) static_assert(cond, #cond)
#else
#define IOF_ABI_ASSERT(cond) _Static_assert(cond, #cond)
#endif
/* The table uses these macros for its rows, and undefines them. */
#define IOF_ABI_STRUCT(type, bytes) IOF_ABI_ASSERT(sizeof(struct type) == (bytes));
#define IOF_ABI_FIELD(type, field, at, bytes)                           \
	IOF_ABI_ASSERT(__builtin_offsetof(struct type, field) == (at)); \
	IOF_ABI_ASSERT(sizeof(((struct type *)0)->field) == (bytes));
#define IOF_ABI_NUMBER(name, value) IOF_ABI_ASSERT((name) == (value));
#include "iommufd_layout.h"

#endif /* IOFAULT_IOMMUFD_H */
