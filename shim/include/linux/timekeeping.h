/* SPDX-License-Identifier: MIT */
/* timekeeping.h - the kernel keeps these apart; here ktime.h has them. */
#include <linux/ktime.h>
