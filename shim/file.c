/* SPDX-License-Identifier: MIT */
/*
 * file.c - open files, the table of descriptors, and the eventfds that follow the readiness of
 * files.
 *
 * A look-up reads a table indexed by number, and takes a reference without a lock. The table's
 * segments never move, and the memory of reference counts is never freed. So the look-up raises the
 * count first, and then checks that the table still names it.
 *
 * Readiness. A descriptor's eventfd is readable exactly while f_op->poll says so, and each arrival
 * is an event on it. An arrival while the eventfd is readable writes it once more and reads that
 * back: the level stays, and a thread in epoll sees an edge.
 *
 * Two things change the level. A wake-up makes the eventfd readable at once; it comes through our
 * entries on the file's wait queues. A look calls poll, then writes or drains, until both agree. It
 * follows each call that may have consumed something.
 *
 * A wake-up cannot look, since its caller may hold the file's locks. Also, another thread may have
 * consumed the arrival before the wake-up runs. So the thread that made a descriptor readable looks
 * at it again as soon as it holds no lock: at the end of its call or work item, or before it
 * sleeps. Looks exclude each other, so that poll and eventfd agree when no call is under way.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/anon_inodes.h>
#include <linux/eventfd.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include "core/kapi.h"
#include "file.h"
#include "internal.h"

#define MAX_QUEUES 4
#define READABLE (EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP)

struct iof_shim_ready {
	refcount_t refs;		/* held by the file, and by each thread that owes a look */
	/* held during a look; taken while no other spinlock is held */
	spinlock_t look;
	struct file *file;		/* under look; NULL once the file is released */
	int fd;				/* the eventfd; -1 once closed */
	/* number of threads that use fd; the number is closed after them */
	atomic_t users;
	/* 0 or 1: the value that the eventfd's counter shall have */
	atomic_t readable;
	/* number of turns to readable, and of arrivals while readable */
	atomic64_t events;
	/* number of writes for an arrival alone, to be read back at once */
	atomic_t pulses;
	/* number of writes that were decided and are not done yet */
	atomic_t writing;
	atomic_t owed;			/* number of reads (drains) that wait for such a write */
	bool hooked;			/* under look: our entries are on the file's wait queues */
	unsigned int nqueues;
	struct {
		struct wait_queue_entry entry;
		struct wait_queue_head *wq;
		struct iof_shim_ready *ready;
	} queue[MAX_QUEUES];
};

/* ---- the table ---- */

#define CHUNK_SHIFT 10
#define CHUNK_SIZE (1u << CHUNK_SHIFT)
#define MAX_CHUNKS 1024u

struct slot {
	struct iof_shim_file_ref *ref;	/* atomic; count of the open file */
	struct iof_shim_ready *ready;	/* atomic; set from get_unused_fd() until fd_install() */
};

static struct slot *chunks[MAX_CHUNKS];

static struct slot *find_slot(unsigned int fd)
{
	struct slot *chunk;

	if (unlikely(fd >> CHUNK_SHIFT >= MAX_CHUNKS))
		return NULL;
	chunk = __atomic_load_n(&chunks[fd >> CHUNK_SHIFT], __ATOMIC_ACQUIRE);
	return chunk ? &chunk[fd & (CHUNK_SIZE - 1)] : NULL;
}

static struct slot *make_slot(unsigned int fd)
{
	struct slot *chunk, *none = NULL;

	if (fd >> CHUNK_SHIFT >= MAX_CHUNKS)
		return NULL;
	if (!find_slot(fd)) {
		chunk = calloc(CHUNK_SIZE, sizeof(*chunk));
		if (!chunk)
			return NULL;
		if (!__atomic_compare_exchange_n(&chunks[fd >> CHUNK_SHIFT], &none, chunk, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			free(chunk);
	}
	return find_slot(fd);
}

static bool is_reserved(int fd)
{
	struct slot *slot = fd < 0 ? NULL : find_slot((unsigned int)fd);

	return slot && __atomic_load_n(&slot->ready, __ATOMIC_RELAXED);
}

static void put_later(struct file *file);

struct file *iof_shim_our_file(unsigned int fd)
{
	struct slot *slot = find_slot(fd);
	struct iof_shim_file_ref *ref;

	if (!slot)
		return NULL;
	ref = __atomic_load_n(&slot->ref, __ATOMIC_ACQUIRE);
	if (!ref || !atomic_long_inc_not_zero(&ref->count))
		return NULL;
	if (likely(__atomic_load_n(&slot->ref, __ATOMIC_ACQUIRE) == ref))
		return ref->file;
	/*
	 * A thread closed the descriptor meanwhile, and the count may now belong to another file.
	 * If this is the last reference, a work item drops it: the release must not run here, under
	 * the caller's locks.
	 */
	if (!atomic_long_add_unless(&ref->count, -1, 1))
		put_later(ref->file);
	return NULL;
}

/*
 * Stands for each file that the program has from elsewhere: it is none of ours, but its descriptor
 * is open. Its count never drops to 0.
 */
static const struct file_operations other_fops;
static struct iof_shim_file_ref other_ref;
static struct file other_file = { .f_op = &other_fops, .iof_ref = &other_ref };
static struct iof_shim_file_ref other_ref = { .count = ATOMIC_LONG_INIT(1), .file = &other_file };

static struct file *other(unsigned int fd)
{
	if (is_reserved((int)fd) || fcntl((int)fd, F_GETFD) < 0)
		return NULL;
	atomic_long_inc(&other_ref.count);
	return &other_file;
}

struct file *iof_shim_fget(unsigned int fd)
{
	struct file *file = iof_shim_our_file(fd);

	return file ? file : other(fd);
}

bool iof_shim_is_our_fd(int fd)
{
	struct slot *slot = fd < 0 ? NULL : find_slot((unsigned int)fd);

	return slot && __atomic_load_n(&slot->ref, __ATOMIC_RELAXED);
}

/* ---- readiness ---- */

static void ready_put(struct iof_shim_ready *ready)
{
	if (refcount_dec_and_test(&ready->refs))
		kfree(ready);
}

/*
 * No lock is held across the eventfd's system calls, since the thread that a write wakes may
 * preempt the writer. Each change of @readable from 0 to 1 owes one write of 1. Each change back
 * owes one read of 1; the eventfd is a semaphore. If a read comes before its write, the next thread
 * that settles does it. So when no call is under way the counter equals @readable.
 */
static int use_fd(struct iof_shim_ready *ready)
{
	int fd;

	atomic_fetch_add(1, &ready->users);
	fd = __atomic_load_n(&ready->fd, __ATOMIC_SEQ_CST);
	if (fd < 0)
		atomic_fetch_sub(1, &ready->users);
	return fd;
}

static void unuse_fd(struct iof_shim_ready *ready)
{
	atomic_fetch_sub(1, &ready->users);
}

static void settle(struct iof_shim_ready *ready, int fd)
{
	ssize_t done;
	u64 count;

	while (atomic_add_unless(&ready->owed, -1, 0)) {
		if (read(fd, &count, sizeof(count)) == sizeof(count))
			continue;
		if (atomic_read_acquire(&ready->writing)) {
			atomic_fetch_add(1, &ready->owed);
			break;
		}
		/* a write came in between; or the program read the eventfd, which is tolerated */
		done = read(fd, &count, sizeof(count));
		(void)done;
	}
}

/*
 * No cancellation point, as write(2) is: a thread must not end within a wake-up. 38 instructions
 * less.
 */
static void write_count(int fd, u64 count)
{
	long done = syscall(SYS_write, fd, &count, sizeof(count));

	(void)done;
}

/* Writes or reads the eventfd, after a change of @readable or an arrival. */
static void tell(struct iof_shim_ready *ready, bool readable)
{
	int fd = use_fd(ready);

	/* This fails if the program closed the descriptor behind our back. */
	if (fd >= 0 && readable)
		write_count(fd, 1);
	/* Any of several writes may take a pulse: there are as many reads as there were pulses. */
	if (!readable || atomic_add_unless(&ready->pulses, -1, 0))
		atomic_fetch_add(1, &ready->owed);
	if (readable)
		atomic_fetch_sub(1, &ready->writing);
	if (fd < 0)
		return;
	settle(ready, fd);
	unuse_fd(ready);
}

static void tell_events(struct iof_shim_ready *ready, unsigned int nr)
{
	while (nr--)
		tell(ready, true);
}

/* Sets @readable. Returns true if it was 0; the caller then owes a tell(). */
static bool set_readable(struct iof_shim_ready *ready)
{
	if (atomic_read(&ready->readable))
		return false;
	atomic_fetch_add(1, &ready->writing);
	if (!atomic_xchg(&ready->readable, 1)) {
		atomic64_inc(&ready->events);
		return true;
	}
	atomic_fetch_sub(1, &ready->writing);
	return false;
}

/* Sets @readable to the argument and tells. Returns true if this was a change. */
static bool say(struct iof_shim_ready *ready, bool readable)
{
	if (readable ? !set_readable(ready) : !atomic_xchg(&ready->readable, 0))
		return false;
	tell(ready, readable);
	return true;
}

/* Notes @ready, so that the thread looks at it when it holds no lock. */
static void owe_look(struct task_struct *task, struct iof_shim_ready *ready)
{
	for (unsigned int i = 0; i < task->iof_nrecheck; i++)
		if (task->iof_recheck[i] == ready)
			return;
	if (task->iof_nrecheck < IOF_SHIM_MAX_RECHECK) {
		refcount_inc(&ready->refs);
		task->iof_recheck[task->iof_nrecheck++] = ready;
	}
}

/* Called by a wake-up. Its caller may hold any lock of the file, and holds wq->lock. */
static int ready_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct iof_shim_ready *ready = container_of(entry, typeof(ready->queue[0]), entry)->ready;
	struct task_struct *task = current;
	int turned, pulses;

	(void)mode;
	(void)flags;
	/* the arrival is visible before this, as look()'s change is before its poll */
	smp_mb();
	if (key && !(key_to_poll(key) & READABLE)) {
		/*
		 * the event does not make the file readable; the file may have become empty without
		 * a read
		 */
		if (atomic_read(&ready->readable))
			owe_look(task, ready);
		return 0;
	}
	turned = set_readable(ready);
	/*
	 * Each arrival is an event: an epoll that wakes one waiter at a time needs as many events
	 * as waiters to wake.
	 */
	pulses = key ? max(task->iof_wake_nr, 1) - turned : 0;
	if (!turned && !pulses)
		return 0;
	if (pulses) {
		atomic_fetch_add(pulses, &ready->writing);
		atomic_fetch_add(pulses, &ready->pulses);
		atomic64_add(pulses, &ready->events);
	}
	/* iof_shim_send_signals() writes after the queue's lock is released */
	if (task->iof_hold_wakes && task->iof_nsignals < IOF_SHIM_MAX_WAKES) {
		refcount_inc(&ready->refs);
		task->iof_signals[task->iof_nsignals].ready = ready;
		task->iof_signals[task->iof_nsignals++].nr = turned + pulses;
	} else {
		tell_events(ready, turned + pulses);
	}
	if (turned)
		owe_look(task, ready);
	return 0;
}

void iof_shim_send_signals(struct task_struct *task)
{
	while (task->iof_nsignals) {
		struct iof_shim_ready *ready = task->iof_signals[--task->iof_nsignals].ready;

		tell_events(ready, task->iof_signals[task->iof_nsignals].nr);
		ready_put(ready);
	}
}

/* Polls the file and updates the eventfd until both agree. Called with ready->look held. */
static void look(struct iof_shim_ready *ready)
{
	if (!ready->file || !ready->hooked)
		return;
	while (say(ready, vfs_poll(ready->file, NULL) & READABLE))
		;
}

u64 iof_shim_ready_events(struct file *file)
{
	struct iof_shim_ready *ready = __atomic_load_n(&file->iof_ready, __ATOMIC_ACQUIRE);

	return ready ? (u64)atomic64_read(&ready->events) : 0;
}

void iof_shim_ready_update(struct file *file)
{
	struct iof_shim_ready *ready = __atomic_load_n(&file->iof_ready, __ATOMIC_ACQUIRE);

	/*
	 * If @readable is 0, either the file is not readable or a thread is about to set it.
	 * Draining and waking threads look again afterwards.
	 */
	if (!ready || !atomic_read(&ready->readable) ||
	    !__atomic_load_n(&ready->hooked, __ATOMIC_RELAXED))
		return;
	spin_lock(&ready->look);
	look(ready);
	spin_unlock(&ready->look);
}

void iof_shim_recheck(struct task_struct *task)
{
	while (task->iof_nrecheck) {
		struct iof_shim_ready *ready = task->iof_recheck[--task->iof_nrecheck];

		spin_lock(&ready->look);
		look(ready);
		spin_unlock(&ready->look);
		ready_put(ready);
	}
}

struct hooking {
	poll_table table;
	struct iof_shim_ready *ready;
};

static void remember_queue(struct file *file, struct wait_queue_head *wq, poll_table *table)
{
	struct iof_shim_ready *ready = container_of(table, struct hooking, table)->ready;
	unsigned int n = ready->nqueues;

	(void)file;
	if (WARN_ON(n == MAX_QUEUES))
		return;
	init_waitqueue_func_entry(&ready->queue[n].entry, ready_wake);
	ready->queue[n].ready = ready;
	ready->queue[n].wq = wq;
	ready->nqueues++;
	add_wait_queue(wq, &ready->queue[n].entry);
}

/* Puts our entries on the file's wait queues. Called with ready->look held. */
static void hook(struct iof_shim_ready *ready)
{
	struct hooking hooking = { .ready = ready };

	if (ready->hooked || !ready->file || !ready->file->f_op->poll)
		return;
	init_poll_funcptr(&hooking.table, remember_queue);
	ready->nqueues = 0;
	vfs_poll(ready->file, &hooking.table);
	__atomic_store_n(&ready->hooked, true, __ATOMIC_RELAXED);
	look(ready);
}

static void unhook(struct iof_shim_ready *ready)
{
	if (!ready->hooked)
		return;
	for (unsigned int i = 0; i < ready->nqueues; i++)
		remove_wait_queue(ready->queue[i].wq, &ready->queue[i].entry);
	ready->nqueues = 0;
	__atomic_store_n(&ready->hooked, false, __ATOMIC_RELAXED);
	say(ready, false);
}

void iof_shim_ready_enable(struct file *file, bool on)
{
	struct iof_shim_ready *ready = __atomic_load_n(&file->iof_ready, __ATOMIC_ACQUIRE);

	if (!ready)
		return;
	spin_lock(&ready->look);
	if (on)
		hook(ready);
	else
		unhook(ready);
	spin_unlock(&ready->look);
}

/* ---- descriptors ---- */

/*
 * Drops the file of a number that the program closed behind our back, as if it had called
 * iof_close().
 */
static void drop_stale(struct slot *slot);

int iof_shim_get_unused_fd(unsigned int flags)
{
	struct iof_shim_ready *ready;
	struct slot *slot;
	int fd;

	/* nonblocking: programs wait on the descriptor, and never read it themselves */
	fd = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | (flags & O_CLOEXEC ? EFD_CLOEXEC : 0));
	if (fd < 0)
		return -errno;
	slot = make_slot((unsigned int)fd);
	ready = kzalloc(sizeof(*ready), GFP_KERNEL);
	if (!slot || !ready) {
		kfree(ready);
		close(fd);
		return slot ? -ENOMEM : -EMFILE;
	}
	refcount_set(&ready->refs, 1);
	spin_lock_init(&ready->look);
	ready->fd = fd;
	if (unlikely(__atomic_load_n(&slot->ref, __ATOMIC_RELAXED)))
		drop_stale(slot);
	__atomic_store_n(&slot->ready, ready, __ATOMIC_RELAXED);
	return fd;
}

void iof_shim_put_unused_fd(unsigned int fd)
{
	struct slot *slot = find_slot(fd);
	struct iof_shim_ready *ready = __atomic_exchange_n(&slot->ready, NULL, __ATOMIC_RELAXED);

	close((int)fd);
	ready_put(ready);
}

void iof_shim_fd_install(unsigned int fd, struct file *file)
{
	struct slot *slot = find_slot(fd);
	struct iof_shim_ready *ready = __atomic_exchange_n(&slot->ready, NULL, __ATOMIC_RELAXED);

	BUG_ON(!ready || __atomic_load_n(&slot->ref, __ATOMIC_RELAXED));
	WARN_ON(file->iof_ready);
	ready->file = file;
	__atomic_store_n(&file->iof_ready, ready, __ATOMIC_RELEASE);
	spin_lock(&ready->look);
	if (file->f_op->poll)
		hook(ready);
	else
		say(ready, true);
	spin_unlock(&ready->look);
	/* last: other threads can use and close the number from here on */
	__atomic_store_n(&slot->ref, file->iof_ref, __ATOMIC_RELEASE);
}

static struct file *take_out(struct slot *slot)
{
	struct iof_shim_file_ref *ref;

	ref = slot ? __atomic_exchange_n(&slot->ref, NULL, __ATOMIC_ACQ_REL) : NULL;
	return ref ? ref->file : NULL;
}

/* Returns the eventfd, for closing. Wake-ups no longer use it. */
static int take_fd(struct iof_shim_ready *ready)
{
	int fd = __atomic_exchange_n(&ready->fd, -1, __ATOMIC_SEQ_CST);

	while (atomic_read_acquire(&ready->users))
		yield();
	return fd;
}

int iof_shim_close_fd(unsigned int fd)
{
	struct file *file = take_out(find_slot(fd));
	int rc = 0;

	if (!file)
		return -EBADF;
	if (file->f_op->flush)
		rc = file->f_op->flush(file, NULL);
	close(take_fd(file->iof_ready));
	fput(file);
	return rc;
}

struct stale {
	struct work_struct work;
	struct file *file;
};

static void put_stale(struct work_struct *work)
{
	struct stale *stale = container_of(work, struct stale, work);

	fput(stale->file);
	free(stale);
}

static void put_later(struct file *file)
{
	struct stale *stale = calloc(1, sizeof(*stale));

	if (WARN_ON(!stale))
		return;
	stale->file = file;
	INIT_WORK(&stale->work, put_stale);
	schedule_work(&stale->work);
}

static void drop_stale(struct slot *slot)
{
	struct file *file = take_out(slot);

	if (!file)
		return;
	take_fd(file->iof_ready);
	/* fput() must not run here: our caller may hold locks that the release needs */
	put_later(file);
}

/* ---- reference counts ---- */

static struct {
	pthread_mutex_t lock;
	struct iof_shim_file_ref *free;
} refs = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct iof_shim_file_ref *get_ref(struct file *file)
{
	struct iof_shim_file_ref *ref;

	must(pthread_mutex_lock(&refs.lock));
	ref = refs.free;
	if (ref)
		refs.free = ref->next;
	must(pthread_mutex_unlock(&refs.lock));
	if (!ref)
		ref = calloc(1, sizeof(*ref));
	if (!ref)
		return NULL;
	ref->file = file;
	/*
	 * Pairs with the second look of a late iof_shim_our_file(), which must see that the old
	 * file was closed.
	 */
	atomic_long_set_release(&ref->count, 1);
	return ref;
}

static void put_ref(struct iof_shim_file_ref *ref)
{
	must(pthread_mutex_lock(&refs.lock));
	ref->next = refs.free;
	refs.free = ref;
	must(pthread_mutex_unlock(&refs.lock));
}

/* ---- files ---- */

struct file *iof_shim_file_alloc(const char *name, const struct file_operations *fops, void *priv,
				 int flags)
{
	struct file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (!file)
		return ERR_PTR(-ENOMEM);
	file->iof_ref = get_ref(file);
	if (!file->iof_ref) {
		kfree(file);
		return ERR_PTR(-ENOMEM);
	}
	file->f_op = fops;
	file->private_data = priv;
	file->f_flags = (unsigned int)flags;
	file->f_mode = (fmode_t)((flags + 1) & O_ACCMODE);
	file->f_inode = &file->iof_inode;
	strscpy(file->iof_name, name, sizeof(file->iof_name));
	iof_shim_count(files, 1);
	return file;
}

/*
 * Drops a file that was never fully opened, without calling its release. A late look-up may hold a
 * reference for a moment.
 */
void iof_shim_file_free(struct file *file)
{
	static const struct file_operations none;

	file->f_op = &none;
	fput(file);
}

void iof_shim_fput(struct file *file)
{
	struct iof_shim_ready *ready;
	long left = atomic_long_dec_return(&file->iof_ref->count);

	if (likely(left > 0))
		return;
	BUG_ON(left < 0);
	iof_shim_sleep_check();
	ready = file->iof_ready;
	if (ready) {
		spin_lock(&ready->look);
		unhook(ready);
		ready->file = NULL;
		spin_unlock(&ready->look);
	}
	if (file->f_op->release)
		file->f_op->release(file->f_inode, file);
	iof_shim_node_put(file);
	if (ready)
		ready_put(ready);
	put_ref(file->iof_ref);
	kfree(file);
	iof_shim_count(files, -1);
}

struct file *iof_shim_anon_file(const char *name, const struct file_operations *fops, void *priv,
				int flags)
{
	return iof_shim_file_alloc(name, fops, priv, flags);
}

int iof_shim_anon_fd(const char *name, const struct file_operations *fops, void *priv, int flags)
{
	int fd = get_unused_fd_flags((unsigned int)flags);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, priv, flags);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return (int)PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

int iof_shim_stream_open(struct inode *inode, struct file *file)
{
	(void)inode;
	file->f_mode &= ~(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE | FMODE_ATOMIC_POS);
	file->f_mode |= FMODE_STREAM;
	return 0;
}

long iof_shim_compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (!file->f_op->unlocked_ioctl)
		return -ENOIOCTLCMD;
	return file->f_op->unlocked_ioctl(file, cmd, (u32)arg);
}

/* ---- eventfds of the program ---- */

struct eventfd_ctx {
	int fd;
	int info;	/* /proc/self/fdinfo/@fd, or -1; atomic */
};

struct eventfd_ctx *iof_shim_eventfd_get(int fd)
{
	char path[40], target[32] = "";
	struct eventfd_ctx *ctx;

	iof_shim_scnprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return ERR_PTR(-EBADF);
	/* our own descriptors are eventfds only underneath, and reserved numbers have no owner */
	if (is_reserved(fd))
		return ERR_PTR(-EBADF);
	if (strcmp(target, "anon_inode:[eventfd]") || iof_shim_is_our_fd(fd))
		return ERR_PTR(-EINVAL);
	ctx = kmalloc(sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return ERR_PTR(-ENOMEM);
	ctx->info = -1;
	ctx->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (ctx->fd < 0) {
		kfree(ctx);
		return ERR_PTR(-EBADF);
	}
	return ctx;
}

void iof_shim_eventfd_put(struct eventfd_ctx *ctx)
{
	if (ctx->info >= 0)
		close(ctx->info);
	close(ctx->fd);
	kfree(ctx);
}

/*
 * The kernel's call stops at the largest count. A write() would wait there, so that we ask poll()
 * first.
 */
void iof_shim_eventfd_signal(struct eventfd_ctx *ctx)
{
	struct pollfd room = { .fd = ctx->fd, .events = POLLOUT };
	u64 one = 1;
	ssize_t done;

	if (poll(&room, 1, 0) == 1 && room.revents & POLLOUT) {
		done = write(ctx->fd, &one, sizeof(one));
		(void)done;
	}
}

/*
 * Returns the file that tells the eventfd's count. It stays open: opening it takes longer than
 * reading it, and an engine raises interrupts several thousand times a second.
 */
static int eventfd_info(struct eventfd_ctx *ctx)
{
	int fd = __atomic_load_n(&ctx->info, __ATOMIC_ACQUIRE), none = -1;
	char path[40];

	if (fd >= 0)
		return fd;
	iof_shim_scnprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ctx->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || __atomic_compare_exchange_n(&ctx->info, &none, fd, false, __ATOMIC_ACQ_REL,
						  __ATOMIC_ACQUIRE))
		return fd;
	close(fd);
	return none;
}

/* Would a write() of @nr not wait? Says no where the count cannot be read. */
static bool eventfd_has_room(struct eventfd_ctx *ctx, u32 nr)
{
	static const char name[] = "eventfd-count:";
	unsigned long long count;
	int fd = eventfd_info(ctx);
	const char *told;
	char text[256];
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return false;
	text[n] = 0;
	told = strstr(text, name);
	if (!told)
		return false;
	count = strtoull(told + sizeof(name) - 1, NULL, 16);
	return count < ~0ull - 1 - nr;
}

/* From this many signals on, the count is read, and written once. */
#define ADD_TOGETHER 4

void iof_shim_eventfd_add(struct eventfd_ctx *ctx, u32 nr)
{
	u64 count = nr;
	ssize_t done;

	if (nr >= ADD_TOGETHER && eventfd_has_room(ctx, nr)) {
		done = write(ctx->fd, &count, sizeof(count));
		(void)done;
		return;
	}
	while (nr--)
		iof_shim_eventfd_signal(ctx);
}
