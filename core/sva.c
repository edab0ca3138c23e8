// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * sva.c - a PASID that sees the address space of a process, and whose page faults the core
 * resolves.
 *
 * The domain is the driver's, over the process's own page tables; the sink is here: each complete
 * group becomes one work item, which faults its pages in as the processor would and answers.
 * Several run at a time. Nothing of this reaches a fault queue.
 *
 * Rules: one struct iof_sva serves one attachment. A work item answers its own group, always: once
 * the attachment is being swept, with INVALID and without touching the process; so does it when the
 * process is gone. The attachment is freed only after a sweep, which waits for all of them and for
 * nobody else's. The work queue is the isolation group's, since no user is charged for one: it is
 * there while an attachment is, and destroying it waits for what a work item does at its very end.
 */
#include "iof_private.h"

struct iof_sva {
	struct iof_fault_sink sink;
	struct iof_group *group;
	struct iof_domain *domain;
	struct mm_struct *mm;		/* mmgrab */
	/* enum iof_why; 0 until swept, then set once; a late look costs one more page fault */
	u8 swept;
};

/*
 * Whether every page of the group could be made present. The process may go at any moment; each
 * page finds that out by itself, so that nothing here holds its memory.
 */
static bool fault_in(struct iof_sva *sva, struct iof_fault_group *g)
{
	struct iof_fault_page *page;
	bool ok = true;

	list_for_each_entry(page, &g->pages, node) {
		ok = !iof_plat_mm_fault_in(sva->mm, page->rec.addr,
					   page->rec.perm & IOMMU_PGFAULT_PERM_WRITE);
		if (!ok)
			break;
	}
	if (ok)
		ok = !iof_plat_mm_fault_in(sva->mm, g->req.addr,
					   g->req.perm & IOMMU_PGFAULT_PERM_WRITE);
	return ok;
}

static void resolve(struct iof_sva *sva, struct iof_fault_group *g)
{
	enum iof_why why = READ_ONCE(sva->swept);

	g->cookie = 0;			/* where the work item was; readers never get this group */
	if (why) {
		iof_iopf_count_swept(g);
		iof_iopf_respond(g, IOF_PAGE_INVALID, why);
		return;
	}
	iof_iopf_respond(g, fault_in(sva, g) ? IOF_PAGE_SUCCESS : IOF_PAGE_INVALID,
			 IOF_WHY_RESPONSE);
}

static void resolve_work(struct work_struct *work)
{
	struct iof_fault_group *g = container_of(work, struct iof_fault_group, work);
	struct iof_attach *attach = g->attach;

	resolve(attach->sva, g);
	/* Once this is zero the attachment may be gone: only its address is used then. */
	if (atomic_dec_and_test(&attach->answering))
		wake_up_var(&attach->answering);
}

static bool sva_deliver(struct iof_fault_sink *sink, struct iof_attach *attach,
			struct list_head *groups)
{
	struct iof_sva *sva = container_of(sink, struct iof_sva, sink);
	struct iof_fault_group *g, *next;

	list_for_each_entry_safe(g, next, groups, node) {
		list_del(&g->node);
		atomic_inc(&attach->answering);
		INIT_WORK(&g->work, resolve_work);
		queue_work(sva->group->sva_wq, &g->work);
	}
	return true;
}

static void sva_sweep(struct iof_fault_sink *sink, struct iof_attach *attach)
{
	struct iof_sva *sva = container_of(sink, struct iof_sva, sink);

	WRITE_ONCE(sva->swept, iof_iopf_why_swept(attach));
	wait_var_event(&attach->answering, !atomic_read_acquire(&attach->answering));
}

static const struct iof_fault_sink_ops sva_sink_ops = {
	.deliver = sva_deliver,
	.sweep = sva_sweep,
};

static int get_work_queue(struct iof_group *group)
{
	lockdep_assert_held(&group->lock);
	if (!group->nr_sva) {
		group->sva_wq = alloc_workqueue("iof_sva", WQ_UNBOUND, 0);
		if (!group->sva_wq)
			return -ENOMEM;
	}
	group->nr_sva++;
	return 0;
}

static void put_work_queue(struct iof_group *group)
{
	lockdep_assert_held(&group->lock);
	if (--group->nr_sva)
		return;
	destroy_workqueue(group->sva_wq);
	group->sva_wq = NULL;
}

struct iof_sva *iof_sva_alloc(struct iof_hwdev *dev, struct mm_struct *mm)
{
	struct iof_group *group = dev->core->group;
	struct iof_sva *sva;
	int rc;

	/* A kernel thread has no address space to share. */
	if (!mm)
		return ERR_PTR(-EINVAL);
	sva = kzalloc(sizeof(*sva), GFP_KERNEL_ACCOUNT);
	if (!sva)
		return ERR_PTR(-ENOMEM);
	sva->sink.ops = &sva_sink_ops;
	sva->group = group;
	rc = get_work_queue(group);
	if (rc)
		goto err_free;
	sva->domain = dev->ops->alloc_sva(dev, mm);
	if (IS_ERR(sva->domain)) {
		rc = PTR_ERR(sva->domain);
		goto err_wq;
	}
	sva->domain->fault_capable = true;
	mmgrab(mm);
	sva->mm = mm;
	return sva;

err_wq:
	put_work_queue(group);
err_free:
	kfree(sva);
	return ERR_PTR(rc);
}

void iof_sva_free(struct iof_sva *sva)
{
	put_work_queue(sva->group);
	sva->domain->ops->free(sva->domain);
	mmdrop(sva->mm);
	kfree(sva);
}

struct iof_domain *iof_sva_domain(struct iof_sva *sva)
{
	return sva->domain;
}

struct iof_fault_sink *iof_sva_sink(struct iof_sva *sva)
{
	return &sva->sink;
}
