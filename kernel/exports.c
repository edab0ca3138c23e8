// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * exports.c - the symbols of iofault.ko for drivers of real devices: those
 * of core/iof_driver.h and vfio/bind.h that hw/ calls, and no more.
 */
#include "vfio/bind.h"

#include "exports.h"

IOF_EXPORT(iof_hwdev_register);
IOF_EXPORT(iof_hwdev_unregister);
IOF_EXPORT(iof_hwdev_get_stats);
IOF_EXPORT(iof_report_page_reqs);
IOF_EXPORT(iof_dirty_found);

IOF_EXPORT(iof_vfio_binding_init);
IOF_EXPORT(iof_vfio_binding_exit);
IOF_EXPORT(iof_vfio_bind_ioctl);
IOF_EXPORT(iof_vfio_file_close);
IOF_EXPORT(iof_vfio_revoke);

IOF_EXPORT(iof_software_node_exists);
