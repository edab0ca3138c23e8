// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pages.c - user memory: pinned once, charged while pinned, released.
 *
 * Owns struct iof_pages. A page is pinned when its count of users leaves 0, and
 * unpinned when it is 0 again. So it is pinned and charged once, however many
 * domains and copies show it. Counts are in chunks that are allocated when
 * pinning reaches them, and stay until the last reference is put: unpinning
 * neither allocates nor fails. As long as all pages of a chunk come and go
 * together, they have one count.
 *
 * Locks: iof_pages.lock guards the counts. It is not held while pages come in,
 * which may take as long as another program likes. A thread marks the pages
 * that it is pinning. Other threads that pin these wait, with no marks of their
 * own. The kernel takes the mmap lock of the memory's owner and drops it while
 * a page comes in. Every wait of a pin ends on SIGKILL. Pages that a caller has
 * pinned do not change, and are read without the lock.
 */
#include "pages.h"
#include "records.h"

/* Value of a count: no user yet, a thread is pinning the page. */
#define IOF_PAGES_COMING U32_MAX
/* Value of chunk->all_users: each page has a count of its own. */
#define IOF_PAGES_EACH (U32_MAX - 1)
#define IOF_PAGES_MOST (U32_MAX - 2)

static unsigned long chunk_of(unsigned long index)
{
	return index / IOF_PAGES_CHUNK;
}

/* Returns the last page of @index's chunk, or @last if that is lower. */
static unsigned long chunk_end(unsigned long index, unsigned long last)
{
	return min(last, index | (IOF_PAGES_CHUNK - 1));
}

struct iof_pages *iof_pages_alloc(struct iof_ctx *ctx,
				  struct iof_plat_memfile *file,
				  unsigned long uptr, unsigned long length,
				  bool writable)
{
	struct iof_pages *pages =
		kmem_cache_zalloc(iof_pages_cache, GFP_KERNEL);

	if (!pages)
		return ERR_PTR(-ENOMEM);
	kref_init(&pages->ref);
	atomic_set(&pages->brought_in, 0);
	mutex_init(&pages->lock);
	xa_init_flags(&pages->chunks, XA_FLAGS_ACCOUNT);
	pages->file = file;
	pages->uptr = uptr & PAGE_MASK;
	pages->npages = ((uptr + length - 1 - pages->uptr) >> PAGE_SHIFT) + 1;
	pages->only.npages = 1;
	pages->only.page = &pages->only_page;
	pages->only.users = &pages->only_users;
	pages->writable = writable;
	pages->account_mode = READ_ONCE(ctx->account_mode);
	if (capable(CAP_IPC_LOCK))
		pages->account_mode = IOF_ACCOUNT_NONE;
	pages->mm = current->mm;
	mmgrab(pages->mm);
	pages->task = current->group_leader;
	get_task_struct(pages->task);
	pages->user = get_uid(current_user());
	return pages;
}

static void pages_free(struct kref *ref)
{
	struct iof_pages *pages = container_of(ref, struct iof_pages, ref);
	struct iof_pages_chunk *chunk;
	unsigned long nr;

	xa_for_each(&pages->chunks, nr, chunk) {
		kvfree(chunk);
		cond_resched();
	}
	xa_destroy(&pages->chunks);
	if (pages->file)
		iof_plat_memfile_put(pages->file);
	free_uid(pages->user);
	put_task_struct(pages->task);
	mmdrop(pages->mm);
	mutex_destroy(&pages->lock);
	kmem_cache_free(iof_pages_cache, pages);
}

void iof_pages_get(struct iof_pages *pages)
{
	kref_get(&pages->ref);
}

void iof_pages_put(struct iof_pages *pages)
{
	kref_put(&pages->ref, pages_free);
}

/* ---- accounting ---- */

static int charge_user(struct iof_pages *pages, unsigned long npages)
{
	unsigned long limit = task_rlimit(pages->task, RLIMIT_MEMLOCK) >>
			      PAGE_SHIFT;
	long locked = atomic_long_read(&pages->user->locked_vm);

	do {
		if ((unsigned long)locked + npages > limit)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&pages->user->locked_vm, &locked,
					  locked + (long)npages));
	return 0;
}

static int charge_mm(struct iof_pages *pages, unsigned long npages)
{
	int rc;

	if (mmap_write_lock_killable(pages->mm))
		return -EINTR;
	rc = __account_locked_vm(pages->mm, npages, true, pages->task, false);
	mmap_write_unlock(pages->mm);
	return rc;
}

static void uncharge_mm(struct iof_pages *pages, unsigned long npages)
{
	mmap_write_lock(pages->mm);
	__account_locked_vm(pages->mm, npages, false, pages->task, false);
	mmap_write_unlock(pages->mm);
}

static int charge(struct iof_pages *pages, unsigned long npages)
{
	int rc = 0;

	if (pages->account_mode == IOF_ACCOUNT_USER)
		rc = charge_user(pages, npages);
	else if (pages->account_mode == IOF_ACCOUNT_MM)
		rc = charge_mm(pages, npages);
	if (!rc)
		atomic64_add((s64)npages, &pages->mm->pinned_vm);
	return rc;
}

static void uncharge(struct iof_pages *pages, unsigned long npages)
{
	if (pages->account_mode == IOF_ACCOUNT_USER)
		atomic_long_sub((long)npages, &pages->user->locked_vm);
	else if (pages->account_mode == IOF_ACCOUNT_MM)
		uncharge_mm(pages, npages);
	atomic64_sub((s64)npages, &pages->mm->pinned_vm);
}

/* ---- pinning ---- */

/*
 * Pins at most @npages, as many as the kernel does in one call. Returns their
 * number or a negative errno.
 */
static long pin_some(struct iof_pages *pages, unsigned long uptr,
		     unsigned long npages, struct page **page)
{
	unsigned int flags = FOLL_LONGTERM | (pages->writable ? FOLL_WRITE : 0);
	int locked = 1;
	long pinned;

	if (pages->file)
		return iof_plat_memfile_pin(pages->file, uptr, npages,
					    pages->writable, page);
	if (pages->mm == current->mm)
		return pin_user_pages_fast(uptr, (int)npages, flags, page);

	/* The process has exited, and its memory is gone. */
	if (!mmget_not_zero(pages->mm))
		return -EFAULT;
	if (mmap_read_lock_killable(pages->mm)) {
		pinned = -EINTR;
	} else {
		pinned = pin_user_pages_remote(pages->mm, uptr, npages, flags,
					       page, &locked);
		if (locked)
			mmap_read_unlock(pages->mm);
	}
	mmput(pages->mm);
	return pinned;
}

static void release_run(struct iof_pages *pages, struct page **page,
			unsigned long npages)
{
	unpin_user_pages_dirty_lock(page, npages, pages->writable);
}

/*
 * Pins and charges @npages from @index on, which have no user. @page: their
 * entries in the chunk.
 */
static int acquire_run(struct iof_pages *pages, unsigned long index,
		       unsigned long npages, struct page **page)
{
	unsigned long done = 0;
	int rc;

	while (done < npages) {
		long pinned = pin_some(
			pages, pages->uptr + ((index + done) << PAGE_SHIFT),
			npages - done, page + done);

		if (pinned <= 0) {
			rc = pinned ? (int)pinned : -EFAULT;
			goto err_unpin;
		}
		done += (unsigned long)pinned;
	}
	rc = charge(pages, npages);
	if (rc)
		goto err_unpin;
	return 0;

err_unpin:
	release_run(pages, page, done);
	return rc;
}

/* Chunk number @nr, which exists. */
static struct iof_pages_chunk *find_chunk(struct iof_pages *pages,
					  unsigned long nr)
{
	return pages->npages == 1 ? &pages->only : xa_load(&pages->chunks, nr);
}

static struct iof_pages_chunk *get_chunk(struct iof_pages *pages,
					 unsigned long nr)
{
	struct iof_pages_chunk *chunk = find_chunk(pages, nr);
	size_t n;
	int rc;

	if (chunk)
		return chunk;
	n = min(pages->npages - nr * IOF_PAGES_CHUNK,
		(unsigned long)IOF_PAGES_CHUNK);
	chunk = kvmalloc(sizeof(*chunk) + n * (sizeof(*chunk->page) +
					       sizeof(*chunk->users)),
			 GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return ERR_PTR(-ENOMEM);
	chunk->npages = (unsigned int)n;
	chunk->all_users = 0;
	chunk->page = (struct page **)(chunk + 1);
	chunk->users = (u32 *)&chunk->page[n];
	rc = xa_err(xa_store(&pages->chunks, nr, chunk, GFP_KERNEL_ACCOUNT));
	if (rc) {
		kvfree(chunk);
		return ERR_PTR(rc);
	}
	return chunk;
}

/* Are these all pages of the chunk, with one count for all? */
static bool is_whole(const struct iof_pages_chunk *chunk, unsigned int from,
		     unsigned int to)
{
	return from == 0 && to == chunk->npages - 1 &&
	       chunk->all_users != IOF_PAGES_EACH;
}

/* Gives each page a count of its own. */
static void spread(struct iof_pages_chunk *chunk)
{
	unsigned int i;

	if (chunk->all_users == IOF_PAGES_EACH)
		return;
	for (i = 0; i < chunk->npages; i++)
		chunk->users[i] = chunk->all_users;
	chunk->all_users = IOF_PAGES_EACH;
}

/* Sets the counts of pages @from to @to. */
static void set_users(struct iof_pages_chunk *chunk, unsigned int from,
		      unsigned int to, u32 users)
{
	if (is_whole(chunk, from, to)) {
		chunk->all_users = users;
		return;
	}
	spread(chunk);
	while (from <= to)
		chunk->users[from++] = users;
}

/* Returns the last page from @from to @to up to which all have @users. */
static unsigned int end_of_run(const struct iof_pages_chunk *chunk,
			       unsigned int from, unsigned int to, u32 users)
{
	while (from < to && chunk->users[from + 1] == users)
		from++;
	return from;
}

/*
 * Pins the pages @from to @to of the chunk, which have no users. Drops the lock
 * meanwhile.
 */
static int bring_in(struct iof_pages *pages, struct iof_pages_chunk *chunk,
		    unsigned long first, unsigned int from, unsigned int to)
{
	int rc;

	set_users(chunk, from, to, IOF_PAGES_COMING);
	mutex_unlock(&pages->lock);
	rc = acquire_run(pages, first + from, to - from + 1,
			 &chunk->page[from]);
	mutex_lock(&pages->lock);
	set_users(chunk, from, to, rc ? 0 : 1);
	(void)atomic_inc_return(&pages->brought_in);
	wake_up_var(&pages->brought_in);
	return rc;
}

/* Waits until another thread has finished pinning. Drops the lock meanwhile. */
static int wait_for_others(struct iof_pages *pages)
{
	int before = atomic_read(&pages->brought_in), rc;

	mutex_unlock(&pages->lock);
	rc = wait_var_event_killable(&pages->brought_in,
				     atomic_read(&pages->brought_in) != before);
	mutex_lock(&pages->lock);
	return rc ? -EINTR : 0;
}

/*
 * Adds a user to pages @from to @to of one chunk. On failure *done is the
 * number of pages that have the new user.
 */
static int pin_in_chunk(struct iof_pages *pages, struct iof_pages_chunk *chunk,
			unsigned long first, unsigned int from, unsigned int to,
			unsigned int *done)
{
	unsigned int i = from;
	int rc = 0;

	while (i <= to && !rc) {
		bool whole = is_whole(chunk, i, to);
		unsigned int last = to;
		u32 *users;

		if (!whole)
			spread(chunk);
		users = whole ? &chunk->all_users : &chunk->users[i];
		if (*users == IOF_PAGES_COMING) {
			rc = wait_for_others(pages);
		} else if (*users == IOF_PAGES_MOST) {
			rc = -ENOMEM;
		} else if (*users) {
			++*users;
			i = whole ? to + 1 : i + 1;
		} else {
			if (!whole)
				last = end_of_run(chunk, i, to, 0);
			rc = bring_in(pages, chunk, first, i, last);
			if (!rc)
				i = last + 1;
		}
	}
	*done = i - from;
	return rc;
}

static void unpin_in_chunk(struct iof_pages *pages,
			   struct iof_pages_chunk *chunk, unsigned int from,
			   unsigned int to)
{
	unsigned int i = from;

	while (i <= to) {
		bool whole = is_whole(chunk, i, to);
		unsigned int last = to;
		u32 *users;

		if (!whole)
			spread(chunk);
		users = whole ? &chunk->all_users : &chunk->users[i];
		if (*users == 1) {
			if (!whole)
				last = end_of_run(chunk, i, to, 1);
			set_users(chunk, i, last, 0);
			release_run(pages, &chunk->page[i], last - i + 1);
			uncharge(pages, last - i + 1);
		} else {
			WARN_ON(!*users);
			--*users;
			if (!whole)
				last = i;
		}
		i = last + 1;
	}
}

static void unpin_locked(struct iof_pages *pages, unsigned long first,
			 unsigned long last)
{
	unsigned long index = first;

	lockdep_assert_held(&pages->lock);
	for (;;) {
		unsigned long end = chunk_end(index, last);

		unpin_in_chunk(pages, find_chunk(pages, chunk_of(index)),
			       index % IOF_PAGES_CHUNK, end % IOF_PAGES_CHUNK);
		if (end == last)
			break;
		index = end + 1;
		cond_resched();
	}
}

int iof_pages_pin(struct iof_pages *pages, unsigned long first,
		  unsigned long last)
{
	unsigned long index = first;
	int rc;

	if (mutex_lock_killable(&pages->lock))
		return -EINTR;
	for (;;) {
		unsigned long end = chunk_end(index, last);
		struct iof_pages_chunk *chunk =
			get_chunk(pages, chunk_of(index));
		unsigned int done = 0;

		if (IS_ERR(chunk)) {
			rc = PTR_ERR(chunk);
			goto err_unpin;
		}
		/* Reschedule, since terabytes take long. */
		if (fatal_signal_pending(current)) {
			rc = -EINTR;
			goto err_unpin;
		}
		rc = pin_in_chunk(pages, chunk, index - index % IOF_PAGES_CHUNK,
				  index % IOF_PAGES_CHUNK,
				  end % IOF_PAGES_CHUNK, &done);
		index += done;
		if (rc)
			goto err_unpin;
		if (end == last)
			break;
		cond_resched();
	}
	mutex_unlock(&pages->lock);
	return 0;

err_unpin:
	if (index > first)
		unpin_locked(pages, first, index - 1);
	mutex_unlock(&pages->lock);
	return rc;
}

void iof_pages_unpin(struct iof_pages *pages, unsigned long first,
		     unsigned long last)
{
	mutex_lock(&pages->lock);
	unpin_locked(pages, first, last);
	mutex_unlock(&pages->lock);
}

struct page *iof_pages_page(struct iof_pages *pages, unsigned long index)
{
	struct iof_pages_chunk *chunk = find_chunk(pages, chunk_of(index));

	return chunk->page[index % IOF_PAGES_CHUNK];
}

unsigned long iof_pages_run(struct iof_pages *pages, unsigned long first,
			    unsigned long last, phys_addr_t *pa)
{
	unsigned long start = iof_page_pfn(iof_pages_page(pages, first));
	unsigned long index = first;

	*pa = (phys_addr_t)start << PAGE_SHIFT;
	for (;;) {
		struct iof_pages_chunk *chunk =
			find_chunk(pages, chunk_of(index));
		unsigned long end = chunk_end(index, last);

		for (; index <= end; index++) {
			if (iof_page_pfn(
				    chunk->page[index % IOF_PAGES_CHUNK]) !=
			    start + (index - first))
				return index - first;
		}
		if (end == last)
			return index - first;
		cond_resched();
	}
}
