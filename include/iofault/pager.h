/* SPDX-License-Identifier: MIT */
/*
 * pager.h - a ready-made demand pager: gives a device an I/O address space larger than the memory
 * in use.
 *
 * The pager owns the first-stage tables of one device (x86 format, 4 KiB pages, 48 bits; one table
 * for each PASID) over a parent IOAS. The parent maps three things only: the pool of page frames,
 * the tables, and program memory (iof_pager_map_memory()). Each range has a source: a file, zeros,
 * or callbacks. A page is loaded when the device requests it. The pager responds to a group when
 * all of its pages are present at the same time. Pages that the page cache does not have are read
 * in the background, many reads at a time: by io_uring, or by threads where the system refuses
 * io_uring, as containers do. When no frame is free, CLOCK chooses pages by
 * their accessed bits. Their entries are made not present and invalidated, dirty pages are written
 * back, and their frames are used again.
 *
 * - The pager needs memory for the frames (the budget), for the tables (1/512 of the mapped ranges,
 *   at least 16 KiB for each PASID), and about 1/60 of the budget for bookkeeping.
 * - Functions return 0 or a negative errno; iof_pager_error() then has the reason. All may be
 *   called from any thread, also while the device works, unless they say otherwise. In a child of
 *   the process that opened the pager (fork(2), daemon(3)) each fails with -ECHILD.
 * - The pager responds INVALID to a request outside of the mapped ranges, to a write to a range
 *   without IOF_PAGER_WRITE, and to a page whose source fails.
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
 * Sources: where pages come from, and where dirty pages go
 * --------------------------------------------------------
 * Each mapping holds its source, so that the caller may free the source once it is mapped.
 */
struct iof_source;

/**
 * struct iof_source_ops - callbacks of a source
 * @load: Fills the memory of @iov with the content from @offset bytes on; both are whole pages. The
 *	part beyond the end of the source must be filled too. Returns 0 or a negative errno, after
 *	which the content is ignored. Called by up to 16 threads of the pager at once, without
 *	locks. It may take any time: only page requests for its pages wait. Callbacks must not call
 *	functions of the pager that uses the source, except iof_pager_get_stats().
 * @store: Writes the memory of @iov to the source. Called as @load is, also by threads of the
 *	program that sync or unmap. NULL: the source cannot be mapped with
 *	IOF_PAGER_WRITE.
 * @release: Called when the source has no user any more. May be NULL.
 */
struct iof_source_ops {
	int (*load)(void *arg, uint64_t offset, const struct iovec *iov, int nr);
	int (*store)(void *arg, uint64_t offset, const struct iovec *iov, int nr);
	void (*release)(void *arg);
};

/**
 * iof_source_file() - make a source of a regular file, memfd or block device
 * @fd: the file; the descriptor is duplicated
 * @out: the source
 *
 * The size is that at the time of the call: later growth is not seen, and reading a part that was
 * cut off meanwhile fails with -ENODATA. In the last page, bytes beyond the end read as zero and
 * are never written. The source is writable if the descriptor is.
 *
 * Return: 0, -EBADF, -EMFILE, -ENOMEM, -EINVAL the file cannot be read at an offset, or -EACCES it
 * is not readable.
 */
int iof_source_file(int fd, struct iof_source **out);

/**
 * iof_source_zero() - make a source of zeros
 * @size: bytes
 * @swap_fd: file for dirty pages that are evicted, duplicated, written sparsely from offset 0;
 *	-1: an unnamed file in /var/tmp or $TMPDIR, made when it is first needed
 * @out: the source
 *
 * Return: 0, -EBADF, -EMFILE, -ENOMEM, or -EINVAL size 0.
 */
int iof_source_zero(uint64_t size, int swap_fd, struct iof_source **out);

/**
 * iof_source_new() - make a source of callbacks
 * @ops: callbacks, copied
 * @arg: their first argument
 * @size: bytes
 * @out: the source
 *
 * Return: 0, -EINVAL no load callback or size 0, or -ENOMEM.
 */
int iof_source_new(const struct iof_source_ops *ops, void *arg, uint64_t size,
		   struct iof_source **out);

/**
 * iof_source_size() - the size of a source
 * @source: the source
 *
 * Return: bytes.
 */
uint64_t iof_source_size(const struct iof_source *source);

/**
 * iof_source_free() - drop the caller's hold on a source
 * @source: the source, or NULL
 */
void iof_source_free(struct iof_source *source);

/*
 * The pager
 * ---------
 */
struct iof_pager;

/**
 * enum iof_pager_prefetch - which pages are loaded with a requested one
 * @IOF_PREFETCH_SEQUENTIAL: pages behind a stream of sequential requests, more while it waits
 * @IOF_PREFETCH_ALWAYS: the whole window with each fault
 */
enum iof_pager_prefetch {
	IOF_PREFETCH_SEQUENTIAL = 0,
	IOF_PREFETCH_ALWAYS = 1,
};

/**
 * enum iof_pager_flags - options of a pager
 * @IOF_PAGER_DIRECT: files are read and written without the page cache (O_DIRECT), which would hold
 *	each page a second time. A file whose file system cannot do that uses the page cache. Pages
 *	that the cache has are not faster then.
 */
enum iof_pager_flags {
	IOF_PAGER_DIRECT = 1 << 0,
};

/**
 * struct iof_pager_config - how a pager works
 * @resident: the budget: bytes of page frames, rounded down to pages
 * @threads: handler threads; default 1, at most 64
 * @batch: groups in a batch; default 64, less if the budget is small
 * @spin_us: as in struct iof_handler_config
 * @prefetch: pages to load ahead of sequential requests; 0: none; used up to 1/8 of the frames. A
 *	stream that waits for its source, or that the device uses up quickly, reaches further
 *	ahead, and all streams together up to 1/8 of the frames
 * @prefetch_policy: enum iof_pager_prefetch
 * @engines: descriptors that the device works on at a time; default 1. With @group_pages it decides
 *	the least budget (iof_pager_least()). A DMA engine takes the next descriptor while one waits
 *	for its page. So with a small budget a program must not submit more than this number, or
 *	descriptors evict each other's pages.
 * @group_pages: maximum number of pages of a group; default 1
 * @flags: enum iof_pager_flags
 * @error: Called for each error: once for a read of neighbouring pages, and once for each page
 *	that cannot be written back. @err is a negative errno, @sentence a text for a user. Called
 *	without locks, from threads of the pager. It must not call iof_pager_ functions, except
 *	iof_pager_get_stats(). May be NULL.
 * @arg: first argument of @error
 *
 * Zero is the default of every member except @resident.
 */
struct iof_pager_config {
	uint64_t resident;
	uint32_t threads;
	uint32_t batch;
	uint32_t spin_us;
	uint32_t prefetch;
	uint32_t prefetch_policy;
	uint32_t engines;
	uint32_t group_pages;
	uint32_t flags;
	void (*error)(void *arg, int err, const char *sentence);
	void *arg;
};

/**
 * struct iof_pager_stats - counters of a pager
 * @faults: pages requested
 * @groups: groups handled
 * @loaded: pages loaded because they were requested
 * @present: requested pages that had become present meanwhile
 * @prefetched: pages prefetched
 * @prefetch_used: of those, pages accessed before they were evicted
 * @evictions: pages evicted for another
 * @writebacks: dirty pages written to their source
 * @refused: groups answered INVALID: not mapped, refused, not writable
 * @errors: loads and write-backs that failed, and groups that do not fit
 * @invalidations: HWPT_INVALIDATE calls
 * @frames: the budget in pages
 * @resident: frames in use now
 * @resident_peak: maximum of @resident
 * @pinned: pinned frames
 * @table_pages: pages of first-stage tables
 * @load_ns: time of all loads, each from its start to its end; loads in flight at the same time
 *	count each
 * @store_ns: time in store callbacks
 * @invalidate_ns: time in HWPT_INVALIDATE
 */
struct iof_pager_stats {
	uint64_t faults;
	uint64_t groups;
	uint64_t loaded;
	uint64_t present;
	uint64_t prefetched;
	uint64_t prefetch_used;
	uint64_t evictions;
	uint64_t writebacks;
	uint64_t refused;
	uint64_t errors;
	uint64_t invalidations;
	uint64_t frames;
	uint64_t resident;
	uint64_t resident_peak;
	uint64_t pinned;
	uint64_t table_pages;
	uint64_t load_ns;
	uint64_t store_ns;
	uint64_t invalidate_ns;
};

/**
 * iof_pager_least() - the least budget for a device
 * @config: @engines and @group_pages describe the device
 *
 * The budget has, for each descriptor that the device works on, two times the longest group and a
 * page more, because a source and a destination that begin inside a page need two pages each. It is
 * 16 KiB for one descriptor with groups of one page.
 *
 * Return: bytes.
 */
uint64_t iof_pager_least(const struct iof_pager_config *config);

/**
 * iof_pager_open() - open a device and start a pager for it
 * @world: the world, which must outlive the pager
 * @device: path in the world; NULL: "/dev/vfio/devices/vfio0"
 * @config: how the pager works
 * @out: the pager
 *
 * Opens /dev/iommu and the device, and starts the handler. The pager owns both descriptors. After a
 * failure iof_pager_error(NULL) has the reason.
 *
 * Return: 0; -EINVAL @resident is below iof_pager_least(), or another number is out of range;
 * -ENOTTY or -EOPNOTSUPP this /dev/iommu, device or driver has no nested translation with faults;
 * -ENOMEM; or an error of opening, binding or allocating.
 */
int iof_pager_open(struct iof_world *world, const char *device,
		   const struct iof_pager_config *config, struct iof_pager **out);

/**
 * iof_pager_open_on() - start a pager on descriptors of the caller
 * @iommufd: /dev/iommu
 * @device_fd: the device
 * @dev_id: the device's id if it is bound to @iommufd; 0: the pager binds it
 * @config: how the pager works
 * @out: the pager
 *
 * The descriptors stay the caller's, and must stay open until iof_pager_close().
 *
 * Return: as iof_pager_open().
 */
int iof_pager_open_on(int iommufd, int device_fd, uint32_t dev_id,
		      const struct iof_pager_config *config, struct iof_pager **out);

/**
 * iof_pager_close() - end a pager
 * @pager: the pager; no other call on it runs, and the caller is no callback of it
 *
 * Detaches the device (open faults are answered INVALID), ends the handler, writes dirty pages back
 * and frees everything, also after an error. The error callback gets each error.
 *
 * Return: 0 or the first error of a write-back.
 */
int iof_pager_close(struct iof_pager *pager);

/**
 * iof_pager_error() - the last error as a sentence
 * @pager: the pager; NULL: this thread's last iof_pager_open() or iof_pager_open_on()
 *
 * Return: a sentence without full stop, or "". It belongs to the calling thread until its next
 * call.
 */
const char *iof_pager_error(struct iof_pager *pager);

/**
 * iof_pager_iommufd() - the pager's /dev/iommu
 * @pager: the pager
 *
 * Return: the descriptor, for further ioctls.
 */
int iof_pager_iommufd(const struct iof_pager *pager);

/**
 * iof_pager_device_fd() - the pager's device
 * @pager: the pager
 *
 * Return: the descriptor.
 */
int iof_pager_device_fd(const struct iof_pager *pager);

/**
 * iof_pager_dev_id() - the id of the bound device
 * @pager: the pager
 *
 * Return: an id of the pager's /dev/iommu.
 */
uint32_t iof_pager_dev_id(const struct iof_pager *pager);

/**
 * iof_pager_parent_ioas() - the IOAS that holds frames, tables and program memory
 * @pager: the pager
 *
 * Return: an id of the pager's /dev/iommu.
 */
uint32_t iof_pager_parent_ioas(const struct iof_pager *pager);

/**
 * iof_pager_hwpt() - the nested HWPT of a PASID
 * @pager: the pager
 * @pasid: the PASID
 *
 * Return: an id of the pager's /dev/iommu; 0: not attached.
 */
uint32_t iof_pager_hwpt(struct iof_pager *pager, uint32_t pasid);

/**
 * iof_pager_handler() - the fault handler of a pager
 * @pager: the pager, which owns the handler
 *
 * Return: the handler, for its statistics.
 */
struct iof_handler *iof_pager_handler(struct iof_pager *pager);

/*
 * Address spaces and mappings
 * ---------------------------
 * @pasid names the space; 0 is the space of requests without PASID. @iova is a multiple of 4096,
 * and lengths are rounded up to it. Ranges are below 2^47.
 */

/**
 * enum iof_pager_prot - access of the device to a mapping
 * @IOF_PAGER_READ: implied
 * @IOF_PAGER_WRITE: the device may write
 */
enum iof_pager_prot {
	IOF_PAGER_READ = 1 << 0,
	IOF_PAGER_WRITE = 1 << 1,
};

/**
 * iof_pager_attach() - make the space of a PASID and attach the device to it
 * @pager: the pager
 * @pasid: the PASID
 *
 * iof_pager_map() attaches when needed. Without a mapping, faults of the space reach the pager,
 * which refuses them; without an attachment, accesses are blocked.
 *
 * Return: 0, -EEXIST attached already, -EOPNOTSUPP the device has no PASIDs, -EINVAL the device has
 * no such PASID, or an error of allocating or attaching.
 */
int iof_pager_attach(struct iof_pager *pager, uint32_t pasid);

/**
 * iof_pager_detach() - detach the device from a space and free it
 * @pager: the pager
 * @pasid: the PASID
 *
 * Open faults are answered INVALID, dirty pages are written back, all mappings end.
 *
 * Return: 0, -ENOENT not attached, or an error of a write-back, after all is done: the pages
 * concerned are lost.
 */
int iof_pager_detach(struct iof_pager *pager, uint32_t pasid);

/**
 * iof_pager_map() - map a part of a source
 * @pager: the pager
 * @pasid: the PASID
 * @iova: address for the device
 * @length: bytes of the mapping
 * @source: the source, which the mapping holds
 * @offset: first byte in the source
 * @prot: enum iof_pager_prot
 *
 * Pages are loaded when the device requests them.
 *
 * Return: 0; -EINVAL an address or offset is no multiple of 4096, or length 0, or the range is
 * beyond 2^47 or the end of the source; -EEXIST the range has a mapping; -EACCES IOF_PAGER_WRITE
 * and the source cannot be written; -ENOMEM; or an error of iof_pager_attach().
 */
int iof_pager_map(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length,
		  struct iof_source *source, uint64_t offset, unsigned int prot);

/**
 * iof_pager_map_memory() - map memory of this program
 * @pager: the pager
 * @pasid: the PASID
 * @iova: address for the device
 * @addr: the memory, a multiple of 4096; it must stay until it is unmapped
 * @length: bytes
 * @prot: enum iof_pager_prot
 *
 * The memory is mapped at once, never paged, and not in the budget: for completion records,
 * descriptor lists and small buffers.
 *
 * Return: as iof_pager_map(), and as IOMMU_IOAS_MAP.
 */
int iof_pager_map_memory(struct iof_pager *pager, uint32_t pasid, uint64_t iova, void *addr,
			 uint64_t length, unsigned int prot);

/**
 * enum iof_pager_unmap_flags - how to unmap
 * @IOF_PAGER_DISCARD: dirty pages are not written back
 */
enum iof_pager_unmap_flags {
	IOF_PAGER_DISCARD = 1 << 0,
};

/**
 * iof_pager_unmap() - remove the mappings in a range
 * @pager: the pager
 * @pasid: the PASID
 * @iova: first address
 * @length: bytes
 * @flags: enum iof_pager_unmap_flags
 *
 * Dirty pages are written back first. If that fails, the mapping concerned and those behind it stay
 * as they were. Waits for loads in flight. When it returns, no DMA reaches the old pages.
 *
 * Return: 0, -ENOENT no mapping in the range, -EINVAL the range cuts a mapping, bad alignment or an
 * unknown flag, or an error of a write-back.
 */
int iof_pager_unmap(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length,
		    unsigned int flags);

/**
 * iof_pager_sync() - write the dirty pages of a range back
 * @pager: the pager
 * @pasid: the PASID
 * @iova: first address
 * @length: bytes
 *
 * The pages stay present.
 *
 * Return: 0, -ENOENT no mapping there, or the first error of a source, after all pages were tried.
 */
int iof_pager_sync(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/**
 * iof_pager_populate() - load a range now
 * @pager: the pager
 * @pasid: the PASID
 * @iova: first address
 * @length: bytes
 *
 * Loads as many pages as there are free frames.
 *
 * Return: the number of pages that are present then, -ENOENT a page is not mapped, or the error of
 * the source.
 */
long iof_pager_populate(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/**
 * iof_pager_pin() - load a range and keep it
 * @pager: the pager
 * @pasid: the PASID
 * @iova: first address
 * @length: bytes
 *
 * The pages are never evicted, and count for the budget. iof_pager_unpin() or unmapping ends the
 * pin. On failure no page is pinned.
 *
 * Return: 0, -ENOENT a page is not mapped or is refused, -ENOSPC less than iof_pager_least() would
 * remain for others, -ENOMEM, or the error of the source.
 */
int iof_pager_pin(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/**
 * iof_pager_unpin() - undo iof_pager_pin()
 * @pager: the pager
 * @pasid: the PASID
 * @iova: first address
 * @length: bytes
 *
 * Pages that are not pinned are ignored.
 *
 * Return: 0 or an error of iof_pager_pin() that concerns the range.
 */
int iof_pager_unpin(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/**
 * iof_pager_refuse() - answer faults in a range INVALID from now on
 * @pager: the pager
 * @pasid: the PASID
 * @iova: first address
 * @length: bytes
 *
 * Mappings made later are refused, too; the end of the space ends it. Present pages are written
 * back and removed, also pinned ones. Program memory is not touched.
 *
 * Return: 0, -EINVAL, -ENOMEM, -ENOENT @pasid is not attached, or the error of a write-back: that
 * page stays.
 */
int iof_pager_refuse(struct iof_pager *pager, uint32_t pasid, uint64_t iova, uint64_t length);

/**
 * iof_pager_get_stats() - read the counters of a pager
 * @pager: the pager
 * @out: a snapshot
 */
void iof_pager_get_stats(struct iof_pager *pager, struct iof_pager_stats *out);

#ifdef __cplusplus
}
#endif

#endif /* IOFAULT_PAGER_H */
