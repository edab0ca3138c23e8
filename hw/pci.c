// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pci.c - the PCI driver of iofault-pci.ko: functions for programs.
 *
 * vfio-pci-core serves configuration space, BARs, interrupts and reset. It also
 * publishes the function to vfio.ko, and its group node and number stay: the
 * group node and ours exclude each other, since each claims the function's DMA
 * before it uses it.
 *
 * A function is taken by driver_override, new_id or the parameter ids, as with
 * vfio-pci.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "private.h"

static char ids[1024];
module_param_string(ids, ids, sizeof(ids), 0444);
MODULE_PARM_DESC(
	ids,
	"functions to take: \"vendor:device[:subvendor[:subdevice[:class[:class_mask]]]]\", "
	"hexadecimal, several separated by commas");

/* ---- for vfio.ko, when a program uses its group node ---- */

static int vfio_open(struct vfio_device *vdev)
{
	int rc = vfio_pci_core_enable(&iof_hw_pci_of(vdev)->core);

	if (!rc)
		vfio_pci_core_finish_enable(&iof_hw_pci_of(vdev)->core);
	return rc;
}

static int vfio_init(struct vfio_device *vdev)
{
	int rc = iof_hw_node_init(iof_hw_pci_of(vdev));

	if (rc)
		return rc;
	rc = vfio_pci_core_init_dev(vdev);
	if (rc)
		iof_hw_node_exit(iof_hw_pci_of(vdev));
	return rc;
}

static void vfio_release(struct vfio_device *vdev)
{
	iof_hw_node_exit(iof_hw_pci_of(vdev));
	vfio_pci_core_release_dev(vdev);
}

static const struct vfio_device_ops vfio_ops = {
	.name = KBUILD_MODNAME,
	.init = vfio_init,
	.release = vfio_release,
	.open_device = vfio_open,
	.close_device = vfio_pci_core_close_device,
	.ioctl = vfio_pci_core_ioctl,
	IOF_HW_REGION_INFO_OP.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
};

/* ---- the driver ---- */

static int pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct iof_hw_pci *pci;
	int rc;

	pci = vfio_alloc_device(iof_hw_pci, core.vdev, &pdev->dev, &vfio_ops);
	if (IS_ERR(pci))
		return PTR_ERR(pci);
	dev_set_drvdata(&pdev->dev, &pci->core);
	rc = iof_hw_device_init(&pci->device, &pdev->dev);
	if (rc)
		goto err_put;
	rc = vfio_pci_core_register_device(&pci->core);
	if (rc)
		goto err_device;
	rc = iof_hw_node_add(pci);
	if (rc)
		goto err_vfio;
	return 0;

err_vfio:
	vfio_pci_core_unregister_device(&pci->core);
err_device:
	iof_hw_device_exit(&pci->device);
err_put:
	vfio_put_device(&pci->core.vdev);
	return rc;
}

static void pci_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);
	struct iof_hw_pci *pci = container_of(core, struct iof_hw_pci, core);

	iof_hw_node_remove(pci);
	vfio_pci_core_unregister_device(core);
	iof_hw_device_exit(&pci->device);
	vfio_put_device(&core->vdev);
}

static const struct pci_device_id pci_ids[] = {
	/* any function, but only if its driver_override names this driver */
	{ PCI_DEVICE(PCI_ANY_ID, PCI_ANY_ID),
	  .override_only = PCI_ID_F_VFIO_DRIVER_OVERRIDE },
	{}
};

static struct pci_driver pci_driver = {
	.name = "iofault-pci",
	.id_table = pci_ids,
	.probe = pci_probe,
	.remove = pci_remove,
	.err_handler = &vfio_pci_core_err_handlers,
	.driver_managed_dma = true,
};

/* ---- load and unload ---- */

/* Adds one id of the list. -EINVAL: it is none. */
static int add_id(const char *text)
{
	u32 vendor, device, subvendor = PCI_ANY_ID, subdevice = PCI_ANY_ID;
	u32 class = 0, class_mask = 0;
	int fields;

	fields = sscanf(text, "%x:%x:%x:%x:%x:%x", &vendor, &device, &subvendor,
			&subdevice, &class, &class_mask);
	if (fields < 2)
		return -EINVAL;
	return pci_add_dynid(&pci_driver, vendor, device, subvendor, subdevice,
			     class, class_mask, 0);
}

static int add_ids(void)
{
	char *rest = ids, *text;
	int rc;

	while ((text = strsep(&rest, ",")) != NULL) {
		if (!*text)
			continue;
		rc = add_id(text);
		if (rc) {
			pr_err("ids: \"%s\" cannot be added: %d\n", text, rc);
			return rc;
		}
	}
	return 0;
}

static int __init hw_init(void)
{
	int rc = iof_hw_nodes_init();

	if (rc)
		return rc;
	rc = pci_register_driver(&pci_driver);
	if (rc)
		goto err_nodes;
	rc = add_ids();
	if (rc)
		goto err_driver;
	return 0;

err_driver:
	pci_unregister_driver(&pci_driver);
err_nodes:
	iof_hw_nodes_exit();
	return rc;
}

static void __exit hw_exit(void)
{
	pci_unregister_driver(&pci_driver);
	iof_hw_nodes_exit();
}

module_init(hw_init);
module_exit(hw_exit);

IOF_IMPORT_NS(IOFAULT);
IOF_IMPORT_NS(IOMMUFD_INTERNAL);
MODULE_DESCRIPTION(
	"PCI functions behind the machine's own IOMMU, for iofault.ko's /dev/iommu");
MODULE_AUTHOR("The iofault authors");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(IOF_VERSION);
