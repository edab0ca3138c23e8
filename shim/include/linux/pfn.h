/* SPDX-License-Identifier: MIT */
/* pfn.h - the kernel keeps these apart; here mm.h has them. */
#include <linux/mm.h>
