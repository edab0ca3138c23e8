/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * pages.h - mapped user memory and its pins (pages.c).
 */
#ifndef IOF_CORE_PAGES_H
#define IOF_CORE_PAGES_H

#include "ctx.h"

/*
 * Number of pages in a chunk of pin counts: the maximum of one call to the
 * kernel's pinning.
 */
#define IOF_PAGES_CHUNK 512u

/*
 * The last chunk of an iof_pages is shorter than the others. The arrays are in
 * the same allocation.
 */
struct iof_pages_chunk {
	/* valid if users > 0 and no thread is pinning */
	struct page **page;
	unsigned int npages;
	/*
	 * Number of users of each page, as most mappings have it. It ends when
	 * some pages of the chunk get or lose a user: then @users has one for
	 * each page.
	 */
	u32 all_users;
	u32 *users;
};

/*
 * A piece of user memory as one MAP named it. The areas that map it, and their
 * copies, share it. A page is pinned and charged while at least one user
 * (domain, access) needs it, and only once. Chunks are allocated when pinning
 * reaches them: memory that is never pinned costs nothing, whatever its length.
 */
struct iof_pages {
	struct kref ref; /* one reference for each area */
	/*
	 * a thread waits on it for threads that are pinning; it changes when
	 * one has succeeded or failed
	 */
	atomic_t brought_in;
	struct mutex lock; /* protects the content of the chunks */
	/*
	 * page index / IOF_PAGES_CHUNK -> chunk; only grows
	 */
	struct xarray chunks;
	/*
	 * instead of @chunks, if there is one page: no allocation for its pin
	 */
	struct iof_pages_chunk only;
	struct page *only_page;
	u32 only_users;
	/*
	 * The file of MAP_FILE; @uptr is then an offset in it. NULL: memory of
	 * @mm.
	 */
	struct iof_plat_memfile *file;
	/*
	 * The address space that has the memory, by mmgrab; charged in mode MM.
	 */
	struct mm_struct *mm;
	struct task_struct *task; /* its RLIMIT_MEMLOCK applies */
	struct user_struct *user; /* the user that is charged in mode USER */
	/* address of the first byte, rounded down to a page */
	unsigned long uptr;
	unsigned long npages;
	/* pinned with write intent, as the first mapping required */
	bool writable;
	u8 account_mode; /* enum iof_account_mode */
};

/*
 * Allocates the struct; pins nothing. @uptr has any alignment, @length > 0,
 * uptr + length does not overflow. Takes over @file, if it is not NULL. Returns
 * ERR_PTR(-ENOMEM) on failure.
 */
struct iof_pages *iof_pages_alloc(struct iof_ctx *ctx,
				  struct iof_plat_memfile *file,
				  unsigned long uptr, unsigned long length,
				  bool writable);
void iof_pages_get(struct iof_pages *pages);
void iof_pages_put(struct iof_pages *pages);
/*
 * Pins [first, last] for one more user. Returns 0, -EFAULT, -ENOMEM (also over
 * the limit) or -EINTR. On failure nothing has changed.
 */
int iof_pages_pin(struct iof_pages *pages, unsigned long first,
		  unsigned long last);
void iof_pages_unpin(struct iof_pages *pages, unsigned long first,
		     unsigned long last);
/* Returns the page at @index, which the caller has pinned. */
struct page *iof_pages_page(struct iof_pages *pages, unsigned long index);
/*
 * Returns the number of pages from @first on, at most up to @last, that are
 * physically contiguous. The caller has pinned them.
 */
unsigned long iof_pages_run(struct iof_pages *pages, unsigned long first,
			    unsigned long last, phys_addr_t *pa);

#endif
