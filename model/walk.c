// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * walk.c - translates an input address: by the second stage alone, or by the
 * first stage through the second. A device without IOMMU has neither
 * (noiommu.c).
 *
 * First-stage tables are x86's (VT-d 9.7, four levels) in memory that a program
 * owns and may corrupt, change during a walk, or unmap. So each entry is loaded
 * once and judged by that value, and a walk takes at most four levels with a
 * bounded number of retries, whatever the tables hold.
 *
 * Faults, which a page request may resolve, and errors (VT-d 7.1, 7.4):
 *
 *  - not present or not permitted in the first stage of a nested domain, or in
 *    the second stage of a domain without a first: fault. The page request goes
 *    to the owner of that table.
 *  - a second-stage miss under a first stage: error. The request would go to
 * the owner of the first stage, and only map calls change the second.
 *  - reserved bits, an address that is not canonical or beyond the width,
 * tables where there is no memory, privileged requests where SRE is off: error.
 */
#include "model.h"

/* VT-d 9.7: bits of a first-stage entry. */
#define S1_PRESENT	BIT_ULL(0)
#define S1_WRITE	BIT_ULL(1)
#define S1_USER		BIT_ULL(2)
#define S1_ACCESSED	BIT_ULL(5)
#define S1_DIRTY	BIT_ULL(6)
#define S1_LARGE	BIT_ULL(7)
#define S1_EXT_ACCESSED BIT_ULL(10)
#define S1_ADDR		GENMASK_ULL(51, 12)
#define S1_NOEXEC	BIT_ULL(63)

#define S1_LEVELS   4
#define S1_WIDTH    48
#define S1_PER_LINE 8 /* number of entries in a cache line */

/*
 * Number of times that an entry may change during a walk before the walk gives
 * up.
 */
#define S1_RETRIES 16

static unsigned int s1_shift(int level)
{
	return 12 + 9 * (level - 1);
}

/*
 * Is the address canonical? VT-d 3.6: the upper bits repeat the topmost bit of
 * the width.
 */
static bool s1_canonical(u64 iova)
{
	return (u64)((s64)(iova << (64 - S1_WIDTH)) >> (64 - S1_WIDTH)) == iova;
}

/*
 * Returns the bits that must be zero: PS in a PML4 entry, address bits below
 * the size of a large leaf.
 */
static bool s1_reserved(u64 entry, int level)
{
	if (level == S1_LEVELS)
		return entry & S1_LARGE;
	if (level > 1 && (entry & S1_LARGE))
		return entry & GENMASK_ULL(s1_shift(level) - 1, 13);
	return false;
}

/*
 * Sets bits of a valid entry (VT-d 3.6.2: atomically). -EAGAIN with *entry
 * reloaded if the program changed it, -EFAULT if it cannot be written.
 */
static int s1_set(u64 *slot, bool writable, u64 *entry, u64 bits)
{
	int rc;

	if ((*entry & bits) == bits)
		return 0;
	if (!writable)
		return -EFAULT;
	rc = iof_plat_cmpxchg64(slot, entry, *entry | bits);
	if (!rc)
		*entry |= bits;
	return rc;
}

/*
 * Translates @gpa by the parent. First-stage rights have no effect on it (VT-d
 * 3.8).
 */
static bool nested_page(const struct iof_mdomain *parent, u64 gpa,
			struct iof_leaf *leaf)
{
	return iof_stage2_walk(&parent->s2, gpa, leaf) && leaf->read;
}

struct s1_walk {
	const struct iof_mdomain *mdom;
	u64 iova;
	u32 access;
	/* rights so far: a level can only remove rights */
	bool write, user, noexec;
	u64 accessed; /* the bit A, and bit 10 with EAFE */
	struct iof_s2_near *near;
};

static u64 s1_accessed(const struct iof_mdomain *mdom)
{
	return S1_ACCESSED | (mdom->extended_accessed ? S1_EXT_ACCESSED : 0);
}

static struct iof_s2_near *s2_near(struct iof_tlb *tlb, u32 access)
{
	return &tlb->near[access & IOF_ACCESS_WRITE ? 1 : 0];
}

static bool s1_permitted(const struct s1_walk *w)
{
	bool priv = w->access & IOF_ACCESS_PRIV;

	if (!priv && !w->user)
		return false;
	if ((w->access & IOF_ACCESS_WRITE) && !w->write)
		return priv && !w->mdom->write_protect;
	return !((w->access & IOF_ACCESS_EXEC) && w->noexec);
}

/*
 * Combines the rights of @above with those of one entry. If the entry was
 * reloaded, replaces its rights.
 */
static void s1_take_rights(struct s1_walk *w, const struct s1_walk *above,
			   u64 entry)
{
	w->write = above->write && (entry & S1_WRITE);
	w->user = above->user && (entry & S1_USER);
	w->noexec = above->noexec || (entry & S1_NOEXEC);
}

/*
 * Translates by a leaf entry with sufficient first-stage rights and its A and D
 * bits set.
 */
static enum iof_xlate_result s1_finish(struct s1_walk *w, u64 entry, int level,
				       struct iof_leaf *leaf)
{
	u64 mask = (1ULL << s1_shift(level)) - 1;
	u64 gpa = (entry & S1_ADDR & ~mask) | (w->iova & mask);

	if (!iof_stage2_walk_near(&w->mdom->parent->s2, gpa, leaf, w->near) ||
	    !leaf->read)
		return IOF_XLATE_ERROR;
	if ((w->access & IOF_ACCESS_WRITE) && !leaf->write)
		return IOF_XLATE_ERROR;
	leaf->shift = min_t(u8, leaf->shift, s1_shift(level));
	leaf->write = leaf->write && w->write && (entry & S1_DIRTY);
	leaf->user = w->user;
	return IOF_XLATE_OK;
}

/*
 * Evaluates the entry at @slot. With IOF_XLATE_OK, *entry has its A (and D) bit
 * set.
 */
static enum iof_xlate_result s1_entry(struct s1_walk *w, u64 *slot,
				      bool slot_writable, int level, u64 *entry)
{
	const struct s1_walk above = *w;
	int i, rc;

	if (iof_plat_load64(slot, entry))
		return IOF_XLATE_ERROR;
	for (i = 0; i < S1_RETRIES; i++) {
		u64 bits = w->accessed;

		if (!(*entry & S1_PRESENT))
			return IOF_XLATE_FAULT;
		if (s1_reserved(*entry, level))
			return IOF_XLATE_ERROR;
		s1_take_rights(w, &above, *entry);
		if (level == 1 || (*entry & S1_LARGE)) {
			if (!s1_permitted(w))
				return IOF_XLATE_FAULT;
			if (w->access & IOF_ACCESS_WRITE)
				bits |= S1_DIRTY;
		}
		rc = s1_set(slot, slot_writable, entry, bits);
		if (!rc)
			return IOF_XLATE_OK;
		if (rc != -EAGAIN)
			return IOF_XLATE_ERROR;
	}
	return IOF_XLATE_ERROR;
}

static u32 s1_dir_perm(const struct s1_walk *w, bool table_writable)
{
	return (w->write ? IOF_SLOT_WRITE : 0) | (w->user ? IOF_SLOT_USER : 0) |
	       (w->noexec ? IOF_SLOT_NOEXEC : 0) |
	       (table_writable ? IOF_SLOT_READ : 0);
}

/*
 * Caches the leaves that follow @w->iova in the same cache line of @table, as
 * far as they need no bit set: a device often reads and writes pages in order.
 * @w has the rights of the levels above.
 */
static void s1_fill_next(struct iof_tlb *tlb, u64 tag, struct s1_walk *w,
			 const u64 *table)
{
	const u64 need = S1_PRESENT | S1_USER | w->accessed;
	unsigned int i = (w->iova >> 12) & 511;
	u64 iova = w->iova & ~0xfffULL, entry;
	struct iof_leaf leaf;

	if (!w->user)
		return;
	while (++i & (S1_PER_LINE - 1)) {
		iova += 0x1000;
		if (iof_plat_load64(&table[i], &entry) ||
		    (entry & need) != need ||
		    !iof_stage2_walk_near(&w->mdom->parent->s2, entry & S1_ADDR,
					  &leaf, w->near) ||
		    !leaf.read)
			return;
		leaf.write = leaf.write && w->write && (entry & S1_WRITE) &&
			     (entry & S1_DIRTY);
		iof_tlb_fill_page(tlb, tag, iova, &leaf);
	}
}

/* Evaluates the entry of 4 KiB in @table, and those that follow. */
static enum iof_xlate_result s1_page(struct iof_tlb *tlb, u64 tag,
				     struct s1_walk *w, u64 *table,
				     bool table_writable, struct iof_leaf *leaf)
{
	const struct s1_walk above = *w;
	enum iof_xlate_result res;
	u64 entry;

	res = s1_entry(w, &table[(w->iova >> 12) & 511], table_writable, 1,
		       &entry);
	if (res == IOF_XLATE_OK)
		res = s1_finish(w, entry, 1, leaf);
	if (res == IOF_XLATE_OK) {
		w->write = above.write;
		w->user = above.user;
		s1_fill_next(tlb, tag, w, table);
	}
	return res;
}

static enum iof_xlate_result s1_walk(struct iof_tlb *tlb,
				     struct iof_attachment *att, u64 iova,
				     u32 access, struct iof_leaf *leaf)
{
	struct iof_mdomain *mdom = att->mdom;
	struct s1_walk w = {
		.mdom = mdom,
		.iova = iova,
		.access = access,
		.write = true,
		.user = true,
		.accessed = s1_accessed(mdom),
		.near = s2_near(tlb, access),
	};
	u64 tag = iof_domain_tag(mdom);
	const struct iof_tlb_slot *dir;
	enum iof_xlate_result res;
	u64 gpa = mdom->root, entry;
	int level;

	if (!s1_canonical(iova))
		return IOF_XLATE_ERROR;
	if ((access & IOF_ACCESS_PRIV) && !mdom->supervisor)
		return IOF_XLATE_ERROR;

	dir = iof_tlb_find_dir(tlb, tag, iova);
	if (dir) {
		u64 *table = (u64 *)(unsigned long)dir->pa;

		w.write = dir->perm & IOF_SLOT_WRITE;
		w.user = dir->perm & IOF_SLOT_USER;
		w.noexec = dir->perm & IOF_SLOT_NOEXEC;
		return s1_page(tlb, tag, &w, table, dir->perm & IOF_SLOT_READ,
			       leaf);
	}

	for (level = S1_LEVELS;; level--) {
		struct iof_leaf page;
		u64 *table;

		if (!nested_page(mdom->parent, gpa, &page))
			return IOF_XLATE_ERROR;
		table = phys_to_virt(page.pa);
		if (level == 1) {
			iof_tlb_fill_dir(tlb, tag, iova, table,
					 s1_dir_perm(&w, page.write));
			return s1_page(tlb, tag, &w, table, page.write, leaf);
		}
		res = s1_entry(&w, &table[(iova >> s1_shift(level)) & 511],
			       page.write, level, &entry);
		if (res != IOF_XLATE_OK)
			return res;
		if (entry & S1_LARGE)
			return s1_finish(&w, entry, level, leaf);
		gpa = entry & S1_ADDR;
	}
}

unsigned int iof_walk_span(struct iof_tlb *tlb, struct iof_attachment *att,
			   u64 iova, size_t len, u32 access,
			   struct iof_xlate *out)
{
	const struct iof_mdomain *mdom = att->mdom;
	const bool write = access & IOF_ACCESS_WRITE;
	const u64 need = S1_PRESENT | S1_USER | s1_accessed(mdom) |
			 (write ? S1_WRITE | S1_DIRTY : 0);
	const u32 rights = IOF_SLOT_USER | (write ? IOF_SLOT_WRITE : 0);
	struct iof_s2_near *near = s2_near(tlb, access);
	u64 entries[IOF_SPAN_PAGES], offset = iova & 0xfff, pa, run;
	unsigned int first = (iova >> 12) & 511, nr, i, end, pieces = 0;
	const struct iof_tlb_slot *dir;

	dir = iof_tlb_find_dir(tlb, iof_domain_tag(att->mdom), iova);
	if (!dir || (dir->perm & rights) != rights)
		return 0;
	nr = min_t(u64, (offset + len + 0xfff) >> 12, IOF_SPAN_PAGES);
	nr = iof_plat_load64s((u64 *)(unsigned long)dir->pa + first, entries,
			      min(nr, 512 - first));
	for (i = 0; i < nr && (entries[i] & need) == need;) {
		/* Entries that differ by a page each are one run. */
		for (end = i + 1; end < nr; end++)
			if (entries[end] != entries[end - 1] + 0x1000)
				break;
		run = iof_stage2_walk_run(&mdom->parent->s2,
					  (entries[i] & S1_ADDR) + offset,
					  ((u64)(end - i) << 12) - offset,
					  write, near, &pa);
		if (!run)
			break;
		out[pieces++] = (struct iof_xlate){ phys_to_virt(pa), run };
		i += (offset + run) >> 12;
		offset = 0;
	}
	WRITE_ONCE(tlb->misses, tlb->misses + i);
	return pieces;
}

static enum iof_xlate_result s2_alone(const struct iof_mdomain *mdom, u64 iova,
				      u32 access, struct iof_leaf *leaf)
{
	if (iova >> IOF_S2_WIDTH)
		return IOF_XLATE_ERROR;
	if (!iof_stage2_walk(&mdom->s2, iova, leaf))
		return IOF_XLATE_FAULT;
	if (access & IOF_ACCESS_WRITE)
		return leaf->write ? IOF_XLATE_OK : IOF_XLATE_FAULT;
	return leaf->read ? IOF_XLATE_OK : IOF_XLATE_FAULT;
}

enum iof_xlate_result iof_walk(struct iof_tlb *tlb, struct iof_attachment *att,
			       u64 iova, u32 access, struct iof_leaf *leaf)
{
	switch (att->mdom->domain.type) {
	case IOF_DOMAIN_PAGING:
		if (att->mdom->domain.driver->no_iommu)
			return iof_physical_walk(att->mdom, iova, access, leaf);
		return s2_alone(att->mdom, iova, access, leaf);
	case IOF_DOMAIN_NESTED:
		return s1_walk(tlb, att, iova, access, leaf);
	default:
		/* an SVA domain: the CPU's tables are not walked here */
		return IOF_XLATE_ERROR;
	}
}
