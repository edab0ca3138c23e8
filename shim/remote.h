/* SPDX-License-Identifier: MIT */
/*
 * remote.h - what remote.c, the memory of other processes, offers to the shim's other files.
 */
#ifndef IOF_SHIM_REMOTE_H
#define IOF_SHIM_REMOTE_H

#include <linux/mm_types.h>
#include "mapping.h"

#define IOF_SHIM_REMOTE_SHIFT (IOF_SHIM_PFN_MM_SHIFT + 12)

/* 0: this thread acts for its own process. */
extern __thread pid_t iof_shim_acting_for __attribute__((tls_model("initial-exec")));

/* An address as kmap_local_page() gives it for a page of another process. */
static inline bool iof_shim_is_remote(const void *p)
{
	return (unsigned long)p >> IOF_SHIM_REMOTE_SHIFT;
}

/* Between this process and the one acted for; bytes not copied. */
size_t iof_shim_remote_user_copy(void *dst, const void *src, size_t n, bool write);
/* A copy of the descriptor that the caller has as @fd; -1 with errno. */
int iof_shim_remote_fd(int fd);
/* One of the two or both are remote; bytes not copied. */
size_t iof_shim_remote_copy(void *dst, const void *src, size_t n);
int iof_shim_remote_cmpxchg64(u64 *p, u64 *old, u64 new);

bool iof_shim_remote_present(struct mm_struct *mm, unsigned long addr, bool write);
/*
 * How many of @n pages from @start on are there now, and writable if asked; @longterm: such as a
 * kernel pins for long.
 */
unsigned long iof_shim_remote_populate(struct mm_struct *mm, unsigned long start, unsigned long n,
				       bool write, bool longterm);
/* The mapping at @at, as iof_shim_area_at(). */
bool iof_shim_remote_area(struct mm_struct *mm, unsigned long at, unsigned long n,
			  struct iof_shim_area *area);
/* The folder of the process in /proc, which belongs to @mm. */
int iof_shim_remote_folder(const struct mm_struct *mm);
/*
 * Pins @n pages of @area, which is identified, from @at on in windows on the file, or takes
 * references to them. Returns their number, which is smaller where no window can be had.
 */
unsigned long iof_shim_remote_file_pin(struct mm_struct *mm, struct iof_shim_area *area,
				       unsigned long at, unsigned long n, bool write,
				       struct page **pages, bool pin);
/* Within one page, which is touched only if it is present. */
int iof_shim_remote_mm_copy(struct mm_struct *mm, unsigned long addr, void *buf, size_t n,
			    bool write);
/* Its process's limit; as it was last if the process is gone. */
unsigned long iof_shim_remote_rlimit(struct mm_struct *mm, int resource);
/* The last reference is gone. */
void iof_shim_remote_free(struct mm_struct *mm);

/* mm.c's tables of struct page for an address space: where their root is kept, NULL: none such. */
void **iof_shim_remote_sections(unsigned long index);
void iof_shim_sections_free(void *sections);

#endif
