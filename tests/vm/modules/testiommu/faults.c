// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * faults.c - raises page requests of devices, and records the responses.
 *
 * A device counts its open groups by PASID and group index, so that a response
 * too many is seen at once. A request that comes while there is no page
 * table, or page requests are disabled, never reaches the kernel: the IOMMU responds INVALID by
 * itself, as real ones do.
 */
#include "private.h"

#include <linux/fs.h>
#include <linux/kfifo.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

/* records and the statistics of all slots */
static DEFINE_SPINLOCK(records_lock);
static DEFINE_KFIFO(records, struct ti_response, TI_RECORDS);
static DECLARE_WAIT_QUEUE_HEAD(records_come);
static DEFINE_MUTEX(readers);

static struct {
	struct ti_request request;
	bool armed;
} hooks[TI_NR_HOOKS]; /* records_lock */

/* ---- enabled or not ---- */

int ti_iopf_get(struct ti_dev *d)
{
	int rc = ti_point(TI_POINT_FEATURE);

	if (rc)
		return rc;
	if (d->flags & TI_DEV_NO_PRI)
		return -ENODEV;
	down_write(&d->iopf);
	if (!d->nr_iopf)
		rc = iopf_queue_add_device(ti_queue, d->dev);
	if (!rc)
		d->nr_iopf++;
	up_write(&d->iopf);
	return rc;
}

void ti_iopf_put(struct ti_dev *d)
{
	ti_event(d, TI_NO_PASID, TI_HOOK_BEFORE_FEATURE_OFF);
	down_write(&d->iopf);
	if (!WARN_ON(!d->nr_iopf) && !--d->nr_iopf)
		iopf_queue_remove_device(ti_queue, d->dev);
	up_write(&d->iopf);
}

/* As real drivers do before a page table and its handler leave. */
void ti_drain(struct ti_dev *d)
{
	down_write(&d->iopf);
	up_write(&d->iopf);
}

/* Is there a page table whose handler can take the request? Under d->iopf. */
static bool takes(struct ti_dev *d, u32 pasid)
{
	bool there;

	read_lock(&d->access);
	there = pasid == TI_NO_PASID ? d->rid : xa_load(&d->pasids, pasid);
	read_unlock(&d->access);
	return there && d->nr_iopf;
}

/* ---- requests ---- */

static unsigned long key_of(u32 pasid, u32 grpid)
{
	return (unsigned long)pasid << 32 | grpid;
}

/* Adds @by to the open groups with this key; false: there was none to take. */
static bool count_open(struct ti_dev *d, unsigned long key, int by)
{
	long there;
	bool ok = true;

	xa_lock(&d->open);
	there = xa_to_value(xa_load(&d->open, key) ?: xa_mk_value(0)) + by;
	if (there < 0)
		ok = false;
	else
		/* A zero stays, since its nodes cost more than all else. */
		__xa_store(&d->open, key, xa_mk_value(there), GFP_ATOMIC);
	xa_unlock(&d->open);
	return ok;
}

bool ti_any_open(struct ti_dev *d)
{
	unsigned long key;
	void *entry;

	xa_for_each(&d->open, key, entry) {
		if (xa_to_value(entry))
			return true;
	}
	return false;
}

int ti_raise(struct ti_dev *d, const struct ti_request *request)
{
	bool last = request->flags & TI_REQ_LAST;
	bool pasid = request->pasid != TI_NO_PASID;
	struct ti_stats *stats = &ti_slots[d->index].stats;
	struct iopf_fault event = {
		.fault.type = IOMMU_FAULT_PAGE_REQ,
		.fault.prm = {
			.flags = (last ? IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE : 0) |
				 (pasid ? IOMMU_FAULT_PAGE_REQUEST_PASID_VALID |
						  IOMMU_FAULT_PAGE_RESPONSE_NEEDS_PASID :
					  0),
			.pasid = pasid ? request->pasid : 0,
			.grpid = request->grpid,
			.perm = request->perm,
			.addr = request->addr,
		},
	};
	int rc = -ESHUTDOWN;
	bool taken;

	down_read(&d->iopf);
	taken = takes(d, request->pasid);
	spin_lock(&records_lock);
	if (taken) {
		stats->requests++;
		stats->groups += last;
	} else {
		stats->own++;
	}
	spin_unlock(&records_lock);
	if (taken) {
		if (last)
			count_open(d, key_of(request->pasid, request->grpid), 1);
		rc = iommu_report_device_fault(d->dev, &event);
	}
	up_read(&d->iopf);
	return rc;
}

void ti_event(struct ti_dev *d, u32 pasid, unsigned int when)
{
	struct ti_request request;
	bool armed;

	spin_lock(&records_lock);
	request = hooks[when].request;
	armed = hooks[when].armed && request.dev == d->index &&
		(when == TI_HOOK_BEFORE_FEATURE_OFF || request.pasid == pasid);
	if (armed)
		hooks[when].armed = false;
	spin_unlock(&records_lock);
	if (armed)
		ti_raise(d, &request);
}

void ti_set_hook(const struct ti_hook *hook)
{
	spin_lock(&records_lock);
	hooks[hook->when].request = hook->request;
	hooks[hook->when].armed = true;
	spin_unlock(&records_lock);
}

/* ---- responses ---- */

static bool hold;
static unsigned int nr_held;
static DECLARE_WAIT_QUEUE_HEAD(held);

void ti_hold(bool on)
{
	WRITE_ONCE(hold, on);
	wake_up_all(&held);
}

int ti_wait_held(void)
{
	return wait_event_interruptible(held, READ_ONCE(nr_held));
}

/* Holds a response while a test wants that. */
static void wait_for_hold(void)
{
	if (!READ_ONCE(hold))
		return;
	spin_lock(&records_lock);
	nr_held++;
	spin_unlock(&records_lock);
	wake_up_all(&held);
	wait_event(held, !READ_ONCE(hold));
	spin_lock(&records_lock);
	nr_held--;
	spin_unlock(&records_lock);
}

void ti_page_response(struct device *dev, struct iopf_fault *evt, struct iommu_page_response *msg)
{
	const struct iommu_fault_page_request *prm = &evt->fault.prm;
	struct ti_dev *d = dev_iommu_priv_get(dev);
	struct ti_stats *stats = &ti_slots[d->index].stats;
	struct ti_response record = {
		.dev = d->index,
		.pasid = prm->flags & IOMMU_FAULT_PAGE_REQUEST_PASID_VALID ? msg->pasid :
									     TI_NO_PASID,
		.grpid = msg->grpid,
		.code = msg->code,
	};
	bool known;

	/* Only a group gets a response, not each of its pages. */
	if (!(prm->flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))
		return;
	wait_for_hold();
	known = count_open(d, key_of(record.pasid, record.grpid), -1);
	spin_lock(&records_lock);
	stats->responses++;
	if (record.code < ARRAY_SIZE(stats->code))
		stats->code[record.code]++;
	if (!known || record.code >= ARRAY_SIZE(stats->code))
		stats->unexpected++;
	kfifo_put(&records, record);
	spin_unlock(&records_lock);
	wake_up(&records_come);
}

static bool any_record(void)
{
	return !kfifo_is_empty(&records);
}

ssize_t ti_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct ti_response record;
	ssize_t done = 0;
	int rc = 0;

	if (mutex_lock_interruptible(&readers))
		return -EINTR;
	if (!any_record()) {
		if (file->f_flags & O_NONBLOCK)
			rc = -EAGAIN;
		else if (wait_event_interruptible(records_come, any_record()))
			rc = -EINTR;
	}
	while (!rc && size - done >= sizeof(record)) {
		bool found;

		spin_lock(&records_lock);
		found = kfifo_get(&records, &record);
		spin_unlock(&records_lock);
		if (!found)
			break;
		if (copy_to_user(to + done, &record, sizeof(record)))
			rc = -EFAULT;
		else
			done += sizeof(record);
	}
	mutex_unlock(&readers);
	return done ?: rc;
}

__poll_t ti_poll(struct file *file, struct poll_table_struct *table)
{
	poll_wait(file, &records_come, table);
	return any_record() ? EPOLLIN | EPOLLRDNORM : 0;
}

void ti_stats_of(unsigned int index, struct ti_stats *stats)
{
	struct ti_dev *d = ti_slots[index].dev;

	spin_lock(&records_lock);
	*stats = ti_slots[index].stats;
	spin_unlock(&records_lock);
	stats->dev = index;
	stats->open = stats->groups - (stats->responses - stats->unexpected);
	stats->iopf = d && READ_ONCE(d->nr_iopf);
}

void ti_forget(void)
{
	unsigned int i;

	spin_lock(&records_lock);
	kfifo_reset(&records);
	memset(hooks, 0, sizeof(hooks));
	for (i = 0; i < TI_DEVICES; i++)
		memset(&ti_slots[i].stats, 0, sizeof(ti_slots[i].stats));
	spin_unlock(&records_lock);
}
