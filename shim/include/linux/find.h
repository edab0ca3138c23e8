/* SPDX-License-Identifier: MIT */
/* find.h - the kernel keeps the searches apart; here bitops.h has them. */
#include <linux/bitops.h>
