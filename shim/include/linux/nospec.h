/* SPDX-License-Identifier: MIT */
/*
 * nospec.h - an index that is out of bounds becomes 0, as a processor that runs ahead sees it in
 * the kernel.
 *
 * Nothing here keeps a processor from running ahead: in user space there is no other process to
 * hide memory from.
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
