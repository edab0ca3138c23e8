// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dsa_ops.c - the DMA engine's operations, and the checks of descriptors.
 *
 * "DSA" is Intel's Data Streaming Accelerator architecture specification. An
 * operation is done in steps of at most a page of each of its buffers (MEMMOVE:
 * several), each of which may fault. job->done counts the complete part, and
 * the next attempt continues from there.
 *
 * Completion records: bytes_completed is the transfer size on success, the
 * bytes done before the fault otherwise, and the offset of the first difference
 * for COMPARE with result 1. MEMMOVE handles overlap: where the destination
 * begins inside the source it works from the end; if that fails, result is 1
 * and bytes_completed counts from the end. COPY_CRC refuses overlap.
 *
 * CRC: CRC32C. The seed is inverted and reflected before use, the value again
 * afterwards, data bits are reflected: with seed 0 crc_val is the standard
 * CRC32C, and a crc_val is the seed that continues it. In terms of crc32c(),
 * which does neither inversion: crc_val = ~crc32c(~seed, data). The flags that
 * bypass these steps are honoured. After a page fault without blocking crc_val
 * covers the bytes done so far.
 */
#include "dsa_private.h"

/*
 * Flags that each operation accepts and that have no effect here: cache and
 * traffic hints, readback.
 */
#define HINT_FLAGS                                                       \
	(IDXD_OP_FLAG_CRSTS | IDXD_OP_FLAG_CC | IDXD_OP_FLAG_ADDR1_TCS | \
	 IDXD_OP_FLAG_ADDR2_TCS | IDXD_OP_FLAG_ADDR3_TCS |               \
	 IDXD_OP_FLAG_CR_TCS | IDXD_OP_FLAG_STORD | IDXD_OP_FLAG_DRDBK | \
	 IDXD_OP_FLAG_DSTS)
#define COMMON_FLAGS                                         \
	(HINT_FLAGS | IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | \
	 IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_RCI)
#define RESULT_FLAGS (IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR)
#define CRC_FLAGS                                              \
	(DSA_FLAG_CRC_READ_SEED | DSA_FLAG_CRC_BYPASS_INVERT | \
	 DSA_FLAG_CRC_BYPASS_REFLECT)

#define DSA_MIN_BATCH 2 /* the device rejects batches of one descriptor */

/* Fields of the descriptor that an operation uses; all others must be zero. */
#define HAS_SRC	    BIT(0)
#define HAS_DST	    BIT(1)
#define HAS_SIZE    BIT(2)
#define SRC_IS_ADDR BIT(3)
#define DST_IS_ADDR BIT(4)
/* source and size are the address and count of a list */
#define IS_LIST BIT(5)

struct dsa_op {
	bool known;
	bool in_batch;
	u32 flags; /* flags accepted beyond COMMON_FLAGS */
	/*
	 * flags that must be set, because the record holds the operation's
	 * result
	 */
	u32 needed;
	u32 fields;
	enum iof_dsa_step (*run)(struct iof_dsa_engine *e,
				 struct iof_dsa_job *job);
};

static enum iof_dsa_step run_noop(struct iof_dsa_engine *e,
				  struct iof_dsa_job *job)
{
	return DSA_STEP_DONE;
}

static void count_bytes(struct iof_dsa_engine *e, u32 n)
{
	WRITE_ONCE(e->stats.bytes, e->stats.bytes + n);
}

static u32 to_page_end(u64 addr)
{
	return DSA_PAGE - (addr & (DSA_PAGE - 1));
}

static enum iof_dsa_step advance(struct iof_dsa_engine *e,
				 struct iof_dsa_job *job, u32 n)
{
	count_bytes(e, n);
	job->done += n;
	return job->done == job->desc.xfer_size ? DSA_STEP_DONE :
						  DSA_STEP_AGAIN;
}

/* The places of a buffer's next bytes, up to one step. */
#define SPAN_PLACES (DSA_CHUNK / DSA_PAGE)

struct span {
	struct iof_dsa_place place[SPAN_PLACES];
	unsigned int nr;
	u32 len;
};

/* Appends a place, or extends the last one if the two are contiguous. */
static void add_place(struct span *span, const struct iof_dsa_place *next)
{
	struct iof_dsa_place *last = span->place + span->nr;

	span->len += next->len;
	if (span->nr && next->va && last[-1].va + last[-1].len == next->va) {
		last[-1].len += next->len;
		return;
	}
	*last = *next;
	span->nr++;
}

/*
 * Finds at least the first place, or sets job->fault. All places are found
 * before the copy: a walk between two copies would wait for the stores of the
 * first.
 */
static bool find_span(struct iof_dsa_engine *e, struct iof_dsa_job *job,
		      u64 addr, u32 left, bool write, struct span *span)
{
	struct iof_xlate piece[IOF_SPAN_PAGES];
	u32 want = min(left, DSA_CHUNK);
	struct iof_dsa_place next;
	unsigned int nr, i;

	span->nr = 0;
	span->len = 0;
	do {
		nr = iof_dsa_find_pieces(e, job, addr + span->len,
					 want - span->len, write, &next, piece);
		for (i = 0; i < nr && span->nr < SPAN_PLACES; i++) {
			next.va = piece[i].va;
			next.len = piece[i].len;
			add_place(span, &next);
			next.addr += next.len;
		}
		if (nr)
			continue;
		if (span->nr ? !iof_dsa_find_next(e, job,
						  &span->place[span->nr - 1],
						  &next) :
			       !iof_dsa_find(e, job, addr, left, write, &next))
			break;
		add_place(span, &next);
	} while (span->len < want && span->nr < SPAN_PLACES);
	return span->nr;
}

/* Advances *place by @n bytes. @n is at most the rest of its first place. */
static void advance_place(struct iof_dsa_place **place, u32 n)
{
	struct iof_dsa_place *p = *place;

	if (n == p->len) {
		(*place)++;
		return;
	}
	p->addr += n;
	if (p->va)
		p->va += n;
	p->len -= n;
}

/*
 * Copies @len bytes between spans. Returns the number of bytes copied. It is
 * smaller if memory is gone; job->fault is set then.
 */
static u32 copy_span(struct iof_dsa_engine *e, struct iof_dsa_job *job,
		     struct span *to, struct span *from, u32 len, u32 left)
{
	struct iof_dsa_place *dst = to->place, *src = from->place;
	u32 done, n;

	for (done = 0; done < len; done += n) {
		n = min3(len - done, dst->len, src->len);
		if (!iof_dsa_copy(e, job, dst, src, &n, left - done))
			break;
		advance_place(&dst, n);
		advance_place(&src, n);
	}
	return done;
}

static enum iof_dsa_step run_memmove(struct iof_dsa_engine *e,
				     struct iof_dsa_job *job)
{
	u64 from = job->desc.src_addr, to = job->desc.dst_addr;
	u32 left = job->desc.xfer_size - job->done;
	struct span src, dst;
	u32 n = left, done;

	if (job->backward) {
		/* Take the last bytes of both buffers, within one page each. */
		n = min(n, (u32)((from + left - 1) & (DSA_PAGE - 1)) + 1);
		n = min(n, (u32)((to + left - 1) & (DSA_PAGE - 1)) + 1);
		from += left - n;
		to += left - n;
		left = n;
	} else {
		from += job->done;
		to += job->done;
	}

	iof_dsa_tlb_read_lock(e);
	if (!find_span(e, job, from, left, false, &src) ||
	    !find_span(e, job, to, left, true, &dst))
		return DSA_STEP_FAULT;
	n = min3(n, src.len, dst.len);
	done = copy_span(e, job, &dst, &src, n, left);
	/*
	 * A backward step counts only if it is complete; it is at most a page
	 * of each buffer.
	 */
	if (!done || (job->backward && done < n))
		return DSA_STEP_FAULT;
	return advance(e, job, done);
}

static const u8 *fill_from(struct iof_dsa_engine *e, u64 pattern, u32 phase)
{
	if (e->fill_pattern != pattern) {
		u32 i;

		for (i = 0; i < DSA_PAGE + 8; i += 8)
			memcpy(e->fill + i, &pattern, 8);
		e->fill_pattern = pattern;
	}
	return e->fill + (phase & 7);
}

static enum iof_dsa_step run_memfill(struct iof_dsa_engine *e,
				     struct iof_dsa_job *job)
{
	u64 to = job->desc.dst_addr + job->done;
	u32 left = job->desc.xfer_size - job->done;
	u32 n = min(left, to_page_end(to));
	struct iof_dsa_place dst;
	bool ok;

	iof_dsa_tlb_read_lock(e);
	ok = iof_dsa_find(e, job, to, left, true, &dst) &&
	     iof_dsa_put(job, &dst, fill_from(e, job->desc.pattern, job->done),
			 n, left);
	return ok ? advance(e, job, n) : DSA_STEP_FAULT;
}

static u32 first_difference(const u8 *a, const u8 *b, u32 n)
{
	u32 i = 0;

	while (i + 64 <= n && !memcmp(a + i, b + i, 64))
		i += 64;
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

static enum iof_dsa_step end_compare(struct iof_dsa_job *job, u8 result)
{
	job->result = result;
	if ((job->desc.flags & IDXD_OP_FLAG_CR) &&
	    result != job->desc.expected_res)
		job->status = DSA_COMP_SUCCESS_PRED;
	return DSA_STEP_DONE;
}

static enum iof_dsa_step run_compare(struct iof_dsa_engine *e,
				     struct iof_dsa_job *job)
{
	u64 a = job->desc.src_addr + job->done,
	    b = job->desc.src2_addr + job->done;
	u32 left = job->desc.xfer_size - job->done;
	u32 n = min3(left, to_page_end(a), to_page_end(b));
	struct iof_dsa_place from_a, from_b;
	bool ok;

	iof_dsa_tlb_read_lock(e);
	ok = iof_dsa_find(e, job, a, left, false, &from_a) &&
	     iof_dsa_find(e, job, b, left, false, &from_b) &&
	     iof_dsa_get(job, &from_a, e->buf[0], n, left) &&
	     iof_dsa_get(job, &from_b, e->buf[1], n, left);
	if (!ok)
		return DSA_STEP_FAULT;
	if (memcmp(e->buf[0], e->buf[1], n)) {
		n = first_difference(e->buf[0], e->buf[1], n);
		count_bytes(e, n);
		job->done += n;
		return end_compare(job, 1);
	}
	return advance(e, job, n) == DSA_STEP_DONE ? end_compare(job, 0) :
						     DSA_STEP_AGAIN;
}

/* ---- CRC ---- */

/* Reverses the bits of each byte. @buf has room for whole words. */
static void reverse_bytes(u8 *buf, u32 n)
{
	u64 *word = (u64 *)buf, *end = (u64 *)(buf + round_up(n, 8));

	for (; word < end; word++) {
		u64 x = *word;

		x = (x >> 1 & 0x5555555555555555ULL) |
		    (x & 0x5555555555555555ULL) << 1;
		x = (x >> 2 & 0x3333333333333333ULL) |
		    (x & 0x3333333333333333ULL) << 2;
		*word = (x >> 4 & 0x0f0f0f0f0f0f0f0fULL) |
			(x & 0x0f0f0f0f0f0f0f0fULL) << 4;
	}
}

static u32 crc_from_seed(const struct iof_dsa_job *job, u32 seed)
{
	return job->desc.flags & DSA_FLAG_CRC_BYPASS_INVERT ?
		       iof_dsa_reverse32(seed) :
		       ~seed;
}

static bool seed_crc(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	u32 seed = job->desc.crc_seed;

	if ((job->desc.flags & DSA_FLAG_CRC_READ_SEED) &&
	    !iof_dsa_read(e, job, job->desc.seed_addr, &seed, sizeof(seed)))
		return false;
	job->crc = crc_from_seed(job, seed);
	job->seeded = true;
	return true;
}

static enum iof_dsa_step run_crc(struct iof_dsa_engine *e,
				 struct iof_dsa_job *job)
{
	bool copy = job->desc.opcode == DSA_OPCODE_COPY_CRC;
	u64 from = job->desc.src_addr + job->done,
	    to = job->desc.dst_addr + job->done;
	u32 left = job->desc.xfer_size - job->done;
	u32 n = min(left, to_page_end(from));
	struct iof_dsa_place src, dst;
	bool ok;

	if (!job->seeded && !seed_crc(e, job))
		return DSA_STEP_FAULT;
	if (copy)
		n = min(n, to_page_end(to));
	iof_dsa_tlb_read_lock(e);
	ok = iof_dsa_find(e, job, from, left, false, &src) &&
	     (!copy || iof_dsa_find(e, job, to, left, true, &dst)) &&
	     iof_dsa_get(job, &src, e->buf[0], n, left) &&
	     (!copy || iof_dsa_put(job, &dst, e->buf[0], n, left));
	if (!ok)
		return DSA_STEP_FAULT;
	if (job->desc.flags & DSA_FLAG_CRC_BYPASS_REFLECT)
		reverse_bytes(e->buf[0], n);
	job->crc = crc32c(job->crc, e->buf[0], n);
	return advance(e, job, n);
}

/* ---- descriptors ---- */

static enum iof_dsa_step run_drain(struct iof_dsa_engine *e,
				   struct iof_dsa_job *job)
{
	return iof_dsa_run_drain(job);
}

/* clang-format off */
static const struct dsa_op ops[] = {
	[DSA_OPCODE_NOOP] = {
		.known = true, .in_batch = true, .run = run_noop,
	},
	[DSA_OPCODE_BATCH] = {
		.known = true, .run = iof_dsa_run_batch,
		.fields = HAS_SRC | HAS_SIZE | IS_LIST,
	},
	[DSA_OPCODE_DRAIN] = {
		.known = true, .run = run_drain,
	},
	[DSA_OPCODE_MEMMOVE] = {
		.known = true, .in_batch = true, .run = run_memmove,
		.fields = HAS_SRC | HAS_DST | HAS_SIZE | SRC_IS_ADDR |
			  DST_IS_ADDR,
	},
	[DSA_OPCODE_MEMFILL] = {
		.known = true, .in_batch = true, .run = run_memfill,
		.fields = HAS_SRC | HAS_DST | HAS_SIZE | DST_IS_ADDR,
	},
	[DSA_OPCODE_COMPARE] = {
		.known = true, .in_batch = true, .run = run_compare,
		.flags = IDXD_OP_FLAG_CR, .needed = RESULT_FLAGS,
		.fields = HAS_SRC | HAS_DST | HAS_SIZE | SRC_IS_ADDR |
			  DST_IS_ADDR,
	},
	[DSA_OPCODE_CRCGEN] = {
		.known = true, .in_batch = true, .run = run_crc,
		.flags = CRC_FLAGS, .needed = RESULT_FLAGS,
		.fields = HAS_SRC | HAS_SIZE | SRC_IS_ADDR,
	},
	[DSA_OPCODE_COPY_CRC] = {
		.known = true, .in_batch = true, .run = run_crc,
		.flags = CRC_FLAGS, .needed = RESULT_FLAGS,
		.fields = HAS_SRC | HAS_DST | HAS_SIZE | SRC_IS_ADDR |
			  DST_IS_ADDR,
	},
};
/* clang-format on */

/* clang-format off */
/*
 * ---- the checks ----
 *
 * All fields are checked before an operation touches memory. The checks run in
 * the order of this table, and the first that fails ends the descriptor. Each
 * row has a test of the same name in tests/unit/model_descriptors.c. "DSA" is
 * the specification's descriptor checks; two rows name what the model adds.
 *
 *	check		status	fails if
 *	record		0x1b	CRAV, and completion_addr not 32-byte aligned
 *	privilege	0x1d	priv without a PASID (model)
 *	opcode		0x10	not an operation of this device
 *	nested		0x10	BATCH or DRAIN inside a batch
 *	flags		0x11	a flag that the operation does not have
 *	fence		0x11	FENCE outside a batch
 *	record_flag	0x11	RCR without CRAV
 *	needed_flags	0x11	COMPARE, CRCGEN, COPY_CRC without CRAV or RCR
 *	interrupt	0x19	RCI, and a handle other than 0, the only one
 *	reserved	0x12	a field the operation does not have is not 0
 *	list_address	0x18	BATCH: desc_list_addr not 64-byte aligned
 *	list_count	0x14	BATCH: fewer than 2, or more than max_batch
 *	list_end	0x14	BATCH: the list passes the last address (model)
 *	size		0x13	xfer_size 0, or more than max_transfer
 *	end		0x13	a buffer passes the last address
 *	overlap		0x16	COPY_CRC: the buffers overlap
 *	seed		0x1c	read seed: seed_addr not 4-byte aligned
 *
 * Status 0x1b cannot be written to a record: it is counted as an unreported
 * error. So is any status of a descriptor without CRAV. For 0x11, invalid_flags
 * holds the flags that are set and must not be, or the flags that are missing.
 * Each function below is some rows: their status, or 0.
 */
/* clang-format on */
static u8 check_record(struct iof_dsa_job *job, const struct dsa_op *op)
{
	bool valid = job->desc.flags & IDXD_OP_FLAG_CRAV;

	return valid && (job->desc.completion_addr & 31) ? DSA_COMP_CRA_ALIGN :
							   DSA_COMP_NONE;
}

/*
 * Checks the privilege flag, which needs a PASID: the RID's own table has no
 * privilege. This check comes early, since the record is written with this
 * privilege, whichever other check fails.
 */
static u8 check_privilege(struct iof_dsa_job *job, const struct dsa_op *op)
{
	if (!job->desc.priv || job->desc.pasid)
		return DSA_COMP_NONE;
	/* the completion record is written without privilege */
	job->desc.priv = 0;
	return DSA_COMP_PRIV_BAD;
}

static u8 check_opcode(struct iof_dsa_job *job, const struct dsa_op *op)
{
	return op->known && (!job->parent || op->in_batch) ?
		       DSA_COMP_NONE :
		       DSA_COMP_BAD_OPCODE;
}

static u8 check_flags(struct iof_dsa_job *job, const struct dsa_op *op)
{
	u32 flags = job->desc.flags, allowed = COMMON_FLAGS | op->flags;

	if (job->parent)
		allowed |= IDXD_OP_FLAG_FENCE;
	if (!(flags & IDXD_OP_FLAG_CRAV))
		allowed &= ~IDXD_OP_FLAG_RCR;
	job->invalid_flags = flags & ~allowed;
	if (!job->invalid_flags)
		job->invalid_flags = op->needed & ~flags;
	return job->invalid_flags ? DSA_COMP_INVALID_FLAGS : DSA_COMP_NONE;
}

static u8 check_interrupt(struct iof_dsa_job *job, const struct dsa_op *op)
{
	bool wanted = job->desc.flags & IDXD_OP_FLAG_RCI;

	return wanted && job->desc.int_handle ? DSA_COMP_INT_HANDLE_INVAL :
						DSA_COMP_NONE;
}

/*
 * Does the operation-specific part have non-zero bytes that the operation does
 * not use?
 */
static bool specific_part_used(const struct dsa_hw_desc *desc)
{
	u8 rest[sizeof(desc->op_specific)];
	u64 words[3];

	BUILD_BUG_ON(sizeof(rest) != sizeof(words));
	memcpy(rest, desc->op_specific, sizeof(rest));
	switch (desc->opcode) {
	case DSA_OPCODE_COMPARE:
		if ((desc->flags & IDXD_OP_FLAG_CR) && rest[0] <= 1)
			rest[0] = 0;
		break;
	case DSA_OPCODE_CRCGEN:
	case DSA_OPCODE_COPY_CRC:
		memset(rest, 0, sizeof(desc->crc_seed));
		if (desc->flags & DSA_FLAG_CRC_READ_SEED)
			memset(rest + 8, 0, sizeof(desc->seed_addr));
		break;
	}
	memcpy(words, rest, sizeof(words));
	return words[0] | words[1] | words[2];
}

static u8 check_reserved(struct iof_dsa_job *job, const struct dsa_op *op)
{
	const struct dsa_hw_desc *desc = &job->desc;

	if (specific_part_used(desc) || desc->rsvd || desc->rsvd1 ||
	    (!(op->fields & HAS_SRC) && desc->src_addr) ||
	    (!(op->fields & HAS_DST) && desc->dst_addr) ||
	    (!(op->fields & HAS_SIZE) && desc->xfer_size))
		return DSA_COMP_NOZERO_RESERVE;
	return DSA_COMP_NONE;
}

static bool past_the_end(u64 addr, u64 size)
{
	return addr + (size - 1) < addr;
}

static bool overlaps(u64 a, u64 b, u32 size)
{
	return a - b < size || b - a < size;
}

static u8 check_list(struct iof_dsa_job *job, const struct dsa_op *op)
{
	u64 addr = job->desc.desc_list_addr;
	u32 count = job->desc.desc_count;

	if (!(op->fields & IS_LIST))
		return DSA_COMP_NONE;
	if (addr & 63)
		return DSA_COMP_DESCLIST_ALIGN;
	if (count < DSA_MIN_BATCH || count > IOF_DSA_MAX_BATCH ||
	    past_the_end(addr, (u64)count * sizeof(job->desc)))
		return DSA_COMP_DESC_CNT_ERANGE;
	return DSA_COMP_NONE;
}

static u8 check_transfer(struct iof_dsa_job *job, const struct dsa_op *op)
{
	const struct dsa_hw_desc *desc = &job->desc;
	u32 size = desc->xfer_size;

	if (!(op->fields & HAS_SIZE) || (op->fields & IS_LIST))
		return DSA_COMP_NONE;
	if (!size || size > IOF_DSA_MAX_XFER)
		return DSA_COMP_XFER_ERANGE;
	if (((op->fields & SRC_IS_ADDR) &&
	     past_the_end(desc->src_addr, size)) ||
	    ((op->fields & DST_IS_ADDR) && past_the_end(desc->dst_addr, size)))
		return DSA_COMP_XFER_ERANGE;
	if (desc->opcode == DSA_OPCODE_COPY_CRC &&
	    overlaps(desc->src_addr, desc->dst_addr, size))
		return DSA_COMP_OVERLAP_BUFFERS;
	return DSA_COMP_NONE;
}

static u8 check_seed(struct iof_dsa_job *job, const struct dsa_op *op)
{
	u32 reads = job->desc.flags & op->flags & DSA_FLAG_CRC_READ_SEED;

	return reads && (job->desc.seed_addr & 3) ? DSA_COMP_ADDR_ALIGN :
						    DSA_COMP_NONE;
}

u8 iof_dsa_check(struct iof_dsa_job *job)
{
	static const struct dsa_op unknown;
	const struct dsa_hw_desc *desc = &job->desc;
	const struct dsa_op *op = &unknown;
	u8 bad;

	if (desc->opcode < ARRAY_SIZE(ops))
		op = &ops[array_index_nospec((size_t)desc->opcode,
					     ARRAY_SIZE(ops))];
	/* The order is that of the table above. */
	bad = check_record(job, op)	       ?:
		      check_privilege(job, op) ?:
		      check_opcode(job, op)    ?:
		      check_flags(job, op)     ?:
		      check_interrupt(job, op) ?:
		      check_reserved(job, op)  ?:
		      check_list(job, op)      ?:
		      check_transfer(job, op)  ?:
						 check_seed(job, op);
	if (bad)
		return bad;
	if (desc->opcode == DSA_OPCODE_MEMMOVE &&
	    desc->dst_addr > desc->src_addr &&
	    desc->dst_addr - desc->src_addr < desc->xfer_size)
		job->backward = true;
	return DSA_COMP_SUCCESS;
}

enum iof_dsa_step iof_dsa_run(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	return ops[job->desc.opcode].run(e, job);
}
