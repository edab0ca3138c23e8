/* SPDX-License-Identifier: MIT */
/*
 * window.h - what window.c, the mappings of shared memory that pins use, offers to the shim's other
 * files.
 */
#ifndef IOF_SHIM_WINDOW_H
#define IOF_SHIM_WINDOW_H

#include <linux/mm_types.h>
#include <linux/types.h>
#include "mapping.h"

/*
 * Pins @n pages of @area, which is identified, from address @at on, or takes references to them.
 * The pages are the window's. Returns their number, which is smaller if a window cannot be mapped.
 */
unsigned long iof_shim_window_pin(const struct iof_shim_area *area, unsigned long at,
				  unsigned long n, bool write, struct page **pages, bool pin);
/* Ends one pin, or one reference, of a page with IOF_SHIM_PFN_WINDOW set. */
void iof_shim_window_unpin(struct page *page, bool pin);

/*
 * Opens the file of @fd for reading only, if possible, and closes @fd; otherwise returns @fd. A
 * mapping of a descriptor that can write would prevent a write seal.
 */
int iof_shim_window_reader(int fd);

/* Keeps windows on all of @area, which is identified. Returns 0 or -ENOMEM. */
int iof_shim_window_hold(const struct iof_shim_area *area, bool write);
/* Ends iof_shim_window_hold(). */
void iof_shim_window_release(const struct iof_shim_area *area);
/*
 * Returns the address of byte @pos of a held file. *@length: the number of bytes from there to the
 * end of its window.
 */
unsigned long iof_shim_window_address(const struct iof_shim_area *area, u64 pos, u64 *length);

#endif
