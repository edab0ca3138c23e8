/* SPDX-License-Identifier: MIT */
/* delay.h - sleeping for a time. */
#ifndef IOF_SHIM_LINUX_DELAY_H
#define IOF_SHIM_LINUX_DELAY_H

#include <linux/sched.h>

#define msleep(ms) iof_shim_msleep(ms)
#define usleep_range(lo, hi) iof_shim_msleep(((lo) + 999) / 1000)
#define fsleep(us) usleep_range(us, us)

#endif
