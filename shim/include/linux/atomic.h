/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - atomic integers, compare-and-exchange, with the kernel's ordering rules.
 *
 * Operations that return a value are full barriers unless their name says _relaxed, _acquire or
 * _release. Operations without a result order nothing. All are compiler builtins, which TSan
 * understands.
 */
#ifndef IOF_SHIM_LINUX_ATOMIC_H
#define IOF_SHIM_LINUX_ATOMIC_H

#include <linux/types.h>

#define iof_shim_cas(ptr, oldp, new, ok) \
	(iof_sched_point(IOF_SCHED_ATOMIC, (const void *)(ptr)), \
	 __atomic_compare_exchange_n((ptr), (oldp), (new), false, (ok), __ATOMIC_RELAXED))
#define iof_shim_cmpxchg(ptr, old, new, order) \
	({ \
		typeof(*(ptr)) iof_old = (old); \
		(void)iof_shim_cas(ptr, &iof_old, (new), order); \
		iof_old; \
	})
#define cmpxchg(ptr, old, new) iof_shim_cmpxchg(ptr, old, new, __ATOMIC_SEQ_CST)
#define try_cmpxchg(ptr, oldp, new) iof_shim_cas(ptr, oldp, (new), __ATOMIC_SEQ_CST)
#define iof_shim_xchg(ptr, val, order) \
	(iof_sched_point(IOF_SCHED_ATOMIC, (const void *)(ptr)), \
	 __atomic_exchange_n((ptr), (val), (order)))
#define xchg(ptr, val) iof_shim_xchg(ptr, val, __ATOMIC_SEQ_CST)

/* Defines one operation in its four orders, in its fetch_ form and in its _return form. */
#define IOF_SHIM_ATOMIC_FETCH(type, ctype, pfx, op, sfx, order) \
	static __always_inline ctype pfx##_fetch_##op##sfx(ctype i, type *v) \
	{ \
		iof_sched_point(IOF_SCHED_ATOMIC, v); \
		return __atomic_fetch_##op(&v->counter, i, order); \
	}
#define IOF_SHIM_ATOMIC_RETURN(type, ctype, pfx, op, sfx, order) \
	static __always_inline ctype pfx##_##op##_return##sfx(ctype i, type *v) \
	{ \
		iof_sched_point(IOF_SCHED_ATOMIC, v); \
		return __atomic_##op##_fetch(&v->counter, i, order); \
	}
#define IOF_SHIM_ATOMIC_VOID(type, ctype, pfx, op) \
	static __always_inline void pfx##_##op(ctype i, type *v) \
	{ \
		iof_sched_point(IOF_SCHED_ATOMIC, v); \
		__atomic_fetch_##op(&v->counter, i, __ATOMIC_RELAXED); \
	}
#define IOF_SHIM_ATOMIC_ORDERS(what, type, ctype, pfx, op) \
	what(type, ctype, pfx, op, , __ATOMIC_SEQ_CST) \
	what(type, ctype, pfx, op, _acquire, __ATOMIC_ACQUIRE) \
	what(type, ctype, pfx, op, _release, __ATOMIC_RELEASE) \
	what(type, ctype, pfx, op, _relaxed, __ATOMIC_RELAXED)
#define IOF_SHIM_ATOMIC_STEP(type, ctype, pfx, sfx) \
	static __always_inline ctype pfx##_inc_return##sfx(type *v) \
	{ \
		return pfx##_add_return##sfx(1, v); \
	} \
	static __always_inline ctype pfx##_dec_return##sfx(type *v) \
	{ \
		return pfx##_sub_return##sfx(1, v); \
	} \
	static __always_inline ctype pfx##_fetch_inc##sfx(type *v) \
	{ \
		return pfx##_fetch_add##sfx(1, v); \
	} \
	static __always_inline ctype pfx##_fetch_dec##sfx(type *v) \
	{ \
		return pfx##_fetch_sub##sfx(1, v); \
	}
#define IOF_SHIM_ATOMIC_SWAP(type, ctype, pfx, sfx, order) \
	static __always_inline ctype pfx##_xchg##sfx(type *v, ctype new) \
	{ \
		return iof_shim_xchg(&v->counter, new, order); \
	} \
	static __always_inline ctype pfx##_cmpxchg##sfx(type *v, ctype old, ctype new) \
	{ \
		return iof_shim_cmpxchg(&v->counter, old, new, order); \
	} \
	static __always_inline bool pfx##_try_cmpxchg##sfx(type *v, ctype *old, ctype new) \
	{ \
		return iof_shim_cas(&v->counter, old, new, order); \
	}

#define IOF_SHIM_ATOMIC(type, ctype, pfx) \
	static __always_inline ctype pfx##_read(const type *v) \
	{ \
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED); \
	} \
	static __always_inline ctype pfx##_read_acquire(const type *v) \
	{ \
		iof_sched_point(IOF_SCHED_ATOMIC, v); \
		return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE); \
	} \
	static __always_inline void pfx##_set(type *v, ctype i) \
	{ \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED); \
	} \
	static __always_inline void pfx##_set_release(type *v, ctype i) \
	{ \
		iof_sched_point(IOF_SCHED_ATOMIC, v); \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELEASE); \
	} \
	IOF_SHIM_ATOMIC_VOID(type, ctype, pfx, add) \
	IOF_SHIM_ATOMIC_VOID(type, ctype, pfx, sub) \
	IOF_SHIM_ATOMIC_VOID(type, ctype, pfx, and) \
	IOF_SHIM_ATOMIC_VOID(type, ctype, pfx, or) \
	IOF_SHIM_ATOMIC_VOID(type, ctype, pfx, xor) \
	IOF_SHIM_ATOMIC_ORDERS(IOF_SHIM_ATOMIC_FETCH, type, ctype, pfx, add) \
	IOF_SHIM_ATOMIC_ORDERS(IOF_SHIM_ATOMIC_FETCH, type, ctype, pfx, sub) \
	IOF_SHIM_ATOMIC_ORDERS(IOF_SHIM_ATOMIC_FETCH, type, ctype, pfx, and) \
	IOF_SHIM_ATOMIC_ORDERS(IOF_SHIM_ATOMIC_FETCH, type, ctype, pfx, or) \
	IOF_SHIM_ATOMIC_ORDERS(IOF_SHIM_ATOMIC_FETCH, type, ctype, pfx, xor) \
	IOF_SHIM_ATOMIC_ORDERS(IOF_SHIM_ATOMIC_RETURN, type, ctype, pfx, add) \
	IOF_SHIM_ATOMIC_ORDERS(IOF_SHIM_ATOMIC_RETURN, type, ctype, pfx, sub) \
	IOF_SHIM_ATOMIC_STEP(type, ctype, pfx, ) \
	IOF_SHIM_ATOMIC_STEP(type, ctype, pfx, _acquire) \
	IOF_SHIM_ATOMIC_STEP(type, ctype, pfx, _release) \
	IOF_SHIM_ATOMIC_STEP(type, ctype, pfx, _relaxed) \
	IOF_SHIM_ATOMIC_SWAP(type, ctype, pfx, , __ATOMIC_SEQ_CST) \
	IOF_SHIM_ATOMIC_SWAP(type, ctype, pfx, _acquire, __ATOMIC_ACQUIRE) \
	IOF_SHIM_ATOMIC_SWAP(type, ctype, pfx, _release, __ATOMIC_RELEASE) \
	IOF_SHIM_ATOMIC_SWAP(type, ctype, pfx, _relaxed, __ATOMIC_RELAXED) \
	static __always_inline void pfx##_inc(type *v) \
	{ \
		pfx##_add(1, v); \
	} \
	static __always_inline void pfx##_dec(type *v) \
	{ \
		pfx##_sub(1, v); \
	} \
	static __always_inline bool pfx##_sub_and_test(ctype i, type *v) \
	{ \
		return pfx##_sub_return(i, v) == 0; \
	} \
	static __always_inline bool pfx##_dec_and_test(type *v) \
	{ \
		return pfx##_sub_return(1, v) == 0; \
	} \
	static __always_inline bool pfx##_inc_and_test(type *v) \
	{ \
		return pfx##_add_return(1, v) == 0; \
	} \
	static __always_inline bool pfx##_add_negative(ctype i, type *v) \
	{ \
		return pfx##_add_return(i, v) < 0; \
	} \
	static __always_inline ctype pfx##_fetch_add_unless(type *v, ctype a, ctype u) \
	{ \
		ctype c = pfx##_read(v); \
		while (c != u && !pfx##_try_cmpxchg(v, &c, c + a)) \
			; \
		return c; \
	} \
	static __always_inline bool pfx##_add_unless(type *v, ctype a, ctype u) \
	{ \
		return pfx##_fetch_add_unless(v, a, u) != u; \
	} \
	static __always_inline bool pfx##_inc_not_zero(type *v) \
	{ \
		return pfx##_add_unless(v, 1, 0); \
	} \
	static __always_inline ctype pfx##_dec_if_positive(type *v) \
	{ \
		ctype c = pfx##_read(v); \
		while (c > 0 && !pfx##_try_cmpxchg(v, &c, c - 1)) \
			; \
		return c - 1; \
	}

IOF_SHIM_ATOMIC(atomic_t, int, atomic)
IOF_SHIM_ATOMIC(atomic64_t, s64, atomic64)
IOF_SHIM_ATOMIC(atomic_long_t, long, atomic_long)

#define ATOMIC64_INIT(i) ATOMIC_INIT(i)
#define ATOMIC_LONG_INIT(i) ATOMIC_INIT(i)

static inline void iof_shim_relax(void)
{
	iof_sched_point(IOF_SCHED_YIELD, NULL);
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" : : : "memory");
#else
	__asm__ __volatile__("" : : : "memory");
#endif
}
#define cpu_relax() iof_shim_relax()

#endif
