// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fault_queue.c - the fault queue: holds complete page-request groups for a
 * reader, and delivered ones until their response.
 *
 * A group is queued on the inbox. A reader takes it off and gives it a cookie:
 * it is delivered (fault_read.c). write() finds it by its cookie and responds.
 * Detach and replace (sweep) and the last close answer every group that is
 * open, queued or delivered.
 *
 * Rules:
 * - The thread that takes a group off attach->open, under queue->lock, answers
 *   the group.
 * - From then until the driver's page_responses() has returned, the group
 * counts in attach->answering. A sweep waits until that is zero, so the
 * attachment, the HWPT and the device outlive the answer.
 * - queue->lock is held to link and unlink groups, each in O(1), and to fill
 * the records of at most one chunk. It is never held across a copy to or from
 * the user, an allocation or an answer.
 * - Each open group has a cookie slot, made before the group is queued
 *   (fault_slots.c), so reading neither allocates nor runs out.
 */
#include "fault_queue_private.h"
#include "trace.h"

/*
 * Number of responses that one copy reads, and that are looked up in one
 * critical section.
 */
#define IOF_WRITE_CHUNK IOF_ANSWERS_MAX
/*
 * Number of groups that a sweep or the last close takes in one critical
 * section.
 */
#define IOF_SWEEP_CHUNK IOF_ANSWERS_MAX
/*
 * With fewer delivered groups, all that a response touches is in the L1 cache.
 */
#define IOF_PREFETCH_FROM 256

static struct iof_fault_queue *from_sink(struct iof_fault_sink *sink)
{
	return container_of(sink, struct iof_fault_queue, sink);
}

/* ---- taking groups away and answering them ---- */

/*
 * attach->open changes twice for each fault. These are list_add_tail() and
 * list_del() without the out-of-line check of CONFIG_LIST_HARDENED. Under KASAN
 * the checked functions run.
 */
static void add_open(struct iof_prg *prg, struct iof_attach *attach)
{
	struct list_head *last = attach->open.prev;

	if (kasan_enabled()) {
		list_add_tail(&prg->open_node, &attach->open);
		return;
	}
	prg->open_node.next = &attach->open;
	prg->open_node.prev = last;
	attach->open.prev = &prg->open_node;
	last->next = &prg->open_node;
}

/*
 * Takes @prg off attach->open. @prg is not on the inbox and has no cookie.
 * Called with the lock held.
 */
static void take_open(struct iof_prg_answer *taken, struct iof_prg *prg,
		      enum iof_page_code code, enum iof_why why)
{
	if (kasan_enabled())
		list_del(&prg->open_node);
	else
		__list_del(prg->open_node.prev, prg->open_node.next);
	atomic_inc(&prg->attach->answering);
	taken->prg = prg;
	taken->attach = prg->attach;
	taken->code = code;
	taken->why = why;
}

/*
 * Takes @prg off attach->open and the inbox or the cookie table; the core will
 * answer it. Called with the lock held.
 */
static void take_swept(struct iof_fault_queue *queue,
		       struct iof_prg_answer *taken, struct iof_prg *prg,
		       enum iof_why why)
{
	lockdep_assert_held(&queue->lock);
	if (prg->cookie) {
		WARN_ON_ONCE(iof_cookie_take(&queue->cookies, prg->cookie) !=
			     prg);
		queue->nr_delivered--;
	} else {
		list_del(&prg->node);
		count_queued(queue, -1);
	}
	iof_iopf_count_swept(prg);
	take_open(taken, prg, IOF_PAGE_INVALID, why);
}

/* Called when attach->answering became zero. */
static void wake_sweepers(struct iof_fault_queue *queue)
{
	if (wq_has_sleeper(&queue->answers_done))
		wake_up_all(&queue->answers_done);
}

/*
 * Answers groups that were taken off attach->open. Called without the lock. An
 * attachment may be freed as soon as its last answer is counted.
 */
static void answer_taken(struct iof_fault_queue *queue,
			 const struct iof_prg_answer *taken, u32 nr)
{
	bool idle = false;
	u32 i, next;

	iof_iopf_respond_many(taken, nr);
	for (i = 0; i < nr; i = next) {
		for (next = i + 1;
		     next < nr && taken[next].attach == taken[i].attach;)
			next++;
		idle |= atomic_sub_and_test(next - i,
					    &taken[i].attach->answering);
	}
	if (idle)
		wake_sweepers(queue);
}

/* ---- as a sink of attachments ---- */

static int fault_queue_queue(struct iof_fault_sink *sink,
			     struct iof_attach *attach,
			     struct list_head *groups, u32 nr)
{
	struct iof_fault_queue *queue = from_sink(sink);
	struct iof_prg *prg;
	int rc = 0;
	u32 open;

	spin_lock(&queue->lock);
	open = nr_open_groups(queue) + nr;
	if (unlikely(open > queue->grow_from))
		iof_fault_slots_ahead(queue);
	if (unlikely(queue->closed))
		rc = -EPIPE;
	else if (unlikely(open > queue->nr_slots))
		rc = -ENOSPC;
	if (unlikely(rc)) {
		spin_unlock(&queue->lock);
		return rc;
	}
	list_for_each_entry(prg, groups, node)
		add_open(prg, attach);
	list_splice_tail_init(groups, &queue->inbox);
	count_queued(queue, nr);
	spin_unlock(&queue->lock);
	wake_readers(queue, nr);
	return 0;
}

static void fault_queue_hold(struct iof_fault_sink *sink)
{
	iof_fault_slots_hold(from_sink(sink));
}

static int fault_queue_grow(struct iof_fault_sink *sink, u32 nr)
{
	return iof_fault_slots_grow(from_sink(sink), nr);
}

/* Makes pollers look again: a sweep may have emptied the inbox. */
static void wake_after_removal(struct iof_fault_queue *queue)
{
	if (wq_has_sleeper(&queue->readable))
		wake_up_interruptible_poll(&queue->readable, EPOLLOUT);
}

static void fault_queue_sweep(struct iof_fault_sink *sink,
			      struct iof_attach *attach,
			      const struct iof_hwdev *dev)
{
	struct iof_fault_queue *queue = from_sink(sink);
	struct iof_prg_answer taken[IOF_SWEEP_CHUNK] __uninitialized;
	enum iof_why why = dev ? IOF_WHY_DETACH : iof_iopf_why_swept(attach);
	struct iof_prg *prg, *next;
	u32 nr;

	do {
		nr = 0;
		spin_lock(&queue->lock);
		list_for_each_entry_safe(prg, next, &attach->open, open_node) {
			if (dev && prg->dev != dev)
				continue;
			take_swept(queue, &taken[nr++], prg, why);
			if (nr == ARRAY_SIZE(taken))
				break;
		}
		queue->swept += nr;
		spin_unlock(&queue->lock);
		if (nr)
			answer_taken(queue, taken, nr);
		cond_resched();
	} while (nr == ARRAY_SIZE(taken));

	wake_after_removal(queue);
	wait_event(queue->answers_done,
		   !atomic_read_acquire(&attach->answering));
}

static const struct iof_fault_sink_ops fault_queue_sink_ops = {
	.queue = fault_queue_queue,
	.hold = fault_queue_hold,
	.grow = fault_queue_grow,
	.sweep = fault_queue_sweep,
};

/* ---- write ---- */

/*
 * With many open faults, a response misses the cache at its slot, its record
 * and the record's neighbours on the open list. Prefetches these for a whole
 * chunk, so that the misses overlap.
 */
static void prefetch_responded(struct iof_fault_queue *queue,
			       const struct iommu_hwpt_page_response *resp,
			       u32 nr)
{
	struct iof_prg *prg;
	u32 i;

	if (nr < 2 || queue->nr_delivered < IOF_PREFETCH_FROM)
		return;
	for (i = 0; i < nr; i++)
		iof_cookie_prefetch(&queue->cookies, resp[i].cookie);
	for (i = 0; i < nr; i++) {
		prg = iof_cookie_owner(&queue->cookies, resp[i].cookie);
		if (prg) {
			prefetchw(prg);
			prefetch(&prg->req);
		}
	}
	for (i = 0; i < nr; i++) {
		prg = iof_cookie_owner(&queue->cookies, resp[i].cookie);
		if (prg) {
			prefetchw(prg->open_node.next);
			prefetchw(prg->open_node.prev);
		}
	}
}

/*
 * Takes the groups that @nr responses name, up to the first bad response.
 * Returns the number of groups. Called with the lock held.
 */
static __always_inline u32
take_responded(struct iof_fault_queue *queue,
	       const struct iommu_hwpt_page_response *resp, u32 nr,
	       struct iof_prg_answer *taken)
{
	struct iof_prg *prg;
	u32 i;

	prefetch_responded(queue, resp, nr);
	for (i = 0; i < nr; i++) {
		prg = NULL;
		if (resp[i].code == IOMMUFD_PAGE_RESP_SUCCESS ||
		    resp[i].code == IOMMUFD_PAGE_RESP_INVALID)
			prg = iof_cookie_take(&queue->cookies, resp[i].cookie);
		if (unlikely(!prg)) {
			queue->rejected++;
			break;
		}
		take_open(&taken[i], prg, resp[i].code, IOF_WHY_RESPONSE);
	}
	queue->nr_delivered -= i;
	queue->responded += i;
	return i;
}

/*
 * Fast path for one response; 276 instructions less than write_many() (make
 * vm-bench).
 */
static __always_inline ssize_t
write_one(struct iof_fault_queue *queue,
	  const struct iommu_hwpt_page_response *resp)
{
	struct iof_prg_answer taken = {};

	spin_lock(&queue->lock);
	if (!take_responded(queue, resp, 1, &taken)) {
		spin_unlock(&queue->lock);
		return -EINVAL;
	}
	spin_unlock(&queue->lock);
	iof_iopf_respond(taken.prg, taken.code, taken.why);
	if (atomic_dec_and_test(&taken.attach->answering))
		wake_sweepers(queue);
	return sizeof(*resp);
}

/*
 * Copies and takes responses in chunks, one critical section of the queue's
 * lock for each chunk.
 */
static ssize_t write_many(struct iof_fault_queue *queue, struct iov_iter *from,
			  size_t left)
{
	struct iommu_hwpt_page_response resp[IOF_WRITE_CHUNK] __uninitialized;
	struct iof_prg_answer taken[IOF_WRITE_CHUNK] __uninitialized;
	size_t done = 0;
	u32 want, copied, good;
	int rc = 0;

	while (left && !rc) {
		want = min_t(size_t, left, ARRAY_SIZE(resp));
		copied = copy_from_iter(resp, want * sizeof(resp[0]), from) /
			 sizeof(resp[0]);
		if (unlikely(copied < want))
			rc = -EFAULT;
		spin_lock(&queue->lock);
		good = take_responded(queue, resp, copied, taken);
		spin_unlock(&queue->lock);
		if (unlikely(good < copied))
			rc = -EINVAL;
		if (good)
			answer_taken(queue, taken, good);
		done += good;
		left -= want;
		cond_resched();
	}
	return done ? (ssize_t)(done * sizeof(resp[0])) : rc;
}

static ssize_t fault_queue_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct iof_fault_queue *queue = iocb->ki_filp->private_data;
	struct iommu_hwpt_page_response resp;
	const size_t size = sizeof(resp);

	if (iov_iter_count(from) % size || iocb->ki_pos)
		return -ESPIPE;
	if (iov_iter_count(from) != size)
		return write_many(queue, from, iov_iter_count(from) / size);
	/* A constant size avoids the kernel's run-time check of it. */
	if (copy_from_iter(&resp, size, from) != size)
		return -EFAULT;
	return write_one(queue, &resp);
}

/*
 * Implements write() of one buffer. fault_queue_write_iter() implements every
 * other way (io_uring, writev); write() saves the caller's iterator and kiocb.
 */
static ssize_t fault_queue_write(struct file *file, const char __user *buf,
				 size_t len, loff_t *pos __always_unused)
{
	struct iof_fault_queue *queue = file->private_data;
	struct iommu_hwpt_page_response resp;
	struct iov_iter from;
	int rc;

	if (len % sizeof(resp))
		return -ESPIPE;
	if (len == sizeof(resp)) {
		if (copy_from_user(&resp, buf, sizeof(resp)))
			return -EFAULT;
		return write_one(queue, &resp);
	}
	rc = import_ubuf(ITER_SOURCE, (char __user *)buf, len, &from);
	return rc ?: write_many(queue, &from, len / sizeof(resp));
}

/* ---- poll, fdinfo, release ---- */

static __poll_t fault_queue_poll(struct file *file,
				 struct poll_table_struct *wait)
{
	struct iof_fault_queue *queue = file->private_data;
	__poll_t events = EPOLLOUT;

	poll_wait(file, &queue->readable, wait);
	if (!READ_ONCE(queue->always_wake) && iof_plat_counts_wakeups(wait))
		WRITE_ONCE(queue->always_wake, true);
	/*
	 * A full barrier, which orders poll_wait() and this count before the
	 * read of nr_queued. Pairs with wq_has_sleeper() in wake_readers().
	 */
	atomic_inc_return(&queue->polls);
	if (READ_ONCE(queue->nr_queued))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

/*
 * Returns the age in nanoseconds of the oldest group that is queued or
 * delivered; 0: there is no group.
 */
static u64 oldest_age(struct iof_fault_queue *queue)
{
	u64 now = ktime_get_ns(), oldest = now;
	struct iof_prg *prg;
	struct iof_attach *attach;

	mutex_lock(&queue->grow_lock);
	list_for_each_entry(attach, &queue->attachments, queue_node) {
		spin_lock(&queue->lock);
		/*
		 * The list is in order of arrival: the first group is the
		 * oldest of its attachment.
		 */
		prg = list_first_entry_or_null(&attach->open, struct iof_prg,
					       open_node);
		if (prg)
			oldest = min(oldest, prg->req.sent);
		spin_unlock(&queue->lock);
		cond_resched();
	}
	mutex_unlock(&queue->grow_lock);
	return now - oldest;
}

static void fault_queue_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct iof_fault_queue *queue = file->private_data;
	u64 queued, delivered, responded, rejected, swept, age;

	spin_lock(&queue->lock);
	queued = queue->nr_queued;
	delivered = queue->nr_delivered;
	responded = queue->responded;
	rejected = queue->rejected;
	swept = queue->swept;
	spin_unlock(&queue->lock);
	age = oldest_age(queue);
	seq_printf(m, "queued:\t%llu\ndelivered:\t%llu\n", queued, delivered);
	seq_printf(m, "responded:\t%llu\nrejected:\t%llu\n", responded,
		   rejected);
	seq_printf(m, "swept:\t%llu\noldest_ms:\t%llu\n", swept,
		   age / NSEC_PER_MSEC);
}

/*
 * Takes up to @max open groups: first queued ones, then delivered ones from
 * cookie slot *@index on.
 */
static u32 take_any(struct iof_fault_queue *queue, struct iof_prg_answer *taken,
		    u32 max, u32 *index)
{
	struct iof_prg *prg;
	u32 nr = 0, looked = 0;

	while (nr < max && !list_empty(&queue->inbox)) {
		prg = list_first_entry(&queue->inbox, struct iof_prg, node);
		take_swept(queue, &taken[nr++], prg, IOF_WHY_CLOSE);
	}
	while (nr < max && looked < max && *index < queue->nr_slots) {
		prg = iof_cookie_owner_at(&queue->cookies, (*index)++);
		looked++;
		if (prg)
			take_swept(queue, &taken[nr++], prg, IOF_WHY_CLOSE);
	}
	queue->swept += nr;
	return nr;
}

/*
 * Closes the queue at the last close: no process can respond any more, so that
 * the core answers every open group INVALID.
 */
static void close_queue(struct iof_fault_queue *queue)
{
	struct iof_prg_answer taken[IOF_SWEEP_CHUNK] __uninitialized;
	u32 nr, index = 0;
	bool more;

	spin_lock(&queue->lock);
	queue->closed = true;
	do {
		nr = take_any(queue, taken, ARRAY_SIZE(taken), &index);
		spin_unlock(&queue->lock);
		if (nr)
			answer_taken(queue, taken, nr);
		cond_resched();
		spin_lock(&queue->lock);
		more = queue->nr_queued || queue->nr_delivered;
	} while (more && index < queue->nr_slots);
	spin_unlock(&queue->lock);
}

static int fault_queue_release(struct inode *inode __always_unused,
			       struct file *file)
{
	struct iof_fault_queue *queue = file->private_data;
	struct iof_ctx *ctx;

	/* NULL if the allocation failed after the creation of the file. */
	if (!queue)
		return 0;
	close_queue(queue);
	ctx = queue->ctx;
	iof_object_unhold(&queue->obj);
	iof_ctx_put(ctx);
	return 0;
}

static const struct file_operations fault_queue_fops = {
	.owner = THIS_MODULE,
	.read = iof_fault_queue_read,
	.write = fault_queue_write,
	.read_iter = iof_fault_queue_read_iter,
	.write_iter = fault_queue_write_iter,
	.poll = fault_queue_poll,
	.release = fault_queue_release,
	.show_fdinfo = fault_queue_show_fdinfo,
};

/* ---- the object ---- */

static void destroy_fault_queue(struct iof_object *obj)
{
	struct iof_fault_queue *queue =
		container_of(obj, struct iof_fault_queue, obj);

	/*
	 * No HWPT and no attachment uses the queue, and each sweep took the
	 * groups of its attachment.
	 */
	WARN_ON(queue->nr_queued || queue->nr_delivered);
	iof_fault_slots_exit(queue);
}

static const struct iof_object_ops fault_queue_ops = {
	.destroy = destroy_fault_queue,
};

struct iof_fault_queue *iof_fault_queue_get(struct iof_ctx *ctx, u32 id)
{
	struct iof_object *obj = iof_object_get(ctx, id, &fault_queue_ops);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iof_fault_queue, obj);
}

struct iof_object *iof_fault_queue_object(struct iof_fault_queue *queue)
{
	return &queue->obj;
}

struct iof_fault_sink *iof_fault_queue_sink(struct iof_fault_queue *queue)
{
	return &queue->sink;
}

int iof_fault_queue_join(struct iof_fault_queue *queue,
			 struct iof_attach *attach)
{
	int rc;

	mutex_lock(&queue->grow_lock);
	rc = iof_fault_slots_first(queue);
	if (!rc)
		list_add_tail(&attach->queue_node, &queue->attachments);
	mutex_unlock(&queue->grow_lock);
	return rc;
}

void iof_fault_queue_leave(struct iof_fault_queue *queue,
			   struct iof_attach *attach)
{
	mutex_lock(&queue->grow_lock);
	list_del(&attach->queue_node);
	mutex_unlock(&queue->grow_lock);
}

int iof_fault_queue_alloc_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_fault_alloc *cmd = ucmd->cmd;
	struct iof_fault_queue *queue;
	struct file *file;
	int fd, rc;

	if (cmd->flags)
		return -EOPNOTSUPP;
	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue)
		return -ENOMEM;
	iof_fault_slots_init(queue);
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->inbox);
	INIT_LIST_HEAD(&queue->attachments);
	init_waitqueue_head(&queue->readable);
	init_waitqueue_head(&queue->answers_done);
	queue->sink.ops = &fault_queue_sink_ops;
	rc = iof_object_reserve(ucmd->ctx, &queue->obj, &fault_queue_ops);
	if (rc)
		goto err_free;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		rc = fd;
		goto err_abort;
	}
	file = anon_inode_getfile("[iommufd-pgfault]", &fault_queue_fops, NULL,
				  O_RDWR);
	if (IS_ERR(file)) {
		rc = PTR_ERR(file);
		goto err_fd;
	}
	stream_open(file_inode(file), file);
	file->f_mode |= FMODE_NOWAIT;

	cmd->out_fault_id = queue->obj.id;
	cmd->out_fault_fd = fd;
	rc = iof_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		goto err_file;

	iof_ctx_get(ucmd->ctx);
	queue->ctx = ucmd->ctx;
	iof_object_hold(&queue->obj);
	file->private_data = queue;
	iof_object_publish(ucmd->ctx, &queue->obj);
	fd_install(fd, file);
	return 0;

err_file:
	/* The release of the file finds private_data NULL. */
	fput(file);
err_fd:
	put_unused_fd(fd);
err_abort:
	iof_object_abort(ucmd->ctx, &queue->obj);
err_free:
	iof_fault_slots_exit(queue);
	return rc;
}
