/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iof_core.h - what the core offers to those who let programs use a device:
 * vfio/ and the mock device.
 *
 * They bind a registered device into a context (an open /dev/iommu), attach it
 * to page tables there, and unbind it. Opaque types; ownership is stated at
 * each call. All calls may sleep.
 */
#ifndef IOF_CORE_CORE_H
#define IOF_CORE_CORE_H

#include "iof_driver.h"
#include "iof_object.h"

struct iof_ctx;	   /* an open /dev/iommu */
struct iof_device; /* a device bound into a context */

/*
 * Before a device is registered or a context opened, and after all are gone:
 * the core's memory pools. Counted. -ENOMEM.
 */
int iof_core_get(void);
void iof_core_put(void);

/* The file operations of /dev/iommu itself. */
extern const struct file_operations iof_ctx_fops;

/*
 * The context behind a descriptor, with a reference. -EBADF: no such
 * descriptor. -EBADFD: a descriptor of something else.
 */
struct iof_ctx *iof_ctx_from_fd(int fd);
void iof_ctx_put(struct iof_ctx *ctx);

/*
 * Binds @dev into @ctx and claims its group for it. @keep_ctx: the binding
 * keeps the context alive after its descriptor is closed (VFIO), otherwise the
 * caller is itself an object of that context (mock). -EINVAL not cache
 * coherent, -EPERM the group belongs to another context, -EBUSY already bound,
 * -ENOMEM.
 */
struct iof_device *iof_device_bind(struct iof_ctx *ctx, struct iof_hwdev *dev,
				   bool keep_ctx);
/*
 * Requires that nothing is attached. Waits for calls that still use the device.
 * Cannot fail.
 */
void iof_device_unbind(struct iof_device *idev);
u32 iof_device_id(struct iof_device *idev);
struct iof_hwdev *iof_device_hwdev(struct iof_device *idev);

/*
 * Attach, replace, detach for the RID (IOF_NO_PASID) or a PASID, by the rules
 * of section (d) of docs/behaviour.md. *pt_id in: an IOAS or HWPT; out: the
 * HWPT in force. attach of something attached: -EBUSY; replace of something not
 * attached: -EINVAL; detach of something not attached: no-op. Detach and
 * replace return only after every open fault of the old attachment has been
 * answered.
 */
int iof_device_attach(struct iof_device *idev, u32 pasid, u32 *pt_id);
int iof_device_replace(struct iof_device *idev, u32 pasid, u32 *pt_id);
void iof_device_detach(struct iof_device *idev, u32 pasid);
/* 1, 0, or -EINTR: killed while another call had the isolation group. */
int iof_device_attached(struct iof_device *idev, u32 pasid);

/*
 * Binds the calling process's address space to a PASID: its faults are resolved
 * inside the core. -EBUSY the PASID is attached, -EINVAL no such PASID,
 * -EOPNOTSUPP the driver has no SVA. Undone by iof_device_sva_unbind()
 * (-ENOENT: no SVA binding there) or iof_device_detach().
 */
int iof_device_sva_bind(struct iof_device *idev, u32 pasid);
int iof_device_sva_unbind(struct iof_device *idev, u32 pasid);

/* ---- in-kernel access to an IOAS, for emulated devices (access.c) ---- */

struct iof_access;
struct iof_access_ops {
	/*
	 * [iova, last] is about to be unmapped: unpin at once whatever was
	 * pinned that touches it. Called in the thread that unmaps, or that
	 * moves the access, at any time until iof_access_destroy() returns; so
	 * no lock that it takes may be held across iof_access_attach() and
	 * iof_access_destroy(), nor across unmapping. May be NULL for one that
	 * never pins.
	 */
	void (*unmap)(void *priv, unsigned long iova, unsigned long last);
	/* It will pin pages, so mappings must be aligned to them. */
	bool pins_pages;
};

/*
 * Keeps @ctx alive, and takes an id in it that nobody is told.
 * ERR_PTR(-ENOMEM).
 */
struct iof_access *iof_access_create(struct iof_ctx *ctx,
				     const struct iof_access_ops *ops,
				     void *priv);
/* Its pins go by unmap(), its IOAS is let go. Cannot fail. */
void iof_access_destroy(struct iof_access *access);
/*
 * From now on it uses @ioas_id; what it has pinned elsewhere goes by unmap()
 * first. -ENOENT, -EADDRINUSE a mapping there is not aligned to pages, -ENOMEM.
 * On failure it stays where it was.
 */
int iof_access_attach(struct iof_access *access, u32 ioas_id);
/*
 * Pins the pages of [iova, last], as one item, and fills in @pages for each of
 * them. -ENOENT a hole, or no IOAS, -EPERM @write where mapped read-only,
 * -EINVAL being unmapped or not aligned to pages, -EFAULT, -ENOMEM. Nothing is
 * pinned on failure.
 */
int iof_access_pin(struct iof_access *access, unsigned long iova,
		   unsigned long last, bool write, struct page **pages);
/* Of exactly what one iof_access_pin() pinned. */
void iof_access_unpin(struct iof_access *access, unsigned long iova,
		      unsigned long last);
/*
 * Copies @len bytes, at least one, from @buf to @iova (@write) or back, whoever
 * mapped the memory. -ENOENT a hole, or no IOAS, -EPERM, -EFAULT, -EOVERFLOW,
 * -EINVAL length 0, -ENOMEM; some may have been copied.
 */
int iof_access_rw(struct iof_access *access, unsigned long iova, void *buf,
		  size_t len, bool write);

/* ---- test ioctls (mock.c) ---- */

/*
 * What the publisher of a "iommu" node may give as the node's data (NULL: no
 * test ioctls, nothing is counted). Lives at least as long as the node and
 * every context made through it: @contexts counts those, from open until the
 * last reference to the context is gone and it has been freed.
 *
 * With @test_ops, IOMMU_TEST_CMD of its contexts goes to test_ops->ioctl. The
 * context is held for the call; iof_ucmd_cmd() is the copied-in struct, written
 * back to the user by iof_ucmd_respond().
 */
struct iof_ucmd;
struct iof_test_ops {
	int (*ioctl)(struct iof_ucmd *ucmd);
};
struct iof_ctx_node {
	const struct iof_test_ops *test_ops;
	atomic_t contexts;
};
/* The node @ctx was opened through; NULL if it had no data. */
struct iof_ctx_node *iof_ctx_node(struct iof_ctx *ctx);
struct iof_ctx *iof_ucmd_ctx(struct iof_ucmd *ucmd);
void *iof_ucmd_cmd(struct iof_ucmd *ucmd);
int iof_ucmd_respond(struct iof_ucmd *ucmd, size_t len);

/* The registered device behind a bound-device id, held until put; -ENOENT. */
struct iof_device *iof_device_get_by_id(struct iof_ctx *ctx, u32 id);
void iof_device_put(struct iof_device *idev);
/*
 * Takes [start, last] of an IOAS from every mapping, for as long as the IOAS
 * lives. -ENOENT, -EADDRINUSE something is mapped or allowed there, -ENOMEM.
 */
int iof_ioas_reserve(struct iof_ctx *ctx, u32 ioas_id, unsigned long start,
		     unsigned long last);
/*
 * The driver's domain behind an HWPT id of the given type, held until put;
 * -ENOENT.
 */
struct iof_domain *iof_hwpt_domain_get(struct iof_ctx *ctx, u32 id,
				       enum iof_domain_type type, void **hold);
void iof_hwpt_domain_put(struct iof_ctx *ctx, void *hold);

#endif
