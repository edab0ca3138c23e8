/* SPDX-License-Identifier: MIT */
/* cred.h - the kernel keeps these apart; here sched/user.h has current_user(). */
#include <linux/sched/user.h>
