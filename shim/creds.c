/* SPDX-License-Identifier: MIT */
/*
 * creds.c - what a caller may do: capabilities, RLIMIT_MEMLOCK, and the user that is charged.
 *
 * A call for another process (iof_sys_act_for()) uses that process's CAP_IPC_LOCK, limit and real
 * user, as in a kernel. Two things differ. A limit that the process inherited from outside may
 * count as no limit (iof_sys_set_inherited_memlock()). And a server that runs as an ordinary user
 * charges one user for all processes, and uses its own capabilities except for CAP_IPC_LOCK.
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

/* set by a call; ~0: the limit of the process counts */
static unsigned long memlock_bytes = ~0ul;
static unsigned long inherited_bytes = ~0ul;	/* a limit of this size counts as none */

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
	if (resource == RLIMIT_MEMLOCK && mm && mm->pid) {
		bytes = to_bytes(iof_shim_remote_memlock(mm));
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

/* 0: ask the kernel; else the value that a test set, plus 1 */
static signed char capable_says[64];

void iof_shim_set_capable(int cap, int value)
{
	__atomic_store_n(&capable_says[cap & 63], (signed char)(value + 1), __ATOMIC_RELAXED);
}

/* Is the thread in this process's user namespace? Elsewhere its capabilities do not count here. */
static bool in_our_namespace(pid_t tid)
{
	struct stat own, other;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)tid);
	return !stat("/proc/self/ns/user", &own) && !stat(path, &other) &&
	       own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/* Has thread @tid the capability? 0: the calling thread. */
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
	/* a limit set by iof_sys_set_memlock() holds for root, too */
	if (cap == CAP_IPC_LOCK && __atomic_load_n(&memlock_bytes, __ATOMIC_RELAXED) != ~0ul)
		return false;
	return has_capability(tid, cap) && in_our_namespace(tid);
}

/* ---- users ---- */

/*
 * A user, other than this process's, that has been charged. Entries are never freed: they are
 * small.
 */
struct other_user {
	struct user_struct user;
	uid_t uid;
	struct other_user *next;
};

static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static struct other_user *users;		/* list, under users_lock */

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

	/*
	 * the namespace of an ordinary user has no other user; a thread with CAP_IPC_LOCK is not
	 * charged
	 */
	if (!iof_shim_acting_for || geteuid() || capable(CAP_IPC_LOCK))
		return &iof_shim_user;
	uid = iof_sys_status(iof_shim_acting_for, "Uid", geteuid());
	return uid ? find_user(uid) : &iof_shim_user;
}
