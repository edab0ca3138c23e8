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
 * process is gone. The attachment is freed only after a sweep, which waits for all of them.
 */
#include "iof_private.h"

struct iof_sva {
	struct iof_fault_sink sink;
	struct iof_domain *domain;
	struct mm_struct *mm;		/* mmgrab */
	struct workqueue_struct *wq;
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

static void resolve_work(struct work_struct *work)
{
	struct iof_fault_group *g = container_of(work, struct iof_fault_group, work);
	struct iof_sva *sva = g->attach->sva;
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

static bool sva_deliver(struct iof_fault_sink *sink, struct iof_attach *attach,
			struct list_head *groups)
{
	struct iof_sva *sva = container_of(sink, struct iof_sva, sink);
	struct iof_fault_group *g, *next;

	list_for_each_entry_safe(g, next, groups, node) {
		list_del(&g->node);
		INIT_WORK(&g->work, resolve_work);
		queue_work(sva->wq, &g->work);
	}
	return true;
}

static void sva_sweep(struct iof_fault_sink *sink, struct iof_attach *attach)
{
	struct iof_sva *sva = container_of(sink, struct iof_sva, sink);

	WRITE_ONCE(sva->swept, iof_iopf_why_swept(attach));
	flush_workqueue(sva->wq);
}

static const struct iof_fault_sink_ops sva_sink_ops = {
	.deliver = sva_deliver,
	.sweep = sva_sweep,
};

struct iof_sva *iof_sva_alloc(struct iof_hwdev *dev, struct mm_struct *mm)
{
	struct iof_sva *sva;
	int rc;

	/* A kernel thread has no address space to share. */
	if (!mm)
		return ERR_PTR(-EINVAL);
	sva = kzalloc(sizeof(*sva), GFP_KERNEL_ACCOUNT);
	if (!sva)
		return ERR_PTR(-ENOMEM);
	sva->sink.ops = &sva_sink_ops;
	sva->wq = alloc_workqueue("iof_sva", WQ_UNBOUND, 0);
	if (!sva->wq) {
		rc = -ENOMEM;
		goto err_free;
	}
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
	destroy_workqueue(sva->wq);
err_free:
	kfree(sva);
	return ERR_PTR(rc);
}

void iof_sva_free(struct iof_sva *sva)
{
	destroy_workqueue(sva->wq);
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
