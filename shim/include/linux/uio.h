/* SPDX-License-Identifier: MIT */
/*
 * uio.h - a position in a vector of user (or kernel) buffers.
 *
 * A copy stops at the first bad byte and returns the number of bytes copied. The position moves by
 * that number.
 */
#ifndef IOF_SHIM_LINUX_UIO_H
#define IOF_SHIM_LINUX_UIO_H

#include <sys/uio.h>
#include <linux/types.h>

struct kvec {
	void *iov_base;
	size_t iov_len;
};

enum iter_type {
	ITER_UBUF,
	ITER_IOVEC,
	ITER_KVEC,
};

#define ITER_SOURCE 1		/* == WRITE */
#define ITER_DEST 0		/* == READ */
#define UIO_FASTIOV 8
#define MAX_RW_COUNT (INT_MAX & ~4095)

struct iov_iter {
	u8 iter_type;
	bool nofault;
	bool data_source;
	size_t iov_offset;		/* offset in the current segment, or in ubuf */
	size_t count;			/* number of bytes left */
	union {
		void __user *ubuf;
		const struct iovec *__iov;
		const struct kvec *kvec;
	};
	unsigned long nr_segs;
	unsigned long seg;		/* number of segments before __iov, for revert */
};

void iof_shim_iov_iter_init(struct iov_iter *i, unsigned int direction, const struct iovec *iov,
			    unsigned long nr_segs, size_t count);
int iof_shim_import_ubuf(int rw, void *buf, size_t len, struct iov_iter *i);
size_t iof_shim_copy_to_iter(const void *addr, size_t bytes, struct iov_iter *i);
size_t iof_shim_copy_from_iter(void *addr, size_t bytes, struct iov_iter *i);
size_t iof_shim_iov_iter_zero(size_t bytes, struct iov_iter *i);
void iof_shim_iov_iter_advance(struct iov_iter *i, size_t bytes);
void iof_shim_iov_iter_revert(struct iov_iter *i, size_t bytes);

#define iov_iter_init(i, dir, iov, nr, count) iof_shim_iov_iter_init(i, dir, iov, nr, count)
#define import_ubuf(rw, buf, len, i) iof_shim_import_ubuf(rw, buf, len, i)
#define copy_to_iter(addr, bytes, i) iof_shim_copy_to_iter(addr, bytes, i)
#define copy_from_iter(addr, bytes, i) iof_shim_copy_from_iter(addr, bytes, i)
#define iov_iter_zero(bytes, i) iof_shim_iov_iter_zero(bytes, i)
#define iov_iter_advance(i, bytes) iof_shim_iov_iter_advance(i, bytes)
#define iov_iter_revert(i, bytes) iof_shim_iov_iter_revert(i, bytes)

static inline void iov_iter_ubuf(struct iov_iter *i, unsigned int direction, void __user *buf,
				 size_t count)
{
	*i = (struct iov_iter){ .iter_type = ITER_UBUF, .data_source = direction, .count = count,
				.ubuf = buf, .nr_segs = 1 };
}

static inline void iov_iter_kvec(struct iov_iter *i, unsigned int direction,
				 const struct kvec *kvec, unsigned long nr_segs, size_t count)
{
	*i = (struct iov_iter){ .iter_type = ITER_KVEC, .data_source = direction, .count = count,
				.kvec = kvec, .nr_segs = nr_segs };
}

static inline size_t iov_iter_count(const struct iov_iter *i)
{
	return i->count;
}

static inline void iov_iter_truncate(struct iov_iter *i, u64 count)
{
	if (i->count > count)
		i->count = count;
}

static inline int iov_iter_rw(const struct iov_iter *i)
{
	return i->data_source ? ITER_SOURCE : ITER_DEST;
}

static inline bool __must_check copy_from_iter_full(void *addr, size_t bytes, struct iov_iter *i)
{
	size_t copied = copy_from_iter(addr, bytes, i);

	if (copied == bytes)
		return true;
	iov_iter_revert(i, copied);
	return false;
}

#endif
