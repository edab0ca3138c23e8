/* SPDX-License-Identifier: MIT */
/* time64.h - the kernel keeps these apart; here ktime.h has them. */
#include <linux/ktime.h>
