/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * pages.h - user memory that is mapped, and its pins (pages.c).
 */
#ifndef IOF_CORE_PAGES_H
#define IOF_CORE_PAGES_H

#include "ctx.h"

/* Pages per chunk of pin counts: what one call to the kernel's pinning asks for at most. */
#define IOF_PAGES_CHUNK		512u

/* As long as the memory needs: the last chunk of a piece is shorter. */
struct iof_pages_chunk {
	u32 *users;		/* behind the pages, in the same allocation */
	struct page *page[];	/* valid where users > 0, and no thread is pinning them still */
};

/*
 * One piece of user memory as MAP named it, shared by the areas that map it and by their copies.
 * Each page is pinned while at least one user (domain, access) needs it, once however many there
 * are, and charged while it is pinned. The chunks appear as pinning reaches them, so that memory
 * nobody pins costs nothing, however long it claims to be.
 */
struct iof_pages {
	struct kref ref;		/* one per area */
	/* changes when a thread has pinned pages, or failed to: others may wait for them */
	atomic_t brought_in;
	struct mutex lock;		/* what the chunks hold */
	struct xarray chunks;		/* page index / IOF_PAGES_CHUNK -> chunk; only grows */
	/* whose memory if it is that of a file, then uptr is an offset in it; NULL: the mm's */
	struct iof_plat_memfile *file;
	struct mm_struct *mm;		/* mmgrab; whose memory, and who is charged in mode MM */
	struct task_struct *task;	/* whose RLIMIT_MEMLOCK */
	struct user_struct *user;	/* who is charged in mode USER */
	unsigned long uptr;		/* first byte, page aligned down */
	unsigned long npages;
	/* pinned with write intent: the first mapping asked for it */
	bool writable;
	u8 account_mode;		/* enum iof_account_mode */
};

/*
 * @uptr any alignment, @length > 0, uptr + length does not wrap. Nothing is pinned. A @file, if it
 * is not NULL, belongs to the pages from then on. ERR_PTR(-ENOMEM).
 */
struct iof_pages *iof_pages_alloc(struct iof_ctx *ctx, struct iof_plat_memfile *file,
				  unsigned long uptr, unsigned long length, bool writable);
void iof_pages_get(struct iof_pages *pages);
void iof_pages_put(struct iof_pages *pages);
/*
 * Pins [first, last] for one more user. -EFAULT, -ENOMEM (also over the limit); undone on failure.
 */
int iof_pages_pin(struct iof_pages *pages, unsigned long first, unsigned long last);
void iof_pages_unpin(struct iof_pages *pages, unsigned long first, unsigned long last);
/* The page at @index, which the caller has pinned. */
struct page *iof_pages_page(struct iof_pages *pages, unsigned long index);
/* How many of [first, last], which the caller has pinned, follow each other in physical memory. */
unsigned long iof_pages_run(struct iof_pages *pages, unsigned long first, unsigned long last,
			    phys_addr_t *pa);

#endif
