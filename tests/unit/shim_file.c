// SPDX-License-Identifier: MIT
/*
 * shim_file.c - tests descriptors of the embedded world. A number is a real eventfd that is
 * readable exactly while the file is, also with racing threads. Close releases the file before it
 * returns. Polling sleeps and wakes. Nodes open by path. Calls are checked as the kernel's entries
 * check them.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/kapi.h"
#include "shim/fault.h"
#include "shim/sys.h"

/* A queue of numbers with a file on top: like a fault queue, without faults. */
struct queue {
	spinlock_t lock;
	u64 items; /* under lock: number of items */
	u64 taken;
	wait_queue_head_t wq;
	atomic_t released;
	bool wake_under_lock;
};

static void queue_put(struct queue *q)
{
	spin_lock(&q->lock);
	q->items++;
	if (q->wake_under_lock && q->items == 1)
		wake_up_interruptible_poll(&q->wq, EPOLLIN);
	spin_unlock(&q->lock);
	if (!q->wake_under_lock && wq_has_sleeper(&q->wq))
		wake_up_interruptible_poll(&q->wq, EPOLLIN);
}

static bool queue_empty(struct queue *q)
{
	bool empty;

	spin_lock(&q->lock);
	empty = !q->items;
	spin_unlock(&q->lock);
	return empty;
}

static ssize_t queue_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct queue *q = iocb->ki_filp->private_data;
	u64 n;

	for (;;) {
		spin_lock(&q->lock);
		n = min(q->items, (u64)iov_iter_count(to) / 8);
		q->items -= n;
		q->taken += n;
		spin_unlock(&q->lock);
		if (n)
			break;
		if (iocb->ki_flags & IOCB_NOWAIT || iocb->ki_filp->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(q->wq, !queue_empty(q)))
			return -ERESTARTSYS;
	}
	return (ssize_t)iov_iter_zero(n * 8, to);
}

static ssize_t queue_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char byte;

	for (size_t i = 0; i < len; i++) {
		if (get_user(byte, buf + i))
			return i ? (ssize_t)i : -EFAULT;
		queue_put(file->private_data);
	}
	*pos += (loff_t)len;
	return (ssize_t)len;
}

static __poll_t queue_poll(struct file *file, poll_table *wait)
{
	struct queue *q = file->private_data;

	poll_wait(file, &q->wq, wait);
	return queue_empty(q) ? EPOLLOUT : EPOLLIN | EPOLLRDNORM | EPOLLOUT;
}

static int queue_release(struct inode *inode, struct file *file)
{
	struct queue *q = file->private_data;

	(void)inode;
	atomic_inc(&q->released);
	return 0;
}

static void queue_fdinfo(struct seq_file *m, struct file *file)
{
	struct queue *q = file->private_data;

	seq_printf(m, "taken:\t%llu\n", q->taken);
}

static long queue_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return cmd == 1 ? (long)arg : file->f_mode & FMODE_WRITE ? -ENOIOCTLCMD : -EPERM;
}

static const struct file_operations queue_fops = {
	.owner = THIS_MODULE,
	.read_iter = queue_read_iter,
	.write = queue_write,
	.poll = queue_poll,
	.release = queue_release,
	.unlocked_ioctl = queue_ioctl,
	.show_fdinfo = queue_fdinfo,
};

static void queue_init(struct queue *q)
{
	*q = (struct queue){ 0 };
	spin_lock_init(&q->lock);
	init_waitqueue_head(&q->wq);
}

static int queue_fd(struct queue *q, int flags)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	assert_true(fd >= 0);
	file = anon_inode_getfile("[queue]", &queue_fops, q, O_RDWR | flags);
	assert_false(IS_ERR(file));
	file->f_mode |= FMODE_NOWAIT;
	fd_install(fd, file);
	return fd;
}

/* Returns the result of poll() on the eventfd. */
static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_true(poll(&p, 1, 0) >= 0);
	return p.revents & POLLIN;
}

static void a_descriptor_is_readable_while_the_file_is(void **state)
{
	struct queue q;
	u64 buf[4];
	int fd;

	(void)state;
	queue_init(&q);
	fd = queue_fd(&q, O_NONBLOCK);
	assert_true(iof_sys_owns(fd));
	assert_false(readable(fd));
	assert_int_equal(iof_sys_read(fd, buf, sizeof(buf)), -EAGAIN);
	queue_put(&q);
	queue_put(&q);
	assert_true(readable(fd));
	assert_int_equal(iof_sys_poll(fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
	assert_int_equal(iof_sys_read(fd, buf, 8), 8);
	assert_true(readable(fd));
	assert_int_equal(iof_sys_read(fd, buf, sizeof(buf)), 8);
	assert_false(readable(fd));
	assert_int_equal(iof_sys_poll(fd, POLLIN), 0);
	/* fill the queue before the first look */
	queue_put(&q);
	assert_int_equal(iof_sys_set_readiness(fd, false), 0);
	assert_false(readable(fd));
	assert_false(waitqueue_active(&q.wq));
	queue_put(&q);
	assert_int_equal(iof_sys_set_readiness(fd, true), 0);
	assert_true(readable(fd));
	assert_int_equal(iof_sys_close(fd), 0);
	assert_int_equal(atomic_read(&q.released), 1);
	assert_false(iof_sys_owns(fd));
	assert_int_equal(iof_sys_close(fd), -EBADF);
	assert_int_equal(iof_sys_read(fd, buf, 8), -EBADF);
	assert_false(waitqueue_active(&q.wq));
}

static void a_program_that_takes_the_count_does_little_harm(void **state)
{
	struct queue q;
	u64 buf[4];
	int fd;

	(void)state;
	queue_init(&q);
	fd = queue_fd(&q, O_NONBLOCK);
	for (int i = 0; i < 3; i++) {
		queue_put(&q);
		assert_int_equal(read(fd, buf, 8), 8);
		assert_false(readable(fd));
		assert_int_equal(iof_sys_read(fd, buf, sizeof(buf)), 8);
		assert_false(readable(fd));
		queue_put(&q);
		assert_true(readable(fd));
		assert_int_equal(iof_sys_read(fd, buf, sizeof(buf)), 8);
		assert_false(readable(fd));
	}
	iof_sys_close(fd);
}

struct race {
	struct queue *q;
	int fd;
	u64 count;
	bool stop;
};

static void *produce(void *arg)
{
	struct race *race = arg;

	for (u64 i = 0; i < race->count; i++) {
		/* read through the file, or take an item directly, as devices do */
		if (i % 3)
			assert_int_equal(iof_sys_write(race->fd, "x", 1), 1);
		else
			queue_put(race->q);
		if (i % 16 == 0)
			yield();
	}
	/* act as a device's thread that goes to sleep; it looks again then */
	set_current_state(TASK_INTERRUPTIBLE);
	schedule_timeout(1);
	return NULL;
}

static void *consume_by_eventfd(void *arg)
{
	struct race *race = arg;
	u64 buf[8];

	while (!READ_ONCE(race->stop)) {
		struct pollfd p = { .fd = race->fd, .events = POLLIN };

		if (poll(&p, 1, 1) > 0)
			iof_sys_read(race->fd, buf, sizeof(buf));
	}
	return NULL;
}

static void race_once(bool wake_under_lock, int consumers)
{
	struct queue q;
	struct race race = { .q = &q, .count = IOF_SHIM_TSAN || IOF_SHIM_ASAN ? 2000 : 6000 };
	pthread_t producer[2], consumer[2];
	u64 buf[8];

	queue_init(&q);
	q.wake_under_lock = wake_under_lock;
	race.fd = queue_fd(&q, O_NONBLOCK);
	for (int i = 0; i < 2; i++)
		pthread_create(&producer[i], NULL, produce, &race);
	for (int i = 0; i < consumers; i++)
		pthread_create(&consumer[i], NULL, consume_by_eventfd, &race);
	for (int i = 0; i < 2; i++)
		pthread_join(producer[i], NULL);
	/* no item stays without readiness */
	if (consumers)
		while (!queue_empty(&q))
			yield();
	WRITE_ONCE(race.stop, true);
	for (int i = 0; i < consumers; i++)
		pthread_join(consumer[i], NULL);
	assert_true(readable(race.fd) == !queue_empty(&q));
	while (iof_sys_read(race.fd, buf, sizeof(buf)) > 0)
		assert_true(readable(race.fd) == !queue_empty(&q));
	assert_false(readable(race.fd));
	assert_true(q.taken == 2 * race.count);
	assert_int_equal(iof_sys_close(race.fd), 0);
}

static void readiness_never_lies_when_all_is_quiet(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		race_once(false, 2);
		race_once(true, 2);
		race_once(false, 1);
		race_once(false, 0);
	}
}

static void *read_blocking(void *arg)
{
	struct race *race = arg;
	u64 buf;

	while (race->count) {
		assert_int_equal(iof_sys_read(race->fd, &buf, 8), 8);
		race->count--;
	}
	return NULL;
}

static void blocking_reads_sleep_and_wake(void **state)
{
	struct race race = { .count = 3000 };
	pthread_t thread;
	struct queue q;

	(void)state;
	queue_init(&q);
	race.q = &q;
	race.fd = queue_fd(&q, 0);
	assert_int_equal(iof_sys_set_readiness(race.fd, false), 0);
	pthread_create(&thread, NULL, read_blocking, &race);
	for (int i = 0; i < 3000; i++) {
		queue_put(&q);
		if (i % 8 == 0)
			yield();
	}
	pthread_join(thread, NULL);
	assert_true(q.taken == 3000);
	iof_sys_close(race.fd);
}

static void *poll_many(void *arg)
{
	int *fds = arg;
	struct pollfd p[3] = { { fds[0], POLLIN, 0 }, { -1, POLLIN, 0 }, { fds[1], POLLIN, 0 } };

	assert_int_equal(iof_sys_pollv(p, 3, -1), 1);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[1].revents, 0);
	assert_int_equal(p[2].revents, POLLIN);
	return NULL;
}

struct sleeper {
	struct iof_sys_thread *thread; /* atomic; NULL while the thread must not be interrupted */
	int fd, interruptions;
};

static void *sleep_until_interrupted(void *arg)
{
	struct sleeper *sleeper = arg;
	struct iof_sys_thread *self = iof_sys_thread_hold();
	struct pollfd p = { .fd = sleeper->fd, .events = POLLIN };

	for (int i = 0; i < sleeper->interruptions; i++) {
		__atomic_store_n(&sleeper->thread, self, __ATOMIC_RELEASE);
		assert_int_equal(iof_sys_pollv(&p, 1, -1), -EINTR);
		/* An interruption is reported once. */
		assert_int_equal(iof_sys_pollv(&p, 1, 0), 0);
	}
	return self;
}

static struct iof_sys_thread *signal_interrupts;

static void interrupt_from_a_signal(int sig)
{
	(void)sig;
	iof_sys_thread_interrupt(signal_interrupts);
}

static void a_sleeping_poll_can_be_interrupted(void **state)
{
	struct sleeper sleeper = { .interruptions = 2000 };
	struct sigaction action = { .sa_handler = interrupt_from_a_signal }, before;
	struct pollfd ready;
	struct queue q;
	pthread_t thread;
	void *held;

	(void)state;
	queue_init(&q);
	sleeper.fd = queue_fd(&q, 0);
	assert_int_equal(iof_sys_set_readiness(sleeper.fd, false), 0);
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	pthread_create(&thread, NULL, sleep_until_interrupted, &sleeper);
	/* The thread sleeps already, or is about to: it sees the interruption in both cases. */
	for (int i = 0; i < sleeper.interruptions; i++) {
		struct iof_sys_thread *it;

		while (!(it = __atomic_exchange_n(&sleeper.thread, NULL, __ATOMIC_ACQ_REL)))
			yield();
		if (i % 3 == 0)
			while (!waitqueue_active(&q.wq))
				yield();
		if (i % 2) {
			iof_sys_thread_interrupt(it);
		} else {
			signal_interrupts = it;
			raise(SIGUSR1);
		}
	}
	pthread_join(thread, &held);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	/* The thread has ended; its handle is still valid. */
	iof_sys_thread_interrupt(held);
	iof_sys_thread_release(held);
	/* A ready descriptor comes before an interruption. */
	queue_put(&q);
	ready = (struct pollfd){ .fd = sleeper.fd, .events = POLLIN };
	held = iof_sys_thread_hold();
	iof_sys_thread_interrupt(held);
	iof_sys_thread_interrupt(held);
	assert_int_equal(iof_sys_pollv(&ready, 1, -1), 1);
	ready.events = 0;
	assert_int_equal(iof_sys_pollv(&ready, 1, -1), -EINTR);
	assert_int_equal(iof_sys_pollv(&ready, 1, 0), 0);
	iof_sys_thread_release(held);
	iof_sys_close(sleeper.fd);
}

static void polling_sleeps_on_the_files_own_queues(void **state)
{
	struct queue q[2];
	struct pollfd p = { .fd = 0, .events = POLLIN };
	pthread_t thread;
	int fds[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		queue_init(&q[i]);
		fds[i] = queue_fd(&q[i], 0);
		iof_sys_set_readiness(fds[i], false);
	}
	pthread_create(&thread, NULL, poll_many, fds);
	while (!waitqueue_active(&q[1].wq))
		yield();
	queue_put(&q[1]);
	pthread_join(thread, NULL);
	assert_false(waitqueue_active(&q[0].wq));
	assert_false(waitqueue_active(&q[1].wq));
	p.fd = fds[0];
	assert_int_equal(iof_sys_pollv(&p, 1, 3), 0);
	p.events = POLLOUT;
	assert_int_equal(iof_sys_pollv(&p, 1, 3), 1);
	p.fd = STDIN_FILENO;
	assert_int_equal(iof_sys_pollv(&p, 1, 0), -EBADF);
	iof_sys_close(fds[0]);
	iof_sys_close(fds[1]);
}

static void calls_are_checked_as_the_kernel_checks_them(void **state)
{
	struct queue q;
	u64 buf[4];
	struct iovec iov[2] = { { buf, 8 }, { &buf[1], 8 } };
	const struct iovec half_bad[2] = { { buf, 3 }, { (void *)16, 3 } };
	char info[64];
	int fd, on = 1;

	(void)state;
	iof_sys_init(); /* cmocka installed its handlers after the group's set-up */
	queue_init(&q);
	fd = queue_fd(&q, 0);
	assert_int_equal(iof_sys_readv(fd, iov, 2, RWF_NOWAIT), -EAGAIN);
	assert_int_equal(iof_sys_writev(fd, iov, 2, RWF_NOWAIT), -EOPNOTSUPP);
	assert_int_equal(iof_sys_readv(fd, iov, 2, 0x1000), -EOPNOTSUPP);
	assert_int_equal(iof_sys_readv(fd, iov, -1, 0), -EINVAL);
	assert_int_equal(iof_sys_readv(fd, iov, 1025, 0), -EINVAL);
	assert_int_equal(iof_sys_readv(fd, (void *)16, 1, 0), -EFAULT);
	assert_int_equal(iof_sys_readv(fd, iov, 0, 0), 0);
	assert_int_equal(iof_sys_read(fd, (void *)-4096l, 8), -EFAULT);
	iov[1].iov_len = SIZE_MAX;
	assert_int_equal(iof_sys_readv(fd, iov, 2, 0), -EINVAL);
	iov[1].iov_len = 8;
	assert_int_equal(iof_sys_pread(fd, buf, 8, 0), -ESPIPE);
	/* without an iterator a vector is one write for each segment */
	assert_int_equal(iof_sys_writev(fd, iov, 2, 0), 16);
	assert_int_equal(iof_sys_writev(fd, half_bad, 2, 0), 3);
	assert_int_equal(iof_sys_readv(fd, iov, 2, RWF_NOWAIT), 16);
	assert_int_equal(iof_sys_read(fd, buf, 32), 32);
	assert_int_equal(iof_sys_ioctl(fd, 1, (void *)5), 5);
	assert_int_equal(iof_sys_ioctl(fd, 2, NULL), -ENOTTY);
	assert_int_equal(iof_sys_ioctl(-1, 1, NULL), -EBADF);
	assert_int_equal(iof_sys_get_flags(fd) & (O_NONBLOCK | O_ACCMODE), O_RDWR);
	assert_int_equal(iof_sys_ioctl(fd, FIONBIO, &on), 0);
	assert_int_equal(iof_sys_get_flags(fd) & O_NONBLOCK, O_NONBLOCK);
	while (iof_sys_read(fd, buf, 32) > 0)
		;
	assert_int_equal(iof_sys_read(fd, buf, 32), -EAGAIN);
	assert_int_equal(iof_sys_set_flags(fd, 0), 0);
	assert_int_equal(iof_sys_get_flags(fd) & O_NONBLOCK, 0);
	assert_true(iof_sys_fdinfo(fd, info, sizeof(info)) > 0);
	assert_string_equal(info, "taken:\t19\n");
	iof_sys_close(fd);
}

struct holder {
	struct file *file;
	struct completion hold;
};

static void *hold_for_a_while(void *arg)
{
	struct holder *holder = arg;

	wait_for_completion(&holder->hold);
	fput(holder->file);
	return NULL;
}

static void the_last_holder_releases(void **state)
{
	struct holder holder;
	struct iof_live before, after;
	pthread_t thread;
	struct queue q;
	int fd;

	(void)state;
	iof_sys_settle();
	iof_shim_live(&before);
	queue_init(&q);
	init_completion(&holder.hold);
	fd = queue_fd(&q, 0);
	holder.file = fget((unsigned int)fd);
	assert_non_null(holder.file);
	assert_int_equal(file_count(holder.file), 2);
	pthread_create(&thread, NULL, hold_for_a_while, &holder);
	assert_int_equal(iof_sys_close(fd), 0);
	assert_int_equal(atomic_read(&q.released), 0);
	assert_null(fget((unsigned int)fd));
	complete(&holder.hold);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_read(&q.released), 1);
	iof_sys_settle();
	iof_shim_live(&after);
	assert_int_equal(after.files, before.files);
	assert_int_equal(after.objects, before.objects);
}

static void *get_and_put(void *arg)
{
	struct race *race = arg;

	while (!READ_ONCE(race->stop)) {
		struct file *file = fget((unsigned int)READ_ONCE(race->fd));

		if (file)
			fput(file);
	}
	return NULL;
}

static void look_ups_race_with_close(void **state)
{
	struct race race = { .fd = 0 };
	pthread_t thread;
	struct queue q;
	int fd;

	(void)state;
	queue_init(&q);
	race.fd = queue_fd(&q, 0);
	pthread_create(&thread, NULL, get_and_put, &race);
	fd = race.fd;
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(iof_sys_close(fd), 0);
		fd = queue_fd(&q, 0);
		WRITE_ONCE(race.fd, fd);
	}
	WRITE_ONCE(race.stop, true);
	pthread_join(thread, NULL);
	iof_sys_close(fd);
	assert_int_equal(atomic_read(&q.released), 2001);
}

static void numbers_closed_behind_our_back_are_reused(void **state)
{
	struct iof_live before, after;
	struct queue old, new;
	int fd;

	(void)state;
	queue_init(&old);
	queue_init(&new);
	iof_shim_live(&before);
	fd = queue_fd(&old, 0);
	close(fd);
	assert_int_equal(queue_fd(&new, 0), fd);
	iof_sys_settle();
	assert_int_equal(atomic_read(&old.released), 1);
	queue_put(&old);
	assert_false(readable(fd));
	queue_put(&new);
	assert_true(readable(fd));
	assert_int_equal(iof_sys_close(fd), 0);
	/* A work item has released the old file. Its queue, the system's, is no live object. */
	iof_shim_live(&after);
	assert_int_equal(after.objects, before.objects);
}

/* A descriptor that the program has from elsewhere names a file that is none of ours. */
static void files_of_others_have_no_operations(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct file *file = fget((unsigned int)fd);

	(void)state;
	assert_non_null(file);
	assert_null(file->f_op->unlocked_ioctl);
	assert_null(file->f_op->release);
	assert_ptr_equal(fget((unsigned int)fd), file);
	fput(file);
	fput(file);
	assert_int_equal(iof_sys_ioctl(fd, 1, NULL), -EBADF);
	close(fd);
	assert_null(fget((unsigned int)fd));
}

static void failed_allocations_leave_no_number(void **state)
{
	struct iof_live before, after;
	int fd;

	(void)state;
	iof_sys_settle();
	iof_shim_live(&before);
	fd = eventfd(0, EFD_CLOEXEC);
	close(fd);
	iof_fail_nth(IOF_FAIL_ALLOC, 1, false);
	assert_int_equal(get_unused_fd_flags(O_CLOEXEC), -ENOMEM);
	iof_fail_nth(IOF_FAIL_ALLOC, 2, false);
	assert_int_equal(anon_inode_getfd("x", &queue_fops, NULL, O_RDWR), -ENOMEM);
	assert_int_equal(get_unused_fd_flags(O_CLOEXEC), fd);
	put_unused_fd(fd);
	iof_shim_live(&after);
	assert_int_equal(after.objects, before.objects);
}

static int node_open(struct inode *inode, struct file *file)
{
	(void)inode;
	file->private_data = iof_plat_node_data(file);
	return file->private_data ? stream_open(inode, file) : -ENXIO;
}

static const struct file_operations node_fops = {
	.open = node_open,
	.read_iter = queue_read_iter,
	.poll = queue_poll,
	.release = queue_release,
};

static void nodes_open_by_path_in_their_space(void **state)
{
	struct iof_plat_space *a = iof_sys_space_create(), *b = iof_sys_space_create();
	struct iof_plat_node *node, *broken;
	struct queue q;
	u64 buf;
	int fd;

	(void)state;
	queue_init(&q);
	node = iof_plat_add_node(a, "some/node0", &node_fops, &q);
	broken = iof_plat_add_node(a, "broken", &node_fops, NULL);
	assert_int_equal(PTR_ERR(iof_plat_add_node(a, "broken", &node_fops, NULL)), -EEXIST);
	assert_int_equal(iof_sys_open(b, "/dev/some/node0", O_RDWR), -ENOENT);
	assert_int_equal(iof_sys_open(a, "/dev/some", O_RDWR), -ENOENT);
	assert_int_equal(iof_sys_open(a, "broken", O_RDWR), -ENXIO);
	fd = iof_sys_open(a, "/dev/some/node0", O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(iof_sys_write(fd, "x", 1), -EBADF);
	assert_int_equal(iof_sys_pread(fd, &buf, 8, 0), -ESPIPE);
	assert_int_equal(iof_sys_read(fd, &buf, 8), -EAGAIN);
	assert_int_equal(iof_sys_ioctl(fd, 1, NULL), -ENOTTY);
	assert_int_equal(iof_sys_space_destroy(a), -EBUSY);
	assert_int_equal(iof_sys_close(fd), 0);
	iof_plat_remove_node(node);
	iof_plat_remove_node(broken);
	assert_int_equal(iof_sys_space_destroy(a), 0);
	assert_int_equal(iof_sys_space_destroy(b), 0);
}

static void eventfds_of_the_program_are_signalled(void **state)
{
	struct eventfd_ctx *ctx;
	struct queue q;
	int fd, ours;
	u64 count;

	(void)state;
	queue_init(&q);
	ours = queue_fd(&q, 0);
	fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(PTR_ERR(eventfd_ctx_fdget(ours)), -EINVAL);
	assert_int_equal(PTR_ERR(eventfd_ctx_fdget(STDERR_FILENO)), -EINVAL);
	assert_int_equal(PTR_ERR(eventfd_ctx_fdget(-1)), -EBADF);
	ctx = eventfd_ctx_fdget(fd);
	assert_false(IS_ERR(ctx));
	eventfd_signal(ctx);
	eventfd_signal(ctx);
	assert_int_equal(read(fd, &count, 8), 8);
	assert_true(count == 2);
	for (u32 nr = 1; nr < 9; nr++) {
		iof_plat_eventfd_add(ctx, nr);
		assert_int_equal(read(fd, &count, 8), 8);
		assert_true(count == nr);
	}
	/* full: the kernel's stops there, and so does ours, without blocking */
	count = ~0ull - 1;
	assert_int_equal(write(fd, &count, 8), 8);
	eventfd_signal(ctx);
	iof_plat_eventfd_add(ctx, 8);
	close(fd);
	eventfd_signal(ctx);
	eventfd_ctx_put(ctx);
	iof_sys_close(ours);
}

static int setup(void **state)
{
	(void)state;
	return iof_sys_init();
}

static int teardown(void **state)
{
	(void)state;
	iof_sys_settle();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* first: the program has not used the system's work queue yet */
		cmocka_unit_test(numbers_closed_behind_our_back_are_reused),
		cmocka_unit_test(a_descriptor_is_readable_while_the_file_is),
		cmocka_unit_test(a_program_that_takes_the_count_does_little_harm),
		cmocka_unit_test(readiness_never_lies_when_all_is_quiet),
		cmocka_unit_test(blocking_reads_sleep_and_wake),
		cmocka_unit_test(polling_sleeps_on_the_files_own_queues),
		cmocka_unit_test(a_sleeping_poll_can_be_interrupted),
		cmocka_unit_test(calls_are_checked_as_the_kernel_checks_them),
		cmocka_unit_test(the_last_holder_releases),
		cmocka_unit_test(look_ups_race_with_close),
		cmocka_unit_test(files_of_others_have_no_operations),
		cmocka_unit_test(failed_allocations_leave_no_number),
		cmocka_unit_test(nodes_open_by_path_in_their_space),
		cmocka_unit_test(eventfds_of_the_program_are_signalled),
	};

	return cmocka_run_group_tests_name("shim_file", tests, setup, teardown);
}
