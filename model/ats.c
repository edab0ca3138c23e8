// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ats.c - the ATS test device: a 4 KiB transfer between memory and the device,
 * started by a register.
 *
 * One thread does the transfers, one at a time. A missing translation raises a
 * page request if a fault queue listens. After SUCCESS the thread tries again;
 * after any other answer, or when no page can be requested, the transfer ends
 * incomplete. Either way the RUN bit clears.
 *
 * Reset, and a new command during a transfer, start a new generation: the
 * thread drops a transfer of an older generation at its next check. It waits
 * for an open page request before the next transfer begins. Lock: ats->lock
 * over the registers and the generation; the device's memory is the thread's.
 */
#include "ats.h"
#include "model.h"

struct iof_ats {
	struct iof_mdev mdev;
	struct iof_tlb tlb;
	struct iof_pri_slot slot;
	struct task_struct *task;
	wait_queue_head_t wq; /* the thread sleeps here */
	wait_queue_head_t idle_wq;
	spinlock_t lock;
	u8 regs[IOF_ATS_REGS];	    /* content of the registers; lock */
	u32 generation;		    /* written under lock */
	u64 transfers, whole;	    /* protected by lock; iof_ats_get_stats() */
	void (*irq_fn)(void *data); /* protected by lock */
	void *irq_data;
	atomic_t resumed; /* set when a credit or an answer has come */
	u32 delay_us;
	u8 *memory;
	char name[32];
};

static u32 command(struct iof_ats *ats)
{
	u32 cmd;

	lockdep_assert_held(&ats->lock);
	memcpy(&cmd, ats->regs + IOF_ATS_CMD, sizeof(cmd));
	return cmd;
}

static bool stale(struct iof_ats *ats, u32 generation)
{
	return READ_ONCE(ats->generation) != generation ||
	       kthread_should_stop();
}

/* ---- page requests ---- */

static void resume(struct iof_pri_slot *const *slots, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		struct iof_ats *ats =
			container_of(slots[i], struct iof_ats, slot);

		atomic_set_release(&ats->resumed, 1);
		wake_up(&ats->wq);
	}
}

/*
 * Waits for a credit or an answer. The wait ends in any case: a handler
 * responds, or a detach sweeps the group.
 */
static void wait_resumed(struct iof_ats *ats)
{
	while (!atomic_read_acquire(&ats->resumed))
		wait_event_interruptible(ats->wq,
					 atomic_read_acquire(&ats->resumed));
}

/*
 * Requests a page. Returns true if the answer is SUCCESS and the transfer is
 * not stale.
 */
static bool request_page(struct iof_ats *ats, u64 addr, bool write,
			 u32 generation)
{
	unsigned long delay = usecs_to_jiffies(ats->delay_us) + 1;
	struct iof_pri_page page = {
		.addr = addr & ~(u64)(PAGE_SIZE - 1),
		.perm = write ? IOMMU_PGFAULT_PERM_WRITE :
				IOMMU_PGFAULT_PERM_READ,
	};

	atomic_set(&ats->resumed, 0);
	if (!iof_pri_take(&ats->mdev.pri, &ats->slot, 1))
		wait_resumed(ats);
	if (stale(ats, generation)) {
		iof_pri_give_back(&ats->slot, 0);
		return false;
	}
	atomic_set(&ats->resumed, 0);
	iof_pri_send(&ats->slot, IOF_NO_PASID, &page, 1);
	wait_resumed(ats);
	if (ats->slot.code != IOF_PAGE_SUCCESS)
		return false;
	if (ats->delay_us)
		wait_event_interruptible_timeout(ats->wq,
						 stale(ats, generation), delay);
	return !stale(ats, generation);
}

/* ---- a transfer ---- */

/*
 * Copies within one translation. Returns the number of bytes copied, 0 to try
 * again, or a negative errno that ends the transfer.
 */
static int move_some(struct iof_ats *ats, u64 addr, u32 done, bool write,
		     u32 generation)
{
	u32 access = write ? IOF_ACCESS_WRITE : IOF_ACCESS_READ;
	struct iof_attachment *att;
	bool may_request = false;
	struct iof_xlate x;
	int n = -EFAULT;

	iof_tlb_read_lock(&ats->tlb);
	att = stale(ats, generation) ?
		      NULL :
		      iof_tlb_attachment(&ats->tlb, IOF_NO_PASID);
	if (att && !att->mdom->mm) {
		switch (iof_translate(&ats->tlb, att, addr + done, access,
				      &x)) {
		case IOF_XLATE_OK:
			n = min_t(size_t, x.len, IOF_ATS_SIZE - done);
			if (write ? iof_plat_copy(x.va, ats->memory + done, n) :
				    iof_plat_copy(ats->memory + done, x.va, n))
				n = -EIO;
			break;
		case IOF_XLATE_FAULT:
			may_request = att->mdom->domain.fault_capable;
			break;
		default:
			break;
		}
	}
	iof_tlb_read_unlock(&ats->tlb);
	if (may_request)
		n = request_page(ats, addr + done, write, generation) ? 0 :
									-EFAULT;
	return n;
}

/* Does a transfer. Returns true if all of it was copied. */
static bool transfer(struct iof_ats *ats, u64 addr, bool write, u32 generation)
{
	u32 done = 0;
	int n;

	/* The transfer ends at the last address; it does not wrap to 0. */
	while (done < IOF_ATS_SIZE && addr + done >= addr) {
		n = move_some(ats, addr, done, write, generation);
		if (n < 0)
			break;
		done += n;
		cond_resched();
	}
	return done == IOF_ATS_SIZE;
}

static bool has_work(struct iof_ats *ats)
{
	bool work;

	spin_lock(&ats->lock);
	work = command(ats) & IOF_ATS_RUN;
	spin_unlock(&ats->lock);
	return work || kthread_should_stop();
}

static int ats_main(void *data)
{
	struct iof_ats *ats = data;
	u32 cmd, generation;
	bool whole;
	u64 addr;

	while (!kthread_should_stop()) {
		/*
		 * Reschedule: if a program starts commands faster than they
		 * fail, the wait below does not sleep.
		 */
		cond_resched();
		wait_event_interruptible(ats->wq, has_work(ats));
		spin_lock(&ats->lock);
		cmd = command(ats);
		memcpy(&addr, ats->regs + IOF_ATS_ADDR, sizeof(addr));
		generation = ats->generation;
		spin_unlock(&ats->lock);
		if (!(cmd & IOF_ATS_RUN))
			continue;
		whole = transfer(ats, addr, !(cmd & IOF_ATS_READ), generation);
		spin_lock(&ats->lock);
		if (ats->generation == generation) {
			ats->regs[IOF_ATS_CMD] &= (u8)~IOF_ATS_RUN;
			ats->transfers++;
			ats->whole += whole;
			if (ats->irq_fn)
				ats->irq_fn(ats->irq_data);
		}
		spin_unlock(&ats->lock);
		wake_up_all(&ats->idle_wq);
	}
	return 0;
}

/* ---- registers ---- */

void iof_ats_get(struct iof_ats *ats, u32 off, void *buf, u32 n)
{
	spin_lock(&ats->lock);
	memcpy(buf, ats->regs + off, n);
	spin_unlock(&ats->lock);
}

void iof_ats_set(struct iof_ats *ats, u32 off, const void *buf, u32 n)
{
	bool start;

	spin_lock(&ats->lock);
	memcpy(ats->regs + off, buf, n);
	start = off <= IOF_ATS_CMD && off + n > IOF_ATS_CMD;
	if (start)
		WRITE_ONCE(ats->generation, ats->generation + 1);
	spin_unlock(&ats->lock);
	if (start)
		wake_up_all(&ats->wq);
}

void iof_ats_get_stats(struct iof_ats *ats, u64 *transfers, u64 *whole)
{
	spin_lock(&ats->lock);
	*transfers = ats->transfers;
	*whole = ats->whole;
	spin_unlock(&ats->lock);
}

bool iof_ats_poll_idle(struct iof_ats *ats, struct file *file, poll_table *wait)
{
	u32 cmd;

	poll_wait(file, &ats->idle_wq, wait);
	iof_ats_get(ats, IOF_ATS_CMD, &cmd, sizeof(cmd));
	return !(cmd & IOF_ATS_RUN);
}

void iof_ats_reset(struct iof_ats *ats)
{
	u8 zero[IOF_ATS_REGS] = {};

	iof_ats_set(ats, 0, zero, sizeof(zero));
	wake_up_all(&ats->idle_wq);
	/* A read section that begins after this sees the new generation. */
	iof_mdev_drain(&ats->mdev);
}

void iof_ats_bus_master(struct iof_ats *ats, bool on)
{
	iof_mdev_bus_master(&ats->mdev, on);
}

void iof_ats_set_interrupt(struct iof_ats *ats, void (*fn)(void *data),
			   void *data)
{
	spin_lock(&ats->lock);
	ats->irq_fn = fn;
	ats->irq_data = data;
	spin_unlock(&ats->lock);
}

int iof_ats_own(struct iof_ats *ats)
{
	return iof_plat_thread_join(ats->task);
}

void iof_ats_disown(struct iof_ats *ats)
{
	iof_plat_thread_leave(ats->task);
}

struct iof_hwdev *iof_ats_hwdev(struct iof_ats *ats)
{
	return &ats->mdev.hwdev;
}

/* ---- making and unmaking ---- */

static void free_ats(struct iof_ats *ats)
{
	iof_tlb_destroy(&ats->tlb);
	iof_pri_destroy(&ats->mdev.pri);
	iof_mdev_destroy(&ats->mdev);
	kfree(ats->memory);
	kfree(ats);
}

struct iof_ats *iof_ats_create(const struct iof_ats_config *config,
			       struct iof_hwdev *group_with)
{
	struct iof_ats *ats = kzalloc(sizeof(*ats), GFP_KERNEL_ACCOUNT);
	struct iof_hwdev *hwdev;
	struct task_struct *task;
	int rc;

	if (!ats)
		return ERR_PTR(-ENOMEM);
	hwdev = &ats->mdev.hwdev;
	iof_mdev_init(&ats->mdev);
	strscpy(ats->name, config->name, sizeof(ats->name));
	hwdev->name = ats->name;
	hwdev->credits = config->credits;
	hwdev->max_pasids = config->max_pasids;
	ats->delay_us = config->delay_us;
	spin_lock_init(&ats->lock);
	init_waitqueue_head(&ats->wq);
	init_waitqueue_head(&ats->idle_wq);
	atomic_set(&ats->resumed, 0);
	rc = iof_pri_init(&ats->mdev.pri, hwdev, 1, resume);
	if (rc)
		goto err_free;
	iof_pri_add_slot(&ats->mdev.pri, 0, &ats->slot);
	rc = -ENOMEM;
	ats->memory = kzalloc(IOF_ATS_SIZE, GFP_KERNEL_ACCOUNT);
	if (iof_tlb_init(&ats->tlb, &ats->mdev) || !ats->memory)
		goto err_free;
	ats->mdev.tlbs[0] = &ats->tlb;
	ats->mdev.nr_tlbs = 1;
	task = kthread_run(ats_main, ats, "%s", ats->name);
	rc = PTR_ERR_OR_ZERO(task);
	if (rc)
		goto err_free;
	ats->task = task;
	rc = iof_hwdev_register(hwdev, group_with);
	if (rc)
		goto err_stop;
	return ats;

err_stop:
	kthread_stop(ats->task);
err_free:
	free_ats(ats);
	return ERR_PTR(rc);
}

void iof_ats_destroy(struct iof_ats *ats)
{
	iof_ats_reset(ats);
	/* Nothing is attached, so that each group has had its answer. */
	iof_hwdev_unregister(&ats->mdev.hwdev);
	kthread_stop(ats->task);
	free_ats(ats);
}
