// SPDX-License-Identifier: MIT
/*
 * hw.c - what the tests of real PCI functions share (hw.h).
 */
#include "hw.h"

#include <sched.h>

#define DEVICES "/sys/bus/pci/devices/"

int hw_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		rc = -errno;
	close(fd);
	return rc;
}

static unsigned int hex_in(const char *name, const char *file)
{
	char path[128], line[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), DEVICES "%s/%s", name, file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	(void)!fgets(line, sizeof(line), f);
	fclose(f);
	return (unsigned int)strtoul(line, NULL, 16);
}

bool hw_find(unsigned int vendor, unsigned int device, unsigned int n, char name[16])
{
	struct dirent **entries;
	int nr = scandir(DEVICES, &entries, NULL, alphasort), i;
	bool found = false;

	for (i = 0; i < nr; i++) {
		const char *at = entries[i]->d_name;

		if (!found && at[0] != '.' && hex_in(at, "vendor") == vendor &&
		    hex_in(at, "device") == device && !n--) {
			snprintf(name, 16, "%.15s", at);
			found = true;
		}
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
	return found;
}

bool hw_present(const char *name)
{
	return hex_in(name, "vendor");
}

void hw_take(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), DEVICES "%s/driver_override", name);
	assert_ok(hw_write(path, "iofault-pci"));
	assert_ok(hw_write("/sys/bus/pci/drivers_probe", name));
	snprintf(path, sizeof(path), DEVICES "%s/driver", name);
	assert_ok(access(path, F_OK));
}

void hw_drop(const char *name)
{
	char path[128];

	assert_ok(hw_write("/sys/bus/pci/drivers/iofault-pci/unbind", name));
	snprintf(path, sizeof(path), DEVICES "%s/driver_override", name);
	assert_ok(hw_write(path, "\n"));
}

int hw_suspend(const char *state, const char *level)
{
	int rc = hw_write("/sys/power/pm_test", level);

	if (rc)
		return -ENOENT;
	(void)hw_write("/sys/module/suspend/parameters/pm_test_delay", "1");
	rc = hw_write("/sys/power/state", state);
	assert_ok(hw_write("/sys/power/pm_test", "none"));
	return rc;
}

bool hw_node(const char *name, char node[HW_NODE])
{
	struct dirent *entry;
	bool found = false;
	char path[128];
	DIR *dir;

	snprintf(path, sizeof(path), DEVICES "%s/vfio-dev", name);
	dir = opendir(path);
	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(node, HW_NODE, "/dev/vfio/devices/%.16s", entry->d_name);
		found = true;
	}
	closedir(dir);
	return found;
}

int hw_open(const char *name)
{
	char node[HW_NODE];
	int fd;

	if (!hw_node(name, node))
		return -ENODEV;
	fd = open(node, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void hw_wait_readable(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&wait, 1, HW_SECONDS * 1000), 1);
}

void hw_use(struct hw *hw, const char *name, bool attach)
{
	int rc;

	memset(hw, 0, sizeof(*hw));
	hw->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	assert_true(hw->fd >= 0);
	hw->dev = hw_open(name);
	assert_true(hw->dev >= 0);
	rc = abi_bind(hw->dev, hw->fd);
	assert_id(rc);
	hw->devid = (uint32_t)rc;
	rc = abi_ioas(hw->fd);
	assert_id(rc);
	hw->ioas = (uint32_t)rc;
	if (!attach)
		return;
	rc = abi_attach(hw->dev, hw->ioas);
	assert_id(rc);
	hw->hwpt = (uint32_t)rc;
}

void hw_map_bar(struct hw *hw)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	void *bar;

	assert_ok(ioctl(hw->dev, VFIO_DEVICE_GET_REGION_INFO, &info));
	assert_true(info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, hw->dev,
		   (off_t)info.offset);
	assert_true(bar != MAP_FAILED);
	hw->bar = bar;
	hw->bar_bytes = info.size;
}

void hw_close(struct hw *hw)
{
	if (hw->bar)
		munmap((void *)hw->bar, hw->bar_bytes);
	if (hw->dev >= 0)
		close(hw->dev);
	if (hw->fd >= 0)
		close(hw->fd);
	hw->bar = NULL;
	hw->dev = -1;
	hw->fd = -1;
}

int hw_irq(struct hw *hw, unsigned int index, unsigned int vector, int event)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int32_t)] __attribute__((aligned(8)));
	struct vfio_irq_set *set = (void *)buf;

	*set = (struct vfio_irq_set){
		.argsz = sizeof(*set),
		.flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE,
		.index = index,
	};
	if (event >= 0) {
		set->argsz = sizeof(buf);
		set->flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD;
		set->start = vector;
		set->count = 1;
		memcpy(set->data, &event, sizeof(event));
	}
	return ioctl(hw->dev, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
}

void hw_command(struct hw *hw, uint16_t bits)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t value;

	assert_ok(ioctl(hw->dev, VFIO_DEVICE_GET_REGION_INFO, &info));
	assert_int_equal(pread(hw->dev, &value, 2, (off_t)info.offset + 4), 2);
	value |= bits;
	assert_int_equal(pwrite(hw->dev, &value, 2, (off_t)info.offset + 4), 2);
}
