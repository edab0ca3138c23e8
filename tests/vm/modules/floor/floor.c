// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * floor.c - a device with calls that do nothing: /dev/iofault-floor, for bench/faultpath.
 *
 * The cost of entering and leaving a module is not iofault's. So this device has the same kind of
 * operations on the same kind of file (iterators, no position, no-wait), and each returns at once.
 * An ioctl returns 0; a read and a write return the number of bytes asked for and copy none. poll
 * reports readable and writable on a wait queue that is never woken.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uio.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(floor_wait);

static int floor_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

static long floor_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return 0;
}

static ssize_t floor_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return iov_iter_count(to);
}

static ssize_t floor_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return iov_iter_count(from);
}

static __poll_t floor_poll(struct file *file, struct poll_table_struct *wait)
{
	poll_wait(file, &floor_wait, wait);
	return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
}

static const struct file_operations floor_fops = {
	.owner = THIS_MODULE,
	.open = floor_open,
	.unlocked_ioctl = floor_ioctl,
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
