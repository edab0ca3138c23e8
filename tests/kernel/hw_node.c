// SPDX-License-Identifier: MIT
/*
 * hw_node.c - proves that the node of a real function gives nothing to a program that does not own
 * the function, and that iofault-pci.ko takes no function that it must not: without an IOMMU,
 * without isolated interrupts, or in use through the kernel's own node.
 */
#include "hw_iommu.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DRIVER "/sys/bus/pci/drivers/iofault-pci/"
#define UNSAFE "/sys/module/iofault_pci/parameters/allow_unsafe_interrupts"
/* Offset of a region in the node. */
#define REGION(index) ((off_t)(index) << 40)

static void the_node_is_roots_alone(void **state)
{
	char node[HW_NODE], path[128], wanted[32], line[32] = "";
	struct stat told;
	FILE *f;

	(void)state;
	assert_true(hw_node(hwi_name[HWI_PLAIN], node));
	assert_ok(stat(node, &told));
	assert_int_equal(told.st_mode, S_IFCHR | 0600);
	assert_int_equal(told.st_uid, 0);
	/* Clients find it by its number. */
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s/dev", hwi_name[HWI_PLAIN],
		 strrchr(node, '/') + 1);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	snprintf(wanted, sizeof(wanted), "%u:%u\n", major(told.st_rdev), minor(told.st_rdev));
	assert_string_equal(line, wanted);
}

/* The function is on, since another descriptor owns it. */
static void only_the_owner_reaches_the_function(void **state)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int dev = hw_open(hwi_name[HWI_PLAIN]);
	struct hw *hw = *state;
	uint32_t ids = 0;

	assert_true(dev >= 0);
	hw_command(hw, 2);
	hw_map_bar(hw);
	assert_int_equal(pread(dev, &ids, 4, REGION(VFIO_PCI_CONFIG_REGION_INDEX)), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pwrite(dev, &ids, 4, REGION(VFIO_PCI_CONFIG_REGION_INDEX)), -1);
	assert_int_equal(errno, EINVAL);
	assert_true(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, dev, 0) == MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ioctl(dev, VFIO_DEVICE_GET_INFO, &info), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ids, 0);
	close(dev);
}

static void a_feature_is_asked_for_in_one_way(void **state)
{
	struct vfio_device_feature feature = { .argsz = sizeof(feature) - 1 };
	struct hw *hw = *state;

	assert_int_equal(ioctl(hw->dev, VFIO_DEVICE_FEATURE, &feature), -1);
	assert_int_equal(errno, EINVAL);
	feature.argsz = sizeof(feature);
	feature.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET |
			VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
	assert_int_equal(ioctl(hw->dev, VFIO_DEVICE_FEATURE, &feature), -1);
	assert_int_equal(errno, EINVAL);
	feature.flags = 1u << 31 | VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET |
			VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
	assert_int_equal(ioctl(hw->dev, VFIO_DEVICE_FEATURE, &feature), -1);
	assert_int_equal(errno, EINVAL);
}

static void a_reset_of_the_bus_is_refused(void **state)
{
	struct vfio_pci_hot_reset_info info = { .argsz = sizeof(info) };
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	struct hw *hw = *state;

	assert_int_equal(ioctl(hw->dev, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info), -1);
	assert_int_equal(errno, ENODEV);
	assert_int_equal(ioctl(hw->dev, VFIO_DEVICE_PCI_HOT_RESET, &reset), -1);
	assert_int_equal(errno, ENODEV);
}

/* Beyond its registers QEMU's edu device reads as ones. */
static void a_long_read_of_a_region_is_whole(void **state)
{
	const size_t bytes = 160 << 10;
	uint8_t *data = malloc(bytes);
	struct hw *hw = *state;
	size_t i;

	assert_non_null(data);
	hw_command(hw, 2);
	memset(data, 0x5a, bytes);
	assert_int_equal(pread(hw->dev, data, bytes, REGION(VFIO_PCI_BAR0_REGION_INDEX)), bytes);
	for (i = 4096; i < bytes; i++)
		assert_int_equal(data[i], 0xff);
	free(data);
}

/* ---- the kernel's own node of the isolation group ---- */

/* Takes the group for VFIO's container. Returns its descriptor, or a negative errno. */
static int take_group(const char *name, int container)
{
	char path[128], group[128], *number;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", name);
	n = readlink(path, group, sizeof(group) - 1);
	assert_true(n > 0);
	group[n] = '\0';
	number = strrchr(group, '/') + 1;
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container)) {
		n = -errno;
		close(fd);
		return (int)n;
	}
	return fd;
}

static void the_two_nodes_of_a_function_exclude_each_other(void **state)
{
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), group, fd, dev;
	struct hw *hw = *state;

	assert_true(container >= 0);
	assert_true(take_group(hwi_name[HWI_PLAIN], container) < 0);
	hw_close(hw);
	group = take_group(hwi_name[HWI_PLAIN], container);
	assert_true(group >= 0);
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	dev = hw_open(hwi_name[HWI_PLAIN]);
	assert_true(fd >= 0 && dev >= 0);
	assert_true(abi_bind(dev, fd) < 0);
	assert_ok(ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	close(group);
	close(container);
	/* The bind that failed has left nothing. */
	assert_id(abi_bind(dev, fd));
	close(dev);
	close(fd);
}

/* ---- functions that are not taken ---- */

/* Offers a function to the driver. Returns what the probe said. */
static int offer(const char *name)
{
	char path[128];
	int rc;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", name);
	assert_ok(hw_write(path, "iofault-pci"));
	rc = hw_write(DRIVER "bind", name);
	assert_ok(hw_write(path, "\n"));
	return rc;
}

static void unsafe_interrupts_are_refused(void **state)
{
	(void)state;
	hw_drop(hwi_name[HWI_PLAIN]);
	assert_ok(hw_write(UNSAFE, "0"));
	assert_err(offer(hwi_name[HWI_PLAIN]), EPERM);
	assert_ok(hw_write(UNSAFE, "1"));
	assert_ok(offer(hwi_name[HWI_PLAIN]));
}

static void a_function_without_an_iommu_is_refused(void **state)
{
	(void)state;
	hwi_end();
	assert_err(offer(hwi_name[HWI_PLAIN]), ENODEV);
	hwi_begin("kernel/hw_node");
}

#define T(name) cmocka_unit_test_setup_teardown(name, hwi_setup, hwi_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_node_is_roots_alone),
		T(only_the_owner_reaches_the_function),
		T(a_feature_is_asked_for_in_one_way),
		T(a_reset_of_the_bus_is_refused),
		T(a_long_read_of_a_region_is_whole),
		T(the_two_nodes_of_a_function_exclude_each_other),
		cmocka_unit_test(unsafe_interrupts_are_refused),
		cmocka_unit_test(a_function_without_an_iommu_is_refused),
	};
	int failed;

	hwi_begin("kernel/hw_node");
	failed = cmocka_run_group_tests_name("hw_node", tests, NULL, NULL);
	hwi_end();
	return failed;
}
