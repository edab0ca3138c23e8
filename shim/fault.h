/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what tests do to the shim: make the n-th something fail, count what lives, look at
 * pins, say what the process may do, and hear about misuse. Plain C. Not for products: user/ does
 * not include it.
 */
#ifndef IOF_SHIM_FAULT_H
#define IOF_SHIM_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum iof_fail_kind {
	IOF_FAIL_ALLOC,		/* kmalloc family, caches, pages, xarray entries, descriptors */
	IOF_FAIL_COPY,		/* user copies: copy_*_user, get_user, put_user, iterators */
	IOF_FAIL_PIN,		/* pin_user_pages*() and get_user_pages*(): nothing is pinned */
	IOF_FAIL_KILL,		/* fatal_signal_pending(), *_killable(): the thread was killed */
	IOF_FAIL_KINDS,
};

/*
 * From now on the @n-th call (1 is the next) of that kind fails; with @persistent all after it too.
 * @n == 0 turns it off. Counts calls of the whole process, or only of the calling thread.
 */
void iof_fail_nth(enum iof_fail_kind kind, unsigned long n, bool persistent);
void iof_fail_nth_thread(enum iof_fail_kind kind, unsigned long n, bool persistent);
/* How often one failed since it was set: a sweep ends when this stays 0. */
unsigned long iof_fail_fired(enum iof_fail_kind kind);

/* Allocations that may not sleep fail while this is set. */
void iof_fail_atomic_allocs(bool fail);

/* Objects and bytes of kernel memory alive now (0 in builds without checks). */
struct iof_live {
	long objects;
	long bytes;
	long pages;
	long files;
	long pins;		/* counted in all builds */
};
void iof_shim_live(struct iof_live *live);
/* Pins on the page at @addr of this process. */
int iof_shim_pin_count(const void *addr);

/* -1: what the process really has (the default); 0, 1: what the test says. */
void iof_shim_set_capable(int cap, int value);
/* ~0ul: what getrlimit says (the default). */
void iof_shim_set_memlock(unsigned long bytes);

/* Whether WARN_ON and every found misuse ends the program: default IOF_SHIM_CHECKS. */
extern int iof_shim_panic_on_warn;
/* How many there were. */
unsigned long iof_shim_warnings(void);

/*
 * User memory of this process as others' is reached, by process_vm_readv(): slower, no signal
 * handler.
 */
void iof_shim_force_remote_copies(bool on);
/* No page of this process counts as present, whatever was faulted in. */
void iof_shim_hide_pages(bool on);

#endif
