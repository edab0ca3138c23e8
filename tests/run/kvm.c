// SPDX-License-Identifier: MIT
/*
 * kvm.c - proves which calls on KVM's device for VFIO `iofault run` answers. The device itself
 * is a stub here: the name of its file, the structure, and the number of the file in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../run/kvm.h"
#include "../../run/private.h"

static void adding_and_removing_a_file(void **state)
{
	(void)state;
	for (uint32_t group = 0; group < 4; group++) {
		for (uint64_t attr = 0; attr < 5; attr++) {
			struct kvm_device_attr call = { .group = group,
							.attr = attr,
							.addr = 4096 };
			bool names =
				group == KVM_DEV_VFIO_GROUP &&
				(attr == KVM_DEV_VFIO_GROUP_ADD || attr == KVM_DEV_VFIO_GROUP_DEL);

			assert_int_equal(iof_run_kvm_names_file(&call), names);
			call.flags = 1;
			assert_false(iof_run_kvm_names_file(&call));
			call.flags = 0;
			call.addr = 0;
			assert_false(iof_run_kvm_names_file(&call));
		}
	}
}

static void only_kvm_s_device_for_vfio(void **state)
{
	(void)state;
	assert_true(iof_run_kvm_is_device("anon_inode:kvm-vfio"));
	assert_false(iof_run_kvm_is_device("anon_inode:kvm-vm"));
	assert_false(iof_run_kvm_is_device("anon_inode:[eventfd]"));
	assert_false(iof_run_kvm_is_device("/tmp/anon_inode:kvm-vfio"));
	assert_false(iof_run_kvm_is_device("anon_inode:kvm-vfio (deleted)"));
	assert_false(iof_run_kvm_is_device(""));
}

/* Devices and groups are files of VFIO; /dev/iommu, containers and fault queues are not. */
static void only_files_of_vfio(void **state)
{
	(void)state;
	assert_true(iof_run_kvm_takes(IOF_RUN_NODE_VFIO));
	assert_true(iof_run_kvm_takes(IOF_RUN_NODE_GROUP));
	assert_false(iof_run_kvm_takes(0));
	assert_false(iof_run_kvm_takes(IOF_RUN_NODE_IOMMU));
	assert_false(iof_run_kvm_takes(IOF_RUN_NODE_CONTAINER));
	assert_false(iof_run_kvm_takes(IOF_RUN_NODE_MADE));
	assert_false(iof_run_kvm_takes(IOF_RUN_NODE_MADE + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_and_removing_a_file),
		cmocka_unit_test(only_kvm_s_device_for_vfio),
		cmocka_unit_test(only_files_of_vfio),
	};

	return cmocka_run_group_tests_name("kvm", tests, NULL, NULL);
}
