// SPDX-License-Identifier: MIT
/*
 * kvm.c - KVM's device for VFIO. A virtual machine that has assigned devices adds their files to
 * it, so that KVM knows of their DMA. A kernel refuses files that are not its own, and ours need
 * nothing of it: the broker answers 0 for them. Calls with other files, and on other devices,
 * continue.
 */
#include <string.h>

#include "kvm.h"
#include "private.h"

/* Linux 6.5 has renamed the group of attributes; the numbers are those of KVM_DEV_VFIO_GROUP. */
#define VFIO_FILE     1
#define VFIO_FILE_ADD 1
#define VFIO_FILE_DEL 2

bool iof_run_kvm_names_file(const struct kvm_device_attr *attr)
{
	return !attr->flags && attr->group == VFIO_FILE &&
	       (attr->attr == VFIO_FILE_ADD || attr->attr == VFIO_FILE_DEL) && attr->addr;
}

bool iof_run_kvm_is_device(const char *link)
{
	return !strcmp(link, "anon_inode:kvm-vfio");
}

bool iof_run_kvm_takes(uint64_t node)
{
	return node >= IOF_RUN_NODE_VFIO && node < IOF_RUN_NODE_MADE;
}
