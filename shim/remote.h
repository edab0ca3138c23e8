/* SPDX-License-Identifier: MIT */
/*
 * remote.h - what remote.c, the memory of other processes, offers to the shim's other files.
 */
#ifndef IOF_SHIM_REMOTE_H
#define IOF_SHIM_REMOTE_H

#include <linux/mm_types.h>
#include "mapping.h"

#define IOF_SHIM_REMOTE_SHIFT (IOF_SHIM_PFN_MM_SHIFT + 12)

/* Thread id that this thread acts for; 0: it acts for its own process. */
extern __thread pid_t iof_shim_acting_for __attribute__((tls_model("initial-exec")));

/* Is @p an address that kmap_local_page() returned for a page of another process? */
static inline bool iof_shim_is_remote(const void *p)
{
	return (unsigned long)p >> IOF_SHIM_REMOTE_SHIFT;
}

/* Copies between this process and the one acted for. Returns the number of bytes not copied. */
size_t iof_shim_remote_user_copy(void *dst, const void *src, size_t n, bool write);
/* Returns a copy of the descriptor that the process acted for has as @fd; -1 with errno. */
int iof_shim_remote_fd(int fd);
/* Copies where one or both addresses are remote. Returns the number of bytes not copied. */
size_t iof_shim_remote_copy(void *dst, const void *src, size_t n);
int iof_shim_remote_cmpxchg64(u64 *p, u64 *old, u64 new);

bool iof_shim_remote_present(struct mm_struct *mm, unsigned long addr, bool write);
/*
 * Makes @n pages from @start on present, with @write in writable mappings. @longterm: only memory
 * that a kernel pins for long. Returns the number of pages.
 */
unsigned long iof_shim_remote_populate(struct mm_struct *mm, unsigned long start, unsigned long n,
				       bool write, bool longterm);
/* Finds the mapping at @at, as iof_shim_area_at(). */
bool iof_shim_remote_area(struct mm_struct *mm, unsigned long at, unsigned long n,
			  struct iof_shim_area *area);
/* Returns the folder of the process in /proc; the descriptor belongs to @mm. */
int iof_shim_remote_folder(const struct mm_struct *mm);
/*
 * Takes @n pages of @area from @at on, in windows on its file (window.h). With @pin they are
 * pinned, otherwise referenced. area->identified is set. Returns the number of pages taken, which
 * is below @n if a window cannot be made.
 */
unsigned long iof_shim_remote_file_pin(struct mm_struct *mm, struct iof_shim_area *area,
				       unsigned long at, unsigned long n, bool write,
				       struct page **pages, bool pin);
/* Copies within one page. Does not touch the page if it is absent. */
int iof_shim_remote_mm_copy(struct mm_struct *mm, unsigned long addr, void *buf, size_t n,
			    bool write);
/* Returns RLIMIT_MEMLOCK of the process; its last known limit if the process is gone. */
unsigned long iof_shim_remote_memlock(struct mm_struct *mm);
/* Frees an address space, after its last reference has been dropped. */
void iof_shim_remote_free(struct mm_struct *mm);

/*
 * Returns where mm.c keeps the root of its tables of struct page; NULL: there is no such address
 * space.
 */
void **iof_shim_remote_sections(unsigned long index);
void iof_shim_sections_free(void *sections);

#endif
