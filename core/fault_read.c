// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fault_read.c - read() of a fault queue's descriptor: takes page-request
 * groups off the inbox and delivers their records.
 *
 * Rules: a reader keeps no hold on the groups that it delivers. It fills a
 * chunk of its own with their records. If the copy to the user fails, it finds
 * a group again by its cookie and puts it back. queue->lock is held to fill at
 * most one chunk and dropped for each copy.
 */
#include "fault_queue_private.h"
#include "trace.h"

/*
 * Number of records that are filled in one critical section, and written by one
 * copy.
 */
#define IOF_READ_CHUNK 32

/* Records of the groups that one read delivers. */
struct iof_chunk {
	struct iommu_hwpt_pgfault rec[IOF_READ_CHUNK];
};

static __always_inline u32 note_last(struct iof_chunk *chunk, u32 nr,
				     const struct iof_prg *prg)
{
	iof_fault_record(&chunk->rec[nr], &prg->req, prg->dev_id);
	chunk->rec[nr].cookie = prg->cookie;
	return nr + 1;
}

static u32 note_page(struct iof_chunk *chunk, u32 nr, const struct iof_prg *prg,
		     const struct iof_prg_page *page)
{
	chunk->rec[nr] = page->rec;
	chunk->rec[nr].cookie = prg->cookie;
	return nr + 1;
}

/*
 * Traces a delivery. Called with the lock held, so that the event precedes that
 * of the response.
 */
static __always_inline void trace_delivery(const struct iof_fault_queue *queue,
					   const struct iof_prg *prg)
{
	trace_deliver(prg->dev->name, iof_req_pasid(&prg->req), prg->req.grpid,
		      prg->cookie, prg->nr_pages, prg->req.sent, queue->obj.id,
		      prg->dev_id);
}

/*
 * Takes groups off the inbox and fills @chunk with their records, as many as
 * fit into @chunk and into @room records. Returns the number of records; 0 if
 * the first group does not fit. Called with the lock held.
 */
static __always_inline u32 pop_groups(struct iof_fault_queue *queue,
				      size_t room, struct iof_chunk *chunk)
{
	const u32 most = min_t(size_t, room, ARRAY_SIZE(chunk->rec));
	struct iof_prg *prg;
	struct iof_prg_page *page;
	struct list_head *node;
	u32 nr = 0, groups = 0;

	list_for_each(node, &queue->inbox) {
		prg = list_entry(node, struct iof_prg, node);
		if (prg->nr_pages > most - nr)
			break;
		prg->cookie = iof_cookie_give(&queue->cookies, prg);
		if (WARN_ON_ONCE(!prg->cookie))
			break;
		if (unlikely(prg->nr_pages > 1)) {
			list_for_each_entry(page, &prg->pages, node)
				nr = note_page(chunk, nr, prg, page);
		}
		nr = note_last(chunk, nr, prg);
		trace_delivery(queue, prg);
		groups++;
	}
	/* Unlink all groups before @node at once. */
	__list_del(&queue->inbox, node);
	count_queued(queue, -groups);
	queue->nr_delivered += groups;
	return nr;
}

/*
 * Puts the group of @cookie back at the head of the inbox, unless it was
 * answered meanwhile. Returns the number of groups put back, for
 * wake_readers(): another thread may have seen the queue empty. Called with the
 * lock held.
 */
static int put_back(struct iof_fault_queue *queue, u32 cookie)
{
	struct iof_prg *prg = iof_cookie_take(&queue->cookies, cookie);

	if (!prg)
		return 0;
	prg->cookie = 0;
	list_add(&prg->node, &queue->inbox);
	count_queued(queue, 1);
	queue->nr_delivered--;
	return 1;
}

/*
 * Handles a copy to the user that stopped after @copied bytes of the @nr
 * records in @chunk. Puts back the groups that the user did not get whole.
 * Returns the number of records of the groups that the user has whole.
 */
static noinline u32 take_back(struct iof_fault_queue *queue,
			      const struct iof_chunk *chunk, u32 nr,
			      size_t copied)
{
	u32 arrived = copied / sizeof(chunk->rec[0]), i;
	int nr_back = 0;

	while (arrived &&
	       !(chunk->rec[arrived - 1].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE))
		arrived--;
	spin_lock(&queue->lock);
	for (i = nr; i-- > arrived;) {
		if (chunk->rec[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE)
			nr_back += put_back(queue, chunk->rec[i].cookie);
	}
	spin_unlock(&queue->lock);
	if (nr_back)
		wake_readers(queue, nr_back);
	return arrived;
}

/*
 * Delivers the first group, which is larger than a chunk, in parts, if it fits
 * into @room. Drops the lock for each copy, and looks the group up again
 * afterwards. Called with the lock held, returns without it. Returns the number
 * of records, 0 if the group was answered meanwhile, or -EINVAL, -EFAULT,
 * -ENOMEM.
 */
static noinline ssize_t read_large(struct iof_fault_queue *queue,
				   struct iov_iter *to, size_t room,
				   struct iof_chunk *chunk)
	__releases(&queue->lock)
{
	struct iof_prg *prg =
		list_first_entry(&queue->inbox, struct iof_prg, node);
	struct iof_prg_page *page;
	u32 total = prg->nr_pages, left = total, cookie, nr;
	size_t bytes, copied = 0;
	int nr_back = 0;
	ssize_t rc;

	rc = total > room ? -EINVAL : -ENOMEM;
	if (total <= ARRAY_SIZE(chunk->rec) || total > room)
		goto out_unlock;
	cookie = iof_cookie_give(&queue->cookies, prg);
	if (WARN_ON_ONCE(!cookie))
		goto out_unlock;
	prg->cookie = cookie;
	list_del(&prg->node);
	count_queued(queue, -1);
	queue->nr_delivered++;
	trace_delivery(queue, prg);

	page = list_first_entry(&prg->pages, struct iof_prg_page, node);
	while (iof_cookie_owner(&queue->cookies, cookie) == prg) {
		for (nr = 0; left > 1 && nr < ARRAY_SIZE(chunk->rec); left--) {
			nr = note_page(chunk, nr, prg, page);
			page = list_next_entry(page, node);
		}
		if (left == 1 && nr < ARRAY_SIZE(chunk->rec)) {
			nr = note_last(chunk, nr, prg);
			left--;
		}
		spin_unlock(&queue->lock);
		bytes = copy_to_iter(chunk->rec, nr * sizeof(chunk->rec[0]),
				     to);
		if (!left && bytes == nr * sizeof(chunk->rec[0]))
			return total;
		copied += bytes;
		cond_resched();
		spin_lock(&queue->lock);
		if (bytes < nr * sizeof(chunk->rec[0])) {
			nr_back = put_back(queue, cookie);
			rc = -EFAULT;
			goto out_unlock;
		}
	}
	iov_iter_revert(to, copied);
	rc = 0;
out_unlock:
	spin_unlock(&queue->lock);
	if (nr_back)
		wake_readers(queue, nr_back);
	return rc;
}

/*
 * Returns the result of a read of an empty queue. A plain read returns 0, on
 * which clients rely. A read that can wait for readiness by itself (no-wait,
 * io_uring) gets -EAGAIN.
 */
static ssize_t nothing_queued(struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_NOWAIT || !is_sync_kiocb(iocb) ? -EAGAIN :
								      0;
}

/* Where read() copies records to: an iterator, or a buffer of the caller. */
struct iof_dest {
	struct iov_iter *iter; /* NULL: copy to @buf */
	char __user *buf;
};

/*
 * Copies the next @nr records. A constant size avoids the kernel's run-time
 * check of it. Returns the number of bytes copied.
 */
static __always_inline size_t put_records(struct iof_dest *to,
					  const struct iof_chunk *chunk, u32 nr)
{
	const size_t size = sizeof(chunk->rec[0]);
	size_t left;

	if (to->iter)
		return nr == 1 ? copy_to_iter(chunk->rec, size, to->iter) :
				 copy_to_iter(chunk->rec, nr * size, to->iter);
	left = nr == 1 ? copy_to_user(to->buf, chunk->rec, size) :
			 copy_to_user(to->buf, chunk->rec, nr * size);
	to->buf += nr * size - left;
	return nr * size - left;
}

/* Does read_large() for either destination. */
static noinline ssize_t read_large_to(struct iof_fault_queue *queue,
				      struct iof_dest *to, size_t room,
				      struct iof_chunk *chunk)
	__releases(&queue->lock)
{
	struct iov_iter iter;
	ssize_t rc;

	if (to->iter)
		return read_large(queue, to->iter, room, chunk);
	rc = import_ubuf(ITER_DEST, to->buf, room * sizeof(chunk->rec[0]),
			 &iter);
	if (rc) {
		spin_unlock(&queue->lock);
		return rc;
	}
	rc = read_large(queue, &iter, room, chunk);
	if (rc > 0)
		to->buf += rc * sizeof(chunk->rec[0]);
	return rc;
}

/*
 * Delivers groups until @room records are full or the queue is empty. Returns
 * the number of bytes, 0: the queue was empty, or -EINVAL, -EFAULT, -ENOMEM.
 */
static __always_inline ssize_t read_groups(struct iof_fault_queue *queue,
					   struct iof_dest *to, size_t room)
{
	const size_t size = sizeof(struct iommu_hwpt_pgfault);
	struct iof_chunk chunk __uninitialized;
	size_t total = 0, copied;
	ssize_t rc = 0;
	u32 nr;

	/*
	 * Read the count without the lock: a thread that polls an empty queue
	 * does not delay threads that fill it.
	 */
	while (READ_ONCE(queue->nr_queued)) {
		spin_lock(&queue->lock);
		if (unlikely(!queue->nr_queued)) {
			spin_unlock(&queue->lock);
			break;
		}
		nr = pop_groups(queue, room - total, &chunk);
		if (unlikely(!nr)) {
			rc = read_large_to(queue, to, room - total, &chunk);
			if (rc < 0)
				break;
			total += rc;
			continue;
		}
		spin_unlock(&queue->lock);
		copied = put_records(to, &chunk, nr);
		if (unlikely(copied < nr * size)) {
			total += take_back(queue, &chunk, nr, copied);
			rc = -EFAULT;
			break;
		}
		total += nr;
		if (total == room)
			break;
		cond_resched();
	}
	return total ? (ssize_t)(total * size) : rc;
}

ssize_t iof_fault_queue_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	const size_t size = sizeof(struct iommu_hwpt_pgfault);
	size_t room = iov_iter_count(to) / size;
	struct iof_dest dest = { .iter = to };

	if (iov_iter_count(to) != room * size || iocb->ki_pos)
		return -ESPIPE;
	return read_groups(iocb->ki_filp->private_data, &dest, room) ?:
		       nothing_queued(iocb);
}

static noinline ssize_t read_plain(struct iof_fault_queue *queue,
				   char __user *buf, size_t room)
{
	struct iof_dest dest = { .buf = buf };

	return read_groups(queue, &dest, room);
}

ssize_t iof_fault_queue_read(struct file *file, char __user *buf, size_t len,
			     loff_t *pos __always_unused)
{
	const size_t size = sizeof(struct iommu_hwpt_pgfault);
	struct iof_fault_queue *queue = file->private_data;

	if (len % size)
		return -ESPIPE;
	/* A thread that polls an empty queue needs no frame for records. */
	if (!READ_ONCE(queue->nr_queued))
		return 0;
	return read_plain(queue, buf, len / size);
}
