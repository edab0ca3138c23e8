/* SPDX-License-Identifier: MIT */
/*
 * real_guard.h - signals that accesses to a device can raise.
 *
 * An unplugged device's BAR raises SIGBUS. The handler puts a page of ones in its place, which is
 * what a bus reads without a device, and the access goes on. ENQCMD raises SIGSEGV.
 */
#ifndef IOF_TOOLS_REAL_GUARD_H
#define IOF_TOOLS_REAL_GUARD_H

#include <setjmp.h>
#include <stddef.h>

/* Guards a mapping. Returns 0, or -ENOSPC or the error of sigaction(). */
int iof_real_guard(void *at, size_t size);
/* Ends that. The last one restores the former handlers. */
void iof_real_unguard(void *at);
/* Until the call with NULL, a SIGSEGV of this thread jumps to @back. */
void iof_real_guard_faults(sigjmp_buf *back);

#endif
