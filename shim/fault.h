/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what tests do to the shim.
 *
 * Tests make the n-th call of a kind fail, count live objects, look at pins, set capabilities and
 * limits, and hear about misuse. Plain C. Products do not use it: no file of user/ includes it.
 */
#ifndef IOF_SHIM_FAULT_H
#define IOF_SHIM_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum iof_fail_kind {
	/* kmalloc family, caches, pages, xarray entries, file descriptors */
	IOF_FAIL_ALLOC,
	IOF_FAIL_COPY,		/* user copies: copy_*_user, get_user, put_user, iterators */
	IOF_FAIL_PIN,		/* pin_user_pages*() and get_user_pages*() pin nothing */
	/* fatal_signal_pending() and *_killable() act as if the thread was killed */
	IOF_FAIL_KILL,
	IOF_FAIL_KINDS,
};

/*
 * Makes the @n-th call of @kind from now on fail (1 is the next); with @persistent all later calls
 * fail, too. @n == 0 turns failures off. Counts calls of the whole process, or only of the calling
 * thread.
 */
void iof_fail_nth(enum iof_fail_kind kind, unsigned long n, bool persistent);
void iof_fail_nth_thread(enum iof_fail_kind kind, unsigned long n, bool persistent);
/*
 * Number of injected failures of @kind since they were set. A sweep over @n ends when it stays 0.
 */
unsigned long iof_fail_fired(enum iof_fail_kind kind);

/* While set, allocations that may not sleep fail. */
void iof_fail_atomic_allocs(bool fail);

/* Kernel objects and bytes of kernel memory that are alive (0 in builds without checks). */
struct iof_live {
	long objects;
	long bytes;
	long pages;
	long files;
	long pins;		/* counted in all builds */
};
void iof_shim_live(struct iof_live *live);
/* Returns the number of pins on the page at @addr of this process. */
int iof_shim_pin_count(const void *addr);

/* Sets what capable() returns: 0 or 1; -1: what the process really has (the default). */
void iof_shim_set_capable(int cap, int value);
/* Sets RLIMIT_MEMLOCK; ~0ul: the limit that getrlimit() returns (the default). */
void iof_shim_set_memlock(unsigned long bytes);

/* Do WARN_ON() and each detected misuse end the program? The default is IOF_SHIM_CHECKS. */
extern int iof_shim_panic_on_warn;
/* Number of warnings so far. */
unsigned long iof_shim_warnings(void);

/*
 * Makes copies from and to this process's memory use process_vm_readv(), as for other processes.
 * They are slower and involve no signal handler.
 */
void iof_shim_force_remote_copies(bool on);
/* While set, no page of this process counts as present, even after it has been faulted in. */
void iof_shim_hide_pages(bool on);

#endif
