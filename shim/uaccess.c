/* SPDX-License-Identifier: MIT */
/*
 * uaccess.c - copies to and from user memory, and positions in vectors of user buffers.
 *
 * Sanitizers do not see the instructions that touch user memory. So the code asks them about the
 * kernel's side of each copy. A failed copy from the user zeroes the bytes behind those that
 * arrived, as in the kernel.
 */
#include <string.h>

#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "internal.h"
#include "remote.h"

#if IOF_SHIM_ASAN
void *__asan_region_is_poisoned(void *begin, size_t size);
void __asan_report_load_n(void *addr, long size);
void __asan_report_store_n(void *addr, long size);
#endif
#if IOF_SHIM_TSAN
void __tsan_read_range(void *addr, long size);
void __tsan_write_range(void *addr, long size);
#endif

static __always_inline void watch_read(const void *p, size_t n)
{
#if IOF_SHIM_ASAN
	void *bad = n ? __asan_region_is_poisoned((void *)p, n) : NULL;

	if (bad)
		__asan_report_load_n(bad, 1);
#elif IOF_SHIM_TSAN
	__tsan_read_range((void *)p, (long)n);
#endif
	(void)p;
	(void)n;
}

static __always_inline void watch_write(void *p, size_t n)
{
#if IOF_SHIM_ASAN
	void *bad = n ? __asan_region_is_poisoned(p, n) : NULL;

	if (bad)
		__asan_report_store_n(bad, 1);
#elif IOF_SHIM_TSAN
	__tsan_write_range(p, (long)n);
#endif
	(void)p;
	(void)n;
}

/* Copies from user memory: that of the process acted for, or of this process. */
static __always_inline size_t user_to(void *dst, const void *user, size_t n)
{
	if (unlikely(iof_shim_acting_for))
		return iof_shim_remote_user_copy(dst, user, n, false);
	return iof_shim_raw_copy(dst, user, n);
}

static __always_inline size_t to_user(void *user, const void *src, size_t n)
{
	if (unlikely(iof_shim_acting_for))
		return iof_shim_remote_user_copy(user, src, n, true);
	return iof_shim_raw_copy(user, src, n);
}

static size_t from_user(void *dst, const void *src, size_t n)
{
	watch_write(dst, n);
	if (unlikely(!access_ok(src, n) || iof_shim_should_fail(IOF_FAIL_COPY)))
		return n;
	return user_to(dst, src, n);
}

size_t iof_shim_copy_from_user(void *dst, const void *src, size_t n)
{
	size_t left = from_user(dst, src, n);

	if (unlikely(left))
		memset((char *)dst + (n - left), 0, left);
	return left;
}

size_t iof_shim_copy_to_user(void *dst, const void *src, size_t n)
{
	watch_read(src, n);
	if (unlikely(!access_ok(dst, n) || iof_shim_should_fail(IOF_FAIL_COPY)))
		return n;
	return to_user(dst, src, n);
}

static const char zeroes[4096];

/* Clears user memory. Returns the number of bytes that were not cleared. */
static size_t clear(char *dst, size_t n)
{
	while (n) {
		size_t part = min_t(size_t, n, sizeof(zeroes));
		size_t left = to_user(dst, zeroes, part);

		dst += part - left;
		n -= part - left;
		if (left)
			break;
	}
	return n;
}

size_t iof_shim_clear_user(void *dst, size_t n)
{
	if (!access_ok(dst, n) || iof_shim_should_fail(IOF_FAIL_COPY))
		return n;
	return clear(dst, n);
}

/* Returns 1: all bytes are zero; 0: not all; -EFAULT. */
int iof_shim_check_zeroed_user(const void *src, size_t n)
{
	const char *p = src;
	char buf[256];

	if (!n)
		return 1;
	if (!access_ok(src, n) || iof_shim_should_fail(IOF_FAIL_COPY))
		return -EFAULT;
	while (n) {
		size_t part = min_t(size_t, n, sizeof(buf));

		if (user_to(buf, p, part))
			return -EFAULT;
		if (memchr_inv(buf, 0, part))
			return 0;
		p += part;
		n -= part;
	}
	return 1;
}

int iof_shim_copy_struct_from_user(void *dst, size_t ksize, const void *src, size_t usize)
{
	size_t both = min(ksize, usize);

	if (usize < ksize) {
		memset((char *)dst + usize, 0, ksize - usize);
	} else if (usize > ksize) {
		int rc = iof_shim_check_zeroed_user((const char *)src + ksize, usize - ksize);

		if (rc <= 0)
			return rc ? rc : -E2BIG;
	}
	return iof_shim_copy_from_user(dst, src, both) ? -EFAULT : 0;
}

void *iof_shim_memdup_user(const void __user *src, size_t len)
{
	void *p = kvmalloc(len, GFP_KERNEL);

	if (!p)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(p, src, len)) {
		kvfree(p);
		return ERR_PTR(-EFAULT);
	}
	return p;
}

/* ---- vectors ---- */

void iof_shim_iov_iter_init(struct iov_iter *i, unsigned int direction, const struct iovec *iov,
			    unsigned long nr_segs, size_t count)
{
	*i = (struct iov_iter){ .iter_type = ITER_IOVEC, .data_source = direction, .count = count,
				.__iov = iov, .nr_segs = nr_segs };
}

int iof_shim_import_ubuf(int rw, void *buf, size_t len, struct iov_iter *i)
{
	len = min_t(size_t, len, MAX_RW_COUNT);
	if (!access_ok(buf, len))
		return -EFAULT;
	iov_iter_ubuf(i, (unsigned int)rw, buf, len);
	return 0;
}

enum iter_op { ITER_COPY_TO, ITER_COPY_FROM, ITER_ZERO };

/* Copies one run of bytes in one segment. Returns the number of bytes that were not done. */
static size_t step(enum iter_op op, bool user, char *seg, char *addr, size_t n)
{
	if (!user) {
		if (op == ITER_COPY_TO)
			memcpy(seg, addr, n);
		else if (op == ITER_COPY_FROM)
			memcpy(addr, seg, n);
		else
			memset(seg, 0, n);
		return 0;
	}
	if (!access_ok(seg, n))
		return n;
	if (op == ITER_COPY_TO) {
		watch_read(addr, n);
		return to_user(seg, addr, n);
	}
	if (op == ITER_COPY_FROM) {
		watch_write(addr, n);
		return user_to(addr, seg, n);
	}
	return clear(seg, n);
}

/* Adds an offset as to a number: the program's pointer may be anything, also NULL. */
static char *user_at(const void *base, size_t offset)
{
	return (char *)((unsigned long)base + offset);
}

/*
 * Walks a vector; struct iovec and struct kvec have the same form. The position leaves a used-up
 * segment only when bytes are taken from the next one, so that a revert finds its way back.
 */
static size_t walk(struct iov_iter *i, enum iter_op op, char *addr, size_t bytes)
{
	bool user = i->iter_type != ITER_KVEC;
	size_t done = 0;

	bytes = min(bytes, i->count);
	if (!bytes)
		return 0;
	if (user) {
		iof_shim_sleep_check();
		if (iof_shim_should_fail(IOF_FAIL_COPY))
			return 0;
	}
	if (i->iter_type == ITER_UBUF) {
		done = bytes - step(op, true, user_at(i->ubuf, i->iov_offset), addr, bytes);
		i->iov_offset += done;
		i->count -= done;
		return done;
	}
	while (done < bytes) {
		size_t room, part, left;

		while (i->iov_offset >= i->__iov->iov_len) {
			i->iov_offset = 0;
			i->__iov++;
			i->nr_segs--;
			i->seg++;
		}
		room = i->__iov->iov_len - i->iov_offset;
		part = min(room, bytes - done);
		left = step(op, user, user_at(i->__iov->iov_base, i->iov_offset),
			    addr ? addr + done : NULL, part);
		i->iov_offset += part - left;
		done += part - left;
		if (left)
			break;
	}
	i->count -= done;
	return done;
}

size_t iof_shim_copy_to_iter(const void *addr, size_t bytes, struct iov_iter *i)
{
	if (WARN_ON_ONCE(i->data_source))
		return 0;
	return walk(i, ITER_COPY_TO, (char *)addr, bytes);
}

size_t iof_shim_copy_from_iter(void *addr, size_t bytes, struct iov_iter *i)
{
	if (WARN_ON_ONCE(!i->data_source))
		return 0;
	return walk(i, ITER_COPY_FROM, addr, bytes);
}

size_t iof_shim_iov_iter_zero(size_t bytes, struct iov_iter *i)
{
	return walk(i, ITER_ZERO, NULL, bytes);
}

void iof_shim_iov_iter_advance(struct iov_iter *i, size_t bytes)
{
	bytes = min(bytes, i->count);
	i->count -= bytes;
	i->iov_offset += bytes;
	if (i->iter_type == ITER_UBUF)
		return;
	while (i->count && i->iov_offset >= i->__iov->iov_len) {
		i->iov_offset -= i->__iov->iov_len;
		i->__iov++;
		i->nr_segs--;
		i->seg++;
	}
}

void iof_shim_iov_iter_revert(struct iov_iter *i, size_t bytes)
{
	i->count += bytes;
	while (i->iter_type != ITER_UBUF && bytes > i->iov_offset) {
		bytes -= i->iov_offset;
		if (WARN_ON(!i->seg))
			return;
		i->__iov--;
		i->nr_segs++;
		i->seg--;
		i->iov_offset = i->__iov->iov_len;
	}
	WARN_ON(bytes > i->iov_offset);
	i->iov_offset -= bytes;
}
