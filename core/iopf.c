// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * iopf.c - page requests become groups, and each group gets exactly one answer.
 *
 * Owns the records of open page requests: from the device's first page, through the partial hash
 * while a group collects, to the sink of the attachment when its LAST page came, and back to the
 * device's pool with the answer. Records are allocated as the device first needs them, at most as
 * many as it has credits, and then reused: once warm, a fault allocates nothing.
 *
 * Rules: a group belongs to (device, PASID, group index). Pages are routed when they arrive; a
 * group whose pages did not all go to the same attachment is broken and its LAST page is answered
 * INVALID. group->fault_lock makes "find the attachment and deliver" one step against a switch.
 */
#include "iof_private.h"

static u32 req_pasid(const struct iof_page_req *req)
{
	return req->flags & IOMMU_PGFAULT_FLAGS_PASID_VALID ? req->pasid : IOF_NO_PASID;
}

/* ---- the pool ---- */

static struct iof_fault_group *alloc_group(struct iof_hwdev *dev)
{
	struct iof_fault_group *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);

	if (g) {
		INIT_LIST_HEAD(&g->pages);
		g->dev = dev;
	}
	return g;
}

static bool take_credit(struct iof_hwdev_core *core)
{
	int used = atomic_read(&core->in_use);

	do {
		if (used >= (int)core->dev->credits)
			return false;
	} while (!atomic_try_cmpxchg(&core->in_use, &used, used + 1));
	return true;
}

/* A free record, or NULL. Fetches the next one, which was another processor's a moment ago. */
static struct iof_fault_group *take_spare(struct iof_hwdev_core *core)
{
	struct llist_node *node = core->spare;
	struct iof_fault_group *g;

	lockdep_assert_held(&core->pool_lock);
	if (!node && !llist_empty(&core->returned))
		node = llist_del_all(&core->returned);
	if (!node)
		return NULL;
	core->spare = node->next;
	if (core->spare) {
		g = llist_entry(core->spare, struct iof_fault_group, free);
		prefetchw(g);
		prefetchw(&g->req);
	}
	return llist_entry(node, struct iof_fault_group, free);
}

/* A record without a credit, or NULL. */
static struct iof_fault_group *take_group(struct iof_hwdev_core *core)
{
	struct iof_fault_group *g;

	spin_lock(&core->pool_lock);
	g = take_spare(core);
	spin_unlock(&core->pool_lock);
	return g ?: alloc_group(core->dev);
}

/*
 * Takes one credit and the records that one more page may need: a group, and for a page that is not
 * LAST (@page not NULL) a page record. -ENOSPC no credit left, -ENOMEM.
 */
static int take_records(struct iof_hwdev_core *core, struct iof_fault_group **group,
			struct iof_fault_page **page)
{
	struct iof_fault_page *p = NULL;
	struct iof_fault_group *g;

	if (!take_credit(core))
		return -ENOSPC;
	spin_lock(&core->pool_lock);
	g = take_spare(core);
	if (page) {
		p = list_first_entry_or_null(&core->free_pages, struct iof_fault_page, node);
		if (p)
			list_del(&p->node);
	}
	spin_unlock(&core->pool_lock);

	if (!g)
		g = alloc_group(core->dev);
	if (page && !p)
		p = kmalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!g || (page && !p))
		goto err_free;
	*group = g;
	if (page)
		*page = p;
	return 0;

err_free:
	kfree(p);
	kfree(g);
	atomic_dec(&core->in_use);
	return -ENOMEM;
}

/* What goes back to one device's pool, collected so that many groups cost its cache lines once. */
struct iof_returning {
	struct iof_hwdev_core *core;
	struct llist_node *first, *last;	/* struct iof_fault_group.free */
	struct list_head pages;			/* struct iof_fault_page.node */
	u32 credits;
};

static void give_back(struct iof_returning *back)
{
	struct iof_hwdev_core *core = back->core;

	if (!list_empty(&back->pages)) {
		spin_lock(&core->pool_lock);
		list_splice_init(&back->pages, &core->free_pages);
		spin_unlock(&core->pool_lock);
	}
	/* The record first: whoever gets the credit needs to find it. */
	if (back->first)
		llist_add_batch(back->first, back->last, &core->returned);
	if (back->credits)
		atomic_sub_return(back->credits, &core->in_use);
}

static void begin_returning(struct iof_returning *back, struct iof_hwdev_core *core)
{
	back->core = core;
	back->first = NULL;
	back->last = NULL;
	INIT_LIST_HEAD(&back->pages);
	back->credits = 0;
}

/* The credits of @g, whose record is still read by somebody. */
static void return_credits(struct iof_returning *back, struct iof_fault_group *g)
{
	back->credits += g->nr_pages;
	g->nr_pages = 0;
}

/* All of @g: empties the record for its next group. */
static void return_group(struct iof_returning *back, struct iof_fault_group *g)
{
	return_credits(back, g);
	list_splice_init(&g->pages, &back->pages);
	g->attach = NULL;
	g->cookie = 0;
	g->state = 0;
	g->broken = false;
	g->free.next = back->first;
	back->first = &g->free;
	if (!back->last)
		back->last = &g->free;
}

void iof_iopf_respond_many(const struct iof_taken *taken, u32 nr)
{
	struct iof_hwdev *dev[IOF_TAKEN_MOST];
	struct iof_page_req req[IOF_TAKEN_MOST];
	struct iof_returning back;
	u32 i;

	begin_returning(&back, taken[0].group->dev->core);
	for (i = 0; i < nr; i++) {
		struct iof_fault_group *g = taken[i].group;

		dev[i] = g->dev;
		req[i] = g->req;
		if (dev[i]->core != back.core) {
			give_back(&back);
			begin_returning(&back, dev[i]->core);
		}
		if (taken[i].being_read)
			return_credits(&back, g);
		else
			return_group(&back, g);
	}
	give_back(&back);
	for (i = 0; i < nr; i++) {
		atomic64_inc(&dev[i]->core->answered[taken[i].code]);
		dev[i]->ops->page_response(dev[i], &req[i], taken[i].code);
	}
}

void iof_iopf_free(struct iof_fault_group *g)
{
	struct iof_fault_page *page, *next;

	list_for_each_entry_safe(page, next, &g->pages, node)
		kfree(page);
	kfree(g);
}

static void recycle(struct iof_fault_group *g)
{
	struct iof_returning back;

	begin_returning(&back, g->dev->core);
	return_group(&back, g);
	give_back(&back);
}

void iof_iopf_respond(struct iof_fault_group *g, enum iof_page_code code)
{
	const struct iof_taken taken = { .group = g, .code = code };

	iof_iopf_respond_many(&taken, 1);
}

/* ---- groups that are still collecting ---- */

static struct list_head *partial_bucket(struct iof_hwdev_core *core, u32 pasid, u32 grpid)
{
	return &core->partial[hash_64((u64)pasid << 32 | grpid, IOF_PARTIAL_HASH_BITS)];
}

static struct iof_fault_group *find_partial(struct iof_hwdev_core *core,
					    const struct iof_page_req *req)
{
	struct list_head *bucket = partial_bucket(core, req_pasid(req), req->grpid);
	struct iof_fault_group *g;

	list_for_each_entry(g, bucket, node) {
		if (g->req.grpid == req->grpid && req_pasid(&g->req) == req_pasid(req))
			return g;
	}
	return NULL;
}

static void unhash_partial(struct iof_hwdev_core *core, struct iof_fault_group *g)
{
	list_del(&g->node);
	if (g->broken) {
		list_del(&g->open_node);
		core->nr_broken--;
	}
}

/*
 * Marks a collecting group as one whose LAST page will be answered INVALID. It holds no credit from
 * then on; so that a device cannot pile such groups up, the oldest is forgotten beyond
 * @dev->credits. What is to be recycled by the caller after unlocking is put on @drop.
 */
static void break_group(struct iof_hwdev_core *core, struct iof_fault_group *g,
			struct list_head *drop)
{
	struct iof_fault_group *oldest;
	struct iof_returning back;

	if (g->broken)
		return;
	if (core->nr_broken >= core->dev->credits) {
		oldest = list_first_entry(&core->broken, struct iof_fault_group, open_node);
		unhash_partial(core, oldest);
		list_add_tail(&oldest->node, drop);
	}
	g->broken = true;
	g->attach = NULL;
	list_add_tail(&g->open_node, &core->broken);
	core->nr_broken++;
	begin_returning(&back, core);
	return_credits(&back, g);
	list_splice_init(&g->pages, &back.pages);
	give_back(&back);
}

static void recycle_list(struct list_head *drop)
{
	struct iof_fault_group *g, *next;

	list_for_each_entry_safe(g, next, drop, node)
		recycle(g);
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

/* Whether a group for @attach has to wait for the outcome of a switch. */
static bool is_switching(struct iof_group *group, u32 pasid, const struct iof_attach *attach)
{
	if (!group->switching)
		return false;
	return attach ? attach->pasid == group->switching_pasid : pasid == group->switching_pasid;
}

/*
 * Hands a complete group to the sink of its attachment. False: nobody will answer it, and the
 * caller must. Under fault_lock.
 */
static bool deliver(struct iof_fault_group *g, struct iof_attach *attach)
{
	if (!attach || !attach->sink)
		return false;
	g->attach = attach;
	g->dev_id = attach->dev_id;
	return attach->sink->ops->deliver(attach->sink, g);
}

static void refuse(struct iof_fault_group *g)
{
	atomic64_inc(&g->dev->core->refused);
	iof_iopf_respond(g, IOF_PAGE_INVALID);
}

/* ---- reporting ---- */

/* The device sent a LAST page that no record can be had for: answer it all the same. */
static void refuse_unrecorded(struct iof_hwdev *dev, const struct iof_page_req *req)
{
	struct iof_hwdev_core *core = dev->core;
	struct iof_fault_group *partial;

	spin_lock(&core->group->fault_lock);
	partial = find_partial(core, req);
	if (partial)
		unhash_partial(core, partial);
	spin_unlock(&core->group->fault_lock);
	if (partial)
		recycle(partial);
	atomic64_inc(&core->refused);
	atomic64_inc(&core->answered[IOF_PAGE_INVALID]);
	dev->ops->page_response(dev, req, IOF_PAGE_INVALID);
}

static int report_last(struct iof_hwdev *dev, const struct iof_page_req *req)
{
	struct iof_hwdev_core *core = dev->core;
	struct iof_group *group = core->group;
	struct iof_fault_group *g, *partial, *spare = NULL;
	struct iof_attach *attach;
	bool taken = true;
	int rc;

	atomic64_inc(&core->groups);
	rc = take_records(core, &g, NULL);
	if (rc) {
		refuse_unrecorded(dev, req);
		return rc;
	}

	spin_lock(&group->fault_lock);
	attach = route(dev, req_pasid(req));
	partial = find_partial(core, req);
	if (partial) {
		unhash_partial(core, partial);
		spare = g;
		g = partial;
		if (g->attach != attach)
			g->broken = true;
	}
	g->req = *req;
	g->nr_pages++;
	if (g->broken)
		taken = false;
	else if (is_switching(group, req_pasid(req), attach))
		list_add_tail(&g->node, &group->parked);
	else
		taken = deliver(g, attach);
	spin_unlock(&group->fault_lock);

	/* The group has the credit, the record was not needed. */
	if (spare)
		recycle(spare);
	if (taken)
		return 0;
	refuse(g);
	return -EINVAL;
}

static int report_partial(struct iof_hwdev *dev, const struct iof_page_req *req)
{
	struct iof_hwdev_core *core = dev->core;
	struct iof_group *group = core->group;
	struct iof_fault_group *g = NULL, *partial;
	struct iof_fault_page *page = NULL;
	struct iof_returning back;
	struct iof_attach *attach;
	LIST_HEAD(drop);
	int rc;

	rc = take_records(core, &g, &page);
	/* The page is lost: its group must be known as broken when the last one comes. */
	if (rc)
		g = take_group(core);
	spin_lock(&group->fault_lock);
	attach = route(dev, req_pasid(req));
	partial = find_partial(core, req);
	if (!partial && g) {
		partial = g;
		g = NULL;
		partial->req = *req;
		partial->attach = attach;
		list_add_tail(&partial->node, partial_bucket(core, req_pasid(req), req->grpid));
	}
	if (!rc && !partial->broken && partial->attach == attach && attach && attach->sink) {
		iof_fault_record(&page->rec, req, attach->dev_id);
		list_add_tail(&page->node, &partial->pages);
		partial->nr_pages++;
		page = NULL;
	} else if (partial) {
		break_group(core, partial, &drop);
	}
	spin_unlock(&group->fault_lock);

	recycle_list(&drop);
	if (g)
		recycle(g);
	if (!page)
		return rc;
	begin_returning(&back, core);
	list_add(&page->node, &back.pages);
	back.credits = 1;
	give_back(&back);
	return -EINVAL;
}

int iof_report_page_req(struct iof_hwdev *dev, const struct iof_page_req *req)
{
	atomic64_inc(&dev->core->requests);
	if (req->flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE)
		return report_last(dev, req);
	return report_partial(dev, req);
}

void iof_report_reset(struct iof_hwdev *dev)
{
	struct iof_hwdev_core *core = dev->core;
	struct iof_fault_group *g, *next;
	LIST_HEAD(drop);
	u32 i;

	spin_lock(&core->group->fault_lock);
	for (i = 0; i < ARRAY_SIZE(core->partial); i++) {
		list_for_each_entry_safe(g, next, &core->partial[i], node) {
			unhash_partial(core, g);
			list_add_tail(&g->node, &drop);
		}
	}
	spin_unlock(&core->group->fault_lock);
	recycle_list(&drop);
}

/* ---- switching an attachment ---- */

/* Breaks the unfinished groups of @core that were meant for @attach. Under fault_lock. */
static void break_partials(struct iof_hwdev_core *core, const struct iof_attach *attach,
			   struct list_head *drop)
{
	struct iof_fault_group *g, *next;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(core->partial); i++) {
		list_for_each_entry_safe(g, next, &core->partial[i], node) {
			if (g->attach == attach)
				break_group(core, g, drop);
		}
	}
}

void iof_iopf_drop_partials(struct iof_hwdev *dev, const struct iof_attach *attach)
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

/* Sends the parked groups where they belong now, those that nobody takes to @refused. */
static void unpark(struct iof_group *group, struct list_head *refused)
{
	struct iof_fault_group *g, *next;

	group->switching = false;
	list_for_each_entry_safe(g, next, &group->parked, node) {
		list_del(&g->node);
		if (!deliver(g, route(g->dev, req_pasid(&g->req))))
			list_add_tail(&g->node, refused);
	}
}

static void refuse_list(struct list_head *refused)
{
	struct iof_fault_group *g, *next;

	list_for_each_entry_safe(g, next, refused, node)
		refuse(g);
}

void iof_iopf_switch_end(struct iof_group *group, u32 pasid, struct iof_attach *new)
{
	struct iof_hwdev_core *core;
	struct iof_attach *old;
	LIST_HEAD(refused);
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
	unpark(group, &refused);
	spin_unlock(&group->fault_lock);
	recycle_list(&drop);
	refuse_list(&refused);
}

void iof_iopf_switch_cancel(struct iof_group *group, u32 pasid)
{
	LIST_HEAD(refused);

	lockdep_assert_held(&group->lock);
	spin_lock(&group->fault_lock);
	WARN_ON(group->switching_pasid != pasid);
	unpark(group, &refused);
	spin_unlock(&group->fault_lock);
	refuse_list(&refused);
}

/* ---- a device comes and goes ---- */

void iof_iopf_init(struct iof_hwdev_core *core)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(core->partial); i++)
		INIT_LIST_HEAD(&core->partial[i]);
	INIT_LIST_HEAD(&core->broken);
	spin_lock_init(&core->pool_lock);
	init_llist_head(&core->returned);
	atomic_set(&core->in_use, 0);
	INIT_LIST_HEAD(&core->free_pages);
}

void iof_iopf_exit(struct iof_hwdev_core *core)
{
	struct iof_fault_page *page, *next_page;
	struct iof_fault_group *g;

	iof_report_reset(core->dev);
	WARN_ON(atomic_read(&core->in_use));
	list_for_each_entry_safe(page, next_page, &core->free_pages, node) {
		kfree(page);
		cond_resched();
	}
	spin_lock(&core->pool_lock);
	while ((g = take_spare(core))) {
		spin_unlock(&core->pool_lock);
		kfree(g);
		cond_resched();
		spin_lock(&core->pool_lock);
	}
	spin_unlock(&core->pool_lock);
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
