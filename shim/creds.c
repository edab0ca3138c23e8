/* SPDX-License-Identifier: MIT */
/*
 * creds.c - what a caller may do: capabilities, RLIMIT_MEMLOCK, and the user that is charged.
 *
 * A call for another process (iof_sys_act_for()) goes by that process, as in a kernel: its
 * CAP_IPC_LOCK, its limit, its real user. Two things differ. A process that still has the limit it
 * inherited from outside may be without one (iof_sys_set_inherited_memlock()). And where the server
 * is an ordinary user's, there is one user for all, and capabilities other than CAP_IPC_LOCK are
 * the server's.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include "internal.h"
#include "remote.h"
#include "sys.h"

struct user_struct iof_shim_user = { .__count = REFCOUNT_INIT(1) };

/* ---- limits ---- */

static unsigned long memlock_bytes = ~0ul;	/* what was set; ~0: the process's own */
static unsigned long inherited_bytes = ~0ul;	/* a limit of this size is none */

void iof_shim_set_memlock(unsigned long bytes)
{
	__atomic_store_n(&memlock_bytes, bytes, __ATOMIC_RELAXED);
}

void iof_sys_set_memlock(uint64_t bytes)
{
	iof_shim_set_memlock(bytes);
}

void iof_sys_set_inherited_memlock(uint64_t bytes)
{
	__atomic_store_n(&inherited_bytes, bytes, __ATOMIC_RELAXED);
}

static unsigned long to_bytes(rlim_t limit)
{
	return limit == RLIM_INFINITY ? ~0ul : limit;
}

unsigned long iof_shim_task_rlimit(const struct task_struct *task, int resource)
{
	unsigned long said = __atomic_load_n(&memlock_bytes, __ATOMIC_RELAXED), bytes;
	struct mm_struct *mm = task->mm;
	struct rlimit limit;

	if (resource == RLIMIT_MEMLOCK && said != ~0ul)
		return said;
	if (mm && mm->pid) {
		bytes = to_bytes(iof_shim_remote_rlimit(mm, resource));
		return bytes == __atomic_load_n(&inherited_bytes, __ATOMIC_RELAXED) ? ~0ul : bytes;
	}
	return getrlimit((__rlimit_resource_t)resource, &limit) ? 0 : to_bytes(limit.rlim_cur);
}

int iof_shim_account_locked_vm(struct mm_struct *mm, unsigned long pages, bool inc)
{
	int rc;

	if (!pages || !mm)
		return 0;
	mmap_write_lock(mm);
	rc = __account_locked_vm(mm, pages, inc, current->group_leader, capable(CAP_IPC_LOCK));
	mmap_write_unlock(mm);
	return rc;
}

/* ---- capabilities ---- */

static signed char capable_says[64];		/* 0: ask, else 1 + what a test says */

void iof_shim_set_capable(int cap, int value)
{
	__atomic_store_n(&capable_says[cap & 63], (signed char)(value + 1), __ATOMIC_RELAXED);
}

/* A thread that has entered another user namespace has its capabilities only there. */
static bool in_our_namespace(pid_t tid)
{
	struct stat own, other;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)tid);
	return !stat("/proc/self/ns/user", &own) && !stat(path, &other) &&
	       own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/* @tid: a thread, 0 for the calling one. */
static bool has_capability(pid_t tid, int cap)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3, .pid = tid,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[cap / 32 & 1].effective >> (cap & 31) & 1;
}

bool iof_shim_capable(int cap)
{
	signed char said = __atomic_load_n(&capable_says[cap & 63], __ATOMIC_RELAXED);
	pid_t tid = iof_shim_acting_for;

	if (said)
		return said == 2;
	if (!tid || (cap != CAP_IPC_LOCK && geteuid()))
		return has_capability(0, cap);
	/* a limit that was set for all is for root too */
	if (cap == CAP_IPC_LOCK && __atomic_load_n(&memlock_bytes, __ATOMIC_RELAXED) != ~0ul)
		return false;
	return has_capability(tid, cap) && in_our_namespace(tid);
}

/* ---- users ---- */

/* Those but our own that have been charged. They are kept: a number each. */
struct other_user {
	struct user_struct user;
	uid_t uid;
	struct other_user *next;
};

static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static struct other_user *users;		/* under users_lock */

static struct user_struct *find_user(uid_t uid)
{
	struct other_user *other;

	must(pthread_mutex_lock(&users_lock));
	for (other = users; other && other->uid != uid; other = other->next)
		;
	if (!other) {
		other = calloc(1, sizeof(*other));
		if (other) {
			refcount_set(&other->user.__count, 1);
			other->uid = uid;
			other->next = users;
			users = other;
		}
	}
	must(pthread_mutex_unlock(&users_lock));
	return other ? &other->user : &iof_shim_user;
}

struct user_struct *iof_shim_current_user(void)
{
	uid_t uid;

	/* an ordinary user's namespace has no other; and a thread that is exempt is not charged */
	if (!iof_shim_acting_for || geteuid() || capable(CAP_IPC_LOCK))
		return &iof_shim_user;
	uid = iof_sys_status(iof_shim_acting_for, "Uid", geteuid());
	return uid ? find_user(uid) : &iof_shim_user;
}
