// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * file.c - contracts of open files and their numbers. A number is free until it is installed. A
 * file is released once, at its last put. Polling adds the caller to the file's own wait queues.
 */
#include "tests/contract/contract.h"
#include <linux/fdtable.h>

struct thing {
	wait_queue_head_t wq;
	atomic_t released;
	struct completion gone;
	bool ready;
};

static int thing_release(struct inode *inode, struct file *file)
{
	struct thing *thing = file->private_data;

	atomic_inc(&thing->released);
	complete(&thing->gone);
	return 0;
}

static __poll_t thing_poll(struct file *file, struct poll_table_struct *wait)
{
	struct thing *thing = file->private_data;

	poll_wait(file, &thing->wq, wait);
	return thing->ready ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations thing_fops = {
	.owner = THIS_MODULE,
	.release = thing_release,
	.poll = thing_poll,
};

static const struct file_operations mute_fops = {
	.owner = THIS_MODULE,
	.release = thing_release,
};

static struct file *new_file(struct thing *thing, const struct file_operations *fops, int flags)
{
	*thing = (struct thing){ .ready = false };
	init_waitqueue_head(&thing->wq);
	init_completion(&thing->gone);
	return anon_inode_getfile("[contract]", fops, thing, flags);
}

static void put_it(void *arg)
{
	fput(arg);
}

/*
 * Drops a file and waits for its release. A kernel releases a process's file on its way back to the
 * program, which comes after the case; it releases that of a thread of its own soon.
 */
static void put_and_wait(struct thing *thing, struct file *file)
{
	contract_join(contract_start(put_it, file));
	expect(wait_for_completion_timeout(&thing->gone, 60 * HZ));
}

static struct thing thing;

static void a_file_has_what_it_was_made_with(void)
{
	struct file *file = new_file(&thing, &thing_fops, O_RDWR | O_NONBLOCK);
	struct kiocb kiocb;

	require(!IS_ERR(file));
	expect(file->private_data == &thing);
	expect(file->f_op == &thing_fops);
	expect(file->f_flags & O_NONBLOCK);
	expect_eq(file->f_flags & O_ACCMODE, O_RDWR);
	expect_eq(file->f_mode & (FMODE_READ | FMODE_WRITE), FMODE_READ | FMODE_WRITE);
	expect_eq(file_count(file), 1);
	expect(file_inode(file));
	expect_eq(stream_open(file_inode(file), file), 0);
	expect(file->f_mode & FMODE_STREAM);
	expect(!(file->f_mode & (FMODE_PREAD | FMODE_PWRITE | FMODE_LSEEK)));
	init_sync_kiocb(&kiocb, file);
	expect(is_sync_kiocb(&kiocb));
	expect(kiocb.ki_filp == file);
	/* the flags of the file do not set the flags of this one call */
	expect(!(kiocb.ki_flags & IOCB_NOWAIT));
	expect_eq(kiocb.ki_pos, 0);
	put_and_wait(&thing, file);
	file = new_file(&thing, &thing_fops, O_RDONLY);
	require(!IS_ERR(file));
	expect_eq(file->f_mode & (FMODE_READ | FMODE_WRITE), FMODE_READ);
	put_and_wait(&thing, file);
}

static void the_last_holder_releases(void)
{
	struct file *file = new_file(&thing, &thing_fops, O_RDWR);

	require(!IS_ERR(file));
	expect(get_file(file) == file);
	expect_eq(file_count(file), 2);
	fput(file);
	expect_eq(atomic_read(&thing.released), 0);
	expect_eq(file_count(file), 1);
	put_and_wait(&thing, file);
	expect_eq(atomic_read(&thing.released), 1);
}

static void a_reserved_number_is_nobodys_file(void)
{
	struct file *file = new_file(&thing, &thing_fops, O_RDWR);
	int fd, other;

	require(!IS_ERR(file));
	fd = get_unused_fd_flags(O_CLOEXEC);
	other = get_unused_fd_flags(0);
	expect(fd >= 0 && other >= 0 && other != fd);
	expect(!fget((unsigned int)fd));
	fd_install((unsigned int)fd, get_file(file));
	expect_eq(file_count(file), 2);
	expect(fget((unsigned int)fd) == file);
	expect_eq(file_count(file), 3);
	fput(file);
	expect(!fget((unsigned int)other));
	put_unused_fd((unsigned int)other);
	/* the lowest free number is given again */
	expect_eq(get_unused_fd_flags(0), other);
	put_unused_fd((unsigned int)other);
	expect_eq(close_fd((unsigned int)fd), 0);
	expect(!fget((unsigned int)fd));
	expect_eq(close_fd((unsigned int)fd), -EBADF);
	expect_eq(file_count(file), 1);
	expect_eq(atomic_read(&thing.released), 0);
	put_and_wait(&thing, file);
	expect_eq(atomic_read(&thing.released), 1);
}

struct asker {
	poll_table table;
	struct wait_queue_head *queue;
	struct file *file;
	int calls;
};

static void ask(struct file *file, struct wait_queue_head *wq, poll_table *table)
{
	struct asker *asker = container_of(table, struct asker, table);

	asker->queue = wq;
	asker->file = file;
	asker->calls++;
}

static void polling_tells_of_the_files_own_queue(void)
{
	struct file *file = new_file(&thing, &thing_fops, O_RDWR);
	struct asker asker = { .calls = 0 };

	require(!IS_ERR(file));
	init_poll_funcptr(&asker.table, ask);
	/* The function is not that of poll(2), so that its waiter may count wake-ups. */
	expect(iof_plat_counts_wakeups(&asker.table));
	expect(!iof_plat_counts_wakeups(NULL));
	expect_eq(vfs_poll(file, &asker.table), 0);
	expect_eq(asker.calls, 1);
	expect(asker.queue == &thing.wq);
	expect(asker.file == file);
	thing.ready = true;
	/* without a poll table, or a function in it, no caller wants to wait */
	expect_eq(vfs_poll(file, NULL), EPOLLIN | EPOLLRDNORM);
	init_poll_funcptr(&asker.table, NULL);
	expect(!iof_plat_counts_wakeups(&asker.table));
	expect_eq(vfs_poll(file, &asker.table), EPOLLIN | EPOLLRDNORM);
	expect_eq(asker.calls, 1);
	put_and_wait(&thing, file);
	/* a file without a poll function is always ready */
	file = new_file(&thing, &mute_fops, O_RDWR);
	require(!IS_ERR(file));
	expect_eq(vfs_poll(file, NULL), DEFAULT_POLLMASK);
	put_and_wait(&thing, file);
}

static void only_an_eventfd_is_one(void)
{
	struct file *file = new_file(&thing, &thing_fops, O_RDWR);
	int fd;

	require(!IS_ERR(file));
	fd = get_unused_fd_flags(O_CLOEXEC);
	require(fd >= 0);
	expect_eq(PTR_ERR(eventfd_ctx_fdget(fd)), -EBADF);
	fd_install((unsigned int)fd, get_file(file));
	expect_eq(PTR_ERR(eventfd_ctx_fdget(fd)), -EINVAL);
	expect_eq(PTR_ERR(eventfd_ctx_fdget(-1)), -EBADF);
	close_fd((unsigned int)fd);
	put_and_wait(&thing, file);
}

CONTRACT(file, CASE(a_file_has_what_it_was_made_with), CASE(the_last_holder_releases),
	 CASE(a_reserved_number_is_nobodys_file), CASE(polling_tells_of_the_files_own_queue),
	 CASE(only_an_eventfd_is_one));
