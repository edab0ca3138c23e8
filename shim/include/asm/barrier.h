/* SPDX-License-Identifier: MIT */
/* barrier.h - the kernel keeps these apart; here compiler.h has them. */
#include <linux/compiler.h>
