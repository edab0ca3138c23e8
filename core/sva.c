// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * sva.c - a PASID that sees the address space of a process, and whose page faults the core
 * resolves.
 *
 * The domain is the driver's, over the process's own page tables; the sink is here. Each complete
 * group waits at its binding (struct iof_sva) until a worker of the user who made the binding takes
 * it, faults its pages in as the processor would, and responds. Nothing of this reaches a fault
 * queue.
 *
 * A page may take for ever: the process can have it filled by a file system or by a program of its
 * own. So nobody waits for a worker. A sweep takes the groups away from the workers that are busy
 * with them, and responds INVALID itself; a worker that comes back then finds nothing to respond
 * to. Until it comes back it keeps its binding, and with that the address space as a struct and the
 * module. A user has SVA_USER_WORKERS workers, of which one binding has SVA_BUSY_MAX busy at most,
 * and a work queue for them: pages that never come delay nobody but him.
 *
 * A response SUCCESS is given only when the device would find the page now: that is asked of the
 * same hook which the device's own accesses go through, never concluded from the fault-in. A page
 * that the one can bring in and the other does not find would otherwise be requested without end.
 *
 * Life: users are found by account in a list, and go when a bind or an unbind comes by after their
 * last binding went, or with the last user of the core; a worker cannot destroy its own queue.
 */
#include "iopf.h"
#include "sva.h"

#define SVA_USER_WORKERS	64
#define SVA_BUSY_MAX		16
/* A page that came in may be taken away again before it is looked at; not so many times. */
#define SVA_TRIES		8

struct sva_user;

struct sva_worker {
	struct work_struct work;
	struct sva_user *user;
	struct list_head node;		/* user->idle, sva->busy; user->lock */
	struct iof_sva *sva;		/* busy with a group of that; holds it */
	/* the group, NULL once somebody took it to respond; user->lock */
	struct iof_prg *prg;
};

struct sva_user {
	struct list_head node;		/* users; users_lock */
	struct user_struct *account;
	struct workqueue_struct *wq;
	atomic_t refs;			/* bindings; leaves 0 under users_lock only */

	spinlock_t lock;		/* the rest, and what bindings say is under it */
	struct list_head idle;		/* struct sva_worker.node */
	struct list_head ready;		/* bindings that a worker can take a group of */
	struct sva_worker workers[SVA_USER_WORKERS];
};

struct iof_sva {
	struct iof_fault_sink sink;
	struct iof_domain *domain;
	struct mm_struct *mm;		/* mmgrab */
	struct sva_user *user;		/* one of its refs */
	refcount_t refs;		/* the attachment, and each worker that is busy with it */
	/* Groups that workers respond to right now: grows under user->lock, shrinks without. */
	atomic_t answering;

	/* user->lock: */
	struct list_head waiting;	/* struct iof_prg.node */
	struct list_head busy;		/* struct sva_worker.node */
	unsigned int nr_busy;
	struct list_head ready_node;	/* user->ready; empty: not in it */
};

static DEFINE_MUTEX(users_lock);
static LIST_HEAD(users);		/* struct sva_user.node; users_lock */

/* ---- users ---- */

static void free_user(struct sva_user *user)
{
	/* A worker may be on its last instructions. */
	destroy_workqueue(user->wq);
	free_uid(user->account);
	kfree(user);
}

static void free_unused_users(void)
{
	struct sva_user *user, *next;

	lockdep_assert_held(&users_lock);
	list_for_each_entry_safe(user, next, &users, node) {
		if (atomic_read_acquire(&user->refs))
			continue;
		list_del(&user->node);
		free_user(user);
	}
}

static void resolve_work(struct work_struct *work);

static struct sva_user *alloc_user(void)
{
	struct sva_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!user)
		return ERR_PTR(-ENOMEM);
	user->wq = alloc_workqueue("iof_sva", WQ_UNBOUND, SVA_USER_WORKERS);
	if (!user->wq) {
		kfree(user);
		return ERR_PTR(-ENOMEM);
	}
	user->account = get_uid(current_user());
	spin_lock_init(&user->lock);
	INIT_LIST_HEAD(&user->idle);
	INIT_LIST_HEAD(&user->ready);
	for (i = 0; i < SVA_USER_WORKERS; i++) {
		INIT_WORK(&user->workers[i].work, resolve_work);
		user->workers[i].user = user;
		list_add_tail(&user->workers[i].node, &user->idle);
	}
	list_add_tail(&user->node, &users);
	return user;
}

/* The caller's, with one ref more. */
static struct sva_user *get_user_of_caller(void)
{
	struct user_struct *account = current_user();
	struct sva_user *user;

	mutex_lock(&users_lock);
	list_for_each_entry(user, &users, node) {
		if (user->account == account)
			goto found;
	}
	user = alloc_user();
	if (IS_ERR(user))
		goto out_unlock;
found:
	atomic_inc(&user->refs);
	free_unused_users();
out_unlock:
	mutex_unlock(&users_lock);
	return user;
}

void iof_sva_free_unused(void)
{
	mutex_lock(&users_lock);
	free_unused_users();
	mutex_unlock(&users_lock);
}

/* ---- bindings ---- */

static void put_sva(struct iof_sva *sva)
{
	struct sva_user *user = sva->user;

	if (!refcount_dec_and_test(&sva->refs))
		return;
	mmdrop(sva->mm);
	kfree(sva);
	(void)atomic_dec_return(&user->refs);
	/* Only now: whoever unloads the module destroys users without refs, and waits for those. */
	module_put(THIS_MODULE);
}

/* Enters the binding among those that can be served, or takes it out. */
static void update_ready(struct iof_sva *sva)
{
	bool ready = !list_empty(&sva->waiting) && sva->nr_busy < SVA_BUSY_MAX;

	lockdep_assert_held(&sva->user->lock);
	if (!ready)
		list_del_init(&sva->ready_node);
	else if (list_empty(&sva->ready_node))
		list_add_tail(&sva->ready_node, &sva->user->ready);
}

/* Gives the worker, which is in no list, the next group of the next binding, or lets it idle. */
static bool assign(struct sva_user *user, struct sva_worker *worker)
{
	struct iof_sva *sva = list_first_entry_or_null(&user->ready, struct iof_sva, ready_node);

	lockdep_assert_held(&user->lock);
	if (!sva) {
		list_add(&worker->node, &user->idle);
		return false;
	}
	refcount_inc(&sva->refs);
	worker->sva = sva;
	worker->prg = list_first_entry(&sva->waiting, struct iof_prg, node);
	list_del(&worker->prg->node);
	list_add_tail(&worker->node, &sva->busy);
	sva->nr_busy++;
	list_del_init(&sva->ready_node);
	update_ready(sva);
	return true;
}

/* ---- resolving ---- */

/* Whether the page is there for the device, once it was brought in. */
static bool bring_in(struct mm_struct *mm, unsigned long addr, bool write)
{
	unsigned int tries;

	for (tries = 0; tries < SVA_TRIES; tries++) {
		if (iof_plat_mm_fault_in(mm, addr, write))
			return false;
		if (iof_plat_user_page_present(mm, addr, write))
			return true;
	}
	return false;
}

/*
 * The page of the worker's group after the one whose node *@at is, NULL at first: false when there
 * is none, or the group was taken away.
 */
static bool next_page(struct sva_worker *worker, struct list_head **at, unsigned long *addr,
		      u32 *perm)
{
	struct iof_prg *prg;
	bool found;

	spin_lock(&worker->user->lock);
	prg = worker->prg;
	/* The pages before the last, then the last one, which is the head's. */
	found = prg && *at != &prg->pages;
	if (found) {
		*at = *at ? (*at)->next : prg->pages.next;
		if (*at == &prg->pages) {
			*addr = prg->req.addr;
			*perm = prg->req.perm;
		} else {
			*addr = list_entry(*at, struct iof_prg_page, node)->rec.addr;
			*perm = list_entry(*at, struct iof_prg_page, node)->rec.perm;
		}
	}
	spin_unlock(&worker->user->lock);
	return found;
}

static void resolve(struct sva_worker *worker)
{
	struct iof_sva *sva = worker->sva;
	struct list_head *at = NULL;
	struct iof_prg *prg;
	unsigned long addr;
	bool ok = true;
	u32 perm;

	while (ok && next_page(worker, &at, &addr, &perm))
		ok = bring_in(sva->mm, addr, perm & IOMMU_PGFAULT_PERM_WRITE);

	spin_lock(&worker->user->lock);
	prg = worker->prg;
	worker->prg = NULL;
	if (prg)
		atomic_inc(&sva->answering);
	spin_unlock(&worker->user->lock);
	if (!prg)
		return;
	iof_iopf_respond(prg, ok ? IOF_PAGE_SUCCESS : IOF_PAGE_INVALID, IOF_WHY_RESPONSE);
	if (atomic_dec_and_test(&sva->answering))
		wake_up_var(&sva->answering);
}

static void resolve_work(struct work_struct *work)
{
	struct sva_worker *worker = container_of(work, struct sva_worker, work);
	struct sva_user *user = worker->user;
	bool more;

	do {
		struct iof_sva *sva = worker->sva;

		resolve(worker);
		spin_lock(&user->lock);
		list_del(&worker->node);
		sva->nr_busy--;
		update_ready(sva);
		more = assign(user, worker);
		spin_unlock(&user->lock);
		put_sva(sva);
		cond_resched();
	} while (more);
}

/* ---- the sink ---- */

static bool sva_queue(struct iof_fault_sink *sink, struct iof_attach *attach,
			struct list_head *groups)
{
	struct iof_sva *sva = container_of(sink, struct iof_sva, sink);
	struct sva_user *user = sva->user;

	spin_lock(&user->lock);
	list_splice_tail_init(groups, &sva->waiting);
	update_ready(sva);
	while (!list_empty(&user->ready) && !list_empty(&user->idle)) {
		struct sva_worker *worker = list_first_entry(&user->idle, struct sva_worker, node);

		list_del(&worker->node);
		assign(user, worker);
		queue_work(user->wq, &worker->work);
	}
	spin_unlock(&user->lock);
	return true;
}

static void sva_sweep(struct iof_fault_sink *sink, struct iof_attach *attach)
{
	struct iof_sva *sva = container_of(sink, struct iof_sva, sink);
	enum iof_why why = iof_iopf_why_swept(attach);
	struct iof_prg *prg, *next;
	struct sva_worker *worker;
	LIST_HEAD(swept);

	spin_lock(&sva->user->lock);
	list_for_each_entry(worker, &sva->busy, node) {
		if (worker->prg)
			list_add_tail(&worker->prg->node, &swept);
		worker->prg = NULL;
	}
	list_splice_tail_init(&sva->waiting, &swept);
	update_ready(sva);
	spin_unlock(&sva->user->lock);
	list_for_each_entry_safe(prg, next, &swept, node) {
		iof_iopf_count_swept(prg);
		iof_iopf_respond(prg, IOF_PAGE_INVALID, why);
		cond_resched();
	}
	/* These have the group's pages behind them: only the driver is to hear of it. */
	wait_var_event(&sva->answering, !atomic_read_acquire(&sva->answering));
}

static const struct iof_fault_sink_ops sva_sink_ops = {
	.queue = sva_queue,
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
	refcount_set(&sva->refs, 1);
	INIT_LIST_HEAD(&sva->waiting);
	INIT_LIST_HEAD(&sva->busy);
	INIT_LIST_HEAD(&sva->ready_node);
	sva->domain = dev->ops->alloc_sva(dev, mm);
	if (IS_ERR(sva->domain)) {
		rc = PTR_ERR(sva->domain);
		goto err_free;
	}
	sva->domain->fault_capable = true;
	sva->user = get_user_of_caller();
	if (IS_ERR(sva->user)) {
		rc = PTR_ERR(sva->user);
		goto err_domain;
	}
	mmgrab(mm);
	sva->mm = mm;
	__module_get(THIS_MODULE);
	return sva;

err_domain:
	sva->domain->ops->free(sva->domain);
err_free:
	kfree(sva);
	return ERR_PTR(rc);
}

void iof_sva_free(struct iof_sva *sva)
{
	sva->domain->ops->free(sva->domain);
	put_sva(sva);
	iof_sva_free_unused();
}

struct iof_domain *iof_sva_domain(struct iof_sva *sva)
{
	return sva->domain;
}

struct iof_fault_sink *iof_sva_sink(struct iof_sva *sva)
{
	return &sva->sink;
}
