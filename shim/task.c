/* SPDX-License-Identifier: MIT */
/*
 * task.c - threads as tasks: their sleep and wake-up, kernel threads.
 *
 * A thread gets its task_struct at its first call and loses it when it ends. The waker must make
 * sure that the task still exists, as in the kernel. A sleeping thread announces its state
 * (wait.c), checks its condition, and calls schedule(). The waker changes the state. The wake-up
 * costs a system call only if the sleeper waits in the futex.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include "internal.h"
#include "sys.h"

__thread struct task_struct *iof_shim_task __attribute__((tls_model("initial-exec")));

struct task_struct iof_shim_leader = { .mm = &iof_shim_mm, .group_leader = &iof_shim_leader,
				     .usage = REFCOUNT_INIT(1) };
static unsigned int spin_ns;

/* ---- futexes ---- */

int iof_shim_futex_wait(unsigned int *word, unsigned int value, u64 deadline_ns)
{
	struct timespec until = { .tv_sec = (time_t)(deadline_ns / NSEC_PER_SEC),
				  .tv_nsec = (long)(deadline_ns % NSEC_PER_SEC) };

	/* the bitset operation takes an absolute time of the monotonic clock */
	if (!syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline_ns ? &until : NULL,
		     NULL, FUTEX_BITSET_MATCH_ANY))
		return 0;
	return -errno;
}

void iof_shim_futex_wake(unsigned int *word, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* ---- tasks of plain threads ---- */

static pthread_key_t task_key;

static void thread_ends(void *arg)
{
	struct task_struct *task = arg;

	if (IOF_SHIM_CHECKS && task->iof_nheld)
		iof_shim_complain("a thread ends while it holds %s", task->iof_held[0].map->name);
	iof_shim_recheck_if_any(task);
	iof_shim_task = NULL;
	put_task_struct(task);
}

static void make_key(void)
{
	iof_shim_leader.pid = iof_shim_leader.tgid = getpid();
	prctl(PR_GET_NAME, iof_shim_leader.comm);
	if (pthread_key_create(&task_key, thread_ends))
		iof_shim_bug(__FILE__, __LINE__, __func__, "no thread-specific data left");
}

static struct task_struct *new_task(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct task_struct *task;

	must(pthread_once(&once, make_key));
	task = calloc(1, sizeof(*task));
	if (!task)
		iof_shim_bug(__FILE__, __LINE__, __func__, "no memory for a thread");
	task->mm = &iof_shim_mm;
	task->group_leader = &iof_shim_leader;
	task->tgid = iof_shim_leader.tgid;
	refcount_set(&task->usage, 1);
	return task;
}

struct task_struct *iof_shim_task_attach(void)
{
	struct task_struct *task = new_task();

	task->pid = (pid_t)syscall(SYS_gettid);
	prctl(PR_GET_NAME, task->comm);
	must(pthread_setspecific(task_key, task));
	iof_shim_task = task;
	return task;
}

void iof_shim_task_free(struct task_struct *task)
{
	if (task != &iof_shim_leader)
		free(task);
}

/* ---- sleeping ---- */

void iof_sys_set_spin(unsigned int ns)
{
	__atomic_store_n(&spin_ns, ns, __ATOMIC_RELAXED);
}

static bool still_asleep(struct task_struct *task)
{
	return __atomic_load_n(&task->__state, __ATOMIC_ACQUIRE) != TASK_RUNNING;
}

/*
 * Sleeps until a wake-up or the deadline; an interruptible sleep also ends at a signal handler
 * without restart.
 */
static void sleep_until(struct task_struct *task, u64 deadline)
{
	unsigned int state = __atomic_load_n(&task->__state, __ATOMIC_ACQUIRE);
	unsigned int spin = __atomic_load_n(&spin_ns, __ATOMIC_RELAXED);

	iof_shim_sleep_check();
	iof_sched_point(IOF_SCHED_SLEEP, task);
	iof_shim_recheck_if_any(task);
	if (state == TASK_RUNNING)
		return;
	if (spin) {
		u64 stop = iof_shim_ktime_ns() + spin;

		do {
			for (int i = 0; i < 32; i++) {
				if (!still_asleep(task))
					return;
				cpu_relax();
			}
		} while (iof_shim_ktime_ns() < stop);
		state = __atomic_load_n(&task->__state, __ATOMIC_ACQUIRE);
	}
	while (state != TASK_RUNNING) {
		unsigned int parked = state | IOF_SHIM_TASK_PARKED;
		int rc;

		if (state != parked &&
		    !__atomic_compare_exchange_n(&task->__state, &state, parked, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			continue;
		rc = iof_shim_futex_wait(&task->__state, parked, deadline);
		if (rc == -EINTR && parked & TASK_INTERRUPTIBLE) {
			task->iof_signalled = true;
			break;
		}
		if (rc == -ETIMEDOUT)
			break;
		state = __atomic_load_n(&task->__state, __ATOMIC_ACQUIRE);
	}
	__atomic_store_n(&task->__state, TASK_RUNNING, __ATOMIC_RELAXED);
	iof_sched_point(IOF_SCHED_WAKE, task);
}

void iof_shim_schedule(void)
{
	sleep_until(current, 0);
}

long iof_shim_schedule_timeout(long timeout)
{
	u64 deadline, now;

	if (timeout == MAX_SCHEDULE_TIMEOUT) {
		sleep_until(current, 0);
		return timeout;
	}
	if (timeout <= 0) {
		__set_current_state(TASK_RUNNING);
		return 0;
	}
	deadline = iof_shim_ktime_ns() + (u64)timeout * (NSEC_PER_SEC / HZ);
	sleep_until(current, deadline);
	now = iof_shim_ktime_ns();
	if (now >= deadline)
		return 0;
	/* round up: a started jiffy counts as one */
	return (long)((deadline - now + NSEC_PER_SEC / HZ - 1) / (NSEC_PER_SEC / HZ));
}

int iof_shim_wake_up_process(struct task_struct *task, unsigned int mode)
{
	unsigned int state = __atomic_load_n(&task->__state, __ATOMIC_SEQ_CST);

	do {
		if (!(state & mode))
			return 0;
	} while (!__atomic_compare_exchange_n(&task->__state, &state, TASK_RUNNING, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	if (state & IOF_SHIM_TASK_PARKED) {
		struct task_struct *self = current;

		if (self->iof_hold_wakes && self->iof_nwakes < IOF_SHIM_MAX_WAKES)
			self->iof_wakes[self->iof_nwakes++] = get_task_struct(task);
		else
			iof_shim_futex_wake(&task->__state, 1);
	}
	return 1;
}

void iof_shim_interrupt(struct task_struct *task)
{
	unsigned int state = __atomic_load_n(&task->__state, __ATOMIC_SEQ_CST);

	do {
		if (!(state & TASK_INTERRUPTIBLE))
			return;
	} while (!__atomic_compare_exchange_n(&task->__state, &state, TASK_RUNNING, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	if (state & IOF_SHIM_TASK_PARKED)
		iof_shim_futex_wake(&task->__state, 1);
}

void iof_shim_send_collected(struct task_struct *self)
{
	if (self->iof_nsignals)
		iof_shim_send_signals(self);
	while (self->iof_nwakes) {
		struct task_struct *task = self->iof_wakes[--self->iof_nwakes];

		iof_shim_futex_wake(&task->__state, 1);
		put_task_struct(task);
	}
}

void iof_shim_yield(void)
{
	iof_sched_point(IOF_SCHED_YIELD, NULL);
	sched_yield();
}

/* ---- threads of our own ---- */

static const cpu_set_t *processors;	/* atomic */

void iof_sys_set_processors(const cpu_set_t *set)
{
	__atomic_store_n(&processors, set, __ATOMIC_RELEASE);
}

int iof_shim_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, bool detached)
{
	pthread_attr_t attr;
	const cpu_set_t *set;
	sigset_t block, old;
	pthread_t mine;
	int rc;

	/* leave signals unblocked that this very thread raises by an error */
	sigfillset(&block);
	sigdelset(&block, SIGSEGV);
	sigdelset(&block, SIGBUS);
	sigdelset(&block, SIGFPE);
	sigdelset(&block, SIGILL);
	sigdelset(&block, SIGTRAP);
	sigdelset(&block, SIGABRT);
	sigdelset(&block, SIGSYS);
	rc = pthread_attr_init(&attr);
	if (rc)
		return -rc;
	if (detached)
		must(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	set = __atomic_load_n(&processors, __ATOMIC_ACQUIRE);
	if (set)
		must(pthread_attr_setaffinity_np(&attr, sizeof(*set), set));
	must(pthread_sigmask(SIG_SETMASK, &block, &old));
	rc = pthread_create(thread ? thread : &mine, &attr, fn, arg);
	if (rc == EINVAL && set) {
		/* all of these processors were taken from the process meanwhile */
		must(pthread_attr_setaffinity_np(&attr, 0, set));
		rc = pthread_create(thread ? thread : &mine, &attr, fn, arg);
	}
	must(pthread_sigmask(SIG_SETMASK, &old, NULL));
	must(pthread_attr_destroy(&attr));
	return -rc;
}

struct kthread {
	/* first, so that a task pointer is also a pointer to this struct */
	struct task_struct task;
	int (*fn)(void *data);
	void *data;
	pthread_t thread;
	bool should_stop;
	int result;
};

static void *kthread_main(void *arg)
{
	struct kthread *self = arg;
	struct task_struct *task = &self->task;

	iof_shim_task = task;
	must(pthread_setspecific(task_key, task));
	task->pid = (pid_t)syscall(SYS_gettid);
	prctl(PR_SET_NAME, task->comm);
	while (still_asleep(task))
		sleep_until(task, 0);
	/* the creator stopped the thread before waking it: do not call the function */
	self->result = __atomic_load_n(&self->should_stop, __ATOMIC_ACQUIRE) ? -EINTR :
			self->fn(self->data);
	return NULL;
}

struct task_struct *iof_shim_kthread_create(int (*fn)(void *data), void *data, const char *fmt, ...)
{
	struct kthread *self;
	struct task_struct *pattern;
	va_list args;
	int rc;

	if (iof_shim_should_fail(IOF_FAIL_ALLOC))
		return ERR_PTR(-ENOMEM);
	self = calloc(1, sizeof(*self));
	if (!self)
		return ERR_PTR(-ENOMEM);
	pattern = new_task();
	self->task = *pattern;
	free(pattern);
	/* one reference of the thread, one of its creator until kthread_stop() */
	refcount_set(&self->task.usage, 2);
	self->task.flags = PF_KTHREAD;
	self->task.mm = NULL;
	self->task.__state = TASK_UNINTERRUPTIBLE;
	self->fn = fn;
	self->data = data;
	va_start(args, fmt);
	vsnprintf(self->task.comm, sizeof(self->task.comm), fmt, args);
	va_end(args);
	rc = iof_shim_thread_start(&self->thread, kthread_main, self, false);
	if (rc) {
		free(self);
		return ERR_PTR(rc);
	}
	return &self->task;
}

bool iof_shim_kthread_should_stop(void)
{
	struct kthread *self = (struct kthread *)current;

	return __atomic_load_n(&self->should_stop, __ATOMIC_ACQUIRE);
}

int iof_shim_kthread_stop(struct task_struct *task)
{
	struct kthread *self = (struct kthread *)task;
	int result;

	iof_shim_sleep_check();
	__atomic_store_n(&self->should_stop, true, __ATOMIC_SEQ_CST);
	wake_up_process(task);
	must(pthread_join(self->thread, NULL));
	result = self->result;
	put_task_struct(task);
	return result;
}
