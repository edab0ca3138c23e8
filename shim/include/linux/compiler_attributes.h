/* SPDX-License-Identifier: MIT */
/* compiler_attributes.h - the kernel keeps these apart; here compiler.h has them. */
#include <linux/compiler.h>
