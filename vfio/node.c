// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * node.c - the file operations of a software device's node. The binding is
 * bind.c's.
 */
#include "private.h"

/* ---- the file ---- */

static struct iof_vfio_device *vdev_of(struct iof_vfio_binding *binding)
{
	return container_of(binding, struct iof_vfio_device, binding);
}

static int vfio_open(struct inode *inode, struct file *file)
{
	struct iof_vfio_device *vdev = iof_plat_node_data(file);
	struct iof_vfio_file *vf;

	if (vdev->binding.hw->ops->no_iommu && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	if (!vf)
		return -ENOMEM;
	vf->binding = &vdev->binding;
	file->private_data = vf;
	atomic_inc(&vdev->files);
	return 0;
}

static int vfio_release(struct inode *inode, struct file *file)
{
	struct iof_vfio_file *vf = file->private_data;
	struct iof_vfio_device *vdev = vdev_of(vf->binding);

	iof_vfio_file_close(vf);
	kfree(vf);
	(void)atomic_dec_return(&vdev->files);
	return 0;
}

static long vfio_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct iof_vfio_file *vf = file->private_data;
	struct iof_vfio_device *vdev = vdev_of(vf->binding);
	void __user *uptr = (void __user *)arg;
	u32 argsz;
	long rc;

	/* The group has bound it already. */
	if (cmd == VFIO_DEVICE_BIND_IOMMUFD && vf->group)
		return copy_from_user(&argsz, uptr, sizeof(argsz)) ? -EFAULT :
								     -EINVAL;
	rc = iof_vfio_bind_ioctl(vf, cmd, uptr);
	if (rc != -ENOIOCTLCMD)
		return rc;
	switch (cmd) {
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
	struct iof_vfio_device *vdev = vdev_of(vf->binding);
	u32 region;
	u64 off;
	int rc;

	if (!iof_vfio_owns(vf))
		return -EINVAL;
	rc = iof_pci_find_region(vdev, iocb->ki_pos, to,
				 VFIO_REGION_INFO_FLAG_READ, &region, &off);
	return rc ?: iof_pci_read(vdev, region, off, to);
}

static ssize_t vfio_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct iof_vfio_file *vf = iocb->ki_filp->private_data;
	struct iof_vfio_device *vdev = vdev_of(vf->binding);
	u32 region;
	u64 off;
	int rc;

	if (!iof_vfio_owns(vf))
		return -EINVAL;
	rc = iof_pci_find_region(vdev, iocb->ki_pos, from,
				 VFIO_REGION_INFO_FLAG_WRITE, &region, &off);
	return rc ?: iof_pci_write(vdev, region, off, from);
}

static __poll_t vfio_poll(struct file *file, poll_table *wait)
{
	struct iof_vfio_file *vf = file->private_data;
	struct iof_vfio_device *vdev = vdev_of(vf->binding);
	/*
	 * Call the device before the bind, too: a poller that waits from then
	 * on must be woken later.
	 */
	__poll_t mask = vdev->ops->poll(vdev->dev, file, wait);

	return iof_vfio_owns(vf) ? mask : EPOLLERR;
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

int iof_vfio_open_in_group(struct iof_vfio_device *vdev,
			   struct iof_vfio_group *group, struct iof_ctx *ctx)
{
	struct iof_vfio_file *vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	struct file *file;
	int fd, rc = -ENOMEM;

	if (!vf)
		goto err_put;
	vf->binding = &vdev->binding;
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
	rc = iof_vfio_bind_in_group(vf, ctx);
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

static int own(struct iof_vfio_binding *binding)
{
	struct iof_vfio_device *vdev = vdev_of(binding);

	return vdev->ops->own ? vdev->ops->own(vdev->dev) : 0;
}

static void stop(struct iof_vfio_binding *binding)
{
	struct iof_vfio_device *vdev = vdev_of(binding);

	iof_pci_power_on(vdev);
	iof_vfio_irqs_disable(vdev);
}

static void disown(struct iof_vfio_binding *binding)
{
	struct iof_vfio_device *vdev = vdev_of(binding);

	if (vdev->ops->disown)
		vdev->ops->disown(vdev->dev);
}

static const struct iof_vfio_binding_ops binding_ops = {
	.own = own,
	.stop = stop,
	.disown = disown,
};

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
	iof_vfio_binding_init(&vdev->binding, hw, &binding_ops);
	rc = iof_pci_init(vdev);
	if (rc)
		goto err_free;
	atomic_set(&vdev->files, 0);
	iof_vfio_irqs_init(vdev);
	/* The first interrupt may come as soon as the node can be opened. */
	*out = vdev;
	vdev->node = iof_plat_add_node(space, name, &vfio_fops, vdev);
	if (IS_ERR(vdev->node)) {
		rc = PTR_ERR(vdev->node);
		*out = NULL;
		goto err_free;
	}
	return 0;

err_free:
	iof_vfio_binding_exit(&vdev->binding);
	kfree(vdev);
	return rc;
}

bool iof_vfio_busy(struct iof_vfio_device *vdev)
{
	return atomic_read_acquire(&vdev->files);
}

void iof_vfio_destroy(struct iof_vfio_device *vdev)
{
	iof_plat_remove_node(vdev->node);
	iof_vfio_binding_exit(&vdev->binding);
	kfree(vdev);
}
