/* SPDX-License-Identifier: MIT */
/*
 * pager.h - a ready-made demand pager: gives a device an I/O address space larger than the memory
 * in use.
 *
 * The pager owns the first-stage tables of one device (x86 format, 4 KiB pages, 48 bits; one table
 * for each PASID) over a parent IOAS that maps three things only: the pool of page frames, the
 * tables, and program memory that was given with iof_pager_map_memory(). Ranges are tied to
 * sources: files, zeros, or callbacks. Nothing is loaded before the device asks for it; each fault
 * is answered when all pages of its group are there at the same time. When frames run out, CLOCK
 * picks pages by their accessed bits: entry made not present, invalidated, dirty pages written
 * back, frame used again.
 *
 * - Memory: the frames (the budget), the tables (1/512 of what is mapped, at least 16 KiB for each
 *   PASID), and about 1/60 of the budget for bookkeeping.
 * - Functions return 0 or a negative errno; iof_pager_error() then has a sentence for a person. All
 *   may be called from any thread, also while the device works, unless they say otherwise. In a
 *   child of the process that opened the pager (fork(2), daemon(3)) each fails with -ECHILD.
 * - Everything outside of the mapped ranges, every write to a range without IOF_PAGER_WRITE, and
 *   every page whose source fails, is answered INVALID.
 */
#ifndef IOFAULT_PAGER_H
#define IOFAULT_PAGER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <iofault/handler.h>
#include <iofault/iofault.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOF_PAGER_PAGE 4096u

/*
 * Sources: where pages come from, and where dirty ones go
 * -------------------------------------------------------
 * A source is counted: each mapping holds it, so that it may be let go as soon as it is mapped.
 */
struct iof_source;

struct iof_source_ops {
	/*
	 * Fills the memory of @iov with what begins at @offset bytes; both are whole pages. What
	 * lies beyond the end of the source must be filled too. 0 or a negative errno, after which
	 * the content does not matter. Called from several threads at once, without locks; while it
	 * runs a page is on its way, so none of the three may call iof_pager_ functions of the
	 * pager that uses the source, other than iof_pager_get_stats().
	 */
	int (*load)(void *arg, uint64_t offset, const struct iovec *iov, int nr);
	/* The opposite direction. NULL: the source cannot be mapped with IOF_PAGER_WRITE. */
	int (*store)(void *arg, uint64_t offset, const struct iovec *iov, int nr);
	/* If there: nobody uses the source any more. */
	void (*release)(void *arg);
};

/*
 * A file: regular, memfd or block device. The descriptor is duplicated. Its size is that of now:
 * what grows later is not seen; reading what has been cut off meanwhile fails with -ENODATA. In the
 * last page, what lies beyond the end reads as zero and is never written. Writable if the
 * descriptor is.
 * -EBADF, -EMFILE, -ENOMEM; -EINVAL: no file that can be read at an offset; -EACCES: not readable.
 */
int iof_source_file(int fd, struct iof_source **out);

/*
 * Zeros to begin with, @size bytes. Dirty pages that have to leave go to @swap_fd (duplicated,
 * written sparsely, from offset 0); -1: to a nameless file in /var/tmp or $TMPDIR, made when first
 * needed.
 * -EBADF, -EMFILE, -ENOMEM; -EINVAL: size 0.
 */
int iof_source_zero(uint64_t size, int swap_fd, struct iof_source **out);

/* Callbacks; @ops is copied. -EINVAL: no load, size 0. -ENOMEM. */
int iof_source_new(const struct iof_source_ops *ops, void *arg, uint64_t size,
		   struct iof_source **out);

/* Bytes. */
uint64_t iof_source_size(const struct iof_source *source);

/* Drops the caller's hold. NULL is fine. */
void iof_source_free(struct iof_source *source);

/*
 * The pager
 * ---------
 */
struct iof_pager;

enum iof_pager_prefetch {
	IOF_PREFETCH_SEQUENTIAL = 0,	/* behind pages that are there; grows up to the window */
	IOF_PREFETCH_ALWAYS = 1,	/* the whole window with each fault */
};

/* Zero is the default of every member but `resident`. */
struct iof_pager_config {
	uint64_t resident;	/* the budget: bytes of page frames; rounded down to pages */
	uint32_t threads;	/* handler threads; default 1, at most 64 */
	uint32_t batch;		/* groups at a time; default 64; less if the budget is small */
	uint32_t spin_us;	/* as in struct iof_handler_config */
	uint32_t prefetch;	/* window in pages; 0: none; used up to 1/8 of the frames */
	uint32_t prefetch_policy; /* enum iof_pager_prefetch */
	/*
	 * What the device does at a time decides the least budget: see iof_pager_least(). A DMA
	 * engine lets a descriptor wait for its page and takes the next: who submits must keep to
	 * this number when the budget is small, or descriptors take each other's pages away.
	 */
	uint32_t engines;	/* descriptors under way at a time; default 1 */
	uint32_t group_pages;	/* most pages of one group; default 1 */
	/*
	 * If there, told of each error, once for each page that cannot be written back. @err:
	 * negative errno, @sentence: for a person. Called without locks, from handler threads too;
	 * it must not call iof_pager_ functions other than iof_pager_get_stats().
	 */
	void (*error)(void *arg, int err, const char *sentence);
	void *arg;
};

struct iof_pager_stats {
	uint64_t faults;	/* pages asked for */
	uint64_t groups;	/* groups handled */
	uint64_t loaded;	/* pages loaded because they were asked for */
	uint64_t present;	/* pages asked for that had come meanwhile */
	uint64_t prefetched;	/* pages loaded ahead */
	uint64_t prefetch_used;	/* of those, touched before they left */
	uint64_t evictions;	/* pages that left for another */
	uint64_t writebacks;	/* dirty pages written to their source */
	uint64_t refused;	/* groups answered INVALID: not mapped, refused, not writable */
	uint64_t errors;	/* loads and write-backs that failed, and groups that do not fit */
	uint64_t invalidations;	/* HWPT_INVALIDATE calls */
	uint64_t frames;	/* the budget in pages */
	uint64_t resident;	/* frames in use now */
	uint64_t resident_peak;	/* and at most */
	uint64_t pinned;	/* of the frames in use, pinned */
	uint64_t table_pages;	/* pages of first-stage tables */
	uint64_t load_ns;	/* time spent in sources, loading, all threads together */
	uint64_t store_ns;	/* and writing back */
	uint64_t invalidate_ns;	/* time spent in HWPT_INVALIDATE */
};

/*
 * The least budget in bytes with which a device as described by @config makes progress: for each
 * descriptor under way, two places of the longest group and a page more for each, since a source
 * and a destination that begin in the middle of a page need two pages each. 16 KiB for one
 * descriptor with groups of one page.
 */
uint64_t iof_pager_least(const struct iof_pager_config *config);

/*
 * Opens /dev/iommu and @device (NULL: "/dev/vfio/devices/vfio0") of @world, sets up everything and
 * starts the handler. The pager owns both descriptors. The world must outlive it.
 * -EINVAL	`resident` is below iof_pager_least(), or another number is out of range
 * -ENOTTY, -EOPNOTSUPP  this /dev/iommu, device or driver cannot do nested translation with faults
 * -ENOMEM, and what opening, binding and allocating say.
 * After a failure iof_pager_error(NULL) has the sentence.
 */
int iof_pager_open(struct iof_world *world, const char *device,
		   const struct iof_pager_config *config, struct iof_pager **out);

/*
 * The same on descriptors that stay the caller's, and must stay open until iof_pager_close().
 * @dev_id: the device's id if it is bound to @iommufd, 0 if the pager is to bind it.
 */
int iof_pager_open_on(int iommufd, int device_fd, uint32_t dev_id,
		      const struct iof_pager_config *config, struct iof_pager **out);

/*
 * Detaches the device (open faults are answered INVALID), ends the handler, writes back what is
 * dirty and frees everything, whatever happens on the way. Not to be called while another call on
 * the pager is under way, or from a callback. Returns the first write-back error, or 0; error()
 * hears of each.
 */
int iof_pager_close(struct iof_pager *pager);

/*
 * What went wrong last, as a sentence without full stop; "" if nothing did. With NULL: why this
 * thread's last iof_pager_open() or iof_pager_open_on() failed. Belongs to the calling thread,
 * until its next call.
 */
const char *iof_pager_error(struct iof_pager *pager);

/* For descriptors and further ioctls. The ids are those of the /dev/iommu that the pager uses. */
int iof_pager_iommufd(const struct iof_pager *pager);
int iof_pager_device_fd(const struct iof_pager *pager);
uint32_t iof_pager_dev_id(const struct iof_pager *pager);
uint32_t iof_pager_parent_ioas(const struct iof_pager *pager);
/* The nested HWPT of a PASID; 0: nothing is attached there. */
uint32_t iof_pager_hwpt(struct iof_pager *pager, uint32_t pasid);
/* The fault handler, for its statistics; the pager's own. */
struct iof_handler *iof_pager_handler(struct iof_pager *pager);

/*
 * Address spaces and mappings
 * ---------------------------
 * @pasid names the space; 0 is the space of requests without PASID. @iova is a multiple of 4096,
 * lengths are rounded up to it; ranges lie below 2^47.
 */
enum iof_pager_prot {
	IOF_PAGER_READ = 1 << 0,	/* implied */
	IOF_PAGER_WRITE = 1 << 1,
};

/*
 * Makes the space of @pasid and attaches the device to it. iof_pager_map() does so when needed; by
 * itself it makes faults of a space come to the pager (which refuses them) instead of being
 * blocked.
 * -EEXIST	attached already
 * -EOPNOTSUPP	the device has no PASIDs
 * -EINVAL	@pasid is beyond what the device has
 * And what allocating and attaching say.
 */
int iof_pager_attach(struct iof_pager *pager, uint32_t pasid);

/*
 * Detaches the device from the space (open faults are answered INVALID), writes back, unmaps all of
 * it and frees it. -ENOENT: nothing is attached there. A write-back error is returned after all is
 * done; the pages that it concerns are lost.
 */
int iof_pager_detach(struct iof_pager *pager, uint32_t pasid);

/*
 * @length bytes from @offset of @source appear at @iova of @pasid, page by page, when the device
 * asks.
 * -EINVAL	an address or offset that is not a multiple of 4096, length 0, beyond 2^47, or
 *		beyond the end of the source
 * -EEXIST	something is mapped there
 * -EACCES	IOF_PAGER_WRITE and the source cannot be written
 * -ENOMEM, and what iof_pager_attach() says.
 */
int iof_pager_map(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length,
		  struct iof_source *source, uint64_t offset, unsigned int prot);

/*
 * @length bytes of this program's memory from @addr (a multiple of 4096) appear at @iova of @pasid
 * at once, are never paged and count for no budget: for completion records, descriptor lists, small
 * buffers. The memory must stay until it is unmapped. Errors as iof_pager_map(), and as
 * IOMMU_IOAS_MAP.
 */
int iof_pager_map_memory(struct iof_pager *pager, uint32_t pasid, uint64_t iova, void *addr,
			 uint64_t length, unsigned int prot);

enum iof_pager_unmap_flags {
	IOF_PAGER_DISCARD = 1 << 0,	/* dirty pages are thrown away */
};

/*
 * Removes the mappings in a range. Dirty pages are written back first; if that fails, the error is
 * returned, and the mapping concerned and those behind it stay as they were. Waits for loads under
 * way. When it returns, no DMA reaches the old pages.
 * -ENOENT	nothing is mapped in the range
 * -EINVAL	the range cuts through a mapping; bad alignment; an unknown flag
 */
int iof_pager_unmap(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length,
		    unsigned int flags);

/*
 * Writes back what is dirty in a range; the pages stay. -ENOENT: nothing is mapped there; or the
 * first error of a source, after all pages have been tried.
 */
int iof_pager_sync(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/*
 * Loads a range now, as far as frames reach without pushing out others: returns the number of pages
 * that are there afterwards. -ENOENT: a page is not mapped. Or the error of the source.
 */
long iof_pager_populate(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/*
 * Loads a range and keeps it: its pages are never evicted, and count for the budget. Unmapping ends
 * it too.
 * -ENOENT	a page is not mapped, or refused
 * -ENOSPC	less than iof_pager_least() would remain for the rest; nothing is pinned
 * -ENOMEM, or the error of the source; nothing is pinned.
 * iof_pager_unpin() lets the pages of a range go again; pages that are not pinned do not matter.
 */
int iof_pager_pin(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);
int iof_pager_unpin(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/*
 * From now on, faults in a range (mapped now or later) are answered INVALID; pages of it that are
 * there are written back and removed, pinned or not. Ends only with the space. Program memory is
 * not touched.
 * -EINVAL, -ENOMEM; -ENOENT: nothing is attached to @pasid; the error of a write-back: that page
 * stays.
 */
int iof_pager_refuse(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/* A moment's picture. */
void iof_pager_get_stats(struct iof_pager *pager, struct iof_pager_stats *out);

#ifdef __cplusplus
}
#endif

#endif /* IOFAULT_PAGER_H */
