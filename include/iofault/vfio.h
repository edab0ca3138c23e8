/* SPDX-License-Identifier: MIT */
/*
 * The part of the VFIO device node (/dev/vfio/devices/vfioN) that iommufd needs.
 *
 * The header includes the system's <linux/vfio.h>, adds definitions that older versions of it lack
 * (Debian 12's is of Linux 6.1), and defines iofault's own commands on the node.
 *
 * - The names are Linux's, and the layouts are those of Linux 7.2. If the system's header has the
 *   shorter structs of 6.12, the names below stand for the longer ones from here on.
 * - In the kernel, and after another include that has VFIO's names, <linux/vfio.h> is not included
 *   again.
 */
#ifndef IOFAULT_VFIO_H
#define IOFAULT_VFIO_H

#include <linux/ioctl.h>
#include <linux/types.h>
#ifndef VFIO_TYPE
#include <linux/vfio.h>
#endif

#ifndef VFIO_DEVICE_BIND_IOMMUFD
#define VFIO_DEVICE_BIND_IOMMUFD      _IO(VFIO_TYPE, VFIO_BASE + 18)
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
#define VFIO_DEVICE_DETACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 20)
#endif

/*
 * In all commands here `argsz` is the caller's sizeof. All of them may fail with:
 *	EINVAL	argsz below the minimum given, an unknown flag, a reserved field that is not zero
 *	EFAULT	the structure cannot be read or written
 */

/*
 * VFIO_DEVICE_BIND_IOMMUFD (minimum 16): puts the device into the context of an open /dev/iommu.
 * Only the close of the device's descriptor ends the binding. Other commands fail before it.
 *	EINVAL	also: bound already, or a negative iommufd
 *	EBADF	iommufd is no descriptor
 *	EBADFD	iommufd is a descriptor of something else
 *	EPERM	the device's group is bound in another context; or the device has no IOMMU, and
 *		the caller lacks CAP_SYS_RAWIO, which the open of its node needs, too
 *	E2BIG	argsz above what is known and a byte in the unknown tail is not zero
 */
#ifndef VFIO_DEVICE_BIND_FLAG_TOKEN
#define VFIO_DEVICE_BIND_FLAG_TOKEN (1 << 0) /* token_uuid_ptr is valid */
struct iof_vfio_device_bind_iommufd {
	__u32 argsz;		      /* in */
	__u32 flags;		      /* in: VFIO_DEVICE_BIND_FLAG_... */
	__s32 iommufd;		      /* in: descriptor of /dev/iommu */
	__u32 out_devid;	      /* out: dev_id of the IOMMU_... commands */
	__aligned_u64 token_uuid_ptr; /* in: -> 16 bytes */
};
#define vfio_device_bind_iommufd iof_vfio_device_bind_iommufd
#endif

/*
 * VFIO_DEVICE_ATTACH_IOMMUFD_PT (minimum 12, with PASID 16): attaches the device to the page table
 * pt_id, in place of the former table if there is one. Open faults of the former table are answered
 * INVALID before the call returns.
 *	EINVAL		also: not bound; pt_id is neither an IOAS nor an HWPT; the HWPT was made
 *			for a device of another driver; a PASID is attached in the group, and
 *			the HWPT for RID (the device without a PASID) was made without
 *			IOMMU_HWPT_ALLOC_PASID; another device of the group has another page
 *			table there.
 *			For a PASID also: the PASID is not below 2^out_max_pasid_log2 of each
 *			device of the group that has PASIDs; pt_id is an IOAS; the HWPT was made
 *			without IOMMU_HWPT_ALLOC_PASID; RID is attached to an HWPT made without
 *			it, or to an IOAS (attach RID to an HWPT made with it first)
 *	ENOENT		no such pt_id
 *	EOPNOTSUPP	the device has no PASIDs
 *	EBUSY		the PASID is bound to a process (see below)
 *	EADDRINUSE	the device reserves addresses that are mapped or allowed in the IOAS
 *	ENOMEM, EFAULT	also: pinning what is mapped in the IOAS
 *
 * VFIO_DEVICE_DETACH_IOMMUFD_PT (minimum 8, with PASID 12): its DMA is blocked from now on, and
 * open faults are answered INVALID before the call returns. Not attached: success.
 */
#ifndef VFIO_DEVICE_ATTACH_PASID
#define VFIO_DEVICE_ATTACH_PASID (1 << 0) /* pasid is valid */
struct iof_vfio_device_attach_iommufd_pt {
	__u32 argsz; /* in */
	__u32 flags; /* in: VFIO_DEVICE_ATTACH_PASID */
	__u32 pt_id; /* in: IOAS or HWPT. out: the HWPT that is attached */
	__u32 pasid; /* in */
};
#define vfio_device_attach_iommufd_pt iof_vfio_device_attach_iommufd_pt
#endif

#ifndef VFIO_DEVICE_DETACH_PASID
#define VFIO_DEVICE_DETACH_PASID (1 << 0) /* pasid is valid */
struct iof_vfio_device_detach_iommufd_pt {
	__u32 argsz; /* in */
	__u32 flags; /* in: VFIO_DEVICE_DETACH_PASID */
	__u32 pasid; /* in */
};
#define vfio_device_detach_iommufd_pt iof_vfio_device_detach_iommufd_pt
#endif

/*
 * iofault's own commands. All commands of VFIO and of iommufd share the type ';' and carry no size
 * (_IO). The commands here carry direction and size, and their numbers lie above both ranges, so
 * that no present or later command of Linux equals one of them. A VFIO node of Linux returns
 * ENOTTY.
 *
 * IOF_VFIO_DEVICE_SVA_BIND (minimum 16): lets the device's requests with this PASID use the page
 * tables of the calling process. An absent page is faulted in as by an access of the process; no
 * fault queue sees the request. The device must be bound. A page request succeeds only if the
 * device finds the page afterwards; otherwise the transfer ends with the page's error. A page may
 * take long, for example one of a file system in user space. So at most 16 page requests of one
 * binding and 64 of one user are handled at a time, and others wait.
 *	EINVAL		also: not bound, PASID 0, or one beyond what the device has
 *	EBUSY		something is attached to the PASID
 *	EOPNOTSUPP	the device's driver cannot share page tables
 *
 * IOF_VFIO_DEVICE_SVA_UNBIND (minimum 16): ends the binding; DETACH of the PASID and the close of
 * the device end it, too. Open page requests are answered INVALID; the call does not wait for their
 * pages. iofault.ko cannot be unloaded before those pages have come in, or failed.
 *	ENOENT		no process is bound to the PASID
 */
struct iof_vfio_device_sva {
	__u32 argsz; /* in */
	__u32 flags; /* in: 0 */
	__u32 pasid; /* in */
	__u32 __reserved;
};
#define IOF_VFIO_DEVICE_SVA_BIND   _IOW(VFIO_TYPE, 0xe0, struct iof_vfio_device_sva)
#define IOF_VFIO_DEVICE_SVA_UNBIND _IOW(VFIO_TYPE, 0xe1, struct iof_vfio_device_sva)

/*
 * Each node is a PCI function: VFIO_DEVICE_FLAGS_PCI, the nine regions and the five interrupt
 * indexes of VFIO. Commands of VFIO that no function here has fail with ENOTTY.
 *
 * Regions. An access past the end of a BAR is cut; one past the end of configuration space is
 * EFAULT. BAR 4 holds the table of MSI-X, which reads as ones and ignores writes.
 *
 * Configuration space (4 KiB): a header of type 0, the capabilities PCI Express (with a
 * function-level reset), MSI-X and power management (D0, D3hot), and ATS, PRI and PASID, which are
 * enabled and read-only. COMMAND reads 0x0002 after the open and after a reset.
 *
 * DMA works after the open and after a reset. Once the low byte of COMMAND has been written,
 * BUS_MASTER counts: while it is 0 the function does no DMA, sends no page request and raises no
 * MSI-X, as if no page table were attached. When the write returns, no DMA is in progress. The same
 * holds in D3hot. Memory space enable has no effect.
 *
 * Interrupts. MSI has no vectors. INTx and MSI-X exclude each other (EINVAL) until a SET_IRQS with
 * DATA_NONE, ACTION_TRIGGER and count 0 disables the other; the Enable bit of MSI-X follows, and is
 * not for writing. Vectors of MSI-X may be bound one by one. INTx can be masked; it is raised once
 * for each event, and not masked by that. All descriptors of a call are bound, or none.
 *
 * VFIO_DEVICE_RESET, a function-level reset and the last close put the function into the state
 * after power-on. VFIO_DEVICE_GET_PCI_HOT_RESET_INFO and VFIO_DEVICE_PCI_HOT_RESET:
 *	EINVAL	argsz too small, a flag
 *	ENODEV	there is no bus or slot to reset
 */

/*
 * The portal of a DMA engine (8086:0b25) is BAR 0. The region takes 64-byte descriptors (struct
 * dsa_hw_desc of <linux/idxd.h>) by pwrite() at the region's offset, which
 * VFIO_DEVICE_GET_REGION_INFO returns, or anywhere inside the region. A write may have several
 * descriptors, which are accepted in order. It returns the number of bytes of the accepted ones.
 *	EAGAIN	no descriptor was accepted: the engine's queue is full
 *	EINVAL	the length is not a multiple of 64
 * The engine checks all fields of a descriptor before it works on it. A descriptor that fails gets
 * its status in the completion record, or, without a record or with one that is not 32-byte
 * aligned, counts as unreported. A batch has 2 descriptors or more. COMPARE, CRCGEN and COPY_CRC
 * need a completion record (IDXD_OP_FLAG_CRAV and IDXD_OP_FLAG_RCR).
 *
 * Descriptors and batches may complete in any order. The record of a batch says that the
 * descriptors of that batch are complete. A reset abandons descriptors that are not complete. So
 * wait before it for every record, or for a DRAIN, which completes after all earlier descriptors.
 */
#define IOF_VFIO_REGION_PORTAL	   0
#define IOF_VFIO_PORTAL_DESC_BYTES 64

/*
 * The state region of a DMA engine: struct iof_vfio_dsa_state, by pread() at the region's offset. A
 * shorter read gets the beginning; later versions only add to the end. The counters start at the
 * creation of the device, continue through resets, and are exact while it is idle.
 */
#define IOF_VFIO_REGION_STATE	   1
#define IOF_VFIO_DSA_STATE_VERSION 1
struct iof_vfio_dsa_state {
	__u32 version;	   /* IOF_VFIO_DSA_STATE_VERSION */
	__u32 credits;	   /* number of page requests that it may have open */
	__u32 engines;	   /* number of descriptors worked on at a time */
	__u32 queue_depth; /* number of descriptors that its portal takes before EAGAIN */
	__u32 max_pasids;
	__u32 pages_per_group;	     /* maximum number of pages in one group */
	__u32 max_transfer;	     /* maximum number of bytes of one descriptor */
	__u32 max_batch;	     /* maximum number of descriptors of one batch */
	__aligned_u64 descriptors;   /* completed, with any status */
	__aligned_u64 errors;	     /* completed without success */
	__aligned_u64 unreported;    /* errors without a record, and records not written */
	__aligned_u64 bytes;	     /* bytes moved */
	__aligned_u64 page_requests; /* page-request groups sent */
	__aligned_u64 stalls;	     /* number of times that a descriptor waited for a credit */
	__aligned_u64 interrupts;
	__aligned_u64 tlb_hits; /* translations found cached */
	__aligned_u64 tlb_misses;
	__aligned_u64 resumed; /* groups answered SUCCESS */
	__aligned_u64 refused; /* groups with another answer */
};

/*
 * The latency region of a DMA engine: a struct iof_histogram of <iofault/histogram.h>, by pread()
 * at the region's offset. It has the time of each page-request group from sending to resuming,
 * since the creation of the device.
 */
#define IOF_VFIO_REGION_LATENCY 2

/*
 * The index of a DMA engine's interrupt: a descriptor with IDXD_OP_FLAG_RCI is complete. The
 * interrupt is INTx; if MSI-X is enabled, its vector 0 is raised instead.
 */
#define IOF_VFIO_IRQ_COMPLETION 0

/* A region begins at its index << 40 in the file, as GET_REGION_INFO returns. */
#define IOF_VFIO_REGION_SHIFT	      40
#define IOF_VFIO_REGION_OFFSET(index) ((__u64)(index) << IOF_VFIO_REGION_SHIFT)

#ifdef __cplusplus
#define IOF_VFIO_ASSERT(cond) static_assert(cond, #cond)
#else
#define IOF_VFIO_ASSERT(cond) _Static_assert(cond, #cond)
#endif
#define IOF_VFIO_AT(type, field, at) IOF_VFIO_ASSERT(__builtin_offsetof(struct type, field) == (at))
IOF_VFIO_ASSERT(VFIO_DEVICE_BIND_IOMMUFD == 0x3b76);
IOF_VFIO_ASSERT(VFIO_DEVICE_ATTACH_IOMMUFD_PT == 0x3b77);
IOF_VFIO_ASSERT(VFIO_DEVICE_DETACH_IOMMUFD_PT == 0x3b78);
IOF_VFIO_ASSERT(VFIO_DEVICE_BIND_FLAG_TOKEN == 1);
IOF_VFIO_ASSERT(VFIO_DEVICE_ATTACH_PASID == 1);
IOF_VFIO_ASSERT(VFIO_DEVICE_DETACH_PASID == 1);
IOF_VFIO_ASSERT(sizeof(struct vfio_device_bind_iommufd) == 24);
IOF_VFIO_AT(vfio_device_bind_iommufd, argsz, 0);
IOF_VFIO_AT(vfio_device_bind_iommufd, flags, 4);
IOF_VFIO_AT(vfio_device_bind_iommufd, iommufd, 8);
IOF_VFIO_AT(vfio_device_bind_iommufd, out_devid, 12);
IOF_VFIO_AT(vfio_device_bind_iommufd, token_uuid_ptr, 16);
IOF_VFIO_ASSERT(sizeof(struct vfio_device_attach_iommufd_pt) == 16);
IOF_VFIO_AT(vfio_device_attach_iommufd_pt, argsz, 0);
IOF_VFIO_AT(vfio_device_attach_iommufd_pt, flags, 4);
IOF_VFIO_AT(vfio_device_attach_iommufd_pt, pt_id, 8);
IOF_VFIO_AT(vfio_device_attach_iommufd_pt, pasid, 12);
IOF_VFIO_ASSERT(sizeof(struct vfio_device_detach_iommufd_pt) == 12);
IOF_VFIO_AT(vfio_device_detach_iommufd_pt, argsz, 0);
IOF_VFIO_AT(vfio_device_detach_iommufd_pt, flags, 4);
IOF_VFIO_AT(vfio_device_detach_iommufd_pt, pasid, 8);
IOF_VFIO_ASSERT(IOF_VFIO_DEVICE_SVA_BIND == 0x40103be0);
IOF_VFIO_ASSERT(IOF_VFIO_DEVICE_SVA_UNBIND == 0x40103be1);
IOF_VFIO_ASSERT(sizeof(struct iof_vfio_device_sva) == 16);
IOF_VFIO_AT(iof_vfio_device_sva, argsz, 0);
IOF_VFIO_AT(iof_vfio_device_sva, flags, 4);
IOF_VFIO_AT(iof_vfio_device_sva, pasid, 8);
IOF_VFIO_AT(iof_vfio_device_sva, __reserved, 12);
IOF_VFIO_ASSERT(sizeof(struct iof_vfio_dsa_state) == 120);
IOF_VFIO_AT(iof_vfio_dsa_state, descriptors, 32);
IOF_VFIO_AT(iof_vfio_dsa_state, refused, 112);

#endif /* IOFAULT_VFIO_H */
