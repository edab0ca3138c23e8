/* SPDX-License-Identifier: MIT */
/*
 * window.c - one page for all mappings of the same shared memory.
 *
 * A page frame is an address of this process. Shared memory has an identity besides its addresses:
 * the inode and the offset in it. The shim pins its pages in a window, which is a mapping of the
 * shim's own. So each mapping of the file has the same pages, and the program can unmap, move or
 * replace its own mappings. Windows never overlap: a range is mapped only where no window shows it
 * yet. A window lives while it has users: pins and references of its pages, and ranges that
 * memfile.c holds.
 *
 * A window is a duplicate of the program's mapping, made by mremap() with an old length of 0. This
 * needs no descriptor and no permission, and it fails for private memory. If the program is another
 * process, a descriptor of the file is mapped instead (remote_file.c). The program may change the
 * mapping meanwhile, so that the kind of the duplicate is checked before use.
 *
 * One mutex guards all windows. It is the innermost lock; system calls are made under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/mm.h>
#include <linux/rbtree.h>
#include "core/kapi.h"
#include "internal.h"
#include "mapping.h"
#include "window.h"

struct window {
	struct rb_node by_file, by_addr;
	struct iof_shim_area area;	/* address of the window, and its part of its file */
	bool writable;			/* the whole window is writable */
	unsigned long users;
};

/*
 * A process has 65,530 mappings by default, and windows for other processes are made only while
 * there are fewer windows than this. Further memory of those processes is reached by address.
 */
#define MAX_REMOTE_WINDOWS 16384

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long nr_windows;
static struct rb_root by_file = { { NULL } }, by_addr = { { NULL } };

static u64 end_in_file(const struct iof_shim_area *area)
{
	return area->offset + (area->end - area->start);
}

/* ---- finding ---- */

static int compare_files(const struct iof_shim_area *a, const struct iof_shim_area *b)
{
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return (int)a->sysv - (int)b->sysv;
}

static struct window *of_file(struct rb_node *node)
{
	return rb_entry(node, struct window, by_file);
}

/*
 * Returns the last window of @area's file that starts at or before @pos. Called with the lock held.
 */
static struct window *find_before(const struct iof_shim_area *area, u64 pos)
{
	struct rb_node *node = by_file.rb_node;
	struct window *best = NULL;

	while (node) {
		struct window *window = of_file(node);
		int order = compare_files(area, &window->area);

		if (order > 0 || (!order && window->area.offset <= pos)) {
			if (!order)
				best = window;
			node = node->rb_right;
		} else {
			node = node->rb_left;
		}
	}
	return best;
}

/* Returns the first window of @area's file that starts after @pos. Called with the lock held. */
static struct window *find_after(const struct iof_shim_area *area, u64 pos)
{
	struct rb_node *node = by_file.rb_node;
	struct window *best = NULL;

	while (node) {
		struct window *window = of_file(node);
		int order = compare_files(area, &window->area);

		if (order < 0 || (!order && window->area.offset > pos)) {
			if (!order)
				best = window;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return best;
}

static struct window *find(const struct iof_shim_area *area, u64 pos)
{
	struct window *window = find_before(area, pos);

	return window && pos < end_in_file(&window->area) ? window : NULL;
}

static struct window *find_address(unsigned long addr)
{
	struct rb_node *node = by_addr.rb_node;

	while (node) {
		struct window *window = rb_entry(node, struct window, by_addr);

		if (addr < window->area.start)
			node = node->rb_left;
		else if (addr >= window->area.end)
			node = node->rb_right;
		else
			return window;
	}
	return NULL;
}

static bool sorts_before(const struct iof_shim_area *a, const struct iof_shim_area *b)
{
	int order = compare_files(a, b);

	return order < 0 || (!order && a->offset < b->offset);
}

static void insert(struct window *window)
{
	struct rb_node **link = &by_file.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = sorts_before(&window->area, &of_file(parent)->area) ? &parent->rb_left :
									    &parent->rb_right;
	}
	rb_link_node(&window->by_file, parent, link);
	rb_insert_color(&window->by_file, &by_file);

	link = &by_addr.rb_node;
	parent = NULL;
	while (*link) {
		parent = *link;
		link = window->area.start < rb_entry(parent, struct window, by_addr)->area.start ?
			       &parent->rb_left :
			       &parent->rb_right;
	}
	rb_link_node(&window->by_addr, parent, link);
	rb_insert_color(&window->by_addr, &by_addr);
}

/* ---- making and ending ---- */

static bool shows(const struct iof_shim_area *area, unsigned long addr, unsigned long length)
{
	struct iof_shim_area seen;

	return iof_shim_own_area(addr, &seen) && seen.identified && !compare_files(&seen, area) &&
	       seen.end - addr >= length && seen.offset + (addr - seen.start) == area->offset;
}

/* Maps the memory of @part, a mapping of the program, a second time. Returns NULL on failure. */
static void *duplicate(const struct iof_shim_area *part)
{
	unsigned long length = part->end - part->start;
	int prot = PROT_READ | (part->writable ? PROT_WRITE : 0);
	void *base;

	if (!part->remote)
		base = mremap((void *)part->start, 0, length, MREMAP_MAYMOVE);
	else if (part->file >= 0)
		base = mmap(NULL, length, prot, MAP_SHARED | MAP_NORESERVE, part->file,
			    (off_t)part->offset);
	else
		return NULL;
	if (base == MAP_FAILED)
		return NULL;
	/*
	 * a child has no devices; and a core dump shows this memory once, in the program's own
	 * mapping
	 */
	madvise(base, length, MADV_DONTFORK);
	madvise(base, length, MADV_DONTDUMP);
	if (shows(part, (unsigned long)base, length))
		return base;
	munmap(base, length);
	return NULL;
}

/*
 * Cuts from @area, a mapping of the program, the part between the file's offsets @start and @end.
 */
static struct iof_shim_area cut(const struct iof_shim_area *area, u64 start, u64 end)
{
	struct iof_shim_area part = *area;

	start = max(start, area->offset);
	end = min(end, end_in_file(area));
	part.start = area->start + (unsigned long)(start - area->offset);
	part.end = part.start + (unsigned long)(end - start);
	part.offset = start;
	return part;
}

/* Maps a window on the gap around @pos between other windows, as far as @area goes. */
static struct window *map_gap(const struct iof_shim_area *area, u64 pos)
{
	struct window *before = find_before(area, pos), *after = find_after(area, pos), *window;
	struct iof_shim_area part = cut(area, before ? end_in_file(&before->area) : 0,
					after ? after->area.offset : U64_MAX);
	void *base;

	if (part.remote && nr_windows >= MAX_REMOTE_WINDOWS)
		return NULL;
	window = malloc(sizeof(*window));
	base = window ? duplicate(&part) : NULL;
	if (!base) {
		free(window);
		return NULL;
	}
	*window = (struct window){ .area = part, .writable = part.writable };
	window->area.start = (unsigned long)base;
	window->area.end = (unsigned long)base + (part.end - part.start);
	insert(window);
	nr_windows++;
	return window;
}

/* Makes the window writable where @area, which is writable, shows the same memory. */
static bool make_writable(struct window *window, const struct iof_shim_area *area)
{
	unsigned long length = window->area.end - window->area.start, at;
	struct iof_shim_area part;
	void *base;

	if (window->writable)
		return true;
	if (!mprotect((void *)window->area.start, length, PROT_READ | PROT_WRITE)) {
		window->writable = true;
		return true;
	}
	/*
	 * The window's descriptor was opened for reading. A writable mapping replaces the window in
	 * one step, since devices use the window meanwhile.
	 */
	part = cut(area, window->area.offset, end_in_file(&window->area));
	base = duplicate(&part);
	if (!base)
		return false;
	at = window->area.start + (unsigned long)(part.offset - window->area.offset);
	if (mremap(base, part.end - part.start, part.end - part.start,
		   MREMAP_MAYMOVE | MREMAP_FIXED, (void *)at) == MAP_FAILED) {
		munmap(base, part.end - part.start);
		return false;
	}
	window->writable = part.end - part.start == length;
	return true;
}

static void drop(struct window *window)
{
	if (--window->users)
		return;
	rb_erase(&window->by_file, &by_file);
	rb_erase(&window->by_addr, &by_addr);
	nr_windows--;
	WARN_ON(munmap((void *)window->area.start, window->area.end - window->area.start));
	free(window);
}

/* Returns the window at @pos with one more user, and maps it if there is none; NULL on failure. */
static struct window *take(const struct iof_shim_area *area, u64 pos, bool write)
{
	struct window *window = find(area, pos);

	if (!window)
		window = map_gap(area, pos);
	if (!window)
		return NULL;
	window->users++;
	if (!write || make_writable(window, area))
		return window;
	drop(window);
	return NULL;
}

int iof_shim_window_reader(int fd)
{
	char path[40];
	int reader;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (reader < 0)
		return fd;
	close(fd);
	return reader;
}

/* ---- pins ---- */

static bool take_page(struct window *window, unsigned long addr, struct page **slot, bool pin)
{
	struct page *page = pfn_to_page(addr >> PAGE_SHIFT);

	if (!page)
		return false;
	__atomic_store_n(&page->pfn, page->pfn | IOF_SHIM_PFN_WINDOW, __ATOMIC_RELAXED);
	atomic_inc(pin ? &page->pins : &page->refs);
	window->users++;
	if (slot)
		*slot = page;
	return true;
}

unsigned long iof_shim_window_pin(const struct iof_shim_area *area, unsigned long at,
				  unsigned long n, bool write, struct page **pages, bool pin)
{
	unsigned long done = 0;

	pthread_mutex_lock(&lock);
	while (done < n) {
		u64 pos = area->offset + (at - area->start) + done * PAGE_SIZE;
		struct window *window = take(area, pos, write);
		unsigned long addr, before = done;

		if (!window)
			break;
		addr = window->area.start + (unsigned long)(pos - window->area.offset);
		for (; done < n && addr < window->area.end; addr += PAGE_SIZE, done++)
			if (!take_page(window, addr, pages ? pages + done : NULL, pin))
				break;
		drop(window);
		if (done == before)
			break;
	}
	pthread_mutex_unlock(&lock);
	return done;
}

void iof_shim_window_unpin(struct page *page, bool pin)
{
	unsigned long pfn = page_to_pfn(page);
	struct window *window;

	pthread_mutex_lock(&lock);
	window = find_address(pfn << PAGE_SHIFT);
	if (!WARN_ON(!window || atomic_read(pin ? &page->pins : &page->refs) <= 0)) {
		atomic_dec(pin ? &page->pins : &page->refs);
		if (!atomic_read(&page->pins) && !atomic_read(&page->refs))
			__atomic_store_n(&page->pfn, pfn, __ATOMIC_RELAXED);
		drop(window);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- ranges of MAP_FILE ---- */

static void release(const struct iof_shim_area *area, u64 end)
{
	u64 pos = area->offset;

	while (pos < end) {
		struct window *window = find(area, pos);

		if (WARN_ON(!window))
			return;
		pos = end_in_file(&window->area);
		drop(window);
	}
}

int iof_shim_window_hold(const struct iof_shim_area *area, bool write)
{
	u64 pos = area->offset, end = end_in_file(area);
	int rc = 0;

	pthread_mutex_lock(&lock);
	while (pos < end) {
		struct window *window = take(area, pos, write);

		if (!window) {
			release(area, pos);
			rc = -ENOMEM;
			break;
		}
		pos = end_in_file(&window->area);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void iof_shim_window_release(const struct iof_shim_area *area)
{
	pthread_mutex_lock(&lock);
	release(area, end_in_file(area));
	pthread_mutex_unlock(&lock);
}

unsigned long iof_shim_window_address(const struct iof_shim_area *area, u64 pos, u64 *length)
{
	unsigned long addr = 0;
	struct window *window;

	pthread_mutex_lock(&lock);
	window = find(area, pos);
	if (!WARN_ON(!window)) {
		*length = end_in_file(&window->area) - pos;
		addr = window->area.start + (unsigned long)(pos - window->area.offset);
	}
	pthread_mutex_unlock(&lock);
	return addr;
}
