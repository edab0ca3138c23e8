// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * access.c - in-kernel access to an I/O address space, for emulated devices.
 *
 * Owns struct iof_access: an object with an unpublished id, which holds its
 * context and the IOAS that it uses. Its owner copies to and from I/O virtual
 * addresses. Or it pins the pages behind them until it unpins, or until a
 * thread unmaps the range: that calls the owner's unmap(), which must unpin at
 * once.
 *
 * Rules: an area with pins of an access is neither removed nor cut;
 * iof_area.accesses counts pinned ranges. Pinning counts under the map's
 * iova_rwsem, so an unmap that found no pins meets none later. To move to
 * another IOAS, an access first refuses new pins, then has the old ones
 * released by unmap(), and then moves.
 */
#include "ioas.h"

/* ---- life ---- */

static void free_access(struct iof_object *obj)
{
	struct iof_access *access = container_of(obj, struct iof_access, obj);

	mutex_destroy(&access->lock);
	kfree(access);
}

static const struct iof_object_ops access_ops = {
	.destroy = free_access,
};

struct iof_access *iof_access_create(struct iof_ctx *ctx,
				     const struct iof_access_ops *ops,
				     void *priv)
{
	struct iof_access *access =
		kzalloc(sizeof(*access), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!access)
		return ERR_PTR(-ENOMEM);
	access->ctx = ctx;
	access->ops = ops;
	access->priv = priv;
	mutex_init(&access->lock);
	init_rwsem(&access->ioas_rwsem);
	rc = iof_object_reserve(ctx, &access->obj, &access_ops);
	if (rc) {
		mutex_destroy(&access->lock);
		kfree(access);
		return ERR_PTR(rc);
	}
	iof_ctx_get(ctx);
	/* The owner's hold: with it DESTROY of the id returns -EBUSY. */
	iof_object_hold(&access->obj);
	iof_object_publish(ctx, &access->obj);
	return access;
}

/*
 * Releases the access's pins and its IOAS, if it has one. Called with
 * iof_access.lock held.
 */
static void leave_ioas(struct iof_access *access)
{
	struct iof_ioas *old = access->pinned_in;

	lockdep_assert_held(&access->lock);
	if (!old)
		return;
	down_write(&access->ioas_rwsem);
	access->ioas = NULL;
	up_write(&access->ioas_rwsem);
	if (access->ops->unmap)
		access->ops->unmap(access->priv, 0, ULONG_MAX);
	/* Waits for any unmap() call for this IOAS. */
	iof_map_remove_access(&old->map, access->entry);
	down_write(&access->ioas_rwsem);
	access->pinned_in = NULL;
	up_write(&access->ioas_rwsem);
	iof_object_unhold(&old->obj);
}

void iof_access_destroy(struct iof_access *access)
{
	struct iof_ctx *ctx = access->ctx;

	mutex_lock(&access->lock);
	leave_ioas(access);
	mutex_unlock(&access->lock);
	iof_object_remove(ctx, &access->obj);
	iof_ctx_put(ctx);
}

/* ---- which IOAS ---- */

int iof_access_attach(struct iof_access *access, u32 ioas_id)
{
	struct iof_ioas *ioas = iof_ioas_get(access->ctx, ioas_id);
	struct iof_map_access *entry;
	int rc = 0;

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	if (mutex_lock_killable(&access->lock)) {
		rc = -EINTR;
		goto out_put;
	}
	if (access->pinned_in != ioas) {
		/*
		 * The access is in two maps for a moment; an unmap() for the
		 * new one finds no pins.
		 */
		entry = iof_map_add_access(&ioas->map, access);
		rc = PTR_ERR_OR_ZERO(entry);
		if (!rc) {
			iof_object_hold(&ioas->obj);
			leave_ioas(access);
			access->entry = entry;
			down_write(&access->ioas_rwsem);
			access->ioas = ioas;
			access->pinned_in = ioas;
			up_write(&access->ioas_rwsem);
		}
	}
	mutex_unlock(&access->lock);
out_put:
	iof_object_put(&ioas->obj);
	return rc;
}

/* ---- pins ---- */

/* Sets the first and the last page of @area that hold bytes of [iova, last]. */
static void area_pages(struct iof_area *area, unsigned long iova,
		       unsigned long last, unsigned long *first_page,
		       unsigned long *last_page)
{
	unsigned long start = max(iova, area->iova) - area->iova;
	unsigned long end = min(last, area->last) - area->iova;

	*first_page = (area->offset + start) >> PAGE_SHIFT;
	*last_page = (area->offset + end) >> PAGE_SHIFT;
}

static int may_use(struct iof_area *area, unsigned int prot)
{
	if (area->busy)
		return -ENOENT;
	return (area->prot & prot) == prot ? 0 : -EPERM;
}

static void unpin_areas(struct iof_map *map, unsigned long iova,
			unsigned long last)
{
	struct iof_area *area;
	unsigned long from, to;

	lockdep_assert_held(&map->iova_rwsem);
	for (area = iof_map_first_area(map, iova, last);
	     area && area->iova <= last; area = iof_map_next_area(area)) {
		area_pages(area, iova, last, &from, &to);
		iof_pages_unpin(area->pages, from, to);
		WARN_ON(atomic_dec_return(&area->accesses) < 0);
		cond_resched();
	}
}

/*
 * Pins the part in one area. *pages points to the entries for its pages, and
 * advances.
 */
static int pin_area(struct iof_area *area, unsigned long iova,
		    unsigned long last, unsigned int prot, struct page ***pages)
{
	unsigned long start = area->offset + (iova - area->iova);
	unsigned long end = area->offset + (area->last - area->iova) + 1;
	unsigned long from, to;
	int rc;

	/*
	 * Pages must be consecutive and whole; only the last may be used in
	 * part.
	 */
	if (!area->busy && (area->leaving || !PAGE_ALIGNED(start) ||
			    (area->last < last && !PAGE_ALIGNED(end))))
		return -EINVAL;
	rc = may_use(area, prot);
	if (rc)
		return rc;
	area_pages(area, iova, last, &from, &to);
	rc = iof_pages_pin(area->pages, from, to);
	if (rc)
		return rc;
	atomic_inc(&area->accesses);
	for (; from <= to; from++)
		*(*pages)++ = iof_pages_page(area->pages, from);
	return 0;
}

static int pin_areas(struct iof_map *map, unsigned long iova,
		     unsigned long last, unsigned int prot, struct page **pages)
{
	unsigned long at = iova;
	struct iof_area *area;
	int rc = -ENOENT;

	lockdep_assert_held(&map->iova_rwsem);
	for (area = iof_map_first_area(map, iova, last); area;
	     area = iof_map_next_area(area)) {
		rc = -ENOENT;
		if (area->iova > at)
			break;
		rc = pin_area(area, at, last, prot, &pages);
		if (rc || area->last >= last)
			break;
		at = area->last + 1;
		rc = -ENOENT;
		cond_resched();
	}
	if (rc && at != iova)
		unpin_areas(map, iova, at - 1);
	return rc;
}

int iof_access_pin(struct iof_access *access, unsigned long iova,
		   unsigned long last, bool write, struct page **pages)
{
	unsigned int prot = write ? IOF_PROT_WRITE : IOF_PROT_READ;
	struct iof_map *map;
	int rc = -ENOENT;

	if (WARN_ON(!access->ops->pins_pages || !access->ops->unmap ||
		    last < iova))
		return -EINVAL;
	if (down_read_killable(&access->ioas_rwsem))
		return -EINTR;
	if (access->ioas) {
		map = &access->ioas->map;
		rc = down_read_killable(&map->iova_rwsem);
		if (rc)
			goto out;
		rc = pin_areas(map, iova, last, prot, pages);
		up_read(&map->iova_rwsem);
	}
out:
	up_read(&access->ioas_rwsem);
	return rc;
}

void iof_access_unpin(struct iof_access *access, unsigned long iova,
		      unsigned long last)
{
	down_read(&access->ioas_rwsem);
	if (!WARN_ON(!access->pinned_in)) {
		struct iof_map *map = &access->pinned_in->map;

		down_read(&map->iova_rwsem);
		unpin_areas(map, iova, last);
		up_read(&map->iova_rwsem);
	}
	up_read(&access->ioas_rwsem);
}

/* ---- copies ---- */

static int copy_in_page(struct page *page, unsigned long offset, void *buf,
			size_t n, bool write)
{
	void *va = kmap_local_page(page);
	size_t left;

	if (write)
		left = iof_plat_copy(va + offset, buf, n);
	else
		left = iof_plat_copy(buf, va + offset, n);
	kunmap_local(va);
	return left ? -EFAULT : 0;
}

/*
 * Copies the part of [iova, last] in @area. Returns the number of bytes or a
 * negative errno.
 */
static long copy_area(struct iof_area *area, unsigned long iova,
		      unsigned long last, void *buf, bool write)
{
	unsigned long at = area->offset + (iova - area->iova);
	unsigned long left = min(last, area->last) - iova + 1, done = 0, from,
		      to;
	int rc = may_use(area, write ? IOF_PROT_WRITE : IOF_PROT_READ);

	if (rc)
		return rc;
	area_pages(area, iova, last, &from, &to);
	rc = iof_pages_pin(area->pages, from, to);
	if (rc)
		return rc;
	while (!rc && done < left) {
		unsigned long offset = (at + done) & ~PAGE_MASK;
		unsigned long n = min(left - done, PAGE_SIZE - offset);

		rc = copy_in_page(iof_pages_page(area->pages,
						 (at + done) >> PAGE_SHIFT),
				  offset, buf + done, n, write);
		done += n;
		cond_resched();
	}
	iof_pages_unpin(area->pages, from, to);
	return rc ? rc : (long)done;
}

static int copy_areas(struct iof_map *map, unsigned long iova,
		      unsigned long last, void *buf, bool write)
{
	struct iof_area *area;
	int rc;

	lockdep_assert_held(&map->iova_rwsem);
	for (area = iof_map_first_area(map, iova, last); area;
	     area = iof_map_next_area(area)) {
		long n;

		if (area->iova > iova)
			break;
		n = copy_area(area, iova, last, buf, write);
		if (n < 0)
			return (int)n;
		if (area->last >= last)
			return 0;
		iova += (unsigned long)n;
		buf += n;
		rc = iof_resched();
		if (rc)
			return rc;
	}
	return -ENOENT;
}

int iof_access_rw(struct iof_access *access, unsigned long iova, void *buf,
		  size_t len, bool write)
{
	unsigned long last;
	struct iof_map *map;
	int rc = -ENOENT;

	if (!len)
		return -EINVAL;
	if (check_add_overflow(iova, len - 1, &last))
		return -EOVERFLOW;
	if (down_read_killable(&access->ioas_rwsem))
		return -EINTR;
	if (access->ioas) {
		map = &access->ioas->map;
		rc = down_read_killable(&map->iova_rwsem);
		if (rc)
			goto out;
		rc = copy_areas(map, iova, last, buf, write);
		up_read(&map->iova_rwsem);
	}
out:
	up_read(&access->ioas_rwsem);
	return rc;
}
