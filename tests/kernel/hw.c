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

#define POWER "/sys/power/"
#define CLOCK "/sys/class/rtc/rtc0/wakealarm"
/* ICH9 of q35: PMBASE and ACPI_CNTL in its configuration space, and the ports at PMBASE. */
#define ICH9	  DEVICES "0000:00:1f.0/config"
#define ICH9_AT	  0x40
#define PM1_EN	  0x602
#define PM1_CNT	  0x604
#define GPE0_EN	  0x628
#define ICH9_ROOM 8

/*
 * What QEMU's q35 forgets in a sleep: its firmware does not set the chip set's power management up
 * again. Without it the machine never sleeps again, nor switches itself off.
 */
struct chipset {
	int config, ports;
	uint8_t room[ICH9_ROOM];
	uint16_t enabled, control;
	uint32_t events[2];
};

static void chipset_save(struct chipset *chip)
{
	unsigned int i;

	chip->config = open(ICH9, O_RDWR | O_CLOEXEC);
	chip->ports = open("/dev/port", O_RDWR | O_CLOEXEC);
	assert_true(chip->config >= 0 && chip->ports >= 0);
	assert_int_equal(pread(chip->config, chip->room, ICH9_ROOM, ICH9_AT), ICH9_ROOM);
	assert_int_equal(pread(chip->ports, &chip->enabled, 2, PM1_EN), 2);
	assert_int_equal(pread(chip->ports, &chip->control, 2, PM1_CNT), 2);
	for (i = 0; i < 2; i++)
		assert_int_equal(pread(chip->ports, &chip->events[i], 4, GPE0_EN + 4 * i), 4);
}

static void chipset_restore(struct chipset *chip)
{
	unsigned int i;

	assert_int_equal(pwrite(chip->config, chip->room, ICH9_ROOM, ICH9_AT), ICH9_ROOM);
	assert_int_equal(pwrite(chip->ports, &chip->enabled, 2, PM1_EN), 2);
	assert_int_equal(pwrite(chip->ports, &chip->control, 2, PM1_CNT), 2);
	for (i = 0; i < 2; i++)
		assert_int_equal(pwrite(chip->ports, &chip->events[i], 4, GPE0_EN + 4 * i), 4);
	close(chip->config);
	close(chip->ports);
}

/* One line of a file; "" if there is none. */
static void first_line(const char *path, char *line, size_t bytes)
{
	FILE *f = fopen(path, "re");

	line[0] = '\0';
	if (!f)
		return;
	(void)!fgets(line, (int)bytes, f);
	fclose(f);
}

int hw_sleep(void)
{
	char line[64], alarm[16];
	struct chipset chip;
	unsigned int seconds;
	int rc;

	if (!getenv("HW_SLEEP"))
		return -ENOENT;
	/* QEMU's older machine does not come back. */
	if (hex_in("0000:00:1f.0", "device") != 0x2918)
		return -ENOENT;
	/*
	 * Nor does a kernel with KCSAN: code that runs before its per-CPU data can be reached again
	 * is instrumented.
	 */
	if (!access("/sys/kernel/debug/kcsan", F_OK))
		return -ENOENT;
	if (access(CLOCK, F_OK) || hw_write(POWER "mem_sleep", "deep"))
		return -ENOENT;
	chipset_save(&chip);
	/*
	 * An alarm that goes off before the machine sleeps is an event that the kernel counts: the
	 * suspend fails with EBUSY, or the count is not taken (EINVAL).
	 */
	for (seconds = 4; seconds < HW_SECONDS; seconds *= 2) {
		first_line(POWER "wakeup_count", line, sizeof(line));
		snprintf(alarm, sizeof(alarm), "+%u", seconds);
		assert_ok(hw_write(CLOCK, "0"));
		assert_ok(hw_write(CLOCK, alarm));
		rc = hw_write(POWER "wakeup_count", line);
		if (!rc)
			rc = hw_write(POWER "state", "mem");
		if (rc != -EBUSY && rc != -EINVAL)
			break;
	}
	chipset_restore(&chip);
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
