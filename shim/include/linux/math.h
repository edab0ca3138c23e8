/* SPDX-License-Identifier: MIT */
/* math.h - division and rounding of integers. */
#ifndef IOF_SHIM_LINUX_MATH_H
#define IOF_SHIM_LINUX_MATH_H

#include <stdlib.h>	/* declares abs(int), before the macro below takes the name */

#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define round_up(x, y) ((((x) - 1) | ((typeof(x))(y) - 1)) + 1)
#define round_down(x, y) ((x) & ~((typeof(x))(y) - 1))

#endif
