/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * machine.h - a machine: one software IOMMU, the devices behind it, and their
 * device nodes.
 *
 * Plain C without kernel types, since user/ includes it too. A machine
 * publishes /dev/iommu and one /dev/vfio/devices/vfioN per DSA device into the
 * node space it is given (struct iof_plat_space; NULL in the kernel). Creating
 * and destroying may sleep; one thread at a time per machine.
 */
#ifndef IOF_MODEL_MACHINE_H
#define IOF_MODEL_MACHINE_H

struct iof_machine;
struct iof_plat_space;

enum iof_machine_device_kind {
	IOF_MACHINE_DSA,	/* a DMA engine with Intel DSA's descriptors, behind a VFIO node */
	IOF_MACHINE_ATS,	/* the ATS test device, a PCI function behind a VFIO node */
};

struct iof_machine_device {
	enum iof_machine_device_kind kind;
	unsigned int credits;		/* open page requests; 0: 256; at most 2^20 */
	unsigned int engines;		/* worker threads; 0: 1; at most 16 */
	unsigned int queue_depth;	/* descriptors taken before EAGAIN; 0: 128, at most 4096 */
	unsigned int max_pasids;	/* 0: 2^20; 1: none */
	/* pages of one group at most; 0: 1; at most 32 */
	unsigned int pages_per_group;
	unsigned int delay_us;		/* from an answer to the next attempt, in jiffies */
	int group_with;			/* an earlier device, to join its isolation group, or -1 */
};

struct iof_machine_config {
	const struct iof_machine_device *devices;
	unsigned int nr_devices;	/* at most 256 */
	/* non-zero: IOMMU_TEST_CMD exists, with mock devices */
	int test_ioctls;
	unsigned int mock_credits;	/* open page requests of a mock device; 0: 2^20 */
};

/* Counters of a device since creation; exact while it is idle. */
struct iof_machine_stats {
	unsigned long long pages, groups;	/* requested */
	/* groups, by response code */
	unsigned long long success, invalid, failure;
	/* groups, refused by the core: no fault queue listened */
	unsigned long long refused;
	/* groups, swept by the core: detach, replace, last close */
	unsigned long long swept;
	unsigned long long stalls;	/* DSA: waits for a credit */
	/*
	 * DSA: completed, and of those not with success; ATS test devices:
	 * transfers
	 */
	unsigned long long descriptors, errors;
};

/* Replaces zeroes by the defaults. */
void iof_machine_device_defaults(struct iof_machine_device *device);
/* 0, or -EINVAL: a value is out of range. */
int iof_machine_check(const struct iof_machine_config *config);
/* 0, -EINVAL a value is out of range, -ENOMEM, -EEXIST the names are taken. */
int iof_machine_create(const struct iof_machine_config *config, struct iof_plat_space *space,
		       struct iof_machine **out);
/* The counters of devices[@index]. */
void iof_machine_get_stats(struct iof_machine *machine, unsigned int index,
			   struct iof_machine_stats *stats);
/*
 * -EBUSY: one of its nodes, or a descriptor made through them, is open; the
 * machine is unchanged.
 */
int iof_machine_destroy(struct iof_machine *machine);

#endif
