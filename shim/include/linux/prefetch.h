/* SPDX-License-Identifier: MIT */
/*
 * prefetch.h - prefetch hints to the CPU.
 */
#ifndef IOF_SHIM_LINUX_PREFETCH_H
#define IOF_SHIM_LINUX_PREFETCH_H

#define prefetch(p) __builtin_prefetch(p)
#if defined(__x86_64__)
/*
 * The compiler's builtin would fetch the line for reading only, since it considers CPUs without
 * this instruction.
 */
#define prefetchw(p) __asm__ volatile("prefetchw %0" : : "m"(*(const char *)(p)))
#else
#define prefetchw(p) __builtin_prefetch(p, 1)
#endif

#endif
