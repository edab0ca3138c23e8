// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * stage2.c - second-stage tables in kernel memory: VT-d 9.8's format, four
 * levels, 4 KiB, 2 MiB, 1 GiB.
 *
 * Writers hold s2->lock. Walkers hold nothing: an entry is set by a release
 * store after the table or page that it points to is complete. A table that
 * loses its last entry is unlinked at once but stays readable on the dead list
 * until the domain's sync() has waited for all walkers. A large leaf is only
 * made within one map call, and unmap calls end where map calls ended, so
 * leaves are never split.
 */
#include "model.h"

/*
 * VT-d 9.8: the bits of a second-stage entry that are used here. The address
 * includes the bits above 51, which hardware ignores: physical addresses of
 * user space (shim/) are wider than real ones.
 */
#define S2_READ	 BIT_ULL(0)
#define S2_WRITE BIT_ULL(1)
#define S2_LARGE BIT_ULL(7)
#define S2_ADDR	 GENMASK_ULL(61, 12)

#define S2_LEVELS  4
#define S2_ENTRIES 512

static unsigned int s2_shift(int level)
{
	return 12 + 9 * (level - 1);
}

static unsigned int s2_index(u64 iova, int level)
{
	return (iova >> s2_shift(level)) & (S2_ENTRIES - 1);
}

static bool s2_present(u64 entry)
{
	return entry & (S2_READ | S2_WRITE);
}

static bool s2_is_leaf(u64 entry, int level)
{
	return level == 1 || (entry & S2_LARGE);
}

static u64 *s2_table(u64 entry)
{
	return phys_to_virt(entry & S2_ADDR);
}

static u64 *s2_new_table(void)
{
	return (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

int iof_stage2_init(struct iof_stage2 *s2)
{
	s2->root = s2_new_table();
	if (!s2->root)
		return -ENOMEM;
	mutex_init(&s2->lock);
	s2->dead = NULL;
	return 0;
}

static void s2_free_tree(u64 *table, int level)
{
	unsigned int i;

	for (i = 0; level > 1 && i < S2_ENTRIES; i++)
		if (s2_present(table[i]) && !s2_is_leaf(table[i], level))
			s2_free_tree(s2_table(table[i]), level - 1);
	free_page((unsigned long)table);
	cond_resched();
}

void iof_stage2_destroy(struct iof_stage2 *s2)
{
	s2_free_tree(s2->root, S2_LEVELS);
	iof_stage2_free_dead(s2->dead);
	mutex_destroy(&s2->lock);
}

u64 *iof_stage2_take_dead(struct iof_stage2 *s2)
{
	u64 *dead;

	mutex_lock(&s2->lock);
	dead = s2->dead;
	s2->dead = NULL;
	mutex_unlock(&s2->lock);
	return dead;
}

void iof_stage2_free_dead(u64 *dead)
{
	while (dead) {
		u64 next = dead[0];

		free_page((unsigned long)dead);
		dead = (u64 *)(unsigned long)next;
		cond_resched();
	}
}

/*
 * The link replaces entry 0. It is a page's address with zero low bits, so a
 * concurrent walker finds an absent entry.
 */
static void s2_bury(struct iof_stage2 *s2, u64 *table)
{
	lockdep_assert_held(&s2->lock);
	/* Pairs with iof_stage2_walk(). */
	smp_store_release(&table[0], (u64)(unsigned long)s2->dead);
	s2->dead = table;
}

static void s2_bury_tree(struct iof_stage2 *s2, u64 *table, int level)
{
	unsigned int i;

	for (i = 0; level > 1 && i < S2_ENTRIES; i++) {
		u64 entry = table[i];

		if (s2_present(entry) && !s2_is_leaf(entry, level))
			s2_bury_tree(s2, s2_table(entry), level - 1);
	}
	s2_bury(s2, table);
	cond_resched();
}

static bool s2_empty(const u64 *table)
{
	unsigned int i;

	for (i = 0; i < S2_ENTRIES; i++)
		if (table[i])
			return false;
	return true;
}

/* Clears [iova, last] in @table, which covers it. */
static void s2_clear(struct iof_stage2 *s2, u64 *table, int level, u64 iova,
		     u64 last)
{
	u64 size = 1ULL << s2_shift(level);

	for (;;) {
		u64 *slot = &table[s2_index(iova, level)];
		/* last address of this slot */
		u64 slot_last = iova | (size - 1);
		u64 entry = *slot;

		if (s2_present(entry)) {
			bool whole = !(iova & (size - 1)) && slot_last <= last;

			if (s2_is_leaf(entry, level)) {
				WARN_ON_ONCE(!whole);
				WRITE_ONCE(*slot, 0);
			} else if (whole) {
				WRITE_ONCE(*slot, 0);
				s2_bury_tree(s2, s2_table(entry), level - 1);
			} else {
				s2_clear(s2, s2_table(entry), level - 1, iova,
					 min(slot_last, last));
				cond_resched();
				if (s2_empty(s2_table(entry))) {
					WRITE_ONCE(*slot, 0);
					s2_bury(s2, s2_table(entry));
				}
			}
		}
		if (slot_last >= last)
			return;
		iova = slot_last + 1;
	}
}

/*
 * Returns the largest leaf that both addresses and the remaining length allow.
 */
static int s2_leaf_level(u64 iova, u64 pa, u64 left)
{
	int level;

	for (level = 3; level > 1; level--) {
		u64 size = 1ULL << s2_shift(level);

		if (!((iova | pa) & (size - 1)) && left >= size)
			return level;
	}
	return 1;
}

/*
 * Sets one leaf, and makes the tables above it. Empty tables never remain:
 * unmap unlinks them.
 */
static int s2_enter(struct iof_stage2 *s2, u64 iova, int leaf_level, u64 entry)
{
	u64 *table = s2->root;
	int level;

	for (level = S2_LEVELS; level > leaf_level; level--) {
		u64 *slot = &table[s2_index(iova, level)];

		if (!s2_present(*slot)) {
			u64 *fresh = s2_new_table();

			if (!fresh)
				return -ENOMEM;
			/*
			 * Pairs with iof_stage2_walk(), which must see the
			 * table empty.
			 */
			smp_store_release(slot, virt_to_phys(fresh) | S2_READ |
							S2_WRITE);
		} else if (s2_is_leaf(*slot, level)) {
			return -EINVAL;
		}
		table = s2_table(*slot);
	}
	if (s2_present(table[s2_index(iova, leaf_level)]))
		return -EINVAL;
	if (leaf_level > 1)
		entry |= S2_LARGE;
	/* Pairs with iof_stage2_walk(). */
	smp_store_release(&table[s2_index(iova, leaf_level)], entry);
	return 0;
}

/*
 * Frees the tables above @iova that s2_enter() made before it ran out of
 * memory.
 */
static void s2_prune(struct iof_stage2 *s2, u64 *table, int level, u64 iova)
{
	u64 *slot = &table[s2_index(iova, level)];
	u64 entry = *slot;

	if (!s2_present(entry) || s2_is_leaf(entry, level))
		return;
	s2_prune(s2, s2_table(entry), level - 1, iova);
	if (s2_empty(s2_table(entry))) {
		WRITE_ONCE(*slot, 0);
		s2_bury(s2, s2_table(entry));
	}
}

int iof_stage2_map(struct iof_stage2 *s2, u64 iova, u64 pa, u64 size,
		   unsigned int prot)
{
	u64 bits = 0, done = 0;
	int rc = 0;

	if (prot & IOF_PROT_READ)
		bits |= S2_READ;
	if (prot & IOF_PROT_WRITE)
		bits |= S2_WRITE;
	if (!bits || !size || ((iova | pa | size) & 0xfff) || (pa & ~S2_ADDR) ||
	    iova + (size - 1) < iova || (iova + (size - 1)) >> IOF_S2_WIDTH)
		return -EINVAL;

	mutex_lock(&s2->lock);
	while (done < size) {
		int level = s2_leaf_level(iova + done, pa + done, size - done);

		rc = s2_enter(s2, iova + done, level, (pa + done) | bits);
		if (rc)
			break;
		done += 1ULL << s2_shift(level);
		cond_resched();
	}
	if (rc) {
		s2_prune(s2, s2->root, S2_LEVELS, iova + done);
		if (done)
			s2_clear(s2, s2->root, S2_LEVELS, iova,
				 iova + done - 1);
	}
	mutex_unlock(&s2->lock);
	return rc;
}

void iof_stage2_unmap(struct iof_stage2 *s2, u64 iova, u64 size)
{
	if (WARN_ON_ONCE(!size || (iova + size - 1) >> IOF_S2_WIDTH))
		return;
	mutex_lock(&s2->lock);
	s2_clear(s2, s2->root, S2_LEVELS, iova, iova + size - 1);
	mutex_unlock(&s2->lock);
}

static void s2_leaf(u64 entry, int level, u64 iova, struct iof_leaf *leaf)
{
	u64 offset = iova & ((1ULL << s2_shift(level)) - 1);

	/* Bits below the leaf's size are zero: map() aligned them. */
	leaf->pa = (entry & S2_ADDR) + offset;
	leaf->shift = s2_shift(level);
	leaf->user = true;
}

/* Walks to the table of 4 KiB leaves, or to the larger leaf. */
static bool s2_walk_to(const struct iof_stage2 *s2, u64 iova,
		       struct iof_s2_near *near)
{
	const u64 *table = s2->root;
	bool read = true, write = true, leaf;
	int level;

	if (iova >> IOF_S2_WIDTH)
		return false;
	for (level = S2_LEVELS;; level--) {
		/* Pairs with the stores of map() and s2_bury(). */
		u64 entry = smp_load_acquire(&table[s2_index(iova, level)]);

		if (!s2_present(entry))
			return false;
		read = read && (entry & S2_READ);
		write = write && (entry & S2_WRITE);
		leaf = s2_is_leaf(entry, level);
		if (leaf || level == 2) {
			*near = (struct iof_s2_near){
				.s2 = s2,
				.table = leaf ? NULL : s2_table(entry),
				.pa = entry & S2_ADDR,
				.key = iova >> s2_shift(level),
				.shift = s2_shift(level),
				.read = read,
				.write = write,
			};
			return true;
		}
		table = s2_table(entry);
	}
}

static bool s2_is_near(const struct iof_stage2 *s2, u64 iova,
		       const struct iof_s2_near *near)
{
	return near->s2 == s2 && near->key == iova >> near->shift;
}

bool iof_stage2_walk_near(const struct iof_stage2 *s2, u64 iova,
			  struct iof_leaf *leaf, struct iof_s2_near *near)
{
	u64 entry;

	if (!s2_is_near(s2, iova, near) && !s2_walk_to(s2, iova, near))
		return false;
	leaf->user = true;
	leaf->read = near->read;
	leaf->write = near->write;
	leaf->shift = near->shift;
	if (!near->table) {
		leaf->pa = near->pa + (iova & ((1ULL << near->shift) - 1));
		return true;
	}
	/* Pairs with the stores of map() and s2_bury(). */
	entry = smp_load_acquire(&near->table[s2_index(iova, 1)]);
	if (!s2_present(entry))
		return false;
	s2_leaf(entry, 1, iova, leaf);
	leaf->read = leaf->read && (entry & S2_READ);
	leaf->write = leaf->write && (entry & S2_WRITE);
	return true;
}

bool iof_stage2_walk(const struct iof_stage2 *s2, u64 iova,
		     struct iof_leaf *leaf)
{
	struct iof_s2_near near = {};

	return iof_stage2_walk_near(s2, iova, leaf, &near);
}

u64 iof_stage2_walk_run(const struct iof_stage2 *s2, u64 iova, u64 len,
			bool write, struct iof_s2_near *near, u64 *pa)
{
	const u64 need = S2_READ | (write ? S2_WRITE : 0);
	u64 offset, entry, run;
	unsigned int i;

	if (!s2_is_near(s2, iova, near) && !s2_walk_to(s2, iova, near))
		return 0;
	if (!near->read || (write && !near->write))
		return 0;
	if (!near->table) {
		offset = iova & ((1ULL << near->shift) - 1);
		*pa = near->pa + offset;
		return min(len, (1ULL << near->shift) - offset);
	}
	i = s2_index(iova, 1);
	/* Pairs with the stores of map() and s2_bury(). */
	entry = smp_load_acquire(&near->table[i]);
	if ((entry & need) != need)
		return 0;
	offset = iova & 0xfff;
	*pa = (entry & S2_ADDR) + offset;
	for (run = 0x1000 - offset; run < len; run += 0x1000) {
		entry += 0x1000;
		if (++i == S2_ENTRIES)
			return run;
		/* Pairs with the stores of map() and s2_bury(). */
		if (smp_load_acquire(&near->table[i]) != entry)
			return run;
	}
	return len;
}
