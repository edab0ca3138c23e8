// SPDX-License-Identifier: MIT
/*
 * pci.c - proves that a DMA engine's node acts as a PCI function. It tests its regions and
 * interrupts, configuration space and its capabilities, writes with and without an effect, accesses
 * of every size at every edge, bus mastering, power management and reset.
 */
#include "abi.h"

#include <linux/idxd.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONFIG_SIZE 4096
#define TRIGGER	    VFIO_IRQ_SET_ACTION_TRIGGER

struct fix {
	struct iof_world *world;
	int fd, dev;
	uint32_t ioas, id;
};

static const struct iof_dsa_config dsa[] = { { .queue_depth = 4 } };

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = abi_world(dsa, 1);
	f.fd = abi_iommu(f.world);
	f.ioas = (uint32_t)abi_ioas(f.fd);
	f.dev = abi_vfio(f.world, 0);
	f.id = (uint32_t)abi_bind(f.dev, f.fd);
	return (int)f.ioas > 0 && (int)f.id > 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	return iof_close(f->dev) | iof_close(f->fd) | iof_world_close(f->world);
}

static off_t region_at(unsigned int region)
{
	return (off_t)IOF_VFIO_REGION_OFFSET(region);
}

static uint32_t config_read(struct fix *f, unsigned int at, unsigned int bytes)
{
	uint32_t value = 0;

	assert_int_equal(iof_pread(f->dev, &value, bytes,
				   region_at(VFIO_PCI_CONFIG_REGION_INDEX) + at),
			 bytes);
	return value;
}

static void config_write(struct fix *f, unsigned int at, uint32_t value, unsigned int bytes)
{
	assert_int_equal(iof_pwrite(f->dev, &value, bytes,
				    region_at(VFIO_PCI_CONFIG_REGION_INDEX) + at),
			 bytes);
}

static struct vfio_region_info region_info(struct fix *f, unsigned int index)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = index };

	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &region));
	return region;
}

static struct vfio_irq_info irq_info(struct fix *f, unsigned int index)
{
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = index };

	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_IRQ_INFO, &irq));
	return irq;
}

/* Returns the offset of a capability; 0: there is none. Fails on a list that does not end. */
static unsigned int capability(struct fix *f, unsigned int id)
{
	unsigned int at = config_read(f, PCI_CAPABILITY_LIST, 1);

	for (int i = 0; at && i < 48; i++) {
		assert_true(at >= 0x40 && !(at & 3));
		if (config_read(f, at, 1) == id)
			return at;
		at = config_read(f, at + 1, 1);
	}
	assert_int_equal(at, 0);
	return 0;
}

static unsigned int extended(struct fix *f, unsigned int id)
{
	unsigned int at = 0x100;

	for (int i = 0; at && i < 960; i++) {
		uint32_t head = config_read(f, at, 4);

		assert_true(at >= 0x100 && !(at & 3));
		if (PCI_EXT_CAP_ID(head) == id)
			return at;
		at = PCI_EXT_CAP_NEXT(head);
	}
	assert_int_equal(at, 0);
	return 0;
}

static void a_function_of_nine_regions(void **state)
{
	struct fix *f = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region;

	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_INFO, &info));
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(info.num_regions, VFIO_PCI_NUM_REGIONS);
	assert_int_equal(info.num_irqs, VFIO_PCI_NUM_IRQS);
	for (unsigned int i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		region = region_info(f, i);
		assert_int_equal(region.offset, IOF_VFIO_REGION_OFFSET(i));
		assert_int_equal(!region.size, !region.flags);
		assert_int_equal(region.size & (region.size - 1), 0);
	}
	assert_int_equal(region_info(f, VFIO_PCI_CONFIG_REGION_INDEX).size, CONFIG_SIZE);
	region.index = VFIO_PCI_NUM_REGIONS;
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &region), EINVAL);
	region.index = UINT32_MAX;
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &region), EINVAL);
}

static void interrupts_agree_with_the_capabilities(void **state)
{
	struct fix *f = *state;
	unsigned int msix = capability(f, PCI_CAP_ID_MSIX);
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_NUM_IRQS };

	assert_true(msix);
	assert_int_equal(irq_info(f, VFIO_PCI_INTX_IRQ_INDEX).count,
			 !!config_read(f, PCI_INTERRUPT_PIN, 1));
	assert_int_equal(irq_info(f, VFIO_PCI_MSI_IRQ_INDEX).count, 0);
	assert_int_equal(capability(f, PCI_CAP_ID_MSI), 0);
	assert_int_equal(irq_info(f, VFIO_PCI_MSIX_IRQ_INDEX).count,
			 (config_read(f, msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1);
	assert_int_equal(irq_info(f, VFIO_PCI_ERR_IRQ_INDEX).count, 1);
	assert_int_equal(irq_info(f, VFIO_PCI_REQ_IRQ_INDEX).count, 1);
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_IRQ_INFO, &irq), EINVAL);
}

static void configuration_space_describes_the_function(void **state)
{
	struct fix *f = *state;
	unsigned int exp = capability(f, PCI_CAP_ID_EXP), pm = capability(f, PCI_CAP_ID_PM);
	unsigned int ats = extended(f, PCI_EXT_CAP_ID_ATS), pri = extended(f, PCI_EXT_CAP_ID_PRI);
	unsigned int pasid = extended(f, PCI_EXT_CAP_ID_PASID);

	assert_int_equal(config_read(f, PCI_VENDOR_ID, 4), 0x0b258086);
	assert_int_equal(config_read(f, PCI_CLASS_REVISION, 4) >> 8, 0x088000);
	assert_int_equal(config_read(f, PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_NORMAL);
	assert_true(config_read(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	/* memory space is on and bus mastering is off: a driver enables that */
	assert_int_equal(config_read(f, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	assert_true(exp && pm && ats && pri && pasid);
	assert_int_equal(config_read(f, exp + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_VERS, 2);
	assert_true(config_read(f, exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR);
	assert_int_equal(config_read(f, pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK, 0);
	assert_true(config_read(f, ats + 6, 2) & PCI_ATS_CTRL_ENABLE);
	assert_int_equal(config_read(f, pri + PCI_PRI_CTRL, 2), PCI_PRI_CTRL_ENABLE);
	assert_int_equal(config_read(f, pri + PCI_PRI_MAX_REQ, 4), 256);
	assert_int_equal(config_read(f, pasid + PCI_PASID_CAP, 2) >> 8 & 0x1f, 20);
}

/* Asks for the size as firmware does: writes all ones, and reads the bits that stay. */
static void bars_say_their_size(void **state)
{
	struct fix *f = *state;

	for (unsigned int i = 0; i < 6; i++) {
		unsigned int at = PCI_BASE_ADDRESS_0 + 4 * i;
		uint32_t before = config_read(f, at, 4), mask;

		config_write(f, at, UINT32_MAX, 4);
		mask = config_read(f, at, 4);
		assert_int_equal((uint32_t)(-mask), region_info(f, i).size);
		config_write(f, at, before, 4);
		assert_int_equal(config_read(f, at, 4), before);
	}
	config_write(f, PCI_ROM_ADDRESS, UINT32_MAX, 4);
	assert_int_equal(config_read(f, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(region_info(f, VFIO_PCI_ROM_REGION_INDEX).size, 0);
}

/* Writes each byte with ones and with zeroes: only the bits that a driver may set change. */
static void identity_is_not_for_writing(void **state)
{
	static const unsigned int fixed[] = {
		PCI_VENDOR_ID,	PCI_DEVICE_ID,		 PCI_STATUS,	      PCI_CLASS_REVISION,
		PCI_CLASS_PROG, PCI_SUBSYSTEM_VENDOR_ID, PCI_CAPABILITY_LIST, PCI_INTERRUPT_PIN,
	};
	struct fix *f = *state;
	unsigned int msix = capability(f, PCI_CAP_ID_MSIX), pm = capability(f, PCI_CAP_ID_PM);
	static uint8_t before[CONFIG_SIZE], after[CONFIG_SIZE], ones[CONFIG_SIZE];
	off_t config = region_at(VFIO_PCI_CONFIG_REGION_INDEX);

	assert_int_equal(iof_pread(f->dev, before, CONFIG_SIZE, config), CONFIG_SIZE);
	memset(ones, 0xff, CONFIG_SIZE);
	assert_int_equal(iof_pwrite(f->dev, ones, CONFIG_SIZE, config), CONFIG_SIZE);
	/* the ones include a bit that resets the function, and two bits for D3hot */
	config_write(f, pm + PCI_PM_CTRL, 0, 2);
	assert_int_equal(iof_pread(f->dev, after, CONFIG_SIZE, config), CONFIG_SIZE);
	assert_memory_equal(before, after, CONFIG_SIZE);
	for (unsigned int at = 0; at < CONFIG_SIZE; at++)
		config_write(f, at, 0, 1);
	assert_int_equal(iof_pread(f->dev, after, CONFIG_SIZE, config), CONFIG_SIZE);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		assert_memory_equal(before + fixed[i], after + fixed[i], 2);
	assert_memory_equal(before + 0x100, after + 0x100, CONFIG_SIZE - 0x100);
	assert_memory_equal(before + msix, after + msix, 12);
	assert_int_equal(config_read(f, PCI_COMMAND, 2), 0);
	config_write(f, PCI_INTERRUPT_LINE, 11, 1);
	assert_int_equal(config_read(f, PCI_INTERRUPT_LINE, 2),
			 11 | before[PCI_INTERRUPT_PIN] << 8);
	config_write(f, PCI_COMMAND, 0xffff, 2);
	assert_int_equal(config_read(f, PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
				 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_RESET, NULL));
	assert_int_equal(iof_pread(f->dev, after, CONFIG_SIZE, config), CONFIG_SIZE);
	assert_memory_equal(before, after, CONFIG_SIZE);
}

/* Returns the result that an access of @len bytes at @off of @region must have. */
static int64_t expected(const struct vfio_region_info *region, uint32_t direction, uint64_t off,
			uint64_t len)
{
	if (!(region->flags & direction))
		return -EINVAL;
	if (off <= region->size && len <= region->size - off)
		return (int64_t)len;
	if (region->index == VFIO_PCI_CONFIG_REGION_INDEX)
		return -EFAULT;
	return off >= region->size ? -EINVAL : (int64_t)(region->size - off);
}

static void accesses_at_every_edge(void **state)
{
	static const uint64_t lengths[] = { 1, 2, 3, 4, 7, 8, 63, 64, 65, 4095, 4096, 4097, 8192 };
	struct fix *f = *state;
	static uint8_t buf[8192];

	for (unsigned int i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		struct vfio_region_info region = region_info(f, i);
		const uint64_t edges[] = { 0,
					   1,
					   2,
					   0x3f,
					   0x40,
					   0xff,
					   0x100,
					   region.size - 64,
					   region.size - 4,
					   region.size - 1,
					   region.size,
					   region.size + 1,
					   2 * region.size,
					   1ull << 39 };

		for (size_t e = 0; e < sizeof(edges) / sizeof(edges[0]); e++) {
			/* a region without size has no such place */
			uint64_t off = region.size ? edges[e] : e;

			for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
				uint64_t len = lengths[l];
				off_t at = (off_t)(region.offset + off);

				assert_int_equal(iof_pread(f->dev, buf, len, at),
						 expected(&region, VFIO_REGION_INFO_FLAG_READ, off,
							  len));
				/* the portal takes descriptors; other tests write to it */
				if (i == IOF_VFIO_REGION_PORTAL)
					continue;
				assert_int_equal(iof_pwrite(f->dev, buf, len, at),
						 expected(&region, VFIO_REGION_INFO_FLAG_WRITE, off,
							  len));
			}
		}
	}
	for (unsigned int i = VFIO_PCI_NUM_REGIONS; i < 1u << 22; i = i * 5 + 1) {
		assert_err((int)iof_pread(f->dev, buf, 4, region_at(i)), EINVAL);
		assert_err((int)iof_pwrite(f->dev, buf, 4, region_at(i)), EINVAL);
	}
	/* the end of the portal cuts 64 bytes to 63, which are no descriptor */
	assert_err((int)iof_pwrite(f->dev, buf, 64, (16 << 20) - 63), EINVAL);
	assert_int_equal(iof_pwrite(f->dev, buf, 128, (16 << 20) - 64), 64);
	assert_err((int)iof_pread(f->dev, NULL, 4, region_at(VFIO_PCI_CONFIG_REGION_INDEX)),
		   EFAULT);
	assert_err((int)iof_pwrite(f->dev, NULL, 4, region_at(VFIO_PCI_CONFIG_REGION_INDEX)),
		   EFAULT);
}

/* SET_IRQS alone writes the table. */
static void the_table_of_msix_is_hidden(void **state)
{
	struct fix *f = *state;
	unsigned int msix = capability(f, PCI_CAP_ID_MSIX);
	uint32_t table = config_read(f, msix + PCI_MSIX_TABLE, 4);
	uint32_t pending = config_read(f, msix + PCI_MSIX_PBA, 4), value = 0;
	off_t bar = region_at(table & PCI_MSIX_TABLE_BIR);

	assert_true(region_info(f, table & PCI_MSIX_TABLE_BIR).size);
	assert_int_equal(
		iof_pwrite(f->dev, &value, 4, bar + (off_t)(table & PCI_MSIX_TABLE_OFFSET)), 4);
	assert_int_equal(iof_pread(f->dev, &value, 4, bar + (off_t)(table & PCI_MSIX_TABLE_OFFSET)),
			 4);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(iof_pread(f->dev, &value, 4, bar + (off_t)(pending & PCI_MSIX_PBA_OFFSET)),
			 4);
	assert_int_equal(value, 0);
}

/* ---- interrupts ---- */

static int set_irqs(struct fix *f, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
		    const void *data)
{
	uint8_t arg[sizeof(struct vfio_irq_set) + 64] = { 0 };
	struct vfio_irq_set set = {
		.argsz = sizeof(arg), .flags = flags, .index = index, .start = start, .count = count
	};
	size_t each = flags & VFIO_IRQ_SET_DATA_EVENTFD ? 4 :
		      flags & VFIO_IRQ_SET_DATA_BOOL	? 1 :
							  0;

	memcpy(arg, &set, sizeof(set));
	if (data)
		memcpy(arg + sizeof(set), data, each * count);
	return iof_ioctl(f->dev, VFIO_DEVICE_SET_IRQS, arg);
}

static int fire(struct fix *f, uint32_t index, uint32_t start, uint32_t count)
{
	return set_irqs(f, VFIO_IRQ_SET_DATA_NONE | TRIGGER, index, start, count, NULL);
}

/* Returns when the eventfd has been signalled: an interrupt comes after the record. */
static void wait_event(int efd)
{
	struct pollfd one = { .fd = efd, .events = POLLIN };

	assert_int_equal(poll(&one, 1, 10000), 1);
}

static uint64_t events(int efd)
{
	uint64_t n = 0;

	return read(efd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static bool msix_enabled(struct fix *f)
{
	return config_read(f, capability(f, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2) &
	       PCI_MSIX_FLAGS_ENABLE;
}

static void vectors_of_msix_are_apart(void **state)
{
	struct fix *f = *state;
	uint32_t nr = irq_info(f, VFIO_PCI_MSIX_IRQ_INDEX).count;
	const uint32_t eventfds = VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER;
	int efd[16], mixed[2];
	uint8_t bools[16] = { 0 };

	assert_true(nr >= 2 && nr <= 16);
	for (uint32_t i = 0; i < nr; i++)
		efd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_false(msix_enabled(f));
	assert_ok(set_irqs(f, eventfds, VFIO_PCI_MSIX_IRQ_INDEX, 0, nr, efd));
	assert_true(msix_enabled(f));
	bools[1] = bools[nr - 1] = 1;
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_BOOL | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, nr,
			   bools));
	for (uint32_t i = 0; i < nr; i++)
		assert_int_equal(events(efd[i]), bools[i]);
	/* One vector is unbound, and a trigger of all vectors skips it. */
	mixed[0] = -1;
	assert_ok(set_irqs(f, eventfds, VFIO_PCI_MSIX_IRQ_INDEX, 1, 1, mixed));
	assert_ok(fire(f, VFIO_PCI_MSIX_IRQ_INDEX, 0, nr));
	for (uint32_t i = 0; i < nr; i++)
		assert_int_equal(events(efd[i]), i != 1);
	/* All vectors are bound, or none. */
	mixed[0] = -1;
	mixed[1] = 1 << 20;
	assert_err(set_irqs(f, eventfds, VFIO_PCI_MSIX_IRQ_INDEX, 0, 2, mixed), EBADF);
	mixed[1] = -2;
	assert_err(set_irqs(f, eventfds, VFIO_PCI_MSIX_IRQ_INDEX, 0, 2, mixed), EINVAL);
	assert_ok(fire(f, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1));
	assert_int_equal(events(efd[0]), 1);

	assert_err(set_irqs(f, eventfds, VFIO_PCI_MSIX_IRQ_INDEX, 1, nr, efd), EINVAL);
	assert_err(set_irqs(f, eventfds, VFIO_PCI_MSIX_IRQ_INDEX, nr, 1, efd), EINVAL);
	assert_err(fire(f, VFIO_PCI_MSIX_IRQ_INDEX, 1, UINT32_MAX), EINVAL);
	assert_err(fire(f, VFIO_PCI_MSIX_IRQ_INDEX, UINT32_MAX, 1), EINVAL);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK,
			    VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, NULL),
		   ENOTTY);
	/* The pin is not available until MSI-X is disabled. */
	assert_err(set_irqs(f, eventfds, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, efd), EINVAL);
	assert_ok(fire(f, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0));
	assert_false(msix_enabled(f));
	assert_ok(set_irqs(f, eventfds, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, efd));
	assert_err(set_irqs(f, eventfds, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, efd), EINVAL);
	assert_false(msix_enabled(f));
	for (int i = 0; i < 2000; i++) {
		assert_ok(fire(f, i & 1 ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_INTX_IRQ_INDEX, 0, 0));
		assert_ok(set_irqs(f, eventfds,
				   i & 1 ? VFIO_PCI_INTX_IRQ_INDEX : VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
				   efd));
	}
	for (uint32_t i = 0; i < nr; i++)
		close(efd[i]);
}

static void interrupts_that_never_come_can_be_bound(void **state)
{
	static const uint32_t single[] = { VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX };
	struct fix *f = *state;
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const uint32_t eventfds = VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER;

	for (int i = 0; i < 2; i++) {
		assert_ok(set_irqs(f, eventfds, single[i], 0, 1, &efd));
		assert_ok(fire(f, single[i], 0, 1));
		assert_int_equal(events(efd), 1);
		assert_ok(fire(f, single[i], 0, 0));
		assert_ok(fire(f, single[i], 0, 1));
		assert_int_equal(events(efd), 0);
		assert_err(set_irqs(f, eventfds, single[i], 1, 1, &efd), EINVAL);
	}
	assert_err(set_irqs(f, eventfds, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &efd), EINVAL);
	assert_err(fire(f, VFIO_PCI_MSI_IRQ_INDEX, 0, 0), EINVAL);
	assert_err(fire(f, VFIO_PCI_NUM_IRQS, 0, 0), EINVAL);
	close(efd);
}

static void a_masked_pin_waits(void **state)
{
	struct fix *f = *state;
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const uint32_t none = VFIO_IRQ_SET_DATA_NONE;
	const uint32_t mask = none | VFIO_IRQ_SET_ACTION_MASK;
	const uint32_t unmask = none | VFIO_IRQ_SET_ACTION_UNMASK;
	const uint32_t pin = VFIO_PCI_INTX_IRQ_INDEX;

	assert_true(irq_info(f, pin).flags & VFIO_IRQ_INFO_MASKABLE);
	assert_err(set_irqs(f, mask, pin, 0, 1, NULL), EINVAL);
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, pin, 0, 1, &efd));
	assert_ok(set_irqs(f, mask, pin, 0, 1, NULL));
	assert_ok(fire(f, pin, 0, 1));
	assert_ok(fire(f, pin, 0, 1));
	assert_int_equal(events(efd), 0);
	assert_true(config_read(f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	assert_ok(set_irqs(f, unmask, pin, 0, 1, NULL));
	assert_int_equal(events(efd), 1);
	assert_false(config_read(f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	assert_ok(set_irqs(f, unmask, pin, 0, 1, NULL));
	assert_int_equal(events(efd), 0);
	/* The command register disables it, too. */
	config_write(f, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE, 2);
	assert_ok(fire(f, pin, 0, 1));
	assert_int_equal(events(efd), 0);
	config_write(f, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(events(efd), 1);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, pin, 0, 1,
			    &efd),
		   ENOTTY);
	close(efd);
}

/* ---- DMA ---- */

struct work {
	struct dsa_completion_record record __attribute__((aligned(32)));
	char src[64], dst[64];
};

static struct work *work_create(struct fix *f)
{
	struct work *w = (void *)abi_pages(1);

	assert_ok(abi_map(f->fd, f->ioas, w, PAGE, IOVA));
	assert_id(abi_attach(f->dev, f->ioas));
	return w;
}

static uint64_t completed(struct fix *f)
{
	struct iof_vfio_dsa_state st;

	assert_int_equal(iof_pread(f->dev, &st, sizeof(st), region_at(IOF_VFIO_REGION_STATE)),
			 sizeof(st));
	return st.descriptors;
}

static void copy(struct fix *f, struct work *w)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_RCI,
		.completion_addr = IOVA + offsetof(struct work, record),
		.src_addr = IOVA + offsetof(struct work, src),
		.dst_addr = IOVA + offsetof(struct work, dst),
		.xfer_size = sizeof(w->src),
	};
	uint64_t before = completed(f);

	memset(w->src, 'x', sizeof(w->src));
	memset(w->dst, 0, sizeof(w->dst));
	memset(&w->record, 0, sizeof(w->record));
	assert_int_equal(iof_pwrite(f->dev, &desc, sizeof(desc), 0), sizeof(desc));
	while (completed(f) == before)
		sched_yield();
}

/* Returns true if the copy has arrived, with its record. */
static bool copy_arrives(struct fix *f, struct work *w)
{
	bool record, data;

	copy(f, w);
	record = *(volatile uint8_t *)&w->record.status == DSA_COMP_SUCCESS;
	data = !memcmp(w->src, w->dst, sizeof(w->src));
	assert_int_equal(record, data);
	return data;
}

/*
 * A program that never writes COMMAND does DMA. For one that does, the bit decides. MSI-X
 * interrupts are DMA, too.
 */
static void bus_mastering_is_what_was_written(void **state)
{
	struct fix *f = *state;
	struct work *w = work_create(f);
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
			   &efd));
	assert_false(config_read(f, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	assert_true(copy_arrives(f, w));
	wait_event(efd);
	assert_int_equal(events(efd), 1);
	config_write(f, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_true(copy_arrives(f, w));
	wait_event(efd);
	assert_int_equal(events(efd), 1);
	config_write(f, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_false(copy_arrives(f, w));
	assert_int_equal(events(efd), 0);
	config_write(f, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_true(copy_arrives(f, w));
	config_write(f, PCI_COMMAND, PCI_COMMAND_MEMORY, 1);
	assert_false(copy_arrives(f, w));
	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_RESET, NULL));
	assert_true(copy_arrives(f, w));
	/* The other byte of the register does not concern bus mastering. */
	config_write(f, PCI_COMMAND + 1, 0, 1);
	assert_true(copy_arrives(f, w));
	close(efd);
	munmap(w, PAGE);
}

static void no_dma_in_d3hot(void **state)
{
	struct fix *f = *state;
	struct work *w = work_create(f);
	unsigned int at = capability(f, PCI_CAP_ID_PM) + PCI_PM_CTRL;

	assert_true(copy_arrives(f, w));
	config_write(f, at, 3, 2);
	assert_int_equal(config_read(f, at, 2), 3 | PCI_PM_CTRL_NO_SOFT_RESET);
	assert_false(copy_arrives(f, w));
	/* D1 and D2 do not exist: the write is ignored. */
	config_write(f, at, 1, 2);
	assert_int_equal(config_read(f, at, 1) & 3, 3);
	config_write(f, at, 0, 2);
	assert_true(copy_arrives(f, w));
	munmap(w, PAGE);
}

/* Bus mastering ends while a page request is open: its response finds no DMA to continue. */
static void bus_mastering_ends_under_a_fault(void **state)
{
	struct fix *f = *state;
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMFILL,
		.flags = IDXD_OP_FLAG_BOF,
		.dst_addr = IOVA + PAGE,
		.xfer_size = 8,
	};
	char *page = abi_pages(1);
	struct iommu_hwpt_pgfault rec;
	struct pollfd p = { .events = POLLIN };
	uint64_t before = completed(f);
	uint32_t fault;
	int hwpt;

	assert_ok(abi_fault_queue(f->fd, &fault, &p.fd));
	hwpt = abi_hwpt_fault(f->fd, f->id, f->ioas, 0, fault);
	assert_id(hwpt);
	assert_id(abi_attach(f->dev, (uint32_t)hwpt));
	memset(&desc.pattern, 'y', sizeof(desc.pattern));
	assert_int_equal(iof_pwrite(f->dev, &desc, sizeof(desc), 0), sizeof(desc));
	assert_int_equal(iof_poll(&p, 1, -1), 1);
	assert_int_equal(abi_read_one(p.fd, &rec), sizeof(rec));
	config_write(f, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_ok(abi_map(f->fd, f->ioas, page, PAGE, IOVA + PAGE));
	assert_ok(abi_answer(p.fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	while (completed(f) == before)
		sched_yield();
	assert_int_equal(page[0], 0);
	assert_ok(abi_detach(f->dev));
	assert_ok(iof_close(p.fd));
	munmap(page, PAGE);
}

/* ---- resets ---- */

static void a_function_level_reset(void **state)
{
	struct fix *f = *state;
	struct work *w = work_create(f);
	unsigned int exp = capability(f, PCI_CAP_ID_EXP);

	config_write(f, PCI_COMMAND, 0, 2);
	config_write(f, PCI_BASE_ADDRESS_0, 0, 4);
	config_write(f, exp + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	assert_false(config_read(f, exp + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(config_read(f, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	assert_true(config_read(f, PCI_BASE_ADDRESS_0, 4));
	assert_true(copy_arrives(f, w));
	munmap(w, PAGE);
}

static void there_is_no_hot_reset(void **state)
{
	struct fix *f = *state;
	struct vfio_pci_hot_reset_info info = { .argsz = sizeof(info) };
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };

	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info), ENODEV);
	info.argsz = offsetof(struct vfio_pci_hot_reset_info, count) + 3;
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info), EINVAL);
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, NULL), EFAULT);
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_PCI_HOT_RESET, &reset), ENODEV);
	reset.flags = 1;
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_PCI_HOT_RESET, &reset), EINVAL);
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_PCI_HOT_RESET, NULL), EFAULT);
}

/* ---- many ---- */

static void a_close_leaves_nothing_for_the_next_owner(void **state)
{
	struct fix *f = *state;

	for (int i = 0; i < 1000; i++) {
		config_write(f, PCI_COMMAND, 0xffff, 2);
		config_write(f, PCI_INTERRUPT_LINE, 0x55, 1);
		assert_ok(iof_close(f->dev));
		f->dev = abi_vfio(f->world, 0);
		assert_id(abi_bind(f->dev, f->fd));
		assert_int_equal(config_read(f, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
		assert_int_equal(config_read(f, PCI_INTERRUPT_LINE, 1), 0);
	}
}

static void thousands_of_opens(void **state)
{
	struct fix *f = *state;
	uint32_t id;
	int dev[200];

	for (int i = 0; i < 10; i++) {
		for (int j = 0; j < 200; j++) {
			dev[j] = abi_vfio(f->world, 0);
			assert_true(dev[j] >= 0);
			assert_err((int)iof_pread(dev[j], &id, 4,
						  region_at(VFIO_PCI_CONFIG_REGION_INDEX)),
				   EINVAL);
		}
		for (int j = 0; j < 200; j++)
			assert_ok(iof_close(dev[j]));
	}
	assert_int_equal(config_read(f, PCI_VENDOR_ID, 4), 0x0b258086);
}

static struct fix *shared;

static void *write_commands(void *arg)
{
	off_t config = region_at(VFIO_PCI_CONFIG_REGION_INDEX);
	uint16_t command = (uint16_t)(uintptr_t)arg, got;

	for (int i = 0; i < 1000; i++) {
		if (iof_pwrite(shared->dev, &command, 2, config + PCI_COMMAND) != 2)
			return (void *)"write";
		if (iof_pread(shared->dev, &got, 2, config + PCI_COMMAND) != 2)
			return (void *)"read";
		if (got != PCI_COMMAND_MASTER && got != PCI_COMMAND_MEMORY)
			return (void *)"half of a write";
	}
	return NULL;
}

/* Two threads write the register whole, a third works and resets. */
static void registers_are_written_whole(void **state)
{
	struct fix *f = *state;
	struct work *w = work_create(f);
	pthread_t threads[2];
	void *error[2];

	shared = f;
	config_write(f, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_ok(pthread_create(&threads[0], NULL, write_commands, (void *)PCI_COMMAND_MASTER));
	assert_ok(pthread_create(&threads[1], NULL, write_commands, (void *)PCI_COMMAND_MEMORY));
	for (int i = 0; i < 50; i++) {
		copy(f, w);
		assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_RESET, NULL));
	}
	for (int i = 0; i < 2; i++) {
		assert_ok(pthread_join(threads[i], &error[i]));
		assert_null(error[i]);
	}
	munmap(w, PAGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_function_of_nine_regions),
		T(interrupts_agree_with_the_capabilities),
		T(configuration_space_describes_the_function),
		T(bars_say_their_size),
		T(identity_is_not_for_writing),
		T(accesses_at_every_edge),
		T(the_table_of_msix_is_hidden),
		T(vectors_of_msix_are_apart),
		T(interrupts_that_never_come_can_be_bound),
		T(a_masked_pin_waits),
		T(bus_mastering_is_what_was_written),
		T(no_dma_in_d3hot),
		T(bus_mastering_ends_under_a_fault),
		T(a_function_level_reset),
		T(there_is_no_hot_reset),
		T(a_close_leaves_nothing_for_the_next_owner),
		T(thousands_of_opens),
		T(registers_are_written_whole),
	};

	return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
