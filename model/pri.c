// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pri.c - the page-request interface of a device: credits, page-request groups,
 * answers.
 *
 * A device has as many credits as page requests it may have open (PCIe's
 * outstanding page request allocation). A request takes one credit, and the
 * answer to its group gives all of the group's credits back. When none is free,
 * a requester joins a FIFO list; the next free credit is assigned to its head,
 * so that no requester overtakes another. A group's index is the index of the
 * requester (slot), which has at most one group open, so that an answer finds
 * its slot without a search.
 *
 * Sending and answering take a lock only while a slot waits for credits. No
 * function here sleeps, except that iof_report_page_req() may.
 */
#include "model.h"

int iof_pri_init(struct iof_pri *pri, struct iof_hwdev *hwdev, u32 nr_slots,
		 void (*resume)(struct iof_pri_slot *const *slots, u32 nr))
{
	memset(pri, 0, sizeof(*pri));
	pri->slots =
		kvcalloc(nr_slots, sizeof(*pri->slots), GFP_KERNEL_ACCOUNT);
	if (!pri->slots)
		return -ENOMEM;
	pri->hwdev = hwdev;
	pri->nr_slots = nr_slots;
	pri->resume = resume;
	atomic_set(&pri->credits, hwdev->credits);
	atomic_set(&pri->nr_starved, 0);
	spin_lock_init(&pri->lock);
	INIT_LIST_HEAD(&pri->starved);
	return 0;
}

void iof_pri_destroy(struct iof_pri *pri)
{
	if (pri->slots)
		WARN_ON(atomic_read(&pri->credits) != (int)pri->hwdev->credits);
	kvfree(pri->slots);
}

void iof_pri_add_slot(struct iof_pri *pri, u32 index, struct iof_pri_slot *slot)
{
	slot->pri = pri;
	slot->index = index;
	slot->state = IOF_PRI_IDLE;
	INIT_LIST_HEAD(&slot->node);
	pri->slots[index] = slot;
}

/* Takes up to @want of the free credits. */
static u32 grab(struct iof_pri *pri, u32 want)
{
	int have = atomic_read(&pri->credits);
	int take;

	do {
		take = min_t(int, have, want);
		if (take <= 0)
			return 0;
	} while (!atomic_try_cmpxchg(&pri->credits, &have, have - take));
	return take;
}

/* Assigns free credits to the slots on pri->starved. */
static void feed(struct iof_pri *pri)
{
	while (atomic_read(&pri->nr_starved)) {
		struct iof_pri_slot *slot;

		spin_lock(&pri->lock);
		slot = list_first_entry_or_null(&pri->starved,
						struct iof_pri_slot, node);
		if (!slot || !grab(pri, 1)) {
			spin_unlock(&pri->lock);
			return;
		}
		list_del_init(&slot->node);
		atomic_dec(&pri->nr_starved);
		slot->held = 1;
		slot->code = IOF_PAGE_SUCCESS;
		WRITE_ONCE(slot->state, IOF_PRI_IDLE);
		spin_unlock(&pri->lock);
		pri->resume(&slot, 1);
	}
}

static void release(struct iof_pri *pri, u32 nr)
{
	if (!nr)
		return;
	/*
	 * A full barrier: either feed() sees a slot that joined pri->starved,
	 * or that slot's thread sees the credits.
	 */
	atomic_add_return(nr, &pri->credits);
	feed(pri);
}

u32 iof_pri_take(struct iof_pri *pri, struct iof_pri_slot *slot, u32 want)
{
	if (slot->held < want && !atomic_read(&pri->nr_starved))
		slot->held += grab(pri, want - slot->held);
	if (slot->held)
		return slot->held;

	atomic64_inc(&pri->stalls);
	spin_lock(&pri->lock);
	WRITE_ONCE(slot->state, IOF_PRI_STARVED);
	list_add_tail(&slot->node, &pri->starved);
	atomic_inc_return(&pri->nr_starved);
	spin_unlock(&pri->lock);
	feed(pri);
	return 0;
}

void iof_pri_give_back(struct iof_pri_slot *slot, u32 keep)
{
	u32 surplus = slot->held > keep ? slot->held - keep : 0;

	slot->held -= surplus;
	release(slot->pri, surplus);
}

static u32 request_flags(u32 pasid)
{
	return pasid == IOF_NO_PASID ? 0 : IOMMU_PGFAULT_FLAGS_PASID_VALID;
}

static void open_slot(struct iof_pri_slot *slot, u32 pasid, u32 nr, u64 now)
{
	WARN_ON_ONCE(slot->held != nr || slot->state != IOF_PRI_IDLE);
	slot->pasid = pasid;
	slot->sent = now;
	/*
	 * The answer may come as soon as the last page is reported; see
	 * take_answer().
	 */
	smp_store_release(&slot->state, IOF_PRI_OPEN);
}

void iof_pri_send(struct iof_pri_slot *slot, u32 pasid,
		  const struct iof_pri_page *pages, u32 nr)
{
	struct iof_pri *pri = slot->pri;
	struct iof_page_req req = {
		.flags = request_flags(pasid),
		.pasid = pasid,
		.grpid = slot->index,
		.sent = ktime_get_ns(),
	};
	u32 i;

	open_slot(slot, pasid, nr, req.sent);
	atomic64_inc(&pri->groups);
	for (i = 0; i < nr; i++) {
		req.addr = pages[i].addr;
		req.perm = pages[i].perm;
		if (i + 1 == nr)
			req.flags |= IOMMU_PGFAULT_FLAGS_LAST_PAGE;
		/*
		 * The last page gets an answer, even if this call returns an
		 * error.
		 */
		(void)iof_report_page_req(pri->hwdev, &req);
	}
}

void iof_pri_send_singles(struct iof_pri *pri,
			  const struct iof_pri_single *singles, u32 nr)
{
	struct iof_page_req reqs[IOF_PRI_SINGLES_MAX];
	u64 now = ktime_get_ns();
	u32 i;

	if (WARN_ON_ONCE(nr > ARRAY_SIZE(reqs)))
		return;
	for (i = 0; i < nr; i++) {
		reqs[i] = (struct iof_page_req){
			.flags = request_flags(singles[i].pasid) |
				 IOMMU_PGFAULT_FLAGS_LAST_PAGE,
			.pasid = singles[i].pasid,
			.grpid = singles[i].slot->index,
			.perm = singles[i].page.perm,
			.addr = singles[i].page.addr,
			.sent = now,
		};
		open_slot(singles[i].slot, singles[i].pasid, 1, now);
	}
	atomic64_add(nr, &pri->groups);
	iof_report_page_reqs(pri->hwdev, reqs, nr);
}

/*
 * Returns the bucket of a duration. Each power of two has 16 buckets, each
 * value below 16 its own, and all values from 2^40 on share the last.
 * <iofault/histogram.h> has the same buckets.
 */
static unsigned int latency_bucket(u64 ns)
{
	unsigned int top;

	if (ns < 16)
		return ns;
	if (ns >> IOF_DSA_LATENCY_TOP)
		return IOF_DSA_LATENCY_BUCKETS - 1;
	top = fls64(ns) - 1;
	return (top - 3) * 16 + ((ns >> (top - 4)) & 15);
}

static void note_latency(struct iof_pri *pri, u64 ns)
{
	s64 max = atomic64_read(&pri->latency_max);

	atomic64_inc(&pri->latency[latency_bucket(ns)]);
	atomic64_add(ns, &pri->latency_sum);
	while (max < (s64)ns &&
	       !atomic64_try_cmpxchg(&pri->latency_max, &max, ns))
		;
}

void iof_pri_get_latency(struct iof_pri *pri, struct iof_dsa_latency *latency)
{
	unsigned int i;

	latency->count = 0;
	latency->sum = atomic64_read(&pri->latency_sum);
	latency->max = atomic64_read(&pri->latency_max);
	for (i = 0; i < IOF_DSA_LATENCY_BUCKETS; i++) {
		latency->buckets[i] = atomic64_read(&pri->latency[i]);
		latency->count += latency->buckets[i];
	}
}

/*
 * Takes the open group of @req's slot, which the caller owns then. Returns NULL
 * if the slot had no open group.
 */
static struct iof_pri_slot *take_answer(struct iof_pri *pri,
					const struct iof_page_req *req)
{
	struct iof_pri_slot *slot;

	if (WARN_ON_ONCE(req->grpid >= pri->nr_slots ||
			 !pri->slots[req->grpid]))
		return NULL;
	slot = pri->slots[req->grpid];
	/* Only the thread that changes the state from OPEN takes the answer. */
	if (WARN_ON_ONCE(cmpxchg(&slot->state, IOF_PRI_OPEN, IOF_PRI_IDLE) !=
			 IOF_PRI_OPEN))
		return NULL;
	return slot;
}

void iof_pri_responses(struct iof_pri *pri,
		       const struct iof_page_answer *answers, u32 nr)
{
	struct iof_pri_slot *slots[IOF_PRI_SINGLES_MAX];
	u64 now = ktime_get_ns();
	u32 held = 0, n = 0, i;

	/* The slots are dirty in the senders' caches: prefetch all of them. */
	for (i = 0; i < nr; i++) {
		if (answers[i].req.grpid < pri->nr_slots &&
		    pri->slots[answers[i].req.grpid])
			prefetchw(&pri->slots[answers[i].req.grpid]->state);
	}
	for (i = 0; i < nr; i++) {
		struct iof_pri_slot *slot = take_answer(pri, &answers[i].req);

		if (!slot)
			continue;
		note_latency(pri, now - slot->sent);
		held += slot->held;
		slot->held = 0;
		slot->code = answers[i].code;
		slots[n++] = slot;
		if (n == ARRAY_SIZE(slots)) {
			pri->resume(slots, n);
			n = 0;
		}
	}
	if (n)
		pri->resume(slots, n);
	release(pri, held);
}

bool iof_pri_unstarve(struct iof_pri_slot *slot)
{
	struct iof_pri *pri = slot->pri;
	bool there;

	spin_lock(&pri->lock);
	/* The other states change without the lock. */
	there = READ_ONCE(slot->state) == IOF_PRI_STARVED;
	if (there) {
		list_del_init(&slot->node);
		atomic_dec(&pri->nr_starved);
		WRITE_ONCE(slot->state, IOF_PRI_IDLE);
	}
	spin_unlock(&pri->lock);
	return there;
}
