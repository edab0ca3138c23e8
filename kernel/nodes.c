// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nodes.c - device nodes: /dev/iommu and /dev/vfio/devices/vfioN.
 *
 * /dev/iommu is a misc device, as Linux's own; the others are character devices
 * of a class of ours below the devices of devices.c. (The class must not be
 * called vfio-dev: vfio.ko has that name, and would then refuse to load.) All
 * are made 0660, so that the administrator's rule needs to name only a group.
 *
 * The list of nodes leads from an open file to its publisher's data. All
 * objects here that an open sysfs file keeps alive after their removal belong
 * to the kernel, so removal waits for none.
 *
 * While a machine is made, an early open() waits at the gate until the machine
 * is complete: a machine that fails half-way can be removed, since no open has
 * succeeded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cdev.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/miscdevice.h>
#include <linux/namei.h>

#include "exports.h"
#include "private.h"

#define NODE_MODE 0660

/* First number of a software device's node where vfio.ko numbers real ones. */
#define BESIDE_VFIO 4096u

struct iof_plat_node {
	struct list_head entry; /* list nodes, under nodes_lock */
	const struct file_operations *fops;
	void *data;
	struct miscdevice misc; /* used by the node "iommu" only */
	/* used by VFIO nodes only, as the members below */
	dev_t devt;
	struct cdev *cdev;
	struct device *parent;
	struct device *device;
};

enum node_gate {
	GATE_SHUT, /* open() waits */
	GATE_OPEN,
	GATE_GONE, /* the machine failed, and open() fails */
};

static LIST_HEAD(nodes);
static DEFINE_SPINLOCK(nodes_lock);
static enum node_gate gate;
static DECLARE_WAIT_QUEUE_HEAD(gate_wq);
static dev_t first_devt;
static struct class *node_class;
/* /dev/vfio/devices/vfioN of device 0, and number of nodes made so far */
static unsigned int first_number, nr_vfio;

static dev_t node_devt(const struct iof_plat_node *node)
{
	/*
	 * The kernel chooses the number of a misc device when the device is
	 * registered.
	 */
	return node->misc.name ?
		       MKDEV(MISC_MAJOR, READ_ONCE(node->misc.minor)) :
		       node->devt;
}

/*
 * Returns the node of @file. The node stays: an open file, also during open(),
 * holds the module.
 */
static struct iof_plat_node *find_node(struct file *file)
{
	dev_t devt = file_inode(file)->i_rdev;
	struct iof_plat_node *node, *found = NULL;

	spin_lock(&nodes_lock);
	list_for_each_entry(node, &nodes, entry) {
		if (node_devt(node) == devt) {
			found = node;
			break;
		}
	}
	spin_unlock(&nodes_lock);
	return found;
}

void *iof_plat_node_data(struct file *file)
{
	struct iof_plat_node *node = find_node(file);

	return node ? node->data : NULL;
}

/*
 * Opens a node: waits for the gate, and gives the file the operations of the
 * node's publisher.
 */
static int node_open(struct inode *inode, struct file *file)
{
	const struct file_operations *fops;
	struct iof_plat_node *node;

	/* Pairs with iof_nodes_open(): the nodes are complete after this. */
	if (wait_event_killable(gate_wq, smp_load_acquire(&gate) != GATE_SHUT))
		return -EINTR;
	if (gate != GATE_OPEN)
		return -ENODEV;
	node = find_node(file);
	fops = node ? fops_get(node->fops) : NULL;
	if (!fops)
		return -ENODEV;
	replace_fops(file, fops);
	file->private_data = NULL;
	return fops->open(inode, file);
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
};

void iof_nodes_open(bool success)
{
	/* Pairs with the wait in node_open(). */
	smp_store_release(&gate, success ? GATE_OPEN : GATE_GONE);
	wake_up_all(&gate_wq);
	/*
	 * Loading itself is one user of the module. The nodes are removed, so
	 * that no other can follow.
	 */
	while (!success && module_refcount(THIS_MODULE) > 1)
		usleep_range(1000, 2000);
}

static void enter_node(struct iof_plat_node *node)
{
	spin_lock(&nodes_lock);
	/* /dev/iommu is added last and opened most often: keep it first. */
	list_add(&node->entry, &nodes);
	spin_unlock(&nodes_lock);
}

static void leave_node(struct iof_plat_node *node)
{
	spin_lock(&nodes_lock);
	list_del(&node->entry);
	spin_unlock(&nodes_lock);
}

/* ---- /dev/iommu ---- */

/*
 * Does /dev/iommu exist? Registering would fail then, too, but with a stack
 * trace in the log.
 */
static bool iommu_is_taken(void)
{
	struct path path;

	if (kern_path("/sys/class/misc/iommu", 0, &path))
		return false;
	path_put(&path);
	return true;
}

static int add_iommu(struct iof_plat_node *node)
{
	int rc = -EEXIST;

	node->misc.minor = MISC_DYNAMIC_MINOR;
	node->misc.name = "iommu";
	node->misc.nodename = "iommu";
	node->misc.mode = NODE_MODE;
	node->misc.fops = &node_fops;
	enter_node(node);
	if (!iommu_is_taken())
		rc = misc_register(&node->misc);
	if (rc)
		leave_node(node);
	if (rc == -EEXIST)
		pr_err("there is a /dev/iommu already: only one is possible\n");
	return rc;
}

/* ---- /dev/vfio/devices/vfioN ---- */

static char *node_devnode(const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = NODE_MODE;
	return kasprintf(GFP_KERNEL, "vfio/devices/%s", dev_name(dev));
}

static int add_vfio(struct iof_plat_node *node, unsigned int index)
{
	int rc;

	node->parent = iof_device_in_sysfs(index);
	if (WARN_ON(!node->parent))
		return -EINVAL;
	node->devt = first_devt + index;
	node->cdev = cdev_alloc();
	if (!node->cdev)
		return -ENOMEM;
	node->cdev->owner = THIS_MODULE;
	node->cdev->ops = &node_fops;
	enter_node(node);
	rc = cdev_add(node->cdev, node->devt, 1);
	if (rc)
		goto err_leave;
	node->device = device_create(node_class, node->parent, node->devt, NULL,
				     "vfio%u", first_number + index);
	if (IS_ERR(node->device)) {
		rc = PTR_ERR(node->device);
		goto err_leave;
	}
	rc = iof_device_add_link(node->parent, node->device);
	if (rc)
		goto err_device;
	WRITE_ONCE(nr_vfio, max(nr_vfio, index + 1));
	return 0;

err_device:
	device_destroy(node_class, node->devt);
err_leave:
	leave_node(node);
	/*
	 * Also drops the reference of cdev_alloc() if the cdev was not added.
	 */
	cdev_del(node->cdev);
	return rc;
}

/* ---- both ---- */

struct iof_plat_node *iof_plat_add_node(struct iof_plat_space *space,
					const char *name,
					const struct file_operations *fops,
					void *data)
{
	struct iof_plat_node *node;
	unsigned int index;
	int rc = -EINVAL;

	if (WARN_ON(space))
		return ERR_PTR(-EINVAL);
	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->fops = fops;
	node->data = data;
	if (!strcmp(name, "iommu"))
		rc = add_iommu(node);
	else if (sscanf(name, "vfio/devices/vfio%u", &index) == 1)
		rc = add_vfio(node, index);
	if (rc) {
		kfree(node);
		return ERR_PTR(rc);
	}
	return node;
}

void iof_plat_remove_node(struct iof_plat_node *node)
{
	if (node->misc.name) {
		misc_deregister(&node->misc);
	} else {
		iof_device_remove_link(node->parent, node->device);
		device_destroy(node_class, node->devt);
		cdev_del(node->cdev);
	}
	leave_node(node);
	kfree(node);
}

bool iof_software_node_exists(unsigned int number)
{
	return number - first_number < READ_ONCE(nr_vfio);
}

static bool vfio_is_loaded(void)
{
	if (!__symbol_get(IOF_KERNEL_VFIO_SYMBOL))
		return false;
	__symbol_put(IOF_KERNEL_VFIO_SYMBOL);
	return true;
}

int iof_nodes_init(void)
{
	int rc = alloc_chrdev_region(&first_devt, 0, IOF_MAX_DEVICES,
				     KBUILD_MODNAME);

	if (rc)
		return rc;
	node_class = class_create("iofault-vfio");
	if (IS_ERR(node_class)) {
		unregister_chrdev_region(first_devt, IOF_MAX_DEVICES);
		return PTR_ERR(node_class);
	}
	node_class->devnode = node_devnode;
	first_number = vfio_is_loaded() ? BESIDE_VFIO : 0;
	return 0;
}

void iof_nodes_exit(void)
{
	class_destroy(node_class);
	unregister_chrdev_region(first_devt, IOF_MAX_DEVICES);
}
