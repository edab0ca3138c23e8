/* SPDX-License-Identifier: MIT */
/*
 * remote.c - the memory of other processes.
 *
 * While a thread acts for a thread of another process (iof_sys_act_for()), user pointers are
 * addresses of that process, and current->mm is its address space. All of its threads have the same
 * one, however they come and go. Copies from and to the user go by thread id, since the thread
 * waits until the call is done. Later accesses (pins, DMA) go through files of /proc, which stay
 * with the address space that they were opened on. Once that address space is gone (exit, exec)
 * every access fails, even if another program has the id.
 *
 * A frame number carries the index of its address space above IOF_SHIM_PFN_MM_SHIFT. The address at
 * which a page can be "touched" carries it, too, and makes the platform's copies come here. Rules:
 * an index belongs to its address space until the last reference to that is dropped. There is no
 * atomic access to another process's memory: compare-and-exchange here excludes other threads of
 * ours, not the owner of the memory. A page that is requested for writing needs a writable mapping;
 * the first store does the copy-on-write, not the request.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include "core/kapi.h"
#include "internal.h"
#include "mapping.h"
#include "remote.h"
#include "sys.h"

#define MAX_REMOTE (1u << 14)	/* the index must fit above a user address in a 64-bit word */
#define CACHED 64

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL	/* Linux 6.9 */
#endif

struct iof_shim_remote {
	struct mm_struct *next;		/* list of all address spaces, under lock */
	int process;			/* /proc/TGID: tells whether the process still exists */
	int mem;			/* this file and the next two stay with the address space */
	int pagemap;
	int maps;
	void *sections;			/* mm.c's table of struct page */
	struct task_struct *leader;	/* a task that stands for the process; a reference */
	unsigned long memlock;		/* atomic: the limit of the process when last read */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mm_struct *by_index[MAX_REMOTE];	/* written under lock */
static struct mm_struct *all;			/* list of all address spaces, under lock */
static unsigned int next_index = 1;		/* index to try next, under lock */
static struct {
	pid_t tid;
	int thread;			/* /proc/TID: tells whether the thread still exists */
	int pidfd;			/* of the thread: tells it sooner; -1: none */
	struct mm_struct *mm;		/* its address space, with a reference */
	unsigned long used;
} cached[CACHED];				/* cache by thread id, under lock */
static unsigned long cache_clock;
static pthread_mutex_t exchange_lock = PTHREAD_MUTEX_INITIALIZER;

__thread pid_t iof_shim_acting_for __attribute__((tls_model("initial-exec")));

/* ---- address spaces ---- */

static struct mm_struct *mm_of(unsigned long index)
{
	return index < MAX_REMOTE ? __atomic_load_n(&by_index[index], __ATOMIC_ACQUIRE) : NULL;
}

void **iof_shim_remote_sections(unsigned long index)
{
	struct mm_struct *mm = mm_of(index);

	return mm ? &mm->remote->sections : NULL;
}

static int open_folder(pid_t id)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d", (int)id);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : errno == ENOENT ? -ESRCH : -errno;
}

/* Opens the files of an address space. @thread: the folder of a thread that has it. */
static int open_files(struct iof_shim_remote *remote, int thread, pid_t tgid)
{
	remote->process = open_folder(tgid);
	if (remote->process < 0)
		return remote->process;
	remote->mem = openat(thread, "mem", O_RDWR | O_CLOEXEC);
	remote->pagemap = openat(thread, "pagemap", O_RDONLY | O_CLOEXEC);
	remote->maps = openat(thread, "maps", O_RDONLY | O_CLOEXEC);
	return remote->mem < 0 || remote->pagemap < 0 || remote->maps < 0 ? -errno : 0;
}

static void close_files(struct iof_shim_remote *remote)
{
	if (remote->maps >= 0)
		close(remote->maps);
	if (remote->pagemap >= 0)
		close(remote->pagemap);
	if (remote->mem >= 0)
		close(remote->mem);
	if (remote->process >= 0)
		close(remote->process);
}

/* Returns an unused index, or 0. Called with the lock held. */
static unsigned int free_index(void)
{
	for (unsigned int i = 0; i < MAX_REMOTE - 1; i++) {
		unsigned int index = next_index;

		next_index = next_index + 1 < MAX_REMOTE ? next_index + 1 : 1;
		if (!by_index[index])
			return index;
	}
	return 0;
}

/* Creates the address space of a process. Called with the lock held. */
static struct mm_struct *new_mm(int thread, pid_t tgid, int *rc)
{
	struct mm_struct *mm = calloc(1, sizeof(*mm));

	*rc = -ENOMEM;
	if (!mm)
		return NULL;
	mm->remote = calloc(1, sizeof(*mm->remote));
	if (!mm->remote)
		goto err_free;
	mm->remote->process = mm->remote->mem = mm->remote->pagemap = mm->remote->maps = -1;
	mm->remote->leader = calloc(1, sizeof(*mm->remote->leader));
	if (!mm->remote->leader)
		goto err_free_remote;
	refcount_set(&mm->remote->leader->usage, 1);
	mm->remote->leader->mm = mm;
	*rc = open_files(mm->remote, thread, tgid);
	if (*rc)
		goto err_close;
	mm->index = free_index();
	*rc = -EMFILE;
	if (!mm->index)
		goto err_close;
	mm->pid = tgid;
	mm->remote->next = all;
	all = mm;
	atomic_set(&mm->mm_users, 1);
	atomic_set(&mm->mm_count, 1);
	init_rwsem(&mm->mmap_lock);
	__atomic_store_n(&by_index[mm->index], mm, __ATOMIC_RELEASE);
	*rc = 0;
	return mm;

err_close:
	close_files(mm->remote);
	free(mm->remote->leader);
err_free_remote:
	free(mm->remote);
err_free:
	free(mm);
	return NULL;
}

void iof_shim_remote_free(struct mm_struct *mm)
{
	struct mm_struct **at = &all;

	must(pthread_mutex_lock(&lock));
	__atomic_store_n(&by_index[mm->index], NULL, __ATOMIC_RELEASE);
	while (*at != mm)
		at = &(*at)->remote->next;
	*at = mm->remote->next;
	must(pthread_mutex_unlock(&lock));
	iof_shim_sections_free(mm->remote->sections);
	close_files(mm->remote);
	put_task_struct(mm->remote->leader);
	free(mm->remote);
	free(mm);
}

/* Does the task behind a folder of /proc still exist? */
static bool is_there(int folder)
{
	struct stat st;

	return !fstatat(folder, "mem", &st, 0);
}

/*
 * Does any process still have the address space? This read of a part of an entry fails with EINVAL,
 * and gets 0 bytes once the address space is gone.
 */
static bool is_alive(const struct mm_struct *mm)
{
	char byte;

	return pread(mm->remote->pagemap, &byte, 1, 0) != 0;
}

static bool can_signal(int pidfd)
{
	return !syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0);
}

/*
 * Opens a pidfd of the thread. Returns -1 before Linux 6.9, and if no signal may be sent to it, or
 * to any.
 */
static int open_pidfd(pid_t tid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);

	if (pidfd >= 0 && !can_signal(pidfd)) {
		close(pidfd);
		pidfd = -1;
	}
	return pidfd;
}

/* Reads the limit of locked memory of a process from its folder. */
static bool read_memlock(int process, unsigned long *bytes)
{
	int fd = openat(process, "limits", O_RDONLY | O_CLOEXEC);
	FILE *limits = fd < 0 ? NULL : fdopen(fd, "r");
	char line[128], text[32];
	bool found = false;

	while (limits && !found && fgets(line, sizeof(line), limits))
		found = sscanf(line, "Max locked memory %31s", text) == 1;
	if (found)
		*bytes = strcmp(text, "unlimited") ? strtoul(text, NULL, 10) : RLIM_INFINITY;
	if (limits)
		fclose(limits);
	else if (fd >= 0)
		close(fd);
	return found;
}

/*
 * Returns the limit of locked memory of another process, as last known. prlimit() takes
 * CAP_SYS_RESOURCE if the process is of another user; its folder can be read without.
 */
unsigned long iof_shim_remote_memlock(struct mm_struct *mm)
{
	unsigned long *known = &mm->remote->memlock, bytes = 0;
	bool there = is_there(mm->remote->process);
	struct rlimit limit;

	if (there && !prlimit(mm->pid, RLIMIT_MEMLOCK, NULL, &limit))
		__atomic_store_n(known, limit.rlim_cur, __ATOMIC_RELAXED);
	else if (there && read_memlock(mm->remote->process, &bytes))
		__atomic_store_n(known, bytes, __ATOMIC_RELAXED);
	return __atomic_load_n(known, __ATOMIC_RELAXED);
}

/*
 * Reads the ids of a thread's process and of its parent process, through the folder of the thread.
 */
static int ids_of(int thread, pid_t *tgid, pid_t *parent)
{
	int fd = openat(thread, "status", O_RDONLY | O_CLOEXEC);
	FILE *status = fd < 0 ? NULL : fdopen(fd, "r");
	char line[128];

	*tgid = *parent = 0;
	while (status && !(*tgid && *parent) && fgets(line, sizeof(line), status)) {
		sscanf(line, "Tgid: %d", tgid);
		sscanf(line, "PPid: %d", parent);
	}
	if (status)
		fclose(status);
	else if (fd >= 0)
		close(fd);
	return *tgid ? 0 : -ESRCH;
}

#define SAME_VM 1	/* the kernel's KCMP_VM */

/*
 * Has the process the memory of its parent? A child has it between vfork() and exec(), and the
 * parent keeps it. So nothing may be cached under such a child's id.
 */
static bool borrows_memory(pid_t tgid, pid_t parent)
{
	return parent && syscall(SYS_kcmp, tgid, parent, SAME_VM, 0, 0) == 0;
}

/*
 * Returns the known address space of process @tgid with a reference, or NULL. Called with the lock
 * held.
 */
static struct mm_struct *find_mm(pid_t tgid)
{
	for (struct mm_struct *mm = all; mm; mm = mm->remote->next)
		if (mm->pid == tgid && is_there(mm->remote->process) && is_alive(mm) &&
		    atomic_inc_not_zero(&mm->mm_count))
			return mm;
	return NULL;
}

/* Does the cached thread still exist? Called with the lock held, as the next. */
static bool is_cached_there(unsigned int slot)
{
	return (cached[slot].pidfd >= 0 && can_signal(cached[slot].pidfd)) ||
	       is_there(cached[slot].thread);
}

static void close_cached(unsigned int slot)
{
	close(cached[slot].thread);
	if (cached[slot].pidfd >= 0)
		close(cached[slot].pidfd);
}

/*
 * Finds or creates the address space of a thread that is not cached, and caches it. The caller
 * drops *@drop. Called with the lock held.
 */
static struct mm_struct *learn_mm(pid_t tid, unsigned int slot, struct mm_struct **drop, int *rc)
{
	int thread = open_folder(tid);
	struct mm_struct *mm = NULL;
	pid_t tgid, parent;
	bool borrowed;

	*rc = thread;
	if (thread < 0)
		return NULL;
	*rc = ids_of(thread, &tgid, &parent);
	if (*rc)
		goto out_close;
	borrowed = borrows_memory(tgid, parent);
	mm = find_mm(borrowed ? parent : tgid);
	if (!mm)
		mm = new_mm(thread, borrowed ? parent : tgid, rc);
	if (!mm || borrowed)
		goto out_close;
	if (cached[slot].mm) {
		*drop = cached[slot].mm;
		close_cached(slot);
	}
	mmgrab(mm);
	cached[slot].mm = mm;
	cached[slot].tid = tid;
	cached[slot].thread = thread;
	cached[slot].pidfd = open_pidfd(tid);
	cached[slot].used = ++cache_clock;
	return mm;

out_close:
	close(thread);
	return mm;
}

/* Returns the address space of @tid, with a reference for the caller. */
static struct mm_struct *get_mm(pid_t tid, int *rc)
{
	struct mm_struct *mm = NULL, *drop = NULL;
	unsigned int slot = 0;

	*rc = 0;
	must(pthread_mutex_lock(&lock));
	for (unsigned int i = 0; i < CACHED; i++) {
		if (cached[i].mm && cached[i].tid == tid) {
			slot = i;
			if (is_cached_there(i) && is_alive(cached[i].mm)) {
				cached[i].used = ++cache_clock;
				mm = cached[i].mm;
				mmgrab(mm);
			}
			break;
		}
		if (cached[i].used < cached[slot].used)
			slot = i;
	}
	if (!mm)
		mm = learn_mm(tid, slot, &drop, rc);
	must(pthread_mutex_unlock(&lock));
	if (drop)
		mmdrop(drop);
	return mm;
}

int iof_sys_act_for(pid_t tid)
{
	struct task_struct *self = current;
	struct mm_struct *mm;
	int rc;

	iof_sys_act_with(NULL, NULL, 0);
	if (iof_shim_acting_for) {
		mm = self->mm;
		self->mm = &iof_shim_mm;
		self->group_leader = &iof_shim_leader;
		iof_shim_acting_for = 0;
		mmdrop(mm);
	}
	if (!tid)
		return 0;
	mm = get_mm(tid, &rc);
	if (!mm)
		return rc;
	self->mm = mm;
	self->group_leader = mm->remote->leader;
	iof_shim_acting_for = tid;
	return 0;
}

int iof_sys_peek(void *dst, const void *addr, size_t len)
{
	return copy_from_user(dst, addr, len) ? -EFAULT : 0;
}

int iof_sys_poke(void *addr, const void *src, size_t len)
{
	return copy_to_user(addr, src, len) ? -EFAULT : 0;
}

void iof_sys_forget_processes(void)
{
	for (unsigned int i = 0; i < CACHED; i++) {
		struct mm_struct *mm;

		must(pthread_mutex_lock(&lock));
		mm = cached[i].mm;
		if (mm)
			close_cached(i);
		cached[i].mm = NULL;
		cached[i].used = 0;
		must(pthread_mutex_unlock(&lock));
		if (mm)
			mmdrop(mm);
	}
}

/* ---- copies for system calls: by thread id, with the permissions of the mappings ---- */

static __thread struct {
	unsigned long addr;
	char *buf;
	size_t len;
	bool ahead;		/* a write to buf also goes to the other process */
} window __attribute__((tls_model("initial-exec")));

/*
 * Read-ahead for arrays, which callers read element by element, sometimes the end of an element
 * first. A read that begins within a page's length of the previous one fetches what follows too, so
 * the next reads need no system call. The fetch stays within the page: the next page may be absent,
 * or its fault may have to wait for a handler. The bytes are valid for one call, until its first
 * write.
 */
static __thread struct {
	unsigned long addr;
	size_t len;
	unsigned long last;		/* address of the previous read; 0: none */
	char bytes[2048];
} array;

static bool near_previous_read(unsigned long user)
{
	return array.last && user - array.last + PAGE_SIZE <= 2 * PAGE_SIZE;
}

void iof_sys_act_with(void *addr, void *buf, size_t len)
{
	window.addr = (unsigned long)addr;
	window.buf = buf;
	window.len = len;
	window.ahead = false;
	array.len = array.last = 0;
}

void iof_sys_act_ahead(void *addr, void *buf, size_t len)
{
	iof_sys_act_with(addr, buf, len);
	window.ahead = true;
}

/*
 * Serves a read from the read-ahead. Returns the number of bytes, at most @n; 0: it has
 * none, or the read failed.
 */
static size_t read_array(unsigned long user, char *near, size_t n)
{
	struct iovec local, remote;
	ssize_t got;

	if (user - array.addr >= array.len) {
		if (!near_previous_read(user) || n > sizeof(array.bytes) / 8)
			return 0;
		local = (struct iovec){ array.bytes, min_t(size_t, sizeof(array.bytes),
							   PAGE_SIZE - user % PAGE_SIZE) };
		remote = (struct iovec){ (void *)user, local.iov_len };
		got = process_vm_readv(iof_shim_acting_for, &local, 1, &remote, 1, 0);
		array.addr = user;
		array.len = got > 0 ? (size_t)got : 0;
		if (!array.len)
			return 0;
	}
	n = min(n, array.len - (size_t)(user - array.addr));
	memcpy(near, array.bytes + (user - array.addr), n);
	return n;
}

/*
 * Copies at most @n bytes from @user on, all inside the window or all outside. Returns 0 on
 * failure.
 */
static size_t copy_part(unsigned long user, char *near, size_t n, bool write)
{
	struct iovec local, remote;
	ssize_t got;

	if (user - window.addr < window.len) {
		char *here = window.buf + (user - window.addr);

		n = min(n, window.len - (size_t)(user - window.addr));
		memcpy(write ? here : near, write ? near : here, n);
		if (!write || !window.ahead)
			return n;
	} else if (window.len && user < window.addr) {
		n = min(n, (size_t)(window.addr - user));
	}
	if (write) {
		array.len = array.last = 0;
	} else {
		size_t had = read_array(user, near, n);

		array.last = user;
		if (had)
			return had;
	}
	local = (struct iovec){ near, n };
	remote = (struct iovec){ (void *)user, n };
	got = write ? process_vm_writev(iof_shim_acting_for, &local, 1, &remote, 1, 0) :
		      process_vm_readv(iof_shim_acting_for, &local, 1, &remote, 1, 0);
	return got > 0 ? (size_t)got : 0;
}

size_t iof_shim_remote_user_copy(void *dst, const void *src, size_t n, bool write)
{
	unsigned long user = (unsigned long)(write ? dst : src);
	char *near = write ? (char *)src : dst;
	size_t done = 0, part;

	while (done < n) {
		part = copy_part(user + done, near + done, n - done, write);
		if (!part)
			break;
		done += part;
	}
	return n - done;
}

unsigned int iof_sys_status(pid_t tid, const char *field, unsigned int unknown)
{
	char path[40], line[128];
	unsigned int value = unknown;
	size_t length = strlen(field);
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, field, length) && sscanf(line + length, ": %u", &value) == 1)
			break;
	if (status)
		fclose(status);
	return value;
}

int iof_sys_open_thread(pid_t tid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);

	if (pidfd >= 0)
		return pidfd;
	tid = (pid_t)iof_sys_status(tid, "Tgid", (unsigned int)tid);
	return (int)syscall(SYS_pidfd_open, tid, 0);
}

int iof_shim_remote_fd(int fd)
{
	int pidfd = iof_sys_open_thread(iof_shim_acting_for), copy, saved;

	if (pidfd < 0)
		return -1;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	saved = errno;
	close(pidfd);
	errno = saved;
	return copy;
}

/* ---- DMA: through the file of the address space ---- */

static struct mm_struct *split(const void *p, unsigned long *addr)
{
	*addr = (unsigned long)p & ((1ul << IOF_SHIM_REMOTE_SHIFT) - 1);
	return mm_of((unsigned long)p >> IOF_SHIM_REMOTE_SHIFT);
}

/* Moves bytes through the file mem. Returns the number of bytes not moved. */
static size_t move(struct mm_struct *mm, unsigned long addr, void *buf, size_t n, bool write)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = write ? pwrite(mm->remote->mem, (char *)buf + done, n - done,
					     (off_t)(addr + done)) :
				      pread(mm->remote->mem, (char *)buf + done, n - done,
					    (off_t)(addr + done));

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return n - done;
}

static size_t one_side(const void *far, void *near, size_t n, bool write)
{
	unsigned long addr;
	struct mm_struct *mm = split(far, &addr);

	return mm ? move(mm, addr, near, n, write) : n;
}

size_t iof_shim_remote_copy(void *dst, const void *src, size_t n)
{
	char buf[16384];

	if (!iof_shim_is_remote(src))
		return one_side(dst, (void *)src, n, true);
	if (!iof_shim_is_remote(dst))
		return one_side(src, dst, n, false);
	while (n) {
		size_t part = min_t(size_t, n, sizeof(buf));
		size_t bad = one_side(src, buf, part, false);
		size_t unwritten = part > bad ? one_side(dst, buf, part - bad, true) : 0;

		if (bad || unwritten)
			return n - (part - bad - unwritten);
		n -= part;
		src = (const char *)src + part;
		dst = (char *)dst + part;
	}
	return 0;
}

int iof_shim_remote_cmpxchg64(u64 *p, u64 *old, u64 new)
{
	int rc = -EFAULT;
	u64 seen;

	must(pthread_mutex_lock(&exchange_lock));
	if (!one_side(p, &seen, sizeof(seen), false)) {
		if (seen != *old) {
			*old = seen;
			rc = -EAGAIN;
		} else {
			rc = one_side(p, &new, sizeof(new), true) ? -EFAULT : 0;
		}
	}
	must(pthread_mutex_unlock(&exchange_lock));
	return rc;
}

/* ---- pages ---- */

static bool is_present(struct mm_struct *mm, unsigned long addr)
{
	u64 entry;

	return pread(mm->remote->pagemap, &entry, sizeof(entry),
		     (off_t)(addr / PAGE_SIZE * sizeof(entry))) == sizeof(entry) && entry >> 63;
}

static unsigned long allowed_pages(struct mm_struct *mm, unsigned long start, unsigned long n,
				   bool write, bool longterm)
{
	struct iof_shim_maps space = { mm->remote->maps, mm->remote->process };

	return iof_shim_mapped(&space, start, n, write, longterm);
}

/*
 * Reads a byte of each page, which makes it present. Returns the number of pages up to the first
 * failure.
 */
static unsigned long touch_pages(struct mm_struct *mm, unsigned long start, unsigned long n)
{
	struct iovec remote[256], local;
	unsigned long good = 0;
	char bytes[256];

	while (good < n) {
		unsigned long part = min(n - good, (unsigned long)ARRAY_SIZE(remote));
		ssize_t got;

		for (unsigned long i = 0; i < part; i++)
			remote[i] = (struct iovec){ (void *)(start + (good + i) * PAGE_SIZE), 1 };
		local = (struct iovec){ bytes, part };
		/*
		 * many pages at once, but only for the thread that waits for us; other threads may
		 * have ended
		 */
		got = -1;
		errno = ESRCH;
		if (current->mm == mm && iof_shim_acting_for)
			got = process_vm_readv(iof_shim_acting_for, &local, 1, remote, part, 0);
		/* the file mem ignores the permissions of the mapping, which were checked before */
		if (got < 0 && errno != EFAULT)
			got = pread(mm->remote->mem, bytes, 1, (off_t)(start + good * PAGE_SIZE));
		if (got <= 0)
			break;
		good += (unsigned long)got;
	}
	return good;
}

bool iof_shim_remote_area(struct mm_struct *mm, unsigned long at, unsigned long n,
			  struct iof_shim_area *area)
{
	struct iof_shim_maps space = { mm->remote->maps, mm->remote->process };

	return iof_shim_area_at(&space, mm->remote->pagemap, at, n, area);
}

int iof_shim_remote_folder(const struct mm_struct *mm)
{
	return mm->remote->process;
}

unsigned long iof_shim_remote_populate(struct mm_struct *mm, unsigned long start, unsigned long n,
				       bool write, bool longterm)
{
	n = allowed_pages(mm, start, n, write, longterm);
	return n ? touch_pages(mm, start, n) : 0;
}

/* Is the page present and accessible? Once the address space is gone, its pagemap says "absent". */
bool iof_shim_remote_present(struct mm_struct *mm, unsigned long addr, bool write)
{
	return is_present(mm, addr) && allowed_pages(mm, addr & PAGE_MASK, 1, write, false);
}

int iof_shim_remote_mm_copy(struct mm_struct *mm, unsigned long addr, void *buf, size_t n,
			    bool write)
{
	/* do not access an absent page, which would make it present */
	if (!iof_shim_remote_present(mm, addr, write))
		return -EFAULT;
	return move(mm, addr, buf, n, write) ? -EFAULT : 0;
}
