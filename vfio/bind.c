// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * bind.c - the binding of a device to a context, and its attachments.
 *
 * A descriptor has no rights until BIND; from then on it owns the device, until
 * it is closed. Descriptors that a group makes share the binding, which the
 * first of them makes and the last one ends. binding->calls serialises the
 * owner's commands. An attach holds it while user memory comes in: other
 * commands wait for it killably, and neither a bind of another context nor the
 * end of the binding does. binding->lock guards the binding itself and is held
 * for no user memory. A command retains the device, which may leave meanwhile.
 *
 * Calls for the owner alone check vf->owner, which becomes true once and stays.
 * iof_vfio_file_close() runs when no call uses the file any more. The end of a
 * binding stops the device first, so that no engine of it waits for an answer,
 * then detaches every PASID that was attached through this descriptor, then
 * unbinds. A user's pointer may have any alignment, so it is never cast to a
 * structure's type.
 */
#include "bind.h"
#include "private.h"

/* ---- binding ---- */

static struct iof_device *bind_to(struct iof_vfio_binding *binding,
				  struct iof_ctx *ctx)
{
	struct iof_device *idev;
	int rc;

	lockdep_assert_held(&binding->lock);
	if (binding->revoked)
		return ERR_PTR(-ENODEV);
	idev = iof_device_bind(ctx, binding->hw, true);
	if (IS_ERR(idev))
		return idev;
	rc = binding->ops->own ? binding->ops->own(binding) : 0;
	if (rc) {
		iof_device_unbind(idev);
		return ERR_PTR(rc);
	}
	WRITE_ONCE(binding->idev, idev);
	return idev;
}

static struct iof_device *bind_to_fd(struct iof_vfio_binding *binding,
				     int iommufd)
{
	struct iof_device *idev;
	struct iof_ctx *ctx;

	if (binding->idev)
		return ERR_PTR(-EINVAL);
	ctx = iof_ctx_from_fd(iommufd);
	if (IS_ERR(ctx))
		return ERR_CAST(ctx);
	idev = bind_to(binding, ctx);
	iof_ctx_put(ctx);
	return idev;
}

/* Ends a binding, also one without an attachment. */
static void end(struct iof_vfio_binding *binding)
{
	unsigned long pasid;
	void *entry;

	lockdep_assert_held(&binding->lock);
	iof_device_leave(binding->idev);
	binding->ops->stop(binding);
	xa_for_each(&binding->pasids, pasid, entry) {
		iof_device_detach(binding->idev, pasid);
		xa_erase(&binding->pasids, pasid);
		cond_resched();
	}
	iof_device_detach(binding->idev, IOF_NO_PASID);
	if (binding->ops->disown)
		binding->ops->disown(binding);
	iof_device_unbind(binding->idev);
	WRITE_ONCE(binding->idev, NULL);
}

static int vfio_bind(struct iof_vfio_file *vf, void __user *arg)
{
	const size_t min =
		offsetofend(struct vfio_device_bind_iommufd, out_devid);
	struct vfio_device_bind_iommufd bind;
	struct iof_vfio_binding *binding = vf->binding;
	struct iof_device *idev;
	u32 argsz, id;
	int rc;

	if (get_user(argsz, (u32 __user *)arg))
		return -EFAULT;
	if (argsz < min)
		return -EINVAL;
	rc = copy_struct_from_user(&bind, sizeof(bind), arg, argsz);
	if (rc)
		return rc;
	/*
	 * A token proves the ownership of a virtual function's parent; there
	 * are no such functions here.
	 */
	if (bind.flags || bind.iommufd < 0)
		return -EINVAL;

	rc = iof_vfio_group_block(binding->group);
	if (rc)
		return rc;
	rc = -EINTR;
	if (mutex_lock_killable(&binding->lock))
		goto err_unblock;
	idev = bind_to_fd(binding, bind.iommufd);
	mutex_unlock(&binding->lock);
	rc = PTR_ERR_OR_ZERO(idev);
	if (rc)
		goto err_unblock;
	/*
	 * The device has no owner until the caller knows the id, and no other
	 * bind succeeds.
	 */
	id = iof_device_id(idev);
	if (copy_to_user(arg + offsetof(struct vfio_device_bind_iommufd,
					out_devid),
			 &id, sizeof(id))) {
		mutex_lock(&binding->lock);
		if (!binding->revoked)
			end(binding);
		mutex_unlock(&binding->lock);
		rc = -EFAULT;
		goto err_unblock;
	}
	/*
	 * Pairs with the calls that need a bound device: they see all of the
	 * binding.
	 */
	smp_store_release(&vf->owner, true);
	return 0;

err_unblock:
	iof_vfio_group_unblock(binding->group);
	return rc;
}

/* ---- attaching ---- */

enum pasid_use {
	PASID_PAGE_TABLE = 1,
	PASID_PROCESS,
};

/*
 * Remembers a PASID attached through this node, for the end of the binding.
 * Called with binding->calls held.
 */
static int pasid_remember(struct iof_vfio_binding *binding, u32 pasid,
			  enum pasid_use use)
{
	return xa_err(xa_store(&binding->pasids, pasid, xa_mk_value(use),
			       GFP_KERNEL_ACCOUNT));
}

static bool pasid_is_process(struct iof_vfio_binding *binding, u32 pasid)
{
	return xa_load(&binding->pasids, pasid) == xa_mk_value(PASID_PROCESS);
}

/*
 * Begins a command of the owner. Returns the device, retained, which may leave
 * at any time. -EINTR: the thread was killed while an attach of another thread
 * waited for user memory; -ENODEV: the device is gone.
 */
static struct iof_device *begin_command(struct iof_vfio_binding *binding)
{
	struct iof_device *idev;

	if (mutex_lock_killable(&binding->calls))
		return ERR_PTR(-EINTR);
	mutex_lock(&binding->lock);
	if (binding->revoked) {
		idev = ERR_PTR(-ENODEV);
	} else {
		idev = binding->idev;
		iof_device_retain(idev);
	}
	mutex_unlock(&binding->lock);
	if (IS_ERR(idev))
		mutex_unlock(&binding->calls);
	return idev;
}

static void end_command(struct iof_vfio_binding *binding,
			struct iof_device *idev)
{
	mutex_unlock(&binding->calls);
	iof_device_release(idev);
}

/* Detaches a PASID. After a failure the end of the binding detaches it. */
static int detach_pasid(struct iof_vfio_binding *binding, u32 pasid)
{
	struct iof_device *idev = begin_command(binding);

	if (IS_ERR(idev))
		return PTR_ERR(idev);
	iof_device_detach(idev, pasid);
	xa_erase(&binding->pasids, pasid);
	end_command(binding, idev);
	return 0;
}

/* Attaches, or replaces what is attached. */
static int attach_pasid(struct iof_vfio_binding *binding,
			struct iof_device *idev, u32 pasid, u32 *pt_id)
{
	int rc;

	if (pasid_is_process(binding, pasid))
		return -EBUSY;
	rc = iof_device_attached(idev, pasid);
	if (rc < 0)
		return rc;
	if (rc)
		return iof_device_replace(idev, pasid, pt_id);
	if (pasid != IOF_NO_PASID) {
		rc = pasid_remember(binding, pasid, PASID_PAGE_TABLE);
		if (rc)
			return rc;
	}
	rc = iof_device_attach(idev, pasid, pt_id);
	if (rc)
		xa_erase(&binding->pasids, pasid);
	return rc;
}

static int vfio_attach(struct iof_vfio_file *vf, void __user *arg)
{
	size_t min = offsetofend(struct vfio_device_attach_iommufd_pt, pt_id);
	struct vfio_device_attach_iommufd_pt attach = {};
	struct iof_vfio_binding *binding = vf->binding;
	struct iof_device *idev;
	u32 pasid = IOF_NO_PASID;
	int rc;

	if (copy_from_user(&attach, arg, min))
		return -EFAULT;
	if (attach.argsz < min || attach.flags & ~VFIO_DEVICE_ATTACH_PASID)
		return -EINVAL;
	if (attach.flags & VFIO_DEVICE_ATTACH_PASID) {
		if (attach.argsz < sizeof(attach))
			return -EINVAL;
		if (copy_from_user(&attach, arg, sizeof(attach)))
			return -EFAULT;
		if (binding->hw->max_pasids <= 1)
			return -EOPNOTSUPP;
		pasid = attach.pasid;
	}

	idev = begin_command(binding);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = attach_pasid(binding, idev, pasid, &attach.pt_id);
	end_command(binding, idev);
	if (rc ||
	    !copy_to_user(arg + offsetof(struct vfio_device_attach_iommufd_pt,
					 pt_id),
			  &attach.pt_id, sizeof(attach.pt_id)))
		return rc;
	(void)detach_pasid(binding, pasid);
	return -EFAULT;
}

static int vfio_detach(struct iof_vfio_file *vf, void __user *arg)
{
	size_t min = offsetofend(struct vfio_device_detach_iommufd_pt, flags);
	struct vfio_device_detach_iommufd_pt detach = {};
	struct iof_vfio_binding *binding = vf->binding;
	u32 pasid = IOF_NO_PASID;

	if (copy_from_user(&detach, arg, min))
		return -EFAULT;
	if (detach.argsz < min || detach.flags & ~VFIO_DEVICE_DETACH_PASID)
		return -EINVAL;
	if (detach.flags & VFIO_DEVICE_DETACH_PASID) {
		if (detach.argsz < sizeof(detach))
			return -EINVAL;
		if (copy_from_user(&detach, arg, sizeof(detach)))
			return -EFAULT;
		if (binding->hw->max_pasids <= 1)
			return -EOPNOTSUPP;
		pasid = detach.pasid;
	}

	return detach_pasid(binding, pasid);
}

static int sva_bind(struct iof_vfio_binding *binding, struct iof_device *idev,
		    u32 pasid)
{
	int rc = iof_device_attached(idev, pasid);

	if (rc)
		return rc > 0 ? -EBUSY : rc;
	rc = pasid_remember(binding, pasid, PASID_PROCESS);
	if (!rc)
		rc = iof_device_sva_bind(idev, pasid);
	if (rc)
		xa_erase(&binding->pasids, pasid);
	return rc;
}

static int vfio_sva(struct iof_vfio_file *vf, void __user *arg, bool bind)
{
	struct iof_vfio_binding *binding = vf->binding;
	struct iof_vfio_device_sva sva;
	struct iof_device *idev;
	int rc;

	if (copy_from_user(&sva, arg, sizeof(sva)))
		return -EFAULT;
	if (sva.argsz < sizeof(sva) || sva.flags || sva.__reserved ||
	    sva.pasid == IOF_NO_PASID)
		return -EINVAL;

	idev = begin_command(binding);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	if (!bind) {
		rc = iof_device_sva_unbind(idev, sva.pasid);
		if (!rc)
			xa_erase(&binding->pasids, sva.pasid);
	} else {
		rc = sva_bind(binding, idev, sva.pasid);
	}
	end_command(binding, idev);
	return rc;
}

/* ---- the end of a descriptor or a device ---- */

void iof_vfio_file_close(struct iof_vfio_file *vf)
{
	struct iof_vfio_binding *binding = vf->binding;

	if (vf->owner) {
		/*
		 * Unbinds under the lock, so that the group does not open the
		 * device meanwhile.
		 */
		mutex_lock(&binding->lock);
		if ((!vf->group || !--binding->group_users) &&
		    !binding->revoked)
			end(binding);
		mutex_unlock(&binding->lock);
		if (!vf->group)
			iof_vfio_group_unblock(binding->group);
	}
	if (vf->group)
		iof_vfio_group_put_file(vf->group);
}

void iof_vfio_revoke(struct iof_vfio_binding *binding)
{
	mutex_lock(&binding->lock);
	if (binding->idev)
		end(binding);
	binding->revoked = true;
	mutex_unlock(&binding->lock);
}

/* ---- a descriptor by the group ---- */

/* Shares the binding of an earlier descriptor. False: there is none. */
static bool share_binding(struct iof_vfio_binding *binding)
{
	bool shared;

	mutex_lock(&binding->lock);
	shared = binding->group_users;
	if (shared)
		binding->group_users++;
	mutex_unlock(&binding->lock);
	return shared;
}

/*
 * Enters the group's container as its first descriptor: binds and attaches the
 * device. Called with binding->calls held.
 */
static int enter_container(struct iof_vfio_binding *binding,
			   struct iof_ctx *ctx)
{
	struct iof_device *idev;
	u32 ioas;
	int rc;

	rc = iof_ctx_compat_ioas(ctx, &ioas);
	if (rc)
		return rc;
	mutex_lock(&binding->lock);
	idev = bind_to(binding, ctx);
	if (!IS_ERR(idev))
		iof_device_retain(idev);
	mutex_unlock(&binding->lock);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = iof_device_attach(idev, IOF_NO_PASID, &ioas);
	iof_device_release(idev);
	mutex_lock(&binding->lock);
	if (!rc)
		binding->group_users = 1;
	else if (!binding->revoked)
		end(binding);
	mutex_unlock(&binding->lock);
	return rc;
}

int iof_vfio_bind_in_group(struct iof_vfio_file *vf, struct iof_ctx *ctx)
{
	struct iof_vfio_binding *binding = vf->binding;
	int rc;

	if (mutex_lock_killable(&binding->calls))
		return -EINTR;
	rc = share_binding(binding) ? 0 : enter_container(binding, ctx);
	mutex_unlock(&binding->calls);
	if (rc)
		return rc;
	/* Pairs with the calls that need a bound device, as in vfio_bind(). */
	smp_store_release(&vf->owner, true);
	return 0;
}

/* ---- for the nodes ---- */

long iof_vfio_bind_ioctl(struct iof_vfio_file *vf, unsigned int cmd,
			 void __user *uptr)
{
	if (cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return vf->group ? -ENOTTY : vfio_bind(vf, uptr);
	if (!iof_vfio_owns(vf))
		return -EINVAL;
	switch (cmd) {
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		return vf->group ? -ENOTTY : vfio_attach(vf, uptr);
	case VFIO_DEVICE_DETACH_IOMMUFD_PT:
		return vf->group ? -ENOTTY : vfio_detach(vf, uptr);
	case IOF_VFIO_DEVICE_SVA_BIND:
		return vf->group ? -ENOTTY : vfio_sva(vf, uptr, true);
	case IOF_VFIO_DEVICE_SVA_UNBIND:
		return vf->group ? -ENOTTY : vfio_sva(vf, uptr, false);
	default:
		return -ENOIOCTLCMD;
	}
}

void iof_vfio_binding_init(struct iof_vfio_binding *binding,
			   struct iof_hwdev *hw,
			   const struct iof_vfio_binding_ops *ops)
{
	binding->hw = hw;
	binding->ops = ops;
	mutex_init(&binding->calls);
	mutex_init(&binding->lock);
	xa_init_flags(&binding->pasids, XA_FLAGS_ACCOUNT);
}

void iof_vfio_binding_exit(struct iof_vfio_binding *binding)
{
	xa_destroy(&binding->pasids);
	mutex_destroy(&binding->lock);
	mutex_destroy(&binding->calls);
}
