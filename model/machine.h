/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * machine.h - a machine: one software IOMMU, the devices behind it, and their
 * device nodes.
 *
 * Plain C without kernel types, since user/ includes it too. A machine
 * publishes /dev/iommu and one /dev/vfio/devices/vfioN per device into the node
 * space it is given (struct iof_plat_space; NULL in the kernel); with groups,
 * also /dev/vfio/vfio and one /dev/vfio/N per isolation group, which a device
 * without IOMMU has not. Creating and
 * destroying may sleep; one thread at a time per machine.
 */
#ifndef IOF_MODEL_MACHINE_H
#define IOF_MODEL_MACHINE_H

struct iof_machine;
struct iof_plat_space;

enum iof_machine_device_kind {
	/*
	 * a DMA engine with Intel DSA's descriptors, behind a VFIO node
	 */
	IOF_MACHINE_DSA,
	/*
	 * the ATS test device, a PCI function behind a VFIO node
	 */
	IOF_MACHINE_ATS,
};

struct iof_machine_device {
	enum iof_machine_device_kind kind;
	/* page requests open at a time; 0: 256; at most 2^20 */
	unsigned int credits;
	unsigned int engines; /* number of worker threads; 0: 1; at most 16 */
	/* number of descriptors accepted before EAGAIN; 0: 128, at most 4096 */
	unsigned int queue_depth;
	unsigned int max_pasids; /* 0: 2^20; 1: none */
	/* maximum number of pages of one group; 0: 1; at most 32 */
	unsigned int pages_per_group;
	/* delay from an answer to the next attempt, in jiffies */
	unsigned int delay_us;
	/*
	 * an earlier device, to join its isolation group, or -1
	 */
	int group_with;
	/*
	 * non-zero: DSA without IOMMU, and so without PASIDs and isolation
	 * group. The node is for callers with CAP_SYS_RAWIO.
	 */
	int no_iommu;
};

/* Domain, bus, slot and function, as programs see a device. */
#define IOF_MACHINE_BDF "f000:00:%02x.0"

struct iof_machine_config {
	const struct iof_machine_device *devices;
	unsigned int nr_devices; /* number of devices, at most 256 */
	/* non-zero: IOMMU_TEST_CMD exists, with mock devices */
	int test_ioctls;
	/*
	 * non-zero: /dev/vfio/vfio, and group nodes, numbered from 0 on. A
	 * group knows device n by the name IOF_MACHINE_BDF of n + 1. A device
	 * without IOMMU takes a number, but has no node.
	 */
	int groups;
	/* page requests that a mock device may have open; 0: 2^20 */
	unsigned int mock_credits;
};

/* Counters of a device since creation; exact while it is idle. */
struct iof_machine_stats {
	unsigned long long pages, groups; /* pages and groups requested */
	/* groups, by response code */
	unsigned long long success, invalid, failure;
	/* groups, refused by the core: no fault queue listened */
	unsigned long long refused;
	/* groups, swept by the core: detach, replace, last close */
	unsigned long long swept;
	unsigned long long stalls; /* DSA: number of waits for a credit */
	/*
	 * DSA: descriptors completed, and those of them with an error; ATS test
	 * devices: transfers
	 */
	unsigned long long descriptors, errors;
};

/* Replaces zeroes by the defaults. */
void iof_machine_device_defaults(struct iof_machine_device *device);
/* Checks a configuration. Returns 0, or -EINVAL: a value is out of range. */
int iof_machine_check(const struct iof_machine_config *config);
/*
 * Creates a machine. Returns 0, -EINVAL a value is out of range, -ENOMEM, or
 * -EEXIST a name is taken.
 */
int iof_machine_create(const struct iof_machine_config *config,
		       struct iof_plat_space *space, struct iof_machine **out);
#define IOF_MACHINE_CONFIG 4096 /* bytes of configuration space */

/*
 * Fills @config with the configuration space of such a device after power-on.
 */
void iof_machine_pci_config(const struct iof_machine_device *device,
			    unsigned char config[IOF_MACHINE_CONFIG]);
/* Returns the size of a BAR, from 0 to 5, of such a device; 0: it has none. */
unsigned int iof_machine_bar_size(const struct iof_machine_device *device,
				  unsigned int bar);
/*
 * Copies [@off, @off + @size), which are in range, of the configuration space
 * of devices[@index] now. Returns 0, or -EINTR: the thread is killed.
 */
int iof_machine_read_config(struct iof_machine *machine, unsigned int index,
			    unsigned int off, void *buf, unsigned int size);
/* Reads the counters of devices[@index]. */
void iof_machine_get_stats(struct iof_machine *machine, unsigned int index,
			   struct iof_machine_stats *stats);
/*
 * Destroys a machine. -EBUSY: a node of it, or a descriptor made through a
 * node, is open; the machine is unchanged then.
 */
int iof_machine_destroy(struct iof_machine *machine);

#endif
