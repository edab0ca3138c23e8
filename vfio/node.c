// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * node.c - the file operations of a VFIO device node, and the binding to a
 * context.
 *
 * A descriptor has no rights until BIND; from then on it owns the device, until
 * it is closed. Descriptors that a group makes share the binding, which the
 * first of them makes and the last one ends. vdev->lock serialises bind, attach
 * and detach. It is held while
 * an attach faults user memory in: calls wait for it killably, and no bind of
 * another context waits for it. Calls for the owner alone check vf->owner,
 * which becomes true once and stays. release() runs when no call uses the file
 * any more, so the owner's calls need no lock against the unbind. Closing
 * resets the device first, so that no engine of it waits for an answer, then
 * detaches every PASID that was attached through this descriptor, then unbinds.
 * A user's pointer may have any alignment, so it is never cast to a structure's
 * type.
 */
#include "private.h"

/* ---- binding ---- */

static struct iof_device *bind_to(struct iof_vfio_device *vdev,
				  struct iof_ctx *ctx)
{
	struct iof_device *idev;
	int rc;

	lockdep_assert_held(&vdev->lock);
	idev = iof_device_bind(ctx, vdev->hw, true);
	if (IS_ERR(idev))
		return idev;
	rc = vdev->ops->own ? vdev->ops->own(vdev->dev) : 0;
	if (rc) {
		iof_device_unbind(idev);
		return ERR_PTR(rc);
	}
	WRITE_ONCE(vdev->idev, idev);
	return idev;
}

static struct iof_device *bind_to_fd(struct iof_vfio_device *vdev, int iommufd)
{
	struct iof_device *idev;
	struct iof_ctx *ctx;

	if (vdev->idev)
		return ERR_PTR(-EINVAL);
	ctx = iof_ctx_from_fd(iommufd);
	if (IS_ERR(ctx))
		return ERR_CAST(ctx);
	idev = bind_to(vdev, ctx);
	iof_ctx_put(ctx);
	return idev;
}

static void unbind(struct iof_vfio_device *vdev)
{
	lockdep_assert_held(&vdev->lock);
	if (vdev->ops->disown)
		vdev->ops->disown(vdev->dev);
	iof_device_unbind(vdev->idev);
	WRITE_ONCE(vdev->idev, NULL);
}

static int vfio_bind(struct iof_vfio_file *vf, void __user *arg)
{
	const size_t min =
		offsetofend(struct vfio_device_bind_iommufd, out_devid);
	struct vfio_device_bind_iommufd bind;
	struct iof_vfio_device *vdev = vf->vdev;
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

	rc = iof_vfio_group_block(vdev->group);
	if (rc)
		return rc;
	/*
	 * The owner may hold the lock while its memory faults in: do not wait.
	 */
	rc = -EINVAL;
	if (READ_ONCE(vdev->idev))
		goto err_unblock;
	rc = -EINTR;
	if (mutex_lock_killable(&vdev->lock))
		goto err_unblock;
	idev = bind_to_fd(vdev, bind.iommufd);
	mutex_unlock(&vdev->lock);
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
		mutex_lock(&vdev->lock);
		unbind(vdev);
		mutex_unlock(&vdev->lock);
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
	iof_vfio_group_unblock(vdev->group);
	return rc;
}

/* ---- attaching ---- */

enum pasid_use {
	PASID_PAGE_TABLE = 1,
	PASID_PROCESS,
};

/*
 * Remembers a PASID attached through this node, for the close. Called with
 * vdev->lock held.
 */
static int pasid_remember(struct iof_vfio_device *vdev, u32 pasid,
			  enum pasid_use use)
{
	return xa_err(xa_store(&vdev->pasids, pasid, xa_mk_value(use),
			       GFP_KERNEL_ACCOUNT));
}

static bool pasid_is_process(struct iof_vfio_device *vdev, u32 pasid)
{
	return xa_load(&vdev->pasids, pasid) == xa_mk_value(PASID_PROCESS);
}

/*
 * Detaches a PASID. -EINTR: the thread was killed while an attach of another
 * thread waited for user memory. The close detaches then.
 */
static int detach_pasid(struct iof_vfio_device *vdev, u32 pasid)
{
	if (mutex_lock_killable(&vdev->lock))
		return -EINTR;
	iof_device_detach(vdev->idev, pasid);
	xa_erase(&vdev->pasids, pasid);
	mutex_unlock(&vdev->lock);
	return 0;
}

static int vfio_attach(struct iof_vfio_file *vf, void __user *arg)
{
	size_t min = offsetofend(struct vfio_device_attach_iommufd_pt, pt_id);
	struct vfio_device_attach_iommufd_pt attach = {};
	struct iof_vfio_device *vdev = vf->vdev;
	struct iof_device *idev = vdev->idev;
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
		if (vdev->hw->max_pasids <= 1)
			return -EOPNOTSUPP;
		pasid = attach.pasid;
	}

	if (mutex_lock_killable(&vdev->lock))
		return -EINTR;
	if (pasid_is_process(vdev, pasid))
		rc = -EBUSY;
	else
		rc = iof_device_attached(idev, pasid);
	if (rc > 0) {
		rc = iof_device_replace(idev, pasid, &attach.pt_id);
	} else if (!rc) {
		rc = pasid != IOF_NO_PASID ?
			     pasid_remember(vdev, pasid, PASID_PAGE_TABLE) :
			     0;
		if (!rc)
			rc = iof_device_attach(idev, pasid, &attach.pt_id);
		if (rc)
			xa_erase(&vdev->pasids, pasid);
	}
	mutex_unlock(&vdev->lock);
	if (rc ||
	    !copy_to_user(arg + offsetof(struct vfio_device_attach_iommufd_pt,
					 pt_id),
			  &attach.pt_id, sizeof(attach.pt_id)))
		return rc;
	(void)detach_pasid(vdev, pasid);
	return -EFAULT;
}

static int vfio_detach(struct iof_vfio_file *vf, void __user *arg)
{
	size_t min = offsetofend(struct vfio_device_detach_iommufd_pt, flags);
	struct vfio_device_detach_iommufd_pt detach = {};
	struct iof_vfio_device *vdev = vf->vdev;
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
		if (vdev->hw->max_pasids <= 1)
			return -EOPNOTSUPP;
		pasid = detach.pasid;
	}

	return detach_pasid(vdev, pasid);
}

static int sva_bind(struct iof_vfio_device *vdev, u32 pasid)
{
	int rc = iof_device_attached(vdev->idev, pasid);

	if (rc)
		return rc > 0 ? -EBUSY : rc;
	rc = pasid_remember(vdev, pasid, PASID_PROCESS);
	if (!rc)
		rc = iof_device_sva_bind(vdev->idev, pasid);
	if (rc)
		xa_erase(&vdev->pasids, pasid);
	return rc;
}

static int vfio_sva(struct iof_vfio_file *vf, void __user *arg, bool bind)
{
	struct iof_vfio_device *vdev = vf->vdev;
	struct iof_vfio_device_sva sva;
	int rc;

	if (copy_from_user(&sva, arg, sizeof(sva)))
		return -EFAULT;
	if (sva.argsz < sizeof(sva) || sva.flags || sva.__reserved ||
	    sva.pasid == IOF_NO_PASID)
		return -EINVAL;

	if (mutex_lock_killable(&vdev->lock))
		return -EINTR;
	if (!bind) {
		rc = iof_device_sva_unbind(vdev->idev, sva.pasid);
		if (!rc)
			xa_erase(&vdev->pasids, sva.pasid);
	} else {
		rc = sva_bind(vdev, sva.pasid);
	}
	mutex_unlock(&vdev->lock);
	return rc;
}

/* ---- the file ---- */

static int vfio_open(struct inode *inode, struct file *file)
{
	struct iof_vfio_device *vdev = iof_plat_node_data(file);
	struct iof_vfio_file *vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);

	if (!vf)
		return -ENOMEM;
	vf->vdev = vdev;
	file->private_data = vf;
	atomic_inc(&vdev->files);
	return 0;
}

/*
 * Unbinds under the lock, so that the group does not open the device meanwhile.
 */
static void vfio_unbind(struct iof_vfio_device *vdev)
{
	unsigned long pasid;
	void *entry;

	lockdep_assert_held(&vdev->lock);
	iof_pci_power_on(vdev);
	iof_vfio_irqs_disable(vdev);
	xa_for_each(&vdev->pasids, pasid, entry) {
		iof_device_detach(vdev->idev, pasid);
		xa_erase(&vdev->pasids, pasid);
		cond_resched();
	}
	iof_device_detach(vdev->idev, IOF_NO_PASID);
	unbind(vdev);
}

static int vfio_release(struct inode *inode, struct file *file)
{
	struct iof_vfio_file *vf = file->private_data;
	struct iof_vfio_device *vdev = vf->vdev;

	if (vf->owner) {
		mutex_lock(&vdev->lock);
		if (!vf->group || !--vdev->group_users)
			vfio_unbind(vdev);
		mutex_unlock(&vdev->lock);
		if (!vf->group)
			iof_vfio_group_unblock(vdev->group);
	}
	if (vf->group)
		iof_vfio_group_put_file(vf->group);
	kfree(vf);
	(void)atomic_dec_return(&vdev->files);
	return 0;
}

static long vfio_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct iof_vfio_file *vf = file->private_data;
	struct iof_vfio_device *vdev = vf->vdev;
	void __user *uptr = (void __user *)arg;

	if (cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return vf->group ? -ENOTTY : vfio_bind(vf, uptr);
	/* Pairs with vfio_bind(). */
	if (!smp_load_acquire(&vf->owner))
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
	case VFIO_DEVICE_GET_INFO:
		return iof_vfio_get_info(uptr);
	case VFIO_DEVICE_GET_REGION_INFO:
		return iof_vfio_get_region_info(vdev, uptr);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return iof_vfio_get_irq_info(vdev, uptr);
	case VFIO_DEVICE_SET_IRQS:
		return iof_vfio_set_irqs(vdev, uptr);
	case VFIO_DEVICE_RESET:
		return iof_pci_reset(vdev);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return iof_pci_hot_reset(
			uptr,
			offsetofend(struct vfio_pci_hot_reset_info, count));
	case VFIO_DEVICE_PCI_HOT_RESET:
		return iof_pci_hot_reset(
			uptr, offsetofend(struct vfio_pci_hot_reset, flags));
	default:
		return -ENOTTY;
	}
}

/*
 * The file position is the address of the access; the access does not move it.
 */
static ssize_t vfio_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct iof_vfio_file *vf = iocb->ki_filp->private_data;
	u32 region;
	u64 off;
	int rc;

	/* Pairs with vfio_bind(). */
	if (!smp_load_acquire(&vf->owner))
		return -EINVAL;
	rc = iof_pci_find_region(vf->vdev, iocb->ki_pos, to,
				 VFIO_REGION_INFO_FLAG_READ, &region, &off);
	return rc ?: iof_pci_read(vf->vdev, region, off, to);
}

static ssize_t vfio_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct iof_vfio_file *vf = iocb->ki_filp->private_data;
	u32 region;
	u64 off;
	int rc;

	/* Pairs with vfio_bind(). */
	if (!smp_load_acquire(&vf->owner))
		return -EINVAL;
	rc = iof_pci_find_region(vf->vdev, iocb->ki_pos, from,
				 VFIO_REGION_INFO_FLAG_WRITE, &region, &off);
	return rc ?: iof_pci_write(vf->vdev, region, off, from);
}

static __poll_t vfio_poll(struct file *file, poll_table *wait)
{
	struct iof_vfio_file *vf = file->private_data;
	/*
	 * Call the device before the bind, too: a poller that waits from then
	 * on must be woken later.
	 */
	__poll_t mask = vf->vdev->ops->poll(vf->vdev->dev, file, wait);

	/* Pairs with vfio_bind(). */
	return smp_load_acquire(&vf->owner) ? mask : EPOLLERR;
}

static const struct file_operations vfio_fops = {
	.owner = THIS_MODULE,
	.open = vfio_open,
	.release = vfio_release,
	.unlocked_ioctl = vfio_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read_iter = vfio_read_iter,
	.write_iter = vfio_write_iter,
	.poll = vfio_poll,
};

/* ---- a descriptor by the group ---- */

/*
 * Enters the group's container. Under the lock, the first descriptor binds and
 * attaches the device.
 */
static int enter_container(struct iof_vfio_device *vdev, struct iof_ctx *ctx)
{
	struct iof_device *idev;
	u32 ioas;
	int rc;

	lockdep_assert_held(&vdev->lock);
	if (vdev->group_users)
		return 0;
	rc = iof_ctx_compat_ioas(ctx, &ioas);
	if (rc)
		return rc;
	idev = bind_to(vdev, ctx);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = iof_device_attach(idev, IOF_NO_PASID, &ioas);
	if (rc)
		unbind(vdev);
	return rc;
}

int iof_vfio_open_in_group(struct iof_vfio_device *vdev,
			   struct iof_vfio_group *group, struct iof_ctx *ctx)
{
	struct iof_vfio_file *vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	struct file *file;
	int fd, rc = -ENOMEM;

	if (!vf)
		goto err_put;
	vf->vdev = vdev;
	vf->group = group;
	rc = get_unused_fd_flags(O_CLOEXEC);
	if (rc < 0)
		goto err_free;
	fd = rc;
	file = anon_inode_getfile("[vfio-device]", &vfio_fops, vf, O_RDWR);
	if (IS_ERR(file)) {
		rc = PTR_ERR(file);
		goto err_fd;
	}
	/* The file owns @vf and the count of the group from here on. */
	atomic_inc(&vdev->files);
	file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	rc = -EINTR;
	if (!mutex_lock_killable(&vdev->lock)) {
		rc = enter_container(vdev, ctx);
		if (!rc) {
			vdev->group_users++;
			/*
			 * Pairs with the calls that need a bound device, as in
			 * vfio_bind().
			 */
			smp_store_release(&vf->owner, true);
		}
		mutex_unlock(&vdev->lock);
	}
	if (rc) {
		fput(file);
		put_unused_fd(fd);
		return rc;
	}
	fd_install(fd, file);
	return fd;

err_fd:
	put_unused_fd(fd);
err_free:
	kfree(vf);
err_put:
	iof_vfio_group_put_file(group);
	return rc;
}

/* ---- the node ---- */

int iof_vfio_create(struct iof_plat_space *space, const char *name,
		    struct iof_hwdev *hw, const struct iof_vfio_ops *ops,
		    void *dev, struct iof_vfio_device **out)
{
	struct iof_vfio_device *vdev = kzalloc(sizeof(*vdev), GFP_KERNEL);
	int rc;

	if (!vdev)
		return -ENOMEM;
	vdev->ops = ops;
	vdev->dev = dev;
	vdev->hw = hw;
	rc = iof_pci_init(vdev);
	if (rc) {
		kfree(vdev);
		return rc;
	}
	mutex_init(&vdev->lock);
	xa_init_flags(&vdev->pasids, XA_FLAGS_ACCOUNT);
	atomic_set(&vdev->files, 0);
	iof_vfio_irqs_init(vdev);
	/* The first interrupt may come as soon as the node can be opened. */
	*out = vdev;
	vdev->node = iof_plat_add_node(space, name, &vfio_fops, vdev);
	if (IS_ERR(vdev->node)) {
		rc = PTR_ERR(vdev->node);
		*out = NULL;
		kfree(vdev);
		return rc;
	}
	return 0;
}

bool iof_vfio_busy(struct iof_vfio_device *vdev)
{
	return atomic_read_acquire(&vdev->files);
}

void iof_vfio_destroy(struct iof_vfio_device *vdev)
{
	iof_plat_remove_node(vdev->node);
	xa_destroy(&vdev->pasids);
	kfree(vdev);
}
