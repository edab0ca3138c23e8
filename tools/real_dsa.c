// SPDX-License-Identifier: MIT
/*
 * real_dsa.c - recognises an Intel DSA behind a VFIO node, maps it, and reads what it has.
 *
 * Nothing that the device tells is believed: tables must lie in BAR 0 behind the registers, portals
 * in BAR 2, and counts must not be 0. Only what is used is mapped.
 */
#include "real_dsa_private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include <iofault/vfio.h>

#include "real_guard.h"
#include "tool.h"

/* Offsets of tables have 16 bits, in units of 256 bytes; the largest table has 2^8 * 2^20 bytes. */
#define MAX_REGS    (1ull << 29)
#define MAX_PORTALS (256ull * DSA_PORTAL_STRIDE)
#define PAGE	    4096ull

/* Configuration space. */
enum {
	PCI_VENDOR = 0,
	PCI_DEVICE = 2,
	PCI_CONTROL = 4,
};
#define PCI_CONTROL_MEMORY 0x2u
#define PCI_CONTROL_MASTER 0x4u

/* DSA of Sapphire and Emerald Rapids, of Granite Rapids D, of Diamond Rapids. */
static const uint16_t devices[] = { 0x0b25, 0x11fb, 0x1212 };

static int region_of(const struct iof_real_machine *machine, int fd, uint32_t index,
		     struct vfio_region_info *info)
{
	int rc;

	*info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	rc = machine->ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info);
	return rc < 0 ? rc : 0;
}

static int read_config(const struct iof_real_machine *machine, int fd, uint32_t at, uint16_t *value)
{
	struct vfio_region_info config;
	int rc = region_of(machine, fd, VFIO_PCI_CONFIG_REGION_INDEX, &config);
	ssize_t got;

	if (rc)
		return rc;
	got = machine->pread(fd, value, sizeof(*value), (off_t)config.offset + at);
	if (got < 0)
		return (int)got;
	return got == sizeof(*value) ? 0 : -EIO;
}

static int write_config(const struct iof_real_machine *machine, int fd, uint32_t at, uint16_t value)
{
	struct vfio_region_info config;
	int rc = region_of(machine, fd, VFIO_PCI_CONFIG_REGION_INDEX, &config);
	ssize_t got;

	if (rc)
		return rc;
	got = machine->pwrite(fd, &value, sizeof(value), (off_t)config.offset + at);
	if (got < 0)
		return (int)got;
	return got == sizeof(value) ? 0 : -EIO;
}

int iof_real_dsa_is(const struct iof_real_machine *machine, int fd)
{
	struct vfio_region_info regs, second;
	uint16_t vendor, device;
	size_t i;
	int rc;

	rc = read_config(machine, fd, PCI_VENDOR, &vendor);
	if (!rc)
		rc = read_config(machine, fd, PCI_DEVICE, &device);
	if (!rc)
		rc = region_of(machine, fd, VFIO_PCI_BAR0_REGION_INDEX, &regs);
	if (!rc)
		rc = region_of(machine, fd, VFIO_PCI_BAR1_REGION_INDEX, &second);
	if (rc)
		return rc;
	if (vendor != 0x8086)
		return 0;
	for (i = 0; i < sizeof(devices) / sizeof(devices[0]) && devices[i] != device; i++)
		;
	return i < sizeof(devices) / sizeof(devices[0]) && !second.size &&
	       regs.flags & VFIO_REGION_INFO_FLAG_READ;
}

/* Maps the first @most bytes of a BAR, or all if it has fewer; @least are needed. */
static int map_bar(struct iof_real_dsa *dsa, uint32_t index, uint64_t least, uint64_t most,
		   char **at, size_t *size)
{
	const uint32_t wanted = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
				VFIO_REGION_INFO_FLAG_MMAP;
	struct vfio_region_info info;
	int rc = region_of(dsa->machine, dsa->fd, index, &info);
	void *mapped;

	if (rc)
		return iof_real_why(dsa, rc, "VFIO does not describe its BAR %u: %s", index,
				    iof_reason(rc));
	if ((info.flags & wanted) != wanted)
		return iof_real_why(dsa, -EOPNOTSUPP, "its BAR %u cannot be mapped", index);
	if (info.size < least || info.size % PAGE)
		return iof_real_why(dsa, -EPROTO,
				    "its BAR %u has %" PRIu64 " bytes, not %" PRIu64 " or more",
				    index, (uint64_t)info.size, least);
	if (most > info.size)
		most = info.size;
	mapped = dsa->machine->map(dsa->fd, most, (off_t)info.offset);
	if (!mapped)
		return iof_real_why(dsa, -errno, "its BAR %u cannot be mapped: %s", index,
				    iof_reason(errno));
	rc = iof_real_guard(mapped, most);
	if (rc) {
		munmap(mapped, most);
		return iof_real_why(dsa, rc, "its BAR %u cannot be guarded: %s", index,
				    iof_reason(rc));
	}
	*at = mapped;
	*size = most;
	return 0;
}

static void unmap_bar(char **at, size_t size)
{
	if (*at) {
		iof_real_unguard(*at);
		munmap(*at, size);
	}
	*at = NULL;
}

/* The function decodes its BARs and masters the bus; VFIO opens it with both off. */
static int allow_dma(struct iof_real_dsa *dsa)
{
	uint16_t control;
	int rc = read_config(dsa->machine, dsa->fd, PCI_CONTROL, &control);

	if (!rc && control == UINT16_MAX)
		return iof_real_gone(dsa);
	if (!rc)
		rc = write_config(dsa->machine, dsa->fd, PCI_CONTROL,
				  control | PCI_CONTROL_MEMORY | PCI_CONTROL_MASTER);
	if (rc)
		return iof_real_why(dsa, rc, "its configuration space cannot be used: %s",
				    iof_reason(rc));
	return 0;
}

/* Checks that a table of @nr entries of @bytes begins behind the registers and ends in BAR 0. */
static int place(struct iof_real_dsa *dsa, const char *name, uint64_t word, unsigned int shift,
		 uint32_t nr, uint64_t bytes, uint32_t *at)
{
	uint64_t from = (word >> shift & 0xffff) * 256;

	if (from < DSA_REGS_END || from > dsa->regs_size || nr * bytes > dsa->regs_size - from)
		return iof_real_why(dsa, -EPROTO,
				    "its table of %s, at 0x%" PRIx64 ", is not in BAR 0", name,
				    from);
	*at = (uint32_t)from;
	return 0;
}

static int place_tables(struct iof_real_dsa *dsa)
{
	uint64_t word = iof_real_read64(dsa, DSA_REG_TABLE_OFFSETS);
	uint32_t stride = DSA_WQCAP_STRIDE(dsa->wqcap);
	int rc;

	if (dsa->wqcap & DSA_WQCAP_OPERATIONS && stride < DSA_QUEUE_ALL_BYTES)
		return iof_real_why(dsa, -EPROTO,
				    "its queues have masks of operations, in %u bytes", stride);
	rc = place(dsa, "groups", word, 0, DSA_GRPCAP_GROUPS(dsa->grpcap), DSA_GROUP_BYTES,
		   &dsa->groups_at);
	if (!rc)
		rc = place(dsa, "queues", word, 16, dsa->nr_queues, stride, &dsa->queues_at);
	if (!rc)
		rc = place(dsa, "interrupts", word, 32, dsa->nr_queues + 1, DSA_PERMISSION_BYTES,
			   &dsa->permissions_at);
	return rc;
}

/* Has the device the operations of `iofault page`? Bit n of OPCAP stands for opcode n. */
static int check_operations(struct iof_real_dsa *dsa)
{
	static const uint8_t needed[] = { DSA_OPCODE_MEMMOVE, DSA_OPCODE_MEMFILL,
					  DSA_OPCODE_COMPARE, DSA_OPCODE_CRCGEN };
	uint64_t has = iof_real_read64(dsa, DSA_REG_OPCAP);
	size_t i;

	for (i = 0; i < sizeof(needed); i++)
		if (!(has >> needed[i] & 1))
			return iof_real_why(dsa, -EOPNOTSUPP, "it lacks the operation 0x%02x",
					    needed[i]);
	return 0;
}

static int read_capabilities(struct iof_real_dsa *dsa)
{
	uint32_t version = iof_real_read32(dsa, DSA_REG_VERSION);

	if (version == UINT32_MAX)
		return iof_real_gone(dsa);
	dsa->version = version & 0xffff;
	if (!(dsa->version >> 8) || dsa->version >> 8 > 3)
		return iof_real_why(dsa, -EOPNOTSUPP, "its registers are of version %u.%u",
				    dsa->version >> 8, dsa->version & 0xff);
	dsa->gencap = iof_real_read64(dsa, DSA_REG_GENCAP);
	dsa->wqcap = iof_real_read64(dsa, DSA_REG_WQCAP);
	dsa->grpcap = iof_real_read64(dsa, DSA_REG_GRPCAP);
	dsa->nr_engines = DSA_ENGCAP_ENGINES(iof_real_read64(dsa, DSA_REG_ENGCAP));
	dsa->nr_queues = DSA_WQCAP_QUEUES(dsa->wqcap);
	dsa->entries = DSA_WQCAP_ENTRIES(dsa->wqcap);
	dsa->max_transfer = 1ull << DSA_GENCAP_XFER_SHIFT(dsa->gencap);
	dsa->max_batch = 1u << DSA_GENCAP_BATCH_SHIFT(dsa->gencap);
	if (dsa->gencap == UINT64_MAX || dsa->wqcap == UINT64_MAX)
		return iof_real_gone(dsa);
	if (!dsa->nr_queues || !dsa->entries)
		return iof_real_why(dsa, -EPROTO, "it has %u work queues of %u entries together",
				    dsa->nr_queues, dsa->entries);
	if (!dsa->nr_engines || !DSA_GRPCAP_GROUPS(dsa->grpcap))
		return iof_real_why(dsa, -EPROTO, "it has %u engines and %u groups",
				    dsa->nr_engines, DSA_GRPCAP_GROUPS(dsa->grpcap));
	if (!(dsa->wqcap & (DSA_WQCAP_DEDICATED | DSA_WQCAP_SHARED)))
		return iof_real_why(dsa, -EPROTO, "its queues are neither dedicated nor shared");
	if (!(dsa->gencap & DSA_GENCAP_BLOCK_ON_FAULT))
		return iof_real_why(dsa, -EOPNOTSUPP, "it cannot block on page faults");
	if (!(dsa->gencap & DSA_GENCAP_CONFIGURABLE))
		return iof_real_why(dsa, -EOPNOTSUPP, "its configuration is read-only");
	return check_operations(dsa);
}

int iof_real_dsa_open(struct iof_real_dsa *dsa, const struct iof_real_machine *machine, int fd)
{
	int rc;

	*dsa = (struct iof_real_dsa){
		.machine = machine,
		.fd = fd,
	};
	rc = allow_dma(dsa);
	if (!rc)
		rc = map_bar(dsa, VFIO_PCI_BAR0_REGION_INDEX, PAGE, MAX_REGS, &dsa->regs,
			     &dsa->regs_size);
	if (!rc)
		rc = read_capabilities(dsa);
	if (!rc)
		rc = place_tables(dsa);
	if (!rc)
		rc = map_bar(dsa, VFIO_PCI_BAR2_REGION_INDEX,
			     (uint64_t)dsa->nr_queues * DSA_PORTAL_STRIDE, MAX_PORTALS,
			     &dsa->portals, &dsa->portals_size);
	if (rc)
		iof_real_dsa_close(dsa);
	return rc;
}

void iof_real_dsa_close(struct iof_real_dsa *dsa)
{
	unmap_bar(&dsa->portals, dsa->portals_size);
	unmap_bar(&dsa->regs, dsa->regs_size);
}
