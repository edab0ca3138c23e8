// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fault_queue.c - the fault object: complete groups wait here for a reader, and for the answer.
 *
 * A group's way: deliver() puts it on the inbox (QUEUED); a reader takes it off, gives it a cookie
 * and copies its records out (READING, then DELIVERED); write() finds it by the cookie and takes it
 * away to be answered. Detach and replace (sweep) and the last close take away whatever is open, in
 * any state.
 *
 * Rules:
 * - Whoever takes a group off attach->open, under queue->lock, is the one who answers it.
 * - A group can be taken away while a reader copies it; its record lives until both have finished.
 * - Between taking and the driver's page_responses the group counts in attach->answering, and a
 *   sweep waits for that to reach zero: so the attachment, the HWPT and the device outlive the
 *   answer.
 * - queue->lock is held to link and unlink, in O(1); never across a copy, an allocation or an
 *   answer.
 * - Cookie slots for all credits of all attached devices exist before their faults do, so reading
 *   neither allocates nor runs out of cookies.
 */
#include "cookie.h"
#include "iof_private.h"
#include "trace.h"

/* Records formatted on the stack before they are copied out together. */
#define IOF_READ_CHUNK	32
/* Responses copied in together, and looked up under one hold of the lock. */
#define IOF_WRITE_CHUNK	IOF_TAKEN_MOST
/* Groups taken away under one hold of the lock by a sweep or the last close. */
#define IOF_SWEEP_CHUNK	IOF_TAKEN_MOST

enum iof_group_state {
	IOF_GROUP_QUEUED = 1,	/* on the inbox */
	IOF_GROUP_READING,	/* a reader copies it; its cookie can be answered already */
	IOF_GROUP_DELIVERED,
	/* Taken away while READING; whoever ends last, reader or answerer, frees the record. */
	IOF_GROUP_TAKEN,	/* both are at work */
	IOF_GROUP_READ,		/* the reader is done */
	IOF_GROUP_ANSWERED,	/* the answerer is done */
};

struct iof_fault_queue {
	struct iof_object obj;
	struct iof_ctx *ctx;		/* a reference, from the descriptor */
	struct iof_fault_sink sink;
	struct mutex grow_lock;		/* reserved, attachments; growth of the cookie table */
	u32 reserved;			/* credits of the attached devices, summed */
	struct list_head attachments;	/* struct iof_attach.queue_node */

	spinlock_t lock ____cacheline_aligned_in_smp;	/* all below */
	/* struct iof_fault_group.node, by arrival of the LAST page */
	struct list_head inbox;
	struct iof_cookies cookies;
	bool closed;			/* the descriptor is gone: nobody can answer */
	u64 nr_delivered;		/* now */
	/* Ever. Refused: responses that fitted no open group; swept: taken away instead. */
	u64 answered, refused, swept;
	/* Now. Away from the lock, since a handler may look at it busily. */
	u64 nr_queued ____cacheline_aligned_in_smp;

	wait_queue_head_t readable ____cacheline_aligned_in_smp;
	wait_queue_head_t answers_done;	/* sweepers wait for attach->answering */
};

static struct iof_fault_queue *from_sink(struct iof_fault_sink *sink)
{
	return container_of(sink, struct iof_fault_queue, sink);
}

/* Under the lock; for those who look without. */
static void count_queued(struct iof_fault_queue *queue, int by)
{
	WRITE_ONCE(queue->nr_queued, queue->nr_queued + by);
}

/* ---- taking groups away and answering them ---- */

/* Takes @g, which is on attach->open. Under the lock. */
static struct iof_taken take_group(struct iof_fault_queue *queue, struct iof_fault_group *g,
				   enum iof_page_code code, enum iof_why why)
{
	struct iof_taken taken = { g, g->attach, code, g->state == IOF_GROUP_READING, why };

	lockdep_assert_held(&queue->lock);
	list_del(&g->open_node);
	g->attach->answering++;
	if (g->state == IOF_GROUP_QUEUED) {
		list_del(&g->node);
		count_queued(queue, -1);
	} else {
		iof_cookie_take(&queue->cookies, g->cookie);
		queue->nr_delivered--;
	}
	if (taken.being_read)
		g->state = IOF_GROUP_TAKEN;
	return taken;
}

/* Answers groups that take_group() gave. Without the lock. */
static void answer_taken(struct iof_fault_queue *queue, struct iof_taken *taken, u32 nr)
{
	LIST_HEAD(finished);
	struct iof_fault_group *g, *next;
	bool idle = false;
	u32 i;

	iof_iopf_respond_many(taken, nr);
	spin_lock(&queue->lock);
	for (i = 0; i < nr; i++) {
		idle |= --taken[i].attach->answering == 0;
		if (!taken[i].being_read)
			continue;
		g = taken[i].group;
		if (g->state == IOF_GROUP_READ)
			list_add(&g->node, &finished);
		else
			g->state = IOF_GROUP_ANSWERED;
	}
	spin_unlock(&queue->lock);
	if (idle && wq_has_sleeper(&queue->answers_done))
		wake_up_all(&queue->answers_done);
	list_for_each_entry_safe(g, next, &finished, node)
		iof_iopf_free(g);
	cond_resched();
}

/* ---- as a sink of attachments ---- */

static bool fault_queue_deliver(struct iof_fault_sink *sink, struct iof_attach *attach,
				struct list_head *groups)
{
	struct iof_fault_queue *queue = from_sink(sink);
	struct iof_fault_group *g;
	bool was_empty;
	int nr = 0;

	spin_lock(&queue->lock);
	if (queue->closed) {
		spin_unlock(&queue->lock);
		return false;
	}
	list_for_each_entry(g, groups, node) {
		g->state = IOF_GROUP_QUEUED;
		list_add_tail(&g->open_node, &attach->open);
		nr++;
	}
	list_splice_tail_init(groups, &queue->inbox);
	was_empty = !queue->nr_queued;
	count_queued(queue, nr);
	spin_unlock(&queue->lock);

	if (was_empty && wq_has_sleeper(&queue->readable))
		wake_up_interruptible_poll(&queue->readable, EPOLLIN | EPOLLRDNORM);
	return true;
}

/* Pollers look again when the inbox ran empty without a read. */
static void wake_after_removal(struct iof_fault_queue *queue)
{
	if (wq_has_sleeper(&queue->readable))
		wake_up_interruptible_poll(&queue->readable, EPOLLOUT | EPOLLWRNORM);
}

static bool attach_is_idle(struct iof_fault_queue *queue, struct iof_attach *attach)
{
	bool idle;

	spin_lock(&queue->lock);
	idle = !attach->answering;
	spin_unlock(&queue->lock);
	return idle;
}

static void fault_queue_sweep(struct iof_fault_sink *sink, struct iof_attach *attach)
{
	struct iof_fault_queue *queue = from_sink(sink);
	struct iof_taken taken[IOF_SWEEP_CHUNK];
	enum iof_why why = iof_iopf_why_swept(attach);
	struct iof_fault_group *g;
	u32 nr;

	do {
		nr = 0;
		spin_lock(&queue->lock);
		while (nr < ARRAY_SIZE(taken) && !list_empty(&attach->open)) {
			g = list_first_entry(&attach->open, struct iof_fault_group, open_node);
			iof_iopf_count_swept(g);
			taken[nr++] = take_group(queue, g, IOF_PAGE_INVALID, why);
		}
		queue->swept += nr;
		spin_unlock(&queue->lock);
		if (nr)
			answer_taken(queue, taken, nr);
	} while (nr == ARRAY_SIZE(taken));

	wake_after_removal(queue);
	wait_event(queue->answers_done, attach_is_idle(queue, attach));
}

static const struct iof_fault_sink_ops fault_queue_sink_ops = {
	.deliver = fault_queue_deliver,
	.sweep = fault_queue_sweep,
};

/* ---- read ---- */

/* Groups that one reader has popped and not finished. */
struct iof_reading {
	struct list_head groups;	/* struct iof_fault_group.node, in order */
	u32 nr_groups;
	u32 records;
};

/*
 * Ends the reader's part in the first @done groups of @reading, in order; puts the others back to
 * the head of the inbox. Under the lock. Records to be freed go to @finished. True if the inbox
 * had been empty and no longer is.
 */
static bool finish_reading(struct iof_fault_queue *queue, struct iof_reading *reading, u32 done,
			   struct list_head *finished)
{
	struct iof_fault_group *g, *next;
	LIST_HEAD(back);
	bool was_empty = !queue->nr_queued;

	list_for_each_entry_safe(g, next, &reading->groups, node) {
		list_del(&g->node);
		if (g->state == IOF_GROUP_ANSWERED) {
			list_add_tail(&g->node, finished);
		} else if (g->state == IOF_GROUP_TAKEN) {
			g->state = IOF_GROUP_READ;
		} else if (done) {
			g->state = IOF_GROUP_DELIVERED;
		} else {
			iof_cookie_take(&queue->cookies, g->cookie);
			g->state = IOF_GROUP_QUEUED;
			queue->nr_delivered--;
			count_queued(queue, 1);
			list_add_tail(&g->node, &back);
		}
		if (done)
			done--;
	}
	list_splice(&back, &queue->inbox);
	return was_empty && queue->nr_queued;
}

/*
 * Pops the groups that fit into @room records: as many as one chunk holds, or one that is larger.
 * Under the lock. -EINVAL if the first group does not fit into @room.
 */
static int pop_groups(struct iof_fault_queue *queue, size_t room, struct iof_reading *reading)
{
	struct iof_fault_group *g;

	INIT_LIST_HEAD(&reading->groups);
	reading->nr_groups = 0;
	reading->records = 0;
	while ((g = list_first_entry_or_null(&queue->inbox, struct iof_fault_group, node))) {
		if (g->nr_pages > room - reading->records)
			return reading->records ? 0 : -EINVAL;
		if (reading->records && reading->records + g->nr_pages > IOF_READ_CHUNK)
			return 0;
		g->cookie = iof_cookie_give(&queue->cookies, g);
		if (WARN_ON_ONCE(!g->cookie))
			return reading->records ? 0 : -ENOMEM;
		g->state = IOF_GROUP_READING;
		list_move_tail(&g->node, &reading->groups);
		count_queued(queue, -1);
		queue->nr_delivered++;
		reading->nr_groups++;
		reading->records += g->nr_pages;
	}
	return 0;
}

/*
 * Copies the records of popped groups out, all at once but for a group larger than a chunk, which
 * is alone. Returns the records of the whole groups that arrived, and in *groups how many these
 * are.
 */
static u32 copy_groups(struct iof_fault_queue *queue, struct iof_reading *reading,
		       struct iov_iter *to, u32 *groups)
{
	struct iommu_hwpt_pgfault chunk[IOF_READ_CHUNK];
	u32 ends[IOF_READ_CHUNK];	/* records up to the end of each group */
	struct iof_fault_group *g;
	struct iof_fault_page *page;
	u32 n = 0, earlier = 0, i = 0, copied, pages;

	*groups = 0;
	list_for_each_entry(g, &reading->groups, node) {
		pages = 1;
		list_for_each_entry(page, &g->pages, node) {
			pages++;
			chunk[n] = page->rec;
			chunk[n++].cookie = g->cookie;
			if (n < ARRAY_SIZE(chunk))
				continue;
			if (copy_to_iter(chunk, sizeof(chunk), to) != sizeof(chunk))
				return 0;
			earlier += n;
			n = 0;
		}
		iof_fault_record(&chunk[n], &g->req, g->dev_id);
		chunk[n++].cookie = g->cookie;
		ends[i++] = n;
		/* Before the copy: from then on the answer, and its event, can come. */
		trace_deliver(g->dev->name, iof_req_pasid(&g->req), g->req.grpid, g->cookie,
			      pages, g->req.sent, queue->obj.id, g->dev_id);
	}
	if (!n)
		return 0;
	copied = copy_to_iter(chunk, n * sizeof(chunk[0]), to) / sizeof(chunk[0]);
	while (*groups < i && ends[*groups] <= copied)
		(*groups)++;
	return *groups ? earlier + ends[*groups - 1] : 0;
}

/*
 * What a read of an empty queue says. A plain read returns 0, as clients rely on. A read that may
 * wait for readiness by itself (no-wait, io_uring) hears that it should.
 */
static ssize_t nothing_queued(struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_NOWAIT || !is_sync_kiocb(iocb) ? -EAGAIN : 0;
}

static ssize_t fault_queue_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct iof_fault_queue *queue = iocb->ki_filp->private_data;
	size_t room = iov_iter_count(to) / sizeof(struct iommu_hwpt_pgfault);
	struct iof_fault_group *g, *next;
	struct iof_reading reading;
	bool fault = false, wake = false;
	u32 groups, records, total = 0;
	LIST_HEAD(finished);
	int rc;

	if (iov_iter_count(to) % sizeof(struct iommu_hwpt_pgfault) || iocb->ki_pos)
		return -ESPIPE;

	/* Whoever reads an empty queue busily does not hold up those who fill it. */
	if (!READ_ONCE(queue->nr_queued))
		return nothing_queued(iocb);
	spin_lock(&queue->lock);
	if (!queue->nr_queued) {
		spin_unlock(&queue->lock);
		return nothing_queued(iocb);
	}
	do {
		rc = pop_groups(queue, room - total, &reading);
		if (!reading.nr_groups)
			break;
		spin_unlock(&queue->lock);
		records = copy_groups(queue, &reading, to, &groups);
		fault = groups < reading.nr_groups;
		total += records;
		cond_resched();
		spin_lock(&queue->lock);
		wake |= finish_reading(queue, &reading, groups, &finished);
	} while (!fault && !rc);
	spin_unlock(&queue->lock);

	if (wake && wq_has_sleeper(&queue->readable))
		wake_up_interruptible_poll(&queue->readable, EPOLLIN | EPOLLRDNORM);
	list_for_each_entry_safe(g, next, &finished, node)
		iof_iopf_free(g);
	if (total)
		return total * sizeof(struct iommu_hwpt_pgfault);
	return fault ? -EFAULT : rc;
}

/* ---- write ---- */

/*
 * With many faults open, what an answer touches is far away and in no order: its slot, its record,
 * the record's neighbours on the open list. Fetches those of a chunk side by side.
 */
static void prefetch_answered(struct iof_fault_queue *queue,
			      const struct iommu_hwpt_page_response *resp, u32 nr)
{
	struct iof_fault_group *g;
	u32 i;

	if (nr < 2)
		return;
	for (i = 0; i < nr; i++)
		iof_cookie_prefetch(&queue->cookies, resp[i].cookie);
	for (i = 0; i < nr; i++) {
		g = iof_cookie_owner(&queue->cookies, resp[i].cookie);
		if (g) {
			prefetchw(g);
			prefetch(&g->req);
		}
	}
	for (i = 0; i < nr; i++) {
		g = iof_cookie_owner(&queue->cookies, resp[i].cookie);
		if (g) {
			prefetchw(g->open_node.next);
			prefetchw(g->open_node.prev);
		}
	}
}

/*
 * Takes the groups that the first of @nr responses name, up to the first bad one. Under the lock.
 */
static u32 take_answered(struct iof_fault_queue *queue, const struct iommu_hwpt_page_response *resp,
			 u32 nr, struct iof_taken *taken)
{
	struct iof_fault_group *g;
	u32 i;

	prefetch_answered(queue, resp, nr);
	for (i = 0; i < nr; i++) {
		g = NULL;
		if (resp[i].code == IOMMUFD_PAGE_RESP_SUCCESS ||
		    resp[i].code == IOMMUFD_PAGE_RESP_INVALID)
			g = iof_cookie_owner(&queue->cookies, resp[i].cookie);
		if (!g) {
			queue->refused++;
			break;
		}
		taken[i] = take_group(queue, g, resp[i].code, IOF_WHY_RESPONSE);
	}
	queue->answered += i;
	return i;
}

static ssize_t fault_queue_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct iof_fault_queue *queue = iocb->ki_filp->private_data;
	struct iommu_hwpt_page_response resp[IOF_WRITE_CHUNK];
	struct iof_taken taken[IOF_WRITE_CHUNK];
	size_t left = iov_iter_count(from) / sizeof(resp[0]);
	size_t done = 0;
	u32 want, copied, good;
	int rc = 0;

	if (iov_iter_count(from) % sizeof(resp[0]) || iocb->ki_pos)
		return -ESPIPE;

	while (left && !rc) {
		want = min_t(size_t, left, ARRAY_SIZE(resp));
		copied = copy_from_iter(resp, want * sizeof(resp[0]), from) / sizeof(resp[0]);
		if (copied < want)
			rc = -EFAULT;
		spin_lock(&queue->lock);
		good = take_answered(queue, resp, copied, taken);
		spin_unlock(&queue->lock);
		if (good < copied)
			rc = -EINVAL;
		if (good)
			answer_taken(queue, taken, good);
		done += good;
		left -= want;
	}
	return done ? (ssize_t)(done * sizeof(resp[0])) : rc;
}

/* ---- poll, fdinfo, release ---- */

static __poll_t fault_queue_poll(struct file *file, struct poll_table_struct *wait)
{
	struct iof_fault_queue *queue = file->private_data;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &queue->readable, wait);
	/*
	 * The entry in the wait queue, before this look; pairs with wq_has_sleeper() of those who
	 * wake.
	 */
	smp_mb();
	if (READ_ONCE(queue->nr_queued))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

/* For how many nanoseconds the oldest group has been open that is queued or delivered; 0: none. */
static u64 oldest_age(struct iof_fault_queue *queue)
{
	u64 now = ktime_get_ns(), oldest = now;
	struct iof_fault_group *g;
	struct iof_attach *attach;

	mutex_lock(&queue->grow_lock);
	list_for_each_entry(attach, &queue->attachments, queue_node) {
		spin_lock(&queue->lock);
		/* By arrival, so the first is the oldest of its attachment. */
		g = list_first_entry_or_null(&attach->open, struct iof_fault_group, open_node);
		if (g)
			oldest = min(oldest, g->req.sent);
		spin_unlock(&queue->lock);
		cond_resched();
	}
	mutex_unlock(&queue->grow_lock);
	return now - oldest;
}

static void fault_queue_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct iof_fault_queue *queue = file->private_data;
	u64 queued, delivered, answered, refused, swept, age;

	spin_lock(&queue->lock);
	queued = queue->nr_queued;
	delivered = queue->nr_delivered;
	answered = queue->answered;
	refused = queue->refused;
	swept = queue->swept;
	spin_unlock(&queue->lock);
	age = oldest_age(queue);
	seq_printf(m, "queued:\t%llu\ndelivered:\t%llu\nanswered:\t%llu\nrefused:\t%llu\n", queued,
		   delivered, answered, refused);
	seq_printf(m, "swept:\t%llu\noldest_ms:\t%llu\n", swept, age / NSEC_PER_MSEC);
}

/* Takes up to @max open groups: first what is queued, then from slot *@index on what is out. */
static u32 take_any(struct iof_fault_queue *queue, struct iof_taken *taken, u32 max, u32 *index)
{
	struct iof_fault_group *g;
	u32 nr = 0, looked = 0;

	while (nr < max && !list_empty(&queue->inbox)) {
		g = list_first_entry(&queue->inbox, struct iof_fault_group, node);
		taken[nr++] = take_group(queue, g, IOF_PAGE_INVALID, IOF_WHY_CLOSE);
	}
	while (nr < max && looked < max && queue->cookies.bits &&
	       *index < 1u << queue->cookies.bits) {
		g = iof_cookie_owner_at(&queue->cookies, (*index)++);
		looked++;
		if (g)
			taken[nr++] = take_group(queue, g, IOF_PAGE_INVALID, IOF_WHY_CLOSE);
	}
	queue->swept += nr;
	return nr;
}

/* The last holder of the descriptor is gone: nobody can answer, so everything open is INVALID. */
static void close_queue(struct iof_fault_queue *queue)
{
	struct iof_taken taken[IOF_SWEEP_CHUNK];
	u32 nr, i, index = 0;
	bool more;

	spin_lock(&queue->lock);
	queue->closed = true;
	do {
		nr = take_any(queue, taken, ARRAY_SIZE(taken), &index);
		for (i = 0; i < nr; i++)
			iof_iopf_count_swept(taken[i].group);
		spin_unlock(&queue->lock);
		if (nr)
			answer_taken(queue, taken, nr);
		else
			cond_resched();
		spin_lock(&queue->lock);
		more = queue->nr_queued || queue->nr_delivered;
	} while (more && index < 1u << queue->cookies.bits);
	spin_unlock(&queue->lock);
}

static int fault_queue_release(struct inode *inode __always_unused, struct file *file)
{
	struct iof_fault_queue *queue = file->private_data;
	struct iof_ctx *ctx;

	/* Not set while creation can still fail. */
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
	.read_iter = fault_queue_read_iter,
	.write_iter = fault_queue_write_iter,
	.poll = fault_queue_poll,
	.release = fault_queue_release,
	.show_fdinfo = fault_queue_show_fdinfo,
};

/* ---- the object ---- */

struct iof_fault_queue *iof_fault_queue_get(struct iof_ctx *ctx, u32 id)
{
	struct iof_object *obj = iof_object_get(ctx, id, IOF_OBJ_FAULT);

	return IS_ERR(obj) ? ERR_CAST(obj) : container_of(obj, struct iof_fault_queue, obj);
}

struct iof_object *iof_fault_queue_object(struct iof_fault_queue *queue)
{
	return &queue->obj;
}

struct iof_fault_sink *iof_fault_queue_sink(struct iof_fault_queue *queue)
{
	return &queue->sink;
}

int iof_fault_queue_reserve_credits(struct iof_fault_queue *queue, u32 credits)
{
	struct iof_cookie_growth growth;
	u32 total, bits;
	int rc = 0;

	mutex_lock(&queue->grow_lock);
	if (check_add_overflow(queue->reserved, credits, &total) ||
	    iof_cookie_bits(total) > IOF_COOKIE_MAX_BITS) {
		rc = -ENOMEM;
		goto out_unlock;
	}
	bits = iof_cookie_bits(total);
	if (bits > queue->cookies.bits) {
		rc = iof_cookie_growth_alloc(&growth, &queue->cookies, bits);
		if (rc)
			goto out_unlock;
		spin_lock(&queue->lock);
		iof_cookie_grow(&queue->cookies, &growth);
		spin_unlock(&queue->lock);
	}
	queue->reserved = total;
out_unlock:
	mutex_unlock(&queue->grow_lock);
	return rc;
}

void iof_fault_queue_release_credits(struct iof_fault_queue *queue, u32 credits)
{
	mutex_lock(&queue->grow_lock);
	WARN_ON(queue->reserved < credits);
	queue->reserved -= credits;
	mutex_unlock(&queue->grow_lock);
}

void iof_fault_queue_join(struct iof_fault_queue *queue, struct iof_attach *attach)
{
	mutex_lock(&queue->grow_lock);
	list_add_tail(&attach->queue_node, &queue->attachments);
	mutex_unlock(&queue->grow_lock);
}

void iof_fault_queue_leave(struct iof_fault_queue *queue, struct iof_attach *attach)
{
	mutex_lock(&queue->grow_lock);
	list_del(&attach->queue_node);
	mutex_unlock(&queue->grow_lock);
}

void iof_fault_queue_destroy(struct iof_object *obj)
{
	struct iof_fault_queue *queue = container_of(obj, struct iof_fault_queue, obj);

	/* No HWPT names it, so no attachment leads here, and each sweep took what was its own. */
	WARN_ON(queue->nr_queued || queue->nr_delivered || queue->reserved);
	iof_cookies_free(&queue->cookies);
	mutex_destroy(&queue->grow_lock);
	kfree(queue);
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
	mutex_init(&queue->grow_lock);
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->inbox);
	INIT_LIST_HEAD(&queue->attachments);
	init_waitqueue_head(&queue->readable);
	init_waitqueue_head(&queue->answers_done);
	queue->sink.ops = &fault_queue_sink_ops;
	rc = iof_object_reserve(ucmd->ctx, &queue->obj, IOF_OBJ_FAULT);
	if (rc)
		goto err_free;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		rc = fd;
		goto err_abort;
	}
	file = anon_inode_getfile("[iommufd-pgfault]", &fault_queue_fops, NULL, O_RDWR);
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
	/* Its release finds no queue, whenever it runs. */
	fput(file);
err_fd:
	put_unused_fd(fd);
err_abort:
	iof_object_abort(ucmd->ctx, &queue->obj);
err_free:
	mutex_destroy(&queue->grow_lock);
	kfree(queue);
	return rc;
}
