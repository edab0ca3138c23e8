// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iopf.c - collects page requests into groups, and gives each group exactly one
 * answer.
 *
 * States of a group, and the function of each arrow:
 *
 *   collecting --LAST--> parked --> queued --read()--> delivered
 *              --write()--> responding --> free
 *
 *   first page               report_partial()
 *   LAST -> queued           report_whole(), complete_group() with queue_prg()
 *   LAST -> parked           complete_group(): the attachment is being switched
 *   parked -> queued         unpark(): the switch ended or was cancelled
 *   queued -> delivered      pop_groups(), read_large()   (fault_read.c)
 *   delivered -> queued      put_back(): the copy failed  (fault_read.c)
 *   delivered -> responding  take_responded()             (fault_queue.c)
 *   queued or delivered -> responding, by a sweep
 *                            take_swept()                 (fault_queue.c)
 *   collecting -> broken     break_group(): LAST is refused
 *   responding -> free       iof_iopf_respond(), iof_iopf_respond_many()
 *
 * The record of an open group is in the partial hash while the group collects.
 * After LAST its owner is the sink of the attachment, or group->parked during a
 * switch. The answer returns it to the device's pool (iopf_pool.h).
 *
 * Rules: (device, PASID, group index) identifies a group. A page is routed when
 * it arrives. A group whose pages went to different attachments is broken, and
 * its LAST page is refused. Finding the attachment and queueing the group are
 * one step under group->fault_lock, so that a switch does not come in between.
 */
#include "iopf_pool.h"
#include "trace.h"

/* Counts the answers, then gives them to the driver. */
static void answer_device(struct iof_hwdev *dev,
			  const struct iof_page_answer *answers, u32 nr)
{
	u32 count[ARRAY_SIZE(dev->core->answered)] = {};
	u32 i;

	for (i = 0; i < nr; i++)
		count[answers[i].code]++;
	for (i = 0; i < ARRAY_SIZE(count); i++) {
		if (count[i])
			atomic64_add(count[i], &dev->core->answered[i]);
	}
	dev->ops->page_responses(dev, answers, nr);
}

static __always_inline void trace_answer(const struct iof_prg *prg,
					 const struct iof_hwdev *dev,
					 enum iof_page_code code,
					 enum iof_why why)
{
	const struct iof_page_req *req = &prg->req;
	u32 pasid = iof_req_pasid(req);

	if (why == IOF_WHY_RESPONSE)
		trace_respond(dev->name, pasid, req->grpid, prg->cookie, code,
			      req->sent);
	else if (why <= IOF_WHY_CLOSE)
		trace_sweep(dev->name, pasid, req->grpid, prg->cookie, why,
			    req->sent);
	else
		trace_refuse(dev->name, pasid, req->grpid, why, req->sent);
}

/*
 * Gives the answers to @nr groups to their devices, those of one device in one
 * call. Returns their credits and records together.
 */
void iof_iopf_respond_many(const struct iof_prg_answer *taken, u32 nr)
{
	struct iof_page_answer answers[IOF_ANSWERS_MAX] __uninitialized;
	struct iof_hwdev *dev[IOF_ANSWERS_MAX] __uninitialized;
	struct iof_returning back;
	u32 i, end;

	begin_returning(&back, taken[0].prg->dev->core);
	for (i = 0; i < nr; i++) {
		struct iof_prg *prg = taken[i].prg;

		dev[i] = prg->dev;
		answers[i].req = prg->req;
		answers[i].code = taken[i].code;
		trace_answer(prg, dev[i], taken[i].code, taken[i].why);
		if (unlikely(dev[i]->core != back.core)) {
			iof_pool_give_back(&back);
			begin_returning(&back, dev[i]->core);
		}
		return_group(&back, prg);
	}
	iof_pool_give_back(&back);
	for (i = 0; i < nr; i = end) {
		for (end = i + 1; end < nr && dev[end] == dev[i]; end++)
			;
		answer_device(dev[i], &answers[i], end - i);
	}
}

/*
 * Fast path of iof_iopf_respond_many() for one group, which needs no arrays by
 * device; 130 instructions less (make vm-bench).
 */
void iof_iopf_respond(struct iof_prg *prg, enum iof_page_code code,
		      enum iof_why why)
{
	const struct iof_page_answer answer = { .req = prg->req, .code = code };
	struct iof_hwdev *dev = prg->dev;

	trace_answer(prg, dev, code, why);

	recycle(prg);
	atomic64_inc(&dev->core->answered[code]);
	dev->ops->page_responses(dev, &answer, 1);
}

/* ---- groups that are still collecting ---- */

static struct list_head *partial_bucket(struct iof_hwdev_core *core, u32 pasid,
					u32 grpid)
{
	return &core->partial[hash_64((u64)pasid << 32 | grpid,
				      IOF_PARTIAL_HASH_BITS)];
}

static struct iof_prg *find_partial(struct iof_hwdev_core *core,
				    const struct iof_page_req *req)
{
	struct iof_prg *prg;

	/* Most devices request one page at a time. */
	if (!core->nr_partial)
		return NULL;
	list_for_each_entry(
		prg, partial_bucket(core, iof_req_pasid(req), req->grpid),
		node) {
		if (prg->req.grpid == req->grpid &&
		    iof_req_pasid(&prg->req) == iof_req_pasid(req))
			return prg;
	}
	return NULL;
}

static void unhash_partial(struct iof_hwdev_core *core, struct iof_prg *prg)
{
	list_del(&prg->node);
	/* The group is on attach->partial, or on core->broken. */
	list_del(&prg->open_node);
	if (prg->broken)
		core->nr_broken--;
	WRITE_ONCE(core->nr_partial, core->nr_partial - 1);
}

/*
 * Marks a collecting group as broken: its LAST page will be refused. The group
 * gives its credits back and stays in the hash. The caller calls trim_broken()
 * next.
 */
static void break_group(struct iof_hwdev_core *core, struct iof_prg *prg)
{
	struct iof_returning back;

	if (prg->broken)
		return;
	prg->broken = true;
	prg->attach = NULL;
	list_move_tail(&prg->open_node, &core->broken);
	core->nr_broken++;
	begin_returning(&back, core);
	back.credits = prg->nr_pages;
	prg->nr_pages = 0;
	list_splice_init(&prg->pages, &back.pages);
	iof_pool_give_back(&back);
}

/*
 * Frees the oldest broken groups beyond dev->credits, so that their number is
 * bounded. A walk over them must not call it. The caller recycles @drop after
 * unlocking.
 */
static void trim_broken(struct iof_hwdev_core *core, struct list_head *drop)
{
	struct iof_prg *oldest;

	while (core->nr_broken > core->dev->credits) {
		oldest = list_first_entry(&core->broken, struct iof_prg,
					  open_node);
		unhash_partial(core, oldest);
		list_add_tail(&oldest->node, drop);
	}
}

static void recycle_list(struct list_head *drop)
{
	struct iof_prg *prg, *next;

	list_for_each_entry_safe(prg, next, drop, node)
		recycle(prg);
}

/* ---- routing ---- */

static struct iof_attach *route(struct iof_hwdev *dev, u32 pasid)
{
	struct iof_group *group = dev->core->group;
	struct iof_attach *attach;

	lockdep_assert_held(&group->fault_lock);
	if (pasid == IOF_NO_PASID)
		return group->rid;
	attach = xa_load(&group->attachments, pasid);
	if (!attach && dev->user_pasid_table && group->rid &&
	    group->rid->domain->type == IOF_DOMAIN_NESTED)
		attach = group->rid;
	return attach;
}

/* Must a group for @attach be parked until the switch ends? */
static bool is_switching(struct iof_group *group, u32 pasid,
			 const struct iof_attach *attach)
{
	if (!group->switching)
		return false;
	return attach ? attach->pasid == group->switching_pasid :
			pasid == group->switching_pasid;
}

/*
 * Complete groups that are being queued. Consecutive groups of one attachment
 * go to its sink together. Used under fault_lock; the caller refuses @refused
 * after unlocking.
 */
struct iof_queueing {
	struct iof_attach *attach;
	struct list_head groups, refused; /* lists of struct iof_prg.node */
	u32 nr_groups;
	/*
	 * This sink has no room: it is held, and groups wait until the caller
	 * has made some (make_room()). Without memory for it they are refused.
	 */
	struct iof_fault_sink *full;
	struct list_head waiting, unslotted; /* lists of struct iof_prg.node */
};

static void begin_queueing(struct iof_queueing *to)
{
	to->attach = NULL;
	INIT_LIST_HEAD(&to->groups);
	INIT_LIST_HEAD(&to->refused);
	to->nr_groups = 0;
	to->full = NULL;
	INIT_LIST_HEAD(&to->waiting);
	INIT_LIST_HEAD(&to->unslotted);
}

static void queue_collected(struct iof_queueing *to)
{
	struct iof_fault_sink *sink;
	int rc;

	if (!to->nr_groups)
		return;
	sink = to->attach->sink;
	rc = sink->ops->queue(sink, to->attach, &to->groups, to->nr_groups);
	if (unlikely(rc == -ENOSPC)) {
		sink->ops->hold(sink);
		to->full = sink;
		list_splice_tail_init(&to->groups, &to->waiting);
	} else if (unlikely(rc)) {
		list_splice_tail_init(&to->groups, &to->refused);
	}
	to->nr_groups = 0;
}

/*
 * Makes room in the sink that has none. Drops fault_lock meanwhile, and takes
 * it with the groups in @waiting, which the caller queues again.
 */
static void make_room(struct iof_queueing *to, struct iof_group *group,
		      struct list_head *waiting)
{
	struct iof_fault_sink *sink = to->full;
	int rc;

	to->full = NULL;
	spin_unlock(&group->fault_lock);
	rc = sink->ops->grow(sink, IOF_ANSWERS_MAX);
	spin_lock(&group->fault_lock);
	list_splice_tail_init(&to->waiting, rc ? &to->unslotted : waiting);
}

static void queue_prg(struct iof_queueing *to, struct iof_prg *prg,
		      struct iof_attach *attach)
{
	if (!attach || !attach->sink) {
		list_add_tail(&prg->node, &to->refused);
		return;
	}
	if (attach != to->attach || to->nr_groups == IOF_ANSWERS_MAX) {
		queue_collected(to);
		to->attach = attach;
	}
	/* In order: behind the groups that wait. */
	if (unlikely(to->full)) {
		list_add_tail(&prg->node, &to->waiting);
		return;
	}
	prg->attach = attach;
	prg->dev_id = attach->dev_id;
	list_add_tail(&prg->node, &to->groups);
	to->nr_groups++;
}

static void refuse_list(struct list_head *refused, enum iof_why why)
{
	struct iof_prg *prg, *next;

	list_for_each_entry_safe(prg, next, refused, node) {
		atomic64_inc(&prg->dev->core->refused);
		iof_iopf_respond(prg, IOF_PAGE_INVALID,
				 prg->broken ? IOF_WHY_BROKEN : why);
	}
}

/*
 * Refuses groups that have no sink, or no slot in their queue. Without locks.
 * Returns 0 if there were none, or the errno of the caller.
 */
static int refuse_unqueued(struct iof_queueing *to)
{
	int rc = !list_empty(&to->unslotted) ? -ENOMEM :
		 !list_empty(&to->refused)   ? -EINVAL :
					       0;

	refuse_list(&to->refused, IOF_WHY_NO_LISTENER);
	refuse_list(&to->unslotted, IOF_WHY_MEMORY);
	return rc;
}

/* ---- reporting ---- */

/* Refuses a LAST page for which there is no credit or no record. */
static void refuse_unrecorded(struct iof_hwdev *dev,
			      const struct iof_page_req *req, u64 sent,
			      enum iof_why why)
{
	const struct iof_page_answer answer = { .req = *req,
						.code = IOF_PAGE_INVALID };
	struct iof_hwdev_core *core = dev->core;
	struct iof_prg *partial;

	spin_lock(&core->group->fault_lock);
	partial = find_partial(core, req);
	if (partial)
		unhash_partial(core, partial);
	spin_unlock(&core->group->fault_lock);
	if (partial)
		recycle(partial);
	atomic64_inc(&core->refused);
	trace_refuse(dev->name, iof_req_pasid(req), req->grpid, why, sent);
	answer_device(dev, &answer, 1);
}

/* Queues or parks a complete group. Called with fault_lock held. */
static void place_group(struct iof_hwdev *dev, struct iof_prg *prg,
			struct iof_queueing *to)
{
	u32 pasid = iof_req_pasid(&prg->req);
	struct iof_attach *attach = route(dev, pasid);

	if (is_switching(dev->core->group, pasid, attach))
		list_add_tail(&prg->node, &dev->core->group->parked);
	else
		queue_prg(to, prg, attach);
}

/*
 * Queues what is collected, and makes room where there is none. A switch may
 * come in between: the groups that wait are routed again. Drops fault_lock
 * meanwhile.
 */
static void queue_all(struct iof_hwdev *dev, struct iof_queueing *to)
{
	struct iof_prg *prg, *next;
	LIST_HEAD(waiting);

	queue_collected(to);
	while (unlikely(to->full)) {
		make_room(to, dev->core->group, &waiting);
		list_for_each_entry_safe(prg, next, &waiting, node) {
			list_del(&prg->node);
			place_group(dev, prg, to);
		}
		queue_collected(to);
	}
}

/*
 * Completes the group of the LAST page @req, which was sent no later than @now.
 * @spare is a record with a credit for it. Called with fault_lock held.
 */
static void complete_group(struct iof_hwdev *dev,
			   const struct iof_page_req *req, u64 now,
			   struct iof_prg *spare, struct iof_queueing *to,
			   struct list_head *unused)
{
	struct iof_group *group = dev->core->group;
	struct iof_attach *attach = route(dev, iof_req_pasid(req));
	struct iof_prg *prg = find_partial(dev->core, req);

	if (prg) {
		unhash_partial(dev->core, prg);
		/*
		 * The group takes the credit; the record returns to the pool.
		 */
		list_add_tail(&spare->node, unused);
		if (prg->attach != attach)
			prg->broken = true;
	} else {
		prg = spare;
	}
	prg->req = *req;
	prg->req.sent = req->sent ?: now;
	prg->nr_pages++;
	if (prg->broken)
		list_add_tail(&prg->node, &to->refused);
	else if (is_switching(group, iof_req_pasid(req), attach))
		list_add_tail(&prg->node, &group->parked);
	else
		queue_prg(to, prg, attach);
}

/*
 * Reports @nr LAST pages, at most IOF_ANSWERS_MAX. Returns the result of the
 * last of them. report_whole() is the fast path for one page.
 */
static int report_last(struct iof_hwdev *dev, const struct iof_page_req *reqs,
		       u32 nr)
{
	struct iof_prg *spare[IOF_ANSWERS_MAX] __uninitialized;
	struct iof_hwdev_core *core = dev->core;
	struct iof_queueing to;
	LIST_HEAD(unused);
	int rc, refused;
	u32 have, i;
	u64 now;

	atomic64_add(nr, &core->groups);
	have = iof_pool_take_many(core, spare, nr, &rc);
	/* The age of a fault needs no precise clock if the device has none. */
	now = reqs[0].sent ?: ktime_get_coarse_ns();
	begin_queueing(&to);
	spin_lock(&core->group->fault_lock);
	for (i = 0; i < have; i++)
		complete_group(dev, &reqs[i], now, spare[i], &to, &unused);
	queue_all(dev, &to);
	spin_unlock(&core->group->fault_lock);

	recycle_list(&unused);
	refused = refuse_unqueued(&to);
	for (i = have; i < nr; i++)
		refuse_unrecorded(dev, &reqs[i], reqs[i].sent ?: now,
				  rc == -ENOMEM ? IOF_WHY_MEMORY :
						  IOF_WHY_CREDITS);
	return rc ?: refused;
}

static int report_partial(struct iof_hwdev *dev, const struct iof_page_req *req)
{
	struct iof_hwdev_core *core = dev->core;
	struct iof_group *group = core->group;
	struct iof_prg *prg = NULL, *partial;
	struct iof_prg_page *page = NULL;
	struct iof_returning back;
	struct iof_attach *attach;
	LIST_HEAD(drop);
	int rc;

	rc = iof_pool_take_page(core, &prg, &page);
	/*
	 * The page is lost. Record the group as broken, so that its LAST page
	 * is refused.
	 */
	if (rc)
		prg = iof_pool_take(core);
	spin_lock(&group->fault_lock);
	attach = route(dev, iof_req_pasid(req));
	partial = find_partial(core, req);
	if (!partial && prg) {
		partial = prg;
		prg = NULL;
		partial->req = *req;
		partial->attach = attach;
		INIT_LIST_HEAD(&partial->open_node);
		if (attach)
			list_add_tail(&partial->open_node, &attach->partial);
		list_add_tail(&partial->node,
			      partial_bucket(core, iof_req_pasid(req),
					     req->grpid));
		WRITE_ONCE(core->nr_partial, core->nr_partial + 1);
	}
	if (!rc && !partial->broken && partial->attach == attach && attach &&
	    attach->sink) {
		iof_fault_record(&page->rec, req, attach->dev_id);
		list_add_tail(&page->node, &partial->pages);
		partial->nr_pages++;
		page = NULL;
	} else if (partial) {
		break_group(core, partial);
		trim_broken(core, &drop);
	}
	spin_unlock(&group->fault_lock);

	recycle_list(&drop);
	if (prg)
		recycle(prg);
	if (!page)
		return rc;
	begin_returning(&back, core);
	list_add(&page->node, &back.pages);
	back.credits = 1;
	iof_pool_give_back(&back);
	return -EINVAL;
}

/*
 * Returns a coarse time. ktime_get_coarse_ns() changes with each tick, so read
 * it once a tick and cache it. Called with fault_lock held.
 */
static u64 coarse_now(struct iof_hwdev_core *core)
{
	unsigned long tick = jiffies;

	if (unlikely(tick != core->tick || !core->tick_ns)) {
		core->tick = tick;
		core->tick_ns = ktime_get_coarse_ns();
	}
	return core->tick_ns;
}

/*
 * Fast path of report_last(): one page that is a whole group, with a sink, a
 * free record, no partial groups and no switch. It saves report_last()'s arrays
 * and lists: 282 instructions in the kernel (make vm-bench), 170 of 727 in a
 * process (tests/cost). Returns false if a condition does not hold; it has done
 * nothing then, and the caller takes report_last().
 */
static bool report_whole(struct iof_hwdev *dev, const struct iof_page_req *req)
{
	struct iof_hwdev_core *core = dev->core;
	struct iof_group *group = core->group;
	struct iof_prg *prg = NULL;
	struct iof_attach *attach;
	bool taken = false;

	/*
	 * Read the count without the lock first, to save taking the credit; it
	 * is read again below.
	 */
	if (unlikely(READ_ONCE(core->nr_partial)) || !take_credits(core, 1))
		return false;
	spin_lock(&group->fault_lock);
	attach = route(dev, iof_req_pasid(req));
	if (likely(attach && attach->sink && !core->nr_partial &&
		   !group->switching))
		prg = take_spare(core);
	if (likely(prg)) {
		struct list_head groups = LIST_HEAD_INIT(prg->node);

		prg->node = (struct list_head)LIST_HEAD_INIT(groups);
		prg->req = *req;
		if (!req->sent)
			prg->req.sent = coarse_now(core);
		prg->nr_pages = 1;
		prg->attach = attach;
		prg->dev_id = attach->dev_id;
		/* Count the group before a reader can respond. */
		atomic64_inc(&core->groups);
		taken = !attach->sink->ops->queue(attach->sink, attach, &groups,
						  1);
	}
	spin_unlock(&group->fault_lock);
	if (likely(taken))
		return true;
	if (prg) {
		atomic64_dec(&core->groups);
		recycle(prg);
	} else {
		atomic_sub_return(1, &core->in_use);
	}
	return false;
}

static bool is_last(const struct iof_page_req *req)
{
	return req->flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE;
}

static __always_inline void trace_request(const struct iof_hwdev *dev,
					  const struct iof_page_req *req)
{
	trace_report(dev->name, iof_req_pasid(req), req->grpid, req->addr,
		     req->perm, is_last(req));
}

int iof_report_page_req(struct iof_hwdev *dev, const struct iof_page_req *req)
{
	atomic64_inc(&dev->core->requests);
	trace_request(dev, req);
	if (!is_last(req))
		return report_partial(dev, req);
	return likely(report_whole(dev, req)) ? 0 : report_last(dev, req, 1);
}

void iof_report_page_reqs(struct iof_hwdev *dev,
			  const struct iof_page_req *reqs, u32 nr)
{
	u32 i, end;

	if (likely(nr == 1)) {
		(void)iof_report_page_req(dev, reqs);
		return;
	}
	atomic64_add(nr, &dev->core->requests);
	for (i = 0; i < nr; i = end) {
		end = i + 1;
		trace_request(dev, &reqs[i]);
		if (!is_last(&reqs[i])) {
			(void)report_partial(dev, &reqs[i]);
			continue;
		}
		while (end < nr && end - i < IOF_ANSWERS_MAX &&
		       is_last(&reqs[end]))
			trace_request(dev, &reqs[end++]);
		if (end - i > 1 || !report_whole(dev, &reqs[i]))
			(void)report_last(dev, &reqs[i], end - i);
	}
}

void iof_report_reset(struct iof_hwdev *dev)
{
	struct iof_hwdev_core *core = dev->core;
	struct iof_prg *prg, *next;
	LIST_HEAD(drop);
	u32 i;

	spin_lock(&core->group->fault_lock);
	for (i = 0; i < ARRAY_SIZE(core->partial); i++) {
		list_for_each_entry_safe(prg, next, &core->partial[i], node) {
			unhash_partial(core, prg);
			list_add_tail(&prg->node, &drop);
		}
	}
	spin_unlock(&core->group->fault_lock);
	recycle_list(&drop);
}

/* ---- switching an attachment ---- */

/*
 * Breaks the unfinished groups of @core that were collected for @attach. Called
 * with fault_lock held.
 */
static void break_partials(struct iof_hwdev_core *core,
			   struct iof_attach *attach, struct list_head *drop)
{
	struct iof_prg *prg, *next;

	list_for_each_entry_safe(prg, next, &attach->partial, open_node) {
		if (prg->dev->core == core)
			break_group(core, prg);
	}
	trim_broken(core, drop);
}

void iof_iopf_drop_partials(struct iof_hwdev *dev, struct iof_attach *attach)
{
	LIST_HEAD(drop);

	spin_lock(&dev->core->group->fault_lock);
	break_partials(dev->core, attach, &drop);
	spin_unlock(&dev->core->group->fault_lock);
	recycle_list(&drop);
}

void iof_iopf_switch_begin(struct iof_group *group, u32 pasid)
{
	lockdep_assert_held(&group->lock);
	spin_lock(&group->fault_lock);
	group->switching = true;
	group->switching_pasid = pasid;
	spin_unlock(&group->fault_lock);
}

/*
 * Ends the switch: queues the parked groups at the attachment that is in force
 * now. Called with fault_lock held, which is dropped to make room in the queue;
 * the switch goes on until then.
 */
static void unpark(struct iof_group *group, struct iof_queueing *to)
{
	struct iof_prg *prg, *next;
	LIST_HEAD(waiting);

	begin_queueing(to);
	do {
		if (to->full)
			make_room(to, group, &waiting);
		/* Groups that were parked meanwhile come after these. */
		list_splice_tail_init(&group->parked, &waiting);
		list_for_each_entry_safe(prg, next, &waiting, node) {
			list_del(&prg->node);
			queue_prg(to, prg,
				  route(prg->dev, iof_req_pasid(&prg->req)));
		}
		queue_collected(to);
	} while (unlikely(to->full));
	group->switching = false;
}

void iof_iopf_switch_end(struct iof_group *group, u32 pasid,
			 struct iof_attach *new)
{
	struct iof_hwdev_core *core;
	struct iof_queueing to;
	struct iof_attach *old;
	LIST_HEAD(drop);

	lockdep_assert_held(&group->lock);
	spin_lock(&group->fault_lock);
	/* The slot exists, so this store allocates nothing. */
	old = new ? xa_store(&group->attachments, pasid, new, GFP_NOWAIT) :
		    xa_erase(&group->attachments, pasid);
	WARN_ON(xa_is_err(old));
	if (pasid == IOF_NO_PASID)
		group->rid = new;
	if (old) {
		list_for_each_entry(core, &group->hwdevs, group_node)
			break_partials(core, old, &drop);
	}
	unpark(group, &to);
	spin_unlock(&group->fault_lock);
	recycle_list(&drop);
	(void)refuse_unqueued(&to);
}

void iof_iopf_switch_cancel(struct iof_group *group, u32 pasid)
{
	struct iof_queueing to;

	lockdep_assert_held(&group->lock);
	spin_lock(&group->fault_lock);
	WARN_ON(group->switching_pasid != pasid);
	unpark(group, &to);
	spin_unlock(&group->fault_lock);
	(void)refuse_unqueued(&to);
}

/* ---- a device comes and goes ---- */

void iof_iopf_init(struct iof_hwdev_core *core)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(core->partial); i++)
		INIT_LIST_HEAD(&core->partial[i]);
	INIT_LIST_HEAD(&core->broken);
	spin_lock_init(&core->payer_lock);
	atomic_set(&core->nr_records, 0);
	spin_lock_init(&core->pool_lock);
	init_llist_head(&core->returned);
	atomic_set(&core->in_use, 0);
	INIT_LIST_HEAD(&core->free_pages);
}

void iof_iopf_trim(struct iof_hwdev_core *core)
{
	struct iof_prg_page *page, *next_page;
	struct iof_prg *prg;
	LIST_HEAD(pages);

	spin_lock(&core->pool_lock);
	list_splice_init(&core->free_pages, &pages);
	spin_unlock(&core->pool_lock);
	list_for_each_entry_safe(page, next_page, &pages, node) {
		iof_fault_record_free(core, iof_prg_page_cache, page);
		cond_resched();
	}
	spin_lock(&core->group->fault_lock);
	while ((prg = take_spare(core))) {
		spin_unlock(&core->group->fault_lock);
		iof_fault_record_free(core, iof_prg_cache, prg);
		cond_resched();
		spin_lock(&core->group->fault_lock);
	}
	spin_unlock(&core->group->fault_lock);
}

void iof_iopf_exit(struct iof_hwdev_core *core)
{
	iof_report_reset(core->dev);
	WARN_ON(atomic_read(&core->in_use));
	iof_iopf_trim(core);
	WARN_ON(atomic_read(&core->nr_records));
}

void iof_hwdev_get_stats(struct iof_hwdev *dev, struct iof_hwdev_stats *stats)
{
	struct iof_hwdev_core *core = dev->core;
	u32 i;

	stats->requests = atomic64_read(&core->requests);
	stats->groups = atomic64_read(&core->groups);
	stats->refused = atomic64_read(&core->refused);
	stats->swept = atomic64_read(&core->swept);
	for (i = 0; i < ARRAY_SIZE(stats->answered); i++)
		stats->answered[i] = atomic64_read(&core->answered[i]);
}
