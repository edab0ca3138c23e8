// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iotlb.c - the IOTLB: translations cached by engines, and how other threads
 * invalidate them.
 *
 * Each engine has direct-mapped arrays of its own: leaves by size, tables of 4
 * KiB leaves (VT-d 6.2.3's paging-structure cache) and attachments by PASID
 * (the PASID cache, 6.2.2). A translation carries the tag of its domain, not of
 * an attachment, so that an invalidation costs the same however many PASIDs
 * share the domain. A look-up takes no lock and no atomic operation.
 * Translations that are absent or not permitted are never cached. A leaf cached
 * for reads serves writes only if its dirty bit was set already. So a thread
 * that makes a page present, or permits more, invalidates nothing.
 *
 * An invalidation may meet an engine that walks at the same time. The
 * invalidating thread has changed the tables before; it increments iof_tlb.gen
 * and, after a full barrier, empties slots. An engine that has filled slots
 * reads gen afterwards, at the latest when its read section ends, after a full
 * barrier, too. So either the invalidating thread saw the slot, or the engine
 * sees that gen grew and empties the slot itself before it uses translations
 * again. Until then the engine may use the translations; the invalidating
 * thread waits for the end of the read section (iof_tlb.seq).
 */
#include "iotlb.h"

/*
 * Number of polls for the end of a read section before sleeping; about the copy
 * of a page.
 */
#define DRAIN_SPINS 2000

static atomic64_t last_tag = ATOMIC64_INIT(0);

u64 iof_new_tag(void)
{
	return atomic64_inc_return(&last_tag);
}

static struct iof_tlb_slot *new_slots(unsigned int nr)
{
	return kvcalloc(nr, sizeof(struct iof_tlb_slot), GFP_KERNEL_ACCOUNT);
}

int iof_tlb_init(struct iof_tlb *tlb, struct iof_mdev *mdev)
{
	memset(tlb, 0, sizeof(*tlb));
	tlb->mdev = mdev;
	atomic_set(&tlb->seq, 0);
	atomic_set(&tlb->gen, 0);
	atomic_set(&tlb->waiters, 0);
	init_waitqueue_head(&tlb->wq);
	tlb->small = new_slots(IOF_TLB_SMALL);
	tlb->large = new_slots(IOF_TLB_LARGE);
	tlb->huge = new_slots(IOF_TLB_HUGE);
	tlb->dirs = new_slots(IOF_TLB_DIRS);
	return tlb->small && tlb->large && tlb->huge && tlb->dirs ? 0 : -ENOMEM;
}

void iof_tlb_destroy(struct iof_tlb *tlb)
{
	kvfree(tlb->small);
	kvfree(tlb->large);
	kvfree(tlb->huge);
	kvfree(tlb->dirs);
}

const struct iof_tlb_slot *iof_tlb_find_dir(struct iof_tlb *tlb, u64 tag,
					    u64 iova)
{
	return find_slot(tlb->dirs, IOF_TLB_DIRS, tag, iova >> LARGE_SHIFT);
}

void iof_tlb_fill_dir(struct iof_tlb *tlb, u64 tag, u64 iova, const u64 *table,
		      u32 perm)
{
	fill_slot(tlb, tlb->dirs, IOF_TLB_DIRS, tag, iova >> LARGE_SHIFT,
		  (u64)(unsigned long)table, perm);
}

void iof_tlb_fill_page(struct iof_tlb *tlb, u64 tag, u64 iova,
		       const struct iof_leaf *leaf)
{
	fill_slot(tlb, tlb->small, IOF_TLB_SMALL, tag, iova >> SMALL_SHIFT,
		  leaf->pa & ~((1ULL << SMALL_SHIFT) - 1), slot_perm(leaf));
}

static struct iof_attachment *find_attachment(struct iof_mdev *mdev, u32 pasid)
{
	struct iof_attachment *att;

	/* iof_mdev_bus_master() waits for sections that do not see it yet. */
	if (READ_ONCE(mdev->no_dma))
		return NULL;
	att = xa_load(&mdev->attachments, pasid);
	if (!att && pasid != IOF_NO_PASID && mdev->hwdev.user_pasid_table) {
		att = xa_load(&mdev->attachments, IOF_NO_PASID);
		if (att && att->mdom->domain.type != IOF_DOMAIN_NESTED)
			att = NULL;
	}
	return att;
}

struct iof_attachment *iof_tlb_attachment(struct iof_tlb *tlb, u32 pasid)
{
	unsigned int i = pasid % IOF_TLB_PASIDS;
	struct iof_attachment *att = READ_ONCE(tlb->pasids[i].att);

	if (likely(att && tlb->pasids[i].pasid == pasid))
		return att;
	att = find_attachment(tlb->mdev, pasid);
	if (!att)
		return NULL;
	/*
	 * The engine fills the entry as it fills slots, but reads gen at once.
	 * Invalidating threads never read the PASID.
	 */
	tlb->pasids[i].pasid = pasid;
	(void)xchg(&tlb->pasids[i].att, att);
	if (unlikely(atomic_read(&tlb->gen) != tlb->seen))
		WRITE_ONCE(tlb->pasids[i].att, NULL);
	return att;
}

/* ---- taking away ---- */

static void drop_slots(struct iof_tlb_slot *slots, unsigned int nr, u64 tag,
		       u64 first, u64 last)
{
	unsigned int i;
	u64 key;

	if (last - first < nr) {
		for (key = first;; key++) {
			struct iof_tlb_slot *slot =
				slot_of(slots, nr, tag, key);

			/* Pairs with fill_slot(). */
			if (smp_load_acquire(&slot->tag) == tag &&
			    READ_ONCE(slot->key) == key)
				WRITE_ONCE(slot->tag, 0);
			if (key == last)
				return;
		}
	}
	for (i = 0; i < nr; i++) {
		/* Pairs with fill_slot(). */
		if (smp_load_acquire(&slots[i].tag) != tag)
			continue;
		key = READ_ONCE(slots[i].key);
		if (key >= first && key <= last)
			WRITE_ONCE(slots[i].tag, 0);
	}
}

void iof_mdev_drop(struct iof_mdev *mdev, struct iof_mdomain *mdom, u64 iova,
		   u64 last, bool dirs)
{
	unsigned int i;

	for (i = 0; i < mdev->nr_tlbs; i++) {
		struct iof_tlb *tlb = mdev->tlbs[i];
		u64 tag;

		/* full barrier: see iof_tlb_drop_stale_fills() */
		atomic_inc_return(&tlb->gen);
		/*
		 * Read the tag after the barrier. At the same time an engine
		 * may give a nested domain a new tag and fill slots with it.
		 * Either that engine sees that gen grew, or this thread sees
		 * its slots.
		 */
		tag = atomic64_read(&mdom->tag);
		drop_slots(tlb->small, IOF_TLB_SMALL, tag, iova >> SMALL_SHIFT,
			   last >> SMALL_SHIFT);
		drop_slots(tlb->large, IOF_TLB_LARGE, tag, iova >> LARGE_SHIFT,
			   last >> LARGE_SHIFT);
		drop_slots(tlb->huge, IOF_TLB_HUGE, tag, iova >> HUGE_SHIFT,
			   last >> HUGE_SHIFT);
		if (dirs)
			drop_slots(tlb->dirs, IOF_TLB_DIRS, tag,
				   iova >> LARGE_SHIFT, last >> LARGE_SHIFT);
	}
}

void iof_mdev_drop_pasids(struct iof_mdev *mdev)
{
	unsigned int i, j;

	for (i = 0; i < mdev->nr_tlbs; i++) {
		struct iof_tlb *tlb = mdev->tlbs[i];

		atomic_inc_return(&tlb->gen);
		for (j = 0; j < IOF_TLB_PASIDS; j++)
			WRITE_ONCE(tlb->pasids[j].att, NULL);
	}
}

void iof_domain_drop_all(struct iof_mdomain *mdom)
{
	struct iof_domain_use *use;
	unsigned int i;

	/*
	 * An engine that still has the old tag fills slots that no look-up
	 * finds. The exchange is a full barrier: a read section that begins
	 * after it, or that iof_mdev_drain() does not wait for, sees the new
	 * tag.
	 */
	atomic64_xchg(&mdom->tag, iof_new_tag());
	/* An engine with the new tag may have read the old tables. */
	list_for_each_entry(use, &mdom->uses, node) {
		for (i = 0; i < use->mdev->nr_tlbs; i++)
			atomic_inc_return(&use->mdev->tlbs[i]->gen);
	}
}

void iof_domain_drop_nested(struct iof_mdomain *parent)
{
	/*
	 * As with the exchange above; each domain gets a new tag at its next
	 * use.
	 */
	atomic64_xchg(&parent->nested_floor, iof_new_tag());
}

/*
 * Renews the @tag of a nested domain, which is no longer valid. Tags grow, so
 * that a new one is valid unless the parent has changed again since. Then it is
 * valid for the read section that iof_mdev_drain() waits for.
 */
u64 iof_domain_renew_tag(struct iof_mdomain *mdom, u64 tag)
{
	s64 old = (s64)tag;
	s64 fresh = (s64)iof_new_tag();

	return atomic64_try_cmpxchg(&mdom->tag, &old, fresh) ? (u64)fresh :
							       (u64)old;
}

static void drain_tlb(struct iof_tlb *tlb)
{
	int seq = atomic_read_acquire(&tlb->seq);
	int i;

	if (!(seq & 1))
		return;
	atomic_inc(&tlb->gen); /* read by iof_tlb_read_relock() */
	for (i = 0; i < DRAIN_SPINS; i++) {
		if (atomic_read_acquire(&tlb->seq) != seq)
			return;
		cpu_relax();
	}
	atomic_inc_return(&tlb->waiters);
	wait_event(tlb->wq, atomic_read_acquire(&tlb->seq) != seq);
	atomic_dec(&tlb->waiters);
}

void iof_mdev_drain(struct iof_mdev *mdev)
{
	unsigned int i;

	/*
	 * Orders the caller's invalidation before the read of seq; pairs with
	 * iof_tlb_read_lock().
	 */
	smp_mb();
	for (i = 0; i < mdev->nr_tlbs; i++)
		drain_tlb(mdev->tlbs[i]);
}
