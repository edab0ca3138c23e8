// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dsa_mem.c - access of the DMA engine to memory, page requests, completion
 * records.
 *
 * All access is done in steps of at most DSA_CHUNK bytes, between which an
 * engine lets invalidating threads continue (model.h). Memory behind a domain
 * of this IOMMU is translated and then accessed directly. Memory of a process
 * that shares its page tables (SVA) is accessed by address each time, and no
 * translation is kept. An access fails in three ways, with this completion
 * status if no page is requested or the answer does not help:
 *
 * a page is missing or not      PAGE_FAULT_NOBOF without block-on-fault, or
 * permitted                     if no fault queue listens; else the page is
 *                               requested: PAGE_FAULT_IR if the answer is
 *                               INVALID, TRANSLATION_FAIL if it is FAILURE
 * nothing attached, malformed   TRANSLATION_FAIL
 * tables or address
 * the memory itself is gone     HW_ERR1
 *
 * The top bit of the status marks a write. fault_addr is the first byte that
 * was not accessed.
 */
#include "dsa_private.h"

static bool set_fault(struct iof_dsa_job *job, u64 addr, u32 left, bool write,
		      u8 status, bool may_request)
{
	job->fault = (struct iof_dsa_fault){
		.addr = addr,
		.left = left,
		.write = write,
		.status = status,
		.may_request = may_request,
	};
	if (write)
		job->fault.status |= DSA_COMP_STATUS_WRITE;
	return false;
}

static bool set_page_fault(struct iof_dsa_job *job,
			   const struct iof_mdomain *mdom, u64 addr, u32 left,
			   bool write)
{
	bool may_request = (job->desc.flags & IDXD_OP_FLAG_BOF) &&
			   mdom->domain.fault_capable;

	return set_fault(job, addr, left, write, DSA_COMP_PAGE_FAULT_NOBOF,
			 may_request);
}

static u32 access_of(const struct iof_dsa_job *job, bool write)
{
	return (write ? IOF_ACCESS_WRITE : IOF_ACCESS_READ) |
	       (job->desc.priv ? IOF_ACCESS_PRIV : 0);
}

bool iof_dsa_find(struct iof_dsa_engine *e, struct iof_dsa_job *job, u64 addr,
		  u32 left, bool write, struct iof_dsa_place *place)
{
	struct iof_attachment *att =
		iof_tlb_attachment(&e->tlb, job->desc.pasid);
	struct iof_xlate x;

	place->addr = addr;
	place->write = write;
	if (unlikely(!att))
		return set_fault(job, addr, left, write,
				 DSA_COMP_TRANSLATION_FAIL, false);
	place->mm = att->mdom->mm;
	if (place->mm) {
		if (job->desc.priv)
			return set_fault(job, addr, left, write,
					 DSA_COMP_TRANSLATION_FAIL, false);
		place->va = NULL;
		place->len = DSA_PAGE - (addr & (DSA_PAGE - 1));
		return true;
	}
	switch (iof_translate(&e->tlb, att, addr, access_of(job, write), &x)) {
	case IOF_XLATE_OK:
		place->att = att;
		place->va = x.va;
		place->len = min_t(size_t, x.len, DSA_CHUNK);
		return true;
	case IOF_XLATE_FAULT:
		return set_page_fault(job, att->mdom, addr, left, write);
	default:
		return set_fault(job, addr, left, write,
				 DSA_COMP_TRANSLATION_FAIL, false);
	}
}

unsigned int iof_dsa_find_pieces(struct iof_dsa_engine *e,
				 struct iof_dsa_job *job, u64 addr, u32 len,
				 bool write, struct iof_dsa_place *place,
				 struct iof_xlate *piece)
{
	struct iof_attachment *att =
		iof_tlb_attachment(&e->tlb, job->desc.pasid);

	if (unlikely(!att) || att->mdom->mm)
		return 0;
	place->att = att;
	place->mm = NULL;
	place->addr = addr;
	place->write = write;
	return iof_translate_span(&e->tlb, att, addr, len,
				  access_of(job, write), piece);
}

bool iof_dsa_find_next(struct iof_dsa_engine *e, struct iof_dsa_job *job,
		       const struct iof_dsa_place *place,
		       struct iof_dsa_place *next)
{
	struct iof_attachment *att = place->att;
	struct iof_xlate x;

	if (!place->va)
		return false;
	next->addr = place->addr + place->len;
	/*
	 * If the next place is not present, its fault is raised when the job
	 * gets there.
	 */
	if (iof_translate(&e->tlb, att, next->addr,
			  access_of(job, place->write), &x) != IOF_XLATE_OK)
		return false;
	next->att = att;
	next->va = x.va;
	next->len = min_t(size_t, x.len, DSA_CHUNK);
	next->mm = NULL;
	next->write = place->write;
	return true;
}

/*
 * Sets the fault of a failed access to @place. Its attachment is valid, since
 * the read section has not ended.
 */
static bool lost(struct iof_dsa_job *job, const struct iof_dsa_place *place,
		 u32 left)
{
	struct iof_attachment *att;

	if (!place->mm)
		return set_fault(job, place->addr, left, place->write,
				 DSA_COMP_HW_ERR1, false);
	att = iof_tlb_attachment(&job->engine->tlb, job->desc.pasid);
	if (!att)
		return set_fault(job, place->addr, left, place->write,
				 DSA_COMP_TRANSLATION_FAIL, false);
	return set_page_fault(job, att->mdom, place->addr, left, place->write);
}

bool iof_dsa_get(struct iof_dsa_job *job, const struct iof_dsa_place *from,
		 void *buf, u32 n, u32 left)
{
	if (from->mm ? !iof_plat_mm_copy(from->mm, from->addr, buf, n, false) :
		       !iof_plat_copy(buf, from->va, n))
		return true;
	return lost(job, from, left);
}

bool iof_dsa_put(struct iof_dsa_job *job, const struct iof_dsa_place *to,
		 const void *buf, u32 n, u32 left)
{
	if (to->mm ? !iof_plat_mm_copy(to->mm, to->addr, (void *)buf, n, true) :
		     !iof_plat_copy(to->va, buf, n))
		return true;
	return lost(job, to, left);
}

bool iof_dsa_copy(struct iof_dsa_engine *e, struct iof_dsa_job *job,
		  const struct iof_dsa_place *to,
		  const struct iof_dsa_place *from, u32 *n, u32 left)
{
	if (likely(to->va && from->va)) {
		u64 a = (u64)(unsigned long)to->va,
		    b = (u64)(unsigned long)from->va;
		u64 apart = a > b ? a - b : b - a;

		/*
		 * Two addresses may map to the same memory: then the copy needs
		 * the buffer.
		 */
		if (likely(apart >= *n)) {
			/*
			 * As the hardware does, allocate in the cache only with
			 * the CC flag.
			 */
			size_t rest =
				job->desc.flags & IDXD_OP_FLAG_CC ?
					iof_plat_copy(to->va, from->va, *n) :
					iof_plat_copy_stream(to->va, from->va,
							     *n);

			if (likely(!rest))
				return true;
			/*
			 * Report the bytes copied; the next attempt begins
			 * after them.
			 */
			if (rest < *n && !job->backward) {
				*n -= rest;
				return true;
			}
			/* Find out which of the two places failed. */
			if (iof_plat_copy(e->buf[0], from->va + (*n - rest), 1))
				return lost(job, from, left);
			return lost(job, to, left);
		}
	}
	*n = min(*n, DSA_PAGE);
	return iof_dsa_get(job, from, e->buf[0], *n, left) &&
	       iof_dsa_put(job, to, e->buf[0], *n, left);
}

bool iof_dsa_read(struct iof_dsa_engine *e, struct iof_dsa_job *job, u64 addr,
		  void *buf, u32 n)
{
	struct iof_dsa_place from;

	iof_dsa_tlb_read_lock(e);
	return iof_dsa_find(e, job, addr, n, false, &from) &&
	       iof_dsa_get(job, &from, buf, n, n);
}

/* ---- page requests ---- */

void iof_dsa_warm(struct iof_dsa_engine *e, const struct iof_dsa_job *job)
{
	struct iof_attachment *att =
		iof_tlb_attachment(&e->tlb, job->desc.pasid);
	u64 page = job->fault.addr & ~(u64)(DSA_PAGE - 1);
	struct iof_xlate x;
	u32 i;

	if (!att || att->mdom->mm ||
	    iof_translate(&e->tlb, att, page, access_of(job, job->fault.write),
			  &x) != IOF_XLATE_OK)
		return;
	for (i = 0; i < DSA_PAGE; i += L1_CACHE_BYTES) {
		if (job->fault.write)
			prefetchw((u8 *)x.va + i);
		else
			prefetch((u8 *)x.va + i);
	}
}

static bool page_missing(struct iof_dsa_engine *e,
			 const struct iof_dsa_job *job, u64 addr, bool write)
{
	struct iof_attachment *att;
	struct iof_xlate x;

	iof_dsa_tlb_read_lock(e);
	att = iof_tlb_attachment(&e->tlb, job->desc.pasid);
	if (!att)
		return false;
	if (att->mdom->mm)
		return !iof_plat_user_page_present(att->mdom->mm, addr, write);
	return iof_translate(&e->tlb, att, addr, access_of(job, write), &x) ==
	       IOF_XLATE_FAULT;
}

void iof_dsa_collect_request(struct iof_dsa_engine *e, struct iof_dsa_job *job)
{
	struct iof_pri *pri = &job->dsa->mdev.pri;
	struct iof_pri_page pages[IOF_DSA_MAX_GROUP];
	u64 first = job->fault.addr & ~(u64)(DSA_PAGE - 1);
	bool write = job->fault.write;
	u32 perm, want, nr;

	perm = write ? IOMMU_PGFAULT_PERM_WRITE : IOMMU_PGFAULT_PERM_READ;
	if (job->desc.priv)
		perm |= IOMMU_PGFAULT_PERM_PRIV;
	want = min_t(u64, job->dsa->pages_per_group,
		     (job->fault.addr - first + job->fault.left + DSA_PAGE -
		      1) / DSA_PAGE);
	job->requested = false;
	iof_dsa_tlb_read_unlock(e);
	/*
	 * Without a credit the job waits on pri->starved, and checks the page
	 * once more when it resumes.
	 */
	want = iof_pri_take(pri, &job->pri, max(want, 1u));
	if (!want)
		return;
	for (nr = 0; nr < want; nr++) {
		u64 addr = first + (u64)nr * DSA_PAGE;

		if (nr && !page_missing(e, job, addr, write))
			break;
		pages[nr] = (struct iof_pri_page){ .addr = addr, .perm = perm };
	}
	iof_dsa_tlb_read_unlock(e);
	iof_pri_give_back(&job->pri, nr);
	job->requested = true;
	if (nr > 1) {
		iof_pri_send(&job->pri, job->desc.pasid, pages, nr);
		return;
	}
	/* One page is the usual case; see iof_dsa_send_collected(). */
	e->collected[e->nr_collected++] =
		(struct iof_pri_single){ &job->pri, job->desc.pasid, pages[0] };
	if (e->nr_collected == DSA_COLLECTED_MAX)
		iof_dsa_send_collected(e);
}

void iof_dsa_send_collected(struct iof_dsa_engine *e)
{
	u32 nr = e->nr_collected;

	if (!nr)
		return;
	e->nr_collected = 0;
	iof_pri_send_singles(&e->dsa->mdev.pri, e->collected, nr);
}

/* ---- completion records ---- */

void iof_dsa_sw_error(struct iof_dsa *dsa, u8 status)
{
	atomic64_inc(&dsa->sw_errors);
	WRITE_ONCE(dsa->last_sw_error, status);
}

void iof_dsa_lose_record(struct iof_dsa_job *job)
{
	iof_dsa_sw_error(job->dsa, DSA_COMP_CRA_XLAT);
	if (job->status == DSA_COMP_SUCCESS)
		job->status = DSA_COMP_CRA_XLAT;
}

/*
 * Writes a completion record. A program waits for a non-zero status and then
 * reads the rest. So the rest is written first, and then the word with the
 * status at once.
 */
static bool put_record(struct iof_dsa_job *job, const struct iof_dsa_place *to,
		       const u64 *words)
{
	u64 *head = to->va, was;
	int rc;

	if (to->mm) {
		const u8 *bytes = (const u8 *)words;
		struct iof_dsa_place rest = *to;

		rest.addr++;
		if (!iof_dsa_put(job, &rest, bytes + 1, 31, 32))
			return false;
		/* Write the status byte last: a program may poll it. */
		smp_wmb();
		return iof_dsa_put(job, to, bytes, 1, 32);
	}
	if (iof_plat_copy(head + 1, words + 1, 24) ||
	    iof_plat_load64(head, &was))
		return lost(job, to, 32);
	do {
		rc = iof_plat_cmpxchg64(head, &was, words[0]);
	} while (rc == -EAGAIN);
	return !rc || lost(job, to, 32);
}

/* Returns the CRC in the form of the completion record. */
static u64 crc_value(const struct iof_dsa_job *job)
{
	bool bypass = job->desc.flags & DSA_FLAG_CRC_BYPASS_INVERT;

	return bypass ? iof_dsa_reverse32(job->crc) : ~job->crc;
}

static void compose(const struct iof_dsa_job *job,
		    struct dsa_completion_record *rec)
{
	u8 status = job->status & DSA_COMP_STATUS_MASK;

	memset(rec, 0, sizeof(*rec));
	rec->status = job->status;
	rec->result = job->result;
	rec->bytes_completed = job->done;
	if (status == DSA_COMP_INVALID_FLAGS)
		rec->invalid_flags = job->invalid_flags;
	else if (job->seeded)
		rec->crc_val = crc_value(job);
	if (status == DSA_COMP_PAGE_FAULT_NOBOF ||
	    status == DSA_COMP_PAGE_FAULT_IR ||
	    status == DSA_COMP_BATCH_PAGE_FAULT ||
	    status == DSA_COMP_TRANSLATION_FAIL || status == DSA_COMP_HW_ERR1)
		rec->fault_addr = job->fault_addr;
}

enum iof_dsa_step iof_dsa_record(struct iof_dsa_engine *e,
				 struct iof_dsa_job *job)
{
	bool failed = job->status != DSA_COMP_SUCCESS, ok;
	union {
		struct dsa_completion_record rec;
		u64 words[4];
	} u;
	struct iof_dsa_place to;

	BUILD_BUG_ON(sizeof(u.rec) != 32);
	if (!(job->desc.flags & IDXD_OP_FLAG_CRAV)) {
		if (failed && job->status != DSA_COMP_SUCCESS_PRED)
			iof_dsa_sw_error(job->dsa, job->status);
		return DSA_STEP_DONE;
	}
	if (job->status == DSA_COMP_CRA_ALIGN) {
		iof_dsa_sw_error(job->dsa, DSA_COMP_CRA_ALIGN);
		return DSA_STEP_DONE;
	}
	if (!failed && !(job->desc.flags & IDXD_OP_FLAG_RCR))
		return DSA_STEP_DONE;

	compose(job, &u.rec);
	iof_dsa_tlb_read_lock(e);
	ok = iof_dsa_find(e, job, job->desc.completion_addr, 32, true, &to);
	if (ok) {
		/*
		 * Make room first: a program that sees the record may submit
		 * its next descriptor.
		 */
		iof_dsa_leave_queue(job);
		ok = put_record(job, &to, u.words);
	}
	if (ok)
		return DSA_STEP_DONE;
	if (job->fault.may_request)
		return DSA_STEP_FAULT;
	iof_dsa_lose_record(job);
	return DSA_STEP_DONE;
}
