// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * node.c - /dev/vfio/devices/vfioN of a real function.
 *
 * The binding is vfio/bind.c's; every other call goes to vfio-pci-core. The
 * node belongs to root alone: its owner controls a device of the machine.
 *
 * A descriptor holds the memory of the function (a reference to core.vdev), not
 * the function itself, which can be unplugged at any time. Calls on a
 * descriptor are therefore readers of pci->alive and fail with ENODEV once
 * pci->gone is set; an access to a mapped BAR is SIGBUS then. The removal waits
 * for readers, and user memory may come in as late as another program likes. So
 * a reader runs with page faults off. Between two tries the memory comes in.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "private.h"

#define MAX_NODES 1024
/* How often a program can take memory away again before its call fails. */
#define MAX_TRIES 8
/* Bytes of a region that one reader moves: memory that has to stay present. */
#define CHUNK SZ_64K

static unsigned int unplug_seconds = 10;
module_param(unplug_seconds, uint, 0644);
MODULE_PARM_DESC(
	unplug_seconds,
	"how long programs may keep a function that is unplugged or unbound, after "
	"they were asked to leave (default 10)");

static dev_t first_devt;
static struct class *node_class;
/* struct iof_hw_pci by minor; an entry holds no reference */
static DEFINE_XARRAY_ALLOC(nodes);

/* ---- the function of a descriptor ---- */

static struct iof_hw_pci *pci_of(struct iof_vfio_binding *binding)
{
	return container_of(binding, struct iof_hw_pci, binding);
}

static struct iof_hw_pci *pci_of_file(struct file *file)
{
	struct iof_vfio_file *vf = file->private_data;

	return pci_of(vf->binding);
}

/* Checks a call of a reader of pci->alive. Returns 0 or -ENODEV. */
static int check_alive(struct iof_hw_pci *pci)
{
	return READ_ONCE(pci->gone) ? -ENODEV : 0;
}

/* As check_alive(), for a call of the owner only: else -EINVAL. */
static int check_owner(struct file *file)
{
	struct iof_vfio_file *vf = file->private_data;

	return iof_vfio_owns(vf) ? check_alive(pci_of(vf->binding)) : -EINVAL;
}

/* ---- the binding ---- */

static int own(struct iof_vfio_binding *binding)
{
	struct iof_hw_pci *pci = pci_of(binding);
	struct vfio_device *vdev = &pci->core.vdev;
	int rc;

	rc = iommu_device_claim_dma_owner(pci->device.dev, pci->device.group);
	if (rc)
		return rc;
	mutex_lock(&vdev->dev_set->lock);
	rc = vdev->open_count ? -EBUSY : vfio_pci_core_enable(&pci->core);
	if (!rc) {
		vfio_pci_core_finish_enable(&pci->core);
		iof_hw_map_bars(&pci->core);
		vdev->open_count = 1;
	}
	mutex_unlock(&vdev->dev_set->lock);
	if (rc)
		iommu_device_release_dma_owner(pci->device.dev);
	return rc;
}

/* Resets the function: the next owner finds nothing of this one. */
static void stop(struct iof_vfio_binding *binding)
{
	struct vfio_device *vdev = &pci_of(binding)->core.vdev;

	mutex_lock(&vdev->dev_set->lock);
	vfio_pci_core_close_device(vdev);
	vdev->open_count = 0;
	mutex_unlock(&vdev->dev_set->lock);
}

static void disown(struct iof_vfio_binding *binding)
{
	iommu_device_release_dma_owner(pci_of(binding)->device.dev);
}

static const struct iof_vfio_binding_ops binding_ops = {
	.own = own,
	.stop = stop,
	.disown = disown,
};

/* ---- ioctls ---- */

static long device_feature(struct iof_hw_pci *pci, void __user *arg)
{
	const u32 how = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_GET;
	const u32 known = VFIO_DEVICE_FEATURE_MASK | how |
			  VFIO_DEVICE_FEATURE_PROBE;
	struct vfio_device_feature feature;

	if (copy_from_user(&feature, arg, sizeof(feature)))
		return -EFAULT;
	if (feature.argsz < sizeof(feature) || feature.flags & ~known)
		return -EINVAL;
	/* Only a probe may ask for both. */
	if (!(feature.flags & VFIO_DEVICE_FEATURE_PROBE) &&
	    (feature.flags & how) == how)
		return -EINVAL;
	return vfio_pci_core_ioctl_feature(&pci->core.vdev, feature.flags,
					   arg + sizeof(feature),
					   feature.argsz - sizeof(feature));
}

static long device_ioctl(struct iof_hw_pci *pci, unsigned int cmd,
			 unsigned long arg)
{
	switch (cmd) {
	case VFIO_DEVICE_FEATURE:
		return device_feature(pci, (void __user *)arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return iof_hw_region_info(&pci->core.vdev, arg);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
	case VFIO_DEVICE_PCI_HOT_RESET:
		/* vfio-pci-core knows the owners of its own nodes only. */
		return -ENODEV;
	default:
		return vfio_pci_core_ioctl(&pci->core.vdev, cmd, arg);
	}
}

/* As device_ioctl(); -EFAULT may mean that user memory is not present. */
static long try_ioctl(struct iof_hw_pci *pci, unsigned int cmd,
		      unsigned long arg)
{
	int index = srcu_read_lock(&pci->alive);
	long rc = check_alive(pci);

	if (!rc) {
		pagefault_disable();
		rc = device_ioctl(pci, cmd, arg);
		pagefault_enable();
	}
	srcu_read_unlock(&pci->alive, index);
	return rc;
}

/* Brings a command in. Each begins with its size. */
static int bring_in(const char __user *arg)
{
	u32 argsz;

	if (get_user(argsz, (u32 __user *)arg) || fault_in_readable(arg, argsz))
		return -EFAULT;
	/* A command that is only read may be read-only. */
	(void)fault_in_safe_writeable(arg, argsz);
	return 0;
}

static long node_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct iof_vfio_file *vf = file->private_data;
	struct iof_hw_pci *pci = pci_of(vf->binding);
	long rc = iof_vfio_bind_ioctl(vf, cmd, (void __user *)arg);
	unsigned int tries = 0;

	if (rc != -ENOIOCTLCMD)
		return rc;
	do {
		rc = try_ioctl(pci, cmd, arg);
	} while (rc == -EFAULT && ++tries < MAX_TRIES &&
		 !bring_in((char __user *)arg));
	return rc;
}

/* ---- regions ---- */

/* A read of a region, or a write from @from if that is set. */
struct transfer {
	struct file *file;
	char __user *to;
	const char __user *from;
	loff_t *pos;
};

/*
 * Moves @n bytes from @done on. -EFAULT: user memory was not present, and a
 * part may have been moved.
 */
static ssize_t try_chunk(const struct transfer *t, size_t done, size_t n)
{
	struct iof_hw_pci *pci = pci_of_file(t->file);
	int index = srcu_read_lock(&pci->alive);
	ssize_t rc = check_owner(t->file);

	if (!rc) {
		pagefault_disable();
		rc = t->from ? vfio_pci_core_write(&pci->core.vdev,
						   t->from + done, n, t->pos) :
			       vfio_pci_core_read(&pci->core.vdev, t->to + done,
						  n, t->pos);
		pagefault_enable();
	}
	srcu_read_unlock(&pci->alive, index);
	return rc;
}

/*
 * A read of a register can change the device, so user memory is present before
 * the first try, and another try is rare.
 */
static ssize_t move_chunk(const struct transfer *t, size_t done, size_t n)
{
	unsigned int tries = 0;
	ssize_t rc;

	do {
		if (t->from ? fault_in_readable(t->from + done, n) :
			      fault_in_safe_writeable(t->to + done, n))
			return -EFAULT;
		rc = try_chunk(t, done, n);
	} while (rc == -EFAULT && ++tries < MAX_TRIES);
	return rc;
}

static ssize_t move(const struct transfer *t, size_t n)
{
	ssize_t rc = check_owner(t->file);
	size_t done = 0, chunk;

	if (rc)
		return rc;
	do {
		chunk = min_t(size_t, n - done, CHUNK);
		rc = move_chunk(t, done, chunk);
		if (rc > 0)
			done += rc;
	} while (rc == chunk && done < n && !fatal_signal_pending(current));
	return done ?: rc;
}

static ssize_t node_read(struct file *file, char __user *buf, size_t n,
			 loff_t *pos)
{
	const struct transfer t = { .file = file, .to = buf, .pos = pos };

	return move(&t, n);
}

static ssize_t node_write(struct file *file, const char __user *buf, size_t n,
			  loff_t *pos)
{
	const struct transfer t = { .file = file, .from = buf, .pos = pos };

	return move(&t, n);
}

static vm_fault_t bar_fault(struct vm_fault *vmf)
{
	struct iof_hw_pci *pci = pci_of_file(vmf->vma->vm_file);
	vm_fault_t rc = VM_FAULT_SIGBUS;
	int index;

	index = srcu_read_lock(&pci->alive);
	if (!check_alive(pci))
		rc = pci->core_vm_ops->fault(vmf);
	srcu_read_unlock(&pci->alive, index);
	return rc;
}

static vm_fault_t bar_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct iof_hw_pci *pci = pci_of_file(vmf->vma->vm_file);
	vm_fault_t rc = VM_FAULT_SIGBUS;
	int index;

	if (!pci->core_vm_ops->huge_fault)
		return VM_FAULT_FALLBACK;
	index = srcu_read_lock(&pci->alive);
	if (!check_alive(pci))
		rc = pci->core_vm_ops->huge_fault(vmf, order);
	srcu_read_unlock(&pci->alive, index);
	return rc;
}

static const struct vm_operations_struct bar_ops = {
	.fault = bar_fault,
	.huge_fault = bar_huge_fault,
};

/* Puts the check of pci->gone before each fault of the mapping. */
static int check_faults(struct iof_hw_pci *pci, struct vm_area_struct *vma)
{
	const struct vm_operations_struct *ops = vma->vm_ops, *before;

	/* A mapping that the operations above cannot serve is refused. */
	if (!ops || !ops->fault || ops->open || ops->close)
		return -ENODEV;
	before = cmpxchg(&pci->core_vm_ops, NULL, ops);
	if (before && before != ops)
		return -ENODEV;
	vma->vm_ops = &bar_ops;
	return 0;
}

static int node_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct iof_hw_pci *pci = pci_of_file(file);
	int index, rc;

	index = srcu_read_lock(&pci->alive);
	rc = check_owner(file)				      ?:
		     vfio_pci_core_mmap(&pci->core.vdev, vma) ?:
		     check_faults(pci, vma);
	srcu_read_unlock(&pci->alive, index);
	return rc;
}

/* ---- the file ---- */

static int node_open(struct inode *inode, struct file *file)
{
	struct iof_vfio_file *vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	struct iof_hw_pci *pci;

	if (!vf)
		return -ENOMEM;
	xa_lock(&nodes);
	pci = xa_load(&nodes, iminor(inode) - MINOR(first_devt));
	if (pci) {
		get_device(&pci->core.vdev.device);
		atomic_inc(&pci->files);
	}
	xa_unlock(&nodes);
	if (!pci) {
		kfree(vf);
		return -ENODEV;
	}
	vf->binding = &pci->binding;
	file->private_data = vf;
	/* vfio-pci-core unmaps BARs by this mapping when they go off. */
	file->f_mapping = pci->core.vdev.inode->i_mapping;
	return 0;
}

static int node_release(struct inode *inode, struct file *file)
{
	struct iof_vfio_file *vf = file->private_data;
	struct iof_hw_pci *pci = pci_of(vf->binding);

	iof_vfio_file_close(vf);
	kfree(vf);
	if (atomic_dec_and_test(&pci->files))
		wake_up(&pci->left);
	put_device(&pci->core.vdev.device);
	return 0;
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
	.release = node_release,
	.unlocked_ioctl = node_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = node_read,
	.write = node_write,
	.mmap = node_mmap,
};

/* ---- the node ---- */

static ssize_t dev_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	struct iof_hw_pci *pci =
		iof_hw_pci_of(container_of(dev, struct vfio_device, device));

	return sysfs_emit(buf, "%u:%u\n", MAJOR(pci->cdev->dev),
			  MINOR(pci->cdev->dev));
}
/* Clients look for the node's number in vfio.ko's folder of the function. */
static DEVICE_ATTR_RO(dev);

/* ---- counters, in the folder page_requests beside it ---- */

static struct iof_hwdev_stats stats_of(struct device *dev)
{
	struct iof_hw_pci *pci =
		iof_hw_pci_of(container_of(dev, struct vfio_device, device));
	struct iof_hwdev_stats stats;

	iof_hwdev_get_stats(&pci->device.hw, &stats);
	return stats;
}

#define IOF_COUNTER(_name, _field)                                            \
	static ssize_t _name##_show(struct device *dev,                       \
				    struct device_attribute *attr, char *buf) \
	{                                                                     \
		return sysfs_emit(buf, "%llu\n", stats_of(dev)._field);       \
	}                                                                     \
	static DEVICE_ATTR_RO(_name)

IOF_COUNTER(requests, requests);
IOF_COUNTER(groups, groups);
IOF_COUNTER(succeeded, answered[IOF_PAGE_SUCCESS]);
IOF_COUNTER(invalid, answered[IOF_PAGE_INVALID]);
IOF_COUNTER(failed, answered[IOF_PAGE_FAILURE]);
IOF_COUNTER(refused, refused);
IOF_COUNTER(swept, swept);

static struct attribute *counters[] = {
	&dev_attr_requests.attr,  &dev_attr_groups.attr,
	&dev_attr_succeeded.attr, &dev_attr_invalid.attr,
	&dev_attr_failed.attr,	  &dev_attr_refused.attr,
	&dev_attr_swept.attr,	  NULL,
};

static const struct attribute_group counters_group = {
	.name = "page_requests",
	.attrs = counters,
};

static char *node_devnode(const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0600;
	return kasprintf(GFP_KERNEL, "vfio/devices/%s", dev_name(dev));
}

int iof_hw_node_init(struct iof_hw_pci *pci)
{
	int rc = init_srcu_struct(&pci->alive);

	if (rc)
		return rc;
	iof_vfio_binding_init(&pci->binding, &pci->device.hw, &binding_ops);
	init_waitqueue_head(&pci->left);
	return 0;
}

void iof_hw_node_exit(struct iof_hw_pci *pci)
{
	iof_vfio_binding_exit(&pci->binding);
	cleanup_srcu_struct(&pci->alive);
}

int iof_hw_node_add(struct iof_hw_pci *pci)
{
	struct vfio_device *vdev = &pci->core.vdev;
	dev_t devt;
	u32 minor;
	int rc;

	if (iof_software_node_exists(vdev->index)) {
		dev_err(pci->device.dev,
			"vfio%u is the node of a software device: load vfio before iofault\n",
			vdev->index);
		return -EBUSY;
	}
	pci->cdev = cdev_alloc();
	if (!pci->cdev)
		return -ENOMEM;
	pci->cdev->owner = THIS_MODULE;
	pci->cdev->ops = &node_fops;
	/* The entry makes open() succeed, so it comes last: NULL until then. */
	rc = xa_alloc(&nodes, &minor, NULL, XA_LIMIT(0, MAX_NODES - 1),
		      GFP_KERNEL);
	if (rc) {
		cdev_del(pci->cdev);
		return rc;
	}
	pci->minor = minor;
	devt = first_devt + minor;
	rc = cdev_add(pci->cdev, devt, 1);
	if (rc)
		goto err_cdev;
	rc = device_create_file(&vdev->device, &dev_attr_dev);
	if (rc)
		goto err_cdev;
	rc = sysfs_create_group(&vdev->device.kobj, &counters_group);
	if (rc)
		goto err_file;
	pci->node = device_create(node_class, pci->device.dev, devt, NULL,
				  "vfio%u", vdev->index);
	if (IS_ERR(pci->node)) {
		rc = PTR_ERR(pci->node);
		goto err_counters;
	}
	WARN_ON(xa_err(xa_store(&nodes, minor, pci, GFP_KERNEL)));
	return 0;

err_counters:
	sysfs_remove_group(&vdev->device.kobj, &counters_group);
err_file:
	device_remove_file(&vdev->device, &dev_attr_dev);
err_cdev:
	/* Also drops the reference of cdev_alloc(). */
	cdev_del(pci->cdev);
	/* Last, since another function may get the minor. */
	xa_erase(&nodes, minor);
	return rc;
}

/* Asks the programs to leave, once a second, until they do or time is up. */
static void ask_to_leave(struct iof_hw_pci *pci)
{
	unsigned int asked;

	for (asked = 0; atomic_read(&pci->files); asked++) {
		if (asked >= READ_ONCE(unplug_seconds)) {
			dev_warn(pci->device.dev,
				 "taken from a program that did not leave\n");
			return;
		}
		vfio_pci_core_request(&pci->core.vdev, asked);
		wait_event_timeout(pci->left, !atomic_read(&pci->files), HZ);
	}
}

void iof_hw_node_remove(struct iof_hw_pci *pci)
{
	struct vfio_device *vdev = &pci->core.vdev;

	/* No open() succeeds any more. The minor stays taken: see below. */
	xa_store(&nodes, pci->minor, NULL, GFP_KERNEL);
	device_destroy(node_class, pci->cdev->dev);
	sysfs_remove_group(&vdev->device.kobj, &counters_group);
	device_remove_file(&vdev->device, &dev_attr_dev);
	cdev_del(pci->cdev);
	/* Another function may be probed meanwhile, and gets the minor. */
	xa_erase(&nodes, pci->minor);
	ask_to_leave(pci);
	WRITE_ONCE(pci->gone, true);
	synchronize_srcu(&pci->alive);
	/* No fault maps a page again after this. */
	unmap_mapping_range(vdev->inode->i_mapping, 0, 0, true);
	iof_vfio_revoke(&pci->binding);
}

int iof_hw_nodes_init(void)
{
	int rc = alloc_chrdev_region(&first_devt, 0, MAX_NODES, KBUILD_MODNAME);

	if (rc)
		return rc;
	node_class = class_create(KBUILD_MODNAME);
	if (IS_ERR(node_class)) {
		unregister_chrdev_region(first_devt, MAX_NODES);
		return PTR_ERR(node_class);
	}
	node_class->devnode = node_devnode;
	return 0;
}

void iof_hw_nodes_exit(void)
{
	class_destroy(node_class);
	unregister_chrdev_region(first_devt, MAX_NODES);
	xa_destroy(&nodes);
}
