/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the shim's own files share, and no other directory includes.
 */
#ifndef IOF_SHIM_INTERNAL_H
#define IOF_SHIM_INTERNAL_H

#include <string.h>

#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include "fault.h"

/* Nonzero while a failure is set. Without one, fault injection costs one load. */
extern unsigned int iof_shim_fail_armed;
bool iof_shim_fail_slow(enum iof_fail_kind kind);

static inline bool iof_shim_should_fail(enum iof_fail_kind kind)
{
	return unlikely(__atomic_load_n(&iof_shim_fail_armed, __ATOMIC_RELAXED)) &&
	       iof_shim_fail_slow(kind);
}

/* In builds with checks, complains when the host refuses a call on a lock or a thread. */
static inline void iof_shim_must_be_zero(int rc, const char *call)
{
	if (IOF_SHIM_CHECKS && unlikely(rc))
		iof_shim_complain("%s: the host's error %d", call, rc);
}
#define must(call) iof_shim_must_be_zero(call, #call)

/* Counters of live objects. */
extern struct iof_live iof_shim_alive;
#define iof_shim_count(field, n) \
	__atomic_fetch_add(&iof_shim_alive.field, (long)(n), __ATOMIC_RELAXED)

/* The kmalloc family and the caches ask this first: may the allocation succeed? */
bool iof_shim_may_allocate(gfp_t gfp);
void *iof_shim_allocate(size_t size, size_t align, gfp_t gfp);
void iof_shim_deallocate(void *p);

/* Overwrites memory that is being freed; of a large object only the beginning. */
static inline void iof_shim_poison(void *p, size_t size)
{
	memset(p, 0x6b, min_t(size_t, size, 4096));
}

/*
 * Copies raw memory that may be gone. Returns the number of bytes not copied. The fix-up must be
 * installed.
 */
size_t iof_shim_raw_copy(void *dst, const void *src, size_t n);
int iof_shim_fixup_install(void);
extern bool iof_shim_fixup_ready;

static inline void iof_shim_fixup_need(void)
{
	if (unlikely(!__atomic_load_n(&iof_shim_fixup_ready, __ATOMIC_ACQUIRE)))
		iof_shim_fixup_install();
}

/* Is a page of the process (0: this one) in memory, by the kernel's pagemap? */
bool iof_shim_page_present(pid_t pid, unsigned long addr);

/*
 * Starts a thread of the shim's own with the program's signals blocked. It is detached, or the
 * caller joins it.
 */
int iof_shim_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, bool detached);

/*
 * Waits on a futex that is private to the process. Returns 0, -EINTR, -ETIMEDOUT or -EAGAIN.
 * @deadline_ns 0: none.
 */
int iof_shim_futex_wait(unsigned int *word, unsigned int value, u64 deadline_ns);
void iof_shim_futex_wake(unsigned int *word, int n);

/*
 * Between these two calls, the thread collects wake-ups. It does their system calls after the
 * queue's lock is released, so that a woken thread does not spin on it.
 */
static inline void iof_shim_hold_wakes(struct task_struct *self)
{
	self->iof_hold_wakes++;
}

void iof_shim_send_collected(struct task_struct *self);

static inline void iof_shim_send_wakes(struct task_struct *self)
{
	if (!--self->iof_hold_wakes && (self->iof_nsignals || self->iof_nwakes))
		iof_shim_send_collected(self);
}

/* Ends an interruptible sleep of @task. Takes no lock, so that a signal handler may call it. */
void iof_shim_interrupt(struct task_struct *task);

extern struct mm_struct iof_shim_mm;
extern struct task_struct iof_shim_leader;	/* leader of this process */

/* file.c */
struct file *iof_shim_file_alloc(const char *name, const struct file_operations *fops, void *priv,
				 int flags);
/* Called after a call that may have consumed something: updates the descriptor's eventfd. */
void iof_shim_ready_update(struct file *file);
void iof_shim_send_signals(struct task_struct *task);
/* Called where this thread holds no spinlock: looks again at descriptors that it made readable. */
void iof_shim_recheck(struct task_struct *task);

static inline void iof_shim_recheck_if_any(struct task_struct *task)
{
	if (unlikely(task->iof_nrecheck))
		iof_shim_recheck(task);
}

void iof_shim_work_settle(void);
bool iof_shim_is_our_fd(int fd);
/* As fget(), but NULL also for an open descriptor that is none of the embedded world. */
struct file *iof_shim_our_file(unsigned int fd);

#endif
