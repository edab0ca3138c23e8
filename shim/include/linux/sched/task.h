/* SPDX-License-Identifier: MIT */
/* sched/task.h - the kernel keeps these apart; here sched.h has them. */
#include <linux/sched.h>
