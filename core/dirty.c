// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dirty.c - dirty tracking: on, off, and the bitmap of pages that devices have
 * written to.
 *
 * The driver keeps a bit for each leaf of its page table. The code here turns
 * these into bits of the user's bitmap. It collects a page-sized window of the
 * bitmap in a kernel buffer and then, with no lock held, ORs it into the user's
 * memory. No other thread may change that memory meanwhile.
 *
 * Rules: hwpt->dirty_lock admits one call at a time to a domain's bits, so that
 * each dirty page is reported to one of them. A leaf that reaches beyond a
 * window is reported with the next window, too.
 */
#include "hwpt.h"

/* Maximum number of bits in a window; the buffer is a page. */
#define WINDOW_BITS (PAGE_SIZE * BITS_PER_BYTE)

struct iof_dirty {
	unsigned long first, last; /* the requested range */
	unsigned long from, to;	   /* range of the present window */
	unsigned long page_size;
	/* bit 0 stands for the page at @from; NULL: no leaf is reported */
	unsigned long *bits;
	/* end of the last leaf found, which may be beyond the window */
	unsigned long reach;
	bool any, found_reach;
	bool clear;
};

static void mark(struct iof_dirty *dirty, unsigned long iova,
		 unsigned long last)
{
	unsigned long start =
		(max(iova, dirty->from) - dirty->from) / dirty->page_size;
	unsigned long end =
		(min(last, dirty->to) - dirty->from) / dirty->page_size;

	bitmap_set(dirty->bits, (unsigned int)start,
		   (unsigned int)(end - start + 1));
	dirty->any = true;
}

bool iof_dirty_found(struct iof_dirty *dirty, unsigned long iova,
		     unsigned long last)
{
	if (!dirty->bits)
		return true; /* drop_dirty() */
	if (WARN_ON(last < dirty->from || iova > dirty->to))
		return false;
	mark(dirty, iova, last);
	if (!dirty->found_reach || last > dirty->reach)
		dirty->reach = last;
	dirty->found_reach = true;
	return dirty->clear && iova >= dirty->first && last <= dirty->last;
}

/*
 * ORs the window into the user's bitmap. @old is a buffer for the former
 * content.
 */
static void deliver(struct iof_dirty *dirty, unsigned long *old,
		    u8 __user *uptr, unsigned long bytes)
{
	if (!dirty->any)
		return;
	bitmap_or(old, old, dirty->bits, WINDOW_BITS);
	if (copy_to_user(uptr, old, bytes))
		return; /* the bits of the window are lost: rule c19 */
}

/*
 * Advances dirty->from and *uptr, by whole bytes of the bitmap, to the next
 * mapped page. Returns false if there is none.
 */
static bool skip_unmapped(struct iof_map *map, struct iof_dirty *dirty,
			  u8 __user **uptr)
{
	unsigned long iova = dirty->from, bits;
	struct iof_area *area;

	down_read(&map->iova_rwsem);
	area = iof_map_first_area(map, dirty->from, dirty->last);
	if (area)
		iova = max(iova, area->iova);
	up_read(&map->iova_rwsem);
	bits = round_down((iova - dirty->from) / dirty->page_size,
			  BITS_PER_BYTE);
	dirty->from += bits * dirty->page_size;
	*uptr += bits / BITS_PER_BYTE;
	return area != NULL;
}

/*
 * Sets up the window from dirty->from on. Its bits lie in one page of the
 * user's memory. Returns its number of bytes.
 */
static unsigned long choose_window(struct iof_dirty *dirty,
				   const u8 __user *uptr)
{
	unsigned long bytes = PAGE_SIZE - ((unsigned long)uptr & ~PAGE_MASK),
		      step;

	if (check_mul_overflow(dirty->page_size, bytes * BITS_PER_BYTE, &step))
		step = ULONG_MAX;
	dirty->to = dirty->from + min(dirty->last - dirty->from, step - 1);
	return BITS_TO_BYTES((dirty->to - dirty->from) / dirty->page_size + 1);
}

/*
 * Reports window by window; a window has the bits of one page of the user's
 * memory. If a page of the bitmap is absent, its part is not reported and stays
 * dirty. If it is read-only, its bits are lost. Neither is an error: rule c19.
 */
static int read_windows(struct iof_hwpt *hwpt, struct iof_dirty *dirty,
			unsigned long *old, u8 __user *uptr)
{
	const struct iof_domain_ops *ops = hwpt->domain->ops;
	unsigned long bytes;

	while (skip_unmapped(&hwpt->ioas->map, dirty, &uptr)) {
		bytes = choose_window(dirty, uptr);
		if (!copy_from_user(old, uptr, bytes)) {
			dirty->any = false;
			memset(dirty->bits, 0, PAGE_SIZE);
			if (dirty->found_reach && dirty->reach >= dirty->from)
				mark(dirty, dirty->from, dirty->reach);
			if (mutex_lock_killable(&hwpt->dirty_lock))
				return -EINTR;
			ops->read_dirty(hwpt->domain, dirty->from, dirty->to,
					dirty);
			mutex_unlock(&hwpt->dirty_lock);
			deliver(dirty, old, uptr, bytes);
		}
		if (dirty->to == dirty->last)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		dirty->from = dirty->to + 1;
		uptr += bytes;
		cond_resched();
	}
	return 0;
}

static int read_dirty(struct iof_hwpt *hwpt,
		      const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	struct iof_dirty dirty = {
		.first = cmd->iova,
		.last = cmd->iova + cmd->length - 1,
		.from = cmd->iova,
		.page_size = cmd->page_size,
		.clear = !(cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR),
	};
	unsigned long *old;
	int rc = -ENOMEM;

	dirty.bits = (unsigned long *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	old = (unsigned long *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (dirty.bits && old)
		rc = read_windows(hwpt, &dirty, old,
				  u64_to_user_ptr(cmd->data));
	if (dirty.bits)
		free_page((unsigned long)dirty.bits);
	if (old)
		free_page((unsigned long)old);
	return rc;
}

/* Checks the range and the page size of a bit: rule c17. */
static int check_range(struct iof_hwpt *hwpt,
		       const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	unsigned long alignment = iof_map_alignment(&hwpt->ioas->map), last;

	if (!cmd->length)
		return -EINVAL;
	if (check_add_overflow((unsigned long)cmd->iova,
			       (unsigned long)cmd->length - 1, &last))
		return -EOVERFLOW;
	if (!cmd->page_size)
		return -EINVAL;
	if ((cmd->iova | (last + 1)) & ((alignment - 1) | (cmd->page_size - 1)))
		return -EINVAL;
	return 0;
}

/* Returns a paging HWPT with a short-lived hold. */
static struct iof_hwpt *paging_hwpt(struct iof_ctx *ctx, u32 id)
{
	struct iof_object *obj = iof_object_get(ctx, id, &iof_hwpt_paging_ops);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iof_hwpt, obj);
}

/* Was @hwpt allocated with DIRTY_TRACKING? */
static bool can_track(const struct iof_hwpt *hwpt)
{
	return hwpt->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING &&
	       hwpt->domain->ops->read_dirty;
}

int iof_hwpt_get_dirty_bitmap_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_hwpt_get_dirty_bitmap *cmd = ucmd->cmd;
	struct iof_hwpt *hwpt;
	int rc;

	if (cmd->flags & ~(u32)IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR ||
	    cmd->__reserved)
		return -EOPNOTSUPP;
	hwpt = paging_hwpt(ucmd->ctx, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	/* As on Linux, a bad range is reported first. */
	rc = check_range(hwpt, cmd);
	if (!rc)
		rc = can_track(hwpt) ? read_dirty(hwpt, cmd) : -EOPNOTSUPP;
	iof_object_put(&hwpt->obj);
	return rc;
}

/*
 * Makes all leaves clean whose dirt is older than the tracking. Called with
 * dirty_lock held.
 */
static void drop_dirty(struct iof_hwpt *hwpt)
{
	struct iof_map *map = &hwpt->ioas->map;
	struct iof_dirty dirty = { .clear = true };
	unsigned long iova = 0, last;
	struct iof_area *area;

	do {
		down_read(&map->iova_rwsem);
		area = iof_map_first_area(map, iova, ULONG_MAX);
		if (area) {
			iova = max(iova, area->iova);
			last = area->last;
		}
		up_read(&map->iova_rwsem);
		if (!area)
			break;
		hwpt->domain->ops->read_dirty(hwpt->domain, iova, last, &dirty);
		cond_resched();
		iova = last + 1;
	} while (iova);
}

int iof_hwpt_set_dirty_tracking_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_hwpt_set_dirty_tracking *cmd = ucmd->cmd;
	struct iof_hwpt *hwpt;
	int rc;

	if (cmd->flags & ~(u32)IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return -EOPNOTSUPP;
	hwpt = paging_hwpt(ucmd->ctx, cmd->hwpt_id);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	rc = -EOPNOTSUPP;
	if (can_track(hwpt)) {
		rc = mutex_lock_killable(&hwpt->dirty_lock);
		if (!rc) {
			rc = hwpt->domain->ops->set_dirty_tracking(hwpt->domain,
								   cmd->flags);
			if (rc > 0) {
				drop_dirty(hwpt);
				rc = 0;
			}
			mutex_unlock(&hwpt->dirty_lock);
		}
	}
	iof_object_put(&hwpt->obj);
	return rc;
}
