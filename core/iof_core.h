/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iof_core.h - what the core offers to vfio/ and to the mock device, which let
 * programs use a device.
 *
 * They bind a registered device into a context (an open /dev/iommu), attach it
 * to page tables there, and unbind it. All types are opaque. All calls may
 * sleep.
 */
#ifndef IOF_CORE_CORE_H
#define IOF_CORE_CORE_H

#include "iof_driver.h"
#include "iof_object.h"

struct iof_ctx;	   /* an open /dev/iommu */
struct iof_device; /* a device bound into a context */

/**
 * iof_core_get() - begin to use the core
 *
 * Called before a device is registered or a context is opened. Calls are
 * counted; the first allocates the core's memory pools.
 *
 * Return: 0 or -ENOMEM.
 */
int iof_core_get(void);

/**
 * iof_core_put() - end what iof_core_get() began
 *
 * Called after all devices and contexts are gone.
 */
void iof_core_put(void);

/* The file operations of /dev/iommu. */
extern const struct file_operations iof_ctx_fops;

/**
 * iof_ctx_from_fd() - the context behind a descriptor
 * @fd: descriptor of the calling process
 *
 * Return: the context with a reference, ERR_PTR(-EBADF) no such descriptor, or
 * ERR_PTR(-EBADFD) a descriptor of something else.
 */
struct iof_ctx *iof_ctx_from_fd(int fd);

/**
 * iof_ctx_put() - drop a reference to a context
 * @ctx: the context
 */
void iof_ctx_put(struct iof_ctx *ctx);

/**
 * iof_ctx_compat_ioas() - the compat IOAS of VFIO's type-1 commands
 * @ctx: the context
 * @id: out: its id
 *
 * Return: 0, or -ENODEV there is none.
 */
int iof_ctx_compat_ioas(struct iof_ctx *ctx, u32 *id);

/**
 * iof_ctx_need_compat_ioas() - make a compat IOAS if there is none
 * @ctx: the context
 *
 * Return: 0, -ENOMEM, or -ENODEV another thread destroyed it at once.
 */
int iof_ctx_need_compat_ioas(struct iof_ctx *ctx);

/**
 * iof_device_bind() - bind a device into a context
 * @ctx: the context
 * @dev: the device; its isolation group is claimed for @ctx
 * @keep_ctx: the binding keeps the context after its descriptor is closed
 *	(VFIO). Otherwise the caller is an object of that context (mock device).
 *
 * Return: the bound device, ERR_PTR(-EINVAL) not cache coherent,
 * ERR_PTR(-EPERM) the group belongs to another context, or the device has no
 * IOMMU and the caller lacks CAP_SYS_RAWIO, ERR_PTR(-EBUSY) bound
 * already, ERR_PTR(-EINTR) or ERR_PTR(-ENOMEM).
 */
struct iof_device *iof_device_bind(struct iof_ctx *ctx, struct iof_hwdev *dev,
				   bool keep_ctx);

/**
 * iof_device_leave() - refuse attachments to a device that will be unbound
 * @idev: the bound device
 *
 * Later attaches, replaces and SVA binds fail with -ENODEV, and so does an
 * attach that waits for user memory meanwhile.
 */
void iof_device_leave(struct iof_device *idev);

/**
 * iof_device_unbind() - end a binding
 * @idev: the bound device, which has no attachment
 *
 * Waits for calls that still use the device, which never wait for user memory.
 * Cannot fail. @idev stays valid while it is retained, and can then only be
 * released.
 */
void iof_device_unbind(struct iof_device *idev);

/**
 * iof_device_retain() - keep a bound device's struct beyond its binding
 * @idev: the bound device
 *
 * For a thread that attaches while another thread may unbind. The context is
 * kept, too, if the binding keeps it.
 */
void iof_device_retain(struct iof_device *idev);

/**
 * iof_device_release() - undo iof_device_retain()
 * @idev: the device
 */
void iof_device_release(struct iof_device *idev);

/**
 * iof_device_id() - the id of a bound device in its context
 * @idev: the bound device
 *
 * Return: the id.
 */
u32 iof_device_id(struct iof_device *idev);

/**
 * iof_device_hwdev() - the driver's device behind a bound device
 * @idev: the bound device
 *
 * Return: the device.
 */
struct iof_hwdev *iof_device_hwdev(struct iof_device *idev);

/**
 * iof_device_attach() - attach a device or one of its PASIDs to a page table
 * @idev: the bound device
 * @pasid: a PASID, or IOF_NO_PASID for the requester id
 * @pt_id: in: an IOAS or HWPT; out: the HWPT in force
 *
 * May wait for user memory, without a lock that iof_device_leave(), a detach or
 * an unbind takes.
 *
 * Return: 0, -EBUSY it is attached already, -ENODEV it is leaving, or an error
 * of the rules d.
 */
int iof_device_attach(struct iof_device *idev, u32 pasid, u32 *pt_id);

/**
 * iof_device_replace() - attach to another page table
 * @idev: the bound device
 * @pasid: a PASID, or IOF_NO_PASID
 * @pt_id: in: an IOAS or HWPT; out: the HWPT in force
 *
 * May wait for user memory, as iof_device_attach(). Returns after every open
 * page-request group of the old attachment is answered.
 *
 * Return: 0, -EINVAL it is not attached, -ENODEV it is leaving, or an error of
 * the rules d.
 */
int iof_device_replace(struct iof_device *idev, u32 pasid, u32 *pt_id);

/**
 * iof_device_detach() - detach a device or one of its PASIDs
 * @idev: the bound device
 * @pasid: a PASID, or IOF_NO_PASID
 *
 * Returns after every open page-request group of the attachment is answered.
 * Does nothing if there is no attachment.
 */
void iof_device_detach(struct iof_device *idev, u32 pasid);

/**
 * iof_device_attached() - whether a device or PASID is attached
 * @idev: the bound device
 * @pasid: a PASID, or IOF_NO_PASID
 *
 * Return: 1, 0, or -EINTR killed while it waited for the isolation group.
 */
int iof_device_attached(struct iof_device *idev, u32 pasid);

/**
 * iof_device_sva_bind() - bind the caller's address space to a PASID
 * @idev: the bound device
 * @pasid: the PASID, which has no attachment
 *
 * The core resolves the page faults of the PASID. Undone by
 * iof_device_sva_unbind() or iof_device_detach().
 *
 * Return: 0, -EBUSY the PASID is attached, -EINVAL no such PASID, -EOPNOTSUPP
 * the driver has no SVA, -ENODEV the device is leaving, -EINTR, -ENOMEM.
 */
int iof_device_sva_bind(struct iof_device *idev, u32 pasid);

/**
 * iof_device_sva_unbind() - undo iof_device_sva_bind()
 * @idev: the bound device
 * @pasid: the PASID
 *
 * Return: 0 or -ENOENT no SVA binding there.
 */
int iof_device_sva_unbind(struct iof_device *idev, u32 pasid);

/* ---- in-kernel access to an IOAS, for emulated devices (access.c) ---- */

struct iof_access;

/**
 * struct iof_access_ops - what an access does for the core
 * @unmap: [iova, last] is about to be unmapped: unpins at once every pinned
 *	range that overlaps it. Called in the thread that unmaps, or that moves
 *	the access, at any time until iof_access_destroy() returns. A lock that
 *	it takes must not be held across iof_access_attach(),
 *	iof_access_destroy() or an unmap. NULL: the access never pins.
 * @pins_pages: it will pin pages, so mappings must be aligned to pages
 */
struct iof_access_ops {
	void (*unmap)(void *priv, unsigned long iova, unsigned long last);
	bool pins_pages;
};

/**
 * iof_access_create() - make an access in a context
 * @ctx: the context, which the access holds
 * @ops: its operations
 * @priv: argument of the operations
 *
 * It takes an unpublished id.
 *
 * Return: the access or ERR_PTR(-ENOMEM).
 */
struct iof_access *iof_access_create(struct iof_ctx *ctx,
				     const struct iof_access_ops *ops,
				     void *priv);

/**
 * iof_access_destroy() - free an access
 * @access: the access; its pins end by unmap()
 */
void iof_access_destroy(struct iof_access *access);

/**
 * iof_access_attach() - choose the IOAS of an access
 * @access: the access; its pins in another IOAS end by unmap() first
 * @ioas_id: the IOAS
 *
 * Return: 0, -ENOENT, -EADDRINUSE a mapping there is not aligned to pages,
 * -ENOMEM or -EINTR. On failure nothing has changed.
 */
int iof_access_attach(struct iof_access *access, u32 ioas_id);

/**
 * iof_access_pin() - pin the pages of an IOVA range
 * @access: the access
 * @iova: first address
 * @last: last address
 * @write: for writing
 * @pages: filled in with one entry for each page
 *
 * Return: 0, -ENOENT a hole or no IOAS, -EPERM @write where mapped read-only,
 * -EINVAL the range is being unmapped or not aligned to pages, -EFAULT or
 * -ENOMEM. On failure nothing is pinned.
 */
int iof_access_pin(struct iof_access *access, unsigned long iova,
		   unsigned long last, bool write, struct page **pages);

/**
 * iof_access_unpin() - undo one iof_access_pin()
 * @access: the access
 * @iova: as pinned
 * @last: as pinned
 */
void iof_access_unpin(struct iof_access *access, unsigned long iova,
		      unsigned long last);

/**
 * iof_access_rw() - copy to or from an IOVA range
 * @access: the access
 * @iova: first address
 * @buf: kernel memory
 * @len: number of bytes, at least 1
 * @write: from @buf to @iova; otherwise from @iova to @buf
 *
 * The memory may belong to any process.
 *
 * Return: 0, -ENOENT a hole or no IOAS, -EPERM, -EFAULT, -EOVERFLOW, -EINVAL
 * length 0, or -ENOMEM. A part may have been copied on failure.
 */
int iof_access_rw(struct iof_access *access, unsigned long iova, void *buf,
		  size_t len, bool write);

/* ---- test ioctls (mock.c) ---- */

struct iof_ucmd;

/**
 * struct iof_test_ops - the test ioctls of a node
 * @ioctl: IOMMU_TEST_CMD. The context is held for the call; iof_ucmd_cmd() is
 *	the copied-in struct, which iof_ucmd_respond() writes back.
 */
struct iof_test_ops {
	int (*ioctl)(struct iof_ucmd *ucmd);
};

/**
 * struct iof_ctx_node - data of an "iommu" node
 * @test_ops: NULL: no test ioctls
 * @container: the node is VFIO's container: memory is charged to the process at
 *	first, not to the user
 * @contexts: number of contexts opened through the node that are not freed
 *
 * Lives at least as long as the node and its contexts. A node may have none.
 */
struct iof_ctx_node {
	const struct iof_test_ops *test_ops;
	bool container;
	atomic_t contexts;
};

/**
 * iof_ctx_node() - the node through which a context was opened
 * @ctx: the context
 *
 * Return: NULL if the node had no data.
 */
struct iof_ctx_node *iof_ctx_node(struct iof_ctx *ctx);

/**
 * iof_ucmd_ctx() - the context of a command
 * @ucmd: the command
 *
 * Return: the context.
 */
struct iof_ctx *iof_ucmd_ctx(struct iof_ucmd *ucmd);

/**
 * iof_ucmd_cmd() - the kernel's copy of a command's struct
 * @ucmd: the command
 *
 * Return: the struct, zero-extended to its known size.
 */
void *iof_ucmd_cmd(struct iof_ucmd *ucmd);

/**
 * iof_ucmd_respond() - copy the struct back to the user
 * @ucmd: the command
 * @len: its length; a shorter struct of the caller gets its part
 *
 * Return: 0 or -EFAULT.
 */
int iof_ucmd_respond(struct iof_ucmd *ucmd, size_t len);

/**
 * iof_device_get_by_id() - look a bound device up
 * @ctx: the context
 * @id: its id
 *
 * Return: the device, held until iof_device_put(), or ERR_PTR(-ENOENT).
 */
struct iof_device *iof_device_get_by_id(struct iof_ctx *ctx, u32 id);

/**
 * iof_device_put() - end the hold of iof_device_get_by_id()
 * @idev: the bound device
 */
void iof_device_put(struct iof_device *idev);

/**
 * iof_ioas_reserve() - reserve a range of an IOAS for good
 * @ctx: the context
 * @ioas_id: the IOAS
 * @start: first address
 * @last: last address
 *
 * Return: 0, -ENOENT, -EADDRINUSE a mapping or the allow-list is there, -EINTR
 * or -ENOMEM.
 */
int iof_ioas_reserve(struct iof_ctx *ctx, u32 ioas_id, unsigned long start,
		     unsigned long last);

/**
 * iof_hwpt_domain_get() - the driver's domain behind an HWPT
 * @ctx: the context
 * @id: the HWPT's id
 * @type: its kind
 * @hold: for iof_hwpt_domain_put()
 *
 * Return: the domain, held until iof_hwpt_domain_put(), or ERR_PTR(-ENOENT).
 */
struct iof_domain *iof_hwpt_domain_get(struct iof_ctx *ctx, u32 id,
				       enum iof_domain_type type, void **hold);

/**
 * iof_hwpt_domain_put() - end the hold of iof_hwpt_domain_get()
 * @ctx: the context
 * @hold: as given out
 */
void iof_hwpt_domain_put(struct iof_ctx *ctx, void *hold);

#endif
