/* SPDX-License-Identifier: MIT */
/* unaligned.h - the older name of linux/unaligned.h. */
#include <linux/unaligned.h>
