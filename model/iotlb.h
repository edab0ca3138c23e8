/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iotlb.h - slots of the IOTLB: the slot of a key, look-up and fill. For
 * iotlb.c and translate.c.
 */
#ifndef IOF_MODEL_IOTLB_H
#define IOF_MODEL_IOTLB_H

#include "model.h"

#define SMALL_SHIFT 12
#define LARGE_SHIFT 21
#define HUGE_SHIFT  30

/*
 * Returns the slot of a key. Neighbouring keys get neighbouring slots. The
 * upper bits of the key and the tag shift them, so that buffers at the same
 * offset of different regions, and of different attachments, do not evict each
 * other.
 */
static inline struct iof_tlb_slot *slot_of(struct iof_tlb_slot *slots,
					   unsigned int nr, u64 tag, u64 key)
{
	u64 shift = ((key >> 12) ^ (tag << 32)) * 0x9e3779b97f4a7c15ULL >> 40;

	return &slots[(key + shift) & (nr - 1)];
}

static inline struct iof_tlb_slot *find_slot(struct iof_tlb_slot *slots,
					     unsigned int nr, u64 tag, u64 key)
{
	struct iof_tlb_slot *slot = slot_of(slots, nr, tag, key);

	return READ_ONCE(slot->tag) == tag && slot->key == key ? slot : NULL;
}

static inline void fill_slot(struct iof_tlb *tlb, struct iof_tlb_slot *slots,
			     unsigned int nr, u64 tag, u64 key, u64 pa,
			     u32 perm)
{
	struct iof_tlb_slot *slot = slot_of(slots, nr, tag, key);

	WRITE_ONCE(slot->key, key);
	slot->pa = pa;
	slot->perm = perm;
	/* Pairs with drop_slots(). */
	smp_store_release(&slot->tag, tag);
	tlb->filled[tlb->nr_filled++] = slot;
	if (unlikely(tlb->nr_filled == IOF_TLB_FILLS)) {
		/* Orders the fills before the read of gen. */
		smp_mb();
		iof_tlb_drop_stale_fills(tlb);
	}
}

static inline u32 slot_perm(const struct iof_leaf *leaf)
{
	return (leaf->read ? IOF_SLOT_READ : 0) |
	       (leaf->write ? IOF_SLOT_WRITE : 0) |
	       (leaf->user ? IOF_SLOT_USER : 0);
}

#endif
