// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * floor.c - a device with calls that do nothing: /dev/iofault-floor, for bench/faultpath.
 *
 * The cost of entering and leaving a module is not iofault's. So this device has the same kind of
 * operations on the same kind of file (no position, no-wait), and each returns at once.
 * An ioctl returns 0; a read and a write return the number of bytes asked for and copy none. poll
 * reports readable and writable on a wait queue.
 *
 * FLOOR_WAITS makes a read wait until FLOOR_REPORT, which wakes the wait queue: what io_uring
 * itself takes to wait for a report and read it. For bench/maps, FLOOR_PIN pins pages of the
 * caller, accounts for them, and unpins them.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(floor_wait);
static bool floor_waits, floor_ready;

static int floor_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

#define FLOOR_PAGES 256

struct floor_pin {
	u64 uptr, npages;
};
#define FLOOR_PIN    _IOW('f', 1, struct floor_pin)
#define FLOOR_WAITS  _IO('f', 2)
#define FLOOR_REPORT _IO('f', 3)

/* One caller at a time: there is one array. */
static long floor_pin(const struct floor_pin __user *arg)
{
	static struct page *pages[FLOOR_PAGES];
	struct floor_pin pin;
	long pinned;

	if (copy_from_user(&pin, arg, sizeof(pin)))
		return -EFAULT;
	if (pin.npages > FLOOR_PAGES)
		return -EINVAL;
	pinned = pin_user_pages_fast(pin.uptr, pin.npages, FOLL_WRITE | FOLL_LONGTERM, pages);
	if (pinned <= 0)
		return pinned ?: -EFAULT;
	atomic64_add(pinned, &current->mm->pinned_vm);
	unpin_user_pages_dirty_lock(pages, pinned, true);
	atomic64_sub(pinned, &current->mm->pinned_vm);
	return pinned == pin.npages ? 0 : -EFAULT;
}

static long floor_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case FLOOR_REPORT:
		WRITE_ONCE(floor_ready, true);
		wake_up_interruptible_poll(&floor_wait, EPOLLIN | EPOLLRDNORM);
		return 0;
	case FLOOR_WAITS:
		WRITE_ONCE(floor_waits, true);
		return 0;
	case FLOOR_PIN:
		return floor_pin((const struct floor_pin __user *)arg);
	default:
		return 0;
	}
}

static ssize_t floor_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return len;
}

static ssize_t floor_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	return len;
}

static ssize_t floor_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	if (READ_ONCE(floor_waits)) {
		if (!READ_ONCE(floor_ready))
			return -EAGAIN;
		WRITE_ONCE(floor_ready, false);
	}
	return iov_iter_count(to);
}

static ssize_t floor_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return iov_iter_count(from);
}

static __poll_t floor_poll(struct file *file, struct poll_table_struct *wait)
{
	poll_wait(file, &floor_wait, wait);
	if (READ_ONCE(floor_waits) && !READ_ONCE(floor_ready))
		return EPOLLOUT | EPOLLWRNORM;
	return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
}

static const struct file_operations floor_fops = {
	.owner = THIS_MODULE,
	.open = floor_open,
	.unlocked_ioctl = floor_ioctl,
	.read = floor_read,
	.write = floor_write,
	.read_iter = floor_read_iter,
	.write_iter = floor_write_iter,
	.poll = floor_poll,
};

static struct miscdevice floor_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "iofault-floor",
	.fops = &floor_fops,
};

module_misc_device(floor_misc);

MODULE_DESCRIPTION("Calls that do nothing, for bench/faultpath to measure");
MODULE_AUTHOR("The iofault authors");
MODULE_LICENSE("Dual MIT/GPL");
