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
 * The pages are the window's. Returns their number, which is smaller where no window can be mapped.
 */
unsigned long iof_shim_window_pin(const struct iof_shim_area *area, unsigned long at,
				  unsigned long n, bool write, struct page **pages, bool pin);
/* Ends one pin, or one reference, of a page with IOF_SHIM_PFN_WINDOW set. */
void iof_shim_window_unpin(struct page *page, bool pin);

/*
 * The file of @fd, which is closed, opened for reading only where that can be done. A mapping of a
 * descriptor that could write would prevent a write seal.
 */
int iof_shim_window_reader(int fd);

/* Keeps windows on all of @area, which is identified. 0 or -ENOMEM. */
int iof_shim_window_hold(const struct iof_shim_area *area, bool write);
/* The end of that. */
void iof_shim_window_release(const struct iof_shim_area *area);
/* The address of byte @pos of the file, which is held, and in @length how far its window goes. */
unsigned long iof_shim_window_address(const struct iof_shim_area *area, u64 pos, u64 *length);

#endif
