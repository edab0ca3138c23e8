// SPDX-License-Identifier: MIT
/*
 * iommufd.c - the actions on /dev/iommu and on fault queues.
 *
 * Each action fills in a command as a program would, from the selectors of its record. Errors in
 * the command come from the selectors and from fuzz_send().
 */
#include "fuzz.h"
#include "arena.h"

void fuzz_do_IOAS_ALLOC(const struct fuzz_act *a)
{
	struct iommu_ioas_alloc cmd = { .flags = fuzz_flags(a, 0) };

	if (!fuzz_send(a, fuzz_iommu(a), IOMMU_IOAS_ALLOC, &cmd, sizeof(cmd)))
		fuzz_note_id(a, FUZZ_IOAS, cmd.out_ioas_id);
}

void fuzz_do_DESTROY(const struct fuzz_act *a)
{
	struct iommu_destroy cmd = { .id = fuzz_id(a, 0, FUZZ_IOAS) };

	fuzz_send(a, fuzz_iommu(a), IOMMU_DESTROY, &cmd, sizeof(cmd));
}

/*
 * Returns flags of a map. No bits give the usual ones: both directions, at a place of the caller's
 * choice.
 */
static u32 map_flags(const struct fuzz_act *a)
{
	return fuzz_flags(a, 7) ^ 7;
}

void fuzz_do_MAP(const struct fuzz_act *a)
{
	struct iommu_ioas_map cmd = {
		.flags = map_flags(a),
		.ioas_id = fuzz_id(a, 0, FUZZ_IOAS),
		.user_va = fuzz_ptr(a->ptr),
		.length = fuzz_len(a->len),
		.iova = fuzz_iova(a->iova[0]),
	};

	fuzz_send(a, fuzz_iommu(a), IOMMU_IOAS_MAP, &cmd, sizeof(cmd));
}

void fuzz_do_UNMAP(const struct fuzz_act *a)
{
	struct iommu_ioas_unmap cmd = {
		.ioas_id = fuzz_id(a, 0, FUZZ_IOAS),
		.iova = fuzz_iova(a->iova[0]),
		.length = fuzz_len(a->len),
	};

	if (a->small & 1) {
		cmd.iova = 0;
		cmd.length = U64_MAX;
	}
	fuzz_send(a, fuzz_iommu(a), IOMMU_IOAS_UNMAP, &cmd, sizeof(cmd));
}

void fuzz_do_COPY(const struct fuzz_act *a)
{
	struct iommu_ioas_copy cmd = {
		.flags = map_flags(a),
		.dst_ioas_id = fuzz_id(a, 0, FUZZ_IOAS),
		.src_ioas_id = fuzz_id(a, 1, FUZZ_IOAS),
		.length = fuzz_len(a->len),
		.dst_iova = fuzz_iova(a->iova[0]),
		.src_iova = fuzz_iova(a->iova[1]),
	};

	if (a->small & 1)
		cmd.flags |= MOCK_FLAGS_ACCESS_SYZ;
	fuzz_send(a, fuzz_iommu(a), IOMMU_IOAS_COPY, &cmd, sizeof(cmd));
}

void fuzz_do_RANGES(const struct fuzz_act *a)
{
	struct iommu_ioas_iova_ranges cmd = {
		.ioas_id = fuzz_id(a, 0, FUZZ_IOAS),
		.num_iovas = a->extra,
		.allowed_iovas = fuzz_ptr(a->ptr),
	};

	fuzz_send(a, fuzz_iommu(a), IOMMU_IOAS_IOVA_RANGES, &cmd, sizeof(cmd));
}

/* Sets an allow-list, and writes @small & 3 of its entries to memory. */
void fuzz_do_ALLOW(const struct fuzz_act *a)
{
	u64 first = fuzz_iova(a->iova[0]), second = fuzz_iova(a->iova[1]), len = fuzz_len(a->len);
	struct iommu_iova_range ranges[3] = {
		{ first, first + len },
		{ second, second + len },
		{ second, first },
	};
	struct iommu_ioas_allow_iovas cmd = {
		.ioas_id = fuzz_id(a, 0, FUZZ_IOAS),
		.num_iovas = a->extra ? a->extra : a->small & 3,
		.allowed_iovas = fuzz_ptr(a->ptr),
	};

	arena_put(cmd.allowed_iovas, ranges, (a->small & 3) * sizeof(ranges[0]));
	fuzz_send(a, fuzz_iommu(a), IOMMU_IOAS_ALLOW_IOVAS, &cmd, sizeof(cmd));
}

void fuzz_do_OPTION(const struct fuzz_act *a)
{
	struct iommu_option cmd = {
		.option_id = a->small & 3,
		.op = a->small >> 2 & 3,
		.object_id = fuzz_id(a, 0, FUZZ_IOAS),
		.val64 = a->extra,
	};

	if (cmd.option_id == IOMMU_OPTION_RLIMIT_MODE && !(a->small & 0x80))
		cmd.object_id = 0;
	fuzz_send(a, fuzz_iommu(a), IOMMU_OPTION, &cmd, sizeof(cmd));
}

void fuzz_do_MAP_FILE(const struct fuzz_act *a)
{
	struct iommu_ioas_map_file cmd = {
		.flags = map_flags(a),
		.ioas_id = fuzz_id(a, 0, FUZZ_IOAS),
		.fd = fuzz.memfd,
		.start = a->extra & 0x80000000 ? a->extra : (a->extra & 31) * PAGE_SIZE,
		.length = fuzz_len(a->len),
		.iova = fuzz_iova(a->iova[0]),
	};

	if (a->small & 7)
		cmd.fd = a->small & 1 ? -1 : a->small & 2 ? fuzz.eventfd : fuzz_iommu(a);
	fuzz_send(a, fuzz_iommu(a), IOMMU_IOAS_MAP_FILE, &cmd, sizeof(cmd));
}

void fuzz_do_VFIO_IOAS(const struct fuzz_act *a)
{
	struct iommu_vfio_ioas cmd = {
		/* 0 stands for SET */
		.ioas_id = fuzz_id(a, 0, FUZZ_IOAS),
		.op = (a->small & 3) ^ 1,
	};

	fuzz_send(a, fuzz_iommu(a), IOMMU_VFIO_IOAS, &cmd, sizeof(cmd));
}

/* ---- page tables ---- */

static void alloc_hwpt(const struct fuzz_act *a, struct iommu_hwpt_alloc *cmd, enum fuzz_kind pt)
{
	enum fuzz_kind made;

	cmd->flags = fuzz_flags(a, 15);
	cmd->dev_id = fuzz_id(a, 0, FUZZ_DEV);
	cmd->pt_id = fuzz_id(a, 1, pt);
	cmd->fault_id = fuzz_id(a, 2, FUZZ_FAULT);
	made = cmd->data_type == IOMMU_HWPT_DATA_NONE || pt == FUZZ_IOAS ? FUZZ_PAGING : FUZZ_NEST;
	if (!fuzz_send(a, fuzz_iommu(a), IOMMU_HWPT_ALLOC, cmd, sizeof(*cmd)))
		fuzz_note_id(a, made, cmd->out_hwpt_id);
}

void fuzz_do_HWPT(const struct fuzz_act *a)
{
	struct iommu_hwpt_alloc cmd = { .data_type = 0 };

	if (a->small & 1)
		cmd.data_len = a->extra;
	if (a->small & 2)
		cmd.data_type = a->extra;
	if (a->small & 4)
		cmd.data_uptr = fuzz_ptr(a->ptr);
	alloc_hwpt(a, &cmd, FUZZ_IOAS);
}

/* Allocates a VT-d first stage with its root at an IOVA of the parent. */
void fuzz_do_NESTED(const struct fuzz_act *a)
{
	struct iommu_hwpt_vtd_s1 s1 = {
		.flags = a->extra,
		.pgtbl_addr = fuzz_iova(a->iova[0]),
		.addr_width = a->small ? a->small : 48,
	};
	struct iommu_hwpt_alloc cmd = {
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = a->len ? fuzz_len(a->len) : sizeof(s1),
		.data_uptr = fuzz_ptr(a->ptr),
	};

	arena_put(cmd.data_uptr, &s1, sizeof(s1));
	alloc_hwpt(a, &cmd, FUZZ_PAGING);
}

/* Allocates an HWPT of a mock device: nested, or (bit 0 of small) paging with a format. */
void fuzz_do_HWPT_SELFTEST(const struct fuzz_act *a)
{
	struct iommu_hwpt_selftest data = { .iotlb = a->extra, .pagetable_type = a->small >> 1 };
	struct iommu_hwpt_alloc cmd = {
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = a->len ? fuzz_len(a->len) : sizeof(data),
		.data_uptr = fuzz_ptr(a->ptr),
	};

	arena_put(cmd.data_uptr, &data, sizeof(data));
	alloc_hwpt(a, &cmd, a->small & 1 ? FUZZ_IOAS : FUZZ_PAGING);
}

void fuzz_do_HW_INFO(const struct fuzz_act *a)
{
	static const u32 types[] = {
		IOMMU_HW_INFO_TYPE_DEFAULT,
		IOMMU_HW_INFO_TYPE_INTEL_VTD,
		IOMMU_HW_INFO_TYPE_SELFTEST,
		IOMMU_HW_INFO_TYPE_AMD,
	};
	struct iommu_hw_info cmd = {
		.flags = fuzz_flags(a, 1),
		.dev_id = fuzz_id(a, 0, FUZZ_DEV),
		.data_len = fuzz_len(a->len),
		.data_uptr = fuzz_ptr(a->ptr),
		.in_data_type = types[a->small & 3],
	};

	fuzz_send(a, fuzz_iommu(a), IOMMU_GET_HW_INFO, &cmd, sizeof(cmd));
}

void fuzz_do_TRACK(const struct fuzz_act *a)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.flags = fuzz_flags(a, 1) ^ 1,
		.hwpt_id = fuzz_id(a, 0, FUZZ_PAGING),
	};

	fuzz_send(a, fuzz_iommu(a), IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd, sizeof(cmd));
}

void fuzz_do_GET_DIRTY(const struct fuzz_act *a)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.hwpt_id = fuzz_id(a, 0, FUZZ_PAGING),
		.flags = fuzz_flags(a, 1),
		.iova = fuzz_iova(a->iova[0]),
		.length = fuzz_len(a->len),
		.page_size = a->extra & 0x80000000 ? a->extra : 2048ull << (a->extra & 15),
		.data = fuzz_ptr(a->ptr),
	};

	fuzz_send(a, fuzz_iommu(a), IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd, sizeof(cmd));
}

static void invalidate(const struct fuzz_act *a, u32 type, const void *entry, size_t size)
{
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = fuzz_id(a, 0, FUZZ_NEST),
		.data_uptr = fuzz_ptr(a->ptr),
		.data_type = type,
		.entry_len = a->len ? fuzz_len(a->len) : size,
		.entry_num = a->small & 0x80 ? a->extra : a->small & 7,
	};

	/* The first entry is chosen here; the entries behind it are what the memory has. */
	if (a->small & 7)
		arena_put(cmd.data_uptr, entry, size);
	fuzz_send(a, fuzz_iommu(a), IOMMU_HWPT_INVALIDATE, &cmd, sizeof(cmd));
}

void fuzz_do_INVALIDATE(const struct fuzz_act *a)
{
	struct iommu_hwpt_vtd_s1_invalidate entry = {
		.addr = fuzz_iova(a->iova[0]),
		.npages = a->iova[1] == U16_MAX ? U64_MAX : a->iova[1],
		.flags = fuzz_flags(a, 1),
	};

	if (entry.npages == U64_MAX && a->small & 0x40)
		entry.addr = 0;
	invalidate(a, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, &entry, sizeof(entry));
}

void fuzz_do_INVALIDATE_SELFTEST(const struct fuzz_act *a)
{
	struct iommu_hwpt_invalidate_selftest entry = {
		.flags = fuzz_flags(a, 1),
		.iotlb_id = a->iova[0] & 7,
	};

	invalidate(a,
		   a->small & 0x40 ? IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID :
				     IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		   &entry, sizeof(entry));
}

/* Calls an ioctl of any number, with bytes of the arena. */
void fuzz_do_RAW_IOCTL(const struct fuzz_act *a)
{
	unsigned long cmd = a->extra & 0x80000000 ? a->extra & 0x7fffffff :
						    _IO(IOMMUFD_TYPE, 0x60 + a->extra % 0x60);
	u8 arg[128] = { 0 };
	int fd;

	switch (a->small & 3) {
	case 0:
		fd = fuzz_iommu(a);
		break;
	case 1:
		fd = fuzz_node(a);
		break;
	case 2:
		fd = fuzz_queue(a) ? fuzz_queue(a)->fd : -1;
		break;
	default:
		fd = fuzz_access_fd(a);
	}
	/* The shim itself handles FIONBIO. */
	if (a->small & 4)
		cmd = 0x5421;
	/* Commands of the system have no meaning on these descriptors. */
	if (fd < 0 || cmd == 0x5450 || cmd == 0x5451)
		return;
	/* The actions of BIND bind devices, since they keep the state that follows. */
	if (cmd == VFIO_DEVICE_BIND_IOMMUFD || cmd == IOF_VFIO_DEVICE_SVA_BIND)
		return;
	arena_get(arg, fuzz_ptr(a->ptr), sizeof(arg));
	fuzz_send(a, fd, cmd, arg, a->len ? clamp_t(u64, fuzz_len(a->len), 8, 128) : 128);
}

void fuzz_do_QUEUE(const struct fuzz_act *a)
{
	struct iommu_fault_alloc cmd = { .flags = fuzz_flags(a, 0) };

	if (!fuzz_send(a, fuzz_iommu(a), IOMMU_FAULT_QUEUE_ALLOC, &cmd, sizeof(cmd)))
		fuzz_note_id(a, FUZZ_FAULT, cmd.out_fault_id);
}

/* ---- VFIO's type 1 ---- */

void fuzz_do_TYPE1(const struct fuzz_act *a)
{
	static const unsigned long cmds[] = {
		VFIO_SET_IOMMU,
		VFIO_CHECK_EXTENSION,
		VFIO_GET_API_VERSION,
		VFIO_IOMMU_ENABLE,
	};

	iof_ioctl(fuzz_iommu(a), cmds[a->small & 3], (void *)(unsigned long)a->extra);
}

void fuzz_do_TYPE1_INFO(const struct fuzz_act *a)
{
	u64 at = fuzz_ptr(a->ptr);
	u32 argsz = fuzz_len(a->len);

	arena_put(at, &argsz, sizeof(argsz));
	iof_ioctl(fuzz_iommu(a), VFIO_IOMMU_GET_INFO, (void *)at);
}

void fuzz_do_TYPE1_MAP(const struct fuzz_act *a)
{
	struct vfio_iommu_type1_dma_map map = {
		.flags = fuzz_flags(a, 3) ^ 3,
		.vaddr = fuzz_ptr(a->ptr),
		.iova = fuzz_iova(a->iova[0]),
		.size = fuzz_len(a->len),
	};

	fuzz_send(a, fuzz_iommu(a), VFIO_IOMMU_MAP_DMA, &map, sizeof(map));
}

void fuzz_do_TYPE1_UNMAP(const struct fuzz_act *a)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.flags = fuzz_flags(a, 3),
		.iova = fuzz_iova(a->iova[0]),
		.size = fuzz_len(a->len),
	};

	if (unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL && !(a->small & 1))
		unmap.iova = unmap.size = 0;
	fuzz_send(a, fuzz_iommu(a), VFIO_IOMMU_UNMAP_DMA, &unmap, sizeof(unmap));
}

/* ---- fault queues ---- */

static void note_cookies(struct fuzz_queue *q, u64 at, ssize_t got)
{
	struct iommu_hwpt_pgfault rec;

	for (; got >= (ssize_t)sizeof(rec); got -= sizeof(rec), at += sizeof(rec)) {
		memset(&rec, 0, sizeof(rec));
		arena_get(&rec, at, sizeof(rec));
		if (rec.flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE)
			q->cookies[q->nr_cookies++ % ARRAY_SIZE(q->cookies)] = rec.cookie;
	}
}

/* Returns the bytes of a number of records, or (small) a few less or more. */
static size_t record_bytes(const struct fuzz_act *a, size_t record)
{
	return a->small & 0x80 ? (size_t)fuzz_len(a->len) & 0xfffff :
				 (a->len % 9 + 1) * record - a->small % 4;
}

void fuzz_do_FAULT_READ(const struct fuzz_act *a)
{
	struct fuzz_queue *q = fuzz_queue(a);
	u64 at = fuzz_ptr(a->ptr);
	size_t len;

	if (!q)
		return;
	len = record_bytes(a, sizeof(struct iommu_hwpt_pgfault));
	if (a->small & 0x40)
		note_cookies(q, at, iof_pread(q->fd, (void *)at, len, a->extra));
	else
		note_cookies(q, at, iof_read(q->fd, (void *)at, len));
}

void fuzz_do_FAULT_READV(const struct fuzz_act *a)
{
	struct fuzz_queue *q = fuzz_queue(a);
	u64 at = fuzz_ptr(a->ptr);
	struct iovec iov[3];
	size_t len;

	if (!q)
		return;
	len = record_bytes(a, sizeof(struct iommu_hwpt_pgfault));
	iov[0] = (struct iovec){ (void *)at, a->extra % (len + 1) };
	iov[1] = (struct iovec){ (void *)(at + iov[0].iov_len), len - iov[0].iov_len };
	iov[2] = (struct iovec){ (void *)fuzz_ptr(a->iova[0]), a->iova[1] & 0xff };
	note_cookies(q, at,
		     iof_readv2(q->fd, iov, 1 + a->small % 3,
				a->flags >> 24 < 0xf0 ? a->flags & RWF_NOWAIT : a->flags));
}

/* Writes up to three responses: to cookies read last, and to others. */
void fuzz_do_ANSWER(const struct fuzz_act *a)
{
	unsigned int nr = 1 + a->small % 3, codes = a->flags >> 24 < 0xf0 ? a->flags & 1 : a->flags;
	struct iommu_hwpt_page_response answers[3];
	struct fuzz_queue *q = fuzz_queue(a);
	unsigned int i, back;

	if (!q)
		return;
	for (i = 0; i < nr; i++) {
		answers[i].code = codes;
		back = 1 + a->id[i] % ARRAY_SIZE(q->cookies);
		answers[i].cookie =
			a->id[i] >= 0xc0 ?
				a->extra :
			back > q->nr_cookies ?
				0 :
				q->cookies[(q->nr_cookies - back) % ARRAY_SIZE(q->cookies)];
	}
	iof_write(q->fd, answers, nr * sizeof(answers[0]));
}

void fuzz_do_ANSWER_RAW(const struct fuzz_act *a)
{
	struct fuzz_queue *q = fuzz_queue(a);
	struct iovec iov[2];
	size_t len;

	if (!q)
		return;
	len = record_bytes(a, sizeof(struct iommu_hwpt_page_response));
	iov[0] = (struct iovec){ (void *)fuzz_ptr(a->ptr), len };
	iov[1] = (struct iovec){ (void *)fuzz_ptr(a->iova[0]), a->iova[1] & 0xff };
	if (a->small & 0x40)
		iof_pwrite(q->fd, iov[0].iov_base, len, a->extra);
	else if (a->small & 0x20)
		iof_writev2(q->fd, iov, a->small >> 3 & 3, a->flags & RWF_NOWAIT);
	else
		iof_write(q->fd, iov[0].iov_base, len);
}

void fuzz_do_FAULT_POLL(const struct fuzz_act *a)
{
	struct fuzz_queue *q = fuzz_queue(a);
	struct pollfd fds[2];

	if (!q)
		return;
	if (a->small & 1)
		iof_set_readiness(q->fd, a->small >> 1 & 1);
	fds[0] = (struct pollfd){ .fd = q->fd, .events = (short)a->extra };
	fds[1] = (struct pollfd){ .fd = fuzz_node(a), .events = (short)(a->extra >> 16) };
	iof_poll(fds, 1 + (a->small >> 2 & 1), 0);
}

void fuzz_do_FDINFO(const struct fuzz_act *a)
{
	struct fuzz_queue *q = fuzz_queue(a);
	char text[256];

	if (q)
		iof_fdinfo(q->fd, text, a->extra % (sizeof(text) + 1));
}
