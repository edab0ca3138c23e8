/* SPDX-License-Identifier: MIT */
/*
 * base.h - what all stand-in headers use: the switches, the scheduler's hook, reports of misuse.
 *
 * IOF_SHIM_CHECKS (0 or 1, the same for all objects of a build) turns the checks of lock owners,
 * lock order and sleeping-while-atomic on. It changes no struct. IOF_SHIM_SCHED sends each blocking
 * or atomic primitive through iof_sched_point(), so that a scheduler can own the interleavings.
 * Without it the hook is empty. All names that the shim exports to the linker start with iof_shim_:
 * the kernel's names are macros and inline functions, so that a program may have a mutex_lock() of
 * its own.
 */
#ifndef IOF_SHIM_BASE_H
#define IOF_SHIM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef IOF_SHIM_CHECKS
#define IOF_SHIM_CHECKS 1
#endif

#if defined(__SANITIZE_THREAD__)
#define IOF_SHIM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IOF_SHIM_TSAN 1
#endif
#endif
#ifndef IOF_SHIM_TSAN
#define IOF_SHIM_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define IOF_SHIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IOF_SHIM_ASAN 1
#endif
#endif
#ifndef IOF_SHIM_ASAN
#define IOF_SHIM_ASAN 0
#endif

enum iof_sched_kind {
	IOF_SCHED_LOCK,		/* before a lock is taken */
	IOF_SCHED_UNLOCK,	/* after it was released */
	IOF_SCHED_ATOMIC,	/* before an atomic read-modify-write or an ordered access */
	IOF_SCHED_SLEEP,	/* before a thread sleeps */
	IOF_SCHED_WAKE,		/* after a thread was woken */
	IOF_SCHED_YIELD,	/* cond_resched() and its like */
};

#ifdef IOF_SHIM_SCHED
void iof_sched_point(enum iof_sched_kind kind, const void *object);
#else
static inline __attribute__((always_inline)) void iof_sched_point(enum iof_sched_kind kind,
								  const void *object)
{
	(void)kind;
	(void)object;
}
#endif

/*
 * Prints a finding with its place in the code. Ends the program if iof_shim_panic_on_warn is set.
 */
void iof_shim_warn(const char *file, int line, const char *func, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));
void iof_shim_bug(const char *file, int line, const char *func, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold, noreturn));

#define iof_shim_complain(...) iof_shim_warn(__FILE__, __LINE__, __func__, __VA_ARGS__)

/* The current thread; one load after the thread's first call. */
struct task_struct;
extern __thread struct task_struct *iof_shim_task __attribute__((tls_model("initial-exec")));
struct task_struct *iof_shim_task_attach(void);

static inline struct task_struct *iof_shim_current(void)
{
	struct task_struct *task = iof_shim_task;

	return __builtin_expect(task != NULL, 1) ? task : iof_shim_task_attach();
}

/* Did a test kill the current thread (shim/fault.h)? */
bool iof_shim_killed(void);

/* Complains if the caller holds a spinlock, and so must not sleep. */
#if IOF_SHIM_CHECKS
void iof_shim_might_sleep(const char *file, int line, const char *func);
#define iof_shim_sleep_check() iof_shim_might_sleep(__FILE__, __LINE__, __func__)
#else
#define iof_shim_sleep_check() do { } while (0)
#endif

#endif
