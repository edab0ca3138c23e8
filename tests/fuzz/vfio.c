// SPDX-License-Identifier: MIT
/*
 * vfio.c - the actions on VFIO nodes and on the devices behind them.
 */
#include "fuzz.h"
#include "arena.h"

#include <linux/idxd.h>

void fuzz_do_BIND(const struct fuzz_act *a)
{
	struct vfio_device_bind_iommufd bind = {
		.flags = fuzz_flags(a, 0),
		.iommufd = fuzz_iommu(a),
	};

	if (a->small & 7)
		bind.iommufd = a->small & 1 ? -1 : a->small & 2 ? fuzz.memfd : fuzz_node(a);
	if (fuzz_send(a, fuzz_node(a), VFIO_DEVICE_BIND_IOMMUFD, &bind, sizeof(bind)))
		return;
	fuzz.bound = true;
	fuzz.ats_used |= a->where / 2 % FUZZ_NODES == FUZZ_ATS_NODE;
	fuzz_note_id(a, FUZZ_DEV, bind.out_devid);
}

static u32 pasid_of(const struct fuzz_act *a)
{
	static const u32 pasids[] = { 0, 1, 2, 3, 4, (1 << 20) - 1, 1 << 20, U32_MAX };

	return pasids[a->small & 7];
}

/* Returns flags of an attach: mostly none for PASID 0. */
static u32 attach_flags(const struct fuzz_act *a)
{
	return fuzz_flags(a, 0) | (a->small & 7 || a->small & 0x80 ? VFIO_DEVICE_ATTACH_PASID : 0);
}

void fuzz_do_ATTACH(const struct fuzz_act *a)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.flags = attach_flags(a),
		.pt_id = fuzz_id(a, 0, FUZZ_PAGING),
		.pasid = pasid_of(a),
	};

	if (!fuzz_send(a, fuzz_node(a), VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach, sizeof(attach)))
		fuzz_note_id(a, FUZZ_PAGING, attach.pt_id);
}

void fuzz_do_DETACH(const struct fuzz_act *a)
{
	struct vfio_device_detach_iommufd_pt detach = {
		.flags = attach_flags(a),
		.pasid = pasid_of(a),
	};

	fuzz_send(a, fuzz_node(a), VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach, sizeof(detach));
}

void fuzz_do_SVA(const struct fuzz_act *a)
{
	struct iof_vfio_device_sva sva = { .flags = fuzz_flags(a, 0), .pasid = pasid_of(a) };

	fuzz.sva = true;
	fuzz_send(a, fuzz_node(a),
		  a->small & 0x80 ? IOF_VFIO_DEVICE_SVA_UNBIND : IOF_VFIO_DEVICE_SVA_BIND, &sva,
		  sizeof(sva));
}

void fuzz_do_NODE_INFO(const struct fuzz_act *a)
{
	union {
		struct vfio_device_info device;
		struct vfio_region_info region;
		struct vfio_irq_info irq;
	} info = { .device = { 0 } };

	switch (a->small % 3) {
	case 0:
		fuzz_send(a, fuzz_node(a), VFIO_DEVICE_GET_INFO, &info, sizeof(info.device));
		break;
	case 1:
		info.region.index = a->extra;
		fuzz_send(a, fuzz_node(a), VFIO_DEVICE_GET_REGION_INFO, &info, sizeof(info.region));
		break;
	default:
		info.irq.index = a->extra;
		fuzz_send(a, fuzz_node(a), VFIO_DEVICE_GET_IRQ_INFO, &info, sizeof(info.irq));
	}
}

void fuzz_do_IRQS(const struct fuzz_act *a)
{
	static const u32 datas[] = { VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE,
				     VFIO_IRQ_SET_DATA_BOOL };
	static const u32 acts[] = { VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_TRIGGER,
				    VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_UNMASK };
	struct vfio_irq_set set = {
		.flags = fuzz_flags(a, 0) | datas[a->small % 3] | acts[a->extra >> 24 & 3],
		.index = a->extra & 7,
		.start = a->extra >> 8 & 15,
		.count = (a->extra >> 16 & 15) ^ 1,
	};
	s32 data = fuzz.eventfd;
	u8 arg[sizeof(set) + 16 * sizeof(data)];

	if (a->small & 0x80)
		data = a->small & 0x40 ? fuzz_iommu(a) : -(s32)(a->small & 3);
	if (datas[a->small % 3] == VFIO_IRQ_SET_DATA_BOOL)
		data = a->small >> 4 & 1;
	memcpy(arg, &set, sizeof(set));
	for (unsigned int i = 0; i < 16; i++)
		memcpy(arg + sizeof(set) + i * sizeof(data), &data, sizeof(data));
	/* Each vector has a descriptor of its own, one of them perhaps none. */
	if (a->small & 0x20)
		memset(arg + sizeof(set) + 4, 0xff, sizeof(data));
	fuzz_send(a, fuzz_node(a), VFIO_DEVICE_SET_IRQS, arg, sizeof(arg));
}

void fuzz_do_RESET(const struct fuzz_act *a)
{
	iof_ioctl(fuzz_node(a), VFIO_DEVICE_RESET, NULL);
}

/* Returns an offset in the file: a region, and a place in it. */
static off_t region_at(const struct fuzz_act *a)
{
	return (off_t)(IOF_VFIO_REGION_OFFSET(a->small & 15) + (a->extra & 0x1ffffff)) *
	       (a->small & 0x80 ? -1 : 1);
}

void fuzz_do_REGION_READ(const struct fuzz_act *a)
{
	void *buf = (void *)fuzz_ptr(a->ptr);
	size_t len = fuzz_len(a->len) & 0xfffff;

	if (a->small & 0x40)
		iof_read(fuzz_node(a), buf, len);
	else
		iof_pread(fuzz_node(a), buf, len, region_at(a));
}

/*
 * One access to configuration space, of 1 to 8 bytes: bit 7 of small says whether it reads. The
 * numbers of the function stay what they are.
 */
void fuzz_do_CONFIG(const struct fuzz_act *a)
{
	const off_t config = (off_t)IOF_VFIO_REGION_OFFSET(VFIO_PCI_CONFIG_REGION_INDEX);
	off_t at = config + (a->extra & 0x1fff);
	u64 bytes = a->iova[0] | (u64)a->iova[1] << 16 | (u64)a->ptr << 32;
	size_t len = (a->small & 7) + 1;
	u32 before, after;

	if (iof_pread(fuzz_node(a), &before, sizeof(before), config) != sizeof(before))
		return;
	if (a->small & 0x80)
		iof_pread(fuzz_node(a), &bytes, len, at);
	else
		iof_pwrite(fuzz_node(a), &bytes, len, at);
	if (iof_pread(fuzz_node(a), &after, sizeof(after), config) != sizeof(after) ||
	    before != after)
		abort();
}

/* ---- the DMA engine ---- */

/*
 * Returns an address for the device. A device that shares this process's page tables could write
 * anywhere: it gets arena addresses only.
 */
static u64 device_addr(u16 selector, bool user)
{
	u64 len = 0, addr = user ? fuzz_ptr(selector) : fuzz_iova(selector);

	fuzz_guard(&addr, &len);
	return addr;
}

static bool describe(const struct fuzz_act *a, struct dsa_hw_desc *desc)
{
	static const u8 opcodes[] = {
		DSA_OPCODE_MEMMOVE,  DSA_OPCODE_MEMFILL, DSA_OPCODE_COMPARE, DSA_OPCODE_CRCGEN,
		DSA_OPCODE_COPY_CRC, DSA_OPCODE_BATCH,	 DSA_OPCODE_DRAIN,   DSA_OPCODE_NOOP,
	};
	bool user = fuzz.sva && a->id[2] & 0x80;
	u8 opcode = a->id[0] & 0x80 ? a->id[0] & 0x7f : opcodes[a->id[0] % 8];

	/* The descriptors of a list in memory may be of any kind. */
	if (opcode == DSA_OPCODE_BATCH && fuzz.sva)
		return false;
	*desc = (struct dsa_hw_desc){
		.pasid = pasid_of(a),
		.rsvd = a->small >> 6 & 1,
		.priv = a->small >> 5 & 1,
		/* By default the descriptor requests a record and waits for pages. */
		.flags = fuzz_flags(a, 0x7ffff) ^
			 (IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_BOF),
		.opcode = opcode,
		.completion_addr = device_addr(a->ptr, user),
		.src_addr = device_addr(a->iova[0], user),
		.dst_addr = device_addr(a->iova[1], user),
		.xfer_size = fuzz_len(a->len),
	};
	if (fuzz.sva)
		desc->xfer_size &= 0x3fffffff;
	/* The record lies in mapped memory. */
	if (!user)
		desc->completion_addr = FUZZ_BASE_IOVA + (a->ptr & 0x3ff) * 32ull;
	if (a->id[1] & 1)
		desc->crc_seed = a->extra;
	if (a->id[1] & 2)
		desc->seed_addr = desc->completion_addr + 32;
	if (a->id[1] & 4)
		desc->expected_res = a->extra;
	if (opcode == DSA_OPCODE_MEMFILL)
		desc->pattern = a->extra;
	if (opcode == DSA_OPCODE_BATCH)
		desc->desc_count = a->id[1] & 8 ? a->extra : 2 + a->extra % 4;
	if (a->id[1] & 0x10)
		return true;
	/* Fields that an operation does not use must be zero. */
	if (opcode == DSA_OPCODE_DRAIN || opcode == DSA_OPCODE_NOOP)
		desc->src_addr = desc->xfer_size = 0;
	if (opcode == DSA_OPCODE_DRAIN || opcode == DSA_OPCODE_NOOP || opcode == DSA_OPCODE_BATCH ||
	    opcode == DSA_OPCODE_CRCGEN)
		desc->dst_addr = 0;
	return true;
}

void fuzz_do_DESCRIPTOR(const struct fuzz_act *a)
{
	struct dsa_hw_desc desc;

	if (describe(a, &desc))
		iof_pwrite(fuzz_node(a), &desc, sizeof(desc), 0);
}

/*
 * Writes a descriptor at an IOVA of the usual mapping, for batches and for REGION_WRITE; bit 4 of
 * small: 256 times.
 */
void fuzz_do_DESCRIPTOR_AT(const struct fuzz_act *a)
{
	struct dsa_hw_desc desc;

	unsigned int i, nr = a->small & 0x10 ? 256 : 1;

	if (!describe(a, &desc))
		return;
	for (i = 0; i < nr; i++)
		arena_put(ARENA + ((a->where >> 3) + i) * sizeof(desc), &desc, sizeof(desc));
}

/* Asks for a physical address, and lets the device without IOMMU copy there. */
void fuzz_do_PHYSICAL(const struct fuzz_act *a)
{
	struct iommu_ioas_noiommu_get_pa cmd = {
		.flags = fuzz_flags(a, 0),
		.ioas_id = fuzz_id(a, 0, FUZZ_IOAS),
		.iova = fuzz_iova(a->iova[0]),
		.length = fuzz_len(a->len),
	};
	struct fuzz_act node = { .where = FUZZ_BARE_NODE * 2 };
	struct dsa_hw_desc desc = { .opcode = DSA_OPCODE_MEMMOVE };
	u64 asked = cmd.length;
	int rc;

	iof_shim_set_capable(CAP_SYS_RAWIO, a->small & 3 ? 1 : a->extra & 1);
	rc = fuzz_send(a, fuzz_iommu(a), IOMMU_IOAS_NOIOMMU_GET_PA, &cmd, sizeof(cmd));
	iof_shim_set_capable(CAP_SYS_RAWIO, 1);
	if (rc)
		return;
	if (a->damage < FUZZ_DAMAGED && (!cmd.length || cmd.length > asked))
		abort();
	/* The address of the first byte, or one that was never given. */
	desc.src_addr = cmd.out_phys;
	desc.dst_addr = a->small & 4 ? fuzz_iova(a->iova[1]) : cmd.out_phys + (a->extra & 0x1fff);
	desc.xfer_size = (u32)cmd.length & 0xfffff;
	iof_pwrite(fuzz_node(&node), &desc, sizeof(desc), 0);
}

void fuzz_do_REGION_WRITE(const struct fuzz_act *a)
{
	void *buf = (void *)fuzz_ptr(a->ptr);
	size_t len = fuzz_len(a->len) & 0xfffff;

	/* The memory may hold any descriptor. */
	if (fuzz.sva)
		return;
	if (a->small & 0x40)
		iof_write(fuzz_node(a), buf, len);
	else
		iof_pwrite(fuzz_node(a), buf, len, region_at(a));
}

void fuzz_do_NODE_POLL(const struct fuzz_act *a)
{
	struct pollfd fd = { .fd = fuzz_node(a), .events = (short)a->extra };

	iof_poll(&fd, 1, 0);
}

/* ---- the ATS device ---- */

void fuzz_do_ATS(const struct fuzz_act *a)
{
	struct {
		u64 addr;
		u32 cmd, rest;
	} regs = { device_addr(a->iova[0], false), (a->small & 3) ^ 1, 0 };
	struct fuzz_act node = { .where = (a->where & 1) | FUZZ_ATS_NODE << 1 };

	iof_pwrite(fuzz_node(&node), &regs, a->small & 4 ? 8 : sizeof(regs), 0);
}
