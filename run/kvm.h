/* SPDX-License-Identifier: MIT */
/* kvm.h - VFIO files that a virtual machine tells KVM about, for the broker (kvm.c). */
#ifndef IOF_RUN_KVM_H
#define IOF_RUN_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/* Does the attribute name a VFIO file, by the address of its descriptor? */
bool iof_run_kvm_names_file(const struct kvm_device_attr *attr);
/* Is it KVM's device for VFIO, by the name of the file in /proc? */
bool iof_run_kvm_is_device(const char *link);
/* Does KVM take the file of ours with that number for one of VFIO? */
bool iof_run_kvm_takes(uint64_t node);

#endif
