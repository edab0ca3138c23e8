/* SPDX-License-Identifier: MIT */
/*
 * compiler.h - annotations, single accesses to shared memory, and barriers.
 *
 * Single accesses are relaxed atomics rather than volatile, so that ThreadSanitizer knows that they
 * are meant. TSan does not see a bare fence; in builds for it a fence becomes a read-modify-write
 * of one common word.
 */
#ifndef IOF_SHIM_LINUX_COMPILER_H
#define IOF_SHIM_LINUX_COMPILER_H

#include <sys/cdefs.h>
#include "../iof_shim/base.h"

#define __user
#define __releases(x)

#ifndef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#endif
#ifndef __must_check
#define __must_check __attribute__((__warn_unused_result__))
#endif
#ifndef __maybe_unused
#define __maybe_unused __attribute__((__unused__))
#endif
#ifndef __always_unused
#define __always_unused __attribute__((__unused__))
#endif
#ifndef __packed
#define __packed __attribute__((__packed__))
#endif
#ifndef __aligned
#define __aligned(x) __attribute__((__aligned__(x)))
#endif
#ifndef __printf
#define __printf(a, b) __attribute__((__format__(printf, a, b)))
#endif
#ifndef __cold
#define __cold __attribute__((__cold__))
#endif
#ifndef __pure
#define __pure __attribute__((__pure__))
#endif
#ifndef __weak
#define __weak __attribute__((__weak__))
#endif
#ifndef __used
#define __used __attribute__((__used__))
#endif
#ifndef __section
#define __section(x) __attribute__((__section__(x)))
#endif
#ifndef __counted_by
#define __counted_by(member)
#endif
#define noinline __attribute__((__noinline__))
/* Exempts a variable from the zeroing of all variables, which hardened kernels do. */
#define __uninitialized

#ifndef fallthrough
#define fallthrough __attribute__((__fallthrough__))
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define OPTIMIZER_HIDE_VAR(var) __asm__("" : "=r"(var) : "0"(var))
#define data_race(expr) (expr)
#define __same_type(a, b) __builtin_types_compatible_p(typeof(a), typeof(b))
#define __must_be_array(a) \
	(0 * sizeof(struct { int unused : 1; \
		_Static_assert(!__same_type((a), &(a)[0]), "must be an array"); }))

#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val) __atomic_store_n(&(x), (val), __ATOMIC_RELAXED)

#if IOF_SHIM_TSAN
extern unsigned int iof_shim_fence_word;
#define iof_shim_fence(order) ((void)__atomic_fetch_add(&iof_shim_fence_word, 0, order))
#define smp_mb() iof_shim_fence(__ATOMIC_SEQ_CST)
#define smp_wmb() iof_shim_fence(__ATOMIC_ACQ_REL)
#else
#if defined(__x86_64__)
#define smp_mb() __asm__ __volatile__("lock; addl $0, -4(%%rsp)" : : : "memory", "cc")
#else
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif
/*
 * Atomic operations here are full barriers already, if they return a value; the others need this.
 */
#define smp_mb__after_atomic() smp_mb()

#define smp_load_acquire(p) \
	({ iof_sched_point(IOF_SCHED_ATOMIC, (p)); __atomic_load_n((p), __ATOMIC_ACQUIRE); })
#define smp_store_release(p, v) \
	do { \
		iof_sched_point(IOF_SCHED_ATOMIC, (p)); \
		__atomic_store_n((p), (v), __ATOMIC_RELEASE); \
	} while (0)
#define smp_store_mb(var, value) \
	do { \
		iof_sched_point(IOF_SCHED_ATOMIC, &(var)); \
		(void)__atomic_exchange_n(&(var), (value), __ATOMIC_SEQ_CST); \
	} while (0)

#endif
