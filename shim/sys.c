/* SPDX-License-Identifier: MIT */
/*
 * sys.c - the "system calls" of the embedded world (sys.h), and its device nodes.
 *
 * Each call looks up the file and does what the kernel's own entry does before and after the file
 * operation: modes, limits, RWF_NOWAIT, restarts that become EINTR. Then it updates the
 * descriptor's readiness. A space is a list of nodes under a mutex. An open file counts on its
 * node; a node is removed only after its last file was closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "core/kapi.h"
#include "fault.h"
#include "file.h"
#include "internal.h"
#include "sys.h"

struct iof_plat_space {
	struct mutex lock;
	struct list_head nodes;		/* list of nodes, under lock */
};

struct iof_plat_node {
	struct list_head link;
	struct iof_plat_space *space;
	const struct file_operations *fops;
	void *data;
	int open_files;			/* number of open files, under space->lock */
	char name[64];
};

static struct iof_plat_space default_space = {
	.lock = __MUTEX_INITIALIZER(space.lock),
	.nodes = LIST_HEAD_INIT(default_space.nodes),
};

/* ---- spaces and nodes ---- */

int iof_sys_init(void)
{
	return iof_shim_fixup_install();
}

struct iof_plat_space *iof_sys_space_create(void)
{
	struct iof_plat_space *space;

	if (iof_sys_init())
		return NULL;
	space = kzalloc(sizeof(*space), GFP_KERNEL);
	if (space) {
		mutex_init(&space->lock);
		INIT_LIST_HEAD(&space->nodes);
	}
	return space;
}

int iof_sys_space_destroy(struct iof_plat_space *space)
{
	bool empty;

	if (!space)
		return 0;
	mutex_lock(&space->lock);
	empty = list_empty(&space->nodes);
	mutex_unlock(&space->lock);
	if (!empty)
		return -EBUSY;
	mutex_destroy(&space->lock);
	kfree(space);
	return 0;
}

/* Finds a node by its name. Called with space->lock held. */
static struct iof_plat_node *find_node(struct iof_plat_space *space, const char *name)
{
	struct iof_plat_node *node;

	list_for_each_entry(node, &space->nodes, link)
		if (!strcmp(node->name, name))
			return node;
	return NULL;
}

struct iof_plat_node *iof_plat_add_node(struct iof_plat_space *space, const char *name,
					const struct file_operations *fops, void *data)
{
	struct iof_plat_node *node;
	int rc = 0;

	if (strlen(name) >= sizeof(node->name))
		return ERR_PTR(-ENAMETOOLONG);
	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->space = space ? space : &default_space;
	node->fops = fops;
	node->data = data;
	strscpy(node->name, name, sizeof(node->name));
	mutex_lock(&node->space->lock);
	if (find_node(node->space, name))
		rc = -EEXIST;
	else
		list_add_tail(&node->link, &node->space->nodes);
	mutex_unlock(&node->space->lock);
	if (rc) {
		kfree(node);
		return ERR_PTR(rc);
	}
	return node;
}

void iof_plat_remove_node(struct iof_plat_node *node)
{
	mutex_lock(&node->space->lock);
	WARN_ON(node->open_files);
	list_del(&node->link);
	mutex_unlock(&node->space->lock);
	kfree(node);
}

void *iof_plat_node_data(struct file *file)
{
	return file->f_inode->node ? file->f_inode->node->data : NULL;
}

void iof_shim_node_put(struct file *file)
{
	struct iof_plat_node *node = file->f_inode->node;

	if (!node)
		return;
	mutex_lock(&node->space->lock);
	node->open_files--;
	mutex_unlock(&node->space->lock);
}

static struct iof_plat_node *get_node(struct iof_plat_space *space, const char *path)
{
	struct iof_plat_node *node;

	if (!strncmp(path, "/dev/", 5))
		path += 5;
	mutex_lock(&space->lock);
	node = find_node(space, path);
	if (node)
		node->open_files++;
	mutex_unlock(&space->lock);
	return node;
}

/* ---- the frame of each call ---- */

static __always_inline struct file *enter_as(struct task_struct *self, int fd)
{
	struct file *file = fd < 0 ? NULL : iof_shim_our_file((unsigned int)fd);

	if (file)
		self->iof_signalled = false;
	return file;
}

/*
 * Ends a call: a restart, which the kernel's signal code would resolve, becomes the EINTR that it
 * turns into.
 */
static __always_inline long leave_as(struct task_struct *self, struct file *file, long rc)
{
	iof_shim_recheck_if_any(self);
	fput(file);
	if (unlikely(rc <= -ERESTARTSYS && rc >= -ERESTARTNOHAND))
		rc = -EINTR;
	return rc;
}

static struct file *enter(int fd)
{
	return enter_as(current, fd);
}

static long leave(struct file *file, long rc)
{
	return leave_as(current, file, rc);
}

int iof_sys_open(struct iof_plat_space *space, const char *path, int flags)
{
	struct iof_plat_node *node = get_node(space ? space : &default_space, path);
	struct file *file;
	int fd, rc = 0;

	if (!node)
		return -ENOENT;
	iof_sys_init();
	fd = get_unused_fd_flags((unsigned int)flags | O_CLOEXEC);
	file = fd < 0 ? ERR_PTR(fd) : iof_shim_file_alloc(node->name, node->fops, NULL,
							   flags & ~(O_CREAT | O_EXCL | O_NOCTTY));
	if (IS_ERR(file)) {
		mutex_lock(&node->space->lock);
		node->open_files--;
		mutex_unlock(&node->space->lock);
		if (fd >= 0)
			put_unused_fd(fd);
		return (int)PTR_ERR(file);
	}
	file->iof_inode.node = node;
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	if (node->fops->open)
		rc = node->fops->open(file->f_inode, file);
	if (rc) {
		iof_shim_file_free(file);
		put_unused_fd(fd);
		return rc;
	}
	fd_install(fd, file);
	return fd;
}

int iof_sys_close(int fd)
{
	int rc;

	if (fd < 0)
		return -EBADF;
	rc = close_fd(fd);
	iof_shim_recheck_if_any(current);
	return rc;
}

bool iof_sys_owns(int fd)
{
	return iof_shim_is_our_fd(fd);
}

long iof_sys_ioctl(int fd, unsigned long cmd, void *arg)
{
	struct file *file = enter(fd);
	long rc = -ENOTTY;
	int on;

	if (!file)
		return -EBADF;
	if (cmd == FIONBIO) {
		rc = get_user(on, (int __user *)arg);
		if (!rc) {
			if (on)
				__atomic_fetch_or(&file->f_flags, O_NONBLOCK, __ATOMIC_RELAXED);
			else
				__atomic_fetch_and(&file->f_flags, ~(unsigned int)O_NONBLOCK,
						   __ATOMIC_RELAXED);
		}
	} else if (cmd == FIOCLEX || cmd == FIONCLEX) {
		rc = ioctl(fd, cmd) ? -errno : 0;
	} else if (file->f_op->unlocked_ioctl) {
		rc = file->f_op->unlocked_ioctl(file, (unsigned int)cmd, (unsigned long)arg);
		if (rc == -ENOIOCTLCMD)
			rc = -ENOTTY;
		iof_shim_ready_update(file);
	}
	return leave(file, rc);
}

/* ---- reading and writing ---- */

struct transfer {
	struct file *file;
	int rw;				/* ITER_DEST: read; ITER_SOURCE: write */
	int flags;			/* RWF_* flags */
	bool at;			/* the caller gave a position */
	loff_t pos;
};

static ssize_t check(const struct transfer *t)
{
	const struct file_operations *fops = t->file->f_op;
	bool write = t->rw == ITER_SOURCE;

	if (!(t->file->f_mode & (write ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	if (t->at && !(t->file->f_mode & (write ? FMODE_PWRITE : FMODE_PREAD)))
		return -ESPIPE;
	if (t->at && t->pos < 0)
		return -EINVAL;
	if (write ? !fops->write && !fops->write_iter : !fops->read && !fops->read_iter)
		return -EINVAL;
	if (t->flags & ~RWF_NOWAIT)
		return -EOPNOTSUPP;
	if (t->flags && (write ? !fops->write_iter : !fops->read_iter))
		return -EOPNOTSUPP;
	if (t->flags & RWF_NOWAIT && !(t->file->f_mode & FMODE_NOWAIT))
		return -EOPNOTSUPP;
	return 0;
}

static ssize_t one_buffer(struct transfer *t, void *buf, size_t len)
{
	struct file *file = t->file;

	if (!access_ok(buf, len))
		return -EFAULT;
	if (t->rw == ITER_SOURCE)
		return file->f_op->write(file, buf, len, &t->pos);
	return file->f_op->read(file, buf, len, &t->pos);
}

static ssize_t through_iter(struct transfer *t, struct iov_iter *iter)
{
	struct kiocb kiocb;
	ssize_t rc;

	init_sync_kiocb(&kiocb, t->file);
	kiocb.ki_pos = t->pos;
	kiocb.ki_flags = t->flags & RWF_NOWAIT ? IOCB_NOWAIT : 0;
	rc = t->rw == ITER_SOURCE ? t->file->f_op->write_iter(&kiocb, iter) :
				    t->file->f_op->read_iter(&kiocb, iter);
	t->pos = kiocb.ki_pos;
	return rc;
}

/*
 * Makes one call for each segment of a vector, until one is short: the file operations take no
 * iterators.
 */
static ssize_t segment_by_segment(struct transfer *t, const struct iovec *iov, int n)
{
	ssize_t done = 0;

	for (int i = 0; i < n; i++) {
		ssize_t got = one_buffer(t, iov[i].iov_base, iov[i].iov_len);

		if (got < 0)
			return done ? done : got;
		done += got;
		if ((size_t)got != iov[i].iov_len)
			break;
	}
	return done;
}

static bool by_iter(const struct transfer *t)
{
	return t->rw == ITER_SOURCE ? t->file->f_op->write_iter != NULL :
				      t->file->f_op->read_iter != NULL;
}

static void begin(struct transfer *t)
{
	if (!t->at && !(t->file->f_mode & FMODE_STREAM))
		t->pos = __atomic_load_n(&t->file->f_pos, __ATOMIC_RELAXED);
}

static void end(struct transfer *t)
{
	if (!t->at && !(t->file->f_mode & FMODE_STREAM))
		__atomic_store_n(&t->file->f_pos, t->pos, __ATOMIC_RELAXED);
	iof_shim_ready_update(t->file);
}

static ssize_t transfer_one(struct transfer *t, void *buf, size_t len)
{
	const struct file_operations *fops = t->file->f_op;
	struct iov_iter iter;
	ssize_t rc = check(t);

	if (rc)
		return rc;
	if (!t->flags && (t->rw == ITER_SOURCE ? !!fops->write : !!fops->read)) {
		begin(t);
		rc = one_buffer(t, buf, min_t(size_t, len, MAX_RW_COUNT));
		end(t);
		return rc;
	}
	rc = import_ubuf(t->rw, buf, len, &iter);
	if (rc)
		return rc;
	begin(t);
	rc = through_iter(t, &iter);
	end(t);
	return rc;
}

/* Copies the program's vector, so that it cannot change, and checks it as the kernel does. */
static ssize_t import_vector(const struct iovec *uiov, int n, struct iovec *iov)
{
	size_t total = 0;

	if (iof_shim_raw_copy(iov, uiov, (size_t)n * sizeof(*iov)))
		return -EFAULT;
	for (int i = 0; i < n; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
		if (!access_ok(iov[i].iov_base, iov[i].iov_len))
			return -EFAULT;
		iov[i].iov_len = min_t(size_t, iov[i].iov_len, MAX_RW_COUNT - total);
		total += iov[i].iov_len;
	}
	return (ssize_t)total;
}

static ssize_t transfer_vector(struct transfer *t, const struct iovec *uiov, int n)
{
	struct iovec fast[UIO_FASTIOV], *iov = fast;
	struct iov_iter iter;
	ssize_t rc, total;

	rc = check(t);
	if (rc)
		return rc;
	if (n < 0 || n > UIO_MAXIOV)
		return -EINVAL;
	if (n > UIO_FASTIOV) {
		iov = kmalloc_array((size_t)n, sizeof(*iov), GFP_KERNEL);
		if (!iov)
			return -ENOMEM;
	}
	total = n ? import_vector(uiov, n, iov) : 0;
	rc = total;
	if (total > 0) {
		begin(t);
		if (by_iter(t)) {
			iov_iter_init(&iter, (unsigned int)t->rw, iov, (unsigned long)n,
				      (size_t)total);
			rc = through_iter(t, &iter);
		} else {
			rc = segment_by_segment(t, iov, n);
		}
		end(t);
	}
	if (iov != fast)
		kfree(iov);
	return rc;
}

ssize_t iof_sys_readv(int fd, const struct iovec *iov, int n, int flags)
{
	struct transfer t = { .file = enter(fd), .rw = ITER_DEST, .flags = flags };

	return t.file ? leave(t.file, transfer_vector(&t, iov, n)) : -EBADF;
}

ssize_t iof_sys_writev(int fd, const struct iovec *iov, int n, int flags)
{
	struct transfer t = { .file = enter(fd), .rw = ITER_SOURCE, .flags = flags };

	return t.file ? leave(t.file, transfer_vector(&t, iov, n)) : -EBADF;
}

static noinline ssize_t plain_transfer(struct file *file, int rw, void *buf, size_t len)
{
	struct transfer t = { .file = file, .rw = rw };

	return leave(file, transfer_one(&t, buf, len));
}

/*
 * Fast path of plain_transfer(): a stream has no position, so that only the right, the operation
 * and the buffer are to be checked. 53 instructions less (bench-cost).
 */
static __always_inline bool is_stream(const struct file *file, fmode_t right, const void *buf,
				      size_t len)
{
	return likely(!(~file->f_mode & (FMODE_STREAM | right))) && access_ok(buf, len);
}

ssize_t iof_sys_read(int fd, void *buf, size_t len)
{
	struct task_struct *self = current;
	struct file *file = enter_as(self, fd);
	loff_t pos = 0;
	ssize_t rc;

	if (unlikely(!file))
		return -EBADF;
	if (!is_stream(file, FMODE_READ, buf, len) || unlikely(!file->f_op->read))
		return plain_transfer(file, ITER_DEST, buf, len);
	rc = file->f_op->read(file, buf, min_t(size_t, len, MAX_RW_COUNT), &pos);
	iof_shim_ready_update(file);
	return leave_as(self, file, rc);
}

ssize_t iof_sys_write(int fd, const void *buf, size_t len)
{
	struct task_struct *self = current;
	struct file *file = enter_as(self, fd);
	loff_t pos = 0;
	ssize_t rc;

	if (unlikely(!file))
		return -EBADF;
	if (!is_stream(file, FMODE_WRITE, buf, len) || unlikely(!file->f_op->write))
		return plain_transfer(file, ITER_SOURCE, (void *)buf, len);
	rc = file->f_op->write(file, buf, min_t(size_t, len, MAX_RW_COUNT), &pos);
	iof_shim_ready_update(file);
	return leave_as(self, file, rc);
}

ssize_t iof_sys_pread(int fd, void *buf, size_t len, off_t pos)
{
	struct transfer t = { .file = enter(fd), .rw = ITER_DEST, .at = true, .pos = pos };

	return t.file ? leave(t.file, transfer_one(&t, buf, len)) : -EBADF;
}

ssize_t iof_sys_pwrite(int fd, const void *buf, size_t len, off_t pos)
{
	struct transfer t = { .file = enter(fd), .rw = ITER_SOURCE, .at = true, .pos = pos };

	return t.file ? leave(t.file, transfer_one(&t, (void *)buf, len)) : -EBADF;
}

/* ---- flags, readiness, polling ---- */

int iof_sys_get_flags(int fd)
{
	struct file *file = enter(fd);

	if (!file)
		return -EBADF;
	return (int)leave(file, __atomic_load_n(&file->f_flags, __ATOMIC_RELAXED) &
				~(unsigned int)O_CLOEXEC);
}

int iof_sys_set_flags(int fd, int flags)
{
	struct file *file = enter(fd);

	if (!file)
		return -EBADF;
	if (flags & O_NONBLOCK)
		__atomic_fetch_or(&file->f_flags, O_NONBLOCK, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&file->f_flags, ~(unsigned int)O_NONBLOCK, __ATOMIC_RELAXED);
	return (int)leave(file, 0);
}

int iof_sys_set_readiness(int fd, bool on)
{
	struct file *file = enter(fd);

	if (!file)
		return -EBADF;
	iof_shim_ready_enable(file, on);
	return (int)leave(file, 0);
}

uint64_t iof_sys_events(int fd)
{
	struct file *file = enter(fd);
	u64 events;

	if (!file)
		return 0;
	events = iof_shim_ready_events(file);
	leave(file, 0);
	return events;
}

static short revents_of(struct file *file, short events, poll_table *table)
{
	return (short)(vfs_poll(file, table) & ((unsigned short)events | EPOLLERR | EPOLLHUP));
}

int iof_sys_poll(int fd, short events)
{
	struct file *file = enter(fd);

	return file ? (int)leave(file, (unsigned short)revents_of(file, events, NULL)) : -EBADF;
}

struct poll_hook {
	struct wait_queue_entry entry;
	struct wait_queue_head *wq;
	struct poller *poller;
	/* each hook holds a reference, which keeps the wait queue alive */
	struct file *file;
	__poll_t key;			/* events that this hook waits for */
	struct poll_hook *next;
};

#define FAST_HOOKS 4

struct poller {
	poll_table table;
	struct task_struct *task;
	bool triggered;
	int error;
	unsigned int nfast;
	struct poll_hook fast[FAST_HOOKS];
	struct poll_hook *slow;		/* list of hooks that kmalloc() returned */
};

static int poll_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct poll_hook *hook = container_of(entry, struct poll_hook, entry);

	(void)flags;
	if (key && !(key_to_poll(key) & hook->key))
		return 0;
	smp_store_release(&hook->poller->triggered, true);
	return iof_shim_wake_up_process(hook->poller->task, mode);
}

static void poll_hook_queue(struct file *file, struct wait_queue_head *wq, poll_table *table)
{
	struct poller *poller = container_of(table, struct poller, table);
	struct poll_hook *hook;

	if (poller->nfast < FAST_HOOKS) {
		hook = &poller->fast[poller->nfast++];
	} else {
		hook = kmalloc(sizeof(*hook), GFP_KERNEL);
		if (!hook) {
			poller->error = -ENOMEM;
			return;
		}
		hook->next = poller->slow;
		poller->slow = hook;
	}
	init_waitqueue_func_entry(&hook->entry, poll_wake);
	hook->wq = wq;
	hook->key = table->_key;
	hook->poller = poller;
	hook->file = get_file(file);
	add_wait_queue(wq, &hook->entry);
}

static void poll_unhook(struct poll_hook *hook)
{
	remove_wait_queue(hook->wq, &hook->entry);
	fput(hook->file);
}

static void poll_end(struct poller *poller)
{
	while (poller->nfast)
		poll_unhook(&poller->fast[--poller->nfast]);
	while (poller->slow) {
		struct poll_hook *hook = poller->slow;

		poller->slow = hook->next;
		poll_unhook(hook);
		kfree(hook);
	}
}

/* Was the thread interrupted since this function last returned true? */
static bool interrupted(struct task_struct *self)
{
	return __atomic_load_n(&self->iof_interrupted, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&self->iof_interrupted, false, __ATOMIC_ACQ_REL);
}

struct iof_sys_thread *iof_sys_thread_hold(void)
{
	return (struct iof_sys_thread *)get_task_struct(current);
}

void iof_sys_thread_release(struct iof_sys_thread *thread)
{
	put_task_struct((struct task_struct *)thread);
}

void iof_sys_thread_interrupt(struct iof_sys_thread *thread)
{
	struct task_struct *task = (struct task_struct *)thread;

	__atomic_store_n(&task->iof_interrupted, true, __ATOMIC_SEQ_CST);
	iof_shim_interrupt(task);
}

/* Polls all descriptors once. Adds hooks until a descriptor is found ready. */
static int poll_round(struct poller *poller, struct pollfd *fds, unsigned int n)
{
	int found = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct file *file;

		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		file = iof_shim_our_file((unsigned int)fds[i].fd);
		if (!file) {
			fds[i].revents = POLLNVAL;
			found++;
			continue;
		}
		poller->table._key = (unsigned short)fds[i].events | EPOLLERR | EPOLLHUP;
		fds[i].revents = revents_of(file, fds[i].events, &poller->table);
		fput(file);
		if (fds[i].revents) {
			found++;
			poller->table._qproc = NULL;
		}
	}
	poller->table._qproc = NULL;
	return found;
}

int iof_sys_pollv(struct pollfd *fds, unsigned int n, int timeout_ms)
{
	struct poller poller = { .task = current };
	long left = timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT : timeout_ms;
	int rc;

	for (unsigned int i = 0; i < n; i++)
		if (fds[i].fd >= 0 && !iof_shim_is_our_fd(fds[i].fd))
			return -EBADF;
	current->iof_signalled = false;
	if (timeout_ms)
		init_poll_funcptr(&poller.table, poll_hook_queue);
	for (;;) {
		rc = poll_round(&poller, fds, n);
		if (rc)
			break;
		rc = poller.error;
		if (!rc && (signal_pending(current) || interrupted(current)))
			rc = -EINTR;
		if (rc || !left)
			break;
		/* the state is set before the flag, so that no wake-up from here on is lost */
		set_current_state(TASK_INTERRUPTIBLE);
		if (!smp_load_acquire(&poller.triggered) &&
		    !__atomic_load_n(&current->iof_interrupted, __ATOMIC_SEQ_CST))
			left = schedule_timeout(left);
		__set_current_state(TASK_RUNNING);
		smp_store_mb(poller.triggered, false);
	}
	poll_end(&poller);
	iof_shim_recheck_if_any(current);
	return rc;
}

ssize_t iof_sys_fdinfo(int fd, char *buf, size_t size)
{
	struct file *file = enter(fd);
	struct seq_file m = { .buf = buf, .size = size };

	if (!file)
		return -EBADF;
	if (size)
		buf[0] = '\0';
	if (file->f_op->show_fdinfo)
		file->f_op->show_fdinfo(&m, file);
	return leave(file, (long)m.count);
}

void iof_sys_settle(void)
{
	iof_shim_work_settle();
}
