/* SPDX-License-Identifier: MIT */
/*
 * cleanup.h - locks and memory that let go at the end of the scope. A lock class is named where it
 * is used: guard(mutex)(&m), guard(spinlock)(&l), guard(rwsem_read)(&s), guard(rwsem_write)(&s).
 */
#ifndef IOF_SHIM_LINUX_CLEANUP_H
#define IOF_SHIM_LINUX_CLEANUP_H

#define __free(name) __attribute__((__cleanup__(iof_shim_free_##name)))
#define DEFINE_FREE(name, type, free) \
	static inline void iof_shim_free_##name(void *p) \
	{ \
		type _T = *(type *)p; \
		free; \
	}
#define no_free_ptr(p) ({ __auto_type iof_p = (p); (p) = NULL; iof_p; })
#define return_ptr(p) return no_free_ptr(p)

#define IOF_SHIM_DEFINE_GUARD(name, type, leave) \
	static inline __attribute__((__always_inline__)) void iof_shim_guard_leave_##name(type *p) \
	{ \
		leave(*p); \
	}
#define iof_shim_cat2(a, b) a##b
#define iof_shim_cat(a, b) iof_shim_cat2(a, b)
#define guard(name) iof_shim_guard_##name
#define iof_shim_guard_var(type, enter, leave, l) \
	__attribute__((__cleanup__(leave), __unused__)) \
	type iof_shim_cat(iof_guard_, __COUNTER__) = \
		({ type iof_l = (l); enter(iof_l); iof_l; })
#define iof_shim_guard_mutex(l) \
	iof_shim_guard_var(struct mutex *, mutex_lock, iof_shim_guard_leave_mutex, l)
#define iof_shim_guard_spinlock(l) \
	iof_shim_guard_var(spinlock_t *, spin_lock, iof_shim_guard_leave_spinlock, l)
#define iof_shim_guard_rwsem_read(l) \
	iof_shim_guard_var(struct rw_semaphore *, down_read, iof_shim_guard_leave_rwsem_read, l)
#define iof_shim_guard_rwsem_write(l) \
	iof_shim_guard_var(struct rw_semaphore *, down_write, iof_shim_guard_leave_rwsem_write, l)
#define iof_shim_scoped_type_mutex struct mutex
#define iof_shim_scoped_type_spinlock spinlock_t
#define iof_shim_scoped_type_rwsem_read struct rw_semaphore
#define iof_shim_scoped_type_rwsem_write struct rw_semaphore
#define iof_shim_scoped_enter_mutex(l) mutex_lock(l)
#define iof_shim_scoped_enter_spinlock(l) spin_lock(l)
#define iof_shim_scoped_enter_rwsem_read(l) down_read(l)
#define iof_shim_scoped_enter_rwsem_write(l) down_write(l)
/* The lock is held for the statement that follows. */
#define scoped_guard(name, l) \
	for (iof_shim_scoped_type_##name *iof_scope \
		     __attribute__((__cleanup__(iof_shim_guard_leave_##name))) = \
			({ iof_shim_scoped_type_##name *iof_l = (l); \
			   iof_shim_scoped_enter_##name(iof_l); iof_l; }), \
	     *iof_once = iof_scope; iof_once; iof_once = NULL)

#endif
