// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * translate.c - one translation: from the IOTLB (iotlb.c), or by a walk
 * (walk.c), which fills the IOTLB.
 */
#include "iotlb.h"

/*
 * May the slot serve the access? Privileged and execute requests have rules of
 * their own, and always walk.
 */
static bool slot_serves(const struct iof_tlb_slot *slot, u32 access)
{
	u32 need = access & IOF_ACCESS_WRITE ? IOF_SLOT_WRITE : IOF_SLOT_READ;

	need |= IOF_SLOT_USER;
	return (slot->perm & need) == need;
}

static bool use_slot(const struct iof_tlb_slot *slot, unsigned int shift,
		     u64 iova, u32 access, struct iof_xlate *out)
{
	u64 offset = iova & ((1ULL << shift) - 1);

	if (!slot || !slot_serves(slot, access))
		return false;
	out->va = phys_to_virt(slot->pa + offset);
	out->len = (1ULL << shift) - offset;
	return true;
}

static void remember(struct iof_tlb *tlb, u64 tag, u64 iova,
		     const struct iof_leaf *leaf)
{
	u64 pa = leaf->pa & ~((1ULL << leaf->shift) - 1);
	u32 perm = slot_perm(leaf);

	switch (leaf->shift) {
	case SMALL_SHIFT:
		fill_slot(tlb, tlb->small, IOF_TLB_SMALL, tag,
			  iova >> SMALL_SHIFT, pa, perm);
		break;
	case LARGE_SHIFT:
		fill_slot(tlb, tlb->large, IOF_TLB_LARGE, tag,
			  iova >> LARGE_SHIFT, pa, perm);
		break;
	case HUGE_SHIFT:
		fill_slot(tlb, tlb->huge, IOF_TLB_HUGE, tag, iova >> HUGE_SHIFT,
			  pa, perm);
		break;
	}
}

enum iof_xlate_result iof_translate(struct iof_tlb *tlb,
				    struct iof_attachment *att, u64 iova,
				    u32 access, struct iof_xlate *out)
{
	u64 tag = iof_domain_tag(att->mdom);
	enum iof_xlate_result res;
	struct iof_leaf leaf;

	if (likely(!(access & (IOF_ACCESS_EXEC | IOF_ACCESS_PRIV)))) {
		struct iof_tlb_slot *slot;

		slot = find_slot(tlb->small, IOF_TLB_SMALL, tag,
				 iova >> SMALL_SHIFT);
		if (use_slot(slot, SMALL_SHIFT, iova, access, out))
			goto hit;
		slot = find_slot(tlb->large, IOF_TLB_LARGE, tag,
				 iova >> LARGE_SHIFT);
		if (use_slot(slot, LARGE_SHIFT, iova, access, out))
			goto hit;
		slot = find_slot(tlb->huge, IOF_TLB_HUGE, tag,
				 iova >> HUGE_SHIFT);
		if (use_slot(slot, HUGE_SHIFT, iova, access, out))
			goto hit;
	}

	WRITE_ONCE(tlb->misses, tlb->misses + 1);
	res = iof_walk(tlb, att, iova, access, &leaf);
	if (res != IOF_XLATE_OK)
		return res;
	remember(tlb, tag, iova, &leaf);
	out->va = phys_to_virt(leaf.pa);
	out->len = (1ULL << leaf.shift) - (iova & ((1ULL << leaf.shift) - 1));
	return IOF_XLATE_OK;
hit:
	WRITE_ONCE(tlb->hits, tlb->hits + 1);
	return IOF_XLATE_OK;
}

unsigned int iof_translate_span(struct iof_tlb *tlb, struct iof_attachment *att,
				u64 iova, size_t len, u32 access,
				struct iof_xlate *out)
{
	if (att->mdom->domain.type != IOF_DOMAIN_NESTED ||
	    access & (IOF_ACCESS_EXEC | IOF_ACCESS_PRIV))
		return 0;
	return iof_walk_span(tlb, att, iova, len, access, out);
}
