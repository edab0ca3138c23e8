// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * sva.c - shared virtual addressing: a PASID that uses the page tables of a
 * process. The core resolves its page faults.
 *
 * The domain is the driver's, over the process's own page tables. The sink is
 * here. A complete group waits at its binding (struct iof_sva) until a worker
 * takes it, faults its pages in as the CPU would, and responds. Fault queues
 * are not involved.
 *
 * A fault-in may last for ever: the page may come from a file system or another
 * program of the user. So no thread waits for a worker. A sweep takes the
 * groups away from busy workers and answers INVALID itself; such a worker then
 * finds no group to respond to. Until it returns, it holds its binding, the
 * mm_struct and the module. Each user account has a work queue of its own with
 * SVA_USER_WORKERS workers, and one binding keeps at most SVA_BUSY_MAX of them
 * busy: pages that never come delay no other user.
 *
 * Workers are threads of a work queue, which belong to no cgroup. Bringing in a
 * huge page costs them far more than its request costs the user. So all workers
 * of a user together get the time of one processor: they wait before a page
 * while they are ahead of the clock by more than SVA_AHEAD_NS.
 *
 * A group gets SUCCESS only if the device would find its pages now. The worker
 * asks the hook that the device's own accesses use, and does not conclude it
 * from the fault-in. Otherwise a device would request a page without end that
 * can be faulted in but is not accessible.
 *
 * Lifetime: users are in a list, by account. The next bind or unbind after its
 * workers are not ahead any more, or the end of the core, frees a user without
 * bindings: a worker cannot destroy its own queue.
 */
#include "iopf.h"
#include "sva.h"

#define SVA_USER_WORKERS 64
#define SVA_BUSY_MAX	 16
/* Number of retries: a page may be reclaimed between fault-in and check. */
#define SVA_TRIES 8
/* Also what each of them may use at once after a pause. */
#define SVA_AHEAD_NS (20 * NSEC_PER_MSEC)

struct sva_user;

struct sva_worker {
	struct work_struct work;
	struct sva_user *user;
	struct list_head node; /* list user->idle or sva->busy; user->lock */
	struct iof_sva *sva;   /* binding of the group, held */
	/* the group; NULL after a sweep has taken it; user->lock */
	struct iof_prg *prg;
};

struct sva_user {
	struct list_head node; /* list users; users_lock */
	struct user_struct *account;
	struct workqueue_struct *wq;
	/* number of bindings; becomes 0 only under users_lock */
	atomic_t refs;

	/* workers that are ahead of the clock wait here */
	wait_queue_head_t pace;

	/* protects the fields below, and the fields of bindings marked so */
	spinlock_t lock;
	struct list_head idle;	/* list of struct sva_worker.node */
	struct list_head ready; /* list of bindings with groups for a worker */
	/*
	 * When one processor would have done what the workers have done so
	 * far, in ktime_get_ns().
	 */
	u64 busy_until;
	struct sva_worker workers[SVA_USER_WORKERS];
};

struct iof_sva {
	struct iof_fault_sink sink;
	struct iof_domain *domain;
	struct mm_struct *mm;  /* held by mmgrab */
	struct sva_user *user; /* holds a reference */
	/* one for the attachment, and one for each busy worker */
	refcount_t refs;
	/*
	 * Number of groups that workers are responding to. It grows under
	 * user->lock, and shrinks without it.
	 */
	atomic_t answering;

	/* protected by user->lock: */
	struct list_head waiting; /* list of struct iof_prg.node */
	struct list_head busy;	  /* list of struct sva_worker.node */
	unsigned int nr_busy;
	struct list_head ready_node; /* list user->ready; empty: not in it */
};

static DEFINE_MUTEX(users_lock);
static LIST_HEAD(users); /* list of struct sva_user.node; users_lock */

/* ---- users ---- */

static void free_user(struct sva_user *user)
{
	/* destroy_workqueue() waits for a worker that is returning. */
	destroy_workqueue(user->wq);
	free_uid(user->account);
	kfree(user);
}

/* A user that is forgotten while its workers are ahead would start anew. */
static bool is_ahead(struct sva_user *user)
{
	u64 now = ktime_get_ns();
	bool ahead;

	spin_lock(&user->lock);
	ahead = user->busy_until > now;
	spin_unlock(&user->lock);
	return ahead;
}

static void free_unused_users(bool all)
{
	struct sva_user *user, *next;

	lockdep_assert_held(&users_lock);
	list_for_each_entry_safe(user, next, &users, node) {
		if (atomic_read_acquire(&user->refs))
			continue;
		if (!all && is_ahead(user))
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
	init_waitqueue_head(&user->pace);
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

/* Returns the caller's user with one more reference. */
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
	free_unused_users(false);
out_unlock:
	mutex_unlock(&users_lock);
	return user;
}

void iof_sva_free_unused(bool all)
{
	mutex_lock(&users_lock);
	free_unused_users(all);
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
	/*
	 * This comes last: module exit destroys users without references and
	 * waits for their workers.
	 */
	module_put(THIS_MODULE);
}

/* Links the binding to user->ready, or unlinks it. */
static void update_ready(struct iof_sva *sva)
{
	bool ready = !list_empty(&sva->waiting) && sva->nr_busy < SVA_BUSY_MAX;

	lockdep_assert_held(&sva->user->lock);
	if (!ready)
		list_del_init(&sva->ready_node);
	else if (list_empty(&sva->ready_node))
		list_add_tail(&sva->ready_node, &sva->user->ready);
}

/*
 * Gives the worker, which is on no list, the next group of the next binding.
 * Returns false if there is none; the worker is idle then.
 */
static bool assign(struct sva_user *user, struct sva_worker *worker)
{
	struct iof_sva *sva = list_first_entry_or_null(
		&user->ready, struct iof_sva, ready_node);

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

static bool was_swept(struct sva_worker *worker)
{
	bool swept;

	spin_lock(&worker->user->lock);
	swept = !worker->prg;
	spin_unlock(&worker->user->lock);
	return swept;
}

/* Waits until the user's workers have time left, or a sweep takes the group. */
static void keep_pace(struct sva_worker *worker)
{
	struct sva_user *user = worker->user;
	u64 now = ktime_get_ns(), ahead;

	spin_lock(&user->lock);
	ahead = user->busy_until > now ? user->busy_until - now : 0;
	spin_unlock(&user->lock);
	if (ahead > SVA_AHEAD_NS)
		wait_event_interruptible_timeout(
			user->pace, was_swept(worker),
			nsecs_to_jiffies(ahead - SVA_AHEAD_NS) + 1);
}

static void count_spent(struct sva_user *user, u64 spent)
{
	u64 now = ktime_get_ns();

	spin_lock(&user->lock);
	user->busy_until = max(user->busy_until, now) + spent;
	spin_unlock(&user->lock);
}

/*
 * Faults the page in. Returns true if the device can access it now, and false
 * also if a sweep took the group.
 */
static bool bring_in(struct sva_worker *worker, unsigned long addr, bool write)
{
	struct mm_struct *mm = worker->sva->mm;
	unsigned int tries;

	for (tries = 0; tries < SVA_TRIES; tries++) {
		u64 spent = 0;
		int rc;

		keep_pace(worker);
		if (was_swept(worker))
			return false;
		rc = iof_plat_mm_fault_in(mm, addr, write, &spent);
		count_spent(worker->user, spent);
		if (rc)
			return false;
		if (iof_plat_user_page_present(mm, addr, write))
			return true;
	}
	return false;
}

/*
 * Finds the page after *@at of the worker's group; *@at is NULL at first.
 * Returns false if there is none, or if a sweep took the group.
 */
static bool next_page(struct sva_worker *worker, struct list_head **at,
		      unsigned long *addr, u32 *perm)
{
	struct iof_prg *prg;
	bool found;

	spin_lock(&worker->user->lock);
	prg = worker->prg;
	/*
	 * The pages before LAST come first, then LAST, which is in the group
	 * itself.
	 */
	found = prg && *at != &prg->pages;
	if (found) {
		*at = *at ? (*at)->next : prg->pages.next;
		if (*at == &prg->pages) {
			*addr = prg->req.addr;
			*perm = prg->req.perm;
		} else {
			*addr = list_entry(*at, struct iof_prg_page, node)
					->rec.addr;
			*perm = list_entry(*at, struct iof_prg_page, node)
					->rec.perm;
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
		ok = bring_in(worker, addr, perm & IOMMU_PGFAULT_PERM_WRITE);

	spin_lock(&worker->user->lock);
	prg = worker->prg;
	worker->prg = NULL;
	if (prg)
		atomic_inc(&sva->answering);
	spin_unlock(&worker->user->lock);
	if (!prg)
		return;
	iof_iopf_respond(prg, ok ? IOF_PAGE_SUCCESS : IOF_PAGE_INVALID,
			 IOF_WHY_RESPONSE);
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

static int sva_queue(struct iof_fault_sink *sink, struct iof_attach *attach,
		     struct list_head *groups, u32 nr)
{
	struct iof_sva *sva = container_of(sink, struct iof_sva, sink);
	struct sva_user *user = sva->user;

	spin_lock(&user->lock);
	list_splice_tail_init(groups, &sva->waiting);
	update_ready(sva);
	while (!list_empty(&user->ready) && !list_empty(&user->idle)) {
		struct sva_worker *worker =
			list_first_entry(&user->idle, struct sva_worker, node);

		list_del(&worker->node);
		assign(user, worker);
		queue_work(user->wq, &worker->work);
	}
	spin_unlock(&user->lock);
	return 0;
}

/* A process is bound to one device, so @dev names no other. */
static void sva_sweep(struct iof_fault_sink *sink, struct iof_attach *attach,
		      const struct iof_hwdev *dev)
{
	struct iof_sva *sva = container_of(sink, struct iof_sva, sink);
	enum iof_why why = dev ? IOF_WHY_DETACH : iof_iopf_why_swept(attach);
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
	wake_up(&sva->user->pace);
	list_for_each_entry_safe(prg, next, &swept, node) {
		iof_iopf_count_swept(prg);
		iof_iopf_respond(prg, IOF_PAGE_INVALID, why);
		cond_resched();
	}
	/*
	 * These workers have done the fault-in: only the driver call remains.
	 */
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

	/* A kernel thread has no user address space. */
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
	iof_sva_free_unused(false);
}

struct iof_domain *iof_sva_domain(struct iof_sva *sva)
{
	return sva->domain;
}

struct iof_fault_sink *iof_sva_sink(struct iof_sva *sva)
{
	return &sva->sink;
}
