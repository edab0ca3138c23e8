/* SPDX-License-Identifier: MIT */
/* math.h - division and rounding of integers. */
#ifndef IOF_SHIM_LINUX_MATH_H
#define IOF_SHIM_LINUX_MATH_H

#include <stdlib.h>	/* its abs(int), before ours takes the name */

#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d) DIV_ROUND_UP((unsigned long long)(n), (d))
#define DIV_ROUND_CLOSEST(n, d) (((n) + (d) / 2) / (d))
#define round_up(x, y) ((((x) - 1) | ((typeof(x))(y) - 1)) + 1)
#define round_down(x, y) ((x) & ~((typeof(x))(y) - 1))
#define roundup(x, y) \
	({ typeof(y) iof_y = (y); ((x) + (iof_y - 1)) / iof_y * iof_y; })
#define rounddown(x, y) \
	({ typeof(x) iof_x = (x); iof_x - iof_x % (y); })
#define abs(x) \
	({ __auto_type iof_abs = (x); iof_abs < 0 ? -iof_abs : iof_abs; })
#define mult_frac(x, n, d) \
	({ \
		typeof(x) iof_x = (x); \
		iof_x / (d) * (n) + iof_x % (d) * (n) / (d); \
	})

#endif
