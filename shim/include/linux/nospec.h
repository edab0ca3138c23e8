/* SPDX-License-Identifier: MIT */
/*
 * nospec.h - turns an index that is out of bounds into 0, as the kernel's macro does during
 * speculation.
 *
 * Nothing here stops speculation: in user space there is no other process to hide memory from.
 */
#ifndef IOF_SHIM_LINUX_NOSPEC_H
#define IOF_SHIM_LINUX_NOSPEC_H

#define array_index_nospec(index, size)				\
	({							\
		__typeof__(index) iof_i_ = (index);		\
		__typeof__(size) iof_n_ = (size);		\
		iof_i_ < iof_n_ ? iof_i_ : 0;			\
	})

#endif
