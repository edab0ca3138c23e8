// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * control.c - /dev/testiommu: a test program's commands (testiommu.h).
 */
#include "private.h"

#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

DECLARE_RWSEM(ti_table);
struct ti_slot ti_slots[TI_DEVICES];
unsigned int ti_nr_slots;
struct iopf_queue *ti_queue;

static DEFINE_MUTEX(start_lock);
static bool started; /* start_lock */

/* ---- calls that fail ---- */

static DEFINE_SPINLOCK(points_lock);
static struct {
	u64 calls;
	struct ti_fail fail; /* nth: calls until it fails */
} points[TI_NR_POINTS];	     /* points_lock */

int ti_point(unsigned int point)
{
	struct ti_fail *fail = &points[point].fail;
	int rc = 0;

	spin_lock(&points_lock);
	points[point].calls++;
	if (fail->nth > 1) {
		fail->nth--;
	} else if (fail->nth && fail->times) {
		rc = -(int)fail->error;
		if (!--fail->times)
			fail->nth = 0;
	}
	spin_unlock(&points_lock);
	return rc;
}

static int set_fail(const struct ti_fail *fail)
{
	if (fail->point >= TI_POINT_UNMAP || fail->error > MAX_ERRNO)
		return -EINVAL;
	spin_lock(&points_lock);
	points[fail->point].fail = *fail;
	spin_unlock(&points_lock);
	return 0;
}

static void calls_of(struct ti_calls *calls)
{
	unsigned int i;

	spin_lock(&points_lock);
	for (i = 0; i < TI_NR_POINTS; i++)
		calls->calls[i] = points[i].calls;
	spin_unlock(&points_lock);
}

/* ---- begin and end ---- */

static int start(const struct ti_start *told)
{
	unsigned int i;
	int rc;

	if (told->nr > TI_DEVICES || told->reserved)
		return -EINVAL;
	for (i = 0; i < told->nr; i++) {
		if (told->dev[i].group >= TI_DEVICES)
			return -EINVAL;
	}
	mutex_lock(&start_lock);
	if (started) {
		mutex_unlock(&start_lock);
		return -EBUSY;
	}
	ti_forget();
	spin_lock(&points_lock);
	memset(points, 0, sizeof(points));
	spin_unlock(&points_lock);
	down_write(&ti_table);
	for (i = 0; i < told->nr; i++)
		ti_slots[i].told = told->dev[i];
	ti_nr_slots = told->nr;
	up_write(&ti_table);
	rc = ti_register();
	started = !rc;
	mutex_unlock(&start_lock);
	return rc;
}

static void stop(void)
{
	mutex_lock(&start_lock);
	if (started) {
		ti_unregister();
		down_write(&ti_table);
		ti_nr_slots = 0;
		up_write(&ti_table);
		started = false;
	}
	mutex_unlock(&start_lock);
}

/* ---- commands; all under ti_table ---- */

static struct ti_dev *dev_at(u32 index)
{
	return index < ti_nr_slots ? ti_slots[index].dev : NULL;
}

static int raise_all(struct ti_requests *all,
		     int (*raise)(struct ti_dev *, const struct ti_request *))
{
	const struct ti_request __user *from = u64_to_user_ptr(all->requests);
	struct ti_request request;
	struct ti_dev *d;
	u32 i;

	all->out_failed = 0;
	for (i = 0; i < all->nr; i++) {
		if (copy_from_user(&request, from + i, sizeof(request)))
			return -EFAULT;
		d = dev_at(request.dev);
		if (!d)
			return -ENODEV;
		all->out_failed += !!raise(d, &request);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int flood(const struct ti_flood *flood)
{
	struct ti_dev *d = dev_at(flood->first.dev);
	struct ti_request request = flood->first;
	u32 i;

	if (!d)
		return -ENODEV;
	request.flags |= TI_REQ_LAST;
	for (i = 0; i < flood->nr; i++) {
		request.grpid = flood->first.grpid + (flood->grpids ? i % flood->grpids : i);
		request.addr = flood->first.addr + (u64)i * PAGE_SIZE;
		(void)ti_raise(d, &request);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Under d->access. */
static struct ti_domain *domain_at(struct ti_dev *d, u32 pasid)
{
	return pasid == TI_NO_PASID ? d->rid : xa_load(&d->pasids, pasid);
}

static int look_up(struct ti_lookup *look)
{
	struct ti_dev *d = dev_at(look->dev);
	struct ti_domain *domain;
	unsigned int level;
	void *entry;
	int rc = 0;

	if (!d)
		return -ENODEV;
	read_lock(&d->access);
	domain = domain_at(d, look->pasid);
	entry = domain ? ti_walk(domain, look->iova, &level) : NULL;
	if (entry) {
		look->size = 1ull << ti_shift(level);
		look->pa = ti_pa(entry) + (look->iova & (look->size - 1));
		look->prot = xa_to_value(entry) & 3;
		look->dirty = xa_get_mark(&domain->pages[level], look->iova >> ti_shift(level),
					  XA_MARK_0);
	} else {
		rc = domain ? -EFAULT : -ENOENT;
	}
	read_unlock(&d->access);
	return rc;
}

/* Part of a DMA, inside one page; under both locks of access. */
static bool dma_part(struct ti_domain *domain, u64 iova, char *data, size_t size, bool write)
{
	unsigned int level;
	void *entry = ti_walk(domain, iova, &level);
	unsigned long pfn;
	char *page;

	if (!entry || !(xa_to_value(entry) & (write ? IOMMU_WRITE : IOMMU_READ)))
		return false;
	pfn = (ti_pa(entry) + (iova & ((1ull << ti_shift(level)) - 1))) >> PAGE_SHIFT;
	if (!pfn_valid(pfn))
		return false;
	page = kmap_local_page(pfn_to_page(pfn));
	if (write)
		memcpy(page + offset_in_page(iova), data, size);
	else
		memcpy(data, page + offset_in_page(iova), size);
	kunmap_local(page);
	if (write && READ_ONCE(domain->tracking))
		xa_set_mark(&domain->pages[level], iova >> ti_shift(level), XA_MARK_0);
	return true;
}

static int dma(struct ti_dma *dma)
{
	struct ti_dev *d = dev_at(dma->dev);
	bool write = dma->flags & TI_DMA_WRITE, ok = true;
	void __user *buffer = u64_to_user_ptr(dma->buffer);
	char *data;
	int rc = 0;

	if (!d)
		return -ENODEV;
	if (dma->length > TI_DMA_MAX)
		return -EINVAL;
	data = write ? vmemdup_user(buffer, dma->length) : kvzalloc(dma->length, GFP_KERNEL);
	if (IS_ERR_OR_NULL(data))
		return data ? PTR_ERR(data) : -ENOMEM;
	dma->out_done = 0;
	while (ok && dma->out_done < dma->length) {
		u64 iova = dma->iova + dma->out_done;
		size_t part = min_t(size_t, dma->length - dma->out_done,
				    PAGE_SIZE - offset_in_page(iova));
		struct ti_domain *domain;

		read_lock(&d->access);
		domain = domain_at(d, dma->pasid);
		ok = domain;
		if (domain) {
			read_lock(&domain->access);
			ok = dma_part(domain, iova, data + dma->out_done, part, write);
			read_unlock(&domain->access);
		}
		read_unlock(&d->access);
		if (ok)
			dma->out_done += part;
		cond_resched();
	}
	if (!write && copy_to_user(buffer, data, dma->out_done))
		rc = -EFAULT;
	kvfree(data);
	return rc;
}

static int nested(struct ti_nested *told)
{
	struct ti_dev *d = dev_at(told->dev);
	struct ti_domain *domain;
	int rc = -ENOENT;

	if (!d)
		return -ENODEV;
	read_lock(&d->access);
	domain = domain_at(d, told->pasid);
	if (domain && domain->parent) {
		memcpy(told->iotlb, domain->iotlb, sizeof(told->iotlb));
		told->invalidations = atomic64_read(&domain->invalidations);
		rc = 0;
	}
	read_unlock(&d->access);
	return rc;
}

union command {
	struct ti_requests requests;
	struct ti_flood flood;
	struct ti_hook hook;
	struct ti_fail fail;
	struct ti_calls calls;
	struct ti_stats stats;
	struct ti_lookup lookup;
	struct ti_dma dma;
	struct ti_nested nested;
	struct ti_floor_map floor_map;
};

static int do_command(unsigned int cmd, union command *u)
{
	switch (cmd) {
	case TI_REQUESTS:
		return raise_all(&u->requests, ti_raise);
	case TI_FLOOD:
		return flood(&u->flood);
	case TI_HOOK:
		if (u->hook.when >= TI_NR_HOOKS)
			return -EINVAL;
		ti_set_hook(&u->hook);
		return 0;
	case TI_FAIL:
		return set_fail(&u->fail);
	case TI_CALLS:
		calls_of(&u->calls);
		return 0;
	case TI_STATS:
		if (u->stats.dev >= TI_DEVICES)
			return -EINVAL;
		ti_stats_of(u->stats.dev, &u->stats);
		return 0;
	case TI_LOOKUP:
		return look_up(&u->lookup);
	case TI_DMA:
		return dma(&u->dma);
	case TI_NESTED:
		return nested(&u->nested);
	case TI_FLOOR_REQUESTS:
		return raise_all(&u->requests, ti_floor_raise);
	case TI_FLOOR_MAP:
		return ti_floor_map(&u->floor_map);
	}
	return -ENOTTY;
}

static long ti_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	size_t size = _IOC_SIZE(cmd);
	union command u = {};
	int rc;

	if (cmd == TI_START) {
		struct ti_start told;

		return copy_from_user(&told, user, sizeof(told)) ? -EFAULT : start(&told);
	}
	if (cmd == TI_STOP) {
		stop();
		return 0;
	}
	if (cmd == TI_HOLD) {
		u32 on;

		if (copy_from_user(&on, user, sizeof(on)))
			return -EFAULT;
		ti_hold(on);
		return 0;
	}
	if (cmd == TI_HELD)
		return ti_wait_held();
	if (size > sizeof(u))
		return -ENOTTY;
	if (_IOC_DIR(cmd) & _IOC_WRITE && copy_from_user(&u, user, size))
		return -EFAULT;
	down_read(&ti_table);
	rc = do_command(cmd, &u);
	up_read(&ti_table);
	if (_IOC_DIR(cmd) & _IOC_READ && copy_to_user(user, &u, size))
		return -EFAULT;
	return rc;
}

static const struct file_operations ti_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = ti_ioctl,
	.read = ti_read,
	.poll = ti_poll,
};

static struct miscdevice ti_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "testiommu",
	.mode = 0600,
	.fops = &ti_fops,
};

static int __init ti_init(void)
{
	int rc;

	ti_queue = iopf_queue_alloc("testiommu");
	if (!ti_queue)
		return -ENOMEM;
	ti_forget();
	rc = misc_register(&ti_misc);
	if (rc)
		iopf_queue_free(ti_queue);
	return rc;
}

static void __exit ti_exit(void)
{
	misc_deregister(&ti_misc);
	stop();
	iopf_queue_free(ti_queue);
}

module_init(ti_init);
module_exit(ti_exit);
MODULE_DESCRIPTION("An IOMMU without hardware, for tests");
MODULE_LICENSE("Dual MIT/GPL");
